/* run.c: replaying a span and checking it. */
#include "apps/replay/run.h"

#include "log/hash.h"
#include "roles/neutral/neutral.h"

#include <stdarg.h>
#include <stdlib.h>

/* ---- small parts ----------------------------------------------------------------------------- */

static const char *const levels[] = {"none", "consistent", "authorised", "included", "canonical"};

const char *assurance_name(enum assurance level)
{
    return levels[level];
}

int assurance_find(const char *name)
{
    for (int i = ASSURANCE_CONSISTENT; i <= ASSURANCE_CANONICAL; i++)
        if (strcmp(levels[i], name) == 0) return i;
    return -1;
}

enum assurance run_assurance(const struct run *run)
{
    const struct da_facts *da = run->input.da;
    if (run->finding_cnt || !run->batches || run->gap_cnt) return ASSURANCE_NONE;
    if (run_proved(run)) {
        if (!da->anchored || run->next > da->included) return ASSURANCE_AUTHORISED;
        return da->start <= da->da_start ? ASSURANCE_CANONICAL : ASSURANCE_INCLUDED;
    }
    if (!(run->checks & DSDN_CHECK_BODY)) return ASSURANCE_NONE;
    return run->checks & DSDN_CHECK_SIGNATURES ? ASSURANCE_AUTHORISED : ASSURANCE_CONSISTENT;
}

bool run_proved(const struct run *run)
{
    const struct da_facts *da = run->input.da;
    return da && !da->gap[0] && da->complete != DSDN_HEIGHT_NONE;
}

void run_gap(struct run *run, uint64_t from, uint64_t to, const char *format, ...)
{
    va_list args;
    if (run->gap_cnt == GAPS_MAX) return; /* one is enough for the verdict */
    struct gap *gap = &run->gaps[run->gap_cnt++];
    gap->from = from;
    gap->to = to;
    va_start(args, format);
    vsnprintf(gap->why, sizeof gap->why, format, args);
    va_end(args);
}

void tallies_read(struct tallies *tallies, const struct dsdn_state *state)
{
    const struct dsdn_table *t = &state->tables[dsdn_sys_TABLE_outcome_count];
    tallies->cnt = 0;
    for (uint32_t row = 0; row < t->row_end && tallies->cnt < TALLY_MAX; row++) {
        if (!dsdn_table_live(t, row)) continue;
        const struct dsdn_sys_row_outcome_count *r = dsdn_sys_outcome_count_at(state, row);
        uint16_t code = (uint16_t)(r->code[0] << 8 | r->code[1]);
        tallies->list[tallies->cnt++] = (struct tally){r->outcome[0], code, r->count};
    }
}

static int remember_root(struct run *run, uint64_t sequence, const uint8_t root[32], struct dsdn_error *error)
{
    if (run->rooted_cnt && run->rooted[run->rooted_cnt - 1].sequence == sequence) return DSDN_OK;
    if (run->rooted_cnt == run->rooted_cap) {
        size_t cap = run->rooted_cap ? run->rooted_cap * 2 : 64;
        struct rooted *grown = realloc(run->rooted, cap * sizeof *grown);
        if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu roots", cap);
        run->rooted = grown;
        run->rooted_cap = cap;
    }
    run->rooted[run->rooted_cnt].sequence = sequence;
    memcpy(run->rooted[run->rooted_cnt++].root, root, 32);
    return DSDN_OK;
}

