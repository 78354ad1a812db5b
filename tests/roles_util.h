/* roles_util.h: what the tests of the reducers share: a network in memory, people who sign, one event a batch
 * through the real engine.  After every event the books of nodes and zones are added up again, and an event
 * that is not OK must leave every table alone but the engine's own.  Static functions only; each fails the
 * test when something unexpected happens. */
#ifndef DSDN_TESTS_ROLES_UTIL_H
#define DSDN_TESTS_ROLES_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log/genesis.h"
#include "log/hash.h"
#include "roles/coordinator/placement.h"
#include "roles/dsdn.h"
#include "roles/reducers.h"
#include "statemachine/engine.h"
#include "statemachine/ring.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_MS 86400000ull

struct person {
    struct dsdn_sign_key key;
    uint64_t nonce;
};

enum { NODES = 12 };
struct world {
    struct dsdn_genesis genesis;
    struct dsdn_engine *engine;
    struct dsdn_batch_builder *builder;
    struct dsdn_prepared prepared;
    struct dsdn_roots roots;
    uint64_t sequence, time_ms, height;
    uint8_t prev[32];
    bool ahead;   /* the batch being made has events already */
    bool made_up; /* a test wrote rows that no event gives: books need not add up */
    struct person coordinator, founder[3], validator, operator[2], owner[2], node[NODES];
};

struct world_options {
    bool primary;
    uint8_t level; /* feature level */
    struct {
        const char *name;
        int64_t value;
    } parameter; /* one that differs from its default; name NULL: none */
};

static bool reached_code[256], reached_outcome[DSDN_OUTCOME_CNT];
static struct dsdn_error error;

#define must(call) must_at((call), #call, __LINE__)
static inline void must_at(int rc, const char *call, int line)
{
    if (rc) fail_msg("line %d: %s: %s", line, call, error.message);
}

static inline void person_make(struct person *p, uint8_t name)
{
    uint8_t seed[32];
    memset(seed, name, sizeof seed);
    *p = (struct person){.nonce = 0};
    dsdn_sign_key_from_seed(&p->key, seed);
}

static inline struct dsdn_view text(const char *s)
{
    return (struct dsdn_view){(const uint8_t *)s, strlen(s)};
}

static inline int compare_people(const void *a, const void *b)
{
    return memcmp(((const struct person *)a)->key.public_key, ((const struct person *)b)->key.public_key, 32);
}

static inline struct world *world_with(struct world_options o)
{
    bool primary = o.primary;
    static const uint8_t zero[32], ns[29] = {[28] = 1};
    static const uint64_t start = 100;
    uint8_t header[32];
    struct world *w = calloc(1, sizeof *w);
    dsdn_tagged("test", &start, 8, header); /* like every header: batch_apply */
    uint8_t founders[96], validators[32 + 9 + 1 + 3];
    person_make(&w->coordinator, 1);
    person_make(&w->validator, 2);
    for (int i = 0; i < 3; i++) person_make(&w->founder[i], (uint8_t)(10 + i));
    qsort(w->founder, 3, sizeof *w->founder, compare_people);
    for (int i = 0; i < 2; i++) person_make(&w->operator[i], (uint8_t)(20 + i));
    for (int i = 0; i < 2; i++) person_make(&w->owner[i], (uint8_t)(30 + i));
    for (int i = 0; i < NODES; i++) person_make(&w->node[i], (uint8_t)(40 + i));
    for (int i = 0; i < 3; i++) memcpy(founders + 32 * i, w->founder[i].key.public_key, 32);
    memset(validators, 0, sizeof validators);
    memcpy(validators, w->validator.key.public_key, 32);
    validators[41] = 3;
    memcpy(validators + 42, "val", 3);
    uint8_t parameter[64];
    uint32_t name_len = o.parameter.name ? (uint32_t)strlen(o.parameter.name) : 0;
    if (name_len) {
        parameter[0] = (uint8_t)name_len;
        memcpy(parameter + 1, o.parameter.name, name_len);
        memcpy(parameter + 1 + name_len, &o.parameter.value, 8);
    }
    struct dsdn_ev_genesis_declared g = {
        .network_id = text("test"),
        .da_chain_id = text(primary ? "test-primary" : ""),
        .da_namespace = primary ? ns : zero,
        .da_start = primary ? start : 0,
        .da_start_hash = primary ? header : zero,
        .version_major = 1,
        .quorum_members = {validators, 1, 32},
        .quorum_threshold_pct = 67,
        .emergency_url = text(""),
        .chain_profile = DSDN_PROFILE_DEVNET,
        .feature_level = o.level,
        .genesis_time = 1000000,
        .params = {parameter, name_len != 0, name_len ? name_len + 9 : 0},
        .founder_keys = {founders, 3, sizeof founders},
        .founder_m = 2,
        .validators = {validators, 1, sizeof validators},
        .coordinator = w->coordinator.key.public_key,
        .tss_transcript = zero,
        .profile = text(""),
    };
    must(dsdn_genesis_encode(&w->genesis, &g, &error));
    struct dsdn_engine_options options = {.hash_seed = 99};
    must(dsdn_engine_new(&dsdn_catalogue, &options, &w->engine, &error));
    must(dsdn_engine_genesis(w->engine, w->genesis.bytes, w->genesis.len, &error));
    must(dsdn_engine_track(w->engine, &error));
    w->builder = dsdn_batch_builder_new();
    assert_non_null(w->builder);
    memcpy(w->prev, w->genesis.hash, 32);
    w->time_ms = 2000000;
    w->height = primary ? start : 0;
    return w;
}

