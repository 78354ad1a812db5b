/* stamp.h: signatures of a test's own (a hash of key and digest, which anyone could make) in place of
 * log/sign.h, for simulators in which a thousand worlds take seconds.  Include it in one file of a test that
 * does not test signatures. */
#ifndef DSDN_TESTS_STAMP_H
#define DSDN_TESTS_STAMP_H

#include "log/hash.h"
#include "log/sign.h"

#include <stdlib.h>
#include <string.h>

struct dsdn_key_cache {
    char unused;
};

int dsdn_sign_self_test(struct dsdn_error *e)
{
    (void)e;
    return 0;
}

void dsdn_sign_key_from_seed(struct dsdn_sign_key *key, const uint8_t seed[32])
{
    memcpy(key->public_key, seed, 32);
}

void dsdn_sign_wipe(struct dsdn_sign_key *key)
{
    memset(key, 0, sizeof *key);
}

bool dsdn_key_valid(const uint8_t public_key[32])
{
    return public_key != NULL;
}

struct dsdn_key_cache *dsdn_key_cache_new(uint32_t capacity)
{
    return capacity ? calloc(1, 1) : NULL;
}

void dsdn_key_cache_free(struct dsdn_key_cache *cache)
{
    free(cache);
}

void dsdn_sign(const struct dsdn_sign_key *key, const uint8_t digest[32], uint8_t signature[64])
{
    uint8_t text[64];
    memcpy(text, key->public_key, 32);
    memcpy(text + 32, digest, 32);
    dsdn_sha256(text, sizeof text, signature);
    memcpy(signature + 32, key->public_key, 32);
}

bool dsdn_verify(struct dsdn_key_cache *cache, const uint8_t public_key[32], const uint8_t digest[32],
                 const uint8_t signature[64])
{
    struct dsdn_sign_key key;
    uint8_t want[64];
    (void)cache;
    memcpy(key.public_key, public_key, 32);
    dsdn_sign(&key, digest, want);
    return memcmp(want, signature, 64) == 0;
}

bool dsdn_verify_message(struct dsdn_key_cache *cache, const uint8_t public_key[32], const void *message,
                         size_t len, const uint8_t signature[64])
{
    return len == 32 && dsdn_verify(cache, public_key, message, signature);
}

#endif
