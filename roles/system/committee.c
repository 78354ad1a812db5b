/* committee.c: committees of later epochs and the hand-off to them. */
#include "roles/reducers.h"

dsdn_outcome dsdn_reduce_committee_formed(struct dsdn_context *c, const struct dsdn_ev_committee_formed *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

dsdn_outcome dsdn_reduce_committee_handoff_started(struct dsdn_context *c, const struct dsdn_ev_committee_handoff_started *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

dsdn_outcome dsdn_reduce_committee_handoff_completed(struct dsdn_context *c, const struct dsdn_ev_committee_handoff_completed *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

void dsdn_fire_committee_end(struct dsdn_context *c, const uint8_t subject[68])
{
    (void)c, (void)subject;
}
