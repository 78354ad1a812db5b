/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The follower, story by story: the cases of protocol.md, section 15, that it has to survive. */
#include "tests/follow_util.h"

#include "tests/fail_nth.h"

#include <sodium.h>

static struct net net;
static struct fol fol;

static void begin(const struct net_parameter *parameters)
{
    net_open(&net, true, parameters);
    fol_open(&fol, &net);
}

static void end(void)
{
    fol_close(&fol);
    net_close(&net);
}

/* An honest batch on `parent`, posted at a height of its own. */
static int publish(int parent, uint64_t height)
{
    int node = net_make(
        &net, &(struct net_batch){.parent = parent, .origin = height - 1, .pool = 1 + parent % USERS});
    if (height > net.now) net_block(&net, height);
    net_post(&net, node, false);
    return node;
}

static int chain_of(int parent, uint64_t first, uint64_t last)
{
    for (uint64_t h = first; h <= last; h++) parent = publish(parent, h);
    return parent;
}

static void says(const struct dsdn_error *e, int code, const char *part)
{
    if (e->code != code)
        fail_msg("%s where %s was expected: %s", dsdn_error_name(e->code), dsdn_error_name(code), e->message);
    if (!strstr(e->message, part)) fail_msg("\"%s\" is not in \"%s\"", part, e->message);
}

static struct dsdn_follow_status status_now(void)
{
    struct dsdn_follow_status s;
    dsdn_follow_status(fol.f, &s);
    return s;
}

/* ---- the ordinary day ---- */

static void test_an_ordinary_day(void **state)
{
    (void)state;
    begin(NULL);
    assert_int_equal(dsdn_follow_want(fol.f), START);
    int tip = GENESIS;
    for (uint64_t h = 101; h <= 130; h++) {
        net_block(&net, h);
        if (h % 3 == 0) net_direct(&net, (int)(h % USERS), h, 1 + (uint32_t)h % 3);
        if (h % 5 == 0) net_blob(&net, NULL, 0), net_blob(&net, "garbage", 7);
        if (h % 2) tip = publish(tip, h);
    }
    fol_read(&fol, 130);
    fol_is_at(&fol, tip);
    struct dsdn_follow_status s = status_now();
    assert_int_equal(s.start, START);
    assert_int_equal(s.complete, 130);
    assert_int_equal(s.newest.time_ms, 130 * BLOCK_MS);
    assert_int_equal(s.next, 15);
    assert_int_equal(s.included, 15);
    assert_int_equal(s.settled, 12); /* included at 123, closed at 129 */
    assert_int_equal(s.durable, 15);
    assert_int_equal(s.want, 131);
    assert_int_equal(fol.seen[DSDN_FOLLOW_APPLIED], 15);
    assert_int_equal(fol.seen[DSDN_FOLLOW_EVIDENCE], 0);

    /* The index knows where the settled ones are. */
    struct dsdn_index *index = dsdn_store_index(dsdn_follow_store(fol.f));
    struct dsdn_da_reference reference;
    enum dsdn_finality level;
    size_t cnt;
    need(dsdn_index_references(index, 11, &reference, 1, &cnt, &error));
    assert_int_equal(cnt, 1);
    assert_int_equal(reference.height, 123);
    need(dsdn_index_finality(index, 11, &level, &error));
    assert_int_equal(level, DSDN_FINALITY_SETTLED);
    need(dsdn_index_finality(index, 12, &level, &error));
    assert_int_equal(level, DSDN_FINALITY_NONE);

    struct dsdn_origin origin;
    assert_true(dsdn_follow_origin(fol.f, 130, &origin));
    assert_memory_equal(origin.hash, header_at(130).hash, 32);
    assert_false(dsdn_follow_origin(fol.f, 131, &origin));

    /* Nothing is read twice for nothing after a restart, and nothing appended twice. */
    fol_restart(&fol);
    assert_int_equal(fol.report.checkpoint, 12);
    assert_int_equal(fol.report.replayed, 0);
    assert_int_equal(status_now().next, 12);
    assert_int_equal(dsdn_follow_want(fol.f), 123); /* behind the origin of batch 11 */
    fol_read(&fol, 130);
    assert_int_equal(fol.known, 3);
    fol_is_at(&fol, tip);
    end();
}

