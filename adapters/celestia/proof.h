/* proof.h: what an archive keeps of a height, and its verification with the network gone.
 *
 * The bytes of one height (docs/formats/celestia.md, "Proofs of heights"): some light blocks - header, commit
 * and validator set, where signatures were needed to get here -, the header of the height itself, the row set
 * of the namespace (dah.h), and the shares with their NMT proofs.  A header needs no signatures when a later
 * one links down to it by last_block_id: so an empty height takes about 600 bytes.
 *
 * Verification is in two steps: first the headers of all heights, lowest to highest, which gives the hash of
 * each that follows from the trusted one; then the heights themselves, in any order. */
#ifndef DSDN_ADAPTERS_CELESTIA_PROOF_H
#define DSDN_ADAPTERS_CELESTIA_PROOF_H

#include "adapters/celestia/light.h"
#include "adapters/celestia/namespace_data.h"
#include "log/da.h"

#define DSDN_PROOF_VERSION   1u
#define DSDN_PROOF_STEPS_MAX 256u

/* ---- making ---- */

/* A growing list of bytes. */
struct dsdn_bytes {
    uint8_t *bytes;
    size_t len, cap;
};
void dsdn_bytes_free(struct dsdn_bytes *bytes);

/* Appending; the failure is NO_MEMORY or TOO_LARGE (above 2^31 bytes). */
int dsdn_bytes_put(struct dsdn_bytes *out, const void *bytes, size_t len, struct dsdn_error *error);

/* dsdn_light_block_encode appends header, commit and validators of a block: one step of a proof.  TOO_LARGE,
 * NO_MEMORY. */
int dsdn_light_block_encode(const struct dsdn_celestia_block *block, struct dsdn_bytes *out,
                            struct dsdn_error *error);

/* dsdn_celestia_proof_make writes the proof of a height to *out (emptied first): steps is a concatenation of
 * encoded light blocks, step_cnt of them; rows are those of a verified answer.  NO_MEMORY, TOO_LARGE. */
int dsdn_celestia_proof_make(const uint8_t ns[DSDN_NAMESPACE_LEN], struct dsdn_view steps, uint32_t step_cnt,
                             const struct dsdn_celestia_block *block, const struct dsdn_namespace_row *rows,
                             uint32_t row_cnt, struct dsdn_bytes *out, struct dsdn_error *error);

/* ---- blobs of a height ---- */

/* A height whose blobs are in memory of their own. */
struct dsdn_height_blobs {
    struct dsdn_da_height height; /* blobs and their bytes are in memory; proof is not set here */
    void *memory;
};

/* dsdn_height_blobs_make takes the blobs out of verified runs.  NO_MEMORY. */
int dsdn_height_blobs_make(const struct dsdn_share_run *runs, uint32_t run_cnt, struct dsdn_height_blobs *out,
                           struct dsdn_error *error);
void dsdn_height_blobs_free(struct dsdn_height_blobs *blobs);

/* dsdn_celestia_time_ms is a header's time in Unix milliseconds, rounded down; 0 before 1970. */
uint64_t dsdn_celestia_time_ms(struct dsdn_celestia_time time);

/* ---- verifying ---- */

/* dsdn_celestia_proof_verify holds the proof of a height against the trusted hash of its header, and takes
 * the blobs out (free *out; out->height.proof is the given bytes).  MALFORMED, TOO_LARGE; CHAIN: another
 * header; PROOF; NO_MEMORY. */
int dsdn_celestia_proof_verify(struct dsdn_view proof, const uint8_t ns[DSDN_NAMESPACE_LEN],
                               const uint8_t hash[32], struct dsdn_height_blobs *out,
                               struct dsdn_error *error);

struct dsdn_celestia_audit;

struct dsdn_audit_options {
    const char *chain_id; /* that every header must name; NULL: any, but one */
    uint64_t pin_height;  /* the trusted header; 0: the first step found, which trusts the archive */
    uint8_t pin_hash[32];
    uint64_t period; /* trusting period in seconds; 0: DSDN_LIGHT_PERIOD.  Held against the
                        times of the headers themselves, because an audit may be years later */
};

int dsdn_celestia_audit_new(const struct dsdn_audit_options *options, struct dsdn_celestia_audit **audit,
                            struct dsdn_error *error);
void dsdn_celestia_audit_free(struct dsdn_celestia_audit *audit);

/* dsdn_celestia_audit_scan takes the next height's proof: headers and signatures only.  The first one may be
 * of any height, each further one is the next height.  MALFORMED, CHAIN (not the next height, or not linked),
 * UNVERIFIED (trusting period), PROOF, SIGNATURE, TIME, WRONG_GENESIS (another chain), NO_MEMORY. */
int dsdn_celestia_audit_scan(struct dsdn_celestia_audit *audit, struct dsdn_view proof,
                             struct dsdn_error *error);

/* What the scanned proofs say. */
struct dsdn_audit_result {
    uint64_t first, end;    /* scanned heights, end exclusive */
    uint64_t trusted_end;   /* heights below it follow from the pin; first or 0 when none does */
    uint64_t anchor_height; /* the pin, or the step that stands for it */
    uint8_t anchor_hash[32];
    bool pinned;
};
void dsdn_celestia_audit_result(const struct dsdn_celestia_audit *audit, struct dsdn_audit_result *result);

/* dsdn_celestia_audit_height verifies one of the scanned heights: its number is in the proof.  As
 * dsdn_celestia_proof_verify; UNVERIFIED for a height that does not follow from the pin. */
int dsdn_celestia_audit_height(const struct dsdn_celestia_audit *audit, struct dsdn_view proof,
                               const uint8_t ns[DSDN_NAMESPACE_LEN], struct dsdn_height_blobs *out,
                               struct dsdn_error *error);

/* dsdn_celestia_proof_height is the height a proof is about, unverified; 0 for bytes that are none. */
uint64_t dsdn_celestia_proof_height(struct dsdn_view proof);

#endif
