/* Facts of operation (committees, quorum sets, fallback, audit): what no story can show.  Sizes at their
 * bounds, times at the end of their range, and rows of a checkpoint that nobody verified. */
#include "tests/engine_util.h"

#include "log/hash.h"
#include "log/sign.h"
#include "roles/dsdn.h"
#include "roles/reducers.h"
#include "statemachine/system.h"

enum { SEATS = 255, MEMBER_LEN = 98, APPROVAL_LEN = 96 };

/* A state after a genesis, and one event at a time on it, without batches around. */
struct world {
    struct log log;
    struct dsdn_state *s;
    struct dsdn_context c;
    struct dsdn_sign_key keys[SEATS]; /* in order of their public halves */
};

static int setup(void **state)
{
    static struct world w;
    static const struct log_options options = {.catalogue = &dsdn_catalogue, .primary = true};
    log_open(&w.log, &options);
    w.s = dsdn_engine_state_for_restore(w.log.engine);
    w.c = (struct dsdn_context){.state = w.s,
                                .time_ms = 5000,
                                .has_primary = true,
                                .genesis = w.log.genesis.hash,
                                .bundle_kind = DSDN_BUNDLE_POOL,
                                .nonce = 3};
    for (int i = 0; i < SEATS; i++) w.keys[i] = key_of((uint8_t)i);
    qsort(w.keys, SEATS, sizeof *w.keys, key_order);
    w.c.author = w.keys[0].public_key;
    for (uint32_t t = 0; t < w.s->table_cnt; t++)
        log_must(&w.log, dsdn_table_reserve(&w.s->tables[t], 3000, &w.log.error));
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    log_close(&w->log);
    return 0;
}

static dsdn_outcome apply(struct world *w, uint32_t event, const void *fields)
{
    static uint8_t payload[PAYLOAD_ROOM];
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    uint32_t len;
    log_must(&w->log,
             dsdn_event_encode(desc, desc->version, fields, payload, sizeof payload, &len, &w->log.error));
    w->c.event = desc;
    w->c.event_version = desc->version;
    w->c.payload = payload;
    w->c.payload_len = len;
    struct snapshot before = snapshot_take(w->s);
    dsdn_outcome outcome = dsdn_catalogue.reducers[event].apply(&w->c, payload, len, desc->version);
    dsdn_state_settle(w->s);
    struct snapshot after = snapshot_take(w->s);
    assert_int_equal(snapshot_same(&before, &after, SNAPSHOT_ALL), outcome != DSDN_RESULT(OK));
    snapshot_free(&before);
    snapshot_free(&after);
    return outcome;
}

/* ---- committees ---- */

/* n seats: keys 0 to n - 1, with shares 65535, 65534, ... */
static struct dsdn_list seats(const struct world *w, uint32_t n)
{
    static uint8_t items[SEATS * MEMBER_LEN];
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *at = items + (size_t)i * MEMBER_LEN;
        memcpy(at, w->keys[i].public_key, 32);
        memcpy(at + 32, w->keys[0].public_key, 32);
        memcpy(at + 64, w->keys[i].public_key, 32);
        dsdn_store16(at + 96, (uint16_t)(65535 - i));
    }
    return (struct dsdn_list){items, n, n * MEMBER_LEN};
}

static struct dsdn_ev_committee_formed formed(const struct world *w, uint32_t n)
{
    return (struct dsdn_ev_committee_formed){.epoch = dsdn_head(w->s)->authority_epoch + 1,
                                             .members = seats(w, n),
                                             .threshold = (uint16_t)(2 * n / 3 + 1),
                                             .group_public = w->keys[7].public_key,
                                             .duration_s = 1,
                                             .method = 1,
                                             .seed = w->keys[8].public_key};
}

static uint32_t seat_insert(struct world *w, uint64_t epoch, uint16_t position)
{
    uint8_t key[10];
    dsdn_store64_be(key, epoch);
    key[8] = (uint8_t)(position >> 8);
    key[9] = (uint8_t)position;
    uint32_t row = dsdn_sys_committee_member_insert(w->s, key);
    dsdn_state_settle(w->s);
    return row;
}

