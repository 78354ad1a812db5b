/* view.c: the table of views, and how a row of one is written. */
#include "apps/replay/view.h"

#include "apps/replay/commands.h"
#include "roles/tables.h"

#include <stdlib.h>

#define ID 64 /* width of an id in full, which a key column has */

static const struct field placement_fields[] = {
    {"hash", FIELD_TEXT, true, ID},  {"rank", FIELD_NUMBER, true, 4}, {"node", FIELD_TEXT, true, ID},
    {"zone", FIELD_TEXT, false, 16}, {"rule", FIELD_TEXT, false, 5},  {NULL, FIELD_TEXT, false, 0}};
static const struct field zone_fields[] = {
    {"zone", FIELD_TEXT, true, 16},        {"node", FIELD_TEXT, true, ID},
    {"role", FIELD_NUMBER, false, 4},      {"status", FIELD_TEXT, false, 11},
    {"on_ring", FIELD_NUMBER, false, 7},   {"replica_cnt", FIELD_NUMBER, false, 11},
    {"used_bytes", FIELD_LONG, false, 14}, {"capacity_gb", FIELD_NUMBER, false, 11},
    {NULL, FIELD_TEXT, false, 0}};
static const struct field short_fields[] = {
    {"chunk", FIELD_TEXT, true, ID},      {"object", FIELD_TEXT, false, 16},
    {"rf", FIELD_NUMBER, false, 3},       {"live", FIELD_NUMBER, false, 4},
    {"assigned", FIELD_NUMBER, false, 8}, {"suspect", FIELD_NUMBER, false, 7},
    {NULL, FIELD_TEXT, false, 0}};
static const struct field heal_fields[] = {
    {"chunk", FIELD_TEXT, true, ID},   {"rank", FIELD_NUMBER, true, 4}, {"source", FIELD_TEXT, false, ID},
    {"target", FIELD_TEXT, false, ID}, {"zone", FIELD_TEXT, false, 16}, {"rule", FIELD_TEXT, false, 5},
    {NULL, FIELD_TEXT, false, 0}};
static const struct field deletion_fields[] = {
    {"kind", FIELD_TEXT, true, 6},   {"target", FIELD_TEXT, true, ID}, {"ordinal", FIELD_LONG, false, 12},
    {"chunk", FIELD_TEXT, true, ID}, {"node", FIELD_TEXT, true, ID},   {"state", FIELD_TEXT, false, 8},
    {NULL, FIELD_TEXT, false, 0}};
static const struct field duty_fields[] = {{"node", FIELD_TEXT, true, ID},
                                           {"chunk", FIELD_TEXT, true, ID},
                                           {"duty", FIELD_TEXT, true, 5},
                                           {"reason", FIELD_TEXT, false, 14},
                                           {"source", FIELD_TEXT, false, 16},
                                           {"deadline_ms", FIELD_LONG, false, 14},
                                           {"leaf", FIELD_NUMBER, false, 6},
                                           {"leaves", FIELD_NUMBER, false, 6},
                                           {"assigned_ordinal", FIELD_LONG, false, 16},
                                           {"state_ordinal", FIELD_LONG, false, 13},
                                           {"cause_ordinal", FIELD_LONG, false, 13},
                                           {NULL, FIELD_TEXT, false, 0}};
static const struct field gate_fields[] = {
    {"node", FIELD_TEXT, true, ID},          {"status", FIELD_TEXT, false, 11},
    {"cause", FIELD_TEXT, false, 10},        {"verdict", FIELD_TEXT, false, 11},
    {"reason", FIELD_TEXT, false, 20},       {"eligible", FIELD_TEXT, false, 20},
    {"stake", FIELD_LONG, false, 20},        {"minimum", FIELD_LONG, false, 20},
    {"banned_until", FIELD_LONG, false, 20}, {"cooldown_until", FIELD_LONG, false, 14},
    {"faults", FIELD_NUMBER, false, 6},      {NULL, FIELD_TEXT, false, 0}};

const struct view views[] = {{"placement", VIEW_KEY_MUST, "HASH[/RF]", placement_fields, view_placement},
                             {"zone", VIEW_KEY_MAY, "ZONE", zone_fields, view_zone_nodes},
                             {"short", VIEW_KEY_MAY, "CHUNK", short_fields, view_short},
                             {"heal", VIEW_KEY_MAY, "CHUNK", heal_fields, view_heal},
                             {"deletion", VIEW_KEY_MAY, "OBJECT or CHUNK", deletion_fields, view_deletion},
                             {"node", VIEW_KEY_MUST, "NODE", duty_fields, view_duties},
                             {"nodes", VIEW_KEY_NONE, NULL, duty_fields, view_duties},
                             {"gate", VIEW_KEY_MAY, "NODE", gate_fields, view_gate},
                             {NULL, VIEW_KEY_NONE, NULL, NULL, NULL}};

