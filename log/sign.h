/* sign.h: Ed25519 under one pinned acceptance rule, "DSDN-Ed25519-v1":
 *   1. the public key is a canonical encoding of a point of the prime-order subgroup, not the identity
 *      (libsodium's crypto_core_ed25519_is_valid_point);
 *   2. the signature is 64 bytes, S < L, R compared as bytes, cofactorless equation
 *      (crypto_sign_verify_detached of libsodium 1.0.16 .. 1.0.18);
 * so that every accepted signature is accepted by RFC 8032, OpenSSL and ZIP-215 verifiers as well, and a
 * library upgrade cannot fork a replay: dsdn_sign_self_test refuses to start on a library that judges
 * otherwise. */
#ifndef DSDN_LOG_SIGN_H
#define DSDN_LOG_SIGN_H

#include "log/base.h"
#include "log/error.h"

#define DSDN_KEY_LEN       32u
#define DSDN_SIGNATURE_LEN 64u

/* A signing key: 32-byte seed (RFC 8032) with its expanded form.  Wipe with dsdn_sign_wipe. */
struct dsdn_sign_key {
    uint8_t public_key[32];
    uint8_t secret[64]; /* seed || public key, libsodium's layout */
};

/* dsdn_sign_self_test checks the library against known verdicts (edge vectors, the P + T2 key of
 * CVE-2025-69277).  Must be called once per process before anything else here.  DSDN_OK or
 * DSDN_E_SIGNATURE. */
int dsdn_sign_self_test(struct dsdn_error *error);

void dsdn_sign_key_from_seed(struct dsdn_sign_key *key, const uint8_t seed[32]);
void dsdn_sign_wipe(struct dsdn_sign_key *key);

/* dsdn_sign signs the 32-byte digest. */
void dsdn_sign(const struct dsdn_sign_key *key, const uint8_t digest[32], uint8_t signature[64]);

/* dsdn_key_valid is rule 1.  About 30 us; results are worth caching (dsdn_key_cache). */
bool dsdn_key_valid(const uint8_t public_key[32]);

/* A bounded cache of keys that passed rule 1.  One per thread, no locking. */
struct dsdn_key_cache;
/* capacity in keys, rounded up to a power of two.  NULL: no memory. */
struct dsdn_key_cache *dsdn_key_cache_new(uint32_t capacity);
void dsdn_key_cache_free(struct dsdn_key_cache *cache);

/* dsdn_verify says whether signature is valid for digest under key by both rules.  cache may be NULL. */
bool dsdn_verify(struct dsdn_key_cache *cache, const uint8_t public_key[32], const uint8_t digest[32],
                 const uint8_t signature[64]);

/* dsdn_verify_message is the same rule for a message that is not a digest (test vectors, foreign
 * protocols). */
bool dsdn_verify_message(struct dsdn_key_cache *cache, const uint8_t public_key[32], const void *message,
                         size_t len, const uint8_t signature[64]);

#endif
