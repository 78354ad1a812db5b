/* The promise of the log directory: what was acknowledged is there after any crash.
 * Power loss at every call of a scenario, in every way io_fault.h knows; every system call failing in turn;
 * SIGKILL at random instants.  DSDN_TEST_SCALE=N runs N times as many. */
#include "tests/io_fault.h"

#include <sys/wait.h>

#define SEGMENT 900u /* a handful of records */

/* What the scenario may rely on, and what it was about to do. */
struct promise {
    uint64_t acknowledged; /* batches [0, acknowledged) must be there ... */
    uint64_t fork;         /* ... of branch 0 below fork and of branch 1 from there on */
    uint64_t cut_to;       /* UINT64_MAX, or: a rollback to here was under way, from */
    uint64_t cut_from;     /* this acknowledged length of branch 0; before it or after it are both right */
};

/* Append, sync, close segments, roll back twice, go on, reopen.  Stops at the first error. */
static int scenario(const char *dir, const struct dsdn_io *io, struct promise *p)
{
    struct dsdn_store_options options = {.write = true, .no_index = true, .segment_bytes = SEGMENT, .io = io};
    struct dsdn_store *store;
    *p = (struct promise){.fork = UINT64_MAX, .cut_to = UINT64_MAX};
    int rc = dsdn_store_create(dir, &options, TEST_GENESIS, test_genesis_hash, NULL, NULL);
    if (!rc) rc = dsdn_store_open(dir, &options, &store, NULL, NULL);
    if (rc) return rc;
    for (uint64_t i = 0; !rc && i < 12; i++) {
        rc = batch_append(store, i, 0, 0, NULL);
        if (!rc && i % 3 == 1) rc = dsdn_store_sync(store, NULL);
        if (!rc && i % 3 == 1) p->acknowledged = i + 1;
    }
    if (!rc) rc = dsdn_store_sync(store, NULL);
    if (!rc) p->acknowledged = p->cut_from = 12;
    if (!rc) p->cut_to = 5; /* in an earlier segment */
    if (!rc) rc = dsdn_store_cut(store, 5, NULL);
    if (!rc) *p = (struct promise){.acknowledged = 5, .fork = 5, .cut_to = UINT64_MAX};
    for (uint64_t i = 5; !rc && i < 15; i++) {
        rc = batch_append(store, i, 1, 0, NULL);
        if (!rc && i % 4 == 3) rc = dsdn_store_sync(store, NULL);
        if (!rc && i % 4 == 3) p->acknowledged = i + 1;
    }
    if (!rc) rc = dsdn_store_seal(store, 9, NULL);
    dsdn_store_close(store);
    if (rc) return rc;
    rc = dsdn_store_open(dir, &options, &store, NULL, NULL);
    if (rc) return rc;
    struct dsdn_store_info info;
    dsdn_store_info(store, &info);
    for (uint64_t i = info.next_sequence; !rc && i < 18; i++) rc = batch_append(store, i, 1, 0, NULL);
    if (!rc) rc = dsdn_store_sync(store, NULL);
    if (!rc) p->acknowledged = 18;
    dsdn_store_close(store);
    return rc;
}

/* Open for reading, for writing, go on, read again: all that was promised, nothing that was rolled back. */
static void check(const struct path *log, const struct promise *p, const char *what, uint64_t at, int loss)
{
    struct dsdn_store_options options = {.write = true, .no_index = true, .segment_bytes = SEGMENT};
    struct dsdn_store *store;
    struct dsdn_error error = DSDN_ERROR_INIT;
    char text[1024];
    for (int round = 0; round < 2; round++) {
        int rc = dsdn_store_open(log->text, &options, &store, NULL, &error);
        if (rc == DSDN_E_NOT_FOUND && p->acknowledged == 0) return; /* creation had not finished */
        dsdn_error_format(&error, text, sizeof text);
        if (rc) fail_msg("%s, call %llu, loss %d: open: %s", what, (unsigned long long)at, loss, text);
        struct dsdn_store_info info;
        dsdn_store_info(store, &info);
        uint64_t fork = p->fork, next = info.next_sequence;
        bool rolled_back = false;
        if (p->cut_to !=
            UINT64_MAX) { /* one log or the other, nothing between; the writer of round 0 went on with 1 */
            rolled_back = next < p->cut_from || round == 1;
            if (next != p->cut_from && next != p->cut_to && round == 0)
                fail_msg("%s, call %llu, loss %d: %llu batches after a rollback from %llu to %llu", what,
                         (unsigned long long)at, loss, (unsigned long long)next,
                         (unsigned long long)p->cut_from, (unsigned long long)p->cut_to);
        } else if (next < p->acknowledged)
            fail_msg("%s, call %llu, loss %d: %llu batches, but %llu were acknowledged", what,
                     (unsigned long long)at, loss, (unsigned long long)next,
                     (unsigned long long)p->acknowledged);
        if (rolled_back && round == 0) fork = p->cut_to;
        if (round == 1) fork = UINT64_MAX; /* rewritten below: one branch */
        uint64_t verified, read;
        rc = dsdn_store_verify(store, &verified, &error);
        dsdn_error_format(&error, text, sizeof text);
        if (rc) fail_msg("%s, call %llu, loss %d: verify: %s", what, (unsigned long long)at, loss, text);
        assert_int_equal(verified, next);
        assert_int_equal(log_check(log, 0, fork, 0, &read, &error), 0);
        assert_int_equal(read, next);
        if (round == 0) {
            must(dsdn_store_cut(store, info.sealed_next, test_error()));
            dsdn_store_info(store, &info);
            if (info.next_sequence == 0)
                log_fill(store, 0, 20, 0, 0);
            else
                round = 1; /* sealed: the first batches stay of two branches */
        }
        dsdn_store_close(store);
    }
}

