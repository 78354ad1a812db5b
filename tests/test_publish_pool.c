/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The pool and the two journals: what is refused, by name; bounds on both sides; order; what survives and
 * what goes; damage; failing memory; and a long random run against a plain model. */
#include "tests/publish_util.h"
#include "tests/fail_nth.h"

#include "sinks/publish/journal.h"

struct pooling {
    struct log network;
    struct primary *primary;
    struct model follower;
    struct path dir, file;
    struct dsdn_pool_options options;
    struct dsdn_pool_report report;
    struct dsdn_pool *pool;
};

static void pooling_start(struct pooling *p)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    p->options.path = p->file.text;
    if (dsdn_pool_open(&p->options, &p->pool, &p->report, &error)) fail_msg("%s", error.message);
}

static void pooling_open(struct pooling *p)
{
    *p = (struct pooling){.options = {.io = &dsdn_io_system, .catalogue = &dsdn_catalogue}};
    network_open(&p->network);
    p->primary = calloc(1, sizeof *p->primary);
    assert_non_null(p->primary);
    p->primary->head = PRIMARY_START;
    model_open(&p->follower, &p->network, p->primary);
    p->options.genesis = p->network.genesis.hash;
    p->dir = scratch_make();
    p->file = sub(&p->dir, "pool");
}

static void pooling_close(struct pooling *p)
{
    dsdn_pool_close(p->pool);
    model_close(&p->follower);
    primary_free(p->primary);
    log_close(&p->network);
    scratch_remove(&p->dir);
}

static uint8_t bundle[1 << 20];

static enum dsdn_pool_answer offer_bytes(struct pooling *p, const uint8_t *bytes, size_t len)
{
    uint8_t id[32];
    size_t used;
    struct dsdn_error error = DSDN_ERROR_INIT;
    enum dsdn_pool_answer answer =
        dsdn_pool_offer(p->pool, p->follower.engine, 1000, bytes, len, &used, id, &error);
    if (answer > DSDN_POOL_KNOWN) assert_int_not_equal(error.code, 0); /* a reason, always */
    return answer;
}

static enum dsdn_pool_answer offer_until(struct pooling *p, uint32_t user, uint64_t nonce, uint32_t events,
                                         uint64_t valid_until)
{
    size_t len =
        make_bundle(&p->network, DSDN_BUNDLE_POOL, user, nonce, valid_until, events, bundle, sizeof bundle);
    return offer_bytes(p, bundle, len);
}

static enum dsdn_pool_answer offer(struct pooling *p, uint32_t user, uint64_t nonce, uint32_t events)
{
    return offer_until(p, user, nonce, events, 0);
}

static struct dsdn_pool_stats stats_of(const struct pooling *p)
{
    struct dsdn_pool_stats stats;
    dsdn_pool_stats(p->pool, &stats);
    return stats;
}

/* Applies a batch of what the pool gives out; its bundles count as taken.  Returns how many there were. */
static uint32_t publish(struct pooling *p, size_t bytes_max, uint32_t events_max, uint64_t time_ms)
{
    struct dsdn_pool_filled filled;
    struct dsdn_engine *e = p->follower.engine;
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(e));
    struct dsdn_header header = {.sequence = head->sequence,
                                 .time_ms = time_ms > head->time_ms ? time_ms : head->time_ms,
                                 .origin = {.height = head->origin_height, .time_ms = head->origin_time},
                                 .cursor = {head->cursor_height, head->cursor_index}};
    memcpy(header.origin.hash, head->origin_hash, 32);
    memcpy(header.genesis, head->genesis, 32);
    memcpy(header.prev, head->batch_hash, 32);
    memcpy(header.publisher, head->authority, 32);
    struct dsdn_batch_builder *builder = dsdn_batch_builder_new();
    struct dsdn_view batch;
    assert_non_null(builder);
    assert_int_equal(
        dsdn_pool_fill(p->pool, e, header.time_ms, bytes_max, events_max, builder, &filled, NULL), 0);
    assert_int_equal(dsdn_batch_builder_finish(builder, &header, &p->network.authority, &batch, NULL), 0);
    assert_int_equal(dsdn_prepare(&p->follower.prepared, &dsdn_catalogue, dsdn_engine_seed(e), batch.bytes,
                                  batch.len, NULL),
                     0);
    assert_int_equal(dsdn_engine_judge(e, &p->follower.prepared, NULL, NULL), 0);
    assert_int_equal(dsdn_engine_apply(e, &p->follower.prepared, NULL), 0);
    for (uint32_t i = 0; i < p->follower.prepared.op_cnt; i++)
        assert_int_equal(p->follower.prepared.outcomes[i], DSDN_OUTCOME_OK);
    dsdn_pool_took(p->pool, header.sequence + 1);
    dsdn_batch_builder_free(builder);
    return filled.bundles;
}

