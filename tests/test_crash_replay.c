/* The whole ingest loop under SIGKILL: log directory, engine, checkpoints with their catalogue, and an
 * archive that follows on a second thread.  Whatever the instant, what was acknowledged is there, the newest
 * checkpoint and the log behind it give the roots of a run that nobody disturbed, and the archive goes on to
 * the same bytes.  DSDN_CRASH_CYCLES=N kills N times. */
#include "tests/store_util.h"

#include "log/archive.h"
#include "roles/neutral/bench_file.h"
#include "statemachine/checkpoint.h"
#include "statemachine/replay.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum {
    EVENTS = 6000,
    PER_BATCH = 20,
    BATCHES = EVENTS / PER_BATCH,
    SYNC_EVERY = 3,       /* batches between two acknowledgements ... */
    CHECKPOINT_EVERY = 9, /* ... and between two checkpoints */
    NODES = 60,
    CHUNKS = 500,
    META_MAX = 4000, /* of a chunk: long enough for an archive of several frames */
    SEGMENT = 1 << 18,
    KILLS = 260,
    FINISHES = 5
};

/* What an undisturbed run makes. */
struct whole {
    struct dsdn_genesis genesis;
    struct dsdn_view batches[BATCHES];
    uint8_t hashes[BATCHES][32];
    uint8_t roots[BATCHES + 1][32]; /* after so many batches */
    uint8_t *archive;
    size_t archive_len;
};

/* What a life has promised; a word on the pipe is promise << 56 | number. */
enum promise { LOG = 1, CHECKPOINT = 2, ARCHIVE = 3 };

/* ---- the log, written as a neutral bench file ---- */

struct bytes {
    uint8_t *at;
    size_t len;
};

static void put(struct bytes *b, const void *from, size_t len)
{
    memcpy(b->at + b->len, from, len);
    b->len += len;
}

static void put_id(struct bytes *b, uint64_t kind, uint64_t number)
{
    uint64_t seed = kind << 32 ^ (number + 1);
    for (int i = 0; i < 4; i++) {
        uint64_t word = test_random(&seed);
        put(b, &word, 8);
    }
}

static void put_noise(struct bytes *b, uint64_t *random, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)(test_random(random) >> 40);
        put(b, &byte, 1);
    }
}

/* One record, body by type (bench_file.h); the first events make something for the others to refer to. */
static void put_record(struct bytes *b, uint64_t ordinal, uint64_t *random)
{
    static const uint8_t types[20] = {1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 6};
    uint64_t dice = test_random(random), time_ms = 1700000000000 + 7 * ordinal, capacity = dice >> 20;
    uint64_t node = dice >> 8 & 0xffff, chunk = dice >> 24 & 0xffff;
    uint8_t type = ordinal < 10 ? 1 : ordinal < 30 ? 2 : types[dice % 20], version = 1;
    uint16_t flags = 0, text = (uint16_t)(type == 1 ? dice % 49 : dice % META_MAX);
    size_t start = b->len;
    b->len += 4;
    put(b, &type, 1);
    put(b, &version, 1);
    put(b, &flags, 2);
    put(b, &ordinal, 8);
    put(b, &time_ms, 8);
    switch (type) {
    case 1:
        put_id(b, 1, node % NODES);
        put(b, &capacity, 8);
        put(b, &dice, 4);
        put(b, &text, 2);
        put_noise(b, random, text);
        break;
    case 2:
        put_id(b, 2, chunk % CHUNKS);
        put_id(b, 3, node);
        put(b, &capacity, 8);
        put(b, &dice, 2);
        put(b, &text, 2);
        put_noise(b, random, text);
        break;
    case 3:
        put_id(b, 2, chunk % CHUNKS);
        put_id(b, 1, node % NODES);
        put(b, "\3\0\0\0", 4);
        put_noise(b, random, 32);
        break;
    case 4:
    case 5:
        put_id(b, 2, chunk % CHUNKS);
        put_id(b, 1, node % NODES);
        put_noise(b, random, 36);
        break;
    default:
        put_id(b, 1, node % NODES);
        capacity = dice % 1000;
        put(b, &capacity, 8);
        put_noise(b, random, 32);
    }
    dsdn_store32(b->at + start, (uint32_t)(b->len - start - 4));
}

