/* audit.c: the mirror of audit logs. */
#include "roles/reducers.h"

dsdn_outcome dsdn_reduce_audit_record_posted(struct dsdn_context *c, const struct dsdn_ev_audit_record_posted *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

dsdn_outcome dsdn_reduce_worm_segment_sealed(struct dsdn_context *c, const struct dsdn_ev_worm_segment_sealed *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}
