#include "adapters/devnet/store.h"

#include "log/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAGIC_LEN = 8, FRAME_LEN = 8 };
#define RECORD_MAX ((size_t)1 << 30)
static const char magic[MAGIC_LEN + 1] = "DSDNDEV1";

static int frame_write(struct dsdn_devnet_store *s, const void *bytes, size_t len, struct dsdn_error *error)
{
    uint8_t frame[FRAME_LEN];
    dsdn_store32(frame, (uint32_t)len);
    dsdn_store32(frame + 4, dsdn_crc32c(0, bytes, len));
    s->unsynced = true;
    int rc = dsdn_io_write_at(s->io, s->fd, frame, FRAME_LEN, s->end, s->path, error);
    if (!rc) rc = dsdn_io_write_at(s->io, s->fd, bytes, len, s->end + FRAME_LEN, s->path, error);
    if (rc)
        s->damaged = true;
    else
        s->end += FRAME_LEN + len;
    return rc;
}

/* Reads the frame at s->end; *bytes NULL at the end of the file, a cut or damaged last frame included. */
static int frame_read(struct dsdn_devnet_store *s, uint64_t size, uint8_t **bytes, size_t *len,
                      struct dsdn_error *error)
{
    uint8_t frame[FRAME_LEN];
    *bytes = NULL;
    if (size - s->end < FRAME_LEN) return DSDN_OK;
    int rc = dsdn_io_read_at(s->io, s->fd, frame, FRAME_LEN, s->end, s->path, error);
    if (rc) return rc;
    *len = dsdn_load32(frame);
    uint64_t left = size - s->end - FRAME_LEN;
    if (*len > left) return DSDN_OK;
    if (*len > RECORD_MAX)
        return dsdn_fail_at(error, DSDN_E_TOO_LARGE, s->path, s->end, "a record of %zu bytes", *len);
    uint8_t *record = malloc(*len + 1);
    if (!record) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a record of %zu bytes", *len);
    rc = dsdn_io_read_at(s->io, s->fd, record, *len, s->end + FRAME_LEN, s->path, error);
    if (!rc && dsdn_crc32c(0, record, *len) != dsdn_load32(frame + 4)) {
        if (*len < left)
            rc = dsdn_fail_at(error, DSDN_E_CHECKSUM, s->path, s->end,
                              "the checksum of a record does not match");
        free(record);
        return rc;
    }
    if (rc) {
        free(record);
        return rc;
    }
    record[*len] = 0;
    *bytes = record;
    return DSDN_OK;
}

static int create(struct dsdn_devnet_store *s, const char *config, struct dsdn_error *error)
{
    int rc = dsdn_io_truncate(s->io, s->fd, 0, s->path, error);
    if (!rc) rc = dsdn_io_write_at(s->io, s->fd, magic, MAGIC_LEN, 0, s->path, error);
    s->end = MAGIC_LEN;
    if (!rc) rc = frame_write(s, config, strlen(config), error);
    if (!rc) rc = dsdn_devnet_store_sync(s, error);
    if (!rc) rc = dsdn_io_sync_parent(s->io, s->path, error);
    return rc;
}

static int check_magic(struct dsdn_devnet_store *s, struct dsdn_error *error)
{
    char found[MAGIC_LEN];
    int rc = dsdn_io_read_at(s->io, s->fd, found, MAGIC_LEN, 0, s->path, error);
    if (rc) return rc;
    s->end = MAGIC_LEN;
    if (memcmp(found, magic, MAGIC_LEN) != 0)
        return dsdn_fail_at(error, DSDN_E_FORMAT, s->path, 0, "not the blocks of a devnet");
    return DSDN_OK;
}

static int restore(struct dsdn_devnet_store *s, uint64_t size, const char *config,
                   struct dsdn_devnet_chain *chain, struct dsdn_error *error)
{
    uint8_t *record;
    size_t len;
    int rc = check_magic(s, error);
    if (!rc) rc = frame_read(s, size, &record, &len, error);
    if (rc) return rc;
    if (!record) return create(s, config, error); /* killed while it was created */
    if (strcmp((const char *)record, config) != 0)
        rc = dsdn_fail_at(error, DSDN_E_USAGE, s->path, DSDN_NO_OFFSET, "made with other options: %.200s",
                          (const char *)record);
    free(record);
    s->end += FRAME_LEN + len;
    while (!rc) {
        rc = frame_read(s, size, &record, &len, error);
        if (rc || !record) break;
        rc = dsdn_devnet_chain_restore(chain, record, len, error);
        if (rc) dsdn_error_at(error, s->path, s->end);
        free(record);
        s->end += FRAME_LEN + len;
    }
    if (!rc && s->end < size) {
        rc = dsdn_io_truncate(s->io, s->fd, s->end, s->path, error);
        s->unsynced = true;
        if (!rc) rc = dsdn_devnet_store_sync(s, error);
    }
    return rc;
}

