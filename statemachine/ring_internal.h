/* ring_internal.h: the ring of a table, as table.c and table_sort.c keep it; no one else includes it. */
#ifndef DSDN_STATEMACHINE_RING_INTERNAL_H
#define DSDN_STATEMACHINE_RING_INTERNAL_H

#include "statemachine/ordered.h"
#include "statemachine/ring.h"

/* Places are numbered row * points + i.  The key of one is its place (u64, big-endian), the key of the row,
 * and i, so that no two are equal whatever the hashes are. */

/* dsdn_ring_new makes the empty ring of a table whose ring_points and ring_offset are set; NULL: no memory.
 */
struct dsdn_ordered *dsdn_ring_new(const struct dsdn_table *t);

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

/* dsdn_ring_key writes the key of place number `number`: dsdn_ring_key_len bytes. */
void dsdn_ring_key(const struct dsdn_table *t, uint32_t number, uint8_t *out);
uint32_t dsdn_ring_key_len(const struct dsdn_table *t);

#endif
