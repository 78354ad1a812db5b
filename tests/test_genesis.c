/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The genesis: file, canonical bytes and hash agree; what a network could not live with is refused, with the
 * reason. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log/archive.h"
#include "log/batch.h"
#include "log/genesis.h"
#include "tests/fail_nth.h"

#include <openssl/evp.h>

/* ---- one good genesis ------------------------------------------------------------------------ */

static uint8_t zeros[64], keys[512]; /* keys: 16 distinct ids, ascending */
static struct dsdn_ev_genesis_declared good;

static int setup(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < 16; i++) memset(keys + 32 * i, i + 1, 32);
    good = (struct dsdn_ev_genesis_declared){.network_id = {(const uint8_t *)"test", 4},
                                             .da_namespace = zeros,
                                             .da_start_hash = zeros,
                                             .version_major = 1,
                                             .quorum_members = {keys, 3, 96},
                                             .quorum_threshold_pct = 67,
                                             .chain_profile = DSDN_PROFILE_DEVNET,
                                             .genesis_time = 1700000000000,
                                             .founder_keys = {keys + 96, 2, 64},
                                             .founder_m = 2,
                                             .coordinator = keys + 160,
                                             .tss_transcript = zeros};
    return 0;
}

static const char good_text[] =
    "{\"type\":\"GenesisDeclared\",\"version\":1,\"payload\":{"
    "\"network_id\":\"test\",\"da_chain_id\":\"\","
    "\"da_namespace\":\"0000000000000000000000000000000000000000000000000000000000\",\"da_start\":\"0\","
    "\"da_start_hash\":\"0000000000000000000000000000000000000000000000000000000000000000\","
    "\"version_major\":1,\"version_minor\":0,\"version_patch\":0,\"quorum_members\":["
    "\"0101010101010101010101010101010101010101010101010101010101010101\","
    "\"0202020202020202020202020202020202020202020202020202020202020202\","
    "\"0303030303030303030303030303030303030303030303030303030303030303\"],\"quorum_threshold_pct\":67,"
    "\"emergency_members\":[],\"emergency_url\":\"\",\"chain_profile\":1,\"feature_level\":0,"
    "\"genesis_time\":\"1700000000000\",\"params\":[],\"allocations\":[],\"founder_keys\":["
    "\"0404040404040404040404040404040404040404040404040404040404040404\","
    "\"0505050505050505050505050505050505050505050505050505050505050505\"],\"founder_m\":2,\"validators\":[],"
    "\"coordinator\":\"0606060606060606060606060606060606060606060606060606060606060606\",\"committee\":[],"
    "\"committee_threshold\":0,\"group_public\":null,"
    "\"tss_transcript\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"profile\":"
    "\"\"}}";
/* SHA-256 of 14, "dsdn/genesis/1" and the canonical bytes put together by hand. */
static const char good_hash[] = "746443c08e3f25ab08123395f187075d5d928f770df304d46ff258cf5b300a44";

