#include "statemachine/prepare.h"

#include "log/hash.h"

#include <stdlib.h>

void dsdn_prepared_free(struct dsdn_prepared *p)
{
    free(p->bundles);
    free(p->ops);
    free(p->embedded);
    free(p->outcomes);
    *p = (struct dsdn_prepared){0};
}

static int reserve_bundles(struct dsdn_prepared *p, uint32_t cnt, struct dsdn_error *error)
{
    if (cnt <= p->bundle_cap) return DSDN_OK;
    struct dsdn_prepared_bundle *grown = realloc(p->bundles, cnt * sizeof *grown);
    if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %u bundles of a batch", cnt);
    p->bundles = grown;
    p->bundle_cap = cnt;
    return DSDN_OK;
}

static int reserve_ops(struct dsdn_prepared *p, uint32_t cnt, struct dsdn_error *error)
{
    if (cnt <= p->op_cap) return DSDN_OK;
    cnt += cnt / 4;
    struct dsdn_op *ops = realloc(p->ops, cnt * sizeof *ops);
    if (ops) p->ops = ops;
    dsdn_outcome *outcomes = realloc(p->outcomes, cnt * sizeof *outcomes);
    if (outcomes) p->outcomes = outcomes;
    if (!ops || !outcomes)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %u events of a batch", cnt);
    p->op_cap = cnt;
    return DSDN_OK;
}

static int note_embedded(struct dsdn_prepared *p, uint32_t op, struct dsdn_error *error)
{
    if (p->embedded_cnt == p->embedded_cap) {
        uint32_t cap = p->embedded_cap ? p->embedded_cap * 2 : 64;
        uint32_t *grown = realloc(p->embedded, cap * sizeof *grown);
        if (!grown)
            return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %u embedded signatures of a batch", cap);
        p->embedded = grown;
        p->embedded_cap = cap;
    }
    p->embedded[p->embedded_cnt++] = op;
    return DSDN_OK;
}

static int located(struct dsdn_error *error, const struct dsdn_prepared *p, uint32_t bundle, uint32_t event)
{
    if (!error) return DSDN_E_MALFORMED;
    dsdn_error_in(error, p->batch.header.sequence);
    error->bundle = bundle;
    error->event = event;
    return error->code;
}

static void unknown(struct dsdn_prepared *p, uint32_t bundle, uint32_t index, uint16_t type, uint8_t version)
{
    if (p->unknown_type) return;
    p->unknown_type = true;
    p->unknown_bundle = bundle;
    p->unknown_index = index;
    p->unknown_code = type;
    p->unknown_version = version;
}

/* How often each event of the catalogue occurs in the batch, and how often where its reducer will see it:
 * only those need rows, or a signed bundle could ask for memory by events that are the authority's. */
struct census {
    uint32_t all[DSDN_EVENTS_MAX], reduced[DSDN_EVENTS_MAX];
};

/* The one event that only a takeover batch may carry, and must (protocol.md, section 9). */
#define TYPE_AUTHORITY_REPLACED 0x0006u

static int prepare_bundle(struct dsdn_prepared *p, const struct dsdn_catalogue *c, uint64_t seed,
                          uint32_t number, struct census *census, struct dsdn_error *error)
{
    struct dsdn_prepared_bundle *b = &p->bundles[number];
    const uint8_t *at = b->bundle.events, *end = at + b->bundle.events_len;
    int rc = reserve_ops(p, p->op_cnt + b->bundle.event_count, error);
    if (rc) return rc;
    struct dsdn_op *op = p->ops + p->op_cnt;
    b->first_op = p->op_cnt;
    b->op_cnt = b->bundle.event_count;
    struct dsdn_frame frame = {0};
    for (uint32_t i = 0; i < b->op_cnt; i++, op++) {
        rc = dsdn_frame_next(p->batch.bytes, &at, end, &frame, error);
        if (rc) return located(error, p, number, i);
        int event = dsdn_event_find(c->events, frame.type);
        *op = (struct dsdn_op){.payload = frame.payload, .len = frame.len, .version = frame.version};
        if (event < 0 || frame.version == 0 || frame.version > c->events->events[event].version) {
            unknown(p, number, i, frame.type, frame.version);
            continue;
        }
        op->event = (uint16_t)event;
        bool fits = dsdn_author_fits(c->events->events[event].author, b->bundle.kind);
        census->all[event]++;
        census->reduced[event] += fits;
        p->takeover_cnt += fits && frame.type == TYPE_AUTHORITY_REPLACED;
        if (!c->reducers[event].prepare(op, seed)) {
            dsdn_fail(error, DSDN_E_MALFORMED, "the payload of %s v%u (%u bytes) is not canonical",
                      c->events->events[event].name, frame.version, frame.len);
            dsdn_error_at(error, NULL, (uint64_t)(frame.payload - p->batch.bytes));
            return located(error, p, number, i);
        }
        if (fits && c->reducers[event].embedded && (rc = note_embedded(p, p->op_cnt + i, error))) return rc;
    }
    if (at != end) {
        dsdn_fail(error, DSDN_E_MALFORMED, "%zu bytes behind the %u events of a bundle", (size_t)(end - at),
                  b->op_cnt);
        return located(error, p, number, UINT32_MAX);
    }
    p->op_cnt += b->op_cnt;
    p->signed_cnt += b->bundle.kind != DSDN_BUNDLE_AUTHORITY;
    return DSDN_OK;
}

