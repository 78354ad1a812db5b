#include "sinks/publish/batcher.h"

#define EVENTS_DEFAULT 10000u
#define DELAY_DEFAULT  1000u
#define IDLE_DEFAULT   60000u

const char *dsdn_batch_reason_name(enum dsdn_batch_reason reason)
{
    static const char *const names[] = {"not due", "backlog", "full", "delay", "direct", "idle"};
    return reason <= DSDN_BATCH_IDLE ? names[reason] : "unknown";
}

static uint32_t events_of(const struct dsdn_batcher_limits *limits)
{
    return limits->events_max ? limits->events_max : EVENTS_DEFAULT;
}

static size_t bytes_of(const struct dsdn_batcher_limits *limits, size_t most)
{
    return limits->bytes_max && limits->bytes_max < most ? limits->bytes_max : most;
}

/* Milliseconds since then; none when the clock stepped back. */
static uint64_t since(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

enum dsdn_batch_reason dsdn_batcher_due(const struct dsdn_batcher_limits *limits,
                                        const struct dsdn_batcher_facts *facts)
{
    uint32_t delay = limits->delay_ms ? limits->delay_ms : DELAY_DEFAULT;
    uint32_t idle = limits->idle_ms ? limits->idle_ms : IDLE_DEFAULT;
    if (facts->backlog) return DSDN_BATCH_BACKLOG;
    if (facts->pool->waiting_bytes >= bytes_of(limits, facts->bytes_limit) ||
        facts->pool->waiting_events >= events_of(limits))
        return DSDN_BATCH_FULL;
    if (facts->waiting_ms != UINT64_MAX && since(facts->now_ms, facts->waiting_ms) >= delay) {
        if (facts->pool->waiting) return DSDN_BATCH_DELAY;
        if (facts->direct) return DSDN_BATCH_DIRECT;
    }
    return since(facts->now_ms, facts->made_ms) >= idle ? DSDN_BATCH_IDLE : DSDN_BATCH_NOT_DUE;
}

uint64_t dsdn_batcher_time(const struct dsdn_sys_row_head *head, const struct dsdn_origin *origin,
                           uint64_t now_ms)
{
    uint64_t least = head->time_ms > origin->time_ms ? head->time_ms : origin->time_ms;
    uint64_t most = origin->time_ms > UINT64_MAX - DSDN_BATCHER_AHEAD_MS
                        ? UINT64_MAX
                        : origin->time_ms + DSDN_BATCHER_AHEAD_MS;
    uint64_t time = now_ms < most ? now_ms : most;
    return time > least ? time : least;
}

int dsdn_batcher_build(const struct dsdn_batcher_limits *limits, struct dsdn_pool *pool,
                       const struct dsdn_engine *e, const struct dsdn_direct_selection *selection,
                       const struct dsdn_origin *origin, uint64_t time_ms, struct dsdn_batch_builder *builder,
                       struct dsdn_header *header, struct dsdn_pool_filled *filled, struct dsdn_error *error)
{
    const struct dsdn_state *s = dsdn_engine_state(e);
    const struct dsdn_sys_row_head *head = dsdn_head(s);
    int rc = DSDN_OK;
    dsdn_batch_builder_reset(builder);
    *filled = (struct dsdn_pool_filled){0, 0};
    *header =
        (struct dsdn_header){.sequence = head->sequence, .time_ms = time_ms, .cursor = selection->cursor};
    memcpy(header->genesis, head->genesis, 32);
    memcpy(header->prev, head->batch_hash, 32);
    header->origin = *origin;
    for (uint32_t i = 0; i < selection->cnt && !rc; i++)
        rc = dsdn_batch_builder_bundle(builder, selection->blobs[i]->bundle,
                                       selection->blobs[i]->len - DSDN_DIRECT_PREFIX, error);
    if (rc || selection->backlog) return rc;
    size_t most = (size_t)DSDN_SETTING(s, batch_max) - DSDN_BATCH_FIXED_LEN;
    return dsdn_pool_fill(pool, e, time_ms, bytes_of(limits, most), events_of(limits), builder, filled,
                          error);
}
