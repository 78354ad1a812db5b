/* inspect.c: `inspect`: events with what became of them, or rows of the state. */
#include "apps/replay/commands.h"
#include "apps/replay/output.h"
#include "apps/replay/session.h"

#include "log/filter.h"
#include "statemachine/row_json.h"

#include <stdlib.h>
#include <time.h>

#define TEXT_MAX    ((size_t)8 << 20) /* JSON of one event: a payload of 512 KiB as hex, and room */
#define FLUSH_BYTES ((size_t)1 << 20)
#define CODES_MAX   1024u
#define CELL_MAX    160 /* bytes of payload in a table */

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_NDJSON };

struct listing {
    const struct options *options;
    struct input input;
    struct session session;
    struct progress progress;
    struct place from, to;
    enum format format;
    struct output out;
    struct dsdn_filter *filter;
    struct dsdn_filter_name outcomes[DSDN_OUTCOME_CNT], codes[CODES_MAX];
    struct dsdn_text text;
    uint64_t first, seen, listed;
};

static int flush(struct listing *l, struct dsdn_error *error)
{
    int rc = dsdn_text_status(&l->text, error);
    if (!rc) rc = output_write(&l->out, l->text.bytes, l->text.len, error);
    dsdn_text_clear(&l->text);
    return rc;
}

/* ---- one event ------------------------------------------------------------------------------- */

/* An event and its place. */
struct shown {
    const struct dsdn_prepared *batch;
    const struct dsdn_op *op;
    const struct dsdn_event_desc *desc;
    struct dsdn_filter_event seen;
    uint32_t bundle, index; /* in the batch; in the bundle */
    uint64_t ordinal;
};

static void put_decimal(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_decimal(t, value, false);
}

static void put_number(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_u64(t, value);
}

static void put_string(struct dsdn_text *t, const char *key, const char *value)
{
    dsdn_text_key(t, key);
    dsdn_text_string(t, value);
}

static int event_json(struct listing *l, const struct shown *e, struct dsdn_error *error)
{
    struct dsdn_text *t = &l->text;
    dsdn_text_open(t, '{');
    put_decimal(t, "seq", e->seen.seq);
    put_number(t, "bundle", e->bundle);
    put_number(t, "event", e->index);
    put_number(t, "index", e->seen.index);
    put_decimal(t, "ordinal", e->ordinal);
    put_decimal(t, "time_ms", e->seen.time_ms);
    put_string(t, "type", e->desc->name);
    put_string(t, "family", e->desc->family);
    put_number(t, "version", e->seen.version);
    dsdn_text_key(t, "author");
    if (dsdn_zero32(e->seen.author))
        dsdn_text_string(t, "authority");
    else
        dsdn_text_hex(t, e->seen.author, 32);
    put_string(t, "outcome", dsdn_outcome_name((uint8_t)e->seen.outcome));
    dsdn_text_key(t, "code");
    if (e->seen.code)
        dsdn_text_string(t, dsdn_code_name(l->input.catalogue, e->seen.code));
    else
        dsdn_text_null(t);
    dsdn_text_key(t, "payload");
    int rc = dsdn_json_write_payload(t, e->desc, e->seen.version, e->seen.payload, e->seen.len, error);
    dsdn_text_close(t, '}');
    return rc;
}

static void format_time(uint64_t ms, char *out, size_t cap)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[40];
    if (ms / 1000 > 253402300799u || !gmtime_r(&seconds, &tm) ||
        !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
        snprintf(out, cap, "%llums", (unsigned long long)ms);
    else
        snprintf(out, cap, "%s.%03uZ", text, (unsigned)(ms % 1000));
}

static int event_row(struct listing *l, const struct shown *e, struct dsdn_error *error)
{
    char place[64], when[64], author[65], outcome[96];
    struct dsdn_text payload;
    if (!l->listed)
        dsdn_text_format(&l->text, "%-16s %-24s %-24s %-16s %-24s %s\n", "place", "time", "type", "author",
                         "outcome", "payload");
    snprintf(place, sizeof place, "%llu.%u.%u", (unsigned long long)e->seen.seq, e->bundle, e->index);
    format_time(e->seen.time_ms, when, sizeof when);
    if (dsdn_zero32(e->seen.author))
        snprintf(author, sizeof author, "authority");
    else
        dsdn_hex_encode(e->seen.author, 7, author), memcpy(author + 14, "..", 3);
    snprintf(outcome, sizeof outcome, "%s%s%s", dsdn_outcome_name((uint8_t)e->seen.outcome),
             e->seen.code ? ":" : "", e->seen.code ? dsdn_code_name(l->input.catalogue, e->seen.code) : "");
    dsdn_text_init(&payload, TEXT_MAX, 0);
    int rc = dsdn_json_write_payload(&payload, e->desc, e->seen.version, e->seen.payload, e->seen.len, error);
    if (!rc) {
        size_t len = payload.len;
        if (len > CELL_MAX) /* cut between two characters */
            for (len = CELL_MAX; len && ((uint8_t)payload.bytes[len] & 0xC0) == 0x80;) len--;
        dsdn_text_format(&l->text, "%-16s %-24s %-24s %-16s %-24s %.*s%s\n", place, when, e->desc->name,
                         author, outcome, (int)len, payload.bytes, len < payload.len ? "..." : "");
    }
    dsdn_text_free(&payload);
    return rc;
}

