/* Accounts: arithmetic at its limits, vesting to the millisecond, transfers and fees, links and affinity,
 * genesis. */
#include "tests/chain_util.h"

/* ---- arithmetic against 128-bit numbers ---- */

static void shares_are_exact(void **unused)
{
    (void)unused;
    uint64_t seed = 7, edges[] = {0, 1, 2, 9999, 10000, 10001, 1ull << 63, UINT64_MAX - 1, UINT64_MAX};
    enum { EDGES = sizeof edges / sizeof *edges };
    for (int i = 0; i < 20000; i++) {
        uint64_t units = i < EDGES * 4 ? edges[i % EDGES] : chain_random(&seed) >> chain_random(&seed) % 64;
        uint64_t bps =
            i < EDGES * 4 ? (uint64_t[]){0, 1, 9999, 10000}[i / EDGES] : chain_random(&seed) % 10001;
        assert_true(dsdn_bps_of(units, bps) == (uint64_t)((dsdn_u128)units * bps / 10000));
    }
    assert_true(dsdn_bps_of(UINT64_MAX, UINT64_MAX) == UINT64_MAX); /* never more than there is */

    for (int i = 0; i < 20000; i++) {
        uint64_t total = i < 81 * 9 ? edges[i % 9] : chain_random(&seed) >> chain_random(&seed) % 64;
        uint64_t part = i < 81 * 9 ? edges[i / 9 % 9] : chain_random(&seed) >> chain_random(&seed) % 64;
        uint64_t whole = i < 81 * 9 ? edges[i / 81] : chain_random(&seed) >> chain_random(&seed) % 64;
        uint64_t expected = part >= whole ? total : (uint64_t)((dsdn_u128)total * part / whole);
        assert_true(dsdn_part_of(total, part, whole) == expected);
    }
}

static void sums_stop_at_their_limits(void **unused)
{
    (void)unused;
    assert_true(dsdn_capped_add(UINT64_MAX - 1, 1) == UINT64_MAX);
    assert_true(dsdn_capped_add(UINT64_MAX, 1) == UINT64_MAX);
    assert_true(dsdn_capped_sub(5, 5) == 0 && dsdn_capped_sub(5, 6) == 0 && dsdn_capped_sub(6, 5) == 1);
    assert_true(dsdn_capped_mul(1ull << 32, 1ull << 31) == 1ull << 63);
    assert_true(dsdn_capped_mul(1ull << 32, 1ull << 32) == UINT64_MAX);
    assert_true(dsdn_whole(-1) == 0 && dsdn_whole(INT64_MIN) == 0 && dsdn_whole(INT64_MAX) == INT64_MAX);
}

/* ---- vesting ---- */

enum { START = T0 + 5000, CLIFF_S = 10, LENGTH_S = 100 };

static void vesting_to_the_millisecond(void **unused)
{
    (void)unused;
    struct dsdn_row_account a = {
        .vest_total = 1000003, .vest_start = START, .vest_cliff_s = CLIFF_S, .vest_len_s = LENGTH_S};
    static const struct {
        uint64_t at, locked;
    } points[] = {
        {0, 1000003},
        {START - 1, 1000003},
        {START, 1000003},
        {START + 9999, 1000003},
        {START + 10000, 900003}, /* 1000003 * 10000 / 100000 = 100000.3 */
        {START + 10009, 899913}, /* 100090.3 */
        {START + 50000, 500002}, /* 500001.5 */
        {START + 99999, 11},     /* 999992.99 */
        {START + 100000, 0},
        {UINT64_MAX, 0},
    };
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        assert_int_equal(dsdn_account_locked(&a, points[i].at), points[i].locked);

    a.vest_cliff_s = LENGTH_S + 1; /* ends with the length */
    assert_int_equal(dsdn_account_locked(&a, START + 99999), 1000003);
    assert_int_equal(dsdn_account_locked(&a, START + 100000), 0);
    a.vest_len_s = 0; /* all at once */
    assert_int_equal(dsdn_account_locked(&a, START - 1), 1000003);
    assert_int_equal(dsdn_account_locked(&a, START), 0);
    a.vest_total = 0;
    assert_int_equal(dsdn_account_locked(&a, START - 1), 0);
    /* Lengths beyond the axis of time: never, not at once. */
    a = (struct dsdn_row_account){.vest_total = UINT64_MAX, .vest_start = 1, .vest_len_s = UINT64_MAX};
    assert_true(dsdn_account_locked(&a, UINT64_MAX - 1) <= 3);
    assert_true(dsdn_account_locked(&a, 1) == UINT64_MAX);
    assert_true(dsdn_account_locked(&a, 0) == UINT64_MAX);
}

