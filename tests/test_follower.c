/* The node follower: each row of the table in roles/node/follower.h, which replicas are surplus, and that
 * one node's duties are those it has among all. */
#include "tests/placement_world.h"

#include "roles/coordinator/placement.h"
#include "roles/node/follower.h"
#include "roles/reducers.h"

#include <openssl/evp.h>

enum { NODES = 8, ROUNDS = 100 };

struct world {
    struct dsdn_state state;
    struct spot spots[NODES];
    uint32_t rows[NODES], chunk_cnt;
    uint8_t object[32];
};

static void setup(struct world *w, unsigned zones)
{
    world_begin(&w->state, 5);
    for (uint32_t i = 0; i < NODES; i++) {
        w->spots[i] = spot_of(i, i % zones);
        w->rows[i] = world_node(&w->state, &w->spots[i]);
    }
    w->chunk_cnt = 0;
    id_of(1, w->object);
}

static uint32_t chunk_make(struct world *w, uint8_t rf)
{
    uint8_t hash[32];
    id_of(5000 + w->chunk_cnt++, hash);
    return world_chunk(&w->state, w->object, hash, rf);
}

static void status_set(struct world *w, uint32_t i, uint8_t status)
{
    struct dsdn_row_node *n = dsdn_node_edit_indexed(&w->state, w->rows[i]);
    n->status = status;
    n->on_ring = 0;
    dsdn_state_settle(&w->state);
}

/* The duties of node i for a chunk: the first, and in *second the other one (duty 0 without). */
static struct dsdn_duty duty_of(const struct world *w, uint32_t i, uint32_t chunk, struct dsdn_duty *second)
{
    struct dsdn_follower f;
    struct dsdn_duty d, found[2] = {{.duty = 0}, {.duty = 0}};
    uint32_t cnt = 0;
    dsdn_follow(&f, &w->state, w->rows[i]);
    while (dsdn_follow_next(&f, &d)) {
        assert_int_equal(d.node, w->rows[i]);
        if (d.chunk != chunk) continue;
        assert_true(cnt < 2);
        found[cnt++] = d;
    }
    if (second) *second = found[1];
    return found[0];
}

static void expect(const struct dsdn_duty *d, int duty, int reason, uint64_t cause)
{
    assert_int_equal(d->duty, duty);
    assert_int_equal(d->reason, reason);
    assert_true(d->cause_ordinal == cause);
}

static void request(struct world *w, uint8_t kind, const uint8_t target[32], uint64_t ordinal)
{
    uint8_t key[33] = {kind};
    memcpy(key + 1, target, 32);
    room(&w->state, dsdn_TABLE_delete_request);
    dsdn_delete_request_edit(&w->state, dsdn_delete_request_insert(&w->state, key))->ordinal = ordinal;
}

