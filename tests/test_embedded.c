/* Signatures inside payloads: those that a SIGNED_BY line declares are verified before the event is reduced,
 * by any thread, and the reducer goes by that verdict; long lists of approvals are signed as others are. */
#include "tests/engine_util.h"

#include "roles/dsdn.h"
#include "roles/tables.h"

enum { NODES = 70 };

struct world {
    struct log log;
    struct dsdn_sign_key operator, other;
    struct dsdn_sign_key nodes[NODES];
};

static void begin(struct world *w)
{
    log_open(&w->log, &(struct log_options){.catalogue = &dsdn_catalogue});
    w->operator= key_of(1);
    w->other = key_of(2);
    for (uint8_t i = 0; i < NODES; i++) w->nodes[i] = key_of(100 + i);
}

/* A NodeRegistered of node i, in the open bundle of `author` with this nonce; bad: one bit of the signature
 * flips. */
static void put_registration(struct world *w, unsigned i, const struct dsdn_sign_key *author, uint64_t nonce,
                             bool bad)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_node_registered];
    static const uint8_t tls[32] = {1};
    uint8_t signature[64] = {0}, payload[512], digest[32];
    uint32_t len;
    struct dsdn_ev_node_registered e = {.node_id = w->nodes[i].public_key,
                                        .operator= author->public_key,
                                        .role = 1,
                                        .node_class = 0,
                                        .zone = {(const uint8_t *)"z", 1},
                                        .capacity_gb = 10,
                                        .tls_fingerprint = tls,
                                        .tls_not_after = 1u << 30,
                                        .binding_expiry = 1u << 30,
                                        .node_sig = signature};
    assert_int_equal(dsdn_event_encode(desc, 2, &e, payload, sizeof payload, &len, NULL), DSDN_OK);
    assert_int_equal(dsdn_embedded_message(desc, 2, "node_sig", w->log.genesis.hash, author->public_key,
                                           nonce, payload, len, digest, NULL),
                     DSDN_OK);
    dsdn_sign(&w->nodes[i], digest, signature);
    signature[i % 64] ^= bad;
    log_event(&w->log, dsdn_EVENT_node_registered, 2, &e);
}

/* Bundle b holds nodes 10b to 10b + 9; of each the last but one has a bad signature. */
static void put_batch(struct world *w)
{
    for (unsigned b = 0; b < NODES / 10; b++) {
        log_bundle(&w->log, DSDN_BUNDLE_POOL, &w->operator, b + 1, 0);
        for (unsigned i = 10 * b; i < 10 * b + 10; i++)
            put_registration(w, i, &w->operator, b + 1, i % 10 == 8);
        log_end(&w->log);
    }
    log_prepare(&w->log);
    assert_int_equal(log_judge(&w->log), DSDN_OK);
    assert_int_equal(w->log.prepared.embedded_cnt, NODES);
}

static void apply(struct world *w)
{
    log_must(&w->log, dsdn_engine_apply(w->log.engine, &w->log.prepared, NULL));
}

static void expect_outcomes(const struct world *w, unsigned from, unsigned to, bool flipped)
{
    for (unsigned i = from; i < to; i++) {
        bool bad = (i % 10 == 8) != flipped;
        assert_int_equal(w->log.prepared.outcomes[i], bad ? DSDN_OUTCOME_BAD_SIGNATURE : DSDN_OUTCOME_OK);
    }
}

static void test_verdicts(void **state)
{
    (void)state;
    static struct world w;
    struct dsdn_key_cache *cache = dsdn_key_cache_new(64);
    for (int round = 0; round < 4; round++) {
        begin(&w);
        put_batch(&w);
        struct dsdn_prepared *p = &w.log.prepared;
        for (unsigned i = 0; i < NODES; i++) assert_int_equal(p->ops[i].embedded, DSDN_EMBEDDED_UNCHECKED);
        if (round) dsdn_prepare_embedded(p, &dsdn_catalogue, 0, 20, round == 1 ? NULL : cache);
        for (unsigned i = 0; i < NODES; i++)
            assert_int_equal(p->ops[i].embedded, !round || i >= 20 ? DSDN_EMBEDDED_UNCHECKED
                                                 : i % 10 == 8     ? DSDN_EMBEDDED_BAD
                                                                   : DSDN_EMBEDDED_GOOD);
        if (round > 1) dsdn_prepare_embedded(p, &dsdn_catalogue, 20, UINT32_MAX, cache);
        if (round == 3) /* a lie shows that nobody verifies again */
            for (unsigned i = 0; i < NODES; i++)
                p->ops[i].embedded = DSDN_EMBEDDED_GOOD + DSDN_EMBEDDED_BAD - p->ops[i].embedded;
        apply(&w);
        expect_outcomes(&w, 0, NODES, round == 3);
        log_close(&w.log);
    }
    dsdn_key_cache_free(cache);
}

