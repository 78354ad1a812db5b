/* commitment_proof.h: that the blob of a commitment is in the block of a data root, without its data.
 *
 * The answer of blob.GetCommitmentProof: the subtree roots whose Merkle root is the commitment, for each row
 * that the blob touches a range proof of its subtree roots, and for each of these rows a proof that its root
 * is under the data root.  Source: celestiaorg/celestia-node blob/commitment_proof.go; stricter: the size of
 * the square follows from the row proofs and is held against every range, rows and ranges must be the one
 * unbroken stretch that a blob is, and all subtree roots must be of its namespace. */
#ifndef DSDN_ADAPTERS_CELESTIA_COMMITMENT_PROOF_H
#define DSDN_ADAPTERS_CELESTIA_COMMITMENT_PROOF_H

#include "adapters/celestia/commitment.h"
#include "adapters/celestia/merkle.h"

/* All values may be hostile. */
struct dsdn_commitment_proof {
    uint8_t ns[DSDN_NAMESPACE_LEN]; /* namespace_version, then namespace_id */
    uint32_t start_row, end_row;    /* inclusive */
    const struct dsdn_view *subtree_roots;
    size_t subtree_root_cnt;
    const struct dsdn_nmt_proof *subtree_root_proofs; /* one a row; start and end count shares */
    size_t subtree_root_proof_cnt;
    const struct dsdn_view *row_roots; /* one a row */
    size_t row_root_cnt;
    const struct dsdn_merkle_proof *row_proofs; /* one a row */
    size_t row_proof_cnt;
};

/* dsdn_commitment_proof_verify: the commitment belongs to a blob of namespace proof->ns in the block with
 * this data root.  *share_cnt (may be NULL) becomes the number of its shares.  PROOF with the reason.
 * No allocation. */
int dsdn_commitment_proof_verify(const struct dsdn_commitment_proof *proof, const uint8_t commitment[32],
                                 const uint8_t data_root[32], uint32_t *share_cnt, struct dsdn_error *error);

#endif
