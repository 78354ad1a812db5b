/* Stake: deposits and withdrawals in the order of their checks, unbonding to the millisecond, nodes that
 * follow. */
#include "tests/chain_util.h"

/* What a person staked behind a key. */
static const struct dsdn_row_stake *stake_by(struct chain *c, const uint8_t id[32], int staker)
{
    return dsdn_chain_stake(chain_state(c), id, key_bytes(c, staker));
}

static const struct dsdn_row_stake *stake(struct chain *c, const uint8_t id[32])
{
    return stake_by(c, id, ALICE);
}

static void deposits_check_in_order(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t node[32], closed[32];
    chain_open(&c, NULL);
    made_key(1, node), made_key(2, closed);
    chain_node(&c, node, DSDN_NODE_ROLE_STORAGE, 0, DSDN_NODE_PENDING);
    chain_node(&c, closed, DSDN_NODE_ROLE_STORAGE, 0, DSDN_NODE_CLOSED);

    /* Each line mends the first fault of the one before. */
    struct dsdn_ev_stake_deposited e = {
        .staker = key_bytes(&c, ALICE), .beneficiary = node, .amount = {1, 0}};
    gives(DSDN_RESULT(NOT_AUTHORISED), chain_event(&c, BOB, dsdn_EVENT_stake_deposited, &e));
    gives(NO(ASSET_UNKNOWN), chain_event(&c, ALICE, dsdn_EVENT_stake_deposited, &e));
    e.amount.asset = 0;
    gives(NO(STAKE_ROLE), chain_event(&c, ALICE, dsdn_EVENT_stake_deposited, &e));
    e.role = 2;
    gives(NO(AMOUNT_ZERO), chain_event(&c, ALICE, dsdn_EVENT_stake_deposited, &e));
    e.amount.units = 1000 * TOKEN + 1;
    gives(NO(STAKE_OWNER), chain_event(&c, ALICE, dsdn_EVENT_stake_deposited, &e)); /* not its own key */
    e.role = 1;
    gives(NO(BALANCE_TOO_LOW), chain_event(&c, ALICE, dsdn_EVENT_stake_deposited, &e));
    e.amount.units = 10;
    gives(OK, chain_event(&c, ALICE, dsdn_EVENT_stake_deposited, &e));
    assert_int_equal(stake(&c, node)->amount, 10);
    assert_int_equal(stake(&c, node)->role, 1);
    gives(OK, chain_event(&c, ALICE, dsdn_EVENT_stake_deposited, &e)); /* it adds up */
    assert_int_equal(dsdn_stake_of(chain_state(&c), node, key_bytes(&c, ALICE), 1), 20);
    assert_int_equal(dsdn_stake_of(chain_state(&c), node, key_bytes(&c, ALICE), 2), 0);
    assert_int_equal(dsdn_stake_of(chain_state(&c), node, key_bytes(&c, BOB), 1), 0);
    assert_int_equal(chain_balance(&c, ALICE), 1000 * TOKEN - 20);
    gives(NO(BALANCE_TOO_LOW), chain_deposit(&c, DAVE, key_bytes(&c, DAVE), 1, 1)); /* no account */
    gives(OK, chain_deposit(&c, ALICE, key_bytes(&c, CAROL), 1, 1));                /* no node there yet */
    gives(OK, chain_deposit(&c, ALICE, key_bytes(&c, ALICE), 1, 1));
    gives(NO(STAKE_ROLE), chain_deposit(&c, ALICE, key_bytes(&c, ALICE), 2, 1));
    gives(OK, chain_deposit(&c, BOB, closed, 1, 500 * TOKEN)); /* a node that left */
    assert_int_equal(chain_balance(&c, BOB), 0);
    assert_int_equal(chain_supply(&c)->staked, 500 * TOKEN + 22);
    chain_close(&c);
}

