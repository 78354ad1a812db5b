/* replica.c: replicas: assigned -> live -> suspect -> live or removed (docs/formats/reducers.md, section
 * Replicas; requirements COORD-4 to COORD-6, STOR-7, STOR-9).
 *
 * The authority proposes, the state disposes: an assignment is one of the nodes that placement.c plans now, a
 * heal copies from the source it names.  So who publishes decides when, never where. */
#include "roles/coordinator/replica.h"

#include "roles/coordinator/gate.h"
#include "roles/coordinator/placement.h"

/* ---- sets of nodes in a chunk's row ---- */

static void set_add(uint32_t *rows, uint8_t *cnt, uint32_t node)
{
    rows[(*cnt)++] = node;
}

static void set_remove(uint32_t *rows, uint8_t *cnt, uint32_t node)
{
    for (uint8_t i = 0; i < *cnt; i++)
        if (rows[i] == node) {
            rows[i] = rows[--*cnt];
            rows[*cnt] = 0;
            return;
        }
}

static void holder_add(struct dsdn_row_chunk *k, uint32_t node)
{
    set_add(k->holders, &k->holders_cnt, node);
}
static void holder_remove(struct dsdn_row_chunk *k, uint32_t node)
{
    set_remove(k->holders, &k->holders_cnt, node);
}
static void suspect_add(struct dsdn_row_chunk *k, uint32_t node)
{
    set_add(k->suspects, &k->suspects_cnt, node);
}
static void suspect_remove(struct dsdn_row_chunk *k, uint32_t node)
{
    set_remove(k->suspects, &k->suspects_cnt, node);
}

static void assignment_clear(struct dsdn_context *c, struct dsdn_row_replica *r)
{
    dsdn_deadline_clear(c, DSDN_CLOCK_TIME, r->deadline_ms, DSDN_DEADLINE_ASSIGNMENT_END, r,
                        dsdn_KEY_LEN_replica);
    r->deadline_ms = 0;
}

static void replica_move(struct dsdn_context *c, struct dsdn_row_replica *r, uint8_t state)
{
    r->state = state;
    r->since_ms = c->time_ms;
    r->state_ordinal = c->ordinal;
}

/* What the node holds grew or shrank by one replica of `size` bytes: whether it has room for another decides
 * its place on the ring. */
static void node_take(struct dsdn_state *s, uint32_t node, uint32_t size)
{
    struct dsdn_row_node *n = dsdn_node_edit(s, node);
    n->replica_cnt++;
    n->used_bytes += size;
    dsdn_node_ring(s, node);
}

static void node_release(struct dsdn_state *s, uint32_t node, uint32_t size)
{
    struct dsdn_row_node *n = dsdn_node_edit(s, node);
    n->replica_cnt--;
    n->used_bytes -= size;
    dsdn_node_ring(s, node);
}

void dsdn_replica_close(struct dsdn_context *c, const struct dsdn_replica_rows *rows)
{
    struct dsdn_state *s = c->state;
    struct dsdn_row_chunk *k = dsdn_chunk_edit(s, rows->chunk);
    uint8_t state = dsdn_replica_at(s, rows->replica)->state;
    if (state == DSDN_REPLICA_ASSIGNED) assignment_clear(c, dsdn_replica_edit(s, rows->replica));
    if (state == DSDN_REPLICA_LIVE) k->live_cnt--;
    if (state == DSDN_REPLICA_SUSPECT)
        suspect_remove(k, rows->node);
    else
        holder_remove(k, rows->node);
    node_release(s, rows->node, k->size);
    dsdn_replica_erase(s, rows->replica);
}

void dsdn_replica_suspect(struct dsdn_context *c, const struct dsdn_replica_rows *rows)
{
    struct dsdn_row_chunk *k = dsdn_chunk_edit(c->state, rows->chunk);
    holder_remove(k, rows->node);
    suspect_add(k, rows->node);
    k->live_cnt--;
    replica_move(c, dsdn_replica_edit(c->state, rows->replica), DSDN_REPLICA_SUSPECT);
}

/* ---- assignment ---- */

struct plan {
    uint32_t chunk, node, from; /* rows; from: of a heal, else DSDN_NO_ROW */
    const uint8_t *key;         /* chunk || node */
    uint64_t hash;              /* of the key */
    uint64_t deadline_ms;
};

static bool zone_taken(const struct dsdn_state *s, const struct dsdn_row_chunk *k, uint32_t zone)
{
    for (uint8_t i = 0; i < k->holders_cnt; i++)
        if (dsdn_node_at(s, k->holders[i])->zone == zone) return true;
    return false;
}