static void committees_are_as_large_as_lists(void **state)
{
    struct world *w = *state;
    struct dsdn_table *table = &w->s->tables[dsdn_sys_TABLE_committee_member];
    struct dsdn_ev_committee_formed e = formed(w, SEATS);
    assert_int_equal(e.threshold, 171);
    assert_int_equal(apply(w, dsdn_EVENT_committee_formed, &e), DSDN_RESULT(OK));
    assert_int_equal(table->live_cnt, SEATS);
    assert_int_equal(apply(w, dsdn_EVENT_committee_formed, &e), DSDN_RESULT(NO_EFFECT));
    /* One fewer is another committee, and leaves no seat of the larger one. */
    e = formed(w, SEATS - 1);
    assert_int_equal(apply(w, dsdn_EVENT_committee_formed, &e), DSDN_RESULT(OK));
    assert_int_equal(table->live_cnt, SEATS - 1);
    /* The last two seats are one key; the last two shares are one. */
    uint8_t *last = (uint8_t *)(uintptr_t)e.members.items + (SEATS - 2) * MEMBER_LEN;
    memcpy(last, last - MEMBER_LEN, 32);
    assert_int_equal(apply(w, dsdn_EVENT_committee_formed, &e), DSDN_UNMET(AUTHORITY_SHAPE));
    e = formed(w, SEATS - 1);
    memcpy(last + 96, last - MEMBER_LEN + 96, 2);
    assert_int_equal(apply(w, dsdn_EVENT_committee_formed, &e), DSDN_UNMET(AUTHORITY_SHAPE));
}

/* Seats with gaps, behind the last one, and without their committee: whatever there was, what was formed is
 * there. */
static void seats_with_gaps_are_replaced(void **state)
{
    static const uint16_t places[] = {1, 2, 254, 300, 65535};
    struct world *w = *state;
    struct dsdn_table *table = &w->s->tables[dsdn_sys_TABLE_committee_member];
    struct dsdn_ev_committee_formed e = formed(w, 3);
    struct dsdn_ev_authority_replaced r = {
        .committee = e.members, .threshold = 3, .group_public = w->keys[9].public_key};
    for (int takeover = 0; takeover < 2; takeover++) {
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            if (places[i] > 2 || !takeover) seat_insert(w, 1, places[i]);
            if (takeover) seat_insert(w, 0, places[i]);
        }
        assert_int_equal(takeover ? apply(w, dsdn_EVENT_authority_replaced, &r)
                                  : apply(w, dsdn_EVENT_committee_formed, &e),
                         DSDN_RESULT(OK));
        assert_int_equal(table->live_cnt, 3);
        for (uint16_t i = 0; i < 3; i++) {
            uint8_t key[10] = {[7] = 1, [9] = (uint8_t)i};
            uint32_t row = dsdn_sys_committee_member_find(w->s, key);
            assert_int_not_equal(row, DSDN_NO_ROW);
            assert_memory_equal(dsdn_sys_committee_member_at(w->s, row)->coordinator_id,
                                w->keys[i].public_key, 32);
        }
        assert_int_equal(w->s->tables[dsdn_sys_TABLE_committee].live_cnt, 1);
    }
    /* A seat more than was formed: not the same committee. */
    e.epoch = 2;
    assert_int_equal(apply(w, dsdn_EVENT_committee_formed, &e), DSDN_RESULT(OK));
    seat_insert(w, 2, 3);
    assert_int_equal(apply(w, dsdn_EVENT_committee_formed, &e), DSDN_RESULT(OK));
    assert_int_equal(apply(w, dsdn_EVENT_committee_formed, &e), DSDN_RESULT(NO_EFFECT));
}

/* A hand-off whose end would lie behind the end of time ends with it. */
static void hand_offs_end_with_time(void **state)
{
    struct world *w = *state;
    struct dsdn_ev_committee_formed e = formed(w, 1);
    int64_t length = DSDN_SETTING(w->s, handoff_ms);
    struct dsdn_ev_committee_handoff_started h = {
        .to_epoch = 1, .start = UINT64_MAX - (uint64_t)length + 1, .end = 0};
    assert_int_equal(apply(w, dsdn_EVENT_committee_formed, &e), DSDN_RESULT(OK));
    assert_int_equal(apply(w, dsdn_EVENT_committee_handoff_started, &h), DSDN_UNMET(HANDOFF_TIMES));
    h.end = UINT64_MAX;
    assert_int_equal(apply(w, dsdn_EVENT_committee_handoff_started, &h), DSDN_RESULT(OK));
    assert_int_equal(dsdn_head(w->s)->next_from, h.start);
    assert_int_equal(dsdn_head(w->s)->next_epoch, 1);
    assert_memory_equal(dsdn_head(w->s)->next_authority, e.group_public, 32);
}

