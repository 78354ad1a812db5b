/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* JSON documents: what is one, where a fault lies, the scalar forms; and no allocation of the parser that
 * fails does harm. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/json_value.h"
#include "tests/fail_nth.h"

/* ---- documents ------------------------------------------------------------------------------- */

static void test_syntax(void **state)
{
    (void)state;
    static const char *const good[] = {"[0]",
                                       "[-0.5e+10]",
                                       " [ ] ",
                                       "{}",
                                       "[\"\\u00e9\\ud83d\\ude00\\/\"]",
                                       "[1,[2,{\"a\":[]}],null]",
                                       "[\"\\\"[[[[[[[[[[[[[[[[[{{{{{{\\\\\"]",
                                       "[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],{}]",
                                       "\t{\"a\" : false , \"b\":\"\"}\r\n",
                                       "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"};
    static const struct {
        const char *text;
        size_t len;
        uint64_t offset;
        const char *message;
    } wrong[] = {
#define WRONG(text, offset, message) {text, sizeof text - 1, offset, message}
        WRONG("", DSDN_NO_OFFSET, "the JSON document is empty"),
        WRONG(" ", 1, "JSON line 1, column 1: '[' or '{' expected near end of file"),
        WRONG("1", 1, "column 1: '[' or '{' expected near '1'"),
        WRONG("\"a\"", 3, "'[' or '{' expected"),
        WRONG("[01]", 2, "invalid token near '0'"),
        WRONG("[] 1", 4, "column 4: end of file expected near '1'"),
        WRONG("[1,]", 4, "column 4: unexpected token near ']'"),
        WRONG("[1 2]", 4, "column 4: ']' expected near '2'"),
        WRONG("{\n \"a\" 1}", 8, "line 2, column 6: ':' expected near '1'"),
        WRONG("{\"a\":1,}", 8, "column 8: string or '}' expected near '}'"),
        WRONG("{\"a\":1,\"\\u0061\":1}", 15, "column 15: duplicate object key"),
        WRONG("[{\"a\":{\"b\":1,\"b\":1}}]", 16, "duplicate object key near '\"b\"'"),
        WRONG("{a:1}", 2, "column 2: string or '}' expected near 'a'"),
        WRONG("[\"a", 3, "column 3: premature end of input near '\"a'"),
        WRONG("[\"\\x\"]", 4, "invalid escape near '\"\\x'"),
        WRONG("[\"\\u12g4\"]", 7, "invalid escape"),
        WRONG("[\"\\u0000\"]", 9, "\\u0000 is not allowed"),
        WRONG("{\"\\u0000\":1}", 9, "NUL byte in object key not supported"),
        WRONG("[\"\\ud800\"]", 9, "invalid Unicode '\\uD800'"),
        WRONG("[\"\\ud800\\u0041\"]", 15, "invalid Unicode '\\uD800\\u0041'"),
        WRONG("[\"\\udc00\"]", 9, "invalid Unicode '\\uDC00'"),
        WRONG("[\"\n\"]", 2, "unexpected newline"),
        WRONG("[\"\xff\"]", 2, "unable to decode byte 0xff"),
        WRONG("[\"\xed\xa0\x80\"]", 2, "unable to decode byte 0xed"),
        WRONG("[\"\xc0\x80\"]", 2, "unable to decode byte 0xc0"),
        WRONG("[\"\xc3", 2, "unable to decode byte 0xc3"),
        WRONG("\xef\xbb\xbf[]", 3, "expected near '?\?\?'"),
        WRONG("[\x1b[2J]", 2, "invalid token near '?'"),
        WRONG("[nul]", 4, "invalid token near 'nul'"),
        WRONG("[NaN]", 4, "invalid token near 'NaN'"),
        WRONG("[-]", 2, "invalid token near '-'"),
        WRONG("[1.x]", 3, "invalid token"),
        WRONG("[+1]", 2, "invalid token near '+'"),
        WRONG("[9223372036854775808]", 20, "too big integer"),
        WRONG("[1E400]", 6, "real number overflow"),
        WRONG("[1\0]", 2, "column 3: a zero byte"),
        WRONG("[\"\\\0\"]", 3, "column 4: a zero byte"),
        WRONG("[]\0", 2, "column 3: a zero byte"),
        WRONG("[\n[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", 17, "line 2, column 16: nested too deeply"),
        WRONG("[\"\\\\\",[[[[[[[[[[[[[[[{", 21, "nested too deeply"),
#undef WRONG
    };
    struct dsdn_json_document document;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        if (dsdn_json_load(&document, good[i], strlen(good[i]), &error))
            fail_msg("%s: %s", good[i], error.message);
        assert_non_null(document.root);
        dsdn_json_unload(&document);
        assert_null(document.root);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        char *exact = malloc(wrong[i].len + 1);
        assert_non_null(exact);
        memcpy(exact + 1, wrong[i].text, wrong[i].len);
        assert_int_equal(dsdn_json_load(&document, exact + 1, wrong[i].len, &error), DSDN_E_MALFORMED);
        free(exact);
        assert_null(document.root);
        if (!strstr(error.message, wrong[i].message) || error.offset != wrong[i].offset)
            fail_msg("%s: %s (%llu)", wrong[i].text, error.message, (unsigned long long)error.offset);
    }
    assert_int_equal(dsdn_json_load(&document, "[]", (size_t)DSDN_JSON_TEXT_MAX + 1, NULL), DSDN_E_TOO_LARGE);
}

