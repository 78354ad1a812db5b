/* run.h: one verification or replay as the command line asks for it: what is to be done, what was done, what
 * was found. */
#ifndef DSDN_APPS_REPLAY_RUN_H
#define DSDN_APPS_REPLAY_RUN_H

#include "apps/replay/celestia.h"
#include "apps/replay/commands.h"
#include "apps/replay/session.h"

#include "log/json.h"

enum assurance {
    ASSURANCE_NONE,
    ASSURANCE_CONSISTENT,
    ASSURANCE_AUTHORISED,
    ASSURANCE_INCLUDED,
    ASSURANCE_CANONICAL
};

/* How often one outcome occurred. */
struct tally {
    uint8_t outcome;
    uint16_t code;
    uint64_t count;
};
#define TALLY_MAX 4096u
struct tallies {
    struct tally list[TALLY_MAX];
    uint32_t cnt;
};

struct rooted {
    uint64_t sequence;
    uint8_t root[32];
};

/* A part of the log that was not checked, and why. */
struct gap {
    uint64_t from, to; /* inclusive */
    char why[160];
};
#define GAPS_MAX 16u

struct run {
    const struct options *options;
    struct conditions conditions;
    struct input input;
    struct session session;
    struct progress progress;

    /* asked for */
    struct place from, to;
    uint64_t end;    /* stop before this sequence; UINT64_MAX = none */
    uint32_t checks; /* DSDN_CHECK_* */
    enum assurance required;
    uint8_t expected[32];
    bool has_expected;
    bool attesting; /* compare declared roots */

    /* done; with a resumed run the earlier part is in it */
    bool whole;           /* the replay came to the end of the span */
    bool started;         /* a first batch of the span may come: the fields below are valid */
    uint64_t first, next; /* batches [first, next) */
    uint64_t batches, events, bytes, signatures, attestations;
    uint8_t event_id_sum[32];
    uint8_t fingerprint[32]; /* of the newest batch */
    struct tallies before;   /* outcomes before the span */
    struct rooted *rooted;   /* roots on the way: of --root-every and for attestations */
    size_t rooted_cnt, rooted_cap;
    uint32_t attestation_rows;  /* rows of the attestation table that were looked at */
    bool in_span;               /* the batches that come now are of the span */
    uint64_t events_seen;       /* with those before the span: for the bar */
    uint64_t begun;             /* clock at the start */
    uint64_t seconds_before_ms; /* time of the part before a resume */

    /* found */
    struct dsdn_roots roots;
    bool has_roots;
    uint8_t digest[32];
    bool has_digest;
    struct dsdn_error *findings;
    size_t finding_cnt, finding_cap;
    struct gap gaps[GAPS_MAX];
    uint32_t gap_cnt;
    int events_fd;     /* --events-out; -1: none */
    char resume[8192]; /* the command that goes on, "" when nothing was saved */
};

/* ---- run.c ---- */

/* run_span replays the span with the run's conditions, from reading the start to the final roots.  Returns 0
 * or the code of *error, which is also a finding unless it is INTERRUPTED. */
int run_span(struct run *run, struct dsdn_error *error);

/* run_reset forgets what was done and found, for the next repetition. */
void run_reset(struct run *run);
void run_free(struct run *run);

/* run_gap notes what was not checked. */
void run_gap(struct run *run, uint64_t from, uint64_t to, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* run_proved says whether a DA layer makes every batch of the source canonical: then its signatures were
 * checked on the way in, takeovers with the certificates that no log holds. */
bool run_proved(const struct run *run);

/* run_assurance is what the run has shown. */
enum assurance run_assurance(const struct run *run);
const char *assurance_name(enum assurance level);
int assurance_find(const char *name); /* -1: no such level */

/* tallies_read copies the outcome counters of a state. */
void tallies_read(struct tallies *tallies, const struct dsdn_state *state);

/* ---- findings.c ---- */

/* findings_open opens --events-out. */
int findings_open(struct run *run, struct dsdn_error *error);
/* finding_add takes a failure: keeps it and writes it to --events-out and to stderr.  NO_MEMORY. */
int finding_add(struct run *run, const struct dsdn_error *found, struct dsdn_error *error);
/* finding_root and finding_fingerprint write a line to --events-out. */
int finding_root(struct run *run, uint64_t sequence, const uint8_t root[32], struct dsdn_error *error);
int finding_fingerprint(struct run *run, uint64_t sequence, const uint8_t hash[32], struct dsdn_error *error);
/* findings_scan looks for further faults behind the one that stopped the replay, up to --max-errors, without
 * state. */
int findings_scan(struct run *run, uint64_t sequence, struct dsdn_error *error);
/* finding_write writes a failure as a JSON object: code, message, position. */
void finding_write(struct dsdn_text *text, const struct dsdn_error *found);

/* ---- report.c ---- */

/* report_json prints the one object of --json; rc and failure are how the command ends. */
int report_json(struct run *run, int rc, const struct dsdn_error *failure, struct dsdn_error *error);
/* report_text prints the same for people; `whole`: the replay came to its end. */
int report_text(struct run *run, bool whole, struct dsdn_error *error);
/* report_roles checks the names of --roles. */
int report_roles(const struct run *run, struct dsdn_error *error);

/* ---- resume.c ---- */

/* resume_save keeps the state and the counters of an interrupted run, and composes run->resume.  Without a
 * place to keep them nothing happens. */
int resume_save(struct run *run, struct dsdn_error *error);
/* resume_load goes on with them: the session, the counters.  NOT_FOUND when there is nothing to resume. */
int resume_load(struct run *run, struct dsdn_error *error);
/* resume_forget removes them, after a run that ended. */
void resume_forget(const struct run *run);

#endif
