/* fixture_steps.c: the lines of a story that make batches and deliver them (docs/fixtures.md). */
#include "statemachine/fixture_parser.h"

#include <stdio.h>

bool dsdn_parser_name_set(char *out, struct dsdn_word w)
{
    if (!w.len || w.len > DSDN_STORY_NAME_MAX) return false;
    memcpy(out, w.at, w.len);
    out[w.len] = 0;
    return true;
}

static uint32_t batch_named(const struct dsdn_story *s, struct dsdn_word w)
{
    for (uint32_t i = s->batch_cnt; i-- > 0;)
        if (dsdn_word_is(w, s->batches[i].name)) return i;
    return DSDN_STORY_NONE;
}

/* A batch by name; `genesis` is NONE. */
static bool place(const struct dsdn_story *s, struct dsdn_word w, uint32_t *batch)
{
    *batch = dsdn_word_is(w, "genesis") ? DSDN_STORY_NONE : batch_named(s, w);
    return *batch != DSDN_STORY_NONE || dsdn_word_is(w, "genesis");
}

bool dsdn_parser_number32(struct dsdn_word w, uint32_t *number)
{
    uint64_t v;
    if (!dsdn_story_number(w, &v) || v > UINT32_MAX - 1) return false;
    *number = (uint32_t)v;
    return true;
}

static bool refused_set(struct dsdn_parser *p, struct dsdn_word v)
{
    char name[32];
    if (!dsdn_parser_name_set(name, v)) return false;
    p->draft.refused = dsdn_error_find(name);
    return p->draft.refused > 0;
}

/* at=BUNDLE or at=BUNDLE.EVENT */
static bool at_set(struct dsdn_parser *p, struct dsdn_word v)
{
    const char *dot = memchr(v.at, '.', v.len);
    struct dsdn_word bundle = {v.at, dot ? (size_t)(dot - v.at) : v.len};
    if (!dsdn_parser_number32(bundle, &p->draft.refused_bundle)) return false;
    return !dot ||
           dsdn_parser_number32((struct dsdn_word){dot + 1, v.len - bundle.len - 1}, &p->draft.refused_event);
}

/* ---- batch ---- */

static bool batch_name(struct dsdn_parser *p, struct dsdn_word v)
{
    return batch_named(p->s, v) == DSDN_STORY_NONE && !dsdn_word_is(v, "genesis") &&
           dsdn_parser_name_set(p->draft.batch.name, v);
}

static bool batch_time(struct dsdn_parser *p, struct dsdn_word v)
{
    const struct dsdn_story_batch *b = &p->draft.batch;
    uint64_t parent =
        b->parent == DSDN_STORY_NONE ? DSDN_STORY_BEGIN_MS : p->s->batches[b->parent].header.time_ms;
    return dsdn_story_time(v, parent, &p->draft.batch.header.time_ms);
}

/* Headers of the primary are made up: 6 s apart from `start` on, hashes from their heights. */
static void origin_at(struct dsdn_parser *p, uint64_t height)
{
    struct dsdn_origin *o = &p->draft.batch.header.origin;
    char text[40];
    snprintf(text, sizeof text, "header %llu", (unsigned long long)height);
    o->height = height;
    o->time_ms = DSDN_STORY_BEGIN_MS + (height - p->network.start) * DSDN_STORY_HEIGHT_MS;
    dsdn_story_seeded(text, o->hash);
}

static bool batch_origin(struct dsdn_parser *p, struct dsdn_word v)
{
    uint64_t height;
    if (!dsdn_story_number(v, &height)) return false;
    origin_at(p, height);
    return true;
}

static bool batch_origin_time(struct dsdn_parser *p, struct dsdn_word v)
{
    return dsdn_story_time(v, p->draft.batch.header.origin.time_ms, &p->draft.batch.header.origin.time_ms);
}

static bool batch_origin_hash(struct dsdn_parser *p, struct dsdn_word v)
{
    return dsdn_story_hash32(p->s, v, p->draft.batch.header.origin.hash);
}

