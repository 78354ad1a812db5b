/* Proofs of heights as an archive keeps them.  First byte: 0, the rest is a proof as it stands; else it is a
 * true one of two heights' worth, changed where the rest says: what belongs to a height must then be refused,
 * and whatever is said of steps must not be trusted further than the pin. */
#include "tests/fuzz/fuzz.h"

#include "adapters/celestia/merkle.h"
#include "adapters/celestia/proof.h"

#include <sodium.h>

enum { K2 = 2 };

static uint8_t ns[DSDN_NAMESPACE_LEN] = {[28] = 1, [20] = 7};

struct made {
    struct dsdn_bytes proof;
    uint8_t hash[32];
};

/* A block of one share of data - of the namespace, or padding - by one validator, as a proof. */
static void make(struct made *m, bool with_data)
{
    static uint8_t shares[2][DSDN_SHARE_LEN], zero[32];
    static struct dsdn_nmt_node tree[3];
    struct dsdn_sign_key key;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t data_hash[32], set_hash[32], hash[32], address[32], signature[64],
        message[DSDN_CELESTIA_VOTE_LEN_MAX];
    if (with_data)
        CHECK_OK(dsdn_share_split(ns, 0, NULL, "some data", 9, shares[0], &error), &error);
    else
        dsdn_share_padding(dsdn_namespace_tail_padding, 0, shares[0]);
    memcpy(shares[1], shares[0], DSDN_SHARE_LEN); /* k = 1: the parity is the data */
    dsdn_nmt_leaves(shares[0], DSDN_SHARE_LEN, 1, NULL, tree);
    dsdn_nmt_leaves(shares[1], DSDN_SHARE_LEN, 1, dsdn_namespace_parity, tree + 1);
    CHECK_OK(dsdn_nmt_build(tree, 2, &error), &error);
    struct dsdn_nmt_node roots[K2] = {tree[2]}, leaves[2];
    dsdn_nmt_leaves(shares[0], DSDN_SHARE_LEN, 2, dsdn_namespace_parity, leaves);
    CHECK(dsdn_nmt_inner(leaves, leaves + 1, roots + 1));
    dsdn_sign_key_from_seed(&key, (uint8_t[32]){1});
    dsdn_sha256(key.public_key, 32, address);
    struct dsdn_celestia_validator validator = {{address, 20}, {key.public_key, 32}, 5};
    struct dsdn_celestia_vote vote = {DSDN_CELESTIA_COMMIT, {address, 20}, {1700000000, 5}, {signature, 64}};
    struct dsdn_celestia_block b = {
        .header = {.version_block = 11,
                   .chain_id = {(const uint8_t *)"c", 1},
                   .height = 9,
                   .time = {1700000000, 7},
                   .last_block_id = {{zero, 32}, 1, {zero, 32}},
                   .data_hash = {data_hash, 32},
                   .validators_hash = {set_hash, 32},
                   .next_validators_hash = {set_hash, 32},
                   .proposer_address = {address, 20}},
        .commit = {.height = 9, .block_id = {{hash, 32}, 1, {zero, 32}}, .votes = &vote, .vote_cnt = 1},
        .validators = &validator,
        .validator_cnt = 1,
        .dah = {roots, roots, K2, K2}};
    dsdn_dah_root(&b.dah, data_hash);
    dsdn_celestia_validators_hash(&validator, 1, set_hash);
    dsdn_celestia_header_hash(&b.header, hash);
    size_t len = dsdn_celestia_vote_bytes(&b.commit, 0, b.header.chain_id, message);
    crypto_sign_detached(signature, NULL, message, len, key.secret);
    struct dsdn_view nodes[DSDN_NMT_NODES_MAX];
    struct dsdn_namespace_row row = {.shares = {shares[0], DSDN_SHARE_LEN}};
    dsdn_nmt_prove(tree, 2, 0, 1, nodes, &row.proof);
    struct dsdn_bytes steps = {.bytes = NULL};
    CHECK_OK(dsdn_light_block_encode(&b, &steps, &error), &error);
    CHECK_OK(dsdn_celestia_proof_make(ns, (struct dsdn_view){steps.bytes, steps.len}, 1, &b, &row, with_data,
                                      &m->proof, &error),
             &error);
    memcpy(m->hash, hash, 32);
    dsdn_bytes_free(&steps);
}

/* Scans a proof with and without a pin. */
static void audit(struct dsdn_view proof, const uint8_t *pin)
{
    struct dsdn_audit_options options = {.pin_height = pin ? 9 : 0};
    struct dsdn_celestia_audit *a;
    struct dsdn_audit_result result;
    struct dsdn_height_blobs blobs;
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (pin) memcpy(options.pin_hash, pin, 32);
    CHECK_OK(dsdn_celestia_audit_new(&options, &a, &error), &error);
    int rc = dsdn_celestia_audit_scan(a, proof, &error);
    CHECK(rc == error.code);
    dsdn_celestia_audit_result(a, &result);
    CHECK(result.trusted_end <= result.end && result.end - result.first <= 1);
    CHECK(!pin || result.pinned || !result.trusted_end);
    if (!rc) CHECK(result.end == dsdn_celestia_proof_height(proof) + 1);
    if (dsdn_celestia_audit_height(a, proof, ns, &blobs, NULL) == 0) {
        CHECK(blobs.height.height == result.first && result.trusted_end == result.end);
        CHECK(!pin || dsdn_equal32(blobs.height.hash, pin));
    }
    dsdn_height_blobs_free(&blobs);
    dsdn_celestia_audit_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct made made[2];
    struct input in = {data, size};
    struct dsdn_height_blobs blobs;
    uint8_t choice = take8(&in);
    if (!made[0].proof.bytes) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        CHECK_OK(dsdn_sign_self_test(&error), &error);
        make(&made[0], false);
        make(&made[1], true);
    }
    if (!choice) {
        uint8_t *copy = fuzz_copy(in.at, in.left);
        audit((struct dsdn_view){copy, in.left}, NULL);
        (void)dsdn_celestia_proof_verify((struct dsdn_view){copy, in.left}, ns, made[0].hash, &blobs, NULL);
        dsdn_height_blobs_free(&blobs);
        free(copy);
        return 0;
    }
    const struct made *m = &made[choice & 1];
    uint8_t *copy = fuzz_copy(m->proof.bytes, m->proof.len);
    size_t len = m->proof.len, steps_at = 16 + dsdn_load16(copy + 14) + dsdn_load32(copy + 8);
    size_t steps_end = steps_at + dsdn_load32(copy + 4);
    bool of_height = false;
    for (uint8_t n = choice >> 1; n; n--) {
        size_t at = take16(&in) % len;
        uint8_t change = take8(&in);
        copy[at] ^= change;
    }
    for (size_t at = 0; at < len; at++)
        if (copy[at] != m->proof.bytes[at] && (at < 2 || at > 3) && (at < steps_at || at >= steps_end))
            of_height = true;
    struct dsdn_view proof = {copy, len};
    int rc = dsdn_celestia_proof_verify(proof, ns, m->hash, &blobs, NULL);
    CHECK((rc != 0) == (of_height || dsdn_load16(copy + 2) > DSDN_PROOF_STEPS_MAX));
    CHECK(rc || blobs.height.blob_cnt == (uint32_t)(choice & 1));
    dsdn_height_blobs_free(&blobs);
    if (!of_height) { /* signatures are slow: only where the steps are all that changed */
        audit(proof, m->hash);
        audit(proof, NULL);
    }
    free(copy);
    return 0;
}
