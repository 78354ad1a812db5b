/* stages.c: what each stage of a replay costs, by itself and all together.
 *
 *     bench-stages [--catalogue neutral|dsdn] [--events N] [--signed PERCENT] [--seed N] [--rounds N]
 *                  [--json] [--file BENCHFILE | --log DIR]
 *
 * A log directory that is given is only read.  The stages up to `apply` are timed inside one replay on one
 * thread, a group of batches at a time, so that each finds the caches as it does in earnest.  Everything is
 * measured anew in every round; best and median are printed. */
#include "bench/stages.h"
#include "log/hash.h"
#include "log/sign.h"
#include "log/store.h"
#include "roles/dsdn.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    const char *name, *unit, *doc;
} stages[] = {
#define X(id, name, unit, doc) {name, unit, doc},
    STAGES(X)
#undef X
};

static void print_table(const struct bench *b, unsigned rounds)
{
    printf("%s catalogue: %llu events in %llu batches, %.1f MB; %llu rows in the end; SHA-256 by "
           "%s; %u rounds\n\n",
           b->catalogue->name, (unsigned long long)b->events, (unsigned long long)b->batches,
           (double)b->bytes / 1e6, (unsigned long long)b->rows, dsdn_hash_backend_name(), rounds);
    printf("%-28s%14s%14s  %-13s%13s%8s   %s\n", "stage", "best", "median", "", "per second", "GB/s", "what");
    for (int i = 0; i < STAGE_CNT; i++) {
        const struct samples *s = &b->seconds[i];
        double best = samples_best(s);
        if (!s->cnt || !b->units[i] || best <= 0) continue;
        char rate[16] = "";
        if (b->moved[i]) snprintf(rate, sizeof rate, "%.2f", (double)b->moved[i] / best / 1e9);
        printf("%-28s%14.1f%14.1f  ns/%-10s%13.0f%8s   %s\n", stages[i].name,
               1e9 * best / (double)b->units[i], 1e9 * samples_median(s) / (double)b->units[i],
               stages[i].unit, (double)b->units[i] / best, rate, stages[i].doc);
    }
    printf("\n%-28s%14s%14s  %-13s%13s\n", "reducer", "best", "median", "", "events");
    for (uint32_t i = 0; i < b->catalogue->events->event_cnt; i++)
        if (b->type_cnt[i])
            printf("%-28s%14.1f%14.1f  %-13s%13llu\n", b->catalogue->events->events[i].name,
                   samples_best(&b->type_ns[i]), samples_median(&b->type_ns[i]), "ns/event",
                   (unsigned long long)b->type_cnt[i]);
}

/* Names are ours and need no escapes. */
static void print_json(const struct bench *b, unsigned rounds)
{
    const char *comma = "";
    printf("{\"catalogue\":\"%s\",\"events\":%llu,\"batches\":%llu,\"bytes\":%llu,\"rows\":%llu,"
           "\"checkpoint_bytes\":%llu,\"sha256\":\"%s\",\"rounds\":%u,\"stages\":[",
           b->catalogue->name, (unsigned long long)b->events, (unsigned long long)b->batches,
           (unsigned long long)b->bytes, (unsigned long long)b->rows, (unsigned long long)b->checkpoint_bytes,
           dsdn_hash_backend_name(), rounds);
    for (int i = 0; i < STAGE_CNT; i++) {
        if (!b->seconds[i].cnt) continue;
        printf("%s{\"stage\":\"%s\",\"unit\":\"%s\",\"units\":%llu,\"bytes\":%llu,\"best_seconds\":%.9f,"
               "\"median_seconds\":%.9f}",
               comma, stages[i].name, stages[i].unit, (unsigned long long)b->units[i],
               (unsigned long long)b->moved[i], samples_best(&b->seconds[i]), samples_median(&b->seconds[i]));
        comma = ",";
    }
    printf("],\"reducers\":[");
    comma = "";
    for (uint32_t i = 0; i < b->catalogue->events->event_cnt; i++) {
        if (!b->type_cnt[i]) continue;
        printf("%s{\"event\":\"%s\",\"events\":%llu,\"best_ns\":%.1f,\"median_ns\":%.1f}", comma,
               b->catalogue->events->events[i].name, (unsigned long long)b->type_cnt[i],
               samples_best(&b->type_ns[i]), samples_median(&b->type_ns[i]));
        comma = ",";
    }
    printf("]}\n");
}

