/* store.h: the blocks of a devnet in a file, append only.
 *
 *     0  8 bytes  "DSDNDEV1"
 *     8  frames:  u32 length, u32 CRC32C of the bytes, bytes       (little-endian)
 *
 * The first frame is the configuration (dsdn_devnet_config_text), each further one the record of a block
 * (chain.h).  A last frame that is cut or does not match its checksum was being written when the process
 * ended, so nobody was told of it: it is removed.  One process at a time. */
#ifndef DSDN_ADAPTERS_DEVNET_STORE_H
#define DSDN_ADAPTERS_DEVNET_STORE_H

#include "adapters/devnet/chain.h"
#include "log/io.h"

#define DSDN_DEVNET_PATH_MAX 4096u

struct dsdn_devnet_store {
    const struct dsdn_io *io;
    int fd; /* -1: not open */
    char path[DSDN_DEVNET_PATH_MAX];
    uint64_t end;  /* where the next frame goes */
    bool unsynced; /* written since the last sync */
    bool damaged;  /* a write or sync failed: nothing more is written */
};

/* dsdn_devnet_store_config reads the configuration of a home directory: *found says whether there is one.
 * Parts of it replace those of *config, so that a restart need not repeat its options. */
int dsdn_devnet_store_config(const struct dsdn_io *io, const char *home, struct dsdn_devnet_config *config,
                             bool *found, struct dsdn_error *error);

/* dsdn_devnet_store_open opens or creates home/blocks (and home), takes the lock, and restores its blocks
 * into the empty chain.  USAGE: made with another configuration; LOCKED; CHECKSUM and FORMAT: damaged. */
int dsdn_devnet_store_open(struct dsdn_devnet_store *store, const struct dsdn_io *io, const char *home,
                           struct dsdn_devnet_chain *chain, struct dsdn_error *error);
void dsdn_devnet_store_close(struct dsdn_devnet_store *store);

/* dsdn_devnet_store_append writes a block; durable after dsdn_devnet_store_sync. */
int dsdn_devnet_store_append(struct dsdn_devnet_store *store, const struct dsdn_devnet_block *block,
                             struct dsdn_error *error);
int dsdn_devnet_store_sync(struct dsdn_devnet_store *store, struct dsdn_error *error);

#endif
