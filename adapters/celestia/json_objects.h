/* json_objects.h: the objects of the node's API, both ways: what a client reads a node (or the devnet) writes
 * with the function beside it.  Encodings are those of celestia-node (header/header.go, blob/blob.go,
 * nmt proof.go, state/txclient/tx_config.go):
 *
 *     bytes              standard base64 with padding
 *     ExtendedHeader     64-bit integers as texts, hashes and addresses upper-case hex, times RFC 3339;
 *                        version.app left out when 0; read with integers quoted or not
 *     NMT proofs         zero values left out; read also as null
 *     heights elsewhere  numbers
 *
 * Reading takes values of a checked text (json.h).  What is read is copied: one block of memory belongs to
 * each object, the text may go away.  Every list has a bound that the caller names or that follows from the
 * protocol, and sizes are bounded by the text before memory is asked for.  MALFORMED names the member;
 * TOO_LARGE a list above its bound; NO_MEMORY.  After a failure there is nothing to release. Writing appends
 * to a struct dsdn_text, whose failure sticks. */
#ifndef DSDN_ADAPTERS_CELESTIA_JSON_OBJECTS_H
#define DSDN_ADAPTERS_CELESTIA_JSON_OBJECTS_H

#include "adapters/celestia/commitment_proof.h"
#include "adapters/celestia/json.h"
#include "adapters/celestia/namespace_data.h"

/* ---- ExtendedHeader ---- */

struct dsdn_block_answer {
    struct dsdn_celestia_block block; /* views into memory */
    void *memory;
};

/* dsdn_json_read_block reads the object.  What it must be beyond its form is checked by header.h and light.h,
 * except for the roots of the DAH: each has 90 bytes here already, and there are at most 1024 of each kind.
 */
int dsdn_json_read_block(struct dsdn_view value, struct dsdn_block_answer *answer, struct dsdn_error *error);
void dsdn_block_answer_free(struct dsdn_block_answer *answer);

/* The height of an ExtendedHeader, nothing else read; 0 when there is none (header.GetRangeByHeight). */
uint64_t dsdn_json_read_block_height(struct dsdn_view value);

/* dsdn_json_write_block writes the object; the validator of header.proposer_address, or else the first, is
 * "proposer", and priorities are "0". */
void dsdn_json_write_block(struct dsdn_text *t, const struct dsdn_celestia_block *block);

/* ---- namespace data and proofs ---- */

struct dsdn_rows_answer {
    struct dsdn_namespace_row *rows;
    uint32_t row_cnt;
    void *memory;
};

/* dsdn_json_read_rows reads the result of share.GetNamespaceData (null and [] are no rows) for a square of
 * k x k shares of data: at most k rows of at most k shares, each of 512 bytes. */
int dsdn_json_read_rows(struct dsdn_view value, uint32_t k, struct dsdn_rows_answer *answer,
                        struct dsdn_error *error);
void dsdn_rows_answer_free(struct dsdn_rows_answer *answer);
void dsdn_json_write_rows(struct dsdn_text *t, const struct dsdn_namespace_row *rows, size_t row_cnt);

struct dsdn_proofs_answer {
    struct dsdn_nmt_proof *proofs;
    uint32_t proof_cnt;
    void *memory;
};

/* dsdn_json_read_proofs reads an array of at most `most` NMT proofs: the result of blob.GetProof, the third
 * parameter of blob.Included. */
int dsdn_json_read_proofs(struct dsdn_view value, uint32_t most, struct dsdn_proofs_answer *answer,
                          struct dsdn_error *error);
void dsdn_proofs_answer_free(struct dsdn_proofs_answer *answer);
void dsdn_json_write_proof(struct dsdn_text *t, const struct dsdn_nmt_proof *proof);

/* dsdn_json_write_commitment_proof writes the result of blob.GetCommitmentProof. */
void dsdn_json_write_commitment_proof(struct dsdn_text *t, const struct dsdn_commitment_proof *proof);

/* ---- blobs and their submission ---- */

struct dsdn_json_blob {
    uint8_t ns[DSDN_NAMESPACE_LEN];
    struct dsdn_view data;
    uint32_t share_version;
    bool has_commitment; /* written when set */
    uint8_t commitment[32];
    int64_t index;   /* place of the first share in the extended square; -1: not from the chain */
    bool has_signer; /* as the member is there; empty counts as there, as it does for the node */
    struct dsdn_view signer;
};

struct dsdn_blobs_answer {
    struct dsdn_json_blob *blobs;
    uint32_t blob_cnt;
    void *memory;
};

/* dsdn_json_read_blobs reads an array of at most `most` Blob objects (null: none); dsdn_json_read_blob one
 * object as a list of one.  A wrong namespace length is MALFORMED with go-square's words. */
int dsdn_json_read_blobs(struct dsdn_view value, uint32_t most, struct dsdn_blobs_answer *answer,
                         struct dsdn_error *error);
int dsdn_json_read_blob(struct dsdn_view value, struct dsdn_blobs_answer *answer, struct dsdn_error *error);
void dsdn_blobs_answer_free(struct dsdn_blobs_answer *answer);
void dsdn_json_write_blob(struct dsdn_text *t, const struct dsdn_json_blob *blob);

enum dsdn_tx_priority {
    DSDN_TX_DEFAULT = 0, /* left out: the node takes medium */
    DSDN_TX_LOW = 1,
    DSDN_TX_MEDIUM = 2,
    DSDN_TX_HIGH = 3,
};

/* The second parameter of blob.Submit.  Prices are in units of 10^-9 utia per gas; all zero is {}. */
struct dsdn_tx_config {
    bool gas_price_set; /* without it the node ignores gas_price and estimates one */
    uint64_t gas_price;
    uint64_t max_gas_price; /* 0: the node's default, 0.4 utia */
    uint64_t gas;           /* limit; 0: the node estimates */
    enum dsdn_tx_priority priority;
    char key_name[64];       /* "": the node's default key */
    char signer_address[96]; /* wins over key_name */
    char fee_granter_address[96];
};

int dsdn_json_read_tx_config(struct dsdn_view value, struct dsdn_tx_config *config, struct dsdn_error *error);
void dsdn_json_write_tx_config(struct dsdn_text *t, const struct dsdn_tx_config *config);

/* ---- small results ---- */

/* header.SyncState; synced when to_height <= height. */
struct dsdn_sync_state {
    uint64_t id, height, from_height, to_height;
    uint8_t from_hash[32], to_hash[32];
    struct dsdn_celestia_time start, end;
    char error[128]; /* "": none */
};

int dsdn_json_read_sync_state(struct dsdn_view value, struct dsdn_sync_state *state,
                              struct dsdn_error *error);
void dsdn_json_write_sync_state(struct dsdn_text *t, const struct dsdn_sync_state *state);

struct dsdn_balance {
    char denom[32]; /* "utia" */
    uint64_t amount;
};

int dsdn_json_read_balance(struct dsdn_view value, struct dsdn_balance *balance, struct dsdn_error *error);
void dsdn_json_write_balance(struct dsdn_text *t, const struct dsdn_balance *balance);

#endif
