#include "adapters/celestia/namespace_data.h"

static bool contains(const struct dsdn_nmt_node *root, const uint8_t *ns)
{
    return dsdn_namespace_compare(dsdn_nmt_min(root), ns) <= 0 &&
           dsdn_namespace_compare(ns, dsdn_nmt_max(root)) <= 0;
}

/* Row roots of a square: ranges in the upper half, nothing but parity in the lower one. */
static int check_roots(const struct dsdn_nmt_node *roots, uint32_t cnt, struct dsdn_error *error)
{
    if (cnt < 2 || cnt > DSDN_NMT_LEAVES_MAX || (cnt & (cnt - 1)))
        return dsdn_fail(error, DSDN_E_MALFORMED, "no square has %u rows", cnt);
    for (uint32_t i = 0; i < cnt; i++) {
        bool parity = dsdn_namespace_compare(dsdn_nmt_min(&roots[i]), dsdn_namespace_parity) == 0;
        if (parity != (i >= cnt / 2) ||
            dsdn_namespace_compare(dsdn_nmt_min(&roots[i]), dsdn_nmt_max(&roots[i])) > 0)
            return dsdn_fail(error, DSDN_E_MALFORMED, "the root of row %u has a range that row cannot have",
                             i);
    }
    return DSDN_OK;
}

/* One row; `only` says that no other row contains the namespace. */
static int check_row(const uint8_t *ns, const struct dsdn_namespace_row *row,
                     const struct dsdn_nmt_node *root, uint32_t leaf_cnt, bool only, struct dsdn_error *error)
{
    if (row->shares.len % DSDN_SHARE_LEN)
        return dsdn_fail(error, DSDN_E_PROOF, "%zu bytes are no whole shares", row->shares.len);
    if (!row->shares.len && !only)
        return dsdn_fail(error, DSDN_E_PROOF, "absence is claimed, but other rows contain the namespace too");
    return dsdn_nmt_verify(&row->proof, ns, row->shares.bytes, row->shares.len / DSDN_SHARE_LEN, leaf_cnt,
                           root, error);
}

int dsdn_namespace_data_verify(const uint8_t ns[DSDN_NAMESPACE_LEN], const struct dsdn_nmt_node *row_roots,
                               uint32_t root_cnt, const struct dsdn_namespace_row *rows, size_t row_cnt,
                               struct dsdn_share_run *runs, struct dsdn_namespace_result *result,
                               struct dsdn_error *error)
{
    uint32_t due = 0, done = 0;
    *result = (struct dsdn_namespace_result){.verdict = DSDN_NAMESPACE_BAD_PROOF, .bad_row = UINT32_MAX};
    if (dsdn_namespace_compare(ns, dsdn_namespace_tail_padding) >= 0)
        return dsdn_fail(error, DSDN_E_USAGE, "padding and parity are no namespaces that have data");
    int rc = check_roots(row_roots, root_cnt, error);
    if (rc) return rc;
    for (uint32_t i = 0; i < root_cnt; i++) due += contains(&row_roots[i], ns);
    if (row_cnt != due)
        return dsdn_fail(error, DSDN_E_PROOF, "the answer has %zu rows, the namespace is in the range of %u",
                         row_cnt, due);
    for (uint32_t i = 0; done < due; i++) {
        struct dsdn_error inner = DSDN_ERROR_INIT;
        const struct dsdn_namespace_row *row = &rows[done];
        if (!contains(&row_roots[i], ns)) continue;
        rc = check_row(ns, row, &row_roots[i], root_cnt, due == 1, &inner);
        if (rc) {
            result->bad_row = done;
            return dsdn_fail(error, rc, "row %u of the square: %s", i, inner.message);
        }
        uint32_t cnt = (uint32_t)(row->shares.len / DSDN_SHARE_LEN);
        if (runs && cnt)
            runs[done] =
                (struct dsdn_share_run){row->shares.bytes, cnt, i * root_cnt + (uint32_t)row->proof.start};
        result->share_cnt += cnt;
        done++;
    }
    result->verdict = result->share_cnt ? DSDN_NAMESPACE_PRESENT : DSDN_NAMESPACE_ABSENT;
    result->run_cnt = result->share_cnt ? due : 0;
    return DSDN_OK;
}