static void locked_units_do_not_move(void **unused)
{
    (void)unused;
    struct chain c;
    struct dsdn_sign_key alice = key_of(ALICE);
    struct chain_options o = {.allocations = {{.account = alice.public_key,
                                               .amount = {0, 1000},
                                               .vest_start = START,
                                               .vest_cliff_s = CLIFF_S,
                                               .vest_len_s = LENGTH_S,
                                               .pool = 3}}};
    chain_open(&c, &o);
    assert_int_equal(dsdn_account_at(chain_state(&c), 0)->pool, 3);
    const uint8_t *bob = key_bytes(&c, BOB), *carol = key_bytes(&c, CAROL);
    c.time_ms = START + 9999;
    gives(NO(BALANCE_TOO_LOW), chain_transfer(&c, ALICE, bob, 1));
    gives(NO(BALANCE_TOO_LOW), chain_deposit(&c, ALICE, carol, 1, 1)); /* nor as stake */
    c.time_ms = START + 10000;
    assert_int_equal(dsdn_chain_spendable(chain_state(&c), alice.public_key, c.time_ms), 100);
    gives(NO(BALANCE_TOO_LOW), chain_transfer(&c, ALICE, bob, 101));
    gives(OK, chain_transfer(&c, ALICE, bob, 100));
    gives(NO(BALANCE_TOO_LOW), chain_transfer(&c, ALICE, bob, 1));
    gives(OK, chain_transfer(&c, BOB, alice.public_key, 100)); /* what comes in is free */
    gives(OK, chain_deposit(&c, ALICE, carol, 1, 100));
    assert_int_equal(dsdn_chain_locked(chain_state(&c), alice.public_key, c.time_ms), 900);
    c.time_ms = START + 100000;
    gives(OK, chain_transfer(&c, ALICE, bob, 900));
    chain_close(&c);
}

/* ---- transfers ---- */

static void transfers_check_in_order(void **unused)
{
    (void)unused;
    struct chain c;
    struct chain_options o = {.parameters = {{"transfer_fee", 7}}};
    chain_open(&c, &o);
    const uint8_t *alice = key_bytes(&c, ALICE), *carol = key_bytes(&c, CAROL);
    /* Each line mends the first fault of the one before. */
    struct dsdn_ev_transfer e = {.to = alice, .amount = {1, 0}, .max_fee = {1, 6}};
    gives(NO(ASSET_UNKNOWN), chain_event(&c, ALICE, dsdn_EVENT_transfer, &e));
    e.amount.asset = 0;
    gives(NO(ASSET_UNKNOWN), chain_event(&c, ALICE, dsdn_EVENT_transfer, &e));
    e.max_fee.asset = 0;
    gives(NO(AMOUNT_ZERO), chain_event(&c, ALICE, dsdn_EVENT_transfer, &e));
    e.amount.units = UINT64_MAX; /* with the fee: 6 */
    gives(NO(TRANSFER_SELF), chain_event(&c, ALICE, dsdn_EVENT_transfer, &e));
    e.to = carol;
    gives(NO(FEE_ABOVE_MAX), chain_event(&c, ALICE, dsdn_EVENT_transfer, &e));
    e.max_fee.units = 7;
    gives(NO(BALANCE_TOO_LOW), chain_event(&c, ALICE, dsdn_EVENT_transfer, &e));
    e.amount.units = 1000 * TOKEN - 6;
    gives(NO(BALANCE_TOO_LOW), chain_event(&c, ALICE, dsdn_EVENT_transfer, &e));
    gives(NO(BALANCE_TOO_LOW), chain_event(&c, DAVE, dsdn_EVENT_transfer, &e)); /* no account at all */
    e.amount.units = 1000 * TOKEN - 7;
    assert_int_equal(dsdn_account_find(chain_state(&c), carol), DSDN_NO_ROW);
    gives(OK, chain_event(&c, ALICE, dsdn_EVENT_transfer, &e));
    assert_int_equal(chain_balance(&c, ALICE), 0);
    assert_int_equal(chain_balance(&c, CAROL), 1000 * TOKEN - 7);
    assert_int_equal(chain_balance(&c, BOB), 500 * TOKEN);
    assert_int_equal(chain_supply(&c)->treasury, 7);
    assert_int_equal(chain_supply(&c)->balances, 1500 * TOKEN - 7);
    assert_int_equal(chain_supply(&c)->issued, 1500 * TOKEN);
    chain_close(&c);
}

