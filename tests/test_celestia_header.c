/* Headers, validator sets, commits and their signatures; light verification in all directions. */
#include "tests/celestia_json.h"

#include "adapters/celestia/layout.h"
#include "adapters/celestia/light.h"
#include "adapters/celestia/protobuf.h"
#include "adapters/celestia/square.h"
#include "adapters/celestia/zip215.h"

static struct dsdn_error error;

/* ---- Protocol Buffers ------------------------------------------------------------------------------ */

static void protobuf_forms(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct dsdn_proto p = dsdn_proto_to(bytes, sizeof bytes);
    dsdn_proto_uint(&p, 1, 0);
    dsdn_proto_bytes(&p, 2, "", 0);
    dsdn_proto_fixed(&p, 3, 0);
    assert_int_equal(p.len, 0);
    dsdn_proto_message(&p, 2, "", 0);
    dsdn_proto_uint(&p, 1, 300);
    dsdn_proto_uint(&p, 1, (uint64_t)-1);
    dsdn_proto_fixed(&p, 3, -2);
    dsdn_proto_bytes(&p, 15, "ab", 2);
    static const uint8_t want[] = {0x12, 0,    0x08, 0xac, 2,    0x08, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x19, 0xfe, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0x7a, 2,    'a',  'b'};
    assert_false(p.overflow);
    expect_equal((struct dsdn_view){p.bytes, p.len}, want, sizeof want);

    struct dsdn_view rest = {bytes, p.len};
    struct dsdn_proto_field f;
    static const struct {
        uint32_t number;
        enum dsdn_proto_wire wire;
        uint64_t value;
    } fields[] = {{2, DSDN_PROTO_BYTES, 0},
                  {1, DSDN_PROTO_VARINT, 300},
                  {1, DSDN_PROTO_VARINT, UINT64_MAX},
                  {3, DSDN_PROTO_FIXED64, UINT64_MAX - 1},
                  {15, DSDN_PROTO_BYTES, 0}};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(dsdn_proto_next(&rest, &f), 1);
        assert_int_equal(f.number, fields[i].number);
        assert_int_equal(f.wire, fields[i].wire);
        assert_true(f.value == fields[i].value);
    }
    expect_equal(f.bytes, "ab", 2);
    assert_int_equal(dsdn_proto_next(&rest, &f), 0);
    static const char *const broken[] = {"\x80", "\x0a\x02x", "\x08", "\x09\x01", "\x0b", "\x0c", "\x02\x01"};
    static const size_t broken_len[] = {1, 3, 1, 2, 1, 1, 2};
    for (size_t i = 0; i < 7; i++) {
        rest = (struct dsdn_view){(const uint8_t *)broken[i], broken_len[i]};
        assert_int_equal(dsdn_proto_next(&rest, &f), -1);
    }
    uint64_t value; /* ten bytes are 64 bits; one bit more is not */
    rest = (struct dsdn_view){(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10};
    assert_false(dsdn_proto_take_varint(&rest, &value));
    for (uint64_t v = 1; v; v <<= 1) {
        p = dsdn_proto_to(bytes, sizeof bytes);
        dsdn_proto_varint(&p, v);
        assert_int_equal(p.len, dsdn_proto_varint_len(v));
        rest = (struct dsdn_view){bytes, p.len};
        assert_true(dsdn_proto_take_varint(&rest, &value) && value == v && rest.len == 0);
    }
    p = dsdn_proto_to(bytes, 3);
    dsdn_proto_bytes(&p, 1, "abcdefgh", 8);
    dsdn_proto_uint(&p, 1, 1); /* would fit, but the message is broken already */
    assert_true(p.overflow && p.len <= 3);
}

/* ---- signatures -------------------------------------------------------------------------------------- */

static void zip215_vectors(void **state)
{
    (void)state;
    struct vector_files files = vector_files_list("crypto", "ed25519-", ".json");
    size_t accepted = 0, refused = 0, only_here = 0;
    for (size_t f = 0; f < files.cnt; f++) {
        json_t *json = vector_load(files.paths[f]), *c;
        size_t i;
        json_array_foreach(json_at(json, "cases"), i, c)
        {
            struct dsdn_view key = vector_hex(json_at(c, "pk")), signature = vector_hex(json_at(c, "sig")),
                             message = vector_hex(json_at(c, "msg"));
            if (key.len == 32 && signature.len == 64 && json_at(c, "zip215")) {
                bool want = json_is_true(json_at(c, "zip215")) || json_number(json_at(c, "zip215")) == 1;
                bool got = dsdn_zip215_verify(key.bytes, message.bytes, message.len, signature.bytes);
                assert_int_equal(got, want);
                bool strict =
                    dsdn_verify_message(NULL, key.bytes, message.bytes, message.len, signature.bytes);
                assert_true(got || !strict);
                *(got ? &accepted : &refused) += 1;
                only_here += got && !strict;
            }
            view_free(key);
            view_free(signature);
            view_free(message);
        }
        json_decref(json);
    }
    vector_files_free(&files);
    assert_true(accepted > 0 && refused > 0 && only_here > 0);
}

/* ZIP 215's own examples: every pair of points of small order, in every encoding, signs with S = 0. */
static void zip215_small_order(void **state)
{
    (void)state;
    static const char *const points[14] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};
    for (size_t a = 0; a < 14; a++)
        for (size_t r = 0; r < 14; r++) {
            uint8_t key[32], signature[64] = {0};
            assert_true(dsdn_hex_decode(points[a], 32, key) && dsdn_hex_decode(points[r], 32, signature));
            assert_true(dsdn_zip215_verify(key, "Zcash", 5, signature));
            signature[32] = 1; /* S = 1 */
            assert_false(dsdn_zip215_verify(key, "Zcash", 5, signature));
        }
}

/* ---- real headers -------------------------------------------------------------------------------------- */

/* Every header of the chain files, in order of files and heights. */
struct headers {
    struct celestia_block **blocks;
    size_t cnt;
};

