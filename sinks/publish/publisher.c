#include "sinks/publish/publisher.h"

#include "statemachine/checkpoint.h"

#include <stdlib.h>

/* The follower is at the head when it lacks at most so many heights: blocks go on coming while it reads. */
#define CAUGHT_UP 2u

/* A batch that was made and that the follower has not applied. */
struct flight {
    uint64_t sequence, origin_height;
    size_t len;
    uint8_t hash[32];
};

struct dsdn_publisher {
    struct dsdn_publisher_options options;
    struct dsdn_engine *ahead; /* the follower's state at base and the batches in flight; NULL: to be made */
    uint64_t base_next;        /* the follower's head as last seen ... */
    uint8_t base_hash[32];
    struct flight flight[DSDN_PUBLISHER_FLIGHT];
    uint32_t flight_cnt;
    size_t flight_bytes;
    struct dsdn_batch_builder *builder;
    struct dsdn_prepared prepared;
    struct dsdn_direct_selection selection;
    uint64_t made_ms, waiting_ms;
    uint64_t not_before; /* height: FRESH_LOCK */
    bool fresh_lock, posting;
    uint32_t posted_cnt;
    uint64_t posted_height; /* the follower reads up to there before anything is posted */
    enum dsdn_publisher_state state;
    uint64_t made, resumed, included, copies, abandoned;
};

static const char *const state_names[] = {
#define X(name, text) #name,
    DSDN_PUBLISHER_STATE_LIST(X)
#undef X
};
static const char *const state_texts[] = {
#define X(name, text) text,
    DSDN_PUBLISHER_STATE_LIST(X)
#undef X
};

const char *dsdn_publisher_state_name(enum dsdn_publisher_state state)
{
    return state <= DSDN_PUBLISHER_HALTED ? state_names[state] : "UNKNOWN";
}

const char *dsdn_publisher_state_text(enum dsdn_publisher_state state)
{
    return state <= DSDN_PUBLISHER_HALTED ? state_texts[state] : "";
}

int dsdn_publisher_new(const struct dsdn_publisher_options *options, struct dsdn_publisher **out,
                       struct dsdn_error *error)
{
    struct dsdn_publisher *p = calloc(1, sizeof *p);
    *out = NULL;
    if (p) p->builder = dsdn_batch_builder_new();
    if (!p || !p->builder) {
        free(p);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the publisher");
    }
    p->options = *options;
    p->fresh_lock = options->fresh_lock;
    p->waiting_ms = UINT64_MAX;
    p->state = DSDN_PUBLISHER_CATCHING_UP;
    *out = p;
    return DSDN_OK;
}

void dsdn_publisher_free(struct dsdn_publisher *p)
{
    if (!p) return;
    dsdn_engine_free(p->ahead);
    dsdn_batch_builder_free(p->builder);
    dsdn_prepared_free(&p->prepared);
    dsdn_direct_selection_free(&p->selection);
    free(p);
}

static uint64_t lag_after(const struct dsdn_engine *e)
{
    return (uint64_t)DSDN_SETTING(dsdn_engine_state(e), origin_lag_max);
}

/* No bare inclusion above this height is countable. */
static uint64_t last_countable(uint64_t origin_height, uint64_t lag)
{
    return origin_height > UINT64_MAX - lag ? UINT64_MAX : origin_height + lag;
}

/* ---- the copy of the state ---- */

static void flight_add(struct dsdn_publisher *p, const struct dsdn_header *header, const uint8_t hash[32],
                       size_t len)
{
    struct flight *flight = &p->flight[p->flight_cnt++];
    *flight =
        (struct flight){.sequence = header->sequence, .origin_height = header->origin.height, .len = len};
    memcpy(flight->hash, hash, 32);
    p->flight_bytes += len;
}

static void tell(const struct dsdn_publisher *p, const struct dsdn_prepared *batch,
                 enum dsdn_batch_reason reason, bool resumed)
{
    if (!p->options.made) return;
    const struct dsdn_header *h = &batch->batch.header;
    struct dsdn_publisher_batch told = {.sequence = h->sequence,
                                        .time_ms = h->time_ms,
                                        .origin_height = h->origin.height,
                                        .events = batch->op_cnt,
                                        .len = batch->batch.len,
                                        .reason = reason,
                                        .resumed = resumed};
    for (uint32_t i = 0; i < batch->bundle_cnt; i++)
        *(batch->bundles[i].bundle.kind == DSDN_BUNDLE_DIRECT ? &told.direct : &told.bundles) += 1;
    memcpy(told.hash, batch->batch.hash, 32);
    p->options.made(p->options.self, &told);
}

