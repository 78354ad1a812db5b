#include "adapters/celestia/merkle.h"

#include "log/hash.h"

enum { GROUP = 64, LEVELS = 64 };

static const uint8_t leaf_prefix = 0, inner_prefix = 1;

/* Where leaf hashes come from: byte strings, byte strings of one length side by side, or as they are. */
struct leaf_source {
    const struct dsdn_view *items;
    const uint8_t *fixed;
    size_t item_len;
    const uint8_t (*leaves)[32];
};

/* At most GROUP of them. */
static void leaf_group(const struct leaf_source *s, size_t first, size_t cnt, uint8_t (*out)[32])
{
    struct dsdn_sha256_job jobs[GROUP];
    if (s->leaves) {
        memcpy(out, s->leaves + first, cnt * 32);
        return;
    }
    for (size_t i = 0; i < cnt; i++) {
        jobs[i] = (struct dsdn_sha256_job){.head = &leaf_prefix, .head_len = 1, .out = out[i]};
        jobs[i].body = s->items ? s->items[first + i].bytes : s->fixed + (first + i) * s->item_len;
        jobs[i].body_len = s->items ? s->items[first + i].len : s->item_len;
    }
    dsdn_sha256_many(jobs, cnt);
}

/* in place: nodes[0] becomes the root over cnt <= GROUP nodes.  Pairing neighbours and carrying an odd last
 * node up unchanged gives the tree that splits at the largest power of two. */
static void group_root(uint8_t (*nodes)[32], size_t cnt)
{
    uint8_t parents[GROUP / 2][32];
    const uint8_t *in[GROUP / 2];
    uint8_t *out[GROUP / 2];
    while (cnt > 1) {
        size_t pairs = cnt / 2;
        for (size_t i = 0; i < pairs; i++) in[i] = nodes[2 * i], out[i] = parents[i];
        dsdn_sha256_nodes(inner_prefix, in, out, pairs);
        if (cnt & 1) memcpy(nodes[pairs], nodes[cnt - 1], 32);
        memcpy(nodes, parents, pairs * 32);
        cnt = pairs + (cnt & 1);
    }
}

/* pair[0] becomes the parent of both. */
static void join(uint8_t pair[2][32])
{
    uint8_t parent[32];
    dsdn_sha256_nodes(inner_prefix, (const uint8_t *const[]){pair[0]}, (uint8_t *const[]){parent}, 1);
    memcpy(pair[0], parent, 32);
}

/* Groups are the digits of a binary counter: two of a size become one of the next.  A last one that is not
 * full, and what is left on the stack at the end, is joined from the right. */
static void root(const struct leaf_source *s, size_t cnt, uint8_t out[32])
{
    uint8_t stack[LEVELS + 1][32], group[GROUP][32];
    size_t depth = 0, groups = 0;
    if (cnt == 0) {
        dsdn_sha256("", 0, out);
        return;
    }
    for (size_t first = 0; first < cnt; first += GROUP) {
        size_t len = cnt - first < GROUP ? cnt - first : GROUP;
        leaf_group(s, first, len, group);
        group_root(group, len);
        memcpy(stack[depth++], group[0], 32);
        for (size_t digit = groups++; digit & 1; digit >>= 1) join(stack + --depth - 1);
    }
    while (depth > 1) join(stack + --depth - 1);
    memcpy(out, stack[0], 32);
}

void dsdn_merkle_root(const struct dsdn_view *items, size_t cnt, uint8_t out[32])
{
    root(&(struct leaf_source){.items = items}, cnt, out);
}

void dsdn_merkle_root_fixed(const uint8_t *items, size_t item_len, size_t cnt, uint8_t out[32])
{
    root(&(struct leaf_source){.fixed = items, .item_len = item_len}, cnt, out);
}

void dsdn_merkle_root_of_leaves(const uint8_t (*leaves)[32], size_t cnt, uint8_t out[32])
{
    root(&(struct leaf_source){.leaves = leaves}, cnt, out);
}

