/* Namespaced Merkle trees, their proofs, and the verdict on an answer of share.GetNamespaceData. */
#include "tests/celestia_util.h"

#include "adapters/celestia/commitment.h"
#include "adapters/celestia/merkle.h"
#include "log/hash.h"

/* ---- trees ---- */

static void row_levels(void **state)
{
    (void)state;
    glob_t files = vector_glob("nmt_row_levels*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *file = vector_load(files.gl_pathv[f]);
        const json_t *levels = json_object_get(file, "levels_hex");
        uint32_t leaf_cnt = (uint32_t)json_array_size(json_array_get(levels, 0));
        struct dsdn_nmt_node *expected = calloc(DSDN_NMT_TREE_LEN(leaf_cnt), sizeof *expected), *got,
                             *at = expected;
        got = calloc(DSDN_NMT_TREE_LEN(leaf_cnt), sizeof *got);
        assert_true(expected && got);
        for (size_t l = 0; l < json_array_size(levels); l++)
            for (size_t i = 0; i < json_array_size(json_array_get(levels, l)); i++, at++) {
                struct dsdn_view node = vector_hex(json_array_get(json_array_get(levels, l), i));
                assert_int_equal(node.len, DSDN_NMT_NODE_LEN);
                memcpy(at->bytes, node.bytes, node.len);
                view_free(node);
            }
        assert_int_equal(at - expected, DSDN_NMT_TREE_LEN(leaf_cnt));
        memcpy(got, expected, leaf_cnt * sizeof *got);
        assert_int_equal(dsdn_nmt_build(got, leaf_cnt, NULL), 0);
        assert_memory_equal(got, expected, DSDN_NMT_TREE_LEN(leaf_cnt) * sizeof *got);
        memcpy(got, expected, leaf_cnt * sizeof *got); /* in place, level by level */
        for (uint32_t cnt = leaf_cnt / 2; cnt; cnt /= 2) assert_true(dsdn_nmt_level(got, cnt, got));
        assert_memory_equal(got, at - 1, sizeof *got);
        free(expected);
        free(got);
        json_decref(file);
    }
    globfree(&files);
}

static void leaf_and_inner_by_definition(void **state)
{
    (void)state;
    uint8_t share[3 * DSDN_SHARE_LEN], preimage[1 + 29 + 512], digest[32];
    struct dsdn_nmt_node leaves[3], parent;
    number_fill(share, sizeof share);
    for (uint32_t i = 0; i < 3; i++) user_namespace(share + (size_t)i * 512, i);
    dsdn_nmt_leaves(share, DSDN_SHARE_LEN, 3, NULL, leaves);
    preimage[0] = 0;
    memcpy(preimage + 1, share + 512, 29);
    memcpy(preimage + 30, share + 512, 512);
    dsdn_sha256(preimage, sizeof preimage, digest);
    assert_memory_equal(dsdn_nmt_min(&leaves[1]), share + 512, 29);
    assert_memory_equal(dsdn_nmt_max(&leaves[1]), share + 512, 29);
    assert_memory_equal(dsdn_nmt_digest(&leaves[1]), digest, 32);
    dsdn_nmt_leaves(share + 512, 1024, 1, dsdn_namespace_parity, &leaves[2]);
    memset(preimage + 1, 255, 29);
    dsdn_sha256(preimage, sizeof preimage, digest);
    assert_memory_equal(dsdn_nmt_digest(&leaves[2]), digest, 32);

    assert_true(dsdn_nmt_inner(&leaves[0], &leaves[1], &parent));
    preimage[0] = 1;
    memcpy(preimage + 1, leaves, 180);
    dsdn_sha256(preimage, 181, digest);
    assert_memory_equal(dsdn_nmt_min(&parent), share, 29);
    assert_memory_equal(dsdn_nmt_max(&parent), share + 512, 29);
    assert_memory_equal(dsdn_nmt_digest(&parent), digest, 32);
    struct dsdn_nmt_node both = parent; /* parity to the right does not count */
    assert_true(dsdn_nmt_inner(&both, &leaves[2], &both));
    assert_memory_equal(dsdn_nmt_max(&both), share + 512, 29);
    assert_true(dsdn_nmt_inner(&leaves[2], &leaves[2], &both));
    assert_memory_equal(dsdn_nmt_min(&both), dsdn_namespace_parity, 29);
    assert_memory_equal(dsdn_nmt_max(&both), dsdn_namespace_parity, 29);
    assert_false(dsdn_nmt_inner(&leaves[1], &leaves[0], &both));
    both = leaves[0];
    both.bytes[0] = 1; /* smallest above largest */
    assert_false(dsdn_nmt_inner(&both, &leaves[2], &parent));
}

