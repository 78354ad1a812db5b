/* replica.c: reducers.md, "Replicas": their life, and the sweep of a node that is not Active. */
#include "tests/twin/rules.h"

static const uint8_t nobody[32];
enum { SUSPECTS = 8, SWEPT = 32 };

static uint64_t drawn_leaf(const struct fact *replica, const struct fact *chunk)
{
    uint8_t text[96], hash[32];
    memcpy(text, get_bytes(replica, "origin_hash"), 32);
    memcpy(text + 32, replica->key.bytes, 64);
    dsdn_tagged("dsdn/leaf/1", text, sizeof text, hash);
    return dsdn_load64(hash) % leaves_of(chunk);
}

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
    uint8_t chosen[HOLDERS][32];
    uint32_t cnt = plan(t, chunk->key.bytes, wanted(t, chunk), chosen);
    bool held = holder_in(t, chunk->key.bytes, get_bytes(node, "zone")), planned = false, elsewhere = false;
    for (uint32_t i = 0; i < cnt; i++) {
        planned |= same(chosen[i], node->key.bytes);
        elsewhere |= !holder_in(t, chunk->key.bytes, get_bytes(node_of(t, chosen[i]), "zone"));
    }
    if (!planned || (held && elsewhere)) return unmet(held ? "ZONE_TAKEN" : "NOT_PLANNED");
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
