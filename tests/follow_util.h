/* follow_util.h: what the tests of the follower share: a primary of blocks, a publisher that makes real
 * batches on any branch, and a driver that feeds followers and watches what they say.  Static functions only;
 * each fails the test when something unexpected happens. */
#ifndef DSDN_TESTS_FOLLOW_UTIL_H
#define DSDN_TESTS_FOLLOW_UTIL_H

#include "tests/store_util.h"

#include "log/genesis.h"
#include "log/hash.h"
#include "roles/dsdn.h"
#include "roles/reducers.h"
#include "statemachine/follow.h"

#define BLOCK_MS 6000ull

enum {
    START = 100,
    USERS = 6,
    MEMBERS = 3,
    LAG = 8,
    WINDOW = 6,
    NODES_MAX = 512,
    BLOBS_MAX = 4096,
    SETTLED_LAST = 40
};
enum { GENESIS = -1, NOTHING = -1 };

struct net_blob {
    uint64_t height;
    uint32_t index;
    uint8_t *bytes; /* NULL: unreadable */
    size_t len;
};

struct net_node {
    uint8_t *bytes;
    size_t len;
    uint8_t hash[32];
    int parent;
    struct dsdn_header header;
    bool invalid; /* made to be refused */
};

struct net {
    struct dsdn_genesis genesis;
    struct dsdn_sign_key authority, next, member[MEMBERS], store, user[USERS];
    uint64_t nonce[USERS];
    struct net_node nodes[NODES_MAX];
    int node_cnt;
    struct net_blob blobs[BLOBS_MAX];
    int blob_cnt;
    uint64_t now;               /* newest height */
    uint32_t index;             /* of the next blob there */
    struct dsdn_engine *engine; /* the state behind node engine_at */
    int engine_at;
    struct dsdn_direct_queue queue; /* everything direct that was posted */
    struct dsdn_direct_selection selection;
    struct dsdn_batch_builder *builder;
    struct dsdn_prepared prepared;
};

static struct dsdn_error error;

#define need(call) need_at((call), #call, __FILE__, __LINE__)
static inline void need_at(int rc, const char *call, const char *file, int line)
{
    char text[1024];
    if (!rc) return;
    dsdn_error_format(&error, text, sizeof text);
    fail_msg("%s:%d: %s gave %d: %s", file, line, call, rc, text);
}

/* ---- the network ---- */

static inline void key_make(struct dsdn_sign_key *key, uint8_t number)
{
    uint8_t seed[32] = {number, 0xf0};
    dsdn_sign_key_from_seed(key, seed);
}

static inline int by_key(const void *a, const void *b)
{
    return memcmp(((const struct dsdn_sign_key *)a)->public_key,
                  ((const struct dsdn_sign_key *)b)->public_key, 32);
}

static inline struct dsdn_origin header_at(uint64_t height)
{
    struct dsdn_origin origin = {.height = height, .time_ms = height * BLOCK_MS};
    dsdn_tagged("test/header", &height, sizeof height, origin.hash);
    return origin;
}

struct net_parameter {
    const char *name;
    int64_t value;
};