static void withdrawals_check_in_order(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t node[32];
    chain_open(&c, NULL);
    made_key(1, node);
    struct dsdn_ev_stake_withdraw_requested e = {.beneficiary = node, .amount = {1, 0}};
    gives(NO(STAKE_UNKNOWN), chain_event(&c, BOB, dsdn_EVENT_stake_withdraw_requested, &e));
    gives(OK, chain_deposit(&c, ALICE, node, 1, 100));
    uint32_t row = chain_node(&c, node, DSDN_NODE_ROLE_STORAGE, 0, DSDN_NODE_PENDING);
    dsdn_node_edit(chain_state(&c), row)->cooldown_until = c.time_ms + 1;
    gives(NO(STAKE_UNKNOWN), chain_event(&c, BOB, dsdn_EVENT_stake_withdraw_requested, &e)); /* not his */
    gives(NO(ASSET_UNKNOWN), chain_event(&c, ALICE, dsdn_EVENT_stake_withdraw_requested, &e));
    e.amount.asset = 0;
    gives(NO(AMOUNT_ZERO), chain_event(&c, ALICE, dsdn_EVENT_stake_withdraw_requested, &e));
    e.amount.units = 101;
    gives(NO(STAKE_TOO_LOW), chain_event(&c, ALICE, dsdn_EVENT_stake_withdraw_requested, &e));
    e.amount.units = 100;
    gives(NO(NODE_COOLDOWN), chain_event(&c, ALICE, dsdn_EVENT_stake_withdraw_requested, &e));
    c.time_ms++; /* the cooldown is over */
    gives(OK, chain_event(&c, ALICE, dsdn_EVENT_stake_withdraw_requested, &e));
    assert_int_equal(stake(&c, node)->amount, 0);
    assert_int_equal(stake(&c, node)->unbonding, 100);
    gives(NO(STAKE_UNKNOWN), chain_event(&c, ALICE, dsdn_EVENT_stake_withdraw_requested, &e));
    chain_close(&c);
}

static void unbonding_is_paid_when_due(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t node[32];
    struct chain_options o = {.parameters = {{"unbonding_ms", 60000}}};
    chain_open(&c, &o);
    made_key(1, node);
    gives(OK, chain_deposit(&c, ALICE, node, 1, 100));
    gives(OK, chain_withdraw(&c, ALICE, node, 30));
    gives(OK, chain_withdraw(&c, ALICE, node, 5)); /* the same due: one entry */
    c.time_ms++;
    gives(OK, chain_withdraw(&c, ALICE, node, 25));
    struct dsdn_withdrawal w[2];
    const uint8_t *alice = key_bytes(&c, ALICE), *bob = key_bytes(&c, BOB);
    assert_int_equal(dsdn_chain_withdrawals(chain_state(&c), node, alice, w, 1), 2);
    assert_int_equal(dsdn_chain_withdrawals(chain_state(&c), node, bob, w, 2), 0);
    assert_int_equal(dsdn_chain_withdrawals(chain_state(&c), node, alice, w, 2), 2);
    assert_int_equal(w[0].due_ms, T0 + 60000);
    assert_int_equal(w[0].units, 35);
    assert_int_equal(w[1].due_ms, T0 + 60001);
    assert_int_equal(w[1].units, 25);
    assert_int_equal(stake(&c, node)->amount, 40);
    assert_int_equal(stake(&c, node)->unbonding, 60);
    assert_int_equal(stake(&c, node)->unbonding_cnt, 2);

    chain_at(&c, T0 + 59999);
    assert_int_equal(chain_balance(&c, ALICE), 1000 * TOKEN - 100);
    chain_at(&c, T0 + 60000);
    assert_int_equal(chain_balance(&c, ALICE), 1000 * TOKEN - 65);
    assert_int_equal(stake(&c, node)->unbonding, 25);
    assert_int_equal(stake(&c, node)->unbonding_cnt, 1);
    chain_at(&c, T0 + 60001);
    assert_int_equal(chain_balance(&c, ALICE), 1000 * TOKEN - 40);
    assert_int_equal(stake(&c, node)->unbonding_cnt, 0);
    assert_int_equal(chain_supply(&c)->unbonding, 0);
    assert_int_equal(dsdn_chain_withdrawals(chain_state(&c), node, alice, w, 2), 0);

    /* Of two who stake behind one key each has a stake and entries of its own, due at the same time even. */
    gives(OK, chain_deposit(&c, BOB, node, 1, 7));
    gives(OK, chain_withdraw(&c, ALICE, node, 40));
    gives(OK, chain_withdraw(&c, BOB, node, 5));
    assert_int_equal(dsdn_chain_withdrawals(chain_state(&c), node, alice, w, 2), 1);
    assert_int_equal(w[0].units, 40);
    assert_int_equal(dsdn_chain_withdrawals(chain_state(&c), node, bob, w, 2), 1);
    assert_int_equal(w[0].units, 5);
    chain_at(&c, c.time_ms + 60000);
    assert_int_equal(chain_balance(&c, ALICE), 1000 * TOKEN);
    assert_int_equal(chain_balance(&c, BOB), 500 * TOKEN - 2);
    assert_int_equal(stake_by(&c, node, BOB)->amount, 2);

    /* Who is all out and paid may choose another role; ALICE may do what she likes. */
    gives(OK, chain_deposit(&c, BOB, bob, 2, 7));
    gives(NO(STAKE_ROLE), chain_deposit(&c, BOB, bob, 1, 7));
    gives(OK, chain_deposit(&c, ALICE, bob, 1, 7));
    gives(OK, chain_withdraw(&c, BOB, bob, 7));
    gives(NO(STAKE_ROLE), chain_deposit(&c, BOB, bob, 1, 7)); /* while some of it unbonds */
    chain_at(&c, c.time_ms + 60000);
    gives(OK, chain_deposit(&c, BOB, bob, 1, 7));
    assert_int_equal(stake_by(&c, bob, BOB)->role, 1);
    chain_close(&c);
}

