/* index.h: what is derived from a log directory, or learned about its batches, in LMDB under DIR/index.
 *
 * The index is never the truth: positions and hashes are rebuilt from the segments
 * (dsdn_store_rebuild_index); DA references, finality and evidence are learned again from the DA layers;
 * checkpoint rows from the files in DIR/checkpoints.  So damage costs time, never the log.  LMDB 0.9 has no
 * checksums, hence:
 *   - every row ends in the CRC32C of its key and value;
 *   - dsdn_index_open walks the pages of the file before LMDB maps it, because LMDB follows page numbers and
 *     offsets without looking (a cut file would be a SIGBUS);
 *   - commits sync the pages but not the meta page (MDB_NOMETASYNC): a power loss may undo the last commits,
 *     it never leaves a half one.  dsdn_index_sync makes everything durable, before somebody relies on it.
 * CHECKSUM, TRUNCATED, FORMAT or MALFORMED from any function here means: drop the index and rebuild it.
 *
 * One unnamed LMDB table.  Key: table u8, then the fields named below, integers big-endian.
 * Value: fields little-endian, then crc32c u32 over key and value.
 *   0 meta          -                                      format u32 = 1, genesis[32]
 *   1 position      sequence                               segment_first u64, offset u64, first_event u64,
 *                                                          len u32, event_count u32, hash[32]
 *   2 hash          hash[32]                               sequence u64
 *   3 DA reference  sequence, source u8, height, blob u32  commitment[32]
 *   4 finality      sequence                               level u8
 *   5 evidence      sequence, slot u8                      kind u8, bytes
 *   6 checkpoint    sequence                               root[32], sha256[32], bytes u64, verified u8, name
 *
 * One handle per process and directory (LMDB's rule), used by one thread at a time.  Any number of processes
 * may read beside one writer.  Writes gather in one transaction until dsdn_index_commit; reads on the writing
 * handle see them at once.  Nothing handed out points into the map: values are copied.  `error` may be NULL.
 */
#ifndef DSDN_LOG_INDEX_H
#define DSDN_LOG_INDEX_H

#include "log/finality.h"
#include "log/source.h"

#define DSDN_EVIDENCE_MAX        16u      /* items a sequence */
#define DSDN_EVIDENCE_BYTES_MAX  8388608u /* two batches at their limit */
#define DSDN_CHECKPOINT_FILE_MAX 128u

struct dsdn_index;

/* Where a record stands (log/segment.h). */
struct dsdn_position {
    uint64_t segment_first; /* names the segment */
    uint64_t offset;        /* of the record in it */
    uint64_t first_event;   /* ordinal of its first event */
    uint32_t len;           /* bytes of the batch */
    uint32_t event_count;
    uint8_t hash[32];
};

struct dsdn_da_reference {
    uint8_t source; /* which layer; the numbers are the adapters' */
    uint64_t height;
    uint32_t blob_index;
    uint8_t commitment[32];
};

struct dsdn_checkpoint_row {
    uint64_t sequence; /* state after this batch */
    uint8_t root[32], sha256[32];
    uint64_t bytes;
    bool verified;
    char name[DSDN_CHECKPOINT_FILE_MAX + 1]; /* file in DIR/checkpoints */
};

/* dsdn_index_open opens dir (made when write is set) for the network genesis.  Without write nothing is made
 * or changed, but for LMDB's lock file, and a missing index is NOT_FOUND.  WRONG_GENESIS; TRUNCATED,
 * MALFORMED, CHECKSUM, FORMAT for damage: nothing is repaired here. */
int dsdn_index_open(const char *dir, const uint8_t genesis[32], bool write, struct dsdn_index **out,
                    struct dsdn_error *error);

/* dsdn_index_close forgets what was not committed. */
void dsdn_index_close(struct dsdn_index *index);

/* dsdn_index_drop removes the files of a closed index.  Not there is fine. */
int dsdn_index_drop(const char *dir, struct dsdn_error *error);

/* dsdn_index_commit ends the open transaction, if there is one: atomic, and in order.  After a failed put or
 * commit what was pending is lost and every later put, commit and sync fails with IO: close it, open it again
 * (the store does so by itself). */
int dsdn_index_commit(struct dsdn_index *index, struct dsdn_error *error);

/* dsdn_index_sync commits, and returns when that is durable.  Call it before recording progress that takes DA
 * references or finality for known. */
