/* findings.c: what is wrong with a log: kept for the report, written as it is found. */
#include "apps/replay/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_BYTES 65536u

int findings_open(struct run *run, struct dsdn_error *error)
{
    const char *path = run->options->events_out;
    run->events_fd = -1;
    if (!path) return DSDN_OK;
    /* Devices and pipes are there already, and that is fine; a file is not written over unasked. */
    run->events_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (run->events_fd < 0 && errno == EEXIST) {
        bool special = !is_directory(path) && !is_regular(path), resume = run->options->resume;
        if (!special && !resume && !run->options->force)
            return dsdn_fail_at(error, DSDN_E_EXISTS, path, DSDN_NO_OFFSET,
                                "the output exists; --force replaces a file");
        return dsdn_io_open(&dsdn_io_system, path, O_WRONLY | (resume ? O_APPEND : O_TRUNC), 0,
                            &run->events_fd, error);
    }
    if (run->events_fd >= 0) return DSDN_OK;
    int rc = dsdn_fail_errno(error, errno, "cannot write findings");
    return dsdn_error_at(error, path, DSDN_NO_OFFSET), rc;
}

/* One line in one write, so that a reader of the growing file sees whole lines. */
static int put_line(struct run *run, struct dsdn_text *text, struct dsdn_error *error)
{
    dsdn_text_line(text);
    int rc = dsdn_text_status(text, error);
    for (size_t at = 0; !rc && at < text->len;) {
        ssize_t n = write(run->events_fd, text->bytes + at, text->len - at);
        if (n >= 0)
            at += (size_t)n;
        else if (errno != EINTR) {
            rc = dsdn_fail_errno(error, errno, "cannot write findings");
            dsdn_error_at(error, run->options->events_out, DSDN_NO_OFFSET);
        }
    }
    dsdn_text_free(text);
    return rc;
}

static int put_hash(struct run *run, const char *kind, uint64_t sequence, const char *name,
                    const uint8_t hash[32], struct dsdn_error *error)
{
    struct dsdn_text text;
    if (run->events_fd < 0) return DSDN_OK;
    dsdn_text_init(&text, LINE_BYTES, 0);
    dsdn_text_open(&text, '{');
    dsdn_text_key(&text, "kind");
    dsdn_text_string(&text, kind);
    dsdn_text_key(&text, "seq");
    dsdn_text_u64(&text, sequence);
    dsdn_text_key(&text, name);
    dsdn_text_hex(&text, hash, 32);
    dsdn_text_close(&text, '}');
    return put_line(run, &text, error);
}

int finding_root(struct run *run, uint64_t sequence, const uint8_t root[32], struct dsdn_error *error)
{
    return put_hash(run, "root", sequence, "root", root, error);
}

int finding_fingerprint(struct run *run, uint64_t sequence, const uint8_t hash[32], struct dsdn_error *error)
{
    return put_hash(run, "fingerprint", sequence, "changes", hash, error);
}

static void put_number(struct dsdn_text *t, const char *key, uint64_t value, bool known)
{
    dsdn_text_key(t, key);
    if (known)
        dsdn_text_u64(t, value);
    else
        dsdn_text_null(t);
}

void finding_write(struct dsdn_text *t, const struct dsdn_error *found)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "code");
    dsdn_text_string(t, dsdn_error_name(found->code));
    dsdn_text_key(t, "message");
    dsdn_text_string(t, found->message);
    dsdn_text_key(t, "position");
    dsdn_text_open(t, '{');
    put_number(t, "seq", found->sequence, found->sequence != DSDN_NO_SEQUENCE);
    put_number(t, "bundle", found->bundle, found->bundle != UINT32_MAX);
    put_number(t, "event", found->event, found->event != UINT32_MAX);
    dsdn_text_key(t, "file");
    if (found->file[0])
        dsdn_text_string(t, found->file);
    else
        dsdn_text_null(t);
    put_number(t, "offset", found->offset, found->offset != DSDN_NO_OFFSET);
    dsdn_text_close(t, '}');
    dsdn_text_close(t, '}');
}

