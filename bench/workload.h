/* workload.h: logs to measure on: imported from a neutral bench file, or made up from a seed. */
#ifndef DSDN_BENCH_WORKLOAD_H
#define DSDN_BENCH_WORKLOAD_H

#include "log/source.h"
#include "roles/neutral/bench_file.h"

#define WORKLOAD_PER_BATCH 1000u /* events a batch, unless stated otherwise */

/* A made-up log of the neutral catalogue.  Same numbers, same bytes. */
struct workload {
    uint64_t events, seed;
    uint32_t nodes, chunks; /* how many keys of each there are */
    uint32_t chunk_percent; /* not 0: until all chunks exist so many events in a hundred declare one; all
                             * others add a replica.  0: the mix of the bench format */
    uint32_t authors; /* 0: one bundle of the authority a batch.  Else every event is a bundle of its own,
                       * signed by one of so many authors in turn */
};

/* workload_create makes the log directory dir. */
int workload_create(const struct workload *w, const char *dir, struct dsdn_error *error);

/* workload_import makes the log directory dir from a neutral bench file. */
int workload_import(const char *file, const char *dir, struct dsdn_error *error);

/* workload_network makes the log directory dir of the DSDN catalogue (roles/generator/generator.h). */
int workload_network(uint64_t seed, uint64_t events, uint32_t signed_percent, const char *dir,
                     struct dsdn_error *error);

/* workload_directory makes a fresh directory below TMPDIR or /tmp; the caller frees the path.  NULL: errno
 * says why.  workload_remove removes it with all that is in it. */
char *workload_directory(void);
void workload_remove(const char *dir);

/* workload_catalogue is the neutral catalogue with every event open to signed bundles as well, so that
 * made-up logs with authors are applied and not only refused.  Not thread safe: the first call fills it. */
const struct dsdn_catalogue *workload_catalogue(void);

/* Seconds on a clock that never steps. */
double workload_now(void);

/* What a figure was in several rounds: add with _add, read with _best and _median. */
struct samples {
    double at[64];
    uint32_t cnt;
};
void samples_add(struct samples *s, double value); /* beyond 64 the value is dropped */
double samples_best(const struct samples *s);      /* the smallest; 0 without any */
double samples_most(const struct samples *s);      /* the largest */
double samples_median(const struct samples *s);

#endif
