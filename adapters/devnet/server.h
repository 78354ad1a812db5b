/* server.h: a devnet's sockets: JSON-RPC by HTTP POST and by WebSocket on one port (libwebsockets).
 *
 * One thread: a request that waits for a block waits as a call (rpc.h), not as a thread.  Answers above 64
 * KiB are sent in chunks.  At most 500 requests are worked on at once, as in the node. */
#ifndef DSDN_ADAPTERS_DEVNET_SERVER_H
#define DSDN_ADAPTERS_DEVNET_SERVER_H

#include "adapters/devnet/rpc.h"

#include <signal.h>

struct dsdn_devnet_server;

struct dsdn_devnet_server_options {
    const char *host;                  /* an address of this machine: "127.0.0.1" */
    uint16_t port;                     /* 0: a free one */
    uint64_t block_every_ms;           /* 0: blocks on demand only */
    const volatile sig_atomic_t *stop; /* the server ends when it becomes nonzero */
};

/* dsdn_devnet_server_new listens.  The node stays the caller's.  IO when the port cannot be had;
 * USAGE for a host that is no address. */
int dsdn_devnet_server_new(struct dsdn_devnet_node *node, const struct dsdn_devnet_server_options *options,
                           struct dsdn_devnet_server **server, struct dsdn_error *error);
void dsdn_devnet_server_free(struct dsdn_devnet_server *server);

uint16_t dsdn_devnet_server_port(const struct dsdn_devnet_server *server);

/* dsdn_devnet_server_run serves until options->stop.  Returns early, with the error, when a block cannot be
 * made or stored. */
int dsdn_devnet_server_run(struct dsdn_devnet_server *server, struct dsdn_error *error);

/* dsdn_devnet_server_wake makes run look at options->stop.  Safe in a signal handler. */
void dsdn_devnet_server_wake(struct dsdn_devnet_server *server);

#endif
