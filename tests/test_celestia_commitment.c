/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* Share commitments and their proofs. */
#include "tests/celestia_util.h"
#include "tests/fail_nth.h"

#include "adapters/celestia/commitment_proof.h"
#include "log/hash.h"

static uint8_t shares[600 * DSDN_SHARE_LEN], data[599 * 482];

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
    uint8_t ns[DSDN_NAMESPACE_LEN], expected[32], got[32];
    number_fill(data, sizeof data);
    user_namespace(ns, 3);
    assert_int_equal(dsdn_share_split(ns, 0, NULL, data, sizeof data, shares, NULL), 0);
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

static void commitment_refused(void **state)
{
    (void)state;
    uint8_t ns[DSDN_NAMESPACE_LEN], commitment[32];
    user_namespace(ns, 1);
    assert_int_equal(dsdn_commitment_data(ns, 0, NULL, data, 0, commitment, NULL), DSDN_E_USAGE);
    dsdn_share_split(ns, 0, NULL, data, 600, shares, NULL);
    shares[DSDN_SHARE_LEN + 28] ^= 1;
    assert_int_equal(dsdn_commitment_shares(shares, 2, commitment, NULL), DSDN_E_MALFORMED);
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

/* A square of ours, of 16 x 16 data shares: namespace 1 before `from`, the blob's (2) before `to`, then 3; in
 * the lower half row 16 is row 1 again, which no real square has. */
enum { K = 16, SIDE = 2 * K };

struct own_square {
    struct dsdn_nmt_node *trees[K + 1];
    uint8_t leaves[4 * K][32], data_root[32];
    struct dsdn_nmt_node row_roots[K + 1];
};

static void own_square_make(struct own_square *q, uint32_t from, uint32_t to)
{
    static struct dsdn_nmt_node all[4 * K];
    number_fill(all, sizeof all);
    for (uint32_t i = 0; i <= K; i++) {
        static uint8_t row[SIDE * DSDN_SHARE_LEN];
        uint32_t first = (i == K ? 1 : i) * K;
        for (size_t n = 0; n < sizeof row; n++) row[n] = (uint8_t)(n * 7 + n / 256 + first);
        for (uint32_t at = 0; at < K; at++)
            user_namespace(row + (size_t)at * DSDN_SHARE_LEN, first + at < from ? 1
                                                              : first + at < to ? 2
                                                                                : 3);
        q->trees[i] = row_tree(row, K);
        q->row_roots[i] = all[i] = q->trees[i][DSDN_NMT_TREE_LEN(SIDE) - 1];
    }
    dsdn_merkle_leaves_fixed(all[0].bytes, DSDN_NMT_NODE_LEN, 4 * K, q->leaves);
    dsdn_merkle_root_of_leaves((const uint8_t(*)[32])q->leaves, 4 * K, q->data_root);
}

/* A proof for any stretch of rows and ranges, true or not, with the commitment that its subtree roots have.
 */
struct own_proof {
    struct dsdn_commitment_proof proof;
    struct dsdn_nmt_proof ranges[K];
    struct dsdn_merkle_proof rows[K];
    struct dsdn_view nodes[K][DSDN_NMT_NODES_MAX + 1], roots[K * K], row_roots[K];
    uint8_t commitment[32];
};

static void own_proof_make(struct own_proof *o, const struct own_square *q, uint32_t start_row, uint32_t rows,
                           const uint8_t (*ranges)[2])
{
    uint32_t shares_of = 0;
    memset(o, 0, sizeof *o);
    user_namespace(o->proof.ns, 2);
    for (uint32_t i = 0; i < rows; i++) shares_of += (uint32_t)(ranges[i][1] - ranges[i][0]);
    for (uint32_t i = 0; i < rows; i++) {
        const struct dsdn_nmt_node *tree = q->trees[start_row + i];
        dsdn_nmt_prove(tree, SIDE, ranges[i][0], ranges[i][1], o->nodes[i], &o->ranges[i]);
        dsdn_merkle_prove((const uint8_t(*)[32])q->leaves, 4 * K, start_row + i, &o->rows[i]);
        o->row_roots[i] = (struct dsdn_view){q->row_roots[start_row + i].bytes, DSDN_NMT_NODE_LEN};
        for (uint32_t at = ranges[i][0]; at < ranges[i][1];) {
            uint32_t size = dsdn_mountain_next(ranges[i][1] - at, dsdn_subtree_width(shares_of));
            const struct dsdn_nmt_node *level = tree;
            for (uint32_t width = 1; width < size; width *= 2) level += SIDE / width;
            o->roots[o->proof.subtree_root_cnt++] =
                (struct dsdn_view){level[at / size].bytes, DSDN_NMT_NODE_LEN};
            at += size;
        }
    }
    o->proof.start_row = start_row, o->proof.end_row = start_row + rows - 1;
    o->proof.subtree_roots = o->roots, o->proof.row_roots = o->row_roots;
    o->proof.subtree_root_proofs = o->ranges, o->proof.row_proofs = o->rows;
    o->proof.subtree_root_proof_cnt = o->proof.row_root_cnt = o->proof.row_proof_cnt = rows;
    dsdn_merkle_root(o->roots, o->proof.subtree_root_cnt, o->commitment);
}

/* NULL: accepted; else refused with this in the message. */
static void expect_proof(const struct own_proof *o, const struct own_square *q, const char *reason)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t cnt;
    int rc = dsdn_commitment_proof_verify(&o->proof, o->commitment, q->data_root, &cnt, &error);
    assert_int_equal(rc, reason ? DSDN_E_PROOF : 0);
    if (reason && !strstr(error.message, reason)) fail_msg("%s, not: %s", error.message, reason);
}

