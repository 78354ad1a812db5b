/* chunk.c: reducers.md, "Objects and chunks", possession, and all that follows from the rows of replicas. */
#include "tests/twin/rules.h"

static const uint64_t chunk_max = 1ull << 26;

/* ---- what follows ---- */

static bool ring_fits(const struct fact *node)
{
    return get(node, "role") == 1 && get(node, "status") == ACTIVE &&
           get(node, "used_bytes") + chunk_max <= get(node, "capacity_gb") << 30;
}

void settle(struct twin *t)
{
    struct fact_table *objects = facts_table(&t->facts, "object"), *chunks = facts_table(&t->facts, "chunk");
    struct fact_table *nodes = facts_table(&t->facts, "node"), *zones = facts_table(&t->facts, "zone");
    const struct fact_table *replicas = facts_table(&t->facts, "replica");
    for (uint32_t i = 0; i < objects->cnt; i++) set(objects->rows[i], "declared_cnt", 0);
    for (uint32_t i = 0; i < chunks->cnt; i++) {
        struct fact *chunk = chunks->rows[i], *object = object_of(t, get_bytes(chunk, "object"));
        set(object, "declared_cnt", get(object, "declared_cnt") + 1);
        set(chunk, "live_cnt", 0);
        set_empty(chunk, "holders");
        set_empty(chunk, "suspects");
    }
    for (uint32_t i = 0; i < nodes->cnt; i++) {
        set(nodes->rows[i], "replica_cnt", 0);
        set(nodes->rows[i], "used_bytes", 0);
    }
    for (uint32_t i = 0; i < replicas->cnt; i++) {
        const struct fact *replica = replicas->rows[i];
        struct fact *chunk = chunk_of(t, replica->key.bytes), *node = node_of(t, replica->key.bytes + 32);
        uint64_t state = get(replica, "state");
        set_append(chunk, state == SUSPECT ? "suspects" : "holders", node->key.bytes);
        if (state == LIVE) set(chunk, "live_cnt", get(chunk, "live_cnt") + 1);
        set(node, "replica_cnt", get(node, "replica_cnt") + 1);
        set(node, "used_bytes", get(node, "used_bytes") + get(chunk, "size"));
    }
    for (uint32_t i = 0; i < zones->cnt; i++) {
        set(zones->rows[i], "node_cnt", 0);
        set(zones->rows[i], "ring_cnt", 0);
        set(zones->rows[i], "capacity_gb", 0);
    }
    for (uint32_t i = 0; i < nodes->cnt; i++) {
        struct fact *node = nodes->rows[i];
        struct fact *zone = facts_by_id(&t->facts, "zone", get_bytes(node, "zone"));
        set(node, "on_ring", ring_fits(node));
        set(zone, "ring_cnt", get(zone, "ring_cnt") + get(node, "on_ring"));
        if (get(node, "status") == CLOSED) continue;
        set(zone, "node_cnt", get(zone, "node_cnt") + 1);
        set(zone, "capacity_gb", get(zone, "capacity_gb") + get(node, "capacity_gb"));
    }
    settle_chain(t);
}

/* ---- objects and chunks ---- */

verdict object_declared(struct twin *t)
{
    uint64_t size = number(t, "size"), chunks = number(t, "chunk_count"), rf = number(t, "rf");
    if (!same(t->author, bytes(t, "owner"))) return NOT_AUTHORISED;
    if ((size == 0) != (chunks == 0) || size > chunks * chunk_max) return unmet("OBJECT_SHAPE");
    if (rf < 1 || rf > 16) return unmet("RF_RANGE");
    struct fact *row = object_of(t, bytes(t, "object"));
    if (row)
        return !get(row, "deleted") && same(get_bytes(row, "owner"), bytes(t, "owner")) &&
                       get(row, "size") == size && get(row, "chunk_count") == chunks &&
                       get(row, "rf") == rf && get(row, "visibility") == number(t, "visibility") &&
                       get(row, "enc") == number(t, "enc") &&
                       get(row, "has_manifest") == given(t, "manifest") &&
                       same(get_bytes(row, "manifest"), bytes(t, "manifest"))
                   ? NO_EFFECT
                   : CONFLICT;
    struct key k = key_of(bytes(t, "object"), 32);
    row = facts_make(&t->facts, "object", &k);
    put_bytes(row, "owner", bytes(t, "owner"), 32);
    set(row, "size", size);
    set(row, "chunk_count", chunks);
    set(row, "rf", rf);
    set(row, "visibility", number(t, "visibility"));
    set(row, "enc", number(t, "enc"));
    set(row, "has_manifest", given(t, "manifest"));
    put_bytes(row, "manifest", bytes(t, "manifest"), 32);
    set(row, "declared_ms", t->now);
    return OK;
}