static dsdn_outcome assign(struct dsdn_context *c, const struct plan *plan)
{
    struct dsdn_state *s = c->state;
    const struct dsdn_row_chunk *known = dsdn_chunk_at(s, plan->chunk);
    struct dsdn_deadline end; /* looked for now, needed at the end */
    dsdn_deadline_make(c, DSDN_CLOCK_TIME, plan->deadline_ms, DSDN_DEADLINE_ASSIGNMENT_END, plan->key,
                       dsdn_KEY_LEN_replica, &end);
    uint32_t row = dsdn_replica_find_hashed(s, plan->key, plan->hash);
    if (row != DSDN_NO_ROW) {
        const struct dsdn_row_replica *r = dsdn_replica_at(s, row);
        bool same = r->state == DSDN_REPLICA_ASSIGNED && r->deadline_ms == plan->deadline_ms &&
                    r->heal_from == plan->from;
        return same ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
    }
    if (dsdn_chunk_to_go(s, plan->chunk)) return DSDN_UNMET(DELETE_REQUESTED);
    if (plan->deadline_ms <= c->time_ms) return DSDN_UNMET(DEADLINE_PAST);
    const struct dsdn_row_node *node = dsdn_node_at(s, plan->node);
    dsdn_outcome can = dsdn_gate_store(node, known->size, c->time_ms);
    if (can) return can;
    uint8_t rf = dsdn_object_at(s, known->object)->rf;
    if (known->holders_cnt >= (rf < DSDN_HOLDER_MAX ? rf : DSDN_HOLDER_MAX))
        return DSDN_UNMET(REPLICAS_ENOUGH);
    if (!dsdn_placement_has(c, plan->chunk, plan->node))
        return zone_taken(s, known, node->zone) ? DSDN_UNMET(ZONE_TAKEN) : DSDN_UNMET(NOT_PLANNED);

    struct dsdn_row_replica *r = dsdn_replica_edit(s, dsdn_replica_insert_hashed(s, plan->key, plan->hash));
    replica_move(c, r, DSDN_REPLICA_ASSIGNED);
    r->heal_from = plan->from;
    r->deadline_ms = plan->deadline_ms;
    r->assigned_ordinal = c->ordinal;
    memcpy(r->origin_hash, c->origin.hash, 32);
    struct dsdn_row_chunk *k = dsdn_chunk_edit(s, plan->chunk);
    holder_add(k, plan->node);
    node_take(s, plan->node, k->size);
    dsdn_deadline_put(c, &end);
    return DSDN_RESULT(OK);
}

static void pair(uint8_t key[64], const uint8_t *chunk, const uint8_t *node)
{
    memcpy(key, chunk, 32);
    memcpy(key + 32, node, 32);
}