int dsdn_prepare(struct dsdn_prepared *p, const struct dsdn_catalogue *c, uint64_t seed, const uint8_t *bytes,
                 size_t len, struct dsdn_error *error)
{
    struct census census = {0};
    if (c->events->event_cnt > DSDN_EVENTS_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "a catalogue of %u events; at most %u fit",
                         c->events->event_cnt, DSDN_EVENTS_MAX);
    int rc = dsdn_batch_decode(bytes, len, &p->batch, error);
    if (rc) return rc;
    rc = reserve_bundles(p, p->batch.header.bundle_count, error);
    if (rc) return rc;
    p->bundle_cnt = p->op_cnt = p->embedded_cnt = p->signed_cnt = p->takeover_cnt = p->checked = 0;
    p->unknown_type = false;
    p->signatures = 0;
    p->newest_type = 0;
    memset(p->event_id_sum, 0, 32);
    const uint8_t *at = p->batch.body, *end = at + p->batch.header.body_len;
    for (uint32_t i = 0; i < p->batch.header.bundle_count; i++) {
        rc = dsdn_bundle_next(bytes, &at, end, &p->bundles[i].bundle, error);
        if (rc) return located(error, p, i, UINT32_MAX);
        rc = prepare_bundle(p, c, seed, i, &census, error);
        if (rc) return rc;
        p->bundle_cnt++;
    }
    if (at != end) {
        dsdn_fail(error, DSDN_E_MALFORMED, "%zu bytes behind the last of %u bundles", (size_t)(end - at),
                  p->bundle_cnt);
        return located(error, p, UINT32_MAX, UINT32_MAX);
    }
    memset(p->reserve, 0, sizeof p->reserve);
    for (uint32_t e = 0; e < c->events->event_cnt; e++) {
        if (!census.all[e]) continue;
        const struct dsdn_reducer *r = &c->reducers[e];
        for (uint32_t i = 0; i < r->insert_cnt; i++)
            p->reserve[r->insert[i].table] += census.reduced[e] * r->insert[i].rows;
        if (c->events->events[e].since > p->newest_type) {
            p->newest_type = c->events->events[e].since;
            p->newest_event = (uint16_t)e;
        }
    }
    return DSDN_OK;
}

static void bundle_messages(struct dsdn_prepared *p)
{
    for (uint32_t i = 0; i < p->bundle_cnt; i++)
        if (p->bundles[i].bundle.kind != DSDN_BUNDLE_AUTHORITY)
            dsdn_bundle_message(p->batch.header.genesis, &p->bundles[i].bundle, p->bundles[i].message);
}

static const char evid_tag[] = "dsdn/evid/1";

/* All ids of a bundle share everything but the event index: one block each. */
static void event_ids(struct dsdn_prepared *p)
{
    for (uint32_t i = 0; i < p->bundle_cnt; i++) {
        const struct dsdn_prepared_bundle *b = &p->bundles[i];
        uint8_t message[1 + sizeof evid_tag - 1 + 32 + 4 + 4], *at = message;
        *at++ = sizeof evid_tag - 1;
        memcpy(at, evid_tag, sizeof evid_tag - 1);
        at += sizeof evid_tag - 1;
        memcpy(at, b->bundle.kind == DSDN_BUNDLE_AUTHORITY ? p->batch.hash : b->message, 32);
        at += 32;
        if (b->bundle.kind == DSDN_BUNDLE_AUTHORITY) {
            dsdn_store32(at, i);
            at += 4;
        }
        dsdn_sha256_counted(message, (uint32_t)(at - message) + 4, 0, b->op_cnt, p->event_id_sum, NULL);
    }
}

enum { GROUP_MAX = 16 };

