/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* Publishing: what makes a batch due, what goes into it, in flight, posted, lost, dead, rivals; and the
 * promise that counts: whatever call or allocation fails and whatever a crash leaves, no second header for a
 * sequence, no accepted bundle lost, none applied twice.  DSDN_TEST_SCALE=2 crashes at every call in
 * every way. */
#include "tests/publish_util.h"
#include "tests/fail_nth.h"

#define NOW 5000000u

struct publishing {
    struct log network;
    struct primary *primary;
    struct model follower;
    struct path dir;
    const struct dsdn_io *io;
    struct dsdn_pool *pool;
    struct dsdn_signer_file *signer;
    struct dsdn_publisher *publisher;
    uint64_t now_ms;
    struct dsdn_batcher_limits limits;
    struct dsdn_sign_key *key; /* NULL: the network's authority */
    struct dsdn_publisher_batch newest;
};

static void made(void *self, const struct dsdn_publisher_batch *batch)
{
    ((struct publishing *)self)->newest = *batch;
}

static int process_start(struct publishing *p, struct dsdn_error *error)
{
    struct path pool = sub(&p->dir, "pool"), lock = sub(&p->dir, "signer"), scratch = sub(&p->dir, "copy");
    struct dsdn_sign_key *key = p->key ? p->key : &p->network.authority;
    struct dsdn_pool_options pool_options = {
        .io = p->io, .path = pool.text, .catalogue = &dsdn_catalogue, .genesis = p->network.genesis.hash};
    struct dsdn_signer_options signer_options = {
        .io = p->io, .path = lock.text, .genesis = p->network.genesis.hash, .key = key};
    struct dsdn_pool_report pool_report;
    struct dsdn_signer_report signer_report = {0};
    p->pool = NULL;
    p->signer = NULL;
    p->publisher = NULL;
    int rc = dsdn_pool_open(&pool_options, &p->pool, &pool_report, error);
    if (!rc) rc = dsdn_signer_open(&signer_options, &p->signer, &signer_report, error);
    if (rc) return rc;
    /* the publisher keeps the path */
    static char scratch_text[PATH_MAX];
    memcpy(scratch_text, scratch.text, sizeof scratch_text);
    struct dsdn_publisher_options options = {
        .catalogue = &dsdn_catalogue,
        .genesis = {p->network.genesis.bytes, p->network.genesis.len},
        .io = p->io,
        .scratch = scratch_text,
        .pool = p->pool,
        .signer = p->signer,
        .key = key,
        .limits = p->limits,
        .fresh_lock = signer_report.created,
        .made = made,
        .self = p,
    };
    return dsdn_publisher_new(&options, &p->publisher, error);
}

static void process_stop(struct publishing *p)
{
    dsdn_publisher_free(p->publisher);
    dsdn_signer_close(p->signer);
    dsdn_pool_close(p->pool);
    p->publisher = NULL;
    p->signer = NULL;
    p->pool = NULL;
}

static void publishing_open(struct publishing *p)
{
    *p = (struct publishing){.io = &dsdn_io_system, .now_ms = NOW};
    network_open(&p->network);
    p->primary = calloc(1, sizeof *p->primary);
    assert_non_null(p->primary);
    p->primary->head = PRIMARY_START + 1;
    model_open(&p->follower, &p->network, p->primary);
    p->dir = scratch_make();
}

static void publishing_close(struct publishing *p)
{
    process_stop(p);
    model_close(&p->follower);
    primary_free(p->primary);
    log_close(&p->network);
    scratch_remove(&p->dir);
}

static void must_start(struct publishing *p)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (process_start(p, &error)) fail_msg("starting: %s", error.message);
}

/* Reads the primary and steps; the clock follows the primary. */
static void step(struct publishing *p)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    model_read(&p->follower, p->signer);
    p->now_ms = primary_header(p->primary->head).time_ms + 1000;
    struct dsdn_publisher_view view = model_view(&p->follower, p->now_ms);
    if (dsdn_publisher_step(p->publisher, &view, &error)) fail_msg("step: %s", error.message);
}

static uint32_t post(struct publishing *p, struct dsdn_view *blobs)
{
    struct dsdn_publisher_view view = model_view(&p->follower, p->now_ms);
    return dsdn_publisher_post(p->publisher, &view, blobs, 64, 7u << 20);
}

