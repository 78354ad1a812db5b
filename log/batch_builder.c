/* Building batches (batch.h). */
#include "log/batch.h"

#include "log/source.h"

#include <stdlib.h>

struct dsdn_batch_builder {
    struct dsdn_buffer buffer; /* room for header and signature, then the body */
    uint32_t bundles;
    size_t open;     /* offset of the open bundle in buffer, 0 = none */
    uint32_t events; /* of the open bundle */
};

struct dsdn_batch_builder *dsdn_batch_builder_new(void)
{
    struct dsdn_batch_builder *b = calloc(1, sizeof *b);
    if (b) dsdn_batch_builder_reset(b);
    return b;
}

void dsdn_batch_builder_free(struct dsdn_batch_builder *b)
{
    if (!b) return;
    dsdn_buffer_free(&b->buffer);
    free(b);
}

void dsdn_batch_builder_reset(struct dsdn_batch_builder *b)
{
    b->buffer.len = DSDN_BATCH_FIXED_LEN;
    b->bundles = b->events = 0;
    b->open = 0;
}

/* Makes room for len more bytes; the caller writes them and moves buffer.len. */
static int reserve(struct dsdn_batch_builder *b, size_t len, struct dsdn_error *error)
{
    if (len > DSDN_BATCH_LIMIT - b->buffer.len)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "the batch would be larger than %u bytes",
                         DSDN_BATCH_LIMIT);
    return dsdn_buffer_reserve(&b->buffer, b->buffer.len + len, error);
}

int dsdn_batch_builder_begin(struct dsdn_batch_builder *b, uint8_t kind, const uint8_t author[32],
                             uint64_t nonce, uint64_t valid_until, struct dsdn_error *error)
{
    if (b->open) return dsdn_fail(error, DSDN_E_USAGE, "a bundle is open already");
    bool named = author && !dsdn_zero32(author);
    if (kind > DSDN_BUNDLE_DIRECT)
        return dsdn_fail(error, DSDN_E_USAGE, "bundle kind %u does not exist", kind);
    if (kind == DSDN_BUNDLE_AUTHORITY ? named || nonce || valid_until : !named)
        return dsdn_fail(error, DSDN_E_USAGE,
                         "a bundle of the authority names no author, nonce or end of validity, "
                         "every other one names an author");
    int code = reserve(b, DSDN_BUNDLE_LEN, error);
    if (code) return code;
    uint8_t *p = b->buffer.bytes + b->buffer.len;
    memset(p, 0, DSDN_BUNDLE_LEN);
    p[0] = kind;
    p[DSDN_BUNDLE_AT_SCHEME] = DSDN_SCHEME_ED25519;
    if (named) memcpy(p + DSDN_BUNDLE_AT_AUTHOR, author, 32);
    dsdn_store64(p + DSDN_BUNDLE_AT_NONCE, nonce);
    dsdn_store64(p + DSDN_BUNDLE_AT_VALID_UNTIL, valid_until);
    b->open = b->buffer.len;
    b->events = 0;
    b->buffer.len += DSDN_BUNDLE_LEN;
    return DSDN_OK;
}

