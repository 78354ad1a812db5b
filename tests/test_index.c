/* The index: its tables, its transactions, and what damage to its file leads to. */
#include "tests/store_util.h"

#include "log/index.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct dsdn_index *index_open(const struct path *dir, bool write)
{
    struct dsdn_index *index;
    must(dsdn_index_open(dir->text, test_genesis_hash, write, &index, test_error()));
    return index;
}

static struct dsdn_position position_make(uint64_t sequence)
{
    struct test_batch batch = batch_make(sequence, 0, 0);
    struct dsdn_position position = {.segment_first = sequence / 100 * 100,
                                     .offset = 92 + sequence % 100 * 50,
                                     .first_event = sequence * 3,
                                     .len = (uint32_t)batch.len,
                                     .event_count = 3};
    memcpy(position.hash, batch.hash, 32);
    free(batch.bytes);
    return position;
}

static void positions_put(struct dsdn_index *index, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        struct dsdn_position position = position_make(i);
        must(dsdn_index_put_position(index, i, &position, test_error()));
    }
}

static void positions_check(struct dsdn_index *index, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        struct dsdn_position want = position_make(i), got;
        uint64_t sequence;
        must(dsdn_index_position(index, i, &got, test_error()));
        assert_memory_equal(&got, &want, sizeof got);
        must(dsdn_index_find(index, want.hash, &sequence, test_error()));
        assert_int_equal(sequence, i);
    }
}

static void test_positions(void **state)
{
    (void)state;
    struct path dir = scratch_make();
    struct dsdn_position got;
    uint64_t last;
    struct dsdn_index *index = index_open(&dir, true);
    assert_int_equal(dsdn_index_last(index, &last, &got, NULL), DSDN_E_NOT_FOUND);
    positions_put(index, 0, 1000);
    positions_check(index, 0, 1000); /* before the commit, by the same handle */
    must(dsdn_index_commit(index, test_error()));
    assert_int_equal(dsdn_index_pending(index), 0);
    positions_put(index, 1000, 1100);
    dsdn_index_close(index); /* not committed: gone */
    index = index_open(&dir, true);
    must(dsdn_index_last(index, &last, &got, test_error()));
    assert_int_equal(last, 999);
    positions_check(index, 0, 1000);
    assert_int_equal(dsdn_index_position(index, 1000, &got, NULL), DSDN_E_NOT_FOUND);

    must(dsdn_index_cut(index, 300, test_error()));
    must(dsdn_index_commit(index, test_error()));
    positions_check(index, 0, 300);
    for (uint64_t i = 300; i < 1000; i++) {
        struct dsdn_position cut = position_make(i);
        assert_int_equal(dsdn_index_position(index, i, &got, NULL), DSDN_E_NOT_FOUND);
        assert_int_equal(dsdn_index_find(index, cut.hash, &last, NULL), DSDN_E_NOT_FOUND);
    }
    dsdn_index_close(index);

    uint8_t other[32] = {3};
    assert_int_equal(dsdn_index_open(dir.text, other, true, &index, NULL), DSDN_E_WRONG_GENESIS);
    index = index_open(&dir, false);
    got = position_make(1);
    assert_int_equal(dsdn_index_put_position(index, 1, &got, NULL), DSDN_E_USAGE);
    positions_check(index, 0, 300);
    dsdn_index_close(index);
    scratch_remove(&dir);
    assert_int_equal(dsdn_index_open(dir.text, test_genesis_hash, false, &index, NULL), DSDN_E_NOT_FOUND);
}

static void test_references(void **state)
{
    (void)state;
    struct path dir = scratch_make();
    struct dsdn_index *index = index_open(&dir, true);
    struct dsdn_da_reference list[4],
        reference = {.source = 2, .height = 10, .blob_index = 300, .commitment = {1}};
    size_t cnt;
    must(dsdn_index_put_reference(index, 7, &reference, test_error()));
    must(dsdn_index_put_reference(index, 7, &reference, test_error())); /* a set */
    reference.blob_index = 5;
    must(dsdn_index_put_reference(index, 7, &reference, test_error()));
    reference.height = 9;
    must(dsdn_index_put_reference(index, 7, &reference, test_error()));
    reference.source = 1;
    reference.height = UINT64_MAX;
    must(dsdn_index_put_reference(index, 7, &reference, test_error()));
    must(dsdn_index_put_reference(index, 8, &reference, test_error()));
    must(dsdn_index_references(index, 7, list, 4, &cnt, test_error()));
    assert_int_equal(cnt, 4);
    const uint64_t heights[] = {UINT64_MAX, 9, 10, 10};
    const uint32_t blobs[] = {5, 5, 5, 300};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(list[i].source, i ? 2 : 1);
        assert_true(list[i].height == heights[i]);
        assert_int_equal(list[i].blob_index, blobs[i]);
        assert_int_equal(list[i].commitment[0], 1);
    }
    must(dsdn_index_references(index, 7, list, 1, &cnt, test_error()));
    assert_int_equal(cnt, 4);
    must(dsdn_index_references(index, 6, list, 4, &cnt, test_error()));
    assert_int_equal(cnt, 0);
    must(dsdn_index_cut(index, 8, test_error()));
    must(dsdn_index_references(index, 8, list, 4, &cnt, test_error()));
    assert_int_equal(cnt, 0);
    must(dsdn_index_references(index, 7, list, 4, &cnt, test_error()));
    assert_int_equal(cnt, 4);
    dsdn_index_close(index);
    scratch_remove(&dir);
}

