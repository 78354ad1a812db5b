/* ordered.h: an ordered set of row numbers, sorted by a key that is computed from the row: the secondary
 * indexes of tables.
 *
 * A B+tree in one arena: entries are 20 bytes (the first 16 key bytes as two numbers, and the row), the rest
 * of a key is asked for only when those 16 bytes tie.  Room is reserved ahead, so that insert and remove
 * cannot fail and never allocate. The tree is derived: it is rebuilt after a restore and is in no root. */
#ifndef DSDN_STATEMACHINE_ORDERED_H
#define DSDN_STATEMACHINE_ORDERED_H

#include "log/base.h"
#include "log/error.h"

struct dsdn_ordered;

/* Writes the key of `row` to out (key_len bytes).  Keys of different rows differ. */
typedef void (*dsdn_ordered_key_fn)(const void *context, uint32_t row, uint8_t *out);

/* NULL: no memory.  key_len is at least 1 and at most 2 * DSDN_KEY_MAX. */
struct dsdn_ordered *dsdn_ordered_new(uint32_t key_len, dsdn_ordered_key_fn key, const void *context);
void dsdn_ordered_free(struct dsdn_ordered *o);

/* Make room for `extra` entries more than there are: up to that number inserts and removes in any order
 * cannot fail. NO_MEMORY leaves all as it was. */
int dsdn_ordered_reserve(struct dsdn_ordered *o, uint32_t extra, struct dsdn_error *error);

/* Add a row that is not in it and has room; remove one that is (its key must be what it was when it was
 * added).  Anything else stops the process, because going on would leave an order that no replica shares. */
void dsdn_ordered_insert(struct dsdn_ordered *o, uint32_t row);
void dsdn_ordered_remove(struct dsdn_ordered *o, uint32_t row);
/* The same for a caller who has the key at hand (key_len bytes, what the key function writes). */
void dsdn_ordered_insert_key(struct dsdn_ordered *o, uint32_t row, const uint8_t *key);
void dsdn_ordered_remove_key(struct dsdn_ordered *o, uint32_t row, const uint8_t *key);
/* dsdn_ordered_warm brings the places of cnt keys, `stride` bytes apart, into the processor's cache, all at
 * once: worth it before changing the tree at several places.  Changes nothing. */
void dsdn_ordered_warm(const struct dsdn_ordered *o, const uint8_t *keys, size_t stride, uint32_t cnt);
uint32_t dsdn_ordered_count(const struct dsdn_ordered *o);
size_t dsdn_ordered_memory(const struct dsdn_ordered *o); /* bytes */

/* Positions are (leaf, slot); valid until the next insert, remove or reserve.  _seek finds the first entry
 * whose key is >= the len bytes at key (shorter than key_len: zero-extended); _at reads the row there and
 * steps on, DSDN_NO_ROW (UINT32_MAX) at the end. */
void dsdn_ordered_seek(const struct dsdn_ordered *o, const uint8_t *key, uint32_t len, uint32_t *leaf,
                       uint32_t *slot);
uint32_t dsdn_ordered_at(const struct dsdn_ordered *o, uint32_t *leaf, uint32_t *slot);

/* dsdn_ordered_build fills an empty tree from rows that are already in key order, and leaves some room in
 * every node. */
int dsdn_ordered_build(struct dsdn_ordered *o, const uint32_t *rows, uint32_t cnt, struct dsdn_error *error);

#endif
