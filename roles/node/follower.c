#include "roles/node/follower.h"

#include "log/hash.h"
#include "roles/coordinator/placement.h"
#include "roles/coordinator/queries.h"
#include "roles/reducers.h"

#define NODE_PLACES   32u /* on the ring: the RING line of table node */
#define INDEX_BY_NODE 0u

/* ---- surplus ---- */

/* How far the walk of a chunk goes until it meets a node, were the node on the ring (statemachine/ring.h). */
static uint64_t distance(uint64_t place, const uint8_t id[32])
{
    uint8_t message[33], hash[32];
    uint64_t nearest = UINT64_MAX;
    memcpy(message, id, 32);
    for (message[32] = 0; message[32] < NODE_PLACES / 4; message[32]++) {
        dsdn_tagged("dsdn/ring/1", message, sizeof message, hash);
        for (uint32_t i = 0; i < 32; i += 8) {
            uint64_t far = dsdn_load64(hash + i) - place;
            if (far < nearest) nearest = far;
        }
    }
    return nearest;
}

struct holder {
    uint64_t distance;
    uint32_t node;
};

static bool met_before(const struct dsdn_state *s, const struct holder *a, const struct holder *b)
{
    if (a->distance != b->distance) return a->distance < b->distance;
    return memcmp(dsdn_node_at(s, a->node)->id, dsdn_node_at(s, b->node)->id, 32) < 0;
}

static bool live_and_active(const struct dsdn_state *s, uint32_t chunk, uint32_t node)
{
    uint32_t replica = dsdn_query_replica(s, chunk, node);
    return replica != DSDN_NO_ROW && dsdn_replica_at(s, replica)->state == DSDN_REPLICA_LIVE &&
           dsdn_node_at(s, node)->status == DSDN_NODE_ACTIVE;
}

/* Live replicas of a chunk on Active nodes, in the order of its walk when `ordered`. */
static uint32_t live_holders(const struct dsdn_state *s, uint32_t chunk, bool ordered,
                             struct holder out[DSDN_HOLDER_MAX])
{
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, chunk);
    uint64_t place = dsdn_placement_place(k->chunk);
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < k->holders_cnt; i++) {
        if (!live_and_active(s, chunk, k->holders[i])) continue;
        struct holder h = {ordered ? distance(place, dsdn_node_at(s, k->holders[i])->id) : 0, k->holders[i]};
        uint32_t at = cnt++;
        for (; ordered && at && met_before(s, &h, &out[at - 1]); at--) out[at] = out[at - 1];
        out[at] = h;
    }
    return cnt;
}

static uint32_t wanted(const struct dsdn_state *s, uint32_t chunk)
{
    return dsdn_object_at(s, dsdn_chunk_at(s, chunk)->object)->rf;
}

uint32_t dsdn_follow_surplus(const struct dsdn_state *s, uint32_t chunk, uint32_t nodes[DSDN_HOLDER_MAX],
                             uint32_t *kept)
{
    struct holder h[DSDN_HOLDER_MAX];
    bool keep[DSDN_HOLDER_MAX] = {false};
    uint32_t rf = wanted(s, chunk), cnt = live_holders(s, chunk, false, h), surplus = 0;
    *kept = cnt < rf ? cnt : rf;
    if (cnt <= rf) return 0;
    live_holders(s, chunk, true, h);
    uint32_t left = rf;
    for (uint32_t i = 0; i < cnt && left; i++) { /* the first of each zone */
        bool first = true;
        for (uint32_t j = 0; j < i && first; j++)
            first = dsdn_node_at(s, h[j].node)->zone != dsdn_node_at(s, h[i].node)->zone;
        keep[i] = first;
        left -= first;
    }
    for (uint32_t i = 0; i < cnt && left; i++) /* then the others */
        if (!keep[i]) keep[i] = true, left--;
    for (uint32_t i = 0; i < cnt; i++)
        if (!keep[i]) nodes[surplus++] = h[i].node;
    return surplus;
}

/* Of the live replicas of a chunk, the event that made the newest one live. */
static uint64_t newest_live(const struct dsdn_state *s, uint32_t chunk, uint32_t but)
{
    struct holder h[DSDN_HOLDER_MAX];
    uint32_t cnt = live_holders(s, chunk, false, h);
    uint64_t newest = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        const struct dsdn_row_replica *r = dsdn_replica_at(s, dsdn_query_replica(s, chunk, h[i].node));
        if (h[i].node != but && r->state_ordinal > newest) newest = r->state_ordinal;
    }
    return newest;
}

static bool is_surplus(const struct dsdn_state *s, const struct dsdn_duty *d, uint8_t state)
{
    uint32_t nodes[DSDN_HOLDER_MAX], kept;
    uint32_t live = dsdn_chunk_at(s, d->chunk)->live_cnt,
             others = live - (state == DSDN_REPLICA_LIVE && live);
    if (others < wanted(s, d->chunk)) return false; /* the usual case */
    uint32_t cnt = dsdn_follow_surplus(s, d->chunk, nodes, &kept);
    if (state == DSDN_REPLICA_SUSPECT) return kept >= wanted(s, d->chunk);
    for (uint32_t i = 0; i < cnt; i++)
        if (nodes[i] == d->node) return true;
    /* A live one whose node went inactive: it becomes suspect with the next deadlines. */
    return dsdn_node_at(s, d->node)->status != DSDN_NODE_ACTIVE && kept >= wanted(s, d->chunk);
}

