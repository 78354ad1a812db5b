/* wild_storage.c: events of objects, chunks and replicas. */
#include "tests/twin/wild_pieces.h"

/* ---- objects and replicas ---- */

static const uint8_t *tree_leaf(const uint8_t chunk[32], uint64_t leaf, uint8_t out[32])
{
    uint8_t message[40];
    memcpy(message, chunk, 32);
    dsdn_store64(message + 32, leaf);
    dsdn_tagged("leaf", message, sizeof message, out);
    return out;
}

static void tree_root(const uint8_t chunk[32], uint64_t from, uint64_t cnt, uint8_t root[32])
{
    uint8_t node[65] = {1};
    uint64_t left = 1;
    if (cnt == 1) {
        tree_leaf(chunk, from, root);
        return;
    }
    while (left * 2 < cnt) left *= 2;
    tree_root(chunk, from, left, node + 1);
    tree_root(chunk, from + left, cnt - left, node + 33);
    dsdn_sha256(node, sizeof node, root);
}

void wild_tree(const uint8_t chunk[32], uint64_t leaves, uint8_t root[32])
{
    tree_root(chunk, 0, leaves, root);
}

static uint32_t tree_path(const uint8_t chunk[32], uint64_t leaf, uint64_t from, uint64_t cnt, uint8_t *path)
{
    uint64_t left = 1;
    if (cnt == 1) {
        tree_leaf(chunk, from, path);
        return 1;
    }
    while (left * 2 < cnt) left *= 2;
    bool low = leaf < from + left;
    uint32_t len = low ? tree_path(chunk, leaf, from, left, path)
                       : tree_path(chunk, leaf, from + left, cnt - left, path);
    tree_root(chunk, low ? from + left : from, low ? cnt - left : left, path + 32 * len);
    return len + 1;
}

uint32_t wild_path(const uint8_t chunk[32], uint64_t leaf, uint64_t leaves, uint8_t *path)
{
    return tree_path(chunk, leaf, 0, leaves, path);
}

uint64_t leaves_of_row(const struct fact *chunk)
{
    return (get(chunk, "size") + get(chunk, "leaf_size") - 1) / get(chunk, "leaf_size");
}

void make_object_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_object_declared *e = EVENT_OF(d, object_declared);
    uint64_t number = below(w, 6);
    e->object = thing(w, "object", number);
    d->author = (int)a_wallet(w);
    e->owner = id_of((uint32_t)d->author);
    e->chunk_count = (uint32_t)(1 + below(w, 4));
    e->size = near(w, e->chunk_count * (one_in(w, 4) ? chunk_max : 3000));
    if (one_in(w, 10)) e->chunk_count = 0, e->size = one_in(w, 2);
    e->rf = (uint8_t)(1 + below(w, 4));
    if (one_in(w, 12)) e->rf = (uint8_t)(16 * below(w, 2) + below(w, 2));
    e->visibility = (uint8_t)below(w, 2);
    e->enc = (uint8_t)below(w, 3);
    if (one_in(w, 2)) e->manifest = thing(w, "manifest", one_in(w, 8));
}

void make_chunk_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_chunk_declared *e = EVENT_OF(d, chunk_declared);
    const struct fact *object = some(w, "object");
    e->chunk = thing(w, "chunk", below(w, 14));
    e->object = object && !one_in(w, 16) ? row_id(w, object->key.bytes) : thing(w, "object", below(w, 8));
    d->author = object ? who(get_bytes(object, "owner")) : (int)a_wallet(w);
    e->index = object ? (uint32_t)near(w, below(w, get(object, "chunk_count") + 1)) : 0;
    static const uint32_t leaf_sizes[] = {1024, 1024, 1024, 2048, 4096, 1 << 26, 512, 3000};
    e->leaf_size = leaf_sizes[below(w, 8)];
    uint64_t leaves = one_in(w, 8) ? 1 + below(w, 64) : 1 + below(w, 6);
    e->size = (leaves - 1) * e->leaf_size + 1 + below(w, e->leaf_size);
    if (one_in(w, 2)) e->size = leaves * e->leaf_size;
    if (e->size > chunk_max && !one_in(w, 4)) e->size = chunk_max, e->leaf_size = 1 << 26;
    if (one_in(w, 24)) e->size = 0;
    leaves = e->size ? (e->size + e->leaf_size - 1) / e->leaf_size : 1;
    uint8_t *root = room(w, 32);
    wild_tree(e->chunk, leaves, root);
    e->leaf_root = root;
    if (one_in(w, 4)) {
        uint8_t *ec = room(w, 3);
        for (unsigned i = 0; i < 3; i++) ec[i] = (uint8_t)below(w, 4);
        e->ec = (struct dsdn_list){ec, 1, 3};
    }
}

