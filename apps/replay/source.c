#include "apps/replay/source.h"

#include "apps/replay/celestia.h"
#include "log/archive.h"
#include "log/batch.h"
#include "statemachine/fixture.h"
#include "roles/dsdn.h"
#include "roles/neutral/bench_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

const struct dsdn_catalogue *input_catalogue(const struct dsdn_genesis *genesis)
{
    const struct dsdn_view *id = &genesis->event.network_id;
    bool neutral = id->len == sizeof NEUTRAL_NETWORK - 1 && memcmp(id->bytes, NEUTRAL_NETWORK, id->len) == 0;
    return neutral ? &neutral_catalogue : &dsdn_catalogue;
}

static void remark(const struct dsdn_store_report *r, const char *name)
{
    if (r->slot_damaged)
        fprintf(stderr, "dsdn-replay: %s: one durable slot is not whole, the other one is used\n", name);
    if (r->index_reason[0]) fprintf(stderr, "dsdn-replay: %s: no index is used: %s\n", name, r->index_reason);
}

static int open_log(struct input *in, bool quiet, struct dsdn_error *error)
{
    struct dsdn_store_report report = {0};
    in->kind = INPUT_LOG;
    snprintf(in->dir, sizeof in->dir, "%s", in->name);
    int rc = dsdn_store_open(in->name, NULL, &in->store, &report, error);
    if (rc) return rc;
    if (!quiet) remark(&report, in->name);
    return dsdn_store_source(in->store, &in->source, error);
}

static bool is_fixture(const char *directory)
{
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/" DSDN_FIXTURE_STORY, directory);
    return (size_t)len < sizeof path && is_regular(path);
}

static int open_fixture(struct input *in, struct dsdn_error *error)
{
    in->kind = INPUT_FIXTURE;
    return dsdn_fixture_source_open(&dsdn_catalogue, in->name, &in->source, error);
}

/* Files that are meant for other arguments: say which. */
static int open_file(struct input *in, struct dsdn_error *error)
{
    uint8_t magic[8] = {0};
    int fd;
    in->kind = INPUT_ARCHIVE;
    int rc = dsdn_io_open(&dsdn_io_system, in->name, O_RDONLY, 0, &fd, error);
    if (rc) return rc;
    ssize_t n = pread(fd, magic, sizeof magic, 0);
    close(fd);
    if (n == 8 && memcmp(magic, "DSDNBEV1", 8) == 0)
        return dsdn_fail_at(error, DSDN_E_FORMAT, in->name, 0,
                            "a bench file; turn it into a log with `import`");
    return dsdn_archive_open(&dsdn_io_system, in->name, 0, &in->source, error);
}

static int open_stream(struct input *in, int fd, struct dsdn_error *error)
{
    in->kind = INPUT_STREAM;
    return dsdn_archive_open_stream(fd, fd == STDIN_FILENO ? "(standard input)" : in->name, &in->source,
                                    error);
}

static int open_container(struct input *in, const struct options *options, struct dsdn_error *error)
{
    static const char *const layers[] = {"quorum:", "emergency:"};
    bool quiet = options->quiet;
    struct stat st;
    if (strcmp(in->name, "-") == 0) return open_stream(in, STDIN_FILENO, error);
    if (stat(in->name, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return is_fixture(in->name) ? open_fixture(in, error) : open_log(in, quiet, error);
        if (S_ISREG(st.st_mode)) return open_file(in, error);
        int rc = dsdn_io_open(&dsdn_io_system, in->name, O_RDONLY, 0, &in->fd, error);
        return rc ? rc : open_stream(in, in->fd, error);
    }
    int reason = errno;
    if (celestia_named(in->name)) return celestia_open(in, options, error);
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
        if (strncmp(in->name, layers[i], strlen(layers[i])) == 0)
            return dsdn_fail(error, DSDN_E_USAGE, "this program has no adapter for %s sources", layers[i]);
    int rc = dsdn_fail_errno(error, reason, "cannot open the source");
    return dsdn_error_at(error, in->name, DSDN_NO_OFFSET), rc;
}

/* The genesis of the source, of the file, or both, and then they must be the same. */
static int open_genesis(struct input *in, const char *path, struct dsdn_error *error)
{
    struct dsdn_view own = in->source->genesis;
    struct dsdn_genesis declared = {0};
    int rc = path ? dsdn_genesis_load(&declared, &dsdn_io_system, path, error) : DSDN_OK;
    if (!rc && !own.len && !path)
        rc = dsdn_fail_at(error, DSDN_E_NOT_FOUND, in->name, DSDN_NO_OFFSET,
                          "the source carries no genesis; give it with --genesis");
    if (!rc && own.len) rc = dsdn_genesis_decode(&in->genesis, own.bytes, own.len, error);
    if (rc) {
        dsdn_error_at(error, path && !own.len ? path : in->name, DSDN_NO_OFFSET);
    } else if (own.len && path && !dsdn_equal32(in->genesis.hash, declared.hash)) {
        rc = dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, in->name, DSDN_NO_OFFSET,
                          "the source belongs to another network");
    } else if (!own.len) {
        in->genesis = declared;
        return DSDN_OK;
    }
    if (path) dsdn_genesis_free(&declared);
    return rc;
}

