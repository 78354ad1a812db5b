/* celestia_util.h: what the tests of the Celestia code share: the vector files of a kind, their base64 and
 * hex values, row trees, and numbers that are the same in every run. */
#ifndef DSDN_TESTS_CELESTIA_UTIL_H
#define DSDN_TESTS_CELESTIA_UTIL_H

#include "adapters/celestia/merkle.h"
#include "adapters/celestia/namespace_data.h"
#include "tests/vectors.h"

#include <glob.h>
#include <jansson.h>
#include <sodium.h>

/* vector_glob lists $DSDN_VECTORS/celestia/<pattern>; no file of the kind skips the test.  Free with
 * globfree.
 */
static inline glob_t vector_glob(const char *pattern)
{
    char path[4096];
    glob_t files;
    const char *root = getenv("DSDN_VECTORS");
    if (!root) root = DSDN_SOURCE_DIR "/../shared/vectors";
    snprintf(path, sizeof path, "%s/celestia/%s", root, pattern);
    if (glob(path, 0, NULL, &files) != 0) {
        print_message("no test vectors %s\n", path);
        skip();
    }
    return files;
}

static inline json_t *vector_load(const char *path)
{
    json_error_t error;
    json_t *value = json_load_file(path, 0, &error);
    if (!value) fail_msg("%s: %s", path, error.text);
    return value;
}

/* The bytes of a text, owned by the caller: standard base64 or hex of either case.  A missing or null member
 * is empty. */
static inline struct dsdn_view vector_base64(const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text) return (struct dsdn_view){NULL, 0};
    size_t len = strlen(text), got;
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    assert_int_equal(
        sodium_base642bin(bytes, len + 1, text, len, NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL), 0);
    return (struct dsdn_view){bytes, got};
}

static inline struct dsdn_view vector_hex(const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text) return (struct dsdn_view){NULL, 0};
    size_t len = strlen(text) / 2;
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    assert_true(dsdn_hex_decode(text, len, bytes));
    return (struct dsdn_view){bytes, len};
}

static inline void view_free(struct dsdn_view v)
{
    free((void *)(uintptr_t)v.bytes);
}

/* An array of base64 texts as views; free with views_free. */
static inline struct dsdn_view *vector_views(const json_t *array, size_t *cnt)
{
    *cnt = json_array_size(array);
    struct dsdn_view *views = calloc(*cnt + 1, sizeof *views);
    assert_non_null(views);
    for (size_t i = 0; i < *cnt; i++) views[i] = vector_base64(json_array_get(array, i));
    return views;
}

static inline void views_free(const struct dsdn_view *views, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) view_free(views[i]);
    free((void *)(uintptr_t)views);
}

/* An array of base64 texts one behind the other; *whole says whether each had `len` bytes. */
static inline struct dsdn_view vector_joined(const json_t *array, size_t len, bool *whole)
{
    size_t cnt, total = 0;
    struct dsdn_view *views = vector_views(array, &cnt);
    *whole = true;
    for (size_t i = 0; i < cnt; i++) {
        if (views[i].len != len) *whole = false;
        total += views[i].len;
    }
    uint8_t *bytes = malloc(total + 1), *at = bytes;
    assert_non_null(bytes);
    for (size_t i = 0; i < cnt; at += views[i].len, i++)
        if (views[i].len) memcpy(at, views[i].bytes, views[i].len);
    views_free(views, cnt);
    return (struct dsdn_view){bytes, total};
}

/* The node's form of a proof: zero values are left out. */
static inline struct dsdn_nmt_proof vector_proof(const json_t *object)
{
    size_t cnt;
    const struct dsdn_view *nodes = vector_views(json_object_get(object, "nodes"), &cnt);
    return (struct dsdn_nmt_proof){.start = json_integer_value(json_object_get(object, "start")),
                                   .end = json_integer_value(json_object_get(object, "end")),
                                   .nodes = nodes,
                                   .node_cnt = (uint32_t)cnt,
                                   .leaf_hash = vector_base64(json_object_get(object, "leaf_hash")),
                                   .max_namespace_ignored =
                                       json_is_true(json_object_get(object, "is_max_namespace_ignored"))};
}

/* A 64-bit number: some files have it as a text. */
static inline uint64_t vector_number(const json_t *value)
{
    return json_is_string(value) ? strtoull(json_string_value(value), NULL, 10)
                                 : (uint64_t)json_integer_value(value);
}

/* CometBFT's form of a Merkle proof. */
static inline struct dsdn_merkle_proof vector_merkle_proof(const json_t *object)
{
    struct dsdn_merkle_proof p = {.total = vector_number(json_object_get(object, "total")),
                                  .index = vector_number(json_object_get(object, "index"))};
    size_t cnt;
    struct dsdn_view *aunts = vector_views(json_object_get(object, "aunts"), &cnt);
    struct dsdn_view leaf = vector_base64(json_object_get(object, "leaf_hash"));
    assert_true(cnt <= DSDN_MERKLE_AUNTS_MAX && leaf.len == 32);
    memcpy(p.leaf_hash, leaf.bytes, 32);
    for (p.aunt_cnt = 0; p.aunt_cnt < cnt; p.aunt_cnt++) {
        assert_int_equal(aunts[p.aunt_cnt].len, 32);
        memcpy(p.aunts[p.aunt_cnt], aunts[p.aunt_cnt].bytes, 32);
    }
    views_free(aunts, cnt);
    view_free(leaf);
    return p;
}

static inline void proof_free(struct dsdn_nmt_proof *proof)
{
    views_free(proof->nodes, proof->node_cnt);
    view_free(proof->leaf_hash);
}

static inline void expect_equal(const struct dsdn_view got, const void *bytes, size_t len)
{
    assert_int_equal(got.len, len);
    assert_memory_equal(got.bytes, bytes, len);
}

/* xorshift64*: the same numbers in every run. */
static uint64_t number_seed = 1;

static inline uint32_t number(uint32_t below)
{
    number_seed ^= number_seed >> 12;
    number_seed ^= number_seed << 25;
    number_seed ^= number_seed >> 27;
    return (uint32_t)((number_seed * 0x2545f4914f6cdd1dU) >> 33) % below;
}

static inline void number_fill(void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) ((uint8_t *)bytes)[i] = (uint8_t)number(256);
}

/* A user namespace with this last byte. */
static inline void user_namespace(uint8_t ns[DSDN_NAMESPACE_LEN], uint32_t number_of)
{
    memset(ns, 0, DSDN_NAMESPACE_LEN);
    ns[DSDN_NAMESPACE_LEN - 2] = (uint8_t)(1 + number_of / 256);
    ns[DSDN_NAMESPACE_LEN - 1] = (uint8_t)number_of;
}

/* The tree of an upper row of 2k shares side by side: k of data, k of parity; free it. */
static inline struct dsdn_nmt_node *row_tree(const uint8_t *shares, uint32_t k)
{
    struct dsdn_nmt_node *tree = calloc(DSDN_NMT_TREE_LEN(2 * k), sizeof *tree);
    assert_non_null(tree);
    dsdn_nmt_leaves(shares, DSDN_SHARE_LEN, k, NULL, tree);
    dsdn_nmt_leaves(shares + (size_t)k * DSDN_SHARE_LEN, DSDN_SHARE_LEN, k, dsdn_namespace_parity, tree + k);
    assert_int_equal(dsdn_nmt_build(tree, 2 * k, NULL), 0);
    return tree;
}

#endif
