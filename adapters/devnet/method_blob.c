/* Methods that read blobs and shares (celestia-node blob/service.go, share/eds/nd.go). */
#include "adapters/devnet/method.h"

#include "adapters/celestia/commitment.h"

#include <inttypes.h>
#include <stdlib.h>

enum { NAMESPACES_MAX = 64 };

/* What most of these methods begin with: the height is there, and so is its data. */
struct opened {
    uint64_t height;
    uint8_t ns[DSDN_NAMESPACE_LEN], commitment[32];
    const struct dsdn_devnet_data *data;
    struct dsdn_devnet_blobs blobs;
    const struct dsdn_blob *blob; /* that of the commitment */
};

static enum method_outcome open_height(struct dsdn_devnet_call *call, uint64_t *height)
{
    return param_height(call, 0, height) ? call_height(call, *height) : METHOD_FAILED;
}

static enum method_outcome open_data(struct dsdn_devnet_call *call, struct opened *o)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    int rc = dsdn_devnet_shelf_open(&call->node->shelf, o->height, &o->data, &error);
    if (!rc) rc = dsdn_devnet_blobs_make(o->data, o->ns, &o->blobs, &error);
    return rc ? call_fail_error(call, &error) : METHOD_DONE;
}

/* Finds the blob [height, namespace, ..., commitment].  After DONE, o->blobs is to be freed; o->blob is NULL
 * when there is none. */
static enum method_outcome open_blob(struct dsdn_devnet_call *call, uint32_t commitment_param,
                                     struct opened *o)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    *o = (struct opened){.height = 0};
    if (!param_height(call, 0, &o->height) || !param_namespace(call, 1, o->ns) ||
        !param_commitment(call, commitment_param, o->commitment))
        return METHOD_FAILED;
    enum method_outcome outcome = call_height(call, o->height);
    if (outcome == METHOD_DONE) outcome = open_data(call, o);
    if (outcome != METHOD_DONE) return outcome;
    bool denied = call_fault(call, DSDN_DEVNET_FAULT_withhold, o->height) ||
                  call_fault(call, DSDN_DEVNET_FAULT_hide, o->height);
    for (uint32_t i = 0; !denied && !o->blob && i < o->blobs.blob_cnt; i++) {
        uint8_t commitment[32];
        if (o->blobs.blobs[i].kind != DSDN_BLOB_DATA) continue;
        if (dsdn_commitment_blob(o->blobs.blobs + i, commitment, &error)) {
            dsdn_devnet_blobs_free(&o->blobs);
            return call_fail_error(call, &error);
        }
        if (dsdn_equal32(commitment, o->commitment)) o->blob = o->blobs.blobs + i;
    }
    return METHOD_DONE;
}

/* ---- Blob objects ------------------------------------------------------------------------------ */

static int write_blob(struct dsdn_text *t, const struct dsdn_blob *blob, const uint8_t ns[DSDN_NAMESPACE_LEN],
                      const struct dsdn_devnet_fault *spoiled, struct dsdn_error *error)
{
    struct dsdn_json_blob out = {
        .share_version = blob->version, .has_commitment = true, .index = blob->index};
    uint8_t *bytes = malloc(blob->len);
    if (!bytes) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a blob");
    memcpy(out.ns, ns, DSDN_NAMESPACE_LEN);
    dsdn_blob_copy(blob, bytes);
    int rc = dsdn_commitment_blob(blob, out.commitment, error);
    if (spoiled) bytes[0] ^= 1;
    out.data = (struct dsdn_view){bytes, blob->len};
    out.has_signer = blob->signer != NULL;
    if (blob->signer) out.signer = (struct dsdn_view){blob->signer, DSDN_SHARE_SIGNER_LEN};
    if (!rc) dsdn_json_write_blob(t, &out);
    free(bytes);
    return rc;
}

