/* ledger.c: units move between purses, and the sums with them. */
#include "roles/chain/ledger.h"

#include "roles/chain/queries.h"

static uint64_t *sum_of(struct dsdn_row_supply *supply, enum dsdn_pot pot)
{
    switch (pot) {
    case DSDN_POT_BALANCES: return &supply->balances;
    case DSDN_POT_STAKED: return &supply->staked;
    case DSDN_POT_UNBONDING: return &supply->unbonding;
    default: return &supply->treasury;
    }
}

static void purse_take(struct dsdn_row_supply *supply, struct dsdn_purse purse, uint64_t units)
{
    uint64_t *columns[] = {purse.units, purse.sum, supply ? sum_of(supply, purse.pot) : NULL};
    for (int i = 0; i < 3; i++)
        if (columns[i]) *columns[i] = dsdn_capped_sub(*columns[i], units);
}

static void purse_put(struct dsdn_row_supply *supply, struct dsdn_purse purse, uint64_t units)
{
    uint64_t *columns[] = {purse.units, purse.sum, supply ? sum_of(supply, purse.pot) : NULL};
    for (int i = 0; i < 3; i++)
        if (columns[i]) *columns[i] = dsdn_capped_add(*columns[i], units);
}

void dsdn_units_move(struct dsdn_state *s, struct dsdn_purse from, struct dsdn_purse to, uint64_t units)
{
    uint32_t row = dsdn_supply_find(s, "\0");
    struct dsdn_row_supply *supply = row == DSDN_NO_ROW ? NULL : dsdn_supply_edit(s, row);
    purse_take(supply, from, units);
    purse_put(supply, to, units);
}

void dsdn_chain_charge(struct dsdn_state *s, const uint8_t account[32], uint64_t units)
{
    uint32_t row = dsdn_account_find(s, account);
    if (row != DSDN_NO_ROW) dsdn_units_move(s, dsdn_purse_account(s, row), dsdn_purse_treasury(), units);
}

/* ---- is it sound? ---- */

static bool add(uint64_t *sum, uint64_t units)
{
    return !__builtin_add_overflow(*sum, units, sum);
}

/* The unbonding columns of a stake say what its entries do. */
static bool entries_sound(const struct dsdn_state *s, const struct dsdn_row_stake *stake)
{
    struct dsdn_walk w;
    uint64_t sum = 0;
    uint32_t cnt = 0;
    dsdn_walk_begin(&w, &s->tables[dsdn_TABLE_unbonding], 0, stake->beneficiary, dsdn_KEY_LEN_stake);
    for (uint32_t row; (row = dsdn_walk_next(&w)) != DSDN_NO_ROW; cnt++)
        if (!add(&sum, dsdn_unbonding_at(s, row)->amount)) return false;
    return sum == stake->unbonding && cnt == stake->unbonding_cnt;
}

bool dsdn_supply_sound(const struct dsdn_state *s)
{
    const struct dsdn_table *accounts = &s->tables[dsdn_TABLE_account],
                            *stakes = &s->tables[dsdn_TABLE_stake],
                            *entries = &s->tables[dsdn_TABLE_unbonding];
    uint32_t row = dsdn_supply_find(s, "\0");
    if (row == DSDN_NO_ROW) return !accounts->live_cnt && !stakes->live_cnt && !entries->live_cnt;
    const struct dsdn_row_supply *supply = dsdn_supply_at(s, row);
    uint64_t balances = 0, staked = 0, unbonding = 0, issued = 0;
    for (uint32_t i = 0; i < accounts->row_end; i++)
        if (dsdn_table_live(accounts, i) && !add(&balances, dsdn_account_at(s, i)->balance)) return false;
    for (uint32_t i = 0; i < stakes->row_end; i++)
        if (dsdn_table_live(stakes, i) &&
            (!add(&staked, dsdn_stake_at(s, i)->amount) || !entries_sound(s, dsdn_stake_at(s, i))))
            return false;
    for (uint32_t i = 0; i < entries->row_end; i++)
        if (dsdn_table_live(entries, i) && !add(&unbonding, dsdn_unbonding_at(s, i)->amount)) return false;
    return add(&issued, balances) && add(&issued, staked) && add(&issued, unbonding) &&
           add(&issued, supply->treasury) && issued == supply->issued && balances == supply->balances &&
           staked == supply->staked && unbonding == supply->unbonding;
}
