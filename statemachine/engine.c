#include "statemachine/engine_internal.h"

#include "log/hash.h"
#include "log/sign.h"

#include <stdlib.h>

#define TRANSCRIPT_ENTRY 11u /* event ordinal u64, outcome u8, code u16 */

/* How far ahead of the reducer the memory of an event is asked for: its slots first, then its rows. Distances
 * were measured on 10^6 events (bench/): less leaves misses uncovered, more evicts what was fetched. */
enum { AHEAD_SLOTS = 24, AHEAD_ROWS = 8 };

/* The same in bundles, for the nonces of their authors. */
enum { AHEAD_NONCE_SLOTS = 8, AHEAD_NONCES = 4 };

#define KEYS_KNOWN 1024u /* of signatures checked while applying: members of quorums and committees */

int dsdn_engine_new(const struct dsdn_catalogue *catalogue, const struct dsdn_engine_options *options,
                    struct dsdn_engine **engine, struct dsdn_error *error)
{
    struct dsdn_engine *e = calloc(1, sizeof *e);
    if (!e) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for an engine");
    e->catalogue = catalogue;
    if (options) e->options = *options;
    e->table_cnt = DSDN_SYSTEM_TABLES + catalogue->table_cnt;
    for (uint32_t i = 0; i < e->table_cnt && i < DSDN_STATE_TABLES_MAX; i++)
        e->descs[i] =
            i < DSDN_SYSTEM_TABLES ? &dsdn_sys_tables[i] : &catalogue->tables[i - DSDN_SYSTEM_TABLES];
    e->gate_level = -1;
    e->keys = dsdn_key_cache_new(KEYS_KNOWN);
    int rc = e->keys ? DSDN_OK : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for an engine");
    if (!rc)
        rc = dsdn_state_init(&e->state, e->descs, e->table_cnt, e->options.hash_seed, e->options.initial_rows,
                             error);
    if (!rc && e->options.fingerprint) rc = dsdn_engine_track(e, error);
    if (rc) {
        dsdn_engine_free(e);
        return rc;
    }
    *engine = e;
    return DSDN_OK;
}

void dsdn_engine_free(struct dsdn_engine *e)
{
    if (!e) return;
    dsdn_state_free(&e->state);
    dsdn_key_cache_free(e->keys);
    free(e->transcript);
    free(e);
}

const struct dsdn_state *dsdn_engine_state(const struct dsdn_engine *e)
{
    return &e->state;
}
struct dsdn_state *dsdn_engine_state_for_restore(struct dsdn_engine *e)
{
    return &e->state;
}
const struct dsdn_catalogue *dsdn_engine_catalogue(const struct dsdn_engine *e)
{
    return e->catalogue;
}
uint64_t dsdn_engine_seed(const struct dsdn_engine *e)
{
    return e->state.seed;
}
uint64_t dsdn_engine_applied(const struct dsdn_engine *e)
{
    return e->applied;
}

void dsdn_engine_observe(struct dsdn_engine *e, dsdn_observer *step, void *self)
{
    e->observer = step;
    e->observer_self = self;
}

const struct dsdn_table_desc *const *dsdn_engine_tables(const struct dsdn_engine *e, uint32_t *cnt)
{
    *cnt = e->table_cnt;
    return e->descs;
}

int dsdn_engine_track(struct dsdn_engine *e, struct dsdn_error *error)
{
    e->state.fingerprint = e->options.fingerprint;
    for (uint32_t i = 0; i < e->table_cnt; i++) {
        int rc = dsdn_table_track(&e->state.tables[i], error);
        if (rc) return rc;
    }
    return DSDN_OK;
}

/* ---- applying a batch ---- */

/* Room for everything a batch can add, before anything changes.  One call a table: reserving twice is no
 * sum. */
