#include "bench/celestia.h"

#include "adapters/celestia/base64.h"
#include "adapters/celestia/commitment.h"
#include "adapters/celestia/http.h"
#include "adapters/celestia/json_objects.h"
#include "adapters/celestia/json_rpc.h"
#include "adapters/celestia/proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double celestia_processor(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One height as it came, and what the stages make of it. */
struct height {
    struct dsdn_http *http;
    struct dsdn_http_call *calls[2]; /* header, rows; they own the answers */
    struct dsdn_view bodies[2], results[2];
    struct dsdn_block_answer block;
    struct dsdn_rows_answer rows;
    struct dsdn_share_run runs[DSDN_NMT_LEAVES_MAX / 2];
    uint32_t run_cnt;
    uint8_t hash[32];
    struct dsdn_bytes proof;
};

static int fetch(struct height *h, int which, const char *url, const char *method, const char *params,
                 struct dsdn_error *error)
{
    char body[256];
    struct dsdn_http_answer answer;
    int len = snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}",
                       method, params);
    const struct dsdn_http_request request = {
        .url = url, .body = {(const uint8_t *)body, (size_t)len}, .timeout_ms = 30000};
    int rc = dsdn_http_start(h->http, &request, &h->calls[which], error);
    while (!rc && !dsdn_http_done(h->calls[which], &answer)) rc = dsdn_http_run(h->http, 1000, error);
    if (rc) return rc;
    if (answer.end != DSDN_HTTP_ANSWERED || answer.status != 200)
        return dsdn_fail(error, DSDN_E_IO, "%s: %s, status %ld", method, dsdn_http_end_text(answer.end),
                         answer.status);
    h->bodies[which] = answer.body;
    return DSDN_OK;
}

static int fetch_both(struct height *h, const char *url, uint64_t height, const uint8_t *ns,
                      struct dsdn_error *error)
{
    char params[128], text[DSDN_BASE64_LEN(DSDN_NAMESPACE_LEN) + 1] = "";
    snprintf(params, sizeof params, "[%llu]", (unsigned long long)height);
    int rc = fetch(h, 0, url, "header.GetByHeight", params, error);
    if (rc || !ns) return rc;
    dsdn_base64_encode(ns, DSDN_NAMESPACE_LEN, text);
    snprintf(params, sizeof params, "[%llu,\"%s\"]", (unsigned long long)height, text);
    return fetch(h, 1, url, "share.GetNamespaceData", params, error);
}

static int read_text(struct height *h, int which, struct dsdn_error *error)
{
    struct dsdn_rpc_answer answer;
    int rc = dsdn_rpc_read_answer(h->bodies[which].bytes, h->bodies[which].len, 1, &answer, error);
    if (!rc && answer.failed) rc = dsdn_fail(error, DSDN_E_IO, "the node says: %s", answer.message);
    if (!rc) h->results[which] = answer.result;
    return rc;
}

/* As the reader does before it knows the chain. */
static int hash_header(struct height *h, struct dsdn_error *error)
{
    uint8_t root[32];
    int rc = dsdn_celestia_header_shape(&h->block.block.header, error);
    if (!rc) rc = dsdn_dah_check(&h->block.block.dah, error);
    if (rc) return rc;
    dsdn_dah_root(&h->block.block.dah, root);
    if (!dsdn_equal32(root, h->block.block.header.data_hash.bytes))
        return dsdn_fail(error, DSDN_E_PROOF, "the header's data root is not the DAH's");
    dsdn_celestia_header_hash(&h->block.block.header, h->hash);
    return DSDN_OK;
}

static int verify_rows(struct height *h, const uint8_t *ns, struct dsdn_error *error)
{
    const struct dsdn_dah *dah = &h->block.block.dah;
    struct dsdn_namespace_result result;
    int rc = dsdn_namespace_data_verify(ns, dah->row_roots, dah->row_cnt, h->rows.rows, h->rows.row_cnt,
                                        h->runs, &result, error);
    h->run_cnt = rc ? 0 : result.run_cnt;
    return rc;
}

