/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The incremental tree against plain recursion over the same leaves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "log/hash.h"
#include "statemachine/tree.h"
#include "tests/fail_nth.h"

/* What the tree should hold: kh and vh of each row, and whether it has a leaf. */
struct model {
    struct dsdn_tree *tree;
    uint8_t (*pairs)[64];
    bool *live;
    uint32_t row_cnt, live_cnt;
    uint64_t random;
};

/* xorshift64 (Marsaglia, 2003). */
static uint64_t next_random(struct model *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

/* Keys are random but for `shared` leading zero bits (up to 232); the last bits are the row's number, so that
 * all differ even when 255 bits are shared by rows 0 and 1. */
static void model_begin(struct model *m, uint32_t rows, unsigned shared)
{
    *m = (struct model){.tree = dsdn_tree_new(), .row_cnt = rows, .random = 88172645463325252ull};
    m->pairs = calloc(rows, sizeof *m->pairs);
    m->live = calloc(rows, sizeof *m->live);
    assert_non_null(m->tree);
    assert_non_null(m->pairs);
    assert_non_null(m->live);
    for (uint32_t row = 0; row < rows; row++) {
        uint8_t *kh = m->pairs[row];
        if (shared < 232) dsdn_sha256(&row, sizeof row, kh);
        for (unsigned bit = 0; bit < shared && bit < 232; bit++) kh[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
        kh[29] = (uint8_t)(row >> 16);
        kh[30] = (uint8_t)(row >> 8);
        kh[31] = (uint8_t)row;
    }
}

static void model_end(struct model *m)
{
    dsdn_tree_free(m->tree);
    free(m->pairs);
    free(m->live);
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static void model_root(const struct model *m, uint8_t root[32])
{
    uint8_t(*leaves)[64] = malloc((m->live_cnt + 1) * sizeof *leaves);
    assert_non_null(leaves);
    uint32_t cnt = 0;
    for (uint32_t row = 0; row < m->row_cnt; row++)
        if (m->live[row]) memcpy(leaves[cnt++], m->pairs[row], 64);
    assert_int_equal(cnt, m->live_cnt);
    qsort(leaves, cnt, sizeof *leaves, by_bytes);
    dsdn_tree_reference((const uint8_t *)leaves, cnt, root);
    free(leaves);
}

static void expect_root(const struct model *m, unsigned threads)
{
    uint8_t is[32], should[32];
    dsdn_tree_root(m->tree, threads, is);
    model_root(m, should);
    assert_memory_equal(is, should, 32);
}

/* Sets random values for some rows with leaves, in one call. */
static void set_values(struct model *m, const uint32_t *rows, uint32_t cnt)
{
    uint8_t(*vh)[32] = malloc((cnt + 1) * sizeof *vh);
    assert_non_null(vh);
    for (uint32_t i = 0; i < cnt; i++) {
        uint64_t value = next_random(m);
        dsdn_sha256(&value, sizeof value, vh[i]);
        memcpy(m->pairs[rows[i]] + 32, vh[i], 32);
    }
    dsdn_tree_set(m->tree, rows, (const uint8_t *)vh, cnt);
    free(vh);
}

static void add(struct model *m, uint32_t row)
{
    assert_int_equal(dsdn_tree_reserve(m->tree, row + 1, NULL), DSDN_OK);
    assert_false(dsdn_tree_has(m->tree, row));
    dsdn_tree_insert(m->tree, row, m->pairs[row]);
    assert_true(dsdn_tree_has(m->tree, row));
    set_values(m, &row, 1);
    m->live[row] = true;
    m->live_cnt++;
}

static void drop(struct model *m, uint32_t row)
{
    dsdn_tree_remove(m->tree, row);
    m->live_cnt -= m->live[row];
    m->live[row] = false;
    assert_false(dsdn_tree_has(m->tree, row));
}

/* cnt random writes to rows below `rows`: half of them change a leaf, the others add or remove one. */
static void write_some(struct model *m, uint32_t rows, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t row = (uint32_t)(next_random(m) % rows);
        bool set = next_random(m) % 2;
        if (!m->live[row])
            add(m, row);
        else if (set)
            set_values(m, &row, 1);
        else
            drop(m, row);
    }
}

/* ---- roots --------------------------------------------------------------------------------------------- */

/* Keys: SHA-256 of "alpha", "beta", "gamma", which begin with the bits 100, 111, 101; value hashes:
 * SHA-256(03 || 00), (03 || 01), (03 || 02).  The roots are by Python: h = lambda b:
 * hashlib.sha256(b).digest(); leaf = lambda k, i: h(b"\0" + h(k) + h(bytes([3, i]))) a, b, c = leaf(b"alpha",
 * 0), leaf(b"beta", 1), leaf(b"gamma", 2); zero = bytes(32) h(b"\1" + zero + h(b"\1" + h(b"\1" + a + c) +
 * b)); h(b"\1" + zero + h(b"\1" + a + b)); a */
static void test_known_roots(void **state)
{
    (void)state;
    static const char *const keys[] = {"alpha", "beta", "gamma"};
    static const char *const roots[] = {"9c03f72c602086a8894970198e6b1d09cb46de020acedcc45886f459e6d90124",
                                        "1466b376ffdadda793e764d2bb94c09c17dee8fe8347ba16ddf17bc12a4cf6f1",
                                        "b86c9803aab1086119fc71cfe1886b8aa08cea33291282b6e09e51a101a51870"};
    struct dsdn_tree *t = dsdn_tree_new();
    assert_non_null(t);
    uint8_t root[32], should[32] = {0};
    dsdn_tree_root(t, 1, root);
    assert_memory_equal(root, should, 32);
    dsdn_tree_reference(NULL, 0, root);
    assert_memory_equal(root, should, 32);
    assert_int_equal(dsdn_tree_reserve(t, 3, NULL), DSDN_OK);
    for (uint32_t row = 0; row < 3; row++) {
        uint8_t kh[32], vh[32], value[2] = {3, (uint8_t)row};
        dsdn_sha256(keys[row], strlen(keys[row]), kh);
        dsdn_sha256(value, 2, vh);
        dsdn_tree_insert(t, row, kh);
        dsdn_tree_set(t, &row, vh, 1);
        dsdn_tree_root(t, 1, root);
        assert_true(dsdn_hex_decode(roots[row], 32, should));
        assert_memory_equal(root, should, 32);
    }
    dsdn_tree_remove(t, 2);
    dsdn_tree_root(t, 2, root);
    assert_true(dsdn_hex_decode(roots[1], 32, should));
    assert_memory_equal(root, should, 32);
    dsdn_tree_free(t);
}

static void test_random_writes(void **state)
{
    (void)state;
    static const struct {
        uint32_t rows, writes, rounds;
    } sizes[] = {{1, 1, 20},    {2, 1, 60},    {3, 2, 60},      {9, 3, 60},     {33, 5, 60},
                 {257, 40, 30}, {1000, 1, 40}, {1000, 700, 10}, {5000, 60, 20}, {5000, 9000, 4}};
    for (unsigned threads = 1; threads <= 2; threads++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct model m;
            model_begin(&m, sizes[i].rows, 0);
            for (uint32_t round = 0; round < sizes[i].rounds; round++) {
                write_some(&m, sizes[i].rows, sizes[i].writes);
                expect_root(&m, threads);
            }
            for (uint32_t row = 0; row < sizes[i].rows; row++) drop(&m, row);
            expect_root(&m, threads);
            write_some(&m, sizes[i].rows, 3);
            expect_root(&m, threads);
            model_end(&m);
        }
    }
}

/* Keys that share long prefixes: everything is in one bucket, below chains of nodes with one child. */
static void test_shared_prefixes(void **state)
{
    (void)state;
    static const unsigned shared[] = {1, 3, 4, 5, 7, 8, 12, 31, 63, 64, 65, 128, 200, 231, 232};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        struct model m;
        model_begin(&m, 2000, shared[i]);
        for (uint32_t rows = 2; rows <= 128; rows *= 4) {
            for (uint32_t round = 0; round < 4; round++) {
                write_some(&m, rows, rows);
                expect_root(&m, 1);
            }
        }
        write_some(&m, 2000, 400);
        expect_root(&m, 1);
        model_end(&m);
    }
    struct model m; /* rows 0 and 1 differ in the last bit alone */
    model_begin(&m, 2, 232);
    add(&m, 0);
    expect_root(&m, 1);
    add(&m, 1);
    expect_root(&m, 1);
    drop(&m, 0);
    expect_root(&m, 1);
    model_end(&m);
}

