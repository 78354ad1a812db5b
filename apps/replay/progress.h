/* progress.h: a bar on stderr: how far, how fast, how much longer.  Redrawn at most ten times a second, and
 * taken away whenever something else is to be written to stderr. */
#ifndef DSDN_APPS_REPLAY_PROGRESS_H
#define DSDN_APPS_REPLAY_PROGRESS_H

#include "apps/replay/options.h"

struct progress {
    bool on, color, drawn;
    const char *verb;     /* "verifying" */
    uint64_t total;       /* of whatever is counted in; 0 = not known */
    uint64_t begun, last; /* clock in nanoseconds */
};

/* progress_start reads --progress, --quiet and --no-color.  USAGE for a wrong --progress. */
int progress_start(struct progress *p, const struct options *options, const char *verb, uint64_t total,
                   struct dsdn_error *error);

/* progress_at draws, if it is time: done of total (bytes, or whatever total counts) and events so far. */
void progress_at(struct progress *p, uint64_t done, uint64_t events);

/* progress_hide takes the bar away: before other output, and at the end. */
void progress_hide(struct progress *p);

/* clock_ns is the monotonic clock. */
uint64_t clock_ns(void);

/* use_color says whether stderr takes colour. */
bool use_color(const struct options *options);

#endif
