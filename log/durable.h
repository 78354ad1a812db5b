/* durable.h: DIR/durable, the one small file that says how much of a log directory is durable.
 *
 * 8192 bytes: two slots at 0 and 4096, written in turn (slot = counter % 2), so that a write that is torn
 * leaves the other.  The valid slot with the higher counter counts; all other bytes are zero.
 * Slot, 144 bytes, little-endian:
 *     0 magic "DSDNDUR1"    8 counter u64 (1, 2, 3, ...)    16 genesis[32]
 *    48 first_sequence u64 (of the log)    56 segment_first u64 (names the tail segment)
 *    64 segment_bytes u64 (durable length of the tail segment)    72 next_sequence u64    80 next_event u64
 *    88 sealed_next u64 (batches below are in sealed segments)    96 cuts u64 (rollbacks so far)
 *   104 flags u32 (1: a rollback to this state has begun and may be unfinished)
 *   108 head[32] (batch hash of next_sequence - 1, or the `prev` of the first segment)
 *   140 crc32c u32 over [0, 140)
 *
 * `error` may not be NULL in this header. */
#ifndef DSDN_LOG_DURABLE_H
#define DSDN_LOG_DURABLE_H

#include "log/io.h"

#define DSDN_DURABLE_SLOT_LEN  144u
#define DSDN_DURABLE_SLOT_STEP 4096u
#define DSDN_DURABLE_FILE_LEN  8192u
#define DSDN_DURABLE_CUTTING   1u

struct dsdn_durable {
    uint64_t counter;
    uint8_t genesis[32];
    uint64_t first_sequence;
    uint64_t segment_first, segment_bytes, next_sequence, next_event;
    uint64_t sealed_next, cuts;
    uint32_t flags;
    uint8_t head[32];
};

void dsdn_durable_encode(const struct dsdn_durable *durable, uint8_t out[DSDN_DURABLE_SLOT_LEN]);

/* dsdn_durable_create writes a new file with one valid slot, atomically and durably. */
int dsdn_durable_create(const struct dsdn_io *io, const char *path, const struct dsdn_durable *durable,
                        struct dsdn_error *error);

/* dsdn_durable_read reads the slot that counts.  *damaged is set when the other slot is neither empty nor
 * valid: harmless after a crash (it was being written), worth a word otherwise.  CHECKSUM when no slot is
 * valid, TRUNCATED, MALFORMED when a valid slot contradicts itself. */
int dsdn_durable_read(const struct dsdn_io *io, int fd, const char *path, struct dsdn_durable *durable,
                      bool *damaged, struct dsdn_error *error);

/* dsdn_durable_write increments durable->counter, writes the slot of that counter and syncs.  After a failure
 * the file holds the old state or the new one; the counter is as it was. */
int dsdn_durable_write(const struct dsdn_io *io, int fd, const char *path, struct dsdn_durable *durable,
                       struct dsdn_error *error);

#endif