static void test_finality(void **state)
{
    (void)state;
    struct path dir = scratch_make();
    struct dsdn_index *index = index_open(&dir, true);
    enum dsdn_finality level;
    uint64_t found;
    for (uint64_t i = 0; i < 50; i++)
        must(dsdn_index_put_finality(index, i, i < 20 ? DSDN_FINALITY_SETTLED : DSDN_FINALITY_QUORUM,
                                     test_error()));
    must(dsdn_index_put_finality(index, 3, DSDN_FINALITY_EMERGENCY, test_error())); /* only rises */
    must(dsdn_index_finality(index, 3, &level, test_error()));
    assert_int_equal(level, DSDN_FINALITY_SETTLED);
    must(dsdn_index_finality(index, 50, &level, test_error()));
    assert_int_equal(level, DSDN_FINALITY_NONE);
    const uint64_t ends[] = {0, 50, 50, 20, 20};
    for (int i = DSDN_FINALITY_EMERGENCY; i <= DSDN_FINALITY_SETTLED; i++) {
        must(dsdn_index_finality_end(index, (enum dsdn_finality)i, 0, 100, &found, test_error()));
        assert_int_equal(found, ends[i]);
    }
    must(dsdn_index_put_finality(index, 20, DSDN_FINALITY_PRIMARY, test_error()));
    must(dsdn_index_finality_end(index, DSDN_FINALITY_PRIMARY, 0, 100, &found, test_error()));
    assert_int_equal(found, 21);
    dsdn_index_close(index);
    scratch_remove(&dir);
}

static void test_evidence(void **state)
{
    (void)state;
    struct path dir = scratch_make();
    struct dsdn_index *index = index_open(&dir, true);
    struct dsdn_buffer buffer = {0};
    uint8_t kind;
    size_t len = 4194304;
    uint8_t *big = calloc(1, DSDN_EVIDENCE_BYTES_MAX + 1);
    assert_non_null(big);
    must(dsdn_index_put_evidence(index, 5, 1, big, len, test_error()));
    must(dsdn_index_put_evidence(index, 5, 1, big, len, test_error())); /* once */
    must(dsdn_index_put_evidence(index, 5, 2, big, len, test_error()));
    must(dsdn_index_put_evidence(index, 5, 2, big, 0, test_error()));
    must(dsdn_index_commit(index, test_error()));
    must(dsdn_index_evidence(index, 5, 1, &kind, &buffer, test_error()));
    assert_int_equal(kind, 2);
    assert_int_equal(buffer.len, len);
    assert_memory_equal(buffer.bytes, big, len);
    must(dsdn_index_evidence(index, 5, 2, &kind, &buffer, test_error()));
    assert_int_equal(buffer.len, 0);
    assert_int_equal(dsdn_index_evidence(index, 5, 3, &kind, &buffer, NULL), DSDN_E_NOT_FOUND);
    assert_int_equal(dsdn_index_put_evidence(index, 5, 1, big, DSDN_EVIDENCE_BYTES_MAX + 1, NULL),
                     DSDN_E_TOO_LARGE);
    int rc = 0;
    for (uint8_t i = 0; i < 20; i++) rc = dsdn_index_put_evidence(index, 6, i, big, 9, NULL);
    assert_int_equal(rc, DSDN_E_TOO_LARGE);
    must(dsdn_index_cut(index, 0, test_error())); /* what the loser leaves behind stays */
    must(dsdn_index_evidence(index, 5, 0, &kind, &buffer, test_error()));
    dsdn_buffer_free(&buffer);
    free(big);
    dsdn_index_close(index);
    index = index_open(&dir, true); /* overflow pages pass the check of the file */
    dsdn_index_close(index);
    scratch_remove(&dir);
}

