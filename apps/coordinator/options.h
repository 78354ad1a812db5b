/* options.h: the command line of dsdn-coordinator: one table that parsing and --help both read. */
#ifndef DSDN_APPS_COORDINATOR_OPTIONS_H
#define DSDN_APPS_COORDINATOR_OPTIONS_H

#include "adapters/celestia/endpoint.h"
#include "adapters/celestia/namespace.h"
#include "log/error.h"

#include <stdio.h>

enum command { COMMAND_RUN, COMMAND_INIT, COMMAND_SAMPLE, COMMAND_ESTIMATE };

/* celestia:URL?namespace=HEX */
struct da_address {
    char url[DSDN_ENDPOINT_URL_MAX + 1];
    bool has_namespace;
    uint8_t ns[DSDN_NAMESPACE_LEN];
};

struct options {
    enum command command;
    bool help, version, verbose, once, subscribe, quiet;
    const char *genesis, *key, *data, *token_file, *bundles, *output, *chain_id, *network;
    bool has_da, has_listen;
    struct da_address da;
    char host[64];
    uint16_t port;
    uint32_t poll_ms, delay_ms, idle_ms, batch_events;
    uint64_t batch_bytes, gas_price_nano;
    uint64_t seed, events, per_bundle; /* sample */
};

/* options_parse reads argv.  USAGE names the argument. */
int options_parse(struct options *o, int argc, char **argv, struct dsdn_error *error);
void options_help(FILE *out);

#endif
