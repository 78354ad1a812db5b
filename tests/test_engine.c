/* The engine through its public interface, rule by rule of protocol.md, sections 4, 5, 10 and 11, on the
 * catalogue of probe.h.  What the engine hashes is computed again here with OpenSSL. */
#include "tests/engine_util.h"
#include "tests/probe.h"

#include "roles/dsdn.h"
#include "roles/neutral/neutral.h"
#include "statemachine/tree.h"

static const uint8_t *id_of(uint8_t number)
{
    static uint8_t ids[256][32];
    ids[number][0] = number;
    ids[number][31] = 1;
    return ids[number];
}

/* ---- events of the probe ---- */

static void mark_set(struct log *l, uint8_t id, uint64_t value)
{
    log_event(l, probe_EVENT_mark_set, 1, &(struct probe_ev_mark_set){id_of(id), value});
}

static void mark_claimed(struct log *l, uint8_t id, uint64_t value)
{
    log_event(l, probe_EVENT_mark_claimed, 2, &(struct probe_ev_mark_claimed){id_of(id), value});
}

static void arm(struct log *l, uint8_t clock, uint64_t due, uint16_t kind, uint64_t subject)
{
    log_event(l, probe_EVENT_armed, 1, &(struct probe_ev_armed){clock, due, kind, subject});
}

static void schedule(struct log *l, uint64_t height, uint64_t version)
{
    log_event(l, probe_EVENT_scheduled, 1, &(struct probe_ev_scheduled){height, version});
}

static void tune(struct log *l, uint64_t height, uint32_t order, const char *name, int64_t value)
{
    struct dsdn_view view = {(const uint8_t *)name, strlen(name)};
    log_event(l, probe_EVENT_tuned, 1, &(struct probe_ev_tuned){height, order, view, value});
}

static void authority(struct log *l)
{
    log_bundle(l, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
}

/* One bundle of one claim. */
static void claim(struct log *l, uint8_t kind, const struct dsdn_sign_key *author, uint64_t nonce,
                  uint64_t valid_until, uint64_t value)
{
    log_bundle(l, kind, author, nonce, valid_until);
    mark_claimed(l, (uint8_t)value, value);
    log_end(l);
}

static const struct probe_row_trace *trace(const struct log *l, uint32_t place)
{
    uint8_t key[4];
    dsdn_store32(key, __builtin_bswap32(place));
    uint32_t row = probe_trace_find(log_state(l), key);
    assert_int_not_equal(row, DSDN_NO_ROW);
    return probe_trace_at(log_state(l), row);
}

static uint32_t trace_count(const struct log *l)
{
    return log_state(l)->tables[probe_TABLE_trace].live_cnt;
}

static const struct log_options plain = {.catalogue = &probe_catalogue};
static const struct log_options primary = {.catalogue = &probe_catalogue, .primary = true};

/* ---- judging ---- */

static void test_chain(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &plain);
    log_expect(&l, DSDN_OK);
    l.next.genesis[31] ^= 1;
    log_expect(&l, DSDN_E_WRONG_GENESIS);
    l.next.sequence = 1;
    log_expect(&l, DSDN_E_CHAIN);
    l.next.prev[0] ^= 1;
    log_expect(&l, DSDN_E_CHAIN);
    log_apply(&l);
    assert_int_equal(l.next.sequence, 1);
    assert_memory_equal(l.next.prev, l.prepared.batch.hash, 32);
    l.next.sequence = 0;
    log_expect(&l, DSDN_E_CHAIN);
    l.next.sequence = 2;
    log_expect(&l, DSDN_E_CHAIN);
    memcpy(l.next.prev, l.genesis.hash, 32);
    log_expect(&l, DSDN_E_CHAIN);
    log_expect(&l, DSDN_OK);
    log_close(&l);
}

static void test_authority(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &plain);
    l.next.publisher[3] ^= 1;
    log_expect(&l, DSDN_E_AUTHORITY);
    l.next.committee_epoch = 1;
    log_expect(&l, DSDN_E_AUTHORITY);
    log_expect(&l, DSDN_OK);
    log_close(&l);
}

static const uint8_t heir_root[32] = {1};

static void replace_authority(struct log *l, const uint8_t publisher[32])
{
    static const struct dsdn_ev_authority_replaced none;
    struct dsdn_ev_authority_replaced e = none;
    e.publisher = publisher;
    authority(l);
    log_event(l, dsdn_EVENT_authority_replaced, 1, &e);
    log_end(l);
}

/* Prepares a takeover batch and judges it with a certificate of the first `signers` members. */
static int judge_takeover_of(struct log *l, uint32_t set, unsigned signers, const uint8_t *batch_hash)
{
    uint8_t message[32], signatures[MEMBERS_MAX][64], bytes[1024];
    const uint8_t *list[MEMBERS_MAX] = {NULL};
    struct dsdn_certificate certificate;
    memset(l->next.publisher, 0, 32);
    log_prepare(l);
    dsdn_certificate_message(l->genesis.hash, set, l->next.sequence,
                             batch_hash ? batch_hash : l->prepared.batch.hash, message);
    for (unsigned i = 0; i < signers; i++) {
        dsdn_sign(&l->members[i], message, signatures[i]);
        list[i] = signatures[i];
    }
    size_t len = dsdn_certificate_encode(set, list, l->member_cnt, bytes, sizeof bytes);
    log_must(l, dsdn_certificate_decode(bytes, len, &certificate, &l->error));
    return dsdn_engine_judge(l->engine, &l->prepared, &certificate, &l->error);
}

/* The same by set 0, the quorum of the genesis. */
static int judge_takeover(struct log *l, unsigned signers, const uint8_t *batch_hash)
{
    return judge_takeover_of(l, 0, signers, batch_hash);
}

