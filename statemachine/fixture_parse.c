/* fixture_parse.c: a story as lines and words, and which of its lines is read by whom.  docs/fixtures.md has
 * the grammar; fixture_network.c reads what stands before the first batch, fixture_steps.c the batches. */
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

/* ---- a story ---- */

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
    const struct dsdn_directive *d = directive(dsdn_parser_network, name);
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
    p.network.quorum_pct = 67;
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
    free(s->records);
    free(s->sets);
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
