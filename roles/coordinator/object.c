/* object.c: objects, their chunks, and their deletion (docs/reference/events.md, family chunk; requirements
 * COORD-3, STOR-6, STOR-10).
 *
 * A chunk belongs to one place of one object: the same bytes twice need two encryptions.  That keeps one
 * owner, one replication factor and one deletion for each chunk. */
#include "roles/reducers.h"

static bool same_object(const struct dsdn_row_object *o, const struct dsdn_ev_object_declared *e)
{
    return !o->deleted && dsdn_equal32(o->owner, e->owner) && o->size == e->size &&
           o->chunk_count == e->chunk_count && o->rf == e->rf && o->visibility == e->visibility &&
           o->enc == e->enc && o->has_manifest == (e->manifest != NULL) &&
           (!e->manifest || dsdn_equal32(o->manifest, e->manifest));
}

dsdn_outcome dsdn_reduce_object_declared(struct dsdn_context *c, const struct dsdn_ev_object_declared *e)
{
    if (!dsdn_equal32(c->author, e->owner)) return DSDN_RESULT(NOT_AUTHORISED);
    if ((e->size == 0) != (e->chunk_count == 0) || e->size > (uint64_t)e->chunk_count * DSDN_CHUNK_MAX)
        return DSDN_UNMET(OBJECT_SHAPE);
    if (e->rf < 1 || e->rf > DSDN_RF_MAX) return DSDN_UNMET(RF_RANGE);
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_object_find_hashed(s, e->object, c->hash[0]);
    if (row != DSDN_NO_ROW)
        return same_object(dsdn_object_at(s, row), e) ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);

    struct dsdn_row_object *o = dsdn_object_edit(s, dsdn_object_insert_hashed(s, e->object, c->hash[0]));
    memcpy(o->owner, e->owner, 32);
    o->size = e->size;
    o->chunk_count = e->chunk_count;
    o->declared_ms = c->time_ms;
    o->rf = e->rf;
    o->visibility = e->visibility;
    o->enc = e->enc;
    o->has_manifest = e->manifest != NULL;
    if (e->manifest) memcpy(o->manifest, e->manifest, 32);
    return DSDN_RESULT(OK);
}

/* The erasure list has at most one record; without one k, n and row are zero. */
static struct dsdn_rec_erasure erasure_of(const struct dsdn_ev_chunk_declared *e)
{
    struct dsdn_rec_erasure ec = {0, 0, 0};
    if (e->ec.count) dsdn_get_erasure(e->ec.items, e->ec.items + e->ec.len, &ec);
    return ec;
}

static bool same_chunk(const struct dsdn_row_chunk *k, uint32_t object,
                       const struct dsdn_ev_chunk_declared *e, const struct dsdn_rec_erasure *ec)
{
    return !k->deleted && k->object == object && k->index == e->index && k->size == e->size &&
           k->leaf_size == e->leaf_size && dsdn_equal32(k->leaf_root, e->leaf_root) && k->ec_k == ec->k &&
           k->ec_n == ec->n && k->ec_row == ec->row;
}

