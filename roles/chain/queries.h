/* queries.h: reading the ledger: balances, stake, validators, affinity.  Every function takes the state as it
 * is between two events, changes nothing and allocates nothing.  Amounts are base units of asset 0 (1 token =
 * 10^8), times are milliseconds on the batch-time axis, keys 32 bytes.  Rules: docs/formats/reducers.md,
 * "Accounts and stake". */
#ifndef DSDN_ROLES_CHAIN_QUERIES_H
#define DSDN_ROLES_CHAIN_QUERIES_H

#include "roles/tables.h"

/* dsdn_chain_balance: what an account holds, units that still vest included; 0 of an account that never held
 * any. */
uint64_t dsdn_chain_balance(const struct dsdn_state *s, const uint8_t account[32]);

/* dsdn_chain_locked: units of the account that still vest at now_ms (possibly more than it holds). */
uint64_t dsdn_chain_locked(const struct dsdn_state *s, const uint8_t account[32], uint64_t now_ms);

/* dsdn_chain_spendable: what the account could transfer or stake at now_ms: its balance less what is locked.
 */
uint64_t dsdn_chain_spendable(const struct dsdn_state *s, const uint8_t account[32], uint64_t now_ms);

/* dsdn_chain_stake: what `staker` staked behind a node or validator, or NULL.  The row is valid until the next
 * event. */
const struct dsdn_row_stake *dsdn_chain_stake(const struct dsdn_state *s, const uint8_t beneficiary[32],
                                              const uint8_t staker[32]);

/* A withdrawal under way: `units` are paid to the staker once the origin's time has reached due_ms. */
struct dsdn_withdrawal {
    uint64_t due_ms, units;
};

/* dsdn_chain_withdrawals writes the first `cap` withdrawals of a staker from behind a beneficiary, in order of
 * time, and returns how many there are. */
uint32_t dsdn_chain_withdrawals(const struct dsdn_state *s, const uint8_t beneficiary[32],
                                const uint8_t staker[32], struct dsdn_withdrawal *out, uint32_t cap);

/* dsdn_chain_validators writes the first `cap` active validators in order of power (highest first; of equal
 * power the lowest id first) and returns how many it wrote.  Power is column `stake`.  The rows are valid
 * until the next event. */
uint32_t dsdn_chain_validators(const struct dsdn_state *s, const struct dsdn_sys_row_validator **out,
                               uint32_t cap);

/* What is known about two keys; bits of column affinity.kinds. */
enum dsdn_affinity_bit {
    DSDN_AFFINE_SAME_OWNER = 1,    /* both signed for it */
    DSDN_AFFINE_SAME_OPERATOR = 2, /* nodes of one operator */
    DSDN_AFFINE_TRANSFER = 4,      /* a large transfer between them */
};

/* dsdn_chain_affinity: how two keys belong together, in either order; 0: nothing was declared.  A key belongs
 * to itself: SAME_OWNER.  Schedulers must not pair a node with a submitter for whom this is not 0
 * (requirement SCHED-3). */
uint8_t dsdn_chain_affinity(const struct dsdn_state *s, const uint8_t a[32], const uint8_t b[32]);

/* dsdn_supply_sound sums all accounts, stakes and unbonding entries and says whether row supply and the sums
 * in the stakes are right: issued = balances + staked + unbonding + treasury.  Reads every row: for tests and
 * audits.  True of a ledger without rows (feature level 0). */
bool dsdn_supply_sound(const struct dsdn_state *s);

#endif
