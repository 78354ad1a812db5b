/* The reducers of objects and chunks, and the possession tree. */
#include "roles_util.h"

static void test_objects(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    struct person *owner = &w->owner[0];
    struct dsdn_ev_object_declared good = object_event(w, 3), o = good;
    const int declared = dsdn_EVENT_object_declared, chunked = dsdn_EVENT_chunk_declared;
    expect_result(play(w, &w->owner[1], declared, &o), NOT_AUTHORISED);
    o.size = 0;
    expect_unmet(play(w, owner, declared, &o), OBJECT_SHAPE);
    o = good, o.chunk_count = 0;
    expect_unmet(play(w, owner, declared, &o), OBJECT_SHAPE);
    o = good, o.size = 4ull * DSDN_CHUNK_MAX + 1;
    expect_unmet(play(w, owner, declared, &o), OBJECT_SHAPE);
    o = good, o.rf = 0;
    expect_unmet(play(w, owner, declared, &o), RF_RANGE);
    o.rf = 17;
    expect_unmet(play(w, owner, declared, &o), RF_RANGE);
    struct dsdn_ev_chunk_declared fine = chunk_event(0), k = fine;
    expect_unmet(play(w, owner, chunked, &k), OBJECT_UNKNOWN);
    expect_result(play(w, owner, declared, &good), OK);
    expect_result(play(w, owner, declared, &good), NO_EFFECT);
    o = good, o.manifest = tree_root;
    expect_result(play(w, owner, declared, &o), CONFLICT);
    static const uint8_t empty_id[32] = {0xE0};
    o = good, o.object = empty_id, o.size = 0, o.chunk_count = 0, o.manifest = tree_root;
    expect_result(play(w, owner, declared, &o), OK);

    expect_result(play(w, &w->owner[1], chunked, &k), NOT_AUTHORISED);
    k.index = 4;
    expect_unmet(play(w, owner, chunked, &k), CHUNK_INDEX);
    k = fine, k.size = 0;
    expect_unmet(play(w, owner, chunked, &k), CHUNK_SIZE);
    k.size = DSDN_CHUNK_MAX + 1;
    expect_unmet(play(w, owner, chunked, &k), CHUNK_SIZE);
    static const uint32_t bad_leaves[] = {0, 512, 1025, 128u << 20};
    for (int i = 0; i < 4; i++) {
        k = fine, k.leaf_size = bad_leaves[i];
        expect_unmet(play(w, owner, chunked, &k), LEAF_SIZE);
    }
    static const uint8_t bad_codes[3][3] = {{0, 2, 0}, {3, 2, 0}, {1, 2, 2}}, good_code[3] = {2, 3, 2};
    for (int i = 0; i < 3; i++) {
        k = fine, k.ec = (struct dsdn_list){bad_codes[i], 1, 3};
        expect_unmet(play(w, owner, chunked, &k), ERASURE_SHAPE);
    }
    expect_result(play(w, owner, chunked, &fine), OK);
    expect_result(play(w, owner, chunked, &fine), NO_EFFECT);
    k = fine, k.size++;
    expect_result(play(w, owner, chunked, &k), CONFLICT);
    k = fine, k.chunk = chunk_ids[1]; /* the place is taken */
    expect_result(play(w, owner, chunked, &k), CONFLICT);
    k = chunk_event(1), k.ec = (struct dsdn_list){good_code, 1, 3};
    expect_result(play(w, owner, chunked, &k), OK);
    const struct dsdn_row_chunk *row = dsdn_chunk_at(state(w), dsdn_chunk_find(state(w), chunk_ids[1]));
    assert_int_equal(row->ec_k * 100 + row->ec_n * 10 + row->ec_row, 232);
    assert_int_equal(dsdn_object_at(state(w), row->object)->declared_cnt, 2);

    const int gone = dsdn_EVENT_delete_requested;
    struct dsdn_ev_delete_requested d = {chunk_ids[0], 1, 0};
    expect_result(play(w, &w->owner[1], gone, &d), NOT_AUTHORISED);
    expect_result(play(w, owner, gone, &d), OK);
    expect_result(play(w, owner, gone, &d), NO_EFFECT);
    expect_result(play(w, owner, chunked, &fine), CONFLICT);
    d.target = chunk_ids[3];
    expect_unmet(play(w, owner, gone, &d), CHUNK_UNKNOWN);
    d.kind = 0;
    expect_unmet(play(w, owner, gone, &d), OBJECT_UNKNOWN);
    d.target = object_id;
    expect_result(play(w, owner, gone, &d), OK);
    expect_result(play(w, owner, gone, &d), NO_EFFECT);
    d = (struct dsdn_ev_delete_requested){chunk_ids[1], 1, 0};
    expect_result(play(w, owner, gone, &d), NO_EFFECT); /* goes with its object */
    k = chunk_event(2);
    expect_unmet(play(w, owner, chunked, &k), DELETE_REQUESTED);
    expect_result(play(w, owner, declared, &good), CONFLICT);

    /* A validator deletes nothing, not even its own (STOR-6). */
    static const uint8_t validators_id[32] = {0xF0};
    o = good, o.object = validators_id, o.owner = w->validator.key.public_key;
    expect_result(play(w, &w->validator, declared, &o), OK);
    d = (struct dsdn_ev_delete_requested){validators_id, 0, 0};
    expect_result(play(w, &w->validator, gone, &d), NOT_AUTHORISED);
    world_free(w);
}

static void test_paths(void **unused)
{
    (void)unused;
    uint8_t path[128], wrong[128];
    for (uint32_t leaf = 0; leaf < 5; leaf++) {
        uint32_t cnt = tree_path(leaf, path);
        struct dsdn_list list = {path, cnt, 32 * cnt};
        assert_true(dsdn_leaf_path_valid(&list, leaf, 5, tree_root));
        for (uint32_t other = 0; other < 6; other++)
            if (other != leaf) assert_false(dsdn_leaf_path_valid(&list, other, 5, tree_root));
        for (uint32_t byte = 0; byte < 32 * cnt; byte++) {
            memcpy(wrong, path, sizeof wrong);
            wrong[byte] ^= 1;
            struct dsdn_list bad = {wrong, cnt, 32 * cnt};
            assert_false(dsdn_leaf_path_valid(&bad, leaf, 5, tree_root));
        }
        for (uint32_t short_cnt = 0; short_cnt < cnt; short_cnt++) {
            struct dsdn_list bad = {path, short_cnt, 32 * short_cnt};
            assert_false(dsdn_leaf_path_valid(&bad, leaf, 5, tree_root));
        }
    }
    struct dsdn_list one = {leaf_hashes[0], 1, 32};
    assert_true(dsdn_leaf_path_valid(&one, 0, 1, leaf_hashes[0]));
    uint8_t two[64];
    memcpy(two, leaf_hashes[1], 32), memcpy(two + 32, leaf_hashes[0], 32);
    struct dsdn_list longer = {two, 2, 64};
    assert_false(dsdn_leaf_path_valid(&longer, 0, 1, inner[0])); /* a path longer than its tree */
    assert_int_equal(dsdn_leaf_count(4097, 1024), 5);
    assert_int_equal(dsdn_leaf_count(4096, 1024), 4);
}

static void test_codes(void **unused)
{
    (void)unused;
    check_codes_reached(32, 40);
}

int main(void)
{
    if (dsdn_sign_self_test(&error)) return 1;
    tree_make();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_objects), cmocka_unit_test(test_paths),
                                       cmocka_unit_test(test_codes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
