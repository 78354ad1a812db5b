/* commit.c: the verdicts of header.h. */
#include "adapters/celestia/header.h"
#include "adapters/celestia/zip215.h"
#include "log/hash.h"

static const char *const check_texts[] = {
    [DSDN_CELESTIA_OK] = "nothing is wrong",
    [DSDN_CELESTIA_BAD_SHAPE] = "a field has an impossible length or value",
    [DSDN_CELESTIA_BAD_DAH] = "the row and column roots are not those of data_hash",
    [DSDN_CELESTIA_BAD_HASH] = "the commit is about another header",
    [DSDN_CELESTIA_BAD_VALIDATORS] = "the validator set is not that of validators_hash",
    [DSDN_CELESTIA_BAD_VOTE] = "a vote is not that of its validator",
    [DSDN_CELESTIA_BAD_SIGNATURE] = "a signature of the commit does not verify",
    [DSDN_CELESTIA_BAD_POWER] = "two thirds of the power, or less, signed",
    [DSDN_CELESTIA_BAD_CHAIN_ID] = "the header is of another chain",
    [DSDN_CELESTIA_BAD_HEIGHT] = "the header is of another height",
    [DSDN_CELESTIA_BAD_TIME] = "time does not rise with height",
    [DSDN_CELESTIA_BAD_FUTURE] = "the header is from the future",
    [DSDN_CELESTIA_BAD_ANCHOR] = "the header is not the one that is trusted",
    [DSDN_CELESTIA_BAD_NEXT_VALIDATORS] = "the validators are not those that the header before announced",
    [DSDN_CELESTIA_BAD_LAST_BLOCK] = "last_block_id does not name the header before",
    [DSDN_CELESTIA_BAD_OVERLAP] = "a validator is in the set twice",
};

const char *dsdn_celestia_check_text(enum dsdn_celestia_check check)
{
    return (size_t)check < sizeof check_texts / sizeof check_texts[0] ? check_texts[check] : "unknown";
}

static int verdict(enum dsdn_celestia_check *check, enum dsdn_celestia_check value, int rc)
{
    if (check) *check = rc ? value : DSDN_CELESTIA_OK;
    return rc;
}

/* A failed check of a block: what, where. */
static int refuse(const struct dsdn_celestia_block *b, enum dsdn_celestia_check *check,
                  enum dsdn_celestia_check value, int code, struct dsdn_error *error)
{
    return verdict(
        check, value,
        dsdn_fail(error, code, "height %lld: %s", (long long)b->header.height, check_texts[value]));
}

static bool address_of(const struct dsdn_celestia_validator *v)
{
    uint8_t hash[32];
    dsdn_sha256(v->key.bytes, v->key.len, hash);
    return memcmp(v->address.bytes, hash, DSDN_CELESTIA_ADDRESS_LEN) == 0;
}

int dsdn_celestia_verify_contents(const struct dsdn_celestia_block *b, enum dsdn_celestia_check *check,
                                  struct dsdn_error *error)
{
    uint8_t hash[32];
    int rc = dsdn_celestia_shape(b, error);
    if (rc) return verdict(check, DSDN_CELESTIA_BAD_SHAPE, rc);
    if (!b->without_dah) {
        rc = dsdn_dah_check(&b->dah, error);
        if (rc) return verdict(check, DSDN_CELESTIA_BAD_DAH, rc);
        dsdn_dah_root(&b->dah, hash);
        if (!dsdn_equal32(hash, b->header.data_hash.bytes))
            return refuse(b, check, DSDN_CELESTIA_BAD_DAH, DSDN_E_PROOF, error);
    }
    dsdn_celestia_header_hash(&b->header, hash);
    if (b->commit.height != b->header.height || !dsdn_equal32(hash, b->commit.block_id.hash.bytes))
        return refuse(b, check, DSDN_CELESTIA_BAD_HASH, DSDN_E_CHAIN, error);
    dsdn_celestia_validators_hash(b->validators, b->validator_cnt, hash);
    bool known = dsdn_equal32(hash, b->header.validators_hash.bytes);
    for (uint32_t i = 0; known && i < b->validator_cnt; i++) known = address_of(b->validators + i);
    if (!known) return refuse(b, check, DSDN_CELESTIA_BAD_VALIDATORS, DSDN_E_PROOF, error);
    return verdict(check, DSDN_CELESTIA_OK, 0);
}

int dsdn_celestia_verify_commit(const struct dsdn_celestia_block *b, struct dsdn_key_cache *cache,
                                enum dsdn_celestia_check *check, struct dsdn_error *error)
{
    uint64_t total = 0, agreed = 0; /* no overflow: the shape bounds the sum by 2^60 */
    for (uint32_t i = 0; i < b->validator_cnt; i++) {
        const struct dsdn_celestia_validator *validator = b->validators + i;
        const struct dsdn_celestia_vote *vote = b->commit.votes + i;
        uint8_t message[DSDN_CELESTIA_VOTE_LEN_MAX];
        total += (uint64_t)validator->power;
        if (vote->flag == DSDN_CELESTIA_ABSENT) continue;
        if (memcmp(vote->address.bytes, validator->address.bytes, DSDN_CELESTIA_ADDRESS_LEN) != 0)
            return refuse(b, check, DSDN_CELESTIA_BAD_VOTE, DSDN_E_PROOF, error);
        size_t len = dsdn_celestia_vote_bytes(&b->commit, i, b->header.chain_id, message);
        if (!dsdn_verify_message(cache, validator->key.bytes, message, len, vote->signature.bytes) &&
            !dsdn_zip215_verify(validator->key.bytes, message, len, vote->signature.bytes))
            return verdict(check, DSDN_CELESTIA_BAD_SIGNATURE,
                           dsdn_fail(error, DSDN_E_SIGNATURE,
                                     "height %lld: the signature of validator %u does not verify",
                                     (long long)b->header.height, i));
        if (vote->flag == DSDN_CELESTIA_COMMIT) agreed += (uint64_t)validator->power;
    }
    if (3 * agreed <= 2 * total) return refuse(b, check, DSDN_CELESTIA_BAD_POWER, DSDN_E_PROOF, error);
    return verdict(check, DSDN_CELESTIA_OK, 0);
}

int dsdn_celestia_verify(const struct dsdn_celestia_block *b, struct dsdn_key_cache *cache,
                         enum dsdn_celestia_check *check, struct dsdn_error *error)
{
    int rc = dsdn_celestia_verify_contents(b, check, error);
    return rc ? rc : dsdn_celestia_verify_commit(b, cache, check, error);
}
