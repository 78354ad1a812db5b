#include "adapters/celestia/dah.h"

#include "adapters/celestia/merkle.h"
#include "log/hash.h"

#include <stdlib.h>

typedef uint8_t digest[32];

static void inner(const uint8_t left[32], const uint8_t right[32], uint8_t out[32])
{
    uint8_t message[65] = {1};
    memcpy(message + 1, left, 32);
    memcpy(message + 33, right, 32);
    dsdn_sha256(message, sizeof message, out);
}

/* Nodes one behind the other as plain bytes. */
static const uint8_t *flat(const struct dsdn_nmt_node *nodes)
{
    return (const void *)nodes;
}

static bool node_ok(const struct dsdn_nmt_node *n)
{
    return dsdn_namespace_compare(dsdn_nmt_min(n), dsdn_nmt_max(n)) <= 0;
}

static bool in_order(const struct dsdn_nmt_node *before, const struct dsdn_nmt_node *behind)
{
    return dsdn_namespace_compare(dsdn_nmt_max(before), dsdn_nmt_min(behind)) <= 0;
}

/* Where a row lies to a namespace: below it (-1), around it (0), above it (1). */
static int place(const struct dsdn_nmt_node *n, const uint8_t *ns)
{
    if (dsdn_namespace_compare(dsdn_nmt_max(n), ns) < 0) return -1;
    return dsdn_namespace_compare(dsdn_nmt_min(n), ns) > 0;
}

static bool rows_ok(uint32_t row_cnt)
{
    return row_cnt >= 2 && row_cnt <= DSDN_NMT_LEAVES_MAX && !(row_cnt & (row_cnt - 1));
}

int dsdn_dah_check(const struct dsdn_dah *dah, struct dsdn_error *error)
{
    if (dah->row_cnt != dah->column_cnt || !rows_ok(dah->row_cnt))
        return dsdn_fail(error, DSDN_E_MALFORMED,
                         "a DAH with %u row roots and %u column roots is of no square", dah->row_cnt,
                         dah->column_cnt);
    for (uint32_t i = 0; i < dah->row_cnt; i++) {
        const struct dsdn_nmt_node *row = dah->row_roots + i;
        if (!node_ok(row) || !node_ok(dah->column_roots + i))
            return dsdn_fail(error, DSDN_E_MALFORMED,
                             "the range of row or column root %u ends before it begins", i);
        if (i && !in_order(row - 1, row))
            return dsdn_fail(error, DSDN_E_MALFORMED, "row root %u begins before the row above it ends", i);
        if (i >= dah->row_cnt / 2 && dsdn_namespace_compare(dsdn_nmt_min(row), dsdn_namespace_parity) != 0)
            return dsdn_fail(error, DSDN_E_MALFORMED, "row root %u is in the parity half and not parity", i);
    }
    return DSDN_OK;
}

/* The number of roots on each side is a power of two, so the two sides are the two subtrees of the top. */
void dsdn_dah_root(const struct dsdn_dah *dah, uint8_t out[32])
{
    uint8_t rows[32], columns[32];
    dsdn_merkle_root_fixed(flat(dah->row_roots), DSDN_NMT_NODE_LEN, dah->row_cnt, rows);
    dsdn_merkle_root_fixed(flat(dah->column_roots), DSDN_NMT_NODE_LEN, dah->column_cnt, columns);
    inner(rows, columns, out);
}

/* Among rows of data only: [*first, *end) are those around ns; none: both are the place where it would be. */
static void find(const struct dsdn_nmt_node *roots, uint32_t cnt, const uint8_t *ns, uint32_t *first,
                 uint32_t *end)
{
    *first = 0;
    while (*first < cnt && place(roots + *first, ns) < 0) ++*first;
    *end = *first;
    while (*end < cnt && place(roots + *end, ns) == 0) ++*end;
}

void dsdn_dah_rows(const struct dsdn_dah *dah, const uint8_t ns[DSDN_NAMESPACE_LEN], uint32_t *first,
                   uint32_t *end)
{
    find(dah->row_roots, dah->row_cnt / 2, ns, first, end);
}

/* ---- row sets ---------------------------------------------------------------------------------- */

/* Siblings of the leaves [first, end) on the way to the root of `leaves` leaves. */
static uint32_t sibling_cnt(uint32_t first, uint32_t end, uint32_t leaves)
{
    uint32_t cnt = 0;
    for (; leaves > 1; leaves /= 2, first /= 2, end = (end + 1) / 2) cnt += (first & 1) + (end & 1);
    return cnt;
}

static bool begins_with(const struct dsdn_nmt_node *n, const uint8_t *ns)
{
    return dsdn_namespace_compare(dsdn_nmt_min(n), ns) == 0;
}

static bool ends_with(const struct dsdn_nmt_node *n, const uint8_t *ns)
{
    return dsdn_namespace_compare(dsdn_nmt_max(n), ns) == 0;
}

