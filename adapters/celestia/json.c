#include "adapters/celestia/json.h"

#include "adapters/celestia/base64.h"

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const uint8_t *blanks(const uint8_t *p, const uint8_t *end)
{
    while (p < end && blank(*p)) p++;
    return p;
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static const uint8_t *digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && digit(*p)) p++;
    return p;
}

/* ---- the check of a whole text ------------------------------------------------------------------ */

/* Whether eight characters may stand in a string as they are and are ASCII: not one below 0x20, above 0x7f,
 * a quote or a backslash. */
static bool eight_plain(const uint8_t *p)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t v = dsdn_load64(p), quote = v ^ ones * '"', backslash = v ^ ones * '\\';
    return !((v | (v - ones * 0x20) | (quote - ones) | (backslash - ones)) & highs);
}

/* Four hex digits, or -1. */
static int unit(const uint8_t *p, const uint8_t *end)
{
    uint8_t bytes[2];
    if (end - p < 4 || !dsdn_hex_decode((const char *)p, 2, bytes)) return -1;
    return bytes[0] << 8 | bytes[1];
}

/* One escape, p behind the backslash: its end and its character, or NULL. */
static const uint8_t *escape(const uint8_t *p, const uint8_t *end, uint32_t *character)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (p == end || !*p) return NULL;
    const char *name = strchr(names, *p);
    if (name) {
        *character = (uint8_t)meanings[name - names];
        return p + 1;
    }
    if (*p != 'u') return NULL;
    int high = unit(++p, end), low;
    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff)) return NULL;
    p += 4;
    *character = (uint32_t)high;
    if (high < 0xd800 || high > 0xdfff) return p;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return NULL;
    low = unit(p + 2, end);
    if (low < 0xdc00 || low > 0xdfff) return NULL;
    *character = 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
    return p + 6;
}

/* A string from its quote on: the end behind the closing quote, or NULL. */
static const uint8_t *check_string(const uint8_t *p, const uint8_t *end)
{
    bool ascii = true;
    const uint8_t *start = ++p;
    for (;;) {
        while (end - p >= 8 && eight_plain(p)) p += 8;
        if (p == end || *p < 0x20) return NULL;
        if (*p == '"') break;
        if (*p >= 0x80) ascii = false;
        uint32_t character;
        if (*p++ == '\\' && !(p = escape(p, end, &character))) return NULL;
    }
    return ascii || dsdn_utf8_valid(start, (size_t)(p - start)) ? p + 1 : NULL;
}

/* A number, true, false or null: its end, or NULL. */
static const uint8_t *check_word(const uint8_t *p, const uint8_t *end)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(end - p) >= len && memcmp(p, words[i], len) == 0) return p + len;
    }
    const uint8_t *from;
    if (p < end && *p == '-') p++;
    if (p == end || !digit(*p)) return NULL;
    p = *p == '0' ? p + 1 : digits(p, end);
    if (p < end && *p == '.') {
        from = ++p;
        if ((p = digits(p, end)) == from) return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        from = p;
        if ((p = digits(p, end)) == from) return NULL;
    }
    return p;
}

static int wrong(struct dsdn_error *error, const uint8_t *start, const uint8_t *at, const char *what)
{
    dsdn_fail(error, DSDN_E_MALFORMED, "the answer is no JSON: %s at byte %zu", what, (size_t)(at - start));
    dsdn_error_at(error, NULL, (uint64_t)(at - start));
    return DSDN_E_MALFORMED;
}

/* A member's name and its colon: where its value begins, or NULL. */
static const uint8_t *check_name(const uint8_t *p, const uint8_t *end)
{
    if (p == end || *p != '"' || !(p = check_string(p, end))) return NULL;
    p = blanks(p, end);
    return p < end && *p == ':' ? blanks(p + 1, end) : NULL;
}

