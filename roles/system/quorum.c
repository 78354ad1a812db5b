/* quorum.c: the next quorum set. */
#include "roles/reducers.h"

dsdn_outcome dsdn_reduce_quorum_validator_set_declared(struct dsdn_context *c, const struct dsdn_ev_quorum_validator_set_declared *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}
