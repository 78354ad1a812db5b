/* Namespaces, plain Merkle trees, blobs as shares. */
#include "tests/celestia_util.h"

#include "log/hash.h"

static uint8_t shares[6000 * DSDN_SHARE_LEN], data[1 << 21], back[1 << 21];
static const uint8_t signer[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

/* ---- namespaces ---- */

static void namespace_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("namespaces*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *cases = vector_load(files.gl_pathv[f]), *c;
        size_t i;
        json_array_foreach(cases, i, c)
        {
            uint8_t ns[DSDN_NAMESPACE_LEN];
            const char *hex = json_string_value(json_object_get(c, "hex"));
            bool parse_ok = json_is_true(json_object_get(c, "parse_ok"));
            if (dsdn_namespace_parse(hex, ns, NULL)) {
                assert_false(parse_ok);
                continue;
            }
            enum dsdn_namespace_class class = dsdn_namespace_classify(ns);
            bool reserved = class == DSDN_NAMESPACE_PRIMARY || class == DSDN_NAMESPACE_SECONDARY ||
                            class == DSDN_NAMESPACE_TAIL || class == DSDN_NAMESPACE_PARITY;
            assert_int_equal(parse_ok, class < DSDN_NAMESPACE_BAD_VERSION);
            if (parse_ok) assert_int_equal(json_is_true(json_object_get(c, "reserved")), reserved);
            assert_int_equal(json_is_true(json_object_get(c, "ok_for_data")),
                             parse_ok && class != DSDN_NAMESPACE_TAIL && class != DSDN_NAMESPACE_PARITY);
            assert_int_equal(json_is_true(json_object_get(c, "ok_for_blob")), class == DSDN_NAMESPACE_USER);
            static const char *const public[] = {"celestia", "mocha-4", "arabica-11"};
            for (size_t n = 0; n < 3; n++) {
                struct dsdn_error error = DSDN_ERROR_INIT;
                int rc = dsdn_namespace_check(ns, public[n], &error);
                assert_int_equal(rc, class == DSDN_NAMESPACE_USER ? 0 : DSDN_E_USAGE);
                if (rc) assert_non_null(strstr(error.message, hex));
            }
            assert_int_equal(dsdn_namespace_check(ns, "mock", NULL), 0);
            assert_int_equal(dsdn_namespace_check(ns, "celestia-local", NULL), 0);
        }
        json_decref(cases);
    }
    globfree(&files);
}

static void namespace_texts(void **state)
{
    (void)state;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    struct dsdn_error error = DSDN_ERROR_INIT;
    const char *good = "00000000000000000000000000000000000000AbCdEf0123456789fFfF";
    char text[64];
    assert_int_equal(dsdn_namespace_parse(good, ns, &error), 0);
    assert_int_equal(ns[19], 0xab);
    assert_int_equal(ns[28], 0xff);
    for (size_t at = 0; at < 58; at++) { /* no other character, wherever it is */
        memcpy(text, good, 59);
        text[at] = at & 1 ? 'g' : ' ';
        assert_int_equal(dsdn_namespace_parse(text, ns, &error), DSDN_E_USAGE);
        text[at] = 0;
        assert_int_equal(dsdn_namespace_parse(text, ns, &error), DSDN_E_USAGE);
    }
    snprintf(text, sizeof text, "%s0", good);
    assert_int_equal(dsdn_namespace_parse(text, ns, &error), DSDN_E_USAGE);
    assert_non_null(strstr(error.message, "58"));
    for (size_t at = 1; at <= 18; at++) {
        memset(ns, 0, sizeof ns);
        ns[28] = 9, ns[at] = 1;
        assert_int_equal(dsdn_namespace_classify(ns), DSDN_NAMESPACE_BAD_PREFIX);
        assert_int_equal(dsdn_namespace_check(ns, "celestia", &error), DSDN_E_USAGE);
    }
    assert_true(dsdn_namespace_compare(dsdn_namespace_transactions, dsdn_namespace_pay_for_blob) < 0);
    assert_true(dsdn_namespace_compare(dsdn_namespace_tail_padding, dsdn_namespace_parity) < 0);
    assert_int_equal(dsdn_namespace_classify(dsdn_namespace_reserved_padding), DSDN_NAMESPACE_PRIMARY);
    assert_int_equal(dsdn_namespace_classify(dsdn_namespace_tail_padding), DSDN_NAMESPACE_TAIL);
    assert_int_equal(dsdn_namespace_classify(dsdn_namespace_parity), DSDN_NAMESPACE_PARITY);
}

