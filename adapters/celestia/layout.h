/* layout.h: where the transactions and blobs of a block go in its square of k x k data shares.
 *
 *     transactions without blobs   namespace ..01, compact shares
 *     transactions with blobs      namespace ..04, compact shares, each wrapped with the places of its blobs
 *     reserved padding             up to the first blob
 *     blobs                        by namespace, in the order of their transactions within one; each at a
 *                                  multiple of its subtree width (commitment.h), with padding of the blob
 *                                  before it in between
 *     tail padding                 up to k * k
 *
 * Compact shares hold one string of bytes: the transactions, each behind its length as a varint.
 *
 *      0  29 bytes   namespace
 *     29  u8         info: 1 in the first share, 0 in the others
 *     30  u32        first share only: length of the string, big-endian
 *     ..  u32        big-endian: offset in this share of the first transaction that begins in it, 0 for none
 *     ..             474 bytes of the string in the first share, 478 in the others; zero bytes behind it
 *
 * k is the smallest power of two whose square has room for the largest size that the block could have: with
 * every share index of a wrapped transaction three bytes long and every blob preceded by one share less than
 * its subtree width of padding.  This estimate is consensus: it decides k, and where the reserved padding
 * ends.  Source: celestiaorg/go-square builder.go, square.go, share/split_compact_shares.go, tx/.
 * Transactions that pay for fibre blobs (namespace ..05) are not known here. */
#ifndef DSDN_ADAPTERS_CELESTIA_LAYOUT_H
#define DSDN_ADAPTERS_CELESTIA_LAYOUT_H

#include "adapters/celestia/share.h"

#define DSDN_LAYOUT_TX_BLOBS_MAX 4096u /* blobs of one transaction */

struct dsdn_layout_blob {
    uint8_t ns[DSDN_NAMESPACE_LEN];
    uint8_t version;
    struct dsdn_view signer; /* 20 bytes for versions 1 and 2, else empty */
    struct dsdn_view data;
    uint32_t index;     /* result: place of the first share among the k * k, row by row */
    uint32_t share_cnt; /* result */
};

struct dsdn_layout_tx {
    struct dsdn_view tx;            /* the transaction itself; nothing here looks into it */
    struct dsdn_layout_blob *blobs; /* that it pays for */
    uint32_t blob_cnt;
};

struct dsdn_layout {
    uint32_t k;
    uint8_t *shares; /* k * k, owned: dsdn_layout_free */
};

/* dsdn_layout_build lays out the transactions of a block: those without blobs first.  No transactions: one
 * share of tail padding.  k_max is a power of two, 1 to 512: the largest square allowed.  Fills index and
 * share_cnt of every blob.  USAGE for blobs that cannot be (dsdn_share_split) and for a transaction without
 * blobs behind one with; TOO_LARGE when the block does not fit k_max; NO_MEMORY. */
int dsdn_layout_build(struct dsdn_layout_tx *txs, size_t tx_cnt, uint32_t k_max, struct dsdn_layout *layout,
                      struct dsdn_error *error);
void dsdn_layout_free(struct dsdn_layout *layout);

/* dsdn_blob_tx_decode reads a transaction as it stands in a block.  One with blobs is a BlobTx {1:
 * transaction, 2: blobs {1: namespace id, 2: data, 3: share version, 4: namespace version, 5: signer}, 3:
 * "BLOB"}: its blobs are written to blobs, room for cap of them.  Any other string of bytes is a transaction
 * without blobs. Views are into bytes.  MALFORMED for a BlobTx with a broken blob or with none; TOO_LARGE
 * above cap blobs.
 */
int dsdn_blob_tx_decode(const void *bytes, size_t len, struct dsdn_layout_blob *blobs, uint32_t cap,
                        struct dsdn_layout_tx *tx, struct dsdn_error *error);

#endif
