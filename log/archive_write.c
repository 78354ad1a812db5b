#include "log/archive_writer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>

#define LEVEL 2 /* docs/formats/archive.md has the measurements */

static int usable(const struct dsdn_archive_writer *w, struct dsdn_error *error)
{
    if (w->finished) return dsdn_fail(error, DSDN_E_USAGE, "the archive is finished");
    if (w->failed.code) *error = w->failed;
    return w->failed.code;
}

static int fail(struct dsdn_archive_writer *w, int rc, struct dsdn_error *error)
{
    dsdn_error_at(error, w->path, DSDN_NO_OFFSET);
    w->failed = *error;
    return rc;
}

int dsdn_archive_writer_truncate(struct dsdn_archive_writer *w, uint64_t len, struct dsdn_error *error)
{
    int rc = dsdn_io_truncate(w->io, w->fd, len, w->path, error);
    if (rc) return rc;
    w->file_len = len;
    if (w->synced > len) w->synced = len;
    return DSDN_OK;
}

/* Writes at the end of what counts, which is before the end of the file when a reopened group has changed. */
static int put(struct dsdn_archive_writer *w, const void *bytes, size_t len, uint64_t offset,
               struct dsdn_error *error)
{
    int rc = w->file_len > offset ? dsdn_archive_writer_truncate(w, offset, error) : DSDN_OK;
    if (!rc) rc = dsdn_io_write_at(w->io, w->fd, bytes, len, offset, w->path, error);
    if (!rc) w->file_len = offset + len;
    return rc;
}

int dsdn_archive_writer_sync(struct dsdn_archive_writer *w, struct dsdn_error *error)
{
    if (w->synced == w->file_len) return DSDN_OK;
    int rc = dsdn_io_sync(w->io, w->fd, w->path, error);
    if (!rc) w->synced = w->file_len;
    return rc;
}

/* Compresses a section to the end of w->out and adds it to the state. */
static int section_add(struct dsdn_archive_writer *w, struct dsdn_archive_section *s, const uint8_t *content,
                       const struct dsdn_archive_batches *batches, struct dsdn_error *error)
{
    size_t bound = ZSTD_compressBound(s->content_len);
    int rc = dsdn_buffer_reserve(&w->out, w->out.len + DSDN_ARCHIVE_SECTION_LEN + bound, error);
    if (rc) return rc;
    uint8_t *p = w->out.bytes + w->out.len;
    size_t n = ZSTD_compress2(w->cctx, p + DSDN_ARCHIVE_SECTION_LEN, bound, content, s->content_len);
    if (ZSTD_isError(n)) return dsdn_fail(error, DSDN_E_NO_MEMORY, "libzstd: %s", ZSTD_getErrorName(n));
    s->coding = DSDN_ARCHIVE_ZSTD;
    s->stored_len = (uint32_t)n;
    memcpy(s->chain, w->state.chain, 32);
    dsdn_archive_section_encode(s, p);
    struct dsdn_archive_entry entry;
    dsdn_archive_state_add(&w->state, s, p, content, batches, &entry);
    if (s->kind == DSDN_ARCHIVE_FRAME)
        dsdn_archive_entry_encode(&entry, w->table.bytes + (w->state.frames - 1) * DSDN_ARCHIVE_ENTRY_LEN);
    w->out.len += DSDN_ARCHIVE_SECTION_LEN + n;
    return DSDN_OK;
}

/* Adds the first len bytes of the pending blobs to w->out. */
static int blobs_add(struct dsdn_archive_writer *w, size_t len, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    for (const uint8_t *p = w->pending.blobs.bytes, *end = len ? p + len : p; !rc && p < end;) {
        struct dsdn_archive_section s = {
            .kind = p[0], .key = dsdn_load64(p + 1), .count = 1, .content_len = dsdn_load32(p + 9)};
        p += DSDN_ARCHIVE_PENDING_LEN;
        rc = section_add(w, &s, p, NULL, error);
        p += s.content_len;
    }
    return rc;
}

static void blobs_drop(struct dsdn_archive_pending *pending, size_t len, uint32_t count)
{
    pending->blobs.len -= len;
    pending->blob_count -= count;
    if (pending->blobs.len) memmove(pending->blobs.bytes, pending->blobs.bytes + len, pending->blobs.len);
    pending->claimed = 0;
    pending->claimed_count = 0;
}

