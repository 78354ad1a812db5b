/* affinity.c: wallets that belong together. */
#include "roles/reducers.h"

dsdn_outcome dsdn_reduce_wallet_affinity_declared(struct dsdn_context *c, const struct dsdn_ev_wallet_affinity_declared *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}
