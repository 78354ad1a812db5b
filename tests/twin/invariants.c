/* invariants.c: what holds of the engine's state after every event and every deadline, whatever the log says.
 */
#include "roles/tables.h"
#include "statemachine/system.h"
#include "tests/twin/player.h"

#include <stdio.h>

enum { ROWS = 4096 };

#define EACH(s, number, row)                                                                                 \
    uint32_t row = 0;                                                                                        \
    row < (s)->tables[number].row_end; row++)                                             \
        if (dsdn_table_live(&(s)->tables[number], row)

#define BROKEN(v, ...) (snprintf((v)->broken, sizeof(v)->broken, __VA_ARGS__), false)

static bool supply_conserved(struct invariants *v, const struct dsdn_state *s)
{
    static const uint8_t zero[1];
    uint32_t at = dsdn_supply_find(s, zero);
    if (at == DSDN_NO_ROW) return true;
    const struct dsdn_row_supply *supply = dsdn_supply_at(s, at);
    uint64_t balances = 0, staked = 0, unbonding = 0, issued = supply->issued;
    if (v->issued && v->issued != issued) return BROKEN(v, "issued changed");
    v->issued = issued;
    for (EACH(s, dsdn_TABLE_account, row)) {
        uint64_t units = dsdn_account_at(s, row)->balance;
        if (units > issued) return BROKEN(v, "a balance is above all there is");
        balances += units;
    }
    for (EACH(s, dsdn_TABLE_stake, row)) {
        uint64_t units = dsdn_stake_at(s, row)->amount;
        if (units > issued) return BROKEN(v, "a stake is above all there is");
        staked += units;
    }
    for (EACH(s, dsdn_TABLE_unbonding, row)) {
        const struct dsdn_row_unbonding *entry = dsdn_unbonding_at(s, row);
        if (entry->amount > issued) return BROKEN(v, "an entry is above all there is");
        unbonding += entry->amount;
        uint8_t key[64];
        memcpy(key, entry->beneficiary, 32);
        memcpy(key + 32, entry->staker, 32);
        uint32_t stake = dsdn_stake_find(s, key);
        if (stake == DSDN_NO_ROW) return BROKEN(v, "an unbonding entry without a stake");
    }
    for (EACH(s, dsdn_TABLE_stake, row)) {
        const struct dsdn_row_stake *stake = dsdn_stake_at(s, row);
        uint64_t its = 0, entries = 0;
        for (EACH(s, dsdn_TABLE_unbonding, entry))
            if (dsdn_equal32(dsdn_unbonding_at(s, entry)->beneficiary, stake->beneficiary) &&
                dsdn_equal32(dsdn_unbonding_at(s, entry)->staker, stake->staker)) {
                its += dsdn_unbonding_at(s, entry)->amount;
                entries++;
            }
        if (its != stake->unbonding || entries != stake->unbonding_cnt)
            return BROKEN(v, "a stake's unbonding is not the sum of its entries");
    }
    if (balances != supply->balances || staked != supply->staked || unbonding != supply->unbonding)
        return BROKEN(v, "supply is not the sum of the rows");
    if (balances + staked + unbonding + supply->treasury != issued)
        return BROKEN(v, "supply is not conserved");
    return true;
}

static bool unbonding_has_deadlines(struct invariants *v, const struct dsdn_state *s)
{
    uint32_t entries = 0, deadlines = 0;
    for (EACH(s, dsdn_TABLE_unbonding, row)) {
        const struct dsdn_row_unbonding *entry = dsdn_unbonding_at(s, row);
        uint8_t key[dsdn_sys_KEY_LEN_deadline] = {0}; /* clock 0, due, kind 3, beneficiary, staker, due */
        memcpy(key + 1, entry->due, 8);
        key[10] = 3;
        memcpy(key + 11, entry->beneficiary, 32);
        memcpy(key + 43, entry->staker, 32);
        memcpy(key + 75, entry->due, 8);
        if (dsdn_sys_deadline_find(s, key) == DSDN_NO_ROW)
            return BROKEN(v, "an unbonding entry without a deadline");
        entries++;
    }
    for (EACH(s, dsdn_sys_TABLE_deadline, row))
        deadlines += dsdn_sys_deadline_at(s, row)->kind[0] == 0 && dsdn_sys_deadline_at(s, row)->kind[1] == 3;
    return entries == deadlines || BROKEN(v, "an unbonding deadline without an entry");
}

static bool sweep_pending(const struct dsdn_state *s, const uint8_t node[32])
{
    for (EACH(s, dsdn_sys_TABLE_deadline, row)) {
        const struct dsdn_sys_row_deadline *d = dsdn_sys_deadline_at(s, row);
        if (d->kind[0] == 0 && d->kind[1] == 5 && dsdn_equal32(d->subject, node)) return true;
    }
    return false;
}

static bool has_ref(const uint32_t *refs, uint32_t cnt, uint32_t row)
{
    for (uint32_t i = 0; i < cnt; i++)
        if (refs[i] == row) return true;
    return false;
}

/* Counters, sets of holders, and who may hold what. */
static bool replicas_fine(struct invariants *v, const struct dsdn_state *s)
{
    static uint32_t replicas[ROWS], live[ROWS], holders[ROWS], suspects[ROWS], declared[ROWS];
    static uint64_t used[ROWS];
    uint32_t nodes = s->tables[dsdn_TABLE_node].row_end, chunks = s->tables[dsdn_TABLE_chunk].row_end;
    uint32_t objects = s->tables[dsdn_TABLE_object].row_end;
    if (nodes > ROWS || chunks > ROWS || objects > ROWS) return BROKEN(v, "too many rows for this check");
    for (uint32_t i = 0; i < nodes; i++) replicas[i] = 0, used[i] = 0;
    for (uint32_t i = 0; i < chunks; i++) live[i] = holders[i] = suspects[i] = 0;
    for (uint32_t i = 0; i < objects; i++) declared[i] = 0;
    for (EACH(s, dsdn_TABLE_replica, row)) {
        const struct dsdn_row_replica *r = dsdn_replica_at(s, row);
        uint32_t chunk = dsdn_chunk_find(s, r->chunk), node = dsdn_node_find(s, r->node);
        if (chunk == DSDN_NO_ROW || node == DSDN_NO_ROW) return BROKEN(v, "a replica of nothing or nobody");
        const struct dsdn_row_chunk *c = dsdn_chunk_at(s, chunk);
        const struct dsdn_row_node *n = dsdn_node_at(s, node);
        replicas[node]++;
        used[node] += c->size;
        live[chunk] += r->state == 1;
        if (r->state == 2) {
            suspects[chunk]++;
            if (!has_ref(c->suspects, c->suspects_cnt, node)) return BROKEN(v, "a suspect is not listed");
            continue;
        }
        holders[chunk]++;
        if (!has_ref(c->holders, c->holders_cnt, node)) return BROKEN(v, "a holder is not listed");
        if (n->status != 1 && !sweep_pending(s, r->node))
            return BROKEN(v,
                          "a replica is assigned or live on a node that is not Active, and no sweep is due");
    }
    for (EACH(s, dsdn_TABLE_node, row))
        if (dsdn_node_at(s, row)->replica_cnt != replicas[row] ||
            dsdn_node_at(s, row)->used_bytes != used[row])
            return BROKEN(v, "counters of a node are not those of its replicas");
    for (EACH(s, dsdn_TABLE_chunk, row)) {
        const struct dsdn_row_chunk *c = dsdn_chunk_at(s, row);
        if (c->live_cnt != live[row] || c->holders_cnt != holders[row] || c->suspects_cnt != suspects[row])
            return BROKEN(v, "counters of a chunk are not those of its replicas");
        declared[c->object]++;
    }
    for (EACH(s, dsdn_TABLE_object, row))
        if (dsdn_object_at(s, row)->declared_cnt != declared[row])
            return BROKEN(v, "an object does not count its chunks");
    return true;
}

static bool zones_fine(struct invariants *v, const struct dsdn_state *s)
{
    for (EACH(s, dsdn_TABLE_zone, zone)) {
        const struct dsdn_row_zone *z = dsdn_zone_at(s, zone);
        uint64_t nodes = 0, ring = 0, capacity = 0;
        for (EACH(s, dsdn_TABLE_node, row)) {
            const struct dsdn_row_node *n = dsdn_node_at(s, row);
            if (n->zone != zone) continue;
            ring += n->on_ring != 0;
            nodes += n->status != 4;
            capacity += n->status != 4 ? n->capacity_gb : 0;
        }
        if (nodes != z->node_cnt || ring != z->ring_cnt || capacity != z->capacity_gb)
            return BROKEN(v, "counters of a zone are not those of its nodes");
    }
    return true;
}

/* The replica that this very event assigned is not in a zone with another while a free node is elsewhere. */
static bool spread(struct invariants *v, const struct dsdn_state *s, uint64_t ordinal)
{
    for (EACH(s, dsdn_TABLE_replica, row)) {
        const struct dsdn_row_replica *r = dsdn_replica_at(s, row);
        if (r->assigned_ordinal != ordinal) continue;
        const struct dsdn_row_chunk *c = dsdn_chunk_at(s, dsdn_chunk_find(s, r->chunk));
        uint32_t own = dsdn_node_find(s, r->node), twice = 0;
        for (uint32_t i = 0; i < c->holders_cnt; i++)
            twice +=
                c->holders[i] != own && dsdn_node_at(s, c->holders[i])->zone == dsdn_node_at(s, own)->zone;
        if (!twice) continue;
        for (EACH(s, dsdn_TABLE_node, other)) {
            const struct dsdn_row_node *n = dsdn_node_at(s, other);
            uint8_t key[64];
            bool taken = false;
            memcpy(key, r->chunk, 32);
            memcpy(key + 32, n->id, 32);
            for (uint32_t i = 0; i < c->holders_cnt; i++)
                taken |= dsdn_node_at(s, c->holders[i])->zone == n->zone;
            if (!taken && n->on_ring && n->tls_not_after > v->now && n->binding_expiry > v->now &&
                dsdn_replica_find(s, key) == DSDN_NO_ROW)
                return BROKEN(v, "a zone holds a chunk twice while another zone has a free node");
        }
    }
    return true;
}

void invariants_check(void *self, const struct dsdn_state *s, const struct dsdn_step *step)
{
    struct invariants *v = self;
    if (step->kind == DSDN_STEP_DEADLINE) v->fired[step->number % 16]++;
    if (v->broken[0] || (step->kind != DSDN_STEP_EVENT && step->kind != DSDN_STEP_DEADLINE)) return;
    if (supply_conserved(v, s) && unbonding_has_deadlines(v, s) && replicas_fine(v, s) && zones_fine(v, s) &&
        (step->kind != DSDN_STEP_EVENT || spread(v, s, v->first_ordinal + step->number)))
        return;
    size_t len = strlen(v->broken);
    snprintf(v->broken + len, sizeof v->broken - len, " (after %s %u)",
             step->kind == DSDN_STEP_EVENT ? "event" : "deadline of kind", step->number);
}
