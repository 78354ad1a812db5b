/* serve.h: the coordinator's HTTP: POST /bundles and GET /status (docs/publishing.md). */
#ifndef DSDN_APPS_COORDINATOR_SERVE_H
#define DSDN_APPS_COORDINATOR_SERVE_H

#include "apps/coordinator/coordinator.h"

#define SERVE_BODY_MAX   ((size_t)16 << 20) /* bytes of a request */
#define SERVE_BODIES_MAX ((size_t)64 << 20) /* of all requests that are coming in */

struct serve;

/* serve_open listens.  IO when it cannot. */
int serve_open(struct coordinator *c, const char *host, uint16_t port, struct serve **out,
               struct dsdn_error *error);
void serve_close(struct serve *s);
uint16_t serve_port(const struct serve *s);

/* serve_turn does what there is to do, without waiting; returns whether there was anything. */
bool serve_turn(struct serve *s);

#endif