static int keep_batch(void *self, const struct dsdn_view *batch, uint64_t sequence, uint32_t events,
                      struct dsdn_error *error)
{
    struct whole *w = self;
    (void)error;
    assert_true(sequence < BATCHES);
    assert_int_equal(events, PER_BATCH);
    uint8_t *copy = malloc(batch->len);
    assert_non_null(copy);
    memcpy(copy, batch->bytes, batch->len);
    w->batches[sequence] = (struct dsdn_view){copy, batch->len};
    dsdn_batch_hash(copy, w->hashes[sequence]);
    return DSDN_OK;
}

static void make_log(struct whole *w, const struct path *dir)
{
    struct path file = sub(dir, "ev.bin");
    struct dsdn_sign_key key;
    struct bytes b = {malloc((size_t)EVENTS * (META_MAX + 200)), NEUTRAL_FILE_HEADER};
    uint64_t random = 20240229;
    assert_non_null(b.at);
    memset(b.at, 0, NEUTRAL_FILE_HEADER);
    for (uint64_t i = 0; i < EVENTS; i++) put_record(&b, i, &random);
    memcpy(b.at, "DSDNBEV1", 8);
    dsdn_store32(b.at + 8, 1);
    dsdn_store32(b.at + 12, NEUTRAL_FILE_HEADER);
    dsdn_store64(b.at + 16, EVENTS);
    dsdn_store64(b.at + 24, 7);
    dsdn_store64(b.at + 32, b.len - NEUTRAL_FILE_HEADER);
    spew(file.text, b.at, b.len);
    must(neutral_genesis(b.at, &w->genesis, &key, test_error()));
    int fd = open(file.text, O_RDONLY | O_CLOEXEC);
    assert_int_equal(lseek(fd, NEUTRAL_FILE_HEADER, SEEK_SET), NEUTRAL_FILE_HEADER);
    must(neutral_import(fd, file.text, b.at, &w->genesis, &key, PER_BATCH, keep_batch, w, test_error()));
    close(fd);
    free(b.at);
    assert_non_null(w->batches[BATCHES - 1].bytes);
}

/* ---- one batch, one engine ---- */

static struct dsdn_engine *fresh_engine(const struct whole *w)
{
    struct dsdn_engine_options options = {.hash_seed = (uint64_t)getpid()};
    struct dsdn_engine *e;
    must(dsdn_engine_new(&neutral_catalogue, &options, &e, test_error()));
    must(dsdn_engine_genesis(e, w->genesis.bytes, w->genesis.len, test_error()));
    return e;
}

static int take_batch(struct dsdn_engine *e, struct dsdn_prepared *p, struct dsdn_view batch,
                      struct dsdn_error *error)
{
    int rc = dsdn_prepare(p, &neutral_catalogue, dsdn_engine_seed(e), batch.bytes, batch.len, error);
    if (!rc) rc = dsdn_prepare_hashes(&p, 1, DSDN_CHECK_BODY, error);
    if (!rc) rc = dsdn_engine_judge(e, p, NULL, error);
    return rc ? rc : dsdn_engine_apply(e, p, error);
}

static void engine_root(struct dsdn_engine *e, uint8_t root[32])
{
    struct dsdn_roots roots;
    must(dsdn_engine_root(e, 1, &roots, test_error()));
    memcpy(root, roots.state, 32);
}

