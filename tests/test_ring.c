/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The ring of table node against a plain sorted array whose places are hashed by OpenSSL; and walks of an
 * ordered index that start further on. */
#include "tests/engine_util.h"

#include "roles/tables.h"
#include "statemachine/ring.h"
#include "tests/fail_nth.h"

enum { POINTS = 32, NODE_MAX = 400 };

static const struct dsdn_table_desc *descs[DSDN_STATE_TABLES_MAX];

static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int init(struct dsdn_state *s, uint64_t hash_seed, uint32_t rows, struct dsdn_error *error)
{
    for (uint32_t i = 0; i < dsdn_TABLE_END; i++)
        descs[i] = i < DSDN_SYSTEM_TABLES ? &dsdn_sys_tables[i] : &dsdn_tables[i - DSDN_SYSTEM_TABLES];
    return dsdn_state_init(s, descs, dsdn_TABLE_END, hash_seed, rows, error);
}

static struct dsdn_table *nodes_of(struct dsdn_state *s)
{
    return &s->tables[dsdn_TABLE_node];
}

/* A state with the two zones that nodes of this test are in. */
static void begin(struct dsdn_state *s, uint64_t hash_seed)
{
    seed = 88172645463325252ull;
    assert_int_equal(init(s, hash_seed, 4, NULL), DSDN_OK);
    for (uint8_t i = 0; i < 2; i++) dsdn_zone_insert(s, (uint8_t[32]){'a' + i});
    dsdn_state_settle(s);
}

static void node_key(uint32_t number, uint8_t key[32])
{
    struct evp h = evp_plain();
    evp_number(&h, number, 4);
    evp_end(&h, key);
}

/* ---- the naive ring ---- */

struct place {
    uint64_t at;
    uint8_t key[32];
};

static struct {
    struct place places[NODE_MAX * POINTS];
    uint32_t cnt;
    bool on[NODE_MAX]; /* by number of the key */
} model;

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return memcmp(x->key, y->key, 32);
}

static void model_make(void)
{
    model.cnt = 0;
    for (uint32_t number = 0; number < NODE_MAX; number++) {
        uint8_t key[32], hash[32];
        if (!model.on[number]) continue;
        node_key(number, key);
        for (uint32_t i = 0; i < POINTS; i++) {
            struct evp h = evp_tagged("dsdn/ring/1");
            evp_put(&h, key, 32);
            evp_number(&h, i / 4, 1);
            evp_end(&h, hash);
            struct place *p = &model.places[model.cnt++];
            p->at = 0;
            for (uint32_t b = 8; b-- > 0;) p->at = p->at << 8 | hash[8 * (i % 4) + b];
            memcpy(p->key, key, 32);
        }
    }
    qsort(model.places, model.cnt, sizeof *model.places, by_place);
}

/* The whole walk from a place on, and that it ends. */
static void expect_walk(const struct dsdn_state *s, uint64_t from)
{
    const struct dsdn_table *t = &s->tables[dsdn_TABLE_node];
    uint32_t at = 0;
    struct dsdn_ring_walk w;
    while (at < model.cnt && model.places[at].at < from) at++;
    assert_int_equal(dsdn_ring_places(t), model.cnt);
    dsdn_ring_begin(&w, t, from);
    for (uint32_t i = 0; i < model.cnt; i++) {
        uint32_t row = dsdn_ring_next(&w);
        assert_true(row != DSDN_NO_ROW);
        assert_memory_equal(dsdn_node_at(s, row)->id, model.places[(at + i) % model.cnt].key, 32);
    }
    assert_int_equal(dsdn_ring_next(&w), DSDN_NO_ROW);
    assert_int_equal(dsdn_ring_next(&w), DSDN_NO_ROW);
}

static void expect_ring(const struct dsdn_state *s)
{
    model_make();
    expect_walk(s, 0);
    expect_walk(s, UINT64_MAX);
    for (int i = 0; i < 3; i++) expect_walk(s, next_random());
    if (!model.cnt) return;
    uint64_t at = model.places[next_random() % model.cnt].at;
    expect_walk(s, at);     /* a place itself is met first, */
    expect_walk(s, at + 1); /* and last by who starts behind it */
}

/* ---- changes ---- */

static uint32_t find(const struct dsdn_state *s, uint32_t number)
{
    uint8_t key[32];
    node_key(number, key);
    return dsdn_node_find(s, key);
}

