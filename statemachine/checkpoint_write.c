/* checkpoint_write.c: writing a checkpoint.  Rows are encoded twice: once to learn the lengths and checksums
 * that stand before them in the file, once to write them; encoding is cheaper than keeping or reading back
 * what was encoded. */
#include "statemachine/checkpoint_layout.h"

#include "log/genesis.h"
#include "log/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct writer {
    const struct dsdn_state *state;
    struct ckp_header header;
    uint32_t *sorted[DSDN_STATE_TABLES_MAX]; /* row numbers in key order */
    uint32_t *ranks[DSDN_STATE_TABLES_MAX];  /* rank by row number */
    uint8_t *block;                          /* room for one */
    const struct dsdn_io *io;
    const char *path; /* of the temporary file */
    int fd;
    uint64_t at; /* where the next bytes go */
    struct dsdn_sha256 sum;
};

static int sort_tables(struct writer *w, struct dsdn_error *error)
{
    for (uint32_t i = 0; i < w->state->table_cnt; i++) {
        const struct dsdn_table *t = &w->state->tables[i];
        int rc = dsdn_table_sorted(t, &w->sorted[i], error);
        if (rc) return rc;
        w->ranks[i] = malloc((size_t)t->row_end * 4 + 4);
        if (!w->ranks[i])
            return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to rank %u rows of %s", t->row_end,
                             t->desc->name);
        for (uint32_t rank = 0; rank < t->live_cnt; rank++) w->ranks[i][w->sorted[i][rank]] = rank;
    }
    return DSDN_OK;
}

/* Everything of the header but lengths and checksums of blocks. */
static int plan(struct writer *w, struct dsdn_engine *e, struct dsdn_view genesis, struct dsdn_error *error)
{
    struct dsdn_checkpoint_info *info = &w->header.info;
    const char *name = dsdn_engine_catalogue(e)->name;
    size_t name_len = strlen(name);
    if (name_len == 0 || name_len > DSDN_CHECKPOINT_NAME_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "the catalogue's name \"%s\" does not fit in a checkpoint",
                         name);
    memcpy(info->catalogue, name, name_len);
    dsdn_ckp_head_facts(info, dsdn_head(w->state));
    info->genesis_len = (uint32_t)genesis.len;
    info->table_cnt = w->state->table_cnt;
    for (uint32_t i = 0; i < info->table_cnt; i++) {
        const struct dsdn_table *t = &w->state->tables[i];
        uint32_t rows = dsdn_ckp_rows_per_block(t->desc);
        uint32_t blocks = (uint32_t)(((uint64_t)t->live_cnt + rows - 1) / rows);
        info->tables[i] = (struct dsdn_checkpoint_table){.id = t->desc->id,
                                                         .role = t->desc->role,
                                                         .key_len = (uint16_t)t->desc->key_len,
                                                         .rows = t->live_cnt,
                                                         .rows_per_block = rows,
                                                         .blocks = blocks};
        info->block_cnt += blocks;
    }
    return dsdn_ckp_layout(&w->header, genesis, error);
}

static uint32_t encode_block(struct writer *w, uint32_t table, uint32_t first, uint32_t cnt)
{
    const struct dsdn_table *t = &w->state->tables[table];
    const struct dsdn_table_desc *desc = t->desc;
    const uint32_t *rows = w->sorted[table] + first;
    uint8_t *out = w->block;
    for (uint32_t i = 0; i < cnt; i++) {
        if (i + 8 < cnt) { /* rows lie in any order */
            const uint8_t *ahead = dsdn_row_at(t, rows[i + 8], desc->row_size);
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + 64);
        }
        const uint8_t *row = dsdn_row_at(t, rows[i], desc->row_size);
        memcpy(out, row, desc->key_len);
        out += desc->key_len;
        out += desc->encode(w->state, row, out, (const uint32_t *const *)w->ranks);
    }
    return (uint32_t)(out - w->block);
}

static int put(struct writer *w, const void *bytes, size_t len, struct dsdn_error *error)
{
    dsdn_sha256_update(&w->sum, bytes, len);
    w->at += len;
    return dsdn_io_write_at(w->io, w->fd, bytes, len, w->at - len, w->path, error);
}

/* Goes through all blocks in order: measuring them into the block list, or writing them. */
static int each_block(struct writer *w, bool writing, struct dsdn_error *error)
{
    struct ckp_header *h = &w->header;
    uint8_t *entry = h->blocks;
    for (uint32_t i = 0; i < h->info.table_cnt; i++) {
        struct dsdn_checkpoint_table *t = &h->info.tables[i];
        for (uint32_t first = 0; first < t->rows; first += t->rows_per_block, entry += CKP_BLOCK) {
            uint32_t cnt = t->rows - first < t->rows_per_block ? t->rows - first : t->rows_per_block;
            uint32_t len = encode_block(w, i, first, cnt);
            if (writing) {
                int rc = put(w, w->block, len, error);
                if (rc) return rc;
                continue;
            }
            dsdn_store32(entry, len);
            dsdn_store32(entry + 4, dsdn_crc32c(0, w->block, len));
            t->bytes += len;
            h->info.bytes += len;
        }
    }
    return DSDN_OK;
}