static int reserve(struct dsdn_engine *e, const struct dsdn_prepared *p, const struct dsdn_tick *tick,
                   uint32_t budget, struct dsdn_error *error)
{
    uint32_t rows[DSDN_STATE_TABLES_MAX];
    size_t need = 32 + 32 + (size_t)p->op_cnt * TRANSCRIPT_ENTRY;
    if (need > e->transcript_cap) {
        uint8_t *grown = realloc(e->transcript, need + need / 4);
        if (!grown)
            return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the outcomes of %u events", p->op_cnt);
        e->transcript = grown;
        e->transcript_cap = need + need / 4;
    }
    memcpy(rows, p->reserve, sizeof rows);
    rows[dsdn_sys_TABLE_nonce] += p->signed_cnt;
    rows[dsdn_sys_TABLE_parameter] += dsdn_schedules_rows(&e->state);
    rows[dsdn_sys_TABLE_outcome_count] += p->op_cnt; /* at worst each event is the first of its outcome */
    dsdn_deadlines_rows(e, tick, budget, rows);
    int rc = DSDN_OK;
    for (uint32_t t = 0; !rc && t < e->table_cnt; t++)
        if (rows[t]) rc = dsdn_table_reserve(&e->state.tables[t], rows[t], error);
    return rc;
}

struct run {
    struct dsdn_engine *e;
    struct dsdn_prepared *p;
    struct dsdn_context context;
    uint64_t ok;
    uint8_t *transcript;
};

static void refused(struct run *r, uint64_t ordinal, dsdn_outcome outcome)
{
    dsdn_store64(r->transcript, ordinal);
    r->transcript[8] = DSDN_OUTCOME_NUMBER(outcome);
    dsdn_store16(r->transcript + 9, DSDN_OUTCOME_CODE(outcome));
    r->transcript += TRANSCRIPT_ENTRY;
}

__attribute__((always_inline)) static inline void prefetch_slots(const struct dsdn_state *s,
                                                                 const struct dsdn_op *op)
{
    for (uint32_t i = 0; i < op->touches; i++)
        dsdn_table_prefetch_slot(&s->tables[op->table[i]], op->hash[i]);
}

__attribute__((always_inline)) static inline void prefetch_rows(const struct dsdn_state *s,
                                                                const struct dsdn_op *op)
{
    for (uint32_t i = 0; i < op->touches; i++) dsdn_table_prefetch_row(&s->tables[op->table[i]], op->hash[i]);
}

/* The author class decides before the feature level. */
static void make_gate(struct dsdn_engine *e, uint8_t level)
{
    const struct dsdn_event_table *events = e->catalogue->events;
    if (e->gate_level == level) return;
    e->gate_level = level;
    for (uint32_t i = 0; i < events->event_cnt && i < DSDN_EVENTS_MAX; i++) {
        const struct dsdn_event_desc *desc = &events->events[i];
        bool disabled = e->catalogue->level && e->catalogue->level(desc->type) > level;
        for (uint8_t kind = DSDN_BUNDLE_AUTHORITY; kind <= DSDN_BUNDLE_POOL; kind++)
            e->gate[kind][i] = !dsdn_author_fits(desc->author, kind) ? DSDN_OUTCOME_NOT_AUTHORISED
                               : disabled                            ? DSDN_OUTCOME_DISABLED
                                                                     : DSDN_OUTCOME_OK;
    }
}

/* Events [from, end) of one bundle.  `fixed` is the outcome of all of them when the bundle's nonce decided
 * it. */
static void run_ops(struct run *r, const struct dsdn_prepared_bundle *b, uint32_t from, uint32_t end,
                    uint8_t fixed)
{
    struct dsdn_state *s = &r->e->state;
    const struct dsdn_reducer *reducers = r->e->catalogue->reducers;
    const struct dsdn_event_desc *events = r->e->catalogue->events->events;
    const struct dsdn_op *ops = r->p->ops;
    const uint8_t *gate = r->e->gate[b->bundle.kind != DSDN_BUNDLE_AUTHORITY];
    struct dsdn_context *c = &r->context;
    uint32_t all = r->p->op_cnt;
    for (uint32_t i = from; i < end; i++) {
        const struct dsdn_op *op = &ops[i];
        if (i + AHEAD_SLOTS < all) prefetch_slots(s, op + AHEAD_SLOTS);
        if (i + AHEAD_ROWS < all) prefetch_rows(s, op + AHEAD_ROWS);
        dsdn_outcome outcome = fixed ? fixed : gate[op->event];
        if (!outcome) {
            c->event = &events[op->event];
            c->event_version = op->version;
            c->payload = op->payload;
            c->payload_len = op->len;
            c->hash = op->hash;
            c->op = op;
            outcome = reducers[op->event].apply(c, op->payload, op->len, op->version);
            if (s->settling) dsdn_state_settle_event(s);
        }
        r->p->outcomes[i] = outcome;
        if (DSDN_OUTCOME_NUMBER(outcome) == DSDN_OUTCOME_OK) r->ok++;
        else refused(r, c->ordinal, outcome);
        c->ordinal++;
    }
}

