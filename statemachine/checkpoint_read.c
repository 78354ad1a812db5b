/* checkpoint_read.c: restoring a state.  Blocks are independent: each says how many rows it has by its place,
 * so any thread can read, check, decode and enter any block.  Threads take them in order from one counter.  A
 * block stays in the second-level cache from its read to the last of its rows. */
#include "statemachine/checkpoint_layout.h"

#include "log/hash.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

enum { THREADS_MAX = 16 };

#define NO_BLOCK UINT32_MAX

/* A block of rows in the file. */
struct block {
    uint64_t offset;
    uint32_t first, cnt; /* rows */
    uint16_t table;
};

struct restore {
    struct ckp_header header;
    struct dsdn_engine *engine;
    struct dsdn_state *state;
    struct block *blocks;
    uint32_t limits[DSDN_STATE_TABLES_MAX]; /* rows by table */
    const struct dsdn_io *io;
    const char *path;
    int fd;
    bool verify;
    uint32_t next;      /* block to take next; atomic */
    uint32_t hash_next; /* 0: the SHA-256 of the file is still to do, and asked for; atomic */
};

/* What one thread works with, and the first fault in file order that it found. */
struct worker {
    struct restore *restore;
    uint8_t *bytes; /* CKP_BLOCK_MAX */
    uint32_t bad_block;
    struct dsdn_error error;
    int hash_rc; /* of the SHA-256 */
    struct dsdn_error hash_error;
    pthread_t thread;
};

/* ---- one block ---- */

/* Is key `a` before key `b`?  Mostly the first 8 bytes tell. */
static inline bool before(const uint8_t *a, const uint8_t *b, uint32_t len)
{
    if (len >= 8) {
        uint64_t x = dsdn_load64_be(a), y = dsdn_load64_be(b);
        if (x != y) return x < y;
    }
    return memcmp(a, b, len) < 0;
}

static int decode_rows(const struct restore *r, const struct block *b, const uint8_t *bytes, uint32_t len,
                       struct dsdn_error *error)
{
    const struct dsdn_table *t = &r->state->tables[b->table];
    const struct dsdn_table_desc *desc = t->desc;
    const uint8_t *p = bytes, *end = bytes + len;
    uint8_t *row = dsdn_row_at(t, b->first, desc->row_size);
    for (uint32_t i = 0; i < b->cnt; i++, row += desc->row_size) {
        const uint8_t *start = p;
        p = desc->restore(p, end, row, r->limits);
        if (!p)
            return dsdn_fail_at(error, DSDN_E_MALFORMED, r->path, b->offset + (uint64_t)(start - bytes),
                                "row %u of table %s is not canonical, or refers to a row that is not there",
                                b->first + i, desc->name);
        if (i && !before(row - desc->row_size, row, desc->key_len))
            return dsdn_fail_at(error, DSDN_E_MALFORMED, r->path, b->offset + (uint64_t)(start - bytes),
                                "the key of row %u of table %s does not follow that of the row before",
                                b->first + i, desc->name);
    }
    if (p != end)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, r->path, b->offset + (uint64_t)(p - bytes),
                            "bytes are left behind the rows of a block of table %s", desc->name);
    return DSDN_OK;
}

static int do_block(struct worker *w, uint32_t number)
{
    struct restore *r = w->restore;
    const struct block *b = &r->blocks[number];
    uint32_t len = ckp_block_len(&r->header, number);
    int rc = dsdn_io_read_at(r->io, r->fd, w->bytes, len, b->offset, r->path, &w->error);
    if (rc) return rc;
    if (dsdn_crc32c(0, w->bytes, len) != ckp_block_crc(&r->header, number))
        return dsdn_fail_at(&w->error, DSDN_E_CHECKSUM, r->path, b->offset,
                            "a block of table %s does not match its checksum",
                            r->state->tables[b->table].desc->name);
    rc = decode_rows(r, b, w->bytes, len, &w->error);
    if (!rc) dsdn_table_enter(&r->state->tables[b->table], b->first, b->cnt);
    return rc;
}

static int hash_file(struct worker *w)
{
    struct restore *r = w->restore;
    const struct dsdn_checkpoint_info *info = &r->header.info;
    struct dsdn_sha256 sum;
    dsdn_sha256_init(&sum);
    for (uint64_t at = 0, end = info->bytes - CKP_TRAILER; at < end;) {
        size_t len = end - at < CKP_BLOCK_MAX ? (size_t)(end - at) : CKP_BLOCK_MAX;
        int rc = dsdn_io_read_at(r->io, r->fd, w->bytes, len, at, r->path, &w->hash_error);
        if (rc) return rc;
        dsdn_sha256_update(&sum, w->bytes, len);
        at += len;
    }
    uint8_t hash[32];
    dsdn_sha256_final(&sum, hash);
    if (memcmp(hash, info->file_hash, 32) != 0)
        return dsdn_fail_at(&w->hash_error, DSDN_E_CHECKSUM, r->path, info->bytes - CKP_TRAILER,
                            "the checkpoint does not match its SHA-256");
    return DSDN_OK;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct restore *r = w->restore;
    if (r->verify && __atomic_fetch_add(&r->hash_next, 1, __ATOMIC_RELAXED) == 0) w->hash_rc = hash_file(w);
    for (;;) {
        uint32_t number = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED);
        if (number >= r->header.info.block_cnt) return NULL;
        if (do_block(w, number)) {
            w->bad_block = number; /* later blocks do not matter any more; earlier ones are taken */
            __atomic_store_n(&r->next, r->header.info.block_cnt, __ATOMIC_RELAXED);
            return NULL;
        }
    }
}

