/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* Every allocation of an engine's life fails in turn, for each kind of log: NO_MEMORY and nothing else, the
 * state is what it was, and going on with memory leads to the root of an undisturbed run. */
#include "tests/random_log.h"

#include "roles/dsdn.h"
#include "roles/neutral/neutral.h"
#include "statemachine/replay.h"
#include "tests/fail_nth.h"
#include "tests/probe.h"

enum { BATCHES = 5 };

struct span {
    const struct dsdn_catalogue *catalogue;
    bool fingerprint;
    struct dsdn_view genesis; /* owned, like the batches */
    struct dsdn_view batches[BATCHES];
    uint8_t roots[BATCHES][32]; /* after each, of an undisturbed run */
};

static struct dsdn_view copy(const uint8_t *bytes, size_t len)
{
    return (struct dsdn_view){random_copy(bytes, len), len};
}

/* The root after what was applied; memory is there again. */
static void root_of(struct dsdn_engine *e, uint8_t root[32])
{
    struct dsdn_roots roots;
    assert_int_equal(dsdn_engine_root(e, 1, &roots, NULL), 0);
    memcpy(root, roots.state, 32);
}

static int engine_make(const struct span *s, struct dsdn_engine **e, struct dsdn_error *error)
{
    struct dsdn_engine_options options = {.fingerprint = s->fingerprint};
    int rc = dsdn_engine_new(s->catalogue, &options, e, error);
    if (rc) return rc;
    rc = dsdn_engine_genesis(*e, s->genesis.bytes, s->genesis.len, error);
    if (rc) dsdn_engine_free(*e);
    return rc;
}

static int batch_apply(struct dsdn_engine *e, struct dsdn_prepared *p, const struct dsdn_view *batch,
                       struct dsdn_error *error)
{
    int rc = dsdn_prepare(p, dsdn_engine_catalogue(e), dsdn_engine_seed(e), batch->bytes, batch->len, error);
    if (!rc) rc = dsdn_engine_judge(e, p, NULL, error);
    return rc ? rc : dsdn_engine_apply(e, p, error);
}

static void span_close(struct span *s)
{
    free((void *)(uintptr_t)s->genesis.bytes);
    for (int i = 0; i < BATCHES; i++) free((void *)(uintptr_t)s->batches[i].bytes);
}

/* Batches that make tables grow: every unit of a random log is in one of them. */
static void span_make(struct span *s, struct random_log *r, const struct dsdn_genesis *genesis,
                      const struct dsdn_catalogue *catalogue, bool fingerprint)
{
    struct log l;
    log_open(&l, &(struct log_options){.catalogue = catalogue, .genesis = genesis});
    *s = (struct span){
        .catalogue = catalogue, .fingerprint = fingerprint, .genesis = copy(l.genesis.bytes, l.genesis.len)};
    size_t at = 0;
    for (int i = 0; i < BATCHES; i++) {
        for (size_t end = r->cnt * ((size_t)i + 1) / BATCHES; at < end; at++)
            random_log_bundle(&l, r, &r->units[at], 0, r->units[at].event_cnt);
        l.next.time_ms = at ? r->units[at - 1].time_ms : 1000;
        log_apply(&l);
        s->batches[i] = copy(l.batch, l.batch_len);
        root_of(l.engine, s->roots[i]);
    }
    log_close(&l);
}

/* One life: new engine, all batches, a root after each second one.  An allocation that fails is repeated with
 * memory; what was there before the failed call must still be there. */
