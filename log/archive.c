#include "log/archive_format.h"

#include <inttypes.h>
#include <zstd.h>

#define CONTENT_TAG "dsdn/archive/content/1"

/* offsets in the file header, the section header and the footer; docs/formats/archive.md */
enum {
    H_VERSION = 8,
    H_GENESIS_LEN = 12,
    H_GENESIS = 16,
    H_FIRST = 48,
    H_PREV = 56,
    H_ZERO = 88,
    H_CRC = 92
};
enum {
    S_KIND = 0,
    S_CODING = 1,
    S_ZERO = 2,
    S_FOLLOW = 4,
    S_STORED = 8,
    S_CONTENT = 12,
    S_KEY = 16,
    S_COUNT = 24,
    S_EVENTS = 28,
    S_CHAIN = 32,
    S_CRC = 64
};
enum {
    F_TABLE = 8,
    F_FRAMES = 16,
    F_SECTIONS = 24,
    F_BATCHES = 32,
    F_EVENTS = 40,
    F_BYTES = 48,
    F_LAST = 56,
    F_CONTENT = 88,
    F_CHAIN = 120,
    F_HASH = 152,
    F_CRC = 184
};

bool dsdn_archive_damaged(int code)
{
    return code == DSDN_E_MALFORMED || code == DSDN_E_CHECKSUM || code == DSDN_E_TRUNCATED ||
           code == DSDN_E_TOO_LARGE || code == DSDN_E_FORMAT || code == DSDN_E_CHAIN;
}

/* ---- file header ---- */

int dsdn_archive_header_encode(const struct dsdn_archive_options *options, struct dsdn_buffer *header,
                               struct dsdn_error *error)
{
    const struct dsdn_view *genesis = &options->genesis;
    if (genesis->len == 0) return dsdn_fail(error, DSDN_E_USAGE, "an archive needs the genesis bytes");
    if (genesis->len > DSDN_ARCHIVE_GENESIS_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "genesis of %zu bytes; an archive holds at most %u",
                         genesis->len, DSDN_ARCHIVE_GENESIS_MAX);
    if (options->first == DSDN_NO_SEQUENCE)
        return dsdn_fail(error, DSDN_E_USAGE, "no batch has that sequence");
    int rc = dsdn_buffer_reserve(header, DSDN_ARCHIVE_HEADER_LEN + genesis->len, error);
    if (rc) return rc;

    uint8_t *h = header->bytes;
    memcpy(h, DSDN_ARCHIVE_MAGIC, 8);
    dsdn_store32(h + H_VERSION, DSDN_ARCHIVE_VERSION);
    dsdn_store32(h + H_GENESIS_LEN, (uint32_t)genesis->len);
    dsdn_tagged("dsdn/genesis/1", genesis->bytes, genesis->len, h + H_GENESIS);
    dsdn_store64(h + H_FIRST, options->first);
    memcpy(h + H_PREV, options->first ? options->prev : h + H_GENESIS, 32);
    dsdn_store32(h + H_ZERO, 0);
    memcpy(h + DSDN_ARCHIVE_HEADER_LEN, genesis->bytes, genesis->len);
    uint32_t crc = dsdn_crc32c(0, h, H_CRC);
    dsdn_store32(h + H_CRC, dsdn_crc32c(crc, genesis->bytes, genesis->len));
    header->len = DSDN_ARCHIVE_HEADER_LEN + genesis->len;
    return DSDN_OK;
}

int dsdn_archive_header_decode(const uint8_t *h, struct dsdn_archive_info *info, uint32_t *genesis_len,
                               const char *path, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    uint64_t offset = 0;
    *genesis_len = dsdn_load32(h + H_GENESIS_LEN);
    if (memcmp(h, DSDN_ARCHIVE_MAGIC, 8) != 0)
        rc = dsdn_fail(error, DSDN_E_FORMAT,
                       "not a DSDN archive (it does not begin with " DSDN_ARCHIVE_MAGIC ")");
    else if (offset = H_VERSION, dsdn_load32(h + H_VERSION) != DSDN_ARCHIVE_VERSION)
        rc = dsdn_fail(error, DSDN_E_FORMAT, "archive version %" PRIu32 "; this program reads version %u",
                       dsdn_load32(h + H_VERSION), DSDN_ARCHIVE_VERSION);
    else if (offset = H_GENESIS_LEN, *genesis_len == 0 || *genesis_len > DSDN_ARCHIVE_GENESIS_MAX)
        rc = dsdn_fail(error, *genesis_len ? DSDN_E_TOO_LARGE : DSDN_E_MALFORMED,
                       "genesis length %" PRIu32 "; it is 1 to %u", *genesis_len, DSDN_ARCHIVE_GENESIS_MAX);
    if (rc) return dsdn_error_at(error, path, offset), rc;
    *info = (struct dsdn_archive_info){.first = dsdn_load64(h + H_FIRST)};
    memcpy(info->genesis, h + H_GENESIS, 32);
    memcpy(info->prev, h + H_PREV, 32);
    memcpy(info->last, h + H_PREV, 32);
    return DSDN_OK;
}

