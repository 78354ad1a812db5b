/* commitment.h: the share commitment: 32 bytes that name a blob, and what a blob's author signs.
 *
 * Over the n shares of a blob: subtree roots of width
 *     w = min(pow2ceil(ceil(n / 64)), pow2ceil(ceil(sqrt(n))))
 * as long as w shares are left, then of ever smaller powers of two (a Merkle mountain range); the commitment
 * is the plain Merkle root (merkle.h) over these 90-byte roots (nmt.h).  A blob starts at a multiple of w in
 * the square, so the same subtree roots are inner nodes of the row trees, and the commitment can be proved
 * against the data root (commitment_proof.h). Source: celestiaorg/go-square inclusion/commitment.go,
 * blob_share_commitment_rules.go; ADR-013 of celestia-app. */
#ifndef DSDN_ADAPTERS_CELESTIA_COMMITMENT_H
#define DSDN_ADAPTERS_CELESTIA_COMMITMENT_H

#include "adapters/celestia/nmt.h"
#include "adapters/celestia/share.h"

#define DSDN_SUBTREE_THRESHOLD 64u /* of all app versions so far */

/* dsdn_subtree_width is w of a blob of share_cnt >= 1 shares: also the alignment of its first share. */
uint32_t dsdn_subtree_width(uint32_t share_cnt);

/* dsdn_mountain_next is the width of the next subtree when `left` >= 1 shares are left. */
uint32_t dsdn_mountain_next(uint32_t left, uint32_t width);

/* dsdn_subtree_cnt is the number of subtree roots of share_cnt >= 1 shares. */
uint32_t dsdn_subtree_cnt(uint32_t share_cnt);

/* dsdn_subtree_roots writes the dsdn_subtree_cnt(share_cnt) roots of consecutive shares of one blob.
 * NO_MEMORY. */
int dsdn_subtree_roots(const uint8_t *shares, uint32_t share_cnt, struct dsdn_nmt_node *out,
                       struct dsdn_error *error);

/* dsdn_commitment_shares is the commitment of consecutive shares of one blob; dsdn_commitment_blob that of an
 * entry of a walk (kind DATA); dsdn_commitment_data that of a blob not yet cut into shares.  MALFORMED when
 * the shares are not of one namespace; USAGE as dsdn_share_split; NO_MEMORY. */
int dsdn_commitment_shares(const uint8_t *shares, uint32_t share_cnt, uint8_t out[32],
                           struct dsdn_error *error);
int dsdn_commitment_blob(const struct dsdn_blob *blob, uint8_t out[32], struct dsdn_error *error);
int dsdn_commitment_data(const uint8_t ns[DSDN_NAMESPACE_LEN], uint32_t version, const uint8_t *signer,
                         const void *data, uint64_t len, uint8_t out[32], struct dsdn_error *error);

#endif
