/* A devnet's chain against the client-side functions: what it makes verifies, and only as it is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapters/celestia/light.h"
#include "adapters/devnet/fault.h"
#include "adapters/devnet/node.h"
#include "tests/celestia_util.h"

#include <time.h>

static const struct dsdn_celestia_time genesis = {1700000000, 0};

static struct dsdn_devnet_config config(uint32_t rotate_every, uint64_t replace_at)
{
    struct dsdn_devnet_config c;
    dsdn_devnet_config_default(&c);
    c.genesis_time = genesis;
    c.step_ms = 2600;
    c.rotate_every = rotate_every;
    c.replace_at = replace_at;
    return c;
}

static struct dsdn_devnet_chain *new_chain(const struct dsdn_devnet_config *c)
{
    struct dsdn_devnet_chain *chain;
    assert_int_equal(dsdn_devnet_chain_new(c, &chain, NULL), 0);
    return chain;
}

static void produce(struct dsdn_devnet_chain *chain, uint32_t cnt)
{
    while (cnt--) assert_int_equal(dsdn_devnet_chain_produce(chain, genesis, NULL), 0);
}

/* Submits a transaction of cnt blobs whose namespaces are first_ns, first_ns + 1, ...; contents are random,
 * every second blob has a signer. */
static void submit(struct dsdn_devnet_chain *chain, uint32_t first_ns, uint32_t cnt, uint32_t len)
{
    struct dsdn_json_blob blobs[8];
    uint8_t *data[8];
    assert_true(cnt <= 8);
    for (uint32_t i = 0; i < cnt; i++) {
        data[i] = malloc(len);
        number_fill(data[i], len);
        blobs[i] = (struct dsdn_json_blob){.data = {data[i], len}, .share_version = i % 2};
        user_namespace(blobs[i].ns, first_ns + i);
        if (i % 2) blobs[i].signer = (struct dsdn_view){chain->account.address, 20};
        assert_int_equal(dsdn_commitment_data(blobs[i].ns, i % 2, blobs[i].signer.bytes, data[i], len,
                                              blobs[i].commitment, NULL),
                         0);
    }
    struct dsdn_devnet_tx tx = {.flags = DSDN_DEVNET_TX_OWN, .fee = 10};
    assert_int_equal(
        dsdn_devnet_pay(&chain->account, chain->sequence, 1, 10, blobs, cnt, false, &tx.bytes, &tx.len, NULL),
        0);
    assert_int_equal(dsdn_devnet_chain_submit(chain, &tx, NULL), 0);
    assert_int_equal(dsdn_devnet_chain_landed(chain, tx.ticket), 0);
    for (uint32_t i = 0; i < cnt; i++) free(data[i]);
}

/* Everything that a header says about itself. */
static void check_header(const struct dsdn_devnet_chain *chain, uint64_t height,
                         struct dsdn_devnet_described *d)
{
    enum dsdn_celestia_check check;
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(dsdn_devnet_chain_describe(chain, height, d, NULL), 0);
    if (dsdn_celestia_verify(&d->block, NULL, &check, &error)) fail_msg("%s", error.message);
    assert_int_equal(d->block.header.height, height);
    if (height > 1)
        assert_memory_equal(d->block.header.last_block_id.hash.bytes,
                            dsdn_devnet_chain_block(chain, height - 1)->hash, 32);
}

