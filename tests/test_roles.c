/* The reducers through the real engine: every outcome and every precondition code is reached, and an event
 * that is not OK leaves every table alone but the engine's own books. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log/genesis.h"
#include "log/hash.h"
#include "roles/dsdn.h"
#include "roles/reducers.h"
#include "statemachine/engine.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_MS 86400000ull

struct person {
    struct dsdn_sign_key key;
    uint64_t nonce;
};

struct world {
    struct dsdn_genesis genesis;
    struct dsdn_engine *engine;
    struct dsdn_batch_builder *builder;
    struct dsdn_prepared prepared;
    struct dsdn_roots roots;
    uint64_t sequence, time_ms, height;
    uint8_t prev[32];
    struct person coordinator, founder[3], validator, operator[2], owner[2], node[12];
};

static bool reached_code[256], reached_outcome[DSDN_OUTCOME_CNT];
static struct dsdn_error error;

#define must(call) must_at((call), #call, __LINE__)
static void must_at(int rc, const char *call, int line)
{
    if (rc) fail_msg("line %d: %s: %s", line, call, error.message);
}

static void person_make(struct person *p, uint8_t name)
{
    uint8_t seed[32];
    memset(seed, name, sizeof seed);
    *p = (struct person){.nonce = 0};
    dsdn_sign_key_from_seed(&p->key, seed);
}

static struct dsdn_view text(const char *s)
{
    return (struct dsdn_view){(const uint8_t *)s, strlen(s)};
}

static int compare_people(const void *a, const void *b)
{
    return memcmp(((const struct person *)a)->key.public_key, ((const struct person *)b)->key.public_key, 32);
}

static struct world *world_new(bool primary)
{
    static const uint8_t zero[32], ns[29] = {[28] = 1};
    static const uint64_t start = 100;
    uint8_t header[32];
    struct world *w = calloc(1, sizeof *w);
    dsdn_tagged("test", &start, 8, header); /* like every header: batch_apply */
    uint8_t founders[96], validators[32 + 9 + 1 + 3];
    person_make(&w->coordinator, 1);
    person_make(&w->validator, 2);
    for (int i = 0; i < 3; i++) person_make(&w->founder[i], (uint8_t)(10 + i));
    qsort(w->founder, 3, sizeof *w->founder, compare_people);
    for (int i = 0; i < 2; i++) person_make(&w->operator[i], (uint8_t)(20 + i));
    for (int i = 0; i < 2; i++) person_make(&w->owner[i], (uint8_t)(30 + i));
    for (int i = 0; i < 12; i++) person_make(&w->node[i], (uint8_t)(40 + i));
    for (int i = 0; i < 3; i++) memcpy(founders + 32 * i, w->founder[i].key.public_key, 32);
    memset(validators, 0, sizeof validators);
    memcpy(validators, w->validator.key.public_key, 32);
    validators[41] = 3;
    memcpy(validators + 42, "val", 3);
    struct dsdn_ev_genesis_declared g = {
        .network_id = text("test"),
        .da_chain_id = text(primary ? "test-primary" : ""),
        .da_namespace = primary ? ns : zero,
        .da_start = primary ? start : 0,
        .da_start_hash = primary ? header : zero,
        .version_major = 1,
        .quorum_members = {validators, 1, 32},
        .quorum_threshold_pct = 67,
        .emergency_url = text(""),
        .chain_profile = DSDN_PROFILE_DEVNET,
        .genesis_time = 1000000,
        .founder_keys = {founders, 3, sizeof founders},
        .founder_m = 2,
        .validators = {validators, 1, sizeof validators},
        .coordinator = w->coordinator.key.public_key,
        .tss_transcript = zero,
        .profile = text(""),
    };
    must(dsdn_genesis_encode(&w->genesis, &g, &error));
    struct dsdn_engine_options options = {.hash_seed = 99};
    must(dsdn_engine_new(&dsdn_catalogue, &options, &w->engine, &error));
    must(dsdn_engine_genesis(w->engine, w->genesis.bytes, w->genesis.len, &error));
    must(dsdn_engine_track(w->engine, &error));
    w->builder = dsdn_batch_builder_new();
    assert_non_null(w->builder);
    memcpy(w->prev, w->genesis.hash, 32);
    w->time_ms = 2000000;
    w->height = primary ? start : 0;
    return w;
}

static void world_free(struct world *w)
{
    dsdn_engine_free(w->engine);
    dsdn_prepared_free(&w->prepared);
    dsdn_batch_builder_free(w->builder);
    dsdn_genesis_free(&w->genesis);
    free(w);
}

static struct dsdn_state *state(struct world *w)
{
    return dsdn_engine_state_for_restore(w->engine);
}

static void batch_apply(struct world *w, bool takeover)
{
    struct dsdn_header h = {.sequence = w->sequence, .time_ms = w->time_ms, .origin = {.height = w->height}};
    struct dsdn_view batch;
    memcpy(h.genesis, w->genesis.hash, 32);
    memcpy(h.prev, w->prev, 32);
    memcpy(h.publisher, dsdn_head(state(w))->authority, 32);
    h.committee_epoch = dsdn_head(state(w))->authority_epoch;
    if (w->height) {
        h.origin.time_ms = 500000 + w->height;
        dsdn_tagged("test", &w->height, 8, h.origin.hash);
        h.cursor = (struct dsdn_cursor){w->height, DSDN_CURSOR_END};
    }
    must(dsdn_batch_builder_finish(w->builder, &h, &w->coordinator.key, &batch, &error));
    must(dsdn_prepare(&w->prepared, &dsdn_catalogue, dsdn_engine_seed(w->engine), batch.bytes, batch.len,
                      &error));
    if (!takeover) must(dsdn_engine_judge(w->engine, &w->prepared, NULL, &error));
    must(dsdn_engine_apply(w->engine, &w->prepared, &error));
    dsdn_batch_hash(batch.bytes, w->prev);
    dsdn_batch_builder_reset(w->builder);
    w->sequence++;
}

/* An empty batch `ms` later: deadlines fire here, so that play sees none. */
static void pass(struct world *w, uint64_t ms)
{
    w->time_ms += ms;
    batch_apply(w, false);
}

static void check_untouched(const struct world *w, const struct dsdn_roots *before)
{
    uint32_t cnt;
    const struct dsdn_table_desc *const *tables = dsdn_engine_tables(w->engine, &cnt);
    for (uint32_t t = 0; t < cnt; t++) {
        if (t == dsdn_sys_TABLE_head || t == dsdn_sys_TABLE_nonce || t == dsdn_sys_TABLE_outcome_count)
            continue;
        if (!dsdn_equal32(before->tables[t], w->roots.tables[t]))
            fail_msg("a refused event changed table %s", tables[t]->name);
    }
}

/* One event of an author (NULL: the authority) in a batch of its own. */
static dsdn_outcome play_payload(struct world *w, struct person *author, int event, const uint8_t *payload,
                                 uint32_t len, bool takeover)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    must(dsdn_engine_root(w->engine, 1, &w->roots, &error));
    struct dsdn_roots before = w->roots;
    must(dsdn_batch_builder_begin(w->builder, author ? DSDN_BUNDLE_POOL : DSDN_BUNDLE_AUTHORITY,
                                  author ? author->key.public_key : NULL, author ? author->nonce : 0, 0,
                                  &error));
    must(dsdn_batch_builder_event(w->builder, desc->type, desc->version, payload, len, &error));
    must(dsdn_batch_builder_end(w->builder, w->genesis.hash, author ? &author->key : NULL, &error));
    batch_apply(w, takeover);
    must(dsdn_engine_root(w->engine, 1, &w->roots, &error));
    dsdn_outcome outcome = w->prepared.outcomes[0];
    reached_outcome[DSDN_OUTCOME_NUMBER(outcome)] = true;
    reached_code[DSDN_OUTCOME_CODE(outcome)] = true;
    if (DSDN_OUTCOME_NUMBER(outcome) != DSDN_OUTCOME_OK) check_untouched(w, &before);
    return outcome;
}

static dsdn_outcome play(struct world *w, struct person *author, int event, const void *e)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    uint8_t payload[32768];
    uint32_t len;
    must(dsdn_event_encode(desc, desc->version, e, payload, sizeof payload, &len, &error));
    if (author) author->nonce++;
    return play_payload(w, author, event, payload, len, event == dsdn_EVENT_authority_replaced);
}

