/* Row sets, and transactions with blobs.  Input: choice u8, then for
 *   0  a namespace number u8, and a row set, held against a fixed DAH: what is accepted must be true;
 *   1  the same with the first bytes of the true set for that namespace in place of as many of the input's;
 *   2  transactions behind a length u16 each, as they stand in a block: their square has all that is in them.
 */
#include "tests/fuzz/fuzz.h"

#include "adapters/celestia/dah.h"
#include "adapters/celestia/layout.h"

enum { K = 8, TXS = 16, BLOBS = 64 };

static struct dsdn_nmt_node rows[2 * K], columns[2 * K];
static const uint8_t ranges[K][2] = {{1, 4}, {4, 9}, {9, 9}, {9, 9}, {9, 12}, {14, 20}, {20, 21}, {30, 30}};

static void row_set(struct input *in, bool repaired)
{
    static const struct dsdn_dah dah = {rows, columns, 2 * K, 2 * K};
    uint8_t ns[DSDN_NAMESPACE_LEN] = {0}, root[32], true_set[DSDN_ROW_SET_LEN_MAX(2 * K)];
    struct dsdn_row_set set;
    struct dsdn_error error = DSDN_ERROR_INIT;
    size_t true_len;
    uint32_t first, end;
    for (uint32_t i = 0; i < 2 * K; i++) {
        memset(rows[i].bytes, i < K ? 0 : 255, 58);
        memset(columns[i].bytes, (int)i, DSDN_NMT_NODE_LEN);
        if (i < K) rows[i].bytes[28] = ranges[i][0], rows[i].bytes[57] = ranges[i][1];
        rows[i].bytes[60] = (uint8_t)i;
    }
    CHECK_OK(dsdn_dah_check(&dah, &error), &error);
    dsdn_dah_root(&dah, root);
    ns[28] = take8(in) % 32;
    uint8_t *bytes = fuzz_copy(in->at, in->left);
    CHECK_OK(dsdn_row_set_make(&dah, ns, true_set, sizeof true_set, &true_len, &error), &error);
    size_t kept = true_len < in->left ? true_len : in->left;
    if (repaired) kept = kept > 8 ? kept - 8 : 0; /* what is left of the input decides */
    if (repaired) memcpy(bytes, true_set, kept);
    if (dsdn_row_set_verify(bytes, in->left, ns, root, &set, &error) == 0) {
        dsdn_dah_rows(&dah, ns, &first, &end);
        CHECK(set.row_cnt == 2 * K && set.end - set.first == end - first &&
              (first == end || set.first == first));
        CHECK(in->left == true_len && memcmp(bytes, true_set, true_len) == 0);
    } else
        CHECK(error.code == DSDN_E_MALFORMED || error.code == DSDN_E_PROOF);
    free(bytes);
}

static void block(struct input *in)
{
    static struct dsdn_layout_blob blobs[BLOBS];
    struct dsdn_layout_tx txs[TXS];
    struct dsdn_layout layout;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t cnt = 0, used = 0;
    while (cnt < TXS && in->left > 2) {
        size_t len = take16(in);
        if (len > in->left) len = in->left;
        int rc = dsdn_blob_tx_decode(in->at, len, blobs + used, BLOBS - used, txs + cnt, &error);
        CHECK(!rc || rc == DSDN_E_MALFORMED || rc == DSDN_E_TOO_LARGE);
        if (!rc) used += txs[cnt++].blob_cnt;
        in->at += len;
        in->left -= len;
    }
    int rc = dsdn_layout_build(txs, cnt, 16, &layout, &error);
    CHECK(!rc || rc == DSDN_E_USAGE || rc == DSDN_E_TOO_LARGE);
    if (rc) return;
    uint32_t total = layout.k * layout.k;
    uint8_t *back = fuzz_alloc((size_t)total * DSDN_SHARE_LEN);
    for (uint32_t i = 0; i < used; i++) {
        CHECK(blobs[i].index + blobs[i].share_cnt <= total);
        struct dsdn_share_run run = {layout.shares + (size_t)blobs[i].index * DSDN_SHARE_LEN,
                                     blobs[i].share_cnt, blobs[i].index};
        struct dsdn_blob_walk walk;
        struct dsdn_blob blob;
        dsdn_blob_walk_start(&walk, &run, 1);
        CHECK(dsdn_blob_walk_next(&walk, &blob) && blob.kind == DSDN_BLOB_DATA &&
              blob.len == blobs[i].data.len);
        CHECK(memcmp(run.shares, blobs[i].ns, DSDN_NAMESPACE_LEN) == 0);
        dsdn_blob_copy(&blob, back);
        CHECK(memcmp(back, blobs[i].data.bytes, blob.len) == 0);
        CHECK(!dsdn_blob_walk_next(&walk, &blob));
    }
    free(back);
    dsdn_layout_free(&layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t choice = take8(&in) % 3;
    if (choice == 2)
        block(&in);
    else
        row_set(&in, choice == 1);
    return 0;
}
