/* story_chunk.c: objects, chunks and their replicas. */
#include "roles/coordinator/placement.h"
#include "roles/generator/model.h"

#define HOUR_MS 3600000ull

static const uint8_t *node_key(const struct generator *g, uint32_t node)
{
    return g->nodes[node].author.key.public_key;
}

static void object_id(const struct generator *g, uint64_t object, uint8_t id[32])
{
    content_hash("dsdn/generate/object/1", g->options.seed, object, id);
}

static const struct dsdn_row_chunk *chunk_row(struct generator *g, const struct group *group, uint32_t i)
{
    return dsdn_chunk_at(world(g), group->first_row + i);
}

/* State of a replica, -1 without one. */
static int replica_state(struct generator *g, const uint8_t *chunk, uint32_t node)
{
    uint8_t key[64];
    memcpy(key, chunk, 32);
    memcpy(key + 32, node_key(g, node), 32);
    uint32_t row = dsdn_replica_find(world(g), key);
    return row == DSDN_NO_ROW ? -1 : dsdn_replica_at(world(g), row)->state;
}

struct group *any_group(struct generator *g)
{
    uint64_t cnt = g->group_cnt < GROUP_MAX ? g->group_cnt : GROUP_MAX;
    return cnt ? &g->groups[below(g, (uint32_t)cnt)] : NULL;
}

struct group *story_declare(struct generator *g, uint32_t chunk_cnt)
{
    struct group group = {.object = g->object_cnt++,
                          .first_chunk = g->chunk_cnt,
                          .chunk_cnt = chunk_cnt,
                          .owner = below(g, OWNER_CNT)};
    struct author *owner = &g->owners[group.owner];
    struct content content;
    uint8_t id[32];
    uint64_t size = 0;
    g->chunk_cnt += chunk_cnt;
    for (uint32_t i = 0; i < chunk_cnt; i++) {
        content_of(g->options.seed, group.object, group.first_chunk + i, &content);
        size += content.size;
    }
    object_id(g, group.object, id);
    struct dsdn_ev_object_declared object = {.object = id,
                                             .owner = owner->key.public_key,
                                             .size = size,
                                             .chunk_count = chunk_cnt,
                                             .rf = REPLICAS,
                                             .visibility = (uint8_t)below(g, 2),
                                             .enc = (uint8_t)below(g, 3)};
    if (!put(g, owner, dsdn_EVENT_object_declared, &object)) return NULL;
    for (uint32_t i = 0; i < chunk_cnt; i++) {
        content_of(g->options.seed, group.object, group.first_chunk + i, &content);
        struct dsdn_ev_chunk_declared chunk = {.chunk = content.id,
                                               .object = id,
                                               .index = i,
                                               .size = content.size,
                                               .leaf_size = content.leaf_size,
                                               .leaf_root = content.leaf_root};
        if (!put(g, owner, dsdn_EVENT_chunk_declared, &chunk)) return NULL;
        if (i == 0) group.first_row = dsdn_chunk_find(world(g), content.id);
    }
    struct group *slot = &g->groups[g->group_cnt++ % GROUP_MAX];
    *slot = group;
    return slot;
}

/* Nodes as planned, one by one: an assignment may move the ring for the next. */
static bool assign(struct generator *g, const struct group *group, uint32_t i)
{
    uint32_t row = group->first_row + i;
    for (uint32_t want = dsdn_placement_want(world(g), row); want; want--) {
        const struct dsdn_state *s = world(g);
        struct dsdn_placement plan;
        if (!dsdn_placement_plan(s, g->time_ms, row, want, &plan)) return true;
        uint8_t id[32];
        memcpy(id, dsdn_chunk_at(s, row)->chunk, 32);
        uint32_t to = plan.node[0], from = dsdn_heal_source(s, row);
        struct dsdn_ev_replica_assigned first = {id, node_key(g, to), zone_name(to), g->time_ms + HOUR_MS};
        struct dsdn_ev_heal_assigned heal = {id, from == DSDN_NO_ROW ? NULL : node_key(g, from),
                                             node_key(g, to), g->time_ms + HOUR_MS};
        if (!(heal.from ? put(g, NULL, dsdn_EVENT_heal_assigned, &heal)
                        : put(g, NULL, dsdn_EVENT_replica_assigned, &first)))
            return false;
    }
    return true;
}

/* The node proves one chunk; without bundle signatures the authority confirms it instead. */
static bool prove(struct generator *g, const struct group *group, uint32_t i, uint32_t node)
{
    static const uint8_t no_origin[32]; /* a network without a primary */
    struct content content;
    uint8_t path[32 * PATH_MAX_HASHES];
    content_of(g->options.seed, group->object, group->first_chunk + i, &content);
    if (!speaks(g)) {
        struct dsdn_ev_replica_healed e = {content.id, node_key(g, node)};
        return put(g, NULL, dsdn_EVENT_replica_healed, &e);
    }
    uint32_t leaf = dsdn_leaf_draw(no_origin, content.id, node_key(g, node), content.leaf_cnt);
    uint32_t cnt = content_path(&content, leaf, path);
    struct dsdn_ev_replica_added e = {
        content.id, node_key(g, node), content.leaf_root, leaf, {path, cnt, 32 * cnt}};
    return put(g, &g->nodes[node].author, dsdn_EVENT_replica_added, &e);
}