/* Authors are known as soon as bundles are, and most bundles are short. */
static void prefetch_nonces(const struct run *r, const struct dsdn_prepared_bundle *b)
{
    const struct dsdn_state *s = &r->e->state;
    const struct dsdn_table *nonces = &s->tables[dsdn_sys_TABLE_nonce];
    const struct dsdn_prepared_bundle *end = r->p->bundles + r->p->bundle_cnt;
    if (end - b > AHEAD_NONCE_SLOTS && b[AHEAD_NONCE_SLOTS].bundle.kind != DSDN_BUNDLE_AUTHORITY)
        dsdn_table_prefetch_slot(nonces,
                                 dsdn_key_hash(s->seed, b[AHEAD_NONCE_SLOTS].bundle.author, 32));
    if (end - b > AHEAD_NONCES && b[AHEAD_NONCES].bundle.kind != DSDN_BUNDLE_AUTHORITY)
        dsdn_table_prefetch_row(nonces, dsdn_key_hash(s->seed, b[AHEAD_NONCES].bundle.author, 32));
}

static const uint8_t nobody[32]; /* the author in bundles of the authority, and of deadlines */

static void run_bundle(struct run *r, const struct dsdn_prepared_bundle *b)
{
    struct dsdn_context *c = &r->context;
    prefetch_nonces(r, b);
    c->bundle_kind = b->bundle.kind;
    c->nonce = b->bundle.nonce;
    c->author = nobody;
    uint8_t fixed = DSDN_OUTCOME_OK;
    if (b->bundle.kind != DSDN_BUNDLE_AUTHORITY) {
        uint32_t row;
        c->author = b->bundle.author;
        fixed = dsdn_nonce_judge(c->state, &b->bundle, c->time_ms, &row);
        if (fixed == DSDN_OUTCOME_OK) dsdn_nonce_accept(c->state, &b->bundle, row);
    }
    uint32_t end = b->first_op + b->op_cnt;
    if (!r->e->observer) {
        run_ops(r, b, b->first_op, end, fixed);
        return;
    }
    dsdn_engine_tell(r->e, DSDN_STEP_NONCE, (uint32_t)(b - r->p->bundles), NULL);
    for (uint32_t i = b->first_op; i < end; i++) {
        run_ops(r, b, i, i + 1, fixed);
        dsdn_state_settle(r->context.state);
        dsdn_engine_tell(r->e, DSDN_STEP_EVENT, i, NULL);
    }
}

static void count_outcome(struct dsdn_state *s, dsdn_outcome outcome, uint64_t cnt)
{
    uint16_t code = DSDN_OUTCOME_CODE(outcome);
    uint8_t key[3] = {DSDN_OUTCOME_NUMBER(outcome), (uint8_t)(code >> 8), (uint8_t)code};
    uint32_t row = dsdn_sys_outcome_count_find(s, key);
    if (row == DSDN_NO_ROW) row = dsdn_sys_outcome_count_insert(s, key);
    dsdn_sys_outcome_count_edit(s, row)->count += cnt;
}

static void count_outcomes(struct run *r, const uint8_t *entries)
{
    if (r->ok) count_outcome(r->context.state, DSDN_OUTCOME_OK, r->ok);
    for (; entries < r->transcript; entries += TRANSCRIPT_ENTRY)
        count_outcome(r->context.state, DSDN_OUTCOME(entries[8], dsdn_load16(entries + 9)), 1);
}

/* The first batch of the next epoch ends the hand-off (docs/formats/reducers.md). */
static void change_epoch(struct dsdn_engine *e, const struct dsdn_header *h)
{
    struct dsdn_state *s = &e->state;
    if (dsdn_engine_right(e, h->publisher, h->committee_epoch) != DSDN_RIGHT_ANNOUNCED) return;
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(s, 0);
    uint64_t epoch = head->next_epoch;
    memcpy(head->authority, head->next_authority, 32);
    head->authority_epoch = epoch;
    memset(head->next_authority, 0, 32);
    head->next_epoch = head->next_from = 0;
    uint8_t key[8];
    dsdn_store64_be(key, epoch);
    uint32_t row = dsdn_sys_committee_find(s, key);
    if (row != DSDN_NO_ROW) dsdn_sys_committee_edit(s, row)->state = 1;
    dsdn_store64_be(key, epoch - 1);
    row = dsdn_sys_committee_find(s, key);
    if (row != DSDN_NO_ROW) dsdn_sys_committee_edit(s, row)->state = 3;
}

