/* compare_tool.c: the figures that the race of the neutral bench format has no column for; bench/compare runs
 * it.
 *
 *     bench-compare-tool signatures EVENTS ROUNDS   every event signed, 2 threads, against libsodium alone
 *     bench-compare-tool proof KEYS                 one key out of so many
 *     bench-compare-tool make FILE|EVENTS DIR       a log directory, of a bench file or made up, with a
 *                                                   checkpoint at 99 %
 *     bench-compare-tool tail DIR ROUNDS            restart from that checkpoint, against genesis
 *     bench-compare-tool open DIR                   until the first batch is there
 *     bench-compare-tool growth SMALL LARGE ROUNDS  replay rate of two logs of different size
 *
 * Prints a line per figure: what, measured, target, verdict.  Exit status 1 when a target is missed, 2 when
 * something could not be measured. */
#include "bench/workload.h"
#include "log/store.h"
#include "statemachine/checkpoint.h"
#include "statemachine/proof.h"
#include "statemachine/replay.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static bool missed;

/* target NULL: a figure that only puts another one in its place. */
static void figure(const char *what, const char *measured, const char *target, bool met)
{
    printf("%-62s %18s   %-12s %s\n", what, measured, target ? target : "-",
           target ? met ? "met" : "MISSED" : "");
    fflush(stdout);
    missed |= target && !met;
}

static int start(const char *dir, struct dsdn_engine **e, struct dsdn_source **source,
                 struct dsdn_error *error)
{
    struct dsdn_engine_options options = {.hash_seed = (uint64_t)getpid() * 0x9E3779B97F4A7C15u};
    int rc = dsdn_log_source_open(dir, NULL, source, error);
    if (!rc) rc = dsdn_engine_new(workload_catalogue(), &options, e, error);
    return rc ? rc : dsdn_engine_genesis(*e, (*source)->genesis.bytes, (*source)->genesis.len, error);
}

/* Seconds from before the first open to the last event. */
static int timed_replay(const char *dir, uint32_t checks, struct dsdn_replay_result *result, double *seconds,
                        struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_replay_options options = {.jobs = 2, .end = UINT64_MAX, .checks = checks};
    double t0 = workload_now();
    int rc = start(dir, &e, &source, error);
    if (!rc) rc = dsdn_replay(e, source, &options, result, error);
    *seconds = workload_now() - t0;
    dsdn_source_close(source);
    dsdn_engine_free(e);
    return rc;
}

/* ---- signatures ---- */

/* Libsodium alone works about as long as the replay does (40,000 events on two cores), so that both see the
 * same of what else happens on the machine. */
enum { SIGNATURES = 20000, KEYS = 64 };

struct signatures {
    struct dsdn_sign_key keys[KEYS];
    uint8_t digests[SIGNATURES][32], signatures[SIGNATURES][64];
};

static void *verify_all(void *self)
{
    struct signatures *s = self;
    for (uint32_t i = 0; i < SIGNATURES; i++)
        if (crypto_sign_verify_detached(s->signatures[i], s->digests[i], 32, s->keys[i % KEYS].public_key))
            abort();
    return NULL;
}

static void make_signatures(struct signatures *s)
{
    uint8_t seed[32] = {7};
    for (uint32_t i = 0; i < KEYS; i++, seed[1]++) dsdn_sign_key_from_seed(&s->keys[i], seed);
    for (uint32_t i = 0; i < SIGNATURES; i++) {
        memcpy(s->digests[i], &i, sizeof i);
        dsdn_sign(&s->keys[i % KEYS], s->digests[i], s->signatures[i]);
    }
}

/* Verifications a second of libsodium alone on one core.  Bound to it: a thread that may wander to whichever
 * core is free has more than one core when others want them too, and two threads cannot have twice that. */
