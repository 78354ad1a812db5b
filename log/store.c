#include "log/store.h"

#include "log/batch.h"
#include "log/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INDEX_COMMIT_EVERY 4096u /* puts in one transaction of the index */

typedef unsigned long long ull; /* for %llu */

struct dsdn_store {
    struct dsdn_segments segments;   /* what is durable; the tail's entry too */
    struct dsdn_segment_writer tail; /* fd -1 when reading */
    struct dsdn_error poison;        /* code != 0: no more writes */
    struct dsdn_index *index;
    char *index_dir, *segments_dir;
    uint8_t *genesis;
    size_t genesis_len;
    uint64_t segment_bytes;
    int lock_fd;
    bool write, use_index;
    int read_fd; /* of the segment that was read last */
    uint64_t read_first;
};

const struct dsdn_segments *dsdn_store_segments(const struct dsdn_store *store) { return &store->segments; }

static const struct dsdn_io *io_of(const struct dsdn_store *s) { return s->segments.io; }

static struct dsdn_segment_info *tail_info(const struct dsdn_store *s)
{
    return &s->segments.list[s->segments.cnt - 1];
}

static int poison(struct dsdn_store *s, int rc, const struct dsdn_error *error)
{
    s->poison = *error;
    return rc;
}

/* Why this handle may not write now: 0, USAGE, or the error that poisoned it. */
static int refuse_write(const struct dsdn_store *s, struct dsdn_error *error)
{
    if (!s->write) return dsdn_fail(error, DSDN_E_USAGE, "the log is open for reading only");
    if (s->poison.code) *error = s->poison;
    return s->poison.code;
}

/* ---- the index: always optional, never a reason to fail ---- */

static void index_lose(struct dsdn_store *s)
{
    dsdn_index_close(s->index);
    s->index = NULL;
}

static void index_put(struct dsdn_store *s, uint64_t segment_first, uint64_t offset,
                      const struct dsdn_segment_record *record)
{
    if (!s->index) return;
    struct dsdn_position position = {.segment_first = segment_first, .offset = offset, .len = record->len,
                                     .first_event = record->first_event, .event_count = record->event_count};
    memcpy(position.hash, record->hash, 32);
    if (dsdn_index_put_position(s->index, record->sequence, &position, NULL)) index_lose(s);
}

static void index_commit(struct dsdn_store *s, uint32_t pending_min)
{
    if (s->index && dsdn_index_pending(s->index) >= pending_min && dsdn_index_commit(s->index, NULL)) index_lose(s);
}

/* Open the segment `at` for reading, or take the descriptor that is open already. */
static int read_fd(struct dsdn_store *s, size_t at, struct dsdn_error *error)
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
    struct dsdn_segment_cursor cursor = {.offset = position->offset, .sequence = sequence,
                                         .event = position->first_event};
    int rc = read_fd(s, at, error);
    if (rc) return rc;
    if (position->segment_first == info->header.first_sequence && position->offset >= DSDN_SEGMENT_HEADER_LEN &&
        position->offset < info->bytes) {
        rc = dsdn_segment_hop(io_of(s), s->read_fd, info->path, info->bytes, &cursor, &record, error);
        if (rc && dsdn_error_exit(rc) != 4) return rc;
        if (!rc && record.len == position->len && record.event_count == position->event_count &&
            dsdn_equal32(record.hash, position->hash))
            return DSDN_OK;
    }
    return dsdn_fail(error, DSDN_E_NOT_FOUND, "the index does not agree with the log at batch %llu", (ull)sequence);
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
        if ((rc = read_fd(s, at, error))) return rc;
        while (cursor.offset < info->bytes) {
            uint64_t offset = cursor.offset;
            rc = dsdn_segment_hop(io_of(s), s->read_fd, info->path, info->bytes, &cursor, &record, error);
            if (rc) return rc;
            struct dsdn_position position = {.segment_first = info->header.first_sequence, .offset = offset,
                                             .len = record.len, .first_event = record.first_event,
                                             .event_count = record.event_count};
            memcpy(position.hash, record.hash, 32);
            rc = dsdn_index_put_position(s->index, record.sequence, &position, error);
            if (!rc && dsdn_index_pending(s->index) >= INDEX_COMMIT_EVERY) rc = dsdn_index_commit(s->index, error);
            if (rc) return rc;
            ++*added;
        }
    }
    return dsdn_index_commit(s->index, error);
}

