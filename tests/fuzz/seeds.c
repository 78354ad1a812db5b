/* Writes the first corpora: fuzz-seeds DIRECTORY makes DIRECTORY/TARGET/seed-NAME for every target, every
 * event type among them. The same files every time. */
#include "tests/fuzz/fuzz.h"

#include "log/archive.h"
#include "log/json.h"
#include "log/random_event.h"
#include "log/segment.h"
#include "statemachine/checkpoint.h"
#include "statemachine/proof.h"

#include <sys/stat.h>

enum { SEED_MAX = 2047, ROOM = 4096 };

static const char *directory;

/* One seed: a prefix of choices, then bytes.  Longer ones are left out. */
static void seed(const char *target, const char *name, const void *prefix, size_t prefix_len,
                 const void *bytes, size_t len)
{
    char path[512];
    if (prefix_len + len > SEED_MAX) return;
    snprintf(path, sizeof path, "%s/%s", directory, target);
    (void)mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/%s/seed-%s", directory, target, name);
    FILE *file = fopen(path, "wb");
    CHECK(file);
    CHECK(!prefix_len || fwrite(prefix, prefix_len, 1, file) == 1);
    CHECK(!len || fwrite(bytes, len, 1, file) == 1);
    CHECK(fclose(file) == 0);
}

static void events(const struct dsdn_catalogue *catalogue, uint8_t number)
{
    struct dsdn_random random;
    uint8_t payload[ROOM];
    uint32_t len;
    dsdn_random_seed(&random, 5);
    for (uint32_t i = 0; i < catalogue->events->event_cnt; i++) {
        const struct dsdn_event_desc *desc = &catalogue->events->events[i];
        char name[64];
        struct dsdn_text text;
        struct dsdn_error error = DSDN_ERROR_INIT;
        uint8_t version = desc->version;
        snprintf(name, sizeof name, "%s-%s", catalogue->name, desc->id);
        CHECK_OK(dsdn_random_payload(&random, desc, desc->version, payload, 700, &len, &error), &error);
        seed("event", name, (uint8_t[]){number, (uint8_t)i, desc->version}, 3, payload, len);
        if (version > 1) {
            version = 1;
            CHECK_OK(dsdn_random_payload(&random, desc, version, payload, 700, &len, &error), &error);
            snprintf(name, sizeof name, "%s-%s-v1", catalogue->name, desc->id);
            seed("event", name, (uint8_t[]){number, (uint8_t)i, 1}, 3, payload, len);
        }
        dsdn_text_init(&text, 1 << 20, 0);
        CHECK_OK(dsdn_json_write_event(&text, desc, version, payload, len, &error), &error);
        snprintf(name, sizeof name, "%s-%s", catalogue->name, desc->id);
        seed("json", name, &number, 1, text.bytes, text.len);
        dsdn_text_free(&text);
    }
}

static void bundles(void)
{
    const struct story *story = story_get();
    for (uint32_t i = 0; i < story->cnt; i++) {
        struct dsdn_batch batch;
        struct dsdn_error error = DSDN_ERROR_INIT;
        char name[32];
        CHECK_OK(dsdn_batch_decode(story->batches[i].bytes, story->batches[i].len, &batch, &error), &error);
        const uint8_t *at = batch.body, *end = at + batch.header.body_len, *start = at;
        snprintf(name, sizeof name, "%u", i);
        seed("batch", name, (uint8_t[]){i % 3 == 2 ? 0 : 4}, 1, story->batches[i].bytes,
             story->batches[i].len);
        struct dsdn_bundle bundle;
        if (i % 2 == 0 && at < end && dsdn_bundle_next(batch.bytes, &at, end, &bundle, &error) == 0)
            seed("bundle", name, NULL, 0, start, (size_t)(at - start));
    }
}

