/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The JSON of a Celestia node: the captured answers, both ways; and what hostile ones get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapters/celestia/base64.h"
#include "adapters/celestia/json_objects.h"
#include "adapters/celestia/json_rpc.h"
#include "tests/celestia_util.h"
#include "tests/fail_nth.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct dsdn_view checked(const char *text)
{
    struct dsdn_view value;
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (dsdn_span_check(text, strlen(text), &value, &error)) fail_msg("%s: %s", text, error.message);
    return value;
}

static struct dsdn_text new_text(void)
{
    struct dsdn_text t;
    dsdn_text_init(&t, 1 << 28, 0);
    return t;
}

/* The value as text; free it. */
static char *dumped(const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    assert_non_null(text);
    return text;
}

/* ---- base64 --------------------------------------------------------------------------------------- */

static void test_base64(void **state)
{
    static const char *const bad[] = {"A",     "AB",    "ABC",  "AB==CDEF", "AB=C", "====", "A===",
                                      "AAA\n", "AB ==", "AA-_", "AAB=",     "AB==", "A=BC", "\377AAA"};
    uint8_t bytes[200], got[210];
    char text[300], theirs[300];
    size_t len;
    (void)state;
    for (size_t n = 0; n <= sizeof bytes; n++) {
        number_fill(bytes, n);
        dsdn_base64_encode(bytes, n, text);
        sodium_bin2base64(theirs, sizeof theirs, bytes, n, sodium_base64_VARIANT_ORIGINAL);
        assert_int_equal(strlen(theirs), DSDN_BASE64_LEN(n));
        assert_memory_equal(text, theirs, strlen(theirs));
        assert_true(dsdn_base64_decode(theirs, strlen(theirs), got, &len));
        assert_int_equal(len, n);
        assert_memory_equal(got, bytes, n);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (dsdn_base64_decode(bad[i], strlen(bad[i]), got, &len)) fail_msg("%s was read", bad[i]);
    /* two bytes of padding more than there is room for, and one byte too few of room */
    struct dsdn_view value = checked("\"AAECAw==\"");
    assert_true(dsdn_span_base64(value, got, 4));
    assert_memory_equal(got, "\0\1\2\3", 4);
    assert_false(dsdn_span_base64(value, got, 3));
    assert_false(dsdn_span_base64(value, got, 5));
    assert_false(dsdn_span_base64(checked("\"AA==Aw==\""), got, 4));
}

/* ---- the check ------------------------------------------------------------------------------------ */

static void test_check(void **state)
{
    static const char *const good[] = {"{}",
                                       "[]",
                                       " [ ] ",
                                       "[[],{}]",
                                       "{\"a\":{\"a\":[null,true,false]}}",
                                       "-0",
                                       "1e5",
                                       "-1.5E-3",
                                       "\"\\ud83d\\ude00\\n\\/\"",
                                       "\"\xc3\xa9\"",
                                       "[\"abcdefgh\\\"ijk\",2]",
                                       "\t{\r\n\"a\" : 1 , \"b\":[ 1 , 2 ]}\n"};
    static const char *const bad[] = {"",
                                      " ",
                                      "[",
                                      "{",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "1 2",
                                      "[]]",
                                      "[1}",
                                      "{\"a\":1]",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "-",
                                      "NaN",
                                      "Infinity",
                                      "tru",
                                      "truefalse",
                                      "nul",
                                      "'a'",
                                      "\"",
                                      "\"a",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u0000\"",
                                      "\"\\ud83d\"",
                                      "\"\\ude00\"",
                                      "\"\\ud83dx\\ude00\"",
                                      "\"\t\"",
                                      "\"\xff\"",
                                      "\"\xc3\"",
                                      "\"abcdefg\x01\"",
                                      "[1 2]",
                                      "{\"a\" 1}",
                                      "{\"a\":1 \"b\":2}",
                                      "\xef\xbb\xbf{}",
                                      "[1]x",
                                      "// a\n1"};
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_view value;
    char deep[200];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) (void)checked(good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        /* in memory of its own length, so that a read behind the end is seen */
        size_t len = strlen(bad[i]);
        char *text = malloc(len + 1);
        memcpy(text, bad[i], len);
        text = realloc(text, len ? len : 1);
        if (!dsdn_span_check(text, len, &value, &error)) fail_msg("accepted: %s", bad[i]);
        assert_int_equal(error.code, DSDN_E_MALFORMED);
        free(text);
    }
    assert_int_equal(dsdn_span_check("1\0", 2, &value, &error), DSDN_E_MALFORMED);
    for (size_t depth = 31; depth <= 34; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        assert_int_equal(dsdn_span_check(deep, 2 * depth, &value, &error),
                         depth > DSDN_SPAN_DEPTH_MAX ? DSDN_E_MALFORMED : 0);
    }
}

