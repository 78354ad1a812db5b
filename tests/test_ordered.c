/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The ordered index against a plain sorted array, on keys that differ early, late, and only behind long ties.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "statemachine/ordered.h"
#include "tests/fail_nth.h"

enum { KEY_LEN = 20, ROW_MAX = 60000 };

/* xorshift64 (Marsaglia, 2003). */
static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* How the keys of a run look: which bytes are random at all. */
struct shape {
    const char *name;
    uint32_t key_len, from, to;
    uint8_t mask; /* of the random bytes before the last four, which make keys distinct */
};

static const struct shape shapes[] = {
    {"random", 20, 0, 16, 0xff},
    {"few different heads", 20, 0, 8, 0x80},
    {"one head", 20, 8, 16, 0x03},
    {"nothing but the last bytes", 20, 16, 16, 0},
    {"shorter than a head", 5, 0, 1, 0xff},
    {"as long as a head", 8, 0, 4, 0x0f},
};

struct model {
    struct dsdn_ordered *index;
    uint8_t keys[ROW_MAX][KEY_LEN];
    uint32_t key_len;
    uint32_t sorted[ROW_MAX], cnt; /* the rows in the index, in key order */
    uint64_t random;
};

static struct model m;

static void key_of(const void *context, uint32_t row, uint8_t *out)
{
    const struct model *model = context;
    memcpy(out, model->keys[row], model->key_len);
}

/* Keys are made once per run; the last four bytes are the row number, scrambled, so that all differ. */
static void begin(const struct shape *shape)
{
    m.random = 88172645463325252ull;
    m.key_len = shape->key_len;
    m.cnt = 0;
    memset(m.keys, 0, sizeof m.keys);
    for (uint32_t row = 0; row < ROW_MAX; row++) {
        for (uint32_t i = shape->from; i < shape->to; i++)
            m.keys[row][i] = (uint8_t)next_random(&m.random) & shape->mask;
        uint32_t distinct = row * 2654435761u;
        dsdn_store32(m.keys[row] + m.key_len - 4, distinct);
    }
    m.index = dsdn_ordered_new(m.key_len, key_of, &m);
    assert_non_null(m.index);
}

static void end(void)
{
    dsdn_ordered_free(m.index);
    m.index = NULL;
}

