#include "log/archive_format.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>

#define NO_FRAME UINT64_MAX

struct archive {
    struct dsdn_source source; /* first */
    struct dsdn_archive_info info;
    const struct dsdn_io *io;
    int fd;
    char *path;
    struct dsdn_buffer header, table, stored, content;
    void *dctx;
    uint64_t end;         /* sections other than the seek table stand below */
    uint64_t frame;       /* frame in `content`, or NO_FRAME */
    uint64_t next;        /* sequence that `next` hands out */
    uint64_t at_sequence; /* the batch of this sequence is at content[at] */
    size_t at;
};

static struct dsdn_archive_entry entry_of(const struct archive *a, uint64_t frame)
{
    struct dsdn_archive_entry entry;
    dsdn_archive_entry_decode(a->table.bytes + frame * DSDN_ARCHIVE_ENTRY_LEN, &entry);
    return entry;
}

/* The last frame whose first sequence (by_offset: whose offset) is at most value; there is one. */
static uint64_t frame_find(const struct archive *a, uint64_t value, bool by_offset)
{
    uint64_t low = 0, high = a->info.frames;
    while (high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        struct dsdn_archive_entry e = entry_of(a, mid);
        if ((by_offset ? e.offset : e.first) <= value)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Reads the section at offset (header and stored bytes) into a->stored; stored_len was checked to lie in the
 * file. */
static int section_read(struct archive *a, uint64_t offset, uint32_t stored_len,
                        struct dsdn_archive_section *section, struct dsdn_error *error)
{
    size_t len = DSDN_ARCHIVE_SECTION_LEN + (size_t)stored_len;
    int rc = dsdn_buffer_reserve(&a->stored, len, error);
    if (!rc) rc = dsdn_io_read_at(a->io, a->fd, a->stored.bytes, len, offset, a->path, error);
    if (!rc) rc = dsdn_archive_section_decode(a->stored.bytes, section, a->path, offset, error);
    if (rc) return rc;
    if (section->stored_len != stored_len)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, a->path, offset,
                            "a section of %" PRIu32 " stored bytes where %" PRIu32 " are due",
                            section->stored_len, stored_len);
    return dsdn_archive_section_check(a->stored.bytes, section, a->path, offset, error);
}

static int frame_load(struct archive *a, uint64_t frame, struct dsdn_error *error)
{
    struct dsdn_archive_entry e = entry_of(a, frame);
    uint64_t events_end = frame + 1 < a->info.frames ? entry_of(a, frame + 1).first_event : a->info.events;
    struct dsdn_archive_section s;
    struct dsdn_archive_batches batches;
    a->frame = NO_FRAME;
    int rc = section_read(a, e.offset, e.stored_len, &s, error);
    if (rc) return rc;
    bool good = s.kind == DSDN_ARCHIVE_FRAME && s.key == e.first && s.count == e.count &&
                s.events == events_end - e.first_event;
    if (good) {
        rc =
            dsdn_archive_section_content(a->dctx, a->stored.bytes, &s, &a->content, a->path, e.offset, error);
        if (rc) return rc;
        good = dsdn_archive_batches(a->content.bytes, a->content.len, &batches) && batches.count == s.count &&
               batches.events == s.events;
    }
    if (!good)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, a->path, e.offset,
                            "the seek table promises a frame of %" PRIu32 " batches from %" PRIu64
                            ", and it is not here",
                            e.count, e.first);
    a->frame = frame;
    a->at_sequence = e.first;
    a->at = 0;
    return DSDN_OK;
}

static int archive_next(struct dsdn_source *source, struct dsdn_buffer *buffer, struct dsdn_record *record,
                        struct dsdn_error *error)
{
    struct archive *a = (struct archive *)source;
    if (a->next - a->info.first == a->info.batches)
        return dsdn_fail(error, DSDN_E_AGAIN, "end of the archive");
    bool loaded = false;
    if (a->frame != NO_FRAME) {
        struct dsdn_archive_entry e = entry_of(a, a->frame);
        loaded = a->next >= e.first && a->next - e.first < e.count;
    }
    if (!loaded) {
        int rc = frame_load(a, frame_find(a, a->next, false), error);
        if (rc) return rc;
    }
    if (a->at_sequence > a->next) {
        a->at_sequence = entry_of(a, a->frame).first;
        a->at = 0;
    }
    for (; a->at_sequence < a->next; a->at_sequence++)
        a->at += 4 + (size_t)dsdn_load32(a->content.bytes + a->at);