static void build_refuses(void **state)
{
    (void)state;
    uint8_t share[8 * DSDN_SHARE_LEN] = {0};
    struct dsdn_nmt_node tree[DSDN_NMT_TREE_LEN(8)];
    for (uint32_t i = 0; i < 8; i++) user_namespace(share + (size_t)i * 512, i);
    for (uint32_t i = 0; i < 7; i++) {
        dsdn_nmt_leaves(share, DSDN_SHARE_LEN, 8, NULL, tree);
        assert_int_equal(dsdn_nmt_build(tree, 8, NULL), 0);
        struct dsdn_nmt_node swap = tree[i];
        tree[i] = tree[i + 1], tree[i + 1] = swap;
        assert_int_equal(dsdn_nmt_build(tree, 8, NULL), DSDN_E_MALFORMED);
    }
    assert_int_equal(dsdn_nmt_build(tree, 0, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_nmt_build(tree, 6, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_nmt_build(tree, 2 * DSDN_NMT_LEAVES_MAX, NULL), DSDN_E_USAGE);
    assert_int_equal(dsdn_nmt_build(tree, 1, NULL), 0);
}

/* ---- answers of share.GetNamespaceData in files ---- */

struct answer {
    struct dsdn_namespace_row *rows;
    struct dsdn_share_run *runs;
    size_t cnt;
    bool whole; /* every share has 512 bytes: what a decoder makes sure of */
};

static struct answer answer_load(const json_t *array)
{
    struct answer a = {.cnt = json_array_size(array), .whole = true};
    a.rows = calloc(a.cnt + 1, sizeof *a.rows);
    a.runs = calloc(a.cnt + 1, sizeof *a.runs);
    assert_true(a.rows && a.runs);
    for (size_t i = 0; i < a.cnt; i++) {
        const json_t *row = json_array_get(array, i);
        bool whole;
        a.rows[i].shares = vector_joined(json_object_get(row, "shares"), DSDN_SHARE_LEN, &whole);
        a.rows[i].proof = vector_proof(json_object_get(row, "proof"));
        a.whole = a.whole && whole;
    }
    return a;
}

static void answer_free(struct answer *a)
{
    for (size_t i = 0; i < a->cnt; i++) {
        view_free(a->rows[i].shares);
        proof_free(&a->rows[i].proof);
    }
    free(a->rows);
    free(a->runs);
}

/* The blobs among the entries of a walk are the expected ones. */
static void expect_blobs(const json_t *expected, const struct dsdn_share_run *runs, size_t run_cnt)
{
    struct dsdn_blob_walk walk;
    struct dsdn_blob blob;
    size_t found = 0;
    dsdn_blob_walk_start(&walk, runs, run_cnt);
    for (; dsdn_blob_walk_next(&walk, &blob); found++) {
        const json_t *e = json_array_get(expected, found);
        uint8_t digest[32], commitment[32];
        assert_non_null(e);
        assert_int_equal(blob.kind, DSDN_BLOB_DATA);
        assert_int_equal(blob.ordinal, found);
        assert_int_equal(blob.index, json_integer_value(json_object_get(e, "eds_index")));
        assert_int_equal(blob.share_cnt, json_integer_value(json_object_get(e, "share_count")));
        assert_int_equal(blob.version, json_integer_value(json_object_get(e, "share_version")));
        assert_int_equal(blob.len, json_integer_value(json_object_get(e, "data_len")));
        struct dsdn_view signer = vector_base64(json_object_get(e, "signer_base64"));
        assert_int_equal(blob.signer != NULL, signer.len != 0);
        if (signer.len) expect_equal(signer, blob.signer, DSDN_SHARE_SIGNER_LEN);
        uint8_t *content = malloc(blob.len);
        assert_non_null(content);
        dsdn_blob_copy(&blob, content);
        dsdn_sha256(content, blob.len, digest);
        struct dsdn_view sha = vector_hex(json_object_get(e, "data_sha256"));
        expect_equal(sha, digest, 32);
        assert_int_equal(dsdn_commitment_blob(&blob, commitment, NULL), 0);
        struct dsdn_view named = vector_base64(json_object_get(e, "commitment_base64"));
        expect_equal(named, commitment, 32);
        free(content);
        view_free(signer), view_free(sha), view_free(named);
    }
    assert_int_equal(found, json_array_size(expected));
}

/* Every byte of every share, node and absent leaf of a true answer counts. */
static void refuse_each_byte(const struct answer *a, const uint8_t *ns, const struct dsdn_nmt_node *roots,
                             uint32_t root_cnt)
{
    for (size_t i = 0; i < a->cnt; i++) {
        const struct dsdn_nmt_proof *proof = &a->rows[i].proof;
        for (uint32_t part = 0; part < proof->node_cnt + 2; part++) {
            struct dsdn_view v = part < proof->node_cnt    ? proof->nodes[part]
                                 : part == proof->node_cnt ? proof->leaf_hash
                                                           : a->rows[i].shares;
            for (size_t at = 0; at < v.len; at++) {
                uint8_t *byte = (uint8_t *)(uintptr_t)v.bytes + at;
                *byte ^= (uint8_t)(1u << at % 8);
                if (!dsdn_namespace_data_verify(ns, roots, root_cnt, a->rows, a->cnt, NULL,
                                                &(struct dsdn_namespace_result){0}, NULL))
                    fail_msg("row %zu, part %u: byte %zu does not count", i, part, at);
                *byte ^= (uint8_t)(1u << at % 8);
            }
        }
    }
}

static void namespace_case(const char *path, const json_t *c, const struct dsdn_nmt_node *roots,
                           uint32_t root_cnt)
{
    const char *name = json_string_value(json_object_get(c, "name"));
    struct answer a = answer_load(json_object_get(c, "namespace_data"));
    struct dsdn_view ns = vector_hex(json_object_get(c, "namespace_hex"));
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_namespace_result result;
    bool valid = json_is_true(json_object_get(c, "valid"));
    size_t shares = 0;
    for (size_t i = 0; i < a.cnt; i++) shares += a.rows[i].shares.len / DSDN_SHARE_LEN;
    assert_int_equal(ns.len, DSDN_NAMESPACE_LEN);
    int rc = dsdn_namespace_data_verify(ns.bytes, roots, root_cnt, a.rows, a.cnt, a.runs, &result, &error);
    if (!a.whole) rc = DSDN_E_PROOF;
    if (valid != (rc == 0)) fail_msg("%s, %s: %s", path, name, rc ? error.message : "accepted");
    if (rc) {
        assert_int_equal(rc, DSDN_E_PROOF);
        assert_int_equal(result.verdict, DSDN_NAMESPACE_BAD_PROOF);
        assert_true(error.message[0] && (result.bad_row == UINT32_MAX || result.bad_row < a.cnt));
    } else {
        assert_int_equal(result.verdict, shares ? DSDN_NAMESPACE_PRESENT : DSDN_NAMESPACE_ABSENT);
        assert_int_equal(result.share_cnt, shares);
        assert_int_equal(result.run_cnt, shares ? a.cnt : 0);
        const json_t *blobs = json_object_get(c, "expected_blobs");
        if (blobs) expect_blobs(blobs, a.runs, result.run_cnt);
        assert_int_equal(
            dsdn_namespace_data_verify(ns.bytes, roots, root_cnt, a.rows, a.cnt, NULL, &result, NULL), 0);
        refuse_each_byte(&a, ns.bytes, roots, root_cnt);
    }
    view_free(ns);
    answer_free(&a);
}

static void namespace_data_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("namespace_data/*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *file = vector_load(files.gl_pathv[f]), *c;
        bool whole;
        size_t i;
        struct dsdn_view roots =
            vector_joined(json_object_get(file, "row_roots_base64"), DSDN_NMT_NODE_LEN, &whole);
        assert_true(whole);
        json_array_foreach(json_object_get(file, "cases"), i, c) namespace_case(
            files.gl_pathv[f], c, (const void *)roots.bytes, (uint32_t)(roots.len / DSDN_NMT_NODE_LEN));
        view_free(roots);
        json_decref(file);
    }
    globfree(&files);
}

/* ---- captured answers; which kind a file is, its members say ---- */

/* Where only a row was captured, the size of its square is the one that the number of nodes fits. */
static bool verifies_in_some_row(const struct dsdn_nmt_proof *proof, const uint8_t *ns,
                                 struct dsdn_view shares, struct dsdn_view root)
{
    assert_int_equal(root.len, DSDN_NMT_NODE_LEN);
    for (uint32_t leaves = 2; leaves <= DSDN_NMT_LEAVES_MAX; leaves *= 2)
        if (dsdn_nmt_verify(proof, ns, shares.bytes, shares.len / DSDN_SHARE_LEN, leaves,
                            (const void *)root.bytes, NULL) == 0)
            return true;
    return false;
}

static void captured_presence(const json_t *file)
{
    struct answer a = answer_load(json_object_get(file, "response_result"));
    struct dsdn_view ns = vector_base64(json_object_get(file, "namespace_base64"));
    struct dsdn_view root = vector_base64(json_object_get(file, "derived_row_root_base64"));
    assert_true(a.whole && a.cnt == 1 && ns.len == DSDN_NAMESPACE_LEN);
    assert_true(verifies_in_some_row(&a.rows[0].proof, ns.bytes, a.rows[0].shares, root));
    uint8_t *byte = (uint8_t *)(uintptr_t)a.rows[0].shares.bytes + 100;
    *byte ^= 1;
    assert_false(verifies_in_some_row(&a.rows[0].proof, ns.bytes, a.rows[0].shares, root));
    view_free(ns), view_free(root);
    answer_free(&a);
}

static void captured_absence(const json_t *file)
{
    struct dsdn_nmt_proof proof = vector_proof(json_object_get(file, "proof"));
    struct dsdn_view root = vector_base64(json_object_get(file, "derived_row_root_base64"));
    static const char *const lists[] = {"namespaces_not_proved_absent_hex", "namespaces_proved_absent_hex"};
    for (size_t proved = 0; proved < 2; proved++) {
        const json_t *list = json_object_get(file, lists[proved]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            struct dsdn_view ns = vector_hex(json_array_get(list, i));
            assert_int_equal(verifies_in_some_row(&proof, ns.bytes, (struct dsdn_view){NULL, 0}, root),
                             proved);
            view_free(ns);
        }
    }
    view_free(root);
    proof_free(&proof);
}

/* One blob over several rows, in the consensus form of a proof, with the row and column roots. */
static void captured_shares(const json_t *file)
{
    const json_t *proof = json_object_get(file, "share_proof"), *dah = json_object_get(file, "dah");
    const json_t *row_proof = json_object_get(proof, "row_proof"), *facts = json_object_get(file, "derived");
    const json_t *ranges = json_object_get(proof, "share_proofs"),
                 *rows = json_object_get(row_proof, "proofs");
    uint32_t start_row = (uint32_t)json_integer_value(json_object_get(row_proof, "start_row"));
    bool whole, whole_rows, whole_columns;
    struct dsdn_view shares = vector_joined(json_object_get(proof, "data"), DSDN_SHARE_LEN, &whole),
                     left = shares;
    struct dsdn_view roots = vector_joined(json_object_get(dah, "row_roots"), DSDN_NMT_NODE_LEN, &whole_rows);
    struct dsdn_view columns =
        vector_joined(json_object_get(dah, "column_roots"), DSDN_NMT_NODE_LEN, &whole_columns);
    struct dsdn_view ns = vector_hex(json_object_get(facts, "namespace_hex"));
    struct dsdn_view data_root = vector_hex(json_object_get(facts, "data_root_hex"));
    uint32_t root_cnt = (uint32_t)(roots.len / DSDN_NMT_NODE_LEN);
    struct answer a = {.cnt = json_array_size(ranges)};
    struct dsdn_namespace_result result;
    assert_true(whole && whole_rows && whole_columns && columns.len == roots.len);

    uint8_t *both = malloc(2 * roots.len), root[32];
    assert_non_null(both);
    memcpy(both, roots.bytes, roots.len);
    memcpy(both + roots.len, columns.bytes, roots.len);
    dsdn_merkle_root_fixed(both, DSDN_NMT_NODE_LEN, 2 * root_cnt, root);
    expect_equal(data_root, root, 32);

    a.rows = calloc(a.cnt, sizeof *a.rows);
    a.runs = calloc(a.cnt, sizeof *a.runs);
    assert_true(a.rows && a.runs);
    for (size_t i = 0; i < a.cnt; i++) {
        const json_t *row = json_array_get(rows, i);
        struct dsdn_nmt_proof *p = &a.rows[i].proof;
        struct dsdn_merkle_proof place = vector_merkle_proof(row);
        *p = vector_proof(json_array_get(ranges, i));
        p->max_namespace_ignored = true; /* this form of a proof leaves it out */
        a.rows[i].shares = (struct dsdn_view){left.bytes, (size_t)(p->end - p->start) * DSDN_SHARE_LEN};
        assert_true(a.rows[i].shares.len <= left.len);
        left.bytes += a.rows[i].shares.len, left.len -= a.rows[i].shares.len;

        assert_int_equal(dsdn_merkle_verify(&place, roots.bytes + (start_row + i) * DSDN_NMT_NODE_LEN,
                                            DSDN_NMT_NODE_LEN, data_root.bytes, NULL),
                         0);
    }
    assert_int_equal(left.len, 0);
    assert_int_equal(dsdn_namespace_data_verify(ns.bytes, (const void *)roots.bytes, root_cnt, a.rows, a.cnt,
                                                a.runs, &result, NULL),
                     0);
    struct dsdn_blob_walk walk;
    struct dsdn_blob blob;
    dsdn_blob_walk_start(&walk, a.runs, result.run_cnt);
    assert_true(dsdn_blob_walk_next(&walk, &blob));
    assert_int_equal(blob.len, json_integer_value(json_object_get(facts, "blob_len")));
    assert_int_equal(dsdn_commitment_blob(&blob, root, NULL), 0);
    struct dsdn_view commitment = vector_base64(json_object_get(facts, "commitment_base64"));
    expect_equal(commitment, root, 32);
    for (size_t i = 0; i < a.cnt; i++) proof_free(&a.rows[i].proof);
    free(a.rows), free(a.runs), free(both);
    view_free(shares), view_free(roots), view_free(columns), view_free(ns), view_free(data_root);
    view_free(commitment);
}

static void captured_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("captured/*.json");
    size_t known = 0;
    for (size_t f = 0; f < files.gl_pathc; f++, known++) {
        json_t *file = vector_load(files.gl_pathv[f]);
        if (json_object_get(file, "response_result"))
            captured_presence(file);
        else if (json_object_get(file, "namespaces_proved_absent_hex"))
            captured_absence(file);
        else if (json_object_get(file, "share_proof"))
            captured_shares(file);
        else
            known--;
        json_decref(file);
    }
    globfree(&files);
    if (!known) skip();
}

