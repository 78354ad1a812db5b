#include "adapters/devnet/validators.h"

#include "log/hash.h"

#include <sodium.h>
#include <stdlib.h>

enum { POWER_UNIT = 1000000, REPLACED = 1 << 30 };

void dsdn_devnet_validators_init(struct dsdn_devnet_validators *v, const uint8_t seed[32], uint32_t cnt,
                                 uint32_t rotate_every, uint64_t replace_at, bool forger)
{
    *v = (struct dsdn_devnet_validators){
        .cnt = cnt, .rotate_every = rotate_every, .replace_at = replace_at, .forger = forger};
    memcpy(v->seed, seed, 32);
}

void dsdn_devnet_validators_free(struct dsdn_devnet_validators *v)
{
    for (uint32_t i = 0; i < v->set_cnt; i++) {
        sodium_memzero(v->sets[i]->members, v->cnt * sizeof v->sets[i]->members[0]);
        free(v->sets[i]);
    }
    free(v->sets);
    v->sets = NULL;
    v->set_cnt = v->set_cap = 0;
}

/* The first height of the set that signs `height`: of its rotation, or of the replacement. */
static uint64_t set_start(const struct dsdn_devnet_validators *v, uint64_t height)
{
    uint64_t from = v->rotate_every ? height / v->rotate_every * v->rotate_every : 0;
    if (v->replace_at && height >= v->replace_at && v->replace_at > from) from = v->replace_at;
    return from;
}

static void member_make(const struct dsdn_devnet_validators *v, uint64_t from, uint32_t slot,
                        struct dsdn_devnet_member *m)
{
    /* rotation j = 1, 2, ... changes slot (j - 1) % cnt */
    uint64_t rotations = v->rotate_every ? from / v->rotate_every : 0;
    uint64_t generation = rotations > slot ? (rotations - slot - 1) / v->cnt + 1 : 0;
    if (v->replace_at && from >= v->replace_at) generation |= (uint64_t)REPLACED << 32;
    uint8_t bytes[32 + 4 + 8 + 1], seed[32], digest[32], key[32];
    memcpy(bytes, v->seed, 32);
    dsdn_store32(bytes + 32, slot);
    dsdn_store64(bytes + 36, generation);
    bytes[44] = v->forger;
    dsdn_tagged("DSDN-devnet-validator-v1", bytes, sizeof bytes, seed);
    crypto_sign_seed_keypair(key, m->secret, seed);
    sodium_memzero(seed, sizeof seed);
    dsdn_sha256(key, sizeof key, digest);
    memcpy(m->address, digest, sizeof m->address);
    m->power = (int64_t)(v->cnt - slot) * POWER_UNIT;
}

void dsdn_devnet_set_describe(const struct dsdn_devnet_validators *v, const struct dsdn_devnet_set *set,
                              struct dsdn_celestia_validator *out)
{
    for (uint32_t i = 0; i < v->cnt; i++) {
        const struct dsdn_devnet_member *m = set->members + i;
        out[i] =
            (struct dsdn_celestia_validator){{m->address, sizeof m->address}, {m->secret + 32, 32}, m->power};
    }
}

static bool set_room(struct dsdn_devnet_validators *v)
{
    if (v->set_cnt < v->set_cap) return true;
    uint32_t cap = v->set_cap ? 2 * v->set_cap : 16;
    struct dsdn_devnet_set **sets = realloc(v->sets, cap * sizeof *sets);
    if (!sets) return false;
    v->sets = sets;
    v->set_cap = cap;
    return true;
}

const struct dsdn_devnet_set *dsdn_devnet_validators_at(struct dsdn_devnet_validators *v, uint64_t height)
{
    uint64_t from = set_start(v, height);
    uint32_t low = 0, high = v->set_cnt;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (v->sets[middle]->from < from)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < v->set_cnt && v->sets[low]->from == from) return v->sets[low];
    struct dsdn_devnet_set *set = set_room(v) ? malloc(sizeof *set + v->cnt * sizeof set->members[0]) : NULL;
    if (!set) return NULL;
    set->from = from;
    for (uint32_t i = 0; i < v->cnt; i++) member_make(v, from, i, set->members + i);
    struct dsdn_celestia_validator members[DSDN_DEVNET_VALIDATORS_MAX];
    dsdn_devnet_set_describe(v, set, members);
    dsdn_celestia_validators_hash(members, v->cnt, set->hash);
    memmove(v->sets + low + 1, v->sets + low, (v->set_cnt - low) * sizeof *v->sets);
    v->sets[low] = set;
    v->set_cnt++;
    return set;
}