    size_t len = dsdn_load32(a->content.bytes + a->at);
    int rc = dsdn_buffer_reserve(buffer, len, error);
    if (rc) return rc;
    memcpy(buffer->bytes, a->content.bytes + a->at + 4, len);
    buffer->len = len;
    *record = (struct dsdn_record){.sequence = a->next++,
                                   .batch = buffer->bytes,
                                   .len = len,
                                   .file = a->path,
                                   .offset = entry_of(a, a->frame).offset};
    return DSDN_OK;
}

static int archive_seek(struct dsdn_source *source, uint64_t sequence, struct dsdn_error *error)
{
    struct archive *a = (struct archive *)source;
    if (sequence < a->info.first || sequence - a->info.first >= a->info.batches) {
        dsdn_fail(error, DSDN_E_NOT_FOUND, "the archive holds %" PRIu64 " batches from %" PRIu64,
                  a->info.batches, a->info.first);
        if (error) error->sequence = sequence;
        return dsdn_error_at(error, a->path, DSDN_NO_OFFSET), DSDN_E_NOT_FOUND;
    }
    a->next = sequence;
    return DSDN_OK;
}

static void archive_close(struct dsdn_source *source)
{
    struct archive *a = (struct archive *)source;
    if (a->fd >= 0) a->io->close(a->io->self, a->fd);
    dsdn_buffer_free(&a->header);
    dsdn_buffer_free(&a->table);
    dsdn_buffer_free(&a->stored);
    dsdn_buffer_free(&a->content);
    ZSTD_freeDCtx(a->dctx);
    free(a->path);
    free(a);
}

/* Entries are in order, do not overlap, lie before the table, and add up to the footer's totals. */
static int table_check(const struct archive *a, const struct dsdn_archive_footer *f, struct dsdn_error *error)
{
    const char *why = NULL;
    uint64_t end = a->header.len, sequence = a->info.first, events = 0, i = 0;
    for (; i < f->frames && !why; i++) {
        struct dsdn_archive_entry e = entry_of(a, i);
        if (e.offset < end || e.offset >= f->table_offset)
            why = "its offset is not between its neighbours";
        else if (e.stored_len > DSDN_ARCHIVE_STORED_MAX ||
                 DSDN_ARCHIVE_SECTION_LEN + (uint64_t)e.stored_len > f->table_offset - e.offset)
            why = "it ends behind the sections";
        else if (e.first != sequence)
            why = "it does not begin where its predecessor ends";
        else if (e.count == 0 || e.count > DSDN_NO_SEQUENCE - sequence)
            why = "its count is out of range";
        else if (e.first_event < events || e.first_event > f->events || (i == 0 && e.first_event))
            why = "its event ordinal is out of range";
        end = e.offset + DSDN_ARCHIVE_SECTION_LEN + e.stored_len;
        sequence += e.count;
        events = e.first_event;
    }
    uint64_t at = f->table_offset + DSDN_ARCHIVE_SECTION_LEN;
    if (why)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, a->path, at + (i - 1) * DSDN_ARCHIVE_ENTRY_LEN,
                            "entry %" PRIu64 " of the seek table is wrong: %s", i - 1, why);
    if (sequence - a->info.first == f->batches) return DSDN_OK;
    return dsdn_fail_at(error, DSDN_E_MALFORMED, a->path, at,
                        "the seek table holds %" PRIu64 " batches, the footer says %" PRIu64,
                        sequence - a->info.first, f->batches);
}

