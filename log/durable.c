#include "log/durable.h"

#include "log/hash.h"
#include "log/segment.h"

#include <stdlib.h>

static const uint8_t magic[8] = {'D', 'S', 'D', 'N', 'D', 'U', 'R', '1'};

void dsdn_durable_encode(const struct dsdn_durable *durable, uint8_t out[DSDN_DURABLE_SLOT_LEN])
{
    memcpy(out, magic, 8);
    dsdn_store64(out + 8, durable->counter);
    memcpy(out + 16, durable->genesis, 32);
    dsdn_store64(out + 48, durable->first_sequence);
    dsdn_store64(out + 56, durable->segment_first);
    dsdn_store64(out + 64, durable->segment_bytes);
    dsdn_store64(out + 72, durable->next_sequence);
    dsdn_store64(out + 80, durable->next_event);
    dsdn_store64(out + 88, durable->sealed_next);
    dsdn_store64(out + 96, durable->cuts);
    dsdn_store32(out + 104, durable->flags);
    memcpy(out + 108, durable->head, 32);
    dsdn_store32(out + 140, dsdn_crc32c(0, out, 140));
}

static bool decode(const uint8_t *bytes, struct dsdn_durable *durable)
{
    if (memcmp(bytes, magic, 8) != 0 || dsdn_load32(bytes + 140) != dsdn_crc32c(0, bytes, 140)) return false;
    durable->counter = dsdn_load64(bytes + 8);
    memcpy(durable->genesis, bytes + 16, 32);
    durable->first_sequence = dsdn_load64(bytes + 48);
    durable->segment_first = dsdn_load64(bytes + 56);
    durable->segment_bytes = dsdn_load64(bytes + 64);
    durable->next_sequence = dsdn_load64(bytes + 72);
    durable->next_event = dsdn_load64(bytes + 80);
    durable->sealed_next = dsdn_load64(bytes + 88);
    durable->cuts = dsdn_load64(bytes + 96);
    durable->flags = dsdn_load32(bytes + 104);
    memcpy(durable->head, bytes + 108, 32);
    return true;
}

int dsdn_durable_create(const struct dsdn_io *io, const char *path, const struct dsdn_durable *durable,
                        struct dsdn_error *error)
{
    uint8_t *file = calloc(1, DSDN_DURABLE_FILE_LEN);
    if (!file) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %u bytes", DSDN_DURABLE_FILE_LEN);
    dsdn_durable_encode(durable, file + durable->counter % 2 * DSDN_DURABLE_SLOT_STEP);
    int rc = dsdn_io_write_file(io, path, file, DSDN_DURABLE_FILE_LEN, error);
    free(file);
    return rc;
}

int dsdn_durable_read(const struct dsdn_io *io, int fd, const char *path, struct dsdn_durable *durable,
                      bool *damaged, struct dsdn_error *error)
{
    static const uint8_t empty[DSDN_DURABLE_SLOT_LEN];
    struct dsdn_durable slot;
    bool found = false;
    *damaged = false;
    for (uint64_t i = 0; i < 2; i++) {
        uint8_t bytes[DSDN_DURABLE_SLOT_LEN];
        int rc = dsdn_io_read_at(io, fd, bytes, sizeof bytes, i * DSDN_DURABLE_SLOT_STEP, path, error);
        if (rc) return rc;
        if (!decode(bytes, &slot) || slot.counter % 2 != i) {
            *damaged |= memcmp(bytes, empty, sizeof bytes) != 0;
            continue;
        }
        if (!found || slot.counter > durable->counter) *durable = slot;
        found = true;
    }
    if (!found)
        return dsdn_fail_at(error, DSDN_E_CHECKSUM, path, 0,
                            "neither slot of the durable record is whole, so what is durable is not known");
    if (durable->segment_first < durable->first_sequence || durable->next_sequence < durable->segment_first ||
        durable->sealed_next > durable->segment_first || durable->segment_bytes < DSDN_SEGMENT_HEADER_LEN)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, path, durable->counter % 2 * DSDN_DURABLE_SLOT_STEP,
                            "the durable record contradicts itself");
    return DSDN_OK;
}

int dsdn_durable_write(const struct dsdn_io *io, int fd, const char *path, struct dsdn_durable *durable,
                       struct dsdn_error *error)
{
    uint8_t bytes[DSDN_DURABLE_SLOT_LEN];
    durable->counter++;
    dsdn_durable_encode(durable, bytes);
    int rc = dsdn_io_write_at(io, fd, bytes, sizeof bytes, durable->counter % 2 * DSDN_DURABLE_SLOT_STEP,
                              path, error);
    if (!rc) rc = dsdn_io_sync(io, fd, path, error);
    if (rc) durable->counter--;
    return rc;
}
