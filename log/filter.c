#include "log/filter_program.h"
#include "log/suggest.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- words ----------------------------------------------------------------------------------- */

enum token { T_END, T_WORD, T_STRING, T_OPEN, T_CLOSE, T_NOT, T_AND, T_OR, T_OP };

struct parser {
    const struct dsdn_event_table *table;
    struct dsdn_filter *filter;
    struct dsdn_error *error;
    const char *start, *p;
    char *store; /* where the next decoded value goes in filter->text */
    enum token token;
    enum operator op; /* of T_OP */
    const char *at;   /* start of the token */
    const char *word; /* of T_WORD and T_STRING: decoded, zero-terminated */
    uint32_t word_len;
    unsigned depth;
    struct node {
        enum { IS_TEST, IS_AND, IS_OR, IS_NOT } kind;
        int16_t left, right; /* nodes; of IS_TEST: the test */
    } nodes[4 * DSDN_FILTER_TESTS_MAX];
    int16_t node_cnt;
};

static bool fail(struct parser *s, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(struct parser *s, const char *at, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    dsdn_fail(s->error, DSDN_E_USAGE, "column %zu: %s", (size_t)(at - s->start) + 1, why);
    dsdn_error_at(s->error, NULL, (uint64_t)(at - s->start));
    return false;
}

/* "no SUBJECT is called WORD", with a suggestion. */
static bool fail_unknown(struct parser *s, const char *at, const char *what, const struct dsdn_guess *g)
{
    if (g->name) return fail(s, at, "%s %.64s; did you mean %s?", what, g->wanted, g->name);
    return fail(s, at, "%s %.64s", what, g->wanted);
}

static bool word_letter(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("_.*?-", c));
}

static bool next_string(struct parser *s)
{
    char quote = *s->p++;
    s->word = s->store;
    for (; *s->p && *s->p != quote; s->p++) {
        if (quote == '"' && *s->p == '\\' && (s->p[1] == '"' || s->p[1] == '\\')) s->p++;
        *s->store++ = *s->p;
    }
    if (!*s->p++) return fail(s, s->at, "the string has no closing %c", quote);
    return true;
}

/* Reads the next token.  Words and strings are copied, each with a zero byte behind it.  Between two words
 * there is a sign or a space, and a string has quotes, so the copies together are at most one byte longer
 * than the expression. */
