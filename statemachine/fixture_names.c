/* fixture_names.c: what a story calls by name: keys, hashes, trees, times; and payloads in JSON that use
 * these names. */
#include "statemachine/fixture_story.h"

#include "log/hash.h"

#include <stdio.h>
#include <stdlib.h>

bool dsdn_word_is(struct dsdn_word w, const char *text)
{
    return strlen(text) == w.len && memcmp(w.at, text, w.len) == 0;
}

int dsdn_story_grow(void **items, size_t size, uint32_t cnt, uint32_t *cap, struct dsdn_error *error)
{
    if (cnt < *cap) return DSDN_OK;
    uint32_t more = *cap ? *cap * 2 : 8;
    void *grown = realloc(*items, more * size);
    if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a story");
    *items = grown;
    *cap = more;
    return DSDN_OK;
}

void dsdn_story_seeded(const char *text, uint8_t out[32])
{
    dsdn_tagged("dsdn/fixture/1", text, strlen(text), out);
}

/* ---- trees: RFC 9162, section 2.1, over made-up leaf hashes ---- */

static void leaf_hash(const char *tree, uint32_t leaf, uint8_t out[32])
{
    char text[DSDN_STORY_NAME_MAX + 24];
    snprintf(text, sizeof text, "%%%s leaf %u", tree, leaf);
    dsdn_story_seeded(text, out);
}

/* The largest power of two below cnt; cnt is at least 2. */
static uint32_t half(uint32_t cnt)
{
    uint32_t k = 1;
    while (k * 2 < cnt) k *= 2;
    return k;
}

static void tree_root(const char *tree, uint32_t first, uint32_t cnt, uint8_t out[32])
{
    uint8_t message[65] = {1};
    if (cnt == 1) {
        leaf_hash(tree, first, out);
        return;
    }
    tree_root(tree, first, half(cnt), message + 1);
    tree_root(tree, first + half(cnt), cnt - half(cnt), message + 33);
    dsdn_sha256(message, sizeof message, out);
}

static void put_hash(struct dsdn_text *out, const uint8_t hash[32])
{
    dsdn_text_put(out, ",", 1);
    dsdn_text_put(out, "\"", 1);
    for (int i = 0; i < 32; i++) dsdn_text_format(out, "%02x", hash[i]);
    dsdn_text_put(out, "\"", 1);
}

static void put_siblings(struct dsdn_text *out, const char *tree, uint32_t leaf, uint32_t first, uint32_t cnt)
{
    uint8_t sibling[32];
    if (cnt == 1) return;
    uint32_t k = half(cnt);
    if (leaf < k) {
        put_siblings(out, tree, leaf, first, k);
        tree_root(tree, first + k, cnt - k, sibling);
    } else {
        put_siblings(out, tree, leaf - k, first + k, cnt - k);
        tree_root(tree, first, k, sibling);
    }
    put_hash(out, sibling);
}

/* ---- names ---- */

uint32_t dsdn_story_find(const struct dsdn_story *s, struct dsdn_word name, int kind)
{
    for (uint32_t i = 0; i < s->name_cnt; i++)
        if ((!kind || kind == (int)s->names[i].kind) && dsdn_word_is(name, s->names[i].name)) return i;
    return DSDN_STORY_NONE;
}

static bool name_good(struct dsdn_word w)
{
    for (size_t i = 0; i < w.len; i++)
        if (!(w.at[i] >= 'a' && w.at[i] <= 'z') && !(w.at[i] >= '0' && w.at[i] <= '9') && w.at[i] != '_' &&
            w.at[i] != '-')
            return false;
    return w.len > 0 && w.len <= DSDN_STORY_NAME_MAX && w.at[0] >= 'a';
}

