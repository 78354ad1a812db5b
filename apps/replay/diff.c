/* diff.c: `diff`: two logs side by side, up to the first batch where they, or what they do, differ; and the
 * rows that differ there. */
#include "apps/replay/commands.h"
#include "apps/replay/output.h"
#include "apps/replay/session.h"

#include "statemachine/row_json.h"

#include <errno.h>
#include <stdlib.h>

#define REPORT_MAX ((size_t)4 << 20)

struct side {
    const char *argument;
    char name[OUTPUT_PATH_MAX]; /* the argument without @seq:N */
    struct input input;
    struct session session;
    struct dsdn_buffer buffer;
    struct dsdn_record record;
    struct dsdn_prepared prepared;
    uint64_t end, events;
    bool ended;
};

/* What is different first. */
enum difference { SAME, BATCH, LENGTH, OUTCOMES, ROWS };
static const char *const difference_names[] = {"nothing", "batch", "length", "outcomes", "rows"};

/* The rows of one table. */
struct table_difference {
    uint64_t only_a, only_b, changed;
    bool has_key;
    uint8_t key[DSDN_KEY_MAX]; /* the first that differs */
};

struct comparison {
    const struct options *options;
    struct progress progress;
    struct side a, b;
    enum difference difference;
    uint64_t sequence; /* of the first batch that differs */
    uint8_t roots[2][32];
    struct table_difference tables[DSDN_STATE_TABLES_MAX];
    uint32_t table_cnt, first; /* number of the table to name first; table_cnt: none */
};

/* ---- one side -------------------------------------------------------------------------------- */

/* SOURCE or SOURCE@seq:N. */
static int side_open(struct side *s, const struct options *o, uint64_t end, struct dsdn_error *error)
{
    struct place place = {0};
    struct conditions conditions = conditions_make(o);
    size_t len = strlen(s->argument);
    const char *at = strrchr(s->argument, '@');
    int rc = DSDN_OK;
    conditions.fingerprint = true;
    s->end = end;
    if (at && strncmp(at, "@seq:", 5) == 0) {
        rc = options_place("at", at + 1, PLACE_SEQUENCE, &place, error);
        len = (size_t)(at - s->argument);
        if (!rc && place.number + 1 < end) s->end = place.number + 1;
    }
    if (!rc && len >= sizeof s->name)
        rc = dsdn_fail(error, DSDN_E_USAGE, "the name of a source is too long");
    if (rc) return rc;
    memcpy(s->name, s->argument, len);
    s->name[len] = 0;
    rc = input_open(&s->input, s->name, o, error);
    return rc ? rc : session_begin(&s->session, &s->input, &conditions, NULL, 0, error);
}

static void side_close(struct side *s)
{
    session_end(&s->session);
    input_close(&s->input);
    dsdn_prepared_free(&s->prepared);
    dsdn_buffer_free(&s->buffer);
}

/* Applies the next batch, if there is one. */
static int side_step(struct side *s, struct dsdn_error *error)
{
    struct dsdn_engine *e = s->session.engine;
    uint64_t next = session_next(&s->session);
    int rc = s->ended || s->session.exhausted || next >= s->end ? DSDN_E_AGAIN : DSDN_OK;
    if (!rc) rc = dsdn_source_next(s->input.source, &s->buffer, &s->record, error);
    s->ended = rc == DSDN_E_AGAIN;
    if (s->ended && s->end != UINT64_MAX && next < s->end)
        return dsdn_fail_at(error, DSDN_E_NOT_FOUND, s->name, DSDN_NO_OFFSET,
                            "batch %llu is not in the source, which ends before batch %llu",
                            (unsigned long long)(s->end - 1), (unsigned long long)next);
    if (rc) return s->ended ? DSDN_OK : rc;
    rc = dsdn_record_check(&s->record, error);
    if (!rc)
        rc = dsdn_prepare(&s->prepared, s->input.catalogue, dsdn_engine_seed(e), s->record.batch, s->record.len,
                          error);
    if (!rc) rc = dsdn_engine_judge(e, &s->prepared, NULL, error);
    if (!rc) rc = dsdn_engine_apply(e, &s->prepared, error);
    if (rc) dsdn_error_at(error, s->record.file, s->record.offset);
    s->events += s->prepared.op_cnt;
    return rc;
}

static const struct dsdn_sys_row_head *head_of(const struct side *s)
{
    return dsdn_head(dsdn_engine_state(s->session.engine));
}

