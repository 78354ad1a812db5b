/* fixture_parse.c: the lines of a story before its first batch, and what all lines have in common.
 * docs/fixtures.md has the grammar; fixture_steps.c reads the batches. */
#include "statemachine/fixture_parser.h"

#include "log/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int dsdn_story_fail(const struct dsdn_story *s, uint32_t line, int code, struct dsdn_error *error,
                    const char *format, ...)
{
    char text[320];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    dsdn_fail(error, code, "line %u: %s", line, text);
    dsdn_error_at(error, s->path, DSDN_NO_OFFSET);
    return code;
}

int dsdn_parser_fail(const struct dsdn_parser *p, struct dsdn_error *error, const char *what,
                     struct dsdn_word w)
{
    return dsdn_story_fail(p->s, p->line, DSDN_E_MALFORMED, error, "%s: \"%.*s\"", what,
                           (int)(w.len < 100 ? w.len : 100), w.at);
}

/* ---- lines and words ---- */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Open braces and brackets of a piece of JSON, strings aside; `inside` carries an open string over the end of
 * a line. */
static int braces(const char *p, const char *end, bool *inside)
{
    int depth = 0;
    for (; p < end; p++) {
        if (*inside && *p == '\\' && end - p > 1)
            p++;
        else if (*p == '"')
            *inside = !*inside;
        else if (!*inside)
            depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
    }
    return depth;
}

/* The next line that is not empty and no comment; a payload that is not closed takes further lines in. */
static bool next_line(struct dsdn_parser *p, struct dsdn_word *line)
{
    while (p->at < p->end) {
        const char *start = p->at, *stop;
        bool inside = false;
        int depth = 0;
        p->line = ++p->read;
        for (;;) {
            stop = memchr(p->at, '\n', (size_t)(p->end - p->at));
            if (!stop) stop = p->end;
            depth += braces(p->at, stop, &inside);
            p->at = stop < p->end ? stop + 1 : stop;
            if (depth <= 0 || p->at == p->end) break;
            p->read++;
        }
        while (start < stop && blank(*start)) start++;
        while (start < stop && blank(stop[-1])) stop--;
        if (start == stop || *start == '#') {
            if (start < stop && depth > 0) { /* a brace in a comment opens nothing */
                const char *first = memchr(start, '\n', (size_t)(stop - start));
                p->at = first ? first + 1 : p->at;
                p->read = first ? p->line : p->read;
            }
            continue;
        }
        *line = (struct dsdn_word){start, (size_t)(stop - start)};
        return true;
    }
    return false;
}

bool dsdn_parser_word(struct dsdn_word *line, struct dsdn_word *word)
{
    while (line->len && (blank(*line->at) || *line->at == '\n')) line->at++, line->len--;
    size_t n = 0;
    while (n < line->len && !blank(line->at[n]) && line->at[n] != '\n') n++;
    *word = (struct dsdn_word){line->at, n};
    line->at += n;
    line->len -= n;
    return n > 0;
}

int dsdn_parser_attributes(struct dsdn_parser *p, struct dsdn_word line, const struct dsdn_attribute *known,
                           struct dsdn_error *error)
{
    struct dsdn_word w;
    while (dsdn_parser_word(&line, &w)) {
        const char *equals = memchr(w.at, '=', w.len);
        struct dsdn_word key = {w.at, equals ? (size_t)(equals - w.at) : w.len};
        struct dsdn_word value = {equals ? equals + 1 : w.at, equals ? w.len - key.len - 1 : 0};
        const struct dsdn_attribute *a = known;
        while (a->name && !dsdn_word_is(key, a->name)) a++;
        if (!a->name) return dsdn_parser_fail(p, error, "no such attribute here", w);
        if (!a->set(p, value)) return dsdn_parser_fail(p, error, "not a value for this attribute", w);
    }
    return DSDN_OK;
}

uint32_t dsdn_parser_key(const struct dsdn_parser *p, struct dsdn_word name)
{
    return dsdn_story_find(p->s, name, DSDN_STORY_KEY);
}

/* ---- the network ---- */

/* Names of keys up to the end of the line. */
static int key_list(struct dsdn_parser *p, struct dsdn_word rest, uint32_t *names, uint32_t cap,
                    uint32_t *cnt, struct dsdn_error *error)
{
    struct dsdn_word w;
    while (dsdn_parser_word(&rest, &w)) {
        uint32_t key = dsdn_parser_key(p, w);
        if (key == DSDN_STORY_NONE)
            return dsdn_parser_fail(p, error, "no key of this name (declare it with `keys`)", w);
        if (*cnt == cap) return dsdn_parser_fail(p, error, "too many keys", w);
        names[(*cnt)++] = key;
    }
    return DSDN_OK;
}

