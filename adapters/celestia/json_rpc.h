/* json_rpc.h: JSON-RPC 2.0 as go-jsonrpc speaks it: requests and answers, both ways.
 *
 *     -> {"jsonrpc":"2.0","id":1,"method":"blob.GetAll","params":[20345,["AAAA..."]]}
 *     <- {"jsonrpc":"2.0","id":1,"result":...}
 *     <- {"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"..."}}
 *
 * The order of members is not fixed.  A missing result without an error is null (older releases). */
#ifndef DSDN_ADAPTERS_CELESTIA_JSON_RPC_H
#define DSDN_ADAPTERS_CELESTIA_JSON_RPC_H

#include "adapters/celestia/json.h"

#define DSDN_RPC_PARAMS_MAX  8u
#define DSDN_RPC_METHOD_MAX  64u
#define DSDN_RPC_MESSAGE_MAX 512u

/* Codes of error objects (go-jsonrpc handler.go). */
enum dsdn_rpc_code {
    DSDN_RPC_PANIC = 0,
    DSDN_RPC_APPLICATION = 1, /* every error of a method; only the text tells them apart */
    DSDN_RPC_PARSE = -32700,  /* also a parameter that does not decode */
    DSDN_RPC_INVALID = -32600,
    DSDN_RPC_UNKNOWN_METHOD = -32601,
    DSDN_RPC_PARAM_COUNT = -32602,
};

/* ---- the asking side ---- */

/* An answer; views are into the text. */
struct dsdn_rpc_answer {
    struct dsdn_view result; /* a span; null when the answer has none */
    bool failed;
    int64_t code;                       /* failed: of the error object */
    char message[DSDN_RPC_MESSAGE_MAX]; /* failed: its text, fit to be shown */
};

/* dsdn_rpc_read_answer reads one answer to the request of this id.  MALFORMED. */
int dsdn_rpc_read_answer(const void *text, size_t len, uint64_t id, struct dsdn_rpc_answer *answer,
                         struct dsdn_error *error);

/* dsdn_rpc_write_request writes a request; params is the array of its parameters as text, brackets included.
 */
void dsdn_rpc_write_request(struct dsdn_text *t, uint64_t id, const char *method, struct dsdn_view params);

/* ---- the answering side ---- */

/* A request; views are into the text. */
struct dsdn_rpc_request {
    struct dsdn_view id; /* a span, to be echoed; empty: a notification, no answer */
    char method[DSDN_RPC_METHOD_MAX];
    struct dsdn_view params[DSDN_RPC_PARAMS_MAX]; /* spans */
    uint32_t param_cnt;
};

/* dsdn_rpc_read_request reads one request from a span: the text itself, or an element of a batch array.
 * MALFORMED: an invalid request (code -32600) - TOO_LARGE for more parameters than any method has. */
int dsdn_rpc_read_request(struct dsdn_view value, struct dsdn_rpc_request *request, struct dsdn_error *error);

/* dsdn_rpc_write_result begins an answer and leaves it open for the result's value: write it, then call
 * dsdn_rpc_end_answer.  dsdn_rpc_write_error writes a whole one.  An empty id becomes null. */
void dsdn_rpc_write_result(struct dsdn_text *t, struct dsdn_view id);
void dsdn_rpc_end_answer(struct dsdn_text *t);
void dsdn_rpc_write_error(struct dsdn_text *t, struct dsdn_view id, int64_t code, const char *message);

#endif