static void headers_add(struct headers *h, const json_t *json)
{
    h->blocks = realloc(h->blocks, (h->cnt + 1) * sizeof *h->blocks);
    assert_non_null(h->blocks);
    h->blocks[h->cnt++] = celestia_block_read(json);
}

static struct headers headers_read(const char *pattern)
{
    struct headers h = {NULL, 0};
    glob_t files = vector_glob(pattern);
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *json = vector_load(files.gl_pathv[f]), *one;
        size_t i;
        if (json_is_array(json))
            json_array_foreach(json, i, one) headers_add(&h, one);
        else
            headers_add(&h, json);
        json_decref(json);
    }
    globfree(&files);
    return h;
}

static void headers_free(struct headers *h)
{
    for (size_t i = 0; i < h->cnt; i++) celestia_block_free(h->blocks[i]);
    free(h->blocks);
}

static void real_headers(void **state)
{
    (void)state;
    struct headers h = headers_read("headers/chain*/*.json");
    for (size_t i = 0; i < h.cnt; i++) {
        enum dsdn_celestia_check check = DSDN_CELESTIA_BAD_SHAPE;
        assert_int_equal(dsdn_celestia_verify(&h.blocks[i]->block, NULL, &check, &error), 0);
        assert_int_equal(check, DSDN_CELESTIA_OK);
    }
    headers_free(&h);
}

/* Which of the four hold, each judged alone; a block of impossible shape holds none. */
struct four {
    bool dah, hash, validators, commit;
};

static struct four judge(const struct dsdn_celestia_block *b)
{
    struct four four = {false, false, false, false};
    uint8_t hash[32];
    if (dsdn_celestia_shape(b, &error)) return four;
    if (!dsdn_dah_check(&b->dah, &error)) {
        dsdn_dah_root(&b->dah, hash);
        four.dah = memcmp(hash, b->header.data_hash.bytes, 32) == 0;
    }
    dsdn_celestia_header_hash(&b->header, hash);
    four.hash = memcmp(hash, b->commit.block_id.hash.bytes, 32) == 0;
    dsdn_celestia_validators_hash(b->validators, b->validator_cnt, hash);
    four.validators = memcmp(hash, b->header.validators_hash.bytes, 32) == 0;
    four.commit = dsdn_celestia_verify_commit(b, NULL, NULL, &error) == 0;
    return four;
}

static void negative_headers(void **state)
{
    (void)state;
    glob_t files = vector_glob("headers/negative*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *json = vector_load(files.gl_pathv[f]), *c;
        size_t i;
        json_array_foreach(json_at(json, "cases"), i, c)
        {
            const json_t *expect = json_at(c, "expect");
            struct celestia_block *b = celestia_block_read(json_at(c, "header"));
            struct four got = judge(&b->block),
                        want = {json_is_true(json_at(expect, "dah")), json_is_true(json_at(expect, "hdr")),
                                json_is_true(json_at(expect, "vals")), json_is_true(json_at(expect, "sig"))};
            print_message("  %s\n", json_string_value(json_at(c, "name")));
            assert_int_equal(got.dah, want.dah);
            assert_int_equal(got.hash, want.hash);
            assert_int_equal(got.validators, want.validators);
            assert_int_equal(got.commit, want.commit);
            bool all = want.dah && want.hash && want.validators && want.commit;
            assert_int_equal(dsdn_celestia_verify(&b->block, NULL, NULL, &error) == 0, all);
            celestia_block_free(b);
        }
        json_decref(json);
    }
    globfree(&files);
}

/* The node's documentation example: an edited header with a true validator set; its roots are of the time
 * when namespaces had 8 bytes. */
static void example_headers(void **state)
{
    (void)state;
    struct headers h = headers_read("node_examples/extendedHeader*.json");
    for (size_t i = 0; i < h.cnt; i++) {
        struct four got = judge(&h.blocks[i]->block);
        assert_true(got.validators && !got.dah && !got.hash && !got.commit);
    }
    headers_free(&h);
}

/* Everything in a block that can be changed, as places in memory. */
struct places {
    struct {
        uint8_t *bytes;
        size_t len;
    } at[128];
    size_t cnt;
};

static void place(struct places *p, const void *bytes, size_t len)
{
    assert_true(p->cnt < 128);
    p->at[p->cnt].bytes = (uint8_t *)(uintptr_t)bytes;
    p->at[p->cnt++].len = len;
}

static void place_id(struct places *p, const struct dsdn_celestia_block_id *id)
{
    place(p, id->hash.bytes, id->hash.len);
    place(p, id->parts_hash.bytes, id->parts_hash.len);
    place(p, &id->parts_total, sizeof id->parts_total);
}

static void place_time(struct places *p, const struct dsdn_celestia_time *t)
{
    place(p, &t->seconds, sizeof t->seconds);
    place(p, &t->nanos, sizeof t->nanos);
}

static struct places places_of(struct celestia_block *b)
{
    struct places p = {.cnt = 0};
    struct dsdn_celestia_header *h = &b->block.header;
    struct dsdn_celestia_commit *c = &b->block.commit;
    struct dsdn_view *view;
    place(&p, &h->version_block, sizeof h->version_block);
    place(&p, &h->version_app, sizeof h->version_app);
    place(&p, h->chain_id.bytes, h->chain_id.len);
    place(&p, &h->height, sizeof h->height);
    place_time(&p, &h->time);
    place_id(&p, &h->last_block_id);
    for (size_t i = 0; (view = header_view(h, i, NULL)); i++) place(&p, view->bytes, view->len);
    place(&p, &c->height, sizeof c->height);
    place(&p, &c->round, sizeof c->round);
    place_id(&p, &c->block_id);
    for (uint32_t i = 0; i < b->block.validator_cnt && i < 8; i++) {
        place(&p, b->validators[i].address.bytes, b->validators[i].address.len);
        place(&p, b->validators[i].key.bytes, b->validators[i].key.len);
        place(&p, &b->validators[i].power, sizeof b->validators[i].power);
        place(&p, &b->votes[i].flag, sizeof b->votes[i].flag);
        place(&p, b->votes[i].address.bytes, b->votes[i].address.len);
        place_time(&p, &b->votes[i].time);
        place(&p, b->votes[i].signature.bytes, b->votes[i].signature.len);
    }
    place(&p, b->row_roots.bytes, b->row_roots.len);
    place(&p, b->column_roots.bytes, b->column_roots.len);
    return p;
}