int dsdn_archive_header_check(const struct dsdn_buffer *header, const struct dsdn_archive_info *info,
                              const char *path, struct dsdn_error *error)
{
    const uint8_t *h = header->bytes, *genesis = h + DSDN_ARCHIVE_HEADER_LEN;
    size_t genesis_len = header->len - DSDN_ARCHIVE_HEADER_LEN;
    int rc = DSDN_OK;
    uint64_t offset = H_CRC;
    uint8_t hash[32];
    if (dsdn_crc32c(dsdn_crc32c(0, h, H_CRC), genesis, genesis_len) != dsdn_load32(h + H_CRC))
        rc = dsdn_fail(error, DSDN_E_CHECKSUM, "the CRC32C of the archive header does not match its bytes");
    else if (offset = H_ZERO, dsdn_load32(h + H_ZERO) != 0)
        rc = dsdn_fail(error, DSDN_E_MALFORMED, "reserved bytes of the archive header are not zero");
    else if (offset = H_FIRST, info->first == DSDN_NO_SEQUENCE)
        rc = dsdn_fail(error, DSDN_E_MALFORMED, "the first sequence is %" PRIu64 ", which no batch has",
                       info->first);
    else if (offset = H_PREV, info->first == 0 && !dsdn_equal32(info->prev, info->genesis))
        rc = dsdn_fail(error, DSDN_E_CHAIN, "the predecessor of batch 0 is not the genesis hash");
    else if (offset = H_GENESIS, dsdn_tagged("dsdn/genesis/1", genesis, genesis_len, hash),
             !dsdn_equal32(hash, info->genesis))
        rc = dsdn_fail(error, DSDN_E_WRONG_GENESIS,
                       "the genesis bytes do not have the genesis hash of the header");
    if (rc) dsdn_error_at(error, path, offset);
    return rc;
}

/* ---- sections ---- */

void dsdn_archive_section_encode(struct dsdn_archive_section *section, uint8_t *p)
{
    p[S_KIND] = section->kind;
    p[S_CODING] = section->coding;
    dsdn_store16(p + S_ZERO, 0);
    dsdn_store32(p + S_FOLLOW, section->follow);
    dsdn_store32(p + S_STORED, section->stored_len);
    dsdn_store32(p + S_CONTENT, section->content_len);
    dsdn_store64(p + S_KEY, section->key);
    dsdn_store32(p + S_COUNT, section->count);
    dsdn_store32(p + S_EVENTS, section->events);
    memcpy(p + S_CHAIN, section->chain, 32);
    section->crc = dsdn_crc32c(dsdn_crc32c(0, p, S_CRC), p + DSDN_ARCHIVE_SECTION_LEN, section->stored_len);
    dsdn_store32(p + S_CRC, section->crc);
}