/* A batch with every event of a catalogue, in a few bundles. */
static void wide_batches(const struct dsdn_catalogue *catalogue, uint8_t number)
{
    struct dsdn_random random;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_sign_key key;
    uint8_t payload[ROOM], seed_bytes[32] = {3};
    dsdn_random_seed(&random, 6);
    dsdn_sign_key_from_seed(&key, seed_bytes);
    for (uint32_t first = 0, batch = 0; first < catalogue->events->event_cnt; first += 4, batch++) {
        struct dsdn_batch_builder *b = dsdn_batch_builder_new();
        struct dsdn_header header = {.time_ms = 5};
        struct dsdn_view view;
        char name[32];
        CHECK(b);
        for (uint32_t i = first; i < first + 4 && i < catalogue->events->event_cnt; i++) {
            const struct dsdn_event_desc *desc = &catalogue->events->events[i];
            bool own = desc->author == DSDN_AUTHOR_AUTHORITY;
            uint32_t len;
            if (desc->author == DSDN_AUTHOR_NONE) continue;
            CHECK_OK(dsdn_random_payload(&random, desc, desc->version, payload, 230, &len, &error), &error);
            CHECK_OK(dsdn_batch_builder_begin(b, own ? 0 : (uint8_t)(1 + i % 2), own ? NULL : key.public_key,
                                              own ? 0 : i, 0, &error),
                     &error);
            CHECK_OK(dsdn_batch_builder_event(b, desc->type, desc->version, payload, len, &error), &error);
            CHECK_OK(dsdn_batch_builder_end(b, header.genesis, &key, &error), &error);
        }
        CHECK_OK(dsdn_batch_builder_finish(b, &header, &key, &view, &error), &error);
        snprintf(name, sizeof name, "%s-%u", catalogue->name, batch);
        seed("batch", name, (uint8_t[]){(uint8_t)(number | 4)}, 1, view.bytes, view.len);
        dsdn_batch_builder_free(b);
    }
}

static void certificates(void)
{
    uint8_t bytes[ROOM], signatures[9][64];
    const uint8_t *list[9] = {NULL};
    const struct dsdn_view *batch = &story_get()->batches[1];
    for (uint32_t n = 1; n <= 9; n += 2) {
        char name[32];
        for (uint32_t i = 0; i < n; i++) {
            memset(signatures[i], (int)i + 1, 64);
            list[i] = i * 3 == n ? NULL : signatures[i];
        }
        size_t len = dsdn_certificate_encode(n, list, n, bytes, sizeof bytes);
        snprintf(name, sizeof name, "%u", n);
        seed("certificate", name, NULL, 0, bytes, len);
        if (len + batch->len > sizeof bytes) continue;
        memcpy(bytes + len, batch->bytes, batch->len);
        snprintf(name, sizeof name, "%u-batch", n);
        seed("certificate", name, NULL, 0, bytes, len + batch->len);
    }
}

static void segments(void)
{
    static const uint8_t genesis_bytes[] = "a genesis"; /* as in segment.c */
    for (unsigned records = 0; records <= 4; records++) {
        struct disk d;
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_segment_writer w = {.fd = -1};
        struct dsdn_segment_header header = {.first_sequence = 0};
        uint8_t batch[200], hash[32] = {1};
        char name[32];
        disk_init(&d);
        w.io = &d.io;
        dsdn_tagged("dsdn/genesis/1", genesis_bytes, sizeof genesis_bytes, header.genesis);
        memcpy(header.prev, header.genesis, 32);
        CHECK_OK(dsdn_segment_create(&w, "x.seg", &header, &error), &error);
        for (unsigned i = 0; i < records; i++) {
            memset(batch, (int)i, sizeof batch);
            CHECK_OK(dsdn_segment_append(&w, batch, 50 + 40 * i, hash, i, i % 2, &error), &error);
            hash[0]++;
        }
        CHECK_OK(dsdn_segment_flush(&w, &error), &error);
        if (records == 4) CHECK_OK(dsdn_segment_finish(&w, &error), &error);
        dsdn_segment_release(&w);
        const struct disk_file *f = disk_find(&d, "x.seg");
        for (unsigned mode = 0; mode < 4; mode++) {
            snprintf(name, sizeof name, "%u-%u", records, mode);
            seed("segment", name, (uint8_t[]){(uint8_t)mode, (uint8_t)(records ? records - mode % 2 : 0)}, 2,
                 f->bytes, f->len);
        }
        disk_free(&d);
    }
}