static void leaves(const struct leaf_source *s, size_t cnt, uint8_t (*out)[32])
{
    for (size_t first = 0; first < cnt; first += GROUP)
        leaf_group(s, first, cnt - first < GROUP ? cnt - first : GROUP, out + first);
}

void dsdn_merkle_leaves(const struct dsdn_view *items, size_t cnt, uint8_t (*out)[32])
{
    leaves(&(struct leaf_source){.items = items}, cnt, out);
}

void dsdn_merkle_leaves_fixed(const uint8_t *items, size_t item_len, size_t cnt, uint8_t (*out)[32])
{
    leaves(&(struct leaf_source){.fixed = items, .item_len = item_len}, cnt, out);
}

/* The largest power of two below cnt >= 2. */
static uint64_t split(uint64_t cnt)
{
    return 1ull << (63 - __builtin_clzll(cnt - 1));
}

void dsdn_merkle_prove(const uint8_t (*leaves_of)[32], size_t cnt, size_t index,
                       struct dsdn_merkle_proof *proof)
{
    uint32_t depth = 0, at;
    *proof = (struct dsdn_merkle_proof){.total = cnt, .index = index};
    memcpy(proof->leaf_hash, leaves_of[index], 32);
    for (uint64_t left = cnt, place = index; left > 1; depth++) { /* how deep the leaf is */
        uint64_t half = split(left);
        if (place >= half)
            place -= half, left -= half;
        else
            left = half;
    }
    at = proof->aunt_cnt = depth;
    while (at) { /* from the root down: the highest aunt is the last */
        size_t half = (size_t)split(cnt);
        uint8_t *aunt = proof->aunts[--at];
        if (index < half) {
            dsdn_merkle_root_of_leaves(leaves_of + half, cnt - half, aunt);
            cnt = half;
        } else {
            dsdn_merkle_root_of_leaves(leaves_of, half, aunt);
            leaves_of += half, index -= half, cnt -= half;
        }
    }
}

int dsdn_merkle_verify(const struct dsdn_merkle_proof *proof, const void *item, size_t len,
                       const uint8_t root_hash[32], struct dsdn_error *error)
{
    uint8_t pair[2][32];
    uint64_t rights = 0; /* bit i: the node at depth i + 1 on the way down is a right child */
    uint32_t depth = 0;
    if (proof->total == 0 || proof->total > DSDN_MERKLE_ITEMS_MAX || proof->index >= proof->total)
        return dsdn_fail(error, DSDN_E_PROOF, "Merkle proof of item %llu of %llu",
                         (unsigned long long)proof->index, (unsigned long long)proof->total);
    for (uint64_t left = proof->total, place = proof->index; left > 1; depth++) {
        uint64_t half = split(left);
        if (place >= half) {
            rights |= 1ull << depth;
            place -= half, left -= half;
        } else
            left = half;
    }
    if (proof->aunt_cnt != depth)
        return dsdn_fail(error, DSDN_E_PROOF, "Merkle proof has %u aunts, item %llu of %llu needs %u",
                         proof->aunt_cnt, (unsigned long long)proof->index, (unsigned long long)proof->total,
                         depth);
    dsdn_merkle_leaves_fixed(item, len, 1, pair);
    if (!dsdn_equal32(pair[0], proof->leaf_hash))
        return dsdn_fail(error, DSDN_E_PROOF, "Merkle proof is about another item (leaf hash differs)");
    for (uint32_t i = 0; i < depth; i++) {
        bool right = rights >> (depth - 1 - i) & 1;
        if (right) memcpy(pair[1], pair[0], 32);
        memcpy(pair[right ? 0 : 1], proof->aunts[i], 32);
        join(pair);
    }
    if (!dsdn_equal32(pair[0], root_hash))
        return dsdn_fail(error, DSDN_E_PROOF, "Merkle proof of item %llu of %llu leads to another root",
                         (unsigned long long)proof->index, (unsigned long long)proof->total);
    return DSDN_OK;
}
