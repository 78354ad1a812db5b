/* transfer.c: tokens move. */
#include "roles/reducers.h"

dsdn_outcome dsdn_reduce_transfer(struct dsdn_context *c, const struct dsdn_ev_transfer *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

void dsdn_fire_transfer_link_end(struct dsdn_context *c, const uint8_t subject[68])
{
    (void)c, (void)subject;
}
