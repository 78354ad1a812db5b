/* follow_act.c: carrying out what the sequencer asks for. */
#include "statemachine/follow_internal.h"

#include <stdlib.h>

int dsdn_follow_room(void *array, size_t *cap, size_t cnt, size_t size, struct dsdn_error *error)
{
    void *have;
    if (cnt < *cap) return DSDN_OK;
    memcpy(&have, array, sizeof have);
    size_t more = *cap ? *cap * 2 : 16;
    void *grown = realloc(have, more * size);
    if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu items of a follower", more);
    memcpy(array, &grown, sizeof grown);
    *cap = more;
    return DSDN_OK;
}

/* ---- events ---- */

/* Room for what one turn can say, before it is taken, so that nothing is done without being told. */
enum { EVENTS_OF_A_TURN = 4 };

static int event_room(struct dsdn_follow *f, struct dsdn_error *error)
{
    if (f->event_first && f->event_first == f->event_end) f->event_first = f->event_end = 0;
    return dsdn_follow_room(&f->events, &f->event_cap, f->event_end + EVENTS_OF_A_TURN, sizeof *f->events,
                            error);
}

static struct dsdn_follow_event *tell(struct dsdn_follow *f, enum dsdn_follow_event_kind kind,
                                      uint64_t sequence)
{
    struct dsdn_follow_event *e = &f->events[f->event_end++];
    *e = (struct dsdn_follow_event){.kind = kind, .sequence = sequence, .error = DSDN_ERROR_INIT};
    return e;
}

/* A copy, or nothing when there is no memory for it: the index has the bytes too. */
static struct dsdn_view copy_of(struct dsdn_view bytes)
{
    uint8_t *copy = bytes.len ? malloc(bytes.len) : NULL;
    if (!copy) return (struct dsdn_view){NULL, 0};
    memcpy(copy, bytes.bytes, bytes.len);
    return (struct dsdn_view){copy, bytes.len};
}

/* ---- the primary ---- */

const struct follow_header *dsdn_follow_header(const struct dsdn_follow *f, uint64_t height)
{
    return height >= f->headers_from && height - f->headers_from < f->header_cnt
               ? &f->headers[height - f->headers_from]
               : NULL;
}

bool dsdn_follow_queue_covers(struct dsdn_follow *f, const struct dsdn_cursor *cursor)
{
    if (!follow_before(cursor, &f->queue_from)) return true;
    dsdn_direct_queue_cut(&f->queue, 0);
    f->queue_from = *cursor;
    uint64_t from = cursor->blob_index == DSDN_CURSOR_END ? cursor->height + 1 : cursor->height;
    if (from < f->start) from = f->start;
    f->read_to = from ? from - 1 : DSDN_HEIGHT_NONE;
    if (from < f->want) f->want = from;
    return false;
}

/* ---- settled ---- */

static void note_places(struct dsdn_follow *f, uint64_t sequence, const uint8_t hash[32],
                        struct dsdn_index *index)
{
    for (size_t i = 0; i < f->seen_cnt; i++)
        if (f->seen[i].sequence == sequence && dsdn_equal32(f->seen[i].hash, hash))
            dsdn_index_put_reference(index, sequence, &f->seen[i].place, NULL);
    dsdn_index_put_finality(index, sequence, DSDN_FINALITY_SETTLED, NULL);
}

static void forget_places(struct dsdn_follow *f, uint64_t settled)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->seen_cnt; i++)
        if (f->seen[i].sequence >= settled) f->seen[kept++] = f->seen[i];
    f->seen_cnt = kept;
}

/* Headers below the settled origin answer no question any more. */
static void forget_headers(struct dsdn_follow *f, uint64_t below)
{
    size_t gone = below > f->headers_from ? (size_t)(below - f->headers_from) : 0;
    if (gone > f->header_cnt) gone = f->header_cnt;
    if (gone < 1024 && gone * 2 < f->header_cnt) return; /* not worth moving the rest */
    f->header_cnt -= gone;
    f->headers_from += gone;
    if (gone) memmove(f->headers, f->headers + gone, f->header_cnt * sizeof *f->headers);
}

/* The sequencer settles by itself; what is kept about the batches below goes.  The index is derived: what it
 * cannot take is learned again when it is rebuilt. */