static void make_whole(struct whole *w, const struct path *dir)
{
    struct path path = sub(dir, "whole.dsdn");
    make_log(w, dir);
    struct dsdn_engine *e = fresh_engine(w);
    struct dsdn_prepared p = {0};
    struct dsdn_archive_writer *archive;
    struct dsdn_archive_options options = {.genesis = {w->genesis.bytes, w->genesis.len}};
    must(dsdn_archive_create(&dsdn_io_system, path.text, &options, &archive, test_error()));
    engine_root(e, w->roots[0]);
    for (uint64_t i = 0; i < BATCHES; i++) {
        must(take_batch(e, &p, w->batches[i], test_error()));
        engine_root(e, w->roots[i + 1]);
        assert_memory_not_equal(w->roots[i], w->roots[i + 1], 32);
        must(dsdn_archive_append(archive, w->batches[i].bytes, w->batches[i].len, test_error()));
    }
    assert_true(dsdn_engine_applied(e) > EVENTS / 3);
    struct dsdn_archive_info info;
    must(dsdn_archive_finish(archive, &info, test_error()));
    dsdn_archive_writer_close(archive);
    assert_true(info.frames >= 4);
    w->archive = slurp(path.text, &w->archive_len);
    dsdn_prepared_free(&p);
    dsdn_engine_free(e);
}

static void free_whole(struct whole *w)
{
    for (uint64_t i = 0; i < BATCHES; i++) free((void *)(uintptr_t)w->batches[i].bytes);
    dsdn_genesis_free(&w->genesis);
    free(w->archive);
}

/* ---- standing up again: the newest checkpoint of the catalogue, and the log behind it ---- */

/* *checkpoint: batches in the checkpoint that was used, 0 for genesis. */
static int resume_engine(const struct whole *w, struct dsdn_store *store, const char *dir, bool verify,
                         struct dsdn_engine **e, uint64_t *checkpoint, struct dsdn_error *error)
{
    struct dsdn_engine_options engine = {.hash_seed = (uint64_t)getpid() * 31};
    struct dsdn_checkpoint_row row;
    struct dsdn_checkpoint_info info;
    struct dsdn_source *source = NULL;
    struct dsdn_replay_result result;
    struct dsdn_replay_options replay = {
        .jobs = 2, .end = UINT64_MAX, .checks = DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS};
    *checkpoint = 0;
    int rc = dsdn_store_index(store)
                 ? dsdn_index_checkpoint_at_or_below(dsdn_store_index(store), UINT64_MAX, &row, error)
                 : dsdn_fail(error, DSDN_E_NOT_FOUND, "no index");
    if (rc == DSDN_E_NOT_FOUND) {
        *e = fresh_engine(w);
    } else if (rc) {
        return rc;
    } else {
        char path[PATH_MAX + DSDN_CHECKPOINT_FILE_MAX + 16];
        struct dsdn_checkpoint_options options = {
            .engine = &engine, .expect_root = row.root, .verify = verify};
        snprintf(path, sizeof path, "%s/checkpoints/%s", dir, row.name);
        rc = dsdn_checkpoint_restore(&neutral_catalogue, &options, &dsdn_io_system, path, e, &info, error);
        if (rc) return rc;
        if (info.sequence != row.sequence + 1 || !dsdn_equal32(info.file_hash, row.sha256))
            return dsdn_fail(error, DSDN_E_CHAIN, "the checkpoint is not the one of its row");
        *checkpoint = info.sequence;
    }
    rc = dsdn_store_source(store, &source, error);
    if (!rc) rc = dsdn_source_seek(source, *checkpoint, error);
    if (!rc) rc = dsdn_replay(*e, source, &replay, &result, error);
    dsdn_source_close(source);
    return rc;
}

/* ---- the child ---- */

static void tell(int out, enum promise what, uint64_t number)
{
    uint64_t word = (uint64_t)what << 56 | number;
    if (write(out, &word, sizeof word) != sizeof word) _exit(20); /* shorter than PIPE_BUF: never torn */
}

static void give_up(const char *what, const struct dsdn_error *error)
{
    char text[1024];
    dsdn_error_format(error, text, sizeof text);
    fprintf(stderr, "the ingest loop: %s: %s\n", what, text);
    _exit(21);
}

struct archiver {
    struct dsdn_source *source;
    struct dsdn_archive_writer *writer;
    uint64_t next;
    int out;
    pthread_t thread;
};