int dsdn_story_declare(struct dsdn_story *s, struct dsdn_word name, enum dsdn_story_kind kind,
                       uint32_t leaves, uint32_t line, struct dsdn_error *error)
{
    char text[DSDN_STORY_NAME_MAX + 2];
    uint8_t seed[32];
    if (!name_good(name))
        return dsdn_story_fail(s, line, DSDN_E_MALFORMED, error,
                               "a name is 1 to %u of a-z, 0-9, - and _, and begins with a letter: \"%.*s\"",
                               DSDN_STORY_NAME_MAX, (int)(name.len < 60 ? name.len : 60), name.at);
    if (dsdn_story_find(s, name, 0) != DSDN_STORY_NONE || dsdn_word_is(name, "genesis"))
        return dsdn_story_fail(s, line, DSDN_E_MALFORMED, error, "the name %.*s is taken", (int)name.len,
                               name.at);
    if (s->name_cnt == DSDN_STORY_NAMES_MAX)
        return dsdn_story_fail(s, line, DSDN_E_TOO_LARGE, error, "a story has at most %u names",
                               DSDN_STORY_NAMES_MAX);
    int rc = dsdn_story_grow((void **)&s->names, sizeof *s->names, s->name_cnt, &s->name_cap, error);
    if (rc) return rc;
    struct dsdn_story_name *n = &s->names[s->name_cnt++];
    *n = (struct dsdn_story_name){.kind = kind, .leaves = leaves};
    memcpy(n->name, name.at, name.len);
    switch (kind) {
    case DSDN_STORY_KEY:
        dsdn_story_seeded(n->name, seed);
        dsdn_sign_key_from_seed(&n->key, seed);
        memcpy(n->hash, n->key.public_key, 32);
        break;
    case DSDN_STORY_HASH:
        snprintf(text, sizeof text, "%%%s", n->name);
        dsdn_story_seeded(text, n->hash);
        break;
    case DSDN_STORY_TREE: tree_root(n->name, 0, leaves, n->hash); break;
    }
    return DSDN_OK;
}

bool dsdn_story_number(struct dsdn_word w, uint64_t *number)
{
    uint64_t v = 0;
    if (!w.len) return false;
    for (size_t i = 0; i < w.len; i++) {
        if (w.at[i] < '0' || w.at[i] > '9') return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(w.at[i] - '0'), &v))
            return false;
    }
    *number = v;
    return true;
}

bool dsdn_story_time(struct dsdn_word w, uint64_t now, uint64_t *ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 1}};
    char sign = w.len && (*w.at == '+' || *w.at == '-') ? *w.at : 0;
    if (sign) w.at++, w.len--;
    size_t digits = 0;
    while (digits < w.len && w.at[digits] >= '0' && w.at[digits] <= '9') digits++;
    struct dsdn_word unit = {w.at + digits, w.len - digits};
    uint64_t v = 0;
    if (!dsdn_story_number((struct dsdn_word){w.at, digits}, &v)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!dsdn_word_is(unit, units[i].unit)) continue;
        if (__builtin_mul_overflow(v, units[i].ms, &v)) return false;
        if (sign == '-') return !__builtin_sub_overflow(now, v, ms);
        return !__builtin_add_overflow(sign ? now : DSDN_STORY_BEGIN_MS, v, ms);
    }
    return false;
}

/* "3" of ".leaf.3". */
static bool leaf_number(const struct dsdn_story_name *tree, struct dsdn_word w, uint32_t *leaf)
{
    uint64_t number;
    if (!dsdn_story_number(w, &number) || number >= tree->leaves) return false;
    *leaf = (uint32_t)number;
    return true;
}

bool dsdn_story_hash32(const struct dsdn_story *s, struct dsdn_word w, uint8_t out[32])
{
    if (w.len == 64 && dsdn_hex_decode(w.at, 32, out)) return true;
    if (w.len < 2 || (*w.at != '$' && *w.at != '%')) return false;
    struct dsdn_word name = {w.at + 1, w.len - 1};
    const char *dot = memchr(name.at, '.', name.len);
    if (!dot) {
        uint32_t i = dsdn_story_find(s, name, *w.at);
        if (i != DSDN_STORY_NONE) memcpy(out, s->names[i].hash, 32);
        return i != DSDN_STORY_NONE;
    }
    struct dsdn_word rest = {dot + 1, name.len - (size_t)(dot + 1 - name.at)};
    name.len = (size_t)(dot - name.at);
    uint32_t i = dsdn_story_find(s, name, DSDN_STORY_TREE), leaf;
    if (i == DSDN_STORY_NONE || *w.at != '%') return false;
    if (dsdn_word_is(rest, "root")) {
        memcpy(out, s->names[i].hash, 32);
        return true;
    }
    if (rest.len < 6 || memcmp(rest.at, "leaf.", 5) != 0) return false;
    if (!leaf_number(&s->names[i], (struct dsdn_word){rest.at + 5, rest.len - 5}, &leaf)) return false;
    leaf_hash(s->names[i].name, leaf, out);
    return true;
}