static int out_write(struct dsdn_archive_writer *w, uint64_t offset, struct dsdn_error *error)
{
    int rc = put(w, w->out.bytes, w->out.len, offset, error);
    w->out.len = 0;
    if (!rc && w->file_len - w->synced >= DSDN_ARCHIVE_UNSYNCED_MAX) rc = dsdn_archive_writer_sync(w, error);
    return rc;
}

/* Closes the open frame, if there is one, and writes it and the blobs that it claims. */
static int group_close(struct dsdn_archive_writer *w, struct dsdn_error *error)
{
    struct dsdn_archive_pending *pending = &w->pending;
    if (pending->content.len == 0) return DSDN_OK;
    int rc = DSDN_OK;
    if (w->reopened_content == pending->content.len && w->reopened_blobs == pending->claimed) {
        w->state = w->reopened;
    } else {
        uint64_t offset = w->state.offset;
        if (w->state.frames >= DSDN_ARCHIVE_FRAMES_MAX)
            return dsdn_fail(error, DSDN_E_TOO_LARGE, "an archive holds at most %u frames",
                             DSDN_ARCHIVE_FRAMES_MAX);
        rc = dsdn_buffer_reserve(&w->table, (size_t)(w->state.frames + 1) * DSDN_ARCHIVE_ENTRY_LEN, error);
        if (rc) return rc;
        struct dsdn_archive_batches batches;
        (void)dsdn_archive_batches(pending->content.bytes, pending->content.len, &batches);
        struct dsdn_archive_section s = {.kind = DSDN_ARCHIVE_FRAME,
                                         .follow = pending->claimed_count,
                                         .content_len = (uint32_t)pending->content.len,
                                         .key = w->state.first + w->state.batches,
                                         .count = batches.count,
                                         .events = batches.events};
        rc = section_add(w, &s, pending->content.bytes, &batches, error);
        if (!rc) rc = blobs_add(w, pending->claimed, error);
        if (!rc) rc = out_write(w, offset, error);
        if (rc) return rc;
    }
    w->reopened_content = 0;
    pending->content.len = 0;
    blobs_drop(pending, pending->claimed, pending->claimed_count);
    return DSDN_OK;
}

/* Writes blobs that no frame claims yet; only when no frame is open. */
static int blobs_flush(struct dsdn_archive_writer *w, struct dsdn_error *error)
{
    uint64_t offset = w->state.offset;
    int rc = blobs_add(w, w->pending.blobs.len, error);
    if (!rc && w->out.len) rc = out_write(w, offset, error);
    if (!rc) blobs_drop(&w->pending, w->pending.blobs.len, w->pending.blob_count);
    return rc;
}

int dsdn_archive_writer_new(const struct dsdn_io *io, const char *path, bool unchecked,
                            struct dsdn_archive_writer **out, struct dsdn_error *error)
{
    struct dsdn_archive_writer *w = calloc(1, sizeof *w);
    if (w) {
        w->io = io;
        w->fd = -1;
        w->unchecked = unchecked;
        w->path = strdup(path);
        w->cctx = ZSTD_createCCtx();
        w->failed = (struct dsdn_error)DSDN_ERROR_INIT;
    }
    if (!w || !w->path || !w->cctx ||
        ZSTD_isError(ZSTD_CCtx_setParameter(w->cctx, ZSTD_c_compressionLevel, LEVEL))) {
        dsdn_archive_writer_close(w);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to write an archive");
    }
    *out = w;
    return DSDN_OK;
}

int dsdn_archive_create(const struct dsdn_io *io, const char *path,
                        const struct dsdn_archive_options *options, struct dsdn_archive_writer **out,
                        struct dsdn_error *error)
{
    struct dsdn_error local;
    struct dsdn_buffer header = {0};
    struct dsdn_archive_writer *w = NULL;
    uint32_t genesis_len;
    if (!error) error = &local;
    *out = NULL;
    int rc = dsdn_archive_header_encode(options, &header, error);
    if (!rc) rc = dsdn_archive_writer_new(io, path, options->unchecked, &w, error);
    if (!rc) rc = dsdn_io_open(io, path, O_RDWR | O_CREAT | O_EXCL, 0644, &w->fd, error);
    if (!rc) {
        rc = dsdn_io_lock(io, w->fd, path, error);
        if (!rc) rc = dsdn_archive_header_decode(header.bytes, &w->info, &genesis_len, path, error);
        if (!rc) rc = put(w, header.bytes, header.len, 0, error);
        if (!rc) rc = dsdn_archive_writer_sync(w, error);
        if (!rc) rc = dsdn_io_sync_parent(w->io, w->path, error);
        if (rc) io->unlink(io->self, path);
    }
    if (!rc) {
        dsdn_archive_state_start(&w->state, &w->info, &header);
        w->next = w->info.first;
        memcpy(w->last, w->info.prev, 32);
        *out = w;
    } else {
        dsdn_error_at(error, path, DSDN_NO_OFFSET);
        dsdn_archive_writer_close(w);
    }
    dsdn_buffer_free(&header);
    return rc;
}