static void test_scalars(void **state)
{
    (void)state;
    static const char text[] =
        "{\"integers\":[-9223372036854775808,9223372036854775807,-7,0,12],\"none\":[1.0,\"1\",null,true,[],{}"
        "],"
        "\"decimals\":[\"0\",\"18446744073709551615\",\"-9223372036854775808\",\"9223372036854775808\",\"-"
        "1\","
        "\"\",\"-\",\"-0\",\"00\",\"01\",\"+1\",\" 1\",\"1 \",\"1x\",\"18446744073709551616\",1,null],"
        "\"hex\":[\"00fF\",\"00f\",\"00ff0\",\"00fg\",\"\\u00300ff\",\"00\xc3\xa9\",7]}";
    static const struct {
        int is_unsigned, is_signed;
        uint64_t bits;
    } decimals[17] = {{1, 1, 0},
                      {1, 0, UINT64_MAX},
                      {0, 1, (uint64_t)INT64_MIN},
                      {1, 0, (uint64_t)INT64_MAX + 1},
                      {0, 1, UINT64_MAX}}; /* and nothing else is one */
    struct dsdn_json_document document;
    assert_int_equal(dsdn_json_load(&document, text, sizeof text - 1, NULL), 0);
    int64_t number;
    uint64_t bits;
    uint8_t bytes[2];
    json_t *list = json_object_get(document.root, "integers");
    assert_true(dsdn_json_integer(json_array_get(list, 0), INT64_MIN, INT64_MAX, &number));
    assert_true(number == INT64_MIN);
    assert_true(dsdn_json_integer(json_array_get(list, 1), INT64_MIN, INT64_MAX, &number));
    assert_true(number == INT64_MAX);
    assert_true(dsdn_json_integer(json_array_get(list, 2), -7, -7, &number));
    assert_int_equal(number, -7);
    assert_false(dsdn_json_integer(json_array_get(list, 2), -6, 9, &number));
    assert_false(dsdn_json_integer(json_array_get(list, 4), 0, 11, &number));
    list = json_object_get(document.root, "none");
    for (size_t i = 0; i < json_array_size(list); i++)
        assert_false(dsdn_json_integer(json_array_get(list, i), INT64_MIN, INT64_MAX, &number));
    list = json_object_get(document.root, "decimals");
    assert_int_equal(json_array_size(list), sizeof decimals / sizeof *decimals);
    for (size_t i = 0; i < json_array_size(list); i++) {
        bits = decimals[i].bits;
        assert_int_equal(dsdn_json_decimal(json_array_get(list, i), false, &bits), decimals[i].is_unsigned);
        if (decimals[i].is_unsigned) assert_true(bits == decimals[i].bits);
        assert_int_equal(dsdn_json_decimal(json_array_get(list, i), true, &bits), decimals[i].is_signed);
        if (decimals[i].is_signed) assert_true(bits == decimals[i].bits);
    }
    list = json_object_get(document.root, "hex");
    for (size_t i = 0; i < json_array_size(list); i++)
        assert_int_equal(dsdn_json_hex(json_array_get(list, i), bytes, 2), i == 0 || i == 4);
    assert_memory_equal(bytes, "\x00\xff", 2);
    assert_false(dsdn_json_integer(NULL, 0, 1, &number));
    assert_false(dsdn_json_decimal(NULL, false, &bits));
    assert_false(dsdn_json_hex(NULL, bytes, 0));
    dsdn_json_unload(&document);
}

/* ---- memory ----------------------------------------------------------------------------------- */

/* Tokens of every length up to 80, so that libjansson's token buffer grows at every byte of one; integers of
 * 19 digits; and everything else that it allocates for.  Returns the length. */
static size_t many_tokens(char *out, size_t cap)
{
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789abcdef";
    size_t at = (size_t)snprintf(out, cap, "[{\"a\":{},\"b\":[1.5,1234567890123456789]}");
    for (int i = 0; i <= 80; i++)
        at += (size_t)snprintf(out + at, cap - at, ",\"%.*s\",{\"%.*s\":[%d,null]}", i, letters, 80 - i,
                               letters, i);
    at += (size_t)snprintf(out + at, cap - at, "]");
    assert_in_range(at, 1, cap - 1);
    return at;
}

/* Whether a document is what many_tokens wrote. */
static bool is_whole(json_t *root, const char *text)
{
    char *again = json_dumps(root, JSON_COMPACT);
    bool same = again && strcmp(again, text) == 0;
    free(again);
    return same;
}

static void test_no_memory(void **state)
{
    (void)state;
    static char text[32768];
    size_t len = many_tokens(text, sizeof text);
    for (unsigned n = 1;; n++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_json_document document;
        fail_nth(n);
        int rc = dsdn_json_load(&document, text, len, &error);
        bool pending = fail_nth(0);
        assert_int_equal(rc, pending ? 0 : DSDN_E_NO_MEMORY);
        if (!pending) {
            assert_null(document.root);
            continue;
        }
        assert_true(is_whole(document.root, text));
        dsdn_json_unload(&document);
        assert_true(n > 4); /* it did grow */
        break;
    }
}

/* The same for each single allocation of libjansson: the n-th asks for what no arena has. */
static json_malloc_t arena_take;
static unsigned take_fails, takes;

static void *take(size_t len)
{
    return arena_take(++takes == take_fails ? SIZE_MAX : len);
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    static char text[32768];
    size_t len = many_tokens(text, sizeof text);
    json_free_t give;
    json_get_alloc_funcs(&arena_take, &give);
    json_set_alloc_funcs(take, give);
    int rc = DSDN_E_NO_MEMORY;
    for (take_fails = 1; rc; take_fails++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_json_document document;
        takes = 0;
        rc = dsdn_json_load(&document, text, len, &error);
        assert_int_equal(rc, takes < take_fails ? 0 : DSDN_E_NO_MEMORY);
        if (rc) continue;
        json_set_alloc_funcs(arena_take, give);
        assert_true(is_whole(document.root, text));
        dsdn_json_unload(&document);
    }
    assert_true(take_fails > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
