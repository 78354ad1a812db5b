#include "adapters/celestia/json_memory.h"
#include "adapters/celestia/json_objects.h"

#define NAMES(...) ((const char *const[]){__VA_ARGS__})

/* ---- NMT proofs ---------------------------------------------------------------------------------- */

/* Member of a proof: its JSON name. */
enum { START, END, NODES, LEAF_HASH, FLAG, MEMBERS };
static const char *const proof_names[MEMBERS] = {"start", "end", "nodes", "leaf_hash",
                                                 "is_max_namespace_ignored"};

static int bad_proof(struct dsdn_error *error, const char *name)
{
    return dsdn_fail(error, DSDN_E_MALFORMED, "%s of a proof is not what it must be", name);
}

/* Nodes of a proof, bounded: more than any proof can use are refused before memory is asked for. */
static int count_nodes(struct dsdn_view proof, size_t *node_cnt, struct dsdn_error *error)
{
    struct dsdn_view v[MEMBERS];
    int rc = dsdn_span_members(proof, "a proof", proof_names, MEMBERS, v, error);
    if (rc) return rc;
    if (!dsdn_span_none(v[NODES]) && dsdn_span_kind(v[NODES]) != '[') return bad_proof(error, "nodes");
    uint32_t cnt = dsdn_span_count(v[NODES], DSDN_NMT_NODES_MAX);
    if (cnt > DSDN_NMT_NODES_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a proof has more than %u nodes", DSDN_NMT_NODES_MAX);
    *node_cnt += cnt;
    return DSDN_OK;
}

/* nodes: room for as many as were counted; moved on. */
static int read_proof(struct json_memory *m, struct dsdn_view value, struct dsdn_view **nodes,
                      struct dsdn_nmt_proof *p, struct dsdn_error *error)
{
    struct dsdn_view v[MEMBERS], name, node;
    struct dsdn_span_walk walk;
    *p = (struct dsdn_nmt_proof){.nodes = *nodes};
    int rc = dsdn_span_members(value, "a proof", proof_names, MEMBERS, v, error);
    if (rc) return rc;
    if (!dsdn_span_none(v[START]) && !dsdn_span_i64(v[START], INT64_MIN, INT64_MAX, &p->start))
        return bad_proof(error, "start");
    if (!dsdn_span_none(v[END]) && !dsdn_span_i64(v[END], INT64_MIN, INT64_MAX, &p->end))
        return bad_proof(error, "end");
    if (!dsdn_span_none(v[FLAG]) && !dsdn_span_bool(v[FLAG], &p->max_namespace_ignored))
        return bad_proof(error, proof_names[FLAG]);
    if (!dsdn_span_none(v[LEAF_HASH]) && !json_memory_base64_any(m, v[LEAF_HASH], &p->leaf_hash))
        return bad_proof(error, "leaf_hash");
    dsdn_span_walk_start(&walk, v[NODES]);
    for (; dsdn_span_walk_next(&walk, &name, &node); p->node_cnt++)
        if (!json_memory_base64_any(m, node, (*nodes)++)) return bad_proof(error, "a node");
    return DSDN_OK;
}

int dsdn_json_read_proofs(struct dsdn_view value, uint32_t most, struct dsdn_proofs_answer *answer,
                          struct dsdn_error *error)
{
    struct dsdn_span_walk walk;
    struct dsdn_view name, proof;
    struct json_memory m;
    size_t node_cnt = 0;
    int rc = DSDN_OK;
    *answer = (struct dsdn_proofs_answer){.memory = NULL};
    if (!dsdn_span_none(value) && dsdn_span_kind(value) != '[')
        return dsdn_fail(error, DSDN_E_MALFORMED, "the proofs are no array");
    uint32_t cnt = dsdn_span_count(value, most);
    if (cnt > most) return dsdn_fail(error, DSDN_E_TOO_LARGE, "more than %u proofs", most);
    dsdn_span_walk_start(&walk, value);
    while (!rc && dsdn_span_walk_next(&walk, &name, &proof)) rc = count_nodes(proof, &node_cnt, error);
    size_t proofs_len = JSON_LIST_LEN(struct dsdn_nmt_proof, cnt);
    size_t nodes_len = JSON_LIST_LEN(struct dsdn_view, node_cnt);
    if (!rc) rc = json_memory_get(&m, proofs_len + nodes_len + value.len, error);
    if (rc) return rc;
    answer->memory = m.start;
    answer->proofs = json_memory_list(&m, proofs_len);
    struct dsdn_view *nodes = json_memory_list(&m, nodes_len);
    dsdn_span_walk_start(&walk, value);
    for (; !rc && dsdn_span_walk_next(&walk, &name, &proof); answer->proof_cnt++)
        rc = read_proof(&m, proof, &nodes, &answer->proofs[answer->proof_cnt], error);
    if (rc) dsdn_proofs_answer_free(answer);
    return rc;
}

void dsdn_proofs_answer_free(struct dsdn_proofs_answer *answer)
{
    free(answer->memory);
    *answer = (struct dsdn_proofs_answer){.memory = NULL};
}

static void write_base64s(struct dsdn_text *t, const char *key, const struct dsdn_view *views, size_t cnt)
{
    dsdn_text_key(t, key);
    dsdn_text_open(t, '[');
    for (size_t i = 0; i < cnt; i++) dsdn_text_base64(t, views[i].bytes, views[i].len);
    dsdn_text_close(t, ']');
}

void dsdn_json_write_proof(struct dsdn_text *t, const struct dsdn_nmt_proof *proof)
{
    dsdn_text_open(t, '{');
    if (proof->start) {
        dsdn_text_key(t, "start");
        dsdn_text_i64(t, proof->start);
    }
    if (proof->end) {
        dsdn_text_key(t, "end");
        dsdn_text_i64(t, proof->end);
    }
    if (proof->node_cnt) write_base64s(t, "nodes", proof->nodes, proof->node_cnt);
    if (proof->leaf_hash.len) {
        dsdn_text_key(t, "leaf_hash");
        dsdn_text_base64(t, proof->leaf_hash.bytes, proof->leaf_hash.len);
    }
    if (proof->max_namespace_ignored) {
        dsdn_text_key(t, "is_max_namespace_ignored");
        dsdn_text_bool(t, true);
    }
    dsdn_text_close(t, '}');
}

/* ---- rows of namespace data ---------------------------------------------------------------------- */

/* The shares and the proof of one row; counts are bounded and added up. */
static int count_row(struct dsdn_view row, uint32_t k, struct dsdn_view v[2], size_t *node_cnt,
                     struct dsdn_error *error)
{
    int rc = dsdn_span_members(row, "a row", NAMES("shares", "proof"), 2, v, error);
    if (rc) return rc;
    if (!dsdn_span_none(v[0]) && dsdn_span_kind(v[0]) != '[')
        return dsdn_fail(error, DSDN_E_MALFORMED, "the shares of a row are no array");
    if (dsdn_span_count(v[0], k) > k)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a row has more than %u shares", k);
    return count_nodes(v[1], node_cnt, error);
}

static int read_row(struct json_memory *m, struct dsdn_view value, struct dsdn_view **nodes,
                    struct dsdn_namespace_row *row, struct dsdn_error *error)
{
    struct dsdn_view v[2], name, share, bytes;
    struct dsdn_span_walk walk;
    *row = (struct dsdn_namespace_row){.shares = {m->at, 0}};
    int rc = dsdn_span_members(value, "a row", NAMES("shares", "proof"), 2, v, error);
    if (rc) return rc;
    dsdn_span_walk_start(&walk, v[0]);
    while (dsdn_span_walk_next(&walk, &name, &share)) {
        if (!json_memory_base64(m, share, DSDN_SHARE_LEN, &bytes))
            return dsdn_fail(error, DSDN_E_MALFORMED, "a share is not %u bytes of base64", DSDN_SHARE_LEN);
        row->shares.len += DSDN_SHARE_LEN; /* one behind the other: nothing came between them */
    }
    return read_proof(m, v[1], nodes, &row->proof, error);
}

int dsdn_json_read_rows(struct dsdn_view value, uint32_t k, struct dsdn_rows_answer *answer,
                        struct dsdn_error *error)
{
    struct dsdn_span_walk walk;
    struct dsdn_view name, row, members[2];
    struct json_memory m;
    size_t node_cnt = 0;
    int rc = DSDN_OK;
    *answer = (struct dsdn_rows_answer){.memory = NULL};
    if (!dsdn_span_none(value) && dsdn_span_kind(value) != '[')
        return dsdn_fail(error, DSDN_E_MALFORMED, "the namespace data is no array");
    uint32_t cnt = dsdn_span_count(value, k);
    if (cnt > k) return dsdn_fail(error, DSDN_E_TOO_LARGE, "more rows than the square has: %u", k);
    dsdn_span_walk_start(&walk, value);
    while (!rc && dsdn_span_walk_next(&walk, &name, &row)) rc = count_row(row, k, members, &node_cnt, error);
    size_t rows_len = JSON_LIST_LEN(struct dsdn_namespace_row, cnt);
    size_t nodes_len = JSON_LIST_LEN(struct dsdn_view, node_cnt);
    if (!rc) rc = json_memory_get(&m, rows_len + nodes_len + value.len / 4 * 3, error);
    if (rc) return rc;
    answer->memory = m.start;
    answer->rows = json_memory_list(&m, rows_len);
    struct dsdn_view *nodes = json_memory_list(&m, nodes_len);
    dsdn_span_walk_start(&walk, value);
    for (; !rc && dsdn_span_walk_next(&walk, &name, &row); answer->row_cnt++)
        rc = read_row(&m, row, &nodes, &answer->rows[answer->row_cnt], error);
    if (rc) dsdn_rows_answer_free(answer);
    return rc;
}

void dsdn_rows_answer_free(struct dsdn_rows_answer *answer)
{
    free(answer->memory);
    *answer = (struct dsdn_rows_answer){.memory = NULL};
}

void dsdn_json_write_rows(struct dsdn_text *t, const struct dsdn_namespace_row *rows, size_t row_cnt)
{
    dsdn_text_open(t, '[');
    for (size_t i = 0; i < row_cnt; i++) {
        dsdn_text_open(t, '{');
        dsdn_text_key(t, "shares");
        if (rows[i].shares.len) {
            dsdn_text_open(t, '[');
            for (size_t at = 0; at + DSDN_SHARE_LEN <= rows[i].shares.len; at += DSDN_SHARE_LEN)
                dsdn_text_base64(t, rows[i].shares.bytes + at, DSDN_SHARE_LEN);
            dsdn_text_close(t, ']');
        } else {
            dsdn_text_null(t);
        }
        dsdn_text_key(t, "proof");
        dsdn_json_write_proof(t, &rows[i].proof);
        dsdn_text_close(t, '}');
    }
    dsdn_text_close(t, ']');
}

/* ---- commitment proofs --------------------------------------------------------------------------- */

static void write_merkle_proof(struct dsdn_text *t, const struct dsdn_merkle_proof *p)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "total");
    dsdn_text_decimal(t, p->total, false);
    dsdn_text_key(t, "index");
    dsdn_text_decimal(t, p->index, false);
    dsdn_text_key(t, "leaf_hash");
    dsdn_text_base64(t, p->leaf_hash, 32);
    dsdn_text_key(t, "aunts");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < p->aunt_cnt; i++) dsdn_text_base64(t, p->aunts[i], 32);
    dsdn_text_close(t, ']');
    dsdn_text_close(t, '}');
}

