/* Reading one batch, the index beside the log, and checking it all. */
#include "log/store_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef unsigned long long ull; /* for %llu */

void dsdn_store_index_lose(struct dsdn_store *s)
{
    dsdn_index_close(s->index);
    s->index = NULL;
}

void dsdn_store_index_put(struct dsdn_store *s, uint64_t segment_first, uint64_t offset,
                          const struct dsdn_segment_record *record)
{
    if (!s->index) return;
    struct dsdn_position position = {.segment_first = segment_first,
                                     .offset = offset,
                                     .len = record->len,
                                     .first_event = record->first_event,
                                     .event_count = record->event_count};
    memcpy(position.hash, record->hash, 32);
    if (dsdn_index_put_position(s->index, record->sequence, &position, NULL)) dsdn_store_index_lose(s);
}

void dsdn_store_index_commit(struct dsdn_store *s, uint32_t pending_min)
{
    if (s->index && dsdn_index_pending(s->index) >= pending_min && dsdn_index_commit(s->index, NULL))
        dsdn_store_index_lose(s);
}

int dsdn_store_enter(struct dsdn_store *s, size_t at, struct dsdn_error *error)
{
    const struct dsdn_segment_info *info = &s->segments.list[at];
    if (s->read_fd >= 0 && s->read_first == info->header.first_sequence) return DSDN_OK;
    if (s->read_fd >= 0) io_of(s)->close(io_of(s)->self, s->read_fd);
    s->read_first = info->header.first_sequence;
    return dsdn_io_open(io_of(s), info->path, O_RDONLY, 0, &s->read_fd, error);
}

/* Does the record at *position agree with it?  NOT_FOUND when not, IO when it cannot be read. */
static int position_check(struct dsdn_store *s, uint64_t sequence, const struct dsdn_position *position,
                          struct dsdn_error *error)
{
    size_t at = dsdn_segments_find(&s->segments, sequence);
    const struct dsdn_segment_info *info = &s->segments.list[at];
    struct dsdn_segment_record record;
    struct dsdn_segment_cursor cursor = {
        .offset = position->offset, .sequence = sequence, .event = position->first_event};
    int rc = dsdn_store_enter(s, at, error);
    if (rc) return rc;
    if (position->segment_first == info->header.first_sequence &&
        position->offset >= DSDN_SEGMENT_HEADER_LEN && position->offset < info->bytes) {
        rc = dsdn_segment_hop(io_of(s), s->read_fd, info->path, info->bytes, &cursor, &record, error);
        if (rc && dsdn_error_exit(rc) != 4) return rc;
        if (!rc && record.len == position->len && record.event_count == position->event_count &&
            dsdn_equal32(record.hash, position->hash))
            return DSDN_OK;
    }
    return dsdn_fail(error, DSDN_E_NOT_FOUND, "the index does not agree with the log at batch %llu",
                     (ull)sequence);
}

/* Bring the index to the durable end of the log.  0; an error of the index; or of the log. */
static int index_catch_up(struct dsdn_store *s, uint64_t *added, struct dsdn_error *error)
{
    const struct dsdn_durable *durable = &s->segments.durable;
    struct dsdn_position last;
    uint64_t sequence = durable->first_sequence, known;
    *added = 0;
    int rc = dsdn_index_cut(s->index, durable->next_sequence, error);
    if (rc) return rc;
    rc = dsdn_index_last(s->index, &known, &last, error);
    if (rc && rc != DSDN_E_NOT_FOUND) return rc;
    bool have = !rc;
    if (have) {
        if (known < sequence)
            return dsdn_fail(error, DSDN_E_NOT_FOUND, "the index ends before the log begins");
        if ((rc = position_check(s, known, &last, error))) return rc;
        sequence = known + 1;
    }
    for (size_t at = dsdn_segments_find(&s->segments, sequence); at < s->segments.cnt; at++) {
        const struct dsdn_segment_info *info = &s->segments.list[at];
        struct dsdn_segment_cursor cursor;
        struct dsdn_segment_record record;
        dsdn_segment_begin(&info->header, &cursor);
        if (have && last.segment_first == info->header.first_sequence) {
            cursor.offset = last.offset + DSDN_RECORD_HEADER_LEN + last.len;
            cursor.sequence = sequence;
            cursor.event = last.first_event + last.event_count;
        }
        if ((rc = dsdn_store_enter(s, at, error))) return rc;
        while (cursor.offset < info->bytes) {
            uint64_t offset = cursor.offset;
            rc = dsdn_segment_hop(io_of(s), s->read_fd, info->path, info->bytes, &cursor, &record, error);
            if (rc) return rc;
            struct dsdn_position position = {.segment_first = info->header.first_sequence,
                                             .offset = offset,
                                             .len = record.len,
                                             .first_event = record.first_event,
                                             .event_count = record.event_count};
            memcpy(position.hash, record.hash, 32);
            rc = dsdn_index_put_position(s->index, record.sequence, &position, error);
            if (!rc && dsdn_index_pending(s->index) >= DSDN_INDEX_COMMIT_EVERY)
                rc = dsdn_index_commit(s->index, error);
            if (rc) return rc;
            ++*added;
        }
    }
    return dsdn_index_commit(s->index, error);
}

