/* follower.h: what a storage node has to do by the log, and why: pure functions of the state (STOR-4,
 * STOR-11, COORD-7).  A sink compares these duties with what is on its disk and acts; what it learns
 * becomes an event.  So a node that starts with an empty directory, or was away, learns everything from
 * the state alone.
 *
 * Duties of one replica:
 *
 *   replica, and                                             duty          reason
 *   any, and the chunk or its object is to go                drop          chunk_deleted, object_deleted
 *   any, and the node is Closed                              drop          node_left
 *   assigned, and the node is Active                         fetch, prove  assigned, healing
 *   assigned, and it is not                                  drop          node_inactive
 *   live, and the node is Active                             hold          live
 *   live or suspect, and more than rf replicas are live      drop          surplus
 *   suspect, and the node is Active                          hold, prove   suspect
 *   live or suspect, and the node is not Active              hold          node_inactive
 *
 * The last row holds back on purpose: the copy may be the last one.  Which of the live replicas are beyond
 * rf is the same for everybody: of the chunk's live replicas on Active nodes, in the order in which the
 * chunk's walk would meet their nodes if all stood on the ring, the first of each zone and then the others
 * are kept until there are rf; the rest is surplus.  A suspect replica is surplus when rf are kept without
 * it.  A node lets ReplicaRemoved go first and drops the bytes when the row is gone; what no duty names is
 * not the node's to keep. */
#ifndef DSDN_ROLES_NODE_FOLLOWER_H
#define DSDN_ROLES_NODE_FOLLOWER_H

#include "roles/tables.h"

#define DSDN_DUTY_LIST(X)                                                                                    \
    X(1, HOLD, "hold", "keep the bytes")                                                                     \
    X(2, FETCH, "fetch", "get the bytes by deadline_ms, from source; without one from the owner")            \
    X(3, PROVE, "prove",                                                                                     \
      "assigned: ReplicaAdded with the path of `leaf`; suspect: look, then ReplicaHealed")                   \
    X(4, DROP, "drop", "let go of the replica")
enum dsdn_duty_number {
#define X(number, name, text, doc) DSDN_DUTY_##name = (number),
    DSDN_DUTY_LIST(X)
#undef X
};

#define DSDN_DUTY_REASON_LIST(X)                                                                             \
    X(1, LIVE, "live", "the log has it as live; state_ordinal made it so")                                   \
    X(2, SUSPECT, "suspect", "reported missing by state_ordinal; source can restore it")                     \
    X(3, ASSIGNED, "assigned", "placed here by assigned_ordinal")                                            \
    X(4, HEALING, "healing", "placed here by assigned_ordinal because others lost it")                       \
    X(5, OBJECT_DELETED, "object_deleted", "its owner wants the object gone; cause_ordinal asked")           \
    X(6, CHUNK_DELETED, "chunk_deleted", "its owner wants the chunk gone; cause_ordinal asked")              \
    X(7, SURPLUS, "surplus", "rf others are live; cause_ordinal is the newest that became so")               \
    X(8, NODE_LEFT, "node_left", "the node is Closed")                                                       \
    X(9, NODE_INACTIVE, "node_inactive", "the node is not Active; status and cause of its row say why")
enum dsdn_duty_reason {
#define X(number, name, text, doc) DSDN_DUTY_REASON_##name = (number),
    DSDN_DUTY_REASON_LIST(X)
#undef X
};

#define DSDN_NO_ORDINAL UINT64_MAX

struct dsdn_duty {
    uint32_t node, chunk, replica; /* rows */
    uint8_t duty, reason;          /* enum dsdn_duty_number, dsdn_duty_reason */
    uint32_t source;           /* node to get the bytes from; DSDN_NO_ROW: none is needed, or none has it */
    uint64_t deadline_ms;      /* of fetch and prove of an assigned replica, else 0 */
    uint32_t leaf, leaves;     /* to prove, of an assigned replica; else 0 of 0 */
    uint64_t assigned_ordinal; /* event that assigned it */
    uint64_t state_ordinal; /* event of the replica's newest change of state; of a deadline: see its table */
    uint64_t cause_ordinal; /* event behind a drop, DSDN_NO_ORDINAL when no row names one */
};

struct dsdn_follower {
    const struct dsdn_state *s;
    struct dsdn_walk walk;
    struct dsdn_duty second; /* of the replica just told of */
    bool has_second;
};

/* dsdn_follow begins with the duties of one node (a row), or of all with DSDN_NO_ROW: in one pass over the
 * replicas, by (node id, chunk).  The cursor ends with the next change of the state. */
void dsdn_follow(struct dsdn_follower *f, const struct dsdn_state *s, uint32_t node);
/* dsdn_follow_next tells the next duty; false at the end. */
bool dsdn_follow_next(struct dsdn_follower *f, struct dsdn_duty *out);

/* dsdn_follow_surplus writes the nodes whose live replicas of a chunk are beyond rf, in no order, and
 * returns how many; *kept is how many live replicas on Active nodes are not (at most rf). */
uint32_t dsdn_follow_surplus(const struct dsdn_state *s, uint32_t chunk, uint32_t nodes[DSDN_HOLDER_MAX],
                             uint32_t *kept);

/* Names of duties and reasons, "?" of a number that is none. */
const char *dsdn_follow_duty_name(uint8_t duty);
const char *dsdn_follow_reason_name(uint8_t reason);

#endif