/* cursor=HEIGHT.INDEX or cursor=HEIGHT.end */
static bool batch_cursor(struct dsdn_parser *p, struct dsdn_word v)
{
    struct dsdn_cursor *c = &p->draft.batch.header.cursor;
    const char *dot = memchr(v.at, '.', v.len);
    if (!dot || !dsdn_story_number((struct dsdn_word){v.at, (size_t)(dot - v.at)}, &c->height)) return false;
    struct dsdn_word index = {dot + 1, v.len - (size_t)(dot + 1 - v.at)};
    c->blob_index = DSDN_CURSOR_END;
    return dsdn_word_is(index, "end") || dsdn_parser_number32(index, &c->blob_index);
}

static bool batch_epoch(struct dsdn_parser *p, struct dsdn_word v)
{
    return dsdn_story_number(v, &p->draft.batch.header.committee_epoch);
}

static bool batch_publisher(struct dsdn_parser *p, struct dsdn_word v)
{
    struct dsdn_story_batch *b = &p->draft.batch;
    memset(b->header.publisher, 0, 32);
    b->publisher = p->draft.signer = dsdn_parser_key(p, v);
    if (b->publisher != DSDN_STORY_NONE) memcpy(b->header.publisher, p->s->names[b->publisher].hash, 32);
    return b->publisher != DSDN_STORY_NONE || dsdn_word_is(v, "nobody");
}

static bool batch_signer(struct dsdn_parser *p, struct dsdn_word v)
{
    p->draft.signer = dsdn_parser_key(p, v);
    return p->draft.signer != DSDN_STORY_NONE || dsdn_word_is(v, "nobody");
}

static bool batch_sequence(struct dsdn_parser *p, struct dsdn_word v)
{
    return dsdn_story_number(v, &p->draft.batch.header.sequence);
}

static bool batch_prev(struct dsdn_parser *p, struct dsdn_word v)
{
    uint32_t batch = batch_named(p->s, v);
    if (batch == DSDN_STORY_NONE) return dsdn_story_hash32(p->s, v, p->draft.batch.header.prev);
    memcpy(p->draft.batch.header.prev, p->s->batches[batch].hash, 32);
    return true;
}

static bool batch_genesis(struct dsdn_parser *p, struct dsdn_word v)
{
    p->draft.has_genesis = true;
    return dsdn_story_hash32(p->s, v, p->draft.genesis);
}

static bool batch_body_hash(struct dsdn_parser *p, struct dsdn_word v)
{
    p->draft.has_body_hash = true;
    return dsdn_story_hash32(p->s, v, p->draft.body_hash);
}

static bool batch_bundles(struct dsdn_parser *p, struct dsdn_word v)
{
    p->draft.has_bundle_count = true;
    return dsdn_story_number(v, &p->draft.bundle_count) && p->draft.bundle_count <= 65535;
}

static bool batch_hold(struct dsdn_parser *p, struct dsdn_word v)
{
    p->draft.hold = true;
    return v.len == 0;
}

/* certificate=a,b,c or certificate=SET:a,b,c */
static bool batch_certificate(struct dsdn_parser *p, struct dsdn_word v)
{
    const char *colon = memchr(v.at, ':', v.len);
    if (colon) {
        struct dsdn_word set = {v.at, (size_t)(colon - v.at)};
        if (!dsdn_parser_number32(set, &p->draft.certificate_set)) return false;
        v.len -= set.len + 1;
        v.at = colon + 1;
    }
    while (v.len) {
        const char *comma = memchr(v.at, ',', v.len);
        struct dsdn_word name = {v.at, comma ? (size_t)(comma - v.at) : v.len};
        uint32_t key = dsdn_parser_key(p, name);
        if (key == DSDN_STORY_NONE || p->draft.certifier_cnt == 64) return false;
        p->draft.certifiers[p->draft.certifier_cnt++] = key;
        v.at += name.len + (comma != NULL);
        v.len -= name.len + (comma != NULL);
    }
    return p->draft.certifier_cnt > 0;
}

static bool batch_on(struct dsdn_parser *p, struct dsdn_word v)
{
    (void)p, (void)v; /* was read first */
    return true;
}

