/* seal.h: a block of a devnet as it is kept, its header made from it, and its commit signed.
 *
 * What follows from the rest is not kept: a described block has views into the kept one, its predecessor, the
 * validator sets, and itself.  Votes: all for the block, except that a set of four or more has its smallest
 * validator absent at heights 3 mod 7, and voting for nil at heights 5 mod 11, as happens on real chains;
 * more than two thirds of the power sign every block. */
#ifndef DSDN_ADAPTERS_DEVNET_SEAL_H
#define DSDN_ADAPTERS_DEVNET_SEAL_H

#include "adapters/devnet/validators.h"

/* A transaction of a block or of the mempool. */
struct dsdn_devnet_tx {
    uint8_t *bytes; /* as it stands in the block; owned */
    uint32_t len;
    uint32_t flags;      /* DSDN_DEVNET_TX_* */
    uint64_t fee;        /* utia */
    uint64_t ticket;     /* number of the submission in this run; 0: none */
    uint64_t not_before; /* mempool: lowest height that may include it */
};
#define DSDN_DEVNET_TX_OWN    1u /* paid by the node's account, with a sequence number of it */
#define DSDN_DEVNET_TX_MANGLE 2u /* the shares of its blobs hold noise behind the namespace */

struct dsdn_devnet_block {
    uint64_t height;
    struct dsdn_celestia_time time;
    uint8_t hash[32], data_hash[32], last_commit_hash[32], app_hash[32], parts_hash[32];
    uint8_t *signatures;         /* 64 bytes a validator; owned */
    uint32_t k;                  /* side of the square of data */
    struct dsdn_nmt_node *roots; /* 2k of rows, then 2k of columns; NULL: those of the empty block.  Owned */
    struct dsdn_devnet_tx *txs;  /* owned; none in the empty block */
    uint32_t tx_cnt;
};
void dsdn_devnet_block_free(struct dsdn_devnet_block *b);

/* A block in the form of the node's API.  Must not be moved: it has views into itself. */
struct dsdn_devnet_described {
    struct dsdn_celestia_block block;
    struct dsdn_celestia_validator validators[DSDN_DEVNET_VALIDATORS_MAX];
    struct dsdn_celestia_vote votes[DSDN_DEVNET_VALIDATORS_MAX];
};

struct dsdn_devnet_sealer {
    const char *chain_id;
    uint64_t version_app;
    struct dsdn_devnet_validators *validators;
    const struct dsdn_nmt_node *empty_roots; /* four: those of the empty block */
};

/* dsdn_devnet_seal completes *b, whose height, time, data_hash, k and roots are set: application hash, hash
 * of the last commit, header hash, signatures.  previous: the block before it, NULL at height 1.  twist
 * goes into the application hash: another one makes another block of the same data.  NO_MEMORY. */
int dsdn_devnet_seal(const struct dsdn_devnet_sealer *sealer, struct dsdn_devnet_block *b,
                     const struct dsdn_devnet_block *previous, uint32_t twist, struct dsdn_error *error);

/* dsdn_devnet_describe: b is sealed.  NO_MEMORY. */
int dsdn_devnet_describe(const struct dsdn_devnet_sealer *sealer, const struct dsdn_devnet_block *b,
                         const struct dsdn_devnet_block *previous, struct dsdn_devnet_described *out,
                         struct dsdn_error *error);

/* dsdn_devnet_commit_hash is the last_commit_hash of the next header: the root over {1: flag, 2: address, 3:
 * time, 4: signature} of each of cnt (at most DSDN_DEVNET_VALIDATORS_MAX) votes (CometBFT types/block.go). */
void dsdn_devnet_commit_hash(const struct dsdn_celestia_vote *votes, uint32_t cnt, uint8_t out[32]);

#endif
