/* store.h: the log directory: the durable canonical log of a network (protocol.md, sections 5 and 11).
 *
 *   DIR/genesis.bin    canonical bytes of GenesisDeclared, opaque here
 *   DIR/lock           held by the one writer (flock)
 *   DIR/durable        how much is durable (durable.h)
 *   DIR/segments/      <first sequence, 12 digits or more>.seg (segment.h)
 *   DIR/index/         derived (index.h); may be deleted at any time
 *   DIR/checkpoints/   canonical checkpoint files; the catalogue is in the index
 *
 * What is promised.  dsdn_store_sync returns after everything appended is on disk and recorded in
 * DIR/durable: only then may a batch be acknowledged.  Whatever happens afterwards (kill, power loss, full
 * disk, failed fsync), a batch that was acknowledged is there at the next open, or the open or the read fails
 * and says where the damage is: below the durable length nothing is ever cut or skipped silently.  Beyond it,
 * a writer that opens keeps whole valid records, cuts the torn rest and reports what it cut.
 *
 * Damage is found when the bytes are read, not when the log is opened: opening reads header and trailer of
 * each segment and the tail beyond the durable length, nothing else.  Before a segment closes, all its
 * records that this process did not write itself are read and checked, so that a trailer never covers damage.
 *
 * After a failed fsync, or a failure inside closing, rolling back or sealing, the handle is poisoned: every
 * later write returns the same error, because what is on disk is not known.  Close it; opening again goes
 * back to what is durable.  A failed write (full disk) is not: nothing was taken and the same call may be
 * repeated.
 *
 * A handle belongs to one thread at a time; its sources may run on others.  One handle with an index per
 * process and directory (LMDB's rule); more with `no_index`.  Readers need no lock and change nothing.
 * `error` may be NULL. */
#ifndef DSDN_LOG_STORE_H
#define DSDN_LOG_STORE_H

#include "log/index.h"
#include "log/io.h"
#include "log/source.h"

#define DSDN_SEGMENT_BYTES     ((uint64_t)64 << 20) /* default size at which a segment closes */
#define DSDN_STORE_GENESIS_MAX ((size_t)16 << 20)

struct dsdn_store;

struct dsdn_store_options {
    const struct dsdn_io *io;    /* NULL: the operating system */
    const uint8_t *genesis_hash; /* NULL: any network; else 32 bytes, WRONG_GENESIS when it is another one */
    uint64_t segment_bytes;      /* 0: DSDN_SEGMENT_BYTES; a longer record makes a longer segment */
    bool write;
    bool no_index; /* leave DIR/index alone: lookups scan record headers instead */
};

/* What opening found and did, for the user's eyes: an app says aloud whatever is not zero here. */
struct dsdn_store_report {
    uint64_t kept_records;  /* whole records beyond the durable length, kept (never acknowledged) */
    uint64_t cut_bytes;     /* torn bytes behind them, cut ... */
    uint64_t cut_offset;    /* ... at this offset ... */
    char cut_file[256];     /* ... of this file, the first if there are two */
    bool cut_finished;      /* a rollback was interrupted and has been finished */
    bool slot_damaged;      /* one of the two durable slots is not whole: normal after a power loss */
    bool index_rebuilt;     /* the index was missing or wrong: made again from the segments.  DA
                               references, finality, evidence and checkpoint rows must be found again */
    uint64_t index_added;   /* batches that were not in the index yet */
    char index_reason[256]; /* why it was rebuilt, or why there is none */
};

/* What is known of an open log. */
struct dsdn_store_info {
    uint8_t genesis[32];
    uint64_t first_sequence, first_event; /* of the directory; 0 unless it began at a checkpoint */
    uint64_t next_sequence, next_event;   /* behind the last appended batch */
    uint64_t durable_next;                /* behind the last durable batch */
    uint64_t sealed_next;                 /* batches below are in sealed segments */
    uint64_t bytes;                       /* records of all segments */
    uint64_t segments;
    uint8_t head[32]; /* batch hash of next_sequence - 1; the genesis hash before batch 0 */
};

/* Where a log begins that does not begin at genesis: behind a checkpoint. */
struct dsdn_store_start {
    uint64_t sequence, event;
    uint8_t prev[32]; /* batch hash of sequence - 1 */
};

/* dsdn_store_create makes a log directory (the directory itself may exist) with one empty segment.
 * genesis_hash is 32 bytes; start NULL: batch 0.  EXISTS when there is a log.  A crash on the way leaves no
 * log; repeat. */
int dsdn_store_create(const char *dir, const struct dsdn_store_options *options, struct dsdn_view genesis,
                      const uint8_t genesis_hash[32], const struct dsdn_store_start *start,
                      struct dsdn_error *error);

