/* rpc.h: the node's API: the bytes of a request in, the bytes of the answer and what to do with them out.  No
 * sockets; times come from node->now.
 *
 * Methods, words and status codes are those of celestia-node v0.31 over go-jsonrpc (handler.go, server.go):
 *     200  a method ran, whether it succeeded or not; every batch
 *     400  an empty request or batch
 *     401  a bad token (dsdn_devnet_authorise), empty body
 *     500  text that does not parse, unknown method, wrong number of parameters, parameter of another form
 * Methods that the node has and a devnet has no use for exist, with their parameter counts and permissions,
 * and fail.  Methods devnet.* drive the devnet itself (docs/devnet.md). */
#ifndef DSDN_ADAPTERS_DEVNET_RPC_H
#define DSDN_ADAPTERS_DEVNET_RPC_H

#include "adapters/devnet/node.h"

#define DSDN_DEVNET_REQUEST_MAX 16777216u /* bytes of a request's body */

enum dsdn_devnet_channel {
    DSDN_DEVNET_NO_CHANNEL,
    DSDN_DEVNET_HEADERS,
    DSDN_DEVNET_BLOBS,
    DSDN_DEVNET_CANCEL
};

struct dsdn_devnet_answer {
    int status; /* HTTP */
    struct dsdn_text body;
    bool plain;           /* the body is no JSON */
    bool drop;            /* close the connection instead of answering */
    uint64_t delay_ms;    /* before answering */
    uint64_t truncate_at; /* close the connection behind so many bytes of the body; UINT64_MAX: do not */
    uint64_t blanks;      /* to send behind the body */
    uint64_t drip;        /* bytes a second; 0: as fast as they go */
    /* WebSocket only: the body is empty and the caller opens (or closes) a channel */
    enum dsdn_devnet_channel channel;
    uint8_t ns[DSDN_NAMESPACE_LEN]; /* BLOBS */
};

/* dsdn_devnet_authorise is the set of permissions of a request with this Authorization header (NULL: none);
 * false: status 401. */
bool dsdn_devnet_authorise(const struct dsdn_devnet_node *node, const char *header, size_t len,
                           uint32_t *permissions);

/* A request being answered: some wait for blocks. */
struct dsdn_devnet_call;

/* dsdn_devnet_call_new copies the request.  NULL: no memory. */
struct dsdn_devnet_call *dsdn_devnet_call_new(struct dsdn_devnet_node *node, uint32_t permissions,
                                              bool websocket, const void *request, size_t len);
void dsdn_devnet_call_free(struct dsdn_devnet_call *call);

/* dsdn_devnet_call_step goes on as far as possible.  True: *answer is complete and belongs to the call;
 * false: step again after a block or a change of faults.  A call can change the chain: compare its head. */
bool dsdn_devnet_call_step(struct dsdn_devnet_call *call, struct dsdn_devnet_answer **answer);

/* The id of the request (a span in the call) and, for CANCEL, the id of the request whose channel to close.
 */
struct dsdn_view dsdn_devnet_call_id(const struct dsdn_devnet_call *call);
struct dsdn_view dsdn_devnet_call_cancels(const struct dsdn_devnet_call *call);

/* dsdn_devnet_channel_value writes the notification about the block of a height: xrpc.ch.val. */
void dsdn_devnet_channel_value(struct dsdn_devnet_node *node, struct dsdn_text *t, uint64_t channel,
                               enum dsdn_devnet_channel kind, const uint8_t ns[DSDN_NAMESPACE_LEN],
                               uint64_t height);

/* ---- for tests of conformance ---- */

/* dsdn_devnet_method describes the i-th method; false behind the last. */
bool dsdn_devnet_method(uint32_t i, const char **name, uint32_t *param_cnt, const char **permission);

#endif