static void test_takeover(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_sign_key heir = key_of(77);
    log_open(&l, &(struct log_options){.catalogue = &dsdn_catalogue, .members = 4});
    replace_authority(&l, heir.public_key);
    memset(l.next.publisher, 0, 32);
    log_expect(&l, DSDN_E_AUTHORITY); /* no certificate */

    replace_authority(&l, heir.public_key);
    assert_int_equal(judge_takeover(&l, 2, NULL), DSDN_E_SIGNATURE); /* 3 of 4 are needed */
    log_begin(&l);
    replace_authority(&l, heir.public_key);
    assert_int_equal(judge_takeover(&l, 4, l.genesis.hash), DSDN_E_SIGNATURE); /* of another batch */
    log_begin(&l);
    replace_authority(&l, heir.public_key);
    assert_int_equal(judge_takeover_of(&l, 1, 4, NULL), DSDN_E_AUTHORITY); /* signed as another set */
    log_begin(&l);
    replace_authority(&l, heir.public_key);
    l.next.committee_epoch++;
    assert_int_equal(judge_takeover(&l, 4, NULL), DSDN_E_AUTHORITY); /* of another epoch */
    log_begin(&l);
    assert_int_equal(judge_takeover(&l, 4, NULL), DSDN_E_AUTHORITY); /* empty */
    log_begin(&l);
    replace_authority(&l, heir.public_key);
    replace_authority(&l, heir.public_key);
    assert_int_equal(judge_takeover(&l, 4, NULL), DSDN_E_AUTHORITY); /* two bundles */
    log_begin(&l);
    log_bundle(&l, DSDN_BUNDLE_POOL, &heir, 0, 0);
    log_event(&l, dsdn_EVENT_authority_replaced, 1,
              &(struct dsdn_ev_authority_replaced){.publisher = heir.public_key});
    log_end(&l);
    assert_int_equal(judge_takeover(&l, 4, NULL), DSDN_E_AUTHORITY); /* not the authority's bundle */
    log_begin(&l);

    static const struct dsdn_ev_checkpoint_declared other = {.sequence = 0, .root = heir_root};
    authority(&l);
    log_event(&l, dsdn_EVENT_checkpoint_declared, 1, &other);
    log_end(&l);
    assert_int_equal(judge_takeover(&l, 4, NULL), DSDN_E_AUTHORITY); /* another event */
    log_begin(&l);
    replace_authority(&l, heir.public_key);
    log_expect(&l, DSDN_E_AUTHORITY); /* by the authority itself: only a quorum may */

    replace_authority(&l, heir.public_key);
    log_must(&l, judge_takeover(&l, 3, NULL));
    log_must(&l, dsdn_engine_apply(l.engine, &l.prepared, &l.error));
    assert_memory_equal(dsdn_head(log_state(&l))->authority, heir.public_key, 32);
    log_begin(&l);
    memcpy(l.next.publisher, l.authority.public_key, 32);
    log_expect(&l, DSDN_E_AUTHORITY); /* the old one lost its right */
    log_expect(&l, DSDN_OK);
    log_close(&l);
}

/* How many must sign is what the head says of the present set. */
static void test_takeover_percentages(void **state)
{
    (void)state;
    static const struct {
        uint8_t percent;
        unsigned needed; /* of 4; 5: no number is enough */
    } cases[] = {{67, 3}, {75, 3}, {76, 4}, {100, 4}, {0, 5}};
    struct log l;
    struct dsdn_sign_key heir = key_of(77);
    log_open(&l, &(struct log_options){.catalogue = &dsdn_catalogue, .members = 4});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned signers = 1; signers <= 4; signers++) {
            dsdn_sys_head_edit(dsdn_engine_state_for_restore(l.engine), 0)->quorum_pct = cases[i].percent;
            replace_authority(&l, heir.public_key);
            assert_int_equal(judge_takeover(&l, signers, NULL),
                             signers >= cases[i].needed ? DSDN_OK : DSDN_E_SIGNATURE);
            log_begin(&l);
        }
    log_close(&l);
}

/* Anybody's bundle may hold AuthorityReplaced: it is refused as an event, and asks for no memory.  Were the batch invalid,
 * one direct bundle, which batches must include, would halt the log. */
static void test_takeover_event_in_a_strangers_bundle(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_sign_key stranger = key_of(78);
    log_open(&l, &(struct log_options){.catalogue = &dsdn_catalogue});
    log_bundle(&l, DSDN_BUNDLE_POOL, &stranger, 1, 0);
    log_event(&l, dsdn_EVENT_authority_replaced, 1,
              &(struct dsdn_ev_authority_replaced){.publisher = stranger.public_key});
    log_end(&l);
    log_apply(&l);
    assert_int_equal(l.prepared.outcomes[0], DSDN_OUTCOME_NOT_AUTHORISED);
    assert_int_equal(l.prepared.reserve[dsdn_sys_TABLE_committee_member], 0);
    assert_memory_equal(dsdn_head(log_state(&l))->authority, l.authority.public_key, 32);
    log_close(&l);
}

static void test_time_without_primary(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &plain);
    assert_int_equal(l.next.time_ms, 1000);
    l.next.time_ms = 999;
    log_expect(&l, DSDN_E_TIME);
    l.next.origin.height = 1;
    log_expect(&l, DSDN_E_TIME);
    l.next.origin.time_ms = 1;
    log_expect(&l, DSDN_E_TIME);
    l.next.origin.hash[31] = 1;
    log_expect(&l, DSDN_E_TIME);
    l.next.cursor.height = 1;
    log_expect(&l, DSDN_E_TIME);
    l.next.cursor.blob_index = 1;
    log_expect(&l, DSDN_E_TIME);
    l.next.time_ms = 5000;
    log_apply(&l);
    l.next.time_ms = 4999;
    log_expect(&l, DSDN_E_TIME);
    log_apply(&l); /* the same millisecond */
    log_close(&l);
}

/* A batch at a height of the primary, read to its end. */
static void at_height(struct log *l, uint64_t height)
{
    l->next.origin = (struct dsdn_origin){height, height * 10, {(uint8_t)height, 7}};
    l->next.time_ms = height * 10 + 3;
    l->next.cursor = (struct dsdn_cursor){height, DSDN_CURSOR_END};
}

static void test_time_with_primary(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &primary);
    at_height(&l, 99); /* before da_start */
    l.next.time_ms = 2000;
    log_expect(&l, DSDN_E_TIME);
    at_height(&l, 100); /* da_start: the genesis says its hash, zero here */
    log_expect(&l, DSDN_E_TIME);
    at_height(&l, 100);
    memset(l.next.origin.hash, 0, 32);
    log_expect(&l, DSDN_OK);
    at_height(&l, 200);
    l.next.cursor.blob_index = 5;
    log_apply(&l);

    at_height(&l, 199);
    l.next.time_ms = 2003;
    log_expect(&l, DSDN_E_TIME);
    l.next.origin.hash[0] ^= 1; /* another header of the same height */
    log_expect(&l, DSDN_E_TIME);
    l.next.origin.time_ms--;
    log_expect(&l, DSDN_E_TIME);
    l.next.time_ms--;
    log_expect(&l, DSDN_E_TIME);
    at_height(&l, 300);
    l.next.time_ms = 2999; /* older than its origin */
    log_expect(&l, DSDN_E_TIME);
    at_height(&l, 300);
    l.next.cursor.height = 301;
    log_expect(&l, DSDN_E_CURSOR);
    l.next.cursor.blob_index = 4;
    log_expect(&l, DSDN_E_CURSOR);
    l.next.cursor.height = 199;
    l.next.cursor.blob_index = DSDN_CURSOR_END;
    log_expect(&l, DSDN_E_CURSOR);
    log_expect(&l, DSDN_OK); /* nothing moved */
    l.next.cursor.blob_index = 6;
    log_expect(&l, DSDN_OK);
    at_height(&l, 201);
    l.next.cursor = (struct dsdn_cursor){201, 0};
    log_expect(&l, DSDN_OK);
    log_close(&l);
}