/* All blobs of a namespace by verified namespace data; their number. */
static uint32_t check_namespace(struct dsdn_devnet_shelf *shelf, uint64_t height, uint32_t ns_number,
                                uint64_t *shares)
{
    struct dsdn_devnet_described *d = malloc(sizeof *d);
    const struct dsdn_devnet_data *data;
    struct dsdn_devnet_rows rows;
    struct dsdn_namespace_result result;
    struct dsdn_share_run runs[DSDN_SQUARE_K_MAX];
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    uint32_t cnt = 0;
    user_namespace(ns, ns_number);
    check_header(shelf->chain, height, d);
    assert_int_equal(dsdn_devnet_shelf_open(shelf, height, &data, NULL), 0);
    assert_int_equal(dsdn_devnet_rows_make(shelf, data, ns, &rows, NULL), 0);
    if (dsdn_namespace_data_verify(ns, d->block.dah.row_roots, d->block.dah.row_cnt, rows.rows, rows.row_cnt,
                                   runs, &result, &error))
        fail_msg("height %u: %s", (unsigned)height, error.message);
    struct dsdn_blob_walk walk;
    struct dsdn_blob blob;
    dsdn_blob_walk_start(&walk, runs, result.run_cnt);
    while (dsdn_blob_walk_next(&walk, &blob)) {
        struct dsdn_commitment_proof proof;
        uint8_t commitment[32];
        uint32_t share_cnt;
        cnt++;
        if (blob.kind != DSDN_BLOB_DATA) continue;
        assert_int_equal(dsdn_commitment_blob(&blob, commitment, NULL), 0);
        assert_int_equal(dsdn_devnet_commitment_proof_make(shelf, data, &blob, &proof, NULL), 0);
        if (dsdn_commitment_proof_verify(&proof, commitment, d->block.header.data_hash.bytes, &share_cnt,
                                         &error))
            fail_msg("%s", error.message);
        assert_int_equal(share_cnt, blob.share_cnt);
        dsdn_devnet_commitment_proof_free(&proof);
    }
    if (shares) *shares = result.share_cnt;
    assert_int_equal(result.verdict, cnt ? DSDN_NAMESPACE_PRESENT : DSDN_NAMESPACE_ABSENT);
    dsdn_devnet_rows_free(&rows);
    free(d);
    return cnt;
}

static void blocks_verify(void **state)
{
    (void)state;
    struct dsdn_devnet_config c = config(0, 0);
    struct dsdn_devnet_chain *chain = new_chain(&c);
    struct dsdn_devnet_shelf shelf;
    struct dsdn_devnet_described *d = malloc(sizeof *d);
    uint64_t shares;
    dsdn_devnet_shelf_init(&shelf, chain);
    produce(chain, 2);
    uint8_t empty[32]; /* data root of the network's empty block */
    assert_true(
        dsdn_hex_decode("3D96B7D238E7E0456F6AF8E7CDF0A67BD6CF9C2089ECB559C659DCAA1F880353", 32, empty));
    assert_memory_equal(dsdn_devnet_chain_block(chain, 2)->data_hash, empty, 32);
    submit(chain, 10, 3, 400);
    submit(chain, 11, 2, 5000);
    submit(chain, 30, 1, 120000); /* several rows */
    produce(chain, 12);
    for (uint64_t h = 1; h <= chain->head; h++) check_header(chain, h, d);
    assert_int_equal(check_namespace(&shelf, 2, 10, NULL), 0); /* empty block */
    assert_int_equal(check_namespace(&shelf, 3, 10, NULL), 1);
    assert_int_equal(check_namespace(&shelf, 3, 11, NULL), 2);
    assert_int_equal(check_namespace(&shelf, 3, 12, NULL), 2);
    assert_int_equal(check_namespace(&shelf, 3, 30, &shares), 1);
    assert_int_equal(shares, dsdn_share_cnt(0, 120000));
    assert_true(dsdn_devnet_chain_block(chain, 3)->k == 16 || dsdn_devnet_chain_block(chain, 3)->k == 32);
    assert_int_equal(check_namespace(&shelf, 3, 20, NULL), 0); /* between two others */
    assert_int_equal(check_namespace(&shelf, 3, 9, NULL), 0);  /* before all */
    assert_int_equal(check_namespace(&shelf, 3, 99, NULL), 0); /* behind all */
    assert_int_equal(dsdn_devnet_chain_landed(chain, 1), 3);
    assert_int_equal(chain->sequence, 3);
    dsdn_devnet_shelf_free(&shelf);
    dsdn_devnet_chain_free(chain);
    free(d);
}

/* Blocks of random contents: every namespace of every block. */
static void random_blocks_verify(void **state)
{
    (void)state;
    struct dsdn_devnet_config c = config(0, 0);
    struct dsdn_devnet_chain *chain = new_chain(&c);
    struct dsdn_devnet_shelf shelf;
    dsdn_devnet_shelf_init(&shelf, chain);
    number_seed = 7;
    for (uint32_t block = 1; block <= 12; block++) {
        uint32_t expected[24] = {0};
        for (uint32_t txs = number(5); txs; txs--) {
            uint32_t first = number(16), cnt = 1 + number(8);
            submit(chain, first, cnt, 1 + number(block % 4 ? 3000 : 40000));
            for (uint32_t i = 0; i < cnt; i++) expected[first + i]++;
        }
        produce(chain, 1);
        for (uint32_t ns = 0; ns < 24; ns++)
            assert_int_equal(check_namespace(&shelf, block, ns, NULL), expected[ns]);
    }
    dsdn_devnet_shelf_free(&shelf);
    dsdn_devnet_chain_free(chain);
}

