/* source.h: where batches come from: one small interface for log directory, archive, fixture, standard input.
 *
 * A source hands out records in sequence order into a buffer that the caller owns, so that several batches
 * can be in flight on several threads.  It checks framing and bounds only; checksums, hashes and signatures
 * are checked by whoever owns the record (dsdn_record_check, statemachine/verify.h), on whatever thread is
 * free. */
#ifndef DSDN_LOG_SOURCE_H
#define DSDN_LOG_SOURCE_H

#include "log/base.h"
#include "log/error.h"

/* A growing buffer, reused from batch to batch. */
struct dsdn_buffer {
    uint8_t *bytes;
    size_t len, cap;
};

/* dsdn_buffer_reserve makes room for cap bytes in all (contents kept).  NO_MEMORY leaves it as it was. */
int dsdn_buffer_reserve(struct dsdn_buffer *buffer, size_t cap, struct dsdn_error *error);
void dsdn_buffer_free(struct dsdn_buffer *buffer);

/* This installation verified every signature before it wrote the record. */
#define DSDN_RECORD_SIGNATURES_CHECKED 1u

/* One batch as a source holds it. */
struct dsdn_record {
    uint64_t sequence;
    const uint8_t *batch; /* into the caller's buffer */
    size_t len;
    uint32_t flags; /* DSDN_RECORD_*; zero for every source but this installation's own log directory */
    bool has_crc;   /* crc must equal the CRC32C of [checked, checked + checked_len) */
    uint32_t crc;
    const uint8_t *checked;
    size_t checked_len;
    const char *file; /* for messages; lives as long as the source */
    uint64_t offset;  /* of the record in that file */
};

/* dsdn_record_check compares the checksum: 0 or DSDN_E_CHECKSUM with file, offset and sequence. */
int dsdn_record_check(const struct dsdn_record *record, struct dsdn_error *error);

struct dsdn_source;
struct dsdn_source_ops {
    /* Read the next record into buffer and describe it.  DSDN_E_AGAIN at the end. */
    int (*next)(struct dsdn_source *s, struct dsdn_buffer *buffer, struct dsdn_record *record,
                struct dsdn_error *error);
    /* Make `next` continue with this sequence.  NOT_FOUND when the source does not hold it. */
    int (*seek)(struct dsdn_source *s, uint64_t sequence, struct dsdn_error *error);
    void (*close)(struct dsdn_source *s);
};

/* What is known of a source when it is open.  Implementations embed this as their first member. */
struct dsdn_source {
    const struct dsdn_source_ops *ops;
    const char *kind;         /* "log", "archive", "fixture", "stream" */
    struct dsdn_view genesis; /* canonical GenesisDeclared, owned by the source; empty when it has none */
    uint64_t first, count;    /* sequences [first, first + count); count UINT64_MAX when not known */
    uint64_t bytes, events;   /* totals for progress; 0 when not known */
    const char *unverified;   /* NULL, or why a part of it cannot be checked ("pruned span ...") */
};

static inline int dsdn_source_next(struct dsdn_source *s, struct dsdn_buffer *buffer,
                                   struct dsdn_record *record, struct dsdn_error *error)
{
    return s->ops->next(s, buffer, record, error);
}
static inline int dsdn_source_seek(struct dsdn_source *s, uint64_t sequence, struct dsdn_error *error)
{
    return s->ops->seek(s, sequence, error);
}
static inline void dsdn_source_close(struct dsdn_source *s)
{
    if (s) s->ops->close(s);
}

#endif
