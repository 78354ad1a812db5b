#include "adapters/celestia/commitment_proof.h"

enum { TOTAL_MAX = 2 * DSDN_NMT_LEAVES_MAX }; /* row and column roots of a square */

/* The subtree roots of one row on their way up to its root. */
struct climb {
    uint32_t start, end;                     /* shares of the blob in the row */
    uint32_t next;                           /* first share whose subtree root is not used yet */
    uint32_t width;                          /* of full subtrees */
    const struct dsdn_view *root;            /* next subtree root */
    const struct dsdn_view *node, *node_end; /* next node of the proof */
    const uint8_t *ns;
};

static bool node_get(struct dsdn_view v, struct dsdn_nmt_node *node)
{
    if (v.len != DSDN_NMT_NODE_LEN) return false;
    memcpy(node->bytes, v.bytes, DSDN_NMT_NODE_LEN);
    return dsdn_namespace_compare(dsdn_nmt_min(node), dsdn_nmt_max(node)) <= 0;
}

/* A subtree root is all of the blob's namespace. */
static bool subtree_get(struct climb *c, struct dsdn_nmt_node *node)
{
    return node_get(*c->root++, node) && dsdn_namespace_compare(dsdn_nmt_min(node), c->ns) == 0 &&
           dsdn_namespace_compare(dsdn_nmt_max(node), c->ns) == 0;
}

/* The node over the shares [low, high) of the row; at most 10 levels deep. */
static bool climb(struct climb *c, uint32_t low, uint32_t high, struct dsdn_nmt_node *out)
{
    struct dsdn_nmt_node right;
    if (high <= c->start || low >= c->end) return c->node < c->node_end && node_get(*c->node++, out);
    if (low == c->next && high - low == dsdn_mountain_next(c->end - low, c->width)) {
        c->next = high;
        return subtree_get(c, out);
    }
    uint32_t middle = low + (high - low) / 2;
    return high - low > 1 && climb(c, low, middle, out) && climb(c, middle, high, &right) &&
           dsdn_nmt_inner(out, &right, out);
}

static int bad(struct dsdn_error *error, const char *why)
{
    return dsdn_fail(error, DSDN_E_PROOF, "commitment proof: %s", why);
}

static int bad_row(struct dsdn_error *error, uint64_t row, const char *why)
{
    return dsdn_fail(error, DSDN_E_PROOF, "commitment proof, row %llu: %s", (unsigned long long)row, why);
}

/* The rows are there, one behind the other, all of one square: *k is its side. */
static int check_rows(const struct dsdn_commitment_proof *p, const uint8_t *data_root, uint32_t *k,
                      struct dsdn_error *error)
{
    uint64_t rows = p->row_root_cnt;
    if (p->end_row < p->start_row) return bad(error, "the last row is before the first");
    if (rows != (uint64_t)p->end_row - p->start_row + 1 || p->row_proof_cnt != rows ||
        p->subtree_root_proof_cnt != rows)
        return bad(error, "row roots, row proofs and range proofs are not one for each row");
    uint64_t total = p->row_proofs[0].total;
    if (total > TOTAL_MAX || (total & (total - 1)))
        return bad(error, "no square has that many rows and columns");
    *k = (uint32_t)(total / 4); /* 0 for what is too small */
    if (p->end_row >= *k) return bad(error, "the rows are not those of data");
    for (size_t i = 0; i < rows; i++) {
        struct dsdn_error inner = DSDN_ERROR_INIT;
        if (p->row_proofs[i].total != total || p->row_proofs[i].index != p->start_row + i)
            return bad_row(error, p->start_row + i, "its proof is about another row");
        if (dsdn_merkle_verify(&p->row_proofs[i], p->row_roots[i].bytes, p->row_roots[i].len, data_root,
                               &inner))
            return bad_row(error, p->start_row + i, inner.message);
    }
    return DSDN_OK;
}

/* The ranges are one unbroken stretch of shares; *share_cnt becomes its length. */
static int check_ranges(const struct dsdn_commitment_proof *p, uint32_t k, uint32_t *share_cnt,
                        struct dsdn_error *error)
{
    *share_cnt = 0; /* at most k * k */
    for (size_t i = 0; i < p->subtree_root_proof_cnt; i++) {
        const struct dsdn_nmt_proof *range = &p->subtree_root_proofs[i];
        if (range->start < 0 || range->start >= range->end || range->end > k || range->leaf_hash.len)
            return bad_row(error, p->start_row + i, "not a range of its data shares");
        if ((i > 0 && range->start != 0) || (i + 1 < p->subtree_root_proof_cnt && range->end != k))
            return bad_row(error, p->start_row + i, "the blob has a gap");
        *share_cnt += (uint32_t)(range->end - range->start);
    }
    return DSDN_OK;
}

int dsdn_commitment_proof_verify(const struct dsdn_commitment_proof *proof, const uint8_t commitment[32],
                                 const uint8_t data_root[32], uint32_t *share_cnt, struct dsdn_error *error)
{
    uint8_t root[32];
    uint32_t k = 0, shares = 0;
    int rc = check_rows(proof, data_root, &k, error);
    if (!rc) rc = check_ranges(proof, k, &shares, error);
    if (rc) return rc;
    struct climb c = {.width = dsdn_subtree_width(shares), .root = proof->subtree_roots, .ns = proof->ns};
    if (proof->subtree_root_proofs[0].start % c.width)
        return bad(error, "no blob of its length starts there");
    if (proof->subtree_root_cnt != dsdn_subtree_cnt(shares))
        return dsdn_fail(error, DSDN_E_PROOF, "commitment proof: %zu subtree roots, %u shares have %u",
                         proof->subtree_root_cnt, shares, dsdn_subtree_cnt(shares));
    for (size_t i = 0; i < proof->subtree_root_proof_cnt; i++) {
        const struct dsdn_nmt_proof *range = &proof->subtree_root_proofs[i];
        struct dsdn_nmt_node got, expected;
        c.start = c.next = (uint32_t)range->start;
        c.end = (uint32_t)range->end;
        c.node = range->nodes;
        c.node_end = range->node_cnt ? range->nodes + range->node_cnt : range->nodes;
        if (!climb(&c, 0, 2 * k, &got) || c.node != c.node_end)
            return bad_row(error, proof->start_row + i, "subtree roots and nodes do not make a tree");
        if (!node_get(proof->row_roots[i], &expected) || memcmp(&got, &expected, sizeof got) != 0)
            return bad_row(error, proof->start_row + i, "subtree roots lead to another row root");
    }
    dsdn_merkle_root(proof->subtree_roots, proof->subtree_root_cnt, root);
    if (!dsdn_equal32(root, commitment))
        return bad(error, "the subtree roots are those of another commitment");
    if (share_cnt) *share_cnt = shares;
    return DSDN_OK;
}