/* ---- plain Merkle trees ---- */

static void merkle_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("merkle_roots*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *file = vector_load(files.gl_pathv[f]), *c;
        size_t i;
        json_array_foreach(json_object_get(file, "cases"), i, c)
        {
            const json_t *leaves = json_object_get(c, "leaves_hex");
            size_t cnt = json_array_size(leaves);
            struct dsdn_view *items = calloc(cnt + 1, sizeof *items);
            struct dsdn_view root = vector_hex(json_object_get(c, "root_hex"));
            uint8_t got[32];
            for (size_t n = 0; n < cnt; n++) items[n] = vector_hex(json_array_get(leaves, n));
            dsdn_merkle_root(items, cnt, got);
            expect_equal(root, got, 32);
            views_free(items, cnt);
            view_free(root);
        }
        json_decref(file);
    }
    globfree(&files);
}

/* The definition of RFC 6962, as it is written there. */
static void merkle_by_definition(const uint8_t *items, size_t len, size_t cnt, uint8_t out[32])
{
    uint8_t node[65] = {1}, leaf[128] = {0};
    if (cnt == 0) {
        dsdn_sha256("", 0, out);
    } else if (cnt == 1) {
        memcpy(leaf + 1, items, len);
        dsdn_sha256(leaf, len + 1, out);
    } else {
        size_t half = 1;
        while (half * 2 < cnt) half *= 2;
        merkle_by_definition(items, len, half, node + 1);
        merkle_by_definition(items + half * len, len, cnt - half, node + 33);
        dsdn_sha256(node, 65, out);
    }
}

static void merkle_roots_of_all_sizes(void **state)
{
    (void)state;
    enum { LEN = 40, MAX = 700 };
    static struct dsdn_view views[MAX];
    static uint8_t items[MAX * LEN], leaves[MAX][32];
    number_fill(items, sizeof items);
    for (size_t i = 0; i < MAX; i++) views[i] = (struct dsdn_view){items + i * LEN, LEN};
    dsdn_merkle_leaves(views, MAX, leaves);
    for (size_t cnt = 0; cnt <= MAX; cnt += cnt < 260 ? 1 : 55) {
        uint8_t expected[32], got[32];
        merkle_by_definition(items, LEN, cnt, expected);
        dsdn_merkle_root(views, cnt, got);
        assert_memory_equal(got, expected, 32);
        dsdn_merkle_root_fixed(items, LEN, cnt, got);
        assert_memory_equal(got, expected, 32);
        dsdn_merkle_root_of_leaves((const uint8_t(*)[32])leaves, cnt, got);
        assert_memory_equal(got, expected, 32);
    }
}

static void merkle_proofs(void **state)
{
    (void)state;
    enum { LEN = 40, MAX = 140 };
    static uint8_t items[MAX * LEN], leaves[MAX][32];
    struct dsdn_merkle_proof proof, other;
    number_fill(items, sizeof items);
    dsdn_merkle_leaves_fixed(items, LEN, MAX, leaves);
    for (size_t cnt = 1; cnt <= MAX; cnt += cnt < 20 ? 1 : 17)
        for (size_t i = 0; i < cnt; i++) {
            uint8_t root[32];
            const uint8_t *item = items + i * LEN;
            dsdn_merkle_root_of_leaves((const uint8_t(*)[32])leaves, cnt, root);
            dsdn_merkle_prove((const uint8_t(*)[32])leaves, cnt, i, &proof);
            assert_int_equal(dsdn_merkle_verify(&proof, item, LEN, root, NULL), 0);
            other = proof;
            other.index = (i + 1) % (cnt + 1); /* another place, cnt included */
            assert_int_equal(dsdn_merkle_verify(&other, item, LEN, root, NULL), DSDN_E_PROOF);
            other = proof, other.total = 0;
            assert_int_equal(dsdn_merkle_verify(&other, item, LEN, root, NULL), DSDN_E_PROOF);
            other = proof, other.total = UINT64_MAX;
            assert_int_equal(dsdn_merkle_verify(&other, item, LEN, root, NULL), DSDN_E_PROOF);
            other = proof, other.aunt_cnt++;
            assert_int_equal(dsdn_merkle_verify(&other, item, LEN, root, NULL), DSDN_E_PROOF);
            other = proof, other.aunt_cnt--;
            assert_int_equal(dsdn_merkle_verify(&other, item, LEN, root, NULL), DSDN_E_PROOF);
            other = proof, other.leaf_hash[i % 32] ^= 1;
            assert_int_equal(dsdn_merkle_verify(&other, item, LEN, root, NULL), DSDN_E_PROOF);
            root[i % 32] ^= 1;
            assert_int_equal(dsdn_merkle_verify(&proof, item, LEN, root, NULL), DSDN_E_PROOF);
            root[i % 32] ^= 1;
            assert_int_equal(dsdn_merkle_verify(&proof, item, LEN - 1, root, NULL), DSDN_E_PROOF);
            for (size_t byte = 0; byte < (size_t)proof.aunt_cnt * 32; byte += 7) {
                proof.aunts[byte / 32][byte % 32] ^= 0x10;
                assert_int_equal(dsdn_merkle_verify(&proof, item, LEN, root, NULL), DSDN_E_PROOF);
                proof.aunts[byte / 32][byte % 32] ^= 0x10;
            }
        }
}