/* What is accepted here is accepted by libjansson, and the other way round but for depth: on texts made from
 * a good one by changing a byte. */
static void test_check_against_jansson(void **state)
{
    static const char seed[] = "{\"a\":[1,-2.5e3,true,null,{\"b\":\"x\\u00e9\\\"\\\\\"}],\"\xc3\xa9\":\"\"}";
    static const char bytes[] = "{}[]:,\"\\ 0123e.-+tu\xc3\xa9\n";
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_view value;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[sizeof seed];
        memcpy(text, seed, sizeof seed);
        for (uint32_t n = 1 + number(3); n; n--)
            text[number(sizeof seed - 1)] = bytes[number(sizeof bytes - 1)];
        size_t len = sizeof seed - 1 - number(2);
        json_t *theirs = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        bool ours = dsdn_span_check(text, len, &value, &error) == 0;
        if (ours != (theirs != NULL)) fail_msg("%.*s: %s", (int)len, text, ours ? "accepted" : error.message);
        json_decref(theirs);
    }
}

static void test_members(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_view v[3];
    char many[65 * 12 + 4] = "{", *at = many + 1;
    (void)state;
    assert_int_equal(
        dsdn_span_members(checked("{\"b\":[{\"a\":2}],\"x\":3, \"a\" : 1}"), "it", names, 3, v, &error), 0);
    expect_equal(v[0], "1", 1);
    expect_equal(v[1], "[{\"a\":2}]", 9);
    assert_int_equal(v[2].len, 0);
    assert_int_equal(dsdn_span_members(checked("{\"a\":1,\"b\":2,\"a\":1}"), "it", names, 3, v, &error),
                     DSDN_E_MALFORMED);
    assert_string_equal(error.message, "it has two members of one name");
    assert_int_equal(dsdn_span_members(checked("{\"x\":1,\"x\":2}"), "it", names, 3, v, &error),
                     DSDN_E_MALFORMED);
    assert_int_equal(dsdn_span_members(checked("{\"\\u0061\":1}"), "it", names, 3, v, &error),
                     DSDN_E_MALFORMED);
    assert_int_equal(dsdn_span_members(checked("[1]"), "it", names, 3, v, &error), DSDN_E_MALFORMED);
    for (int i = 0; i <= 64; i++) {
        at += sprintf(at, "%s\"m%d\":%d", i ? "," : "", i, i);
        struct dsdn_view value;
        strcpy(at, "}");
        assert_int_equal(dsdn_span_check(many, strlen(many), &value, &error), 0);
        assert_int_equal(dsdn_span_members(value, "it", names, 3, v, &error), i < 64 ? 0 : DSDN_E_MALFORMED);
    }
}