static int open_archive(const struct whole *w, const char *path, struct dsdn_archive_writer **writer,
                        struct dsdn_archive_resumed *resumed, struct dsdn_error *error)
{
    struct dsdn_archive_options options = {.genesis = {w->genesis.bytes, w->genesis.len}};
    int rc = dsdn_archive_resume(&dsdn_io_system, path, false, writer, resumed, error);
    if (rc == DSDN_E_TRUNCATED) { /* not even its header was whole: nothing was promised */
        unlink(path);
        rc = DSDN_E_NOT_FOUND;
    }
    if (rc != DSDN_E_NOT_FOUND) return rc;
    *resumed = (struct dsdn_archive_resumed){0};
    return dsdn_archive_create(&dsdn_io_system, path, &options, writer, error);
}

/* Follows what is durable in the log until all of it is archived. */
static void *archive_all(void *self)
{
    struct archiver *a = self;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    uint64_t acknowledged;
    while (a->writer && a->next < BATCHES) {
        int rc = dsdn_source_next(a->source, &buffer, &record, &error);
        if (rc == DSDN_E_AGAIN) {
            usleep(50);
            continue;
        }
        if (!rc) rc = dsdn_record_check(&record, &error);
        if (!rc) rc = dsdn_archive_append(a->writer, record.batch, record.len, &error);
        if (!rc && ++a->next % 8 == 0) {
            rc = dsdn_archive_sync(a->writer, &acknowledged, &error);
            if (!rc) tell(a->out, ARCHIVE, acknowledged);
        }
        if (rc) give_up("archive", &error);
    }
    if (a->writer && dsdn_archive_finish(a->writer, NULL, &error)) give_up("finish", &error);
    dsdn_archive_writer_close(a->writer);
    dsdn_buffer_free(&buffer);
    return NULL;
}

static void checkpoint(const struct whole *w, struct dsdn_engine *e, struct dsdn_store *store,
                       const char *dir, int out)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_checkpoint_info info;
    struct dsdn_checkpoint_row row = {.sequence = dsdn_head(dsdn_engine_state(e))->sequence - 1,
                                      .verified = true};
    char path[PATH_MAX + DSDN_CHECKPOINT_FILE_MAX + 16];
    snprintf(row.name, sizeof row.name, "%05llu.ckp", (unsigned long long)row.sequence);
    snprintf(path, sizeof path, "%s/checkpoints/%s", dir, row.name);
    int rc = dsdn_checkpoint_write(e, (struct dsdn_view){w->genesis.bytes, w->genesis.len}, 1,
                                   &dsdn_io_system, path, &info, &error);
    row.bytes = info.bytes;
    memcpy(row.root, info.roots.state, 32);
    memcpy(row.sha256, info.file_hash, 32);
    if (!rc) rc = dsdn_index_put_checkpoint(dsdn_store_index(store), &row, &error);
    if (!rc) rc = dsdn_index_sync(dsdn_store_index(store), &error);
    if (rc) give_up("checkpoint", &error);
    tell(out, CHECKPOINT, row.sequence + 1);
}

/* One life: stand up, go on to the end of the log.  Never returns. */
static void live(const struct whole *w, const char *dir, const char *archive_path, int out)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_store_options options = {
        .write = true, .segment_bytes = SEGMENT, .genesis_hash = w->genesis.hash};
    struct dsdn_store *store;
    struct dsdn_store_info info;
    struct dsdn_engine *e;
    struct dsdn_prepared p = {0};
    uint64_t from;
    if (dsdn_store_open(dir, &options, &store, NULL, &error)) give_up("open", &error);
    if (resume_engine(w, store, dir, false, &e, &from, &error)) give_up("resume", &error);
    dsdn_store_info(store, &info);
    struct archiver a = {.out = out};
    struct dsdn_archive_resumed resumed;
    int rc = open_archive(w, archive_path, &a.writer, &resumed, &error);
    if (rc == DSDN_E_EXISTS)
        resumed.next = BATCHES; /* finished by an earlier life */
    else if (rc)
        give_up("resume the archive", &error);
    a.next = resumed.next;
    if (dsdn_store_source(store, &a.source, &error) || dsdn_source_seek(a.source, a.next, &error))
        give_up("source", &error);
    if (pthread_create(&a.thread, NULL, archive_all, &a)) _exit(22);
    for (uint64_t i = info.next_sequence; i < BATCHES; i++) {
        struct dsdn_view b = w->batches[i];
        rc = dsdn_store_append(store, b.bytes, b.len, i, w->hashes[i], PER_BATCH,
                               DSDN_RECORD_SIGNATURES_CHECKED, &error);
        if (!rc) rc = take_batch(e, &p, b, &error);
        if (rc) give_up("ingest", &error);
        if ((i + 1) % SYNC_EVERY) continue;
        if (dsdn_store_sync(store, &error)) give_up("sync", &error);
        tell(out, LOG, i + 1);
        if ((i + 1) % CHECKPOINT_EVERY == 0) checkpoint(w, e, store, dir, out);
    }
    if (dsdn_store_sync(store, &error)) give_up("sync", &error);
    tell(out, LOG, BATCHES);
    pthread_join(a.thread, NULL);
    dsdn_source_close(a.source);
    dsdn_store_close(store);
    dsdn_engine_free(e);
    dsdn_prepared_free(&p);
    _exit(0);
}

