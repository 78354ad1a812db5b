/* fault.h: the switchboard: what a devnet does wrong on purpose, where, and how often.
 *
 * A fault has a kind, a scope (method, heights), a rhythm (every n-th call that is in scope, at most so many
 * times), a value and a text whose meaning depends on the kind.  Each counts the calls that were in its scope
 * and those it changed.  Several can be on at once. */
#ifndef DSDN_ADAPTERS_DEVNET_FAULT_H
#define DSDN_ADAPTERS_DEVNET_FAULT_H

#include "adapters/celestia/json.h"

/* name, what it does */
#define DSDN_DEVNET_FAULT_LIST(X)                                                                            \
    X(latency, "answer VALUE ms late")                                                                       \
    X(status, "HTTP status VALUE with the body that belongs to it (401, 429, 500, 503)")                     \
    X(error, "error object with TEXT")                                                                       \
    X(drop, "close the connection instead of answering")                                                     \
    X(truncate, "close the connection after VALUE bytes of the body")                                        \
    X(oversize, "VALUE blanks behind the body")                                                              \
    X(drip, "VALUE bytes of the body a second")                                                              \
    X(body, "TEXT for a body")                                                                               \
    X(withhold, "blob.GetAll null, share.GetNamespaceData an error, though there is data")                   \
    X(hide, "data of the height is denied: null, [], not found")                                             \
    X(wrong_share, "a byte of share VALUE of the answer is another one")                                     \
    X(missing_share, "the last share of the answer is left out")                                             \
    X(missing_row, "the last row (blob.GetAll: the last blob) is left out")                                  \
    X(wrong_proof, "a byte of the last proof is another one")                                                \
    X(wrong_dah, "a byte of row root 0 in the header is another one")                                        \
    X(forged_header, "header made false: TEXT is validators (another set), signature, hash, or time")        \
    X(fork, "headers of another chain from the first height of the scope on: the same validators sign it; "  \
            "with TEXT forger others do")                                                                    \
    X(stale_head, "the head is VALUE heights behind")                                                        \
    X(sync_lag, "the local head is VALUE heights behind the network's: syncing in progress")                 \
    X(submit_late, "Submit times out, and what it posted lands VALUE heights later than it would")           \
    X(submit_lost, "Submit times out, and nothing lands")                                                    \
    X(submit_twice, "what Submit posts lands again VALUE heights later")                                     \
    X(sequence, "Submit fails: account sequence mismatch")

enum dsdn_devnet_fault_kind {
#define X(name, text) DSDN_DEVNET_FAULT_##name,
    DSDN_DEVNET_FAULT_LIST(X)
#undef X
        DSDN_DEVNET_FAULT_CNT
};

#define DSDN_DEVNET_FAULTS_MAX   256u
#define DSDN_DEVNET_FAULT_TEXT   160u
#define DSDN_DEVNET_FAULT_METHOD 64u
#define DSDN_DEVNET_ANY_HEIGHT   UINT64_MAX /* asked about for a call that is about no height */

struct dsdn_devnet_fault {
    uint32_t id;
    enum dsdn_devnet_fault_kind kind;
    char method[DSDN_DEVNET_FAULT_METHOD]; /* "": every but devnet.*; "blob.*": those of a module */
    uint64_t from, to; /* heights, inclusive; a call without one is in 0..UINT64_MAX only */
    uint64_t times;    /* 0: without limit */
    uint64_t every;    /* 1: each call in scope */
    uint64_t value;
    char text[DSDN_DEVNET_FAULT_TEXT];
    uint64_t seen, fired; /* calls in scope; changed ones */
};

struct dsdn_devnet_faults {
    struct dsdn_devnet_fault list[DSDN_DEVNET_FAULTS_MAX];
    uint32_t cnt, last_id;
};

const char *dsdn_devnet_fault_name(enum dsdn_devnet_fault_kind kind);
const char *dsdn_devnet_fault_text(enum dsdn_devnet_fault_kind kind);

/* dsdn_devnet_fault_parse reads "kind=drop,method=header.*,heights=5-9,times=1,every=2,value=3,text=...";
 * text is the last one and may have commas.  heights: N, N-M or N-.  USAGE. */
int dsdn_devnet_fault_parse(const char *text, struct dsdn_devnet_fault *fault, struct dsdn_error *error);

/* dsdn_devnet_fault_read reads {"kind":"drop","method":"header.*","from":5,"to":9,"times":1,"every":2,
 * "value":3,"text":"..."}; all but kind may be missing.  MALFORMED. */
int dsdn_devnet_fault_read(struct dsdn_view value, struct dsdn_devnet_fault *fault, struct dsdn_error *error);

/* dsdn_devnet_fault_write writes that object, with id, seen and fired. */
void dsdn_devnet_fault_write(struct dsdn_text *t, const struct dsdn_devnet_fault *fault);

/* dsdn_devnet_faults_add switches a fault on and returns its id; 0: there are DSDN_DEVNET_FAULTS_MAX. */
uint32_t dsdn_devnet_faults_add(struct dsdn_devnet_faults *faults, const struct dsdn_devnet_fault *fault);

/* dsdn_devnet_faults_clear switches one off (id 0: all); false when there is none. */
bool dsdn_devnet_faults_clear(struct dsdn_devnet_faults *faults, uint32_t id);

/* dsdn_devnet_faults_hit asks whether a call is to be changed by a fault of this kind: counts, and returns
 * the first that fires, or NULL. */
const struct dsdn_devnet_fault *dsdn_devnet_faults_hit(struct dsdn_devnet_faults *faults,
                                                       enum dsdn_devnet_fault_kind kind, const char *method,
                                                       uint64_t height);

#endif
