/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* Direct bundles: the selection of protocol.md, section 7, case by case and against an oracle that reads the
 * rule aloud; the fee; and what becomes of a backlog of deadlines. */
#include "tests/chain_util.h"

#include "statemachine/direct.h"
#include "tests/fail_nth.h"
#include "tests/probe.h"

#include <stdio.h>

enum { FEE = 1000, FIRST = 101, BUDGET = 524288 };

static struct dsdn_direct_queue queue;
static struct dsdn_direct_selection selection;
static struct dsdn_error error = DSDN_ERROR_INIT;
static uint8_t blob[DSDN_DIRECT_MAX + 4096];
static size_t blob_len;

static void open_world(struct chain *c)
{
    chain_open(c, &(struct chain_options){
                      .level = 1,
                      .primary = true,
                      .parameters = {{"direct_budget", BUDGET}, {"direct_fee", FEE}, {"direct_max", 65536}},
                      .allocations = {{.account = key_of(ALICE).public_key, .amount = {0, 5 * FEE}},
                                      {.account = key_of(BOB).public_key, .amount = {0, FEE - 1}}}});
    chain_node(c, key_bytes(c, DAVE), 1, 0, 1);
}

static void close_world(struct chain *c)
{
    chain_close(c);
    dsdn_direct_queue_free(&queue);
    dsdn_direct_selection_free(&selection);
}

/* A direct blob of `events` transfers that do nothing, into `blob`. */
static void make_blob(struct chain *c, const struct dsdn_sign_key *author, uint64_t nonce, uint64_t until,
                      uint32_t events)
{
    struct dsdn_batch_builder *b = dsdn_batch_builder_new();
    struct dsdn_header header = c->log.next;
    struct dsdn_view batch;
    uint8_t payload[128];
    uint32_t len;
    struct dsdn_ev_transfer e = {.to = key_bytes(c, CAROL), .amount = {0, 0}, .max_fee = {0, 0}};
    assert_int_equal(dsdn_event_encode(&dsdn_event_table.events[dsdn_EVENT_transfer], 1, &e, payload,
                                       sizeof payload, &len, &error),
                     0);
    assert_int_equal(
        dsdn_batch_builder_begin(b, DSDN_BUNDLE_DIRECT, author->public_key, nonce, until, &error), 0);
    for (uint32_t i = 0; i < events; i++)
        assert_int_equal(dsdn_batch_builder_event(b, dsdn_event_table.events[dsdn_EVENT_transfer].type, 1,
                                                  payload, len, &error),
                         0);
    assert_int_equal(dsdn_batch_builder_end(b, c->log.genesis.hash, author, &error), 0);
    assert_int_equal(dsdn_batch_builder_finish(b, &header, NULL, &batch, &error), 0);
    memcpy(blob, "DSDD", 4);
    memcpy(blob + 4, c->log.genesis.hash, 32);
    blob_len = DSDN_DIRECT_PREFIX + batch.len - DSDN_BATCH_FIXED_LEN;
    assert_true(blob_len <= sizeof blob);
    memcpy(blob + DSDN_DIRECT_PREFIX, batch.bytes + DSDN_BATCH_FIXED_LEN, blob_len - DSDN_DIRECT_PREFIX);
    dsdn_batch_builder_free(b);
}

static int add(struct chain *c, uint64_t height, uint32_t index, bool keep)
{
    return dsdn_direct_queue_add(&queue, &dsdn_catalogue, c->log.genesis.hash, height, index, blob, blob_len,
                                 keep, NULL, &error);
}

static void post(struct chain *c, uint64_t height, uint32_t index, int author, uint64_t nonce, uint64_t until,
                 uint32_t events)
{
    make_blob(c, &c->keys[author], nonce, until, events);
    assert_int_equal(add(c, height, index, true), 0);
}

static void choose(struct chain *c, uint64_t height, uint64_t time_ms)
{
    struct dsdn_origin origin = {.height = height, .time_ms = time_ms};
    assert_int_equal(dsdn_direct_select(c->log.engine, &queue, &origin, time_ms, &selection, &error), 0);
}

/* The selection as "height.index ..." and its cursor. */
static const char *chosen(struct chain *c, uint64_t height)
{
    static char text[4096];
    size_t at = 0;
    choose(c, height, T0);
    for (uint32_t i = 0; i < selection.cnt; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%llu.%u ",
                               (unsigned long long)selection.blobs[i]->height, selection.blobs[i]->index);
    snprintf(text + at, sizeof text - at,
             selection.cursor.blob_index == DSDN_CURSOR_END ? "-> %llu.end" : "-> %llu.%u",
             (unsigned long long)selection.cursor.height, selection.cursor.blob_index);
    return text;
}

