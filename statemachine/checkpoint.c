/* checkpoint.c: the header of a checkpoint, both ways. */
#include "statemachine/checkpoint_layout.h"

#include "log/genesis.h"
#include "log/hash.h"

#include <fcntl.h>
#include <stdlib.h>

static const char magic[8] = "DSDNCKP1";

/* ---- rows ---- */

struct ckp_row_bounds dsdn_ckp_row_bounds(const struct dsdn_table_desc *desc)
{
    static const uint8_t fixed[] = {
        [DSDN_COLUMN_u8] = 1,      [DSDN_COLUMN_u16] = 2,   [DSDN_COLUMN_u32] = 4,    [DSDN_COLUMN_u64] = 8,
        [DSDN_COLUMN_i64] = 8,     [DSDN_COLUMN_time] = 8,  [DSDN_COLUMN_height] = 8, [DSDN_COLUMN_id] = 32,
        [DSDN_COLUMN_hash] = 32,   [DSDN_COLUMN_addr] = 32, [DSDN_COLUMN_ns] = 29,    [DSDN_COLUMN_ref] = 4,
        [DSDN_COLUMN_opt_ref] = 1, [DSDN_COLUMN_str] = 1,   [DSDN_COLUMN_refs] = 1,   [DSDN_COLUMN_bytes] = 1,
    };
    struct ckp_row_bounds b = {desc->key_len, desc->key_len};
    for (const struct dsdn_column *c = desc->columns(); c->name; c++) {
        if (c->key) continue;
        uint32_t more = c->kind == DSDN_COLUMN_opt_ref                               ? 4u
                        : c->kind == DSDN_COLUMN_str || c->kind == DSDN_COLUMN_bytes ? c->max
                        : c->kind == DSDN_COLUMN_refs                                ? 4u * c->max
                                                                                     : 0u;
        b.least += fixed[c->kind];
        b.most += fixed[c->kind] + more;
    }
    return b;
}

uint32_t dsdn_ckp_rows_per_block(const struct dsdn_table_desc *desc)
{
    return CKP_BLOCK_MAX / dsdn_ckp_row_bounds(desc).most;
}

void dsdn_ckp_head_facts(struct dsdn_checkpoint_info *info, const struct dsdn_sys_row_head *head)
{
    memcpy(info->genesis, head->genesis, 32);
    memcpy(info->batch_hash, head->batch_hash, 32);
    memcpy(info->transcript, head->transcript, 32);
    info->sequence = head->sequence;
    info->event_count = head->event_count;
    info->time_ms = head->time_ms;
    info->origin_height = head->origin_height;
    info->version = head->version;
}

/* ---- writing ---- */

static uint64_t header_len(const struct dsdn_checkpoint_info *info)
{
    return CKP_HEAD + (uint64_t)info->genesis_len + CKP_TABLE * (uint64_t)info->table_cnt +
           CKP_BLOCK * (uint64_t)info->block_cnt + 4;
}

static uint8_t *directory_of(const struct ckp_header *h)
{
    return h->bytes + CKP_HEAD + h->info.genesis_len;
}

static int take_memory(struct ckp_header *h, struct dsdn_error *error)
{
    h->len = (size_t)header_len(&h->info);
    h->bytes = calloc(1, h->len);
    if (!h->bytes)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a checkpoint's header of %zu bytes", h->len);
    h->blocks = directory_of(h) + CKP_TABLE * (size_t)h->info.table_cnt;
    return DSDN_OK;
}

int dsdn_ckp_layout(struct ckp_header *h, struct dsdn_view genesis, struct dsdn_error *error)
{
    int rc = take_memory(h, error);
    if (!rc) memcpy(h->bytes + CKP_HEAD, genesis.bytes, genesis.len);
    return rc;
}