/* ---- the parent ---- */

/* Every file with a checkpoint's name is a whole one, acknowledged or not. */
static void check_files(const struct whole *w, const char *dir)
{
    char path[PATH_MAX + DSDN_CHECKPOINT_FILE_MAX + 16];
    for (uint64_t i = CHECKPOINT_EVERY; i <= BATCHES; i += CHECKPOINT_EVERY) {
        struct dsdn_checkpoint_info info;
        snprintf(path, sizeof path, "%s/checkpoints/%05llu.ckp", dir, (unsigned long long)i - 1);
        int rc = dsdn_checkpoint_info(&dsdn_io_system, path, &info, test_error());
        if (rc == DSDN_E_NOT_FOUND) continue;
        must(rc);
        assert_int_equal(info.sequence, i);
        assert_memory_equal(info.roots.state, w->roots[i], 32);
    }
}

static void check_log(const struct whole *w, const struct path *log, const uint64_t promised[4], bool verify,
                      uint64_t *from_checkpoint)
{
    struct dsdn_store_report report;
    struct dsdn_store_info info;
    struct dsdn_store_options options = {
        .write = true, .segment_bytes = SEGMENT, .genesis_hash = w->genesis.hash};
    struct dsdn_store *store;
    struct dsdn_engine *e;
    struct dsdn_record record;
    struct dsdn_buffer buffer = {0};
    uint64_t checkpoint_at;
    uint8_t root[32];
    must(dsdn_store_open(log->text, &options, &store, &report, test_error()));
    dsdn_store_info(store, &info);
    if (info.next_sequence < promised[LOG])
        fail_msg("%llu batches are left of %llu acknowledged", (unsigned long long)info.next_sequence,
                 (unsigned long long)promised[LOG]);
    assert_false(report.index_rebuilt && promised[LOG]);
    for (uint64_t i = 0; i < info.next_sequence; i += info.next_sequence / 16 + 1) {
        must(dsdn_store_read(store, i, &buffer, &record, test_error()));
        assert_int_equal(record.len, w->batches[i].len);
        assert_memory_equal(record.batch, w->batches[i].bytes, record.len);
    }
    dsdn_buffer_free(&buffer);
    must(resume_engine(w, store, log->text, verify, &e, &checkpoint_at, test_error()));
    if (checkpoint_at < promised[CHECKPOINT])
        fail_msg("the newest checkpoint has %llu batches, one of %llu was acknowledged",
                 (unsigned long long)checkpoint_at, (unsigned long long)promised[CHECKPOINT]);
    assert_int_equal(dsdn_head(dsdn_engine_state(e))->sequence, info.next_sequence);
    engine_root(e, root);
    assert_memory_equal(root, w->roots[info.next_sequence], 32);
    *from_checkpoint += checkpoint_at > 0;
    dsdn_engine_free(e);
    dsdn_store_close(store);
    check_files(w, log->text);
}