/* Drop what is there and make the index anew. */
static int index_rebuild(struct dsdn_store *s, uint64_t *added, struct dsdn_error *error)
{
    index_lose(s);
    int rc = dsdn_index_drop(s->index_dir, error);
    if (!rc) rc = dsdn_index_open(s->index_dir, s->segments.durable.genesis, true, &s->index, error);
    if (!rc) rc = index_catch_up(s, added, error);
    if (!rc) rc = dsdn_index_sync(s->index, error);
    if (rc) index_lose(s);
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
        index_lose(s);
}

static void index_start(struct dsdn_store *s, struct dsdn_store_report *report)
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
        index_lose(s);
    snprintf(report->index_reason, sizeof report->index_reason, "%.*s", (int)sizeof report->index_reason - 1,
             why.message);
}

/* ---- opening ---- */

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
static int truncate_durably(struct dsdn_store *s, int fd, const char *path, uint64_t end, struct dsdn_error *error)
{
    int rc = dsdn_io_truncate(io_of(s), fd, end, path, error);
    return rc ? rc : dsdn_io_sync(io_of(s), fd, path, error);
}

/* Record the writer's position as durable.  The caller has synced the tail. */
static int record_durable(struct dsdn_store *s, uint32_t flags, struct dsdn_error *error)
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

/* Add the segment behind the (finished) tail: a new file, durable with its name. */
static int tail_create(struct dsdn_store *s, struct dsdn_error *error)
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

/* Continue with the file behind the finished tail, if it is there and follows; NOT_FOUND otherwise, *size says how long
 * the file is that does not follow. */
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
            rc = dsdn_segment_header_read(io_of(s), fd, info->path, s->segments.durable.genesis, w->next.sequence,
                                          &info->header, error);
        if (dsdn_error_exit(rc) == 4 || rc == DSDN_E_WRONG_GENESIS ||
            (!rc && (info->header.first_event != w->next.event ||
                     !dsdn_equal32(info->header.prev, w->next.head))))
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
              trailer.last_sequence == w->next.sequence - 1 &&
              trailer.event_count == w->next.event - w->header.first_event &&
              dsdn_equal32(trailer.last_hash, w->next.head);
    return DSDN_OK;
}