static int batch_check(const struct dsdn_archive_writer *w, const uint8_t *bytes, size_t len,
                       uint8_t hash[32], struct dsdn_error *error)
{
    if (len > DSDN_ARCHIVE_BATCH_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "batch of %zu bytes; an archive takes at most %u", len,
                         DSDN_ARCHIVE_BATCH_MAX);
    if (len < DSDN_BATCH_FIXED_LEN)
        return dsdn_fail(error, DSDN_E_TRUNCATED, "a batch has at least %u bytes, not %zu",
                         DSDN_BATCH_FIXED_LEN, len);
    if (w->next == DSDN_NO_SEQUENCE)
        return dsdn_fail(error, DSDN_E_USAGE, "the sequence numbers are used up");
    if (w->unchecked) {
        dsdn_batch_hash(bytes, hash);
        return DSDN_OK;
    }
    struct dsdn_batch batch;
    bool whole;
    int rc = dsdn_batch_decode(bytes, len, &batch, error);
    if (rc) return rc;
    if (!dsdn_equal32(batch.header.genesis, w->info.genesis))
        return dsdn_fail(error, DSDN_E_WRONG_GENESIS, "the batch has another genesis hash than the archive");
    if (batch.header.sequence != w->next)
        return dsdn_fail(error, DSDN_E_CHAIN, "batch %" PRIu64 " where the archive continues with %" PRIu64,
                         batch.header.sequence, w->next);
    if (!dsdn_equal32(batch.header.prev, w->last))
        return dsdn_fail(error, DSDN_E_CHAIN,
                         "the batch does not name the hash of its predecessor in the archive");
    (void)dsdn_archive_events(bytes, len, &whole);
    if (!whole) return dsdn_fail(error, DSDN_E_MALFORMED, "the bundles of the batch do not fill its body");
    memcpy(hash, batch.hash, 32);
    return DSDN_OK;
}

int dsdn_archive_append(struct dsdn_archive_writer *w, const uint8_t *batch, size_t len,
                        struct dsdn_error *error)
{
    struct dsdn_error local;
    struct dsdn_archive_pending *pending = &w->pending;
    uint8_t hash[32];
    if (!error) error = &local;
    int rc = usable(w, error);
    if (rc) return rc;
    rc = batch_check(w, batch, len, hash, error);
    if (rc) return dsdn_error_in(error, w->next), rc;
    if (pending->content.len + 4 + len > DSDN_ARCHIVE_CONTENT_MAX) rc = group_close(w, error);
    if (!rc) rc = dsdn_buffer_reserve(&pending->content, pending->content.len + 4 + len, error);
    if (rc) return fail(w, rc, error);

    uint8_t *p = pending->content.bytes + pending->content.len;
    dsdn_store32(p, (uint32_t)len);
    memcpy(p + 4, batch, len);
    pending->content.len += 4 + len;
    pending->claimed = pending->blobs.len;
    pending->claimed_count = pending->blob_count;
    memcpy(w->last, hash, 32);
    w->next++;
    if (pending->content.len + pending->claimed < DSDN_ARCHIVE_GROUP_CUT) return DSDN_OK;
    rc = group_close(w, error);
    return rc ? fail(w, rc, error) : DSDN_OK;
}

