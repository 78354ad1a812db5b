/* io_fault.h: a dsdn_io that lies as disks do.  Static functions only.
 *
 * Calls go through to real files below one directory, and a model beside them remembers what a power loss may
 * leave: per file the bytes as of its last fsync and every write and truncation since; per name what the last
 * sync of its directory made durable.  fault_power_loss() then writes one of the states that the rules allow:
 *   LOSE_ALL      nothing that was not synced
 *   LOSE_NOTHING  everything (a kill)
 *   PREFIX        the first k unsynced writes of each file, names as durable or as current, each for itself
 *   TORN          the same, and the next write torn at a 512-byte sector
 *   REORDERED     any subset of the unsynced writes
 * Before that, one call (counted from 1) can fail: with an errno, once or from then on; with half a transfer;
 * as a crash (that call and all later ones do nothing and fail).  A failed fsync is the worst kind: the
 * unsynced writes are dropped for good, and later fsyncs succeed without them. */
#ifndef DSDN_TESTS_IO_FAULT_H
#define DSDN_TESTS_IO_FAULT_H

#include "log/io.h"
#include "tests/store_util.h"

#include <errno.h>

#define FAULT_FILES 256
#define FAULT_FDS   256

enum fault_kind { FAULT_NONE, FAULT_ERRNO, FAULT_ERRNO_ALWAYS, FAULT_SHORT, FAULT_CRASH };
enum fault_loss { LOSE_ALL, LOSE_NOTHING, PREFIX, TORN, REORDERED, FAULT_LOSSES };

struct fault_op {
    uint64_t offset;
    size_t len;
    uint8_t *bytes; /* NULL: truncate to offset */
    bool dropped;   /* a failed fsync lost it */
};

struct fault_file {
    uint8_t *bytes; /* durable */
    size_t len;
    struct fault_op *ops;
    size_t op_cnt;
};

struct fault_name {
    char *path;
    int durable, current; /* file number, or -1 */
};

struct fault {
    struct dsdn_io io;
    struct fault_file files[FAULT_FILES];
    int file_cnt;
    struct fault_name names[FAULT_FILES];
    int name_cnt;
    int fd_file[FAULT_FDS]; /* -1: not ours to model */
    uint64_t calls, fail_at;
    enum fault_kind kind;
    int error;
    bool crashed, hit;
};

/* What this call should do: 0 go on, -1 fail with errno set, 1 half a transfer. */
static inline int fault_step(struct fault *f)
{
    f->calls++;
    bool now = f->calls == f->fail_at;
    if (f->crashed || (now && f->kind == FAULT_CRASH)) {
        f->crashed = f->hit = true;
        errno = EIO;
        return -1;
    }
    if ((now && f->kind == FAULT_ERRNO) || (f->calls >= f->fail_at && f->kind == FAULT_ERRNO_ALWAYS)) {
        f->hit = true;
        errno = f->error;
        return -1;
    }
    if (now && f->kind == FAULT_SHORT) f->hit = true;
    return now && f->kind == FAULT_SHORT;
}

static inline struct fault_name *fault_name_of(struct fault *f, const char *path)
{
    for (int i = 0; i < f->name_cnt; i++)
        if (strcmp(f->names[i].path, path) == 0) return &f->names[i];
    assert_true(f->name_cnt < FAULT_FILES);
    struct fault_name *name = &f->names[f->name_cnt++];
    *name = (struct fault_name){.path = strdup(path), .durable = -1, .current = -1};
    return name;
}

/* A file that was there before the model began is durable as it is. */
static inline int fault_file_new(struct fault *f, const char *path)
{
    assert_true(f->file_cnt < FAULT_FILES);
    struct fault_file *file = &f->files[f->file_cnt];
    *file = (struct fault_file){0};
    if (path) file->bytes = slurp(path, &file->len);
    return f->file_cnt++;
}

static inline struct fault_op *fault_op_add(struct fault *f, int at, uint64_t offset, const void *bytes,
                                            size_t len)
{
    struct fault_file *file = &f->files[at];
    file->ops = realloc(file->ops, (file->op_cnt + 1) * sizeof *file->ops);
    assert_non_null(file->ops);
    struct fault_op *op = &file->ops[file->op_cnt++];
    *op = (struct fault_op){.offset = offset, .len = len};
    if (bytes) {
        op->bytes = malloc(len);
        assert_non_null(op->bytes);
        memcpy(op->bytes, bytes, len);
    }
    return op;
}