/* Read the tail beyond the durable length: keep whole records that follow, cut the rest.  Goes on through a trailer
 * into the segment behind it, because a crash may come between closing and recording. */
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
            rc = tail_create(s, error);
            if (!rc) cut_report(report, w->path, 0, size);
        }
    }
    dsdn_buffer_free(&buffer);
    if (!rc && moved) rc = dsdn_io_sync_dir(io_of(s), s->segments_dir, error);
    return !rc && (moved || report->kept_records) ? record_durable(s, 0, error) : rc;
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
    for (struct dirent *entry; !rc && (entry = readdir(dir));) {
        char *end;
        errno = 0;
        ull first = strtoull(entry->d_name, &end, 10);
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

/* The second half of a rollback, after its durable record: take away what is beyond the new end. */
static int finish_cut(struct dsdn_store *s, struct dsdn_error *error)
{
    struct dsdn_segment_writer *w = &s->tail;
    int rc = remove_behind(s, w->header.first_sequence, error);
    if (!rc) rc = truncate_durably(s, w->fd, w->path, w->next.offset, error);
    return rc ? rc : record_durable(s, 0, error);
}

/* Put the writer at the durable end and repair what a crash left beyond it. */
static int writer_start(struct dsdn_store *s, struct dsdn_store_report *report, struct dsdn_error *error)
{
    const struct dsdn_durable *durable = &s->segments.durable;
    struct dsdn_segment_info *info = tail_info(s);
    struct dsdn_segment_cursor next = {.offset = durable->segment_bytes, .sequence = durable->next_sequence,
                                       .event = durable->next_event};
    memcpy(next.head, durable->head, 32);
    int fd, rc = dsdn_io_open(io_of(s), info->path, O_RDWR, 0, &fd, error);
    if (rc) return rc;
    dsdn_segment_adopt(&s->tail, fd, info->path, &info->header, &next);
    if (!(durable->flags & DSDN_DURABLE_CUTTING)) return recover_tail(s, report, error);
    report->cut_finished = true;
    return finish_cut(s, error);
}

static int lock_take(struct dsdn_store *s, const struct dsdn_io *io, const char *dir, struct dsdn_error *error)
{
    char *path = dsdn_join(dir, "lock");
    if (!path) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
    int rc = dsdn_io_open(io, path, O_RDWR | O_CREAT, 0644, &s->lock_fd, error);
    if (!rc) {
        int taken;
        do taken = io->lock(io->self, s->lock_fd);
        while (taken < 0 && errno == EINTR);
        if (taken < 0) {
            rc = errno == EWOULDBLOCK ? dsdn_fail(error, DSDN_E_LOCKED, "another process is writing this log")
                                      : dsdn_fail_errno(error, errno, "cannot lock the log");
            dsdn_error_at(error, path, DSDN_NO_OFFSET);
        }
    }
    free(path);
    return rc;
}

/* Everything of dsdn_store_open but the index, into a store that the caller releases on failure. */
static int start(struct dsdn_store *s, const struct dsdn_io *io, const char *dir,
                 const struct dsdn_store_options *options, struct dsdn_store_report *report,
                 struct dsdn_error *error)
{
    s->segments.durable_fd = s->lock_fd = s->read_fd = s->tail.fd = -1;
    s->segments.io = s->tail.io = io;
    s->write = options->write;
    s->use_index = !options->no_index;
    s->segment_bytes = options->segment_bytes ? options->segment_bytes : DSDN_SEGMENT_BYTES;
    s->index_dir = dsdn_join(dir, "index");
    s->segments_dir = dsdn_join(dir, "segments");
    char *genesis = dsdn_join(dir, "genesis.bin");
    if (!s->index_dir || !s->segments_dir || !genesis) {
        free(genesis);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
    }
    /* genesis.bin is looked for first, so that opening a directory that is no log does not leave a lock file. */
    int rc = dsdn_io_read_file(io, genesis, DSDN_STORE_GENESIS_MAX, &s->genesis, &s->genesis_len, error);
    free(genesis);
    if (!rc && s->write) rc = lock_take(s, io, dir, error);
    if (!rc) rc = dsdn_segments_open(&s->segments, io, dir, s->write, error);
    if (rc) return rc;
    report->slot_damaged = s->segments.slot_damaged;
    if (options->genesis_hash && !dsdn_equal32(options->genesis_hash, s->segments.durable.genesis))
        return dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, dir, DSDN_NO_OFFSET, "the log belongs to another network");
    return s->write ? writer_start(s, report, error) : DSDN_OK;
}

int dsdn_store_open(const char *dir, const struct dsdn_store_options *options, struct dsdn_store **out,
                    struct dsdn_store_report *report, struct dsdn_error *error)
{
    static const struct dsdn_store_options standard;
    struct dsdn_store_report unread;
    struct dsdn_error local;
    if (!options) options = &standard;
    if (!report) report = &unread;
    if (!error) error = &local;
    memset(report, 0, sizeof *report);
    *out = NULL;
    struct dsdn_store *s = calloc(1, sizeof *s);
    if (!s) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a log");
    int rc = start(s, options->io ? options->io : &dsdn_io_system, dir, options, report, error);
    if (rc) {
        dsdn_store_close(s);
        return rc;
    }
    if (s->use_index) index_start(s, report);
    *out = s;
    return DSDN_OK;
}