static inline struct world *world_new(bool primary)
{
    return world_with((struct world_options){.primary = primary});
}

static inline void world_free(struct world *w)
{
    dsdn_engine_free(w->engine);
    dsdn_prepared_free(&w->prepared);
    dsdn_batch_builder_free(w->builder);
    dsdn_genesis_free(&w->genesis);
    free(w);
}

static inline struct dsdn_state *state(struct world *w)
{
    return dsdn_engine_state_for_restore(w->engine);
}

static inline void batch_apply(struct world *w, bool takeover)
{
    struct dsdn_header h = {.sequence = w->sequence, .time_ms = w->time_ms, .origin = {.height = w->height}};
    struct dsdn_view batch;
    memcpy(h.genesis, w->genesis.hash, 32);
    memcpy(h.prev, w->prev, 32);
    memcpy(h.publisher, dsdn_head(state(w))->authority, 32);
    h.committee_epoch = dsdn_head(state(w))->authority_epoch;
    if (w->height) {
        h.origin.time_ms = 500000 + w->height;
        dsdn_tagged("test", &w->height, 8, h.origin.hash);
        h.cursor = (struct dsdn_cursor){w->height, DSDN_CURSOR_END};
    }
    must(dsdn_batch_builder_finish(w->builder, &h, &w->coordinator.key, &batch, &error));
    must(dsdn_prepare(&w->prepared, &dsdn_catalogue, dsdn_engine_seed(w->engine), batch.bytes, batch.len,
                      &error));
    if (!takeover) must(dsdn_engine_judge(w->engine, &w->prepared, NULL, &error));
    must(dsdn_engine_apply(w->engine, &w->prepared, &error));
    dsdn_batch_hash(batch.bytes, w->prev);
    dsdn_batch_builder_reset(w->builder);
    w->sequence++;
}

/* An empty batch `ms` later: deadlines fire here, so that play sees none. */
static inline void pass(struct world *w, uint64_t ms)
{
    w->time_ms += ms;
    batch_apply(w, false);
}

static inline void check_untouched(const struct world *w, const struct dsdn_roots *before)
{
    uint32_t cnt;
    const struct dsdn_table_desc *const *tables = dsdn_engine_tables(w->engine, &cnt);
    for (uint32_t t = 0; t < cnt; t++) {
        if (t == dsdn_sys_TABLE_head || t == dsdn_sys_TABLE_nonce || t == dsdn_sys_TABLE_outcome_count)
            continue;
        if (!dsdn_equal32(before->tables[t], w->roots.tables[t]))
            fail_msg("a refused event changed table %s", tables[t]->name);
    }
}

static inline bool deadline_there(const struct dsdn_state *s, uint64_t due, uint8_t kind,
                                  const uint8_t *subject, uint32_t len)
{
    uint8_t key[dsdn_sys_KEY_LEN_deadline] = {DSDN_CLOCK_TIME};
    for (int i = 0; i < 8; i++) key[1 + i] = (uint8_t)(due >> (56 - 8 * i));
    key[10] = kind;
    memcpy(key + 11, subject, len);
    return dsdn_sys_deadline_find(s, key) != DSDN_NO_ROW;
}