static bool next(struct parser *s)
{
    static const struct {
        char text[3];
        enum token token;
        enum operator op;
    } signs[] = {{"&&", T_AND, 0},      {"||", T_OR, 0},     {"==", T_OP, OP_EQ}, {"!=", T_OP, OP_NE},
                 {"=~", T_OP, OP_GLOB}, {"<=", T_OP, OP_LE}, {">=", T_OP, OP_GE}, {"<", T_OP, OP_LT},
                 {">", T_OP, OP_GT},    {"!", T_NOT, 0},     {"(", T_OPEN, 0},    {")", T_CLOSE, 0}};
    while (isspace((unsigned char)*s->p)) s->p++;
    s->at = s->p;
    if (!*s->p) {
        s->token = T_END;
        return true;
    }
    if (*s->p == '"' || *s->p == '\'' || word_letter(*s->p)) {
        s->token = word_letter(*s->p) ? T_WORD : T_STRING;
        if (s->token == T_STRING) {
            if (!next_string(s)) return false;
        } else {
            s->word = s->store;
            while (word_letter(*s->p)) *s->store++ = *s->p++;
        }
        s->word_len = (uint32_t)(s->store - s->word);
        *s->store++ = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t len = strlen(signs[i].text);
        if (strncmp(s->p, signs[i].text, len) != 0) continue;
        s->p += len;
        s->token = signs[i].token;
        s->op = signs[i].op;
        return true;
    }
    if (*s->p == '=') return fail(s, s->at, "compare with == (or =~ for a glob)");
    if (*s->p == '&' || *s->p == '|') return fail(s, s->at, "write %c%c", *s->p, *s->p);
    return fail(s, s->at, "this cannot stand here");
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool parse_number(struct value *v)
{
    const char *p = v->text;
    bool negative = *p == '-';
    if (negative) p++;
    if (!*p) return false;
    uint64_t n = 0;
    for (; *p; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return false;
    if (negative && n > (uint64_t)INT64_MAX + 1) return false;
    v->negative = negative && n;
    v->bits = negative ? 0 - n : n;
    return true;
}

/* Hex digits, and the letters of a glob when it is one.  Digits are made lower case. */
static bool hex_text(const struct value *v, bool is_glob)
{
    for (uint32_t i = 0; i < v->len; i++)
        if (!isxdigit((unsigned char)v->text[i]) && !(is_glob && strchr("*?", v->text[i]))) return false;
    return v->len > 0;
}

static void lower(struct parser *s, struct value *v)
{
    char *text = s->filter->text + (v->text - s->filter->text);
    for (uint32_t i = 0; i < v->len; i++) text[i] = (char)tolower((unsigned char)text[i]);
}

/* NULL when the field can be compared so, or what it wants. */
static const char *mismatch(const struct dsdn_field *f, enum operator op, const struct value *v)
{
    const struct dsdn_kind_info *kind = &dsdn_kinds[f->kind];
    if (v->is_null) {
        if (!kind->optional) return "is always there: it cannot be null";
        return op == OP_EQ || op == OP_NE ? NULL : "compares with null by == and != only";
    }
    switch (kind->form) {
    case DSDN_FORM_HEX:
    case DSDN_FORM_BYTES:
        if (op != OP_EQ && op != OP_NE && op != OP_GLOB) return "has no order: use ==, != or =~";
        if (v->quoted || !hex_text(v, op == OP_GLOB)) return "is compared with bare hex digits";
        if (op == OP_GLOB) return NULL;
        if (kind->form == DSDN_FORM_HEX && v->len != 2u * kind->width)
            return kind->width == 32 ? "has 64 hex digits (=~ takes a part: ab12*)"
                                     : "has another number of hex digits (=~ takes a part: ab12*)";
        return v->len % 2 ? "has an even number of hex digits" : NULL;
    case DSDN_FORM_TEXT: return v->quoted ? NULL : "is text: put the value in quotes";
    default:
        if (op == OP_GLOB) return "is a number: =~ is for text and hex";
        return !v->quoted && v->is_number ? NULL : "is compared with a decimal number";
    }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static bool compile_payload(struct parser *s, struct test *t, const char *field_name, const char *field_at,
                            const char *value_at)
{
    struct dsdn_guess guess = dsdn_guess_for(field_name);
    const char *reason = NULL;
    bool any = false;
    for (uint32_t e = 0; e < s->table->event_cnt; e++) {
        t->fields[e] = NULL;
        for (const struct dsdn_field *f = s->table->events[e].fields(); f->name; f++) {
            dsdn_guess_offer(&guess, f->name);
            if (strcmp(f->name, field_name) != 0) continue;
            const char *why = mismatch(f, t->op, &t->value);
            if (why && !reason) reason = why;
            if (why) continue;
            t->fields[e] = f;
            any = true;
            /* A quoted value fits text only and a bare one hex only, so this never changes text. */
            if (dsdn_kinds[f->kind].form == DSDN_FORM_HEX || dsdn_kinds[f->kind].form == DSDN_FORM_BYTES)
                lower(s, &t->value);
        }
    }
    if (any) return true;
    if (reason) return fail(s, value_at, "payload.%s %s", field_name, reason);
    return fail_unknown(s, field_at, "no event has a field", &guess);
}

/* type and family: the answer for each event is known now. */
static bool compile_event(struct parser *s, struct test *t, bool family, const char *value_at)
{
    struct dsdn_guess guess = dsdn_guess_for(t->value.text);
    bool any = false;
    if (t->op != OP_EQ && t->op != OP_NE && t->op != OP_GLOB)
        return fail(s, value_at, "%s has no order: use ==, != or =~", family ? "family" : "type");
    for (uint32_t e = 0; e < s->table->event_cnt; e++) {
        const struct dsdn_event_desc *d = &s->table->events[e];
        const char *names[2] = {family ? d->family : d->name, family ? d->family : d->id};
        bool hit = false;
        for (int i = 0; i < 2; i++) {
            dsdn_guess_offer(&guess, names[i]);
            hit |= t->op == OP_GLOB ? dsdn_glob_match(t->value.text, t->value.len, names[i], strlen(names[i]))
                                    : strcasecmp(t->value.text, names[i]) == 0;
        }
        any |= hit;
        t->hits[e] = hit != (t->op == OP_NE);
    }
    if (any) return true;
    return fail_unknown(s, value_at, family ? "no event is of family" : "no event type is called", &guess);
}

/* outcome and code: a name becomes its number. */
static bool compile_named(struct parser *s, struct test *t, const struct dsdn_filter_name *names,
                          uint32_t cnt, const char *what, const char *value_at)
{
    if (t->value.is_number && !t->value.quoted && t->op != OP_GLOB) return true;
    struct dsdn_guess guess = dsdn_guess_for(t->value.text);
    bool any = false;
    for (uint32_t i = 0; i < cnt; i++) {
        dsdn_guess_offer(&guess, names[i].name);
        if (t->op == OP_GLOB) {
            any |= dsdn_glob_match(t->value.text, t->value.len, names[i].name, strlen(names[i].name));
        } else if (strcasecmp(t->value.text, names[i].name) == 0) {
            t->value.bits = names[i].value;
            t->value.negative = false;
            any = true;
        }
    }
    if (!any) return fail_unknown(s, value_at, what, &guess);
    if (t->op != OP_EQ && t->op != OP_NE && t->op != OP_GLOB)
        return fail(s, value_at, "names have no order: use ==, != or =~, or a number");
    return true;
}

static bool compile_author(struct parser *s, struct test *t, const char *value_at)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const struct dsdn_field author = {"author", DSDN_K_id, 0, 1, 0, NULL, ""};
    if (!t->value.quoted && strcasecmp(t->value.text, "authority") == 0) {
        t->value.text = zeros;
        t->value.len = 64;
    }
    const char *why = mismatch(&author, t->op, &t->value);
    if (why) return fail(s, value_at, "author %s", why);
    if (t->value.text != zeros) lower(s, &t->value);
    return true;
}

static const struct {
    const char *name;
    enum subject subject;
} subjects[] = {{"seq", ON_SEQ},      {"index", ON_INDEX},   {"time", ON_TIME},       {"type", ON_EVENT},
                {"family", ON_EVENT}, {"author", ON_AUTHOR}, {"outcome", ON_OUTCOME}, {"code", ON_CODE}};

static bool compile_test(struct parser *s, const char *name, const char *name_at, struct test *t,
                         const char *value_at)
{
    const struct dsdn_filter_names *names = &s->filter->names;
    if (strncmp(name, "payload.", 8) == 0) {
        t->subject = ON_PAYLOAD;
        return compile_payload(s, t, name + 8, name_at + 8, value_at);
    }
    struct dsdn_guess guess = dsdn_guess_for(name);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        dsdn_guess_offer(&guess, subjects[i].name);
        if (strcmp(subjects[i].name, name) != 0) continue;
        t->subject = subjects[i].subject;
        switch (t->subject) {
        case ON_EVENT: return compile_event(s, t, *name == 'f', value_at);
        case ON_AUTHOR: return compile_author(s, t, value_at);
        case ON_OUTCOME:
            return compile_named(s, t, names->outcomes, names->outcome_cnt, "no outcome is called", value_at);
        case ON_CODE:
            return compile_named(s, t, names->codes, names->code_cnt, "no code is called", value_at);
        default:
            if (t->op == OP_GLOB) return fail(s, value_at, "%s is a number: =~ is for text and hex", name);
            if (!t->value.is_number || t->value.quoted)
                return fail(s, value_at, "%s is compared with a decimal number", name);
            return true;
        }
    }
    /* A field without "payload." is the likeliest slip. */
    for (uint32_t e = 0; e < s->table->event_cnt; e++)
        for (const struct dsdn_field *f = s->table->events[e].fields(); f->name; f++)
            if (strcmp(f->name, name) == 0)
                return fail(s, name_at, "no field %.64s; did you mean payload.%s?", name, name);
    return fail_unknown(s, name_at, "no field", &guess);
}

/* ---- the grammar: every function returns its node, or -1 after a failure ---------------------- */

static int16_t add(struct parser *s, struct node node)
{
    if (s->node_cnt == (int16_t)(sizeof s->nodes / sizeof *s->nodes)) {
        fail(s, s->at, "the expression has too many parts");
        return -1;
    }
    s->nodes[s->node_cnt] = node;
    return s->node_cnt++;
}

static int16_t parse_or(struct parser *s);

static int16_t parse_test(struct parser *s)
{
    const char *name = s->word, *name_at = s->at;
    if (s->token != T_WORD) {
        fail(s, s->at, s->token == T_END ? "a test is missing at the end" : "a field name is missing here");
        return -1;
    }
    if (s->filter->test_cnt == DSDN_FILTER_TESTS_MAX) {
        fail(s, s->at, "more than %u tests", DSDN_FILTER_TESTS_MAX);
        return -1;
    }
    struct test *t = &s->filter->tests[s->filter->test_cnt];
    if (!next(s)) return -1;
    if (s->token != T_OP) {
        fail(s, s->at, "an operator is missing behind %.64s", name);
        return -1;
    }
    t->op = s->op;
    if (!next(s)) return -1;
    if (s->token != T_WORD && s->token != T_STRING) {
        fail(s, s->at, "a value is missing behind the operator");
        return -1;
    }
    t->value = (struct value){.text = s->word, .len = s->word_len, .quoted = s->token == T_STRING};
    t->value.is_number = parse_number(&t->value);
    t->value.is_null = !t->value.quoted && strcmp(s->word, "null") == 0;
    if (!compile_test(s, name, name_at, t, s->at) || !next(s)) return -1;
    return add(s, (struct node){IS_TEST, (int16_t)s->filter->test_cnt++, -1});
}

static int16_t parse_not(struct parser *s)
{
    if (s->token != T_NOT && s->token != T_OPEN) return parse_test(s);
    if (s->depth == DSDN_FILTER_DEPTH_MAX) {
        fail(s, s->at, "nested more than %u deep", DSDN_FILTER_DEPTH_MAX);
        return -1;
    }
    s->depth++;
    bool negate = s->token == T_NOT;
    const char *open = s->at;
    if (!next(s)) return -1;
    int16_t inner = negate ? parse_not(s) : parse_or(s);
    if (inner < 0) return -1;
    s->depth--;
    if (negate) return add(s, (struct node){IS_NOT, inner, -1});
    if (s->token != T_CLOSE) {
        fail(s, s->token == T_END ? open : s->at,
             s->token == T_END ? "this ( is never closed" : "&&, || or ) is missing here");
        return -1;
    }
    return next(s) ? inner : -1;
}

static int16_t parse_and(struct parser *s)
{
    int16_t left = parse_not(s);
    while (left >= 0 && s->token == T_AND) {
        int16_t right = next(s) ? parse_not(s) : -1;
        left = right < 0 ? (int16_t)-1 : add(s, (struct node){IS_AND, left, right});
    }
    return left;
}

static int16_t parse_or(struct parser *s)
{
    int16_t left = parse_and(s);
    while (left >= 0 && s->token == T_OR) {
        int16_t right = next(s) ? parse_and(s) : -1;
        left = right < 0 ? (int16_t)-1 : add(s, (struct node){IS_OR, left, right});
    }
    return left;
}

/* Gives every test below `at` its two exits; returns the test to begin with. */
static int16_t wire(struct parser *s, int16_t at, int16_t yes, int16_t no)
{
    const struct node *n = &s->nodes[at];
    switch (n->kind) {
    case IS_AND: return wire(s, n->left, wire(s, n->right, yes, no), no);
    case IS_OR: return wire(s, n->left, yes, wire(s, n->right, yes, no));
    case IS_NOT: return wire(s, n->left, no, yes);
    case IS_TEST: break;
    }
    s->filter->tests[n->left].yes = yes;
    s->filter->tests[n->left].no = no;
    return n->left;
}

int dsdn_filter_compile(const char *text, const struct dsdn_event_table *table,
                        const struct dsdn_filter_names *names, struct dsdn_filter **filter,
                        struct dsdn_error *error)
{
    *filter = NULL;
    if (strlen(text) > DSDN_FILTER_TEXT_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "the expression is longer than %u bytes", DSDN_FILTER_TEXT_MAX);
    /* One block: the filter, then what its tests know about each event. */
    size_t per_test = table->event_cnt * (sizeof(struct dsdn_field *) + sizeof(bool));
    struct dsdn_filter *f = calloc(1, sizeof *f + DSDN_FILTER_TESTS_MAX * per_test);
    if (!f)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a filter over %u event types",
                         table->event_cnt);
    f->table = table;
    if (names) f->names = *names;
    const struct dsdn_field **fields = (const struct dsdn_field **)(f + 1);
    bool *hits = (bool *)(fields + (size_t)DSDN_FILTER_TESTS_MAX * table->event_cnt);
    for (size_t i = 0; i < DSDN_FILTER_TESTS_MAX; i++) {
        f->tests[i].fields = fields + i * table->event_cnt;
        f->tests[i].hits = hits + i * table->event_cnt;
    }
    struct parser s = {
        .table = table, .filter = f, .error = error, .start = text, .p = text, .store = f->text};
    int16_t root = next(&s) ? parse_or(&s) : (int16_t)-1;
    if (root >= 0 && s.token != T_END) {
        fail(&s, s.at, s.token == T_CLOSE ? "this ) closes nothing" : "&& or || is missing here");
        root = -1;
    }
    if (root < 0) {
        free(f);
        return DSDN_E_USAGE;
    }
    f->entry = wire(&s, root, ACCEPT, REJECT);
    *filter = f;
    return DSDN_OK;
}

void dsdn_filter_free(struct dsdn_filter *filter)
{
    free(filter);
}