static const struct rooted *find_root(const struct run *run, uint64_t sequence)
{
    size_t low = 0, high = run->rooted_cnt; /* sequences rise */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run->rooted[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < run->rooted_cnt && run->rooted[low].sequence == sequence ? &run->rooted[low] : NULL;
}

/* ---- declared roots -------------------------------------------------------------------------- */

/* The roots that the rows [attestation_rows, end) declare, against those that were computed. */
static int compare_attestations(struct run *run, struct dsdn_error *error)
{
    const struct dsdn_state *state = dsdn_engine_state(run->session.engine);
    const struct dsdn_table *t = &state->tables[dsdn_sys_TABLE_attestation];
    while (run->attestation_rows < t->row_end) {
        uint32_t row = run->attestation_rows++;
        if (!dsdn_table_live(t, row)) continue;
        const struct dsdn_sys_row_attestation *a = dsdn_sys_attestation_at(state, row);
        uint64_t sequence = dsdn_load64_be(a->sequence);
        const struct rooted *computed = find_root(run, sequence);
        if (sequence < run->session.begin) continue; /* about a part that this run did not see */
        if (!computed) {
            run_gap(run, sequence, sequence,
                    "a root was declared that was not computed: attest_every has changed");
            continue;
        }
        run->attestations++;
        if (dsdn_equal32(computed->root, a->root)) continue;
        char signer[65];
        dsdn_hex_encode(a->signer, 32, signer);
        dsdn_fail(error, DSDN_E_ROOT, "the state root after batch %llu is not the one that %s declared",
                  (unsigned long long)sequence, dsdn_zero32(a->signer) ? "the authority" : signer);
        return dsdn_error_in(error, sequence), DSDN_E_ROOT;
    }
    return DSDN_OK;
}

static int attest(struct run *run, uint64_t sequence, struct dsdn_error *error)
{
    const struct dsdn_state *state = dsdn_engine_state(run->session.engine);
    int64_t every = DSDN_SETTING(state, attest_every);
    if (every > 0 && sequence % (uint64_t)every == 0) {
        struct dsdn_roots roots;
        int rc = dsdn_engine_root(run->session.engine, run->conditions.jobs > 1 ? 2 : 1, &roots, error);
        if (!rc) rc = remember_root(run, sequence, roots.state, error);
        if (rc) return rc;
    }
    if (state->tables[dsdn_sys_TABLE_attestation].row_end == run->attestation_rows) return DSDN_OK;
    return compare_attestations(run, error);
}

/* ---- a span ---------------------------------------------------------------------------------- */

/* The span begins here: what is counted from now on is its own. */
static void enter_span(struct run *run)
{
    const struct dsdn_state *state = dsdn_engine_state(run->session.engine);
    run->first = run->next = dsdn_head(state)->sequence;
    tallies_read(&run->before, state);
    run->in_span = true;
}

static int applied(void *self, const struct dsdn_engine *e, const struct dsdn_prepared *p,
                   const struct dsdn_record *record, struct dsdn_error *error)
{
    struct run *run = self;
    run->events_seen += p->op_cnt;
    progress_at(&run->progress, record->sequence + 1 - run->session.begin, run->events_seen);
    if (run->in_span) {
        run->events += p->op_cnt;
        run->bytes += record->len;
        run->batches++;
        run->next = record->sequence + 1;
        if (run->checks & DSDN_CHECK_SIGNATURES || run_proved(run)) run->signatures += 1u + p->signed_cnt;
        for (int i = 0; i < 32; i++) run->event_id_sum[i] ^= p->event_id_sum[i];
    }
    int rc = DSDN_OK;
    if (run->conditions.fingerprint && run->in_span) {
        rc = dsdn_engine_fingerprint(e, run->fingerprint, error);
        if (!rc) rc = finding_fingerprint(run, record->sequence, run->fingerprint, error);
    }
    if (!rc && run->attesting) rc = attest(run, record->sequence, error);
    /* --from names a place without a state: batches before it are replayed and checked, and not counted. */
    if (!run->in_span && record->sequence + 1 == run->from.number) enter_span(run);
    return rc;
}

static int rooted(void *self, uint64_t sequence, const struct dsdn_roots *roots, struct dsdn_error *error)
{
    struct run *run = self;
    int rc = run->in_span ? finding_root(run, sequence, roots->state, error) : DSDN_OK;
    return rc ? rc : remember_root(run, sequence, roots->state, error);
}

static int begin(struct run *run, struct dsdn_error *error)
{
    uint64_t latest = run->from.kind == PLACE_SEQUENCE ? run->from.number : 0;
    if (run->options->resume) return resume_load(run, error);
    int rc = session_begin(&run->session, &run->input, &run->conditions, &run->from, latest, error);
    if (rc) return rc;
    /* Where a follower has the state too, the root at the end says whether the checkpoint's was right. */
    if (run->session.unverified && !run->has_expected && run->session.begin && !run_proved(run))
        run_gap(run, 0, run->session.begin - 1,
                "the checkpoint's root is not tied to anything trusted (--expect-root)");
    if (session_next(&run->session) >= latest) enter_span(run);
    return DSDN_OK;
}

static int finish(struct run *run, struct dsdn_error *error)
{
    int rc = dsdn_engine_root(run->session.engine, run->conditions.jobs > 1 ? 2 : 1, &run->roots, error);
    run->has_roots = !rc;
    if (!rc && run->options->digest) {
        rc = neutral_digest(dsdn_engine_state(run->session.engine), run->digest, error);
        run->has_digest = !rc;
    }
    return rc;
}

/* A fault of the log becomes a finding, and the search goes on if that was asked for. */
static int note(struct run *run, int rc, struct dsdn_error *error)
{
    int class = dsdn_error_exit(rc);
    if (!rc || rc == DSDN_E_INTERRUPTED || class < 3 || class > 4) return rc;
    struct dsdn_error failure = *error, ignored = DSDN_ERROR_INIT;
    int added = finding_add(run, &failure, &ignored);
    if (!added && run->finding_cnt < run->options->max_errors)
        added = findings_scan(run, session_next(&run->session), &ignored);
    if (added) *error = ignored;
    return added ? added : rc;
}

int run_span(struct run *run, struct dsdn_error *error)
{
    struct dsdn_replay_result result = {0};
    struct dsdn_error late = DSDN_ERROR_INIT;
    int rc = begin(run, error);
    if (rc) return rc;
    run->started = true;
    /* What the state declares already was compared where it was computed: before a checkpoint by nobody here, before
     * an interruption by the run that was interrupted. */
    run->attestation_rows =
        dsdn_engine_state(run->session.engine)->tables[dsdn_sys_TABLE_attestation].row_end;
    if (run->attesting) rc = dsdn_engine_track(run->session.engine, error);
    struct dsdn_replay_options options = {
        .jobs = run->conditions.jobs,
        .checks = run_proved(run) ? run->checks & ~(uint32_t)DSDN_CHECK_SIGNATURES : run->checks,
        .end = run->end,
        .end_time_ms = run->to.kind == PLACE_TIME ? run->to.number : 0,
        .root_every = run->options->root_every,
        .interrupted = &interrupted,
        .applied = applied,
        .rooted = rooted,
        .self = run,
    };
    if (!rc && !run->session.exhausted && session_next(&run->session) < run->end)
        rc = dsdn_replay(run->session.engine, run->input.source, &options, &result, error);
    progress_hide(&run->progress);
    rc = note(run, rc, error);
    if (!run->in_span) enter_span(run); /* an empty one, behind the end */
    int last = finish(run, rc ? &late : error);
    return rc ? rc : last;
}

void run_reset(struct run *run)
{
    session_end(&run->session);
    run->started = run->in_span = run->has_roots = run->has_digest = false;
    run->first = run->next = run->batches = run->events = run->bytes = run->signatures = run->attestations =
        0;
    run->events_seen = 0;
    memset(run->event_id_sum, 0, 32);
    run->rooted_cnt = run->finding_cnt = 0;
    run->gap_cnt = 0;
}

void run_free(struct run *run)
{
    session_end(&run->session);
    input_close(&run->input);
    free(run->rooted);
    free(run->findings);
    run->rooted = NULL;
    run->findings = NULL;
}