static void test_power_loss(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct promise promise;
    struct fault *count = fault_new();
    assert_int_equal(scenario(log.text, &count->io, &promise), 0);
    assert_int_equal(promise.acknowledged, 18);
    uint64_t calls = count->calls, seed = 0x5eed;
    fault_free(count);
    assert_true(calls > 150);
    for (uint64_t at = 1; at <= calls; at++)
        for (int loss = 0; loss < FAULT_LOSSES; loss++)
            for (unsigned long i = 0; i < (loss < PREFIX ? 1 : test_scale()); i++) {
                scratch_remove(&log);
                struct fault *f = fault_new();
                f->kind = FAULT_CRASH;
                f->fail_at = at;
                scenario(log.text, &f->io, &promise);
                assert_true(f->hit);
                fault_power_loss(f, (enum fault_loss)loss, &seed);
                fault_free(f);
                check(&log, &promise, "power loss", at, loss);
            }
    scratch_remove(&dir);
}

/* A power loss in the middle of the recovery from a power loss. */
static void test_power_loss_in_recovery(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct promise promise;
    uint64_t seed = 77;
    unsigned long rounds = 150 * test_scale();
    for (unsigned long i = 0; i < rounds; i++) {
        scratch_remove(&log);
        struct fault *f = fault_new();
        f->kind = FAULT_CRASH;
        f->fail_at = 30 + test_random(&seed) % 250;
        scenario(log.text, &f->io, &promise);
        fault_power_loss(f, (enum fault_loss)(test_random(&seed) % FAULT_LOSSES), &seed);
        fault_free(f);
        struct dsdn_store_options options = {.write = true, .no_index = true, .segment_bytes = SEGMENT};
        for (int again = 0; again < 3; again++) {
            struct dsdn_store *store;
            f = fault_new();
            f->kind = FAULT_CRASH;
            f->fail_at = 1 + test_random(&seed) % 40;
            options.io = &f->io;
            if (!dsdn_store_open(log.text, &options, &store, NULL, NULL)) dsdn_store_close(store);
            fault_power_loss(f, (enum fault_loss)(test_random(&seed) % FAULT_LOSSES), &seed);
            fault_free(f);
        }
        check(&log, &promise, "power loss in recovery", i, -1);
    }
    scratch_remove(&dir);
}

/* A kill, an open that keeps what the kill left in the system's cache and reports it as part of the log, then
 * a power loss: what an open has reported is durable. */
static void test_kill_then_power_loss(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct promise promise;
    uint64_t seed = 99, kept = 0;
    for (uint64_t at = 30;; at++) {
        scratch_remove(&log);
        struct fault *f = fault_new();
        f->kind = FAULT_CRASH;
        f->fail_at = at;
        scenario(log.text, &f->io, &promise);
        bool hit = f->hit;
        fault_restart(f);
        struct dsdn_store_options options = {
            .write = true, .no_index = true, .segment_bytes = SEGMENT, .io = &f->io};
        struct dsdn_store *store;
        struct dsdn_store_report report;
        struct dsdn_store_info info = {0};
        if (!dsdn_store_open(log.text, &options, &store, &report, NULL)) {
            dsdn_store_info(store, &info);
            assert_int_equal(info.durable_next, info.next_sequence);
            kept += report.kept_records;
            dsdn_store_close(store);
        }
        fault_power_loss(f, LOSE_ALL, &seed);
        fault_free(f);
        if (promise.cut_to == UINT64_MAX && promise.acknowledged < info.next_sequence)
            promise.acknowledged = info.next_sequence;
        check(&log, &promise, "kill, then power loss", at, LOSE_ALL);
        if (!hit) break;
    }
    assert_true(kept > 0);
    scratch_remove(&dir);
}

