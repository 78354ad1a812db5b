/* header.h: one block of Celestia as a light node sees it: header, commit, validator set, DAH.
 *
 * The types hold what the node's API calls an ExtendedHeader; every view is into memory of whoever filled it
 * in, and every value may be hostile.  Four checks bind the parts to each other (celestia-node
 * header/header.go Validate, CometBFT types/block.go):
 *     DAH          the data root of the DAH is the header's data_hash
 *     HASH         the header's hash is the one the commit is about, at the same height
 *     VALIDATORS   the validator set hashes to the header's validators_hash
 *     COMMIT       its votes fit the set one to one, every signature verifies, more than two thirds of the
 *                  power voted for the block
 * They say that these validators signed this header.  That these are Celestia's validators is light.h. */
#ifndef DSDN_ADAPTERS_CELESTIA_HEADER_H
#define DSDN_ADAPTERS_CELESTIA_HEADER_H

#include "adapters/celestia/dah.h"
#include "log/sign.h"

#define DSDN_CELESTIA_CHAIN_ID_MAX   50u
#define DSDN_CELESTIA_APP_HASH_MAX   64u
#define DSDN_CELESTIA_VALIDATORS_MAX 512u
#define DSDN_CELESTIA_ADDRESS_LEN    20u

/* Since 1970, UTC.  0 <= nanos < 10^9.  A vote that is absent has the year 1: seconds -62135596800. */
struct dsdn_celestia_time {
    int64_t seconds;
    int32_t nanos;
};

struct dsdn_celestia_block_id {
    struct dsdn_view hash; /* 32 bytes; empty with the other two for "no block" (block 1 has no last one) */
    uint32_t parts_total;
    struct dsdn_view parts_hash; /* 32 bytes or empty */
};

struct dsdn_celestia_header {
    uint64_t version_block, version_app;
    struct dsdn_view chain_id;
    int64_t height;
    struct dsdn_celestia_time time;
    struct dsdn_celestia_block_id last_block_id;
    /* 32 bytes each, or empty where the chain wrote none */
    struct dsdn_view last_commit_hash, data_hash, validators_hash, next_validators_hash, consensus_hash;
    struct dsdn_view app_hash; /* 0 to DSDN_CELESTIA_APP_HASH_MAX bytes */
    struct dsdn_view last_results_hash, evidence_hash;
    struct dsdn_view proposer_address; /* 20 bytes */
};

struct dsdn_celestia_validator {
    struct dsdn_view address; /* 20 bytes: the first of SHA-256(key) */
    struct dsdn_view key;     /* 32 bytes, Ed25519 */
    int64_t power;            /* above 0 */
};

enum dsdn_celestia_flag {
    DSDN_CELESTIA_ABSENT = 1, /* no vote: address, time and signature are empty */
    DSDN_CELESTIA_COMMIT = 2, /* for the block of the commit */
    DSDN_CELESTIA_NIL = 3,    /* for no block */
};

struct dsdn_celestia_vote {
    uint32_t flag; /* enum dsdn_celestia_flag */
    struct dsdn_view address;
    struct dsdn_celestia_time time;
    struct dsdn_view signature; /* 64 bytes */
};

struct dsdn_celestia_commit {
    int64_t height;
    int32_t round;
    struct dsdn_celestia_block_id block_id;
    const struct dsdn_celestia_vote *votes; /* vote i is that of validator i */
    uint32_t vote_cnt;
};

struct dsdn_celestia_block {
    struct dsdn_celestia_header header;
    struct dsdn_celestia_commit commit;
    const struct dsdn_celestia_validator *validators;
    uint32_t validator_cnt; /* 1 to DSDN_CELESTIA_VALIDATORS_MAX */
    struct dsdn_dah dah;
    bool without_dah; /* an archive's block: its signatures are judged, nothing is said about its data */
};

