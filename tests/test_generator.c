/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The generator: same bytes for the same arguments, valid logs whose events are nearly all OK, and role roots
 * that do not depend on how events were cut into batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log/hash.h"
#include "roles/chain/queries.h"
#include "roles/dsdn.h"
#include "roles/generator/generator.h"
#include "statemachine/engine.h"
#include "tests/fail_nth.h"

#include <stdlib.h>

static struct dsdn_error error;

#define must(call) must_at((call), #call, __LINE__)
static void must_at(int rc, const char *call, int line)
{
    if (rc) fail_msg("line %d: %s: %s", line, call, error.message);
}

/* Takes a generated log, and may replay it. */
struct sink {
    struct dsdn_genesis genesis;
    struct dsdn_engine *engine;
    struct dsdn_prepared prepared;
    struct dsdn_batch_builder *builder; /* of batches that are cut anew ... */
    uint64_t cut_sequence;
    uint8_t cut_prev[32]; /* ... hash of the newest */
    struct dsdn_sha256 sum;
    bool apply, split;
    uint64_t events, ok, batches, signed_bundles, signed_events, most_events;
    uint64_t by_family[16], by_event[DSDN_EVENTS_MAX];
};

static void sink_batch(struct sink *s, const uint8_t *bytes, size_t len)
{
    struct dsdn_prepared *p = &s->prepared, *const list[1] = {p};
    must(dsdn_prepare(p, &dsdn_catalogue, dsdn_engine_seed(s->engine), bytes, len, &error));
    must(dsdn_prepare_hashes(list, 1, DSDN_CHECK_BODY | DSDN_CHECK_SIGNATURES, &error));
    must(dsdn_prepare_signatures(p, true, 0, UINT32_MAX, NULL, &error));
    must(dsdn_engine_judge(s->engine, p, NULL, &error));
    must(dsdn_engine_apply(s->engine, p, &error));
    for (uint32_t i = 0; i < p->op_cnt; i++) {
        s->ok += p->outcomes[i] == 0;
        s->by_family[dsdn_event_table.events[p->ops[i].event].type >> 8 & 15]++;
        s->by_event[p->ops[i].event] += p->outcomes[i] == 0;
    }
    for (uint32_t i = 0; i < p->bundle_cnt; i++)
        if (p->bundles[i].bundle.kind != DSDN_BUNDLE_AUTHORITY) {
            s->signed_bundles++;
            s->signed_events += p->bundles[i].op_cnt;
        }
    s->events += p->op_cnt;
}

/* Every bundle in a batch of its own, at the same time. */
static void sink_split(struct sink *s, const uint8_t *bytes, size_t len)
{
    struct dsdn_batch batch;
    must(dsdn_batch_decode(bytes, len, &batch, &error));
    const uint8_t *at = batch.body, *end = at + batch.header.body_len;
    struct dsdn_bundle bundle;
    while (at < end) {
        const uint8_t *start = at;
        struct dsdn_header h = batch.header;
        struct dsdn_view cut;
        must(dsdn_bundle_next(bytes, &at, end, &bundle, &error));
        must(dsdn_batch_builder_bundle(s->builder, start, (size_t)(at - start), &error));
        h.sequence = s->cut_sequence++;
        memcpy(h.prev, s->cut_prev, 32);
        must(dsdn_batch_builder_finish(s->builder, &h, NULL, &cut, &error)); /* nobody checks its signature */
        dsdn_batch_hash(cut.bytes, s->cut_prev);
        must(dsdn_prepare(&s->prepared, &dsdn_catalogue, dsdn_engine_seed(s->engine), cut.bytes, cut.len,
                          &error));
        must(dsdn_engine_judge(s->engine, &s->prepared, NULL, &error));
        must(dsdn_engine_apply(s->engine, &s->prepared, &error));
        dsdn_batch_builder_reset(s->builder);
    }
}

