/* replay.c: `dsdn-replay [--verify] SOURCE`. */
#include "apps/replay/run.h"

#include "roles/neutral/neutral.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- what is asked for ----------------------------------------------------------------------- */

static int read_options(struct run *run, const struct options *o, struct dsdn_error *error)
{
    run->options = o;
    run->events_fd = -1;
    run->end = UINT64_MAX;
    run->begun = clock_ns();
    run->conditions = conditions_make(o);
    run->checks = o->verify   ? DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS | DSDN_CHECK_SIGNATURES
                  : o->hashes ? DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS
                              : 0;
    int rc = options_place("from", o->from, PLACE_GENESIS | PLACE_SEQUENCE | PLACE_CHECKPOINT | PLACE_HEIGHT,
                           &run->from, error);
    if (!rc) rc = options_place("to", o->to, PLACE_SEQUENCE | PLACE_TIME | PLACE_HEIGHT, &run->to, error);
    if (!rc && o->expect_root) rc = options_hex32("expect-root", o->expect_root, run->expected, error);
    if (rc) return rc;
    run->has_expected = o->expect_root != NULL;
    int level = o->require ? assurance_find(o->require) : ASSURANCE_NONE;
    if (level < 0)
        return dsdn_fail(error, DSDN_E_USAGE,
                         "--require wants consistent, authorised, included or canonical, not \"%.40s\"",
                         o->require);
    run->required = (enum assurance)level;
    if (o->resume && o->repeat > 1)
        return dsdn_fail(error, DSDN_E_USAGE, "--resume does not go with --repeat");
    if (o->perturb && o->repeat < 2)
        return dsdn_fail(error, DSDN_E_USAGE, "--perturb wants --repeat N with N of 2 or more");
    return DSDN_OK;
}

static int check_options(const struct run *run, struct dsdn_error *error)
{
    const struct options *o = run->options;
    if (o->repeat > 1 && run->input.kind == INPUT_STREAM)
        return dsdn_fail(error, DSDN_E_USAGE, "standard input can be read only once: no --repeat");
    if (o->digest && run->input.catalogue != &neutral_catalogue)
        return dsdn_fail(error, DSDN_E_USAGE,
                         "--digest is about the neutral bench format; this is another network");
    return report_roles(run, error);
}

/* What depends on what the source is. */
static int read_places(struct run *run, struct dsdn_error *error)
{
    const struct options *o = run->options;
    int rc = input_place(&run->input, &run->from, false, error);
    if (!rc) rc = input_place(&run->input, &run->to, true, error);
    if (rc) return rc;
    if (run->to.kind == PLACE_SEQUENCE) run->end = run->to.number + 1;
    if (run->from.kind == PLACE_SEQUENCE && run->from.number >= run->end)
        return dsdn_fail(error, DSDN_E_USAGE, "--from is behind --to");
    if (o->verify && !o->require) run->required = run->input.da ? ASSURANCE_CANONICAL : ASSURANCE_AUTHORISED;
    return DSDN_OK;
}

/* Batches to come, for the bar; 0 when nobody knows. */
static uint64_t expected_batches(const struct run *run)
{
    const struct dsdn_source *s = run->input.source;
    if (run->end != UINT64_MAX) return run->end;
    return s->count == UINT64_MAX ? 0 : s->first + s->count;
}

/* ---- repetitions ----------------------------------------------------------------------------- */

/* Other conditions for repetition i: everything that must not matter. */
static void perturb(struct run *run, uint64_t i)
{
    static const uint32_t rows[] = {0, 1, 1000, 17, 65536, 300};
    unsigned most = options_jobs(run->options) < 2 ? 2 : options_jobs(run->options);
    run->conditions.jobs = 1 + (unsigned)(i % most);
    run->conditions.initial_rows = rows[i % (sizeof rows / sizeof rows[0])];
    run->conditions.hash_seed =
        run->conditions.hash_seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
}

static int compare(const struct dsdn_roots *a, const struct dsdn_roots *b, uint64_t i, uint64_t sequence,
                   struct dsdn_error *error)
{
    if (dsdn_equal32(a->state, b->state)) return DSDN_OK;
    const char *role = "?";
    for (uint32_t r = 0; r < a->role_cnt; r++)
        if (!dsdn_equal32(a->roles[r].root, b->roles[r].root)) {
            role = a->roles[r].name;
            break;
        }
    dsdn_fail(error, DSDN_E_ROOT, "repetition %llu came to another state root; role %s differs",
              (unsigned long long)i, role);
    return dsdn_error_in(error, sequence), DSDN_E_ROOT;
}

