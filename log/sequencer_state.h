/* sequencer_state.h: the inside of a sequencer, shared by its three files only: what is held
 * (sequencer_hold.c), what comes in (sequencer_intake.c), and what to do next (sequencer.c). */
#ifndef DSDN_LOG_SEQUENCER_STATE_H
#define DSDN_LOG_SEQUENCER_STATE_H

#include "log/rescan.h"
#include "log/sequencer.h"
#include "log/signer_lock.h"

enum { CANDIDATES_MAX = 2, PENDING_MAX = 2, EVIDENCE_MAX = 32, KEY_CACHE = 256, UNSETTLED_DEFAULT = 65536 };

/* A certificate that waits until its set can be read: until the parent of its batch is applied. */
struct pending {
    uint8_t *bytes;
    uint32_t len;
    struct dsdn_place place;
};

/* What is kept of a candidate beside its node in the tree; index = node. */
struct held {
    uint8_t head[DSDN_BATCH_FIXED_LEN]; /* header and signature, for evidence */
    uint8_t *bytes;                     /* the whole batch, until it is applied; NULL: not held */
    uint32_t len;
    struct dsdn_place place; /* where it was seen first */
    struct pending pending[PENDING_MAX];
    bool applied;
    bool requested;               /* RESCAN for its bytes was given */
    bool paired, twice_certified; /* evidence about it was given */
};

struct evidence {
    enum dsdn_evidence kind;
    uint64_t sequence;
    uint8_t hash[32];
    int code;
    uint8_t *bytes; /* a whole batch, owned; NULL: head[0] */
    uint32_t len;
    uint8_t head[2][DSDN_BATCH_FIXED_LEN];
};

struct source {
    uint64_t complete;        /* DSDN_HEIGHT_NONE: nothing yet */
    struct dsdn_rescan ahead; /* let go above the tip */
    uint64_t beside;          /* lowest height let go beside the applied chain: of use if that is left */
};

struct dsdn_sequencer {
    struct dsdn_sequencer_config config;
    const struct dsdn_state_view *view;
    struct dsdn_fork_choice *fork;
    struct dsdn_key_cache *keys;
    struct held *held;
    uint32_t held_cap;
    struct dsdn_head head;
    uint32_t head_node;
    uint32_t halted;      /* node that this program cannot judge */
    bool lost;            /* the view's head is not in the tree */
    bool full;            /* the tree is; alarm given */
    bool confirm;         /* complete rose: provisional batches may be judged */
    uint32_t provisional; /* applied provisionally and not confirmed */
    uint64_t ready;       /* the highest `complete` of the primary ever: up to there batches can be judged */
    uint64_t waited;      /* height of the last WAIT given */
    struct source sources[DSDN_SEQUENCER_SOURCES];
    struct evidence ring[EVIDENCE_MAX];
    uint32_t ring_first, ring_count;
    uint8_t *given; /* evidence bytes lent to the shell until the next call */
    struct dsdn_action alarms[4];
    uint32_t alarm_count;
    struct dsdn_sequencer_stats stats;
};

static inline uint64_t sequence_of(const struct dsdn_sequencer *s, uint32_t node)
{
    return dsdn_fork_choice_next(s->fork, node) - 1;
}

/* ---- sequencer_hold.c ---- */

/* Copy and keep the bytes of a batch if they are wanted; false: no room.  _drop gives them up, the node
 * stays. */
bool dsdn_hold_keep(struct dsdn_sequencer *s, uint32_t node, const uint8_t *bytes, size_t len,
                    const struct dsdn_place *place);
void dsdn_hold_drop(struct dsdn_sequencer *s, struct held *h);
/* Free everything held for a node; self is the sequencer. */
void dsdn_hold_forget(void *self, uint32_t node);
/* Make s->held[node] exist; false: no memory. */
bool dsdn_hold_reserve(struct dsdn_sequencer *s, uint32_t node);
/* A blob of this sequence is not kept: it lowers rescan_from of its source.  Above the tip it will be wanted
 * when the tip gets there; beside the applied chain, when that is left or a sibling turns out invalid:
 * _want_beside. */
void dsdn_hold_let_go(struct dsdn_sequencer *s, const struct dsdn_place *place, uint64_t sequence);
void dsdn_hold_want_beside(struct dsdn_sequencer *s);

void dsdn_hold_alarm(struct dsdn_sequencer *s, int code, uint64_t sequence);
/* The state said no: evidence, and the node is invalid from now on. */
void dsdn_hold_refuse(struct dsdn_sequencer *s, uint32_t node, int code);
/* Did the key of this new candidate sign another header for its sequence?  Then evidence. */
void dsdn_hold_equivocation(struct dsdn_sequencer *s, uint32_t node, const struct dsdn_header *header);

/* Is the parent of a batch applied, so that the set and the parameters that judge it can be read? */
bool dsdn_hold_parent_applied(const struct dsdn_sequencer *s, const uint8_t prev[32], uint64_t sequence);
/* Would an inclusion there be news?  _record tells fork choice of it. */
bool dsdn_hold_news(const struct dsdn_sequencer *s, uint32_t node, enum dsdn_carrier carrier,
                    const struct dsdn_place *place);
void dsdn_hold_record(struct dsdn_sequencer *s, uint32_t node, enum dsdn_carrier carrier,
                      const struct dsdn_place *place);
/* Verify a certificate against the set in the state before the batch; *carrier tells which kind it is. */
bool dsdn_hold_certificate(struct dsdn_sequencer *s, const struct dsdn_certificate *certificate,
                           uint64_t sequence, const uint8_t hash[32], enum dsdn_carrier *carrier,
                           struct dsdn_error *error);
/* Keep a certificate until its set can be read (false: no room); the parent is applied now: read those of its
 * children. */
bool dsdn_hold_keep_pending(struct dsdn_sequencer *s, uint32_t node,
                            const struct dsdn_certificate *certificate, const uint8_t *bytes,
                            const struct dsdn_place *place);
void dsdn_hold_read_pending(struct dsdn_sequencer *s, uint32_t parent);

/* ---- sequencer.c ---- */

/* Look where the applied head is, and catch up with it. */
void dsdn_sequencer_follow(struct dsdn_sequencer *s);
/* Can the state be asked about this child of the head, as far as is known here?  _judge asks; its bytes must
 * be held. False: nothing changed. */
bool dsdn_sequencer_can_judge(const struct dsdn_sequencer *s, uint32_t node);
bool dsdn_sequencer_judge(struct dsdn_sequencer *s, uint32_t node, struct dsdn_error *error);

#endif
