#include "log/json_value.h"
#include "log/base.h"

#include <setjmp.h>
#include <stdlib.h>

/* ---- the arena of a document ----------------------------------------------------------------- */

enum { ALIGN = 16, CHUNK_LEAST = 2048, CHUNK_MOST = 1 << 20 };

struct dsdn_json_chunk {
    _Alignas(ALIGN) struct dsdn_json_chunk *next;
};

struct arena {
    struct dsdn_json_chunk *chunks; /* newest first */
    uint8_t *at;                    /* free bytes of the newest */
    size_t left;
    size_t grow; /* bytes of the next chunk, at least */
    json_t *root;
    json_error_t error;
    jmp_buf no_memory;
};

static _Thread_local struct arena *loading; /* of the load that this thread is in */

static void release(struct dsdn_json_chunk *chunk)
{
    while (chunk) {
        struct dsdn_json_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

static void *take(size_t len)
{
    struct arena *a = loading;
    if (!a) return malloc(len);
    if (len > SIZE_MAX / 2) longjmp(a->no_memory, 1);
    len = (len + ALIGN - 1) / ALIGN * ALIGN;
    if (len > a->left) {
        size_t size = sizeof(struct dsdn_json_chunk) + len;
        if (size < a->grow) size = a->grow;
        struct dsdn_json_chunk *chunk = malloc(size);
        if (!chunk) longjmp(a->no_memory, 1);
        chunk->next = a->chunks;
        a->chunks = chunk;
        a->at = (uint8_t *)(chunk + 1);
        a->left = size - sizeof *chunk;
        if (a->grow < CHUNK_MOST) a->grow *= 2;
    }
    void *taken = a->at;
    a->at += len;
    a->left -= len;
    return taken;
}

static void give(void *taken)
{
    if (!loading) free(taken); /* what an arena gave goes with it */
}

__attribute__((constructor)) static void install(void)
{
    json_set_alloc_funcs(take, give);
}

/* False when memory ran out; a->root is NULL then and after bad syntax. */
static bool parse(struct arena *a, const char *text, size_t len)
{
    loading = a;
    if (setjmp(a->no_memory)) {
        loading = NULL;
        return false;
    }
    a->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &a->error);
    loading = NULL;
    return true;
}

/* ---- documents ------------------------------------------------------------------------------- */

static int wrong(struct dsdn_error *error, int line, int column, size_t offset, const char *what)
{
    dsdn_fail(error, DSDN_E_MALFORMED, "JSON line %d, column %d: %s", line, column, what);
    dsdn_error_at(error, NULL, offset);
    return DSDN_E_MALFORMED;
}

/* What libjansson does not refuse.  Braces are counted as it counts them, up to the first thing that it will
 * refuse: so it never sees more levels than were seen here. */
static int scan(const char *text, size_t len, struct dsdn_error *error)
{
    const char *what = NULL;
    unsigned depth = 0;
    int line = 1, column = 1;
    bool quoted = false;
    size_t at = 0;
    for (; at < len; at++, column++) {
        char c = text[at];
        if (c == 0) {
            what = "a zero byte";
            break;
        } else if (c == '\n') {
            line++;
            column = 0;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (quoted) {
            if (c == '\\' && at + 1 < len && text[at + 1]) at++, column++;
        } else if ((c == '{' || c == '[') && ++depth > DSDN_JSON_DEPTH_MAX) {
            what = "nested too deeply";
            break;
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return what ? wrong(error, line, column, at, what) : DSDN_OK;
}

int dsdn_json_load(struct dsdn_json_document *document, const void *text, size_t len,
                   struct dsdn_error *error)
{
    *document = (struct dsdn_json_document){NULL, NULL};
    if (len > DSDN_JSON_TEXT_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "JSON of %zu bytes; at most %u are read", len,
                         DSDN_JSON_TEXT_MAX);
    if (!len) return dsdn_fail(error, DSDN_E_MALFORMED, "the JSON document is empty");
    int rc = scan(text, len, error);
    if (rc) return rc;
    struct arena a = {.grow = CHUNK_LEAST};
    if (!parse(&a, text, len)) {
        rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the values of %zu bytes of JSON", len);
    } else if (!a.root) {
        /* The text quotes the document: not a byte of it that a terminal would obey. */
        for (char *p = a.error.text; *p; p++)
            if ((uint8_t)*p < 0x20 || (uint8_t)*p >= 0x7f) *p = '?';
        rc = wrong(error, a.error.line, a.error.column, (size_t)a.error.position, a.error.text);
    }
    if (rc)
        release(a.chunks);
    else
        *document = (struct dsdn_json_document){a.root, a.chunks};
    return rc;
}

void dsdn_json_unload(struct dsdn_json_document *document)
{
    release(document->memory);
    *document = (struct dsdn_json_document){NULL, NULL};
}

/* ---- scalars --------------------------------------------------------------------------------- */

bool dsdn_json_integer(const json_t *value, int64_t min, int64_t max, int64_t *number)
{
    if (!json_is_integer(value)) return false;
    *number = json_integer_value(value);
    return *number >= min && *number <= max;
}

bool dsdn_json_decimal(const json_t *value, bool is_signed, uint64_t *bits)
{
    if (!json_is_string(value)) return false;
    const char *p = json_string_value(value);
    bool negative = *p == '-';
    if (negative) p++;
    if (!*p || (*p == '0' && (p[1] || negative)) || (negative && !is_signed)) return false;
    uint64_t v = 0;
    for (; *p; p++) {
        if (*p < '0' || *p > '9') return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    }
    if (is_signed && v > (uint64_t)INT64_MAX + negative) return false;
    *bits = negative ? 0 - v : v;
    return true;
}

bool dsdn_json_hex(const json_t *value, uint8_t *out, size_t len)
{
    return json_is_string(value) && json_string_length(value) == 2 * len &&
           dsdn_hex_decode(json_string_value(value), len, out);
}
