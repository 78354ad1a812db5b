#include "apps/coordinator/network.h"

#include "adapters/celestia/reader.h"
#include "log/genesis.h"
#include "log/hash.h"
#include "roles/dsdn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { WAIT_MS = 10000, OWNERS = 16, CHUNK_BYTES = 1 << 20, LEAF_BYTES = 4096 };

/* ---- init ---- */

/* An existing key file is used; a new one is for its owner only. */
static int key_of_file(const char *path, uint8_t public_key[32], struct dsdn_error *error)
{
    uint8_t *text = NULL, seed[32];
    char hex[66];
    size_t len;
    struct dsdn_sign_key key;
    int fd, rc = dsdn_io_read_file(&dsdn_io_system, path, 256, &text, &len, error);
    if (rc == DSDN_E_NOT_FOUND) {
        if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
            return dsdn_fail_errno(error, errno, "random bytes for a key");
        dsdn_hex_encode(seed, 32, hex);
        hex[64] = '\n';
        rc = dsdn_io_open(&dsdn_io_system, path, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, error);
        if (rc) return rc;
        rc = dsdn_io_write_at(&dsdn_io_system, fd, hex, 65, 0, path, error);
        if (!rc) rc = dsdn_io_sync(&dsdn_io_system, fd, path, error);
        close(fd);
        explicit_bzero(hex, sizeof hex);
    } else if (!rc && (len < 64 || !dsdn_hex_decode((const char *)text, 32, seed)))
        rc = dsdn_fail_at(error, DSDN_E_USAGE, path, DSDN_NO_OFFSET, "a key is 64 hex digits");
    if (!rc) {
        dsdn_sign_key_from_seed(&key, seed);
        memcpy(public_key, key.public_key, 32);
        dsdn_sign_wipe(&key);
    }
    explicit_bzero(seed, sizeof seed);
    free(text);
    return rc;
}

/* A reader names the height that it was asked for; here it was asked for none. */
static void name_no_height(struct dsdn_error *error)
{
    char prefix[48];
    int len = snprintf(prefix, sizeof prefix, "height %llu: ", (unsigned long long)INT64_MAX);
    if (error && len > 0 && strncmp(error->message, prefix, (size_t)len) == 0)
        memmove(error->message, error->message + len, strlen(error->message + len) + 1);
}

/* The primary's newest header, as the node says: whoever makes a network decides what it begins with. */
static int newest_header(const struct options *o, struct dsdn_da_height *height, struct dsdn_error *error)
{
    struct dsdn_endpoint_options endpoint = {.url = o->da.url, .token_file = o->token_file};
    struct dsdn_reader_options options = {.endpoints = &endpoint,
                                          .endpoint_cnt = 1,
                                          .chain_id = o->chain_id,
                                          .from = INT64_MAX,
                                          .poll_ms = 100};
    struct dsdn_reader *reader;
    enum dsdn_da_answer answer;
    memcpy(options.ns, o->da.ns, DSDN_NAMESPACE_LEN);
    int rc = dsdn_reader_new(&options, &reader, error);
    if (rc) return rc;
    for (int i = 0; i < WAIT_MS / 100 && !rc && !dsdn_reader_head(reader).height; i++) {
        rc = dsdn_reader_next(reader, 100, height, &answer, error);
        if (rc == DSDN_E_AGAIN) rc = DSDN_OK;
    }
    uint64_t head = dsdn_reader_head(reader).height;
    if (!rc && !head) rc = DSDN_E_AGAIN;
    if (rc) name_no_height(error);
    if (!rc) rc = dsdn_reader_seek(reader, head, error);
    if (!rc) rc = dsdn_reader_next(reader, WAIT_MS, height, &answer, error);
    dsdn_reader_free(reader); /* what is used of *height is no pointer */
    return rc;
}

/* The parameters that differ on development networks, in order of their names. */
static uint32_t devnet_parameters(uint8_t *out, uint32_t *cnt)
{
    uint8_t *at = out;
    *cnt = 0;
    for (uint32_t i = 0; i < DSDN_PARAMETER_CNT; i++) {
        const struct dsdn_parameter_desc *p = &dsdn_parameters[i];
        if (p->devnet == p->value) continue;
        size_t len = strlen(p->name);
        *at++ = (uint8_t)len;
        memcpy(at, p->name, len);
        dsdn_store64(at + len, (uint64_t)p->devnet);
        at += len + 8;
        ++*cnt;
    }
    return (uint32_t)(at - out);
}

static int write_genesis(const struct options *o, const struct dsdn_da_height *start,
                         const uint8_t coordinator[32], struct dsdn_error *error)
{
    static const uint8_t zero[32];
    uint8_t params[DSDN_PARAMETER_CNT * 64];
    struct dsdn_genesis genesis;
    struct dsdn_text text;
    struct dsdn_ev_genesis_declared g = {
        .network_id = {(const uint8_t *)o->network, strlen(o->network)},
        .da_chain_id = {(const uint8_t *)o->chain_id, strlen(o->chain_id)},
        .da_namespace = o->da.ns,
        .da_start = start->height,
        .da_start_hash = start->hash,
        .version_major = 1,
        .chain_profile = DSDN_PROFILE_DEVNET,
        .genesis_time = start->time_ms,
        .coordinator = coordinator,
        .tss_transcript = zero,
    };
    uint32_t cnt;
    g.params.len = devnet_parameters(params, &cnt);
    g.params.count = cnt;
    g.params.items = params;
    int rc = dsdn_genesis_encode(&genesis, &g, error);
    if (rc) return rc;
    dsdn_text_init(&text, DSDN_GENESIS_MAX, 2);
    rc = dsdn_genesis_write(&genesis, &text, error);
    if (!rc) dsdn_text_line(&text);
    if (!rc) rc = dsdn_text_status(&text, error);
    if (!rc && access(o->output, F_OK) == 0)
        rc = dsdn_fail_at(error, DSDN_E_EXISTS, o->output, DSDN_NO_OFFSET,
                          "a genesis is made once; remove the file first");
    if (!rc) rc = dsdn_io_write_file(&dsdn_io_system, o->output, text.bytes, text.len, error);
    if (!rc) {
        char hash[65];
        dsdn_hex_encode(genesis.hash, 32, hash);
        printf("{\"genesis\":\"%s\",\"da_start\":%llu}\n", hash, (unsigned long long)start->height);
    }
    dsdn_text_free(&text);
    dsdn_genesis_free(&genesis);
    return rc;
}

