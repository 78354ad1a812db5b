#include "bench/stages.h"

#include "log/store.h"
#include "statemachine/checkpoint.h"
#include "statemachine/proof.h"
#include "statemachine/replay.h"

#include <stdlib.h>
#include <unistd.h>

enum { GROUP = 4, ROOT_EVENTS = 10000, PROOFS = 2000, OPENS = 20 };

static void took(struct bench *b, enum stage stage, double seconds, uint64_t units, uint64_t bytes)
{
    samples_add(&b->seconds[stage], seconds);
    b->units[stage] = units;
    b->moved[stage] = bytes;
}

static int start(const struct bench *b, const struct dsdn_catalogue *catalogue, struct dsdn_engine **e,
                 struct dsdn_source **source, struct dsdn_error *error)
{
    struct dsdn_engine_options options = {.hash_seed = (uint64_t)getpid() * 0x9E3779B97F4A7C15u};
    int rc = dsdn_log_source_open(b->dir, NULL, source, error);
    if (!rc) rc = dsdn_engine_new(catalogue, &options, e, error);
    return rc ? rc : dsdn_engine_genesis(*e, (*source)->genesis.bytes, (*source)->genesis.len, error);
}

/* ---- stages up to apply ---- */

struct lane { /* one batch in flight */
    struct dsdn_buffer buffer;
    struct dsdn_record record;
    struct dsdn_prepared prepared;
};

struct group {
    struct lane lanes[GROUP];
    struct dsdn_prepared *prepared[GROUP];
    uint32_t cnt;
    double seconds[STAGE_CNT], last;
    uint64_t signatures;
    struct dsdn_key_cache *cache;
};

static void group_free(struct group *g)
{
    for (uint32_t i = 0; i < GROUP; i++) {
        dsdn_buffer_free(&g->lanes[i].buffer);
        dsdn_prepared_free(&g->lanes[i].prepared);
    }
    dsdn_key_cache_free(g->cache);
}

static void lap(struct group *g, enum stage stage)
{
    double t = workload_now();
    g->seconds[stage] += t - g->last;
    g->last = t;
}

static int run_group(struct bench *b, struct dsdn_engine *e, struct dsdn_source *source, struct group *g,
                     struct dsdn_error *error)
{
    int rc = DSDN_OK;
    g->last = workload_now();
    for (g->cnt = 0; g->cnt < GROUP; g->cnt++) {
        struct lane *l = &g->lanes[g->cnt];
        rc = dsdn_source_next(source, &l->buffer, &l->record, error);
        if (rc) break;
        g->prepared[g->cnt] = &l->prepared;
    }
    lap(g, READ);
    bool ended = rc == DSDN_E_AGAIN;
    if (ended) rc = DSDN_OK;
    for (uint32_t i = 0; !rc && i < g->cnt; i++) rc = dsdn_record_check(&g->lanes[i].record, error);
    lap(g, CRC);
    for (uint32_t i = 0; !rc && i < g->cnt; i++)
        rc = dsdn_prepare(g->prepared[i], b->catalogue, dsdn_engine_seed(e), g->lanes[i].record.batch,
                          g->lanes[i].record.len, error);
    lap(g, DECODE);
    if (!rc) rc = dsdn_prepare_hashes(g->prepared, g->cnt, DSDN_CHECK_BODY, error);
    lap(g, BODY);
    if (!rc) rc = dsdn_prepare_hashes(g->prepared, g->cnt, DSDN_CHECK_EVENT_IDS, error);
    lap(g, IDS);
    for (uint32_t i = 0; !rc && i < g->cnt; i++) {
        struct dsdn_prepared *p = g->prepared[i];
        rc = dsdn_prepare_signatures(p, true, 0, UINT32_MAX, g->cache, error);
        if (!rc) dsdn_prepare_embedded(p, b->catalogue, 0, UINT32_MAX, g->cache);
        g->signatures += 1u + p->signed_cnt + p->embedded_cnt;
    }
    lap(g, SIGNATURES);
    for (uint32_t i = 0; !rc && i < g->cnt; i++) {
        rc = dsdn_engine_judge(e, g->prepared[i], NULL, error);
        lap(g, JUDGE);
        if (!rc) rc = dsdn_engine_apply(e, g->prepared[i], error);
        lap(g, APPLY);
        b->events += g->prepared[i]->op_cnt;
        b->bytes += g->lanes[i].record.len;
        b->batches++;
    }
    return rc ? rc : ended ? DSDN_E_AGAIN : DSDN_OK;
}

