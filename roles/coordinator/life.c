/* life.c: the life of a node (docs/formats/reducers.md, section Nodes; requirements NODE-8, STAKE-4..6): what
 * every change of status brings with it, stake and cooldown, proven faults, and letting go of the replicas of
 * a node that is not Active any more. */
#include "roles/coordinator/gate.h"
#include "roles/coordinator/replica.h"

static void deadline_set(struct dsdn_context *c, uint64_t due, uint16_t kind, const struct dsdn_row_node *n)
{
    dsdn_deadline_set(c, DSDN_CLOCK_TIME, due, kind, n->id, 32);
}

/* A time `ms` later; the end of time at most. */
static uint64_t later(uint64_t time_ms, int64_t ms)
{
    return time_ms > UINT64_MAX - (uint64_t)ms ? UINT64_MAX : time_ms + (uint64_t)ms;
}

void dsdn_node_ban_clear(struct dsdn_context *c, const struct dsdn_row_node *node)
{
    if (node->status == DSDN_NODE_BANNED && node->banned_until != UINT64_MAX)
        dsdn_deadline_clear(c, DSDN_CLOCK_TIME, node->banned_until, DSDN_DEADLINE_BAN_END, node->id, 32);
}

void dsdn_node_cooldown_clear(struct dsdn_context *c, const struct dsdn_row_node *node)
{
    if (node->cooldown_until > c->time_ms)
        dsdn_deadline_clear(c, DSDN_CLOCK_TIME, node->cooldown_until, DSDN_DEADLINE_COOLDOWN_END, node->id,
                            32);
}

void dsdn_node_ring(struct dsdn_state *s, uint32_t row)
{
    const struct dsdn_row_node *node = dsdn_node_at(s, row);
    bool on = node->role == DSDN_NODE_ROLE_STORAGE && node->status == DSDN_NODE_ACTIVE &&
              node->used_bytes + DSDN_CHUNK_MAX <= (uint64_t)node->capacity_gb << 30;
    if (on == (node->on_ring != 0)) return;
    struct dsdn_row_zone *zone = dsdn_zone_edit(s, node->zone);
    if (on)
        zone->ring_cnt++;
    else
        zone->ring_cnt--;
    dsdn_node_edit_indexed(s, row)->on_ring = on;
}

void dsdn_node_move(struct dsdn_context *c, uint32_t row, uint8_t status, uint8_t cause)
{
    struct dsdn_row_node *n = dsdn_node_edit(c->state, row);
    bool lets_go = n->replica_cnt && (n->status == DSDN_NODE_ACTIVE || status == DSDN_NODE_CLOSED);
    n->status = status;
    n->cause = cause;
    n->status_ms = c->time_ms;
    /* Not now: how the events of one moment are cut into batches may not matter. */
    if (lets_go) deadline_set(c, later(c->time_ms, 1), DSDN_DEADLINE_REPLICA_SWEEP, n);
    dsdn_node_ring(c->state, row);
}

void dsdn_node_judge(struct dsdn_context *c, uint32_t row)
{
    if (row == DSDN_NO_ROW || !dsdn_stake_judged(c->state)) return;
    const struct dsdn_row_node *n = dsdn_node_at(c->state, row);
    bool quarantined = n->status == DSDN_NODE_QUARANTINED;
    if (n->status == DSDN_NODE_BANNED || n->status == DSDN_NODE_CLOSED) return;
    if (quarantined && n->cause == DSDN_CAUSE_DECISION) return;
    if (n->cooldown_until > c->time_ms) {
        if (!quarantined) dsdn_node_move(c, row, DSDN_NODE_QUARANTINED, DSDN_CAUSE_SLASHED);
    } else if (dsdn_gate_node_stake(c->state, n)) {
        if (!quarantined)
            dsdn_node_move(c, row, DSDN_NODE_QUARANTINED, DSDN_CAUSE_STAKE);
        else if (n->cause != DSDN_CAUSE_STAKE)
            dsdn_node_edit(c->state, row)->cause = DSDN_CAUSE_STAKE;
    } else if (n->status != DSDN_NODE_ACTIVE) {
        dsdn_node_move(c, row, DSDN_NODE_ACTIVE, DSDN_CAUSE_STAKE);
    }
}

void dsdn_node_fault(struct dsdn_context *c, uint32_t row)
{
    struct dsdn_row_node *n = dsdn_node_edit(c->state, row);
    n->fault3_ms = n->fault2_ms;
    n->fault2_ms = n->fault1_ms;
    n->fault1_ms = c->time_ms;
    dsdn_node_cooldown_clear(c, n);
    n->cooldown_until = later(c->time_ms, DSDN_SETTING(c->state, slash_cooldown_ms));
    if (n->status != DSDN_NODE_CLOSED) deadline_set(c, n->cooldown_until, DSDN_DEADLINE_COOLDOWN_END, n);
    if (n->status == DSDN_NODE_PENDING || n->status == DSDN_NODE_ACTIVE)
        dsdn_node_move(c, row, DSDN_NODE_QUARANTINED, DSDN_CAUSE_SLASHED);
    else if (n->status == DSDN_NODE_QUARANTINED && n->cause != DSDN_CAUSE_DECISION)
        n->cause = DSDN_CAUSE_SLASHED;
}

