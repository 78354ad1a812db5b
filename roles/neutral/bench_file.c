#include "roles/neutral/bench_file.h"

#include "log/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { EVENT_HEADER = 20, BUFFER = 1 << 20 };
#define TYPE_BASE 0x1F00u

int neutral_genesis(const uint8_t header[NEUTRAL_FILE_HEADER], struct dsdn_genesis *genesis,
                    struct dsdn_sign_key *key, struct dsdn_error *error)
{
    static const uint8_t zero[32];
    uint8_t seed[32];
    if (memcmp(header, "DSDNBEV1", 8) != 0 || dsdn_load32(header + 8) != 1 || dsdn_load32(header + 12) != 64)
        return dsdn_fail(error, DSDN_E_FORMAT, "not a neutral bench file of version 1");
    dsdn_tagged("dsdn/neutral/1", header + 24, 8, seed);
    dsdn_sign_key_from_seed(key, seed);
    struct dsdn_ev_genesis_declared g = {
        .network_id = {(const uint8_t *)NEUTRAL_NETWORK, sizeof NEUTRAL_NETWORK - 1},
        .da_namespace = zero,
        .da_start_hash = zero,
        .version_major = 1,
        .chain_profile = 1,
        .coordinator = key->public_key,
        .tss_transcript = zero,
        .profile = {header, NEUTRAL_FILE_HEADER},
    };
    return dsdn_genesis_encode(genesis, &g, error);
}

int neutral_export_header(const struct dsdn_genesis *genesis, uint8_t header[NEUTRAL_FILE_HEADER],
                          struct dsdn_error *error)
{
    const struct dsdn_ev_genesis_declared *g = &genesis->event;
    if (g->network_id.len != sizeof NEUTRAL_NETWORK - 1 ||
        memcmp(g->network_id.bytes, NEUTRAL_NETWORK, g->network_id.len) != 0 ||
        g->profile.len != NEUTRAL_FILE_HEADER)
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "this log was not imported from a bench file");
    memcpy(header, g->profile.bytes, NEUTRAL_FILE_HEADER);
    return DSDN_OK;
}

/* Record body (behind the 20-byte event header) to payload: the timestamp goes first, lengths become varints,
 * zero fields go.  Returns the payload's length, 0 when the record breaks the format. */
static uint32_t to_payload(const uint8_t *record, uint32_t len, uint8_t *out)
{
    const uint8_t *body = record + EVENT_HEADER;
    uint32_t n = len - EVENT_HEADER, variable;
    uint8_t *p = out;
    memcpy(p, record + 12, 8);
    p += 8;
    switch (record[0]) {
    case 1:
        if (n < 46 || (variable = dsdn_load16(body + 44)) > 48 || n != 46 + variable) return 0;
        memcpy(p, body, 44);
        p = dsdn_varint_put(p + 44, variable);
        memcpy(p, body + 46, variable);
        return (uint32_t)(p - out) + variable;
    case 2:
        if (n < 76 || n != 76 + (variable = dsdn_load16(body + 74))) return 0;
        memcpy(p, body, 74);
        p = dsdn_varint_put(p + 74, variable);
        memcpy(p, body + 76, variable);
        return (uint32_t)(p - out) + variable;
    case 3:
        if (n != 100 || body[65] || body[66] || body[67]) return 0;
        memcpy(p, body, 65);
        memcpy(p + 65, body + 68, 32);
        return 8 + 97;
    case 4:
    case 5:
        if (n != 100) return 0;
        memcpy(p, body, 100);
        return 8 + 100;
    case 6:
        if (n != 72) return 0;
        memcpy(p, body, 72);
        return 8 + 72;
    default: return 0;
    }
}

uint32_t neutral_export_record(uint16_t type, uint64_t ordinal, const uint8_t *payload, uint32_t len,
                               uint8_t *out)
{
    uint8_t *record = out + 4, *body = record + EVENT_HEADER;
    const uint8_t *from = payload + 8, *end = payload + len, *text;
    uint32_t variable = 0, n;
    memset(record, 0, EVENT_HEADER);
    record[0] = (uint8_t)(type - TYPE_BASE);
    record[1] = 1;
    dsdn_store64(record + 4, ordinal);
    memcpy(record + 12, payload, 8);
    switch (record[0]) {
    case 1:
    case 2:
        n = record[0] == 1 ? 44 : 74;
        memcpy(body, from, n);
        text = dsdn_varint_get(from + n, end, &variable);
        dsdn_store16(body + n, (uint16_t)variable);
        if (text) memcpy(body + n + 2, text, variable);
        n += 2 + variable;
        break;
    case 3:
        memcpy(body, from, 65);
        memset(body + 65, 0, 3);
        memcpy(body + 68, from + 65, 32);
        n = 100;
        break;
    default:
        n = len - 8;
        memcpy(body, from, n);
    }
    dsdn_store32(out, EVENT_HEADER + n);
    return 4 + EVENT_HEADER + n;
}

/* ---- importing ---- */

struct import {
    const char *path;
    const struct dsdn_genesis *genesis;
    const struct dsdn_sign_key *key;
    struct dsdn_batch_builder *builder;
    struct dsdn_header header; /* of the batch being built */
    uint32_t per_batch, open;  /* events in the open batch */
    uint64_t ordinal, last_ms;
    neutral_batch_fn batch;
    void *self;
};

