/* validator.c: the validator set: who is active, chosen by stake at the end of every epoch in which a stake
 * moved.
 *
 * The choice keeps the best max_validators seen so far in a binary heap whose root is the worst of them
 * (Williams, "Algorithm 232: Heapsort", CACM 1964): bounded memory, and a result that depends on stake and
 * key alone, not on the order of rows. */
#include "roles/chain/ledger.h"
#include "roles/chain/queries.h"

#define ACTIVE_MAX 1024u /* largest max_validators */

typedef const struct dsdn_sys_row_validator *ranked;

/* More stake ranks above less; of equal stakes the lower key. */
static bool ranks_above(ranked a, ranked b)
{
    return a->stake != b->stake ? a->stake > b->stake : memcmp(a->id, b->id, 32) < 0;
}

/* Lets the entry at `at` sink until no child ranks below it. */
static void heap_sink(ranked *heap, uint32_t cnt, uint32_t at)
{
    for (uint32_t child; (child = 2 * at + 1) < cnt; at = child) {
        if (child + 1 < cnt && ranks_above(heap[child], heap[child + 1])) child++;
        if (!ranks_above(heap[at], heap[child])) return;
        ranked swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

/* Offers a row to a heap of the best `cap`; returns how many there are then. */
static uint32_t heap_offer(ranked *heap, uint32_t cnt, uint32_t cap, ranked row)
{
    if (cnt == cap) {
        if (!cap || !ranks_above(row, heap[0])) return cnt;
        heap[0] = row;
        heap_sink(heap, cnt, 0);
        return cnt;
    }
    uint32_t at = cnt;
    for (; at && ranks_above(heap[(at - 1) / 2], row); at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
    heap[at] = row;
    return cnt + 1;
}

uint32_t dsdn_chain_validators(const struct dsdn_state *s, const struct dsdn_sys_row_validator **out,
                               uint32_t cap)
{
    const struct dsdn_table *t = &s->tables[dsdn_sys_TABLE_validator];
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < t->row_end; i++)
        if (dsdn_table_live(t, i) && dsdn_sys_validator_at(s, i)->status == 1)
            cnt = heap_offer(out, cnt, cap, dsdn_sys_validator_at(s, i));
    for (uint32_t left = cnt; left > 1;) { /* the worst goes behind all others, again and again */
        ranked worst = out[0];
        out[0] = out[--left];
        out[left] = worst;
        heap_sink(out, left, 0);
    }
    return cnt;
}

void dsdn_epoch_due(struct dsdn_context *c)
{
    uint64_t length = dsdn_whole(DSDN_SETTING(c->state, validator_epoch_ms));
    if (!length) length = 1;
    dsdn_deadline_set(c, DSDN_CLOCK_TIME, dsdn_capped_mul(c->time_ms / length + 1, length),
                      DSDN_DEADLINE_VALIDATOR_EPOCH, "", 0);
}

void dsdn_epoch_due_for(struct dsdn_context *c, uint32_t stake)
{
    const struct dsdn_row_stake *row = dsdn_stake_at(c->state, stake);
    if (row->role == DSDN_NODE_ROLE_VALIDATOR &&
        dsdn_sys_validator_find(c->state, row->beneficiary) != DSDN_NO_ROW)
        dsdn_epoch_due(c);
}

void dsdn_fire_validator_epoch(struct dsdn_context *c, const uint8_t subject[72])
{
    (void)subject;
    struct dsdn_state *s = c->state;
    const struct dsdn_table *t = &s->tables[dsdn_sys_TABLE_validator];
    uint64_t least = dsdn_whole(DSDN_SETTING(s, stake_min_validator));
    uint64_t most = dsdn_whole(DSDN_SETTING(s, max_validators));
    uint32_t cap = most < ACTIVE_MAX ? (uint32_t)most : ACTIVE_MAX, cnt = 0;
    ranked best[ACTIVE_MAX];
    for (uint32_t i = 0; i < t->row_end; i++) {
        if (!dsdn_table_live(t, i)) continue;
        const uint8_t *id = dsdn_sys_validator_at(s, i)->id;
        uint64_t power = dsdn_stake_of(s, id, id, DSDN_NODE_ROLE_VALIDATOR);
        if (power < least) {
            dsdn_sys_validator_erase(s, i);
            continue;
        }
        if (dsdn_sys_validator_at(s, i)->stake != power) dsdn_sys_validator_edit(s, i)->stake = power;
        cnt = heap_offer(best, cnt, cap, dsdn_sys_validator_at(s, i));
    }
    for (uint32_t i = 0; i < t->row_end; i++) {
        if (!dsdn_table_live(t, i)) continue;
        ranked row = dsdn_sys_validator_at(s, i);
        uint8_t status = cnt && !ranks_above(best[0], row);
        if (row->status == status) continue;
        struct dsdn_sys_row_validator *v = dsdn_sys_validator_edit(s, i);
        v->status = status;
        v->since_ms = c->time_ms;
    }
}
