/* submit.h: posting blobs, exactly as often as needed.
 *
 * blob.Submit has no id that a client could choose, and its answer can be lost while the transaction is not.
 * So before a call, the commitments of its blobs and the head H0 are recorded; when the outcome is unknown
 * the namespace is read - by verified reads, as everywhere - from H0 on, and the blobs are sent again only
 * when they are absent up to H0 + DSDN_SUBMIT_WINDOW: by then a transaction that was not included never will
 * be (mempool TTL, 36 blocks).  One submission is open at a time: more of one account are not reliable.
 *
 * The first part is sans-I/O.  The second drives it against a node.  Both are told of verified heights by
 * whoever reads them anyway: give every height to dsdn_submit_saw or dsdn_submitter_saw, in order. */
#ifndef DSDN_ADAPTERS_CELESTIA_SUBMIT_H
#define DSDN_ADAPTERS_CELESTIA_SUBMIT_H

#include "adapters/celestia/endpoint.h"
#include "adapters/celestia/json_objects.h"
#include "adapters/celestia/rpc.h"

#define DSDN_SUBMIT_WINDOW     36u
#define DSDN_SUBMIT_BLOBS_MAX  64u
#define DSDN_SUBMIT_BYTES_MAX  (7u << 20) /* of all blobs of a call: a transaction has at most 8 MiB */
#define DSDN_SUBMIT_TIMEOUT_MS 180000u    /* of a call: inclusion may take a minute */

/* ---- the state machine ---- */

enum dsdn_submit_phase {
    DSDN_SUBMIT_IDLE,
    DSDN_SUBMIT_READY,   /* to be sent, not before `not_before_ms` */
    DSDN_SUBMIT_SENT,    /* the call is open */
    DSDN_SUBMIT_LOOKING, /* the outcome is unknown, or a height was returned and has not been read yet */
    DSDN_SUBMIT_DONE,    /* all blobs were seen, in one height */
    DSDN_SUBMIT_FAILED,  /* it cannot succeed as it is: error says why */
};

/* What an attempt's answer says about the blobs. */
enum dsdn_submit_outcome {
    DSDN_OUTCOME_INCLUDED, /* a height was returned */
    DSDN_OUTCOME_REFUSED,  /* for good: too large, bad namespace, no funds, no permission */
    DSDN_OUTCOME_LATER,    /* not sent, may be sent again after a pause: sequence mismatch, fee, 429, 503 */
    DSDN_OUTCOME_UNKNOWN,  /* may have been sent: timeout, broken connection, "already in mempool", evicted */
};

/* dsdn_submit_outcome sorts the end of a blob.Submit call (docs/operations.md has the table). */
enum dsdn_submit_outcome dsdn_submit_outcome(const struct dsdn_rpc_end *end);

struct dsdn_submit {
    enum dsdn_submit_phase phase;
    uint32_t blob_cnt;
    uint8_t commitments[DSDN_SUBMIT_BLOBS_MAX][32];
    uint64_t head0;                          /* head before the last sending */
    uint64_t returned;                       /* height the node named; 0: none */
    uint64_t read_to;                        /* last height seen */
    uint32_t attempts;                       /* sendings */
    uint32_t pauses;                         /* LATERs in a row */
    uint64_t not_before_ms;                  /* READY */
    uint64_t height;                         /* DONE: where the blobs are */
    uint32_t indices[DSDN_SUBMIT_BLOBS_MAX]; /* DONE: their blob indexes, in the order of the call */
    struct dsdn_error error;                 /* FAILED */
};

/* The record to be durable before each sending: text-free, little-endian:
 *     0 u32 magic "DSUB"   4 u32 blob_cnt   8 u64 head0   16 u32 attempts   20 blob_cnt * 32 commitments
 * and a CRC32C of it all, u32. */
#define DSDN_SUBMIT_RECORD_MAX (24u + DSDN_SUBMIT_BLOBS_MAX * 32u)

/* dsdn_submit_begin: IDLE, DONE or FAILED to READY.  commitments: blob_cnt (1 to DSDN_SUBMIT_BLOBS_MAX)
 * different ones.  USAGE. */