/* Light verification: near heights can be skipped to, far ones cannot once the set has turned over. */
static enum dsdn_light_verdict jump(const struct dsdn_devnet_chain *chain, uint64_t from, uint64_t to)
{
    const struct dsdn_light_options options = {.period = DSDN_LIGHT_PERIOD, .drift = DSDN_LIGHT_DRIFT};
    struct dsdn_light_trusted *trusted = calloc(1, sizeof *trusted);
    struct dsdn_devnet_described *d = malloc(sizeof *d);
    struct dsdn_error error = DSDN_ERROR_INIT;
    enum dsdn_celestia_check check;
    assert_int_equal(dsdn_devnet_chain_describe(chain, from, d, NULL), 0);
    assert_int_equal(dsdn_light_anchor(&options, &d->block, dsdn_devnet_chain_block(chain, from)->hash,
                                       trusted, &check, &error),
                     DSDN_LIGHT_VERIFIED);
    assert_int_equal(dsdn_devnet_chain_describe(chain, to, d, NULL), 0);
    struct dsdn_celestia_time now = d->block.header.time;
    enum dsdn_light_verdict verdict = dsdn_light_upward(&options, trusted, &d->block, now, &check, &error);
    free(trusted);
    free(d);
    return verdict;
}

static void sets_change(void **state)
{
    (void)state;
    struct dsdn_devnet_config c = config(10, 55);
    struct dsdn_devnet_chain *chain = new_chain(&c);
    produce(chain, 60);
    for (uint64_t h = 1; h < 60; h++) assert_int_equal(jump(chain, h, h + 1), DSDN_LIGHT_VERIFIED);
    for (uint64_t h = 2; h <= 60; h++) { /* one key at a time, all of them at the replacement */
        const struct dsdn_devnet_set *before = dsdn_devnet_validators_at(&chain->validators, h - 1);
        const struct dsdn_devnet_set *after = dsdn_devnet_validators_at(&chain->validators, h);
        uint32_t changed = 0;
        for (uint32_t i = 0; i < c.validator_cnt; i++)
            changed += memcmp(before->members[i].address, after->members[i].address, 20) != 0;
        assert_int_equal(changed, h == 55 ? 4 : h % 10 == 0);
    }
    assert_int_equal(jump(chain, 1, 15), DSDN_LIGHT_VERIFIED); /* 60 % of the power is left */
    assert_int_equal(jump(chain, 1, 25), DSDN_LIGHT_BISECT);   /* 30 % */
    assert_int_equal(jump(chain, 50, 54), DSDN_LIGHT_VERIFIED);
    assert_int_equal(jump(chain, 53, 55), DSDN_LIGHT_BISECT);
    dsdn_devnet_chain_free(chain);
}

static void same_input_same_blocks(void **state)
{
    (void)state;
    uint8_t hash[2][32];
    for (uint32_t i = 0; i < 3; i++) {
        struct dsdn_devnet_config c = config(3, 0);
        if (i == 2) strcpy(c.seed, "another");
        struct dsdn_devnet_chain *chain = new_chain(&c);
        number_seed = 5;
        submit(chain, 1, 4, 900);
        produce(chain, 9);
        memcpy(hash[i != 0], dsdn_devnet_chain_block(chain, 9)->hash, 32);
        if (i == 1) assert_memory_equal(hash[0], hash[1], 32);
        if (i == 2) assert_memory_not_equal(hash[0], hash[1], 32);
        dsdn_devnet_chain_free(chain);
    }
}