static double core_rate(struct signatures *s, size_t core)
{
    cpu_set_t all, one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    bool bound = sched_getaffinity(0, sizeof all, &all) == 0 && CPU_ISSET(core, &all) &&
                 sched_setaffinity(0, sizeof one, &one) == 0;
    double t0 = workload_now();
    verify_all(s);
    double rate = SIGNATURES / (workload_now() - t0);
    if (bound) sched_setaffinity(0, sizeof all, &all);
    return rate;
}

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The same of two threads at once. */
static double pair_rate(struct signatures *s)
{
    pthread_t other;
    double t0 = workload_now();
    bool started = pthread_create(&other, NULL, verify_all, s) == 0;
    verify_all(s);
    if (started) pthread_join(other, NULL);
    return (1 + started) * SIGNATURES / (workload_now() - t0);
}

static int signatures(uint64_t events, unsigned rounds, struct dsdn_error *error)
{
    struct workload w = {.events = events, .seed = 11, .nodes = 400, .chunks = 8000, .authors = KEYS};
    struct samples ratio = {.cnt = 0}, plain = {.cnt = 0}, ours = {.cnt = 0}, pair = {.cnt = 0},
                   work = {.cnt = 0};
    struct signatures *s = calloc(1, sizeof *s);
    char *dir = workload_directory(), text[64];
    int rc = s && dir ? DSDN_OK : dsdn_fail(error, DSDN_E_IO, "no memory or no scratch directory");
    if (!rc) make_signatures(s);
    if (!rc) rc = workload_create(&w, dir, error);
    for (unsigned i = 0; !rc && i < rounds; i++) {
        struct dsdn_replay_result result;
        double c0 = cpu_now(), before = core_rate(s, 0), c1 = cpu_now(), seconds;
        rc = timed_replay(dir, DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS | DSDN_CHECK_SIGNATURES, &result,
                          &seconds, error);
        if (rc) break;
        samples_add(&work, (cpu_now() - c1) / (double)result.signatures / ((c1 - c0) / SIGNATURES));
        double both = pair_rate(s), one = (before + core_rate(s, 1)) / 2,
               rate = (double)result.signatures / seconds;
        samples_add(&plain, one);
        samples_add(&ours, rate);
        samples_add(&pair, both / (2 * one));
        samples_add(&ratio, rate / (2 * one));
    }
    if (dir) workload_remove(dir);
    free(dir);
    free(s);
    if (rc) return rc;
    snprintf(text, sizeof text, "%.0f /s", samples_median(&plain));
    figure("libsodium alone, one core, 32-byte messages", text, NULL, true);
    snprintf(text, sizeof text, "%.3f", samples_median(&pair));
    figure("libsodium alone, two threads, over twice one core", text, NULL, true);
    snprintf(text, sizeof text, "%.0f /s", samples_median(&ours));
    figure("replay with every event signed, 2 threads, signatures", text, NULL, true);
    snprintf(text, sizeof text, "%.3f", samples_median(&work));
    figure("... processor time of one over libsodium's", text, NULL, true);
    snprintf(text, sizeof text, "%.3f (best %.3f)", samples_median(&ratio), samples_most(&ratio));
    figure("... over twice libsodium on one core", text, ">= 0.97", samples_median(&ratio) >= 0.97);
    return DSDN_OK;
}

/* ---- proofs ---- */

enum { PROOFS = 5000, BATCHES_AFTER = 32 };

static int prove(struct dsdn_engine *e, uint64_t i, struct samples *seconds, double *worst,
                 struct dsdn_buffer *proof, struct dsdn_error *error)
{
    const struct dsdn_table *t = &dsdn_engine_state(e)->tables[neutral_TABLE_chunk];
    struct dsdn_proof checked;
    const uint8_t *key = neutral_chunk_at(dsdn_engine_state(e), (uint32_t)(i * 2654435761u % t->row_end))->id;
    double t0 = workload_now();
    int rc = dsdn_proof_make(e, neutral_TABLE_chunk, key, 1, proof, error);
    double took = workload_now() - t0;
    samples_add(seconds, took);
    if (took > *worst) *worst = took;
    if (!rc) rc = dsdn_proof_check(proof->bytes, proof->len, NULL, &checked, error);
    if (!rc && !checked.present) rc = dsdn_fail(error, DSDN_E_PROOF, "the proof says that the key is absent");
    return rc;
}

