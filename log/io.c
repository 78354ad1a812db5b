#include "log/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* One transfer is at most this long: the kernel moves no more than 2 GiB - 4 KiB in one call anyway. */
#define TRANSFER_MAX ((size_t)1 << 30)

static int system_open(void *self, const char *path, int flags, mode_t mode)
{
    (void)self;
    return open(path, flags, mode);
}

static int system_close(void *self, int fd)
{
    (void)self;
    return close(fd);
}

static ssize_t system_pread(void *self, int fd, void *bytes, size_t len, uint64_t offset)
{
    (void)self;
    return pread(fd, bytes, len, (off_t)offset);
}

static ssize_t system_pwrite(void *self, int fd, const void *bytes, size_t len, uint64_t offset)
{
    (void)self;
    return pwrite(fd, bytes, len, (off_t)offset);
}

static int system_fsync(void *self, int fd)
{
    (void)self;
    return fsync(fd);
}

static int system_ftruncate(void *self, int fd, uint64_t len)
{
    (void)self;
    return ftruncate(fd, (off_t)len);
}

static int64_t system_size(void *self, int fd)
{
    (void)self;
    struct stat status;
    if (fstat(fd, &status) < 0) return -1;
    return status.st_size;
}

static int system_rename(void *self, const char *from, const char *to)
{
    (void)self;
    return rename(from, to);
}

static int system_unlink(void *self, const char *path)
{
    (void)self;
    return unlink(path);
}

static int system_mkdir(void *self, const char *path, mode_t mode)
{
    (void)self;
    return mkdir(path, mode);
}

static int system_sync_dir(void *self, const char *path)
{
    (void)self;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    int rc = fsync(fd), saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

static int system_lock(void *self, int fd)
{
    (void)self;
    return flock(fd, LOCK_EX | LOCK_NB);
}

const struct dsdn_io dsdn_io_system = {
    .open = system_open,
    .close = system_close,
    .pread = system_pread,
    .pwrite = system_pwrite,
    .fsync = system_fsync,
    .ftruncate = system_ftruncate,
    .size = system_size,
    .rename = system_rename,
    .unlink = system_unlink,
    .mkdir = system_mkdir,
    .sync_dir = system_sync_dir,
    .lock = system_lock,
    .self = NULL,
};

/* A refused operation on path at offset. */
static int refused(struct dsdn_error *error, int errno_value, const char *verb, const char *path,
                   uint64_t offset)
{
    int code = dsdn_fail_errno(error, errno_value, "cannot %s", verb);
    dsdn_error_at(error, path, offset);
    return code;
}

int dsdn_io_open(const struct dsdn_io *io, const char *path, int flags, mode_t mode, int *fd,
                 struct dsdn_error *error)
{
    do *fd = io->open(io->self, path, flags | O_CLOEXEC, mode);
    while (*fd < 0 && errno == EINTR);
    return *fd >= 0 ? DSDN_OK : refused(error, errno, "open the file", path, DSDN_NO_OFFSET);
}

int dsdn_io_size(const struct dsdn_io *io, int fd, uint64_t *size, const char *path, struct dsdn_error *error)
{
    int64_t len;
    do len = io->size(io->self, fd);
    while (len < 0 && errno == EINTR);
    if (len < 0) return refused(error, errno, "ask for the length of the file", path, DSDN_NO_OFFSET);
    *size = (uint64_t)len;
    return DSDN_OK;
}

int dsdn_io_truncate(const struct dsdn_io *io, int fd, uint64_t len, const char *path,
                     struct dsdn_error *error)
{
    int rc;
    do rc = io->ftruncate(io->self, fd, len);
    while (rc < 0 && errno == EINTR);
    return rc >= 0 ? DSDN_OK : refused(error, errno, "cut the file", path, len);
}

int dsdn_io_sync(const struct dsdn_io *io, int fd, const char *path, struct dsdn_error *error)
{
    int rc;
    do rc = io->fsync(io->self, fd);
    while (rc < 0 && errno == EINTR);
    return rc >= 0 ? DSDN_OK : refused(error, errno, "sync the file", path, DSDN_NO_OFFSET);
}

int dsdn_io_sync_dir(const struct dsdn_io *io, const char *path, struct dsdn_error *error)
{
    int rc;
    do rc = io->sync_dir(io->self, path);
    while (rc < 0 && errno == EINTR);
    return rc >= 0 ? DSDN_OK : refused(error, errno, "sync the directory", path, DSDN_NO_OFFSET);
}

/* The directory part of path into out: "." when there is none, "/" for the root. */
static bool parent_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= PATH_MAX) return false;
    if (!slash)
        memcpy(out, ".", 2);
    else if (len == 0)
        memcpy(out, "/", 2);
    else {
        memcpy(out, path, len);
        out[len] = 0;
    }
    return true;
}