static uint64_t next_of(const struct pooling *p)
{
    return dsdn_head(dsdn_engine_state(p->follower.engine))->sequence;
}

/* ---- what is refused ---- */

static void test_refusals(void **state)
{
    (void)state;
    struct pooling p;
    uint8_t id[32];
    size_t used, len;
    pooling_open(&p);
    pooling_start(&p);
    assert_int_equal(offer(&p, 0, 1, 2), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 0, 1, 2), DSDN_POOL_KNOWN);
    assert_int_equal(offer(&p, 0, 1, 3), DSDN_POOL_NONCE_TAKEN);
    len = make_bundle(&p.network, DSDN_BUNDLE_DIRECT, 0, 2, 0, 1, bundle, sizeof bundle);
    assert_int_equal(offer_bytes(&p, bundle, len), DSDN_POOL_WRONG_KIND);
    assert_int_equal(offer_until(&p, 0, 2, 1, 999), DSDN_POOL_EXPIRED);
    assert_int_equal(offer_until(&p, 0, 2, 1, 1000), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 1, 65537, 1), DSDN_POOL_NONCE_FAR);
    assert_int_equal(offer(&p, 1, 65536, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(publish(&p, SIZE_MAX, UINT32_MAX, 1000), 3);
    assert_int_equal(offer(&p, 1, 65536, 1), DSDN_POOL_KNOWN); /* until it is settled */
    assert_int_equal(dsdn_pool_settled(p.pool, next_of(&p), NULL), 0);
    assert_int_equal(offer(&p, 1, 65536, 1), DSDN_POOL_NONCE_USED);
    assert_int_equal(offer(&p, 1, 65536 - 64, 1), DSDN_POOL_NONCE_USED); /* below the window */
    assert_int_equal(offer(&p, 1, 65536 - 63, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 1, 2 * 65536 + 1, 1), DSDN_POOL_NONCE_FAR);
    assert_int_equal(offer(&p, 1, 2 * 65536, 1), DSDN_POOL_ACCEPTED);
    /* The first bundle of several: what is behind it is not looked at. */
    len = make_bundle(&p.network, DSDN_BUNDLE_POOL, 2, 1, 0, 1, bundle, sizeof bundle);
    memset(bundle + len, 0xff, 50);
    assert_int_equal(dsdn_pool_offer(p.pool, p.follower.engine, 0, bundle, len + 50, &used, id, NULL),
                     DSDN_POOL_ACCEPTED);
    assert_int_equal(used, len);
    assert_int_equal(dsdn_pool_offer(p.pool, p.follower.engine, 0, bundle + len, 50, &used, id, NULL),
                     DSDN_POOL_MALFORMED);
    assert_int_equal(used, 0);
    pooling_close(&p);
}

/* Every byte of a bundle matters: whatever is altered, it is refused, and nothing is kept of it. */
static void test_altered(void **state)
{
    (void)state;
    struct pooling p;
    static uint8_t altered[4096];
    pooling_open(&p);
    pooling_start(&p);
    size_t len = make_bundle(&p.network, DSDN_BUNDLE_POOL, 0, 7, 5000, 2, bundle, sizeof bundle);
    uint64_t signatures = 0;
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit += 7) {
            memcpy(altered, bundle, len);
            altered[i] ^= (uint8_t)(1 << bit);
            enum dsdn_pool_answer answer = offer_bytes(&p, altered, len);
            if (answer <= DSDN_POOL_KNOWN) fail_msg("bit %d of byte %zu made no difference", bit, i);
            signatures += answer == DSDN_POOL_BAD_SIGNATURE;
        }
    assert_true(signatures > 200); /* ids and signature */
    for (size_t cut = 0; cut < len; cut++) assert_true(offer_bytes(&p, bundle, cut) == DSDN_POOL_MALFORMED);
    assert_int_equal(stats_of(&p).waiting, 0);
    assert_int_equal(offer_bytes(&p, bundle, len), DSDN_POOL_ACCEPTED);
    /* Of another network, signed well. */
    struct log_options other = {.catalogue = &dsdn_catalogue, .primary = false};
    struct log elsewhere;
    log_open(&elsewhere, &other);
    len = make_bundle(&elsewhere, DSDN_BUNDLE_POOL, 0, 8, 0, 1, bundle, sizeof bundle);
    assert_int_equal(offer_bytes(&p, bundle, len), DSDN_POOL_BAD_SIGNATURE);
    log_close(&elsewhere);
    pooling_close(&p);
}