static int show(struct listing *l, const struct shown *e, struct dsdn_error *error)
{
    if (l->filter && !dsdn_filter_match(l->filter, &e->seen)) return DSDN_OK;
    /* Each event is a document of its own for the text, since it is written out in between. */
    if (l->format == FORMAT_JSON) dsdn_text_put(&l->text, l->listed ? "," : "[", 1);
    int rc = l->format == FORMAT_TABLE ? event_row(l, e, error) : event_json(l, e, error);
    l->listed++;
    if (l->format != FORMAT_TABLE) dsdn_text_line(&l->text);
    return rc || l->text.len < FLUSH_BYTES ? rc : flush(l, error);
}

static int applied(void *self, const struct dsdn_engine *engine, const struct dsdn_prepared *p,
                   const struct dsdn_record *record, struct dsdn_error *error)
{
    struct listing *l = self;
    uint64_t ordinal = dsdn_head(dsdn_engine_state(engine))->event_count - p->op_cnt;
    static const uint8_t nobody[32];
    int rc = DSDN_OK;
    l->seen += p->op_cnt;
    progress_at(&l->progress, record->sequence + 1 - l->session.begin, l->seen);
    for (uint32_t b = 0; b < p->bundle_cnt && record->sequence >= l->first; b++) {
        const struct dsdn_prepared_bundle *bundle = &p->bundles[b];
        for (uint32_t i = 0; !rc && i < bundle->op_cnt; i++) {
            uint32_t op = bundle->first_op + i;
            struct shown e = {
                .batch = p, .op = &p->ops[op], .bundle = b, .index = i, .ordinal = ordinal + op};
            e.desc = &l->input.catalogue->events->events[e.op->event];
            e.seen = (struct dsdn_filter_event){
                .seq = record->sequence,
                .index = op,
                .time_ms = p->batch.header.time_ms,
                .event = e.op->event,
                .version = e.op->version,
                .len = e.op->len,
                .payload = e.op->payload,
                .author = bundle->bundle.kind == DSDN_BUNDLE_AUTHORITY ? nobody : bundle->bundle.author,
                .outcome = DSDN_OUTCOME_NUMBER(p->outcomes[op]),
                .code = DSDN_OUTCOME_CODE(p->outcomes[op]),
            };
            rc = show(l, &e, error);
        }
    }
    return rc;
}

/* ---- events ---------------------------------------------------------------------------------- */

static int compile(struct listing *l, struct dsdn_error *error)
{
    struct dsdn_filter_names names = {l->outcomes, l->codes, DSDN_OUTCOME_CNT, 0};
    for (uint32_t i = 0; i < DSDN_OUTCOME_CNT; i++)
        l->outcomes[i] = (struct dsdn_filter_name){i, dsdn_outcome_name((uint8_t)i)};
    for (const struct dsdn_code_name *c = l->input.catalogue->codes; c->name && names.code_cnt < CODES_MAX;
         c++)
        l->codes[names.code_cnt++] = (struct dsdn_filter_name){c->code, c->name};
    int rc = dsdn_filter_compile(l->options->where, l->input.catalogue->events, &names, &l->filter, error);
    if (rc == DSDN_E_USAGE) {
        char caret[2 * DSDN_FILTER_TEXT_MAX + 8];
        dsdn_filter_caret(l->options->where, error, caret, sizeof caret);
        fprintf(stderr, "%s\n", caret);
    }
    return rc;
}

static int list_events(struct listing *l, struct dsdn_error *error)
{
    struct conditions conditions = conditions_make(l->options);
    uint64_t start = l->from.kind == PLACE_SEQUENCE ? l->from.number : 0;
    uint64_t end = l->to.kind == PLACE_SEQUENCE ? l->to.number + 1 : UINT64_MAX;
    struct dsdn_replay_result result;
    if (start >= end) return dsdn_fail(error, DSDN_E_USAGE, "--from is behind --to");
    int rc = l->options->where ? compile(l, error) : DSDN_OK;
    if (!rc) rc = session_begin(&l->session, &l->input, &conditions, &l->from, start, error);
    if (rc) return rc;
    l->first = start;
    struct dsdn_replay_options options = {.jobs = conditions.jobs,
                                          .end = end,
                                          .end_time_ms = l->to.kind == PLACE_TIME ? l->to.number : 0,
                                          .interrupted = &interrupted,
                                          .applied = applied,
                                          .self = l};
    if (!l->session.exhausted && session_next(&l->session) < end)
        rc = dsdn_replay(l->session.engine, l->input.source, &options, &result, error);
    if (l->format == FORMAT_JSON) dsdn_text_format(&l->text, "%s]\n", l->listed ? "" : "[");
    return rc;
}

