/* Answers about a namespace, made up from pieces of the true tree.  Input: k u8 (its logarithm), a namespace
 * number u8, k steps u8 between the namespaces of the row; then the answer: flags u8 (1: absence, 2: the "max
 * namespace ignored" flag is missing), start u8, end u8, places u8 of shares and leaf, number of nodes u8,
 * and for each one u8: a node of the tree, or above 200 one of the 90 bytes that follow. What is accepted
 * must be true: the shares are all of the namespace, or it has none. */
#include "tests/fuzz/fuzz.h"

#include "adapters/celestia/namespace_data.h"

enum { K_MAX = 8, NODES = 24, RAW = 200 };

static uint8_t row[2 * K_MAX * DSDN_SHARE_LEN], raw[NODES + 1][DSDN_NMT_NODE_LEN];
static struct dsdn_nmt_node tree[DSDN_NMT_TREE_LEN(2 * K_MAX)], roots[2 * K_MAX];

static void name(uint8_t *ns, uint32_t number)
{
    memset(ns, 0, DSDN_NAMESPACE_LEN);
    dsdn_store16(ns + 26, 1);
    ns[28] = (uint8_t)number;
}

static void make_row(struct input *in, uint32_t k)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t number = 3;
    for (size_t i = 0; i < sizeof row; i++) row[i] = (uint8_t)(i * 31 + i / DSDN_SHARE_LEN);
    for (uint32_t i = 0; i < k; i++) {
        number += take8(in) % 4;
        name(row + (size_t)i * DSDN_SHARE_LEN, number);
    }
    dsdn_nmt_leaves(row, DSDN_SHARE_LEN, k, NULL, tree);
    dsdn_nmt_leaves(row + (size_t)k * DSDN_SHARE_LEN, DSDN_SHARE_LEN, k, dsdn_namespace_parity, tree + k);
    CHECK_OK(dsdn_nmt_build(tree, 2 * k, &error), &error);
    roots[0] = tree[DSDN_NMT_TREE_LEN(2 * k) - 1];
    for (uint32_t i = 1; i < 2 * k; i++) { /* rows of tail padding, and parity */
        memset(roots[i].bytes, 255, DSDN_NMT_NODE_LEN);
        if (i < k) roots[i].bytes[28] = roots[i].bytes[57] = 254;
    }
}

static struct dsdn_view take_node(struct input *in, uint32_t k, uint8_t bytes[DSDN_NMT_NODE_LEN])
{
    uint8_t which = take8(in);
    if (which <= RAW)
        return (struct dsdn_view){tree[which % DSDN_NMT_TREE_LEN(2 * k)].bytes, DSDN_NMT_NODE_LEN};
    size_t len = in->left < DSDN_NMT_NODE_LEN ? in->left : DSDN_NMT_NODE_LEN;
    memcpy(bytes, in->at, len);
    in->at += len, in->left -= len;
    return (struct dsdn_view){bytes, len};
}

/* The honest answer is accepted, and nothing but it. */
static void check_truth(uint32_t k, const uint8_t *ns, const struct dsdn_namespace_row *given, int rc,
                        const struct dsdn_namespace_result *result)
{
    struct dsdn_view nodes[DSDN_NMT_NODES_MAX];
    struct dsdn_namespace_row honest = {.shares = {NULL, 0}};
    struct dsdn_namespace_result truth;
    struct dsdn_share_run run;
    struct dsdn_error error = DSDN_ERROR_INIT;
    enum dsdn_nmt_found found = dsdn_nmt_prove_namespace(tree, 2 * k, ns, nodes, &honest.proof);
    if (found == DSDN_NMT_PRESENT)
        honest.shares = (struct dsdn_view){row + (size_t)honest.proof.start * DSDN_SHARE_LEN,
                                           (size_t)(honest.proof.end - honest.proof.start) * DSDN_SHARE_LEN};
    CHECK_OK(dsdn_namespace_data_verify(ns, roots, 2 * k, &honest, found != DSDN_NMT_OUTSIDE, &run, &truth,
                                        &error),
             &error);
    CHECK(truth.verdict == (found == DSDN_NMT_PRESENT ? DSDN_NAMESPACE_PRESENT : DSDN_NAMESPACE_ABSENT));
    if (rc) return;
    CHECK(found != DSDN_NMT_OUTSIDE && result->verdict == truth.verdict);
    CHECK(given->shares.len == honest.shares.len && given->proof.start == honest.proof.start);
    CHECK(!honest.shares.len || memcmp(given->shares.bytes, honest.shares.bytes, honest.shares.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct dsdn_view nodes[NODES];
    struct dsdn_namespace_row answer = {.shares = {NULL, 0}};
    struct dsdn_namespace_result result;
    struct dsdn_share_run run;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    uint32_t k = 1u << take8(&in) % 4;
    name(ns, take8(&in) % 40);
    make_row(&in, k);
    uint8_t flags = take8(&in);
    answer.proof = (struct dsdn_nmt_proof){.start = (int8_t)take8(&in),
                                           .end = (int8_t)take8(&in),
                                           .nodes = nodes,
                                           .max_namespace_ignored = !(flags & 2)};
    uint8_t place = take8(&in);
    if (flags & 1) {
        answer.proof.leaf_hash = take_node(&in, k, raw[NODES]);
    } else {
        size_t first = place % 16 % (2 * k), cnt = place / 16;
        if (cnt > 2 * k - first) cnt = 2 * k - first;
        answer.shares = (struct dsdn_view){row + first * DSDN_SHARE_LEN, cnt * DSDN_SHARE_LEN};
    }
    answer.proof.node_cnt = take8(&in) % (NODES + 1);
    for (uint32_t i = 0; i < answer.proof.node_cnt; i++) nodes[i] = take_node(&in, k, raw[i]);
    int rc = dsdn_namespace_data_verify(ns, roots, 2 * k, &answer, 1, &run, &result, &error);
    CHECK(rc == 0 || (rc == DSDN_E_PROOF && error.message[0] && result.verdict == DSDN_NAMESPACE_BAD_PROOF));
    check_truth(k, ns, &answer, rc, &result);
    return 0;
}
