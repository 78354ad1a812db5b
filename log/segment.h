/* segment.h: one file of the log directory: header, records, and a trailer once it is closed.
 *
 * All integers are little-endian; every byte of a segment is covered by a CRC32C or by the trailer's SHA-256.
 * Header, 92 bytes:
 *     0 magic "DSDNSEG1"    8 genesis[32]    40 first_sequence u64    48 first_event u64
 *    56 prev[32] (batch hash of first_sequence - 1; the genesis hash for 0)    88 crc32c u32 over [0, 88)
 * Record, 64 bytes, then the batch:
 *     0 crc32c u32 over [4, 64 + len)    4 len u32 (bytes of the batch)    8 sequence u64
 *    16 first_event u64 (ordinal of its first event in the whole log)    24 event_count u32
 *    28 flags u32 (DSDN_RECORD_*)    32 batch hash[32]    64 batch
 * Trailer, 116 bytes, the end of a closed segment:
 *     0 magic "DSDNTRLR"    8 record_count u64    16 first_sequence u64    24 last_sequence u64
 *    32 last batch hash[32]    64 bytes u64 (length of the file before the trailer)    72 event_count u64
 *    80 SHA-256[32] of [0, bytes)    112 crc32c u32 over [0, 112)
 * The trailer's magic reads as a record of length 0x524c5254, far above DSDN_BATCH_LIMIT, so one look tells
 * them apart.  A batch is opaque here: whether it is a batch, and of this chain, is judged by
 * statemachine/verify.h. The directory around the segments, and what is durable, is store.h.
 * docs/formats/log-directory.md says all of this again for somebody who writes another reader.
 *
 * `path` is always the name for messages; the caller keeps it.  `error` may not be NULL in this header: the
 * functions are parts of store.h, which sees to it. */
#ifndef DSDN_LOG_SEGMENT_H
#define DSDN_LOG_SEGMENT_H

#include "log/hash.h"
#include "log/io.h"
#include "log/source.h"

#define DSDN_SEGMENT_HEADER_LEN  92u
#define DSDN_RECORD_HEADER_LEN   64u
#define DSDN_SEGMENT_TRAILER_LEN 116u

struct dsdn_segment_header {
    uint8_t genesis[32];
    uint64_t first_sequence, first_event;
    uint8_t prev[32];
};

struct dsdn_segment_record {
    uint32_t crc, len;
    uint64_t sequence, first_event;
    uint32_t event_count, flags;
    uint8_t hash[32];
};

struct dsdn_segment_trailer {
    uint64_t record_count, first_sequence, last_sequence;
    uint8_t last_hash[32];
    uint64_t bytes, event_count;
    uint8_t sha256[32];
};

/* A place between two records of a segment, and what the next record must say. */
struct dsdn_segment_cursor {
    uint64_t offset;          /* where the next record, the trailer or the end is */
    uint64_t sequence, event; /* of the next record */
    uint8_t head[32];         /* batch hash of the record before it */
};

void dsdn_segment_header_encode(const struct dsdn_segment_header *header,
                                uint8_t out[DSDN_SEGMENT_HEADER_LEN]);
/* dsdn_segment_record_encode writes the 64 bytes, with the CRC over them and the len bytes of batch. */
void dsdn_segment_record_encode(const struct dsdn_segment_record *record, const uint8_t *batch,
                                uint8_t out[DSDN_RECORD_HEADER_LEN]);
void dsdn_segment_record_decode(const uint8_t bytes[DSDN_RECORD_HEADER_LEN],
                                struct dsdn_segment_record *record);
void dsdn_segment_trailer_encode(const struct dsdn_segment_trailer *trailer,
                                 uint8_t out[DSDN_SEGMENT_TRAILER_LEN]);

/* dsdn_segment_trailer_decode checks magic and CRC only.  False: not a whole trailer. */
bool dsdn_segment_trailer_decode(const uint8_t bytes[DSDN_SEGMENT_TRAILER_LEN],
                                 struct dsdn_segment_trailer *trailer);

/* dsdn_segment_header_read reads and checks the header, and that it is of this network and begins at
 * sequence. TRUNCATED, FORMAT (no segment), CHECKSUM, WRONG_GENESIS, MALFORMED (another sequence than its
 * name). */
int dsdn_segment_header_read(const struct dsdn_io *io, int fd, const char *path, const uint8_t genesis[32],
                             uint64_t sequence, struct dsdn_segment_header *header, struct dsdn_error *error);