/* Large enough for two threads, two segments of dirty buckets and growing by one and by several levels. */
static void test_growth_and_threads(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct model m;
        model_begin(&m, 70000, 0);
        for (uint32_t row = 0; row < 700; row++) add(&m, row);
        expect_root(&m, threads);
        assert_int_equal(dsdn_tree_reserve(m.tree, 30000, NULL), DSDN_OK);
        expect_root(&m, threads); /* nothing was written, new levels only */
        for (uint32_t row = 700; row < 30000; row++) add(&m, row);
        expect_root(&m, threads);
        for (int i = 0; i < 10; i++) {
            write_some(&m, 30000, i % 2 ? 5000 : 20);
            expect_root(&m, threads);
        }
        write_some(&m, 30000, 20); /* grow while some are dirty, and some of these are removed */
        for (uint32_t row = 30000; row < 70000; row++) add(&m, row);
        expect_root(&m, threads);
        write_some(&m, 70000, 4000);
        assert_int_equal(dsdn_tree_reserve(m.tree, 140000, NULL), DSDN_OK);
        expect_root(&m, threads);
        for (uint32_t row = 0; row < 70000; row++) drop(&m, row);
        assert_int_equal(dsdn_tree_reserve(m.tree, 300000, NULL),
                         DSDN_OK); /* empty, but that was not hashed yet */
        expect_root(&m, threads);
        write_some(&m, 70000, 3000);
        expect_root(&m, threads);
        model_end(&m);
    }
}

