/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* Namespaces, shares, plain Merkle trees, commitments and their proofs. */
#include "tests/celestia_util.h"
#include "tests/fail_nth.h"

#include "adapters/celestia/commitment_proof.h"
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
    uint8_t ns[DSDN_NAMESPACE_LEN], commitment[32];
    user_namespace(ns, 1);
    assert_int_equal(dsdn_share_cnt(0, 0), 0);
    assert_int_equal(dsdn_share_cnt(3, 1), 0);
    assert_int_equal(dsdn_share_cnt(0, UINT64_C(1) << 32), 0);
    assert_int_equal(dsdn_share_cnt(0, UINT32_MAX), 8910721);
    assert_int_equal(dsdn_share_split(ns, 0, NULL, data, 0, shares, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_share_split(ns, 3, NULL, data, 1, shares, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_share_split(ns, 0, signer, data, 1, shares, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_share_split(ns, 1, NULL, data, 1, shares, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_commitment_data(ns, 0, NULL, data, 0, commitment, NULL), DSDN_E_USAGE);
    dsdn_share_split(ns, 0, NULL, data, 600, shares, NULL);
    shares[DSDN_SHARE_LEN + 28] ^= 1;
    assert_int_equal(dsdn_commitment_shares(shares, 2, commitment, NULL), DSDN_E_MALFORMED);
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

/* ---- commitments ---- */

static void expect_mountains(const json_t *c, uint32_t cnt)
{
    const json_t *sizes = json_object_get(c, "mountain_sizes");
    uint32_t width = dsdn_subtree_width(cnt), left = cnt;
    assert_int_equal(width, json_integer_value(json_object_get(c, "subtree_width")));
    assert_int_equal(dsdn_subtree_cnt(cnt), json_array_size(sizes));
    for (size_t i = 0; i < json_array_size(sizes); i++) {
        uint32_t size = dsdn_mountain_next(left, width);
        assert_int_equal(size, json_integer_value(json_array_get(sizes, i)));
        left -= size;
    }
    assert_int_equal(left, 0);
}

static void subtree_shapes(void **state)
{
    (void)state;
    glob_t files = vector_glob("subtree_shapes*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *file = vector_load(files.gl_pathv[f]), *c;
        size_t i;
        json_array_foreach(json_object_get(file, "rows"), i, c)
            expect_mountains(c, (uint32_t)json_integer_value(json_object_get(c, "share_count")));
        json_decref(file);
    }
    globfree(&files);
}

/* A blob as commitments.json and the node's examples write it: the commitment is that of the file. */
static void check_blob(const json_t *c, struct dsdn_view ns, struct dsdn_view author,
                       struct dsdn_view content, struct dsdn_view expected)
{
    uint8_t got[32];
    uint32_t version = (uint32_t)json_integer_value(json_object_get(c, "share_version"));
    const json_t *cnt = json_object_get(c, "share_count");
    assert_int_equal(ns.len, DSDN_NAMESPACE_LEN);
    assert_int_equal(
        dsdn_commitment_data(ns.bytes, version, author.bytes, content.bytes, content.len, got, NULL), 0);
    expect_equal(expected, got, 32);
    if (cnt) {
        assert_int_equal(dsdn_share_cnt(version, content.len), json_integer_value(cnt));
        expect_mountains(c, (uint32_t)json_integer_value(cnt));
    }
    view_free(ns), view_free(author), view_free(content), view_free(expected);
}

static void commitment_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("commitments*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *cases = vector_load(files.gl_pathv[f]), *c;
        size_t i;
        json_array_foreach(cases, i, c) check_blob(c, vector_hex(json_object_get(c, "namespace_hex")),
                                                   vector_hex(json_object_get(c, "signer_hex")),
                                                   vector_base64(json_object_get(c, "data_base64")),
                                                   vector_hex(json_object_get(c, "commitment_hex")));
        json_decref(cases);
    }
    globfree(&files);
}

/* Blob objects as the node's API gives them. */
static void commitment_of_node_examples(void **state)
{
    (void)state;
    glob_t files = vector_glob("node_examples/*.json");
    size_t found = 0;
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *c = vector_load(files.gl_pathv[f]);
        if (json_object_get(c, "commitment") && json_object_get(c, "data")) {
            check_blob(c, vector_base64(json_object_get(c, "namespace")),
                       vector_base64(json_object_get(c, "signer")), vector_base64(json_object_get(c, "data")),
                       vector_base64(json_object_get(c, "commitment")));
            found++;
        }
        json_decref(c);
    }
    globfree(&files);
    if (!found) skip();
}

static void commitment_steps(void **state)
{
    (void)state;
    glob_t files = vector_glob("commitment_steps*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *file = vector_load(files.gl_pathv[f]);
        const json_t *leaves = json_object_get(file, "leaf_hashes_hex");
        const json_t *roots = json_object_get(file, "subtree_roots_hex");
        bool whole;
        struct dsdn_view all = vector_joined(json_object_get(file, "shares_base64"), DSDN_SHARE_LEN, &whole);
        uint32_t cnt = (uint32_t)(all.len / DSDN_SHARE_LEN);
        struct dsdn_nmt_node *nodes = calloc(cnt + 1, sizeof *nodes);
        uint8_t got[32];
        assert_true(whole && cnt == json_array_size(leaves));
        expect_mountains(file, cnt);
        dsdn_nmt_leaves(all.bytes, DSDN_SHARE_LEN, cnt, NULL, nodes);
        for (uint32_t i = 0; i < cnt; i++) {
            struct dsdn_view leaf = vector_hex(json_array_get(leaves, i));
            expect_equal(leaf, nodes[i].bytes, DSDN_NMT_NODE_LEN);
            view_free(leaf);
        }
        assert_int_equal(dsdn_subtree_roots(all.bytes, cnt, nodes, NULL), 0);
        assert_int_equal(dsdn_subtree_cnt(cnt), json_array_size(roots));
        for (uint32_t i = 0; i < dsdn_subtree_cnt(cnt); i++) {
            struct dsdn_view root = vector_hex(json_array_get(roots, i));
            expect_equal(root, nodes[i].bytes, DSDN_NMT_NODE_LEN);
            view_free(root);
        }
        assert_int_equal(dsdn_commitment_shares(all.bytes, cnt, got, NULL), 0);
        struct dsdn_view expected = vector_hex(json_object_get(file, "commitment_hex"));
        expect_equal(expected, got, 32);
        view_free(expected);
        free(nodes);
        view_free(all);
        json_decref(file);
    }
    globfree(&files);
}

/* large/NAME.json: the shares of one blob; NAME.expected.json: what it is. */
static void large_blobs(void **state)
{
    (void)state;
    glob_t files = vector_glob("large/*.expected.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        char path[4096];
        json_t *expected = vector_load(files.gl_pathv[f]);
        snprintf(path, sizeof path, "%.*s.json", (int)(strlen(files.gl_pathv[f]) - strlen(".expected.json")),
                 files.gl_pathv[f]);
        json_t *array = vector_load(path);
        bool whole;
        struct dsdn_view all = vector_joined(array, DSDN_SHARE_LEN, &whole);
        uint32_t cnt = (uint32_t)(all.len / DSDN_SHARE_LEN);
        struct dsdn_share_run runs[2] = {
            {all.bytes, cnt / 3, 0}, {all.bytes + cnt / 3 * (size_t)DSDN_SHARE_LEN, cnt - cnt / 3, cnt / 3}};
        struct dsdn_blob_walk walk;
        struct dsdn_blob blob;
        uint8_t got[32];
        assert_true(whole);
        expect_mountains(expected, cnt);
        dsdn_blob_walk_start(&walk, runs, 2);
        assert_true(dsdn_blob_walk_next(&walk, &blob));
        assert_int_equal(blob.kind, DSDN_BLOB_DATA);
        assert_int_equal(blob.share_cnt, json_integer_value(json_object_get(expected, "share_count")));
        assert_int_equal(blob.version, json_integer_value(json_object_get(expected, "share_version")));
        assert_int_equal(blob.len, json_integer_value(json_object_get(expected, "sequence_len")));
        struct dsdn_view author = vector_hex(json_object_get(expected, "signer_hex"));
        if (author.len) expect_equal(author, blob.signer, 20);
        uint8_t *content = malloc(blob.len);
        assert_non_null(content);
        dsdn_blob_copy(&blob, content);
        dsdn_sha256(content, blob.len, got);
        struct dsdn_view digest = vector_hex(json_object_get(expected, "data_sha256"));
        expect_equal(digest, got, 32);
        assert_int_equal(dsdn_commitment_blob(&blob, got, NULL), 0);
        struct dsdn_view commitment = vector_hex(json_object_get(expected, "commitment_hex"));
        expect_equal(commitment, got, 32);
        assert_int_equal(
            dsdn_commitment_data(all.bytes, blob.version, blob.signer, content, blob.len, got, NULL), 0);
        expect_equal(commitment, got, 32);
        assert_false(dsdn_blob_walk_next(&walk, &blob));
        free(content);
        view_free(author), view_free(digest), view_free(commitment), view_free(all);
        json_decref(array), json_decref(expected);
    }
    globfree(&files);
}

/* Subtree roots of every share count by the plain rule: one tree a mountain. */
static void commitment_shapes(void **state)
{
    (void)state;
    static struct dsdn_nmt_node roots[700], tree[2048];
    uint8_t expected[32], got[32];
    put(0, 0, 482 * 600);
    for (uint32_t cnt = 1; cnt < 600; cnt += cnt < 130 ? 1 : 23) {
        uint32_t width = dsdn_subtree_width(cnt), at = 0, number_of = 0;
        while (at < cnt) {
            uint32_t size = dsdn_mountain_next(cnt - at, width);
            dsdn_nmt_leaves(shares + (size_t)at * DSDN_SHARE_LEN, DSDN_SHARE_LEN, size, NULL, tree);
            assert_int_equal(dsdn_nmt_build(tree, size, NULL), 0);
            roots[number_of++] = tree[DSDN_NMT_TREE_LEN(size) - 1];
            at += size;
        }
        assert_int_equal(number_of, dsdn_subtree_cnt(cnt));
        dsdn_merkle_root_fixed(roots->bytes, DSDN_NMT_NODE_LEN, number_of, expected);
        assert_int_equal(dsdn_commitment_shares(shares, cnt, got, NULL), 0);
        assert_memory_equal(got, expected, 32);
    }
}

static void commitment_without_memory(void **state)
{
    (void)state;
    uint8_t ns[DSDN_NAMESPACE_LEN], out[32];
    struct dsdn_nmt_node roots[8];
    user_namespace(ns, 1);
    for (unsigned n = 1;; n++) {
        fail_nth(n);
        int rc = dsdn_commitment_data(ns, 0, NULL, data, 3000, out, NULL);
        bool pending = fail_nth(0);
        if (!rc) {
            assert_true(pending && n == 3);
            break;
        }
        assert_int_equal(rc, DSDN_E_NO_MEMORY);
    }
    fail_nth(1);
    int rc = dsdn_subtree_roots(shares, 7, roots, NULL);
    fail_nth(0);
    assert_int_equal(rc, DSDN_E_NO_MEMORY);
}

/* ---- commitment proofs ---- */

struct proof_case {
    struct dsdn_commitment_proof proof;
    struct dsdn_nmt_proof *ranges;
    struct dsdn_merkle_proof *rows;
    struct dsdn_view *roots, *row_roots;
    struct dsdn_view data_root, commitment;
};

static struct proof_case proof_case_load(const json_t *entry)
{
    const json_t *object = json_object_get(entry, "commitment_proof"),
                 *row = json_object_get(object, "row_proof");
    const json_t *ranges = json_object_get(object, "subtree_root_proofs"),
                 *rows = json_object_get(row, "proofs");
    struct proof_case c = {.data_root = vector_base64(json_object_get(entry, "root")),
                           .commitment = vector_base64(json_object_get(entry, "derived_commitment_base64"))};
    struct dsdn_commitment_proof *p = &c.proof;
    struct dsdn_view id = vector_base64(json_object_get(object, "namespace_id"));
    assert_int_equal(id.len, DSDN_NAMESPACE_LEN - 1);
    p->ns[0] = (uint8_t)json_integer_value(json_object_get(object, "namespace_version"));
    memcpy(p->ns + 1, id.bytes, id.len);
    view_free(id);
    p->start_row = (uint32_t)json_integer_value(json_object_get(row, "start_row"));
    p->end_row = (uint32_t)json_integer_value(json_object_get(row, "end_row"));
    c.roots = vector_views(json_object_get(object, "subtree_roots"), &p->subtree_root_cnt);
    c.row_roots = vector_views(json_object_get(row, "row_roots"), &p->row_root_cnt);
    p->subtree_root_proof_cnt = json_array_size(ranges);
    p->row_proof_cnt = json_array_size(rows);
    c.ranges = calloc(p->subtree_root_proof_cnt + 1, sizeof *c.ranges);
    c.rows = calloc(p->row_proof_cnt + 1, sizeof *c.rows);
    assert_true(c.ranges && c.rows);
    for (size_t i = 0; i < p->subtree_root_proof_cnt; i++)
        c.ranges[i] = vector_proof(json_array_get(ranges, i));
    for (size_t i = 0; i < p->row_proof_cnt; i++) c.rows[i] = vector_merkle_proof(json_array_get(rows, i));
    p->subtree_roots = c.roots, p->row_roots = c.row_roots;
    p->subtree_root_proofs = c.ranges, p->row_proofs = c.rows;
    return c;
}

static void proof_case_free(struct proof_case *c)
{
    for (size_t i = 0; i < c->proof.subtree_root_proof_cnt; i++) proof_free(&c->ranges[i]);
    views_free(c->roots, c->proof.subtree_root_cnt);
    views_free(c->row_roots, c->proof.row_root_cnt);
    free(c->ranges);
    free(c->rows);
    view_free(c->data_root), view_free(c->commitment);
}

static void refused(const struct proof_case *c, const struct dsdn_commitment_proof *proof)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(
        dsdn_commitment_proof_verify(proof, c->commitment.bytes, c->data_root.bytes, NULL, &error),
        DSDN_E_PROOF);
    assert_non_null(strstr(error.message, "commitment proof"));
}

/* One byte of a value changed: refused. */
static void flip(const struct proof_case *c, struct dsdn_view v)
{
    if (!v.len) return;
    uint8_t *byte = (uint8_t *)(uintptr_t)v.bytes + number((uint32_t)v.len);
    *byte ^= 1;
    refused(c, &c->proof);
    *byte ^= 1;
}

static void flip_all(struct proof_case *c)
{
    struct dsdn_commitment_proof other, *p = &c->proof;
    flip(c, c->data_root);
    flip(c, c->commitment);
    flip(c, (struct dsdn_view){p->ns, sizeof p->ns});
    for (size_t i = 0; i < p->subtree_root_cnt; i += 1 + i / 4) flip(c, c->roots[i]);
    for (size_t i = 0; i < p->row_root_cnt; i++) {
        flip(c, c->row_roots[i]);
        flip(c, (struct dsdn_view){c->rows[i].leaf_hash, 32});
        for (size_t n = 0; n < c->rows[i].aunt_cnt; n++) flip(c, (struct dsdn_view){c->rows[i].aunts[n], 32});
        for (size_t n = 0; n < c->ranges[i].node_cnt; n++) flip(c, c->ranges[i].nodes[n]);
        static const int64_t steps[] = {1, -1, INT64_MIN / 2, INT64_MAX / 2, 1024};
        for (size_t n = 0; n < 5; n++) {
            int64_t start = c->ranges[i].start, end = c->ranges[i].end;
            c->ranges[i].start += steps[n];
            refused(c, p);
            c->ranges[i].start = start, c->ranges[i].end += steps[n];
            refused(c, p);
            c->ranges[i].end = end;
        }
        if (c->ranges[i].node_cnt) {
            c->ranges[i].node_cnt--;
            refused(c, p);
            c->ranges[i].node_cnt++;
        }
        c->rows[i].total *= 2;
        refused(c, p);
        c->rows[i].total /= 4;
        refused(c, p);
        c->rows[i].total *= 2;
        c->row_roots[i].len--;
        refused(c, p);
        c->row_roots[i].len++;
    }
    other = *p, other.subtree_root_cnt--;
    refused(c, &other);
    other = *p, other.row_root_cnt--;
    refused(c, &other);
    other = *p, other.row_proof_cnt--;
    refused(c, &other);
    other = *p, other.subtree_root_proof_cnt--;
    refused(c, &other);
    other = *p, other.start_row = other.end_row + 1;
    refused(c, &other);
    other = *p, other.start_row++, other.end_row++;
    refused(c, &other);
}

static void commitment_proof_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("commitment_proofs/*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *file = vector_load(files.gl_pathv[f]), *entry;
        size_t i;
        json_array_foreach(json_object_get(file, "entries"), i, entry)
        {
            struct proof_case c = proof_case_load(entry);
            struct dsdn_error error = DSDN_ERROR_INIT;
            uint32_t cnt = 0;
            int rc =
                dsdn_commitment_proof_verify(&c.proof, c.commitment.bytes, c.data_root.bytes, &cnt, &error);
            if (rc) fail_msg("%s, entry %zu: %s", files.gl_pathv[f], i, error.message);
            assert_int_equal(dsdn_subtree_cnt(cnt), c.proof.subtree_root_cnt);
            if (i % 4 == 0) flip_all(&c);
            proof_case_free(&c);
        }
        json_decref(file);
    }
    globfree(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(namespace_vectors),
        cmocka_unit_test(namespace_texts),
        cmocka_unit_test(merkle_vectors),
        cmocka_unit_test(merkle_roots_of_all_sizes),
        cmocka_unit_test(merkle_proofs),
        cmocka_unit_test(shares_round_trip),
        cmocka_unit_test(shares_refused),
        cmocka_unit_test(walk_mixture),
        cmocka_unit_test(walk_garbage),
        cmocka_unit_test(walk_sixty_thousand),
        cmocka_unit_test(subtree_shapes),
        cmocka_unit_test(commitment_vectors),
        cmocka_unit_test(commitment_of_node_examples),
        cmocka_unit_test(commitment_steps),
        cmocka_unit_test(large_blobs),
        cmocka_unit_test(commitment_shapes),
        cmocka_unit_test(commitment_without_memory),
        cmocka_unit_test(commitment_proof_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
