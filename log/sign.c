#include "log/sign.h"

#include <sodium.h>
#include <stdlib.h>

/* ---- the rule -------------------------------------------------------------------------------- */

bool dsdn_key_valid(const uint8_t public_key[32])
{
    return crypto_core_ed25519_is_valid_point(public_key) == 1;
}

/* A set of valid keys in buckets of four; a full bucket loses one of its keys.  What is in it changes how
 * long a verification takes, never its result.  The zero key is not valid and marks a free place. */
enum { BUCKET = 4, KEYS_MAX = 1 << 22 };

struct dsdn_key_cache {
    uint32_t mask;       /* buckets - 1 */
    uint32_t next_loser; /* round robin */
    uint8_t keys[][BUCKET][DSDN_KEY_LEN];
};

struct dsdn_key_cache *dsdn_key_cache_new(uint32_t capacity)
{
    uint32_t buckets = 1;
    while (buckets < KEYS_MAX / BUCKET && buckets * BUCKET < capacity) buckets *= 2;
    struct dsdn_key_cache *cache = calloc(1, sizeof *cache + (size_t)buckets * sizeof cache->keys[0]);
    if (cache) cache->mask = buckets - 1;
    return cache;
}

void dsdn_key_cache_free(struct dsdn_key_cache *cache)
{
    free(cache);
}

static bool valid_cached(struct dsdn_key_cache *cache, const uint8_t public_key[32])
{
    if (!cache || dsdn_zero32(public_key)) return dsdn_key_valid(public_key);
    uint64_t mixed = dsdn_load64(public_key) * 0x9e3779b97f4a7c15u;
    uint8_t(*bucket)[DSDN_KEY_LEN] = cache->keys[(uint32_t)(mixed >> 32) & cache->mask];
    int place = -1;
    for (int i = 0; i < BUCKET; i++) {
        if (dsdn_equal32(bucket[i], public_key)) return true;
        if (place < 0 && dsdn_zero32(bucket[i])) place = i;
    }
    if (!dsdn_key_valid(public_key)) return false;
    if (place < 0) place = (int)(cache->next_loser++ % BUCKET);
    memcpy(bucket[place], public_key, DSDN_KEY_LEN);
    return true;
}

bool dsdn_verify_message(struct dsdn_key_cache *cache, const uint8_t public_key[32], const void *message,
                         size_t len, const uint8_t signature[64])
{
    return valid_cached(cache, public_key) &&
           !crypto_sign_verify_detached(signature, message, len, public_key);
}

bool dsdn_verify(struct dsdn_key_cache *cache, const uint8_t public_key[32], const uint8_t digest[32],
                 const uint8_t signature[64])
{
    return dsdn_verify_message(cache, public_key, digest, 32, signature);
}

/* ---- signing --------------------------------------------------------------------------------- */

void dsdn_sign_key_from_seed(struct dsdn_sign_key *key, const uint8_t seed[32])
{
    crypto_sign_seed_keypair(key->public_key, key->secret, seed);
}

