/* signer_lock.h: keys that must not sign twice (protocol.md, section 9): the lock that a signer writes before
 * it signs, and two headers that prove that a key was used twice. */
#ifndef DSDN_LOG_SIGNER_LOCK_H
#define DSDN_LOG_SIGNER_LOCK_H

#include "log/batch.h"

/* dsdn_equivocation: two headers that no honest key signs both: one sequence, one publisher, one
 * committee_epoch, origins within origin_lag_max heights, different signed messages.  Signature bytes are not
 * compared (a FROST group may sign one header twice); different epochs are a hand-off race; a takeover batch
 * has no publisher. */
bool dsdn_equivocation(const struct dsdn_header *a, const struct dsdn_header *b, uint64_t origin_lag_max);

/* The signer's lock (section 9): what a signer wrote down, durably, before it signed for one sequence. */
struct dsdn_signer_lock {
    uint64_t sequence;
    uint8_t hash[32]; /* of the header, H("dsdn/batchid/1", header) */
    uint64_t origin_height;
    bool takeover;
};

enum dsdn_signer {
    DSDN_SIGNER_AUTHORITY = 0, /* coordinator or FROST member */
    DSDN_SIGNER_WITNESS = 1    /* validator or emergency store */
};

/* What the signer knows when it is asked. */
struct dsdn_signer_facts {
    uint64_t settled_next; /* first sequence not settled */
    uint64_t complete;     /* namespace data of the primary is here up to this height */
    uint64_t origin_lag_max;
    bool old_included; /* a countable inclusion of the locked header exists */
    bool certificate;  /* a certificate for the locked header (takeover: for any child of the tip) exists */
    bool primary_live; /* takeover: the primary produced blocks all the time */
    uint64_t quiet_ms; /* takeover: header time without a countable child of the tip */
    uint64_t authority_timeout; /* takeover: parameter, ms */
};

enum dsdn_signer_answer {
    DSDN_SIGN_REFUSE = 0,
    DSDN_SIGN_RESEND, /* this very header was locked before: send the same signature again */
    DSDN_SIGN_LOCK    /* write the lock and fsync it, then sign */
};

/* dsdn_signer_may decides whether to sign header now.  lock is what was written for header->sequence, NULL
 * when nothing was.  A witness signs at most one takeover for a sequence, and none that bypasses a
 * certificate. */
enum dsdn_signer_answer dsdn_signer_may(enum dsdn_signer who, const struct dsdn_signer_lock *lock,
                                        const struct dsdn_header *header,
                                        const struct dsdn_signer_facts *facts);

#endif
