#include "log/segment.h"

#include "log/batch.h"

#include <fcntl.h>

#define WRITE_BUFFER ((size_t)1 << 20)

static const uint8_t header_magic[8] = {'D', 'S', 'D', 'N', 'S', 'E', 'G', '1'};
static const uint8_t trailer_magic[8] = {'D', 'S', 'D', 'N', 'T', 'R', 'L', 'R'};

typedef unsigned long long ull; /* for %llu */

void dsdn_segment_header_encode(const struct dsdn_segment_header *header,
                                uint8_t out[DSDN_SEGMENT_HEADER_LEN])
{
    memcpy(out, header_magic, 8);
    memcpy(out + 8, header->genesis, 32);
    dsdn_store64(out + 40, header->first_sequence);
    dsdn_store64(out + 48, header->first_event);
    memcpy(out + 56, header->prev, 32);
    dsdn_store32(out + 88, dsdn_crc32c(0, out, 88));
}

void dsdn_segment_record_encode(const struct dsdn_segment_record *record, const uint8_t *batch,
                                uint8_t out[DSDN_RECORD_HEADER_LEN])
{
    dsdn_store32(out + 4, record->len);
    dsdn_store64(out + 8, record->sequence);
    dsdn_store64(out + 16, record->first_event);
    dsdn_store32(out + 24, record->event_count);
    dsdn_store32(out + 28, record->flags);
    memcpy(out + 32, record->hash, 32);
    uint32_t crc = dsdn_crc32c(0, out + 4, DSDN_RECORD_HEADER_LEN - 4);
    dsdn_store32(out, dsdn_crc32c(crc, batch, record->len));
}

void dsdn_segment_record_decode(const uint8_t bytes[DSDN_RECORD_HEADER_LEN],
                                struct dsdn_segment_record *record)
{
    record->crc = dsdn_load32(bytes);
    record->len = dsdn_load32(bytes + 4);
    record->sequence = dsdn_load64(bytes + 8);
    record->first_event = dsdn_load64(bytes + 16);
    record->event_count = dsdn_load32(bytes + 24);
    record->flags = dsdn_load32(bytes + 28);
    memcpy(record->hash, bytes + 32, 32);
}

void dsdn_segment_trailer_encode(const struct dsdn_segment_trailer *trailer,
                                 uint8_t out[DSDN_SEGMENT_TRAILER_LEN])
{
    memcpy(out, trailer_magic, 8);
    dsdn_store64(out + 8, trailer->record_count);
    dsdn_store64(out + 16, trailer->first_sequence);
    dsdn_store64(out + 24, trailer->last_sequence);
    memcpy(out + 32, trailer->last_hash, 32);
    dsdn_store64(out + 64, trailer->bytes);
    dsdn_store64(out + 72, trailer->event_count);
    memcpy(out + 80, trailer->sha256, 32);
    dsdn_store32(out + 112, dsdn_crc32c(0, out, 112));
}

bool dsdn_segment_trailer_decode(const uint8_t bytes[DSDN_SEGMENT_TRAILER_LEN],
                                 struct dsdn_segment_trailer *trailer)
{
    if (memcmp(bytes, trailer_magic, 8) != 0 || dsdn_load32(bytes + 112) != dsdn_crc32c(0, bytes, 112))
        return false;
    trailer->record_count = dsdn_load64(bytes + 8);
    trailer->first_sequence = dsdn_load64(bytes + 16);
    trailer->last_sequence = dsdn_load64(bytes + 24);
    memcpy(trailer->last_hash, bytes + 32, 32);
    trailer->bytes = dsdn_load64(bytes + 64);
    trailer->event_count = dsdn_load64(bytes + 72);
    memcpy(trailer->sha256, bytes + 80, 32);
    return true;
}