void dsdn_ckp_encode(struct ckp_header *h)
{
    const struct dsdn_checkpoint_info *info = &h->info;
    uint8_t *p = h->bytes;
    memcpy(p, magic, 8);
    dsdn_store32(p + 8, CKP_FORMAT);
    dsdn_store32(p + 12, info->table_cnt);
    dsdn_store64(p + 16, info->bytes);
    dsdn_store64(p + 24, info->sequence);
    dsdn_store64(p + 32, info->event_count);
    dsdn_store64(p + 40, info->time_ms);
    dsdn_store64(p + 48, info->origin_height);
    dsdn_store64(p + 56, info->version);
    memcpy(p + 64, info->genesis, 32);
    memcpy(p + 96, info->roots.state, 32);
    memcpy(p + 128, info->batch_hash, 32);
    memcpy(p + 160, info->transcript, 32);
    memcpy(p + 192, info->catalogue, DSDN_CHECKPOINT_NAME_MAX);
    dsdn_store32(p + 224, info->genesis_len);
    dsdn_store32(p + 228, info->block_cnt);
    dsdn_store32(p + 252, dsdn_crc32c(0, p, 252));
    p = directory_of(h);
    for (uint32_t i = 0; i < info->table_cnt; i++, p += CKP_TABLE) {
        const struct dsdn_checkpoint_table *t = &info->tables[i];
        dsdn_store16(p, t->id);
        dsdn_store16(p + 2, t->role);
        dsdn_store32(p + 4, t->rows);
        dsdn_store32(p + 8, t->rows_per_block);
        dsdn_store32(p + 12, t->blocks);
        dsdn_store64(p + 16, t->bytes);
        dsdn_store16(p + 24, t->key_len);
        memcpy(p + 32, info->roots.tables[i], 32);
    }
    dsdn_store32(h->bytes + h->len - 4, dsdn_crc32c(0, h->bytes + CKP_HEAD, h->len - CKP_HEAD - 4));
}

/* ---- reading ---- */

static bool all_zero(const uint8_t *p, size_t len)
{
    uint8_t sum = 0;
    while (len--) sum |= *p++;
    return sum == 0;
}

/* A name is printable ASCII without spaces, zero-padded. */
static bool name_valid(const uint8_t name[DSDN_CHECKPOINT_NAME_MAX])
{
    size_t len = 0;
    while (len < DSDN_CHECKPOINT_NAME_MAX && name[len] > 0x20 && name[len] < 0x7f) len++;
    return len > 0 && all_zero(name + len, DSDN_CHECKPOINT_NAME_MAX - len);
}

static int read_head(struct dsdn_checkpoint_info *info, const uint8_t *p, uint64_t size, const char *path,
                     struct dsdn_error *error)
{
    if (memcmp(p, magic, 8) != 0) return dsdn_fail_at(error, DSDN_E_FORMAT, path, 0, "not a checkpoint");
    if (dsdn_load32(p + 8) != CKP_FORMAT)
        return dsdn_fail_at(error, DSDN_E_FORMAT, path, 8, "checkpoint format %u; this program knows %u",
                            dsdn_load32(p + 8), CKP_FORMAT);
    if (dsdn_crc32c(0, p, 252) != dsdn_load32(p + 252))
        return dsdn_fail_at(error, DSDN_E_CHECKSUM, path, 252,
                            "the checkpoint's head does not match its checksum");
    info->table_cnt = dsdn_load32(p + 12);
    info->bytes = dsdn_load64(p + 16);
    info->sequence = dsdn_load64(p + 24);
    info->event_count = dsdn_load64(p + 32);
    info->time_ms = dsdn_load64(p + 40);
    info->origin_height = dsdn_load64(p + 48);
    info->version = dsdn_load64(p + 56);
    memcpy(info->genesis, p + 64, 32);
    memcpy(info->batch_hash, p + 128, 32);
    memcpy(info->transcript, p + 160, 32);
    memcpy(info->catalogue, p + 192, DSDN_CHECKPOINT_NAME_MAX);
    info->genesis_len = dsdn_load32(p + 224);
    info->block_cnt = dsdn_load32(p + 228);
    if (!name_valid(p + 192) || !all_zero(p + 232, 20))
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, 192,
                            "a name or a reserved field of the head is not canonical");
    if (info->table_cnt == 0 || info->table_cnt > DSDN_STATE_TABLES_MAX)
        return dsdn_fail_at(error, DSDN_E_TOO_LARGE, path, 12, "%u tables; 1 to %u are possible",
                            info->table_cnt, DSDN_STATE_TABLES_MAX);
    if (info->genesis_len == 0 || info->genesis_len > DSDN_GENESIS_MAX)
        return dsdn_fail_at(error, DSDN_E_TOO_LARGE, path, 224, "a genesis of %u bytes; 1 to %u are possible",
                            info->genesis_len, DSDN_GENESIS_MAX);
    if (size < info->bytes)
        return dsdn_fail_at(error, DSDN_E_TRUNCATED, path, size,
                            "the file ends here; its head says %llu bytes", (unsigned long long)info->bytes);
    if (size > info->bytes)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, info->bytes,
                            "%llu bytes follow the end of the checkpoint",
                            (unsigned long long)(size - info->bytes));
    if (info->bytes < header_len(info) + CKP_TRAILER)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, 16, "%llu bytes cannot hold what the head counts",
                            (unsigned long long)info->bytes);
    return DSDN_OK;
}

