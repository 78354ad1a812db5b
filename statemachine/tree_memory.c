#include "statemachine/memory.h"
#include "statemachine/tree_layout.h"

#include <stdlib.h>

/* Below this many levels a tree that grows is hashed anew: simpler, and no more work than a few writes. */
#define SMALL_DEPTH 8u

static void point_at_blocks(struct dsdn_tree *t)
{
    t->leaves = t->blocks[BLOCK_LEAVES].start;
    t->vh = t->blocks[BLOCK_VH].start;
    t->next = t->blocks[BLOCK_NEXT].start;
    t->live = t->blocks[BLOCK_LIVE].start;
    t->nodes = t->blocks[BLOCK_NODES].start;
    t->classes = t->blocks[BLOCK_CLASSES].start;
    t->heads = t->blocks[BLOCK_HEADS].start;
    t->dirty = t->blocks[BLOCK_DIRTY].start;
    t->dirty_words = t->blocks[BLOCK_DIRTY_WORDS].start;
}

/* Makes the blocks large enough.  Blocks that have grown before one fails stay so: they are only too
 * large. */
static int grow_blocks(struct dsdn_tree *t, size_t row_cap, unsigned depth, struct dsdn_error *error)
{
    size_t bucket_cnt = (size_t)1 << depth;
    size_t words = (bucket_cnt + 63) / 64;
    const size_t sizes[BLOCK_CNT] = {
        [BLOCK_LEAVES] = row_cap * sizeof *t->leaves,
        [BLOCK_VH] = row_cap * 32,
        [BLOCK_NEXT] = row_cap * sizeof *t->next,
        [BLOCK_LIVE] = (row_cap + 63) / 64 * sizeof *t->live,
        [BLOCK_NODES] = 2 * bucket_cnt * 32,
        [BLOCK_CLASSES] = 2 * bucket_cnt / 4,
        [BLOCK_HEADS] = bucket_cnt * sizeof *t->heads,
        [BLOCK_DIRTY] = words * sizeof *t->dirty,
        [BLOCK_DIRTY_WORDS] = (words + 63) / 64 * sizeof *t->dirty_words,
    };
    int rc = DSDN_OK;
    for (int i = 0; i < BLOCK_CNT && !rc; i++)
        rc = dsdn_pages_grow(&t->blocks[i], sizes[i], "a hash tree", error);
    point_at_blocks(t);
    return rc;
}

struct dsdn_tree *dsdn_tree_new(void)
{
    struct dsdn_tree *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->depth = t->clean_depth = DEPTH_FIRST;
    if (!grow_blocks(t, 0, DEPTH_FIRST, NULL)) return t;
    dsdn_tree_free(t);
    return NULL;
}

void dsdn_tree_free(struct dsdn_tree *t)
{
    if (!t) return;
    for (int i = 0; i < BLOCK_CNT; i++) dsdn_pages_free(&t->blocks[i]);
    free(t);
}

size_t dsdn_tree_memory(const struct dsdn_tree *t)
{
    size_t sum = sizeof *t;
    for (int i = 0; i < BLOCK_CNT; i++) sum += t->blocks[i].len;
    return sum;
}

/* Fetches what splitting a bucket will read: the chain's first leaf, and the second once the first is
 * there. */
static void prefetch_chain(const struct dsdn_tree *t, uint32_t near, uint32_t far)
{
    if (t->heads[far]) {
        __builtin_prefetch(&t->leaves[t->heads[far] - 1].kh);
        __builtin_prefetch(&t->next[t->heads[far] - 1]);
    }
    if (t->heads[near] && t->next[t->heads[near] - 1])
        __builtin_prefetch(&t->leaves[t->next[t->heads[near] - 1] - 1].kh);
}

static void set_dirty(struct dsdn_tree *t, uint32_t bucket, bool dirty)
{
    uint64_t bit = (uint64_t)1 << bucket % 64;
    t->dirty[bucket / 64] = dirty ? t->dirty[bucket / 64] | bit : t->dirty[bucket / 64] & ~bit;
}

/* Adds a level: every bucket becomes two.  Last bucket first, because 2b and 2b + 1 lie behind b.  All new
 * nodes get values at the next root anyway, so one dirty child is enough to carry a change above them. */
static void deepen(struct dsdn_tree *t)
{
    uint32_t bucket_cnt = (uint32_t)1 << t->depth;
    for (uint32_t b = bucket_cnt; b-- > 0;) {
        if (b >= 32) prefetch_chain(t, b - 16, b - 32);
        uint32_t left = t->heads[b], right = left, last = 0;
        for (; right && !kh_bit(t->leaves[right - 1].kh, t->depth); right = t->next[right - 1]) last = right;
        if (last) t->next[last - 1] = 0;
        t->heads[2 * b] = last ? left : 0;
        t->heads[2 * b + 1] = right;
        bool dirty = t->dirty[b / 64] >> b % 64 & 1;
        set_dirty(t, 2 * b, dirty);
        set_dirty(t, 2 * b + 1, false);
    }
    for (uint32_t word = 0; word < (2 * bucket_cnt + 63) / 64; word++) {
        uint64_t bit = (uint64_t)1 << word % 64;
        t->dirty_words[word / 64] =
            t->dirty[word] ? t->dirty_words[word / 64] | bit : t->dirty_words[word / 64] & ~bit;
    }
    t->depth++;
    if (t->leaf_cnt == 0) {
        t->clean_depth = t->depth; /* the new nodes are zero: empty, as they should be */
    } else if (t->depth <= SMALL_DEPTH) {
        t->clean_depth = t->depth;
        for (uint32_t b = 0; b < 2 * bucket_cnt; b++) mark_bucket(t, b);
    }
}

int dsdn_tree_reserve(struct dsdn_tree *t, uint32_t row_end, struct dsdn_error *error)
{
    if (row_end <= t->row_cap) return DSDN_OK;
    /* An eighth more than before at least, so that growing row by row does not move page tables every
     * time. */
    uint64_t row_cap = (uint64_t)t->row_cap + t->row_cap / 8;
    if (row_cap > UINT32_MAX) row_cap = UINT32_MAX;
    if (row_cap < row_end) row_cap = row_end;
    unsigned depth = t->depth;
    while (depth < DEPTH_MAX && (uint64_t)BUCKET_LOAD << depth < row_cap) depth++;
    int rc = grow_blocks(t, row_cap, depth, error);
    if (rc) return rc;
    t->row_cap = (uint32_t)row_cap;
    while (t->depth < depth) deepen(t);
    return DSDN_OK;
}