static void note_settled(struct dsdn_follow *f)
{
    struct dsdn_fork_root root;
    dsdn_sequencer_root(f->s, &root);
    if (root.next == f->root.next) return;
    struct dsdn_index *index = dsdn_store_index(f->store);
    size_t gone = (size_t)(root.next - f->root.next);
    for (size_t i = 0; f->primary && index && i < gone; i++)
        note_places(f, f->root.next + i, f->applied[i].hash, index);
    forget_places(f, root.next);
    if (f->primary) {
        struct dsdn_follow_event *e = tell(f, DSDN_FOLLOW_SETTLED, root.next);
        e->from = f->root.next;
        e->height = root.eff;
        f->settled_cursor = f->applied[gone - 1].cursor;
        dsdn_direct_queue_drop(&f->queue, &f->settled_cursor);
        if (follow_before(&f->queue_from, &f->settled_cursor)) f->queue_from = f->settled_cursor;
        forget_headers(f, root.origin_height);
    }
    f->applied_cnt -= gone;
    memmove(f->applied, f->applied + gone, f->applied_cnt * sizeof *f->applied);
    f->root = root;
    dsdn_follow_eras_drop(f, root.next);
    dsdn_follow_checkpoints_prune(f);
}

/* ---- applying ---- */

/* Is the batch in the log already, as after a restart?  If so under whatever signature: that is no part of
 * it. */
static int append(struct dsdn_follow *f, const struct dsdn_action *a, uint32_t events, bool *known,
                  struct dsdn_error *error)
{
    struct dsdn_store_info info;
    int rc = DSDN_OK;
    *known = false;
    dsdn_store_info(f->store, &info);
    if (a->sequence < info.next_sequence) {
        struct dsdn_record record;
        struct dsdn_error bad = DSDN_ERROR_INIT;
        if (a->sequence >= info.durable_next && (rc = dsdn_store_sync(f->store, error))) return rc;
        rc = dsdn_store_read(f->store, a->sequence, &f->buffer, &record, &bad);
        *known =
            !rc && record.len == a->bytes.len && memcmp(record.batch, a->bytes.bytes, DSDN_HEADER_LEN) == 0;
        if (*known) return DSDN_OK;
        if (rc &&
            dsdn_error_exit(rc) != 4) { /* damaged bytes give way to good ones; other failures are told */
            if (error) *error = bad;
            return rc;
        }
        if ((rc = dsdn_store_cut(f->store, a->sequence, error))) return rc;
    }
    rc = dsdn_store_append(f->store, a->bytes.bytes, a->bytes.len, a->sequence, a->hash, events,
                           DSDN_RECORD_SIGNATURES_CHECKED, error);
    if (rc) return rc;
    f->unsynced_batches++;
    f->unsynced_bytes += a->bytes.len;
    return DSDN_OK;
}

static void told_applied(struct dsdn_follow *f, const struct dsdn_action *a, bool known)
{
    const struct dsdn_prepared *p = &f->prepared;
    struct dsdn_follow_event *e = tell(f, DSDN_FOLLOW_APPLIED, a->sequence);
    memcpy(e->hash, a->hash, 32);
    e->time_ms = p->batch.header.time_ms;
    e->origin = p->batch.header.origin;
    e->events = p->op_cnt;
    e->bundles = p->bundle_cnt;
    while (e->direct < p->bundle_cnt && p->bundles[e->direct].bundle.kind == DSDN_BUNDLE_DIRECT) e->direct++;
    e->len = a->bytes.len;
    e->provisional = a->provisional;
    e->known = known;
}