static void test_direct_bundles(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_sign_key author = key_of(1);
    log_open(&l, &plain);
    claim(&l, DSDN_BUNDLE_DIRECT, &author, 0, 0, 1);
    log_expect(&l, DSDN_E_CURSOR); /* no primary, no direct bundles */
    claim(&l, DSDN_BUNDLE_POOL, &author, 0, 0, 1);
    log_expect(&l, DSDN_OK);
    log_close(&l);

    log_open(&l, &primary);
    claim(&l, DSDN_BUNDLE_DIRECT, &author, 0, 0, 1);
    claim(&l, DSDN_BUNDLE_POOL, &author, 1, 0, 2);
    log_expect(&l, DSDN_OK);
    claim(&l, DSDN_BUNDLE_POOL, &author, 1, 0, 2);
    claim(&l, DSDN_BUNDLE_DIRECT, &author, 0, 0, 1);
    log_expect(&l, DSDN_E_CURSOR);
    claim(&l, DSDN_BUNDLE_DIRECT, &author, 0, 0, 1);
    authority(&l);
    mark_set(&l, 1, 1);
    log_end(&l);
    claim(&l, DSDN_BUNDLE_DIRECT, &author, 1, 0, 2);
    log_prepare(&l);
    assert_int_equal(log_judge(&l), DSDN_E_CURSOR);
    assert_int_equal(l.error.bundle, 2);
    log_close(&l);
}

/* A bundle of two events, the second one raw. */
static void expect_disabled(struct log *l, uint16_t type, uint8_t version)
{
    authority(l);
    mark_set(l, 1, 1);
    log_end(l);
    authority(l);
    mark_set(l, 1, 2);
    log_event_raw(l, type, version, "\1", 1);
    log_end(l);
    log_expect(l, DSDN_E_TYPE_DISABLED);
    assert_int_equal(l->error.bundle, 1);
    assert_int_equal(l->error.event, 1);
}

static void test_types(void **state)
{
    (void)state;
    static const uint8_t claim_v3[40];
    struct log l;
    log_open(&l, &plain);
    expect_disabled(&l, 0x1E3F, 1);
    expect_disabled(&l, 0xFFFF, 1);
    expect_disabled(&l, 0x1E02, 0);
    expect_disabled(&l, 0x1E02, 3);
    expect_disabled(&l, 0x1E08, 1); /* known to the program, not enabled by the state */
    log_bundle(&l, DSDN_BUNDLE_POOL, &l.authority, 0, 0);
    log_event_raw(&l, 0x1E02, 1, claim_v3, 32); /* old versions stay */
    log_end(&l);
    log_expect(&l, DSDN_OK);
    log_close(&l);
}

static void test_upgrade(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &plain);
    authority(&l);
    schedule(&l, 3, DSDN_PROTOCOL(2, 0, 0));
    schedule(&l, 2, DSDN_PROTOCOL(1, 1, 0));
    log_end(&l);
    log_apply(&l);
    assert_int_equal(dsdn_head(log_state(&l))->version, DSDN_PROTOCOL(1, 0, 0));
    authority(&l);
    log_event_raw(&l, 0x1E08, 1, "\x09", 1);
    log_end(&l);
    log_expect(&l, DSDN_E_TYPE_DISABLED);
    log_apply(&l);

    /* Sequence 2 activates 1.1.0 before its own events. */
    authority(&l);
    log_event_raw(&l, 0x1E08, 1, "\x09", 1);
    log_end(&l);
    log_apply(&l);
    assert_int_equal(dsdn_head(log_state(&l))->version, DSDN_PROTOCOL(1, 1, 0));
    assert_int_equal(trace(&l, 0)->version, DSDN_PROTOCOL(1, 1, 0));
    assert_int_equal(log_state(&l)->tables[dsdn_sys_TABLE_upgrade].live_cnt, 1);
    log_expect(&l, DSDN_E_UPGRADE_REQUIRED); /* 2.0.0 is newer than this program: it halts before */
    log_close(&l);

    log_open(&l, &primary);
    authority(&l);
    schedule(&l, 150, DSDN_PROTOCOL(1, 1, 0));
    log_end(&l);
    at_height(&l, 149);
    log_apply(&l);
    authority(&l);
    log_event_raw(&l, 0x1E08, 1, "\x09", 1);
    log_end(&l);
    log_expect(&l, DSDN_E_TYPE_DISABLED); /* still 149; the sequence counts nothing here */
    authority(&l);
    log_event_raw(&l, 0x1E08, 1, "\x09", 1);
    log_end(&l);
    at_height(&l, 151);
    log_apply(&l);
    log_close(&l);
}

static void test_batch_max(void **state)
{
    (void)state;
    static uint8_t meta[65535];
    struct log l;
    enum { LEAST = 1114112 };
    for (int over = 0; over < 2; over++) {
        log_open(
            &l, &(struct log_options){.catalogue = &neutral_catalogue, .parameters = {{"batch_max", LEAST}}});
        authority(&l);
        size_t left = LEAST + (size_t)over - DSDN_BATCH_FIXED_LEN - dsdn_batch_builder_size(l.builder);
        while (left) {
            /* Type and version, length of 3 bytes, fields, length of 3 bytes. */
            size_t fixed = 3 + 3 + 8 + 32 + 32 + 8 + 2 + 3;
            size_t len = left > 2 * fixed + 60000 + 16384 ? 60000
                         : left > fixed + 65535           ? 32768
                                                          : left - fixed;
            struct neutral_ev_chunk_declared e = {
                .chunk = id_of(1), .uploader = id_of(2), .meta = {meta, len}};
            size_t before = dsdn_batch_builder_size(l.builder);
            log_event(&l, neutral_EVENT_chunk_declared, 1, &e);
            left -= dsdn_batch_builder_size(l.builder) - before;
        }
        log_end(&l);
        log_expect(&l, over ? DSDN_E_TOO_LARGE : DSDN_OK);
        log_close(&l);
    }
}

static void test_backlog(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &(struct log_options){
                     .catalogue = &probe_catalogue, .primary = true, .parameters = {{"deadline_budget", 3}}});
    at_height(&l, 200);
    authority(&l);
    for (uint64_t i = 0; i < 7; i++) arm(&l, DSDN_CLOCK_TIME, 3000, PROBE_KIND_TRACE, i);
    log_end(&l);
    log_apply(&l);
    at_height(&l, 299);
    authority(&l);
    mark_set(&l, 1, 1);
    log_end(&l);
    log_expect(&l, DSDN_OK); /* 2993 ms: nothing is due */

    at_height(&l, 300);
    authority(&l);
    mark_set(&l, 1, 1);
    log_end(&l);
    log_expect(&l, DSDN_E_BACKLOG);
    at_height(&l, 300);
    log_expect(&l, DSDN_E_BACKLOG); /* the cursor moves */
    at_height(&l, 300);
    l.next.cursor = (struct dsdn_cursor){200, DSDN_CURSOR_END};
    log_apply(&l);
    assert_int_equal(trace_count(&l), 3);
    authority(&l);
    mark_set(&l, 1, 1);
    log_end(&l);
    log_expect(&l, DSDN_E_BACKLOG); /* four are left */
    log_apply(&l);
    assert_int_equal(trace_count(&l), 6);
    authority(&l);
    mark_set(&l, 1, 1);
    log_end(&l);
    l.next.cursor.height = 300;
    log_apply(&l); /* one is left: that is within the budget */
    assert_int_equal(trace_count(&l), 8);
    assert_int_equal(trace(&l, 6)->subject, 6);
    assert_int_equal(trace(&l, 7)->what, 0);
    log_close(&l);
}

