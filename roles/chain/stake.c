/* stake.c: stake behind nodes and validators: deposits, withdrawals, unbonding. */
#include "roles/chain/ledger.h"
#include "roles/chain/queries.h"

uint64_t dsdn_stake_of(const struct dsdn_state *s, const uint8_t beneficiary[32], uint8_t role,
                       const uint8_t *operator)
{
    uint32_t row = dsdn_stake_find(s, beneficiary);
    if (row == DSDN_NO_ROW) return 0;
    const struct dsdn_row_stake *stake = dsdn_stake_at(s, row);
    return stake->role == role && (!operator || dsdn_equal32(stake->staker, operator)) ? stake->amount : 0;
}

const struct dsdn_row_stake *dsdn_chain_stake(const struct dsdn_state *s, const uint8_t beneficiary[32])
{
    uint32_t row = dsdn_stake_find(s, beneficiary);
    return row == DSDN_NO_ROW ? NULL : dsdn_stake_at(s, row);
}

uint32_t dsdn_chain_withdrawals(const struct dsdn_state *s, const uint8_t beneficiary[32],
                                struct dsdn_withdrawal *out, uint32_t cap)
{
    struct dsdn_walk w;
    uint32_t cnt = 0;
    dsdn_walk_begin(&w, &s->tables[dsdn_TABLE_unbonding], 0, beneficiary, 32);
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

/* Whose stake it may be.  Nobody can take the place of a node's operator or of a validator: otherwise one unit staked by
 * a stranger would lock them out. */
static dsdn_outcome ownership(const struct dsdn_state *s, const struct dsdn_ev_stake_deposited *e, uint32_t row,
                              uint32_t node)
{
    bool validator = e->role == DSDN_NODE_ROLE_VALIDATOR;
    if (validator && !dsdn_equal32(e->staker, e->beneficiary)) return DSDN_UNMET(STAKE_OWNER);
    if (dsdn_stake_held(s, row) && dsdn_stake_at(s, row)->role != e->role) return DSDN_UNMET(STAKE_ROLE);
    if (row != DSDN_NO_ROW && dsdn_stake_at(s, row)->amount &&
        !dsdn_equal32(dsdn_stake_at(s, row)->staker, e->staker))
        return DSDN_UNMET(STAKE_OWNER);
    if (node == DSDN_NO_ROW || dsdn_node_at(s, node)->status == DSDN_NODE_CLOSED) return DSDN_RESULT(OK);
    if (dsdn_node_at(s, node)->role != e->role) return DSDN_UNMET(STAKE_ROLE);
    if (!validator && !dsdn_equal32(dsdn_node_at(s, node)->operator, e->staker)) return DSDN_UNMET(STAKE_OWNER);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_stake_deposited(struct dsdn_context *c, const struct dsdn_ev_stake_deposited *e)
{
    struct dsdn_state *s = c->state;
    if (!dsdn_equal32(c->author, e->staker)) return DSDN_RESULT(NOT_AUTHORISED);
    if (e->amount.asset) return DSDN_UNMET(ASSET_UNKNOWN);
    if (e->role != DSDN_NODE_ROLE_STORAGE && e->role != DSDN_NODE_ROLE_VALIDATOR)
        return DSDN_UNMET(STAKE_ROLE);
    if (!e->amount.units) return DSDN_UNMET(AMOUNT_ZERO);
    uint32_t row = dsdn_stake_find_hashed(s, e->beneficiary, c->hash[0]);
    uint32_t node = dsdn_node_find_hashed(s, e->beneficiary, c->hash[1]);
    dsdn_outcome whose = ownership(s, e, row, node);
    if (whose) return whose;
    uint32_t account = dsdn_account_find(s, c->author);
    if (account == DSDN_NO_ROW || e->amount.units > dsdn_chain_spendable(s, c->author, c->time_ms))
        return DSDN_UNMET(BALANCE_TOO_LOW);
    bool validator = becomes_validator(s, e, row == DSDN_NO_ROW ? 0 : dsdn_stake_at(s, row)->amount);
    if (validator && s->tables[dsdn_sys_TABLE_validator].live_cnt >= DSDN_VALIDATOR_MAX)
        return DSDN_RESULT(LIMIT);

    if (row == DSDN_NO_ROW) row = dsdn_stake_insert_hashed(s, e->beneficiary, c->hash[0]);
    struct dsdn_row_stake *stake = dsdn_stake_edit(s, row);
    memcpy(stake->staker, e->staker, 32);
    stake->role = e->role;
    dsdn_units_move(s, dsdn_purse_account(s, account), dsdn_purse_stake(s, row), e->amount.units);
    if (validator) {
        uint32_t made = dsdn_sys_validator_insert(s, e->beneficiary);
        dsdn_sys_validator_edit(s, made)->since_ms = c->time_ms;
    }
    if (e->role == DSDN_NODE_ROLE_VALIDATOR) dsdn_epoch_due(c);
    dsdn_node_judge(c, node);
    return DSDN_RESULT(OK);
}

/* ---- withdrawal ---- */

static void entry_key(const uint8_t beneficiary[32], uint64_t due, uint8_t key[40])
{
    memcpy(key, beneficiary, 32);
    dsdn_store64_be(key + 32, due);
}

uint32_t dsdn_stake_entry(const struct dsdn_state *s, const uint8_t beneficiary[32], uint64_t due)
{
    uint8_t key[40];
    entry_key(beneficiary, due, key);
    return dsdn_unbonding_find(s, key);
}

/* When a withdrawal made now is paid. */
static uint64_t unbonding_due(const struct dsdn_context *c)
{
    return dsdn_capped_add(c->time_ms, dsdn_whole(DSDN_SETTING(c->state, unbonding_ms)));
}

void dsdn_stake_unbond(struct dsdn_context *c, uint32_t row, uint64_t units)
{
    struct dsdn_state *s = c->state;
    struct dsdn_row_stake *stake = dsdn_stake_edit(s, row);
    uint64_t due = unbonding_due(c);
    uint32_t entry = dsdn_stake_entry(s, stake->beneficiary, due);
    if (entry == DSDN_NO_ROW) {
        uint8_t key[40];
        entry_key(stake->beneficiary, due, key);
        entry = dsdn_unbonding_insert(s, key);
        memcpy(dsdn_unbonding_edit(s, entry)->staker, stake->staker, 32);
        if (stake->unbonding_cnt < UINT8_MAX) stake->unbonding_cnt++;
        dsdn_deadline_set(c, DSDN_CLOCK_OBJECTION, due, DSDN_DEADLINE_UNBONDING_END, key, sizeof key);
    }
    dsdn_units_move(s, dsdn_purse_stake(s, row), dsdn_purse_unbonding(s, entry, row), units);
}

dsdn_outcome dsdn_reduce_stake_withdraw_requested(struct dsdn_context *c,
                                                  const struct dsdn_ev_stake_withdraw_requested *e)
{
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_stake_find_hashed(s, e->beneficiary, c->hash[0]);
    if (row == DSDN_NO_ROW || !dsdn_stake_at(s, row)->amount) return DSDN_UNMET(STAKE_UNKNOWN);
    const struct dsdn_row_stake *stake = dsdn_stake_at(s, row);
    if (!dsdn_equal32(c->author, stake->staker)) return DSDN_RESULT(NOT_AUTHORISED);
    if (e->amount.asset) return DSDN_UNMET(ASSET_UNKNOWN);
    if (!e->amount.units) return DSDN_UNMET(AMOUNT_ZERO);
    if (e->amount.units > stake->amount) return DSDN_UNMET(STAKE_TOO_LOW);
    uint32_t node = dsdn_node_find_hashed(s, e->beneficiary, c->hash[1]);
    if (node != DSDN_NO_ROW && dsdn_node_at(s, node)->cooldown_until > c->time_ms)
        return DSDN_UNMET(NODE_COOLDOWN);
    uint32_t entry = dsdn_stake_entry(s, e->beneficiary, unbonding_due(c));
    if (entry == DSDN_NO_ROW ? stake->unbonding_cnt >= DSDN_UNBONDING_MAX
                             : !dsdn_equal32(dsdn_unbonding_at(s, entry)->staker, stake->staker))
        return DSDN_RESULT(LIMIT);

    dsdn_stake_unbond(c, row, e->amount.units);
    dsdn_epoch_due_for(c, row);
    dsdn_node_judge(c, node);
    return DSDN_RESULT(OK);
}

void dsdn_fire_unbonding_end(struct dsdn_context *c, const uint8_t subject[68])
{
    struct dsdn_state *s = c->state;
    uint32_t entry = dsdn_unbonding_find(s, subject), row = dsdn_stake_find(s, subject);
    if (entry == DSDN_NO_ROW) return;
    uint32_t account = dsdn_account_find(s, dsdn_unbonding_at(s, entry)->staker);
    /* An entry has a stake and its staker an account; in a state nobody verified units go to the treasury
     * instead. */
    dsdn_units_move(s, dsdn_purse_unbonding(s, entry, row),
                    account == DSDN_NO_ROW ? dsdn_purse_treasury() : dsdn_purse_account(s, account),
                    dsdn_unbonding_at(s, entry)->amount);
    if (row != DSDN_NO_ROW && dsdn_stake_at(s, row)->unbonding_cnt) dsdn_stake_edit(s, row)->unbonding_cnt--;
    dsdn_unbonding_erase(s, entry);
}
