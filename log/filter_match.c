#include "log/filter_program.h"

#include <stdio.h>

/* ---- text and globs -------------------------------------------------------------------------- */

/* Text as it is, or the hex digits of bytes, without writing them down. */
struct letters {
    const uint8_t *bytes;
    size_t len; /* letters */
    bool hex;
};

static uint8_t letter(const struct letters *t, size_t i)
{
    if (!t->hex) return t->bytes[i];
    return (uint8_t) "0123456789abcdef"[i % 2 ? t->bytes[i / 2] & 15 : t->bytes[i / 2] >> 4];
}

static struct letters hex_of(const uint8_t *bytes, size_t len)
{
    return (struct letters){bytes, 2 * len, true};
}

/* The letter behind one character of UTF-8. */
static size_t next_character(const struct letters *t, size_t i)
{
    i++;
    while (!t->hex && i < t->len && (t->bytes[i] & 0xc0) == 0x80) i++;
    return i;
}

/* Greedy with one point of return: only the last * ever has to give way. */
static bool glob(const char *pattern, size_t pattern_len, const struct letters *text)
{
    size_t p = 0, i = 0, star = SIZE_MAX, star_at = 0;
    while (i < text->len) {
        if (p < pattern_len && pattern[p] == '*') {
            star = ++p;
            star_at = i;
            continue;
        }
        if (p < pattern_len && pattern[p] == '?') {
            p++;
            i = next_character(text, i);
            continue;
        }
        size_t literal = p + (p + 1 < pattern_len && pattern[p] == '\\');
        if (literal < pattern_len && (uint8_t)pattern[literal] == letter(text, i)) {
            p = literal + 1;
            i++;
            continue;
        }
        if (star == SIZE_MAX) return false;
        p = star;
        i = ++star_at;
    }
    while (p < pattern_len && pattern[p] == '*') p++;
    return p == pattern_len;
}

bool dsdn_glob_match(const char *pattern, size_t pattern_len, const char *text, size_t len)
{
    return glob(pattern, pattern_len, &(struct letters){(const uint8_t *)text, len, false});
}

static bool equal(const struct value *value, const struct letters *text)
{
    if (value->len != text->len) return false;
    if (!text->hex) return !value->len || memcmp(value->text, text->bytes, value->len) == 0;
    for (size_t i = 0; i < text->len; i++)
        if ((uint8_t)value->text[i] != letter(text, i)) return false;
    return true;
}

/* ---- one test -------------------------------------------------------------------------------- */

static bool ordered(enum operator op, int order)
{
    switch (op) {
    case OP_EQ: return order == 0;
    case OP_NE: return order != 0;
    case OP_LT: return order < 0;
    case OP_LE: return order <= 0;
    case OP_GT: return order > 0;
    case OP_GE: return order >= 0;
    case OP_GLOB: break;
    }
    return false;
}

static bool number(const struct test *t, bool negative, uint64_t bits)
{
    const struct value *v = &t->value;
    /* Two's complement keeps its order among numbers of one sign. */
    int order = negative != v->negative ? (negative ? -1 : 1) : bits < v->bits ? -1 : bits > v->bits;
    return ordered(t->op, order);
}

static bool name(const struct test *t, const struct dsdn_filter_name *names, uint32_t cnt, uint32_t value)
{
    if (t->op != OP_GLOB) return number(t, false, value);
    for (uint32_t i = 0; i < cnt; i++)
        if (names[i].value == value)
            return dsdn_glob_match(t->value.text, t->value.len, names[i].name, strlen(names[i].name));
    return false;
}

static bool letters(const struct test *t, struct letters text)
{
    if (t->op == OP_GLOB) return glob(t->value.text, t->value.len, &text);
    if (t->op == OP_EQ || t->op == OP_NE) return equal(&t->value, &text) == (t->op == OP_EQ);
    size_t common = text.len < t->value.len ? text.len : t->value.len;
    int order = common ? memcmp(text.bytes, t->value.text, common) : 0;
    if (!order) order = text.len < t->value.len ? -1 : text.len > t->value.len;
    return ordered(t->op, order);
}