static void test_wrong_calls(void **state)
{
    (void)state;
    begin(NULL);
    assert_int_equal(fol_feed(&fol, 101), DSDN_E_USAGE);
    struct dsdn_da_height h;
    struct dsdn_da_blob none[1];
    net_height(&net, START, &h, none);
    h.hash[0] ^= 1;
    assert_int_equal(dsdn_follow_height(fol.f, &h, &error), DSDN_E_CHAIN);
    says(&error, DSDN_E_CHAIN, "the genesis names another header for height 100");
    fol_read(&fol, 102);
    net_height(&net, 101, &h, none);
    need(dsdn_follow_height(fol.f, &h, &error));
    h.time_ms++;
    assert_int_equal(dsdn_follow_height(fol.f, &h, &error), DSDN_E_CHAIN);
    says(&error, DSDN_E_CHAIN, "had another header before");
    fol_read(&fol, 103);
    struct dsdn_follow *second = NULL;
    assert_int_equal(dsdn_follow_open(&fol.options, &second, NULL, &error), DSDN_E_LOCKED);
    struct dsdn_place place = {.source = DSDN_FOLLOW_SOURCES};
    assert_int_equal(dsdn_follow_blob(fol.f, &place, (const uint8_t *)"x", 1, NULL, &error), DSDN_E_USAGE);
    struct dsdn_direct_selection selection = {0};
    struct dsdn_origin origin = header_at(101);
    assert_int_equal(dsdn_follow_select(fol.f, &origin, 0, &selection, &error), DSDN_E_USAGE);
    fol_stop(&fol);
    fol.options.genesis.len = 0;
    fol.options.dir = "/nonexistent/log";
    assert_int_equal(dsdn_follow_open(&fol.options, &second, NULL, &error), DSDN_E_NOT_FOUND);
    fol.options.dir = fol.dir.text;
    fol_start(&fol); /* the directory knows its genesis */
    assert_int_equal(dsdn_follow_want(fol.f), START);
    end();
}

/* ---- what makes a batch invalid ---- */

/* A bad batch in the place of batch 3, refused with a reason; then the honest one. */
static void refused(struct net_batch bad, int code, const char *part)
{
    begin(NULL);
    int tip = chain_of(GENESIS, 101, 103);
    net_direct(&net, 0, 101, 1);
    net_direct(&net, 1, 101, 1);
    net_block(&net, 104);
    bad.parent = tip;
    if (!bad.origin) bad.origin = 103;
    bad.invalid = true;
    int rival = net_make(&net, &bad);
    net_post(&net, rival, false);
    tip = publish(tip, 105);
    fol_read(&fol, 105);
    says(&fol.evidence, code, part);
    assert_int_equal(fol.evidence.sequence, 3);
    assert_int_equal(status_now().refused, 1);
    fol_is_at(&fol, tip);
    uint8_t kind;
    struct dsdn_buffer buffer = {0};
    bool kept = false;
    for (uint8_t slot = 0;
         !dsdn_index_evidence(dsdn_store_index(dsdn_follow_store(fol.f)), 3, slot, &kind, &buffer, &error);
         slot++)
        kept |= kind == DSDN_EVIDENCE_INVALID && buffer.len == net.nodes[rival].len &&
                memcmp(buffer.bytes, net.nodes[rival].bytes, buffer.len) == 0;
    assert_true(kept);
    dsdn_buffer_free(&buffer);
    end();
}

static void test_refusals(void **state)
{
    (void)state;
    refused((struct net_batch){.leave_out = 1}, DSDN_E_DIRECT, "at height 103 index 1 is left out");
    refused((struct net_batch){.leave_out = 2, .pool = 3}, DSDN_E_DIRECT,
            "at height 103 index 2 is left out");
    refused((struct net_batch){.stand_still = true, .pool = 3}, DSDN_E_DIRECT,
            "at height 103 index 1 is left out");
    refused((struct net_batch){.lie_hash = true}, DSDN_E_TIME, "names a header of height 103");
    refused((struct net_batch){.lie_time = true}, DSDN_E_TIME, "the header of height 103 says 618000");
    refused((struct net_batch){.pool = 2, .bad_bundle = true}, DSDN_E_SIGNATURE, "bundle's signature");
    refused((struct net_batch){.origin = 101}, DSDN_E_TIME, "steps back");
}

/* ---- origins ---- */

static void test_frozen_origin(void **state)
{
    (void)state;
    begin(NULL);
    int tip = chain_of(GENESIS, 101, 102);
    for (uint64_t h = 103; h <= 110; h++) { /* goes on with the origin of 101 */
        net_block(&net, h);
        if (h <= 101 + LAG) {
            tip = net_make(&net, &(struct net_batch){.parent = tip, .origin = 101, .pool = 1});
            net_post(&net, tip, false);
        }
    }
    fol_read(&fol, 110);
    fol_is_at(&fol, tip);
    int frozen = net_make(&net, &(struct net_batch){.parent = tip, .origin = 101, .pool = 2});
    net_block(&net, 111);
    net_post(&net, frozen, false);
    fol_read(&fol, 140);
    fol_is_at(&fol, tip); /* too late for a bare batch */
    net_block(&net, 141);
    net_post(&net, frozen, true);
    fol_read(&fol, 150);
    fol_is_at(&fol, frozen); /* its signers looked at their clocks */
    end();
}

static void test_future_origin(void **state)
{
    (void)state;
    begin(NULL);
    int tip = chain_of(GENESIS, 101, 102);
    net_block(&net, 103);
    int ahead = net_make(&net, &(struct net_batch){.parent = tip, .origin = 106});
    net_post(&net, ahead, false);
    fol_read(&fol, 103);
    fol_is_at(&fol, tip);
    net_block(&net, 107);
    net_post(&net, ahead, false); /* now its origin is behind it */
    fol_read(&fol, 107);
    fol_is_at(&fol, ahead);
    end();
}

