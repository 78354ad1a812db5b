/* archive_writer.h: the inside of a writer, shared by archive_write.c and archive_resume.c. */
#ifndef DSDN_LOG_ARCHIVE_WRITER_H
#define DSDN_LOG_ARCHIVE_WRITER_H

#include "log/archive_format.h"

/* A group is a frame and the blobs that were given before its last batch.  It is closed when this much is
 * pending: by what was given, never by when it was given, so that equal calls make equal bytes. */
#define DSDN_ARCHIVE_GROUP_CUT   1048576u
#define DSDN_ARCHIVE_PENDING_LEN 13u /* kind u8, key u64, len u32, before the bytes of a pending blob */

struct dsdn_archive_pending {
    struct dsdn_buffer content; /* of the open frame */
    struct dsdn_buffer blobs;   /* in the order given */
    size_t claimed;             /* bytes of blobs that belong to the open frame */
    uint32_t claimed_count;
    uint32_t blob_count;
};

struct dsdn_archive_writer {
    const struct dsdn_io *io;
    int fd;
    char *path;
    bool unchecked, finished;
    struct dsdn_archive_info info;
    struct dsdn_archive_state state; /* sections written */
    struct dsdn_buffer table;        /* seek table entries of state.frames frames, perhaps more behind them */
    struct dsdn_archive_pending pending;
    uint64_t next;    /* sequence that append wants */
    uint8_t last[32]; /* hash of its predecessor */
    struct dsdn_buffer out;
    void *cctx;                /* ZSTD_CCtx */
    uint64_t file_len, synced; /* bytes; synced: durable up to here */
    /* After a resumption the last group of the file may be open again: it is in `pending` and still in the
     * file.  When it is closed unchanged the file is left alone and the state becomes this one. */
    struct dsdn_archive_state reopened;
    size_t reopened_content, reopened_blobs; /* 0: no such group */
    struct dsdn_error failed;
};

static inline void dsdn_archive_pending_head(uint8_t *p, uint8_t kind, uint64_t key, size_t len)
{
    p[0] = kind;
    dsdn_store64(p + 1, key);
    dsdn_store32(p + 9, (uint32_t)len);
}

/* A writer without a file: fd is -1. */
int dsdn_archive_writer_new(const struct dsdn_io *io, const char *path, bool unchecked,
                            struct dsdn_archive_writer **out, struct dsdn_error *error);
int dsdn_archive_writer_truncate(struct dsdn_archive_writer *w, uint64_t len, struct dsdn_error *error);
int dsdn_archive_writer_sync(struct dsdn_archive_writer *w, struct dsdn_error *error);

#endif