static void every_byte_counts(void **state)
{
    (void)state;
    struct headers h = headers_read("headers/chain*/*.json");
    size_t chosen[3] = {0, h.cnt / 2, h.cnt - 1};
    for (size_t c = 0; c < 3; c++) {
        struct celestia_block *b = h.blocks[chosen[c]];
        struct places p = places_of(b);
        struct dsdn_key_cache *cache = dsdn_key_cache_new(64);
        for (size_t i = 0; i < p.cnt; i++)
            for (size_t at = 0; at < p.at[i].len; at++) {
                enum dsdn_celestia_check check = DSDN_CELESTIA_OK;
                uint8_t flip = (uint8_t)(1u << (at + c) % 8);
                p.at[i].bytes[at] ^= flip;
                if (!dsdn_celestia_verify(&b->block, cache, &check, &error))
                    fail_msg("header %zu: byte %zu of place %zu does not count", chosen[c], at, i);
                assert_int_not_equal(check, DSDN_CELESTIA_OK);
                p.at[i].bytes[at] ^= flip;
            }
        for (uint32_t *cnt, n = 0; n < 4; n++) { /* one more or less of what there are several of */
            cnt = n == 0   ? &b->block.validator_cnt
                  : n == 1 ? &b->block.commit.vote_cnt
                  : n == 2 ? &b->block.dah.row_cnt
                           : &b->block.dah.column_cnt;
            --*cnt;
            assert_int_not_equal(dsdn_celestia_verify(&b->block, cache, NULL, &error), 0);
            ++*cnt;
        }
        assert_int_equal(dsdn_celestia_verify(&b->block, cache, NULL, &error), 0);
        dsdn_key_cache_free(cache);
    }
    headers_free(&h);
}

/* ---- made headers ------------------------------------------------------------------------------------ */

enum { SET_MAX = 8, UNIVERSE = 160 };
#define EPOCH 1700000000

/* A header of a chain of our own, with the memory that its views need. */
struct made {
    struct dsdn_celestia_block block;
    uint8_t hashes[10][32];
    uint8_t addresses[SET_MAX][20], signatures[SET_MAX][64];
    uint32_t who[SET_MAX];
    struct dsdn_celestia_validator validators[SET_MAX];
    struct dsdn_celestia_vote votes[SET_MAX];
};

static struct dsdn_sign_key keys[UNIVERSE];
static struct dsdn_square empty_square;

static int prepare(void **state)
{
    (void)state;
    struct dsdn_layout layout;
    for (uint32_t i = 0; i < UNIVERSE; i++) dsdn_sign_key_from_seed(keys + i, (uint8_t[32]){(uint8_t)i, 1});
    if (dsdn_sign_self_test(&error) || dsdn_layout_build(NULL, 0, 1, &layout, &error)) return -1;
    int rc = dsdn_square_extend(layout.shares, 1, &empty_square, &error);
    dsdn_layout_free(&layout);
    return rc;
}

static int release(void **state)
{
    (void)state;
    dsdn_square_free(&empty_square);
    return 0;
}

static void sign_vote(struct made *m, uint32_t i)
{
    uint8_t message[DSDN_CELESTIA_VOTE_LEN_MAX];
    size_t len = dsdn_celestia_vote_bytes(&m->block.commit, i, m->block.header.chain_id, message);
    crypto_sign_detached(m->signatures[i], NULL, message, len, keys[m->who[i]].secret);
}

static void vote(struct made *m, uint32_t i, enum dsdn_celestia_flag flag)
{
    m->votes[i] = (struct dsdn_celestia_vote){.flag = flag, .time = {-62135596800, 0}};
    if (flag == DSDN_CELESTIA_ABSENT) return;
    m->votes[i].address = m->validators[i].address;
    m->votes[i].time = (struct dsdn_celestia_time){m->block.header.time.seconds + 1, (int32_t)i};
    m->votes[i].signature = (struct dsdn_view){m->signatures[i], 64};
    sign_vote(m, i);
}

/* Hashes and signs again what a test has changed. */
static void seal(struct made *m)
{
    dsdn_celestia_header_hash(&m->block.header, m->hashes[0]);
    for (uint32_t i = 0; i < m->block.validator_cnt; i++) vote(m, i, DSDN_CELESTIA_COMMIT);
}

static void set_of(uint32_t first, uint32_t cnt, int64_t power, uint8_t (*addresses)[20], uint32_t *who,
                   struct dsdn_celestia_validator *validators)
{
    for (uint32_t i = 0; i < cnt; i++) {
        const struct dsdn_sign_key *key = keys + (first + i) % UNIVERSE;
        uint8_t hash[32];
        crypto_hash_sha256(hash, key->public_key, 32);
        memcpy(addresses[i], hash, 20);
        who[i] = (first + i) % UNIVERSE;
        validators[i] = (struct dsdn_celestia_validator){{addresses[i], 20}, {key->public_key, 32}, power};
    }
}