static void test_scalars(void **state)
{
    uint64_t u;
    int64_t i;
    bool truth;
    char text[8];
    struct dsdn_celestia_time time;
    static const struct {
        const char *text;
        uint64_t nano;
    } prices[] = {{"0.004", 4000000},
                  {"4e-3", 4000000},
                  {"1e-06", 1000},
                  {"0.0000000019", 1},
                  {"0", 0},
                  {"4E+1", 40000000000},
                  {"1e-2000", 0},
                  {"0e2000", 0},
                  {"12.5", 12500000000},
                  {"9223372036.854775807", INT64_MAX}};
    (void)state;
    assert_true(dsdn_span_u64(checked("18446744073709551615"), UINT64_MAX, &u) && u == UINT64_MAX);
    assert_false(dsdn_span_u64(checked("18446744073709551616"), UINT64_MAX, &u));
    assert_false(dsdn_span_u64(checked("1.0"), UINT64_MAX, &u));
    assert_false(dsdn_span_u64(checked("1e3"), UINT64_MAX, &u));
    assert_false(dsdn_span_u64(checked("-0"), UINT64_MAX, &u));
    assert_false(dsdn_span_u64(checked("\"1\""), UINT64_MAX, &u));
    assert_true(dsdn_span_loose_u64(checked("\"1\""), UINT64_MAX, &u) && u == 1);
    assert_false(dsdn_span_loose_u64(checked("\"01\""), UINT64_MAX, &u));
    assert_false(dsdn_span_loose_u64(checked("\"\""), UINT64_MAX, &u));
    assert_true(dsdn_span_i64(checked("-9223372036854775808"), INT64_MIN, 0, &i) && i == INT64_MIN);
    assert_false(dsdn_span_i64(checked("9223372036854775808"), INT64_MIN, INT64_MAX, &i));
    assert_true(dsdn_span_bool(checked("true"), &truth) && truth);
    assert_false(dsdn_span_bool(checked("1"), &truth));
    for (size_t n = 0; n < sizeof prices / sizeof *prices; n++) {
        if (!dsdn_span_nano(checked(prices[n].text), &u) || u != prices[n].nano)
            fail_msg("%s", prices[n].text);
        struct dsdn_text t = new_text();
        dsdn_text_nano(&t, u);
        assert_true(dsdn_span_nano(checked(t.bytes), &u) && u == prices[n].nano);
        dsdn_text_free(&t);
    }
    assert_false(dsdn_span_nano(checked("-1"), &u));
    assert_false(dsdn_span_nano(checked("1e10"), &u));
    assert_false(dsdn_span_nano(checked("9223372036.854775808"), &u));
    dsdn_span_text(checked("\"a\\n\\u00e9\\u0085\\ud83d\\ude00\""), text, sizeof text);
    assert_string_equal(text, "a?\xc3\xa9?"); /* four more bytes and a zero do not fit eight */
    static const char *const times[] = {"0001-01-01T00:00:00Z",           "1970-01-01T00:00:00.000000001Z",
                                        "2023-06-29T07:54:16.224936917Z", "2024-02-29T23:59:59.1Z",
                                        "9999-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59Z",
                                        "1900-03-01T00:00:00Z",           "2000-02-29T12:00:00Z"};
    static const char *const not_times[] = {"2023-02-29T00:00:00Z",
                                            "2023-13-01T00:00:00Z",
                                            "2023-06-29T24:00:00Z",
                                            "2023-06-29T07:54:60Z",
                                            "2023-06-29T07:54:16.Z",
                                            "2023-06-29T07:54:16.0000000001Z",
                                            "2023-06-29T07:54:16+00:00",
                                            "2023-06-29 07:54:16Z",
                                            "0000-01-01T00:00:00Z",
                                            "2023-06-31T00:00:00Z",
                                            "Z"};
    for (size_t n = 0; n < sizeof times / sizeof *times; n++) {
        char quoted[64];
        struct tm parts = {0};
        struct dsdn_text t = new_text();
        snprintf(quoted, sizeof quoted, "\"%s\"", times[n]);
        assert_true(dsdn_span_time(checked(quoted), &time));
        dsdn_text_time(&t, time);
        assert_string_equal(t.bytes, quoted);
        assert_non_null(strptime(times[n], "%Y-%m-%dT%H:%M:%S", &parts));
        assert_int_equal(time.seconds, timegm(&parts));
        dsdn_text_free(&t);
    }
    for (size_t n = 0; n < sizeof not_times / sizeof *not_times; n++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "\"%s\"", not_times[n]);
        if (dsdn_span_time(checked(quoted), &time)) fail_msg("%s was read", quoted);
    }
}

/* ---- headers -------------------------------------------------------------------------------------- */