/* ---- all of them ---- */

/* The catalogue must have these tables, and every block a length that its rows can have. */
static int match_tables(const struct restore *r, struct dsdn_error *error)
{
    const struct dsdn_checkpoint_info *info = &r->header.info;
    uint32_t block = 0;
    if (info->table_cnt != r->state->table_cnt)
        return dsdn_fail_at(error, DSDN_E_FORMAT, r->path, 12,
                            "the checkpoint has %u tables, this catalogue %u", info->table_cnt,
                            r->state->table_cnt);
    for (uint32_t i = 0; i < info->table_cnt; i++) {
        const struct dsdn_checkpoint_table *t = &info->tables[i];
        const struct dsdn_table_desc *desc = r->state->tables[i].desc;
        struct ckp_row_bounds bounds = dsdn_ckp_row_bounds(desc);
        if (t->id != desc->id || t->role != desc->role || t->key_len != desc->key_len ||
            t->rows_per_block != dsdn_ckp_rows_per_block(desc))
            return dsdn_fail_at(
                error, DSDN_E_FORMAT, r->path, CKP_HEAD + info->genesis_len + CKP_TABLE * (uint64_t)i,
                "table 0x%04x is not table %s (0x%04x) of this catalogue", t->id, desc->name, desc->id);
        for (uint32_t k = 0; k < t->blocks; k++, block++) {
            uint64_t rows = k + 1 < t->blocks ? t->rows_per_block : t->rows - k * t->rows_per_block;
            uint64_t len = ckp_block_len(&r->header, block);
            if (len < rows * bounds.least || len > rows * bounds.most)
                return dsdn_fail_at(error, DSDN_E_MALFORMED, r->path, DSDN_NO_OFFSET,
                                    "%llu rows of table %s cannot have %llu bytes", (unsigned long long)rows,
                                    desc->name, (unsigned long long)len);
        }
    }
    return DSDN_OK;
}

static int lay_out(struct restore *r, struct dsdn_error *error)
{
    const struct dsdn_checkpoint_info *info = &r->header.info;
    uint64_t offset = r->header.len;
    uint32_t number = 0;
    r->blocks = malloc(((size_t)info->block_cnt + 1) * sizeof *r->blocks);
    if (!r->blocks) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to plan %u blocks", info->block_cnt);
    for (uint32_t i = 0; i < info->table_cnt; i++) {
        const struct dsdn_checkpoint_table *t = &info->tables[i];
        int rc = dsdn_table_fill(&r->state->tables[i], t->rows, error);
        if (rc) return rc;
        r->limits[i] = t->rows;
        for (uint32_t first = 0, k = 0; k < t->blocks; k++, first += t->rows_per_block, number++) {
            uint32_t left = t->rows - first;
            r->blocks[number] = (struct block){
                offset, first, left < t->rows_per_block ? left : t->rows_per_block, (uint16_t)i};
            offset += ckp_block_len(&r->header, number);
        }
    }
    return DSDN_OK;
}

/* The first fault in file order, whoever found it. */
static int first_fault(const struct worker *workers, unsigned cnt, struct dsdn_error *error)
{
    const struct worker *first = NULL;
    for (unsigned i = 0; i < cnt; i++)
        if (workers[i].bad_block != NO_BLOCK && (!first || workers[i].bad_block < first->bad_block))
            first = &workers[i];
    const struct dsdn_error *found = first ? &first->error : NULL;
    for (unsigned i = 0; i < cnt && !found; i++)
        if (workers[i].hash_rc) found = &workers[i].hash_error;
    if (found && error) *error = *found;
    return found ? found->code : DSDN_OK;
}

static int run(struct restore *r, unsigned threads, struct dsdn_error *error)
{
    struct worker *workers = calloc(threads, sizeof *workers);
    uint8_t *bytes = malloc((size_t)threads * CKP_BLOCK_MAX);
    if (!workers || !bytes) {
        free(workers);
        free(bytes);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %u threads that restore", threads);
    }
    unsigned started = 1;
    for (unsigned i = 0; i < threads; i++) {
        workers[i].restore = r;
        workers[i].bytes = bytes + (size_t)i * CKP_BLOCK_MAX;
        workers[i].bad_block = NO_BLOCK;
        workers[i].error = workers[i].hash_error = (struct dsdn_error)DSDN_ERROR_INIT;
    }
    while (started < threads && pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0)
        started++;
    work(&workers[0]);
    for (unsigned i = 1; i < started; i++) pthread_join(workers[i].thread, NULL);
    int rc = first_fault(workers, started, error);
    free(workers);
    free(bytes);
    return rc;
}