/* ---- state ----------------------------------------------------------------------------------- */

static int list_table(struct listing *l, uint32_t number, const char *name, struct dsdn_error *error)
{
    const struct dsdn_state *state = dsdn_engine_state(l->session.engine);
    const struct dsdn_table *table = &state->tables[number];
    uint32_t *rows;
    int rc = dsdn_table_sorted(table, &rows, error);
    for (uint32_t i = 0; !rc && i < table->live_cnt && !interrupted; i++) {
        dsdn_text_open(&l->text, '{');
        put_string(&l->text, "table", name);
        dsdn_text_key(&l->text, "row");
        dsdn_row_json(&l->text, state, number, rows[i]);
        dsdn_text_close(&l->text, '}');
        dsdn_text_line(&l->text);
        if (l->text.len >= FLUSH_BYTES) rc = flush(l, error);
    }
    if (!rc) free(rows);
    return rc;
}

static int list_state(struct listing *l, struct dsdn_error *error)
{
    uint32_t cnt;
    const struct dsdn_table_desc *const *tables = dsdn_engine_tables(l->session.engine, &cnt);
    int only = l->options->table ? dsdn_table_named(tables, cnt, l->options->table) : -1, rc = DSDN_OK;
    if (l->options->table && only < 0)
        return dsdn_fail(error, DSDN_E_USAGE, "no table is called \"%.80s\"", l->options->table);
    for (uint32_t i = 0; !rc && i < cnt; i++)
        if (only < 0 || (uint32_t)only == i) rc = list_table(l, i, tables[i]->name, error);
    return rc || !interrupted ? rc : dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int read_options(struct listing *l, struct dsdn_error *error)
{
    static const char *const formats[] = {"table", "json", "ndjson"};
    const struct options *o = l->options;
    int rc =
        options_place("from", o->from, PLACE_GENESIS | PLACE_SEQUENCE | PLACE_CHECKPOINT, &l->from, error);
    if (!rc) rc = options_place("to", o->to, PLACE_SEQUENCE | PLACE_TIME, &l->to, error);
    if (rc) return rc;
    l->format = FORMAT_TABLE;
    for (size_t i = 0; o->format && i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(o->format, formats[i]) == 0) l->format = (enum format)i;
    if (o->format && strcmp(o->format, formats[l->format]) != 0)
        return dsdn_fail(error, DSDN_E_USAGE, "--format wants table, json or ndjson, not \"%.40s\"",
                         o->format);
    if (o->dump_state && (o->where || o->format || o->from || o->to))
        return dsdn_fail(error, DSDN_E_USAGE,
                         "--state lists rows at one place: --at and --table, nothing else");
    if (!o->dump_state && (o->at || o->table))
        return dsdn_fail(error, DSDN_E_USAGE, "--at and --table go with --state");
    return DSDN_OK;
}

static int list(struct listing *l, struct dsdn_error *error)
{
    const struct options *o = l->options;
    int rc = o->dump_state ? session_open(&l->session, &l->input, o, "replaying", error)
                           : input_open(&l->input, o->arguments[0], o->genesis, o->quiet, error);
    if (rc) return rc;
    uint64_t count = l->input.source->count;
    rc = progress_start(&l->progress, o, "reading", count == UINT64_MAX ? 0 : count, error);
    if (!o->output || strcmp(o->output, "-") == 0)
        l->progress.on = l->progress.on && o->progress; /* lines would mix */
    if (!rc) rc = output_open(&l->out, o->output, o->force, error);
    if (rc) return rc;
    rc = o->dump_state ? list_state(l, error) : list_events(l, error);
    progress_hide(&l->progress);
    struct dsdn_error late = DSDN_ERROR_INIT;
    int flushed = flush(l, rc ? &late : error); /* what came before a fault is shown */
    return output_close(&l->out, rc ? rc : flushed, rc ? &late : error);
}

int command_inspect(const struct options *options, struct dsdn_error *error)
{
    struct listing *l = calloc(1, sizeof *l);
    if (!l) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start");
    l->options = options;
    dsdn_text_init(&l->text, TEXT_MAX + 2 * FLUSH_BYTES, 0);
    int rc = read_options(l, error);
    if (!rc) rc = list(l, error);
    dsdn_text_free(&l->text);
    dsdn_filter_free(l->filter);
    session_end(&l->session);
    input_close(&l->input);
    free(l);
    return rc;
}