void make_delete_requested(struct wild *w, struct draft *d)
{
    struct dsdn_ev_delete_requested *e = EVENT_OF(d, delete_requested);
    e->kind = !one_in(w, 3);
    e->target = e->kind ? some_chunk(w) : thing(w, "object", below(w, 6));
    const struct fact *chunk = e->kind ? facts_by_id(twin_facts(w->twin), "chunk", e->target) : NULL;
    const struct fact *object =
        facts_by_id(twin_facts(w->twin), "object", chunk ? get_bytes(chunk, "object") : e->target);
    d->author = object ? who(get_bytes(object, "owner")) : (int)a_wallet(w);
    e->reason = (uint8_t)below(w, 3);
}

static uint64_t assignment_deadline(struct wild *w)
{
    switch (below(w, 12)) {
    case 0: return w->now;
    case 1: return w->now + 1;
    case 2: return UINT64_MAX;
    default: return w->now + 1000 + below(w, 2) * 100000;
    }
}

/* A chunk that wants nodes and has a plan, if a few tries find one. */
static const uint8_t *planned(struct wild *w, const uint8_t **node, uint32_t which)
{
    uint8_t nodes[16][32];
    const uint8_t *chunk = some_chunk(w);
    for (unsigned i = 0; i < 4; i++, chunk = some_chunk(w)) {
        uint32_t cnt = twin_planned(w->twin, w->now, chunk, nodes);
        if (!cnt) continue;
        *node = row_id(w, nodes[which == UINT32_MAX ? below(w, cnt) : which < cnt ? which : cnt - 1]);
        return chunk;
    }
    *node = some_node(w);
    return chunk;
}

void fill_assignment(struct wild *w, struct draft *d, const uint8_t *chunk, const uint8_t *node)
{
    struct dsdn_ev_replica_assigned *e = EVENT_OF(d, replica_assigned);
    const struct fact *row = node_row(w, node);
    e->chunk = chunk;
    e->node = node;
    e->zone = row ? padded_name(w, get_bytes(row, "zone")) : some_zone(w);
    e->deadline = w->now + 100000;
}

void make_replica_assigned(struct wild *w, struct draft *d)
{
    const uint8_t *node, *chunk = planned(w, &node, UINT32_MAX);
    if (one_in(w, 4)) node = some_node(w);
    const struct fact *holder = one_in(w, 6) ? some(w, "replica") : NULL;
    if (holder) { /* its zone again, if a few tries find it */
        const struct fact *its = node_row(w, holder->key.bytes + 32);
        chunk = row_id(w, holder->key.bytes);
        for (unsigned i = 0; i < 6; i++) {
            node = some_node(w);
            const struct fact *row = node_row(w, node);
            if (row && row != its && same(get_bytes(row, "zone"), get_bytes(its, "zone"))) break;
        }
    }
    fill_assignment(w, d, chunk, node);
    struct dsdn_ev_replica_assigned *e = EVENT_OF(d, replica_assigned);
    const struct fact *replica = some(w, "replica");
    e->deadline = assignment_deadline(w);
    if (replica && one_in(w, 8)) { /* once more */
        fill_assignment(w, d, row_id(w, replica->key.bytes), row_id(w, replica->key.bytes + 32));
        e->deadline = get(replica, "deadline_ms") + one_in(w, 3);
    }
    if (one_in(w, 24)) e->zone = some_zone(w);
}