/* parameters: sorted by name, ends with NULL; beside fork_window and origin_lag_max, which are set here. */
static inline void net_open(struct net *n, bool primary, const struct net_parameter *more)
{
    static const uint8_t zero[32];
    uint8_t members[MEMBERS][32], params[512], *at = params;
    const struct net_parameter own[] = {{"direct_fee", 0}, {"fork_window", WINDOW}, {"origin_lag_max", LAG}};
    memset(n, 0, sizeof *n);
    key_make(&n->authority, 1);
    key_make(&n->next, 2);
    key_make(&n->store, 3);
    for (int i = 0; i < USERS; i++) key_make(&n->user[i], (uint8_t)(10 + i));
    for (int i = 0; i < MEMBERS; i++) key_make(&n->member[i], (uint8_t)(20 + i));
    qsort(n->member, MEMBERS, sizeof *n->member, by_key);
    for (int i = 0; i < MEMBERS; i++) memcpy(members[i], n->member[i].public_key, 32);
    const struct dsdn_origin start = header_at(START);
    struct dsdn_ev_genesis_declared g = {
        .network_id = {(const uint8_t *)"test", 4},
        .da_namespace = zero,
        .da_start_hash = zero,
        .version_major = 1,
        .quorum_members = {members[0], MEMBERS, sizeof members},
        .quorum_threshold_pct = 67,
        .emergency_members = {n->store.public_key, 1, 32},
        .chain_profile = DSDN_PROFILE_DEVNET,
        .genesis_time = 1000,
        .coordinator = n->authority.public_key,
        .tss_transcript = zero,
    };
    if (primary) {
        g.da_chain_id = (struct dsdn_view){(const uint8_t *)"mock", 4};
        g.da_start = START;
        g.da_start_hash = start.hash;
    }
    /* Both lists are sorted; a name that is in both is taken from `more`. */
    for (unsigned i = 0; i < 3 || (more && more->name);) {
        int order = i == 3 ? -1 : !more || !more->name ? 1 : strcmp(more->name, own[i].name);
        const struct net_parameter *p = order <= 0 ? more++ : &own[i];
        i += order >= 0;
        size_t len = strlen(p->name);
        *at++ = (uint8_t)len;
        memcpy(at, p->name, len);
        memcpy(at + len, &p->value, 8);
        at += len + 8;
        g.params.count++;
    }
    g.params.items = params;
    g.params.len = (uint32_t)(at - params);
    need(dsdn_genesis_encode(&n->genesis, &g, &error));
    n->engine_at = NODES_MAX;
    n->builder = dsdn_batch_builder_new();
    n->now = START;
}

static inline void net_close(struct net *n)
{
    for (int i = 0; i < n->node_cnt; i++) free(n->nodes[i].bytes);
    for (int i = 0; i < n->blob_cnt; i++) free(n->blobs[i].bytes);
    dsdn_direct_queue_free(&n->queue);
    dsdn_direct_selection_free(&n->selection);
    dsdn_prepared_free(&n->prepared);
    dsdn_batch_builder_free(n->builder);
    dsdn_engine_free(n->engine);
    dsdn_genesis_free(&n->genesis);
}

/* ---- blocks ---- */

static inline void net_block(struct net *n, uint64_t height)
{
    assert_true(height > n->now);
    n->now = height;
    n->index = 0;
}

static inline void net_blob(struct net *n, const void *bytes, size_t len)
{
    assert_true(n->blob_cnt < BLOBS_MAX);
    struct net_blob *b = &n->blobs[n->blob_cnt++];
    *b = (struct net_blob){.height = n->now, .index = n->index++, .len = len};
    if (!bytes) return;
    b->bytes = malloc(len ? len : 1);
    memcpy(b->bytes, bytes, len);
}

/* A certificate of the members whose bits are set in `who`; set 0xFFFFFFFF: of the emergency store. */
static inline size_t net_certificate(const struct net *n, int node, uint32_t set, unsigned who,
                                     uint8_t out[1024])
{
    const struct net_node *m = &n->nodes[node];
    uint8_t digest[32], signatures[MEMBERS][64];
    const uint8_t *given[MEMBERS] = {NULL};
    bool emergency = set == DSDN_EMERGENCY_SET;
    int cnt = set ? 1 : MEMBERS; /* set 1 of a test has one member: the next authority's key */
    dsdn_certificate_message(n->genesis.hash, set, m->header.sequence, m->hash, digest);
    for (int i = 0; i < cnt; i++) {
        if (!(who >> i & 1)) continue;
        dsdn_sign(emergency ? &n->store : set ? &n->next : &n->member[i], digest, signatures[i]);
        given[i] = signatures[i];
    }
    return dsdn_certificate_encode(set, given, (uint32_t)cnt, out, 1024);
}

/* Bare, or in a DSDC with two of three members' signatures.  The blob is the caller's. */
static inline uint8_t *net_carrier(const struct net *n, int node, bool certified, size_t *len)
{
    const struct net_node *m = &n->nodes[node];
    uint8_t certificate[1024];
    size_t before = certified ? 4 + net_certificate(n, node, 0, 5, certificate) : 0;
    uint8_t *bytes = malloc(before + m->len);
    if (certified) {
        memcpy(bytes, "DSDC", 4);
        memcpy(bytes + 4, certificate, before - 4);
    }
    memcpy(bytes + before, m->bytes, m->len);
    *len = before + m->len;
    return bytes;
}

