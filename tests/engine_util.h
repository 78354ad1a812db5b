/* engine_util.h: what the tests of the engine share: a log of hand-made batches on any catalogue, SHA-256 by
 * OpenSSL alone, and snapshots of all rows.  Static functions only; every one fails the test when something
 * unexpected happens. */
#ifndef DSDN_TESTS_ENGINE_UTIL_H
#define DSDN_TESTS_ENGINE_UTIL_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "log/genesis.h"
#include "statemachine/engine.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* ---- hashes, independent of log/hash.h ---- */

struct evp {
    EVP_MD_CTX *context;
};

static inline void evp_put(struct evp *h, const void *bytes, size_t len)
{
    assert_int_equal(EVP_DigestUpdate(h->context, bytes, len), 1);
}

static inline struct evp evp_plain(void)
{
    struct evp h = {EVP_MD_CTX_new()};
    assert_non_null(h.context);
    assert_int_equal(EVP_DigestInit_ex(h.context, EVP_sha256(), NULL), 1);
    return h;
}

/* H(tag, ...) of protocol.md, section 1. */
static inline struct evp evp_tagged(const char *tag)
{
    struct evp h = evp_plain();
    uint8_t len = (uint8_t)strlen(tag);
    evp_put(&h, &len, 1);
    evp_put(&h, tag, len);
    return h;
}

/* Little-endian, byte by byte. */
static inline void evp_number(struct evp *h, uint64_t number, unsigned bytes)
{
    for (; bytes--; number >>= 8) {
        uint8_t byte = (uint8_t)number;
        evp_put(h, &byte, 1);
    }
}

static inline void evp_end(struct evp *h, uint8_t out[32])
{
    assert_int_equal(EVP_DigestFinal_ex(h->context, out, NULL), 1);
    EVP_MD_CTX_free(h->context);
}

/* ---- a log ---- */

enum { MEMBERS_MAX = 8, PARAMETERS_MAX = 4, PAYLOAD_ROOM = 70000 };

struct log_options {
    const struct dsdn_catalogue *catalogue;
    bool primary;
    unsigned members; /* of the quorum set */
    struct {
        const char *name; /* sorted */
        int64_t value;
    } parameters[PARAMETERS_MAX];
    struct dsdn_engine_options engine;
    const struct dsdn_genesis *genesis; /* NULL: made from the above */
};

struct log {
    const struct dsdn_catalogue *catalogue;
    struct dsdn_genesis genesis;
    struct dsdn_sign_key authority,
        members[MEMBERS_MAX]; /* members in set order; a given genesis has its own */
    unsigned member_cnt;
    struct dsdn_engine *engine;
    struct dsdn_batch_builder *builder;
    const struct dsdn_sign_key *author; /* of the open bundle */
    struct dsdn_prepared prepared;
    struct dsdn_header next; /* of the batch being made: right until a test changes it */
    uint8_t *batch;          /* the newest one made, owned */
    size_t batch_len;
    struct dsdn_error error;
};

static inline struct dsdn_sign_key key_of(uint8_t number)
{
    uint8_t seed[32] = {number, 0x5e};
    struct dsdn_sign_key key;
    dsdn_sign_key_from_seed(&key, seed);
    return key;
}

static inline int key_order(const void *a, const void *b)
{
    return memcmp(((const struct dsdn_sign_key *)a)->public_key,
                  ((const struct dsdn_sign_key *)b)->public_key, 32);
}

#define log_must(l, call) log_must_((l), (call), #call, __FILE__, __LINE__)
static inline void log_must_(struct log *l, int rc, const char *call, const char *file, int line)
{
    if (!rc) return;
    char text[1024];
    dsdn_error_format(&l->error, text, sizeof text);
    print_error("%s:%d: %s gave %d: %s\n", file, line, call, rc, text);
    fail();
}

static inline const struct dsdn_state *log_state(const struct log *l)
{
    return dsdn_engine_state(l->engine);
}

/* The header that follows what was applied. */
static inline void log_begin(struct log *l)
{
    const struct dsdn_sys_row_head *head = dsdn_head(log_state(l));
    l->next = (struct dsdn_header){.sequence = head->sequence,
                                   .committee_epoch = head->authority_epoch,
                                   .time_ms = head->time_ms,
                                   .origin = {.height = head->origin_height, .time_ms = head->origin_time},
                                   .cursor = {head->cursor_height, head->cursor_index}};
    memcpy(l->next.origin.hash, head->origin_hash, 32);
    memcpy(l->next.genesis, l->genesis.hash, 32);
    memcpy(l->next.prev, head->batch_hash, 32);
    memcpy(l->next.publisher, head->authority, 32);
    dsdn_batch_builder_reset(l->builder);
}

