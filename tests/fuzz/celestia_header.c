/* Headers with their commits, validators and DAHs.  Input: choices u8, number of validators u8, then the
 * fields: integers as they stand, byte strings behind a length u8.  choices: bit 0: everything that has one
 * true value gets it - DAH, keys, addresses, hashes, signatures - so that the block must verify, if its shape
 * allows; then bit 1: one byte of it is changed, at a place of the input's choice, and it must not.
 * A block that verifies is given to light verification as an anchor, and below and above itself. */
#include "tests/fuzz/fuzz.h"

#include "adapters/celestia/light.h"
#include "log/hash.h"

#include <sodium.h>

enum { SET = 5, ROOTS = 2 };

static struct dsdn_nmt_node rows[ROOTS], columns[ROOTS];
static struct dsdn_sign_key keys[SET];
static uint8_t addresses[SET][20], signatures[SET][64], hashes[3][32];
static struct dsdn_celestia_validator validators[SET];
static struct dsdn_celestia_vote votes[SET];

static uint64_t take64(struct input *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value |= (uint64_t)take8(in) << 8 * i;
    return value;
}

static struct dsdn_view take_view(struct input *in)
{
    size_t len = take8(in);
    if (len > in->left) len = in->left;
    struct dsdn_view v = {in->at, len};
    in->at += len;
    in->left -= len;
    return v;
}

static struct dsdn_celestia_time take_time(struct input *in)
{
    struct dsdn_celestia_time t;
    t.seconds = (int64_t)take64(in);
    t.nanos = (int32_t)(uint32_t)take64(in);
    return t;
}

static struct dsdn_celestia_block_id take_id(struct input *in)
{
    struct dsdn_celestia_block_id id;
    id.hash = take_view(in);
    id.parts_total = take16(in);
    id.parts_hash = take_view(in);
    return id;
}

static void take_block(struct input *in, struct dsdn_celestia_block *b, uint32_t cnt)
{
    struct dsdn_celestia_header *h = &b->header;
    h->version_block = take64(in);
    h->version_app = take64(in);
    h->chain_id = take_view(in);
    h->height = (int64_t)take64(in);
    h->time = take_time(in);
    h->last_block_id = take_id(in);
    struct dsdn_view *const views[] = {&h->last_commit_hash,     &h->data_hash,      &h->validators_hash,
                                       &h->next_validators_hash, &h->consensus_hash, &h->app_hash,
                                       &h->last_results_hash,    &h->evidence_hash,  &h->proposer_address};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) *views[i] = take_view(in);
    b->commit.height = (int64_t)take64(in);
    b->commit.round = (int32_t)take16(in);
    b->commit.block_id = take_id(in);
    for (uint32_t i = 0; i < cnt; i++) {
        validators[i].power = (int64_t)take64(in);
        votes[i].flag = take8(in) % 5;
        votes[i].time = take_time(in);
        validators[i].address = take_view(in);
        validators[i].key = take_view(in);
        votes[i].address = take_view(in);
        votes[i].signature = take_view(in);
    }
    b->validators = validators;
    b->commit.votes = votes;
    b->validator_cnt = b->commit.vote_cnt = cnt;
    size_t len = in->left < sizeof rows ? in->left : sizeof rows;
    memset(rows, 0, sizeof rows);
    memset(columns, 0, sizeof columns);
    memcpy(rows, in->at, len);
    b->dah = (struct dsdn_dah){rows, columns, ROOTS, ROOTS};
}

