#include "apps/replay/output.h"

#include "apps/replay/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYNC_BYTES ((uint64_t)32 << 20)

static int name_part(const char *path, char *name, char *part, struct dsdn_error *error)
{
    size_t len = strlen(path);
    if (len + sizeof ".partial" > OUTPUT_PATH_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "the output's name is too long");
    memcpy(name, path, len + 1);
    memcpy(part, path, len);
    memcpy(part + len, ".partial", sizeof ".partial");
    return DSDN_OK;
}

int output_taken(const char *path, bool force, struct dsdn_error *error)
{
    struct stat st;
    if (force || lstat(path, &st) != 0) return DSDN_OK;
    return dsdn_fail_at(error, DSDN_E_EXISTS, path, DSDN_NO_OFFSET,
                        "the output exists; --force replaces a file");
}

static void sync_parent(const char *path)
{
    char parent[OUTPUT_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!slash)
        strcpy(parent, ".");
    else if (!len)
        strcpy(parent, "/");
    else {
        memcpy(parent, path, len);
        parent[len] = 0;
    }
    struct dsdn_error ignored = DSDN_ERROR_INIT; /* the rename happened; only its durability is in doubt */
    dsdn_io_sync_dir(&dsdn_io_system, parent, &ignored);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

int output_open(struct output *out, const char *path, bool force, struct dsdn_error *error)
{
    *out = (struct output){.file = stdout};
    if (!path || strcmp(path, "-") == 0) return DSDN_OK;
    int rc = output_taken(path, force, error);
    if (!rc) rc = name_part(path, out->path, out->part, error);
    int fd = -1;
    if (!rc) rc = dsdn_io_open(&dsdn_io_system, out->part, O_WRONLY | O_CREAT | O_TRUNC, 0666, &fd, error);
    if (rc) return rc;
    out->file = fdopen(fd, "w");
    if (out->file) return DSDN_OK;
    rc = dsdn_fail_errno(error, errno, "cannot write the output");
    close(fd);
    unlink(out->part);
    return rc;
}

static int write_failed(struct output *out, struct dsdn_error *error)
{
    int rc = dsdn_fail_errno(error, errno, "cannot write the output");
    return dsdn_error_at(error, out->path[0] ? out->path : NULL, DSDN_NO_OFFSET), rc;
}

int output_open_named(struct output *out, const char *path, bool force, struct dsdn_error *error)
{
    *out = (struct output){0};
    int rc = output_taken(path, force, error);
    if (!rc) rc = name_part(path, out->path, out->part, error);
    if (!rc && unlink(out->part) != 0 && errno != ENOENT) rc = write_failed(out, error);
    if (rc) out->path[0] = 0;
    return rc;
}

int output_write(struct output *out, const void *bytes, size_t len, struct dsdn_error *error)
{
    return len == 0 || fwrite(bytes, 1, len, out->file) == len ? DSDN_OK : write_failed(out, error);
}

int output_close(struct output *out, int rc, struct dsdn_error *error)
{
    if (!out->file && !out->path[0]) return rc;
    if (!out->file && !rc) { /* somebody else wrote it */
        out->file = fopen(out->part, "r+");
        if (!out->file) rc = write_failed(out, error);
    }
    if (!out->path[0]) return fflush(out->file) != 0 && !rc ? write_failed(out, error) : rc;
    if (!rc && (fflush(out->file) != 0 || fsync(fileno(out->file)) != 0)) rc = write_failed(out, error);
    if (out->file && fclose(out->file) != 0 && !rc) rc = write_failed(out, error);
    out->file = NULL;
    if (!rc && rename(out->part, out->path) != 0) rc = write_failed(out, error);
    if (rc)
        unlink(out->part);
    else
        sync_parent(out->path);
    out->path[0] = 0;
    return rc;
}

/* ---- a log ----------------------------------------------------------------------------------- */

bool log_output_is_directory(const char *path)
{
    size_t len = strlen(path);
    return (len && path[len - 1] == '/') || is_directory(path);
}

static int open_archive(struct log_output *out, const char *path, const struct dsdn_genesis *genesis,
                        const struct log_start *start, bool force, bool resume, struct dsdn_error *error)
{
    int rc = output_taken(path, force, error);
    if (rc) return rc;
    if (resume) {
        struct dsdn_archive_resumed report;
        rc = dsdn_archive_resume(&dsdn_io_system, out->part, false, &out->archive, &report, error);
        if (!rc) out->next = report.next;
        return rc;
    }
    struct dsdn_archive_options options = {.genesis = {genesis->bytes, genesis->len},
                                           .first = start->sequence};
    memcpy(options.prev, start->prev, 32);
    /* Somebody may be writing it, or want to resume it: only --force takes it away. */
    rc = output_taken(out->part, force, error);
    if (rc) return rc;
    unlink(out->part);
    return dsdn_archive_create(&dsdn_io_system, out->part, &options, &out->archive, error);
}

static int open_directory(struct log_output *out, const struct dsdn_genesis *genesis,
                          const struct log_start *start, struct dsdn_error *error)
{
    struct dsdn_store_options options = {.write = true};
    struct dsdn_store_start begin = {.sequence = start->sequence, .event = start->event};
    memcpy(begin.prev, start->prev, 32);
    if (rmdir(out->path) != 0 && errno != ENOENT) /* an empty directory is as good as none */
        return dsdn_fail_at(error, DSDN_E_EXISTS, out->path, DSDN_NO_OFFSET,
                            "the output exists and is not empty");
    int rc = dsdn_store_create(out->part, &options, (struct dsdn_view){genesis->bytes, genesis->len},
                               genesis->hash, start->sequence ? &begin : NULL, error);
    out->made = rc == DSDN_OK;
    return rc ? rc : dsdn_store_open(out->part, &options, &out->store, NULL, error);
}

int log_output_open(struct log_output *out, const char *path, const struct dsdn_genesis *genesis,
                    const struct log_start *start, bool force, bool resume, struct dsdn_error *error)
{
    static const struct log_start beginning;
    char name[OUTPUT_PATH_MAX];
    *out = (struct log_output){.next = start ? start->sequence : 0};
    if (!start) start = &beginning;
    bool directory = log_output_is_directory(path);
    size_t len = strlen(path);
    if (len >= sizeof name) return dsdn_fail(error, DSDN_E_USAGE, "the output's name is too long");
    memcpy(name, path, len + 1);
    for (; len > 1 && name[len - 1] == '/'; len--) name[len - 1] = 0;
    int rc = name_part(name, out->path, out->part, error);
    if (rc) return rc;
    if (!directory) return open_archive(out, name, genesis, start, force, resume, error);
    if (resume)
        return dsdn_fail(error, DSDN_E_USAGE, "--resume goes on with an archive, not with a log directory");
    rc = open_directory(out, genesis, start, error);
    return rc ? log_output_close(out, rc, false, error) : rc;
}

void log_output_remark(const struct log_output *out)
{
    fprintf(stderr, "%s: %llu events in %llu batches, %llu bytes\n", out->path,
            (unsigned long long)out->events, (unsigned long long)out->batches,
            (unsigned long long)out->bytes);
}

int log_output_batch(struct log_output *out, const uint8_t *batch, size_t len, uint64_t sequence,
                     uint32_t events, struct dsdn_error *error)
{
    int rc;
    if (out->archive) {
        rc = dsdn_archive_append(out->archive, batch, len, error);
    } else {
        uint8_t hash[32];
        dsdn_batch_hash(batch, hash);
        rc = dsdn_store_append(out->store, batch, len, sequence, hash, events, 0, error);
        out->unsynced += len;
        if (!rc && out->unsynced >= SYNC_BYTES) {
            rc = dsdn_store_sync(out->store, error);
            out->unsynced = 0;
        }
    }
    if (rc) return rc;
    out->batches++;
    out->events += events;
    out->bytes += len;
    out->next = sequence + 1;
    return DSDN_OK;
}

/* Removes the log directory that this process made, by the names that log/store.h gives; what somebody else
 * put into it stays, and the directory with it. */
static void remove_log(const char *dir)
{
    static const char *const files[] = {"index/data.mdb", "index/lock.mdb", "durable", "lock", "genesis.bin"};
    static const char *const folders[] = {"segments", "index", "checkpoints", ""};
    char path[OUTPUT_PATH_MAX + 300];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/segments", dir);
    DIR *segments = opendir(path);
    for (struct dirent *e; segments && (e = readdir(segments)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (len < 4 || strcmp(e->d_name + len - 4, ".seg") != 0) continue;
        snprintf(path, sizeof path, "%s/segments/%s", dir, e->d_name);
        unlink(path);
    }
    if (segments) closedir(segments);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, folders[i]);
        rmdir(path);
    }
}

static int give_name(struct log_output *out, int rc, struct dsdn_error *error)
{
    if (!rc && rename(out->part, out->path) != 0) {
        rc = dsdn_fail_errno(error, errno, "cannot give the output its name");
        dsdn_error_at(error, out->path, DSDN_NO_OFFSET);
    }
    if (!rc) sync_parent(out->path);
    return rc;
}

int log_output_close(struct log_output *out, int rc, bool keep_partial, struct dsdn_error *error)
{
    if (out->archive) {
        if (!rc) rc = dsdn_archive_finish(out->archive, NULL, error);
        dsdn_archive_writer_close(out->archive);
        rc = give_name(out, rc, error);
        if (rc && !keep_partial) unlink(out->part);
    } else if (out->made) {
        if (!rc) rc = dsdn_store_sync(out->store, error);
        if (out->store) dsdn_store_close(out->store);
        rc = give_name(out, rc, error);
        if (rc) remove_log(out->part);
    }
    out->archive = NULL;
    out->store = NULL;
    out->made = false;
    return rc;
}
