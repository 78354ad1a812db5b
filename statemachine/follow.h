/* follow.h: the follower: from the blobs of the DA layers to the applied state and a durable log
 * (protocol.md, sections 5, 7, 8 and 12; docs/following.md).
 *
 * It joins the sequencer (which batch counts), the engine (what it does), the log directory (what is kept)
 * and the queue of direct bundles (what a batch must hold).  No socket, clock or thread: the caller reads a
 * DA layer as it likes and feeds heights; the follower says which it wants next.
 *
 *     while ((height = dsdn_follow_want(f)) != DSDN_HEIGHT_NONE && read(height, &h))
 *         if ((rc = dsdn_follow_height(f, &h, &error))) ...
 *         else while (dsdn_follow_event(f, &event)) tell(&event);
 *     dsdn_follow_sync(f, &error);     whenever there is nothing to read, and at the end
 *
 * Heights come in order.  `want` goes back when something has to be read again (protocol.md, section 12), so
 * the caller asks after every height.  Feeding a height that is known already is harmless; one with another
 * header than before is refused.
 *
 * Durable are: the batches that were appended before the last dsdn_follow_sync (also called inside, every 256
 * batches or 16 MiB), checkpoints every `checkpoint_every` batches, and DIR/follow: the newest settled point.
 * After a crash the state of that point is restored and heights are read again behind it; batches that are in
 * the log already are compared, not appended twice.
 *
 * Memory: the state; the sequencer (log/sequencer.h); 48 bytes a height and about 250 a batch since the
 * settled batch; the queue of direct bundles, 112 bytes each, at most direct_bytes together with the bundles
 * that are kept.  When the queue is full it forgets what the applied head has behind it (and reads it again
 * after a rollback); when what is ahead of the head fills it, `want` says DSDN_HEIGHT_NONE until a batch
 * takes some.
 *
 * Every function that fails leaves a follower that may be asked again.  Two kinds of failure stay, and every
 * later call returns them: a fault in the middle of a verdict (no memory, a damaged log), and a log directory
 * that is poisoned by a failed fsync (log/store.h).  Close the follower and open it again.  Not thread safe.
 */
#ifndef DSDN_STATEMACHINE_FOLLOW_H
#define DSDN_STATEMACHINE_FOLLOW_H

#include "log/da.h"
#include "log/sequencer.h"
#include "log/store.h"
#include "statemachine/direct.h"

#define DSDN_FOLLOW_SOURCES    3u /* 0 the primary, 1 quorum, 2 emergency */
#define DSDN_FOLLOW_QUORUM     1u
#define DSDN_FOLLOW_EMERGENCY  2u
#define DSDN_FOLLOW_DIRECT_MAX ((size_t)128 << 20)

struct dsdn_follow;

struct dsdn_follow_options {
    const struct dsdn_catalogue *catalogue;
    const char *dir;           /* log directory; made when there is none, which needs `genesis` */
    struct dsdn_view genesis;  /* canonical bytes; empty: those of the directory, which must exist */
    const struct dsdn_io *io;  /* NULL: the operating system */
    uint64_t checkpoint_every; /* batches; 0: 1000 */
    uint64_t segment_bytes;    /* 0: DSDN_SEGMENT_BYTES */
    uint32_t max_unsettled;    /* candidates of the sequencer; 0: its default */
    size_t direct_bytes;       /* 0: DSDN_FOLLOW_DIRECT_MAX */
    bool keep_direct;          /* keep direct bundles, for a publisher */
    bool recheck;       /* at opening, verify again the signatures of the own log (takeover batches, whose
                           certificates a log does not hold, then fail) */
    unsigned jobs;      /* threads of a replay at opening or after a rollback; 0: 1 */
    uint64_t hash_seed; /* random in apps */
    bool no_index;      /* leave DIR/index alone: neither evidence nor DA references are kept */
};

/* What opening found. */
struct dsdn_follow_report {
    struct dsdn_store_report store;
    bool created;
    bool record_lost;         /* DIR/follow is damaged: everything is read again from da_start */
    uint64_t checkpoint;      /* batches applied at the checkpoint the state came from; 0: genesis */
    uint32_t checkpoints_bad; /* files that did not restore and were passed over */
    uint64_t replayed;        /* batches from there to the settled point */
};

/* dsdn_follow_open opens or makes the log directory (one writer: LOCKED) and restores the newest settled
 * state.  report may be NULL.  Errors of the store, of a replay; CHAIN when the log does not lead to the
 * settled point; INCOMPLETE when the log begins behind genesis and no checkpoint fits. */
int dsdn_follow_open(const struct dsdn_follow_options *options, struct dsdn_follow **out,
                     struct dsdn_follow_report *report, struct dsdn_error *error);

/* dsdn_follow_close releases everything.  What was not synced may be lost, and is read again. */
void dsdn_follow_close(struct dsdn_follow *f);

/* dsdn_follow_want: height of the primary to feed next; DSDN_HEIGHT_NONE: none for now (halted, queue full,
 * or a network without a primary). */
uint64_t dsdn_follow_want(const struct dsdn_follow *f);

