/* merkle.h: the plain Merkle tree of RFC 6962, section 2.1, as CometBFT uses it (crypto/merkle).
 *
 *     leaf  = SHA-256(0x00 || item)         root of no items = SHA-256("")
 *     inner = SHA-256(0x01 || left || right), split at the largest power of two below the number of items
 *
 * Share commitments, data roots, header hashes and validator hashes are roots of such trees.  Nothing here
 * allocates; items are hashed in groups of 64 through the four-lane kernels of log/hash.h. */
#ifndef DSDN_ADAPTERS_CELESTIA_MERKLE_H
#define DSDN_ADAPTERS_CELESTIA_MERKLE_H

#include "log/base.h"
#include "log/error.h"

#define DSDN_MERKLE_ITEMS_MAX (1u << 31) /* items of a tree */
#define DSDN_MERKLE_AUNTS_MAX 31u        /* depth of the largest tree */

/* dsdn_merkle_root is the root over cnt byte strings of any lengths. */
void dsdn_merkle_root(const struct dsdn_view *items, size_t cnt, uint8_t out[32]);

/* dsdn_merkle_root_fixed is the root over cnt byte strings of item_len bytes each, one behind the other: the
 * data root over row and column roots, a commitment over subtree roots. */
void dsdn_merkle_root_fixed(const uint8_t *items, size_t item_len, size_t cnt, uint8_t out[32]);

/* The same in two steps, for those who also make proofs: leaf hashes of items (32 bytes each, into out), and
 * the root over leaf hashes. */
void dsdn_merkle_leaves(const struct dsdn_view *items, size_t cnt, uint8_t (*out)[32]);
void dsdn_merkle_leaves_fixed(const uint8_t *items, size_t item_len, size_t cnt, uint8_t (*out)[32]);
void dsdn_merkle_root_of_leaves(const uint8_t (*leaves)[32], size_t cnt, uint8_t out[32]);

/* That an item is number `index` of `total` items; CometBFT's form (crypto/merkle/proof.go).  Aunts are the
 * siblings on the way from the leaf to the root, lowest first.  A proof read from outside may hold any
 * values: verification bounds them. */
struct dsdn_merkle_proof {
    uint64_t total, index;
    uint8_t leaf_hash[32];
    uint32_t aunt_cnt;
    uint8_t aunts[DSDN_MERKLE_AUNTS_MAX][32];
};

/* dsdn_merkle_prove makes the proof of leaf `index` (< cnt, 1 <= cnt <= DSDN_MERKLE_ITEMS_MAX). */
void dsdn_merkle_prove(const uint8_t (*leaves)[32], size_t cnt, size_t index,
                       struct dsdn_merkle_proof *proof);

/* dsdn_merkle_verify checks that `item` is where the proof says in the tree of `root`: index below total, the
 * item's own leaf hash, exactly the number of aunts that the place needs, the root.  PROOF. */
int dsdn_merkle_verify(const struct dsdn_merkle_proof *proof, const void *item, size_t len,
                       const uint8_t root[32], struct dsdn_error *error);

#endif
