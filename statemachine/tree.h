/* tree.h: the compact sparse Merkle tree of one table (protocol.md, section 11; rules after Jellyfish, Diem
 * 2021).
 *
 *   key hash    kh   = SHA-256(encoded key)                  position: bits of kh, most significant first
 *   value hash  vh   = SHA-256(0x03 || encoded value)
 *   leaf             = SHA-256(0x00 || kh || vh)
 *   inner node       = SHA-256(0x01 || left || right)
 *   empty subtree    = 32 zero bytes; a subtree with exactly one leaf is that leaf's hash, at whatever depth
 *
 * The root therefore depends on the rows alone, not on the order of writes.  The tree is lazy: writes only
 * mark, hashing is done when a root is asked for, level by level with interleaved SHA-256, on one or two
 * threads. */
#ifndef DSDN_STATEMACHINE_TREE_H
#define DSDN_STATEMACHINE_TREE_H

#include "log/base.h"
#include "log/error.h"

#define DSDN_TREE_DEPTH_MAX 256u

struct dsdn_tree;

struct dsdn_tree *dsdn_tree_new(void); /* NULL: no memory */
void dsdn_tree_free(struct dsdn_tree *t);

/* Make room for rows [0, row_end).  Growing keeps all values; NO_MEMORY leaves the tree as it was. */
int dsdn_tree_reserve(struct dsdn_tree *t, uint32_t row_end, struct dsdn_error *error);

/* dsdn_tree_has says whether the row has a leaf. */
bool dsdn_tree_has(const struct dsdn_tree *t, uint32_t row);

/* dsdn_tree_insert adds a leaf for a row that has none, with its key hash, which no other leaf may have (the
 * process stops on either mistake).  The leaf has no value: dsdn_tree_set must follow before the next
 * root. */
void dsdn_tree_insert(struct dsdn_tree *t, uint32_t row, const uint8_t kh[32]);
/* dsdn_tree_set sets the value hash of `cnt` rows that have leaves: vh[i] (32 bytes each) for rows[i].  Leaf
 * hashes are computed here, interleaved.  rows are distinct. */
void dsdn_tree_set(struct dsdn_tree *t, const uint32_t *rows, const uint8_t *vh, uint32_t cnt);
/* dsdn_tree_remove takes a row's leaf out; no effect when it has none. */
void dsdn_tree_remove(struct dsdn_tree *t, uint32_t row);

/* dsdn_tree_root brings the tree up to date and writes its root.  threads is 1 or 2; the second is started
 * only when there is work enough for it, and when it cannot be started the caller does all: the result is the
 * same. */
void dsdn_tree_root(struct dsdn_tree *t, unsigned threads, uint8_t root[32]);

/* A path from a position to the root: siblings[0] is next to the root.  depth <= 256. */
struct dsdn_tree_path {
    uint32_t depth;
    uint8_t siblings[DSDN_TREE_DEPTH_MAX][32];
    bool leaf_present;   /* the path ends in a leaf (its own, or another one that shares the prefix) */
    uint8_t leaf_kh[32]; /* of that leaf */
    uint8_t leaf_vh[32];
};

/* dsdn_tree_prove writes the path of kh.  The tree must be up to date (dsdn_tree_root).  The key is present
 * when leaf_present and leaf_kh is kh; otherwise the path proves that it is absent.  siblings from `depth` on
 * are not written. */
void dsdn_tree_prove(const struct dsdn_tree *t, const uint8_t kh[32], struct dsdn_tree_path *path);

/* dsdn_tree_fold computes the root that a path leads to, for the position kh; pure, needs no tree.  A depth
 * above DSDN_TREE_DEPTH_MAX leads to 32 bytes of 0xff, which is nobody's root. */
void dsdn_tree_fold(const struct dsdn_tree_path *path, const uint8_t kh[32], uint8_t root[32]);

/* dsdn_tree_reference computes the root of cnt leaves (kh and vh, 64 bytes each, in ascending kh order) by
 * plain recursion: the definition, for tests and for verifying a checkpoint without a tree.  Leaves that
 * share a kh get no real root (0xff bytes are hashed in their place). */
void dsdn_tree_reference(const uint8_t *leaves, uint32_t cnt, uint8_t root[32]);

/* Bytes of memory in use. */
size_t dsdn_tree_memory(const struct dsdn_tree *t);

#endif
