/* archive_cut IN OUT FIRST LAST [SEQUENCE]: copies an archive without the proofs of heights FIRST to LAST,
 * and with another byte in the signature of batch SEQUENCE.  For the tests of the command line: nothing else
 * makes such archives. */
#include "log/archive.h"
#include "log/batch.h"

#include <stdio.h>
#include <stdlib.h>

#define KINDS (1u << DSDN_ARCHIVE_CERTIFICATE | 1u << DSDN_ARCHIVE_LOSER | 1u << DSDN_ARCHIVE_PROOF)

static int copy(struct dsdn_source *in, struct dsdn_archive_writer *out, uint64_t first, uint64_t last,
                uint64_t altered, struct dsdn_error *error)
{
    struct dsdn_buffer buffer = {NULL, 0, 0};
    struct dsdn_archive_blob blob;
    struct dsdn_record record;
    uint64_t cursor = 0;
    int rc;
    while (!(rc = dsdn_archive_blob_next(in, &cursor, KINDS, &buffer, &blob, error)))
        if (blob.kind != DSDN_ARCHIVE_PROOF || blob.key < first || blob.key > last)
            if ((rc = dsdn_archive_append_blob(out, (enum dsdn_archive_kind)blob.kind, blob.key, blob.bytes,
                                               blob.len, error)))
                break;
    while (rc == DSDN_E_AGAIN && !(rc = dsdn_source_next(in, &buffer, &record, error))) {
        if (record.sequence == altered) ((uint8_t *)(uintptr_t)record.batch)[DSDN_HEADER_LEN] ^= 1;
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
    uint64_t altered = argc > 5 ? strtoull(argv[5], NULL, 10) : UINT64_MAX;
    int rc = dsdn_archive_open(&dsdn_io_system, argv[1], 0, &in, &error);
    struct dsdn_archive_options options = {.first = 0};
    if (!rc) options.genesis = in->genesis;
    if (!rc) rc = dsdn_archive_create(&dsdn_io_system, argv[2], &options, &out, &error);
    if (!rc) rc = copy(in, out, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), altered, &error);
    dsdn_archive_writer_close(out);
    dsdn_source_close(in);
    if (rc) fprintf(stderr, "archive_cut: %s\n", error.message);
    return rc != 0;
}
