/* What the engine itself decides beside nonces and deadlines: who may publish around a hand-off, which
 * feature level an event needs, what the parameters are; and what a genesis with a committee makes. */
#include "tests/engine_util.h"

#include "roles/dsdn.h"
#include "roles/tables.h"

enum { FROM = 5000 }; /* next_from of the hand-offs here */

static struct dsdn_state *edit(struct log *l)
{
    return dsdn_engine_state_for_restore(l->engine);
}

static uint32_t committee_row(struct log *l, uint64_t epoch)
{
    uint8_t key[8];
    dsdn_store64_be(key, epoch);
    return dsdn_sys_committee_find(log_state(l), key);
}

static void committee_put(struct log *l, uint64_t epoch, uint8_t state)
{
    uint8_t key[8];
    dsdn_store64_be(key, epoch);
    assert_int_equal(dsdn_table_reserve(&edit(l)->tables[dsdn_sys_TABLE_committee], 1, NULL), DSDN_OK);
    dsdn_sys_committee_edit(edit(l), dsdn_sys_committee_insert(edit(l), key))->state = state;
}

static void announce(struct log *l, const struct dsdn_sign_key *next, uint64_t epoch)
{
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(edit(l), 0);
    memcpy(head->next_authority, next->public_key, 32);
    head->next_epoch = epoch;
    head->next_from = FROM;
}

/* Judges an empty batch by this key. */
#define expect_batch(l, key, epoch, time, code)                                                              \
    do {                                                                                                     \
        memcpy((l)->next.publisher, (key)->public_key, 32);                                                  \
        (l)->next.committee_epoch = (epoch);                                                                 \
        (l)->next.time_ms = (time);                                                                          \
        log_expect(l, code);                                                                                 \
    } while (0)

static void test_hand_off(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_sign_key next = key_of(201), other = key_of(202);
    log_open(&l, &(struct log_options){.catalogue = &dsdn_catalogue, .engine = {.fingerprint = true}});
    committee_put(&l, 0, 1);
    committee_put(&l, 1, 2);
    expect_batch(&l, &next, 1, FROM, DSDN_E_AUTHORITY); /* nothing was announced */
    announce(&l, &next, 1);
    const uint8_t *old_key = l.authority.public_key, *next_key = next.public_key;
    static const uint8_t nobody[32];
    assert_int_equal(dsdn_engine_right(l.engine, old_key, 0), DSDN_RIGHT_CURRENT);
    assert_int_equal(dsdn_engine_right(l.engine, old_key, 1), DSDN_RIGHT_UNKNOWN);
    assert_int_equal(dsdn_engine_right(l.engine, next_key, 1), DSDN_RIGHT_ANNOUNCED);
    assert_int_equal(dsdn_engine_right(l.engine, next_key, 0), DSDN_RIGHT_UNKNOWN);
    assert_int_equal(dsdn_engine_right(l.engine, nobody, 1), DSDN_RIGHT_UNKNOWN);
    expect_batch(&l, &next, 1, FROM - 1, DSDN_E_AUTHORITY);
    expect_batch(&l, &next, 1, FROM, DSDN_OK);
    expect_batch(&l, &next, 0, FROM, DSDN_E_AUTHORITY);
    expect_batch(&l, &next, 2, FROM, DSDN_E_AUTHORITY);
    expect_batch(&l, &other, 1, FROM, DSDN_E_AUTHORITY);
    expect_batch(&l, &l.authority, 1, FROM, DSDN_E_AUTHORITY);
    expect_batch(&l, &l.authority, 0, FROM + 1, DSDN_OK); /* the old one until then */

    l.next.time_ms = FROM;
    log_apply(&l); /* by the old authority: changes nothing */
    const struct dsdn_sys_row_head *head = dsdn_head(log_state(&l));
    assert_int_equal(head->authority_epoch, 0);
    assert_memory_equal(head->next_authority, next_key, 32);
    assert_int_equal(dsdn_sys_committee_at(log_state(&l), committee_row(&l, 0))->state, 1);

    memcpy(l.next.publisher, next_key, 32);
    l.next.committee_epoch = 1;
    log_apply(&l);
    head = dsdn_head(log_state(&l));
    assert_memory_equal(head->authority, next_key, 32);
    assert_int_equal(head->authority_epoch, 1);
    assert_int_equal(head->committee_epoch, 1);
    assert_true(dsdn_zero32(head->next_authority));
    assert_int_equal(head->next_epoch, 0);
    assert_int_equal(head->next_from, 0);
    assert_int_equal(dsdn_sys_committee_at(log_state(&l), committee_row(&l, 0))->state, 3);
    assert_int_equal(dsdn_sys_committee_at(log_state(&l), committee_row(&l, 1))->state, 1);
    expect_batch(&l, &l.authority, 0, FROM, DSDN_E_AUTHORITY);
    expect_batch(&l, &next, 1, FROM, DSDN_OK);
    assert_int_equal(dsdn_engine_right(l.engine, nobody, 0), DSDN_RIGHT_UNKNOWN);
    log_close(&l);
}