verdict chunk_declared(struct twin *t)
{
    uint64_t index = number(t, "index"), size = number(t, "size"), leaf = number(t, "leaf_size");
    uint64_t k = 0, n = 0, place = 0;
    struct fact *object = object_of(t, bytes(t, "object"));
    if (!object) return unmet("OBJECT_UNKNOWN");
    if (!same(t->author, get_bytes(object, "owner"))) return NOT_AUTHORISED;
    if (get(object, "deleted")) return unmet("DELETE_REQUESTED");
    if (index >= get(object, "chunk_count")) return unmet("CHUNK_INDEX");
    if (size < 1 || size > chunk_max) return unmet("CHUNK_SIZE");
    if (leaf < 1 << 10 || leaf > chunk_max || (leaf & (leaf - 1))) return unmet("LEAF_SIZE");
    if (count(t, "ec")) {
        struct said ec;
        said_item(&t->said, "ec", 0, &ec);
        k = said_number(&ec, "k");
        n = said_number(&ec, "n");
        place = said_number(&ec, "row");
        if (k < 1 || k > n || place >= n) return unmet("ERASURE_SHAPE");
    }
    struct fact *row = chunk_of(t, bytes(t, "chunk"));
    if (row)
        return !get(row, "deleted") && same(get_bytes(row, "object"), bytes(t, "object")) &&
                       get(row, "index") == index && get(row, "size") == size &&
                       get(row, "leaf_size") == leaf &&
                       same(get_bytes(row, "leaf_root"), bytes(t, "leaf_root")) && get(row, "ec_k") == k &&
                       get(row, "ec_n") == n && get(row, "ec_row") == place
                   ? NO_EFFECT
                   : CONFLICT;
    struct key slot = key_of(bytes(t, "object"), 32), id = key_of(bytes(t, "chunk"), 32);
    key_number(&slot, index, 4);
    if (facts_find(&t->facts, "chunk_slot", &slot)) return CONFLICT;
    put_bytes(facts_make(&t->facts, "chunk_slot", &slot), "chunk", id.bytes, 32);
    row = facts_make(&t->facts, "chunk", &id);
    put_bytes(row, "object", bytes(t, "object"), 32);
    set(row, "index", index);
    set(row, "size", size);
    set(row, "leaf_size", leaf);
    put_bytes(row, "leaf_root", bytes(t, "leaf_root"), 32);
    set(row, "ec_k", k);
    set(row, "ec_n", n);
    set(row, "ec_row", place);
    return OK;
}

verdict delete_requested(struct twin *t)
{
    bool of_chunk = number(t, "kind") == 1;
    const uint8_t *target = bytes(t, "target");
    struct fact *chunk = of_chunk ? chunk_of(t, target) : NULL;
    if (of_chunk && !chunk) return unmet("CHUNK_UNKNOWN");
    struct fact *object = object_of(t, of_chunk ? get_bytes(chunk, "object") : target);
    if (!object) return unmet("OBJECT_UNKNOWN");
    if (!same(t->author, get_bytes(object, "owner"))) return NOT_AUTHORISED;
    if (facts_by_id(&t->facts, "validator", t->author)) return NOT_AUTHORISED;
    if (get(object, "deleted") || (chunk && get(chunk, "deleted"))) return NO_EFFECT;
    set(chunk ? chunk : object, "deleted", 1);
    struct key k = {.len = 0};
    key_number(&k, number(t, "kind"), 1);
    key_bytes(&k, target, 32);
    struct fact *row = facts_make(&t->facts, "delete_request", &k);
    set(row, "reason", number(t, "reason"));
    set(row, "requested_ms", t->now);
    set(row, "ordinal", t->ordinal);
    return OK;
}

/* ---- possession ---- */

uint64_t leaves_of(const struct fact *chunk)
{
    return (get(chunk, "size") + get(chunk, "leaf_size") - 1) / get(chunk, "leaf_size");
}

/* The root of a tree of `leaves` leaves, from leaf number `leaf` and its siblings upwards: the tree of RFC
 * 9162, section 2.1.1, taken apart from above.  False when the path is too short or too long. */
static bool root_of(const uint8_t *leaf_hash, const uint8_t *siblings, uint32_t cnt, uint64_t leaf,
                    uint64_t leaves, uint8_t root[32])
{
    uint8_t node[65] = {1};
    if (leaves == 1) {
        memcpy(root, leaf_hash, 32);
        return cnt == 0;
    }
    if (cnt == 0) return false;
    uint64_t left = 1; /* the largest power of two below `leaves` */
    while (left * 2 < leaves) left *= 2;
    const uint8_t *top = siblings + 32 * (cnt - 1);
    if (leaf < left) {
        if (!root_of(leaf_hash, siblings, cnt - 1, leaf, left, node + 1)) return false;
        memcpy(node + 33, top, 32);
    } else {
        if (!root_of(leaf_hash, siblings, cnt - 1, leaf - left, leaves - left, node + 33)) return false;
        memcpy(node + 1, top, 32);
    }
    dsdn_sha256(node, sizeof node, root);
    return true;
}

bool path_leads(const uint8_t *path, uint32_t cnt, uint64_t leaf, uint64_t leaves, const uint8_t root[32])
{
    uint8_t its[32];
    if (cnt == 0 || leaf >= leaves) return false;
    return root_of(path, path + 32, cnt - 1, leaf, leaves, its) && same(its, root);
}
