/* options.h: the command line of dsdn-devnet: one table that parsing and --help both read. */
#ifndef DSDN_APPS_DEVNET_OPTIONS_H
#define DSDN_APPS_DEVNET_OPTIONS_H

#include "adapters/devnet/chain.h"
#include "adapters/devnet/fault.h"

#include <stdio.h>

#define FAULT_OPTIONS_MAX 32u

enum blocks { BLOCKS_EVERY, BLOCKS_DEMAND, BLOCKS_SUBMIT };

struct options {
    struct dsdn_devnet_config config;
    bool help, version, skip_auth;
    bool has_step, has_genesis; /* given on the command line */
    bool has_chain[5]; /* that the chain depends on: chain id, seed, validators, rotation, replacement */
    char host[64];
    uint16_t port;
    const char *home, *token_file;
    enum blocks blocks;
    uint64_t every_ms, first_blocks;
    struct dsdn_devnet_fault faults[FAULT_OPTIONS_MAX];
    uint32_t fault_cnt;
};

/* options_parse reads argv[1 .. argc).  USAGE names the argument. */
int options_parse(struct options *options, int argc, char **argv, struct dsdn_error *error);

void options_help(FILE *out);

#endif
