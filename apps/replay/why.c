/* why.c: `why`: what made a row what it is: every event, deadline and schedule after which it was another,
 * each with what proves that it is in the log. */
#include "apps/replay/commands.h"
#include "apps/replay/events.h"
#include "apps/replay/session.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A step after which the row was another one. */
struct change {
    enum dsdn_step_kind kind;
    uint32_t number;
    uint8_t key[dsdn_sys_KEY_LEN_deadline]; /* of a deadline */
    bool present;
    size_t at, len; /* the value from then on, in `values` */
};

struct why {
    const struct options *options;
    struct input input;
    struct session session;
    struct progress progress;
    struct records records;
    uint32_t table;
    uint8_t key[DSDN_KEY_MAX];
    uint64_t hash; /* of the key */

    uint8_t value[DSDN_VALUE_MAX]; /* of the row as it is now */
    uint32_t value_len;
    bool present;

    struct change *changes; /* of the batch that is being applied */
    size_t change_cnt, change_cap;
    struct dsdn_buffer values;
    bool no_memory; /* a change was lost */
    uint64_t seen;  /* events */
};

/* ---- watching the row ------------------------------------------------------------------------ */

static void look(struct why *w, const struct dsdn_state *s, uint8_t *value, uint32_t *len, bool *present)
{
    const struct dsdn_table *t = &s->tables[w->table];
    uint32_t row = dsdn_table_find(t, w->key, t->desc->key_len, t->desc->row_size, w->hash);
    *present = row != DSDN_NO_ROW;
    *len = *present ? t->desc->encode(s, dsdn_row_at(t, row, t->desc->row_size), value, NULL) : 0;
}

static bool remember(struct why *w, const struct dsdn_step *step)
{
    if (w->change_cnt == w->change_cap) {
        size_t cap = w->change_cap ? 2 * w->change_cap : 16;
        struct change *grown = realloc(w->changes, cap * sizeof *grown);
        if (!grown) return false;
        w->changes = grown;
        w->change_cap = cap;
    }
    if (w->values.len + w->value_len > w->values.cap &&
        dsdn_buffer_reserve(&w->values, 2 * (w->values.len + w->value_len), NULL))
        return false;
    struct change *c = &w->changes[w->change_cnt++];
    *c = (struct change){step->kind, step->number, {0}, w->present, w->values.len, w->value_len};
    if (step->key) memcpy(c->key, step->key, sizeof c->key);
    if (w->value_len) memcpy(w->values.bytes + w->values.len, w->value, w->value_len);
    w->values.len += w->value_len;
    return true;
}

static void stepped(void *self, const struct dsdn_state *s, const struct dsdn_step *step)
{
    struct why *w = self;
    uint8_t value[DSDN_VALUE_MAX];
    uint32_t len;
    bool present;
    look(w, s, value, &len, &present);
    if (present == w->present && len == w->value_len && memcmp(value, w->value, len) == 0) return;
    memcpy(w->value, value, len);
    w->value_len = len;
    w->present = present;
    if (!remember(w, step)) w->no_memory = true;
}

/* ---- showing a change ------------------------------------------------------------------------ */

static const char *const kind_names[] = {[DSDN_STEP_SCHEDULE] = "schedule", [DSDN_STEP_NONCE] = "nonce",
                                         [DSDN_STEP_EVENT] = "event",       [DSDN_STEP_DEADLINE] = "deadline",
                                         [DSDN_STEP_HEAD] = "head"};

static void put_string(struct dsdn_text *t, const char *key, const char *value)
{
    dsdn_text_key(t, key);
    dsdn_text_string(t, value);
}

static void put_hex(struct dsdn_text *t, const char *key, const uint8_t *bytes, size_t len)
{
    dsdn_text_key(t, key);
    dsdn_text_hex(t, bytes, len);
}

static void put_number(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_u64(t, value);
}

static const char *deadline_name(const struct why *w, uint32_t kind)
{
    const struct dsdn_deadline_kind *k = w->input.catalogue->deadlines;
    while (k && k->name && k->kind != kind) k++;
    return k && k->name ? k->name : "?";
}