/* The deadline takes the rows of past epochs only, however many there are. */
static void committees_end_when_they_are_past(void **state)
{
    struct world *w = *state;
    uint8_t subject[72] = {[7] = 4};
    for (uint16_t i = 0; i < 1000; i++) seat_insert(w, 4, i);
    seat_insert(w, 5, 0);
    dsdn_sys_committee_insert(w->s, subject);
    dsdn_state_settle(w->s);
    for (uint64_t epoch = 3; epoch <= 5; epoch++) {
        dsdn_sys_head_edit(w->s, 0)->authority_epoch = epoch;
        dsdn_fire_committee_end(&w->c, subject);
        dsdn_state_settle(w->s);
        assert_int_equal(w->s->tables[dsdn_sys_TABLE_committee_member].live_cnt, epoch == 5 ? 1 : 1001);
        assert_int_equal(w->s->tables[dsdn_sys_TABLE_committee].live_cnt, epoch == 5 ? 0 : 1);
    }
    dsdn_fire_committee_end(&w->c, subject); /* of nothing: nothing */
}

/* ---- quorum sets ---- */

/* The present set: keys 0 to n - 1. */
static void quorum_make(struct world *w, uint32_t set, uint32_t n, uint8_t percent)
{
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(w->s, 0);
    head->quorum_set = set;
    head->quorum_pct = percent;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t key[6];
        dsdn_store32(key, __builtin_bswap32(set));
        key[4] = 0;
        key[5] = (uint8_t)i;
        uint32_t row = dsdn_sys_quorum_member_insert(w->s, key);
        memcpy(dsdn_sys_quorum_member_edit(w->s, row)->member, w->keys[i].public_key, 32);
    }
    dsdn_state_settle(w->s);
}

/* Approvals by keys 1 to n over the event. */
static struct dsdn_list approvals(struct world *w, struct dsdn_ev_quorum_validator_set_declared *e,
                                  uint32_t n)
{
    static uint8_t items[SEATS * APPROVAL_LEN], payload[PAYLOAD_ROOM];
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_quorum_validator_set_declared];
    uint8_t digest[32];
    uint32_t len;
    memset(items, 0, sizeof items);
    for (uint32_t i = 0; i < n; i++) memcpy(items + (size_t)i * APPROVAL_LEN, w->keys[i + 1].public_key, 32);
    e->approvals = (struct dsdn_list){items, n, n * APPROVAL_LEN};
    log_must(&w->log, dsdn_event_encode(desc, 1, e, payload, sizeof payload, &len, &w->log.error));
    log_must(&w->log, dsdn_embedded_message(desc, 1, "approvals", w->c.genesis, w->c.author, w->c.nonce,
                                            payload, len, digest, &w->log.error));
    for (uint32_t i = 0; i < n; i++)
        dsdn_sign(&w->keys[i + 1], digest, items + (size_t)i * APPROVAL_LEN + 32);
    return e->approvals;
}

static struct dsdn_ev_quorum_validator_set_declared next_set(uint32_t id, uint8_t (*members)[32], uint32_t n)
{
    return (struct dsdn_ev_quorum_validator_set_declared){
        .set_id = id, .members = {members[0], n, n * 32}, .threshold_pct = 67};
}