int dsdn_submit_begin(struct dsdn_submit *s, const uint8_t (*commitments)[32], uint32_t blob_cnt,
                      struct dsdn_error *error);

/* dsdn_submit_resume takes a record of an earlier process: what it sent may have landed, so it is LOOKING;
 * heights must be given from s->head0 + 1 on.  MALFORMED, CHECKSUM. */
int dsdn_submit_resume(struct dsdn_submit *s, const uint8_t *record, size_t len, struct dsdn_error *error);

/* dsdn_submit_send: READY to SENT at the head of now; writes the record, which must be durable before the
 * call is made. Returns its length. */
size_t dsdn_submit_send(struct dsdn_submit *s, uint64_t head, uint8_t record[DSDN_SUBMIT_RECORD_MAX]);

/* dsdn_submit_answered: SENT to LOOKING, READY or FAILED.  height: INCLUDED; pause_ms: how long to wait after
 * a LATER; error: why. */
void dsdn_submit_answered(struct dsdn_submit *s, enum dsdn_submit_outcome outcome, uint64_t height,
                          uint64_t now_ms, uint64_t pause_ms, const struct dsdn_error *error);

/* dsdn_submit_saw: a verified height.  Blobs that are found make it DONE, from whatever phase; absence beyond
 * head0 + DSDN_SUBMIT_WINDOW makes LOOKING READY again.  A duplicate of a blob seen before is nothing. */
void dsdn_submit_saw(struct dsdn_submit *s, const struct dsdn_da_height *height);

/* ---- the shell ---- */

struct dsdn_submitter_options {
    struct dsdn_endpoint_options endpoint;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    struct dsdn_tx_config config;
    uint32_t timeout_ms; /* of a call; 0: DSDN_SUBMIT_TIMEOUT_MS */
    uint64_t seed;       /* of the pauses; 0: from the system */
    /* makes a record durable; its code is passed on and nothing is sent.  NULL: no record. */
    int (*save)(void *self, const uint8_t *record, size_t len, struct dsdn_error *error);
    uint64_t (*clock_ms)(void *self); /* NULL: the system's monotonic clock */
    void *self;
};

struct dsdn_submitter;

int dsdn_submitter_new(const struct dsdn_submitter_options *options, struct dsdn_submitter **submitter,
                       struct dsdn_error *error);
void dsdn_submitter_free(struct dsdn_submitter *submitter);

/* dsdn_submitter_post begins to post blobs, in this order, all in one transaction; they are copied.
 * USAGE when one is open, for no blobs, too many, too large, or two alike; NO_MEMORY. */
int dsdn_submitter_post(struct dsdn_submitter *submitter, const struct dsdn_view *blobs, uint32_t blob_cnt,
                        struct dsdn_error *error);

/* dsdn_submitter_resume goes on with what a record says was being posted; blobs are the same as then.
 * USAGE when they are not. */
int dsdn_submitter_resume(struct dsdn_submitter *submitter, const uint8_t *record, size_t len,
                          const struct dsdn_view *blobs, uint32_t blob_cnt, struct dsdn_error *error);

/* dsdn_submitter_saw: as dsdn_submit_saw. */
void dsdn_submitter_saw(struct dsdn_submitter *submitter, const struct dsdn_da_height *height);

/* dsdn_submitter_run moves on, waiting at most timeout_ms for an answer.  head: the newest known height, for
 * the record of a sending.  0, and dsdn_submitter_state tells the phase; else what save or memory said. */
int dsdn_submitter_run(struct dsdn_submitter *submitter, uint64_t head, uint32_t timeout_ms,
                       struct dsdn_error *error);
const struct dsdn_submit *dsdn_submitter_state(const struct dsdn_submitter *submitter);

/* Fees of all sendings that were included, in utia, by cost.h and the configured price (the node's minimum
 * when none is set); gas likewise. */
struct dsdn_submitter_spent {
    uint64_t submissions, blobs, bytes, gas, utia;
};
struct dsdn_submitter_spent dsdn_submitter_spent(const struct dsdn_submitter *submitter);
const struct dsdn_endpoint *dsdn_submitter_endpoint(const struct dsdn_submitter *submitter);

#endif
