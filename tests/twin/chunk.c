/* chunk.c: reducers.md, "Objects and chunks" and "Replicas", and all that follows from the rows of replicas.
 */
#include "tests/twin/rules.h"

#include <stdlib.h>

static const uint8_t nobody[32];
enum { HOLDERS = 16, SUSPECTS = 8, SWEPT = 32, WALKED = 1024, NODES = 256 };
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

static uint64_t drawn_leaf(const struct fact *replica, const struct fact *chunk)
{
    uint8_t text[96], hash[32];
    memcpy(text, get_bytes(replica, "origin_hash"), 32);
    memcpy(text + 32, replica->key.bytes, 64);
    dsdn_tagged("dsdn/leaf/1", text, sizeof text, hash);
    return dsdn_load64(hash) % leaves_of(chunk);
}

/* ---- placement ---- */

static uint32_t holder_cnt(struct twin *t, const uint8_t *chunk, uint64_t *live, uint32_t *suspects)
{
    const struct fact_table *replicas = facts_table(&t->facts, "replica");
    uint32_t holders = 0;
    *live = *suspects = 0;
    for (uint32_t i = 0; i < replicas->cnt; i++) {
        if (!same(replicas->rows[i]->key.bytes, chunk)) continue;
        holders += get(replicas->rows[i], "state") != SUSPECT;
        *suspects += get(replicas->rows[i], "state") == SUSPECT;
        *live += get(replicas->rows[i], "state") == LIVE;
    }
    return holders;
}

static bool is_free(struct twin *t, const uint8_t *chunk, const struct fact *node)
{
    return get(node, "on_ring") && get(node, "tls_not_after") > t->now &&
           get(node, "binding_expiry") > t->now &&
           !facts_by_pair(&t->facts, "replica", chunk, node->key.bytes);
}

static bool holder_in(struct twin *t, const uint8_t *chunk, const uint8_t *zone)
{
    const struct fact_table *replicas = facts_table(&t->facts, "replica");
    for (uint32_t i = 0; i < replicas->cnt; i++)
        if (same(replicas->rows[i]->key.bytes, chunk) && get(replicas->rows[i], "state") != SUSPECT &&
            same(get_bytes(node_of(t, replicas->rows[i]->key.bytes + 32), "zone"), zone))
            return true;
    return false;
}

struct choice {
    const uint8_t *chunk;
    uint8_t (*nodes)[32];
    uint32_t cnt, want;
};

static bool is_chosen(const struct choice *c, const uint8_t *node)
{
    for (uint32_t i = 0; i < c->cnt; i++)
        if (same(c->nodes[i], node)) return true;
    return false;
}

static bool is_taken(struct twin *t, const struct choice *c, const uint8_t *zone)
{
    for (uint32_t i = 0; i < c->cnt; i++)
        if (same(get_bytes(node_of(t, c->nodes[i]), "zone"), zone)) return true;
    return holder_in(t, c->chunk, zone);
}

static void choose(struct choice *c, const struct fact *node)
{
    memcpy(c->nodes[c->cnt++], node->key.bytes, 32);
}

struct place {
    uint64_t at;
    const struct fact *node;
};

static int place_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return memcmp(x->node->key.bytes, y->node->key.bytes, 32);
}

/* The ring, made anew; returns the number of places. */
static uint32_t ring(struct twin *t, struct place *places)
{
    const struct fact_table *nodes = facts_table(&t->facts, "node");
    uint32_t n = 0;
    for (uint32_t i = 0; i < nodes->cnt && n < 32 * NODES; i++) {
        if (!get(nodes->rows[i], "on_ring")) continue;
        uint8_t text[33], hash[32];
        memcpy(text, nodes->rows[i]->key.bytes, 32);
        for (uint8_t j = 0; j < 8; j++) {
            text[32] = j;
            dsdn_tagged("dsdn/ring/1", text, sizeof text, hash);
            for (unsigned k = 0; k < 4; k++)
                places[n++] = (struct place){dsdn_load64(hash + 8 * k), nodes->rows[i]};
        }
    }
    qsort(places, n, sizeof *places, place_order);
    return n;
}

static void walk(struct twin *t, struct choice *c, bool zones_count)
{
    static struct place places[32 * NODES];
    uint32_t n = ring(t, places), first = 0;
    uint64_t place = dsdn_load64_be(c->chunk);
    while (first < n && places[first].at < place) first++;
    for (uint32_t i = 0; i < n && i < WALKED && c->cnt < c->want; i++) {
        const struct fact *node = places[(first + i) % n].node;
        if (!is_free(t, c->chunk, node) || is_chosen(c, node->key.bytes)) continue;
        if (zones_count && is_taken(t, c, get_bytes(node, "zone"))) continue;
        choose(c, node);
    }
}