/* ---- shares ---- */

/* One blob of this length: cut, every byte of its shares accounted for, walked, copied back. */
static void round_trip(uint32_t version, uint32_t len)
{
    uint8_t ns[DSDN_NAMESPACE_LEN];
    uint32_t cnt = dsdn_share_cnt(version, len), first = version ? 458 : 478;
    struct dsdn_share_run runs[4];
    struct dsdn_blob_walk walk;
    struct dsdn_blob blob;
    user_namespace(ns, 7);
    assert_int_equal(cnt, 1 + (len > first ? (len - first + 481) / 482 : 0));
    memset(shares, 0xee, (size_t)(cnt + 1) * DSDN_SHARE_LEN);
    assert_int_equal(dsdn_share_split(ns, version, version ? signer : NULL, data, len, shares, NULL), 0);
    assert_int_equal(shares[(size_t)cnt * DSDN_SHARE_LEN], 0xee);
    for (uint32_t i = 0; i < cnt; i++) {
        const uint8_t *share = shares + (size_t)i * DSDN_SHARE_LEN;
        assert_memory_equal(share, ns, DSDN_NAMESPACE_LEN);
        assert_int_equal(share[29], version * 2 + (i == 0));
    }
    assert_int_equal(shares[30] << 24 | shares[31] << 16 | shares[32] << 8 | shares[33], len);
    if (version) assert_memory_equal(shares + 34, signer, 20);

    uint32_t cut = number(cnt + 1); /* the same shares as several rows, one of them empty */
    runs[0] = (struct dsdn_share_run){shares, cut, 100};
    runs[1] = (struct dsdn_share_run){NULL, 0, 0};
    runs[2] = (struct dsdn_share_run){shares + (size_t)cut * DSDN_SHARE_LEN, cnt - cut, cut ? 200 : 100};
    dsdn_blob_walk_start(&walk, runs, 3);
    assert_true(dsdn_blob_walk_next(&walk, &blob));
    assert_int_equal(blob.kind, DSDN_BLOB_DATA);
    assert_int_equal(blob.ordinal, 0);
    assert_int_equal(blob.index, 100);
    assert_int_equal(blob.share_cnt, cnt);
    assert_int_equal(blob.version, version);
    assert_int_equal(blob.len, len);
    if (version)
        assert_memory_equal(blob.signer, signer, 20);
    else
        assert_null(blob.signer);
    memset(back, 0x55, len + 1u);
    dsdn_blob_copy(&blob, back);
    assert_memory_equal(back, data, len);
    assert_int_equal(back[len], 0x55);
    assert_false(dsdn_blob_walk_next(&walk, &blob));
}

static void shares_round_trip(void **state)
{
    (void)state;
    number_fill(data, sizeof data);
    for (uint32_t version = 0; version <= DSDN_SHARE_VERSION_MAX; version++) {
        for (uint32_t len = 1; len <= 5000; len += version == 2 ? 13 : 1) round_trip(version, len);
        for (uint32_t len = 482 * 64 - 30; len < 482 * 64 + 30; len++) round_trip(version, len);
        round_trip(version, 1 << 20);
        round_trip(version, sizeof data - 1);
    }
}