int dsdn_batch_builder_event(struct dsdn_batch_builder *b, uint16_t type, uint8_t version,
                             const uint8_t *payload, uint32_t len, struct dsdn_error *error)
{
    if (!b->open) return dsdn_fail(error, DSDN_E_USAGE, "an event outside of a bundle");
    if (len > DSDN_PAYLOAD_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "an event payload of %u bytes is above %u", len,
                         DSDN_PAYLOAD_MAX);
    if (b->events == UINT16_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a bundle has at most %u events", UINT16_MAX);
    int code = reserve(b, 3 + dsdn_varint_len(len) + (size_t)len, error);
    if (code) return code;
    uint8_t *p = b->buffer.bytes + b->buffer.len;
    dsdn_store16(p, type);
    p[2] = version;
    p = dsdn_varint_put(p + 3, len);
    if (len) memcpy(p, payload, len);
    b->buffer.len = (size_t)(p + len - b->buffer.bytes);
    b->events++;
    return DSDN_OK;
}

int dsdn_batch_builder_end(struct dsdn_batch_builder *b, const uint8_t genesis[32],
                           const struct dsdn_sign_key *key, struct dsdn_error *error)
{
    if (!b->open || !b->events) return dsdn_fail(error, DSDN_E_USAGE, "no bundle with events is open");
    uint8_t *p = b->buffer.bytes + b->open;
    const uint8_t *next = p, *end = b->buffer.bytes + b->buffer.len;
    if (p[0] != DSDN_BUNDLE_AUTHORITY && (!key || !dsdn_equal32(key->public_key, p + DSDN_BUNDLE_AT_AUTHOR)))
        return dsdn_fail(error, DSDN_E_USAGE, "the signing key is not the key of the bundle's author");
    dsdn_store16(p + DSDN_BUNDLE_AT_EVENT_COUNT, (uint16_t)b->events);
    dsdn_store32(p + DSDN_BUNDLE_AT_EVENTS_LEN, (uint32_t)(end - p) - DSDN_BUNDLE_LEN);
    if (p[0] != DSDN_BUNDLE_AUTHORITY) {
        struct dsdn_bundle bundle;
        uint8_t message[32];
        int code = dsdn_bundle_next(b->buffer.bytes, &next, end, &bundle, error);
        if (code) return code;
        dsdn_bundle_message(genesis, &bundle, message);
        dsdn_sign(key, message, p + DSDN_BUNDLE_AT_SIGNATURE);
    }
    b->bundles++;
    b->open = 0;
    b->events = 0;
    return DSDN_OK;
}

int dsdn_batch_builder_bundle(struct dsdn_batch_builder *b, const uint8_t *bytes, size_t len,
                              struct dsdn_error *error)
{
    if (b->open) return dsdn_fail(error, DSDN_E_USAGE, "a bundle is open already");
    struct dsdn_bundle bundle;
    const uint8_t *p = bytes;
    int code = dsdn_bundle_next(bytes, &p, bytes + len, &bundle, error);
    if (code) return code;
    if (p != bytes + len)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, NULL, (uint64_t)(p - bytes), "bytes follow the bundle");
    code = reserve(b, len, error);
    if (code) return code;
    memcpy(b->buffer.bytes + b->buffer.len, bytes, len);
    b->buffer.len += len;
    b->bundles++;
    return DSDN_OK;
}

size_t dsdn_batch_builder_size(const struct dsdn_batch_builder *b)
{
    return b->buffer.len - DSDN_BATCH_FIXED_LEN;
}

uint32_t dsdn_batch_builder_events(const struct dsdn_batch_builder *b)
{
    return b->events;
}

int dsdn_batch_builder_finish(struct dsdn_batch_builder *b, struct dsdn_header *header,
                              const struct dsdn_sign_key *key, struct dsdn_view *batch,
                              struct dsdn_error *error)
{
    if (b->open) return dsdn_fail(error, DSDN_E_USAGE, "a bundle is still open");
    int code = reserve(b, 0, error); /* an empty batch has no buffer yet */
    if (code) return code;
    uint8_t *bytes = b->buffer.bytes, message[32];
    header->bundle_count = b->bundles;
    header->body_len = (uint32_t)dsdn_batch_builder_size(b);
    dsdn_body_hash(bytes + DSDN_BATCH_FIXED_LEN, header->body_len, header->body_hash);
    dsdn_header_encode(header, bytes);
    memset(bytes + DSDN_HEADER_LEN, 0, 64);
    if (key) {
        dsdn_batch_message(bytes, message);
        dsdn_sign(key, message, bytes + DSDN_HEADER_LEN);
    }
    *batch = (struct dsdn_view){bytes, b->buffer.len};
    return DSDN_OK;
}