/* The node of the first zone that is not taken and has a free one. */
static const struct fact *by_zone(struct twin *t, const struct choice *c)
{
    const struct fact_table *zones = facts_table(&t->facts, "zone"), *nodes = facts_table(&t->facts, "node");
    for (uint32_t z = 0; z < zones->cnt; z++) {
        const uint8_t *name = zones->rows[z]->key.bytes;
        if (get(zones->rows[z], "ring_cnt") == 0 || is_taken(t, c, name)) continue;
        for (uint32_t i = 0; i < nodes->cnt; i++)
            if (same(get_bytes(nodes->rows[i], "zone"), name) && is_free(t, c->chunk, nodes->rows[i]))
                return nodes->rows[i];
    }
    return NULL;
}

uint32_t plan(struct twin *t, const uint8_t chunk[32], uint32_t want, uint8_t chosen[16][32])
{
    struct choice c = {chunk, chosen, 0, want};
    const struct fact *node;
    walk(t, &c, true);
    while (c.cnt < c.want && (node = by_zone(t, &c))) choose(&c, node);
    if (c.cnt < c.want) walk(t, &c, false);
    return c.cnt;
}

static uint32_t wanted(struct twin *t, const struct fact *chunk)
{
    uint64_t live, rf = get(object_of(t, get_bytes(chunk, "object")), "rf");
    uint32_t suspects, holders = holder_cnt(t, chunk->key.bytes, &live, &suspects);
    if (rf > HOLDERS) rf = HOLDERS;
    return rf > holders ? (uint32_t)rf - holders : 0;
}

uint32_t twin_planned(struct twin *t, uint64_t now, const uint8_t chunk[32], uint8_t nodes[16][32])
{
    const struct fact *row = chunk_of(t, chunk);
    t->now = now;
    return row ? plan(t, chunk, wanted(t, row), nodes) : 0;
}

bool twin_source(struct twin *t, const uint8_t chunk[32], uint8_t node[32])
{
    return heal_source(t, chunk, node);
}

bool heal_source(struct twin *t, const uint8_t chunk[32], uint8_t node[32])
{
    const struct fact_table *replicas = facts_table(&t->facts, "replica");
    uint8_t lowest[32], hash[32];
    bool found = false;
    for (uint32_t i = 0; i < replicas->cnt; i++) {
        const struct fact *replica = replicas->rows[i];
        if (!same(replica->key.bytes, chunk) || get(replica, "state") != LIVE) continue;
        dsdn_tagged("dsdn/heal/1", replica->key.bytes, 64, hash);
        if (found && memcmp(hash, lowest, 32) >= 0) continue;
        found = true;
        memcpy(lowest, hash, 32);
        memcpy(node, replica->key.bytes + 32, 32);
    }
    return found;
}

/* ---- replicas ---- */

static bool is_to_go(struct twin *t, const struct fact *chunk)
{
    return get(chunk, "deleted") || get(object_of(t, get_bytes(chunk, "object")), "deleted");
}

static verdict assign(struct twin *t, struct fact *chunk, struct fact *node, const uint8_t *source)
{
    uint64_t deadline = number(t, "deadline"), live;
    uint32_t suspects;
    struct fact *replica = facts_by_pair(&t->facts, "replica", chunk->key.bytes, node->key.bytes);
    if (replica) {
        bool source_same = get_len(replica, "heal_from") == (source ? 32u : 0u) &&
                           (!source || same(get_bytes(replica, "heal_from"), source));
        return get(replica, "state") == ASSIGNED && get(replica, "deadline_ms") == deadline && source_same
                   ? NO_EFFECT
                   : CONFLICT;
    }
    if (is_to_go(t, chunk)) return unmet("DELETE_REQUESTED");
    if (deadline <= t->now) return unmet("DEADLINE_PAST");
    if (get(node, "status") == CLOSED) return unmet("NODE_CLOSED");
    if (get(node, "role") != 1) return unmet("NODE_ROLE");
    if (get(node, "status") != ACTIVE) return unmet("NODE_STATUS");
    if (get(node, "tls_not_after") <= t->now) return unmet("TLS_EXPIRED");
    if (get(node, "binding_expiry") <= t->now) return unmet("BINDING_EXPIRED");
    if (get(node, "used_bytes") + get(chunk, "size") > get(node, "capacity_gb") << 30)
        return unmet("CAPACITY_FULL");
    if (holder_cnt(t, chunk->key.bytes, &live, &suspects) >=
        get(object_of(t, get_bytes(chunk, "object")), "rf"))
        return unmet("REPLICAS_ENOUGH");
    uint8_t chosen[16][32];
    struct choice c = {.chunk = chunk->key.bytes, .nodes = chosen};
    c.cnt = plan(t, chunk->key.bytes, wanted(t, chunk), chosen);
    bool held = holder_in(t, chunk->key.bytes, get_bytes(node, "zone")), elsewhere = false;
    for (uint32_t i = 0; i < c.cnt; i++)
        elsewhere |= !holder_in(t, chunk->key.bytes, get_bytes(node_of(t, chosen[i]), "zone"));
    if (!is_chosen(&c, node->key.bytes) || (held && elsewhere))
        return unmet(held ? "ZONE_TAKEN" : "NOT_PLANNED");
    struct key k = key_pair(chunk->key.bytes, node->key.bytes);
    replica = facts_make(&t->facts, "replica", &k);
    if (source) put_bytes(replica, "heal_from", source, 32);
    set(replica, "since_ms", t->now);
    set(replica, "assigned_ordinal", t->ordinal);
    set(replica, "state_ordinal", t->ordinal);
    set(replica, "deadline_ms", deadline);
    put_bytes(replica, "origin_hash", t->origin.hash, 32);
    deadline_set(t, CLOCK_TIME, deadline, ASSIGNMENT_END, k.bytes, 64);
    return OK;
}

