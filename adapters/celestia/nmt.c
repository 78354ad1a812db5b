#include "adapters/celestia/nmt.h"

#include "log/hash.h"

enum { GROUP = 64, HEAD_LEN = 1 + DSDN_NAMESPACE_LEN, DIGEST_AT = 2 * DSDN_NAMESPACE_LEN };

static const uint8_t inner_prefix = 1;

_Static_assert(sizeof(struct dsdn_nmt_node) == DSDN_NMT_NODE_LEN, "neighbouring nodes are one preimage");

void dsdn_nmt_leaves(const uint8_t *shares, size_t stride, size_t cnt, const uint8_t *ns,
                     struct dsdn_nmt_node *out)
{
    uint8_t heads[GROUP][HEAD_LEN]; /* 0x00 || namespace */
    struct dsdn_sha256_job jobs[GROUP];
    for (size_t first = 0; first < cnt; first += GROUP) {
        size_t len = cnt - first < GROUP ? cnt - first : GROUP;
        for (size_t i = 0; i < len; i++) {
            const uint8_t *share = shares + (first + i) * stride, *name = ns ? ns : share;
            struct dsdn_nmt_node *node = &out[first + i];
            heads[i][0] = 0;
            memcpy(heads[i] + 1, name, DSDN_NAMESPACE_LEN);
            memcpy(node->bytes, name, DSDN_NAMESPACE_LEN);
            memcpy(node->bytes + DSDN_NAMESPACE_LEN, name, DSDN_NAMESPACE_LEN);
            jobs[i] =
                (struct dsdn_sha256_job){heads[i], share, HEAD_LEN, DSDN_SHARE_LEN, node->bytes + DIGEST_AT};
        }
        dsdn_sha256_many(jobs, len);
    }
}

static bool node_valid(const struct dsdn_nmt_node *n)
{
    return dsdn_namespace_compare(dsdn_nmt_min(n), dsdn_nmt_max(n)) <= 0;
}

static bool children_valid(const struct dsdn_nmt_node *left, const struct dsdn_nmt_node *right)
{
    return node_valid(left) && node_valid(right) &&
           dsdn_namespace_compare(dsdn_nmt_max(left), dsdn_nmt_min(right)) <= 0;
}

/* The parent of pair[0] and pair[1], which it may replace or follow. */
static void parent_put(const struct dsdn_nmt_node *pair, const uint8_t digest[32], struct dsdn_nmt_node *out)
{
    struct dsdn_nmt_node parent;
    bool right_is_parity = dsdn_namespace_compare(dsdn_nmt_min(&pair[1]), dsdn_namespace_parity) == 0;
    memcpy(parent.bytes, dsdn_nmt_min(&pair[0]), DSDN_NAMESPACE_LEN);
    memcpy(parent.bytes + DSDN_NAMESPACE_LEN, dsdn_nmt_max(&pair[right_is_parity ? 0 : 1]),
           DSDN_NAMESPACE_LEN);
    memcpy(parent.bytes + DIGEST_AT, digest, 32);
    *out = parent;
}

/* dsdn_nmt_level; out may also be in + 1: parent i is written to a place at or before those of the children
 * that are still to be read, and after its own are. */
static bool level(const struct dsdn_nmt_node *in, size_t cnt, struct dsdn_nmt_node *out)
{
    struct dsdn_sha256_job jobs[GROUP];
    uint8_t digests[GROUP][32];
    for (size_t first = 0; first < cnt; first += GROUP) {
        size_t len = cnt - first < GROUP ? cnt - first : GROUP;
        for (size_t i = 0; i < len; i++) {
            const struct dsdn_nmt_node *pair = &in[2 * (first + i)];
            if (!children_valid(&pair[0], &pair[1])) return false;
            jobs[i] =
                (struct dsdn_sha256_job){&inner_prefix, pair->bytes, 1, 2 * DSDN_NMT_NODE_LEN, digests[i]};
        }
        dsdn_sha256_many(jobs, len);
        for (size_t i = 0; i < len; i++) parent_put(&in[2 * (first + i)], digests[i], &out[first + i]);
    }
    return true;
}

bool dsdn_nmt_level(const struct dsdn_nmt_node *in, size_t cnt, struct dsdn_nmt_node *out)
{
    return level(in, cnt, out);
}

bool dsdn_nmt_inner(const struct dsdn_nmt_node *left, const struct dsdn_nmt_node *right,
                    struct dsdn_nmt_node *out)
{
    struct dsdn_nmt_node pair[2] = {*left, *right};
    return level(pair, 1, out);
}

static bool power_of_two(uint32_t n)
{
    return n && (n & (n - 1)) == 0;
}

int dsdn_nmt_build(struct dsdn_nmt_node *tree, uint32_t leaf_cnt, struct dsdn_error *error)
{
    if (!power_of_two(leaf_cnt) || leaf_cnt > DSDN_NMT_LEAVES_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "a row tree of %u leaves: not a power of two up to %u",
                         leaf_cnt, DSDN_NMT_LEAVES_MAX);
    for (uint32_t cnt = leaf_cnt; cnt > 1; cnt /= 2) {
        if (!level(tree, cnt / 2, tree + cnt))
            return dsdn_fail(error, DSDN_E_MALFORMED, "shares of a row are not in the order of namespaces");
        tree += cnt;
    }
    return DSDN_OK;
}