static int proof(uint64_t keys, struct dsdn_error *error)
{
    struct workload w = {.events = keys + 1 + 1000 * BATCHES_AFTER,
                         .seed = 3,
                         .nodes = 1,
                         .chunks = (uint32_t)keys,
                         .chunk_percent = 100};
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_buffer buffer = {0};
    struct dsdn_replay_result result;
    struct dsdn_roots roots;
    struct samples quiet = {.cnt = 0}, after = {.cnt = 0};
    double worst = 0, worst_after = 0, all = 0;
    char *dir = workload_directory(), text[64], what[96];
    int rc = dir ? workload_create(&w, dir, error) : dsdn_fail(error, DSDN_E_IO, "no scratch directory");
    if (!rc) rc = start(dir, &e, &source, error);
    uint64_t sequence = rc ? 0 : source->count > BATCHES_AFTER ? source->count - BATCHES_AFTER : 0;
    struct dsdn_replay_options options = {.jobs = 2, .end = sequence};
    if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
    if (!rc) rc = dsdn_engine_root(e, 2, &roots, error);
    for (uint64_t i = 0; !rc && i < PROOFS; i++) {
        struct samples one = {.cnt = 0};
        rc = prove(e, i, &one, &worst, &buffer, error);
        all += one.at[0];
        if (i % 100 == 0) samples_add(&quiet, one.at[0]);
    }
    for (uint64_t i = 0; !rc && i < BATCHES_AFTER; i++) {
        options.end = sequence + i + 1;
        rc = dsdn_source_seek(source, sequence + i, error);
        if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
        if (!rc) rc = prove(e, i + 1, &after, &worst_after, &buffer, error);
    }
    if (!rc) {
        uint32_t rows = dsdn_engine_state(e)->tables[neutral_TABLE_chunk].live_cnt;
        snprintf(what, sizeof what, "proof of one key among %u, %zu bytes, mean of %d", rows, buffer.len,
                 PROOFS);
        snprintf(text, sizeof text, "%.1f us", 1e6 * all / PROOFS);
        figure(what, text, "< 1 ms", all / PROOFS < 1e-3 && rows >= keys);
        snprintf(text, sizeof text, "%.1f us", 1e6 * worst);
        figure("... the slowest of them", text, NULL, true);
        snprintf(text, sizeof text, "%.2f ms", 1e3 * samples_median(&after));
        figure("... right after a batch of 1,000 events, median", text, NULL, true);
    }
    dsdn_buffer_free(&buffer);
    dsdn_source_close(source);
    dsdn_engine_free(e);
    if (dir) workload_remove(dir);
    free(dir);
    return rc;
}

/* ---- a log with a checkpoint at 99 %: restarting and opening ---- */

static char *checkpoint_path(const char *dir)
{
    char *path = NULL;
    return asprintf(&path, "%s/checkpoints/tail.ckp", dir) < 0 ? NULL : path;
}

static int make(const char *from, const char *dir, struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_replay_result result;
    char *end, *path = checkpoint_path(dir);
    uint64_t events = strtoull(from, &end, 10);
    struct workload w = {.events = events,
                         .seed = 1,
                         .nodes = (uint32_t)(events / 100 + 10),
                         .chunks = (uint32_t)(events / 5 + 10)};
    int rc = !path  ? dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path")
             : *end ? workload_import(from, dir, error)
                    : workload_create(&w, dir, error);
    if (!rc) rc = start(dir, &e, &source, error);
    struct dsdn_replay_options options = {.jobs = 2,
                                          .end = rc ? 0 : source->count - (source->count + 99) / 100};
    if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
    if (!rc) rc = dsdn_checkpoint_write(e, source->genesis, 2, &dsdn_io_system, path, NULL, error);
    dsdn_source_close(source);
    dsdn_engine_free(e);
    free(path);
    return rc;
}

