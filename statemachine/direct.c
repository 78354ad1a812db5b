/* direct.c: the queue of direct bundles and the selection of protocol.md, section 7. */
#include "statemachine/direct.h"

#include "log/hash.h"
#include "statemachine/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the queue ---- */

static void entry_free(struct dsdn_direct_queue *q, struct dsdn_direct *d)
{
    if (!d->bundle) return;
    free(d->bundle);
    d->bundle = NULL;
    q->bundle_bytes -= d->len - DSDN_DIRECT_PREFIX;
}

void dsdn_direct_queue_free(struct dsdn_direct_queue *q)
{
    for (uint32_t i = 0; i < q->cnt; i++) entry_free(q, &q->entries[i]);
    free(q->entries);
    *q = (struct dsdn_direct_queue){0};
}

size_t dsdn_direct_queue_bytes(const struct dsdn_direct_queue *q)
{
    return q->cnt * sizeof *q->entries + q->bundle_bytes;
}

static bool behind(const struct dsdn_direct *d, uint64_t height, uint32_t index)
{
    return d->height > height || (d->height == height && d->index > index);
}

/* The first entry behind a place. */
static uint32_t first_behind(const struct dsdn_direct_queue *q, uint64_t height, uint32_t index)
{
    uint32_t low = 0, high = q->cnt;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (behind(&q->entries[middle], height, index))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Gives memory back once three quarters of it are not used. */
static void shrink(struct dsdn_direct_queue *q)
{
    if (q->cap < 256 || q->cnt > q->cap / 4) return;
    uint32_t cap = q->cap / 2;
    struct dsdn_direct *less = realloc(q->entries, cap * sizeof *less);
    if (!less) return;
    q->entries = less;
    q->cap = cap;
}

void dsdn_direct_queue_drop(struct dsdn_direct_queue *q, const struct dsdn_cursor *cursor)
{
    uint32_t gone = first_behind(q, cursor->height, cursor->blob_index);
    if (!gone) return;
    for (uint32_t i = 0; i < gone; i++) entry_free(q, &q->entries[i]);
    memmove(q->entries, q->entries + gone, (q->cnt - gone) * sizeof *q->entries);
    q->cnt -= gone;
    shrink(q);
}

void dsdn_direct_queue_release(struct dsdn_direct_queue *q, const struct dsdn_cursor *cursor)
{
    uint32_t end = first_behind(q, cursor->height, cursor->blob_index);
    for (uint32_t i = end; q->bundle_bytes && i-- > 0;) entry_free(q, &q->entries[i]);
}

void dsdn_direct_queue_cut(struct dsdn_direct_queue *q, uint64_t height)
{
    while (q->cnt && q->entries[q->cnt - 1].height >= height) entry_free(q, &q->entries[--q->cnt]);
    shrink(q);
}

/* Every event must be one that this program knows, in canonical form: what is not could not stand in a valid
 * batch (docs/decisions/0012).  *since: the version that enables them all. */
static int read_events(const struct dsdn_catalogue *c, const struct dsdn_bundle *b, uint64_t *since,
                       struct dsdn_error *error)
{
    const uint8_t *at = b->events, *end = at + b->events_len;
    struct dsdn_frame frame = {0};
    *since = 0;
    for (uint32_t i = 0; i < b->event_count; i++) {
        struct dsdn_op op;
        int rc = dsdn_frame_next(b->events, &at, end, &frame, error);
        if (rc) return rc;
        int event = dsdn_event_find(c->events, frame.type);
        if (event < 0 || !frame.version || frame.version > c->events->events[event].version)
            return dsdn_fail(error, DSDN_E_TYPE_DISABLED, "event type 0x%04x version %u is not known",
                             frame.type, frame.version);
        op = (struct dsdn_op){.payload = frame.payload, .len = frame.len, .version = frame.version};
        if (!c->reducers[event].prepare(&op, 0))
            return dsdn_fail(error, DSDN_E_MALFORMED, "the payload of %s v%u (%u bytes) is not canonical",
                             c->events->events[event].name, frame.version, frame.len);
        if (c->events->events[event].since > *since) *since = c->events->events[event].since;
    }
    return at == end ? DSDN_OK
                     : dsdn_fail(error, DSDN_E_MALFORMED, "%zu bytes behind the events of a bundle",
                                 (size_t)(end - at));
}

static int keep_bundle(struct dsdn_direct_queue *q, struct dsdn_direct *d, const uint8_t *bytes,
                       struct dsdn_error *error)
{
    size_t len = d->len - DSDN_DIRECT_PREFIX;
    if (!(d->bundle = malloc(len)))
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a direct bundle");
    memcpy(d->bundle, bytes + DSDN_DIRECT_PREFIX, len);
    q->bundle_bytes += len;
    return DSDN_OK;
}

static int reserve_one(struct dsdn_direct_queue *q, struct dsdn_error *error)
{
    if (q->cnt < q->cap) return DSDN_OK;
    uint32_t cap = q->cap ? q->cap + q->cap / 2 : 64;
    struct dsdn_direct *more = realloc(q->entries, cap * sizeof *more);
    if (!more) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %u direct bundles", cap);
    q->entries = more;
    q->cap = cap;
    return DSDN_OK;
}

int dsdn_direct_queue_add(struct dsdn_direct_queue *q, const struct dsdn_catalogue *c,
                          const uint8_t genesis[32], uint64_t height, uint32_t index, const uint8_t *bytes,
                          size_t len, bool keep, struct dsdn_key_cache *cache, struct dsdn_error *error)
{
    struct dsdn_bundle b;
    struct dsdn_direct d = {.height = height, .index = index, .len = (uint32_t)len};
    uint8_t message[32];
    if (len > DSDN_DIRECT_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a direct blob of %zu bytes; no network takes more than %u",
                         len, DSDN_DIRECT_MAX);
    int rc = dsdn_direct_decode(bytes, len, genesis, &b, error);
    if (rc) return rc;
    dsdn_sha256(bytes + DSDN_DIRECT_PREFIX, len - DSDN_DIRECT_PREFIX, d.digest);
    uint32_t at = first_behind(q, height, index);
    struct dsdn_direct *have = at ? &q->entries[at - 1] : NULL;
    if (have && have->height == height && have->index == index) {
        if (!dsdn_equal32(have->digest, d.digest))
            return dsdn_fail(error, DSDN_E_USAGE, "another direct blob stands at height %llu index %u",
                             (unsigned long long)height, index);
        return keep && !have->bundle ? keep_bundle(q, have, bytes, error) : DSDN_OK;
    }
    if (at != q->cnt) return dsdn_fail(error, DSDN_E_USAGE, "direct blobs come in order of their places");
    if ((rc = read_events(c, &b, &d.since, error))) return rc;
    dsdn_bundle_message(genesis, &b, message);
    if (!dsdn_verify(cache, b.author, message, b.signature))
        return dsdn_fail(error, DSDN_E_SIGNATURE,
                         "a direct bundle's signature does not verify under its author's key");
    d.nonce = b.nonce;
    d.valid_until = b.valid_until;
    memcpy(d.author, b.author, 32);
    if ((rc = reserve_one(q, error))) return rc;
    if (keep && (rc = keep_bundle(q, &d, bytes, error))) return rc;
    q->entries[q->cnt++] = d;
    return DSDN_OK;
}

/* ---- who may, and what it costs ---- */

uint64_t dsdn_direct_fee(uint64_t direct_fee, uint32_t len)
{
    uint64_t steps = ((uint64_t)len + DSDN_DIRECT_FEE_STEP - 1) / DSDN_DIRECT_FEE_STEP, fee;
    return __builtin_mul_overflow(direct_fee, steps, &fee) ? UINT64_MAX : fee;
}

static bool pays_nothing(const struct dsdn_catalogue *c, const struct dsdn_state *s, const uint8_t author[32])
{
    return !c->registered || c->registered(s, author);
}

static bool can_pay(const struct dsdn_catalogue *c, const struct dsdn_state *s, const uint8_t author[32],
                    uint64_t time_ms, uint64_t fee)
{
    return !fee || (c->spendable && c->spendable(s, author, time_ms) >= fee);
}

void dsdn_direct_charge(struct dsdn_engine *e, const struct dsdn_prepared *p)
{
    const struct dsdn_catalogue *c = e->catalogue;
    uint64_t time_ms = p->batch.header.time_ms, rate = (uint64_t)DSDN_SETTING(&e->state, direct_fee);
    for (uint32_t i = 0; i < p->bundle_cnt && p->bundles[i].bundle.kind == DSDN_BUNDLE_DIRECT; i++) {
        const struct dsdn_bundle *b = &p->bundles[i].bundle;
        uint64_t fee = dsdn_direct_fee(rate, DSDN_DIRECT_PREFIX + DSDN_BUNDLE_LEN + b->events_len);
        if (fee && c->spendable && c->charge && !pays_nothing(c, &e->state, b->author)) {
            uint64_t free_units = c->spendable(&e->state, b->author, time_ms);
            c->charge(&e->state, b->author, fee < free_units ? fee : free_units);
        }
    }
}

/* ---- the selection ---- */

/* A set of (key, number) with a count each: which (author, nonce) came already, and how many of an author at
 * a height.  Hashes are seeded like those of the tables. */
struct tally {
    struct tally_slot {
        const uint8_t *key; /* NULL: free */
        uint64_t number;
        uint32_t count;
    } * slots;
    uint32_t used, mask;
    uint64_t seed;
};

static struct tally_slot *tally_slot(const struct tally *t, const uint8_t *key, uint64_t number)
{
    uint32_t i = (uint32_t)dsdn_key_mix(dsdn_key_hash(t->seed, key, 32), number ^ 0x8EBC6AF09C88C6E3ull);
    for (i &= t->mask; t->slots[i].key; i = (i + 1) & t->mask)
        if (t->slots[i].number == number && dsdn_equal32(t->slots[i].key, key)) break;
    return &t->slots[i];
}

/* The slot of (key, number), made with count 0 if it was not there; NULL: no memory. */
static struct tally_slot *tally_of(struct tally *t, const uint8_t *key, uint64_t number)
{
    if (!t->slots || t->used >= t->mask / 2) {
        struct tally more = {.mask = t->slots ? t->mask * 2 + 1 : 255, .used = t->used, .seed = t->seed};
        if (!(more.slots = calloc((size_t)more.mask + 1, sizeof *more.slots))) return NULL;
        for (uint32_t i = 0; t->slots && i <= t->mask; i++)
            if (t->slots[i].key) *tally_slot(&more, t->slots[i].key, t->slots[i].number) = t->slots[i];
        free(t->slots);
        *t = more;
    }
    struct tally_slot *slot = tally_slot(t, key, number);
    if (!slot->key) {
        *slot = (struct tally_slot){key, number, 0};
        t->used++;
    }
    return slot;
}

void dsdn_direct_selection_free(struct dsdn_direct_selection *selection)
{
    free(selection->blobs);
    *selection = (struct dsdn_direct_selection){0};
}

static int take(struct dsdn_direct_selection *out, const struct dsdn_direct *d, struct dsdn_error *error)
{
    if (out->cnt == out->cap) {
        uint32_t cap = out->cap ? out->cap * 2 : 64;
        const struct dsdn_direct **more = realloc(out->blobs, cap * sizeof *more);
        if (!more) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to select %u direct bundles", cap);
        out->blobs = more;
        out->cap = cap;
    }
    out->blobs[out->cnt++] = d;
    out->bytes += d->len;
    return DSDN_OK;
}

/* What of eligibility one blob has by itself. */
static bool passes(const struct dsdn_engine *e, const struct dsdn_direct *d, uint64_t time_ms,
                   uint64_t version)
{
    const struct dsdn_state *s = &e->state;
    const struct dsdn_bundle b = {.author = d->author, .nonce = d->nonce, .valid_until = d->valid_until};
    uint32_t row;
    if (d->len > (uint64_t)DSDN_SETTING(s, direct_max) || d->since > version) return false;
    if (dsdn_nonce_judge(s, &b, time_ms, &row) != DSDN_OUTCOME_OK) return false;
    return pays_nothing(e->catalogue, s, d->author) ||
           can_pay(e->catalogue, s, d->author, time_ms,
                   dsdn_direct_fee((uint64_t)DSDN_SETTING(s, direct_fee), d->len));
}

int dsdn_direct_select(const struct dsdn_engine *e, const struct dsdn_direct_queue *q,
                       const struct dsdn_origin *origin, uint64_t time_ms, struct dsdn_direct_selection *out,
                       struct dsdn_error *error)
{
    const struct dsdn_state *s = &e->state;
    const struct dsdn_sys_row_head *head = dsdn_head(s);
    struct dsdn_header h = {.sequence = head->sequence, .time_ms = time_ms, .origin = *origin};
    h.cursor = (struct dsdn_cursor){head->cursor_height, head->cursor_index};
    out->cursor = h.cursor;
    out->cnt = 0;
    out->bytes = 0;
    out->backlog = dsdn_backlog(s, &h);
    if (out->backlog || !head->has_primary) return DSDN_OK;

    struct dsdn_tick tick = dsdn_tick_of(s, &h);
    uint64_t version = dsdn_version_at(s, &tick), budget = (uint64_t)DSDN_SETTING(s, direct_budget);
    struct tally nonces = {.seed = s->seed}, heights = {.seed = ~s->seed};
    bool full = false;
    int rc = DSDN_OK;
    for (uint32_t i = first_behind(q, h.cursor.height, h.cursor.blob_index);
         !rc && !full && i < q->cnt && q->entries[i].height <= origin->height; i++) {
        const struct dsdn_direct *d = &q->entries[i];
        if (!passes(e, d, time_ms, version)) continue;
        struct tally_slot *of_nonce = tally_of(&nonces, d->author, d->nonce), *of_height = NULL;
        if (of_nonce && of_nonce->count++) continue;
        if (of_nonce) of_height = tally_of(&heights, d->author, d->height);
        if (!of_height) {
            rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to select direct bundles");
        } else if (of_height->count++ < DSDN_DIRECT_PER_HEIGHT) {
            full = out->bytes + d->len > budget;
            if (!full) rc = take(out, d, error);
        }
    }
    free(nonces.slots);
    free(heights.slots);
    out->cursor = (struct dsdn_cursor){origin->height, DSDN_CURSOR_END};
    if (full && out->cnt) {
        const struct dsdn_direct *last = out->blobs[out->cnt - 1];
        out->cursor = (struct dsdn_cursor){last->height, last->index};
    }
    return rc;
}

/* ---- comparing ---- */

/* "author 0123456789abcdef.. nonce 7" */
static const char *who(const uint8_t author[32], uint64_t nonce, char out[64])
{
    char hex[17];
    for (int i = 0; i < 8; i++) {
        hex[2 * i] = "0123456789abcdef"[author[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[author[i] & 15];
    }
    hex[16] = 0;
    snprintf(out, 64, "author %s.. nonce %llu", hex, (unsigned long long)nonce);
    return out;
}

static void digest_of(const struct dsdn_bundle *b, uint8_t digest[32])
{
    dsdn_sha256(b->events - DSDN_BUNDLE_LEN, DSDN_BUNDLE_LEN + (size_t)b->events_len, digest);
}

/* Bundle i of the batch is not the i-th of the selection: says which one is left out, or what is there
 * without being selected. */
static int differs(const struct dsdn_direct_queue *q, const struct dsdn_prepared *p, uint32_t i,
                   uint32_t direct, const struct dsdn_direct_selection *selection, struct dsdn_error *error)
{
    char name[64];
    uint8_t digest[32] = {0};
    const struct dsdn_direct *want = i < selection->cnt ? selection->blobs[i] : NULL;
    bool later = i >= direct; /* is bundle i a later one of the selection, or none at all? */
    if (i < direct) {
        digest_of(&p->bundles[i].bundle, digest);
        for (uint32_t k = i; !later && k < selection->cnt; k++)
            later = dsdn_equal32(selection->blobs[k]->digest, digest);
    }
    if (later && want) {
        dsdn_fail(error, DSDN_E_DIRECT, "the direct bundle of %s at height %llu index %u is left out",
                  who(want->author, want->nonce, name), (unsigned long long)want->height, want->index);
    } else {
        const struct dsdn_bundle *b = &p->bundles[i].bundle;
        const struct dsdn_direct *seen = NULL;
        for (uint32_t k = 0; !seen && k < q->cnt; k++)
            if (dsdn_equal32(q->entries[k].digest, digest)) seen = &q->entries[k];
        if (seen)
            dsdn_fail(
                error, DSDN_E_DIRECT,
                "the direct bundle of %s at height %llu index %u is not one of those that this batch takes",
                who(b->author, b->nonce, name), (unsigned long long)seen->height, seen->index);
        else
            dsdn_fail(error, DSDN_E_DIRECT,
                      "the primary does not have the direct bundle of %s behind the cursor",
                      who(b->author, b->nonce, name));
    }
    if (error) {
        dsdn_error_in(error, p->batch.header.sequence);
        error->bundle = i;
    }
    return DSDN_E_DIRECT;
}

int dsdn_direct_judge(const struct dsdn_direct_queue *q, const struct dsdn_prepared *p,
                      const struct dsdn_direct_selection *selection, struct dsdn_error *error)
{
    const struct dsdn_header *h = &p->batch.header;
    uint32_t direct = 0;
    if (dsdn_zero32(h->publisher)) return DSDN_OK;
    while (direct < p->bundle_cnt && p->bundles[direct].bundle.kind == DSDN_BUNDLE_DIRECT) direct++;
    for (uint32_t i = 0; i < direct || i < selection->cnt; i++) {
        uint8_t digest[32] = {0};
        if (i < direct) digest_of(&p->bundles[i].bundle, digest);
        if (i >= direct || i >= selection->cnt || !dsdn_equal32(digest, selection->blobs[i]->digest))
            return differs(q, p, i, direct, selection, error);
    }
    if (h->cursor.height == selection->cursor.height && h->cursor.blob_index == selection->cursor.blob_index)
        return DSDN_OK;
    dsdn_fail(error, DSDN_E_CURSOR,
              "da_cursor is at height %llu index %u; what this batch takes ends at %llu index %u",
              (unsigned long long)h->cursor.height, h->cursor.blob_index,
              (unsigned long long)selection->cursor.height, selection->cursor.blob_index);
    return dsdn_error_in(error, h->sequence), DSDN_E_CURSOR;
}
