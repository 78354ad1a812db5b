/* json_read.c: events from JSON (json.h): the values of a document, walked along a descriptor's fields. */
#include "log/json.h"
#include "log/json_value.h"
#include "log/kind.h"

#include <stdarg.h>
#include <stdio.h>

struct path {
    const struct path *up;
    const char *name; /* NULL: item `index` of the list above */
    uint32_t index;
};

struct reader {
    uint8_t *out;
    const uint8_t *end;
    struct dsdn_error *error;
    int code; /* of the failure */
};

static size_t path_format(const struct path *path, char *out, size_t cap)
{
    size_t at = path->up ? path_format(path->up, out, cap) : 0;
    int n = path->name ? snprintf(out + at, cap - at, "%s%s", at ? "." : "", path->name)
                       : snprintf(out + at, cap - at, "[%u]", path->index);
    return n < 0 || (size_t)n >= cap - at ? cap - 1 : at + (size_t)n;
}

/* Records "path: message" and returns false. */
static bool bad(struct reader *r, const struct path *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool bad(struct reader *r, const struct path *path, const char *format, ...)
{
    char where[128], what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    path_format(path, where, sizeof where);
    r->code = dsdn_fail(r->error, DSDN_E_MALFORMED, "%s: %s", where, what);
    return false;
}

/* Reserves len bytes of output, or NULL. */
static uint8_t *take(struct reader *r, const struct path *path, size_t len)
{
    if ((size_t)(r->end - r->out) < len) {
        char where[128];
        path_format(path, where, sizeof where);
        r->code = dsdn_fail(r->error, DSDN_E_TOO_LARGE, "%s: the payload does not fit its buffer", where);
        return NULL;
    }
    uint8_t *at = r->out;
    r->out += len;
    return at;
}

static bool put_count(struct reader *r, const struct path *path, uint32_t count)
{
    uint8_t *to = take(r, path, dsdn_varint_len(count));
    if (to) dsdn_varint_put(to, count);
    return to != NULL;
}

static bool read_fields(struct reader *r, const struct dsdn_field *fields, uint8_t version, json_t *value,
                        const struct path *path);

static bool read_number(struct reader *r, const struct dsdn_field *f, json_t *v, const struct path *path)
{
    const struct dsdn_kind_info *kind = &dsdn_kinds[f->kind];
    int64_t number, min = kind->is_signed ? INT32_MIN : 0, max = (int64_t)dsdn_field_max(f);
    if (!dsdn_json_integer(v, min, max, &number))
        return bad(r, path, "expected a whole number from %lld to %lld", (long long)min, (long long)max);
    uint8_t *to = take(r, path, kind->width);
    if (to) memcpy(to, &number, kind->width);
    return to != NULL;
}

static bool read_decimal(struct reader *r, bool is_signed, json_t *v, const struct path *path)
{
    uint64_t bits;
    if (!dsdn_json_decimal(v, is_signed, &bits))
        return bad(r, path, "expected %s 64-bit number as a string, as in \"12\"",
                   is_signed ? "a signed" : "an unsigned");
    uint8_t *to = take(r, path, 8);
    if (to) dsdn_store64(to, bits);
    return to != NULL;
}

static bool read_hex(struct reader *r, uint32_t width, json_t *v, const struct path *path)
{
    uint8_t *to = take(r, path, width);
    if (!to) return false;
    return dsdn_json_hex(v, to, width) || bad(r, path, "expected %u hex digits in quotes", 2 * width);
}

static bool read_amount(struct reader *r, json_t *v, const struct path *path)
{
    struct path asset_path = {path, "asset", 0}, units_path = {path, "units", 0};
    json_t *asset = json_object_get(v, "asset"), *units = json_object_get(v, "units");
    if (json_object_size(v) != 2 || !asset || !units)
        return bad(r, path, "expected {\"asset\":0,\"units\":\"1\"}");
    int64_t number;
    if (!dsdn_json_integer(asset, 0, UINT8_MAX, &number))
        return bad(r, &asset_path, "expected a whole number from 0 to 255");
    uint8_t *to = take(r, path, 1);
    if (!to) return false;
    *to = (uint8_t)number;
    return read_decimal(r, false, units, &units_path);
}

static bool read_text(struct reader *r, const struct dsdn_field *f, json_t *v, const struct path *path)
{
    if (!json_is_string(v)) return bad(r, path, "expected a string");
    size_t len = json_string_length(v);
    if (len > f->max) return bad(r, path, "a string of %zu bytes; at most %u are allowed", len, f->max);
    if (!put_count(r, path, (uint32_t)len)) return false;
    uint8_t *to = take(r, path, len);
    if (to) memcpy(to, json_string_value(v), len);
    return to != NULL;
}

static bool read_bytes(struct reader *r, const struct dsdn_field *f, json_t *v, const struct path *path)
{
    size_t digits = json_is_string(v) ? json_string_length(v) : 1;
    if (digits % 2) return bad(r, path, "expected an even number of hex digits in quotes");
    if (digits / 2 > f->max) return bad(r, path, "%zu bytes; at most %u are allowed", digits / 2, f->max);
    return put_count(r, path, (uint32_t)(digits / 2)) && read_hex(r, (uint32_t)(digits / 2), v, path);
}

static bool read_list(struct reader *r, const struct dsdn_field *f, json_t *v, const struct path *path)
{
    if (!json_is_array(v)) return bad(r, path, "expected an array");
    size_t count = json_array_size(v);
    if (count > f->max) return bad(r, path, "%zu items; at most %u are allowed", count, f->max);
    if (!put_count(r, path, (uint32_t)count)) return false;
    for (struct path item = {path, NULL, 0}; item.index < count; item.index++) {
        json_t *one = json_array_get(v, item.index);
        if (f->kind == DSDN_K_list) {
            if (!read_fields(r, f->record->fields(), UINT8_MAX, one, &item)) return false;
            continue;
        }
        if (!read_hex(r, 32, one, &item)) return false;
        if (f->kind == DSDN_K_set_id && item.index && memcmp(r->out - 64, r->out - 32, 32) >= 0)
            return bad(r, &item, "the ids of a set must be sorted, each once");
    }
    return true;
}

/* v: NULL when the member is missing, which read_fields allows optional fields and lists of records. */
static bool read_value(struct reader *r, const struct dsdn_field *f, json_t *v, const struct path *path)
{
    const struct dsdn_kind_info *kind = &dsdn_kinds[f->kind];
    if (kind->optional) {
        bool present = v && !json_is_null(v);
        uint8_t *to = take(r, path, 1);
        if (!to) return false;
        *to = present;
        if (!present) return true;
    }
    switch (kind->form) {
    case DSDN_FORM_NUMBER: return read_number(r, f, v, path);
    case DSDN_FORM_DECIMAL: return read_decimal(r, kind->is_signed, v, path);
    case DSDN_FORM_HEX: return read_hex(r, kind->width, v, path);
    case DSDN_FORM_AMOUNT: return read_amount(r, v, path);
    case DSDN_FORM_TEXT: return read_text(r, f, v, path);
    case DSDN_FORM_BYTES: return read_bytes(r, f, v, path);
    case DSDN_FORM_HASHES: return read_list(r, f, v, path);
    case DSDN_FORM_RECORDS: return v ? read_list(r, f, v, path) : put_count(r, path, 0);
    }
    return false;
}

static const struct dsdn_field *field_find(const struct dsdn_field *fields, const char *name)
{
    while (fields->name && strcmp(fields->name, name) != 0) fields++;
    return fields->name ? fields : NULL;
}

/* Names the key, cut and without bytes that a terminal would obey. */
static bool unknown_key(struct reader *r, const char *key, const struct path *path)
{
    char name[49];
    size_t len = 0;
    for (; key[len] && len < sizeof name - 1; len++)
        name[len] = (uint8_t)key[len] < 0x20 || (uint8_t)key[len] >= 0x7f ? '?' : key[len];
    name[len] = 0;
    return bad(r, path, "unknown field \"%s\"", name);
}

static bool read_fields(struct reader *r, const struct dsdn_field *fields, uint8_t version, json_t *value,
                        const struct path *path)
{
    if (!json_is_object(value)) return bad(r, path, "expected an object");
    for (void *i = json_object_iter(value); i; i = json_object_iter_next(value, i)) {
        const struct dsdn_field *f = field_find(fields, json_object_iter_key(i));
        if (!f) return unknown_key(r, json_object_iter_key(i), path);
        struct path here = {path, f->name, 0};
        if (f->since > version)
            return bad(r, &here, "a field of version %u in an event of version %u", f->since, version);
    }
    for (const struct dsdn_field *f = fields; f->name; f++) {
        struct path here = {path, f->name, 0};
        if (f->since > version) continue;
        json_t *member = json_object_get(value, f->name);
        if (!member && !dsdn_kinds[f->kind].optional && f->kind != DSDN_K_list)
            return bad(r, &here, "missing");
        if (!read_value(r, f, member, &here)) return false;
    }
    return true;
}

static int read_payload(const struct dsdn_event_desc *desc, uint8_t version, json_t *value, uint8_t *out,
                        size_t cap, uint32_t *len, struct dsdn_error *error)
{
    struct reader r = {out, out + cap, error, 0};
    struct path root = {NULL, "payload", 0};
    if (!read_fields(&r, desc->fields(), version, value, &root)) return r.code;
    *len = (uint32_t)(r.out - out);
    return DSDN_OK;
}

int dsdn_json_read_payload(const struct dsdn_event_desc *desc, uint8_t version, const void *text,
                           size_t text_len, uint8_t *out, size_t cap, uint32_t *len, struct dsdn_error *error)
{
    struct dsdn_json_document document;
    if (version == 0 || version > desc->version)
        return dsdn_fail(error, DSDN_E_MALFORMED, "%s has no version %u", desc->name, version);
    int rc = dsdn_json_load(&document, text, text_len, error);
    if (rc) return rc;
    rc = read_payload(desc, version, document.root, out, cap, len, error);
    dsdn_json_unload(&document);
    return rc;
}

/* The frame of an event: which one it is, and its payload's value. */
static int read_frame(const struct dsdn_event_table *table, json_t *value, uint32_t *event, uint8_t *version,
                      json_t **payload, struct dsdn_error *error)
{
    struct reader r = {NULL, NULL, error, 0};
    json_t *type = json_object_get(value, "type"), *number = json_object_get(value, "version");
    *payload = json_object_get(value, "payload");
    if (json_object_size(value) != 3 || !type || !number || !*payload) {
        bad(&r, &(struct path){NULL, "event", 0},
            "expected {\"type\":NAME,\"version\":NUMBER,\"payload\":{...}}");
        return r.code;
    }
    int index = json_is_string(type) ? dsdn_event_named(table, json_string_value(type)) : -1;
    if (index < 0) {
        bad(&r, &(struct path){NULL, "type", 0}, "no event type of catalogue %s", table->name);
        return r.code;
    }
    int64_t v;
    if (!dsdn_json_integer(number, 1, table->events[index].version, &v)) {
        bad(&r, &(struct path){NULL, "version", 0}, "expected a version of %s: 1 to %u",
            table->events[index].name, table->events[index].version);
        return r.code;
    }
    *event = (uint32_t)index;
    *version = (uint8_t)v;
    return DSDN_OK;
}

int dsdn_json_read_event(const struct dsdn_event_table *table, const void *text, size_t text_len,
                         uint32_t *event, uint8_t *version, uint8_t *out, size_t cap, uint32_t *len,
                         struct dsdn_error *error)
{
    struct dsdn_json_document document;
    json_t *payload;
    int rc = dsdn_json_load(&document, text, text_len, error);
    if (rc) return rc;
    rc = read_frame(table, document.root, event, version, &payload, error);
    if (!rc) rc = read_payload(&table->events[*event], *version, payload, out, cap, len, error);
    dsdn_json_unload(&document);
    return rc;
}