static dsdn_outcome play_signed(struct world *w, struct person *author, int event, const void *e,
                                uint8_t *signature, const char *field, const struct person *signer)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    uint8_t payload[32768], digest[32];
    uint32_t len;
    author->nonce++;
    memset(signature, 0, 64);
    must(dsdn_event_encode(desc, desc->version, e, payload, sizeof payload, &len, &error));
    must(dsdn_embedded_message(desc, desc->version, field, w->genesis.hash, author->key.public_key,
                               author->nonce, payload, len, digest, &error));
    dsdn_sign(&signer->key, digest, signature);
    must(dsdn_event_encode(desc, desc->version, e, payload, sizeof payload, &len, &error));
    return play_payload(w, author, event, payload, len, false);
}

static void expect_at(dsdn_outcome got, dsdn_outcome wanted, int line)
{
    if (got != wanted)
        fail_msg("line %d: outcome %s %s where %s %s is right", line,
                 dsdn_outcome_name(DSDN_OUTCOME_NUMBER(got)),
                 DSDN_OUTCOME_CODE(got) ? dsdn_code_name(&dsdn_catalogue, DSDN_OUTCOME_CODE(got)) : "",
                 dsdn_outcome_name(DSDN_OUTCOME_NUMBER(wanted)),
                 DSDN_OUTCOME_CODE(wanted) ? dsdn_code_name(&dsdn_catalogue, DSDN_OUTCOME_CODE(wanted)) : "");
}
#define expect_result(call, name) expect_at((call), DSDN_RESULT(name), __LINE__)
#define expect_unmet(call, name)  expect_at((call), DSDN_UNMET(name), __LINE__)

/* ---- nodes ---- */

static const uint8_t fingerprint[32] = {1, 2, 3};

static struct dsdn_ev_node_registered registration(struct world *w, int node, const char *zone)
{
    return (struct dsdn_ev_node_registered){.node_id = w->node[node].key.public_key,
                                            .operator= w->operator[0].key.public_key,
                                            .role = 1,
                                            .node_class = 0,
                                            .zone = text(zone),
                                            .address = text("h:1"),
                                            .capacity_gb = 1,
                                            .tls_fingerprint = fingerprint,
                                            .tls_not_after = w->time_ms + 100 * DAY_MS,
                                            .binding_expiry = w->time_ms + 100 * DAY_MS,
                                            .label = text("n")};
}

static dsdn_outcome enter(struct world *w, int node, struct dsdn_ev_node_registered *e)
{
    uint8_t signature[64];
    e->node_sig = signature;
    return play_signed(w, &w->operator[0], dsdn_EVENT_node_registered, e, signature, "node_sig",
                       &w->node[node]);
}

static dsdn_outcome status(struct world *w, int node, uint8_t to, uint64_t until)
{
    struct dsdn_ev_node_status_set e = {
        .node_id = w->node[node].key.public_key, .status = to, .reason = 7, .until = until};
    return play(w, NULL, dsdn_EVENT_node_status_set, &e);
}

static const struct dsdn_row_node *node_row(struct world *w, int node)
{
    uint32_t row = dsdn_node_find(state(w), w->node[node].key.public_key);
    assert_int_not_equal(row, DSDN_NO_ROW);
    return dsdn_node_at(state(w), row);
}

static const struct dsdn_row_zone *zone_row(struct world *w, const char *name)
{
    uint8_t key[32] = {0};
    memcpy(key, name, strlen(name));
    return dsdn_zone_at(state(w), dsdn_zone_find(state(w), key));
}

static void active_node(struct world *w, int node, const char *zone)
{
    struct dsdn_ev_node_registered e = registration(w, node, zone);
    expect_result(enter(w, node, &e), OK);
    expect_result(status(w, node, DSDN_NODE_ACTIVE, 0), OK);
}

static void test_registration(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    struct dsdn_ev_node_registered good = registration(w, 0, "z1"), e = good;
    uint8_t signature[64];

    e.operator= w->operator[1].key.public_key;
    expect_result(enter(w, 0, &e), NOT_AUTHORISED);
    e = good, e.role = 0;
    expect_unmet(enter(w, 0, &e), NODE_ROLE);
    e = good, e.node_class = -1;
    expect_unmet(enter(w, 0, &e), NODE_CLASS);
    e = good, e.role = 2;
    expect_unmet(enter(w, 0, &e), NODE_CLASS);
    e = good, e.zone = text("");
    expect_unmet(enter(w, 0, &e), ZONE_EMPTY);
    e = good, e.capacity_gb = 0;
    expect_unmet(enter(w, 0, &e), CAPACITY_ZERO);
    static const uint8_t zero[32];
    e = good, e.tls_fingerprint = zero;
    expect_unmet(enter(w, 0, &e), TLS_MISSING);
    e = good, e.tls_not_after = w->time_ms;
    expect_unmet(enter(w, 0, &e), TLS_EXPIRED);
    e = good, e.binding_expiry = w->time_ms;
    expect_unmet(enter(w, 0, &e), BINDING_EXPIRED);
    e = good, e.node_sig = signature;
    expect_result(
        play_signed(w, &w->operator[0], dsdn_EVENT_node_registered, &e, signature, "node_sig", &w->node[1]),
        BAD_SIGNATURE);
    expect_result(enter(w, 0, &good), OK);
    assert_int_equal(node_row(w, 0)->status, DSDN_NODE_PENDING);
    assert_int_equal(zone_row(w, "z1")->node_cnt, 1);
    expect_result(enter(w, 0, &good), NO_EFFECT);
    e = good, e.capacity_gb = 2;
    expect_result(enter(w, 0, &e), CONFLICT);
    e = registration(w, 1, "z1"), e.role = 2, e.node_class = -1,
    e.capacity_gb = 0; /* a validator offers no storage */
    expect_result(enter(w, 1, &e), OK);
    assert_int_equal(node_row(w, 1)->node_class, DSDN_NO_CLASS);

    /* Version 1 has no label. */
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_node_registered];
    uint8_t payload[1024];
    uint32_t len;
    e = registration(w, 2, "z1"), memset(signature, 0, 64), e.node_sig = signature;
    must(dsdn_event_encode(desc, 1, &e, payload, sizeof payload, &len, &error));
    struct dsdn_ev_node_registered back;
    must(dsdn_event_decode(desc, 1, payload, len, &back, &error));
    assert_int_equal(back.label.len, 0);
    world_free(w);
}

