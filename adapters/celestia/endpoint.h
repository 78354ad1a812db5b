/* endpoint.h: one node: its address, its token, and what was seen of it. */
#ifndef DSDN_ADAPTERS_CELESTIA_ENDPOINT_H
#define DSDN_ADAPTERS_CELESTIA_ENDPOINT_H

#include "adapters/celestia/token.h"
#include "log/da.h"
#include "log/json.h"

#define DSDN_ENDPOINT_URL_MAX 511u

/* What is asked of a node.  number, method, most bytes of an answer, what it is called in metrics */
#define DSDN_CELESTIA_OPERATION_LIST(X)                                                                      \
    X(0, HEADER, "header.GetByHeight", 2u << 20)                                                             \
    X(1, HEAD, "header.NetworkHead", 2u << 20)                                                               \
    X(2, LOCAL_HEAD, "header.LocalHead", 2u << 20)                                                           \
    X(3, TAIL, "header.Tail", 2u << 20)                                                                      \
    X(4, SYNC_STATE, "header.SyncState", 64u << 10)                                                          \
    X(5, NAMESPACE_DATA, "share.GetNamespaceData", 64u << 20)                                                \
    X(6, SUBMIT, "blob.Submit", 64u << 10)                                                                   \
    X(7, BALANCE, "state.Balance", 64u << 10)                                                                \
    X(8, ACCOUNT, "state.AccountAddress", 64u << 10)                                                         \
    X(9, NODE_INFO, "node.Info", 64u << 10)                                                                  \
    X(10, READY, "node.Ready", 64u << 10)                                                                    \
    X(11, P2P_INFO, "p2p.Info", 64u << 10)                                                                   \
    X(12, GET_ALL, "blob.GetAll", 64u << 20)

enum dsdn_celestia_operation {
#define X(number, name, method, most) DSDN_CELESTIA_##name = (number),
    DSDN_CELESTIA_OPERATION_LIST(X)
#undef X
        DSDN_CELESTIA_OPERATION_CNT = 13
};
const char *dsdn_celestia_operation_method(enum dsdn_celestia_operation operation);
size_t dsdn_celestia_operation_most(enum dsdn_celestia_operation operation);

struct dsdn_endpoint_options {
    const char *url;        /* http or https; copied */
    const char *token_file; /* NULL: the environment variable DA_AUTH_TOKEN, unless without_token */
    bool without_token;
    uint32_t timeout_ms;     /* of a call; 0: 30,000 */
    uint32_t retry_cnt;      /* further attempts; UINT32_MAX: none; 0: three */
    uint32_t retry_delay_ms; /* before the first of them, doubled for each; 0: 1,000 */
};

/* DA-7: counted since the endpoint was opened. */
struct dsdn_endpoint_metrics {
    struct {
        uint64_t calls, failures; /* attempts; those without a usable answer */
        uint64_t microseconds;    /* of all attempts */
        uint64_t slowest;         /* microseconds of one */
        uint64_t sent, received;  /* bytes of bodies */
    } operations[DSDN_CELESTIA_OPERATION_CNT];
    uint64_t answers[DSDN_DA_ANSWER_CNT]; /* by what they meant; PRESENT: a result */
    uint64_t retries, token_reads;
};

struct dsdn_endpoint {
    char url[DSDN_ENDPOINT_URL_MAX + 1];
    struct dsdn_token *token;
    bool token_open; /* others can read the token's file */
    uint32_t timeout_ms, retry_cnt, retry_delay_ms;
    struct dsdn_endpoint_metrics metrics;
};

/* dsdn_endpoint_open checks the URL and reads the token; no connection is made.  USAGE, and as
 * dsdn_token_new. */
int dsdn_endpoint_open(struct dsdn_endpoint *endpoint, const struct dsdn_endpoint_options *options,
                       struct dsdn_error *error);
void dsdn_endpoint_close(struct dsdn_endpoint *endpoint);

/* dsdn_endpoint_write_metrics writes {"url":..,"operations":{METHOD:{..}},"answers":{..},..}. */
void dsdn_endpoint_write_metrics(struct dsdn_text *t, const struct dsdn_endpoint *endpoint);

#endif
