#include "log/archive_writer.h"

#include <fcntl.h>

/* Adds the section that the walk stands on to group. */
static int regroup(struct dsdn_archive_pending *group, const struct dsdn_archive_section *s,
                   const struct dsdn_buffer *content, struct dsdn_error *error)
{
    struct dsdn_buffer *to = &group->content;
    if (s->kind == DSDN_ARCHIVE_FRAME) {
        group->content.len = group->blobs.len = 0;
        group->blob_count = 0;
    } else {
        to = &group->blobs;
        int rc = dsdn_buffer_reserve(to, to->len + DSDN_ARCHIVE_PENDING_LEN, error);
        if (rc) return rc;
        dsdn_archive_pending_head(to->bytes + to->len, s->kind, s->key, s->content_len);
        to->len += DSDN_ARCHIVE_PENDING_LEN;
        group->blob_count++;
    }
    int rc = dsdn_buffer_reserve(to, to->len + content->len, error);
    if (rc) return rc;
    memcpy(to->bytes + to->len, content->bytes, content->len);
    to->len += content->len;
    return DSDN_OK;
}

/* Walks to the first section that is not whole.  *before stands before the last whole group, w->state behind
 * it, and w->pending holds it; the two are equal when there is none. */
static int resume_walk(struct dsdn_archive_writer *w, struct dsdn_archive_walk *walk, uint64_t size,
                       struct dsdn_archive_state *before, struct dsdn_error *error)
{
    struct dsdn_archive_state start = walk->state; /* of the group that is being read */
    struct dsdn_archive_pending group = {0};
    int rc = DSDN_OK;
    *before = w->state = walk->state;
    while (!rc) {
        struct dsdn_archive_state here = walk->state;
        struct dsdn_archive_entry entry;
        rc = dsdn_archive_walk_next(walk, &entry, error);
        if (rc) break;
        bool frame = walk->section.kind == DSDN_ARCHIVE_FRAME;
        if (!frame && !here.follow)
            continue; /* claimed by no frame yet: it is given again after a resumption */
        if (frame) {
            start = here;
            rc = dsdn_buffer_reserve(&w->table, (size_t)walk->state.frames * DSDN_ARCHIVE_ENTRY_LEN, error);
            if (rc) break;
            dsdn_archive_entry_encode(&entry, w->table.bytes + here.frames * DSDN_ARCHIVE_ENTRY_LEN);
        }
        rc = regroup(&group, &walk->section, &walk->content, error);
        if (rc || walk->state.follow) continue;
        struct dsdn_archive_pending spare = w->pending;
        w->pending = group;
        group = spare;
        *before = start;
        w->state = walk->state;
    }
    dsdn_buffer_free(&group.content);
    dsdn_buffer_free(&group.blobs);
    if (rc == DSDN_E_AGAIN)
        return dsdn_fail(error, DSDN_E_EXISTS, "the archive is finished; nothing is left to resume");
    uint64_t torn_max = DSDN_ARCHIVE_TORN_MAX + walk->state.frames * DSDN_ARCHIVE_ENTRY_LEN;
    return dsdn_archive_damaged(rc) && size - walk->state.offset <= torn_max ? DSDN_OK : rc;
}

/* Makes the writer stand as it stood after the last batch of the last whole group. */
static void reopen_group(struct dsdn_archive_writer *w, const struct dsdn_archive_state *before)
{
    struct dsdn_archive_pending *pending = &w->pending;
    w->next = w->state.first + w->state.batches;
    memcpy(w->last, w->state.last, 32);
    size_t content = pending->content.len, blobs = pending->blobs.len;
    if (before->offset == w->state.offset || content + blobs >= DSDN_ARCHIVE_GROUP_CUT) {
        pending->content.len = pending->blobs.len = 0;
        pending->blob_count = 0;
        return;
    }
    pending->claimed = blobs;
    pending->claimed_count = pending->blob_count;
    w->reopened = w->state;
    w->reopened_content = content;
    w->reopened_blobs = blobs;
    w->state = *before;
}

int dsdn_archive_resume(const struct dsdn_io *io, const char *path, bool unchecked,
                        struct dsdn_archive_writer **out, struct dsdn_archive_resumed *report,
                        struct dsdn_error *error)
{
    struct dsdn_error local;
    struct dsdn_archive_writer *w;
    struct dsdn_archive_state before;
    if (!error) error = &local;
    *out = NULL;
    int rc = dsdn_archive_writer_new(io, path, unchecked, &w, error);
    if (rc) return dsdn_error_at(error, path, DSDN_NO_OFFSET), rc;
    uint64_t size = 0;
    rc = dsdn_io_open(io, path, O_RDWR, 0, &w->fd, error);
    if (!rc) rc = dsdn_io_lock(io, w->fd, path, error);
    if (!rc) rc = dsdn_io_size(io, w->fd, &size, path, error);
    if (!rc) {
        struct dsdn_archive_walk walk;
        dsdn_archive_walk_file(&walk, io, w->fd, path);
        rc = dsdn_archive_walk_start(&walk, error);
        w->info = walk.info;
        if (!rc) rc = resume_walk(w, &walk, size, &before, error);
        dsdn_archive_walk_free(&walk);
    }
    if (!rc) {
        w->file_len = size;
        if (w->file_len > w->state.offset) rc = dsdn_archive_writer_truncate(w, w->state.offset, error);
        w->synced = 0; /* what the writer before left unsynced is not known: sync all of it */
        if (!rc) rc = dsdn_archive_writer_sync(w, error);
    }
    if (rc) {
        dsdn_error_at(error, path, DSDN_NO_OFFSET);
        dsdn_archive_writer_close(w);
        return rc;
    }
    reopen_group(w, &before);
    *error = (struct dsdn_error)DSDN_ERROR_INIT; /* the walk left there why it ended */
    if (report) *report = (struct dsdn_archive_resumed){w->next, w->file_len, size - w->file_len};
    *out = w;
    return DSDN_OK;
}
