/* The sequencer with real signatures: every verdict, every action, and the bounds, one story each.
 * Orders of delivery are test_simulate_delivery.c's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "log/index.h" /* a node has both */
#include "log/sequencer.h"

enum { LAG = 8, WINDOW = 6, CHAIN = 800, MEMBERS = 4, BLOCK_MS = 60000 };

static struct dsdn_sign_key authority, group, stranger, member[MEMBERS], store;
static uint8_t member_keys[MEMBERS * 32];
static const uint8_t genesis[32] = {'g'};

/* ---- a model of the state, and a shell ---- */

struct shell {
    struct dsdn_sequencer *s;
    struct dsdn_state_view view;
    uint8_t chain[CHAIN + 1][32];
    uint64_t len, complete;
    bool group_announced, halt;
    uint32_t batch_max;
    /* what was asked of it */
    uint64_t applied, rollbacks, waits, alarms, rescans, rescan_from[3], evidence[4];
    int alarm;
    uint8_t evidence_hash[32];
    size_t evidence_len;
};

static void view_head(void *self, struct dsdn_head *head)
{
    const struct shell *x = self;
    *head = (struct dsdn_head){.next = x->len};
    memcpy(head->hash, x->chain[x->len], 32);
}

static enum dsdn_right view_may(void *self, const uint8_t publisher[32], uint64_t epoch)
{
    const struct shell *x = self;
    if (epoch == 0 && !memcmp(publisher, authority.public_key, 32)) return DSDN_RIGHT_CURRENT;
    return x->group_announced && epoch == 1 && !memcmp(publisher, group.public_key, 32) ? DSDN_RIGHT_ANNOUNCED
                                                                                        : DSDN_RIGHT_UNKNOWN;
}

static bool view_set(void *self, uint64_t next, uint32_t id, struct dsdn_signer_set *set)
{
    assert_true(next <= ((struct shell *)self)->len);
    set->kind = id == 1 ? DSDN_SET_QUORUM : DSDN_SET_EMERGENCY;
    set->members = id == 1 ? member_keys : store.public_key;
    set->count = id == 1 ? MEMBERS : 1;
    set->percent = 67;
    return id == 1 || id == 2;
}

static void view_limits(void *self, struct dsdn_fork_limits *limits, uint32_t *batch_max)
{
    *limits = (struct dsdn_fork_limits){LAG, WINDOW};
    *batch_max = ((struct shell *)self)->batch_max;
}

static enum dsdn_judgement view_judge(void *self, const struct dsdn_batch *batch, uint64_t *wait,
                                      struct dsdn_error *error)
{
    const struct shell *x = self;
    assert_int_equal(batch->header.sequence, x->len);
    if (x->halt) {
        dsdn_fail(error, DSDN_E_UPGRADE_REQUIRED, "version 2");
        return DSDN_JUDGED_HALT;
    }
    if (batch->header.origin.height > x->complete) {
        *wait = batch->header.origin.height;
        return DSDN_JUDGED_WAIT;
    }
    if (batch->len > DSDN_BATCH_FIXED_LEN && batch->body[0] == 'X') {
        dsdn_fail(error, DSDN_E_TYPE_DISABLED, "no such event");
        return DSDN_JUDGED_INVALID;
    }
    return DSDN_JUDGED_VALID;
}

static enum dsdn_judgement view_confirm(void *self, uint64_t sequence, uint64_t *wait,
                                        struct dsdn_error *error)
{
    (void)self, (void)sequence, (void)wait;
    dsdn_fail(error, DSDN_E_CURSOR, "another selection was due");
    return DSDN_JUDGED_INVALID;
}

static struct shell *shell_new(bool primary)
{
    struct shell *x = calloc(1, sizeof *x);
    assert_non_null(x);
    struct dsdn_sequencer_config config = {.primary = primary, .sources = 3, .root.limits = {LAG, WINDOW}};
    memcpy(config.genesis, genesis, 32);
    memcpy(config.root.hash, genesis, 32);
    memcpy(x->chain[0], genesis, 32);
    x->batch_max = DSDN_BATCH_MAX;
    x->view =
        (struct dsdn_state_view){x, view_head, view_may, view_set, view_limits, view_judge, view_confirm};
    x->s = dsdn_sequencer_new(&config, &x->view, NULL);
    assert_non_null(x->s);
    return x;
}

