/* placement.c: plans for replicas (docs/formats/reducers.md, "Plan" and "Source").
 *
 * This stands behind every assignment, so the usual case is one seek and a few steps on the ring: whatever
 * costs more is asked for only after the walk got long.  No case takes more than two walks, one look at
 * each zone and one at each node of the ring. */
#include "roles/coordinator/placement.h"

#include "log/hash.h"
#include "statemachine/ring.h"

#define WALK_AHEAD 4u
#define WALK_SHORT 64u /* places after which a look at all zones costs less than it may save */

/* A plan being made. */
struct search {
    const struct dsdn_state *s;
    uint64_t time_ms, place;
    const uint32_t *held[2]; /* nodes that have a replica row: holders, suspects */
    uint32_t held_cnt[2];
    uint32_t zones[DSDN_HOLDER_MAX + DSDN_PLACEMENT_MAX], zone_cnt; /* taken */
    uint32_t want, wanted_node;                                     /* stop as soon as this one is chosen */
    bool found;                                                     /* it was */
    struct dsdn_placement *out;
};

static bool among(const uint32_t *rows, uint32_t cnt, uint32_t row)
{
    for (uint32_t i = 0; i < cnt; i++)
        if (rows[i] == row) return true;
    return false;
}

static bool taken(const struct search *q, uint32_t zone)
{
    return among(q->zones, q->zone_cnt, zone);
}

static bool is_free(const struct search *q, uint32_t row)
{
    const struct dsdn_row_node *n = dsdn_node_at(q->s, row);
    return n->on_ring == 1 && n->tls_not_after > q->time_ms && n->binding_expiry > q->time_ms &&
           !among(q->held[0], q->held_cnt[0], row) && !among(q->held[1], q->held_cnt[1], row);
}

static bool wants_more(const struct search *q)
{
    return q->out->cnt < q->want && !q->found;
}

static void choose(struct search *q, uint32_t row, enum dsdn_placement_rule rule)
{
    uint32_t zone = dsdn_node_at(q->s, row)->zone;
    q->out->node[q->out->cnt] = row;
    q->out->rule[q->out->cnt++] = (uint8_t)rule;
    q->found = row == q->wanted_node;
    if (!taken(q, zone)) q->zones[q->zone_cnt++] = zone;
}

/* Zones that could still give a node: those not taken with nodes on the ring. */
static uint32_t zones_open(const struct search *q)
{
    const struct dsdn_table *t = &q->s->tables[dsdn_TABLE_zone];
    uint32_t cnt = 0;
    for (uint32_t row = 0; row < t->row_end; row++)
        cnt += dsdn_table_live(t, row) && dsdn_zone_at(q->s, row)->ring_cnt != 0 && !taken(q, row);
    return cnt;
}

/* A walk that has the next rows fetched into the cache: they are all over the table. */
struct stroll {
    struct dsdn_ring_walk walk;
    const struct dsdn_state *s;
    uint32_t ahead[WALK_AHEAD], at;
};

static uint32_t fetch_next(struct stroll *w)
{
    uint32_t row = dsdn_ring_next(&w->walk);
    if (row != DSDN_NO_ROW) {
        const struct dsdn_row_node *n = dsdn_node_at(w->s, row);
        __builtin_prefetch(&n->zone);
        __builtin_prefetch(&n->tls_not_after);
    }
    return row;
}

static void stroll_begin(struct stroll *w, const struct search *q)
{
    w->s = q->s;
    dsdn_ring_begin(&w->walk, &q->s->tables[dsdn_TABLE_node], q->place);
    for (w->at = 0; w->at < WALK_AHEAD; w->at++) w->ahead[w->at] = fetch_next(w);
}

static uint32_t stroll_next(struct stroll *w)
{
    uint32_t *slot = &w->ahead[w->at++ % WALK_AHEAD], row = *slot;
    *slot = fetch_next(w);
    return row;
}