static void test_checkpoints(void **state)
{
    (void)state;
    struct path dir = scratch_make();
    struct dsdn_index *index = index_open(&dir, true);
    struct dsdn_checkpoint_row row = {
        .root = {1}, .sha256 = {2}, .bytes = 12345, .verified = true, .name = "a.ckpt"};
    struct dsdn_checkpoint_row got;
    assert_int_equal(dsdn_index_checkpoint_at_or_below(index, 99, &got, NULL), DSDN_E_NOT_FOUND);
    positions_put(index, 0, 30);
    for (row.sequence = 1000; row.sequence <= 5000; row.sequence += 1000)
        must(dsdn_index_put_checkpoint(index, &row, test_error()));
    assert_int_equal(dsdn_index_checkpoint_at_or_below(index, 999, &got, NULL), DSDN_E_NOT_FOUND);
    const uint64_t asked[] = {1000, 1999, 2000, 4999, UINT64_MAX}, want[] = {1000, 1000, 2000, 4000, 5000};
    for (int i = 0; i < 5; i++) {
        must(dsdn_index_checkpoint_at_or_below(index, asked[i], &got, test_error()));
        row.sequence = want[i];
        assert_memory_equal(&got, &row, sizeof got);
    }
    must(dsdn_index_remove_checkpoint(index, 2000, test_error()));
    assert_int_equal(dsdn_index_remove_checkpoint(index, 2000, NULL), DSDN_E_NOT_FOUND);
    must(dsdn_index_checkpoint_at_or_below(index, 2500, &got, test_error()));
    assert_int_equal(got.sequence, 1000);
    must(dsdn_index_cut(index, 4000, test_error()));
    must(dsdn_index_checkpoint_at_or_below(index, UINT64_MAX, &got, test_error()));
    assert_int_equal(got.sequence, 3000);
    dsdn_index_close(index);
    scratch_remove(&dir);
}

/* An index with history: several commits, deletions, large values, so that free lists and overflow pages are
 * there. */
static struct path index_with_history(const struct path *base)
{
    struct path dir = sub(base, "index");
    struct dsdn_index *index = index_open(&dir, true);
    uint8_t *big = calloc(1, 30000);
    for (uint64_t round = 0; round < 12; round++) {
        positions_put(index, round * 40, round * 40 + 60);
        must(dsdn_index_put_evidence(index, round, 1, big, 30000 - round * 2000, test_error()));
        must(dsdn_index_commit(index, test_error()));
        if (round % 4 == 3) {
            must(dsdn_index_cut(index, round * 40, test_error()));
            must(dsdn_index_commit(index, test_error()));
        }
    }
    free(big);
    dsdn_index_close(index);
    return dir;
}

/* Open and use an index whatever its file holds: any error will do, a signal will not, nor a wrong row. */
static void use(const struct path *dir, bool write)
{
    struct dsdn_index *index;
    struct dsdn_position got;
    struct dsdn_buffer buffer = {0};
    uint64_t last;
    uint8_t kind;
    if (dsdn_index_open(dir->text, test_genesis_hash, write, &index, NULL)) return;
    for (uint64_t i = 0; i < 500; i += 7) {
        struct dsdn_position want = position_make(i);
        if (!dsdn_index_position(index, i, &got, NULL)) assert_memory_equal(&got, &want, sizeof got);
        if (!dsdn_index_find(index, want.hash, &last, NULL)) assert_int_equal(last, i);
    }
    for (uint64_t i = 0; i < 12; i++)
        if (!dsdn_index_evidence(index, i, 0, &kind, &buffer, NULL))
            for (size_t j = 0; j < buffer.len; j++) assert_int_equal(buffer.bytes[j], 0);
    if (write) {
        dsdn_index_cut(index, 100, NULL);
        for (uint64_t i = 100; i < 300; i++) {
            struct dsdn_position position = position_make(i);
            dsdn_index_put_position(index, i, &position, NULL);
        }
        dsdn_index_sync(index, NULL);
    }
    dsdn_buffer_free(&buffer);
    dsdn_index_close(index);
}

static void test_truncated_file(void **state)
{
    (void)state;
    struct path base = scratch_make(), dir = index_with_history(&base), data = sub(&dir, "data.mdb");
    size_t len;
    uint8_t *bytes = slurp(data.text, &len);
    must(dsdn_index_check_file(data.text, test_error()));
    size_t found = 0, tried = 0;
    for (size_t end = 1; end < len; end += end < 12000 ? 61 : 1024, tried++) {
        spew(data.text, bytes, end);
        struct dsdn_error error = DSDN_ERROR_INIT;
        int rc = dsdn_index_check_file(data.text, &error);
        found += rc != 0;
        if (rc) assert_int_equal(dsdn_error_exit(rc), 4);
        use(&dir, false);
    }
    /* Free pages at the very end may be missing without harm; nearly everything else is in use. */
    assert_true(found * 10 > tried * 8);
    free(bytes);
    scratch_remove(&base);
}