/* ---- verifying ---- */

static int bad(struct dsdn_error *error, const char *why)
{
    return dsdn_fail(error, DSDN_E_PROOF, "%s", why);
}

/* Subtree roots that cover [0, start) and [end, leaf_cnt): one for each set bit. */
static uint32_t left_cnt(int64_t start)
{
    return (uint32_t)__builtin_popcountll((uint64_t)start);
}

static uint32_t right_cnt(int64_t end, uint32_t leaf_cnt)
{
    return (uint32_t)__builtin_popcountll(leaf_cnt - (uint64_t)end);
}

static int check_range(const struct dsdn_nmt_proof *proof, uint32_t leaf_cnt, struct dsdn_error *error)
{
    if (!proof->max_namespace_ignored)
        return bad(error, "the proof is for trees of another kind (flag not set)");
    if (proof->start < 0 || proof->start >= proof->end || proof->end > (int64_t)leaf_cnt)
        return dsdn_fail(error, DSDN_E_PROOF, "the proof is about shares %lld to %lld of a row of %u",
                         (long long)proof->start, (long long)proof->end, leaf_cnt);
    uint32_t expected = left_cnt(proof->start) + right_cnt(proof->end, leaf_cnt);
    if (proof->node_cnt != expected)
        return dsdn_fail(error, DSDN_E_PROOF, "the proof has %u nodes, shares %lld to %lld of %u need %u",
                         proof->node_cnt, (long long)proof->start, (long long)proof->end, leaf_cnt, expected);
    return DSDN_OK;
}

/* Completeness: everything left of the range is smaller than ns, everything right of it is larger. */
static int check_nodes(const struct dsdn_nmt_proof *proof, const uint8_t *ns, struct dsdn_error *error)
{
    uint32_t lefts = left_cnt(proof->start);
    for (uint32_t i = 0; i < proof->node_cnt; i++) {
        const struct dsdn_nmt_node *node = (const void *)proof->nodes[i].bytes;
        if (proof->nodes[i].len != DSDN_NMT_NODE_LEN || !node_valid(node))
            return dsdn_fail(error, DSDN_E_PROOF, "node %u of the proof is no tree node", i);
        if (i < lefts ? dsdn_namespace_compare(dsdn_nmt_max(node), ns) >= 0
                      : dsdn_namespace_compare(dsdn_nmt_min(node), ns) <= 0)
            return dsdn_fail(error, DSDN_E_PROOF,
                             "shares of the namespace may have been withheld: node %u of the proof covers it",
                             i);
    }
    return DSDN_OK;
}

static int check_presence(const struct dsdn_nmt_proof *proof, const uint8_t *ns, const uint8_t *shares,
                          size_t share_cnt, uint32_t leaf_cnt, struct dsdn_error *error)
{
    if (proof->leaf_hash.len) return bad(error, "the proof claims presence and absence at once");
    if (proof->end > leaf_cnt / 2) return bad(error, "the proof calls parity shares data");
    if (share_cnt != (uint64_t)(proof->end - proof->start))
        return dsdn_fail(error, DSDN_E_PROOF, "%zu shares came with a proof about %lld", share_cnt,
                         (long long)(proof->end - proof->start));
    for (size_t i = 0; i < share_cnt; i++)
        if (dsdn_namespace_compare(shares + i * DSDN_SHARE_LEN, ns) != 0)
            return dsdn_fail(error, DSDN_E_PROOF, "share %zu is of another namespace", i);
    return DSDN_OK;
}

static int check_absence(const struct dsdn_nmt_proof *proof, const uint8_t *ns, struct dsdn_error *error)
{
    const struct dsdn_nmt_node *leaf = (const void *)proof->leaf_hash.bytes;
    if (!proof->leaf_hash.len) return bad(error, "neither shares nor a proof of absence");
    if (proof->leaf_hash.len != DSDN_NMT_NODE_LEN ||
        dsdn_namespace_compare(dsdn_nmt_min(leaf), dsdn_nmt_max(leaf)) != 0)
        return bad(error, "the leaf of the proof of absence is no leaf");
    if (proof->end != proof->start + 1) return bad(error, "the proof of absence is not about one leaf");
    if (dsdn_namespace_compare(dsdn_nmt_min(leaf), ns) <= 0)
        return bad(error, "the leaf of the proof of absence is not behind the namespace");
    return DSDN_OK;
}

/* The root that range and proof nodes lead to.  nodes[1 ..] holds the leaves of the range; one place before
 * and one behind them is free.  Level by level: the range gets its left sibling when it starts at an odd
 * place - these come lowest last in the proof - and its right one when it ends at one. */