int dsdn_segment_header_read(const struct dsdn_io *io, int fd, const char *path, const uint8_t genesis[32],
                             uint64_t sequence, struct dsdn_segment_header *header, struct dsdn_error *error)
{
    uint8_t bytes[DSDN_SEGMENT_HEADER_LEN];
    int rc = dsdn_io_read_at(io, fd, bytes, sizeof bytes, 0, path, error);
    if (rc) return rc;
    if (memcmp(bytes, header_magic, 8) != 0)
        return dsdn_fail_at(error, DSDN_E_FORMAT, path, 0,
                            "no segment of the log: its magic is not DSDNSEG1");
    if (dsdn_load32(bytes + 88) != dsdn_crc32c(0, bytes, 88))
        return dsdn_fail_at(error, DSDN_E_CHECKSUM, path, 0, "the CRC32C of a segment header does not match");
    memcpy(header->genesis, bytes + 8, 32);
    header->first_sequence = dsdn_load64(bytes + 40);
    header->first_event = dsdn_load64(bytes + 48);
    memcpy(header->prev, bytes + 56, 32);
    if (!dsdn_equal32(header->genesis, genesis))
        return dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, path, 8, "the segment belongs to another network");
    if (header->first_sequence != sequence)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, 40,
                            "the segment begins at batch %llu, not at %llu", (ull)header->first_sequence,
                            (ull)sequence);
    return DSDN_OK;
}

int dsdn_segment_trailer_read(const struct dsdn_io *io, int fd, const char *path,
                              const struct dsdn_segment_header *header, struct dsdn_segment_trailer *trailer,
                              struct dsdn_error *error)
{
    uint64_t size;
    int rc = dsdn_io_size(io, fd, &size, path, error);
    if (rc) return rc;
    if (size < DSDN_SEGMENT_HEADER_LEN + DSDN_RECORD_HEADER_LEN + DSDN_SEGMENT_TRAILER_LEN)
        return dsdn_fail_at(error, DSDN_E_TRUNCATED, path, size, "a closed segment is longer than this");
    uint64_t at = size - DSDN_SEGMENT_TRAILER_LEN;
    uint8_t bytes[DSDN_SEGMENT_TRAILER_LEN];
    rc = dsdn_io_read_at(io, fd, bytes, sizeof bytes, at, path, error);
    if (rc) return rc;
    if (!dsdn_segment_trailer_decode(bytes, trailer)) {
        if (memcmp(bytes, trailer_magic, 8) == 0)
            return dsdn_fail_at(error, DSDN_E_CHECKSUM, path, at,
                                "the CRC32C of a segment trailer does not match");
        return dsdn_fail_at(error, DSDN_E_TRUNCATED, path, size,
                            "the segment does not end in a trailer: its end was cut off or damaged");
    }
    if (trailer->bytes != at || trailer->first_sequence != header->first_sequence ||
        trailer->record_count == 0 || trailer->last_sequence < trailer->first_sequence ||
        trailer->last_sequence == UINT64_MAX ||
        trailer->last_sequence - trailer->first_sequence != trailer->record_count - 1)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, at, "the trailer does not fit its segment");
    return DSDN_OK;
}

void dsdn_segment_begin(const struct dsdn_segment_header *header, struct dsdn_segment_cursor *cursor)
{
    cursor->offset = DSDN_SEGMENT_HEADER_LEN;
    cursor->sequence = header->first_sequence;
    cursor->event = header->first_event;
    memcpy(cursor->head, header->prev, 32);
}

int dsdn_segment_check(const struct dsdn_segment_record *record, const struct dsdn_segment_cursor *cursor,
                       uint64_t end, const char *path, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    if (record->sequence != cursor->sequence)
        rc = dsdn_fail_at(error, DSDN_E_MALFORMED, path, cursor->offset + 8, "a record says it is batch %llu",
                          (ull)record->sequence);
    else if (record->first_event != cursor->event)
        rc = dsdn_fail_at(error, DSDN_E_MALFORMED, path, cursor->offset + 16,
                          "a record says its first event is %llu, but %llu events came before it",
                          (ull)record->first_event, (ull)cursor->event);
    else if (record->len == 0 || record->len > DSDN_BATCH_LIMIT)
        rc =
            dsdn_fail_at(error, DSDN_E_TOO_LARGE, path, cursor->offset + 4,
                         "a record says it has %u bytes, 1 to %u are allowed", record->len, DSDN_BATCH_LIMIT);
    else if (record->len > end - cursor->offset - DSDN_RECORD_HEADER_LEN)
        rc = dsdn_fail_at(error, DSDN_E_TRUNCATED, path, end,
                          "a record says it has %u bytes, the records end before", record->len);
    if (rc) dsdn_error_in(error, cursor->sequence);
    return rc;
}

void dsdn_segment_advance(struct dsdn_segment_cursor *cursor, const struct dsdn_segment_record *record)
{
    cursor->offset += DSDN_RECORD_HEADER_LEN + (uint64_t)record->len;
    cursor->sequence++;
    cursor->event += record->event_count;
    memcpy(cursor->head, record->hash, 32);
}