void dsdn_store_close(struct dsdn_store *s)
{
    if (!s) return;
    const struct dsdn_io *io = io_of(s);
    /* Positions of batches that are not durable must not be committed. */
    if (s->write && s->tail.fd >= 0 && s->tail.next.sequence == s->segments.durable.next_sequence) index_commit(s, 1);
    index_lose(s);
    dsdn_segment_release(&s->tail);
    if (s->read_fd >= 0) io->close(io->self, s->read_fd);
    dsdn_segments_close(&s->segments);
    if (s->lock_fd >= 0) io->close(io->self, s->lock_fd);
    free(s->index_dir);
    free(s->segments_dir);
    free(s->genesis);
    free(s);
}

/* ---- making a log ---- */

static int make_dir(const struct dsdn_io *io, const char *path, struct dsdn_error *error)
{
    if (io->mkdir(io->self, path, 0755) == 0 || errno == EEXIST) return DSDN_OK;
    int rc = dsdn_fail_errno(error, errno, "cannot make the directory");
    dsdn_error_at(error, path, DSDN_NO_OFFSET);
    return rc;
}

/* Make the parts of a log in the order that leaves no log when it is interrupted: DIR/durable comes last. */
static int create_parts(struct dsdn_store *s, const struct dsdn_io *io, struct dsdn_view genesis,
                        struct dsdn_durable *durable, struct dsdn_error *error)
{
    char *checkpoints = dsdn_join(s->segments.dir, "checkpoints");
    char *genesis_path = dsdn_join(s->segments.dir, "genesis.bin");
    int rc = checkpoints && genesis_path ? make_dir(io, s->segments_dir, error)
                                         : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
    if (!rc) rc = make_dir(io, checkpoints, error);
    if (!rc) rc = dsdn_io_write_file(io, genesis_path, genesis.bytes, genesis.len, error);
    free(checkpoints);
    free(genesis_path);
    if (rc) return rc;
    struct dsdn_segment_header header = {.first_sequence = durable->first_sequence,
                                         .first_event = durable->next_event};
    struct dsdn_segment_info *info;
    memcpy(header.genesis, durable->genesis, 32);
    memcpy(header.prev, durable->head, 32);
    rc = dsdn_segments_push(&s->segments, header.first_sequence, &info, error);
    if (!rc) rc = dsdn_segment_create(&s->tail, info->path, &header, error);
    if (!rc) rc = dsdn_io_sync_dir(io, s->segments_dir, error);
    if (!rc) rc = dsdn_io_sync_dir(io, s->segments.dir, error);
    return rc ? rc : dsdn_durable_create(io, s->segments.durable_path, durable, error);
}

int dsdn_store_create(const char *dir, const struct dsdn_store_options *options, struct dsdn_view genesis,
                      const uint8_t genesis_hash[32], const struct dsdn_store_start *begin,
                      struct dsdn_error *error)
{
    struct dsdn_error local, ignored;
    if (!error) error = &local;
    const struct dsdn_io *io = options && options->io ? options->io : &dsdn_io_system;
    if (genesis.len > DSDN_STORE_GENESIS_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a genesis of %zu bytes, at most %zu are allowed", genesis.len,
                         DSDN_STORE_GENESIS_MAX);
    struct dsdn_durable durable = {.counter = 1, .segment_bytes = DSDN_SEGMENT_HEADER_LEN};
    memcpy(durable.genesis, genesis_hash, 32);
    memcpy(durable.head, begin ? begin->prev : genesis_hash, 32);
    if (begin) {
        durable.first_sequence = durable.segment_first = durable.next_sequence = begin->sequence;
        durable.sealed_next = begin->sequence;
        durable.next_event = begin->event;
    }
    struct dsdn_store *s = calloc(1, sizeof *s);
    if (!s) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a log");
    s->segments.io = s->tail.io = io;
    s->segments.durable_fd = s->lock_fd = s->read_fd = s->tail.fd = -1;
    s->segments.dir = strdup(dir);
    s->segments.durable_path = dsdn_join(dir, "durable");
    s->segments_dir = dsdn_join(dir, "segments");
    char *above = dsdn_join(dir, "..");
    int rc = s->segments.dir && s->segments.durable_path && s->segments_dir && above
                 ? make_dir(io, dir, error)
                 : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
    if (!rc) rc = lock_take(s, io, dir, error);
    int fd;
    if (!rc && !dsdn_io_open(io, s->segments.durable_path, O_RDONLY, 0, &fd, &ignored)) {
        io->close(io->self, fd);
        rc = dsdn_fail_at(error, DSDN_E_EXISTS, dir, DSDN_NO_OFFSET, "there is a log already");
    }
    if (!rc) rc = create_parts(s, io, genesis, &durable, error);
    if (!rc) rc = dsdn_io_sync_dir(io, above, error);
    free(above);
    dsdn_store_close(s);
    return rc;
}