int write_blobs(struct dsdn_text *t, const struct dsdn_devnet_blobs *blobs,
                const uint8_t ns[DSDN_NAMESPACE_LEN], bool skip_last, struct dsdn_error *error)
{
    uint32_t cnt = blobs->blob_cnt - (skip_last && blobs->blob_cnt);
    int rc = 0;
    if (!cnt) {
        dsdn_text_null(t);
        return DSDN_OK;
    }
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; !rc && i < cnt; i++)
        if (blobs->blobs[i].kind == DSDN_BLOB_DATA) rc = write_blob(t, blobs->blobs + i, ns, NULL, error);
    dsdn_text_close(t, ']');
    return rc;
}

/* Hands a value over that was written apart, because writing it could fail. */
static enum method_outcome hand_over(struct dsdn_devnet_call *call, struct dsdn_text *whole, int rc,
                                     struct dsdn_error *error)
{
    struct dsdn_text *t;
    if (!rc) rc = dsdn_text_status(whole, error);
    if (!rc && (t = call_result(call)))
        dsdn_text_raw(t, (struct dsdn_view){(const uint8_t *)whole->bytes, whole->len});
    dsdn_text_free(whole);
    return rc ? call_fail_error(call, error) : METHOD_DONE;
}

enum method_outcome blob_get(struct dsdn_devnet_call *call)
{
    struct opened o;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text whole;
    enum method_outcome outcome = open_blob(call, 2, &o);
    if (outcome != METHOD_DONE) return outcome;
    dsdn_text_init(&whole, (size_t)1 << 28, 0);
    if (!o.blob)
        outcome = call_fail(call, "blob: not found");
    else
        outcome = hand_over(call, &whole,
                            write_blob(&whole, o.blob, o.ns,
                                       call_fault(call, DSDN_DEVNET_FAULT_wrong_share, o.height), &error),
                            &error);
    dsdn_devnet_blobs_free(&o.blobs);
    return outcome;
}

/* Appends the blobs of one namespace; METHOD_FAILED for one that does not parse, as the node's parser does.
 */
static enum method_outcome append_all(struct dsdn_devnet_call *call, struct opened *o, struct dsdn_text *t,
                                      bool *any)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    enum method_outcome outcome = open_data(call, o);
    if (outcome != METHOD_DONE) return outcome;
    uint32_t cnt = o->blobs.blob_cnt;
    if (cnt && call_fault(call, DSDN_DEVNET_FAULT_missing_row, o->height)) cnt--;
    const struct dsdn_devnet_fault *spoiled =
        cnt ? call_fault(call, DSDN_DEVNET_FAULT_wrong_share, o->height) : NULL;
    for (uint32_t i = 0; outcome == METHOD_DONE && i < cnt; i++) {
        const struct dsdn_blob *blob = o->blobs.blobs + i;
        if (blob->kind != DSDN_BLOB_DATA) {
            outcome = call_fail(call, "%s", dsdn_blob_kind_text(blob->kind));
            break;
        }
        if (!*any) dsdn_text_open(t, '[');
        *any = true;
        if (write_blob(t, blob, o->ns, i ? NULL : spoiled, &error)) outcome = call_fail_error(call, &error);
    }
    dsdn_devnet_blobs_free(&o->blobs);
    return outcome;
}

enum method_outcome blob_get_all(struct dsdn_devnet_call *call)
{
    uint8_t namespaces[NAMESPACES_MAX][DSDN_NAMESPACE_LEN];
    struct opened o = {.height = 0};
    struct dsdn_view name, value;
    struct dsdn_span_walk walk;
    uint32_t cnt = 0;
    bool any = false;
    if (!param_height(call, 0, &o.height)) return METHOD_FAILED;
    dsdn_span_walk_start(&walk, call->request.params[1]);
    while (dsdn_span_walk_next(&walk, &name, &value)) {
        if (cnt == NAMESPACES_MAX) return call_fail(call, "devnet: more than %d namespaces", NAMESPACES_MAX);
        if (!read_namespace(call, value, "[]share.Namespace", namespaces[cnt++])) return METHOD_FAILED;
    }
    enum method_outcome outcome = call_height(call, o.height);
    if (outcome != METHOD_DONE) return outcome;
    if (call_fault(call, DSDN_DEVNET_FAULT_withhold, o.height) ||
        call_fault(call, DSDN_DEVNET_FAULT_hide, o.height))
        return call_null(call);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text whole;
    dsdn_text_init(&whole, (size_t)1 << 28, 0);
    for (uint32_t i = 0; outcome == METHOD_DONE && i < cnt; i++) {
        memcpy(o.ns, namespaces[i], DSDN_NAMESPACE_LEN);
        outcome = append_all(call, &o, &whole, &any);
    }
    if (any)
        dsdn_text_close(&whole, ']');
    else
        dsdn_text_null(&whole);
    if (outcome == METHOD_DONE) return hand_over(call, &whole, 0, &error);
    dsdn_text_free(&whole);
    return outcome;
}