int dsdn_archive_section_decode(const uint8_t *p, struct dsdn_archive_section *s, const char *path,
                                uint64_t offset, struct dsdn_error *error)
{
    *s = (struct dsdn_archive_section){.kind = p[S_KIND],
                                       .coding = p[S_CODING],
                                       .follow = dsdn_load32(p + S_FOLLOW),
                                       .stored_len = dsdn_load32(p + S_STORED),
                                       .content_len = dsdn_load32(p + S_CONTENT),
                                       .key = dsdn_load64(p + S_KEY),
                                       .count = dsdn_load32(p + S_COUNT),
                                       .events = dsdn_load32(p + S_EVENTS),
                                       .crc = dsdn_load32(p + S_CRC)};
    memcpy(s->chain, p + S_CHAIN, 32);
    bool table = s->kind == DSDN_ARCHIVE_TABLE, frame = s->kind == DSDN_ARCHIVE_FRAME;
    int rc = DSDN_OK;
    if (s->kind == 0 || s->kind > DSDN_ARCHIVE_TABLE)
        rc = dsdn_fail(error, DSDN_E_MALFORMED, "there is no section kind %u", s->kind);
    else if (dsdn_load16(p + S_ZERO) != 0)
        rc = dsdn_fail(error, DSDN_E_MALFORMED, "reserved bytes of a section header are not zero");
    else if (s->coding != (table ? DSDN_ARCHIVE_RAW : DSDN_ARCHIVE_ZSTD))
        rc = dsdn_fail(error, DSDN_E_MALFORMED, "a section of kind %u does not have coding %u", s->kind,
                       s->coding);
    else if (!table && (s->content_len > DSDN_ARCHIVE_CONTENT_MAX || s->stored_len > DSDN_ARCHIVE_STORED_MAX))
        rc = dsdn_fail(error, DSDN_E_TOO_LARGE,
                       "section of %" PRIu32 " stored and %" PRIu32
                       " content bytes; at most %u and %u are allowed",
                       s->stored_len, s->content_len, DSDN_ARCHIVE_STORED_MAX, DSDN_ARCHIVE_CONTENT_MAX);
    else if (table && (s->stored_len != s->content_len ||
                       s->stored_len != (uint64_t)s->count * DSDN_ARCHIVE_ENTRY_LEN || s->key || s->events))
        rc = dsdn_fail(error, DSDN_E_MALFORMED, "the seek table's lengths do not fit %" PRIu32 " entries",
                       s->count);
    else if (!table && (s->stored_len == 0 || s->content_len == 0))
        rc = dsdn_fail(error, DSDN_E_MALFORMED, "empty section");
    else if (frame && (s->count == 0 || s->count > s->content_len / (DSDN_BATCH_FIXED_LEN + 4)))
        rc =
            dsdn_fail(error, DSDN_E_MALFORMED, "%" PRIu32 " batches cannot fill a frame of %" PRIu32 " bytes",
                      s->count, s->content_len);
    else if (frame && (s->key == DSDN_NO_SEQUENCE || s->count > DSDN_NO_SEQUENCE - s->key))
        rc = dsdn_fail(error, DSDN_E_MALFORMED, "sequences of a frame run past the last number");
    else if (!frame && (s->follow || (!table && (s->count != 1 || s->events))))
        rc =
            dsdn_fail(error, DSDN_E_MALFORMED, "a section of kind %u carries the counts of a frame", s->kind);
    if (rc) dsdn_error_at(error, path, offset);
    return rc;
}

int dsdn_archive_section_check(const uint8_t *p, const struct dsdn_archive_section *s, const char *path,
                               uint64_t offset, struct dsdn_error *error)
{
    if (dsdn_crc32c(dsdn_crc32c(0, p, S_CRC), p + DSDN_ARCHIVE_SECTION_LEN, s->stored_len) == s->crc)
        return DSDN_OK;
    return dsdn_fail_at(error, DSDN_E_CHECKSUM, path, offset,
                        "the CRC32C of a section does not match its bytes");
}

/* The frame header is read here (RFC 8878, 3.1.1.1), because libzstd enforces a window limit only when it
 * streams and its own header struct is not part of its stable ABI.  NULL: the frame is within the bounds of
 * protocol.md, section 12. */
static const char *zstd_refusal(const uint8_t *p, size_t len, uint32_t content_len)
{
    if (len < 6 || dsdn_load32(p) != ZSTD_MAGICNUMBER) return "it is not a zstd frame";
    if (p[4] & 3) return "it asks for a dictionary";
    if (!(p[4] & 0x20)) { /* no single segment: a window descriptor follows */
        uint64_t base = 1ull << (10 + (p[5] >> 3));
        if (base + (base >> 3) * (p[5] & 7) > DSDN_ARCHIVE_WINDOW_MAX) return "its window is above 8 MiB";
    }
    if (ZSTD_getFrameContentSize(p, len) != content_len)
        return "it does not declare the section's content length";
    if (ZSTD_findFrameCompressedSize(p, len) != len) return "it is not exactly one frame";
    return NULL;
}

