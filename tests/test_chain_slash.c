/* Faults: each kind of evidence at both sides of every condition, exact units, once only, in one encoding. */
#include "tests/chain_util.h"

enum { SERVED_AT = 36, SIG_AT = 68, PATH_AT = 132 };

static uint64_t treasury(struct chain *c)
{
    return chain_supply(c)->treasury;
}

static void fault_row(struct chain *c, const uint8_t target[32], uint8_t kind, const void *named, size_t len,
                      uint64_t slashed)
{
    uint8_t id[32];
    struct evp h = evp_tagged("dsdn/evidence/1");
    evp_put(&h, target, 32);
    evp_put(&h, &kind, 1);
    evp_put(&h, named, len);
    evp_end(&h, id);
    uint32_t row = dsdn_evidence_find(chain_state(c), id);
    assert_int_not_equal(row, DSDN_NO_ROW);
    const struct dsdn_row_evidence *e = dsdn_evidence_at(chain_state(c), row);
    assert_memory_equal(e->target, target, 32);
    assert_int_equal(e->kind, kind);
    assert_int_equal(e->slashed, slashed);
    assert_int_equal(e->time_ms, c->time_ms);
    assert_int_equal(e->ordinal, dsdn_head(chain_state(c))->event_count - 1);
}

static void kinds_without_a_judge(void **unused)
{
    (void)unused;
    struct chain c;
    chain_open(&c, NULL);
    gives(NO(EVIDENCE_KIND), chain_slash(&c, BOB, key_bytes(&c, ALICE), 0, NULL, 0));
    gives(NO(EVIDENCE_KIND), chain_slash(&c, BOB, key_bytes(&c, ALICE), 4, NULL, 0));
    chain_close(&c);
}

/* ---- 1: liveness, 0.5 % ---- */

static void liveness(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t node[32];
    struct chain_options o = {.parameters = {{"liveness_timeout_ms", 60000}, {"unbonding_ms", 10000000}}};
    chain_open(&c, &o);
    made_key(1, node);
    gives(NO(EVIDENCE_SHAPE), chain_slash(&c, BOB, node, 1, "x", 1));
    gives(NO(NODE_UNKNOWN), chain_slash(&c, BOB, node, 1, NULL, 0));
    uint32_t row = chain_node(&c, node, DSDN_NODE_ROLE_STORAGE, 0, DSDN_NODE_PENDING);
    gives(NO(NODE_STATUS), chain_slash(&c, BOB, node, 1, NULL, 0));
    dsdn_node_edit(chain_state(&c), row)->status = DSDN_NODE_ACTIVE;
    dsdn_node_edit(chain_state(&c), row)->last_seen_ms = T0 + 77;
    c.time_ms = T0 + 77 + 59999;
    gives(NO(EVIDENCE_NOT_PROVEN), chain_slash(&c, BOB, node, 1, NULL, 0));
    c.time_ms++;
    gives(NO(STAKE_UNKNOWN), chain_slash(&c, BOB, node, 1, NULL, 0));
    dsdn_node_edit(chain_state(&c), row)->status_ms = T0 + 78; /* active since then only */
    gives(NO(EVIDENCE_NOT_PROVEN), chain_slash(&c, BOB, node, 1, NULL, 0));
    dsdn_node_edit(chain_state(&c), row)->status_ms = T0;

    uint64_t staked = 500 * TOKEN + 399; /* 0.5 % of 399 is 1.995 */
    gives(OK, chain_deposit(&c, ALICE, node, 1, staked + 600));
    gives(OK, chain_withdraw(&c, ALICE, node, 199)); /* 0.995: nothing */
    c.time_ms++;
    gives(OK, chain_withdraw(&c, ALICE, node, 401)); /* 2.005 */
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_ACTIVE);
    gives(OK, chain_slash(&c, BOB, node, 1, NULL, 0));
    uint64_t taken = 5 * TOKEN / 2 + 1;
    const struct dsdn_row_stake *stake = dsdn_chain_stake(chain_state(&c), node, key_bytes(&c, ALICE));
    assert_int_equal(stake->amount, staked - taken);
    assert_int_equal(stake->unbonding, 600 - 2);
    struct dsdn_withdrawal w[2];
    assert_int_equal(dsdn_chain_withdrawals(chain_state(&c), node, key_bytes(&c, ALICE), w, 2), 2);
    assert_int_equal(w[0].units, 199);
    assert_int_equal(w[1].units, 399);
    assert_int_equal(treasury(&c), taken + 2);
    uint8_t heard[8];
    dsdn_store64(heard, T0 + 77);
    fault_row(&c, node, 1, heard, 8, taken + 2);

    const struct dsdn_row_node *n = chain_node_at(&c, node);
    assert_int_equal(n->status, DSDN_NODE_QUARANTINED); /* in the same event */
    assert_int_equal(n->cause, DSDN_CAUSE_SLASHED);
    assert_int_equal(n->fault1_ms, c.time_ms);
    gives(NO(NODE_STATUS), chain_slash(&c, BOB, node, 1, NULL, 0));
    gives(NO(NODE_COOLDOWN), chain_withdraw(&c, ALICE, node, 1));
    /* Were it Active again without having been heard of, the same silence is no second fault. */
    dsdn_node_edit(chain_state(&c), row)->status = DSDN_NODE_ACTIVE;
    dsdn_node_edit(chain_state(&c), row)->status_ms = T0;
    gives(NO(EVIDENCE_USED), chain_slash(&c, BOB, node, 1, NULL, 0));
    chain_close(&c);
}