/* Reads a captured header, holds it against its own hashes and signatures, writes it, and compares. */
static void check_header(const json_t *captured, bool exact)
{
    char *text = dumped(captured);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_block_answer answer, again;
    struct dsdn_text t = new_text(), t2 = new_text();
    enum dsdn_celestia_check check;
    if (dsdn_json_read_block(checked(text), &answer, &error)) fail_msg("%s", error.message);
    assert_int_equal(dsdn_json_read_block_height(checked(text)), answer.block.header.height);
    if (dsdn_celestia_verify(&answer.block, NULL, &check, &error)) fail_msg("%s", error.message);
    free(text); /* what was read is a copy */
    dsdn_json_write_block(&t, &answer.block);
    assert_int_equal(t.failed, 0);
    json_t *written = json_loads(t.bytes, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(written);
    if (exact) assert_true(json_equal(written, captured));
    json_decref(written);
    if (dsdn_json_read_block(checked(t.bytes), &again, &error)) fail_msg("%s", error.message);
    assert_int_equal(dsdn_celestia_verify(&again.block, NULL, &check, &error), 0);
    dsdn_json_write_block(&t2, &again.block);
    assert_string_equal(t.bytes, t2.bytes);
    dsdn_text_free(&t);
    dsdn_text_free(&t2);
    dsdn_block_answer_free(&answer);
    dsdn_block_answer_free(&again);
}

static void test_headers(void **state)
{
    glob_t files = vector_glob("headers/chain*/*.json");
    (void)state;
    assert_int_equal(dsdn_sign_self_test(NULL), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        json_t *loaded = vector_load(files.gl_pathv[i]);
        if (json_is_array(loaded))
            for (size_t n = 0; n < json_array_size(loaded) && n < 20; n++)
                check_header(json_array_get(loaded, n), false);
        else
            check_header(loaded, false);
        json_decref(loaded);
    }
    globfree(&files);
}

/* The node's own example: its hash is broken, its form is exact. */
static void test_header_example(void **state)
{
    glob_t files = vector_glob("node_examples/extendedHeader.json");
    json_t *example = vector_load(files.gl_pathv[0]);
    char *text = dumped(example);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_block_answer answer;
    struct dsdn_text t = new_text();
    (void)state;
    if (dsdn_json_read_block(checked(text), &answer, &error)) {
        /* its roots are of the network's first ones, 48 bytes each */
        assert_non_null(strstr(error.message, "dah"));
    } else {
        dsdn_json_write_block(&t, &answer.block);
        json_t *written = json_loads(t.bytes, 0, NULL);
        assert_true(json_equal(written, example));
        json_decref(written);
        dsdn_block_answer_free(&answer);
    }
    dsdn_text_free(&t);
    free(text);
    json_decref(example);
    globfree(&files);
}

/* Every member of a header as something else: refused, or without consequence; never worse. */
static void test_header_hostile(void **state)
{
    static const char *const values[] = {"null",
                                         "true",
                                         "\"\"",
                                         "\"x\"",
                                         "-1",
                                         "1.5",
                                         "1e3",
                                         "[]",
                                         "{}",
                                         "9223372036854775808",
                                         "18446744073709551615",
                                         "\"-1\"",
                                         "[[]]",
                                         "\"NaN\"",
                                         "[null]",
                                         "\"\\u0041\""};
    glob_t files = vector_glob("headers/chain2/extended_header_block_28.json");
    json_t *header = vector_load(files.gl_pathv[0]);
    char *text = dumped(header);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_block_answer answer;
    unsigned refused = 0, accepted = 0;
    (void)state;
    for (char *colon = text; (colon = strchr(colon + 1, ':'));) {
        if (colon[-1] != '"') continue; /* within a time */
        struct dsdn_view whole = checked(text), name, value, rest;
        /* the value behind this colon: the first of the rest, taken as an array */
        struct dsdn_span_walk walk = {.at = (const uint8_t *)colon + 1, .end = whole.bytes + whole.len};
        assert_true(dsdn_span_walk_next(&walk, &name, &value));
        rest = (struct dsdn_view){value.bytes + value.len,
                                  (size_t)(whole.bytes + whole.len - value.bytes) - value.len};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            char *made = malloc(strlen(text) + 64);
            sprintf(made, "%.*s%s%.*s", (int)(colon + 1 - text), text, values[i], (int)rest.len, rest.bytes);
            int rc = dsdn_json_read_block(checked(made), &answer, &error);
            if (rc) {
                assert_true(rc == DSDN_E_MALFORMED || rc == DSDN_E_TOO_LARGE);
                refused++;
            } else {
                (void)dsdn_celestia_verify(&answer.block, NULL, NULL, &error);
                dsdn_block_answer_free(&answer);
                accepted++;
            }
            free(made);
        }
    }
    assert_true(refused > 300 && accepted > 20);
    free(text);
    json_decref(header);
    globfree(&files);
}

