/* session.h: inside of the server: its connections.  Private to this folder. */
#ifndef DSDN_ADAPTERS_DEVNET_SESSION_H
#define DSDN_ADAPTERS_DEVNET_SESSION_H

#include "adapters/devnet/server.h"

#include <libwebsockets.h>

enum {
    SESSION_PIECE = 65536,     /* bytes of a body written at once; longer bodies go in chunks */
    SESSION_BUSY_MAX = 500,    /* requests at once (celestia-node api/rpc/middleware.go) */
    SESSION_CHANNELS_MAX = 16, /* subscriptions of a connection */
    SESSION_WAITING_MAX = 64,  /* requests at once on a WebSocket */
};

struct message {
    struct message *next;
    size_t len;
    uint8_t bytes[]; /* LWS_PRE of room, then len */
};

struct channel {
    uint64_t number; /* 0: free */
    enum dsdn_devnet_channel kind;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    char request[32]; /* id of the request that opened it */
};

/* A connection: one HTTP request at a time, or a WebSocket.  Lives in memory of libwebsockets. */
struct session {
    struct dsdn_devnet_server *server;
    struct lws *wsi;
    struct session *next, *previous;
    bool linked, websocket, busy, head_sent, chunked;
    uint32_t permissions;
    uint8_t *input; /* the body, or a message, so far */
    size_t input_len, input_cap;
    struct dsdn_devnet_call *call; /* HTTP */
    struct dsdn_devnet_answer *answer;
    int refused;                                           /* HTTP status without a call: 401, 503 */
    uint64_t sent;                                         /* of body and blanks */
    struct dsdn_devnet_call *waiting[SESSION_WAITING_MAX]; /* WebSocket */
    struct channel channels[SESSION_CHANNELS_MAX];
    struct message *first, *last;
    uint32_t queued;
};

struct dsdn_devnet_server {
    struct dsdn_devnet_node *node;
    struct dsdn_devnet_server_options options;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct session *sessions;
    uint32_t busy;
    uint64_t known_head, told_head; /* heads at the last pump, and told to subscribers */
    uint32_t known_faults, known_fault_id;
    uint64_t channel_cnt;
    uint64_t down_until_us;
    lws_sorted_usec_list_t timer;
    int rc;
    struct dsdn_error error;
    bool pumping;
};

/* session_now gives the node the clock. */
void session_now(struct dsdn_devnet_server *server);

void session_begin(struct dsdn_devnet_server *server, struct session *c, struct lws *wsi);
/* session_idle releases what belongs to a request, session_end all of it. */
void session_idle(struct session *c);
void session_end(struct session *c);
/* session_close closes the connection soon, from anywhere. */
void session_close(struct session *c);

/* session_input collects a body or message of at most DSDN_DEVNET_REQUEST_MAX + 1 bytes: what is longer is
 * refused by the RPC, which needs no more of it to know.  False: no memory. */
bool session_input(struct session *c, const void *bytes, size_t len);

/* session_authorise reads the token of a request: false for status 401. */
bool session_authorise(struct dsdn_devnet_server *server, struct lws *wsi, uint32_t *permissions);

/* session_pump goes on with whatever waits, after anything that could have changed the chain or the faults.
 */
void session_pump(struct dsdn_devnet_server *server);

/* Events of libwebsockets; they return what a callback returns. */
int http_begin(struct dsdn_devnet_server *server, struct session *c, struct lws *wsi);
int http_request(struct session *c);
int http_writeable(struct session *c);
/* http_answer sends c->answer, now or when its delay is over. */
void http_answer(struct session *c);

int websocket_message(struct session *c);
int websocket_writeable(struct session *c);
void websocket_answer(struct session *c, const struct dsdn_devnet_call *call,
                      const struct dsdn_devnet_answer *answer);
/* websocket_tell tells subscribers about a height. */
void websocket_tell(struct session *c, uint64_t height);

#endif