/* Height h: cnt validators from `first` on, the next set beginning with `next`; `last`: the header before. */
static void make(struct made *m, int64_t height, uint32_t first, uint32_t next, uint32_t cnt,
                 const struct made *last)
{
    uint8_t addresses[SET_MAX][20];
    uint32_t who[SET_MAX];
    struct dsdn_celestia_validator validators[SET_MAX];
    memset(m, 0, sizeof *m);
    for (uint32_t i = 1; i < 10; i++) memset(m->hashes[i], (int)i, 32);
    set_of(first, cnt, 10, m->addresses, m->who, m->validators);
    set_of(next, cnt, 10, addresses, who, validators);
    dsdn_celestia_validators_hash(m->validators, cnt, m->hashes[1]);
    dsdn_celestia_validators_hash(validators, cnt, m->hashes[2]);
    if (last) memcpy(m->hashes[3], last->hashes[0], 32);
#define HASH(i)                                                                                              \
    (struct dsdn_view)                                                                                       \
    {                                                                                                        \
        m->hashes[i], 32                                                                                     \
    }
    struct dsdn_celestia_header *h = &m->block.header;
    *h = (struct dsdn_celestia_header){.version_block = 11,
                                       .version_app = 9,
                                       .chain_id = {(const uint8_t *)"made-1", 6},
                                       .height = height,
                                       .time = {EPOCH + 10 * height, 5},
                                       .last_commit_hash = HASH(5),
                                       .data_hash = {empty_square.data_root, 32},
                                       .validators_hash = HASH(1),
                                       .next_validators_hash = HASH(2),
                                       .consensus_hash = HASH(6),
                                       .app_hash = HASH(7),
                                       .last_results_hash = HASH(8),
                                       .evidence_hash = HASH(9),
                                       .proposer_address = m->validators[0].address};
    if (last) h->last_block_id = (struct dsdn_celestia_block_id){HASH(3), 1, HASH(4)};
    m->block.commit = (struct dsdn_celestia_commit){height, 0, {HASH(0), 1, HASH(4)}, m->votes, cnt};
#undef HASH
    m->block.validators = m->validators;
    m->block.validator_cnt = cnt;
    m->block.dah = dsdn_square_dah(&empty_square);
    seal(m);
}

static enum dsdn_celestia_check verdict(const struct made *m)
{
    enum dsdn_celestia_check check = DSDN_CELESTIA_OK;
    error = (struct dsdn_error)DSDN_ERROR_INIT;
    int rc = dsdn_celestia_verify(&m->block, NULL, &check, &error);
    assert_int_equal(rc == 0, check == DSDN_CELESTIA_OK);
    assert_int_equal(error.code, rc);
    return check;
}

static void commit_power(void **state)
{
    (void)state;
    static struct made m;
    make(&m, 7, 0, 0, 3, NULL);
    assert_int_equal(verdict(&m), DSDN_CELESTIA_OK);
    vote(&m, 1, DSDN_CELESTIA_ABSENT); /* two thirds are not more than two thirds */
    assert_int_equal(verdict(&m), DSDN_CELESTIA_BAD_POWER);
    vote(&m, 1, DSDN_CELESTIA_NIL);
    assert_int_equal(verdict(&m), DSDN_CELESTIA_BAD_POWER);
    m.validators[1].power = 9;
    dsdn_celestia_validators_hash(m.validators, 3, m.hashes[1]);
    seal(&m);
    vote(&m, 1, DSDN_CELESTIA_NIL);
    assert_int_equal(verdict(&m), DSDN_CELESTIA_OK);
    m.signatures[1][3] ^= 1; /* a vote for nil is checked, though it does not count */
    assert_int_equal(verdict(&m), DSDN_CELESTIA_BAD_SIGNATURE);
    vote(&m, 1, DSDN_CELESTIA_COMMIT); /* what was signed for the block is no vote for nil, and the reverse */
    m.votes[1].flag = DSDN_CELESTIA_NIL;
    assert_int_equal(verdict(&m), DSDN_CELESTIA_BAD_SIGNATURE);
    vote(&m, 1, DSDN_CELESTIA_NIL);
    m.votes[1].flag = DSDN_CELESTIA_COMMIT;
    assert_int_equal(verdict(&m), DSDN_CELESTIA_BAD_SIGNATURE);
    vote(&m, 1, DSDN_CELESTIA_COMMIT);
    m.votes[1].address = m.validators[2].address;
    assert_int_equal(verdict(&m), DSDN_CELESTIA_BAD_VOTE);
    seal(&m);
    m.block.commit.round = 3; /* a commit of a later round is one as well */
    seal(&m);
    assert_int_equal(verdict(&m), DSDN_CELESTIA_OK);
    m.block.commit.height = 8;
    seal(&m);
    assert_int_equal(verdict(&m), DSDN_CELESTIA_BAD_HASH);
}

/* A validator can make a signature that Celestia accepts and DSDN's own rule does not: R with a part of small
 * order. The header is Celestia's all the same. */
static void odd_signature(void **state)
{
    (void)state;
    static struct made m;
    static const uint8_t order_two[32] = {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
    uint8_t message[DSDN_CELESTIA_VOTE_LEN_MAX + 64], r[32] = {42}, point[32], digest[64], k[32], a[64],
                                                      s[32];
    make(&m, 7, 0, 0, 4, NULL);
    size_t len = dsdn_celestia_vote_bytes(&m.block.commit, 2, m.block.header.chain_id, message + 64);
    assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(point, r), 0);
    assert_int_equal(crypto_core_ed25519_add(m.signatures[2], point, order_two), 0);
    memcpy(message, m.signatures[2], 32);
    memcpy(message + 32, keys[2].public_key, 32);
    crypto_hash_sha512(digest, message, len + 64);
    crypto_core_ed25519_scalar_reduce(k, digest);
    crypto_hash_sha512(a, keys[2].secret, 32);
    a[0] &= 248;
    a[31] = (uint8_t)((a[31] & 127) | 64);
    memset(a + 32, 0, 32);
    crypto_core_ed25519_scalar_reduce(s, a);
    crypto_core_ed25519_scalar_mul(s, k, s);
    crypto_core_ed25519_scalar_add(m.signatures[2] + 32, r, s);
    assert_false(dsdn_verify_message(NULL, keys[2].public_key, message + 64, len, m.signatures[2]));
    assert_int_equal(verdict(&m), DSDN_CELESTIA_OK);
    m.signatures[2][32] ^= 1;
    assert_int_equal(verdict(&m), DSDN_CELESTIA_BAD_SIGNATURE);
}