static void test_forms_agree(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_genesis parsed, encoded, decoded;
    char hash[65];
    if (dsdn_genesis_parse(&parsed, good_text, sizeof good_text - 1, &error)) fail_msg("%s", error.message);
    assert_int_equal(dsdn_genesis_encode(&encoded, &good, &error), 0);
    assert_int_equal(parsed.len, encoded.len);
    assert_memory_equal(parsed.bytes, encoded.bytes, parsed.len);
    dsdn_hex_encode(parsed.hash, 32, hash);
    assert_string_equal(hash, good_hash);
    assert_int_equal(dsdn_genesis_decode(&decoded, parsed.bytes, parsed.len, &error), 0);
    assert_memory_equal(decoded.hash, parsed.hash, 32);
    assert_int_equal(decoded.event.genesis_time, 1700000000000);
    struct dsdn_text t;
    dsdn_text_init(&t, DSDN_GENESIS_MAX, 0);
    assert_int_equal(dsdn_genesis_write(&decoded, &t, &error), 0);
    assert_string_equal(t.bytes, good_text);
    dsdn_text_free(&t);
    dsdn_genesis_free(&parsed);
    dsdn_genesis_free(&encoded);
    assert_int_equal(dsdn_genesis_decode(&encoded, decoded.bytes, decoded.len - 1, &error), DSDN_E_MALFORMED);
    assert_null(encoded.bytes);
    dsdn_genesis_free(&decoded);

    static const char other[] = "{\"type\":\"NodeDeregistered\",\"version\":1,\"payload\":{\"node_id\":"
                                "\"0404040404040404040404040404040404040404040404040404040404040404\"}}";
    assert_int_equal(dsdn_genesis_parse(&parsed, other, sizeof other - 1, &error), DSDN_E_MALFORMED);
    assert_string_equal(error.message, "genesis: the file holds a NodeDeregistered");
    uint8_t *large = calloc(1, DSDN_GENESIS_MAX + 1);
    assert_non_null(large);
    assert_int_equal(dsdn_genesis_decode(&decoded, large, DSDN_GENESIS_MAX + 1, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_genesis_parse(&decoded, large, DSDN_GENESIS_MAX + 1, &error), DSDN_E_TOO_LARGE);
    free(large);
}

static void test_load(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_genesis genesis;
    char path[] = "/tmp/dsdn-genesis-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    assert_true(fwrite(good_text, 1, sizeof good_text - 1, file) == sizeof good_text - 1 &&
                fclose(file) == 0);
    assert_int_equal(dsdn_genesis_load(&genesis, &dsdn_io_system, path, &error), 0);
    assert_int_equal(genesis.event.founder_m, 2);
    dsdn_genesis_free(&genesis);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(dsdn_genesis_load(&genesis, &dsdn_io_system, path, &error), DSDN_E_MALFORMED);
    assert_string_equal(error.file, path);
    assert_int_equal(error.offset, 100);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(dsdn_genesis_load(&genesis, &dsdn_io_system, path, &error), DSDN_E_NOT_FOUND);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void refused(const struct dsdn_ev_genesis_declared *g, const char *message)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    int rc = dsdn_genesis_check(g, &error);
    if (rc != (message ? DSDN_E_MALFORMED : 0) || (message && !strstr(error.message, message)))
        fail_msg("%s: %d %s", message ? message : "good", rc, error.message);
}

#define CHANGED(message, ...)                                                                                \
    do {                                                                                                     \
        struct dsdn_ev_genesis_declared g = good;                                                            \
        __VA_ARGS__;                                                                                         \
        refused(&g, message);                                                                                \
    } while (0)

static void test_simple_rules(void **state)
{
    (void)state;
    refused(&good, NULL);
    CHANGED("network_id is empty", g.network_id.len = 0);
    CHANGED("protocol version 0.0.0 enables no event", g.version_major = 0);
    CHANGED("chain_profile is 0", g.chain_profile = 0);
    CHANGED("quorum_threshold_pct is 66; allowed are 67 to 100", g.quorum_threshold_pct = 66);
    CHANGED("quorum_threshold_pct is 101", g.quorum_threshold_pct = 101);
    CHANGED("quorum_threshold_pct is 0", g.quorum_threshold_pct = 0);
    CHANGED(NULL, g.quorum_threshold_pct = 0; g.quorum_members.count = 0; g.quorum_members.len = 0);
    CHANGED("or 0 without members", g.quorum_threshold_pct = 50; g.quorum_members.count = 0;
            g.quorum_members.len = 0);
    CHANGED(NULL, g.quorum_threshold_pct = 100);
    CHANGED("founder_m is 3 of 2 founders", g.founder_m = 3);
    CHANGED("founder_m is 0", g.founder_m = 0);
    CHANGED(NULL, g.founder_m = 0; g.founder_keys = (struct dsdn_list){NULL, 0, 0});
    CHANGED("neither coordinator nor committee", g.coordinator = NULL);
    CHANGED("coordinator is zero", g.coordinator = zeros);
    CHANGED("committee_threshold without a committee", g.committee_threshold = 1);
    CHANGED("group_public without a committee", g.group_public = keys);
}

static void test_primary(void **state)
{
    (void)state;
    uint8_t ns[29] = {0};
    CHANGED("has da_start 0", g.da_start = 1);
    CHANGED("has da_start_hash zero", g.da_start_hash = keys);
    ns[28] = 1;
    CHANGED("has da_namespace zero", g.da_namespace = ns);
#define ON(chain, message)                                                                                   \
    CHANGED(message, g.da_chain_id = (struct dsdn_view){(const uint8_t *)chain, strlen(chain)};              \
            g.da_namespace = ns; g.da_start = 7; g.da_start_hash = keys)
    memset(ns, 0, 29);
    ON("private", NULL);
    ON("celestia", "da_namespace is reserved by Celestia");
    ns[28] = 0xff;
    ON("mocha-4", "da_namespace is reserved by Celestia");
    ns[27] = 1; /* the first user namespace */
    ns[28] = 0;
    ON("celestia", NULL);
    ON("mocha-4", NULL);
    ON("arabica-11", NULL);
    ns[18] = 1;
    ON("celestia", "needs 18 zero bytes");
    ON("celestia-like", NULL); /* not the public network */
    ns[18] = 0;
    ns[19] = 1; /* first byte of the ten that are free */
    ON("celestia", NULL);
    ns[0] = 1;
    ON("celestia", "da_namespace has version 1");
    ns[0] = 0xff;
    ON("arabica-11", "da_namespace has version 255");
    ON("private", NULL);
}