/* ---- outcomes of bundles ---- */

/* The outcome of a claim in a batch of its own. */
static uint8_t try_nonce(struct log *l, const struct dsdn_sign_key *author, uint64_t nonce,
                         uint64_t valid_until)
{
    static uint64_t value = 100;
    claim(l, DSDN_BUNDLE_POOL, author, nonce, valid_until, ++value == PROBE_CODE_THIRTEEN ? ++value : value);
    log_apply(l);
    return DSDN_OUTCOME_NUMBER(l->prepared.outcomes[0]);
}

static void test_nonce_edges(void **state)
{
    (void)state;
    enum { FAR = 65536 };
    static const struct {
        uint64_t nonce;
        uint8_t outcome;
    } cases[] = {
        {0, DSDN_OUTCOME_OK},
        {0, DSDN_OUTCOME_DUPLICATE},
        {1, DSDN_OUTCOME_OK},
        {0, DSDN_OUTCOME_DUPLICATE},
        {63, DSDN_OUTCOME_OK},
        {0, DSDN_OUTCOME_DUPLICATE}, /* 63 behind: the last bit of the window */
        {2, DSDN_OUTCOME_OK},
        {64, DSDN_OUTCOME_OK},
        {0, DSDN_OUTCOME_STALE}, /* 64 behind */
        {1, DSDN_OUTCOME_DUPLICATE},
        {64, DSDN_OUTCOME_DUPLICATE},
        {62, DSDN_OUTCOME_OK},
        {64 + FAR + 1, DSDN_OUTCOME_LIMIT},
        {UINT64_MAX, DSDN_OUTCOME_LIMIT},
        {64 + FAR, DSDN_OUTCOME_OK}, /* shifts the whole window out */
        {64, DSDN_OUTCOME_STALE},
        {64 + FAR - 64, DSDN_OUTCOME_STALE},
        {64 + FAR - 63, DSDN_OUTCOME_OK},
        {64 + FAR - 63, DSDN_OUTCOME_DUPLICATE},
        {64 + FAR - 1, DSDN_OUTCOME_OK},
        {64 + FAR + 63, DSDN_OUTCOME_OK}, /* keeps one bit: the highest so far */
        {64 + FAR, DSDN_OUTCOME_DUPLICATE},
        {64 + FAR - 1, DSDN_OUTCOME_STALE},
        {64 + FAR + 1, DSDN_OUTCOME_OK},
    };
    struct log l;
    struct dsdn_sign_key author = key_of(1), near = key_of(2), far = key_of(3);
    log_open(&l, &plain);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (try_nonce(&l, &author, cases[i].nonce, 0) != cases[i].outcome)
            fail_msg("case %zu, nonce %llu", i, (unsigned long long)cases[i].nonce);
    assert_int_equal(try_nonce(&l, &near, FAR, 0), DSDN_OUTCOME_OK); /* a new author's window begins at 0 */
    assert_int_equal(try_nonce(&l, &far, FAR + 1, 0), DSDN_OUTCOME_LIMIT);
    uint32_t row = dsdn_sys_nonce_find(log_state(&l), near.public_key);
    assert_int_equal(dsdn_sys_nonce_at(log_state(&l), row)->window, 1);
    assert_int_equal(dsdn_sys_nonce_find(log_state(&l), far.public_key), DSDN_NO_ROW);
    log_close(&l);
}

/* Random nonces against a list of those that were accepted. */
static void test_nonce_model(void **state)
{
    (void)state;
    enum { TRIES = 600 };
    uint64_t accepted[TRIES], highest = 0;
    size_t cnt = 0, outcomes[DSDN_OUTCOME_CNT] = {0};
    struct log l;
    struct dsdn_sign_key author = key_of(1);
    uint64_t random = 88172645463325252u;
    log_open(&l, &plain);
    for (int i = 0; i < TRIES; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        uint64_t span = random % 50 ? 80 : 70000, nonce = highest + (random >> 8) % span;
        nonce -= nonce > span / 2 ? span / 2 : nonce;
        bool seen = false;
        for (size_t k = 0; k < cnt; k++) seen |= accepted[k] == nonce;
        uint8_t expected = nonce > highest ? (nonce - highest > 65536 ? DSDN_OUTCOME_LIMIT : DSDN_OUTCOME_OK)
                           : highest - nonce >= 64 ? DSDN_OUTCOME_STALE
                           : seen                  ? DSDN_OUTCOME_DUPLICATE
                                                   : DSDN_OUTCOME_OK;
        assert_int_equal(try_nonce(&l, &author, nonce, 0), expected);
        outcomes[expected]++;
        if (expected) continue;
        accepted[cnt++] = nonce;
        if (nonce > highest) highest = nonce;
    }
    assert_true(outcomes[DSDN_OUTCOME_OK] && outcomes[DSDN_OUTCOME_STALE] &&
                outcomes[DSDN_OUTCOME_DUPLICATE]);
    log_close(&l);
}

static void test_expiry(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_sign_key author = key_of(1);
    log_open(&l, &plain);
    l.next.time_ms = 5000;
    assert_int_equal(try_nonce(&l, &author, 0, 5000), DSDN_OUTCOME_OK);
    assert_int_equal(try_nonce(&l, &author, 1, 4999), DSDN_OUTCOME_EXPIRED);
    assert_int_equal(try_nonce(&l, &author, 1, 5001), DSDN_OUTCOME_OK); /* the nonce stayed unused */
    assert_int_equal(try_nonce(&l, &author, 1, 4999), DSDN_OUTCOME_DUPLICATE);
    assert_int_equal(try_nonce(&l, &author, 2, 0), DSDN_OUTCOME_OK);
    log_close(&l);
}

static void test_author_class(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_sign_key author = key_of(1);
    for (uint8_t kind = DSDN_BUNDLE_AUTHORITY; kind <= DSDN_BUNDLE_DIRECT; kind++) {
        bool own = kind == DSDN_BUNDLE_AUTHORITY;
        log_open(&l, &primary);
        log_bundle(&l, kind, own ? NULL : &author, own ? 0 : 7, 0);
        mark_set(&l, 1, 1);
        mark_claimed(&l, 2, 2);
        log_event(&l, probe_EVENT_mark_erased, 1, &(struct probe_ev_mark_erased){id_of(own ? 1 : 2)});
        log_end(&l);
        log_apply(&l);
        const dsdn_outcome *got = l.prepared.outcomes;
        assert_int_equal(got[0], own ? DSDN_OUTCOME_OK : DSDN_OUTCOME_NOT_AUTHORISED);
        assert_int_equal(got[1], own ? DSDN_OUTCOME_NOT_AUTHORISED : DSDN_OUTCOME_OK);
        assert_int_equal(got[2], DSDN_OUTCOME_OK);
        assert_int_equal(log_state(&l)->tables[probe_TABLE_mark].live_cnt, 0);
        assert_int_equal(log_state(&l)->tables[dsdn_sys_TABLE_nonce].live_cnt, !own);
        log_close(&l);
    }
}