/* An event of a type that nobody knows, signed well. */
static void test_unknown_type(void **state)
{
    (void)state;
    struct pooling p;
    pooling_open(&p);
    pooling_start(&p);
    struct dsdn_sign_key key = user_key(0);
    struct dsdn_batch_builder *b = dsdn_batch_builder_new();
    struct dsdn_header header = {.sequence = 0};
    struct dsdn_view view;
    assert_int_equal(dsdn_batch_builder_begin(b, DSDN_BUNDLE_POOL, key.public_key, 1, 0, NULL), 0);
    assert_int_equal(dsdn_batch_builder_event(b, 0x1fff, 1, (const uint8_t *)"x", 1, NULL), 0);
    assert_int_equal(dsdn_batch_builder_end(b, p.network.genesis.hash, &key, NULL), 0);
    assert_int_equal(dsdn_batch_builder_finish(b, &header, NULL, &view, NULL), 0);
    assert_int_equal(offer_bytes(&p, view.bytes + DSDN_BATCH_FIXED_LEN, view.len - DSDN_BATCH_FIXED_LEN),
                     DSDN_POOL_TYPE_DISABLED);
    dsdn_batch_builder_free(b);
    pooling_close(&p);
}

/* ---- bounds ---- */

static void test_bounds(void **state)
{
    (void)state;
    struct pooling p;
    pooling_open(&p);
    size_t len = make_bundle(&p.network, DSDN_BUNDLE_POOL, 0, 1, 0, 1, bundle, sizeof bundle);
    p.options.bundles_max = 5;
    p.options.author_bundles_max = 3;
    p.options.author_bytes_max = 100 * len;
    pooling_start(&p);
    for (uint64_t nonce = 1; nonce <= 3; nonce++)
        assert_int_equal(offer(&p, 0, nonce, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 0, 4, 1), DSDN_POOL_AUTHOR_FULL);
    assert_int_equal(offer(&p, 1, 1, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 2, 1, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 1, 2, 1), DSDN_POOL_POOL_FULL);
    assert_int_equal(publish(&p, SIZE_MAX, UINT32_MAX, 0), 5);
    assert_int_equal(offer(&p, 1, 2, 1), DSDN_POOL_POOL_FULL); /* taken is not gone */
    assert_int_equal(dsdn_pool_settled(p.pool, next_of(&p), NULL), 0);
    assert_int_equal(offer(&p, 1, 2, 1), DSDN_POOL_ACCEPTED);
    dsdn_pool_close(p.pool);
    unlink(p.file.text);
    p.options = (struct dsdn_pool_options){.io = &dsdn_io_system,
                                           .catalogue = &dsdn_catalogue,
                                           .genesis = p.network.genesis.hash,
                                           .bytes_max = 5 * len,
                                           .author_bytes_max = 3 * len};
    pooling_start(&p);
    for (uint64_t nonce = 11; nonce <= 13; nonce++)
        assert_int_equal(offer(&p, 0, nonce, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 0, 14, 1), DSDN_POOL_AUTHOR_FULL);
    assert_int_equal(offer(&p, 1, 13, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 2, 11, 2), DSDN_POOL_POOL_FULL); /* longer than what is left */
    assert_int_equal(offer(&p, 2, 11, 1), DSDN_POOL_ACCEPTED);
    pooling_close(&p);
}