int dsdn_io_sync_parent(const struct dsdn_io *io, const char *path, struct dsdn_error *error)
{
    char parent[PATH_MAX];
    if (!parent_of(path, parent))
        return dsdn_fail(error, DSDN_E_USAGE, "the path is longer than %d bytes", PATH_MAX);
    return dsdn_io_sync_dir(io, parent, error);
}

int dsdn_io_lock(const struct dsdn_io *io, int fd, const char *path, struct dsdn_error *error)
{
    int rc;
    do rc = io->lock(io->self, fd);
    while (rc < 0 && errno == EINTR);
    if (rc >= 0) return DSDN_OK;
    if (errno == EWOULDBLOCK)
        return dsdn_fail_at(error, DSDN_E_LOCKED, path, DSDN_NO_OFFSET, "another process is writing here");
    return refused(error, errno, "lock the file", path, DSDN_NO_OFFSET);
}

int dsdn_io_read_at(const struct dsdn_io *io, int fd, void *bytes, size_t len, uint64_t offset,
                    const char *path, struct dsdn_error *error)
{
    uint8_t *p = bytes;
    while (len > 0) {
        ssize_t got = io->pread(io->self, fd, p, len < TRANSFER_MAX ? len : TRANSFER_MAX, offset);
        if (got < 0) {
            if (errno == EINTR) continue;
            return refused(error, errno, "read", path, offset);
        }
        if (got == 0)
            return dsdn_fail_at(error, DSDN_E_TRUNCATED, path, offset, "the file ends %zu bytes too early",
                                len);
        p += got;
        len -= (size_t)got;
        offset += (uint64_t)got;
    }
    return DSDN_OK;
}

int dsdn_io_write_at(const struct dsdn_io *io, int fd, const void *bytes, size_t len, uint64_t offset,
                     const char *path, struct dsdn_error *error)
{
    const uint8_t *p = bytes;
    while (len > 0) {
        ssize_t put = io->pwrite(io->self, fd, p, len < TRANSFER_MAX ? len : TRANSFER_MAX, offset);
        if (put < 0) {
            if (errno == EINTR) continue;
            return refused(error, errno, "write", path, offset);
        }
        if (put == 0) return refused(error, EIO, "write (nothing was taken)", path, offset);
        p += put;
        len -= (size_t)put;
        offset += (uint64_t)put;
    }
    return DSDN_OK;
}

int dsdn_io_write_file(const struct dsdn_io *io, const char *path, const void *bytes, size_t len,
                       struct dsdn_error *error)
{
    char temporary[PATH_MAX];
    int used = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (used < 0 || used >= (int)sizeof temporary)
        return dsdn_fail(error, DSDN_E_USAGE, "the path is longer than %d bytes", PATH_MAX);

    int fd;
    int rc = dsdn_io_open(io, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd, error);
    if (rc) return rc;
    rc = dsdn_io_write_at(io, fd, bytes, len, 0, temporary, error);
    if (!rc) rc = dsdn_io_sync(io, fd, temporary, error);
    /* A failed close after a good fsync loses nothing, but it is an I/O error that somebody should see. */
    if (io->close(io->self, fd) < 0 && errno != EINTR && !rc)
        rc = refused(error, errno, "close", temporary, DSDN_NO_OFFSET);
    if (!rc && io->rename(io->self, temporary, path) < 0)
        rc = refused(error, errno, "rename the finished temporary file to its name", path, DSDN_NO_OFFSET);
    if (rc) {
        io->unlink(io->self, temporary);
        return rc;
    }
    return dsdn_io_sync_parent(io, path, error);
}

int dsdn_io_read_file(const struct dsdn_io *io, const char *path, size_t max, uint8_t **out, size_t *len,
                      struct dsdn_error *error)
{
    *out = NULL;
    *len = 0;
    int fd;
    int rc = dsdn_io_open(io, path, O_RDONLY, 0, &fd, error);
    if (rc) return rc;
    uint64_t size = 0;
    uint8_t *bytes = NULL;
    rc = dsdn_io_size(io, fd, &size, path, error);
    if (!rc && size > max)
        rc = dsdn_fail_at(error, DSDN_E_TOO_LARGE, path, DSDN_NO_OFFSET, "%llu bytes, at most %zu are read",
                          (unsigned long long)size, max);
    if (!rc && !(bytes = malloc(size ? (size_t)size : 1)))
        rc = dsdn_fail_at(error, DSDN_E_NO_MEMORY, path, DSDN_NO_OFFSET, "no memory for %llu bytes",
                          (unsigned long long)size);
    if (!rc) rc = dsdn_io_read_at(io, fd, bytes, (size_t)size, 0, path, error);
    io->close(io->self, fd);
    if (rc) {
        free(bytes);
        return rc;
    }
    *out = bytes;
    *len = (size_t)size;
    return DSDN_OK;
}