/* ---- rivals ---- */

static void test_rollback_beyond_a_checkpoint(void **state)
{
    (void)state;
    begin(NULL);
    int root = chain_of(GENESIS, 101, 105), tip = root;
    for (uint64_t h = 106; h <= 110;
         h++) { /* two batches a height: the first certified rival undoes eleven */
        tip = publish(tip, h);
        tip = publish(tip, h);
    }
    int rival = net_make(&net, &(struct net_batch){.parent = root, .origin = 106, .pool = 6});
    fol_read(&fol, 110);
    fol_is_at(&fol, tip);
    net_block(&net, 111);
    net_post(&net, rival, true);
    fol_read(&fol, 111);
    fol_is_at(&fol, rival);
    assert_int_equal(fol.seen[DSDN_FOLLOW_ROLLED_BACK], 1);
    assert_int_equal(fol.rolled_back_to, 5);
    assert_int_equal(fol.evidence_kind, DSDN_EVIDENCE_EQUIVOCATION);
    tip = chain_of(rival, 112, 125);
    fol_read(&fol, 125);
    fol_is_at(&fol, tip);

    /* Settled long ago: neither a certificate of the loser nor a restart changes anything. */
    net_block(&net, 126);
    net_post(&net, 6, true);
    fol_read(&fol, 130);
    fol_restart(&fol);
    fol_read(&fol, 130);
    fol_is_at(&fol, tip);
    assert_int_equal(fol.seen[DSDN_FOLLOW_ROLLED_BACK], 1);
    end();
}

/* Two certificates of one sequence, the second behind close(parent): evidence and an alarm, no more. */
static void test_late_second_certificate(void **state)
{
    (void)state;
    begin(NULL);
    int root = chain_of(GENESIS, 101, 102);
    int first = net_make(&net, &(struct net_batch){.parent = root, .origin = 102, .pool = 1});
    int second = net_make(&net, &(struct net_batch){.parent = root, .origin = 102, .pool = 2});
    net_block(&net, 103);
    net_post(&net, first, true);
    net_block(&net, 105);
    net_post(&net, second, true);
    fol_read(&fol, 106);
    fol_is_at(&fol, first);
    says(&fol.alarm, DSDN_E_EQUIVOCATION, "");
    assert_int_equal(fol.seen[DSDN_FOLLOW_ROLLED_BACK], 0);
    fol_read(&fol, 115);
    assert_int_equal(status_now().settled, 3);
    net_block(&net, 116);
    net_post(&net, second, true);
    fol_read(&fol, 120);
    fol_is_at(&fol, first);
    end();
}

/* Killed between signing and posting: the publisher's second header comes only when the first cannot count
 * any more. */
static void test_signed_and_not_posted(void **state)
{
    (void)state;
    begin(NULL);
    int tip = chain_of(GENESIS, 101, 103);
    int lost = net_make(&net, &(struct net_batch){.parent = tip, .origin = 103, .pool = 1});
    net_block(&net, 103 + LAG + 2);
    int other = net_make(&net, &(struct net_batch){.parent = tip, .origin = 103 + LAG + 1, .pool = 2});
    net_post(&net, other, false);
    net_post(&net, lost, false); /* it turns up after all */
    fol_read(&fol, net.now);
    fol_is_at(&fol, other);
    assert_int_equal(fol.seen[DSDN_FOLLOW_EVIDENCE], 0);
    end();
}

/* One header with two good signatures is one batch. */
static void sign_again(const uint8_t seed[32], const uint8_t public_key[32], const uint8_t digest[32],
                       uint8_t out[64])
{
    uint8_t az[64], r[32], k[64], wide[64], scalar[32], product[32];
    crypto_hash_sha512_state h;
    crypto_hash_sha512(az, seed, 32);
    az[0] &= 248, az[31] &= 63, az[31] |= 64;
    memset(wide, 0, sizeof wide);
    memcpy(wide, az, 32);
    crypto_core_ed25519_scalar_reduce(scalar, wide);
    memset(wide, 7, sizeof wide); /* any nonce but the one of RFC 8032 */
    crypto_core_ed25519_scalar_reduce(r, wide);
    assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(out, r), 0);
    crypto_hash_sha512_init(&h);
    crypto_hash_sha512_update(&h, out, 32);
    crypto_hash_sha512_update(&h, public_key, 32);
    crypto_hash_sha512_update(&h, digest, 32);
    crypto_hash_sha512_final(&h, k);
    crypto_core_ed25519_scalar_reduce(k, k);
    crypto_core_ed25519_scalar_mul(product, k, scalar);
    crypto_core_ed25519_scalar_add(out + 32, product, r);
}

