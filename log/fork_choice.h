/* fork_choice.h: which of several batches for one place in the log counts (protocol.md, sections 8 and 9).
 *
 * A tree of candidates hangs from one settled batch, the root.  Facts are added in any order: where the
 * primary includes a batch, which certificates were seen, what the state said of it.  The chosen path is a
 * function of the set of facts alone, never of the order in which they came (the one exception is a network
 * without a primary, where the first accepted child stays).  docs/fork-choice.md explains the rules with an
 * example.
 *
 *     incl(b)   lowest countable inclusion (height, index)
 *     eff(b)    max(height of incl(b), eff(parent))
 *     close(p)  lowest eff of p's children + fork_window
 *     cert(b)   lowest inclusion of b together with a valid quorum certificate
 *
 * Choice among the children of p: a certificate at or before close(p), the lowest position first; otherwise
 * the lowest incl; otherwise (none on the primary) the quorum-certified one, else the emergency-attested one;
 * two of the same rank there, or none: nothing is chosen.  A child that the state has not judged yet counts
 * as valid, so the answer is "judge this one next"; an invalid one never counts.
 *
 * cert height is "counted as at least eff(parent)" (section 8).  close(p) >= eff(p), so the clamp never moves
 * a certificate across close(p); among certificates the position itself decides, which leaves no ties, since
 * one position of the primary holds one blob.
 *
 * A change costs the children of one parent, and the path below it only as far as something changes there.
 * Memory: two arrays that double up to max_nodes; about 230 bytes a candidate.  Not thread safe. */
#ifndef DSDN_LOG_FORK_CHOICE_H
#define DSDN_LOG_FORK_CHOICE_H

#include "log/batch.h"
#include "log/finality.h"

#define DSDN_FORK_NONE      UINT32_MAX
#define DSDN_HEIGHT_NONE    UINT64_MAX /* not on the primary; as an eff or close: no bound yet */
#define DSDN_CLOCK_SLACK_MS 120000u    /* a bare batch is at most so far ahead of its block's header time */

/* Place of a blob on the primary: ordinal `index` among the blobs of the namespace at `height`. */
struct dsdn_inclusion {
    uint64_t height; /* DSDN_HEIGHT_NONE: nowhere */
    uint32_t index;
};

/* What a batch was wrapped in where it was seen. */
enum dsdn_carrier {
    DSDN_CARRIER_BARE = 0,      /* a DSDB blob */
    DSDN_CARRIER_QUORUM = 1,    /* a DSDC blob whose quorum certificate verified */
    DSDN_CARRIER_EMERGENCY = 2, /* a DSDC blob whose emergency attestation verified */
    DSDN_CARRIER_COUNT = 3
};

/* PROVISIONAL: certified, applied before the data that would judge it is here (section 5). */
enum dsdn_validity { DSDN_UNJUDGED = 0, DSDN_VALID, DSDN_PROVISIONAL, DSDN_INVALID };

/* Parameters of the state after a batch that decide between its children. */
struct dsdn_fork_limits {
    uint64_t origin_lag_max; /* heights */
    uint64_t fork_window;    /* heights */
};

/* Where the tree starts.  Before batch 0: next 0, hash = genesis, eff = origin_height = da_start. */
struct dsdn_fork_root {
    uint64_t next; /* sequence of its children */
    uint8_t hash[32];
    uint64_t eff;           /* dsdn_fork_choice_eff of it when it settled */
    uint64_t origin_height; /* no child of the root can be included at or below it */
    struct dsdn_fork_limits limits;
};

/* The lowest place seen for each carrier, and whether it was seen off the primary: everything that fork
 * choice knows of one batch.  Kept by a log's index, it makes a restart forget nothing. */
struct dsdn_inclusions {
    struct dsdn_inclusion lowest[DSDN_CARRIER_COUNT];
    bool off_primary[DSDN_CARRIER_COUNT];
};
/* clang-format off */
#define DSDN_INCLUSIONS_NONE                                                                                 \
    {{{DSDN_HEIGHT_NONE, 0}, {DSDN_HEIGHT_NONE, 0}, {DSDN_HEIGHT_NONE, 0}}, {false, false, false}}
/* clang-format on */

/* The part of a header that fork choice reads. */
struct dsdn_candidate {
    uint8_t hash[32], prev[32];
    uint64_t sequence, time_ms, origin_height;
};

struct dsdn_fork_choice;

/* dsdn_fork_choice_new allocates a tree of the root alone.  primary: false for a network without one.
 * NULL: NO_MEMORY, or USAGE when max_nodes is below 2. */
struct dsdn_fork_choice *dsdn_fork_choice_new(const struct dsdn_fork_root *root, bool primary,
                                              uint32_t max_nodes, struct dsdn_error *error);
void dsdn_fork_choice_free(struct dsdn_fork_choice *f);

/* dsdn_fork_choice_add adds a candidate whose hash is not in the tree yet.  Its parent may be unknown.
 * 0 and *node (valid until it is removed), TOO_LARGE (max_nodes reached) or NO_MEMORY: nothing changed. */
int dsdn_fork_choice_add(struct dsdn_fork_choice *f, const struct dsdn_candidate *candidate, uint32_t *node,
                         struct dsdn_error *error);

/* dsdn_fork_choice_remove takes a candidate out with all that is known of it.  Never the root. */
void dsdn_fork_choice_remove(struct dsdn_fork_choice *f, uint32_t node);

/* dsdn_fork_choice_countable says whether a blob at position would be a new lowest inclusion: origin below
 * the height, for a bare batch also its time at most DSDN_CLOCK_SLACK_MS above header_time_ms, and below what
 * is known. (origin_lag_max is left to the choice: it is a parameter of the parent's state.)  position NULL:
 * the blob was seen off the primary; the answer is whether that is news. */