/* The blocks of one table: as many as its rows need, each of a possible length. */
static int check_blocks(const struct ckp_header *h, const struct dsdn_checkpoint_table *t, uint32_t first,
                        const char *path, uint64_t at, struct dsdn_error *error)
{
    uint64_t sum = 0, blocks = ((uint64_t)t->rows + t->rows_per_block - 1) / t->rows_per_block;
    if (t->blocks != blocks || t->blocks > h->info.block_cnt - first)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, at, "table 0x%04x: %u rows are not in %u blocks",
                            t->id, t->rows, t->blocks);
    for (uint32_t i = 0; i < t->blocks; i++) {
        uint32_t len = ckp_block_len(h, first + i);
        uint32_t rows = i + 1 < t->blocks ? t->rows_per_block : t->rows - i * t->rows_per_block;
        if (len > CKP_BLOCK_MAX || len < (uint64_t)rows * t->key_len)
            return dsdn_fail_at(error, DSDN_E_TOO_LARGE, path, at,
                                "table 0x%04x: a block of %u rows in %u bytes", t->id, rows, len);
        sum += len;
    }
    if (sum != t->bytes)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, at,
                            "table 0x%04x: its blocks have %llu bytes and not %llu", t->id,
                            (unsigned long long)sum, (unsigned long long)t->bytes);
    return DSDN_OK;
}

static int read_directory(struct ckp_header *h, const char *path, struct dsdn_error *error)
{
    struct dsdn_checkpoint_info *info = &h->info;
    uint64_t sum = h->len + CKP_TRAILER;
    uint32_t block = 0;
    for (uint32_t i = 0; i < info->table_cnt; i++) {
        const uint8_t *p = directory_of(h) + CKP_TABLE * (size_t)i;
        uint64_t at = (uint64_t)(p - h->bytes);
        struct dsdn_checkpoint_table *t = &info->tables[i];
        *t = (struct dsdn_checkpoint_table){.id = dsdn_load16(p),
                                            .role = dsdn_load16(p + 2),
                                            .rows = dsdn_load32(p + 4),
                                            .rows_per_block = dsdn_load32(p + 8),
                                            .blocks = dsdn_load32(p + 12),
                                            .bytes = dsdn_load64(p + 16),
                                            .key_len = dsdn_load16(p + 24)};
        memcpy(info->roots.tables[i], p + 32, 32);
        bool again = false;
        for (uint32_t k = 0; k < i; k++) again |= info->tables[k].id == t->id;
        if (again || t->rows_per_block == 0 || t->key_len == 0 || t->key_len > DSDN_KEY_MAX ||
            !all_zero(p + 26, 6))
            return dsdn_fail_at(error, DSDN_E_MALFORMED, path, at,
                                "table 0x%04x is twice in the directory, or impossible", t->id);
        int rc = check_blocks(h, t, block, path, at, error);
        if (rc) return rc;
        block += t->blocks;
        sum += t->bytes;
    }
    if (block != info->block_cnt || sum != info->bytes)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, CKP_HEAD,
                            "the tables have %u blocks and end at byte %llu; the "
                            "head says %u and %llu",
                            block, (unsigned long long)sum, info->block_cnt, (unsigned long long)info->bytes);
    return DSDN_OK;
}