/* The same rows by another history, under other row numbers, give the same root. */
static void test_history_does_not_matter(void **state)
{
    (void)state;
    enum { CNT = 3000 };
    uint8_t roots[4][32];
    for (uint32_t history = 0; history < 4; history++) {
        struct model m;
        model_begin(&m, 1, 0);
        uint8_t scratch[32];
        assert_int_equal(dsdn_tree_reserve(m.tree, 2 * CNT, NULL), DSDN_OK);
        for (uint32_t i = 0; i < CNT; i++) {
            uint32_t item = history == 0 ? i : history == 1 ? CNT - 1 - i : i * 7 % CNT;
            uint32_t row = history == 3 ? 2 * CNT - 1 - item : item;
            uint8_t kh[32], vh[32];
            dsdn_sha256(&item, 4, kh);
            dsdn_sha256(kh, 32, vh);
            if (history >= 2) { /* first another key, then another value */
                dsdn_tree_insert(m.tree, row, vh);
                dsdn_tree_set(m.tree, &row, kh, 1);
                if (item % 5 == 0) dsdn_tree_root(m.tree, 1, scratch);
                dsdn_tree_remove(m.tree, row);
            }
            dsdn_tree_insert(m.tree, row, kh);
            dsdn_tree_set(m.tree, &row, kh, 1);
            if (history == 1 && item % 100 == 0) dsdn_tree_root(m.tree, 2, scratch);
            dsdn_tree_set(m.tree, &row, vh, 1);
        }
        dsdn_tree_root(m.tree, 1 + history % 2, roots[history]);
        model_end(&m);
    }
    for (int i = 1; i < 4; i++) assert_memory_equal(roots[i], roots[0], 32);
}

