/* reducers.h: what the reducers of the DSDN catalogue share: their prototypes (one for every event of
 * log/events.def), the effects of deadlines, and short names for outcomes.
 *
 * A reducer is a function of (state, context, event) and nothing else.  It checks everything, then writes:
 * unless it returns OK the state is what it was.  An exact repeat of a fact is NO_EFFECT, its contradiction
 * CONFLICT.  Rows may come from a checkpoint that nobody verified: lengths and references in them are sound,
 * any other column may hold anything, and then no outcome matters but nothing may break.  The engine has
 * checked the author class, the nonce and the expiry of the bundle before; it reserved the rows of the
 * event's INSERTS lines. */
#ifndef DSDN_ROLES_REDUCERS_H
#define DSDN_ROLES_REDUCERS_H

#include "roles/codes.h"
#include "roles/tables.h"
#include "statemachine/catalogue.h"

/* DSDN_RESULT(OK), DSDN_UNMET(NODE_UNKNOWN) */
#define DSDN_RESULT(name) DSDN_OUTCOME(DSDN_OUTCOME_##name, 0)
#define DSDN_UNMET(name)  DSDN_PRECONDITION(DSDN_CODE_##name)

#define RECORD(name, doc)
#define END_RECORD(name)
#define EVENT(type, version, id, title, family, author, author_doc, since, doc)                              \
    dsdn_outcome dsdn_reduce_##id(struct dsdn_context *c, const struct dsdn_ev_##id *e);
#define FIELD(kind, name, max, doc)
#define FIELD_SINCE(since, kind, name, max, doc)
#define LIST(record, name, max, doc)
#define TOUCH(table, field)
#define TOUCH2(table, field, other)
#define INSERTS(table, rows)
#define SIGNED_BY(field, signer)
#define END_EVENT(id)
#include "log/events.def"
#undef RECORD
#undef END_RECORD
#undef EVENT
#undef FIELD
#undef FIELD_SINCE
#undef LIST
#undef TOUCH
#undef TOUCH2
#undef INSERTS
#undef SIGNED_BY
#undef END_EVENT

/* Deadline kinds of the catalogue: numbers are in state, so they never change. */
enum dsdn_deadline_number {
    DSDN_DEADLINE_BAN_END = 1,           /* class time; subject: node id */
    DSDN_DEADLINE_ASSIGNMENT_END = 2,    /* class time; subject: chunk || node id */
    DSDN_DEADLINE_UNBONDING_END = 3,     /* class objection; subject: beneficiary || staker || due (u64, big-endian) */
    DSDN_DEADLINE_COOLDOWN_END = 4,      /* class time; subject: node id */
    DSDN_DEADLINE_REPLICA_SWEEP = 5,     /* class time; subject: node id || newest chunk dealt with */
    DSDN_DEADLINE_VALIDATOR_EPOCH = 6,   /* class time; no subject */
    DSDN_DEADLINE_TRANSFER_LINK_END = 7, /* class time; subject: payer || receiver */
    DSDN_DEADLINE_COMMITTEE_END = 8,     /* class time; subject: epoch (u64, big-endian) */
};
void dsdn_fire_ban_end(struct dsdn_context *c, const uint8_t subject[72]);
void dsdn_fire_assignment_end(struct dsdn_context *c, const uint8_t subject[72]);
void dsdn_fire_unbonding_end(struct dsdn_context *c, const uint8_t subject[72]);
void dsdn_fire_cooldown_end(struct dsdn_context *c, const uint8_t subject[72]);
void dsdn_fire_replica_sweep(struct dsdn_context *c, const uint8_t subject[72]);
void dsdn_fire_validator_epoch(struct dsdn_context *c, const uint8_t subject[72]);
void dsdn_fire_transfer_link_end(struct dsdn_context *c, const uint8_t subject[72]);
void dsdn_fire_committee_end(struct dsdn_context *c, const uint8_t subject[72]);

/* ---- who agrees (roles/system/agreement.c) ---- */

/* dsdn_quorum_agrees: the author and the approvals are members of the present quorum set, and together enough:
 * ceil(2n/3) at 67 percent, else ceil(n * percent / 100).  OK, NOT_AUTHORISED or BAD_SIGNATURE. */
dsdn_outcome dsdn_quorum_agrees(const struct dsdn_context *c, const struct dsdn_list *approvals);

/* dsdn_quorum_or_founders_agree: founders, when the author is one; otherwise the quorum. */
dsdn_outcome dsdn_quorum_or_founders_agree(const struct dsdn_context *c, const struct dsdn_list *approvals);

