#include "adapters/celestia/square.h"

#include "adapters/celestia/leopard.h"

#include <stdlib.h>

typedef uint8_t digest[32];

static uint8_t *share_at(const struct dsdn_square *s, uint32_t row, uint32_t column)
{
    return s->shares + ((size_t)row * 2 * s->k + column) * DSDN_SHARE_LEN;
}

/* Q1 of the rows [first, end), or Q3: each row on its own. */
static void extend_rows(const struct dsdn_square *s, const struct dsdn_leopard *leopard, uint32_t first,
                        uint32_t end)
{
    const uint8_t *data[DSDN_SQUARE_K_MAX];
    uint8_t *parity[DSDN_SQUARE_K_MAX];
    for (uint32_t row = first; row < end; row++) {
        for (uint32_t i = 0; i < s->k; i++) {
            data[i] = share_at(s, row, i);
            parity[i] = share_at(s, row, s->k + i);
        }
        dsdn_leopard_encode(leopard, data, parity, DSDN_SHARE_LEN);
    }
}

/* Q2: parity goes byte by byte, so the halves of rows may stand for shares: all columns in one call. */
static void extend_columns(const struct dsdn_square *s, const struct dsdn_leopard *leopard)
{
    const uint8_t *data[DSDN_SQUARE_K_MAX];
    uint8_t *parity[DSDN_SQUARE_K_MAX];
    for (uint32_t i = 0; i < s->k; i++) {
        data[i] = share_at(s, i, 0);
        parity[i] = share_at(s, s->k + i, 0);
    }
    dsdn_leopard_encode(leopard, data, parity, (size_t)s->k * DSDN_SHARE_LEN);
}

static void row_leaves(const struct dsdn_square *s, uint32_t row, struct dsdn_nmt_node *out)
{
    uint32_t own = row < s->k ? s->k : 0; /* shares under their own namespace */
    dsdn_nmt_leaves(share_at(s, row, 0), DSDN_SHARE_LEN, own, NULL, out);
    dsdn_nmt_leaves(share_at(s, row, own), DSDN_SHARE_LEN, 2 * s->k - own, dsdn_namespace_parity, out + own);
}

int dsdn_square_row_tree(const struct dsdn_square *s, uint32_t row, struct dsdn_nmt_node *tree,
                         struct dsdn_error *error)
{
    row_leaves(s, row, tree);
    return dsdn_nmt_build(tree, 2 * s->k, error);
}

/* All roots.  The leaf of a share is the same in its row as in its column, and hashing shares is most of the
 * work: digests are kept from the rows for the columns. */
static int fill_roots(struct dsdn_square *s, digest *digests, struct dsdn_nmt_node *tree,
                      struct dsdn_error *error)
{
    uint32_t width = 2 * s->k;
    const struct dsdn_nmt_node *root = tree + DSDN_NMT_TREE_LEN(width) - 1;
    for (uint32_t row = 0; row < width; row++) {
        row_leaves(s, row, tree);
        for (uint32_t i = 0; i < width; i++)
            memcpy(digests[(size_t)row * width + i], dsdn_nmt_digest(tree + i), 32);
        int rc = dsdn_nmt_build(tree, width, error);
        if (rc) return rc;
        s->roots[row] = *root;
    }
    for (uint32_t column = 0; column < width; column++) {
        for (uint32_t row = 0; row < width; row++) {
            bool own = row < s->k && column < s->k;
            const uint8_t *ns = own ? share_at(s, row, column) : dsdn_namespace_parity;
            uint8_t *at = tree[row].bytes;
            at = mempcpy(at, ns, DSDN_NAMESPACE_LEN);
            at = mempcpy(at, ns, DSDN_NAMESPACE_LEN);
            memcpy(at, digests[(size_t)row * width + column], 32);
        }
        int rc = dsdn_nmt_build(tree, width, error);
        if (rc) return rc;
        s->roots[width + column] = *root;
    }
    return DSDN_OK;
}

int dsdn_square_extend(const uint8_t *shares, uint32_t k, struct dsdn_square *s, struct dsdn_error *error)
{
    memset(s, 0, sizeof *s);
    if (!k || k > DSDN_SQUARE_K_MAX || (k & (k - 1)))
        return dsdn_fail(error, DSDN_E_USAGE, "no square has %u rows of data", k);
    size_t width = 2 * (size_t)k, row_len = k * DSDN_SHARE_LEN;
    struct dsdn_leopard *leopard = dsdn_leopard_new(k);
    digest *digests = malloc(width * width * sizeof *digests);
    struct dsdn_nmt_node *tree = malloc(DSDN_NMT_TREE_LEN(width) * sizeof *tree);
    s->k = k;
    s->shares = malloc(width * width * DSDN_SHARE_LEN);
    s->roots = malloc(2 * width * sizeof *s->roots);
    int rc;
    if (leopard && digests && tree && s->shares && s->roots) {
        for (uint32_t row = 0; row < k; row++) memcpy(share_at(s, row, 0), shares + row * row_len, row_len);
        extend_rows(s, leopard, 0, k);
        extend_columns(s, leopard);
        extend_rows(s, leopard, k, 2 * k);
        rc = fill_roots(s, digests, tree, error);
    } else
        rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a square of %u x %u shares", 2 * k, 2 * k);
    dsdn_leopard_free(leopard);
    free(digests);
    free(tree);
    if (rc) {
        dsdn_square_free(s);
        return rc;
    }
    struct dsdn_dah dah = dsdn_square_dah(s);
    dsdn_dah_root(&dah, s->data_root);
    return DSDN_OK;
}

void dsdn_square_free(struct dsdn_square *s)
{
    free(s->shares);
    free(s->roots);
    memset(s, 0, sizeof *s);
}

struct dsdn_dah dsdn_square_dah(const struct dsdn_square *s)
{
    return (struct dsdn_dah){s->roots, s->roots + 2 * s->k, 2 * s->k, 2 * s->k};
}
