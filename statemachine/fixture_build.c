/* fixture_build.c: bundles and batches of a story as bytes, the wrong ones too. */
#include "statemachine/fixture_story.h"

#include "log/hash.h"

#include <stdlib.h>

int dsdn_story_append(struct dsdn_buffer *buffer, const void *bytes, size_t len, struct dsdn_error *error)
{
    if (buffer->len + len > DSDN_BATCH_LIMIT)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "more than %u bytes", DSDN_BATCH_LIMIT);
    if (buffer->len + len > buffer->cap) {
        int rc = dsdn_buffer_reserve(buffer, (buffer->len + len) * 2, error);
        if (rc) return rc;
    }
    if (len) memcpy(buffer->bytes + buffer->len, bytes, len);
    buffer->len += len;
    return DSDN_OK;
}

/* ---- bundles ---- */

int dsdn_story_bundle_begin(struct dsdn_story *s, struct dsdn_story_draft *d, uint32_t line,
                            struct dsdn_error *error)
{
    static const uint8_t header[DSDN_BUNDLE_LEN];
    int rc = dsdn_story_grow((void **)&s->bundles, sizeof *s->bundles, s->bundle_cnt, &s->bundle_cap, error);
    if (rc) return rc;
    struct dsdn_story_bundle *b = &s->bundles[s->bundle_cnt++];
    *b = (struct dsdn_story_bundle){.first_event = s->event_cnt, .line = line};
    d->batch.bundle_cnt++;
    d->bundle_open = true;
    d->bundle = (struct dsdn_bundle){.kind = DSDN_BUNDLE_POOL, .scheme = DSDN_SCHEME_ED25519};
    memset(d->author, 0, 32);
    memcpy(d->bundle_genesis, s->genesis.hash, 32);
    d->bundle_signer = DSDN_STORY_NONE;
    d->bundle_damaged = d->has_count = d->has_length = false;
    d->expected = DSDN_OUTCOME_OK;
    return dsdn_story_append(&b->bytes, header, sizeof header, error);
}

int dsdn_story_bundle_frame(struct dsdn_story *s, struct dsdn_story_draft *d, const uint8_t *bytes,
                            size_t len, uint32_t line, struct dsdn_error *error)
{
    struct dsdn_story_bundle *b = &s->bundles[s->bundle_cnt - 1];
    int rc = dsdn_story_grow((void **)&s->events, sizeof *s->events, s->event_cnt, &s->event_cap, error);
    if (rc) return rc;
    s->events[s->event_cnt++] = (struct dsdn_story_event){d->expected, line};
    b->event_cnt++;
    return dsdn_story_append(&b->bytes, bytes, len, error);
}

int dsdn_story_bundle_end(struct dsdn_story *s, struct dsdn_story_draft *d, struct dsdn_error *error)
{
    if (!d->bundle_open) return DSDN_OK;
    d->bundle_open = false;
    struct dsdn_story_bundle *stored = &s->bundles[s->bundle_cnt - 1];
    struct dsdn_bundle *b = &d->bundle;
    if (!stored->event_cnt)
        return dsdn_story_fail(s, stored->line, DSDN_E_MALFORMED, error, "a bundle without events");
    uint8_t *out = stored->bytes.bytes, message[32];
    b->author = d->author;
    b->events = out + DSDN_BUNDLE_LEN;
    if (!d->has_count) b->event_count = (uint16_t)stored->event_cnt;
    uint32_t said = b->events_len;
    b->events_len = (uint32_t)(stored->bytes.len - DSDN_BUNDLE_LEN); /* what is signed is what is there */
    if (b->kind != DSDN_BUNDLE_AUTHORITY && d->bundle_signer != DSDN_STORY_NONE) {
        dsdn_bundle_message(d->bundle_genesis, b, message);
        dsdn_sign(&s->names[d->bundle_signer].key, message, out + 56);
        out[56] ^= d->bundle_damaged;
    }
    if (d->has_length) b->events_len = said;
    out[0] = b->kind;
    out[1] = b->scheme;
    memcpy(out + 2, d->author, 32);
    dsdn_store64(out + 34, b->nonce);
    dsdn_store64(out + 42, b->valid_until);
    dsdn_store16(out + 50, b->event_count);
    dsdn_store32(out + 52, b->events_len);
    return DSDN_OK;
}

/* ---- batches ---- */

int dsdn_story_seal(struct dsdn_header *h, const uint8_t *body, size_t len, const struct dsdn_sign_key *key,
                    struct dsdn_buffer *out, struct dsdn_error *error)
{
    uint8_t front[DSDN_BATCH_FIXED_LEN] = {0}, message[32];
    h->body_len = (uint32_t)len;
    dsdn_header_encode(h, front);
    if (key) {
        dsdn_batch_message(front, message);
        dsdn_sign(key, message, front + DSDN_HEADER_LEN);
    }
    out->len = 0;
    int rc = dsdn_story_append(out, front, sizeof front, error);
    return rc ? rc : dsdn_story_append(out, body, len, error);
}

