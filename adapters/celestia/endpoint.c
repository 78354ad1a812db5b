#include "adapters/celestia/endpoint.h"

#include "adapters/celestia/http.h"

#include <stdio.h>

static const struct {
    const char *method;
    size_t most;
} operations[] = {
#define X(number, name, method, most) [number] = {method, most},
    DSDN_CELESTIA_OPERATION_LIST(X)
#undef X
};

const char *dsdn_celestia_operation_method(enum dsdn_celestia_operation operation)
{
    return (unsigned)operation < DSDN_CELESTIA_OPERATION_CNT ? operations[operation].method : "?";
}

size_t dsdn_celestia_operation_most(enum dsdn_celestia_operation operation)
{
    return (unsigned)operation < DSDN_CELESTIA_OPERATION_CNT ? operations[operation].most : 0;
}

int dsdn_endpoint_open(struct dsdn_endpoint *endpoint, const struct dsdn_endpoint_options *options,
                       struct dsdn_error *error)
{
    *endpoint = (struct dsdn_endpoint){.token = NULL};
    if (!options->url || !*options->url)
        return dsdn_fail(error, DSDN_E_USAGE, "the URL of a node is missing");
    if (strlen(options->url) > DSDN_ENDPOINT_URL_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "the URL of a node has at most %u characters",
                         DSDN_ENDPOINT_URL_MAX);
    int rc = dsdn_http_check(options->url, error);
    if (!rc && !options->without_token)
        rc = dsdn_token_new(options->token_file, &endpoint->token, &endpoint->token_open, error);
    if (rc) return rc;
    snprintf(endpoint->url, sizeof endpoint->url, "%s", options->url);
    endpoint->timeout_ms = options->timeout_ms ? options->timeout_ms : 30000;
    endpoint->retry_cnt = options->retry_cnt == UINT32_MAX ? 0 : options->retry_cnt ? options->retry_cnt : 3;
    endpoint->retry_delay_ms = options->retry_delay_ms ? options->retry_delay_ms : 1000;
    return DSDN_OK;
}

void dsdn_endpoint_close(struct dsdn_endpoint *endpoint)
{
    dsdn_token_free(endpoint->token);
    endpoint->token = NULL;
}

static void number(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_u64(t, value);
}

void dsdn_endpoint_write_metrics(struct dsdn_text *t, const struct dsdn_endpoint *endpoint)
{
    const struct dsdn_endpoint_metrics *m = &endpoint->metrics;
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "url");
    dsdn_text_string(t, endpoint->url);
    dsdn_text_key(t, "operations");
    dsdn_text_open(t, '{');
    for (unsigned i = 0; i < DSDN_CELESTIA_OPERATION_CNT; i++) {
        if (!m->operations[i].calls) continue;
        dsdn_text_key(t, operations[i].method);
        dsdn_text_open(t, '{');
        number(t, "calls", m->operations[i].calls);
        number(t, "failures", m->operations[i].failures);
        number(t, "microseconds", m->operations[i].microseconds);
        number(t, "slowest", m->operations[i].slowest);
        number(t, "sent", m->operations[i].sent);
        number(t, "received", m->operations[i].received);
        dsdn_text_close(t, '}');
    }
    dsdn_text_close(t, '}');
    dsdn_text_key(t, "answers");
    dsdn_text_open(t, '{');
    for (unsigned i = 0; i < DSDN_DA_ANSWER_CNT; i++)
        if (m->answers[i]) number(t, dsdn_da_answer_name((enum dsdn_da_answer)i), m->answers[i]);
    dsdn_text_close(t, '}');
    number(t, "retries", m->retries);
    number(t, "token_reads", m->token_reads);
    dsdn_text_close(t, '}');
}
