/* sqlite.c: a list of records as one table of a new SQLite database. */
#include "apps/replay/records.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>

#define STATEMENT_MAX ((size_t)1 << 16)

struct database {
    sqlite3 *handle;
    sqlite3_stmt *insert;
    uint32_t field_cnt;
};

static int failed(const struct database *d, const char *what, struct dsdn_error *error)
{
    int code = d->handle ? sqlite3_errcode(d->handle) : SQLITE_NOMEM;
    return dsdn_fail(error,
                     code == SQLITE_FULL    ? DSDN_E_NO_SPACE
                     : code == SQLITE_NOMEM ? DSDN_E_NO_MEMORY
                                            : DSDN_E_IO,
                     "cannot %s the database: %s", what,
                     d->handle ? sqlite3_errmsg(d->handle) : sqlite3_errstr(code));
}

/* An identifier in quotes: columns have names like "order". */
static void quoted(struct dsdn_text *t, const char *name)
{
    dsdn_text_put(t, "\"", 1);
    for (; *name; name++) dsdn_text_put(t, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
    dsdn_text_put(t, "\"", 1);
}

static void create_statement(struct dsdn_text *t, const char *name, const struct field *fields, uint32_t cnt)
{
    static const char *const types[] = {[FIELD_TEXT] = " TEXT", [FIELD_NUMBER] = " INTEGER", [FIELD_LONG] = ""};
    bool keys = false;
    dsdn_text_format(t, "CREATE TABLE ");
    quoted(t, name);
    for (uint32_t i = 0; i < cnt; i++) {
        dsdn_text_format(t, i ? ", " : " (");
        quoted(t, fields[i].name);
        dsdn_text_format(t, "%s", types[fields[i].type]);
    }
    for (uint32_t i = 0; i < cnt; i++) {
        if (!fields[i].key) continue;
        dsdn_text_format(t, keys ? ", " : ", PRIMARY KEY (");
        quoted(t, fields[i].name);
        keys = true;
    }
    dsdn_text_format(t, keys ? "))" : ")");
}

static void insert_statement(struct dsdn_text *t, const char *name, uint32_t cnt)
{
    dsdn_text_format(t, "INSERT INTO ");
    quoted(t, name);
    for (uint32_t i = 0; i < cnt; i++) dsdn_text_format(t, i ? ", ?" : " VALUES (?");
    dsdn_text_format(t, ")");
}

static int prepare(struct database *d, const char *name, const struct field *fields, struct dsdn_error *error)
{
    struct dsdn_text statement;
    /* Until it is whole the file has another name: no journal is needed, and it is synced once, at the end. */
    if (sqlite3_exec(d->handle, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN", NULL, NULL, NULL))
        return failed(d, "start", error);
    dsdn_text_init(&statement, STATEMENT_MAX, 0);
    create_statement(&statement, name, fields, d->field_cnt);
    int rc = dsdn_text_status(&statement, error);
    if (!rc && sqlite3_exec(d->handle, statement.bytes, NULL, NULL, NULL)) rc = failed(d, "set up", error);
    dsdn_text_clear(&statement);
    insert_statement(&statement, name, d->field_cnt);
    if (!rc) rc = dsdn_text_status(&statement, error);
    if (!rc && sqlite3_prepare_v2(d->handle, statement.bytes, -1, &d->insert, NULL))
        rc = failed(d, "set up", error);
    dsdn_text_free(&statement);
    return rc;
}

int database_open(struct database **database, const char *path, const char *name, const struct field *fields,
                  uint32_t field_cnt, struct dsdn_error *error)
{
    struct database *d = calloc(1, sizeof *d);
    if (!d) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a database");
    d->field_cnt = field_cnt;
    int rc = DSDN_OK;
    if (sqlite3_open_v2(path, &d->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL)) {
        rc = failed(d, "create", error);
        dsdn_error_at(error, path, DSDN_NO_OFFSET);
    }
    if (!rc) rc = prepare(d, name, fields, error);
    if (rc)
        database_close(d, rc, NULL);
    else
        *database = d;
    return rc;
}

static int bind(struct database *d, int place, const struct dsdn_text *text, const struct dsdn_cell *cell)
{
    char digits[24];
    switch (cell->kind) {
    case DSDN_CELL_NULL: return sqlite3_bind_null(d->insert, place);
    case DSDN_CELL_SIGNED: return sqlite3_bind_int64(d->insert, place, (sqlite3_int64)cell->number);
    case DSDN_CELL_NUMBER:
        if (cell->number <= INT64_MAX)
            return sqlite3_bind_int64(d->insert, place, (sqlite3_int64)cell->number);
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)cell->number);
        return sqlite3_bind_text(d->insert, place, digits, -1, SQLITE_TRANSIENT);
    default:
        return sqlite3_bind_text64(d->insert, place, cell->len ? text->bytes + cell->at : "", cell->len,
                                   SQLITE_STATIC, SQLITE_UTF8);
    }
}

int database_row(struct database *d, const struct dsdn_text *text, const struct dsdn_cell *cells,
                 struct dsdn_error *error)
{
    for (uint32_t i = 0; i < d->field_cnt; i++)
        if (bind(d, (int)i + 1, text, &cells[i])) return failed(d, "write", error);
    if (sqlite3_step(d->insert) != SQLITE_DONE || sqlite3_reset(d->insert)) return failed(d, "write", error);
    return DSDN_OK;
}

int database_close(struct database *d, int rc, struct dsdn_error *error)
{
    sqlite3_finalize(d->insert);
    if (!rc && sqlite3_exec(d->handle, "COMMIT", NULL, NULL, NULL)) rc = failed(d, "finish", error);
    sqlite3_close(d->handle);
    free(d);
    return rc;
}