static void test_one_header_signed_twice(void **state)
{
    (void)state;
    const uint8_t seed[32] = {1, 0xf0};
    begin(NULL);
    int tip = chain_of(GENESIS, 101, 103), last = tip;
    struct net_node *m = &net.nodes[tip];
    uint8_t digest[32], *copy = malloc(m->len);
    memcpy(copy, m->bytes, m->len);
    dsdn_batch_message(copy, digest);
    sign_again(seed, net.authority.public_key, digest, copy + DSDN_HEADER_LEN);
    assert_true(dsdn_verify(NULL, net.authority.public_key, digest, copy + DSDN_HEADER_LEN));
    assert_memory_not_equal(copy, m->bytes, m->len);
    net_block(&net, 104);
    net_blob(&net, copy, m->len);
    tip = chain_of(tip, 105, 106);
    fol_read(&fol, 106);
    fol_is_at(&fol, tip);
    assert_int_equal(fol.seen[DSDN_FOLLOW_EVIDENCE], 0);

    /* Another follower meets the other signature; so does this one after a restart: the same log. */
    struct fol other;
    fol_open(&other, &net);
    uint8_t *kept = NULL;
    for (int i = 0; i < net.blob_cnt; i++)
        if (net.blobs[i].len == m->len && memcmp(net.blobs[i].bytes, m->bytes, m->len) == 0) {
            kept = net.blobs[i].bytes;
            net.blobs[i].bytes = copy;
        }
    assert_non_null(kept);
    fol_read(&other, 106);
    fol_is_at(&other, tip);
    fol_restart(&fol);
    fol_read(&fol, 106);
    fol_is_at(&fol, tip);
    assert_int_equal(fol.known, (uint64_t)net.nodes[tip].header.sequence + 1);
    free(kept);
    (void)last;
    fol_close(&other);
    end();
}

/* ---- other sources ---- */

static void test_provisional(void **state)
{
    (void)state;
    begin(NULL);
    int tip = chain_of(GENESIS, 101, 103);
    fol_read(&fol, 103);
    net_block(&net, 105);
    net_direct(&net, 0, 101, 1);
    int good = net_make(&net, &(struct net_batch){.parent = tip, .origin = 105});
    net_block(&net, 107);
    net_direct(&net, 1, 101, 1);
    int bad =
        net_make(&net, &(struct net_batch){.parent = good, .origin = 107, .leave_out = 1, .invalid = true});
    /* The primary stands at 103; certified batches are here already. */
    fol_certified(&fol, good);
    fol_certified(&fol, bad);
    assert_int_equal(fol.provisional, 2);
    assert_int_equal(status_now().next, 5);
    assert_int_equal(status_now().included, 3);
    fol_read(&fol, 106);
    assert_int_equal(status_now().next, 5);
    fol_read(&fol, 107);
    fol_is_at(&fol, good);
    says(&fol.evidence, DSDN_E_DIRECT, "at height 107 index 0 is left out");
    assert_int_equal(fol.rolled_back_to, 4);

    /* What the state refuses is not applied provisionally either. */
    int worse = net_make(
        &net,
        &(struct net_batch){.parent = good, .origin = 120, .pool = 1, .bad_bundle = true, .invalid = true});
    fol_certified(&fol, worse);
    fol_is_at(&fol, good);
    says(&fol.evidence, DSDN_E_SIGNATURE, "");
    end();
}

static void test_takeover(void **state)
{
    (void)state;
    begin(NULL);
    fol.options.checkpoint_every = 1000;
    fol_restart(&fol);
    int tip = chain_of(GENESIS, 101, 103);
    net_block(&net, 104);
    net_direct(&net, 2, 109, 1);
    net_block(&net, 120);
    int taken =
        net_make(&net, &(struct net_batch){.parent = tip, .origin = 110, .takeover = net.next.public_key});
    net_post(&net, taken, true);
    struct dsdn_sign_key old = net.authority;
    net.authority = net.next;
    tip = chain_of(taken, 121, 123); /* takes the direct bundle that the takeover could not */
    assert_int_equal(net.nodes[taken].header.cursor.height, 102);
    fol_read(&fol, 123);
    fol_is_at(&fol, tip);
    int late = net_make(
        &net, &(struct net_batch){.parent = tip, .origin = 123, .by = &old, .epoch = 0, .invalid = true});
    net_block(&net, 124);
    net_post(&net, late, false);
    fol_read(&fol, 124);
    fol_is_at(&fol, tip);

    /* The log holds no certificate; it was verified here before it was written. */
    tip = chain_of(tip, 125, 140);
    fol_read(&fol, 140);
    assert_true(status_now().settled > 4);
    fol_is_at(&fol, tip);
    fol_restart(&fol);
    assert_int_equal(fol.report.checkpoint, 0);
    assert_true(fol.report.replayed > 4);
    fol_read(&fol, 140);
    fol_is_at(&fol, tip);
    fol_stop(&fol);
    fol.options.recheck = true;
    assert_int_equal(dsdn_follow_open(&fol.options, &fol.f, &fol.report, &error), DSDN_E_AUTHORITY);
    end();
}

/* ---- hand-off ---- */

