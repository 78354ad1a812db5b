#include "adapters/celestia/submit.h"

#include "adapters/celestia/commitment.h"
#include "adapters/celestia/cost.h"

#include <sodium.h>
#include <stdlib.h>
#include <time.h>

enum { PAUSE_MIN_MS = 3000, PAUSE_MAX_MS = 60000 }; /* at least a block */

struct dsdn_submitter {
    struct dsdn_endpoint endpoint;
    struct dsdn_rpc *rpc;
    struct dsdn_rpc_call *call;
    struct dsdn_submitter_options options;
    struct dsdn_submit state;
    struct dsdn_text params; /* of the open submission */
    uint64_t lens[DSDN_SUBMIT_BLOBS_MAX];
    struct dsdn_submitter_spent spent;
    bool counted; /* the open submission is in it */
    uint64_t random;
};

int dsdn_submitter_new(const struct dsdn_submitter_options *options, struct dsdn_submitter **submitter,
                       struct dsdn_error *error)
{
    *submitter = NULL;
    if (dsdn_namespace_compare(options->ns, dsdn_namespace_tail_padding) >= 0)
        return dsdn_fail(error, DSDN_E_USAGE, "padding and parity are no namespaces to post to");
    struct dsdn_submitter *s = calloc(1, sizeof *s);
    if (!s) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a submitter");
    const struct dsdn_rpc_options rpc = {.connections = 1, .seed = options->seed};
    s->options = *options;
    int rc = dsdn_rpc_new(&rpc, &s->rpc, error);
    if (!rc) rc = dsdn_endpoint_open(&s->endpoint, &options->endpoint, error);
    if (rc) {
        dsdn_submitter_free(s);
        return rc;
    }
    /* 2 bytes of JSON for each of blobs would do; the bound is for the sum of them with everything else */
    dsdn_text_init(&s->params, 2u * DSDN_SUBMIT_BYTES_MAX, 0);
    s->random = options->seed;
    while (!s->random) randombytes_buf(&s->random, sizeof s->random);
    *submitter = s;
    return DSDN_OK;
}

void dsdn_submitter_free(struct dsdn_submitter *s)
{
    if (!s) return;
    if (s->rpc) dsdn_rpc_end_call(s->rpc, s->call);
    dsdn_rpc_free(s->rpc);
    dsdn_endpoint_close(&s->endpoint);
    dsdn_text_free(&s->params);
    free(s);
}

/* ---- blobs -------------------------------------------------------------------------------------- */

static int commitments_of(const struct dsdn_submitter *s, const struct dsdn_view *blobs, uint32_t blob_cnt,
                          uint8_t (*commitments)[32], struct dsdn_error *error)
{
    size_t total = 0;
    int rc = DSDN_OK;
    if (!blob_cnt || blob_cnt > DSDN_SUBMIT_BLOBS_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "a submission has 1 to %u blobs, not %u", DSDN_SUBMIT_BLOBS_MAX,
                         blob_cnt);
    for (uint32_t i = 0; i < blob_cnt; i++) {
        if (blobs[i].len > DSDN_SUBMIT_BYTES_MAX - total)
            return dsdn_fail(error, DSDN_E_USAGE, "the blobs of a submission have at most %u bytes together",
                             DSDN_SUBMIT_BYTES_MAX);
        total += blobs[i].len;
    }
    for (uint32_t i = 0; !rc && i < blob_cnt; i++)
        rc =
            dsdn_commitment_data(s->options.ns, 0, NULL, blobs[i].bytes, blobs[i].len, commitments[i], error);
    return rc;
}

static int write_params(struct dsdn_submitter *s, const struct dsdn_view *blobs, uint32_t blob_cnt,
                        struct dsdn_error *error)
{
    struct dsdn_json_blob blob = {.index = -1, .has_commitment = true};
    memcpy(blob.ns, s->options.ns, DSDN_NAMESPACE_LEN);
    dsdn_text_clear(&s->params);
    dsdn_text_open(&s->params, '[');
    dsdn_text_open(&s->params, '[');
    for (uint32_t i = 0; i < blob_cnt; i++) {
        blob.data = blobs[i];
        memcpy(blob.commitment, s->state.commitments[i], 32);
        dsdn_json_write_blob(&s->params, &blob);
        s->lens[i] = blobs[i].len;
    }
    dsdn_text_close(&s->params, ']');
    dsdn_json_write_tx_config(&s->params, &s->options.config);
    dsdn_text_close(&s->params, ']');
    s->counted = false;
    return dsdn_text_status(&s->params, error);
}

int dsdn_submitter_post(struct dsdn_submitter *s, const struct dsdn_view *blobs, uint32_t blob_cnt,
                        struct dsdn_error *error)
{
    uint8_t commitments[DSDN_SUBMIT_BLOBS_MAX][32];
    struct dsdn_submit before = s->state;
    int rc = commitments_of(s, blobs, blob_cnt, commitments, error);
    if (!rc) rc = dsdn_submit_begin(&s->state, (const uint8_t(*)[32])commitments, blob_cnt, error);
    if (rc) return rc;
    dsdn_rpc_end_call(s->rpc, s->call); /* of a submission that was seen before its answer came */
    s->call = NULL;
    rc = write_params(s, blobs, blob_cnt, error);
    if (rc) s->state = before;
    return rc;
}

