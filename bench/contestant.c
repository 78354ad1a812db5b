/* contestant.c: DSDN in the race of the neutral bench format: prepare a log directory from the neutral file, then replay it.
 *
 *     bench-contestant prepare BENCHFILE DIR          log directory, and a checkpoint of its final state
 *     bench-contestant fold DIR [JOBS]                replay into the state; no hashes, no trees
 *     bench-contestant hashed DIR [JOBS]              and body hash, chain, and the id of every event
 *     bench-contestant root DIR EVENTS [JOBS]         and a state root every EVENTS events
 *     bench-contestant restore DIR                    restore the checkpoint under CRC32C
 *     bench-contestant restore-verified DIR           and recompute every root from the rows
 *
 * The last line of stdout is the JSON object of the contestant contract. */
#include "log/hash.h"
#include "log/sign.h"
#include "log/store.h"
#include "roles/neutral/bench_file.h"
#include "statemachine/checkpoint.h"
#include "statemachine/replay.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_PER_BATCH = 1000 };

static int give_up(const struct dsdn_error *error)
{
    char text[1024];
    dsdn_error_format(error, text, sizeof text);
    fprintf(stderr, "bench-contestant: %s\n", text);
    return 1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static long anonymous_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1) break;
    if (f) fclose(f);
    return kib;
}

static int store_batch(void *self, const struct dsdn_view *batch, uint64_t sequence, uint32_t events,
                       struct dsdn_error *error)
{
    uint8_t hash[32];
    dsdn_batch_hash(batch->bytes, hash);
    return dsdn_store_append(self, batch->bytes, batch->len, sequence, hash, events, 0, error);
}

static int import(const char *file, const char *dir, struct dsdn_error *error)
{
    uint8_t header[NEUTRAL_FILE_HEADER];
    struct dsdn_genesis genesis;
    struct dsdn_sign_key key;
    struct dsdn_store *store = NULL;
    struct dsdn_store_options options = {.write = true};
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, header, sizeof header) != (ssize_t)sizeof header)
        return dsdn_fail(error, DSDN_E_IO, "cannot read %s", file);
    int rc = neutral_genesis(header, &genesis, &key, error);
    if (rc) return close(fd), rc;
    rc = dsdn_store_create(dir, &options, (struct dsdn_view){genesis.bytes, genesis.len}, genesis.hash, NULL, error);
    if (!rc) rc = dsdn_store_open(dir, &options, &store, NULL, error);
    if (!rc) rc = neutral_import(fd, file, header, &genesis, &key, EVENTS_PER_BATCH, store_batch, store, error);
    if (!rc) rc = dsdn_store_sync(store, error);
    dsdn_store_close(store);
    dsdn_genesis_free(&genesis);
    close(fd);
    return rc;
}

static int start(const char *dir, struct dsdn_engine **engine, struct dsdn_source **source, struct dsdn_error *error)
{
    struct dsdn_engine_options options = {.hash_seed = (uint64_t)getpid() * 0x9E3779B97F4A7C15u};
    int rc = dsdn_log_source_open(dir, NULL, source, error);
    if (!rc) rc = dsdn_engine_new(&neutral_catalogue, &options, engine, error);
    if (!rc) rc = dsdn_engine_genesis(*engine, (*source)->genesis.bytes, (*source)->genesis.len, error);
    return rc;
}

static int report(const char *name, struct dsdn_engine *e, uint64_t bytes, double seconds, struct dsdn_error *error)
{
    const struct dsdn_state *s = dsdn_engine_state(e);
    uint8_t digest[32];
    char hex[65];
    long kib = anonymous_kib();
    double t0 = now();
    int rc = neutral_digest(s, digest, error);
    if (rc) return rc;
    dsdn_hex_encode(digest, 32, hex);
    uint32_t ok = dsdn_sys_outcome_count_find(s, "\0\0\0");
    printf("{\"name\":\"%s\",\"events\":%llu,\"applied\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"digest\":\"%s\","
           "\"digest_seconds\":%.6f,\"entities\":%u,\"anon_kib\":%ld}\n",
           name, (unsigned long long)dsdn_head(s)->event_count,
           (unsigned long long)(ok == DSDN_NO_ROW ? 0 : dsdn_sys_outcome_count_at(s, ok)->count),
           (unsigned long long)bytes, seconds, hex, now() - t0,
           s->tables[neutral_TABLE_node].live_cnt + s->tables[neutral_TABLE_chunk].live_cnt, kib);
    return DSDN_OK;
}