static void records_restore(void **state)
{
    (void)state;
    struct dsdn_devnet_config c = config(4, 0);
    struct dsdn_devnet_chain *chain = new_chain(&c), *again = new_chain(&c);
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t *record;
    size_t len;
    submit(chain, 1, 4, 2000);
    produce(chain, 3);
    for (uint64_t h = 1; h <= 3; h++) {
        assert_int_equal(dsdn_devnet_record_make(dsdn_devnet_chain_block(chain, h), &record, &len, NULL), 0);
        for (size_t at = 0; at < len;
             at += h == 1 ? 97 : 1) { /* no byte of it can be another one unseen, but in a transaction */
            record[at] ^= 1;
            if (at < 60 + 4 * (h == 1 ? 4u : 0u) * DSDN_NMT_NODE_LEN) {
                assert_int_not_equal(dsdn_devnet_chain_restore(again, record, len, &error), 0);
                assert_int_equal(again->head, h - 1);
            }
            record[at] ^= 1;
        }
        for (size_t cut = 0; cut < len; cut += 1 + len / 50)
            assert_int_not_equal(dsdn_devnet_chain_restore(again, record, cut, &error), 0);
        assert_int_equal(dsdn_devnet_chain_restore(again, record, len, &error), 0);
        assert_memory_equal(dsdn_devnet_chain_block(again, h)->hash, dsdn_devnet_chain_block(chain, h)->hash,
                            32);
        free(record);
    }
    assert_int_equal(again->sequence, 1);
    assert_int_equal(again->spent, 10);
    dsdn_devnet_chain_free(chain);
    dsdn_devnet_chain_free(again);
}

static void old_heights_go(void **state)
{
    (void)state;
    struct dsdn_devnet_config c = config(0, 0);
    c.keep_heights = 5;
    struct dsdn_devnet_chain *chain = new_chain(&c);
    struct dsdn_devnet_shelf shelf;
    dsdn_devnet_shelf_init(&shelf, chain);
    submit(chain, 1, 1, 100);
    produce(chain, 4);
    assert_int_equal(dsdn_devnet_chain_tail(chain), 1);
    submit(chain, 1, 1, 100);
    produce(chain, 4);
    assert_int_equal(dsdn_devnet_chain_tail(chain), 4);
    assert_null(dsdn_devnet_chain_block(chain, 1)->txs);
    assert_int_equal(check_namespace(&shelf, 5, 1, NULL), 1);
    dsdn_devnet_shelf_free(&shelf);
    dsdn_devnet_chain_free(chain);
}

/* More than a square holds is spread over blocks in the order of submission; what fits none is dropped. */
static void full_blocks(void **state)
{
    (void)state;
    struct dsdn_devnet_config c = config(0, 0);
    c.square_max = 8;
    struct dsdn_devnet_chain *chain = new_chain(&c);
    submit(chain, 1, 1, 40000); /* 83 shares: never */
    for (uint32_t i = 0; i < 6; i++) submit(chain, 1 + i, 1, 10000);
    produce(chain, 3);
    assert_true(dsdn_devnet_chain_landed(chain, 1) == UINT64_MAX);
    uint64_t last = 0, in_first = 0;
    for (uint64_t ticket = 2; ticket <= 7; ticket++) {
        uint64_t height = dsdn_devnet_chain_landed(chain, ticket);
        assert_true(height >= 1 && height <= 3 && height >= last);
        last = height;
        in_first += height == 1;
    }
    assert_true(in_first == 2 || in_first == 1);
    assert_int_equal(chain->sequence, 6);
    submit(chain, 1, 1, 100);
    dsdn_devnet_chain_drop_pool(chain);
    produce(chain, 1);
    assert_true(dsdn_devnet_chain_landed(chain, 8) == UINT64_MAX);
    assert_int_equal(chain->spent, 60);
    dsdn_devnet_chain_free(chain);
}

/* The hash of a commit against headers of a real chain: each names that of the commit before it. */
static void commit_hashes(void **state)
{
    (void)state;
    glob_t files = vector_glob("headers/chain3/extended_header_block_1_to_170.json");
    size_t len;
    uint8_t *text, hash[32] = {0};
    struct dsdn_view value, name, element;
    struct dsdn_span_walk walk;
    uint32_t compared = 0;
    assert_int_equal(dsdn_io_read_file(&dsdn_io_system, files.gl_pathv[0], 1 << 24, &text, &len, NULL), 0);
    assert_int_equal(dsdn_span_check(text, len, &value, NULL), 0);
    dsdn_span_walk_start(&walk, value);
    while (dsdn_span_walk_next(&walk, &name, &element)) {
        struct dsdn_block_answer answer;
        assert_int_equal(dsdn_json_read_block(element, &answer, NULL), 0);
        if (answer.block.header.height > 1) {
            assert_memory_equal(answer.block.header.last_commit_hash.bytes, hash, 32);
            compared++;
        }
        dsdn_devnet_commit_hash(answer.block.commit.votes, answer.block.commit.vote_cnt, hash);
        dsdn_block_answer_free(&answer);
    }
    assert_int_equal(compared, 169);
    free(text);
    globfree(&files);
}

