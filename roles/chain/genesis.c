/* genesis.c: accounts, stakes and supply before batch 0. */
#include "roles/reducers.h"

int dsdn_chain_genesis(struct dsdn_context *c, const struct dsdn_ev_genesis_declared *genesis,
                       struct dsdn_error *error)
{
    (void)c, (void)genesis, (void)error;
    return DSDN_OK;
}
