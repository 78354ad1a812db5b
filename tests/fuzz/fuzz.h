/* fuzz.h: what the fuzz targets share: a check that stops the process, bytes taken from the front of an
 * input, files in memory behind struct dsdn_io, and a small log of the DSDN catalogue made by the generator.
 * Static functions only.
 *
 * A target asserts more than the absence of crashes: what decodes must encode to the same bytes, what is
 * found whole by one reader must be whole for every other. */
#ifndef DSDN_TESTS_FUZZ_FUZZ_H
#define DSDN_TESTS_FUZZ_FUZZ_H

#include "log/hash.h"
#include "log/io.h"
#include "roles/dsdn.h"
#include "roles/generator/generator.h"
#include "roles/neutral/neutral.h"
#include "statemachine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))
static inline void fuzz_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: property does not hold: %s\n", file, line, what);
    abort();
}

/* CHECK for a call that must return 0; prints what it said. */
#define CHECK_OK(call, error) fuzz_ok((call), (error), #call, __FILE__, __LINE__)
static inline void fuzz_ok(int rc, const struct dsdn_error *error, const char *what, const char *file,
                           int line)
{
    if (!rc) return;
    char text[1024];
    dsdn_error_format(error, text, sizeof text);
    fprintf(stderr, "%s: %s\n", dsdn_error_name(rc), text);
    fuzz_failed(what, file, line);
}

static inline void *fuzz_alloc(size_t len)
{
    void *p = malloc(len ? len : 1);
    CHECK(p);
    return p;
}

static inline uint8_t *fuzz_copy(const void *bytes, size_t len)
{
    uint8_t *copy = fuzz_alloc(len);
    if (len) memcpy(copy, bytes, len);
    return copy;
}

/* ---- choices at the front of an input ---- */

struct input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t take8(struct input *in)
{
    if (!in->left) return 0;
    in->left--;
    return *in->at++;
}

static inline uint16_t take16(struct input *in)
{
    uint16_t low = take8(in);
    return (uint16_t)(low | take8(in) << 8);
}

static inline const struct dsdn_catalogue *take_catalogue(struct input *in)
{
    return take8(in) & 1 ? &neutral_catalogue : &dsdn_catalogue;
}

/* ---- files in memory, by the last part of their names ---- */

enum { DISK_FILES = 6, DISK_NAME = 64, DISK_FD = 1000, DISK_FILE_MAX = 16 << 20 };

struct disk_file {
    char name[DISK_NAME]; /* "": free */
    uint8_t *bytes;       /* owned */
    size_t len, cap;
};

struct disk {
    struct dsdn_io io;
    struct disk_file files[DISK_FILES];
};

static inline const char *disk_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static inline struct disk_file *disk_find(struct disk *d, const char *path)
{
    for (int i = 0; i < DISK_FILES; i++)
        if (d->files[i].name[0] && strcmp(d->files[i].name, disk_name(path)) == 0) return &d->files[i];
    return NULL;
}

static inline int disk_resize(struct disk_file *f, uint64_t len)
{
    if (len > DISK_FILE_MAX) return errno = ENOSPC, -1;
    if (len > f->cap) {
        size_t cap = (size_t)len * 2;
        f->bytes = realloc(f->bytes, cap);
        CHECK(f->bytes);
        f->cap = cap;
    }
    if (len > f->len) memset(f->bytes + f->len, 0, (size_t)len - f->len);
    f->len = (size_t)len;
    return 0;
}

/* Makes or replaces a file. */
static inline struct disk_file *disk_put(struct disk *d, const char *path, const void *bytes, size_t len)
{
    struct disk_file *f = disk_find(d, path);
    for (int i = 0; !f && i < DISK_FILES; i++)
        if (!d->files[i].name[0]) f = &d->files[i];
    CHECK(f && strlen(disk_name(path)) < DISK_NAME);
    snprintf(f->name, sizeof f->name, "%s", disk_name(path));
    CHECK(disk_resize(f, len) == 0);
    if (len) memcpy(f->bytes, bytes, len);
    return f;
}

static inline int disk_open(void *self, const char *path, int flags, mode_t mode)
{
    struct disk *d = self;
    struct disk_file *f = disk_find(d, path);
    (void)mode;
    if (!f && !(flags & O_CREAT)) return errno = ENOENT, -1;
    if (f && flags & O_EXCL) return errno = EEXIST, -1;
    if (!f) f = disk_put(d, path, NULL, 0);
    if (flags & O_TRUNC) f->len = 0;
    return DISK_FD + (int)(f - d->files);
}

static inline int disk_close(void *self, int fd)
{
    (void)self;
    CHECK(fd >= DISK_FD && fd < DISK_FD + DISK_FILES);
    return 0;
}

static inline struct disk_file *disk_at(void *self, int fd)
{
    CHECK(fd >= DISK_FD && fd < DISK_FD + DISK_FILES);
    return &((struct disk *)self)->files[fd - DISK_FD];
}

static inline ssize_t disk_pread(void *self, int fd, void *bytes, size_t len, uint64_t offset)
{
    struct disk_file *f = disk_at(self, fd);
    if (offset >= f->len) return 0;
    if (len > f->len - offset) len = f->len - (size_t)offset;
    memcpy(bytes, f->bytes + offset, len);
    return (ssize_t)len;
}

