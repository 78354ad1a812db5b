/* slash.c: proven faults. */
#include "roles/reducers.h"

dsdn_outcome dsdn_reduce_slash_evidence_submitted(struct dsdn_context *c, const struct dsdn_ev_slash_evidence_submitted *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}