static inline void net_post(struct net *n, int node, bool certified)
{
    size_t len;
    uint8_t *bytes = net_carrier(n, node, certified, &len);
    net_blob(n, bytes, len);
    free(bytes);
}

/* ---- events in bundles ---- */

static inline void net_object(struct net *n, int user, uint64_t number)
{
    uint8_t object[32], payload[256];
    uint32_t len;
    dsdn_tagged("test/object", &number, sizeof number, object);
    struct dsdn_ev_object_declared e = {.object = object,
                                        .owner = n->user[user].public_key,
                                        .size = 1000 + number,
                                        .chunk_count = 1,
                                        .rf = 3};
    need(dsdn_event_encode(&dsdn_event_table.events[dsdn_EVENT_object_declared], 1, &e, payload,
                           sizeof payload, &len, &error));
    need(dsdn_batch_builder_event(n->builder, 0x0201, 1, payload, len, &error));
}

/* A bundle of `events` objects in the builder. */
static inline void net_bundle(struct net *n, uint8_t kind, int user, uint64_t nonce, uint32_t events)
{
    need(dsdn_batch_builder_begin(n->builder, kind, n->user[user].public_key, nonce, 0, &error));
    for (uint32_t i = 0; i < events; i++) net_object(n, user, nonce * 100000 + (uint64_t)user * 10000 + i);
    need(dsdn_batch_builder_end(n->builder, n->genesis.hash, &n->user[user], &error));
}

static inline void net_authority(struct net *n, uint32_t event, const void *fields)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    uint8_t payload[1024];
    uint32_t len;
    need(dsdn_event_encode(desc, desc->version, fields, payload, sizeof payload, &len, &error));
    need(dsdn_batch_builder_begin(n->builder, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0, &error));
    need(dsdn_batch_builder_event(n->builder, desc->type, desc->version, payload, len, &error));
    need(dsdn_batch_builder_end(n->builder, n->genesis.hash, NULL, &error));
}

/* A direct bundle as a blob of its own. */
static inline void net_direct(struct net *n, int user, uint64_t nonce, uint32_t events)
{
    struct dsdn_header header = {.sequence = 0};
    struct dsdn_view batch;
    dsdn_batch_builder_reset(n->builder);
    net_bundle(n, DSDN_BUNDLE_DIRECT, user, nonce, events);
    need(dsdn_batch_builder_finish(n->builder, &header, NULL, &batch, &error));
    size_t len = DSDN_DIRECT_PREFIX + batch.len - DSDN_BATCH_FIXED_LEN;
    uint8_t *bytes = malloc(len);
    memcpy(bytes, "DSDD", 4);
    memcpy(bytes + 4, n->genesis.hash, 32);
    memcpy(bytes + DSDN_DIRECT_PREFIX, batch.bytes + DSDN_BATCH_FIXED_LEN, len - DSDN_DIRECT_PREFIX);
    need(dsdn_direct_queue_add(&n->queue, &dsdn_catalogue, n->genesis.hash, n->now, n->index, bytes, len,
                               true, NULL, &error));
    net_blob(n, bytes, len);
    free(bytes);
}

/* The newest blob again. */
static inline void net_again(struct net *n, int blob)
{
    const struct net_blob b = n->blobs[blob];
    if (b.len >= 4 && memcmp(b.bytes, "DSDD", 4) == 0)
        need(dsdn_direct_queue_add(&n->queue, &dsdn_catalogue, n->genesis.hash, n->now, n->index, b.bytes,
                                   b.len, true, NULL, &error));
    net_blob(n, b.bytes, b.len);
}

/* ---- batches ---- */

static inline void net_apply(struct net *n, int node)
{
    need(dsdn_prepare(&n->prepared, &dsdn_catalogue, dsdn_engine_seed(n->engine), n->nodes[node].bytes,
                      n->nodes[node].len, &error));
    need(dsdn_engine_judge(n->engine, &n->prepared, &dsdn_certificate_verified, &error));
    need(dsdn_engine_apply(n->engine, &n->prepared, &error));
}