verdict replica_assigned(struct twin *t)
{
    struct fact *chunk = chunk_of(t, bytes(t, "chunk")), *node = node_of(t, bytes(t, "node"));
    struct key zone = {.len = 0};
    if (!chunk) return unmet("CHUNK_UNKNOWN");
    if (!node) return unmet("NODE_UNKNOWN");
    key_text(&zone, bytes(t, "zone"), length(t, "zone"), 32);
    if (!same(get_bytes(node, "zone"), zone.bytes)) return unmet("ZONE_MISMATCH");
    return assign(t, chunk, node, NULL);
}

verdict heal_assigned(struct twin *t)
{
    struct fact *chunk = chunk_of(t, bytes(t, "chunk")), *node = node_of(t, bytes(t, "to"));
    uint8_t source[32];
    if (!chunk) return unmet("CHUNK_UNKNOWN");
    if (!node) return unmet("NODE_UNKNOWN");
    const struct fact *from = facts_by_pair(&t->facts, "replica", chunk->key.bytes, bytes(t, "from"));
    if (!from || get(from, "state") != LIVE) return unmet("SOURCE_NOT_LIVE");
    if (!heal_source(t, chunk->key.bytes, source) || !same(source, bytes(t, "from")))
        return unmet("SOURCE_NOT_PLANNED");
    return assign(t, chunk, node, source);
}

struct found {
    struct fact *chunk, *node, *replica;
};

static verdict find(struct twin *t, struct found *f)
{
    f->chunk = chunk_of(t, bytes(t, "chunk"));
    if (!f->chunk) return unmet("CHUNK_UNKNOWN");
    f->node = node_of(t, bytes(t, "node"));
    if (!f->node) return unmet("NODE_UNKNOWN");
    f->replica = facts_by_pair(&t->facts, "replica", bytes(t, "chunk"), bytes(t, "node"));
    return f->replica ? OK : unmet("REPLICA_UNKNOWN");
}

static void no_deadline(struct twin *t, struct fact *replica)
{
    deadline_drop(t, CLOCK_TIME, get(replica, "deadline_ms"), ASSIGNMENT_END, replica->key.bytes, 64);
}

static void close_replica(struct twin *t, struct fact *replica)
{
    if (get(replica, "state") == ASSIGNED) no_deadline(t, replica);
    facts_drop(&t->facts, "replica", replica);
}

static void new_state(struct twin *t, struct fact *replica, uint64_t state)
{
    if (get(replica, "state") == ASSIGNED) {
        no_deadline(t, replica);
        set(replica, "deadline_ms", 0);
    }
    set(replica, "state", state);
    set(replica, "since_ms", t->now);
    set(replica, "state_ordinal", t->ordinal);
}

verdict replica_added(struct twin *t)
{
    struct found f;
    if (!same(t->author, bytes(t, "node"))) return NOT_AUTHORISED;
    verdict v = find(t, &f);
    if (v) return v;
    if (!same(bytes(t, "leaf_root"), get_bytes(f.chunk, "leaf_root"))) return CONFLICT;
    if (get(f.replica, "state") == LIVE) return NO_EFFECT;
    if (get(f.replica, "state") != ASSIGNED) return unmet("REPLICA_STATE");
    if (get(f.node, "status") != ACTIVE) return unmet("NODE_STATUS");
    if (is_to_go(t, f.chunk)) return unmet("DELETE_REQUESTED");
    if (number(t, "proof_leaf") != drawn_leaf(f.replica, f.chunk)) return unmet("PROOF_LEAF");
    if (!path_leads(bytes(t, "proof_path"), count(t, "proof_path"), number(t, "proof_leaf"),
                    leaves_of(f.chunk), get_bytes(f.chunk, "leaf_root")))
        return unmet("PROOF_PATH");
    new_state(t, f.replica, LIVE);
    return OK;
}