static void test_header_memory(void **state)
{
    glob_t files = vector_glob("headers/chain2/extended_header_block_28.json");
    json_t *header = vector_load(files.gl_pathv[0]);
    char *text = dumped(header);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_block_answer answer;
    struct dsdn_view value = checked(text);
    (void)state;
    fail_nth(1);
    int rc = dsdn_json_read_block(value, &answer, &error);
    assert_false(fail_nth(0));
    assert_int_equal(rc, DSDN_E_NO_MEMORY);
    fail_nth(2); /* one block of memory is all it takes */
    rc = dsdn_json_read_block(value, &answer, &error);
    assert_true(fail_nth(0));
    assert_int_equal(rc, 0);
    dsdn_block_answer_free(&answer);
    free(text);
    json_decref(header);
    globfree(&files);
}

/* ---- namespace data ------------------------------------------------------------------------------- */

/* Reads an answer, verifies it as the vector says, and writes it: the captured text but for nulls. */
static void check_rows(const json_t *answer_json, const uint8_t *ns, const struct dsdn_nmt_node *roots,
                       uint32_t root_cnt, bool valid)
{
    char *text = dumped(answer_json);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_rows_answer answer, again;
    struct dsdn_namespace_result result;
    int rc = dsdn_json_read_rows(checked(text), root_cnt / 2, &answer, &error);
    free(text);
    if (rc) {
        if (valid) fail_msg("%s", error.message);
        return;
    }
    rc = dsdn_namespace_data_verify(ns, roots, root_cnt, answer.rows, answer.row_cnt, NULL, &result, &error);
    if ((rc == 0) != valid) fail_msg("%s", rc ? error.message : "a bad answer was accepted");
    struct dsdn_text t = new_text(), t2 = new_text();
    dsdn_json_write_rows(&t, answer.rows, answer.row_cnt);
    assert_int_equal(dsdn_json_read_rows(checked(t.bytes), root_cnt / 2, &again, &error), 0);
    dsdn_json_write_rows(&t2, again.rows, again.row_cnt);
    assert_string_equal(t.bytes, t2.bytes);
    if (valid) {
        json_t *written = json_loads(t.bytes, 0, NULL);
        assert_true(json_equal(written, answer_json));
        json_decref(written);
    }
    dsdn_text_free(&t);
    dsdn_text_free(&t2);
    dsdn_rows_answer_free(&answer);
    dsdn_rows_answer_free(&again);
}

static void test_rows(void **state)
{
    glob_t files = vector_glob("namespace_data/*.json");
    (void)state;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        json_t *file = vector_load(files.gl_pathv[i]), *one;
        bool whole;
        size_t n;
        struct dsdn_view roots =
            vector_joined(json_object_get(file, "row_roots_base64"), DSDN_NMT_NODE_LEN, &whole);
        assert_true(whole);
        json_array_foreach(json_object_get(file, "cases"), n, one)
        {
            struct dsdn_view ns = vector_hex(json_object_get(one, "namespace_hex"));
            check_rows(json_object_get(one, "namespace_data"), ns.bytes, (const void *)roots.bytes,
                       (uint32_t)(roots.len / DSDN_NMT_NODE_LEN),
                       json_is_true(json_object_get(one, "valid")));
            view_free(ns);
        }
        view_free(roots);
        json_decref(file);
    }
    globfree(&files);
}