/* The author of a row, and the ordinal, are the event's. */
static void test_context(void **state)
{
    (void)state;
    static const uint8_t nobody[32];
    struct log l;
    struct dsdn_sign_key author = key_of(1);
    log_open(&l, &plain);
    authority(&l);
    mark_set(&l, 1, 1);
    mark_set(&l, 1, 13);
    log_end(&l);
    claim(&l, DSDN_BUNDLE_POOL, &author, 0, 0, 2);
    log_bundle(&l, DSDN_BUNDLE_POOL, &author, 1, 0);
    log_event(&l, probe_EVENT_mark_claimed, 1,
              &(struct probe_ev_mark_claimed){id_of(3), 99}); /* v1: no value */
    log_end(&l);
    l.next.time_ms = 1234;
    log_apply(&l);
    const struct dsdn_state *s = log_state(&l);
    const struct probe_row_mark *first = probe_mark_at(s, probe_mark_find(s, id_of(1)));
    const struct probe_row_mark *second = probe_mark_at(s, probe_mark_find(s, id_of(2)));
    const struct probe_row_mark *third = probe_mark_at(s, probe_mark_find(s, id_of(3)));
    assert_memory_equal(first->author, nobody, 32);
    assert_memory_equal(second->author, author.public_key, 32);
    assert_int_equal(first->value, 1);
    assert_int_equal(first->ordinal, 0);
    assert_int_equal(second->ordinal, 2);
    assert_int_equal(third->ordinal, 3);
    assert_int_equal(third->value, 0);
    assert_int_equal(trace(&l, 2)->time_ms, 1234);
    assert_int_equal(dsdn_head(s)->event_count, 4);
    assert_int_equal(dsdn_engine_applied(l.engine), 3);
    log_close(&l);
}

/* ---- hashes ---- */

/* T = H("dsdn/outcomes/1", T_prev || batch_hash || {ordinal u64, outcome u8, code u16} of every event that is
 * not OK). */
static void test_transcript(void **state)
{
    (void)state;
    uint8_t expected[32], got[32], prev[32];
    struct log l;
    struct dsdn_sign_key author = key_of(1);
    log_open(&l, &plain);
    memcpy(prev, l.genesis.hash, 32);
    assert_memory_equal(dsdn_head(log_state(&l))->transcript, prev, 32);
    for (uint64_t batch = 0; batch < 3; batch++) {
        uint64_t base = dsdn_head(log_state(&l))->event_count;
        if (batch < 2) {
            authority(&l);
            mark_set(&l, 1, batch + 1); /* OK */
            mark_set(&l, 1, batch + 1); /* NO_EFFECT */
            mark_set(&l, 2, 13);        /* PRECONDITION 13 */
            mark_claimed(&l, 3, 3);     /* NOT_AUTHORISED */
            log_end(&l);
            claim(&l, DSDN_BUNDLE_POOL, &author, 5, 0, 40 + batch); /* OK, then DUPLICATE */
        }
        log_apply(&l);
        struct evp h = evp_tagged("dsdn/outcomes/1");
        evp_put(&h, prev, 32);
        evp_put(&h, l.prepared.batch.hash, 32);
        if (batch < 2) {
            evp_number(&h, base + 1, 8), evp_number(&h, DSDN_OUTCOME_NO_EFFECT, 1), evp_number(&h, 0, 2);
            evp_number(&h, base + 2, 8), evp_number(&h, DSDN_OUTCOME_PRECONDITION, 1), evp_number(&h, 13, 2);
            evp_number(&h, base + 3, 8), evp_number(&h, DSDN_OUTCOME_NOT_AUTHORISED, 1), evp_number(&h, 0, 2);
        }
        if (batch == 1)
            evp_number(&h, base + 4, 8), evp_number(&h, DSDN_OUTCOME_DUPLICATE, 1), evp_number(&h, 0, 2);
        evp_end(&h, expected);
        memcpy(got, dsdn_head(log_state(&l))->transcript, 32);
        assert_memory_equal(got, expected, 32);
        memcpy(prev, got, 32);
    }
    /* And the counters of outcomes. */
    static const struct {
        uint8_t key[3];
        uint64_t count;
    } counts[] = {{{DSDN_OUTCOME_OK, 0, 0}, 3},
                  {{DSDN_OUTCOME_NO_EFFECT, 0, 0}, 2},
                  {{DSDN_OUTCOME_PRECONDITION, 0, 13}, 2},
                  {{DSDN_OUTCOME_NOT_AUTHORISED, 0, 0}, 2},
                  {{DSDN_OUTCOME_DUPLICATE, 0, 0}, 1}};
    const struct dsdn_state *s = log_state(&l);
    assert_int_equal(s->tables[dsdn_sys_TABLE_outcome_count].live_cnt, sizeof counts / sizeof *counts);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint32_t row = dsdn_sys_outcome_count_find(s, counts[i].key);
        assert_int_not_equal(row, DSDN_NO_ROW);
        assert_int_equal(dsdn_sys_outcome_count_at(s, row)->count, counts[i].count);
    }
    log_close(&l);
}

static void test_event_ids(void **state)
{
    (void)state;
    uint8_t sum[32] = {0}, id[32], got[32], message[32];
    struct log l;
    struct dsdn_sign_key author = key_of(1);
    log_open(&l, &plain);
    claim(&l, DSDN_BUNDLE_POOL, &author, 3, 4444, 1);
    authority(&l);
    for (uint8_t i = 0; i < 70; i++) mark_set(&l, i, 1);
    log_end(&l);
    log_bundle(&l, DSDN_BUNDLE_POOL, &author, 4, 0);
    for (uint8_t i = 0; i < 3; i++) mark_claimed(&l, i, 2);
    log_end(&l);
    log_prepare(&l);
    struct dsdn_prepared *p = &l.prepared;
    log_must(&l, dsdn_prepare_hashes(&p, 1, DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS, &l.error));
    log_must(&l, dsdn_prepare_signatures(p, true, 0, p->bundle_cnt, NULL, &l.error));
    uint32_t op = 0;
    for (uint32_t b = 0; b < p->bundle_cnt; b++) {
        const struct dsdn_bundle *bundle = &p->bundles[b].bundle;
        struct evp h = evp_tagged("dsdn/bundle/1");
        evp_put(&h, l.genesis.hash, 32);
        evp_number(&h, 1, 1);
        evp_put(&h, bundle->author, 32);
        evp_number(&h, bundle->nonce, 8);
        evp_number(&h, bundle->valid_until, 8);
        evp_number(&h, bundle->event_count, 2);
        evp_number(&h, bundle->events_len, 4);
        evp_put(&h, bundle->events, bundle->events_len);
        evp_end(&h, message);
        for (uint32_t i = 0; i < bundle->event_count; i++, op++) {
            uint32_t at_bundle, at_index;
            h = evp_tagged("dsdn/evid/1");
            evp_put(&h, b == 1 ? p->batch.hash : message, 32);
            if (b == 1) evp_number(&h, b, 4);
            evp_number(&h, i, 4);
            evp_end(&h, id);
            dsdn_prepared_event_id(p, op, got);
            assert_memory_equal(got, id, 32);
            dsdn_prepared_position(p, op, &at_bundle, &at_index);
            assert_int_equal(at_bundle, b);
            assert_int_equal(at_index, i);
            for (int k = 0; k < 32; k++) sum[k] ^= id[k];
        }
    }
    assert_int_equal(op, p->op_cnt);
    assert_memory_equal(p->event_id_sum, sum, 32);

    /* A bit inside the first payload: canonical still, but not what was signed. */
    l.batch[DSDN_BATCH_FIXED_LEN + DSDN_BUNDLE_LEN + 10] ^= 1;
    log_must(&l, dsdn_prepare(p, l.catalogue, dsdn_engine_seed(l.engine), l.batch, l.batch_len, &l.error));
    assert_int_equal(dsdn_prepare_hashes(&p, 1, DSDN_CHECK_BODY, &l.error), DSDN_E_BODY_HASH);
    log_must(&l, dsdn_prepare_hashes(&p, 1, DSDN_CHECK_SIGNATURES, &l.error));
    log_must(&l, dsdn_prepare_signatures(p, true, 1, p->bundle_cnt, NULL, &l.error));
    assert_int_equal(dsdn_prepare_signatures(p, false, 0, p->bundle_cnt, NULL, &l.error), DSDN_E_SIGNATURE);
    assert_int_equal(l.error.bundle, 0);
    log_close(&l);
}

