/* The reducers of family node at feature level 0: registry, papers, heartbeats, decisions, bans. */
#include "roles_util.h"

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
    assert_int_equal(node_row(w, 0)->cause, DSDN_CAUSE_REGISTERED);
    assert_int_equal(node_row(w, 0)->status_ms, w->time_ms);
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
            bool decided = from || table[from][to] == 'O';
            assert_int_equal(node_row(w, 0)->cause, decided ? DSDN_CAUSE_DECISION : DSDN_CAUSE_REGISTERED);
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
    assert_int_equal(deadlines(w), 1);
    pass(w, 1999);
    assert_int_equal(node_row(w, 0)->status, DSDN_NODE_BANNED);
    pass(w, 1);
    assert_int_equal(node_row(w, 0)->status, DSDN_NODE_PENDING);
    assert_int_equal(node_row(w, 0)->cause, DSDN_CAUSE_BAN_ENDED);
    assert_int_equal(node_row(w, 0)->status_ms, w->time_ms);
    assert_int_equal(node_row(w, 0)->banned_until, 0);
    assert_int_equal(deadlines(w), 0);

    /* 2^64 - 1 is no end, said or not. */
    expect_result(status(w, 0, DSDN_NODE_BANNED, UINT64_MAX), OK);
    assert_int_equal(deadlines(w), 0);
    expect_result(status(w, 0, DSDN_NODE_BANNED, 0), NO_EFFECT);
    expect_result(status(w, 0, DSDN_NODE_PENDING, 0), OK);
    assert_int_equal(deadlines(w), 0);

    /* A ban outlives deregistration. */
    expect_result(status(w, 0, DSDN_NODE_BANNED, w->time_ms + 5000), OK);
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
    assert_int_equal(deadlines(w), 0);
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

/* A zone is made by the first node that names it; there are at most 1024. */
static void test_zone_limit(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    w->made_up = true; /* zones by hand, but for the last */
    must(dsdn_table_reserve(&state(w)->tables[dsdn_TABLE_zone], 1024, &error));
    for (uint32_t i = 0; i < 1023; i++) {
        uint8_t name[32] = {'z', (uint8_t)('a' + i % 26), (uint8_t)('a' + i / 26 % 26),
                            (uint8_t)('a' + i / 676)};
        dsdn_zone_insert(state(w), name);
    }
    dsdn_state_settle(state(w));
    struct dsdn_ev_node_registered r = registration(w, 0, "last");
    expect_result(enter(w, 0, &r), OK);
    r = registration(w, 1, "too many");
    expect_result(enter(w, 1, &r), LIMIT);
    r.zone = text("last");
    expect_result(enter(w, 1, &r), OK);
    struct dsdn_ev_node_updated u = {r.node_id, text("too many"), text("h:1"), 1};
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_updated, &u), LIMIT);
    u.zone = text("zaaa");
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_updated, &u), OK);
    assert_int_equal(zone_row(w, "zaaa")->node_cnt, 1);
    world_free(w);
}

/* The ring follows status, capacity and zone; check_books has the rule, here is what it amounts to. */
static void test_ring(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    struct person *op = &w->operator[0];
    struct dsdn_ev_node_registered r = registration(w, 0, "a");
    expect_result(enter(w, 0, &r), OK);
    assert_int_equal(zone_row(w, "a")->ring_cnt, 0);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    assert_int_equal(zone_row(w, "a")->ring_cnt, 1);
    struct dsdn_ev_node_updated u = {r.node_id, text("b"), text("h:1"), 3};
    expect_result(play(w, op, dsdn_EVENT_node_updated, &u), OK);
    assert_int_equal(zone_row(w, "a")->ring_cnt, 0);
    assert_int_equal(zone_row(w, "b")->ring_cnt, 1);
    expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK);
    assert_int_equal(zone_row(w, "b")->ring_cnt, 0);
    u.zone = text("a"); /* moves while it is off the ring */
    expect_result(play(w, op, dsdn_EVENT_node_updated, &u), OK);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    assert_int_equal(zone_row(w, "a")->ring_cnt, 1);
    struct dsdn_ev_node_deregistered d = {r.node_id};
    expect_result(play(w, op, dsdn_EVENT_node_deregistered, &d), OK);
    assert_int_equal(zone_row(w, "a")->ring_cnt, 0);
    r = registration(w, 1, "a"), r.role = 2, r.node_class = -1; /* no storage node */
    expect_result(enter(w, 1, &r), OK);
    expect_result(status(w, 1, DSDN_NODE_ACTIVE, 0), OK);
    assert_int_equal(zone_row(w, "a")->ring_cnt, 0);
    world_free(w);
}

static void test_codes(void **unused)
{
    (void)unused;
    /* Those about replicas and stake are reached by test_roles_replica.c and test_roles_life.c. */
    check_codes_reached(1, 3);
    check_codes_reached(5, 11);
    check_codes_reached(13, 15);
}

int main(void)
{
    if (dsdn_sign_self_test(&error)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registration), cmocka_unit_test(test_updates),
        cmocka_unit_test(test_status),       cmocka_unit_test(test_bans_and_founders),
        cmocka_unit_test(test_zone_limit),   cmocka_unit_test(test_ring),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
