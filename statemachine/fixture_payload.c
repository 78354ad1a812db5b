/* fixture_payload.c: payloads of a story: JSON whose strings may use names (docs/fixtures.md, "In payloads").
 */
#include "statemachine/fixture_story.h"

#include <stdio.h>
#include <stdlib.h>

struct expansion {
    const struct dsdn_story *s;
    const struct dsdn_story_payload *p;
    const uint8_t *unsigned_payload; /* NULL in the first pass: signatures are zero */
    uint32_t unsigned_len;
    bool signatures;        /* there are some */
    struct dsdn_word field; /* of the payload, where the text stands */
    const struct dsdn_field
        *at; /* its description; NULL deeper inside the payload, or when there is no such field */
    struct dsdn_text *out;
};

static int unknown(const struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    return dsdn_story_fail(x->s, x->p->line, DSDN_E_MALFORMED, error,
                           "\"%.*s\": no such name, or not of this form", (int)(w.len < 80 ? w.len : 80),
                           w.at);
}

static void put_hex(struct expansion *x, const uint8_t *bytes, size_t len)
{
    dsdn_text_put(x->out, "\"", 1);
    for (size_t i = 0; i < len; i++) dsdn_text_format(x->out, "%02x", bytes[i]);
    dsdn_text_put(x->out, "\"", 1);
}

/* A signature in this field over this payload. */
static int put_signed(struct expansion *x, uint32_t key, bool wrong, struct dsdn_error *error)
{
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
    put_hex(x, signature, 64);
    return DSDN_OK;
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
    return key == DSDN_STORY_NONE || (colon && !wrong) ? unknown(x, w, error)
                                                       : put_signed(x, key, wrong, error);
}

/* ---- lists in short: names with blanks between them ---- */

enum { LIST_MAX = 255 };

static bool next_word(struct dsdn_word *list, struct dsdn_word *word)
{
    while (list->len && strchr(" \t\n", *list->at)) list->at++, list->len--;
    size_t n = 0;
    while (n < list->len && !strchr(" \t\n", list->at[n])) n++;
    *word = (struct dsdn_word){list->at, n};
    list->at += n;
    list->len -= n;
    return n > 0;
}

/* The keys of a list in the order that sets have. */
static int sorted_keys(const struct expansion *x, struct dsdn_word list, uint32_t *keys, uint32_t *cnt,
                       struct dsdn_error *error)
{
    const struct dsdn_story_name *names = x->s->names;
    struct dsdn_word w;
    for (*cnt = 0; next_word(&list, &w); (*cnt)++) {
        uint32_t key = dsdn_story_find(x->s, w, DSDN_STORY_KEY), i = *cnt;
        if (key == DSDN_STORY_NONE || *cnt == LIST_MAX) return unknown(x, w, error);
        for (; i && memcmp(names[keys[i - 1]].hash, names[key].hash, 32) > 0; i--) keys[i] = keys[i - 1];
        keys[i] = key;
    }
    return DSDN_OK;
}

/* "q1 q2" as a set of ids, or as approvals by these keys. */
static int put_keys(struct expansion *x, struct dsdn_word list, struct dsdn_error *error)
{
    uint32_t keys[LIST_MAX], cnt;
    int rc = sorted_keys(x, list, keys, &cnt, error);
    dsdn_text_put(x->out, "[", 1);
    for (uint32_t i = 0; !rc && i < cnt; i++) {
        dsdn_text_format(x->out, "%s%s", i ? "," : "", x->at->record ? "{\"id\":" : "");
        put_hex(x, x->s->names[keys[i]].hash, 32);
        if (!x->at->record) continue;
        dsdn_text_format(x->out, ",\"signature\":");
        rc = put_signed(x, keys[i], false, error);
        dsdn_text_put(x->out, "}", 1);
    }
    dsdn_text_put(x->out, "]", 1);
    return rc;
}

/* "ada/vera bert/vera": seats with shares 1, 2, ...; the share is the member's own key, and without a slash
 * he backs himself. */
static int put_members(struct expansion *x, struct dsdn_word list, struct dsdn_error *error)
{
    struct dsdn_word w;
    dsdn_text_put(x->out, "[", 1);
    for (uint32_t i = 1; next_word(&list, &w); i++) {
        const char *slash = memchr(w.at, '/', w.len);
        struct dsdn_word member = {w.at, slash ? (size_t)(slash - w.at) : w.len};
        struct dsdn_word backer = {slash ? slash + 1 : w.at, slash ? w.len - member.len - 1 : w.len};
        uint32_t key = dsdn_story_find(x->s, member, DSDN_STORY_KEY);
        uint32_t validator = dsdn_story_find(x->s, backer, DSDN_STORY_KEY);
        if (key == DSDN_STORY_NONE || validator == DSDN_STORY_NONE) return unknown(x, w, error);
        dsdn_text_format(x->out, "%s{\"coordinator_id\":", i > 1 ? "," : "");
        put_hex(x, x->s->names[key].hash, 32);
        dsdn_text_format(x->out, ",\"validator_id\":");
        put_hex(x, x->s->names[validator].hash, 32);
        dsdn_text_format(x->out, ",\"share_public\":");
        put_hex(x, x->s->names[key].hash, 32);
        dsdn_text_format(x->out, ",\"share_index\":%u}", i);
    }
    dsdn_text_put(x->out, "]", 1);
    return DSDN_OK;
}