/* ---- 2: data corruption, 5 % ---- */

/* A chunk of three leaves; its tree is ((leaf 0, leaf 1), leaf 2). */
struct tree {
    uint8_t leaf[3][32], inner[32], root[32];
};

static void tree_node(const uint8_t *left, const uint8_t *right, uint8_t out[32])
{
    struct evp h = evp_plain();
    uint8_t one = 1;
    evp_put(&h, &one, 1);
    evp_put(&h, left, 32);
    evp_put(&h, right, 32);
    evp_end(&h, out);
}

static void chunk_made(struct chain *c, uint8_t chunk[32], struct tree *t)
{
    struct dsdn_state *s = chain_state(c);
    static struct dsdn_error error;
    for (uint32_t i = 0; i < 3; i++) made_key(100 + i, t->leaf[i]);
    tree_node(t->leaf[0], t->leaf[1], t->inner);
    tree_node(t->inner, t->leaf[2], t->root);
    made_key(50, chunk);
    assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_TABLE_object], 1, &error), 0);
    assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_TABLE_chunk], 1, &error), 0);
    uint8_t object[32];
    made_key(51, object);
    uint32_t parent = dsdn_object_insert(s, object);
    struct dsdn_row_chunk *row = dsdn_chunk_edit(s, dsdn_chunk_insert(s, chunk));
    row->object = parent;
    row->size = 2 * 1024 + 1;
    row->leaf_size = 1024;
    memcpy(row->leaf_root, t->root, 32);
}

/* Evidence that `signer` served `served` as leaf 1; the path is the true one. */
static size_t corruption(struct chain *c, int signer, const uint8_t chunk[32], const struct tree *t,
                         const uint8_t served[32], uint8_t out[PATH_AT + 96])
{
    uint8_t digest[32];
    memcpy(out, chunk, 32);
    dsdn_store32(out + 32, 1);
    memcpy(out + SERVED_AT, served, 32);
    struct evp h = evp_tagged("dsdn/served/1");
    evp_put(&h, c->log.genesis.hash, 32);
    evp_put(&h, out, SIG_AT);
    evp_end(&h, digest);
    dsdn_sign(&c->keys[signer], digest, out + SIG_AT);
    memcpy(out + PATH_AT, t->leaf[1], 32);
    memcpy(out + PATH_AT + 32, t->leaf[0], 32);
    memcpy(out + PATH_AT + 64, t->leaf[2], 32);
    return PATH_AT + 96;
}

