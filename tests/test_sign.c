#include "tests/vectors.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "log/sign.h"

static void self_test(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(dsdn_sign_self_test(&error), DSDN_OK);
    assert_int_equal(error.code, DSDN_OK);
}

/* Reads a hex member; false when it is absent. */
static bool bytes_of(const json_t *object, const char *name, uint8_t *out, size_t cap, size_t *len)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text) return false;
    *len = strlen(text) / 2;
    assert_true(*len <= cap && strlen(text) % 2 == 0);
    assert_true(dsdn_hex_decode(text, *len, out));
    return true;
}

static bool flag(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    assert_non_null(value);
    return json_is_integer(value) ? json_integer_value(value) != 0 : json_is_true(value);
}

/* Every published edge case: the rule is libsodium's verdict and a good key, and what it accepts every other
 * verifier accepts too. */
static void published_cases(void **state)
{
    (void)state;
    struct vector_files files = vector_files_list("crypto", "ed25519-", ".json");
    size_t accepted = 0, refused = 0, good_keys = 0;
    struct dsdn_key_cache *cache = dsdn_key_cache_new(16);
    assert_non_null(cache);
    for (size_t f = 0; f < files.cnt; f++) {
        json_t *file = json_load_file(files.paths[f], 0, NULL);
        assert_non_null(file);
        const json_t *cases = json_object_get(file, "cases"), *one;
        size_t i;
        assert_true(json_array_size(cases) > 0);
        json_array_foreach(cases, i, one)
        {
            uint8_t key[64], signature[512], message[8192];
            size_t key_len = 0, signature_len = 0, len = 0;
            assert_true(bytes_of(one, "pk", key, sizeof key, &key_len));
            assert_true(bytes_of(one, "sig", signature, sizeof signature, &signature_len));
            assert_true(bytes_of(one, "msg", message, sizeof message, &len));
            bool want = json_object_get(one, "DSDN-Ed25519-v1") ? flag(one, "DSDN-Ed25519-v1")
                                                                : flag(one, "sodium") && flag(one, "A_prime");
            if (key_len != 32 || signature_len != 64) { /* the interface has no room for another length */
                assert_false(want);
                continue;
            }
            assert_int_equal(dsdn_key_valid(key), flag(one, "A_prime"));
            good_keys += dsdn_key_valid(key);
            for (int k = 0; k < 3; k++) { /* without a cache, with a cold one, with a warm one */
                bool got = dsdn_verify_message(k ? cache : NULL, key, message, len, signature);
                if (got != want) fail_msg("%s case %zu: %d, not %d", files.paths[f], i, got, want);
            }
            if (want) assert_true(flag(one, "openssl") && flag(one, "zip215"));
            want ? accepted++ : refused++;
        }
        json_decref(file);
    }
    assert_true(accepted > 0 && refused > 0 && good_keys > 0);
    print_message("%zu accepted, %zu refused\n", accepted, refused);
    dsdn_key_cache_free(cache);
    vector_files_free(&files);
}

/* CVE-2025-69277: a good point plus a point of small order is on the curve and still refused. */
static void torsioned_keys(void **state)
{
    (void)state;
    static const char *const small[] = {
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  /* order 2 */
        "0000000000000000000000000000000000000000000000000000000000000000",  /* order 4 */
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"}; /* order 8 */
    for (uint8_t n = 1; n < 20; n++) {
        uint8_t seed[32] = {n}, torsion[32], sum[32];
        struct dsdn_sign_key key;
        dsdn_sign_key_from_seed(&key, seed);
        assert_true(dsdn_key_valid(key.public_key));
        for (size_t i = 0; i < 3; i++) {
            assert_true(dsdn_hex_decode(small[i], 32, torsion));
            assert_false(dsdn_key_valid(torsion));
            assert_int_equal(crypto_core_ed25519_add(sum, key.public_key, torsion), 0);
            assert_false(dsdn_key_valid(sum));
        }
    }
}

/* RFC 8032, 7.1, tests 1 to 3: seed to public key. */
static void keys_published(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t seed[32], want[32];
        struct dsdn_sign_key key;
        assert_true(dsdn_hex_decode(pairs[i][0], 32, seed) && dsdn_hex_decode(pairs[i][1], 32, want));
        dsdn_sign_key_from_seed(&key, seed);
        assert_memory_equal(key.public_key, want, 32);
        dsdn_sign_wipe(&key);
        assert_true(dsdn_zero32(key.public_key) && dsdn_zero32(key.secret) && dsdn_zero32(key.secret + 32));
    }
}

