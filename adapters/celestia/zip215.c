#include "adapters/celestia/zip215.h"

#include <sodium.h>

/* The order of the prime subgroup, little-endian. */
static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                  0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
static const uint8_t identity[32] = {1};

static bool below_order(const uint8_t scalar[32])
{
    for (int i = 31; i >= 0; i--)
        if (scalar[i] != order[i]) return scalar[i] < order[i];
    return false;
}

/* out = 8 p: in the prime subgroup, whatever point of the curve p is.  libsodium's addition takes every
 * encoding that ZIP 215 takes, where its multiplication would refuse p itself. */
static bool times_eight(const uint8_t p[32], uint8_t out[32])
{
    memcpy(out, p, 32);
    for (int i = 0; i < 3; i++) {
        uint8_t twice[32];
        if (crypto_core_ed25519_add(twice, out, out)) return false;
        memcpy(out, twice, 32);
    }
    return true;
}

/* out = scalar p for p in the prime subgroup.  libsodium reports a result that is the identity as a failure;
 * here it can be nothing else. */
static void multiply(const uint8_t scalar[32], const uint8_t p[32], uint8_t out[32])
{
    if (dsdn_equal32(p, identity) || crypto_scalarmult_ed25519_noclamp(out, scalar, p))
        memcpy(out, identity, 32);
}

bool dsdn_zip215_verify(const uint8_t public_key[32], const void *message, size_t len,
                        const uint8_t signature[64])
{
    static const uint8_t eight[32] = {8};
    uint8_t digest[64], k[32], s[32], key[32], r[32], left[32], right[32];
    crypto_hash_sha512_state state;
    if (!below_order(signature + 32)) return false;
    if (!times_eight(public_key, key) || !times_eight(signature, r)) return false;
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, signature, 32);
    crypto_hash_sha512_update(&state, public_key, 32);
    crypto_hash_sha512_update(&state, message, len);
    crypto_hash_sha512_final(&state, digest);
    crypto_core_ed25519_scalar_reduce(k, digest);
    crypto_core_ed25519_scalar_mul(s, signature + 32, eight);
    if (crypto_scalarmult_ed25519_base_noclamp(left, s)) memcpy(left, identity, 32); /* S = 0 */
    multiply(k, key, right);
    return !crypto_core_ed25519_add(right, right, r) && dsdn_equal32(left, right);
}