static uint32_t add(struct dsdn_state *s, uint32_t number, uint8_t on)
{
    uint8_t key[32];
    node_key(number, key);
    assert_int_equal(dsdn_table_reserve(nodes_of(s), 1, NULL), DSDN_OK);
    uint32_t row = dsdn_node_insert(s, key);
    dsdn_node_edit(s, row)->zone = number % 2; /* not in its indexes yet */
    dsdn_node_edit(s, row)->on_ring = on;
    model.on[number] = on;
    return row;
}

static void toggle(struct dsdn_state *s, uint32_t number, uint8_t on)
{
    dsdn_node_edit_indexed(s, find(s, number))->on_ring = on;
    model.on[number] = on;
}

static void random_change(struct dsdn_state *s)
{
    uint32_t number = (uint32_t)(next_random() % 120), row = find(s, number), what = next_random() % 8;
    if (row == DSDN_NO_ROW) {
        add(s, number, (uint8_t)(next_random() % 2 * 7));
        return;
    }
    if (what < 2) {
        dsdn_node_erase(s, row);
        model.on[number] = false;
    } else if (what < 5) {
        toggle(s, number, !dsdn_node_at(s, row)->on_ring);
    } else if (what == 5) { /* there and back in one event */
        uint8_t on = dsdn_node_at(s, row)->on_ring;
        toggle(s, number, !on);
        toggle(s, number, on);
    } else if (what == 6) { /* edited, then erased, perhaps made again under another row number */
        dsdn_node_edit_indexed(s, row)->on_ring = 1;
        dsdn_node_erase(s, row);
        model.on[number] = false;
        if (next_random() % 2) add(s, number, 1);
    } else {
        dsdn_node_edit_indexed(s, row)->zone ^= 1;
    }
}

static void test_random_changes(void **state)
{
    struct dsdn_state s;
    (void)state;
    memset(&model, 0, sizeof model);
    begin(&s, 1);
    expect_ring(&s); /* empty */
    for (uint32_t i = 0; i < 6000; i++) {
        for (uint64_t k = next_random() % 3; k--;) random_change(&s);
        dsdn_state_settle(&s);
        if (i % 50 == 0) expect_ring(&s);
    }
    for (uint32_t number = 0; number < 120; number++) {
        uint32_t row = find(&s, number);
        if (row == DSDN_NO_ROW) continue;
        dsdn_node_erase(&s, row);
        model.on[number] = false;
    }
    expect_ring(&s);
    dsdn_state_free(&s);
}

/* A column that is switched on finds room, however many rows there are and whatever was there before. */
static void test_all_on_and_off(void **state)
{
    struct dsdn_state s;
    (void)state;
    memset(&model, 0, sizeof model);
    begin(&s, 2);
    for (uint32_t number = 0; number < NODE_MAX; number++) add(&s, number, 0);
    dsdn_state_settle(&s);
    expect_ring(&s);
    for (int round = 0; round < 3; round++) {
        for (uint32_t number = 0; number < NODE_MAX; number++) toggle(&s, number, 255);
        dsdn_state_settle(&s);
        expect_ring(&s);
        for (uint32_t number = 0; number < NODE_MAX; number++) toggle(&s, number, 0);
        dsdn_state_settle(&s);
        expect_ring(&s);
    }
    dsdn_state_free(&s);
}

/* A walk sees the ring as it was before the event; only a row that goes is off it at once. */
static void test_within_an_event(void **state)
{
    struct dsdn_state s;
    (void)state;
    memset(&model, 0, sizeof model);
    begin(&s, 3);
    for (uint32_t number = 0; number < 3; number++) add(&s, number, 1);
    dsdn_state_settle(&s);
    model_make();
    dsdn_node_edit_indexed(&s, find(&s, 0))->on_ring = 0;
    expect_walk(&s, 0);
    add(&s, 3, 1);
    expect_walk(&s, 0);
    dsdn_node_erase(&s, find(&s, 1));
    model.on[1] = model.on[3] = false;
    model_make();
    expect_walk(&s, 0);
    dsdn_state_settle(&s);
    model.on[0] = false;
    model.on[3] = true;
    model_make();
    expect_walk(&s, 0);
    dsdn_state_free(&s);
}

/* Rows that come in another order under another hash seed, as from a checkpoint, make the same ring, and it
 * goes on from there. */