/* ---- proofs ------------------------------------------------------------------------------------ */

/* The rows that a blob touches, with the proofs of all shares of its namespace in them (node issue 2303). */
static int blob_rows(struct dsdn_devnet_call *call, const struct opened *o, struct dsdn_devnet_rows *rows,
                     uint32_t *first, uint32_t *cnt, struct dsdn_error *error)
{
    uint32_t k = o->data->layout.k, row = o->blob->index / (2 * k), column = o->blob->index % (2 * k);
    int rc = dsdn_devnet_rows_make(&call->node->shelf, o->data, o->ns, rows, error);
    if (rc) return rc;
    *first = row - rows->first;
    *cnt = (column + o->blob->share_cnt - 1) / k + 1;
    return DSDN_OK;
}

enum method_outcome blob_get_proof(struct dsdn_devnet_call *call)
{
    struct opened o;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_devnet_rows rows;
    struct dsdn_text *t;
    uint32_t first, cnt;
    enum method_outcome outcome = open_blob(call, 2, &o);
    if (outcome != METHOD_DONE) return outcome;
    if (!o.blob) {
        outcome = call_fail(call, "blob: not found");
    } else if (blob_rows(call, &o, &rows, &first, &cnt, &error)) {
        outcome = call_fail_error(call, &error);
    } else {
        uint8_t *copy = NULL;
        dsdn_devnet_node_rows(call->node, call->request.method, o.height, &rows, &copy, NULL);
        if ((t = call_result(call))) {
            dsdn_text_open(t, '[');
            for (uint32_t i = first; i < first + cnt && i < rows.row_cnt; i++)
                dsdn_json_write_proof(t, &rows.rows[i].proof);
            dsdn_text_close(t, ']');
        }
        free(copy);
        dsdn_devnet_rows_free(&rows);
    }
    dsdn_devnet_blobs_free(&o.blobs);
    return outcome;
}

static bool proofs_equal(const struct dsdn_nmt_proof *a, const struct dsdn_nmt_proof *b)
{
    if (a->start != b->start || a->end != b->end || a->node_cnt != b->node_cnt || b->leaf_hash.len)
        return false;
    for (uint32_t i = 0; i < a->node_cnt; i++)
        if (b->nodes[i].len != DSDN_NMT_NODE_LEN ||
            memcmp(a->nodes[i].bytes, b->nodes[i].bytes, DSDN_NMT_NODE_LEN) != 0)
            return false;
    return true;
}

static enum method_outcome compare_proofs(struct dsdn_devnet_call *call, const struct opened *o,
                                          const struct dsdn_proofs_answer *given)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_devnet_rows rows;
    struct dsdn_text *t;
    uint32_t first, cnt;
    if (blob_rows(call, o, &rows, &first, &cnt, &error)) return call_fail_error(call, &error);
    bool equal = given->proof_cnt == cnt;
    for (uint32_t i = 0; equal && i < cnt; i++)
        equal = proofs_equal(&rows.rows[first + i].proof, given->proofs + i);
    dsdn_devnet_rows_free(&rows);
    if (!equal) return call_fail(call, "blob: invalid proof");
    if ((t = call_result(call))) dsdn_text_bool(t, true);
    return METHOD_DONE;
}