static int write_all(struct writer *w, struct dsdn_error *error)
{
    struct ckp_header *h = &w->header;
    h->info.bytes = h->len + CKP_TRAILER;
    int rc = each_block(w, false, error);
    if (rc) return rc;
    dsdn_ckp_encode(h);
    dsdn_sha256_init(&w->sum);
    for (size_t done = 0; !rc && done < h->len; done += CKP_BLOCK_MAX)
        rc = put(w, h->bytes + done, h->len - done < CKP_BLOCK_MAX ? h->len - done : CKP_BLOCK_MAX, error);
    if (!rc) rc = each_block(w, true, error);
    dsdn_sha256_final(&w->sum, h->info.file_hash);
    if (!rc) rc = dsdn_io_write_at(w->io, w->fd, h->info.file_hash, 32, w->at, w->path, error);
    return rc ? rc : dsdn_io_sync(w->io, w->fd, w->path, error);
}

/* The name of the temporary file and the directory of path. */
static bool names_of(const char *path, char temporary[PATH_MAX], char directory[PATH_MAX])
{
    int used = snprintf(temporary, PATH_MAX, "%s.tmp", path);
    if (used < 0 || used >= PATH_MAX) return false;
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!slash)
        memcpy(directory, ".", 2);
    else if (len == 0)
        memcpy(directory, "/", 2);
    else {
        memcpy(directory, path, len);
        directory[len] = '\0';
    }
    return true;
}

static int refused(struct dsdn_error *error, const char *verb, const char *path)
{
    int rc = dsdn_fail_errno(error, errno, "%s", verb);
    dsdn_error_at(error, path, DSDN_NO_OFFSET);
    return rc;
}

static int write_file(struct writer *w, const char *path, struct dsdn_error *error)
{
    char temporary[PATH_MAX], directory[PATH_MAX];
    if (!names_of(path, temporary, directory))
        return dsdn_fail(error, DSDN_E_USAGE, "the path of a checkpoint is longer than %d bytes",
                         PATH_MAX - 5);
    w->path = temporary;
    int rc = dsdn_io_open(w->io, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644, &w->fd, error);
    if (rc) return rc;
    rc = write_all(w, error);
    if (w->io->close(w->io->self, w->fd) < 0 && errno != EINTR && !rc)
        rc = refused(error, "close", temporary);
    if (!rc && w->io->rename(w->io->self, temporary, path) < 0)
        rc = refused(error, "rename the finished checkpoint to its name", path);
    if (rc) {
        w->io->unlink(w->io->self, temporary);
        return rc;
    }
    return dsdn_io_sync_dir(w->io, directory, error);
}

int dsdn_checkpoint_write(struct dsdn_engine *engine, struct dsdn_view genesis, unsigned threads,
                          const struct dsdn_io *io, const char *path, struct dsdn_checkpoint_info *info,
                          struct dsdn_error *error)
{
    struct writer w = {.state = dsdn_engine_state(engine), .io = io, .fd = -1};
    uint8_t hash[32];
    if (w.state->tables[dsdn_sys_TABLE_head].live_cnt != 1)
        return dsdn_fail(error, DSDN_E_USAGE, "a checkpoint of an engine without genesis");
    dsdn_tagged("dsdn/genesis/1", genesis.bytes, genesis.len, hash);
    if (memcmp(hash, dsdn_head(w.state)->genesis, 32) != 0 || genesis.len > DSDN_GENESIS_MAX)
        return dsdn_fail(error, DSDN_E_WRONG_GENESIS,
                         "the genesis given for a checkpoint is not that of its log");

    int rc = dsdn_engine_root(engine, threads, &w.header.info.roots, error);
    if (!rc) rc = sort_tables(&w, error);
    if (!rc) rc = plan(&w, engine, genesis, error);
    if (!rc && !(w.block = malloc(CKP_BLOCK_MAX)))
        rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a block of a checkpoint");
    if (!rc) rc = write_file(&w, path, error);
    if (!rc && info) *info = w.header.info;
    for (uint32_t i = 0; i < w.state->table_cnt; i++) {
        free(w.sorted[i]);
        free(w.ranks[i]);
    }
    free(w.block);
    dsdn_ckp_free(&w.header);
    return rc;
}