static void archives(void)
{
    const struct story *story = story_get();
    static const uint8_t network[] = "canonical genesis bytes";
    for (unsigned form = 0; form < 6; form++) {
        struct disk d;
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_archive_writer *w;
        struct dsdn_archive_options options = {
            .genesis = {network, sizeof network}, .first = form == 3 ? 7 : 0, .unchecked = true};
        char name[32];
        disk_init(&d);
        CHECK_OK(dsdn_archive_create(&d.io, "a.dsdn", &options, &w, &error), &error);
        for (unsigned i = 0; i < form; i++) {
            const struct dsdn_view *b = &story->batches[form == 5 ? 1 : i + 4];
            if (i % 2)
                CHECK_OK(dsdn_archive_append_blob(w, (enum dsdn_archive_kind)(2 + i % 3), i, network, 8 + i,
                                                  &error),
                         &error);
            CHECK_OK(dsdn_archive_append(w, b->bytes, b->len < 700 ? b->len : 700, &error), &error);
        }
        if (form != 2) CHECK_OK(dsdn_archive_finish(w, NULL, &error), &error);
        dsdn_archive_writer_close(w);
        const struct disk_file *f = disk_find(&d, "a.dsdn");
        for (uint8_t mode = 0; mode < 2; mode++) {
            snprintf(name, sizeof name, "%u-%u", form, mode);
            seed("archive", name, &mode, 1, f->bytes, f->len);
        }
        disk_free(&d);
    }
}

