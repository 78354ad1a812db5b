/* genesis.c: accounts, stakes and supply before batch 0.  The genesis was checked (log/genesis.h): each
 * account is allocated to once, each validator stands once, nothing is of 0 units and all units of an asset
 * fit 64 bits.  The engine has reserved the rows. */
#include "roles/chain/ledger.h"

/* Units enter the ledger here and nowhere else. */
static void issue(struct dsdn_row_supply *supply, uint64_t *column, uint64_t *pot, uint64_t units)
{
    *column += units;
    *pot += units;
    supply->issued += units;
}

static void put_allocations(struct dsdn_state *s, struct dsdn_row_supply *supply,
                            const struct dsdn_list *list)
{
    const uint8_t *at = list->items, *end = at + list->len;
    for (uint32_t i = 0; i < list->count; i++) {
        struct dsdn_rec_allocation a;
        if (!(at = dsdn_get_allocation(at, end, &a))) return; /* cannot be: the genesis was decoded */
        if (a.amount.asset) continue;
        struct dsdn_row_account *row = dsdn_account_edit(s, dsdn_account_insert(s, a.account));
        row->pool = a.pool;
        if (a.vest_start) {
            row->vest_total = a.amount.units;
            row->vest_start = a.vest_start;
            row->vest_cliff_s = a.vest_cliff_s;
            row->vest_len_s = a.vest_len_s;
        }
        issue(supply, &row->balance, &supply->balances, a.amount.units);
    }
}

static void put_stakes(struct dsdn_state *s, struct dsdn_row_supply *supply, const struct dsdn_list *list)
{
    const uint8_t *at = list->items, *end = at + list->len;
    for (uint32_t i = 0; i < list->count; i++) {
        struct dsdn_rec_validator_entry v;
        if (!(at = dsdn_get_validator_entry(at, end, &v))) return;
        if (v.stake.asset || !v.stake.units) continue;
        uint8_t key[dsdn_KEY_LEN_stake];
        memcpy(key, v.id, 32);
        memcpy(key + 32, v.id, 32);
        struct dsdn_row_stake *row = dsdn_stake_edit(s, dsdn_stake_insert(s, key));
        row->role = DSDN_NODE_ROLE_VALIDATOR;
        if (dsdn_account_find(s, v.id) == DSDN_NO_ROW)
            dsdn_account_insert(s, v.id); /* unbonding pays into it */
        issue(supply, &row->amount, &supply->staked, v.stake.units);
    }
}

int dsdn_chain_genesis(struct dsdn_context *c, const struct dsdn_ev_genesis_declared *genesis,
                       struct dsdn_error *error)
{
    (void)error; /* nothing can fail */
    struct dsdn_state *s = c->state;
    if (!dsdn_stake_judged(s)) return DSDN_OK;
    struct dsdn_row_supply *supply = dsdn_supply_edit(s, dsdn_supply_insert(s, "\0"));
    put_allocations(s, supply, &genesis->allocations);
    put_stakes(s, supply, &genesis->validators);
    return DSDN_OK;
}
