/* import.c: `import`: a file of the neutral bench format as a log. */
#include "apps/replay/commands.h"
#include "apps/replay/output.h"
#include "apps/replay/progress.h"

#include "roles/neutral/bench_file.h"

#include <fcntl.h>
#include <unistd.h>

#define PER_BATCH 256u /* events of a batch */

/* Where the batches go, and how far it is. */
struct making {
    struct log_output out;
    struct progress progress;
};

static int put_batch(void *self, const struct dsdn_view *batch, uint64_t sequence, uint32_t events,
                     struct dsdn_error *error)
{
    struct making *m = self;
    int rc = log_output_batch(&m->out, batch->bytes, batch->len, sequence, events, error);
    progress_at(&m->progress, m->out.events, m->out.events);
    if (!rc && interrupted)
        return dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped; nothing was kept, repeat the command");
    return rc;
}

int command_import(const struct options *o, struct dsdn_error *error)
{
    const char *path = o->arguments[0];
    uint8_t header[NEUTRAL_FILE_HEADER];
    struct dsdn_genesis genesis = {0};
    struct dsdn_sign_key key;
    struct making m = {0};
    int fd = -1;
    if (!o->output) return dsdn_fail(error, DSDN_E_USAGE, "import wants -o ARCHIVE or -o DIR/");
    int rc = dsdn_io_open(&dsdn_io_system, path, O_RDONLY, 0, &fd, error);
    if (rc) return rc;
    rc = dsdn_io_read_at(&dsdn_io_system, fd, header, sizeof header, 0, path, error);
    if (!rc && lseek(fd, NEUTRAL_FILE_HEADER, SEEK_SET) != NEUTRAL_FILE_HEADER)
        rc = dsdn_fail_at(error, DSDN_E_IO, path, DSDN_NO_OFFSET, "cannot seek in the bench file");
    if (!rc) {
        rc = neutral_genesis(header, &genesis, &key, error);
        if (rc) dsdn_error_at(error, path, 0);
    }
    if (!rc) rc = progress_start(&m.progress, o, "importing", dsdn_load64(header + 16), error);
    if (!rc) rc = log_output_open(&m.out, o->output, &genesis, NULL, o->force, false, error);
    if (!rc) {
        uint32_t per_batch = o->per_batch ? (uint32_t)o->per_batch : PER_BATCH;
        rc = neutral_import(fd, path, header, &genesis, &key, per_batch, put_batch, &m, error);
        progress_hide(&m.progress);
        rc = log_output_close(&m.out, rc, false, error);
        if (!rc && !o->quiet) log_output_remark(&m.out);
    }
    dsdn_sign_wipe(&key);
    dsdn_genesis_free(&genesis);
    close(fd);
    return rc;
}
