/* Long random runs of the ledger: sound after every event and deadline, the same roots whatever the hash
 * seed, and no harm from rows that nobody verified. */
#include "tests/chain_util.h"

enum { SIGNERS = 6, BATCHES = 1500, EVENTS_MAX = 4 }; /* signers 1 to SIGNERS */

struct run {
    struct chain chain;
    uint64_t random;
    uint32_t ok[dsdn_EVENT_worm_segment_sealed + 1]; /* by event */
    uint32_t slashes[8];                             /* by kind */
    uint32_t fired[16];                              /* by deadline kind */
    uint32_t events;
    uint64_t issued;
    uint8_t kinds[EVENTS_MAX]; /* of the batch's events, when they are evidence */
    uint32_t in_batch;
};

static uint64_t draw(struct run *r, uint64_t below)
{
    return chain_random(&r->random) % below;
}

/* A signer, who may be node, validator and wallet at once, or a key nobody has. */
static const uint8_t *somebody(struct run *r)
{
    static uint8_t made[8][32];
    uint64_t n = draw(r, SIGNERS + 2);
    if (n < SIGNERS) return key_bytes(&r->chain, (int)n + 1);
    made_key((uint32_t)n, made[n - SIGNERS]);
    return made[n - SIGNERS];
}

static uint64_t some_units(struct run *r)
{
    return draw(r, 20) ? draw(r, 1ull << draw(r, 12)) : UINT64_MAX - draw(r, 3);
}

static void add_transfer(struct run *r, int author)
{
    struct dsdn_ev_transfer e = {
        .to = somebody(r), .amount = {draw(r, 30) == 0, some_units(r)}, .max_fee = {0, 2 + draw(r, 8)}};
    chain_add(&r->chain, author, dsdn_EVENT_transfer, &e);
}

/* Signers 3 to 5 have storage nodes, 6 one of role 2, 1 and 2 are validators of the genesis. */
static bool is_storage(int signer)
{
    return signer >= 3 && signer <= 5;
}

static void add_deposit(struct run *r, int author)
{
    struct dsdn_ev_stake_deposited e = {.staker = key_bytes(&r->chain, author),
                                        .beneficiary = somebody(r),
                                        .role = (uint8_t)draw(r, 3),
                                        .amount = {0, some_units(r)}};
    if (draw(r, 3)) {
        e.beneficiary = e.staker;
        e.role = is_storage(author) ? 1 : 2;
    }
    chain_add(&r->chain, author, dsdn_EVENT_stake_deposited, &e);
}

static void add_withdrawal(struct run *r, int author)
{
    struct dsdn_ev_stake_withdraw_requested e = {.beneficiary = somebody(r), .amount = {0, some_units(r)}};
    if (draw(r, 3)) e.beneficiary = key_bytes(&r->chain, author);
    if (draw(r, 3) == 0)
        e.amount.units =
            dsdn_stake_of(chain_state(&r->chain), e.beneficiary, key_bytes(&r->chain, author), 1);
    chain_add(&r->chain, author, dsdn_EVENT_stake_withdraw_requested, &e);
}

static void add_evidence(struct run *r, int author)
{
    static const uint8_t kinds[] = {1, 3, 5, 5, 5, 0};
    uint8_t bytes[DOUBLE_LEN];
    int target = 1 + (int)draw(r, SIGNERS);
    struct dsdn_ev_slash_evidence_submitted e = {.target = key_bytes(&r->chain, target),
                                                 .kind = kinds[draw(r, sizeof kinds)]};
    if (e.kind == 5) {
        chain_double_sign(&r->chain, target, 0, draw(r, 40), 1, 2, bytes);
        e.evidence = (struct dsdn_view){bytes, DOUBLE_LEN};
    }
    r->kinds[r->in_batch] = e.kind;
    chain_add(&r->chain, author, dsdn_EVENT_slash_evidence_submitted, &e);
}

static void add_affinity(struct run *r, int author)
{
    struct dsdn_ev_wallet_affinity_declared e = {.a = key_bytes(&r->chain, author),
                                                 .b = somebody(r),
                                                 .kind = (uint8_t)(1 + draw(r, 2)),
                                                 .evidence = key_bytes(&r->chain, 0)};
    chain_add(&r->chain, author, dsdn_EVENT_wallet_affinity_declared, &e);
}

static void (*const adders[])(struct run *, int) = {add_transfer,   add_transfer, add_deposit, add_deposit,
                                                    add_withdrawal, add_evidence, add_affinity};