static void test_hand_off(void **state)
{
    (void)state;
    begin((const struct net_parameter[]){{"handoff_ms", 1000}, {NULL, 0}});
    uint8_t member[98] = {1};
    member[96] = 1;
    int tip = chain_of(GENESIS, 101, 102);
    struct dsdn_ev_committee_formed formed = {.epoch = 1,
                                              .members = {member, 1, sizeof member},
                                              .threshold = 1,
                                              .group_public = net.next.public_key,
                                              .duration_s = 60,
                                              .method = 1,
                                              .seed = member};
    struct dsdn_ev_committee_handoff_started started = {
        .to_epoch = 1, .start = 105 * BLOCK_MS, .end = 105 * BLOCK_MS + 1000};
    tip = net_make(
        &net, &(struct net_batch){
                  .parent = tip, .origin = 102, .event = dsdn_EVENT_committee_formed, .fields = &formed});
    net_block(&net, 103);
    net_post(&net, tip, false);
    tip = net_make(&net, &(struct net_batch){.parent = tip,
                                             .origin = 103,
                                             .event = dsdn_EVENT_committee_handoff_started,
                                             .fields = &started});
    net_block(&net, 104);
    net_post(&net, tip, false);
    /* The window passes and nobody of the new group appears: the old key goes on. */
    tip = chain_of(tip, 106, 112);
    fol_read(&fol, 112);
    fol_is_at(&fol, tip);
    int early = tip;
    tip = chain_of(tip, 113, 114);

    /* It appears after all, as a race from two batches before: the primary decides for the first. */
    int race = net_make(
        &net, &(struct net_batch){.parent = early, .origin = 114, .by = &net.next, .epoch = 1, .pool = 3});
    net_block(&net, 115);
    net_post(&net, race, false);
    fol_read(&fol, 115);
    fol_is_at(&fol, tip);
    assert_int_equal(fol.seen[DSDN_FOLLOW_EVIDENCE], 0); /* siblings of two epochs are no evidence */

    /* Certified it wins, and ends the right of the old key. */
    net_block(&net, 116);
    net_post(&net, race, true);
    fol_read(&fol, 116);
    fol_is_at(&fol, race);
    assert_int_equal(fol.seen[DSDN_FOLLOW_ROLLED_BACK], 1);
    int after = net_make(
        &net,
        &(struct net_batch){
            .parent = race, .origin = 116, .pool = 4, .by = &net.authority, .epoch = 0, .invalid = true});
    net_block(&net, 117);
    net_post(&net, after, false);
    tip = net_make(
        &net, &(struct net_batch){.parent = race, .origin = 117, .by = &net.next, .epoch = 1, .pool = 5});
    net_block(&net, 118);
    net_post(&net, tip, false);
    fol_read(&fol, 130);
    fol_is_at(&fol, tip);
    fol_restart(&fol);
    fol_read(&fol, 130);
    fol_is_at(&fol, tip);
    end();
}

/* ---- quorum sets ---- */

/* Set 1, of one member: two of the three of set 0 say so. */
static void declare_set(struct net *n)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_quorum_validator_set_declared];
    uint8_t approval[96] = {0}, payload[512], digest[32];
    uint32_t len;
    struct dsdn_ev_quorum_validator_set_declared e = {.set_id = 1,
                                                      .members = {n->next.public_key, 1, 32},
                                                      .threshold_pct = 67,
                                                      .approvals = {approval, 1, sizeof approval}};
    memcpy(approval, n->member[1].public_key, 32);
    need(dsdn_event_encode(desc, 1, &e, payload, sizeof payload, &len, &error));
    need(dsdn_embedded_message(desc, 1, "approvals", n->genesis.hash, n->member[0].public_key, 1, payload,
                               len, digest, &error));
    dsdn_sign(&n->member[1], digest, approval + 32);
    need(dsdn_event_encode(desc, 1, &e, payload, sizeof payload, &len, &error));
    need(dsdn_batch_builder_begin(n->builder, DSDN_BUNDLE_POOL, n->member[0].public_key, 1, 0, &error));
    need(dsdn_batch_builder_event(n->builder, desc->type, 1, payload, len, &error));
    need(dsdn_batch_builder_end(n->builder, n->genesis.hash, &n->member[0], &error));
}

static void post_certified(int node, uint32_t set)
{
    uint8_t bytes[8192] = "DSDC";
    size_t len = 4 + net_certificate(&net, node, set, set ? 1 : 5, bytes + 4);
    assert_true(len + net.nodes[node].len <= sizeof bytes);
    memcpy(bytes + len, net.nodes[node].bytes, net.nodes[node].len);
    net_blob(&net, bytes, len + net.nodes[node].len);
}

/* A certificate is checked against the set in the state after prev: not the newest, and not that of a branch
 * that lost. */
