/* The end of the log: what is durable, the next segment, recovery after a crash, the second half of a
 * rollback. */
#include "log/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static void cut_report(struct dsdn_store_report *report, const char *path, uint64_t offset, uint64_t bytes)
{
    if (bytes == 0) return;
    if (report->cut_bytes == 0) {
        report->cut_offset = offset;
        snprintf(report->cut_file, sizeof report->cut_file, "%s", path);
    }
    report->cut_bytes += bytes;
}

/* Cut a file to `end` bytes, durably. */
static int truncate_durably(struct dsdn_store *s, int fd, const char *path, uint64_t end,
                            struct dsdn_error *error)
{
    int rc = dsdn_io_truncate(io_of(s), fd, end, path, error);
    return rc ? rc : dsdn_io_sync(io_of(s), fd, path, error);
}

int dsdn_store_record(struct dsdn_store *s, uint32_t flags, struct dsdn_error *error)
{
    struct dsdn_durable durable = s->segments.durable;
    durable.segment_first = s->tail.header.first_sequence;
    durable.segment_bytes = s->tail.next.offset;
    durable.next_sequence = s->tail.next.sequence;
    durable.next_event = s->tail.next.event;
    durable.flags = flags;
    memcpy(durable.head, s->tail.next.head, 32);
    int rc = dsdn_durable_write(io_of(s), s->segments.durable_fd, s->segments.durable_path, &durable, error);
    if (rc) return rc;
    s->segments.durable = durable;
    struct dsdn_segment_info *info = tail_info(s);
    info->bytes = durable.segment_bytes;
    info->next_sequence = durable.next_sequence;
    info->next_event = durable.next_event;
    return DSDN_OK;
}

int dsdn_store_tail_create(struct dsdn_store *s, struct dsdn_error *error)
{
    struct dsdn_segment_writer *w = &s->tail;
    struct dsdn_segment_header header = {.first_sequence = w->next.sequence, .first_event = w->next.event};
    memcpy(header.genesis, s->segments.durable.genesis, 32);
    memcpy(header.prev, w->next.head, 32);
    struct dsdn_segment_info *before = tail_info(s), *info;
    before->bytes = w->next.offset;
    before->next_sequence = w->next.sequence;
    before->next_event = w->next.event;
    int rc = dsdn_segments_push(&s->segments, header.first_sequence, &info, error);
    if (rc) return rc;
    info->header = header;
    info->bytes = DSDN_SEGMENT_HEADER_LEN;
    info->next_sequence = header.first_sequence;
    info->next_event = header.first_event;
    if (w->fd >= 0) io_of(s)->close(io_of(s)->self, w->fd);
    w->fd = -1;
    rc = dsdn_segment_create(w, info->path, &header, error);
    return rc ? rc : dsdn_io_sync_dir(io_of(s), s->segments_dir, error);
}

/* Continue with the file behind the finished tail, if it is there and follows; NOT_FOUND otherwise, *size
 * says how long the file is that does not follow. */
static int tail_follow(struct dsdn_store *s, uint64_t *size, struct dsdn_error *error)
{
    struct dsdn_segment_writer *w = &s->tail;
    struct dsdn_segment_info *info;
    struct dsdn_segment_cursor next;
    *size = 0;
    int fd, rc = dsdn_segments_push(&s->segments, w->next.sequence, &info, error);
    if (rc) return rc;
    rc = dsdn_io_open(io_of(s), info->path, O_RDWR, 0, &fd, error);
    if (!rc) {
        rc = dsdn_io_size(io_of(s), fd, size, info->path, error);
        if (!rc)
            rc = dsdn_segment_header_read(io_of(s), fd, info->path, s->segments.durable.genesis,
                                          w->next.sequence, &info->header, error);
        if (dsdn_error_exit(rc) == 4 || rc == DSDN_E_WRONG_GENESIS ||
            (!rc &&
             (info->header.first_event != w->next.event || !dsdn_equal32(info->header.prev, w->next.head))))
            rc = dsdn_fail(error, DSDN_E_NOT_FOUND, "the next segment is no segment that follows");
        if (rc) io_of(s)->close(io_of(s)->self, fd);
    }
    if (rc) {
        dsdn_segments_pop(&s->segments);
        return rc;
    }
    io_of(s)->close(io_of(s)->self, w->fd);
    dsdn_segment_begin(&info->header, &next);
    dsdn_segment_adopt(w, fd, info->path, &info->header, &next);
    info->bytes = next.offset;
    info->next_sequence = next.sequence;
    info->next_event = next.event;
    return DSDN_OK;
}

/* Is there a trailer at the writer's position that fits what is before it? */
static int tail_is_closed(struct dsdn_store *s, uint64_t size, bool *closed, struct dsdn_error *error)
{
    const struct dsdn_segment_writer *w = &s->tail;
    uint8_t bytes[DSDN_SEGMENT_TRAILER_LEN];
    struct dsdn_segment_trailer trailer;
    *closed = false;
    if (size - w->next.offset < sizeof bytes || w->next.sequence == w->header.first_sequence) return DSDN_OK;
    int rc = dsdn_io_read_at(io_of(s), w->fd, bytes, sizeof bytes, w->next.offset, w->path, error);
    if (rc || !dsdn_segment_trailer_decode(bytes, &trailer)) return rc;
    *closed = trailer.bytes == w->next.offset && trailer.first_sequence == w->header.first_sequence &&
              trailer.record_count == w->next.sequence - w->header.first_sequence &&
              trailer.last_sequence == w->next.sequence - 1 &&
              trailer.event_count == w->next.event - w->header.first_event &&
              dsdn_equal32(trailer.last_hash, w->next.head);
    return DSDN_OK;
}

