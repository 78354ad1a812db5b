#include "adapters/devnet/shelf.h"

#include <stdlib.h>

#define NODES_A_ROW (DSDN_NMT_NODES_MAX + 1u) /* of a proof, and its leaf hash */

static int no_memory(struct dsdn_error *error)
{
    return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to answer from a square");
}

void dsdn_devnet_shelf_init(struct dsdn_devnet_shelf *shelf, const struct dsdn_devnet_chain *chain)
{
    *shelf = (struct dsdn_devnet_shelf){.chain = chain};
}

static void data_free(struct dsdn_devnet_data *data)
{
    if (data->height) dsdn_layout_free(&data->layout);
    *data = (struct dsdn_devnet_data){0};
}

void dsdn_devnet_shelf_free(struct dsdn_devnet_shelf *shelf)
{
    for (uint32_t i = 0; i < DSDN_DEVNET_SHELF_CNT; i++) data_free(shelf->data + i);
    dsdn_leopard_free(shelf->leopard);
    shelf->leopard = NULL;
}

int dsdn_devnet_shelf_open(struct dsdn_devnet_shelf *shelf, uint64_t height,
                           const struct dsdn_devnet_data **data, struct dsdn_error *error)
{
    const struct dsdn_devnet_block *block = dsdn_devnet_chain_block(shelf->chain, height);
    struct dsdn_devnet_data *oldest = shelf->data;
    *data = NULL;
    for (uint32_t i = 0; i < DSDN_DEVNET_SHELF_CNT; i++) {
        struct dsdn_devnet_data *d = shelf->data + i;
        if (d->height == height) *data = d;
        if (d->used < oldest->used) oldest = d;
    }
    if (!*data) {
        data_free(oldest);
        int rc = dsdn_devnet_block_lay(block, &oldest->layout, error);
        if (rc) return rc;
        oldest->height = height;
        oldest->roots = block->roots ? block->roots : shelf->chain->empty_roots;
        *data = oldest;
    }
    shelf->data[*data - shelf->data].used = ++shelf->clock;
    return DSDN_OK;
}

/* ---- row trees --------------------------------------------------------------------------------- */

/* Memory for one row at a time: 2k shares, the tree over them. */
struct bench {
    uint8_t *shares;
    struct dsdn_nmt_node *tree;
    const uint8_t **data;
    uint8_t **parity;
};

static void bench_free(struct bench *b)
{
    free(b->shares);
    free(b->tree);
    free(b->data);
    free(b->parity);
}

static int bench_make(struct dsdn_devnet_shelf *shelf, uint32_t k, struct bench *b, struct dsdn_error *error)
{
    *b = (struct bench){malloc((size_t)2 * k * DSDN_SHARE_LEN),
                        malloc(DSDN_NMT_TREE_LEN(2 * (size_t)k) * sizeof *b->tree),
                        malloc(k * sizeof *b->data), malloc(k * sizeof *b->parity)};
    if (shelf->leopard_k != k) {
        dsdn_leopard_free(shelf->leopard);
        shelf->leopard = dsdn_leopard_new(k);
        shelf->leopard_k = shelf->leopard ? k : 0;
    }
    if (b->shares && b->tree && b->data && b->parity && shelf->leopard) {
        for (uint32_t i = 0; i < k; i++) {
            b->data[i] = b->shares + (size_t)i * DSDN_SHARE_LEN;
            b->parity[i] = b->shares + (size_t)(k + i) * DSDN_SHARE_LEN;
        }
        return DSDN_OK;
    }
    bench_free(b);
    return no_memory(error);
}

static int bench_row(const struct dsdn_devnet_shelf *shelf, const struct dsdn_devnet_data *data, uint32_t row,
                     struct bench *b, struct dsdn_error *error)
{
    uint32_t k = data->layout.k;
    size_t half = (size_t)k * DSDN_SHARE_LEN;
    memcpy(b->shares, data->layout.shares + row * half, half);
    dsdn_leopard_encode(shelf->leopard, b->data, b->parity, DSDN_SHARE_LEN);
    dsdn_nmt_leaves(b->shares, DSDN_SHARE_LEN, k, NULL, b->tree);
    dsdn_nmt_leaves(b->shares + half, DSDN_SHARE_LEN, k, dsdn_namespace_parity, b->tree + k);
    return dsdn_nmt_build(b->tree, 2 * k, error);
}

/* Copies a proof whose nodes are in the bench into memory that stays. */
static void keep_proof(struct dsdn_nmt_proof *proof, struct dsdn_view *views, struct dsdn_nmt_node *nodes)
{
    for (uint32_t i = 0; i < proof->node_cnt; i++) {
        memcpy(nodes[i].bytes, proof->nodes[i].bytes, DSDN_NMT_NODE_LEN);
        views[i] = (struct dsdn_view){nodes[i].bytes, DSDN_NMT_NODE_LEN};
    }
    proof->nodes = views;
    if (!proof->leaf_hash.len) return;
    memcpy(nodes[DSDN_NMT_NODES_MAX].bytes, proof->leaf_hash.bytes, DSDN_NMT_NODE_LEN);
    proof->leaf_hash.bytes = nodes[DSDN_NMT_NODES_MAX].bytes;
}