/* ---- asking ---- */

void dsdn_store_info(const struct dsdn_store *s, struct dsdn_store_info *info)
{
    const struct dsdn_durable *durable = &s->segments.durable;
    *info = (struct dsdn_store_info){
        .first_sequence = durable->first_sequence,
        .first_event = s->segments.list[0].header.first_event,
        .next_sequence = s->write ? s->tail.next.sequence : durable->next_sequence,
        .next_event = s->write ? s->tail.next.event : durable->next_event,
        .durable_next = durable->next_sequence,
        .sealed_next = durable->sealed_next,
        .segments = s->segments.cnt,
    };
    memcpy(info->genesis, durable->genesis, 32);
    memcpy(info->head, s->write ? s->tail.next.head : durable->head, 32);
    for (size_t i = 0; i < s->segments.cnt; i++)
        info->bytes += s->segments.list[i].bytes - DSDN_SEGMENT_HEADER_LEN;
    if (s->write) info->bytes += s->tail.next.offset - tail_info(s)->bytes;
}

struct dsdn_view dsdn_store_genesis(const struct dsdn_store *s)
{
    return (struct dsdn_view){s->genesis, s->genesis_len};
}

struct dsdn_index *dsdn_store_index(struct dsdn_store *s) { return s->index; }

/* ---- writing ---- */

/* Close the tail and begin the next segment: trailer, fsync, new file, fsync of file and directory, durable record. */
static int roll(struct dsdn_store *s, struct dsdn_error *error)
{
    int rc = dsdn_segment_flush(&s->tail, error);
    if (rc) return rc; /* nothing has happened yet */
    rc = dsdn_segment_finish(&s->tail, error);
    if (!rc) rc = tail_create(s, error);
    if (!rc) rc = record_durable(s, 0, error);
    if (rc) return poison(s, rc, error);
    index_commit(s, INDEX_COMMIT_EVERY);
    return DSDN_OK;
}

int dsdn_store_append(struct dsdn_store *s, const uint8_t *batch, size_t len, uint64_t sequence,
                      const uint8_t hash[32], uint32_t event_count, uint32_t flags, struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    int rc = refuse_write(s, error);
    if (rc) return rc;
    struct dsdn_segment_writer *w = &s->tail;
    if (sequence != w->next.sequence)
        return dsdn_fail(error, DSDN_E_USAGE, "batch %llu cannot be appended, the next one is %llu", (ull)sequence,
                         (ull)w->next.sequence);
    if (len == 0 || len > DSDN_BATCH_LIMIT || (flags & ~DSDN_RECORD_SIGNATURES_CHECKED))
        return dsdn_fail(error, flags & ~DSDN_RECORD_SIGNATURES_CHECKED ? DSDN_E_USAGE : DSDN_E_TOO_LARGE,
                         "a batch of %zu bytes (1 to %u are allowed) with flags %x", len, DSDN_BATCH_LIMIT, flags);
    if (w->next.sequence != w->header.first_sequence &&
        w->next.offset + DSDN_RECORD_HEADER_LEN + len + DSDN_SEGMENT_TRAILER_LEN > s->segment_bytes &&
        (rc = roll(s, error)))
        return rc;
    struct dsdn_segment_record record = {.len = (uint32_t)len, .sequence = sequence, .first_event = w->next.event,
                                         .event_count = event_count};
    memcpy(record.hash, hash, 32);
    uint64_t offset = w->next.offset;
    rc = dsdn_segment_append(w, batch, (uint32_t)len, hash, event_count, flags, error);
    if (!rc) index_put(s, w->header.first_sequence, offset, &record);
    return rc;
}