int dsdn_span_check(const void *text, size_t len, struct dsdn_view *value, struct dsdn_error *error)
{
    const uint8_t *start = text, *end = len ? start + len : start, *p = blanks(start, end), *next;
    uint32_t depth = 0, objects = 0; /* objects: bit d is set when the container at depth d + 1 is one */
    *value = (struct dsdn_view){p, 0};
    for (;;) {
        /* here a value begins */
        if (p == end) return wrong(error, start, p, "it ends too early");
        bool object = *p == '{';
        if (object || *p == '[') {
            if (depth == DSDN_SPAN_DEPTH_MAX) return wrong(error, start, p, "it is nested too deeply");
            objects = object ? objects | 1u << depth : objects & ~(1u << depth);
            depth++;
            next = blanks(p + 1, end);
            if (next == end || *next != (object ? '}' : ']')) {
                p = object ? check_name(next, end) : next;
                if (!p) return wrong(error, start, next, "a name is expected");
                continue;
            }
        } else {
            next = *p == '"' ? check_string(p, end) : check_word(p, end);
            if (!next) return wrong(error, start, p, *p == '"' ? "a broken text" : "no value");
        }
        /* here it ended, or its closing bracket stands: so may all containers around it end */
        for (p = next;; p++, depth--) {
            if (depth == 0) {
                value->len = (size_t)(p - value->bytes);
                p = blanks(p, end);
                return p == end ? DSDN_OK : wrong(error, start, p, "something follows the value");
            }
            p = blanks(p, end);
            if (p == end) return wrong(error, start, p, "it ends too early");
            object = objects >> (depth - 1) & 1;
            if (*p != (object ? '}' : ']')) break;
        }
        if (*p != ',') return wrong(error, start, p, "a comma is expected");
        next = blanks(p + 1, end);
        p = object ? check_name(next, end) : next;
        if (!p) return wrong(error, start, next, "a name is expected");
    }
}

/* ---- walking a checked text --------------------------------------------------------------------- */

/* The end of a string whose quote is at p. */
static const uint8_t *skip_string(const uint8_t *p, const uint8_t *end)
{
    for (const uint8_t *from = ++p; p < end;) {
        const uint8_t *quote = memchr(p, '"', (size_t)(end - p)), *back = quote;
        if (!quote) break;
        while (back > from && back[-1] == '\\') back--;
        if ((quote - back) % 2 == 0) return quote + 1;
        p = quote + 1;
    }
    return end;
}

/* The end of the value at p. */
static const uint8_t *skip(const uint8_t *p, const uint8_t *end)
{
    if (p < end && *p == '"') return skip_string(p, end);
    if (p < end && *p != '{' && *p != '[') {
        while (p < end && !blank(*p) && *p != ',' && *p != ']' && *p != '}') p++;
        return p;
    }
    for (uint32_t depth = 0; p < end;) {
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        if (*p == '{' || *p == '[') depth++;
        if ((*p == '}' || *p == ']') && --depth == 0) return p + 1;
        p++;
    }
    return p;
}

char dsdn_span_kind(struct dsdn_view value)
{
    if (!value.len) return 0;
    char c = (char)value.bytes[0];
    return c == '-' || digit((uint8_t)c) ? '0' : c;
}

bool dsdn_span_none(struct dsdn_view value)
{
    char kind = dsdn_span_kind(value);
    return !kind || kind == 'n';
}

void dsdn_span_walk_start(struct dsdn_span_walk *walk, struct dsdn_view value)
{
    char kind = dsdn_span_kind(value);
    *walk = (struct dsdn_span_walk){.at = NULL, .end = NULL, .object = kind == '{'};
    if (kind != '{' && kind != '[') return;
    walk->at = value.bytes + 1;
    walk->end = value.bytes + value.len;
}

bool dsdn_span_walk_next(struct dsdn_span_walk *walk, struct dsdn_view *name, struct dsdn_view *value)
{
    const uint8_t *end = walk->end, *p = blanks(walk->at, end), *from;
    if (p == end || *p == ']' || *p == '}') return false;
    *name = (struct dsdn_view){NULL, 0};
    if (walk->object) {
        from = p;
        p = skip_string(p, end);
        *name = (struct dsdn_view){from + 1, (size_t)(p - from) - 2};
        p = blanks(blanks(p, end) + 1, end); /* behind the colon */
    }
    from = p;
    p = skip(p, end);
    *value = (struct dsdn_view){from, (size_t)(p - from)};
    p = blanks(p, end);
    walk->at = p < end && *p == ',' ? p + 1 : p;
    return true;
}

uint32_t dsdn_span_count(struct dsdn_view array, uint32_t limit)
{
    struct dsdn_span_walk walk;
    struct dsdn_view name, value;
    uint32_t cnt = 0;
    if (dsdn_span_kind(array) != '[') return 0;
    dsdn_span_walk_start(&walk, array);
    while (cnt <= limit && dsdn_span_walk_next(&walk, &name, &value)) cnt++;
    return cnt;
}

static bool same(struct dsdn_view a, const void *bytes, size_t len)
{
    return a.len == len && memcmp(a.bytes, bytes, len) == 0;
}

