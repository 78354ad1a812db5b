/* wild_events.c: one event at a time: sensible, and then perhaps bent. */
#include "tests/twin/wild_pieces.h"

/* ---- choosing ---- */

struct making {
    int event;
    maker *make;
    uint8_t family; /* of themes; below */
};
enum { NODE = 1, STORE = 2, CHAIN = 4, FAULT = 8, SYSTEM = 16, SEATED = 32, FALL = 64 };
#define MAKING(name, family)                                                                                 \
    {                                                                                                        \
        dsdn_EVENT_##name, make_##name, family                                                               \
    }

static const struct making makings[] = {
    MAKING(checkpoint_declared, SYSTEM),
    MAKING(param_changed, SYSTEM),
    MAKING(wallet_affinity_declared, CHAIN),
    MAKING(authority_replaced, SEATED),
    MAKING(node_registered, NODE | FAULT),
    MAKING(node_updated, NODE),
    MAKING(operator_bound, NODE),
    MAKING(node_tls_rotated, NODE),
    MAKING(node_heartbeat, NODE),
    MAKING(node_status_set, NODE | FAULT),
    MAKING(node_deregistered, NODE),
    MAKING(object_declared, STORE),
    MAKING(chunk_declared, STORE),
    MAKING(replica_assigned, STORE),
    MAKING(replica_added, STORE),
    MAKING(replica_added, STORE), /* twice: few assignments live long enough */
    MAKING(replica_removed, STORE),
    MAKING(delete_requested, 0),
    MAKING(replica_missing_reported, STORE),
    MAKING(replica_healed, STORE),
    MAKING(heal_assigned, STORE),
    MAKING(fallback_activated, FALL),
    MAKING(fallback_deactivated, FALL),
    MAKING(reconciliation_started, FALL),
    MAKING(reconciliation_completed, FALL),
    MAKING(quorum_validator_set_declared, SYSTEM | SEATED),
    MAKING(committee_formed, SEATED),
    MAKING(committee_handoff_started, SEATED),
    MAKING(committee_handoff_completed, SEATED),
    MAKING(transfer, CHAIN),
    MAKING(stake_deposited, CHAIN | FAULT),
    MAKING(stake_withdraw_requested, CHAIN),
    MAKING(slash_evidence_submitted, FAULT | FAULT),
    MAKING(audit_record_posted, FALL),
    MAKING(worm_segment_sealed, FALL),
    MAKING(upgrade_scheduled, SYSTEM),
    MAKING(upgrade_cancelled, SYSTEM),
};
enum { MAKINGS = sizeof makings / sizeof *makings };

static const uint8_t favourites[WILD_THEMES] = {
    [WILD_MIXED] = 0,        [WILD_NODES] = NODE,      [WILD_STORAGE] = STORE,    [WILD_CHAIN] = CHAIN,
    [WILD_FAULTS] = FAULT,   [WILD_SYSTEM] = SYSTEM,   [WILD_COMMITTEE] = SEATED, [WILD_FALLBACK] = FALL,
    [WILD_PENDING] = SYSTEM, [WILD_UPGRADES] = SYSTEM, [WILD_UNBONDING] = CHAIN,  [WILD_CROWD] = STORE,
    [WILD_SWEEP] = NODE,     [WILD_FULL] = STORE,
};

void wild_empty(struct wild *w, struct draft *d, int event)
{
    memset(d, 0, sizeof *d);
    d->event = event;
    d->version = dsdn_event_table.events[event].version;
    d->author = NOBODY;
    /* Fields that nobody fills are zero bytes, not nothing. */
    for (const struct dsdn_field *f = dsdn_event_table.events[event].fields(); f->name; f++)
        if (f->kind == DSDN_K_id || f->kind == DSDN_K_hash || f->kind == DSDN_K_addr ||
            f->kind == DSDN_K_sig) {
            const uint8_t *zero = memset(room(w, 64), 0, 64);
            memcpy(d->d.bytes + f->offset, &zero, sizeof zero);
        } else if (f->kind == DSDN_K_opt_u8) {
            int16_t absent = -1;
            memcpy(d->d.bytes + f->offset, &absent, sizeof absent);
        }
}

void wild_bend(struct wild *w, struct draft *d)
{
    static const uint8_t widths[DSDN_KIND_CNT] = {
        [DSDN_K_u8] = 1,  [DSDN_K_choice] = 1, [DSDN_K_u16] = 2,  [DSDN_K_u32] = 4,
        [DSDN_K_u64] = 8, [DSDN_K_i64] = 8,    [DSDN_K_time] = 8, [DSDN_K_height] = 8,
    };
    const struct dsdn_field *fields = dsdn_event_table.events[d->event].fields(), *f;
    uint32_t cnt = 0;
    while (fields[cnt].name) cnt++;
    f = &fields[below(w, cnt)];
    uint8_t *at = d->d.bytes + f->offset;
    if (widths[f->kind]) {
        uint64_t number = 0;
        memcpy(&number, at, widths[f->kind]);
        uint64_t others[] = {number - 1, number + 1,  0,
                             UINT64_MAX, below(w, 5), number ^ 1ull << below(w, 64)};
        number = others[below(w, 6)];
        if (f->kind == DSDN_K_choice) number = below(w, f->max + 1u);
        memcpy(at, &number, widths[f->kind]);
    } else if (f->kind == DSDN_K_id || f->kind == DSDN_K_hash || f->kind == DSDN_K_addr) {
        const uint8_t *others[] = {id_of((uint32_t)below(w, PEOPLE)),
                                   memset(room(w, 32), 0, 32),
                                   some_node(w),
                                   some_chunk(w),
                                   thing(w, "object", below(w, 6)),
                                   random_hash(w)};
        memcpy(at, &others[below(w, 6)], sizeof *others);
    } else if (f->kind == DSDN_K_opt_id || f->kind == DSDN_K_opt_hash) {
        const uint8_t *other = one_in(w, 2) ? NULL : id_of((uint32_t)below(w, PEOPLE));
        memcpy(at, &other, sizeof other);
    } else if (f->kind == DSDN_K_opt_u8) {
        int16_t other = (int16_t)((int)below(w, f->max + 2u) - 1);
        memcpy(at, &other, sizeof other);
    } else if (f->kind == DSDN_K_amt) {
        struct dsdn_amount amount;
        memcpy(&amount, at, sizeof amount);
        if (one_in(w, 4))
            amount.asset++;
        else
            amount.units = near(w, amount.units);
        memcpy(at, &amount, sizeof amount);
    } else if (f->kind == DSDN_K_str) {
        struct dsdn_view other = one_in(w, 2) ? text(w, "") : text(w, "other");
        memcpy(at, &other, sizeof other);
    }
}

void wild_draft(struct wild *w, struct draft *d)
{
    const struct making *m;
    do m = &makings[below(w, MAKINGS)];
    while ((!(m->family & favourites[w->theme]) && favourites[w->theme] && !one_in(w, 8)) ||
           (m->event == dsdn_EVENT_authority_replaced && !one_in(w, 32))); /* only a takeover may say so */
    wild_empty(w, d, m->event);
    m->make(w, d);
    if (one_in(w, 8)) wild_bend(w, d);
    if (one_in(w, 32)) d->author = one_in(w, 2) ? NOBODY : (int)below(w, PEOPLE);
}

void wild_takeover(struct wild *w, struct draft *d)
{
    wild_empty(w, d, dsdn_EVENT_authority_replaced);
    make_authority_replaced(w, d);
    if (one_in(w, 8)) wild_bend(w, d);
}