static uint64_t include(struct publishing *p, const struct dsdn_view *blobs, uint32_t cnt)
{
    p->primary->head++;
    for (uint32_t i = 0; i < cnt; i++)
        primary_put(p->primary, p->primary->head, blobs[i].bytes, blobs[i].len);
    return p->primary->head;
}

static void blocks(struct publishing *p, uint64_t cnt)
{
    p->primary->head += cnt;
}

static enum dsdn_pool_answer offer(struct publishing *p, uint32_t user, uint64_t nonce, uint32_t events)
{
    static uint8_t bytes[1 << 20];
    uint8_t id[32];
    size_t used,
        len = make_bundle(&p->network, DSDN_BUNDLE_POOL, user, nonce, 0, events, bytes, sizeof bytes);
    enum dsdn_pool_answer answer =
        dsdn_pool_offer(p->pool, p->follower.engine, p->now_ms, bytes, len, &used, id, NULL);
    if (answer == DSDN_POOL_ACCEPTED) assert_int_equal(dsdn_pool_sync(p->pool, NULL), 0);
    return answer;
}

static struct dsdn_publisher_status status_of(const struct publishing *p)
{
    struct dsdn_publisher_status status;
    dsdn_publisher_status(p->publisher, &status);
    return status;
}

static uint64_t follower_next(const struct publishing *p)
{
    return dsdn_head(dsdn_engine_state(p->follower.engine))->sequence;
}

/* ---- when and what ---- */

static void test_due(void **state)
{
    (void)state;
    struct dsdn_batcher_limits limits = {.events_max = 10, .bytes_max = 1000, .delay_ms = 50, .idle_ms = 700};
    struct dsdn_pool_stats pool = {.waiting = 0};
    struct dsdn_batcher_facts f = {
        .pool = &pool, .bytes_limit = 5000, .now_ms = 1699, .made_ms = 1000, .waiting_ms = UINT64_MAX};
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_NOT_DUE);
    f.now_ms = 1700;
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_IDLE);
    f.made_ms = 5000; /* the clock was set back */
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_NOT_DUE);
    pool = (struct dsdn_pool_stats){.waiting = 1, .waiting_bytes = 999, .waiting_events = 9};
    f.made_ms = f.waiting_ms = 1651;
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_NOT_DUE);
    f.waiting_ms = 1650;
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_DELAY);
    f.waiting_ms = f.now_ms;
    pool.waiting_events = 10;
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_FULL);
    pool.waiting_events = 9;
    pool.waiting_bytes = 1000;
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_FULL);
    limits.bytes_max = 10000; /* more than batch_max leaves */
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_NOT_DUE);
    pool.waiting_bytes = 5000;
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_FULL);
    pool = (struct dsdn_pool_stats){.waiting = 0};
    f.direct = 1;
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_NOT_DUE);
    f.waiting_ms = f.now_ms - 50;
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_DIRECT);
    f.backlog = true;
    f.waiting_ms = UINT64_MAX;
    assert_int_equal(dsdn_batcher_due(&limits, &f), DSDN_BATCH_BACKLOG);
}

static void test_time(void **state)
{
    (void)state;
    struct dsdn_sys_row_head head = {.time_ms = 500};
    struct dsdn_origin origin = {.time_ms = 1000};
    assert_int_equal(dsdn_batcher_time(&head, &origin, 10), 1000);
    assert_int_equal(dsdn_batcher_time(&head, &origin, 1001), 1001);
    assert_int_equal(dsdn_batcher_time(&head, &origin, 1000 + DSDN_BATCHER_AHEAD_MS),
                     1000 + DSDN_BATCHER_AHEAD_MS);
    assert_int_equal(dsdn_batcher_time(&head, &origin, UINT64_MAX), 1000 + DSDN_BATCHER_AHEAD_MS);
    head.time_ms = 1000000;
    assert_int_equal(dsdn_batcher_time(&head, &origin, UINT64_MAX), 1000000);
    origin.time_ms = UINT64_MAX - 5;
    assert_int_equal(dsdn_batcher_time(&head, &origin, UINT64_MAX), UINT64_MAX);
}