/* A log with rows in several tables, some of them changed and erased again. */
static void fill(struct log *l, unsigned batches)
{
    struct dsdn_sign_key author = key_of(1);
    for (unsigned b = 0; b < batches; b++) {
        authority(l);
        for (uint8_t i = 0; i < 40; i++) mark_set(l, (uint8_t)(i + b * 7), i + b);
        arm(l, DSDN_CLOCK_TIME, 5000 + b, PROBE_KIND_TRACE, b);
        arm(l, DSDN_CLOCK_TIME, 1500, PROBE_KIND_CASCADE, b);
        for (uint8_t i = 0; i < 5; i++)
            log_event(l, probe_EVENT_mark_erased, 1,
                      &(struct probe_ev_mark_erased){id_of((uint8_t)(i * 3 + b * 11))});
        log_end(l);
        claim(l, DSDN_BUNDLE_POOL, &author, b, 0, 250 + b);
        l->next.time_ms += 300;
        log_apply(l);
    }
}

static void test_root(void **state)
{
    (void)state;
    uint8_t leaves[4096 * 64], table_root[32], role_root[32], state_root[32];
    struct dsdn_roots roots;
    struct log l;
    log_open(&l, &(struct log_options){.catalogue = &probe_catalogue, .members = 3});
    for (int round = 0; round < 3; round++) {
        fill(&l, 3);
        log_must(&l, dsdn_engine_root(l.engine, 1, &roots, &l.error));
        struct snapshot rows = snapshot_take(log_state(&l)); /* by table id */
        uint32_t table_cnt, role_cnt = 0;
        const struct dsdn_table_desc *const *tables = dsdn_engine_tables(l.engine, &table_cnt);
        struct evp all = evp_tagged("dsdn/state/1");
        for (uint32_t role = 0; role <= UINT16_MAX; role++) {
            bool any = false;
            struct evp h = evp_tagged("dsdn/role/1");
            for (uint32_t id = 0; id <= 0x1E03; id++) {
                uint32_t t = 0, cnt = 0;
                while (t < table_cnt && (tables[t]->id != id || tables[t]->role != role)) t++;
                if (t == table_cnt) continue;
                any = true;
                for (size_t i = 0; i < rows.cnt; i++) {
                    if (rows.rows[i].table != id) continue;
                    memcpy(leaves + 64 * cnt, rows.rows[i].kh, 32);
                    memcpy(leaves + 64 * cnt++ + 32, rows.rows[i].vh, 32);
                }
                dsdn_tree_reference(leaves, cnt, table_root);
                assert_memory_equal(table_root, roots.tables[t], 32);
                evp_number(&h, id, 2);
                evp_put(&h, table_root, 32);
            }
            evp_end(&h, role_root);
            if (role > 5) break; /* the probe has none above */
            if (!any) continue;
            assert_int_equal(roots.roles[role_cnt].role, role);
            assert_memory_equal(roots.roles[role_cnt].root, role_root, 32);
            role_cnt++;
            evp_number(&all, role, 2);
            evp_put(&all, role_root, 32);
        }
        evp_end(&all, state_root);
        assert_int_equal(role_cnt, 3);
        assert_int_equal(roots.role_cnt, 3);
        assert_memory_equal(roots.state, state_root, 32);
        snapshot_free(&rows);
    }
    log_close(&l);
}

/* The encoding of one row, by hand: the root must not be right for wrong bytes. */
static void test_row_bytes(void **state)
{
    (void)state;
    uint8_t expected[32], kh[32], vh[32];
    struct dsdn_roots roots;
    struct log l;
    log_open(&l, &plain);
    authority(&l);
    mark_set(&l, 9, 0x0102030405060708);
    log_end(&l);
    log_apply(&l);
    log_must(&l, dsdn_engine_root(l.engine, 1, &roots, &l.error));
    struct evp h = evp_plain();
    evp_put(&h, id_of(9), 32);
    evp_end(&h, kh);
    h = evp_plain();
    evp_number(&h, 3, 1);
    evp_number(&h, 0x0102030405060708, 8);
    evp_put(&h, (uint8_t[32]){0}, 32); /* author */
    evp_number(&h, 0, 8);              /* ordinal */
    evp_end(&h, vh);
    h = evp_plain();
    evp_number(&h, 0, 1);
    evp_put(&h, kh, 32);
    evp_put(&h, vh, 32);
    evp_end(&h, expected);
    assert_memory_equal(roots.tables[probe_TABLE_mark], expected, 32); /* one leaf is the root */
    log_close(&l);
}

static void put_change(struct evp *h, const struct row_hashes *old, const struct row_hashes *new)
{
    static const uint8_t absent[32];
    evp_number(h, old ? old->table : new->table, 2);
    evp_put(h, old ? old->kh : new->kh, 32);
    evp_put(h, old ? old->vh : absent, 32);
    evp_put(h, new ? new->vh : absent, 32);
}

/* H("dsdn/changes/1", every changed row in order of (table id, key hash)), from all rows before and after. */
static void changes(const struct snapshot *a, const struct snapshot *b, uint8_t out[32])
{
    struct evp h = evp_tagged("dsdn/changes/1");
    for (size_t i = 0, k = 0; i < a->cnt || k < b->cnt;) {
        const struct row_hashes *x = i < a->cnt ? &a->rows[i] : NULL, *y = k < b->cnt ? &b->rows[k] : NULL;
        int order = !x ? 1 : !y ? -1 : row_order(x, y);
        if (order < 0)
            put_change(&h, x, NULL);
        else if (order > 0)
            put_change(&h, NULL, y);
        else if (memcmp(x->vh, y->vh, 32) != 0)
            put_change(&h, x, y);
        i += order <= 0;
        k += order >= 0;
    }
    evp_end(&h, out);
}

