/* records.h: lists of records (events, rows) as a table for people, JSON, CSV or a SQLite database.
 *
 * CSV is RFC 4180: a header line, lines end in CRLF, what needs quotes has them.  An absent value is nothing,
 * an empty text is "".  A SQLite database has one table; 32-bit and smaller numbers are in INTEGER columns,
 * texts, hex digits and JSON in TEXT columns.  64-bit columns have no declared type: a number is an INTEGER
 * where SQLite can hold it, and decimal text above 2^63 - 1. */
#ifndef DSDN_APPS_REPLAY_RECORDS_H
#define DSDN_APPS_REPLAY_RECORDS_H

#include "apps/replay/options.h"
#include "apps/replay/output.h"

#include "log/json.h"
#include "statemachine/row_json.h"

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_NDJSON, FORMAT_CSV, FORMAT_SQLITE };

/* records_format reads --format (a table without it), and sees to it that the output can be written before
 * any work is done.  USAGE, EXISTS. */
int records_format(const struct options *options, enum format *format, struct dsdn_error *error);

enum field_type { FIELD_TEXT, FIELD_NUMBER, FIELD_LONG };
struct field {
    const char *name;
    enum field_type type;
    bool key;       /* part of the primary key of a SQLite table */
    unsigned width; /* in a table for people; 0: to the end of the line, cut when it is long */
};

struct database;

struct records {
    enum format format;
    const struct field *fields;
    uint32_t field_cnt;
    struct output out;
    struct database *database;
    struct dsdn_text text; /* what waits for being written out */
    uint64_t cnt;          /* records so far */
};

/* records_open starts a list in the file of --output, or on standard output; `name` is the table of a SQLite
 * database.  fields live as long as the list.  EXISTS, USAGE, IO.  After a failure there
 * is nothing to close. */
int records_open(struct records *r, const struct options *options, enum format format, const char *name,
                 const struct field *fields, uint32_t field_cnt, struct dsdn_error *error);

/* records_json says whether a record is written as JSON, between records_begin and records_end; otherwise it
 * is one call of records_row. */
bool records_json(const struct records *r);
struct dsdn_text *records_begin(struct records *r);
int records_end(struct records *r, struct dsdn_error *error);

/* records_row adds a record: one cell a field, whose texts stand in `text`. */
int records_row(struct records *r, const struct dsdn_text *text, const struct dsdn_cell *cells,
                struct dsdn_error *error);

/* records_close ends the list.  What came before a failure rc stays visible on standard output; a file gets
 * its name only when rc is 0.  Returns rc, or what went wrong here. */
int records_close(struct records *r, int rc, struct dsdn_error *error);

/* ---- sqlite.c: one table of a new database, written in one transaction ---- */

int database_open(struct database **database, const char *path, const char *name, const struct field *fields,
                  uint32_t field_cnt, struct dsdn_error *error);
int database_row(struct database *d, const struct dsdn_text *text, const struct dsdn_cell *cells,
                 struct dsdn_error *error);
/* database_close commits when rc is 0, and frees in any case. */
int database_close(struct database *d, int rc, struct dsdn_error *error);

#endif