void dsdn_json_write_commitment_proof(struct dsdn_text *t, const struct dsdn_commitment_proof *p)
{
    dsdn_text_open(t, '{');
    write_base64s(t, "subtree_roots", p->subtree_roots, p->subtree_root_cnt);
    dsdn_text_key(t, "subtree_root_proofs");
    dsdn_text_open(t, '[');
    for (size_t i = 0; i < p->subtree_root_proof_cnt; i++)
        dsdn_json_write_proof(t, &p->subtree_root_proofs[i]);
    dsdn_text_close(t, ']');
    dsdn_text_key(t, "namespace_id");
    dsdn_text_base64(t, p->ns + 1, DSDN_NAMESPACE_LEN - 1);
    dsdn_text_key(t, "row_proof");
    dsdn_text_open(t, '{');
    write_base64s(t, "row_roots", p->row_roots, p->row_root_cnt);
    dsdn_text_key(t, "proofs");
    dsdn_text_open(t, '[');
    for (size_t i = 0; i < p->row_proof_cnt; i++) write_merkle_proof(t, &p->row_proofs[i]);
    dsdn_text_close(t, ']');
    dsdn_text_key(t, "start_row");
    dsdn_text_u64(t, p->start_row);
    dsdn_text_key(t, "end_row");
    dsdn_text_u64(t, p->end_row);
    dsdn_text_close(t, '}');
    dsdn_text_key(t, "namespace_version");
    dsdn_text_u64(t, p->ns[0]);
    dsdn_text_close(t, '}');
}
