#include "log/json.h"
#include "log/kind.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the text -------------------------------------------------------------------------------- */

void dsdn_text_init(struct dsdn_text *t, size_t max, unsigned indent)
{
    *t = (struct dsdn_text){.max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2 - 1, .indent = indent};
}

void dsdn_text_clear(struct dsdn_text *t)
{
    t->len = 0;
    t->depth = 0;
    t->failed = 0;
    t->comma = t->after_key = false;
    if (t->bytes) *t->bytes = 0;
}

void dsdn_text_free(struct dsdn_text *t)
{
    free(t->bytes);
    t->bytes = NULL;
    t->cap = 0;
    dsdn_text_clear(t);
}

int dsdn_text_status(const struct dsdn_text *t, struct dsdn_error *error)
{
    if (!t->failed) return DSDN_OK;
    if (t->failed == DSDN_E_NO_MEMORY)
        return dsdn_fail(error, t->failed, "no memory for more than %zu bytes of text", t->len);
    return dsdn_fail(error, t->failed, "the text is longer than its bound of %zu bytes", t->max);
}

/* Room for len bytes and a zero byte at the end of the text, or NULL. */
static char *room(struct dsdn_text *t, size_t len)
{
    if (t->failed) return NULL;
    if (len > t->max - t->len) {
        t->failed = DSDN_E_TOO_LARGE;
        return NULL;
    }
    size_t need = t->len + len + 1;
    if (need > t->cap) {
        size_t cap = t->cap < 128 ? 256 : 2 * t->cap;
        if (cap > t->max + 1) cap = t->max + 1;
        if (cap < need) cap = need;
        char *bytes = realloc(t->bytes, cap);
        if (!bytes) {
            t->failed = DSDN_E_NO_MEMORY;
            return NULL;
        }
        t->bytes = bytes;
        t->cap = cap;
    }
    return t->bytes + t->len;
}

void dsdn_text_put(struct dsdn_text *t, const void *bytes, size_t len)
{
    char *to = room(t, len);
    if (!to) return;
    if (len) memcpy(to, bytes, len);
    to[len] = 0;
    t->len += len;
}