/* dsdn_follow_height takes all blobs of one height of the primary, proved complete by the caller, and does
 * everything that follows from them.  Above dsdn_follow_want: USAGE.  CHAIN when its header is not the one of
 * before, or not the one that the genesis names for da_start.  Any other error (disk full, ...) leaves the
 * height unread: feed it again. */
int dsdn_follow_height(struct dsdn_follow *f, const struct dsdn_da_height *height, struct dsdn_error *error);

/* dsdn_follow_blob takes one blob of another source (not 0 on a network with a primary), or of the primary
 * before its height is proved complete, which counts as if it were read again then.  *verdict (may be NULL)
 * tells what became of it and *error why; the call itself fails only for what carrying out fails. */
int dsdn_follow_blob(struct dsdn_follow *f, const struct dsdn_place *place, const uint8_t *bytes, size_t len,
                     enum dsdn_verdict *verdict, struct dsdn_error *error);

/* dsdn_follow_sync makes everything durable: log, index, DIR/follow; and seals settled segments. */
int dsdn_follow_sync(struct dsdn_follow *f, struct dsdn_error *error);

/* ---- what happened ---- */

enum dsdn_follow_event_kind {
    DSDN_FOLLOW_APPLIED =
        1, /* batch `sequence`, `hash`; provisional; known: it was in the log before a restart */
    DSDN_FOLLOW_ROLLED_BACK, /* `sequence` is the next batch again; `from` was */
    DSDN_FOLLOW_SETTLED,     /* batches below `sequence` are settled; `from`: below that they were before */
    DSDN_FOLLOW_EVIDENCE,    /* `evidence`, sequence, hash, bytes (for a pair `second`), error: why */
    DSDN_FOLLOW_ALARM,       /* error: what, and about which sequence */
    DSDN_FOLLOW_WAITING,     /* the batch `sequence` waits for namespace data up to `height` */
    DSDN_FOLLOW_HALTED,      /* this program cannot go on: error (UPGRADE_REQUIRED ...) */
    DSDN_FOLLOW_RESCAN       /* blobs of `source` (not the primary) are wanted again from `height` on */
};

struct dsdn_follow_event {
    enum dsdn_follow_event_kind kind;
    uint64_t sequence, from, height;
    uint8_t hash[32];
    uint64_t time_ms;                 /* APPLIED: of the batch ... */
    struct dsdn_origin origin;        /* ... and its da_origin */
    uint32_t events, bundles, direct; /* ... how many of each; direct: direct bundles */
    uint64_t len;                     /* ... its bytes */
    uint32_t source;
    bool provisional, known;
    enum dsdn_evidence evidence;
    struct dsdn_view bytes, second; /* owned by the follower until the next call on it */
    struct dsdn_error error;
};

/* dsdn_follow_event hands out the oldest event not handed out yet; false: there is none.  They gather until
 * they are taken. */
bool dsdn_follow_event(struct dsdn_follow *f, struct dsdn_follow_event *event);

/* "APPLIED" and so on. */
const char *dsdn_follow_event_name(enum dsdn_follow_event_kind kind);

/* ---- where it stands ---- */

struct dsdn_follow_status {
    uint64_t
        start; /* namespace data is complete from this height on (da_start, or behind a checkpoint) ... */
    uint64_t complete;         /* ... up to this one; DSDN_HEIGHT_NONE: nothing was read yet */
    struct dsdn_origin newest; /* header of `complete` */
    uint64_t next;             /* sequence of the next batch: batches applied */
    uint64_t included;         /* batches below are in a block of the primary */
    uint64_t settled;          /* batches below are settled */
    uint64_t durable;          /* batches below are on disk */
    uint64_t want;             /* dsdn_follow_want */
    bool halted;               /* by a batch that this program cannot judge */
    bool queue_full;
    uint32_t direct_cnt; /* direct blobs queued, and the bytes they occupy */
    size_t direct_bytes;
    uint64_t rollbacks, refused; /* since it was opened; refused: batches found invalid */
};
void dsdn_follow_status(const struct dsdn_follow *f, struct dsdn_follow_status *status);

/* dsdn_follow_origin finds a header that was read: a height after the settled batch's da_origin up to
 * `complete`. */
bool dsdn_follow_origin(const struct dsdn_follow *f, uint64_t height, struct dsdn_origin *origin);

/* dsdn_follow_select: dsdn_direct_select for a batch on the applied head, with all bundles at hand.  AGAIN
 * when some were not kept for want of room: dsdn_follow_want then names their height, feed it and ask again.
 * AGAIN also when origin->height is not complete here.  Needs keep_direct. */
int dsdn_follow_select(struct dsdn_follow *f, const struct dsdn_origin *origin, uint64_t time_ms,
                       struct dsdn_direct_selection *selection, struct dsdn_error *error);

/* Parts, owned by the follower.  Engine and queue change with every call that feeds it: do not keep them. */
struct dsdn_engine *dsdn_follow_engine(struct dsdn_follow *f);
struct dsdn_store *dsdn_follow_store(struct dsdn_follow *f);
const struct dsdn_sequencer *dsdn_follow_sequencer(const struct dsdn_follow *f);
const struct dsdn_direct_queue *dsdn_follow_queue(const struct dsdn_follow *f);

#endif