static void test_sets_change(void **state)
{
    (void)state;
    begin(NULL);
    int root = chain_of(GENESIS, 101, 103);
    int declared = net_make(&net, &(struct net_batch){.parent = root, .origin = 103, .fill = declare_set});
    int rival = net_make(&net, &(struct net_batch){.parent = root, .origin = 103, .pool = 6});
    net_block(&net, 104);
    net_post(&net, declared, false);
    int tip = chain_of(declared, 105, 106);
    int other = net_make(&net, &(struct net_batch){.parent = declared, .origin = 104, .pool = 5});
    fol_read(&fol, 106);
    fol_is_at(&fol, tip);
    assert_int_equal(dsdn_head(dsdn_engine_state(dsdn_follow_engine(fol.f)))->quorum_set, 1);
    net_block(&net, 107);
    post_certified(other, 0); /* the old set says nothing there */
    fol_read(&fol, 107);
    fol_is_at(&fol, tip);
    net_block(&net, 108);
    post_certified(other, 1);
    fol_read(&fol, 108);
    fol_is_at(&fol, other);
    net_block(&net, 109);
    post_certified(rival, 0); /* before the declaration the old set still counts */
    fol_read(&fol, 109);
    fol_is_at(&fol, rival);
    tip = chain_of(rival, 110, 110);
    int child = net_make(&net, &(struct net_batch){.parent = rival, .origin = 109, .pool = 4});
    net_block(&net, 111);
    post_certified(child, 1); /* set 1 is gone with its branch */
    fol_read(&fol, 111);
    fol_is_at(&fol, tip);
    net_block(&net, 112);
    post_certified(child, 0);
    fol_read(&fol, 112);
    fol_is_at(&fol, child);
    end();
}

/* ---- direct bundles in quantity ---- */

/* A direct blob of nearly 512 KiB: as many objects as fit. */
static void flood_one(int user, uint64_t nonce)
{
    enum { EVENT = 4 + 32 + 32 + 8 + 4 + 1 + 1 + 1 + 1 };
    net_direct(&net, user, nonce, (DSDN_DIRECT_MAX - DSDN_DIRECT_PREFIX - DSDN_BUNDLE_LEN) / EVENT);
}

static void test_a_flood_at_one_height(void **state)
{
    (void)state;
    begin(NULL);
    fol.options.keep_direct = true;
    fol.options.direct_bytes = 8 << 20;
    fol_restart(&fol);
    int tip = chain_of(GENESIS, 101, 102);
    net_block(&net, 103);
    flood_one(0, 101);
    size_t each = net.blobs[net.blob_cnt - 1].len;
    assert_true(each > DSDN_DIRECT_MAX - 200 && each <= DSDN_DIRECT_MAX);
    for (uint32_t i = 1; i * each < 32u << 20; i++) flood_one((int)(i % USERS), 101 + i / USERS);
    uint32_t total = net.index;
    fol_read(&fol, 103);
    struct dsdn_follow_status s = status_now();
    assert_int_equal(s.direct_cnt, total);
    assert_true(s.direct_bytes <= (4 << 20) + total * sizeof(struct dsdn_direct) && !s.queue_full);

    /* Two a batch. */
    struct dsdn_direct_selection selection = {0};
    for (uint64_t h = 104; h < 140; h++) {
        struct dsdn_origin origin = header_at(h - 1);
        int rc = dsdn_follow_select(fol.f, &origin, origin.time_ms, &selection, &error);
        for (int turns = 0; rc == DSDN_E_AGAIN && turns < 5; turns++) { /* the bundles that were not kept */
            assert_int_equal(dsdn_follow_want(fol.f), 103);
            need(fol_feed(&fol, 103));
            rc = dsdn_follow_select(fol.f, &origin, origin.time_ms, &selection, &error);
        }
        need(rc);
        tip = publish(tip, h);
        assert_int_equal(selection.cnt, net.selection.cnt);
        assert_int_equal(selection.cursor.blob_index, net.selection.cursor.blob_index);
        for (uint32_t i = 0; i < selection.cnt; i++)
            assert_memory_equal(selection.blobs[i]->bundle, net.selection.blobs[i]->bundle,
                                selection.blobs[i]->len - 36);
        assert_true(dsdn_direct_queue_bytes(dsdn_follow_queue(fol.f)) <= 8 << 20);
        fol_read(&fol, h);
        fol_is_at(&fol, tip);
    }
    assert_int_equal(selection.cnt, 0);
    dsdn_direct_selection_free(&selection);
    end();
}