static void test_states(void **state)
{
    (void)state;
    struct world w;
    struct dsdn_duty d, second;
    setup(&w, NODES);
    uint32_t chunk = chunk_make(&w, 3), none = DSDN_NO_ROW;

    /* assigned, from the owner */
    uint32_t first = world_replica(&w.state, chunk, w.rows[0], DSDN_REPLICA_ASSIGNED);
    memset(dsdn_replica_edit(&w.state, first)->origin_hash, 0x77, 32);
    d = duty_of(&w, 0, chunk, &second);
    expect(&d, DSDN_DUTY_FETCH, DSDN_DUTY_REASON_ASSIGNED, DSDN_NO_ORDINAL);
    expect(&second, DSDN_DUTY_PROVE, DSDN_DUTY_REASON_ASSIGNED, DSDN_NO_ORDINAL);
    assert_int_equal(d.source, none);
    assert_int_equal(d.deadline_ms, NOW + 500);
    assert_int_equal(d.assigned_ordinal, dsdn_replica_at(&w.state, first)->assigned_ordinal);
    assert_int_equal(second.deadline_ms, NOW + 500);
    assert_int_equal(second.leaves, 10); /* of 10000 bytes */
    uint8_t origin[32];
    memset(origin, 0x77, 32);
    assert_int_equal(second.leaf,
                     dsdn_leaf_draw(origin, dsdn_chunk_at(&w.state, chunk)->chunk, w.spots[0].id, 10));

    /* live; an assigned one then has a source, and the one that healing names is preferred while it is
     * live */
    uint32_t live = world_replica(&w.state, chunk, w.rows[1], DSDN_REPLICA_LIVE);
    d = duty_of(&w, 1, chunk, &second);
    expect(&d, DSDN_DUTY_HOLD, DSDN_DUTY_REASON_LIVE, DSDN_NO_ORDINAL);
    assert_int_equal(second.duty, 0);
    assert_int_equal(d.source, none);
    assert_int_equal(d.state_ordinal, dsdn_replica_at(&w.state, live)->state_ordinal);
    assert_int_equal(duty_of(&w, 0, chunk, NULL).source, w.rows[1]);
    world_replica(&w.state, chunk, w.rows[2], DSDN_REPLICA_LIVE);
    for (uint32_t named = 1; named < 3; named++) {
        dsdn_replica_edit(&w.state, first)->heal_from = w.rows[named];
        d = duty_of(&w, 0, chunk, &second);
        expect(&d, DSDN_DUTY_FETCH, DSDN_DUTY_REASON_HEALING, DSDN_NO_ORDINAL);
        assert_int_equal(second.reason, DSDN_DUTY_REASON_HEALING);
        assert_int_equal(d.source, w.rows[named]);
    }
    dsdn_replica_edit(&w.state, first)->heal_from = w.rows[5]; /* it lost it since */
    assert_int_equal(duty_of(&w, 0, chunk, NULL).source, dsdn_heal_source(&w.state, chunk));

    /* suspect: hold what may be there, look, and a source to restore it */
    world_replica(&w.state, chunk, w.rows[3], DSDN_REPLICA_SUSPECT);
    d = duty_of(&w, 3, chunk, &second);
    expect(&d, DSDN_DUTY_HOLD, DSDN_DUTY_REASON_SUSPECT, DSDN_NO_ORDINAL);
    assert_int_equal(d.source, dsdn_heal_source(&w.state, chunk));
    expect(&second, DSDN_DUTY_PROVE, DSDN_DUTY_REASON_SUSPECT, DSDN_NO_ORDINAL);
    assert_int_equal(second.leaves, 0);
    assert_int_equal(second.deadline_ms, 0);

    /* nodes that are not Active keep what may be the last copy and get nothing new; Closed ones let go */
    static const uint8_t inactive[] = {DSDN_NODE_PENDING, DSDN_NODE_QUARANTINED, DSDN_NODE_BANNED};
    for (uint32_t i = 0; i < 3; i++) {
        status_set(&w, 0, inactive[i]);
        status_set(&w, 1, inactive[i]);
        status_set(&w, 3, inactive[i]);
        d = duty_of(&w, 0, chunk, &second);
        expect(&d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_NODE_INACTIVE, DSDN_NO_ORDINAL);
        assert_int_equal(second.duty, 0);
        d = duty_of(&w, 1, chunk, &second);
        expect(&d, DSDN_DUTY_HOLD, DSDN_DUTY_REASON_NODE_INACTIVE, DSDN_NO_ORDINAL);
        d = duty_of(&w, 3, chunk, &second);
        expect(&d, DSDN_DUTY_HOLD, DSDN_DUTY_REASON_NODE_INACTIVE, DSDN_NO_ORDINAL);
        assert_int_equal(second.duty, 0);
    }
    for (uint32_t i = 0; i < 4; i += i == 1 ? 2 : 1) {
        status_set(&w, i, DSDN_NODE_CLOSED);
        d = duty_of(&w, i, chunk, &second);
        expect(&d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_NODE_LEFT, DSDN_NO_ORDINAL);
        assert_int_equal(second.duty, 0);
    }

    /* deletion goes before everything, the chunk's own before the object's */
    dsdn_object_edit(&w.state, dsdn_object_find(&w.state, w.object))->deleted = 1;
    request(&w, 0, w.object, 700);
    d = duty_of(&w, 2, chunk, NULL);
    expect(&d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_OBJECT_DELETED, 700);
    d = duty_of(&w, 0, chunk, NULL);
    expect(&d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_OBJECT_DELETED, 700);
    dsdn_chunk_edit(&w.state, chunk)->deleted = 1;
    request(&w, 1, dsdn_chunk_at(&w.state, chunk)->chunk, 800);
    d = duty_of(&w, 2, chunk, NULL);
    expect(&d, DSDN_DUTY_DROP, DSDN_DUTY_REASON_CHUNK_DELETED, 800);
    dsdn_state_free(&w.state);
}

/* ---- surplus ---- */