static void checkpoints(void)
{
    const struct story *story = story_get();
    for (uint32_t form = 0; form < 6; form++) {
        const struct dsdn_catalogue *catalogue = form % 2 ? &neutral_catalogue : &dsdn_catalogue;
        struct dsdn_engine *e;
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_prepared p = {.ops = NULL};
        static const uint8_t zero[32];
        struct dsdn_genesis g; /* small, so that the seed is: no founders, no validators */
        struct dsdn_ev_genesis_declared small = {.network_id = {(const uint8_t *)"x", 1},
                                                 .da_namespace = zero,
                                                 .da_start_hash = zero,
                                                 .version_major = 1,
                                                 .chain_profile = 1,
                                                 .coordinator = story->genesis.event.coordinator,
                                                 .tss_transcript = zero};
        CHECK_OK(dsdn_genesis_encode(&g, form < 4 ? &small : &story->genesis.event, &error), &error);
        CHECK_OK(dsdn_engine_new(catalogue, NULL, &e, &error), &error);
        CHECK_OK(dsdn_engine_genesis(e, g.bytes, g.len, &error), &error);
        if (form == 2 || form == 3) { /* rows without a signature: the authority's own, or an object */
            struct dsdn_batch_builder *b = dsdn_batch_builder_new();
            struct dsdn_header h = {.time_ms = 1};
            struct dsdn_view view;
            uint8_t id[32] = {4};
            uint8_t payload[ROOM];
            uint32_t len;
            struct dsdn_sign_key key;
            const struct dsdn_event_desc *desc;
            CHECK(b);
            dsdn_sign_key_from_seed(&key, id);
            memcpy(h.genesis, g.hash, 32);
            memcpy(h.prev, g.hash, 32);
            memcpy(h.publisher, small.coordinator, 32);
            if (form == 2) {
                desc = &dsdn_event_table.events[dsdn_EVENT_object_declared];
                struct dsdn_ev_object_declared o = {
                    .object = id, .owner = key.public_key, .size = 4, .chunk_count = 2, .rf = 2};
                CHECK_OK(dsdn_event_encode(desc, 1, &o, payload, sizeof payload, &len, &error), &error);
                CHECK_OK(dsdn_batch_builder_begin(b, 1, key.public_key, 1, 0, &error), &error);
                CHECK_OK(dsdn_batch_builder_event(b, desc->type, 1, payload, len, &error), &error);
                desc = &dsdn_event_table.events[dsdn_EVENT_chunk_declared];
                struct dsdn_ev_chunk_declared c = {
                    .chunk = zero, .object = id, .size = 2, .leaf_size = 1024, .leaf_root = id};
                CHECK_OK(dsdn_event_encode(desc, 1, &c, payload, sizeof payload, &len, &error), &error);
            } else {
                CHECK_OK(dsdn_batch_builder_begin(b, 0, NULL, 0, 0, &error), &error);
                desc = &neutral_event_table.events[neutral_EVENT_chunk_declared];
                struct neutral_ev_chunk_declared c = {.chunk = id, .uploader = zero, .rf = 2};
                CHECK_OK(dsdn_event_encode(desc, 1, &c, payload, sizeof payload, &len, &error), &error);
                CHECK_OK(dsdn_batch_builder_event(b, desc->type, 1, payload, len, &error), &error);
                desc = &neutral_event_table.events[neutral_EVENT_node_registered];
                struct neutral_ev_node_registered n = {.node = zero};
                CHECK_OK(dsdn_event_encode(desc, 1, &n, payload, sizeof payload, &len, &error), &error);
                CHECK_OK(dsdn_batch_builder_event(b, desc->type, 1, payload, len, &error), &error);
                desc = &neutral_event_table.events[neutral_EVENT_replica_added];
                struct neutral_ev_replica_added r = {.chunk = id, .node = zero, .proof = zero};
                CHECK_OK(dsdn_event_encode(desc, 1, &r, payload, sizeof payload, &len, &error), &error);
            }
            CHECK_OK(dsdn_batch_builder_event(b, desc->type, 1, payload, len, &error), &error);
            CHECK_OK(dsdn_batch_builder_end(b, g.hash, &key, &error), &error);
            CHECK_OK(dsdn_batch_builder_finish(b, &h, NULL, &view, &error), &error);
            CHECK_OK(dsdn_prepare(&p, catalogue, dsdn_engine_seed(e), view.bytes, view.len, &error), &error);
            CHECK_OK(dsdn_engine_apply(e, &p, &error), &error);
            for (uint32_t i = 0; i < p.op_cnt; i++)
                CHECK(DSDN_OUTCOME_NUMBER(p.outcomes[i]) == DSDN_OUTCOME_OK);
            dsdn_batch_builder_free(b);
        }
        struct disk d;
        char name[32];
        disk_init(&d);
        CHECK_OK(
            dsdn_checkpoint_write(e, (struct dsdn_view){g.bytes, g.len}, 1, &d.io, "c.ckp", NULL, &error),
            &error);
        const struct disk_file *f = disk_find(&d, "c.ckp");
        for (uint8_t mode = 0; mode < 2; mode++) {
            snprintf(name, sizeof name, "%u-%u", form, mode);
            seed("checkpoint", name, (uint8_t[]){(uint8_t)(form % 2 + mode * 2)}, 1, f->bytes, f->len);
        }
        disk_free(&d);
        dsdn_prepared_free(&p);
        dsdn_engine_free(e);
        dsdn_genesis_free(&g);
    }
}

/* Changes of the story's checkpoint, spread over all of it. */
static void changed_checkpoints(void)
{
    for (uint32_t i = 0; i < 24; i++) {
        char name[32];
        uint16_t at = (uint16_t)(300 + i * 397);
        uint8_t change[] = {6, (uint8_t)at, (uint8_t)(at >> 8), (uint8_t)(i % 5), (uint8_t)i, 0, 1, 255};
        snprintf(name, sizeof name, "changed-%u", i);
        seed("checkpoint", name, NULL, 0, change, i ? sizeof change : 1);
    }
}

static void proofs(void)
{
    struct dsdn_engine *e = story_engine(&dsdn_catalogue, STORY_BATCHES, 0);
    const struct dsdn_state *s = dsdn_engine_state(e);
    struct dsdn_buffer out = {0};
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (uint32_t t = 0; t < s->table_cnt; t++)
        for (uint32_t kind = 0; kind < 2; kind++) { /* a row that is there, and one that is not */
            uint8_t key[DSDN_KEY_MAX] = {0};
            char name[64];
            if (kind && !s->tables[t].live_cnt) continue;
            if (kind)
                memcpy(key, dsdn_row_at(&s->tables[t], 0, s->tables[t].desc->row_size),
                       s->tables[t].desc->key_len);
            CHECK_OK(dsdn_proof_make(e, t, key, 1, &out, &error), &error);
            snprintf(name, sizeof name, "%s-%u", s->tables[t].desc->name, kind);
            seed("proof", name, NULL, 0, out.bytes, out.len);
        }
    dsdn_buffer_free(&out);
    dsdn_engine_free(e);
}