int dsdn_archive_append_blob(struct dsdn_archive_writer *w, enum dsdn_archive_kind kind, uint64_t key,
                             const uint8_t *bytes, size_t len, struct dsdn_error *error)
{
    struct dsdn_error local;
    struct dsdn_archive_pending *pending = &w->pending;
    if (!error) error = &local;
    int rc = usable(w, error);
    if (rc) return rc;
    if (kind != DSDN_ARCHIVE_CERTIFICATE && kind != DSDN_ARCHIVE_LOSER && kind != DSDN_ARCHIVE_PROOF)
        return dsdn_fail(error, DSDN_E_USAGE, "section kind %d does not hold a blob", (int)kind);
    if (len == 0) return dsdn_fail(error, DSDN_E_USAGE, "an archive holds no empty blobs");
    if (len > DSDN_ARCHIVE_CONTENT_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "blob of %zu bytes; an archive takes at most %u", len,
                         DSDN_ARCHIVE_CONTENT_MAX);
    rc = dsdn_buffer_reserve(&pending->blobs, pending->blobs.len + DSDN_ARCHIVE_PENDING_LEN + len, error);
    if (rc) return fail(w, rc, error);
    uint8_t *p = pending->blobs.bytes + pending->blobs.len;
    dsdn_archive_pending_head(p, (uint8_t)kind, key, len);
    memcpy(p + DSDN_ARCHIVE_PENDING_LEN, bytes, len);
    pending->blobs.len += DSDN_ARCHIVE_PENDING_LEN + len;
    pending->blob_count++;
    /* Blobs without batches behind them must not pile up in memory. */
    if (pending->content.len + pending->blobs.len >= DSDN_ARCHIVE_GROUP_CUT) rc = group_close(w, error);
    if (!rc && pending->blobs.len >= DSDN_ARCHIVE_GROUP_CUT) rc = blobs_flush(w, error);
    return rc ? fail(w, rc, error) : DSDN_OK;
}

int dsdn_archive_sync(struct dsdn_archive_writer *w, uint64_t *next, struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    int rc = usable(w, error);
    if (rc) return rc;
    rc = dsdn_archive_writer_sync(w, error);
    if (rc) return fail(w, rc, error);
    if (next) *next = w->state.first + w->state.batches;
    return DSDN_OK;
}

int dsdn_archive_finish(struct dsdn_archive_writer *w, struct dsdn_archive_info *info,
                        struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    int rc = usable(w, error);
    if (rc) return rc;
    rc = group_close(w, error);
    if (!rc) rc = blobs_flush(w, error);
    if (rc) return fail(w, rc, error);

    size_t len = (size_t)w->state.frames * DSDN_ARCHIVE_ENTRY_LEN;
    rc = dsdn_buffer_reserve(&w->out, DSDN_ARCHIVE_SECTION_LEN + len, error);
    if (rc) return fail(w, rc, error);
    struct dsdn_archive_section s = {.kind = DSDN_ARCHIVE_TABLE,
                                     .coding = DSDN_ARCHIVE_RAW,
                                     .stored_len = (uint32_t)len,
                                     .content_len = (uint32_t)len,
                                     .count = (uint32_t)w->state.frames};
    memcpy(s.chain, w->state.chain, 32);
    if (len) memcpy(w->out.bytes + DSDN_ARCHIVE_SECTION_LEN, w->table.bytes, len);
    dsdn_archive_section_encode(&s, w->out.bytes);
    rc = put(w, w->out.bytes, DSDN_ARCHIVE_SECTION_LEN + len, w->state.offset, error);
    if (!rc) rc = dsdn_archive_writer_sync(w, error); /* a footer means that all before it is there */
    if (rc) return fail(w, rc, error);

    struct dsdn_archive_footer footer;
    uint8_t bytes[DSDN_ARCHIVE_FOOTER_LEN];
    dsdn_archive_state_add(&w->state, &s, w->out.bytes, NULL, NULL, NULL);
    dsdn_archive_footer_encode(&w->state, &footer, bytes);
    rc = put(w, bytes, sizeof bytes, w->state.offset, error);
    if (!rc) rc = dsdn_archive_writer_sync(w, error);
    if (!rc) rc = dsdn_io_sync_parent(w->io, w->path, error);
    if (rc) return fail(w, rc, error);
    w->finished = true;
    dsdn_archive_state_info(&w->state, &footer, &w->info);
    if (info) *info = w->info;
    return DSDN_OK;
}

void dsdn_archive_writer_close(struct dsdn_archive_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) w->io->close(w->io->self, w->fd);
    dsdn_buffer_free(&w->table);
    dsdn_buffer_free(&w->out);
    dsdn_buffer_free(&w->pending.content);
    dsdn_buffer_free(&w->pending.blobs);
    ZSTD_freeCCtx(w->cctx);
    free(w->path);
    free(w);
}