/* How far the chunk's walk goes to a node: from the text of docs/formats/reducers.md, "Ring", by OpenSSL. */
static uint64_t far(const uint8_t chunk[32], const uint8_t id[32])
{
    uint64_t place = 0, best = UINT64_MAX;
    for (int i = 0; i < 8; i++) place = place << 8 | chunk[i];
    for (uint8_t j = 0; j < 8; j++) {
        uint8_t message[45] = "\x0b"
                              "dsdn/ring/1",
                hash[32];
        memcpy(message + 12, id, 32);
        message[44] = j;
        assert_int_equal(EVP_Digest(message, sizeof message, hash, NULL, EVP_sha256(), NULL), 1);
        for (int k = 0; k < 4; k++) {
            uint64_t at = 0;
            for (int b = 8; b--;) at = at << 8 | hash[8 * k + b];
            if (at - place < best) best = at - place;
        }
    }
    return best;
}

/* Random live holders, some of them on nodes that are not Active, in few zones: who stays follows from the
 * rule, and at least rf stay, in as many zones as there are. */
static void test_surplus(void **state)
{
    (void)state;
    struct world w;
    uint64_t seed = 77;
    uint32_t surplus_seen = 0;
    uint8_t rf = 3;
    setup(&w, 4);
    status_set(&w, 7, DSDN_NODE_QUARANTINED);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t chunk = chunk_make(&w, rf), order[NODES], cnt = 0, kept = 0, suspect = NODES, newest = 0;
        const uint8_t *hash = dsdn_chunk_at(&w.state, chunk)->chunk;
        bool live[NODES] = {false}, keep[NODES] = {false};
        uint64_t distance[NODES];
        for (uint32_t i = 0; i < NODES; i++) {
            uint32_t kind = (uint32_t)(test_random(&seed) >> 20) % 8;
            distance[i] = far(hash, w.spots[i].id);
            if (kind == 0) continue;
            if (kind == 1 && suspect == NODES) {
                world_replica(&w.state, chunk, w.rows[i], DSDN_REPLICA_SUSPECT);
                suspect = i;
                continue;
            }
            world_replica(&w.state, chunk, w.rows[i], DSDN_REPLICA_LIVE);
            live[i] = true;
            if (i != 7) order[cnt++] = i;
        }
        for (uint32_t i = 0; i < cnt; i++) /* by distance */
            for (uint32_t j = i + 1; j < cnt; j++)
                if (distance[order[j]] < distance[order[i]]) {
                    uint32_t swap = order[i];
                    order[i] = order[j];
                    order[j] = swap;
                }
        for (uint32_t zone = 0, i = 0; i < cnt && kept < rf; i++) { /* zones are i % 4 */
            if (zone >> order[i] % 4 & 1) continue;
            zone |= 1u << order[i] % 4;
            keep[order[i]] = true;
            kept++;
        }
        for (uint32_t i = 0; i < cnt && kept < rf; i++)
            if (!keep[order[i]]) keep[order[i]] = true, kept++;
        for (uint32_t i = 0; i < NODES; i++) {
            struct dsdn_duty d = duty_of(&w, i, chunk, NULL);
            if (live[i] && i != 7) {
                expect(&d, keep[i] ? DSDN_DUTY_HOLD : DSDN_DUTY_DROP,
                       keep[i] ? DSDN_DUTY_REASON_LIVE : DSDN_DUTY_REASON_SURPLUS, d.cause_ordinal);
            } else if (live[i] || i == suspect) {
                bool enough = kept == rf;
                expect(&d, enough ? DSDN_DUTY_DROP : DSDN_DUTY_HOLD,
                       enough   ? DSDN_DUTY_REASON_SURPLUS
                       : i == 7 ? DSDN_DUTY_REASON_NODE_INACTIVE
                                : DSDN_DUTY_REASON_SUSPECT,
                       d.cause_ordinal);
            } else {
                assert_int_equal(d.duty, 0);
            }
            if (d.reason != DSDN_DUTY_REASON_SURPLUS) continue;
            surplus_seen++;
            newest = 0;
            for (uint32_t j = 0; j < cnt; j++) {
                struct dsdn_duty other = duty_of(&w, order[j], chunk, NULL);
                if (order[j] != i && other.state_ordinal > newest) newest = (uint32_t)other.state_ordinal;
            }
            assert_int_equal(d.cause_ordinal, newest);
        }
    }
    assert_true(surplus_seen > ROUNDS);
    dsdn_state_free(&w.state);
}

/* ---- one node and all ---- */