/* What a kill has left is a prefix of the undisturbed file, with all that was acknowledged in it. */
static void check_archive(const struct whole *w, const struct path *path, uint64_t promised)
{
    struct dsdn_archive_writer *writer = NULL;
    struct dsdn_archive_resumed resumed = {0};
    size_t len = 0;
    int rc = dsdn_archive_resume(&dsdn_io_system, path->text, false, &writer, &resumed, test_error());
    dsdn_archive_writer_close(writer);
    if ((rc == DSDN_E_NOT_FOUND || rc == DSDN_E_TRUNCATED) && promised == 0) return;
    if (rc != DSDN_E_EXISTS) {
        must(rc);
        assert_true(resumed.next >= promised);
    }
    uint8_t *bytes = slurp(path->text, &len);
    assert_int_equal(len, rc == DSDN_E_EXISTS ? w->archive_len : resumed.kept);
    assert_true(len <= w->archive_len);
    assert_memory_equal(bytes, w->archive, len);
    free(bytes);
}

static void create_log(const struct whole *w, const struct path *log, const struct path *archive)
{
    scratch_remove(log);
    unlink(archive->text);
    must(dsdn_store_create(log->text, NULL, (struct dsdn_view){w->genesis.bytes, w->genesis.len},
                           w->genesis.hash, NULL, test_error()));
}

/* Runs one life for at most `pause_us`; true when it was killed.  promised[] is raised by what it told. */
static bool run_life(const struct whole *w, const struct path *log, const struct path *archive,
                     useconds_t pause_us, uint64_t promised[4])
{
    int ends[2], status;
    uint64_t word;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        live(w, log->text, archive->text, ends[1]);
    }
    close(ends[1]);
    usleep(pause_us);
    kill(child, SIGKILL);
    while (read(ends[0], &word, sizeof word) == sizeof word) promised[word >> 56] = word & 0xffffffffffffff;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status))
        fail_msg("the ingest loop ended with %d", WEXITSTATUS(status));
    return WIFSIGNALED(status);
}

static unsigned long wanted_kills(void)
{
    const char *text = getenv("DSDN_CRASH_CYCLES");
    unsigned long wanted = text ? strtoul(text, NULL, 10) : KILLS;
    return wanted ? wanted : KILLS;
}

static void test_kill(void **state)
{
    (void)state;
    struct path dir = scratch_make(), log = sub(&dir, "log"), archive = sub(&dir, "log.dsdn");
    static struct whole w;
    uint64_t random = 31337, promised[4] = {0}, told[4] = {0}, from_checkpoint = 0, life_us = 20000;
    unsigned long kills = 0, finishes = 0, wanted = wanted_kills();
    make_whole(&w, &dir);
    create_log(&w, &log, &archive);
    for (unsigned long life = 0; kills < wanted || finishes < FINISHES; life++) {
        assert_true(life < 20 * wanted + 1000);
        bool killed = run_life(&w, &log, &archive, (useconds_t)(test_random(&random) % life_us), promised);
        check_log(&w, &log, promised, life % 4 == 0, &from_checkpoint);
        check_archive(&w, &archive, promised[ARCHIVE]);
        for (int i = LOG; i <= ARCHIVE; i++) told[i] += promised[i] > 0;
        if (killed) {
            kills++;
            if (life_us < 2000000) life_us += life_us / 64; /* so that a log is finished now and then */
            continue;
        }
        assert_int_equal(promised[LOG], BATCHES);
        size_t len;
        uint8_t *bytes = slurp(archive.text, &len);
        assert_int_equal(len, w.archive_len);
        assert_memory_equal(bytes, w.archive, len);
        free(bytes);
        finishes++;
        life_us -= life_us / 4;
        memset(promised, 0, sizeof promised);
        create_log(&w, &log, &archive);
    }
    print_message("%lu kills, %lu logs finished; %llu restarts from a checkpoint\n", kills, finishes,
                  (unsigned long long)from_checkpoint);
    assert_true(told[LOG] > kills / 4 && told[CHECKPOINT] > kills / 4 && told[ARCHIVE] > kills / 8);
    assert_true(from_checkpoint > kills / 4);
    free_whole(&w);
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