static void geneses(void)
{
    const struct story *story = story_get();
    struct dsdn_random random;
    uint8_t payload[ROOM];
    uint32_t len;
    struct dsdn_text text;
    struct dsdn_error error = DSDN_ERROR_INIT;
    dsdn_random_seed(&random, 8);
    dsdn_text_init(&text, 1 << 20, 1);
    CHECK_OK(dsdn_genesis_write(&story->genesis, &text, &error), &error);
    seed("genesis", "story", (uint8_t[]){0}, 1, story->genesis.bytes, story->genesis.len);
    seed("genesis", "story-json", (uint8_t[]){1}, 1, text.bytes, text.len);
    dsdn_text_free(&text);
    for (int i = 0; i < 8; i++) {
        char name[32];
        const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_EVENT_genesis_declared];
        CHECK_OK(dsdn_random_payload(&random, desc, 1, payload, 900, &len, &error), &error);
        snprintf(name, sizeof name, "random-%d", i);
        seed("genesis", name, (uint8_t[]){0}, 1, payload, len);
    }
}

static void filters(void)
{
    static const char *const texts[] = {
        "type == NodeRegistered",
        "type =~ \"Node*\" && !(family == chunk)",
        "seq >= 5 || index < 3 && time > 100",
        "author == authority",
        "author =~ 00*",
        "outcome == PRECONDITION && code != NODE_UNKNOWN",
        "outcome == 10",
        "payload.zone == \"eu\\\"1\" || payload.zone == 'eu'",
        "payload.capacity_gb <= 100",
        "payload.manifest == null",
        "payload.approvals > 0",
        "((((payload.status != 2))))",
        "payload.label =~ '?\\*[a]'",
        "payload.object == 0000000000000000000000000000000000000000000000000000000000000000"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        char name[32];
        snprintf(name, sizeof name, "%u", i);
        seed("filter", name, NULL, 0, texts[i], strlen(texts[i]));
    }
}

static void scripts(void)
{
    struct dsdn_random random;
    dsdn_random_seed(&random, 11);
    for (int i = 0; i < 12; i++) {
        uint8_t bytes[600];
        size_t len = 0;
        char name[32];
        bytes[len++] = (uint8_t)(i % 4 == 3);
        for (uint8_t op = 0; op < 40; op++) {
            uint8_t kind = (uint8_t)(op % 4 == 3 ? 2 : op % 7 == 6 ? 1 : 0);
            bytes[len++] = kind;
            bytes[len++] = (uint8_t)dsdn_random_below(&random, 8) == 0;   /* source */
            bytes[len++] = (uint8_t)(op + dsdn_random_below(&random, 4)); /* height */
            bytes[len++] = (uint8_t)dsdn_random_below(&random, 8);        /* blob index */
            if (kind == 0) {
                bytes[len++] = (uint8_t)(op - dsdn_random_below(&random, 3)); /* parent */
                bytes[len++] = dsdn_random_below(&random, 4) ? 0 : (uint8_t)dsdn_random_next(&random);
                bytes[len++] = op;                /* time */
                bytes[len++] = (uint8_t)(op / 2); /* origin */
            } else if (kind == 1)
                bytes[len++] = (uint8_t)dsdn_random_below(&random, 40);
        }
        snprintf(name, sizeof name, "%d", i);
        seed("sequencer", name, NULL, 0, bytes, len);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz-seeds DIRECTORY\n");
        return 1;
    }
    directory = argv[1];
    (void)mkdir(directory, 0755);
    events(&dsdn_catalogue, 0);
    events(&neutral_catalogue, 1);
    bundles();
    wide_batches(&dsdn_catalogue, 0);
    wide_batches(&neutral_catalogue, 1);
    certificates();
    segments();
    archives();
    checkpoints();
    changed_checkpoints();
    proofs();
    geneses();
    filters();
    scripts();
    return 0;
}
