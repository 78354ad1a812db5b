#include "log/source.h"

#include "log/hash.h"

#include <stdlib.h>

int dsdn_buffer_reserve(struct dsdn_buffer *buffer, size_t cap, struct dsdn_error *error)
{
    if (cap <= buffer->cap) return DSDN_OK;
    size_t want = buffer->cap + buffer->cap / 2;
    if (want < cap) want = cap;
    if (want < 4096) want = 4096;
    uint8_t *bytes = realloc(buffer->bytes, want);
    if (!bytes) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a buffer of %zu bytes", want);
    buffer->bytes = bytes;
    buffer->cap = want;
    return DSDN_OK;
}

void dsdn_buffer_free(struct dsdn_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct dsdn_buffer){0};
}

int dsdn_record_check(const struct dsdn_record *record, struct dsdn_error *error)
{
    if (!record->has_crc || dsdn_crc32c(0, record->checked, record->checked_len) == record->crc)
        return DSDN_OK;
    dsdn_fail(error, DSDN_E_CHECKSUM, "the CRC32C of a record does not match its bytes");
    dsdn_error_at(error, record->file, record->offset);
    dsdn_error_in(error, record->sequence);
    return DSDN_E_CHECKSUM;
}