static void test_updates(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    struct person *op = &w->operator[0];
    const uint8_t *id = w->node[0].key.public_key;
    struct dsdn_ev_node_updated u = {
        .node_id = id, .zone = text("z2"), .address = text("h:2"), .capacity_gb = 5};
    struct dsdn_ev_node_tls_rotated t = {id, (const uint8_t[32]){9}, w->time_ms + DAY_MS};
    struct dsdn_ev_node_heartbeat h = {id, 3, fingerprint};
    expect_unmet(play(w, op, dsdn_EVENT_node_updated, &u), NODE_UNKNOWN);
    expect_unmet(play(w, &w->node[0], dsdn_EVENT_node_heartbeat, &h), NODE_UNKNOWN);
    struct dsdn_ev_node_registered r = registration(w, 0, "z1");
    r.binding_expiry = w->time_ms + 10 * DAY_MS;
    expect_result(enter(w, 0, &r), OK);
    expect_unmet(play(w, &w->node[0], dsdn_EVENT_node_tls_rotated, &t), NODE_STATUS);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);

    expect_result(play(w, &w->operator[1], dsdn_EVENT_node_updated, &u), NOT_AUTHORISED);
    expect_result(play(w, op, dsdn_EVENT_node_updated, &u), OK);
    expect_result(play(w, op, dsdn_EVENT_node_updated, &u), NO_EFFECT);
    assert_int_equal(zone_row(w, "z1")->node_cnt, 0);
    assert_int_equal(zone_row(w, "z2")->capacity_gb, 5);
    u.capacity_gb = 0;
    expect_unmet(play(w, op, dsdn_EVENT_node_updated, &u), CAPACITY_ZERO);
    u.capacity_gb = 5, u.zone = text("");
    expect_unmet(play(w, op, dsdn_EVENT_node_updated, &u), ZONE_EMPTY);

    expect_result(play(w, op, dsdn_EVENT_node_tls_rotated, &t), NOT_AUTHORISED);
    expect_result(play(w, &w->node[0], dsdn_EVENT_node_tls_rotated, &t), OK);
    expect_result(play(w, &w->node[0], dsdn_EVENT_node_tls_rotated, &t), NO_EFFECT);
    t.tls_not_after = w->time_ms;
    expect_unmet(play(w, &w->node[0], dsdn_EVENT_node_tls_rotated, &t), TLS_EXPIRED);
    t.tls_fingerprint = (const uint8_t[32]){0};
    expect_unmet(play(w, &w->node[0], dsdn_EVENT_node_tls_rotated, &t), TLS_MISSING);

    expect_result(play(w, op, dsdn_EVENT_node_heartbeat, &h), NOT_AUTHORISED);
    expect_result(play(w, &w->node[0], dsdn_EVENT_node_heartbeat, &h), OK);
    pass(w, 59999);
    expect_result(play(w, &w->node[0], dsdn_EVENT_node_heartbeat, &h), LIMIT);
    pass(w, 1);
    h.applied_seq = 5;
    expect_result(play(w, &w->node[0], dsdn_EVENT_node_heartbeat, &h), OK);
    assert_int_equal(dsdn_sys_heartbeat_at(state(w), dsdn_sys_heartbeat_find(state(w), id))->applied_seq, 5);
    assert_int_equal(node_row(w, 0)->last_seen_ms, w->time_ms);

    uint8_t signature[64];
    struct person *other = &w->operator[1];
    struct dsdn_ev_operator_bound b = {id, other->key.public_key, w->time_ms + 20 * DAY_MS, signature};
    expect_result(play_signed(w, op, dsdn_EVENT_operator_bound, &b, signature, "node_sig", &w->node[0]),
                  NOT_AUTHORISED);
    expect_result(play_signed(w, other, dsdn_EVENT_operator_bound, &b, signature, "node_sig", &w->node[1]),
                  BAD_SIGNATURE);
    expect_result(play_signed(w, other, dsdn_EVENT_operator_bound, &b, signature, "node_sig", &w->node[0]),
                  OK);
    expect_result(play_signed(w, other, dsdn_EVENT_operator_bound, &b, signature, "node_sig", &w->node[0]),
                  NO_EFFECT);
    b.expiry = w->time_ms;
    expect_unmet(play_signed(w, other, dsdn_EVENT_operator_bound, &b, signature, "node_sig", &w->node[0]),
                 BINDING_EXPIRED);
    pass(w, 20 * DAY_MS);
    u.zone = text("z3");
    expect_unmet(play(w, other, dsdn_EVENT_node_updated, &u), BINDING_EXPIRED);

    struct dsdn_ev_node_deregistered d = {id};
    expect_result(play(w, op, dsdn_EVENT_node_deregistered, &d), NOT_AUTHORISED);
    expect_result(play(w, other, dsdn_EVENT_node_deregistered, &d), OK);
    expect_result(play(w, other, dsdn_EVENT_node_deregistered, &d), NO_EFFECT);
    assert_int_equal(zone_row(w, "z2")->node_cnt, 0);
    d.node_id = w->node[5].key.public_key;
    expect_unmet(play(w, other, dsdn_EVENT_node_deregistered, &d), NODE_UNKNOWN);
    expect_unmet(play(w, &w->node[0], dsdn_EVENT_node_heartbeat, &h), NODE_CLOSED);
    expect_unmet(status(w, 0, DSDN_NODE_ACTIVE, 0), NODE_CLOSED);
    r = registration(w, 0, "z9"); /* it comes back as a new node */
    expect_result(enter(w, 0, &r), OK);
    assert_int_equal(node_row(w, 0)->last_seen_ms, 0);
    assert_int_equal(node_row(w, 0)->reason, 0);
    world_free(w);
}

static void test_status(void **unused)
{
    (void)unused;
    /* Rows: from; columns: to.  O OK, n NO_EFFECT, x STATUS_TRANSITION. */
    static const char *const table[4] = {"nOOO", "xnOO", "xOnO", "Oxxn"};
    for (uint8_t from = 0; from < 4; from++)
        for (uint8_t to = 0; to < 4; to++) {
            struct world *w = world_new(false);
            struct dsdn_ev_node_registered r = registration(w, 0, "z1");
            expect_result(enter(w, 0, &r), OK);
            if (from) expect_result(status(w, 0, from, 0), OK);
            dsdn_outcome got = status(w, 0, to, 0);
            if (table[from][to] == 'O')
                expect_result(got, OK);
            else if (table[from][to] == 'n')
                expect_result(got, NO_EFFECT);
            else
                expect_unmet(got, STATUS_TRANSITION);
            assert_int_equal(node_row(w, 0)->status, table[from][to] == 'O' ? to : from);
            assert_int_equal(node_row(w, 0)->reason, from || table[from][to] == 'O' ? 7 : 0);
            world_free(w);
        }
}

static void test_bans_and_founders(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    const uint8_t *id = w->node[0].key.public_key;
    struct dsdn_ev_node_heartbeat h = {id, 3, fingerprint};
    struct dsdn_ev_node_deregistered d = {id};
    expect_unmet(status(w, 0, DSDN_NODE_ACTIVE, 0), NODE_UNKNOWN);
    active_node(w, 0, "z1");
    expect_unmet(status(w, 0, DSDN_NODE_QUARANTINED, w->time_ms + 1), UNTIL_WRONG);
    expect_unmet(status(w, 0, DSDN_NODE_BANNED, w->time_ms), UNTIL_WRONG);
    expect_result(status(w, 0, DSDN_NODE_BANNED, w->time_ms + 1000), OK);
    expect_result(status(w, 0, DSDN_NODE_BANNED, w->time_ms + 1000), NO_EFFECT);
    expect_result(status(w, 0, DSDN_NODE_BANNED, w->time_ms + 2000), OK); /* longer: the first end is gone */
    expect_unmet(play(w, &w->node[0], dsdn_EVENT_node_heartbeat, &h), NODE_BANNED);
    assert_int_equal(state(w)->tables[dsdn_sys_TABLE_deadline].live_cnt, 1);
    pass(w, 1999);
    assert_int_equal(node_row(w, 0)->status, DSDN_NODE_BANNED);
    pass(w, 1);
    assert_int_equal(node_row(w, 0)->status, DSDN_NODE_PENDING);
    assert_int_equal(state(w)->tables[dsdn_sys_TABLE_deadline].live_cnt, 0);

    /* A ban outlives deregistration. */
    expect_result(status(w, 0, DSDN_NODE_BANNED, w->time_ms + 5000), OK);
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
    assert_int_equal(state(w)->tables[dsdn_sys_TABLE_deadline].live_cnt, 0);
    struct dsdn_ev_node_registered r = registration(w, 0, "z1");
    expect_unmet(enter(w, 0, &r), NODE_BANNED);
    pass(w, 5000);
    expect_result(enter(w, 0, &r), OK);
    pass(w, 200 * DAY_MS);
    expect_unmet(status(w, 0, DSDN_NODE_ACTIVE, 0), TLS_EXPIRED);
    r = registration(w, 1, "z1"), r.binding_expiry = w->time_ms + 1000;
    expect_result(enter(w, 1, &r), OK);
    pass(w, 1000);
    expect_unmet(status(w, 1, DSDN_NODE_ACTIVE, 0), BINDING_EXPIRED);

    /* Founders decide two by two; the authority needs nobody. */
    uint8_t approval[96];
    struct dsdn_ev_node_status_set e = {.node_id = w->node[1].key.public_key,
                                        .status = DSDN_NODE_QUARANTINED,
                                        .approvals = {approval, 1, sizeof approval}};
    memcpy(approval, w->founder[1].key.public_key, 32);
    const int set = dsdn_EVENT_node_status_set;
    expect_result(play_signed(w, &w->founder[0], set, &e, approval + 32, "approvals", &w->founder[2]),
                  BAD_SIGNATURE);
    expect_result(play_signed(w, &w->owner[0], set, &e, approval + 32, "approvals", &w->founder[1]),
                  NOT_AUTHORISED);
    expect_unmet(play(w, NULL, set, &e), APPROVALS_UNEXPECTED);
    expect_result(play_signed(w, &w->founder[0], set, &e, approval + 32, "approvals", &w->founder[1]), OK);
    e.status = DSDN_NODE_BANNED, e.approvals = (struct dsdn_list){approval, 0, 0};
    expect_result(play(w, &w->founder[0], set, &e), NOT_AUTHORISED);
    world_free(w);
}

/* ---- objects and chunks ---- */