/* ---- the logs -------------------------------------------------------------------------------- */

static int compare_batch(struct comparison *c, struct dsdn_error *error)
{
    uint8_t a[32], b[32];
    if (!dsdn_equal32(head_of(&c->a)->batch_hash, head_of(&c->b)->batch_hash)) {
        c->difference = BATCH;
        return DSDN_OK;
    }
    if (!dsdn_equal32(head_of(&c->a)->transcript, head_of(&c->b)->transcript)) {
        c->difference = OUTCOMES;
        return DSDN_OK;
    }
    int rc = dsdn_engine_fingerprint(c->a.session.engine, a, error);
    if (!rc) rc = dsdn_engine_fingerprint(c->b.session.engine, b, error);
    if (!rc && !dsdn_equal32(a, b)) c->difference = ROWS;
    return rc;
}

static int compare_logs(struct comparison *c, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    while (!rc && !c->difference) {
        c->sequence = session_next(&c->a.session);
        rc = side_step(&c->a, error);
        if (!rc) rc = side_step(&c->b, error);
        if (rc || (c->a.ended && c->b.ended)) return rc;
        if (c->a.ended != c->b.ended)
            c->difference = LENGTH;
        else
            rc = compare_batch(c, error);
        progress_at(&c->progress, c->sequence + 1, c->a.events);
        if (!rc && interrupted) rc = dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped");
    }
    /* One log goes on where the other ends: the two ends are compared. */
    struct side *longer = c->a.ended ? &c->b : &c->a;
    while (!rc && c->difference == LENGTH && !longer->ended) {
        rc = side_step(longer, error);
        progress_at(&c->progress, session_next(&longer->session), longer->events);
        if (!rc && interrupted) rc = dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped");
    }
    return rc;
}

/* ---- the rows -------------------------------------------------------------------------------- */

static bool rows_equal(const struct dsdn_table *a, uint32_t row_a, const struct dsdn_table *b, uint32_t row_b)
{
    uint8_t value_a[DSDN_VALUE_MAX], value_b[DSDN_VALUE_MAX];
    uint32_t size = a->desc->row_size;
    uint32_t len = a->desc->encode(a->state, dsdn_row_at(a, row_a, size), value_a, NULL);
    return len == b->desc->encode(b->state, dsdn_row_at(b, row_b, size), value_b, NULL) &&
           memcmp(value_a, value_b, len) == 0;
}

/* Both tables in key order, side by side. */
static int compare_table(struct table_difference *d, const struct dsdn_table *a, const struct dsdn_table *b,
                         struct dsdn_error *error)
{
    uint32_t *rows_a = NULL, *rows_b = NULL, i = 0, j = 0, key_len = a->desc->key_len;
    int rc = dsdn_table_sorted(a, &rows_a, error);
    if (!rc) rc = dsdn_table_sorted(b, &rows_b, error);
    while (!rc && (i < a->live_cnt || j < b->live_cnt)) {
        const uint8_t *key_a = i < a->live_cnt ? dsdn_row_at(a, rows_a[i], a->desc->row_size) : NULL;
        const uint8_t *key_b = j < b->live_cnt ? dsdn_row_at(b, rows_b[j], b->desc->row_size) : NULL;
        int order = !key_a ? 1 : !key_b ? -1 : memcmp(key_a, key_b, key_len);
        bool same = order == 0 && rows_equal(a, rows_a[i], b, rows_b[j]);
        d->only_a += order < 0;
        d->only_b += order > 0;
        d->changed += order == 0 && !same;
        if (!same && !d->has_key) {
            memcpy(d->key, order > 0 ? key_b : key_a, key_len);
            d->has_key = true;
        }
        i += order <= 0;
        j += order >= 0;
    }
    free(rows_a);
    free(rows_b);
    return rc;
}

static int compare_rows(struct comparison *c, struct dsdn_error *error)
{
    const struct dsdn_state *a = dsdn_engine_state(c->a.session.engine);
    const struct dsdn_state *b = dsdn_engine_state(c->b.session.engine);
    int rc = DSDN_OK;
    c->first = c->table_cnt = a->table_cnt;
    for (uint32_t t = 0; !rc && t < a->table_cnt; t++)
        rc = compare_table(&c->tables[t], &a->tables[t], &b->tables[t], error);
    /* The tables of roles say most, the system's own less; and the head row always differs. */
    for (uint32_t t = a->table_cnt; t-- > DSDN_SYSTEM_TABLES;)
        if (c->tables[t].has_key) c->first = t;
    for (uint32_t t = DSDN_SYSTEM_TABLES; t-- > 0 && (c->first == c->table_cnt || c->first < DSDN_SYSTEM_TABLES);)
        if (c->tables[t].has_key && (t != dsdn_sys_TABLE_head || c->first == c->table_cnt)) c->first = t;
    return rc;
}

