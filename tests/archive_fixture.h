/* archive_fixture.h: what the archive tests share: a script of batches and blobs, and a file in memory that
 * can fail, tear and forget. */
#ifndef DSDN_TESTS_ARCHIVE_FIXTURE_H
#define DSDN_TESTS_ARCHIVE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "log/archive_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t fixture_genesis[] = "the canonical genesis bytes of a test network";

static inline uint64_t fixture_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- a script: what a writer is given, in order ---- */

#define SCRIPT_MAX 600

struct step {
    enum dsdn_archive_kind kind; /* FRAME: a batch */
    uint64_t key;
    uint8_t *bytes;
    size_t len;
};

struct script {
    struct step steps[SCRIPT_MAX];
    size_t cnt;
    uint64_t first, next, events;
    uint8_t genesis[32], prev[32], last[32];
    uint64_t random;
};

static inline void script_init(struct script *s, uint64_t first)
{
    memset(s, 0, sizeof *s);
    s->first = s->next = first;
    s->random = 88172645463325252u;
    dsdn_tagged("dsdn/genesis/1", fixture_genesis, sizeof fixture_genesis, s->genesis);
    if (first)
        memset(s->prev, 0x5a, 32);
    else
        memcpy(s->prev, s->genesis, 32);
    memcpy(s->last, s->prev, 32);
}

/* Adds a batch of one bundle with events_len bytes of events: random ones when `noise`, else zeros (which
 * compress to nothing, so that big contents make small files). */
static inline void script_batch(struct script *s, uint32_t events_len, bool noise)
{
    size_t body_len = events_len ? DSDN_BUNDLE_LEN + (size_t)events_len : 0,
           len = DSDN_BATCH_FIXED_LEN + body_len;
    uint8_t *bytes = calloc(1, len), *body = bytes + DSDN_BATCH_FIXED_LEN;
    assert_non_null(bytes);
    assert_true(s->cnt < SCRIPT_MAX);
    uint16_t events = (uint16_t)(1 + s->next % 7);
    if (events_len) {
        body[1] = DSDN_SCHEME_ED25519;
        dsdn_store16(body + 50, events);
        dsdn_store32(body + 52, events_len);
        for (size_t i = 0; noise && i < events_len; i++)
            body[DSDN_BUNDLE_LEN + i] = (uint8_t)fixture_random(&s->random);
        s->events += events;
    }
    struct dsdn_header header = {.sequence = s->next,
                                 .time_ms = s->next,
                                 .bundle_count = events_len != 0,
                                 .body_len = (uint32_t)body_len};
    memcpy(header.genesis, s->genesis, 32);
    memcpy(header.prev, s->last, 32);
    dsdn_body_hash(body, body_len, header.body_hash);
    dsdn_header_encode(&header, bytes);
    dsdn_batch_hash(bytes, s->last);
    s->steps[s->cnt++] = (struct step){DSDN_ARCHIVE_FRAME, s->next++, bytes, len};
}

static inline void script_blob(struct script *s, enum dsdn_archive_kind kind, uint64_t key, size_t len)
{
    uint8_t *bytes = malloc(len);
    assert_non_null(bytes);
    assert_true(s->cnt < SCRIPT_MAX);
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(key + i / 7);
    s->steps[s->cnt++] = (struct step){kind, key, bytes, len};
}

static inline void script_free(struct script *s)
{
    for (size_t i = 0; i < s->cnt; i++) free(s->steps[i].bytes);
}

/* The step behind the batch before `next`: where a resumed writer goes on. */
static inline size_t script_from(const struct script *s, uint64_t next)
{
    if (next == s->first) return 0;
    for (size_t i = 0; i < s->cnt; i++)
        if (s->steps[i].kind == DSDN_ARCHIVE_FRAME && s->steps[i].key + 1 == next) return i + 1;
    fail_msg("the script has no batch before %llu", (unsigned long long)next);
    return 0;
}

static inline int script_step(struct dsdn_archive_writer *w, const struct step *step,
                              struct dsdn_error *error)
{
    return step->kind == DSDN_ARCHIVE_FRAME
               ? dsdn_archive_append(w, step->bytes, step->len, error)
               : dsdn_archive_append_blob(w, step->kind, step->key, step->bytes, step->len, error);
}

/* Gives w the steps [from, to); syncs after every sync_every-th (0: never) and notes in *acknowledged. */
static inline int script_play(const struct script *s, struct dsdn_archive_writer *w, size_t from, size_t to,
                              size_t sync_every, uint64_t *acknowledged, struct dsdn_error *error)
{
    int rc = 0;
    for (size_t i = from; !rc && i < to; i++) {
        rc = script_step(w, &s->steps[i], error);
        if (!rc && sync_every && i % sync_every == 0) {
            uint64_t next;
            rc = dsdn_archive_sync(w, &next, error);
            if (!rc && acknowledged && next > *acknowledged) *acknowledged = next;
        }
    }
    return rc;
}