static int read_title(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    if (!rest.len || p->title) return dsdn_parser_fail(p, error, "a story has one title", rest);
    p->title = true;
    return DSDN_OK;
}

static int read_why(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    if (!rest.len) return dsdn_parser_fail(p, error, "say why", rest);
    p->why = true;
    return DSDN_OK;
}

static int read_recut(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word no;
    if (!dsdn_parser_word(&rest, &no) || !dsdn_word_is(no, "no:") || rest.len < 2)
        return dsdn_parser_fail(p, error, "write `recut no: ` and the reason", rest);
    p->s->recut = false;
    return DSDN_OK;
}

static int declare_all(struct dsdn_parser *p, struct dsdn_word rest, enum dsdn_story_kind kind,
                       struct dsdn_error *error)
{
    struct dsdn_word w;
    int rc = DSDN_OK;
    while (!rc && dsdn_parser_word(&rest, &w)) rc = dsdn_story_declare(p->s, w, kind, 0, p->line, error);
    return rc;
}

static int read_keys(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return declare_all(p, rest, DSDN_STORY_KEY, error);
}

static int read_hashes(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return declare_all(p, rest, DSDN_STORY_HASH, error);
}

static int read_tree(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word name, leaves;
    uint64_t cnt = 0;
    dsdn_parser_word(&rest, &name);
    bool good = dsdn_parser_word(&rest, &leaves) && leaves.len > 7 && memcmp(leaves.at, "leaves=", 7) == 0 &&
                dsdn_story_number((struct dsdn_word){leaves.at + 7, leaves.len - 7}, &cnt);
    if (!good || cnt < 1 || cnt > DSDN_STORY_LEAVES)
        return dsdn_parser_fail(p, error, "write `tree NAME leaves=N`, N from 1 to 4096", name);
    return dsdn_story_declare(p->s, name, DSDN_STORY_TREE, (uint32_t)cnt, p->line, error);
}

static int read_network(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    (void)error;
    p->network.id = rest;
    return DSDN_OK;
}

static int read_protocol(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    (void)error;
    p->network.version = rest;
    return DSDN_OK;
}

static int read_primary(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word start;
    dsdn_parser_word(&rest, &p->network.chain);
    bool good = dsdn_parser_word(&rest, &start) && start.len > 6 && memcmp(start.at, "start=", 6) == 0 &&
                dsdn_story_number((struct dsdn_word){start.at + 6, start.len - 6}, &p->network.start);
    return good ? DSDN_OK
                : dsdn_parser_fail(p, error, "write `primary CHAIN start=HEIGHT`", p->network.chain);
}

static int read_parameter(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word name, value;
    uint64_t number;
    dsdn_parser_word(&rest, &name);
    const struct dsdn_parameter_desc *desc = dsdn_parameter_find(name.at, name.len);
    if (!desc || !dsdn_parser_word(&rest, &value) || !dsdn_story_number(value, &number) || number > INT64_MAX)
        return dsdn_parser_fail(p, error, "write `parameter NAME VALUE`", name);
    p->network.parameters[desc - dsdn_parameters] = (int64_t)number;
    p->network.declared[desc - dsdn_parameters] = true;
    return DSDN_OK;
}

static int read_coordinator(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    uint32_t cnt = 0;
    return key_list(p, rest, &p->network.coordinator, 1, &cnt, error);
}

static int read_founders(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word m, of;
    uint64_t number = 0;
    bool good = dsdn_parser_word(&rest, &m) && dsdn_story_number(m, &number) && number <= 64;
    if (!good || !dsdn_parser_word(&rest, &of) || !dsdn_word_is(of, "of"))
        return dsdn_parser_fail(p, error, "write `founders M of NAME NAME ...`", rest);
    p->network.founder_m = (uint32_t)number;
    return key_list(p, rest, p->network.founders, 64, &p->network.founder_cnt, error);
}

static int read_validators(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return key_list(p, rest, p->network.validators, 64, &p->network.validator_cnt, error);
}

static int read_quorum(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return key_list(p, rest, p->network.quorum, 64, &p->network.quorum_cnt, error);
}

static int read_emergency(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return key_list(p, rest, p->network.emergency, 1, &p->network.emergency_cnt, error);
}

static const struct dsdn_directive preamble[] = {
    {"title", read_title},
    {"why", read_why},
    {"recut", read_recut},
    {"keys", read_keys},
    {"hashes", read_hashes},
    {"tree", read_tree},
    {"network", read_network},
    {"protocol", read_protocol},
    {"primary", read_primary},
    {"parameter", read_parameter},
    {"coordinator", read_coordinator},
    {"founders", read_founders},
    {"validators", read_validators},
    {"quorum", read_quorum},
    {"emergency", read_emergency},
    {"defaults", dsdn_parser_read_defaults},
    {NULL, NULL},
};