int dsdn_prepare_hashes(struct dsdn_prepared *const *batches, uint32_t cnt, uint32_t checks,
                        struct dsdn_error *error)
{
    static const uint8_t body_tag[] = "\x0b"
                                      "dsdn/body/1";
    struct dsdn_sha256_job jobs[GROUP_MAX];
    uint8_t hashes[GROUP_MAX][32];
    for (uint32_t from = 0; from < cnt; from += GROUP_MAX) {
        uint32_t n = cnt - from < GROUP_MAX ? cnt - from : GROUP_MAX;
        if (checks & DSDN_CHECK_BODY) {
            for (uint32_t i = 0; i < n; i++) {
                const struct dsdn_batch *b = &batches[from + i]->batch;
                jobs[i] = (struct dsdn_sha256_job){body_tag, b->body, sizeof body_tag - 1, b->header.body_len,
                                                   hashes[i]};
            }
            dsdn_sha256_many(jobs, n);
        }
        for (uint32_t i = 0; i < n; i++) {
            struct dsdn_prepared *p = batches[from + i];
            if (checks & DSDN_CHECK_BODY && !dsdn_equal32(hashes[i], p->batch.header.body_hash)) {
                dsdn_fail(error, DSDN_E_BODY_HASH, "the body does not match the hash in its header");
                return dsdn_error_in(error, p->batch.header.sequence), DSDN_E_BODY_HASH;
            }
            if (checks & (DSDN_CHECK_EVENT_IDS | DSDN_CHECK_SIGNATURES)) bundle_messages(p);
            if (checks & DSDN_CHECK_EVENT_IDS) event_ids(p);
            p->checked |= checks & (DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS);
        }
    }
    return DSDN_OK;
}

int dsdn_prepare_signatures(struct dsdn_prepared *p, bool batch, uint32_t from, uint32_t to,
                            struct dsdn_key_cache *cache, struct dsdn_error *error)
{
    if (batch) {
        uint8_t message[32];
        dsdn_batch_message(p->batch.bytes, message);
        if (!dsdn_verify(cache, p->batch.header.publisher, message, p->batch.signature)) {
            dsdn_fail(error, DSDN_E_SIGNATURE,
                      "the batch signature does not verify under its publisher's key");
            return dsdn_error_in(error, p->batch.header.sequence), DSDN_E_SIGNATURE;
        }
    }
    for (uint32_t i = from; i < to && i < p->bundle_cnt; i++) {
        const struct dsdn_prepared_bundle *b = &p->bundles[i];
        if (b->bundle.kind == DSDN_BUNDLE_AUTHORITY) continue;
        if (!dsdn_verify(cache, b->bundle.author, b->message, b->bundle.signature)) {
            dsdn_fail(error, DSDN_E_SIGNATURE, "a bundle's signature does not verify under its author's key");
            return located(error, p, i, UINT32_MAX), DSDN_E_SIGNATURE;
        }
    }
    return DSDN_OK;
}

void dsdn_prepare_embedded(struct dsdn_prepared *p, const struct dsdn_catalogue *c, uint32_t from,
                           uint32_t to, struct dsdn_key_cache *cache)
{
    for (uint32_t i = from; i < to && i < p->embedded_cnt; i++) {
        struct dsdn_op *op = &p->ops[p->embedded[i]];
        struct dsdn_embedded signature;
        uint32_t bundle, index;
        uint8_t digest[32];
        dsdn_prepared_position(p, p->embedded[i], &bundle, &index);
        const struct dsdn_bundle *b = &p->bundles[bundle].bundle;
        bool good = c->reducers[op->event].embedded(op->payload, op->len, op->version, &signature) &&
                    dsdn_embedded_message(&c->events->events[op->event], op->version, signature.field,
                                          p->batch.header.genesis, b->author, b->nonce, op->payload, op->len,
                                          digest, NULL) == DSDN_OK &&
                    dsdn_verify(cache, signature.key, digest, signature.signature);
        op->embedded = good ? DSDN_EMBEDDED_GOOD : DSDN_EMBEDDED_BAD;
    }
}

void dsdn_prepared_position(const struct dsdn_prepared *p, uint32_t op, uint32_t *bundle, uint32_t *index)
{
    uint32_t low = 0, high = p->bundle_cnt; /* last bundle whose first op is not behind op */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (p->bundles[middle].first_op <= op)
            low = middle;
        else
            high = middle;
    }
    *bundle = low;
    *index = op - p->bundles[low].first_op;
}

void dsdn_prepared_event_id(const struct dsdn_prepared *p, uint32_t op, uint8_t id[32])
{
    uint32_t bundle, index;
    dsdn_prepared_position(p, op, &bundle, &index);
    const struct dsdn_bundle *b = &p->bundles[bundle].bundle;
    if (b->kind == DSDN_BUNDLE_AUTHORITY) {
        dsdn_event_id_authority(p->batch.hash, bundle, index, id);
        return;
    }
    uint8_t message[32];
    dsdn_bundle_message(p->batch.header.genesis, b, message);
    dsdn_event_id(message, index, id);
}
