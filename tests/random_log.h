/* random_log.h: random logs of any catalogue: events whose ids come from a small pool, so that they meet each
 * other, in bundles of the authority and of a few authors, at times that often stand still.  A seed gives the
 * same log on every machine. */
#ifndef DSDN_TESTS_RANDOM_LOG_H
#define DSDN_TESTS_RANDOM_LOG_H

#include "log/kind.h"
#include "log/random_event.h"
#include "roles/generator/generator.h"
#include "tests/engine_util.h"

enum { POOL = 6, UNIT_EVENTS = 6, RANDOM_PAYLOAD = 700 };
#define RANDOM_SEQUENCE_FREE                                                                                 \
    (DSDN_GENERATE_NODE | DSDN_GENERATE_CHUNK) /* events that know no batch sequence */

struct random_event {
    uint16_t type;
    uint8_t version;
    uint32_t event; /* index in the catalogue */
    uint32_t len;
    uint8_t *payload; /* owned */
};

/* What one author says at one time. */
struct unit {
    uint64_t time_ms;
    int author; /* in the pool; -1: the authority */
    uint64_t nonce;
    uint32_t event_cnt;
    struct random_event *events; /* owned */
    struct dsdn_view bundle;     /* signed by somebody else: these bytes, owned; events are not listed then */
};

struct random_log {
    const struct dsdn_catalogue *catalogue;
    struct dsdn_random random;
    struct dsdn_sign_key pool[POOL];
    uint64_t time_ms, nonces[POOL];
    struct unit *units; /* owned */
    size_t cnt, cap;
    struct dsdn_genesis genesis; /* of a generated log */
};

static inline struct unit *random_log_grow(struct random_log *r)
{
    if (r->cnt == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->units = realloc(r->units, r->cap * sizeof *r->units);
        assert_non_null(r->units);
    }
    r->units[r->cnt] = (struct unit){.author = -1};
    return &r->units[r->cnt++];
}

static inline uint8_t *random_copy(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    return copy;
}

static inline const struct dsdn_sign_key *random_key_of(const struct random_log *r, const uint8_t id[32])
{
    for (int i = 0; i < POOL; i++)
        if (dsdn_equal32(r->pool[i].public_key, id)) return &r->pool[i];
    return NULL;
}

/* A number of 1, 2, 4 or 8 bytes in a decoded struct. */
static inline void random_number_set(const struct dsdn_field *f, union dsdn_decoded *into, uint64_t value)
{
    static const uint8_t widths[DSDN_KIND_CNT] = {[DSDN_K_u8] = 1,  [DSDN_K_choice] = 1, [DSDN_K_u16] = 2,
                                                  [DSDN_K_u32] = 4, [DSDN_K_u64] = 8,    [DSDN_K_time] = 8};
    memcpy(into->bytes + f->offset, &value, widths[f->kind]);
}

/* Fields as events of one small network have them: known ids and names, times near now, small numbers; but
 * not always. */
static inline void random_adapt(struct random_log *r, const struct dsdn_event_desc *desc,
                                const struct unit *u, struct random_event *e)
{
    static const uint8_t names[] = "abc";
    union dsdn_decoded decoded;
    uint8_t again[RANDOM_PAYLOAD];
    assert_int_equal(dsdn_event_decode(desc, e->version, e->payload, e->len, &decoded, NULL), 0);
    for (const struct dsdn_field *f = desc->fields(); f->name; f++) {
        uint64_t some = dsdn_random_next(&r->random);
        if (some % 8 == 0) continue;
        some /= 8;
        struct dsdn_view name = {names + some % 3, 1};
        const uint8_t *id =
            r->pool[u->author >= 0 && some % 16 < 11 ? (uint64_t)u->author : some / 16 % POOL].public_key;
        switch (f->kind) {
        case DSDN_K_id:
        case DSDN_K_hash:
        case DSDN_K_addr: memcpy(decoded.bytes + f->offset, &id, sizeof id); break;
        case DSDN_K_str: memcpy(decoded.bytes + f->offset, &name, sizeof name); break;
        case DSDN_K_time: random_number_set(f, &decoded, r->time_ms + 1 + some % 40); break;
        case DSDN_K_choice: random_number_set(f, &decoded, some % 4 <= f->max ? some % 4 : 1); break;
        case DSDN_K_u8:
        case DSDN_K_u16:
        case DSDN_K_u32:
        case DSDN_K_u64:
            random_number_set(f, &decoded, strcmp(f->name, "leaf_size") == 0 ? 1024 : 1 + some % 3);
            break;
        case DSDN_K_opt_u8: memset(decoded.bytes + f->offset, 0, sizeof(int16_t)); break;
        case DSDN_K_list: memset(decoded.bytes + f->offset, 0, sizeof(struct dsdn_list)); break;
        default: break;
        }
    }
    assert_int_equal(dsdn_event_encode(desc, e->version, &decoded, again, sizeof again, &e->len, NULL), 0);
    memcpy(e->payload, again, e->len);
}

