/* store_util.h: scratch directories and made-up batches for the tests of the log directory.  Static functions
 * only. */
#ifndef DSDN_TESTS_STORE_UTIL_H
#define DSDN_TESTS_STORE_UTIL_H

#include "log/hash.h"
#include "log/io.h"
#include "log/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* Room for a path in a scratch directory. */
struct path {
    char text[PATH_MAX];
};

static const uint8_t test_genesis_hash[32] = {0x67, 0x65, 0x6e, 1};
static const uint8_t test_genesis_bytes[] = "a genesis";
#define TEST_GENESIS ((struct dsdn_view){test_genesis_bytes, sizeof test_genesis_bytes})

/* How much longer than usual a campaign runs: DSDN_TEST_SCALE, default 1. */
static inline unsigned long test_scale(void)
{
    const char *text = getenv("DSDN_TEST_SCALE");
    unsigned long scale = text ? strtoul(text, NULL, 10) : 1;
    return scale ? scale : 1;
}

/* xorshift64*, so that a failing seed replays. */
static inline uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}

/* A fresh directory, in memory where the system has that. */
static inline struct path scratch_make(void)
{
    struct path path;
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(path.text, sizeof path.text, "%s/dsdn-test-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(path.text));
    return path;
}

static inline int scratch_remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline void scratch_remove(const struct path *path)
{
    nftw(path->text, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct path sub(const struct path *dir, const char *name)
{
    struct path path;
    int len = snprintf(path.text, sizeof path.text, "%s/%s", dir->text, name);
    assert_true(len > 0 && len < (int)sizeof path.text);
    return path;
}

/* A whole file; the caller frees. */
static inline uint8_t *slurp(const char *path, size_t *len)
{
    uint8_t *bytes;
    struct dsdn_error error = DSDN_ERROR_INIT;
    int rc = dsdn_io_read_file(&dsdn_io_system, path, (size_t)1 << 30, &bytes, len, &error);
    if (rc) fail_msg("%s: %s", path, error.message);
    return bytes;
}

static inline void spew(const char *path, const uint8_t *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(len == 0 || fwrite(bytes, 1, len, file) == len);
    assert_int_equal(fclose(file), 0);
}

/* Copy the files of a flat directory, making it. */
static inline void copy_dir(const struct path *from, const struct path *to)
{
    mkdir(to->text, 0755);
    DIR *dir = opendir(from->text);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        struct path a = sub(from, entry->d_name), b = sub(to, entry->d_name);
        struct stat status;
        assert_int_equal(stat(a.text, &status), 0);
        if (S_ISDIR(status.st_mode)) {
            copy_dir(&a, &b);
            continue;
        }
        size_t len;
        uint8_t *bytes = slurp(a.text, &len);
        spew(b.text, bytes, len);
        free(bytes);
    }
    closedir(dir);
}

/* Batch number `sequence` of branch `salt`: length 1..~300 (or `fixed`), bytes, hash and event count all
 * follow from the two numbers, so that a reader can tell whether it got the right one. */
struct test_batch {
    uint8_t *bytes;
    size_t len;
    uint8_t hash[32];
    uint32_t events;
};

static inline struct test_batch batch_make(uint64_t sequence, uint64_t salt, size_t fixed)
{
    uint64_t seed = (sequence + 1) * 0x9e3779b97f4a7c15 ^ (salt + 1) * 0xd1b54a32d192ed03;
    struct test_batch batch = {.len = fixed ? fixed : 1 + test_random(&seed) % 300};
    batch.bytes = malloc(batch.len);
    assert_non_null(batch.bytes);
    batch.events = (uint32_t)(test_random(&seed) % 7);
    for (size_t i = 0; i < batch.len; i++) batch.bytes[i] = (uint8_t)(test_random(&seed) >> 32);
    for (size_t i = 0; i < 4; i++) dsdn_store64(batch.hash + 8 * i, test_random(&seed));
    return batch;
}

static inline int batch_append(struct dsdn_store *store, uint64_t sequence, uint64_t salt, size_t fixed,
                               struct dsdn_error *error)
{
    struct test_batch batch = batch_make(sequence, salt, fixed);
    int rc = dsdn_store_append(store, batch.bytes, batch.len, sequence, batch.hash, batch.events, 0, error);
    free(batch.bytes);
    return rc;
}

/* Is record batch `sequence` of branch salt? */
static inline bool batch_is(const struct dsdn_record *record, uint64_t sequence, uint64_t salt, size_t fixed)
{
    struct test_batch batch = batch_make(sequence, salt, fixed);
    bool same = record->sequence == sequence && record->len == batch.len &&
                memcmp(record->batch, batch.bytes, batch.len) == 0;
    free(batch.bytes);
    return same;
}

#define must(call) must_(call, #call, __FILE__, __LINE__)
static inline struct dsdn_error *test_error(void)
{
    static struct dsdn_error error;
    return &error;
}
static inline void must_(int rc, const char *call, const char *file, int line)
{
    if (rc == 0) return;
    char text[1024];
    dsdn_error_format(test_error(), text, sizeof text);
    print_error("%s:%d: %s gave %d: %s\n", file, line, call, rc, text);
    fail();
}

static inline void log_create(const struct path *dir)
{
    must(dsdn_store_create(dir->text, NULL, TEST_GENESIS, test_genesis_hash, NULL, test_error()));
}

static inline struct dsdn_store *log_open(const struct path *dir, bool write, uint64_t segment_bytes,
                                          bool no_index, struct dsdn_store_report *report)
{
    struct dsdn_store *store;
    struct dsdn_store_options options = {.write = write,
                                         .segment_bytes = segment_bytes,
                                         .no_index = no_index,
                                         .genesis_hash = test_genesis_hash};
    must(dsdn_store_open(dir->text, &options, &store, report, test_error()));
    return store;
}

/* Append [from, to) of branch salt and sync. */
static inline void log_fill(struct dsdn_store *store, uint64_t from, uint64_t to, uint64_t salt, size_t fixed)
{
    for (uint64_t i = from; i < to; i++) must(batch_append(store, i, salt, fixed, test_error()));
    must(dsdn_store_sync(store, test_error()));
}

/* Read source to its end, with checks: batches must be `first`, first + 1, ... of branch salt (below `fork`)
 * or salt + 1 (from there on).  Returns 0 at the end, with the next sequence in *next, or the first error. */
static inline int source_check(struct dsdn_source *source, uint64_t first, uint64_t salt, uint64_t fork,
                               size_t fixed, uint64_t *next, struct dsdn_error *error)
{
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    int rc;
    *next = first;
    while (!(rc = dsdn_source_next(source, &buffer, &record, error))) {
        if ((rc = dsdn_record_check(&record, error))) break;
        if (!batch_is(&record, *next, *next < fork ? salt : salt + 1, fixed))
            fail_msg("a wrong batch was read");
        ++*next;
    }
    dsdn_buffer_free(&buffer);
    return rc == DSDN_E_AGAIN ? 0 : rc;
}

/* Open dir as a source and read it all. */
static inline int log_check(const struct path *dir, uint64_t salt, uint64_t fork, size_t fixed,
                            uint64_t *next, struct dsdn_error *error)
{
    struct dsdn_store *store;
    struct dsdn_store_options options = {.no_index = true, .genesis_hash = test_genesis_hash};
    *next = 0;
    int rc = dsdn_store_open(dir->text, &options, &store, NULL, error);
    if (rc) return rc;
    struct dsdn_source *source;
    rc = dsdn_store_source(store, &source, error);
    if (!rc) {
        rc = source_check(source, source->first, salt, fork, fixed, next, error);
        dsdn_source_close(source);
    }
    dsdn_store_close(store);
    return rc;
}

#endif