/* The node's example of a blob proof: one range proof a row, without the shares.  Its form at least: as many
 * nodes as the range needs in a row of some size. */
static void proof_of_node_examples(void **state)
{
    (void)state;
    glob_t files = vector_glob("node_examples/*roof*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *array = vector_load(files.gl_pathv[f]), *object;
        size_t i;
        json_array_foreach(array, i, object)
        {
            struct dsdn_nmt_proof proof = vector_proof(object);
            bool fits = false;
            assert_true(proof.max_namespace_ignored && proof.leaf_hash.len == 0);
            for (uint32_t leaves = 2; leaves <= DSDN_NMT_LEAVES_MAX && proof.end <= 512; leaves *= 2)
                fits = fits ||
                       (proof.end <= leaves &&
                        proof.node_cnt == (uint32_t)__builtin_popcountll((uint64_t)proof.start) +
                                              (uint32_t)__builtin_popcountll(leaves - (uint64_t)proof.end));
            assert_true(fits);
            for (uint32_t n = 0; n < proof.node_cnt; n++) {
                assert_int_equal(proof.nodes[n].len, DSDN_NMT_NODE_LEN);
                assert_true(dsdn_namespace_compare(proof.nodes[n].bytes, proof.nodes[n].bytes + 29) <= 0);
            }
            proof_free(&proof);
        }
        json_decref(array);
    }
    globfree(&files);
}

