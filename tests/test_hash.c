#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log/hash.h"

static uint64_t seed = 1;

/* xorshift64*: the same numbers in every run. */
static uint32_t number(uint32_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * 0x2545f4914f6cdd1dU) >> 33) % below;
}

static void fill(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) p[i] = (uint8_t)number(256);
}

static void expect_hex(const uint8_t *bytes, const char *hex)
{
    char text[65];
    dsdn_hex_encode(bytes, 32, text);
    assert_string_equal(text, hex);
}

/* NIST's example values for FIPS 180-4, and the empty message. */
static void sha256_published(void **state)
{
    (void)state;
    static const struct {
        const char *message, *hash;
    } cases[] = {{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                 {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                 {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
                 {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlm"
                  "nopqrsmnopqrs"
                  "tnopqrstu",
                  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"}};
    uint8_t out[32];
    for (int portable = 0; portable < 2; portable++) {
        dsdn_hash_force(portable ? DSDN_HASH_PORTABLE : DSDN_HASH_AUTO);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            dsdn_sha256(cases[i].message, strlen(cases[i].message), out);
            expect_hex(out, cases[i].hash);
            struct dsdn_sha256_job job = {NULL, (const uint8_t *)cases[i].message, 0,
                                          strlen(cases[i].message), out};
            memset(out, 0, sizeof out);
            dsdn_sha256_many(&job, 1);
            expect_hex(out, cases[i].hash);
        }
        uint8_t *million = malloc(1000000);
        assert_non_null(million);
        memset(million, 'a', 1000000);
        struct dsdn_sha256_job job = {million, million + 999, 999, 1000000 - 999, out};
        dsdn_sha256_many(&job, 1);
        expect_hex(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
        free(million);
    }
    dsdn_hash_force(DSDN_HASH_AUTO);
}

static void tags(void **state)
{
    (void)state;
    uint8_t one[32], two[32];
    struct dsdn_sha256 s;
    dsdn_tagged("dsdn/body/1", "xyz", 3, one);
    dsdn_sha256("\x0b"
                "dsdn/body/1"
                "xyz",
                15, two);
    assert_memory_equal(one, two, 32);
    dsdn_tag_init(&s, "dsdn/body/1");
    struct dsdn_sha256 copy = s;
    dsdn_sha256_update(&copy, "x", 1);
    dsdn_sha256_update(&copy, NULL, 0);
    dsdn_sha256_update(&copy, "yz", 2);
    dsdn_sha256_final(&copy, two);
    assert_memory_equal(one, two, 32);
}

/* Any mix of lengths in one call, each input in an allocation of exactly its size so that a read too far is
 * seen. Lengths crowd around the places where the pieces of a message change. */
static void many_equals_one(void **state)
{
    (void)state;
    static const uint32_t edges[] = {0,   1,   55,  56,  63,  64,  65,   119, 120,
                                     128, 320, 321, 384, 385, 448, 1000, 9000};
    enum { EDGES = sizeof edges / sizeof *edges, JOBS_MAX = 23 };
    struct dsdn_sha256_job jobs[JOBS_MAX];
    uint8_t got[JOBS_MAX][32], want[32];
    for (int round = 0; round < 400; round++) {
        size_t cnt = number(JOBS_MAX + 1);
        for (size_t i = 0; i < cnt; i++) {
            size_t lens[2];
            uint8_t *parts[2];
            for (int k = 0; k < 2; k++) {
                uint32_t kind = number(4);
                lens[k] = kind == 0 ? 0 : kind == 1 ? number(500) : edges[number(EDGES)] + number(3);
                parts[k] = malloc(lens[k] ? lens[k] : 1);
                assert_non_null(parts[k]);
                fill(parts[k], lens[k]);
            }
            jobs[i] = (struct dsdn_sha256_job){parts[0], parts[1], lens[0], lens[1], got[i]};
        }
        memset(got, 0, sizeof got);
        dsdn_sha256_many(jobs, cnt);
        for (size_t i = 0; i < cnt; i++) {
            struct dsdn_sha256 s;
            dsdn_sha256_init(&s);
            dsdn_sha256_update(&s, jobs[i].head, jobs[i].head_len);
            dsdn_sha256_update(&s, jobs[i].body, jobs[i].body_len);
            dsdn_sha256_final(&s, want);
            assert_memory_equal(got[i], want, 32);
        }
        dsdn_hash_force(DSDN_HASH_PORTABLE);
        uint8_t again[JOBS_MAX][32];
        for (size_t i = 0; i < cnt; i++) jobs[i].out = again[i];
        dsdn_sha256_many(jobs, cnt);
        dsdn_hash_force(DSDN_HASH_AUTO);
        assert_memory_equal(again, got, 32 * cnt);
        for (size_t i = 0; i < cnt; i++) {
            free((void *)(uintptr_t)jobs[i].head);
            free((void *)(uintptr_t)jobs[i].body);
        }
    }
}

/* Every length of one message, head empty and not: no padding case is left to chance. */
static void every_length(void **state)
{
    (void)state;
    uint8_t message[800], got[4][32], want[32];
    fill(message, sizeof message);
    for (size_t len = 0; len <= sizeof message; len++) {
        size_t head = len < 12 ? len : 12;
        struct dsdn_sha256_job jobs[4];
        for (size_t i = 0; i < 4; i++) {
            size_t cut = i == 0 ? 0 : i == 1 ? head : i == 2 ? len / 2 : len;
            jobs[i] = (struct dsdn_sha256_job){message, message + cut, cut, len - cut, got[i]};
        }
        dsdn_sha256_many(jobs, 4);
        dsdn_sha256(message, len, want);
        for (size_t i = 0; i < 4; i++) assert_memory_equal(got[i], want, 32);
    }
}

static void nodes_equal_messages(void **state)
{
    (void)state;
    uint8_t out[40][32], want[32], message[65];
    const uint8_t *in[40];
    uint8_t *to[40];
    for (size_t cnt = 0; cnt <= 40; cnt++) {
        uint8_t *bytes = malloc(64 * cnt + 1); /* to the byte: the sanitizer sees a read too far */
        assert_non_null(bytes);
        fill(bytes, 64 * cnt);
        for (size_t i = 0; i < cnt; i++) in[i] = bytes + 64 * (cnt - 1 - i), to[i] = out[i];
        for (int portable = 0; portable < 2; portable++) {
            dsdn_hash_force(portable ? DSDN_HASH_PORTABLE : DSDN_HASH_AUTO);
            memset(out, 0, sizeof out);
            dsdn_sha256_nodes((uint8_t)(cnt * 7), in, to, cnt);
            for (size_t i = 0; i < cnt; i++) {
                message[0] = (uint8_t)(cnt * 7);
                memcpy(message + 1, in[i], 64);
                dsdn_sha256(message, 65, want);
                assert_memory_equal(out[i], want, 32);
            }
        }
        free(bytes);
    }
    dsdn_hash_force(DSDN_HASH_AUTO);
}

static void counted_equal_messages(void **state)
{
    (void)state;
    static const uint32_t starts[] = {0, 250, 65533, 0x12345678, UINT32_MAX - 3};
    uint8_t message[55], out[11][32], sum[32], want_sum[32], want[32];
    fill(message, sizeof message);
    for (uint32_t len = 4; len <= 55; len++)
        for (size_t k = 0; k < 5; k++)
            for (int portable = 0; portable < 2; portable++) {
                uint32_t cnt = (len + (uint32_t)k) % 12;
                fill(sum, 32);
                memcpy(want_sum, sum, 32);
                dsdn_hash_force(portable ? DSDN_HASH_PORTABLE : DSDN_HASH_AUTO);
                dsdn_sha256_counted(message, len, starts[k], cnt, sum, out[0]);
                uint8_t copy[55];
                memcpy(copy, message, len - 4);
                for (uint32_t i = 0; i < cnt; i++) {
                    dsdn_store32(copy + len - 4, starts[k] + i);
                    dsdn_sha256(copy, len, want);
                    assert_memory_equal(out[i], want, 32);
                    for (int b = 0; b < 32; b++) want_sum[b] ^= want[b];
                }
                assert_memory_equal(sum, want_sum, 32);
                dsdn_sha256_counted(message, len, starts[k], cnt, sum,
                                    NULL); /* the same again: XOR undoes it */
                for (uint32_t i = 0; i < cnt; i++)
                    for (int b = 0; b < 32; b++) want_sum[b] ^= out[i][b];
                assert_memory_equal(sum, want_sum, 32);
            }
    dsdn_hash_force(DSDN_HASH_AUTO);
}

/* RFC 3720, B.4, and the check value "123456789" of the CRC catalogue. */
static void crc_published(void **state)
{
    (void)state;
    static const uint8_t read_command[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                                             0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                                             0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
    uint8_t bytes[32];
    for (int portable = 0; portable < 2; portable++) {
        dsdn_hash_force(portable ? DSDN_HASH_PORTABLE : DSDN_HASH_AUTO);
        memset(bytes, 0, 32);
        assert_int_equal(dsdn_crc32c(0, bytes, 32), 0x8a9136aa);
        memset(bytes, 0xff, 32);
        assert_int_equal(dsdn_crc32c(0, bytes, 32), 0x62a8ab43);
        for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
        assert_int_equal(dsdn_crc32c(0, bytes, 32), 0x46dd794e);
        for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
        assert_int_equal(dsdn_crc32c(0, bytes, 32), 0x113fdb5c);
        assert_int_equal(dsdn_crc32c(0, read_command, 48), 0xd9963a56);
        assert_int_equal(dsdn_crc32c(0, "123456789", 9), 0xe3069283);
        assert_int_equal(dsdn_crc32c(0, NULL, 0), 0);
    }
    dsdn_hash_force(DSDN_HASH_AUTO);
}

static void crc_paths_agree(void **state)
{
    (void)state;
    enum { MAX = 40000 };
    uint8_t *bytes = malloc(MAX);
    assert_non_null(bytes);
    fill(bytes, MAX);
    for (uint32_t round = 0; round < 3000; round++) {
        size_t len = round < 1100 ? round : number(MAX + 1 - 16), from = number(16),
               cut = number((uint32_t)len + 1);
        uint32_t start = round % 3 ? number(UINT32_MAX) : 0;
        uint32_t whole = dsdn_crc32c(start, bytes + from, len);
        assert_int_equal(dsdn_crc32c(dsdn_crc32c(start, bytes + from, cut), bytes + from + cut, len - cut),
                         whole);
        if (round % 4) continue; /* the portable path is slow */
        dsdn_hash_force(DSDN_HASH_PORTABLE);
        assert_int_equal(dsdn_crc32c(start, bytes + from, len), whole);
        dsdn_hash_force(DSDN_HASH_AUTO);
    }
    free(bytes);
}

static void hex(void **state)
{
    (void)state;
    uint8_t bytes[256], back[256];
    char text[513];
    for (int i = 0; i < 256; i++) bytes[i] = (uint8_t)i;
    dsdn_hex_encode(bytes, 256, text);
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text, "000102", 6);
    assert_true(dsdn_hex_decode(text, 256, back));
    assert_memory_equal(bytes, back, 256);
    assert_true(dsdn_hex_decode("aBCdeF and more", 3, back));
    assert_memory_equal(back, "\xab\xcd\xef", 3);
    for (int c = 0; c < 256; c++) { /* each character, in either place */
        bool digit = c && strchr("0123456789abcdefABCDEF", c);
        char pair[3] = {(char)c, '0', 0}, riap[3] = {'0', (char)c, 0};
        assert_int_equal(dsdn_hex_decode(pair, 1, back), digit);
        assert_int_equal(dsdn_hex_decode(riap, 1, back), digit);
    }
    char *end = malloc(2); /* nothing is read behind the end of the text */
    assert_non_null(end);
    memcpy(end, "a", 2);
    assert_false(dsdn_hex_decode(end, 5, back));
    free(end);
}

/* Encodes a code point without asking whether it may be. */
static size_t utf8(uint32_t c, int len, uint8_t *out)
{
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (len == 1) return out[0] = (uint8_t)c, 1;
    for (int i = len - 1; i > 0; i--, c >>= 6) out[i] = (uint8_t)(0x80 | (c & 63));
    out[0] = (uint8_t)(first[len] | c);
    return (size_t)len;
}

/* Every code point in every form, against the definition: shortest form, no surrogates, at most 10FFFF. */
static void utf8_definition(void **state)
{
    (void)state;
    static const uint32_t low[] = {0, 0, 0x80, 0x800, 0x10000},
                          form_end[] = {0, 0x80, 0x800, 0x10000, 0x200000};
    uint8_t text[24];
    for (int len = 1; len <= 4; len++)
        for (uint32_t c = 0; c < form_end[len]; c++) {
            bool good = c >= low[len] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
            utf8(c, len, text);
            assert_int_equal(dsdn_utf8_valid(text, (size_t)len), good);
            if (good && len > 1 && c % 97 == 0) assert_false(dsdn_utf8_valid(text, (size_t)len - 1));
        }
    for (int b = 0x80; b < 0x100; b++)
        for (size_t place = 0; place < 20; place++) { /* a lone byte anywhere in ASCII */
            memset(text, 'a', sizeof text);
            text[place] = (uint8_t)b;
            assert_false(dsdn_utf8_valid(text, 20));
        }
    assert_true(dsdn_utf8_valid(text, 0));
    assert_false(dsdn_utf8_valid((const uint8_t *)"\xe2\x28\xa1", 3));
    assert_false(dsdn_utf8_valid((const uint8_t *)"\xf0\x90\x28\xbc", 4));
    assert_false(dsdn_utf8_valid((const uint8_t *)"\xf0\x90\x90\x28", 4));
    assert_false(dsdn_utf8_valid((const uint8_t *)"\xc3\xc3", 2));
}

static void varint(void **state)
{
    (void)state;
    uint8_t bytes[8];
    for (uint32_t i = 0; i < 70000; i++) {
        uint32_t v = i < 40000 ? i : number(UINT32_MAX) >> number(32), back;
        if (i == 69999) v = UINT32_MAX;
        uint8_t *end = dsdn_varint_put(bytes, v);
        assert_int_equal(end - bytes, dsdn_varint_len(v));
        assert_ptr_equal(dsdn_varint_get(bytes, end, &back), end);
        assert_int_equal(back, v);
        for (uint8_t *cut = bytes; cut < end; cut++) assert_null(dsdn_varint_get(bytes, cut, &back));
        if (end - bytes < 5) { /* the same value, one byte longer */
            end[-1] |= 0x80;
            *end = 0;
            assert_null(dsdn_varint_get(bytes, end + 1, &back));
        }
    }
    static const uint8_t too_big[] = {0xff, 0xff, 0xff, 0xff, 0x10},
                         endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0};
    uint32_t v;
    assert_null(dsdn_varint_get(too_big, too_big + sizeof too_big, &v));
    assert_null(dsdn_varint_get(endless, endless + sizeof endless, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_published),
        cmocka_unit_test(tags),
        cmocka_unit_test(many_equals_one),
        cmocka_unit_test(every_length),
        cmocka_unit_test(nodes_equal_messages),
        cmocka_unit_test(counted_equal_messages),
        cmocka_unit_test(crc_published),
        cmocka_unit_test(crc_paths_agree),
        cmocka_unit_test(hex),
        cmocka_unit_test(utf8_definition),
        cmocka_unit_test(varint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