static int judge(struct dsdn_publisher *p, const uint8_t *bytes, size_t len, struct dsdn_error *error)
{
    int rc = dsdn_prepare(&p->prepared, p->options.catalogue, dsdn_engine_seed(p->ahead), bytes, len, error);
    return rc ? rc : dsdn_engine_judge(p->ahead, &p->prepared, NULL, error);
}

/* Takes up again what was signed behind the follower's head, as far as it can still count. */
static int take_up(struct dsdn_publisher *p, const struct dsdn_publisher_view *view, struct dsdn_error *error)
{
    uint64_t lag = lag_after(p->ahead);
    while (p->flight_cnt < DSDN_PUBLISHER_FLIGHT) {
        const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(p->ahead));
        const struct dsdn_signed *lock = dsdn_signer_find(p->options.signer, head->sequence);
        if (!lock || !lock->bytes || !dsdn_equal32(lock->header.prev, head->batch_hash) ||
            view->newest.height > last_countable(lock->header.origin.height, lag))
            return DSDN_OK;
        int rc = judge(p, lock->bytes, lock->len, error);
        /* What is not valid any more (data of the primary was read that it did not know) waits until it is
         * dead. */
        if (rc && rc != DSDN_E_NO_MEMORY) return DSDN_OK;
        if (!rc) rc = dsdn_engine_apply(p->ahead, &p->prepared, error);
        if (rc) return rc;
        flight_add(p, &lock->header, lock->lock.hash, lock->len);
        p->resumed++;
        tell(p, &p->prepared, DSDN_BATCH_NOT_DUE, true);
    }
    return DSDN_OK;
}

static void forget_ahead(struct dsdn_publisher *p)
{
    dsdn_engine_free(p->ahead);
    p->ahead = NULL;
    p->abandoned += p->flight_cnt;
    p->flight_cnt = 0;
    p->flight_bytes = 0;
}

static int copy_state(struct dsdn_publisher *p, const struct dsdn_publisher_view *view,
                      struct dsdn_error *error)
{
    const struct dsdn_publisher_options *o = &p->options;
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(view->engine));
    uint64_t resumed = p->resumed;
    struct dsdn_checkpoint_options restore = {.engine = NULL};
    int rc = dsdn_checkpoint_write(view->engine, o->genesis, 1, o->io, o->scratch, NULL, error);
    if (!rc) rc = dsdn_checkpoint_restore(o->catalogue, &restore, o->io, o->scratch, &p->ahead, NULL, error);
    o->io->unlink(o->io->self, o->scratch);
    if (rc) return rc;
    p->copies++;
    p->base_next = head->sequence;
    memcpy(p->base_hash, head->batch_hash, 32);
    /* What batches beyond the settled ones used may be free again; what is used yet, the next fill finds out.
     */
    dsdn_pool_rolled_back(o->pool, view->settled);
    rc = take_up(p, view, error);
    if (rc) forget_ahead(p);
    uint64_t again = p->resumed - resumed;
    p->abandoned -= again < p->abandoned ? again : p->abandoned;
    return rc;
}

/* Does the follower stand on our way?  Batches that it applied are not in flight any more. */
static bool on_our_way(struct dsdn_publisher *p, const struct dsdn_publisher_view *view)
{
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(view->engine));
    if (head->sequence == p->base_next) return dsdn_equal32(head->batch_hash, p->base_hash);
    uint32_t i = 0;
    while (i < p->flight_cnt && p->flight[i].sequence + 1 != head->sequence) i++;
    if (i == p->flight_cnt || !dsdn_equal32(p->flight[i].hash, head->batch_hash)) return false;
    p->base_next = head->sequence;
    memcpy(p->base_hash, head->batch_hash, 32);
    for (uint32_t gone = 0; gone <= i; gone++) p->flight_bytes -= p->flight[gone].len;
    p->flight_cnt -= i + 1;
    memmove(p->flight, p->flight + i + 1, p->flight_cnt * sizeof *p->flight);
    p->included += i + 1;
    return true;
}

/* Is the first batch in flight beyond hope?  Then so are all behind it. */
static bool dead(const struct dsdn_publisher *p, const struct dsdn_publisher_view *view)
{
    if (!p->flight_cnt) return false;
    const struct dsdn_signed *lock = dsdn_signer_find(p->options.signer, p->flight[0].sequence);
    return (!lock || (!lock->included && !lock->certified)) &&
           view->newest.height > last_countable(p->flight[0].origin_height, lag_after(view->engine));
}

/* ---- making ---- */

static bool may_publish(const struct dsdn_engine *e, const struct dsdn_sign_key *key, uint64_t time_ms,
                        uint64_t *epoch)
{
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(e));
    *epoch = head->authority_epoch;
    if (dsdn_equal32(key->public_key, head->authority)) return true;
    *epoch = head->next_epoch;
    return dsdn_equal32(key->public_key, head->next_authority) && time_ms >= head->next_from;
}

