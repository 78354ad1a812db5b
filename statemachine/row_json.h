/* row_json.h: rows and keys as text, from the column descriptors of any table: for query, prove and inspect.
 *
 * A row is one JSON object: key columns, then the others, in declared order, each in the form that events
 * have (log/json.h): 64-bit integers are decimal strings, smaller ones numbers, ids and bytes hex digits, an
 * absent reference null.  A reference is the key it stands for, written as key text.
 *
 * Key text: the key's columns joined by '/', ids as hex digits, numbers decimal, strings percent-encoded (RFC
 * 3986: what is not a letter, digit, '-', '.', '_', '~' or ':' becomes %XX).  A str column of a key holds
 * bytes, zero-padded; where they are no text, JSON and key text show the whole column as hex digits, which no
 * text that fits in it can be. */
#ifndef DSDN_STATEMACHINE_ROW_JSON_H
#define DSDN_STATEMACHINE_ROW_JSON_H

#include "log/json.h"
#include "statemachine/state.h"

/* dsdn_row_json writes a row of the state. */
void dsdn_row_json(struct dsdn_text *text, const struct dsdn_state *s, uint32_t table, uint32_t row);

/* dsdn_value_json writes a row that is not in a state: its key and its canonical value (references as keys),
 * as a proof carries them.  tables: descriptors by table number, which references name.  MALFORMED when the
 * value is not one of this table, and then nothing was written. */
int dsdn_value_json(struct dsdn_text *text, const struct dsdn_table_desc *const *tables, uint32_t table,
                    const uint8_t *key, const uint8_t *value, size_t len, struct dsdn_error *error);

/* A column of a row by itself, for CSV, SQL and tables: the JSON value without its quotes. */
enum dsdn_cell_kind {
    DSDN_CELL_NULL,   /* an absent reference */
    DSDN_CELL_NUMBER, /* u64 */
    DSDN_CELL_SIGNED, /* i64 */
    DSDN_CELL_TEXT,   /* text, the key text of a reference */
    DSDN_CELL_HEX,    /* hex digits */
    DSDN_CELL_JSON    /* an array of key texts */
};
struct dsdn_cell {
    enum dsdn_cell_kind kind;
    uint64_t number; /* of NUMBER; the bits of SIGNED */
    size_t at, len;  /* of the others: where it stands in the text */
};
#define DSDN_CELLS_MAX 64u /* columns of a row */

/* dsdn_row_cells replaces text by the texts of a row's columns and fills cells, one a column in declared
 * order. Returns how many; a failure of the text sticks to it. */
uint32_t dsdn_row_cells(struct dsdn_text *text, const struct dsdn_state *s, uint32_t table, uint32_t row,
                        struct dsdn_cell cells[DSDN_CELLS_MAX]);

/* dsdn_key_text writes key text (outside the rules for commas). */
void dsdn_key_text(struct dsdn_text *text, const struct dsdn_table_desc *desc, const uint8_t *key);

/* dsdn_key_parse reads key text into out (desc->key_len bytes).  USAGE naming the column otherwise. */
int dsdn_key_parse(const struct dsdn_table_desc *desc, const char *text, uint8_t out[DSDN_KEY_MAX],
                   struct dsdn_error *error);

/* dsdn_table_named finds a table by name ("chunk", or "coordinator.chunk" where two roles have one of that
 * name): its number, or -1. */
int dsdn_table_named(const struct dsdn_table_desc *const *tables, uint32_t table_cnt, const char *name);

#endif