bool dsdn_fork_choice_countable(const struct dsdn_fork_choice *f, uint32_t node, enum dsdn_carrier carrier,
                                const struct dsdn_inclusion *position, uint64_t header_time_ms);

/* dsdn_fork_choice_include records it; no effect unless _countable. */
void dsdn_fork_choice_include(struct dsdn_fork_choice *f, uint32_t node, enum dsdn_carrier carrier,
                              const struct dsdn_inclusion *position, uint64_t header_time_ms);

/* dsdn_fork_choice_restore sets everything at once, as _inclusions gave it before a restart. */
void dsdn_fork_choice_restore(struct dsdn_fork_choice *f, uint32_t node,
                              const struct dsdn_inclusions *inclusions);
const struct dsdn_inclusions *dsdn_fork_choice_inclusions(const struct dsdn_fork_choice *f, uint32_t node);

/* dsdn_fork_choice_judge records what the state said.  ready_height: namespace data up to there is needed to
 * judge it (a new candidate starts with its origin's height); an unjudged candidate without a certificate is
 * not chosen before dsdn_fork_choice_ready reached it. */
void dsdn_fork_choice_judge(struct dsdn_fork_choice *f, uint32_t node, enum dsdn_validity validity,
                            uint64_t ready_height);
enum dsdn_validity dsdn_fork_choice_validity(const struct dsdn_fork_choice *f, uint32_t node);
uint64_t dsdn_fork_choice_ready_height(const struct dsdn_fork_choice *f, uint32_t node);

/* dsdn_fork_choice_ready: namespace data of the primary is complete up to height.  Lower heights are ignored.
 */
void dsdn_fork_choice_ready(struct dsdn_fork_choice *f, uint64_t height);

/* dsdn_fork_choice_unready: data above height is not here any more, as far as judging goes. */
void dsdn_fork_choice_unready(struct dsdn_fork_choice *f, uint64_t height);

/* dsdn_fork_choice_limits sets the parameters of the state after node; without it they are those of its
 * parent. */
void dsdn_fork_choice_limits(struct dsdn_fork_choice *f, uint32_t node,
                             const struct dsdn_fork_limits *limits);

/* Reading the tree.  DSDN_FORK_NONE where there is no such node. */
uint32_t dsdn_fork_choice_root(const struct dsdn_fork_choice *f);
/* The root as _new takes it. */
void dsdn_fork_choice_point(const struct dsdn_fork_choice *f, struct dsdn_fork_root *point);
uint32_t dsdn_fork_choice_find(const struct dsdn_fork_choice *f, const uint8_t hash[32]);
uint32_t dsdn_fork_choice_parent(const struct dsdn_fork_choice *f, uint32_t node);
/* The chosen child of a node of the path; DSDN_FORK_NONE off the path and at its end. */
uint32_t dsdn_fork_choice_child(const struct dsdn_fork_choice *f, uint32_t node);
/* Is node on the path from the root along chosen children? */
bool dsdn_fork_choice_on_path(const struct dsdn_fork_choice *f, uint32_t node);
/* Sequence of the children of node (its own sequence + 1; 0 for the genesis root). */
uint64_t dsdn_fork_choice_next(const struct dsdn_fork_choice *f, uint32_t node);
const uint8_t *dsdn_fork_choice_hash(const struct dsdn_fork_choice *f, uint32_t node);
/* Walk the candidates of one sequence, or the children of one hash: after = DSDN_FORK_NONE starts. */
uint32_t dsdn_fork_choice_each(const struct dsdn_fork_choice *f, uint64_t sequence, uint32_t after);
uint32_t dsdn_fork_choice_each_child(const struct dsdn_fork_choice *f, const uint8_t prev[32],
                                     uint32_t after);
/* Call visit for every node, in no particular order. */
void dsdn_fork_choice_visit(const struct dsdn_fork_choice *f, void (*visit)(void *self, uint32_t node),
                            void *self);
/* Candidates in the tree, the root included; bytes allocated. */
uint32_t dsdn_fork_choice_count(const struct dsdn_fork_choice *f);
size_t dsdn_fork_choice_bytes(const struct dsdn_fork_choice *f);

/* Of a node of the path (elsewhere NONE / DSDN_HEIGHT_NONE).  Finality is never above that of the parent. */
enum dsdn_finality dsdn_fork_choice_finality(const struct dsdn_fork_choice *f, uint32_t node);
uint64_t dsdn_fork_choice_eff(const struct dsdn_fork_choice *f, uint32_t node);
uint64_t dsdn_fork_choice_close(const struct dsdn_fork_choice *f, uint32_t node);

/* Parameters of the state after node, as far as they are known: its own, or handed down along the path. */
struct dsdn_fork_limits dsdn_fork_choice_limits_after(const struct dsdn_fork_choice *f, uint32_t node);

/* Does a valid quorum certificate (quorum) or any valid certificate (certified) of it exist? */
bool dsdn_fork_choice_quorum(const struct dsdn_fork_choice *f, uint32_t node);
bool dsdn_fork_choice_certified(const struct dsdn_fork_choice *f, uint32_t node);

/* dsdn_fork_choice_settles returns the root's chosen child if it is settled when namespace data is complete
 * up to `complete`, else DSDN_FORK_NONE. */
uint32_t dsdn_fork_choice_settles(const struct dsdn_fork_choice *f, uint64_t complete);

/* dsdn_fork_choice_advance makes the root's chosen child the root and removes every other candidate of its
 * sequence and below; removed (may be NULL) is called for each, the old root included, before it goes.  The
 * root must have a chosen child. */
void dsdn_fork_choice_advance(struct dsdn_fork_choice *f, void (*removed)(void *self, uint32_t node),
                              void *self);

#endif