static int path_make(struct dsdn_devnet_store *s, const struct dsdn_io *io, const char *home,
                     struct dsdn_error *error)
{
    *s = (struct dsdn_devnet_store){.io = io, .fd = -1};
    if (snprintf(s->path, sizeof s->path, "%s/blocks", home) >= (int)sizeof s->path)
        return dsdn_fail(error, DSDN_E_USAGE, "the path of the home directory is too long");
    return DSDN_OK;
}

int dsdn_devnet_store_open(struct dsdn_devnet_store *s, const struct dsdn_io *io, const char *home,
                           struct dsdn_devnet_chain *chain, struct dsdn_error *error)
{
    char config[DSDN_DEVNET_CONFIG_TEXT_MAX];
    uint64_t size = 0;
    int rc = path_make(s, io, home, error);
    if (rc) return rc;
    if (io->mkdir(io->self, home, 0700) < 0 && errno != EEXIST)
        return dsdn_fail_errno(error, errno, "cannot make the directory %s", home);
    dsdn_devnet_config_text(&chain->config, config);
    rc = dsdn_io_open(io, s->path, O_RDWR | O_CREAT, 0600, &s->fd, error);
    if (rc) return rc;
    rc = dsdn_io_lock(io, s->fd, s->path, error);
    if (!rc) rc = dsdn_io_size(io, s->fd, &size, s->path, error);
    if (!rc) rc = size < MAGIC_LEN ? create(s, config, error) : restore(s, size, config, chain, error);
    if (rc) dsdn_devnet_store_close(s);
    return rc;
}

int dsdn_devnet_store_config(const struct dsdn_io *io, const char *home, struct dsdn_devnet_config *config,
                             bool *found, struct dsdn_error *error)
{
    struct dsdn_devnet_store s;
    struct dsdn_devnet_config stored = *config;
    uint8_t *record = NULL;
    size_t len;
    uint64_t size;
    *found = false;
    int rc = path_make(&s, io, home, error);
    if (!rc) rc = dsdn_io_open(io, s.path, O_RDONLY, 0, &s.fd, error);
    if (rc == DSDN_E_NOT_FOUND) return DSDN_OK;
    if (!rc) rc = dsdn_io_size(io, s.fd, &size, s.path, error);
    if (!rc && size >= MAGIC_LEN) {
        rc = check_magic(&s, error);
        if (!rc) rc = frame_read(&s, size, &record, &len, error);
    }
    dsdn_devnet_store_close(&s);
    if (rc || !record) return rc;
    int fields =
        sscanf((const char *)record,
               "chain_id=%50s genesis_time=%" SCNd64 ".%9" SCNd32 " step_ms=%u validators=%u "
               "rotate_every=%u replace_at=%" SCNu64 " seed=%64[^\n]",
               stored.chain_id, &stored.genesis_time.seconds, &stored.genesis_time.nanos, &stored.step_ms,
               &stored.validator_cnt, &stored.rotate_every, &stored.replace_at, stored.seed);
    free(record);
    if (fields != 8)
        return dsdn_fail_at(error, DSDN_E_FORMAT, s.path, MAGIC_LEN, "the configuration does not parse");
    *config = stored;
    *found = true;
    return DSDN_OK;
}

void dsdn_devnet_store_close(struct dsdn_devnet_store *s)
{
    if (s->fd >= 0) s->io->close(s->io->self, s->fd);
    s->fd = -1;
}

int dsdn_devnet_store_append(struct dsdn_devnet_store *s, const struct dsdn_devnet_block *block,
                             struct dsdn_error *error)
{
    uint8_t *record;
    size_t len;
    if (s->damaged)
        return dsdn_fail_at(error, DSDN_E_IO, s->path, DSDN_NO_OFFSET, "an earlier write has failed");
    int rc = dsdn_devnet_record_make(block, &record, &len, error);
    if (rc) return rc;
    if (len > RECORD_MAX)
        rc = dsdn_fail(error, DSDN_E_TOO_LARGE, "a block of %zu bytes is too large for a record", len);
    if (!rc) rc = frame_write(s, record, len, error);
    free(record);
    return rc;
}

int dsdn_devnet_store_sync(struct dsdn_devnet_store *s, struct dsdn_error *error)
{
    if (!s->unsynced) return DSDN_OK;
    int rc = dsdn_io_sync(s->io, s->fd, s->path, error);
    if (rc)
        s->damaged = true;
    else
        s->unsynced = false;
    return rc;
}