static inline uint32_t deadlines(struct world *w)
{
    return state(w)->tables[dsdn_sys_TABLE_deadline].live_cnt;
}

/* The books: what nodes and zones count is what replicas, chunks and nodes say (docs/formats/reducers.md). */
static inline void check_books(struct world *w)
{
    static struct {
        uint32_t replicas;
        uint64_t bytes;
    } node[64];
    struct {
        uint32_t nodes, ring;
        uint64_t capacity;
    } zone[64] = {{0, 0, 0}};
    struct dsdn_state *s = state(w);
    memset(node, 0, sizeof node);
    const struct dsdn_table *t = &s->tables[dsdn_TABLE_replica];
    for (uint32_t row = 0; row < t->row_end; row++) {
        if (!dsdn_table_live(t, row)) continue;
        const struct dsdn_row_replica *r = dsdn_replica_at(s, row);
        uint32_t holder = dsdn_node_find(s, r->node), chunk = dsdn_chunk_find(s, r->chunk);
        const struct dsdn_row_chunk *k = dsdn_chunk_at(s, chunk);
        node[holder].replicas++;
        node[holder].bytes += k->size;
        uint32_t in = 0, cnt = r->state == DSDN_REPLICA_SUSPECT ? k->suspects_cnt : k->holders_cnt;
        for (uint32_t i = 0; i < cnt; i++)
            in += (r->state == DSDN_REPLICA_SUSPECT ? k->suspects : k->holders)[i] == holder;
        if (in != 1) fail_msg("a replica is %u times in its chunk's set", in);
        uint8_t key[64];
        memcpy(key, r, 64);
        bool due = deadline_there(s, r->deadline_ms, DSDN_DEADLINE_ASSIGNMENT_END, key, 64);
        assert_int_equal(due, r->state == DSDN_REPLICA_ASSIGNED);
        assert_int_equal(r->deadline_ms != 0, r->state == DSDN_REPLICA_ASSIGNED);
    }
    t = &s->tables[dsdn_TABLE_chunk];
    for (uint32_t row = 0, live; row < t->row_end; row++) {
        const struct dsdn_row_chunk *k = dsdn_chunk_at(s, row);
        live = 0;
        for (uint32_t i = 0; i < k->holders_cnt; i++) {
            uint8_t key[64];
            memcpy(key, k->chunk, 32);
            memcpy(key + 32, dsdn_node_at(s, k->holders[i])->id, 32);
            live += dsdn_replica_at(s, dsdn_replica_find(s, key))->state == DSDN_REPLICA_LIVE;
        }
        assert_int_equal(live, k->live_cnt);
    }
    t = &s->tables[dsdn_TABLE_node];
    uint32_t on_ring = 0;
    for (uint32_t row = 0; row < t->row_end; row++) {
        const struct dsdn_row_node *n = dsdn_node_at(s, row);
        assert_int_equal(n->replica_cnt, node[row].replicas);
        assert_int_equal(n->used_bytes, node[row].bytes);
        assert_int_equal(n->on_ring, n->status == DSDN_NODE_ACTIVE && n->role == 1 &&
                                         n->used_bytes + (64 << 20) <= (uint64_t)n->capacity_gb << 30);
        on_ring += n->on_ring;
        if (n->status == DSDN_NODE_CLOSED) continue;
        zone[n->zone].nodes++;
        zone[n->zone].ring += n->on_ring;
        zone[n->zone].capacity += n->capacity_gb;
    }
    assert_int_equal(dsdn_ring_places(t), 32 * on_ring);
    t = &s->tables[dsdn_TABLE_zone];
    for (uint32_t row = 0; row < t->row_end && row < 64; row++) {
        const struct dsdn_row_zone *z = dsdn_zone_at(s, row);
        assert_int_equal(z->node_cnt, zone[row].nodes);
        assert_int_equal(z->ring_cnt, zone[row].ring);
        assert_int_equal(z->capacity_gb, zone[row].capacity);
    }
}

static inline void bundle_add(struct world *w, struct person *author, int event, const uint8_t *payload,
                              uint32_t len)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    must(dsdn_batch_builder_begin(w->builder, author ? DSDN_BUNDLE_POOL : DSDN_BUNDLE_AUTHORITY,
                                  author ? author->key.public_key : NULL, author ? author->nonce : 0, 0,
                                  &error));
    must(dsdn_batch_builder_event(w->builder, desc->type, desc->version, payload, len, &error));
    must(dsdn_batch_builder_end(w->builder, w->genesis.hash, author ? &author->key : NULL, &error));
}