/* Drop what is there and make the index anew. */
static int index_rebuild(struct dsdn_store *s, uint64_t *added, struct dsdn_error *error)
{
    dsdn_store_index_lose(s);
    int rc = dsdn_index_drop(s->index_dir, error);
    if (!rc) rc = dsdn_index_open(s->index_dir, s->segments.durable.genesis, true, &s->index, error);
    if (!rc) rc = index_catch_up(s, added, error);
    if (!rc) rc = dsdn_index_sync(s->index, error);
    if (rc) dsdn_store_index_lose(s);
    return rc;
}

/* The index, when it was found to contradict the log in the middle of something else. */
static void index_replace(struct dsdn_store *s)
{
    struct dsdn_error ignored;
    uint64_t added;
    if (s->write)
        index_rebuild(s, &added, &ignored);
    else
        dsdn_store_index_lose(s);
}

void dsdn_store_index_start(struct dsdn_store *s, struct dsdn_store_report *report)
{
    struct dsdn_error why, error;
    char *file = dsdn_join(s->index_dir, "data.mdb");
    bool missing = file && s->write && access(file, F_OK) < 0 &&
                   s->segments.durable.next_sequence > s->segments.durable.first_sequence;
    free(file);
    int rc = dsdn_index_open(s->index_dir, s->segments.durable.genesis, s->write, &s->index, &why);
    if (!rc && s->write) rc = index_catch_up(s, &report->index_added, &why);
    if (!rc && missing) {
        report->index_rebuilt = true;
        snprintf(report->index_reason, sizeof report->index_reason, "there was no index");
    }
    if (!rc) return;
    if (s->write && rc != DSDN_E_NO_MEMORY && rc != DSDN_E_NO_SPACE) {
        report->index_rebuilt = !index_rebuild(s, &report->index_added, &error);
        if (!report->index_rebuilt) why = error;
    } else
        dsdn_store_index_lose(s);
    snprintf(report->index_reason, sizeof report->index_reason, "%.*s", (int)sizeof report->index_reason - 1,
             why.message);
}

static int scan_position(struct dsdn_store *s, uint64_t sequence, struct dsdn_position *position,
                         struct dsdn_error *error)
{
    size_t at = dsdn_segments_find(&s->segments, sequence);
    const struct dsdn_segment_info *info = &s->segments.list[at];
    struct dsdn_segment_cursor cursor;
    struct dsdn_segment_record record = {0};
    dsdn_segment_begin(&info->header, &cursor);
    int rc = dsdn_store_enter(s, at, error);
    while (!rc && cursor.sequence <= sequence) {
        position->offset = cursor.offset;
        rc = dsdn_segment_hop(io_of(s), s->read_fd, info->path, info->bytes, &cursor, &record, error);
    }
    if (rc) return rc;
    position->segment_first = info->header.first_sequence;
    position->first_event = record.first_event;
    position->len = record.len;
    position->event_count = record.event_count;
    memcpy(position->hash, record.hash, 32);
    return DSDN_OK;
}

int dsdn_store_position(struct dsdn_store *s, uint64_t sequence, struct dsdn_position *position,
                        struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    const struct dsdn_durable *durable = &s->segments.durable;
    if (sequence < durable->first_sequence || sequence >= durable->next_sequence) {
        dsdn_fail_at(error, DSDN_E_NOT_FOUND, s->segments.dir, DSDN_NO_OFFSET,
                     "the log does not hold this batch");
        return dsdn_error_in(error, sequence), DSDN_E_NOT_FOUND;
    }
    if (!s->index) return scan_position(s, sequence, position, error);
    int known = dsdn_index_position(s->index, sequence, position, error);
    int rc = known ? known : position_check(s, sequence, position, error);
    if (!rc) return DSDN_OK;
    /* A reader's index may be behind the log; a writer's is complete.  A row that is missing, damaged or
     * contradicts the record makes the index wrong, unless the log itself is damaged: then the scan says so.
     * What the system refused (memory, a read) says nothing of the index. */
    bool wrong = rc == DSDN_E_NOT_FOUND ? !known || s->write : dsdn_error_exit(rc) == 4;
    rc = scan_position(s, sequence, position, error);
    if (!rc && wrong) index_replace(s);
    return rc;
}