static void test_restore(void **state)
{
    struct dsdn_state s, other;
    (void)state;
    memset(&model, 0, sizeof model);
    begin(&s, 4);
    for (uint32_t number = 0; number < 150; number++) add(&s, number, number % 3 != 0);
    dsdn_state_settle(&s);
    expect_ring(&s);
    const struct dsdn_table *from = nodes_of(&s);
    begin(&other, 5);
    assert_int_equal(dsdn_table_fill(nodes_of(&other), from->live_cnt, NULL), DSDN_OK);
    for (uint32_t row = 0; row < from->live_cnt; row++)
        memcpy(dsdn_row_at(nodes_of(&other), row, from->row_size),
               dsdn_row_at(from, from->live_cnt - 1 - row, from->row_size), from->row_size);
    dsdn_table_enter(nodes_of(&other), 0, from->live_cnt);
    for (unsigned n = 1;; n++) { /* with little memory it fails and can be tried again */
        fail_nth(n);
        int rc = dsdn_table_index_all(nodes_of(&other), NULL);
        fail_nth(0);
        if (!rc) break;
        assert_int_equal(rc, DSDN_E_NO_MEMORY);
        assert_true(n < 10);
        dsdn_state_free(&other);
        begin(&other, 5);
        assert_int_equal(dsdn_table_fill(nodes_of(&other), from->live_cnt, NULL), DSDN_OK);
        for (uint32_t row = 0; row < from->live_cnt; row++)
            memcpy(dsdn_row_at(nodes_of(&other), row, from->row_size),
                   dsdn_row_at(from, from->live_cnt - 1 - row, from->row_size), from->row_size);
        dsdn_table_enter(nodes_of(&other), 0, from->live_cnt);
    }
    expect_ring(&other);
    dsdn_state_free(&s);
    for (uint32_t i = 0; i < 2000; i++) {
        random_change(&other);
        dsdn_state_settle(&other);
    }
    expect_ring(&other);
    dsdn_state_free(&other);
}

static void test_no_memory(void **state)
{
    struct dsdn_state s;
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    for (unsigned n = 1;; n++) {
        fail_nth(n);
        int rc = init(&s, 6, 4, &error);
        fail_nth(0);
        if (!rc) break;
        assert_int_equal(rc, DSDN_E_NO_MEMORY);
        dsdn_state_free(&s);
    }
    dsdn_state_free(&s);
    memset(&model, 0, sizeof model);
    begin(&s, 6);
    for (uint32_t number = 0; number < 20; number++) add(&s, number, 1);
    dsdn_state_settle(&s);
    unsigned failed = 0;
    for (unsigned n = 1;; n++) {
        fail_nth(n);
        int rc = dsdn_table_reserve(nodes_of(&s), 5000, &error);
        fail_nth(0);
        expect_ring(&s);
        if (!rc) break;
        assert_int_equal(rc, DSDN_E_NO_MEMORY);
        failed++;
    }
    assert_true(failed >= 3); /* slots, rows and places among them */
    for (uint32_t number = 20; number < NODE_MAX; number++) add(&s, number, 1);
    dsdn_state_settle(&s);
    expect_ring(&s);
    assert_int_equal(dsdn_table_reserve(nodes_of(&s), UINT32_MAX / POINTS, &error), DSDN_E_NO_MEMORY);
    expect_ring(&s);
    dsdn_state_free(&s);
}

/* Every node gets about its share of random places, and a node that comes takes its share and moves nothing
 * else. */
static void test_shares(void **state)
{
    enum { NODES = 100, DRAWS = 20000 };
    static uint32_t owner[DRAWS], got[NODES + 1];
    static uint64_t draw[DRAWS];
    struct dsdn_state s;
    struct dsdn_ring_walk w;
    (void)state;
    memset(&model, 0, sizeof model);
    memset(got, 0, sizeof got);
    begin(&s, 7);
    for (uint32_t number = 0; number < NODES; number++) assert_int_equal(add(&s, number, 1), number);
    dsdn_state_settle(&s);
    for (uint32_t i = 0; i < DRAWS; i++) {
        draw[i] = next_random();
        dsdn_ring_begin(&w, nodes_of(&s), draw[i]);
        owner[i] = dsdn_ring_next(&w);
        got[owner[i]]++;
    }
    for (uint32_t number = 0; number < NODES; number++) { /* 200 on average, deviation 1/sqrt(32) of it */
        assert_in_range(got[number], 70, 420);
    }
    assert_int_equal(add(&s, NODES, 1), NODES);
    dsdn_state_settle(&s);
    uint32_t moved = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        dsdn_ring_begin(&w, nodes_of(&s), draw[i]);
        uint32_t now = dsdn_ring_next(&w);
        if (now == owner[i]) continue;
        assert_int_equal(now, NODES);
        moved++;
    }
    assert_in_range(moved, 70, 420);
    dsdn_state_free(&s);
}