int dsdn_submitter_resume(struct dsdn_submitter *s, const uint8_t *record, size_t len,
                          const struct dsdn_view *blobs, uint32_t blob_cnt, struct dsdn_error *error)
{
    uint8_t commitments[DSDN_SUBMIT_BLOBS_MAX][32];
    struct dsdn_submit resumed;
    if (s->state.phase != DSDN_SUBMIT_IDLE && s->state.phase != DSDN_SUBMIT_DONE &&
        s->state.phase != DSDN_SUBMIT_FAILED)
        return dsdn_fail(error, DSDN_E_USAGE, "a submission is open");
    int rc = dsdn_submit_resume(&resumed, record, len, error);
    if (!rc) rc = commitments_of(s, blobs, blob_cnt, commitments, error);
    if (rc) return rc;
    if (blob_cnt != resumed.blob_cnt || memcmp(commitments, resumed.commitments, (size_t)blob_cnt * 32) != 0)
        return dsdn_fail(error, DSDN_E_USAGE, "the blobs are not those of the record");
    struct dsdn_submit before = s->state;
    s->state = resumed;
    dsdn_rpc_end_call(s->rpc, s->call);
    s->call = NULL;
    rc = write_params(s, blobs, blob_cnt, error);
    if (rc) s->state = before;
    return rc;
}

/* ---- moving on ---------------------------------------------------------------------------------- */

static uint64_t now_ms(const struct dsdn_submitter *s)
{
    struct timespec t;
    if (s->options.clock_ms) return s->options.clock_ms(s->options.self);
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Doubled for each pause in a row, spread over its upper half. */
static uint64_t next_pause(struct dsdn_submitter *s)
{
    uint64_t pause = s->endpoint.retry_delay_ms < PAUSE_MIN_MS ? s->endpoint.retry_delay_ms : PAUSE_MIN_MS;
    for (uint32_t i = 0; i < s->state.pauses && pause < PAUSE_MAX_MS; i++) pause *= 2;
    if (pause > PAUSE_MAX_MS) pause = PAUSE_MAX_MS;
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return pause / 2 + s->random % (pause / 2 + 1);
}

static int send_call(struct dsdn_submitter *s, uint64_t head, struct dsdn_error *error)
{
    uint8_t record[DSDN_SUBMIT_RECORD_MAX];
    struct dsdn_submit before = s->state;
    size_t len = dsdn_submit_send(&s->state, head, record);
    int rc = s->options.save ? s->options.save(s->options.self, record, len, error) : DSDN_OK;
    if (!rc)
        rc = dsdn_rpc_start(s->rpc, &s->endpoint, DSDN_CELESTIA_SUBMIT,
                            (struct dsdn_view){(const uint8_t *)s->params.bytes, s->params.len},
                            s->options.timeout_ms ? s->options.timeout_ms : DSDN_SUBMIT_TIMEOUT_MS, 0,
                            &s->call, error);
    if (rc) s->state = before; /* nothing was sent */
    return rc;
}

static void take_answer(struct dsdn_submitter *s)
{
    const struct dsdn_rpc_end *end = s->call ? dsdn_rpc_done(s->call) : NULL;
    uint64_t height = 0;
    if (!end) return;
    enum dsdn_submit_outcome outcome = dsdn_submit_outcome(end);
    if (outcome == DSDN_OUTCOME_INCLUDED) (void)dsdn_span_u64(end->result, INT64_MAX, &height);
    uint64_t pause = outcome == DSDN_OUTCOME_LATER ? next_pause(s) : 0;
    dsdn_submit_answered(&s->state, outcome, height, now_ms(s), pause, &end->error);
    dsdn_rpc_end_call(s->rpc, s->call);
    s->call = NULL;
}

static void count_spent(struct dsdn_submitter *s)
{
    uint64_t gas = dsdn_celestia_gas(s->lens, s->state.blob_cnt, 0);
    uint64_t price = s->options.config.gas_price_set ? s->options.config.gas_price : DSDN_PRICE_MIN;
    if (s->counted) return;
    s->counted = true;
    s->spent.submissions++;
    s->spent.blobs += s->state.blob_cnt;
    for (uint32_t i = 0; i < s->state.blob_cnt; i++) s->spent.bytes += s->lens[i];
    s->spent.gas += gas;
    s->spent.utia += dsdn_celestia_fee(gas, price);
}

void dsdn_submitter_saw(struct dsdn_submitter *s, const struct dsdn_da_height *height)
{
    dsdn_submit_saw(&s->state, height);
    if (s->state.phase == DSDN_SUBMIT_DONE) count_spent(s);
}

int dsdn_submitter_run(struct dsdn_submitter *s, uint64_t head, uint32_t timeout_ms, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    take_answer(s);
    if (s->state.phase == DSDN_SUBMIT_READY && now_ms(s) >= s->state.not_before_ms)
        rc = send_call(s, head, error);
    if (!rc && s->call) rc = dsdn_rpc_run(s->rpc, timeout_ms, error);
    if (!rc) take_answer(s);
    return rc;
}

const struct dsdn_submit *dsdn_submitter_state(const struct dsdn_submitter *submitter)
{
    return &submitter->state;
}

struct dsdn_submitter_spent dsdn_submitter_spent(const struct dsdn_submitter *submitter)
{
    return submitter->spent;
}

const struct dsdn_endpoint *dsdn_submitter_endpoint(const struct dsdn_submitter *submitter)
{
    return &submitter->endpoint;
}