int dsdn_store_sync(struct dsdn_store *s, struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    int rc = refuse_write(s, error);
    if (rc || s->tail.next.sequence == s->segments.durable.next_sequence) return rc;
    if ((rc = dsdn_segment_flush(&s->tail, error))) return rc;
    rc = dsdn_io_sync(io_of(s), s->tail.fd, s->tail.path, error);
    if (!rc) rc = record_durable(s, 0, error);
    if (rc) return poison(s, rc, error);
    index_commit(s, INDEX_COMMIT_EVERY);
    return DSDN_OK;
}

/* Make the segment `at` the tail again, with the writer at `next` inside it. */
static int tail_return(struct dsdn_store *s, size_t at, const struct dsdn_segment_cursor *next,
                       struct dsdn_error *error)
{
    struct dsdn_segment_info *info = &s->segments.list[at];
    int fd, rc = dsdn_io_open(io_of(s), info->path, O_RDWR, 0, &fd, error);
    if (rc) return rc;
    io_of(s)->close(io_of(s)->self, s->tail.fd);
    dsdn_segment_adopt(&s->tail, fd, info->path, &info->header, next);
    while (s->segments.cnt > at + 1) dsdn_segments_pop(&s->segments);
    return DSDN_OK;
}

int dsdn_store_cut(struct dsdn_store *s, uint64_t next_sequence, struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    int rc = refuse_write(s, error);
    if (rc || next_sequence == s->tail.next.sequence) return rc;
    const struct dsdn_durable *durable = &s->segments.durable;
    if (next_sequence > s->tail.next.sequence || next_sequence < durable->first_sequence ||
        next_sequence < durable->sealed_next)
        return dsdn_fail(error, DSDN_E_USAGE, "cannot roll back to batch %llu: batches [%llu, %llu) may be cut",
                         (ull)next_sequence, (ull)durable->sealed_next, (ull)s->tail.next.sequence);
    /* From one durable state to another: the record below may not speak of bytes that are not durable. */
    if ((rc = dsdn_store_sync(s, error))) return rc;
    size_t at = dsdn_segments_find(&s->segments, next_sequence);
    const struct dsdn_segment_info *info = &s->segments.list[at];
    struct dsdn_segment_cursor next;
    struct dsdn_segment_record record;
    dsdn_segment_begin(&info->header, &next);
    rc = read_fd(s, at, error);
    while (!rc && next.sequence < next_sequence)
        rc = dsdn_segment_hop(io_of(s), s->read_fd, info->path, info->bytes, &next, &record, error);
    if (s->read_fd >= 0) io_of(s)->close(io_of(s)->self, s->read_fd);
    s->read_fd = -1;
    if (!rc) rc = tail_return(s, at, &next, error);
    if (rc) return rc;
    s->segments.durable.cuts++;
    rc = record_durable(s, DSDN_DURABLE_CUTTING, error); /* from here on the new log is the log */
    if (!rc) rc = finish_cut(s, error);
    if (rc) return poison(s, rc, error);
    if (s->index && (dsdn_index_cut(s->index, next_sequence, NULL) || dsdn_index_commit(s->index, NULL)))
        index_lose(s);
    return DSDN_OK;
}

