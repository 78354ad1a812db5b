/* link: --wrap=malloc --wrap=calloc --wrap=realloc */
/* Writers of archives that are stopped: by a short file, by errors at every call, by power cuts, by SIGKILL,
 * by a lack of memory.  However they were stopped and resumed, nothing acknowledged is lost and the finished
 * file is always the same, byte for byte. */
#include "archive_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the n-th allocation fails ---- */

static unsigned long allocations, allocation_fails_at; /* 0: never */

void *__real_malloc(size_t len);
void *__real_calloc(size_t cnt, size_t len);
void *__real_realloc(void *p, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t cnt, size_t len);
void *__wrap_realloc(void *p, size_t len);

static bool refused(void)
{
    return ++allocations == allocation_fails_at;
}
void *__wrap_malloc(size_t len)
{
    return refused() ? NULL : __real_malloc(len);
}
void *__wrap_calloc(size_t cnt, size_t len)
{
    return refused() ? NULL : __real_calloc(cnt, len);
}
void *__wrap_realloc(void *p, size_t len)
{
    return refused() ? NULL : __real_realloc(p, len);
}

/* ---- scripts with small files: contents of zeros ---- */

static void stop_script(struct script *s)
{
    script_init(s, 2);
    script_blob(s, DSDN_ARCHIVE_CERTIFICATE, 2, 30);
    script_batch(s, 600000, false);
    script_blob(s, DSDN_ARCHIVE_PROOF, 77, 20);
    script_batch(s, 600000, false); /* closes a group with two blobs */
    script_blob(s, DSDN_ARCHIVE_PROOF, 78, 20);
    script_batch(s, 100, true);
    script_blob(s, DSDN_ARCHIVE_LOSER, 4, 25);
    script_batch(s, 90, true);
    script_blob(s, DSDN_ARCHIVE_LOSER, 6, 25);
    script_batch(s, DSDN_ARCHIVE_BATCH_MAX - 1000, false); /* closes a small frame, and then its own */
    script_batch(s, 40, true);
    script_blob(s, DSDN_ARCHIVE_PROOF, 79, 1048576); /* closes another, and goes out without a frame */
    script_batch(s, 41, true);
    script_blob(s, DSDN_ARCHIVE_PROOF, 80, 20); /* behind the last batch */
}

struct plain {
    struct script s;
    struct memory whole;
};

static void plain_make(struct plain *p)
{
    stop_script(&p->s);
    memory_init(&p->whole, 4u << 20);
    memory_write(&p->whole, &p->s, 0, NULL);
}

static void plain_free(struct plain *p)
{
    script_free(&p->s);
    memory_free(&p->whole);
}

/* Resumes what is in m, or starts again where there is nothing to resume, finishes, and compares. */
static void finish_and_compare(struct memory *m, const struct plain *p, uint64_t acknowledged,
                               const char *what, unsigned long n)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_archive_writer *w;
    struct dsdn_archive_resumed report = {.next = p->s.first};
    struct dsdn_archive_options options = script_options(&p->s);
    size_t len = m->len;
    int rc = dsdn_archive_resume(&m->io, MEMORY_PATH, false, &w, &report, &error);
    if (rc == DSDN_E_EXISTS) {
        struct dsdn_source *source; /* the last fsync failed, the bytes are all there */
        assert_int_equal(dsdn_archive_open(&m->io, MEMORY_PATH, 0, &source, &error), 0);
        assert_int_equal(dsdn_archive_check(source, &error), 0);
        dsdn_source_close(source);
    } else {
        if (rc == DSDN_E_NOT_FOUND || rc == DSDN_E_TRUNCATED || (rc && acknowledged == p->s.first)) {
            if (acknowledged != p->s.first) fail_msg("%s %lu: all is lost", what, n);
            m->exists = false;
            rc = dsdn_archive_create(&m->io, MEMORY_PATH, &options, &w, &error);
        } else if (!rc) {
            assert_int_equal(report.kept + report.dropped, len);
            assert_int_equal(m->len, report.kept);
        }
        if (!rc && report.next < acknowledged)
            fail_msg("%s %lu: batch %llu was acknowledged, and resuming goes on with %llu", what, n,
                     (unsigned long long)acknowledged - 1, (unsigned long long)report.next);
        if (!rc) rc = script_play(&p->s, w, script_from(&p->s, report.next), p->s.cnt, 0, NULL, &error);
        if (!rc) rc = dsdn_archive_finish(w, NULL, &error);
        if (rc) fail_msg("%s %lu: %s: %s", what, n, dsdn_error_name(rc), error.message);
        dsdn_archive_writer_close(w);
    }
    if (m->len != p->whole.len || memcmp(m->bytes, p->whole.bytes, m->len) != 0)
        fail_msg("%s %lu: the finished file differs", what, n);
}