/* ---- duties ---- */

static void give(struct dsdn_duty *d, enum dsdn_duty_number duty, enum dsdn_duty_reason reason)
{
    d->duty = (uint8_t)duty;
    d->reason = (uint8_t)reason;
}

/* Where the bytes are: with the node that the assignment names while it has them, else with any. */
static uint32_t source_of(const struct dsdn_state *s, uint32_t chunk, uint32_t named)
{
    return named != DSDN_NO_ROW && live_and_active(s, chunk, named) ? named : dsdn_heal_source(s, chunk);
}

static bool dropped(const struct dsdn_state *s, struct dsdn_duty *d, const struct dsdn_row_replica *r)
{
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, d->chunk);
    const struct dsdn_row_object *o = dsdn_object_at(s, k->object);
    uint8_t status = dsdn_node_at(s, d->node)->status;
    if (k->deleted) {
        give(d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_CHUNK_DELETED);
        d->cause_ordinal = dsdn_query_deletion_ordinal(s, 1, k->chunk);
    } else if (o->deleted) {
        give(d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_OBJECT_DELETED);
        d->cause_ordinal = dsdn_query_deletion_ordinal(s, 0, o->object);
    } else if (status == DSDN_NODE_CLOSED) {
        give(d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_NODE_LEFT);
    } else if (r->state == DSDN_REPLICA_ASSIGNED) {
        if (status == DSDN_NODE_ACTIVE) return false;
        give(d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_NODE_INACTIVE);
    } else {
        if (!is_surplus(s, d, r->state)) return false;
        give(d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_SURPLUS);
        d->cause_ordinal = newest_live(s, d->chunk, d->node);
    }
    return true;
}

/* Fills the duty of a replica, and the second one if there is one. */
static void judge(struct dsdn_follower *f, struct dsdn_duty *d)
{
    const struct dsdn_state *s = f->s;
    const struct dsdn_row_replica *r = dsdn_replica_at(s, d->replica);
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, d->chunk);
    if (dropped(s, d, r)) return;
    if (dsdn_node_at(s, d->node)->status != DSDN_NODE_ACTIVE) {
        give(d, DSDN_DUTY_HOLD, DSDN_DUTY_REASON_NODE_INACTIVE);
    } else if (r->state == DSDN_REPLICA_LIVE) {
        give(d, DSDN_DUTY_HOLD, DSDN_DUTY_REASON_LIVE);
    } else if (r->state == DSDN_REPLICA_ASSIGNED) {
        bool healing = r->heal_from != DSDN_NO_ROW;
        give(d, DSDN_DUTY_FETCH, healing ? DSDN_DUTY_REASON_HEALING : DSDN_DUTY_REASON_ASSIGNED);
        d->deadline_ms = r->deadline_ms;
        f->second = *d;
        f->second.duty = DSDN_DUTY_PROVE;
        f->second.leaves = dsdn_leaf_count(k->size, k->leaf_size);
        f->second.leaf = dsdn_leaf_draw(r->origin_hash, r->chunk, r->node, f->second.leaves);
        f->has_second = true;
        d->source = source_of(s, d->chunk, r->heal_from);
    } else {
        give(d, DSDN_DUTY_HOLD, DSDN_DUTY_REASON_SUSPECT);
        f->second = *d;
        f->second.duty = DSDN_DUTY_PROVE;
        f->has_second = true;
        d->source = source_of(s, d->chunk, DSDN_NO_ROW);
    }
}

void dsdn_follow(struct dsdn_follower *f, const struct dsdn_state *s, uint32_t node)
{
    bool all = node == DSDN_NO_ROW;
    f->s = s;
    f->has_second = false;
    dsdn_walk_begin(&f->walk, &s->tables[dsdn_TABLE_replica], INDEX_BY_NODE,
                    all ? NULL : dsdn_node_at(s, node)->id, all ? 0 : 32);
}

bool dsdn_follow_next(struct dsdn_follower *f, struct dsdn_duty *out)
{
    if (f->has_second) {
        *out = f->second;
        f->has_second = false;
        return true;
    }
    uint32_t row;
    while ((row = dsdn_walk_next(&f->walk)) != DSDN_NO_ROW) {
        const struct dsdn_row_replica *r = dsdn_replica_at(f->s, row);
        *out = (struct dsdn_duty){.node = dsdn_node_find(f->s, r->node),
                                  .chunk = dsdn_chunk_find(f->s, r->chunk),
                                  .replica = row,
                                  .source = DSDN_NO_ROW,
                                  .assigned_ordinal = r->assigned_ordinal,
                                  .state_ordinal = r->state_ordinal,
                                  .cause_ordinal = DSDN_NO_ORDINAL};
        /* Only rows of a checkpoint that contradict each other name what is not there. */
        if (out->node == DSDN_NO_ROW || out->chunk == DSDN_NO_ROW) continue;
        judge(f, out);
        return true;
    }
    return false;
}

const char *dsdn_follow_duty_name(uint8_t duty)
{
    switch (duty) {
#define X(number, name, text, doc)                                                                           \
    case number: return text;
        DSDN_DUTY_LIST(X)
#undef X
    default: return "?";
    }
}

const char *dsdn_follow_reason_name(uint8_t reason)
{
    switch (reason) {
#define X(number, name, text, doc)                                                                           \
    case number: return text;
        DSDN_DUTY_REASON_LIST(X)
#undef X
    default: return "?";
    }
}