static const struct dsdn_attribute batch_attributes[] = {
    {"on", batch_on},
    {"name", batch_name},
    {"time", batch_time},
    {"origin", batch_origin},
    {"origin_time", batch_origin_time},
    {"origin_hash", batch_origin_hash},
    {"cursor", batch_cursor},
    {"epoch", batch_epoch},
    {"publisher", batch_publisher},
    {"signer", batch_signer},
    {"sequence", batch_sequence},
    {"prev", batch_prev},
    {"genesis", batch_genesis},
    {"body_hash", batch_body_hash},
    {"bundles", batch_bundles},
    {"certificate", batch_certificate},
    {"hold", batch_hold},
    {"refused", refused_set},
    {"at", at_set},
    {NULL, NULL},
};

/* A batch that follows `parent` as its publisher would make it; behind a takeover, as the genesis has it. */
static void batch_follow(struct dsdn_parser *p, uint32_t parent)
{
    struct dsdn_story *s = p->s;
    struct dsdn_header *h = &p->draft.batch.header;
    p->draft.batch.parent = parent;
    if (parent != DSDN_STORY_NONE) {
        const struct dsdn_story_batch *before = &s->batches[parent];
        *h = before->header;
        h->sequence++;
        memcpy(h->prev, before->hash, 32);
    } else {
        memcpy(h->prev, s->genesis.hash, 32);
        h->time_ms = DSDN_STORY_BEGIN_MS;
        if (p->network.chain.len) origin_at(p, p->network.start);
    }
    memcpy(h->genesis, s->genesis.hash, 32);
    h->time_ms += 1000;
    uint32_t publisher = parent == DSDN_STORY_NONE ? DSDN_STORY_NONE : s->batches[parent].publisher;
    if (publisher == DSDN_STORY_NONE) publisher = p->network.coordinator;
    p->draft.batch.publisher = p->draft.signer = publisher;
    memcpy(h->publisher, s->names[publisher].hash, 32);
}

static int read_batch(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    int rc = dsdn_story_batch_end(p->s, &p->draft, error);
    if (rc) return rc;
    uint32_t parent = p->s->tip;
    struct dsdn_word words = rest, w;
    while (dsdn_parser_word(&words, &w))
        if (w.len > 3 && memcmp(w.at, "on=", 3) == 0 &&
            !place(p->s, (struct dsdn_word){w.at + 3, w.len - 3}, &parent))
            return dsdn_parser_fail(p, error, "no batch of this name", w);
    p->draft = (struct dsdn_story_draft){.batch_open = true,
                                         .refused_bundle = UINT32_MAX,
                                         .refused_event = UINT32_MAX,
                                         .certificate_set = DSDN_STORY_NONE};
    p->draft.batch.line = p->line;
    p->draft.batch.first_bundle = p->s->bundle_cnt;
    batch_follow(p, parent);
    return dsdn_parser_attributes(p, rest, batch_attributes, error);
}

static int read_deliver(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word name;
    int rc = dsdn_story_batch_end(p->s, &p->draft, error);
    if (rc) return rc;
    dsdn_parser_word(&rest, &name);
    uint32_t batch = batch_named(p->s, name);
    if (batch == DSDN_STORY_NONE) return dsdn_parser_fail(p, error, "no batch of this name", name);
    static const struct dsdn_attribute attributes[] = {
        {"refused", refused_set}, {"at", at_set}, {NULL, NULL}};
    p->draft = (struct dsdn_story_draft){.refused_bundle = UINT32_MAX, .refused_event = UINT32_MAX};
    rc = dsdn_parser_attributes(p, rest, attributes, error);
    if (!rc)
        rc = dsdn_story_grow((void **)&p->s->steps, sizeof *p->s->steps, p->s->step_cnt, &p->s->step_cap,
                             error);
    if (rc) return rc;
    p->s->steps[p->s->step_cnt++] = (struct dsdn_story_step){.batch = batch,
                                                             .refused = p->draft.refused,
                                                             .refused_bundle = p->draft.refused_bundle,
                                                             .refused_event = p->draft.refused_event,
                                                             .line = p->line};
    if (!p->draft.refused) p->s->tip = batch;
    return DSDN_OK;
}