/* ---- dsdn_walk_seek ---- */

static void replica_key(uint32_t chunk, uint32_t node, uint8_t key[64])
{
    memset(key, 0, 64);
    dsdn_store64_be(key + 24, chunk);
    dsdn_store64_be(key + 56, node);
}

static void test_walk_seek(void **state)
{
    struct dsdn_state s;
    uint8_t key[64], from[64];
    (void)state;
    begin(&s, 8);
    assert_int_equal(dsdn_table_reserve(&s.tables[dsdn_TABLE_replica], 300, NULL), DSDN_OK);
    for (uint32_t node = 0; node < 3; node++)
        for (uint32_t chunk = 0; chunk < 100; chunk++) {
            replica_key(2 * chunk, node, key);
            dsdn_replica_edit(&s, dsdn_replica_insert(&s, key))->heal_from = DSDN_NO_ROW;
        }
    dsdn_state_settle(&s);
    for (uint32_t node = 0; node < 3; node++)
        for (uint32_t start = 0; start <= 200; start++) { /* even: a row itself; odd: between two */
            struct dsdn_walk w;
            memset(from, 0, sizeof from);
            dsdn_store64_be(from + 24, node);
            dsdn_store64_be(from + 56, start);
            dsdn_walk_seek(&w, &s.tables[dsdn_TABLE_replica], 0, from, 32, from, 64);
            for (uint32_t chunk = (start + 1) / 2; chunk < 100; chunk++) {
                replica_key(2 * chunk, node, key);
                uint32_t row = dsdn_walk_next(&w);
                assert_true(row != DSDN_NO_ROW);
                assert_memory_equal(dsdn_replica_at(&s, row), key, 64);
            }
            assert_int_equal(dsdn_walk_next(&w), DSDN_NO_ROW);
        }
    dsdn_state_free(&s);
}

/* Rows that come, go and come again under another key before their index hears of it; and one that is taken
 * out after it did. */
static void test_late_index(void **state)
{
    struct dsdn_state s;
    struct dsdn_walk w;
    uint8_t key[64], from[32] = {0};
    uint32_t rows[8];
    (void)state;
    begin(&s, 8);
    assert_int_equal(dsdn_table_reserve(&s.tables[dsdn_TABLE_replica], 8, NULL), DSDN_OK);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 8; i++) {
            replica_key(100 * round + i, 7, key);
            rows[i] = dsdn_replica_insert(&s, key);
        }
        assert_true(s.settling_late != 0);
        dsdn_state_settle_event(&s);
        dsdn_store64_be(from + 24, 7);
        dsdn_walk_begin(&w, &s.tables[dsdn_TABLE_replica], 0, from, 32);
        assert_int_equal(dsdn_walk_next(&w), DSDN_NO_ROW); /* late */
        if (round == 2) break;
        for (uint32_t i = 0; i < 8; i++) dsdn_replica_erase(&s, rows[i]);
    }
    dsdn_replica_erase(&s, rows[3]);
    dsdn_state_settle(&s);
    dsdn_replica_erase(&s, rows[5]);
    dsdn_state_settle(&s);
    dsdn_walk_begin(&w, &s.tables[dsdn_TABLE_replica], 0, from, 32);
    for (uint32_t i = 0; i < 8; i++)
        if (i != 3 && i != 5) assert_int_equal(dsdn_walk_next(&w), rows[i]);
    assert_int_equal(dsdn_walk_next(&w), DSDN_NO_ROW);
    dsdn_state_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes),  cmocka_unit_test(test_all_on_and_off),
        cmocka_unit_test(test_within_an_event), cmocka_unit_test(test_restore),
        cmocka_unit_test(test_no_memory),       cmocka_unit_test(test_shares),
        cmocka_unit_test(test_walk_seek),       cmocka_unit_test(test_late_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
