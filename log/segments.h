/* segments.h: the segments of a log directory as its durable record names them; shared by store.c and
 * store_source.c, not for others.  Reading only: nothing here changes a file.
 *
 * The list is walked by name: each closed segment's trailer says where the next one begins, up to the tail
 * that the durable record names.  Two small reads a segment and no scan, so 1.2 GB open in a millisecond.
 * `error` may not be NULL. */
#ifndef DSDN_LOG_SEGMENTS_H
#define DSDN_LOG_SEGMENTS_H

#include "log/durable.h"
#include "log/segment.h"

struct dsdn_segment_info {
    char *path; /* stays where it is until dsdn_segments_close: records point at it */
    struct dsdn_segment_header header;
    uint64_t next_sequence, next_event; /* behind the last record */
    uint64_t bytes;                     /* where the records end */
};

struct dsdn_segments {
    const struct dsdn_io *io;
    char *dir, *durable_path;
    int durable_fd;
    struct dsdn_durable durable;
    bool slot_damaged;
    struct dsdn_segment_info *list; /* [cnt - 1] is the tail */
    size_t cnt, cap;
};

/* dsdn_join writes dir/name to a new string; NULL without memory. */
char *dsdn_join(const char *dir, const char *name);

/* dsdn_segments_open reads the durable record (writable: with a descriptor that can be written) and every
 * header and trailer.  Compares genesis, chain of hashes and event ordinals from segment to segment, and that
 * the tail is as long as the record says.  Call dsdn_segments_close in any case. */
int dsdn_segments_open(struct dsdn_segments *s, const struct dsdn_io *io, const char *dir, bool writable,
                       struct dsdn_error *error);
void dsdn_segments_close(struct dsdn_segments *s);

/* dsdn_segments_refresh reads the durable record again and, when it has moved, the tail and what came behind
 * it. After a rollback (durable.cuts differs) the list is left as it was and *cut is set. */
int dsdn_segments_refresh(struct dsdn_segments *s, bool *changed, bool *cut, struct dsdn_error *error);

/* dsdn_segments_push adds the segment that begins at first_sequence: path only, the rest is zero. */
int dsdn_segments_push(struct dsdn_segments *s, uint64_t first_sequence, struct dsdn_segment_info **info,
                       struct dsdn_error *error);

/* dsdn_segments_pop removes the tail. */
void dsdn_segments_pop(struct dsdn_segments *s);

/* dsdn_segments_find returns the place in the list of the segment that holds sequence, or would hold it next.
 */
size_t dsdn_segments_find(const struct dsdn_segments *s, uint64_t sequence);

/* dsdn_store_segments is the list of an open store (store.c). */
struct dsdn_store;
const struct dsdn_segments *dsdn_store_segments(const struct dsdn_store *store);

#endif