static int repeat(struct run *run, struct dsdn_error *error)
{
    struct dsdn_roots first;
    uint8_t transcript[32];
    int rc = run_span(run, error);
    if (rc) return rc;
    first = run->roots;
    memcpy(transcript, dsdn_head(dsdn_engine_state(run->session.engine))->transcript, 32);
    for (uint64_t i = 2; !rc && i <= run->options->repeat; i++) {
        size_t shift = run->options->perturb ? (size_t)(i * 1048583u % 33554432u) : 1;
        void *moved = malloc(shift); /* held during the run, so that what comes later lies elsewhere */
        run_reset(run);
        if (run->options->perturb) perturb(run, i);
        rc = moved ? run_span(run, error) : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to perturb");
        free(moved);
        if (rc) break;
        rc = compare(&first, &run->roots, i, run->next ? run->next - 1 : 0, error);
        if (!rc && !dsdn_equal32(transcript, dsdn_head(dsdn_engine_state(run->session.engine))->transcript))
            rc = dsdn_fail(error, DSDN_E_TRANSCRIPT, "repetition %llu came to another outcome transcript",
                           (unsigned long long)i);
        if (rc) {
            struct dsdn_error found = *error;
            int added = finding_add(run, &found, error);
            rc = added ? added : rc;
        }
    }
    return rc;
}

/* ---- the verdict ----------------------------------------------------------------------------- */

/* The follower's state was made batch by batch, with rollbacks; the replay's in one go. */
static int compare_follower(struct run *run, struct dsdn_error *error)
{
    const struct da_facts *da = run->input.da;
    if (!run_proved(run) || !run->batches) return DSDN_OK;
    if (run->next != da->next) {
        if (run->session.unverified && run->session.begin && !run->has_expected)
            run_gap(run, 0, run->session.begin - 1,
                    "the checkpoint's root is tied to nothing trusted before batch %llu (--expect-root)",
                    (unsigned long long)da->next - 1);
        return DSDN_OK;
    }
    if (dsdn_equal32(da->root, run->roots.state)) return DSDN_OK;
    dsdn_fail(error, DSDN_E_ROOT, "the state root is not the one that following the primary gave");
    dsdn_error_in(error, run->next - 1);
    struct dsdn_error found = *error;
    int rc = finding_add(run, &found, error);
    return rc ? rc : DSDN_E_ROOT;
}

/* Why the assurance is not higher, for the message; "" when nobody knows. */
static const char *reason(const struct run *run)
{
    const struct da_facts *da = run->input.da;
    if (!da || run_assurance(run) != ASSURANCE_AUTHORISED) return "";
    if (da->anchored) return "; the newest batches are not on the primary";
    return run->input.kind == INPUT_DA
               ? "; the trusted header was taken from the node itself (--trusted-header HEIGHT:HASH)"
               : "; nothing outside the archive names its network (--genesis FILE)";
}

/* Nothing was wrong with the log: was what was asked for there, and what was expected? */
static int judge(struct run *run, struct dsdn_error *error)
{
    if (run->has_expected && !dsdn_equal32(run->expected, run->roots.state)) {
        char computed[65];
        dsdn_hex_encode(run->roots.state, 32, computed);
        dsdn_fail(error, DSDN_E_ROOT, "the state root is %s, not the expected one", computed);
        if (run->next) dsdn_error_in(error, run->next - 1);
        struct dsdn_error found = *error;
        int rc = finding_add(run, &found, error);
        return rc ? rc : DSDN_E_ROOT;
    }
    if (!run->batches)
        return dsdn_fail(error, DSDN_E_INCOMPLETE, "nothing was checked: the span holds no batches");
    if (run->end != UINT64_MAX && run->next < run->end)
        return dsdn_fail(error, DSDN_E_INCOMPLETE, "the source ends after batch %llu, before --to",
                         (unsigned long long)run->next - 1);
    if (run->options->verify && run->gap_cnt)
        return dsdn_fail(error, DSDN_E_INCOMPLETE, "batches %llu to %llu are unverified: %s",
                         (unsigned long long)run->gaps[0].from, (unsigned long long)run->gaps[0].to,
                         run->gaps[0].why);
    if (run_assurance(run) < run->required)
        return dsdn_fail(error, DSDN_E_INCOMPLETE, "assurance is %s, below the required %s%s",
                         assurance_name(run_assurance(run)), assurance_name(run->required), reason(run));
    return DSDN_OK;
}