/* Is every bundle of the selection at hand? */
static bool all_kept(const struct dsdn_direct_selection *selection)
{
    for (uint32_t i = 0; i < selection->cnt; i++)
        if (!selection->blobs[i]->bundle) return false;
    return true;
}

static int sign_and_apply(struct dsdn_publisher *p, const struct dsdn_publisher_view *view,
                          struct dsdn_header *header, enum dsdn_batch_reason reason, bool *made,
                          struct dsdn_error *error)
{
    enum dsdn_signer_answer answer;
    struct dsdn_view batch;
    memcpy(header->publisher, p->options.key->public_key, 32);
    int rc = dsdn_batch_builder_finish(p->builder, header, NULL, &batch, error);
    if (!rc) rc = judge(p, batch.bytes, batch.len, error);
    if (rc == DSDN_E_UPGRADE_REQUIRED) p->state = DSDN_PUBLISHER_HALTED;
    /* Signing changes nothing but the signature, so what was prepared from the builder's bytes stays true. */
    if (!rc)
        rc = dsdn_signer_sign(p->options.signer, p->builder, header, view->newest.height, lag_after(p->ahead),
                              &answer, &batch, error);
    if (rc) return rc;
    if (answer != DSDN_SIGN_LOCK) {
        p->state = DSDN_PUBLISHER_LOCKED;
        return DSDN_OK;
    }
    dsdn_pool_took(p->options.pool, header->sequence + 1);
    rc = dsdn_engine_apply(p->ahead, &p->prepared, error);
    if (rc) { /* it is signed: the next copy takes it up */
        forget_ahead(p);
        return rc;
    }
    flight_add(p, header, p->prepared.batch.hash, batch.len);
    p->made++;
    p->made_ms = view->now_ms;
    p->waiting_ms = UINT64_MAX;
    *made = true;
    tell(p, &p->prepared, reason, false);
    return DSDN_OK;
}

/* Makes a batch if one is due. */
static int make(struct dsdn_publisher *p, const struct dsdn_publisher_view *view, bool *made,
                struct dsdn_error *error)
{
    const struct dsdn_state *s = dsdn_engine_state(p->ahead);
    const struct dsdn_sys_row_head *head = dsdn_head(s);
    const struct dsdn_publisher_options *o = &p->options;
    struct dsdn_origin origin = view->newest;
    struct dsdn_header header;
    struct dsdn_pool_stats pool;
    struct dsdn_pool_filled filled;
    uint64_t epoch;
    uint64_t time_ms = dsdn_batcher_time(head, &origin, view->now_ms);
    *made = false;
    /* After a restart the head can be a batch of the signer's journal whose da_origin the follower has not
     * read again yet: da_origin never steps back (protocol.md, section 5). */
    if (origin.height < head->origin_height) {
        p->state = DSDN_PUBLISHER_CATCHING_UP;
        return DSDN_OK;
    }
    if (!may_publish(p->ahead, o->key, time_ms, &epoch)) {
        p->state = DSDN_PUBLISHER_NO_AUTHORITY;
        return DSDN_OK;
    }
    if (!dsdn_signer_allows(o->signer, head->sequence, origin.height, view->newest.height,
                            lag_after(p->ahead))) {
        p->state = DSDN_PUBLISHER_LOCKED;
        return DSDN_OK;
    }
    int rc = dsdn_direct_select(p->ahead, view->queue, &origin, time_ms, &p->selection, error);
    if (rc) return rc;
    dsdn_pool_stats(o->pool, &pool);
    if (!pool.waiting && !p->selection.cnt)
        p->waiting_ms = UINT64_MAX;
    else if (p->waiting_ms == UINT64_MAX)
        p->waiting_ms = view->now_ms;
    struct dsdn_batcher_facts facts = {.pool = &pool,
                                       .direct = p->selection.cnt,
                                       .backlog = p->selection.backlog,
                                       .bytes_limit =
                                           (size_t)DSDN_SETTING(s, batch_max) - DSDN_BATCH_FIXED_LEN,
                                       .now_ms = view->now_ms,
                                       .made_ms = p->made_ms,
                                       .waiting_ms = p->waiting_ms};
    enum dsdn_batch_reason reason = dsdn_batcher_due(&o->limits, &facts);
    if (reason == DSDN_BATCH_NOT_DUE) return DSDN_OK;
    if (!all_kept(&p->selection)) {
        p->state = DSDN_PUBLISHER_NEEDS_DIRECT;
        return DSDN_OK;
    }
    rc = dsdn_batcher_build(&o->limits, o->pool, p->ahead, &p->selection, &origin, time_ms, p->builder,
                            &header, &filled, error);
    if (rc) return rc;
    header.committee_epoch = epoch;
    if (!filled.bundles && !p->selection.cnt && reason != DSDN_BATCH_IDLE && reason != DSDN_BATCH_BACKLOG) {
        p->waiting_ms = UINT64_MAX; /* what waits is of no use yet, or turned out to be of none */
        return DSDN_OK;
    }
    return sign_and_apply(p, view, &header, reason, made, error);
}