/* An event that comes first in the batch of the next one played, whose outcome is nobody's business. */
static inline void ahead(struct world *w, struct person *author, int event, const void *e)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    uint8_t payload[32768];
    uint32_t len;
    must(dsdn_event_encode(desc, desc->version, e, payload, sizeof payload, &len, &error));
    if (author) author->nonce++;
    bundle_add(w, author, event, payload, len);
    w->ahead = true;
}

/* One event of an author (NULL: the authority) in a batch of its own. */
static inline dsdn_outcome play_payload(struct world *w, struct person *author, int event,
                                        const uint8_t *payload, uint32_t len, bool takeover)
{
    must(dsdn_engine_root(w->engine, 1, &w->roots, &error));
    struct dsdn_roots before = w->roots;
    bundle_add(w, author, event, payload, len);
    batch_apply(w, takeover);
    must(dsdn_engine_root(w->engine, 1, &w->roots, &error));
    dsdn_outcome outcome = w->prepared.outcomes[w->prepared.op_cnt - 1];
    reached_outcome[DSDN_OUTCOME_NUMBER(outcome)] = true;
    reached_code[DSDN_OUTCOME_CODE(outcome)] = true;
    if (DSDN_OUTCOME_NUMBER(outcome) != DSDN_OUTCOME_OK && !w->ahead) check_untouched(w, &before);
    w->ahead = false;
    if (!w->made_up) check_books(w);
    return outcome;
}

static inline dsdn_outcome play(struct world *w, struct person *author, int event, const void *e)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    uint8_t payload[32768];
    uint32_t len;
    must(dsdn_event_encode(desc, desc->version, e, payload, sizeof payload, &len, &error));
    if (author) author->nonce++;
    return play_payload(w, author, event, payload, len, event == dsdn_EVENT_authority_replaced);
}

static inline dsdn_outcome play_signed(struct world *w, struct person *author, int event, const void *e,
                                       uint8_t *signature, const char *field, const struct person *signer)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    uint8_t payload[32768], digest[32];
    uint32_t len;
    author->nonce++;
    memset(signature, 0, 64);
    must(dsdn_event_encode(desc, desc->version, e, payload, sizeof payload, &len, &error));
    must(dsdn_embedded_message(desc, desc->version, field, w->genesis.hash, author->key.public_key,
                               author->nonce, payload, len, digest, &error));
    dsdn_sign(&signer->key, digest, signature);
    must(dsdn_event_encode(desc, desc->version, e, payload, sizeof payload, &len, &error));
    return play_payload(w, author, event, payload, len, false);
}

static inline void expect_at(dsdn_outcome got, dsdn_outcome wanted, int line)
{
    if (got != wanted)
        fail_msg("line %d: outcome %s %s where %s %s is right", line,
                 dsdn_outcome_name(DSDN_OUTCOME_NUMBER(got)),
                 DSDN_OUTCOME_CODE(got) ? dsdn_code_name(&dsdn_catalogue, DSDN_OUTCOME_CODE(got)) : "",
                 dsdn_outcome_name(DSDN_OUTCOME_NUMBER(wanted)),
                 DSDN_OUTCOME_CODE(wanted) ? dsdn_code_name(&dsdn_catalogue, DSDN_OUTCOME_CODE(wanted)) : "");
}
#define expect_result(call, name) expect_at((call), DSDN_RESULT(name), __LINE__)
#define expect_unmet(call, name)  expect_at((call), DSDN_UNMET(name), __LINE__)

/* ---- nodes ---- */

static const uint8_t fingerprint[32] = {1, 2, 3};

static inline struct dsdn_ev_node_registered registration(struct world *w, int node, const char *zone)
{
    return (struct dsdn_ev_node_registered){.node_id = w->node[node].key.public_key,
                                            .operator= w->operator[0].key.public_key,
                                            .role = 1,
                                            .node_class = 0,
                                            .zone = text(zone),
                                            .address = text("h:1"),
                                            .capacity_gb = 1,
                                            .tls_fingerprint = fingerprint,
                                            .tls_not_after = w->time_ms + 100 * DAY_MS,
                                            .binding_expiry = w->time_ms + 100 * DAY_MS,
                                            .label = text("n")};
}