static int sink_emit(void *self, const struct dsdn_generated_batch *batch, struct dsdn_error *e)
{
    struct sink *s = self;
    (void)e;
    assert_int_equal(batch->sequence, s->batches);
    dsdn_sha256_update(&s->sum, batch->bytes, batch->len);
    s->batches++;
    if (batch->events > s->most_events) s->most_events = batch->events;
    if (s->split)
        sink_split(s, batch->bytes, batch->len);
    else if (s->apply)
        sink_batch(s, batch->bytes, batch->len);
    return DSDN_OK;
}

/* Generates, and (apply) replays; returns the hash of all bytes in out. */
static struct sink *generate(struct dsdn_generator_options o, bool apply, bool split, uint8_t out[32])
{
    struct sink *s = calloc(1, sizeof *s);
    struct dsdn_engine_options options = {.hash_seed = 5};
    s->apply = apply, s->split = split;
    dsdn_sha256_init(&s->sum);
    must(dsdn_generator_genesis(o.seed, &s->genesis, &error));
    must(dsdn_engine_new(&dsdn_catalogue, &options, &s->engine, &error));
    must(dsdn_engine_genesis(s->engine, s->genesis.bytes, s->genesis.len, &error));
    s->builder = dsdn_batch_builder_new();
    memcpy(s->cut_prev, s->genesis.hash, 32);
    o.emit = sink_emit, o.self = s;
    must(dsdn_generate(&o, &error));
    dsdn_sha256_final(&s->sum, out);
    return s;
}

static void sink_free(struct sink *s)
{
    dsdn_engine_free(s->engine);
    dsdn_prepared_free(&s->prepared);
    dsdn_batch_builder_free(s->builder);
    dsdn_genesis_free(&s->genesis);
    free(s);
}

static void test_generator_repeats(void **unused)
{
    (void)unused;
    uint8_t a[32], b[32];
    struct dsdn_generator_options o = {.seed = 3, .events = 3000, .signed_percent = 10};
    sink_free(generate(o, false, false, a));
    sink_free(generate(o, false, false, b));
    assert_memory_equal(a, b, 32);
    o.seed = 4;
    sink_free(generate(o, false, false, b));
    assert_memory_not_equal(a, b, 32);
}

static void test_generated_logs(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t percent, families;
        uint64_t events;
    } runs[] = {{10, 0, 6000},
                {0, 0, 6000},
                {100, 0, 2000},
                {1, 0, 6000},
                {33, 0, 3000},
                {10, DSDN_GENERATE_NODE, 2000},
                {0, DSDN_GENERATE_NODE, 2000},
                {10, DSDN_GENERATE_CHUNK, 3000},
                {0, DSDN_GENERATE_CHUNK, 3000},
                {10, DSDN_GENERATE_UPGRADE, 300},
                {10, DSDN_GENERATE_CHAIN, 3000},
                {50, DSDN_GENERATE_AUDIT, 2000},
                {10, DSDN_GENERATE_AUDIT | DSDN_GENERATE_FALLBACK | DSDN_GENERATE_COMMITTEE, 2000},
                {10, 0, 1},
                {0, 0, 17}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        uint8_t hash[32];
        struct dsdn_generator_options o = {.seed = i,
                                           .events = runs[i].events,
                                           .signed_percent = runs[i].percent,
                                           .families = runs[i].families,
                                           .events_per_batch = 250};
        struct sink *s = generate(o, true, false, hash);
        assert_int_equal(s->events, runs[i].events);
        assert_true(s->ok * 100 >= s->events * 98);
        if (s->events >= 1000) assert_true(s->ok < s->events); /* errors on purpose */
        assert_true(s->most_events <= 250);
        uint32_t percent = runs[i].percent;
        if (percent &&
            s->events >= 2000) { /* bundle sizes: at least P per 100 events, not many times as many */
            assert_true(s->signed_bundles * 100 >= s->signed_events * percent * 9 / 10);
            assert_true(s->signed_bundles * 100 <= s->signed_events * (percent * 3 / 2 + 4));
        }
        if (!percent) assert_true(s->signed_events * 20 < s->events || s->events < 1000);
        if (runs[i].families == DSDN_GENERATE_CHAIN) assert_true(s->by_family[8] > s->events * 8 / 10);
        if (runs[i].families & DSDN_GENERATE_AUDIT) assert_true(s->by_family[12] > s->events * 8 / 10);
        if (runs[i].families & DSDN_GENERATE_COMMITTEE) assert_true(s->by_family[5] >= 3);
        if (runs[i].families == DSDN_GENERATE_CHUNK) assert_true(s->by_family[2] > s->events * 8 / 10);
        if (runs[i].families == DSDN_GENERATE_NODE) assert_int_equal(s->by_family[2], 0);
        sink_free(s);
    }
}