/* Every call fails in turn: a clean error (or none), and then everything acknowledged is there; after a
 * failed fsync also when the power goes. */
static void test_refused_calls(void **state)
{
    (void)state;
    static const struct {
        enum fault_kind kind;
        int error;
        const char *name;
        bool harmless; /* nothing may come of it at all */
    } faults[] = {
        {FAULT_ERRNO, EINTR, "EINTR", true},
        {FAULT_SHORT, 0, "short transfer", true},
        {FAULT_ERRNO, EIO, "EIO", false},
        {FAULT_ERRNO, ENOSPC, "ENOSPC", false},
        {FAULT_ERRNO_ALWAYS, ENOSPC, "ENOSPC for good", false},
    };
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct promise promise;
    uint64_t seed = 5;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (uint64_t at = 1;; at++) {
            scratch_remove(&log);
            struct fault *f = fault_new();
            f->kind = faults[i].kind;
            f->error = faults[i].error;
            f->fail_at = at;
            int rc = scenario(log.text, &f->io, &promise);
            bool hit = f->hit;
            /* rename, unlink and mkdir are not retried: no system interrupts them */
            if (hit && faults[i].harmless && rc && rc != DSDN_E_IO)
                fail_msg("%s at call %llu gave %d", faults[i].name, (unsigned long long)at, rc);
            fault_power_loss(f, LOSE_ALL, &seed);
            fault_free(f);
            if (!hit) {
                assert_int_equal(rc, 0);
                break;
            }
            check(&log, &promise, faults[i].name, at, LOSE_ALL);
        }
    scratch_remove(&dir);
}

/* After a failed fsync the handle stays shut, with the same error; a full disk does not shut it. */
static void test_poison(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    struct dsdn_store *store;
    struct fault *f = fault_new();
    struct dsdn_store_options options = {.write = true, .no_index = true, .io = &f->io};
    struct dsdn_error first = DSDN_ERROR_INIT, later = DSDN_ERROR_INIT;
    uint64_t seed = 1;
    log_create(&log);
    must(dsdn_store_open(log.text, &options, &store, NULL, test_error()));
    log_fill(store, 0, 3, 0, 0);

    must(batch_append(store, 3, 0, 0, test_error()));
    f->kind = FAULT_ERRNO;
    f->error = ENOSPC;
    f->fail_at = f->calls + 1; /* the write */
    assert_int_equal(dsdn_store_sync(store, &first), DSDN_E_NO_SPACE);
    assert_true(first.file[0] != 0);
    must(dsdn_store_sync(store, test_error())); /* there is room again */

    must(batch_append(store, 4, 0, 0, test_error()));
    f->error = EIO;
    f->fail_at = f->calls + 2; /* the fsync */
    assert_int_equal(dsdn_store_sync(store, &first), DSDN_E_IO);
    assert_int_equal(dsdn_store_sync(store, &later), DSDN_E_IO);
    assert_string_equal(first.message, later.message);
    assert_int_equal(batch_append(store, 5, 0, 0, NULL), DSDN_E_IO);
    assert_int_equal(dsdn_store_cut(store, 0, NULL), DSDN_E_IO);
    assert_int_equal(dsdn_store_seal(store, 0, NULL), DSDN_E_IO);
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    must(dsdn_store_read(store, 3, &buffer, &record, test_error())); /* reading goes on */
    assert_int_equal(dsdn_store_read(store, 4, &buffer, &record, NULL), DSDN_E_NOT_FOUND);
    dsdn_buffer_free(&buffer);
    dsdn_store_close(store);
    fault_power_loss(f, LOSE_ALL, &seed);
    fault_free(f);
    uint64_t next;
    must(log_check(&log, 0, UINT64_MAX, 0, &next, test_error()));
    assert_int_equal(next, 4);
    scratch_remove(&dir);
}

/* A log whose `durable` cannot be opened just now is a log all the same: create leaves it alone, whatever call
 * fails. */
