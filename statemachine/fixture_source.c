/* fixture_source.c: the chain at the end of a story as a source of batches. */
#include "statemachine/fixture_story.h"

#include <stdlib.h>

struct fixture_source {
    struct dsdn_source base;
    const struct dsdn_story *story;
    struct dsdn_story *owned; /* NULL: borrowed */
    uint32_t *chain;
    uint32_t next;
};

static int source_next(struct dsdn_source *base, struct dsdn_buffer *buffer, struct dsdn_record *record,
                       struct dsdn_error *error)
{
    struct fixture_source *f = (struct fixture_source *)base;
    if (f->next == base->count) return dsdn_fail(error, DSDN_E_AGAIN, "the story ends here");
    const struct dsdn_buffer *bytes = &f->story->batches[f->chain[f->next]].bytes;
    int rc = dsdn_buffer_reserve(buffer, bytes->len, error);
    if (rc) return rc;
    memcpy(buffer->bytes, bytes->bytes, bytes->len);
    buffer->len = bytes->len;
    *record = (struct dsdn_record){
        .sequence = f->next++, .batch = buffer->bytes, .len = bytes->len, .file = f->story->path};
    return DSDN_OK;
}

static int source_seek(struct dsdn_source *base, uint64_t sequence, struct dsdn_error *error)
{
    struct fixture_source *f = (struct fixture_source *)base;
    if (sequence > base->count)
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "the story has %llu batches",
                         (unsigned long long)base->count);
    f->next = (uint32_t)sequence;
    return DSDN_OK;
}

static void source_close(struct dsdn_source *base)
{
    struct fixture_source *f = (struct fixture_source *)base;
    if (f->owned) dsdn_story_close(f->owned);
    free(f->owned);
    free(f->chain);
    free(f);
}

static const struct dsdn_source_ops ops = {source_next, source_seek, source_close};

int dsdn_story_source(const struct dsdn_story *s, struct dsdn_source **source, struct dsdn_error *error)
{
    uint32_t cnt;
    struct fixture_source *f = calloc(1, sizeof *f);
    if (!f) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a source");
    int rc = dsdn_story_chain(s, s->tip, &f->chain, &cnt, error);
    if (rc) {
        free(f);
        return rc;
    }
    f->base = (struct dsdn_source){
        .ops = &ops, .kind = "fixture", .genesis = {s->genesis.bytes, s->genesis.len}, .count = cnt};
    f->story = s;
    for (uint32_t i = 0; i < cnt; i++) {
        const struct dsdn_story_batch *b = &s->batches[f->chain[i]];
        f->base.bytes += b->bytes.len;
        for (uint32_t k = 0; k < b->bundle_cnt; k++)
            f->base.events += s->bundles[b->first_bundle + k].event_cnt;
    }
    *source = &f->base;
    return DSDN_OK;
}

int dsdn_fixture_source_open(const struct dsdn_catalogue *catalogue, const char *directory,
                             struct dsdn_source **source, struct dsdn_error *error)
{
    struct dsdn_story *s = malloc(sizeof *s);
    if (!s) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a story");
    int rc = dsdn_story_open(s, catalogue, directory, error);
    if (!rc) rc = dsdn_story_source(s, source, error);
    if (rc) {
        dsdn_story_close(s);
        free(s);
        return rc;
    }
    ((struct fixture_source *)*source)->owned = s;
    return DSDN_OK;
}