static void run_batch(struct run *r)
{
    struct chain *c = &r->chain;
    c->time_ms += draw(r, 3) ? draw(r, 50) : draw(r, 2000);
    uint64_t cnt = draw(r, EVENTS_MAX + 1);
    memset(r->kinds, 0, sizeof r->kinds);
    for (r->in_batch = 0; r->in_batch < cnt; r->in_batch++)
        adders[draw(r, sizeof adders / sizeof *adders)](r, 1 + (int)draw(r, SIGNERS));
    chain_apply(c);
    r->events += (uint32_t)cnt;
    for (uint32_t i = 0; i < cnt; i++) {
        if (c->log.prepared.outcomes[i] != OK) continue;
        r->ok[c->log.prepared.ops[i].event]++;
        r->slashes[r->kinds[i]]++;
    }
}

static void see(void *self, const struct dsdn_state *s, const struct dsdn_step *step)
{
    struct run *r = self;
    assert_true(dsdn_supply_sound(s));
    assert_true(dsdn_supply_at(s, 0)->issued == r->issued);
    if (step->kind == DSDN_STEP_DEADLINE) r->fired[step->number]++;
}

static void run_open(struct run *r, uint64_t seed, uint64_t hash_seed)
{
    struct dsdn_sign_key keys[SIGNERS];
    struct dsdn_rec_validator_entry validators[2];
    struct chain_options o = {.seed = hash_seed,
                              .parameters = {{"affinity_transfer_min", 200},
                                             {"affinity_window_ms", 1000},
                                             {"max_validators", 3},
                                             {"slash_cooldown_ms", 500},
                                             {"stake_min_validator", 100},
                                             {"transfer_fee", 3},
                                             {"unbonding_ms", 1500},
                                             {"validator_epoch_ms", 1000}},
                              .validator_cnt = 2,
                              .validators = validators};
    for (int i = 0; i < SIGNERS; i++) {
        keys[i] = key_of((uint8_t)(i + 1));
        o.allocations[i] = (struct dsdn_rec_allocation){.account = keys[i].public_key,
                                                        .amount = {0, 50000},
                                                        .vest_start = i < 2 ? T0 + 10000u : 0,
                                                        .vest_len_s = 60};
    }
    for (int i = 0; i < 2; i++)
        validators[i] = (struct dsdn_rec_validator_entry){keys[i].public_key, {0, 500}, {NULL, 0}};
    *r = (struct run){.random = seed};
    chain_open(&r->chain, &o);
    r->issued = SIGNERS * 50000 + 2 * 500;
    chain_set(&r->chain, "liveness_timeout_ms", 300); /* below its range: so that it happens often */
    chain_set(&r->chain, "stake_min_reguler", 60);
    for (int i = 3; i <= SIGNERS; i++)
        chain_node(&r->chain, key_bytes(&r->chain, i), is_storage(i) ? 1 : 2,
                   is_storage(i) ? 0 : DSDN_NO_CLASS, DSDN_NODE_PENDING);
    dsdn_engine_observe(r->chain.log.engine, see, r);
}

static void the_supply_is_always_sound(void **unused)
{
    (void)unused;
    struct dsdn_roots roots[2];
    static struct run r;
    for (uint64_t hash_seed = 0; hash_seed < 2; hash_seed++) {
        run_open(&r, 42, hash_seed * 0x1234567);
        for (uint32_t i = 0; i < BATCHES; i++) run_batch(&r);
        assert_int_equal(dsdn_engine_root(r.chain.log.engine, 1, &roots[hash_seed], &r.chain.log.error), 0);
        chain_close(&r.chain);
    }
    assert_memory_equal(roots[0].state, roots[1].state, 32);
    /* Everything happened often enough to mean something. */
    assert_true(r.events > 2 * BATCHES * 9 / 10);
    assert_true(r.ok[dsdn_EVENT_transfer] > 100);
    assert_true(r.ok[dsdn_EVENT_stake_deposited] > 100);
    assert_true(r.ok[dsdn_EVENT_stake_withdraw_requested] > 50);
    assert_true(r.ok[dsdn_EVENT_wallet_affinity_declared] > 3);
    assert_true(r.slashes[1] > 3);
    assert_true(r.slashes[5] > 20);
    assert_true(r.fired[DSDN_DEADLINE_UNBONDING_END] > 50);
    assert_true(r.fired[DSDN_DEADLINE_VALIDATOR_EPOCH] > 50);
    assert_true(r.fired[DSDN_DEADLINE_TRANSFER_LINK_END] > 10);
}

/* ---- rows that nobody verified ---- */

static uint64_t any_number(struct run *r)
{
    static const uint64_t edges[] = {0, 1, 2, 16, 255, 1ull << 32, 1ull << 63, UINT64_MAX - 1, UINT64_MAX};
    return draw(r, 2) ? edges[draw(r, sizeof edges / sizeof *edges)]
                      : chain_random(&r->random) >> draw(r, 64);
}

