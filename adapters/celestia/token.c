#include "adapters/celestia/token.h"

#include "log/io.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* In memory of libsodium: locked, left out of core dumps, wiped when freed. */
struct dsdn_token {
    char *path; /* NULL: the environment */
    bool open_file;
    size_t len;
    char text[DSDN_TOKEN_MAX + 1];
};

static bool token_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~+/=", c));
}

static bool white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes a token out of what surrounds it.  The text itself goes into no message. */
static int take(struct dsdn_token *t, const char *text, size_t len, const char *from, bool *changed,
                struct dsdn_error *error)
{
    while (len && white(*text)) text++, len--;
    while (len && white(text[len - 1])) len--;
    if (len > DSDN_TOKEN_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "%s: a token has at most %u characters", from,
                         DSDN_TOKEN_MAX);
    for (size_t i = 0; i < len; i++)
        if (!token_character(text[i]))
            return dsdn_fail(
                error, DSDN_E_USAGE,
                "%s: character %zu is none of a token; it has to be one line with the token alone", from,
                i + 1);
    *changed = len != t->len || (len && memcmp(t->text, text, len) != 0);
    sodium_memzero(t->text, sizeof t->text);
    if (len) memcpy(t->text, text, len);
    t->len = len;
    return DSDN_OK;
}

int dsdn_token_refresh(struct dsdn_token *t, bool *changed, struct dsdn_error *error)
{
    bool ignored;
    struct stat about;
    uint8_t *bytes;
    size_t len;
    if (!changed) changed = &ignored;
    *changed = false;
    if (!t->path) {
        const char *text = getenv(DSDN_TOKEN_VARIABLE);
        return take(t, text ? text : "", text ? strlen(text) : 0, DSDN_TOKEN_VARIABLE, changed, error);
    }
    int rc = dsdn_io_read_file(&dsdn_io_system, t->path, DSDN_TOKEN_MAX + 64, &bytes, &len, error);
    if (rc) return rc;
    t->open_file = stat(t->path, &about) == 0 && (about.st_mode & 077);
    rc = take(t, (const char *)bytes, len, t->path, changed, error);
    sodium_memzero(bytes, len);
    free(bytes);
    return rc;
}

int dsdn_token_new(const char *path, struct dsdn_token **token, bool *open_file, struct dsdn_error *error)
{
    *token = NULL;
    if (open_file) *open_file = false;
    if (sodium_init() < 0) return dsdn_fail(error, DSDN_E_IO, "libsodium does not start");
    struct dsdn_token *t = sodium_malloc(sizeof *t);
    if (!t) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a token");
    memset(t, 0, sizeof *t);
    if (path && !(t->path = strdup(path))) {
        sodium_free(t);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the path of a token");
    }
    int rc = dsdn_token_refresh(t, NULL, error);
    if (rc) {
        dsdn_token_free(t);
        return rc;
    }
    if (open_file) *open_file = t->open_file;
    *token = t;
    return DSDN_OK;
}

void dsdn_token_free(struct dsdn_token *token)
{
    if (!token) return;
    free(token->path);
    sodium_free(token);
}

bool dsdn_token_header(const struct dsdn_token *token, char *out)
{
    *out = 0;
    if (!token || !token->len) return false;
    snprintf(out, DSDN_TOKEN_HEADER_MAX, "Authorization: Bearer %s", token->text);
    return true;
}