/* A finished file cut at any byte of its end, or anywhere else, is an unfinished one. */
static void resume_from_every_length(void **state)
{
    (void)state;
    struct plain p;
    struct memory m;
    plain_make(&p);
    memory_init(&m, 4u << 20);
    size_t step = 1, tail = p.whole.len - DSDN_ARCHIVE_FOOTER_LEN - 300;
    for (size_t len = 0; len < p.whole.len; len += step) {
        step = len < 30 ? 10 : len < tail ? 229 : 101;
        memory_set(&m, p.whole.bytes, len);
        if (len % 2) { /* a length that was made durable before its bytes */
            memset(m.bytes + len, 0, 500);
            m.len = len + 500;
        }
        finish_and_compare(&m, &p, p.s.first, len % 2 ? "zeros from" : "cut at", len);
    }
    plain_free(&p);
    memory_free(&m);
}

/* A writer that stops after every step, is resumed, and stops again. */
static void resume_after_every_step(void **state)
{
    (void)state;
    struct plain p;
    struct memory m;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_archive_writer *w;
    plain_make(&p);
    memory_init(&m, 4u << 20);
    struct dsdn_archive_options options = script_options(&p.s);
    for (size_t stop = 0; stop <= p.s.cnt; stop++) {
        m.exists = false;
        assert_int_equal(dsdn_archive_create(&m.io, MEMORY_PATH, &options, &w, &error), 0);
        uint64_t acknowledged = p.s.first;
        assert_int_equal(script_play(&p.s, w, 0, stop, 1, &acknowledged, &error), 0);
        dsdn_archive_writer_close(w);
        finish_and_compare(&m, &p, acknowledged, "stopped at step", stop);
    }
    plain_free(&p);
    memory_free(&m);
}

/* A finish that was interrupted has cut its last frame; going on with more batches opens that frame again. */
static void resume_a_finish_and_add(void **state)
{
    (void)state;
    struct plain p;
    struct memory m;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_archive_writer *w;
    plain_make(&p);
    memory_init(&m, 4u << 20);
    struct dsdn_archive_options options = script_options(&p.s);
    for (size_t stop = 0; stop < p.s.cnt; stop++)
        for (size_t cut = 1; cut < 400; cut += 133) {
            m.exists = false;
            assert_int_equal(dsdn_archive_create(&m.io, MEMORY_PATH, &options, &w, &error), 0);
            assert_int_equal(script_play(&p.s, w, 0, stop, 0, NULL, &error), 0);
            assert_int_equal(dsdn_archive_finish(w, NULL, &error), 0);
            dsdn_archive_writer_close(w);
            m.len -= cut < m.len ? cut : m.len;
            finish_and_compare(&m, &p, p.s.first, "finish stopped after step", stop);
        }
    plain_free(&p);
    memory_free(&m);
}

/* Damage that no stopped writer leaves behind is not cut off. */
static void damage_is_not_a_torn_tail(void **state)
{
    (void)state;
    struct memory m;
    struct script s;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_archive_writer *w;
    memory_init(&m, 80u << 20);
    script_init(&s, 0);
    for (int i = 0; i < 70; i++) script_batch(&s, 1048000, true);
    memory_write(&m, &s, 0, NULL);
    m.len -= 10;
    size_t len = m.len;
    m.bytes[3000000] ^= 1;
    assert_int_equal(dsdn_archive_resume(&m.io, MEMORY_PATH, false, &w, NULL, &error), DSDN_E_CHECKSUM);
    assert_int_equal(m.len, len);
    assert_in_range(error.offset, 1900000, 3000000);
    m.bytes[3000000] ^= 1;
    m.bytes[len - 3000000] ^= 1; /* near the end it may be one */
    struct dsdn_archive_resumed report;
    assert_int_equal(dsdn_archive_resume(&m.io, MEMORY_PATH, false, &w, &report, &error), 0);
    assert_in_range(report.next, 65, 68);
    assert_in_range(report.dropped, 2900000, 4200000);
    dsdn_archive_writer_close(w);
    script_free(&s);
    memory_free(&m);
}