int dsdn_archive_section_content(void *dctx, const uint8_t *p, const struct dsdn_archive_section *s,
                                 struct dsdn_buffer *content, const char *path, uint64_t offset,
                                 struct dsdn_error *error)
{
    const uint8_t *stored = p + DSDN_ARCHIVE_SECTION_LEN;
    const char *why = zstd_refusal(stored, s->stored_len, s->content_len);
    content->len = 0;
    if (!why) {
        int rc = dsdn_buffer_reserve(content, s->content_len, error);
        if (rc) return rc;
        size_t n = ZSTD_decompressDCtx(dctx, content->bytes, s->content_len, stored, s->stored_len);
        if (ZSTD_isError(n))
            why = ZSTD_getErrorName(n);
        else if (n != s->content_len)
            why = "its content is shorter than declared";
    }
    if (why)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, offset + DSDN_ARCHIVE_SECTION_LEN,
                            "the zstd frame of a section is refused: %s", why);
    content->len = s->content_len;
    return DSDN_OK;
}

uint32_t dsdn_archive_events(const uint8_t *batch, size_t len, bool *whole)
{
    const uint8_t *p = batch + DSDN_BATCH_FIXED_LEN, *end = batch + len;
    uint32_t events = 0;
    while ((size_t)(end - p) >= DSDN_BUNDLE_LEN) {
        uint32_t events_len = dsdn_load32(p + DSDN_BUNDLE_AT_EVENTS_LEN);
        if (events_len > (size_t)(end - p) - DSDN_BUNDLE_LEN) break;
        events += dsdn_load16(p + DSDN_BUNDLE_AT_EVENT_COUNT); /* 2^16 for each 120 bytes of 4 MiB fit */
        p += DSDN_BUNDLE_LEN + events_len;
    }
    *whole = p == end;
    return events;
}

bool dsdn_archive_batches(const uint8_t *content, size_t len, struct dsdn_archive_batches *out)
{
    *out = (struct dsdn_archive_batches){0};
    for (size_t at = 0; at < len;) {
        if (len - at < 4) return false;
        size_t batch_len = dsdn_load32(content + at);
        at += 4;
        if (batch_len < DSDN_BATCH_FIXED_LEN || batch_len > len - at) return false;
        bool whole;
        out->count++;
        out->events += dsdn_archive_events(content + at, batch_len, &whole);
        out->bytes += batch_len;
        out->last = content + at;
        at += batch_len;
    }
    return true;
}

/* ---- seek table and footer ---- */

void dsdn_archive_entry_encode(const struct dsdn_archive_entry *e, uint8_t p[DSDN_ARCHIVE_ENTRY_LEN])
{
    dsdn_store64(p, e->offset);
    dsdn_store64(p + 8, e->first);
    dsdn_store64(p + 16, e->first_event);
    dsdn_store32(p + 24, e->stored_len);
    dsdn_store32(p + 28, e->count);
}

void dsdn_archive_entry_decode(const uint8_t p[DSDN_ARCHIVE_ENTRY_LEN], struct dsdn_archive_entry *e)
{
    *e = (struct dsdn_archive_entry){.offset = dsdn_load64(p),
                                     .first = dsdn_load64(p + 8),
                                     .first_event = dsdn_load64(p + 16),
                                     .stored_len = dsdn_load32(p + 24),
                                     .count = dsdn_load32(p + 28)};
}

void dsdn_archive_footer_encode(const struct dsdn_archive_state *state, struct dsdn_archive_footer *footer,
                                uint8_t p[DSDN_ARCHIVE_FOOTER_LEN])
{
    memcpy(p, DSDN_ARCHIVE_FOOTER_MAGIC, 8);
    dsdn_store64(p + F_TABLE, state->table_offset);
    dsdn_store64(p + F_FRAMES, state->frames);
    dsdn_store64(p + F_SECTIONS, state->sections);
    dsdn_store64(p + F_BATCHES, state->batches);
    dsdn_store64(p + F_EVENTS, state->events);
    dsdn_store64(p + F_BYTES, state->bytes);
    memcpy(p + F_LAST, state->last, 32);
    struct dsdn_sha256 content = state->content;
    dsdn_sha256_final(&content, p + F_CONTENT);
    memcpy(p + F_CHAIN, state->chain, 32);
    dsdn_tagged(DSDN_ARCHIVE_TAG, p, F_HASH, p + F_HASH);
    dsdn_store32(p + F_CRC, dsdn_crc32c(0, p, F_CRC));
    (void)dsdn_archive_footer_decode(p, footer, NULL, 0, NULL);
}