void dsdn_node_repeated(struct dsdn_context *c, uint32_t row)
{
    struct dsdn_row_node *n = dsdn_node_edit(c->state, row);
    dsdn_node_ban_clear(c, n);
    n->banned_until = later(c->time_ms, DSDN_SETTING(c->state, ban_ms));
    n->fault1_ms = n->fault2_ms = n->fault3_ms = 0;
    if (n->status == DSDN_NODE_CLOSED) return; /* it meets the ban when it comes back */
    dsdn_node_move(c, row, DSDN_NODE_BANNED, DSDN_CAUSE_REPEATED);
    deadline_set(c, n->banned_until, DSDN_DEADLINE_BAN_END, n);
}

/* ---- deadlines ---- */

void dsdn_fire_ban_end(struct dsdn_context *c, const uint8_t subject[72])
{
    uint32_t row = dsdn_node_find(c->state, subject);
    if (row == DSDN_NO_ROW || dsdn_node_at(c->state, row)->status != DSDN_NODE_BANNED) return;
    dsdn_node_edit(c->state, row)->banned_until = 0;
    dsdn_node_move(c, row, DSDN_NODE_PENDING, DSDN_CAUSE_BAN_ENDED);
}

void dsdn_fire_cooldown_end(struct dsdn_context *c, const uint8_t subject[72])
{
    uint32_t row = dsdn_node_find(c->state, subject);
    if (row != DSDN_NO_ROW && dsdn_node_at(c->state, row)->cooldown_until <= c->time_ms)
        dsdn_node_judge(c, row);
}

enum { SWEEP = 32 };

/* The node's first replicas whose chunk is above `after` (zero: from the first): row numbers, one more than
 * are dealt with at once, so that a sweep knows whether it is the last. */
static uint32_t sweep_find(const struct dsdn_state *s, const uint8_t node[32], const uint8_t after[32],
                           uint32_t rows[SWEEP + 1])
{
    uint8_t from[96]; /* index by_node: node, then the key: chunk, node */
    memcpy(from, node, 32);
    memcpy(from + 32, after, 32);
    memcpy(from + 64, node, 32);
    bool first = dsdn_zero32(after);
    struct dsdn_walk w;
    dsdn_walk_seek(&w, &s->tables[dsdn_TABLE_replica], 0, from, 32, from, sizeof from);
    uint32_t cnt = 0;
    for (uint32_t row; cnt <= SWEEP && (row = dsdn_walk_next(&w)) != DSDN_NO_ROW;)
        if (first || !dsdn_equal32(dsdn_replica_at(s, row)->chunk, after)) rows[cnt++] = row;
    return cnt;
}

void dsdn_fire_replica_sweep(struct dsdn_context *c, const uint8_t subject[72])
{
    struct dsdn_state *s = c->state;
    struct dsdn_replica_rows at = {.node = dsdn_node_find(s, subject)};
    if (at.node == DSDN_NO_ROW) return;
    const struct dsdn_row_node *node = dsdn_node_at(s, at.node);
    if (node->status == DSDN_NODE_ACTIVE) return; /* it came back at once */
    uint32_t rows[SWEEP + 1], cnt = sweep_find(s, subject, subject + 32, rows);
    uint8_t next[64];
    memcpy(next, subject, 32);
    for (uint32_t i = 0; i < cnt && i < SWEEP; i++) {
        const struct dsdn_row_replica *r = dsdn_replica_at(s, at.replica = rows[i]);
        memcpy(next + 32, r->chunk, 32);
        at.chunk = dsdn_chunk_find(s, r->chunk);
        if (at.chunk == DSDN_NO_ROW) continue; /* a checkpoint made it up */
        if (r->state == DSDN_REPLICA_ASSIGNED || node->status == DSDN_NODE_CLOSED)
            dsdn_replica_close(c, &at);
        else if (r->state != DSDN_REPLICA_LIVE)
            continue;
        else if (dsdn_chunk_at(s, at.chunk)->suspects_cnt < DSDN_SUSPECT_MAX)
            dsdn_replica_suspect(c, &at);
        else
            dsdn_replica_close(c, &at);
    }
    if (cnt > SWEEP)
        dsdn_deadline_set(c, DSDN_CLOCK_TIME, c->time_ms, DSDN_DEADLINE_REPLICA_SWEEP, next, sizeof next);
}
