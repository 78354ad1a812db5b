/* memory.h: big growing arrays in whole pages: grown in place where the system can (mremap), zero-filled, on huge pages
 * where it pays.  Small things use malloc. */
#ifndef DSDN_STATEMACHINE_MEMORY_H
#define DSDN_STATEMACHINE_MEMORY_H

#include "log/base.h"
#include "log/error.h"

/* dsdn_pages_grow makes *pages at least `want` bytes long (from *len; *pages NULL when *len is 0); new bytes are zero, old
 * ones are kept, the address may change.  NO_MEMORY leaves all as it was.  `what` is for the message. */
int dsdn_pages_grow(void **pages, size_t *len, size_t want, const char *what, struct dsdn_error *error);
void dsdn_pages_free(void **pages, size_t *len);

#endif