/* The largest bundle is the one that fits a batch alone. */
static void test_largest(void **state)
{
    (void)state;
    struct pooling p;
    pooling_open(&p);
    pooling_start(&p);
    size_t room =
        (size_t)DSDN_SETTING(dsdn_engine_state(p.follower.engine), batch_max) - DSDN_BATCH_FIXED_LEN;
    size_t one =
        make_bundle(&p.network, DSDN_BUNDLE_POOL, 0, 1, 0, 1, bundle, sizeof bundle) - DSDN_BUNDLE_LEN;
    uint32_t cnt = (uint32_t)((room - DSDN_BUNDLE_LEN) / one);
    uint8_t *large = malloc(2 * room);
    assert_non_null(large);
    size_t len = make_bundle(&p.network, DSDN_BUNDLE_POOL, 0, 1, 0, cnt + 1, large, 2 * room);
    assert_true(len > room);
    assert_int_equal(offer_bytes(&p, large, len), DSDN_POOL_TOO_LARGE);
    len = make_bundle(&p.network, DSDN_BUNDLE_POOL, 0, 1, 0, cnt, large, 2 * room);
    assert_int_equal(offer_bytes(&p, large, len), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 0, 2, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(publish(&p, 1000, 10, 0), 1); /* alone, though above the limits of a batch here */
    assert_int_equal(publish(&p, 1000, 10, 0), 1);
    free(large);
    pooling_close(&p);
}

/* ---- order ---- */

static void test_order(void **state)
{
    (void)state;
    struct pooling p;
    pooling_open(&p);
    pooling_start(&p);
    /* Arrivals: A5, B1, A3, A70, C1.  Turns: A, B, A, A, C; A sends 3, 5, 70. */
    assert_int_equal(offer(&p, 0, 5, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 1, 1, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 0, 3, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 0, 70, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 2, 1, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(publish(&p, SIZE_MAX, 2, 0), 2);
    assert_true(object_there(p.follower.engine, 0, 3, 0));
    assert_true(object_there(p.follower.engine, 1, 1, 0));
    assert_int_equal(publish(&p, SIZE_MAX, 1, 0), 1);
    assert_true(object_there(p.follower.engine, 0, 5, 0));
    assert_int_equal(publish(&p, SIZE_MAX, 100, 0), 2); /* 3 would be too old after 70: it went before */
    assert_int_equal(stats_of(&p).waiting, 0);
    pooling_close(&p);
}

/* What was published and rolled back waits again, in its old place. */
static void test_rollback(void **state)
{
    (void)state;
    struct pooling p;
    pooling_open(&p);
    pooling_start(&p);
    for (uint64_t nonce = 1; nonce <= 4; nonce++)
        assert_int_equal(offer(&p, 0, nonce, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(publish(&p, SIZE_MAX, 1, 0), 1);
    assert_int_equal(publish(&p, SIZE_MAX, 2, 0), 2);
    assert_int_equal(stats_of(&p).taken, 3);
    dsdn_pool_rolled_back(p.pool, 1);
    assert_int_equal(stats_of(&p).taken, 1);
    assert_int_equal(stats_of(&p).waiting, 3);
    model_close(&p.follower); /* the other branch: it used 3, in a batch of its own */
    model_open(&p.follower, &p.network, p.primary);
    dsdn_pool_rolled_back(p.pool, 0);
    assert_int_equal(publish(&p, SIZE_MAX, 1, 0), 1);
    assert_true(object_there(p.follower.engine, 0, 1, 0));
    assert_int_equal(dsdn_pool_settled(p.pool, 1, NULL), 0);
    assert_int_equal(stats_of(&p).settled, 1);
    assert_int_equal(publish(&p, SIZE_MAX, 10, 0), 3);
    pooling_close(&p);
}

/* What comes back stands where it stood, though it left before what came first. */
static void test_old_place(void **state)
{
    (void)state;
    struct pooling p;
    pooling_open(&p);
    pooling_start(&p);
    assert_int_equal(offer(&p, 0, 5, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 1, 1, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&p, 0, 3, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(publish(&p, SIZE_MAX, 2, 0), 2); /* 3 of the first, 1 of the second */
    model_close(&p.follower);
    model_open(&p.follower, &p.network, p.primary);
    dsdn_pool_rolled_back(p.pool, 0);
    assert_int_equal(publish(&p, SIZE_MAX, 1, 0), 1);
    assert_true(object_there(p.follower.engine, 0, 3, 0)); /* the turn is of who was there first */
    pooling_close(&p);
}

/* Used by somebody else: set aside, and gone when that is settled; expired: gone at once. */
static void test_set_aside(void **state)
{
    (void)state;
    struct pooling p, q;
    pooling_open(&p);
    pooling_open(&q);
    pooling_start(&p);
    pooling_start(&q);
    assert_int_equal(offer(&p, 0, 1, 1), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer_until(&p, 0, 2, 1, 5000), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer_until(&p, 0, 3, 1, 5001), DSDN_POOL_ACCEPTED);
    assert_int_equal(offer(&q, 0, 1, 1), DSDN_POOL_ACCEPTED);
    struct model swap = p.follower; /* q publishes it to p's follower */
    p.follower = q.follower;
    q.follower = swap;
    p.follower.network = &p.network;
    struct dsdn_pool *own = p.pool;
    p.pool = q.pool;
    assert_int_equal(publish(&p, SIZE_MAX, 10, 0), 1);
    q.pool = p.pool;
    p.pool = own;
    assert_int_equal(publish(&p, SIZE_MAX, 10, 5001), 1); /* 3; 2 has expired by a millisecond */
    assert_int_equal(stats_of(&p).expired, 1);
    assert_int_equal(stats_of(&p).taken, 2);
    assert_int_equal(dsdn_pool_settled(p.pool, 1, NULL), 0);
    assert_int_equal(stats_of(&p).taken, 1);
    pooling_close(&p);
    pooling_close(&q);
}

/* ---- the file ---- */

static void test_restart(void **state)
{
    (void)state;
    struct pooling p;
    pooling_open(&p);
    pooling_start(&p);
    for (uint64_t nonce = 1; nonce <= 300; nonce++)
        assert_int_equal(offer(&p, (uint32_t)(nonce % USERS), nonce, 100), DSDN_POOL_ACCEPTED);
    assert_int_equal(dsdn_pool_sync(p.pool, NULL), 0);
    assert_int_equal(publish(&p, SIZE_MAX, 100 * 125, 0), 125);
    assert_int_equal(publish(&p, SIZE_MAX, 100 * 125, 0), 125);
    dsdn_pool_close(p.pool);
    pooling_start(&p);
    assert_int_equal(p.report.kept, 300);
    assert_int_equal(p.report.cut, 0);
    assert_int_equal(publish(&p, SIZE_MAX, UINT32_MAX, 0), 50); /* not one of them twice */
    uint64_t before = stats_of(&p).journal_bytes;
    assert_int_equal(stats_of(&p).taken, 300);
    assert_int_equal(dsdn_pool_settled(p.pool, 1, NULL), 0); /* what is found used counts as used just now */
    assert_int_equal(stats_of(&p).taken, 300);
    assert_int_equal(dsdn_pool_settled(p.pool, 2, NULL), 0);
    assert_int_equal(stats_of(&p).taken, 50);
    assert_int_equal(dsdn_pool_settled(p.pool, 3, NULL), 0);
    assert_int_equal(stats_of(&p).taken, 0);
    for (uint64_t nonce = 301; nonce <= 600; nonce++)
        assert_int_equal(offer(&p, (uint32_t)(nonce % USERS), nonce, 100), DSDN_POOL_ACCEPTED);
    assert_int_equal(publish(&p, SIZE_MAX, 100 * 125, 0), 125);
    assert_int_equal(publish(&p, SIZE_MAX, 100 * 125, 0), 125);
    before = stats_of(&p).journal_bytes;
    assert_int_equal(dsdn_pool_settled(p.pool, 5, NULL), 0);
    assert_true(stats_of(&p).journal_bytes < before / 3); /* written anew */
    assert_int_equal(stats_of(&p).waiting, 50);
    dsdn_pool_close(p.pool);
    pooling_start(&p);
    assert_int_equal(p.report.kept, 50);
    pooling_close(&p);
}

/* Cut anywhere: what was whole is there.  A bit flipped anywhere: found, unless it is in the last sync's
 * records, where it looks like a cut. */
static void test_damage(void **state)
{
    (void)state;
    struct pooling p;
    struct path copy;
    pooling_open(&p);
    pooling_start(&p);
    for (uint64_t nonce = 1; nonce <= 3; nonce++) {
        assert_int_equal(offer(&p, 0, nonce, 1), DSDN_POOL_ACCEPTED);
        assert_int_equal(dsdn_pool_sync(p.pool, NULL), 0);
    }
    dsdn_pool_close(p.pool);
    p.pool = NULL;
    size_t len;
    uint8_t *bytes = slurp(p.file.text, &len);
    size_t record = (len - DSDN_JOURNAL_HEADER_LEN) / 3;
    copy = sub(&p.dir, "copy");
    struct dsdn_pool_options options = p.options;
    options.path = copy.text;
    for (size_t cut = DSDN_JOURNAL_HEADER_LEN; cut <= len; cut++) {
        spew(copy.text, bytes, cut);
        assert_int_equal(dsdn_pool_open(&options, &p.pool, &p.report, NULL), 0);
        assert_int_equal(p.report.kept, (cut - DSDN_JOURNAL_HEADER_LEN) / record);
        assert_int_equal(p.report.cut, (cut - DSDN_JOURNAL_HEADER_LEN) % record);
        dsdn_pool_close(p.pool);
        p.pool = NULL;
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x10;
        spew(copy.text, bytes, len);
        bytes[i] ^= 0x10;
        struct dsdn_error error = DSDN_ERROR_INIT;
        int rc = dsdn_pool_open(&options, &p.pool, &p.report, &error);
        bool last = i >= len - record;
        if (!rc != last) fail_msg("a bit of byte %zu of %zu: %d %s", i, len, rc, error.message);
        if (rc) assert_true(rc == DSDN_E_CHECKSUM || rc == DSDN_E_FORMAT || rc == DSDN_E_WRONG_GENESIS);
        if (!rc) assert_int_equal(p.report.kept, 2);
        dsdn_pool_close(p.pool);
        p.pool = NULL;
    }
    free(bytes);
    pooling_close(&p);
}

/* A journal is for one process, of one kind, of one network. */
static void test_journal(void **state)
{
    (void)state;
    struct pooling p;
    struct dsdn_pool *second;
    struct dsdn_pool_report report;
    pooling_open(&p);
    pooling_start(&p);
    assert_int_equal(dsdn_pool_open(&p.options, &second, &report, NULL), DSDN_E_LOCKED);
    dsdn_pool_close(p.pool);
    p.pool = NULL;
    struct dsdn_signer_options signer = {.io = &dsdn_io_system,
                                         .path = p.file.text,
                                         .genesis = p.network.genesis.hash,
                                         .key = &p.network.authority};
    struct dsdn_signer_file *f;
    struct dsdn_signer_report locks;
    assert_int_equal(dsdn_signer_open(&signer, &f, &locks, NULL), DSDN_E_FORMAT);
    static const uint8_t elsewhere[32] = {1};
    struct dsdn_pool_options options = p.options;
    options.genesis = elsewhere;
    assert_int_equal(dsdn_pool_open(&options, &second, &report, NULL), DSDN_E_WRONG_GENESIS);
    pooling_close(&p);
}

struct records {
    uint64_t sum, cnt;
};

static int add_record(void *self, const uint8_t *payload, size_t len, struct dsdn_error *error)
{
    struct records *r = self;
    (void)error;
    assert_int_equal(len, 600);
    r->sum += dsdn_load64(payload);
    r->cnt++;
    return 0;
}

static int append_record(struct dsdn_journal *j, uint64_t number)
{
    uint8_t payload[600] = {0};
    dsdn_store64(payload, number);
    return dsdn_journal_append(j, &(struct dsdn_view){payload, sizeof payload}, 1, NULL);
}

/* Only the even ones live on. */
static int write_even(void *self, struct dsdn_journal *to, struct dsdn_error *error)
{
    int rc = 0;
    (void)self;
    (void)error;
    for (uint64_t i = 2; !rc && i <= 20; i += 2) rc = append_record(to, i);
    return rc;
}

/* Power lost at every call of a rewrite: the records are the old ones or the new ones, and what was synced
 * behind them is there. */
static void test_rewrite(void **state)
{
    (void)state;
    struct path dir = scratch_make(), path = sub(&dir, "journal");
    struct records r;
    struct dsdn_journal_options options = {.path = path.text,
                                           .kind = DSDN_JOURNAL_POOL,
                                           .genesis = test_genesis_hash,
                                           .payload_max = 600,
                                           .record = add_record,
                                           .self = &r};
    struct dsdn_journal *j;
    bool created;
    uint64_t cut, seed = 5, at;
    for (enum fault_loss loss = LOSE_ALL; loss < FAULT_LOSSES; loss++)
        for (at = 1;; at++) {
            bool rewritten = false, tail = false;
            unlink(path.text);
            options.io = &dsdn_io_system;
            assert_int_equal(dsdn_journal_open(&options, &j, &created, &cut, NULL), 0);
            for (uint64_t i = 1; i <= 20; i++) assert_int_equal(append_record(j, i), 0);
            assert_int_equal(dsdn_journal_sync(j, NULL), 0);
            dsdn_journal_close(j);
            struct fault *f = fault_new();
            options.io = &f->io;
            f->fail_at = at;
            f->kind = FAULT_CRASH;
            int rc = dsdn_journal_open(&options, &j, &created, &cut, NULL);
            if (!rc) {
                rc = dsdn_journal_rewrite(j, write_even, NULL, NULL);
                rewritten = !rc;
                if (!rc) rc = append_record(j, 1000);
                if (!rc) rc = dsdn_journal_sync(j, NULL);
                tail = !rc;
                dsdn_journal_close(j);
            }
            bool hit = f->hit;
            fault_power_loss(f, loss, &seed);
            fault_free(f);
            options.io = &dsdn_io_system;
            r = (struct records){0, 0};
            assert_int_equal(dsdn_journal_open(&options, &j, &created, &cut, NULL), 0);
            assert_false(created);
            dsdn_journal_close(j);
            uint64_t behind = r.sum >= 1000 ? 1000 : 0;
            bool old = r.cnt == 20 && r.sum == 210,
                 new = r.cnt - behind / 1000 == 10 && r.sum - behind == 110;
            if (!(new || (old && !rewritten)) || (tail && !behind))
                fail_msg("call %d, loss %d: %d records, sum %d", (int)at, (int)loss, (int)r.cnt, (int)r.sum);
            if (!hit) break;
        }
    assert_true(at > 10);
    scratch_remove(&dir);
}

/* ---- memory ---- */

static void test_memory(void **state)
{
    (void)state;
    struct pooling p;
    struct dsdn_batch_builder *builder = dsdn_batch_builder_new();
    struct dsdn_pool_filled filled;
    uint8_t id[32];
    size_t used, lens[3], offsets[3], at = 0;
    pooling_open(&p);
    p.options.path = p.file.text;
    for (uint32_t i = 0; i < 3; i++) { /* made before memory fails */
        offsets[i] = at;
        lens[i] = make_bundle(&p.network, DSDN_BUNDLE_POOL, i, 1, 0, 2, bundle + at, sizeof bundle - at);
        at += lens[i];
    }
    bool done = false;
    for (unsigned n = 1; !done; n++) {
        assert_true(n < 500);
        unlink(p.file.text);
        fail_nth(n);
        int rc = dsdn_pool_open(&p.options, &p.pool, &p.report, NULL);
        uint32_t accepted = 0;
        for (uint32_t i = 0; !rc && i < 3; i++) {
            enum dsdn_pool_answer answer =
                dsdn_pool_offer(p.pool, p.follower.engine, 0, bundle + offsets[i], lens[i], &used, id, NULL);
            assert_true(answer == DSDN_POOL_ACCEPTED || answer == DSDN_POOL_UNAVAILABLE);
            accepted += answer == DSDN_POOL_ACCEPTED;
        }
        if (!rc) assert_int_equal(stats_of(&p).waiting, accepted);
        dsdn_batch_builder_reset(builder);
        if (!rc) dsdn_pool_fill(p.pool, p.follower.engine, 0, SIZE_MAX, UINT32_MAX, builder, &filled, NULL);
        if (!rc) dsdn_pool_settled(p.pool, 1, NULL);
        done = fail_nth(0);
        if (!rc) assert_int_equal(stats_of(&p).waiting, accepted);
        if (done) assert_int_equal(accepted, 3);
        dsdn_pool_close(p.pool);
        p.pool = NULL;
    }
    dsdn_batch_builder_free(builder);
    pooling_close(&p);
}

/* ---- at random, against a plain model ---- */

enum { NONCES = 40 };

struct plain {
    bool kept[USERS][NONCES + 1], used[USERS][NONCES + 1];
};

/* What was published now: each once (publish looks at the outcomes), and by ascending nonce among those that
 * waited. */
static void note_published(const struct pooling *p, struct plain *m)
{
    for (uint32_t u = 0; u < USERS; u++)
        for (uint64_t n = 1; n <= NONCES; n++) {
            if (m->used[u][n] || !object_there(p->follower.engine, u, n, 0)) continue;
            assert_true(m->kept[u][n]);
            m->used[u][n] = true;
            for (uint64_t lower = 1; lower < n; lower++) assert_true(!m->kept[u][lower] || m->used[u][lower]);
        }
}

static void test_random_run(void **state)
{
    (void)state;
    struct pooling p;
    struct plain m = {{{false}}, {{false}}};
    uint64_t seed = 4711, settled = 0;
    uint32_t published = 0, all = 0;
    pooling_open(&p);
    pooling_start(&p);
    for (int round = 0; round < 2000; round++) {
        uint64_t what = test_random(&seed) % 16;
        uint32_t user = (uint32_t)(test_random(&seed) % USERS);
        uint64_t nonce = 1 + test_random(&seed) % NONCES;
        if (what < 10) {
            enum dsdn_pool_answer answer = offer(&p, user, nonce, 1);
            if (m.used[user][nonce]) /* known until it is settled and found out */
                assert_true(answer == DSDN_POOL_KNOWN || answer == DSDN_POOL_NONCE_USED);
            else
                assert_int_equal(answer, m.kept[user][nonce] ? DSDN_POOL_KNOWN : DSDN_POOL_ACCEPTED);
            m.kept[user][nonce] = true;
        } else if (what < 13) {
            published += publish(&p, SIZE_MAX, (uint32_t)(1 + test_random(&seed) % 3), 0);
            note_published(&p, &m);
        } else if (what == 13) {
            settled = next_of(&p);
            assert_int_equal(dsdn_pool_settled(p.pool, settled, NULL), 0);
        } else if (what == 14) {
            dsdn_pool_rolled_back(p.pool, settled); /* and finds out by itself what is used all the same */
        } else {
            dsdn_pool_close(p.pool);
            pooling_start(&p);
        }
    }
    while (publish(&p, SIZE_MAX, UINT32_MAX, 0)) note_published(&p, &m);
    for (uint32_t u = 0; u < USERS; u++)
        for (uint64_t n = 1; n <= NONCES; n++) {
            assert_int_equal(m.used[u][n], m.kept[u][n]); /* nothing is lost */
            all += m.used[u][n];
        }
    assert_true(published > 100 && all > 150);
    assert_int_equal(dsdn_pool_settled(p.pool, next_of(&p), NULL), 0);
    assert_int_equal(stats_of(&p).waiting + stats_of(&p).taken, 0);
    pooling_close(&p);
}

int main(void)
{
    assert_int_equal(dsdn_sign_self_test(NULL), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_altered),
        cmocka_unit_test(test_unknown_type), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_largest),      cmocka_unit_test(test_order),
        cmocka_unit_test(test_rollback),     cmocka_unit_test(test_set_aside),
        cmocka_unit_test(test_restart),      cmocka_unit_test(test_damage),
        cmocka_unit_test(test_journal),      cmocka_unit_test(test_memory),
        cmocka_unit_test(test_old_place),    cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_random_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
