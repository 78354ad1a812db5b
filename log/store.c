#include "log/store_private.h"

#include "log/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

typedef unsigned long long ull; /* for %llu */

const struct dsdn_segments *dsdn_store_segments(const struct dsdn_store *store)
{
    return &store->segments;
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

/* ---- opening ---- */

static int lock_take(struct dsdn_store *s, const struct dsdn_io *io, const char *dir,
                     struct dsdn_error *error)
{
    char *path = dsdn_join(dir, "lock");
    if (!path) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
    int rc = dsdn_io_open(io, path, O_RDWR | O_CREAT, 0644, &s->lock_fd, error);
    if (!rc) rc = dsdn_io_lock(io, s->lock_fd, path, error);
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
    /* genesis.bin is looked for first, so that opening a directory that is no log does not leave a lock file.
     */
    int rc = dsdn_io_read_file(io, genesis, DSDN_STORE_GENESIS_MAX, &s->genesis, &s->genesis_len, error);
    free(genesis);
    if (!rc && s->write) rc = lock_take(s, io, dir, error);
    if (!rc) rc = dsdn_segments_open(&s->segments, io, dir, s->write, error);
    if (rc) return rc;
    report->slot_damaged = s->segments.slot_damaged;
    if (options->genesis_hash && !dsdn_equal32(options->genesis_hash, s->segments.durable.genesis))
        return dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, dir, DSDN_NO_OFFSET,
                            "the log belongs to another network");
    return s->write ? dsdn_store_recover(s, report, error) : DSDN_OK;
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
    if (s->use_index) dsdn_store_index_start(s, report);
    *out = s;
    return DSDN_OK;
}

void dsdn_store_close(struct dsdn_store *s)
{
    if (!s) return;
    const struct dsdn_io *io = io_of(s);
    /* Positions of batches that are not durable must not be committed. */
    if (s->write && s->tail.fd >= 0 && s->tail.next.sequence == s->segments.durable.next_sequence)
        dsdn_store_index_commit(s, 1);
    dsdn_store_index_lose(s);
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

/* Only a durable record that is surely not there allows a new log: its first segment is truncated. */
static int refuse_existing(const struct dsdn_store *s, struct dsdn_error *error)
{
    int fd, rc = dsdn_io_open(io_of(s), s->segments.durable_path, O_RDONLY, 0, &fd, error);
    if (rc) return rc == DSDN_E_NOT_FOUND ? DSDN_OK : rc;
    io_of(s)->close(io_of(s)->self, fd);
    return dsdn_fail_at(error, DSDN_E_EXISTS, s->segments.dir, DSDN_NO_OFFSET, "there is a log already");
}

int dsdn_store_create(const char *dir, const struct dsdn_store_options *options, struct dsdn_view genesis,
                      const uint8_t genesis_hash[32], const struct dsdn_store_start *begin,
                      struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    const struct dsdn_io *io = options && options->io ? options->io : &dsdn_io_system;
    if (genesis.len > DSDN_STORE_GENESIS_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a genesis of %zu bytes, at most %zu are allowed",
                         genesis.len, DSDN_STORE_GENESIS_MAX);
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
    if (!rc) rc = refuse_existing(s, error);
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

struct dsdn_index *dsdn_store_index(struct dsdn_store *s)
{
    return s->index;
}

/* ---- writing ---- */

/* Close the tail and begin the next segment: trailer, fsync, new file, fsync of file and directory, durable
 * record. */
static int roll(struct dsdn_store *s, struct dsdn_error *error)
{
    int rc = dsdn_segment_flush(&s->tail, error);
    if (rc) return rc; /* nothing has happened yet */
    rc = dsdn_segment_finish(&s->tail, error);
    if (!rc) rc = dsdn_store_tail_create(s, error);
    if (!rc) rc = dsdn_store_record(s, 0, error);
    if (rc) return poison(s, rc, error);
    dsdn_store_index_commit(s, DSDN_INDEX_COMMIT_EVERY);
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
        return dsdn_fail(error, DSDN_E_USAGE, "batch %llu cannot be appended, the next one is %llu",
                         (ull)sequence, (ull)w->next.sequence);
    if (len == 0 || len > DSDN_BATCH_LIMIT || (flags & ~DSDN_RECORD_SIGNATURES_CHECKED))
        return dsdn_fail(error, flags & ~DSDN_RECORD_SIGNATURES_CHECKED ? DSDN_E_USAGE : DSDN_E_TOO_LARGE,
                         "a batch of %zu bytes (1 to %u are allowed) with flags %x", len, DSDN_BATCH_LIMIT,
                         flags);
    if (w->next.sequence != w->header.first_sequence &&
        w->next.offset + DSDN_RECORD_HEADER_LEN + len + DSDN_SEGMENT_TRAILER_LEN > s->segment_bytes &&
        (rc = roll(s, error)))
        return rc;
    struct dsdn_segment_record record = {
        .len = (uint32_t)len, .sequence = sequence, .first_event = w->next.event, .event_count = event_count};
    memcpy(record.hash, hash, 32);
    uint64_t offset = w->next.offset;
    rc = dsdn_segment_append(w, batch, (uint32_t)len, hash, event_count, flags, error);
    if (!rc) dsdn_store_index_put(s, w->header.first_sequence, offset, &record);
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
    if (!rc) rc = dsdn_store_record(s, 0, error);
    if (rc) return poison(s, rc, error);
    dsdn_store_index_commit(s, DSDN_INDEX_COMMIT_EVERY);
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
        return dsdn_fail(error, DSDN_E_USAGE,
                         "cannot roll back to batch %llu: batches [%llu, %llu) may be cut",
                         (ull)next_sequence, (ull)durable->sealed_next, (ull)s->tail.next.sequence);
    /* From one durable state to another: the record below may not speak of bytes that are not durable. */
    if ((rc = dsdn_store_sync(s, error))) return rc;
    size_t at = dsdn_segments_find(&s->segments, next_sequence);
    const struct dsdn_segment_info *info = &s->segments.list[at];
    struct dsdn_segment_cursor next;
    struct dsdn_segment_record record;
    dsdn_segment_begin(&info->header, &next);
    rc = dsdn_store_enter(s, at, error);
    while (!rc && next.sequence < next_sequence)
        rc = dsdn_segment_hop(io_of(s), s->read_fd, info->path, info->bytes, &next, &record, error);
    if (s->read_fd >= 0) io_of(s)->close(io_of(s)->self, s->read_fd);
    s->read_fd = -1;
    if (!rc) rc = tail_return(s, at, &next, error);
    if (rc) return rc;
    s->segments.durable.cuts++;
    rc = dsdn_store_record(s, DSDN_DURABLE_CUTTING, error); /* from here on the new log is the log */
    if (!rc) rc = dsdn_store_finish_cut(s, error);
    if (rc) return poison(s, rc, error);
    if (s->index && (dsdn_index_cut(s->index, next_sequence, NULL) || dsdn_index_commit(s->index, NULL)))
        dsdn_store_index_lose(s);
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
