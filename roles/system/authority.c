/* authority.c: a quorum puts a new authority in place of a lost one (protocol.md, section 9).  That the batch
 * is a takeover batch with its certificate is the batch's validity; here only the shape of the new authority
 * is judged. */
#include "roles/system/committee.h"

enum { STATE_ACTIVE = 1, METHOD_TAKEOVER = 3 };

dsdn_outcome dsdn_reduce_authority_replaced(struct dsdn_context *c,
                                            const struct dsdn_ev_authority_replaced *e)
{
    bool committee = e->committee.count > 0;
    if ((e->publisher != NULL) == committee || (e->group_public != NULL) != committee)
        return DSDN_UNMET(AUTHORITY_SHAPE);
    const uint8_t *key = committee ? e->group_public : e->publisher;
    if (dsdn_zero32(key) || !dsdn_committee_sound(&e->committee)) return DSDN_UNMET(AUTHORITY_SHAPE);
    if (e->threshold != (committee ? dsdn_committee_threshold(e->committee.count) : 0))
        return DSDN_UNMET(AUTHORITY_THRESHOLD);
    struct dsdn_state *s = c->state;
    const struct dsdn_sys_row_head *known = dsdn_head(s);
    if (dsdn_equal32(known->authority, key)) return DSDN_RESULT(NO_EFFECT);

    /* A committee of the next epoch that was formed, or even in hand-off, is as void as the present one. */
    uint64_t epoch = known->authority_epoch + 1;
    dsdn_committee_erase(s, epoch - 1);
    dsdn_committee_erase(s, epoch);
    if (committee) {
        struct dsdn_sys_row_committee *row =
            dsdn_committee_insert(s, epoch, &e->committee, key, e->threshold);
        row->state = STATE_ACTIVE;
        row->method = METHOD_TAKEOVER;
        row->epoch_start = row->handoff_start = c->time_ms;
    }
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(s, 0);
    memcpy(head->authority, key, 32);
    head->authority_epoch = epoch;
    memset(head->next_authority, 0, 32);
    head->next_epoch = 0;
    head->next_from = 0;
    return DSDN_RESULT(OK);
}
