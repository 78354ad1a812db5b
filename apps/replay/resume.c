/* resume.c: progress of an interrupted run: a checkpoint of the state, and progress.json with what was
 * counted. */
#include "apps/replay/run.h"

#include "log/json_value.h"
#include "log/json_value.h"
#include "statemachine/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRESS_MAX  ((size_t)256 << 20)
#define RESUME_PATH   4096u
#define RESUME_FORMAT 1

/* Numbers of the run, by name in the file. */
#define COUNTERS(X) X(first) X(batches) X(events) X(bytes) X(signatures) X(attestations)

static bool folder(const struct run *run, char *out)
{
    int len = run->options->state            ? snprintf(out, RESUME_PATH, "%s", run->options->state)
              : run->input.kind == INPUT_LOG ? snprintf(out, RESUME_PATH, "%.4000s/progress", run->input.dir)
                                             : 0;
    return len > 0 && (unsigned)len < RESUME_PATH - 64;
}

static void file_names(const char *dir, char *json, char *state)
{
    snprintf(json, RESUME_PATH, "%.4000s/progress.json", dir);
    snprintf(state, RESUME_PATH, "%.4000s/progress.checkpoint", dir);
}

/* ---- saving ---------------------------------------------------------------------------------- */

static void put(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_decimal(t, value, false);
}

static void write_lists(struct dsdn_text *t, const struct run *run)
{
    dsdn_text_key(t, "before");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < run->before.cnt; i++) {
        const struct tally *b = &run->before.list[i];
        dsdn_text_decimal(t, (uint64_t)b->outcome << 16 | b->code, false);
        dsdn_text_decimal(t, b->count, false);
    }
    dsdn_text_close(t, ']');
    dsdn_text_key(t, "roots");
    dsdn_text_open(t, '[');
    for (size_t i = 0; i < run->rooted_cnt; i++) {
        dsdn_text_decimal(t, run->rooted[i].sequence, false);
        dsdn_text_hex(t, run->rooted[i].root, 32);
    }
    dsdn_text_close(t, ']');
    dsdn_text_key(t, "unverified");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < run->gap_cnt; i++) {
        dsdn_text_decimal(t, run->gaps[i].from, false);
        dsdn_text_decimal(t, run->gaps[i].to, false);
        dsdn_text_string(t, run->gaps[i].why);
    }
    dsdn_text_close(t, ']');
}

static int write_progress(const struct run *run, const char *path, const uint8_t root[32],
                          struct dsdn_error *error)
{
    struct dsdn_text text, *t = &text;
    dsdn_text_init(t, PROGRESS_MAX, 0);
    dsdn_text_open(t, '{');
    put(t, "format", RESUME_FORMAT);
    dsdn_text_key(t, "genesis");
    dsdn_text_hex(t, run->input.genesis.hash, 32);
    dsdn_text_key(t, "root");
    dsdn_text_hex(t, root, 32);
    put(t, "checks", run->checks);
    put(t, "begin", run->session.begin);
    put(t, "root_every", run->options->root_every);
    put(t, "milliseconds", (clock_ns() - run->begun) / 1000000 + run->seconds_before_ms);
#define X(name) put(t, #name, run->name);
    COUNTERS(X)
#undef X
    dsdn_text_key(t, "event_id_sum");
    dsdn_text_hex(t, run->event_id_sum, 32);
    write_lists(t, run);
    dsdn_text_close(t, '}');
    dsdn_text_line(t);
    int rc = dsdn_text_status(t, error);
    if (!rc) rc = dsdn_io_write_file(&dsdn_io_system, path, t->bytes, t->len, error);
    dsdn_text_free(t);
    return rc;
}

int resume_save(struct run *run, struct dsdn_error *error)
{
    char dir[RESUME_PATH], json[RESUME_PATH], state[RESUME_PATH];
    struct dsdn_checkpoint_info info;
    struct dsdn_view genesis = {run->input.genesis.bytes, run->input.genesis.len};
    if (!run->started || !run->batches || run->options->repeat > 1 || !folder(run, dir)) return DSDN_OK;
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        int rc = dsdn_fail_errno(error, errno, "cannot make the folder for progress");
        return dsdn_error_at(error, dir, DSDN_NO_OFFSET), rc;
    }
    file_names(dir, json, state);
    /* Root and counters in the file say which checkpoint they belong to, so a crash between the two is
     * noticed. */
    int rc = dsdn_checkpoint_write(run->session.engine, genesis, run->conditions.jobs > 1 ? 2 : 1,
                                   &dsdn_io_system, state, &info, error);
    if (!rc) rc = write_progress(run, json, info.roots.state, error);
    if (!rc) options_resume(run->options, run->resume, sizeof run->resume);
    return rc;
}

/* ---- loading --------------------------------------------------------------------------------- */

static bool get(json_t *object, const char *key, uint64_t *out)
{
    return dsdn_json_decimal(json_object_get(object, key), false, out);
}

static bool get_hash(json_t *object, const char *key, uint8_t out[32])
{
    return dsdn_json_hex(json_object_get(object, key), out, 32);
}

/* A list of groups of `width` items: false when it is none. */
static bool get_list(json_t *object, const char *key, size_t width, json_t **list, size_t *items)
{
    *list = json_object_get(object, key);
    *items = json_array_size(*list);
    return json_is_array(*list) && *items % width == 0;
}