static void test_create_over_a_log(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, 0, true, NULL);
    log_fill(store, 0, 5, 0, 0);
    dsdn_store_close(store);
    bool refused = true;
    for (uint64_t at = 1; refused; at++) {
        struct fault *f = fault_new();
        struct dsdn_store_options options = {.io = &f->io};
        f->kind = FAULT_ERRNO;
        f->error = EIO;
        f->fail_at = at;
        assert_int_not_equal(
            dsdn_store_create(log.text, &options, TEST_GENESIS, test_genesis_hash, NULL, NULL), DSDN_OK);
        refused = f->hit;
        fault_free(f);
        uint64_t next;
        must(log_check(&log, 0, UINT64_MAX, 0, &next, test_error()));
        assert_int_equal(next, 5);
    }
    scratch_remove(&dir);
}

/* Child: append and sync for ever, write each acknowledged length to the pipe, roll back now and then. */
static void child_run(const char *dir, int pipe_fd)
{
    struct dsdn_store_options options = {.write = true, .segment_bytes = 8192};
    struct dsdn_store *store;
    struct dsdn_store_info info;
    if (dsdn_store_open(dir, &options, &store, NULL, NULL)) _exit(10);
    dsdn_store_info(store, &info);
    for (uint64_t i = info.next_sequence;; i++) {
        struct test_batch batch = batch_make(i, 0, 0);
        if (dsdn_store_append(store, batch.bytes, batch.len, i, batch.hash, batch.events, 0, NULL)) _exit(11);
        free(batch.bytes);
        if (i % 3 == 0) continue;
        if (dsdn_store_sync(store, NULL)) _exit(12);
        uint64_t word = i + 1;
        if (write(pipe_fd, &word, sizeof word) != sizeof word) _exit(13);
        if (i % 64 == 50) {
            word = i - 20; /* the smaller promise comes first: the rollback may or may not happen */
            if (write(pipe_fd, &word, sizeof word) != sizeof word) _exit(14);
            if (dsdn_store_cut(store, i - 20, NULL)) _exit(15);
            i = i - 21;
            for (int step = 0; step < 40; step++) { /* over the place that would roll back again */
                batch = batch_make(++i, 0, 0);
                if (dsdn_store_append(store, batch.bytes, batch.len, i, batch.hash, batch.events, 0, NULL))
                    _exit(16);
                free(batch.bytes);
            }
        }
    }
}

static void test_kill(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log");
    uint64_t seed = 2024, total = 0, kept = 0, rebuilt = 0;
    unsigned long cycles = 220 * test_scale();
    log_create(&log);
    for (unsigned long i = 0; i < cycles; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            child_run(log.text, ends[1]);
        }
        close(ends[1]);
        usleep((useconds_t)(500 + test_random(&seed) % 6000));
        kill(child, SIGKILL);
        int status;
        uint64_t word, acknowledged = 0;
        while (read(ends[0], &word, sizeof word) == sizeof word) acknowledged = word;
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status)) fail_msg("the writer ended by itself with %d", WEXITSTATUS(status));
        struct dsdn_store_report report;
        struct dsdn_store_info info;
        struct dsdn_store *store = log_open(&log, true, 8192, false, &report);
        dsdn_store_info(store, &info);
        if (info.next_sequence < acknowledged)
            fail_msg("cycle %lu: %llu batches, %llu were acknowledged", i,
                     (unsigned long long)info.next_sequence, (unsigned long long)acknowledged);
        struct dsdn_source *source;
        uint64_t from = info.next_sequence > 200 ? info.next_sequence - 200 : 0, next;
        must(dsdn_store_source(store, &source, test_error()));
        must(dsdn_source_seek(source, from, test_error()));
        must(source_check(source, from, 0, UINT64_MAX, 0, &next, test_error()));
        assert_int_equal(next, info.next_sequence);
        dsdn_source_close(source);
        dsdn_store_close(store);
        total += acknowledged;
        kept += report.kept_records;
        rebuilt += report.index_rebuilt;
    }
    print_message("%lu kills, last log checked each time, %llu records kept that were not acknowledged\n",
                  cycles, (unsigned long long)kept);
    assert_true(total > 0);
    assert_true(rebuilt <= 2); /* a kill does not cost the index (but for one before its first commit) */
    uint64_t next;
    must(log_check(&log, 0, UINT64_MAX, 0, &next, test_error()));
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_loss),    cmocka_unit_test(test_power_loss_in_recovery),
        cmocka_unit_test(test_refused_calls), cmocka_unit_test(test_poison),
        cmocka_unit_test(test_create_over_a_log),
        cmocka_unit_test(test_kill),          cmocka_unit_test(test_kill_then_power_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
