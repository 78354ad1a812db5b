/* committee.c: the committee of the next epoch, the hand-off to it, and the end of the one before
 * (docs/formats/reducers.md, "System").  That the first batch of the next epoch ends the right of the old key
 * is the engine's: it is a rule about batches. */
#include "roles/system/committee.h"

enum { STATE_PENDING = 0, STATE_HANDOFF = 2, METHOD_DECISION = 1 };

static void next_clear(struct dsdn_state *s)
{
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(s, 0);
    memset(head->next_authority, 0, 32);
    head->next_epoch = 0;
    head->next_from = 0;
}

static bool same(const struct dsdn_state *s, const struct dsdn_sys_row_committee *row,
                 const struct dsdn_ev_committee_formed *e)
{
    return dsdn_equal32(row->group_public, e->group_public) && row->threshold == e->threshold &&
           row->epoch_start == e->epoch_start && row->duration_s == e->duration_s &&
           dsdn_equal32(row->seed, e->seed) && dsdn_committee_same(s, e->epoch, &e->members);
}

dsdn_outcome dsdn_reduce_committee_formed(struct dsdn_context *c, const struct dsdn_ev_committee_formed *e)
{
    struct dsdn_state *s = c->state;
    if (e->epoch != dsdn_head(s)->authority_epoch + 1) return DSDN_UNMET(COMMITTEE_EPOCH);
    if (e->method != METHOD_DECISION) return DSDN_UNMET(COMMITTEE_METHOD);
    if (!e->duration_s) return DSDN_UNMET(COMMITTEE_DURATION);
    if (!e->members.count || dsdn_zero32(e->group_public) || !dsdn_committee_sound(&e->members))
        return DSDN_UNMET(AUTHORITY_SHAPE);
    if (e->threshold != dsdn_committee_threshold(e->members.count)) return DSDN_UNMET(AUTHORITY_THRESHOLD);
    uint32_t known = dsdn_committee_find(s, e->epoch);
    if (known != DSDN_NO_ROW) {
        const struct dsdn_sys_row_committee *row = dsdn_sys_committee_at(s, known);
        if (same(s, row, e)) return DSDN_RESULT(NO_EFFECT);
        if (row->state == STATE_HANDOFF && row->handoff_end > c->time_ms) return DSDN_UNMET(HANDOFF_OPEN);
    }

    dsdn_committee_erase(s, e->epoch);
    struct dsdn_sys_row_committee *row =
        dsdn_committee_insert(s, e->epoch, &e->members, e->group_public, e->threshold);
    row->state = STATE_PENDING;
    row->method = e->method;
    row->epoch_start = e->epoch_start;
    row->duration_s = e->duration_s;
    memcpy(row->seed, e->seed, 32);
    next_clear(s);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_committee_handoff_started(struct dsdn_context *c,
                                                   const struct dsdn_ev_committee_handoff_started *e)
{
    struct dsdn_state *s = c->state;
    if (e->from_epoch != dsdn_head(s)->authority_epoch || e->to_epoch != e->from_epoch + 1)
        return DSDN_UNMET(COMMITTEE_EPOCH);
    uint32_t at = dsdn_committee_find(s, e->to_epoch);
    if (at == DSDN_NO_ROW) return DSDN_UNMET(COMMITTEE_UNKNOWN);
    const struct dsdn_sys_row_committee *known = dsdn_sys_committee_at(s, at);
    if (known->state == STATE_HANDOFF)
        return known->handoff_start == e->start && known->handoff_end == e->end ? DSDN_RESULT(NO_EFFECT)
                                                                                : DSDN_UNMET(HANDOFF_OPEN);
    uint64_t end;
    if (__builtin_add_overflow(e->start, (uint64_t)DSDN_SETTING(s, handoff_ms), &end)) end = UINT64_MAX;
    if (e->start < c->time_ms || e->end != end) return DSDN_UNMET(HANDOFF_TIMES);

    struct dsdn_sys_row_committee *row = dsdn_sys_committee_edit(s, at);
    row->state = STATE_HANDOFF;
    row->handoff_start = e->start;
    row->handoff_end = e->end;
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(s, 0);
    memcpy(head->next_authority, row->group_public, 32);
    head->next_epoch = e->to_epoch;
    head->next_from = e->start;
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_committee_handoff_completed(struct dsdn_context *c,
                                                     const struct dsdn_ev_committee_handoff_completed *e)
{
    struct dsdn_state *s = c->state;
    if (e->to_epoch != dsdn_head(s)->authority_epoch) return DSDN_UNMET(COMMITTEE_EPOCH);
    uint32_t at = dsdn_committee_find(s, e->to_epoch);
    if (at == DSDN_NO_ROW) return DSDN_UNMET(COMMITTEE_UNKNOWN);
    if (dsdn_sys_committee_at(s, at)->completed) return DSDN_RESULT(NO_EFFECT);

    struct dsdn_sys_row_committee *row = dsdn_sys_committee_edit(s, at);
    row->completed = 1;
    if (dsdn_committee_find(s, e->to_epoch - 1) != DSDN_NO_ROW) {
        uint64_t due = row->handoff_end > c->time_ms ? row->handoff_end : c->time_ms;
        uint8_t subject[8];
        dsdn_store64_be(subject, e->to_epoch - 1);
        dsdn_deadline_set(c, DSDN_CLOCK_TIME, due, DSDN_DEADLINE_COMMITTEE_END, subject, sizeof subject);
    }
    return DSDN_RESULT(OK);
}

void dsdn_fire_committee_end(struct dsdn_context *c, const uint8_t subject[72])
{
    uint64_t epoch = dsdn_load64_be(subject);
    if (epoch < dsdn_head(c->state)->authority_epoch) dsdn_committee_erase(c->state, epoch);
}