static inline struct dsdn_archive_options script_options(const struct script *s)
{
    struct dsdn_archive_options options = {.genesis = {fixture_genesis, sizeof fixture_genesis},
                                           .first = s->first};
    memcpy(options.prev, s->prev, 32);
    return options;
}

/* ---- one file in memory ---- */

#define MEMORY_OPS 64

enum memory_fault {
    FAULT_NONE,
    FAULT_EIO,
    FAULT_ENOSPC,
    FAULT_EINTR, /* once */
    FAULT_SHORT, /* once: half of a transfer */
    FAULT_POWER  /* the machine stops; memory_reboot makes it come back */
};

struct memory_op {
    bool truncate;
    uint64_t offset;
    size_t len;
    uint8_t *bytes;
};

struct memory {
    struct dsdn_io io;
    uint8_t *bytes;
    size_t len, cap;
    bool exists, locked, off;
    unsigned calls, fault_at; /* the fault comes at this call, counted from 1 */
    enum memory_fault fault;
    /* for FAULT_POWER: what is durable, and what was done since */
    bool model_power, durable_exists;
    uint8_t *durable;
    size_t durable_len;
    struct memory_op ops[MEMORY_OPS];
    size_t op_cnt;
};

/* True when the call fails, with errno; *part is set when it is to transfer only a part. */
static inline bool memory_call(struct memory *m, bool *part)
{
    m->calls++;
    if (m->off) return errno = EIO, true;
    if (m->fault == FAULT_NONE || m->calls < m->fault_at) return false;
    bool first = m->calls == m->fault_at;
    switch (m->fault) {
    case FAULT_EIO: return errno = EIO, true;
    case FAULT_ENOSPC: return errno = ENOSPC, true;
    case FAULT_EINTR: return errno = EINTR, first;
    case FAULT_SHORT: return part && first ? (*part = true, false) : false;
    case FAULT_POWER: return m->off = true, errno = EIO, true;
    case FAULT_NONE: break;
    }
    return false;
}

static inline void memory_note(struct memory *m, bool truncate, uint64_t offset, const void *bytes,
                               size_t len)
{
    if (!m->model_power) return;
    assert_true(m->op_cnt < MEMORY_OPS);
    struct memory_op *op = &m->ops[m->op_cnt++];
    *op = (struct memory_op){truncate, offset, len, len ? malloc(len) : NULL};
    if (len) memcpy(op->bytes, bytes, len);
}

static inline void memory_forget_ops(struct memory *m)
{
    while (m->op_cnt) free(m->ops[--m->op_cnt].bytes);
}

static inline int memory_open(void *self, const char *path, int flags, mode_t mode)
{
    struct memory *m = self;
    (void)path, (void)mode;
    if (memory_call(m, NULL)) return -1;
    if (m->exists && (flags & O_EXCL)) return errno = EEXIST, -1;
    if (!m->exists && !(flags & O_CREAT)) return errno = ENOENT, -1;
    if (!m->exists) m->len = 0;
    m->exists = true;
    return 1000;
}

static inline int memory_close(void *self, int fd)
{
    struct memory *m = self;
    assert_int_equal(fd, 1000);
    m->locked = false;
    return 0;
}

static inline ssize_t memory_pread(void *self, int fd, void *bytes, size_t len, uint64_t offset)
{
    struct memory *m = self;
    bool part = false;
    assert_int_equal(fd, 1000);
    if (memory_call(m, &part)) return -1;
    if (offset >= m->len) return 0;
    if (len > m->len - offset) len = (size_t)(m->len - offset);
    if (part && len > 1) len /= 2;
    memcpy(bytes, m->bytes + offset, len);
    return (ssize_t)len;
}

static inline ssize_t memory_pwrite(void *self, int fd, const void *bytes, size_t len, uint64_t offset)
{
    struct memory *m = self;
    bool part = false;
    assert_int_equal(fd, 1000);
    if (memory_call(m, &part)) return -1;
    if (part && len > 1) len /= 2;
    if (offset > m->cap || len > m->cap - offset) return errno = ENOSPC, -1;
    if (offset > m->len) memset(m->bytes + m->len, 0, (size_t)offset - m->len);
    memcpy(m->bytes + offset, bytes, len);
    if (offset + len > m->len) m->len = (size_t)offset + len;
    memory_note(m, false, offset, bytes, len);
    return (ssize_t)len;
}

static inline int memory_fsync(void *self, int fd)
{
    struct memory *m = self;
    assert_int_equal(fd, 1000);
    if (memory_call(m, NULL)) return -1;
    if (m->model_power) {
        memcpy(m->durable, m->bytes, m->len);
        m->durable_len = m->len;
        memory_forget_ops(m);
    }
    return 0;
}