/* Limits of one batch, both sides: events, then bytes. */
static void test_limits(void **state)
{
    (void)state;
    struct publishing p;
    static uint8_t scratch[1 << 16];
    publishing_open(&p);
    size_t three = make_bundle(&p.network, DSDN_BUNDLE_POOL, 0, 1, 0, 3, scratch, sizeof scratch);
    p.limits = (struct dsdn_batcher_limits){.events_max = 6, .bytes_max = 3 * three - 1, .delay_ms = 1};
    must_start(&p);
    for (uint64_t nonce = 1; nonce <= 3; nonce++)
        assert_int_equal(offer(&p, 0, nonce, 3), DSDN_POOL_ACCEPTED);
    step(&p); /* 6 events fit, 9 do not: and what is left has not waited long enough */
    assert_int_equal(status_of(&p).made, 1);
    assert_int_equal(p.newest.bundles, 2);
    assert_int_equal(p.newest.reason, DSDN_BATCH_FULL);
    process_stop(&p);
    p.limits.events_max = 9;
    struct path lock = sub(&p.dir, "signer"), pool = sub(&p.dir, "pool");
    unlink(lock.text);
    unlink(pool.text);
    must_start(&p);
    for (uint64_t nonce = 1; nonce <= 3; nonce++)
        assert_int_equal(offer(&p, 0, nonce, 3), DSDN_POOL_ACCEPTED);
    step(&p);
    assert_int_equal(p.newest.bundles, 2); /* bytes: one short of three */
    process_stop(&p);
    p.limits.bytes_max = 3 * three;
    unlink(lock.text);
    unlink(pool.text);
    must_start(&p);
    for (uint64_t nonce = 1; nonce <= 3; nonce++)
        assert_int_equal(offer(&p, 0, nonce, 3), DSDN_POOL_ACCEPTED);
    step(&p);
    assert_int_equal(p.newest.bundles, 3);
    assert_int_equal(p.newest.len, DSDN_BATCH_FIXED_LEN + 3 * three);
    publishing_close(&p);
}

/* Direct bundles come first, whatever waits; a cursor at the end of the origin's height. */
static void test_direct(void **state)
{
    (void)state;
    struct publishing p;
    struct dsdn_view blobs[64];
    static uint8_t blob[4096];
    publishing_open(&p);
    p.limits = (struct dsdn_batcher_limits){.delay_ms = 1};
    must_start(&p);
    memcpy(blob, "DSDD", 4);
    memcpy(blob + 4, p.network.genesis.hash, 32);
    size_t len = 36 + make_bundle(&p.network, DSDN_BUNDLE_DIRECT, 3, 1, 0, 2, blob + 36, sizeof blob - 36);
    primary_put(p.primary, p.primary->head, blob, len);
    assert_int_equal(offer(&p, 0, 1, 1), DSDN_POOL_ACCEPTED);
    step(&p);
    blocks(&p, 1);
    step(&p);
    assert_int_equal(status_of(&p).made, 1);
    assert_int_equal(p.newest.direct, 1);
    assert_int_equal(p.newest.bundles, 1);
    uint32_t cnt = post(&p, blobs);
    assert_int_equal(cnt, 1);
    dsdn_publisher_posted(p.publisher, include(&p, blobs, cnt));
    step(&p); /* model_blob judges the selection */
    assert_int_equal(follower_next(&p), 1);
    assert_true(object_there(p.follower.engine, 3, 1, 1));
    assert_true(object_there(p.follower.engine, 0, 1, 0));
    publishing_close(&p);
}

/* Nothing to do: an empty batch after idle_ms; not before. */
static void test_idle(void **state)
{
    (void)state;
    struct publishing p;
    publishing_open(&p);
    p.limits = (struct dsdn_batcher_limits){.idle_ms = 3 * BLOCK_MS};
    must_start(&p);
    step(&p);
    blocks(&p, 2);
    step(&p);
    assert_int_equal(status_of(&p).made, 0);
    blocks(&p, 1);
    step(&p);
    assert_int_equal(status_of(&p).made, 1);
    assert_int_equal(p.newest.reason, DSDN_BATCH_IDLE);
    assert_int_equal(p.newest.len, DSDN_BATCH_FIXED_LEN);
    blocks(&p, 2);
    step(&p);
    assert_int_equal(status_of(&p).made, 1);
    publishing_close(&p);
}