/* A queue with room for ten. */
static void test_queue_full(void **state)
{
    (void)state;
    begin(NULL);
    fol.options.direct_bytes = 10 * sizeof(struct dsdn_direct);
    fol_restart(&fol);
    int root = chain_of(GENESIS, 101, 102), tip = root;
    for (uint64_t h = 103; h <= 105; h++) {
        net_block(&net, h);
        for (int i = 0; i < 4; i++) net_direct(&net, i, h, 1);
    }
    fol_read(&fol, 110);
    assert_int_equal(dsdn_follow_want(fol.f), DSDN_HEIGHT_NONE);
    assert_true(status_now().queue_full);
    assert_int_equal(status_now().complete, 105);

    says(&fol.alarm, DSDN_E_TOO_LARGE, "12 direct bundles wait");
    assert_int_equal(fol.seen[DSDN_FOLLOW_ALARM], 1);

    /* A batch from elsewhere takes them; the queue forgets what is behind the head, though nothing is
     * settled. */
    tip = net_make(&net, &(struct net_batch){.parent = tip, .origin = 105});
    fol_certified(&fol, tip);
    assert_int_equal(dsdn_follow_want(fol.f), 106);
    assert_int_equal(status_now().direct_cnt, 0);
    assert_int_equal(status_now().settled, 0);
    net_block(&net, 106);
    net_post(&net, tip, true);
    fol_read(&fol, 120);
    fol_is_at(&fol, tip);
    end();
}

/* Rolled back behind what the queue forgot: it is read again, and judged as before. */
static void test_queue_reads_again(void **state)
{
    (void)state;
    begin(NULL);
    fol.options.direct_bytes = 6 * sizeof(struct dsdn_direct);
    fol_restart(&fol);
    int root = chain_of(GENESIS, 101, 102), tip = root;
    for (uint64_t h = 103; h <= 107; h++) {
        net_block(&net, h);
        for (int i = 0; i < 3; i++) net_direct(&net, i, h, 1);
        tip = net_make(&net, &(struct net_batch){.parent = tip, .origin = h - 1});
        net_post(&net, tip, false);
    }
    int bad =
        net_make(&net, &(struct net_batch){.parent = root, .origin = 105, .leave_out = 4, .invalid = true});
    int rival = net_make(&net, &(struct net_batch){.parent = root, .origin = 106});
    fol_read(&fol, 107);
    fol_is_at(&fol, tip);
    net_block(&net, 108);
    net_post(&net, bad, true);
    net_post(&net, rival, true);
    fol_read(&fol, 110);
    fol_is_at(&fol, rival);
    says(&fol.evidence, DSDN_E_DIRECT, "at height 104 index 0 is left out");
    end();
}

/* ---- halting, and networks without a primary ---- */

static void test_upgrade_required(void **state)
{
    (void)state;
    static struct dsdn_catalogue old;
    old = dsdn_catalogue;
    old.version = DSDN_PROTOCOL(0, 9, 9);
    begin(NULL);
    chain_of(GENESIS, 101, 102);
    fol_stop(&fol);
    fol.options.catalogue = &old;
    fol_start(&fol);
    fol_read(&fol, 102);
    assert_int_equal(fol.seen[DSDN_FOLLOW_HALTED], 1);
    says(&fol.alarm, DSDN_E_UPGRADE_REQUIRED,
         "protocol version 1.0.0 is active from this batch on; this program knows 0.9.9");
    assert_int_equal(fol.alarm.sequence, 0);
    assert_int_equal(dsdn_follow_want(fol.f), DSDN_HEIGHT_NONE);
    assert_true(status_now().halted);
    fol_stop(&fol);
    fol.options.catalogue = &dsdn_catalogue; /* upgraded */
    fol_start(&fol);
    fol_read(&fol, 102);
    assert_int_equal(status_now().next, 2);
    end();
}

static void test_without_a_primary(void **state)
{
    (void)state;
    net_open(&net, false, NULL);
    fol_open(&fol, &net);
    assert_int_equal(dsdn_follow_want(fol.f), DSDN_HEIGHT_NONE);
    int tip = GENESIS;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            struct dsdn_place place = {.source = 0};
            tip = net_make(&net, &(struct net_batch){.parent = tip, .pool = i % 7 ? 0 : 1});
            net_state(&net, tip);
            need(dsdn_follow_blob(fol.f, &place, net.nodes[tip].bytes, net.nodes[tip].len, NULL, &error));
            fol_listen(&fol);
            if (net.node_cnt == NODES_MAX) break;
        }
        fol_is_at(&fol, tip);
        fol_restart(&fol);
        assert_int_equal(status_now().next, net.nodes[tip].header.sequence + 1);
    }
    fol_is_at(&fol, tip);
    struct dsdn_da_height h = {.height = 1};
    assert_int_equal(dsdn_follow_height(fol.f, &h, &error), DSDN_E_USAGE);
    end();
}

/* ---- damage ---- */