/* The state behind a node. */
static inline struct dsdn_engine *net_state(struct net *n, int node)
{
    if (n->engine_at == node) return n->engine;
    if (node != GENESIS && n->nodes[node].parent == n->engine_at) {
        net_apply(n, node);
        n->engine_at = node;
        return n->engine;
    }
    int path[NODES_MAX], cnt = 0;
    for (int i = node; i != GENESIS; i = n->nodes[i].parent) path[cnt++] = i;
    dsdn_engine_free(n->engine);
    need(dsdn_engine_new(&dsdn_catalogue, NULL, &n->engine, &error));
    need(dsdn_engine_genesis(n->engine, n->genesis.bytes, n->genesis.len, &error));
    while (cnt) net_apply(n, path[--cnt]);
    n->engine_at = node;
    return n->engine;
}

static inline int net_find(const struct net *n, const uint8_t hash[32])
{
    for (int i = 0; i < n->node_cnt; i++)
        if (memcmp(n->nodes[i].hash, hash, 32) == 0) return i;
    return NOTHING;
}

/* A batch to make; zero is an honest one. */
struct net_batch {
    int parent;
    uint64_t origin;
    uint64_t time_ms;               /* 0: the least */
    const struct dsdn_sign_key *by; /* NULL: the authority of the state */
    uint64_t epoch;                 /* with `by` */
    int leave_out;                  /* number of the direct bundle that is left out, counted from 1 */
    bool lie_hash, lie_time;        /* da_origin */
    bool stand_still;               /* da_cursor stays */
    int pool;                       /* user whose next bundle it has, counted from 1 */
    bool bad_bundle;                /* signed for another network */
    uint32_t event;                 /* of the authority, with fields */
    const void *fields;
    void (*fill)(struct net *n); /* more bundles */
    const uint8_t *takeover;     /* the key that a takeover puts in place */
    bool invalid;
};

static inline int net_make(struct net *n, const struct net_batch *o)
{
    assert_true(n->node_cnt < NODES_MAX);
    struct dsdn_engine *e = net_state(n, o->parent);
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(e));
    struct net_node *m = &n->nodes[n->node_cnt];
    struct dsdn_header h = {.sequence = head->sequence, .committee_epoch = head->authority_epoch};
    const struct dsdn_sign_key *key = o->by ? o->by : &n->authority;
    if (o->by) h.committee_epoch = o->epoch;
    memcpy(h.genesis, n->genesis.hash, 32);
    memcpy(h.prev, head->batch_hash, 32);
    if (head->has_primary) h.origin = header_at(o->origin);
    h.time_ms = o->time_ms ? o->time_ms : head->time_ms > h.origin.time_ms ? head->time_ms : h.origin.time_ms;
    dsdn_batch_builder_reset(n->builder);
    h.cursor = (struct dsdn_cursor){head->cursor_height, head->cursor_index};
    if (o->takeover) {
        struct dsdn_ev_authority_replaced replaced = {.publisher = o->takeover};
        key = NULL;
        net_authority(n, dsdn_EVENT_authority_replaced, &replaced);
    } else {
        need(dsdn_direct_select(e, &n->queue, &h.origin, h.time_ms, &n->selection, &error));
        if (!o->stand_still) h.cursor = n->selection.cursor;
        for (uint32_t i = 0; i < n->selection.cnt && !o->stand_still; i++)
            if ((int)i + 1 != o->leave_out)
                need(dsdn_batch_builder_bundle(n->builder, n->selection.blobs[i]->bundle,
                                               n->selection.blobs[i]->len - DSDN_DIRECT_PREFIX, &error));
        memcpy(h.publisher, key->public_key, 32);
        if (o->event) net_authority(n, o->event, o->fields);
        if (o->fill) o->fill(n);
        if (o->pool) {
            n->genesis.hash[0] ^= o->bad_bundle; /* signed for another network */
            net_bundle(n, DSDN_BUNDLE_POOL, o->pool - 1, ++n->nonce[o->pool - 1], 1);
            n->genesis.hash[0] ^= o->bad_bundle;
        }
    }
    if (o->lie_hash) h.origin.hash[5] ^= 1;
    if (o->lie_time) h.origin.time_ms -= 1;
    struct dsdn_view batch;
    need(dsdn_batch_builder_finish(n->builder, &h, key, &batch, &error));
    *m = (struct net_node){.bytes = malloc(batch.len),
                           .len = batch.len,
                           .parent = o->parent,
                           .header = h,
                           .invalid = o->invalid};
    memcpy(m->bytes, batch.bytes, batch.len);
    dsdn_batch_hash(m->bytes, m->hash);
    int same = net_find(n, m->hash);
    if (same == NOTHING) return n->node_cnt++;
    free(m->bytes); /* made before: it is that batch */
    return same;
}