/* What happened, as members of an open object. */
static int what_json(const struct why *w, struct dsdn_text *t, const struct dsdn_prepared *p,
                     const struct change *c, uint64_t first, struct dsdn_error *error)
{
    struct shown e;
    put_string(t, "change", kind_names[c->kind]);
    if (c->kind == DSDN_STEP_EVENT) {
        event_show(&e, w->input.catalogue, p, c->number, first);
        return event_json(t, &e, error);
    }
    dsdn_text_key(t, "seq");
    dsdn_text_decimal(t, p->batch.header.sequence, false);
    dsdn_text_key(t, "time_ms");
    dsdn_text_decimal(t, p->batch.header.time_ms, false);
    if (c->kind == DSDN_STEP_NONCE) {
        put_number(t, "bundle", c->number);
        put_hex(t, "author", p->bundles[c->number].bundle.author, 32);
        dsdn_text_key(t, "nonce");
        dsdn_text_decimal(t, p->bundles[c->number].bundle.nonce, false);
    }
    if (c->kind == DSDN_STEP_DEADLINE) {
        put_string(t, "kind", deadline_name(w, c->number));
        put_hex(t, "deadline", c->key, sizeof c->key);
    }
    return DSDN_OK;
}

/* What shows that it is in the log: H(header) is the batch's hash, which the next header repeats as its prev;
 * the header has H(body); and the event is these bytes of the body (docs/formats/wire.md). */
static void proof_json(struct dsdn_text *t, const struct dsdn_prepared *p, const struct change *c)
{
    uint32_t bundle, index;
    uint8_t id[32];
    dsdn_text_key(t, "proof");
    dsdn_text_open(t, '{');
    put_hex(t, "batch_hash", p->batch.hash, 32);
    put_hex(t, "header", p->batch.bytes, DSDN_HEADER_LEN);
    put_hex(t, "signature", p->batch.signature, 64);
    if (c->kind == DSDN_STEP_EVENT) {
        const struct dsdn_op *op = &p->ops[c->number];
        uint32_t before = 3 + dsdn_varint_len(op->len); /* type, version and length of the frame */
        dsdn_prepared_position(p, c->number, &bundle, &index);
        dsdn_prepared_event_id(p, c->number, id);
        put_hex(t, "event_id", id, 32);
        put_number(t, "bundle_offset",
                   (uint64_t)(p->bundles[bundle].bundle.events - p->batch.body) - DSDN_BUNDLE_LEN);
        put_number(t, "event_offset", (uint64_t)(op->payload - p->batch.body) - before);
        put_number(t, "event_len", before + op->len);
    }
    dsdn_text_close(t, '}');
}

static int row_json(const struct why *w, struct dsdn_text *t, bool present, const uint8_t *value, size_t len,
                    struct dsdn_error *error)
{
    uint32_t cnt;
    dsdn_text_key(t, "row");
    if (present)
        return dsdn_value_json(t, dsdn_engine_tables(w->session.engine, &cnt), w->table, w->key, value, len,
                               error);
    dsdn_text_null(t);
    return DSDN_OK;
}

static int show(struct why *w, const struct dsdn_prepared *p, const struct change *c, uint64_t first,
                struct dsdn_error *error)
{
    struct dsdn_text *t = records_begin(&w->records);
    dsdn_text_open(t, '{');
    int rc = what_json(w, t, p, c, first, error);
    if (!rc) rc = row_json(w, t, c->present, w->values.bytes + c->at, c->len, error);
    if (!rc) proof_json(t, p, c);
    dsdn_text_close(t, '}');
    int ended = records_end(&w->records, rc ? NULL : error);
    return rc ? rc : ended;
}

/* The row as the genesis file makes it. */
static int show_genesis(struct why *w, struct dsdn_error *error)
{
    struct dsdn_text *t = records_begin(&w->records);
    dsdn_text_open(t, '{');
    put_string(t, "change", "genesis");
    int rc = row_json(w, t, true, w->value, w->value_len, error);
    dsdn_text_key(t, "proof");
    dsdn_text_open(t, '{');
    put_hex(t, "genesis", w->input.genesis.hash, 32);
    dsdn_text_close(t, '}');
    dsdn_text_close(t, '}');
    int ended = records_end(&w->records, rc ? NULL : error);
    return rc ? rc : ended;
}

/* The batch, byte for byte, as a file of --batches. */
static int keep_batch(const struct why *w, const struct dsdn_prepared *p, struct dsdn_error *error)
{
    char path[OUTPUT_PATH_MAX];
    struct output out;
    const char *dir = w->options->batches;
    int len = snprintf(path, sizeof path, "%s/%llu.batch", dir, (unsigned long long)p->batch.header.sequence);
    if ((size_t)len >= sizeof path) return dsdn_fail(error, DSDN_E_USAGE, "the name after --batches is too long");
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        int rc = dsdn_fail_errno(error, errno, "cannot make the folder");
        return dsdn_error_at(error, dir, DSDN_NO_OFFSET), rc;
    }
    int rc = output_open(&out, path, w->options->force, error);
    if (rc) return rc;
    rc = output_write(&out, p->batch.bytes, p->batch.len, error);
    return output_close(&out, rc, error);
}