/* A node proves all it was assigned of the object, from chunk i on, and has one more thing to say while it
 * speaks. */
static bool prove_all(struct generator *g, const struct group *group, uint32_t i, uint32_t node)
{
    for (; i < group->chunk_cnt; i++)
        if (replica_state(g, chunk_row(g, group, i)->chunk, node) == DSDN_REPLICA_ASSIGNED &&
            !prove(g, group, i, node))
            return false;
    if (!speaks(g) || !(g->options.families & DSDN_GENERATE_NODE)) return true;
    return put_rotation(g, &g->nodes[node]);
}

static bool confirm(struct generator *g, const struct group *group)
{
    for (uint32_t i = 0; i < group->chunk_cnt; i++)
        for (uint32_t h = 0; h < chunk_row(g, group, i)->holders_cnt; h++) {
            uint32_t node = chunk_row(g, group, i)->holders[h];
            if (replica_state(g, chunk_row(g, group, i)->chunk, node) == DSDN_REPLICA_ASSIGNED &&
                node_active(g, &g->nodes[node]) && !prove_all(g, group, i, node))
                return false;
        }
    return true;
}

static bool put_removed(struct generator *g, const uint8_t *chunk, uint32_t node, uint8_t reason)
{
    uint8_t id[32];
    memcpy(id, chunk, 32);
    struct dsdn_ev_replica_removed e = {id, node_key(g, node), reason};
    return put(g, NULL, dsdn_EVENT_replica_removed, &e);
}

/* Suspects of all its chunks; of an object that is to go the holders too. */
static bool let_go(struct generator *g, const struct group *group)
{
    uint8_t reason = group->deleted ? 0 : 2;
    for (uint32_t i = 0; i < group->chunk_cnt; i++) {
        for (uint32_t n = chunk_row(g, group, i)->suspects_cnt; n && chunk_row(g, group, i)->suspects_cnt;
             n--)
            if (!put_removed(g, chunk_row(g, group, i)->chunk, chunk_row(g, group, i)->suspects[0], reason))
                return false;
        for (uint32_t n = group->deleted ? chunk_row(g, group, i)->holders_cnt : 0;
             n && chunk_row(g, group, i)->holders_cnt; n--)
            if (!put_removed(g, chunk_row(g, group, i)->chunk, chunk_row(g, group, i)->holders[0], reason))
                return false;
    }
    return true;
}

void story_place(struct generator *g, struct group *group)
{
    for (uint32_t i = 0; i < group->chunk_cnt; i++)
        if (!assign(g, group, i)) return;
    if (confirm(g, group)) let_go(g, group);
}

static bool report_missing(struct generator *g, const struct group *group, uint32_t node)
{
    for (uint32_t i = 0; i < group->chunk_cnt; i++) {
        uint8_t id[32];
        memcpy(id, chunk_row(g, group, i)->chunk, 32);
        if (replica_state(g, id, node) != DSDN_REPLICA_LIVE) continue;
        struct dsdn_ev_replica_missing_reported e = {id, node_key(g, node), g->time_ms};
        if (!put(g, NULL, dsdn_EVENT_replica_missing_reported, &e)) return false;
    }
    return true;
}

/* The replicas of one holder go missing, and come back, or are copied to another node. */
void story_churn(struct generator *g, struct group *group)
{
    const struct dsdn_row_chunk *k = chunk_row(g, group, below(g, group->chunk_cnt));
    if (!k->live_cnt) {
        story_place(g, group);
        return;
    }
    uint32_t lost = k->holders[below(g, k->holders_cnt)];
    bool back = below(g, 2) && node_active(g, &g->nodes[lost]);
    if (!report_missing(g, group, lost)) return;
    for (uint32_t i = 0; back && i < group->chunk_cnt; i++) {
        uint8_t id[32];
        memcpy(id, chunk_row(g, group, i)->chunk, 32);
        if (replica_state(g, id, lost) != DSDN_REPLICA_SUSPECT) continue;
        struct dsdn_ev_replica_healed e = {id, node_key(g, lost)};
        if (!put(g, NULL, dsdn_EVENT_replica_healed, &e)) return;
    }
    if (!back) story_place(g, group);
}

/* The owner deletes the object, or each of its chunks; without bundle signatures the replicas are lost one by
 * one, and the object is placed anew some other time. */
void story_delete(struct generator *g, struct group *group)
{
    struct author *owner = &g->owners[group->owner];
    uint8_t id[32];
    if (speaks(g)) {
        bool chunks = below(g, 2);
        for (uint32_t i = 0; i < (chunks ? group->chunk_cnt : 1); i++) {
            object_id(g, group->object, id);
            if (chunks) memcpy(id, chunk_row(g, group, i)->chunk, 32);
            struct dsdn_ev_delete_requested e = {id, chunks, (uint8_t)below(g, 4)};
            if (!put(g, owner, dsdn_EVENT_delete_requested, &e)) return;
        }
        group->deleted = true;
    } else {
        for (uint32_t i = 0; i < group->chunk_cnt; i++)
            for (uint32_t n = chunk_row(g, group, i)->live_cnt; n && chunk_row(g, group, i)->live_cnt; n--)
                if (!report_missing(g, group, chunk_row(g, group, i)->holders[0])) return;
    }
    let_go(g, group);
}