static void shares_refused(void **state)
{
    (void)state;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    user_namespace(ns, 1);
    assert_int_equal(dsdn_share_cnt(0, 0), 0);
    assert_int_equal(dsdn_share_cnt(3, 1), 0);
    assert_int_equal(dsdn_share_cnt(0, UINT64_C(1) << 32), 0);
    assert_int_equal(dsdn_share_cnt(0, UINT32_MAX), 8910721);
    assert_int_equal(dsdn_share_split(ns, 0, NULL, data, 0, shares, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_share_split(ns, 3, NULL, data, 1, shares, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_share_split(ns, 0, signer, data, 1, shares, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_share_split(ns, 1, NULL, data, 1, shares, NULL), DSDN_E_USAGE);
}

/* Puts a blob at share `at`; returns the place behind it. */
static uint32_t put(uint32_t at, uint32_t version, uint32_t len)
{
    uint8_t ns[DSDN_NAMESPACE_LEN];
    user_namespace(ns, 3);
    uint8_t *to = shares + (size_t)at * DSDN_SHARE_LEN;
    assert_int_equal(dsdn_share_split(ns, version, version ? signer : NULL, data, len, to, NULL), 0);
    return at + dsdn_share_cnt(version, len);
}

static uint32_t pad(uint32_t at, uint8_t version)
{
    uint8_t ns[DSDN_NAMESPACE_LEN];
    user_namespace(ns, 3);
    dsdn_share_padding(ns, version, shares + (size_t)at * DSDN_SHARE_LEN);
    return at + 1;
}

struct entry {
    enum dsdn_blob_kind kind;
    uint32_t index, share_cnt, len;
};

/* The walk over the first cnt shares finds these entries, however the shares are spread over rows. */
static void expect_entries(uint32_t cnt, const struct entry *entries, uint32_t entry_cnt)
{
    static struct dsdn_share_run runs[64];
    for (uint32_t row = 1; row <= cnt; row++) {
        struct dsdn_blob_walk walk;
        struct dsdn_blob blob;
        uint32_t run_cnt = 0, found = 0;
        for (uint32_t at = 0; at < cnt; at += row)
            runs[run_cnt++] = (struct dsdn_share_run){shares + (size_t)at * DSDN_SHARE_LEN,
                                                      cnt - at < row ? cnt - at : row, at};
        dsdn_blob_walk_start(&walk, runs, run_cnt);
        for (; dsdn_blob_walk_next(&walk, &blob); found++) {
            assert_true(found < entry_cnt);
            assert_int_equal(blob.kind, entries[found].kind);
            assert_int_equal(blob.ordinal, found);
            assert_int_equal(blob.index, entries[found].index);
            assert_int_equal(blob.share_cnt, entries[found].share_cnt);
            assert_int_equal(blob.len, entries[found].len);
            assert_true(strlen(dsdn_blob_kind_text(blob.kind)) > 5);
        }
        assert_int_equal(found, entry_cnt);
    }
}

static void walk_mixture(void **state)
{
    (void)state;
    uint32_t at = 0;
    number_fill(data, 4096);
    at = put(at, 0, 1000);                                   /* 0: 3 shares */
    at = pad(at, 0), at = pad(at, 1), at = pad(at, 2);       /* 3, 4, 5 */
    at = put(at, 1, 458);                                    /* 6 */
    at = put(at, 2, 36);                                     /* 7 */
    at = put(at, 0, 1443), shares[7 * 512 + 512 + 29] |= 14; /* 8: 4 shares, the first of version 7 */
    at = pad(at, 9);                                         /* 12: padding of a version of the future */
    at = put(at, 0, 479);                                    /* 13: 2 shares */
    assert_int_equal(at, 15);
    expect_entries(at,
                   (const struct entry[]){{DSDN_BLOB_DATA, 0, 3, 1000},
                                          {DSDN_BLOB_DATA, 6, 1, 458},
                                          {DSDN_BLOB_DATA, 7, 1, 36},
                                          {DSDN_BLOB_UNKNOWN_VERSION, 8, 4, 0},
                                          {DSDN_BLOB_DATA, 13, 2, 479}},
                   5);
    expect_entries(0, NULL, 0);
}

/* Garbage is one entry each and does not hide what is behind it. */
static void walk_garbage(void **state)
{
    (void)state;
    const struct entry good = {DSDN_BLOB_DATA, 4, 1, 9};
    memset(data, 0xaa, 4096);
#define EXPECT(cnt, ...)                                                                                     \
    expect_entries(cnt, (const struct entry[]){__VA_ARGS__},                                                 \
                   sizeof((const struct entry[]){__VA_ARGS__}) / sizeof(struct entry))
    put(0, 0, 1443), put(4, 0, 9); /* no start bit */
    shares[29] = 0;
    EXPECT(5, {DSDN_BLOB_NO_START, 0, 4, 0}, good);
    put(0, 0, 1443); /* another version in a continuation, known or not */
    shares[2 * 512 + 29] = 2;
    EXPECT(5, {DSDN_BLOB_WRONG_VERSION, 0, 4, 0}, good);
    shares[2 * 512 + 29] = 200;
    EXPECT(5, {DSDN_BLOB_WRONG_VERSION, 0, 4, 0}, good);
    put(0, 0, 1443); /* cut by the next start, or by the end */
    put(2, 0, 10);
    pad(3, 0);
    EXPECT(5, {DSDN_BLOB_WRONG_COUNT, 0, 2, 0}, {DSDN_BLOB_DATA, 2, 1, 10}, good);
    put(0, 0, 1443);
    EXPECT(3, {DSDN_BLOB_WRONG_COUNT, 0, 3, 0});
    put(0, 0, 1443); /* one byte more than the shares hold, one less than needs the last one, and far more */
    dsdn_store32(shares + 30, __builtin_bswap32(478 + 3 * 482 + 1));
    EXPECT(5, {DSDN_BLOB_WRONG_COUNT, 0, 4, 0}, good);
    put(0, 0, 1443);
    dsdn_store32(shares + 30, __builtin_bswap32(478 + 2 * 482));
    EXPECT(5, {DSDN_BLOB_WRONG_COUNT, 0, 4, 0}, good);
    dsdn_store32(shares + 30, UINT32_MAX);
    EXPECT(5, {DSDN_BLOB_WRONG_COUNT, 0, 4, 0}, good);
    for (uint32_t byte = 0; byte < 481; byte += 40) { /* a nonzero byte anywhere in the fill */
        put(0, 0, 478 + 2 * 482 + 1);
        shares[4 * 512 - 1 - byte] = 0x80;
        EXPECT(5, {DSDN_BLOB_WRONG_FILL, 0, 4, 0}, good);
    }
    put(0, 0, 478 + 2 * 482 + 1);
    shares[3 * 512 + 30] = 0; /* the last byte of data may be zero */
    EXPECT(5, {DSDN_BLOB_DATA, 0, 4, 478 + 2 * 482 + 1}, good);
    for (uint32_t byte = 34; byte < 512; byte += 7) { /* padding that is none */
        for (uint8_t version = 0; version < 4; version++) {
            for (uint32_t i = 0; i < 4; i++) pad(i, version);
            shares[512 + byte] = 1;
            struct entry entry = {version > 2 ? DSDN_BLOB_UNKNOWN_VERSION : DSDN_BLOB_WRONG_FILL, 1, 1, 0};
            EXPECT(5, entry, good);
        }
    }
    for (uint32_t i = 0; i < 4; i++) pad(i, 0); /* a continuation behind padding */
    shares[2 * 512 + 29] = 0;
    EXPECT(5, {DSDN_BLOB_WRONG_COUNT, 1, 2, 0}, good);
#undef EXPECT
}

static void walk_sixty_thousand(void **state)
{
    (void)state;
    enum { CNT = 5999 };
    struct dsdn_share_run run[10];
    struct dsdn_blob_walk walk;
    struct dsdn_blob blob;
    uint32_t found = 0;
    for (uint32_t i = 0; i < CNT; i++) put(i, 0, 100), shares[(size_t)i * 512 + 511] = 1;
    for (size_t i = 0; i < 10; i++) run[i] = (struct dsdn_share_run){shares, CNT, (uint32_t)i * CNT};
    dsdn_blob_walk_start(&walk, run, 10);
    for (; dsdn_blob_walk_next(&walk, &blob); found++) {
        assert_int_equal(blob.kind, DSDN_BLOB_WRONG_FILL);
        assert_int_equal(blob.index, found);
    }
    assert_int_equal(found, 10 * CNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(namespace_vectors), cmocka_unit_test(namespace_texts),
        cmocka_unit_test(merkle_vectors),    cmocka_unit_test(merkle_roots_of_all_sizes),
        cmocka_unit_test(merkle_proofs),     cmocka_unit_test(shares_round_trip),
        cmocka_unit_test(shares_refused),    cmocka_unit_test(walk_mixture),
        cmocka_unit_test(walk_garbage),      cmocka_unit_test(walk_sixty_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
