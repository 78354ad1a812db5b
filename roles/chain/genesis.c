/* genesis.c: accounts, stakes and supply before batch 0. */
#include "roles/chain/ledger.h"

/* Units enter the ledger here and nowhere else. */
static int issue(struct dsdn_row_supply *supply, uint64_t *column, uint64_t *pot, uint64_t units,
                 struct dsdn_error *error)
{
    if (__builtin_add_overflow(supply->issued, units, &supply->issued))
        return dsdn_fail(error, DSDN_E_MALFORMED, "genesis: asset 0 overflows 64 bits");
    *column += units; /* neither can overflow: both are parts of what is issued */
    *pot += units;
    return DSDN_OK;
}

static int put_allocations(struct dsdn_state *s, struct dsdn_row_supply *supply, const struct dsdn_list *list,
                           struct dsdn_error *error)
{
    const uint8_t *at = list->items, *end = at + list->len;
    for (uint32_t i = 0; i < list->count; i++) {
        struct dsdn_rec_allocation a;
        if (!(at = dsdn_get_allocation(at, end, &a))) break; /* cannot be: the genesis was decoded */
        if (a.amount.asset) continue;
        if (!a.amount.units) return dsdn_fail(error, DSDN_E_MALFORMED, "genesis: allocations[%u] is of 0 units", i);
        if (dsdn_account_find(s, a.account) != DSDN_NO_ROW)
            return dsdn_fail(error, DSDN_E_MALFORMED, "genesis: allocations[%u].account occurs twice", i);
        struct dsdn_row_account *row = dsdn_account_edit(s, dsdn_account_insert(s, a.account));
        row->pool = a.pool;
        if (a.vest_start) {
            row->vest_total = a.amount.units;
            row->vest_start = a.vest_start;
            row->vest_cliff_s = a.vest_cliff_s;
            row->vest_len_s = a.vest_len_s;
        }
        int rc = issue(supply, &row->balance, &supply->balances, a.amount.units, error);
        if (rc) return rc;
    }
    return DSDN_OK;
}

static int put_stakes(struct dsdn_state *s, struct dsdn_row_supply *supply, const struct dsdn_list *list,
                      struct dsdn_error *error)
{
    const uint8_t *at = list->items, *end = at + list->len;
    for (uint32_t i = 0; i < list->count; i++) {
        struct dsdn_rec_validator_entry v;
        if (!(at = dsdn_get_validator_entry(at, end, &v))) break;
        if (v.stake.asset || !v.stake.units) continue;
        if (dsdn_stake_find(s, v.id) != DSDN_NO_ROW)
            return dsdn_fail(error, DSDN_E_MALFORMED, "genesis: validators[%u].id occurs twice", i);
        struct dsdn_row_stake *row = dsdn_stake_edit(s, dsdn_stake_insert(s, v.id));
        memcpy(row->staker, v.id, 32);
        row->role = DSDN_NODE_ROLE_VALIDATOR;
        if (dsdn_account_find(s, v.id) == DSDN_NO_ROW) dsdn_account_insert(s, v.id); /* unbonding pays into it */
        int rc = issue(supply, &row->amount, &supply->staked, v.stake.units, error);
        if (rc) return rc;
    }
    return DSDN_OK;
}

int dsdn_chain_genesis(struct dsdn_context *c, const struct dsdn_ev_genesis_declared *genesis,
                       struct dsdn_error *error)
{
    struct dsdn_state *s = c->state;
    if (!dsdn_stake_judged(s)) return DSDN_OK;
    const struct {
        uint32_t table, rows;
    } need[] = {{dsdn_TABLE_account, genesis->allocations.count + genesis->validators.count},
                {dsdn_TABLE_stake, genesis->validators.count},
                {dsdn_TABLE_supply, 1}};
    int rc = DSDN_OK;
    for (size_t i = 0; !rc && i < sizeof need / sizeof *need; i++)
        rc = dsdn_table_reserve(&s->tables[need[i].table], need[i].rows, error);
    if (rc) return rc;
    struct dsdn_row_supply *supply = dsdn_supply_edit(s, dsdn_supply_insert(s, (const uint8_t *)"\0"));
    rc = put_allocations(s, supply, &genesis->allocations, error);
    return rc ? rc : put_stakes(s, supply, &genesis->validators, error);
}
