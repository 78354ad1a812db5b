/* archive_cut IN OUT FIRST LAST: copies an archive without the proofs of heights FIRST to LAST.  For the tests of the
 * command line: nothing else makes an archive with a hole. */
#include "log/archive.h"

#include <stdio.h>
#include <stdlib.h>

#define KINDS (1u << DSDN_ARCHIVE_CERTIFICATE | 1u << DSDN_ARCHIVE_LOSER | 1u << DSDN_ARCHIVE_PROOF)

static int copy(struct dsdn_source *in, struct dsdn_archive_writer *out, uint64_t first, uint64_t last,
                struct dsdn_error *error)
{
    struct dsdn_buffer buffer = {NULL, 0, 0};
    struct dsdn_archive_blob blob;
    struct dsdn_record record;
    uint64_t cursor = 0;
    int rc;
    while (!(rc = dsdn_archive_blob_next(in, &cursor, KINDS, &buffer, &blob, error)))
        if (blob.kind != DSDN_ARCHIVE_PROOF || blob.key < first || blob.key > last)
            if ((rc = dsdn_archive_append_blob(out, (enum dsdn_archive_kind)blob.kind, blob.key, blob.bytes, blob.len,
                                               error)))
                break;
    while (rc == DSDN_E_AGAIN && !(rc = dsdn_source_next(in, &buffer, &record, error)))
        if (!(rc = dsdn_archive_append(out, record.batch, record.len, error))) rc = DSDN_E_AGAIN;
    dsdn_buffer_free(&buffer);
    return rc == DSDN_E_AGAIN ? dsdn_archive_finish(out, NULL, error) : rc;
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_source *in = NULL;
    struct dsdn_archive_writer *out = NULL;
    if (argc != 5) return 1;
    int rc = dsdn_archive_open(&dsdn_io_system, argv[1], 0, &in, &error);
    struct dsdn_archive_options options = {.first = 0};
    if (!rc) options.genesis = in->genesis;
    if (!rc) rc = dsdn_archive_create(&dsdn_io_system, argv[2], &options, &out, &error);
    if (!rc) rc = copy(in, out, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), &error);
    dsdn_archive_writer_close(out);
    dsdn_source_close(in);
    if (rc) fprintf(stderr, "archive_cut: %s\n", error.message);
    return rc != 0;
}