/* create, all steps with a sync after every second one, finish. */
static int write_all(struct memory *m, const struct script *s, uint64_t *acknowledged, bool *created,
                     struct dsdn_error *error)
{
    struct dsdn_archive_writer *w;
    struct dsdn_archive_options options = script_options(s);
    int rc = dsdn_archive_create(&m->io, MEMORY_PATH, &options, &w, error);
    *created = rc == 0;
    if (rc) return rc;
    rc = script_play(s, w, 0, s->cnt, 2, acknowledged, error);
    if (!rc) rc = dsdn_archive_finish(w, NULL, error);
    if (rc) {
        struct dsdn_error again;
        int calls = (int)m->calls; /* a failed writer says it again and leaves the file alone */
        assert_int_equal(dsdn_archive_sync(w, NULL, &again), rc);
        assert_int_equal(dsdn_archive_finish(w, NULL, &again), rc);
        assert_string_equal(again.message, error->message);
        assert_int_equal(m->calls, calls);
    }
    dsdn_archive_writer_close(w);
    return rc;
}

static void errors_at_every_call(void **state)
{
    (void)state;
    static const struct {
        enum memory_fault fault;
        int code; /* 0: it must go on */
    } faults[] = {
        {FAULT_EIO, DSDN_E_IO}, {FAULT_ENOSPC, DSDN_E_NO_SPACE}, {FAULT_EINTR, 0}, {FAULT_SHORT, 0}};
    struct plain p;
    struct memory m;
    plain_make(&p);
    memory_init(&m, 4u << 20);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (unsigned n = 1;; n++) {
            struct dsdn_error error = DSDN_ERROR_INIT;
            uint64_t acknowledged = p.s.first;
            bool created;
            m.exists = m.locked = false;
            memory_fault(&m, faults[i].fault, n);
            int rc = write_all(&m, &p.s, &acknowledged, &created, &error);
            bool done = m.calls < n;
            memory_fault(&m, FAULT_NONE, 0);
            assert_int_equal(rc, done ? 0 : faults[i].code);
            if (rc) {
                /* the archive, or the directory that could not be synced */
                assert_true(!strcmp(error.file, MEMORY_PATH) || !strcmp(error.file, "dir"));
                if (!created) assert_false(m.exists); /* nothing half-written */
            }
            if (created && rc) finish_and_compare(&m, &p, acknowledged, "error at call", n);
            if (!rc && memcmp(m.bytes, p.whole.bytes, p.whole.len) != 0) fail_msg("call %u: other bytes", n);
            if (done) break;
        }
    plain_free(&p);
    memory_free(&m);
}

/* Errors while a reader opens, checks and reads, and while a writer resumes: reported, and the file is left
 * whole. */
static void errors_while_reading(void **state)
{
    (void)state;
    struct plain p;
    struct memory m;
    plain_make(&p);
    memory_init(&m, 4u << 20);
    for (unsigned n = 1, failed = 1; failed; n++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_source *source;
        struct dsdn_record record;
        struct dsdn_buffer buffer = {0};
        memory_set(&m, p.whole.bytes, p.whole.len);
        memory_fault(&m, FAULT_EIO, n);
        int rc = dsdn_archive_open(&m.io, MEMORY_PATH, DSDN_ARCHIVE_RECOVER, &source, &error);
        if (!rc) rc = dsdn_archive_check(source, &error);
        while (!rc) rc = dsdn_source_next(source, &buffer, &record, &error);
        failed = m.calls >= n;
        assert_int_equal(rc, failed ? DSDN_E_IO : DSDN_E_AGAIN);
        if (failed) assert_string_equal(error.file, MEMORY_PATH);
        dsdn_source_close(source);
        dsdn_buffer_free(&buffer);
    }
    for (unsigned n = 1, failed = 1; failed; n++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_archive_writer *w;
        memory_set(&m, p.whole.bytes, p.whole.len - 1);
        memory_fault(&m, FAULT_EIO, n);
        int rc = dsdn_archive_resume(&m.io, MEMORY_PATH, false, &w, NULL, &error);
        failed = m.calls >= n;
        assert_int_equal(rc, failed ? DSDN_E_IO : 0);
        memory_fault(&m, FAULT_NONE, 0);
        dsdn_archive_writer_close(w);
        m.locked = false;
        finish_and_compare(&m, &p, p.s.first, "resumption that failed at call", n);
    }
    plain_free(&p);
    memory_free(&m);
}