/* ---- the report ------------------------------------------------------------------------------ */

static void put_row(struct dsdn_text *t, const char *name, const struct side *s, uint32_t table,
                    const uint8_t *key)
{
    const struct dsdn_state *state = dsdn_engine_state(s->session.engine);
    const struct dsdn_table_desc *desc = state->tables[table].desc;
    uint32_t row = dsdn_table_find(&state->tables[table], key, desc->key_len, desc->row_size,
                                   dsdn_key_hash(state->seed, key, desc->key_len));
    dsdn_text_key(t, name);
    if (row == DSDN_NO_ROW)
        dsdn_text_null(t);
    else
        dsdn_row_json(t, state, table, row);
}

static void put_hash(struct dsdn_text *t, const char *name, const uint8_t hash[32])
{
    dsdn_text_key(t, name);
    dsdn_text_hex(t, hash, 32);
}

static void put_count(struct dsdn_text *t, const char *name, uint64_t count)
{
    dsdn_text_key(t, name);
    dsdn_text_u64(t, count);
}

static void put_side(struct dsdn_text *t, const char *name, const struct side *s, const uint8_t root[32])
{
    dsdn_text_key(t, name);
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "source");
    dsdn_text_string(t, s->argument);
    put_count(t, "batches", session_next(&s->session));
    put_hash(t, "batch_hash", head_of(s)->batch_hash);
    put_hash(t, "transcript", head_of(s)->transcript);
    put_hash(t, "root", root);
    dsdn_text_close(t, '}');
}

static void put_key(struct dsdn_text *t, const struct dsdn_table_desc *desc, const uint8_t *key)
{
    struct dsdn_text inner;
    dsdn_text_init(&inner, 4 * DSDN_KEY_MAX, 0);
    dsdn_key_text(&inner, desc, key);
    dsdn_text_key(t, "key");
    if (inner.failed)
        t->failed = inner.failed;
    else
        dsdn_text_bytes(t, (const uint8_t *)inner.bytes, inner.len);
    dsdn_text_free(&inner);
}

static void put_table(const struct comparison *c, struct dsdn_text *t, uint32_t table)
{
    const struct dsdn_table_desc *desc = dsdn_engine_state(c->a.session.engine)->tables[table].desc;
    const struct table_difference *d = &c->tables[table];
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "table");
    dsdn_text_string(t, desc->name);
    put_count(t, "only_a", d->only_a);
    put_count(t, "only_b", d->only_b);
    put_count(t, "changed", d->changed);
    put_key(t, desc, d->key);
    put_row(t, "a", &c->a, table, d->key);
    put_row(t, "b", &c->b, table, d->key);
    dsdn_text_close(t, '}');
}

static void report_json(const struct comparison *c, struct dsdn_text *t)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "equal");
    dsdn_text_bool(t, !c->difference);
    dsdn_text_key(t, "what");
    dsdn_text_string(t, difference_names[c->difference]);
    dsdn_text_key(t, "seq");
    if (c->difference)
        dsdn_text_u64(t, c->sequence);
    else
        dsdn_text_null(t);
    put_side(t, "a", &c->a, c->roots[0]);
    put_side(t, "b", &c->b, c->roots[1]);
    dsdn_text_key(t, "tables");
    dsdn_text_open(t, '[');
    if (c->first < c->table_cnt) put_table(c, t, c->first);
    for (uint32_t i = 0; i < c->table_cnt; i++)
        if (i != c->first && c->tables[i].has_key) put_table(c, t, i);
    dsdn_text_close(t, ']');
    dsdn_text_close(t, '}');
    dsdn_text_line(t);
}

