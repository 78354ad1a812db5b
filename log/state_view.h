/* state_view.h: what the sequencer asks of the applied state (protocol.md, sections 5, 8 and 9).
 *
 * The log does not know how state is made; whoever applies batches implements this (the state machine, or a
 * model in a test).  Every answer is a function of the applied batches, so the sequencer may ask at any time;
 * it asks on the thread that calls it.  `self` is passed through. */
#ifndef DSDN_LOG_STATE_VIEW_H
#define DSDN_LOG_STATE_VIEW_H

#include "log/batch.h"
#include "log/fork_choice.h"

/* The end of the applied chain. */
struct dsdn_head {
    uint64_t next;    /* sequence of the next batch: batches applied, counted from genesis */
    uint8_t hash[32]; /* batch hash of the last one; the genesis hash when next is 0 */
    uint64_t time_ms;
    struct dsdn_origin origin;
    struct dsdn_cursor cursor;
    uint64_t committee_epoch;
};

enum dsdn_right { DSDN_RIGHT_UNKNOWN = 0, DSDN_RIGHT_ANNOUNCED, DSDN_RIGHT_CURRENT };

enum dsdn_signer_set_kind { DSDN_SET_QUORUM = 0, DSDN_SET_EMERGENCY = 1 };

/* A set that signs certificates; keys belong to the view and live until the next call on it. */
struct dsdn_signer_set {
    enum dsdn_signer_set_kind kind; /* founders that stand in for absent validators are a quorum set */
    const uint8_t *members;         /* count keys of 32 bytes, in set order */
    uint32_t count;
    uint8_t percent; /* how many of them must sign (dsdn_quorum_needed) */
};

enum dsdn_judgement {
    DSDN_JUDGED_VALID = 0,
    DSDN_JUDGED_INVALID, /* error says why; kept as evidence */
    DSDN_JUDGED_WAIT,    /* namespace data up to *wait_height is needed first.  A height that was reported complete:
                            whoever answers let the data go and sees to it that it is fed again */
    DSDN_JUDGED_HALT     /* this program cannot judge it: error->code (UPGRADE_REQUIRED, IO ...) */
};

struct dsdn_state_view {
    void *self;

    void (*head)(void *self, struct dsdn_head *head);

    /* Is publisher, for batches of this epoch, current or announced in the applied state or in any state
     * since the settled one?  (A key that lost its right in an unsettled batch may yet have signed the rival
     * that wins.) */
    enum dsdn_right (*may)(void *self, const uint8_t publisher[32], uint64_t committee_epoch);

    /* The set set_id in the state with `next` batches applied, settled <= next <= head.next.  False: no such
     * set. */
    bool (*set)(void *self, uint64_t next, uint32_t set_id, struct dsdn_signer_set *set);

    /* Parameters of the applied state. */
    void (*limits)(void *self, struct dsdn_fork_limits *limits, uint32_t *batch_max);

    /* Judge batch, whose prev is the head (section 5).  Chain, genesis, batch signature, body hash and
     * batch_max were checked; the rest is asked here: rights, time, events, bundles, direct bundles. */
    enum dsdn_judgement (*judge)(void *self, const struct dsdn_batch *batch, uint64_t *wait_height,
                                 struct dsdn_error *error);

    /* Judge again, now that data came, the applied batch `sequence` that was applied provisionally. */
    enum dsdn_judgement (*confirm)(void *self, uint64_t sequence, uint64_t *wait_height,
                                   struct dsdn_error *error);
};

#endif
