/* ring_internal.h: the ring of a table, as table.c and table_sort.c keep it; no one else includes it. */
#ifndef DSDN_STATEMACHINE_RING_INTERNAL_H
#define DSDN_STATEMACHINE_RING_INTERNAL_H

#include "statemachine/ring.h"

/* dsdn_ring_new makes an empty ring without room; NULL: no memory. */
struct dsdn_ring *dsdn_ring_new(void);
void dsdn_ring_free(struct dsdn_ring *ring);

/* dsdn_ring_reserve makes room for all places of `rows` rows. */
int dsdn_ring_reserve(const struct dsdn_table *t, uint32_t rows, struct dsdn_error *error);

/* dsdn_ring_wants: the column of the row says that it stands on the ring. */
static inline bool dsdn_ring_wants(const struct dsdn_table *t, uint32_t row)
{
    return dsdn_row_at(t, row, t->row_size)[t->ring_offset] != 0;
}

/* dsdn_ring_settle puts the row on the ring or takes it off, as its column says; dsdn_ring_leave takes it off
 * if it is there. */
void dsdn_ring_settle(struct dsdn_table *t, uint32_t row);
void dsdn_ring_leave(struct dsdn_table *t, uint32_t row);

#endif