struct arguments {
    const char *catalogue, *file, *log;
    uint64_t events, seed;
    unsigned rounds, signed_percent;
    bool json;
};

static int usage(void)
{
    fprintf(stderr, "usage: bench-stages [--catalogue neutral|dsdn] [--events N] [--signed PERCENT] "
                    "[--seed N] [--rounds N] [--json] [--file BENCHFILE | --log DIR]\n");
    return 1;
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"catalogue", required_argument, NULL, 'c'},
        {"events", required_argument, NULL, 'e'},
        {"signed", required_argument, NULL, 'S'},
        {"seed", required_argument, NULL, 's'},
        {"rounds", required_argument, NULL, 'r'},
        {"json", no_argument, NULL, 'j'},
        {"file", required_argument, NULL, 'f'},
        {"log", required_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    *a = (struct arguments){
        .catalogue = "neutral", .events = 1000000, .seed = 1, .rounds = 5, .signed_percent = 10};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) switch (option) {
        case 'c': a->catalogue = optarg; break;
        case 'e': a->events = strtoull(optarg, NULL, 10); break;
        case 'S': a->signed_percent = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': a->seed = strtoull(optarg, NULL, 10); break;
        case 'r': a->rounds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'j': a->json = true; break;
        case 'f': a->file = optarg; break;
        case 'l': a->log = optarg; break;
        default: return false;
        }
    bool known = strcmp(a->catalogue, "neutral") == 0 || strcmp(a->catalogue, "dsdn") == 0;
    return optind == argc && known && !(a->file && a->log) && a->rounds >= 1 && a->rounds <= 64 &&
           a->events && a->signed_percent <= 100;
}

static int make_log(const struct arguments *a, const char *dir, struct dsdn_error *error)
{
    struct workload w = {.events = a->events,
                         .seed = a->seed,
                         .nodes = (uint32_t)(a->events / 100 + 10),
                         .chunks = (uint32_t)(a->events / 5 + 10)};
    if (a->file) return workload_import(a->file, dir, error);
    if (strcmp(a->catalogue, "neutral") == 0) return workload_create(&w, dir, error);
    return workload_network(a->seed, a->events, a->signed_percent, dir, error);
}

/* Which catalogue a log is of: the genesis of an imported bench file says so. */
static int find_catalogue(struct bench *b, struct dsdn_error *error)
{
    struct dsdn_source *source = NULL;
    struct dsdn_genesis genesis;
    uint8_t header[NEUTRAL_FILE_HEADER];
    int rc = dsdn_log_source_open(b->dir, NULL, &source, error);
    if (!rc) rc = dsdn_genesis_decode(&genesis, source->genesis.bytes, source->genesis.len, error);
    if (!rc) {
        b->catalogue = neutral_export_header(&genesis, header, NULL) ? &dsdn_catalogue : workload_catalogue();
        dsdn_genesis_free(&genesis);
    }
    dsdn_source_close(source);
    return rc;
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct arguments a;
    static struct bench b;
    char *scratch, *log = NULL;
    if (!parse(argc, argv, &a)) return usage();
    scratch = workload_directory();
    if (!scratch || asprintf(&log, "%s/log", scratch) < 0 ||
        asprintf(&b.checkpoint, "%s/bench.ckp", scratch) < 0) {
        fprintf(stderr, "bench-stages: no scratch directory: %s\n", strerror(errno));
        return 2;
    }
    b.dir = a.log ? a.log : log;
    int rc = dsdn_sign_self_test(&error);
    if (!rc && !a.log) rc = make_log(&a, log, &error);
    if (!rc) rc = find_catalogue(&b, &error);
    for (unsigned i = 0; !rc && i < a.rounds; i++) rc = stages_measure(&b, &error);
    workload_remove(scratch);
    if (rc) {
        char text[1024];
        dsdn_error_format(&error, text, sizeof text);
        fprintf(stderr, "bench-stages: %s\n", text);
        return dsdn_error_exit(rc);
    }
    if (a.json)
        print_json(&b, a.rounds);
    else
        print_table(&b, a.rounds);
    free(b.checkpoint);
    free(log);
    free(scratch);
    return 0;
}