static void power_cuts(void **state)
{
    (void)state;
    struct plain p;
    struct memory m;
    uint64_t random = 20261120;
    plain_make(&p);
    memory_init(&m, 4u << 20);
    m.model_power = true;
    struct dsdn_error none = DSDN_ERROR_INIT;
    bool made;
    assert_int_equal(write_all(&m, &p.s, &(uint64_t){0}, &made, &none), 0);
    unsigned calls = m.calls; /* the last two: sync the footer, sync the directory */
    for (unsigned n = 1, cut = 1; cut; n++)
        for (int fate = 0; fate < (n + 1 == calls ? 40 : 2); fate++) {
            struct dsdn_error error = DSDN_ERROR_INIT;
            uint64_t acknowledged = p.s.first;
            bool created;
            m.exists = m.durable_exists = m.locked = false;
            m.durable_len = 0;
            memory_forget_ops(&m);
            memory_fault(&m, FAULT_POWER, n);
            int rc = write_all(&m, &p.s, &acknowledged, &created, &error);
            cut = m.calls >= n;
            assert_int_equal(rc != 0, cut);
            if (created)
                memory_reboot(&m, &random);
            else
                m.exists = m.off = false, memory_fault(&m, FAULT_NONE, 0);
            struct dsdn_source *source; /* a footer means that all before it is there */
            if (created && dsdn_archive_open(&m.io, MEMORY_PATH, 0, &source, &error) == 0) {
                if (dsdn_archive_check(source, &error))
                    fail_msg("power cut at call %u: a footer too early", n);
                dsdn_source_close(source);
            }
            if (created) finish_and_compare(&m, &p, acknowledged, "power cut at call", n);
        }
    plain_free(&p);
    memory_free(&m);
}

/* ---- a process that is killed ---- */

/* One life: resume (or create), go on with a sync after every step, finish.  Never returns. */
static void killed_life(const struct script *s, const char *path, uint64_t *acknowledged)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_archive_writer *w;
    struct dsdn_archive_resumed report = {.next = s->first};
    struct dsdn_archive_options options = script_options(s);
    int rc = dsdn_archive_resume(&dsdn_io_system, path, false, &w, &report, &error);
    if (rc == DSDN_E_EXISTS) _exit(0); /* killed between the last write and the end of finish */
    if (rc == DSDN_E_TRUNCATED && *acknowledged == s->first) {
        unlink(path);
        rc = DSDN_E_NOT_FOUND;
    }
    if (rc == DSDN_E_NOT_FOUND) rc = dsdn_archive_create(&dsdn_io_system, path, &options, &w, &error);
    if (!rc && report.next < *acknowledged) _exit(3);
    if (!rc) rc = script_play(s, w, script_from(s, report.next), s->cnt, 1, acknowledged, &error);
    if (!rc) rc = dsdn_archive_finish(w, NULL, &error);
    if (rc) fprintf(stderr, "%s: %s\n", dsdn_error_name(rc), error.message);
    _exit(rc ? 2 : 0);
}

