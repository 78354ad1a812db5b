#include "adapters/celestia/rpc.h"

/* Words of celestia-node and go-jsonrpc that tell errors of code 1 apart (see the design of its API: the text
 * is all there is).  The first that occurs in the message counts. */
static const struct {
    const char *words;
    enum dsdn_da_answer answer;
    enum dsdn_retry retry;
} texts[] = {
    {"missing permission to invoke", DSDN_DA_UNAUTHORISED, DSDN_RETRY_TOKEN},
    {"from the future", DSDN_DA_FUTURE, DSDN_RETRY_NEVER},
    {"syncing in progress", DSDN_DA_FUTURE, DSDN_RETRY_ELSEWHERE},
    {"is below Tail", DSDN_DA_PRUNED, DSDN_RETRY_ELSEWHERE},
    {"pruned", DSDN_DA_PRUNED, DSDN_RETRY_ELSEWHERE},
    {"header: not found", DSDN_DA_UNAVAILABLE, DSDN_RETRY_ELSEWHERE},
    {"all getters failed", DSDN_DA_UNAVAILABLE, DSDN_RETRY_ELSEWHERE},
    {"data not found", DSDN_DA_UNAVAILABLE, DSDN_RETRY_ELSEWHERE},
    {"blob: not found", DSDN_DA_UNAVAILABLE, DSDN_RETRY_ELSEWHERE},
    {"context deadline exceeded", DSDN_DA_TIMEOUT, DSDN_RETRY_BACKOFF},
    {"height is equal to 0", DSDN_DA_MALFORMED, DSDN_RETRY_NEVER},
};

static struct dsdn_rpc_meaning of_transfer(enum dsdn_http_end end)
{
    static const struct dsdn_rpc_meaning meanings[DSDN_HTTP_END_CNT] = {
        [DSDN_HTTP_RESOLVE] = {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF},
        [DSDN_HTTP_CONNECT] = {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF},
        [DSDN_HTTP_TLS] = {DSDN_DA_UNAVAILABLE, DSDN_RETRY_ELSEWHERE},
        [DSDN_HTTP_TIMEOUT] = {DSDN_DA_TIMEOUT, DSDN_RETRY_BACKOFF},
        [DSDN_HTTP_DROPPED] = {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF},
        [DSDN_HTTP_TOO_LARGE] = {DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE},
        [DSDN_HTTP_PROTOCOL] = {DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE},
        [DSDN_HTTP_NO_MEMORY] = {DSDN_DA_UNAVAILABLE, DSDN_RETRY_NEVER},
    };
    return meanings[end];
}

static struct dsdn_rpc_meaning of_error(const struct dsdn_rpc_answer *answer)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strstr(answer->message, texts[i].words))
            return (struct dsdn_rpc_meaning){texts[i].answer, texts[i].retry};
    switch (answer->code) {
    case DSDN_RPC_PARSE:
    case DSDN_RPC_INVALID:
    case DSDN_RPC_PARAM_COUNT: return (struct dsdn_rpc_meaning){DSDN_DA_MALFORMED, DSDN_RETRY_NEVER};
    case DSDN_RPC_UNKNOWN_METHOD: return (struct dsdn_rpc_meaning){DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE};
    default: return (struct dsdn_rpc_meaning){DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF};
    }
}

struct dsdn_rpc_meaning dsdn_rpc_meaning(const struct dsdn_http_answer *http,
                                         const struct dsdn_rpc_answer *answer)
{
    if (http->end != DSDN_HTTP_ANSWERED) return of_transfer(http->end);
    switch (http->status) {
    case 401: return (struct dsdn_rpc_meaning){DSDN_DA_UNAUTHORISED, DSDN_RETRY_TOKEN};
    case 403: return (struct dsdn_rpc_meaning){DSDN_DA_UNAUTHORISED, DSDN_RETRY_NEVER};
    case 429:
    case 502:
    case 503:
    case 504: return (struct dsdn_rpc_meaning){DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF};
    default: break;
    }
    if (answer && answer->failed) return of_error(answer);
    if (http->status == 500) return (struct dsdn_rpc_meaning){DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF};
    if (!answer || http->status != 200)
        return (struct dsdn_rpc_meaning){DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE};
    return (struct dsdn_rpc_meaning){DSDN_DA_PRESENT, DSDN_RETRY_NEVER};
}
