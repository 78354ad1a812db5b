/* query.c: `query`: rows of the state, one by its key or all of a table in key order; and views, which
 * follow from several tables. */
#include "apps/replay/commands.h"
#include "apps/replay/records.h"
#include "apps/replay/session.h"
#include "apps/replay/view.h"
#include "roles/dsdn.h"
#include "statemachine/system.h"

#include <stdlib.h>

#define TEXT_MAX ((size_t)1 << 20) /* texts of one row */

/* What a column is in CSV and SQLite, and how wide in a table for people. */
static const struct {
    enum field_type type;
    unsigned width;
} kinds[] = {
    [DSDN_COLUMN_u8] = {FIELD_NUMBER, 5},    [DSDN_COLUMN_u16] = {FIELD_NUMBER, 5},
    [DSDN_COLUMN_u32] = {FIELD_NUMBER, 10},  [DSDN_COLUMN_u64] = {FIELD_LONG, 20},
    [DSDN_COLUMN_i64] = {FIELD_LONG, 20},    [DSDN_COLUMN_time] = {FIELD_LONG, 20},
    [DSDN_COLUMN_height] = {FIELD_LONG, 20}, [DSDN_COLUMN_id] = {FIELD_TEXT, 16},
    [DSDN_COLUMN_hash] = {FIELD_TEXT, 16},   [DSDN_COLUMN_addr] = {FIELD_TEXT, 16},
    [DSDN_COLUMN_ns] = {FIELD_TEXT, 16},     [DSDN_COLUMN_str] = {FIELD_TEXT, 24},
    [DSDN_COLUMN_bytes] = {FIELD_TEXT, 16},  [DSDN_COLUMN_ref] = {FIELD_TEXT, 16},
    [DSDN_COLUMN_opt_ref] = {FIELD_TEXT, 16}, [DSDN_COLUMN_refs] = {FIELD_TEXT, 32},
};

static uint32_t fields_of(const struct dsdn_table_desc *desc, struct field fields[DSDN_CELLS_MAX])
{
    uint32_t cnt = 0;
    for (const struct dsdn_column *c = desc->columns(); c->name && cnt < DSDN_CELLS_MAX; c++) {
        unsigned width = kinds[c->kind].width, name = (unsigned)strlen(c->name);
        fields[cnt++] = (struct field){c->name, kinds[c->kind].type, c->key, width > name ? width : name};
        if (c->key && kinds[c->kind].type == FIELD_TEXT && c->kind != DSDN_COLUMN_str)
            fields[cnt - 1].width = 2u * c->max; /* in full: it is what --key wants */
    }
    return cnt;
}

struct query {
    const struct dsdn_state *state;
    struct records records;
    struct dsdn_text text;
    uint32_t table;
};

static int show(struct query *q, uint32_t row, struct dsdn_error *error)
{
    struct dsdn_cell cells[DSDN_CELLS_MAX];
    if (records_json(&q->records)) {
        dsdn_row_json(records_begin(&q->records), q->state, q->table, row);
        return records_end(&q->records, error);
    }
    dsdn_row_cells(&q->text, q->state, q->table, row, cells);
    return records_row(&q->records, &q->text, cells, error);
}

static int list(struct query *q, struct dsdn_error *error)
{
    const struct dsdn_table *table = &q->state->tables[q->table];
    uint32_t *rows = NULL;
    int rc = dsdn_table_sorted(table, &rows, error);
    for (uint32_t i = 0; !rc && i < table->live_cnt; i++)
        rc = interrupted ? dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped") : show(q, rows[i], error);
    free(rows);
    return rc;
}

static int answer(struct query *q, const struct session *session, const struct options *o, enum format format,
                  struct dsdn_error *error)
{
    struct field fields[DSDN_CELLS_MAX];
    uint8_t key[DSDN_KEY_MAX];
    uint32_t row = DSDN_NO_ROW;
    q->state = dsdn_engine_state(session->engine);
    int rc = session_row(session, o, &q->table, key, error);
    if (rc) return rc;
    const struct dsdn_table *t = &q->state->tables[q->table];
    if (o->key) {
        row = dsdn_table_find(t, key, t->desc->key_len, t->desc->row_size,
                              dsdn_key_hash(q->state->seed, key, t->desc->key_len));
        if (row == DSDN_NO_ROW)
            return dsdn_fail(error, DSDN_E_NOT_FOUND, "table %s has no row with the key %.200s", t->desc->name,
                             o->key);
    }
    rc = records_open(&q->records, o, format, t->desc->name, fields, fields_of(t->desc, fields), error);
    if (rc) return rc;
    rc = o->key ? show(q, row, error) : list(q, error);
    return records_close(&q->records, rc, error);
}

/* ---- views ---- */

static int answer_view(struct query *q, const struct session *session, const struct options *o,
                       const struct view *view, enum format format, struct dsdn_error *error)
{
    uint32_t fields = 0;
    q->state = dsdn_engine_state(session->engine);
    if (session->input->catalogue != &dsdn_catalogue)
        return dsdn_fail(error, DSDN_E_USAGE, "views are for logs of a network, not of catalogue %s",
                         session->input->catalogue->name);
    while (view->fields[fields].name) fields++;
    struct view_list list = {.view = view,
                             .s = q->state,
                             .time_ms = dsdn_head(q->state)->time_ms,
                             .records = &q->records,
                             .text = &q->text};
    int rc = records_open(&q->records, o, format, view->name, view->fields, fields, error);
    if (rc) return rc;
    rc = view->list(&list, o->key, error);
    return records_close(&q->records, rc, error);
}

int command_query(const struct options *options, struct dsdn_error *error)
{
    struct input input;
    struct session session = {0};
    struct query q = {0};
    enum format format;
    const struct view *view = NULL;
    if (!options->table == !options->view)
        return dsdn_fail(error, DSDN_E_USAGE, "query wants either --table or --view");
    int rc = options->view ? view_find(options->view, options->key, &view, error) : DSDN_OK;
    if (!rc) rc = records_format(options, &format, error);
    if (!rc) rc = session_open(&session, &input, options, "replaying", error);
    if (rc) return rc;
    dsdn_text_init(&q.text, TEXT_MAX, 0);
    rc = view ? answer_view(&q, &session, options, view, format, error)
              : answer(&q, &session, options, format, error);
    dsdn_text_free(&q.text);
    session_end(&session);
    input_close(&input);
    return rc;
}