static int timed_restart(const char *dir, const char *path, uint32_t checks, uint64_t *tail, uint64_t *events,
                         double *seconds, struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_engine_options engine = {.hash_seed = (uint64_t)getpid()};
    struct dsdn_checkpoint_options options = {.engine = &engine, .threads = 2};
    struct dsdn_replay_options replay = {.jobs = 2, .end = UINT64_MAX, .checks = checks};
    struct dsdn_replay_result result;
    struct dsdn_checkpoint_info info;
    double t0 = workload_now();
    int rc = dsdn_log_source_open(dir, NULL, &source, error);
    if (!rc)
        rc = dsdn_checkpoint_restore(workload_catalogue(), &options, &dsdn_io_system, path, &e, &info, error);
    if (!rc) rc = dsdn_source_seek(source, info.sequence, error);
    if (!rc) rc = dsdn_replay(e, source, &replay, &result, error);
    *seconds = workload_now() - t0;
    if (!rc) {
        *tail = result.events;
        *events = dsdn_head(dsdn_engine_state(e))->event_count;
    }
    dsdn_source_close(source);
    dsdn_engine_free(e);
    return rc;
}

static int tail(const char *dir, unsigned rounds, struct dsdn_error *error)
{
    static const struct {
        uint32_t checks;
        const char *name;
    } modes[] = {{0, "checksums, form, chain"},
                 {DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS, "all hashes as well"}};
    char *path = checkpoint_path(dir), what[96], text[64];
    int rc = path ? DSDN_OK : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
    for (uint32_t m = 0; !rc && m < sizeof modes / sizeof *modes; m++) {
        struct samples genesis = {.cnt = 0}, restart = {.cnt = 0};
        struct dsdn_replay_result result = {.events = 0};
        uint64_t events = 0, behind = 0;
        for (unsigned i = 0; !rc && i < rounds; i++) {
            double whole = 0, part = 0;
            rc = timed_replay(dir, modes[m].checks, &result, &whole, error);
            if (!rc) rc = timed_restart(dir, path, modes[m].checks, &behind, &events, &part, error);
            samples_add(&genesis, whole);
            samples_add(&restart, part);
        }
        if (!rc && events != result.events)
            rc = dsdn_fail(error, DSDN_E_CHAIN, "the restart ended after %llu events",
                           (unsigned long long)events);
        if (rc) break;
        snprintf(what, sizeof what, "from genesis, %llu events (%s)", (unsigned long long)events,
                 modes[m].name);
        snprintf(text, sizeof text, "%.1f ms", 1e3 * samples_median(&genesis));
        figure(what, text, NULL, true);
        snprintf(what, sizeof what, "... restore under CRC32C and the last %llu events",
                 (unsigned long long)behind);
        snprintf(text, sizeof text, "%.1f ms", 1e3 * samples_median(&restart));
        figure(what, text, NULL, true);
        double ratio = samples_median(&genesis) / samples_median(&restart);
        snprintf(text, sizeof text, "%.1f x", ratio);
        figure("... how much faster", text, ">= 10 x", ratio >= 10);
    }
    free(path);
    return rc;
}