/* Read and check the 64 bytes at the cursor. */
static int record_head(const struct dsdn_io *io, int fd, const char *path, uint64_t end,
                       const struct dsdn_segment_cursor *cursor, uint8_t bytes[DSDN_RECORD_HEADER_LEN],
                       struct dsdn_segment_record *record, struct dsdn_error *error)
{
    int rc;
    if (cursor->offset > end || end - cursor->offset < DSDN_RECORD_HEADER_LEN)
        rc = dsdn_fail_at(error, DSDN_E_TRUNCATED, path, end, "the records end inside a record header");
    else
        rc = dsdn_io_read_at(io, fd, bytes, DSDN_RECORD_HEADER_LEN, cursor->offset, path, error);
    if (rc) return dsdn_error_in(error, cursor->sequence), rc;
    dsdn_segment_record_decode(bytes, record);
    return dsdn_segment_check(record, cursor, end, path, error);
}

int dsdn_segment_hop(const struct dsdn_io *io, int fd, const char *path, uint64_t end,
                     struct dsdn_segment_cursor *cursor, struct dsdn_segment_record *record,
                     struct dsdn_error *error)
{
    uint8_t bytes[DSDN_RECORD_HEADER_LEN];
    int rc = record_head(io, fd, path, end, cursor, bytes, record, error);
    if (!rc) dsdn_segment_advance(cursor, record);
    return rc;
}

int dsdn_segment_read(const struct dsdn_io *io, int fd, const char *path, uint64_t end,
                      struct dsdn_segment_cursor *cursor, struct dsdn_buffer *buffer,
                      struct dsdn_segment_record *record, struct dsdn_error *error)
{
    uint8_t bytes[DSDN_RECORD_HEADER_LEN];
    int rc = record_head(io, fd, path, end, cursor, bytes, record, error);
    if (rc) return rc;
    size_t len = DSDN_RECORD_HEADER_LEN + (size_t)record->len;
    if ((rc = dsdn_buffer_reserve(buffer, len, error))) return rc;
    memcpy(buffer->bytes, bytes, sizeof bytes);
    rc = dsdn_io_read_at(io, fd, buffer->bytes + sizeof bytes, record->len, cursor->offset + sizeof bytes,
                         path, error);
    if (rc) return dsdn_error_in(error, cursor->sequence), rc;
    buffer->len = len;
    if (dsdn_crc32c(0, buffer->bytes + 4, len - 4) != record->crc) {
        dsdn_fail_at(error, DSDN_E_CHECKSUM, path, cursor->offset,
                     "the CRC32C of a record does not match its bytes");
        return dsdn_error_in(error, cursor->sequence), DSDN_E_CHECKSUM;
    }
    dsdn_segment_advance(cursor, record);
    return DSDN_OK;
}

int dsdn_segment_create(struct dsdn_segment_writer *w, const char *path,
                        const struct dsdn_segment_header *header, struct dsdn_error *error)
{
    uint8_t bytes[DSDN_SEGMENT_HEADER_LEN];
    struct dsdn_segment_cursor next;
    int fd, rc = dsdn_io_open(w->io, path, O_RDWR | O_CREAT | O_TRUNC, 0644, &fd, error);
    w->fd = -1;
    if (rc) return rc;
    dsdn_segment_header_encode(header, bytes);
    rc = dsdn_io_write_at(w->io, fd, bytes, sizeof bytes, 0, path, error);
    if (!rc) rc = dsdn_io_sync(w->io, fd, path, error);
    if (rc) {
        w->io->close(w->io->self, fd);
        return rc;
    }
    dsdn_segment_begin(header, &next);
    dsdn_segment_adopt(w, fd, path, header, &next);
    dsdn_sha256_update(&w->sha, bytes, sizeof bytes);
    w->hashed = sizeof bytes;
    return DSDN_OK;
}

void dsdn_segment_adopt(struct dsdn_segment_writer *w, int fd, const char *path,
                        const struct dsdn_segment_header *header, const struct dsdn_segment_cursor *next)
{
    w->fd = fd;
    w->path = path;
    w->header = *header;
    w->next = *next;
    w->buffer.len = 0;
    w->hashed = 0;
    dsdn_sha256_init(&w->sha);
}

