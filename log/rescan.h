/* rescan.h: rescan_from of one source (protocol.md, section 12): from which height to read again, and when.
 *
 * A blob that cannot be used now and is not kept leaves a mark (sequence, height).  Its height is worth
 * reading again once the tip stands before that sequence.  Of two marks the one with the lower sequence and
 * the lower height covers the other (reading again meets the other one again, and marks it again), so what is
 * kept is a short list with rising sequences and falling heights; where it is full, two neighbours merge into
 * one that covers both.  Nothing allocates. */
#ifndef DSDN_LOG_RESCAN_H
#define DSDN_LOG_RESCAN_H

#include "log/base.h"

#define DSDN_RESCAN_MARKS 8u
#define DSDN_RESCAN_NONE  UINT64_MAX

struct dsdn_rescan {
    struct dsdn_rescan_mark {
        uint64_t sequence, height;
    } marks[DSDN_RESCAN_MARKS]; /* sequences rise, heights fall */
    uint32_t count;
};

/* dsdn_rescan_mark: a blob of this sequence, seen at height, was let go. */
void dsdn_rescan_mark(struct dsdn_rescan *r, uint64_t sequence, uint64_t height);

/* dsdn_rescan_from is the lowest height let go among sequences <= next, DSDN_RESCAN_NONE if there is none. */
uint64_t dsdn_rescan_from(const struct dsdn_rescan *r, uint64_t next);

/* dsdn_rescan_clear forgets the marks of sequences <= next: they are being read again, or settled. */
void dsdn_rescan_clear(struct dsdn_rescan *r, uint64_t next);

#endif
