/* fixture_events.c: the lines of a story that make bundles and events (docs/fixtures.md). */
#include "statemachine/fixture_parser.h"

/* ---- bundle ---- */

static bool bundle_author(struct dsdn_parser *p, struct dsdn_word v)
{
    p->draft.bundle_signer = dsdn_parser_key(p, v);
    if (p->draft.bundle_signer == DSDN_STORY_NONE) return false;
    memcpy(p->draft.author, p->s->names[p->draft.bundle_signer].hash, 32);
    return true;
}

static bool bundle_signer(struct dsdn_parser *p, struct dsdn_word v)
{
    p->draft.bundle_signer = dsdn_parser_key(p, v);
    return p->draft.bundle_signer != DSDN_STORY_NONE || dsdn_word_is(v, "nobody");
}

static bool bundle_nonce(struct dsdn_parser *p, struct dsdn_word v)
{
    return dsdn_story_number(v, &p->draft.bundle.nonce);
}

static bool bundle_until(struct dsdn_parser *p, struct dsdn_word v)
{
    return dsdn_story_time(v, p->draft.batch.header.time_ms, &p->draft.bundle.valid_until);
}

static bool bundle_kind(struct dsdn_parser *p, struct dsdn_word v)
{
    uint32_t number;
    if (dsdn_word_is(v, "pool"))
        number = DSDN_BUNDLE_POOL;
    else if (dsdn_word_is(v, "direct"))
        number = DSDN_BUNDLE_DIRECT;
    else if (!dsdn_parser_number32(v, &number) || number > 255)
        return false;
    p->draft.bundle.kind = (uint8_t)number;
    return true;
}

static bool bundle_scheme(struct dsdn_parser *p, struct dsdn_word v)
{
    uint32_t number;
    if (!dsdn_parser_number32(v, &number) || number > 255) return false;
    p->draft.bundle.scheme = (uint8_t)number;
    return true;
}

static bool bundle_genesis(struct dsdn_parser *p, struct dsdn_word v)
{
    return dsdn_story_hash32(p->s, v, p->draft.bundle_genesis);
}

static bool bundle_signature(struct dsdn_parser *p, struct dsdn_word v)
{
    p->draft.bundle_damaged = true;
    return dsdn_word_is(v, "wrong");
}

static bool bundle_count(struct dsdn_parser *p, struct dsdn_word v)
{
    uint32_t number;
    p->draft.has_count = true;
    if (!dsdn_parser_number32(v, &number) || number > UINT16_MAX) return false;
    p->draft.bundle.event_count = (uint16_t)number;
    return true;
}

static bool bundle_length(struct dsdn_parser *p, struct dsdn_word v)
{
    p->draft.has_length = true;
    return dsdn_parser_number32(v, &p->draft.bundle.events_len);
}

static bool bundle_name(struct dsdn_parser *p, struct dsdn_word v)
{
    for (uint32_t i = 0; i < p->s->bundle_cnt; i++)
        if (dsdn_word_is(v, p->s->bundles[i].name)) return false;
    return dsdn_parser_name_set(p->s->bundles[p->s->bundle_cnt - 1].name, v);
}

/* An outcome by its name, or PRECONDITION by the name of its code. */
static bool gives_set(struct dsdn_parser *p, struct dsdn_word v)
{
    char name[64];
    if (v.len >= sizeof name) return false;
    memcpy(name, v.at, v.len);
    name[v.len] = 0;
    int outcome = dsdn_outcome_find(name);
    if (outcome >= 0) p->draft.expected = DSDN_OUTCOME(outcome, 0);
    for (const struct dsdn_code_name *c = p->s->catalogue->codes; outcome < 0 && c && c->name; c++)
        if (strcmp(c->name, name) == 0) {
            p->draft.expected = DSDN_PRECONDITION(c->code);
            return true;
        }
    return outcome >= 0;
}

static bool gives_word(struct dsdn_parser *p, struct dsdn_word w)
{
    return w.len > 6 && memcmp(w.at, "gives=", 6) == 0 &&
           gives_set(p, (struct dsdn_word){w.at + 6, w.len - 6});
}

static const struct dsdn_attribute bundle_attributes[] = {
    {"author", bundle_author},
    {"signer", bundle_signer},
    {"nonce", bundle_nonce},
    {"until", bundle_until},
    {"kind", bundle_kind},
    {"scheme", bundle_scheme},
    {"genesis", bundle_genesis},
    {"signature", bundle_signature},
    {"count", bundle_count},
    {"length", bundle_length},
    {"name", bundle_name},
    {"gives", gives_set},
    {NULL, NULL},
};

static int bundle_open(struct dsdn_parser *p, struct dsdn_error *error)
{
    struct dsdn_word none = {"", 0};
    if (!p->draft.batch_open) return dsdn_parser_fail(p, error, "a bundle stands in a batch", none);
    int rc = dsdn_story_bundle_end(p->s, &p->draft, error);
    return rc ? rc : dsdn_story_bundle_begin(p->s, &p->draft, p->line, error);
}

