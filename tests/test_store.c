/* The log directory: round trips, reopening, rollback, sealing, readers beside a writer, torn tails,
 * truncation. */
#include "tests/store_util.h"

#include "log/batch.h"
#include "log/durable.h"
#include "log/segment.h"

#define SMALL 2048u /* segment size of most tests: a handful of records */

static struct path first_segment(const struct path *log)
{
    return sub(log, "segments/000000000000.seg");
}

/* The newest segment file. */
static struct path last_segment(const struct path *log)
{
    struct path dir = sub(log, "segments");
    char name[256] = "";
    DIR *list = opendir(dir.text);
    assert_non_null(list);
    for (struct dirent *entry; (entry = readdir(list));)
        if (strcmp(entry->d_name, name) > 0) snprintf(name, sizeof name, "%s", entry->d_name);
    closedir(list);
    return sub(&dir, name);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct dsdn_store_info info;
    uint64_t next, verified, events = 0;
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, SMALL, false, NULL);
    for (uint64_t i = 0; i < 200; i += 10) log_fill(store, i, i + 10, 0, 0);
    for (uint64_t i = 0; i < 200; i++) {
        struct test_batch batch = batch_make(i, 0, 0);
        struct dsdn_position position;
        struct dsdn_buffer buffer = {0};
        struct dsdn_record record;
        uint64_t found;
        must(dsdn_store_position(store, i, &position, test_error()));
        assert_int_equal(position.first_event, events);
        assert_int_equal(position.event_count, batch.events);
        assert_memory_equal(position.hash, batch.hash, 32);
        must(dsdn_store_find(store, batch.hash, &found, test_error()));
        assert_int_equal(found, i);
        must(dsdn_store_read(store, i, &buffer, &record, test_error()));
        assert_true(batch_is(&record, i, 0, 0));
        events += batch.events;
        dsdn_buffer_free(&buffer);
        free(batch.bytes);
    }
    dsdn_store_info(store, &info);
    assert_int_equal(info.next_sequence, 200);
    assert_int_equal(info.durable_next, 200);
    assert_int_equal(info.next_event, events);
    assert_true(info.segments > 10);
    must(dsdn_store_verify(store, &verified, test_error()));
    assert_int_equal(verified, 200);
    dsdn_store_close(store);
    must(log_check(&log, 0, UINT64_MAX, 0, &next, test_error()));
    assert_int_equal(next, 200);

    /* The same log opened again is the same, and goes on. */
    struct dsdn_store_report report;
    store = log_open(&log, true, SMALL, false, &report);
    assert_int_equal(report.kept_records + report.cut_bytes + report.index_added, 0);
    assert_false(report.index_rebuilt);
    assert_memory_equal(dsdn_store_genesis(store).bytes, test_genesis_bytes, sizeof test_genesis_bytes);
    log_fill(store, 200, 230, 0, 0);
    must(dsdn_store_verify(store, &verified, test_error()));
    assert_int_equal(verified, 230);
    dsdn_store_close(store);
    scratch_remove(&dir);
}

