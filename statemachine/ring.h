/* ring.h: consistent hashing over the rows of a table: every row whose ring column is not 0 stands at some
 * places of a circle of 2^64, and a walk from any place meets the rows in an order that changes little when
 * rows come and go (Karger et al., "Consistent Hashing and Random Trees", STOC 1997).
 *
 * Places of a row: for j = 0, 1, ... the four u64, little-endian, of H("dsdn/ring/1", key || u8 j).  Declared
 * by a RING line of a table list; derived like the ordered indexes: kept by edit_indexed, insert and erase,
 * rebuilt after a restore, in no root.  The column may change through dsdn_table_edit_indexed only. */
#ifndef DSDN_STATEMACHINE_RING_H
#define DSDN_STATEMACHINE_RING_H

#include "statemachine/table.h"

struct dsdn_ring_walk {
    const struct dsdn_table *table;
    uint64_t cell;
    uint32_t left; /* places not visited yet */
};

/* dsdn_ring_begin starts at the first place that is >= `place`; places are in order of (place, key).  The
 * table must have a RING.  A walk meets the ring as it was before the present event: rows edited or inserted
 * in it come or go when it is over (dsdn_state_settle).  A row that is erased goes at once, which ends the
 * walks there are. */
void dsdn_ring_begin(struct dsdn_ring_walk *w, const struct dsdn_table *t, uint64_t place);

/* dsdn_ring_next returns the row at the next place, going round; DSDN_NO_ROW after every place was visited
 * once.  A row comes as often as it has places. */
uint32_t dsdn_ring_next(struct dsdn_ring_walk *w);

/* dsdn_ring_places is how many places there are. */
uint32_t dsdn_ring_places(const struct dsdn_table *t);

/* dsdn_ring_memory is how many bytes it takes; those of them that were never touched are not resident. */
size_t dsdn_ring_memory(const struct dsdn_ring *ring);

#endif