static void test_fingerprint(void **state)
{
    (void)state;
    uint8_t expected[32], got[32];
    struct log l;
    log_open(&l, &(struct log_options){.catalogue = &probe_catalogue, .engine = {.fingerprint = true}});
    for (int i = 0; i < 8; i++) {
        struct snapshot before = snapshot_take(log_state(&l));
        if (i == 5)
            log_apply(&l); /* an empty batch changes the head and nothing else */
        else if (i == 6) { /* a row is made, changed and erased; another erased and made again as it was */
            authority(&l);
            mark_set(&l, 255, 1);
            mark_set(&l, 255, 2);
            log_event(&l, probe_EVENT_mark_erased, 1, &(struct probe_ev_mark_erased){id_of(255)});
            log_end(&l);
            log_apply(&l);
        } else
            fill(&l, 1);
        struct snapshot after = snapshot_take(log_state(&l));
        changes(&before, &after, expected);
        assert_int_equal(dsdn_engine_fingerprint(l.engine, got, NULL), 0);
        assert_memory_equal(got, expected, 32);
        snapshot_free(&before);
        snapshot_free(&after);
    }
    log_close(&l);
}

/* ---- deadlines and schedules ---- */

static void test_deadline_order(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_sign_key author = key_of(1);
    log_open(&l, &primary);
    at_height(&l, 200);
    authority(&l);
    /* Armed in another order than they fire in: by clock, due, kind, subject bytes. */
    arm(&l, DSDN_CLOCK_TIME, 2500, PROBE_KIND_TRACE, 9);
    arm(&l, DSDN_CLOCK_TIME, 2400, PROBE_KIND_TRACE, 8);
    arm(&l, DSDN_CLOCK_TIME, 2400, PROBE_KIND_TRACE, 7);
    arm(&l, DSDN_CLOCK_TIME, 2400, PROBE_KIND_UNKNOWN, 1); /* of no kind: goes silently */
    arm(&l, DSDN_CLOCK_HEIGHT, 260, PROBE_KIND_TRACE, 6);
    arm(&l, DSDN_CLOCK_HEIGHT, 301, PROBE_KIND_TRACE, 99); /* not yet */
    arm(&l, DSDN_CLOCK_OBJECTION, 2999, PROBE_KIND_TRACE, 5);
    arm(&l, DSDN_CLOCK_OBJECTION, 3001, PROBE_KIND_TRACE,
        99); /* batch time 3003 reaches it, origin time 3000 does not */
    arm(&l, DSDN_CLOCK_TIME, 3003, PROBE_KIND_TRACE, 10);
    arm(&l, DSDN_CLOCK_TIME, 3004, PROBE_KIND_TRACE, 99);
    arm(&l, DSDN_CLOCK_TIME, 2600, PROBE_KIND_TRACE, 50);
    arm(&l, DSDN_CLOCK_TIME, 2600, PROBE_KIND_TRACE, 50); /* the same one twice is one */
    log_event(&l, probe_EVENT_disarmed, 1,
              &(struct probe_ev_disarmed){DSDN_CLOCK_TIME, 2600, PROBE_KIND_TRACE, 50});
    log_event(&l, probe_EVENT_disarmed, 1,
              &(struct probe_ev_disarmed){DSDN_CLOCK_TIME, 2600, PROBE_KIND_TRACE, 50});
    log_end(&l);
    log_apply(&l);
    assert_int_equal(l.prepared.outcomes[12], DSDN_OUTCOME_OK);
    assert_int_equal(l.prepared.outcomes[13], DSDN_PRECONDITION(PROBE_CODE_UNKNOWN));

    at_height(&l, 300);
    claim(&l, DSDN_BUNDLE_DIRECT, &author, 0, 0, 1); /* direct bundles, then deadlines, then the others */
    authority(&l);
    mark_set(&l, 2, 20);
    log_end(&l);
    log_apply(&l);
    static const uint64_t subjects[] = {1, 5, 6, 7, 8, 9, 10, 20};
    assert_int_equal(trace_count(&l), sizeof subjects / sizeof *subjects);
    for (uint32_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        assert_int_equal(trace(&l, i)->subject, subjects[i]);
        assert_int_equal(trace(&l, i)->height, 300);
    }
    assert_int_equal(log_state(&l)->tables[dsdn_sys_TABLE_deadline].live_cnt, 3);
    log_close(&l);
}

/* No window closes before the primary has been read past its end. */
static void test_objections_wait_for_the_cursor(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &primary);
    at_height(&l, 200);
    authority(&l);
    arm(&l, DSDN_CLOCK_OBJECTION, 2500, PROBE_KIND_TRACE, 1);
    arm(&l, DSDN_CLOCK_TIME, 2500, PROBE_KIND_TRACE, 2);
    log_end(&l);
    log_apply(&l);
    at_height(&l, 300);
    l.next.cursor.blob_index = DSDN_CURSOR_END - 1;
    log_apply(&l);
    assert_int_equal(trace_count(&l), 1);
    assert_int_equal(trace(&l, 0)->subject, 2);
    at_height(&l, 301);
    l.next.cursor.height = 300;
    log_apply(&l);
    assert_int_equal(trace_count(&l), 1);
    at_height(&l, 301);
    log_apply(&l);
    assert_int_equal(trace_count(&l), 2);
    log_close(&l);

    log_open(&l, &plain); /* without a primary both classes stand on time_ms, and heights never come */
    authority(&l);
    arm(&l, DSDN_CLOCK_OBJECTION, 1500, PROBE_KIND_TRACE, 1);
    arm(&l, DSDN_CLOCK_HEIGHT, 0, PROBE_KIND_TRACE, 2);
    log_end(&l);
    log_apply(&l);
    l.next.time_ms = 1499;
    log_apply(&l);
    assert_int_equal(trace_count(&l), 0);
    l.next.time_ms = 1500;
    log_apply(&l);
    assert_int_equal(trace_count(&l), 1);
    assert_int_equal(trace(&l, 0)->subject, 1);
    log_close(&l);
}

/* Deadlines that firing creates are drained too, as long as the budget lasts. */
static void test_deadline_budget(void **state)
{
    (void)state;
    struct log l;
    log_open(&l,
             &(struct log_options){.catalogue = &probe_catalogue, .parameters = {{"deadline_budget", 5}}});
    authority(&l);
    for (uint64_t i = 0; i < 4; i++) arm(&l, DSDN_CLOCK_TIME, 2000, PROBE_KIND_CASCADE, i * 10);
    log_end(&l);
    log_apply(&l);
    l.next.time_ms = 2000;
    log_apply(
        &l); /* 4 are due: valid with bundles too.  A cascade's child (due 0) fires before the next cascade */
    static const uint64_t subjects[] = {0, 1, 10, 11, 20, 21, 30, 31};
    assert_int_equal(trace_count(&l), 5);
    log_apply(&l);
    assert_int_equal(trace_count(&l), 8);
    for (uint32_t i = 0; i < 8; i++) assert_int_equal(trace(&l, i)->subject, subjects[i]);
    assert_int_equal(log_state(&l)->tables[dsdn_sys_TABLE_deadline].live_cnt, 0);
    log_close(&l);
}