int input_open(struct input *in, const char *argument, const struct options *options,
               struct dsdn_error *error)
{
    *in = (struct input){.name = argument, .fd = -1};
    int rc = open_container(in, options, error);
    if (!rc) rc = open_genesis(in, options->genesis, error);
    if (!rc) in->catalogue = input_catalogue(&in->genesis);
    if (rc) input_close(in);
    return rc;
}

void input_close(struct input *in)
{
    if (!in->name) return;
    dsdn_genesis_free(&in->genesis);
    dsdn_source_close(in->source);
    if (in->store) dsdn_store_close(in->store);
    if (in->fd >= 0) close(in->fd);
    if (in->temporary) temporary_remove(in->dir);
    free(in->da);
    *in = (struct input){.fd = -1};
}

int input_check(struct input *in, struct dsdn_error *error)
{
    uint64_t records;
    if (in->store) return dsdn_store_verify(in->store, &records, error);
    return in->kind == INPUT_ARCHIVE ? dsdn_archive_check(in->source, error) : DSDN_OK;
}

int input_height(struct input *in, uint64_t height, uint64_t *sequence, struct dsdn_error *error)
{
    struct dsdn_buffer buffer = {NULL, 0, 0};
    struct dsdn_record record;
    struct dsdn_header header;
    if (in->kind == INPUT_STREAM)
        return dsdn_fail(error, DSDN_E_USAGE, "standard input can be read only once: no height:N");
    int rc = dsdn_source_seek(in->source, in->source->first, error);
    while (!rc) {
        rc = dsdn_source_next(in->source, &buffer, &record, error);
        if (!rc) rc = dsdn_header_decode(record.batch, record.len, &header, error);
        if (rc || header.origin.height >= height) break;
    }
    dsdn_buffer_free(&buffer);
    if (rc == DSDN_E_AGAIN || rc == DSDN_E_NOT_FOUND)
        return dsdn_fail_at(error, DSDN_E_NOT_FOUND, in->name, DSDN_NO_OFFSET,
                            "no batch has an origin at height %llu or above", (unsigned long long)height);
    if (!rc) *sequence = header.sequence;
    return rc;
}

int input_place(struct input *in, struct place *place, bool end, struct dsdn_error *error)
{
    uint64_t sequence, height = place->number;
    if (place->kind != PLACE_HEIGHT) return DSDN_OK;
    *place = (struct place){PLACE_NONE, 0, NULL};
    if (end && in->da) { /* it was followed to there */
        if (in->da->next) *place = (struct place){PLACE_SEQUENCE, in->da->next - 1, NULL};
        return DSDN_OK;
    }
    int rc = input_height(in, height + (end ? 1 : 0), &sequence, error);
    if (rc == DSDN_E_NOT_FOUND && end) return DSDN_OK;
    if (!rc && end && !sequence)
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "no batch has an origin at height %llu or below",
                         (unsigned long long)height);
    if (!rc) *place = (struct place){PLACE_SEQUENCE, end ? sequence - 1 : sequence, NULL};
    return rc;
}
