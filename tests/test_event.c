/* Events: encoding and decoding are inverse, there is one encoding per value, and versions upcast. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "log/kind.h"
#include "tests/kinds.h"

/* ---- properties over random payloads --------------------------------------------------------- */

static uint32_t encode(const struct dsdn_event_desc *desc, uint8_t version, const void *event, uint8_t *out,
                       size_t cap)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t len;
    assert_int_equal(dsdn_event_encode(desc, version, event, out, cap, &len, &error), 0);
    return len;
}

static void round_trip(struct dsdn_random *random, const struct dsdn_event_desc *desc, uint8_t version,
                       const uint8_t *payload, uint32_t len)
{
    union dsdn_decoded event;
    uint8_t again[SPACE];
    (void)random;
    assert_int_equal(dsdn_event_decode(desc, version, payload, len, &event, NULL), 0);
    assert_int_equal(encode(desc, version, &event, again, sizeof again), len);
    assert_memory_equal(again, payload, len);
}

static void test_round_trip(void **state)
{
    (void)state;
    each_payload(1, 250, round_trip);
}

/* The payload ends exactly where its memory ends, so that a decoder that reads on is seen by the sanitizer.
 */
static bool decodes(const struct dsdn_event_desc *desc, uint8_t version, const uint8_t *payload, uint32_t len)
{
    union dsdn_decoded event;
    uint8_t *exact = malloc(len + !len);
    assert_non_null(exact);
    memcpy(exact, payload, len);
    int rc = dsdn_event_decode(desc, version, exact, len, &event, NULL);
    free(exact);
    assert_true(rc == 0 || rc == DSDN_E_MALFORMED);
    return rc == 0;
}

static void cut_and_extended(struct dsdn_random *random, const struct dsdn_event_desc *desc, uint8_t version,
                             const uint8_t *payload, uint32_t len)
{
    uint8_t longer[SPACE + 1];
    for (uint32_t cut = 0; cut < len; cut += cut < 600 || len - cut < 600 ? 1 : 97)
        assert_false(decodes(desc, version, payload, cut));
    memcpy(longer, payload, len);
    longer[len] = (uint8_t)dsdn_random_below(random, 256);
    assert_false(decodes(desc, version, longer, len + 1));
}

static void test_cut_and_extended(void **state)
{
    (void)state;
    each_payload(2, 8, cut_and_extended);
}

/* Whatever bytes decode are the one encoding of what they decode to. */
static void changed(struct dsdn_random *random, const struct dsdn_event_desc *desc, uint8_t version,
                    const uint8_t *payload, uint32_t len)
{
    uint8_t other[SPACE], again[SPACE];
    union dsdn_decoded event;
    for (int i = 0; i < 8; i++) {
        memcpy(other, payload, len);
        for (uint64_t n = dsdn_random_below(random, 4) + 1; n; n--) {
            uint8_t value = (uint8_t)dsdn_random_next(random);
            other[dsdn_random_below(random, len)] = value & 1 ? value : value & 0x83;
        }
        if (!decodes(desc, version, other, len)) continue;
        assert_int_equal(dsdn_event_decode(desc, version, other, len, &event, NULL), 0);
        assert_int_equal(encode(desc, version, &event, again, sizeof again), len);
        assert_memory_equal(again, other, len);
    }
}

static void test_one_encoding(void **state)
{
    (void)state;
    each_payload(3, 60, changed);
}