/* With a primary an objection may still be on its way: paid only in a batch whose cursor stands at the end of
 * the height whose time passed the due. */
static void unbonding_waits_for_the_primary(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t node[32];
    struct chain_options o = {.primary = true, .parameters = {{"unbonding_ms", 60000}}};
    chain_open(&c, &o);
    made_key(1, node);
    c.origin_ms = T0;
    gives(OK, chain_deposit(&c, ALICE, node, 1, 100));
    gives(OK, chain_withdraw(&c, ALICE, node, 100));
    chain_at(&c, T0 + 70000); /* the batches' time alone does not count */
    assert_int_equal(stake(&c, node)->unbonding, 100);
    c.height = 101;
    c.origin_ms = T0 + 59999;
    chain_apply(&c);
    assert_int_equal(stake(&c, node)->unbonding, 100);
    c.height = 102;
    c.origin_ms = T0 + 60000;
    c.unscanned = true;
    chain_apply(&c);
    assert_int_equal(stake(&c, node)->unbonding, 100);
    c.unscanned = false;
    chain_apply(&c);
    assert_int_equal(stake(&c, node)->unbonding, 0);
    assert_int_equal(chain_balance(&c, ALICE), 1000 * TOKEN);
    chain_close(&c);
}

static void sixteen_withdrawals_at_a_time(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t node[32], other[32];
    struct chain_options o = {.parameters = {{"unbonding_ms", 60000}}};
    chain_open(&c, &o);
    made_key(1, node), made_key(2, other);
    gives(OK, chain_deposit(&c, ALICE, node, 1, 100));
    gives(OK, chain_deposit(&c, ALICE, other, 1, 100));
    for (int i = 0; i < 16; i++, c.time_ms++) gives(OK, chain_withdraw(&c, ALICE, node, 1));
    c.time_ms--;
    gives(OK, chain_withdraw(&c, ALICE, node, 1)); /* joins the 16th */
    assert_int_equal(stake(&c, node)->unbonding_cnt, 16);
    assert_int_equal(stake(&c, node)->unbonding, 17);
    c.time_ms++;
    gives(DSDN_RESULT(LIMIT), chain_withdraw(&c, ALICE, node, 1));
    gives(OK, chain_withdraw(&c, ALICE, other, 1)); /* each stake has its own */
    chain_at(&c, T0 + 60000);                       /* the first is paid */
    gives(OK, chain_withdraw(&c, ALICE, node, 1));
    c.time_ms = T0 + 60001; /* pays the second and takes its place */
    gives(OK, chain_withdraw(&c, ALICE, node, 1));
    assert_int_equal(stake(&c, node)->unbonding_cnt, 16);
    assert_int_equal(stake(&c, node)->unbonding, 17);
    chain_close(&c);
}

/* ---- nodes follow their stake (requirements STAKE-1, STAKE-5, STAKE-6) ---- */

static dsdn_outcome add(struct chain *c, const uint8_t node[32], uint8_t role, uint64_t units)
{
    return role == DSDN_NODE_ROLE_VALIDATOR ? chain_stand(c, node, units)
                                            : chain_deposit(c, ALICE, node, role, units);
}

static dsdn_outcome take(struct chain *c, const uint8_t node[32], uint8_t role, uint64_t units)
{
    return role == DSDN_NODE_ROLE_VALIDATOR ? chain_stand_down(c, node, units)
                                            : chain_withdraw(c, ALICE, node, units);
}

static void nodes_follow(uint8_t role, uint8_t node_class, uint64_t minimum)
{
    struct chain c;
    uint8_t node[32];
    struct dsdn_sign_key alice = key_of(ALICE);
    struct chain_options o = {.allocations = {{.account = alice.public_key, .amount = {0, 100000 * TOKEN}}}};
    chain_open(&c, &o);
    made_key(1, node);
    chain_node(&c, node, role, node_class, DSDN_NODE_PENDING);
    gives(OK, add(&c, node, role, minimum - 1));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_QUARANTINED);
    assert_int_equal(chain_node_at(&c, node)->cause, DSDN_CAUSE_STAKE);
    gives(OK, add(&c, node, role, 1));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_ACTIVE);
    gives(OK, add(&c, node, role, 1));
    gives(OK, take(&c, node, role, 1));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_ACTIVE);
    gives(OK, take(&c, node, role, 1)); /* within the same event */
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_QUARANTINED);
    chain_close(&c);
}