static void test_large_records(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    uint64_t next;
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, SMALL, true, NULL);
    log_fill(store, 0, 2, 0, DSDN_BATCH_LIMIT);
    uint8_t byte = 0;
    struct test_batch batch = batch_make(2, 0, 0);
    assert_int_equal(dsdn_store_append(store, &byte, 0, 2, batch.hash, 1, 0, NULL), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_store_append(store, &byte, DSDN_BATCH_LIMIT + 1, 2, batch.hash, 1, 0, NULL),
                     DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_store_append(store, &byte, 1, 3, batch.hash, 1, 0, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_store_append(store, &byte, 1, 1, batch.hash, 1, 0, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_store_append(store, &byte, 1, 2, batch.hash, 1, 8, NULL), DSDN_E_USAGE);
    free(batch.bytes);
    dsdn_store_close(store);
    must(log_check(&log, 0, UINT64_MAX, DSDN_BATCH_LIMIT, &next, test_error()));
    assert_int_equal(next, 2);
    scratch_remove(&dir);
}

static void test_create_and_lock(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct dsdn_store *store = NULL, *other;
    struct dsdn_store_options options = {.write = true};
    assert_int_equal(dsdn_store_open(log.text, &options, &store, NULL, NULL), DSDN_E_NOT_FOUND);
    assert_null(store);
    log_create(&log);
    assert_int_equal(dsdn_store_create(log.text, NULL, TEST_GENESIS, test_genesis_hash, NULL, NULL),
                     DSDN_E_EXISTS);
    store = log_open(&log, true, 0, true, NULL);
    assert_int_equal(dsdn_store_open(log.text, &options, &other, NULL, NULL), DSDN_E_LOCKED);
    assert_int_equal(dsdn_store_create(log.text, NULL, TEST_GENESIS, test_genesis_hash, NULL, NULL),
                     DSDN_E_LOCKED);
    struct dsdn_store *reader = log_open(&log, false, 0, true, NULL);
    assert_int_equal(batch_append(reader, 0, 0, 0, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_store_sync(reader, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_store_cut(reader, 0, NULL), DSDN_E_USAGE);
    dsdn_store_close(reader);
    dsdn_store_close(store);
    uint8_t wrong[32] = {9};
    options.genesis_hash = wrong;
    assert_int_equal(dsdn_store_open(log.text, &options, &other, NULL, NULL), DSDN_E_WRONG_GENESIS);
    scratch_remove(&dir);
}

/* A log that begins behind a checkpoint. */
static void test_start(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct dsdn_store_start start = {.sequence = 1000, .event = 77777, .prev = {5}};
    struct dsdn_store_info info;
    uint64_t next;
    must(dsdn_store_create(log.text, NULL, TEST_GENESIS, test_genesis_hash, &start, test_error()));
    struct dsdn_store *store = log_open(&log, true, SMALL, false, NULL);
    dsdn_store_info(store, &info);
    assert_int_equal(info.first_sequence, 1000);
    assert_int_equal(info.next_event, 77777);
    assert_memory_equal(info.head, start.prev, 32);
    log_fill(store, 1000, 1050, 0, 0);
    assert_int_equal(dsdn_store_cut(store, 999, NULL), DSDN_E_USAGE);
    must(dsdn_store_cut(store, 1000, test_error()));
    log_fill(store, 1000, 1030, 0, 0);
    dsdn_store_close(store);
    must(log_check(&log, 0, UINT64_MAX, 0, &next, test_error()));
    assert_int_equal(next, 1030);
    scratch_remove(&dir);
}

static void test_seek(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, SMALL, false, NULL);
    log_fill(store, 0, 100, 0, 0);
    struct dsdn_store *plain = log_open(&log, false, 0, true, NULL);
    struct dsdn_store *stores[] = {store, plain}; /* with the index, and by scanning */
    for (int i = 0; i < 2; i++) {
        struct dsdn_source *source;
        struct dsdn_buffer buffer = {0};
        struct dsdn_record record;
        must(dsdn_store_source(stores[i], &source, test_error()));
        assert_string_equal(source->kind, "log");
        assert_int_equal(source->count, 100);
        for (uint64_t j = 0; j < 300; j++) {
            uint64_t sequence = j * 37 % 100;
            must(dsdn_source_seek(source, sequence, test_error()));
            for (uint64_t k = sequence; k < sequence + 3 && k < 100; k++) {
                must(dsdn_source_next(source, &buffer, &record, test_error()));
                must(dsdn_record_check(&record, test_error()));
                assert_true(batch_is(&record, k, 0, 0));
            }
        }
        must(dsdn_source_seek(source, 100, test_error()));
        assert_int_equal(dsdn_source_next(source, &buffer, &record, NULL), DSDN_E_AGAIN);
        assert_int_equal(dsdn_source_seek(source, 101, NULL), DSDN_E_NOT_FOUND);
        dsdn_buffer_free(&buffer);
        dsdn_source_close(source);
    }
    dsdn_store_close(plain);
    dsdn_store_close(store);
    scratch_remove(&dir);
}

/* Two readers that started at different moments follow the writer; neither sees what is not durable. */
static void test_readers_follow(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct dsdn_source *readers[2];
    struct dsdn_store *stores[2];
    uint64_t seen[2] = {0, 0};
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, SMALL, false, NULL);
    for (int i = 0; i < 2; i++) {
        stores[i] = log_open(&log, false, 0, true, NULL);
        must(dsdn_store_source(stores[i], &readers[i], test_error()));
        log_fill(store, (uint64_t)i * 20, (uint64_t)i * 20 + 20, 0, 0);
    }
    uint64_t durable = 40, next = 40;
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < round % 4; i++) must(batch_append(store, next++, 0, 0, test_error()));
        if (round % 3 == 0) {
            must(dsdn_store_sync(store, test_error()));
        }
        struct dsdn_store_info info;
        dsdn_store_info(store, &info);
        durable = info.durable_next;
        for (int i = 0; i < 2; i++) {
            must(source_check(readers[i], seen[i], 0, UINT64_MAX, 0, &seen[i], test_error()));
            assert_int_equal(seen[i], durable);
        }
    }
    assert_true(durable > 100);
    /* After a rollback both say so, instead of going on along another branch. */
    must(dsdn_store_cut(store, 30, test_error()));
    log_fill(store, 30, next + 10, 1, 0);
    for (int i = 0; i < 2; i++) {
        struct dsdn_buffer buffer = {0};
        struct dsdn_record record;
        assert_int_equal(dsdn_source_next(readers[i], &buffer, &record, NULL), DSDN_E_CHAIN);
        assert_int_equal(dsdn_source_seek(readers[i], 3, NULL), DSDN_E_CHAIN);
        dsdn_buffer_free(&buffer);
        dsdn_source_close(readers[i]);
        dsdn_store_close(stores[i]);
    }
    dsdn_store_close(store);
    scratch_remove(&dir);
}