/* A batch that begins with the selection; who: another bundle of the pool behind it. */
static void take_selection(struct chain *c, uint64_t height)
{
    choose(c, height, T0);
    c->height = height;
    c->origin_ms = T0;
    for (uint32_t i = 0; i < selection.cnt; i++)
        log_must(&c->log,
                 dsdn_batch_builder_bundle(c->log.builder, selection.blobs[i]->bundle,
                                           selection.blobs[i]->len - DSDN_DIRECT_PREFIX, &c->log.error));
    c->log.next.time_ms = T0;
    c->log.next.origin = (struct dsdn_origin){.height = height, .time_ms = T0};
    if (height > 100) dsdn_tagged("test/header", &height, 8, c->log.next.origin.hash);
    c->log.next.cursor = selection.cursor;
}

/* ---- one reason at a time ---- */

static void test_who_may(void **state)
{
    (void)state;
    struct chain c;
    open_world(&c);
    post(&c, 101, 0, ALICE, 1, 0, 1);     /* has the fee */
    post(&c, 101, 1, BOB, 1, 0, 1);       /* lacks one unit of it */
    post(&c, 101, 2, CAROL, 1, 0, 1);     /* has no account */
    post(&c, 101, 3, DAVE, 1, 0, 1);      /* a node */
    post(&c, 102, 0, ALICE, 65537, 0, 1); /* too far above */
    post(&c, 102, 1, ALICE, 65536, 0, 1);
    post(&c, 102, 2, ALICE, 2, T0 - 1, 1); /* expired */
    post(&c, 102, 3, ALICE, 3, T0, 1);
    make_blob(&c, &c.log.authority, 1, 0, 1);
    assert_int_equal(add(&c, 103, 0, true), 0); /* the key that signs batches */
    assert_string_equal(chosen(&c, 103), "101.0 101.3 102.1 102.3 103.0 -> 103.end");
    assert_string_equal(chosen(&c, 102), "101.0 101.3 102.1 102.3 -> 102.end");
    assert_string_equal(chosen(&c, 100), "-> 100.end");
    close_world(&c);
}

static void test_fee_is_by_size(void **state)
{
    (void)state;
    struct chain c;
    assert_int_equal(dsdn_direct_fee(7, 1), 7);
    assert_int_equal(dsdn_direct_fee(7, 16384), 7);
    assert_int_equal(dsdn_direct_fee(7, 16385), 14);
    assert_true(dsdn_direct_fee(UINT64_MAX / 2, 65536) == UINT64_MAX);
    open_world(&c);
    uint32_t events = 1;
    for (make_blob(&c, &c.keys[ALICE], 1, 0, 1); blob_len <= 65536;
         make_blob(&c, &c.keys[ALICE], 1, 0, events))
        events += 400;
    while (blob_len > 65536) make_blob(&c, &c.keys[ALICE], 1, 0, --events);
    post(&c, 101, 0, ALICE, 1, 0, events);     /* the largest: 4 fees of the 5 */
    post(&c, 101, 1, ALICE, 2, 0, events + 1); /* above direct_max */
    assert_string_equal(chosen(&c, 101), "101.0 -> 101.end");
    dsdn_direct_queue_cut(&queue, 0);
    struct dsdn_state *s = chain_state(&c);
    dsdn_account_edit(s, dsdn_account_find(s, key_bytes(&c, ALICE)))->balance = 4 * FEE - 1;
    post(&c, 101, 0, ALICE, 1, 0, events);
    assert_string_equal(chosen(&c, 101), "-> 101.end");
    dsdn_account_edit(s, dsdn_account_find(s, key_bytes(&c, ALICE)))->balance = 5 * FEE;
    close_world(&c);
}

static void test_first_of_a_nonce_and_four_a_height(void **state)
{
    (void)state;
    struct chain c;
    open_world(&c);
    post(&c, 101, 0, DAVE, 7, T0 - 1, 1); /* expired: does not stand in the way of the next */
    post(&c, 101, 1, DAVE, 7, 0, 1);
    post(&c, 101, 2, DAVE, 7, 0, 1); /* a copy, reposted by whoever */
    post(&c, 101, 3, DAVE, 7, 0, 2); /* other events under the nonce */
    assert_string_equal(chosen(&c, 101), "101.1 -> 101.end");
    for (uint32_t i = 0; i < 4; i++) post(&c, 101, 4 + i, DAVE, 1, 0, 1); /* copies use up nothing */
    for (uint32_t i = 0; i < 3; i++) post(&c, 101, 8 + i, DAVE, 2 + i, 0, 1);
    assert_string_equal(chosen(&c, 101), "101.1 101.4 101.8 101.9 -> 101.end"); /* 101.10 is the fifth */
    for (uint32_t i = 0; i < 3; i++) post(&c, 102, i, DAVE, 4 + i, 0, 1);
    /* 102.0 has the nonce of 101.10, which was first. */
    assert_string_equal(chosen(&c, 102), "101.1 101.4 101.8 101.9 102.1 102.2 -> 102.end");
    close_world(&c);
}