/* dsdn_validator_active says whether a key is an active validator's. */
static inline bool dsdn_validator_active(const struct dsdn_state *s, const uint8_t key[32])
{
    uint32_t row = dsdn_sys_validator_find(s, key);
    return row != DSDN_NO_ROW && dsdn_sys_validator_at(s, row)->status == 1;
}

/* ---- life of a node (roles/coordinator/life.c) ---- */

/* dsdn_node_ban_clear removes the deadline of a ban that has an end; without one nothing happens. */
void dsdn_node_ban_clear(struct dsdn_context *c, const struct dsdn_row_node *node);

/* dsdn_node_cooldown_clear removes the deadline of a cooldown that is not over; without one nothing happens. */
void dsdn_node_cooldown_clear(struct dsdn_context *c, const struct dsdn_row_node *node);

/* dsdn_node_move gives a node another status, with everything that hangs on it: time, its place on the ring,
 * the sweep of its replicas.  Needs room for 1 deadline. */
void dsdn_node_move(struct dsdn_context *c, uint32_t row, uint8_t status, uint8_t cause);

/* dsdn_node_ring puts a node on the ring or takes it off, after anything it depends on changed: status, role, used
 * bytes, capacity, zone. */
void dsdn_node_ring(struct dsdn_state *s, uint32_t row);

/* dsdn_node_judge applies stake and cooldown to a node's status: docs/formats/reducers.md, "judge".  Needs room for
 * 1 deadline.  `row` may be DSDN_NO_ROW: nothing happens. */
void dsdn_node_judge(struct dsdn_context *c, uint32_t row);

/* dsdn_node_fault records a proven fault: cooldown, quarantine.  Needs room for 2 deadlines. */
void dsdn_node_fault(struct dsdn_context *c, uint32_t row);

/* dsdn_node_repeated bans a node for repeated faults.  Needs room for 2 deadlines. */
void dsdn_node_repeated(struct dsdn_context *c, uint32_t row);

/* dsdn_stake_minimum: base units that a node of this role and class needs (requirement STAKE-1); 0: none. */
uint64_t dsdn_stake_minimum(const struct dsdn_state *s, uint8_t role, uint8_t node_class);

/* dsdn_stake_of: base units that `staker` locked for a role behind a node or validator, without those that unbond
 * (roles/chain/stake.c). */
uint64_t dsdn_stake_of(const struct dsdn_state *s, const uint8_t beneficiary[32], const uint8_t staker[32],
                       uint8_t role);

/* dsdn_node_owner: whose stake counts for a node and answers for it: the operator of one of role 1, otherwise the
 * node itself. */
static inline const uint8_t *dsdn_node_owner(const struct dsdn_row_node *node)
{
    return node->role == DSDN_NODE_ROLE_STORAGE ? node->operator : node->id;
}

/* dsdn_stake_judged: stake can be judged, that is the feature level is 1 at least. */
static inline bool dsdn_stake_judged(const struct dsdn_state *s)
{
    return dsdn_head(s)->feature_level >= 1;
}

/* dsdn_chain_genesis makes accounts, stakes and supply from a genesis (roles/chain/genesis.c). */
int dsdn_chain_genesis(struct dsdn_context *c, const struct dsdn_ev_genesis_declared *genesis,
                       struct dsdn_error *error);

/* dsdn_leaf_draw is the leaf a new holder must prove (protocol.md, section 6):
 * the first 8 bytes, little-endian, of H("dsdn/leaf/1", origin hash at assignment || chunk || node) mod
 * leaves; 0 of none. */
uint32_t dsdn_leaf_draw(const uint8_t origin_hash[32], const uint8_t chunk[32], const uint8_t node[32],
                        uint32_t leaves);

/* dsdn_leaf_count: ceil(size / leaf_size), both in bytes; 0 when one of them is 0, as in no declared
 * chunk. */
static inline uint32_t dsdn_leaf_count(uint32_t size, uint32_t leaf_size)
{
    if (!leaf_size) return 0;
    return (uint32_t)(((uint64_t)size + leaf_size - 1) / leaf_size);
}

/* dsdn_leaf_path_valid checks an inclusion path (RFC 9162, section 2.1.3.2): `path` is the hash of leaf
 * number `leaf`, then its siblings upwards, in a tree of `leaves` leaves with node = SHA-256(01 || left ||
 * right). */
bool dsdn_leaf_path_valid(const struct dsdn_list *path, uint32_t leaf, uint32_t leaves,
                          const uint8_t root[32]);

static inline bool dsdn_from_authority(const struct dsdn_context *c)
{
    return c->bundle_kind == DSDN_BUNDLE_AUTHORITY;
}

#endif