/* Roll back to every sequence, inside segments and at their edges, and go on along another branch. */
static void test_cut(void **state)
{
    (void)state;
    struct path dir = scratch_make();
    for (uint64_t to = 0; to <= 40; to++) {
        struct path log = sub(&dir, "log");
        struct dsdn_store_info info;
        uint64_t next, found, verified;
        log_create(&log);
        struct dsdn_store *store = log_open(&log, true, SMALL, false, NULL);
        log_fill(store, 0, 36, 0, 0);
        for (uint64_t i = 36; i < 40; i++) must(batch_append(store, i, 0, 0, test_error())); /* not synced */
        assert_int_equal(dsdn_store_cut(store, 41, NULL), DSDN_E_USAGE);
        must(dsdn_store_cut(store, to, test_error()));
        dsdn_store_info(store, &info);
        assert_int_equal(info.next_sequence, to);
        struct test_batch batch = batch_make(to ? to - 1 : 0, 0, 0), gone = batch_make(to, 0, 0);
        assert_memory_equal(info.head, to ? batch.hash : test_genesis_hash, 32);
        if (to < 40) assert_int_equal(dsdn_store_find(store, gone.hash, &found, NULL), DSDN_E_NOT_FOUND);
        free(batch.bytes);
        free(gone.bytes);
        if (to % 2) { /* with and without reopening in between */
            struct dsdn_store_report report;
            dsdn_store_close(store);
            store = log_open(&log, true, SMALL, false, &report);
            assert_int_equal(report.kept_records + report.cut_bytes, 0);
            assert_false(report.cut_finished);
        }
        log_fill(store, to, 50, 1, 0);
        must(dsdn_store_verify(store, &verified, test_error()));
        assert_int_equal(verified, 50);
        dsdn_store_close(store);
        assert_int_equal(log_check(&log, 0, to, 0, &next, test_error()), 0);
        assert_int_equal(next, 50);
        scratch_remove(&log);
    }
    scratch_remove(&dir);
}

