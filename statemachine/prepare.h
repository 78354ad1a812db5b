/* prepare.h: everything about a batch that needs no state: framing, strict decoding, key hashes, body hash,
 * event ids, signatures.  It is what runs ahead of the engine on other threads; its result is what the engine
 * judges and applies.
 *
 * A prepared batch points into the record's bytes; both are reused from batch to batch, so nothing is
 * allocated once the largest batch was seen. */
#ifndef DSDN_STATEMACHINE_PREPARE_H
#define DSDN_STATEMACHINE_PREPARE_H

#include "log/source.h"
#include "statemachine/catalogue.h"

/* What to check beyond framing and decoding. */
#define DSDN_CHECK_BODY       1u /* body hash */
#define DSDN_CHECK_EVENT_IDS  2u /* compute the id of every event (folded into event_id_sum) */
#define DSDN_CHECK_SIGNATURES 4u /* batch and bundle signatures */

struct dsdn_prepared_bundle {
    struct dsdn_bundle bundle;
    uint32_t first_op, op_cnt;
    uint8_t message[32]; /* signed message, when ids or signatures were asked for and the kind is not 0 */
};

struct dsdn_prepared {
    struct dsdn_batch batch;
    struct dsdn_prepared_bundle *bundles;
    uint32_t bundle_cnt, bundle_cap;
    struct dsdn_op *ops;
    uint32_t op_cnt, op_cap;
    uint32_t *embedded; /* numbers of the ops that have a SIGNED_BY line and will be reduced, ascending */
    uint32_t embedded_cnt, embedded_cap;
    uint32_t signed_cnt;                          /* bundles of kind 1 and 2 */
    uint32_t reserve[DSDN_STATE_TABLES_MAX];      /* rows its events may insert, by table */
    uint64_t newest_type;                         /* highest `since` of the event types in it */
    uint16_t newest_event;                        /* an event that has it */
    uint32_t takeover_cnt; /* AuthorityReplaced in authority bundles: one in a takeover batch, else none */
    bool unknown_type;     /* carries a type or version this program does not know ... */
    uint32_t unknown_bundle, unknown_index;       /* ... first here */
    uint16_t unknown_code;
    uint8_t unknown_version;
    uint8_t event_id_sum[32];                     /* XOR of all event ids, when asked for */
    uint64_t signatures;                          /* signatures verified */
    uint32_t checked;                             /* DSDN_CHECK_* done */
    dsdn_outcome *outcomes;                       /* op_cnt, filled by the engine */
};

void dsdn_prepared_free(struct dsdn_prepared *p);

/* dsdn_prepare frames and decodes one batch.  seed is the engine's.  A batch that is not canonical gives
 * MALFORMED (and relatives) with sequence, bundle, event; an unknown type is no error here, the engine judges
 * it. */
int dsdn_prepare(struct dsdn_prepared *p, const struct dsdn_catalogue *catalogue, uint64_t seed,
                 const uint8_t *bytes, size_t len, struct dsdn_error *error);

/* dsdn_prepare_hashes does BODY and EVENT_IDS of cnt prepared batches together (interleaving pays). */
int dsdn_prepare_hashes(struct dsdn_prepared *const *batches, uint32_t cnt, uint32_t checks,
                        struct dsdn_error *error);

/* dsdn_prepare_signatures verifies the batch's signature (publisher's key) when `batch` is set and those of
 * bundles [from, to) as far as they exist.  cache: of the calling thread. */
int dsdn_prepare_signatures(struct dsdn_prepared *p, bool batch, uint32_t from, uint32_t to,
                            struct dsdn_key_cache *cache, struct dsdn_error *error);

/* dsdn_prepare_embedded verifies the signatures that SIGNED_BY lines declare, of p->embedded [from, to) as far
 * as they exist, and keeps the verdicts in the ops: a signature that does not verify is no error, its reducer
 * decides.  Without this call reducers verify themselves.  Threads may take different parts of one batch.
 * cache: of the calling thread, NULL: none. */
void dsdn_prepare_embedded(struct dsdn_prepared *p, const struct dsdn_catalogue *catalogue, uint32_t from,
                           uint32_t to, struct dsdn_key_cache *cache);

/* dsdn_prepared_event_id computes the id of op number `op`. */
void dsdn_prepared_event_id(const struct dsdn_prepared *p, uint32_t op, uint8_t id[32]);

/* dsdn_prepared_position finds bundle and index in the bundle of op number `op`. */
void dsdn_prepared_position(const struct dsdn_prepared *p, uint32_t op, uint32_t *bundle, uint32_t *index);

#endif