/* ---- a captured square: its trees, and proofs made from them ---- */

static void prove_everything(const uint8_t *square, uint32_t k, const struct dsdn_nmt_node *roots);

static void captured_squares(void **state)
{
    (void)state;
    glob_t files = vector_glob("lumina_shwap_samples*/*eds*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        char path[4096];
        const char *name = files.gl_pathv[f], *at = strstr(strrchr(name, '/'), "eds");
        snprintf(path, sizeof path, "%.*sdah%s", (int)(at - name), name, at + 3);
        json_t *eds = vector_load(name), *dah = vector_load(path);
        bool whole_shares, whole_rows, whole_columns;
        struct dsdn_view shares =
            vector_joined(json_object_get(eds, "data_square"), DSDN_SHARE_LEN, &whole_shares);
        struct dsdn_view rows =
            vector_joined(json_object_get(dah, "row_roots"), DSDN_NMT_NODE_LEN, &whole_rows);
        struct dsdn_view columns =
            vector_joined(json_object_get(dah, "column_roots"), DSDN_NMT_NODE_LEN, &whole_columns);
        uint32_t side = (uint32_t)(rows.len / DSDN_NMT_NODE_LEN), k = side / 2;
        struct dsdn_nmt_node *tree = calloc(DSDN_NMT_TREE_LEN(side), sizeof *tree);
        assert_true(whole_shares && whole_rows && whole_columns && tree);
        assert_int_equal(shares.len, (size_t)side * side * DSDN_SHARE_LEN);
        for (uint32_t i = 0; i < side; i++)
            for (uint32_t column = 0; column < 2; column++) {
                size_t stride = (size_t)(column ? side : 1) * DSDN_SHARE_LEN;
                const uint8_t *first = shares.bytes + (size_t)i * (column ? 1 : side) * DSDN_SHARE_LEN;
                const uint8_t *ns = i < k ? NULL : dsdn_namespace_parity;
                dsdn_nmt_leaves(first, stride, k, ns, tree);
                dsdn_nmt_leaves(first + k * stride, stride, k, dsdn_namespace_parity, tree + k);
                assert_int_equal(dsdn_nmt_build(tree, side, NULL), 0);
                assert_memory_equal(&tree[DSDN_NMT_TREE_LEN(side) - 1],
                                    (column ? columns : rows).bytes + (size_t)i * DSDN_NMT_NODE_LEN,
                                    DSDN_NMT_NODE_LEN);
            }
        prove_everything(shares.bytes, k, (const void *)rows.bytes);
        free(tree);
        view_free(shares), view_free(rows), view_free(columns);
        json_decref(eds), json_decref(dah);
    }
    globfree(&files);
}