/* The change of epoch comes before every event of the batch, and needs no rows of committees. */
static void test_hand_off_first(void **state)
{
    (void)state;
    struct log l;
    struct dsdn_sign_key next = key_of(201);
    static const uint8_t seed[32];
    log_open(&l, &(struct log_options){.catalogue = &dsdn_catalogue});
    announce(&l, &next, 1);
    memcpy(l.next.publisher, next.public_key, 32);
    l.next.committee_epoch = 1;
    l.next.time_ms = FROM;
    uint8_t member[98] = {1, [97] = 0, [96] = 1};
    struct dsdn_ev_committee_formed formed = {.epoch = 2,
                                              .members = {member, 1, 98},
                                              .threshold = 1,
                                              .group_public = next.public_key,
                                              .duration_s = 1,
                                              .method = 1,
                                              .seed = seed};
    log_bundle(&l, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
    log_event(&l, dsdn_EVENT_committee_formed, 1, &formed); /* epoch 2 is the next of 1 */
    log_end(&l);
    log_apply(&l);
    assert_int_equal(l.prepared.outcomes[0], DSDN_OUTCOME_OK);
    assert_int_equal(dsdn_head(log_state(&l))->authority_epoch, 1);
    assert_int_equal(committee_row(&l, 0), DSDN_NO_ROW);
    assert_int_equal(dsdn_sys_committee_at(log_state(&l), committee_row(&l, 2))->state, 0);
    log_close(&l);
}

/* ---- feature levels ---- */

static struct dsdn_genesis at_level(const struct dsdn_genesis *from, uint8_t level)
{
    struct dsdn_ev_genesis_declared g = from->event;
    struct dsdn_genesis genesis;
    g.feature_level = level;
    assert_int_equal(dsdn_genesis_encode(&genesis, &g, NULL), DSDN_OK);
    return genesis;
}

/* One event in a bundle of this kind: its outcome. */
static dsdn_outcome outcome_of(struct log *l, uint8_t kind, uint64_t nonce, uint64_t valid_until,
                               uint32_t event, const void *fields)
{
    struct dsdn_sign_key author = key_of(33);
    log_bundle(l, kind, kind == DSDN_BUNDLE_AUTHORITY ? NULL : &author, nonce, valid_until);
    log_event(l, event, 1, fields);
    log_end(l);
    log_apply(l);
    return l->prepared.outcomes[0];
}

static void test_levels(void **state)
{
    (void)state;
    static const uint8_t zero[32], to[32] = {1};
    struct log plain;
    log_open(&plain, &(struct log_options){.catalogue = &dsdn_catalogue});
    const struct dsdn_ev_transfer transfer = {.to = to, .amount = {0, 5}};
    const struct dsdn_ev_audit_record_posted record = {
        .log_type = 1, .prev = zero, .ref = zero, .body_hash = zero};
    const struct dsdn_ev_node_deregistered leave = {.node_id = to};
    for (uint8_t level = 0; level <= 2; level++) {
        struct dsdn_genesis genesis = at_level(&plain.genesis, level);
        struct log l;
        log_open(&l, &(struct log_options){.catalogue = &dsdn_catalogue, .genesis = &genesis});
        dsdn_outcome disabled = DSDN_OUTCOME(DSDN_OUTCOME_DISABLED, 0), got;
        got = outcome_of(&l, DSDN_BUNDLE_POOL, 1, 0, dsdn_EVENT_transfer, &transfer);
        assert_true((got == disabled) == (level == 0));
        got = outcome_of(&l, DSDN_BUNDLE_POOL, 2, 0, dsdn_EVENT_audit_record_posted, &record);
        assert_true((got == disabled) == (level == 0));
        got = outcome_of(&l, DSDN_BUNDLE_POOL, 3, 0, dsdn_EVENT_node_deregistered, &leave);
        assert_true(DSDN_OUTCOME_NUMBER(got) == DSDN_OUTCOME_PRECONDITION);
        /* What is judged before the level. */
        got = outcome_of(&l, DSDN_BUNDLE_POOL, 1, 0, dsdn_EVENT_transfer, &transfer);
        assert_int_equal(got, DSDN_OUTCOME_DUPLICATE);
        got = outcome_of(&l, DSDN_BUNDLE_POOL, 4, 1, dsdn_EVENT_transfer, &transfer);
        assert_int_equal(got, DSDN_OUTCOME_EXPIRED);
        got = outcome_of(&l, DSDN_BUNDLE_AUTHORITY, 0, 0, dsdn_EVENT_transfer, &transfer);
        assert_int_equal(got, DSDN_OUTCOME_NOT_AUTHORISED);
        /* A genesis makes the one row of supply from level 1 on. */
        assert_int_equal(log_state(&l)->tables[dsdn_TABLE_supply].live_cnt, level > 0);
        log_close(&l);
        dsdn_genesis_free(&genesis);
    }
    log_close(&plain);
}

/* ---- genesis ---- */

static void test_committee_genesis(void **state)
{
    (void)state;
    struct log plain, l;
    uint8_t validators[42 * 2] = {0}, members[98 * 2] = {0};
    struct dsdn_sign_key group = key_of(9);
    log_open(&plain, &(struct log_options){.catalogue = &dsdn_catalogue, .members = 3});
    struct dsdn_ev_genesis_declared g = plain.genesis.event;
    for (uint8_t i = 0; i < 2; i++) {
        validators[42 * i] = i + 1;
        dsdn_store64(validators + 42 * i + 33, 70u + i);
        members[98 * i] = 0xA0 + i; /* coordinator_id */
        members[98 * i + 32] = i + 1;
        members[98 * i + 96] = i + 1;
    }
    g.coordinator = NULL;
    g.validators = (struct dsdn_list){validators, 2, sizeof validators};
    g.committee = (struct dsdn_list){members, 2, sizeof members};
    g.committee_threshold = 2;
    g.group_public = group.public_key;
    g.quorum_threshold_pct = 80;
    struct dsdn_genesis genesis;
    assert_int_equal(dsdn_genesis_encode(&genesis, &g, NULL), DSDN_OK);
    log_open(&l, &(struct log_options){.catalogue = &dsdn_catalogue, .genesis = &genesis});
    const struct dsdn_state *s = log_state(&l);
    assert_int_equal(dsdn_head(s)->quorum_pct, 80);
    assert_memory_equal(dsdn_head(s)->authority, group.public_key, 32);
    assert_int_equal(s->tables[dsdn_sys_TABLE_committee].live_cnt, 1);
    struct dsdn_sys_row_committee expected = {.threshold = 2, .state = 1};
    memcpy(expected.group_public, group.public_key, 32);
    assert_memory_equal(dsdn_sys_committee_at(s, committee_row(&l, 0)), &expected, sizeof expected);
    assert_int_equal(s->tables[dsdn_sys_TABLE_committee_member].live_cnt, 2);
    for (uint8_t i = 0; i < 2; i++) {
        uint32_t row = dsdn_sys_validator_find(s, validators + 42 * i);
        assert_true(row != DSDN_NO_ROW);
        assert_int_equal(dsdn_sys_validator_at(s, row)->status, 1);
        assert_int_equal(dsdn_sys_validator_at(s, row)->since_ms, 1000);
        assert_int_equal(dsdn_sys_validator_at(s, row)->stake, 70u + i);
    }
    assert_int_equal(log_state(&plain)->tables[dsdn_sys_TABLE_committee].live_cnt, 0);
    assert_int_equal(dsdn_head(log_state(&plain))->quorum_pct, 67);
    log_close(&l);
    log_close(&plain);
    dsdn_genesis_free(&genesis);
}

/* ---- parameters ---- */

static void pend(struct log *l, uint64_t height, const char *name, int64_t value)
{
    uint8_t key[12] = {0};
    dsdn_store64_be(key, height);
    struct dsdn_state *s = edit(l);
    key[11] = (uint8_t)s->tables[dsdn_sys_TABLE_pending_param].live_cnt;
    assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_sys_TABLE_pending_param], 1, NULL), DSDN_OK);
    struct dsdn_sys_row_pending_param *p =
        dsdn_sys_pending_param_edit(s, dsdn_sys_pending_param_insert(s, key));
    p->name_len = (uint8_t)strlen(name);
    memcpy(p->name, name, p->name_len);
    p->value = value;
    dsdn_state_settle(s);
}

