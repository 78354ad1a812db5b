/* publish_util.h: a network of one coordinator for the tests of publishing: a primary made of lists of blobs,
 * a follower that applies the first countable child (no rivals of other keys here), and users that sign
 * bundles. Static functions only. */
#ifndef DSDN_TESTS_PUBLISH_UTIL_H
#define DSDN_TESTS_PUBLISH_UTIL_H

/* Both helpers below have a log_open: of a log directory and of an engine.  Here the second one is meant. */
#define log_open store_log_open
#include "tests/io_fault.h"
#undef log_open

#include "log/fork_choice.h"
#include "roles/dsdn.h"
#include "roles/tables.h"
#include "sinks/publish/publisher.h"
#include "statemachine/direct.h"
#include "tests/engine_util.h"

#define PRIMARY_START 100u
#define BLOCK_MS      2600u
#define HEIGHTS_MAX   4000u
#define USERS         4u

struct primary_blob {
    uint8_t *bytes;
    size_t len;
    struct primary_blob *next;
};

struct primary {
    struct primary_blob *heights[HEIGHTS_MAX]; /* of PRIMARY_START + i */
    uint64_t head;
};

static inline struct dsdn_origin primary_header(uint64_t height)
{
    struct dsdn_origin origin = {.height = height, .time_ms = 1000000 + height * BLOCK_MS};
    if (height > PRIMARY_START) dsdn_store64(origin.hash, height * 0x9e3779b97f4a7c15);
    return origin;
}

static inline void primary_put(struct primary *primary, uint64_t height, const uint8_t *bytes, size_t len)
{
    struct primary_blob *blob = malloc(sizeof *blob), **at;
    assert_non_null(blob);
    assert_true(height > PRIMARY_START && height - PRIMARY_START < HEIGHTS_MAX);
    *blob = (struct primary_blob){.bytes = malloc(len), .len = len};
    assert_non_null(blob->bytes);
    memcpy(blob->bytes, bytes, len);
    for (at = &primary->heights[height - PRIMARY_START]; *at; at = &(*at)->next) {
    }
    *at = blob;
}

static inline void primary_free(struct primary *primary)
{
    for (uint32_t i = 0; i < HEIGHTS_MAX; i++)
        for (struct primary_blob *blob = primary->heights[i], *next; blob; blob = next) {
            next = blob->next;
            free(blob->bytes);
            free(blob);
        }
    free(primary);
}

/* ---- the network ---- */

static inline struct dsdn_sign_key user_key(uint32_t user)
{
    return key_of((uint8_t)(10 + user));
}

/* A genesis with this primary, and an engine at it in l. */
static inline void network_open(struct log *l)
{
    struct log_options options = {
        .catalogue = &dsdn_catalogue,
        .primary = true,
        .parameters = {
            {"deadline_budget", 2}, {"direct_fee", 0}, {"fork_window", 20}, {"origin_lag_max", 60}}};
    log_open(l, &options);
}

/* A bundle of `events` ObjectDeclared events that no other (user, nonce) declares. */
static inline size_t make_bundle(const struct log *l, uint8_t kind, uint32_t user, uint64_t nonce,
                                 uint64_t valid_until, uint32_t events, uint8_t *out, size_t cap)
{
    static struct dsdn_batch_builder *builder;
    struct dsdn_sign_key key = user_key(user);
    struct dsdn_header header = {.sequence = 0};
    struct dsdn_view view;
    uint8_t payload[256], object[32] = {0};
    uint32_t len;
    if (!builder) builder = dsdn_batch_builder_new();
    assert_non_null(builder);
    dsdn_batch_builder_reset(builder);
    assert_int_equal(dsdn_batch_builder_begin(builder, kind, key.public_key, nonce, valid_until, NULL), 0);
    const struct dsdn_event_desc *desc = dsdn_catalogue.events->events + dsdn_EVENT_object_declared;
    for (uint32_t i = 0; i < events; i++) {
        dsdn_store64(object, user);
        dsdn_store64(object + 8, nonce);
        dsdn_store64(object + 16, i);
        struct dsdn_ev_object_declared e = {.object = object, .owner = key.public_key, .rf = 1};
        assert_int_equal(dsdn_event_encode(desc, desc->version, &e, payload, sizeof payload, &len, NULL), 0);
        assert_int_equal(dsdn_batch_builder_event(builder, desc->type, desc->version, payload, len, NULL), 0);
    }
    assert_int_equal(dsdn_batch_builder_end(builder, l->genesis.hash, &key, NULL), 0);
    assert_int_equal(dsdn_batch_builder_finish(builder, &header, NULL, &view, NULL), 0);
    assert_true(view.len - DSDN_BATCH_FIXED_LEN <= cap);
    memcpy(out, view.bytes + DSDN_BATCH_FIXED_LEN, view.len - DSDN_BATCH_FIXED_LEN);
    return view.len - DSDN_BATCH_FIXED_LEN;
}