/* Embedded signatures of the key that the event's node_id names, where the pool has it. */
static inline void random_sign(struct random_log *r, const struct dsdn_event_desc *desc,
                               const uint8_t *genesis, const struct unit *u, struct random_event *e)
{
    static const uint8_t nobody[32];
    const uint8_t *author = u->author < 0 ? nobody : r->pool[u->author].public_key, *node = NULL,
                  *signature = NULL;
    union dsdn_decoded decoded;
    uint8_t digest[32];
    assert_int_equal(dsdn_event_decode(desc, e->version, e->payload, e->len, &decoded, NULL), 0);
    for (const struct dsdn_field *f = desc->fields(); f->name; f++) {
        if (strcmp(f->name, "node_id") == 0) node = dsdn_field_pointer(f, &decoded);
        if (strcmp(f->name, "node_sig") == 0) signature = dsdn_field_pointer(f, &decoded);
    }
    const struct dsdn_sign_key *key = node && signature ? random_key_of(r, node) : NULL;
    if (!key || dsdn_random_below(&r->random, 8) == 0) return;
    assert_int_equal(dsdn_embedded_message(desc, e->version, "node_sig", genesis, author, u->nonce,
                                           e->payload, e->len, digest, NULL),
                     0);
    dsdn_sign(key, digest, e->payload + (signature - e->payload));
}

/* Whether a bundle of u may well hold the event; wrong author classes occur, but seldom.  AuthorityReplaced
 * never: the log goes on with one key. */
static inline bool random_fits(struct random_log *r, const struct dsdn_event_desc *desc, const struct unit *u)
{
    if (desc->author == DSDN_AUTHOR_NONE || desc->since > DSDN_PROTOCOL(1, 0, 0) || desc->type == 0x0006)
        return false;
    if (desc->rows[0] == 0 && dsdn_random_below(&r->random, 8))
        return false; /* it can only be refused here */
    return desc->author == DSDN_AUTHOR_EITHER || (desc->author == DSDN_AUTHOR_AUTHORITY) == (u->author < 0) ||
           dsdn_random_below(&r->random, 16) == 0;
}

static inline void random_unit(struct random_log *r, const uint8_t *genesis, struct unit *u)
{
    const struct dsdn_event_table *table = r->catalogue->events;
    r->time_ms += dsdn_random_below(&r->random, 3) ? 0 : dsdn_random_below(&r->random, 30);
    *u = (struct unit){.time_ms = r->time_ms, .author = (int)dsdn_random_below(&r->random, POOL + 4) - 4};
    if (u->author < 0) u->author = -1;
    /* Mostly ascending nonces, sometimes an old one. */
    if (u->author >= 0)
        u->nonce =
            dsdn_random_below(&r->random, 8) ? r->nonces[u->author]++ : dsdn_random_below(&r->random, 80);
    u->event_cnt = 1 + (uint32_t)dsdn_random_below(&r->random, UNIT_EVENTS);
    u->events = calloc(u->event_cnt, sizeof *u->events);
    assert_non_null(u->events);
    for (uint32_t i = 0; i < u->event_cnt; i++) {
        struct random_event *e = &u->events[i];
        const struct dsdn_event_desc *desc;
        do {
            e->event = (uint32_t)dsdn_random_below(&r->random, table->event_cnt);
            desc = &table->events[e->event];
        } while (!random_fits(r, desc, u));
        e->type = desc->type;
        e->payload = malloc(RANDOM_PAYLOAD);
        assert_non_null(e->payload);
        e->version = (uint8_t)(1 + dsdn_random_below(&r->random, desc->version));
        assert_int_equal(dsdn_random_payload(&r->random, desc, e->version, e->payload, RANDOM_PAYLOAD - 100,
                                             &e->len, NULL),
                         0);
        random_adapt(r, desc, u, e);
        random_sign(r, desc, genesis, u, e);
    }
}

