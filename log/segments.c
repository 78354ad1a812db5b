#include "log/segments.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define RACES_MAX 8 /* how often a list that changes under a reader is read again */

char *dsdn_join(const char *dir, const char *name)
{
    size_t len = strlen(dir) + strlen(name) + 2;
    char *path = malloc(len);
    if (path) snprintf(path, len, "%s/%s", dir, name);
    return path;
}

int dsdn_segments_push(struct dsdn_segments *s, uint64_t first_sequence, struct dsdn_segment_info **info,
                       struct dsdn_error *error)
{
    char name[48];
    snprintf(name, sizeof name, "segments/%012llu.seg", (unsigned long long)first_sequence);
    if (s->cnt == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        struct dsdn_segment_info *list = realloc(s->list, cap * sizeof *list);
        if (!list) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a list of %zu segments", cap);
        s->list = list;
        s->cap = cap;
    }
    char *path = dsdn_join(s->dir, name);
    if (!path) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the name of a segment");
    *info = &s->list[s->cnt++];
    memset(*info, 0, sizeof **info);
    (*info)->path = path;
    return DSDN_OK;
}

void dsdn_segments_pop(struct dsdn_segments *s)
{
    free(s->list[--s->cnt].path);
}

/* Read what the list must know of one segment: header, and trailer or durable length.  last_hash gets the
 * batch hash that the next segment must follow; the tail has no next one. */
static int load(struct dsdn_segments *s, struct dsdn_segment_info *info, uint64_t first_sequence,
                uint8_t last_hash[32], struct dsdn_error *error)
{
    const struct dsdn_durable *durable = &s->durable;
    int fd;
    int rc = dsdn_io_open(s->io, info->path, O_RDONLY, 0, &fd, error);
    if (rc) return dsdn_error_in(error, first_sequence), rc;
    rc = dsdn_segment_header_read(s->io, fd, info->path, durable->genesis, first_sequence, &info->header,
                                  error);
    if (!rc && first_sequence == durable->segment_first) {
        uint64_t size = 0;
        rc = dsdn_io_size(s->io, fd, &size, info->path, error);
        if (!rc && size < durable->segment_bytes)
            rc = dsdn_fail_at(error, DSDN_E_TRUNCATED, info->path, size,
                              "the file ends here, but %llu bytes were durable",
                              (unsigned long long)durable->segment_bytes);
        info->bytes = durable->segment_bytes;
        info->next_sequence = durable->next_sequence;
        info->next_event = durable->next_event;
    } else if (!rc) {
        struct dsdn_segment_trailer trailer;
        rc = dsdn_segment_trailer_read(s->io, fd, info->path, &info->header, &trailer, error);
        if (!rc && trailer.last_sequence >= durable->segment_first)
            rc = dsdn_fail_at(error, DSDN_E_MALFORMED, info->path, trailer.bytes,
                              "the segment reaches batch %llu, but another one begins at %llu",
                              (unsigned long long)trailer.last_sequence,
                              (unsigned long long)durable->segment_first);
        if (!rc) {
            info->bytes = trailer.bytes;
            info->next_sequence = trailer.last_sequence + 1;
            info->next_event = info->header.first_event + trailer.event_count;
            memcpy(last_hash, trailer.last_hash, 32);
        }
    }
    s->io->close(s->io->self, fd);
    return rc;
}

/* Load the segments from list[from] (its path may be there already) up to the tail. */
static int walk(struct dsdn_segments *s, size_t from, struct dsdn_error *error)
{
    uint8_t before[32] = {0}, last[32] = {0};
    uint64_t sequence = from < s->cnt ? s->list[from].header.first_sequence : s->durable.first_sequence;
    for (size_t at = from;; at++) {
        struct dsdn_segment_info *info;
        int rc = at == s->cnt ? dsdn_segments_push(s, sequence, &info, error) : DSDN_OK;
        if (!rc) rc = load(s, &s->list[at], sequence, last, error);
        if (rc) return rc;
        info = &s->list[at];
        if (at > from && (!dsdn_equal32(info->header.prev, before) ||
                          info->header.first_event != s->list[at - 1].next_event)) {
            dsdn_fail_at(error, DSDN_E_CHAIN, info->path, 48,
                         "the segment does not follow the one before it");
            return dsdn_error_in(error, sequence), DSDN_E_CHAIN;
        }
        if (sequence == s->durable.segment_first) return DSDN_OK;
        sequence = info->next_sequence;
        memcpy(before, last, 32);
    }
}

static void forget(struct dsdn_segments *s)
{
    while (s->cnt) dsdn_segments_pop(s);
}

int dsdn_segments_open(struct dsdn_segments *s, const struct dsdn_io *io, const char *dir, bool writable,
                       struct dsdn_error *error)
{
    memset(s, 0, sizeof *s);
    s->io = io;
    s->durable_fd = -1;
    s->dir = strdup(dir);
    s->durable_path = dsdn_join(dir, "durable");
    if (!s->dir || !s->durable_path) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a path");
    int rc = dsdn_io_open(io, s->durable_path, writable ? O_RDWR : O_RDONLY, 0, &s->durable_fd, error);
    if (rc == DSDN_E_NOT_FOUND)
        return dsdn_fail_at(error, DSDN_E_NOT_FOUND, dir, DSDN_NO_OFFSET,
                            "no log directory: it has no file `durable`");
    if (rc) return rc;
    for (int i = 0; i < RACES_MAX; i++) {
        rc = dsdn_durable_read(io, s->durable_fd, s->durable_path, &s->durable, &s->slot_damaged, error);
        if (rc) return rc;
        if (!(rc = walk(s, 0, error))) return DSDN_OK;
        forget(s);
        /* A rollback in another process may have taken a segment away: then the record has moved as well. */
        struct dsdn_durable now;
        struct dsdn_error ignored;
        bool damaged;
        if (dsdn_durable_read(io, s->durable_fd, s->durable_path, &now, &damaged, &ignored) ||
            now.counter == s->durable.counter)
            break;
    }
    return rc;
}

void dsdn_segments_close(struct dsdn_segments *s)
{
    forget(s);
    free(s->list);
    if (s->io && s->durable_fd >= 0) s->io->close(s->io->self, s->durable_fd);
    free(s->dir);
    free(s->durable_path);
    memset(s, 0, sizeof *s);
    s->durable_fd = -1;
}

int dsdn_segments_refresh(struct dsdn_segments *s, bool *changed, bool *cut, struct dsdn_error *error)
{
    struct dsdn_durable now;
    *changed = *cut = false;
    int rc = dsdn_durable_read(s->io, s->durable_fd, s->durable_path, &now, &s->slot_damaged, error);
    if (rc || now.counter == s->durable.counter) return rc;
    *cut = now.cuts != s->durable.cuts;
    if (*cut) return DSDN_OK;
    *changed = now.next_sequence != s->durable.next_sequence;
    size_t tail = s->cnt - 1;
    struct dsdn_durable before = s->durable;
    struct dsdn_segment_info info = s->list[tail];
    s->durable = now;
    if (!(rc = walk(s, tail, error))) return DSDN_OK;
    while (s->cnt > tail + 1) dsdn_segments_pop(s);
    s->list[tail] = info;
    s->durable = before;
    *changed = false;
    return rc;
}

size_t dsdn_segments_find(const struct dsdn_segments *s, uint64_t sequence)
{
    size_t low = 0, high = s->cnt; /* list[low] begins at or below sequence */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->list[middle].header.first_sequence <= sequence)
            low = middle;
        else
            high = middle;
    }
    return low;
}