/* ---- small things ------------------------------------------------------------------------------ */

static void addresses(void **state)
{
    (void)state;
    char text[DSDN_DEVNET_ADDRESS_MAX];
    uint8_t bytes[20];
    /* BIP 173 gives this program of 20 bytes; behind another prefix the data part differs in its checksum
     * only */
    assert_true(dsdn_hex_decode("751e76e8199196d454941c45d1b3a323f1433bd6", 20, bytes));
    dsdn_devnet_bech32("celestia", bytes, text);
    assert_int_equal(strlen(text), 47);
    assert_memory_equal(text, "celestia1w508d6qejxtdg4y5r3zarvary0c5xw7k", 41);
    dsdn_devnet_bech32("cosmos", bytes, text);
    assert_string_equal(text, "cosmos1w508d6qejxtdg4y5r3zarvary0c5xw7k6ah60c");
}

static void gas_and_fees(void **state)
{
    (void)state;
    uint8_t byte = 1;
    struct dsdn_json_blob blobs[2] = {{.data = {&byte, 478}}, {.data = {&byte, 479}}};
    assert_int_equal(dsdn_devnet_gas(blobs, 1), 512 * 8 + 700 + 75000);
    assert_int_equal(dsdn_devnet_gas(blobs, 2), 3 * 512 * 8 + 1400 + 75000);
    assert_int_equal(dsdn_devnet_fee(1000, DSDN_DEVNET_GAS_PRICE_MIN), 4);
    assert_int_equal(dsdn_devnet_fee(1001, DSDN_DEVNET_GAS_PRICE_MIN), 5);
    assert_true(dsdn_devnet_fee(UINT64_MAX, UINT64_MAX) > UINT64_C(1000000000));
}

static void tokens(void **state)
{
    (void)state;
    uint8_t secret[32], other[32];
    char token[DSDN_DEVNET_TOKEN_MAX];
    dsdn_devnet_token_secret("a", secret);
    dsdn_devnet_token_secret("b", other);
    assert_int_equal(dsdn_devnet_token_make(secret, 3, 0, token, NULL), 0);
    size_t len = strlen(token);
    assert_int_equal(dsdn_devnet_token_check(secret, token, len, 1u << 31), 3);
    assert_int_equal(dsdn_devnet_token_check(other, token, len, 0), 0);
    for (size_t i = 0; i < len; i++) { /* neither a character changed nor one cut off */
        char old = token[i];
        token[i] = old == 'A' ? 'B' : 'A';
        assert_int_equal(dsdn_devnet_token_check(secret, token, len, 0), 0);
        token[i] = old;
        assert_int_equal(dsdn_devnet_token_check(secret, token, i, 0), 0);
    }
    assert_int_equal(dsdn_devnet_token_make(secret, 15, 1000, token, NULL), 0);
    assert_int_equal(dsdn_devnet_token_check(secret, token, strlen(token), 999), 15);
    assert_int_equal(dsdn_devnet_token_check(secret, token, strlen(token), 1000), 0);
    assert_int_equal(dsdn_devnet_token_check(secret, "..", 2, 0), 0);
}

