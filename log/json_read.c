/* json_read.c: the reader of json.h.  One pass checks a whole document; after it every scan below may trust
 * the syntax, so values are found by skipping and nothing is ever allocated. */
#include "log/json.h"
#include "log/kind.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- the check (RFC 8259) -------------------------------------------------------------------- */

struct checker {
    const char *p, *end; /* end: behind the last byte */
    const char *what;    /* what is wrong at p */
};

static void spaces(struct checker *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r')) c->p++;
}

static bool wrong(struct checker *c, const char *what)
{
    c->what = c->p < c->end ? what : "the document ends too early";
    return false;
}

static bool expect(struct checker *c, char wanted, const char *what)
{
    spaces(c);
    if (c->p == c->end || *c->p != wanted) return wrong(c, what);
    c->p++;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The number of four hex digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);
        if (d < 0) return -1;
        v = v << 4 | d;
    }
    return v;
}

/* A \u escape; p is behind the 'u'.  Surrogates come in pairs (section 7). */
static bool check_unicode(struct checker *c)
{
    int32_t v = hex4(c->p, c->end);
    if (v < 0) return wrong(c, "\\u needs four hex digits");
    if (v == 0) return wrong(c, "the character U+0000 is not allowed");
    bool high = v >= 0xd800 && v < 0xdc00;
    if (v >= 0xdc00 && v < 0xe000) return wrong(c, "a low surrogate without its high one");
    c->p += 4;
    if (!high) return true;
    if (c->end - c->p < 6 || c->p[0] != '\\' || c->p[1] != 'u')
        return wrong(c, "a high surrogate without its low one");
    v = hex4(c->p + 2, c->end);
    if (v < 0xdc00 || v >= 0xe000) return wrong(c, "a high surrogate without its low one");
    c->p += 6;
    return true;
}

static bool check_string(struct checker *c)
{
    for (c->p++; c->p < c->end; c->p++) {
        if (*c->p == '"') {
            c->p++;
            return true;
        }
        if ((uint8_t)*c->p < 32) return wrong(c, "a control character inside a string must be escaped");
        if (*c->p != '\\') continue;
        if (++c->p == c->end) break;
        if (*c->p == 'u') {
            c->p++;
            if (!check_unicode(c)) return false;
            c->p--;
        } else if (!strchr("\"\\/bfnrt", *c->p) || !*c->p) {
            return wrong(c, "unknown escape");
        }
    }
    return wrong(c, "unfinished string");
}

static bool digits(struct checker *c)
{
    if (c->p == c->end || *c->p < '0' || *c->p > '9') return wrong(c, "a digit is missing");
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') c->p++;
    return true;
}

static bool check_number(struct checker *c)
{
    if (*c->p == '-') c->p++;
    if (c->p < c->end && *c->p == '0')
        c->p++;
    else if (!digits(c))
        return false;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        if (!digits(c)) return false;
    }
    if (c->p < c->end && (*c->p == 'e' || *c->p == 'E')) {
        c->p++;
        if (c->p < c->end && (*c->p == '+' || *c->p == '-')) c->p++;
        if (!digits(c)) return false;
    }
    return true;
}

static bool check_word(struct checker *c, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0) return wrong(c, "no JSON value");
    c->p += len;
    return true;
}

static bool check_value(struct checker *c, unsigned depth)
{
    spaces(c);
    if (c->p == c->end) return wrong(c, "");
    char open = *c->p;
    switch (open) {
    case '"': return check_string(c);
    case 't': return check_word(c, "true");
    case 'f': return check_word(c, "false");
    case 'n': return check_word(c, "null");
    case '{':
    case '[': break;
    default:
        if (open == '-' || (open >= '0' && open <= '9')) return check_number(c);
        return wrong(c, "no JSON value");
    }
    if (depth == DSDN_JSON_DEPTH_MAX) return wrong(c, "nested too deeply");
    char close = open == '{' ? '}' : ']';
    c->p++;
    spaces(c);
    if (c->p < c->end && *c->p == close) {
        c->p++;
        return true;
    }
    for (;;) {
        if (open == '{') {
            spaces(c);
            if (c->p == c->end || *c->p != '"') return wrong(c, "a field name in quotes is missing");
            if (!check_string(c) || !expect(c, ':', "':' is missing")) return false;
        }
        if (!check_value(c, depth + 1)) return false;
        spaces(c);
        if (c->p < c->end && *c->p == close) {
            c->p++;
            return true;
        }
        if (!expect(c, ',', open == '{' ? "',' or '}' is missing" : "',' or ']' is missing")) return false;
    }
}

