/* session.h: an engine at the right place of a source: after genesis, or after a checkpoint, with the source
 * standing at the next batch. */
#ifndef DSDN_APPS_REPLAY_SESSION_H
#define DSDN_APPS_REPLAY_SESSION_H

#include "apps/replay/options.h"
#include "apps/replay/progress.h"
#include "apps/replay/source.h"
#include "statemachine/replay.h"

/* What may differ from run to run without a difference in any result. */
struct conditions {
    unsigned jobs;
    uint64_t hash_seed;
    uint32_t initial_rows;
    bool fingerprint;
};

struct session {
    struct input *input;
    struct dsdn_engine *engine;
    uint64_t begin;       /* batches that the state held at the start */
    bool exhausted;       /* the source holds no batch behind the state */
    bool unverified;      /* it began at a checkpoint that nothing vouches for */
    char checkpoint[256]; /* the checkpoint's file, "" without one */
    uint8_t root[32];     /* its root */
};

/* conditions_make: the threads asked for and a random hash seed. */
struct conditions conditions_make(const struct options *options);

/* session_begin makes an engine that stands at the start: after the checkpoint `from` names, or at the newest
 * verified checkpoint of a log directory that is not behind `latest`, or at genesis.  latest 0: genesis,
 * whatever there is.  On failure there is nothing to end.  INCOMPLETE when the source begins later than that.
 */
int session_begin(struct session *s, struct input *input, const struct conditions *conditions,
                  const struct place *from, uint64_t latest, struct dsdn_error *error);
void session_end(struct session *s);

/* session_next is the sequence of the batch that comes next. */
uint64_t session_next(const struct session *s);

/* session_forward replays, checking `checks`, up to sequence `end` (not included), or to the end of the
 * source when end is UINT64_MAX.  NOT_FOUND when the source ends before. */
int session_forward(struct session *s, unsigned jobs, uint32_t checks, uint64_t end,
                    struct progress *progress, struct dsdn_error *error);

/* session_row finds the table that --table names and reads --key, when there is one, into key.  USAGE. */
int session_row(const struct session *s, const struct options *options, uint32_t *table,
                uint8_t key[DSDN_KEY_MAX], struct dsdn_error *error);

/* session_open is what commands do that need the state at --at: input, session and forward. */
int session_open(struct session *s, struct input *input, const struct options *options, const char *verb,
                 struct dsdn_error *error);

#endif