static void data_corruption(void **unused)
{
    (void)unused;
    struct chain c;
    struct tree t;
    uint8_t chunk[32], wrong[32], other[32], e[PATH_AT + 65 * 32] = {0};
    chain_open(&c, NULL);
    const uint8_t *node = key_bytes(&c, CAROL);
    made_key(60, wrong), made_key(61, other);
    chunk_made(&c, chunk, &t);
    size_t len = corruption(&c, CAROL, chunk, &t, wrong, e);

    const size_t bad[] = {0, PATH_AT - 1, PATH_AT, PATH_AT + 31, PATH_AT + 95, PATH_AT + 65 * 32};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        gives(NO(EVIDENCE_SHAPE), chain_slash(&c, BOB, node, 2, e, bad[i]));
    gives(NO(NODE_UNKNOWN), chain_slash(&c, BOB, node, 2, e, len));
    chain_node(&c, node, DSDN_NODE_ROLE_STORAGE, 0, DSDN_NODE_ACTIVE);
    e[0] ^= 1;
    gives(NO(CHUNK_UNKNOWN), chain_slash(&c, BOB, node, 2, e, len));
    e[0] ^= 1;
    e[32] ^= 1; /* another leaf was signed */
    gives(DSDN_RESULT(BAD_SIGNATURE), chain_slash(&c, BOB, node, 2, e, len));
    e[32] ^= 1;
    corruption(&c, BOB, chunk, &t, wrong, e); /* somebody else's signature */
    gives(DSDN_RESULT(BAD_SIGNATURE), chain_slash(&c, BOB, node, 2, e, len));
    corruption(&c, CAROL, chunk, &t, t.leaf[1], e); /* what it served is right */
    gives(NO(EVIDENCE_NOT_PROVEN), chain_slash(&c, BOB, node, 2, e, len));
    corruption(&c, CAROL, chunk, &t, wrong, e);
    e[PATH_AT + 40] ^= 1; /* the path leads elsewhere */
    gives(NO(EVIDENCE_NOT_PROVEN), chain_slash(&c, BOB, node, 2, e, len));
    e[PATH_AT + 40] ^= 1;
    gives(NO(EVIDENCE_NOT_PROVEN), chain_slash(&c, BOB, node, 2, e, len - 32));
    gives(NO(EVIDENCE_NOT_PROVEN), chain_slash(&c, BOB, node, 2, e, PATH_AT + 64 * 32));
    gives(NO(STAKE_UNKNOWN), chain_slash(&c, BOB, node, 2, e, len));

    gives(OK, chain_deposit(&c, ALICE, node, 1, 600 * TOKEN + 39)); /* 5 % of 39 is 1.95 */
    gives(OK, chain_slash(&c, DAVE, node, 2, e, len));              /* anybody may bring it */
    assert_int_equal(treasury(&c), 30 * TOKEN + 1);
    assert_int_equal(dsdn_stake_of(chain_state(&c), node, key_bytes(&c, ALICE), 1), 570 * TOKEN + 38);
    fault_row(&c, node, 2, e, SERVED_AT, 30 * TOKEN + 1);
    gives(NO(EVIDENCE_USED), chain_slash(&c, BOB, node, 2, e, len));
    /* The same leaf served wrong in another way is the same fault. */
    corruption(&c, CAROL, chunk, &t, other, e);
    gives(NO(EVIDENCE_USED), chain_slash(&c, BOB, node, 2, e, len));
    assert_int_equal(treasury(&c), 30 * TOKEN + 1);
    chain_close(&c);
}

/* ---- 3: repeated faults ---- */

static void repeated_faults(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t node[32];
    struct chain_options o = {
        .parameters = {{"ban_ms", 50000}, {"fault_window_ms", 7000}, {"unbonding_ms", 10000000}}};
    chain_open(&c, &o);
    made_key(1, node);
    gives(NO(EVIDENCE_SHAPE), chain_slash(&c, BOB, node, 3, "x", 1));
    gives(NO(NODE_UNKNOWN), chain_slash(&c, BOB, node, 3, NULL, 0));
    uint32_t row = chain_node(&c, node, DSDN_NODE_ROLE_STORAGE, 0, DSDN_NODE_QUARANTINED);
    gives(OK, chain_deposit(&c, ALICE, node, 1, 100));
    for (int i = 0; i < 16; i++, c.time_ms++) gives(OK, chain_withdraw(&c, ALICE, node, 1));
    struct dsdn_row_node *n = dsdn_node_edit(chain_state(&c), row);
    n->fault1_ms = T0 + 20, n->fault2_ms = T0 + 19;
    gives(NO(EVIDENCE_NOT_PROVEN), chain_slash(&c, BOB, node, 3, NULL, 0)); /* two only */
    n = dsdn_node_edit(chain_state(&c), row);
    n->fault3_ms = T0 + 18;
    c.time_ms = T0 + 18 + 7001;
    gives(NO(EVIDENCE_NOT_PROVEN), chain_slash(&c, BOB, node, 3, NULL, 0)); /* the first is too long ago */
    chain_set(&c, "fault_window_ms", 7001);
    gives(OK, chain_slash(&c, BOB, node, 3, NULL, 0));
    const struct dsdn_row_stake *stake = dsdn_chain_stake(chain_state(&c), node, key_bytes(&c, ALICE));
    assert_int_equal(stake->amount, 0);
    assert_int_equal(stake->unbonding, 100);
    assert_int_equal(stake->unbonding_cnt, 17); /* one more than withdrawals may make */
    assert_int_equal(treasury(&c), 0);
    uint8_t fault1[8];
    dsdn_store64(fault1, T0 + 20);
    fault_row(&c, node, 3, fault1, 8, 0);
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_BANNED);
    assert_int_equal(chain_node_at(&c, node)->banned_until, c.time_ms + 50000);
    assert_int_equal(chain_node_at(&c, node)->fault3_ms, 0);
    gives(DSDN_RESULT(NO_EFFECT), chain_slash(&c, BOB, node, 3, NULL, 0));
    chain_at(&c, c.time_ms + 10000000);
    assert_int_equal(chain_balance(&c, ALICE), 1000 * TOKEN);
    assert_int_equal(dsdn_chain_stake(chain_state(&c), node, key_bytes(&c, ALICE))->unbonding_cnt, 0);
    chain_close(&c);
}

