#include "roles/coordinator/queries.h"

#define INDEX_FIRST 0u /* each of these tables has one ordered index */

static const uint8_t *node_id(const struct dsdn_state *s, uint32_t node)
{
    return dsdn_node_at(s, node)->id;
}

/* ---- nodes of a zone ---- */

/* The index has the nodes of a zone in two runs, off and on the ring: they are merged by id. */
void dsdn_query_zone(struct dsdn_zone_cursor *q, const struct dsdn_state *s, uint32_t zone)
{
    const struct dsdn_table *nodes = &s->tables[dsdn_TABLE_node];
    uint8_t prefix[33];
    q->s = s;
    memcpy(prefix, dsdn_zone_at(s, zone)->name, 32);
    for (uint8_t on = 0; on < 2; on++) {
        prefix[32] = on;
        dsdn_walk_begin(&q->walk[on], nodes, INDEX_FIRST, prefix, sizeof prefix);
        q->next[on] = dsdn_walk_next(&q->walk[on]);
    }
}

uint32_t dsdn_query_zone_next(struct dsdn_zone_cursor *q)
{
    uint32_t on =
        q->next[0] == DSDN_NO_ROW ||
        (q->next[1] != DSDN_NO_ROW && memcmp(node_id(q->s, q->next[1]), node_id(q->s, q->next[0]), 32) < 0);
    uint32_t row = q->next[on];
    if (row != DSDN_NO_ROW) q->next[on] = dsdn_walk_next(&q->walk[on]);
    return row;
}

/* ---- replicas of a chunk ---- */

uint32_t dsdn_query_replicas(const struct dsdn_state *s, uint32_t chunk, uint32_t nodes[DSDN_REPLICAS_MAX])
{
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, chunk);
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < (uint32_t)k->holders_cnt + k->suspects_cnt; i++) {
        uint32_t node = i < k->holders_cnt ? k->holders[i] : k->suspects[i - k->holders_cnt], at = cnt++;
        for (; at && memcmp(node_id(s, nodes[at - 1]), node_id(s, node), 32) > 0; at--)
            nodes[at] = nodes[at - 1];
        nodes[at] = node;
    }
    return cnt;
}

uint32_t dsdn_query_replica(const struct dsdn_state *s, uint32_t chunk, uint32_t node)
{
    uint8_t key[64];
    memcpy(key, dsdn_chunk_at(s, chunk)->chunk, 32);
    memcpy(key + 32, node_id(s, node), 32);
    return dsdn_replica_find(s, key);
}

/* ---- deletions ---- */

static void chunk_begin(struct dsdn_deletion_cursor *q, uint32_t chunk)
{
    q->chunk = chunk;
    q->node_cnt = dsdn_query_replicas(q->s, chunk, q->nodes);
    q->node_at = 0;
}

void dsdn_query_deletion(struct dsdn_deletion_cursor *q, const struct dsdn_state *s, uint8_t kind,
                         uint32_t row)
{
    q->s = s;
    q->object = kind == 0;
    q->node_cnt = q->node_at = 0;
    if (q->object)
        dsdn_walk_begin(&q->slots, &s->tables[dsdn_TABLE_chunk_slot], INDEX_FIRST,
                        dsdn_object_at(s, row)->object, 32);
    else
        chunk_begin(q, row);
}

bool dsdn_query_deletion_next(struct dsdn_deletion_cursor *q, struct dsdn_replica_left *out)
{
    for (;;) {
        while (q->node_at < q->node_cnt) {
            uint32_t node = q->nodes[q->node_at++], replica = dsdn_query_replica(q->s, q->chunk, node);
            if (replica == DSDN_NO_ROW) continue; /* rows of a checkpoint that contradict each other */
            *out = (struct dsdn_replica_left){q->chunk, node, replica};
            return true;
        }
        uint32_t slot = q->object ? dsdn_walk_next(&q->slots) : DSDN_NO_ROW;
        q->object = slot != DSDN_NO_ROW;
        if (!q->object) return false;
        chunk_begin(q, dsdn_chunk_slot_at(q->s, slot)->chunk);
    }
}

uint64_t dsdn_query_deletion_ordinal(const struct dsdn_state *s, uint8_t kind, const uint8_t target[32])
{
    uint8_t key[33] = {kind};
    memcpy(key + 1, target, 32);
    uint32_t row = dsdn_delete_request_find(s, key);
    return row == DSDN_NO_ROW ? UINT64_MAX : dsdn_delete_request_at(s, row)->ordinal;
}