static void test_seal(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct dsdn_store_info info;
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, SMALL, false, NULL);
    log_fill(store, 0, 60, 0, 0);
    must(dsdn_store_seal(store, 0, test_error()));
    dsdn_store_info(store, &info);
    assert_int_equal(info.sealed_next, 0);
    must(dsdn_store_seal(store, 40, test_error()));
    dsdn_store_info(store, &info);
    uint64_t sealed = info.sealed_next;
    assert_true(sealed > 10 && sealed <= 40);
    must(dsdn_store_seal(store, 5, test_error())); /* never back */
    dsdn_store_close(store);
    must(dsdn_index_drop(sub(&log, "index").text, test_error())); /* the mark is not derived */
    store = log_open(&log, true, SMALL, false, NULL);
    assert_int_equal(dsdn_store_cut(store, sealed - 1, NULL), DSDN_E_USAGE);
    must(dsdn_store_cut(store, sealed, test_error()));
    dsdn_store_close(store);
    scratch_remove(&dir);
}

/* Damage: copies of one log, changed by one byte count. */
struct torn {
    struct path dir, log, copy;
};

static void torn_copy(struct torn *t)
{
    scratch_remove(&t->copy);
    copy_dir(&t->log, &t->copy);
}

/* A tail beyond the durable length, torn at every byte, and at every byte replaced: whole records are kept,
 * the rest is cut and said, and the log goes on. */
static void test_torn_tail(void **state)
{
    (void)state;
    struct torn t = {.dir = scratch_make()};
    t.log = sub(&t.dir, "log");
    t.copy = sub(&t.dir, "copy");
    log_create(&t.log);
    struct dsdn_store *store = log_open(&t.log, true, 0, true, NULL);
    log_fill(store, 0, 3, 0, 40);
    struct path durable = sub(&t.log, "durable");
    size_t durable_len, full_len;
    uint8_t *kept = slurp(durable.text, &durable_len);
    struct path segment = last_segment(&t.log);
    struct stat status;
    assert_int_equal(stat(segment.text, &status), 0);
    uint64_t durable_end = (uint64_t)status.st_size;
    log_fill(store, 3, 6, 0, 40);
    dsdn_store_close(store);
    spew(durable.text, kept, durable_len); /* as if the second sync had never been recorded */
    free(kept);
    uint8_t *full = slurp(segment.text, &full_len);
    const uint64_t record = DSDN_RECORD_HEADER_LEN + 40;
    assert_int_equal(full_len, durable_end + 3 * record);

    for (uint64_t end = durable_end; end <= full_len; end++)
        for (int replaced = 0; replaced < 2; replaced++) {
            if (replaced && end == full_len) continue;
            torn_copy(&t);
            struct path tail = last_segment(&t.copy);
            if (replaced) {
                full[end] ^= 0x10;
                spew(tail.text, full, full_len);
                full[end] ^= 0x10;
            } else
                spew(tail.text, full, end);
            uint64_t whole = (end - durable_end) / record, next;
            uint64_t rest = (replaced ? full_len : end) - durable_end - whole * record;

            /* A reader sees what is durable and touches nothing. */
            must(log_check(&t.copy, 0, UINT64_MAX, 40, &next, test_error()));
            assert_int_equal(next, 3);
            assert_int_equal(stat(tail.text, &status), 0);
            assert_int_equal(status.st_size, replaced ? full_len : end);

            struct dsdn_store_report report;
            store = log_open(&t.copy, true, 0, true, &report);
            assert_int_equal(report.kept_records, whole);
            assert_int_equal(report.cut_bytes, rest);
            if (rest) {
                assert_string_equal(report.cut_file, tail.text);
                assert_int_equal(report.cut_offset, durable_end + whole * record);
            }
            log_fill(store, 3 + whole, 8, 0, 40);
            dsdn_store_close(store);
            must(log_check(&t.copy, 0, UINT64_MAX, 40, &next, test_error()));
            assert_int_equal(next, 8);
        }
    free(full);
    scratch_remove(&t.dir);
}