int dsdn_row_set_make(const struct dsdn_dah *dah, const uint8_t ns[DSDN_NAMESPACE_LEN], uint8_t *out,
                      size_t cap, size_t *len, struct dsdn_error *error)
{
    uint32_t k = dah->row_cnt / 2, first, end, leaves = 2 * dah->row_cnt;
    dsdn_dah_rows(dah, ns, &first, &end);
    bool none = first == end;
    if (first && (none || begins_with(dah->row_roots + first, ns))) first--;
    if (end < k && (none || ends_with(dah->row_roots + end - 1, ns))) end++;
    size_t roots_len = (size_t)(end - first) * DSDN_NMT_NODE_LEN;
    size_t need = DSDN_ROW_SET_FIXED_LEN + roots_len + (size_t)32 * sibling_cnt(first, end, leaves);
    if (need > cap)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a row set of %zu bytes does not fit %zu", need, cap);
    digest *nodes = malloc((size_t)leaves * sizeof *nodes);
    if (!nodes) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a tree over %u roots", leaves);
    dsdn_merkle_leaves_fixed(flat(dah->row_roots), DSDN_NMT_NODE_LEN, dah->row_cnt, nodes);
    dsdn_merkle_leaves_fixed(flat(dah->column_roots), DSDN_NMT_NODE_LEN, dah->column_cnt,
                             nodes + dah->row_cnt);
    dsdn_store16(out, (uint16_t)dah->row_cnt);
    dsdn_store16(out + 2, (uint16_t)first);
    dsdn_store16(out + 4, (uint16_t)(end - first));
    memcpy(out + DSDN_ROW_SET_FIXED_LEN, dah->row_roots + first, roots_len);
    uint8_t *sibling = out + DSDN_ROW_SET_FIXED_LEN + roots_len;
    for (; leaves > 1; leaves /= 2, first /= 2, end = (end + 1) / 2) {
        if (first & 1) sibling = mempcpy(sibling, nodes[first - 1], 32);
        if (end & 1) sibling = mempcpy(sibling, nodes[end], 32);
        for (uint32_t i = 0; i < leaves / 2; i++) inner(nodes[2 * i], nodes[2 * i + 1], nodes[i]);
    }
    free(nodes);
    *len = need;
    return DSDN_OK;
}

/* The root over the leaves [first, end) in nodes[1 ...] and their siblings; nodes[0] is room for one. */
static void climb(digest *nodes, uint32_t first, uint32_t end, uint32_t leaves, const uint8_t *sibling,
                  uint8_t root[32])
{
    for (; leaves > 1; leaves /= 2, first /= 2, end = (end + 1) / 2) {
        digest *at = nodes + 1, *behind = at + (end - first);
        if (first & 1) {
            memcpy(*--at, sibling, 32);
            sibling += 32;
        }
        if (end & 1) {
            memcpy(*behind++, sibling, 32);
            sibling += 32;
        }
        /* the result may lie one behind the pair it is made of: never on a later pair */
        for (uint32_t i = 0; at < behind; at += 2, i++) inner(at[0], at[1], nodes[1 + i]);
    }
    memcpy(root, nodes[1], 32);
}

int dsdn_row_set_verify(const uint8_t *bytes, size_t len, const uint8_t ns[DSDN_NAMESPACE_LEN],
                        const uint8_t data_root[32], struct dsdn_row_set *set, struct dsdn_error *error)
{
    digest nodes[DSDN_NMT_LEAVES_MAX / 2 + 2], root;
    if (len < DSDN_ROW_SET_FIXED_LEN)
        return dsdn_fail(error, DSDN_E_MALFORMED, "%zu bytes are too few for a row set", len);
    uint32_t row_cnt = dsdn_load16(bytes), k = row_cnt / 2;
    uint32_t start = dsdn_load16(bytes + 2), cnt = dsdn_load16(bytes + 4);
    if (!rows_ok(row_cnt) || !cnt || start >= k || cnt > k - start)
        return dsdn_fail(error, DSDN_E_MALFORMED, "a row set of %u rows from %u on in a square of %u rows",
                         cnt, start, row_cnt);
    size_t roots_len = (size_t)cnt * DSDN_NMT_NODE_LEN;
    size_t need =
        DSDN_ROW_SET_FIXED_LEN + roots_len + (size_t)32 * sibling_cnt(start, start + cnt, 2 * row_cnt);
    if (len != need)
        return dsdn_fail(error, DSDN_E_MALFORMED, "a row set of %zu bytes where it needs %zu", len, need);
    const struct dsdn_nmt_node *roots = (const void *)(bytes + DSDN_ROW_SET_FIXED_LEN);
    dsdn_merkle_leaves_fixed(flat(roots), DSDN_NMT_NODE_LEN, cnt, nodes + 1);
    climb(nodes, start, start + cnt, 2 * row_cnt, flat(roots) + roots_len, root);
    if (!dsdn_equal32(root, data_root))
        return dsdn_fail(error, DSDN_E_PROOF, "rows %u to %u of the set are not under the data root", start,
                         start + cnt - 1);
    for (uint32_t i = 0; i < cnt; i++)
        if (!node_ok(roots + i) || (i && !in_order(roots + i - 1, roots + i)))
            return dsdn_fail(error, DSDN_E_PROOF, "row root %u is out of order", start + i);

    /* Which of the rows can hold ns, and do the others show that no row outside the set can? */
    uint32_t first, end;
    find(roots, cnt, ns, &first, &end);
    bool none = first == end;
    bool before_due = start + first > 0 && (none || begins_with(roots + first, ns));
    bool behind_due = start + end < k && (none || ends_with(roots + end - 1, ns));
    bool settled = first == (uint32_t)before_due && cnt - end == (uint32_t)behind_due;
    if (!settled)
        return dsdn_fail(
            error, DSDN_E_PROOF,
            "rows %u to %u of %u do not settle, or not in the one form, where the namespace can be", start,
            start + cnt - 1, k);
    *set = (struct dsdn_row_set){row_cnt, start + first, start + end, none ? NULL : roots + first};
    return DSDN_OK;
}