/* Opens the way a finished archive is opened: header, footer, seek table, and nothing between. */
static int open_finished(struct archive *a, uint64_t size, struct dsdn_error *error)
{
    uint8_t bytes[DSDN_ARCHIVE_FOOTER_LEN];
    uint64_t at = size >= a->header.len + DSDN_ARCHIVE_FOOTER_LEN ? size - DSDN_ARCHIVE_FOOTER_LEN : 0;
    int rc = at ? dsdn_io_read_at(a->io, a->fd, bytes, sizeof bytes, at, a->path, error) : DSDN_OK;
    if (rc) return rc;
    if (!at || memcmp(bytes, DSDN_ARCHIVE_FOOTER_MAGIC, 8) != 0)
        return dsdn_fail_at(
            error, DSDN_E_TRUNCATED, a->path, size,
            "the archive does not end in a footer: it is unfinished or was cut. The command that wrote "
            "it can resume "
            "it, and recover mode reads what is there");
    struct dsdn_archive_footer f;
    rc = dsdn_archive_footer_decode(bytes, &f, a->path, at, error);
    if (rc) return rc;
    /* The seek table is the last section, right before the footer: this bounds its length by the file's. */
    if (f.frames > DSDN_ARCHIVE_FRAMES_MAX || f.table_offset < a->header.len || f.table_offset > at ||
        at - f.table_offset != DSDN_ARCHIVE_SECTION_LEN + f.frames * DSDN_ARCHIVE_ENTRY_LEN)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, a->path, at,
                            "the footer places a seek table of %" PRIu64 " frames at byte %" PRIu64
                            ", which is not right before it",
                            f.frames, f.table_offset);
    struct dsdn_archive_section s;
    size_t len = (size_t)f.frames * DSDN_ARCHIVE_ENTRY_LEN;
    rc = section_read(a, f.table_offset, (uint32_t)len, &s, error);
    if (rc) return rc;
    uint8_t chain[32];
    dsdn_tagged(DSDN_ARCHIVE_TAG, a->stored.bytes, DSDN_ARCHIVE_SECTION_LEN + len, chain);
    if (s.kind != DSDN_ARCHIVE_TABLE || !dsdn_equal32(chain, f.chain))
        return dsdn_fail_at(error, DSDN_E_CHAIN, a->path, f.table_offset,
                            "the footer does not continue the hash chain of the seek table");
    rc = dsdn_buffer_reserve(&a->table, len + 1, error);
    if (rc) return rc;
    memcpy(a->table.bytes, a->stored.bytes + DSDN_ARCHIVE_SECTION_LEN, len);
    a->table.len = len;
    rc = table_check(a, &f, error);
    if (rc) return rc;

    a->info.finished = true;
    a->info.batches = f.batches;
    a->info.events = f.events;
    a->info.bytes = f.bytes;
    a->info.frames = f.frames;
    a->info.sections = f.sections;
    a->info.len = size;
    memcpy(a->info.last, f.last, 32);
    memcpy(a->info.content, f.content, 32);
    memcpy(a->info.hash, f.hash, 32);
    a->end = f.table_offset;
    return DSDN_OK;
}

/* Reads the file from end to end and takes what stands before the first bad section. */
static int open_recovered(struct archive *a, struct dsdn_archive_walk *w, uint64_t size,
                          struct dsdn_error *error)
{
    a->table.len = 0;
    for (;;) {
        struct dsdn_archive_entry entry;
        uint64_t at = w->state.offset;
        bool table = w->state.table_offset != 0;
        int rc = dsdn_archive_walk_next(w, &entry, error);
        if (rc) {
            if (rc != DSDN_E_AGAIN && !dsdn_archive_damaged(rc)) return rc;
            a->end = table ? w->state.table_offset : at;
            break;
        }
        if (w->section.kind != DSDN_ARCHIVE_FRAME) continue;
        rc = dsdn_buffer_reserve(&a->table, a->table.len + DSDN_ARCHIVE_ENTRY_LEN, error);
        if (rc) return rc;
        dsdn_archive_entry_encode(&entry, a->table.bytes + a->table.len);
        a->table.len += DSDN_ARCHIVE_ENTRY_LEN;
    }
    a->info = w->info;
    a->info.dropped = size - a->info.len;
    a->source.unverified =
        "the archive is unfinished or damaged: only what stands before its first bad section is read";
    return DSDN_OK;
}

static int archive_open(struct archive *a, unsigned flags, struct dsdn_error *error)
{
    uint64_t size;
    struct dsdn_archive_walk w;
    int rc = dsdn_io_size(a->io, a->fd, &size, a->path, error);
    if (rc) return rc;
    dsdn_archive_walk_file(&w, a->io, a->fd, a->path);
    rc = dsdn_archive_walk_start(&w, error);
    if (!rc) {
        a->header = w.header;
        a->info = w.info;
        a->dctx = w.dctx;
        w.header = (struct dsdn_buffer){0};
        rc = open_finished(a, size, error);
        if ((flags & DSDN_ARCHIVE_RECOVER) && dsdn_archive_damaged(rc))
            rc = open_recovered(a, &w, size, error);
        w.dctx = NULL; /* a has it */
    }
    dsdn_archive_walk_free(&w);
    if (rc) return rc;
    if (error)
        *error = (struct dsdn_error)DSDN_ERROR_INIT; /* recovery may have left the reason of its end there */
    a->frame = NO_FRAME;
    a->next = a->info.first;
    a->source.genesis.bytes = a->header.bytes + DSDN_ARCHIVE_HEADER_LEN;
    a->source.genesis.len = a->header.len - DSDN_ARCHIVE_HEADER_LEN;
    a->source.first = a->info.first;
    a->source.count = a->info.batches;
    a->source.bytes = a->info.bytes;
    a->source.events = a->info.events;
    return DSDN_OK;
}

