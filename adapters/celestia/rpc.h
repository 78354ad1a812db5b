/* rpc.h: calls to nodes: JSON-RPC over HTTP, failures sorted by what they mean, retries.
 *
 * Calls run side by side on one thread.  What went wrong becomes two words: an answer of log/da.h, and what
 * may be done about it.  An attempt that may be repeated is repeated here - after a pause that doubles and is
 * spread at random so that many clients do not return at once - until the endpoint's retries are used up. A
 * method that is not idempotent (blob.Submit) is never repeated here. */
#ifndef DSDN_ADAPTERS_CELESTIA_RPC_H
#define DSDN_ADAPTERS_CELESTIA_RPC_H

#include "adapters/celestia/endpoint.h"
#include "adapters/celestia/http.h"
#include "adapters/celestia/json_rpc.h"

enum dsdn_retry {
    DSDN_RETRY_NEVER,     /* the same call to the same node gives the same answer */
    DSDN_RETRY_BACKOFF,   /* after a pause */
    DSDN_RETRY_TOKEN,     /* after the token was read again, once */
    DSDN_RETRY_ELSEWHERE, /* at another node */
};

struct dsdn_rpc_meaning {
    enum dsdn_da_answer answer; /* PRESENT: there is a result */
    enum dsdn_retry retry;
};

/* dsdn_rpc_meaning says what the end of an attempt means (celestia-node's words are matched as parts of the
 * message; docs/operations.md has the table).  answer: of an ANSWERED attempt whose body was JSON-RPC, else
 * NULL. */
struct dsdn_rpc_meaning dsdn_rpc_meaning(const struct dsdn_http_answer *http,
                                         const struct dsdn_rpc_answer *answer);

struct dsdn_rpc;
struct dsdn_rpc_call;

struct dsdn_rpc_options {
    uint32_t connections; /* to one host; 0: DSDN_HTTP_CONNECTIONS */
    uint64_t seed;        /* of the random pauses; 0: from the system */
};

int dsdn_rpc_new(const struct dsdn_rpc_options *options, struct dsdn_rpc **rpc, struct dsdn_error *error);

/* dsdn_rpc_free: no call may be left. */
void dsdn_rpc_free(struct dsdn_rpc *rpc);

/* dsdn_rpc_start begins a call of `operation` to an endpoint, which must outlive it.  params: its parameters
 * as JSON, the array's brackets included; copied.  timeout_ms 0: the endpoint's; answer_max 0: the
 * operation's. NO_MEMORY. */
int dsdn_rpc_start(struct dsdn_rpc *rpc, struct dsdn_endpoint *endpoint,
                   enum dsdn_celestia_operation operation, struct dsdn_view params, uint32_t timeout_ms,
                   size_t answer_max, struct dsdn_rpc_call **call, struct dsdn_error *error);

/* dsdn_rpc_run moves all calls on, waiting at most timeout_ms for something to happen. */
int dsdn_rpc_run(struct dsdn_rpc *rpc, uint32_t timeout_ms, struct dsdn_error *error);

/* How a call ended. */
struct dsdn_rpc_end {
    struct dsdn_rpc_meaning meaning;
    struct dsdn_view result; /* PRESENT: a span of a checked text; the call's, until dsdn_rpc_end_call */
    struct dsdn_error error; /* else: why, with the node's address; code AGAIN for what may pass */
    uint32_t attempts;
};

/* NULL while it runs. */
const struct dsdn_rpc_end *dsdn_rpc_done(const struct dsdn_rpc_call *call);

/* dsdn_rpc_end_call forgets a call, ended or not.  NULL is allowed. */
void dsdn_rpc_end_call(struct dsdn_rpc *rpc, struct dsdn_rpc_call *call);

/* dsdn_rpc_ask is start and run until it ended.  The caller ends *call, also after PRESENT was missed; 0 says
 * only that there is an end to look at. */
int dsdn_rpc_ask(struct dsdn_rpc *rpc, struct dsdn_endpoint *endpoint, enum dsdn_celestia_operation operation,
                 struct dsdn_view params, struct dsdn_rpc_call **call, struct dsdn_error *error);

#endif