static void write_head(struct run *r)
{
    const struct dsdn_header *h = &r->p->batch.header;
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(r->context.state, 0);
    dsdn_tagged("dsdn/outcomes/1", r->e->transcript, (size_t)(r->transcript - r->e->transcript),
                head->transcript);
    memcpy(head->batch_hash, r->p->batch.hash, 32);
    head->sequence = h->sequence + 1;
    head->time_ms = h->time_ms;
    head->origin_height = h->origin.height;
    head->origin_time = h->origin.time_ms;
    memcpy(head->origin_hash, h->origin.hash, 32);
    head->cursor_height = h->cursor.height;
    head->cursor_index = h->cursor.blob_index;
    head->committee_epoch = h->committee_epoch;
    head->event_count = r->context.ordinal;
}

int dsdn_engine_apply(struct dsdn_engine *e, struct dsdn_prepared *p, struct dsdn_error *error)
{
    struct dsdn_state *s = &e->state;
    const struct dsdn_header *h = &p->batch.header;
    struct dsdn_tick tick = dsdn_tick_of(s, h);
    uint32_t budget = (uint32_t)DSDN_SETTING(s, deadline_budget);
    int rc = reserve(e, p, &tick, budget, error);
    if (rc) return dsdn_error_in(error, h->sequence), rc;

    struct run r = {.e = e, .p = p, .transcript = e->transcript + 64};
    make_gate(e, dsdn_head(s)->feature_level);
    memcpy(e->transcript, dsdn_head(s)->transcript, 32);
    memcpy(e->transcript + 32, p->batch.hash, 32);
    dsdn_direct_charge(e, p);
    change_epoch(e, h);
    dsdn_schedules_run(s, &tick);
    dsdn_engine_tell(e, DSDN_STEP_SCHEDULE, 0, NULL);
    r.context = (struct dsdn_context){
        .state = s,
        .time_ms = h->time_ms,
        .origin = h->origin,
        .version = dsdn_head(s)->version,
        .ordinal = dsdn_head(s)->event_count,
        .has_primary = dsdn_head(s)->has_primary,
        .genesis = h->genesis,
        .reducers = e->catalogue->reducers,
        .keys = e->keys,
    };
    uint32_t i = 0;
    for (uint32_t k = 0; k < AHEAD_ROWS && k < p->op_cnt; k++) prefetch_slots(s, &p->ops[k]);
    for (uint32_t k = 0; k < AHEAD_ROWS && k < p->op_cnt; k++) prefetch_rows(s, &p->ops[k]);
    for (uint32_t k = AHEAD_ROWS; k < AHEAD_SLOTS && k < p->op_cnt; k++) prefetch_slots(s, &p->ops[k]);
    for (; i < p->bundle_cnt && p->bundles[i].bundle.kind == DSDN_BUNDLE_DIRECT; i++)
        run_bundle(&r, &p->bundles[i]);
    r.context.author = nobody; /* whatever bundle came before: none of it is seen by deadlines */
    r.context.bundle_kind = DSDN_BUNDLE_AUTHORITY;
    r.context.nonce = 0;
    r.context.op = NULL;
    dsdn_state_settle(s);
    dsdn_deadlines_drain(e, &r.context, &tick, budget);
    for (; i < p->bundle_cnt; i++) run_bundle(&r, &p->bundles[i]);
    count_outcomes(&r, e->transcript + 64);
    write_head(&r);
    dsdn_state_settle(s);
    dsdn_engine_tell(e, DSDN_STEP_HEAD, 0, NULL);
    e->applied += r.ok;
    if (e->options.fingerprint) e->fingerprint_known = dsdn_fingerprint_batch(s, e->fingerprint);
    return DSDN_OK;
}

int dsdn_engine_fingerprint(const struct dsdn_engine *e, uint8_t out[32], struct dsdn_error *error)
{
    if (!e->fingerprint_known)
        return dsdn_fail(error, DSDN_E_NO_MEMORY,
                         "no memory for the row-change hash of a batch, or none was asked for");
    memcpy(out, e->fingerprint, 32);
    return DSDN_OK;
}