/* ---- 5: double sign, 10 % ---- */

static void double_signs(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t e[DOUBLE_LEN + 1] = {0}, swapped[DOUBLE_LEN];
    struct dsdn_sign_key alice = key_of(ALICE), carol = key_of(CAROL);
    const struct dsdn_rec_validator_entry validators[] = {{carol.public_key, {0, 90}, {NULL, 0}}};
    struct chain_options o = {
        .allocations = {{.account = alice.public_key, .amount = {0, 1000}}},
        .parameters = {{"stake_min_validator", 50}, {"unbonding_ms", 1000000}, {"validator_epoch_ms", 1000}},
        .validator_cnt = 1,
        .validators = validators};
    chain_open(&c, &o);
    chain_double_sign(&c, CAROL, 3, 77, 1, 2, e);
    gives(NO(EVIDENCE_SHAPE), chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN - 1));
    gives(NO(EVIDENCE_SHAPE), chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN + 1));
    memcpy(swapped, e, 12); /* the same fault, the other way round */
    memcpy(swapped + 12, e + 108, 96);
    memcpy(swapped + 108, e + 12, 96);
    gives(NO(EVIDENCE_SHAPE), chain_slash(&c, BOB, carol.public_key, 5, swapped, DOUBLE_LEN));
    memcpy(swapped + 12, e + 12, 96); /* the same batch twice */
    gives(NO(EVIDENCE_SHAPE), chain_slash(&c, BOB, carol.public_key, 5, swapped, DOUBLE_LEN));
    gives(NO(VALIDATOR_UNKNOWN), chain_slash(&c, BOB, alice.public_key, 5, e, DOUBLE_LEN));
    for (int i = 0; i < 2; i++) { /* either signature */
        e[12 + 96 * i + 40] ^= 1;
        gives(DSDN_RESULT(BAD_SIGNATURE), chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN));
        e[12 + 96 * i + 40] ^= 1;
    }
    e[0] ^= 1; /* signed for another set */
    gives(DSDN_RESULT(BAD_SIGNATURE), chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN));
    e[0] ^= 1;

    gives(OK, chain_withdraw(&c, CAROL, carol.public_key, 19)); /* 10 % is 1.9 */
    gives(OK, chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN));
    assert_int_equal(dsdn_stake_of(chain_state(&c), carol.public_key, carol.public_key, 2), 64);
    assert_int_equal(dsdn_chain_stake(chain_state(&c), carol.public_key, carol.public_key)->unbonding, 18);
    assert_int_equal(treasury(&c), 8);
    fault_row(&c, carol.public_key, 5, e, 12, 8);
    gives(NO(EVIDENCE_USED), chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN));
    chain_double_sign(&c, CAROL, 3, 77, 1, 5, e); /* other batches of the same sequence */
    gives(NO(EVIDENCE_USED), chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN));

    /* It leaves: at the epoch it is no validator any more, and what unbonds still answers. */
    gives(OK, chain_withdraw(&c, CAROL, carol.public_key, 64));
    chain_at(&c, c.time_ms + 1000);
    assert_int_equal(dsdn_sys_validator_find(chain_state(&c), carol.public_key), DSDN_NO_ROW);
    chain_double_sign(&c, CAROL, 3, 78, 1, 2, e);
    gives(OK, chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN));
    assert_int_equal(treasury(&c), 8 + 8); /* of 18 + 64 in one entry */
    chain_at(&c, c.time_ms + 1000000);
    chain_double_sign(&c, CAROL, 3, 79, 1, 2, e); /* paid out: nothing is left to take */
    gives(NO(STAKE_UNKNOWN), chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN));
    chain_close(&c);
}