/* What a log of everything brings about: every event that a network without a primary can have. */
static void test_everything_happens(void **unused)
{
    (void)unused;
    static const int impossible[] = {
        dsdn_EVENT_genesis_declared,       dsdn_EVENT_checkpoint_declared, /* no roots are given */
        dsdn_EVENT_param_changed,          dsdn_EVENT_authority_replaced,
        dsdn_EVENT_fallback_activated,     dsdn_EVENT_fallback_deactivated,
        dsdn_EVENT_reconciliation_started, dsdn_EVENT_reconciliation_completed};
    uint8_t hash[32];
    struct dsdn_generator_options o = {
        .seed = 2, .events = 100000, .signed_percent = 10, .events_per_batch = 100};
    struct sink *s = generate(o, true, false, hash);
    for (uint32_t event = 0; event < dsdn_event_table.event_cnt; event++) {
        bool possible = true;
        for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++)
            possible = possible && impossible[i] != (int)event;
        if (!possible == !!s->by_event[event])
            fail_msg("%s: %llu were OK", dsdn_event_table.events[event].name,
                     (unsigned long long)s->by_event[event]);
    }
    const struct dsdn_state *st = dsdn_engine_state(s->engine);
    uint32_t status[5] = {0};
    for (uint32_t row = 0; row < st->tables[dsdn_TABLE_node].row_end; row++)
        status[dsdn_node_at(st, row)->status]++;
    assert_true(status[DSDN_NODE_ACTIVE] * 100 > st->tables[dsdn_TABLE_node].live_cnt * 90);
    assert_true(dsdn_head(st)->authority_epoch >= 2 && dsdn_head(st)->quorum_set >= 1);
    assert_true(st->tables[dsdn_TABLE_evidence].live_cnt >= 4);
    assert_true(st->tables[dsdn_sys_TABLE_validator].live_cnt > 8);
    assert_true(dsdn_supply_sound(st));
    sink_free(s);
}

static int root_of(void *self, uint64_t sequence, uint8_t root[32], struct dsdn_error *e)
{
    struct sink *s = self;
    struct dsdn_roots roots;
    assert_int_equal(sequence % 1000, 0);
    int rc = dsdn_engine_root(s->engine, 1, &roots, e);
    if (!rc) memcpy(root, roots.state, 32);
    return rc;
}

static void test_generated_checkpoints(void **unused)
{
    (void)unused;
    uint8_t hash[32];
    struct dsdn_generator_options o = {
        .seed = 1, .events = 4000, .signed_percent = 10, .events_per_batch = 3, .root = root_of};
    struct sink *s = generate(o, true, false, hash);
    const struct dsdn_state *st = dsdn_engine_state(s->engine);
    assert_int_equal(st->tables[dsdn_sys_TABLE_attestation].live_cnt,
                     10); /* sequences 0 and 1000, five signers */
    sink_free(s);
}