static inline dsdn_outcome enter(struct world *w, int node, struct dsdn_ev_node_registered *e)
{
    uint8_t signature[64];
    e->node_sig = signature;
    return play_signed(w, &w->operator[0], dsdn_EVENT_node_registered, e, signature, "node_sig",
                       &w->node[node]);
}

static inline dsdn_outcome status(struct world *w, int node, uint8_t to, uint64_t until)
{
    struct dsdn_ev_node_status_set e = {
        .node_id = w->node[node].key.public_key, .status = to, .reason = 7, .until = until};
    return play(w, NULL, dsdn_EVENT_node_status_set, &e);
}

static inline const struct dsdn_row_node *node_row(struct world *w, int node)
{
    uint32_t row = dsdn_node_find(state(w), w->node[node].key.public_key);
    assert_int_not_equal(row, DSDN_NO_ROW);
    return dsdn_node_at(state(w), row);
}

static inline const struct dsdn_row_zone *zone_row(struct world *w, const char *name)
{
    uint8_t key[32] = {0};
    memcpy(key, name, strlen(name));
    return dsdn_zone_at(state(w), dsdn_zone_find(state(w), key));
}

static inline void active_node(struct world *w, int node, const char *zone)
{
    struct dsdn_ev_node_registered e = registration(w, node, zone);
    expect_result(enter(w, node, &e), OK);
    expect_result(status(w, node, DSDN_NODE_ACTIVE, 0), OK);
}

/* ---- objects, chunks, replicas ---- */

enum { CHUNKS = 80 };
static const uint8_t object_id[32] = {0xB0};
static uint8_t chunk_ids[CHUNKS][32];
static uint8_t leaf_hashes[5][32], tree_root[32];

static inline void hash_pair(const uint8_t *left, const uint8_t *right, uint8_t out[32])
{
    uint8_t m[65] = {1};
    memcpy(m + 1, left, 32), memcpy(m + 33, right, 32);
    dsdn_sha256(m, sizeof m, out);
}

/* Chunks, and a tree of five leaves, ((0 1)(2 3)) 4, written out by hand. */
static uint8_t inner[3][32];
static inline void tree_make(void)
{
    for (uint32_t i = 0; i < CHUNKS; i++) /* not in the order of keys */
        chunk_ids[i][0] = (uint8_t)(0xC0 + i % 4), chunk_ids[i][1] = (uint8_t)(CHUNKS - i);
    for (uint8_t i = 0; i < 5; i++) memset(leaf_hashes[i], 0x50 + i, 32);
    hash_pair(leaf_hashes[0], leaf_hashes[1], inner[0]);
    hash_pair(leaf_hashes[2], leaf_hashes[3], inner[1]);
    hash_pair(inner[0], inner[1], inner[2]);
    hash_pair(inner[2], leaf_hashes[4], tree_root);
}

static inline uint32_t tree_path(uint32_t leaf, uint8_t path[128])
{
    memcpy(path, leaf_hashes[leaf], 32);
    if (leaf == 4) return memcpy(path + 32, inner[2], 32), 2;
    memcpy(path + 32, leaf_hashes[leaf ^ 1], 32);
    memcpy(path + 64, inner[1 - leaf / 2], 32);
    memcpy(path + 96, leaf_hashes[4], 32);
    return 4;
}

static inline struct dsdn_ev_object_declared object_event(struct world *w, uint8_t rf)
{
    return (struct dsdn_ev_object_declared){
        .object = object_id, .owner = w->owner[0].key.public_key, .size = 20000, .chunk_count = 4, .rf = rf};
}

static inline struct dsdn_ev_chunk_declared chunk_event(uint32_t index)
{
    return (struct dsdn_ev_chunk_declared){.chunk = chunk_ids[index],
                                           .object = object_id,
                                           .index = index,
                                           .size = 4097,
                                           .leaf_size = 1024,
                                           .leaf_root = tree_root};
}

static inline void declare(struct world *w, uint8_t rf, uint32_t chunks)
{
    struct dsdn_ev_object_declared o = object_event(w, rf);
    if (o.chunk_count < chunks) o.chunk_count = chunks;
    expect_result(play(w, &w->owner[0], dsdn_EVENT_object_declared, &o), OK);
    for (uint32_t i = 0; i < chunks; i++) {
        struct dsdn_ev_chunk_declared k = chunk_event(i);
        expect_result(play(w, &w->owner[0], dsdn_EVENT_chunk_declared, &k), OK);
    }
}

