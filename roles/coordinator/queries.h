/* queries.h: questions to the coordinator's tables: pure functions of the state.  Nothing here allocates;
 * a cursor belongs to its caller and ends with the next change of the state.  What is short of replicas
 * and how to heal it: placement.h. */
#ifndef DSDN_ROLES_COORDINATOR_QUERIES_H
#define DSDN_ROLES_COORDINATOR_QUERIES_H

#include "roles/tables.h"

/* ---- nodes of a zone, by id ---- */

struct dsdn_zone_cursor {
    const struct dsdn_state *s;
    struct dsdn_walk walk[2]; /* nodes off and on the ring */
    uint32_t next[2];
};

/* dsdn_query_zone begins at the first node of a zone (a row); Closed ones are among them. */
void dsdn_query_zone(struct dsdn_zone_cursor *q, const struct dsdn_state *s, uint32_t zone);
/* dsdn_query_zone_next returns the next node, or DSDN_NO_ROW. */
uint32_t dsdn_query_zone_next(struct dsdn_zone_cursor *q);

/* ---- replicas of a chunk, by node id ---- */

#define DSDN_REPLICAS_MAX (DSDN_HOLDER_MAX + DSDN_SUSPECT_MAX)

/* dsdn_query_replicas writes the nodes of all replicas of a chunk, whatever their state, and returns how
 * many. */
uint32_t dsdn_query_replicas(const struct dsdn_state *s, uint32_t chunk, uint32_t nodes[DSDN_REPLICAS_MAX]);

/* dsdn_query_replica returns the row of a replica, or DSDN_NO_ROW. */
uint32_t dsdn_query_replica(const struct dsdn_state *s, uint32_t chunk, uint32_t node);

/* ---- what a deletion still waits for ---- */

/* A replica that is still there. */
struct dsdn_replica_left {
    uint32_t chunk, node, replica;
};

struct dsdn_deletion_cursor {
    const struct dsdn_state *s;
    struct dsdn_walk slots; /* of the object */
    bool object;            /* more chunks may come from slots */
    uint32_t chunk, nodes[DSDN_REPLICAS_MAX], node_cnt, node_at;
};

/* dsdn_query_deletion begins at the first replica that a deletion has to outlive: of all declared chunks
 * of an object (kind 0), by place and then by node id, or of one chunk (kind 1).  `row` is the object's or
 * chunk's; whether its deletion was requested is not asked. */
void dsdn_query_deletion(struct dsdn_deletion_cursor *q, const struct dsdn_state *s, uint8_t kind,
                         uint32_t row);
/* dsdn_query_deletion_next finds the next one; false when nothing is left: the deletion is complete. */
bool dsdn_query_deletion_next(struct dsdn_deletion_cursor *q, struct dsdn_replica_left *out);

/* dsdn_query_deletion_ordinal is the event ordinal of the request to delete an object (kind 0) or chunk
 * (kind 1); UINT64_MAX without one. */
uint64_t dsdn_query_deletion_ordinal(const struct dsdn_state *s, uint8_t kind, const uint8_t target[32]);

#endif