/* While more deadlines are due than one batch drains, batches are empty and leave the cursor alone. */
static void test_backlog(void **state)
{
    (void)state;
    struct publishing p;
    struct dsdn_view blobs[64];
    publishing_open(&p);
    struct dsdn_state *s = dsdn_engine_state_for_restore(p.follower.engine);
    struct dsdn_context context = {.state = s};
    assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_sys_TABLE_deadline], 5, NULL), 0);
    for (uint8_t i = 0; i < 5; i++) dsdn_deadline_set(&context, DSDN_CLOCK_TIME, 1, UINT16_MAX, &i, 1);
    dsdn_state_settle(s);
    p.limits = (struct dsdn_batcher_limits){.events_max = 1, .delay_ms = 1};
    must_start(&p);
    assert_int_equal(offer(&p, 0, 1, 1), DSDN_POOL_ACCEPTED);
    step(&p);
    assert_int_equal(status_of(&p).made, 3); /* drains 2, 2, and what is left */
    assert_int_equal(p.newest.reason, DSDN_BATCH_FULL);
    assert_int_equal(p.newest.bundles, 1);
    const struct dsdn_signed *first = dsdn_signer_find(p.signer, 0), *second = dsdn_signer_find(p.signer, 1);
    assert_int_equal(first->header.bundle_count, 0);
    assert_int_equal(second->header.bundle_count, 0);
    assert_int_equal(second->header.cursor.height, dsdn_head(s)->cursor_height);
    assert_int_equal(second->header.cursor.blob_index, dsdn_head(s)->cursor_index);
    uint32_t cnt = post(&p, blobs);
    dsdn_publisher_posted(p.publisher, include(&p, blobs, cnt));
    step(&p);
    assert_int_equal(follower_next(&p), 3);
    publishing_close(&p);
}

/* ---- posting ---- */

static void fill(struct publishing *p, uint64_t from, uint64_t to)
{
    for (uint64_t nonce = from; nonce <= to; nonce++)
        assert_int_equal(offer(p, 0, nonce, 4), DSDN_POOL_ACCEPTED);
}

/* Several batches in flight; one submission holds those of one origin, and the next waits for the follower.
 */
static void test_groups(void **state)
{
    (void)state;
    struct publishing p;
    struct dsdn_view blobs[64], more[64];
    publishing_open(&p);
    p.limits = (struct dsdn_batcher_limits){.events_max = 4, .delay_ms = 1};
    must_start(&p);
    fill(&p, 1, 3);
    step(&p);
    blocks(&p, 1);
    fill(&p, 4, 5);
    step(&p);
    assert_int_equal(status_of(&p).flight, 5);
    uint32_t cnt = post(&p, blobs);
    assert_int_equal(cnt, 3);            /* of the first origin */
    assert_int_equal(post(&p, more), 0); /* one at a time */
    uint64_t height = include(&p, blobs, cnt);
    dsdn_publisher_posted(p.publisher, height);
    assert_int_equal(post(&p, more), 0); /* not read yet */
    step(&p);
    assert_int_equal(follower_next(&p), 3);
    assert_int_equal(status_of(&p).flight, 2);
    assert_int_equal(status_of(&p).included, 3);
    cnt = post(&p, blobs);
    assert_int_equal(cnt, 2);
    /* lost: after its end the same bytes are named again */
    dsdn_publisher_posted(p.publisher, 0);
    assert_int_equal(post(&p, more), 2);
    assert_ptr_equal(more[0].bytes, blobs[0].bytes);
    /* bounds of a submission */
    dsdn_publisher_posted(p.publisher, 0);
    struct dsdn_publisher_view view = model_view(&p.follower, p.now_ms);
    assert_int_equal(dsdn_publisher_post(p.publisher, &view, more, 64, more[0].len + more[1].len - 1), 1);
    dsdn_publisher_posted(p.publisher, 0);
    assert_int_equal(dsdn_publisher_post(p.publisher, &view, more, 1, 7u << 20), 1);
    publishing_close(&p);
}

/* A restart takes up a signed batch before the follower has read its da_origin again: the next batch waits
 * for that height, it does not step back. */