static bool range_root(const struct dsdn_nmt_proof *proof, uint32_t leaf_cnt, struct dsdn_nmt_node *nodes,
                       struct dsdn_nmt_node *root)
{
    uint64_t start = (uint64_t)proof->start, end = (uint64_t)proof->end;
    uint32_t left = left_cnt(proof->start), right = left;
    for (uint32_t size = leaf_cnt; size > 1; size /= 2) {
        struct dsdn_nmt_node *in = nodes + 1;
        if (start & 1) {
            memcpy(--in, proof->nodes[--left].bytes, DSDN_NMT_NODE_LEN);
            start--;
        }
        if (end & 1) {
            memcpy(&in[end - start], proof->nodes[right++].bytes, DSDN_NMT_NODE_LEN);
            end++;
        }
        start /= 2, end /= 2;
        if (!level(in, (size_t)(end - start), nodes + 1)) return false;
    }
    *root = nodes[1];
    return true;
}

int dsdn_nmt_verify(const struct dsdn_nmt_proof *proof, const uint8_t ns[DSDN_NAMESPACE_LEN],
                    const uint8_t *shares, size_t share_cnt, uint32_t leaf_cnt,
                    const struct dsdn_nmt_node *root, struct dsdn_error *error)
{
    struct dsdn_nmt_node nodes[DSDN_NMT_LEAVES_MAX / 2 + 2], got;
    if (!power_of_two(leaf_cnt) || leaf_cnt < 2 || leaf_cnt > DSDN_NMT_LEAVES_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "a row of %u shares: not a power of two from 2 to %u", leaf_cnt,
                         DSDN_NMT_LEAVES_MAX);
    if (!node_valid(root) || dsdn_namespace_compare(ns, dsdn_nmt_min(root)) < 0 ||
        dsdn_namespace_compare(ns, dsdn_nmt_max(root)) > 0)
        return bad(error, "the range of the row does not contain the namespace");
    int rc = check_range(proof, leaf_cnt, error);
    if (!rc)
        rc = share_cnt ? check_presence(proof, ns, shares, share_cnt, leaf_cnt, error)
                       : check_absence(proof, ns, error);
    if (!rc) rc = check_nodes(proof, ns, error);
    if (rc) return rc;
    if (share_cnt)
        dsdn_nmt_leaves(shares, DSDN_SHARE_LEN, share_cnt, NULL, nodes + 1);
    else
        memcpy(nodes[1].bytes, proof->leaf_hash.bytes, DSDN_NMT_NODE_LEN);
    if (!range_root(proof, leaf_cnt, nodes, &got)) return bad(error, "nodes of the proof are out of order");
    if (memcmp(got.bytes, root->bytes, DSDN_NMT_NODE_LEN) != 0)
        return bad(error, "shares and proof lead to another row root");
    return DSDN_OK;
}

/* ---- proving ---- */

void dsdn_nmt_prove(const struct dsdn_nmt_node *tree, uint32_t leaf_cnt, uint32_t start, uint32_t end,
                    struct dsdn_view nodes[DSDN_NMT_NODES_MAX], struct dsdn_nmt_proof *proof)
{
    uint32_t left = left_cnt(start), right = left;
    *proof =
        (struct dsdn_nmt_proof){.start = start, .end = end, .nodes = nodes, .max_namespace_ignored = true};
    for (uint32_t cnt = leaf_cnt; cnt > 1; cnt /= 2) {
        if (start & 1) nodes[--left] = (struct dsdn_view){tree[start - 1].bytes, DSDN_NMT_NODE_LEN};
        if (end & 1) nodes[right++] = (struct dsdn_view){tree[end].bytes, DSDN_NMT_NODE_LEN};
        start /= 2, end = (end + 1) / 2;
        tree += cnt;
    }
    proof->node_cnt = right;
}

enum dsdn_nmt_found dsdn_nmt_prove_namespace(const struct dsdn_nmt_node *tree, uint32_t leaf_cnt,
                                             const uint8_t ns[DSDN_NAMESPACE_LEN],
                                             struct dsdn_view nodes[DSDN_NMT_NODES_MAX],
                                             struct dsdn_nmt_proof *proof)
{
    const struct dsdn_nmt_node *root = &tree[DSDN_NMT_TREE_LEN(leaf_cnt) - 1];
    uint32_t start = 0, end;
    *proof = (struct dsdn_nmt_proof){.nodes = nodes, .max_namespace_ignored = true};
    if (dsdn_namespace_compare(ns, dsdn_nmt_min(root)) < 0 ||
        dsdn_namespace_compare(ns, dsdn_nmt_max(root)) > 0)
        return DSDN_NMT_OUTSIDE;
    /* The root's largest namespace is that of a leaf, so the search ends before the leaves do. */
    while (dsdn_namespace_compare(dsdn_nmt_min(&tree[start]), ns) < 0) start++;
    for (end = start; end < leaf_cnt && dsdn_namespace_compare(dsdn_nmt_min(&tree[end]), ns) == 0;) end++;
    if (end > start) {
        dsdn_nmt_prove(tree, leaf_cnt, start, end, nodes, proof);
        return DSDN_NMT_PRESENT;
    }
    dsdn_nmt_prove(tree, leaf_cnt, start, start + 1, nodes, proof);
    proof->leaf_hash = (struct dsdn_view){tree[start].bytes, DSDN_NMT_NODE_LEN};
    return DSDN_NMT_ABSENT;
}