int dsdn_segment_flush(struct dsdn_segment_writer *w, struct dsdn_error *error)
{
    if (w->buffer.len == 0) return DSDN_OK;
    uint64_t at = w->next.offset - w->buffer.len;
    int rc = dsdn_io_write_at(w->io, w->fd, w->buffer.bytes, w->buffer.len, at, w->path, error);
    if (rc) return rc;
    if (w->hashed == at) {
        dsdn_sha256_update(&w->sha, w->buffer.bytes, w->buffer.len);
        w->hashed += w->buffer.len;
    }
    w->buffer.len = 0;
    return DSDN_OK;
}

int dsdn_segment_append(struct dsdn_segment_writer *w, const uint8_t *batch, uint32_t len,
                        const uint8_t hash[32], uint32_t event_count, uint32_t flags,
                        struct dsdn_error *error)
{
    size_t need = DSDN_RECORD_HEADER_LEN + (size_t)len;
    if (w->buffer.len + need > WRITE_BUFFER) {
        int rc = dsdn_segment_flush(w, error);
        if (rc) return rc;
    }
    int rc = dsdn_buffer_reserve(&w->buffer, need > WRITE_BUFFER ? need : WRITE_BUFFER, error);
    if (rc) return rc;
    struct dsdn_segment_record record = {.len = len,
                                         .sequence = w->next.sequence,
                                         .first_event = w->next.event,
                                         .event_count = event_count,
                                         .flags = flags};
    memcpy(record.hash, hash, 32);
    uint8_t *p = w->buffer.bytes + w->buffer.len;
    dsdn_segment_record_encode(&record, batch, p);
    memcpy(p + DSDN_RECORD_HEADER_LEN, batch, len);
    w->buffer.len += need;
    dsdn_segment_advance(&w->next, &record);
    return DSDN_OK;
}

/* Bring the running SHA-256 to the end of the records, comparing the CRC of every record on the way. */
static int hash_rest(struct dsdn_segment_writer *w, struct dsdn_error *error)
{
    if (w->hashed == w->next.offset) return DSDN_OK;
    uint8_t bytes[DSDN_SEGMENT_HEADER_LEN];
    struct dsdn_segment_cursor cursor;
    struct dsdn_segment_record record;
    struct dsdn_buffer buffer = {0};
    dsdn_segment_header_encode(&w->header, bytes); /* was compared when the file was opened */
    dsdn_sha256_init(&w->sha);
    dsdn_sha256_update(&w->sha, bytes, sizeof bytes);
    dsdn_segment_begin(&w->header, &cursor);
    int rc = DSDN_OK;
    while (!rc && cursor.offset < w->next.offset) {
        rc = dsdn_segment_read(w->io, w->fd, w->path, w->next.offset, &cursor, &buffer, &record, error);
        if (!rc) dsdn_sha256_update(&w->sha, buffer.bytes, buffer.len);
    }
    dsdn_buffer_free(&buffer);
    if (!rc) w->hashed = w->next.offset;
    return rc;
}

int dsdn_segment_finish(struct dsdn_segment_writer *w, struct dsdn_error *error)
{
    int rc = dsdn_segment_flush(w, error);
    if (!rc) rc = hash_rest(w, error);
    if (rc) return rc;
    struct dsdn_segment_trailer trailer = {
        .record_count = w->next.sequence - w->header.first_sequence,
        .first_sequence = w->header.first_sequence,
        .last_sequence = w->next.sequence - 1,
        .bytes = w->next.offset,
        .event_count = w->next.event - w->header.first_event,
    };
    memcpy(trailer.last_hash, w->next.head, 32);
    struct dsdn_sha256 sha = w->sha; /* a copy: a failed write may be repeated */
    dsdn_sha256_final(&sha, trailer.sha256);
    uint8_t bytes[DSDN_SEGMENT_TRAILER_LEN];
    dsdn_segment_trailer_encode(&trailer, bytes);
    rc = dsdn_io_write_at(w->io, w->fd, bytes, sizeof bytes, w->next.offset, w->path, error);
    return rc ? rc : dsdn_io_sync(w->io, w->fd, w->path, error);
}

void dsdn_segment_release(struct dsdn_segment_writer *w)
{
    if (w->fd >= 0) w->io->close(w->io->self, w->fd);
    w->fd = -1;
    dsdn_buffer_free(&w->buffer);
}
