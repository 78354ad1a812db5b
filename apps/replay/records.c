#include "apps/replay/records.h"

#include <stdlib.h>

#define FLUSH_BYTES ((size_t)1 << 20)
#define RECORD_MAX  ((size_t)8 << 20) /* one event: a payload of 512 KiB as hex digits, and room */
#define REST_MAX    160u              /* bytes of the last field in a table for people */

static const char *const names[] = {"table", "json", "ndjson", "csv", "sqlite"};

int records_format(const struct options *options, enum format *format, struct dsdn_error *error)
{
    const char *name = options->format ? options->format : names[FORMAT_TABLE];
    size_t i = 0;
    bool file = options->output && strcmp(options->output, "-") != 0;
    while (i < sizeof names / sizeof names[0] && strcmp(name, names[i]) != 0) i++;
    if (i == sizeof names / sizeof names[0])
        return dsdn_fail(error, DSDN_E_USAGE,
                         "--format wants table, json, ndjson, csv or sqlite, not \"%.40s\"", name);
    *format = (enum format)i;
    if (*format == FORMAT_SQLITE && !file)
        return dsdn_fail(error, DSDN_E_USAGE, "--format sqlite wants -o FILE");
    return file ? output_taken(options->output, options->force, error) : DSDN_OK;
}

/* ---- fields of one line ---------------------------------------------------------------------- */

/* A field of CSV (RFC 4180, section 2): in quotes when it has a comma, a quote or a line end, or is empty. */
static void csv_text(struct dsdn_text *t, const char *bytes, size_t len)
{
    bool quote = len == 0;
    for (size_t i = 0; i < len && !quote; i++) quote = strchr(",\"\r\n", bytes[i]) != NULL;
    if (!quote) {
        dsdn_text_put(t, bytes, len);
        return;
    }
    dsdn_text_put(t, "\"", 1);
    for (size_t begin = 0, end; begin < len; begin = end) {
        const char *mark = memchr(bytes + begin, '"', len - begin);
        end = mark ? (size_t)(mark - bytes) + 1 : len;
        dsdn_text_put(t, bytes + begin, end - begin);
        if (mark) dsdn_text_put(t, "\"", 1);
    }
    dsdn_text_put(t, "\"", 1);
}

/* The digits of a number; returns how many. */
static size_t digits_of(const struct dsdn_cell *cell, char out[24])
{
    int len = cell->kind == DSDN_CELL_SIGNED ? snprintf(out, 24, "%lld", (long long)cell->number)
                                             : snprintf(out, 24, "%llu", (unsigned long long)cell->number);
    return (size_t)len;
}

static bool is_number(const struct dsdn_cell *cell)
{
    return cell->kind == DSDN_CELL_NUMBER || cell->kind == DSDN_CELL_SIGNED;
}

static void csv_row(struct records *r, const struct dsdn_text *text, const struct dsdn_cell *cells)
{
    char digits[24];
    for (uint32_t i = 0; i < r->field_cnt; i++) {
        if (i) dsdn_text_put(&r->text, ",", 1);
        if (is_number(&cells[i]))
            dsdn_text_put(&r->text, digits, digits_of(&cells[i], digits));
        else if (cells[i].kind != DSDN_CELL_NULL)
            csv_text(&r->text, cells[i].len ? text->bytes + cells[i].at : "", cells[i].len);
    }
    dsdn_text_put(&r->text, "\r\n", 2);
}

/* Text in a column of `width` characters; what is longer is cut between two characters, unless it is a key. */
static void table_text(struct dsdn_text *t, const struct field *f, const char *bytes, size_t len)
{
    size_t most = f->width ? f->width : REST_MAX, used = len;
    if (!f->key && len > most)
        for (used = most - 2; used && ((uint8_t)bytes[used] & 0xC0) == 0x80;) used--;
    for (size_t i = 0; i < used; i++) /* what a terminal would obey is not printed */
        dsdn_text_put(t, (uint8_t)bytes[i] < 0x20 || bytes[i] == 0x7F ? "?" : &bytes[i], 1);
    if (used < len) dsdn_text_put(t, "..", 2), used += 2;
    if (f->width)
        dsdn_text_format(t, "%*s", (int)(used < f->width ? f->width - used : 0) + 1, "");
}