/* ---- links between wallets ---- */

static bool linked(struct chain *c, int from, int to)
{
    uint8_t key[64];
    memcpy(key, key_bytes(c, from), 32);
    memcpy(key + 32, key_bytes(c, to), 32);
    return dsdn_transfer_link_find(chain_state(c), key) != DSDN_NO_ROW;
}

static uint32_t deadlines(struct chain *c)
{
    return chain_state(c)->tables[dsdn_sys_TABLE_deadline].live_cnt;
}

static void large_transfers_link(void **unused)
{
    (void)unused;
    struct chain c;
    struct chain_options o = {.parameters = {{"affinity_transfer_min", 50}, {"affinity_window_ms", 5000}}};
    chain_open(&c, &o);
    const uint8_t *bob = key_bytes(&c, BOB);
    gives(OK, chain_transfer(&c, ALICE, bob, 49));
    assert_false(linked(&c, ALICE, BOB));
    gives(OK, chain_transfer(&c, ALICE, bob, 50));
    assert_true(linked(&c, ALICE, BOB));
    assert_false(linked(&c, BOB, ALICE)); /* a link has a direction */
    chain_at(&c, T0 + 4999);
    assert_true(linked(&c, ALICE, BOB));
    gives(OK, chain_transfer(&c, ALICE, bob, 50)); /* renews it: one deadline, not two */
    assert_int_equal(deadlines(&c), 1);
    gives(OK, chain_transfer(&c, ALICE, bob, 49)); /* does not */
    chain_at(&c, T0 + 9998);
    assert_true(linked(&c, ALICE, BOB));
    chain_at(&c, T0 + 9999);
    assert_false(linked(&c, ALICE, BOB));
    assert_int_equal(deadlines(&c), 0);

    /* A window that grew: the old deadline finds the link too young, the next transfer's ends it. */
    gives(OK, chain_transfer(&c, ALICE, bob, 50));
    chain_set(&c, "affinity_window_ms", 8000);
    chain_at(&c, T0 + 9999 + 5000);
    assert_int_equal(deadlines(&c), 0);
    chain_at(&c, T0 + 9999 + 8000);
    assert_true(linked(&c, ALICE, BOB));
    gives(OK, chain_transfer(&c, ALICE, bob, 50));
    chain_at(&c, T0 + 9999 + 15999);
    assert_true(linked(&c, ALICE, BOB));
    chain_at(&c, T0 + 9999 + 16000);
    assert_false(linked(&c, ALICE, BOB));
    chain_close(&c);
}

/* ---- affinity ---- */

static dsdn_outcome affine(struct chain *c, int by, const uint8_t *a, const uint8_t *b, uint8_t kind,
                           const uint8_t *b_sig)
{
    struct dsdn_ev_wallet_affinity_declared e = {
        .a = a, .b = b, .kind = kind, .evidence = (const uint8_t *)&(uint8_t[32]){0}, .b_sig = b_sig};
    return chain_event(c, by, dsdn_EVENT_wallet_affinity_declared, &e);
}

