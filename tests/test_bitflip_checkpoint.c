/* Every bit and every length of small checkpoints: whatever is damaged is found, nothing hostile gets
 * through. */
#include "log/hash.h"
#include "tests/state_fixture.h"

static struct dsdn_engine *engine;
static uint8_t *bytes;
static size_t len;

/* Makes `bytes` a checkpoint of so many rows a table; the first chunk has as many replicas, at most 3. */
static void export_rows(uint32_t rows)
{
    struct path scratch = scratch_make(), file = sub(&scratch, "checkpoint");
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t *sorted;
    free(bytes);
    dsdn_engine_free(engine);
    engine = fixture_engine(&neutral_catalogue, rows, 0);
    struct dsdn_state *s = dsdn_engine_state_for_restore(engine);
    done(dsdn_table_sorted(&s->tables[neutral_TABLE_chunk], &sorted, &error), &error);
    struct neutral_row_chunk *chunk = neutral_chunk_edit(s, sorted[0]);
    chunk->replicas_cnt = (uint8_t)(rows < 3 ? rows : 3);
    for (uint32_t i = 0; i < chunk->replicas_cnt; i++)
        chunk->replicas[i] = fixture_row(s, neutral_TABLE_node, i);
    free(sorted);
    bytes = fixture_export(engine, file.text, &len);
    scratch_remove(&scratch);
}

/* A dsdn_io over one block of memory: many restores a second. */
struct memory {
    const uint8_t *bytes;
    size_t len;
};

static int memory_open(void *self, const char *path, int flags, mode_t mode)
{
    (void)self, (void)path, (void)flags, (void)mode;
    return 1000;
}

static int memory_close(void *self, int fd)
{
    (void)self, (void)fd;
    return 0;
}

static int64_t memory_size(void *self, int fd)
{
    (void)fd;
    return (int64_t)((struct memory *)self)->len;
}

static ssize_t memory_pread(void *self, int fd, void *out, size_t want, uint64_t offset)
{
    const struct memory *m = self;
    (void)fd;
    if (offset >= m->len) return 0;
    if (want > m->len - offset) want = m->len - (size_t)offset;
    memcpy(out, m->bytes + offset, want);
    return (ssize_t)want;
}

static int restore(const uint8_t *from, size_t from_len, bool verify, struct dsdn_error *error)
{
    struct memory m = {from, from_len};
    struct dsdn_io io = {
        .open = memory_open, .close = memory_close, .size = memory_size, .pread = memory_pread, .self = &m};
    struct dsdn_checkpoint_options options = {.verify = verify};
    struct dsdn_engine *e = NULL;
    int rc = dsdn_checkpoint_restore(&neutral_catalogue, &options, &io, "memory", &e, NULL, error);
    if (!rc) dsdn_engine_free(e);
    return rc;
}

static void test_every_bit(void **state)
{
    (void)state;
    export_rows(1);
    struct dsdn_error error = DSDN_ERROR_INIT;
    done(restore(bytes, len, true, &error), &error);
    for (size_t at = 0; at < len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1u << bit);
            int quick = restore(bytes, len, false, &error);
            /* The closing SHA-256 is all that the quick mode does not look at. */
            if ((quick == 0) != (at >= len - 32))
                fail_msg("byte %zu bit %u: %d without verify", at, bit, quick);
            if (quick) assert_int_equal(dsdn_error_exit(quick), 4);
            if (at >= len - 32 || at % 7 == bit) {
                int thorough = restore(bytes, len, true, &error);
                if (dsdn_error_exit(thorough) != 4)
                    fail_msg("byte %zu bit %u: %d with verify", at, bit, thorough);
            }
            bytes[at] ^= (uint8_t)(1u << bit);
        }
}

static void test_every_length(void **state)
{
    (void)state;
    export_rows(2);
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *copy = malloc(cut + 1); /* exact, so that ASan sees a read behind it */
        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        assert_int_equal(restore(copy, cut, false, &error), DSDN_E_TRUNCATED);
        free(copy);
    }
    uint8_t *longer = calloc(1, len + 1);
    assert_non_null(longer);
    memcpy(longer, bytes, len);
    assert_int_equal(restore(longer, len + 1, false, &error), DSDN_E_MALFORMED);
    free(longer);
}

/* ---- bytes whose checksums are right ---- */

struct places {
    size_t directory, blocks, rows; /* offsets of directory, block list, first block */
    uint32_t tables;
};