/* Read the tail beyond the durable length: keep whole records that follow, cut the rest.  Goes on through a
 * trailer into the segment behind it, because a crash may come between closing and recording. */
static int recover_tail(struct dsdn_store *s, struct dsdn_store_report *report, struct dsdn_error *error)
{
    struct dsdn_segment_writer *w = &s->tail;
    struct dsdn_buffer buffer = {0};
    bool closed = true, moved = false;
    int rc = DSDN_OK;
    while (!rc && closed) {
        uint64_t size = 0;
        struct dsdn_segment_record record;
        rc = dsdn_io_size(io_of(s), w->fd, &size, w->path, error);
        while (!rc && w->next.offset < size) {
            rc = dsdn_segment_read(io_of(s), w->fd, w->path, size, &w->next, &buffer, &record, error);
            if (!rc) report->kept_records++;
        }
        if (dsdn_error_exit(rc) == 4) rc = DSDN_OK; /* torn, or the trailer: not a record in any case */
        if (!rc) rc = tail_is_closed(s, size, &closed, error);
        if (rc) break;
        uint64_t end = w->next.offset + (closed ? DSDN_SEGMENT_TRAILER_LEN : 0);
        cut_report(report, w->path, end, size - end);
        if (size > end)
            rc = truncate_durably(s, w->fd, w->path, end, error);
        else if (closed || moved || report->kept_records) /* what a kill left may be in the cache only */
            rc = dsdn_io_sync(io_of(s), w->fd, w->path, error);
        if (rc || !closed) break;
        moved = true;
        struct dsdn_segment_info *info = tail_info(s);
        info->bytes = w->next.offset;
        info->next_sequence = w->next.sequence;
        info->next_event = w->next.event;
        rc = tail_follow(s, &size, error);
        if (rc == DSDN_E_NOT_FOUND) {
            closed = false;
            rc = dsdn_store_tail_create(s, error);
            if (!rc) cut_report(report, w->path, 0, size);
        }
    }
    dsdn_buffer_free(&buffer);
    if (!rc && moved) rc = dsdn_io_sync_dir(io_of(s), s->segments_dir, error);
    return !rc && (moved || report->kept_records) ? dsdn_store_record(s, 0, error) : rc;
}

/* Remove every segment file that begins behind the tail. */
static int remove_behind(struct dsdn_store *s, uint64_t tail_first, struct dsdn_error *error)
{
    DIR *dir = opendir(s->segments_dir);
    int rc = DSDN_OK;
    if (!dir) {
        rc = dsdn_fail_errno(error, errno, "cannot list the segments");
        dsdn_error_at(error, s->segments_dir, DSDN_NO_OFFSET);
        return rc;
    }
    while (!rc) {
        char *end;
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno) {
                rc = dsdn_fail_errno(error, errno, "cannot list the segments");
                dsdn_error_at(error, s->segments_dir, DSDN_NO_OFFSET);
            }
            break;
        }
        unsigned long long first = strtoull(entry->d_name, &end, 10);
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || strcmp(end, ".seg") != 0 || errno ||
            first <= tail_first)
            continue;
        char *path = dsdn_join(s->segments_dir, entry->d_name);
        if (!path)
            rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
        else if (io_of(s)->unlink(io_of(s)->self, path) < 0) {
            rc = dsdn_fail_errno(error, errno, "cannot remove a segment that was rolled back");
            dsdn_error_at(error, path, DSDN_NO_OFFSET);
        }
        free(path);
    }
    closedir(dir);
    return rc ? rc : dsdn_io_sync_dir(io_of(s), s->segments_dir, error);
}

int dsdn_store_finish_cut(struct dsdn_store *s, struct dsdn_error *error)
{
    struct dsdn_segment_writer *w = &s->tail;
    int rc = remove_behind(s, w->header.first_sequence, error);
    if (!rc) rc = truncate_durably(s, w->fd, w->path, w->next.offset, error);
    return rc ? rc : dsdn_store_record(s, 0, error);
}

int dsdn_store_recover(struct dsdn_store *s, struct dsdn_store_report *report, struct dsdn_error *error)
{
    const struct dsdn_durable *durable = &s->segments.durable;
    struct dsdn_segment_info *info = tail_info(s);
    struct dsdn_segment_cursor next = {
        .offset = durable->segment_bytes, .sequence = durable->next_sequence, .event = durable->next_event};
    memcpy(next.head, durable->head, 32);
    int fd, rc = dsdn_io_open(io_of(s), info->path, O_RDWR, 0, &fd, error);
    if (rc) return rc;
    dsdn_segment_adopt(&s->tail, fd, info->path, &info->header, &next);
    if (!(durable->flags & DSDN_DURABLE_CUTTING)) return recover_tail(s, report, error);
    report->cut_finished = true;
    return dsdn_store_finish_cut(s, error);
}