void dsdn_text_format(struct dsdn_text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *to = len < 0 ? NULL : room(t, (size_t)len);
    if (to) {
        vsnprintf(to, (size_t)len + 1, format, again);
        t->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

void dsdn_text_line(struct dsdn_text *t)
{
    dsdn_text_put(t, "\n", 1);
    t->comma = t->after_key = false;
    t->depth = 0;
}

/* ---- JSON values ----------------------------------------------------------------------------- */

static void new_line(struct dsdn_text *t)
{
    size_t spaces = (size_t)t->indent * t->depth;
    char *to = room(t, spaces + 1);
    if (!to) return;
    *to = '\n';
    memset(to + 1, ' ', spaces);
    to[spaces + 1] = 0;
    t->len += spaces + 1;
}

/* What stands between this value or key and the one before it. */
static void separate(struct dsdn_text *t)
{
    if (t->comma) dsdn_text_put(t, ",", 1);
    if (t->indent && t->depth && !t->after_key) new_line(t);
    t->comma = true;
    t->after_key = false;
}

void dsdn_text_open(struct dsdn_text *t, char open)
{
    separate(t);
    dsdn_text_put(t, &open, 1);
    t->comma = false;
    t->depth++;
}

void dsdn_text_close(struct dsdn_text *t, char close)
{
    if (t->depth) t->depth--;
    if (t->indent && t->comma) new_line(t);
    dsdn_text_put(t, &close, 1);
    t->comma = true;
}

void dsdn_text_key(struct dsdn_text *t, const char *key)
{
    dsdn_text_string(t, key);
    dsdn_text_put(t, ": ", t->indent ? 2 : 1);
    t->comma = false;
    t->after_key = true;
}

void dsdn_text_string(struct dsdn_text *t, const char *string)
{
    dsdn_text_bytes(t, (const uint8_t *)string, strlen(string));
}

void dsdn_text_bytes(struct dsdn_text *t, const uint8_t *bytes, size_t len)
{
    static const char names[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    bool utf8 = dsdn_utf8_valid(bytes, len);
    separate(t);
    dsdn_text_put(t, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = bytes[i];
        char escape[8];
        size_t escape_len;
        if (c == '"' || c == '\\' || (c < 32 && names[c])) {
            escape[0] = '\\';
            escape[1] = c < 32 ? names[c] : (char)c;
            escape_len = 2;
        } else if (c < 32 || c == 0x7f) {
            escape_len = (size_t)snprintf(escape, sizeof escape, "\\u%04x", c);
        } else if (c >= 0x80 && !utf8) {
            memcpy(escape, "\xef\xbf\xbd", 3);
            escape_len = 3;
        } else {
            continue;
        }
        dsdn_text_put(t, bytes + from, i - from);
        dsdn_text_put(t, escape, escape_len);
        from = i + 1;
    }
    if (len > from) dsdn_text_put(t, bytes + from, len - from);
    dsdn_text_put(t, "\"", 1);
}

void dsdn_text_hex(struct dsdn_text *t, const uint8_t *bytes, size_t len)
{
    separate(t);
    char *to = room(t, 2 * len + 2);
    if (!to) return;
    *to = '"';
    dsdn_hex_encode(bytes, len, to + 1);
    memcpy(to + 1 + 2 * len, "\"", 2);
    t->len += 2 * len + 2;
}

/* A decimal number with `quote` (may be empty) on both sides. */
static void put_number(struct dsdn_text *t, uint64_t bits, bool is_signed, const char *quote)
{
    char digits[24], *p = digits + sizeof digits;
    bool negative = is_signed && (int64_t)bits < 0;
    uint64_t v = negative ? 0 - bits : bits;
    *--p = *quote;
    do *--p = (char)('0' + v % 10);
    while (v /= 10);
    if (negative) *--p = '-';
    if (*quote) *--p = *quote;
    size_t len = (size_t)(digits + sizeof digits - p) - (*quote ? 0 : 1);
    separate(t);
    dsdn_text_put(t, p, len);
}

void dsdn_text_u64(struct dsdn_text *t, uint64_t number)
{
    put_number(t, number, false, "");
}
void dsdn_text_i64(struct dsdn_text *t, int64_t number)
{
    put_number(t, (uint64_t)number, true, "");
}

void dsdn_text_decimal(struct dsdn_text *t, uint64_t bits, bool is_signed)
{
    put_number(t, bits, is_signed, "\"");
}

void dsdn_text_milli(struct dsdn_text *t, uint64_t thousandths)
{
    dsdn_text_u64(t, thousandths / 1000);
    dsdn_text_format(t, ".%03u", (unsigned)(thousandths % 1000));
}

void dsdn_text_bool(struct dsdn_text *t, bool value)
{
    separate(t);
    dsdn_text_put(t, value ? "true" : "false", value ? 4 : 5);
}

void dsdn_text_null(struct dsdn_text *t)
{
    separate(t);
    dsdn_text_put(t, "null", 4);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void write_fields(struct dsdn_text *t, const struct dsdn_field *fields, uint8_t version,
                         const void *from);

/* The list was decoded as part of its event, so every item decodes again. */
static void write_list(struct dsdn_text *t, const struct dsdn_field *f, const struct dsdn_list *list)
{
    const uint8_t *p = list->items, *end = p + list->len;
    union dsdn_decoded item;
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < list->count && !t->failed; i++) {
        if (f->kind != DSDN_K_list) {
            dsdn_text_hex(t, p + (size_t)32 * i, 32);
        } else if ((p = f->record->decode(p, end, &item))) {
            write_fields(t, f->record->fields(), UINT8_MAX, &item);
        } else {
            break;
        }
    }
    dsdn_text_close(t, ']');
}

static void write_value(struct dsdn_text *t, const struct dsdn_field *f, const void *from)
{
    const struct dsdn_kind_info *kind = &dsdn_kinds[f->kind];
    const void *at = (const uint8_t *)from + f->offset;
    uint64_t bits;
    switch (kind->form) {
    case DSDN_FORM_NUMBER:
        if (!dsdn_field_number(f, from, &bits))
            dsdn_text_null(t);
        else
            dsdn_text_i64(t, (int64_t)bits);
        break;
    case DSDN_FORM_DECIMAL:
        dsdn_field_number(f, from, &bits);
        dsdn_text_decimal(t, bits, kind->is_signed);
        break;
    case DSDN_FORM_HEX: {
        const uint8_t *bytes = dsdn_field_pointer(f, from);
        if (bytes)
            dsdn_text_hex(t, bytes, kind->width);
        else
            dsdn_text_null(t);
        break;
    }
    case DSDN_FORM_AMOUNT: {
        const struct dsdn_amount *amount = at;
        dsdn_text_open(t, '{');
        dsdn_text_key(t, "asset");
        dsdn_text_u64(t, amount->asset);
        dsdn_text_key(t, "units");
        dsdn_text_decimal(t, amount->units, false);
        dsdn_text_close(t, '}');
        break;
    }
    case DSDN_FORM_TEXT:
    case DSDN_FORM_BYTES: {
        const struct dsdn_view *v = at;
        if (kind->form == DSDN_FORM_TEXT)
            dsdn_text_bytes(t, v->bytes, v->len);
        else
            dsdn_text_hex(t, v->bytes, v->len);
        break;
    }
    case DSDN_FORM_HASHES:
    case DSDN_FORM_RECORDS: write_list(t, f, at); break;
    }
}

static void write_fields(struct dsdn_text *t, const struct dsdn_field *fields, uint8_t version,
                         const void *from)
{
    dsdn_text_open(t, '{');
    for (const struct dsdn_field *f = fields; f->name; f++) {
        if (f->since > version) continue;
        dsdn_text_key(t, f->name);
        write_value(t, f, from);
    }
    dsdn_text_close(t, '}');
}

int dsdn_json_write_payload(struct dsdn_text *t, const struct dsdn_event_desc *desc, uint8_t version,
                            const uint8_t *payload, uint32_t len, struct dsdn_error *error)
{
    union dsdn_decoded event;
    int rc = dsdn_event_decode(desc, version, payload, len, &event, error);
    if (rc) return rc;
    write_fields(t, desc->fields(), version, &event);
    return dsdn_text_status(t, error);
}

int dsdn_json_write_event(struct dsdn_text *t, const struct dsdn_event_desc *desc, uint8_t version,
                          const uint8_t *payload, uint32_t len, struct dsdn_error *error)
{
    union dsdn_decoded event;
    int rc = dsdn_event_decode(desc, version, payload, len, &event, error);
    if (rc) return rc;
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "type");
    dsdn_text_string(t, desc->name);
    dsdn_text_key(t, "version");
    dsdn_text_u64(t, version);
    dsdn_text_key(t, "payload");
    write_fields(t, desc->fields(), version, &event);
    dsdn_text_close(t, '}');
    return dsdn_text_status(t, error);
}