static const struct dsdn_source_ops archive_ops = {archive_next, archive_seek, archive_close};

int dsdn_archive_open(const struct dsdn_io *io, const char *path, unsigned flags, struct dsdn_source **out,
                      struct dsdn_error *error)
{
    *out = NULL;
    struct archive *a = calloc(1, sizeof *a);
    char *copy = a ? strdup(path) : NULL;
    if (!copy) {
        free(a);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to open an archive");
    }
    a->source.ops = &archive_ops;
    a->source.kind = "archive";
    a->io = io;
    a->path = copy;
    int rc = dsdn_io_open(io, path, O_RDONLY, 0, &a->fd, error);
    if (!rc) rc = archive_open(a, flags, error);
    if (rc) {
        dsdn_error_at(error, path, DSDN_NO_OFFSET);
        archive_close(&a->source);
        return rc;
    }
    *out = &a->source;
    return DSDN_OK;
}

int dsdn_archive_check(struct dsdn_source *source, struct dsdn_error *error)
{
    if (source->ops != &archive_ops)
        return dsdn_fail(error, DSDN_E_USAGE, "only an archive file can be checked again");
    struct archive *a = (struct archive *)source;
    struct dsdn_archive_walk w;
    dsdn_archive_walk_file(&w, a->io, a->fd, a->path);
    int rc = dsdn_archive_walk_start(&w, error);
    while (!rc) rc = dsdn_archive_walk_next(&w, NULL, error);
    if (rc == DSDN_E_AGAIN) {
        uint64_t size;
        rc = dsdn_io_size(a->io, a->fd, &size, a->path, error);
        if (!rc && size != w.info.len)
            rc = dsdn_fail_at(error, DSDN_E_MALFORMED, a->path, w.info.len, "bytes follow the footer");
    }
    dsdn_archive_walk_free(&w);
    if (rc) dsdn_error_at(error, a->path, DSDN_NO_OFFSET);
    return rc;
}

int dsdn_archive_blob_next(struct dsdn_source *source, uint64_t *cursor, unsigned kinds,
                           struct dsdn_buffer *buffer, struct dsdn_archive_blob *blob,
                           struct dsdn_error *error)
{
    if (source->ops != &archive_ops)
        return dsdn_fail(error, DSDN_E_USAGE, "only an archive file has its blobs at hand");
    struct archive *a = (struct archive *)source;
    uint64_t at = *cursor ? *cursor : a->header.len;
    while (at < a->end) {
        struct dsdn_archive_section s;
        if (a->info.frames) {
            struct dsdn_archive_entry e = entry_of(a, frame_find(a, at, true));
            if (e.offset == at) { /* stepped over by the seek table's length, which its checksum covers */
                at += DSDN_ARCHIVE_SECTION_LEN + (uint64_t)e.stored_len;
                continue;
            }
        }
        uint8_t head[DSDN_ARCHIVE_SECTION_LEN];
        int rc = dsdn_io_read_at(a->io, a->fd, head, sizeof head, at, a->path, error);
        if (!rc) rc = dsdn_archive_section_decode(head, &s, a->path, at, error);
        if (rc) return rc;
        if (s.kind < DSDN_ARCHIVE_CERTIFICATE || s.kind > DSDN_ARCHIVE_BLOB_LAST ||
            DSDN_ARCHIVE_SECTION_LEN + (uint64_t)s.stored_len > a->end - at)
            return dsdn_fail_at(error, DSDN_E_MALFORMED, a->path, at,
                                "a section of kind %u is not where the seek table has it", s.kind);
        rc = section_read(a, at, s.stored_len, &s, error);
        if (rc) return rc;
        uint64_t offset = at;
        at += DSDN_ARCHIVE_SECTION_LEN + (uint64_t)s.stored_len;
        if (!(kinds >> s.kind & 1)) continue;
        rc = dsdn_archive_section_content(a->dctx, a->stored.bytes, &s, buffer, a->path, offset, error);
        if (rc) return rc;
        *blob = (struct dsdn_archive_blob){s.kind, s.key, buffer->bytes, buffer->len, offset};
        *cursor = at;
        return DSDN_OK;
    }
    *cursor = at;
    return dsdn_fail(error, DSDN_E_AGAIN, "no more blobs");
}

const struct dsdn_archive_info *dsdn_archive_info(const struct dsdn_source *source)
{
    return source->ops == &archive_ops ? &((const struct archive *)source)->info
                                       : dsdn_archive_stream_info(source);
}