/* ---- who pays ---- */

/* CAROL's node passes to another operator. */
static dsdn_outcome bound_to(struct chain *c, int operator)
{
    static uint8_t payload[512];
    uint32_t len;
    uint8_t digest[32], sig[64] = {0};
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_operator_bound];
    struct dsdn_ev_operator_bound e = {key_bytes(c, CAROL), key_bytes(c, operator), c->time_ms + 1000000000,
                                       sig};
    log_must(&c->log, dsdn_event_encode(desc, 1, &e, payload, sizeof payload, &len, &c->log.error));
    log_must(&c->log, dsdn_embedded_message(desc, 1, "node_sig", c->log.genesis.hash, e.operator,
                                            c->nonces[operator] + 1, payload, len, digest, &c->log.error));
    dsdn_sign(&c->keys[CAROL], digest, sig);
    return chain_event(c, operator, dsdn_EVENT_operator_bound, &e);
}

/* A node that changes hands: from then on the new operator's stake decides its status and pays for its faults; the
 * old operator's is hers. */
static void the_operator_of_the_day_pays(void **unused)
{
    (void)unused;
    struct chain c;
    struct tree t;
    uint8_t chunk[32], wrong[32], e[PATH_AT + 96];
    chain_open(&c, NULL);
    const uint8_t *node = key_bytes(&c, CAROL), *alice = key_bytes(&c, ALICE), *bob = key_bytes(&c, BOB);
    made_key(60, wrong);
    chunk_made(&c, chunk, &t);
    size_t len = corruption(&c, CAROL, chunk, &t, wrong, e);
    uint32_t row = chain_node(&c, node, DSDN_NODE_ROLE_STORAGE, 0, DSDN_NODE_PENDING);
    gives(OK, chain_deposit(&c, ALICE, node, 1, 600 * TOKEN));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_ACTIVE);

    gives(OK, bound_to(&c, BOB)); /* without a stake, with one below the minimum, with enough */
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_QUARANTINED);
    assert_int_equal(chain_node_at(&c, node)->cause, DSDN_CAUSE_STAKE);
    gives(NO(STAKE_UNKNOWN), chain_slash(&c, DAVE, node, 2, e, len)); /* ALICE's is not asked */
    gives(OK, chain_deposit(&c, BOB, node, 1, 400 * TOKEN));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_QUARANTINED);
    gives(OK, bound_to(&c, ALICE));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_ACTIVE);
    gives(OK, chain_deposit(&c, BOB, node, 1, 100 * TOKEN));
    gives(OK, bound_to(&c, BOB));
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_ACTIVE);

    gives(OK, chain_withdraw(&c, ALICE, node, 100 * TOKEN)); /* changes nothing for the node */
    assert_int_equal(chain_node_at(&c, node)->status, DSDN_NODE_ACTIVE);
    gives(OK, chain_withdraw(&c, BOB, node, 20)); /* due at the same moment */
    gives(OK, chain_slash(&c, DAVE, node, 2, e, len));
    assert_int_equal(dsdn_chain_stake(chain_state(&c), node, alice)->amount, 500 * TOKEN);
    assert_int_equal(dsdn_chain_stake(chain_state(&c), node, alice)->unbonding, 100 * TOKEN);
    assert_int_equal(dsdn_chain_stake(chain_state(&c), node, bob)->amount, 475 * TOKEN - 19);
    assert_int_equal(dsdn_chain_stake(chain_state(&c), node, bob)->unbonding, 19);
    assert_int_equal(treasury(&c), 25 * TOKEN);
    gives(NO(NODE_COOLDOWN), chain_withdraw(&c, BOB, node, 1));
    gives(OK, chain_withdraw(&c, ALICE, node, 500 * TOKEN)); /* the cooldown is not hers */

    /* A third fault unbonds what is BOB's. */
    gives(OK, chain_deposit(&c, ALICE, node, 1, 7));
    struct dsdn_row_node *n = dsdn_node_edit(chain_state(&c), row);
    n->fault2_ms = n->fault3_ms = c.time_ms;
    gives(OK, chain_slash(&c, DAVE, node, 3, NULL, 0));
    assert_int_equal(dsdn_chain_stake(chain_state(&c), node, alice)->amount, 7);
    assert_int_equal(dsdn_chain_stake(chain_state(&c), node, bob)->amount, 0);
    chain_close(&c);
}