static int make_blobs(struct height *h, struct dsdn_error *error)
{
    struct dsdn_blob_walk walk;
    struct dsdn_blob blob;
    dsdn_blob_walk_start(&walk, h->runs, h->run_cnt);
    while (dsdn_blob_walk_next(&walk, &blob)) {
        uint8_t *bytes = malloc(blob.len ? blob.len : 1);
        if (!bytes) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a blob");
        if (blob.kind == DSDN_BLOB_DATA) dsdn_blob_copy(&blob, bytes);
        free(bytes);
    }
    return DSDN_OK;
}

static int make_commitments(struct height *h, struct dsdn_error *error)
{
    struct dsdn_blob_walk walk;
    struct dsdn_blob blob;
    uint8_t commitment[32];
    int rc = DSDN_OK;
    dsdn_blob_walk_start(&walk, h->runs, h->run_cnt);
    while (!rc && dsdn_blob_walk_next(&walk, &blob)) rc = dsdn_commitment_blob(&blob, commitment, error);
    return rc;
}

static void drop(struct height *h)
{
    dsdn_block_answer_free(&h->block);
    dsdn_rows_answer_free(&h->rows);
    for (int i = 0; i < 2; i++) {
        dsdn_http_end_call(h->http, h->calls[i]);
        h->calls[i] = NULL;
    }
}

/* Processor time of a call into *best, if it is less. */
#define TIMED(stage, call)                                                                                   \
    do {                                                                                                     \
        double from_ = celestia_processor();                                                                 \
        if (!rc) rc = (call);                                                                                \
        double took_ = celestia_processor() - from_;                                                         \
        if (!rc && took_ < out->seconds[STAGE_##stage]) out->seconds[STAGE_##stage] = took_;                 \
    } while (0)

static int one_round(struct height *h, const char *url, uint64_t height, const uint8_t *ns,
                     struct celestia_stages *out, struct dsdn_error *error)
{
    const struct dsdn_celestia_block *block = &h->block.block;
    const struct dsdn_view no_steps = {NULL, 0};
    int rc = DSDN_OK;
    TIMED(RECEIVE, fetch_both(h, url, height, ns, error));
    TIMED(TEXT, read_text(h, 0, error) || read_text(h, 1, error) ? error->code : DSDN_OK);
    TIMED(HEADER, dsdn_json_read_block(h->results[0], &h->block, error));
    TIMED(ROOTS, hash_header(h, error));
    TIMED(COMMIT, dsdn_celestia_verify(block, NULL, NULL, error));
    TIMED(SHARES, dsdn_json_read_rows(h->results[1], block->dah.row_cnt / 2, &h->rows, error));
    TIMED(NMT, verify_rows(h, ns, error));
    TIMED(BLOBS, make_blobs(h, error));
    TIMED(COMMITMENTS, make_commitments(h, error));
    TIMED(PROOF,
          dsdn_celestia_proof_make(ns, no_steps, 0, block, h->rows.rows, h->rows.row_cnt, &h->proof, error));
    out->answer_bytes = rc ? 0 : h->bodies[0].len + h->bodies[1].len;
    drop(h);
    return rc;
}

int celestia_measure(const char *url, uint64_t height, const uint8_t ns[DSDN_NAMESPACE_LEN], unsigned rounds,
                     struct celestia_stages *out, struct dsdn_error *error)
{
    struct height h = {.http = NULL};
    for (int i = 0; i < CELESTIA_STAGE_CNT; i++) out->seconds[i] = 1e9;
    int rc = dsdn_http_new(1, &h.http, error);
    for (unsigned i = 0; !rc && i < rounds; i++) rc = one_round(&h, url, height, ns, out, error);
    dsdn_bytes_free(&h.proof);
    dsdn_http_free(h.http);
    return rc;
}

int celestia_header_hash(const char *url, uint64_t height, uint8_t hash[32], struct dsdn_error *error)
{
    struct height h = {.http = NULL};
    int rc = dsdn_http_new(1, &h.http, error);
    if (rc) return rc;
    rc = fetch_both(&h, url, height, NULL, error);
    if (!rc) rc = read_text(&h, 0, error);
    if (!rc) rc = dsdn_json_read_block(h.results[0], &h.block, error);
    if (!rc) rc = hash_header(&h, error);
    if (!rc) memcpy(hash, h.hash, 32);
    drop(&h);
    dsdn_http_free(h.http);
    return rc;
}