/* protocol.md, section 11: the roots of roles do not depend on how events were cut into batches. */
static void test_cuts_do_not_matter(void **unused)
{
    (void)unused;
    uint8_t hash[32];
    struct dsdn_generator_options o = {.seed = 11, .events = 4000, .signed_percent = 20};
    struct sink *whole = generate(o, true, false, hash), *cut = generate(o, true, true, hash);
    struct dsdn_roots a, b;
    must(dsdn_engine_root(whole->engine, 1, &a, &error));
    must(dsdn_engine_root(cut->engine, 1, &b, &error));
    assert_true(cut->cut_sequence > whole->batches * 10);
    assert_int_equal(a.role_cnt, 5);
    for (uint32_t i = 0; i < a.role_cnt; i++) {
        if (a.roles[i].role == 0)
            assert_memory_not_equal(a.roles[i].root, b.roles[i].root, 32);
        else
            assert_memory_equal(a.roles[i].root, b.roles[i].root, 32);
    }
    sink_free(whole);
    sink_free(cut);
}

static void test_generator_usage(void **unused)
{
    (void)unused;
    uint32_t mask;
    must(dsdn_generator_families("node,upgrade", &mask, &error));
    assert_int_equal(mask, DSDN_GENERATE_NODE | DSDN_GENERATE_UPGRADE);
    must(dsdn_generator_families("all", &mask, &error));
    assert_int_equal(mask, DSDN_GENERATE_ALL);
    assert_int_equal(dsdn_generator_families("nodes", &mask, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_generator_families("", &mask, &error), DSDN_E_USAGE);
    const struct dsdn_generator_options bad[] = {
        {.events = 1, .signed_percent = 101, .emit = sink_emit},
        {.events = 1, .families = 256, .emit = sink_emit},
        {.events = 1, .families = DSDN_GENERATE_SYSTEM, .signed_percent = 10, .emit = sink_emit},
        {.events = 1, .families = DSDN_GENERATE_UPGRADE, .emit = sink_emit},
        {.events = 1, .families = DSDN_GENERATE_CHAIN | DSDN_GENERATE_AUDIT, .emit = sink_emit},
        {.events = 1,
         .families = DSDN_GENERATE_FALLBACK | DSDN_GENERATE_COMMITTEE,
         .signed_percent = 10,
         .emit = sink_emit},
        {.events = 1, .events_per_batch = 65536, .emit = sink_emit},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(dsdn_generate(&bad[i], &error), DSDN_E_USAGE);
}

static int count_events(void *self, const struct dsdn_generated_batch *batch, struct dsdn_error *e)
{
    uint64_t *events = self;
    (void)e;
    *events += batch->events;
    return DSDN_OK;
}

static void test_no_memory(void **unused)
{
    (void)unused;
    uint64_t events = 0;
    struct dsdn_generator_options o = {
        .events = 300, .signed_percent = 50, .emit = count_events, .self = &events};
    unsigned n = 1;
    for (;; n++) {
        events = 0;
        fail_nth(n);
        int rc = dsdn_generate(&o, &error);
        if (fail_nth(0)) {
            must(rc);
            break;
        }
        assert_int_equal(rc, DSDN_E_NO_MEMORY);
    }
    assert_true(n > 5);
    assert_int_equal(events, 300);
}

/* What emit returns ends the generator. */
static int refuse(void *self, const struct dsdn_generated_batch *batch, struct dsdn_error *e)
{
    (void)self;
    return batch->sequence == 2 ? dsdn_fail(e, DSDN_E_NO_SPACE, "full") : DSDN_OK;
}

static void test_emit_stops(void **unused)
{
    (void)unused;
    struct dsdn_generator_options o = {
        .events = 300, .events_per_batch = 10, .signed_percent = 50, .emit = refuse};
    assert_int_equal(dsdn_generate(&o, &error), DSDN_E_NO_SPACE);
    assert_string_equal(error.message, "full");
}

int main(void)
{
    if (dsdn_sign_self_test(&error)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator_repeats),  cmocka_unit_test(test_generated_logs),
        cmocka_unit_test(test_everything_happens), cmocka_unit_test(test_generated_checkpoints),
        cmocka_unit_test(test_cuts_do_not_matter), cmocka_unit_test(test_generator_usage),
        cmocka_unit_test(test_no_memory),          cmocka_unit_test(test_emit_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
