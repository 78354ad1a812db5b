/* fixture_recut.c: the same bundles in other batches.  Role roots but `system` and outcomes may not depend on
 * how events were cut into batches (protocol.md, section 11), and a bundle that was accepted once has no
 * effect again (section 4). */
#include "statemachine/fixture_story.h"

#include "log/hash.h"

#include <stdlib.h>

struct recut {
    const struct dsdn_story *s;
    struct dsdn_engine *engine;
    struct dsdn_prepared prepared;
    struct dsdn_buffer body, bytes;
    uint32_t *chain, chain_cnt;
    uint32_t bundles[65536]; /* of the open batch */
    uint32_t bundle_cnt;
};

static const char *const names[] = {
    [DSDN_RECUT_SPLIT] = "split", [DSDN_RECUT_MERGED] = "merged", [DSDN_RECUT_REPEATED] = "repeated"};

static uint8_t kind_of(const struct recut *r, uint32_t bundle)
{
    return r->s->bundles[bundle].bytes.bytes[0];
}

/* A batch of the collected bundles, with time, origin, cursor and publisher of the story's batch `like`,
 * behind the newest one.  again: only what was signed, as pool bundles: direct ones may not come twice. */
static int publish(struct recut *r, const struct dsdn_story_batch *like, bool again, struct dsdn_error *error)
{
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(r->engine));
    struct dsdn_header h = like->header;
    h.sequence = head->sequence;
    memcpy(h.prev, head->batch_hash, 32);
    h.bundle_count = 0;
    r->body.len = 0;
    int rc = DSDN_OK;
    for (uint32_t i = 0; !rc && i < r->bundle_cnt; i++) {
        const struct dsdn_buffer *b = &r->s->bundles[r->bundles[i]].bytes;
        if (again && b->bytes[0] == DSDN_BUNDLE_AUTHORITY) continue;
        rc = dsdn_story_append(&r->body, b->bytes, b->len, error);
        if (!rc && again) r->body.bytes[r->body.len - b->len] = DSDN_BUNDLE_POOL;
        h.bundle_count++;
    }
    if (rc) return rc;
    dsdn_body_hash(r->body.bytes, r->body.len, h.body_hash);
    const struct dsdn_sign_key *key = &r->s->names[like->publisher].key;
    rc = dsdn_story_seal(&h, r->body.bytes, r->body.len, key, &r->bytes, error);
    if (!rc) rc = dsdn_story_deliver(r->engine, &r->prepared, &r->bytes, NULL, error);
    return rc;
}

/* Outcomes of the newest batch against the story's. */
static int compare_outcomes(const struct recut *r, enum dsdn_recut how, struct dsdn_error *error)
{
    uint32_t op = 0;
    for (uint32_t i = 0; i < r->bundle_cnt; i++) {
        const struct dsdn_story_bundle *b = &r->s->bundles[r->bundles[i]];
        for (uint32_t k = 0; k < b->event_cnt; k++, op++) {
            const struct dsdn_story_event *said = &r->s->events[b->first_event + k];
            char is[64], wanted[64];
            if (r->prepared.outcomes[op] == said->expected) continue;
            dsdn_outcome_text(r->s->catalogue, r->prepared.outcomes[op], is, sizeof is);
            dsdn_outcome_text(r->s->catalogue, said->expected, wanted, sizeof wanted);
            return dsdn_story_fail(r->s, said->line, DSDN_E_TRANSCRIPT, error,
                                   "%s: the event gives %s, not %s", names[how], is, wanted);
        }
    }
    return DSDN_OK;
}

static int compare_roles(const struct recut *r, enum dsdn_recut how, const struct dsdn_roots *a,
                         const struct dsdn_roots *b, const char *when, struct dsdn_error *error)
{
    for (uint32_t i = 0; i < a->role_cnt; i++)
        if (a->roles[i].role != 0 && !dsdn_equal32(a->roles[i].root, b->roles[i].root))
            return dsdn_story_fail(r->s, r->s->batches[r->s->tip].line, DSDN_E_ROOT, error,
                                   "%s: %s the root of role %s differs", names[how], when, a->roles[i].name);
    return DSDN_OK;
}

/* What was accepted is a duplicate now (or stale, when its nonce left the window); what was not is judged as
 * before. */
