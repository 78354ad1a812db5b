#include "sinks/publish/journal.h"

#include "log/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define RECORD_MAGIC 0x524a5344u /* "DSJR" */
/* More bytes than one sync leaves behind are no torn tail. */
#define TAIL_MAX ((uint64_t)256 << 20)

static const uint8_t file_magic[8] = {'D', 'S', 'D', 'N', 'J', 'N', 'L', '1'};

struct dsdn_journal {
    const struct dsdn_io *io;
    char *path, *fresh; /* the file, and the one that replaces it */
    int fd;
    enum dsdn_journal_kind kind;
    uint8_t genesis[32], salt[8];
    uint32_t payload_max;
    uint64_t end, durable;
    struct dsdn_error poison; /* code 0: sound */
};

static void header_encode(const struct dsdn_journal *j, uint8_t out[DSDN_JOURNAL_HEADER_LEN])
{
    memset(out, 0, DSDN_JOURNAL_HEADER_LEN);
    memcpy(out, file_magic, 8);
    dsdn_store32(out + 8, j->kind);
    memcpy(out + 16, j->genesis, 32);
    memcpy(out + 48, j->salt, 8);
    dsdn_store32(out + 60, dsdn_crc32c(0, out, 60));
}

static int header_check(struct dsdn_journal *j, const uint8_t *header, struct dsdn_error *error)
{
    if (memcmp(header, file_magic, 8) != 0)
        return dsdn_fail_at(error, DSDN_E_FORMAT, j->path, 0, "not a journal");
    if (dsdn_load32(header + 60) != dsdn_crc32c(0, header, 60))
        return dsdn_fail_at(error, DSDN_E_CHECKSUM, j->path, 0, "the header of the journal is damaged");
    if (dsdn_load32(header + 8) != (uint32_t)j->kind)
        return dsdn_fail_at(error, DSDN_E_FORMAT, j->path, 8, "a journal of another kind (%u)",
                            dsdn_load32(header + 8));
    if (!dsdn_equal32(header + 16, j->genesis))
        return dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, j->path, 16,
                            "the journal belongs to another network");
    memcpy(j->salt, header + 48, 8);
    return DSDN_OK;
}

static uint32_t record_crc(const struct dsdn_journal *j, const uint8_t *head, const struct dsdn_view *parts,
                           uint32_t cnt)
{
    uint32_t crc = dsdn_crc32c(dsdn_crc32c(0, j->salt, sizeof j->salt), head + 4, 12);
    for (uint32_t i = 0; i < cnt; i++) crc = dsdn_crc32c(crc, parts[i].bytes, parts[i].len);
    return crc;
}

/* The length of the whole record at the front of bytes; 0: none is there. */
static size_t record_at(const struct dsdn_journal *j, const uint8_t *bytes, size_t len)
{
    if (len < DSDN_JOURNAL_RECORD_LEN || dsdn_load32(bytes) != RECORD_MAGIC) return 0;
    uint32_t payload = dsdn_load32(bytes + 4);
    if (!payload || payload > j->payload_max || payload > len - DSDN_JOURNAL_RECORD_LEN) return 0;
    struct dsdn_view view = {bytes + DSDN_JOURNAL_RECORD_LEN, payload};
    return dsdn_load32(bytes + 16) == record_crc(j, bytes, &view, 1)
               ? DSDN_JOURNAL_RECORD_LEN + (size_t)payload
               : 0;
}

/* The record at `at` is not whole: is it where a crash stopped the writing, or damage? */
static int judge_tail(const struct dsdn_journal *j, uint64_t at, uint64_t size, struct dsdn_error *error)
{
    if (size - at > TAIL_MAX + j->payload_max)
        return dsdn_fail_at(error, DSDN_E_CHECKSUM, j->path, at, "a damaged record with %llu bytes behind it",
                            (unsigned long long)(size - at));
    size_t len = (size_t)(size - at);
    uint8_t *tail = malloc(len);
    if (!tail)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the %zu bytes at the end of %s", len,
                         j->path);
    int rc = dsdn_io_read_at(j->io, j->fd, tail, len, at, j->path, error);
    for (size_t i = 1; !rc && i + DSDN_JOURNAL_RECORD_LEN <= len; i++)
        if (dsdn_load32(tail + i) == RECORD_MAGIC && dsdn_load64(tail + i + 8) > at &&
            dsdn_load64(tail + i + 8) <= at + i && record_at(j, tail + i, len - i))
            rc = dsdn_fail_at(error, DSDN_E_CHECKSUM, j->path, at,
                              "a damaged record; the one at offset %llu says that it was durable",
                              (unsigned long long)(at + i));
    free(tail);
    return rc;
}