/* Of one key that is a node's and a validator's: a double sign is the validator's to pay, everything else the
 * operator's. */
static void a_double_sign_is_paid_by_the_key_itself(void **unused)
{
    (void)unused;
    struct chain c;
    struct tree t;
    uint8_t chunk[32], wrong[32], e[PATH_AT + 96], twice[DOUBLE_LEN];
    struct dsdn_sign_key alice = key_of(ALICE), carol = key_of(CAROL);
    const struct dsdn_rec_validator_entry validators[] = {{carol.public_key, {0, 90}, {NULL, 0}}};
    struct chain_options o = {.allocations = {{.account = alice.public_key, .amount = {0, 1000 * TOKEN}}},
                              .parameters = {{"stake_min_validator", 50}},
                              .validator_cnt = 1,
                              .validators = validators};
    chain_open(&c, &o);
    const uint8_t *node = key_bytes(&c, CAROL), *operator = key_bytes(&c, ALICE);
    made_key(60, wrong);
    chunk_made(&c, chunk, &t);
    size_t len = corruption(&c, CAROL, chunk, &t, wrong, e);
    chain_node(&c, node, DSDN_NODE_ROLE_STORAGE, 0, DSDN_NODE_ACTIVE);
    gives(NO(STAKE_UNKNOWN), chain_slash(&c, BOB, node, 2, e, len)); /* the operator has none */
    gives(OK, chain_deposit(&c, ALICE, node, 1, 600 * TOKEN));
    chain_double_sign(&c, CAROL, 3, 77, 1, 2, twice);
    gives(OK, chain_slash(&c, BOB, node, 5, twice, DOUBLE_LEN));
    assert_int_equal(dsdn_stake_of(chain_state(&c), node, node, 2), 81);
    assert_int_equal(dsdn_stake_of(chain_state(&c), node, operator, 1), 600 * TOKEN);
    gives(OK, chain_slash(&c, BOB, node, 2, e, len));
    assert_int_equal(dsdn_stake_of(chain_state(&c), node, node, 2), 81);
    assert_int_equal(dsdn_stake_of(chain_state(&c), node, operator, 1), 570 * TOKEN);
    chain_close(&c);
}

/* A validator whose slash leaves it below the minimum goes at the next epoch, not before. */
static void slashed_validator_leaves_at_the_epoch(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t e[DOUBLE_LEN];
    struct dsdn_sign_key alice = key_of(ALICE), carol = key_of(CAROL);
    const struct dsdn_rec_validator_entry validators[] = {{carol.public_key, {0, 100}, {NULL, 0}}};
    struct chain_options o = {.allocations = {{.account = alice.public_key, .amount = {0, 1000}}},
                              .parameters = {{"stake_min_validator", 91}, {"validator_epoch_ms", 1000}},
                              .validator_cnt = 1,
                              .validators = validators};
    chain_open(&c, &o);
    c.time_ms = T0 + 1;
    chain_double_sign(&c, CAROL, 0, 1, 1, 2, e);
    gives(OK, chain_slash(&c, BOB, carol.public_key, 5, e, DOUBLE_LEN));
    assert_int_equal(dsdn_stake_of(chain_state(&c), carol.public_key, carol.public_key, 2), 90);
    chain_at(&c, T0 + 999);
    assert_true(dsdn_validator_active(chain_state(&c), carol.public_key));
    chain_at(&c, T0 + 1000);
    assert_false(dsdn_validator_active(chain_state(&c), carol.public_key));
    chain_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_without_a_judge), cmocka_unit_test(liveness),
        cmocka_unit_test(data_corruption),       cmocka_unit_test(repeated_faults),
        cmocka_unit_test(double_signs),          cmocka_unit_test(slashed_validator_leaves_at_the_epoch),
        cmocka_unit_test(the_operator_of_the_day_pays),
        cmocka_unit_test(a_double_sign_is_paid_by_the_key_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