static void killed_and_resumed(void **state)
{
    (void)state;
    struct plain p;
    char dir[] = "/tmp/dsdn-archive-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/span.dsdn", dir);
    plain_make(&p);
    uint64_t *acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(acknowledged, MAP_FAILED);
    *acknowledged = p.s.first;
    uint64_t random = 4711, life_ns = 1000000; /* kept at the length of a life that ends well now and then */
    int killed = 0, finished = 0;
    for (int life = 0; (killed < 100 || finished < 10) && life < 2000; life++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) killed_life(&p.s, path, acknowledged);
        struct timespec pause = {0, (long)(fixture_random(&random) % life_ns)};
        int status;
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status)) {
            killed++;
            if (life_ns < 500000000) life_ns += life_ns / 16;
            continue;
        }
        assert_int_equal(WEXITSTATUS(status), 0);
        uint8_t *bytes;
        size_t len;
        assert_int_equal(dsdn_io_read_file(&dsdn_io_system, path, p.whole.len, &bytes, &len, NULL), 0);
        assert_int_equal(len, p.whole.len);
        assert_memory_equal(bytes, p.whole.bytes, len);
        free(bytes);
        finished++;
        life_ns -= life_ns / 4;
        assert_int_equal(unlink(path), 0);
        *acknowledged = p.s.first;
    }
    assert_true(killed >= 100 && finished >= 10);
    print_message("killed %d times, finished %d times\n", killed, finished);
    unlink(path);
    rmdir(dir);
    munmap(acknowledged, 4096);
    plain_free(&p);
}

/* ---- no memory ---- */

/* Everything a program does with an archive, once. */
static int whole_life(struct memory *m, const struct script *s, int fd, struct dsdn_error *error)
{
    struct dsdn_archive_writer *w = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    struct dsdn_archive_blob blob;
    struct dsdn_archive_options options = script_options(s);
    uint64_t cursor = 0;
    m->exists = m->locked = false;
    int rc = dsdn_archive_create(&m->io, MEMORY_PATH, &options, &w, error);
    if (!rc) rc = script_play(s, w, 0, s->cnt / 2, 0, NULL, error);
    dsdn_archive_writer_close(w);
    if (rc) return rc;
    rc = dsdn_archive_open(&m->io, MEMORY_PATH, DSDN_ARCHIVE_RECOVER, &source, error);
    dsdn_source_close(source);
    source = NULL;
    if (rc) return rc;
    struct dsdn_archive_resumed report;
    rc = dsdn_archive_resume(&m->io, MEMORY_PATH, false, &w, &report, error);
    if (!rc) rc = script_play(s, w, script_from(s, report.next), s->cnt, 0, NULL, error);
    if (!rc) rc = dsdn_archive_finish(w, NULL, error);
    if (!rc || w) dsdn_archive_writer_close(w);
    if (!rc) rc = dsdn_archive_open(&m->io, MEMORY_PATH, 0, &source, error);
    if (!rc) rc = dsdn_archive_check(source, error);
    while (!rc) rc = dsdn_archive_blob_next(source, &cursor, ~0u, &buffer, &blob, error);
    if (rc == DSDN_E_AGAIN) rc = 0;
    while (!rc) rc = dsdn_source_next(source, &buffer, &record, error);
    dsdn_source_close(source);
    dsdn_buffer_free(&buffer);
    if (rc != DSDN_E_AGAIN) return rc;
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, m->bytes, m->len, 0), m->len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    rc = dsdn_archive_open_stream(fd, "standard input", &source, error);
    while (!rc) rc = dsdn_source_next(source, &buffer, &record, error);
    dsdn_source_close(source);
    dsdn_buffer_free(&buffer);
    return rc == DSDN_E_AGAIN ? 0 : rc;
}

static void every_allocation_fails(void **state)
{
    (void)state;
    struct plain p;
    struct memory m;
    plain_make(&p);
    memory_init(&m, 4u << 20);
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_true(fd >= 0);
    unsigned long n = 1;
    for (;; n++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        allocations = 0;
        allocation_fails_at = n;
        int rc = whole_life(&m, &p.s, fd, &error);
        bool done = allocations < n;
        allocation_fails_at = 0;
        if (done) assert_int_equal(rc, 0);
        if (done) break;
        assert_int_equal(rc, DSDN_E_NO_MEMORY);
        assert_int_equal(error.code, DSDN_E_NO_MEMORY);
    }
    assert_true(n > 25);
    assert_memory_equal(m.bytes, p.whole.bytes, p.whole.len);
    close(fd);
    plain_free(&p);
    memory_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resume_from_every_length),
        cmocka_unit_test(resume_after_every_step),
        cmocka_unit_test(resume_a_finish_and_add),
        cmocka_unit_test(damage_is_not_a_torn_tail),
        cmocka_unit_test(errors_at_every_call),
        cmocka_unit_test(errors_while_reading),
        cmocka_unit_test(power_cuts),
        cmocka_unit_test(killed_and_resumed),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