/* ---- payloads ---- */

struct expansion {
    const struct dsdn_story *s;
    const struct dsdn_story_payload *p;
    const uint8_t *unsigned_payload; /* NULL in the first pass: signatures are zero */
    uint32_t unsigned_len;
    bool signatures;        /* there are some */
    struct dsdn_word field; /* of the payload, where the text stands */
    struct dsdn_text *out;
};

static int unknown(const struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    return dsdn_story_fail(x->s, x->p->line, DSDN_E_MALFORMED, error,
                           "\"%.*s\": no such name, or not of this form", (int)(w.len < 80 ? w.len : 80),
                           w.at);
}

/* "sign:alice" or "sign:alice:wrong". */
static int put_signature(struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    struct dsdn_word name = {w.at + 5, w.len - 5};
    const char *colon = memchr(name.at, ':', name.len);
    bool wrong =
        colon && dsdn_word_is((struct dsdn_word){colon, name.len - (size_t)(colon - name.at)}, ":wrong");
    if (colon) name.len = (size_t)(colon - name.at);
    uint32_t key = dsdn_story_find(x->s, name, DSDN_STORY_KEY);
    if (key == DSDN_STORY_NONE || (colon && !wrong)) return unknown(x, w, error);
    uint8_t signature[64] = {0}, digest[32];
    char field[64];
    if (x->unsigned_payload) {
        snprintf(field, sizeof field, "%.*s", (int)(x->field.len < 63 ? x->field.len : 63), x->field.at);
        int rc = dsdn_embedded_message(x->p->desc, x->p->version, field, x->s->genesis.hash, x->p->author,
                                       x->p->nonce, x->unsigned_payload, x->unsigned_len, digest, error);
        if (rc) return rc;
        dsdn_sign(&x->s->names[key].key, digest, signature);
        signature[0] ^= wrong;
    }
    x->signatures = true;
    dsdn_text_put(x->out, "\"", 1);
    for (int i = 0; i < 64; i++) dsdn_text_format(x->out, "%02x", signature[i]);
    dsdn_text_put(x->out, "\"", 1);
    return DSDN_OK;
}

/* "path:tree:3": the leaf's hash, then its siblings upwards. */
static int put_path(struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    struct dsdn_word name = {w.at + 5, w.len - 5};
    const char *colon = memchr(name.at, ':', name.len);
    if (!colon) return unknown(x, w, error);
    struct dsdn_word number = {colon + 1, name.len - (size_t)(colon + 1 - name.at)};
    name.len = (size_t)(colon - name.at);
    uint32_t tree = dsdn_story_find(x->s, name, DSDN_STORY_TREE), leaf;
    if (tree == DSDN_STORY_NONE || !leaf_number(&x->s->names[tree], number, &leaf))
        return unknown(x, w, error);
    uint8_t hash[32];
    leaf_hash(x->s->names[tree].name, leaf, hash);
    dsdn_text_put(x->out, "[", 1);
    size_t at = x->out->len;
    put_hash(x->out, hash);
    put_siblings(x->out, x->s->names[tree].name, leaf, 0, x->s->names[tree].leaves);
    if (!x->out->failed) x->out->bytes[at] = ' '; /* the comma before the first one */
    dsdn_text_put(x->out, "]", 1);
    return DSDN_OK;
}

/* One string of the payload; w is what stands between its quotation marks. */
static int put_string(struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    uint8_t hash[32];
    uint64_t ms;
    if (w.len > 5 && memcmp(w.at, "sign:", 5) == 0) return put_signature(x, w, error);
    if (w.len > 5 && memcmp(w.at, "path:", 5) == 0) return put_path(x, w, error);
    if (w.len > 1 && *w.at == '@') {
        if (!dsdn_story_time((struct dsdn_word){w.at + 1, w.len - 1}, x->p->now, &ms))
            return unknown(x, w, error);
        dsdn_text_format(x->out, "\"%llu\"", (unsigned long long)ms);
        return DSDN_OK;
    }
    if (w.len > 1 && (*w.at == '$' || *w.at == '%')) {
        if (!dsdn_story_hash32(x->s, w, hash)) return unknown(x, w, error);
        dsdn_text_put(x->out, "\"", 1);
        for (int i = 0; i < 32; i++) dsdn_text_format(x->out, "%02x", hash[i]);
        dsdn_text_put(x->out, "\"", 1);
        return DSDN_OK;
    }
    dsdn_text_put(x->out, "\"", 1);
    dsdn_text_put(x->out, w.at, w.len);
    dsdn_text_put(x->out, "\"", 1);
    return DSDN_OK;
}