void dsdn_sign_wipe(struct dsdn_sign_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void dsdn_sign(const struct dsdn_sign_key *key, const uint8_t digest[32], uint8_t signature[64])
{
    crypto_sign_detached(signature, NULL, digest, 32, key->secret);
}

/* ---- self-test ------------------------------------------------------------------------------- */

/* Edge cases of C2SP/wycheproof (testvectors_v1/ed25519_test.json, tcId), C2SP/CCTV (ed25519vectors.json,
 * number) and novifinancial/ed25519-speccheck (cases.json, index).  Both halves of the rule are checked on
 * each: a cofactored library, one that re-encodes R, and one that takes non-canonical or torsioned points all
 * stumble somewhere here. */
static const struct known {
    const char *key, *signature, *message;
    bool valid_key, equation; /* verdict of rule 1 and of rule 2 alone */
} known[] = {
    {/* wycheproof 2: valid */
     "7d4d0e7f6153a69b6242b522abbee685fda4420f8834b108c3bdae369ef549fa",
     "d80737358ede548acb173ef7e0399f83392fe8125b2ce877de7975d8b726ef5b"
     "1e76632280ee38afad12125ea44b961bf92f1178c9fa819d020869975bcbe109",
     "78", true, true},
    {/* speccheck 3: mixed-order A and R, equation holds: this library accepts, the rule does not */
     "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
     "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f"
     "87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
     "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79", false, true},
    {/* speccheck 4: mixed order, only the cofactored equation holds */
     "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
     "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512"
     "5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
     "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c", false, false},
    {/* speccheck 0: A and R of small order, S = 0 */
     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
     "0000000000000000000000000000000000000000000000000000000000000000",
     "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6", false, false},
    {/* speccheck 6: S >= L */
     "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
     "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e"
     "547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
     "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40", true, false},
    {/* speccheck 7: S far above L */
     "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
     "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942"
     "7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
     "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40", true, false},
    {/* wycheproof 64: S + 2L of a valid signature */
     "7d4d0e7f6153a69b6242b522abbee685fda4420f8834b108c3bdae369ef549fa",
     "7c38e026f29e14aabd059a0f2db8b0cd783040609a8be684db12f82a27774ab0"
     "5439412b5395d42f462c67008eba6ca839d4eef676573336a5c51eb6f946b32d",
     "54657374", true, false},
    {/* wycheproof 85: S just above L */
     "100fdf47fb94f1536a4f7c3fda27383fa03375a8f527c537e6f1703c47f94f86",
     "0971f86d2c9c78582524a103cb9cf949522ae528f8054dc20107d999be673ff4"
     "e25ebf2f2928766b1248bec6e91697775f8446639ede46ad4df4053000000010",
     "6a0bc2b0057cedfc0fa2e3f7f7d39279b30f454a69dfd1117c758d86b19d85e0", true, false},
    {/* wycheproof 151: R is y = 1 with the sign of x set */
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
     "0100000000000000000000000000000000000000000000000000000000000080"
     "c803ee1f2342aa96ff698a393d1ab5e66f3eda101d6d120b394c3fd32c117d0a",
     "313233343030", true, false},
    {/* wycheproof 43: one bit of R flipped */
     "7d4d0e7f6153a69b6242b522abbee685fda4420f8834b108c3bdae369ef549fa",
     "677c1492402ab5ce03e2c3a7f0384d051b9cf3570f1207fc78c1bcc98c281c2b"
     "c108ca4b87a49c9ed2cf383aecad8f54a962b2899da891e12004d7993a627e01",
     "313233343030", true, false},
    {/* cctv 9: A of small order, not canonical */
     "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
     "0000000000000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000000000000000000000000000000000",
     "65643235353139766563746f72732036", false, false},
    {/* cctv 18: R not canonical and of small order, holds for the re-encoded R only */
     "10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f",
     "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
     "5e176f12cfb0d4e6eb6929b19ae4c998ef05c1c2cf628a9b1fa1c21312627108",
     "65643235353139766563746f72732037", false, false},
    {/* cctv 46: A of small order, R of prime order */
     "0000000000000000000000000000000000000000000000000000000000000000",
     "b62cf890de42c413b11b1411c9f01f1c4d77aa87ef182258d1251f69af2a3506"
     "05ba9a796274d80437afa36f1236563f2f3b0aa84cecddc3d20914615ba4fe02",
     "65643235353139766563746f7273", false, false},
    {/* cctv 51: A of mixed order, only the cofactored equation holds */
     "10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f",
     "b62cf890de42c413b11b1411c9f01f1c4d77aa87ef182258d1251f69af2a3506"
     "030b03796b78f7afeadfccaedc9d09ce6d487d1ece1f16b1ae2b59b7e5c40603",
     "65643235353139766563746f72732033", false, false},
    {/* cctv 438: A of mixed order, equation holds: this library accepts, the rule does not */
     "6718d0a3d58deaeaefa655eae3f119071deaa2cfebfd0ca28b670f879d657086",
     "b62cf890de42c413b11b1411c9f01f1c4d77aa87ef182258d1251f69af2a3506"
     "06eafe34c35b824e46e082060ca75777e699beb94810d8195d570395c050470f",
     "65643235353139766563746f72732034", false, true},
    {/* cctv 267: good A, R of mixed order, only the cofactored equation holds */
     "ef75b20e7540e3dff77404193652ba2bd13df99c1508eee1515e27ae25f28076",
     "36684ea91032ba5b1dbab2d02f4debc74c3327f2b3802e2e4d371aa42b12b56b"
     "2d471882773a677af1e3824e757a33f8ddf7bbeaf3d28a09595eb8daa0d74a03",
     "65643235353139766563746f72732033", true, false},
    {/* cctv 279: good A, R not canonical */
     "ef75b20e7540e3dff77404193652ba2bd13df99c1508eee1515e27ae25f28076",
     "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
     "ef1195f0610612912016b3ee33054829bcea20ae4de1e9343b1c4e2e15649003",
     "65643235353139766563746f7273", true, false},
    {/* cctv 304: good A, R the identity: RFC 8032 accepts, this rule does not */
     "ef75b20e7540e3dff77404193652ba2bd13df99c1508eee1515e27ae25f28076",
     "0100000000000000000000000000000000000000000000000000000000000000"
     "330b30d6c1f07511e2208d233b6a34d4ed7109da2dea615bcd97daee3a842704",
     "65643235353139766563746f72732037", true, false},
};

/* P + T2 of CVE-2025-69277: the base point plus the point of order two, (0, -1).  Subgroup tests that look at
 * one coordinate of L * point only let it pass. */
static const char torsioned_key[] = "9599999999999999999999999999999999999999999999999999999999999999";

/* RFC 8032, 7.1, TEST 1: seed and public key. */
static const char seed_text[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
static const char public_text[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

int dsdn_sign_self_test(struct dsdn_error *error)
{
    if (sodium_init() < 0) return dsdn_fail(error, DSDN_E_SIGNATURE, "libsodium does not start");
    uint8_t key[32], signature[64], message[32];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t len = strlen(known[i].message) / 2;
        if (!dsdn_hex_decode(known[i].key, 32, key) || !dsdn_hex_decode(known[i].signature, 64, signature) ||
            len > sizeof message || !dsdn_hex_decode(known[i].message, len, message))
            return dsdn_fail(error, DSDN_E_SIGNATURE, "Ed25519 self-test case %zu does not read", i);
        if (dsdn_key_valid(key) != known[i].valid_key ||
            (crypto_sign_verify_detached(signature, message, len, key) == 0) != known[i].equation ||
            dsdn_verify_message(NULL, key, message, len, signature) !=
                (known[i].valid_key && known[i].equation))
            return dsdn_fail(error, DSDN_E_SIGNATURE,
                             "libsodium %s judges Ed25519 edge case %zu otherwise than rule DSDN-Ed25519-v1: "
                             "signatures checked by it could part this log from others",
                             sodium_version_string(), i);
    }
    if (!dsdn_hex_decode(torsioned_key, 32, key) || dsdn_key_valid(key))
        return dsdn_fail(error, DSDN_E_SIGNATURE,
                         "libsodium %s takes a key outside the prime-order subgroup (CVE-2025-69277): "
                         "install a fixed version",
                         sodium_version_string());
    struct dsdn_sign_key own;
    uint8_t seed[32];
    if (!dsdn_hex_decode(seed_text, 32, seed) || !dsdn_hex_decode(public_text, 32, key))
        return dsdn_fail(error, DSDN_E_SIGNATURE, "the Ed25519 self-test key does not read");
    dsdn_sign_key_from_seed(&own, seed);
    dsdn_sign(&own, key, signature);
    if (!dsdn_equal32(own.public_key, key) || !dsdn_verify(NULL, key, key, signature))
        return dsdn_fail(error, DSDN_E_SIGNATURE, "libsodium %s does not sign as RFC 8032 says",
                         sodium_version_string());
    return DSDN_OK;
}