/* What is false before a single batch is replayed: a lying node, a log that breaks its rules. */
static int note_found(struct run *run, int rc, struct dsdn_error *error)
{
    const struct da_facts *da = run->input.da;
    int class = dsdn_error_exit(rc);
    struct dsdn_error found = *error;
    if (class == 3 || class == 4) {
        int added = finding_add(run, &found, error);
        return added ? added : rc;
    }
    for (uint32_t i = 0; !rc && da && i < da->found_cnt; i++) rc = finding_add(run, &da->found[i], error);
    return rc;
}

static int open_source(struct run *run, struct dsdn_error *error)
{
    const struct options *o = run->options;
    int rc = input_open(&run->input, o->arguments[0], o, error);
    if (!rc && o->verify && run->input.kind == INPUT_ARCHIVE) rc = archive_audit(&run->input, o, error);
    if (rc == DSDN_E_INTERRUPTED && o->state && celestia_named(o->arguments[0]))
        options_again(o, run->resume, sizeof run->resume); /* the log in the directory goes on by itself */
    return note_found(run, rc, error);
}

/* The verdict of a run in which nothing failed. */
static int verdict(struct run *run, struct dsdn_error *error)
{
    const struct da_facts *da = run->input.da;
    uint64_t have = da && da->next > run->first ? da->next : run->first;
    if (run->input.source->unverified && run->batches)
        run_gap(run, run->first, run->next - 1, "%s", run->input.source->unverified);
    if (da && da->gap[0] && have < run->next) run_gap(run, have, run->next - 1, "%s", da->gap);
    int rc = compare_follower(run, error);
    if (rc) return rc;
    if (da && da->found_cnt) {
        if (error) *error = da->found[0];
        return da->found[0].code;
    }
    return judge(run, error);
}

/* Behind the batches, which name their damage better. */
static int check_container(struct run *run, struct dsdn_error *error)
{
    int rc = input_check(&run->input, error), class = dsdn_error_exit(rc);
    if (class < 3 || class > 4) return rc;
    struct dsdn_error found = *error;
    int added = finding_add(run, &found, error);
    return added ? added : rc;
}

static int work(struct run *run, struct dsdn_error *error)
{
    const struct options *o = run->options;
    int rc = findings_open(run, error);
    if (!rc) rc = open_source(run, error);
    if (!rc) rc = check_options(run, error);
    if (!rc) rc = read_places(run, error);
    if (!rc)
        rc = progress_start(&run->progress, o, o->verify ? "verifying" : "replaying", expected_batches(run),
                            error);
    if (rc) return rc;
    const struct dsdn_event_table *events = run->input.catalogue->events;
    run->attesting = (o->verify || o->root_every) && dsdn_event_named(events, "checkpoint_declared") >= 0;
    rc = repeat(run, error);
    run->whole = !rc;
    if (!rc && o->verify) rc = check_container(run, error);
    if (!rc) rc = verdict(run, error);
    if (rc == DSDN_E_INTERRUPTED) {
        int saved = resume_save(run, error);
        if (saved) return saved;
        return dsdn_fail(error, rc, "stopped before batch %llu; %s",
                         (unsigned long long)session_next(&run->session),
                         run->resume[0] ? "progress is saved" : "nothing was saved, which takes --state DIR");
    }
    if (!rc && o->resume) resume_forget(run);
    return rc;
}

int command_replay(const struct options *options, struct dsdn_error *error)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start");
    struct dsdn_error late = DSDN_ERROR_INIT;
    int rc = read_options(run, options, error);
    if (!rc) rc = work(run, error);
    progress_hide(&run->progress);
    int printed = options->json                              ? report_json(run, rc, error, &late)
                  : dsdn_error_exit(rc) == 0 || run->started ? report_text(run, run->whole, &late)
                                                             : DSDN_OK;
    if (run->resume[0]) fprintf(stderr, "resume with: %s\n", run->resume);
    if (run->events_fd >= 0 && close(run->events_fd) != 0 && !rc)
        rc = dsdn_fail(error, DSDN_E_IO, "cannot write findings");
    run_free(run);
    free(run);
    if (printed && !rc) {
        *error = late;
        rc = printed;
    }
    return rc;
}