static int expand(struct expansion *x, struct dsdn_word json, struct dsdn_error *error)
{
    const char *p = json.at, *end = json.at + json.len;
    int depth = 0, rc = DSDN_OK;
    while (!rc && p < end) {
        if (*p != '"') {
            depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
            dsdn_text_put(x->out, p++, 1);
            continue;
        }
        const char *close = p + 1;
        while (close < end && *close != '"') close += *close == '\\' && end - close > 1 ? 2 : 1;
        if (close >= end)
            return dsdn_story_fail(x->s, x->p->line, DSDN_E_MALFORMED, error,
                                   "a string of the payload has no end");
        struct dsdn_word w = {p + 1, (size_t)(close - p - 1)};
        p = close + 1;
        const char *after = p;
        while (after < end && (*after == ' ' || *after == '\t' || *after == '\n')) after++;
        if (after < end && *after == ':') {
            if (depth == 1) x->field = w;
            dsdn_text_put(x->out, w.at - 1, w.len + 2);
        } else {
            rc = put_string(x, w, error);
        }
    }
    return rc ? rc : dsdn_text_status(x->out, error);
}

/* Expands json and reads it into canonical bytes (of cap). */
static int encode_once(struct expansion *x, struct dsdn_word json, uint8_t *bytes, size_t cap, uint32_t *len,
                       struct dsdn_error *error)
{
    dsdn_text_clear(x->out);
    int rc = expand(x, json, error);
    if (rc) return rc;
    struct dsdn_error why = DSDN_ERROR_INIT;
    rc = dsdn_json_read_payload(x->p->desc, x->p->version, x->out->bytes, x->out->len, bytes, cap, len, &why);
    return rc ? dsdn_story_fail(x->s, x->p->line, rc, error, "%s: %s", x->p->desc->name, why.message)
              : DSDN_OK;
}

int dsdn_story_encode(const struct dsdn_story *s, const struct dsdn_story_payload *p, struct dsdn_word json,
                      struct dsdn_buffer *out, struct dsdn_error *error)
{
    struct dsdn_text text;
    struct expansion x = {.s = s, .p = p, .out = &text};
    uint8_t *draft = malloc(DSDN_PAYLOAD_MAX), *final = NULL;
    uint32_t len = 0;
    dsdn_text_init(&text, DSDN_FIXTURE_MAX, 0);
    int rc = draft ? encode_once(&x, json, draft, DSDN_PAYLOAD_MAX, &len, error)
                   : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a payload");
    if (!rc && x.signatures) {
        final = malloc(DSDN_PAYLOAD_MAX);
        x.unsigned_payload = draft;
        x.unsigned_len = len;
        rc = final ? encode_once(&x, json, final, DSDN_PAYLOAD_MAX, &len, error)
                   : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a payload");
    }
    if (!rc) rc = dsdn_story_append(out, final ? final : draft, len, error);
    dsdn_text_free(&text);
    free(draft);
    free(final);
    return rc;
}

/* ---- the way back ---- */

static bool hex_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

void dsdn_story_named(const struct dsdn_story *s, const char *text, size_t len, struct dsdn_text *out)
{
    uint8_t hash[32];
    for (size_t i = 0; i < len;) {
        size_t run = 0;
        while (i + run < len && hex_digit(text[i + run])) run++;
        uint32_t n = s->name_cnt;
        if (run == 64 && dsdn_hex_decode(text + i, 32, hash))
            for (n = 0; n < s->name_cnt && !dsdn_equal32(hash, s->names[n].hash);) n++;
        if (n < s->name_cnt)
            dsdn_text_format(out, "%c%s%s", s->names[n].kind == DSDN_STORY_KEY ? '$' : '%', s->names[n].name,
                             s->names[n].kind == DSDN_STORY_TREE ? ".root" : "");
        else if (run == 64 && dsdn_equal32(hash, s->genesis.hash))
            dsdn_text_format(out, "%%genesis");
        else
            dsdn_text_put(out, text + i, run ? run : 1);
        i += run ? run : 1;
    }
}