static void shell_free(struct shell *x)
{
    dsdn_sequencer_free(x->s);
    free(x);
}

/* Carry out everything; RESCANs are only noted. */
static void act(struct shell *x)
{
    struct dsdn_action a;
    while (dsdn_sequencer_next(x->s, &a)) {
        switch (a.kind) {
        case DSDN_ACTION_APPLY:
            assert_int_equal(a.sequence, x->len);
            memcpy(x->chain[++x->len], a.hash, 32);
            x->applied++;
            break;
        case DSDN_ACTION_ROLLBACK:
            x->len = a.sequence;
            x->rollbacks++;
            break;
        case DSDN_ACTION_EVIDENCE:
            x->evidence[a.evidence]++;
            memcpy(x->evidence_hash, a.hash, 32);
            x->evidence_len = a.bytes.len;
            assert_true((a.second.len != 0) == (a.evidence != DSDN_EVIDENCE_INVALID));
            break;
        case DSDN_ACTION_RESCAN:
            x->rescans++;
            x->rescan_from[a.source] = a.height;
            break;
        case DSDN_ACTION_ALARM:
            x->alarms++;
            x->alarm = a.code;
            break;
        case DSDN_ACTION_WAIT: x->waits = a.height; break;
        }
    }
}

static void complete(struct shell *x, uint64_t height)
{
    x->complete = height;
    dsdn_sequencer_complete(x->s, DSDN_SOURCE_PRIMARY, height);
    act(x);
}

/* ---- batches ---- */

struct made {
    uint8_t bytes[700], hash[32];
    size_t len;
    struct dsdn_header header;
};

static void seal(struct made *m, const struct dsdn_sign_key *key, const char *body)
{
    uint8_t digest[32];
    size_t body_len = *body ? 128 : 0;
    memcpy(m->header.genesis, genesis, 32);
    if (key) memcpy(m->header.publisher, key->public_key, 32);
    m->header.body_len = (uint32_t)body_len;
    m->header.bundle_count = body_len ? 1 : 0;
    memset(m->bytes, 0, sizeof m->bytes);
    memcpy(m->bytes + DSDN_BATCH_FIXED_LEN, body, strlen(body));
    dsdn_body_hash(m->bytes + DSDN_BATCH_FIXED_LEN, body_len, m->header.body_hash);
    dsdn_header_encode(&m->header, m->bytes);
    dsdn_batch_hash(m->bytes, m->hash);
    dsdn_batch_message(m->bytes, digest);
    if (key) dsdn_sign(key, digest, m->bytes + DSDN_HEADER_LEN);
    m->len = DSDN_BATCH_FIXED_LEN + body_len;
}

static struct made child_of(const struct made *parent, uint64_t origin, uint64_t time_ms, const char *body)
{
    struct made m = {.header = {.time_ms = time_ms, .origin.height = origin}};
    m.header.sequence = parent ? parent->header.sequence + 1 : 0;
    memcpy(m.header.prev, parent ? parent->hash : genesis, 32);
    seal(&m, &authority, body);
    return m;
}

static struct made certified(const struct made *batch, uint32_t set, int signers)
{
    struct made m = *batch;
    uint8_t digest[32], signature[MEMBERS][64];
    const uint8_t *signatures[MEMBERS] = {NULL};
    dsdn_certificate_message(genesis, set, batch->header.sequence, batch->hash, digest);
    for (int i = 0; i < signers; i++) {
        dsdn_sign(set == 1 ? &member[i] : &store, digest, signature[i]);
        signatures[i] = signature[i];
    }
    memcpy(m.bytes, "DSDC", 4);
    m.len =
        4 + dsdn_certificate_encode(set, signatures, set == 1 ? MEMBERS : 1, m.bytes + 4, sizeof m.bytes - 4);
    memcpy(m.bytes + m.len, batch->bytes, batch->len);
    m.len += batch->len;
    return m;
}

static enum dsdn_verdict give(struct shell *x, uint32_t source, uint64_t height, uint32_t index,
                              const struct made *m)
{
    struct dsdn_place place = {source, height, index, height * BLOCK_MS};
    return dsdn_sequencer_blob(x->s, &place, m->bytes, m->len, NULL);
}