/* ---- followers ---- */

struct fol {
    struct dsdn_follow *f;
    struct net *net;
    struct path dir;
    struct dsdn_follow_options options;
    struct dsdn_follow_report report;
    uint64_t next, settled, waiting;
    uint64_t seen[DSDN_FOLLOW_RESCAN + 1]; /* events by kind */
    struct dsdn_error evidence, alarm;     /* the newest: of an invalid batch, of an alarm */
    enum dsdn_evidence evidence_kind;
    uint64_t known, provisional, rolled_back_to;
    int chain[NODES_MAX]; /* node of each applied batch */
    bool quiet_settled;   /* do not look at settled batches: after a restart from another point */
};

static inline void fol_start(struct fol *f)
{
    struct dsdn_follow_status status;
    need(dsdn_follow_open(&f->options, &f->f, &f->report, &error));
    dsdn_follow_status(f->f, &status);
    assert_true(status.settled <= status.next);
    f->next = status.next;
    if (f->net->genesis.event.da_chain_id.len) assert_true(status.settled <= f->settled || f->settled == 0);
    f->settled = status.settled;
}

static inline void fol_open(struct fol *f, struct net *n)
{
    memset(f, 0, sizeof *f);
    f->net = n;
    f->dir = scratch_make();
    f->options = (struct dsdn_follow_options){.catalogue = &dsdn_catalogue,
                                              .dir = f->dir.text,
                                              .genesis = {n->genesis.bytes, n->genesis.len},
                                              .checkpoint_every = 4,
                                              .segment_bytes = 8192};
    fol_start(f);
    assert_true(f->report.created);
}

/* Everything it says is possible, and tells of batches that are real. */
static inline void fol_listen(struct fol *f)
{
    struct dsdn_follow_event e;
    while (dsdn_follow_event(f->f, &e)) {
        f->seen[e.kind]++;
        switch (e.kind) {
        case DSDN_FOLLOW_APPLIED: {
            int node = net_find(f->net, e.hash);
            assert_int_equal(e.sequence, f->next);
            assert_true(node != NOTHING);
            if (!e.provisional && f->net->nodes[node].invalid)
                fail_msg("batch %llu was made to be refused, and is applied", (unsigned long long)e.sequence);
            assert_int_equal(e.len, f->net->nodes[node].len);
            if (f->next) assert_int_equal(f->net->nodes[node].parent, f->chain[f->next - 1]);
            f->chain[f->next++] = node;
            f->known += e.known;
            f->provisional += e.provisional;
            break;
        }
        case DSDN_FOLLOW_ROLLED_BACK:
            assert_int_equal(e.from, f->next);
            assert_true(e.sequence < f->next && e.sequence >= f->settled);
            f->next = f->rolled_back_to = e.sequence;
            break;
        case DSDN_FOLLOW_SETTLED:
            assert_int_equal(e.from, f->settled);
            assert_true(e.sequence > f->settled && e.sequence <= f->next);
            f->settled = e.sequence;
            break;
        case DSDN_FOLLOW_EVIDENCE:
            assert_true(e.bytes.len > 0 && e.error.code && e.error.message[0]);
            assert_int_equal(e.second.len > 0, e.evidence != DSDN_EVIDENCE_INVALID);
            if (e.evidence == DSDN_EVIDENCE_INVALID) f->evidence = e.error;
            f->evidence_kind = e.evidence;
            break;
        case DSDN_FOLLOW_ALARM:
        case DSDN_FOLLOW_HALTED: f->alarm = e.error; break;
        case DSDN_FOLLOW_WAITING: f->waiting = e.height; break;
        default: break;
        }
    }
}