int command_init(const struct options *o, struct dsdn_error *error)
{
    struct dsdn_da_height start = {.height = 0};
    uint8_t public_key[32];
    int rc = dsdn_namespace_check(o->da.ns, o->chain_id, error);
    if (!rc) rc = newest_header(o, &start, error);
    if (!rc) rc = key_of_file(o->key, public_key, error);
    return rc ? rc : write_genesis(o, &start, public_key, error);
}

/* ---- sample ---- */

static void number_hash(const char *what, uint64_t seed, uint64_t number, uint8_t out[32])
{
    uint8_t message[16];
    dsdn_store64(message, seed);
    dsdn_store64(message + 8, number);
    dsdn_tagged(what, message, sizeof message, out);
}

struct sample {
    FILE *out;
    struct dsdn_batch_builder *builder;
    const uint8_t *genesis;
    uint64_t seed, objects, chunks;
};

static int put_event(struct sample *s, int event, const void *fields, struct dsdn_error *error)
{
    uint8_t payload[512];
    uint32_t len;
    const struct dsdn_event_desc *desc = &dsdn_catalogue.events->events[event];
    int rc = dsdn_event_encode(desc, desc->version, fields, payload, sizeof payload, &len, error);
    return rc ? rc : dsdn_batch_builder_event(s->builder, desc->type, desc->version, payload, len, error);
}

/* An object with its chunks: cnt events of one owner. */
static int put_bundle(struct sample *s, const struct dsdn_sign_key *owner, uint64_t nonce, uint64_t cnt,
                      struct dsdn_error *error)
{
    uint8_t object[32], chunk[32], leaf_root[32];
    struct dsdn_header header = {.sequence = 0};
    struct dsdn_view view;
    number_hash("sample/object", s->seed, s->objects++, object);
    struct dsdn_ev_object_declared declared = {.object = object,
                                               .owner = owner->public_key,
                                               .size = (cnt - 1) * CHUNK_BYTES,
                                               .chunk_count = (uint32_t)cnt - 1,
                                               .rf = 3};
    dsdn_batch_builder_reset(s->builder);
    int rc = dsdn_batch_builder_begin(s->builder, DSDN_BUNDLE_POOL, owner->public_key, nonce, 0, error);
    if (!rc) rc = put_event(s, dsdn_EVENT_object_declared, &declared, error);
    for (uint32_t i = 0; i + 1 < cnt && !rc; i++) {
        number_hash("sample/chunk", s->seed, s->chunks, chunk);
        number_hash("sample/leaves", s->seed, s->chunks++, leaf_root);
        struct dsdn_ev_chunk_declared part = {.chunk = chunk,
                                              .object = object,
                                              .index = i,
                                              .size = CHUNK_BYTES,
                                              .leaf_size = LEAF_BYTES,
                                              .leaf_root = leaf_root};
        rc = put_event(s, dsdn_EVENT_chunk_declared, &part, error);
    }
    if (!rc) rc = dsdn_batch_builder_end(s->builder, s->genesis, owner, error);
    if (!rc) rc = dsdn_batch_builder_finish(s->builder, &header, NULL, &view, error);
    if (rc) return rc;
    size_t len = view.len - DSDN_BATCH_FIXED_LEN;
    if (fwrite(view.bytes + DSDN_BATCH_FIXED_LEN, 1, len, s->out) != len)
        return dsdn_fail_errno(error, errno, "writing the sample");
    return DSDN_OK;
}

int command_sample(const struct options *o, struct dsdn_error *error)
{
    struct dsdn_genesis genesis;
    struct dsdn_sign_key owners[OWNERS];
    int rc = dsdn_genesis_load(&genesis, &dsdn_io_system, o->genesis, error);
    if (rc) return rc;
    bool standard = strcmp(o->output, "-") == 0;
    struct sample s = {.out = standard ? stdout : fopen(o->output, "wbe"),
                       .builder = dsdn_batch_builder_new(),
                       .genesis = genesis.hash,
                       .seed = o->seed};
    if (!s.out)
        rc = dsdn_fail_errno(error, errno, "writing %s", o->output);
    else if (!s.builder)
        rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a sample");
    for (uint64_t i = 0; i < OWNERS; i++) {
        uint8_t seed[32];
        number_hash("sample/owner", o->seed, i, seed);
        dsdn_sign_key_from_seed(&owners[i], seed);
    }
    for (uint64_t left = o->events, i = 0; left && !rc; i++) {
        uint64_t cnt = left < o->per_bundle ? left : o->per_bundle;
        rc = put_bundle(&s, &owners[i % OWNERS], 1 + i / OWNERS, cnt, error);
        left -= cnt;
    }
    if (s.out && (standard ? fflush(s.out) : fclose(s.out)) != 0 && !rc)
        rc = dsdn_fail_errno(error, errno, "writing %s", o->output);
    dsdn_batch_builder_free(s.builder);
    dsdn_genesis_free(&genesis);
    return rc;
}