/* Flipped bits, zeroed and swapped pages, noise: never a crash, never a wrong row. */
static void test_damaged_file(void **state)
{
    (void)state;
    struct path base = scratch_make(), dir = index_with_history(&base), data = sub(&dir, "data.mdb");
    size_t len, found = 0;
    uint8_t *bytes = slurp(data.text, &len), *copy = malloc(len);
    assert_non_null(copy);
    uint64_t seed = 88172645463325252;
    unsigned long rounds = 800 * test_scale();
    for (unsigned long i = 0; i < rounds; i++) {
        memcpy(copy, bytes, len);
        size_t page = test_random(&seed) % (len / 4096) * 4096;
        switch (i % 5) {
        case 0: copy[test_random(&seed) % len] ^= (uint8_t)(1u << i / 5 % 8); break;
        case 1: copy[page + test_random(&seed) % 64] ^= (uint8_t)(1u << i / 5 % 8); break;
        case 2: memset(copy + page, 0, 4096); break;
        case 3: memcpy(copy + page, bytes + test_random(&seed) % (len / 4096) * 4096, 4096); break;
        default:
            for (size_t j = 0; j < 512; j++) copy[page + j] = (uint8_t)test_random(&seed);
        }
        spew(data.text, copy, len);
        found += dsdn_index_check_file(data.text, NULL) != 0;
        use(&dir, false);
        spew(data.text, copy, len);
        use(&dir, true);
    }
    assert_true(found > rounds / 4);
    free(copy);
    free(bytes);
    scratch_remove(&base);
}

/* A hole that makes the file look endless is refused, not walked. */
static void test_endless_file(void **state)
{
    (void)state;
    struct path base = scratch_make(), dir = index_with_history(&base), data = sub(&dir, "data.mdb");
    struct dsdn_index *index;
    if (truncate(data.text, (off_t)1 << 62) == 0) { /* not every file system has such files */
        assert_int_equal(dsdn_index_check_file(data.text, NULL), DSDN_E_TOO_LARGE);
        assert_int_equal(dsdn_index_open(dir.text, test_genesis_hash, true, &index, NULL), DSDN_E_TOO_LARGE);
    }
    scratch_remove(&base);
}

/* After a failed commit there is nothing left to commit, and no later call says that all is well. */
static void test_failed_commit(void **state)
{
    (void)state;
    struct path dir = scratch_make(), data = sub(&dir, "data.mdb");
    struct dsdn_index *index = index_open(&dir, true);
    struct dsdn_position position = position_make(0);
    struct stat status;
    must(dsdn_index_put_position(index, 0, &position, test_error()));
    assert_int_equal(stat(data.text, &status), 0);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = (rlim_t)status.st_size;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = dsdn_index_commit(index, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_not_equal(rc, DSDN_OK);
    assert_int_equal(dsdn_index_commit(index, NULL), DSDN_E_IO);
    assert_int_equal(dsdn_index_sync(index, NULL), DSDN_E_IO);
    assert_int_equal(dsdn_index_put_position(index, 0, &position, NULL), DSDN_E_IO);
    dsdn_index_close(index);
    index = index_open(&dir, true);
    assert_int_equal(dsdn_index_position(index, 0, &position, NULL), DSDN_E_NOT_FOUND);
    dsdn_index_close(index);
    scratch_remove(&dir);
}

/* A process that is killed between commits leaves the last committed state, whole. */
static void test_kill(void **state)
{
    (void)state;
    struct path dir = scratch_make();
    uint64_t seed = 42;
    unsigned long rounds = 30 * test_scale();
    for (unsigned long i = 0; i < rounds; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct dsdn_index *index;
            struct dsdn_position position;
            uint64_t next = 0;
            if (dsdn_index_open(dir.text, test_genesis_hash, true, &index, NULL)) _exit(1);
            if (!dsdn_index_last(index, &next, &position, NULL)) next++;
            for (;; next++) {
                position = position_make(next);
                if (dsdn_index_put_position(index, next, &position, NULL)) _exit(2);
                if (next % 5 == 0 && dsdn_index_commit(index, NULL)) _exit(3);
            }
        }
        usleep((useconds_t)(test_random(&seed) % 8000));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct dsdn_index *index = index_open(&dir, true);
        struct dsdn_position position;
        uint64_t last;
        if (!dsdn_index_last(index, &last, &position, NULL)) {
            assert_int_equal(last % 5, 0);
            positions_check(index, last > 20 ? last - 20 : 0, last + 1);
        }
        dsdn_index_close(index);
    }
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions),    cmocka_unit_test(test_references),
        cmocka_unit_test(test_finality),     cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_checkpoints),  cmocka_unit_test(test_truncated_file),
        cmocka_unit_test(test_damaged_file), cmocka_unit_test(test_kill),
        cmocka_unit_test(test_endless_file), cmocka_unit_test(test_failed_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