void make_heal_assigned(struct wild *w, struct draft *d)
{
    struct dsdn_ev_heal_assigned *e = EVENT_OF(d, heal_assigned);
    const struct fact *replica = some(w, "replica");
    uint8_t *from = room(w, 32);
    e->chunk = planned(w, &e->to, UINT32_MAX);
    if (replica && one_in(w, 3)) e->chunk = row_id(w, replica->key.bytes);
    e->from = twin_source(w->twin, e->chunk, from) ? from : some_node(w);
    e->deadline = assignment_deadline(w);
    if (replica && one_in(w, 3)) { /* a holder that is not the source, or a repetition */
        e->chunk = row_id(w, replica->key.bytes);
        if (one_in(w, 2)) {
            e->from = row_id(w, replica->key.bytes + 32);
        } else {
            e->to = row_id(w, replica->key.bytes + 32);
            e->from = twin_source(w->twin, e->chunk, from) ? from : some_node(w);
            e->deadline = get(replica, "deadline_ms");
        }
    }
}

/* A replica in a state, if a few tries find one. */
static const struct fact *replica_in(struct wild *w, uint64_t state)
{
    const struct fact *replica = some(w, "replica");
    for (unsigned i = 0; i < 5 && replica && get(replica, "state") != state; i++)
        replica = some(w, "replica");
    return replica;
}

void make_replica_added(struct wild *w, struct draft *d)
{
    struct dsdn_ev_replica_added *e = EVENT_OF(d, replica_added);
    const struct fact *replica = replica_in(w, 0);
    e->chunk = replica && !one_in(w, 16) ? row_id(w, replica->key.bytes) : some_chunk(w);
    e->node = replica ? row_id(w, replica->key.bytes + 32) : some_node(w);
    e->leaf_root = random_hash(w);
    d->author = who(e->node);
    const struct fact *chunk = facts_by_id(twin_facts(w->twin), "chunk", e->chunk);
    if (!chunk) return;
    e->leaf_root = row_id(w, get_bytes(chunk, "leaf_root"));
    uint64_t leaves = leaves_of_row(chunk), leaf = 0;
    if (replica) {
        uint8_t message[96], hash[32];
        memcpy(message, get_bytes(replica, "origin_hash"), 32);
        memcpy(message + 32, e->chunk, 32);
        memcpy(message + 64, e->node, 32);
        dsdn_tagged("dsdn/leaf/1", message, sizeof message, hash);
        leaf = dsdn_load64(hash) % leaves;
    }
    if (one_in(w, 16)) leaf = near(w, leaf);
    e->proof_leaf = (uint32_t)leaf;
    if (leaf >= leaves) leaf = 0;
    uint8_t *path = room(w, 32 * 70);
    uint32_t len = wild_path(e->chunk, leaf, leaves, path);
    if (one_in(w, 12)) path[below(w, 32u * len)] ^= 1;
    if (one_in(w, 24)) len--;
    if (one_in(w, 24)) memset(path + 32 * len++, 0, 32);
    e->proof_path = (struct dsdn_list){path, len, 32 * len};
}

static void about_replica(struct wild *w, struct draft *d, const struct fact *replica, const uint8_t **chunk,
                          const uint8_t **node)
{
    *chunk = replica && !one_in(w, 24) ? row_id(w, replica->key.bytes) : some_chunk(w);
    *node = replica && !one_in(w, 24) ? row_id(w, replica->key.bytes + 32) : some_node(w);
    if (one_in(w, 3)) d->author = who(*node);
}

void make_replica_removed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_replica_removed *e = EVENT_OF(d, replica_removed);
    const struct fact *replica = some(w, "replica");
    about_replica(w, d, replica, &e->chunk, &e->node);
    const struct fact *node = node_row(w, e->node);
    e->reason = (uint8_t)below(w, 4);
    if (one_in(w, 3)) e->reason = 1;
    if (replica && get(replica, "state") == 2 && one_in(w, 2)) e->reason = 2;
    if (node && get(node, "status") == 4) e->reason = 3;
}

void make_replica_missing_reported(struct wild *w, struct draft *d)
{
    struct dsdn_ev_replica_missing_reported *e = EVENT_OF(d, replica_missing_reported);
    about_replica(w, d, replica_in(w, 1), &e->chunk, &e->node);
    if (d->author != NOBODY) d->author = who(some_node(w));
    e->observed = w->now;
}

void make_replica_healed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_replica_healed *e = EVENT_OF(d, replica_healed);
    about_replica(w, d, replica_in(w, one_in(w, 2) ? 2 : 0), &e->chunk, &e->node);
}