/* Overwrites the numbers of a row that are no key, no index, no reference and no length. */
static void spoil_row(struct run *r, struct dsdn_table *t, uint32_t row)
{
    uint8_t *bytes = dsdn_table_edit(t, row, t->desc->row_size);
    for (const struct dsdn_column *c = t->desc->columns(); c->name; c++) {
        uint64_t number = any_number(r);
        if (c->key || draw(r, 2)) continue;
        switch (c->kind) {
        case DSDN_COLUMN_u8: /* of a node: its place on the ring */
            if (t->number != dsdn_TABLE_node) memcpy(bytes + c->offset, &number, 1);
            break;
        case DSDN_COLUMN_u64:
        case DSDN_COLUMN_time: memcpy(bytes + c->offset, &number, 8); break;
        case DSDN_COLUMN_id:
        case DSDN_COLUMN_addr: memcpy(bytes + c->offset, somebody(r), 32); break;
        default: break;
        }
    }
}

static void spoil(struct run *r)
{
    static const uint32_t tables[] = {dsdn_TABLE_account,       dsdn_TABLE_supply,   dsdn_TABLE_stake,
                                      dsdn_TABLE_unbonding,     dsdn_TABLE_evidence, dsdn_TABLE_transfer_link,
                                      dsdn_sys_TABLE_validator, dsdn_TABLE_affinity, dsdn_TABLE_node};
    static const char *const settings[] = {
        "affinity_window_ms", "transfer_fee",          "unbonding_ms",       "max_validators",
        "slash_liveness_bps", "slash_double_sign_bps", "validator_epoch_ms", "stake_min_validator"};
    struct dsdn_state *s = chain_state(&r->chain);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct dsdn_table *t = &s->tables[tables[i]];
        for (uint32_t row = 0; row < t->row_end; row++)
            if (dsdn_table_live(t, row) && draw(r, 4) == 0) spoil_row(r, t, row);
    }
    if (draw(r, 2)) /* a row that should be there */
        for (uint32_t row = 0; row < s->tables[dsdn_TABLE_stake].row_end; row++)
            if (dsdn_table_live(&s->tables[dsdn_TABLE_stake], row) && draw(r, 5) == 0) {
                dsdn_stake_erase(s, row);
                break;
            }
    chain_set(&r->chain, settings[draw(r, sizeof settings / sizeof *settings)], (int64_t)any_number(r));
}

static bool listed_in_order(struct chain *c)
{
    const struct dsdn_sys_row_validator *rows[64];
    uint32_t cnt = dsdn_chain_validators(chain_state(c), rows, 64);
    for (uint32_t i = 1; i < cnt; i++)
        if (rows[i - 1]->stake < rows[i]->stake) return false;
    return true;
}

/* Nothing breaks (the sanitizers look on), nothing spins, and queries answer. */
static void spoiled_rows_do_no_harm(void **unused)
{
    (void)unused;
    static struct run r;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        run_open(&r, seed, seed);
        dsdn_engine_observe(r.chain.log.engine, NULL, NULL);
        for (uint32_t i = 0; i < 150; i++) {
            run_batch(&r);
            if (i % 5 == 4) spoil(&r);
            struct dsdn_withdrawal w[4];
            const uint8_t *key = somebody(&r);
            uint64_t now = any_number(&r), units = dsdn_chain_spendable(chain_state(&r.chain), key, now);
            assert_true(units <= dsdn_chain_balance(chain_state(&r.chain), key));
            dsdn_chain_withdrawals(chain_state(&r.chain), key, somebody(&r), w, 4);
            assert_true(listed_in_order(&r.chain));
            dsdn_supply_sound(chain_state(&r.chain));
        }
        chain_close(&r.chain);
    }
}

/* The ledger alone, without a supply row: as before a genesis, or from somebody's checkpoint. */
static void no_supply_row(void **unused)
{
    (void)unused;
    static struct run r;
    run_open(&r, 5, 5);
    dsdn_engine_observe(r.chain.log.engine, NULL, NULL);
    dsdn_supply_erase(chain_state(&r.chain), 0);
    assert_false(dsdn_supply_sound(chain_state(&r.chain)));
    uint64_t before = dsdn_chain_balance(chain_state(&r.chain), key_bytes(&r.chain, 3));
    gives(OK, chain_transfer(&r.chain, 3, key_bytes(&r.chain, 4), 10));
    assert_int_equal(chain_balance(&r.chain, 3), before - 13);
    for (uint32_t i = 0; i < 200; i++) run_batch(&r);
    chain_close(&r.chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_supply_is_always_sound),
        cmocka_unit_test(spoiled_rows_do_no_harm),
        cmocka_unit_test(no_supply_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