int dsdn_archive_footer_decode(const uint8_t p[DSDN_ARCHIVE_FOOTER_LEN], struct dsdn_archive_footer *f,
                               const char *path, uint64_t offset, struct dsdn_error *error)
{
    uint8_t hash[32];
    int rc = DSDN_OK;
    if (dsdn_crc32c(0, p, F_CRC) != dsdn_load32(p + F_CRC))
        rc = dsdn_fail(error, DSDN_E_CHECKSUM, "the CRC32C of the archive footer does not match its bytes");
    else if (dsdn_tagged(DSDN_ARCHIVE_TAG, p, F_HASH, hash), !dsdn_equal32(hash, p + F_HASH))
        rc = dsdn_fail(error, DSDN_E_CHAIN, "the archive hash does not match the footer");
    if (rc) return dsdn_error_at(error, path, offset), rc;
    *f = (struct dsdn_archive_footer){.table_offset = dsdn_load64(p + F_TABLE),
                                      .frames = dsdn_load64(p + F_FRAMES),
                                      .sections = dsdn_load64(p + F_SECTIONS),
                                      .batches = dsdn_load64(p + F_BATCHES),
                                      .events = dsdn_load64(p + F_EVENTS),
                                      .bytes = dsdn_load64(p + F_BYTES)};
    memcpy(f->last, p + F_LAST, 32);
    memcpy(f->content, p + F_CONTENT, 32);
    memcpy(f->chain, p + F_CHAIN, 32);
    memcpy(f->hash, p + F_HASH, 32);
    return DSDN_OK;
}

/* ---- the running state ---- */

void dsdn_archive_state_start(struct dsdn_archive_state *state, const struct dsdn_archive_info *info,
                              const struct dsdn_buffer *header)
{
    *state = (struct dsdn_archive_state){.offset = header->len, .first = info->first};
    memcpy(state->last, info->prev, 32);
    dsdn_tagged(DSDN_ARCHIVE_TAG, header->bytes, header->len, state->chain);
    dsdn_tag_init(&state->content, CONTENT_TAG);
    dsdn_sha256_update(&state->content, header->bytes, header->len);
    dsdn_sha256_init(&state->table);
}

void dsdn_archive_state_add(struct dsdn_archive_state *state, const struct dsdn_archive_section *s,
                            const uint8_t *bytes, const uint8_t *content,
                            const struct dsdn_archive_batches *batches, struct dsdn_archive_entry *entry)
{
    if (s->kind == DSDN_ARCHIVE_TABLE) {
        state->table_offset = state->offset;
    } else {
        uint8_t head[13] = {s->kind};
        dsdn_store64(head + 1, s->key);
        dsdn_store32(head + 9, s->content_len);
        dsdn_sha256_update(&state->content, head, sizeof head);
        dsdn_sha256_update(&state->content, content, s->content_len);
    }
    if (s->kind == DSDN_ARCHIVE_FRAME) {
        struct dsdn_archive_entry e = {state->offset, s->key, state->events, s->stored_len, s->count};
        uint8_t encoded[DSDN_ARCHIVE_ENTRY_LEN];
        dsdn_archive_entry_encode(&e, encoded);
        dsdn_sha256_update(&state->table, encoded, sizeof encoded);
        if (entry) *entry = e;
        state->follow = s->follow;
        state->frames++;
        state->batches += batches->count;
        state->events += batches->events;
        state->bytes += batches->bytes;
        dsdn_batch_hash(batches->last, state->last);
    } else if (state->follow) {
        state->follow--;
    }
    state->sections++;
    state->offset += DSDN_ARCHIVE_SECTION_LEN + s->stored_len;
    dsdn_tagged(DSDN_ARCHIVE_TAG, bytes, DSDN_ARCHIVE_SECTION_LEN + s->stored_len, state->chain);
}

void dsdn_archive_state_info(const struct dsdn_archive_state *state, const struct dsdn_archive_footer *footer,
                             struct dsdn_archive_info *info)
{
    info->batches = state->batches;
    info->events = state->events;
    info->bytes = state->bytes;
    info->frames = state->frames;
    info->sections = state->sections;
    info->len = state->offset;
    memcpy(info->last, state->last, 32);
    info->finished = footer != NULL;
    if (!footer) return;
    memcpy(info->content, footer->content, 32);
    memcpy(info->hash, footer->hash, 32);
    info->len += DSDN_ARCHIVE_FOOTER_LEN;
}