static void test_origin_not_read(void **state)
{
    (void)state;
    struct publishing p;
    struct dsdn_error error = DSDN_ERROR_INIT;
    publishing_open(&p);
    p.limits = (struct dsdn_batcher_limits){.events_max = 4, .delay_ms = 1, .idle_ms = UINT32_MAX};
    must_start(&p);
    blocks(&p, 4);
    fill(&p, 1, 1);
    step(&p);
    assert_int_equal(status_of(&p).made, 1);
    uint64_t origin = p.newest.origin_height;
    process_stop(&p);
    model_close(&p.follower);
    model_open(&p.follower, &p.network, p.primary);
    p.primary->head = origin - 1;
    must_start(&p);
    fill(&p, 2, 2);
    model_read(&p.follower, p.signer);
    struct dsdn_publisher_view view = model_view(&p.follower, p.now_ms);
    view.head_height = origin;
    if (dsdn_publisher_step(p.publisher, &view, &error)) fail_msg("step: %s", error.message);
    assert_int_equal(status_of(&p).resumed, 1);
    assert_int_equal(status_of(&p).made, 0);
    assert_int_equal(status_of(&p).state, DSDN_PUBLISHER_CATCHING_UP);
    p.primary->head = origin;
    step(&p);
    assert_int_equal(status_of(&p).made, 1);
    assert_int_equal(status_of(&p).state, DSDN_PUBLISHER_PUBLISHING);
    assert_int_equal(p.newest.sequence, 1);
    assert_int_equal(p.newest.origin_height, origin);
    publishing_close(&p);
}

/* Never included: dead after origin_lag_max heights; then, and not before, another header is signed. */
static void test_dead(void **state)
{
    (void)state;
    struct publishing p;
    struct dsdn_view blobs[64];
    uint8_t first[32];
    publishing_open(&p);
    p.limits = (struct dsdn_batcher_limits){.events_max = 4, .delay_ms = 1, .idle_ms = UINT32_MAX};
    must_start(&p);
    fill(&p, 1, 2);
    step(&p);
    assert_int_equal(status_of(&p).flight, 2);
    uint64_t origin = p.newest.origin_height;
    memcpy(first, dsdn_signer_find(p.signer, 0)->lock.hash, 32);
    p.primary->head = origin + 59;
    step(&p);
    assert_int_equal(post(&p, blobs), 2); /* could be included at + 60 */
    dsdn_publisher_posted(p.publisher, 0);
    p.primary->head = origin + 60;
    step(&p);
    assert_int_equal(post(&p, blobs), 0);
    assert_memory_equal(dsdn_signer_find(p.signer, 0)->lock.hash, first, 32);
    process_stop(&p); /* a restart changes nothing of that */
    must_start(&p);
    step(&p);
    assert_memory_equal(dsdn_signer_find(p.signer, 0)->lock.hash, first, 32);
    p.primary->head = origin + 61;
    step(&p);
    assert_int_equal(status_of(&p).abandoned, 2);
    assert_memory_not_equal(dsdn_signer_find(p.signer, 0)->lock.hash, first, 32);
    uint32_t cnt = post(&p, blobs);
    assert_true(cnt > 0);
    dsdn_publisher_posted(p.publisher, include(&p, blobs, cnt));
    step(&p);
    assert_true(object_there(p.follower.engine, 0, 1, 0)); /* the bundles were not lost with it */
    publishing_close(&p);
}

/* A countable inclusion that the follower has not chosen forbids another header for ever. */
static void test_included_is_kept(void **state)
{
    (void)state;
    struct publishing p;
    struct dsdn_view blobs[64];
    publishing_open(&p);
    p.limits = (struct dsdn_batcher_limits){.events_max = 4, .delay_ms = 1};
    must_start(&p);
    fill(&p, 1, 2);
    step(&p);
    uint64_t origin = p.newest.origin_height;
    uint32_t cnt = post(&p, blobs);
    assert_int_equal(cnt, 2);
    /* The second alone, as a stranger might post it. */
    primary_put(p.primary, ++p.primary->head, blobs[1].bytes, blobs[1].len);
    dsdn_publisher_posted(p.publisher, 0);
    p.primary->head = origin + 61;
    step(&p);
    assert_false(dsdn_signer_allows(p.signer, 1, UINT64_MAX, UINT64_MAX, 60));
    /* Sequence 0 was not included: another header may take its place. */
    assert_int_equal(dsdn_signer_find(p.signer, 0)->lock.origin_height, origin + 61);
    publishing_close(&p);
}