dsdn_outcome dsdn_reduce_chunk_declared(struct dsdn_context *c, const struct dsdn_ev_chunk_declared *e)
{
    struct dsdn_state *s = c->state;
    uint8_t slot[36]; /* looked for now, needed at the end */
    memcpy(slot, e->object, 32);
    for (uint32_t i = 0; i < 4; i++) slot[32 + i] = (uint8_t)(e->index >> (24 - 8 * i));
    uint64_t slot_hash = dsdn_key_hash(s->seed, slot, sizeof slot);
    dsdn_table_prefetch_slot(&s->tables[dsdn_TABLE_chunk_slot], slot_hash);
    uint32_t object = dsdn_object_find_hashed(s, e->object, c->hash[0]);
    if (object == DSDN_NO_ROW) return DSDN_UNMET(OBJECT_UNKNOWN);
    const struct dsdn_row_object *o = dsdn_object_at(s, object);
    if (!dsdn_equal32(c->author, o->owner)) return DSDN_RESULT(NOT_AUTHORISED);
    if (o->deleted) return DSDN_UNMET(DELETE_REQUESTED);
    if (e->index >= o->chunk_count) return DSDN_UNMET(CHUNK_INDEX);
    if (e->size < 1 || e->size > DSDN_CHUNK_MAX) return DSDN_UNMET(CHUNK_SIZE);
    if (e->leaf_size < DSDN_LEAF_MIN || e->leaf_size > DSDN_CHUNK_MAX || (e->leaf_size & (e->leaf_size - 1)))
        return DSDN_UNMET(LEAF_SIZE);
    struct dsdn_rec_erasure ec = erasure_of(e);
    if (e->ec.count && (ec.k < 1 || ec.k > ec.n || ec.row >= ec.n)) return DSDN_UNMET(ERASURE_SHAPE);
    uint32_t row = dsdn_chunk_find_hashed(s, e->chunk, c->hash[1]);
    if (row != DSDN_NO_ROW)
        return same_chunk(dsdn_chunk_at(s, row), object, e, &ec) ? DSDN_RESULT(NO_EFFECT)
                                                                 : DSDN_RESULT(CONFLICT);
    if (dsdn_chunk_slot_find_hashed(s, slot, slot_hash) != DSDN_NO_ROW) return DSDN_RESULT(CONFLICT);

    row = dsdn_chunk_insert_hashed(s, e->chunk, c->hash[1]);
    struct dsdn_row_chunk *k = dsdn_chunk_edit(s, row);
    k->object = object;
    k->index = e->index;
    k->size = (uint32_t)e->size;
    k->leaf_size = e->leaf_size;
    memcpy(k->leaf_root, e->leaf_root, 32);
    k->ec_k = ec.k;
    k->ec_n = ec.n;
    k->ec_row = ec.row;
    dsdn_chunk_slot_edit(s, dsdn_chunk_slot_insert_hashed(s, slot, slot_hash))->chunk = row;
    dsdn_object_edit(s, object)->declared_cnt++;
    return DSDN_RESULT(OK);
}

/* Nothing is erased here: holders purge once the request is settled, and their ReplicaRemoved follows. */
dsdn_outcome dsdn_reduce_delete_requested(struct dsdn_context *c, const struct dsdn_ev_delete_requested *e)
{
    struct dsdn_state *s = c->state;
    uint32_t chunk = DSDN_NO_ROW, object;
    if (e->kind == 1) {
        chunk = dsdn_chunk_find_hashed(s, e->target, c->hash[0]);
        if (chunk == DSDN_NO_ROW) return DSDN_UNMET(CHUNK_UNKNOWN);
        object = dsdn_chunk_at(s, chunk)->object;
    } else {
        object = dsdn_object_find_hashed(s, e->target, c->hash[1]);
        if (object == DSDN_NO_ROW) return DSDN_UNMET(OBJECT_UNKNOWN);
    }
    const struct dsdn_row_object *o = dsdn_object_at(s, object);
    if (!dsdn_equal32(c->author, o->owner)) return DSDN_RESULT(NOT_AUTHORISED);
    if (dsdn_sys_validator_find(s, c->author) != DSDN_NO_ROW)
        return DSDN_RESULT(NOT_AUTHORISED); /* STOR-6: never */
    if (o->deleted || (chunk != DSDN_NO_ROW && dsdn_chunk_at(s, chunk)->deleted))
        return DSDN_RESULT(NO_EFFECT);

    if (chunk != DSDN_NO_ROW)
        dsdn_chunk_edit(s, chunk)->deleted = 1;
    else
        dsdn_object_edit(s, object)->deleted = 1;
    uint8_t key[33] = {e->kind};
    memcpy(key + 1, e->target, 32);
    uint32_t row = dsdn_delete_request_find(s, key);
    if (row == DSDN_NO_ROW) row = dsdn_delete_request_insert(s, key);
    struct dsdn_row_delete_request *r = dsdn_delete_request_edit(s, row);
    r->reason = e->reason;
    r->requested_ms = c->time_ms;
    r->ordinal = c->ordinal;
    return DSDN_RESULT(OK);
}