static void table_row(struct records *r, const struct dsdn_text *text, const struct dsdn_cell *cells)
{
    char digits[24];
    for (uint32_t i = 0; i < r->field_cnt; i++) {
        const struct dsdn_cell *cell = &cells[i];
        if (cell->kind == DSDN_CELL_NULL)
            table_text(&r->text, &r->fields[i], "-", 1);
        else if (is_number(cell))
            table_text(&r->text, &r->fields[i], digits, digits_of(cell, digits));
        else
            table_text(&r->text, &r->fields[i], cell->len ? text->bytes + cell->at : "", cell->len);
    }
    dsdn_text_put(&r->text, "\n", 1);
}

static void header(struct records *r)
{
    for (uint32_t i = 0; i < r->field_cnt; i++) {
        const char *name = r->fields[i].name;
        if (r->format == FORMAT_CSV) {
            if (i) dsdn_text_put(&r->text, ",", 1);
            csv_text(&r->text, name, strlen(name));
        } else {
            struct field f = r->fields[i];
            f.key = true; /* a name is never cut */
            table_text(&r->text, &f, name, strlen(name));
        }
    }
    if (r->format == FORMAT_CSV)
        dsdn_text_put(&r->text, "\r\n", 2);
    else
        dsdn_text_put(&r->text, "\n", 1);
}

/* ---- the list -------------------------------------------------------------------------------- */

int records_open(struct records *r, const struct options *options, enum format format, const char *name,
                 const struct field *fields, uint32_t field_cnt, struct dsdn_error *error)
{
    int rc;
    *r = (struct records){.format = format, .fields = fields, .field_cnt = field_cnt};
    dsdn_text_init(&r->text, RECORD_MAX + 2 * FLUSH_BYTES, 0);
    if (format != FORMAT_SQLITE) {
        rc = output_open(&r->out, options->output, options->force, error);
        if (!rc && (format == FORMAT_TABLE || format == FORMAT_CSV)) header(r);
        return rc;
    }
    rc = output_open_named(&r->out, options->output, options->force, error);
    if (rc) return rc;
    rc = database_open(&r->database, r->out.part, name, fields, field_cnt, error);
    return rc ? output_close(&r->out, rc, error) : rc;
}

static int flush(struct records *r, size_t least, struct dsdn_error *error)
{
    int rc = dsdn_text_status(&r->text, error);
    if (!rc && r->text.len < least) return rc;
    if (!rc) rc = output_write(&r->out, r->text.bytes, r->text.len, error);
    dsdn_text_clear(&r->text);
    return rc;
}

bool records_json(const struct records *r)
{
    return r->format == FORMAT_JSON || r->format == FORMAT_NDJSON;
}

struct dsdn_text *records_begin(struct records *r)
{
    /* Each record is a document of its own for the text, since it is written out in between. */
    if (r->format == FORMAT_JSON) dsdn_text_put(&r->text, r->cnt ? "," : "[", 1);
    return &r->text;
}

int records_end(struct records *r, struct dsdn_error *error)
{
    dsdn_text_line(&r->text);
    r->cnt++;
    return flush(r, FLUSH_BYTES, error);
}

int records_row(struct records *r, const struct dsdn_text *text, const struct dsdn_cell *cells,
                struct dsdn_error *error)
{
    int rc = dsdn_text_status(text, error);
    if (rc) return rc;
    r->cnt++;
    if (r->database) return database_row(r->database, text, cells, error);
    if (r->format == FORMAT_CSV)
        csv_row(r, text, cells);
    else
        table_row(r, text, cells);
    return flush(r, FLUSH_BYTES, error);
}

int records_close(struct records *r, int rc, struct dsdn_error *error)
{
    struct dsdn_error late = DSDN_ERROR_INIT;
    struct dsdn_error *next = rc ? &late : error; /* the first failure is the one to tell of */
    if (r->format == FORMAT_JSON && !rc) dsdn_text_format(&r->text, "%s]\n", r->cnt ? "" : "[");
    int here = r->database ? database_close(r->database, rc, next) : flush(r, 0, next);
    r->database = NULL;
    dsdn_text_free(&r->text);
    return output_close(&r->out, rc ? rc : here, rc || here ? &late : error);
}
