/* token.h: the bearer tokens of a devnet: JSON Web Tokens (RFC 7519) signed with HS256, claims as
 * celestia-node writes them (api/rpc/perms/permissions.go):
 *
 *     {"Allow":["public","read"],"Nonce":"...","ExpiresAt":"0001-01-01T00:00:00Z"}
 *
 * The year 1 means no expiry.  A level includes those before it. */
#ifndef DSDN_ADAPTERS_DEVNET_TOKEN_H
#define DSDN_ADAPTERS_DEVNET_TOKEN_H

#include "log/base.h"
#include "log/error.h"

enum dsdn_devnet_permission {
    DSDN_DEVNET_PUBLIC = 1,
    DSDN_DEVNET_READ = 2,
    DSDN_DEVNET_WRITE = 4,
    DSDN_DEVNET_ADMIN = 8,
    DSDN_DEVNET_ALL = 15,
};

#define DSDN_DEVNET_TOKEN_MAX 512u /* characters, zero byte included */

/* Name of a single permission: "read". */
const char *dsdn_devnet_permission_name(uint32_t permission);

/* dsdn_devnet_token_secret derives the signing secret from the seed of a chain. */
void dsdn_devnet_token_secret(const char *seed, uint8_t secret[32]);

/* dsdn_devnet_token_make writes a token that allows the set `permissions`; expires_s is seconds since 1970,
 * 0 for never.  The nonce follows from the contents: equal requests give equal tokens.  USAGE for an expiry
 * behind the year 9999; IO when libcrypto fails. */
int dsdn_devnet_token_make(const uint8_t secret[32], uint32_t permissions, uint64_t expires_s,
                           char out[DSDN_DEVNET_TOKEN_MAX], struct dsdn_error *error);

/* dsdn_devnet_token_check is the set that a token allows, 0 for a token that is not one of this secret, not
 * HS256, or expired at now_s.  Compares signatures in constant time. */
uint32_t dsdn_devnet_token_check(const uint8_t secret[32], const char *token, size_t len, uint64_t now_s);

#endif