/* ---- properties over squares of random namespaces ---- */

enum { K_MAX = 32 };

/* An answer as an honest node gives it, for the upper half of a square; the trees stay with it. */
struct made {
    struct dsdn_namespace_row rows[K_MAX];
    struct dsdn_view nodes[K_MAX][DSDN_NMT_NODES_MAX];
    struct dsdn_share_run runs[K_MAX];
    size_t cnt;
    bool present;
};

static void made_fill(struct made *m, const uint8_t *square, struct dsdn_nmt_node *const *trees, uint32_t k,
                      const uint8_t *ns)
{
    m->cnt = 0, m->present = false;
    for (uint32_t i = 0; i < k; i++) {
        struct dsdn_namespace_row *row = &m->rows[m->cnt];
        enum dsdn_nmt_found found =
            dsdn_nmt_prove_namespace(trees[i], 2 * k, ns, m->nodes[m->cnt], &row->proof);
        if (found == DSDN_NMT_OUTSIDE) continue;
        const uint8_t *first = square + ((size_t)i * 2 * k + (size_t)row->proof.start) * DSDN_SHARE_LEN;
        row->shares = (struct dsdn_view){NULL, 0};
        if (found == DSDN_NMT_PRESENT) {
            row->shares =
                (struct dsdn_view){first, (size_t)(row->proof.end - row->proof.start) * DSDN_SHARE_LEN};
            m->present = true;
        }
        m->cnt++;
    }
}

/* For every namespace of a square and those beside it: the honest answer is accepted, its shares are all that
 * the square has, and answers about other rows are not. */
static void prove_everything(const uint8_t *square, uint32_t k, const struct dsdn_nmt_node *roots)
{
    static struct made m;
    struct dsdn_nmt_node *trees[K_MAX];
    struct dsdn_namespace_result result;
    for (uint32_t i = 0; i < k; i++) trees[i] = row_tree(square + (size_t)i * 2 * k * DSDN_SHARE_LEN, k);
    for (uint32_t at = 0; at < k * k; at++)
        for (int step = -1; step <= 1; step++) {
            uint8_t ns[DSDN_NAMESPACE_LEN];
            uint64_t count = 0, first = UINT64_MAX;
            memcpy(ns, square + ((size_t)(at / k) * 2 * k + at % k) * DSDN_SHARE_LEN, sizeof ns);
            if (dsdn_namespace_compare(ns, dsdn_namespace_tail_padding) >= 0) continue;
            ns[28] = (uint8_t)(ns[28] + step);
            for (uint32_t row = 0; row < k; row++)
                for (uint32_t column = 0; column < k; column++) {
                    uint64_t place = (uint64_t)row * 2 * k + column;
                    if (dsdn_namespace_compare(square + place * DSDN_SHARE_LEN, ns) != 0) continue;
                    count++;
                    if (first == UINT64_MAX) first = place;
                }
            made_fill(&m, square, trees, k, ns);
            assert_int_equal(
                dsdn_namespace_data_verify(ns, roots, 2 * k, m.rows, m.cnt, m.runs, &result, NULL), 0);
            assert_int_equal(result.verdict, count ? DSDN_NAMESPACE_PRESENT : DSDN_NAMESPACE_ABSENT);
            assert_int_equal(result.share_cnt, count);
            if (count) assert_int_equal(m.runs[0].index, first);
            if (!m.cnt) continue;
            assert_int_equal(
                dsdn_namespace_data_verify(ns, roots, 2 * k, m.rows, m.cnt - 1, m.runs, &result, NULL),
                DSDN_E_PROOF);
            assert_int_equal(result.bad_row, UINT32_MAX);
            if (m.cnt < 2) continue;
            m.rows[0] = m.rows[1];
            assert_int_equal(
                dsdn_namespace_data_verify(ns, roots, 2 * k, m.rows, m.cnt, m.runs, &result, NULL),
                DSDN_E_PROOF);
            assert_int_equal(result.bad_row, 0);
        }
    for (uint32_t i = 0; i < k; i++) free(trees[i]);
}

