/* gate.h: who is admitted: the one home of the rules of admission, for reducers, configuration, handshakes
 * and queries (requirements GATE-1..6, GATE-12, STAKE-1; docs/formats/reducers.md, section Nodes).
 *
 * Nothing here changes the state.  A reason is an outcome as a reducer gives it: OK (0), NOT_AUTHORISED, or a
 * precondition code.  Admission is the least a node needs; an admitted node is as little trusted as any
 * (GATE-7).
 *
 * The names that the specification has for these queries (requirements X-16):
 *     get_stake              dsdn_stake_of (roles/reducers.h)
 *     get_node_role          dsdn_gate_node_role
 *     get_node_class         dsdn_gate_node_class
 *     check_slashing_status  dsdn_gate_slashing_status (also get_slashing_status) */
#ifndef DSDN_ROLES_COORDINATOR_GATE_H
#define DSDN_ROLES_COORDINATOR_GATE_H

#include "roles/reducers.h"

/* ---- single rules ---- */

/* dsdn_gate_class: which role goes with which class (GATE-6): role 1 to 4, otherwise NODE_ROLE; class 0 or 1
 * with role 1 and none (-1) with the others, otherwise NODE_CLASS. */
dsdn_outcome dsdn_gate_class(uint8_t role, int16_t node_class);

/* dsdn_gate_class_column is a class as column node_class holds it: none (-1) is DSDN_NO_CLASS. */
static inline uint8_t dsdn_gate_class_column(int16_t node_class)
{
    return node_class < 0 ? DSDN_NO_CLASS : (uint8_t)node_class;
}

/* dsdn_gate_papers: certificate and operator binding end after time_ms, otherwise TLS_EXPIRED or
 * BINDING_EXPIRED. */
dsdn_outcome dsdn_gate_papers(uint64_t tls_not_after, uint64_t binding_expiry, uint64_t time_ms);

/* dsdn_gate_return: may a Closed node register again?  NODE_BANNED, NODE_COOLDOWN or NODE_HOLDS_REPLICAS. */
dsdn_outcome dsdn_gate_return(const struct dsdn_row_node *node, uint64_t time_ms);

/* dsdn_gate_operator: at pilot level only listed operators, otherwise OPERATOR_NOT_ALLOWED (GATE-12). */
dsdn_outcome dsdn_gate_operator(const struct dsdn_state *s, const uint8_t operator[32]);

/* dsdn_gate_stake: does the stake of node_id's owner (the operator with role 1, otherwise the node itself) reach
 * the minimum of role and class?  STAKE_MISSING when there is none, STAKE_BELOW_MINIMUM when there is some; OK
 * while stake is not judged (feature level 0).  What anybody else staked behind node_id does not count. */
dsdn_outcome dsdn_gate_stake(const struct dsdn_state *s, const uint8_t node_id[32],
                             const uint8_t operator[32], uint8_t role, uint8_t class_column);

/* dsdn_gate_node_stake: the same of a registered node. */
static inline dsdn_outcome dsdn_gate_node_stake(const struct dsdn_state *s, const struct dsdn_row_node *node)
{
    return dsdn_gate_stake(s, node->id, node->operator, node->role, node->node_class);
}

/* dsdn_gate_store: may a chunk of `size` bytes be assigned to the node?  NODE_CLOSED, NODE_ROLE, NODE_STATUS,
 * TLS_EXPIRED, BINDING_EXPIRED or CAPACITY_FULL, in this order. */
dsdn_outcome dsdn_gate_store(const struct dsdn_row_node *node, uint32_t size, uint64_t time_ms);

/* ---- the whole decision ---- */

enum dsdn_gate_verdict {
    DSDN_GATE_ALLOWED = 0,     /* no rule is against it being Active; whether it is says its row */
    DSDN_GATE_QUARANTINED = 1, /* may be registered, but is given nothing to do: `reason` */
    DSDN_GATE_REFUSED = 2,     /* may not join: `reason` */
};
struct dsdn_gate_answer {
    enum dsdn_gate_verdict verdict;
    dsdn_outcome reason; /* OK when allowed */
};

/* dsdn_gate_decide says what the state has to say about a node that wants to join at time_ms (batch time)
 * under this identity: of a registered node whether the identity is its row's (otherwise NOT_AUTHORISED:
 * another operator, NODE_ROLE, NODE_CLASS), ban, papers, quarantine by decision (NODE_STATUS), cooldown and
 * stake; of one that is not registered, or left, what NodeRegistered asks of its operator, its past and its
 * stake: none is refused, too little quarantined.  node_class: -1 for none. */
struct dsdn_gate_answer dsdn_gate_decide(const struct dsdn_state *s, uint64_t time_ms,
                                         const uint8_t operator[32], const uint8_t node_id[32], uint8_t role,
                                         int16_t node_class);

/* ---- queries ---- */

/* dsdn_gate_node_role is the role of a registered node, 0 of one that is not registered or left. */
uint8_t dsdn_gate_node_role(const struct dsdn_state *s, const uint8_t node_id[32]);

/* dsdn_gate_node_class is its class: 0, 1, or -1 when it has none or is not registered. */
int16_t dsdn_gate_node_class(const struct dsdn_state *s, const uint8_t node_id[32]);

/* What proven faults and decisions left behind at a node.  A node that left keeps it. */
struct dsdn_gate_slashing {
    bool known;              /* the node was registered once; otherwise all is zero */
    bool banned, cooling;    /* at the time asked for */
    uint64_t banned_until;   /* ms; 2^64 - 1: without end; 0: no ban */
    uint64_t cooldown_until; /* ms; 0: none yet */
    uint8_t faults;          /* proven faults within fault_window_ms before the time, 0 to 3 */
};
struct dsdn_gate_slashing dsdn_gate_slashing_status(const struct dsdn_state *s, uint64_t time_ms,
                                                    const uint8_t node_id[32]);

/* dsdn_gate_eligible: may placement choose the node at time_ms, and why not: as dsdn_gate_store of the
 * largest chunk, but NODE_STATUS told apart where the row says more: NODE_BANNED, NODE_COOLDOWN,
 * STAKE_BELOW_MINIMUM; NODE_UNKNOWN when it never was registered. */
dsdn_outcome dsdn_gate_eligible(const struct dsdn_state *s, uint64_t time_ms, const uint8_t node_id[32]);

#endif
