/* stake.c: stake behind nodes and validators. */
#include "roles/reducers.h"

uint64_t dsdn_stake_of(const struct dsdn_state *s, const uint8_t beneficiary[32])
{
    uint32_t row = dsdn_stake_find(s, beneficiary);
    return row == DSDN_NO_ROW ? 0 : dsdn_stake_at(s, row)->amount;
}

dsdn_outcome dsdn_reduce_stake_deposited(struct dsdn_context *c, const struct dsdn_ev_stake_deposited *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

dsdn_outcome dsdn_reduce_stake_withdraw_requested(struct dsdn_context *c, const struct dsdn_ev_stake_withdraw_requested *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

void dsdn_fire_unbonding_end(struct dsdn_context *c, const uint8_t subject[68])
{
    (void)c, (void)subject;
}