static int applied(void *self, const struct dsdn_engine *engine, const struct dsdn_prepared *p,
                   const struct dsdn_record *record, struct dsdn_error *error)
{
    struct why *w = self;
    uint64_t first = dsdn_head(dsdn_engine_state(engine))->event_count - p->op_cnt;
    int rc = w->no_memory ? dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the changes of one batch") : 0;
    w->seen += p->op_cnt;
    progress_at(&w->progress, record->sequence + 1, w->seen);
    for (size_t i = 0; !rc && i < w->change_cnt; i++) rc = show(w, p, &w->changes[i], first, error);
    if (!rc && w->change_cnt && w->options->batches) rc = keep_batch(w, p, error);
    w->change_cnt = w->values.len = 0;
    return rc;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* From genesis on, whatever checkpoints there are: what made the row may be the first event. */
static int begin(struct why *w, const struct conditions *conditions, struct dsdn_error *error)
{
    const struct options *o = w->options;
    int rc = input_open(&w->input, o->arguments[0], o, error);
    if (!rc) rc = session_begin(&w->session, &w->input, conditions, NULL, 0, error);
    if (!rc) rc = session_row(&w->session, o, &w->table, w->key, error);
    if (rc) return rc;
    const struct dsdn_state *s = dsdn_engine_state(w->session.engine);
    w->hash = dsdn_key_hash(s->seed, w->key, s->tables[w->table].desc->key_len);
    look(w, s, w->value, &w->value_len, &w->present);
    dsdn_engine_observe(w->session.engine, stepped, w);
    return DSDN_OK;
}

static int replay(struct why *w, unsigned jobs, uint64_t end, struct dsdn_error *error)
{
    struct dsdn_replay_result result;
    struct dsdn_replay_options options = {
        .jobs = jobs, .end = end, .interrupted = &interrupted, .applied = applied, .self = w};
    int rc = w->present ? show_genesis(w, error) : DSDN_OK;
    if (!rc && !w->session.exhausted)
        rc = dsdn_replay(w->session.engine, w->input.source, &options, &result, error);
    if (!rc && end != UINT64_MAX && session_next(&w->session) < end)
        rc = dsdn_fail_at(error, DSDN_E_NOT_FOUND, w->input.name, DSDN_NO_OFFSET,
                          "batch %llu is not in the source, which ends before batch %llu",
                          (unsigned long long)(end - 1), (unsigned long long)session_next(&w->session));
    if (!rc && !w->records.cnt)
        rc = dsdn_fail(error, DSDN_E_NOT_FOUND, "nothing in the log made a row of %s with the key %.200s",
                       w->options->table, w->options->key);
    return rc;
}

static int explain(struct why *w, struct dsdn_error *error)
{
    const struct options *o = w->options;
    enum format format;
    struct place at;
    struct conditions conditions = conditions_make(o);
    int rc = records_format(o, &format, error);
    if (!rc && o->format && format != FORMAT_JSON && format != FORMAT_NDJSON)
        rc = dsdn_fail(error, DSDN_E_USAGE, "why answers in ndjson (the default) or json");
    if (!rc) rc = options_place("at", o->at, PLACE_SEQUENCE | PLACE_TIP, &at, error);
    if (!rc) rc = begin(w, &conditions, error);
    if (rc) return rc;
    uint64_t end = at.kind == PLACE_SEQUENCE ? at.number + 1 : UINT64_MAX, count = w->input.source->count;
    rc = progress_start(&w->progress, o, "replaying", end != UINT64_MAX ? end : count == UINT64_MAX ? 0 : count,
                        error);
    if (!o->output || strcmp(o->output, "-") == 0)
        w->progress.on = w->progress.on && o->progress; /* lines would mix */
    if (!rc) rc = records_open(&w->records, o, o->format ? format : FORMAT_NDJSON, NULL, NULL, 0, error);
    if (rc) return rc;
    rc = replay(w, conditions.jobs, end, error);
    progress_hide(&w->progress);
    return records_close(&w->records, rc, error);
}

int command_why(const struct options *options, struct dsdn_error *error)
{
    if (!options->table || !options->key) return dsdn_fail(error, DSDN_E_USAGE, "why wants --table and --key");
    struct why *w = calloc(1, sizeof *w);
    if (!w) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start");
    w->options = options;
    int rc = explain(w, error);
    session_end(&w->session);
    input_close(&w->input);
    dsdn_buffer_free(&w->values);
    free(w->changes);
    free(w);
    return rc;
}