static void fault_scopes(void **state)
{
    (void)state;
    struct dsdn_devnet_faults faults = {.cnt = 0};
    struct dsdn_devnet_fault f;
    assert_int_equal(
        dsdn_devnet_fault_parse("kind=drop,method=header.*,heights=5-9,times=2,every=2,text=a,b", &f, NULL),
        0);
    assert_string_equal(f.text, "a,b");
    assert_int_equal(dsdn_devnet_faults_add(&faults, &f), 1);
    uint32_t fired = 0;
    for (uint32_t i = 0; i < 10; i++)
        fired += dsdn_devnet_faults_hit(&faults, DSDN_DEVNET_FAULT_drop, "header.GetByHeight", 7) != NULL;
    assert_int_equal(fired, 2);
    assert_int_equal(faults.list[0].fired, 2);
    assert_int_equal(faults.list[0].seen, 4);
    assert_int_equal(dsdn_devnet_fault_parse("kind=drop,heights=5-", &f, NULL), 0);
    assert_int_equal(dsdn_devnet_faults_add(&faults, &f), 2);
    assert_null(dsdn_devnet_faults_hit(&faults, DSDN_DEVNET_FAULT_drop, "blob.Get", 4));
    assert_null(dsdn_devnet_faults_hit(&faults, DSDN_DEVNET_FAULT_drop, "blob.Get", DSDN_DEVNET_ANY_HEIGHT));
    assert_null(dsdn_devnet_faults_hit(&faults, DSDN_DEVNET_FAULT_drop, "devnet.Clear", 6));
    assert_null(dsdn_devnet_faults_hit(&faults, DSDN_DEVNET_FAULT_body, "blob.Get", 6));
    assert_int_equal(dsdn_devnet_faults_hit(&faults, DSDN_DEVNET_FAULT_drop, "blob.Get", 6)->id, 2);
    assert_true(dsdn_devnet_faults_clear(&faults, 1));
    assert_false(dsdn_devnet_faults_clear(&faults, 1));
    assert_int_equal(faults.cnt, 1);
    static const char *const bad[] = {"drop",
                                      "kind=nothing",
                                      "kind=drop,heights=9-5",
                                      "kind=drop,every=0",
                                      "kind=drop,value=x",
                                      "kind=drop,,",
                                      "kind=drop,heights=5-6-7"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(dsdn_devnet_fault_parse(bad[i], &f, NULL), DSDN_E_USAGE);
}

static void bad_configurations(void **state)
{
    (void)state;
    struct dsdn_devnet_chain *chain;
    struct dsdn_devnet_config c = config(0, 0);
    c.validator_cnt = 0;
    assert_int_equal(dsdn_devnet_chain_new(&c, &chain, NULL), DSDN_E_USAGE);
    c = config(0, 0);
    c.square_max = 48;
    assert_int_equal(dsdn_devnet_chain_new(&c, &chain, NULL), DSDN_E_USAGE);
    c = config(0, 0);
    strcpy(c.chain_id, "two words");
    assert_int_equal(dsdn_devnet_chain_new(&c, &chain, NULL), DSDN_E_USAGE);
    c = config(0, 0);
    c.seed[0] = 0;
    assert_int_equal(dsdn_devnet_chain_new(&c, &chain, NULL), DSDN_E_USAGE);
}

/* Not a promise about a machine: how long things take is printed. */
static void speed(void **state)
{
    (void)state;
    struct dsdn_devnet_config c = config(0, 0);
    struct dsdn_devnet_chain *chain = new_chain(&c);
    struct timespec t[3];
    clock_gettime(CLOCK_MONOTONIC, &t[0]);
    produce(chain, 500);
    clock_gettime(CLOCK_MONOTONIC, &t[1]);
    submit(chain, 1, 1, 1 << 20);
    clock_gettime(CLOCK_MONOTONIC, &t[1]);
    produce(chain, 1);
    clock_gettime(CLOCK_MONOTONIC, &t[2]);
    double block = (double)(t[2].tv_sec - t[1].tv_sec) + (double)(t[2].tv_nsec - t[1].tv_nsec) / 1e9;
    clock_gettime(CLOCK_MONOTONIC, &t[0]);
    produce(chain, 500);
    clock_gettime(CLOCK_MONOTONIC, &t[1]);
    double empty = (double)(t[1].tv_sec - t[0].tv_sec) + (double)(t[1].tv_nsec - t[0].tv_nsec) / 1e9;
    print_message("%.0f empty blocks/s; a block of 1 MiB in %.1f ms\n", 500 / empty, block * 1e3);
    assert_int_equal(chain->head, 1001);
    dsdn_devnet_chain_free(chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_verify),
        cmocka_unit_test(random_blocks_verify),
        cmocka_unit_test(sets_change),
        cmocka_unit_test(same_input_same_blocks),
        cmocka_unit_test(records_restore),
        cmocka_unit_test(old_heights_go),
        cmocka_unit_test(full_blocks),
        cmocka_unit_test(commit_hashes),
        cmocka_unit_test(addresses),
        cmocka_unit_test(gas_and_fees),
        cmocka_unit_test(tokens),
        cmocka_unit_test(fault_scopes),
        cmocka_unit_test(bad_configurations),
        cmocka_unit_test(speed),
    };
    if (dsdn_sign_self_test(NULL)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