static inline void random_log_make(struct random_log *r, const struct dsdn_catalogue *catalogue,
                                   const uint8_t *genesis, uint64_t seed, size_t units)
{
    *r = (struct random_log){.catalogue = catalogue, .time_ms = 1000};
    dsdn_random_seed(&r->random, seed);
    for (int i = 0; i < POOL; i++) r->pool[i] = key_of((uint8_t)(1 + i));
    while (r->cnt < units) random_unit(r, genesis, random_log_grow(r));
}

/* The units of a batch of the generator. */
static inline int random_log_emit(void *self, const struct dsdn_generated_batch *generated,
                                  struct dsdn_error *error)
{
    struct random_log *r = self;
    struct dsdn_batch batch;
    assert_int_equal(dsdn_batch_decode(generated->bytes, generated->len, &batch, error), 0);
    const uint8_t *at = batch.body, *end = at + batch.header.body_len;
    while (at < end) {
        struct dsdn_bundle bundle;
        const uint8_t *start = at, *frames;
        assert_int_equal(dsdn_bundle_next(batch.bytes, &at, end, &bundle, error), 0);
        struct unit *u = random_log_grow(r);
        u->time_ms = batch.header.time_ms;
        u->event_cnt = bundle.event_count;
        if (bundle.kind != DSDN_BUNDLE_AUTHORITY) {
            u->bundle = (struct dsdn_view){random_copy(start, (size_t)(at - start)), (size_t)(at - start)};
            continue;
        }
        u->events = calloc(u->event_cnt, sizeof *u->events);
        assert_non_null(u->events);
        frames = bundle.events;
        for (uint32_t i = 0; i < u->event_cnt; i++) {
            struct dsdn_frame f = {.payload = NULL};
            assert_int_equal(dsdn_frame_next(batch.bytes, &frames, at, &f, error), 0);
            u->events[i] =
                (struct random_event){.type = f.type,
                                      .version = f.version,
                                      .len = f.len,
                                      .event = (uint32_t)dsdn_event_find(r->catalogue->events, f.type),
                                      .payload = random_copy(f.payload, f.len)};
        }
    }
    return 0;
}

/* A realistic log of the DSDN catalogue; its genesis is r->genesis. */
static inline void random_log_generate(struct random_log *r, const struct dsdn_catalogue *catalogue,
                                       uint64_t seed, uint64_t events)
{
    *r = (struct random_log){.catalogue = catalogue};
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_generator_options options = {.seed = seed,
                                             .events = events,
                                             .signed_percent = 30,
                                             .families = RANDOM_SEQUENCE_FREE,
                                             .events_per_batch = 40,
                                             .emit = random_log_emit,
                                             .self = r};
    dsdn_random_seed(&r->random, seed);
    if (dsdn_generator_genesis(seed, &r->genesis, &error) || dsdn_generate(&options, &error))
        fail_msg("%s", error.message);
}

static inline void random_log_free(struct random_log *r)
{
    for (size_t i = 0; i < r->cnt; i++) {
        for (uint32_t e = 0; r->units[i].events && e < r->units[i].event_cnt; e++)
            free(r->units[i].events[e].payload);
        free(r->units[i].events);
        free((void *)(uintptr_t)r->units[i].bundle.bytes);
    }
    free(r->units);
    dsdn_genesis_free(&r->genesis);
    *r = (struct random_log){.cnt = 0};
}

/* Whether a unit may be taken apart. */
static inline bool random_log_divisible(const struct unit *u)
{
    return u->author < 0 && !u->bundle.len;
}

/* Adds events [from, to) of a unit to the open batch of l, as one bundle. */
static inline void random_log_bundle(struct log *l, const struct random_log *r, const struct unit *u,
                                     uint32_t from, uint32_t to)
{
    if (u->bundle.len) {
        log_must(l, dsdn_batch_builder_bundle(l->builder, u->bundle.bytes, u->bundle.len, &l->error));
        return;
    }
    if (u->author < 0)
        log_bundle(l, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
    else
        log_bundle(l, DSDN_BUNDLE_POOL, &r->pool[u->author], u->nonce, 0);
    for (; from < to; from++) {
        const struct random_event *e = &u->events[from];
        log_event_raw(l, e->type, e->version, e->payload, e->len);
    }
    log_end(l);
}

#endif