int dsdn_json_check(const void *text, size_t len, size_t max, struct dsdn_json *root,
                    struct dsdn_error *error)
{
    const char *base = text;
    if (len > max)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "JSON of %zu bytes; at most %zu are read", len, max);
    if (!len) return dsdn_fail(error, DSDN_E_MALFORMED, "the JSON document is empty");
    if (!dsdn_utf8_valid((const uint8_t *)base, len))
        return dsdn_fail(error, DSDN_E_MALFORMED, "the JSON is not UTF-8");
    struct checker c = {base, base + len, NULL};
    spaces(&c);
    *root = (struct dsdn_json){base, c.p, c.end};
    if (check_value(&c, 0)) {
        spaces(&c);
        if (c.p == c.end) return DSDN_OK;
        wrong(&c, "something stands behind the document");
    }
    unsigned line = 1;
    const char *start = base;
    for (const char *p = base; p < c.p; p++)
        if (*p == '\n') line++, start = p + 1;
    dsdn_fail(error, DSDN_E_MALFORMED, "JSON line %u, column %zu: %s", line, (size_t)(c.p - start) + 1,
              c.what);
    dsdn_error_at(error, NULL, (uint64_t)(c.p - base));
    return DSDN_E_MALFORMED;
}

/* ---- values of a checked document ------------------------------------------------------------ */

static const char *skip_spaces(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
    return p;
}

static const char *skip_string(const char *p)
{
    for (p++; *p != '"'; p++)
        if (*p == '\\') p++;
    return p + 1;
}

