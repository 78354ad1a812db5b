/* transfer.c: tokens move from account to account. */
#include "roles/chain/ledger.h"
#include "roles/chain/queries.h"

uint64_t dsdn_account_locked(const struct dsdn_row_account *a, uint64_t now_ms)
{
    uint64_t length = dsdn_capped_mul(a->vest_len_s, 1000), cliff = dsdn_capped_mul(a->vest_cliff_s, 1000);
    if (now_ms >= dsdn_capped_add(a->vest_start, length)) return 0;
    if (now_ms < dsdn_capped_add(a->vest_start, cliff)) return a->vest_total;
    return a->vest_total - dsdn_part_of(a->vest_total, now_ms - a->vest_start, length);
}

uint64_t dsdn_chain_balance(const struct dsdn_state *s, const uint8_t account[32])
{
    uint32_t row = dsdn_account_find(s, account);
    return row == DSDN_NO_ROW ? 0 : dsdn_account_at(s, row)->balance;
}

uint64_t dsdn_chain_locked(const struct dsdn_state *s, const uint8_t account[32], uint64_t now_ms)
{
    uint32_t row = dsdn_account_find(s, account);
    return row == DSDN_NO_ROW ? 0 : dsdn_account_locked(dsdn_account_at(s, row), now_ms);
}

uint64_t dsdn_chain_spendable(const struct dsdn_state *s, const uint8_t account[32], uint64_t now_ms)
{
    uint32_t row = dsdn_account_find(s, account);
    if (row == DSDN_NO_ROW) return 0;
    const struct dsdn_row_account *a = dsdn_account_at(s, row);
    return dsdn_capped_sub(a->balance, dsdn_account_locked(a, now_ms));
}

/* A large transfer links its two wallets for a while.  A link lives as long as its newest deadline. */
static void link_wallets(struct dsdn_context *c, const uint8_t from[32], const uint8_t to[32])
{
    struct dsdn_state *s = c->state;
    uint64_t window = dsdn_whole(DSDN_SETTING(s, affinity_window_ms));
    uint8_t key[64];
    memcpy(key, from, 32);
    memcpy(key + 32, to, 32);
    uint32_t row = dsdn_transfer_link_find(s, key);
    if (row == DSDN_NO_ROW)
        row = dsdn_transfer_link_insert(s, key);
    else
        dsdn_deadline_clear(c, DSDN_CLOCK_TIME,
                            dsdn_capped_add(dsdn_transfer_link_at(s, row)->last_ms, window),
                            DSDN_DEADLINE_TRANSFER_LINK_END, key, sizeof key);
    dsdn_transfer_link_edit(s, row)->last_ms = c->time_ms;
    dsdn_deadline_set(c, DSDN_CLOCK_TIME, dsdn_capped_add(c->time_ms, window),
                      DSDN_DEADLINE_TRANSFER_LINK_END, key, sizeof key);
}

dsdn_outcome dsdn_reduce_transfer(struct dsdn_context *c, const struct dsdn_ev_transfer *e)
{
    struct dsdn_state *s = c->state;
    uint64_t fee = dsdn_whole(DSDN_SETTING(s, transfer_fee)), units = e->amount.units, total;
    if (e->amount.asset || e->max_fee.asset) return DSDN_UNMET(ASSET_UNKNOWN);
    if (!units) return DSDN_UNMET(AMOUNT_ZERO);
    if (dsdn_equal32(e->to, c->author)) return DSDN_UNMET(TRANSFER_SELF);
    if (fee > e->max_fee.units) return DSDN_UNMET(FEE_ABOVE_MAX);
    if (__builtin_add_overflow(units, fee, &total) || total > dsdn_chain_spendable(s, c->author, c->time_ms))
        return DSDN_UNMET(BALANCE_TOO_LOW);

    uint32_t to = dsdn_account_find_hashed(s, e->to, c->hash[0]);
    if (to == DSDN_NO_ROW) to = dsdn_account_insert_hashed(s, e->to, c->hash[0]);
    uint32_t from = dsdn_account_find(s, c->author);
    dsdn_units_move(s, dsdn_purse_account(s, from), dsdn_purse_account(s, to), units);
    dsdn_units_move(s, dsdn_purse_account(s, from), dsdn_purse_treasury(), fee);
    if (units >= dsdn_whole(DSDN_SETTING(s, affinity_transfer_min))) link_wallets(c, c->author, e->to);
    return DSDN_RESULT(OK);
}

void dsdn_fire_transfer_link_end(struct dsdn_context *c, const uint8_t subject[72])
{
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_transfer_link_find(s, subject);
    if (row == DSDN_NO_ROW) return;
    uint64_t window = dsdn_whole(DSDN_SETTING(s, affinity_window_ms));
    if (dsdn_capped_add(dsdn_transfer_link_at(s, row)->last_ms, window) <= c->time_ms)
        dsdn_transfer_link_erase(s, row);
}
