/* neutral.c: the reducers of the neutral catalogue.  "No effect" of the bench format is NO_EFFECT or a
 * precondition here; the state is the same. */
#include "statemachine/catalogue.h"
#include "statemachine/system.h"

/* The descriptors of this catalogue alone are defined here: the system's, included above, are not. */
#define DSDN_EVENTS_DEFINE
#define DSDN_TABLES_DEFINE
#include "roles/neutral/neutral.h"

enum { REPLICAS_MAX = 10 };

static dsdn_outcome neutral_reduce_node_registered(struct dsdn_context *c,
                                                   const struct neutral_ev_node_registered *e)
{
    uint32_t row = neutral_node_find_hashed(c->state, e->node, c->hash[0]);
    if (row == DSDN_NO_ROW) row = neutral_node_insert_hashed(c->state, e->node, c->hash[0]);
    struct neutral_row_node *node = neutral_node_edit(c->state, row);
    node->capacity = e->capacity;
    node->zone = e->zone;
    node->address_len = (uint8_t)e->address.len;
    memcpy(node->address, e->address.bytes, e->address.len);
    node->registered = c->ordinal;
    return DSDN_OUTCOME_OK;
}

static dsdn_outcome neutral_reduce_chunk_declared(struct dsdn_context *c,
                                                  const struct neutral_ev_chunk_declared *e)
{
    uint32_t row = neutral_chunk_find_hashed(c->state, e->chunk, c->hash[0]);
    if (row == DSDN_NO_ROW) row = neutral_chunk_insert_hashed(c->state, e->chunk, c->hash[0]);
    else if (!neutral_chunk_at(c->state, row)->deleted) return DSDN_OUTCOME_NO_EFFECT;
    struct neutral_row_chunk *chunk = neutral_chunk_edit(c->state, row);
    memcpy(chunk->uploader, e->uploader, 32);
    chunk->size = e->size;
    chunk->rf = e->rf;
    chunk->policy = e->policy;
    chunk->deleted = 0;
    chunk->replicas_cnt = 0;
    chunk->declared = c->ordinal;
    return DSDN_OUTCOME_OK;
}

static uint32_t replica_slot(const struct neutral_row_chunk *chunk, uint32_t node)
{
    uint32_t i = 0;
    while (i < chunk->replicas_cnt && chunk->replicas[i] != node) i++;
    return i;
}

static dsdn_outcome neutral_reduce_replica_added(struct dsdn_context *c,
                                                 const struct neutral_ev_replica_added *e)
{
    uint32_t row = neutral_chunk_find_hashed(c->state, e->chunk, c->hash[0]);
    if (row == DSDN_NO_ROW) return DSDN_PRECONDITION(NEUTRAL_CODE_UNKNOWN);
    const struct neutral_row_chunk *chunk = neutral_chunk_at(c->state, row);
    if (chunk->deleted) return DSDN_PRECONDITION(NEUTRAL_CODE_NOT_LIVE);
    if (chunk->replicas_cnt >= REPLICAS_MAX) return DSDN_PRECONDITION(NEUTRAL_CODE_FULL);
    uint32_t node = neutral_node_find_hashed(c->state, e->node, c->hash[1]);
    if (node == DSDN_NO_ROW) return DSDN_PRECONDITION(NEUTRAL_CODE_UNKNOWN);
    if (replica_slot(chunk, node) < chunk->replicas_cnt) return DSDN_OUTCOME_NO_EFFECT;
    struct neutral_row_chunk *edit = neutral_chunk_edit(c->state, row);
    edit->replicas[edit->replicas_cnt++] = node;
    return DSDN_OUTCOME_OK;
}

static dsdn_outcome neutral_reduce_replica_removed(struct dsdn_context *c,
                                                   const struct neutral_ev_replica_removed *e)
{
    uint32_t row = neutral_chunk_find_hashed(c->state, e->chunk, c->hash[0]);
    if (row == DSDN_NO_ROW) return DSDN_PRECONDITION(NEUTRAL_CODE_UNKNOWN);
    const struct neutral_row_chunk *chunk = neutral_chunk_at(c->state, row);
    if (chunk->deleted) return DSDN_PRECONDITION(NEUTRAL_CODE_NOT_LIVE);
    uint32_t node = neutral_node_find_hashed(c->state, e->node, c->hash[1]);
    if (node == DSDN_NO_ROW) return DSDN_PRECONDITION(NEUTRAL_CODE_UNKNOWN);
    uint32_t slot = replica_slot(chunk, node);
    if (slot == chunk->replicas_cnt) return DSDN_OUTCOME_NO_EFFECT;
    struct neutral_row_chunk *edit = neutral_chunk_edit(c->state, row);
    edit->replicas[slot] = edit->replicas[--edit->replicas_cnt];
    return DSDN_OUTCOME_OK;
}

static dsdn_outcome neutral_reduce_delete_requested(struct dsdn_context *c,
                                                    const struct neutral_ev_delete_requested *e)
{
    uint32_t row = neutral_chunk_find_hashed(c->state, e->chunk, c->hash[0]);
    if (row == DSDN_NO_ROW) return DSDN_PRECONDITION(NEUTRAL_CODE_UNKNOWN);
    if (neutral_chunk_at(c->state, row)->deleted) return DSDN_OUTCOME_NO_EFFECT;
    struct neutral_row_chunk *chunk = neutral_chunk_edit(c->state, row);
    chunk->deleted = 1;
    chunk->replicas_cnt = 0;
    return DSDN_OUTCOME_OK;
}

static dsdn_outcome neutral_reduce_stake_updated(struct dsdn_context *c,
                                                 const struct neutral_ev_stake_updated *e)
{
    uint32_t row = neutral_node_find_hashed(c->state, e->node, c->hash[0]);
    if (row == DSDN_NO_ROW) return DSDN_PRECONDITION(NEUTRAL_CODE_UNKNOWN);
    int64_t stake;
    if (__builtin_add_overflow(neutral_node_at(c->state, row)->stake, e->delta, &stake) || stake < 0)
        return DSDN_PRECONDITION(NEUTRAL_CODE_BELOW_ZERO);
    neutral_node_edit(c->state, row)->stake = stake;
    return DSDN_OUTCOME_OK;
}

#define DSDN_EVENTS_DEF         "roles/neutral/events.def"
#define DSDN_EVENTS_PREFIX      neutral
#define DSDN_TABLE_NUMBER(name) neutral_TABLE_##name
#include "statemachine/declare_reducers.h"

static const struct dsdn_code_name codes[] = {
    {NEUTRAL_CODE_UNKNOWN, "UNKNOWN", "the chunk or node is not known"},
    {NEUTRAL_CODE_NOT_LIVE, "NOT_LIVE", "the chunk is deleted"},
    {NEUTRAL_CODE_FULL, "FULL", "the chunk has 10 replicas"},
    {NEUTRAL_CODE_BELOW_ZERO, "BELOW_ZERO", "the stake would fall below zero"},
    {0, NULL, NULL},
};

const struct dsdn_catalogue neutral_catalogue = {
    .name = "neutral",
    .events = &neutral_event_table,
    .reducers = neutral_reducers,
    .tables = neutral_tables,
    .table_cnt = neutral_TABLE_END - DSDN_SYSTEM_TABLES,
    .codes = codes,
    .version = DSDN_PROTOCOL(1, 0, 0),
};
_Static_assert(sizeof(struct neutral_row_chunk) == 128, "two cache lines");