/* An answer captured from a node, which writes "leaf_hash":null. */
static void test_rows_captured(void **state)
{
    glob_t files = vector_glob("captured/share_get_namespace_data.json");
    json_t *file = vector_load(files.gl_pathv[0]);
    char *text = dumped(json_object_get(file, "response_result"));
    struct dsdn_rows_answer answer;
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    assert_int_equal(dsdn_json_read_rows(checked(text), 4, &answer, &error), 0);
    assert_int_equal(answer.row_cnt, 1);
    assert_int_equal(answer.rows[0].shares.len, DSDN_SHARE_LEN);
    assert_int_equal(answer.rows[0].proof.start, 1);
    assert_int_equal(answer.rows[0].proof.end, 2);
    assert_int_equal(answer.rows[0].proof.node_cnt, 2);
    assert_int_equal(answer.rows[0].proof.leaf_hash.len, 0);
    assert_true(answer.rows[0].proof.max_namespace_ignored);
    dsdn_rows_answer_free(&answer);
    free(text);
    json_decref(file);
    globfree(&files);
}

static void test_rows_bounds(void **state)
{
    struct dsdn_rows_answer answer;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text t = new_text();
    (void)state;
    static const char *const empty[] = {"null", "[]"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(dsdn_json_read_rows(checked(empty[i]), 1, &answer, &error), 0);
        assert_int_equal(answer.row_cnt, 0);
        dsdn_rows_answer_free(&answer);
    }
    static const struct {
        const char *text;
        int rc;
    } bad[] = {{"{}", DSDN_E_MALFORMED},
               {"[null]", DSDN_E_MALFORMED},
               {"[{\"shares\":[]}]", DSDN_E_MALFORMED},
               {"[{\"shares\":{},\"proof\":{}}]", DSDN_E_MALFORMED},
               {"[{\"shares\":[\"AAAA\"],\"proof\":{}}]", DSDN_E_MALFORMED},
               {"[{\"shares\":[1,2,3],\"proof\":{}}]", DSDN_E_TOO_LARGE},
               {"[{\"proof\":{}},{\"proof\":{}},{\"proof\":{}}]", DSDN_E_TOO_LARGE},
               {"[{\"proof\":{\"start\":\"1\"}}]", DSDN_E_MALFORMED},
               {"[{\"proof\":{\"end\":9223372036854775808}}]", DSDN_E_MALFORMED},
               {"[{\"proof\":{\"nodes\":{}}}]", DSDN_E_MALFORMED},
               {"[{\"proof\":{\"nodes\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}}]", DSDN_E_TOO_LARGE},
               {"[{\"proof\":{\"is_max_namespace_ignored\":1}}]", DSDN_E_MALFORMED},
               {"[{\"proof\":{},\"proof\":{}}]", DSDN_E_MALFORMED}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int rc = dsdn_json_read_rows(checked(bad[i].text), 2, &answer, &error);
        if (rc != bad[i].rc) fail_msg("%s: %d", bad[i].text, rc);
    }
    dsdn_text_free(&t);
}

/* ---- blobs ---------------------------------------------------------------------------------------- */

