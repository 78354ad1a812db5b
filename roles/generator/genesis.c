/* genesis.c: the genesis of generated networks. */
#include "roles/generator/model.h"

#include <stdlib.h>

#define TOKEN 100000000ull /* base units */

static struct dsdn_view text_view(const char *text)
{
    return (struct dsdn_view){(const uint8_t *)text, strlen(text)};
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* Times short enough for bans, cooldowns and payments to end within a log; sorted by name. */
static const struct {
    const char *name;
    uint64_t value;
} parameters[] = {
    {"affinity_window_ms", 600000},  {"ban_ms", 300000},
    {"fault_window_ms", 3600000},    {"handoff_ms", 60000},
    {"liveness_timeout_ms", 900000}, {"slash_cooldown_ms", 120000},
    {"transfer_fee", 1000},          {"unbonding_ms", 120000},
    {"validator_epoch_ms", 60000},
};
enum { PARAMETER_CNT = sizeof parameters / sizeof *parameters, PARAMETER_MAX = 1 + 48 + 8 };

static uint32_t put_parameters(uint8_t *out)
{
    uint8_t *at = out;
    for (uint32_t i = 0; i < PARAMETER_CNT; i++) {
        size_t len = strlen(parameters[i].name);
        *at++ = (uint8_t)len;
        memcpy(at, parameters[i].name, len);
        dsdn_store64(at + len, parameters[i].value);
        at += len + 8;
    }
    return (uint32_t)(at - out);
}

/* Everybody who pays for something has an account; every eighth owner's vests for an hour. */
enum { ALLOCATION_CNT = OWNER_CNT + OPERATOR_MAX + CANDIDATE_CNT, ALLOCATION_LEN = 32 + 9 + 3 * 8 + 1 };

static uint8_t *put_allocation(uint8_t *at, uint64_t seed, enum key_class class, uint32_t index)
{
    struct dsdn_sign_key key;
    bool vests = class == KEY_OWNER && index % 8 == 0;
    generator_key(seed, class, index, &key);
    memcpy(at, key.public_key, 32);
    at[32] = 0;
    dsdn_store64(at + 33, 20000000 * TOKEN);
    dsdn_store64(at + 41, vests ? GENESIS_MS : 0);
    dsdn_store64(at + 49, vests ? 60 : 0);
    dsdn_store64(at + 57, vests ? 3600 : 0);
    at[65] = (uint8_t) class;
    return at + ALLOCATION_LEN;
}

static void put_allocations(uint64_t seed, uint8_t out[ALLOCATION_CNT * ALLOCATION_LEN])
{
    uint8_t *at = out;
    for (uint32_t i = 0; i < OWNER_CNT; i++) at = put_allocation(at, seed, KEY_OWNER, i);
    for (uint32_t i = 0; i < OPERATOR_MAX; i++) at = put_allocation(at, seed, KEY_OPERATOR, i);
    for (uint32_t i = 0; i < CANDIDATE_CNT; i++)
        at = put_allocation(at, seed, KEY_VALIDATOR, VALIDATOR_CNT + i);
}

int dsdn_generator_genesis(uint64_t seed, struct dsdn_genesis *genesis, struct dsdn_error *error)
{
    static const uint8_t zero[32];
    struct dsdn_sign_key key, coordinator;
    uint8_t founders[32 * FOUNDER_CNT], quorum[32 * VALIDATOR_CNT], validators[VALIDATOR_CNT * 64];
    uint8_t params[PARAMETER_CNT * PARAMETER_MAX], allocations[ALLOCATION_CNT * ALLOCATION_LEN];
    uint8_t *at = validators;
    for (uint32_t i = 0; i < FOUNDER_CNT; i++) {
        generator_key(seed, KEY_FOUNDER, i, &key);
        memcpy(founders + (size_t)i * 32, key.public_key, 32);
    }
    qsort(founders, FOUNDER_CNT, 32, compare_keys);
    for (uint32_t i = 0; i < VALIDATOR_CNT; i++) { /* a validator_entry: id, stake, name */
        generator_key(seed, KEY_VALIDATOR, i, &key);
        memcpy(quorum + (size_t)i * 32, key.public_key, 32);
        memcpy(at, key.public_key, 32);
        at[32] = 0;
        dsdn_store64(at + 33, 100000 * TOKEN);
        at[41] = 11;
        memcpy(at + 42, "validator-", 10);
        at[52] = (uint8_t)('0' + i);
        at += 53;
    }
    qsort(quorum, VALIDATOR_CNT, 32, compare_keys);
    generator_key(seed, KEY_COORDINATOR, 0, &coordinator);
    put_allocations(seed, allocations);
    struct dsdn_ev_genesis_declared g = {
        .network_id = text_view("generated"),
        .da_chain_id = text_view(""),
        .da_namespace = zero,
        .da_start_hash = zero,
        .version_major = 1,
        .quorum_members = {quorum, VALIDATOR_CNT, sizeof quorum},
        .quorum_threshold_pct = 67,
        .emergency_url = text_view(""),
        .chain_profile = DSDN_PROFILE_DEVNET,
        .feature_level = 1,
        .genesis_time = GENESIS_MS,
        .params = {params, PARAMETER_CNT, put_parameters(params)},
        .allocations = {allocations, ALLOCATION_CNT, sizeof allocations},
        .founder_keys = {founders, FOUNDER_CNT, sizeof founders},
        .founder_m = 2,
        .validators = {validators, VALIDATOR_CNT, (uint32_t)(at - validators)},
        .coordinator = coordinator.public_key,
        .tss_transcript = zero,
        .profile = text_view(""),
    };
    dsdn_sign_wipe(&key);
    int rc = dsdn_genesis_encode(genesis, &g, error);
    dsdn_sign_wipe(&coordinator);
    return rc;
}
