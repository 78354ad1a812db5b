/* method.h: inside of the RPC: what the methods share.  Private to this folder. */
#ifndef DSDN_ADAPTERS_DEVNET_METHOD_H
#define DSDN_ADAPTERS_DEVNET_METHOD_H

#include "adapters/celestia/json_rpc.h"
#include "adapters/devnet/rpc.h"

enum method_outcome { METHOD_DONE, METHOD_WAIT, METHOD_FAILED };

struct dsdn_devnet_call {
    struct dsdn_devnet_node *node;
    uint32_t permissions;
    bool websocket;
    char *text; /* the request, owned */
    size_t len;
    struct dsdn_view root;
    struct dsdn_span_walk batch;
    bool begun, is_batch, batch_open;
    struct dsdn_devnet_answer answer;
    /* the request that is worked on */
    struct dsdn_rpc_request request;
    bool current;             /* there is one */
    bool waited;              /* it was stepped before: its faults are counted */
    bool result_open;         /* a result was begun */
    uint64_t ticket, answers; /* Submit: what it waits for; 0: nothing yet */
    uint64_t stale, lag;      /* heights that heads are behind, by fault */
    uint32_t stale_id, lag_id;
    int64_t code; /* METHOD_FAILED */
    char message[DSDN_RPC_MESSAGE_MAX];
};

/* call_fail notes an error of code APPLICATION; call_fail_code one of another code. */
enum method_outcome call_fail(struct dsdn_devnet_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum method_outcome call_fail_code(struct dsdn_devnet_call *call, int64_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* call_fail_param: a parameter does not decode; type as Go prints it. */
enum method_outcome call_fail_param(struct dsdn_devnet_call *call, const char *type, const char *why);
enum method_outcome call_fail_error(struct dsdn_devnet_call *call, const struct dsdn_error *error);

/* call_result begins the result: NULL for a notification, whose result nobody wants.  Nothing may fail behind
 * it. */
struct dsdn_text *call_result(struct dsdn_devnet_call *call);
enum method_outcome call_null(struct dsdn_devnet_call *call);

/* Parameters: false has noted the error. */
bool param_height(struct dsdn_devnet_call *call, uint32_t i, uint64_t *height);
bool param_namespace(struct dsdn_devnet_call *call, uint32_t i, uint8_t ns[DSDN_NAMESPACE_LEN]);
bool read_namespace(struct dsdn_devnet_call *call, struct dsdn_view value, const char *type,
                    uint8_t ns[DSDN_NAMESPACE_LEN]);
bool param_commitment(struct dsdn_devnet_call *call, uint32_t i, uint8_t commitment[32]);

/* The heads that this call is told about. */
struct heads {
    uint64_t network, local;
};
struct heads call_heads(struct dsdn_devnet_call *call);

/* call_height checks a height as the node's header service does: METHOD_DONE when its header can be given. */
enum method_outcome call_height(struct dsdn_devnet_call *call, uint64_t height);

/* A fault of the call, counted on its first step only. */
const struct dsdn_devnet_fault *call_fault(struct dsdn_devnet_call *call, enum dsdn_devnet_fault_kind kind,
                                           uint64_t height);

enum method_outcome header_get_by_height(struct dsdn_devnet_call *call);
enum method_outcome header_wait_for_height(struct dsdn_devnet_call *call);
enum method_outcome header_local_head(struct dsdn_devnet_call *call);
enum method_outcome header_network_head(struct dsdn_devnet_call *call);
enum method_outcome header_tail(struct dsdn_devnet_call *call);
enum method_outcome header_get_by_hash(struct dsdn_devnet_call *call);
enum method_outcome header_get_range(struct dsdn_devnet_call *call);
enum method_outcome header_sync_state(struct dsdn_devnet_call *call);
enum method_outcome header_subscribe(struct dsdn_devnet_call *call);

enum method_outcome blob_get(struct dsdn_devnet_call *call);
enum method_outcome blob_get_all(struct dsdn_devnet_call *call);
enum method_outcome blob_get_proof(struct dsdn_devnet_call *call);
enum method_outcome blob_included(struct dsdn_devnet_call *call);
enum method_outcome blob_get_commitment_proof(struct dsdn_devnet_call *call);
enum method_outcome blob_subscribe(struct dsdn_devnet_call *call);
enum method_outcome share_get_namespace_data(struct dsdn_devnet_call *call);
enum method_outcome share_available(struct dsdn_devnet_call *call);
/* Writes the blobs of a namespace as an array, or null; only those of kind DATA.  skip_last: a fault. */
int write_blobs(struct dsdn_text *t, const struct dsdn_devnet_blobs *blobs,
                const uint8_t ns[DSDN_NAMESPACE_LEN], bool skip_last, struct dsdn_error *error);

enum method_outcome blob_submit(struct dsdn_devnet_call *call);
enum method_outcome devnet_post(struct dsdn_devnet_call *call);
enum method_outcome devnet_garbage(struct dsdn_devnet_call *call);

enum method_outcome state_account(struct dsdn_devnet_call *call);
enum method_outcome state_balance(struct dsdn_devnet_call *call);
enum method_outcome state_balance_for(struct dsdn_devnet_call *call);
enum method_outcome node_info(struct dsdn_devnet_call *call);
enum method_outcome node_ready(struct dsdn_devnet_call *call);
enum method_outcome node_auth_new(struct dsdn_devnet_call *call);
enum method_outcome node_auth_new_with_expiry(struct dsdn_devnet_call *call);
enum method_outcome node_auth_verify(struct dsdn_devnet_call *call);
enum method_outcome p2p_info(struct dsdn_devnet_call *call);
enum method_outcome p2p_peers(struct dsdn_devnet_call *call);
enum method_outcome p2p_network(struct dsdn_devnet_call *call);
enum method_outcome das_sampling_stats(struct dsdn_devnet_call *call);
enum method_outcome done_at_once(struct dsdn_devnet_call *call);
enum method_outcome devnet_produce(struct dsdn_devnet_call *call);
enum method_outcome devnet_fault(struct dsdn_devnet_call *call);
enum method_outcome devnet_faults(struct dsdn_devnet_call *call);
enum method_outcome devnet_clear(struct dsdn_devnet_call *call);
enum method_outcome devnet_restart(struct dsdn_devnet_call *call);
enum method_outcome devnet_info(struct dsdn_devnet_call *call);
enum method_outcome xrpc_cancel(struct dsdn_devnet_call *call);

#endif
