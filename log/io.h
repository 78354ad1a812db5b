/* io.h: the few file operations that durable files are made of, behind one table of functions, so that tests
 * can drop, tear, reorder and refuse writes (tests/io_fault.h).  Offsets and lengths are bytes. */
#ifndef DSDN_LOG_IO_H
#define DSDN_LOG_IO_H

#include "log/base.h"
#include "log/error.h"

#include <sys/types.h>

/* Raw operations: return -1 and set errno like the system calls they are named after.  May be interrupted
 * (EINTR) and may transfer less than asked: the dsdn_io_* helpers below deal with both. */
struct dsdn_io {
    int (*open)(void *self, const char *path, int flags, mode_t mode);
    int (*close)(void *self, int fd);
    ssize_t (*pread)(void *self, int fd, void *bytes, size_t len, uint64_t offset);
    ssize_t (*pwrite)(void *self, int fd, const void *bytes, size_t len, uint64_t offset);
    int (*fsync)(void *self, int fd);
    int (*ftruncate)(void *self, int fd, uint64_t len);
    int64_t (*size)(void *self, int fd);
    int (*rename)(void *self, const char *from, const char *to);
    int (*unlink)(void *self, const char *path);
    int (*mkdir)(void *self, const char *path, mode_t mode);
    int (*sync_dir)(void *self, const char *path); /* open the directory, fsync it, close it */
    int (*lock)(void *self, int fd);               /* exclusive, non-blocking; EWOULDBLOCK when taken */
    void *self;
};

/* The operating system. */
extern const struct dsdn_io dsdn_io_system;

/* dsdn_io_open opens path (always with O_CLOEXEC), retrying EINTR.  *fd is -1 after a failure.  NOT_FOUND;
 * EXISTS with O_EXCL. */
int dsdn_io_open(const struct dsdn_io *io, const char *path, int flags, mode_t mode, int *fd,
                 struct dsdn_error *error);

/* dsdn_io_size asks for the length of a file. */
int dsdn_io_size(const struct dsdn_io *io, int fd, uint64_t *size, const char *path,
                 struct dsdn_error *error);

/* dsdn_io_truncate sets the length of a file, retrying EINTR.  Durable after dsdn_io_sync only. */
int dsdn_io_truncate(const struct dsdn_io *io, int fd, uint64_t len, const char *path,
                     struct dsdn_error *error);

/* dsdn_io_sync_dir makes the names in a directory durable, retrying EINTR. */
int dsdn_io_sync_dir(const struct dsdn_io *io, const char *path, struct dsdn_error *error);

/* dsdn_io_sync_parent does so for the directory that path is in. */
int dsdn_io_sync_parent(const struct dsdn_io *io, const char *path, struct dsdn_error *error);

/* dsdn_io_lock takes the file for this descriptor, without waiting: LOCKED when somebody else has it. */
int dsdn_io_lock(const struct dsdn_io *io, int fd, const char *path, struct dsdn_error *error);

/* dsdn_io_read_at reads exactly len bytes.  DSDN_E_TRUNCATED at the end of the file (with the offset where it
 * ended), DSDN_E_IO otherwise.  `path` is for the message only. */
int dsdn_io_read_at(const struct dsdn_io *io, int fd, void *bytes, size_t len, uint64_t offset,
                    const char *path, struct dsdn_error *error);

/* dsdn_io_write_at writes exactly len bytes or fails; a failure may have written a part. */
int dsdn_io_write_at(const struct dsdn_io *io, int fd, const void *bytes, size_t len, uint64_t offset,
                     const char *path, struct dsdn_error *error);

/* dsdn_io_sync is fsync that retries EINTR only.  After any other failure the file's unsynced bytes are of
 * unknown state: the caller stops using the descriptor and goes back to what was durable before. */
int dsdn_io_sync(const struct dsdn_io *io, int fd, const char *path, struct dsdn_error *error);

/* dsdn_io_write_file makes path hold exactly bytes, atomically and durably: temporary file beside it, fsync,
 * rename, fsync of the directory. */
int dsdn_io_write_file(const struct dsdn_io *io, const char *path, const void *bytes, size_t len,
                       struct dsdn_error *error);

/* dsdn_io_read_file reads a whole file of at most max bytes into *out (malloc, the caller frees). */
int dsdn_io_read_file(const struct dsdn_io *io, const char *path, size_t max, uint8_t **out, size_t *len,
                      struct dsdn_error *error);

#endif
