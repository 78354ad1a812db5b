#include "adapters/celestia/rpc.h"

#include <sodium.h>
#include <stdlib.h>
#include <time.h>

#define PAUSE_MAX_MS 60000u

struct dsdn_rpc_call {
    struct dsdn_rpc_call *next;
    struct dsdn_endpoint *endpoint;
    enum dsdn_celestia_operation operation;
    uint64_t id;
    uint32_t timeout_ms;
    size_t answer_max;
    struct dsdn_text request;
    struct dsdn_http_call *http; /* NULL: between two attempts */
    uint64_t not_before_ms;
    bool token_read; /* once a call */
    bool done;
    struct dsdn_rpc_end end;
};

struct dsdn_rpc {
    struct dsdn_http *http;
    struct dsdn_rpc_call *calls;
    uint64_t last_id, random;
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* xorshift64*: pauses need no better. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

int dsdn_rpc_new(const struct dsdn_rpc_options *options, struct dsdn_rpc **rpc, struct dsdn_error *error)
{
    *rpc = NULL;
    if (sodium_init() < 0) return dsdn_fail(error, DSDN_E_IO, "libsodium does not start");
    struct dsdn_rpc *r = calloc(1, sizeof *r);
    if (!r) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for calls");
    int rc = dsdn_http_new(options->connections, &r->http, error);
    if (rc) {
        free(r);
        return rc;
    }
    r->random = options->seed;
    while (!r->random) randombytes_buf(&r->random, sizeof r->random);
    *rpc = r;
    return DSDN_OK;
}

void dsdn_rpc_free(struct dsdn_rpc *rpc)
{
    if (!rpc) return;
    dsdn_http_free(rpc->http);
    free(rpc);
}

/* ---- attempts ----------------------------------------------------------------------------------- */

static int begin_attempt(struct dsdn_rpc *rpc, struct dsdn_rpc_call *c, struct dsdn_error *error)
{
    char authorization[DSDN_TOKEN_HEADER_MAX];
    struct dsdn_http_request request = {
        .url = c->endpoint->url,
        .authorization = dsdn_token_header(c->endpoint->token, authorization) ? authorization : NULL,
        .body = {(const uint8_t *)c->request.bytes, c->request.len},
        .answer_max = c->answer_max,
        .timeout_ms = c->timeout_ms};
    c->end.attempts++;
    int rc = dsdn_http_start(rpc->http, &request, &c->http, error);
    sodium_memzero(authorization, sizeof authorization);
    return rc;
}

static void count(struct dsdn_endpoint *e, const struct dsdn_rpc_call *c, const struct dsdn_http_answer *http,
                  enum dsdn_da_answer answer)
{
    struct dsdn_endpoint_metrics *m = &e->metrics;
    m->operations[c->operation].calls++;
    if (answer != DSDN_DA_PRESENT) m->operations[c->operation].failures++;
    m->operations[c->operation].microseconds += http->microseconds;
    if (http->microseconds > m->operations[c->operation].slowest)
        m->operations[c->operation].slowest = http->microseconds;
    m->operations[c->operation].sent += c->request.len;
    m->operations[c->operation].received += http->received;
    m->answers[answer]++;
}

/* The code of an end that is no result. */
static int code_of(enum dsdn_da_answer answer)
{
    switch (answer) {
    case DSDN_DA_FUTURE:
    case DSDN_DA_TIMEOUT:
    case DSDN_DA_UNAVAILABLE: return DSDN_E_AGAIN;
    case DSDN_DA_PRUNED:
    case DSDN_DA_UNAUTHORISED: return DSDN_E_INCOMPLETE;
    default: return DSDN_E_MALFORMED;
    }
}

static void explain(struct dsdn_rpc_call *c, const struct dsdn_http_answer *http,
                    const struct dsdn_rpc_answer *answer, const struct dsdn_error *malformed)
{
    const char *method = dsdn_celestia_operation_method(c->operation);
    int code = http->end == DSDN_HTTP_NO_MEMORY ? DSDN_E_NO_MEMORY : code_of(c->end.meaning.answer);
    struct dsdn_error *e = &c->end.error;
    if (http->end != DSDN_HTTP_ANSWERED)
        dsdn_fail(e, code, "%s: %s: %s", c->endpoint->url, method, dsdn_http_end_text(http->end));
    else if (answer)
        dsdn_fail(e, code, "%s: %s: %s", c->endpoint->url, method, answer->message);
    else if (http->status == 401)
        dsdn_fail(e, code, "%s: %s: HTTP 401: the token is missing, expired or not this node's",
                  c->endpoint->url, method);
    else if (http->status != 200)
        dsdn_fail(e, code, "%s: %s: HTTP status %ld", c->endpoint->url, method, http->status);
    else
        dsdn_fail(e, malformed->code == DSDN_E_NO_MEMORY ? DSDN_E_NO_MEMORY : code, "%s: %s: %s",
                  c->endpoint->url, method, malformed->message);
}

/* Whether the call is to be tried again, and from when on. */
static bool again(struct dsdn_rpc *rpc, struct dsdn_rpc_call *c)
{
    struct dsdn_endpoint *e = c->endpoint;
    if (c->end.meaning.retry == DSDN_RETRY_TOKEN && e->token && !c->token_read) {
        bool changed = false;
        c->token_read = true;
        e->metrics.token_reads++;
        c->not_before_ms = 0;
        return dsdn_token_refresh(e->token, &changed, NULL) == 0 && changed;
    }
    if (c->end.meaning.retry != DSDN_RETRY_BACKOFF || c->operation == DSDN_CELESTIA_SUBMIT) return false;
    if (c->end.attempts - c->token_read > e->retry_cnt) return false;
    uint64_t pause = e->retry_delay_ms;
    for (uint32_t i = 1; i < c->end.attempts && pause < PAUSE_MAX_MS; i++) pause *= 2;
    if (pause > PAUSE_MAX_MS) pause = PAUSE_MAX_MS;
    c->not_before_ms = now_ms() + pause / 2 + next_random(&rpc->random) % (pause / 2 + 1);
    return true;
}

/* What came of an attempt. */
static void judge(struct dsdn_rpc *rpc, struct dsdn_rpc_call *c, const struct dsdn_http_answer *http)
{
    struct dsdn_rpc_answer answer;
    struct dsdn_error error = DSDN_ERROR_INIT;
    bool read = http->end == DSDN_HTTP_ANSWERED && http->status != 401 && http->body.len &&
                dsdn_rpc_read_answer(http->body.bytes, http->body.len, c->id, &answer, &error) == 0;
    if (!http->body.len && http->end == DSDN_HTTP_ANSWERED)
        dsdn_fail(&error, DSDN_E_MALFORMED, "the answer is empty");
    c->end.meaning = dsdn_rpc_meaning(http, read ? &answer : NULL);
    count(c->endpoint, c, http, c->end.meaning.answer);
    if (c->end.meaning.answer == DSDN_DA_PRESENT) {
        c->end.result = answer.result;
        c->done = true;
        return;
    }
    explain(c, http, read ? &answer : NULL, &error);
    if (again(rpc, c)) {
        c->endpoint->metrics.retries++;
        dsdn_http_end_call(rpc->http, c->http);
        c->http = NULL;
    } else {
        c->done = true;
    }
}

/* ---- calls -------------------------------------------------------------------------------------- */

int dsdn_rpc_start(struct dsdn_rpc *rpc, struct dsdn_endpoint *endpoint,
                   enum dsdn_celestia_operation operation, struct dsdn_view params, uint32_t timeout_ms,
                   size_t answer_max, struct dsdn_rpc_call **call, struct dsdn_error *error)
{
    size_t most = dsdn_celestia_operation_most(operation);
    *call = NULL;
    struct dsdn_rpc_call *c = calloc(1, sizeof *c);
    if (!c) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a call");
    c->endpoint = endpoint;
    c->operation = operation;
    c->id = ++rpc->last_id;
    c->timeout_ms = timeout_ms ? timeout_ms : endpoint->timeout_ms;
    c->answer_max = answer_max && answer_max < most ? answer_max : most;
    dsdn_text_init(&c->request, params.len + 256, 0);
    dsdn_rpc_write_request(&c->request, c->id, dsdn_celestia_operation_method(operation), params);
    int rc = dsdn_text_status(&c->request, error);
    if (!rc) rc = begin_attempt(rpc, c, error);
    if (rc) {
        dsdn_text_free(&c->request);
        free(c);
        return rc;
    }
    c->next = rpc->calls;
    rpc->calls = c;
    *call = c;
    return DSDN_OK;
}

/* Moves calls on without waiting; *pause becomes the time until the next attempt is due.  Whether one ended
 * just now: one that ended before and was not asked about must not keep the caller from waiting. */
static bool step(struct dsdn_rpc *rpc, uint64_t *pause, int *rc, struct dsdn_error *error)
{
    bool ended = false;
    uint64_t now = now_ms();
    for (struct dsdn_rpc_call *c = rpc->calls; c; c = c->next) {
        struct dsdn_http_answer answer;
        if (!c->done && c->http && dsdn_http_done(c->http, &answer)) {
            judge(rpc, c, &answer);
            ended |= c->done;
        }
        if (!c->done && !c->http && c->not_before_ms <= now) {
            int failed = begin_attempt(rpc, c, error);
            if (failed) *rc = failed;
        } else if (!c->done && !c->http && c->not_before_ms - now < *pause) {
            *pause = c->not_before_ms - now;
        }
    }
    return ended;
}

int dsdn_rpc_run(struct dsdn_rpc *rpc, uint32_t timeout_ms, struct dsdn_error *error)
{
    uint64_t pause = timeout_ms;
    int rc = dsdn_http_run(rpc->http, 0, error);
    if (!rc && step(rpc, &pause, &rc, error)) pause = 0;
    if (!rc && pause) {
        rc = dsdn_http_run(rpc->http, (uint32_t)pause, error);
        if (!rc) (void)step(rpc, &pause, &rc, error);
    }
    return rc;
}

const struct dsdn_rpc_end *dsdn_rpc_done(const struct dsdn_rpc_call *call)
{
    return call->done ? &call->end : NULL;
}

void dsdn_rpc_end_call(struct dsdn_rpc *rpc, struct dsdn_rpc_call *call)
{
    struct dsdn_rpc_call **link = &rpc->calls;
    if (!call) return;
    while (*link != call) link = &(*link)->next;
    *link = call->next;
    dsdn_http_end_call(rpc->http, call->http);
    dsdn_text_free(&call->request);
    free(call);
}

int dsdn_rpc_ask(struct dsdn_rpc *rpc, struct dsdn_endpoint *endpoint, enum dsdn_celestia_operation operation,
                 struct dsdn_view params, struct dsdn_rpc_call **call, struct dsdn_error *error)
{
    int rc = dsdn_rpc_start(rpc, endpoint, operation, params, 0, 0, call, error);
    while (!rc && !dsdn_rpc_done(*call)) rc = dsdn_rpc_run(rpc, 1000, error);
    if (rc && *call) {
        dsdn_rpc_end_call(rpc, *call);
        *call = NULL;
    }
    return rc;
}
