#include "adapters/devnet/token.h"

#include "adapters/celestia/json.h"
#include "log/hash.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdio.h>
#include <time.h>

enum { MAC_LEN = 32, PARTS_MAX = 384, VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING };
static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
static const char never[] = "0001-01-01T00:00:00Z";

const char *dsdn_devnet_permission_name(uint32_t permission)
{
    switch (permission) {
    case DSDN_DEVNET_PUBLIC: return "public";
    case DSDN_DEVNET_READ: return "read";
    case DSDN_DEVNET_WRITE: return "write";
    case DSDN_DEVNET_ADMIN: return "admin";
    default: return "";
    }
}

void dsdn_devnet_token_secret(const char *seed, uint8_t secret[32])
{
    dsdn_tagged("DSDN-devnet-token-v1", seed, strlen(seed), secret);
}

static bool sign(const uint8_t secret[32], const void *text, size_t len, uint8_t mac[MAC_LEN])
{
    unsigned mac_len = MAC_LEN;
    return HMAC(EVP_sha256(), secret, 32, text, len, mac, &mac_len) && mac_len == MAC_LEN;
}

/* Appends base64url of bytes to out; the room was counted before. */
static size_t append(char *out, size_t at, const void *bytes, size_t len)
{
    sodium_bin2base64(out + at, sodium_base64_ENCODED_LEN(len, VARIANT), bytes, len, VARIANT);
    return at + strlen(out + at);
}

int dsdn_devnet_token_make(const uint8_t secret[32], uint32_t permissions, uint64_t expires_s,
                           char out[DSDN_DEVNET_TOKEN_MAX], struct dsdn_error *error)
{
    char claims[PARTS_MAX], allow[64] = "", expires[40], nonce_text[48];
    uint8_t input[44], digest[32], mac[MAC_LEN];
    struct tm tm;
    time_t seconds = (time_t)expires_s;
    size_t at = 0;
    if (expires_s >= UINT64_C(253402300800) || !gmtime_r(&seconds, &tm))
        return dsdn_fail(error, DSDN_E_USAGE, "a token cannot expire behind the year 9999");
    for (uint32_t bit = DSDN_DEVNET_PUBLIC; bit <= DSDN_DEVNET_ADMIN; bit <<= 1)
        if (permissions & bit)
            at += (size_t)snprintf(allow + at, sizeof allow - at, "%s\"%s\"", at ? "," : "",
                                   dsdn_devnet_permission_name(bit));
    snprintf(expires, sizeof expires, "%s", never);
    if (expires_s) strftime(expires, sizeof expires, "%Y-%m-%dT%H:%M:%SZ", &tm);
    memcpy(input, secret, 32);
    dsdn_store32(input + 32, permissions);
    dsdn_store64(input + 36, expires_s);
    dsdn_tagged("DSDN-devnet-nonce-v1", input, sizeof input, digest);
    sodium_bin2base64(nonce_text, sizeof nonce_text, digest, 32, sodium_base64_VARIANT_ORIGINAL);
    int len = snprintf(claims, sizeof claims, "{\"Allow\":[%s],\"Nonce\":\"%s\",\"ExpiresAt\":\"%s\"}", allow,
                       nonce_text, expires);
    at = append(out, 0, header, sizeof header - 1);
    out[at++] = '.';
    at = append(out, at, claims, (size_t)len);
    if (!sign(secret, out, at, mac)) return dsdn_fail(error, DSDN_E_IO, "libcrypto cannot compute an HMAC");
    out[at++] = '.';
    append(out, at, mac, sizeof mac);
    return DSDN_OK;
}

static bool decode(const char *text, size_t len, uint8_t *out, size_t cap, size_t *got)
{
    return sodium_base642bin(out, cap, text, len, NULL, got, NULL, VARIANT) == 0;
}

static bool is_hs256(const uint8_t *json, size_t len)
{
    static const char *const names[] = {"alg"};
    struct dsdn_view value, alg, text;
    return dsdn_span_check(json, len, &value, NULL) == 0 &&
           dsdn_span_members(value, "header", names, 1, &alg, NULL) == 0 && dsdn_span_plain(alg, &text) &&
           text.len == 5 && memcmp(text.bytes, "HS256", 5) == 0;
}

static uint32_t claims_read(const uint8_t *json, size_t len, uint64_t now_s)
{
    static const char *const names[] = {"Allow", "ExpiresAt"};
    struct dsdn_view value, members[2], text, element, no_name;
    struct dsdn_celestia_time expires;
    struct dsdn_span_walk walk;
    uint32_t allowed = 0;
    if (dsdn_span_check(json, len, &value, NULL) ||
        dsdn_span_members(value, "claims", names, 2, members, NULL))
        return 0;
    if (!dsdn_span_none(members[1])) {
        if (!dsdn_span_time(members[1], &expires)) return 0;
        bool has_end = dsdn_span_plain(members[1], &text) &&
                       (text.len != sizeof never - 1 || memcmp(text.bytes, never, text.len) != 0);
        if (has_end && (expires.seconds < 0 || (uint64_t)expires.seconds <= now_s)) return 0;
    }
    dsdn_span_walk_start(&walk, members[0]);
    while (dsdn_span_walk_next(&walk, &no_name, &element))
        for (uint32_t bit = DSDN_DEVNET_PUBLIC; bit <= DSDN_DEVNET_ADMIN; bit <<= 1) {
            const char *name = dsdn_devnet_permission_name(bit);
            if (dsdn_span_plain(element, &text) && text.len == strlen(name) &&
                memcmp(text.bytes, name, text.len) == 0)
                allowed |= bit;
        }
    return allowed;
}

uint32_t dsdn_devnet_token_check(const uint8_t secret[32], const char *token, size_t len, uint64_t now_s)
{
    uint8_t bytes[DSDN_DEVNET_TOKEN_MAX], mac[MAC_LEN], given[MAC_LEN];
    size_t got;
    if (len >= DSDN_DEVNET_TOKEN_MAX) return 0;
    const char *first = memchr(token, '.', len);
    const char *second = first ? memchr(first + 1, '.', len - (size_t)(first + 1 - token)) : NULL;
    if (!second) return 0;
    size_t signed_len = (size_t)(second - token);
    if (!decode(second + 1, len - signed_len - 1, given, sizeof given, &got) || got != MAC_LEN) return 0;
    if (!sign(secret, token, signed_len, mac) || CRYPTO_memcmp(mac, given, MAC_LEN) != 0) return 0;
    if (!decode(token, (size_t)(first - token), bytes, sizeof bytes, &got) || !is_hs256(bytes, got)) return 0;
    if (!decode(first + 1, (size_t)(second - first - 1), bytes, sizeof bytes, &got)) return 0;
    return claims_read(bytes, got, now_s);
}