/* The embedded signature of `signer` for ALICE's next event of kind 0 with BOB. */
static void cosign(struct chain *c, int signer, uint8_t sig[64])
{
    static uint8_t payload[512];
    uint32_t len;
    uint8_t digest[32];
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_wallet_affinity_declared];
    memset(sig, 0, 64);
    struct dsdn_ev_wallet_affinity_declared e = {.a = key_bytes(c, ALICE),
                                                 .b = key_bytes(c, BOB),
                                                 .evidence = (const uint8_t *)&(uint8_t[32]){0},
                                                 .b_sig = sig};
    log_must(&c->log, dsdn_event_encode(desc, 1, &e, payload, sizeof payload, &len, &c->log.error));
    log_must(&c->log, dsdn_embedded_message(desc, 1, "b_sig", c->log.genesis.hash, key_bytes(c, ALICE),
                                            c->nonces[ALICE] + 1, payload, len, digest, &c->log.error));
    dsdn_sign(&c->keys[signer], digest, sig);
}

static void affinity_is_proven(void **unused)
{
    (void)unused;
    struct chain c;
    struct chain_options o = {.parameters = {{"affinity_transfer_min", 50}, {"affinity_window_ms", 5000}}};
    chain_open(&c, &o);
    const uint8_t *alice = key_bytes(&c, ALICE), *bob = key_bytes(&c, BOB);
    uint8_t sig[64] = {0};

    gives(DSDN_RESULT(NOT_AUTHORISED), affine(&c, BOB, alice, bob, 0, sig));
    gives(DSDN_RESULT(NOT_AUTHORISED), affine(&c, -1, alice, bob, 0, sig)); /* owners speak for themselves */
    gives(NO(AFFINITY_SELF), affine(&c, ALICE, alice, alice, 0, sig));
    gives(DSDN_RESULT(BAD_SIGNATURE), affine(&c, ALICE, alice, bob, 0, NULL));
    gives(DSDN_RESULT(BAD_SIGNATURE), affine(&c, ALICE, alice, bob, 0, sig));
    cosign(&c, CAROL, sig);
    gives(DSDN_RESULT(BAD_SIGNATURE), affine(&c, ALICE, alice, bob, 0, sig));
    assert_int_equal(dsdn_chain_affinity(chain_state(&c), alice, bob), 0);
    cosign(&c, BOB, sig);
    gives(OK, affine(&c, ALICE, alice, bob, 0, sig));
    assert_int_equal(dsdn_chain_affinity(chain_state(&c), alice, bob), DSDN_AFFINE_SAME_OWNER);
    assert_int_equal(dsdn_chain_affinity(chain_state(&c), bob, alice), DSDN_AFFINE_SAME_OWNER);
    cosign(&c, BOB, sig);
    gives(DSDN_RESULT(NO_EFFECT), affine(&c, ALICE, alice, bob, 0, sig));
    gives(NO(SIGNATURE_UNEXPECTED), affine(&c, ALICE, alice, bob, 1, sig));

    uint8_t n1[32], n2[32];
    made_key(1, n1), made_key(2, n2);
    gives(NO(NODE_UNKNOWN), affine(&c, -1, n1, n2, 1, NULL));
    uint32_t first = chain_node(&c, n1, 1, 0, DSDN_NODE_ACTIVE);
    gives(NO(NODE_UNKNOWN), affine(&c, -1, n1, n2, 1, NULL));
    gives(NO(NODE_UNKNOWN), affine(&c, -1, n2, n1, 1, NULL));
    uint32_t second = chain_node(&c, n2, 1, 0, DSDN_NODE_ACTIVE);
    memcpy(dsdn_node_edit(chain_state(&c), first)->operator, alice, 32);
    memcpy(dsdn_node_edit(chain_state(&c), second)->operator, bob, 32);
    gives(NO(AFFINITY_UNPROVEN), affine(&c, -1, n1, n2, 1, NULL));
    memcpy(dsdn_node_edit(chain_state(&c), second)->operator, alice, 32);
    c.time_ms += 1;
    gives(OK, affine(&c, -1, n2, n1, 1, NULL));
    gives(DSDN_RESULT(NO_EFFECT), affine(&c, -1, n1, n2, 1, NULL));
    memcpy(dsdn_node_edit(chain_state(&c), second)->operator, bob, 32);
    gives(DSDN_RESULT(NO_EFFECT), affine(&c, -1, n1, n2, 1, NULL)); /* declared once, though it ended */
    gives(NO(SIGNATURE_UNEXPECTED), affine(&c, -1, n1, n2, 1, sig));
    assert_int_equal(dsdn_chain_affinity(chain_state(&c), n1, n2), DSDN_AFFINE_SAME_OPERATOR);

    gives(NO(AFFINITY_UNPROVEN), affine(&c, ALICE, alice, bob, 2, NULL));
    gives(OK, chain_transfer(&c, BOB, alice, 50)); /* either direction proves it */
    gives(OK, affine(&c, ALICE, alice, bob, 2, NULL));
    assert_int_equal(dsdn_chain_affinity(chain_state(&c), alice, bob),
                     DSDN_AFFINE_SAME_OWNER | DSDN_AFFINE_TRANSFER);
    chain_at(&c, c.time_ms + 5000);
    gives(DSDN_RESULT(NO_EFFECT), affine(&c, ALICE, alice, bob, 2, NULL)); /* the link is gone */
    assert_int_equal(dsdn_chain_affinity(chain_state(&c), alice, bob), /* declared is declared */
                     DSDN_AFFINE_SAME_OWNER | DSDN_AFFINE_TRANSFER);
    assert_int_equal(dsdn_chain_affinity(chain_state(&c), alice, n1), 0);
    assert_int_equal(dsdn_chain_affinity(chain_state(&c), alice, alice), DSDN_AFFINE_SAME_OWNER);
    chain_close(&c);
}