static void test_blob(void **state)
{
    glob_t files = vector_glob("node_examples/blob.json");
    json_t *example = vector_load(files.gl_pathv[0]);
    char *text = dumped(example);
    struct dsdn_blobs_answer answer;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text t = new_text();
    uint8_t commitment[32];
    (void)state;
    assert_int_equal(dsdn_json_read_blob(checked(text), &answer, &error), 0);
    struct dsdn_json_blob *b = answer.blobs;
    assert_int_equal(answer.blob_cnt, 1);
    assert_int_equal(b->index, -1);
    assert_false(b->has_signer);
    assert_int_equal(
        dsdn_commitment_data(b->ns, b->share_version, NULL, b->data.bytes, b->data.len, commitment, &error),
        0);
    assert_memory_equal(commitment, b->commitment, 32);
    dsdn_json_write_blob(&t, b);
    json_t *written = json_loads(t.bytes, 0, NULL);
    assert_true(json_equal(written, example));
    json_decref(written);
    dsdn_text_free(&t);
    dsdn_blobs_answer_free(&answer);
    free(text);
    json_decref(example);
    globfree(&files);

    assert_int_equal(dsdn_json_read_blobs(checked("null"), 1, &answer, &error), 0);
    assert_int_equal(answer.blob_cnt, 0);
    dsdn_blobs_answer_free(&answer);
    assert_int_equal(dsdn_json_read_blobs(checked("[1,2]"), 1, &answer, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_json_read_blobs(checked("[{\"namespace\":\"AAAA\"}]"), 1, &answer, &error),
                     DSDN_E_MALFORMED);
    assert_string_equal(error.message, "invalid namespace length: 3. Must be 29 bytes");
    /* an empty signer is there, as it is for the node */
    assert_int_equal(
        dsdn_json_read_blob(checked("{\"namespace\":\"AAAAAAAAAAAAAAAAAAAAAAAAAMAOXWfCdVOJre0=\","
                                    "\"data\":\"AQI=\",\"share_version\":1,\"signer\":\"\"}"),
                            &answer, &error),
        0);
    assert_true(answer.blobs[0].has_signer && answer.blobs[0].signer.len == 0);
    assert_int_equal(answer.blobs[0].data.len, 2);
    dsdn_blobs_answer_free(&answer);
}

static void test_tx_config(void **state)
{
    static const char text[] =
        "{\"gas_price\":0.004,\"is_gas_price_set\":true,\"max_gas_price\":0.4,"
        "\"gas\":90000,\"tx_priority\":3,\"key_name\":\"my_key\","
        "\"signer_address\":\"celestia1abc\",\"fee_granter_address\":\"celestia1def\"}";
    struct dsdn_tx_config c = {.gas = 1};
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text t = new_text();
    (void)state;
    dsdn_json_write_tx_config(&t, &(struct dsdn_tx_config){.gas = 0});
    assert_string_equal(t.bytes, "{}");
    dsdn_text_clear(&t);
    assert_int_equal(dsdn_json_read_tx_config(checked(text), &c, &error), 0);
    assert_int_equal(c.gas_price, 4000000);
    assert_int_equal(c.max_gas_price, 400000000);
    assert_int_equal(c.priority, DSDN_TX_HIGH);
    dsdn_json_write_tx_config(&t, &c);
    assert_string_equal(t.bytes, text);
    dsdn_text_free(&t);
    assert_int_equal(dsdn_json_read_tx_config(checked("null"), &c, &error), DSDN_E_MALFORMED);
    assert_int_equal(dsdn_json_read_tx_config(checked("{\"tx_priority\":4}"), &c, &error), DSDN_E_MALFORMED);
}

static void test_small_results(void **state)
{
    static const char sync[] =
        "{\"id\":42,\"height\":42,\"from_height\":42,\"to_height\":43,"
        "\"from_hash\":\"453D000000000000000000000000000000000000000000000000000000000000\","
        "\"to_hash\":\"453D000000000000000000000000000000000000000000000000000000000001\","
        "\"start\":\"2023-06-29T07:54:16.5Z\",\"end\":\"2023-06-29T07:54:17Z\",\"error\":\"no peers\"}";
    struct dsdn_sync_state s;
    struct dsdn_balance b;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text t = new_text();
    (void)state;
    assert_int_equal(dsdn_json_read_sync_state(checked(sync), &s, &error), 0);
    dsdn_json_write_sync_state(&t, &s);
    assert_string_equal(t.bytes, sync);
    assert_int_equal(dsdn_json_read_sync_state(checked("{\"height\":-1}"), &s, &error), DSDN_E_MALFORMED);
    assert_int_equal(dsdn_json_read_sync_state(checked("{}"), &s, &error), DSDN_E_MALFORMED);
    dsdn_text_clear(&t);
    assert_int_equal(dsdn_json_read_balance(checked("{\"denom\":\"utia\",\"amount\":\"42\"}"), &b, &error),
                     0);
    dsdn_json_write_balance(&t, &b);
    assert_string_equal(t.bytes, "{\"denom\":\"utia\",\"amount\":\"42\"}");
    assert_int_equal(dsdn_json_read_balance(checked("{\"amount\":\"-1\"}"), &b, &error), DSDN_E_MALFORMED);
    dsdn_text_free(&t);
}

/* ---- JSON-RPC ------------------------------------------------------------------------------------- */

static void test_answers(void **state)
{
    static const struct {
        const char *text, *result; /* NULL: refused */
    } cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"result\":[1],\"id\":1}", "[1]"},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":null}", "null"},
        {"{\"id\":1,\"jsonrpc\":\"2.0\"}", "null"},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":7,\"error\":null}", "7"},
        {"{\"id\":2,\"jsonrpc\":\"2.0\",\"result\":7}", NULL},
        {"{\"id\":\"1\",\"jsonrpc\":\"2.0\",\"result\":7}", NULL},
        {"{\"id\":null,\"jsonrpc\":\"2.0\",\"result\":7}", NULL},
        {"{\"jsonrpc\":\"2.0\",\"result\":7}", NULL},
        {"{\"id\":1,\"result\":7}", NULL},
        {"{\"id\":1,\"jsonrpc\":\"1.0\",\"result\":7}", NULL},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":7,\"result\":8}", NULL},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":7,\"error\":{\"code\":1,\"message\":\"x\"}}", NULL},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":{\"message\":\"x\"}}", NULL},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":{\"code\":1}}", NULL},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":\"x\"}", NULL},
        {"[]", NULL},
        {"<html>", NULL}};
    struct dsdn_rpc_answer answer;
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int rc = dsdn_rpc_read_answer(cases[i].text, strlen(cases[i].text), 1, &answer, &error);
        if ((rc == 0) != (cases[i].result != NULL)) fail_msg("%s", cases[i].text);
        if (!rc) expect_equal(answer.result, cases[i].result, strlen(cases[i].result));
    }
    static const char failure[] =
        "{\"error\":{\"code\":-32700,\"message\":\"a\\u0007 \\\"b\\\"\"},\"id\":null,"
        "\"jsonrpc\":\"2.0\"}";
    assert_int_equal(dsdn_rpc_read_answer(failure, strlen(failure), 1, &answer, &error), 0);
    assert_true(answer.failed);
    assert_int_equal(answer.code, DSDN_RPC_PARSE);
    assert_string_equal(answer.message, "a? \"b\"");
}

