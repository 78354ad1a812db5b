/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The --where language: what matches, what is refused and where, and programs against a plain evaluation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/filter.h"
#include "log/suggest.h"
#include "log/json.h"
#include "tests/fail_nth.h"
#include "tests/kinds.h"

static const struct dsdn_filter_name outcomes[] = {{0, "OK"}, {4, "CONFLICT"}, {7, "PRECONDITION"}};
static const struct dsdn_filter_name codes[] = {{0, "NONE"}, {12, "ROLE_CLASS"}, {13, "ROLE_ZONE"}};
static const struct dsdn_filter_names names = {outcomes, codes, 3, 3};

/* Three events: NodeRegistered v1 by 0xab.., ReplicaRemoved by the authority, and one of kinds.def. */
static uint8_t registered_bytes[512], removed_bytes[128], kinds_bytes[2048];
static const uint8_t author[32] = {0xab, 0xcd, 0xef}, authority[32];
static struct dsdn_filter_event registered, removed, everything;

static int setup(void **state)
{
    (void)state;
    uint8_t id[32], zeros[64] = {0}, ids[64];
    memset(id, 0x11, 32);
    memset(ids, 1, 32);
    memset(ids + 32, 2, 32);
    struct dsdn_ev_node_registered r = {.node_id = id,
                                        .operator= author,
                                        .role = 1,
                                        .node_class = 1,
                                        .zone = {(const uint8_t *)"caf\xc3\xa9*1", 7},
                                        .address = {(const uint8_t *)"host:1", 6},
                                        .capacity_gb = 4096,
                                        .tls_fingerprint = id,
                                        .tls_not_after = UINT64_MAX,
                                        .node_sig = zeros};
    registered = (struct dsdn_filter_event){.seq = 5,
                                            .index = 2,
                                            .time_ms = 1000,
                                            .event = dsdn_EVENT_node_registered,
                                            .version = 1,
                                            .payload = registered_bytes,
                                            .author = author,
                                            .outcome = 7,
                                            .code = 12};
    int rc = dsdn_event_encode(&dsdn_event_table.events[registered.event], 1, &r, registered_bytes,
                               sizeof registered_bytes, &registered.len, NULL);
    struct dsdn_ev_replica_removed m = {.chunk = id, .node = id, .reason = 2};
    removed = (struct dsdn_filter_event){.seq = 6,
                                         .time_ms = 2000,
                                         .event = dsdn_EVENT_replica_removed,
                                         .version = 1,
                                         .payload = removed_bytes,
                                         .author = authority,
                                         .outcome = -1};
    rc |= dsdn_event_encode(&dsdn_event_table.events[removed.event], 1, &m, removed_bytes,
                            sizeof removed_bytes, &removed.len, NULL);
    struct kinds_ev_everything k = {.a_i32 = -5,
                                    .a_i64 = INT64_MIN,
                                    .a_fx = -1,
                                    .a_u64 = UINT64_MAX,
                                    .a_bps = 10000,
                                    .an_id = id,
                                    .a_hash = id,
                                    .an_addr = id,
                                    .a_sig = zeros,
                                    .a_ns = zeros,
                                    .an_amt = {3, 77},
                                    .some_bytes = {(const uint8_t *)"\xde\xad", 2},
                                    .an_opt_u8 = -1,
                                    .an_opt_id = id,
                                    .a_set = {ids, 2, 64}};
    everything = (struct dsdn_filter_event){.event = kinds_EVENT_everything,
                                            .version = 1,
                                            .payload = kinds_bytes,
                                            .author = author,
                                            .outcome = 0};
    rc |= dsdn_event_encode(&kinds_event_table.events[everything.event], 1, &k, kinds_bytes,
                            sizeof kinds_bytes, &everything.len, NULL);
    return rc;
}

static bool matches(const char *text, const struct dsdn_event_table *table,
                    const struct dsdn_filter_event *event)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_filter *filter;
    if (dsdn_filter_compile(text, table, &names, &filter, &error)) fail_msg("%s: %s", text, error.message);
    bool result = dsdn_filter_match(filter, event);
    dsdn_filter_free(filter);
    return result;
}