static void minimum_of_each_role(void **unused)
{
    (void)unused;
    nodes_follow(DSDN_NODE_ROLE_STORAGE, 0, 500 * TOKEN);
    nodes_follow(DSDN_NODE_ROLE_STORAGE, 1, 5000 * TOKEN);
    nodes_follow(DSDN_NODE_ROLE_VALIDATOR, DSDN_NO_CLASS, 50000 * TOKEN);
}

/* ---- strangers ---- */

/* What BOB stakes behind a key with role 1 changes neither what the owner of the key may do nor what becomes of the
 * node, and it is BOB's again whenever he likes. */
static void strangers_are_in_nobodys_way(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t node[32], validator[32];
    chain_open(&c, NULL);
    chain_set(&c, "stake_min_validator", 50);
    made_key(1, node), made_key(2, validator);

    /* A key without a node: whoever comes later stakes behind it all the same. */
    gives(OK, chain_deposit(&c, BOB, node, 1, 1));
    gives(OK, chain_deposit(&c, ALICE, node, 1, 500 * TOKEN));
    assert_int_equal(stake_by(&c, node, BOB)->amount, 1);
    assert_int_equal(stake(&c, node)->amount, 500 * TOKEN);

    /* A registered node: his units neither make it Active nor keep it so. */
    uint32_t row = chain_node(&c, node, DSDN_NODE_ROLE_STORAGE, 0, DSDN_NODE_ACTIVE);
    gives(OK, chain_withdraw(&c, ALICE, node, 1));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_QUARANTINED);
    gives(OK, chain_deposit(&c, BOB, node, 1, 499 * TOKEN));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_QUARANTINED);
    gives(OK, chain_deposit(&c, ALICE, node, 1, 1));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_ACTIVE);
    gives(OK, chain_withdraw(&c, BOB, node, 400 * TOKEN));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_ACTIVE);

    /* A cooldown binds the owner alone. */
    dsdn_node_edit(chain_state(&c), row)->cooldown_until = c.time_ms + 1;
    gives(NO(NODE_COOLDOWN), chain_withdraw(&c, ALICE, node, 1));
    gives(OK, chain_withdraw(&c, BOB, node, 1));
    dsdn_node_edit(chain_state(&c), row)->cooldown_until = 0;

    /* His sixteen withdrawals are not ALICE's. */
    for (int i = 0; i < 15; i++) {
        c.time_ms++;
        gives(OK, chain_withdraw(&c, BOB, node, 1));
    }
    assert_int_equal(stake_by(&c, node, BOB)->unbonding_cnt, 16);
    c.time_ms++;
    gives(DSDN_RESULT(LIMIT), chain_withdraw(&c, BOB, node, 1));
    gives(OK, chain_deposit(&c, ALICE, node, 1, 1));
    gives(OK, chain_withdraw(&c, ALICE, node, 1));

    /* A key that will be a validator's, and one that is or was. */
    gives(OK, chain_deposit(&c, BOB, validator, 1, 1));
    gives(NO(STAKE_OWNER), chain_deposit(&c, BOB, validator, 2, 1));
    gives(OK, chain_stand(&c, validator, 50));
    gives(OK, chain_deposit(&c, BOB, validator, 1, 1));
    gives(NO(STAKE_OWNER), chain_deposit(&c, BOB, validator, 2, 50));
    chain_at(&c, (c.time_ms / 86400000 + 1) * 86400000);
    uint32_t elected = dsdn_sys_validator_find(chain_state(&c), validator);
    assert_int_equal(dsdn_sys_validator_at(chain_state(&c), elected)->stake, 50);
    assert_true(dsdn_validator_active(chain_state(&c), validator));
    gives(OK, chain_stand_down(&c, validator, 50));
    gives(OK, chain_deposit(&c, BOB, validator, 1, 60));
    chain_at(&c, c.time_ms + 86400000);
    assert_false(dsdn_validator_active(chain_state(&c), validator));
    gives(OK, chain_stand(&c, validator, 50));
    chain_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deposits_check_in_order),       cmocka_unit_test(withdrawals_check_in_order),
        cmocka_unit_test(unbonding_is_paid_when_due),    cmocka_unit_test(unbonding_waits_for_the_primary),
        cmocka_unit_test(sixteen_withdrawals_at_a_time), cmocka_unit_test(minimum_of_each_role),
        cmocka_unit_test(strangers_are_in_nobodys_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