int dsdn_span_members(struct dsdn_view object, const char *what, const char *const *names, size_t cnt,
                      struct dsdn_view *values, struct dsdn_error *error)
{
    struct dsdn_view seen[DSDN_SPAN_MEMBERS_MAX], name, value;
    struct dsdn_span_walk walk;
    size_t seen_cnt = 0;
    for (size_t i = 0; i < cnt; i++) values[i] = (struct dsdn_view){NULL, 0};
    if (dsdn_span_kind(object) != '{') return dsdn_fail(error, DSDN_E_MALFORMED, "%s is no object", what);
    dsdn_span_walk_start(&walk, object);
    while (dsdn_span_walk_next(&walk, &name, &value)) {
        if (!name.len || memchr(name.bytes, '\\', name.len))
            return dsdn_fail(error, DSDN_E_MALFORMED, "%s has a member with an impossible name", what);
        for (size_t i = 0; i < seen_cnt; i++)
            if (same(name, seen[i].bytes, seen[i].len))
                return dsdn_fail(error, DSDN_E_MALFORMED, "%s has two members of one name", what);
        if (seen_cnt == DSDN_SPAN_MEMBERS_MAX)
            return dsdn_fail(error, DSDN_E_MALFORMED, "%s has more than %u members", what,
                             DSDN_SPAN_MEMBERS_MAX);
        seen[seen_cnt++] = name;
        for (size_t i = 0; i < cnt; i++)
            if (same(name, names[i], strlen(names[i]))) values[i] = value;
    }
    return DSDN_OK;
}

/* ---- texts --------------------------------------------------------------------------------------- */

bool dsdn_span_plain(struct dsdn_view value, struct dsdn_view *text)
{
    if (dsdn_span_kind(value) != '"') return false;
    *text = (struct dsdn_view){value.bytes + 1, value.len - 2};
    return !text->len || !memchr(text->bytes, '\\', text->len);
}

bool dsdn_span_base64_any(struct dsdn_view value, uint8_t *out, size_t cap, size_t *len)
{
    struct dsdn_view text;
    uint8_t last[3];
    *len = 0;
    if (!dsdn_span_plain(value, &text)) return false;
    if (DSDN_BASE64_BYTES_MAX(text.len) <= cap)
        return dsdn_base64_decode((const char *)text.bytes, text.len, out, len);
    /* the bound is above cap by up to two bytes of padding: the last group goes its own way */
    if (text.len % 4 || DSDN_BASE64_BYTES_MAX(text.len) - cap > 2) return false;
    size_t head, tail;
    const char *characters = (const char *)text.bytes;
    if (!dsdn_base64_decode(characters, text.len - 4, out, &head) || head % 3 ||
        head != DSDN_BASE64_BYTES_MAX(text.len - 4) ||
        !dsdn_base64_decode(characters + text.len - 4, 4, last, &tail) || head + tail > cap)
        return false;
    memcpy(out + head, last, tail);
    *len = head + tail;
    return true;
}

bool dsdn_span_base64(struct dsdn_view value, uint8_t *out, size_t len)
{
    size_t got;
    return dsdn_span_base64_any(value, out, len, &got) && got == len;
}

bool dsdn_span_hex(struct dsdn_view value, uint8_t *out, size_t len)
{
    struct dsdn_view text;
    return dsdn_span_plain(value, &text) && text.len == 2 * len &&
           dsdn_hex_decode((const char *)text.bytes, len, out);
}

static size_t utf8_encode(uint32_t c, char out[4])
{
    if (c < 0x80) return out[0] = (char)c, 1;
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    for (size_t i = more; i; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf0u << (3 - more) & 0xff) | c);
    return more + 1;
}

void dsdn_span_text(struct dsdn_view value, char *out, size_t cap)
{
    size_t len = 0;
    if (!cap) return;
    out[0] = 0;
    if (dsdn_span_kind(value) != '"') return;
    for (const uint8_t *p = value.bytes + 1, *end = value.bytes + value.len - 1; p < end;) {
        char bytes[4];
        size_t width = 1;
        bytes[0] = (char)*p;
        if (*p == '\\') {
            uint32_t character = '?';
            p = escape(p + 1, end, &character); /* the text was checked: there is one */
            width = utf8_encode(character, bytes);
        } else {
            if (*p >= 0x80) width = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
            memcpy(bytes, p, width);
            p += width;
        }
        if (width == 1 && ((uint8_t)bytes[0] < 0x20 || bytes[0] == 0x7f)) bytes[0] = '?';
        if (width == 2 && (uint8_t)bytes[0] == 0xc2 && (uint8_t)bytes[1] < 0xa0) bytes[0] = '?', width = 1;
        if (len + width >= cap) break;
        memcpy(out + len, bytes, width);
        len += width;
    }
    out[len] = 0;
}
