/* world.c: the state that the log being written comes to.
 *
 * An engine takes an empty batch whenever time moves on: it drains deadlines and changes epochs.  Events go
 * to their reducers one by one as they are written, so that a story sees what it did within a batch.  Nonces
 * and the author class are not judged: what is wrong there on purpose never gets here. */
#include "roles/dsdn.h"
#include "roles/generator/model.h"

int world_make(struct generator *g)
{
    int rc = dsdn_engine_new(&dsdn_catalogue, NULL, &g->world, g->error);
    return rc ? rc : dsdn_engine_genesis(g->world, g->genesis.bytes, g->genesis.len, g->error);
}

const struct dsdn_state *world(struct generator *g)
{
    if (!g->world_known && !g->rc) {
        struct dsdn_prepared empty = {.batch.header = {.sequence = g->sequence,
                                                       .committee_epoch = g->authority_epoch,
                                                       .time_ms = g->time_ms}};
        memcpy(empty.batch.header.genesis, g->genesis.hash, 32);
        memcpy(empty.batch.header.publisher, g->authority.public_key, 32);
        g->rc = dsdn_engine_apply(g->world, &empty, g->error);
        g->world_known = true;
    }
    return dsdn_engine_state(g->world);
}

void world_event(struct generator *g, const struct author *author, int event, const uint8_t *payload,
                 uint32_t len, bool forged)
{
    static const uint8_t nobody[32];
    const struct dsdn_reducer *reducer = &dsdn_catalogue.reducers[event];
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[event];
    struct dsdn_state *s = dsdn_engine_state_for_restore(g->world);
    struct dsdn_op op = {.payload = payload, .len = len, .event = (uint16_t)event, .version = desc->version};
    if (reducer->embedded) op.embedded = forged ? DSDN_EMBEDDED_BAD : DSDN_EMBEDDED_GOOD;
    world(g);
    for (uint32_t i = 0; !g->rc && i < reducer->insert_cnt; i++)
        g->rc = dsdn_table_reserve(&s->tables[reducer->insert[i].table], reducer->insert[i].rows, g->error);
    if (!g->rc && !reducer->prepare(&op, s->seed))
        g->rc = dsdn_fail(g->error, DSDN_E_MALFORMED, "a generated %s is not canonical", desc->name);
    if (g->rc) return;
    struct dsdn_context c = {.state = s,
                             .time_ms = g->time_ms,
                             .version = dsdn_head(s)->version,
                             .ordinal = g->world_ordinal++,
                             .bundle_kind = author ? DSDN_BUNDLE_POOL : DSDN_BUNDLE_AUTHORITY,
                             .author = author ? author->key.public_key : nobody,
                             .nonce = author ? author->nonce : 0,
                             .genesis = g->genesis.hash,
                             .event = desc,
                             .event_version = desc->version,
                             .payload = payload,
                             .payload_len = len,
                             .hash = op.hash,
                             .op = &op,
                             .reducers = dsdn_catalogue.reducers};
    reducer->apply(&c, payload, len, desc->version);
    dsdn_state_settle(s);
}