static void make_true(struct dsdn_celestia_block *b)
{
    struct dsdn_celestia_header *h = &b->header;
    memset(rows[0].bytes, 7, 58);
    memset(rows[1].bytes, 255, 58);
    dsdn_dah_root(&b->dah, hashes[0]);
    h->data_hash = (struct dsdn_view){hashes[0], 32};
    for (uint32_t i = 0; i < b->validator_cnt; i++) {
        uint8_t hash[32];
        dsdn_sign_key_from_seed(keys + i, (uint8_t[32]){(uint8_t)i});
        dsdn_sha256(keys[i].public_key, 32, hash);
        memcpy(addresses[i], hash, 20);
        validators[i].key = (struct dsdn_view){keys[i].public_key, 32};
        validators[i].address = (struct dsdn_view){addresses[i], 20};
        votes[i].address = votes[i].signature = (struct dsdn_view){NULL, 0};
        if (votes[i].flag == DSDN_CELESTIA_ABSENT) {
            votes[i].time = (struct dsdn_celestia_time){-62135596800, 0};
            continue;
        }
        votes[i].address = validators[i].address;
        votes[i].signature = (struct dsdn_view){signatures[i], 64};
    }
    h->validators_hash = (struct dsdn_view){hashes[1], 32};
    b->commit.block_id.hash = (struct dsdn_view){hashes[2], 32};
    b->commit.height = h->height;
    if (dsdn_celestia_shape(b, NULL)) return;
    dsdn_celestia_validators_hash(validators, b->validator_cnt, hashes[1]);
    dsdn_celestia_header_hash(h, hashes[2]);
    for (uint32_t i = 0; i < b->validator_cnt; i++) {
        uint8_t message[DSDN_CELESTIA_VOTE_LEN_MAX];
        if (votes[i].flag == DSDN_CELESTIA_ABSENT) continue;
        size_t len = dsdn_celestia_vote_bytes(&b->commit, i, h->chain_id, message);
        CHECK(len <= sizeof message);
        crypto_sign_detached(signatures[i], NULL, message, len, keys[i].secret);
    }
}

/* Changes one byte of what a verdict must depend on. */
static void spoil(struct dsdn_celestia_block *b, uint32_t where)
{
    uint32_t i = where / 8 % b->validator_cnt;
    switch (where % 8) {
    case 0: hashes[where / 8 % 3][where / 24 % 32] ^= 1; break;
    case 1: b->header.height ^= 1; break;
    case 2: b->header.time.nanos ^= 1; break;
    case 3: b->commit.round ^= 1; break;
    case 4: validators[i].power ^= 1; break;
    case 5: addresses[i][where / 40 % 20] ^= 1; break;
    case 6: keys[i].public_key[where / 40 % 32] ^= 1; break;
    default: rows[0].bytes[58 + where / 8 % 32] ^= 1; break;
    }
}

static void light(const struct dsdn_celestia_block *b)
{
    static struct dsdn_light_trusted t;
    struct dsdn_light_options options = {DSDN_LIGHT_PERIOD, DSDN_LIGHT_DRIFT, NULL};
    enum dsdn_celestia_check check;
    struct dsdn_error error = DSDN_ERROR_INIT;
    CHECK(dsdn_light_anchor(&options, b, b->commit.block_id.hash.bytes, &t, &check, &error) ==
          DSDN_LIGHT_VERIFIED);
    CHECK(t.height == b->header.height && t.validator_cnt == b->validator_cnt);
    CHECK(dsdn_light_upward(&options, &t, b, b->header.time, &check, &error) == DSDN_LIGHT_FORGED);
    CHECK(dsdn_light_downward(&t, b, &check, &error) == DSDN_LIGHT_FORGED);
    CHECK(check == DSDN_CELESTIA_BAD_HEIGHT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct dsdn_celestia_block b = {.validators = NULL};
    struct dsdn_error error = DSDN_ERROR_INIT;
    enum dsdn_celestia_check check = DSDN_CELESTIA_OK;
    uint8_t choices = take8(&in);
    uint32_t cnt = take8(&in) % (SET + 1), where = take16(&in);
    take_block(&in, &b, cnt);
    if (choices & 1) make_true(&b);
    bool whole = choices & 1 && !dsdn_celestia_shape(&b, NULL);
    uint64_t total = 0, agreed = 0;
    for (uint32_t i = 0; whole && i < cnt; i++) {
        total += (uint64_t)validators[i].power;
        if (votes[i].flag == DSDN_CELESTIA_COMMIT) agreed += (uint64_t)validators[i].power;
    }
    bool spoilt = whole && choices & 2;
    if (spoilt) spoil(&b, where);
    int rc = dsdn_celestia_verify(&b, NULL, &check, &error);
    CHECK((rc == 0) == (check == DSDN_CELESTIA_OK) && error.code == rc);
    if (spoilt)
        CHECK(rc != 0);
    else if (whole)
        CHECK((rc == 0) == (agreed > total / 3 * 2 + total % 3 * 2 / 3));
    if (!rc) light(&b);
    return 0;
}