/* The same key on another machine made other batches: the follower takes them, our copy is made anew, what
 * they did not use is published behind them. */
static void test_rival(void **state)
{
    (void)state;
    struct publishing p, q;
    struct dsdn_view blobs[64];
    publishing_open(&p);
    publishing_open(&q);
    p.limits = q.limits = (struct dsdn_batcher_limits){.events_max = 4, .delay_ms = 1};
    must_start(&p);
    must_start(&q);
    fill(&p, 1, 2);
    fill(&q, 2, 2);
    step(&p);
    step(&q);
    uint32_t cnt = post(&q, blobs);
    include(&p, blobs, cnt);
    step(&p);
    struct dsdn_publisher_status status = status_of(&p);
    assert_int_equal(follower_next(&p), 1);
    assert_true(object_there(p.follower.engine, 0, 2, 0));
    assert_int_equal(status.copies, 2);
    assert_int_equal(status.state,
                     DSDN_PUBLISHER_LOCKED); /* our own 1 may still count, for all that is known */
    p.primary->head += 62;
    for (int i = 0; i < 3; i++) {
        step(&p);
        cnt = post(&p, blobs);
        if (cnt) dsdn_publisher_posted(p.publisher, include(&p, blobs, cnt));
    }
    step(&p);
    assert_true(object_there(p.follower.engine, 0, 1, 0));
    assert_int_equal(p.follower.not_ok, 0); /* nonce 2 was not published again */
    publishing_close(&p);
    publishing_close(&q);
}

/* A new lock on a log that has batches waits until nobody else's can count. */
static void test_fresh_lock(void **state)
{
    (void)state;
    struct publishing p;
    struct dsdn_view blobs[64];
    publishing_open(&p);
    p.limits = (struct dsdn_batcher_limits){.events_max = 4, .delay_ms = 1};
    must_start(&p);
    fill(&p, 1, 1);
    step(&p);
    include(&p, blobs, post(&p, blobs));
    step(&p);
    assert_int_equal(follower_next(&p), 1);
    process_stop(&p);
    struct path lock = sub(&p.dir, "signer");
    unlink(lock.text);
    must_start(&p);
    fill(&p, 2, 2);
    uint64_t head = p.primary->head;
    step(&p);
    assert_int_equal(status_of(&p).state, DSDN_PUBLISHER_FRESH_LOCK);
    p.primary->head = head + 59;
    step(&p);
    assert_int_equal(status_of(&p).state, DSDN_PUBLISHER_FRESH_LOCK);
    p.primary->head = head + 60;
    step(&p);
    assert_int_equal(status_of(&p).made, 1);
    publishing_close(&p);
}

static void test_no_authority(void **state)
{
    (void)state;
    struct publishing p;
    struct dsdn_sign_key stranger = key_of(77);
    publishing_open(&p);
    p.key = &stranger;
    p.limits = (struct dsdn_batcher_limits){.delay_ms = 1, .idle_ms = 1};
    must_start(&p);
    fill(&p, 1, 1);
    step(&p);
    blocks(&p, 2);
    step(&p);
    assert_int_equal(status_of(&p).state, DSDN_PUBLISHER_NO_AUTHORITY);
    assert_null(dsdn_signer_find(p.signer, 0));
    publishing_close(&p);
}

/* The bound on batches in flight holds, and what waits goes on when there is room. */
static void test_full(void **state)
{
    (void)state;
    struct publishing p;
    struct dsdn_view blobs[64];
    publishing_open(&p);
    p.limits = (struct dsdn_batcher_limits){.events_max = 1, .delay_ms = 1};
    must_start(&p);
    fill(&p, 1, DSDN_PUBLISHER_FLIGHT + 3);
    step(&p);
    assert_int_equal(status_of(&p).state, DSDN_PUBLISHER_FULL);
    assert_int_equal(status_of(&p).flight, DSDN_PUBLISHER_FLIGHT);
    uint32_t cnt = post(&p, blobs);
    assert_int_equal(cnt, DSDN_PUBLISHER_FLIGHT);
    dsdn_publisher_posted(p.publisher, include(&p, blobs, cnt));
    step(&p);
    assert_int_equal(status_of(&p).flight, 3);
    /* Behind while more than two heights are not read. */
    p.primary->head += 3;
    struct dsdn_publisher_view view = model_view(&p.follower, p.now_ms);
    assert_int_equal(dsdn_publisher_step(p.publisher, &view, NULL), 0);
    assert_int_equal(status_of(&p).state, DSDN_PUBLISHER_CATCHING_UP);
    publishing_close(&p);
}

