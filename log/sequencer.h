/* sequencer.h: from blobs, seen anywhere, in any order, any number of times, to the one canonical chain
 * (protocol.md, sections 3, 5, 8, 9 and 12).
 *
 * A plain state machine: no socket, file, clock or thread.  The shell feeds it what its sources deliver and
 * how far their data is complete, and takes actions one by one until there is none:
 *
 *     verdict = dsdn_sequencer_blob(s, &place, bytes, len, NULL);
 *     while (dsdn_sequencer_next(s, &action)) carry_out(&action);
 *
 * A batch is applied only when it is the chosen child of the applied head (fork_choice.h) and the state
 * judged it valid (state_view.h).  When facts choose otherwise, the shell is told to roll back, never below
 * settled, and the other branch follows.  Whatever is refused for room, or because its publisher is not known
 * yet, is asked for again by RESCAN once the tip stands before it.
 *
 * A blob counts as an inclusion only if its whole content is good: batch signature, body hash and, in a DSDC,
 * the certificate.  Checking stops early ("duplicate") where a known header would tell nothing new; so which
 * copy comes first never matters.
 *
 * Memory: at most DSDN_SEQUENCER_BATCHES batches and DSDN_SEQUENCER_BYTES of them and of certificates that
 * wait for their set; about 700 bytes for each batch that is applied but not settled, up to max_unsettled; a
 * fixed ring of evidence.  A failed allocation is a drop for room, so nothing is lost by it.  Not thread
 * safe. */
#ifndef DSDN_LOG_SEQUENCER_H
#define DSDN_LOG_SEQUENCER_H

#include "log/state_view.h"

#define DSDN_SEQUENCER_AHEAD   256u        /* sequences above the tip that are looked at */
#define DSDN_SEQUENCER_BATCHES 256u        /* batches held with their bytes */
#define DSDN_SEQUENCER_BYTES   (64u << 20) /* and their bytes together */
#define DSDN_SEQUENCER_SOURCES 8u
#define DSDN_SOURCE_PRIMARY    0u /* number of the primary, on a network that has one */

/* What became of a blob.  name, text */
#define DSDN_VERDICT_LIST(X)                                                                                 \
    X(ACCEPTED, "a batch whose predecessor is applied, or news about one")                                   \
    X(HELD, "early: kept until its predecessor is applied")                                                  \
    X(DUPLICATE, "known, and this copy tells nothing new")                                                   \
    X(STALE, "its sequence is settled")                                                                      \
    X(GARBAGE, "not a batch: wrong magic, length or header")                                                 \
    X(WRONG_GENESIS, "a batch of another network")                                                           \
    X(OUT_OF_WINDOW, "too far ahead of the tip; will be read again")                                         \
    X(UNKNOWN_PUBLISHER, "its publisher has no right that is known yet")                                     \
    X(BAD_SIGNATURE, "the batch signature or its certificate does not verify")                               \
    X(BODY_MISMATCH, "the body is not the one the header names")                                             \
    X(INVALID, "the state refused it; its sequence stays open for a sibling")                                \
    X(DROPPED, "no room to keep it; will be read again")

enum dsdn_verdict {
#define X(name, text) DSDN_BLOB_##name,
    DSDN_VERDICT_LIST(X)
#undef X
        DSDN_BLOB_VERDICTS
};

/* dsdn_verdict_name gives "ACCEPTED" and so on; dsdn_verdict_text the words of the list. */
const char *dsdn_verdict_name(enum dsdn_verdict verdict);
const char *dsdn_verdict_text(enum dsdn_verdict verdict);

/* Where a blob was seen. */
struct dsdn_place {
    uint32_t source;         /* 0 .. sources - 1 */
    uint64_t height;         /* of the source; what RESCAN names */
    uint32_t blob_index;     /* ordinal among the blobs of the namespace at that height */
    uint64_t header_time_ms; /* header time of that height; read for the primary only */
};

enum dsdn_action_kind {
    DSDN_ACTION_APPLY = 1, /* apply bytes on the head: batch `sequence`, `hash`; asked until the head is it */
    DSDN_ACTION_ROLLBACK, /* undo the batches `sequence` and above; asked again until head.next == sequence */
    DSDN_ACTION_EVIDENCE, /* keep it: `evidence`, bytes, and for a pair `second` */
    DSDN_ACTION_RESCAN,   /* read `source` again from `height` on and feed every blob */
    DSDN_ACTION_ALARM,    /* `code` of the error list, about `sequence` */
    DSDN_ACTION_WAIT      /* the tip waits for namespace data of the primary up to `height` */
};

enum dsdn_evidence {
    DSDN_EVIDENCE_INVALID = 1,  /* bytes: an authority-signed batch that the state refused (its header and
                                   signature alone when it had been applied provisionally); code says why */
    DSDN_EVIDENCE_EQUIVOCATION, /* bytes, second: two headers with signature of one key for one sequence */
    DSDN_EVIDENCE_CERTIFICATES  /* bytes, second: two headers with signature that both have a quorum
                                   certificate */
};

