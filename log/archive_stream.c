#include "log/archive_format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

struct stream {
    struct dsdn_source source; /* first */
    struct dsdn_archive_walk walk;
    char *name;
    uint64_t next;         /* sequence at content[at] */
    uint64_t frame_offset; /* of the section in walk.content */
    size_t at;             /* walk.content.len: the frame is used up */
    struct dsdn_error end; /* why nothing more comes: code AGAIN after a good footer, 0 before the end */
};

static int stream_read(struct dsdn_archive_walk *w, void *bytes, size_t len, uint64_t offset,
                       struct dsdn_error *error)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = read(w->fd, (uint8_t *)bytes + got, len - got);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int rc = n < 0 ? dsdn_fail_errno(error, errno, "cannot read the archive stream")
                           : dsdn_fail(error, DSDN_E_TRUNCATED, "the archive stream ends before its footer");
            return dsdn_error_at(error, w->path, offset + got), rc;
        }
        got += (size_t)n;
    }
    return DSDN_OK;
}

/* The footer was good: nothing may follow it. */
static int stream_end(struct stream *s, struct dsdn_error *error)
{
    uint8_t byte;
    ssize_t n;
    do n = read(s->walk.fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    s->source.count = s->walk.info.batches;
    s->source.bytes = s->walk.info.bytes;
    s->source.events = s->walk.info.events;
    if (n == 0) return dsdn_fail(error, DSDN_E_AGAIN, "end of the archive stream");
    int rc = n < 0 ? dsdn_fail_errno(error, errno, "cannot read the archive stream")
                   : dsdn_fail(error, DSDN_E_MALFORMED, "bytes follow the footer");
    return dsdn_error_at(error, s->walk.path, s->walk.info.len), rc;
}

/* Makes walk.content[at] a batch. */
static int stream_fill(struct stream *s, struct dsdn_error *error)
{
    while (!s->end.code && s->at == s->walk.content.len) {
        struct dsdn_archive_entry entry;
        struct dsdn_error failure = DSDN_ERROR_INIT;
        int rc = dsdn_archive_walk_next(&s->walk, &entry, &failure);
        s->at = s->walk.content.len; /* blobs and the seek table hold no batches */
        if (rc == DSDN_E_AGAIN) rc = stream_end(s, &failure);
        if (rc) {
            dsdn_error_at(&failure, s->name, s->walk.state.offset);
            s->end = failure;
        } else if (s->walk.section.kind == DSDN_ARCHIVE_FRAME) {
            s->at = 0;
            s->frame_offset = entry.offset;
        }
    }
    if (s->end.code && error) *error = s->end;
    return s->end.code;
}

static int stream_next(struct dsdn_source *source, struct dsdn_buffer *buffer, struct dsdn_record *record,
                       struct dsdn_error *error)
{
    struct stream *s = (struct stream *)source;
    int rc = stream_fill(s, error);
    if (rc) return rc;
    const uint8_t *p = s->walk.content.bytes + s->at;
    size_t len = dsdn_load32(p);
    rc = dsdn_buffer_reserve(buffer, len, error);
    if (rc) return rc;
    memcpy(buffer->bytes, p + 4, len);
    buffer->len = len;
    s->at += 4 + len;
    *record = (struct dsdn_record){.sequence = s->next++,
                                   .batch = buffer->bytes,
                                   .len = len,
                                   .file = s->name,
                                   .offset = s->frame_offset};
    return DSDN_OK;
}

static int stream_seek(struct dsdn_source *source, uint64_t sequence, struct dsdn_error *error)
{
    struct stream *s = (struct stream *)source;
    int rc = DSDN_OK;
    while (s->next < sequence && !(rc = stream_fill(s, error))) {
        s->at += 4 + (size_t)dsdn_load32(s->walk.content.bytes + s->at);
        s->next++;
    }
    if (!rc && s->next == sequence) rc = stream_fill(s, error);
    if (rc && rc != DSDN_E_AGAIN) return rc;
    if (!rc && s->next == sequence) return DSDN_OK;
    dsdn_fail(error, DSDN_E_NOT_FOUND,
              rc ? "the archive stream ended before that batch, at %" PRIu64
                 : "a stream does not go back; it stands at batch %" PRIu64,
              s->next);
    if (error) error->sequence = sequence;
    return dsdn_error_at(error, s->name, DSDN_NO_OFFSET), DSDN_E_NOT_FOUND;
}

static void stream_close(struct dsdn_source *source)
{
    struct stream *s = (struct stream *)source;
    dsdn_archive_walk_free(&s->walk);
    free(s->name);
    free(s);
}

static const struct dsdn_source_ops stream_ops = {stream_next, stream_seek, stream_close};

int dsdn_archive_open_stream(int fd, const char *name, struct dsdn_source **out, struct dsdn_error *error)
{
    *out = NULL;
    struct stream *s = calloc(1, sizeof *s);
    char *copy = s ? strdup(name) : NULL;
    if (!copy) {
        free(s);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to open an archive stream");
    }
    s->name = copy;
    s->walk = (struct dsdn_archive_walk){.read = stream_read, .fd = fd, .path = copy};
    s->end = (struct dsdn_error)DSDN_ERROR_INIT;
    int rc = dsdn_archive_walk_start(&s->walk, error);
    if (rc) {
        dsdn_error_at(error, name, DSDN_NO_OFFSET);
        stream_close(&s->source);
        return rc;
    }
    s->next = s->walk.info.first;
    s->source = (struct dsdn_source){.ops = &stream_ops,
                                     .kind = "stream",
                                     .first = s->next,
                                     .count = UINT64_MAX,
                                     .genesis = {s->walk.header.bytes + DSDN_ARCHIVE_HEADER_LEN,
                                                 s->walk.header.len - DSDN_ARCHIVE_HEADER_LEN}};
    *out = &s->source;
    return DSDN_OK;
}

const struct dsdn_archive_info *dsdn_archive_stream_info(const struct dsdn_source *source)
{
    return &((const struct stream *)source)->walk.info;
}