/* ---- single values ---- */

/* "path:tree:3": the leaf's hash, then its siblings upwards. */
static int put_path(struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    uint8_t path[DSDN_STORY_PATH_MAX][32];
    uint32_t cnt;
    if (!dsdn_story_path(x->s, (struct dsdn_word){w.at + 5, w.len - 5}, path, &cnt))
        return unknown(x, w, error);
    for (uint32_t i = 0; i < cnt; i++) {
        dsdn_text_put(x->out, i ? "," : "[", 1);
        put_hex(x, path[i], 32);
    }
    dsdn_text_put(x->out, "]", 1);
    return DSDN_OK;
}

static int put_amount(struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    uint64_t units;
    if (!dsdn_story_amount(w, &units)) return unknown(x, w, error);
    dsdn_text_format(x->out, "{\"asset\":0,\"units\":\"%llu\"}", (unsigned long long)units);
    return DSDN_OK;
}

static int put_bytes(struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    struct dsdn_buffer bytes = {0};
    int rc = dsdn_story_bytes(x->s, x->p->line, w, &bytes, error);
    if (!rc) put_hex(x, bytes.bytes, bytes.len);
    dsdn_buffer_free(&bytes);
    return rc;
}

/* "op:$olga": the parameter that lists an operator. */
static int put_operator(struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    uint8_t key[32];
    char name[DSDN_OPERATOR_NAME];
    if (!dsdn_story_hash32(x->s, (struct dsdn_word){w.at + 3, w.len - 3}, key)) return unknown(x, w, error);
    dsdn_operator_parameter(key, name);
    dsdn_text_format(x->out, "\"%s\"", name);
    return DSDN_OK;
}

/* "zone:$node1": the zone of a node, as the state before this batch has it. */
static int put_zone(struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    uint8_t node[32], zone[33] = {0};
    uint32_t cnt;
    if (!dsdn_story_hash32(x->s, (struct dsdn_word){w.at + 5, w.len - 5}, node)) return unknown(x, w, error);
    int rc = dsdn_story_ask(x->s, x->p->parent, x->p->now, x->p->line, "zone", node, (uint8_t(*)[32])zone, 1,
                            &cnt, error);
    if (!rc && !cnt) return unknown(x, w, error);
    if (!rc) dsdn_text_format(x->out, "\"%s\"", (const char *)zone);
    return rc;
}

static bool begins(struct dsdn_word w, const char *with)
{
    size_t n = strlen(with);
    return w.len > n && memcmp(w.at, with, n) == 0;
}

/* One string of the payload; w is what stands between its quotation marks. */
static int put_string(struct expansion *x, struct dsdn_word w, struct dsdn_error *error)
{
    uint8_t hash[32];
    uint64_t ms;
    if (x->at) switch (x->at->kind) {
        case DSDN_K_amt: return put_amount(x, w, error);
        case DSDN_K_bytes: return put_bytes(x, w, error);
        case DSDN_K_set_id: return put_keys(x, w, error);
        case DSDN_K_list:
            if (strcmp(x->at->record->name, "approval") == 0) return put_keys(x, w, error);
            if (strcmp(x->at->record->name, "member") == 0) return put_members(x, w, error);
            break;
        default: break;
        }
    if (begins(w, "sign:")) return put_signature(x, w, error);
    if (begins(w, "path:")) return put_path(x, w, error);
    if (begins(w, "zone:$")) return put_zone(x, w, error);
    if (begins(w, "op:$")) return put_operator(x, w, error);
    if (begins(w, "@")) {
        if (!dsdn_story_time((struct dsdn_word){w.at + 1, w.len - 1}, x->p->now, &ms))
            return unknown(x, w, error);
        dsdn_text_format(x->out, "\"%llu\"", (unsigned long long)ms);
        return DSDN_OK;
    }
    bool audit = begins(w, "audit:");
    if (audit || begins(w, "$") || begins(w, "%")) {
        if (audit ? !dsdn_story_audit(x->s, (struct dsdn_word){w.at + 6, w.len - 6}, hash)
                  : !dsdn_story_hash32(x->s, w, hash))
            return unknown(x, w, error);
        put_hex(x, hash, 32);
        return DSDN_OK;
    }
    dsdn_text_put(x->out, "\"", 1);
    dsdn_text_put(x->out, w.at, w.len);
    dsdn_text_put(x->out, "\"", 1);
    return DSDN_OK;
}

static const struct dsdn_field *field_of(const struct dsdn_event_desc *desc, struct dsdn_word name)
{
    for (const struct dsdn_field *f = desc->fields(); f->name; f++)
        if (dsdn_word_is(name, f->name)) return f;
    return NULL;
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
            x->at = depth == 1 ? field_of(x->p->desc, x->field) : NULL;
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