struct dsdn_action {
    enum dsdn_action_kind kind;
    uint64_t sequence;
    uint8_t hash[32];
    uint32_t source;
    uint64_t height;
    int code;         /* enum dsdn_error_code */
    bool provisional; /* APPLY before the data that judges it is here */
    enum dsdn_evidence evidence;
    struct dsdn_view bytes, second; /* owned by the sequencer, valid until the next call on it */
};

struct dsdn_sequencer_config {
    uint8_t genesis[32];
    bool primary;     /* source 0 is the primary; false: a network without one */
    uint32_t sources; /* 1 .. DSDN_SEQUENCER_SOURCES */
    uint32_t max_unsettled; /* candidates in the tree; 0: 65,536.  All used: ALARM TOO_LARGE, drops */
    struct dsdn_fork_root root; /* the newest settled batch */
};

struct dsdn_sequencer;

/* dsdn_sequencer_new: the view must outlive it.  The head of the view may be above the root: _restore
 * follows. NULL: NO_MEMORY or USAGE. */
struct dsdn_sequencer *dsdn_sequencer_new(const struct dsdn_sequencer_config *config,
                                          const struct dsdn_state_view *view, struct dsdn_error *error);
void dsdn_sequencer_free(struct dsdn_sequencer *s);

/* What is known of one applied, unsettled batch beside its bytes: a log's index keeps it, so that a restart
 * forgets nothing. */
struct dsdn_applied_facts {
    struct dsdn_inclusions inclusions;
    struct dsdn_place place;        /* where its bytes can be read again */
    struct dsdn_fork_limits limits; /* parameters of the state after it */
    bool provisional;               /* applied before the data that judges it was here */
};

/* dsdn_sequencer_facts fills *facts; false when `sequence` is not an applied and unsettled batch. */
bool dsdn_sequencer_facts(const struct dsdn_sequencer *s, uint64_t sequence,
                          struct dsdn_applied_facts *facts);

/* dsdn_sequencer_restore, after a restart and before anything else, gives back what _facts said of one
 * applied batch; called in order for every batch above the root, up to the head.  bytes: at least its header
 * and signature.  Then the primary is read again from root.origin_height + 1: no rival of an unsettled batch
 * can be below. 0, or CHAIN when it does not continue, TOO_LARGE, NO_MEMORY, or what dsdn_header_decode says.
 */
int dsdn_sequencer_restore(struct dsdn_sequencer *s, const uint8_t *bytes, size_t len,
                           const struct dsdn_applied_facts *facts, struct dsdn_error *error);

/* dsdn_sequencer_blob judges one blob.  bytes may be anything and are copied if kept.  error (may be NULL)
 * says why when the verdict is not ACCEPTED, HELD or DUPLICATE. */
enum dsdn_verdict dsdn_sequencer_blob(struct dsdn_sequencer *s, const struct dsdn_place *place,
                                      const uint8_t *bytes, size_t len, struct dsdn_error *error);

/* dsdn_sequencer_complete: every blob of this source up to height was fed, without a hole.  After a RESCAN
 * the shell starts over from the height that it names.  Lower reports are ignored. */
void dsdn_sequencer_complete(struct dsdn_sequencer *s, uint32_t source, uint64_t height);

/* dsdn_sequencer_next describes the next thing to do.  False: nothing, until more comes in. */
bool dsdn_sequencer_next(struct dsdn_sequencer *s, struct dsdn_action *action);

/* First sequence that is not settled (0 and no more on a network without a primary); finality of an applied
 * batch; a copy of the newest settled point, to start from after a restart. */
uint64_t dsdn_sequencer_settled(const struct dsdn_sequencer *s);
enum dsdn_finality dsdn_sequencer_finality(const struct dsdn_sequencer *s, uint64_t sequence);
void dsdn_sequencer_root(const struct dsdn_sequencer *s, struct dsdn_fork_root *root);

/* rescan_from of a source: the lowest height that was let go and will be read again; DSDN_HEIGHT_NONE: none.
 */
uint64_t dsdn_sequencer_rescan_from(const struct dsdn_sequencer *s, uint32_t source);

/* What it holds now and what it did. */
struct dsdn_sequencer_stats {
    uint64_t verdicts[DSDN_BLOB_VERDICTS];
    uint64_t rollbacks, rescans, evidence, evidence_lost;
    uint32_t held_batches, held_batches_peak, unsettled;
    uint64_t held_bytes, held_bytes_peak;
    size_t memory_bytes; /* everything allocated */
};
void dsdn_sequencer_stats(const struct dsdn_sequencer *s, struct dsdn_sequencer_stats *stats);

#endif