/* All blobs of a height as the follower gets them. */
static inline uint32_t net_height(const struct net *n, uint64_t height, struct dsdn_da_height *h,
                                  struct dsdn_da_blob *blobs)
{
    struct dsdn_origin header = header_at(height);
    *h = (struct dsdn_da_height){.height = height, .time_ms = header.time_ms, .blobs = blobs};
    memcpy(h->hash, header.hash, 32);
    for (int i = 0; i < n->blob_cnt; i++)
        if (n->blobs[i].height == height)
            blobs[h->blob_cnt++] = (struct dsdn_da_blob){
                .index = n->blobs[i].index, .bytes = n->blobs[i].bytes, .len = n->blobs[i].len};
    return h->blob_cnt;
}

static inline int fol_feed(struct fol *f, uint64_t height)
{
    static struct dsdn_da_blob blobs[BLOBS_MAX];
    struct dsdn_da_height h;
    net_height(f->net, height, &h, blobs);
    int rc = dsdn_follow_height(f->f, &h, &error);
    fol_listen(f);
    return rc;
}

/* Reads up to a height. */
static inline void fol_read(struct fol *f, uint64_t until)
{
    uint64_t want, turns = 0;
    while ((want = dsdn_follow_want(f->f)) != DSDN_HEIGHT_NONE && want <= until) {
        need(fol_feed(f, want));
        assert_true(turns++ < 20000);
    }
}

/* A certified batch from the quorum source. */
static inline void fol_certified(struct fol *f, int node)
{
    size_t len;
    uint8_t *bytes = net_carrier(f->net, node, true, &len);
    struct dsdn_place place = {.source = DSDN_FOLLOW_QUORUM, .height = 1};
    need(dsdn_follow_blob(f->f, &place, bytes, len, NULL, &error));
    free(bytes);
    fol_listen(f);
}

static inline void fol_stop(struct fol *f)
{
    dsdn_follow_close(f->f);
    f->f = NULL;
}

static inline void fol_close(struct fol *f)
{
    if (f->f) fol_stop(f);
    scratch_remove(&f->dir);
}

/* Kill and start again from what is on disk. */
static inline void fol_restart(struct fol *f)
{
    fol_stop(f);
    fol_start(f);
    assert_true(!f->report.created && !f->report.record_lost && !f->report.checkpoints_bad);
}

static inline void fol_root(struct fol *f, uint8_t root[32])
{
    struct dsdn_roots roots;
    need(dsdn_engine_root(dsdn_follow_engine(f->f), 1, &roots, &error));
    memcpy(root, roots.state, 32);
}

/* Head, root and what is in the log are those behind a node. */
static inline void fol_is_at(struct fol *f, int node)
{
    uint8_t root[32];
    struct dsdn_roots roots;
    struct dsdn_store_info info;
    need(dsdn_follow_sync(f->f, &error));
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(dsdn_follow_engine(f->f)));
    if (node != NOTHING && memcmp(head->batch_hash, f->net->nodes[node].hash, 32) != 0)
        fail_msg("the head is node %d at %llu, not node %d", net_find(f->net, head->batch_hash),
                 (unsigned long long)head->sequence, node);
    fol_root(f, root);
    need(dsdn_engine_root(net_state(f->net, node), 1, &roots, &error));
    assert_memory_equal(root, roots.state, 32);
    dsdn_store_info(dsdn_follow_store(f->f), &info);
    for (int i = node; i != GENESIS; i = f->net->nodes[i].parent) {
        struct dsdn_buffer buffer = {0};
        struct dsdn_record record;
        need(dsdn_store_read(dsdn_follow_store(f->f), f->net->nodes[i].header.sequence, &buffer, &record,
                             &error));
        assert_int_equal(record.len, f->net->nodes[i].len);
        assert_memory_equal(record.batch, f->net->nodes[i].bytes, DSDN_HEADER_LEN);
        dsdn_buffer_free(&buffer);
    }
}

#endif
