/* proof_format.h: the bytes of proofs of heights, shared by what writes and what reads them.  Private.
 *
 * Proof (integers little-endian):
 *     0 u8   version, 1                          header, block and row are below
 *     1 u8   0
 *     2 u16  number of steps
 *     4 u32  bytes of all steps
 *     8 u32  bytes of the row set
 *    12 u16  number of rows
 *    14 u16  bytes of the header
 *    16      header | row set | steps | rows
 *
 * Header: the message tendermint.types.Header, canonical.
 * Step:   u32 length of what follows | u16 bytes of the header | header | i32 round | block id | u16 number
 *         of validators | validators
 *         block id: hash, 32 bytes | u32 parts | parts hash, 32 bytes
 *         validator: key, 32 bytes | i64 power | u8 flag | and unless absent: i64 seconds, u32 nanoseconds,
 *         signature, 64 bytes.  Addresses follow from the keys.
 * Row:    u16 start | u16 end | u8 number of nodes | u8 1 for absence | nodes, 90 bytes each | (end - start)
 *         shares of 512 bytes, or for absence the leaf, 90 bytes */
#ifndef DSDN_ADAPTERS_CELESTIA_PROOF_FORMAT_H
#define DSDN_ADAPTERS_CELESTIA_PROOF_FORMAT_H

#include "adapters/celestia/proof.h"

enum {
    PROOF_FIXED = 16,
    HEADER_LEN_MAX = 1024,
    ROW_FIXED = 6,
    BLOCK_ID_LEN = 68,
    VALIDATOR_FIXED = 41,
    VOTE_LEN = 76,
    STEP_LEN_MAX = 2 + HEADER_LEN_MAX + 4 + BLOCK_ID_LEN + 2 +
                   (int)DSDN_CELESTIA_VALIDATORS_MAX * (VALIDATOR_FIXED + VOTE_LEN),
};

/* A proof taken apart; views into it. */
struct proof_parts {
    struct dsdn_view header, row_set, steps, rows;
    uint32_t step_cnt, row_cnt;
};
int proof_split(struct dsdn_view proof, struct proof_parts *parts, struct dsdn_error *error);

/* Reads a header; views are into the bytes. */
int proof_header(struct dsdn_view bytes, struct dsdn_celestia_header *header, struct dsdn_error *error);

/* A decoded step and the room for its lists. */
struct proof_block {
    struct dsdn_celestia_block block;
    struct dsdn_celestia_validator validators[DSDN_CELESTIA_VALIDATORS_MAX];
    struct dsdn_celestia_vote votes[DSDN_CELESTIA_VALIDATORS_MAX];
    uint8_t addresses[DSDN_CELESTIA_VALIDATORS_MAX][DSDN_CELESTIA_ADDRESS_LEN];
};

/* Takes one step from the front of *steps. */
int proof_step(struct dsdn_view *steps, struct proof_block *out, struct dsdn_error *error);

#endif