/* A set of 255, of whom all must agree: as many approvals as an event can carry, and an author. */
static void quorums_are_as_large_as_lists(void **state)
{
    struct world *w = *state;
    static uint8_t members[SEATS][32];
    for (int i = 0; i < SEATS; i++) memcpy(members[i], w->keys[i].public_key, 32);
    quorum_make(w, 0, SEATS, 100);
    struct dsdn_ev_quorum_validator_set_declared e = next_set(1, members, SEATS);
    approvals(w, &e, SEATS - 2);
    assert_int_equal(apply(w, dsdn_EVENT_quorum_validator_set_declared, &e), DSDN_RESULT(NOT_AUTHORISED));
    approvals(w, &e, SEATS - 1);
    assert_int_equal(apply(w, dsdn_EVENT_quorum_validator_set_declared, &e), DSDN_RESULT(OK));
    assert_int_equal(w->s->tables[dsdn_sys_TABLE_quorum_member].live_cnt, SEATS);
    /* ceil(2 * 255 / 3) = 170 with the author. */
    e = next_set(2, members, 1);
    approvals(w, &e, 168);
    assert_int_equal(apply(w, dsdn_EVENT_quorum_validator_set_declared, &e), DSDN_RESULT(NOT_AUTHORISED));
    approvals(w, &e, 169);
    /* The first wrong signature decides, in whatever place it is. */
    ((uint8_t *)(uintptr_t)e.approvals.items)[168 * APPROVAL_LEN + 40] ^= 1;
    assert_int_equal(apply(w, dsdn_EVENT_quorum_validator_set_declared, &e), DSDN_RESULT(BAD_SIGNATURE));
    approvals(w, &e, 169);
    assert_int_equal(apply(w, dsdn_EVENT_quorum_validator_set_declared, &e), DSDN_RESULT(OK));
    assert_int_equal(w->s->tables[dsdn_sys_TABLE_quorum_member].live_cnt, 1);
}

/* The id behind the last one is the emergency set's: no set may take it, and none may take its members over.
 */
static void the_last_quorum_set_stays(void **state)
{
    struct world *w = *state;
    static uint8_t members[1][32];
    memcpy(members[0], w->keys[3].public_key, 32);
    quorum_make(w, DSDN_EMERGENCY_SET - 1, 1, 67);
    struct dsdn_ev_quorum_validator_set_declared e = next_set(DSDN_EMERGENCY_SET, members, 1);
    assert_int_equal(apply(w, dsdn_EVENT_quorum_validator_set_declared, &e), DSDN_UNMET(QUORUM_SET_ID));
    quorum_make(w, DSDN_EMERGENCY_SET, 1, 67);
    e.set_id = 0;
    assert_int_equal(apply(w, dsdn_EVENT_quorum_validator_set_declared, &e), DSDN_RESULT(OK));
    assert_int_equal(dsdn_head(w->s)->quorum_set, 0);
}

/* Rows of a set that was never declared, with gaps, make room. */
static void members_nobody_declared_are_replaced(void **state)
{
    struct world *w = *state;
    static uint8_t members[2][32];
    for (int i = 0; i < 2; i++) memcpy(members[i], w->keys[i].public_key, 32);
    quorum_make(w, 0, 1, 67);
    for (uint8_t i = 1; i < 200; i += 3) {
        uint8_t key[6] = {0, 0, 0, 1, 0, i};
        dsdn_sys_quorum_member_insert(w->s, key);
    }
    dsdn_state_settle(w->s);
    struct dsdn_ev_quorum_validator_set_declared e = next_set(1, members, 2);
    assert_int_equal(apply(w, dsdn_EVENT_quorum_validator_set_declared, &e), DSDN_RESULT(OK));
    assert_int_equal(w->s->tables[dsdn_sys_TABLE_quorum_member].live_cnt, 2);
    /* A percentage of nothing is agreed to by nobody. */
    dsdn_sys_head_edit(w->s, 0)->quorum_pct = 0;
    e.set_id = 2;
    assert_int_equal(apply(w, dsdn_EVENT_quorum_validator_set_declared, &e), DSDN_RESULT(NOT_AUTHORISED));
}

/* ---- fallback and audit ---- */

static void fallbacks_of_no_state_can_be_closed(void **state)
{
    struct world *w = *state;
    quorum_make(w, 0, 1, 67);
    const uint8_t *id = w->keys[5].public_key;
    dsdn_fallback_edit_indexed(w->s, dsdn_fallback_insert(w->s, id))->state = 200;
    dsdn_state_settle(w->s);
    struct dsdn_ev_reconciliation_completed r = {.activation_id = id, .reconciled_count = 1};
    assert_int_equal(apply(w, dsdn_EVENT_reconciliation_completed, &r), DSDN_UNMET(RECONCILIATION_COUNT));
    struct dsdn_ev_fallback_deactivated e = {.activation_id = id, .celestia_recovery_height = 9};
    assert_int_equal(apply(w, dsdn_EVENT_fallback_deactivated, &e), DSDN_RESULT(OK));
    assert_int_equal(dsdn_fallback_at(w->s, dsdn_fallback_find(w->s, id))->state, 0);
}