dsdn_outcome dsdn_reduce_replica_assigned(struct dsdn_context *c, const struct dsdn_ev_replica_assigned *e)
{
    struct dsdn_state *s = c->state;
    uint8_t key[64];
    pair(key, e->chunk, e->node);
    struct plan plan = {.chunk = dsdn_chunk_find_hashed(s, e->chunk, c->hash[0]),
                        .node = dsdn_node_find_hashed(s, e->node, c->hash[1]),
                        .from = DSDN_NO_ROW,
                        .key = key,
                        .hash = c->hash[2],
                        .deadline_ms = e->deadline};
    if (plan.chunk == DSDN_NO_ROW) return DSDN_UNMET(CHUNK_UNKNOWN);
    if (plan.node == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    const uint8_t *zone = dsdn_zone_at(s, dsdn_node_at(s, plan.node)->zone)->name; /* zero-padded, 32 bytes */
    if (memcmp(zone, e->zone.bytes, e->zone.len) != 0 || (e->zone.len < 32 && zone[e->zone.len] != 0))
        return DSDN_UNMET(ZONE_MISMATCH);
    return assign(c, &plan);
}

dsdn_outcome dsdn_reduce_heal_assigned(struct dsdn_context *c, const struct dsdn_ev_heal_assigned *e)
{
    struct dsdn_state *s = c->state;
    uint8_t key[64], source_key[64];
    pair(key, e->chunk, e->to);
    pair(source_key, e->chunk, e->from);
    struct plan plan = {.chunk = dsdn_chunk_find_hashed(s, e->chunk, c->hash[0]),
                        .node = dsdn_node_find_hashed(s, e->to, c->hash[1]),
                        .key = key,
                        .hash = c->hash[2],
                        .deadline_ms = e->deadline};
    if (plan.chunk == DSDN_NO_ROW) return DSDN_UNMET(CHUNK_UNKNOWN);
    if (plan.node == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    uint32_t source = dsdn_replica_find(s, source_key);
    if (source == DSDN_NO_ROW || dsdn_replica_at(s, source)->state != DSDN_REPLICA_LIVE)
        return DSDN_UNMET(SOURCE_NOT_LIVE);
    plan.from = dsdn_node_find(s, e->from); /* a live replica has a node, unless a checkpoint made it up */
    if (plan.from == DSDN_NO_ROW || plan.from != dsdn_heal_source(s, plan.chunk))
        return DSDN_UNMET(SOURCE_NOT_PLANNED);
    return assign(c, &plan);
}

void dsdn_fire_assignment_end(struct dsdn_context *c, const uint8_t subject[72])
{
    struct dsdn_state *s = c->state;
    struct dsdn_replica_rows f = {.replica = dsdn_replica_find(s, subject)};
    if (f.replica == DSDN_NO_ROW || dsdn_replica_at(s, f.replica)->state != DSDN_REPLICA_ASSIGNED) return;
    f.chunk = dsdn_chunk_find(s, subject);
    f.node = dsdn_node_find(s, subject + 32);
    if (f.chunk != DSDN_NO_ROW && f.node != DSDN_NO_ROW) dsdn_replica_close(c, &f);
}

/* ---- from assignment to removal ---- */

/* All replica events name (chunk, node); their TOUCH lines are chunk, node, replica in this order. */
static dsdn_outcome find(const struct dsdn_context *c, const uint8_t *chunk, const uint8_t *node,
                         struct dsdn_replica_rows *f)
{
    const struct dsdn_state *s = c->state;
    uint8_t key[64];
    pair(key, chunk, node);
    f->chunk = dsdn_chunk_find_hashed(s, chunk, c->hash[0]);
    if (f->chunk == DSDN_NO_ROW) return DSDN_UNMET(CHUNK_UNKNOWN);
    f->node = dsdn_node_find_hashed(s, node, c->hash[1]);
    if (f->node == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    f->replica = dsdn_replica_find_hashed(s, key, c->hash[2]);
    return f->replica == DSDN_NO_ROW ? DSDN_UNMET(REPLICA_UNKNOWN) : DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_replica_added(struct dsdn_context *c, const struct dsdn_ev_replica_added *e)
{
    if (!dsdn_equal32(c->author, e->node)) return DSDN_RESULT(NOT_AUTHORISED);
    struct dsdn_state *s = c->state;
    struct dsdn_replica_rows f;
    dsdn_outcome known = find(c, e->chunk, e->node, &f);
    if (known) return known;
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, f.chunk);
    const struct dsdn_row_replica *r = dsdn_replica_at(s, f.replica);
    if (!dsdn_equal32(k->leaf_root, e->leaf_root)) return DSDN_RESULT(CONFLICT);
    if (r->state == DSDN_REPLICA_LIVE) return DSDN_RESULT(NO_EFFECT);
    if (r->state != DSDN_REPLICA_ASSIGNED) return DSDN_UNMET(REPLICA_STATE);
    if (dsdn_node_at(s, f.node)->status != DSDN_NODE_ACTIVE) return DSDN_UNMET(NODE_STATUS);
    if (dsdn_chunk_to_go(s, f.chunk)) return DSDN_UNMET(DELETE_REQUESTED);
    struct dsdn_deadline end;
    dsdn_deadline_make(c, DSDN_CLOCK_TIME, r->deadline_ms, DSDN_DEADLINE_ASSIGNMENT_END, r,
                       dsdn_KEY_LEN_replica, &end);
    uint32_t leaves = dsdn_leaf_count(k->size, k->leaf_size);
    if (e->proof_leaf != dsdn_leaf_draw(r->origin_hash, e->chunk, e->node, leaves))
        return DSDN_UNMET(PROOF_LEAF);
    if (!dsdn_leaf_path_valid(&e->proof_path, e->proof_leaf, leaves, k->leaf_root))
        return DSDN_UNMET(PROOF_PATH);

    struct dsdn_row_replica *replica = dsdn_replica_edit(s, f.replica);
    dsdn_deadline_drop(c, &end);
    replica->deadline_ms = 0;
    replica_move(c, replica, DSDN_REPLICA_LIVE);
    dsdn_chunk_edit(s, f.chunk)->live_cnt++;
    return DSDN_RESULT(OK);
}

/* Does the row say what the reason claims (STOR-7)? */
static dsdn_outcome removal_rule(const struct dsdn_state *s, const struct dsdn_replica_rows *f,
                                 uint8_t reason)
{
    enum { DELETED, SURPLUS, FAILED, LEFT };
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, f->chunk);
    uint8_t state = dsdn_replica_at(s, f->replica)->state, rf = dsdn_object_at(s, k->object)->rf;
    switch (reason) {
    case DELETED: return dsdn_chunk_to_go(s, f->chunk) ? DSDN_RESULT(OK) : DSDN_UNMET(DELETE_NOT_REQUESTED);
    case SURPLUS:
        if (state == DSDN_REPLICA_ASSIGNED) return DSDN_UNMET(REPLICA_STATE);
        return k->live_cnt - (state == DSDN_REPLICA_LIVE) >= rf ? DSDN_RESULT(OK)
                                                                : DSDN_UNMET(REPLICA_NOT_SURPLUS);
    case FAILED: return state == DSDN_REPLICA_SUSPECT ? DSDN_RESULT(OK) : DSDN_UNMET(REPLICA_NOT_SUSPECT);
    default: /* LEFT */
        return dsdn_node_at(s, f->node)->status == DSDN_NODE_CLOSED ? DSDN_RESULT(OK)
                                                                    : DSDN_UNMET(NODE_NOT_CLOSED);
    }
}

dsdn_outcome dsdn_reduce_replica_removed(struct dsdn_context *c, const struct dsdn_ev_replica_removed *e)
{
    if (!dsdn_from_authority(c) && !dsdn_equal32(c->author, e->node)) return DSDN_RESULT(NOT_AUTHORISED);
    struct dsdn_replica_rows f;
    dsdn_outcome known = find(c, e->chunk, e->node, &f);
    if (known) return known;
    dsdn_outcome rule = removal_rule(c->state, &f, e->reason);
    if (rule) return rule;
    dsdn_replica_close(c, &f);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_replica_missing_reported(struct dsdn_context *c,
                                                  const struct dsdn_ev_replica_missing_reported *e)
{
    struct dsdn_state *s = c->state;
    if (!dsdn_from_authority(c)) {
        uint32_t reporter = dsdn_node_find(s, c->author);
        if (reporter == DSDN_NO_ROW || dsdn_node_at(s, reporter)->status != DSDN_NODE_ACTIVE)
            return DSDN_RESULT(NOT_AUTHORISED);
    }
    struct dsdn_replica_rows f;
    dsdn_outcome known = find(c, e->chunk, e->node, &f);
    if (known) return known;
    uint8_t state = dsdn_replica_at(s, f.replica)->state;
    if (state == DSDN_REPLICA_SUSPECT) return DSDN_RESULT(NO_EFFECT);
    if (state != DSDN_REPLICA_LIVE) return DSDN_UNMET(REPLICA_STATE);
    if (dsdn_chunk_at(s, f.chunk)->suspects_cnt == DSDN_SUSPECT_MAX) return DSDN_RESULT(LIMIT);
    dsdn_replica_suspect(c, &f);
    return DSDN_RESULT(OK);
}

/* A suspect replica answers again; or the authority, which looked for itself, confirms an assigned one.  A
 * node cannot take this way around the proof of its first possession. */
dsdn_outcome dsdn_reduce_replica_healed(struct dsdn_context *c, const struct dsdn_ev_replica_healed *e)
{
    if (!dsdn_from_authority(c) && !dsdn_equal32(c->author, e->node)) return DSDN_RESULT(NOT_AUTHORISED);
    struct dsdn_state *s = c->state;
    struct dsdn_replica_rows f;
    dsdn_outcome known = find(c, e->chunk, e->node, &f);
    if (known) return known;
    uint8_t state = dsdn_replica_at(s, f.replica)->state;
    if (state == DSDN_REPLICA_LIVE) return DSDN_RESULT(NO_EFFECT);
    if (state == DSDN_REPLICA_ASSIGNED && !dsdn_from_authority(c)) return DSDN_UNMET(PROOF_NEEDED);
    if (dsdn_node_at(s, f.node)->status != DSDN_NODE_ACTIVE) return DSDN_UNMET(NODE_STATUS);
    if (dsdn_chunk_to_go(s, f.chunk)) return DSDN_UNMET(DELETE_REQUESTED);
    if (state != DSDN_REPLICA_ASSIGNED && dsdn_chunk_at(s, f.chunk)->holders_cnt == DSDN_HOLDER_MAX)
        return DSDN_RESULT(LIMIT);

    struct dsdn_row_chunk *k = dsdn_chunk_edit(s, f.chunk);
    struct dsdn_row_replica *r = dsdn_replica_edit(s, f.replica);
    if (state == DSDN_REPLICA_ASSIGNED) {
        assignment_clear(c, r);
    } else {
        suspect_remove(k, f.node);
        holder_add(k, f.node);
    }
    k->live_cnt++;
    replica_move(c, r, DSDN_REPLICA_LIVE);
    return DSDN_RESULT(OK);
}
