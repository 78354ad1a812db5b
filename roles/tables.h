/* tables.h: the tables of the roles as C (dsdn_node_find, struct dsdn_row_node, dsdn_TABLE_node,
 * ...), behind the system tables in the state.  tables.def is the list. */
#ifndef DSDN_ROLES_COORDINATOR_TABLES_H
#define DSDN_ROLES_COORDINATOR_TABLES_H

#include "statemachine/system.h"

#define DSDN_TABLES_DEF    "roles/tables.def"
#define DSDN_TABLES_PREFIX dsdn
#define DSDN_TABLES_BASE   DSDN_SYSTEM_TABLES
#include "statemachine/declare_tables.h"
#undef DSDN_TABLES_DEF
#undef DSDN_TABLES_PREFIX
#undef DSDN_TABLES_BASE

enum dsdn_node_status {
    DSDN_NODE_PENDING = 0,
    DSDN_NODE_ACTIVE = 1,
    DSDN_NODE_QUARANTINED = 2,
    DSDN_NODE_BANNED = 3,
    DSDN_NODE_CLOSED = 4, /* by NodeDeregistered alone */
};
enum dsdn_node_cause { /* why a node has its status */
    DSDN_CAUSE_REGISTERED = 0,
    DSDN_CAUSE_STAKE = 1,
    DSDN_CAUSE_SLASHED = 2,
    DSDN_CAUSE_DECISION = 3,
    DSDN_CAUSE_REPEATED = 4,
    DSDN_CAUSE_BAN_ENDED = 5,
    DSDN_CAUSE_LEFT = 6,
};
#define DSDN_NODE_ROLE_STORAGE   1u
#define DSDN_NODE_ROLE_VALIDATOR 2u
#define DSDN_NO_CLASS          255u

enum dsdn_replica_state { DSDN_REPLICA_ASSIGNED = 0, DSDN_REPLICA_LIVE = 1, DSDN_REPLICA_SUSPECT = 2 };

#define DSDN_CHUNK_MAX   (64u << 20) /* bytes */
#define DSDN_LEAF_MIN    1024u
#define DSDN_RF_MAX      16u
#define DSDN_HOLDER_MAX  16u /* columns of table chunk */
#define DSDN_SUSPECT_MAX 8u

#endif