int dsdn_devnet_rows_make(struct dsdn_devnet_shelf *shelf, const struct dsdn_devnet_data *data,
                          const uint8_t ns[DSDN_NAMESPACE_LEN], struct dsdn_devnet_rows *rows,
                          struct dsdn_error *error)
{
    uint32_t k = data->layout.k, end;
    struct dsdn_dah dah = {data->roots, data->roots + 2 * (size_t)k, 2 * k, 2 * k};
    *rows = (struct dsdn_devnet_rows){0};
    dsdn_dah_rows(&dah, ns, &rows->first, &end);
    if (end > k) end = k; /* parity namespaces are refused before */
    if (end <= rows->first) return DSDN_OK;
    struct bench bench;
    int rc = bench_make(shelf, k, &bench, error);
    if (rc) return rc;
    rows->row_cnt = end - rows->first;
    rows->rows = calloc(rows->row_cnt, sizeof *rows->rows);
    rows->views = calloc(rows->row_cnt, NODES_A_ROW * sizeof *rows->views);
    rows->nodes = calloc(rows->row_cnt, NODES_A_ROW * sizeof *rows->nodes);
    if (!rows->rows || !rows->views || !rows->nodes) rc = no_memory(error);
    for (uint32_t i = 0; !rc && i < rows->row_cnt; i++) {
        struct dsdn_view nodes[DSDN_NMT_NODES_MAX];
        struct dsdn_nmt_proof *proof = &rows->rows[i].proof;
        rc = bench_row(shelf, data, rows->first + i, &bench, error);
        if (rc) break;
        if (dsdn_nmt_prove_namespace(bench.tree, 2 * k, ns, nodes, proof) == DSDN_NMT_PRESENT)
            rows->rows[i].shares = (struct dsdn_view){
                data->layout.shares + ((size_t)(rows->first + i) * k + (size_t)proof->start) * DSDN_SHARE_LEN,
                (size_t)(proof->end - proof->start) * DSDN_SHARE_LEN};
        keep_proof(proof, rows->views + (size_t)i * NODES_A_ROW, rows->nodes + (size_t)i * NODES_A_ROW);
    }
    bench_free(&bench);
    if (rc) dsdn_devnet_rows_free(rows);
    return rc;
}

void dsdn_devnet_rows_free(struct dsdn_devnet_rows *rows)
{
    free(rows->rows);
    free(rows->views);
    free(rows->nodes);
    *rows = (struct dsdn_devnet_rows){0};
}

/* ---- blobs ------------------------------------------------------------------------------------- */

