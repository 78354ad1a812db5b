/* checkpoint_layout.h: the bytes of a checkpoint (docs/formats/checkpoint.md).  Private to checkpoint*.c.
 *
 *     head       256 bytes  fixed fields, CRC32C at its end
 *     genesis               canonical bytes
 *     directory  64 bytes a table
 *     block list  8 bytes a block: u32 length, u32 CRC32C
 *     u32 CRC32C of genesis, directory and block list
 *     blocks                rows: key, then value in rank form
 *     SHA-256 of everything before
 *
 * How many rows a block has follows from the table, so the length of the list is known before the blocks
 * are. */
#ifndef DSDN_STATEMACHINE_CHECKPOINT_LAYOUT_H
#define DSDN_STATEMACHINE_CHECKPOINT_LAYOUT_H

#include "statemachine/checkpoint.h"

enum {
    CKP_HEAD = 256,
    CKP_TABLE = 64,
    CKP_BLOCK = 8,
    CKP_TRAILER = 32,
    CKP_FORMAT = 1,
    CKP_BLOCK_MAX = 262144 /* bytes of a block */
};

/* What precedes the blocks. */
struct ckp_header {
    struct dsdn_checkpoint_info info;
    uint8_t *bytes; /* len bytes, owned */
    size_t len;
    uint8_t *blocks; /* the block list, in bytes */
};

static inline const uint8_t *ckp_genesis(const struct ckp_header *h)
{
    return h->bytes + CKP_HEAD;
}
static inline uint32_t ckp_block_len(const struct ckp_header *h, uint32_t block)
{
    return dsdn_load32(h->blocks + CKP_BLOCK * (size_t)block);
}
static inline uint32_t ckp_block_crc(const struct ckp_header *h, uint32_t block)
{
    return dsdn_load32(h->blocks + CKP_BLOCK * (size_t)block + 4);
}

/* Shortest and longest row of a table in the file: key and value with references as ranks. */
struct ckp_row_bounds {
    uint32_t least, most;
};
struct ckp_row_bounds dsdn_ckp_row_bounds(const struct dsdn_table_desc *desc);
/* As many of the longest rows as fit in a block. */
uint32_t dsdn_ckp_rows_per_block(const struct dsdn_table_desc *desc);

/* dsdn_ckp_layout allocates the header of info's tables and a genesis, and fills in the genesis; the block
 * list is zero. */
int dsdn_ckp_layout(struct ckp_header *h, struct dsdn_view genesis, struct dsdn_error *error);
/* dsdn_ckp_encode writes head, directory and checksums from info, when the block list is complete. */
void dsdn_ckp_encode(struct ckp_header *h);
/* dsdn_ckp_read reads and checks the header of an open file. */
int dsdn_ckp_read(struct ckp_header *h, const struct dsdn_io *io, int fd, const char *path,
                  struct dsdn_error *error);
void dsdn_ckp_free(struct ckp_header *h);

/* Facts of the head row that the header repeats. */
void dsdn_ckp_head_facts(struct dsdn_checkpoint_info *info, const struct dsdn_sys_row_head *head);

#endif
