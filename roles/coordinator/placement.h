/* placement.h: which nodes are to hold a chunk, and who copies it to whom: pure functions of the state and
 * a time (requirements COORD-4 to COORD-6; the rules: docs/formats/reducers.md, "Ring", "Plan", "Source").
 *
 * A plan begins at the chunk's place on the ring of storage nodes (statemachine/ring.h) and takes the
 * first free node of each zone it meets; where a walk of 1024 places is not enough it asks the zones by
 * name, and when every zone with a free node has the chunk it lets a zone have it twice.  So a node that
 * joins or leaves moves few replicas, and everybody who holds the same state makes the same plan: row
 * numbers, hash seeds and the order in which rows came do not matter.
 *
 * Nothing here allocates or writes.  Times are ms since 1970; nodes and chunks are row numbers of the
 * state given. */
#ifndef DSDN_ROLES_COORDINATOR_PLACEMENT_H
#define DSDN_ROLES_COORDINATOR_PLACEMENT_H

#include "roles/tables.h"
#include "statemachine/catalogue.h"

#define DSDN_PLACEMENT_MAX  16u   /* nodes of one plan, and holders of one chunk */
#define DSDN_PLACEMENT_WALK 1024u /* ring places that one walk visits at most */

/* By which rule a node was chosen. */
enum dsdn_placement_rule {
    DSDN_PLACEMENT_RING = 1, /* the first free node of its zone on the walk */
    DSDN_PLACEMENT_ZONE = 2, /* lowest free node of the first zone, by name, that the walk did not meet */
    DSDN_PLACEMENT_AGAIN = 3 /* on the walk, in a zone that has the chunk: no other zone has a free node */
};

struct dsdn_placement {
    uint32_t cnt;
    uint32_t node[DSDN_PLACEMENT_MAX]; /* rows, in the order of choice */
    uint8_t rule[DSDN_PLACEMENT_MAX];  /* enum dsdn_placement_rule of each */
};

/* dsdn_placement_plan chooses nodes for `want` (at most 16 count) more replicas of a declared chunk at
 * time_ms, and returns how many there are: fewer than wanted when no more nodes are free. */
uint32_t dsdn_placement_plan(const struct dsdn_state *s, uint64_t time_ms, uint32_t chunk, uint32_t want,
                             struct dsdn_placement *out);

/* dsdn_placement_want is how many more holders a declared chunk should have: rf of its object (at most 16)
 * less the holders, at least 0; 0 of a chunk that is to go. */
uint32_t dsdn_placement_want(const struct dsdn_state *s, uint32_t chunk);

/* dsdn_placement_has says whether `node` may be the next holder: it is one of the plan for rf less the
 * holders, and if a holder is in its zone no node of the plan is in a zone without one.  The check of
 * ReplicaAssigned and HealAssigned, at c->time_ms.  `node` may hold the chunk already: then it is none of
 * the plan's. */
bool dsdn_placement_has(const struct dsdn_context *c, uint32_t chunk, uint32_t node);

/* dsdn_placement_of chooses rf nodes for any hash, as if it were a chunk that nobody holds.  Returns how
 * many. */
uint32_t dsdn_placement_of(const struct dsdn_state *s, uint64_t time_ms, const uint8_t hash[32], uint32_t rf,
                           struct dsdn_placement *out);

/* dsdn_placement_place is where the walk of a hash begins: its first 8 bytes as a big-endian number. */
static inline uint64_t dsdn_placement_place(const uint8_t hash[32])
{
    return __builtin_bswap64(dsdn_load64(hash));
}

/* dsdn_chunk_to_go says whether the deletion of a chunk, or of its object, was requested. */
static inline bool dsdn_chunk_to_go(const struct dsdn_state *s, uint32_t chunk)
{
    const struct dsdn_row_chunk *k = dsdn_chunk_at(s, chunk);
    return k->deleted || dsdn_object_at(s, k->object)->deleted;
}

/* dsdn_heal_source returns the node that a new replica of the chunk is copied from, of the nodes with a
 * live replica the one whose H("dsdn/heal/1", chunk || node) is lowest as bytes; DSDN_NO_ROW when none is
 * live. */
uint32_t dsdn_heal_source(const struct dsdn_state *s, uint32_t chunk);

/* What it takes to give a chunk its replicas back. */
struct dsdn_heal {
    uint32_t chunk;
    uint32_t source;                     /* DSDN_NO_ROW: no replica is live, nobody can copy */
    uint8_t rf, live, assigned, suspect; /* replicas wanted, and those there are */
    struct dsdn_placement targets; /* for rf less live and assigned; may be fewer than wanted, or none */
};

/* dsdn_heal_plan plans for one chunk; false when it has rf live replicas or is to go: nothing to heal. */
bool dsdn_heal_plan(const struct dsdn_state *s, uint64_t time_ms, uint32_t chunk, struct dsdn_heal *out);

/* dsdn_heal_next steps *at through `rows`, chunk rows in the order the caller wants (dsdn_table_sorted
 * gives them by key), to the next chunk with something to heal, and plans for it; false at the end.  Each
 * plan is as if none of the others were carried out. */
bool dsdn_heal_next(const struct dsdn_state *s, uint64_t time_ms, const uint32_t *rows, uint32_t row_cnt,
                    uint32_t *at, struct dsdn_heal *out);

#endif