static int flush(struct import *im, struct dsdn_error *error)
{
    struct dsdn_view view;
    if (!im->open) return DSDN_OK;
    int rc = dsdn_batch_builder_end(im->builder, im->genesis->hash, NULL, error);
    if (!rc) rc = dsdn_batch_builder_finish(im->builder, &im->header, im->key, &view, error);
    if (!rc) rc = im->batch(im->self, &view, im->header.sequence, im->open, error);
    if (rc) return rc;
    dsdn_batch_hash(view.bytes, im->header.prev);
    im->header.sequence++;
    im->open = 0;
    dsdn_batch_builder_reset(im->builder);
    return DSDN_OK;
}

static int take_record(struct import *im, const uint8_t *record, uint32_t len, struct dsdn_error *error)
{
    static const uint8_t nobody[32];
    uint8_t payload[NEUTRAL_RECORD_MAX];
    uint32_t n = record[1] == 1 && dsdn_load16(record + 2) == 0 ? to_payload(record, len, payload) : 0;
    uint64_t time_ms = dsdn_load64(record + 12);
    if (!n)
        return dsdn_fail(error, DSDN_E_MALFORMED, "record %llu breaks the bench format",
                         (unsigned long long)im->ordinal);
    if (dsdn_load64(record + 4) != im->ordinal)
        return dsdn_fail(error, DSDN_E_MALFORMED, "record %llu has sequence %llu",
                         (unsigned long long)im->ordinal, (unsigned long long)dsdn_load64(record + 4));
    if (time_ms < im->last_ms)
        return dsdn_fail(error, DSDN_E_MALFORMED, "the timestamp of record %llu falls",
                         (unsigned long long)im->ordinal);
    int rc = DSDN_OK;
    if (im->open && (im->open == im->per_batch || dsdn_batch_builder_size(im->builder) + n > 1u << 20))
        rc = flush(im, error);
    if (!rc && !im->open)
        rc = dsdn_batch_builder_begin(im->builder, DSDN_BUNDLE_AUTHORITY, nobody, 0, 0, error);
    if (!rc)
        rc = dsdn_batch_builder_event(im->builder, (uint16_t)(TYPE_BASE + record[0]), 1, payload, n, error);
    im->header.time_ms = im->last_ms = time_ms;
    im->open++;
    im->ordinal++;
    return rc;
}

static int read_more(int fd, uint8_t *buffer, size_t *have, struct dsdn_error *error)
{
    for (;;) {
        ssize_t n = read(fd, buffer + *have, BUFFER - *have);
        if (n >= 0) {
            *have += (size_t)n;
            return n ? DSDN_OK : DSDN_E_AGAIN;
        }
        if (errno != EINTR) return dsdn_fail_errno(error, errno, "cannot read the bench file");
    }
}

static int import_records(struct import *im, int fd, uint64_t body_len, uint64_t events, uint8_t *buffer,
                          struct dsdn_error *error)
{
    uint64_t offset = NEUTRAL_FILE_HEADER, end = offset + body_len;
    size_t have = 0;
    for (int rc = DSDN_OK; rc != DSDN_E_AGAIN;) {
        rc = read_more(fd, buffer, &have, error);
        if (rc && rc != DSDN_E_AGAIN) return dsdn_error_at(error, im->path, offset), rc;
        size_t at = 0;
        while (have - at >= 4) {
            uint32_t len = dsdn_load32(buffer + at);
            if (len < EVENT_HEADER + 32 || len > NEUTRAL_RECORD_MAX - 4) {
                dsdn_fail(error, DSDN_E_MALFORMED, "a record of %u bytes", len);
                return dsdn_error_at(error, im->path, offset + at), DSDN_E_MALFORMED;
            }
            if (have - at < 4 + (size_t)len) break;
            int failed = take_record(im, buffer + at + 4, len, error);
            if (failed) return dsdn_error_at(error, im->path, offset + at), failed;
            at += 4 + len;
        }
        offset += at;
        have -= at;
        memmove(buffer, buffer + at, have);
    }
    if (have || offset != end || im->ordinal != events) {
        dsdn_fail(error, DSDN_E_TRUNCATED, "%llu events in %llu bytes; the header promises %llu in %llu",
                  (unsigned long long)im->ordinal, (unsigned long long)(offset + have - NEUTRAL_FILE_HEADER),
                  (unsigned long long)events, (unsigned long long)body_len);
        return dsdn_error_at(error, im->path, offset), DSDN_E_TRUNCATED;
    }
    return flush(im, error);
}

int neutral_import(int fd, const char *path, const uint8_t header[NEUTRAL_FILE_HEADER],
                   const struct dsdn_genesis *genesis, const struct dsdn_sign_key *key,
                   uint32_t events_per_batch, neutral_batch_fn batch, void *self, struct dsdn_error *error)
{
    struct import im = {.path = path,
                        .genesis = genesis,
                        .key = key,
                        .per_batch = events_per_batch,
                        .batch = batch,
                        .self = self};
    uint8_t *buffer = malloc(BUFFER);
    im.builder = dsdn_batch_builder_new();
    memcpy(im.header.genesis, genesis->hash, 32);
    memcpy(im.header.prev, genesis->hash, 32);
    memcpy(im.header.publisher, key->public_key, 32);
    int rc = buffer && im.builder
                 ? import_records(&im, fd, dsdn_load64(header + 32), dsdn_load64(header + 16), buffer, error)
                 : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to import");
    free(buffer);
    dsdn_batch_builder_free(im.builder);
    return rc;
}
