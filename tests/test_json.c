/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* JSON: writing and reading events are inverse; the reader takes one spelling and names what it refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/json.h"
#include "tests/fail_nth.h"
#include "tests/kinds.h"

enum { DOCUMENT_MAX = 1 << 20 };

/* ---- writing --------------------------------------------------------------------------------- */

static void test_values(void **state)
{
    (void)state;
    struct dsdn_text t;
    dsdn_text_init(&t, 1000, 0);
    dsdn_text_open(&t, '{');
    dsdn_text_key(&t, "list");
    dsdn_text_open(&t, '[');
    dsdn_text_u64(&t, UINT64_MAX);
    dsdn_text_i64(&t, INT64_MIN);
    dsdn_text_u64(&t, 0);
    dsdn_text_decimal(&t, UINT64_MAX, false);
    dsdn_text_decimal(&t, UINT64_MAX, true);
    dsdn_text_decimal(&t, (uint64_t)INT64_MIN, true);
    dsdn_text_milli(&t, 12034);
    dsdn_text_bool(&t, true);
    dsdn_text_bool(&t, false);
    dsdn_text_null(&t);
    dsdn_text_hex(&t, (const uint8_t *)"\x00\xff", 2);
    dsdn_text_hex(&t, NULL, 0);
    dsdn_text_open(&t, '{');
    dsdn_text_close(&t, '}');
    dsdn_text_close(&t, ']');
    dsdn_text_key(&t, "a \"b\"");
    dsdn_text_string(&t, "\b\t\n\f\r\x01\x1f\x7f\"\\/ caf\xc3\xa9");
    dsdn_text_key(&t, "raw");
    dsdn_text_string(&t, "\xff\xc3(");
    dsdn_text_close(&t, '}');
    dsdn_text_line(&t);
    dsdn_text_u64(&t, 1);
    assert_int_equal(dsdn_text_status(&t, NULL), 0);
    assert_string_equal(
        t.bytes, "{\"list\":[18446744073709551615,-9223372036854775808,0,\"18446744073709551615\",\"-1\","
                 "\"-9223372036854775808\",12.034,true,false,null,\"00ff\",\"\",{}],"
                 "\"a \\\"b\\\"\":\"\\b\\t\\n\\f\\r\\u0001\\u001f\\u007f\\\"\\\\/ caf\xc3\xa9\","
                 "\"raw\":\"\xef\xbf\xbd\xef\xbf\xbd(\"}\n1");
    assert_int_equal(t.len, strlen(t.bytes));
    dsdn_text_free(&t);

    dsdn_text_init(&t, 1000, 2);
    dsdn_text_open(&t, '{');
    dsdn_text_key(&t, "a");
    dsdn_text_open(&t, '[');
    dsdn_text_u64(&t, 1);
    dsdn_text_u64(&t, 2);
    dsdn_text_close(&t, ']');
    dsdn_text_key(&t, "b");
    dsdn_text_open(&t, '{');
    dsdn_text_close(&t, '}');
    dsdn_text_close(&t, '}');
    assert_string_equal(t.bytes, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
    dsdn_text_free(&t);
}

static void test_text_bound(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text t;
    dsdn_text_init(&t, 300, 0);
    for (int i = 0; i < 100; i++) dsdn_text_format(&t, "%s", "abc");
    assert_int_equal(dsdn_text_status(&t, NULL), 0);
    assert_int_equal(t.len, 300);
    dsdn_text_put(&t, "x", 1);
    assert_int_equal(dsdn_text_status(&t, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(t.len, 300);
    dsdn_text_clear(&t);
    dsdn_text_string(&t, "again");
    assert_string_equal(t.bytes, "\"again\"");
    dsdn_text_free(&t);
}

#define BYTES_32(hex)                                                                                        \
    hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex  \
        hex hex hex hex hex hex

static const char registered[] = "{\"type\":\"NodeRegistered\",\"version\":1,\"payload\":{\"node_id\":"
                                 "\"" BYTES_32("11") "\",\"operator\":\"" BYTES_32(
                                     "22") "\",\"role\":1,\"node_class\":null,\"zone\":\"eu-\\\"1\","
                                           "\"address\":\"\",\"capacity_gb\":4096,\"tls_fingerprint\":"
                                           "\"" BYTES_32("33") "\",\"tls_not_after\":\"1700000000000\","
                                                               "\"binding_expiry\":\"18446744073709551615\","
                                                               "\"node_sig\":\"" BYTES_32("44")
                                                                   BYTES_32("55") "\"}}";
static const char registered_hex[] =
    BYTES_32("11") BYTES_32("22") "01"
                                  "00"
                                  "05"
                                  "65752d2231"
                                  "00"
                                  "00100000" BYTES_32("33") "0068e5cf8b010000"
                                                            "ffffffffffffffff" BYTES_32("44") BYTES_32("55");

static int read_event(const struct dsdn_event_table *table, const char *json, size_t json_len,
                      uint32_t *event, uint8_t *version, uint8_t *out, uint32_t *len,
                      struct dsdn_error *error)
{
    return dsdn_json_read_event(table, json, json_len, event, version, out, SPACE, len, error);
}

static void test_golden(void **state)
{
    (void)state;
    static uint8_t wanted[SPACE], got[SPACE];
    uint32_t event, len, wanted_len = (sizeof registered_hex - 1) / 2;
    uint8_t version;
    assert_true(dsdn_hex_decode(registered_hex, wanted_len, wanted));
    assert_int_equal(
        read_event(&dsdn_event_table, registered, sizeof registered - 1, &event, &version, got, &len, NULL),
        0);
    assert_int_equal(event, dsdn_EVENT_node_registered);
    assert_int_equal(version, 1);
    assert_int_equal(len, wanted_len);
    assert_memory_equal(got, wanted, len);

    struct dsdn_text t;
    dsdn_text_init(&t, DOCUMENT_MAX, 0);
    assert_int_equal(dsdn_json_write_event(&t, &dsdn_event_table.events[event], 1, got, len, NULL), 0);
    assert_string_equal(t.bytes, registered);
    dsdn_text_clear(&t);
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(dsdn_json_write_event(&t, &dsdn_event_table.events[event], 1, got, len - 1, &error),
                     DSDN_E_MALFORMED);
    assert_int_equal(t.len, 0);
    dsdn_text_free(&t);
}

/* ---- both ways ------------------------------------------------------------------------------- */

static struct dsdn_text shared; /* reused: thousands of documents */

static void inverse(struct dsdn_random *random, const struct dsdn_event_desc *desc, uint8_t version,
                    const uint8_t *payload, uint32_t len)
{
    static uint8_t again[SPACE];
    const struct dsdn_event_table *table =
        desc >= kinds_event_table.events && desc < kinds_event_table.events + 2 ? &kinds_event_table
                                                                                : &dsdn_event_table;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t event, again_len;
    uint8_t again_version;
    dsdn_text_clear(&shared);
    shared.indent = (unsigned)dsdn_random_below(random, 3);
    assert_int_equal(dsdn_json_write_event(&shared, desc, version, payload, len, &error), 0);
    int rc = read_event(table, shared.bytes, shared.len, &event, &again_version, again, &again_len, &error);
    if (rc) fail_msg("%s in %s", error.message, shared.bytes);
    assert_ptr_equal(&table->events[event], desc);
    assert_int_equal(again_version, version);
    assert_int_equal(again_len, len);
    assert_memory_equal(again, payload, len);
}

static void test_inverse(void **state)
{
    (void)state;
    dsdn_text_init(&shared, DOCUMENT_MAX, 0);
    each_payload(11, 200, inverse);
    dsdn_text_free(&shared);
}

/* Damaged documents: never a crash, and what is still read is canonical. */
static void damaged(struct dsdn_random *random, const struct dsdn_event_desc *desc, uint8_t version,
                    const uint8_t *payload, uint32_t len)
{
    static uint8_t again[SPACE];
    static const char bits[] = "\"\\{}[]:,0-1.eu \n\x01nul\xc3\xff";
    if (len > 2000) return;
    dsdn_text_clear(&shared);
    assert_int_equal(dsdn_json_write_payload(&shared, desc, version, payload, len, NULL), 0);
    for (int i = 0; i < 20; i++) {
        size_t cut = dsdn_random_below(random, 4) ? shared.len : dsdn_random_below(random, shared.len) + 1;
        char *exact = malloc(cut); /* no zero byte behind it: the sanitizer sees a reader that goes on */
        assert_non_null(exact);
        memcpy(exact, shared.bytes, cut);
        for (uint64_t n = dsdn_random_below(random, 3); n; n--)
            exact[dsdn_random_below(random, cut)] = bits[dsdn_random_below(random, sizeof bits - 1)];
        uint32_t again_len;
        if (!dsdn_json_read_payload(desc, version, exact, cut, again, sizeof again, &again_len, NULL)) {
            _Alignas(16) uint8_t event[DSDN_EVENT_STRUCT_MAX];
            assert_int_equal(dsdn_event_decode(desc, version, again, again_len, event, NULL), 0);
        }
        free(exact);
    }
}

static void test_damaged(void **state)
{
    (void)state;
    dsdn_text_init(&shared, DOCUMENT_MAX, 0);
    each_payload(12, 30, damaged);
    dsdn_text_free(&shared);
}

/* ---- what the event reader refuses ----------------------------------------------------------- */

/* Replaces `from` in the document by `to` and expects the message. */
static void refused(const char *document, const char *from, const char *to, const char *message)
{
    static char json[4096];
    static uint8_t out[SPACE];
    const char *at = strstr(document, from);
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t event, len;
    uint8_t version;
    assert_non_null(at);
    int n = snprintf(json, sizeof json, "%.*s%s%s", (int)(at - document), document, to, at + strlen(from));
    assert_in_range(n, 1, sizeof json - 1);
    int rc = read_event(&dsdn_event_table, json, strlen(json), &event, &version, out, &len, &error);
    if (rc != DSDN_E_MALFORMED || !strstr(error.message, message))
        fail_msg("\"%s\": %d %s", to, rc, error.message);
}

static void test_refused(void **state)
{
    (void)state;
    const char *r = registered;
    refused(r, "NodeRegistered", "NodeRegistred", "type: no event type of catalogue dsdn");
    refused(r, "\"version\":1", "\"version\":3", "version: expected a version of NodeRegistered: 1 to 2");
    refused(r, "\"version\":1", "\"version\":0", "version: ");
    refused(r, "\"version\":1", "\"version\":1,\"more\":2", "event: expected");
    refused(r, "\"version\":1,", "", "event: expected");
    refused(r, "\"role\":1,", "", "payload.role: missing");
    refused(r, "\"role\":1,", "\"role\":1,\"role\":1,", "duplicate object key near '\"role\"'");
    refused(r, "\"role\":1,", "\"role\":1,\"\x7fhat\":1,", "payload: unknown field \"?hat\"");
    refused(r, "\"role\":1,", "\"role\":1,\"label\":\"\",",
            "payload.label: a field of version 2 in an event of version 1");
    refused(r, "\"role\":1,", "\"role\":5,", "payload.role: expected a whole number from 0 to 4");
    refused(r, "\"role\":1,", "\"role\":-1,", "payload.role: ");
    refused(r, "\"role\":1,", "\"role\":1.0,", "payload.role: ");
    refused(r, "\"role\":1,", "\"role\":\"1\",", "payload.role: ");
    refused(r, "\"role\":1,", "\"role\":null,", "payload.role: ");
    refused(r, "\"node_class\":null", "\"node_class\":2",
            "payload.node_class: expected a whole number from 0 to 1");
    refused(r, "4096", "9223372036854775807", "payload.capacity_gb: ");
    refused(r, "4096", "4294967296", "payload.capacity_gb: expected a whole number from 0 to 4294967295");
    refused(r, "4096", "99999999999999999999999", "JSON line 1, column 296: too big integer");
    refused(r, "\"1700000000000\"", "1700000000000",
            "payload.tls_not_after: expected an unsigned 64-bit number as a string");
    refused(r, "\"1700000000000\"", "\"01\"", "payload.tls_not_after: ");
    refused(r, "\"1700000000000\"", "\"+1\"", "payload.tls_not_after: ");
    refused(r, "\"1700000000000\"", "\"-1\"", "payload.tls_not_after: ");
    refused(r, "\"1700000000000\"", "\"\"", "payload.tls_not_after: ");
    refused(r, "\"1700000000000\"", "\"18446744073709551616\"", "payload.tls_not_after: ");
    refused(r, "eu-\\\"1", "123456789012345678901234567890123",
            "payload.zone: a string of 33 bytes; at most 32 are allowed");
    refused(r, "\"eu-\\\"1\"", "7", "payload.zone: expected a string");
    refused(r, "\"1111", "\"11", "payload.node_id: expected 64 hex digits in quotes");
    refused(r, "\"1111", "\"111g", "payload.node_id: expected 64 hex digits in quotes");
    refused(r, "\"payload\":{", "\"payload\":[{", "JSON line 1");

    static const char changed[] =
        "{\"type\":\"ParamChanged\",\"version\":1,\"payload\":{\"key\":\"batch_max\",\"old_value\":\"-"
        "9223372036854775808\","
        "\"new_value\":\"2\",\"effective\":\"0\",\"approvals\":[{\"id\":\"" BYTES_32(
            "11") "\",\"signature\":\"" BYTES_32("22") BYTES_32("22") "\"}]}}";
    uint8_t out[512], version;
    uint32_t event, len;
    assert_int_equal(
        read_event(&dsdn_event_table, changed, sizeof changed - 1, &event, &version, out, &len, NULL), 0);
    refused(changed, "-9223372036854775808", "-9223372036854775809", "payload.old_value: expected a signed");
    refused(changed, "\"2\"", "\"-0\"", "payload.new_value: ");
    refused(changed, "\"id\"", "\"ident\"", "payload.approvals[0]: unknown field \"ident\"");
    refused(changed, "\"}]}}", "\"},7]}}", "payload.approvals[1]: expected an object");
    refused(changed, "\"}]}}", "\"},{}]}}", "payload.approvals[1].id: missing");
}

static void test_read_sets_and_amounts(void **state)
{
    (void)state;
    const struct dsdn_event_desc *desc = &kinds_event_table.events[kinds_EVENT_everything];
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"\"a_set\":[]", "\"a_set\":[\"" BYTES_32("11") "\",\"" BYTES_32("22") "\"]", NULL},
        {"\"a_set\":[]", "\"a_set\":[\"" BYTES_32("22") "\",\"" BYTES_32("11") "\"]",
         "payload.a_set[1]: the ids of a set"},
        {"\"a_set\":[]", "\"a_set\":[\"" BYTES_32("22") "\",\"" BYTES_32("22") "\"]",
         "payload.a_set[1]: the ids of a set"},
        {"\"hashes\":[]", "\"hashes\":[\"" BYTES_32("22") "\",\"" BYTES_32("11") "\"]", NULL},
        {"\"hashes\":[]", "\"hashes\":[\"" BYTES_32("22") "\",null]",
         "payload.hashes[1]: expected 64 hex digits"},
        {"\"hashes\":[]", "\"hashes\":{}", "payload.hashes: expected an array"},
        {",\"pairs\":[]", "", NULL},
        {"\"pairs\":[]", "\"pairs\":null", "payload.pairs: expected an array"},
        {"\"pairs\":[]", "\"pairs\":[{\"name\":\"\",\"flag\":4}]",
         "payload.pairs[0].flag: expected a whole number from 0 to 3"},
        {"\"pairs\":[]", "\"pairs\":[{\"name\":\"\",\"inners\":[{\"number\":1,\"ids\":[1]}]}]",
         "payload.pairs[0].inners[0].ids[0]: expected 64 hex digits"},
        {"\"asset\":1", "\"asset\":256", "payload.an_amt.asset: expected a whole number from 0 to 255"},
        {"\"units\":\"2\"", "\"units\":2", "payload.an_amt.units: expected an unsigned"},
        {"\"asset\":1", "\"asset\":1,\"asset\":2", "duplicate object key near '\"asset\"'"},
        {"\"asset\":1,", "", "payload.an_amt: expected {\"asset\":0,\"units\":\"1\"}"},
        {"\"asset\":1", "\"asset\":1,\"more\":2", "payload.an_amt: expected"},
        {"\"some_bytes\":\"\"", "\"some_bytes\":\"abc\"", "payload.some_bytes: expected an even number"},
        {"\"some_bytes\":\"\"", "\"some_bytes\":\"abcX\"", "payload.some_bytes: expected 4 hex digits"},
        {"\"a_bps\":0", "\"a_bps\":10001", "payload.a_bps: expected a whole number from 0 to 10000"},
        {"\"a_i32\":0", "\"a_i32\":-2147483648", NULL},
        {"\"a_i32\":0", "\"a_i32\":-2147483649",
         "payload.a_i32: expected a whole number from -2147483648 to 2147483647"},
    };
    uint8_t payload[2048], again[2048];
    uint32_t len;
    struct dsdn_text t;
    dsdn_text_init(&t, DOCUMENT_MAX, 0);
    uint8_t zeros[64] = {0};
    struct kinds_ev_everything e = {.an_id = zeros,
                                    .a_hash = zeros,
                                    .an_addr = zeros,
                                    .a_sig = zeros,
                                    .a_ns = zeros,
                                    .an_amt = {1, 2},
                                    .an_opt_u8 = -1};
    assert_int_equal(dsdn_event_encode(desc, 1, &e, payload, sizeof payload, &len, NULL), 0);
    assert_int_equal(dsdn_json_write_payload(&t, desc, 1, payload, len, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        char json[8192];
        const char *at = strstr(t.bytes, cases[i].from);
        assert_non_null(at);
        int n = snprintf(json, sizeof json, "%.*s%s%s", (int)(at - t.bytes), t.bytes, cases[i].to,
                         at + strlen(cases[i].from));
        assert_in_range(n, 1, sizeof json - 1);
        int rc = dsdn_json_read_payload(desc, 1, json, (size_t)n, again, sizeof again, &len, &error);
        if (cases[i].message ? rc != DSDN_E_MALFORMED || !strstr(error.message, cases[i].message) : rc != 0)
            fail_msg("%s: %d %s", cases[i].to, rc, error.message);
    }
    /* Every room that is too small is noticed. */
    assert_int_equal(dsdn_json_read_payload(desc, 1, t.bytes, t.len, again, sizeof again, &len, NULL), 0);
    assert_memory_equal(again, payload, len);
    for (uint32_t cap = 0; cap < len; cap++) {
        uint32_t unused;
        uint8_t *exact = malloc(cap + 1);
        assert_non_null(exact);
        assert_int_equal(dsdn_json_read_payload(desc, 1, t.bytes, t.len, exact + 1, cap, &unused, NULL),
                         DSDN_E_TOO_LARGE);
        free(exact);
    }
    assert_int_equal(dsdn_json_read_payload(desc, 0, t.bytes, t.len, again, sizeof again, &len, NULL),
                     DSDN_E_MALFORMED);
    assert_int_equal(dsdn_json_read_payload(desc, 2, t.bytes, t.len, again, sizeof again, &len, NULL),
                     DSDN_E_MALFORMED);
    dsdn_text_free(&t);
}

static void test_no_memory(void **state)
{
    (void)state;
    uint8_t payload[512];
    uint32_t len = (sizeof registered_hex - 1) / 2;
    assert_true(dsdn_hex_decode(registered_hex, len, payload));
    for (unsigned n = 1;; n++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_text t;
        dsdn_text_init(&t, DOCUMENT_MAX, 0);
        fail_nth(n);
        int rc = dsdn_json_write_event(&t, &dsdn_event_table.events[dsdn_EVENT_node_registered], 1, payload,
                                       len, &error);
        bool pending = fail_nth(0);
        assert_int_equal(rc, pending ? 0 : DSDN_E_NO_MEMORY);
        if (pending) assert_string_equal(t.bytes, registered);
        dsdn_text_free(&t);
        if (pending) {
            assert_true(n > 2); /* it did grow */
            return;
        }
    }
}

static void test_read_no_memory(void **state)
{
    (void)state;
    uint8_t out[512], version;
    uint32_t event, len;
    for (unsigned n = 1;; n++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        fail_nth(n);
        int rc = read_event(&dsdn_event_table, registered, sizeof registered - 1, &event, &version, out, &len,
                            &error);
        bool pending = fail_nth(0);
        assert_int_equal(rc, pending ? 0 : DSDN_E_NO_MEMORY);
        if (pending) break;
    }
    assert_int_equal(len, (sizeof registered_hex - 1) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_text_bound),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_read_sets_and_amounts),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_read_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