/* Step 1.  A walk that got long ends when no zone is left: it could choose nothing more. */
static void walk_zones(struct search *q)
{
    struct stroll w;
    uint32_t open = UINT32_MAX;
    stroll_begin(&w, q);
    for (uint32_t i = 0; i < DSDN_PLACEMENT_WALK && wants_more(q) && open; i++) {
        if (i == WALK_SHORT && (open = zones_open(q)) == 0) return;
        uint32_t row = stroll_next(&w);
        if (row == DSDN_NO_ROW) return;
        if (taken(q, dsdn_node_at(q->s, row)->zone) || !is_free(q, row)) continue;
        choose(q, row, DSDN_PLACEMENT_RING);
        open--;
    }
}

/* Step 2.  One pass does: a zone without a free node does not get one by what other zones give. */
static void ask_zones(struct search *q)
{
    const struct dsdn_table *zones = &q->s->tables[dsdn_TABLE_zone], *nodes = &q->s->tables[dsdn_TABLE_node];
    struct dsdn_walk by_name, by_zone;
    uint8_t prefix[DSDN_KEY_MAX];
    uint32_t zone, row;
    dsdn_walk_begin(&by_name, zones, 0, NULL, 0);
    while (wants_more(q) && (zone = dsdn_walk_next(&by_name)) != DSDN_NO_ROW) {
        const struct dsdn_row_zone *z = dsdn_zone_at(q->s, zone);
        if (!z->ring_cnt || taken(q, zone)) continue;
        memcpy(prefix, z->name, 32);
        prefix[32] = 1; /* nodes on the ring, by id */
        dsdn_walk_begin(&by_zone, nodes, 0, prefix, 33);
        while ((row = dsdn_walk_next(&by_zone)) != DSDN_NO_ROW && !is_free(q, row)) continue;
        if (row != DSDN_NO_ROW) choose(q, row, DSDN_PLACEMENT_ZONE);
    }
}

/* Step 3. */
static void walk_again(struct search *q)
{
    struct stroll w;
    stroll_begin(&w, q);
    for (uint32_t i = 0; i < DSDN_PLACEMENT_WALK && wants_more(q); i++) {
        uint32_t row = stroll_next(&w);
        if (row == DSDN_NO_ROW) return;
        if (!among(q->out->node, q->out->cnt, row) && is_free(q, row)) choose(q, row, DSDN_PLACEMENT_AGAIN);
    }
}

static uint32_t plan(struct search *q)
{
    q->out->cnt = 0;
    if (q->want > DSDN_PLACEMENT_MAX) q->want = DSDN_PLACEMENT_MAX;
    if (wants_more(q)) walk_zones(q);
    if (wants_more(q)) ask_zones(q);
    if (wants_more(q)) walk_again(q);
    return q->out->cnt;
}

static struct search search_chunk(const struct dsdn_state *s, uint64_t time_ms, uint32_t chunk, uint32_t want,
                                  struct dsdn_placement *out)
{
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, chunk);
    struct search q = {.s = s,
                       .time_ms = time_ms,
                       .place = dsdn_placement_place(k->chunk),
                       .held = {k->holders, k->suspects},
                       .held_cnt = {k->holders_cnt, k->suspects_cnt},
                       .want = want,
                       .wanted_node = DSDN_NO_ROW,
                       .out = out};
    for (uint32_t i = 0; i < k->holders_cnt; i++) {
        uint32_t zone = dsdn_node_at(s, k->holders[i])->zone;
        if (!taken(&q, zone)) q.zones[q.zone_cnt++] = zone;
    }
    return q;
}

/* ---- what others call ---- */

uint32_t dsdn_placement_plan(const struct dsdn_state *s, uint64_t time_ms, uint32_t chunk, uint32_t want,
                             struct dsdn_placement *out)
{
    struct search q = search_chunk(s, time_ms, chunk, want, out);
    return plan(&q);
}