#define ELEVENS "1111111111111111111111111111111111111111111111111111111111111111"

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool registered, removed;
    } cases[] = {
        {"seq == 5", 1, 0},
        {"seq != 5", 0, 1},
        {"seq < 6", 1, 0},
        {"seq <= 6", 1, 1},
        {"seq > 5", 0, 1},
        {"seq >= 5", 1, 1},
        {"seq > -1", 1, 1},
        {"index == 2", 1, 0},
        {"time >= 1500", 0, 1},
        {"seq<18446744073709551615", 1, 1},
        {"type == NodeRegistered", 1, 0},
        {"type != node_registered", 0, 1},
        {"type =~ *Re*", 1, 1},
        {"type =~ replica_*", 0, 1},
        {"type == NODEREGISTERED", 1, 0},
        {"family == node", 1, 0},
        {"family != node", 0, 1},
        {"family =~ ch?nk", 0, 1},
        {"author == authority", 0, 1},
        {"author != authority", 1, 0},
        {"author =~ abcdef*", 1, 0},
        {"author =~ ABC*", 1, 0},
        {"author =~ ab??ef*00", 1, 0},
        {"author == " ELEVENS, 0, 0},
        {"author != " ELEVENS, 1, 1},
        /* the outcome of `removed` is not known */
        {"outcome == PRECONDITION", 1, 0},
        {"outcome == precondition", 1, 0},
        {"outcome != OK", 1, 0},
        {"outcome == 7", 1, 0},
        {"outcome =~ PRE*", 1, 0},
        {"outcome =~ *", 1, 0},
        {"code == ROLE_CLASS", 1, 0},
        {"code =~ ROLE_*", 1, 0},
        {"code > 11", 1, 0},
        {"code != 12", 0, 0},
        {"payload.capacity_gb >= 4096", 1, 0},
        {"payload.capacity_gb != 4096", 0, 0},
        {"payload.capacity_gb > -5", 1, 0},
        {"payload.reason == 2", 0, 1},
        {"payload.role < 2", 1, 0},
        {"payload.node_class == 1", 1, 0},
        {"payload.node_class == null", 0, 0},
        {"payload.node_class != null", 1, 0},
        {"payload.tls_not_after == 18446744073709551615", 1, 0},
        {"payload.tls_not_after < 0", 0, 0},
        {"payload.node_id == " ELEVENS, 1, 0},
        {"payload.node == " ELEVENS, 0, 1},
        {"payload.chunk != " ELEVENS, 0, 0},
        {"payload.node_id =~ 11*", 1, 0},
        {"payload.node_id =~ 12*", 0, 0},
        {"payload.zone == \"caf\xc3\xa9*1\"", 1, 0},
        {"payload.zone == 'caf\xc3\xa9*1'", 1, 0},
        {"payload.zone != 'x'", 1, 0},
        {"payload.zone =~ \"caf?*\"", 1, 0},
        {"payload.zone =~ 'caf\?\?\?'", 1, 0},
        {"payload.zone =~ 'caf\?\?\?\?'", 0, 0},
        {"payload.zone =~ 'caf?\\*1'", 1, 0},
        {"payload.zone =~ 'caf\\*1'", 0, 0},
        {"payload.zone =~ \"caf?\\\\*1\"", 1, 0},
        {"payload.zone < 'cag'", 1, 0},
        {"payload.zone > 'caf'", 1, 0},
        {"payload.zone >= 'caf\xc3\xa9*1'", 1, 0},
        {"payload.zone == ''", 0, 0},
        {"payload.label == ''", 1, 0}, /* v1 upcast */
        {"seq == 5 && type == NodeRegistered", 1, 0},
        {"seq == 5 || seq == 6", 1, 1},
        {"!seq == 5", 0, 1},
        {"!(seq == 5 || seq == 6)", 0, 0},
        {"seq == 6 || seq == 5 && index == 9", 0, 1},
        {"(seq == 6 || seq == 5) && index == 2", 1, 0},
        {"!!(seq == 5)", 1, 0},
        {" ( ( seq==5 ) ) ", 1, 0},
        {"!payload.reason == 2", 1, 0},
        {"!(payload.zone=~'caf*')&&!(seq<6)", 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (matches(cases[i].text, &dsdn_event_table, &registered) != cases[i].registered)
            fail_msg("NodeRegistered should %smatch %s", cases[i].registered ? "" : "not ", cases[i].text);
        if (matches(cases[i].text, &dsdn_event_table, &removed) != cases[i].removed)
            fail_msg("ReplicaRemoved should %smatch %s", cases[i].removed ? "" : "not ", cases[i].text);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool match;
    } cases[] = {
        {"payload.a_i32 == -5", 1},
        {"payload.a_i32 < -4", 1},
        {"payload.a_i32 > -4", 0},
        {"payload.a_i32 < 0", 1},
        {"payload.a_i64 == -9223372036854775808", 1},
        {"payload.a_i64 < 18446744073709551615", 1},
        {"payload.a_fx == -1", 1},
        {"payload.a_u64 > 9223372036854775807", 1},
        {"payload.a_u64 == -1", 0},
        {"payload.a_bps == 10000", 1},
        {"payload.an_amt == 77", 1},
        {"payload.an_amt > 77", 0},
        {"payload.some_bytes == dead", 1},
        {"payload.some_bytes == DEAD", 1},
        {"payload.some_bytes =~ *a?", 1},
        {"payload.some_bytes != beef", 1},
        {"payload.an_opt_u8 == null", 1},
        {"payload.an_opt_u8 != 3", 1},
        {"payload.an_opt_u8 == 0", 0},
        {"payload.an_opt_u8 < 9", 0},
        {"payload.an_opt_id != null", 1},
        {"payload.an_opt_id =~ 1111*", 1},
        {"payload.an_opt_hash == null", 1},
        {"payload.an_opt_hash =~ *", 0},
        {"payload.an_opt_hash != " ELEVENS, 1},
        {"payload.a_set == 2", 1},
        {"payload.hashes == 0", 1},
        {"payload.pairs > 0", 0},
        {"payload.a_str == \"\"", 1},
        {"payload.a_sig =~ 0*0", 1},
        {"payload.a_ns =~ 00*", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (matches(cases[i].text, &kinds_event_table, &everything) != cases[i].match)
            fail_msg("should %smatch: %s", cases[i].match ? "" : "not ", cases[i].text);
    /* A payload that does not decode matches no test of it, but the others work. */
    struct dsdn_filter_event cut = everything;
    cut.len--;
    assert_false(matches("payload.a_i32 == -5", &kinds_event_table, &cut));
    assert_false(matches("payload.a_i32 != -5", &kinds_event_table, &cut));
    assert_true(matches("payload.a_i32 != -5 || seq == 0", &kinds_event_table, &cut));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned column;
        const char *message;
    } cases[] = {
        {"", 1, "a test is missing at the end"},
        {"seq", 4, "an operator is missing behind seq"},
        {"seq ==", 7, "a value is missing behind the operator"},
        {"seq = 5", 5, "compare with =="},
        {"seq == 5 & index == 2", 10, "write &&"},
        {"seq == 5 index", 10, "&& or || is missing here"},
        {"seq == 5 &&", 12, "a test is missing at the end"},
        {"(seq == 5", 1, "this ( is never closed"},
        {"(seq == 5 seq", 11, "&&, || or ) is missing here"},
        {"seq == 5)", 9, "this ) closes nothing"},
        {"seq == five", 8, "seq is compared with a decimal number"},
        {"seq == '5'", 8, "seq is compared with a decimal number"},
        {"seq =~ 5*", 8, "seq is a number"},
        {"seq == 18446744073709551616", 8, "seq is compared with a decimal number"},
        {"sequ == 5", 1, "no field sequ; did you mean seq?"},
        {"zone == 'a'", 1, "no field zone; did you mean payload.zone?"},
        {"qqqqqqqq == 5", 1, "no field qqqqqqqq"},
        {"type == NodeRegisterd", 9, "no event type is called NodeRegisterd; did you mean NodeRegistered?"},
        {"type =~ Noode*", 9, "no event type is called Noode*"},
        {"type < NodeRegistered", 8, "type has no order"},
        {"family == nod", 11, "no event is of family nod; did you mean node?"},
        {"outcome == CONFLCT", 12, "no outcome is called CONFLCT; did you mean CONFLICT?"},
        {"outcome > OK", 11, "names have no order"},
        {"code == ROLE", 9, "no code is called ROLE"},
        {"author == ab12", 11, "author has 64 hex digits (=~ takes a part: ab12*)"},
        {"author =~ xyz*", 11, "author is compared with bare hex digits"},
        {"author > " ELEVENS, 10, "author has no order"},
        {"payload.zon == 'a'", 9, "no event has a field zon; did you mean zone?"},
        {"payload.zone == a", 17, "payload.zone is text: put the value in quotes"},
        {"payload.zone == 'a", 17, "the string has no closing '"},
        {"payload.role == 'a'", 17, "payload.role is compared with a decimal number"},
        {"payload.role =~ 1*", 17, "payload.role is a number"},
        {"payload.role == null", 17, "payload.role is always there"},
        {"payload.node_class > null", 22, "payload.node_class compares with null by == and != only"},
        {"payload.node_sig == 11", 21, "payload.node_sig has another number of hex digits"},
        {"payload.profile == 123", 20, "payload.profile has an even number of hex digits"},
        {"seq == 5 && ; seq", 13, "this cannot stand here"},
        {"!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!seq == 1", 33, "nested more than 32 deep"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_filter *filter;
        assert_int_equal(dsdn_filter_compile(cases[i].text, &dsdn_event_table, &names, &filter, &error),
                         DSDN_E_USAGE);
        assert_null(filter);
        if (!strstr(error.message, cases[i].message) || error.offset != cases[i].column - 1)
            fail_msg("%s: %s", cases[i].text, error.message);
        char column[32];
        snprintf(column, sizeof column, "column %u: ", cases[i].column);
        assert_memory_equal(error.message, column, strlen(column));
    }
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_filter *filter;
    char caret[128];
    assert_int_equal(
        dsdn_filter_compile("seq == 5 && zoone == 'a'", &dsdn_event_table, NULL, &filter, &error),
        DSDN_E_USAGE);
    dsdn_filter_caret("seq == 5 && zoone == 'a'", &error, caret, sizeof caret);
    assert_string_equal(caret, "seq == 5 && zoone == 'a'\n            ^");
    assert_int_equal(dsdn_filter_compile("outcome == OK", &dsdn_event_table, NULL, &filter, &error),
                     DSDN_E_USAGE);
}

/* The bounds: as many tests as allowed, and text to the last byte. */
static void test_bounds(void **state)
{
    (void)state;
    static char text[DSDN_FILTER_TEXT_MAX + 2];
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_filter *filter;
    for (unsigned tests = DSDN_FILTER_TESTS_MAX; tests <= DSDN_FILTER_TESTS_MAX + 1; tests++) {
        size_t len = 0;
        for (unsigned i = 0; i < tests; i++)
            len += (size_t)sprintf(text + len, "%sseq==%u", i ? "||" : "", i);
        int rc = dsdn_filter_compile(text, &dsdn_event_table, &names, &filter, &error);
        assert_int_equal(rc, tests > DSDN_FILTER_TESTS_MAX ? DSDN_E_USAGE : 0);
        if (!rc) assert_true(dsdn_filter_match(filter, &registered));
        dsdn_filter_free(filter);
    }
    static const char start[] = "payload.zone!=";
    memset(text, '\'', sizeof text);
    memcpy(text, start, sizeof start - 1);
    memset(text + sizeof start, 'z', DSDN_FILTER_TEXT_MAX - sizeof start - 1);
    text[DSDN_FILTER_TEXT_MAX] = 0;
    assert_int_equal(dsdn_filter_compile(text, &dsdn_event_table, &names, &filter, &error), 0);
    assert_true(dsdn_filter_match(filter, &registered));
    dsdn_filter_free(filter);
    text[DSDN_FILTER_TEXT_MAX] = 'x';
    text[DSDN_FILTER_TEXT_MAX + 1] = 0;
    assert_int_equal(dsdn_filter_compile(text, &dsdn_event_table, &names, &filter, &error), DSDN_E_USAGE);
}

/* Random expressions over seq and index, evaluated while they are written. */
static bool random_expression(struct dsdn_random *r, struct dsdn_text *out, int depth)
{
    uint64_t n = dsdn_random_below(r, 4) + 4, form = depth ? dsdn_random_below(r, 6) : 0;
    if (form == 0) {
        dsdn_text_format(out, "seq <= %u", (unsigned)n);
        return registered.seq <= n;
    }
    dsdn_text_format(out, "%s(", form == 1 ? "!" : "");
    bool a = random_expression(r, out, depth - 1);
    if (form > 1) {
        dsdn_text_format(out, ")%s(", form < 4 ? "&&" : " || ");
        bool b = random_expression(r, out, depth - 1);
        a = form < 4 ? a && b : a || b;
    }
    dsdn_text_format(out, ")");
    return form == 1 ? !a : a;
}

static void test_random_expressions(void **state)
{
    (void)state;
    struct dsdn_random r;
    struct dsdn_text text;
    int hits = 0;
    dsdn_text_init(&text, DSDN_FILTER_TEXT_MAX, 0);
    dsdn_random_seed(&r, 21);
    for (int i = 0; i < 3000; i++) {
        dsdn_text_clear(&text);
        bool expected = random_expression(&r, &text, 4);
        hits += expected;
        if (matches(text.bytes, &dsdn_event_table, &registered) != expected) fail_msg("%s", text.bytes);
    }
    assert_in_range(hits, 500, 2500);
    dsdn_text_free(&text);
}

/* Words in nearly the right order: compiled or refused with a place, never anything else. */
static void test_random_words(void **state)
{
    (void)state;
    static const char *const words[4][8] = {
        {"seq", "type", "payload.zone", "payload.role", "author", "outcome", "(seq", "!index"},
        {"==", "!=", "=~", "<", ">=", "==", "==", "\xff"},
        {"5", "\"a\\\"b\"", "'", "NodeRegistered", "null", "authority", "*", "ab)"},
        {"&&", "||", "&&", "||", "(", ")", "", "!"},
    };
    struct dsdn_random r;
    int good = 0;
    dsdn_random_seed(&r, 22);
    for (int i = 0; i < 8000; i++) {
        char text[400] = "";
        for (uint64_t n = 0, end = dsdn_random_below(&r, 3) * 4 + 3; n < end; n++) {
            uint64_t kind = dsdn_random_below(&r, 12) ? n % 4 : dsdn_random_below(&r, 4);
            strcat(text, words[kind][dsdn_random_below(&r, 8)]);
            if (dsdn_random_below(&r, 4)) strcat(text, " ");
        }
        struct dsdn_filter *filter;
        struct dsdn_error error = DSDN_ERROR_INIT;
        int rc = dsdn_filter_compile(text, &dsdn_event_table, &names, &filter, &error);
        if (!rc) {
            dsdn_filter_match(filter, &registered);
            good++;
        } else {
            assert_int_equal(rc, DSDN_E_USAGE);
            assert_true(error.offset <= strlen(text));
        }
        dsdn_filter_free(filter);
    }
    assert_in_range(good, 100, 7900);
}

static void test_glob(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {{"", "", 1},
                 {"", "a", 0},
                 {"*", "", 1},
                 {"**", "abc", 1},
                 {"a*c", "abc", 1},
                 {"a*c", "abcd", 0},
                 {"*b*d", "abcbd", 1},
                 {"a?c",
                  "a\xc3\xa9"
                  "c",
                  1},
                 {"?", "", 0},
                 {"\\?", "?", 1},
                 {"\\?", "a", 0},
                 {"\\", "\\", 1},
                 {"a*a*a*b", "aaaaaaaaaaaaaaaaaaaa", 0},
                 {"*.c", "a.c.c", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (dsdn_glob_match(cases[i].pattern, strlen(cases[i].pattern), cases[i].text,
                            strlen(cases[i].text)) != cases[i].match)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
    assert_int_equal(dsdn_name_distance("kitten", "SITTING"), 3);
    assert_int_equal(dsdn_name_distance("", "abc"), 3);
    assert_int_equal(dsdn_name_distance("same", "Same"), 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct dsdn_filter *filter;
    fail_nth(1);
    int rc = dsdn_filter_compile("seq == 5", &dsdn_event_table, &names, &filter, NULL);
    assert_false(fail_nth(0));
    assert_int_equal(rc, DSDN_E_NO_MEMORY);
    assert_null(filter);
    fail_nth(2); /* there is only one allocation, and none in matching */
    assert_int_equal(dsdn_filter_compile("payload.zone == 'a'", &dsdn_event_table, &names, &filter, NULL), 0);
    assert_false(dsdn_filter_match(filter, &registered));
    assert_true(fail_nth(0));
    dsdn_filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_random_expressions),
        cmocka_unit_test(test_random_words),
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
