/* tree_layout.h: how tree.c, tree_memory.c and tree_prove.c keep a tree.  Private to them.
 *
 * The top `depth` levels are a heap of node hashes without pointers: the root is node 1, the children of node
 * i are 2i and 2i + 1 (64 adjacent bytes, hashed in place), the nodes of depth d are 2^d .. 2^(d+1) - 1.  The
 * nodes of the last level are the buckets; the leaves of a bucket are a chain in ascending order of kh, and
 * what lies between a bucket and its one or two leaves is not kept but computed when the bucket changes.
 * 2^depth is between half the room for rows and all of it, which makes 134 to 169 bytes a row.
 *
 * Node values do not depend on `depth`: growing adds a level below and leaves the others as they are. */
#ifndef DSDN_STATEMACHINE_TREE_LAYOUT_H
#define DSDN_STATEMACHINE_TREE_LAYOUT_H

#include "statemachine/memory.h"
#include "statemachine/tree.h"

enum {
    DEPTH_FIRST = 4, /* levels of a new tree */
    DEPTH_MAX = 30,  /* heap positions are u32 */
    BUCKET_LOAD = 2  /* rows a bucket, at most on average */
};

/* What is below a node.  An empty node's hash is zero, that of a single leaf is the leaf's. */
enum { CLASS_EMPTY = 0, CLASS_LEAF = 1, CLASS_INNER = 2 };

/* What a bucket is computed from, in one cache line; vh is only for proofs and apart. */
struct leaf {
    uint8_t hash[32];
    uint8_t kh[32];
};

enum {
    BLOCK_LEAVES,
    BLOCK_VH,
    BLOCK_NEXT,
    BLOCK_LIVE,
    BLOCK_NODES,
    BLOCK_CLASSES,
    BLOCK_HEADS,
    BLOCK_DIRTY,
    BLOCK_DIRTY_WORDS,
    BLOCK_CNT
};

struct dsdn_tree {
    /* per row */
    struct leaf *leaves;
    uint8_t *vh;    /* 32 bytes each */
    uint32_t *next; /* row + 1 of the next leaf of the bucket; 0: last */
    uint64_t *live; /* bit per row: has a leaf */
    /* per node */
    uint8_t *nodes;   /* 32 bytes each */
    uint8_t *classes; /* 2 bits each */
    /* per bucket */
    uint32_t *heads;       /* row + 1 of the first leaf; 0: none */
    uint64_t *dirty;       /* bit per bucket: changed since the last root */
    uint64_t *dirty_words; /* bit per word of dirty: not zero */

    unsigned depth;
    unsigned clean_depth; /* levels below it were added since the last root and have no values yet */
    uint32_t row_cap, leaf_cnt, dirty_cnt;
    struct dsdn_pages blocks[BLOCK_CNT]; /* own the arrays above; zero where nothing was written */
};

static inline unsigned kh_bit(const uint8_t *kh, unsigned i)
{
    return (unsigned)kh[i / 8] >> (7 - i % 8) & 1u;
}

static inline uint32_t bucket_of(const struct dsdn_tree *t, const uint8_t *kh)
{
    return (uint32_t)(dsdn_load64_be(kh) >> (64 - t->depth));
}

static inline uint8_t *node_at(const struct dsdn_tree *t, size_t node)
{
    return t->nodes + 32 * node;
}

static inline unsigned class_of(const struct dsdn_tree *t, size_t node)
{
    return (unsigned)t->classes[node / 4] >> node % 4 * 2 & 3u;
}

static inline void mark_bucket(struct dsdn_tree *t, uint32_t bucket)
{
    uint32_t word = bucket / 64;
    uint64_t bit = (uint64_t)1 << bucket % 64;
    t->dirty_cnt += !(t->dirty[word] & bit);
    t->dirty[word] |= bit;
    t->dirty_words[word / 64] |= (uint64_t)1 << word % 64;
}

/* dsdn_tree_split returns the first link at or after `first` whose leaf has bit `depth` of kh set, or `end`.
 * A link is a row + 1; the leaves of [first, end) are a piece of a chain that agrees in all bits before. */
static inline uint32_t dsdn_tree_split(const struct dsdn_tree *t, uint32_t first, uint32_t end,
                                       unsigned depth)
{
    while (first != end && !kh_bit(t->leaves[first - 1].kh, depth)) first = t->next[first - 1];
    return first;
}

/* dsdn_tree_subtree computes the node at `depth` above such a piece, one hash after the other. */
void dsdn_tree_subtree(const struct dsdn_tree *t, uint32_t first, uint32_t end, unsigned depth,
                       uint8_t out[32]);

#endif