/* A file shorter than it must be is found by opening, for every length, with the file and where it ends. */
static void expect_truncated(struct torn *t, const struct path *victim_of_log, uint64_t from, uint64_t to)
{
    size_t len;
    uint8_t *bytes = slurp(victim_of_log->text, &len);
    struct path victim = sub(&t->copy, victim_of_log->text + strlen(t->log.text) + 1);
    for (uint64_t end = from; end < to; end++) {
        spew(victim.text, bytes, end);
        for (int write = 0; write < 2; write++) {
            struct dsdn_store *store;
            struct dsdn_store_options options = {.write = write, .no_index = true};
            struct dsdn_error error = DSDN_ERROR_INIT;
            int rc = dsdn_store_open(t->copy.text, &options, &store, NULL, &error);
            if (rc != DSDN_E_TRUNCATED) fail_msg("length %llu gave %d", (unsigned long long)end, rc);
            assert_string_equal(error.file, victim.text);
            assert_true(error.offset == end);
            struct stat status;
            assert_int_equal(stat(victim.text, &status), 0);
            assert_int_equal(status.st_size, end); /* nothing was repaired silently */
        }
    }
    spew(victim.text, bytes, len);
    free(bytes);
}

static void test_truncation(void **state)
{
    (void)state;
    struct torn t = {.dir = scratch_make()};
    t.log = sub(&t.dir, "log");
    t.copy = sub(&t.dir, "copy");
    log_create(&t.log);
    struct dsdn_store *store = log_open(&t.log, true, 700, true, NULL);
    log_fill(store, 0, 8, 0, 100);
    dsdn_store_close(store);
    torn_copy(&t);
    struct path closed = first_segment(&t.log), tail = last_segment(&t.log);
    struct stat status;
    assert_int_equal(stat(closed.text, &status), 0);
    expect_truncated(&t, &closed, 0, (uint64_t)status.st_size);
    assert_int_equal(stat(tail.text, &status), 0);
    expect_truncated(&t, &tail, 0, (uint64_t)status.st_size);
    uint64_t next;
    must(log_check(&t.copy, 0, UINT64_MAX, 100, &next, test_error()));
    assert_int_equal(next, 8);

    /* A missing segment. */
    struct path copy_closed = first_segment(&t.copy);
    assert_int_equal(unlink(copy_closed.text), 0);
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(log_check(&t.copy, 0, UINT64_MAX, 100, &next, &error), DSDN_E_NOT_FOUND);
    assert_string_equal(error.file, copy_closed.text);
    scratch_remove(&t.dir);
}

/* A segment of another network, or swapped with another one, does not pass. */
static void test_foreign_segment(void **state)
{
    (void)state;
    struct path dir = scratch_make(), a = sub(&dir, "a"), b = sub(&dir, "b");
    struct path logs[] = {a, b};
    for (int i = 0; i < 2; i++) {
        uint8_t genesis[32] = {(uint8_t)i};
        struct dsdn_store *store;
        struct dsdn_store_options options = {.write = true, .no_index = true, .segment_bytes = 700};
        must(dsdn_store_create(logs[i].text, NULL, TEST_GENESIS, i ? test_genesis_hash : genesis, NULL,
                               test_error()));
        must(dsdn_store_open(logs[i].text, &options, &store, NULL, test_error()));
        log_fill(store, 0, 8, 0, 100);
        dsdn_store_close(store);
    }
    size_t len;
    uint8_t *bytes = slurp(first_segment(&a).text, &len);
    spew(first_segment(&b).text, bytes, len);
    free(bytes);
    uint64_t next;
    assert_int_equal(log_check(&b, 0, UINT64_MAX, 100, &next, NULL), DSDN_E_WRONG_GENESIS);
    scratch_remove(&dir);
}

