/* direct.h: direct bundles: what users post to the primary themselves, and which of it a batch must begin
 * with (protocol.md, section 7; docs/formats/state.md, "Direct bundles").
 *
 * A batch begins with exactly the eligible direct bundles after the previous da_cursor, up to the end of its
 * da_origin.height or to the last that fits direct_budget.  So the authority cannot leave one out: the batch
 * would be invalid, and everybody can say which bundle is missing.  Publisher and follower call the same
 * function over the same two things: the state after prev, and a queue of what the primary holds.
 *
 * The queue holds, in order of (height, index), every direct blob that could ever be eligible: it decodes,
 * its signature is good, and this program knows all its events.  What depends on the state is decided by the
 * selection.  The bundles themselves are kept on demand only: a follower compares digests.  Not thread safe.
 */
#ifndef DSDN_STATEMACHINE_DIRECT_H
#define DSDN_STATEMACHINE_DIRECT_H

#include "statemachine/engine.h"

#define DSDN_DIRECT_PREFIX     36u    /* bytes of a blob before its bundle: magic, genesis */
#define DSDN_DIRECT_FEE_STEP   16384u /* direct_fee is per 16 KiB of a blob, begun ones included */
#define DSDN_DIRECT_PER_HEIGHT 4u     /* bundles of one author at one height */

/* One direct blob of the primary. */
struct dsdn_direct {
    uint64_t height;
    uint32_t index; /* blob index (protocol.md, section 7) */
    uint32_t len;   /* of the blob, in bytes: DSDN_DIRECT_PREFIX and the bundle */
    uint64_t nonce, valid_until;
    uint64_t since;                 /* protocol version that enables all its events */
    uint8_t author[32], digest[32]; /* digest: SHA-256 of the bundle */
    uint8_t *bundle;                /* len - DSDN_DIRECT_PREFIX bytes, owned; NULL: not kept */
};

struct dsdn_direct_queue {
    struct dsdn_direct *entries; /* ascending by (height, index) */
    uint32_t cnt, cap;
    size_t bundle_bytes; /* kept bundles together */
};

void dsdn_direct_queue_free(struct dsdn_direct_queue *q);

/* dsdn_direct_queue_add reads one blob.  0 when it is in the queue now; MALFORMED, TRUNCATED, WRONG_GENESIS,
 * TOO_LARGE, FORMAT, SIGNATURE, TYPE_DISABLED for what can never be eligible; NO_MEMORY: the queue is as it
 * was. Blobs come in ascending order (USAGE); one that is in the queue already gets its bundle back where
 * that was not kept.  keep: copy the bundle.  cache may be NULL. */
int dsdn_direct_queue_add(struct dsdn_direct_queue *q, const struct dsdn_catalogue *catalogue,
                          const uint8_t genesis[32], uint64_t height, uint32_t index, const uint8_t *bytes,
                          size_t len, bool keep, struct dsdn_key_cache *cache, struct dsdn_error *error);

/* dsdn_direct_queue_drop forgets what is at the cursor or before it; _release only the bundles that were kept
 * there; _cut forgets what is at `height` or above. */
void dsdn_direct_queue_drop(struct dsdn_direct_queue *q, const struct dsdn_cursor *cursor);
void dsdn_direct_queue_release(struct dsdn_direct_queue *q, const struct dsdn_cursor *cursor);
void dsdn_direct_queue_cut(struct dsdn_direct_queue *q, uint64_t height);

/* Bytes of entries and kept bundles.  (The array of entries has room for half as many again.) */
size_t dsdn_direct_queue_bytes(const struct dsdn_direct_queue *q);

/* What a batch must begin with. */
struct dsdn_direct_selection {
    bool backlog;                     /* more deadlines are due than one batch drains: no bundles at all */
    struct dsdn_cursor cursor;        /* da_cursor of the batch */
    const struct dsdn_direct **blobs; /* in order; into the queue, until that changes */
    uint32_t cnt, cap;
    size_t bytes; /* of the blobs */
};
void dsdn_direct_selection_free(struct dsdn_direct_selection *selection);

/* dsdn_direct_select computes the selection for a batch that follows the engine's newest with this origin and
 * time_ms.  The queue holds everything after the head's da_cursor up to the end of origin->height.  A network
 * without a primary selects nothing, and cursor zero.  `selection` is reused; NO_MEMORY. */
int dsdn_direct_select(const struct dsdn_engine *e, const struct dsdn_direct_queue *q,
                       const struct dsdn_origin *origin, uint64_t time_ms,
                       struct dsdn_direct_selection *selection, struct dsdn_error *error);

/* dsdn_direct_judge compares a batch that dsdn_engine_judge found valid with the selection: 0, or DIRECT /
 * CURSOR with the first difference in words ("the direct bundle of author .. nonce .. at height .. index ..
 * is left out"). A takeover batch holds none and leaves da_cursor alone, whatever the selection
 * (dsdn_engine_judge sees to it). */
int dsdn_direct_judge(const struct dsdn_direct_queue *q, const struct dsdn_prepared *p,
                      const struct dsdn_direct_selection *selection, struct dsdn_error *error);

/* dsdn_direct_fee: base units for a blob of len bytes at this direct_fee; 2^64 - 1 at most. */
uint64_t dsdn_direct_fee(uint64_t direct_fee, uint32_t len);

#endif
