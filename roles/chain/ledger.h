/* ledger.h: what the reducers of the ledger share.
 *
 * Units are always in one of four pots: balances of accounts, stakes, unbonding entries, the treasury.  Row
 * supply has a sum for each, and a stake the sum of its entries.  dsdn_units_move is the only function that
 * changes any of them after the genesis, so the sums hold after every event: what leaves one row and its sums
 * enters another and its. */
#ifndef DSDN_ROLES_CHAIN_LEDGER_H
#define DSDN_ROLES_CHAIN_LEDGER_H

#include "roles/chain/amount.h"
#include "roles/reducers.h"

enum dsdn_pot { DSDN_POT_BALANCES, DSDN_POT_STAKED, DSDN_POT_UNBONDING, DSDN_POT_TREASURY };

/* A place where units are: a column of a row, or the treasury. */
struct dsdn_purse {
    enum dsdn_pot pot;
    uint64_t *units; /* the column; NULL: the treasury, which is in row supply itself */
    uint64_t *sum;   /* of an unbonding entry: stake.unbonding; NULL: no stake, or no such sum */
};

static inline struct dsdn_purse dsdn_purse_account(struct dsdn_state *s, uint32_t row)
{
    return (struct dsdn_purse){DSDN_POT_BALANCES, &dsdn_account_edit(s, row)->balance, NULL};
}

static inline struct dsdn_purse dsdn_purse_stake(struct dsdn_state *s, uint32_t row)
{
    return (struct dsdn_purse){DSDN_POT_STAKED, &dsdn_stake_edit(s, row)->amount, NULL};
}

/* `stake` is the row of the entry's beneficiary and staker, or DSDN_NO_ROW. */
static inline struct dsdn_purse dsdn_purse_unbonding(struct dsdn_state *s, uint32_t row, uint32_t stake)
{
    return (struct dsdn_purse){DSDN_POT_UNBONDING, &dsdn_unbonding_edit(s, row)->amount,
                               stake == DSDN_NO_ROW ? NULL : &dsdn_stake_edit(s, stake)->unbonding};
}

static inline struct dsdn_purse dsdn_purse_treasury(void)
{
    return (struct dsdn_purse){DSDN_POT_TREASURY, NULL, NULL};
}

/* dsdn_units_move moves units from one purse to another and keeps the sums.  The caller checked that they are
 * there.  A sum that is wrong, as in a state nobody verified, stops at 0 or 2^64 - 1. */
void dsdn_units_move(struct dsdn_state *s, struct dsdn_purse from, struct dsdn_purse to, uint64_t units);

/* dsdn_stake_held: something is staked or unbonds there.  `row` may be DSDN_NO_ROW. */
static inline bool dsdn_stake_held(const struct dsdn_state *s, uint32_t row)
{
    return row != DSDN_NO_ROW && (dsdn_stake_at(s, row)->amount | dsdn_stake_at(s, row)->unbonding);
}

/* dsdn_stake_unbond begins to pay `units` of a stake back: an unbonding entry and its deadline.  Needs room
 * for 1 unbonding and 1 deadline. */
void dsdn_stake_unbond(struct dsdn_context *c, uint32_t row, uint64_t units);

/* dsdn_stake_row: what `staker` staked behind a beneficiary, or DSDN_NO_ROW. */
uint32_t dsdn_stake_row(const struct dsdn_state *s, const uint8_t beneficiary[32], const uint8_t staker[32]);

/* dsdn_epoch_due has the validator set computed anew at the next multiple of validator_epoch_ms.  Needs room
 * for 1 deadline. */
void dsdn_epoch_due(struct dsdn_context *c);

/* dsdn_epoch_due_for does so when a stake is a validator's: role 2 and a row validator. */
void dsdn_epoch_due_for(struct dsdn_context *c, uint32_t stake);

/* dsdn_account_locked: units of an account that still vest at a time (ms). */
uint64_t dsdn_account_locked(const struct dsdn_row_account *account, uint64_t now_ms);

/* dsdn_chain_charge moves units of an account to the treasury: the fee of a direct bundle.  The caller saw that they
 * are there. */
void dsdn_chain_charge(struct dsdn_state *s, const uint8_t account[32], uint64_t units);

#define DSDN_UNBONDING_MAX 16u   /* entries of one stake that withdrawals make */
#define DSDN_VALIDATOR_MAX 4096u /* rows of table validator that deposits make */

#endif
