/* inspect.c: `inspect`: events with what became of them. */
#include "apps/replay/commands.h"
#include "apps/replay/events.h"
#include "apps/replay/session.h"

#include <stdlib.h>

#define TEXT_MAX  ((size_t)8 << 20) /* JSON of one event: a payload of 512 KiB as hex, and room */
#define CODES_MAX 1024u

struct listing {
    const struct options *options;
    struct input input;
    struct session session;
    struct progress progress;
    struct place from, to;
    enum format format;
    struct records records;
    struct dsdn_filter *filter;
    struct dsdn_filter_name outcomes[DSDN_OUTCOME_CNT], codes[CODES_MAX];
    struct dsdn_text text; /* of the cells of an event */
    uint64_t first, seen;
};

static int show(struct listing *l, const struct shown *e, struct dsdn_error *error)
{
    struct dsdn_cell cells[EVENT_FIELDS];
    if (l->filter && !dsdn_filter_match(l->filter, &e->seen)) return DSDN_OK;
    if (!records_json(&l->records)) {
        int rc = event_cells(&l->text, e, l->format == FORMAT_TABLE, cells, error);
        return rc ? rc : records_row(&l->records, &l->text, cells, error);
    }
    struct dsdn_text *t = records_begin(&l->records);
    dsdn_text_open(t, '{');
    int rc = event_json(t, e, error);
    dsdn_text_close(t, '}');
    int ended = records_end(&l->records, rc ? NULL : error);
    return rc ? rc : ended;
}

static int applied(void *self, const struct dsdn_engine *engine, const struct dsdn_prepared *p,
                   const struct dsdn_record *record, struct dsdn_error *error)
{
    struct listing *l = self;
    struct shown e;
    uint64_t first = dsdn_head(dsdn_engine_state(engine))->event_count - p->op_cnt;
    int rc = DSDN_OK;
    l->seen += p->op_cnt;
    progress_at(&l->progress, record->sequence + 1 - l->session.begin, l->seen);
    for (uint32_t op = 0; !rc && op < p->op_cnt && record->sequence >= l->first; op++) {
        event_show(&e, l->input.catalogue, p, op, first);
        rc = show(l, &e, error);
    }
    return rc;
}

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
    return rc;
}

static int list(struct listing *l, struct dsdn_error *error)
{
    const struct options *o = l->options;
    bool people = l->format == FORMAT_TABLE;
    int rc = options_place("from", o->from, PLACE_GENESIS | PLACE_SEQUENCE | PLACE_CHECKPOINT | PLACE_HEIGHT,
                           &l->from, error);
    if (!rc) rc = options_place("to", o->to, PLACE_SEQUENCE | PLACE_TIME | PLACE_HEIGHT, &l->to, error);
    if (!rc) rc = input_open(&l->input, o->arguments[0], o, error);
    if (!rc) rc = input_place(&l->input, &l->from, false, error);
    if (!rc) rc = input_place(&l->input, &l->to, true, error);
    if (rc) return rc;
    uint64_t count = l->input.source->count;
    rc = progress_start(&l->progress, o, "reading", count == UINT64_MAX ? 0 : count, error);
    if (!o->output || strcmp(o->output, "-") == 0)
        l->progress.on = l->progress.on && o->progress; /* lines would mix */
    if (!rc)
        rc = records_open(&l->records, o, l->format, "events", people ? event_table_fields : event_fields,
                          people ? EVENT_TABLE_FIELDS : EVENT_FIELDS, error);
    if (rc) return rc;
    rc = list_events(l, error);
    progress_hide(&l->progress);
    return records_close(&l->records, rc, error);
}

int command_inspect(const struct options *options, struct dsdn_error *error)
{
    struct listing *l = calloc(1, sizeof *l);
    if (!l) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start");
    l->options = options;
    dsdn_text_init(&l->text, TEXT_MAX, 0);
    int rc = records_format(options, &l->format, error);
    if (!rc) rc = list(l, error);
    dsdn_text_free(&l->text);
    dsdn_filter_free(l->filter);
    session_end(&l->session);
    input_close(&l->input);
    free(l);
    return rc;
}