static inline void fault_apply(uint8_t **bytes, size_t *len, const struct fault_op *op, size_t op_len)
{
    size_t end = op->bytes ? (size_t)op->offset + op_len : (size_t)op->offset;
    if (end > *len) {
        *bytes = realloc(*bytes, end);
        assert_non_null(*bytes);
        memset(*bytes + *len, 0, end - *len);
        *len = end;
    }
    if (!op->bytes)
        *len = end;
    else if (op_len)
        memcpy(*bytes + op->offset, op->bytes, op_len);
}

static inline int fault_open(void *self, const char *path, int flags, mode_t mode)
{
    struct fault *f = self;
    if (fault_step(f) < 0) return -1;
    bool there = access(path, F_OK) == 0;
    struct fault_name *name = fault_name_of(f, path);
    if (there && name->current < 0) name->durable = name->current = fault_file_new(f, path);
    int fd = open(path, flags, mode);
    if (fd < 0) return -1;
    assert_true(fd < FAULT_FDS);
    if (!there) name->current = fault_file_new(f, NULL);
    f->fd_file[fd] = name->current;
    if (there && (flags & O_TRUNC)) fault_op_add(f, name->current, 0, NULL, 0);
    return fd;
}

static inline int fault_close(void *self, int fd)
{
    struct fault *f = self;
    int step = fault_step(f);
    int saved = errno, rc = close(fd); /* the descriptor is gone in any case */
    if (step < 0) errno = saved;
    return step < 0 ? -1 : rc;
}

static inline ssize_t fault_pread(void *self, int fd, void *bytes, size_t len, uint64_t offset)
{
    int step = fault_step(self);
    if (step < 0) return -1;
    return pread(fd, bytes, step && len > 1 ? len / 2 : len, (off_t)offset);
}

static inline ssize_t fault_pwrite(void *self, int fd, const void *bytes, size_t len, uint64_t offset)
{
    struct fault *f = self;
    int step = fault_step(f);
    if (step < 0 && (f->crashed || f->error == EINTR)) {
        /* the write that the crash cut short may reach the disk as any other unsynced one */
        if (f->crashed && f->calls == f->fail_at && pwrite(fd, bytes, len, (off_t)offset) == (ssize_t)len)
            fault_op_add(f, f->fd_file[fd], offset, bytes, len);
        errno = f->crashed ? EIO : EINTR;
        return -1;
    }
    if (step && len > 1) len /= 2; /* a refused write may have written a part */
    ssize_t put = pwrite(fd, bytes, len, (off_t)offset);
    if (put > 0) fault_op_add(f, f->fd_file[fd], offset, bytes, (size_t)put);
    if (step < 0) errno = f->error;
    return step < 0 ? -1 : put;
}

static inline int fault_fsync(void *self, int fd)
{
    struct fault *f = self;
    struct fault_file *file = &f->files[f->fd_file[fd]];
    int step = fault_step(f), saved = errno;
    if (step < 0) {
        for (size_t i = 0; !f->crashed && saved != EINTR && i < file->op_cnt; i++)
            file->ops[i].dropped = true;
        errno = saved;
        return -1;
    }
    for (size_t i = 0; i < file->op_cnt; i++) {
        if (!file->ops[i].dropped) fault_apply(&file->bytes, &file->len, &file->ops[i], file->ops[i].len);
        free(file->ops[i].bytes);
    }
    file->op_cnt = 0;
    return 0;
}

static inline int fault_ftruncate(void *self, int fd, uint64_t len)
{
    struct fault *f = self;
    if (fault_step(f) < 0) return -1;
    if (ftruncate(fd, (off_t)len) < 0) return -1;
    fault_op_add(f, f->fd_file[fd], len, NULL, 0);
    return 0;
}

static inline int64_t fault_size(void *self, int fd)
{
    struct stat status;
    if (fault_step(self) < 0 || fstat(fd, &status) < 0) return -1;
    return status.st_size;
}