static inline int memory_ftruncate(void *self, int fd, uint64_t len)
{
    struct memory *m = self;
    assert_int_equal(fd, 1000);
    if (memory_call(m, NULL)) return -1;
    assert_true(len <= m->cap);
    if (len > m->len) memset(m->bytes + m->len, 0, (size_t)len - m->len);
    m->len = (size_t)len;
    memory_note(m, true, len, NULL, 0);
    return 0;
}

static inline int64_t memory_size(void *self, int fd)
{
    struct memory *m = self;
    assert_int_equal(fd, 1000);
    return memory_call(m, NULL) ? -1 : (int64_t)m->len;
}

static inline int memory_unlink(void *self, const char *path)
{
    struct memory *m = self;
    (void)path;
    m->exists = false; /* never refused: the tests ask whether it was called */
    return 0;
}

static inline int memory_sync_dir(void *self, const char *path)
{
    struct memory *m = self;
    assert_string_equal(path, "dir");
    if (memory_call(m, NULL)) return -1;
    m->durable_exists = m->exists;
    return 0;
}

static inline int memory_lock(void *self, int fd)
{
    struct memory *m = self;
    assert_int_equal(fd, 1000);
    if (memory_call(m, NULL)) return -1;
    if (m->locked) return errno = EWOULDBLOCK, -1;
    m->locked = true;
    return 0;
}

static inline void memory_init(struct memory *m, size_t cap)
{
    memset(m, 0, sizeof *m);
    m->bytes = malloc(cap);
    m->durable = malloc(cap);
    assert_true(m->bytes && m->durable);
    m->cap = cap;
    m->io = (struct dsdn_io){.open = memory_open,
                             .close = memory_close,
                             .pread = memory_pread,
                             .pwrite = memory_pwrite,
                             .fsync = memory_fsync,
                             .ftruncate = memory_ftruncate,
                             .size = memory_size,
                             .unlink = memory_unlink,
                             .sync_dir = memory_sync_dir,
                             .lock = memory_lock,
                             .self = m};
}

static inline void memory_free(struct memory *m)
{
    memory_forget_ops(m);
    free(m->bytes);
    free(m->durable);
}

static inline void memory_fault(struct memory *m, enum memory_fault fault, unsigned at)
{
    m->calls = 0;
    m->fault = fault;
    m->fault_at = at;
}

static inline void memory_set(struct memory *m, const uint8_t *bytes, size_t len)
{
    assert_true(len <= m->cap);
    memcpy(m->bytes, bytes, len);
    m->len = len;
    m->exists = true;
}

/* After FAULT_POWER: the file is what was durable plus any part of what came later, in any order of survival.
 */
static inline void memory_reboot(struct memory *m, uint64_t *random)
{
    memcpy(m->bytes, m->durable, m->durable_len);
    m->len = m->durable_len;
    for (size_t i = 0; i < m->op_cnt; i++) {
        const struct memory_op *op = &m->ops[i];
        uint64_t fate = fixture_random(random) % 4; /* 0 lost, 1 a part, 2 the length only, 3 whole */
        if (fate == 0) continue;
        if (op->truncate && op->offset <= m->len) m->len = (size_t)op->offset;
        if (op->len == 0) continue;
        size_t keep = fate == 1 ? (size_t)(fixture_random(random) % op->len) : fate == 2 ? 0 : op->len;
        size_t end = (size_t)op->offset + (fate == 2 ? op->len : keep);
        if (end > m->len) {
            memset(m->bytes + m->len, 0, end - m->len);
            m->len = end;
        }
        memcpy(m->bytes + op->offset, op->bytes, keep);
    }
    memory_forget_ops(m);
    memcpy(m->durable, m->bytes, m->len);
    m->durable_len = m->len;
    if (!m->durable_exists && fixture_random(random) % 2) m->exists = false;
    m->durable_exists = m->exists;
    m->off = m->locked = false;
    memory_fault(m, FAULT_NONE, 0);
}

#define MEMORY_PATH "dir/span.dsdn"

/* Writes the whole script to m in one go. */
static inline void memory_write(struct memory *m, const struct script *s, size_t sync_every,
                                struct dsdn_archive_info *info)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_archive_writer *w;
    struct dsdn_archive_options options = script_options(s);
    m->exists = false;
    if (dsdn_archive_create(&m->io, MEMORY_PATH, &options, &w, &error) ||
        script_play(s, w, 0, s->cnt, sync_every, NULL, &error) || dsdn_archive_finish(w, info, &error))
        fail_msg("%s", error.message);
    dsdn_archive_writer_close(w);
}

#endif