static int damage(const struct dsdn_story *s, const struct dsdn_story_draft *d, struct dsdn_buffer *bytes,
                  struct dsdn_error *error)
{
    for (uint32_t i = 0; i < d->damage_cnt; i++) {
        uint32_t at = d->damage[i].at;
        int rc = DSDN_OK;
        switch (d->damage[i].kind) {
        case DAMAGE_FLIP:
            if (at >= bytes->len)
                return dsdn_story_fail(s, d->batch.line, DSDN_E_MALFORMED, error, "the batch has no byte %u",
                                       at);
            bytes->bytes[at] ^= d->damage[i].bytes[0];
            break;
        case DAMAGE_CUT:
            if (at >= bytes->len)
                return dsdn_story_fail(s, d->batch.line, DSDN_E_MALFORMED, error,
                                       "the batch has only %zu bytes", bytes->len);
            bytes->len -= at;
            break;
        case DAMAGE_APPEND: rc = dsdn_story_append(bytes, d->damage[i].bytes, d->damage[i].len, error); break;
        }
        if (rc) return rc;
    }
    return DSDN_OK;
}

/* The newest quorum set that the story declared under this id (NONE: under any). */
static const struct dsdn_story_set *quorum_set(const struct dsdn_story *s, uint32_t id)
{
    uint32_t i = s->set_cnt;
    while (i && id != DSDN_STORY_NONE && s->sets[i - 1].id != id) i--;
    return i ? &s->sets[i - 1] : NULL;
}

/* The quorum's certificate over the batch: those named sign, in set order. */
static int certify(const struct dsdn_story *s, const struct dsdn_story_draft *d, struct dsdn_story_batch *b,
                   struct dsdn_error *error)
{
    if (!d->certifier_cnt) return DSDN_OK;
    const struct dsdn_story_set *set = quorum_set(s, d->certificate_set);
    if (!set)
        return dsdn_story_fail(s, b->line, DSDN_E_MALFORMED, error, "no quorum set %u was declared",
                               d->certificate_set);
    uint8_t signatures[64][64], message[32], out[6 + 8 + 64 * 64];
    const uint8_t *at[64] = {0};
    dsdn_certificate_message(s->genesis.hash, set->id, b->header.sequence, b->hash, message);
    for (uint32_t i = 0; i < d->certifier_cnt; i++) {
        const struct dsdn_story_name *name = &s->names[d->certifiers[i]];
        uint32_t seat = 0;
        while (seat < set->cnt && !dsdn_equal32(set->members[seat], name->hash)) seat++;
        if (seat == set->cnt)
            return dsdn_story_fail(s, b->line, DSDN_E_MALFORMED, error, "%s is not in the quorum set",
                                   name->name);
        dsdn_sign(&name->key, message, signatures[seat]);
        at[seat] = signatures[seat];
    }
    size_t len = dsdn_certificate_encode(set->id, at, set->cnt, out, sizeof out);
    return dsdn_story_append(&b->certificate, out, len, error);
}

static int assemble(struct dsdn_story *s, struct dsdn_story_draft *d, struct dsdn_story_batch *b,
                    struct dsdn_error *error)
{
    struct dsdn_buffer body = {0};
    int rc = DSDN_OK;
    for (uint32_t i = 0; !rc && i < b->bundle_cnt; i++) {
        const struct dsdn_buffer *bytes = &s->bundles[b->first_bundle + i].bytes;
        rc = dsdn_story_append(&body, bytes->bytes, bytes->len, error);
    }
    if (!rc) {
        struct dsdn_header *h = &b->header;
        h->bundle_count = d->has_bundle_count ? (uint32_t)d->bundle_count : b->bundle_cnt;
        if (d->has_genesis) memcpy(h->genesis, d->genesis, 32);
        dsdn_body_hash(body.bytes, body.len, h->body_hash);
        if (d->has_body_hash) memcpy(h->body_hash, d->body_hash, 32);
        const struct dsdn_sign_key *key = d->signer == DSDN_STORY_NONE ? NULL : &s->names[d->signer].key;
        rc = dsdn_story_seal(h, body.bytes, body.len, key, &b->bytes, error);
    }
    if (!rc) {
        dsdn_batch_hash(b->bytes.bytes, b->hash);
        rc = certify(s, d, b, error);
    }
    if (!rc) rc = damage(s, d, &b->bytes, error);
    dsdn_buffer_free(&body);
    return rc;
}

int dsdn_story_batch_end(struct dsdn_story *s, struct dsdn_story_draft *d, struct dsdn_error *error)
{
    if (!d->batch_open) return DSDN_OK;
    int rc = dsdn_story_bundle_end(s, d, error);
    if (!rc)
        rc = dsdn_story_grow((void **)&s->batches, sizeof *s->batches, s->batch_cnt, &s->batch_cap, error);
    if (!rc && !d->hold)
        rc = dsdn_story_grow((void **)&s->steps, sizeof *s->steps, s->step_cnt, &s->step_cap, error);
    if (rc) return rc;
    d->batch_open = false;
    struct dsdn_story_batch *b = &s->batches[s->batch_cnt++];
    *b = d->batch;
    rc = assemble(s, d, b, error);
    if (rc || d->hold) return rc;
    s->steps[s->step_cnt++] = (struct dsdn_story_step){.batch = s->batch_cnt - 1,
                                                       .refused = d->refused,
                                                       .refused_bundle = d->refused_bundle,
                                                       .refused_event = d->refused_event,
                                                       .line = b->line};
    if (!d->refused) s->tip = s->batch_cnt - 1;
    return DSDN_OK;
}