static void tight_buffer(struct dsdn_random *random, const struct dsdn_event_desc *desc, uint8_t version,
                         const uint8_t *payload, uint32_t len)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    union dsdn_decoded event;
    uint32_t got;
    assert_int_equal(dsdn_event_decode(desc, version, payload, len, &event, NULL), 0);
    uint32_t cap = (uint32_t)dsdn_random_below(random, len);
    uint8_t *out = malloc(len);
    assert_non_null(out);
    assert_int_equal(dsdn_event_encode(desc, version, &event, out, cap, &got, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(encode(desc, version, &event, out, len), len);
    free(out);
}

static void test_tight_buffer(void **state)
{
    (void)state;
    each_payload(4, 20, tight_buffer);
}

/* ---- NodeRegistered, byte by byte ------------------------------------------------------------ */

#define BYTES_32(hex)                                                                                        \
    hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex  \
        hex hex hex hex hex hex
#define BEFORE_LABEL                                                                                         \
    BYTES_32("11") /* node_id */                                                                             \
    BYTES_32("22") /* operator */                                                                            \
    "01"           /* role: storage and compute */                                                           \
    "0101"         /* node_class: present, DataCenter */                                                     \
    "04"                                                                                                     \
    "65752d31" /* zone "eu-1" */                                                                             \
    "0a"                                                                                                     \
    "5b3a3a315d3a39303030" /* address "[::1]:9000" */                                                        \
    "00100000"             /* capacity_gb 4096 */                                                            \
        BYTES_32("33")     /* tls_fingerprint */                                                             \
        "0068e5cf8b010000" /* tls_not_after 1700000000000 */                                                 \
        "ffffffffffffffff" /* binding_expiry */
#define SIGNATURE BYTES_32("44") BYTES_32("44")

static uint32_t from_hex(const char *hex, uint8_t *out, size_t cap)
{
    size_t len = strlen(hex) / 2;
    assert_true(len <= cap && dsdn_hex_decode(hex, len, out));
    return (uint32_t)len;
}

static void test_node_registered(void **state)
{
    (void)state;
    uint8_t id[32], operator[32], tls[32], signature[64], wanted[512], got[512];
    memset(id, 0x11, 32);
    memset(operator, 0x22, 32);
    memset(tls, 0x33, 32);
    memset(signature, 0x44, 64);
    struct dsdn_ev_node_registered e = {.node_id = id,
                                        .operator= operator,
                                        .role = 1,
                                        .node_class = 1,
                                        .zone = {(const uint8_t *)"eu-1", 4},
                                        .address = {(const uint8_t *)"[::1]:9000", 10},
                                        .capacity_gb = 4096,
                                        .tls_fingerprint = tls,
                                        .tls_not_after = 1700000000000,
                                        .binding_expiry = UINT64_MAX,
                                        .label = {(const uint8_t *)"caf\xc3\xa9", 5},
                                        .node_sig = signature};
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_node_registered];

    uint32_t len = from_hex(BEFORE_LABEL SIGNATURE, wanted, sizeof wanted);
    assert_int_equal(encode(desc, 1, &e, got, sizeof got), len);
    assert_memory_equal(got, wanted, len);

    struct dsdn_ev_node_registered old;
    memset(&old, 0xaa, sizeof old);
    assert_int_equal(dsdn_event_decode(desc, 1, wanted, len, &old, NULL), 0);
    assert_int_equal(old.label.len, 0); /* upcast */
    assert_int_equal(old.capacity_gb, 4096);
    assert_memory_equal(old.node_sig, signature, 64);
    assert_int_equal(dsdn_event_decode(desc, 2, wanted, len, &old, NULL), DSDN_E_MALFORMED);

    len = from_hex(BEFORE_LABEL "05"
                                "636166c3a9" SIGNATURE,
                   wanted, sizeof wanted);
    assert_int_equal(encode(desc, 2, &e, got, sizeof got), len);
    assert_memory_equal(got, wanted, len);
    assert_int_equal(dsdn_event_decode(desc, 2, wanted, len, &old, NULL), 0);
    assert_int_equal(old.label.len, 5);
    assert_int_equal(old.node_class, 1);

    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(dsdn_event_decode(desc, 0, wanted, len, &old, &error), DSDN_E_MALFORMED);
    assert_int_equal(dsdn_event_decode(desc, 3, wanted, len, &old, &error), DSDN_E_MALFORMED);
    assert_string_equal(error.message, "NodeRegistered has no version 3");
}

