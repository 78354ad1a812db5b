/* story_chunk.c: objects, chunks and their replicas. */
#include "roles/generator/model.h"
#include "roles/reducers.h"

#define HOUR_MS 3600000ull

static const uint8_t *node_key(const struct generator *g, uint32_t node)
{
    return g->nodes[node].author.key.public_key;
}

static void object_id(const struct generator *g, uint64_t object, uint8_t id[32])
{
    content_hash("dsdn/generate/object/1", g->options.seed, object, id);
}

/* A ready node in none of the zones of `cnt` others, and none of them; g->node_max when chance finds none. */
static uint32_t pick_node(struct generator *g, const uint32_t *others, uint32_t cnt, uint32_t also_not)
{
    for (int tries = 0; tries < 64 && g->ready_cnt; tries++) {
        uint32_t node = below(g, g->ready_cnt);
        bool fits = g->nodes[node].state == NODE_READY && node != also_not;
        for (uint32_t i = 0; i < cnt; i++) fits = fits && g->nodes[others[i]].zone != g->nodes[node].zone;
        if (fits) return node;
    }
    return g->node_max;
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
        content_of(g->options.seed, group.first_chunk + i, &content);
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
        content_of(g->options.seed, group.first_chunk + i, &content);
        struct dsdn_ev_chunk_declared chunk = {.chunk = content.id,
                                               .object = id,
                                               .index = i,
                                               .size = content.size,
                                               .leaf_size = content.leaf_size,
                                               .leaf_root = content.leaf_root};
        if (!put(g, owner, dsdn_EVENT_chunk_declared, &chunk)) return NULL;
    }
    struct group *slot = &g->groups[g->group_cnt++ % GROUP_MAX];
    *slot = group;
    return slot;
}

/* The node proves its chunks, and has one more thing to say while it speaks.  Without bundle signatures the
 * authority confirms the replicas instead. */
static bool confirm(struct generator *g, const struct group *group, uint32_t node)
{
    static const uint8_t no_origin[32]; /* a network without a primary */
    struct content content;
    uint8_t path[32 * PATH_MAX_HASHES];
    for (uint32_t i = 0; i < group->chunk_cnt; i++) {
        content_of(g->options.seed, group->first_chunk + i, &content);
        if (!speaks(g)) {
            struct dsdn_ev_replica_healed e = {content.id, node_key(g, node)};
            if (!put(g, NULL, dsdn_EVENT_replica_healed, &e)) return false;
            continue;
        }
        uint32_t leaf = dsdn_leaf_draw(no_origin, content.id, node_key(g, node), content.leaf_cnt);
        uint32_t cnt = content_path(&content, leaf, path);
        struct dsdn_ev_replica_added e = {
            content.id, node_key(g, node), content.leaf_root, leaf, {path, cnt, 32 * cnt}};
        if (!put(g, &g->nodes[node].author, dsdn_EVENT_replica_added, &e)) return false;
    }
    if (!speaks(g) || !(g->options.families & DSDN_GENERATE_NODE)) return true;
    return put_rotation(g, &g->nodes[node]);
}

void story_place(struct generator *g, struct group *group)
{
    struct content content;
    for (uint32_t r = 0; r < REPLICAS; r++) {
        group->node[r] = pick_node(g, group->node, r, g->node_max);
        if (group->node[r] == g->node_max) return;
    }
    for (uint32_t i = 0; i < group->chunk_cnt; i++) {
        content_of(g->options.seed, group->first_chunk + i, &content);
        for (uint32_t r = 0; r < REPLICAS; r++) {
            uint32_t node = group->node[r];
            struct dsdn_ev_replica_assigned e = {content.id, node_key(g, node),
                                                 zone_name(g->nodes[node].zone), g->time_ms + HOUR_MS};
            if (!put(g, NULL, dsdn_EVENT_replica_assigned, &e)) return;
        }
    }
    for (uint32_t r = 0; r < REPLICAS; r++)
        if (!confirm(g, group, group->node[r])) return;
    group->placed = true;
}

static bool report_missing(struct generator *g, const struct group *group, uint32_t node)
{
    struct content content;
    for (uint32_t i = 0; i < group->chunk_cnt; i++) {
        content_of(g->options.seed, group->first_chunk + i, &content);
        struct dsdn_ev_replica_missing_reported e = {content.id, node_key(g, node), g->time_ms};
        if (!put(g, NULL, dsdn_EVENT_replica_missing_reported, &e)) return false;
    }
    return true;
}

static bool remove_all(struct generator *g, const struct group *group, uint32_t node, uint8_t reason)
{
    struct content content;
    for (uint32_t i = 0; i < group->chunk_cnt; i++) {
        content_of(g->options.seed, group->first_chunk + i, &content);
        struct dsdn_ev_replica_removed e = {content.id, node_key(g, node), reason};
        if (!put(g, NULL, dsdn_EVENT_replica_removed, &e)) return false;
    }
    return true;
}

/* The replicas of one holder go missing, and come back, or move to another node. */
void story_churn(struct generator *g, struct group *group)
{
    uint32_t place = below(g, REPLICAS), lost = group->node[place];
    uint32_t others[2] = {group->node[(place + 1) % REPLICAS], group->node[(place + 2) % REPLICAS]};
    struct content content;
    if (g->nodes[lost].state != NODE_READY) return;
    if (below(g, 2)) {
        if (!report_missing(g, group, lost)) return;
        for (uint32_t i = 0; i < group->chunk_cnt; i++) {
            content_of(g->options.seed, group->first_chunk + i, &content);
            struct dsdn_ev_replica_healed e = {content.id, node_key(g, lost)};
            if (!put(g, NULL, dsdn_EVENT_replica_healed, &e)) return;
        }
        return;
    }
    uint32_t to = pick_node(g, others, 2, lost);
    if (to == g->node_max || !report_missing(g, group, lost)) return;
    for (uint32_t i = 0; i < group->chunk_cnt; i++) {
        content_of(g->options.seed, group->first_chunk + i, &content);
        struct dsdn_ev_heal_assigned e = {content.id, node_key(g, others[0]), node_key(g, to),
                                          g->time_ms + HOUR_MS};
        if (!put(g, NULL, dsdn_EVENT_heal_assigned, &e)) return;
    }
    if (!confirm(g, group, to) || !remove_all(g, group, lost, 2)) return;
    group->node[place] = to;
}

/* The owner deletes the object, or each of its chunks; without bundle signatures the replicas are lost one by
 * one, and the object is placed anew some other time. */
void story_delete(struct generator *g, struct group *group)
{
    struct author *owner = &g->owners[group->owner];
    struct content content;
    uint8_t id[32];
    if (speaks(g)) {
        bool chunks = below(g, 2);
        object_id(g, group->object, id);
        for (uint32_t i = 0; i < (chunks ? group->chunk_cnt : 1); i++) {
            content_of(g->options.seed, group->first_chunk + i, &content);
            struct dsdn_ev_delete_requested e = {chunks ? content.id : id, chunks, (uint8_t)below(g, 4)};
            if (!put(g, owner, dsdn_EVENT_delete_requested, &e)) return;
        }
        group->deleted = true;
    }
    group->placed = false;
    for (uint32_t r = 0; r < REPLICAS; r++) {
        if (!group->deleted && !report_missing(g, group, group->node[r])) return;
        if (!remove_all(g, group, group->node[r], group->deleted ? 0 : 2)) return;
    }
}