static void to_height(struct log *l, uint64_t height)
{
    l->next.origin.height = height;
    memset(l->next.origin.hash, (int)height, 32);
    log_apply(l);
}

static void test_parameters(void **state)
{
    (void)state;
    struct log l;
    uint8_t operator[32] = {7};
    char name[DSDN_OPERATOR_NAME];
    dsdn_operator_parameter(operator, name);
    log_open(&l, &(struct log_options){.catalogue = &dsdn_catalogue,
                                       .primary = true,
                                       .parameters = {{"ban_ms", 4000}, {name, 1}}});
    const struct dsdn_state *s = log_state(&l);
    assert_int_equal(DSDN_SETTING(s, ban_ms), 4000);
    assert_int_equal(DSDN_SETTING(s, fork_window), 2000);
    assert_int_equal(dsdn_parameter_named(s, name), 1);
    assert_true(dsdn_operator_allowed(s, operator));
    operator[31] = 1;
    assert_false(dsdn_operator_allowed(s, operator));
    operator[31] = 0;
    pend(&l, 110, "ban_ms", 5000);
    pend(&l, 111, "fork_window", 7);
    pend(&l, 111, name, 0);
    to_height(&l, 109);
    assert_int_equal(DSDN_SETTING(s, ban_ms), 4000);
    to_height(&l, 110);
    assert_int_equal(DSDN_SETTING(s, ban_ms), 5000);
    assert_int_equal(DSDN_SETTING(s, fork_window), 2000);
    to_height(&l, 112);
    assert_int_equal(DSDN_SETTING(s, fork_window), 7);
    assert_false(dsdn_operator_allowed(s, operator));
    log_close(&l);
}

/* A restored engine reads its parameters from the rows, and refuses values out of range. */
static void test_restored_parameters(void **state)
{
    (void)state;
    for (int64_t value = 0; value < 3; value++) {
        struct dsdn_engine *e;
        assert_int_equal(dsdn_engine_new(&dsdn_catalogue, NULL, &e, NULL), DSDN_OK);
        struct dsdn_state *s = dsdn_engine_state_for_restore(e);
        const uint8_t key[48] = "gate_pilot";
        dsdn_sys_head_insert(s, "\0");
        dsdn_sys_parameter_edit(s, dsdn_sys_parameter_insert(s, key))->value = value;
        assert_int_equal(DSDN_SETTING(s, gate_pilot), 0);
        assert_int_equal(dsdn_engine_restored(e, NULL), value > 1 ? DSDN_E_MALFORMED : DSDN_OK);
        if (value <= 1) assert_int_equal(DSDN_SETTING(s, gate_pilot), value);
        dsdn_engine_free(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hand_off),   cmocka_unit_test(test_hand_off_first),
        cmocka_unit_test(test_levels),     cmocka_unit_test(test_committee_genesis),
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_restored_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