static void test_budget_and_cursor(void **state)
{
    (void)state;
    struct chain c;
    open_world(&c);
    /* Bundles of about 50 KiB: ten fit. */
    for (uint32_t i = 0; i < 14; i++) post(&c, 101 + i / 3, 5 + 2 * (i % 3), DAVE, 1 + i, 0, 950);
    size_t each = blob_len;
    assert_true(each * 10 <= BUDGET && each * 11 > BUDGET);
    assert_string_equal(chosen(&c, 200),
                        "101.5 101.7 101.9 102.5 102.7 102.9 103.5 103.7 103.9 104.5 -> 104.5");
    assert_int_equal(selection.bytes, each * 10);
    take_selection(&c, 200);
    log_prepare(&c.log);
    log_must(&c.log, log_judge(&c.log));
    assert_int_equal(dsdn_direct_judge(&queue, &c.log.prepared, &selection, &error), 0);
    log_must(&c.log, dsdn_engine_apply(c.log.engine, &c.log.prepared, &c.log.error));
    log_begin(&c.log);
    assert_string_equal(chosen(&c, 200), "104.7 104.9 105.5 105.7 -> 200.end");
    assert_string_equal(chosen(&c, 104), "104.7 104.9 -> 104.end");

    /* What is behind the cursor is not needed any more. */
    uint32_t cnt = queue.cnt;
    struct dsdn_cursor cursor = {104, 5};
    size_t kept = queue.bundle_bytes;
    dsdn_direct_queue_release(&queue, &cursor);
    assert_int_equal(queue.bundle_bytes, kept - 10 * (each - DSDN_DIRECT_PREFIX));
    assert_int_equal(queue.cnt, cnt);
    dsdn_direct_queue_drop(&queue, &cursor);
    assert_int_equal(queue.cnt, 4);
    assert_string_equal(chosen(&c, 200), "104.7 104.9 105.5 105.7 -> 200.end");
    close_world(&c);
}

/* ---- the queue ---- */