/* Lengths and values that no header has: each alone makes the shape bad. */
static void impossible_shapes(void **state)
{
    (void)state;
    static struct made m, whole;
    static uint8_t long_text[128];
    make(&whole, 7, 0, 0, 3, NULL);
    struct dsdn_celestia_header *h = &m.block.header;
    struct dsdn_celestia_commit *c = &m.block.commit;
    for (uint32_t n = 0;; n++) {
        make(&m, 7, 0, 0, 3, &whole);
        switch (n) {
        case 0: h->chain_id.len = 0; break;
        case 1: h->chain_id = (struct dsdn_view){long_text, DSDN_CELESTIA_CHAIN_ID_MAX + 1}; break;
        case 2: h->height = 0; break;
        case 3: h->height = -1; break;
        case 4: h->time.nanos = 1000000000; break;
        case 5: h->time.nanos = -1; break;
        case 6: h->time.seconds = INT64_MAX; break;
        case 7: h->time.seconds = -62135596801; break;
        case 8: h->last_block_id.parts_total = 0; break;
        case 9: h->last_block_id.hash.len = 0; break;
        case 10: h->last_commit_hash.len = 31; break;
        case 11: h->data_hash.len = 0; break;
        case 12: h->validators_hash.len = 33; break;
        case 13: h->next_validators_hash.len = 0; break;
        case 14: h->consensus_hash.len = 1; break;
        case 15: h->app_hash = (struct dsdn_view){long_text, DSDN_CELESTIA_APP_HASH_MAX + 1}; break;
        case 16: h->last_results_hash.len = 64; break;
        case 17: h->evidence_hash.len = 20; break;
        case 18: h->proposer_address.len = 19; break;
        case 19: m.block.validator_cnt = c->vote_cnt = 0; break;
        case 20: m.block.validator_cnt = c->vote_cnt = DSDN_CELESTIA_VALIDATORS_MAX + 1; break;
        case 21: m.block.validator_cnt = 2; break;
        case 22: m.validators[1].address.len = 21; break;
        case 23: m.validators[1].key.len = 33; break;
        case 24: m.validators[1].power = 0; break;
        case 25: m.validators[1].power = -5; break;
        case 26: m.validators[1].power = INT64_MAX; break;
        case 27: m.validators[0].power = m.validators[1].power = INT64_MAX / 16 + 1; break;
        case 28: c->height = 0; break;
        case 29: c->round = -1; break;
        case 30: c->block_id.hash.len = 0; break;
        case 31: c->block_id.parts_hash.len = 31; break;
        case 32: m.votes[2].flag = 0; break;
        case 33: m.votes[2].flag = 4; break;
        case 34: m.votes[2].signature.len = 63; break;
        case 35: m.votes[2].address.len = 0; break;
        case 36: m.votes[2].time.nanos = -1; break;
        case 37: m.votes[2].flag = DSDN_CELESTIA_ABSENT; break; /* with a signature */
        case 38:
            vote(&m, 2, DSDN_CELESTIA_ABSENT);
            m.votes[2].address = m.validators[2].address;
            break;
        case 39:
            vote(&m, 2, DSDN_CELESTIA_ABSENT);
            m.votes[2].signature = (struct dsdn_view){m.signatures[2], 64};
            break;
        case 40:
            vote(&m, 2, DSDN_CELESTIA_ABSENT);
            m.votes[2].time.seconds = 0;
            break;
        default: return;
        }
        assert_int_equal(verdict(&m), DSDN_CELESTIA_BAD_SHAPE);
    }
}

static void largest_set(void **state)
{
    (void)state;
    static struct dsdn_celestia_validator validators[DSDN_CELESTIA_VALIDATORS_MAX];
    uint8_t some[32], all[32];
    for (uint32_t i = 0; i < DSDN_CELESTIA_VALIDATORS_MAX; i++)
        validators[i] = (struct dsdn_celestia_validator){.key = {keys[i % UNIVERSE].public_key, 32},
                                                         .power = INT64_MAX / 8 / 512};
    dsdn_celestia_validators_hash(validators, DSDN_CELESTIA_VALIDATORS_MAX, all);
    validators[511].power--;
    dsdn_celestia_validators_hash(validators, DSDN_CELESTIA_VALIDATORS_MAX, some);
    assert_memory_not_equal(all, some, 32);
}

/* ---- light verification ----------------------------------------------------------------------------------
 */

static const struct dsdn_light_options options = {DSDN_LIGHT_PERIOD, DSDN_LIGHT_DRIFT, NULL};
static const struct dsdn_celestia_time soon = {EPOCH + 100000, 0};
static enum dsdn_celestia_check failed;
static struct dsdn_light light;

static void trust(const struct made *m)
{
    static struct dsdn_light_trusted t;
    assert_int_equal(dsdn_light_anchor(&options, &m->block, m->hashes[0], &t, &failed, &error),
                     DSDN_LIGHT_VERIFIED);
    light.trusted = t;
}

/* Judges m above what is trusted; nothing is taken over unless it is verified. */
static enum dsdn_light_verdict upward(const struct made *m, struct dsdn_celestia_time now)
{
    struct dsdn_light_trusted t = light.trusted;
    failed = DSDN_CELESTIA_OK;
    error = (struct dsdn_error)DSDN_ERROR_INIT;
    enum dsdn_light_verdict v = dsdn_light_upward(&options, &t, &m->block, now, &failed, &error);
    assert_int_equal(v == DSDN_LIGHT_FORGED, failed != DSDN_CELESTIA_OK);
    assert_int_equal(v == DSDN_LIGHT_VERIFIED, error.code == 0);
    if (v == DSDN_LIGHT_VERIFIED) {
        assert_int_equal(t.height, m->block.header.height);
        assert_memory_equal(t.hash, m->hashes[0], 32);
    } else
        assert_memory_equal(&t, &light.trusted, sizeof t);
    return v;
}

