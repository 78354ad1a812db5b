/* The log directory as a source of batches (source.h). */
#include "log/store.h"

#include "log/segments.h"

#include <fcntl.h>
#include <stdlib.h>

struct log_source {
    struct dsdn_source base;
    struct dsdn_store *store; /* for its genesis bytes and its index */
    bool owns_store;
    struct dsdn_segments segments; /* of its own: the store's list belongs to the store's thread */
    size_t at;                     /* segment of the cursor */
    int fd;                        /* of that segment, or -1 */
    struct dsdn_segment_cursor cursor;
    uint8_t head[DSDN_RECORD_HEADER_LEN]; /* header of the next record, read with the record before it */
    bool has_head;
};

static const struct dsdn_segment_info *here(const struct log_source *s)
{
    return &s->segments.list[s->at];
}

/* Put the cursor at the first record of segment `at`. */
static int enter(struct log_source *s, size_t at, struct dsdn_error *error)
{
    const struct dsdn_io *io = s->segments.io;
    if (s->fd >= 0) io->close(io->self, s->fd);
    s->at = at;
    s->has_head = false;
    dsdn_segment_begin(&here(s)->header, &s->cursor);
    return dsdn_io_open(io, here(s)->path, O_RDONLY, 0, &s->fd, error);
}

/* The bytes of a log that is rolled back under a reader are torn away: say that instead of "truncated". */
static int explain(struct log_source *s, int rc, struct dsdn_error *error)
{
    struct dsdn_error ignored;
    bool changed, cut = false;
    if (dsdn_segments_refresh(&s->segments, &changed, &cut, &ignored) || !cut) return rc;
    return dsdn_fail_at(error, DSDN_E_CHAIN, s->segments.dir, DSDN_NO_OFFSET,
                        "the log was rolled back while it was read: open it again");
}

/* Make sure that there are bytes at the cursor: enter the next segment, or look whether more became durable.
 */
static int settle(struct log_source *s, struct dsdn_error *error)
{
    while (s->fd < 0 || s->cursor.offset >= here(s)->bytes) {
        int rc;
        if (s->fd < 0) {
            struct dsdn_segment_cursor kept = s->cursor;
            if ((rc = enter(s, s->at, error))) return rc;
            s->cursor = kept;
        } else if (s->at + 1 < s->segments.cnt) {
            if ((rc = enter(s, s->at + 1, error))) return rc;
        } else {
            bool changed, cut;
            rc = dsdn_segments_refresh(&s->segments, &changed, &cut, error);
            if (!rc && cut) rc = explain(s, DSDN_E_CHAIN, error);
            if (!rc && !changed) rc = dsdn_fail(error, DSDN_E_AGAIN, "no more batches are durable yet");
            if (rc) return rc;
        }
    }
    return DSDN_OK;
}

/* One read a record: its batch and the header of the record behind it. */
static int source_next(struct dsdn_source *base, struct dsdn_buffer *buffer, struct dsdn_record *record,
                       struct dsdn_error *error)
{
    struct log_source *s = (struct log_source *)base;
    struct dsdn_error local;
    if (!error) error = &local;
    int rc = settle(s, error);
    if (rc) return rc == DSDN_E_AGAIN ? rc : explain(s, rc, error);

    const struct dsdn_io *io = s->segments.io;
    const struct dsdn_segment_info *info = here(s);
    struct dsdn_segment_record head;
    uint64_t offset = s->cursor.offset, left = info->bytes - offset;
    if (left < DSDN_RECORD_HEADER_LEN)
        rc = dsdn_fail_at(error, DSDN_E_TRUNCATED, info->path, info->bytes,
                          "the records end inside a record header");
    else if (!s->has_head)
        rc = dsdn_io_read_at(io, s->fd, s->head, sizeof s->head, offset, info->path, error);
    if (rc) return explain(s, rc, error);
    s->has_head = true;
    dsdn_segment_record_decode(s->head, &head);
    if ((rc = dsdn_segment_check(&head, &s->cursor, info->bytes, info->path, error)))
        return explain(s, rc, error);

    size_t len = sizeof s->head + head.len;
    size_t ahead = left - len >= sizeof s->head ? sizeof s->head : 0;
    if ((rc = dsdn_buffer_reserve(buffer, len + ahead, error))) return rc;
    memcpy(buffer->bytes, s->head, sizeof s->head);
    rc = dsdn_io_read_at(io, s->fd, buffer->bytes + sizeof s->head, head.len + ahead, offset + sizeof s->head,
                         info->path, error);
    if (rc) return explain(s, rc, error);
    buffer->len = len;
    memcpy(s->head, buffer->bytes + len, ahead);
    s->has_head = ahead != 0;
    dsdn_segment_advance(&s->cursor, &head);
    *record = (struct dsdn_record){
        .sequence = head.sequence,
        .batch = buffer->bytes + sizeof s->head,
        .len = head.len,
        .flags = head.flags,
        .has_crc = true,
        .crc = head.crc,
        .checked = buffer->bytes + 4,
        .checked_len = len - 4,
        .file = info->path,
        .offset = offset,
    };
    return DSDN_OK;
}