static void test_requests(void **state)
{
    struct dsdn_text t = new_text();
    struct dsdn_rpc_request request;
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    static const char params[] = "[20345,[\"YWJj\"]]";
    dsdn_rpc_write_request(&t, 1, "blob.GetAll", checked(params));
    assert_string_equal(t.bytes, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"blob.GetAll\","
                                 "\"params\":[20345,[\"YWJj\"]]}");
    assert_int_equal(dsdn_rpc_read_request(checked(t.bytes), &request, &error), 0);
    assert_string_equal(request.method, "blob.GetAll");
    assert_int_equal(request.param_cnt, 2);
    expect_equal(request.params[1], "[\"YWJj\"]", 8);
    dsdn_text_free(&t);
    t = new_text();
    dsdn_rpc_write_result(&t, request.id.len ? (struct dsdn_view){(const uint8_t *)"\"x\"", 3} : request.id);
    dsdn_text_u64(&t, 7);
    dsdn_rpc_end_answer(&t);
    assert_string_equal(t.bytes, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":7}");
    dsdn_text_clear(&t);
    dsdn_rpc_write_error(&t, (struct dsdn_view){NULL, 0}, -32601, "method 'a' not found");
    assert_string_equal(t.bytes, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32601,"
                                 "\"message\":\"method 'a' not found\"}}");
    dsdn_text_free(&t);
    assert_int_equal(
        dsdn_rpc_read_request(checked("{\"jsonrpc\":\"2.0\",\"method\":\"a\"}"), &request, &error), 0);
    assert_int_equal(request.id.len, 0);
    static const struct {
        const char *text;
        int rc;
    } bad[] = {
        {"[]", DSDN_E_MALFORMED},
        {"{\"jsonrpc\":\"2.0\",\"id\":1}", DSDN_E_MALFORMED},
        {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"a\"}", DSDN_E_MALFORMED},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{}}", DSDN_E_MALFORMED},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":[1,2,3,4,5,6,7,8,9]}", DSDN_E_TOO_LARGE}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(dsdn_rpc_read_request(checked(bad[i].text), &request, &error), bad[i].rc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_against_jansson),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_header_example),
        cmocka_unit_test(test_header_hostile),
        cmocka_unit_test(test_header_memory),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rows_captured),
        cmocka_unit_test(test_rows_bounds),
        cmocka_unit_test(test_blob),
        cmocka_unit_test(test_tx_config),
        cmocka_unit_test(test_small_results),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
