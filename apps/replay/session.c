#include "apps/replay/session.h"

#include "apps/replay/commands.h"
#include "statemachine/checkpoint.h"
#include "statemachine/row_json.h"

#include <sys/random.h>

struct conditions conditions_make(const struct options *options)
{
    struct conditions c = {.jobs = options_jobs(options), .fingerprint = options->fingerprint};
    /* Against chosen keys; without random bytes the clock is better than a constant. */
    if (getrandom(&c.hash_seed, sizeof c.hash_seed, GRND_NONBLOCK) != sizeof c.hash_seed)
        c.hash_seed = clock_ns();
    return c;
}

uint64_t session_next(const struct session *s)
{
    return dsdn_head(dsdn_engine_state(s->engine))->sequence;
}

/* ---- where it starts ------------------------------------------------------------------------- */

static int begin_checkpoint(struct session *s, const struct dsdn_engine_options *options, unsigned jobs,
                            const char *path, struct dsdn_error *error)
{
    struct dsdn_checkpoint_info info;
    struct dsdn_checkpoint_options restore = {
        .engine = options, .verify = true, .threads = jobs > 16 ? 16 : jobs};
    int rc = dsdn_checkpoint_restore(s->input->catalogue, &restore, &dsdn_io_system, path, &s->engine, &info,
                                     error);
    if (rc) return rc;
    if (!dsdn_equal32(info.genesis, s->input->genesis.hash))
        return dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, path, DSDN_NO_OFFSET,
                            "the checkpoint belongs to another network");
    snprintf(s->checkpoint, sizeof s->checkpoint, "%s", path);
    memcpy(s->root, info.roots.state, 32);
    s->unverified = true;
    return DSDN_OK;
}

/* The newest checkpoint of the log directory with at most `latest` batches that was verified and still
 * restores; none is no error. */
static int begin_nearest(struct session *s, const struct dsdn_engine_options *options, unsigned jobs,
                         uint64_t latest)
{
    struct dsdn_checkpoint_row row;
    struct dsdn_index *index = s->input->store ? dsdn_store_index(s->input->store) : NULL;
    char path[4096];
    while (index && latest && !dsdn_index_checkpoint_at_or_below(index, latest - 1, &row, NULL)) {
        struct dsdn_error ignored = DSDN_ERROR_INIT;
        bool named =
            row.name[0] && !strchr(row.name, '/') &&
            (size_t)snprintf(path, sizeof path, "%s/checkpoints/%s", s->input->dir, row.name) < sizeof path;
        if (named && row.verified && !begin_checkpoint(s, options, jobs, path, &ignored) &&
            dsdn_equal32(s->root, row.root) && session_next(s) <= latest) {
            s->unverified = false;
            return DSDN_OK;
        }
        dsdn_engine_free(s->engine);
        s->engine = NULL;
        s->checkpoint[0] = 0;
        s->unverified = false;
        latest = row.sequence;
    }
    return DSDN_E_NOT_FOUND;
}

static int begin_genesis(struct session *s, const struct dsdn_engine_options *options,
                         struct dsdn_error *error)
{
    int rc = dsdn_engine_new(s->input->catalogue, options, &s->engine, error);
    return rc ? rc : dsdn_engine_genesis(s->engine, s->input->genesis.bytes, s->input->genesis.len, error);
}

/* The source continues with the batch that the state waits for. */
static int seek(struct session *s, struct dsdn_error *error)
{
    struct dsdn_source *source = s->input->source;
    if (source->first > s->begin)
        return dsdn_fail_at(
            error, DSDN_E_INCOMPLETE, s->input->name, DSDN_NO_OFFSET,
            "the source begins at batch %llu; give a checkpoint of the state before it with --from",
            (unsigned long long)source->first);
    bool behind = source->count != UINT64_MAX && s->begin >= source->first + source->count;
    if (behind || (s->begin == source->first && s->input->kind == INPUT_STREAM)) {
        s->exhausted = behind;
        return DSDN_OK;
    }
    int rc = dsdn_source_seek(source, s->begin, error);
    s->exhausted = rc == DSDN_E_NOT_FOUND;
    return s->exhausted ? DSDN_OK : rc;
}