verdict replica_removed(struct twin *t)
{
    struct found f;
    uint64_t live;
    uint32_t suspects;
    if (!t->from_authority && !same(t->author, bytes(t, "node"))) return NOT_AUTHORISED;
    verdict v = find(t, &f);
    if (v) return v;
    uint64_t state = get(f.replica, "state");
    switch (number(t, "reason")) {
    case 0:
        if (!is_to_go(t, f.chunk)) return unmet("DELETE_NOT_REQUESTED");
        break;
    case 1:
        if (state == ASSIGNED) return unmet("REPLICA_STATE");
        holder_cnt(t, f.chunk->key.bytes, &live, &suspects);
        if (live - (state == LIVE) < get(object_of(t, get_bytes(f.chunk, "object")), "rf"))
            return unmet("REPLICA_NOT_SURPLUS");
        break;
    case 2:
        if (state != SUSPECT) return unmet("REPLICA_NOT_SUSPECT");
        break;
    default:
        if (get(f.node, "status") != CLOSED) return unmet("NODE_NOT_CLOSED");
    }
    close_replica(t, f.replica);
    return OK;
}

verdict replica_missing_reported(struct twin *t)
{
    struct found f;
    uint64_t live;
    uint32_t suspects;
    const struct fact *author = node_of(t, t->author);
    if (!t->from_authority && (!author || get(author, "status") != ACTIVE)) return NOT_AUTHORISED;
    verdict v = find(t, &f);
    if (v) return v;
    if (get(f.replica, "state") == SUSPECT) return NO_EFFECT;
    if (get(f.replica, "state") != LIVE) return unmet("REPLICA_STATE");
    holder_cnt(t, f.chunk->key.bytes, &live, &suspects);
    if (suspects >= SUSPECTS) return LIMIT;
    new_state(t, f.replica, SUSPECT);
    return OK;
}

verdict replica_healed(struct twin *t)
{
    struct found f;
    uint64_t live;
    uint32_t suspects;
    if (!t->from_authority && !same(t->author, bytes(t, "node"))) return NOT_AUTHORISED;
    verdict v = find(t, &f);
    if (v) return v;
    uint64_t state = get(f.replica, "state");
    if (state == LIVE) return NO_EFFECT;
    if (state == ASSIGNED && !t->from_authority) return unmet("PROOF_NEEDED");
    if (get(f.node, "status") != ACTIVE) return unmet("NODE_STATUS");
    if (is_to_go(t, f.chunk)) return unmet("DELETE_REQUESTED");
    if (state == SUSPECT && holder_cnt(t, f.chunk->key.bytes, &live, &suspects) >= HOLDERS) return LIMIT;
    new_state(t, f.replica, LIVE);
    return OK;
}

/* ---- deadlines ---- */

void assignment_end(struct twin *t, const uint8_t *subject)
{
    struct fact *replica = facts_by_pair(&t->facts, "replica", subject, subject + 32);
    if (replica && get(replica, "state") == ASSIGNED) close_replica(t, replica);
}

void replica_sweep(struct twin *t, const uint8_t *subject)
{
    const struct fact *node = node_of(t, subject);
    const uint8_t *after = subject + 32;
    if (!node || get(node, "status") == ACTIVE) return;
    struct key last = key_of(subject, 32);
    uint32_t dealt = 0;
    for (;;) { /* the first replica of the node behind `after`, looked for anew each time */
        const struct fact_table *replicas = facts_table(&t->facts, "replica");
        struct fact *next = NULL;
        for (uint32_t i = 0; i < replicas->cnt && !next; i++) {
            const uint8_t *key = replicas->rows[i]->key.bytes;
            bool behind = memcmp(key, after, 32) > 0 || (dealt == 0 && same(after, nobody));
            if (same(key + 32, subject) && behind) next = replicas->rows[i];
        }
        if (!next) return;
        if (dealt == SWEPT) {
            deadline_set(t, CLOCK_TIME, t->now, REPLICA_SWEEP, last.bytes, last.len);
            return;
        }
        uint64_t state = get(next, "state"), live;
        uint32_t suspects;
        last = key_pair(subject, next->key.bytes);
        after = last.bytes + 32;
        dealt++;
        holder_cnt(t, after, &live, &suspects);
        if (state == ASSIGNED || get(node, "status") == CLOSED)
            close_replica(t, next);
        else if (state == LIVE && suspects < SUSPECTS)
            new_state(t, next, SUSPECT);
        else if (state == LIVE)
            close_replica(t, next);
    }
}