int dsdn_store_seal(struct dsdn_store *s, uint64_t settled_next, struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    int rc = refuse_write(s, error);
    if (rc) return rc;
    uint64_t sealed = s->segments.durable.sealed_next;
    for (size_t i = 0; i + 1 < s->segments.cnt; i++)
        if (s->segments.list[i].next_sequence <= settled_next && s->segments.list[i].next_sequence > sealed)
            sealed = s->segments.list[i].next_sequence;
    if (sealed == s->segments.durable.sealed_next) return DSDN_OK;
    /* Only the mark moves: what is appended and not synced stays out of the record. */
    struct dsdn_durable durable = s->segments.durable;
    durable.sealed_next = sealed;
    rc = dsdn_durable_write(io_of(s), s->segments.durable_fd, s->segments.durable_path, &durable, error);
    if (rc) return poison(s, rc, error);
    s->segments.durable = durable;
    return DSDN_OK;
}

/* ---- reading ---- */

static int scan_position(struct dsdn_store *s, uint64_t sequence, struct dsdn_position *position,
                         struct dsdn_error *error)
{
    size_t at = dsdn_segments_find(&s->segments, sequence);
    const struct dsdn_segment_info *info = &s->segments.list[at];
    struct dsdn_segment_cursor cursor;
    struct dsdn_segment_record record = {0};
    dsdn_segment_begin(&info->header, &cursor);
    int rc = read_fd(s, at, error);
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
        dsdn_fail_at(error, DSDN_E_NOT_FOUND, s->segments.dir, DSDN_NO_OFFSET, "the log does not hold this batch");
        return dsdn_error_in(error, sequence);
    }
    if (!s->index) return scan_position(s, sequence, position, error);
    int known = dsdn_index_position(s->index, sequence, position, error);
    int rc = known ? known : position_check(s, sequence, position, error);
    if (!rc) return DSDN_OK;
    /* A reader's index may be behind the log; a writer's is complete.  Everything else is a wrong index, unless
     * the log itself is damaged: then the scan says so. */
    bool behind = known == DSDN_E_NOT_FOUND && !s->write;
    rc = scan_position(s, sequence, position, error);
    if (!rc && !behind) index_replace(s);
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
    struct dsdn_segment_cursor cursor = {.offset = position.offset, .sequence = sequence,
                                         .event = position.first_event};
    if ((rc = read_fd(s, at, error))) return rc;
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

int dsdn_store_find(struct dsdn_store *s, const uint8_t hash[32], uint64_t *sequence, struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    struct dsdn_position position;
    if (!s->index) return dsdn_fail(error, DSDN_E_NOT_FOUND, "no batch is found by its hash without the index");
    int rc = dsdn_index_find(s->index, hash, sequence, error);
    if (!rc && *sequence >= s->segments.durable.next_sequence)
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "the batch is not durable yet");
    if (!rc) rc = dsdn_store_position(s, *sequence, &position, error);
    if (!rc && dsdn_equal32(position.hash, hash)) return DSDN_OK;
    if (rc == DSDN_E_NOT_FOUND || (rc && dsdn_error_exit(rc) != 4)) return rc;
    index_replace(s); /* damaged, or it names another batch */
    return dsdn_fail(error, DSDN_E_AGAIN, "the index was wrong and has been %s", s->index ? "rebuilt" : "closed");
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
    int rc = read_fd(s, at, error);
    if (!rc)
        rc = dsdn_segment_header_read(io_of(s), s->read_fd, info->path, s->segments.durable.genesis,
                                      info->header.first_sequence, &header, error);
    if (rc) return rc;
    dsdn_segment_header_encode(&header, bytes);
    dsdn_sha256_init(&sha);
    dsdn_sha256_update(&sha, bytes, sizeof bytes);
    dsdn_segment_begin(&header, &cursor);
    while (cursor.offset < info->bytes) {
        rc = dsdn_segment_read(io_of(s), s->read_fd, info->path, info->bytes, &cursor, buffer, &record, error);
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
    for (size_t at = 0; !rc && at < s->segments.cnt; at++) rc = verify_segment(s, at, &buffer, verified, error);
    dsdn_buffer_free(&buffer);
    return rc;
}