/* The first of all k * k shares that is not below (above: not at or below) ns. */
static uint32_t bound(const struct dsdn_layout *l, const uint8_t *ns, bool above)
{
    uint32_t low = 0, high = l->k * l->k;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = dsdn_namespace_compare(l->shares + (size_t)middle * DSDN_SHARE_LEN, ns);
        if (order < 0 || (above && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int blobs_walk(struct dsdn_devnet_blobs *b, struct dsdn_error *error)
{
    struct dsdn_blob_walk walk;
    struct dsdn_blob blob;
    dsdn_blob_walk_start(&walk, b->runs, b->run_cnt);
    while (dsdn_blob_walk_next(&walk, &blob)) {
        if (b->blob_cnt == b->blob_cap) {
            uint32_t cap = b->blob_cap ? 2 * b->blob_cap : 16;
            struct dsdn_blob *grown = realloc(b->blobs, cap * sizeof *grown);
            if (!grown) return no_memory(error);
            b->blobs = grown;
            b->blob_cap = cap;
        }
        b->blobs[b->blob_cnt++] = blob;
    }
    return DSDN_OK;
}

int dsdn_devnet_blobs_make(const struct dsdn_devnet_data *data, const uint8_t ns[DSDN_NAMESPACE_LEN],
                           struct dsdn_devnet_blobs *b, struct dsdn_error *error)
{
    const struct dsdn_layout *l = &data->layout;
    uint32_t at = bound(l, ns, false), end = bound(l, ns, true);
    *b = (struct dsdn_devnet_blobs){0};
    if (at == end) return DSDN_OK;
    b->runs = calloc((end - 1) / l->k - at / l->k + 1, sizeof *b->runs);
    if (!b->runs) return no_memory(error);
    while (at < end) {
        uint32_t row_end = (at / l->k + 1) * l->k, cnt = (row_end < end ? row_end : end) - at;
        b->runs[b->run_cnt++] = (struct dsdn_share_run){l->shares + (size_t)at * DSDN_SHARE_LEN, cnt,
                                                        at / l->k * 2 * l->k + at % l->k};
        at += cnt;
    }
    int rc = blobs_walk(b, error);
    if (rc) dsdn_devnet_blobs_free(b);
    return rc;
}

void dsdn_devnet_blobs_free(struct dsdn_devnet_blobs *b)
{
    free(b->runs);
    free(b->blobs);
    *b = (struct dsdn_devnet_blobs){0};
}

/* ---- commitment proofs ------------------------------------------------------------------------- */

/* Everything of a proof but the views of subtree roots is in one block, that of row_roots. */
struct proof_memory {
    struct dsdn_view row_roots[DSDN_SQUARE_K_MAX];
    struct dsdn_merkle_proof row_proofs[DSDN_SQUARE_K_MAX];
    struct dsdn_nmt_proof ranges[DSDN_SQUARE_K_MAX];
    struct dsdn_view views[DSDN_SQUARE_K_MAX][NODES_A_ROW];
    struct dsdn_nmt_node nodes[DSDN_SQUARE_K_MAX][NODES_A_ROW];
    uint8_t leaves[4 * DSDN_SQUARE_K_MAX][32];
};

static int subtree_roots(const struct dsdn_layout *l, const struct dsdn_blob *blob, uint32_t at,
                         struct dsdn_commitment_proof *proof, struct dsdn_error *error)
{
    uint32_t cnt = dsdn_subtree_cnt(blob->share_cnt);
    struct dsdn_view *views = malloc(cnt * (sizeof *views + sizeof(struct dsdn_nmt_node)));
    if (!views) return no_memory(error);
    struct dsdn_nmt_node *roots = (struct dsdn_nmt_node *)(void *)(views + cnt);
    proof->subtree_roots = views;
    proof->subtree_root_cnt = cnt;
    for (uint32_t i = 0; i < cnt; i++) views[i] = (struct dsdn_view){roots[i].bytes, DSDN_NMT_NODE_LEN};
    return dsdn_subtree_roots(l->shares + (size_t)at * DSDN_SHARE_LEN, blob->share_cnt, roots, error);
}

int dsdn_devnet_commitment_proof_make(struct dsdn_devnet_shelf *shelf, const struct dsdn_devnet_data *data,
                                      const struct dsdn_blob *blob, struct dsdn_commitment_proof *proof,
                                      struct dsdn_error *error)
{
    uint32_t k = data->layout.k, at = blob->index / (2 * k) * k + blob->index % (2 * k);
    uint32_t end = at + blob->share_cnt, first = at / k, rows = (end - 1) / k - first + 1;
    struct bench bench;
    *proof = (struct dsdn_commitment_proof){0};
    struct proof_memory *m = calloc(1, sizeof *m);
    if (!m) return no_memory(error);
    proof->row_roots = m->row_roots;
    int rc = bench_make(shelf, k, &bench, error);
    if (rc) {
        dsdn_devnet_commitment_proof_free(proof);
        return rc;
    }
    memcpy(proof->ns, data->layout.shares + (size_t)at * DSDN_SHARE_LEN, DSDN_NAMESPACE_LEN);
    proof->start_row = first;
    proof->end_row = first + rows - 1;
    proof->subtree_root_proofs = m->ranges;
    proof->row_proofs = m->row_proofs;
    proof->subtree_root_proof_cnt = proof->row_root_cnt = proof->row_proof_cnt = rows;
    rc = subtree_roots(&data->layout, blob, at, proof, error);
    dsdn_merkle_leaves_fixed(data->roots[0].bytes, DSDN_NMT_NODE_LEN, 4 * (size_t)k, m->leaves);
    for (uint32_t i = 0; !rc && i < rows; i++) {
        uint32_t row = first + i, from = i ? 0 : at % k, to = row == (end - 1) / k ? (end - 1) % k + 1 : k;
        struct dsdn_view nodes[DSDN_NMT_NODES_MAX];
        rc = bench_row(shelf, data, row, &bench, error);
        if (rc) break;
        dsdn_nmt_prove(bench.tree, 2 * k, from, to, nodes, m->ranges + i);
        keep_proof(m->ranges + i, m->views[i], m->nodes[i]);
        dsdn_merkle_prove((const uint8_t(*)[32])m->leaves, 4 * (size_t)k, row, m->row_proofs + i);
        m->row_roots[i] = (struct dsdn_view){data->roots[row].bytes, DSDN_NMT_NODE_LEN};
    }
    bench_free(&bench);
    if (rc) dsdn_devnet_commitment_proof_free(proof);
    return rc;
}

void dsdn_devnet_commitment_proof_free(struct dsdn_commitment_proof *proof)
{
    free((void *)(uintptr_t)proof->row_roots);
    free((void *)(uintptr_t)proof->subtree_roots);
    *proof = (struct dsdn_commitment_proof){0};
}