static void test_all(void **state)
{
    (void)state;
    struct world w;
    struct dsdn_follower all, one;
    struct dsdn_duty a, b;
    uint64_t seed = 9;
    uint32_t cnt = 0, order[NODES];
    setup(&w, 3);
    for (uint32_t round = 0; round < 50; round++) {
        uint32_t chunk = chunk_make(&w, 3);
        for (uint32_t i = 1; i < NODES; i++) { /* node 0 has none */
            uint32_t kind = (uint32_t)(test_random(&seed) >> 20) % 5;
            if (kind <= DSDN_REPLICA_SUSPECT) world_replica(&w.state, chunk, w.rows[i], (uint8_t)kind);
        }
    }
    for (uint32_t i = 0; i < NODES; i++) { /* by id */
        uint32_t at = i;
        for (; at && memcmp(w.spots[order[at - 1]].id, w.spots[i].id, 32) > 0; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    dsdn_follow(&all, &w.state, DSDN_NO_ROW);
    for (uint32_t i = 0; i < NODES; i++) {
        uint8_t last[32] = {0};
        dsdn_follow(&one, &w.state, w.rows[order[i]]);
        for (; dsdn_follow_next(&one, &a); cnt++) {
            assert_true(dsdn_follow_next(&all, &b));
            assert_memory_equal(&a, &b, sizeof a);
            assert_true(memcmp(dsdn_chunk_at(&w.state, a.chunk)->chunk, last, 32) >= 0);
            memcpy(last, dsdn_chunk_at(&w.state, a.chunk)->chunk, 32);
        }
        assert_false(dsdn_follow_next(&one, &a));
    }
    assert_false(dsdn_follow_next(&all, &b));
    assert_true(cnt > w.state.tables[dsdn_TABLE_replica].live_cnt); /* some have two */
    dsdn_state_free(&w.state);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(dsdn_follow_duty_name(DSDN_DUTY_PROVE), "prove");
    assert_string_equal(dsdn_follow_reason_name(DSDN_DUTY_REASON_SURPLUS), "surplus");
    assert_string_equal(dsdn_follow_duty_name(0), "?");
    assert_string_equal(dsdn_follow_duty_name(5), "?");
    assert_string_equal(dsdn_follow_reason_name(10), "?");
}

/* Rows of a checkpoint may contradict each other: nothing is told of what is not there, and nothing
 * breaks. */
static void test_contradictions(void **state)
{
    (void)state;
    struct world w;
    struct dsdn_follower f;
    struct dsdn_duty d;
    setup(&w, 2);
    uint32_t chunk = chunk_make(&w, 3);
    world_replica(&w.state, chunk, w.rows[0], DSDN_REPLICA_LIVE);
    uint8_t key[64] = {1};
    memcpy(key + 32, w.spots[0].id, 32);
    room(&w.state, dsdn_TABLE_replica);
    dsdn_replica_insert(&w.state, key); /* of no chunk */
    memcpy(key, dsdn_chunk_at(&w.state, chunk)->chunk, 32);
    memset(key + 32, 9, 32);
    room(&w.state, dsdn_TABLE_replica);
    dsdn_replica_insert(&w.state, key); /* of no node */
    struct dsdn_row_chunk *k = dsdn_chunk_edit(&w.state, chunk);
    k->holders_cnt = DSDN_HOLDER_MAX; /* fifteen holders without a row, and all counts as high as they go */
    for (uint32_t i = 1; i < DSDN_HOLDER_MAX; i++) k->holders[i] = w.rows[i % NODES];
    k->live_cnt = 255;
    dsdn_object_edit(&w.state, k->object)->rf = 255;
    dsdn_state_settle(&w.state);
    dsdn_follow(&f, &w.state, DSDN_NO_ROW);
    assert_true(dsdn_follow_next(&f, &d));
    assert_int_equal(d.chunk, chunk);
    assert_int_equal(d.duty, DSDN_DUTY_HOLD);
    assert_false(dsdn_follow_next(&f, &d));
    dsdn_object_edit(&w.state, dsdn_chunk_at(&w.state, chunk)->object)->rf = 0;
    dsdn_follow(&f, &w.state, DSDN_NO_ROW);
    assert_true(dsdn_follow_next(&f, &d));
    assert_int_equal(d.reason, DSDN_DUTY_REASON_SURPLUS);
    struct dsdn_heal heal;
    struct dsdn_context c = {.state = &w.state, .time_ms = NOW};
    assert_false(dsdn_heal_plan(&w.state, NOW, chunk, &heal));
    assert_false(dsdn_placement_has(&c, chunk, w.rows[0]));
    dsdn_state_free(&w.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states), cmocka_unit_test(test_surplus),        cmocka_unit_test(test_all),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_contradictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
