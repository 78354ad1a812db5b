/* The reducers of families system and upgrade, and what the engine decides before a reducer. */
#include "roles_util.h"

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
    expect_result(
        play_signed(w, &w->founder[0], changed, &good, v.approval + 32, "approvals", &w->founder[2]),
        BAD_SIGNATURE);
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

/* Runs last: every outcome occurred but DISABLED, which needs another feature level (test_roles_life.c). */
static void test_everything_reached(void **unused)
{
    (void)unused;
    check_codes_reached(96, 127);
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
        cmocka_unit_test(test_checkpoints),     cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_authority),       cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_bundle_outcomes), cmocka_unit_test(test_everything_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