static struct places find(const uint8_t *p)
{
    struct places at = {.directory = 256 + dsdn_load32(p + 224), .tables = dsdn_load32(p + 12)};
    at.blocks = at.directory + 64 * (size_t)at.tables;
    at.rows = at.blocks + 8 * (size_t)dsdn_load32(p + 228) + 4;
    return at;
}

static uint32_t block_of(const uint8_t *p, uint32_t table, size_t *offset)
{
    struct places at = find(p);
    uint32_t block = 0;
    for (uint32_t i = 0; i < table; i++) block += dsdn_load32(p + at.directory + 64 * (size_t)i + 12);
    *offset = at.rows;
    for (uint32_t i = 0; i < block; i++) *offset += dsdn_load32(p + at.blocks + 8 * (size_t)i);
    return block;
}

/* Makes every checksum right again: of blocks, header, head, and the SHA-256. */
static void reseal(uint8_t *p, size_t n)
{
    struct places at = find(p);
    size_t offset = at.rows;
    for (size_t block = at.blocks; block + 8 < at.rows && offset < n; block += 8) {
        uint32_t block_len = dsdn_load32(p + block);
        if (block_len > n - offset) break;
        dsdn_store32(p + block + 4, dsdn_crc32c(0, p + offset, block_len));
        offset += block_len;
    }
    dsdn_store32(p + at.rows - 4, dsdn_crc32c(0, p + 256, at.rows - 256 - 4));
    dsdn_store32(p + 252, dsdn_crc32c(0, p, 252));
    dsdn_sha256(p, n - 32, p + n - 32);
}

/* The state root is right for the table roots that the header has. */
static void reroot(uint8_t *p, size_t n)
{
    struct places at = find(p);
    struct dsdn_roots roots;
    uint32_t cnt;
    const struct dsdn_table_desc *const *tables = dsdn_engine_tables(engine, &cnt);
    for (uint32_t i = 0; i < cnt; i++) memcpy(roots.tables[i], p + at.directory + 64 * (size_t)i + 32, 32);
    dsdn_roots_combine(tables, cnt, &roots);
    memcpy(p + 96, roots.state, 32);
    reseal(p, n);
}

static void hostile(size_t at, const void *value, size_t value_len, int quick, int thorough)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t *copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    memcpy(copy + at, value, value_len);
    if (at != 12 && at != 224 && at != 228)
        reseal(copy, len); /* those say where the rest is */
    else
        dsdn_store32(copy + 252, dsdn_crc32c(0, copy, 252));
    int rc = restore(copy, len, false, &error);
    if (rc != quick) fail_msg("byte %zu: %d and not %d: %s", at, rc, quick, error.message);
    rc = restore(copy, len, true, &error);
    if (rc != thorough) fail_msg("byte %zu with verify: %d and not %d: %s", at, rc, thorough, error.message);
    free(copy);
}

static void hostile32(size_t at, uint32_t value, int rc)
{
    hostile(at, &value, 4, rc, rc);
}

static void test_hostile_headers(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 47, 49, 1u << 20, 1u << 28, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        for (size_t field = 0; field < 3; field++) {
            static const size_t at[] = {12, 224, 228};
            uint8_t *copy = malloc(len);
            assert_non_null(copy);
            memcpy(copy, bytes, len);
            dsdn_store32(copy + at[field], sizes[i]);
            dsdn_store32(copy + 252, dsdn_crc32c(0, copy, 252));
            int rc = restore(copy, len, false, &error);
            assert_int_equal(dsdn_error_exit(rc), 4);
            free(copy);
        }
    }
    struct places at = find(bytes);
    hostile32(8, 2, DSDN_E_FORMAT);
    hostile(192, "n\0u", 3, DSDN_E_MALFORMED, DSDN_E_MALFORMED);
    hostile(192, "mineral", 7, DSDN_E_FORMAT, DSDN_E_FORMAT);
    hostile(240, "\1", 1, DSDN_E_MALFORMED, DSDN_E_MALFORMED);
    hostile(24, "\11", 1, DSDN_E_MALFORMED, DSDN_E_MALFORMED); /* sequence: not the head row's */
    hostile(64, "\11\11", 2, DSDN_E_WRONG_GENESIS, DSDN_E_WRONG_GENESIS);
    hostile(96, "\1\2\3", 3, DSDN_E_ROOT, DSDN_E_ROOT);
    hostile(at.directory + 26, "\1", 1, DSDN_E_MALFORMED, DSDN_E_MALFORMED);
    uint8_t *entries = bytes + at.directory; /* two wrong sums whose sum is right */
    dsdn_store64(entries + 16, dsdn_load64(entries + 16) + 1);
    hostile(at.directory + 64 + 16, &(uint64_t){dsdn_load64(entries + 64 + 16) - 1}, 8, DSDN_E_MALFORMED,
            DSDN_E_MALFORMED);
    dsdn_store64(entries + 16, dsdn_load64(entries + 16) - 1);
    for (uint32_t table = 0; table < at.tables; table++) {
        size_t entry = at.directory + 64 * (size_t)table;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct dsdn_error error = DSDN_ERROR_INIT;
            for (size_t field = 0; field <= 20; field += 4) {
                uint8_t *copy = malloc(len);
                assert_non_null(copy);
                memcpy(copy, bytes, len);
                if (dsdn_load32(copy + entry + field) == sizes[i]) { /* nothing would change */
                    free(copy);
                    continue;
                }
                dsdn_store32(copy + entry + field, sizes[i]);
                if (field == 0)
                    reroot(copy, len);
                else
                    reseal(copy, len);
                int rc = restore(copy, len, false, &error);
                if (!rc || (dsdn_error_exit(rc) != 4 && rc != DSDN_E_ROOT))
                    fail_msg("table %u field %zu = %u: %d", table, field, sizes[i], rc);
                free(copy);
            }
        }
    }
}