/* ---- the promise ---- */

#define BUNDLES 14u

/* What the world saw: headers by sequence, and what users were promised. */
struct witness {
    struct dsdn_header headers[256];
    uint32_t header_cnt;
    bool accepted[BUNDLES + 1];
};

static void witness_posted(struct witness *w, const struct dsdn_view *blob)
{
    struct dsdn_header header;
    assert_int_equal(dsdn_header_decode(blob->bytes, blob->len, &header, NULL), 0);
    for (uint32_t i = 0; i < w->header_cnt; i++)
        if (dsdn_equivocation(&w->headers[i], &header, 60))
            fail_msg("two headers were posted for sequence %llu", (unsigned long long)header.sequence);
    assert_true(w->header_cnt < 256);
    w->headers[w->header_cnt++] = header;
}

/* Runs until everything accepted is applied.  False: an I/O call failed, and the process has to start again.
 */
static bool run_process(struct publishing *p, struct witness *w, uint64_t *seed)
{
    struct dsdn_view blobs[64];
    static uint8_t bytes[1 << 16];
    uint8_t id[32];
    size_t used;
    uint64_t all_at = 0;
    if (process_start(p, NULL)) return false;
    for (uint32_t round = 0; round < 400; round++) {
        model_read(&p->follower, p->signer);
        uint64_t nonce = 1 + test_random(seed) % BUNDLES;
        if (!w->accepted[nonce]) {
            size_t len = make_bundle(&p->network, DSDN_BUNDLE_POOL, 0, nonce, 0, 2, bytes, sizeof bytes);
            enum dsdn_pool_answer answer =
                dsdn_pool_offer(p->pool, p->follower.engine, p->now_ms, bytes, len, &used, id, NULL);
            if (answer == DSDN_POOL_UNAVAILABLE) return false;
            /* kept by a process that crashed before it could say so, perhaps published by it */
            assert_true(answer <= DSDN_POOL_KNOWN || answer == DSDN_POOL_NONCE_USED);
            if (dsdn_pool_sync(p->pool, NULL)) return false;
            w->accepted[nonce] = true;
        }
        p->now_ms = primary_header(p->primary->head).time_ms + 1000;
        struct dsdn_publisher_view view = model_view(&p->follower, p->now_ms);
        if (dsdn_publisher_step(p->publisher, &view, NULL)) return false;
        uint32_t cnt = dsdn_publisher_post(p->publisher, &view, blobs, 64, 7u << 20);
        for (uint32_t i = 0; i < cnt; i++) witness_posted(w, &blobs[i]);
        uint64_t luck = test_random(seed) % 4, height = 0;
        if (cnt && luck == 0) { /* lands later than anybody waits, and again at once */
            for (uint32_t i = 0; i < cnt; i++)
                primary_put(p->primary, p->primary->head + 5, blobs[i].bytes, blobs[i].len);
        }
        if (cnt && luck)
            height = include(p, blobs, cnt);
        else if (cnt || luck)
            p->primary->head++;
        if (cnt) dsdn_publisher_posted(p->publisher, height);
        bool all = true;
        for (uint32_t i = 1; i <= BUNDLES; i++)
            all = all && w->accepted[i] && object_there(p->follower.engine, 0, i, 1);
        if (all && !all_at) all_at = follower_next(p);
        if (all_at && p->follower.settled >= all_at) return true;
    }
    fail_msg("it does not come to an end");
    return false;
}

static void check_end(struct publishing *p, uint8_t root[32])
{
    struct dsdn_roots roots;
    struct model late;
    model_read(&p->follower, NULL);
    assert_int_equal(p->follower.not_ok, 0); /* a second application of a bundle would be DUPLICATE */
    assert_int_equal(dsdn_head(dsdn_engine_state(p->follower.engine))->event_count, 2 * BUNDLES);
    assert_int_equal(dsdn_engine_root(p->follower.engine, 1, &roots, NULL), 0);
    memcpy(root, roots.state, 32);
    model_open(&late, &p->network, p->primary); /* who only reads the primary comes to the same */
    model_read(&late, NULL);
    assert_int_equal(dsdn_engine_root(late.engine, 1, &roots, NULL), 0);
    assert_memory_equal(root, roots.state, 32);
    model_close(&late);
}

