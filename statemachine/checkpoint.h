/* checkpoint.h: the state of a log at one batch as one canonical file (docs/formats/checkpoint.md).
 *
 * The file holds every row of every table in key order, with references as ranks, so that it depends on the
 * rows alone: two followers that hold the same rows write equal bytes, whatever their row numbers, hash seeds
 * or history.  It also holds the canonical genesis, so that it and a log are all that is needed to go on.
 *
 * A restore trusts nothing it reads: every length is compared with the bytes that are there before anything
 * is allocated for it, and each byte but the closing SHA-256 is covered by a CRC32C.  `verify` looks at that
 * hash too and recomputes the state root from the rows.  Neither says that the root is the network's: that
 * takes an expected root, a root this installation computed before, or attestations (protocol.md, section
 * 11), and is the caller's business. */
#ifndef DSDN_STATEMACHINE_CHECKPOINT_H
#define DSDN_STATEMACHINE_CHECKPOINT_H

#include "log/io.h"
#include "statemachine/engine.h"

#define DSDN_CHECKPOINT_NAME_MAX 32u /* bytes of a catalogue's name in the file */

struct dsdn_checkpoint_table {
    uint16_t id, role;
    uint16_t key_len; /* bytes */
    uint32_t rows;
    uint32_t rows_per_block; /* of every block but the last */
    uint32_t blocks;
    uint64_t bytes; /* of all its blocks */
};

/* What the header of a checkpoint says.  Everything here is covered by checksums; that it is true is known
 * after a restore with `verify` and an expected root. */
struct dsdn_checkpoint_info {
    char catalogue[DSDN_CHECKPOINT_NAME_MAX + 1];
    uint8_t genesis[32];    /* genesis hash */
    uint8_t batch_hash[32]; /* of the newest batch; the genesis hash before batch 0 */
    uint8_t transcript[32]; /* outcome transcript */
    uint64_t sequence;      /* batches applied: the next batch has this sequence */
    uint64_t event_count;   /* events in them */
    uint64_t time_ms;       /* time of the newest batch */
    uint64_t origin_height; /* its da_origin */
    uint64_t version;       /* protocol version in force */
    uint64_t bytes;         /* of the file */
    uint32_t genesis_len;   /* bytes of the canonical genesis in it */
    uint32_t block_cnt;
    uint32_t table_cnt;
    struct dsdn_checkpoint_table tables[DSDN_STATE_TABLES_MAX];
    struct dsdn_roots
        roots; /* by the place of the table in `tables`; role names are "" where no catalogue is at hand */
    uint8_t file_hash[32]; /* the closing SHA-256 */
};

/* dsdn_checkpoint_write writes the engine's state to path: a temporary file beside it, in pieces of at most
 * 256 KiB, fsync, rename, fsync of the directory; so path is the old file or the whole new one.  The roots
 * are brought up to date first (the engine marks changes from then on) with `threads` 1 or 2.  genesis:
 * canonical bytes of the log's GenesisDeclared (WRONG_GENESIS when their hash is not the state's).  *info
 * (may be NULL) describes what was written.
 *
 * It is synchronous: the engine stands still meanwhile, less than 1 us a row with fsync (210,000 rows: 0.15 s
 * on a busy machine with two cores).  Memory: 8 bytes a row, 32 more for the table being sorted, and one
 * block. */
int dsdn_checkpoint_write(struct dsdn_engine *engine, struct dsdn_view genesis, unsigned threads,
                          const struct dsdn_io *io, const char *path, struct dsdn_checkpoint_info *info,
                          struct dsdn_error *error);

/* dsdn_checkpoint_info reads and checks the header and the length of the file, not the rows.  FORMAT when it
 * is no checkpoint of a known format version, CHECKSUM, TRUNCATED, MALFORMED, ROOT when table roots and state
 * root disagree. */
int dsdn_checkpoint_info(const struct dsdn_io *io, const char *path, struct dsdn_checkpoint_info *info,
                         struct dsdn_error *error);

/* dsdn_checkpoint_genesis is dsdn_checkpoint_info that also hands out the canonical genesis (malloc, the
 * caller frees). */
int dsdn_checkpoint_genesis(const struct dsdn_io *io, const char *path, struct dsdn_checkpoint_info *info,
                            uint8_t **genesis, struct dsdn_error *error);

struct dsdn_checkpoint_options {
    const struct dsdn_engine_options *engine; /* of the new engine; NULL: defaults */
    const uint8_t *expect_root; /* NULL, or 32 bytes from outside that the state root must be (else ROOT).  It
                                 * binds the rows only together with `verify` */
    bool verify;                /* SHA-256 of the file, and the state root recomputed from the rows */
    unsigned threads;           /* 1..16; 0 = 1.  The result does not depend on it */
};

/* dsdn_checkpoint_restore makes an engine of a catalogue that stands where the checkpoint stands.  The caller
 * frees it. Row numbers are ranks.  Checked in every mode: all of dsdn_checkpoint_info, the CRC32C and the
 * length of every block, canonical rows, ascending keys, references inside their tables, head facts against
 * the head row.  FORMAT when the catalogue does not have exactly these tables in this order.  With `verify`
 * also the SHA-256 (CHECKSUM) and the roots (ROOT, naming the table); the engine then has its trees and marks
 * changes. *info (may be NULL) is filled as soon as the header is good. */
int dsdn_checkpoint_restore(const struct dsdn_catalogue *catalogue,
                            const struct dsdn_checkpoint_options *options, const struct dsdn_io *io,
                            const char *path, struct dsdn_engine **engine, struct dsdn_checkpoint_info *info,
                            struct dsdn_error *error);

#endif