/* A square with ascending namespaces and its row roots; what stands for parity need not be any. */
static void random_square(uint8_t *square, uint32_t k, uint32_t spread, struct dsdn_nmt_node *roots)
{
    uint32_t name = 2;
    number_fill(square, (size_t)4 * k * k * DSDN_SHARE_LEN);
    for (uint32_t i = 0; i < 2 * k; i++) {
        uint8_t *row = square + (size_t)i * 2 * k * DSDN_SHARE_LEN;
        for (uint32_t n = 0; i < k && n < k; n++) {
            if (number(spread) == 0) name += 1 + number(3);
            user_namespace(row + (size_t)n * DSDN_SHARE_LEN, name);
        }
        if (i < k) {
            struct dsdn_nmt_node *tree = row_tree(row, k);
            roots[i] = tree[DSDN_NMT_TREE_LEN(2 * k) - 1];
            free(tree);
        } else {
            memset(roots[i].bytes, 255, 58);
            number_fill(roots[i].bytes + 58, 32);
        }
    }
}

static void proofs_of_random_squares(void **state)
{
    (void)state;
    static uint8_t square[4 * 16 * 16 * DSDN_SHARE_LEN];
    struct dsdn_nmt_node roots[32];
    static const uint32_t spreads[] = {1, 2, 5, 40};
    for (uint32_t k = 1; k <= 16; k *= 2)
        for (size_t s = 0; s < 4; s++) {
            random_square(square, k, spreads[s], roots);
            prove_everything(square, k, roots);
        }
}

/* Range proofs: any range of shares of one namespace that is not all of them is refused, and that only
 * because of completeness: as a namespace of its own the same range is accepted. */
static void ranges_are_complete(void **state)
{
    (void)state;
    enum { K = 16 };
    static uint8_t row[2 * K * DSDN_SHARE_LEN];
    struct dsdn_view nodes[DSDN_NMT_NODES_MAX];
    struct dsdn_nmt_proof proof;
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (uint32_t start = 0; start < K; start++)
        for (uint32_t end = start + 1; end <= K; end++)
            for (int whole = 0; whole < 2; whole++) {
                number_fill(row, sizeof row);
                for (uint32_t i = 0; i < K; i++)
                    user_namespace(row + (size_t)i * DSDN_SHARE_LEN, whole && i < start  ? 4
                                                                     : whole && i >= end ? 6
                                                                                         : 5);
                struct dsdn_nmt_node *tree = row_tree(row, K), *root = &tree[DSDN_NMT_TREE_LEN(2 * K) - 1];
                dsdn_nmt_prove(tree, 2 * K, start, end, nodes, &proof);
                int rc =
                    dsdn_nmt_verify(&proof, row + (size_t)start * DSDN_SHARE_LEN,
                                    row + (size_t)start * DSDN_SHARE_LEN, end - start, 2 * K, root, &error);
                bool all = whole || (start == 0 && end == K);
                assert_int_equal(rc, all ? 0 : DSDN_E_PROOF);
                if (!all) assert_non_null(strstr(error.message, "withheld"));
                free(tree);
            }
}

struct small {
    uint8_t row[16 * DSDN_SHARE_LEN];
    struct dsdn_nmt_node *tree;
    struct dsdn_nmt_node root;
    struct dsdn_view nodes[DSDN_NMT_NODES_MAX];
    uint8_t copies[DSDN_NMT_NODES_MAX][DSDN_NMT_NODE_LEN], leaf[DSDN_NMT_NODE_LEN];
    struct dsdn_nmt_proof proof;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    uint8_t *shares;
    size_t cnt;
};

/* A row of 16: namespaces 1 1 2 2 2 5 6 7 and parity; a proof about `name` whose bytes are its own. */
static void small_make(struct small *s, uint32_t name)
{
    static const uint8_t names[8] = {1, 1, 2, 2, 2, 5, 6, 7};
    number_fill(s->row, sizeof s->row);
    for (size_t i = 0; i < 8; i++) user_namespace(s->row + i * DSDN_SHARE_LEN, names[i]);
    s->tree = row_tree(s->row, 8);
    s->root = s->tree[DSDN_NMT_TREE_LEN(16) - 1];
    user_namespace(s->ns, name);
    enum dsdn_nmt_found found = dsdn_nmt_prove_namespace(s->tree, 16, s->ns, s->nodes, &s->proof);
    assert_int_not_equal(found, DSDN_NMT_OUTSIDE);
    for (uint32_t i = 0; i < s->proof.node_cnt; i++) {
        memcpy(s->copies[i], s->nodes[i].bytes, DSDN_NMT_NODE_LEN);
        s->nodes[i].bytes = s->copies[i];
    }
    s->cnt = found == DSDN_NMT_PRESENT ? (size_t)(s->proof.end - s->proof.start) : 0;
    s->shares = s->row + (size_t)s->proof.start * DSDN_SHARE_LEN;
    if (!s->cnt) {
        memcpy(s->leaf, s->proof.leaf_hash.bytes, DSDN_NMT_NODE_LEN);
        s->proof.leaf_hash.bytes = s->leaf;
    }
}

static int small_verify(struct small *s)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    int rc = dsdn_nmt_verify(&s->proof, s->ns, s->shares, s->cnt, 16, &s->root, &error);
    assert_int_equal(rc, error.code);
    assert_true(!rc || error.message[0]);
    return rc;
}

