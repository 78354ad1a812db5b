/* validators.h: who signs the blocks of a devnet, at every height.
 *
 * Keys and powers follow from the seed, so the set of a height is a function of the configuration alone.
 * Slot i of n has the power (n - i) million: powers differ, slots are in the order that CometBFT keeps.
 *
 *     rotation      every `rotate_every` heights one slot, in turn, gets a new key: some powers stay, so that
 *                   skipping verification (adapters/celestia/light.h) succeeds over short distances only
 *     replacement   at height `replace_at` every slot gets a new key: no distance can be skipped across it
 *
 * A second family of keys, the forger's, signs the headers of another chain of the same name. */
#ifndef DSDN_ADAPTERS_DEVNET_VALIDATORS_H
#define DSDN_ADAPTERS_DEVNET_VALIDATORS_H

#include "adapters/celestia/header.h"

#define DSDN_DEVNET_VALIDATORS_MAX 100u

struct dsdn_devnet_member {
    uint8_t secret[64]; /* libsodium's layout: seed || public key */
    uint8_t address[DSDN_CELESTIA_ADDRESS_LEN];
    int64_t power;
};

struct dsdn_devnet_set {
    uint64_t from; /* first height that it signs */
    uint8_t hash[32];
    struct dsdn_devnet_member members[];
};

struct dsdn_devnet_validators {
    uint8_t seed[32];
    uint32_t cnt; /* members of every set */
    uint32_t rotate_every;
    uint64_t replace_at;
    bool forger;
    struct dsdn_devnet_set **sets; /* by height; owned */
    uint32_t set_cnt, set_cap;
};

/* dsdn_devnet_validators_init: cnt is 1 to DSDN_DEVNET_VALIDATORS_MAX; rotate_every and replace_at are 0 for
 * never. Nothing is allocated yet. */
void dsdn_devnet_validators_init(struct dsdn_devnet_validators *v, const uint8_t seed[32], uint32_t cnt,
                                 uint32_t rotate_every, uint64_t replace_at, bool forger);
void dsdn_devnet_validators_free(struct dsdn_devnet_validators *v);

/* dsdn_devnet_validators_at is the set that signs a height (> 0); it lives as long as v.  NULL: no memory. */
const struct dsdn_devnet_set *dsdn_devnet_validators_at(struct dsdn_devnet_validators *v, uint64_t height);

/* dsdn_devnet_set_describe fills v->cnt entries; the views are into the set. */
void dsdn_devnet_set_describe(const struct dsdn_devnet_validators *v, const struct dsdn_devnet_set *set,
                              struct dsdn_celestia_validator *out);

#endif
