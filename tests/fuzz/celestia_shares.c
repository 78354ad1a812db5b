/* Shares of a Celestia namespace.  Input: row length u8, form u8, then shares of one namespace.
 * form: 0 as 483 bytes from the info byte on; 1 as commands of four bytes: info u8, sequence length u16,
 * fill u8 (0: zero; else the place of a nonzero byte, counted from the end in steps of two). */
#include "tests/fuzz/fuzz.h"

#include "adapters/celestia/commitment.h"

enum { SHARES_MAX = 512, INFO_AT = DSDN_NAMESPACE_LEN, RAW_LEN = DSDN_SHARE_LEN - INFO_AT };

static uint8_t shares[SHARES_MAX * DSDN_SHARE_LEN];

static uint32_t take_shares(struct input *in)
{
    static const uint8_t ns[DSDN_NAMESPACE_LEN] = {[26] = 1, [28] = 5};
    uint8_t form = take8(in);
    uint32_t cnt = 0;
    for (; in->left && cnt < SHARES_MAX; cnt++) {
        uint8_t *share = shares + (size_t)cnt * DSDN_SHARE_LEN;
        memset(share, 0, DSDN_SHARE_LEN);
        memcpy(share, ns, sizeof ns);
        if (form & 1) {
            share[INFO_AT] = take8(in);
            share[INFO_AT + 3] = take8(in);
            share[INFO_AT + 4] = take8(in);
            uint8_t fill = take8(in) % 242; /* behind the info byte */
            if (fill) share[DSDN_SHARE_LEN + 1 - 2 * (size_t)fill] = fill;
        } else {
            size_t len = in->left < RAW_LEN ? in->left : RAW_LEN;
            memcpy(share + INFO_AT, in->at, len);
            in->at += len, in->left -= len;
        }
    }
    return cnt;
}

/* What is accepted as a blob is what cutting its data up again gives. */
static void check_blob(const struct dsdn_blob *blob, const uint8_t *first)
{
    static uint8_t data[SHARES_MAX * DSDN_SHARE_LEN], again[sizeof data];
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t commitment[32], same[32];
    CHECK(blob->len > 0 && blob->len <= sizeof data && blob->version <= DSDN_SHARE_VERSION_MAX);
    CHECK(blob->share_cnt == dsdn_share_cnt(blob->version, blob->len));
    dsdn_blob_copy(blob, data);
    CHECK_OK(dsdn_share_split(first, blob->version, blob->signer, data, blob->len, again, &error), &error);
    CHECK(memcmp(again, first, (size_t)blob->share_cnt * DSDN_SHARE_LEN) == 0);
    CHECK_OK(dsdn_commitment_blob(blob, commitment, &error), &error);
    CHECK_OK(dsdn_commitment_shares(first, blob->share_cnt, same, &error), &error);
    CHECK(dsdn_equal32(commitment, same));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dsdn_share_run rows[SHARES_MAX];
    struct input in = {data, size};
    uint32_t row_len = 1u + take8(&in), cnt = take_shares(&in), row_cnt = 0, at = 0, entries = 0;
    struct dsdn_blob_walk walk, whole;
    struct dsdn_blob blob, other;
    for (uint32_t first = 0; first < cnt; first += row_len)
        rows[row_cnt++] = (struct dsdn_share_run){shares + (size_t)first * DSDN_SHARE_LEN,
                                                  cnt - first < row_len ? cnt - first : row_len, first};
    struct dsdn_share_run all = {shares, cnt, 0};
    dsdn_blob_walk_start(&walk, rows, row_cnt);
    dsdn_blob_walk_start(&whole, &all, 1);
    for (; dsdn_blob_walk_next(&walk, &blob); entries++) {
        CHECK(dsdn_blob_walk_next(&whole, &other)); /* rows make no difference */
        CHECK(blob.kind == other.kind && blob.index == other.index && blob.share_cnt == other.share_cnt &&
              blob.len == other.len && blob.ordinal == other.ordinal && blob.ordinal == entries);
        for (; at < blob.index; at++) { /* nothing but padding is left out */
            struct dsdn_share share = dsdn_share_parse(shares + (size_t)at * DSDN_SHARE_LEN);
            CHECK(share.start && share.sequence_len == 0);
        }
        CHECK(at == blob.index && blob.share_cnt > 0 && blob.share_cnt <= cnt - at);
        if (blob.kind == DSDN_BLOB_DATA)
            check_blob(&blob, shares + (size_t)at * DSDN_SHARE_LEN);
        else
            CHECK(blob.len == 0 && !blob.signer);
        at += blob.share_cnt;
    }
    CHECK(!dsdn_blob_walk_next(&whole, &other));
    for (; at < cnt; at++) CHECK(shares[(size_t)at * DSDN_SHARE_LEN + INFO_AT] & 1);
    return 0;
}