/* The signature is over author and nonce of its bundle; an event that no reducer sees needs no verdict. */
static void test_bound_to_bundle(void **state)
{
    (void)state;
    static struct world w;
    begin(&w);
    log_bundle(&w.log, DSDN_BUNDLE_POOL, &w.operator, 1, 0);
    put_registration(&w, 0, &w.operator, 2, false);
    log_end(&w.log);
    log_bundle(&w.log, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
    put_registration(&w, 1, &w.operator, 0, false);
    log_end(&w.log);
    log_bundle(&w.log, DSDN_BUNDLE_POOL, &w.other, 1, 0);
    put_registration(&w, 2, &w.operator, 1, false);
    put_registration(&w, 3, &w.other, 1, false);
    log_end(&w.log);
    log_prepare(&w.log);
    assert_int_equal(log_judge(&w.log), DSDN_OK);
    struct dsdn_prepared *p = &w.log.prepared;
    assert_int_equal(p->embedded_cnt, 3);
    dsdn_prepare_embedded(p, &dsdn_catalogue, 0, UINT32_MAX, NULL);
    const uint8_t verdicts[] = {DSDN_EMBEDDED_BAD, DSDN_EMBEDDED_UNCHECKED, DSDN_EMBEDDED_BAD,
                                DSDN_EMBEDDED_GOOD};
    const dsdn_outcome outcomes[] = {DSDN_OUTCOME_BAD_SIGNATURE, DSDN_OUTCOME_NOT_AUTHORISED,
                                     DSDN_OUTCOME_NOT_AUTHORISED, DSDN_OUTCOME_OK};
    apply(&w);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(p->ops[i].embedded, verdicts[i]);
        assert_int_equal(p->outcomes[i], outcomes[i]);
    }
    /* Prepared again, the batch starts without verdicts. */
    log_must(&w.log, dsdn_prepare(p, &dsdn_catalogue, 0, w.log.batch, w.log.batch_len, NULL));
    assert_int_equal(p->embedded_cnt, 3);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(p->ops[i].embedded, DSDN_EMBEDDED_UNCHECKED);
    log_close(&w.log);
}

/* A verdict is about one field, key and signature: asked for another, dsdn_embedded_valid verifies. */
static void test_verdict_of_that_signature_only(void **state)
{
    (void)state;
    static struct world w;
    begin(&w);
    log_bundle(&w.log, DSDN_BUNDLE_POOL, &w.operator, 1, 0);
    put_registration(&w, 0, &w.operator, 1, false);
    log_end(&w.log);
    log_prepare(&w.log);
    struct dsdn_op *op = &w.log.prepared.ops[0];
    const struct dsdn_reducer *reducer = &dsdn_catalogue.reducers[op->event];
    struct dsdn_embedded good;
    assert_true(reducer->embedded(op->payload, op->len, op->version, &good));
    struct dsdn_context c = {.state = NULL,
                             .author = w.operator.public_key,
                             .nonce = 1,
                             .genesis = w.log.genesis.hash,
                             .event = &dsdn_event_table.events[op->event],
                             .event_version = op->version,
                             .payload = op->payload,
                             .payload_len = op->len,
                             .op = op,
                             .reducers = dsdn_catalogue.reducers};
    op->embedded = DSDN_EMBEDDED_BAD;
    uint8_t signature[64];
    memcpy(signature, good.signature, 64);
    assert_false(dsdn_embedded_valid(&c, "node_sig", good.key, good.signature));
    assert_false(dsdn_embedded_valid(&c, "node_sig", good.key, signature)); /* the same bytes elsewhere */
    op->embedded = DSDN_EMBEDDED_UNCHECKED;
    assert_true(dsdn_embedded_valid(&c, "node_sig", good.key, good.signature));
    c.op = NULL;
    assert_true(dsdn_embedded_valid(&c, "node_sig", good.key, good.signature));
    c.op = op;
    op->embedded = DSDN_EMBEDDED_GOOD;
    signature[5] ^= 1;
    assert_false(dsdn_embedded_valid(&c, "node_sig", good.key, signature));
    assert_false(dsdn_embedded_valid(&c, "node_sig", w.other.public_key, good.signature));
    assert_false(dsdn_embedded_valid(&c, "other_sig", good.key, good.signature));
    log_close(&w.log);
}

/* ---- approvals ---- */

/* The digest of an event with `cnt` approvals, by OpenSSL, from the payload with the signatures zeroed. */
static void test_long_approvals(void **state)
{
    (void)state;
    static uint8_t members[2 * 32], approvals[255 * 96], payload[40000], zeroed[40000];
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_quorum_validator_set_declared];
    uint8_t genesis[32], author[32], got[32], expected[32];
    memset(genesis, 3, 32);
    memset(author, 4, 32);
    members[32] = 1;
    for (uint32_t cnt = 0; cnt <= 255; cnt += cnt < 64 ? 63 : cnt < 66 ? 1 : 63) {
        struct dsdn_ev_quorum_validator_set_declared e = {.set_id = 1,
                                                          .members = {members, 2, 64},
                                                          .threshold_pct = 67,
                                                          .approvals = {approvals, cnt, cnt * 96}};
        uint32_t len, same;
        for (uint32_t i = 0; i < cnt; i++) {
            approvals[96 * i] = (uint8_t)i;
            memset(approvals + 96 * i + 32, 0, 64);
        }
        assert_int_equal(dsdn_event_encode(desc, 1, &e, zeroed, sizeof zeroed, &same, NULL), DSDN_OK);
        for (uint32_t i = 0; i < cnt; i++) memset(approvals + 96 * i + 32, (int)(i + 1), 64);
        assert_int_equal(dsdn_event_encode(desc, 1, &e, payload, sizeof payload, &len, NULL), DSDN_OK);
        assert_int_equal(len, same);
        struct evp h = evp_tagged("dsdn/in/QuorumValidatorSetDeclared/approvals/1");
        evp_put(&h, genesis, 32);
        evp_put(&h, author, 32);
        evp_number(&h, 77, 8);
        evp_put(&h, zeroed, len);
        evp_end(&h, expected);
        assert_int_equal(
            dsdn_embedded_message(desc, 1, "approvals", genesis, author, 77, payload, len, got, NULL),
            DSDN_OK);
        assert_memory_equal(got, expected, 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_bound_to_bundle),
        cmocka_unit_test(test_verdict_of_that_signature_only),
        cmocka_unit_test(test_long_approvals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