static const uint8_t object_id[32] = {0xB0}, chunk_ids[4][32] = {{0xC0}, {0xC1}, {0xC2}, {0xC3}};
static uint8_t leaf_hashes[5][32], tree_root[32];

static void hash_pair(const uint8_t *left, const uint8_t *right, uint8_t out[32])
{
    uint8_t m[65] = {1};
    memcpy(m + 1, left, 32), memcpy(m + 33, right, 32);
    dsdn_sha256(m, sizeof m, out);
}

/* A tree of five leaves, ((0 1)(2 3)) 4, written out by hand. */
static uint8_t inner[3][32];
static void tree_make(void)
{
    for (uint8_t i = 0; i < 5; i++) memset(leaf_hashes[i], 0x50 + i, 32);
    hash_pair(leaf_hashes[0], leaf_hashes[1], inner[0]);
    hash_pair(leaf_hashes[2], leaf_hashes[3], inner[1]);
    hash_pair(inner[0], inner[1], inner[2]);
    hash_pair(inner[2], leaf_hashes[4], tree_root);
}

static uint32_t tree_path(uint32_t leaf, uint8_t path[128])
{
    memcpy(path, leaf_hashes[leaf], 32);
    if (leaf == 4) return memcpy(path + 32, inner[2], 32), 2;
    memcpy(path + 32, leaf_hashes[leaf ^ 1], 32);
    memcpy(path + 64, inner[1 - leaf / 2], 32);
    memcpy(path + 96, leaf_hashes[4], 32);
    return 4;
}

static struct dsdn_ev_object_declared object_event(struct world *w, uint8_t rf)
{
    return (struct dsdn_ev_object_declared){
        .object = object_id, .owner = w->owner[0].key.public_key, .size = 20000, .chunk_count = 4, .rf = rf};
}

static struct dsdn_ev_chunk_declared chunk_event(uint32_t index)
{
    return (struct dsdn_ev_chunk_declared){.chunk = chunk_ids[index],
                                           .object = object_id,
                                           .index = index,
                                           .size = 4097,
                                           .leaf_size = 1024,
                                           .leaf_root = tree_root};
}

static void declare(struct world *w, uint8_t rf, uint32_t chunks)
{
    struct dsdn_ev_object_declared o = object_event(w, rf);
    expect_result(play(w, &w->owner[0], dsdn_EVENT_object_declared, &o), OK);
    for (uint32_t i = 0; i < chunks; i++) {
        struct dsdn_ev_chunk_declared k = chunk_event(i);
        expect_result(play(w, &w->owner[0], dsdn_EVENT_chunk_declared, &k), OK);
    }
}

static void test_objects(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    struct person *owner = &w->owner[0];
    struct dsdn_ev_object_declared good = object_event(w, 3), o = good;
    const int declared = dsdn_EVENT_object_declared, chunked = dsdn_EVENT_chunk_declared;
    expect_result(play(w, &w->owner[1], declared, &o), NOT_AUTHORISED);
    o.size = 0;
    expect_unmet(play(w, owner, declared, &o), OBJECT_SHAPE);
    o = good, o.chunk_count = 0;
    expect_unmet(play(w, owner, declared, &o), OBJECT_SHAPE);
    o = good, o.size = 4ull * DSDN_CHUNK_MAX + 1;
    expect_unmet(play(w, owner, declared, &o), OBJECT_SHAPE);
    o = good, o.rf = 0;
    expect_unmet(play(w, owner, declared, &o), RF_RANGE);
    o.rf = 17;
    expect_unmet(play(w, owner, declared, &o), RF_RANGE);
    struct dsdn_ev_chunk_declared fine = chunk_event(0), k = fine;
    expect_unmet(play(w, owner, chunked, &k), OBJECT_UNKNOWN);
    expect_result(play(w, owner, declared, &good), OK);
    expect_result(play(w, owner, declared, &good), NO_EFFECT);
    o = good, o.manifest = tree_root;
    expect_result(play(w, owner, declared, &o), CONFLICT);
    static const uint8_t empty_id[32] = {0xE0};
    o = good, o.object = empty_id, o.size = 0, o.chunk_count = 0, o.manifest = tree_root;
    expect_result(play(w, owner, declared, &o), OK);

    expect_result(play(w, &w->owner[1], chunked, &k), NOT_AUTHORISED);
    k.index = 4;
    expect_unmet(play(w, owner, chunked, &k), CHUNK_INDEX);
    k = fine, k.size = 0;
    expect_unmet(play(w, owner, chunked, &k), CHUNK_SIZE);
    k.size = DSDN_CHUNK_MAX + 1;
    expect_unmet(play(w, owner, chunked, &k), CHUNK_SIZE);
    static const uint32_t bad_leaves[] = {0, 512, 1025, 128u << 20};
    for (int i = 0; i < 4; i++) {
        k = fine, k.leaf_size = bad_leaves[i];
        expect_unmet(play(w, owner, chunked, &k), LEAF_SIZE);
    }
    static const uint8_t bad_codes[3][3] = {{0, 2, 0}, {3, 2, 0}, {1, 2, 2}}, good_code[3] = {2, 3, 2};
    for (int i = 0; i < 3; i++) {
        k = fine, k.ec = (struct dsdn_list){bad_codes[i], 1, 3};
        expect_unmet(play(w, owner, chunked, &k), ERASURE_SHAPE);
    }
    expect_result(play(w, owner, chunked, &fine), OK);
    expect_result(play(w, owner, chunked, &fine), NO_EFFECT);
    k = fine, k.size++;
    expect_result(play(w, owner, chunked, &k), CONFLICT);
    k = fine, k.chunk = chunk_ids[1]; /* the place is taken */
    expect_result(play(w, owner, chunked, &k), CONFLICT);
    k = chunk_event(1), k.ec = (struct dsdn_list){good_code, 1, 3};
    expect_result(play(w, owner, chunked, &k), OK);
    const struct dsdn_row_chunk *row = dsdn_chunk_at(state(w), dsdn_chunk_find(state(w), chunk_ids[1]));
    assert_int_equal(row->ec_k * 100 + row->ec_n * 10 + row->ec_row, 232);
    assert_int_equal(dsdn_object_at(state(w), row->object)->declared_cnt, 2);

    const int gone = dsdn_EVENT_delete_requested;
    struct dsdn_ev_delete_requested d = {chunk_ids[0], 1, 0};
    expect_result(play(w, &w->owner[1], gone, &d), NOT_AUTHORISED);
    expect_result(play(w, owner, gone, &d), OK);
    expect_result(play(w, owner, gone, &d), NO_EFFECT);
    expect_result(play(w, owner, chunked, &fine), CONFLICT);
    d.target = chunk_ids[3];
    expect_unmet(play(w, owner, gone, &d), CHUNK_UNKNOWN);
    d.kind = 0;
    expect_unmet(play(w, owner, gone, &d), OBJECT_UNKNOWN);
    d.target = object_id;
    expect_result(play(w, owner, gone, &d), OK);
    expect_result(play(w, owner, gone, &d), NO_EFFECT);
    d = (struct dsdn_ev_delete_requested){chunk_ids[1], 1, 0};
    expect_result(play(w, owner, gone, &d), NO_EFFECT); /* goes with its object */
    k = chunk_event(2);
    expect_unmet(play(w, owner, chunked, &k), DELETE_REQUESTED);
    expect_result(play(w, owner, declared, &good), CONFLICT);

    /* A validator deletes nothing, not even its own (STOR-6). */
    static const uint8_t validators_id[32] = {0xF0};
    o = good, o.object = validators_id, o.owner = w->validator.key.public_key;
    expect_result(play(w, &w->validator, declared, &o), OK);
    d = (struct dsdn_ev_delete_requested){validators_id, 0, 0};
    expect_result(play(w, &w->validator, gone, &d), NOT_AUTHORISED);
    world_free(w);
}

/* ---- replicas ---- */

static dsdn_outcome assign(struct world *w, uint32_t chunk, int node, const char *zone, uint64_t deadline)
{
    struct dsdn_ev_replica_assigned e = {chunk_ids[chunk], w->node[node].key.public_key, text(zone),
                                         deadline};
    return play(w, NULL, dsdn_EVENT_replica_assigned, &e);
}

static dsdn_outcome add(struct world *w, uint32_t chunk, int node)
{
    static const uint8_t origin[32];
    uint8_t path[128];
    uint32_t leaf = dsdn_leaf_draw(origin, chunk_ids[chunk], w->node[node].key.public_key, 5);
    uint32_t cnt = tree_path(leaf, path);
    struct dsdn_ev_replica_added e = {
        chunk_ids[chunk], w->node[node].key.public_key, tree_root, leaf, {path, cnt, 32 * cnt}};
    return play(w, &w->node[node], dsdn_EVENT_replica_added, &e);
}