/* Body length of the neutral file, whatever we store: kept in the header that the genesis carries. */
static int neutral_bytes(const struct dsdn_view *genesis_bytes, uint64_t *bytes, struct dsdn_error *error)
{
    struct dsdn_genesis genesis;
    uint8_t header[NEUTRAL_FILE_HEADER];
    int rc = dsdn_genesis_decode(&genesis, genesis_bytes->bytes, genesis_bytes->len, error);
    if (rc) return rc;
    rc = neutral_export_header(&genesis, header, error);
    dsdn_genesis_free(&genesis);
    if (!rc) *bytes = dsdn_load64(header + 32);
    return rc;
}

static int replay(const char *mode, const char *dir, uint64_t root_events, unsigned jobs, struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_replay_result result;
    struct dsdn_replay_options options = {.jobs = jobs, .end = UINT64_MAX, .root_every = root_events / EVENTS_PER_BATCH};
    if (strcmp(mode, "hashed") == 0) options.checks = DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS;
    uint64_t bytes = 0;
    double t0 = now();
    int rc = start(dir, &e, &source, error);
    if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
    double seconds = now() - t0;
    if (!rc) rc = neutral_bytes(&source->genesis, &bytes, error);
    if (!rc) rc = report(mode, e, bytes, seconds, error);
    dsdn_source_close(source);
    dsdn_engine_free(e);
    return rc;
}

/* The checkpoint lies beside the log: DIR/checkpoints/tip.ckp. */
static char *checkpoint_path(const char *dir)
{
    char *path = NULL;
    return asprintf(&path, "%s/checkpoints/tip.ckp", dir) < 0 ? NULL : path;
}

static int write_checkpoint(const char *dir, struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_replay_result result;
    struct dsdn_replay_options options = {.jobs = 2, .end = UINT64_MAX};
    char *path = checkpoint_path(dir);
    int rc = path ? start(dir, &e, &source, error) : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
    if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
    if (!rc) rc = dsdn_checkpoint_write(e, source->genesis, 2, &dsdn_io_system, path, NULL, error);
    dsdn_source_close(source);
    dsdn_engine_free(e);
    free(path);
    return rc;
}

static int restore(const char *mode, const char *dir, bool verify, struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_engine_options engine = {.hash_seed = (uint64_t)getpid() * 0x9E3779B97F4A7C15u};
    struct dsdn_checkpoint_options options = {.engine = &engine, .verify = verify, .threads = 2};
    struct dsdn_checkpoint_info info;
    uint8_t *genesis = NULL;
    uint64_t bytes = 0;
    char *path = checkpoint_path(dir);
    if (!path) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
    double t0 = now();
    int rc = dsdn_checkpoint_restore(&neutral_catalogue, &options, &dsdn_io_system, path, &e, &info, error);
    double seconds = now() - t0;
    if (!rc) rc = dsdn_checkpoint_genesis(&dsdn_io_system, path, &info, &genesis, error);
    if (!rc) rc = neutral_bytes(&(struct dsdn_view){genesis, info.genesis_len}, &bytes, error);
    if (!rc) rc = report(mode, e, bytes, seconds, error);
    free(genesis);
    free(path);
    dsdn_engine_free(e);
    return rc;
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    const char *mode = argc > 2 ? argv[1] : "";
    int rc = dsdn_sign_self_test(&error);
    if (rc) return give_up(&error);
    unsigned jobs = 2;
    if (strcmp(mode, "prepare") == 0 && argc == 4) {
        rc = import(argv[2], argv[3], &error);
        if (!rc) rc = write_checkpoint(argv[3], &error);
    } else if ((strcmp(mode, "restore") == 0 || strcmp(mode, "restore-verified") == 0) && argc == 3)
        rc = restore(mode, argv[2], strcmp(mode, "restore-verified") == 0, &error);
    else if ((strcmp(mode, "fold") == 0 || strcmp(mode, "hashed") == 0) && argc >= 3) {
        if (argc > 3) jobs = (unsigned)atoi(argv[3]);
        rc = replay(mode, argv[2], 0, jobs, &error);
    } else if (strcmp(mode, "root") == 0 && argc >= 4) {
        if (argc > 4) jobs = (unsigned)atoi(argv[4]);
        rc = replay(mode, argv[2], (uint64_t)atoll(argv[3]), jobs, &error);
    } else {
        fprintf(stderr, "usage: bench-contestant prepare BENCHFILE DIR | fold DIR [JOBS] | hashed DIR [JOBS] | "
                        "root DIR EVENTS [JOBS] | restore DIR | restore-verified DIR\n");
        return 1;
    }
    return rc ? give_up(&error) : 0;
}