int finding_add(struct run *run, const struct dsdn_error *found, struct dsdn_error *error)
{
    struct dsdn_text text;
    if (run->finding_cnt == run->finding_cap) {
        size_t cap = run->finding_cap ? run->finding_cap * 2 : 4;
        struct dsdn_error *grown = realloc(run->findings, cap * sizeof *grown);
        if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu findings", cap);
        run->findings = grown;
        run->finding_cap = cap;
    }
    run->findings[run->finding_cnt++] = *found;
    progress_hide(&run->progress);
    command_error(found, run->progress.color);
    if (run->events_fd < 0) return DSDN_OK;
    dsdn_text_init(&text, LINE_BYTES, 0);
    dsdn_text_open(&text, '{');
    dsdn_text_key(&text, "kind");
    dsdn_text_string(&text, "finding");
    dsdn_text_key(&text, "finding");
    finding_write(&text, found);
    dsdn_text_close(&text, '}');
    return put_line(run, &text, error);
}

/* ---- further faults -------------------------------------------------------------------------- */

struct scan {
    struct dsdn_buffer buffer;
    struct dsdn_prepared prepared;
    struct dsdn_key_cache *cache;
    uint8_t prev[32];
    bool has_prev;
};

/* What can be said of one batch without state. */
static int check_record(struct run *run, struct scan *s, const struct dsdn_record *record,
                        struct dsdn_error *error)
{
    struct dsdn_prepared *p = &s->prepared;
    int rc = dsdn_record_check(record, error);
    if (!rc)
        rc = dsdn_prepare(p, run->input.catalogue, run->conditions.hash_seed, record->batch, record->len,
                          error);
    bool decoded = !rc;
    if (!rc && s->has_prev && !dsdn_equal32(p->batch.header.prev, s->prev))
        rc = dsdn_fail(error, DSDN_E_CHAIN, "prev is not the hash of the batch before it");
    if (!rc && run->checks) rc = dsdn_prepare_hashes(&p, 1, run->checks, error);
    if (!rc && run->checks & DSDN_CHECK_SIGNATURES)
        rc = dsdn_prepare_signatures(p, !dsdn_zero32(p->batch.header.publisher), 0, UINT32_MAX, s->cache,
                                     error);
    s->has_prev = decoded;
    if (decoded) memcpy(s->prev, p->batch.hash, 32);
    if (!rc) return DSDN_OK;
    dsdn_error_in(error, record->sequence);
    dsdn_error_at(error, record->file, record->offset);
    return rc;
}

int findings_scan(struct run *run, uint64_t sequence, struct dsdn_error *error)
{
    struct dsdn_source *source = run->input.source;
    struct scan s = {.cache = dsdn_key_cache_new(1u << 14)};
    uint64_t end = source->count == UINT64_MAX ? UINT64_MAX : source->first + source->count;
    if (end > run->end) end = run->end;
    int rc = s.cache ? DSDN_OK : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a cache of checked keys");
    bool there = false; /* the source stands at `sequence` */
    /* A source that cannot step over its damage (a stream) ends the search. */
    while (!rc && ++sequence < end && run->finding_cnt < run->options->max_errors && !interrupted) {
        struct dsdn_error found = DSDN_ERROR_INIT;
        struct dsdn_record record;
        int fault = there ? DSDN_OK : dsdn_source_seek(source, sequence, &found);
        if (fault == DSDN_E_NOT_FOUND || (fault && run->input.kind == INPUT_STREAM)) break;
        if (!fault) fault = dsdn_source_next(source, &s.buffer, &record, &found);
        if (fault == DSDN_E_AGAIN) break;
        there = !fault;
        s.has_prev = s.has_prev && there;
        if (!fault) fault = check_record(run, &s, &record, &found);
        if (fault == DSDN_E_NO_MEMORY || fault == DSDN_E_IO) {
            if (error) *error = found;
            rc = fault;
        } else if (fault) {
            dsdn_error_in(&found, sequence);
            rc = finding_add(run, &found, error);
        }
        progress_at(&run->progress, sequence, run->events);
    }
    dsdn_prepared_free(&s.prepared);
    dsdn_buffer_free(&s.buffer);
    dsdn_key_cache_free(s.cache);
    return rc;
}
