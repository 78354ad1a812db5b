/* memory.h: big growing arrays in whole pages: zero-filled, on huge pages where it pays, and never copied
 * when they grow: small arrays grow by mremap; one that passes 1 MiB moves once, its pages with it, into an
 * address range with room for 32 GiB, of which only what is used is backed by memory.  Where the system
 * refuses such a range the array goes on growing by mremap. */
#ifndef DSDN_STATEMACHINE_MEMORY_H
#define DSDN_STATEMACHINE_MEMORY_H

#include "log/base.h"
#include "log/error.h"

struct dsdn_pages {
    void *start;
    size_t len;   /* usable bytes */
    size_t range; /* bytes of the address range */
};

/* dsdn_pages_grow makes p at least `want` bytes long (zero-initialised struct: nothing yet); new bytes are
 * zero, old ones are kept, the address may change.  NO_MEMORY leaves all as it was.  `what` is for the
 * message. */
int dsdn_pages_grow(struct dsdn_pages *p, size_t want, const char *what, struct dsdn_error *error);
void dsdn_pages_free(struct dsdn_pages *p);

#endif