static inline int fault_rename(void *self, const char *from, const char *to)
{
    struct fault *f = self;
    if (fault_step(f) < 0) return -1;
    if (access(to, F_OK) == 0 && fault_name_of(f, to)->current < 0) {
        struct fault_name *name = fault_name_of(f, to);
        name->durable = name->current = fault_file_new(f, to);
    }
    if (rename(from, to) < 0) return -1;
    struct fault_name *target = fault_name_of(f, to), *source = fault_name_of(f, from);
    target->current = source->current;
    source->current = -1;
    return 0;
}

static inline int fault_unlink(void *self, const char *path)
{
    struct fault *f = self;
    if (fault_step(f) < 0) return -1;
    struct fault_name *name = fault_name_of(f, path);
    if (name->current < 0 && access(path, F_OK) == 0) name->durable = name->current = fault_file_new(f, path);
    if (unlink(path) < 0) return -1;
    name->current = -1;
    return 0;
}

/* Directories themselves are taken for durable at once: dsdn_store_create acknowledges nothing before it is
 * done. */
static inline int fault_mkdir(void *self, const char *path, mode_t mode)
{
    return fault_step(self) < 0 ? -1 : mkdir(path, mode);
}

static inline int fault_sync_dir(void *self, const char *path)
{
    struct fault *f = self;
    if (fault_step(f) < 0) return -1;
    size_t len = strlen(path);
    for (int i = 0; i < f->name_cnt; i++) {
        const char *name = f->names[i].path;
        if (strncmp(name, path, len) == 0 && name[len] == '/' && !strchr(name + len + 1, '/'))
            f->names[i].durable = f->names[i].current;
    }
    return 0;
}

static inline int fault_lock(void *self, int fd)
{
    (void)fd; /* the same process may hold the lock of the log that "crashed" */
    return fault_step(self) < 0 ? -1 : 0;
}

static inline struct fault *fault_new(void)
{
    struct fault *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->io = (struct dsdn_io){
        fault_open, fault_close,  fault_pread,  fault_pwrite, fault_fsync,    fault_ftruncate,
        fault_size, fault_rename, fault_unlink, fault_mkdir,  fault_sync_dir, fault_lock,
        f};
    return f;
}

/* The process is killed and started again; the system, with all that is not synced yet, lives on.  All
 * descriptors are closed by then. */
static inline void fault_restart(struct fault *f)
{
    f->crashed = f->hit = false;
    f->kind = FAULT_NONE;
}

static inline void fault_free(struct fault *f)
{
    for (int i = 0; i < f->file_cnt; i++) {
        for (size_t j = 0; j < f->files[i].op_cnt; j++) free(f->files[i].ops[j].bytes);
        free(f->files[i].ops);
        free(f->files[i].bytes);
    }
    for (int i = 0; i < f->name_cnt; i++) free(f->names[i].path);
    free(f);
}

/* Replace the real files by one state that a power loss may leave.  All descriptors are closed by then. */
static inline void fault_power_loss(struct fault *f, enum fault_loss loss, uint64_t *seed)
{
    for (int i = 0; i < f->file_cnt; i++) { /* what each file becomes */
        struct fault_file *file = &f->files[i];
        size_t keep = loss == LOSE_ALL ? 0
                      : loss == LOSE_NOTHING || loss == REORDERED
                          ? file->op_cnt
                          : (size_t)(test_random(seed) % (file->op_cnt + 1));
        for (size_t j = 0; j < file->op_cnt; j++) {
            struct fault_op *op = &file->ops[j];
            size_t len = op->len;
            if (loss == TORN && j == keep && op->bytes)
                len = (size_t)(test_random(seed) % (len / 512 + 1)) * 512;
            else if (j >= keep || (loss == REORDERED && test_random(seed) % 2))
                continue;
            if (!op->dropped || loss == LOSE_NOTHING) fault_apply(&file->bytes, &file->len, op, len);
        }
    }
    for (int i = 0; i < f->name_cnt; i++) {
        struct fault_name *name = &f->names[i];
        bool current = loss == LOSE_NOTHING || (loss != LOSE_ALL && test_random(seed) % 2);
        int file = current ? name->current : name->durable;
        if (file < 0)
            unlink(name->path);
        else
            spew(name->path, f->files[file].bytes, f->files[file].len);
    }
}

#endif