static int repeat(struct recut *r, const struct dsdn_story_batch *like, struct dsdn_error *error)
{
    struct dsdn_roots before, after;
    int rc = dsdn_engine_root(r->engine, 1, &before, error);
    if (!rc) rc = publish(r, like, true, error);
    if (!rc) rc = dsdn_engine_root(r->engine, 1, &after, error);
    if (!rc) rc = compare_roles(r, DSDN_RECUT_REPEATED, &before, &after, "by bundles that come again", error);
    uint32_t op = 0;
    for (uint32_t i = 0; !rc && i < r->bundle_cnt; i++) {
        const struct dsdn_story_bundle *b = &r->s->bundles[r->bundles[i]];
        for (uint32_t k = 0; kind_of(r, r->bundles[i]) != DSDN_BUNDLE_AUTHORITY && k < b->event_cnt;
             k++, op++) {
            uint8_t first = DSDN_OUTCOME_NUMBER(r->s->events[b->first_event + k].expected);
            uint8_t now = DSDN_OUTCOME_NUMBER(r->prepared.outcomes[op]);
            if (now == DSDN_OUTCOME_DUPLICATE || now == DSDN_OUTCOME_STALE || now == first) continue;
            return dsdn_story_fail(r->s, r->s->events[b->first_event + k].line, DSDN_E_TRANSCRIPT, error,
                                   "repeated: the event gives %s", dsdn_outcome_name(now));
        }
    }
    return rc;
}

static int close_batch(struct recut *r, enum dsdn_recut how, uint32_t like, struct dsdn_error *error)
{
    const struct dsdn_story_batch *b = &r->s->batches[like];
    int rc = publish(r, b, false, error);
    if (!rc) rc = compare_outcomes(r, how, error);
    if (!rc && how == DSDN_RECUT_REPEATED) rc = repeat(r, b, error);
    r->bundle_cnt = 0;
    return rc;
}

static int add(struct recut *r, uint32_t bundle, struct dsdn_error *error)
{
    if (r->bundle_cnt == sizeof r->bundles / sizeof *r->bundles)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "too many bundles for one batch");
    r->bundles[r->bundle_cnt++] = bundle;
    return DSDN_OK;
}

/* May the bundles of `next` stand in one batch with those of `b`?  Direct bundles would change places. */
static bool joins(const struct recut *r, const struct dsdn_story_batch *b,
                  const struct dsdn_story_batch *next)
{
    const struct dsdn_header *h = &b->header, *g = &next->header;
    bool direct = next->bundle_cnt && kind_of(r, next->first_bundle) == DSDN_BUNDLE_DIRECT;
    return !direct && h->time_ms == g->time_ms && h->origin.height == g->origin.height &&
           h->cursor.height == g->cursor.height && h->cursor.blob_index == g->cursor.blob_index &&
           h->committee_epoch == g->committee_epoch && b->publisher == next->publisher;
}

static int run(struct recut *r, enum dsdn_recut how, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    for (uint32_t i = 0; !rc && i < r->chain_cnt; i++) {
        const struct dsdn_story_batch *b = &r->s->batches[r->chain[i]];
        const struct dsdn_story_batch *next = i + 1 < r->chain_cnt ? &r->s->batches[r->chain[i + 1]] : NULL;
        for (uint32_t k = 0; !rc && k < b->bundle_cnt; k++) {
            if (how == DSDN_RECUT_SPLIT && k) rc = close_batch(r, how, r->chain[i], error);
            if (!rc) rc = add(r, b->first_bundle + k, error);
        }
        if (!rc && !(how == DSDN_RECUT_MERGED && next && joins(r, b, next)))
            rc = close_batch(r, how, r->chain[i], error);
    }
    return rc;
}

int dsdn_story_recut(const struct dsdn_story *s, enum dsdn_recut how, const struct dsdn_roots *wanted,
                     struct dsdn_error *error)
{
    struct recut *r = calloc(1, sizeof *r);
    if (!r) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for another cut");
    struct dsdn_roots roots;
    r->s = s;
    int rc = dsdn_story_chain(s, s->tip, &r->chain, &r->chain_cnt, error);
    if (!rc) rc = dsdn_story_begin(s, NULL, &r->engine, error);
    if (!rc) rc = run(r, how, error);
    if (!rc) rc = dsdn_engine_root(r->engine, 1, &roots, error);
    /* Repeated events have ordinals of their own, which rows may hold. */
    if (!rc && how != DSDN_RECUT_REPEATED) rc = compare_roles(r, how, wanted, &roots, "at the end", error);
    dsdn_engine_free(r->engine);
    dsdn_prepared_free(&r->prepared);
    dsdn_buffer_free(&r->body);
    dsdn_buffer_free(&r->bytes);
    free(r->chain);
    free(r);
    return rc;
}