/* Replicas a chunk should have; rows of a checkpoint may ask for more than the protocol allows. */
static uint32_t replicas(const struct dsdn_state *s, uint32_t chunk)
{
    uint8_t rf = dsdn_object_at(s, dsdn_chunk_at(s, chunk)->object)->rf;
    return rf < DSDN_PLACEMENT_MAX ? rf : DSDN_PLACEMENT_MAX;
}

/* How many holders are missing. */
static uint32_t missing(const struct dsdn_state *s, uint32_t chunk)
{
    uint32_t rf = replicas(s, chunk), holders = dsdn_chunk_at(s, chunk)->holders_cnt;
    return rf > holders ? rf - holders : 0;
}

uint32_t dsdn_placement_want(const struct dsdn_state *s, uint32_t chunk)
{
    return dsdn_chunk_to_go(s, chunk) ? 0 : missing(s, chunk);
}

bool dsdn_placement_has(const struct dsdn_context *c, uint32_t chunk, uint32_t node)
{
    struct dsdn_placement out;
    struct search q = search_chunk(c->state, c->time_ms, chunk, missing(c->state, chunk), &out);
    q.wanted_node = node;
    bool held = taken(&q, dsdn_node_at(c->state, node)->zone); /* a holder is in its zone */
    if (is_free(&q, node)) plan(&q);
    /* While a zone without the chunk has a free node, that node comes first: the plan then begins with it. */
    return q.found && (!held || out.rule[0] == DSDN_PLACEMENT_AGAIN);
}

uint32_t dsdn_placement_of(const struct dsdn_state *s, uint64_t time_ms, const uint8_t hash[32], uint32_t rf,
                           struct dsdn_placement *out)
{
    struct search q = {.s = s,
                       .time_ms = time_ms,
                       .place = dsdn_placement_place(hash),
                       .want = rf,
                       .wanted_node = DSDN_NO_ROW,
                       .out = out};
    return plan(&q);
}

/* ---- healing ---- */

static bool holds_live(const struct dsdn_state *s, const uint8_t key[64])
{
    uint32_t row = dsdn_replica_find(s, key);
    return row != DSDN_NO_ROW && dsdn_replica_at(s, row)->state == DSDN_REPLICA_LIVE;
}

uint32_t dsdn_heal_source(const struct dsdn_state *s, uint32_t chunk)
{
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, chunk);
    uint8_t key[64], hash[32], lowest[32];
    uint32_t source = DSDN_NO_ROW;
    memcpy(key, k->chunk, 32);
    for (uint32_t i = 0; i < k->holders_cnt; i++) {
        memcpy(key + 32, dsdn_node_at(s, k->holders[i])->id, 32);
        if (!holds_live(s, key)) continue;
        dsdn_tagged("dsdn/heal/1", key, sizeof key, hash);
        if (source != DSDN_NO_ROW && memcmp(hash, lowest, 32) >= 0) continue;
        source = k->holders[i];
        memcpy(lowest, hash, 32);
    }
    return source;
}

bool dsdn_heal_plan(const struct dsdn_state *s, uint64_t time_ms, uint32_t chunk, struct dsdn_heal *out)
{
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, chunk);
    uint32_t rf = replicas(s, chunk);
    if (k->live_cnt >= rf || dsdn_chunk_to_go(s, chunk)) return false;
    out->chunk = chunk;
    out->source = dsdn_heal_source(s, chunk);
    out->rf = (uint8_t)rf;
    out->live = k->live_cnt;
    out->assigned = k->holders_cnt > k->live_cnt ? (uint8_t)(k->holders_cnt - k->live_cnt) : 0;
    out->suspect = k->suspects_cnt;
    dsdn_placement_plan(s, time_ms, chunk, missing(s, chunk), &out->targets);
    return true;
}

bool dsdn_heal_next(const struct dsdn_state *s, uint64_t time_ms, const uint32_t *rows, uint32_t row_cnt,
                    uint32_t *at, struct dsdn_heal *out)
{
    while (*at < row_cnt)
        if (dsdn_heal_plan(s, time_ms, rows[(*at)++], out)) return true;
    return false;
}
