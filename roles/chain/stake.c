/* stake.c: stake behind nodes and validators: deposits, withdrawals, unbonding. */
#include "roles/chain/ledger.h"
#include "roles/chain/queries.h"

uint32_t dsdn_stake_row(const struct dsdn_state *s, const uint8_t beneficiary[32], const uint8_t staker[32])
{
    uint8_t key[dsdn_KEY_LEN_stake];
    memcpy(key, beneficiary, 32);
    memcpy(key + 32, staker, 32);
    return dsdn_stake_find(s, key);
}

const struct dsdn_row_stake *dsdn_chain_stake(const struct dsdn_state *s, const uint8_t beneficiary[32],
                                              const uint8_t staker[32])
{
    uint32_t row = dsdn_stake_row(s, beneficiary, staker);
    return row == DSDN_NO_ROW ? NULL : dsdn_stake_at(s, row);
}

uint64_t dsdn_stake_of(const struct dsdn_state *s, const uint8_t beneficiary[32], const uint8_t staker[32],
                       uint8_t role)
{
    const struct dsdn_row_stake *stake = dsdn_chain_stake(s, beneficiary, staker);
    return stake && stake->role == role ? stake->amount : 0;
}

uint32_t dsdn_chain_withdrawals(const struct dsdn_state *s, const uint8_t beneficiary[32],
                                const uint8_t staker[32], struct dsdn_withdrawal *out, uint32_t cap)
{
    uint8_t prefix[dsdn_KEY_LEN_stake];
    struct dsdn_walk w;
    uint32_t cnt = 0;
    memcpy(prefix, beneficiary, 32);
    memcpy(prefix + 32, staker, 32);
    dsdn_walk_begin(&w, &s->tables[dsdn_TABLE_unbonding], 0, prefix, sizeof prefix);
    for (uint32_t row; (row = dsdn_walk_next(&w)) != DSDN_NO_ROW; cnt++) {
        const struct dsdn_row_unbonding *entry = dsdn_unbonding_at(s, row);
        if (cnt < cap) out[cnt] = (struct dsdn_withdrawal){dsdn_load64_be(entry->due), entry->amount};
    }
    return cnt;
}

/* ---- deposit ---- */

/* Whether the deposit makes a validator that there is no row for. */
static bool becomes_validator(const struct dsdn_state *s, const struct dsdn_ev_stake_deposited *e,
                              uint64_t amount)
{
    return e->role == DSDN_NODE_ROLE_VALIDATOR &&
           dsdn_capped_add(amount, e->amount.units) >= dsdn_whole(DSDN_SETTING(s, stake_min_validator)) &&
           dsdn_sys_validator_find(s, e->beneficiary) == DSDN_NO_ROW;
}

dsdn_outcome dsdn_reduce_stake_deposited(struct dsdn_context *c, const struct dsdn_ev_stake_deposited *e)
{
    struct dsdn_state *s = c->state;
    if (!dsdn_equal32(c->author, e->staker)) return DSDN_RESULT(NOT_AUTHORISED);
    if (e->amount.asset) return DSDN_UNMET(ASSET_UNKNOWN);
    if (e->role != DSDN_NODE_ROLE_STORAGE && e->role != DSDN_NODE_ROLE_VALIDATOR)
        return DSDN_UNMET(STAKE_ROLE);
    if (!e->amount.units) return DSDN_UNMET(AMOUNT_ZERO);
    if (e->role == DSDN_NODE_ROLE_VALIDATOR && !dsdn_equal32(e->staker, e->beneficiary))
        return DSDN_UNMET(STAKE_OWNER);
    uint8_t key[dsdn_KEY_LEN_stake];
    memcpy(key, e->beneficiary, 32);
    memcpy(key + 32, e->staker, 32);
    uint32_t row = dsdn_stake_find_hashed(s, key, c->hash[0]);
    if (dsdn_stake_held(s, row) && dsdn_stake_at(s, row)->role != e->role) return DSDN_UNMET(STAKE_ROLE);
    uint32_t account = dsdn_account_find(s, c->author);
    if (account == DSDN_NO_ROW || e->amount.units > dsdn_chain_spendable(s, c->author, c->time_ms))
        return DSDN_UNMET(BALANCE_TOO_LOW);
    bool validator = becomes_validator(s, e, row == DSDN_NO_ROW ? 0 : dsdn_stake_at(s, row)->amount);
    if (validator && s->tables[dsdn_sys_TABLE_validator].live_cnt >= DSDN_VALIDATOR_MAX)
        return DSDN_RESULT(LIMIT);

    if (row == DSDN_NO_ROW) row = dsdn_stake_insert_hashed(s, key, c->hash[0]);
    dsdn_stake_edit(s, row)->role = e->role;
    dsdn_units_move(s, dsdn_purse_account(s, account), dsdn_purse_stake(s, row), e->amount.units);
    if (validator) {
        uint32_t made = dsdn_sys_validator_insert(s, e->beneficiary);
        dsdn_sys_validator_edit(s, made)->since_ms = c->time_ms;
    }
    if (e->role == DSDN_NODE_ROLE_VALIDATOR) dsdn_epoch_due(c);
    dsdn_node_judge(c, dsdn_node_find_hashed(s, e->beneficiary, c->hash[1]));
    return DSDN_RESULT(OK);
}