/* Use the index's word on where sequence stands, if the record there agrees. */
static bool jump(struct log_source *s, uint64_t sequence)
{
    struct dsdn_index *index = dsdn_store_index(s->store);
    const struct dsdn_segment_info *info = here(s);
    struct dsdn_position position;
    struct dsdn_segment_record record;
    struct dsdn_error ignored;
    if (!index || dsdn_index_position(index, sequence, &position, NULL) ||
        position.segment_first != info->header.first_sequence || position.offset < DSDN_SEGMENT_HEADER_LEN ||
        position.offset >= info->bytes)
        return false;
    struct dsdn_segment_cursor place = {
        .offset = position.offset, .sequence = sequence, .event = position.first_event};
    struct dsdn_segment_cursor behind = place;
    if (dsdn_segment_hop(s->segments.io, s->fd, info->path, info->bytes, &behind, &record, &ignored) ||
        !dsdn_equal32(record.hash, position.hash))
        return false;
    s->cursor = place;
    return true;
}

static int source_seek(struct dsdn_source *base, uint64_t sequence, struct dsdn_error *error)
{
    struct log_source *s = (struct log_source *)base;
    struct dsdn_error local;
    if (!error) error = &local;
    bool changed, cut = false;
    int rc = dsdn_segments_refresh(&s->segments, &changed, &cut, error);
    if (!rc && cut) rc = explain(s, DSDN_E_CHAIN, error);
    if (rc) return rc;
    if (sequence < s->segments.durable.first_sequence || sequence > s->segments.durable.next_sequence) {
        dsdn_fail_at(error, DSDN_E_NOT_FOUND, s->segments.dir, DSDN_NO_OFFSET,
                     "the log does not hold this batch");
        return dsdn_error_in(error, sequence), DSDN_E_NOT_FOUND;
    }
    if ((rc = enter(s, dsdn_segments_find(&s->segments, sequence), error))) return explain(s, rc, error);
    if (sequence < s->segments.durable.next_sequence && jump(s, sequence)) return DSDN_OK;
    while (!rc && s->cursor.sequence < sequence) {
        struct dsdn_segment_record record;
        rc = dsdn_segment_hop(s->segments.io, s->fd, here(s)->path, here(s)->bytes, &s->cursor, &record,
                              error);
    }
    return rc ? explain(s, rc, error) : DSDN_OK;
}

static void source_close(struct dsdn_source *base)
{
    struct log_source *s = (struct log_source *)base;
    if (s->fd >= 0) s->segments.io->close(s->segments.io->self, s->fd);
    dsdn_segments_close(&s->segments);
    if (s->owns_store) dsdn_store_close(s->store);
    free(s);
}

static const struct dsdn_source_ops operations = {source_next, source_seek, source_close};

int dsdn_store_source(struct dsdn_store *store, struct dsdn_source **out, struct dsdn_error *error)
{
    struct dsdn_error local;
    if (!error) error = &local;
    *out = NULL;
    const struct dsdn_segments *known = dsdn_store_segments(store);
    struct log_source *s = calloc(1, sizeof *s);
    if (!s) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a source");
    s->store = store;
    s->fd = -1;
    int rc = dsdn_segments_open(&s->segments, known->io, known->dir, false, error);
    if (rc) {
        source_close(&s->base);
        return rc;
    }
    const struct dsdn_durable *durable = &s->segments.durable;
    s->base = (struct dsdn_source){
        .ops = &operations,
        .kind = "log",
        .genesis = dsdn_store_genesis(store),
        .first = durable->first_sequence,
        .count = durable->next_sequence - durable->first_sequence,
        .events = durable->next_event - s->segments.list[0].header.first_event,
    };
    for (size_t i = 0; i < s->segments.cnt; i++)
        s->base.bytes += s->segments.list[i].bytes - DSDN_SEGMENT_HEADER_LEN;
    dsdn_segment_begin(&here(s)->header, &s->cursor);
    *out = &s->base;
    return DSDN_OK;
}

int dsdn_log_source_open(const char *dir, const uint8_t *genesis_hash, struct dsdn_source **out,
                         struct dsdn_error *error)
{
    *out = NULL;
    struct dsdn_store *store;
    struct dsdn_store_options options = {.genesis_hash = genesis_hash};
    int rc = dsdn_store_open(dir, &options, &store, NULL, error);
    if (rc) return rc;
    rc = dsdn_store_source(store, out, error);
    if (rc) {
        dsdn_store_close(store);
        return rc;
    }
    ((struct log_source *)*out)->owns_store = true;
    return DSDN_OK;
}
