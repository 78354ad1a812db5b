/* publisher.h: from bundles to batches on the primary (docs/publishing.md): what the authority of a log does
 * with its pool, as a state machine without sockets, clocks or threads.  For networks with a primary.
 *
 *     follower's state + pool  --batcher-->  batch  --signer's lock-->  signed  --post-->  included  -->
 * settled
 *
 * The caller runs a follower and steps the publisher whenever something changed:
 *
 *     dsdn_publisher_step(p, &view, &error);
 *     if ((cnt = dsdn_publisher_post(p, &view, blobs, max, bytes, &error))) submit(blobs, cnt);
 *     ... and when that ended:  dsdn_publisher_posted(p, height)
 *
 * Batches are made ahead of the follower: the publisher keeps an engine of its own, a copy of the follower's
 * plus the batches that it signed and that are not applied there yet.  A batch is judged by that engine
 * before it is signed, so an invalid one is never signed.  (So the state is in memory twice.)  When the
 * follower takes another way - a rival, a rollback - the copy is made anew, what was signed beyond is taken
 * up where it still fits, and bundles go back to the pool.
 *
 * Posting.  One submission is open at a time; it holds batches in order of sequence, all with one da_origin:
 * whether an inclusion is countable (protocol.md, section 8) is then the same for all of them, so it cannot
 * happen that a batch counts while the one before it does not - a state in which the lock would forbid a
 * replacement for ever.  The next submission waits until the follower applied what the last one included. */
#ifndef DSDN_SINKS_PUBLISH_PUBLISHER_H
#define DSDN_SINKS_PUBLISH_PUBLISHER_H

#include "sinks/publish/batcher.h"
#include "sinks/publish/signer.h"

#define DSDN_PUBLISHER_FLIGHT       32u /* batches made and not applied by the follower */
#define DSDN_PUBLISHER_FLIGHT_BYTES ((size_t)32 << 20)

struct dsdn_publisher;

/* A batch that was made, for people to read. */
struct dsdn_publisher_batch {
    uint64_t sequence, time_ms, origin_height;
    uint32_t bundles, events, direct; /* of the pool; of the pool; direct bundles */
    size_t len;
    uint8_t hash[32];
    enum dsdn_batch_reason reason;
    bool resumed; /* signed before a restart or a rollback, and taken up again */
};

struct dsdn_publisher_options {
    const struct dsdn_catalogue *catalogue;
    struct dsdn_view genesis; /* canonical bytes; outlive the publisher */
    const struct dsdn_io *io;
    const char *scratch; /* path of a file that copies of the state go through; removed again */
    struct dsdn_pool *pool;
    struct dsdn_signer_file *signer;
    const struct dsdn_sign_key *key;
    struct dsdn_batcher_limits limits;
    /* The signer's file is new.  If there are batches already, the one who signed them may have others under
     * way: none is made before they cannot count any more, origin_lag_max heights. */
    bool fresh_lock;
    void (*made)(void *self, const struct dsdn_publisher_batch *batch); /* NULL: nobody asks */
    void *self;
};

/* What the follower says, at the moment of the call. */
struct dsdn_publisher_view {
    struct dsdn_engine *engine;            /* its applied state */
    const struct dsdn_direct_queue *queue; /* direct bundles behind its head's cursor, kept */
    uint64_t settled;                      /* batches below are */
    struct dsdn_origin newest; /* header of the height up to which it has everything; height 0: none yet */
    uint64_t head_height;      /* newest height that is known to exist */
    uint64_t now_ms;           /* Unix time */
};

int dsdn_publisher_new(const struct dsdn_publisher_options *options, struct dsdn_publisher **out,
                       struct dsdn_error *error);
void dsdn_publisher_free(struct dsdn_publisher *p);

/* What keeps it from making batches.  name, text */
#define DSDN_PUBLISHER_STATE_LIST(X)                                                                         \
    X(PUBLISHING, "makes batches when they are due")                                                         \
    X(CATCHING_UP, "reads the primary up to its head first")                                                 \
    X(FULL, "as many batches are under way as may be; waits for their inclusion")                            \
    X(LOCKED, "signed another header for the next sequence, which may still count; waits until it cannot")   \
    X(FRESH_LOCK, "the signer's lock is new on a log that has batches; waits origin_lag_max heights")        \
    X(NO_AUTHORITY, "the key is not the authority of the log here")                                          \
    X(NEEDS_DIRECT, "a direct bundle has to be read again")                                                  \
    X(HALTED, "the log needs a newer program")

enum dsdn_publisher_state {
#define X(name, text) DSDN_PUBLISHER_##name,
    DSDN_PUBLISHER_STATE_LIST(X)
#undef X
};
const char *dsdn_publisher_state_name(enum dsdn_publisher_state state);
const char *dsdn_publisher_state_text(enum dsdn_publisher_state state);

/* dsdn_publisher_step looks at what changed and makes the batches that are due.  A failure (disk, memory)
 * leaves everything as it can be stepped again; with HALTED it says why. */
int dsdn_publisher_step(struct dsdn_publisher *p, const struct dsdn_publisher_view *view,
                        struct dsdn_error *error);

/* dsdn_publisher_post names the batches to submit now, in one transaction, in this order; they are the
 * signer's and stay until its next change.  0: none.  From then on a submission is open. */
uint32_t dsdn_publisher_post(struct dsdn_publisher *p, const struct dsdn_publisher_view *view,
                             struct dsdn_view *blobs, uint32_t blobs_max, size_t bytes_max);

/* dsdn_publisher_posting: a submission of an earlier process is open (resumed).  _posted: the open one ended;
 * height: where its blobs are, 0: nowhere.  What is then not applied when the follower has read that height
 * is posted again. */
void dsdn_publisher_posting(struct dsdn_publisher *p);
void dsdn_publisher_posted(struct dsdn_publisher *p, uint64_t height);

struct dsdn_publisher_status {
    enum dsdn_publisher_state state;
    uint64_t next;       /* sequence of the next batch to make */
    uint32_t flight;     /* batches made and not applied by the follower ... */
    size_t flight_bytes; /* ... and their bytes */
    uint32_t posted;     /* of those, in the open submission */
    bool posting;
    uint64_t made, resumed, included, copies; /* since it was opened; copies of the state */
    uint64_t abandoned; /* batches that were signed and cannot count any more, or lost against a rival */
};
void dsdn_publisher_status(const struct dsdn_publisher *p, struct dsdn_publisher_status *status);

#endif
