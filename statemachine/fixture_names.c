/* fixture_names.c: what a story calls by name: keys, hashes, trees, times, amounts. */
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

/* Appends the siblings of a leaf, lowest first, to path[*cnt]. */
static void siblings(const char *tree, uint32_t leaf, uint32_t first, uint32_t leaves, uint8_t (*path)[32],
                     uint32_t *cnt)
{
    if (leaves == 1) return;
    uint32_t k = half(leaves);
    if (leaf < k)
        siblings(tree, leaf, first, k, path, cnt);
    else
        siblings(tree, leaf - k, first + k, leaves - k, path, cnt);
    if (leaf < k)
        tree_root(tree, first + k, leaves - k, path[(*cnt)++]);
    else
        tree_root(tree, first, k, path[(*cnt)++]);
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

int dsdn_story_alias(struct dsdn_story *s, struct dsdn_word name, const uint8_t public_key[32], uint32_t line,
                     struct dsdn_error *error)
{
    uint32_t i = 0;
    while (i < s->name_cnt &&
           (s->names[i].kind != DSDN_STORY_KEY || !dsdn_equal32(s->names[i].hash, public_key)))
        i++;
    if (i == s->name_cnt)
        return dsdn_story_fail(s, line, DSDN_E_MALFORMED, error, "%.*s would be a key without a name",
                               (int)(name.len < 60 ? name.len : 60), name.at);
    int rc = dsdn_story_declare(s, name, DSDN_STORY_KEY, 0, line, error);
    if (rc) return rc;
    struct dsdn_story_name *alias = &s->names[s->name_cnt - 1];
    alias->key = s->names[i].key;
    memcpy(alias->hash, public_key, 32);
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

bool dsdn_story_duration(struct dsdn_word w, uint64_t *ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 1}};
    size_t digits = 0;
    while (digits < w.len && w.at[digits] >= '0' && w.at[digits] <= '9') digits++;
    struct dsdn_word unit = {w.at + digits, w.len - digits};
    if (!dsdn_story_number((struct dsdn_word){w.at, digits}, ms)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (dsdn_word_is(unit, units[i].unit)) return !__builtin_mul_overflow(*ms, units[i].ms, ms);
    return false;
}

bool dsdn_story_time(struct dsdn_word w, uint64_t now, uint64_t *ms)
{
    char sign = w.len && (*w.at == '+' || *w.at == '-') ? *w.at : 0;
    uint64_t v;
    if (sign) w.at++, w.len--;
    if (!dsdn_story_duration(w, &v)) return false;
    if (sign == '-') return !__builtin_sub_overflow(now, v, ms);
    return !__builtin_add_overflow(sign ? now : DSDN_STORY_BEGIN_MS, v, ms);
}

bool dsdn_story_amount(struct dsdn_word w, uint64_t *units)
{
    char unit = w.len && (w.at[w.len - 1] == 't' || w.at[w.len - 1] == 'u') ? w.at[w.len - 1] : 0;
    if (unit) w.len--;
    if (unit == 'u') return dsdn_story_number(w, units);
    const char *dot = memchr(w.at, '.', w.len);
    struct dsdn_word whole = {w.at, dot ? (size_t)(dot - w.at) : w.len};
    struct dsdn_word part = {dot ? dot + 1 : w.at, dot ? w.len - whole.len - 1 : 0};
    uint64_t fraction = 0;
    if (!dsdn_story_number(whole, units) || part.len > 8 || (dot && !dsdn_story_number(part, &fraction)))
        return false;
    for (size_t i = part.len; i < 8; i++) fraction *= 10;
    return !__builtin_mul_overflow(*units, DSDN_STORY_TOKEN, units) &&
           !__builtin_add_overflow(*units, fraction, units);
}

bool dsdn_story_path(const struct dsdn_story *s, struct dsdn_word w, uint8_t (*path)[32], uint32_t *cnt)
{
    const char *colon = memchr(w.at, ':', w.len);
    if (!colon) return false;
    struct dsdn_word number = {colon + 1, w.len - (size_t)(colon + 1 - w.at)};
    w.len = (size_t)(colon - w.at);
    uint32_t tree = dsdn_story_find(s, w, DSDN_STORY_TREE);
    uint64_t leaf;
    if (tree == DSDN_STORY_NONE || !dsdn_story_number(number, &leaf) || leaf >= s->names[tree].leaves)
        return false;
    leaf_hash(s->names[tree].name, (uint32_t)leaf, path[0]);
    *cnt = 1;
    siblings(s->names[tree].name, (uint32_t)leaf, 0, s->names[tree].leaves, path, cnt);
    return true;
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
