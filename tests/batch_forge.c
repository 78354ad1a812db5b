/* batch_forge ARCHIVE KEY HEIGHT HASH TIME: the batch, on the standard output, with which an authority goes
 * on behind the last one of the archive as if nothing had been posted up to HEIGHT: no bundles, da_origin the
 * header HASH of that height and TIME (ms), da_cursor its end.  For the tests of the command line:
 * dsdn-coordinator leaves nothing out. */
#include "log/archive.h"
#include "log/batch.h"

#include <stdio.h>
#include <stdlib.h>

static int last_header(const char *path, struct dsdn_header *header, uint8_t hash[32],
                       struct dsdn_error *error)
{
    struct dsdn_buffer buffer = {NULL, 0, 0};
    struct dsdn_source *in = NULL;
    struct dsdn_record record = {.batch = NULL};
    struct dsdn_batch batch;
    int rc = dsdn_archive_open(&dsdn_io_system, path, 0, &in, error);
    bool any = false;
    while (!rc && !(rc = dsdn_source_next(in, &buffer, &record, error)) &&
           !(rc = dsdn_batch_decode(record.batch, record.len, &batch, error))) {
        *header = batch.header;
        memcpy(hash, batch.hash, 32);
        any = true;
    }
    dsdn_buffer_free(&buffer);
    dsdn_source_close(in);
    return rc == DSDN_E_AGAIN && any ? DSDN_OK : rc ? rc : DSDN_E_NOT_FOUND;
}

static bool read_key(const char *path, struct dsdn_sign_key *key)
{
    char text[65] = "";
    uint8_t seed[32];
    FILE *file = fopen(path, "r");
    bool good = file && fread(text, 1, 64, file) == 64 && dsdn_hex_decode(text, 32, seed);
    if (file) fclose(file);
    if (good) dsdn_sign_key_from_seed(key, seed);
    return good;
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_batch_builder *builder = dsdn_batch_builder_new();
    struct dsdn_header header;
    struct dsdn_sign_key key;
    struct dsdn_view batch;
    uint8_t prev[32];
    if (argc != 6 || !builder || !read_key(argv[2], &key)) return 1;
    int rc = last_header(argv[1], &header, prev, &error);
    if (rc || !dsdn_hex_decode(argv[4], 32, header.origin.hash)) return 1;
    header.sequence++;
    memcpy(header.prev, prev, 32);
    memcpy(header.publisher, key.public_key, 32);
    header.origin.height = strtoull(argv[3], NULL, 10);
    header.origin.time_ms = strtoull(argv[5], NULL, 10);
    header.cursor = (struct dsdn_cursor){header.origin.height, DSDN_CURSOR_END};
    if (header.time_ms < header.origin.time_ms) header.time_ms = header.origin.time_ms;
    rc = dsdn_batch_builder_finish(builder, &header, &key, &batch, &error);
    if (!rc && fwrite(batch.bytes, 1, batch.len, stdout) != batch.len) rc = 1;
    dsdn_batch_builder_free(builder);
    return rc != 0;
}
