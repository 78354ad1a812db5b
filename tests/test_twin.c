/* test_twin.c: the engine against the naive twin (tests/twin): random logs, the same verdicts and the same
 * rows after every batch, invariants after every event.  docs/twin.md.
 *
 * DSDN_TWIN_LOGS   how many logs (2,000; fewer where a sanitizer slows them down)
 * DSDN_TWIN_SEED   seed of the first (1)
 * DSDN_TWIN_PRINT  a seed: print that one log instead, event by event */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "roles/dsdn.h"
#include "tests/twin/wild.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                                   \
    __has_feature(undefined_behavior_sanitizer)
#define SLOW 1
#endif
#endif
#ifdef SLOW
enum { LOGS = 300 };
#else
enum { LOGS = 2000 };
#endif
enum { COVERED_FROM = 2000 }; /* logs from which on everything must have occurred */

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* Plays the log of a seed; true when engine and twin agree.  The log is left in *log. */
static bool play(uint64_t seed, struct played_log *log, struct coverage *coverage)
{
    static struct wild w;
    wild_begin(&w, seed, log);
    struct player *p = player_new(log, coverage);
    enum played played = PLAYED;
    w.twin = player_twin(p);
    for (;;) {
        struct played_batch *b = played_batch_add(log);
        if (!wild_next(&w, b)) break;
        played = player_batch(p, b);
        if (played == DIFFERENT) break;
        wild_judged(&w, played);
    }
    if (played == DIFFERENT) print_error("%s\n", player_report(p));
    player_free(p);
    return played != DIFFERENT;
}

/* How a difference is shown: the smallest log that has one. */
static void explain(struct played_log *log)
{
    char report[4096] = "(it does not come again)";
    shrink(log, played_differs, NULL);
    played_differs(log, report);
    printf("the smallest log:\n");
    played_print(log);
    printf("%s\n", report);
}

static void print_coverage(const struct coverage *c)
{
    const struct dsdn_event_table *events = dsdn_catalogue.events;
    printf("%llu logs, %llu batches, %llu refused, %llu events, %llu deadlines, %llu takeovers, %llu changes "
           "of epoch\n",
           (unsigned long long)c->logs, (unsigned long long)c->batches, (unsigned long long)c->invalid,
           (unsigned long long)c->events, (unsigned long long)c->deadlines, (unsigned long long)c->takeovers,
           (unsigned long long)c->next_epochs);
    for (unsigned i = 0; i < OUTCOMES; i++)
        printf("outcome %-28s %10llu\n", twin_outcome_name(i), (unsigned long long)c->outcomes[i]);
    for (const struct dsdn_code_name *code = dsdn_catalogue.codes; code->name; code++)
        printf("code    %-28s %10llu\n", code->name, (unsigned long long)c->codes[code->code]);
    for (unsigned i = 0; i < events->event_cnt; i++)
        printf("applied %-28s %10llu\n", events->events[i].name, (unsigned long long)c->applied[i]);
    for (const struct dsdn_deadline_kind *kind = dsdn_catalogue.deadlines; kind->name; kind++)
        printf("fired   %-28s %10llu\n", kind->name, (unsigned long long)c->fired[kind->kind]);
}

/* Everything the documents name occurred; else says what did not. */
static bool covered(const struct coverage *c)
{
    const struct dsdn_event_table *events = dsdn_catalogue.events;
    unsigned missing = 0;
    for (unsigned i = 0; i < DSDN_OUTCOME_CNT; i++)
        if (!c->outcomes[i])
            missing++, print_error("outcome %s never occurred\n", dsdn_outcome_name((uint8_t)i));
    for (const struct dsdn_code_name *code = dsdn_catalogue.codes; code->name; code++)
        if (!c->codes[code->code]) missing++, print_error("code %s never occurred\n", code->name);
    for (unsigned i = 0; i < events->event_cnt; i++)
        if (!c->applied[i] && events->events[i].author != DSDN_AUTHOR_NONE)
            missing++, print_error("event %s was never applied\n", events->events[i].name);
    for (const struct dsdn_deadline_kind *kind = dsdn_catalogue.deadlines; kind->name; kind++)
        if (!c->fired[kind->kind]) missing++, print_error("deadline %s never fired\n", kind->name);
    if (!c->takeovers || !c->next_epochs || !c->invalid)
        missing++, print_error("no takeover, no change of epoch, or no batch that is not valid\n");
    return missing == 0;
}