static int read_record(struct dsdn_journal *j, uint64_t at, uint64_t size, uint8_t **buffer, size_t *cap,
                       size_t *len, struct dsdn_error *error)
{
    uint8_t head[DSDN_JOURNAL_RECORD_LEN];
    *len = 0;
    if (size - at < sizeof head) return DSDN_OK;
    int rc = dsdn_io_read_at(j->io, j->fd, head, sizeof head, at, j->path, error);
    if (rc) return rc;
    uint32_t payload = dsdn_load32(head + 4);
    if (dsdn_load32(head) != RECORD_MAGIC || !payload || payload > j->payload_max ||
        payload > size - at - sizeof head)
        return DSDN_OK;
    size_t all = sizeof head + (size_t)payload;
    if (all > *cap) {
        uint8_t *grown = realloc(*buffer, all);
        if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a record of %s", j->path);
        *buffer = grown;
        *cap = all;
    }
    memcpy(*buffer, head, sizeof head);
    rc = dsdn_io_read_at(j->io, j->fd, *buffer + sizeof head, payload, at + sizeof head, j->path, error);
    if (!rc) *len = record_at(j, *buffer, all);
    return rc;
}

static int replay(struct dsdn_journal *j, const struct dsdn_journal_options *options, uint64_t size,
                  uint64_t *cut, struct dsdn_error *error)
{
    uint8_t *buffer = NULL;
    size_t cap = 0, len = 0;
    uint64_t at = DSDN_JOURNAL_HEADER_LEN;
    int rc = DSDN_OK;
    while (!rc && at < size) {
        rc = read_record(j, at, size, &buffer, &cap, &len, error);
        if (rc || !len) break;
        rc = options->record(options->self, buffer + DSDN_JOURNAL_RECORD_LEN, len - DSDN_JOURNAL_RECORD_LEN,
                             error);
        if (rc) dsdn_error_at(error, j->path, at);
        at += len;
    }
    free(buffer);
    if (rc) return rc;
    if (at < size) {
        rc = judge_tail(j, at, size, error);
        if (!rc) rc = dsdn_io_truncate(j->io, j->fd, at, j->path, error);
    }
    /* What a killed process left unsynced is here, and is believed from now on. */
    if (!rc) rc = dsdn_io_sync(j->io, j->fd, j->path, error);
    *cut = size - at;
    j->end = j->durable = at;
    return rc;
}

static int start(struct dsdn_journal *j, const struct dsdn_journal_options *options, bool *created,
                 uint64_t *cut, struct dsdn_error *error)
{
    uint8_t header[DSDN_JOURNAL_HEADER_LEN];
    uint64_t size = 0;
    int rc = dsdn_io_open(j->io, j->path, O_RDWR, 0600, &j->fd, error);
    if (rc == DSDN_E_NOT_FOUND) {
        if (getrandom(j->salt, sizeof j->salt, 0) != (ssize_t)sizeof j->salt)
            return dsdn_fail_errno(error, errno, "random bytes for %s", j->path);
        header_encode(j, header);
        rc = dsdn_io_write_file(j->io, j->path, header, sizeof header, error);
        *created = true;
        if (!rc) rc = dsdn_io_open(j->io, j->path, O_RDWR, 0600, &j->fd, error);
    }
    if (!rc) rc = dsdn_io_lock(j->io, j->fd, j->path, error);
    if (!rc) rc = dsdn_io_size(j->io, j->fd, &size, j->path, error);
    /* The header was durable before the file had its name, so it is never torn. */
    if (!rc) rc = dsdn_io_read_at(j->io, j->fd, header, sizeof header, 0, j->path, error);
    if (!rc) rc = header_check(j, header, error);
    return rc ? rc : replay(j, options, size, cut, error);
}

int dsdn_journal_open(const struct dsdn_journal_options *options, struct dsdn_journal **journal,
                      bool *created, uint64_t *cut, struct dsdn_error *error)
{
    size_t len = strlen(options->path);
    struct dsdn_journal *j = calloc(1, sizeof *j);
    *journal = NULL;
    *created = false;
    *cut = 0;
    if (!j) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a journal");
    *j = (struct dsdn_journal){.io = options->io,
                               .fd = -1,
                               .kind = options->kind,
                               .payload_max = options->payload_max,
                               .poison = DSDN_ERROR_INIT};
    memcpy(j->genesis, options->genesis, 32);
    j->path = malloc(len + 1);
    j->fresh = malloc(len + 5);
    int rc = DSDN_OK;
    if (!j->path || !j->fresh)
        rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a journal");
    else {
        memcpy(j->path, options->path, len + 1);
        snprintf(j->fresh, len + 5, "%s.new", options->path);
        rc = start(j, options, created, cut, error);
    }
    if (rc) {
        dsdn_journal_close(j);
        return rc;
    }
    *journal = j;
    return DSDN_OK;
}