/* No table ever holds more rows than it has room for. */
static void check_room(const struct log *l)
{
    for (uint32_t t = 0; t < log_state(l)->table_cnt; t++) {
        const struct dsdn_table *table = &log_state(l)->tables[t];
        if (table->row_end > table->row_cap)
            fail_msg("%u rows of %s where %u have room", table->row_end, table->desc->name, table->row_cap);
    }
}

/* Events and deadlines of one batch insert into the same table: there is room for both. */
static void test_room_for_events_and_deadlines(void **state)
{
    (void)state;
    enum { MANY = 700 };
    struct log l;
    log_open(&l,
             &(struct log_options){.catalogue = &probe_catalogue, .parameters = {{"deadline_budget", MANY}}});
    authority(&l);
    for (uint64_t i = 0; i < MANY; i++) arm(&l, DSDN_CLOCK_TIME, 2000, PROBE_KIND_TRACE, i);
    log_end(&l);
    log_apply(&l);
    l.next.time_ms = 2000;
    authority(&l);
    for (uint64_t i = 0; i < MANY; i++) mark_set(&l, (uint8_t)(1 + i % 2), 100 + i);
    log_end(&l);
    log_apply(&l);
    assert_int_equal(trace_count(&l), 2 * MANY);
    check_room(&l);
    log_close(&l);
}

/* A direct bundle may set a deadline that is due already: it fires behind the direct bundles, like every other one. */
static void test_direct_bundle_sets_due_deadline(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_sign_key author = key_of(1);
    log_open(&l, &primary);
    at_height(&l, 200);
    log_bundle(&l, DSDN_BUNDLE_DIRECT, &author, 0, 0);
    arm(&l, DSDN_CLOCK_TIME, 5, PROBE_KIND_TRACE, 1);
    arm(&l, DSDN_CLOCK_TIME, 6, PROBE_KIND_CASCADE, 2);
    log_end(&l);
    authority(&l);
    mark_set(&l, 1, 9);
    log_end(&l);
    log_apply(&l);
    static const uint64_t subjects[] = {1, 2, 3, 9};
    assert_int_equal(trace_count(&l), 4);
    for (uint32_t i = 0; i < 4; i++) assert_int_equal(trace(&l, i)->subject, subjects[i]);
    assert_int_equal(log_state(&l)->tables[dsdn_sys_TABLE_deadline].live_cnt, 0);
    check_room(&l);
    log_close(&l);
}

/* The counters have room for a new outcome, however many rows a checkpoint brought. */
static void test_room_for_outcomes(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &plain);
    log_apply(&l);
    struct dsdn_state *s = dsdn_engine_state_for_restore(l.engine);
    struct dsdn_table *t = &s->tables[dsdn_sys_TABLE_outcome_count];
    log_must(&l, dsdn_table_reserve(t, 5000, &l.error));
    for (uint32_t i = 0; t->row_end < t->row_cap; i++) {
        uint8_t key[3] = {(uint8_t)(100 + i / 65536), (uint8_t)(i >> 8), (uint8_t)i};
        dsdn_sys_outcome_count_insert(s, key);
    }
    authority(&l);
    mark_set(&l, 1, 1);
    mark_set(&l, 1, 1);
    mark_set(&l, 2, PROBE_CODE_THIRTEEN);
    log_end(&l);
    log_apply(&l);
    check_room(&l);
    log_close(&l);
}

static void test_parameters(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &(struct log_options){
                     .catalogue = &probe_catalogue, .primary = true, .parameters = {{"fork_window", 77}}});
    const struct dsdn_state *s = log_state(&l);
    assert_int_equal(DSDN_SETTING(s, fork_window), 77);
    assert_int_equal(DSDN_SETTING(s, deadline_budget), 20000); /* the default of parameters.def */
    assert_int_equal(dsdn_parameter_named(s, "no such parameter"), 0);
    at_height(&l, 200);
    authority(&l);
    tune(&l, 300, 1, "fork_window", 3);
    tune(&l, 300, 0, "fork_window", 2);
    tune(&l, 250, 0, "fork_window", 1);
    tune(&l, 251, 0, "attest_every", 9);
    log_end(&l);
    log_apply(&l);
    at_height(&l, 249);
    log_apply(&l);
    assert_int_equal(DSDN_SETTING(s, fork_window), 77);
    at_height(&l, 250);
    log_apply(&l);
    assert_int_equal(DSDN_SETTING(s, fork_window), 1);
    assert_int_equal(DSDN_SETTING(s, attest_every), 1000);
    at_height(&l, 400);
    log_apply(&l); /* both of height 300, in their order */
    assert_int_equal(DSDN_SETTING(s, fork_window), 3);
    assert_int_equal(DSDN_SETTING(s, attest_every), 9);
    assert_int_equal(s->tables[dsdn_sys_TABLE_pending_param].live_cnt, 0);
    log_close(&l);
}

/* A new deadline_budget counts from the batch behind the one that brings it: validity is judged by the state
 * before. */
static void test_budget_changes_behind_its_batch(void **state)
{
    (void)state;
    struct log l;
    log_open(&l, &primary);
    at_height(&l, 200);
    authority(&l);
    tune(&l, 300, 0, "deadline_budget", 1);
    for (uint64_t i = 0; i < 4; i++) arm(&l, DSDN_CLOCK_TIME, 3000 + i, PROBE_KIND_TRACE, i);
    log_end(&l);
    log_apply(&l);
    at_height(&l, 300);
    l.next.time_ms = 3001;
    log_apply(&l);
    assert_int_equal(trace_count(&l), 2);
    l.next.time_ms = 3003;
    log_apply(&l);
    assert_int_equal(trace_count(&l), 3);
    log_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_authority),
        cmocka_unit_test(test_takeover), cmocka_unit_test(test_takeover_percentages),
        cmocka_unit_test(test_takeover_event_in_a_strangers_bundle),
        cmocka_unit_test(test_time_without_primary),
        cmocka_unit_test(test_time_with_primary),
        cmocka_unit_test(test_direct_bundles),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_batch_max),
        cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_nonce_edges),
        cmocka_unit_test(test_nonce_model),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_author_class),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_transcript),
        cmocka_unit_test(test_event_ids),
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_row_bytes),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_deadline_order),
        cmocka_unit_test(test_objections_wait_for_the_cursor),
        cmocka_unit_test(test_deadline_budget),
        cmocka_unit_test(test_room_for_events_and_deadlines),
        cmocka_unit_test(test_direct_bundle_sets_due_deadline),
        cmocka_unit_test(test_room_for_outcomes),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_budget_changes_behind_its_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