static void expect_forged(const struct made *m, enum dsdn_celestia_check check)
{
    assert_int_equal(upward(m, soon), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, check);
}

static void light_adjacent(void **state)
{
    (void)state;
    static struct made first, m;
    make(&first, 10, 0, 4, 4, NULL);
    trust(&first);
    make(&m, 11, 4, 4, 4, &first); /* another set, as announced */
    assert_int_equal(upward(&m, soon), DSDN_LIGHT_VERIFIED);
    make(&m, 11, 5, 4, 4, &first); /* not as announced */
    expect_forged(&m, DSDN_CELESTIA_BAD_NEXT_VALIDATORS);
    make(&m, 11, 0, 4, 4, &first); /* the old set, which all signed */
    expect_forged(&m, DSDN_CELESTIA_BAD_NEXT_VALIDATORS);
    make(&m, 11, 4, 4, 4, &first);
    m.hashes[3][0] ^= 1; /* on another header */
    seal(&m);
    expect_forged(&m, DSDN_CELESTIA_BAD_LAST_BLOCK);
    make(&m, 11, 4, 4, 4, NULL);
    expect_forged(&m, DSDN_CELESTIA_BAD_LAST_BLOCK);
    make(&m, 11, 4, 4, 4, &first);
    m.block.header.chain_id = (struct dsdn_view){(const uint8_t *)"made-2", 6};
    seal(&m);
    expect_forged(&m, DSDN_CELESTIA_BAD_CHAIN_ID);
    make(&m, 11, 4, 4, 4, &first);
    m.block.header.time = first.block.header.time;
    seal(&m);
    expect_forged(&m, DSDN_CELESTIA_BAD_TIME);
    m.block.header.time.nanos++;
    seal(&m);
    assert_int_equal(upward(&m, soon), DSDN_LIGHT_VERIFIED);
    make(&m, 10, 4, 4, 4, &first);
    expect_forged(&m, DSDN_CELESTIA_BAD_HEIGHT);
    make(&m, 11, 4, 4, 4, &first);
    vote(&m, 0, DSDN_CELESTIA_ABSENT);
    assert_int_equal(upward(&m, soon), DSDN_LIGHT_VERIFIED);
    vote(&m, 1, DSDN_CELESTIA_ABSENT);
    expect_forged(&m, DSDN_CELESTIA_BAD_POWER);
    make(&m, 11, 4, 4, 4, &first);
    m.signatures[3][0] ^= 1;
    expect_forged(&m, DSDN_CELESTIA_BAD_SIGNATURE);
    make(&m, 11, 4, 4, 4, &first);
    m.block.header.app_hash.len = 31;
    expect_forged(&m, DSDN_CELESTIA_BAD_HASH);
    make(&m, 11, 4, 4, 4, &first);
    m.validators[3].power++;
    expect_forged(&m, DSDN_CELESTIA_BAD_VALIDATORS);
    make(&m, 11, 4, 4, 4, &first);
    m.hashes[8][0] ^= 1;
    m.block.header.data_hash = (struct dsdn_view){m.hashes[8], 32};
    seal(&m);
    expect_forged(&m, DSDN_CELESTIA_BAD_DAH);
    m.block.header.data_hash.len = 3;
    expect_forged(&m, DSDN_CELESTIA_BAD_SHAPE);

    /* an address that is not that of the key: validators_hash does not cover it */
    make(&m, 11, 4, 4, 4, &first);
    m.addresses[1][0] ^= 1;
    expect_forged(&m, DSDN_CELESTIA_BAD_VALIDATORS);
}

static void light_times(void **state)
{
    (void)state;
    static struct made first, m;
    make(&first, 10, 0, 0, 4, NULL);
    trust(&first);
    make(&m, 11, 0, 0, 4, &first);
    struct dsdn_celestia_time t = first.block.header.time, now = {t.seconds + DSDN_LIGHT_PERIOD, t.nanos};
    assert_int_equal(upward(&m, now), DSDN_LIGHT_EXPIRED);
    assert_int_equal(error.code, DSDN_E_UNVERIFIED);
    now.nanos--;
    assert_int_equal(upward(&m, now), DSDN_LIGHT_VERIFIED);
    now = (struct dsdn_celestia_time){INT64_MAX, 0};
    assert_int_equal(upward(&m, now), DSDN_LIGHT_EXPIRED);

    now = m.block.header.time; /* just as far ahead of now as it may be, and one step farther */
    now.seconds -= DSDN_LIGHT_DRIFT;
    now.nanos++;
    assert_int_equal(upward(&m, now), DSDN_LIGHT_VERIFIED);
    now.nanos--;
    assert_int_equal(upward(&m, now), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_FUTURE);
    now = (struct dsdn_celestia_time){INT64_MIN, 0};
    assert_int_equal(upward(&m, now), DSDN_LIGHT_FORGED);
}