/* ---- genesis ---- */

static int genesis_result(const struct chain_options *o)
{
    struct dsdn_genesis genesis;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine *engine;
    int rc = chain_genesis(&genesis, o, &error);
    if (rc) return rc;
    assert_int_equal(dsdn_engine_new(&dsdn_catalogue, NULL, &engine, &error), 0);
    rc = dsdn_engine_genesis(engine, genesis.bytes, genesis.len, &error);
    dsdn_engine_free(engine);
    dsdn_genesis_free(&genesis);
    return rc;
}

static void genesis_makes_the_ledger(void **unused)
{
    (void)unused;
    struct chain c;
    struct dsdn_sign_key alice = key_of(ALICE), bob = key_of(BOB), carol = key_of(CAROL), dave = key_of(DAVE);
    const struct dsdn_rec_validator_entry validators[] = {{bob.public_key, {0, 40}, {NULL, 0}},
                                                          {carol.public_key, {0, 50}, {NULL, 0}},
                                                          {dave.public_key, {1, 60}, {NULL, 0}}};
    struct chain_options o = {
        .allocations =
            {{.account = alice.public_key, .amount = {0, 1000}, .vest_cliff_s = 5, .vest_len_s = 9},
             {.account = dave.public_key, .amount = {1, 5}}, /* another asset: no row */
             {.account = bob.public_key, .amount = {0, 7}}},
        .validator_cnt = 3,
        .validators = validators};
    chain_open(&c, &o);
    struct dsdn_state *s = chain_state(&c);
    assert_int_equal(chain_balance(&c, ALICE), 1000);
    const struct dsdn_row_account *plain = dsdn_account_at(s, dsdn_account_find(s, alice.public_key));
    assert_int_equal(plain->vest_total, 0); /* without a start nothing vests */
    assert_int_equal(plain->vest_cliff_s, 0);
    assert_int_equal(chain_balance(&c, BOB), 7);
    assert_int_equal(s->tables[dsdn_TABLE_account].live_cnt, 3); /* CAROL's for what unbonds, none for DAVE */
    assert_int_equal(dsdn_stake_of(s, bob.public_key, bob.public_key, 2), 40);
    assert_int_equal(dsdn_chain_stake(s, carol.public_key, carol.public_key)->role, 2);
    assert_null(dsdn_chain_stake(s, dave.public_key, dave.public_key));
    assert_int_equal(chain_supply(&c)->issued, 1097);
    assert_int_equal(chain_supply(&c)->balances, 1007);
    assert_int_equal(chain_supply(&c)->staked, 90);
    assert_int_equal(chain_supply(&c)->treasury, 0);
    for (int i = 0; i < 3; i++) {
        const struct dsdn_sys_row_validator *v =
            dsdn_sys_validator_at(s, dsdn_sys_validator_find(s, validators[i].id));
        assert_int_equal(v->status, 1);
        assert_int_equal(v->since_ms, T0);
    }
    chain_close(&c);

    assert_int_equal(genesis_result(&o), 0);
    o.allocations[2].account = alice.public_key;
    assert_int_equal(genesis_result(&o), DSDN_E_MALFORMED); /* twice */
    o.allocations[2] = (struct dsdn_rec_allocation){.account = bob.public_key};
    assert_int_equal(genesis_result(&o), DSDN_E_MALFORMED); /* of nothing */
    o.allocations[2].amount.units = UINT64_MAX - 1089;
    assert_int_equal(genesis_result(&o), DSDN_E_MALFORMED); /* more than there can be */
    o.allocations[2].amount.units = UINT64_MAX - 1090;
    assert_int_equal(genesis_result(&o), 0);
}

