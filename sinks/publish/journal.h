/* journal.h: a file of records that is only ever appended to, and now and then written anew with what is
 * still alive.
 *
 * File header, 64 bytes, little-endian:
 *     0 magic "DSDNJNL1"    8 kind u32    12 zero u32    16 genesis[32]    48 salt u64
 *    56 zero u32    60 crc32c u32 over [0, 60)
 * Record, 20 bytes and a payload:
 *     0 magic u32 "DSJR"    4 len u32 (of the payload, at least 1)    8 durable u64 (bytes of the file that
 * were synced when this record was written)    16 crc32c u32 over the salt, [4, 16) and the payload
 *
 * A record that is not whole ends the file: a crash cut it while it was being written, and it is cut off -
 * unless a later record says that it was durable.  Then the file was damaged, and opening fails, because what
 * was acknowledged is never dropped silently.  (Damage to the records of the very last sync looks like a cut:
 * nothing behind them tells.)  The salt is random, so that a payload that strangers made cannot pass for a
 * record.
 *
 * After a failed sync the handle is poisoned: every later write returns that error, because what is on disk
 * is not known.  A failed write is not: nothing was taken. */
#ifndef DSDN_SINKS_PUBLISH_JOURNAL_H
#define DSDN_SINKS_PUBLISH_JOURNAL_H

#include "log/io.h"

#define DSDN_JOURNAL_HEADER_LEN 64u
#define DSDN_JOURNAL_RECORD_LEN 20u
#define DSDN_JOURNAL_PARTS_MAX  4u

enum dsdn_journal_kind { DSDN_JOURNAL_POOL = 1, DSDN_JOURNAL_SIGNER = 2 };

struct dsdn_journal;

struct dsdn_journal_options {
    const struct dsdn_io *io; /* outlives the journal */
    const char *path;         /* copied; made when it is not there */
    enum dsdn_journal_kind kind;
    const uint8_t *genesis; /* 32 bytes: the network that the records belong to */
    uint32_t payload_max;   /* bytes; a longer record is refused, at opening too */
    /* Called at opening with every record, in order; the payload lives until it returns.  Non-zero ends the
     * opening with that code. */
    int (*record)(void *self, const uint8_t *payload, size_t len, struct dsdn_error *error);
    void *self;
};

/* dsdn_journal_open reads the file, or makes one durably, and takes its lock (LOCKED).  *created and *cut
 * (bytes cut off the end) tell what it found.  FORMAT, WRONG_GENESIS, CHECKSUM, TRUNCATED with file and
 * offset. */
int dsdn_journal_open(const struct dsdn_journal_options *options, struct dsdn_journal **journal,
                      bool *created, uint64_t *cut, struct dsdn_error *error);
void dsdn_journal_close(struct dsdn_journal *journal);

/* dsdn_journal_append writes one record made of cnt parts (at most DSDN_JOURNAL_PARTS_MAX).  Durable after
 * dsdn_journal_sync. */
int dsdn_journal_append(struct dsdn_journal *journal, const struct dsdn_view *parts, uint32_t cnt,
                        struct dsdn_error *error);
int dsdn_journal_sync(struct dsdn_journal *journal, struct dsdn_error *error);

/* dsdn_journal_rewrite replaces the file, atomically and durably, by one that holds the records that `live`
 * appends to the journal it is given.  When it fails before the new file took the place of the old one, the
 * old one goes on. */
int dsdn_journal_rewrite(struct dsdn_journal *journal,
                         int (*live)(void *self, struct dsdn_journal *to, struct dsdn_error *error),
                         void *self, struct dsdn_error *error);

/* Bytes of the file; is everything appended durable? */
uint64_t dsdn_journal_bytes(const struct dsdn_journal *journal);
bool dsdn_journal_synced(const struct dsdn_journal *journal);

#endif