/* OpenSSL accepts what is signed here, and every flipped bit is noticed by dsdn_verify. */
static void signatures(void **state)
{
    (void)state;
    struct dsdn_key_cache *cache = dsdn_key_cache_new(8);
    assert_non_null(cache);
    for (uint8_t n = 0; n < 8; n++) {
        uint8_t seed[32] = {n, 1}, digest[32] = {2, n}, signature[64];
        struct dsdn_sign_key key;
        dsdn_sign_key_from_seed(&key, seed);
        dsdn_sign(&key, digest, signature);
        EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key.public_key, 32);
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        assert_true(other && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, other) == 1);
        assert_int_equal(EVP_DigestVerify(context, signature, 64, digest, 32), 1);
        EVP_MD_CTX_free(context);
        EVP_PKEY_free(other);
        assert_true(dsdn_verify(cache, key.public_key, digest, signature));
        for (size_t bit = n; bit < 8 * 128; bit += 8) {
            uint8_t *bytes = bit < 256 ? key.public_key : bit < 512 ? digest : signature;
            size_t at = bit < 256 ? bit : bit < 512 ? bit - 256 : bit - 512;
            bytes[at / 8] ^= (uint8_t)(1u << at % 8);
            assert_false(dsdn_verify(cache, key.public_key, digest, signature));
            bytes[at / 8] ^= (uint8_t)(1u << at % 8);
        }
        assert_true(dsdn_verify(cache, key.public_key, digest, signature));
    }
    dsdn_key_cache_free(cache);
}

/* A cache far too small for its keys, bad ones in between: verdicts are those without a cache. */
static void cache_never_decides(void **state)
{
    (void)state;
    enum { KEYS = 60 };
    static struct dsdn_sign_key keys[KEYS];
    uint8_t digest[32] = {7}, signature[KEYS][64], bad[32];
    for (uint8_t i = 0; i < KEYS; i++) {
        uint8_t seed[32] = {i, 2};
        dsdn_sign_key_from_seed(&keys[i], seed);
        dsdn_sign(&keys[i], digest, signature[i]);
    }
    static const uint32_t capacities[] = {1, 4, 16, 64};
    for (size_t c = 0; c < 4; c++) {
        struct dsdn_key_cache *cache = dsdn_key_cache_new(capacities[c]);
        assert_non_null(cache);
        for (int round = 0; round < 3; round++)
            for (size_t i = 0; i < KEYS; i++) {
                assert_true(dsdn_verify(cache, keys[i].public_key, digest, signature[i]));
                assert_false(dsdn_verify(cache, keys[i].public_key, digest, signature[(i + 1) % KEYS]));
                memset(bad, 0, 32); /* order 4; also how a free place looks */
                assert_false(dsdn_verify(cache, bad, digest, signature[i]));
                memcpy(bad, keys[i].public_key, 32);
                bad[31] ^= 0x80; /* the negated point: a good key, another one */
                assert_false(dsdn_verify(cache, bad, digest, signature[i]));
            }
        dsdn_key_cache_free(cache);
    }
    dsdn_key_cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(self_test),      cmocka_unit_test(published_cases),
        cmocka_unit_test(torsioned_keys), cmocka_unit_test(keys_published),
        cmocka_unit_test(signatures),     cmocka_unit_test(cache_never_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