/* What a block can fail; the second part is light.h's. */
enum dsdn_celestia_check {
    DSDN_CELESTIA_OK,
    DSDN_CELESTIA_BAD_SHAPE,      /* a field has an impossible length or value */
    DSDN_CELESTIA_BAD_DAH,        /* DAH */
    DSDN_CELESTIA_BAD_HASH,       /* HASH */
    DSDN_CELESTIA_BAD_VALIDATORS, /* VALIDATORS */
    DSDN_CELESTIA_BAD_VOTE,       /* COMMIT: a vote does not fit its validator */
    DSDN_CELESTIA_BAD_SIGNATURE,  /* COMMIT: a signature does not verify */
    DSDN_CELESTIA_BAD_POWER,      /* COMMIT: two thirds of the power or less */

    DSDN_CELESTIA_BAD_CHAIN_ID, /* of another chain than the trusted header */
    DSDN_CELESTIA_BAD_HEIGHT,   /* not the height that was asked for, or not above (below) the trusted */
    DSDN_CELESTIA_BAD_TIME,     /* not later (earlier) than the trusted header */
    DSDN_CELESTIA_BAD_FUTURE,   /* later than now */
    DSDN_CELESTIA_BAD_ANCHOR,   /* its hash is not the trusted one */
    DSDN_CELESTIA_BAD_NEXT_VALIDATORS, /* not the set that the header before it announced */
    DSDN_CELESTIA_BAD_LAST_BLOCK,      /* last_block_id does not name the header before it */
    DSDN_CELESTIA_BAD_OVERLAP,         /* a validator counted twice */
};

/* dsdn_celestia_check_text is one line about a check, for messages. */
const char *dsdn_celestia_check_text(enum dsdn_celestia_check check);

/* dsdn_celestia_header_shape checks what a header must be before it can be hashed: lengths, height > 0, time.
 * dsdn_celestia_shape does this for all of a block except its DAH.  MALFORMED. */
int dsdn_celestia_header_shape(const struct dsdn_celestia_header *header, struct dsdn_error *error);
int dsdn_celestia_shape(const struct dsdn_celestia_block *block, struct dsdn_error *error);

/* The following four take what has passed its shape check. */

/* dsdn_celestia_header_hash: the Merkle root over the encodings of the 14 fields. */
void dsdn_celestia_header_hash(const struct dsdn_celestia_header *header, uint8_t out[32]);

/* dsdn_celestia_validators_hash: the Merkle root over {1: {1: key}, 2: power} in the order of the set. */
void dsdn_celestia_validators_hash(const struct dsdn_celestia_validator *validators, uint32_t cnt,
                                   uint8_t out[32]);

/* dsdn_celestia_vote_bytes writes what validator `index` signed: the canonical precommit behind its length as
 * a varint.  Returns its length, at most DSDN_CELESTIA_VOTE_LEN_MAX. */
#define DSDN_CELESTIA_VOTE_LEN_MAX 224u
size_t dsdn_celestia_vote_bytes(const struct dsdn_celestia_commit *commit, uint32_t index,
                                struct dsdn_view chain_id, uint8_t out[DSDN_CELESTIA_VOTE_LEN_MAX]);

/* dsdn_celestia_verify_commit is COMMIT: strict as a full node about to include the commit in the next block,
 * so the signatures of votes for nil are checked too.  Signatures are judged by ZIP 215, as the chain does
 * (see zip215.h).  cache may be NULL.  dsdn_sign_self_test must have passed.
 * PROOF, SIGNATURE. */
int dsdn_celestia_verify_commit(const struct dsdn_celestia_block *block, struct dsdn_key_cache *cache,
                                enum dsdn_celestia_check *check, struct dsdn_error *error);

/* dsdn_celestia_verify_contents is shape, DAH, HASH and VALIDATORS: everything but signatures. */
int dsdn_celestia_verify_contents(const struct dsdn_celestia_block *block, enum dsdn_celestia_check *check,
                                  struct dsdn_error *error);

/* dsdn_celestia_verify is all of it.  *check (may be NULL) says what failed, *error why: MALFORMED, PROOF,
 * CHAIN, SIGNATURE.  Allocates nothing; needs 40 KiB of stack. */
int dsdn_celestia_verify(const struct dsdn_celestia_block *block, struct dsdn_key_cache *cache,
                         enum dsdn_celestia_check *check, struct dsdn_error *error);

#endif