/* The state root must follow from the table roots, and the genesis hash from the genesis. */
static int check_hashes(struct ckp_header *h, const char *path, struct dsdn_error *error)
{
    struct dsdn_checkpoint_info *info = &h->info;
    struct dsdn_table_desc descs[DSDN_STATE_TABLES_MAX];
    const struct dsdn_table_desc *list[DSDN_STATE_TABLES_MAX];
    for (uint32_t i = 0; i < info->table_cnt; i++) {
        descs[i] =
            (struct dsdn_table_desc){.id = info->tables[i].id, .role = info->tables[i].role, .role_name = ""};
        list[i] = &descs[i];
    }
    dsdn_roots_combine(list, info->table_cnt, &info->roots);
    if (memcmp(info->roots.state, h->bytes + 96, 32) != 0)
        return dsdn_fail_at(error, DSDN_E_ROOT, path, 96,
                            "the state root does not follow from the table roots");
    uint8_t hash[32];
    dsdn_tagged("dsdn/genesis/1", ckp_genesis(h), info->genesis_len, hash);
    if (memcmp(hash, info->genesis, 32) != 0)
        return dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, path, CKP_HEAD,
                            "the genesis is not the one of the genesis hash");
    return DSDN_OK;
}

int dsdn_ckp_read(struct ckp_header *h, const struct dsdn_io *io, int fd, const char *path,
                  struct dsdn_error *error)
{
    uint64_t size;
    uint8_t head[CKP_HEAD];
    *h = (struct ckp_header){.bytes = NULL};
    int rc = dsdn_io_size(io, fd, &size, path, error);
    if (!rc) rc = dsdn_io_read_at(io, fd, head, sizeof head, 0, path, error);
    if (!rc) rc = read_head(&h->info, head, size, path, error);
    if (!rc) rc = take_memory(h, error);
    if (rc) return rc;
    memcpy(h->bytes, head, sizeof head);
    rc = dsdn_io_read_at(io, fd, h->bytes + CKP_HEAD, h->len - CKP_HEAD, CKP_HEAD, path, error);
    if (!rc &&
        dsdn_crc32c(0, h->bytes + CKP_HEAD, h->len - CKP_HEAD - 4) != dsdn_load32(h->bytes + h->len - 4))
        rc = dsdn_fail_at(error, DSDN_E_CHECKSUM, path, h->len - 4,
                          "genesis or directory do not match their checksum");
    if (!rc) rc = read_directory(h, path, error);
    if (!rc) rc = check_hashes(h, path, error);
    if (!rc) rc = dsdn_io_read_at(io, fd, h->info.file_hash, 32, h->info.bytes - CKP_TRAILER, path, error);
    if (rc) dsdn_ckp_free(h);
    return rc;
}

void dsdn_ckp_free(struct ckp_header *h)
{
    free(h->bytes);
    h->bytes = NULL;
}

int dsdn_checkpoint_genesis(const struct dsdn_io *io, const char *path, struct dsdn_checkpoint_info *info,
                            uint8_t **genesis, struct dsdn_error *error)
{
    int fd;
    struct ckp_header h;
    int rc = dsdn_io_open(io, path, O_RDONLY, 0, &fd, error);
    if (rc) return rc;
    rc = dsdn_ckp_read(&h, io, fd, path, error);
    io->close(io->self, fd);
    if (rc) return rc;
    uint8_t *copy = malloc(h.info.genesis_len);
    if (copy) {
        memcpy(copy, ckp_genesis(&h), h.info.genesis_len);
        *genesis = copy;
        *info = h.info;
    } else
        rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a genesis of %u bytes", h.info.genesis_len);
    dsdn_ckp_free(&h);
    return rc;
}

int dsdn_checkpoint_info(const struct dsdn_io *io, const char *path, struct dsdn_checkpoint_info *info,
                         struct dsdn_error *error)
{
    uint8_t *genesis;
    int rc = dsdn_checkpoint_genesis(io, path, info, &genesis, error);
    if (!rc) free(genesis);
    return rc;
}