static int apply(struct dsdn_follow *f, const struct dsdn_action *a, struct dsdn_error *error)
{
    struct dsdn_prepared *p = &f->prepared;
    bool known;
    int rc = dsdn_prepare(p, f->options.catalogue, dsdn_engine_seed(f->engine), a->bytes.bytes, a->bytes.len,
                          error);
    if (!rc) dsdn_prepare_embedded(p, f->options.catalogue, 0, UINT32_MAX, f->keys);
    if (!rc) rc = dsdn_follow_room(&f->applied, &f->applied_cap, f->applied_cnt, sizeof *f->applied, error);
    if (!rc) rc = dsdn_follow_era_room(f, error);
    if (!rc) rc = append(f, a, p->op_cnt, &known, error);
    if (!rc) rc = dsdn_engine_apply(f->engine, p, error);
    if (rc) return rc;
    struct follow_applied *done = &f->applied[f->applied_cnt++];
    memcpy(done->hash, a->hash, 32);
    done->cursor = p->batch.header.cursor;
    done->origin_height = p->batch.header.origin.height;
    told_applied(f, a, known);
    dsdn_direct_queue_release(&f->queue, &done->cursor);
    if (dsdn_follow_era(f, &f->fatal)) { /* nobody could say who may publish here */
        if (error) *error = f->fatal;
        return f->fatal.code;
    }
    struct dsdn_error failed = DSDN_ERROR_INIT;
    if ((a->sequence + 1) % f->options.checkpoint_every == 0 && dsdn_follow_checkpoint(f, &failed)) {
        dsdn_error_in(&failed, a->sequence); /* it costs time later, not the log: told, and gone on without */
        tell(f, DSDN_FOLLOW_ALARM, a->sequence)->error = failed;
    }
    return f->unsynced_batches >= FOLLOW_SYNC_BATCHES || f->unsynced_bytes >= FOLLOW_SYNC_BYTES
               ? dsdn_follow_sync(f, error)
               : DSDN_OK;
}

static int roll_back(struct dsdn_follow *f, const struct dsdn_action *a, struct dsdn_error *error)
{
    struct dsdn_engine *engine = NULL;
    uint64_t from = dsdn_head(dsdn_engine_state(f->engine))->sequence;
    int rc = dsdn_store_sync(f->store, error);
    if (!rc) rc = dsdn_follow_state_at(f, a->sequence, &engine, NULL, error);
    if (rc) return rc;
    dsdn_engine_free(f->engine);
    f->engine = engine;
    f->applied_cnt = (size_t)(a->sequence - f->root.next);
    f->rollbacks++;
    dsdn_follow_eras_cut(f, a->sequence);
    dsdn_follow_checkpoints_cut(f, a->sequence);
    struct dsdn_follow_event *e = tell(f, DSDN_FOLLOW_ROLLED_BACK, a->sequence);
    e->from = from;
    memcpy(e->hash, a->hash, 32);
    return dsdn_store_cut(f->store, a->sequence,
                          error); /* if it fails, the next batch finds others in its place */
}

/* ---- the rest ---- */

static void told_evidence(struct dsdn_follow *f, const struct dsdn_action *a)
{
    struct dsdn_index *index = dsdn_store_index(f->store);
    struct dsdn_follow_event *e = tell(f, DSDN_FOLLOW_EVIDENCE, a->sequence);
    uint8_t pair[2 * DSDN_BATCH_FIXED_LEN];
    struct dsdn_view whole = a->bytes;
    memcpy(e->hash, a->hash, 32);
    e->evidence = a->evidence;
    e->bytes = copy_of(a->bytes);
    e->second = copy_of(a->second);
    for (uint32_t i = 0; i < FOLLOW_REFUSALS; i++)
        if (f->refusals[i].error.code && dsdn_equal32(f->refusals[i].hash, a->hash))
            e->error = f->refusals[i].error;
    if (!e->error.code)
        dsdn_fail(&e->error, a->code, "%s",
                  a->evidence == DSDN_EVIDENCE_CERTIFICATES ? "two quorum certificates exist for one sequence"
                  : a->evidence == DSDN_EVIDENCE_EQUIVOCATION
                      ? "one key signed two headers for one sequence"
                      : "the batch is not valid after its predecessor");
    dsdn_error_in(&e->error, a->sequence);
    if (a->second.len == DSDN_BATCH_FIXED_LEN && a->bytes.len == DSDN_BATCH_FIXED_LEN) {
        memcpy(pair, a->bytes.bytes, DSDN_BATCH_FIXED_LEN);
        memcpy(pair + DSDN_BATCH_FIXED_LEN, a->second.bytes, DSDN_BATCH_FIXED_LEN);
        whole = (struct dsdn_view){pair, sizeof pair};
    }
    if (index)
        dsdn_index_put_evidence(index, a->sequence, (uint8_t)a->evidence, whole.bytes, whole.len, NULL);
}

