/* pages.h: zero-filled arrays that grow, on huge pages once they are large.
 *
 * The arrays of a tree or an index are read at random places; with 4 KiB pages nearly every such read misses the TLB as
 * well as the cache.  From DSDN_PAGES_MAPPED bytes on an array is a mapping of its own that starts at a multiple of 2 MiB
 * and asks for huge pages; growing it moves page tables, not bytes.  Smaller ones come from malloc. */
#ifndef DSDN_STATEMACHINE_PAGES_H
#define DSDN_STATEMACHINE_PAGES_H

#include "log/base.h"

#define DSDN_PAGES_MAPPED ((size_t)1 << 20)

/* Zero-initialise.  Copies of `bytes` are valid until the next grow. */
struct dsdn_pages {
    void *bytes;
    size_t size;
};

/* dsdn_pages_grow makes the array at least `size` bytes long: contents stay, new bytes are zero.  It never shrinks.
 * Returns false, with the array as it was, when there is no memory. */
bool dsdn_pages_grow(struct dsdn_pages *p, size_t size);

void dsdn_pages_free(struct dsdn_pages *p);

#endif