static int measure_pipeline(struct bench *b, struct dsdn_error *error)
{
    struct group g = {.cache = dsdn_key_cache_new(1u << 14)};
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    int rc = g.cache ? start(b, b->catalogue, &e, &source, error)
                     : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a cache of checked keys");
    b->events = b->bytes = b->batches = 0;
    while (!rc) rc = run_group(b, e, source, &g, error);
    if (rc == DSDN_E_AGAIN) {
        rc = DSDN_OK;
        for (enum stage s = READ; s <= APPLY; s++)
            took(b, s, g.seconds[s],
                 s == SIGNATURES ? g.signatures
                 : s == JUDGE    ? b->batches
                                 : b->events,
                 s == SIGNATURES || s == JUDGE ? 0 : b->bytes);
    }
    group_free(&g);
    dsdn_source_close(source);
    dsdn_engine_free(e);
    return rc;
}

static int apply_group(struct bench *b, struct dsdn_engine *e, struct dsdn_source *source, struct group *g,
                       struct dsdn_error *error)
{
    int rc = DSDN_OK;
    for (g->cnt = 0; !rc && g->cnt < GROUP; g->cnt++) {
        struct lane *l = &g->lanes[g->cnt];
        rc = dsdn_source_next(source, &l->buffer, &l->record, error);
        if (rc) break;
        rc = dsdn_prepare(&l->prepared, b->catalogue, dsdn_engine_seed(e), l->record.batch, l->record.len,
                          error);
        if (!rc) dsdn_prepare_embedded(&l->prepared, b->catalogue, 0, UINT32_MAX, g->cache);
    }
    bool ended = rc == DSDN_E_AGAIN;
    if (ended) rc = DSDN_OK;
    for (uint32_t i = 0; !rc && i < g->cnt; i++) {
        rc = dsdn_engine_judge(e, &g->lanes[i].prepared, NULL, error);
        g->last = workload_now();
        if (!rc) rc = dsdn_engine_apply(e, &g->lanes[i].prepared, error);
        lap(g, APPLY);
        b->events += g->lanes[i].prepared.op_cnt;
    }
    return rc ? rc : ended ? DSDN_E_AGAIN : DSDN_OK;
}

int stages_apply(struct bench *b, struct dsdn_error *error)
{
    struct group g = {.cache = dsdn_key_cache_new(1u << 14)};
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    int rc = g.cache ? start(b, b->catalogue, &e, &source, error)
                     : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a cache of checked keys");
    b->events = 0;
    while (!rc) rc = apply_group(b, e, source, &g, error);
    if (rc == DSDN_E_AGAIN) {
        rc = DSDN_OK;
        took(b, APPLY, g.seconds[APPLY], b->events, 0);
    }
    group_free(&g);
    dsdn_source_close(source);
    dsdn_engine_free(e);
    return rc;
}

/* ---- reducers, by event type ---- */

/* A copy of the catalogue whose reducers are timed: one clock tick is too short a time for anything else. */
static struct {
    const struct dsdn_catalogue *from;
    uint64_t ticks[STAGES_EVENTS_MAX], cnt[STAGES_EVENTS_MAX];
} timed;

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return (uint64_t)(1e9 * workload_now());
#endif
}

static dsdn_outcome timed_apply(struct dsdn_context *c, const uint8_t *payload, uint32_t len, uint8_t version)
{
    ptrdiff_t event = c->event - timed.from->events->events;
    uint64_t t0 = ticks();
    dsdn_outcome outcome = timed.from->reducers[event].apply(c, payload, len, version);
    timed.ticks[event] += ticks() - t0;
    timed.cnt[event]++;
    return outcome;
}

/* What two readings of the clock cost by themselves. */
static uint64_t empty_ticks(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 10000; i++) {
        uint64_t t0 = ticks(), t = ticks() - t0;
        if (t < least) least = t;
    }
    return least;
}