static void commitment_proofs_of_own_square(void **state)
{
    (void)state;
    static struct own_square q;
    static struct own_proof o;
    static const uint8_t honest[][2] = {{4, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 8}};
    own_square_make(&q, 20, 120);
#define OWN(start_row, rows, ...) own_proof_make(&o, &q, start_row, rows, (const uint8_t[][2])__VA_ARGS__)
    own_proof_make(&o, &q, 1, 7, honest);
    assert_int_equal(dsdn_subtree_width(100), 2);
    expect_proof(&o, &q, NULL);
    o.rows[1].total--; /* would lead to the same root */
    expect_proof(&o, &q, "another row");
    own_proof_make(&o, &q, 1, 7, honest);
    o.ranges[2].leaf_hash = o.row_roots[0];
    expect_proof(&o, &q, "range");
    own_proof_make(&o, &q, 1, 7, honest);
    o.nodes[3][o.ranges[3].node_cnt++] = o.row_roots[0];
    expect_proof(&o, &q, "make a tree");
    own_proof_make(&o, &q, 1, 7, honest);
    o.proof.subtree_root_cnt--;
    expect_proof(&o, &q, "49 subtree roots, 100 shares have 50");
    o.proof.subtree_root_cnt += 2;
    expect_proof(&o, &q, "51 subtree roots, 100 shares have 50");
    own_proof_make(&o, &q, 1, 7, honest);
    for (uint32_t i = 0; i < 7; i++) o.rows[i].total = 4096;
    expect_proof(&o, &q, "that many rows");
    for (uint32_t i = 0; i < 7; i++) o.rows[i].total = 2;
    expect_proof(&o, &q, "not those of data");
    own_proof_make(&o, &q, 1, 7, honest);
    o.proof.subtree_root_proof_cnt++;
    expect_proof(&o, &q, "one for each row");
    own_proof_make(&o, &q, 1, 7, honest); /* no rows at all, counted with an underflow */
    o.proof.end_row = 0;
    o.proof.subtree_root_proof_cnt = o.proof.row_root_cnt = o.proof.row_proof_cnt = 0;
    expect_proof(&o, &q, "before the first");
    OWN(1, 7, {{4, 16}, {0, 14}, {0, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 8}});
    expect_proof(&o, &q, "gap");
    OWN(1, 7, {{4, 16}, {2, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 8}});
    expect_proof(&o, &q, "gap");
    OWN(1, 7, {{15, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 8}});
    expect_proof(&o, &q, "starts there"); /* 89 shares from an odd place: no blob of that length does */
    OWN(16, 1, {{4, 16}});
    expect_proof(&o, &q, "not those of data");
    OWN(1, 1, {{4, 16}});
    expect_proof(&o, &q, NULL);
    for (uint32_t i = 0; i <= K; i++) free(q.trees[i]);
    own_square_make(&q, 21, 120); /* half of the first subtree is of another namespace */
    own_proof_make(&o, &q, 1, 7, honest);
    expect_proof(&o, &q, "make a tree");
    for (uint32_t i = 0; i <= K; i++) free(q.trees[i]);
    own_square_make(&q, 20, 119); /* half of the last one */
    own_proof_make(&o, &q, 1, 7, honest);
    expect_proof(&o, &q, "make a tree");
    for (uint32_t i = 0; i <= K; i++) free(q.trees[i]);
#undef OWN
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subtree_shapes),
        cmocka_unit_test(commitment_vectors),
        cmocka_unit_test(commitment_of_node_examples),
        cmocka_unit_test(commitment_steps),
        cmocka_unit_test(large_blobs),
        cmocka_unit_test(commitment_shapes),
        cmocka_unit_test(commitment_refused),
        cmocka_unit_test(commitment_without_memory),
        cmocka_unit_test(commitment_proof_vectors),
        cmocka_unit_test(commitment_proofs_of_own_square),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