static struct dsdn_list put_param(uint8_t *out, struct dsdn_list list, const char *key, int64_t value)
{
    uint8_t *p = out + list.len, len = (uint8_t)strlen(key);
    *p++ = len;
    memcpy(p, key, len);
    memcpy(p + len, &value, 8);
    return (struct dsdn_list){out, list.count + 1, list.len + 1 + len + 8};
}

static void test_params(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct dsdn_list none = {bytes, 0, 0}, two;
    CHANGED(NULL, g.params = put_param(bytes, none, "fork_window", 20));
    CHANGED("params[0].key names no parameter", g.params = put_param(bytes, none, "fork_windo", 20));
    CHANGED("fork_window is 0; allowed are 1 to 1000000 heights",
            g.params = put_param(bytes, none, "fork_window", 0));
    two = put_param(bytes, none, "fork_window", 20);
    CHANGED(NULL, g.params = put_param(bytes, two, "origin_lag_max", 60));
    CHANGED("params[1] (fork_window) is not behind", g.params = put_param(bytes, two, "fork_window", 20));
    CHANGED("params[1] (batch_max) is not behind", g.params = put_param(bytes, two, "batch_max", 2000000));

    /* The table: sorted, defaults and devnet values in range, and no allowed set can stall direct bundles. */
    const struct dsdn_parameter_desc *p = dsdn_parameters;
    assert_true(p[DSDN_PARAMETER_batch_max].most <= DSDN_ARCHIVE_BATCH_MAX); /* every batch can be archived */
    for (uint32_t i = 0; i < DSDN_PARAMETER_CNT; i++) {
        assert_true(i == 0 || strcmp(p[i - 1].name, p[i].name) < 0);
        assert_true(strlen(p[i].name) <= 48 && p[i].least <= p[i].most);
        assert_true(p[i].value >= p[i].least && p[i].value <= p[i].most);
        assert_true(p[i].devnet >= p[i].least && p[i].devnet <= p[i].most);
        assert_ptr_equal(dsdn_parameter_find(p[i].name, strlen(p[i].name)), &p[i]);
    }
    assert_true(p[DSDN_PARAMETER_direct_max].most <= p[DSDN_PARAMETER_direct_budget].least);
    assert_true(p[DSDN_PARAMETER_direct_budget].most + (int64_t)DSDN_BATCH_FIXED_LEN <
                p[DSDN_PARAMETER_batch_max].least);
    assert_true(p[DSDN_PARAMETER_batch_max].most <= DSDN_BATCH_LIMIT);
    assert_true(p[DSDN_PARAMETER_direct_max].most <= DSDN_DIRECT_MAX);
    assert_null(dsdn_parameter_find("fork_window2", 12));

    struct dsdn_ev_genesis_declared g = good;
    assert_int_equal(dsdn_genesis_parameter(&g, DSDN_PARAMETER_fork_window), 2000);
    g.params = put_param(bytes, two, "origin_lag_max", 60);
    assert_int_equal(dsdn_genesis_parameter(&g, DSDN_PARAMETER_fork_window), 20);
    assert_int_equal(dsdn_genesis_parameter(&g, DSDN_PARAMETER_origin_lag_max), 60);
    assert_int_equal(dsdn_genesis_parameter(&g, DSDN_PARAMETER_batch_max), 1572864);
}

static struct dsdn_list put_validator(uint8_t *out, struct dsdn_list list, const uint8_t *id, uint64_t units)
{
    uint8_t *p = out + list.len;
    memcpy(p, id, 32);
    p[32] = 0;
    dsdn_store64(p + 33, units);
    p[41] = 0;
    return (struct dsdn_list){out, list.count + 1, list.len + 42};
}