/* Damage below the durable length that nobody has read is found before a trailer would cover it. */
static void test_close_checks(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, 4096, true, NULL);
    log_fill(store, 0, 5, 0, 100);
    dsdn_store_close(store);
    struct path segment = last_segment(&log);
    size_t len;
    uint8_t *bytes = slurp(segment.text, &len);
    bytes[300] ^= 1;
    spew(segment.text, bytes, len);
    free(bytes);
    store = log_open(&log, true, 4096, true, NULL);
    int rc = 0;
    uint64_t i;
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (i = 5; !rc && i < 60; i++) rc = batch_append(store, i, 0, 100, &error);
    assert_int_equal(rc, DSDN_E_CHECKSUM);
    assert_int_equal(error.sequence, 1);
    assert_string_equal(error.file, segment.text);
    assert_int_equal(dsdn_store_sync(store, NULL), DSDN_E_CHECKSUM); /* poisoned */
    dsdn_store_close(store);
    scratch_remove(&dir);
}

/* The durable record: one damaged slot is survived and said, two are an error, never a guess. */
static void test_durable_slots(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct dsdn_store_report report;
    uint64_t next;
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, 0, true, NULL);
    for (uint64_t i = 0; i < 4; i++) log_fill(store, i, i + 1, 0, 0);
    dsdn_store_close(store);
    struct path durable = sub(&log, "durable");
    size_t len;
    uint8_t *bytes = slurp(durable.text, &len);
    assert_int_equal(len, DSDN_DURABLE_FILE_LEN);
    for (size_t slot = 0; slot < 2; slot++)
        for (size_t i = 0; i < DSDN_DURABLE_SLOT_LEN; i++) {
            bytes[slot * DSDN_DURABLE_SLOT_STEP + i] ^= 4;
            spew(durable.text, bytes, len);
            must(log_check(&log, 0, UINT64_MAX, 0, &next, test_error()));
            assert_true(next == 3 || next == 4); /* the older slot knows three */
            bytes[slot * DSDN_DURABLE_SLOT_STEP + i] ^= 4;
        }
    bytes[20] ^= 4;
    spew(durable.text, bytes, len);
    store = log_open(&log, true, 0, true, &report);
    assert_true(report.slot_damaged);
    dsdn_store_close(store);
    bytes[DSDN_DURABLE_SLOT_STEP + 20] ^= 4;
    spew(durable.text, bytes, len);
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(log_check(&log, 0, UINT64_MAX, 0, &next, &error), DSDN_E_CHECKSUM);
    assert_string_equal(error.file, durable.text);
    for (size_t end = 0; end < DSDN_DURABLE_SLOT_STEP + DSDN_DURABLE_SLOT_LEN; end += 31) {
        spew(durable.text, bytes, end);
        assert_int_equal(log_check(&log, 0, UINT64_MAX, 0, &next, &error), DSDN_E_TRUNCATED);
    }
    free(bytes);
    scratch_remove(&dir);
}

/* The index is derived: missing, garbage, of another log, behind or ahead, the log opens, says so and finds
 * all. */