int stages_types(struct bench *b, struct dsdn_error *error)
{
    uint32_t cnt = b->catalogue->events->event_cnt;
    struct dsdn_catalogue copy = *b->catalogue;
    struct dsdn_reducer *reducers = calloc(cnt, sizeof *reducers);
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_replay_options options = {.jobs = 1, .end = UINT64_MAX};
    struct dsdn_replay_result result;
    if (!reducers) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %u reducers", cnt);
    memcpy(reducers, b->catalogue->reducers, cnt * sizeof *reducers);
    for (uint32_t i = 0; i < cnt; i++) reducers[i].apply = timed_apply;
    copy.reducers = reducers;
    memset(&timed, 0, sizeof timed);
    timed.from = b->catalogue;
    uint64_t empty = empty_ticks(), t0 = ticks();
    double s0 = workload_now();
    int rc = start(b, &copy, &e, &source, error);
    if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
    double ns_per_tick = 1e9 * (workload_now() - s0) / (double)(ticks() - t0);
    for (uint32_t i = 0; !rc && i < cnt; i++) {
        if (!timed.cnt[i]) continue;
        double own = (double)timed.ticks[i] / (double)timed.cnt[i] - (double)empty;
        samples_add(&b->type_ns[i], own > 0 ? own * ns_per_tick : 0);
        b->type_cnt[i] = timed.cnt[i];
    }
    dsdn_source_close(source);
    dsdn_engine_free(e);
    free(reducers);
    return rc;
}

/* ---- roots ---- */

struct rooting {
    double seconds;
    uint64_t roots, next_event;
};

static int root_after(void *self, const struct dsdn_engine *e, const struct dsdn_prepared *p,
                      const struct dsdn_record *record, struct dsdn_error *error)
{
    struct rooting *r = self;
    struct dsdn_roots roots;
    (void)p;
    (void)record;
    if (dsdn_head(dsdn_engine_state(e))->event_count < r->next_event) return DSDN_OK;
    r->next_event += ROOT_EVENTS;
    double t0 = workload_now();
    int rc = dsdn_engine_root((struct dsdn_engine *)(uintptr_t)e, 1, &roots,
                              error); /* ours, made in measure_roots */
    r->seconds += workload_now() - t0;
    r->roots++;
    return rc;
}

static int measure_roots(struct bench *b, struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct rooting r = {.next_event = ROOT_EVENTS};
    struct dsdn_replay_options options = {.jobs = 1, .end = UINT64_MAX, .applied = root_after, .self = &r};
    struct dsdn_replay_result result;
    int rc = start(b, b->catalogue, &e, &source, error);
    if (!rc) rc = dsdn_engine_track(e, error);
    if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
    if (!rc && r.roots) took(b, ROOT, r.seconds, r.roots, 0);
    dsdn_source_close(source);
    dsdn_engine_free(e);
    return rc;
}

/* ---- checkpoint, restore, proof ---- */

/* The table with the most rows, for proofs of keys that are there. */
static uint32_t largest_table(const struct dsdn_state *s)
{
    uint32_t largest = 0;
    for (uint32_t i = 1; i < s->table_cnt; i++)
        if (s->tables[i].live_cnt > s->tables[largest].live_cnt) largest = i;
    return largest;
}

/* A row begins with its key. */
static const uint8_t *row_key(const struct dsdn_table *t, uint32_t row)
{
    return t->rows + (size_t)row * t->row_size;
}

static int measure_proofs(struct bench *b, struct dsdn_engine *e, struct dsdn_error *error)
{
    const struct dsdn_state *s = dsdn_engine_state(e);
    uint32_t table = largest_table(s), *rows = NULL;
    struct dsdn_buffer proof = {0};
    struct dsdn_proof checked;
    struct dsdn_roots roots;
    double making = 0, checking = 0;
    int rc = dsdn_table_sorted(&s->tables[table], &rows, error);
    if (!rc) rc = dsdn_engine_root(e, 1, &roots, error);
    for (uint64_t i = 0; !rc && i < PROOFS; i++) {
        uint32_t row = rows[i * 7919 % s->tables[table].live_cnt];
        double t0 = workload_now();
        rc = dsdn_proof_make(e, table, row_key(&s->tables[table], row), 1, &proof, error);
        double t1 = workload_now();
        if (!rc) rc = dsdn_proof_check(proof.bytes, proof.len, roots.state, &checked, error);
        making += t1 - t0;
        checking += workload_now() - t1;
    }
    if (!rc) took(b, PROVE, making, PROOFS, 0);
    if (!rc) took(b, CHECK, checking, PROOFS, 0);
    dsdn_buffer_free(&proof);
    free(rows);
    return rc;
}