static void level_0_has_no_ledger(void **unused)
{
    (void)unused;
    struct chain c;
    struct chain_options o = {.level = LEVEL_0};
    chain_open(&c, &o);
    for (uint32_t t = dsdn_TABLE_account; t <= dsdn_TABLE_affinity; t++)
        assert_int_equal(chain_state(&c)->tables[t].live_cnt, 0);
    gives(DSDN_RESULT(DISABLED), chain_transfer(&c, ALICE, key_bytes(&c, BOB), 1));
    gives(DSDN_RESULT(DISABLED), chain_deposit(&c, ALICE, key_bytes(&c, BOB), 1, 1));
    gives(DSDN_RESULT(DISABLED), chain_withdraw(&c, ALICE, key_bytes(&c, BOB), 1));
    gives(DSDN_RESULT(DISABLED), chain_slash(&c, ALICE, key_bytes(&c, BOB), 1, NULL, 0));
    assert_int_equal(chain_balance(&c, ALICE), 0);
    assert_true(dsdn_supply_sound(chain_state(&c)));
    chain_close(&c);
}

/* A sum that is wrong by one unit anywhere is seen. */
static void unsound_supply_is_seen(void **unused)
{
    (void)unused;
    struct chain c;
    chain_open(&c, NULL);
    const uint8_t *bob = key_bytes(&c, BOB);
    gives(OK, chain_deposit(&c, ALICE, bob, 1, 100));
    gives(OK, chain_withdraw(&c, ALICE, bob, 40));
    struct dsdn_state *s = chain_state(&c);
    struct dsdn_row_supply *supply = dsdn_supply_edit(s, 0);
    struct dsdn_row_stake *stake = dsdn_stake_edit(s, dsdn_stake_row(s, bob, key_bytes(&c, ALICE)));
    uint64_t *columns[] = {&supply->issued,
                           &supply->balances,
                           &supply->staked,
                           &supply->treasury,
                           &supply->unbonding,
                           &stake->amount,
                           &stake->unbonding,
                           &dsdn_account_edit(s, 0)->balance,
                           &dsdn_unbonding_edit(s, 0)->amount};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            *columns[i] += (uint64_t)(int64_t)sign;
            assert_false(dsdn_supply_sound(s));
            *columns[i] -= (uint64_t)(int64_t)sign;
        }
    stake->unbonding_cnt++;
    assert_false(dsdn_supply_sound(s));
    stake->unbonding_cnt--;
    assert_true(dsdn_supply_sound(s));
    chain_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_exact),           cmocka_unit_test(sums_stop_at_their_limits),
        cmocka_unit_test(vesting_to_the_millisecond), cmocka_unit_test(locked_units_do_not_move),
        cmocka_unit_test(transfers_check_in_order),   cmocka_unit_test(large_transfers_link),
        cmocka_unit_test(affinity_is_proven),         cmocka_unit_test(genesis_makes_the_ledger),
        cmocka_unit_test(level_0_has_no_ledger),      cmocka_unit_test(unsound_supply_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
