/* fallback.c: activations of a fallback and the reconciliation behind them (docs/formats/reducers.md,
 * "Fallback"). Recorded facts: nothing else follows from them. */
#include "roles/reducers.h"

enum { CLOSED = 0, OPEN = 1, RECONCILING = 2, RECONCILED = 3 };
enum { LAYER_QUORUM = 1 };

static bool any_open(const struct dsdn_state *s)
{
    for (uint8_t state = OPEN; state <= RECONCILED; state++) {
        struct dsdn_walk w;
        dsdn_walk_begin(&w, &s->tables[dsdn_TABLE_fallback], 0, &state, 1);
        if (dsdn_walk_next(&w) != DSDN_NO_ROW) return true;
    }
    return false;
}

static bool same_activation(const struct dsdn_row_fallback *f, const struct dsdn_ev_fallback_activated *e)
{
    return f->layer == e->layer && f->last_height == e->celestia_last_height &&
           f->activated_at == e->activated_at && f->reason_len == e->reason.len &&
           memcmp(f->reason, e->reason.bytes, e->reason.len) == 0;
}

dsdn_outcome dsdn_reduce_fallback_activated(struct dsdn_context *c,
                                            const struct dsdn_ev_fallback_activated *e)
{
    struct dsdn_state *s = c->state;
    if (!e->layer) return DSDN_UNMET(FALLBACK_LAYER);
    dsdn_outcome agreed = e->layer == LAYER_QUORUM ? dsdn_quorum_agrees(c, &e->approvals)
                                                   : dsdn_quorum_or_founders_agree(c, &e->approvals);
    if (agreed) return agreed;
    if (!c->has_primary) return DSDN_UNMET(NO_PRIMARY);
    uint32_t row = dsdn_fallback_find(s, e->activation_id);
    if (row != DSDN_NO_ROW)
        return same_activation(dsdn_fallback_at(s, row), e) ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
    if (any_open(s)) return DSDN_UNMET(FALLBACK_OPEN);

    struct dsdn_row_fallback *f = dsdn_fallback_edit(s, dsdn_fallback_insert(s, e->activation_id));
    f->state = OPEN;
    f->layer = e->layer;
    f->last_height = e->celestia_last_height;
    f->activated_at = e->activated_at;
    f->activated_ms = c->time_ms;
    f->reason_len = (uint8_t)e->reason.len;
    memcpy(f->reason, e->reason.bytes, e->reason.len);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_fallback_deactivated(struct dsdn_context *c,
                                              const struct dsdn_ev_fallback_deactivated *e)
{
    struct dsdn_state *s = c->state;
    dsdn_outcome agreed = dsdn_quorum_or_founders_agree(c, &e->approvals);
    if (agreed) return agreed;
    uint32_t row = dsdn_fallback_find(s, e->activation_id);
    if (row == DSDN_NO_ROW) return DSDN_UNMET(FALLBACK_UNKNOWN);
    const struct dsdn_row_fallback *known = dsdn_fallback_at(s, row);
    if (known->state == CLOSED) {
        bool same = known->recovery_height == e->celestia_recovery_height &&
                    known->blobs_reconciled == e->blobs_reconciled &&
                    known->deactivated_at == e->deactivated_at;
        return same ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
    }
    if (e->celestia_recovery_height < known->last_height || e->deactivated_at < known->activated_at)
        return DSDN_UNMET(FALLBACK_ORDER);

    struct dsdn_row_fallback *f = dsdn_fallback_edit_indexed(s, row);
    f->state = CLOSED;
    f->recovery_height = e->celestia_recovery_height;
    f->blobs_reconciled = e->blobs_reconciled;
    f->deactivated_at = e->deactivated_at;
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_reconciliation_started(struct dsdn_context *c,
                                                const struct dsdn_ev_reconciliation_started *e)
{
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_fallback_find(s, e->activation_id);
    if (row == DSDN_NO_ROW) return DSDN_UNMET(FALLBACK_UNKNOWN);
    const struct dsdn_row_fallback *known = dsdn_fallback_at(s, row);
    if (known->state == CLOSED) return DSDN_UNMET(FALLBACK_CLOSED);
    if (known->state == RECONCILING)
        return known->pending_cnt == e->pending_count && known->started_at == e->started_at
                   ? DSDN_RESULT(NO_EFFECT)
                   : DSDN_RESULT(CONFLICT);

    struct dsdn_row_fallback *f = dsdn_fallback_edit_indexed(s, row);
    f->state = RECONCILING;
    f->rounds++;
    f->pending_cnt = e->pending_count;
    f->started_at = e->started_at;
    f->reconciled_cnt = f->failed_cnt = f->completed_at = 0;
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_reconciliation_completed(struct dsdn_context *c,
                                                  const struct dsdn_ev_reconciliation_completed *e)
{
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_fallback_find(s, e->activation_id);
    if (row == DSDN_NO_ROW) return DSDN_UNMET(FALLBACK_UNKNOWN);
    const struct dsdn_row_fallback *known = dsdn_fallback_at(s, row);
    if (known->state == CLOSED) return DSDN_UNMET(FALLBACK_CLOSED);
    if (known->state == OPEN) return DSDN_UNMET(RECONCILIATION_NOT_STARTED);
    if (known->state == RECONCILED) {
        bool same = known->reconciled_cnt == e->reconciled_count && known->failed_cnt == e->failed_count &&
                    known->completed_at == e->completed_at;
        return same ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
    }
    uint64_t sum;
    if (__builtin_add_overflow(e->reconciled_count, e->failed_count, &sum) || sum > known->pending_cnt)
        return DSDN_UNMET(RECONCILIATION_COUNT);

    struct dsdn_row_fallback *f = dsdn_fallback_edit_indexed(s, row);
    f->state = RECONCILED;
    f->reconciled_cnt = e->reconciled_count;
    f->failed_cnt = e->failed_count;
    f->completed_at = e->completed_at;
    return DSDN_RESULT(OK);
}