static inline ssize_t disk_pwrite(void *self, int fd, const void *bytes, size_t len, uint64_t offset)
{
    struct disk_file *f = disk_at(self, fd);
    if (offset > DISK_FILE_MAX || len > DISK_FILE_MAX - offset) return errno = ENOSPC, -1;
    if (offset + len > f->len && disk_resize(f, offset + len)) return -1;
    memcpy(f->bytes + offset, bytes, len);
    return (ssize_t)len;
}

static inline int disk_fsync(void *self, int fd)
{
    (void)disk_at(self, fd);
    return 0;
}

static inline int disk_ftruncate(void *self, int fd, uint64_t len)
{
    return disk_resize(disk_at(self, fd), len);
}

static inline int64_t disk_size(void *self, int fd)
{
    return (int64_t)disk_at(self, fd)->len;
}

static inline int disk_unlink(void *self, const char *path)
{
    struct disk_file *f = disk_find(self, path);
    if (!f) return errno = ENOENT, -1;
    f->name[0] = 0;
    f->len = 0;
    return 0;
}

static inline int disk_rename(void *self, const char *from, const char *to)
{
    struct disk_file *f = disk_find(self, from);
    if (!f) return errno = ENOENT, -1;
    if (disk_find(self, to)) (void)disk_unlink(self, to);
    snprintf(f->name, sizeof f->name, "%s", disk_name(to));
    return 0;
}

static inline int disk_mkdir(void *self, const char *path, mode_t mode)
{
    (void)self, (void)path, (void)mode;
    return 0;
}

static inline int disk_sync_dir(void *self, const char *path)
{
    (void)self, (void)path;
    return 0;
}

static inline void disk_init(struct disk *d)
{
    *d = (struct disk){.io = {.open = disk_open,
                              .close = disk_close,
                              .pread = disk_pread,
                              .pwrite = disk_pwrite,
                              .fsync = disk_fsync,
                              .ftruncate = disk_ftruncate,
                              .size = disk_size,
                              .rename = disk_rename,
                              .unlink = disk_unlink,
                              .mkdir = disk_mkdir,
                              .sync_dir = disk_sync_dir,
                              .lock = disk_fsync,
                              .self = d}};
}

static inline void disk_free(struct disk *d)
{
    for (int i = 0; i < DISK_FILES; i++) free(d->files[i].bytes);
}

/* ---- a small log of the DSDN catalogue ---- */

enum { STORY_BATCHES = 24 };

struct story {
    struct dsdn_genesis genesis;
    struct dsdn_view batches[STORY_BATCHES]; /* owned; live for the whole process */
    uint32_t cnt;
};

static inline int story_emit(void *self, const struct dsdn_generated_batch *batch, struct dsdn_error *error)
{
    struct story *s = self;
    (void)error;
    CHECK(s->cnt < STORY_BATCHES);
    s->batches[s->cnt++] = (struct dsdn_view){fuzz_copy(batch->bytes, batch->len), batch->len};
    return 0;
}

/* The same every time. */
static inline const struct story *story_get(void)
{
    static struct story story;
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (story.cnt) return &story;
    struct dsdn_generator_options options = {.seed = 1,
                                             .events = 90,
                                             .signed_percent = 30,
                                             .events_per_batch = 5,
                                             .families = DSDN_GENERATE_NODE | DSDN_GENERATE_CHUNK,
                                             .emit = story_emit,
                                             .self = &story};
    CHECK_OK(dsdn_generator_genesis(1, &story.genesis, &error), &error);
    CHECK_OK(dsdn_generate(&options, &error), &error);
    return &story;
}

/* A new engine of a catalogue with the story's genesis and, for the DSDN catalogue, its first `batches`
 * batches. */
static inline struct dsdn_engine *story_engine(const struct dsdn_catalogue *catalogue, uint32_t batches,
                                               uint64_t hash_seed)
{
    const struct story *story = story_get();
    struct dsdn_engine_options options = {.hash_seed = hash_seed};
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine *e;
    struct dsdn_prepared p = {.ops = NULL};
    CHECK_OK(dsdn_engine_new(catalogue, &options, &e, &error), &error);
    CHECK_OK(dsdn_engine_genesis(e, story->genesis.bytes, story->genesis.len, &error), &error);
    for (uint32_t i = 0; catalogue == &dsdn_catalogue && i < batches && i < story->cnt; i++) {
        const struct dsdn_view *b = &story->batches[i];
        CHECK_OK(dsdn_prepare(&p, catalogue, dsdn_engine_seed(e), b->bytes, b->len, &error), &error);
        CHECK_OK(dsdn_engine_judge(e, &p, NULL, &error), &error);
        CHECK_OK(dsdn_engine_apply(e, &p, &error), &error);
    }
    dsdn_prepared_free(&p);
    return e;
}

static inline void story_root(struct dsdn_engine *e, uint8_t root[32])
{
    struct dsdn_roots roots;
    struct dsdn_error error = DSDN_ERROR_INIT;
    CHECK_OK(dsdn_engine_root(e, 1, &roots, &error), &error);
    memcpy(root, roots.state, 32);
}

#endif
