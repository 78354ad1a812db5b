/* replay.h: a whole span of a log through an engine: read, check, apply, on one thread or several.
 *
 * Batches are read, framed and checked ahead of the engine by `jobs` threads (the calling one among them) in
 * a bounded ring of slots; they are judged and applied in order on the calling thread.  What is reported does
 * not depend on the number of threads: the first bad batch in sequence order, and of its faults the first in
 * the order checksum, form, body hash, signatures, validity. */
#ifndef DSDN_STATEMACHINE_REPLAY_H
#define DSDN_STATEMACHINE_REPLAY_H

#include "statemachine/engine.h"

#include <signal.h>

struct dsdn_replay_options {
    unsigned jobs;            /* threads, 1..64; 0 = 1 */
    uint32_t checks;          /* DSDN_CHECK_* */
    bool trust_checked;       /* skip signatures of records this installation verified before (its own log
                                 directory) */
    uint64_t end;             /* stop before this sequence; UINT64_MAX = at the end of the source */
    uint64_t end_time_ms;     /* stop before the first batch with a later time; 0 = no such end */
    uint64_t root_every; /* compute the root whenever the number of batches applied since genesis is divisible
                          * by this; 0 = never */
    const volatile sig_atomic_t *interrupted; /* when it is not zero: stop after a batch with INTERRUPTED */
    /* Called after each applied batch, in order, with the batch's outcomes; non-zero stops the replay with
     * that code. NULL: nothing. */
    int (*applied)(void *self, const struct dsdn_engine *e, const struct dsdn_prepared *p,
                   const struct dsdn_record *record, struct dsdn_error *error);
    /* Called with every root of root_every. */
    int (*rooted)(void *self, uint64_t sequence, const struct dsdn_roots *roots, struct dsdn_error *error);
    void *self;
};

struct dsdn_replay_result {
    uint64_t first, next;      /* applied [first, next) */
    uint64_t batches, events, bytes, signatures;
    uint8_t event_id_sum[32];  /* XOR of all event ids, with DSDN_CHECK_EVENT_IDS */
};

/* dsdn_replay applies the records of source from its current position on.  *result holds what was done also
 * when it fails; the engine is then as after the last applied batch. */
int dsdn_replay(struct dsdn_engine *e, struct dsdn_source *source, const struct dsdn_replay_options *options,
                struct dsdn_replay_result *result, struct dsdn_error *error);

#endif