static struct dsdn_list put_member(uint8_t *out, struct dsdn_list list, const uint8_t *id,
                                   const uint8_t *validator, uint16_t index)
{
    uint8_t *p = out + list.len;
    memcpy(p, id, 32);
    memcpy(p + 32, validator, 32);
    memset(p + 64, 9, 32);
    dsdn_store16(p + 96, index);
    return (struct dsdn_list){out, list.count + 1, list.len + 98};
}

static void test_accounts(void **state)
{
    (void)state;
    uint8_t validators[256], allocations[256] = {0};
    struct dsdn_list none = {validators, 0, 0}, one = put_validator(validators, none, keys, UINT64_MAX);
    CHANGED(NULL, g.validators = one);
    CHANGED("validators[1].id occurs twice", g.validators = put_validator(validators, one, keys, 0));
    CHANGED("asset 0 overflows 64 bits at validators[1]",
            g.validators = put_validator(validators, one, keys + 32, 1));
    dsdn_store64(allocations + 33, 1);
    struct dsdn_list allocation = {allocations, 1, 66};
    CHANGED(NULL, g.allocations = allocation);
    CHANGED("asset 0 overflows 64 bits at allocations[0]", g.validators = one; g.allocations = allocation);
    allocations[32] = 1; /* another asset */
    CHANGED(NULL, g.validators = one; g.allocations = allocation);
    dsdn_store64(allocations + 33, 0);
    CHANGED("allocations[0] is of 0 units", g.allocations = allocation);

    static uint8_t many[66 * 300]; /* of distinct accounts in no order, until two meet */
    for (uint32_t i = 0; i < 300; i++) {
        dsdn_store32(many + 66 * i, i * 2654435761u);
        many[66 * i + 33] = 1;
    }
    struct dsdn_list all = {many, 300, sizeof many};
    CHANGED(NULL, g.allocations = all);
    memcpy(many + 66 * 271, many + 66 * 13, 32);
    CHANGED("two allocations are for one account", g.allocations = all);
    many[66 * 271 + 31] ^= 1;
    CHANGED(NULL, g.allocations = all);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_ev_genesis_declared g = good;
    g.allocations = all;
    fail_nth(1);
    assert_int_equal(dsdn_genesis_check(&g, &error), DSDN_E_NO_MEMORY);
    fail_nth(0);
}

/* An operator's address has one spelling: base64url, RFC 4648, section 5, here by OpenSSL. */
static void test_operators(void **state)
{
    (void)state;
    uint8_t address[32], bytes[512], text[64];
    char name[DSDN_OPERATOR_NAME];
    struct dsdn_list none = {bytes, 0, 0};
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < 32; i++) address[i] = (uint8_t)(round * 89 + i * i * (round + 7));
        dsdn_operator_parameter(address, name);
        assert_int_equal(EVP_EncodeBlock(text, address, 32), 44); /* 43 digits and one '=' */
        for (uint32_t i = 0; i < 43; i++) {
            if (text[i] == '+') text[i] = '-';
            if (text[i] == '/') text[i] = '_';
        }
        assert_memory_equal(name, "op:", 3);
        assert_memory_equal(name + 3, text, 43);
        assert_int_equal(name[46], 0);
        const struct dsdn_parameter_desc *rule = dsdn_parameter_rule(name, 46);
        assert_true(rule && rule->value == 0 && rule->least == 0 && rule->most == 1);
        assert_null(dsdn_parameter_find(name, 46)); /* no row of the table */
        for (uint32_t i = 0; i < 46; i++) {         /* any digit replaced: another address, or none */
            char other[DSDN_OPERATOR_NAME];
            static const char signs[] = "+/= .\n";
            memcpy(other, name, sizeof other);
            other[i] = signs[(i + round) % (sizeof signs - 1)];
            if (other[i] != name[i]) assert_null(dsdn_parameter_rule(other, 46));
        }
        char last = name[45]; /* 16 digits end an address: those whose lowest two bits are zero */
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for (uint32_t d = 0; d < 64; d++) {
            name[45] = digits[d];
            assert_int_equal(dsdn_parameter_rule(name, 46) != NULL, d % 4 == 0);
        }
        name[45] = last;
        assert_null(dsdn_parameter_rule(name, 45));
        assert_null(dsdn_parameter_rule(name, 3));
        name[46] = '=';
        assert_null(dsdn_parameter_rule(name, 47));
    }
    memset(address, 0x55, 32);
    dsdn_operator_parameter(address, name);
    assert_ptr_equal(dsdn_parameter_rule("fork_window", 11), &dsdn_parameters[DSDN_PARAMETER_fork_window]);
    struct dsdn_list one = put_param(bytes, none, name, 1);
    CHANGED(NULL, g.params = one);
    CHANGED("op:ADDRESS is 2; allowed are 0 to 1", g.params = put_param(bytes, none, name, 2));
    CHANGED("params[1] (op:ADDRESS) is not behind", one = put_param(bytes, none, name, 1);
            g.params = put_param(bytes, one, name, 0));
    CHANGED("params[1] (max_validators) is not behind",
            g.params = put_param(bytes, one, "max_validators", 5));
    CHANGED(NULL, g.params = put_param(bytes, one, "origin_lag_max", 60));
    one = put_param(bytes, none, "max_validators", 5);
    CHANGED(NULL, g.params = put_param(bytes, one, name, 1));
}