static dsdn_outcome removed(struct world *w, struct person *author, uint32_t chunk, int node, uint8_t reason)
{
    struct dsdn_ev_replica_removed e = {chunk_ids[chunk], w->node[node].key.public_key, reason};
    return play(w, author, dsdn_EVENT_replica_removed, &e);
}

static dsdn_outcome missing(struct world *w, struct person *author, uint32_t chunk, int node)
{
    struct dsdn_ev_replica_missing_reported e = {chunk_ids[chunk], w->node[node].key.public_key, 0};
    return play(w, author, dsdn_EVENT_replica_missing_reported, &e);
}

static dsdn_outcome healed(struct world *w, struct person *author, uint32_t chunk, int node)
{
    struct dsdn_ev_replica_healed e = {chunk_ids[chunk], w->node[node].key.public_key};
    return play(w, author, dsdn_EVENT_replica_healed, &e);
}

static dsdn_outcome heal(struct world *w, uint32_t chunk, int from, int to)
{
    struct dsdn_ev_heal_assigned e = {chunk_ids[chunk], w->node[from].key.public_key,
                                      w->node[to].key.public_key, w->time_ms + 1000000};
    return play(w, NULL, dsdn_EVENT_heal_assigned, &e);
}

static const struct dsdn_row_chunk *chunk_row(struct world *w, uint32_t chunk)
{
    return dsdn_chunk_at(state(w), dsdn_chunk_find(state(w), chunk_ids[chunk]));
}

static void test_paths(void **unused)
{
    (void)unused;
    uint8_t path[128], wrong[128];
    for (uint32_t leaf = 0; leaf < 5; leaf++) {
        uint32_t cnt = tree_path(leaf, path);
        struct dsdn_list list = {path, cnt, 32 * cnt};
        assert_true(dsdn_leaf_path_valid(&list, leaf, 5, tree_root));
        for (uint32_t other = 0; other < 6; other++)
            if (other != leaf) assert_false(dsdn_leaf_path_valid(&list, other, 5, tree_root));
        for (uint32_t byte = 0; byte < 32 * cnt; byte++) {
            memcpy(wrong, path, sizeof wrong);
            wrong[byte] ^= 1;
            struct dsdn_list bad = {wrong, cnt, 32 * cnt};
            assert_false(dsdn_leaf_path_valid(&bad, leaf, 5, tree_root));
        }
        for (uint32_t short_cnt = 0; short_cnt < cnt; short_cnt++) {
            struct dsdn_list bad = {path, short_cnt, 32 * short_cnt};
            assert_false(dsdn_leaf_path_valid(&bad, leaf, 5, tree_root));
        }
    }
    struct dsdn_list one = {leaf_hashes[0], 1, 32};
    assert_true(dsdn_leaf_path_valid(&one, 0, 1, leaf_hashes[0]));
    uint8_t two[64];
    memcpy(two, leaf_hashes[1], 32), memcpy(two + 32, leaf_hashes[0], 32);
    struct dsdn_list longer = {two, 2, 64};
    assert_false(dsdn_leaf_path_valid(&longer, 0, 1, inner[0])); /* a path longer than its tree */
    assert_int_equal(dsdn_leaf_count(4097, 1024), 5);
    assert_int_equal(dsdn_leaf_count(4096, 1024), 4);
}

static void test_assignment(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    uint64_t soon = w->time_ms + 1000;
    expect_unmet(assign(w, 0, 0, "a", soon), CHUNK_UNKNOWN);
    declare(w, 2, 3);
    expect_unmet(assign(w, 0, 0, "a", soon), NODE_UNKNOWN);
    struct dsdn_ev_node_registered r = registration(w, 0, "a");
    expect_result(enter(w, 0, &r), OK);
    expect_unmet(assign(w, 0, 0, "a", soon), NODE_STATUS);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    expect_unmet(assign(w, 0, 0, "b", soon), ZONE_MISMATCH);
    expect_unmet(assign(w, 0, 0, "aa", soon), ZONE_MISMATCH);
    expect_unmet(assign(w, 0, 0, "", soon), ZONE_MISMATCH);
    expect_unmet(assign(w, 0, 0, "a", w->time_ms), DEADLINE_PAST);
    expect_result(assign(w, 0, 0, "a", soon), OK);
    expect_result(assign(w, 0, 0, "a", soon), NO_EFFECT);
    expect_result(assign(w, 0, 0, "a", soon + 1), CONFLICT);
    active_node(w, 1, "a");
    expect_unmet(assign(w, 0, 1, "a", soon), ZONE_TAKEN);
    active_node(w, 2, "b");
    active_node(w, 3, "c");
    expect_result(assign(w, 0, 2, "b", soon + 5000), OK);
    expect_unmet(assign(w, 0, 3, "c", soon), REPLICAS_ENOUGH);
    r = registration(w, 4, "d"), r.role = 4, r.node_class = -1;
    expect_result(enter(w, 4, &r), OK);
    expect_result(status(w, 4, DSDN_NODE_ACTIVE, 0), OK);
    expect_unmet(assign(w, 0, 4, "d", soon), NODE_ROLE);

    /* The first deadline passes: the assignment is as if it had never been. */
    assert_int_equal(node_row(w, 0)->used_bytes, 4097);
    pass(w, 1000);
    assert_int_equal(node_row(w, 0)->used_bytes, 0);
    assert_int_equal(node_row(w, 0)->replica_cnt, 0);
    assert_int_equal(chunk_row(w, 0)->holders_cnt, 1);
    expect_result(assign(w, 0, 3, "c", w->time_ms + 1000), OK);

    /* Room: 1 GiB of capacity, 64 MiB a chunk. */
    static uint8_t id[17][32];
    static const uint8_t big_object[32] = {0xAA};
    struct dsdn_ev_object_declared o = object_event(w, 1);
    o.object = big_object, o.size = 17ull * DSDN_CHUNK_MAX, o.chunk_count = 17;
    expect_result(play(w, &w->owner[0], dsdn_EVENT_object_declared, &o), OK);
    for (uint32_t i = 0; i < 17; i++) {
        id[i][0] = 0xAB, id[i][1] = (uint8_t)i;
        struct dsdn_ev_chunk_declared k = {.chunk = id[i],
                                           .object = big_object,
                                           .index = i,
                                           .size = DSDN_CHUNK_MAX,
                                           .leaf_size = 1 << 20,
                                           .leaf_root = tree_root};
        expect_result(play(w, &w->owner[0], dsdn_EVENT_chunk_declared, &k), OK);
        struct dsdn_ev_replica_assigned e = {id[i], w->node[1].key.public_key, text("a"),
                                             w->time_ms + DAY_MS};
        dsdn_outcome got = play(w, NULL, dsdn_EVENT_replica_assigned, &e);
        if (i < 16)
            expect_result(got, OK);
        else
            expect_unmet(got, CAPACITY_FULL);
    }
    r = registration(w, 5, "e"), r.tls_not_after = w->time_ms + 10;
    expect_result(enter(w, 5, &r), OK);
    expect_result(status(w, 5, DSDN_NODE_ACTIVE, 0), OK);
    r = registration(w, 6, "f"), r.binding_expiry = w->time_ms + 10;
    expect_result(enter(w, 6, &r), OK);
    expect_result(status(w, 6, DSDN_NODE_ACTIVE, 0), OK);
    pass(w, 10);
    expect_unmet(assign(w, 1, 5, "e", w->time_ms + 10), TLS_EXPIRED);
    expect_unmet(assign(w, 1, 6, "f", w->time_ms + 10), BINDING_EXPIRED);
    struct dsdn_ev_node_deregistered d = {w->node[5].key.public_key};
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
    expect_unmet(assign(w, 1, 5, "e", w->time_ms + 10), NODE_CLOSED);
    struct dsdn_ev_delete_requested gone = {chunk_ids[1], 1, 0};
    expect_result(play(w, &w->owner[0], dsdn_EVENT_delete_requested, &gone), OK);
    expect_unmet(assign(w, 1, 0, "a", w->time_ms + 10), DELETE_REQUESTED);
    world_free(w);
}