static bool read_before(struct run *run, json_t *object)
{
    json_t *list;
    size_t items;
    if (!get_list(object, "before", 2, &list, &items) || items / 2 > TALLY_MAX) return false;
    run->before.cnt = 0;
    for (size_t i = 0; i < items; i += 2) {
        uint64_t kind, count;
        if (!dsdn_json_decimal(json_array_get(list, i), false, &kind) || kind >> 24 ||
            !dsdn_json_decimal(json_array_get(list, i + 1), false, &count))
            return false;
        run->before.list[run->before.cnt++] = (struct tally){(uint8_t)(kind >> 16), (uint16_t)kind, count};
    }
    return true;
}

static bool read_roots(struct run *run, json_t *object)
{
    json_t *list;
    size_t items;
    if (!get_list(object, "roots", 2, &list, &items)) return false;
    free(run->rooted);
    run->rooted = calloc(items / 2 + 1, sizeof *run->rooted);
    run->rooted_cnt = 0;
    run->rooted_cap = run->rooted ? items / 2 + 1 : 0;
    if (!run->rooted) return false;
    for (size_t i = 0; i < items; i += 2) {
        struct rooted *r = &run->rooted[run->rooted_cnt++];
        if (!dsdn_json_decimal(json_array_get(list, i), false, &r->sequence) ||
            !dsdn_json_hex(json_array_get(list, i + 1), r->root, 32))
            return false;
    }
    return true;
}

static bool read_gaps(struct run *run, json_t *object)
{
    json_t *list;
    size_t items;
    if (!get_list(object, "unverified", 3, &list, &items)) return false;
    for (size_t i = 0; i < items; i += 3) {
        uint64_t from, to;
        const char *why = json_string_value(json_array_get(list, i + 2));
        if (!dsdn_json_decimal(json_array_get(list, i), false, &from) ||
            !dsdn_json_decimal(json_array_get(list, i + 1), false, &to) || !why)
            return false;
        run_gap(run, from, to, "%s", why);
    }
    return true;
}

static int read_progress(struct run *run, const char *path, json_t *object, uint8_t root[32], uint64_t *begin,
                         struct dsdn_error *error)
{
    uint64_t format, checks, every;
    uint8_t genesis[32];
    bool good = get(object, "format", &format) && format == RESUME_FORMAT &&
                get_hash(object, "genesis", genesis) && get_hash(object, "root", root) &&
                get(object, "checks", &checks) && get(object, "begin", begin) &&
                get(object, "root_every", &every) && get(object, "milliseconds", &run->seconds_before_ms) &&
                get_hash(object, "event_id_sum", run->event_id_sum);
#define X(name) good = good && get(object, #name, &run->name);
    COUNTERS(X)
#undef X
    good = good && read_before(run, object) && read_roots(run, object) && read_gaps(run, object);
    if (!good)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, DSDN_NO_OFFSET,
                            "the saved progress does not hold what it must");
    if (!dsdn_equal32(genesis, run->input.genesis.hash))
        return dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, path, DSDN_NO_OFFSET,
                            "the progress belongs to another network");
    if (checks != run->checks || every != run->options->root_every)
        return dsdn_fail_at(
            error, DSDN_E_USAGE, path, DSDN_NO_OFFSET,
            "the interrupted run had other options (--verify, --hashes or --root-every): repeat them");
    return DSDN_OK;
}

int resume_load(struct run *run, struct dsdn_error *error)
{
    char dir[RESUME_PATH], json[RESUME_PATH], state[RESUME_PATH];
    uint8_t *text = NULL, root[32];
    size_t len = 0;
    uint64_t begin = 0;
    struct dsdn_json_document progress = {NULL, NULL};
    if (!folder(run, dir))
        return dsdn_fail(error, DSDN_E_USAGE, "--resume wants the --state DIR of the interrupted run");
    file_names(dir, json, state);
    int rc = dsdn_io_read_file(&dsdn_io_system, json, PROGRESS_MAX, &text, &len, error);
    if (!rc) {
        rc = dsdn_json_load(&progress, text, len, error);
        if (rc) dsdn_error_at(error, json, DSDN_NO_OFFSET);
        free(text);
    }
    if (!rc) rc = read_progress(run, json, progress.root, root, &begin, error);
    dsdn_json_unload(&progress);
    if (rc) return rc;
    struct place from = {PLACE_CHECKPOINT, 0, state};
    rc = session_begin(&run->session, &run->input, &run->conditions, &from, 0, error);
    if (rc) return rc;
    run->next = session_next(&run->session);
    run->in_span = true;
    if (!dsdn_equal32(root, run->session.root) || run->first + run->batches != run->next)
        return dsdn_fail_at(error, DSDN_E_ROOT, json, DSDN_NO_OFFSET,
                            "the saved progress belongs to another checkpoint");
    run->session.begin = begin; /* of the run, not of its second half */
    return DSDN_OK;
}

void resume_forget(const struct run *run)
{
    char dir[RESUME_PATH], json[RESUME_PATH], state[RESUME_PATH];
    if (!folder(run, dir)) return;
    file_names(dir, json, state);
    unlink(json);
    unlink(state);
    rmdir(dir); /* when nothing else is in it */
}
