/* light.h: which headers are Celestia's, starting from one trusted header hash.
 *
 * A header becomes trusted in one of three ways (CometBFT light/verifier.go):
 *     adjacent    height + 1: its validators are those the trusted header announced (next_validators_hash),
 * its last_block_id names the trusted header, and it verifies (header.h) skipping    any height above: it
 * verifies, and more than a third of the power of the trusted header's validators signed it.  Too little of
 * it proves nothing either way: a nearer header is needed downward    height - 1: its hash is the trusted
 * header's last_block_id.  Nothing else is needed Upwards the trusted header must be younger than the
 * trusting period, because validators that have long unbonded can sign anything; hash links downward do not
 * age.
 *
 * Time is what the caller passes as `now`; no clock is read and nothing is fetched here.  The driver below
 * says which height it needs next and is given headers; it never holds more than one. */
#ifndef DSDN_ADAPTERS_CELESTIA_LIGHT_H
#define DSDN_ADAPTERS_CELESTIA_LIGHT_H

#include "adapters/celestia/header.h"

#define DSDN_LIGHT_PERIOD 604800u /* seven days, in seconds (CIP-36) */
#define DSDN_LIGHT_DRIFT  10u     /* how far a header may be ahead of now, in seconds (CometBFT's default) */

enum dsdn_light_verdict {
    DSDN_LIGHT_VERIFIED, /* trusted from now on */
    DSDN_LIGHT_BISECT,   /* fine in itself, but too few of the trusted validators signed: get a nearer one */
    DSDN_LIGHT_EXPIRED,  /* the trusted header is older than the trusting period: a newer anchor is needed */
    DSDN_LIGHT_FORGED,   /* a check failed: `check` says which */
};

/* What is kept of a trusted header: enough to judge the next one in any direction. */
struct dsdn_light_trusted {
    int64_t height; /* 0: nothing yet */
    struct dsdn_celestia_time time;
    uint8_t hash[32], data_hash[32], next_validators_hash[32];
    uint8_t last_block_hash[32]; /* zero at height 1 */
    uint8_t chain_id[DSDN_CELESTIA_CHAIN_ID_MAX];
    uint32_t chain_id_len;
    uint32_t validator_cnt; /* 0 for a header reached downward: its validators were not looked at */
    int64_t power;          /* of all of them */
    struct {
        uint8_t key[32];
        int64_t power;
    } validators[DSDN_CELESTIA_VALIDATORS_MAX];
};

struct dsdn_light_options {
    uint64_t period, drift;      /* seconds */
    struct dsdn_key_cache *keys; /* may be NULL */
};

/* dsdn_light_anchor accepts a block because its hash is the given one; it must verify in itself. */
enum dsdn_light_verdict dsdn_light_anchor(const struct dsdn_light_options *options,
                                          const struct dsdn_celestia_block *block, const uint8_t hash[32],
                                          struct dsdn_light_trusted *trusted, enum dsdn_celestia_check *check,
                                          struct dsdn_error *error);

/* dsdn_light_upward judges a block above the trusted one; VERIFIED makes it the trusted one.  On any other
 * verdict *trusted is untouched.  *error: AGAIN for BISECT, UNVERIFIED for EXPIRED. */
enum dsdn_light_verdict dsdn_light_upward(const struct dsdn_light_options *options,
                                          struct dsdn_light_trusted *trusted,
                                          const struct dsdn_celestia_block *block,
                                          struct dsdn_celestia_time now, enum dsdn_celestia_check *check,
                                          struct dsdn_error *error);

/* dsdn_light_downward judges the block just below the trusted one: its header and DAH only; commit and
 * validators are not looked at. */
enum dsdn_light_verdict dsdn_light_downward(struct dsdn_light_trusted *trusted,
                                            const struct dsdn_celestia_block *block,
                                            enum dsdn_celestia_check *check, struct dsdn_error *error);

/* ---- the driver ---- */

#define DSDN_LIGHT_PENDING_MAX 64u /* each halves a distance below 2^63 */

struct dsdn_light {
    struct dsdn_light_options options;
    int64_t anchor_height;
    uint8_t anchor_hash[32];
    int64_t target;
    struct dsdn_light_trusted trusted;
    int64_t pending[DSDN_LIGHT_PENDING_MAX]; /* upward: heights on the way to the target, the next one last */
    uint32_t pending_cnt;
};

/* dsdn_light_start begins at a trusted header hash (a pinned one, a prior run's). */
void dsdn_light_start(struct dsdn_light *light, const struct dsdn_light_options *options,
                      int64_t anchor_height, const uint8_t anchor_hash[32]);

/* dsdn_light_aim sets the height (> 0) to get to from whatever is trusted by now. */
void dsdn_light_aim(struct dsdn_light *light, int64_t target);

/* dsdn_light_wanted is the height of the header to give next; 0 when the target is the trusted header. */
int64_t dsdn_light_wanted(const struct dsdn_light *light);

/* dsdn_light_give judges a header of the wanted height.  VERIFIED and BISECT: go on with dsdn_light_wanted;
 * light->trusted has what was verified last.  Nothing changes on the others: another source may be asked for
 * the same height. */
enum dsdn_light_verdict dsdn_light_give(struct dsdn_light *light, const struct dsdn_celestia_block *block,
                                        struct dsdn_celestia_time now, enum dsdn_celestia_check *check,
                                        struct dsdn_error *error);

#endif
