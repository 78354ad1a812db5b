/* token.h: the credential of a node: a JWT, sent as `Authorization: Bearer ...`, and kept out of everything
 * else.
 *
 * It comes from a file, read again when the node answers 401 (operators rotate it in place), or from the
 * environment variable DA_AUTH_TOKEN, or there is none (a node with --rpc.skip-auth).  It is held in memory
 * that core dumps leave out and that is wiped at the end; no message, no log and no option print has it. */
#ifndef DSDN_ADAPTERS_CELESTIA_TOKEN_H
#define DSDN_ADAPTERS_CELESTIA_TOKEN_H

#include "log/error.h"

#include <stddef.h>

#define DSDN_TOKEN_VARIABLE "DA_AUTH_TOKEN"
#define DSDN_TOKEN_MAX      4095u

struct dsdn_token;

/* dsdn_token_new reads path, or when it is NULL the variable; unset or empty is no token at all, which is
 * fine.  White space around it is dropped.  *open_file (may be NULL) says that others than its owner can read
 * the file: worth a warning.  USAGE for characters that no token has; NOT_FOUND, IO, TOO_LARGE, NO_MEMORY. */
int dsdn_token_new(const char *path, struct dsdn_token **token, bool *open_file, struct dsdn_error *error);
void dsdn_token_free(struct dsdn_token *token);

/* dsdn_token_refresh reads the source again; *changed says whether it is another token now.  After a failure
 * the old one stays. */
int dsdn_token_refresh(struct dsdn_token *token, bool *changed, struct dsdn_error *error);

/* dsdn_token_header writes "Authorization: Bearer ..." and a zero byte to out (DSDN_TOKEN_HEADER_MAX), and
 * returns false when there is no token.  Wipe out after use. */
#define DSDN_TOKEN_HEADER_MAX (DSDN_TOKEN_MAX + 32u)
bool dsdn_token_header(const struct dsdn_token *token, char *out);

#endif
