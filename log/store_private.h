/* store_private.h: what the files of the log directory (store.c, store_recover.c, store_read.c) share; not
 * for others. `error` may not be NULL here. */
#ifndef DSDN_LOG_STORE_PRIVATE_H
#define DSDN_LOG_STORE_PRIVATE_H

#include "log/segments.h"
#include "log/store.h"

#define DSDN_INDEX_COMMIT_EVERY 4096u /* puts in one transaction of the index */

struct dsdn_store {
    struct dsdn_segments segments;   /* what is durable; the tail's entry too */
    struct dsdn_segment_writer tail; /* fd -1 when reading */
    struct dsdn_error poison;        /* code != 0: no more writes */
    struct dsdn_index *index;
    char *index_dir, *segments_dir;
    uint8_t *genesis;
    size_t genesis_len;
    uint64_t segment_bytes;
    int lock_fd;
    bool write, use_index;
    int read_fd; /* of the segment that was read last */
    uint64_t read_first;
};

static inline const struct dsdn_io *io_of(const struct dsdn_store *s)
{
    return s->segments.io;
}

static inline struct dsdn_segment_info *tail_info(const struct dsdn_store *s)
{
    return &s->segments.list[s->segments.cnt - 1];
}

/* store_recover.c: moving the end of the log.  dsdn_store_recover puts the writer at the durable end and
 * repairs what a crash left beyond it. */
int dsdn_store_recover(struct dsdn_store *s, struct dsdn_store_report *report, struct dsdn_error *error);

/* dsdn_store_record makes the writer's position the durable one.  The caller has synced the tail. */
int dsdn_store_record(struct dsdn_store *s, uint32_t flags, struct dsdn_error *error);

/* dsdn_store_tail_create adds the segment behind the (finished) tail: a new file, durable with its name. */
int dsdn_store_tail_create(struct dsdn_store *s, struct dsdn_error *error);

/* dsdn_store_finish_cut is the second half of a rollback, after its durable record: take away what is beyond.
 */
int dsdn_store_finish_cut(struct dsdn_store *s, struct dsdn_error *error);

/* store_read.c: dsdn_store_enter opens segment list[at] for reading as s->read_fd, or keeps it open. */
int dsdn_store_enter(struct dsdn_store *s, size_t at, struct dsdn_error *error);

/* The index is optional and never a reason to fail: a failure here closes it, and the next open catches up.
 * dsdn_store_index_commit commits when pending_min puts are pending. */
void dsdn_store_index_start(struct dsdn_store *s, struct dsdn_store_report *report);
void dsdn_store_index_put(struct dsdn_store *s, uint64_t segment_first, uint64_t offset,
                          const struct dsdn_segment_record *record);
void dsdn_store_index_commit(struct dsdn_store *s, uint32_t pending_min);
void dsdn_store_index_lose(struct dsdn_store *s);

#endif