static void refuse_each_bit(struct small *s, uint8_t *bytes, size_t len)
{
    for (size_t bit = 0; bit < 8 * len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(small_verify(s), DSDN_E_PROOF);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(small_verify(s), 0);
}

static void every_corruption_is_refused(void **state)
{
    (void)state;
    static const uint8_t names[] = {1, 2, 3, 4, 5, 6, 7};
    static struct small s;
    for (size_t n = 0; n < sizeof names; n++) {
        small_make(&s, names[n]);
        assert_int_equal(s.cnt == 0, names[n] == 3 || names[n] == 4);
        assert_int_equal(small_verify(&s), 0);
        refuse_each_bit(&s, s.shares, s.cnt * DSDN_SHARE_LEN);
        for (uint32_t i = 0; i < s.proof.node_cnt; i++) refuse_each_bit(&s, s.copies[i], DSDN_NMT_NODE_LEN);
        if (!s.cnt) refuse_each_bit(&s, s.leaf, DSDN_NMT_NODE_LEN);
        refuse_each_bit(&s, s.root.bytes, DSDN_NMT_NODE_LEN);
        if (s.cnt) refuse_each_bit(&s, s.ns, DSDN_NAMESPACE_LEN);

        struct dsdn_nmt_proof good = s.proof; /* any other range, hostile ones included */
        for (int64_t start = -2; start < 20; start++)
            for (int64_t end = -2; end < 20; end++) {
                s.proof.start = start, s.proof.end = end;
                assert_int_equal(small_verify(&s), start == good.start && end == good.end ? 0 : DSDN_E_PROOF);
            }
        static const int64_t ends[] = {INT32_MAX, INT64_MAX, INT64_MIN, UINT32_MAX, INT64_C(1) << 32};
        for (size_t i = 0; i < 5; i++) {
            s.proof = good, s.proof.end = ends[i];
            assert_int_equal(small_verify(&s), DSDN_E_PROOF);
            s.proof = good, s.proof.start = ends[i];
            assert_int_equal(small_verify(&s), DSDN_E_PROOF);
            s.proof = good, s.proof.start += INT64_C(1) << 32, s.proof.end += INT64_C(1) << 32;
            assert_int_equal(small_verify(&s), DSDN_E_PROOF);
        }
        s.proof = good;
        for (uint32_t i = 0; i < good.node_cnt; i++) { /* truncations of the list and of each node */
            s.proof.node_cnt = i;
            assert_int_equal(small_verify(&s), DSDN_E_PROOF);
            s.proof.node_cnt = good.node_cnt;
            for (size_t len = 0; len < DSDN_NMT_NODE_LEN; len++) {
                s.nodes[i].len = len;
                assert_int_equal(small_verify(&s), DSDN_E_PROOF);
            }
            s.nodes[i].len = DSDN_NMT_NODE_LEN;
        }
        s.nodes[good.node_cnt] = (struct dsdn_view){s.root.bytes, DSDN_NMT_NODE_LEN};
        s.proof.node_cnt++;
        assert_int_equal(small_verify(&s), DSDN_E_PROOF);
        s.proof = good;
        s.proof.max_namespace_ignored = false;
        assert_int_equal(small_verify(&s), DSDN_E_PROOF);
        s.proof = good;
        size_t cnt = s.cnt;
        for (s.cnt = 0; s.cnt < 8; s.cnt++) /* other numbers of shares */
            if (s.cnt != cnt && s.cnt + (size_t)good.start <= 16)
                assert_int_equal(small_verify(&s), DSDN_E_PROOF);
        s.cnt = cnt;
        if (cnt) { /* absence and presence at once */
            s.proof.leaf_hash = (struct dsdn_view){s.tree[7].bytes, DSDN_NMT_NODE_LEN};
            assert_int_equal(small_verify(&s), DSDN_E_PROOF);
            s.proof = good;
        } else {
            for (s.proof.leaf_hash.len = 0; s.proof.leaf_hash.len < DSDN_NMT_NODE_LEN;
                 s.proof.leaf_hash.len++)
                assert_int_equal(small_verify(&s), DSDN_E_PROOF);
            s.proof = good;
        }
        for (uint32_t leaves = 0; leaves <= 4096; leaves = leaves ? leaves * 2 : 1) /* other tree sizes */
            if (leaves != 16)
                assert_int_not_equal(dsdn_nmt_verify(&s.proof, s.ns, s.shares, s.cnt, leaves, &s.root, NULL),
                                     0);
        assert_int_equal(small_verify(&s), 0);
        free(s.tree);
    }
}

static void expect_reason(struct small *s, const char *reason)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(dsdn_nmt_verify(&s->proof, s->ns, s->shares, s->cnt, 16, &s->root, &error),
                     DSDN_E_PROOF);
    assert_non_null(strstr(error.message, reason));
}

/* An inner node in place of a leaf would prove absence for what is below it: its range gives it away, even in
 * a tree that was made with it. */
static void inner_node_is_no_leaf(void **state)
{
    (void)state;
    static struct small s;
    small_make(&s, 3);
    s.proof.leaf_hash = (struct dsdn_view){s.tree[16 + 3].bytes, DSDN_NMT_NODE_LEN}; /* over 6 and 7 */
    expect_reason(&s, "is no leaf");
    user_namespace(s.tree[5].bytes + DSDN_NAMESPACE_LEN, 6); /* from 5 to 6 */
    assert_int_equal(dsdn_nmt_build(s.tree, 16, NULL), 0);
    s.root = s.tree[DSDN_NMT_TREE_LEN(16) - 1];
    dsdn_nmt_prove(s.tree, 16, 5, 6, s.nodes, &s.proof);
    s.proof.leaf_hash = (struct dsdn_view){s.tree[5].bytes, DSDN_NMT_NODE_LEN};
    expect_reason(&s, "is no leaf");
    free(s.tree);
}