static int read_rollback(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word name;
    uint32_t batch, ancestor = p->s->tip;
    int rc = dsdn_story_batch_end(p->s, &p->draft, error);
    if (rc) return rc;
    dsdn_parser_word(&rest, &name);
    if (!place(p->s, name, &batch)) return dsdn_parser_fail(p, error, "no batch of this name", name);
    ancestor = p->s->tip;
    while (ancestor != batch && ancestor != DSDN_STORY_NONE) ancestor = p->s->batches[ancestor].parent;
    if (ancestor != batch) return dsdn_parser_fail(p, error, "this batch is not below the newest one", name);
    rc = dsdn_story_grow((void **)&p->s->steps, sizeof *p->s->steps, p->s->step_cnt, &p->s->step_cap, error);
    if (rc) return rc;
    p->s->steps[p->s->step_cnt++] =
        (struct dsdn_story_step){.rollback = true, .batch = batch, .line = p->line};
    p->s->tip = batch;
    return DSDN_OK;
}

/* damage byte=PLACE[+N] [xor=HH], damage cut=N, damage append=HEX: what happened to the bytes after they were
 * signed. */
static int read_damage(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    static const struct {
        const char *name;
        uint32_t at;
    } places[] = {{"magic", 0},
                  {"format", 4},
                  {"header", 0},
                  {"signature", DSDN_HEADER_LEN},
                  {"body", DSDN_BATCH_FIXED_LEN}};
    struct dsdn_story_draft *d = &p->draft;
    struct dsdn_word w, whole = rest;
    if (!d->batch_open || d->damage_cnt == sizeof d->damage / sizeof *d->damage)
        return dsdn_parser_fail(p, error, "damage stands in a batch, at most 16 times", rest);
    if (!dsdn_parser_word(&rest, &w)) return dsdn_parser_fail(p, error, "damage to what", w);
    uint32_t i = d->damage_cnt++;
    d->damage[i].bytes[0] = 1;
    if (w.len > 5 && memcmp(w.at, "byte=", 5) == 0) {
        struct dsdn_word at = {w.at + 5, w.len - 5}, xor;
        const char *plus = memchr(at.at, '+', at.len);
        struct dsdn_word base = {at.at, plus ? (size_t)(plus - at.at) : at.len};
        uint32_t offset = 0;
        bool good =
            !plus || dsdn_parser_number32((struct dsdn_word){plus + 1, at.len - base.len - 1}, &offset);
        bool known = dsdn_parser_number32(base, &d->damage[i].at);
        for (size_t k = 0; !known && k < sizeof places / sizeof *places; k++)
            if (dsdn_word_is(base, places[k].name)) d->damage[i].at = places[k].at, known = true;
        d->damage[i].at += offset;
        if (good && dsdn_parser_word(&rest, &xor))
            good = xor.len == 6 && memcmp(xor.at, "xor=", 4) == 0 &&
                   dsdn_hex_decode(xor.at + 4, 1, d->damage[i].bytes);
        if (good && known) return DSDN_OK;
    } else if (w.len > 4 && memcmp(w.at, "cut=", 4) == 0) {
        d->damage[i].kind = DAMAGE_CUT;
        if (dsdn_parser_number32((struct dsdn_word){w.at + 4, w.len - 4}, &d->damage[i].at)) return DSDN_OK;
    } else if (w.len > 7 && memcmp(w.at, "append=", 7) == 0 && w.len % 2 && (w.len - 7) / 2 <= 64) {
        d->damage[i].kind = DAMAGE_APPEND;
        d->damage[i].len = (uint8_t)((w.len - 7) / 2);
        if (dsdn_hex_decode(w.at + 7, d->damage[i].len, d->damage[i].bytes)) return DSDN_OK;
    }
    return dsdn_parser_fail(p, error, "write byte=PLACE[+N] [xor=HH], cut=N or append=HEX", whole);
}

const struct dsdn_directive dsdn_parser_steps[] = {
    {"batch", read_batch},
    {"deliver", read_deliver},
    {"rollback", read_rollback},
    {"damage", read_damage},
    {"plan", dsdn_parser_read_plan},
    {"source", dsdn_parser_read_source},
    {"bundle", dsdn_parser_read_bundle},
    {"authority", dsdn_parser_read_authority},
    {"again", dsdn_parser_read_again},
    {"event", dsdn_parser_read_event},
    {"frame", dsdn_parser_read_frame},
    {NULL, NULL},
};