/* The chain hash of docs/formats/reducers.md, by OpenSSL alone. */
static void audit_hash(const struct dsdn_ev_audit_record_posted *e, uint8_t out[32])
{
    struct evp h = evp_tagged("dsdn/audit/1");
    evp_put(&h, e->prev, 32);
    evp_number(&h, e->seq, 8);
    evp_number(&h, e->log_type, 2);
    evp_put(&h, e->ref, 32);
    evp_put(&h, e->body_hash, 32);
    evp_end(&h, out);
}

static void audit_logs_at_the_end_of_their_numbers(void **state)
{
    static const uint8_t zero[32];
    struct world *w = *state;
    uint8_t hash[32], prev[32];
    dsdn_sys_validator_edit(w->s, dsdn_sys_validator_insert(w->s, w->c.author))->status = 1;
    struct dsdn_ev_audit_record_posted e = {
        .log_type = 3, .ref = w->keys[2].public_key, .prev = zero, .body_hash = w->keys[3].public_key};
    for (; e.seq < 3; e.seq++) {
        audit_hash(&e, hash);
        assert_int_equal(apply(w, dsdn_EVENT_audit_record_posted, &e), DSDN_RESULT(OK));
        struct dsdn_row_audit_chain *row =
            dsdn_audit_chain_edit(w->s, dsdn_audit_chain_find(w->s, w->c.author));
        assert_memory_equal(row->head, hash, 32);
        assert_int_equal(row->next_seq, e.seq + 1);
        memcpy(prev, hash, 32);
        e.prev = prev;
    }
    struct dsdn_row_audit_chain *row = dsdn_audit_chain_edit(w->s, dsdn_audit_chain_find(w->s, w->c.author));
    row->next_seq = row->sealed = row->segments = UINT64_MAX;
    struct dsdn_ev_worm_segment_sealed seal = {
        .segment = UINT64_MAX, .first = UINT64_MAX, .last = UINT64_MAX, .root = hash};
    assert_int_equal(apply(w, dsdn_EVENT_worm_segment_sealed, &seal), DSDN_UNMET(AUDIT_RANGE));
    e.seq = UINT64_MAX;
    assert_int_equal(apply(w, dsdn_EVENT_audit_record_posted, &e), DSDN_RESULT(OK));
    /* next_seq is 0 again: the number of records is more than one can count. */
    assert_int_equal(apply(w, dsdn_EVENT_audit_record_posted, &e), DSDN_UNMET(AUDIT_SEQUENCE));
    /* A candidate is no auditor. */
    dsdn_sys_validator_edit(w->s, dsdn_sys_validator_find(w->s, w->c.author))->status = 0;
    assert_int_equal(apply(w, dsdn_EVENT_audit_record_posted, &e), DSDN_RESULT(NOT_AUTHORISED));
    /* A seat of the authority's epoch makes one, a seat of another epoch none. */
    for (uint64_t epoch = 1; epoch < 4; epoch++) {
        uint32_t seat = seat_insert(w, epoch, 9);
        memcpy(dsdn_sys_committee_member_edit(w->s, seat)->coordinator_id,
               w->keys[epoch == 2 ? 0 : 1].public_key, 32);
        dsdn_sys_head_edit(w->s, 0)->authority_epoch = epoch;
        assert_int_equal(apply(w, dsdn_EVENT_audit_record_posted, &e),
                         epoch == 2 ? DSDN_UNMET(AUDIT_SEQUENCE) : DSDN_RESULT(NOT_AUTHORISED));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(committees_are_as_large_as_lists),
        TEST(seats_with_gaps_are_replaced),
        TEST(hand_offs_end_with_time),
        TEST(committees_end_when_they_are_past),
        TEST(quorums_are_as_large_as_lists),
        TEST(the_last_quorum_set_stays),
        TEST(members_nobody_declared_are_replaced),
        TEST(fallbacks_of_no_state_can_be_closed),
        TEST(audit_logs_at_the_end_of_their_numbers),
    };
    struct dsdn_error error = DSDN_ERROR_INIT;
    return dsdn_sign_self_test(&error) || cmocka_run_group_tests(tests, NULL, NULL);
}
