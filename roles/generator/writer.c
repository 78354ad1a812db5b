/* writer.c: events into bundles, bundles into batches. */
#include "roles/generator/model.h"
#include "roles/dsdn.h"

/* No generated event is larger, frame and a fresh bundle header included. */
#define EVENT_ROOM 2048u

bool writer_done(const struct generator *g)
{
    return g->rc || g->written == g->options.events;
}

static const struct dsdn_sign_key *signer(const struct author *author)
{
    return author ? &author->key : NULL;
}

static void bundle_close(struct generator *g)
{
    if (!g->bundle_open) return;
    g->bundle_open = false;
    g->rc = dsdn_batch_builder_end(g->builder, g->genesis.hash, signer(g->bundle_author), g->error);
}

static void bundle_begin(struct generator *g, struct author *author, uint64_t nonce, uint64_t valid_until)
{
    g->rc = dsdn_batch_builder_begin(g->builder, author ? DSDN_BUNDLE_POOL : DSDN_BUNDLE_AUTHORITY,
                                     author ? author->key.public_key : NULL, nonce, valid_until, g->error);
    g->bundle_open = !g->rc;
    g->bundle_author = author;
}

/* Events of the next signed bundle: 100 / P on average, each bundle a whole number. */
static uint32_t bundle_size(struct generator *g)
{
    uint64_t percent = g->options.signed_percent, i = g->bundle_number++;
    if (!percent) return UINT16_MAX;
    return (uint32_t)((i + 1) * 100 / percent - i * 100 / percent);
}

static void root_ask(struct generator *g, uint64_t sequence)
{
    uint64_t step = (uint64_t)dsdn_genesis_parameter(&g->genesis.event, DSDN_PARAMETER_attest_every);
    if (g->rc || !g->options.root || sequence % step) return;
    g->rc = g->options.root(g->options.self, sequence, g->root, g->error);
    g->root_sequence = sequence;
    g->root_known = g->root_fresh = !g->rc;
}

void writer_flush(struct generator *g)
{
    bundle_close(g);
    if (g->rc || !g->in_batch) return;
    struct dsdn_header header = {
        .sequence = g->sequence, .committee_epoch = g->authority_epoch, .time_ms = g->time_ms};
    struct dsdn_view view;
    memcpy(header.genesis, g->genesis.hash, 32);
    memcpy(header.prev, g->prev, 32);
    memcpy(header.publisher, g->authority.public_key, 32);
    g->rc = dsdn_batch_builder_finish(g->builder, &header, &g->authority, &view, g->error);
    if (g->rc) return;
    dsdn_batch_hash(view.bytes, g->prev);
    struct dsdn_generated_batch batch = {view.bytes, view.len, g->sequence, g->in_batch};
    g->rc = g->options.emit(g->options.self, &batch, g->error);
    root_ask(g, g->sequence);
    dsdn_batch_builder_reset(g->builder);
    g->in_batch = 0;
    g->sequence++;
    g->time_ms += 2000 + below(g, 4000);
    g->world_known = false;
}

void time_pass(struct generator *g, uint64_t ms)
{
    writer_flush(g);
    g->time_ms += ms;
    g->world_known = false;
}

/* Room for one more event, in the batch. */
static bool batch_ready(struct generator *g)
{
    if (writer_done(g)) return false;
    if (g->in_batch == g->options.events_per_batch ||
        dsdn_batch_builder_size(g->builder) + EVENT_ROOM > DSDN_BATCH_MAX - 512)
        writer_flush(g);
    return !g->rc;
}

/* And in a bundle of this author. */
static bool bundle_ready(struct generator *g, struct author *author)
{
    if (!batch_ready(g)) return false;
    if (g->bundle_open && g->bundle_author == author && g->bundle_room) return true;
    bundle_close(g);
    if (g->rc) return false;
    g->bundle_room = author ? bundle_size(g) : UINT16_MAX;
    bundle_begin(g, author, author ? ++author->nonce : 0, 0);
    return !g->rc;
}

static bool encode(struct generator *g, int event, const void *e, uint8_t *payload, uint32_t *len)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    g->rc = dsdn_event_encode(desc, desc->version, e, payload, EVENT_ROOM, len, g->error);
    return !g->rc;
}

static bool append(struct generator *g, int event, const uint8_t *payload, uint32_t len)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    g->rc = dsdn_batch_builder_event(g->builder, desc->type, desc->version, payload, len, g->error);
    if (g->rc) return false;
    g->written++;
    g->in_batch++;
    g->bundle_room--;
    return true;
}

bool put(struct generator *g, struct author *author, int event, const void *e)
{
    uint8_t payload[EVENT_ROOM];
    uint32_t len;
    if (!bundle_ready(g, author) || !encode(g, event, e, payload, &len) || !append(g, event, payload, len))
        return false;
    world_event(g, author, event, payload, len, false);
    return true;
}

/* The key that a SIGNED_BY line asks for signed. */
static bool genuine(int event, const uint8_t *payload, uint32_t len, const struct dsdn_sign_key *key)
{
    const struct dsdn_reducer *reducer = &dsdn_catalogue.reducers[event];
    struct dsdn_embedded declared;
    return !reducer->embedded ||
           (reducer->embedded(payload, len, dsdn_event_table.events[event].version, &declared) &&
            dsdn_equal32(declared.key, key->public_key));
}

bool put_sealed(struct generator *g, struct author *author, int event, const void *e, const char *field,
                const struct seal *seals, uint32_t cnt)
{
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    uint8_t payload[EVENT_ROOM], digest[32];
    uint32_t len;
    if (!bundle_ready(g, author) || !encode(g, event, e, payload, &len)) return false;
    g->rc = dsdn_embedded_message(desc, desc->version, field, g->genesis.hash, author->key.public_key,
                                  author->nonce, payload, len, digest, g->error);
    if (g->rc) return false;
    for (uint32_t i = 0; i < cnt; i++) dsdn_sign(seals[i].key, digest, seals[i].signature);
    if (!encode(g, event, e, payload, &len) || !append(g, event, payload, len)) return false;
    world_event(g, author, event, payload, len, !genuine(event, payload, len, seals[0].key));
    return true;
}

struct dsdn_list approvals_make(const struct author *const *parties, uint32_t cnt,
                                uint8_t bytes[96 * SEAL_MAX], struct seal *seals)
{
    memset(bytes, 0, 96 * SEAL_MAX);
    for (uint32_t i = 0; i < cnt; i++) { /* sorted by id: insertion */
        uint32_t at = i;
        for (; at && memcmp(seals[at - 1].key->public_key, parties[i]->key.public_key, 32) > 0; at--)
            seals[at] = seals[at - 1];
        seals[at].key = &parties[i]->key;
    }
    for (uint32_t i = 0; i < cnt; i++) {
        seals[i].signature = bytes + 96 * i + 32;
        memcpy(bytes + 96 * i, seals[i].key->public_key, 32);
    }
    return (struct dsdn_list){bytes, cnt, 96 * cnt};
}

bool put_alone(struct generator *g, struct author *author, uint64_t nonce, uint64_t valid_until, int event,
               const void *e)
{
    uint8_t payload[EVENT_ROOM];
    uint32_t len;
    if (!batch_ready(g) || !encode(g, event, e, payload, &len)) return false;
    bundle_close(g);
    if (g->rc) return false;
    bundle_begin(g, author, nonce, valid_until);
    if (g->rc) return false;
    g->bundle_room = 1;
    bool done = append(g, event, payload, len);
    if (!g->rc) bundle_close(g);
    return done && !g->rc;
}