/* ---- proofs -------------------------------------------------------------------------------------------- */

static void expect_fold(const struct dsdn_tree_path *path, const uint8_t *kh, const uint8_t *root, bool equal)
{
    uint8_t folded[32];
    dsdn_tree_fold(path, kh, folded);
    assert_int_equal(memcmp(folded, root, 32) == 0, equal);
}

/* Every byte that the path consists of (of the siblings every step-th), changed in one bit, leads elsewhere;
 * so does another depth or another ending. */
static void expect_fragile(struct dsdn_tree_path *path, uint32_t step, const uint8_t *kh, const uint8_t *root)
{
    for (uint32_t i = 0; i < path->depth * 32; i += step) {
        uint8_t *byte = &path->siblings[i / 32][i % 32];
        *byte ^= (uint8_t)(1u << i % 8);
        expect_fold(path, kh, root, false);
        *byte ^= (uint8_t)(1u << i % 8);
    }
    for (uint32_t i = 0; i < 64 && path->leaf_present; i++) {
        uint8_t *byte = i < 32 ? &path->leaf_kh[i] : &path->leaf_vh[i - 32];
        *byte ^= (uint8_t)(1u << i % 8);
        expect_fold(path, kh, root, false);
        *byte ^= (uint8_t)(1u << i % 8);
    }
    path->leaf_present = !path->leaf_present;
    expect_fold(path, kh, root, false);
    path->leaf_present = !path->leaf_present;
    if (path->depth) {
        path->depth--;
        expect_fold(path, kh, root, false);
        path->depth++;
        uint8_t turned[32]; /* the same siblings at another place */
        memcpy(turned, kh, 32);
        turned[(path->depth - 1) / 8] ^= (uint8_t)(0x80u >> (path->depth - 1) % 8);
        expect_fold(path, turned, root, false);
    }
    if (path->depth < DSDN_TREE_DEPTH_MAX) {
        memset(path->siblings[path->depth++], 0, 32);
        expect_fold(path, kh, root, false);
        path->depth--;
    }
    uint32_t depth = path->depth;
    uint8_t nobodys_root[32];
    memset(nobodys_root, 0xff, sizeof nobodys_root);
    path->depth = DSDN_TREE_DEPTH_MAX + 1;
    expect_fold(path, kh, nobodys_root, true);
    path->depth = depth;
    expect_fold(path, kh, root, true);
}

/* Proofs of `cnt` rows with and without leaves, and of keys that agree with one of them up to some bit. */
static void expect_proofs(struct model *m, uint32_t rows, uint32_t cnt, bool fragile)
{
    static struct dsdn_tree_path path;
    uint8_t root[32];
    dsdn_tree_root(m->tree, 1, root);
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t row = (uint32_t)(next_random(m) % rows);
        uint8_t kh[32];
        memcpy(kh, m->pairs[row], 32);
        if (i % 3 == 2) {
            unsigned bit = (unsigned)(next_random(m) % (i % 2 ? 232 : 16));
            kh[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
        }
        bool present = m->live[row] && i % 3 != 2;
        memset(&path, 0xa5, sizeof path);
        dsdn_tree_prove(m->tree, kh, &path);
        assert_int_equal(path.leaf_present && memcmp(path.leaf_kh, kh, 32) == 0, present);
        if (present) assert_memory_equal(path.leaf_vh, m->pairs[row] + 32, 32);
        for (uint32_t bit = 0; bit < path.depth && path.leaf_present; bit++) /* that leaf is at this place */
            assert_int_equal((path.leaf_kh[bit / 8] ^ kh[bit / 8]) >> (7 - bit % 8) & 1, 0);
        expect_fold(&path, kh, root, true);
        if (fragile) expect_fragile(&path, path.depth < 40 ? 1 : 37, kh, root);
    }
}

