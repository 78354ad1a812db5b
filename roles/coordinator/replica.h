/* replica.h: ends of replicas that more than one part of the coordinator needs; for this folder only. */
#ifndef DSDN_ROLES_COORDINATOR_REPLICA_H
#define DSDN_ROLES_COORDINATOR_REPLICA_H

#include "roles/reducers.h"

/* Row numbers of a replica and of its chunk and node, all three there. */
struct dsdn_replica_rows {
    uint32_t chunk, node, replica;
};

/* dsdn_replica_close erases a replica in any state and every trace of it in its chunk and node: *close* in
 * docs/formats/reducers.md. */
void dsdn_replica_close(struct dsdn_context *c, const struct dsdn_replica_rows *rows);

/* dsdn_replica_suspect makes a live replica suspect.  The chunk must have fewer than DSDN_SUSPECT_MAX
 * suspects. */
void dsdn_replica_suspect(struct dsdn_context *c, const struct dsdn_replica_rows *rows);

#endif