/* The number of model entries whose key is below the len bytes at key, zero-extended. */
static uint32_t model_rank(const uint8_t *key, uint32_t len)
{
    uint8_t whole[KEY_LEN] = {0};
    memcpy(whole, key, len);
    uint32_t low = 0, high = m.cnt;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (memcmp(m.keys[m.sorted[middle]], whole, m.key_len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool model_has(uint32_t row)
{
    uint32_t at = model_rank(m.keys[row], m.key_len);
    return at < m.cnt && m.sorted[at] == row;
}

static void add(uint32_t row)
{
    uint32_t at = model_rank(m.keys[row], m.key_len);
    memmove(m.sorted + at + 1, m.sorted + at, (m.cnt - at) * sizeof *m.sorted);
    m.sorted[at] = row;
    m.cnt++;
    dsdn_ordered_insert(m.index, row);
}

/* Rows outside the index may change, and their numbers are used again: nothing inside may still read their
 * keys. */
static void change_key(uint32_t row)
{
    for (uint32_t i = 0; i < m.key_len; i++) m.keys[row][i] ^= 0xff;
}

static void take_out(uint32_t row)
{
    dsdn_ordered_remove(m.index, row);
    change_key(row);
}

static void put_back(uint32_t row)
{
    change_key(row);
    dsdn_ordered_insert(m.index, row);
}

static void drop(uint32_t row)
{
    uint32_t at = model_rank(m.keys[row], m.key_len);
    m.cnt--;
    memmove(m.sorted + at, m.sorted + at + 1, (m.cnt - at) * sizeof *m.sorted);
    take_out(row);
}

static void expect_all(void)
{
    assert_int_equal(dsdn_ordered_count(m.index), m.cnt);
    uint32_t leaf, slot;
    dsdn_ordered_seek(m.index, (const uint8_t *)"", 0, &leaf, &slot);
    for (uint32_t i = 0; i < m.cnt; i++)
        assert_int_equal(dsdn_ordered_at(m.index, &leaf, &slot), m.sorted[i]);
    assert_int_equal(dsdn_ordered_at(m.index, &leaf, &slot), UINT32_MAX);
    assert_int_equal(dsdn_ordered_at(m.index, &leaf, &slot), UINT32_MAX);
}

/* Seeks to a prefix of the key of some row, sometimes one bit off, and reads three entries. */
static void expect_seek(void)
{
    uint8_t key[KEY_LEN];
    memcpy(key, m.keys[next_random(&m.random) % ROW_MAX], sizeof key);
    uint32_t len = (uint32_t)(next_random(&m.random) % (m.key_len + 1));
    if (len && next_random(&m.random) % 2)
        key[next_random(&m.random) % len] ^= (uint8_t)(1u << next_random(&m.random) % 8);
    uint32_t at = model_rank(key, len), leaf, slot;
    dsdn_ordered_seek(m.index, key, len, &leaf, &slot);
    for (uint32_t i = at; i < at + 3; i++)
        assert_int_equal(dsdn_ordered_at(m.index, &leaf, &slot), i < m.cnt ? m.sorted[i] : UINT32_MAX);
}

static void random_operations(uint32_t operations, uint32_t rows)
{
    for (uint32_t i = 0; i < operations; i++) {
        uint32_t row = (uint32_t)(next_random(&m.random) % rows);
        if (model_has(row)) {
            drop(row);
        } else {
            assert_int_equal(dsdn_ordered_reserve(m.index, 1, NULL), DSDN_OK);
            add(row);
        }
        if (i % 16 == 0) expect_seek();
        if (i % 8192 == 0) expect_all();
    }
    expect_all();
}

static void test_random_operations(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        begin(&shapes[s]);
        expect_all();
        expect_seek();
        random_operations(100000, 6000);
        while (m.cnt) drop(m.sorted[next_random(&m.random) % m.cnt]);
        expect_all();
        random_operations(1000, 100);
        end();
    }
}

static int by_key(const void *a, const void *b)
{
    return memcmp(m.keys[*(const uint32_t *)a], m.keys[*(const uint32_t *)b], m.key_len);
}

/* One reserve carries any sequence of inserts and removes below its number; a node too few would stop the
 * process.  Rounds leave every leaf as empty as it may get, and fill them again elsewhere. */
static void test_one_reserve_is_enough(void **state)
{
    (void)state;
    const uint32_t rows = 40000;
    for (uint32_t thin = 2; thin <= 4; thin++) {
        begin(&shapes[0]);
        assert_int_equal(dsdn_ordered_reserve(m.index, rows, NULL), DSDN_OK);
        size_t memory = dsdn_ordered_memory(m.index);
        for (uint32_t row = 0; row < rows; row++) dsdn_ordered_insert(m.index, row);
        m.cnt = rows;
        for (uint32_t row = 0; row < rows; row++) m.sorted[row] = row;
        qsort(m.sorted, rows, sizeof *m.sorted, by_key);
        expect_all();
        for (uint32_t round = 0; round < 4; round++) {
            uint32_t kept = 0;
            for (uint32_t k = 0; k < rows; k++) { /* in key order, so that leaves empty one after the other */
                uint32_t i = round % 2 ? rows - 1 - k : k;
                if (i % thin)
                    take_out(m.sorted[i]);
                else
                    kept++;
            }
            assert_int_equal(dsdn_ordered_count(m.index), kept);
            for (uint32_t i = rows; i-- > 0;)
                if (i % thin) put_back(m.sorted[i]);
            expect_all();
            for (int seek = 0; seek < 1000; seek++) expect_seek();
        }
        /* A gap moves through the whole range: inner nodes run empty and even out as well. */
        for (uint32_t i = 0; i < rows; i++) {
            take_out(m.sorted[i]);
            if (i >= 8000) put_back(m.sorted[i - 8000]);
        }
        for (uint32_t i = rows - 8000; i < rows; i++) put_back(m.sorted[i]);
        expect_all();
        assert_int_equal(dsdn_ordered_count(m.index), rows);
        assert_int_equal(dsdn_ordered_memory(m.index), memory);
        end();
    }
}

/* Keys that only grow are packed into full leaves, with a nearly empty last one; keys that only fall are not.
 */
static void test_runs(void **state)
{
    (void)state;
    for (int descending = 0; descending < 2; descending++) {
        begin(&shapes[3]);
        assert_int_equal(dsdn_ordered_reserve(m.index, 20000, NULL), DSDN_OK);
        for (uint32_t i = 0; i < 20000; i++)
            dsdn_store64_be(m.keys[i] + KEY_LEN - 8, descending ? 20000 - i : i);
        for (uint32_t i = 0; i < 20000; i++) dsdn_ordered_insert(m.index, i);
        for (uint32_t i = 0; i < 20000; i++) m.sorted[i] = descending ? 19999 - i : i;
        m.cnt = 20000;
        expect_all();
        while (m.cnt > 10) drop(m.sorted[m.cnt - 1]); /* from the end: the last leaf may be nearly empty */
        expect_all();
        while (m.cnt) drop(m.sorted[0]);
        expect_all();
        end();
    }
}

static void test_build(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 2, 73, 74, 75, 148, 149, 4143, 4144, 4145, 5000, 50000};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            begin(&shapes[s]);
            m.cnt = sizes[i];
            for (uint32_t row = 0; row < m.cnt; row++) m.sorted[row] = row;
            qsort(m.sorted, m.cnt, sizeof *m.sorted, by_key);
            assert_int_equal(dsdn_ordered_build(m.index, m.sorted, m.cnt, NULL), DSDN_OK);
            expect_all();
            for (int seek = 0; seek < 100; seek++) expect_seek();
            random_operations(3000, sizes[i] + 100);
            end();
        }
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    begin(&shapes[0]);
    for (uint32_t row = 0; row < 100; row++) {
        assert_int_equal(dsdn_ordered_reserve(m.index, 1, NULL), DSDN_OK);
        add(row);
    }
    struct dsdn_error error = DSDN_ERROR_INIT;
    fail_nth(1);
    assert_int_equal(dsdn_ordered_reserve(m.index, 50000, &error), DSDN_E_NO_MEMORY);
    fail_nth(1);
    assert_int_equal(dsdn_ordered_build(m.index, m.sorted, 50000, &error), DSDN_E_NO_MEMORY);
    fail_nth(0);
    assert_true(error.message[0] != 0);
    assert_int_equal(dsdn_ordered_reserve(m.index, UINT32_MAX, &error), DSDN_E_NO_MEMORY);
    expect_all();
    random_operations(1000, 1000);
    end();
    for (unsigned n = 1;; n++) {
        fail_nth(n);
        struct dsdn_ordered *o = dsdn_ordered_new(KEY_LEN, key_of, &m);
        bool all_done = fail_nth(0);
        if (o) {
            assert_true(all_done);
            assert_true(n > 2); /* the struct and the nodes */
            dsdn_ordered_free(o);
            break;
        }
        assert_false(all_done);
    }
    dsdn_ordered_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_one_reserve_is_enough),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