/* Rows as only a checkpoint that nobody verified can have them: any outcome will do, nothing breaks. */
static void test_made_up_rows(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    declare(w, 2, 3);
    for (int i = 0; i < 6; i++) active_node(w, i, (const char *[]){"a", "b", "c", "d", "e", "f"}[i]);
    uint32_t chunk = dsdn_chunk_find(state(w), chunk_ids[0]);
    struct dsdn_row_chunk *k = dsdn_chunk_edit(state(w), chunk), saved = *k;

    /* A status that there is not. */
    dsdn_node_edit(state(w), dsdn_node_find(state(w), w->node[5].key.public_key))->status = 200;
    expect_unmet(status(w, 5, DSDN_NODE_ACTIVE, 0), STATUS_TRANSITION);

    /* A replication factor above what a row has room for, and no room left. */
    dsdn_object_edit(state(w), k->object)->rf = 255;
    k->holders_cnt = DSDN_HOLDER_MAX;
    memset(k->holders, 0, sizeof k->holders); /* node 0, in zone a */
    expect_unmet(assign(w, 0, 1, "b", w->time_ms + DAY_MS), REPLICAS_ENOUGH);
    assert_int_equal(dsdn_chunk_at(state(w), chunk)->holders_cnt, DSDN_HOLDER_MAX);
    *dsdn_chunk_edit(state(w), chunk) = saved;

    /* A replica in no state there is, of a chunk without room. */
    expect_result(assign(w, 0, 1, "b", w->time_ms + DAY_MS), OK);
    uint8_t key[64];
    memcpy(key, chunk_ids[0], 32);
    memcpy(key + 32, w->node[1].key.public_key, 32);
    dsdn_replica_edit(state(w), dsdn_replica_find(state(w), key))->state = 9;
    dsdn_chunk_edit(state(w), chunk)->holders_cnt = DSDN_HOLDER_MAX;
    struct dsdn_ev_replica_healed healed = {chunk_ids[0], w->node[1].key.public_key};
    expect_result(play(w, NULL, dsdn_EVENT_replica_healed, &healed), LIMIT);
    *dsdn_chunk_edit(state(w), chunk) = saved;

    /* A chunk without bytes, or without leaves. */
    expect_result(assign(w, 0, 2, "c", w->time_ms + DAY_MS), OK);
    struct dsdn_ev_replica_added added = {.chunk = chunk_ids[0],
                                          .node = w->node[2].key.public_key,
                                          .leaf_root = saved.leaf_root,
                                          .proof_path = {saved.leaf_root, 1, 32}};
    dsdn_chunk_edit(state(w), chunk)->size = 0;
    expect_unmet(play(w, &w->node[2], dsdn_EVENT_replica_added, &added), PROOF_PATH);
    dsdn_chunk_edit(state(w), chunk)->size = saved.size;
    dsdn_chunk_edit(state(w), chunk)->leaf_size = 0;
    expect_unmet(play(w, &w->node[2], dsdn_EVENT_replica_added, &added), PROOF_PATH);

    /* A deadline of a replica whose chunk and node there are not. */
    struct dsdn_context c = {.state = state(w)};
    memset(key, 0xEE, sizeof key);
    must(dsdn_table_reserve(&state(w)->tables[dsdn_TABLE_replica], 1, &error));
    must(dsdn_table_reserve(&state(w)->tables[dsdn_sys_TABLE_deadline], 1, &error));
    dsdn_replica_edit(state(w), dsdn_replica_insert(state(w), key))->heal_from = DSDN_NO_ROW;
    dsdn_deadline_set(&c, DSDN_CLOCK_TIME, w->time_ms, DSDN_DEADLINE_ASSIGNMENT_END, key, sizeof key);
    dsdn_state_settle(state(w));
    pass(w, 1);
    assert_int_not_equal(dsdn_replica_find(state(w), key), DSDN_NO_ROW);

    /* A request that is there although its chunk says nothing of it. */
    uint8_t request[33] = {1};
    memcpy(request + 1, chunk_ids[1], 32);
    must(dsdn_table_reserve(&state(w)->tables[dsdn_TABLE_delete_request], 1, &error));
    dsdn_delete_request_insert(state(w), request);
    uint32_t requests = state(w)->tables[dsdn_TABLE_delete_request].live_cnt;
    struct dsdn_ev_delete_requested gone = {chunk_ids[1], 1, 4};
    expect_result(play(w, &w->owner[0], dsdn_EVENT_delete_requested, &gone), OK);
    assert_int_equal(state(w)->tables[dsdn_TABLE_delete_request].live_cnt, requests);
    world_free(w);
}

static void test_replicas(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    declare(w, 2, 3);
    static const char *const zones[6] = {"a", "b", "c", "d", "e", "f"};
    for (int i = 0; i < 6; i++) active_node(w, i, zones[i]);
    uint64_t soon = w->time_ms + 1000000;
    expect_unmet(add(w, 3, 0), CHUNK_UNKNOWN);
    expect_unmet(add(w, 0, 9), NODE_UNKNOWN);
    expect_unmet(add(w, 0, 0), REPLICA_UNKNOWN);
    for (int i = 0; i < 2; i++) expect_result(assign(w, 0, i, zones[i], soon), OK);

    /* The proof. */
    static const uint8_t origin[32];
    const uint8_t *id = w->node[0].key.public_key;
    uint8_t path[128];
    uint32_t leaf = dsdn_leaf_draw(origin, chunk_ids[0], id, 5), cnt = tree_path(leaf, path),
             other = (leaf + 1) % 5;
    struct dsdn_ev_replica_added e = {chunk_ids[0], id, tree_root, leaf, {path, cnt, 32 * cnt}};
    expect_result(play(w, &w->node[1], dsdn_EVENT_replica_added, &e), NOT_AUTHORISED);
    e.leaf_root = fingerprint;
    expect_result(play(w, &w->node[0], dsdn_EVENT_replica_added, &e), CONFLICT);
    e.leaf_root = tree_root, path[0] ^= 1;
    expect_unmet(play(w, &w->node[0], dsdn_EVENT_replica_added, &e), PROOF_PATH);
    cnt = tree_path(other, path), e.proof_leaf = other,
    e.proof_path = (struct dsdn_list){path, cnt, 32 * cnt};
    expect_unmet(play(w, &w->node[0], dsdn_EVENT_replica_added, &e), PROOF_LEAF);
    expect_unmet(healed(w, &w->node[0], 0, 0), PROOF_NEEDED);
    expect_unmet(missing(w, NULL, 0, 0), REPLICA_STATE);
    expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK);
    expect_unmet(add(w, 0, 0), NODE_STATUS);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    expect_result(add(w, 0, 0), OK);
    expect_result(add(w, 0, 0), NO_EFFECT);
    expect_result(healed(w, NULL, 0, 1), OK); /* the authority looked for itself */
    assert_int_equal(chunk_row(w, 0)->live_cnt, 2);
    assert_int_equal(state(w)->tables[dsdn_sys_TABLE_deadline].live_cnt, 0);

    /* Removal: not without a reason that the rows bear out. */
    for (int author = 0; author < 2; author++) {
        struct person *by = author ? &w->node[0] : NULL;
        expect_unmet(removed(w, by, 0, 0, 0), DELETE_NOT_REQUESTED);
        expect_unmet(removed(w, by, 0, 0, 1), REPLICA_NOT_SURPLUS);
        expect_unmet(removed(w, by, 0, 0, 2), REPLICA_NOT_SUSPECT);
        expect_unmet(removed(w, by, 0, 0, 3), NODE_NOT_CLOSED);
    }
    expect_result(removed(w, &w->node[1], 0, 0, 1), NOT_AUTHORISED);

    /* Missing, healed, replaced, surplus. */
    expect_result(missing(w, &w->owner[0], 0, 0), NOT_AUTHORISED);
    expect_result(missing(w, &w->node[3], 0, 0), OK);
    expect_result(missing(w, NULL, 0, 0), NO_EFFECT);
    expect_unmet(add(w, 0, 0), REPLICA_STATE);
    expect_result(healed(w, &w->node[1], 0, 0), NOT_AUTHORISED);
    expect_result(healed(w, &w->node[0], 0, 0), OK);
    expect_result(healed(w, &w->node[0], 0, 0), NO_EFFECT);
    expect_unmet(heal(w, 0, 1, 2), REPLICAS_ENOUGH);
    expect_result(missing(w, NULL, 0, 0), OK);
    expect_unmet(heal(w, 0, 0, 2), SOURCE_NOT_LIVE);
    expect_unmet(heal(w, 0, 3, 2), SOURCE_NOT_LIVE);
    expect_unmet(heal(w, 3, 0, 2), CHUNK_UNKNOWN);
    expect_unmet(heal(w, 0, 1, 9), NODE_UNKNOWN);
    expect_result(heal(w, 0, 1, 2), OK);
    expect_unmet(removed(w, NULL, 0, 2, 1), REPLICA_STATE);
    expect_result(add(w, 0, 2), OK);
    expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK);
    expect_unmet(healed(w, NULL, 0, 0), NODE_STATUS);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    expect_result(healed(w, NULL, 0, 0), OK); /* three live, two wanted */
    assert_int_equal(chunk_row(w, 0)->live_cnt, 3);
    expect_result(removed(w, &w->node[0], 0, 0, 1), OK);
    expect_unmet(removed(w, NULL, 0, 1, 1), REPLICA_NOT_SURPLUS);
    expect_result(missing(w, NULL, 0, 1), OK);
    expect_result(removed(w, NULL, 0, 1, 2), OK);
    assert_int_equal(chunk_row(w, 0)->holders_cnt + chunk_row(w, 0)->suspects_cnt, 1);

    /* A holder leaves; it may not come back before its replicas are gone. */
    struct dsdn_ev_node_deregistered d = {w->node[2].key.public_key};
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
    struct dsdn_ev_node_registered r = registration(w, 2, "c");
    expect_unmet(enter(w, 2, &r), NODE_HOLDS_REPLICAS);
    expect_result(removed(w, NULL, 0, 2, 3), OK);
    expect_result(enter(w, 2, &r), OK);

    /* Deletion reaches replicas in every state. */
    expect_result(assign(w, 1, 3, "d", soon), OK);
    expect_result(assign(w, 1, 4, "e", soon), OK);
    expect_result(add(w, 1, 3), OK);
    expect_result(assign(w, 2, 5, "f", soon), OK);
    expect_result(add(w, 2, 5), OK);
    expect_result(missing(w, NULL, 2, 5), OK);
    struct dsdn_ev_delete_requested gone = {object_id, 0, 0};
    expect_result(play(w, &w->owner[0], dsdn_EVENT_delete_requested, &gone), OK);
    expect_unmet(add(w, 1, 4), DELETE_REQUESTED);
    expect_unmet(healed(w, NULL, 2, 5), DELETE_REQUESTED);
    expect_result(removed(w, &w->node[3], 1, 3, 0), OK);
    expect_result(removed(w, NULL, 1, 4, 0), OK);
    expect_result(removed(w, NULL, 2, 5, 0), OK);
    expect_unmet(removed(w, NULL, 1, 3, 0), REPLICA_UNKNOWN);
    assert_int_equal(state(w)->tables[dsdn_TABLE_replica].live_cnt, 0);
    assert_int_equal(state(w)->tables[dsdn_sys_TABLE_deadline].live_cnt, 0);
    for (int i = 0; i < 6; i++) assert_int_equal(node_row(w, i)->used_bytes, 0);
    world_free(w);
}