int session_begin(struct session *s, struct input *input, const struct conditions *conditions,
                  const struct place *from, uint64_t latest, struct dsdn_error *error)
{
    struct dsdn_engine_options options = {conditions->hash_seed, conditions->initial_rows,
                                          conditions->fingerprint};
    *s = (struct session){.input = input};
    int rc;
    if (from && from->kind == PLACE_CHECKPOINT)
        rc = begin_checkpoint(s, &options, conditions->jobs, from->path, error);
    else if (begin_nearest(s, &options, conditions->jobs, latest) == DSDN_OK)
        rc = DSDN_OK;
    else
        rc = begin_genesis(s, &options, error);
    if (!rc) {
        s->begin = session_next(s);
        rc = seek(s, error);
    }
    if (rc) session_end(s);
    return rc;
}

void session_end(struct session *s)
{
    dsdn_engine_free(s->engine);
    s->engine = NULL;
}

/* ---- forward --------------------------------------------------------------------------------- */

struct forward {
    struct progress *progress;
    uint64_t begin, events;
};

static int forward_applied(void *self, const struct dsdn_engine *e, const struct dsdn_prepared *p,
                           const struct dsdn_record *record, struct dsdn_error *error)
{
    struct forward *f = self;
    (void)e, (void)error;
    f->events += p->op_cnt;
    progress_at(f->progress, record->sequence + 1 - f->begin, f->events);
    return DSDN_OK;
}

int session_forward(struct session *s, unsigned jobs, uint32_t checks, uint64_t end,
                    struct progress *progress, struct dsdn_error *error)
{
    struct dsdn_replay_result result;
    struct forward f = {.progress = progress, .begin = s->begin};
    struct dsdn_replay_options options = {.jobs = jobs,
                                          .checks = checks,
                                          .end = end,
                                          .interrupted = &interrupted,
                                          .applied = forward_applied,
                                          .self = &f};
    if (session_next(s) >= end) return DSDN_OK;
    int rc = s->exhausted ? DSDN_OK : dsdn_replay(s->engine, s->input->source, &options, &result, error);
    if (!rc && end != UINT64_MAX && session_next(s) < end)
        rc = dsdn_fail_at(error, DSDN_E_NOT_FOUND, s->input->name, DSDN_NO_OFFSET,
                          "batch %llu is not in the source, which ends before batch %llu",
                          (unsigned long long)(end - 1), (unsigned long long)session_next(s));
    return rc;
}

int session_row(const struct session *s, const struct options *options, uint32_t *table,
                uint8_t key[DSDN_KEY_MAX], struct dsdn_error *error)
{
    uint32_t cnt;
    const struct dsdn_table_desc *const *tables = dsdn_engine_tables(s->engine, &cnt);
    int number = dsdn_table_named(tables, cnt, options->table);
    if (number < 0) return dsdn_fail(error, DSDN_E_USAGE, "no table is called \"%.80s\"", options->table);
    *table = (uint32_t)number;
    return options->key ? dsdn_key_parse(tables[number], options->key, key, error) : DSDN_OK;
}

int session_open(struct session *s, struct input *input, const struct options *options, const char *verb,
                 struct dsdn_error *error)
{
    struct place at;
    struct progress progress = {0};
    struct conditions conditions = conditions_make(options);
    *input = (struct input){0};
    int rc = options_place("at", options->at, PLACE_SEQUENCE | PLACE_TIP, &at, error);
    if (!rc)
        rc = input_open(input, options->arguments[options->argument_cnt - 1], options, error);
    if (rc) return rc;
    uint64_t end = at.kind == PLACE_SEQUENCE ? at.number + 1 : UINT64_MAX, count = input->source->count;
    uint64_t total = end != UINT64_MAX ? end : count == UINT64_MAX ? 0 : input->source->first + count;
    rc = progress_start(&progress, options, verb, total, error);
    if (!rc) rc = session_begin(s, input, &conditions, NULL, end, error);
    if (!rc) {
        rc = session_forward(s, conditions.jobs, 0, end, &progress, error);
        if (rc) session_end(s);
    }
    progress_hide(&progress);
    if (rc) input_close(input);
    return rc;
}