static void spoil(const char *path, size_t at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void test_damage_at_rest(void **state)
{
    (void)state;
    struct path path, index;
    begin(NULL);
    int tip = chain_of(GENESIS, 101, 140);
    fol_read(&fol, 140);
    fol_is_at(&fol, tip);
    fol_restart(&fol);
    uint64_t settled = fol.settled, checkpoint = fol.report.checkpoint;
    assert_int_equal(settled, 34);
    assert_int_equal(checkpoint, 32);

    fol_stop(&fol); /* the newest checkpoint: the one before serves */
    path = sub(&fol.dir, "checkpoints/000000000031.checkpoint");
    spoil(path.text, 700);
    fol_start(&fol);
    assert_int_equal(fol.report.checkpoints_bad, 1);
    assert_int_equal(fol.report.checkpoint, 28);
    assert_int_equal(fol.report.replayed, 6);
    fol_read(&fol, 140);
    fol_is_at(&fol, tip);

    fol_stop(&fol); /* the record of the settled point: everything is read again */
    path = sub(&fol.dir, "follow");
    spoil(path.text, 60);
    fol.settled = 0;
    fol_start(&fol);
    assert_true(fol.report.record_lost);
    assert_int_equal(dsdn_follow_want(fol.f), START);
    fol.known = 0;
    fol_read(&fol, 140);
    assert_int_equal(fol.known, 40);
    fol_is_at(&fol, tip);

    fol_stop(&fol); /* the index: checkpoints are trusted no more, the log is */
    index = sub(&fol.dir, "index");
    scratch_remove(&index);
    fol_start(&fol);
    assert_true(fol.report.store.index_rebuilt || fol.report.store.index_added);
    assert_int_equal(fol.report.checkpoint, 0);
    assert_int_equal(fol.report.replayed, 34);
    fol_read(&fol, 140);
    fol_is_at(&fol, tip);

    fol_stop(&fol); /* a batch of the settled log: not to be repaired here */
    path = sub(&fol.dir, "segments/000000000000.seg");
    spoil(path.text, 400);
    assert_int_equal(dsdn_follow_open(&fol.options, &fol.f, NULL, &error), DSDN_E_CHECKSUM);
    assert_true(strstr(error.file, "000000000000.seg") != NULL);
    end();
}

/* ---- without memory ---- */

/* The n-th allocation fails, for every n: whatever comes back, the follower goes on or is opened again, and
 * ends where the others do. */
static void test_no_memory(void **state)
{
    (void)state;
    net_open(&net, true, NULL);
    int root = chain_of(GENESIS, 101, 103), tip = root;
    net_direct(&net, 1, 107, 1);
    tip = chain_of(tip, 104, 105);
    int rival = net_make(&net, &(struct net_batch){.parent = root, .origin = 104, .pool = 6});
    net_block(&net, 106);
    net_post(&net, rival, true);
    static struct dsdn_da_blob blobs[BLOBS_MAX];
    struct dsdn_da_height h;
    bool more = true;
    unsigned failures = 0, n = 1;
    for (; more; n += n < 200 ? 1 : 7) {
        fol_open(&fol, &net);
        fail_nth(n);
        int rc = 0;
        for (int turns = 0; !rc && turns < 40 && dsdn_follow_want(fol.f) <= 115; turns++) {
            uint64_t want = dsdn_follow_want(fol.f);
            struct dsdn_origin header = header_at(want);
            h = (struct dsdn_da_height){.height = want, .time_ms = header.time_ms, .blobs = blobs};
            memcpy(h.hash, header.hash, 32);
            for (int i = 0; i < net.blob_cnt; i++)
                if (net.blobs[i].height == want)
                    blobs[h.blob_cnt++] = (struct dsdn_da_blob){
                        .index = net.blobs[i].index, .bytes = net.blobs[i].bytes, .len = net.blobs[i].len};
            rc = dsdn_follow_height(fol.f, &h, &error);
        }
        more = !fail_nth(0);
        failures += rc != 0;
        if (rc && n % 2) {
            fol_stop(&fol);
            fol_start(&fol);
        }
        struct dsdn_follow_event e;
        while (dsdn_follow_event(fol.f, &e)) {
        }
        if (rc && dsdn_follow_want(fol.f) == DSDN_HEIGHT_NONE) { /* it gave up: a new one */
            fol_stop(&fol);
            fol_start(&fol);
        }
        for (uint64_t want; (want = dsdn_follow_want(fol.f)) <= 117;) {
            net_height(&net, want, &h, blobs);
            need(dsdn_follow_height(fol.f, &h, &error));
        }
        fol_is_at(&fol, rival);
        fol_close(&fol);
    }
    assert_true(failures > 20);
    net_close(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_ordinary_day),
        cmocka_unit_test(test_wrong_calls),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_frozen_origin),
        cmocka_unit_test(test_future_origin),
        cmocka_unit_test(test_rollback_beyond_a_checkpoint),
        cmocka_unit_test(test_late_second_certificate),
        cmocka_unit_test(test_signed_and_not_posted),
        cmocka_unit_test(test_one_header_signed_twice),
        cmocka_unit_test(test_provisional),
        cmocka_unit_test(test_takeover),
        cmocka_unit_test(test_hand_off),
        cmocka_unit_test(test_sets_change),
        cmocka_unit_test(test_a_flood_at_one_height),
        cmocka_unit_test(test_queue_full),
        cmocka_unit_test(test_queue_reads_again),
        cmocka_unit_test(test_upgrade_required),
        cmocka_unit_test(test_without_a_primary),
        cmocka_unit_test(test_damage_at_rest),
        cmocka_unit_test(test_no_memory),
    };
    if (sodium_init() < 0) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