/* Eight replicas may be suspect at once; the ninth report is refused. */
static void test_suspect_limit(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    declare(w, 16, 1);
    for (int i = 0; i < 9; i++) {
        char zone[2] = {(char)('a' + i), 0};
        active_node(w, i, zone);
        expect_result(assign(w, 0, i, zone, w->time_ms + 1000), OK);
        expect_result(add(w, 0, i), OK);
    }
    for (int i = 0; i < 8; i++) expect_result(missing(w, NULL, 0, i), OK);
    expect_result(missing(w, NULL, 0, 8), LIMIT);
    world_free(w);
}

/* Another origin hash draws another leaf: on a network with a primary the assignment's header decides. */
static void test_leaf_of_origin(void **unused)
{
    (void)unused;
    struct world *w = world_new(true);
    declare(w, 2, 1);
    active_node(w, 0, "a");
    uint8_t origin[32], path[128];
    uint64_t height = 0;
    const uint8_t *id = w->node[0].key.public_key;
    static const uint8_t zero[32];
    for (height = 101;; height++) { /* one where it differs from the leaf of no origin */
        dsdn_tagged("test", &height, 8, origin);
        if (dsdn_leaf_draw(origin, chunk_ids[0], id, 5) != dsdn_leaf_draw(zero, chunk_ids[0], id, 5)) break;
    }
    w->height = height;
    expect_result(assign(w, 0, 0, "a", w->time_ms + 1000), OK);
    w->height++;
    expect_unmet(add(w, 0, 0), PROOF_LEAF);
    uint32_t leaf = dsdn_leaf_draw(origin, chunk_ids[0], id, 5), cnt = tree_path(leaf, path);
    struct dsdn_ev_replica_added e = {chunk_ids[0], id, tree_root, leaf, {path, cnt, 32 * cnt}};
    expect_result(play(w, &w->node[0], dsdn_EVENT_replica_added, &e), OK);
    world_free(w);
}

/* ---- system ---- */

static void test_checkpoints(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    struct dsdn_ev_checkpoint_declared e = {0, tree_root};
    const int declared = dsdn_EVENT_checkpoint_declared;
    expect_unmet(play(w, NULL, declared, &e), SEQUENCE_AHEAD);
    e.sequence = 1;
    expect_unmet(play(w, NULL, declared, &e), SEQUENCE_STEP);
    e.sequence = 0;
    expect_result(play(w, &w->owner[0], declared, &e), NOT_AUTHORISED);
    expect_result(play(w, &w->validator, declared, &e), OK);
    expect_result(play(w, NULL, declared, &e), OK);
    expect_result(play(w, NULL, declared, &e), NO_EFFECT);
    e.root = fingerprint;
    expect_result(play(w, &w->validator, declared, &e), CONFLICT);
    assert_int_equal(state(w)->tables[dsdn_sys_TABLE_attestation].live_cnt, 2);
    struct dsdn_ev_genesis_declared g = w->genesis.event;
    expect_result(play(w, &w->founder[0], dsdn_EVENT_genesis_declared, &g), NOT_AUTHORISED);
    world_free(w);
}

struct vote { /* founder 0 with the approval of founder 1 */
    uint8_t approval[96];
};

static struct dsdn_list vote_of(struct world *w, struct vote *v)
{
    memcpy(v->approval, w->founder[1].key.public_key, 32);
    return (struct dsdn_list){v->approval, 1, sizeof v->approval};
}

static dsdn_outcome vote(struct world *w, struct vote *v, int event, const void *e)
{
    return play_signed(w, &w->founder[0], event, e, v->approval + 32, "approvals", &w->founder[1]);
}

static void test_parameters(void **unused)
{
    (void)unused;
    struct vote v;
    struct world *w = world_new(false);
    struct dsdn_ev_param_changed good = {.key = text("attest_every"),
                                         .old_value = 1000,
                                         .new_value = 500,
                                         .effective = 110,
                                         .approvals = vote_of(w, &v)},
                                 e = good;
    const int changed = dsdn_EVENT_param_changed;
    expect_unmet(vote(w, &v, changed, &e), NO_PRIMARY);
    world_free(w);

    w = world_new(true);
    e.approvals = (struct dsdn_list){v.approval, 0, 0};
    expect_result(play(w, &w->founder[0], changed, &e), NOT_AUTHORISED);
    e = good, e.key = text("nothing");
    expect_unmet(vote(w, &v, changed, &e), PARAMETER_UNKNOWN);
    e = good, e.effective = 99;
    expect_unmet(vote(w, &v, changed, &e), HEIGHT_PAST);
    e = good, e.new_value = 0;
    expect_unmet(vote(w, &v, changed, &e), PARAMETER_RANGE);
    e = good, e.old_value = 7;
    expect_unmet(vote(w, &v, changed, &e), PARAMETER_OLD_VALUE);
    e = good, e.new_value = 1000;
    expect_result(vote(w, &v, changed, &e), NO_EFFECT);
    expect_result(vote(w, &v, changed, &good), OK);
    expect_result(vote(w, &v, changed, &good), NO_EFFECT);
    e = good, e.new_value = 600;
    expect_result(vote(w, &v, changed, &e), CONFLICT);
    assert_int_equal(DSDN_SETTING(state(w), attest_every), 1000);
    w->height = 109;
    pass(w, 1);
    assert_int_equal(DSDN_SETTING(state(w), attest_every), 1000);
    w->height = 115;
    pass(w, 1);
    assert_int_equal(DSDN_SETTING(state(w), attest_every), 500);
    world_free(w);
}