/* What the root would give away too, but is refused before anything is computed from it. */
static void ranges_are_bounded(void **state)
{
    (void)state;
    static struct small s;
    static uint8_t more[DSDN_NMT_LEAVES_MAX * DSDN_SHARE_LEN];
    small_make(&s, 3);
    s.proof.end = s.proof.start + 2; /* two leaves behind one hash */
    s.proof.node_cnt = (uint32_t)(__builtin_popcountll((uint64_t)s.proof.start) +
                                  __builtin_popcountll((uint64_t)(16 - s.proof.end)));
    expect_reason(&s, "one leaf");
    free(s.tree);
    small_make(&s, 2); /* one share more than the range has */
    for (size_t i = 0; i <= s.cnt; i++)
        memcpy(more + i * DSDN_SHARE_LEN, s.shares + i % s.cnt * DSDN_SHARE_LEN, DSDN_SHARE_LEN);
    s.shares = more, s.cnt++;
    expect_reason(&s, "4 shares");
    free(s.tree);
    for (size_t i = 0; i < DSDN_NMT_LEAVES_MAX; i++) /* the largest row, parity in it called data */
        memcpy(more + i * DSDN_SHARE_LEN, s.ns, DSDN_NAMESPACE_LEN);
    s.proof = (struct dsdn_nmt_proof){.end = DSDN_NMT_LEAVES_MAX, .max_namespace_ignored = true};
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(
        dsdn_nmt_verify(&s.proof, s.ns, more, DSDN_NMT_LEAVES_MAX, DSDN_NMT_LEAVES_MAX, &s.root, &error),
        DSDN_E_PROOF);
    assert_non_null(strstr(error.message, "parity"));
}

static void namespace_data_refuses(void **state)
{
    (void)state;
    enum { K = 4 };
    static uint8_t square[4 * K * K * DSDN_SHARE_LEN];
    struct dsdn_nmt_node roots[2 * K], changed[2 * K];
    struct dsdn_namespace_result result;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    static struct made m;
    struct dsdn_nmt_node *trees[K];
    random_square(square, K, 6, roots);
    for (uint32_t i = 0; i < K; i++) trees[i] = row_tree(square + (size_t)i * 2 * K * DSDN_SHARE_LEN, K);
    memcpy(ns, square, sizeof ns);
    made_fill(&m, square, trees, K, ns);
    assert_true(m.present);
    assert_int_equal(dsdn_namespace_data_verify(ns, roots, 2 * K, m.rows, m.cnt, m.runs, &result, NULL), 0);
    static const uint32_t counts[] = {0, 1, 3, 6, 7, 2048, UINT32_MAX};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(
            dsdn_namespace_data_verify(ns, roots, counts[i], m.rows, m.cnt, m.runs, &result, NULL),
            DSDN_E_MALFORMED);
    for (size_t i = 0; i < 2 * K; i++) { /* ranges that no row of a square has */
        memcpy(changed, roots, sizeof roots);
        if (i < K)
            changed[i].bytes[0] = 254; /* above the largest */
        else
            changed[i].bytes[5] = 0;
        assert_int_equal(dsdn_namespace_data_verify(ns, changed, 2 * K, m.rows, m.cnt, m.runs, &result, NULL),
                         DSDN_E_MALFORMED);
        assert_int_equal(result.verdict, DSDN_NAMESPACE_BAD_PROOF);
    }
    assert_int_equal(
        dsdn_namespace_data_verify(dsdn_namespace_parity, roots, 2 * K, NULL, 0, NULL, &result, NULL),
        DSDN_E_USAGE);
    assert_int_equal(
        dsdn_namespace_data_verify(dsdn_namespace_tail_padding, roots, 2 * K, NULL, 0, NULL, &result, NULL),
        DSDN_E_USAGE);
    m.rows[0].shares.len++;
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(dsdn_namespace_data_verify(ns, roots, 2 * K, m.rows, m.cnt, m.runs, &result, &error),
                     DSDN_E_PROOF);
    assert_int_equal(result.bad_row, 0);
    assert_non_null(strstr(error.message, "row 0 of the square"));
    for (uint32_t i = 0; i < K; i++) free(trees[i]);
}

/* Rows that are in no order: one shows that the namespace is absent, the next one has it. */
static void absent_and_present(void **state)
{
    (void)state;
    enum { K = 2 };
    static uint8_t square[4 * K * K * DSDN_SHARE_LEN];
    static const uint8_t names[K][K] = {{3, 5}, {4, 4}};
    struct dsdn_nmt_node roots[2 * K], *trees[K];
    struct dsdn_namespace_result result;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    static struct made m;
    memset(roots, 255, sizeof roots);
    for (uint32_t i = 0; i < K; i++) {
        uint8_t *row = square + (size_t)i * 2 * K * DSDN_SHARE_LEN;
        for (uint32_t n = 0; n < K; n++) user_namespace(row + (size_t)n * DSDN_SHARE_LEN, names[i][n]);
        trees[i] = row_tree(row, K);
        roots[i] = trees[i][DSDN_NMT_TREE_LEN(2 * K) - 1];
    }
    user_namespace(ns, 4);
    made_fill(&m, square, trees, K, ns);
    assert_true(m.present && m.cnt == 2);
    assert_int_equal(dsdn_namespace_data_verify(ns, roots, 2 * K, m.rows, m.cnt, m.runs, &result, &error),
                     DSDN_E_PROOF);
    assert_non_null(strstr(error.message, "absence is claimed"));
    for (uint32_t i = 0; i < K; i++) free(trees[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_levels),
        cmocka_unit_test(leaf_and_inner_by_definition),
        cmocka_unit_test(build_refuses),
        cmocka_unit_test(namespace_data_vectors),
        cmocka_unit_test(captured_vectors),
        cmocka_unit_test(proof_of_node_examples),
        cmocka_unit_test(captured_squares),
        cmocka_unit_test(proofs_of_random_squares),
        cmocka_unit_test(ranges_are_complete),
        cmocka_unit_test(every_corruption_is_refused),
        cmocka_unit_test(inner_node_is_no_leaf),
        cmocka_unit_test(ranges_are_bounded),
        cmocka_unit_test(namespace_data_refuses),
        cmocka_unit_test(absent_and_present),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