enum method_outcome blob_included(struct dsdn_devnet_call *call)
{
    struct opened o;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_proofs_answer given;
    struct dsdn_text *t;
    if (dsdn_json_read_proofs(call->request.params[2], DSDN_SQUARE_K_MAX, &given, &error))
        return call_fail_param(call, "blob.Proof", error.message);
    enum method_outcome outcome = open_blob(call, 3, &o);
    if (outcome == METHOD_DONE) {
        if (o.blob)
            outcome = compare_proofs(call, &o, &given);
        else if ((t = call_result(call)))
            dsdn_text_bool(t, false);
        dsdn_devnet_blobs_free(&o.blobs);
    }
    dsdn_proofs_answer_free(&given);
    return outcome;
}

enum method_outcome blob_get_commitment_proof(struct dsdn_devnet_call *call)
{
    struct opened o;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_commitment_proof proof;
    struct dsdn_text *t;
    enum method_outcome outcome = open_blob(call, 2, &o);
    if (outcome != METHOD_DONE) return outcome;
    if (!o.blob) {
        outcome = call_fail(call, "blob: not found");
    } else if (dsdn_devnet_commitment_proof_make(&call->node->shelf, o.data, o.blob, &proof, &error)) {
        outcome = call_fail_error(call, &error);
    } else {
        if ((t = call_result(call))) dsdn_json_write_commitment_proof(t, &proof);
        dsdn_devnet_commitment_proof_free(&proof);
    }
    dsdn_devnet_blobs_free(&o.blobs);
    return outcome;
}

enum method_outcome blob_subscribe(struct dsdn_devnet_call *call)
{
    if (!param_namespace(call, 0, call->answer.ns)) return METHOD_FAILED;
    call->answer.channel = DSDN_DEVNET_BLOBS;
    return METHOD_DONE;
}

/* ---- shares ------------------------------------------------------------------------------------ */

enum method_outcome share_get_namespace_data(struct dsdn_devnet_call *call)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t ns[DSDN_NAMESPACE_LEN], *copy = NULL;
    char hex[2 * DSDN_NAMESPACE_LEN + 1];
    uint64_t height;
    struct dsdn_text *t;
    if (!param_height(call, 0, &height) || !param_namespace(call, 1, ns)) return METHOD_FAILED;
    enum dsdn_namespace_class class = dsdn_namespace_classify(ns);
    dsdn_hex_encode(ns, sizeof ns, hex);
    if (class == DSDN_NAMESPACE_TAIL || class == DSDN_NAMESPACE_PARITY)
        return call_fail(call, "invalid data namespace(%s): parity and tail padding namespace are forbidden",
                         hex);
    enum method_outcome outcome = open_height(call, &height);
    if (outcome != METHOD_DONE) return outcome;
    if (call_fault(call, DSDN_DEVNET_FAULT_withhold, height))
        return call_fail(call, "all getters failed: data not found");
    const struct dsdn_devnet_data *data;
    struct dsdn_devnet_rows rows;
    int rc = dsdn_devnet_shelf_open(&call->node->shelf, height, &data, &error);
    if (!rc) rc = dsdn_devnet_rows_make(&call->node->shelf, data, ns, &rows, &error);
    if (rc) return call_fail_error(call, &error);
    rc = dsdn_devnet_node_rows(call->node, call->request.method, height, &rows, &copy, &error);
    if (call_fault(call, DSDN_DEVNET_FAULT_hide, height)) rows.row_cnt = 0;
    if (!rc && (t = call_result(call))) dsdn_json_write_rows(t, rows.rows, rows.row_cnt);
    free(copy);
    dsdn_devnet_rows_free(&rows);
    return rc ? call_fail_error(call, &error) : METHOD_DONE;
}

enum method_outcome share_available(struct dsdn_devnet_call *call)
{
    uint64_t height;
    enum method_outcome outcome = open_height(call, &height);
    if (outcome != METHOD_DONE) return outcome;
    if (call_fault(call, DSDN_DEVNET_FAULT_withhold, height))
        return call_fail(call, "share: data not available");
    return call_null(call);
}
