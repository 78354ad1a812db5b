/* embed.c: the engine inside another program: a network is made, two batches are built, signed, checked and
 * applied, and the state root is printed.  docs/embedding.md walks through it; the test example_embed runs
 * it.
 *
 * The catalogue is the neutral one (roles/neutral): six events, two tables.  A catalogue of one's own takes
 * its place by declaring its events and tables in the same way (docs/adding-an-event.md). */
#include "log/genesis.h"
#include "log/sign.h"
#include "roles/neutral/neutral.h"
#include "statemachine/engine.h"

#include <stdio.h>
#include <stdlib.h>

/* Whatever fails here ends the program; a server would look at error->code instead. */
static void check(int rc, const struct dsdn_error *error)
{
    if (!rc) return;
    char text[1024];
    dsdn_error_format(error, text, sizeof text);
    fprintf(stderr, "embed: %s\n", text);
    exit(dsdn_error_exit(rc));
}

/* A network without a primary whose authority is one key: everything else may stay empty. */
static void make_genesis(struct dsdn_genesis *genesis, const struct dsdn_sign_key *key,
                         struct dsdn_error *error)
{
    static const uint8_t zero[32], name[] = "example";
    struct dsdn_ev_genesis_declared g = {
        .network_id = {name, sizeof name - 1},
        .da_namespace = zero,
        .da_start_hash = zero,
        .version_major = 1,
        .chain_profile = DSDN_PROFILE_DEVNET,
        .coordinator = key->public_key,
        .tss_transcript = zero,
    };
    check(dsdn_genesis_encode(genesis, &g, error), error);
}

/* Encodes a decoded event and puts it into the open bundle. */
static void add(struct dsdn_batch_builder *b, uint32_t event, const void *values, struct dsdn_error *error)
{
    const struct dsdn_event_desc *desc = &neutral_event_table.events[event];
    uint8_t payload[1024];
    uint32_t len;
    check(dsdn_event_encode(desc, desc->version, values, payload, sizeof payload, &len, error), error);
    check(dsdn_batch_builder_event(b, desc->type, desc->version, payload, len, error), error);
}

/* What a follower does with the bytes of a batch, wherever they came from. */
static void follow(struct dsdn_engine *e, struct dsdn_view bytes, struct dsdn_key_cache *cache,
                   struct dsdn_error *error)
{
    struct dsdn_prepared p = {0}, *one = &p;
    check(dsdn_prepare(&p, &neutral_catalogue, dsdn_engine_seed(e), bytes.bytes, bytes.len, error), error);
    check(dsdn_prepare_hashes(&one, 1, DSDN_CHECK_BODY | DSDN_CHECK_SIGNATURES, error), error);
    check(dsdn_prepare_signatures(&p, true, 0, p.bundle_cnt, cache, error), error);
    check(dsdn_engine_judge(e, &p, NULL, error), error);
    check(dsdn_engine_apply(e, &p, error), error);
    for (uint32_t i = 0; i < p.op_cnt; i++)
        printf("batch %u event %u: %s\n", (unsigned)p.batch.header.sequence, i,
               dsdn_outcome_name(DSDN_OUTCOME_NUMBER(p.outcomes[i])));
    dsdn_prepared_free(&p);
}

/* Closes the bundle and the batch, signs it, and hands it to the follower. */
static void publish(struct dsdn_batch_builder *b, struct dsdn_header *header, const struct dsdn_sign_key *key,
                    struct dsdn_engine *e, struct dsdn_key_cache *cache, struct dsdn_error *error)
{
    uint8_t bytes[DSDN_HEADER_LEN];
    struct dsdn_view batch;
    check(dsdn_batch_builder_end(b, header->genesis, key, error), error);
    check(dsdn_batch_builder_finish(b, header, key, &batch, error), error);
    follow(e, batch, cache, error);
    dsdn_header_encode(header, bytes); /* the next batch follows this one */
    dsdn_batch_hash(bytes, header->prev);
    header->sequence++;
    dsdn_batch_builder_reset(b);
}

int main(void)
{
    static const uint8_t seed[32] = "an example, not a secret", node[32] = "node", chunk[32] = "chunk",
                         proof[32];
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_sign_key key;
    struct dsdn_genesis genesis;
    struct dsdn_engine *engine;
    check(dsdn_sign_self_test(&error), &error);
    dsdn_sign_key_from_seed(&key, seed);
    make_genesis(&genesis, &key, &error);

    check(dsdn_engine_new(&neutral_catalogue, NULL, &engine, &error), &error);
    check(dsdn_engine_genesis(engine, genesis.bytes, genesis.len, &error), &error);
    struct dsdn_key_cache *cache = dsdn_key_cache_new(16); /* NULL only costs time */
    struct dsdn_batch_builder *b = dsdn_batch_builder_new();
    if (!b) check(dsdn_fail(&error, DSDN_E_NO_MEMORY, "no memory for a batch"), &error);

    struct dsdn_header header = {.sequence = 0, .time_ms = 1000};
    memcpy(header.genesis, genesis.hash, 32);
    memcpy(header.prev, genesis.hash, 32); /* batch 0 follows the genesis */
    memcpy(header.publisher, key.public_key, 32);

    struct neutral_ev_node_registered registered = {.timestamp = 1000,
                                                    .node = node,
                                                    .capacity = 1u << 30,
                                                    .zone = 7,
                                                    .address = {(const uint8_t *)"10.0.0.1:9000", 13}};
    struct neutral_ev_chunk_declared declared = {
        .timestamp = 1000, .chunk = chunk, .uploader = node, .size = 4096, .rf = 1};
    check(dsdn_batch_builder_begin(b, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0, &error), &error);
    add(b, neutral_EVENT_node_registered, &registered, &error);
    add(b, neutral_EVENT_chunk_declared, &declared, &error);
    publish(b, &header, &key, engine, cache, &error);

    struct neutral_ev_replica_added added = {.timestamp = 2000, .chunk = chunk, .node = node, .proof = proof};
    header.time_ms = 2000;
    check(dsdn_batch_builder_begin(b, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0, &error), &error);
    add(b, neutral_EVENT_replica_added, &added, &error);
    add(b, neutral_EVENT_replica_added, &added,
        &error); /* a repetition: NO_EFFECT, and it is part of the transcript */
    publish(b, &header, &key, engine, cache, &error);

    uint32_t row = neutral_chunk_find(dsdn_engine_state(engine), chunk);
    if (row != DSDN_NO_ROW)
        printf("replicas of the chunk: %u\n", neutral_chunk_at(dsdn_engine_state(engine), row)->replicas_cnt);
    struct dsdn_roots roots;
    char hex[65];
    check(dsdn_engine_root(engine, 1, &roots, &error), &error);
    dsdn_hex_encode(roots.state, 32, hex);
    printf("root: %s\n", hex);

    dsdn_batch_builder_free(b);
    dsdn_key_cache_free(cache);
    dsdn_engine_free(engine);
    dsdn_genesis_free(&genesis);
    dsdn_sign_wipe(&key);
    return fflush(stdout) == 0 ? 0 : 2;
}