static void light_skipping(void **state)
{
    (void)state;
    static struct made first, m;
    make(&first, 10, 0, 4, 6, NULL);
    trust(&first);
    make(&m, 20, 3, 3, 6, &first); /* three of the six: half */
    assert_int_equal(upward(&m, soon), DSDN_LIGHT_VERIFIED);
    make(&m, 20, 4, 4, 6, &first); /* two: a third is not more than a third */
    assert_int_equal(upward(&m, soon), DSDN_LIGHT_BISECT);
    assert_int_equal(error.code, DSDN_E_AGAIN);
    make(&m, 20, 3, 3, 6, &first); /* three, but one of them voted for nothing */
    vote(&m, 1, DSDN_CELESTIA_ABSENT);
    assert_int_equal(upward(&m, soon), DSDN_LIGHT_BISECT);
    make(&m, 20, 3, 3, 6, &first);
    vote(&m, 1, DSDN_CELESTIA_NIL);
    assert_int_equal(upward(&m, soon), DSDN_LIGHT_BISECT);
    make(&m, 20, 0, 0, 6, &first); /* all of the old, but not two thirds of its own */
    vote(&m, 1, DSDN_CELESTIA_ABSENT);
    vote(&m, 2, DSDN_CELESTIA_ABSENT);
    expect_forged(&m, DSDN_CELESTIA_BAD_POWER);

    /* the power that counts is that which the trusted header gave them */
    make(&m, 20, 4, 4, 6, &first);
    m.validators[0].power = 1000;
    dsdn_celestia_validators_hash(m.validators, 6, m.hashes[1]);
    seal(&m);
    assert_int_equal(upward(&m, soon), DSDN_LIGHT_BISECT);

    /* one old validator in several places of the new set counts once, and is a lie */
    make(&m, 20, 6, 6, 6, &first);
    for (uint32_t i = 0; i < 6; i++) set_of(5, 1, 10, m.addresses + i, m.who + i, m.validators + i);
    dsdn_celestia_validators_hash(m.validators, 6, m.hashes[1]);
    seal(&m);
    expect_forged(&m, DSDN_CELESTIA_BAD_OVERLAP);
}

static enum dsdn_light_verdict downward(const struct made *m)
{
    struct dsdn_light_trusted t = light.trusted;
    failed = DSDN_CELESTIA_OK;
    enum dsdn_light_verdict v = dsdn_light_downward(&t, &m->block, &failed, &error);
    if (v != DSDN_LIGHT_VERIFIED) assert_memory_equal(&t, &light.trusted, sizeof t);
    return v;
}

static void light_downward(void **state)
{
    (void)state;
    static struct made below, top, m;
    make(&below, 9, 0, 0, 4, NULL);
    make(&top, 10, 0, 0, 4, &below);
    trust(&top);
    assert_int_equal(downward(&below), DSDN_LIGHT_VERIFIED);
    m = below; /* views still into `below`: only what is a value is another */
    m.block.header.version_app++;
    assert_int_equal(downward(&m), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_LAST_BLOCK);
    m = below;
    m.block.header.height = 8;
    assert_int_equal(downward(&m), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_HEIGHT);
    m = below;
    m.block.dah.row_roots = m.block.dah.column_roots - 1;
    assert_int_equal(downward(&m), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_DAH);
    m = below;
    m.block.header.evidence_hash.len = 5;
    assert_int_equal(downward(&m), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_SHAPE);

    /* links that a broken chain would have made */
    make(&below, 9, 0, 0, 4, NULL);
    below.block.header.time.seconds += 10;
    seal(&below);
    make(&top, 10, 0, 0, 4, &below);
    trust(&top);
    assert_int_equal(downward(&below), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_TIME);
    below.block.header.time.seconds -= 10;
    below.block.header.chain_id.len--;
    seal(&below);
    make(&top, 10, 0, 0, 4, &below);
    trust(&top);
    assert_int_equal(downward(&below), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_CHAIN_ID);
    make(&top, 10, 0, 0, 4, NULL); /* a first block has nothing below it */
    trust(&top);
    assert_int_equal(downward(&below), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_LAST_BLOCK);
}

/* A chain whose set of four loses one validator a height: three heights on, too few are left. */
enum { CHAIN = 120 };
static struct made chain[CHAIN + 1], forged_top;

static void chain_make(void)
{
    for (uint32_t h = 1; h <= CHAIN; h++) make(chain + h, h, h, h + 1, 4, h > 1 ? chain + h - 1 : NULL);
}

/* Follows the driver to its end; returns the last verdict and counts what was asked for. */
static enum dsdn_light_verdict drive(uint32_t *asked, const struct made *instead)
{
    enum dsdn_light_verdict v = DSDN_LIGHT_VERIFIED;
    int64_t wanted;
    *asked = 0;
    while ((wanted = dsdn_light_wanted(&light))) {
        assert_true(wanted >= 1 && wanted <= CHAIN && ++*asked < 1000);
        const struct made *m = instead && wanted == instead->block.header.height ? instead : chain + wanted;
        v = dsdn_light_give(&light, &m->block, soon, &failed, &error);
        if (v != DSDN_LIGHT_VERIFIED && v != DSDN_LIGHT_BISECT) break;
    }
    return v;
}

static void light_driver(void **state)
{
    (void)state;
    uint32_t asked;
    chain_make();
    dsdn_light_start(&light, &options, 1, chain[1].hashes[0]);
    assert_int_equal(dsdn_light_wanted(&light), 1);
    assert_int_equal(dsdn_light_give(&light, &chain[2].block, soon, &failed, &error), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_HEIGHT);
    assert_int_equal(drive(&asked, NULL), DSDN_LIGHT_VERIFIED);
    assert_int_equal(asked, 1);

    dsdn_light_aim(&light, CHAIN); /* far: by many nearer ones, every second height at most */
    assert_int_equal(drive(&asked, NULL), DSDN_LIGHT_VERIFIED);
    assert_int_equal(light.trusted.height, CHAIN);
    assert_memory_equal(light.trusted.hash, chain[CHAIN].hashes[0], 32);
    assert_true(asked > CHAIN / 2 && asked < 2 * CHAIN);

    dsdn_light_aim(&light, 40); /* down, one by one */
    assert_int_equal(drive(&asked, NULL), DSDN_LIGHT_VERIFIED);
    assert_int_equal(asked, CHAIN - 40);
    assert_memory_equal(light.trusted.hash, chain[40].hashes[0], 32);
    dsdn_light_aim(&light, 42); /* up again: the set is unknown, so one by one */
    assert_int_equal(drive(&asked, NULL), DSDN_LIGHT_VERIFIED);
    assert_int_equal(light.trusted.height, 42);

    /* an anchor of another hash */
    dsdn_light_start(&light, &options, 5, chain[6].hashes[0]);
    assert_int_equal(drive(&asked, NULL), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_ANCHOR);
    assert_int_equal(light.trusted.height, 0);
}

