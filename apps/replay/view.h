/* view.h: what follows from the tables of a network, as lists: `query --view NAME`.  A view is a name,
 * typed columns and a function that gives rows; every output format works through records.h. */
#ifndef DSDN_APPS_REPLAY_VIEW_H
#define DSDN_APPS_REPLAY_VIEW_H

#include "apps/replay/records.h"
#include "statemachine/state.h"

struct view;

/* The list being made.  A row is its cells in the order of the columns, then view_row. */
struct view_list {
    const struct view *view;
    const struct dsdn_state *s;
    uint64_t time_ms; /* of the newest batch: the time that plans are made at */
    struct records *records;
    struct dsdn_text *text; /* of one row */
    struct dsdn_cell cells[DSDN_CELLS_MAX];
    uint32_t cnt;
};

enum view_key { VIEW_KEY_NONE, VIEW_KEY_MAY, VIEW_KEY_MUST };
struct view {
    const char *name;
    enum view_key takes;
    const char *key_doc;        /* what --key is, NULL when there is none */
    const struct field *fields; /* ends with a NULL name */
    /* Gives all rows; key is NULL when none was typed.  USAGE, NOT_FOUND: before the first row. */
    int (*list)(struct view_list *v, const char *key, struct dsdn_error *error);
};

/* Ends with a NULL name. */
extern const struct view views[];

/* view_find finds a view by name.  USAGE: there is none, or --key is wanted or useless. */
int view_find(const char *name, const char *key, const struct view **view, struct dsdn_error *error);

/* ---- for the functions that give rows ---- */

void view_number(struct view_list *v, uint64_t number);
void view_hex32(struct view_list *v, const uint8_t bytes[32]);
void view_text(struct view_list *v, const char *text);
void view_null(struct view_list *v);
void view_node(struct view_list *v, uint32_t node); /* its id; null of DSDN_NO_ROW */
void view_zone(struct view_list *v, uint32_t zone); /* its name as key text */
/* view_row ends a row. */
int view_row(struct view_list *v, struct dsdn_error *error);

/* view_find_row reads key text of a table and finds its row.  USAGE, NOT_FOUND. */
int view_find_row(const struct view_list *v, uint32_t table, const char *key, uint32_t *row,
                  struct dsdn_error *error);
/* view_each calls `one` for the row of a key, or without a key for all rows of a table in key order. */
int view_each(struct view_list *v, uint32_t table, const char *key,
              int (*one)(struct view_list *v, uint32_t row, struct dsdn_error *error),
              struct dsdn_error *error);

/* view_chunks.c, view_nodes.c */
int view_placement(struct view_list *v, const char *key, struct dsdn_error *error);
int view_short(struct view_list *v, const char *key, struct dsdn_error *error);
int view_heal(struct view_list *v, const char *key, struct dsdn_error *error);
int view_deletion(struct view_list *v, const char *key, struct dsdn_error *error);
int view_zone_nodes(struct view_list *v, const char *key, struct dsdn_error *error);
int view_duties(struct view_list *v, const char *key, struct dsdn_error *error);
int view_gate(struct view_list *v, const char *key, struct dsdn_error *error);

#endif
