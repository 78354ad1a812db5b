/* archive_cut IN OUT FIRST LAST [SEQUENCE [HEIGHT [BYTE]]]: copies an archive without the proofs of heights
 * FIRST to LAST, with another byte in the signature of batch SEQUENCE, and with another byte (the middle one,
 * or number BYTE) in the proof of HEIGHT.  For the tests of the command line: nothing else makes such
 * archives. */
#include "log/archive.h"
#include "log/batch.h"

#include <stdio.h>
#include <stdlib.h>

#define KINDS (1u << DSDN_ARCHIVE_CERTIFICATE | 1u << DSDN_ARCHIVE_LOSER | 1u << DSDN_ARCHIVE_PROOF)

struct change {
    uint64_t first, last, sequence, height, byte;
};

static void alter_proof(const struct change *c, struct dsdn_archive_blob *blob)
{
    uint64_t at = c->byte < blob->len ? c->byte : blob->len / 2;
    if (blob->kind == DSDN_ARCHIVE_PROOF && blob->key == c->height)
        ((uint8_t *)(uintptr_t)blob->bytes)[at] ^= 1;
}

static int copy(struct dsdn_source *in, struct dsdn_archive_writer *out, const struct change *c,
                struct dsdn_error *error)
{
    struct dsdn_buffer buffer = {NULL, 0, 0};
    struct dsdn_archive_blob blob;
    struct dsdn_record record;
    uint64_t cursor = 0;
    int rc;
    while (!(rc = dsdn_archive_blob_next(in, &cursor, KINDS, &buffer, &blob, error))) {
        if (blob.kind == DSDN_ARCHIVE_PROOF && blob.key >= c->first && blob.key <= c->last) continue;
        alter_proof(c, &blob);
        rc = dsdn_archive_append_blob(out, (enum dsdn_archive_kind)blob.kind, blob.key, blob.bytes, blob.len,
                                      error);
        if (rc) break;
    }
    while (rc == DSDN_E_AGAIN && !(rc = dsdn_source_next(in, &buffer, &record, error))) {
        if (record.sequence == c->sequence) ((uint8_t *)(uintptr_t)record.batch)[DSDN_HEADER_LEN] ^= 1;
        if (!(rc = dsdn_archive_append(out, record.batch, record.len, error))) rc = DSDN_E_AGAIN;
    }
    dsdn_buffer_free(&buffer);
    return rc == DSDN_E_AGAIN ? dsdn_archive_finish(out, NULL, error) : rc;
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_source *in = NULL;
    struct dsdn_archive_writer *out = NULL;
    if (argc < 5) return 1;
    struct change change = {.sequence = UINT64_MAX, .height = UINT64_MAX, .byte = UINT64_MAX};
    uint64_t *numbers[] = {&change.first, &change.last, &change.sequence, &change.height, &change.byte};
    for (int i = 3; i < argc && i < 8; i++) *numbers[i - 3] = strtoull(argv[i], NULL, 10);
    int rc = dsdn_archive_open(&dsdn_io_system, argv[1], 0, &in, &error);
    struct dsdn_archive_options options = {.first = 0};
    if (!rc) options.genesis = in->genesis;
    if (!rc) rc = dsdn_archive_create(&dsdn_io_system, argv[2], &options, &out, &error);
    if (!rc) rc = copy(in, out, &change, &error);
    dsdn_archive_writer_close(out);
    dsdn_source_close(in);
    if (rc) fprintf(stderr, "archive_cut: %s\n", error.message);
    return rc != 0;
}