/* A crash (or failing call) at call `at`; restarts until done.  Returns whether the call was reached. */
static bool crash_at(uint64_t at, enum fault_kind kind, enum fault_loss loss, uint64_t seed)
{
    struct publishing p;
    struct witness w = {.header_cnt = 0};
    uint8_t root[32];
    bool hit = false;
    publishing_open(&p);
    p.limits = (struct dsdn_batcher_limits){.events_max = 4, .delay_ms = 1, .idle_ms = 10 * BLOCK_MS};
    struct fault *f = fault_new();
    p.io = &f->io;
    f->fail_at = at;
    f->kind = kind;
    f->error = ENOSPC;
    for (int life = 0;; life++) {
        assert_true(life < 20);
        bool done = run_process(&p, &w, &seed);
        hit = hit || f->hit;
        process_stop(&p);
        if (done) break;
        /* the follower forgets what it knew, too */
        model_close(&p.follower);
        model_open(&p.follower, &p.network, p.primary);
        if (f->crashed) {
            fault_power_loss(f, loss, &seed);
            fault_free(f);
            f = fault_new();
            p.io = &f->io;
        } else
            fault_restart(f);
    }
    fault_free(f);
    p.io = &dsdn_io_system;
    check_end(&p, root);
    publishing_close(&p);
    return hit;
}

static void matrix(enum fault_kind kind, uint64_t stride)
{
    uint64_t at = 1;
    for (enum fault_loss loss = LOSE_ALL; loss < FAULT_LOSSES; loss++)
        for (at = 1 + (uint64_t)loss % stride; crash_at(at, kind, loss, 77 + at); at += stride) {
        }
    assert_true(at > 40); /* the scenario has calls worth the name */
}

static void test_crash(void **state)
{
    (void)state;
    matrix(FAULT_CRASH, test_scale() > 1 ? 1 : FAULT_LOSSES); /* every call, each in one way */
}

static void test_failing_call(void **state)
{
    (void)state;
    uint64_t at = 1;
    while (crash_at(at, FAULT_ERRNO, LOSE_NOTHING, 5 + at)) at++;
    assert_true(at > 40);
    for (at = 1; crash_at(at, FAULT_SHORT, LOSE_NOTHING, 5 + at);) at++;
}

/* Memory fails at the n-th allocation of a step that copies the state and signs; then there is enough again.
 */
static void test_memory(void **state)
{
    (void)state;
    bool done = false;
    unsigned n = 1;
    for (; !done; n += n < 40 || test_scale() > 1 ? 1 : 5) {
        struct publishing p;
        struct dsdn_view blobs[64];
        publishing_open(&p);
        p.limits = (struct dsdn_batcher_limits){.events_max = 4, .delay_ms = 1};
        must_start(&p);
        fill(&p, 1, 2);
        model_read(&p.follower, p.signer);
        struct dsdn_publisher_view view = model_view(&p.follower, p.now_ms);
        fail_nth(n);
        int rc = dsdn_publisher_step(p.publisher, &view, NULL);
        done = fail_nth(0);
        assert_int_equal(rc, done ? 0 : DSDN_E_NO_MEMORY);
        step(&p);
        uint32_t cnt = post(&p, blobs);
        assert_int_equal(cnt, 2);
        dsdn_publisher_posted(p.publisher, include(&p, blobs, cnt));
        step(&p);
        assert_true(object_there(p.follower.engine, 0, 1, 3) && object_there(p.follower.engine, 0, 2, 3));
        assert_int_equal(p.follower.not_ok, 0);
        publishing_close(&p);
    }
    assert_true(n > 20);
}

int main(void)
{
    assert_int_equal(dsdn_sign_self_test(NULL), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_origin_not_read),
        cmocka_unit_test(test_dead),
        cmocka_unit_test(test_included_is_kept),
        cmocka_unit_test(test_rival),
        cmocka_unit_test(test_fresh_lock),
        cmocka_unit_test(test_no_authority),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_failing_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