static inline bool object_there(const struct dsdn_engine *e, uint32_t user, uint64_t nonce, uint32_t i)
{
    uint8_t object[32] = {0};
    dsdn_store64(object, user);
    dsdn_store64(object + 8, nonce);
    dsdn_store64(object + 16, i);
    return dsdn_object_find(dsdn_engine_state(e), object) != DSDN_NO_ROW;
}

/* ---- the follower ---- */

struct model {
    const struct log *network;
    const struct primary *primary;
    struct dsdn_engine *engine;
    struct dsdn_prepared prepared;
    struct dsdn_direct_queue queue;
    uint64_t read;                  /* heights up to here */
    uint64_t included[HEIGHTS_MAX]; /* height that includes batch i */
    uint64_t settled;
    uint64_t not_ok; /* events with another outcome than OK */
};

static inline void model_open(struct model *m, const struct log *network, const struct primary *primary)
{
    *m = (struct model){.network = network, .primary = primary, .read = PRIMARY_START};
    assert_int_equal(dsdn_engine_new(&dsdn_catalogue, NULL, &m->engine, NULL), 0);
    assert_int_equal(dsdn_engine_genesis(m->engine, network->genesis.bytes, network->genesis.len, NULL), 0);
}

static inline void model_close(struct model *m)
{
    dsdn_engine_free(m->engine);
    dsdn_prepared_free(&m->prepared);
    dsdn_direct_queue_free(&m->queue);
}

static inline void model_blob(struct model *m, const struct primary_blob *blob)
{
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(m->engine));
    struct dsdn_batch batch;
    struct dsdn_origin here = primary_header(m->read);
    if (dsdn_batch_decode(blob->bytes, blob->len, &batch, NULL)) return;
    const struct dsdn_header *h = &batch.header;
    if (h->sequence != head->sequence || !dsdn_equal32(h->prev, head->batch_hash)) return;
    if (h->origin.height >= m->read || m->read - h->origin.height > 60 ||
        h->time_ms > here.time_ms + DSDN_CLOCK_SLACK_MS)
        return;
    struct dsdn_direct_selection selection = {.blobs = NULL};
    struct dsdn_origin origin = primary_header(h->origin.height);
    assert_memory_equal(origin.hash, h->origin.hash, 32);
    assert_int_equal(dsdn_prepare(&m->prepared, &dsdn_catalogue, dsdn_engine_seed(m->engine), blob->bytes,
                                  blob->len, NULL),
                     0);
    assert_int_equal(dsdn_prepare_hashes((struct dsdn_prepared *[]){&m->prepared}, 1,
                                         DSDN_CHECK_BODY | DSDN_CHECK_SIGNATURES, NULL),
                     0);
    assert_int_equal(dsdn_prepare_signatures(&m->prepared, true, 0, UINT32_MAX, NULL, NULL), 0);
    assert_int_equal(dsdn_engine_judge(m->engine, &m->prepared, NULL, NULL), 0);
    assert_int_equal(dsdn_direct_select(m->engine, &m->queue, &origin, h->time_ms, &selection, NULL), 0);
    assert_int_equal(dsdn_direct_judge(&m->queue, &m->prepared, &selection, NULL), 0);
    dsdn_direct_selection_free(&selection);
    m->included[h->sequence] = m->read;
    assert_int_equal(dsdn_engine_apply(m->engine, &m->prepared, NULL), 0);
    for (uint32_t i = 0; i < m->prepared.op_cnt; i++)
        m->not_ok += DSDN_OUTCOME_NUMBER(m->prepared.outcomes[i]) != DSDN_OUTCOME_OK;
}

/* Reads up to the head of the primary; tells the signer, when there is one. */
static inline void model_read(struct model *m, struct dsdn_signer_file *signer)
{
    while (m->read < m->primary->head) {
        uint64_t height = ++m->read;
        uint32_t index = 0;
        struct primary_blob *first = m->primary->heights[height - PRIMARY_START];
        for (struct primary_blob *blob = first; blob; blob = blob->next, index++)
            dsdn_direct_queue_add(&m->queue, &dsdn_catalogue, m->network->genesis.hash, height, index,
                                  blob->bytes, blob->len, true, NULL, NULL);
        for (struct primary_blob *blob = first; blob; blob = blob->next) {
            if (signer)
                dsdn_signer_saw(signer, blob->bytes, blob->len, height, primary_header(height).time_ms, 60);
            model_blob(m, blob);
        }
        uint64_t next = dsdn_head(dsdn_engine_state(m->engine))->sequence;
        while (m->settled < next && m->included[m->settled] + 20 <= height) m->settled++;
    }
}

static inline struct dsdn_publisher_view model_view(struct model *m, uint64_t now_ms)
{
    return (struct dsdn_publisher_view){
        .engine = m->engine,
        .queue = &m->queue,
        .settled = m->settled,
        .newest = m->read > PRIMARY_START ? primary_header(m->read) : (struct dsdn_origin){.height = 0},
        .head_height = m->primary->head,
        .now_ms = now_ms,
    };
}

#endif