static void test_committee(void **state)
{
    (void)state;
    uint8_t validators[256], members[98 * 8];
    struct dsdn_list none = {members, 0, 0}, v = {validators, 0, 0}, m;
    v = put_validator(validators, v, keys, 1);
    v = put_validator(validators, v, keys + 32, 1);
#define COMMITTEE(message, list, threshold, ...)                                                             \
    CHANGED(message, g.coordinator = NULL; g.validators = v; g.committee = (list);                           \
            g.committee_threshold = (threshold); g.group_public = keys; __VA_ARGS__)
    /* floor(2n/3) + 1, and 2 of 3. */
    static const uint16_t needed[] = {1, 2, 3, 3, 4, 5, 5};
    m = none;
    for (uint32_t n = 1; n <= 7; n++) {
        m = put_member(members, m, keys + 32 * n, keys + 32 * (n % 2), (uint16_t)(n * 9000));
        for (uint16_t t = 0; t <= 8; t++) {
            bool right = t == needed[n - 1] || (n == 3 && t == 2);
            COMMITTEE(right ? NULL : "committee_threshold is", m, t, (void)0);
        }
    }
    m = put_member(members, none, keys + 64, keys, 1);
    COMMITTEE("coordinator and committee are both given", m, 1, g.coordinator = keys);
    COMMITTEE("the committee has no group_public", m, 1, g.group_public = NULL);
    COMMITTEE("group_public is zero", m, 1, g.group_public = zeros);
    COMMITTEE("committee[0].validator_id is no validator", m, 1,
              g.validators = (struct dsdn_list){NULL, 0, 0});
    COMMITTEE("committee[1].validator_id is no validator", put_member(members, m, keys, keys + 96, 2), 2,
              (void)0);
    COMMITTEE("committee[1].share_index is 0", put_member(members, m, keys, keys, 0), 2, (void)0);
    COMMITTEE("committee[1].share_index 1 occurs twice", put_member(members, m, keys, keys, 1), 2, (void)0);
    COMMITTEE("committee[1].coordinator_id occurs twice", put_member(members, m, keys + 64, keys, 2), 2,
              (void)0);
    COMMITTEE(NULL, put_member(members, m, keys + 96, keys, 65535), 2, (void)0);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (int form = 0; form < 3; form++)
        for (unsigned n = 1;; n++) {
            struct dsdn_genesis genesis, whole;
            assert_int_equal(dsdn_genesis_encode(&whole, &good, NULL), 0);
            fail_nth(n);
            int rc = form == 0   ? dsdn_genesis_parse(&genesis, good_text, sizeof good_text - 1, NULL)
                     : form == 1 ? dsdn_genesis_encode(&genesis, &good, NULL)
                                 : dsdn_genesis_decode(&genesis, whole.bytes, whole.len, NULL);
            bool pending = fail_nth(0);
            /* Giving memory back may fail without harm. */
            assert_true(rc == 0 || (rc == DSDN_E_NO_MEMORY && !pending));
            if (n == 1) assert_int_equal(rc, DSDN_E_NO_MEMORY);
            if (!rc) {
                assert_memory_equal(genesis.hash, whole.hash, 32);
                dsdn_genesis_free(&genesis);
            }
            dsdn_genesis_free(&whole);
            if (pending) break;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_agree),  cmocka_unit_test(test_load),
        cmocka_unit_test(test_simple_rules), cmocka_unit_test(test_primary),
        cmocka_unit_test(test_params),       cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_operators),    cmocka_unit_test(test_committee),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
