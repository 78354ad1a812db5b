/* batcher.h: when a batch is due, and what goes into it (protocol.md, sections 5, 7 and 10).  A batch begins
 * with the direct bundles that it must hold, and then takes what waits in the pool. */
#ifndef DSDN_SINKS_PUBLISH_BATCHER_H
#define DSDN_SINKS_PUBLISH_BATCHER_H

#include "sinks/publish/pool.h"
#include "statemachine/direct.h"

/* A batch is at most so far ahead of the header time of its origin, whatever the clock says: blocks that
 * include it come later, and countable is what is at most DSDN_CLOCK_SLACK_MS ahead of theirs. */
#define DSDN_BATCHER_AHEAD_MS 60000u

struct dsdn_batcher_limits {
    uint32_t events_max; /* of the pool in one batch; 0: 10,000 */
    size_t bytes_max;    /* of a body; 0: what batch_max leaves */
    uint32_t delay_ms;   /* a bundle waits at most so long for company; 0: 1,000 */
    uint32_t idle_ms;    /* an empty batch when there was none for as long; 0: 60,000 */
};

enum dsdn_batch_reason {
    DSDN_BATCH_NOT_DUE = 0,
    DSDN_BATCH_BACKLOG, /* deadlines: an empty batch that drains them */
    DSDN_BATCH_FULL,    /* as much waits as one batch takes */
    DSDN_BATCH_DELAY,   /* a bundle has waited long enough */
    DSDN_BATCH_DIRECT,  /* likewise, a direct bundle of the primary */
    DSDN_BATCH_IDLE
};
const char *dsdn_batch_reason_name(enum dsdn_batch_reason reason); /* "backlog", ... */

/* What the decision depends on. */
struct dsdn_batcher_facts {
    const struct dsdn_pool_stats *pool;
    uint32_t direct;    /* direct bundles that a batch would begin with */
    bool backlog;       /* as dsdn_direct_selection says */
    size_t bytes_limit; /* of a body, by batch_max */
    uint64_t now_ms;
    uint64_t made_ms;    /* when the newest batch was made, or the publisher started */
    uint64_t waiting_ms; /* since when something waits; UINT64_MAX: nothing does */
};

enum dsdn_batch_reason dsdn_batcher_due(const struct dsdn_batcher_limits *limits,
                                        const struct dsdn_batcher_facts *facts);

/* dsdn_batcher_time: time_ms of a batch on this head with this origin, for a clock that says now_ms. */
uint64_t dsdn_batcher_time(const struct dsdn_sys_row_head *head, const struct dsdn_origin *origin,
                           uint64_t now_ms);

/* dsdn_batcher_build resets the builder and fills it: the selection, whose bundles must all be kept, and from
 * the pool what is good after the state of e.  *header becomes that of the batch, without counts, body hash
 * and publisher. */
int dsdn_batcher_build(const struct dsdn_batcher_limits *limits, struct dsdn_pool *pool,
                       const struct dsdn_engine *e, const struct dsdn_direct_selection *selection,
                       const struct dsdn_origin *origin, uint64_t time_ms, struct dsdn_batch_builder *builder,
                       struct dsdn_header *header, struct dsdn_pool_filled *filled, struct dsdn_error *error);

#endif
