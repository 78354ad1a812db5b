/* core.c: what the network's own events cost beside the bench catalogue's.
 *
 *     bench-core [--events N] [--signed PERCENT] [--seed N] [--rounds N] [--least RATIO]
 *
 * Applies two logs of as many events, one of the neutral catalogue and one of generated events of all
 * families, in turns, from prepared batches on one thread: decoding, hashes and signatures are done before
 * the clock starts.  Prints both rates, their ratio and the cost of every reducer; exit 3 when the ratio of
 * the best rounds is below --least (0.4). */
#include "bench/stages.h"
#include "log/sign.h"
#include "roles/dsdn.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

struct arguments {
    uint64_t events, seed;
    unsigned rounds, signed_percent;
    double least;
};

static bool parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"events", required_argument, NULL, 'e'}, {"signed", required_argument, NULL, 'S'},
        {"seed", required_argument, NULL, 's'},   {"rounds", required_argument, NULL, 'r'},
        {"least", required_argument, NULL, 'l'},  {NULL, 0, NULL, 0},
    };
    *a = (struct arguments){.events = 1000000, .seed = 1, .rounds = 5, .signed_percent = 10, .least = 0.4};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) switch (option) {
        case 'e': a->events = strtoull(optarg, NULL, 10); break;
        case 'S': a->signed_percent = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': a->seed = strtoull(optarg, NULL, 10); break;
        case 'r': a->rounds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'l': a->least = strtod(optarg, NULL); break;
        default: return false;
        }
    return optind == argc && a->events && a->rounds >= 1 && a->rounds <= 64 && a->signed_percent <= 100;
}

static double best_ns(const struct bench *b)
{
    return 1e9 * samples_best(&b->seconds[APPLY]) / (double)b->events;
}

static void print_rate(const char *what, const struct bench *b)
{
    printf("%-28s%10.1f%10.1f  ns/event%13.0f  events/s\n", what, best_ns(b),
           1e9 * samples_median(&b->seconds[APPLY]) / (double)b->events, 1e9 / best_ns(b));
}

static int compare_cost(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void print_types(const struct bench *b)
{
    struct row {
        double ns; /* all of them */
        uint32_t event;
    } rows[STAGES_EVENTS_MAX];
    uint32_t cnt = 0;
    double all = 0;
    for (uint32_t i = 0; i < b->catalogue->events->event_cnt; i++) {
        if (!b->type_cnt[i]) continue;
        rows[cnt++] = (struct row){samples_best(&b->type_ns[i]) * (double)b->type_cnt[i], i};
        all += rows[cnt - 1].ns;
    }
    qsort(rows, cnt, sizeof *rows, compare_cost);
    printf("\n%-28s%10s%10s%10s%10s\n", "reducer", "events", "best ns", "median", "share");
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t event = rows[i].event;
        printf("%-28s%10llu%10.1f%10.1f%9.1f%%\n", b->catalogue->events->events[event].name,
               (unsigned long long)b->type_cnt[event], samples_best(&b->type_ns[event]),
               samples_median(&b->type_ns[event]), all > 0 ? 100 * rows[i].ns / all : 0);
    }
}

static int make_logs(const struct arguments *a, const char *neutral, const char *core,
                     struct dsdn_error *error)
{
    struct workload w = {.events = a->events,
                         .seed = a->seed,
                         .nodes = (uint32_t)(a->events / 100 + 10),
                         .chunks = (uint32_t)(a->events / 5 + 10)};
    int rc = workload_create(&w, neutral, error);
    return rc ? rc : workload_network(a->seed, a->events, a->signed_percent, core, error);
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct arguments a;
    static struct bench neutral, core;
    char *scratch, *neutral_dir = NULL, *core_dir = NULL;
    if (!parse(argc, argv, &a)) {
        fprintf(stderr, "usage: bench-core [--events N] [--signed PERCENT] [--seed N] [--rounds N] "
                        "[--least RATIO]\n");
        return 1;
    }
    scratch = workload_directory();
    if (!scratch || asprintf(&neutral_dir, "%s/neutral", scratch) < 0 ||
        asprintf(&core_dir, "%s/core", scratch) < 0) {
        fprintf(stderr, "bench-core: no scratch directory: %s\n", strerror(errno));
        return 2;
    }
    neutral.dir = neutral_dir, neutral.catalogue = workload_catalogue();
    core.dir = core_dir, core.catalogue = &dsdn_catalogue;
    int rc = dsdn_sign_self_test(&error);
    if (!rc) rc = make_logs(&a, neutral_dir, core_dir, &error);
    for (unsigned i = 0; !rc && i < a.rounds; i++) {
        rc = stages_apply(&neutral, &error);
        if (!rc) rc = stages_apply(&core, &error);
    }
    if (!rc) rc = stages_types(&core, &error);
    workload_remove(scratch);
    if (rc) {
        char text[1024];
        dsdn_error_format(&error, text, sizeof text);
        fprintf(stderr, "bench-core: %s\n", text);
        return dsdn_error_exit(rc);
    }
    double ratio = best_ns(&neutral) / best_ns(&core);
    printf("%-28s%10s%10s\n", "apply, one thread", "best", "median");
    print_rate("neutral catalogue", &neutral);
    print_rate("dsdn catalogue", &core);
    printf("%-28s%10.3f  (at least %.2f: %s)\n", "ratio", ratio, a.least, ratio >= a.least ? "yes" : "NO");
    print_types(&core);
    free(core_dir);
    free(neutral_dir);
    free(scratch);
    return ratio >= a.least ? 0 : 3;
}