/* UPGRADE_REQUIRED and faults of this program halt it; the sequencer's other alarms are news. */
static void told_alarm(struct dsdn_follow *f, const struct dsdn_action *a)
{
    bool halts = a->code == DSDN_E_UPGRADE_REQUIRED || (f->fatal.code && a->code == f->fatal.code);
    struct dsdn_follow_event *e = tell(f, halts ? DSDN_FOLLOW_HALTED : DSDN_FOLLOW_ALARM, a->sequence);
    f->halted |= halts;
    if (f->fatal.code)
        e->error = f->fatal;
    else if (halts)
        e->error = f->halt;
    else if (a->code == DSDN_E_TOO_LARGE)
        dsdn_fail(&e->error, a->code,
                  "more unsettled batches than there is room for; new ones wait until some settle");
    else
        dsdn_fail(&e->error, a->code, "%s", dsdn_error_text(a->code));
    dsdn_error_in(&e->error, a->sequence);
}

static int carry_out(struct dsdn_follow *f, const struct dsdn_action *a, struct dsdn_error *error)
{
    switch (a->kind) {
    case DSDN_ACTION_APPLY: return apply(f, a, error);
    case DSDN_ACTION_ROLLBACK: return roll_back(f, a, error);
    case DSDN_ACTION_EVIDENCE: told_evidence(f, a); return DSDN_OK;
    case DSDN_ACTION_ALARM: told_alarm(f, a); return DSDN_OK;
    case DSDN_ACTION_WAIT: tell(f, DSDN_FOLLOW_WAITING, a->sequence)->height = a->height; return DSDN_OK;
    case DSDN_ACTION_RESCAN:
        if (f->primary && a->source == DSDN_SOURCE_PRIMARY) {
            uint64_t from = a->height > f->headers_from ? a->height : f->headers_from;
            if (from < f->want) f->want = from;
            if (from < f->again) f->again = from;
        } else {
            struct dsdn_follow_event *e = tell(f, DSDN_FOLLOW_RESCAN, 0);
            e->source = a->source;
            e->height = a->height;
        }
    }
    return DSDN_OK;
}

/* The cursor behind which all batches that are not judged for good begin. */
static struct dsdn_cursor judged_up_to(const struct dsdn_follow *f)
{
    struct dsdn_applied_facts facts;
    struct dsdn_cursor cursor = f->settled_cursor;
    for (size_t i = 0; i < f->applied_cnt; i++) {
        if (!dsdn_sequencer_facts(f->s, f->root.next + i, &facts) || facts.provisional) break;
        cursor = f->applied[i].cursor;
    }
    return cursor;
}

/* Too much in the queue: what judged batches have behind them is read again if it comes to that. */
static void make_room(struct dsdn_follow *f)
{
    if (dsdn_direct_queue_bytes(&f->queue) <= f->options.direct_bytes) {
        f->full = false;
        return;
    }
    struct dsdn_cursor cursor = judged_up_to(f);
    dsdn_direct_queue_drop(&f->queue, &cursor);
    if (follow_before(&f->queue_from, &cursor)) f->queue_from = cursor;
    bool full = dsdn_direct_queue_bytes(&f->queue) > f->options.direct_bytes;
    if (full && !f->full) {
        struct dsdn_follow_event *e =
            tell(f, DSDN_FOLLOW_ALARM, dsdn_head(dsdn_engine_state(f->engine))->sequence);
        dsdn_fail(&e->error, DSDN_E_TOO_LARGE,
                  "%u direct bundles wait for a batch that takes them: no further height is read before",
                  f->queue.cnt);
    }
    f->full = full;
}

bool dsdn_follow_full(const struct dsdn_follow *f)
{
    return f->want == f->read_to + 1 && dsdn_direct_queue_bytes(&f->queue) > f->options.direct_bytes;
}

int dsdn_follow_act(struct dsdn_follow *f, struct dsdn_error *error)
{
    struct dsdn_action action;
    for (;;) {
        int rc = f->fatal.code;
        if (rc && error) *error = f->fatal;
        if (!rc) rc = event_room(f, error);
        if (rc) return rc;
        bool more = dsdn_sequencer_next(f->s, &action);
        note_settled(f);
        if (!more) break;
        if ((rc = carry_out(f, &action, error))) return rc;
    }
    dsdn_engine_free(f->scratch);
    f->scratch = NULL;
    make_room(f); /* may tell one thing: the last turn left room for it */
    if (f->fatal.code && error) *error = f->fatal;
    return f->fatal.code;
}
