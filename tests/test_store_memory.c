/* link: --wrap=malloc --wrap=calloc --wrap=realloc */
/* Every allocation of the log directory and its index fails in turn: a clean error or none, nothing
 * acknowledged is lost, no descriptor leaks, and the same calls succeed afterwards. */
#include "tests/store_util.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t cnt, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t cnt, size_t size);
void *__wrap_realloc(void *p, size_t size);

static unsigned countdown; /* 0: no allocation is to fail */

static bool fails_now(void)
{
    return countdown && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t cnt, size_t size)
{
    return fails_now() ? NULL : __real_calloc(cnt, size);
}
void *__wrap_realloc(void *p, size_t size)
{
    return fails_now() ? NULL : __real_realloc(p, size);
}

static unsigned descriptors(void)
{
    unsigned cnt = 0;
    for (int fd = 0; fd < 256; fd++) cnt += fcntl(fd, F_GETFD) >= 0;
    return cnt;
}

static uint8_t batch_bytes[120];

static int append(struct dsdn_store *store, uint64_t sequence, struct dsdn_error *error)
{
    uint8_t hash[32] = {(uint8_t)sequence, 1};
    memset(batch_bytes, (int)sequence, sizeof batch_bytes);
    return dsdn_store_append(store, batch_bytes, sizeof batch_bytes, sequence, hash, 2, 0, error);
}

static int read_back(struct dsdn_store *store, struct dsdn_error *error)
{
    struct dsdn_source *source;
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    int rc = dsdn_store_source(store, &source, error);
    if (rc) return rc;
    rc = dsdn_source_seek(source, 1, error);
    while (!rc) rc = dsdn_source_next(source, &buffer, &record, error);
    dsdn_source_close(source);
    if (rc == DSDN_E_AGAIN) rc = dsdn_store_read(store, 0, &buffer, &record, error);
    uint64_t verified;
    if (!rc) rc = dsdn_store_verify(store, &verified, error);
    dsdn_buffer_free(&buffer);
    return rc;
}

/* Everything once; *acknowledged is kept up to date. */
static int everything(const char *dir, uint64_t *acknowledged, struct dsdn_error *error)
{
    struct dsdn_store_options options = {.write = true, .segment_bytes = 1000};
    struct dsdn_store *store = NULL;
    *acknowledged = 0;
    int rc = dsdn_store_create(dir, &options, TEST_GENESIS, test_genesis_hash, NULL, error);
    if (!rc) rc = dsdn_store_open(dir, &options, &store, NULL, error);
    for (uint64_t i = 0; !rc && i < 12; i++) {
        rc = append(store, i, error);
        if (!rc && i % 2) rc = dsdn_store_sync(store, error);
        if (!rc && i % 2) *acknowledged = i + 1;
    }
    if (!rc) rc = read_back(store, error);
    if (!rc) {
        *acknowledged = 4;
        rc = dsdn_store_cut(store, 4, error);
    }
    if (!rc) rc = dsdn_store_rebuild_index(store, error);
    dsdn_store_close(store);
    if (rc) return rc;
    struct dsdn_source *source;
    rc = dsdn_log_source_open(dir, NULL, &source, error);
    if (!rc) dsdn_source_close(source);
    return rc;
}

static void test_every_allocation(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    uint64_t acknowledged, verified;
    unsigned failures = 0;
    must(everything(log.text, &acknowledged, test_error())); /* LMDB keeps a descriptor or two of its own */
    unsigned before = descriptors();
    for (unsigned n = 1;; n++) {
        scratch_remove(&log);
        struct dsdn_error error = DSDN_ERROR_INIT;
        countdown = n;
        int rc = everything(log.text, &acknowledged, &error);
        bool pending = countdown != 0;
        countdown = 0;
        if (pending) {
            assert_int_equal(rc, 0);
            break;
        }
        failures += rc != 0;
        if (rc && rc != DSDN_E_NO_MEMORY) fail_msg("allocation %u: %d: %s", n, rc, error.message);
        assert_int_equal(descriptors(), before);
        struct dsdn_store *store;
        struct dsdn_store_info info;
        struct dsdn_store_options options = {.write = true, .segment_bytes = 1000};
        rc = dsdn_store_open(log.text, &options, &store, NULL, &error);
        if (rc == DSDN_E_NOT_FOUND && acknowledged == 0) continue; /* not created */
        if (rc) fail_msg("after allocation %u: %s", n, error.message);
        dsdn_store_info(store, &info);
        assert_true(info.next_sequence >= acknowledged);
        assert_non_null(dsdn_store_index(store));
        must(dsdn_store_verify(store, &verified, test_error()));
        assert_int_equal(verified, info.next_sequence);
        dsdn_store_close(store);
    }
    assert_true(failures > 20);
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