/* ---- withdrawal ---- */

/* When a withdrawal made now is paid. */
static uint64_t unbonding_due(const struct dsdn_context *c)
{
    return dsdn_capped_add(c->time_ms, dsdn_whole(DSDN_SETTING(c->state, unbonding_ms)));
}

/* The key of the entry that a withdrawal from a stake goes to: the stake's, and when it is paid. */
static void entry_key(const struct dsdn_context *c, const struct dsdn_row_stake *stake,
                      uint8_t key[dsdn_KEY_LEN_unbonding])
{
    memcpy(key, stake->beneficiary, dsdn_KEY_LEN_stake);
    dsdn_store64_be(key + dsdn_KEY_LEN_stake, unbonding_due(c));
}

void dsdn_stake_unbond(struct dsdn_context *c, uint32_t row, uint64_t units)
{
    struct dsdn_state *s = c->state;
    struct dsdn_row_stake *stake = dsdn_stake_edit(s, row);
    uint8_t key[dsdn_KEY_LEN_unbonding];
    entry_key(c, stake, key);
    uint32_t entry = dsdn_unbonding_find(s, key);
    if (entry == DSDN_NO_ROW) {
        entry = dsdn_unbonding_insert(s, key);
        if (stake->unbonding_cnt < UINT8_MAX) stake->unbonding_cnt++;
        dsdn_deadline_set(c, DSDN_CLOCK_OBJECTION, unbonding_due(c), DSDN_DEADLINE_UNBONDING_END, key,
                          sizeof key);
    }
    dsdn_units_move(s, dsdn_purse_stake(s, row), dsdn_purse_unbonding(s, entry, row), units);
}

dsdn_outcome dsdn_reduce_stake_withdraw_requested(struct dsdn_context *c,
                                                  const struct dsdn_ev_stake_withdraw_requested *e)
{
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_stake_row(s, e->beneficiary, c->author);
    if (row == DSDN_NO_ROW || !dsdn_stake_at(s, row)->amount) return DSDN_UNMET(STAKE_UNKNOWN);
    const struct dsdn_row_stake *stake = dsdn_stake_at(s, row);
    if (e->amount.asset) return DSDN_UNMET(ASSET_UNKNOWN);
    if (!e->amount.units) return DSDN_UNMET(AMOUNT_ZERO);
    if (e->amount.units > stake->amount) return DSDN_UNMET(STAKE_TOO_LOW);
    uint32_t node = dsdn_node_find_hashed(s, e->beneficiary, c->hash[0]);
    if (node != DSDN_NO_ROW && dsdn_equal32(c->author, dsdn_node_owner(dsdn_node_at(s, node))) &&
        dsdn_node_at(s, node)->cooldown_until > c->time_ms)
        return DSDN_UNMET(NODE_COOLDOWN);
    uint8_t key[dsdn_KEY_LEN_unbonding];
    entry_key(c, stake, key);
    if (stake->unbonding_cnt >= DSDN_UNBONDING_MAX && dsdn_unbonding_find(s, key) == DSDN_NO_ROW)
        return DSDN_RESULT(LIMIT);

    dsdn_stake_unbond(c, row, e->amount.units);
    dsdn_epoch_due_for(c, row);
    dsdn_node_judge(c, node);
    return DSDN_RESULT(OK);
}

void dsdn_fire_unbonding_end(struct dsdn_context *c, const uint8_t subject[72])
{
    struct dsdn_state *s = c->state;
    uint32_t entry = dsdn_unbonding_find(s, subject), row = dsdn_stake_find(s, subject);
    if (entry == DSDN_NO_ROW) return;
    uint32_t account = dsdn_account_find(s, dsdn_unbonding_at(s, entry)->staker);
    /* An entry has a stake, and its staker an account; in a state nobody verified units go to the treasury
     * instead. */
    dsdn_units_move(s, dsdn_purse_unbonding(s, entry, row),
                    account == DSDN_NO_ROW ? dsdn_purse_treasury() : dsdn_purse_account(s, account),
                    dsdn_unbonding_at(s, entry)->amount);
    if (row != DSDN_NO_ROW && dsdn_stake_at(s, row)->unbonding_cnt) dsdn_stake_edit(s, row)->unbonding_cnt--;
    dsdn_unbonding_erase(s, entry);
}