/* Key order from block to block: inside them it was checked while decoding. */
static int check_seams(const struct restore *r, struct dsdn_error *error)
{
    for (uint32_t i = 0; i < r->header.info.block_cnt; i++) {
        const struct block *b = &r->blocks[i];
        const struct dsdn_table *t = &r->state->tables[b->table];
        const uint8_t *row = dsdn_row_at(t, b->first, t->desc->row_size);
        if (b->first && !before(row - t->desc->row_size, row, t->desc->key_len))
            return dsdn_fail_at(error, DSDN_E_MALFORMED, r->path, b->offset,
                                "the key of row %u of table %s does not follow that of the row before",
                                b->first, t->desc->name);
    }
    return DSDN_OK;
}

static int check_head(const struct restore *r, struct dsdn_error *error)
{
    const struct dsdn_checkpoint_info *info = &r->header.info;
    struct dsdn_checkpoint_info said = *info;
    dsdn_ckp_head_facts(&said, dsdn_head(r->state));
    if (said.sequence != info->sequence || said.event_count != info->event_count ||
        said.time_ms != info->time_ms || said.origin_height != info->origin_height ||
        said.version != info->version || memcmp(said.genesis, info->genesis, 32) != 0 ||
        memcmp(said.batch_hash, info->batch_hash, 32) != 0 ||
        memcmp(said.transcript, info->transcript, 32) != 0)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, r->path, 24,
                            "the head of the file and its head row disagree");
    return DSDN_OK;
}

static int check_roots(const struct restore *r, unsigned threads, struct dsdn_error *error)
{
    struct dsdn_roots roots;
    int rc = dsdn_engine_root(r->engine, threads > 1 ? 2 : 1, &roots, error);
    if (rc) return rc;
    for (uint32_t i = 0; i < r->header.info.table_cnt; i++)
        if (memcmp(roots.tables[i], r->header.info.roots.tables[i], 32) != 0)
            return dsdn_fail_at(error, DSDN_E_ROOT, r->path, DSDN_NO_OFFSET,
                                "the rows of table %s have another root than the header says",
                                r->state->tables[i].desc->name);
    return DSDN_OK; /* the state root follows from these: dsdn_ckp_read checked it */
}

static int expect(const struct restore *r, const uint8_t *root, struct dsdn_error *error)
{
    if (!root || memcmp(root, r->header.info.roots.state, 32) == 0) return DSDN_OK;
    char has[65], wanted[65];
    dsdn_hex_encode(r->header.info.roots.state, 32, has);
    dsdn_hex_encode(root, 32, wanted);
    return dsdn_fail_at(error, DSDN_E_ROOT, r->path, 96, "the checkpoint's state root is %s, expected was %s",
                        has, wanted);
}

static int restore_rows(struct restore *r, const struct dsdn_checkpoint_options *options, unsigned threads,
                        struct dsdn_error *error)
{
    const struct dsdn_catalogue *catalogue = dsdn_engine_catalogue(r->engine);
    if (strcmp(catalogue->name, r->header.info.catalogue) != 0)
        return dsdn_fail_at(error, DSDN_E_FORMAT, r->path, 192,
                            "a checkpoint of catalogue \"%s\", not of \"%s\"", r->header.info.catalogue,
                            catalogue->name);
    int rc = expect(r, options->expect_root, error);
    if (!rc) rc = match_tables(r, error);
    if (!rc) rc = lay_out(r, error);
    if (!rc) rc = run(r, threads, error);
    if (!rc) rc = check_seams(r, error);
    if (!rc) rc = dsdn_engine_restored(r->engine, error);
    if (!rc) rc = check_head(r, error);
    if (!rc && r->verify) rc = check_roots(r, threads, error);
    return rc;
}

int dsdn_checkpoint_restore(const struct dsdn_catalogue *catalogue,
                            const struct dsdn_checkpoint_options *options, const struct dsdn_io *io,
                            const char *path, struct dsdn_engine **engine, struct dsdn_checkpoint_info *info,
                            struct dsdn_error *error)
{
    struct restore r = {.io = io, .path = path, .verify = options->verify};
    unsigned threads = options->threads ? options->threads : 1;
    if (threads > THREADS_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "%u threads; at most %u", threads, THREADS_MAX);
    int rc = dsdn_io_open(io, path, O_RDONLY, 0, &r.fd, error);
    if (rc) return rc;
    rc = dsdn_ckp_read(&r.header, io, r.fd, path, error);
    if (!rc) {
        if (info) *info = r.header.info;
        rc = dsdn_engine_new(catalogue, options->engine, &r.engine, error);
        if (!rc) {
            r.state = dsdn_engine_state_for_restore(r.engine);
            rc = restore_rows(&r, options, threads, error);
        }
        dsdn_ckp_free(&r.header);
    }
    io->close(io->self, r.fd); /* only read from: nothing can be lost */
    free(r.blocks);
    if (rc)
        dsdn_engine_free(r.engine);
    else
        *engine = r.engine;
    return rc;
}