/* dsdn_segment_trailer_read reads the trailer of a closed segment from its end and compares the lengths and
 * counts with file and header.  TRUNCATED when the file does not end in one, CHECKSUM, MALFORMED. */
int dsdn_segment_trailer_read(const struct dsdn_io *io, int fd, const char *path,
                              const struct dsdn_segment_header *header, struct dsdn_segment_trailer *trailer,
                              struct dsdn_error *error);

/* dsdn_segment_begin puts a cursor at the first record. */
void dsdn_segment_begin(const struct dsdn_segment_header *header, struct dsdn_segment_cursor *cursor);

/* dsdn_segment_check says whether record may stand at the cursor when the records end at `end`: length within
 * DSDN_BATCH_LIMIT and `end`, expected sequence and event ordinal.  MALFORMED, TOO_LARGE, TRUNCATED. */
int dsdn_segment_check(const struct dsdn_segment_record *record, const struct dsdn_segment_cursor *cursor,
                       uint64_t end, const char *path, struct dsdn_error *error);

/* dsdn_segment_advance moves the cursor behind record. */
void dsdn_segment_advance(struct dsdn_segment_cursor *cursor, const struct dsdn_segment_record *record);

/* dsdn_segment_hop reads the 64 bytes of the record at the cursor, checks them against the cursor and steps
 * over the batch without reading it (no CRC).  Errors of dsdn_segment_check and of reading. */
int dsdn_segment_hop(const struct dsdn_io *io, int fd, const char *path, uint64_t end,
                     struct dsdn_segment_cursor *cursor, struct dsdn_segment_record *record,
                     struct dsdn_error *error);

/* dsdn_segment_read is dsdn_segment_hop that reads the batch as well, into buffer (header, then batch), and
 * compares the CRC.  CHECKSUM. */
int dsdn_segment_read(const struct dsdn_io *io, int fd, const char *path, uint64_t end,
                      struct dsdn_segment_cursor *cursor, struct dsdn_buffer *buffer,
                      struct dsdn_segment_record *record, struct dsdn_error *error);

/* The end of a segment that is being written.  Appended records gather in a buffer of about 1 MiB.  The
 * running SHA-256 covers what this writer wrote; what was there before it came is read once, and its CRCs are
 * compared, when the segment closes: a trailer never vouches for damaged bytes. */
struct dsdn_segment_writer {
    const struct dsdn_io *io;
    int fd; /* -1: none */
    const char *path;
    struct dsdn_segment_header header;
    struct dsdn_segment_cursor next; /* behind the last appended record, buffered or not */
    struct dsdn_buffer buffer;       /* bytes from next.offset - buffer.len on */
    uint64_t hashed;                 /* sha covers [0, hashed) */
    struct dsdn_sha256 sha;
};

/* dsdn_segment_create makes the file path hold just this header, durably but for its name (sync the directory
 * then), and puts the writer behind it.  The writer's buffer is kept.  After a failure fd is -1. */
int dsdn_segment_create(struct dsdn_segment_writer *w, const char *path,
                        const struct dsdn_segment_header *header, struct dsdn_error *error);

/* dsdn_segment_adopt continues an existing file, whose records end at *next.  The writer owns fd. */
void dsdn_segment_adopt(struct dsdn_segment_writer *w, int fd, const char *path,
                        const struct dsdn_segment_header *header, const struct dsdn_segment_cursor *next);

/* dsdn_segment_append buffers one record; sequence, first event and CRC are filled in from the writer.  May
 * flush before.  On a failure nothing of it was taken, and the same call may be repeated. */
int dsdn_segment_append(struct dsdn_segment_writer *w, const uint8_t *batch, uint32_t len,
                        const uint8_t hash[32], uint32_t event_count, uint32_t flags,
                        struct dsdn_error *error);

/* dsdn_segment_flush writes the buffer.  After a failure the buffer is as it was: it may be repeated. */
int dsdn_segment_flush(struct dsdn_segment_writer *w, struct dsdn_error *error);

/* dsdn_segment_finish writes the trailer and syncs.  The segment needs at least one record. */
int dsdn_segment_finish(struct dsdn_segment_writer *w, struct dsdn_error *error);

/* dsdn_segment_release closes the descriptor, without writing anything, and frees the buffer. */
void dsdn_segment_release(struct dsdn_segment_writer *w);

#endif