static void test_index_loss(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log"), other = sub(&dir, "other"),
                old = sub(&dir, "old");
    struct dsdn_store_report report;
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, SMALL, false, &report);
    assert_false(report.index_rebuilt);
    log_fill(store, 0, 60, 0, 0);
    dsdn_store_close(store);
    struct path index = sub(&log, "index"), data = sub(&index, "data.mdb");
    copy_dir(&index, &old);
    store = log_open(&log, true, SMALL, false, NULL);
    log_fill(store, 60, 90, 0, 0);
    dsdn_store_close(store);

    log_create(&other); /* same length, other batches */
    store = log_open(&other, true, SMALL, false, NULL);
    log_fill(store, 0, 90, 7, 0);
    dsdn_store_close(store);

    enum { NOTHING, GONE, GARBAGE, CUT, FOREIGN, BEHIND, CASES };
    for (int kind = NOTHING; kind < CASES; kind++) {
        size_t len;
        uint8_t *bytes = NULL;
        if (kind == GONE) must(dsdn_index_drop(index.text, test_error()));
        if (kind == GARBAGE || kind == CUT) {
            bytes = slurp(data.text, &len);
            if (kind == GARBAGE) memset(bytes, 0x5a, len);
            spew(data.text, bytes, kind == CUT ? len - 4096 : len);
        }
        if (kind == FOREIGN) {
            struct path theirs = sub(&other, "index/data.mdb");
            bytes = slurp(theirs.text, &len);
            spew(data.text, bytes, len);
        }
        if (kind == BEHIND) {
            struct path before = sub(&old, "data.mdb");
            bytes = slurp(before.text, &len);
            spew(data.text, bytes, len);
        }
        free(bytes);
        store = log_open(&log, true, SMALL, false, &report);
        assert_int_equal(report.index_rebuilt, kind != NOTHING && kind != BEHIND);
        assert_int_equal(report.index_added, kind == NOTHING ? 0 : kind == BEHIND ? 30 : 90);
        if (report.index_rebuilt) assert_true(strlen(report.index_reason) > 0);
        for (uint64_t i = 0; i < 90; i++) {
            struct test_batch batch = batch_make(i, 0, 0);
            uint64_t found;
            must(dsdn_store_find(store, batch.hash, &found, test_error()));
            assert_int_equal(found, i);
            free(batch.bytes);
        }
        dsdn_store_close(store);
    }

    /* A row that is whole but wrong: found when it is used. */
    store = log_open(&log, true, SMALL, false, NULL);
    struct dsdn_position position, wrong;
    must(dsdn_store_position(store, 10, &position, test_error()));
    wrong = position;
    wrong.offset += 8;
    must(dsdn_index_put_position(dsdn_store_index(store), 10, &wrong, test_error()));
    must(dsdn_store_position(store, 10, &wrong, test_error()));
    assert_int_equal(wrong.offset, position.offset);
    must(dsdn_index_position(dsdn_store_index(store), 10, &wrong, test_error()));
    assert_int_equal(wrong.offset, position.offset); /* rebuilt on the way */
    dsdn_store_close(store);
    scratch_remove(&dir);
}

/* What the index says of a damaged record is not what is wrong: the damage is reported, the index stays. */
static void test_find_in_damage(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, 0, false, NULL);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_position position;
    uint64_t found;
    log_fill(store, 0, 20, 0, 0);
    must(dsdn_index_put_evidence(dsdn_store_index(store), 3, 1, test_genesis_bytes, 4, test_error()));
    must(dsdn_store_position(store, 10, &position, test_error()));
    struct path segment = sub(&log, "segments/000000000000.seg");
    size_t len;
    uint8_t *bytes = slurp(segment.text, &len);
    memset(bytes + position.offset + 4, 0xff, 4); /* its length */
    spew(segment.text, bytes, len);
    free(bytes);
    struct test_batch batch = batch_make(10, 0, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dsdn_store_find(store, batch.hash, &found, &error), DSDN_E_TOO_LARGE);
        assert_int_equal(error.offset, position.offset + 4);
    }
    free(batch.bytes);
    struct dsdn_buffer buffer = {0};
    uint8_t kind;
    assert_non_null(dsdn_store_index(store));
    must(dsdn_index_evidence(dsdn_store_index(store), 3, 0, &kind, &buffer, test_error()));
    dsdn_buffer_free(&buffer);
    dsdn_store_close(store);
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_find_in_damage),
        cmocka_unit_test(test_large_records),
        cmocka_unit_test(test_create_and_lock),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_seek),
        cmocka_unit_test(test_readers_follow),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_seal),
        cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_foreign_segment),
        cmocka_unit_test(test_close_checks),
        cmocka_unit_test(test_durable_slots),
        cmocka_unit_test(test_index_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