int dsdn_parser_read_bundle(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    int rc = bundle_open(p, error);
    return rc ? rc : dsdn_parser_attributes(p, rest, bundle_attributes, error);
}

int dsdn_parser_read_authority(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    int rc = bundle_open(p, error);
    p->draft.bundle.kind = DSDN_BUNDLE_AUTHORITY;
    return rc ? rc : dsdn_parser_attributes(p, rest, bundle_attributes, error);
}

/* again NAME [kind=direct] [gives=...]: a bundle once more, its author's signature and all. */
int dsdn_parser_read_again(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    static const struct dsdn_attribute attributes[] = {
        {"kind", bundle_kind}, {"gives", gives_set}, {NULL, NULL}};
    struct dsdn_word name;
    int rc = bundle_open(p, error);
    if (rc) return rc;
    p->draft.bundle_open = false; /* nothing to fill in */
    uint32_t from = 0, to = p->s->bundle_cnt - 1;
    dsdn_parser_word(&rest, &name);
    while (from < to && !(name.len && dsdn_word_is(name, p->s->bundles[from].name))) from++;
    if (from == to) return dsdn_parser_fail(p, error, "no bundle of this name", name);
    rc = dsdn_parser_attributes(p, rest, attributes, error);
    struct dsdn_story_bundle *b = &p->s->bundles[to];
    b->bytes.len = 0;
    if (!rc)
        rc = dsdn_story_append(&b->bytes, p->s->bundles[from].bytes.bytes, p->s->bundles[from].bytes.len,
                               error);
    for (uint32_t i = 0; !rc && i < p->s->bundles[from].event_cnt; i++) {
        rc = dsdn_story_grow((void **)&p->s->events, sizeof *p->s->events, p->s->event_cnt, &p->s->event_cap,
                             error);
        if (rc) return rc;
        p->s->events[p->s->event_cnt++] = (struct dsdn_story_event){p->draft.expected, p->line};
        b->event_cnt++;
    }
    if (!rc) b->bytes.bytes[0] = p->draft.bundle.kind;
    return rc;
}

/* ---- events ---- */

static int frame_put(struct dsdn_parser *p, uint16_t type, uint8_t version, const struct dsdn_buffer *payload,
                     struct dsdn_error *error)
{
    struct dsdn_buffer frame = {0};
    uint8_t front[3 + DSDN_VARINT_MAX];
    dsdn_store16(front, type);
    front[2] = version;
    uint8_t *end = dsdn_varint_put(front + 3, (uint32_t)payload->len);
    int rc = dsdn_story_append(&frame, front, (size_t)(end - front), error);
    if (!rc) rc = dsdn_story_append(&frame, payload->bytes, payload->len, error);
    if (!rc) rc = dsdn_story_bundle_frame(p->s, &p->draft, frame.bytes, frame.len, p->line, error);
    dsdn_buffer_free(&frame);
    return rc;
}

/* Takes "NAME ... {json}" apart: the event, what stands between, the payload. */
static const struct dsdn_event_desc *event_line(struct dsdn_parser *p, struct dsdn_word *rest,
                                                struct dsdn_word *json, struct dsdn_error *error)
{
    struct dsdn_word w;
    char name[64] = "";
    const char *brace = memchr(rest->at, '{', rest->len);
    if (!brace) {
        dsdn_parser_fail(p, error, "an event is written NAME {payload}", *rest);
        return NULL;
    }
    *json = (struct dsdn_word){brace, rest->len - (size_t)(brace - rest->at)};
    rest->len = (size_t)(brace - rest->at);
    dsdn_parser_word(rest, &w);
    if (w.len < sizeof name) memcpy(name, w.at, w.len);
    int event = dsdn_event_named(p->s->catalogue->events, name);
    if (event >= 0) return &p->s->catalogue->events->events[event];
    dsdn_parser_fail(p, error, "no such event", w);
    return NULL;
}

/* defaults NAME {fields}: what events of this name have unless they say otherwise. */
int dsdn_parser_read_defaults(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word json;
    const struct dsdn_event_desc *desc = event_line(p, &rest, &json, error);
    if (!desc) return DSDN_E_MALFORMED;
    if (p->default_cnt == sizeof p->defaults / sizeof *p->defaults)
        return dsdn_parser_fail(p, error, "too many defaults", json);
    p->defaults[p->default_cnt].desc = desc;
    p->defaults[p->default_cnt++].json = json;
    return DSDN_OK;
}

/* The members of an object, as text: *at stands behind its opening brace or behind the member before. Whether
 * the text is JSON at all is said by whoever reads the payload; here it only has to end. */
static bool member_next(const char **at, const char *end, struct dsdn_word *key, struct dsdn_word *member)
{
    const char *p = *at;
    while (p < end && strchr(" \t\r\n,", *p)) p++;
    if (p == end || *p != '"') return false;
    const char *start = p, *close = memchr(p + 1, '"', (size_t)(end - p - 1));
    if (!close) return false;
    *key = (struct dsdn_word){p + 1, (size_t)(close - p - 1)};
    bool inside = false;
    int depth = 0;
    for (; p < end && (inside || depth || (*p != ',' && *p != '}')); p++) {
        if (inside && *p == '\\' && end - p > 1)
            p++;
        else if (*p == '"')
            inside = !inside;
        else if (!inside)
            depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
    }
    *member = (struct dsdn_word){start, (size_t)(p - start)};
    *at = p;
    return true;
}