int view_find(const char *name, const char *key, const struct view **view, struct dsdn_error *error)
{
    char names[128];
    size_t used = 0;
    for (*view = views; (*view)->name && strcmp((*view)->name, name) != 0; ++*view)
        used += (size_t)snprintf(names + used, sizeof names - used, " %s", (*view)->name);
    if (!(*view)->name)
        return dsdn_fail(error, DSDN_E_USAGE, "no view is called \"%.40s\"; there are%s", name, names);
    if (!key && (*view)->takes == VIEW_KEY_MUST)
        return dsdn_fail(error, DSDN_E_USAGE, "view %s wants --key %s", name, (*view)->key_doc);
    if (key && (*view)->takes == VIEW_KEY_NONE)
        return dsdn_fail(error, DSDN_E_USAGE, "view %s takes no --key", name);
    return DSDN_OK;
}

/* ---- cells ---- */

static struct dsdn_cell *next_cell(struct view_list *v, enum dsdn_cell_kind kind)
{
    struct dsdn_cell *cell = &v->cells[v->cnt++];
    *cell = (struct dsdn_cell){.kind = kind, .at = v->text->len};
    return cell;
}

void view_number(struct view_list *v, uint64_t number)
{
    next_cell(v, DSDN_CELL_NUMBER)->number = number;
}

void view_text(struct view_list *v, const char *text)
{
    struct dsdn_cell *cell = next_cell(v, DSDN_CELL_TEXT);
    cell->len = strlen(text);
    dsdn_text_put(v->text, text, cell->len);
}

void view_null(struct view_list *v)
{
    next_cell(v, DSDN_CELL_NULL);
}

static void key_cell(struct view_list *v, uint32_t table, const uint8_t *key)
{
    struct dsdn_cell *cell = next_cell(v, DSDN_CELL_TEXT);
    dsdn_key_text(v->text, v->s->tables[table].desc, key);
    cell->len = v->text->len - cell->at;
}

void view_hex32(struct view_list *v, const uint8_t bytes[32])
{
    key_cell(v, dsdn_TABLE_node, bytes);
}

void view_node(struct view_list *v, uint32_t node)
{
    if (node == DSDN_NO_ROW)
        view_null(v);
    else
        view_hex32(v, dsdn_node_at(v->s, node)->id);
}

void view_zone(struct view_list *v, uint32_t zone)
{
    key_cell(v, dsdn_TABLE_zone, dsdn_zone_at(v->s, zone)->name);
}

static void json_cell(struct dsdn_text *out, const struct view_list *v, uint32_t i)
{
    const struct dsdn_cell *cell = &v->cells[i];
    dsdn_text_key(out, v->view->fields[i].name);
    if (cell->kind == DSDN_CELL_NULL)
        dsdn_text_null(out);
    else if (cell->kind != DSDN_CELL_NUMBER)
        dsdn_text_bytes(out, (const uint8_t *)v->text->bytes + cell->at, cell->len);
    else if (v->view->fields[i].type == FIELD_LONG)
        dsdn_text_decimal(out, cell->number, false);
    else
        dsdn_text_u64(out, cell->number);
}

int view_row(struct view_list *v, struct dsdn_error *error)
{
    int rc = interrupted ? dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped") : dsdn_text_status(v->text, error);
    if (!rc && records_json(v->records)) {
        struct dsdn_text *out = records_begin(v->records);
        dsdn_text_open(out, '{');
        for (uint32_t i = 0; i < v->cnt; i++) json_cell(out, v, i);
        dsdn_text_close(out, '}');
        rc = records_end(v->records, error);
    } else if (!rc) {
        rc = records_row(v->records, v->text, v->cells, error);
    }
    v->cnt = 0;
    dsdn_text_clear(v->text);
    return rc;
}

/* ---- rows of tables ---- */

int view_find_row(const struct view_list *v, uint32_t table, const char *key, uint32_t *row,
                  struct dsdn_error *error)
{
    const struct dsdn_table *t = &v->s->tables[table];
    uint8_t bytes[DSDN_KEY_MAX];
    int rc = dsdn_key_parse(t->desc, key, bytes, error);
    if (rc) return rc;
    *row = dsdn_table_find(t, bytes, t->desc->key_len, t->desc->row_size,
                           dsdn_key_hash(v->s->seed, bytes, t->desc->key_len));
    if (*row != DSDN_NO_ROW) return DSDN_OK;
    return dsdn_fail(error, DSDN_E_NOT_FOUND, "there is no %s %.200s", t->desc->name, key);
}

int view_each(struct view_list *v, uint32_t table, const char *key,
              int (*one)(struct view_list *v, uint32_t row, struct dsdn_error *error),
              struct dsdn_error *error)
{
    const struct dsdn_table *t = &v->s->tables[table];
    uint32_t *rows = NULL, row;
    int rc;
    if (key) {
        rc = view_find_row(v, table, key, &row, error);
        return rc ? rc : one(v, row, error);
    }
    rc = dsdn_table_sorted(t, &rows, error);
    for (uint32_t i = 0; !rc && i < t->live_cnt; i++) rc = one(v, rows[i], error);
    free(rows);
    return rc;
}