static void engine_and_twin_agree(void **state)
{
    (void)state;
    uint64_t logs = setting("DSDN_TWIN_LOGS", LOGS), first = setting("DSDN_TWIN_SEED", 1), wrong = 0;
    struct coverage sum = {0};
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uint64_t seed = first; seed < first + logs; seed++) {
        struct played_log log;
        struct coverage part = {0};
        bool fine = play(seed, &log, &part);
        coverage_add(&sum, &part);
        if (!fine && !wrong) explain(&log);
        wrong += !fine;
        played_log_free(&log);
        if (wrong >= 20) break;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    print_coverage(&sum);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%.1f s, %.0f logs a second\n", seconds, (double)sum.logs / seconds);
    fflush(stdout);
    assert_int_equal(wrong, 0);
    if (logs >= COVERED_FROM) assert_true(covered(&sum));
}

/* The comparison sees a number, a hash, a set and a row that differ. */
static void differences_are_seen(void **state)
{
    (void)state;
    static const char *const tables[] = {"node",          "zone",  "parameter", "head",
                                         "outcome_count", "chunk", "replica"};
    static const char *const columns[] = {"reason", "node_cnt", "value",    "transcript",
                                          "count",  "holders",  "heal_from"};
    for (unsigned i = 0; i < 7; i++) {
        static struct wild w;
        struct played_log log;
        wild_begin(&w, 57, &log); /* a crowd of nodes, at level 0 */
        struct player *p = player_new(&log, NULL);
        w.twin = player_twin(p);
        struct fact_table *t = facts_table(twin_facts(w.twin), tables[i]);
        while (!t->cnt) {
            struct played_batch *b = played_batch_add(&log);
            assert_true(wild_next(&w, b));
            assert_int_not_equal(player_batch(p, b), DIFFERENT);
        }
        assert_true(player_compare(p));
        if (get_len(t->rows[0], columns[i]) || i >= 5) { /* bytes, sets and references */
            uint8_t other[32] = {1};
            put_bytes(t->rows[0], columns[i], other, 32);
        } else
            set(t->rows[0], columns[i], get(t->rows[0], columns[i]) + 1);
        assert_false(player_compare(p));
        assert_non_null(strstr(player_report(p), tables[i]));
        assert_non_null(strstr(player_report(p), columns[i]));
        player_free(p);
        played_log_free(&log);
    }
}

/* A row that only one of them has. */
static void rows_are_missed(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        struct played_log log;
        static struct wild w;
        wild_begin(&w, 31, &log);
        struct player *p = player_new(&log, NULL);
        struct facts *facts = twin_facts(player_twin(p));
        struct fact_table *t = facts_table(facts, "parameter");
        struct key k = {.len = 0};
        key_text(&k, "no such", 7, 48);
        if (more)
            facts_make(facts, "parameter", &k);
        else
            facts_drop(facts, "parameter", t->rows[0]);
        assert_false(player_compare(p));
        assert_non_null(strstr(player_report(p), more ? "the engine has not" : "the twin has not"));
        player_free(p);
        played_log_free(&log);
    }
}

/* Two objects are declared in it. */
static bool two_objects(const struct played_log *log, void *self)
{
    unsigned objects = 0;
    (void)self;
    for (uint32_t i = 0; i < log->batch_cnt; i++)
        for (uint32_t b = 0; b < log->batches[i].bundle_cnt; b++)
            for (uint32_t e = 0; e < log->batches[i].bundles[b].event_cnt; e++)
                objects += log->batches[i].bundles[b].events[e].type == 0x0201;
    return objects >= 2;
}

static void logs_are_shrunk(void **state)
{
    struct played_log log;
    uint32_t events = 0;
    (void)state;
    assert_true(play(32, &log, NULL)); /* a story of objects */
    assert_true(two_objects(&log, NULL));
    shrink(&log, two_objects, NULL);
    assert_true(two_objects(&log, NULL));
    for (uint32_t i = 0; i < log.batch_cnt; i++)
        for (uint32_t b = 0; b < log.batches[i].bundle_cnt; b++)
            events += log.batches[i].bundles[b].event_cnt;
    assert_int_equal(events, 2);
    played_log_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engine_and_twin_agree),
        cmocka_unit_test(differences_are_seen),
        cmocka_unit_test(rows_are_missed),
        cmocka_unit_test(logs_are_shrunk),
    };
    if (dsdn_sign_self_test(NULL)) return 1;
    uint64_t seed = setting("DSDN_TWIN_PRINT", 0);
    if (seed) {
        struct played_log log;
        bool fine = play(seed, &log, NULL);
        played_print(&log);
        played_log_free(&log);
        return !fine;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