/* dsdn_store_open opens a log directory.  options and report may be NULL (read, system).  NOT_FOUND, LOCKED,
 * WRONG_GENESIS; CHECKSUM, TRUNCATED, MALFORMED, FORMAT, CHAIN with file and offset for damage below the
 * durable length.  A bad index is never a reason to fail. */
int dsdn_store_open(const char *dir, const struct dsdn_store_options *options, struct dsdn_store **out,
                    struct dsdn_store_report *report, struct dsdn_error *error);

/* dsdn_store_close releases everything.  What was appended and not synced is lost. */
void dsdn_store_close(struct dsdn_store *store);

void dsdn_store_info(const struct dsdn_store *store, struct dsdn_store_info *info);

/* Canonical genesis bytes; owned by the store.  Not checked against the hash here: the reader of genesis
 * does. */
struct dsdn_view dsdn_store_genesis(const struct dsdn_store *store);

/* The index, or NULL (no_index, none to read, or given up after a failure).  It may be replaced by another
 * one in any call on the store: ask again. */
struct dsdn_index *dsdn_store_index(struct dsdn_store *store);

/* dsdn_store_append adds one batch at the end, buffered.  sequence must be the next one (USAGE), len 1 to
 * DSDN_BATCH_LIMIT (TOO_LARGE), flags DSDN_RECORD_*.  Closes the segment first when the record does not fit
 * it, which syncs.  On failure the batch was not taken. */
int dsdn_store_append(struct dsdn_store *store, const uint8_t *batch, size_t len, uint64_t sequence,
                      const uint8_t hash[32], uint32_t event_count, uint32_t flags, struct dsdn_error *error);

/* dsdn_store_sync makes everything appended durable: fsync of the segment, then of the durable record. */
int dsdn_store_sync(struct dsdn_store *store, struct dsdn_error *error);

/* dsdn_store_cut rolls back: next_sequence becomes the next one again.  Atomic: a crash at any instant leaves
 * the old log or the new one.  USAGE below info.sealed_next, below the first or above the next sequence. */
int dsdn_store_cut(struct dsdn_store *store, uint64_t next_sequence, struct dsdn_error *error);

/* dsdn_store_seal marks every closed segment whose batches are all below settled_next as immutable.  Recorded
 * in DIR/durable, not in the index, because it is no derived fact.  Never goes back. */
int dsdn_store_seal(struct dsdn_store *store, uint64_t settled_next, struct dsdn_error *error);

/* dsdn_store_position finds where a durable batch stands: by the index, checked against the record, or by a
 * scan of the record headers of its segment.  An index that is found wrong is rebuilt on the way (a reader's
 * is closed). NOT_FOUND outside [first, durable_next). */
int dsdn_store_position(struct dsdn_store *store, uint64_t sequence, struct dsdn_position *position,
                        struct dsdn_error *error);

/* dsdn_store_read reads one durable batch into buffer and checks its CRC. */
int dsdn_store_read(struct dsdn_store *store, uint64_t sequence, struct dsdn_buffer *buffer,
                    struct dsdn_record *record, struct dsdn_error *error);

/* dsdn_store_find returns the sequence of a durable batch by its hash.  Needs the index: NOT_FOUND without.
 */
int dsdn_store_find(struct dsdn_store *store, const uint8_t hash[32], uint64_t *sequence,
                    struct dsdn_error *error);

/* dsdn_store_rebuild_index makes the index again from the record headers.  Needs a writing handle. */
int dsdn_store_rebuild_index(struct dsdn_store *store, struct dsdn_error *error);

/* dsdn_store_verify reads every durable byte: CRC of each record, SHA-256 of each closed segment (*verified
 * counts the records).  CHECKSUM, MALFORMED, TRUNCATED, CHAIN with file, offset and sequence. */
int dsdn_store_verify(struct dsdn_store *store, uint64_t *verified, struct dsdn_error *error);

/* dsdn_store_source makes a source of kind "log" over the durable part of an open log.  It has its own
 * descriptors, so `next` may run on another thread than the store; seek uses the store's index and belongs to
 * the store's thread.  Close it before the store. next: AGAIN at the durable end; a later call sees what
 * became durable since.  CHAIN when the log was rolled back since the source was opened: open another one. */
int dsdn_store_source(struct dsdn_store *store, struct dsdn_source **out, struct dsdn_error *error);

/* dsdn_log_source_open opens dir for reading and a source over it, which owns both.  genesis_hash may be
 * NULL. */
int dsdn_log_source_open(const char *dir, const uint8_t *genesis_hash, struct dsdn_source **out,
                         struct dsdn_error *error);

#endif