/* Asks the system to forget the cached pages of the segments. */
static void forget(const char *dir)
{
    char *path = NULL;
    DIR *list = asprintf(&path, "%s/segments", dir) < 0 ? NULL : opendir(path);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        int fd = openat(dirfd(list), entry->d_name, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    if (list) closedir(list);
    free(path);
}

static int open_log(const char *dir, struct dsdn_error *error)
{
    enum { TIMES = 20 };
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    char what[96], text[64];
    int rc = DSDN_OK;
    for (int cold = 0; !rc && cold < 2; cold++) {
        double worst = 0;
        uint64_t events = 0;
        for (int i = 0; !rc && i < TIMES; i++) {
            struct dsdn_source *source = NULL;
            if (cold) forget(dir);
            double t0 = workload_now();
            rc = dsdn_log_source_open(dir, NULL, &source, error);
            if (!rc) rc = dsdn_source_next(source, &buffer, &record, error);
            double took = workload_now() - t0;
            if (took > worst) worst = took;
            if (!rc) events = source->events;
            dsdn_source_close(source);
        }
        snprintf(what, sizeof what, "open a log of %llu events, first batch read%s, worst of %d",
                 (unsigned long long)events, cold ? ", not cached" : "", TIMES);
        snprintf(text, sizeof text, "%.2f ms", 1e3 * worst);
        if (!rc) figure(what, text, "< 50 ms", worst < 0.05);
    }
    dsdn_buffer_free(&buffer);
    return rc;
}

static int growth(const char *small, const char *large, unsigned rounds, struct dsdn_error *error)
{
    const char *dirs[2] = {small, large};
    struct samples rates[2] = {{.cnt = 0}, {.cnt = 0}};
    uint64_t events[2] = {0, 0};
    char what[96], text[64];
    int rc = DSDN_OK;
    for (unsigned i = 0; !rc && i < rounds; i++)
        for (int k = 0; !rc && k < 2; k++) {
            struct dsdn_replay_result result;
            double seconds;
            rc = timed_replay(dirs[k], 0, &result, &seconds, error);
            if (rc) break;
            events[k] = result.events;
            samples_add(&rates[k], (double)result.events / seconds);
        }
    if (rc) return rc;
    for (int k = 0; k < 2; k++) {
        snprintf(what, sizeof what, "replay of %llu events, 2 threads, best of %u",
                 (unsigned long long)events[k], rounds);
        snprintf(text, sizeof text, "%.2f M/s", 1e-6 * samples_most(&rates[k]));
        figure(what, text, NULL, true);
    }
    double ratio = samples_most(&rates[1]) / samples_most(&rates[0]);
    snprintf(text, sizeof text, "%.2f", ratio);
    figure("... rate of the large log over the small one", text, ">= 0.75", ratio >= 0.75);
    return DSDN_OK;
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    const char *mode = argc > 1 ? argv[1] : "";
    int rc = dsdn_sign_self_test(&error);
    if (rc) {
        /* reported below */
    } else if (strcmp(mode, "signatures") == 0 && argc == 4)
        rc = signatures(strtoull(argv[2], NULL, 10), (unsigned)atoi(argv[3]), &error);
    else if (strcmp(mode, "proof") == 0 && argc == 3)
        rc = proof(strtoull(argv[2], NULL, 10), &error);
    else if (strcmp(mode, "make") == 0 && argc == 4)
        rc = make(argv[2], argv[3], &error);
    else if (strcmp(mode, "tail") == 0 && argc == 4)
        rc = tail(argv[2], (unsigned)atoi(argv[3]), &error);
    else if (strcmp(mode, "open") == 0 && argc == 3)
        rc = open_log(argv[2], &error);
    else if (strcmp(mode, "growth") == 0 && argc == 5)
        rc = growth(argv[2], argv[3], (unsigned)atoi(argv[4]), &error);
    else {
        fprintf(stderr,
                "usage: bench-compare-tool signatures EVENTS ROUNDS | proof KEYS | make FILE|EVENTS DIR | "
                "tail DIR ROUNDS | open DIR | growth SMALL LARGE ROUNDS\n");
        return 2;
    }
    if (rc) {
        char text[1024];
        dsdn_error_format(&error, text, sizeof text);
        fprintf(stderr, "bench-compare-tool: %s\n", text);
        return 2;
    }
    return missed;
}