/* Two checkpoints of the same length: rows of the other one under this one's roots. */
static void test_false_rows(void **state)
{
    (void)state;
    size_t at;
    uint32_t block = block_of(bytes, neutral_TABLE_chunk, &at), row_len;
    struct places places = find(bytes);
    row_len = dsdn_load32(bytes + places.blocks + 8 * (size_t)block);
    assert_true(row_len > 200);
    hostile(at + 64, "\xff\xff", 2, DSDN_OK, DSDN_E_ROOT);                  /* a size */
    hostile(at, "\xff\xff\xff\xff", 4, DSDN_E_MALFORMED, DSDN_E_MALFORMED); /* first key above the second */
    const struct dsdn_table_desc *desc = &neutral_catalogue.tables[1];
    assert_string_equal(desc->name, "chunk");
    size_t count = at + 32 + 32 + 8 + 8 + 3; /* of replicas of the first chunk */
    assert_in_range(bytes[count], 2, 10);
    uint8_t key[32];
    memcpy(key, bytes + at, 32);
    hostile(count + 1 + 4u * bytes[count], key, 32, DSDN_E_MALFORMED, DSDN_E_MALFORMED); /* the same key twice */
    hostile(count, "\13", 1, DSDN_E_MALFORMED, DSDN_E_MALFORMED);
    hostile32(count + 1, 0x7fffffff, DSDN_E_MALFORMED);
    hostile32(count + 1, dsdn_load32(bytes + count + 5), DSDN_E_MALFORMED); /* twice the same */
    hostile32(count + 1, dsdn_load32(bytes + places.directory + 64u * neutral_TABLE_node + 4),
              DSDN_E_MALFORMED);
}

/* A row that ends before its block does. */
static void test_left_over(void **state)
{
    (void)state;
    size_t at;
    export_rows(1);
    block_of(bytes, neutral_TABLE_node, &at);
    size_t address_len = at + 32 + 8 + 8 + 8 + 4;
    assert_in_range(bytes[address_len], 1, 48);
    hostile(address_len, &(uint8_t){(uint8_t)(bytes[address_len] - 1)}, 1, DSDN_E_MALFORMED,
            DSDN_E_MALFORMED);
}

/* A key out of order at the start of a block, where only the block before it tells. */
static void test_seam(void **state)
{
    (void)state;
    export_rows(3000);
    struct places places = find(bytes);
    size_t at;
    uint32_t block = block_of(bytes, neutral_TABLE_node, &at);
    assert_int_equal(dsdn_load32(bytes + places.directory + 64u * neutral_TABLE_node + 12), 2);
    hostile(at + dsdn_load32(bytes + places.blocks + 8 * (size_t)block), "\0\0\0\0", 4, DSDN_E_MALFORMED,
            DSDN_E_MALFORMED);
}

static int setup(void **state)
{
    (void)state;
    export_rows(3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(bytes);
    dsdn_engine_free(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test_setup(test_hostile_headers, setup),
        cmocka_unit_test_setup(test_false_rows, setup),
        cmocka_unit_test(test_left_over),
        cmocka_unit_test(test_seam),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
