/* shelf.h: what a node answers from a square: rows of a namespace with proofs, blobs, commitment proofs.
 *
 * Blocks keep transactions and roots only; the k * k shares of data are laid out again when somebody asks,
 * and the last few squares are kept on a shelf.  Parity is made for the rows that are asked for. */
#ifndef DSDN_ADAPTERS_DEVNET_SHELF_H
#define DSDN_ADAPTERS_DEVNET_SHELF_H

#include "adapters/celestia/commitment_proof.h"
#include "adapters/celestia/leopard.h"
#include "adapters/celestia/namespace_data.h"
#include "adapters/devnet/chain.h"

#define DSDN_DEVNET_SHELF_CNT 8u

/* The data of one block; lives until the next dsdn_devnet_shelf_open. */
struct dsdn_devnet_data {
    uint64_t height; /* 0: the place is free */
    uint64_t used;   /* for the choice of what goes */
    struct dsdn_layout layout;
    const struct dsdn_nmt_node *roots; /* 2k of rows, 2k of columns: of the chain */
};

struct dsdn_devnet_shelf {
    const struct dsdn_devnet_chain *chain;
    struct dsdn_devnet_data data[DSDN_DEVNET_SHELF_CNT];
    uint64_t clock;
    struct dsdn_leopard *leopard;
    uint32_t leopard_k;
};

void dsdn_devnet_shelf_init(struct dsdn_devnet_shelf *shelf, const struct dsdn_devnet_chain *chain);
void dsdn_devnet_shelf_free(struct dsdn_devnet_shelf *shelf);

/* dsdn_devnet_shelf_open: the data of a height in [tail, head].  NO_MEMORY. */
int dsdn_devnet_shelf_open(struct dsdn_devnet_shelf *shelf, uint64_t height,
                           const struct dsdn_devnet_data **data, struct dsdn_error *error);

/* Rows of a namespace, as share.GetNamespaceData returns them; shares are views into the data, all else is
 * memory of the rows. */
struct dsdn_devnet_rows {
    struct dsdn_namespace_row *rows;
    uint32_t row_cnt, first; /* number of the first row in the square */
    struct dsdn_view *views;
    struct dsdn_nmt_node *nodes;
};

/* dsdn_devnet_rows_make: one entry for each of the first k rows whose range contains ns.  NO_MEMORY. */
int dsdn_devnet_rows_make(struct dsdn_devnet_shelf *shelf, const struct dsdn_devnet_data *data,
                          const uint8_t ns[DSDN_NAMESPACE_LEN], struct dsdn_devnet_rows *rows,
                          struct dsdn_error *error);
void dsdn_devnet_rows_free(struct dsdn_devnet_rows *rows);

/* Blobs of a namespace in the order of the square. */
struct dsdn_devnet_blobs {
    struct dsdn_share_run *runs; /* the rows' shares; the blobs refer to them */
    uint32_t run_cnt;
    struct dsdn_blob *blobs;
    uint32_t blob_cnt, blob_cap;
};
int dsdn_devnet_blobs_make(const struct dsdn_devnet_data *data, const uint8_t ns[DSDN_NAMESPACE_LEN],
                           struct dsdn_devnet_blobs *blobs, struct dsdn_error *error);
void dsdn_devnet_blobs_free(struct dsdn_devnet_blobs *blobs);

/* dsdn_devnet_commitment_proof makes the proof of a blob of kind DATA; free it with the second. */
int dsdn_devnet_commitment_proof_make(struct dsdn_devnet_shelf *shelf, const struct dsdn_devnet_data *data,
                                      const struct dsdn_blob *blob, struct dsdn_commitment_proof *proof,
                                      struct dsdn_error *error);
void dsdn_devnet_commitment_proof_free(struct dsdn_commitment_proof *proof);

#endif