static void test_authority(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    const int replaced = dsdn_EVENT_authority_replaced;
    uint8_t seats[4][98];
    for (uint8_t i = 0; i < 4; i++) {
        memset(seats[i], 0x60 + i, 96);
        seats[i][96] = (uint8_t)(i + 1), seats[i][97] = 0;
    }
    const struct dsdn_list committee = {seats[0], 4, sizeof seats};
    struct dsdn_ev_authority_replaced e = {.publisher = NULL};
    expect_unmet(play(w, NULL, replaced, &e), AUTHORITY_SHAPE);
    e.publisher = (const uint8_t[32]){0};
    expect_unmet(play(w, NULL, replaced, &e), AUTHORITY_SHAPE);
    e = (struct dsdn_ev_authority_replaced){.publisher = tree_root, .group_public = tree_root};
    expect_unmet(play(w, NULL, replaced, &e), AUTHORITY_SHAPE);
    e = (struct dsdn_ev_authority_replaced){.committee = committee, .threshold = 3};
    expect_unmet(play(w, NULL, replaced, &e), AUTHORITY_SHAPE);
    e.group_public = tree_root, e.threshold = 2;
    expect_unmet(play(w, NULL, replaced, &e), AUTHORITY_THRESHOLD);
    e.threshold = 3;
    seats[3][96] = 1; /* two seats with one share */
    expect_unmet(play(w, NULL, replaced, &e), AUTHORITY_SHAPE);
    seats[3][96] = 4;
    memcpy(seats[3], seats[0], 32); /* one member in two seats */
    expect_unmet(play(w, NULL, replaced, &e), AUTHORITY_SHAPE);
    memset(seats[3], 0x63, 32);
    expect_result(play(w, NULL, replaced, &e), OK);
    assert_memory_equal(dsdn_head(state(w))->authority, tree_root, 32);
    assert_int_equal(dsdn_head(state(w))->authority_epoch, 1);
    assert_int_equal(state(w)->tables[dsdn_sys_TABLE_committee_member].live_cnt, 4);
    expect_result(play(w, NULL, replaced, &e), NO_EFFECT);
    e = (struct dsdn_ev_authority_replaced){.publisher = w->coordinator.key.public_key, .threshold = 1};
    expect_unmet(play(w, NULL, replaced, &e), AUTHORITY_THRESHOLD);
    e.threshold = 0;
    expect_result(play(w, NULL, replaced, &e), OK);
    assert_int_equal(state(w)->tables[dsdn_sys_TABLE_committee_member].live_cnt, 0);
    world_free(w);
}

static void test_upgrades(void **unused)
{
    (void)unused;
    struct world *w = world_new(true);
    struct vote v;
    const int scheduled = dsdn_EVENT_upgrade_scheduled, cancelled = dsdn_EVENT_upgrade_cancelled;
    struct dsdn_ev_upgrade_scheduled good = {.major = 1,
                                             .minor = 1,
                                             .height = 200,
                                             .migration = tree_root,
                                             .approvals = vote_of(w, &v)},
                                     e = good;
    struct dsdn_ev_upgrade_cancelled c = {.major = 1, .minor = 1, .height = 200, .approvals = good.approvals};
    e.approvals = (struct dsdn_list){v.approval, 0, 0};
    expect_result(play(w, &w->founder[0], scheduled, &e), NOT_AUTHORISED);
    e = good, e.minor = 0;
    expect_unmet(vote(w, &v, scheduled, &e), VERSION_NOT_NEWER);
    e = good, e.height = 100;
    expect_unmet(vote(w, &v, scheduled, &e), HEIGHT_PAST);
    expect_unmet(vote(w, &v, cancelled, &c), UPGRADE_UNKNOWN);
    expect_result(vote(w, &v, scheduled, &good), OK);
    expect_result(vote(w, &v, scheduled, &good), NO_EFFECT);
    e = good, e.migration = fingerprint;
    expect_result(vote(w, &v, scheduled, &e), CONFLICT);
    e = good, e.height = 201;
    expect_unmet(vote(w, &v, scheduled, &e), UPGRADE_ORDER); /* the same version twice */
    e = good, e.height = 150, e.minor = 2;
    expect_unmet(vote(w, &v, scheduled, &e), UPGRADE_ORDER); /* a later height would lower the version */
    for (uint16_t i = 1; i <= 16; i++) {
        e = good, e.minor = (uint16_t)(1 + i), e.height = 200u + i;
        dsdn_outcome got = vote(w, &v, scheduled, &e);
        if (i < 16)
            expect_result(got, OK);
        else
            expect_result(got, LIMIT);
    }
    c.approvals = (struct dsdn_list){v.approval, 0, 0};
    expect_result(play(w, &w->founder[0], cancelled, &c), NOT_AUTHORISED);
    c.approvals = good.approvals;
    expect_result(vote(w, &v, cancelled, &c), OK);
    expect_unmet(vote(w, &v, cancelled, &c), UPGRADE_UNKNOWN);
    assert_int_equal(state(w)->tables[dsdn_sys_TABLE_upgrade].live_cnt, 15);
    world_free(w);

    w = world_new(false); /* by batch sequence */
    e = good, e.approvals = vote_of(w, &v), e.height = w->sequence;
    expect_unmet(vote(w, &v, scheduled, &e), HEIGHT_PAST);
    e.height = w->sequence + 10;
    expect_result(vote(w, &v, scheduled, &e), OK);
    world_free(w);
}

/* What the engine decides before a reducer, so that the list of outcomes is complete. */
static void test_bundle_outcomes(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    struct dsdn_ev_object_declared o = object_event(w, 3);
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_object_declared];
    uint8_t payload[512];
    uint32_t len;
    must(dsdn_event_encode(desc, desc->version, &o, payload, sizeof payload, &len, &error));
    expect_result(play(w, NULL, dsdn_EVENT_object_declared, &o), NOT_AUTHORISED);
    w->owner[0].nonce = 100;
    expect_result(play_payload(w, &w->owner[0], dsdn_EVENT_object_declared, payload, len, false), OK);
    expect_result(play_payload(w, &w->owner[0], dsdn_EVENT_object_declared, payload, len, false), DUPLICATE);
    w->owner[0].nonce = 36;
    expect_result(play_payload(w, &w->owner[0], dsdn_EVENT_object_declared, payload, len, false), STALE);
    must(dsdn_batch_builder_begin(w->builder, DSDN_BUNDLE_POOL, w->owner[0].key.public_key, 101,
                                  w->time_ms - 1, &error));
    must(dsdn_batch_builder_event(w->builder, desc->type, desc->version, payload, len, &error));
    must(dsdn_batch_builder_end(w->builder, w->genesis.hash, &w->owner[0].key, &error));
    batch_apply(w, false);
    expect_result(w->prepared.outcomes[0], EXPIRED);
    reached_outcome[DSDN_OUTCOME_EXPIRED] = true;
    world_free(w);
}

/* Runs last: nothing in codes.def is dead, and every outcome occurred but DISABLED, which no event of this
 * feature level has. */
static void test_everything_reached(void **unused)
{
    (void)unused;
    for (const struct dsdn_code_name *c = dsdn_catalogue.codes; c->name; c++)
        if (!reached_code[c->code]) fail_msg("no test reaches %s", c->name);
    for (int i = 0; i < DSDN_OUTCOME_CNT; i++)
        if (i != DSDN_OUTCOME_DISABLED && !reached_outcome[i])
            fail_msg("no test reaches %s", dsdn_outcome_name((uint8_t)i));
    for (const struct dsdn_code_name *c = dsdn_catalogue.codes; c[1].name; c++)
        assert_true(c[0].code < c[1].code);
}

int main(void)
{
    if (dsdn_sign_self_test(&error)) return 1;
    tree_make();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registration),    cmocka_unit_test(test_updates),
        cmocka_unit_test(test_status),          cmocka_unit_test(test_bans_and_founders),
        cmocka_unit_test(test_objects),         cmocka_unit_test(test_paths),
        cmocka_unit_test(test_assignment),      cmocka_unit_test(test_made_up_rows),
        cmocka_unit_test(test_replicas),
        cmocka_unit_test(test_suspect_limit),   cmocka_unit_test(test_leaf_of_origin),
        cmocka_unit_test(test_checkpoints),     cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_authority),       cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_bundle_outcomes), cmocka_unit_test(test_everything_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