static inline void log_genesis(struct log *l, const struct log_options *options)
{
    static const uint8_t zero[32];
    uint8_t members[MEMBERS_MAX][32], params[PARAMETERS_MAX * 64], *at = params;
    for (unsigned i = 0; i < options->members; i++) l->members[i] = key_of((uint8_t)(100 + i));
    qsort(l->members, l->member_cnt, sizeof *l->members, key_order);
    for (unsigned i = 0; i < l->member_cnt; i++) memcpy(members[i], l->members[i].public_key, 32);
    struct dsdn_ev_genesis_declared g = {
        .network_id = {(const uint8_t *)"test", 4},
        .da_namespace = zero,
        .da_start_hash = zero,
        .version_major = 1,
        .quorum_members = {members[0], options->members, options->members * 32},
        .quorum_threshold_pct = options->members ? 67 : 0,
        .chain_profile = DSDN_PROFILE_DEVNET,
        .genesis_time = 1000,
        .coordinator = l->authority.public_key,
        .tss_transcript = zero,
    };
    if (options->primary) {
        g.da_chain_id = (struct dsdn_view){(const uint8_t *)"mock", 4};
        g.da_start = 100;
    }
    for (; g.params.count < PARAMETERS_MAX && options->parameters[g.params.count].name; g.params.count++) {
        size_t len = strlen(options->parameters[g.params.count].name);
        *at++ = (uint8_t)len;
        memcpy(at, options->parameters[g.params.count].name, len);
        memcpy(at + len, &options->parameters[g.params.count].value, 8);
        at += len + 8;
    }
    g.params.items = params;
    g.params.len = (uint32_t)(at - params);
    log_must(l, dsdn_genesis_encode(&l->genesis, &g, &l->error));
}

static inline void log_open(struct log *l, const struct log_options *options)
{
    *l = (struct log){
        .catalogue = options->catalogue, .member_cnt = options->members, .error = DSDN_ERROR_INIT};
    l->authority = key_of(200);
    if (options->genesis)
        log_must(l,
                 dsdn_genesis_decode(&l->genesis, options->genesis->bytes, options->genesis->len, &l->error));
    else
        log_genesis(l, options);
    log_must(l, dsdn_engine_new(l->catalogue, &options->engine, &l->engine, &l->error));
    log_must(l, dsdn_engine_genesis(l->engine, l->genesis.bytes, l->genesis.len, &l->error));
    l->builder = dsdn_batch_builder_new();
    assert_non_null(l->builder);
    log_begin(l);
}

static inline void log_close(struct log *l)
{
    dsdn_prepared_free(&l->prepared);
    dsdn_batch_builder_free(l->builder);
    dsdn_engine_free(l->engine);
    dsdn_genesis_free(&l->genesis);
    free(l->batch);
}

/* Bundles: log_bundle, then events, then log_end. */
static inline void log_bundle(struct log *l, uint8_t kind, const struct dsdn_sign_key *author, uint64_t nonce,
                              uint64_t valid_until)
{
    l->author = author;
    log_must(l, dsdn_batch_builder_begin(l->builder, kind, author ? author->public_key : NULL, nonce,
                                         valid_until, &l->error));
}

static inline void log_event_raw(struct log *l, uint16_t type, uint8_t version, const void *payload,
                                 uint32_t len)
{
    log_must(l, dsdn_batch_builder_event(l->builder, type, version, payload, len, &l->error));
}

/* `event` is the index in the catalogue. */
static inline void log_event(struct log *l, uint32_t event, uint8_t version, const void *fields)
{
    static uint8_t payload[PAYLOAD_ROOM];
    const struct dsdn_event_desc *desc = &l->catalogue->events->events[event];
    uint32_t len;
    log_must(l, dsdn_event_encode(desc, version, fields, payload, sizeof payload, &len, &l->error));
    log_event_raw(l, desc->type, version, payload, len);
}

static inline void log_end(struct log *l)
{
    log_must(l, dsdn_batch_builder_end(l->builder, l->genesis.hash, l->author, &l->error));
}