static bool has_member(struct dsdn_word object, struct dsdn_word name)
{
    struct dsdn_word key, member;
    const char *at = object.at + 1;
    while (member_next(&at, object.at + object.len, &key, &member))
        if (key.len == name.len && memcmp(key.at, name.at, key.len) == 0) return true;
    return false;
}

/* False for fields that this version of the event does not have. */
static bool has_field(const struct dsdn_event_desc *desc, uint8_t version, struct dsdn_word name)
{
    for (const struct dsdn_field *f = desc->fields(); f->name; f++)
        if (dsdn_word_is(name, f->name)) return f->since <= version;
    return true; /* no such field: the reader of the payload says so */
}

/* The payload, and the defaults that it does not name itself and that its version knows. */
static void merge(const struct dsdn_parser *p, const struct dsdn_event_desc *desc, uint8_t version,
                  struct dsdn_word json, struct dsdn_text *out)
{
    struct dsdn_word key, member;
    const char *at = json.at + 1;
    bool any = member_next(&at, json.at + json.len, &key, &member);
    dsdn_text_put(out, json.at, json.len - 1);
    for (uint32_t i = 0; i < p->default_cnt; i++) {
        struct dsdn_word defaults = p->defaults[i].json;
        if (p->defaults[i].desc != desc) continue;
        at = defaults.at + 1;
        while (member_next(&at, defaults.at + defaults.len, &key, &member)) {
            if (has_member(json, key) || !has_field(desc, version, key)) continue;
            if (any) dsdn_text_put(out, ",", 1);
            dsdn_text_put(out, member.at, member.len);
            any = true;
        }
    }
    dsdn_text_put(out, json.at + json.len - 1, 1);
}

/* event NAME [vN] [gives=OUTCOME] {payload} */
int dsdn_parser_read_event(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word w, json;
    if (!p->draft.bundle_open) return dsdn_parser_fail(p, error, "an event stands in a bundle", rest);
    const struct dsdn_event_desc *desc = event_line(p, &rest, &json, error);
    if (!desc) return DSDN_E_MALFORMED;
    struct dsdn_story_payload payload = {
        desc,    desc->version,        p->draft.author, p->draft.bundle.nonce, p->draft.batch.header.time_ms,
        p->line, p->draft.batch.parent};
    dsdn_outcome before = p->draft.expected;
    while (dsdn_parser_word(&rest, &w)) {
        uint32_t version;
        if (w.len > 1 && *w.at == 'v' &&
            dsdn_parser_number32((struct dsdn_word){w.at + 1, w.len - 1}, &version) && version > 0 &&
            version <= desc->version)
            payload.version = (uint8_t)version;
        else if (!gives_word(p, w))
            return dsdn_parser_fail(p, error, "an event takes vN and gives=OUTCOME", w);
    }
    struct dsdn_buffer bytes = {0};
    struct dsdn_text merged;
    dsdn_text_init(&merged, DSDN_FIXTURE_MAX, 0);
    merge(p, desc, payload.version, json, &merged);
    int rc = dsdn_text_status(&merged, error);
    if (!rc)
        rc = dsdn_story_encode(p->s, &payload, (struct dsdn_word){merged.bytes, merged.len}, &bytes, error);
    if (!rc) rc = frame_put(p, desc->type, payload.version, &bytes, error);
    if (!rc && p->draft.expected == DSDN_OUTCOME_OK) rc = dsdn_story_learn(p->s, &payload, &bytes, error);
    dsdn_text_free(&merged);
    dsdn_buffer_free(&bytes);
    p->draft.expected = before;
    return rc;
}

/* frame [gives=OUTCOME] HEX $name HEX ...: the bytes of one event, type and length and all, as they are. */
int dsdn_parser_read_frame(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word w;
    uint8_t bytes[4096], hash[32];
    size_t len = 0;
    dsdn_outcome before = p->draft.expected;
    if (!p->draft.bundle_open) return dsdn_parser_fail(p, error, "a frame stands in a bundle", rest);
    while (dsdn_parser_word(&rest, &w)) {
        if (gives_word(p, w)) continue;
        size_t n = w.len / 2;
        bool named = (*w.at == '$' || *w.at == '%') && dsdn_story_hash32(p->s, w, hash);
        if (named) n = 32;
        if (len + n > sizeof bytes || (!named && (w.len % 2 || !dsdn_hex_decode(w.at, n, bytes + len))))
            return dsdn_parser_fail(p, error, "not hex digits, not a name, or more than 4096 bytes", w);
        if (named) memcpy(bytes + len, hash, 32);
        len += n;
    }
    int rc = dsdn_story_bundle_frame(p->s, &p->draft, bytes, len, p->line, error);
    p->draft.expected = before;
    return rc;
}