static bool field(const struct test *t, const struct dsdn_field *f, const void *event)
{
    const void *at = (const uint8_t *)event + f->offset;
    const struct dsdn_kind_info *kind = &dsdn_kinds[f->kind];
    uint64_t bits = 0;
    const uint8_t *bytes = NULL;
    bool present = true;
    if (kind->form == DSDN_FORM_NUMBER || kind->form == DSDN_FORM_DECIMAL)
        present = dsdn_field_number(f, event, &bits);
    if (kind->form == DSDN_FORM_HEX) present = (bytes = dsdn_field_pointer(f, event)) != NULL;
    if (t->value.is_null) return present == (t->op == OP_NE);
    if (!present) return t->op == OP_NE;
    switch (kind->form) {
    case DSDN_FORM_NUMBER:
    case DSDN_FORM_DECIMAL: return number(t, kind->is_signed && (int64_t)bits < 0, bits);
    case DSDN_FORM_AMOUNT: return number(t, false, ((const struct dsdn_amount *)at)->units);
    case DSDN_FORM_HEX: return letters(t, hex_of(bytes, kind->width));
    case DSDN_FORM_TEXT:
    case DSDN_FORM_BYTES: {
        const struct dsdn_view *v = at;
        return letters(t, kind->form == DSDN_FORM_TEXT ? (struct letters){v->bytes, v->len, false}
                                                       : hex_of(v->bytes, v->len));
    }
    case DSDN_FORM_HASHES:
    case DSDN_FORM_RECORDS: return number(t, false, ((const struct dsdn_list *)at)->count);
    }
    return false;
}

/* ---- the program ----------------------------------------------------------------------------- */

bool dsdn_filter_match(const struct dsdn_filter *filter, const struct dsdn_filter_event *e)
{
    enum { NOT_YET, DECODED, DAMAGED } payload = NOT_YET;
    union dsdn_decoded event;
    for (int at = filter->entry; at != ACCEPT;) {
        if (at == REJECT) return false;
        const struct test *t = &filter->tests[at];
        bool holds = false;
        switch (t->subject) {
        case ON_SEQ: holds = number(t, false, e->seq); break;
        case ON_INDEX: holds = number(t, false, e->index); break;
        case ON_TIME: holds = number(t, false, e->time_ms); break;
        case ON_AUTHOR: holds = letters(t, hex_of(e->author, 32)); break;
        case ON_OUTCOME:
            holds = e->outcome >= 0 &&
                    name(t, filter->names.outcomes, filter->names.outcome_cnt, (uint32_t)e->outcome);
            break;
        case ON_CODE:
            holds = e->outcome >= 0 && name(t, filter->names.codes, filter->names.code_cnt, e->code);
            break;
        case ON_EVENT: holds = t->hits[e->event]; break;
        case ON_PAYLOAD:
            if (!t->fields[e->event]) break;
            if (payload == NOT_YET)
                payload = dsdn_event_decode(&filter->table->events[e->event], e->version, e->payload, e->len,
                                            &event, NULL)
                              ? DAMAGED
                              : DECODED;
            holds = payload == DECODED && field(t, t->fields[e->event], &event);
            break;
        }
        at = holds ? t->yes : t->no;
    }
    return true;
}

void dsdn_filter_caret(const char *text, const struct dsdn_error *error, char *out, size_t cap)
{
    size_t len = strlen(text), at = error->offset < len ? (size_t)error->offset : len, column = 0;
    for (size_t i = 0; i < at; i++) column += ((uint8_t)text[i] & 0xc0) != 0x80; /* characters, not bytes */
    snprintf(out, cap, "%s\n%*s^", text, (int)column, "");
}
