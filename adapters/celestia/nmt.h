/* nmt.h: namespaced Merkle trees: what binds the shares of a row or column to the data root.
 *
 * A node is 90 bytes:
 *      0  29 bytes   smallest namespace below it
 *     29  29 bytes   largest namespace below it
 *     58  32 bytes   leaf:  SHA-256(0x00 || namespace || share), the share being 512 bytes as it stands
 *                    inner: SHA-256(0x01 || left node || right node)
 *
 * The largest namespace of an inner node is that of its right child, or of its left child when everything
 * below the right one is parity: so a row's range is that of its data (nmt calls it "ignore max namespace").
 * Leaves are in order of namespaces, which is what lets a proof show that nothing was left out.
 *
 * Every row and column of an extended square of 2k x 2k shares has such a tree over 2k leaves, a power of
 * two. Source: celestiaorg/nmt hasher.go, proof.go, docs/spec/nmt.md; stricter where it is loose: the tree
 * size is fixed at 2k and every node of a proof must be used. */
#ifndef DSDN_ADAPTERS_CELESTIA_NMT_H
#define DSDN_ADAPTERS_CELESTIA_NMT_H

#include "adapters/celestia/namespace.h"
#include "adapters/celestia/share.h"

#define DSDN_NMT_NODE_LEN   90u
#define DSDN_NMT_LEAVES_MAX 1024u /* 2k; k is at most 512 */
#define DSDN_NMT_NODES_MAX  20u   /* nodes of a proof: at most one to the left and one to the right a level */

/* One node; an array of them is the plain concatenation of their bytes. */
struct dsdn_nmt_node {
    uint8_t bytes[DSDN_NMT_NODE_LEN];
};

static inline const uint8_t *dsdn_nmt_min(const struct dsdn_nmt_node *n)
{
    return n->bytes;
}
static inline const uint8_t *dsdn_nmt_max(const struct dsdn_nmt_node *n)
{
    return n->bytes + DSDN_NAMESPACE_LEN;
}
static inline const uint8_t *dsdn_nmt_digest(const struct dsdn_nmt_node *n)
{
    return n->bytes + 2 * DSDN_NAMESPACE_LEN;
}

/* dsdn_nmt_leaves makes leaf nodes of cnt shares that lie `stride` bytes apart (512 for a row, 512 * 2k for a
 * column).  ns: their namespace - dsdn_namespace_parity outside the original quadrant - or NULL for each
 * share's own first 29 bytes. */
void dsdn_nmt_leaves(const uint8_t *shares, size_t stride, size_t cnt, const uint8_t *ns,
                     struct dsdn_nmt_node *out);

/* dsdn_nmt_inner makes one inner node.  false when the children are out of order (right.min < left.max) or a
 * range of one of them is (max < min); then *out is untouched.  out may be one of the children. */
bool dsdn_nmt_inner(const struct dsdn_nmt_node *left, const struct dsdn_nmt_node *right,
                    struct dsdn_nmt_node *out);

/* dsdn_nmt_level makes a level from the one below: out[i] from in[2i] and in[2i + 1], cnt of them.  out is in
 * itself or does not overlap it.  false when children are out of order, as above; then out is in pieces. */
bool dsdn_nmt_level(const struct dsdn_nmt_node *in, size_t cnt, struct dsdn_nmt_node *out);

/* Nodes of a whole tree over leaf_cnt leaves: the leaves, then each level above them, the root last. */
#define DSDN_NMT_TREE_LEN(leaf_cnt) (2u * (leaf_cnt) - 1u)

/* dsdn_nmt_build completes a tree: tree[0 .. leaf_cnt) are the leaves, tree[leaf_cnt .. TREE_LEN) is written.
 * leaf_cnt is a power of two, 1 to DSDN_NMT_LEAVES_MAX.  MALFORMED when leaves are out of order. */
int dsdn_nmt_build(struct dsdn_nmt_node *tree, uint32_t leaf_cnt, struct dsdn_error *error);

/* A proof about the leaves [start, end) of a row: that they are all leaves of a namespace, or - with a leaf
 * hash - that a namespace is absent, because leaf `start` is larger and all before it are smaller.  The
 * values may be hostile: verification bounds them before use. */
struct dsdn_nmt_proof {
    int64_t start, end;            /* leaves, end exclusive */
    const struct dsdn_view *nodes; /* subtree roots left of start, then right of end, in tree order */
    uint32_t node_cnt;
    struct dsdn_view leaf_hash; /* absence: the leaf node at start; else empty */
    bool max_namespace_ignored; /* must be set: Celestia's trees are made so */
};

/* dsdn_nmt_verify checks what a proof says about ns in the row of 2k = leaf_cnt leaves (a power of two, 2 to
 * DSDN_NMT_LEAVES_MAX) with this root, completeness included:
 *   share_cnt > 0: these shares (512 bytes each, one behind the other) are all shares of ns in the row;
 *   share_cnt = 0: the row has none, shown by proof->leaf_hash.
 * A row whose range does not contain ns needs no proof and is refused here.  PROOF with the reason;
 * USAGE for another leaf_cnt.  No allocation; 46 KiB of stack. */
int dsdn_nmt_verify(const struct dsdn_nmt_proof *proof, const uint8_t ns[DSDN_NAMESPACE_LEN],
                    const uint8_t *shares, size_t share_cnt, uint32_t leaf_cnt,
                    const struct dsdn_nmt_node *root, struct dsdn_error *error);

/* dsdn_nmt_prove makes the range proof of leaves [start, end) (start < end <= leaf_cnt) of a built tree.  The
 * nodes are views into the tree. */
void dsdn_nmt_prove(const struct dsdn_nmt_node *tree, uint32_t leaf_cnt, uint32_t start, uint32_t end,
                    struct dsdn_view nodes[DSDN_NMT_NODES_MAX], struct dsdn_nmt_proof *proof);

enum dsdn_nmt_found {
    DSDN_NMT_OUTSIDE, /* the row's range does not contain the namespace: no proof is due */
    DSDN_NMT_ABSENT,  /* the proof is one of absence */
    DSDN_NMT_PRESENT, /* the proof is about the leaves [start, end) */
};

/* dsdn_nmt_prove_namespace makes the proof about ns, as nmt's ProveNamespace does. */
enum dsdn_nmt_found dsdn_nmt_prove_namespace(const struct dsdn_nmt_node *tree, uint32_t leaf_cnt,
                                             const uint8_t ns[DSDN_NAMESPACE_LEN],
                                             struct dsdn_view nodes[DSDN_NMT_NODES_MAX],
                                             struct dsdn_nmt_proof *proof);

#endif
