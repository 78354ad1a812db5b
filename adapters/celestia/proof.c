#include "adapters/celestia/proof_format.h"

#include "adapters/celestia/commitment.h"

#include <stdlib.h>

/* ---- blobs of a height -------------------------------------------------------------------------- */

int dsdn_height_blobs_make(const struct dsdn_share_run *runs, uint32_t run_cnt, struct dsdn_height_blobs *out,
                           struct dsdn_error *error)
{
    struct dsdn_blob_walk walk;
    struct dsdn_blob blob;
    size_t cnt = 0, len = 0;
    *out = (struct dsdn_height_blobs){.memory = NULL};
    dsdn_blob_walk_start(&walk, runs, run_cnt);
    for (; dsdn_blob_walk_next(&walk, &blob); cnt++) len += blob.len; /* all within the shares */
    if (!cnt) return DSDN_OK;
    struct dsdn_da_blob *blobs = out->memory = malloc(cnt * sizeof *blobs + len);
    if (!blobs) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu bytes of blobs", len);
    uint8_t *bytes = (uint8_t *)(blobs + cnt);
    dsdn_blob_walk_start(&walk, runs, run_cnt);
    for (struct dsdn_da_blob *b = blobs; dsdn_blob_walk_next(&walk, &blob); b++) {
        *b = (struct dsdn_da_blob){.index = blob.ordinal};
        if (blob.kind != DSDN_BLOB_DATA) continue;
        int rc = dsdn_commitment_blob(&blob, b->commitment, error);
        if (rc) {
            dsdn_height_blobs_free(out);
            return rc;
        }
        dsdn_blob_copy(&blob, bytes);
        b->bytes = bytes;
        b->len = blob.len;
        bytes += blob.len;
    }
    out->height.blobs = blobs;
    out->height.blob_cnt = (uint32_t)cnt;
    return DSDN_OK;
}

void dsdn_height_blobs_free(struct dsdn_height_blobs *blobs)
{
    free(blobs->memory);
    *blobs = (struct dsdn_height_blobs){.memory = NULL};
}

/* ---- verifying ---------------------------------------------------------------------------------- */

/* Takes one row from the front of *rest; views into it. */
static bool read_row(struct dsdn_view *rest, struct dsdn_view nodes[DSDN_NMT_NODES_MAX],
                     struct dsdn_namespace_row *row)
{
    const uint8_t *p = rest->bytes;
    if (rest->len < ROW_FIXED) return false;
    uint32_t start = dsdn_load16(p), end = dsdn_load16(p + 2), cnt = p[4];
    if (start >= end || end > DSDN_NMT_LEAVES_MAX || cnt > DSDN_NMT_NODES_MAX || p[5] > 1) return false;
    size_t nodes_len = (size_t)cnt * DSDN_NMT_NODE_LEN;
    size_t rest_len = p[5] ? DSDN_NMT_NODE_LEN : (size_t)(end - start) * DSDN_SHARE_LEN;
    if (rest->len - ROW_FIXED < nodes_len + rest_len) return false;
    p += ROW_FIXED;
    for (uint32_t i = 0; i < cnt; i++, p += DSDN_NMT_NODE_LEN)
        nodes[i] = (struct dsdn_view){p, DSDN_NMT_NODE_LEN};
    struct dsdn_view last = {p, rest_len};
    bool absent = rest->bytes[5];
    *row = (struct dsdn_namespace_row){
        .proof = {
            .start = start, .end = end, .nodes = nodes, .node_cnt = cnt, .max_namespace_ignored = true}};
    *(absent ? &row->proof.leaf_hash : &row->shares) = last;
    rest->len -= (size_t)(last.bytes + last.len - rest->bytes);
    rest->bytes = last.bytes + last.len;
    return true;
}

/* Holds the rows against the row set; runs has room for all of them. */
static int verify_rows(const struct proof_parts *parts, const uint8_t *ns, const struct dsdn_row_set *set,
                       struct dsdn_share_run *runs, uint32_t *run_cnt, struct dsdn_error *error)
{
    struct dsdn_view rest = parts->rows, nodes[DSDN_NMT_NODES_MAX];
    struct dsdn_namespace_row row;
    *run_cnt = 0;
    if (parts->row_cnt != set->end - set->first)
        return dsdn_fail(error, DSDN_E_PROOF, "the proof has %u rows, the namespace is in the range of %u",
                         parts->row_cnt, set->end - set->first);
    for (uint32_t i = 0; i < parts->row_cnt; i++) {
        struct dsdn_error inner = DSDN_ERROR_INIT;
        uint32_t number = set->first + i;
        if (!read_row(&rest, nodes, &row))
            return dsdn_fail(error, DSDN_E_MALFORMED, "a proof of a height with a broken row");
        if (!row.shares.len && parts->row_cnt > 1)
            return dsdn_fail(error, DSDN_E_PROOF,
                             "row %u: absence is claimed, but other rows contain the "
                             "namespace too",
                             number);
        size_t cnt = row.shares.len / DSDN_SHARE_LEN;
        int rc = dsdn_nmt_verify(&row.proof, ns, row.shares.bytes, cnt, set->row_cnt, &set->roots[i], &inner);
        if (rc) return dsdn_fail(error, rc, "row %u of the square: %s", number, inner.message);
        if (cnt)
            runs[(*run_cnt)++] = (struct dsdn_share_run){row.shares.bytes, (uint32_t)cnt,
                                                         number * set->row_cnt + (uint32_t)row.proof.start};
    }
    return rest.len ? dsdn_fail(error, DSDN_E_MALFORMED, "a proof of a height with bytes behind its end")
                    : DSDN_OK;
}

int dsdn_celestia_proof_verify(struct dsdn_view proof, const uint8_t ns[DSDN_NAMESPACE_LEN],
                               const uint8_t hash[32], struct dsdn_height_blobs *out,
                               struct dsdn_error *error)
{
    struct dsdn_share_run runs[DSDN_NMT_LEAVES_MAX / 2];
    struct proof_parts parts;
    struct dsdn_celestia_header header;
    struct dsdn_row_set set;
    struct dsdn_error inner = DSDN_ERROR_INIT;
    uint8_t own[32];
    uint32_t run_cnt = 0;
    *out = (struct dsdn_height_blobs){.memory = NULL};
    int rc = proof_split(proof, &parts, error);
    if (!rc) rc = proof_header(parts.header, &header, error);
    if (rc) return rc;
    dsdn_celestia_header_hash(&header, own);
    if (!dsdn_equal32(own, hash))
        return dsdn_fail(error, DSDN_E_CHAIN, "height %lld: the header is not the one of the trusted chain",
                         (long long)header.height);
    rc =
        dsdn_row_set_verify(parts.row_set.bytes, parts.row_set.len, ns, header.data_hash.bytes, &set, &inner);
    if (!rc) rc = verify_rows(&parts, ns, &set, runs, &run_cnt, &inner);
    if (!rc) rc = dsdn_height_blobs_make(runs, run_cnt, out, &inner);
    if (rc) return dsdn_fail(error, rc, "height %lld: %s", (long long)header.height, inner.message);
    out->height.height = (uint64_t)header.height;
    out->height.time_ms = dsdn_celestia_time_ms(header.time);
    memcpy(out->height.hash, own, 32);
    out->height.proof = proof;
    return DSDN_OK;
}

uint64_t dsdn_celestia_time_ms(struct dsdn_celestia_time time)
{
    return time.seconds < 0 ? 0 : (uint64_t)time.seconds * 1000 + (uint64_t)time.nanos / 1000000;
}