/* Finishes the batch into l->batch and prepares it. */
static inline void log_prepare(struct log *l)
{
    struct dsdn_view view;
    log_must(l, dsdn_batch_builder_finish(l->builder, &l->next, &l->authority, &view, &l->error));
    free(l->batch);
    l->batch = malloc(view.len);
    assert_non_null(l->batch);
    memcpy(l->batch, view.bytes, view.len);
    l->batch_len = view.len;
    log_must(l, dsdn_prepare(&l->prepared, l->catalogue, dsdn_engine_seed(l->engine), l->batch, l->batch_len,
                             &l->error));
}

static inline int log_judge(struct log *l)
{
    l->error = (struct dsdn_error)DSDN_ERROR_INIT;
    return dsdn_engine_judge(l->engine, &l->prepared, NULL, &l->error);
}

/* Prepares, judges with the result `code`, and begins the same batch again, empty. */
#define log_expect(l, code) log_expect_((l), (code), __FILE__, __LINE__)
static inline void log_expect_(struct log *l, int code, const char *file, int line)
{
    log_prepare(l);
    int rc = log_judge(l);
    if (rc != code) {
        print_error("%s:%d: judged %s where %s was expected: %s\n", file, line, dsdn_error_name(rc),
                    dsdn_error_name(code), l->error.message);
        fail();
    }
    if (code) assert_int_equal(l->error.sequence, l->next.sequence);
    log_begin(l);
}

/* Prepares, judges valid, applies, and begins the next batch. */
#define log_apply(l) log_apply_((l), __FILE__, __LINE__)
static inline void log_apply_(struct log *l, const char *file, int line)
{
    log_prepare(l);
    log_must_(l, log_judge(l), "judging", file, line);
    log_must_(l, dsdn_engine_apply(l->engine, &l->prepared, &l->error), "applying", file, line);
    log_begin(l);
}

/* ---- snapshots: every row of every table as hashes ---- */

struct row_hashes {
    uint16_t role, table;
    uint8_t kh[32], vh[32];
};

struct snapshot {
    struct row_hashes *rows; /* in order of (table id, kh) */
    size_t cnt;
};

static inline int row_order(const void *a, const void *b)
{
    const struct row_hashes *x = a, *y = b;
    return x->table != y->table ? (x->table < y->table ? -1 : 1) : memcmp(x->kh, y->kh, 32);
}

static inline struct snapshot snapshot_take(const struct dsdn_state *s)
{
    struct snapshot snapshot = {NULL, 0};
    for (uint32_t t = 0; t < s->table_cnt; t++) {
        const struct dsdn_table *table = &s->tables[t];
        for (uint32_t row = 0; row < table->row_end; row++) {
            uint8_t value[1 + DSDN_VALUE_MAX] = {3};
            if (!dsdn_table_live(table, row)) continue;
            snapshot.rows = realloc(snapshot.rows, (snapshot.cnt + 1) * sizeof *snapshot.rows);
            assert_non_null(snapshot.rows);
            struct row_hashes *out = &snapshot.rows[snapshot.cnt++];
            const uint8_t *bytes = dsdn_row_at(table, row, table->desc->row_size);
            out->role = table->desc->role;
            out->table = table->desc->id;
            struct evp h = evp_plain();
            evp_put(&h, bytes, table->desc->key_len);
            evp_end(&h, out->kh);
            h = evp_plain();
            evp_put(&h, value, 1 + table->desc->encode(s, bytes, value + 1, NULL));
            evp_end(&h, out->vh);
        }
    }
    if (snapshot.cnt) qsort(snapshot.rows, snapshot.cnt, sizeof *snapshot.rows, row_order);
    return snapshot;
}

static inline void snapshot_free(struct snapshot *s)
{
    free(s->rows);
    *s = (struct snapshot){NULL, 0};
}

/* The same rows in the tables whose id is at least `from`: SNAPSHOT_ALL; or behind head, outcome counters and
 * nonces, which every batch may change; or behind all tables of the system. */
enum { SNAPSHOT_ALL = 0, SNAPSHOT_FACTS = 4, SNAPSHOT_ROLES = 0x100 };
static inline bool snapshot_same(const struct snapshot *a, const struct snapshot *b, uint16_t from)
{
    size_t i = 0, k = 0;
    while (i < a->cnt && a->rows[i].table < from) i++;
    while (k < b->cnt && b->rows[k].table < from) k++;
    if (a->cnt - i != b->cnt - k) return false;
    for (; i < a->cnt; i++, k++) {
        const struct row_hashes *x = &a->rows[i], *y = &b->rows[k];
        if (x->table != y->table || memcmp(x->kh, y->kh, 32) != 0 || memcmp(x->vh, y->vh, 32) != 0)
            return false;
    }
    return true;
}

#endif