static int make_all(struct dsdn_publisher *p, const struct dsdn_publisher_view *view,
                    struct dsdn_error *error)
{
    bool made = true;
    int rc = DSDN_OK;
    /* At the start, and when the clock was set back: what is due is waited for anew, not for as long as it
     * stepped. */
    if (!p->made_ms || p->made_ms > view->now_ms) p->made_ms = view->now_ms;
    if (p->waiting_ms != UINT64_MAX && p->waiting_ms > view->now_ms) p->waiting_ms = view->now_ms;
    while (!rc && made) {
        if (p->flight_cnt == DSDN_PUBLISHER_FLIGHT || p->flight_bytes >= DSDN_PUBLISHER_FLIGHT_BYTES) {
            p->state = DSDN_PUBLISHER_FULL;
            return DSDN_OK;
        }
        rc = make(p, view, &made, error);
    }
    return rc;
}

static bool lock_too_fresh(struct dsdn_publisher *p, const struct dsdn_publisher_view *view)
{
    if (!p->fresh_lock) return false;
    if (!p->not_before && dsdn_head(dsdn_engine_state(view->engine))->sequence)
        p->not_before = last_countable(view->head_height, lag_after(view->engine));
    if (view->newest.height < p->not_before) return true;
    p->fresh_lock = false;
    return false;
}

int dsdn_publisher_step(struct dsdn_publisher *p, const struct dsdn_publisher_view *view,
                        struct dsdn_error *error)
{
    const struct dsdn_publisher_options *o = &p->options;
    int rc = dsdn_signer_settled(o->signer, view->settled, error);
    if (!rc) rc = dsdn_pool_settled(o->pool, view->settled, error);
    if (rc) return rc;
    p->state = DSDN_PUBLISHER_PUBLISHING;
    if (p->ahead && (!on_our_way(p, view) || dead(p, view))) forget_ahead(p);
    if (!view->newest.height || view->newest.height + CAUGHT_UP < view->head_height) {
        p->state = DSDN_PUBLISHER_CATCHING_UP;
        return DSDN_OK;
    }
    if (lock_too_fresh(p, view)) {
        p->state = DSDN_PUBLISHER_FRESH_LOCK;
        return DSDN_OK;
    }
    if (!p->ahead) rc = copy_state(p, view, error);
    return rc ? rc : make_all(p, view, error);
}

/* ---- posting ---- */

uint32_t dsdn_publisher_post(struct dsdn_publisher *p, const struct dsdn_publisher_view *view,
                             struct dsdn_view *blobs, uint32_t blobs_max, size_t bytes_max)
{
    uint32_t cnt = 0;
    size_t bytes = 0;
    if (p->posting || !p->flight_cnt || view->newest.height < p->posted_height) return 0;
    /* What could only be included when it does not count any more is not worth its fee. */
    if (view->head_height >= last_countable(p->flight[0].origin_height, lag_after(view->engine))) return 0;
    for (; cnt < p->flight_cnt && cnt < blobs_max; cnt++) {
        const struct flight *flight = &p->flight[cnt];
        const struct dsdn_signed *lock = dsdn_signer_find(p->options.signer, flight->sequence);
        if (flight->origin_height != p->flight[0].origin_height || !lock || !lock->bytes) break;
        if (lock->len > bytes_max - bytes) break;
        blobs[cnt] = (struct dsdn_view){lock->bytes, lock->len};
        bytes += lock->len;
    }
    p->posted_cnt = cnt;
    p->posting = cnt != 0;
    return cnt;
}

void dsdn_publisher_posting(struct dsdn_publisher *p)
{
    p->posting = true;
}

void dsdn_publisher_posted(struct dsdn_publisher *p, uint64_t height)
{
    p->posting = false;
    p->posted_cnt = 0;
    p->posted_height = height;
}

void dsdn_publisher_status(const struct dsdn_publisher *p, struct dsdn_publisher_status *status)
{
    *status = (struct dsdn_publisher_status){
        .state = p->state,
        .next = p->ahead ? dsdn_head(dsdn_engine_state(p->ahead))->sequence : p->base_next,
        .flight = p->flight_cnt,
        .flight_bytes = p->flight_bytes,
        .posted = p->posted_cnt,
        .posting = p->posting,
        .made = p->made,
        .resumed = p->resumed,
        .included = p->included,
        .copies = p->copies,
        .abandoned = p->abandoned};
}