/* The same for people: the places, the first row on both sides, and how much differs elsewhere. */
static void report_text(const struct comparison *c, struct dsdn_text *t)
{
    const struct dsdn_state *state = dsdn_engine_state(c->a.session.engine);
    const struct side *sides[] = {&c->a, &c->b};
    if (!c->difference) {
        dsdn_text_format(t, "equal: %llu batches\nroot: ", (unsigned long long)session_next(&c->a.session));
        for (int i = 0; i < 32; i++) dsdn_text_format(t, "%02x", c->roots[0][i]);
        dsdn_text_format(t, "\n");
        return;
    }
    dsdn_text_format(t, "first different batch: %llu (%s)\n", (unsigned long long)c->sequence,
                     difference_names[c->difference]);
    for (int k = 0; k < 2; k++) {
        dsdn_text_format(t, "%c: %s: %llu batches, root ", 'a' + k, sides[k]->argument,
                         (unsigned long long)session_next(&sides[k]->session));
        for (int i = 0; i < 32; i++) dsdn_text_format(t, "%02x", c->roots[k][i]);
        dsdn_text_format(t, "\n");
    }
    for (uint32_t n = 0; n <= c->table_cnt && c->first < c->table_cnt; n++) {
        uint32_t i = n ? n - 1 : c->first;
        if ((n && i == c->first) || !c->tables[i].has_key) continue;
        dsdn_text_format(t, "table %s: %llu rows only in a, %llu only in b, %llu changed\n",
                         state->tables[i].desc->name, (unsigned long long)c->tables[i].only_a,
                         (unsigned long long)c->tables[i].only_b, (unsigned long long)c->tables[i].changed);
        if (n) continue;
        dsdn_text_format(t, "  first key: ");
        dsdn_key_text(t, state->tables[i].desc, c->tables[i].key);
        dsdn_text_format(t, "\n  ");
        dsdn_text_open(t, '{');
        put_row(t, "a", &c->a, i, c->tables[i].key);
        put_row(t, "b", &c->b, i, c->tables[i].key);
        dsdn_text_close(t, '}');
        dsdn_text_line(t);
    }
}

static int report(const struct comparison *c, struct dsdn_error *error)
{
    struct dsdn_text text;
    dsdn_text_init(&text, REPORT_MAX, 0);
    if (c->options->json)
        report_json(c, &text);
    else
        report_text(c, &text);
    int rc = dsdn_text_status(&text, error);
    if (!rc && fwrite(text.bytes, 1, text.len, stdout) != text.len)
        rc = dsdn_fail_errno(error, errno, "cannot write to standard output");
    dsdn_text_free(&text);
    return rc;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int compare(struct comparison *c, struct dsdn_error *error)
{
    const struct options *o = c->options;
    struct dsdn_roots roots[2];
    struct place to;
    int rc = options_place("to", o->to, PLACE_SEQUENCE, &to, error);
    uint64_t end = to.kind == PLACE_SEQUENCE ? to.number + 1 : UINT64_MAX;
    if (!rc) rc = side_open(&c->a, o, end, error);
    if (!rc) rc = side_open(&c->b, o, end, error);
    if (rc) return rc;
    if (!dsdn_equal32(c->a.input.genesis.hash, c->b.input.genesis.hash))
        return dsdn_fail(error, DSDN_E_WRONG_GENESIS, "the two sources belong to different networks");
    rc = progress_start(&c->progress, o, "comparing",
                        c->a.input.source->count == UINT64_MAX ? 0 : c->a.input.source->count, error);
    if (!rc) rc = compare_logs(c, error);
    progress_hide(&c->progress);
    for (int k = 0; !rc && k < 2; k++) {
        rc = dsdn_engine_root(k ? c->b.session.engine : c->a.session.engine, 1, &roots[k], error);
        if (!rc) memcpy(c->roots[k], roots[k].state, 32);
    }
    if (!rc && c->difference) rc = compare_rows(c, error);
    if (!rc) rc = report(c, error);
    if (rc || !c->difference) return rc;
    rc = dsdn_fail(error, c->difference == OUTCOMES ? DSDN_E_TRANSCRIPT : DSDN_E_ROOT,
                   "the sources differ from this batch on");
    return dsdn_error_in(error, c->sequence), rc;
}

int command_diff(const struct options *options, struct dsdn_error *error)
{
    struct comparison *c = calloc(1, sizeof *c);
    if (!c) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start");
    c->options = options;
    c->a.argument = options->arguments[0];
    c->b.argument = options->arguments[1];
    int rc = compare(c, error);
    side_close(&c->a);
    side_close(&c->b);
    free(c);
    return rc;
}
