/* network.h: `init`, the genesis of a development network on a primary; `sample`, bundles to try it with; and
 * `estimate`, what blobs cost there. */
#ifndef DSDN_APPS_COORDINATOR_NETWORK_H
#define DSDN_APPS_COORDINATOR_NETWORK_H

#include "apps/coordinator/options.h"

int command_init(const struct options *o, struct dsdn_error *error);
int command_sample(const struct options *o, struct dsdn_error *error);
int command_estimate(const struct options *o, struct dsdn_error *error);

#endif
