#include "apps/replay/celestia.h"

#include "apps/replay/commands.h"

#define WAIT_MS 250u /* between looks at the signal handler's word */

/* ---- a reader as the giver -------------------------------------------------------------------- */

static void say_needed(struct dsdn_error *error)
{
    size_t len = strlen(error->message);
    snprintf(error->message + len, sizeof error->message - len,
             "; a newer one is needed: --trusted-header HEIGHT:HASH, or the --state of a younger run");
}

int feed_from_reader(void *self, uint64_t height, struct dsdn_da_height *out, struct dsdn_error *error)
{
    struct feed_reader *r = self;
    enum dsdn_da_answer answer;
    uint64_t begun = clock_ns();
    int rc = DSDN_OK;
    if (dsdn_reader_wanted(r->reader) != height) rc = dsdn_reader_seek(r->reader, height, error);
    while (!rc) {
        struct dsdn_error why = DSDN_ERROR_INIT;
        int got = dsdn_reader_next(r->reader, WAIT_MS, out, &answer, &why);
        if (got != DSDN_E_AGAIN) {
            if (got == DSDN_E_UNVERIFIED) say_needed(&why);
            if (got && error) *error = why;
            return got;
        }
        if (interrupted)
            return dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped at height %llu", (unsigned long long)height);
        if ((clock_ns() - begun) / 1000000 < r->timeout_ms) continue;
        rc = dsdn_fail(error, got, "no height for %u s: %s", r->timeout_ms / 1000, why.message);
    }
    return rc;
}

void feed_anchor(struct da_facts *facts, const struct dsdn_reader *reader)
{
    struct dsdn_reader_anchor anchor = dsdn_reader_anchor(reader);
    facts->source = anchor.source;
    facts->anchored = anchor.source != DSDN_ANCHOR_NODE;
    facts->header_height = anchor.height;
    memcpy(facts->header_hash, anchor.hash, 32);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void note(struct da_facts *facts, const struct dsdn_error *found, uint64_t height)
{
    if (facts->found_cnt == DA_FOUND_MAX) return; /* one is enough for the verdict */
    struct dsdn_error *f = &facts->found[facts->found_cnt++];
    *f = *found;
    size_t len = strlen(f->message);
    snprintf(f->message + len, sizeof f->message - len, " (seen at height %llu)", (unsigned long long)height);
}

/* A failed checkpoint and a full tree are news about this machine, not about the log. */
static bool about_the_log(int code)
{
    int class = dsdn_error_exit(code);
    return class == 3 || (class == 4 && code != DSDN_E_TOO_LARGE);
}

static int take_events(struct feed *f, uint64_t height, struct dsdn_error *error)
{
    struct dsdn_follow_event e;
    int rc = DSDN_OK;
    while (dsdn_follow_event(f->follow, &e)) {
        if (e.kind == DSDN_FOLLOW_APPLIED) f->events += e.events;
        if ((e.kind == DSDN_FOLLOW_EVIDENCE || e.kind == DSDN_FOLLOW_ALARM) && about_the_log(e.error.code))
            note(f->facts, &e.error, height);
        if (!rc && f->event) rc = f->event(f->listener, &e, error);
        if (!rc && e.kind == DSDN_FOLLOW_HALTED) {
            if (error) *error = e.error;
            rc = e.error.code ? e.error.code : DSDN_E_UPGRADE_REQUIRED;
        }
    }
    return rc;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int feed_heights(struct feed *f, struct dsdn_error *error)
{
    struct dsdn_follow_status status;
    for (;;) {
        struct dsdn_da_height h;
        uint64_t want = dsdn_follow_want(f->follow);
        dsdn_follow_status(f->follow, &status);
        if (status.settled >= f->settle) return DSDN_OK;
        if (want == DSDN_HEIGHT_NONE)
            return dsdn_fail(
                error, DSDN_E_INCOMPLETE,
                "behind height %llu wait more direct bundles than there is room for, and no batch "
                "takes them",
                (unsigned long long)status.complete);
        if (want > f->to) return DSDN_OK;
        if (interrupted)
            return dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped at height %llu", (unsigned long long)want);
        int rc = f->get(f->self, want, &h, error);
        if (rc) return rc;
        if (f->height) rc = f->height(f->listener, &h, error);
        if (!rc) rc = dsdn_follow_height(f->follow, &h, error);
        int told = take_events(f, want, rc ? NULL : error);
        if (rc || told) return rc ? rc : told;
        f->facts->heights++;
        if (f->progress) progress_at(f->progress, want + 1 - f->first, f->events);
    }
}

static int fill_facts(struct feed *f, struct dsdn_error *error)
{
    struct dsdn_follow_status status;
    struct dsdn_roots roots;
    int rc = dsdn_follow_sync(f->follow, error);
    if (!rc) rc = dsdn_engine_root(dsdn_follow_engine(f->follow), 1, &roots, error);
    if (rc) return rc;
    dsdn_follow_status(f->follow, &status);
    struct da_facts *facts = f->facts;
    facts->start = status.start;
    facts->complete = status.complete;
    facts->time_ms = status.newest.time_ms;
    facts->next = status.next;
    facts->included = status.included;
    facts->settled = status.settled;
    facts->rollbacks = status.rollbacks;
    facts->refused = status.refused;
    memcpy(facts->root, roots.state, 32);
    return DSDN_OK;
}

int feed_run(struct feed *f, struct dsdn_error *error)
{
    struct dsdn_error late = DSDN_ERROR_INIT;
    int rc = feed_heights(f, error);
    if (f->progress) progress_hide(f->progress);
    if (rc == DSDN_E_NOT_FOUND) rc = DSDN_OK; /* the giver's last height was before `to` */
    int kept = fill_facts(f, rc ? &late : error);
    return rc ? rc : kept;
}