static void test_proofs(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 5, 12, 40, 300, 5000};
    static const unsigned shared[] = {0, 3, 6, 100, 232};
    for (size_t s = 0; s < sizeof shared / sizeof *shared; s++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct model m;
            model_begin(&m, sizes[i], shared[s]);
            expect_proofs(&m, sizes[i], 3, true); /* of an empty tree */
            for (uint32_t row = 0; row < sizes[i]; row += 1 + (uint32_t)(next_random(&m) % 2)) add(&m, row);
            expect_proofs(&m, sizes[i], sizes[i] < 9 ? 9 : 60, false);
            expect_proofs(&m, sizes[i], 6, true);
            if (sizes[i] == 300) { /* growing changes neither root nor proofs */
                assert_int_equal(dsdn_tree_reserve(m.tree, 20000, NULL), DSDN_OK);
                expect_proofs(&m, sizes[i], 60, false);
            }
            model_end(&m);
        }
    }
}

static void test_longest_path(void **state)
{
    (void)state;
    static struct dsdn_tree_path path;
    struct model m;
    model_begin(&m, 2, 232);
    add(&m, 0);
    add(&m, 1);
    uint8_t root[32];
    dsdn_tree_root(m.tree, 1, root);
    dsdn_tree_prove(m.tree, m.pairs[1], &path);
    assert_int_equal(path.depth, 256);
    expect_fold(&path, m.pairs[1], root, true);
    expect_fragile(&path, 1, m.pairs[1], root);
    model_end(&m);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        fail_nth(n);
        struct dsdn_tree *t = dsdn_tree_new();
        bool all_done = fail_nth(0);
        assert_int_equal(t != NULL, all_done);
        dsdn_tree_free(t);
        if (t) {
            assert_true(n > 2);
            break;
        }
    }
    dsdn_tree_free(NULL);
    struct model m;
    model_begin(&m, 90000, 0);
    unsigned failed = 0;
    for (;; failed++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        for (uint32_t row = 0; row < 600; row++)
            if (!m.live[row]) add(&m, row);
        expect_root(&m, 1);
        write_some(&m, 600, 5);
        fail_nth(failed + 1);
        int rc = dsdn_tree_reserve(m.tree, 90000, &error);
        bool all_done = fail_nth(0);
        assert_int_equal(rc == DSDN_OK, all_done);
        assert_int_equal(error.code, rc);
        expect_root(&m, 1);
        if (rc == DSDN_OK) break;
        assert_int_equal(rc, DSDN_E_NO_MEMORY);
        write_some(&m, 600, 5);
        expect_root(&m, 1);
        dsdn_tree_free(m.tree); /* what had grown would not fail again */
        m.tree = dsdn_tree_new();
        assert_non_null(m.tree);
        memset(m.live, 0, m.row_cnt * sizeof *m.live);
        m.live_cnt = 0;
    }
    /* All arrays but the smallest, which fits its first page for long; three take two calls: a range, and the move
     * of what they hold into it. */
    assert_int_equal(failed, 11);
    for (uint32_t row = 600; row < 90000; row += 7) add(&m, row);
    expect_root(&m, 2);
    model_end(&m);
}

/* The promise of the header of the layout: at most about 170 bytes a row, at sizes where pages do not count.
 */
static void test_memory_per_row(void **state)
{
    (void)state;
    for (uint32_t rows = 1u << 20; rows < 1u << 22; rows += rows / 8) {
        struct dsdn_tree *t = dsdn_tree_new();
        assert_non_null(t);
        assert_int_equal(dsdn_tree_reserve(t, rows, NULL), DSDN_OK);
        assert_true(dsdn_tree_memory(t) < 180 * (size_t)rows);
        dsdn_tree_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_roots),
        cmocka_unit_test(test_random_writes),
        cmocka_unit_test(test_shared_prefixes),
        cmocka_unit_test(test_growth_and_threads),
        cmocka_unit_test(test_history_does_not_matter),
        cmocka_unit_test(test_proofs),
        cmocka_unit_test(test_longest_path),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_memory_per_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
