#include "statemachine/tree_layout.h"
#include "log/hash.h"

static void hash_pair(uint8_t prefix, const uint8_t pair[64], uint8_t out[32])
{
    dsdn_sha256_nodes(prefix, &pair, &out, 1);
}

void dsdn_tree_subtree(const struct dsdn_tree *t, uint32_t first, uint32_t end, unsigned depth,
                       uint8_t out[32])
{
    if (first == end) {
        memset(out, 0, 32);
    } else if (t->next[first - 1] == end) {
        memcpy(out, t->leaves[first - 1].hash, 32);
    } else {
        uint8_t pair[64];
        uint32_t middle = dsdn_tree_split(t, first, end, depth);
        dsdn_tree_subtree(t, first, middle, depth + 1, pair);
        dsdn_tree_subtree(t, middle, end, depth + 1, pair + 32);
        hash_pair(0x01, pair, out);
    }
}

/* The chain below a node that is a single leaf or empty. */
static uint32_t only_leaf(const struct dsdn_tree *t, size_t node, unsigned depth)
{
    for (; depth < t->depth; depth++) node = 2 * node + (class_of(t, 2 * node) == CLASS_EMPTY);
    return t->heads[node - ((size_t)1 << t->depth)];
}

void dsdn_tree_prove(const struct dsdn_tree *t, const uint8_t kh[32], struct dsdn_tree_path *path)
{
    size_t node = 1;
    unsigned depth = 0;
    for (; depth < t->depth && class_of(t, node) == CLASS_INNER; depth++) {
        node = 2 * node + kh_bit(kh, depth);
        memcpy(path->siblings[depth], node_at(t, node ^ 1), 32);
    }
    uint32_t first = only_leaf(t, node, depth), end = 0;
    while (first != end && t->next[first - 1] != end) { /* several leaves: on inside the bucket */
        uint32_t middle = dsdn_tree_split(t, first, end, depth);
        bool right = kh_bit(kh, depth);
        dsdn_tree_subtree(t, right ? first : middle, right ? middle : end, depth + 1, path->siblings[depth]);
        if (right)
            first = middle;
        else
            end = middle;
        depth++;
    }
    path->depth = depth;
    path->leaf_present = first != end;
    memset(path->leaf_kh, 0, 32);
    memset(path->leaf_vh, 0, 32);
    if (first != end) {
        memcpy(path->leaf_kh, t->leaves[first - 1].kh, 32);
        memcpy(path->leaf_vh, t->vh + 32 * (size_t)(first - 1), 32);
    }
}

void dsdn_tree_fold(const struct dsdn_tree_path *path, const uint8_t kh[32], uint8_t root[32])
{
    if (path->depth > DSDN_TREE_DEPTH_MAX) {
        memset(root, 0xff, 32);
        return;
    }
    uint8_t node[32] = {0}, pair[64];
    if (path->leaf_present) {
        memcpy(pair, path->leaf_kh, 32);
        memcpy(pair + 32, path->leaf_vh, 32);
        hash_pair(0x00, pair, node);
    }
    for (unsigned depth = path->depth; depth-- > 0;) {
        unsigned right = kh_bit(kh, depth);
        memcpy(pair + 32 * right, node, 32);
        memcpy(pair + 32 * (1 - right), path->siblings[depth], 32);
        hash_pair(0x01, pair, node);
    }
    memcpy(root, node, 32);
}

/* The node at `depth` above cnt leaves that agree in all bits before it. */
static void reference(const uint8_t *leaves, uint32_t cnt, unsigned depth, uint8_t out[32])
{
    if (cnt == 0) {
        memset(out, 0, 32);
    } else if (cnt == 1) {
        hash_pair(0x00, leaves, out);
    } else if (depth == DSDN_TREE_DEPTH_MAX) {
        memset(out, 0xff, 32);
    } else {
        uint32_t low = 0, high = cnt; /* the first leaf with the bit set is in [low, high] */
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (kh_bit(leaves + 64 * (size_t)middle, depth))
                high = middle;
            else
                low = middle + 1;
        }
        uint8_t pair[64];
        reference(leaves, low, depth + 1, pair);
        reference(leaves + 64 * (size_t)low, cnt - low, depth + 1, pair + 32);
        hash_pair(0x01, pair, out);
    }
}

void dsdn_tree_reference(const uint8_t *leaves, uint32_t cnt, uint8_t root[32])
{
    reference(leaves, cnt, 0, root);
}