int dsdn_index_sync(struct dsdn_index *index, struct dsdn_error *error);

/* Puts since the last commit.  Callers commit every few thousand (dsdn_store_sync does). */
uint32_t dsdn_index_pending(const struct dsdn_index *index);

/* Positions and hashes; NOT_FOUND. */
int dsdn_index_put_position(struct dsdn_index *index, uint64_t sequence, const struct dsdn_position *position,
                            struct dsdn_error *error);
int dsdn_index_position(struct dsdn_index *index, uint64_t sequence, struct dsdn_position *position,
                        struct dsdn_error *error);
int dsdn_index_find(struct dsdn_index *index, const uint8_t hash[32], uint64_t *sequence,
                    struct dsdn_error *error);
/* The newest position at all. */
int dsdn_index_last(struct dsdn_index *index, uint64_t *sequence, struct dsdn_position *position,
                    struct dsdn_error *error);

/* DA references are a set: putting one again changes nothing, another commitment at the same place replaces
 * it. dsdn_index_references copies up to cap of them, by source, height and blob index, and sets *cnt to how
 * many there are. */
int dsdn_index_put_reference(struct dsdn_index *index, uint64_t sequence,
                             const struct dsdn_da_reference *reference, struct dsdn_error *error);
int dsdn_index_references(struct dsdn_index *index, uint64_t sequence, struct dsdn_da_reference *references,
                          size_t cap, size_t *cnt, struct dsdn_error *error);

/* Finality only rises: a lower level than the recorded one changes nothing.  No row reads as NONE. */
int dsdn_index_put_finality(struct dsdn_index *index, uint64_t sequence, enum dsdn_finality level,
                            struct dsdn_error *error);
int dsdn_index_finality(struct dsdn_index *index, uint64_t sequence, enum dsdn_finality *level,
                        struct dsdn_error *error);
/* dsdn_index_finality_end finds the first sequence of [first, end) below level, or end.  Finality is
 * prefix-closed (protocol.md, section 8), so this is a binary search. */
int dsdn_index_finality_end(struct dsdn_index *index, enum dsdn_finality level, uint64_t first, uint64_t end,
                            uint64_t *found, struct dsdn_error *error);

/* Evidence: what contradicts the log at a sequence (rival batch, pair of certificates; `kind` is the
 * caller's). Equal bytes of one kind are kept once.  TOO_LARGE above DSDN_EVIDENCE_BYTES_MAX or
 * DSDN_EVIDENCE_MAX items. dsdn_index_evidence copies item `slot` (0, 1, ...); NOT_FOUND behind the last. */
int dsdn_index_put_evidence(struct dsdn_index *index, uint64_t sequence, uint8_t kind, const uint8_t *bytes,
                            size_t len, struct dsdn_error *error);
int dsdn_index_evidence(struct dsdn_index *index, uint64_t sequence, uint8_t slot, uint8_t *kind,
                        struct dsdn_buffer *buffer, struct dsdn_error *error);

/* Checkpoint catalogue.  A row replaces the one of its sequence; _at_or_below finds the newest not above
 * sequence; removing what is not there is NOT_FOUND. */
int dsdn_index_put_checkpoint(struct dsdn_index *index, const struct dsdn_checkpoint_row *row,
                              struct dsdn_error *error);
int dsdn_index_checkpoint_at_or_below(struct dsdn_index *index, uint64_t sequence,
                                      struct dsdn_checkpoint_row *row, struct dsdn_error *error);
int dsdn_index_remove_checkpoint(struct dsdn_index *index, uint64_t sequence, struct dsdn_error *error);

/* dsdn_index_cut forgets positions, hashes, DA references, finality and checkpoints of `next` and above.
 * Evidence stays: after a rollback it is what the loser leaves behind. */
int dsdn_index_cut(struct dsdn_index *index, uint64_t next, struct dsdn_error *error);

/* dsdn_index_check_file walks the pages of an LMDB data file without LMDB: every page number, offset and size
 * that LMDB would follow is inside the file, no page is used twice.  TRUNCATED, FORMAT, MALFORMED, CHECKSUM,
 * TOO_LARGE (above 1 TiB) with file and offset; an empty file is fine.  Part of dsdn_index_open; public for
 * its test. */
int dsdn_index_check_file(const char *path, struct dsdn_error *error);

#endif