static inline dsdn_outcome assign(struct world *w, uint32_t chunk, int node, const char *zone,
                                  uint64_t deadline)
{
    struct dsdn_ev_replica_assigned e = {chunk_ids[chunk], w->node[node].key.public_key, text(zone),
                                         deadline};
    return play(w, NULL, dsdn_EVENT_replica_assigned, &e);
}

static inline dsdn_outcome add(struct world *w, uint32_t chunk, int node)
{
    static const uint8_t origin[32];
    uint8_t path[128];
    uint32_t leaf = dsdn_leaf_draw(origin, chunk_ids[chunk], w->node[node].key.public_key, 5);
    uint32_t cnt = tree_path(leaf, path);
    struct dsdn_ev_replica_added e = {
        chunk_ids[chunk], w->node[node].key.public_key, tree_root, leaf, {path, cnt, 32 * cnt}};
    return play(w, &w->node[node], dsdn_EVENT_replica_added, &e);
}

static inline dsdn_outcome removed(struct world *w, struct person *author, uint32_t chunk, int node,
                                   uint8_t reason)
{
    struct dsdn_ev_replica_removed e = {chunk_ids[chunk], w->node[node].key.public_key, reason};
    return play(w, author, dsdn_EVENT_replica_removed, &e);
}

static inline dsdn_outcome missing(struct world *w, struct person *author, uint32_t chunk, int node)
{
    struct dsdn_ev_replica_missing_reported e = {chunk_ids[chunk], w->node[node].key.public_key, 0};
    return play(w, author, dsdn_EVENT_replica_missing_reported, &e);
}

static inline dsdn_outcome healed(struct world *w, struct person *author, uint32_t chunk, int node)
{
    struct dsdn_ev_replica_healed e = {chunk_ids[chunk], w->node[node].key.public_key};
    return play(w, author, dsdn_EVENT_replica_healed, &e);
}

static inline dsdn_outcome heal(struct world *w, uint32_t chunk, int from, int to)
{
    struct dsdn_ev_heal_assigned e = {chunk_ids[chunk], w->node[from].key.public_key,
                                      w->node[to].key.public_key, w->time_ms + 1000000};
    return play(w, NULL, dsdn_EVENT_heal_assigned, &e);
}

static inline const struct dsdn_row_chunk *chunk_row(struct world *w, uint32_t chunk)
{
    return dsdn_chunk_at(state(w), dsdn_chunk_find(state(w), chunk_ids[chunk]));
}

/* The nth node of the chunk's plan, as a number in w->node. */
static inline int planned(struct world *w, uint32_t chunk, uint32_t nth)
{
    struct dsdn_placement plan;
    uint32_t row = dsdn_chunk_find(state(w), chunk_ids[chunk]);
    uint32_t cnt = dsdn_placement_plan(state(w), w->time_ms, row, dsdn_placement_want(state(w), row), &plan);
    assert_true(nth < cnt);
    for (int i = 0; i < NODES; i++)
        if (dsdn_node_find(state(w), w->node[i].key.public_key) == plan.node[nth]) return i;
    fail_msg("the plan names a node that is none of the test's");
    return -1;
}

/* A node that the plan leaves out, although it could hold the chunk and has nothing of it. */
static inline int not_planned(struct world *w, uint32_t chunk)
{
    struct dsdn_context c = {.state = state(w), .time_ms = w->time_ms};
    for (int i = 0; i < NODES; i++) {
        uint8_t key[64];
        memcpy(key, chunk_ids[chunk], 32);
        memcpy(key + 32, w->node[i].key.public_key, 32);
        uint32_t row = dsdn_node_find(state(w), key + 32);
        if (row != DSDN_NO_ROW && dsdn_node_at(state(w), row)->on_ring &&
            dsdn_replica_find(state(w), key) == DSDN_NO_ROW &&
            !dsdn_placement_has(&c, dsdn_chunk_find(state(w), chunk_ids[chunk]), row))
            return i;
    }
    fail_msg("every free node is in the plan");
    return -1;
}

/* Runs last in each of these programs: nothing of a group in codes.def is dead. */
static inline void check_codes_reached(uint16_t first, uint16_t last)
{
    for (const struct dsdn_code_name *c = dsdn_catalogue.codes; c->name; c++)
        if (c->code >= first && c->code <= last && !reached_code[c->code])
            fail_msg("no test reaches %s", c->name);
}

#endif