#define GIVES(verdict, x, source, height, index, m)                                                          \
    assert_string_equal(dsdn_verdict_name(give(x, source, height, index, m)), #verdict)

/* ---- verdicts ---- */

static void test_verdicts(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made a = child_of(NULL, 0, 0, "a"), b = child_of(&a, 0, 0, "b"), bad = a, far = b;
    complete(x, 1);
    bad.len = 3;
    GIVES(GARBAGE, x, 0, 2, 0, &bad);
    bad.len = a.len - 1;
    GIVES(GARBAGE, x, 0, 2, 0, &bad);
    bad.len = a.len + 1;
    GIVES(GARBAGE, x, 0, 2, 0, &bad);
    bad = a;
    bad.bytes[0] = 'X';
    GIVES(GARBAGE, x, 0, 2, 0, &bad);
    memcpy(bad.bytes, "DSDC", 4);
    GIVES(GARBAGE, x, 0, 2, 0, &bad);
    bad = a;
    bad.bytes[5] ^= 1;
    GIVES(WRONG_GENESIS, x, 0, 2, 0, &bad);
    bad = a;
    seal(&bad, &stranger, "a");
    GIVES(UNKNOWN_PUBLISHER, x, 0, 2, 0, &bad);
    bad = a;
    bad.bytes[DSDN_HEADER_LEN + 5] ^= 1;
    GIVES(BAD_SIGNATURE, x, 0, 2, 0, &bad);
    bad = a;
    bad.bytes[DSDN_BATCH_FIXED_LEN + 9] ^= 1;
    GIVES(BODY_MISMATCH, x, 0, 2, 0, &bad);
    far.header.sequence = 256;
    seal(&far, &authority, "far");
    GIVES(OUT_OF_WINDOW, x, 0, 2, 0, &far);
    far.header.sequence = UINT64_MAX;
    seal(&far, &authority, "far");
    GIVES(OUT_OF_WINDOW, x, 0, 2, 0, &far);
    far.header.sequence = 255;
    seal(&far, &authority, "far");
    GIVES(HELD, x, 0, 2, 0, &far);

    GIVES(HELD, x, 0, 3, 0, &b);
    GIVES(DUPLICATE, x, 0, 3, 0, &b);
    GIVES(ACCEPTED, x, 0, 4, 0, &a);
    act(x);
    assert_int_equal(x->len, 2);
    GIVES(DUPLICATE, x, 0, 5, 0, &a); /* higher: no news */
    GIVES(DUPLICATE, x, 1, 1, 0, &a); /* bare off the primary: no news */
    GIVES(ACCEPTED, x, 0, 3, 9, &a);  /* lower: a new incl */
    bad = a;
    bad.bytes[DSDN_BATCH_FIXED_LEN + 9] ^= 1;
    GIVES(BODY_MISMATCH, x, 0, 2, 0, &bad); /* would be lower still, but its body is not the batch's */
    assert_int_equal(dsdn_sequencer_finality(x->s, 0), DSDN_FINALITY_PRIMARY);
    complete(x, 3 + WINDOW);
    assert_int_equal(dsdn_sequencer_settled(x->s), 2);
    GIVES(STALE, x, 0, 2, 0, &a);
    assert_int_equal(dsdn_sequencer_finality(x->s, 1), DSDN_FINALITY_SETTLED);
    struct dsdn_sequencer_stats stats;
    dsdn_sequencer_stats(x->s, &stats);
    assert_int_equal(stats.verdicts[DSDN_BLOB_GARBAGE], 5);
    assert_int_equal(stats.verdicts[DSDN_BLOB_STALE], 1);
    shell_free(x);
}

/* One header signed twice is one batch: whoever signs it can make another signature, which is no other
 * history. */
static void test_signed_twice(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made a = child_of(NULL, 0, 0, "a"), wrapped = certified(&a, 1, 3), other = certified(&a, 1, 4);
    complete(x, 1);
    GIVES(ACCEPTED, x, 0, 2, 0, &a);
    GIVES(ACCEPTED, x, 0, 3, 0, &wrapped);
    GIVES(DUPLICATE, x, 0, 4, 0, &other);
    act(x);
    assert_int_equal(x->evidence[DSDN_EVIDENCE_EQUIVOCATION] + x->evidence[DSDN_EVIDENCE_CERTIFICATES], 0);
    assert_int_equal(x->len, 1);
    shell_free(x);
}

static void test_invalid_leaves_room_for_a_sibling(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made bad = child_of(NULL, 0, 0, "X"), good = child_of(NULL, 0, 5, "g");
    complete(x, 1);
    GIVES(INVALID, x, 0, 2, 0, &bad);
    act(x);
    assert_int_equal(x->evidence[DSDN_EVIDENCE_INVALID], 1);
    assert_memory_equal(x->evidence_hash, bad.hash, 32);
    assert_int_equal(x->evidence_len, bad.len);
    GIVES(DUPLICATE, x, 0, 3, 0, &bad);
    GIVES(ACCEPTED, x, 0, 3, 1, &good);
    act(x);
    assert_int_equal(x->len, 1);
    x->batch_max = 300; /* a parameter of the state: the same form is too large now */
    struct made large = child_of(&good, 0, 5, "l");
    GIVES(INVALID, x, 0, 4, 0, &large);
    shell_free(x);
}

/* ---- rivals ---- */

/* An attested loser: applied from the quorum, then the primary certifies its rival earlier. */
static void test_rival(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made a = child_of(NULL, 0, 0, "a"), b = child_of(NULL, 0, 0, "b"), a2 = child_of(&a, 0, 0, "a2");
    struct made ca = certified(&a, 1, 3), cb = certified(&b, 1, 3), weak = certified(&b, 1, 2);
    complete(x, 1);
    GIVES(ACCEPTED, x, 1, 0, 0, &ca);
    GIVES(HELD, x, 1, 1, 0, &a2); /* neither certified nor on the primary: not applied */
    act(x);
    assert_int_equal(x->len, 1);
    assert_int_equal(dsdn_sequencer_finality(x->s, 0), DSDN_FINALITY_QUORUM);
    GIVES(BAD_SIGNATURE, x, 0, 2, 0, &weak); /* two of four is no quorum */
    act(x);
    assert_int_equal(x->rollbacks, 0);
    GIVES(ACCEPTED, x, 0, 3, 0, &cb);
    act(x);
    assert_memory_equal(x->chain[1], b.hash, 32);
    assert_int_equal(x->rollbacks, 1);
    assert_int_equal(x->evidence[DSDN_EVIDENCE_EQUIVOCATION], 1);
    assert_int_equal(x->evidence[DSDN_EVIDENCE_CERTIFICATES], 1);
    assert_int_equal(x->alarm, DSDN_E_EQUIVOCATION);
    GIVES(ACCEPTED, x, 0, 4, 0, &ca); /* later: does not bring it back */
    act(x);
    assert_memory_equal(x->chain[1], b.hash, 32);
    complete(x, 3 + WINDOW);
    assert_int_equal(dsdn_sequencer_settled(x->s), 1);
    GIVES(STALE, x, 0, 20, 0, &ca); /* a late second certificate after settlement */
    act(x);
    assert_memory_equal(x->chain[1], b.hash, 32);
    assert_int_equal(x->rollbacks, 1);
    shell_free(x);
}

/* Two certificates and no primary to decide: hold.  The loser that is chosen later is read again: its bytes
 * are gone. */
static void test_hold_and_read_again(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made a = child_of(NULL, 0, 0, "a"), b = child_of(NULL, 0, 0, "b");
    struct made ca = certified(&a, 1, 3), cb = certified(&b, 1, 3);
    complete(x, 1);
    GIVES(ACCEPTED, x, 1, 7, 0, &ca);
    act(x);
    GIVES(ACCEPTED, x, 1, 8, 0, &cb);
    act(x);
    assert_int_equal(x->len, 0);
    GIVES(ACCEPTED, x, 0, 2, 0, &a); /* the primary decides, and this blob brings the bytes */
    act(x);
    assert_memory_equal(x->chain[1], a.hash, 32);
    GIVES(ACCEPTED, x, 0, 3, 0, &cb); /* certified on the primary in time: stands above a bare one */
    act(x);
    assert_memory_equal(x->chain[1], b.hash, 32);
    GIVES(ACCEPTED, x, 0, 2, 9, &ca); /* lower position: back to a, whose bytes this copy brings again */
    act(x);
    assert_memory_equal(x->chain[1], a.hash, 32);
    assert_int_equal(x->rollbacks, 3);
    shell_free(x);
}

static void test_hand_off_race(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made old = child_of(NULL, 0, 0, "old"), new = old;
    new.header.committee_epoch = 1;
    seal(&new, &group, "new");
    complete(x, 1);
    GIVES(UNKNOWN_PUBLISHER, x, 0, 2, 0, &new);
    x->group_announced = true;
    GIVES(ACCEPTED, x, 0, 2, 0, &new);
    GIVES(ACCEPTED, x, 0, 2, 1, &old);
    act(x);
    assert_memory_equal(x->chain[1], new.hash, 32);
    assert_int_equal(x->evidence[DSDN_EVIDENCE_EQUIVOCATION], 0);
    shell_free(x);
}

static void test_takeover(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made a = child_of(NULL, 0, 0, "a"), t = {.header.sequence = 1};
    memcpy(t.header.prev, a.hash, 32);
    seal(&t, NULL, "t");
    struct made ct = certified(&t, 1, 3), emergency = certified(&t, 2, 1);
    complete(x, 1);
    GIVES(UNKNOWN_PUBLISHER, x, 0, 2, 0, &ct); /* its set cannot be read before its parent is applied */
    GIVES(ACCEPTED, x, 0, 3, 0, &a);
    act(x);
    assert_int_equal(x->rescan_from[0], 2); /* so it is read again now */
    GIVES(UNKNOWN_PUBLISHER, x, 0, 2, 0, &t);
    GIVES(BAD_SIGNATURE, x, 0, 2, 0, &emergency);
    GIVES(ACCEPTED, x, 0, 2, 0, &ct);
    act(x);
    assert_int_equal(x->len, 2);
    shell_free(x);
}

/* A certified batch is applied before the data that judges it; when the data convicts it, it goes. */
static void test_provisional(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made a = child_of(NULL, 9, 0, "a"), ca = certified(&a, 1, 3);
    complete(x, 1);
    GIVES(ACCEPTED, x, 1, 0, 0, &a);
    act(x);
    assert_int_equal(x->len, 0);
    assert_int_equal(x->waits, 9);
    GIVES(ACCEPTED, x, 1, 0, 0, &ca);
    act(x);
    assert_int_equal(x->len, 1);
    struct dsdn_applied_facts facts;
    assert_true(dsdn_sequencer_facts(x->s, 0, &facts) && facts.provisional);
    complete(x, 9);
    assert_int_equal(x->len, 0);
    assert_int_equal(x->evidence[DSDN_EVIDENCE_INVALID], 1);
    assert_int_equal(x->evidence_len, DSDN_BATCH_FIXED_LEN);
    shell_free(x);
}

static void test_upgrade_required(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made a = child_of(NULL, 0, 0, "a");
    complete(x, 1);
    x->halt = true;
    GIVES(ACCEPTED, x, 0, 2, 0, &a);
    act(x);
    act(x);
    assert_int_equal(x->alarms, 1);
    assert_int_equal(x->alarm, DSDN_E_UPGRADE_REQUIRED);
    assert_int_equal(x->len, 0);
    shell_free(x);
}

static void test_without_primary(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(false);
    struct made last = child_of(NULL, 0, 0, "a"), rival = child_of(NULL, 0, 0, "b");
    GIVES(ACCEPTED, x, 0, 0, 0, &last);
    GIVES(ACCEPTED, x, 0, 0, 1, &rival);
    act(x);
    assert_memory_equal(x->chain[1], last.hash, 32);
    assert_int_equal(x->evidence[DSDN_EVIDENCE_EQUIVOCATION], 1);
    for (uint64_t i = 1; i < 700; i++) {
        last = child_of(&last, 0, 0, "");
        GIVES(ACCEPTED, x, 0, i, 0, &last);
        act(x);
    }
    struct dsdn_sequencer_stats stats;
    dsdn_sequencer_stats(x->s, &stats);
    assert_int_equal(x->len, 700);
    assert_int_equal(dsdn_sequencer_settled(x->s), 0);
    assert_true(stats.unsettled <= 257 && x->rollbacks == 0); /* bounded though nothing settles */
    shell_free(x);
}

/* ---- window, room, rescans ---- */

static struct made chain[CHAIN];

/* Batches 1..699 arrive at recovery, and a rival for n + 5000; then the gap 0: everything comes by way of
 * RESCAN. */
static void test_window_overflow(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct made far = child_of(NULL, 0, 0, "far");
    far.header.sequence = 5000;
    seal(&far, &authority, "far");
    for (int i = 0; i < 700; i++) chain[i] = child_of(i ? &chain[i - 1] : NULL, 0, 0, "");
    GIVES(OUT_OF_WINDOW, x, 0, 1, 0, &far);
    for (uint64_t i = 1; i < 700; i++) {
        enum dsdn_verdict want = i < 256 ? DSDN_BLOB_HELD : DSDN_BLOB_OUT_OF_WINDOW;
        assert_int_equal(give(x, 0, 3 + i / 400, (uint32_t)i, &chain[i]), want);
    }
    complete(x, 5);
    assert_int_equal(x->rescans, 0); /* the tip has not reached the gap */
    GIVES(ACCEPTED, x, 0, 5, 9999, &chain[0]);
    for (int turns = 0; turns < 20; turns++) {
        act(x);
        if (!x->rescans) break;
        x->rescans = 0;
        assert_int_equal(x->rescan_from[0], x->len < 400 ? 3 : x->rescan_from[0]);
        for (uint64_t i = 1; i < 700; i++)
            if (3 + i / 400 >= x->rescan_from[0]) give(x, 0, 3 + i / 400, (uint32_t)i, &chain[i]);
        complete(x, 5);
    }
    assert_int_equal(x->len, 700);
    assert_int_equal(dsdn_sequencer_rescan_from(x->s, 0), 1); /* the far rival waits for sequence 5000 */
    complete(x, 5 + WINDOW);
    assert_int_equal(dsdn_sequencer_settled(x->s), 700); /* and keeps nothing below from settling */
    struct dsdn_sequencer_stats stats;
    dsdn_sequencer_stats(x->s, &stats);
    assert_true(stats.held_batches_peak <= DSDN_SEQUENCER_BATCHES && stats.held_batches == 0);
    assert_int_equal(stats.held_bytes, 0);
    shell_free(x);
}

/* 64 MiB: large batches ahead make room for nearer ones and are read again later. */
static void test_room(void **unused)
{
    (void)unused;
    enum { LARGE = 1 << 20, COUNT = 80 };
    struct shell *x = shell_new(true);
    struct dsdn_sequencer_stats stats;
    uint8_t *bytes = calloc(COUNT, LARGE);
    assert_non_null(bytes);
    complete(x, 1);
    for (uint64_t i = 0; i < COUNT; i++) {
        struct dsdn_header h = {.sequence = i, .body_len = LARGE - DSDN_BATCH_FIXED_LEN, .bundle_count = 1};
        uint8_t digest[32], *at = bytes + i * LARGE;
        memcpy(h.genesis, genesis, 32);
        if (i)
            dsdn_batch_hash(at - LARGE, h.prev);
        else
            memcpy(h.prev, genesis, 32);
        memcpy(h.publisher, authority.public_key, 32);
        dsdn_body_hash(at + DSDN_BATCH_FIXED_LEN, h.body_len, h.body_hash);
        dsdn_header_encode(&h, at);
        dsdn_batch_message(at, digest);
        dsdn_sign(&authority, digest, at + DSDN_HEADER_LEN);
    }
    for (uint64_t i = COUNT; i-- > 0;) { /* backwards, so that each is nearer than those held */
        struct dsdn_place place = {.height = 3 + i / 40, .blob_index = (uint32_t)i};
        enum dsdn_verdict verdict = dsdn_sequencer_blob(x->s, &place, bytes + i * LARGE, LARGE, NULL);
        assert_int_equal(verdict, i ? DSDN_BLOB_HELD : DSDN_BLOB_ACCEPTED);
    }
    dsdn_sequencer_stats(x->s, &stats);
    assert_int_equal(stats.held_batches, 64);
    struct dsdn_place place = {.height = 4, .blob_index = 70};
    assert_int_equal(dsdn_sequencer_blob(x->s, &place, bytes + 70 * LARGE, LARGE, NULL), DSDN_BLOB_DROPPED);
    for (int turns = 0; x->len < COUNT && turns < 5; turns++) {
        act(x);
        for (uint64_t i = 0; i < COUNT; i++) {
            place = (struct dsdn_place){.height = 3 + i / 40, .blob_index = (uint32_t)i};
            if (place.height >= x->rescan_from[0])
                dsdn_sequencer_blob(x->s, &place, bytes + i * LARGE, LARGE, NULL);
        }
    }
    assert_int_equal(x->len, COUNT);
    assert_int_equal(x->rollbacks, 0);
    dsdn_sequencer_stats(x->s, &stats);
    assert_true(stats.held_bytes_peak <= DSDN_SEQUENCER_BYTES);
    free(bytes);
    shell_free(x);
}

/* Many siblings by one key: the bytes of two are kept, the facts of all; one evidence pair. */
static void test_many_siblings(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct dsdn_sequencer_stats stats;
    struct made m[6];
    complete(x, 1);
    for (uint32_t i = 0; i < 6; i++) {
        m[i] = child_of(NULL, 0, i, "s");
        enum dsdn_verdict verdict = give(x, 0, 8 - i % 3, i, &m[i]); /* heights 8 7 6 8 7 6 */
        assert_int_equal(verdict, i < 3 ? DSDN_BLOB_ACCEPTED : DSDN_BLOB_DROPPED);
    }
    act(x);
    assert_memory_equal(x->chain[1], m[2].hash, 32);
    assert_int_equal(x->evidence[DSDN_EVIDENCE_EQUIVOCATION], 1);
    dsdn_sequencer_stats(x->s, &stats);
    assert_int_equal(stats.unsettled, 6); /* the facts of all */
    assert_int_equal(stats.held_batches_peak, 3);
    shell_free(x);
}

static void test_restore(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_applied_facts facts[2], none;
    struct dsdn_fork_root root;
    struct made a = child_of(NULL, 0, 0, "a"), b = child_of(&a, 0, 0, "b"), ca = certified(&a, 1, 3);
    complete(x, 1);
    give(x, 0, 2, 0, &ca);
    give(x, 0, 3, 0, &b);
    act(x);
    assert_true(dsdn_sequencer_facts(x->s, 0, &facts[0]) && dsdn_sequencer_facts(x->s, 1, &facts[1]));
    assert_false(dsdn_sequencer_facts(x->s, 2, &none));
    dsdn_sequencer_root(x->s, &root);
    dsdn_sequencer_free(x->s);
    struct dsdn_sequencer_config config = {.primary = true, .sources = 3, .root = root};
    memcpy(config.genesis, genesis, 32);
    x->s = dsdn_sequencer_new(&config, &x->view, &error);
    assert_non_null(x->s);
    assert_int_equal(dsdn_sequencer_restore(x->s, b.bytes, b.len, &facts[1], &error), DSDN_E_CHAIN);
    assert_int_equal(dsdn_sequencer_restore(x->s, b.bytes, b.len, &facts[1], NULL), DSDN_E_CHAIN);
    assert_int_equal(dsdn_sequencer_restore(x->s, a.bytes, 40, &facts[0], &error), DSDN_E_TRUNCATED);
    assert_int_equal(dsdn_sequencer_restore(x->s, a.bytes, a.len, &facts[0], &error), 0);
    assert_int_equal(dsdn_sequencer_restore(x->s, b.bytes, b.len, &facts[1], &error), 0);
    uint64_t before = x->applied;
    act(x);
    assert_int_equal(x->applied, before);
    assert_int_equal(x->rollbacks, 0);
    complete(x, 3 + WINDOW);
    assert_int_equal(dsdn_sequencer_settled(x->s), 2);
    shell_free(x);
}

static void test_lost_head(void **unused)
{
    (void)unused;
    struct shell *x = shell_new(true);
    x->len = 3; /* the state is somewhere the sequencer was never told of */
    x->chain[3][0] = 9;
    act(x);
    act(x);
    assert_int_equal(x->alarms, 1);
    assert_int_equal(x->alarm, DSDN_E_CHAIN);
    shell_free(x);
}

int main(void)
{
    if (dsdn_sign_self_test(NULL)) return 1;
    uint8_t seed[32] = {0};
    struct dsdn_sign_key *keys[] = {&authority, &group,     &stranger,  &store,
                                    &member[0], &member[1], &member[2], &member[3]};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        seed[0] = (uint8_t)(i + 1);
        dsdn_sign_key_from_seed(keys[i], seed);
    }
    for (size_t i = 0; i < MEMBERS; i++) memcpy(member_keys + 32 * i, member[i].public_key, 32);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_signed_twice),
        cmocka_unit_test(test_invalid_leaves_room_for_a_sibling),
        cmocka_unit_test(test_rival),
        cmocka_unit_test(test_hold_and_read_again),
        cmocka_unit_test(test_hand_off_race),
        cmocka_unit_test(test_takeover),
        cmocka_unit_test(test_provisional),
        cmocka_unit_test(test_upgrade_required),
        cmocka_unit_test(test_without_primary),
        cmocka_unit_test(test_window_overflow),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_many_siblings),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_lost_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