static const char *skip_value(const char *p, const char *end)
{
    unsigned depth = 0;
    if (*p != '"' && *p != '{' && *p != '[') {
        while (p < end &&
               !(*p == ',' || *p == '}' || *p == ']' || *p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
            p++;
        return p;
    }
    do {
        if (*p == '"') {
            p = skip_string(p);
            continue;
        }
        if (*p == '{' || *p == '[') depth++;
        if (*p == '}' || *p == ']') depth--;
        p++;
    } while (depth);
    return p;
}

char dsdn_json_kind(struct dsdn_json value)
{
    char c = *value.at;
    return c == '-' || (c >= '0' && c <= '9') ? '0' : c;
}

struct dsdn_json_walk dsdn_json_walk(struct dsdn_json container)
{
    struct dsdn_json none = {container.base, NULL, container.end};
    bool object = *container.at == '{', array = *container.at == '[';
    return (struct dsdn_json_walk){none, none, object || array ? container.at + 1 : NULL, object};
}

bool dsdn_json_next(struct dsdn_json_walk *w)
{
    if (!w->next) return false;
    const char *p = skip_spaces(w->next);
    if (*p == ',') p = skip_spaces(p + 1);
    if (*p == '}' || *p == ']') {
        w->next = NULL;
        return false;
    }
    if (w->object) {
        w->key.at = p;
        p = skip_spaces(skip_string(p)); /* now at ':' */
        p = skip_spaces(p + 1);
    }
    w->value.at = p;
    w->next = skip_value(p, w->value.end);
    return true;
}

bool dsdn_json_get(struct dsdn_json object, const char *key, struct dsdn_json *value)
{
    for (struct dsdn_json_walk w = dsdn_json_walk(object); dsdn_json_next(&w);)
        if (w.object && dsdn_json_is_string(w.key, key)) {
            *value = w.value;
            return true;
        }
    return false;
}

/* Bytes of a character in UTF-8; at most 4. */
static size_t utf8_put(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[4] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (uint8_t)(lead[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++) out[i] = (uint8_t)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

/* Decodes the character or escape at *p and steps over it. */
static size_t unescape(const char **p, uint8_t out[4])
{
    const char *at = *p;
    if (*at != '\\') {
        out[0] = (uint8_t)*at;
        *p = at + 1;
        return 1;
    }
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    *p = at + 2;
    if (at[1] != 'u') {
        const char *named = strchr(from, at[1]);
        out[0] = (uint8_t)(named ? to[named - from] : at[1]);
        return 1;
    }
    uint32_t c = (uint32_t)hex4(at + 2, at + 6);
    *p = at + 6;
    if (c >= 0xd800 && c < 0xdc00) {
        c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)hex4(at + 8, at + 12) - 0xdc00);
        *p = at + 12;
    }
    return utf8_put(c, out);
}

bool dsdn_json_string(struct dsdn_json value, uint8_t *out, size_t cap, size_t *len)
{
    if (*value.at != '"') return false;
    size_t n = 0;
    for (const char *p = value.at + 1; *p != '"';) {
        uint8_t c[4];
        size_t width = unescape(&p, c);
        if (cap - n < width) return false;
        memcpy(out + n, c, width);
        n += width;
    }
    *len = n;
    return true;
}

bool dsdn_json_is_string(struct dsdn_json value, const char *string)
{
    if (*value.at != '"') return false;
    const char *p = value.at + 1;
    while (*p != '"') {
        uint8_t c[4];
        size_t width = unescape(&p, c);
        if (strncmp(string, (const char *)c, width) != 0)
            return false; /* c has no zero byte: stops at string's end */
        string += width;
    }
    return !*string;
}

/* Decimal digits [p, end) as a 64-bit integer: one spelling per value. */
static bool parse_integer(const char *p, const char *end, bool is_signed, uint64_t *bits)
{
    bool negative = p < end && *p == '-';
    if (negative) p++;
    if (p == end || (*p == '0' && (end - p > 1 || negative)) || (negative && !is_signed)) return false;
    uint64_t v = 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9') return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    }
    if (is_signed && v > (uint64_t)INT64_MAX + negative) return false;
    *bits = negative ? 0 - v : v;
    return true;
}

bool dsdn_json_integer(struct dsdn_json value, int64_t min, int64_t max, int64_t *number)
{
    uint64_t bits;
    if (dsdn_json_kind(value) != '0' ||
        !parse_integer(value.at, skip_value(value.at, value.end), true, &bits))
        return false;
    *number = (int64_t)bits;
    return *number >= min && *number <= max;
}

bool dsdn_json_decimal(struct dsdn_json value, bool is_signed, uint64_t *bits)
{
    return *value.at == '"' && parse_integer(value.at + 1, skip_string(value.at) - 1, is_signed, bits);
}

/* The characters of a string between its quotes, as they are written. */
static size_t raw_len(struct dsdn_json value)
{
    return (size_t)(skip_string(value.at) - value.at) - 2;
}

bool dsdn_json_hex(struct dsdn_json value, uint8_t *out, size_t len)
{
    return *value.at == '"' && raw_len(value) == 2 * len && dsdn_hex_decode(value.at + 1, len, out);
}

/* ---- events ---------------------------------------------------------------------------------- */

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

/* Records "path: message" at the value and returns false. */
static bool bad(struct reader *r, const struct path *path, struct dsdn_json at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static bool bad(struct reader *r, const struct path *path, struct dsdn_json at, const char *format, ...)
{
    char where[128], what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    path_format(path, where, sizeof where);
    r->code = dsdn_fail(r->error, DSDN_E_MALFORMED, "%s: %s", where, what);
    dsdn_error_at(r->error, NULL, (uint64_t)(at.at - at.base));
    return false;
}

static bool no_room(struct reader *r, const struct path *path)
{
    char where[128];
    path_format(path, where, sizeof where);
    r->code = dsdn_fail(r->error, DSDN_E_TOO_LARGE, "%s: the payload does not fit its buffer", where);
    return false;
}

/* Reserves len bytes of output, or NULL. */
static uint8_t *take(struct reader *r, const struct path *path, size_t len)
{
    if ((size_t)(r->end - r->out) < len) {
        no_room(r, path);
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

static bool read_fields(struct reader *r, const struct dsdn_field *fields, uint8_t version,
                        struct dsdn_json value, const struct path *path);

static bool read_number(struct reader *r, const struct dsdn_field *f, struct dsdn_json v,
                        const struct path *path)
{
    const struct dsdn_kind_info *kind = &dsdn_kinds[f->kind];
    int64_t number, min = kind->is_signed ? INT32_MIN : 0, max = (int64_t)dsdn_field_max(f);
    if (!dsdn_json_integer(v, min, max, &number))
        return bad(r, path, v, "expected a whole number from %lld to %lld", (long long)min, (long long)max);
    uint8_t *to = take(r, path, kind->width);
    if (to) memcpy(to, &number, kind->width);
    return to != NULL;
}

static bool read_decimal(struct reader *r, bool is_signed, struct dsdn_json v, const struct path *path)
{
    uint64_t bits;
    if (!dsdn_json_decimal(v, is_signed, &bits))
        return bad(r, path, v, "expected %s 64-bit number as a string, as in \"12\"",
                   is_signed ? "a signed" : "an unsigned");
    uint8_t *to = take(r, path, 8);
    if (to) dsdn_store64(to, bits);
    return to != NULL;
}

static bool read_hex(struct reader *r, uint32_t width, struct dsdn_json v, const struct path *path)
{
    uint8_t *to = take(r, path, width);
    if (!to) return false;
    return dsdn_json_hex(v, to, width) || bad(r, path, v, "expected %u hex digits in quotes", 2 * width);
}

static bool read_amount(struct reader *r, struct dsdn_json v, const struct path *path)
{
    struct path asset_path = {path, "asset", 0}, units_path = {path, "units", 0};
    struct dsdn_json asset, units;
    uint32_t members = 0;
    for (struct dsdn_json_walk w = dsdn_json_walk(v); dsdn_json_next(&w);) members++;
    if (members != 2 || !dsdn_json_get(v, "asset", &asset) || !dsdn_json_get(v, "units", &units))
        return bad(r, path, v, "expected {\"asset\":0,\"units\":\"1\"}");
    int64_t number;
    if (!dsdn_json_integer(asset, 0, UINT8_MAX, &number))
        return bad(r, &asset_path, asset, "expected a whole number from 0 to 255");
    uint8_t *to = take(r, path, 1);
    if (!to) return false;
    *to = (uint8_t)number;
    return read_decimal(r, false, units, &units_path);
}

static bool read_text(struct reader *r, const struct dsdn_field *f, struct dsdn_json v,
                      const struct path *path)
{
    if (*v.at != '"') return bad(r, path, v, "expected a string");
    size_t len = 0;
    for (const char *p = v.at + 1; *p != '"';) {
        uint8_t c[4];
        len += unescape(&p, c);
    }
    if (len > f->max) return bad(r, path, v, "a string of %zu bytes; at most %u are allowed", len, f->max);
    if (!put_count(r, path, (uint32_t)len)) return false;
    uint8_t *to = take(r, path, len);
    return to && dsdn_json_string(v, to, len, &len);
}

static bool read_bytes(struct reader *r, const struct dsdn_field *f, struct dsdn_json v,
                       const struct path *path)
{
    size_t raw = *v.at == '"' ? raw_len(v) : 1;
    if (raw % 2) return bad(r, path, v, "expected an even number of hex digits in quotes");
    if (raw / 2 > f->max) return bad(r, path, v, "%zu bytes; at most %u are allowed", raw / 2, f->max);
    return put_count(r, path, (uint32_t)(raw / 2)) && read_hex(r, (uint32_t)(raw / 2), v, path);
}

static bool read_list(struct reader *r, const struct dsdn_field *f, struct dsdn_json v,
                      const struct path *path)
{
    if (*v.at != '[') return bad(r, path, v, "expected an array");
    struct path item = {path, NULL, 0};
    uint32_t count = 0;
    for (struct dsdn_json_walk w = dsdn_json_walk(v); dsdn_json_next(&w);) count++;
    if (count > f->max) return bad(r, path, v, "%u items; at most %u are allowed", count, f->max);
    if (!put_count(r, path, count)) return false;
    for (struct dsdn_json_walk w = dsdn_json_walk(v); dsdn_json_next(&w); item.index++) {
        if (f->kind == DSDN_K_list) {
            if (!read_fields(r, f->record->fields(), UINT8_MAX, w.value, &item)) return false;
            continue;
        }
        if (!read_hex(r, 32, w.value, &item)) return false;
        if (f->kind == DSDN_K_set_id && item.index && memcmp(r->out - 64, r->out - 32, 32) >= 0)
            return bad(r, &item, w.value, "the ids of a set must be sorted, each once");
    }
    return true;
}

static bool read_value(struct reader *r, const struct dsdn_field *f, struct dsdn_json v,
                       const struct path *path)
{
    const struct dsdn_kind_info *kind = &dsdn_kinds[f->kind];
    if (kind->optional) {
        bool present = v.at && *v.at != 'n';
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
    case DSDN_FORM_RECORDS: return v.at ? read_list(r, f, v, path) : put_count(r, path, 0);
    }
    return false;
}

/* The place of a key among the fields, or -1. */
static int field_find(const struct dsdn_field *fields, struct dsdn_json key)
{
    for (int i = 0; fields[i].name; i++)
        if (dsdn_json_is_string(key, fields[i].name)) return i;
    return -1;
}

/* The key as it is written, cut and without bytes that a terminal would obey. */
static bool unknown_key(struct reader *r, struct dsdn_json key, const struct path *path)
{
    char name[49];
    size_t len = raw_len(key);
    if (len >= sizeof name) len = sizeof name - 1;
    for (size_t i = 0; i < len; i++)
        name[i] = (uint8_t)key.at[1 + i] < 0x20 || (uint8_t)key.at[1 + i] >= 0x7f ? '?' : key.at[1 + i];
    name[len] = 0;
    return bad(r, path, key, "unknown field \"%s\"", name);
}

static bool read_fields(struct reader *r, const struct dsdn_field *fields, uint8_t version,
                        struct dsdn_json value, const struct path *path)
{
    const char *at[DSDN_JSON_FIELDS_MAX] = {NULL};
    if (*value.at != '{') return bad(r, path, value, "expected an object");
    for (struct dsdn_json_walk w = dsdn_json_walk(value); dsdn_json_next(&w);) {
        int i = field_find(fields, w.key);
        if (i < 0) return unknown_key(r, w.key, path);
        struct path here = {path, fields[i].name, 0};
        if (i >= (int)DSDN_JSON_FIELDS_MAX) return bad(r, &here, w.key, "more fields than this reader holds");
        if (fields[i].since > version)
            return bad(r, &here, w.key, "a field of version %u in an event of version %u", fields[i].since,
                       version);
        if (at[i]) return bad(r, &here, w.key, "twice in one object");
        at[i] = w.value.at;
    }
    for (const struct dsdn_field *f = fields; f->name; f++) {
        struct path here = {path, f->name, 0};
        if (f->since > version) continue;
        struct dsdn_json v = {
            value.base, f - fields < (ptrdiff_t)DSDN_JSON_FIELDS_MAX ? at[f - fields] : NULL, value.end};
        if (!v.at && !dsdn_kinds[f->kind].optional && f->kind != DSDN_K_list)
            return bad(r, &here, value, "missing");
        if (!read_value(r, f, v, &here)) return false;
    }
    return true;
}

int dsdn_json_read_payload(const struct dsdn_event_desc *desc, uint8_t version, struct dsdn_json value,
                           uint8_t *out, size_t cap, uint32_t *len, struct dsdn_error *error)
{
    struct reader r = {out, out + cap, error, 0};
    struct path root = {NULL, "payload", 0};
    if (version == 0 || version > desc->version)
        return dsdn_fail(error, DSDN_E_MALFORMED, "%s has no version %u", desc->name, version);
    if (!read_fields(&r, desc->fields(), version, value, &root)) return r.code;
    *len = (uint32_t)(r.out - out);
    return DSDN_OK;
}

int dsdn_json_read_event(const struct dsdn_event_table *table, struct dsdn_json value, uint32_t *event,
                         uint8_t *version, uint8_t *out, size_t cap, uint32_t *len, struct dsdn_error *error)
{
    struct reader r = {out, out + cap, error, 0};
    struct path root = {NULL, "event", 0};
    static const char *const members[3] = {"type", "version", "payload"};
    struct dsdn_json parts[3] = {{NULL, NULL, NULL}};
    bool well = *value.at == '{';
    for (struct dsdn_json_walk w = dsdn_json_walk(value); well && dsdn_json_next(&w);) {
        int i = 0;
        while (i < 3 && !dsdn_json_is_string(w.key, members[i])) i++;
        well = i < 3 && !parts[i].at;
        if (well) parts[i] = w.value;
    }
    if (!well || !parts[0].at || !parts[1].at || !parts[2].at) {
        bad(&r, &root, value, "expected {\"type\":NAME,\"version\":NUMBER,\"payload\":{...}}");
        return r.code;
    }
    struct dsdn_json type = parts[0], number = parts[1], payload = parts[2];
    int64_t v;
    char name[65];
    size_t name_len;
    if (!dsdn_json_string(type, (uint8_t *)name, sizeof name - 1, &name_len)) name_len = 0;
    name[name_len] = 0;
    int index = dsdn_event_named(table, name);
    if (index < 0) {
        bad(&r, &(struct path){NULL, "type", 0}, type, "no event type of catalogue %s", table->name);
        return r.code;
    }
    if (!dsdn_json_integer(number, 1, table->events[index].version, &v)) {
        bad(&r, &(struct path){NULL, "version", 0}, number, "expected a version of %s: 1 to %u",
            table->events[index].name, table->events[index].version);
        return r.code;
    }
    *event = (uint32_t)index;
    *version = (uint8_t)v;
    return dsdn_json_read_payload(&table->events[index], *version, payload, out, cap, len, error);
}