void dsdn_journal_close(struct dsdn_journal *j)
{
    if (!j) return;
    if (j->fd >= 0) j->io->close(j->io->self, j->fd);
    free(j->path);
    free(j->fresh);
    free(j);
}

static int poisoned(const struct dsdn_journal *j, struct dsdn_error *error)
{
    if (error && j->poison.code) *error = j->poison;
    return j->poison.code;
}

int dsdn_journal_append(struct dsdn_journal *j, const struct dsdn_view *parts, uint32_t cnt,
                        struct dsdn_error *error)
{
    uint8_t head[DSDN_JOURNAL_RECORD_LEN];
    size_t len = 0;
    int rc = poisoned(j, error);
    if (rc) return rc;
    for (uint32_t i = 0; i < cnt; i++) len += parts[i].len;
    if (!len || len > j->payload_max)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a record of %zu bytes; %s holds 1 to %u", len, j->path,
                         j->payload_max);
    dsdn_store32(head, RECORD_MAGIC);
    dsdn_store32(head + 4, (uint32_t)len);
    dsdn_store64(head + 8, j->durable);
    dsdn_store32(head + 16, record_crc(j, head, parts, cnt));
    uint64_t at = j->end;
    rc = dsdn_io_write_at(j->io, j->fd, head, sizeof head, at, j->path, error);
    at += sizeof head;
    for (uint32_t i = 0; i < cnt && !rc; at += parts[i].len, i++)
        if (parts[i].len)
            rc = dsdn_io_write_at(j->io, j->fd, parts[i].bytes, parts[i].len, at, j->path, error);
    if (!rc)
        j->end =
            at; /* a part of a failed record is written over by the next one, or cut at the next opening */
    return rc;
}

int dsdn_journal_sync(struct dsdn_journal *j, struct dsdn_error *error)
{
    int rc = poisoned(j, error);
    if (rc || j->durable == j->end) return rc;
    rc = dsdn_io_sync(j->io, j->fd, j->path, &j->poison);
    if (rc) return poisoned(j, error);
    j->durable = j->end;
    return DSDN_OK;
}

int dsdn_journal_rewrite(struct dsdn_journal *j,
                         int (*live)(void *self, struct dsdn_journal *to, struct dsdn_error *error),
                         void *self, struct dsdn_error *error)
{
    uint8_t header[DSDN_JOURNAL_HEADER_LEN];
    struct dsdn_journal to = *j;
    int rc = poisoned(j, error);
    if (rc) return rc;
    to.fd = -1;
    to.end = to.durable = DSDN_JOURNAL_HEADER_LEN;
    header_encode(&to, header);
    rc = dsdn_io_open(j->io, j->fresh, O_RDWR | O_CREAT | O_TRUNC, 0600, &to.fd, error);
    if (!rc) rc = dsdn_io_lock(j->io, to.fd, j->fresh, error);
    if (!rc) rc = dsdn_io_write_at(j->io, to.fd, header, sizeof header, 0, j->fresh, error);
    if (!rc) rc = live(self, &to, error);
    if (!rc) rc = dsdn_io_sync(j->io, to.fd, j->fresh, error);
    if (rc) {
        if (to.fd >= 0) j->io->close(j->io->self, to.fd);
        return rc;
    }
    if (j->io->rename(j->io->self, j->fresh, j->path) < 0) {
        rc = dsdn_fail_errno(error, errno, "renaming %s", j->fresh);
        j->io->close(j->io->self, to.fd);
        return rc;
    }
    /* From here on the name is the new file's; whether that is durable only the sync of the directory tells.
     */
    j->io->close(j->io->self, j->fd);
    j->fd = to.fd;
    j->end = j->durable = to.end;
    rc = dsdn_io_sync_parent(j->io, j->path, &j->poison);
    return rc ? poisoned(j, error) : DSDN_OK;
}

uint64_t dsdn_journal_bytes(const struct dsdn_journal *j)
{
    return j->end;
}

bool dsdn_journal_synced(const struct dsdn_journal *j)
{
    return j->end == j->durable;
}
