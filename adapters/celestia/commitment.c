#include "adapters/celestia/commitment.h"

#include "adapters/celestia/merkle.h"

#include <stdlib.h>

enum { TAILS_MAX = 32 }; /* mountains below the full width: powers of two of a u32 */

static uint32_t power_at_least(uint32_t n)
{
    return n <= 1 ? 1 : 1u << (32 - __builtin_clz(n - 1));
}

uint32_t dsdn_subtree_width(uint32_t share_cnt)
{
    uint32_t by_cnt =
        power_at_least(share_cnt / DSDN_SUBTREE_THRESHOLD + (share_cnt % DSDN_SUBTREE_THRESHOLD != 0));
    uint32_t side = 1; /* smallest power of two with side * side >= share_cnt: that above the square root */
    while ((uint64_t)side * side < share_cnt) side *= 2;
    return by_cnt < side ? by_cnt : side;
}

uint32_t dsdn_mountain_next(uint32_t left, uint32_t width)
{
    return left >= width ? width : 1u << (31 - __builtin_clz(left));
}

uint32_t dsdn_subtree_cnt(uint32_t share_cnt)
{
    uint32_t width = dsdn_subtree_width(share_cnt);
    return share_cnt / width + (uint32_t)__builtin_popcount(share_cnt % width);
}

/* Leaves of cnt shares that may lie in several runs, the first one at *run's place `at`. */
static int blob_leaves(const struct dsdn_share_run *run, uint32_t at, uint32_t cnt, struct dsdn_nmt_node *out,
                       struct dsdn_error *error)
{
    const struct dsdn_nmt_node *first = out;
    for (; cnt; run++, at = 0) {
        uint32_t here = run->cnt - at < cnt ? run->cnt - at : cnt;
        dsdn_nmt_leaves(run->shares + (size_t)at * DSDN_SHARE_LEN, DSDN_SHARE_LEN, here, NULL, out);
        for (uint32_t i = 0; i < here; i++)
            if (dsdn_namespace_compare(dsdn_nmt_min(&out[i]), dsdn_nmt_min(first)) != 0)
                return dsdn_fail(error, DSDN_E_MALFORMED, "the shares of a blob are of several namespaces");
        out += here, cnt -= here;
    }
    return DSDN_OK;
}

/* Turns leaves into subtree roots, in place.  All mountains grow by one level at a time.  Those below the
 * full width are the binary digits of what is left over, so an odd last node is one that has its size. */
static uint32_t mountains(struct dsdn_nmt_node *nodes, uint32_t share_cnt)
{
    struct dsdn_nmt_node tails[TAILS_MAX];
    uint32_t width = dsdn_subtree_width(share_cnt), cnt = share_cnt, tail_cnt = 0;
    for (uint32_t size = 1; size < width; size *= 2) {
        if (cnt & 1) tails[tail_cnt++] = nodes[cnt - 1];
        cnt /= 2;
        (void)dsdn_nmt_level(nodes, cnt, nodes); /* one namespace: nothing can be out of order */
    }
    while (tail_cnt) nodes[cnt++] = tails[--tail_cnt];
    return cnt;
}

static int roots_of(const struct dsdn_share_run *run, uint32_t at, uint32_t share_cnt,
                    struct dsdn_nmt_node **nodes, struct dsdn_error *error)
{
    *nodes = malloc((size_t)share_cnt * sizeof **nodes);
    if (!*nodes) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the tree of %u shares", share_cnt);
    int rc = blob_leaves(run, at, share_cnt, *nodes, error);
    if (rc) {
        free(*nodes);
        return rc;
    }
    (void)mountains(*nodes, share_cnt);
    return DSDN_OK;
}

static int commit(const struct dsdn_share_run *run, uint32_t at, uint32_t share_cnt, uint8_t out[32],
                  struct dsdn_error *error)
{
    struct dsdn_nmt_node *nodes;
    int rc = roots_of(run, at, share_cnt, &nodes, error);
    if (rc) return rc;
    dsdn_merkle_root_fixed(nodes->bytes, DSDN_NMT_NODE_LEN, dsdn_subtree_cnt(share_cnt), out);
    free(nodes);
    return DSDN_OK;
}

int dsdn_subtree_roots(const uint8_t *shares, uint32_t share_cnt, struct dsdn_nmt_node *out,
                       struct dsdn_error *error)
{
    struct dsdn_share_run run = {shares, share_cnt, 0};
    struct dsdn_nmt_node *nodes;
    int rc = roots_of(&run, 0, share_cnt, &nodes, error);
    if (rc) return rc;
    memcpy(out, nodes, dsdn_subtree_cnt(share_cnt) * sizeof *out);
    free(nodes);
    return DSDN_OK;
}

int dsdn_commitment_shares(const uint8_t *shares, uint32_t share_cnt, uint8_t out[32],
                           struct dsdn_error *error)
{
    struct dsdn_share_run run = {shares, share_cnt, 0};
    return commit(&run, 0, share_cnt, out, error);
}

int dsdn_commitment_blob(const struct dsdn_blob *blob, uint8_t out[32], struct dsdn_error *error)
{
    return commit(blob->run, blob->at, blob->share_cnt, out, error);
}

int dsdn_commitment_data(const uint8_t ns[DSDN_NAMESPACE_LEN], uint32_t version, const uint8_t *signer,
                         const void *data, uint64_t len, uint8_t out[32], struct dsdn_error *error)
{
    uint32_t cnt = dsdn_share_cnt(version, len);
    uint8_t *shares = malloc(cnt ? (size_t)cnt * DSDN_SHARE_LEN : 1);
    if (!shares) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the %u shares of a blob", cnt);
    int rc = dsdn_share_split(ns, version, signer, data, len, shares, error);
    if (!rc) rc = dsdn_commitment_shares(shares, cnt, out, error);
    free(shares);
    return rc;
}
