/* chain.h: the chain of a devnet: mempool, blocks, account.  No input or output, no clock: what is submitted
 * and the times given decide every byte.
 *
 * Blocks have true squares (adapters/celestia/layout.h, square.h) and headers signed by the validators of
 * validators.h.  One account pays for what is submitted; others only exist in what devnet.Garbage posts.
 *
 * Record of a block, as it is stored (little-endian):
 *      0  u64       height
 *      8  i64       time: seconds since 1970
 *     16  u32       time: nanoseconds
 *     20  u32       k
 *     24  u32       number of transactions
 *     28  32 bytes  header hash
 *     60  ...       with transactions: 4k roots, 90 bytes each
 *     ..  ...       each transaction: u32 length, u32 flags, u64 fee, bytes
 * All else follows from the configuration and the block before; the header hash shows that it did. */
#ifndef DSDN_ADAPTERS_DEVNET_CHAIN_H
#define DSDN_ADAPTERS_DEVNET_CHAIN_H

#include "adapters/celestia/layout.h"
#include "adapters/celestia/square.h"
#include "adapters/devnet/pay.h"
#include "adapters/devnet/seal.h"

#define DSDN_DEVNET_SEED_MAX 64u /* characters */

struct dsdn_devnet_config {
    char chain_id[DSDN_CELESTIA_CHAIN_ID_MAX + 1];
    char seed[DSDN_DEVNET_SEED_MAX + 1]; /* any text: keys, account and tokens follow from it */
    struct dsdn_celestia_time genesis_time;
    uint32_t step_ms; /* from the time of one block to that of the next; 0: the time given to produce */
    uint32_t validator_cnt, rotate_every;
    uint64_t replace_at;
    uint32_t square_max;   /* k of the largest square: a power of two, 1 to DSDN_SQUARE_K_MAX */
    uint64_t keep_heights; /* what is older is pruned; 0: nothing is */
    uint64_t balance;      /* of the account at the beginning, utia */
};

/* dsdn_devnet_config_default: chain "devnet-1", seed "devnet", four validators, squares up to 256, a million
 * TIA, all heights kept; genesis_time and step_ms are zero. */
void dsdn_devnet_config_default(struct dsdn_devnet_config *config);

struct dsdn_devnet_chain {
    struct dsdn_devnet_config config;
    uint8_t seed[32];
    struct dsdn_devnet_account account;
    struct dsdn_devnet_validators validators;
    struct dsdn_devnet_sealer sealer;
    uint8_t empty_share[DSDN_SHARE_LEN];
    struct dsdn_nmt_node empty_roots[4];
    uint8_t empty_data_root[32];
    struct dsdn_devnet_block **blocks; /* of height i + 1 */
    uint64_t head;                     /* 0: no block yet */
    size_t block_cap;
    uint64_t pruned; /* heights up to here have lost their data */
    struct dsdn_devnet_tx *pool;
    uint32_t pool_cnt, pool_cap;
    uint64_t *landed; /* by ticket - 1: height, 0 while in the mempool, UINT64_MAX once dropped */
    uint64_t ticket_cnt, ticket_cap;
    uint64_t sequence; /* next one of the account, mempool included */
    uint64_t spent;    /* fees of the account, mempool included */
};

/* dsdn_devnet_chain_new checks the configuration: USAGE names what is wrong.  NO_MEMORY. */
int dsdn_devnet_chain_new(const struct dsdn_devnet_config *config, struct dsdn_devnet_chain **chain,
                          struct dsdn_error *error);
void dsdn_devnet_chain_free(struct dsdn_devnet_chain *chain);

/* The lowest height that is not pruned; 1 on an empty chain. */
uint64_t dsdn_devnet_chain_tail(const struct dsdn_devnet_chain *chain);

/* dsdn_devnet_chain_submit takes tx->bytes over when it returns 0: into the mempool, fee and sequence (with
 * DSDN_DEVNET_TX_OWN) accounted for.  tx->ticket becomes its number.  NO_MEMORY. */
int dsdn_devnet_chain_submit(struct dsdn_devnet_chain *chain, struct dsdn_devnet_tx *tx,
                             struct dsdn_error *error);

/* dsdn_devnet_chain_landed is the height of a ticket's block, 0 while it waits, UINT64_MAX when the mempool
 * was dropped or the transaction does not fit any block. */
uint64_t dsdn_devnet_chain_landed(const struct dsdn_devnet_chain *chain, uint64_t ticket);

/* dsdn_devnet_chain_drop_pool forgets the mempool, as a node that restarts does. */
void dsdn_devnet_chain_drop_pool(struct dsdn_devnet_chain *chain);

/* dsdn_devnet_chain_produce makes the next block of what fits of the mempool.  now counts when step_ms is 0;
 * a block is at least a millisecond later than the one before.  After a failure (NO_MEMORY) nothing has
 * changed. */
int dsdn_devnet_chain_produce(struct dsdn_devnet_chain *chain, struct dsdn_celestia_time now,
                              struct dsdn_error *error);

/* dsdn_devnet_chain_block is the block of a height in [1, head]. */
static inline const struct dsdn_devnet_block *dsdn_devnet_chain_block(const struct dsdn_devnet_chain *chain,
                                                                      uint64_t height)
{
    return chain->blocks[height - 1];
}

/* dsdn_devnet_chain_describe: the header of a height in [1, head].  NO_MEMORY. */
int dsdn_devnet_chain_describe(const struct dsdn_devnet_chain *chain, uint64_t height,
                               struct dsdn_devnet_described *out, struct dsdn_error *error);

/* dsdn_devnet_block_lay makes the k * k shares of a block's data (unless its height is pruned).  NO_MEMORY.
 */
int dsdn_devnet_block_lay(const struct dsdn_devnet_block *block, struct dsdn_layout *layout,
                          struct dsdn_error *error);

/* dsdn_devnet_record_make is the record of a block that still has its data; the caller frees it.  NO_MEMORY.
 * dsdn_devnet_chain_restore appends the block of a record.  MALFORMED; TOO_LARGE; CHAIN when it is not the
 * next block of this configuration; NO_MEMORY. */
int dsdn_devnet_record_make(const struct dsdn_devnet_block *block, uint8_t **record, size_t *len,
                            struct dsdn_error *error);
int dsdn_devnet_chain_restore(struct dsdn_devnet_chain *chain, const uint8_t *record, size_t len,
                              struct dsdn_error *error);

/* dsdn_devnet_config_text writes what a chain's blocks depend on as one line: a home directory belongs to
 * it. */
#define DSDN_DEVNET_CONFIG_TEXT_MAX 512u
void dsdn_devnet_config_text(const struct dsdn_devnet_config *config, char out[DSDN_DEVNET_CONFIG_TEXT_MAX]);

#endif
