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
#include "roles/coordinator/tables.h"
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
#undef END_EVENT

/* Deadline kinds of the catalogue: numbers are in state, so they never change. */
enum dsdn_deadline_number {
    DSDN_DEADLINE_BAN_END = 1,        /* class time; subject: node id */
    DSDN_DEADLINE_ASSIGNMENT_END = 2, /* class time; subject: chunk || node id */
};
void dsdn_fire_ban_end(struct dsdn_context *c, const uint8_t subject[68]);
void dsdn_fire_assignment_end(struct dsdn_context *c, const uint8_t subject[68]);

/* dsdn_node_ban_clear removes the deadline of a ban that has an end; without one nothing happens. */
void dsdn_node_ban_clear(struct dsdn_context *c, const struct dsdn_row_node *node);

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