static void test_upcast(void **state)
{
    (void)state;
    const struct dsdn_event_desc *desc = &kinds_event_table.events[kinds_EVENT_grown];
    static const char *const payloads[] = {"07000000"
                                           "0161",
                                           "07000000"
                                           "00"
                                           "0161",
                                           "07000000"
                                           "00"
                                           "feffffff"
                                           "0161"};
    for (uint8_t version = 1; version <= 3; version++) {
        struct kinds_ev_grown e;
        uint8_t bytes[64];
        uint32_t len = from_hex(payloads[version - 1], bytes, sizeof bytes);
        memset(&e, 0xaa, sizeof e);
        assert_int_equal(dsdn_event_decode(desc, version, bytes, len, &e, NULL), 0);
        assert_int_equal(e.base, 7);
        assert_null(e.second);
        assert_int_equal(e.third, version == 3 ? -2 : 0);
        assert_int_equal(e.a_str.len, 1);
    }
}

/* ---- what is not canonical ------------------------------------------------------------------- */

static void test_not_canonical(void **state)
{
    (void)state;
    static const struct {
        int event;
        bool good;
        const char *hex;
    } cases[] = {
        {dsdn_EVENT_node_updated, true,
         BYTES_32("11") "0161"
                        "00"
                        "00000000"},
        {dsdn_EVENT_node_updated, false,
         BYTES_32("11") "810061"
                        "00"
                        "00000000"}, /* overlong varint */
        {dsdn_EVENT_node_updated, false,
         BYTES_32("11") "8180000061"
                        "00"
                        "00000000"}, /* more so */
        {dsdn_EVENT_node_updated, false,
         BYTES_32("11") "ffffffff7f61"
                        "00"
                        "00000000"}, /* above 32 bits */
        {dsdn_EVENT_node_updated, false,
         BYTES_32("11") "21" BYTES_32("61") "61"
                                            "00"
                                            "00000000"}, /* 33 of 32 bytes */
        {dsdn_EVENT_node_updated, true,
         BYTES_32("11") "20" BYTES_32("61") "00"
                                            "00000000"},
        {dsdn_EVENT_node_updated, false,
         BYTES_32("11") "0100"
                        "00"
                        "00000000"}, /* zero byte in text */
        {dsdn_EVENT_node_updated, false,
         BYTES_32("11") "01ff"
                        "00"
                        "00000000"}, /* not UTF-8 */
        {dsdn_EVENT_node_updated, false,
         BYTES_32("11") "02c080"
                        "00"
                        "00000000"}, /* overlong UTF-8 */
        {dsdn_EVENT_node_updated, false,
         BYTES_32("11") "03eda080"
                        "00"
                        "00000000"}, /* a surrogate */
        {dsdn_EVENT_replica_removed, true, BYTES_32("11") BYTES_32("22") "03"},
        {dsdn_EVENT_replica_removed, false,
         BYTES_32("11") BYTES_32("22") "04"}, /* choice above its largest */
        {dsdn_EVENT_authority_replaced, true,
         "00"
         "00"
         "0000"
         "00"},
        {dsdn_EVENT_authority_replaced, true,
         "01" BYTES_32("11") "00"
                             "0000"
                             "00"},
        {dsdn_EVENT_authority_replaced, false,
         "02" BYTES_32("11") "00"
                             "0000"
                             "00"}, /* presence is 0 or 1 */
        {dsdn_EVENT_replica_added, true,
         BYTES_32("11") BYTES_32("22") BYTES_32("33") "00000000"
                                                      "01" BYTES_32("44")},
        {dsdn_EVENT_replica_added, false,
         BYTES_32("11") BYTES_32("22") BYTES_32("33") "00000000"
                                                      "8100" BYTES_32("44")},
        {dsdn_EVENT_replica_added, false,
         BYTES_32("11") BYTES_32("22") BYTES_32("33") "00000000"
                                                      "41" BYTES_32("44")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[256];
        uint32_t len = from_hex(cases[i].hex, bytes, sizeof bytes);
        if (decodes(&dsdn_event_table.events[cases[i].event], 1, bytes, len) != cases[i].good)
            fail_msg("case %zu should %sdecode", i, cases[i].good ? "" : "not ");
    }
}

/* The encoder refuses what the decoder would: nothing is written that cannot be read. */
static void test_encoder_bounds(void **state)
{
    (void)state;
    uint8_t zeros[64] = {0}, ids[96], text[301], out[2048];
    uint32_t len;
    memset(text, 'a', sizeof text);
    memset(ids, 1, 32);
    memset(ids + 32, 2, 32);
    memset(ids + 64, 1, 32);
    const struct dsdn_event_desc *desc = &kinds_event_table.events[kinds_EVENT_everything];
    const struct kinds_ev_everything good = {.an_id = zeros,
                                             .a_hash = zeros,
                                             .an_addr = zeros,
                                             .a_sig = zeros,
                                             .a_ns = zeros,
                                             .an_opt_u8 = -1,
                                             .a_set = {ids, 2, 64}};
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(dsdn_event_encode(desc, 1, &good, out, sizeof out, &len, &error), 0);
#define REFUSED(field, ...)                                                                                  \
    do {                                                                                                     \
        struct kinds_ev_everything e = good;                                                                 \
        e.field = __VA_ARGS__;                                                                               \
        assert_int_equal(dsdn_event_encode(desc, 1, &e, out, sizeof out, &len, &error), DSDN_E_TOO_LARGE);   \
        assert_non_null(strstr(error.message, #field " of Everything"));                                     \
    } while (0)
    REFUSED(a_bps, 10001);
    REFUSED(a_choice, 5);
    REFUSED(an_id, NULL);
    REFUSED(an_opt_u8, 8);
    REFUSED(a_str, (struct dsdn_view){text, 301});
    REFUSED(a_str, (struct dsdn_view){zeros, 1});
    REFUSED(some_bytes, (struct dsdn_view){text, 201});
    REFUSED(a_set, (struct dsdn_list){ids, 3, 96});   /* 1 2 1 */
    REFUSED(a_set, (struct dsdn_list){zeros, 2, 64}); /* 0 0 */
    REFUSED(a_set, (struct dsdn_list){ids, 2, 63});
    REFUSED(hashes, (struct dsdn_list){ids, 131, 131 * 32});
    REFUSED(pairs, (struct dsdn_list){ids, 1, 2}); /* not a record */
}

/* ---- the generator --------------------------------------------------------------------------- */

static void test_generator(void **state)
{
    (void)state;
    /* Reference outputs: splitmix64 seeded with 1234567, and xoshiro256** from the state 1 2 3 4. */
    struct dsdn_random r;
    dsdn_random_seed(&r, 1234567);
    assert_true(r.s[0] == 6457827717110365317u && r.s[1] == 3203168211198807973u &&
                r.s[2] == 9817491932198370423u && r.s[3] == 4593380528125082431u);
    r = (struct dsdn_random){{1, 2, 3, 4}};
    const uint64_t first[] = {11520, 0, 1509978240, 1215971899390074240};
    for (int i = 0; i < 4; i++) assert_true(dsdn_random_next(&r) == first[i]);

    /* Edges occur, and a payload keeps to the room it is given. */
    const struct dsdn_event_desc *desc = &kinds_event_table.events[kinds_EVENT_everything];
    bool empty = false, longest = false, absent = false, widest = false;
    static uint8_t out[SPACE];
    for (int i = 0; i < 2000; i++) {
        struct kinds_ev_everything e;
        uint32_t len, cap = i % 2 ? SPACE : 320 + (uint32_t)dsdn_random_below(&r, 1000);
        assert_int_equal(dsdn_random_payload(&r, desc, 1, out, cap, &len, NULL), 0);
        assert_true(len <= cap);
        assert_int_equal(dsdn_event_decode(desc, 1, out, len, &e, NULL), 0);
        empty |= e.a_str.len == 0;
        longest |= e.a_str.len == 300;
        absent |= !e.an_opt_sig;
        widest |= e.a_u64 == UINT64_MAX;
    }
    assert_true(empty && longest && absent && widest);
    uint32_t len;
    assert_int_equal(dsdn_random_payload(&r, desc, 1, out, 100, &len, NULL), DSDN_E_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_cut_and_extended),
        cmocka_unit_test(test_one_encoding),    cmocka_unit_test(test_tight_buffer),
        cmocka_unit_test(test_node_registered), cmocka_unit_test(test_upcast),
        cmocka_unit_test(test_not_canonical),   cmocka_unit_test(test_encoder_bounds),
        cmocka_unit_test(test_generator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