static bool live(const struct span *s, unsigned n, unsigned *failures)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_prepared p = {.ops = NULL};
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t root[32];
    bool failed = false;
    fail_nth(n);
    int rc = engine_make(s, &e, &error);
    if (rc) {
        fail_nth(0);
        assert_int_equal(rc, DSDN_E_NO_MEMORY);
        assert_int_equal(error.code, DSDN_E_NO_MEMORY);
        failed = true;
        assert_int_equal(engine_make(s, &e, &error), 0);
    }
    for (int i = 0; i < BATCHES; i++) {
        rc = batch_apply(e, &p, &s->batches[i], &error);
        if (rc) {
            fail_nth(0);
            if (rc != DSDN_E_NO_MEMORY)
                fail_msg("allocation %u: %s: %s", n, dsdn_error_name(rc), error.message);
            assert_int_equal(error.code, DSDN_E_NO_MEMORY);
            failed = true;
            assert_int_equal(dsdn_head(dsdn_engine_state(e))->sequence, i); /* nothing happened */
            if (i) {
                root_of(e, root);
                assert_memory_equal(root, s->roots[i - 1], 32);
            }
            rc = batch_apply(e, &p, &s->batches[i], &error);
            if (rc) fail_msg("allocation %u, repeated: %s", n, error.message);
        }
        if (i % 2 == 0) continue;
        struct dsdn_roots roots;
        rc = dsdn_engine_root(e, 2, &roots, &error);
        if (rc) {
            fail_nth(0);
            assert_int_equal(rc, DSDN_E_NO_MEMORY);
            failed = true;
            assert_int_equal(dsdn_engine_root(e, 1, &roots, &error), 0);
        }
        assert_memory_equal(roots.state, s->roots[i], 32);
    }
    bool pending = fail_nth(0);
    root_of(e, root);
    assert_memory_equal(root, s->roots[BATCHES - 1], 32);
    dsdn_prepared_free(&p);
    dsdn_engine_free(e);
    *failures += failed;
    return !failed && pending;
}

static void every_allocation(struct span *s)
{
    /* Every allocation; the sanitized run of the suite takes every DSDN_STEP-th. */
    const char *step = getenv("DSDN_STEP");
    unsigned failures = 0, stride = step && atoi(step) > 0 ? (unsigned)atoi(step) : 1;
    for (unsigned n = 1; !live(s, n, &failures); n += stride) {
    }
    assert_true(failures > 100 / stride);
    span_close(s);
}

static void test_neutral(void **state)
{
    (void)state;
    struct span s;
    struct random_log r;
    struct log l;
    log_open(&l, &(struct log_options){.catalogue = &neutral_catalogue});
    random_log_make(&r, &neutral_catalogue, l.genesis.hash, 7, 40);
    span_make(&s, &r, &l.genesis, &neutral_catalogue, false);
    every_allocation(&s);
    random_log_free(&r);
    log_close(&l);
}

static void test_generated(void **state)
{
    (void)state;
    struct span s;
    struct random_log r;
    random_log_generate(&r, &dsdn_catalogue, 7, 100);
    span_make(&s, &r, &r.genesis, &dsdn_catalogue, false);
    every_allocation(&s);
    random_log_free(&r);
}

/* Deadlines that insert rows when they fire, cascades, schedules; with fingerprints. */
static void test_probe(void **state)
{
    (void)state;
    for (int fingerprint = 0; fingerprint < 2; fingerprint++) {
        struct span s = {.catalogue = &probe_catalogue, .fingerprint = fingerprint};
        struct log l;
        log_open(&l, &(struct log_options){.catalogue = &probe_catalogue});
        s.genesis = copy(l.genesis.bytes, l.genesis.len);
        for (uint64_t i = 0; i < BATCHES; i++) {
            uint8_t id[32] = {(uint8_t)i};
            log_bundle(&l, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
            for (uint64_t k = 0; k < 50; k++) {
                dsdn_store32(id + 4, (uint32_t)k);
                log_event(&l, probe_EVENT_mark_set, 1, &(struct probe_ev_mark_set){id, 20 + k});
                log_event(
                    &l, probe_EVENT_armed, 1,
                    &(struct probe_ev_armed){DSDN_CLOCK_TIME, 1000 + 100 * i + k % 90, 1 + k % 2, k * 2});
            }
            log_end(&l);
            l.next.time_ms = 1000 + 100 * i;
            log_apply(&l);
            s.batches[i] = copy(l.batch, l.batch_len);
            root_of(l.engine, s.roots[i]);
        }
        every_allocation(&s);
        log_close(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neutral),
        cmocka_unit_test(test_generated),
        cmocka_unit_test(test_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