static int measure_restore(struct bench *b, enum stage stage, unsigned threads, bool verify,
                           struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_engine_options engine = {.hash_seed = (uint64_t)getpid()};
    struct dsdn_checkpoint_options options = {.engine = &engine, .threads = threads, .verify = verify};
    double t0 = workload_now();
    int rc = dsdn_checkpoint_restore(b->catalogue, &options, &dsdn_io_system, b->checkpoint, &e, NULL, error);
    if (!rc) took(b, stage, workload_now() - t0, b->rows, b->checkpoint_bytes);
    dsdn_engine_free(e);
    return rc;
}

static int measure_checkpoint(struct bench *b, struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_roots roots;
    struct dsdn_checkpoint_info info = {.bytes = 0};
    struct dsdn_replay_options options = {.jobs = 2, .end = UINT64_MAX};
    struct dsdn_replay_result result;
    int rc = start(b, b->catalogue, &e, &source, error);
    if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
    const struct dsdn_state *s = dsdn_engine_state(e);
    b->rows = 0;
    for (uint32_t i = 0; !rc && i < s->table_cnt; i++) b->rows += s->tables[i].live_cnt;
    double t0 = workload_now();
    if (!rc) rc = dsdn_engine_root(e, 1, &roots, error);
    double t1 = workload_now();
    if (!rc) rc = dsdn_checkpoint_write(e, source->genesis, 1, &dsdn_io_system, b->checkpoint, &info, error);
    if (!rc) {
        took(b, FIRST_ROOT, t1 - t0, b->rows, 0);
        took(b, WRITE, workload_now() - t1, b->rows, info.bytes);
        b->checkpoint_bytes = info.bytes;
        rc = measure_proofs(b, e, error);
    }
    dsdn_source_close(source);
    dsdn_engine_free(e);
    if (!rc) rc = measure_restore(b, RESTORE, 1, false, error);
    if (!rc) rc = measure_restore(b, RESTORE2, 2, false, error);
    return rc ? rc : measure_restore(b, VERIFIED, 2, true, error);
}

/* ---- the whole, and the start ---- */

static int measure_open(struct bench *b, struct dsdn_error *error)
{
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    int rc = DSDN_OK;
    double t0 = workload_now();
    for (int i = 0; !rc && i < OPENS; i++) {
        struct dsdn_source *source = NULL;
        rc = dsdn_log_source_open(b->dir, NULL, &source, error);
        if (!rc) rc = dsdn_source_next(source, &buffer, &record, error);
        dsdn_source_close(source);
    }
    if (!rc) took(b, OPEN, workload_now() - t0, OPENS, 0);
    dsdn_buffer_free(&buffer);
    return rc;
}

static int measure_replay(struct bench *b, enum stage stage, unsigned jobs, uint32_t checks,
                          struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_replay_options options = {.jobs = jobs, .end = UINT64_MAX, .checks = checks};
    struct dsdn_replay_result result;
    double t0 = workload_now();
    int rc = start(b, b->catalogue, &e, &source, error);
    if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
    if (!rc) took(b, stage, workload_now() - t0, result.events, result.bytes);
    dsdn_source_close(source);
    dsdn_engine_free(e);
    return rc;
}

int stages_measure(struct bench *b, struct dsdn_error *error)
{
    const uint32_t hashes = DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS;
    int rc = measure_open(b, error);
    if (!rc) rc = measure_pipeline(b, error);
    if (!rc) rc = stages_types(b, error);
    if (!rc) rc = measure_roots(b, error);
    if (!rc) rc = measure_checkpoint(b, error);
    if (!rc) rc = measure_replay(b, FOLD, 1, 0, error);
    if (!rc) rc = measure_replay(b, FOLD2, 2, 0, error);
    if (!rc) rc = measure_replay(b, HASHED, 1, hashes, error);
    if (!rc) rc = measure_replay(b, HASHED2, 2, hashes, error);
    return rc ? rc : measure_replay(b, VERIFY2, 2, hashes | DSDN_CHECK_SIGNATURES, error);
}