/* A header of an attacker's own validators looks fine in itself; only its neighbours give it away. */
static void light_forged_target(void **state)
{
    (void)state;
    uint32_t asked;
    chain_make();
    make(&forged_top, 90, 140, 141, 4, chain + 89);
    assert_int_equal(verdict(&forged_top), DSDN_CELESTIA_OK);
    dsdn_light_start(&light, &options, 1, chain[1].hashes[0]);
    assert_int_equal(drive(&asked, NULL), DSDN_LIGHT_VERIFIED);
    dsdn_light_aim(&light, 90);
    assert_int_equal(drive(&asked, &forged_top), DSDN_LIGHT_FORGED);
    assert_int_equal(failed, DSDN_CELESTIA_BAD_NEXT_VALIDATORS);
    assert_int_equal(light.trusted.height, 89);
    assert_int_equal(drive(&asked, NULL), DSDN_LIGHT_VERIFIED); /* another source is asked */
    assert_int_equal(light.trusted.height, 90);
}

/* Farther than any chain: the driver's list of heights is long enough. */
static void light_deepest(void **state)
{
    (void)state;
    static struct made stranger;
    chain_make();
    dsdn_light_start(&light, &options, 1, chain[1].hashes[0]);
    assert_int_equal(dsdn_light_give(&light, &chain[1].block, soon, &failed, &error), DSDN_LIGHT_VERIFIED);
    dsdn_light_aim(&light, INT64_MAX);
    for (;;) {
        int64_t wanted = dsdn_light_wanted(&light);
        make(&stranger, 3, 100, 100, 4, NULL);
        stranger.block.header.height = stranger.block.commit.height = wanted;
        seal(&stranger);
        enum dsdn_light_verdict v = dsdn_light_give(&light, &stranger.block, soon, &failed, &error);
        assert_true(light.pending_cnt <= DSDN_LIGHT_PENDING_MAX);
        if (v == DSDN_LIGHT_BISECT) continue;
        assert_int_equal(v, DSDN_LIGHT_FORGED);
        assert_int_equal(wanted, 2);
        break;
    }
}

/* How many headers at the front of a file are of one height after the other. */
static size_t run_len(const struct headers *h)
{
    size_t cnt = 1;
    while (cnt < h->cnt && h->blocks[cnt]->block.header.height == h->blocks[cnt - 1]->block.header.height + 1)
        cnt++;
    return cnt;
}

/* Gives the driver what it wants from a run of headers; returns how many that were. */
static size_t follow(const struct headers *h, struct dsdn_celestia_time now)
{
    size_t given = 0;
    for (int64_t wanted; (wanted = dsdn_light_wanted(&light)); given++) {
        const struct dsdn_celestia_block *b = &h->blocks[wanted - h->blocks[0]->block.header.height]->block;
        assert_int_equal(dsdn_light_give(&light, b, now, &failed, &error), DSDN_LIGHT_VERIFIED);
    }
    return given;
}

/* Real chains: every header by the one before, the last one in a single step, and all the way back. */
static void light_real_chains(void **state)
{
    (void)state;
    glob_t files = vector_glob("headers/chain*/*_to_*.json");
    struct dsdn_key_cache *cache = dsdn_key_cache_new(64);
    struct dsdn_light_options with_cache = {DSDN_LIGHT_PERIOD, DSDN_LIGHT_DRIFT, cache};
    for (size_t f = 0; f < files.gl_pathc; f++) {
        struct headers h = {NULL, 0};
        json_t *json = vector_load(files.gl_pathv[f]), *one;
        size_t i;
        json_array_foreach(json, i, one) headers_add(&h, one);
        json_decref(json);
        size_t cnt = run_len(&h);
        const struct dsdn_celestia_block *first = &h.blocks[0]->block, *last = &h.blocks[cnt - 1]->block;
        struct dsdn_celestia_time now = last->header.time;
        dsdn_light_start(&light, &with_cache, first->header.height, first->commit.block_id.hash.bytes);
        assert_int_equal(follow(&h, now), 1);
        for (i = 1; i < cnt; i++) {
            dsdn_light_aim(&light, first->header.height + (int64_t)i);
            assert_int_equal(follow(&h, now), 1);
        }
        dsdn_light_aim(&light, first->header.height);
        assert_int_equal(follow(&h, now), cnt - 1);
        assert_memory_equal(light.trusted.hash, first->commit.block_id.hash.bytes, 32);
        dsdn_light_start(&light, &with_cache, first->header.height, first->commit.block_id.hash.bytes);
        assert_int_equal(follow(&h, now), 1);
        dsdn_light_aim(&light, last->header.height);
        assert_int_equal(follow(&h, now), cnt > 1);
        assert_memory_equal(light.trusted.hash, last->commit.block_id.hash.bytes, 32);
        headers_free(&h);
    }
    dsdn_key_cache_free(cache);
    globfree(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protobuf_forms),      cmocka_unit_test(zip215_vectors),
        cmocka_unit_test(zip215_small_order),  cmocka_unit_test(real_headers),
        cmocka_unit_test(negative_headers),    cmocka_unit_test(example_headers),
        cmocka_unit_test(every_byte_counts),   cmocka_unit_test(commit_power),
        cmocka_unit_test(odd_signature),       cmocka_unit_test(impossible_shapes),
        cmocka_unit_test(largest_set),         cmocka_unit_test(light_adjacent),
        cmocka_unit_test(light_times),         cmocka_unit_test(light_skipping),
        cmocka_unit_test(light_downward),      cmocka_unit_test(light_driver),
        cmocka_unit_test(light_forged_target), cmocka_unit_test(light_deepest),
        cmocka_unit_test(light_real_chains),
    };
    return cmocka_run_group_tests(tests, prepare, release);
}