static void test_what_is_not_queued(void **state)
{
    (void)state;
    struct chain c;
    open_world(&c);
    post(&c, 101, 5, DAVE, 1, 0, 2);
    uint8_t *bundle = blob + DSDN_DIRECT_PREFIX;
    struct {
        size_t at;
        uint8_t flip;
        int code;
    } cases[] = {
        {0, 1, DSDN_E_FORMAT},
        {4, 1, DSDN_E_WRONG_GENESIS},
        {DSDN_DIRECT_PREFIX + DSDN_BUNDLE_AT_SIGNATURE, 1, DSDN_E_SIGNATURE},
        {DSDN_DIRECT_PREFIX + DSDN_BUNDLE_AT_NONCE, 1, DSDN_E_SIGNATURE},
        {DSDN_DIRECT_PREFIX + DSDN_BUNDLE_LEN + 1, 0x40, DSDN_E_TYPE_DISABLED},
        {DSDN_DIRECT_PREFIX + DSDN_BUNDLE_LEN + 2, 2, DSDN_E_TYPE_DISABLED},
        {DSDN_DIRECT_PREFIX + DSDN_BUNDLE_LEN + 3, 1, DSDN_E_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        blob[cases[i].at] ^= cases[i].flip;
        int rc = add(&c, 102, 0, true);
        if (rc != cases[i].code) fail_msg("case %zu gave %s", i, dsdn_error_name(rc));
        blob[cases[i].at] ^= cases[i].flip;
    }
    bundle[0] = DSDN_BUNDLE_POOL; /* what is posted as a blob says so */
    assert_int_not_equal(add(&c, 102, 0, true), 0);
    bundle[0] = DSDN_BUNDLE_DIRECT;
    size_t len = blob_len;
    for (blob_len = 0; blob_len < len; blob_len++) assert_int_not_equal(add(&c, 102, 0, true), 0);
    blob_len = DSDN_DIRECT_MAX + 1;
    assert_int_equal(add(&c, 102, 0, true), DSDN_E_TOO_LARGE);
    blob_len = len;
    assert_int_equal(queue.cnt, 1);

    assert_int_equal(add(&c, 101, 4, true), DSDN_E_USAGE); /* out of order */
    struct dsdn_cursor all = {101, DSDN_CURSOR_END};
    dsdn_direct_queue_release(&queue, &all);
    assert_null(queue.entries[0].bundle);
    assert_int_equal(add(&c, 101, 5, false), 0);
    assert_null(queue.entries[0].bundle);
    assert_int_equal(add(&c, 101, 5, true), 0); /* gets it back */
    assert_memory_equal(queue.entries[0].bundle, bundle, len - DSDN_DIRECT_PREFIX);
    assert_int_equal(queue.cnt, 1);
    post(&c, 102, 0, DAVE, 2, 0, 1);
    make_blob(&c, &c.keys[DAVE], 9, 0, 1);
    assert_int_equal(add(&c, 101, 5, true), DSDN_E_USAGE); /* another blob at the place of one */
    close_world(&c);
}

/* 32 MiB of direct bundles at one height, of authors who may not post and of one who may: a queue of digests.
 */
static void test_a_flood(void **state)
{
    (void)state;
    struct chain c;
    open_world(&c);
    make_blob(&c, &c.keys[CAROL], 1, 0, 1);
    size_t one = blob_len;
    make_blob(&c, &c.keys[CAROL], 1, 0, 2);
    make_blob(&c, &c.keys[CAROL], 1, 0, (uint32_t)((DSDN_DIRECT_MAX - one) / (blob_len - one)));
    assert_true(blob_len > DSDN_DIRECT_MAX - 200 && blob_len <= DSDN_DIRECT_MAX);
    uint32_t index = 0;
    for (size_t bytes = 0; bytes < 32u << 20; bytes += blob_len)
        assert_int_equal(add(&c, 101, index++, false), 0);
    post(&c, 101, index, DAVE, 1, 0, 1);
    assert_true(dsdn_direct_queue_bytes(&queue) < 128 * 1024);
    choose(&c, 101, T0);
    assert_int_equal(selection.cnt, 1);
    assert_int_equal(selection.blobs[0]->index, index);
    close_world(&c);
}

/* ---- judging ---- */

static int judged(struct chain *c)
{
    log_prepare(&c->log);
    log_must(&c->log, log_judge(&c->log));
    error = (struct dsdn_error)DSDN_ERROR_INIT;
    int rc = dsdn_direct_judge(&queue, &c->log.prepared, &selection, &error);
    log_begin(&c->log);
    return rc;
}

static void says(const char *part)
{
    if (!strstr(error.message, part)) fail_msg("\"%s\" is not in \"%s\"", part, error.message);
}

static void bundle_of(struct chain *c, uint32_t i)
{
    log_must(&c->log, dsdn_batch_builder_bundle(c->log.builder, selection.blobs[i]->bundle,
                                                selection.blobs[i]->len - DSDN_DIRECT_PREFIX, &c->log.error));
}

static void test_the_reason_names_the_bundle(void **state)
{
    (void)state;
    struct chain c;
    char name[64];
    open_world(&c);
    for (uint32_t i = 0; i < 3; i++) post(&c, 101, i, DAVE, 1 + i, 0, 1);
    post(&c, 101, 3, BOB, 1, 0, 1);
    snprintf(name, sizeof name, "author %02x%02x", key_bytes(&c, DAVE)[0], key_bytes(&c, DAVE)[1]);

    take_selection(&c, 101);
    chain_add(&c, ALICE, dsdn_EVENT_transfer, &(struct dsdn_ev_transfer){.to = key_bytes(&c, BOB)});
    assert_int_equal(judged(&c), 0); /* others may follow */

    take_selection(&c, 101);
    dsdn_batch_builder_reset(c.log.builder);
    bundle_of(&c, 0), bundle_of(&c, 2);
    assert_int_equal(judged(&c), DSDN_E_DIRECT);
    says(name), says("nonce 2 at height 101 index 1 is left out");
    assert_int_equal(error.bundle, 1);
    assert_int_equal(error.sequence, 0);

    take_selection(&c, 101);
    dsdn_batch_builder_reset(c.log.builder);
    bundle_of(&c, 0), bundle_of(&c, 1);
    assert_int_equal(judged(&c), DSDN_E_DIRECT);
    says("nonce 3 at height 101 index 2 is left out");

    take_selection(&c, 101);
    dsdn_batch_builder_reset(c.log.builder);
    bundle_of(&c, 1), bundle_of(&c, 0), bundle_of(&c, 2);
    assert_int_equal(judged(&c), DSDN_E_DIRECT);
    says("nonce 1 at height 101 index 0 is left out");

    take_selection(&c, 101);
    log_must(&c.log, dsdn_batch_builder_bundle(c.log.builder, queue.entries[3].bundle,
                                               queue.entries[3].len - DSDN_DIRECT_PREFIX, &c.log.error));
    assert_int_equal(judged(&c), DSDN_E_DIRECT);
    says("nonce 1 at height 101 index 3 is not one of those");

    take_selection(&c, 101);
    make_blob(&c, &c.keys[DAVE], 44, 0, 1);
    log_must(&c.log, dsdn_batch_builder_bundle(c.log.builder, blob + DSDN_DIRECT_PREFIX,
                                               blob_len - DSDN_DIRECT_PREFIX, &c.log.error));
    assert_int_equal(judged(&c), DSDN_E_DIRECT);
    says("the primary does not have the direct bundle of"), says("nonce 44");

    take_selection(&c, 101);
    c.log.next.cursor = (struct dsdn_cursor){101, 2};
    assert_int_equal(judged(&c), DSDN_E_CURSOR);
    says("at height 101 index 2; what this batch takes ends at 101 index 4294967295");
    close_world(&c);
}

/* ---- the fee ---- */

static uint64_t treasury(struct chain *c)
{
    const struct dsdn_state *s = chain_state(c);
    return dsdn_supply_at(s, dsdn_supply_find(s, (const uint8_t[1]){0}))->treasury;
}

static void apply_selection(struct chain *c, uint64_t height)
{
    take_selection(c, height);
    log_prepare(&c->log);
    log_must(&c->log, log_judge(&c->log));
    assert_int_equal(dsdn_direct_judge(&queue, &c->log.prepared, &selection, &error), 0);
    log_must(&c->log, dsdn_engine_apply(c->log.engine, &c->log.prepared, &c->log.error));
    log_begin(&c->log);
    assert_true(dsdn_supply_sound(chain_state(c)));
}

static void test_fee_is_charged(void **state)
{
    (void)state;
    struct chain c;
    open_world(&c);
    post(&c, 101, 0, DAVE, 1, 0, 1);
    post(&c, 101, 1, ALICE, 1, 0, 1);
    apply_selection(&c, 101);
    assert_int_equal(dsdn_chain_balance(chain_state(&c), key_bytes(&c, ALICE)), 4 * FEE);
    assert_int_equal(treasury(&c), FEE); /* the node pays nothing; the outcomes are all refusals */
    assert_int_not_equal(DSDN_OUTCOME_NUMBER(c.log.prepared.outcomes[1]), DSDN_OUTCOME_OK);

    /* Each is judged by itself, so that more can be owed than there is: what is there is taken. */
    for (uint32_t i = 0; i < 4; i++) post(&c, 102, i, ALICE, 2 + i, 0, 1);
    for (uint32_t i = 0; i < 4; i++) post(&c, 103, i, ALICE, 6 + i, 0, 1);
    apply_selection(&c, 103);
    assert_int_equal(selection.cnt, 8);
    assert_int_equal(dsdn_chain_balance(chain_state(&c), key_bytes(&c, ALICE)), 0);
    assert_int_equal(treasury(&c), 5 * FEE);
    post(&c, 104, 0, ALICE, 20, 0, 1);
    assert_string_equal(chosen(&c, 104), "-> 104.end");
    close_world(&c);
}

/* A bundle cannot spend what another one of its batch owes: fees come first. */
static void test_fees_come_before_events(void **state)
{
    (void)state;
    struct chain c;
    open_world(&c);
    struct dsdn_ev_transfer e = {.to = key_bytes(&c, BOB), .amount = {0, 5 * FEE}, .max_fee = {0, 0}};
    log_bundle(&c.log, DSDN_BUNDLE_DIRECT, &c.keys[ALICE], 1, 0);
    log_event(&c.log, dsdn_EVENT_transfer, 1, &e);
    log_end(&c.log);
    log_bundle(&c.log, DSDN_BUNDLE_DIRECT, &c.keys[ALICE], 2, 0);
    e.amount.units = 3 * FEE;
    log_event(&c.log, dsdn_EVENT_transfer, 1, &e);
    log_end(&c.log);
    c.height = 101;
    c.origin_ms = T0;
    chain_apply(&c);
    assert_int_equal(c.log.prepared.outcomes[0], NO(BALANCE_TOO_LOW));
    assert_int_equal(c.log.prepared.outcomes[1], OK);
    assert_int_equal(dsdn_chain_balance(chain_state(&c), key_bytes(&c, ALICE)), 0);
    assert_int_equal(treasury(&c), 2 * FEE);
    close_world(&c);
}

static void test_level_0_has_no_fees(void **state)
{
    (void)state;
    struct chain c;
    chain_open(&c, &(struct chain_options){.level = LEVEL_0, .primary = true});
    post(&c, 101, 0, CAROL, 1, 0, 1);
    assert_string_equal(chosen(&c, 101), "-> 101.end"); /* nobody there could pay */
    chain_close(&c);
    dsdn_direct_queue_free(&queue);
    chain_open(&c,
               &(struct chain_options){.level = LEVEL_0, .primary = true, .parameters = {{"direct_fee", 0}}});
    post(&c, 101, 0, CAROL, 1, 0, 1);
    assert_string_equal(chosen(&c, 101), "101.0 -> 101.end");
    close_world(&c);
}

/* ---- a backlog ---- */

static void arm(struct log *l, uint8_t clock, uint64_t due, uint64_t subject)
{
    log_event(
        l, probe_EVENT_armed, 1,
        &(struct probe_ev_armed){.clock = clock, .due = due, .kind = PROBE_KIND_TRACE, .subject = subject});
}

static void probe_at(struct log *l, uint64_t height, struct dsdn_cursor cursor)
{
    l->next.origin = (struct dsdn_origin){.height = height, .time_ms = height * 10};
    dsdn_tagged("test/header", &height, 8, l->next.origin.hash);
    l->next.time_ms = height * 10 > l->next.time_ms ? height * 10 : l->next.time_ms;
    l->next.cursor = cursor;
}

static uint32_t fired(const struct log *l)
{
    return log_state(l)->tables[probe_TABLE_trace].live_cnt;
}

/* More deadlines of class objection than one batch drains, all due between two heights.  They fire only where
 * the cursor reaches the end of the origin's height, and a backlog leaves the cursor alone; so the batch that
 * reaches the end drains what it can, and the next ones are the backlog. */
static void test_a_backlog_of_objections_drains(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_header h;
    log_open(&l, &(struct log_options){
                     .catalogue = &probe_catalogue, .primary = true, .parameters = {{"deadline_budget", 2}}});
    probe_at(&l, 200, (struct dsdn_cursor){200, DSDN_CURSOR_END});
    log_bundle(&l, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
    for (uint64_t i = 0; i < 5; i++) arm(&l, DSDN_CLOCK_OBJECTION, 3000, i);
    log_end(&l);
    log_apply(&l);

    struct dsdn_origin origin = {.height = 300, .time_ms = 3000};
    for (uint32_t drained = 2; drained <= 5; drained++) {
        assert_int_equal(dsdn_direct_select(l.engine, &queue, &origin, 3000, &selection, &error), 0);
        assert_int_equal(selection.backlog, drained == 4); /* three were left */
        assert_int_equal(selection.cursor.height, 300);
        assert_true(selection.cursor.blob_index == DSDN_CURSOR_END);
        probe_at(&l, 300, selection.cursor);
        if (selection.backlog) {
            log_bundle(&l, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
            arm(&l, DSDN_CLOCK_TIME, UINT64_MAX, 1);
            log_end(&l);
            h = l.next;
            log_expect(&l, DSDN_E_BACKLOG);
            l.next = h;
        }
        log_apply(&l);
        assert_int_equal(fired(&l), drained > 4 ? 5 : drained);
        if (drained < 5) drained++;
    }
    log_close(&l);

    /* Deadlines by time wait for no cursor: the selection is empty and the cursor stays. */
    log_open(&l, &(struct log_options){
                     .catalogue = &probe_catalogue, .primary = true, .parameters = {{"deadline_budget", 2}}});
    probe_at(&l, 200, (struct dsdn_cursor){200, DSDN_CURSOR_END});
    log_bundle(&l, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
    for (uint64_t i = 0; i < 3; i++) arm(&l, DSDN_CLOCK_TIME, 3000, i);
    log_end(&l);
    log_apply(&l);
    assert_int_equal(dsdn_direct_select(l.engine, &queue, &origin, 3000, &selection, &error), 0);
    assert_true(selection.backlog && selection.cnt == 0 && selection.cursor.height == 200);
    origin = (struct dsdn_origin){.height = 299, .time_ms = 2990};
    assert_int_equal(dsdn_direct_select(l.engine, &queue, &origin, 2999, &selection, &error), 0);
    assert_true(!selection.backlog && selection.cursor.height == 299);
    log_close(&l);
    dsdn_direct_selection_free(&selection);
}

/* Only a takeover can end a silence in which deadlines pile up: no backlog stops it. */
static void test_a_takeover_in_a_backlog(void **state)
{
    (void)state;
    struct chain c;
    struct dsdn_header h;
    chain_open(&c,
               &(struct chain_options){.level = 1, .primary = true, .parameters = {{"deadline_budget", 1}}});
    struct dsdn_state *s = chain_state(&c);
    assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_sys_TABLE_deadline], 2, &error), 0);
    for (uint8_t i = 0; i < 2; i++)
        dsdn_sys_deadline_insert(s, (const uint8_t[dsdn_sys_KEY_LEN_deadline]){DSDN_CLOCK_TIME, [12] = i});
    dsdn_state_settle(s);
    h = c.log.next;
    struct dsdn_ev_authority_replaced e = {.publisher = key_bytes(&c, BOB)};
    for (int takeover = 1; takeover >= 0; takeover--) {
        log_begin(&c.log);
        c.log.next = h;
        if (takeover) memset(c.log.next.publisher, 0, 32);
        log_bundle(&c.log, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
        if (takeover)
            log_event(&c.log, dsdn_EVENT_authority_replaced, 1, &e);
        else
            log_event(&c.log, dsdn_EVENT_checkpoint_declared, 1,
                      &(struct dsdn_ev_checkpoint_declared){.root = key_bytes(&c, BOB)});
        log_end(&c.log);
        log_prepare(&c.log);
        assert_int_equal(dsdn_engine_judge(c.log.engine, &c.log.prepared, &dsdn_certificate_verified, &error),
                         takeover ? 0 : DSDN_E_BACKLOG);
    }
    log_begin(&c.log); /* and it leaves da_cursor alone */
    c.log.next = h;
    memset(c.log.next.publisher, 0, 32);
    c.log.next.cursor = (struct dsdn_cursor){100, DSDN_CURSOR_END};
    log_bundle(&c.log, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
    log_event(&c.log, dsdn_EVENT_authority_replaced, 1, &e);
    log_end(&c.log);
    log_prepare(&c.log);
    assert_int_equal(dsdn_engine_judge(c.log.engine, &c.log.prepared, &dsdn_certificate_verified, &error),
                     DSDN_E_CURSOR);
    chain_close(&c);
}

/* Events of a version that is not in force yet are passed over, and taken from the height on that brings it.
 */
static void test_newer_events_wait(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_view batch;
    struct dsdn_sign_key author = key_of(9);
    log_open(&l, &(struct log_options){.catalogue = &probe_catalogue, .primary = true});
    probe_at(&l, 200, (struct dsdn_cursor){200, DSDN_CURSOR_END});
    log_bundle(&l, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
    log_event(&l, probe_EVENT_scheduled, 1,
              &(struct probe_ev_scheduled){.height = 300, .version = DSDN_PROTOCOL(1, 1, 0)});
    log_end(&l);
    log_apply(&l);
    log_bundle(&l, DSDN_BUNDLE_DIRECT, &author, 1, 0);
    log_event(&l, probe_EVENT_newer, 1, &(struct probe_ev_newer){.number = 1});
    log_end(&l);
    log_must(&l, dsdn_batch_builder_finish(l.builder, &l.next, NULL, &batch, &l.error));
    memcpy(blob, "DSDD", 4);
    memcpy(blob + 4, l.genesis.hash, 32);
    blob_len = DSDN_DIRECT_PREFIX + batch.len - DSDN_BATCH_FIXED_LEN;
    memcpy(blob + DSDN_DIRECT_PREFIX, batch.bytes + DSDN_BATCH_FIXED_LEN, blob_len - DSDN_DIRECT_PREFIX);
    assert_int_equal(dsdn_direct_queue_add(&queue, &probe_catalogue, l.genesis.hash, 250, 0, blob, blob_len,
                                           false, NULL, &error),
                     0);
    for (uint64_t height = 299; height <= 300; height++) {
        struct dsdn_origin origin = {.height = height, .time_ms = height * 10};
        assert_int_equal(dsdn_direct_select(l.engine, &queue, &origin, height * 10, &selection, &error), 0);
        assert_int_equal(selection.cnt, height == 300);
    }
    log_close(&l);
    dsdn_direct_queue_free(&queue);
    dsdn_direct_selection_free(&selection);
}

/* ---- against an oracle ---- */

/* Is entry i eligible, told by looking at all others?  As protocol.md, section 7, says it. */
static bool oracle_passes(const struct chain *c, const struct dsdn_direct *d, const uint64_t *used)
{
    int author = 0;
    while (memcmp(c->keys[author].public_key, d->author, 32) != 0) author++;
    uint64_t units = author == ALICE ? 5 * FEE
                     : author == BOB ? FEE - 1
                                     : 0,
             steps = (d->len + 16383) / 16384;
    if (d->len > 65536 || d->nonce > (used[author] ? 63 + 65536 : 65536)) return false;
    if (used[author] >> (d->nonce % 64) & 1 && d->nonce < 64) return false;
    if (d->valid_until && d->valid_until < T0) return false;
    return author == DAVE || units >= steps * FEE;
}

static void test_random_worlds(void **state)
{
    (void)state;
    uint64_t seed = 77;
    for (int world = 0; world < 150; world++) {
        struct chain c;
        uint64_t used[PEOPLE] = {0};
        open_world(&c);
        /* Nonces below 64 of two authors are used up, at random: highest 63. */
        struct dsdn_state *s = chain_state(&c);
        assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_sys_TABLE_nonce], 2, &error), 0);
        for (int author = ALICE; author <= DAVE; author += DAVE - ALICE) {
            used[author] = chain_random(&seed) | 1ull << 63;
            struct dsdn_sys_row_nonce *n =
                dsdn_sys_nonce_edit(s, dsdn_sys_nonce_insert(s, key_bytes(&c, author)));
            n->highest = 63;
            for (int bit = 0; bit < 64; bit++) n->window |= (used[author] >> (63 - bit) & 1) << bit;
        }
        uint64_t height = 101;
        uint32_t index = 0, cnt = 10 + (uint32_t)(chain_random(&seed) % 60);
        for (uint32_t i = 0; i < cnt; i++) {
            if (chain_random(&seed) % 8 == 0) height += 1 + chain_random(&seed) % 2, index = 0;
            index += 1 + (uint32_t)(chain_random(&seed) % 3);
            int author = ALICE + (int)(chain_random(&seed) % 4);
            if (chain_random(&seed) % 3) author = DAVE;
            uint64_t nonce = chain_random(&seed) % 24 + (chain_random(&seed) % 4 ? 40
                                                         : used[author]          ? 65580
                                                                                 : 65520);
            post(&c, height, index, author, nonce,
                 chain_random(&seed) % 4 ? 0 : T0 - 1 + chain_random(&seed) % 3,
                 chain_random(&seed) % 5 ? 1 : 900 + (uint32_t)(chain_random(&seed) % 400));
        }
        uint64_t origin = 101 + chain_random(&seed) % (height - 99);
        struct dsdn_cursor from = {101, (uint32_t)(chain_random(&seed) % 6)};
        if (chain_random(&seed) % 2) from = (struct dsdn_cursor){100, DSDN_CURSOR_END};
        dsdn_sys_head_edit(s, 0)->cursor_height = from.height;
        dsdn_sys_head_edit(s, 0)->cursor_index = from.blob_index;
        choose(&c, origin, T0);

        uint32_t at = 0;
        size_t bytes = 0;
        struct dsdn_cursor cursor = {origin, DSDN_CURSOR_END}, last = from;
        for (uint32_t i = 0; i < queue.cnt; i++) {
            const struct dsdn_direct *d = &queue.entries[i];
            bool behind = d->height > from.height || (d->height == from.height && d->index > from.blob_index);
            if (!behind || d->height > origin || !oracle_passes(&c, d, used)) continue;
            uint32_t before = 0;
            bool first = true;
            for (uint32_t k = 0; k <= i; k++) { /* firsts of their nonces, of this author at this height */
                const struct dsdn_direct *o = &queue.entries[k];
                bool o_behind =
                    o->height > from.height || (o->height == from.height && o->index > from.blob_index);
                if (!o_behind || memcmp(o->author, d->author, 32) != 0 || !oracle_passes(&c, o, used))
                    continue;
                if (k < i && o->nonce == d->nonce) first = false;
                bool o_first = true;
                for (uint32_t j = 0; j < k; j++) {
                    const struct dsdn_direct *q = &queue.entries[j];
                    bool q_behind =
                        q->height > from.height || (q->height == from.height && q->index > from.blob_index);
                    if (q_behind && memcmp(q->author, o->author, 32) == 0 && q->nonce == o->nonce &&
                        oracle_passes(&c, q, used))
                        o_first = false;
                }
                before += o_first && o->height == d->height;
            }
            if (!first || before > 4) continue;
            if (bytes + d->len > BUDGET) {
                cursor = last;
                break;
            }
            bytes += d->len;
            last = (struct dsdn_cursor){d->height, d->index};
            if (at >= selection.cnt || selection.blobs[at] != d)
                fail_msg("world %d: %llu.%u is not number %u of the selection", world,
                         (unsigned long long)d->height, d->index, at);
            at++;
        }
        assert_int_equal(at, selection.cnt);
        assert_int_equal(cursor.height, selection.cursor.height);
        assert_int_equal(cursor.blob_index, selection.cursor.blob_index);
        close_world(&c);
    }
}

/* ---- without memory ---- */

static void test_no_memory(void **state)
{
    (void)state;
    struct chain c;
    open_world(&c);
    bool more = true;
    for (unsigned n = 1; more; n++) {
        make_blob(&c, &c.keys[DAVE], 1, 0, 1);
        fail_nth(n);
        int rc = add(&c, 101, 1, true);
        more = !fail_nth(0);
        assert_int_equal(rc, more ? DSDN_E_NO_MEMORY : 0);
        assert_int_equal(queue.cnt, more ? 0 : 1);
        assert_true(n < 10);
    }
    for (uint32_t i = 0; i < 400; i++) post(&c, 102 + i / 4, i % 4, DAVE, 2 + i, 0, 1);
    struct dsdn_origin origin = {.height = 300, .time_ms = T0};
    more = true;
    for (unsigned n = 1; more; n++) {
        dsdn_direct_selection_free(&selection);
        fail_nth(n);
        int rc = dsdn_direct_select(c.log.engine, &queue, &origin, T0, &selection, &error);
        more = !fail_nth(0);
        assert_int_equal(rc, more ? DSDN_E_NO_MEMORY : 0);
        assert_true(n < 40);
    }
    assert_int_equal(selection.cnt, 401);
    close_world(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may),
        cmocka_unit_test(test_fee_is_by_size),
        cmocka_unit_test(test_first_of_a_nonce_and_four_a_height),
        cmocka_unit_test(test_budget_and_cursor),
        cmocka_unit_test(test_what_is_not_queued),
        cmocka_unit_test(test_a_flood),
        cmocka_unit_test(test_the_reason_names_the_bundle),
        cmocka_unit_test(test_fee_is_charged),
        cmocka_unit_test(test_fees_come_before_events),
        cmocka_unit_test(test_level_0_has_no_fees),
        cmocka_unit_test(test_a_backlog_of_objections_drains),
        cmocka_unit_test(test_a_takeover_in_a_backlog),
        cmocka_unit_test(test_newer_events_wait),
        cmocka_unit_test(test_random_worlds),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
