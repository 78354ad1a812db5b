/* pool.h: bundles that wait for a batch.
 *
 * What goes in is a pool bundle as its author signed it (docs/formats/wire.md, Bundle, kind 1).  It is
 * decoded in full and its signature checked on the way in, so that whatever comes out may stand in a batch.
 * What was accepted and synced survives a kill, and leaves again only when its nonce is settled - a batch
 * that can no longer be rolled back used it, whoever's - or its valid_until has passed.
 *
 * Order: the bundles of one author leave by ascending nonce; authors are served in order of arrival.  (A
 * lower nonce that arrives after a higher one has left is still good within the window of 64 nonces.)
 *
 * Bounds: bundles and bytes, of one author and altogether; memory is the bytes of the bundles and about 200
 * bytes each.  Not thread safe. */
#ifndef DSDN_SINKS_PUBLISH_POOL_H
#define DSDN_SINKS_PUBLISH_POOL_H

#include "log/io.h"
#include "statemachine/engine.h"

#define DSDN_POOL_BUNDLES        262144u
#define DSDN_POOL_BYTES          ((size_t)256 << 20)
#define DSDN_POOL_AUTHOR_BUNDLES 16384u
#define DSDN_POOL_AUTHOR_BYTES   ((size_t)32 << 20)

/* What became of a bundle.  name, text */
#define DSDN_POOL_ANSWER_LIST(X)                                                                             \
    X(ACCEPTED, "kept; durable after the next sync")                                                         \
    X(KNOWN, "this very bundle is in the pool already")                                                      \
    X(MALFORMED, "the bytes are no bundle in canonical form, or an event in it does not decode")             \
    X(WRONG_KIND, "only pool bundles (kind 1) are taken here; direct ones are posted to the primary")        \
    X(TOO_LARGE, "larger than a bundle may be here")                                                         \
    X(TYPE_DISABLED, "an event type or version in it is not enabled")                                        \
    X(NONCE_USED, "the nonce was used, or is below the window of 64")                                        \
    X(NONCE_FAR, "the nonce is more than 65,536 above the highest one used")                                 \
    X(NONCE_TAKEN, "another bundle of this author with this nonce is in the pool")                           \
    X(EXPIRED, "valid_until has passed")                                                                     \
    X(BAD_SIGNATURE, "the signature does not verify: wrong key, altered bytes, or another network")          \
    X(AUTHOR_FULL, "too much of this author is waiting; try later")                                          \
    X(POOL_FULL, "too much is waiting; try later")                                                           \
    X(UNAVAILABLE, "it could not be kept: memory or disk")

enum dsdn_pool_answer {
#define X(name, text) DSDN_POOL_##name,
    DSDN_POOL_ANSWER_LIST(X)
#undef X
        DSDN_POOL_ANSWER_CNT
};

/* "ACCEPTED" and so on; the words of the list. */
const char *dsdn_pool_answer_name(enum dsdn_pool_answer answer);
const char *dsdn_pool_answer_text(enum dsdn_pool_answer answer);

struct dsdn_pool;

struct dsdn_pool_options {
    const struct dsdn_io *io;
    const char *path; /* of the journal (journal.h) */
    const struct dsdn_catalogue *catalogue;
    const uint8_t *genesis;                   /* genesis hash */
    uint32_t bundles_max, author_bundles_max; /* 0: the bounds above */
    size_t bytes_max, author_bytes_max;
};

/* What opening found. */
struct dsdn_pool_report {
    uint64_t kept; /* bundles */
    uint64_t cut;  /* bytes of a bundle that was being written at a crash, never acknowledged */
};

/* dsdn_pool_open reads the journal, or makes one.  Signatures of what this installation accepted before are
 * not verified again.  Errors of journal.h. */
int dsdn_pool_open(const struct dsdn_pool_options *options, struct dsdn_pool **pool,
                   struct dsdn_pool_report *report, struct dsdn_error *error);
void dsdn_pool_close(struct dsdn_pool *pool);

/* dsdn_pool_offer takes the bundle at the front of bytes, judged by the state of e at now_ms (of the axis of
 * batch times).  *used: its length, also when it is refused; 0 when nothing behind it can be read either.  id
 * (32 bytes): its signed message (dsdn_bundle_message), zero when it has none.  error says why it was
 * refused. */
enum dsdn_pool_answer dsdn_pool_offer(struct dsdn_pool *pool, const struct dsdn_engine *e, uint64_t now_ms,
                                      const uint8_t *bytes, size_t len, size_t *used, uint8_t id[32],
                                      struct dsdn_error *error);

/* dsdn_pool_sync makes everything accepted durable: only then may it be acknowledged. */
int dsdn_pool_sync(struct dsdn_pool *pool, struct dsdn_error *error);

/* dsdn_pool_fill adds bundles that are good after the state of e, at time_ms, to the batch being built, until
 * its body would be above bytes_max or its events above events_max (a first bundle goes in whatever its size
 * and events). They count as waiting until _took.  What is found used is set aside, what is found expired
 * dropped.  A failure leaves bundles in the builder that nothing remembers: reset it. */
struct dsdn_pool_filled {
    uint32_t bundles, events;
};
int dsdn_pool_fill(struct dsdn_pool *pool, const struct dsdn_engine *e, uint64_t time_ms, size_t bytes_max,
                   uint32_t events_max, struct dsdn_batch_builder *builder, struct dsdn_pool_filled *filled,
                   struct dsdn_error *error);

/* dsdn_pool_took: the bundles of the last _fill are in the batch before sequence `next`.  Without this call
 * they go on waiting. */
void dsdn_pool_took(struct dsdn_pool *pool, uint64_t next);

/* dsdn_pool_rolled_back: batches `next` and above do not count any more: what they used waits again. */
void dsdn_pool_rolled_back(struct dsdn_pool *pool, uint64_t next);

/* dsdn_pool_settled: batches below `next` count for ever: what they used is dropped.  Rewrites the journal
 * when most of it is dead; a failure of that is returned, and the pool is good all the same unless writing
 * fails from then on. */
int dsdn_pool_settled(struct dsdn_pool *pool, uint64_t next, struct dsdn_error *error);

struct dsdn_pool_stats {
    uint64_t answers[DSDN_POOL_ANSWER_CNT];
    uint32_t waiting, taken; /* bundles: for a batch; in batches that are not settled */
    size_t waiting_bytes, taken_bytes;
    uint32_t waiting_events;
    uint64_t expired, settled; /* dropped since it was opened */
    uint64_t journal_bytes;
};
void dsdn_pool_stats(const struct dsdn_pool *pool, struct dsdn_pool_stats *stats);

#endif
