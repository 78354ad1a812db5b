/* stages.h: measuring each stage of a replay; stages.c says what for. */
#ifndef DSDN_BENCH_STAGES_H
#define DSDN_BENCH_STAGES_H

#include "bench/workload.h"

#define STAGES_EVENTS_MAX 512 /* event types of a catalogue */

/* X(name, what one of it is, what is timed) */
#define STAGES(X)                                                                                            \
    X(OPEN, "open", "log", "open the log directory, read the first batch")                                   \
    X(READ, "read", "event", "records from the log directory into memory")                                   \
    X(CRC, "crc", "event", "CRC32C of the records")                                                          \
    X(DECODE, "frame+decode", "event", "framing, strict decoding, key hashes")                               \
    X(BODY, "body hash", "event", "SHA-256 of bodies")                                                       \
    X(IDS, "event ids", "event", "id of every event, signed messages of bundles")                            \
    X(SIGNATURES, "signatures", "signature", "of batches, bundles, and declared ones inside events")         \
    X(JUDGE, "judge", "batch", "validity of a batch")                                                        \
    X(APPLY, "apply", "event", "reducers and bookkeeping")                                                   \
    X(ROOT, "root", "root", "state root after every 10,000 events")                                          \
    X(FIRST_ROOT, "first root", "row", "all trees of the final state from nothing")                          \
    X(WRITE, "checkpoint write", "row", "roots at hand; with fsync")                                         \
    X(RESTORE, "restore", "row", "under CRC32C, one thread")                                                 \
    X(RESTORE2, "restore, 2 threads", "row", "under CRC32C")                                                 \
    X(VERIFIED, "restore, verified", "row", "SHA-256, all roots recomputed; 2 threads")                      \
    X(PROVE, "prove", "proof", "one key, roots at hand")                                                     \
    X(CHECK, "check proof", "proof", "one key, with the root alone")                                         \
    X(FOLD, "replay", "event", "read to apply, 1 thread")                                                    \
    X(FOLD2, "replay, 2 threads", "event", "read to apply")                                                  \
    X(HASHED, "replay hashed", "event", "and body hash, event ids; 1 thread")                                \
    X(HASHED2, "replay hashed, 2 threads", "event", "and body hash, event ids")                              \
    X(VERIFY2, "replay --verify, 2 threads", "event", "and all signatures")

enum stage {
#define X(id, name, unit, doc) id,
    STAGES(X)
#undef X
        STAGE_CNT
};

/* One campaign: what is measured, and the figures of all rounds so far. */
struct bench {
    const char *dir;  /* of the log */
    char *checkpoint; /* path of the file */
    const struct dsdn_catalogue *catalogue;
    uint64_t events, batches, bytes, rows, checkpoint_bytes;
    struct samples seconds[STAGE_CNT];
    uint64_t units[STAGE_CNT], moved[STAGE_CNT]; /* of one round: how many, and how many bytes */
    struct samples type_ns[STAGES_EVENTS_MAX];   /* reducer of each event type, ns an event */
    uint64_t type_cnt[STAGES_EVENTS_MAX];
};

/* stages_measure does one round and adds to the figures.  dir, checkpoint and catalogue are set by the
 * caller; the log is only read, the checkpoint file is replaced. */
int stages_measure(struct bench *b, struct dsdn_error *error);

/* stages_apply measures stage APPLY alone, on one thread; stages_types the reducers by event type.  Both add
 * to the figures, as stages_measure does. */
int stages_apply(struct bench *b, struct dsdn_error *error);
int stages_types(struct bench *b, struct dsdn_error *error);

#endif