int dsdn_store_read(struct dsdn_store *s, uint64_t sequence, struct dsdn_buffer *buffer,
                    struct dsdn_record *record, struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    struct dsdn_position position;
    struct dsdn_segment_record head;
    int rc = dsdn_store_position(s, sequence, &position, error);
    if (rc) return rc;
    size_t at = dsdn_segments_find(&s->segments, sequence);
    const struct dsdn_segment_info *info = &s->segments.list[at];
    struct dsdn_segment_cursor cursor = {
        .offset = position.offset, .sequence = sequence, .event = position.first_event};
    if ((rc = dsdn_store_enter(s, at, error))) return rc;
    rc = dsdn_segment_read(io_of(s), s->read_fd, info->path, info->bytes, &cursor, buffer, &head, error);
    if (rc) return rc;
    *record = (struct dsdn_record){
        .sequence = sequence,
        .batch = buffer->bytes + DSDN_RECORD_HEADER_LEN,
        .len = head.len,
        .flags = head.flags,
        .has_crc = true,
        .crc = head.crc,
        .checked = buffer->bytes + 4,
        .checked_len = buffer->len - 4,
        .file = info->path,
        .offset = position.offset,
    };
    return DSDN_OK;
}

int dsdn_store_find(struct dsdn_store *s, const uint8_t hash[32], uint64_t *sequence,
                    struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    struct dsdn_position position;
    if (!s->index)
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "no batch is found by its hash without the index");
    int rc = dsdn_index_find(s->index, hash, sequence, error);
    if (rc && dsdn_error_exit(rc) != 4) return rc;
    if (!rc) {
        if (*sequence >= s->segments.durable.next_sequence)
            return dsdn_fail(error, DSDN_E_NOT_FOUND, "the batch is not durable yet");
        rc = dsdn_store_position(s, *sequence, &position, error);
        if (rc || dsdn_equal32(position.hash, hash)) return rc; /* a damaged log is not the index's fault */
    }
    index_replace(s); /* damaged, or it names another batch */
    return dsdn_fail(error, DSDN_E_AGAIN, "the index was wrong and has been %s",
                     s->index ? "rebuilt" : "closed");
}

int dsdn_store_rebuild_index(struct dsdn_store *s, struct dsdn_error *error)
{
    struct dsdn_error local;
    uint64_t added;
    if (!error) error = &local;
    if (!s->write || !s->use_index)
        return dsdn_fail(error, DSDN_E_USAGE, "the index is rebuilt by a writing handle that uses it");
    return index_rebuild(s, &added, error);
}

/* Read one segment whole: CRC of each record, chain into the next one, SHA-256 against the trailer. */
static int verify_segment(struct dsdn_store *s, size_t at, struct dsdn_buffer *buffer, uint64_t *verified,
                          struct dsdn_error *error)
{
    const struct dsdn_segment_info *info = &s->segments.list[at];
    struct dsdn_segment_cursor cursor;
    struct dsdn_segment_record record;
    struct dsdn_segment_header header;
    struct dsdn_sha256 sha;
    uint8_t bytes[DSDN_SEGMENT_HEADER_LEN], digest[32];
    int rc = dsdn_store_enter(s, at, error);
    if (!rc)
        rc = dsdn_segment_header_read(io_of(s), s->read_fd, info->path, s->segments.durable.genesis,
                                      info->header.first_sequence, &header, error);
    if (rc) return rc;
    dsdn_segment_header_encode(&header, bytes);
    dsdn_sha256_init(&sha);
    dsdn_sha256_update(&sha, bytes, sizeof bytes);
    dsdn_segment_begin(&header, &cursor);
    while (cursor.offset < info->bytes) {
        rc =
            dsdn_segment_read(io_of(s), s->read_fd, info->path, info->bytes, &cursor, buffer, &record, error);
        if (rc) return rc;
        dsdn_sha256_update(&sha, buffer->bytes, buffer->len);
        ++*verified;
    }
    const uint8_t *head = s->segments.durable.head;
    if (at + 1 < s->segments.cnt) {
        struct dsdn_segment_trailer trailer;
        rc = dsdn_segment_trailer_read(io_of(s), s->read_fd, info->path, &header, &trailer, error);
        if (rc) return rc;
        dsdn_sha256_final(&sha, digest);
        if (!dsdn_equal32(digest, trailer.sha256))
            return dsdn_fail_at(error, DSDN_E_CHECKSUM, info->path, info->bytes + 80,
                                "the SHA-256 of the segment does not match its bytes");
        head = s->segments.list[at + 1].header.prev;
    }
    if (cursor.sequence != info->next_sequence || cursor.event != info->next_event ||
        !dsdn_equal32(cursor.head, head))
        return dsdn_fail_at(error, DSDN_E_CHAIN, info->path, info->bytes,
                            "the segment does not end where the next one or the durable record says");
    return DSDN_OK;
}

int dsdn_store_verify(struct dsdn_store *s, uint64_t *verified, struct dsdn_error *error)
{
    struct dsdn_error local;
    struct dsdn_buffer buffer = {0};
    if (!error) error = &local;
    *verified = 0;
    int rc = DSDN_OK;
    for (size_t at = 0; !rc && at < s->segments.cnt; at++)
        rc = verify_segment(s, at, &buffer, verified, error);
    dsdn_buffer_free(&buffer);
    return rc;
}
