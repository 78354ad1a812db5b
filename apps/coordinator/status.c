/* status.c: where a coordinator stands, as JSON. */
#include "apps/coordinator/coordinator.h"

static void put(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_u64(t, value);
}

static void status_follow(const struct coordinator *c, struct dsdn_text *t)
{
    struct dsdn_follow_status status;
    dsdn_follow_status(c->follow, &status);
    dsdn_text_key(t, "log");
    dsdn_text_open(t, '{');
    put(t, "next", status.next);
    put(t, "settled", status.settled);
    put(t, "height", status.complete == DSDN_HEIGHT_NONE ? 0 : status.complete);
    put(t, "head", dsdn_reader_head(c->reader).height);
    put(t, "events", dsdn_head(dsdn_engine_state(dsdn_follow_engine(c->follow)))->event_count);
    put(t, "rollbacks", status.rollbacks);
    put(t, "refused", status.refused);
    dsdn_text_close(t, '}');
}

static void status_pool(const struct coordinator *c, struct dsdn_text *t)
{
    struct dsdn_pool_stats pool;
    dsdn_pool_stats(c->pool, &pool);
    dsdn_text_key(t, "pool");
    dsdn_text_open(t, '{');
    put(t, "waiting", pool.waiting);
    put(t, "waiting_bytes", pool.waiting_bytes);
    put(t, "taken", pool.taken);
    put(t, "settled", pool.settled);
    put(t, "expired", pool.expired);
    dsdn_text_key(t, "answers");
    dsdn_text_open(t, '{');
    for (uint32_t i = 0; i < DSDN_POOL_ANSWER_CNT; i++)
        put(t, dsdn_pool_answer_name((enum dsdn_pool_answer)i), pool.answers[i]);
    dsdn_text_close(t, '}');
    dsdn_text_close(t, '}');
}

static void status_publisher(const struct coordinator *c, struct dsdn_text *t)
{
    struct dsdn_publisher_status status;
    struct dsdn_submitter_spent spent = dsdn_submitter_spent(c->submitter);
    dsdn_publisher_status(c->publisher, &status);
    dsdn_text_key(t, "publisher");
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "state");
    dsdn_text_string(t, dsdn_publisher_state_name(status.state));
    put(t, "next", status.next);
    put(t, "flight", status.flight);
    put(t, "flight_bytes", status.flight_bytes);
    put(t, "made", status.made);
    put(t, "resumed", status.resumed);
    put(t, "included", status.included);
    put(t, "abandoned", status.abandoned);
    dsdn_text_key(t, "posting");
    dsdn_text_bool(t, status.posting);
    put(t, "submissions", spent.submissions);
    put(t, "blob_bytes", spent.bytes);
    put(t, "utia", spent.utia);
    dsdn_text_close(t, '}');
}

void coordinator_status(const struct coordinator *c, struct dsdn_text *t)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "network");
    dsdn_text_bytes(t, c->genesis.event.network_id.bytes, c->genesis.event.network_id.len);
    dsdn_text_key(t, "genesis");
    dsdn_text_hex(t, c->genesis.hash, 32);
    dsdn_text_key(t, "ready");
    dsdn_text_bool(t, c->caught_up);
    status_follow(c, t);
    status_pool(c, t);
    status_publisher(c, t);
    dsdn_text_key(t, "node");
    dsdn_endpoint_write_metrics(t, dsdn_reader_endpoint(c->reader, 0));
    dsdn_text_close(t, '}');
}
