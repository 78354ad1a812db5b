/* node.h: a devnet without its sockets: chain, stored blocks, tokens, switchboard, and the lies it tells. */
#ifndef DSDN_ADAPTERS_DEVNET_NODE_H
#define DSDN_ADAPTERS_DEVNET_NODE_H

#include "adapters/devnet/fault.h"
#include "adapters/devnet/shelf.h"
#include "adapters/devnet/store.h"
#include "adapters/devnet/token.h"

#define DSDN_DEVNET_PRODUCE_MAX 1000000u /* blocks of one devnet.Produce */

/* Headers of another chain, made as far as they were asked for. */
struct dsdn_devnet_fork {
    uint64_t from; /* 0: none */
    uint32_t twist;
    bool forger;
    struct dsdn_devnet_block **blocks; /* of from, from + 1, ...; roots are those of the true blocks */
    size_t cnt, cap;
};

struct dsdn_devnet_node {
    struct dsdn_devnet_chain *chain;
    struct dsdn_devnet_shelf shelf;
    struct dsdn_devnet_store store;
    bool stored; /* blocks go to `store` */
    struct dsdn_devnet_faults faults;
    struct dsdn_devnet_validators forger;
    struct dsdn_devnet_sealer forger_sealer;
    struct dsdn_devnet_fork fork;
    uint8_t token_secret[32];
    bool skip_auth;                /* everybody may do everything */
    bool produce_on_submit;        /* a block as soon as something is submitted */
    struct dsdn_celestia_time now; /* set by whoever has a clock, before each use */
    uint64_t garbage_cnt;     /* calls of devnet.Garbage and devnet.Post so far: part of their contents */
    bool restart_wanted;      /* devnet.Restart was called: the server closes every connection, */
    uint64_t restart_down_ms; /* and refuses new ones for so long */
};

/* dsdn_devnet_node_new starts from nothing, or from the blocks in home (may be NULL: memory only).
 * dsdn_sign_self_test must have passed.  As dsdn_devnet_chain_new and dsdn_devnet_store_open. */
int dsdn_devnet_node_new(const struct dsdn_devnet_config *config, const struct dsdn_io *io, const char *home,
                         struct dsdn_devnet_node **node, struct dsdn_error *error);
void dsdn_devnet_node_free(struct dsdn_devnet_node *node);

/* dsdn_devnet_node_produce makes cnt blocks; they are durable when it returns. */
int dsdn_devnet_node_produce(struct dsdn_devnet_node *node, uint64_t cnt, struct dsdn_error *error);

/* ---- lies ---- */

/* Memory of a header that is not the chain's own. */
struct dsdn_devnet_lie {
    struct dsdn_devnet_block block; /* owns only its signatures */
    uint8_t signature[64];
    struct dsdn_nmt_node *roots;
};

/* dsdn_devnet_node_header describes the header of a height in [1, head] as the node tells it to a caller of
 * `method`: faults fork, forged_header and wrong_dah.  *lie lives as long as *out; release it also after a
 * failure. */
int dsdn_devnet_node_header(struct dsdn_devnet_node *node, const char *method, uint64_t height,
                            struct dsdn_devnet_described *out, struct dsdn_devnet_lie *lie,
                            struct dsdn_error *error);
void dsdn_devnet_lie_free(struct dsdn_devnet_lie *lie);

/* dsdn_devnet_node_rows makes rows worse: faults wrong_share, missing_share, missing_row, wrong_proof.  *copy
 * (NULL at first) becomes shares that replace true ones: free it after the rows. */
int dsdn_devnet_node_rows(struct dsdn_devnet_node *node, const char *method, uint64_t height,
                          struct dsdn_devnet_rows *rows, uint8_t **copy, struct dsdn_error *error);

#endif
