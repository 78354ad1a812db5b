/* placement_world.h: states of nodes, zones, chunks and replicas, made row by row, for tests of placement,
 * queries and the node follower.  Static functions only. */
#ifndef DSDN_TESTS_PLACEMENT_WORLD_H
#define DSDN_TESTS_PLACEMENT_WORLD_H

#include "roles/dsdn.h"
#include "roles/tables.h"
#include "tests/state_fixture.h"

#define NOW 1000000u

/* A node, as the model sees it. */
struct spot {
    uint8_t id[32];
    char zone[33];
    bool on_ring;
    uint64_t tls, binding;
};

static inline void id_of(uint64_t number, uint8_t out[32])
{
    uint64_t seed = number * 0x9e3779b97f4a7c15u + 77;
    for (int i = 0; i < 4; i++) test_random(&seed);
    fixture_bytes(&seed, out, 32);
}

static inline struct spot spot_of(uint64_t number, unsigned zone)
{
    struct spot spot = {.on_ring = true, .tls = NOW + 1, .binding = NOW + 1};
    id_of(number, spot.id);
    snprintf(spot.zone, sizeof spot.zone, "zone-%u", zone);
    return spot;
}

static inline void room(struct dsdn_state *s, uint32_t table)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    done(dsdn_table_reserve(&s->tables[table], 1, &error), &error);
}

static inline void world_begin(struct dsdn_state *s, uint64_t seed)
{
    const struct dsdn_table_desc *descs[DSDN_STATE_TABLES_MAX];
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < DSDN_SYSTEM_TABLES; i++) descs[cnt++] = &dsdn_sys_tables[i];
    for (uint32_t i = 0; i < dsdn_catalogue.table_cnt; i++) descs[cnt++] = &dsdn_catalogue.tables[i];
    done(dsdn_state_init(s, descs, cnt, seed, 4, &error), &error);
}

static inline uint32_t world_zone(struct dsdn_state *s, const char *name)
{
    uint8_t key[32] = {0};
    memcpy(key, name, strlen(name));
    uint32_t row = dsdn_zone_find(s, key);
    if (row != DSDN_NO_ROW) return row;
    room(s, dsdn_TABLE_zone);
    row = dsdn_zone_insert(s, key);
    dsdn_state_settle(s);
    return row;
}

static inline uint32_t world_node(struct dsdn_state *s, const struct spot *spot)
{
    uint32_t zone = world_zone(s, spot->zone);
    room(s, dsdn_TABLE_node);
    uint32_t row = dsdn_node_insert(s, spot->id);
    struct dsdn_row_node *n = dsdn_node_edit_indexed(s, row);
    n->zone = zone;
    n->role = DSDN_NODE_ROLE_STORAGE;
    n->capacity_gb = 100;
    n->status = spot->on_ring ? DSDN_NODE_ACTIVE : DSDN_NODE_QUARANTINED;
    n->on_ring = spot->on_ring;
    n->tls_not_after = spot->tls;
    n->binding_expiry = spot->binding;
    struct dsdn_row_zone *z = dsdn_zone_edit(s, zone);
    z->node_cnt++;
    z->ring_cnt += spot->on_ring;
    dsdn_state_settle(s);
    return row;
}

/* An object of one chunk per call, at the next place; rf is the object's when it is new. */
static inline uint32_t world_chunk(struct dsdn_state *s, const uint8_t object[32], const uint8_t chunk[32],
                                   uint8_t rf)
{
    uint8_t slot[36];
    uint32_t o = dsdn_object_find(s, object);
    if (o == DSDN_NO_ROW) {
        room(s, dsdn_TABLE_object);
        o = dsdn_object_insert(s, object);
        dsdn_object_edit(s, o)->rf = rf;
    }
    struct dsdn_row_object *known = dsdn_object_edit(s, o);
    uint32_t index = known->declared_cnt++;
    known->chunk_count++;
    room(s, dsdn_TABLE_chunk);
    uint32_t row = dsdn_chunk_insert(s, chunk);
    struct dsdn_row_chunk *k = dsdn_chunk_edit(s, row);
    k->object = o;
    k->index = index;
    k->size = 10000;
    k->leaf_size = DSDN_LEAF_MIN;
    memcpy(slot, object, 32);
    for (int i = 0; i < 4; i++) slot[32 + i] = (uint8_t)(index >> (24 - 8 * i));
    room(s, dsdn_TABLE_chunk_slot);
    struct dsdn_row_chunk_slot *at = dsdn_chunk_slot_edit(s, dsdn_chunk_slot_insert(s, slot));
    at->chunk = row;
    dsdn_state_settle(s);
    return row;
}

/* A replica in a state; its ordinals are the next even numbers. */
static inline uint32_t world_replica(struct dsdn_state *s, uint32_t chunk, uint32_t node, uint8_t state)
{
    uint8_t key[64];
    memcpy(key, dsdn_chunk_at(s, chunk)->chunk, 32);
    memcpy(key + 32, dsdn_node_at(s, node)->id, 32);
    room(s, dsdn_TABLE_replica);
    uint32_t row = dsdn_replica_insert(s, key);
    struct dsdn_row_replica *r = dsdn_replica_edit(s, row);
    r->state = state;
    r->heal_from = DSDN_NO_ROW;
    r->deadline_ms = state == DSDN_REPLICA_ASSIGNED ? NOW + 500 : 0;
    r->assigned_ordinal = 2 * (uint64_t)row;
    r->state_ordinal = 2 * (uint64_t)row + (state != DSDN_REPLICA_ASSIGNED);
    struct dsdn_row_chunk *k = dsdn_chunk_edit(s, chunk);
    if (state == DSDN_REPLICA_SUSPECT)
        k->suspects[k->suspects_cnt++] = node;
    else
        k->holders[k->holders_cnt++] = node;
    k->live_cnt = (uint8_t)(k->live_cnt + (state == DSDN_REPLICA_LIVE));
    dsdn_node_edit(s, node)->replica_cnt++;
    dsdn_state_settle(s);
    return row;
}

#endif