static const struct dsdn_directive *directive(const struct dsdn_directive *table, struct dsdn_word name)
{
    while (table->name && !dsdn_word_is(name, table->name)) table++;
    return table->name ? table : NULL;
}

/* The first line that is about batches makes the genesis. */
static int found(struct dsdn_parser *p, struct dsdn_error *error)
{
    struct dsdn_word none = {"", 0};
    if (p->founded) return DSDN_OK;
    if (!p->title || !p->why)
        return dsdn_parser_fail(p, error, "a story begins with `title` and `why`", none);
    p->founded = true;
    return dsdn_story_found(p->s, &p->network, p->line, error);
}

static int read_line(struct dsdn_parser *p, struct dsdn_word line, struct dsdn_error *error)
{
    struct dsdn_word name;
    dsdn_parser_word(&line, &name);
    while (line.len && blank(*line.at)) line.at++, line.len--;
    const struct dsdn_directive *d = directive(preamble, name);
    if (d) {
        if (p->founded) return dsdn_parser_fail(p, error, "this stands before the first batch", name);
        return d->read(p, line, error);
    }
    d = directive(dsdn_parser_steps, name);
    if (!d) return dsdn_parser_fail(p, error, "no line begins like this", name);
    int rc = found(p, error);
    return rc ? rc : d->read(p, line, error);
}

int dsdn_story_compile(struct dsdn_story *s, const struct dsdn_catalogue *catalogue, const char *text,
                       size_t len, struct dsdn_error *error)
{
    struct dsdn_parser p = {.s = s, .at = text, .end = text + len};
    struct dsdn_word line;
    s->catalogue = catalogue;
    s->recut = true;
    s->tip = DSDN_STORY_NONE;
    p.network.id = (struct dsdn_word){"fixture", 7};
    p.network.chain = (struct dsdn_word){"", 0};
    p.network.version = (struct dsdn_word){"1.0.0", 5};
    if (!dsdn_utf8_valid((const uint8_t *)text, len) || memchr(text, 0, len))
        return dsdn_story_fail(s, 0, DSDN_E_MALFORMED, error, "a story is UTF-8 without zero bytes");
    int rc = dsdn_story_declare(s, (struct dsdn_word){"coordinator", 11}, DSDN_STORY_KEY, 0, 0, error);
    while (!rc && next_line(&p, &line)) rc = read_line(&p, line, error);
    if (!rc) rc = dsdn_story_batch_end(s, &p.draft, error);
    if (!rc && !s->step_cnt)
        rc = dsdn_story_fail(s, p.line, DSDN_E_MALFORMED, error, "a story without a batch");
    return rc;
}

int dsdn_story_open(struct dsdn_story *s, const struct dsdn_catalogue *catalogue, const char *directory,
                    struct dsdn_error *error)
{
    uint8_t *text;
    size_t len;
    *s = (struct dsdn_story){.tip = DSDN_STORY_NONE};
    if ((size_t)snprintf(s->path, sizeof s->path, "%s/" DSDN_FIXTURE_STORY, directory) >= sizeof s->path)
        return dsdn_fail(error, DSDN_E_USAGE, "the path of the story is too long");
    int rc = dsdn_io_read_file(&dsdn_io_system, s->path, DSDN_FIXTURE_MAX, &text, &len, error);
    if (rc) return rc;
    rc = dsdn_story_compile(s, catalogue, (const char *)text, len, error);
    free(text);
    return rc;
}

void dsdn_story_close(struct dsdn_story *s)
{
    for (uint32_t i = 0; i < s->bundle_cnt; i++) dsdn_buffer_free(&s->bundles[i].bytes);
    for (uint32_t i = 0; i < s->batch_cnt; i++) {
        dsdn_buffer_free(&s->batches[i].bytes);
        dsdn_buffer_free(&s->batches[i].certificate);
    }
    dsdn_genesis_free(&s->genesis);
    free(s->names);
    free(s->events);
    free(s->bundles);
    free(s->batches);
    free(s->steps);
    *s = (struct dsdn_story){.tip = DSDN_STORY_NONE};
}

int dsdn_story_chain(const struct dsdn_story *s, uint32_t tip, uint32_t **chain, uint32_t *cnt,
                     struct dsdn_error *error)
{
    uint32_t n = 0;
    for (uint32_t i = tip; i != DSDN_STORY_NONE; i = s->batches[i].parent) n++;
    *cnt = n;
    *chain = malloc((n + 1) * sizeof **chain);
    if (!*chain) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a chain of %u batches", n);
    for (uint32_t i = tip; i != DSDN_STORY_NONE; i = s->batches[i].parent) (*chain)[--n] = i;
    return DSDN_OK;
}
