/* Bearer tokens of the devnet.  Input: choices u8, then with choices 0 a token, with 1 edits of a true one
 * (place u8, character u8), with 2 header and claims with a zero byte between them, which are signed here so
 * that they are read.  Nothing but what this secret signed is worth anything, and what it signed is worth
 * what it says. */
#include "tests/fuzz/fuzz.h"

#include "adapters/devnet/token.h"

#include <openssl/hmac.h>
#include <sodium.h>

enum { NOW = 1700000000, TEXT_MAX = 4096 };

static uint8_t secret[32];

static void check_true_tokens(void)
{
    char token[DSDN_DEVNET_TOKEN_MAX];
    struct dsdn_error error = DSDN_ERROR_INIT;
    dsdn_devnet_token_secret("fuzz", secret);
    for (uint32_t set = 1; set <= DSDN_DEVNET_ALL; set++) {
        CHECK_OK(dsdn_devnet_token_make(secret, set, NOW + 1, token, &error), &error);
        CHECK(dsdn_devnet_token_check(secret, token, strlen(token), NOW) == set);
        CHECK(dsdn_devnet_token_check(secret, token, strlen(token), NOW + 1) == 0);
    }
}

/* Base64 has four ways to write some last characters; they are the same signature. */
static bool same_token(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const char *a_dot = memrchr(a, '.', a_len), *b_dot = memrchr(b, '.', b_len);
    return a_dot && b_dot && a_dot - a == b_dot - b && memcmp(a, b, (size_t)(a_dot - a)) == 0;
}

static void check_edited(struct input *in)
{
    char token[DSDN_DEVNET_TOKEN_MAX], edited[DSDN_DEVNET_TOKEN_MAX];
    struct dsdn_error error = DSDN_ERROR_INIT;
    CHECK_OK(dsdn_devnet_token_make(secret, DSDN_DEVNET_READ, 0, token, &error), &error);
    size_t len = strlen(token);
    memcpy(edited, token, len);
    while (in->left) {
        uint8_t place = take8(in);
        edited[place % len] = (char)take8(in);
    }
    uint32_t allowed = dsdn_devnet_token_check(secret, edited, len, NOW);
    CHECK(!allowed || (allowed == DSDN_DEVNET_READ && same_token(token, len, edited, len)));
}

static size_t append(char *out, size_t at, const uint8_t *bytes, size_t len)
{
    sodium_bin2base64(out + at, TEXT_MAX - at, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return at + strlen(out + at);
}

static void check_signed(const struct input *in)
{
    static char token[TEXT_MAX];
    uint8_t mac[32];
    unsigned mac_len = sizeof mac;
    const uint8_t *zero = in->left ? memchr(in->at, 0, in->left) : NULL;
    if (!zero || in->left > TEXT_MAX / 2) return;
    size_t header_len = (size_t)(zero - in->at), at = append(token, 0, in->at, header_len);
    token[at++] = '.';
    at = append(token, at, zero + 1, in->left - header_len - 1);
    CHECK(HMAC(EVP_sha256(), secret, sizeof secret, (const uint8_t *)token, at, mac, &mac_len));
    token[at++] = '.';
    at = append(token, at, mac, sizeof mac);
    uint32_t allowed = dsdn_devnet_token_check(secret, token, at, NOW);
    CHECK(allowed <= DSDN_DEVNET_ALL);
    if (!allowed) return;
    CHECK(at < DSDN_DEVNET_TOKEN_MAX && memmem(in->at, header_len, "HS256", 5));
    secret[0] ^= 1; /* for another node it is nothing */
    CHECK(dsdn_devnet_token_check(secret, token, at, NOW) == 0);
    secret[0] ^= 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    static bool checked;
    if (!checked) check_true_tokens();
    checked = true;
    switch (take8(&in) % 3) {
    case 0: CHECK(dsdn_devnet_token_check(secret, (const char *)in.at, in.left, NOW) == 0); break;
    case 1: check_edited(&in); break;
    default: check_signed(&in);
    }
    return 0;
}
