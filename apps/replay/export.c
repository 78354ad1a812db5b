/* export.c: `export`: a log, or a span of it, copied; or turned back into the bench file it came from. */
#include "apps/replay/commands.h"
#include "apps/replay/output.h"
#include "apps/replay/progress.h"
#include "apps/replay/source.h"

#include "roles/neutral/bench_file.h"
#include "statemachine/prepare.h"

struct copy {
    const struct options *options;
    struct input input;
    struct progress progress;
    struct place from, to;
    uint64_t first, end; /* [first, end) */
    struct dsdn_buffer buffer;
    struct log_output out;
    bool opened;  /* out is open */
    bool chained; /* prev is known: the hash of the batch before the next one */
    uint8_t prev[32];
    /* certificates, losers and proofs of an archive */
    struct dsdn_buffer blob_buffer;
    struct dsdn_archive_blob blob;
    uint64_t blob_cursor, blob_after; /* blobs at lower offsets were copied before an interruption */
    bool blob_pending, blob_ended;
};

/* ---- blobs of an archive --------------------------------------------------------------------- */

#define BLOB_KINDS (1u << DSDN_ARCHIVE_CERTIFICATE | 1u << DSDN_ARCHIVE_LOSER | 1u << DSDN_ARCHIVE_PROOF)

static bool takes_blobs(const struct copy *c)
{
    return c->out.archive && c->input.kind == INPUT_ARCHIVE;
}

/* Copies the blobs that stand before an offset of the source: before the batch that is copied next, so that a
 * whole copy has the same bytes. */
static int copy_blobs(struct copy *c, uint64_t before, struct dsdn_error *error)
{
    struct dsdn_archive_blob *b = &c->blob;
    while (!c->blob_ended) {
        int rc = c->blob_pending ? DSDN_OK
                                 : dsdn_archive_blob_next(c->input.source, &c->blob_cursor, BLOB_KINDS,
                                                          &c->blob_buffer, b, error);
        c->blob_ended = rc == DSDN_E_AGAIN;
        if (rc) return c->blob_ended ? DSDN_OK : rc;
        c->blob_pending = b->offset >= before;
        if (c->blob_pending) return DSDN_OK;
        bool sequenced = b->kind != DSDN_ARCHIVE_PROOF;
        if (b->offset < c->blob_after || (sequenced && (b->key < c->first || b->key >= c->end))) continue;
        rc = dsdn_archive_append_blob(c->out.archive, (enum dsdn_archive_kind)b->kind, b->key, b->bytes,
                                      b->len, error);
        if (rc) return rc;
    }
    return DSDN_OK;
}

/* ---- batches --------------------------------------------------------------------------------- */

static uint32_t count_events(const struct dsdn_batch *batch, int *rc, struct dsdn_error *error)
{
    const uint8_t *p = batch->body, *end = p + batch->header.body_len;
    uint32_t events = 0;
    for (uint32_t i = 0; !*rc && i < batch->header.bundle_count; i++) {
        struct dsdn_bundle bundle;
        *rc = dsdn_bundle_next(batch->bytes, &p, end, &bundle, error);
        if (!*rc) events += bundle.event_count;
    }
    if (!*rc && p != end) *rc = dsdn_fail(error, DSDN_E_MALFORMED, "bytes behind the last bundle");
    return events;
}

/* The next batch of the source, its checksum and form checked. */
static int next_batch(struct copy *c, struct dsdn_record *record, struct dsdn_batch *batch, uint32_t *events,
                      struct dsdn_error *error)
{
    int rc = dsdn_source_next(c->input.source, &c->buffer, record, error);
    if (rc) return rc;
    rc = dsdn_record_check(record, error);
    if (!rc) rc = dsdn_batch_decode(record->batch, record->len, batch, error);
    *events = rc ? 0 : count_events(batch, &rc, error);
    if (!rc) return DSDN_OK;
    dsdn_error_in(error, record->sequence);
    return dsdn_error_at(error, record->file, record->offset), rc;
}

static bool past_end(const struct copy *c, const struct dsdn_record *record, const struct dsdn_batch *batch)
{
    return record->sequence >= c->end || (c->to.kind == PLACE_TIME && batch->header.time_ms > c->to.number);
}

static int not_there(struct copy *c, uint64_t sequence, struct dsdn_error *error)
{
    return dsdn_fail_at(error, DSDN_E_NOT_FOUND, c->input.name, DSDN_NO_OFFSET,
                        "batch %llu is not in the source", (unsigned long long)sequence);
}

static int stopped(struct dsdn_error *error)
{
    return interrupted ? dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped") : DSDN_OK;
}

/* The ordinal of the first event of batch c->first, which log directories keep: counted, since nothing else
 * knows it. */
static int count_before(struct copy *c, uint64_t *events, struct dsdn_error *error)
{
    struct dsdn_store_info info = {0};
    struct dsdn_record record;
    struct dsdn_batch batch;
    if (c->input.store) dsdn_store_info(c->input.store, &info);
    *events = info.first_event;
    int rc = DSDN_OK;
    for (uint64_t at = c->input.source->first; !rc && at < c->first; at++) {
        uint32_t cnt = 0;
        rc = next_batch(c, &record, &batch, &cnt, error);
        *events += cnt;
        if (!rc) rc = stopped(error);
    }
    return rc;
}

/* Puts the source at batch c->first. */
static int find_start(struct copy *c, uint64_t *event, struct dsdn_error *error)
{
    struct dsdn_source *s = c->input.source;
    int rc = DSDN_OK;
    c->first = c->from.kind == PLACE_SEQUENCE ? c->from.number : s->first;
    if (c->first < s->first || c->first >= c->end) return not_there(c, c->first, error);
    if (s->count != UINT64_MAX && c->first >= s->first + s->count) return not_there(c, c->first, error);
    if (log_output_is_directory(c->options->output) && c->first)
        rc = count_before(c, event, error);
    else if (c->first != s->first)
        rc = dsdn_source_seek(s, c->first, error);
    return rc == DSDN_E_AGAIN ? not_there(c, c->first, error) : rc;
}

/* Opens the output when the first batch is known: a span that begins later than the log is chained to that
 * batch's word. */
static int open_output(struct copy *c, const uint8_t prev[32], uint64_t event, struct dsdn_error *error)
{
    struct log_start start = {.sequence = c->first, .event = event};
    const struct options *o = c->options;
    memcpy(start.prev, prev, 32);
    int rc = log_output_open(&c->out, o->output, &c->input.genesis, &start, o->force, o->resume, error);
    c->opened = !rc;
    memcpy(c->prev, c->first ? prev : c->input.genesis.hash, 32);
    c->chained = true;
    return rc;
}

/* Goes on behind what an interrupted export has written. */
static int go_on(struct copy *c, struct dsdn_error *error)
{
    static const uint8_t unknown[32];
    struct dsdn_record record;
    struct dsdn_batch batch;
    uint32_t events;
    int rc = open_output(c, unknown, 0, error);
    c->chained = false; /* by the archive's writer, when it is at its beginning */
    if (rc || c->out.next <= c->first) return rc;
    rc = dsdn_source_seek(c->input.source, c->out.next - 1, error);
    if (!rc) rc = next_batch(c, &record, &batch, &events, error);
    if (rc) return rc == DSDN_E_AGAIN ? not_there(c, c->out.next - 1, error) : rc;
    memcpy(c->prev, batch.hash, 32);
    c->chained = true;
    c->blob_after = record.offset;
    return DSDN_OK;
}

static int check_chain(const struct copy *c, const struct dsdn_batch *batch, struct dsdn_error *error)
{
    const struct dsdn_header *h = &batch->header;
    int rc = DSDN_OK;
    if (!dsdn_equal32(h->genesis, c->input.genesis.hash))
        rc = dsdn_fail(error, DSDN_E_WRONG_GENESIS, "the batch belongs to another genesis");
    else if (h->sequence != c->out.next || (c->chained && !dsdn_equal32(h->prev, c->prev)))
        rc = dsdn_fail(error, DSDN_E_CHAIN, "the batch does not follow the one before it");
    if (rc) dsdn_error_in(error, c->out.next);
    return rc;
}

static int copy_log(struct copy *c, struct dsdn_error *error)
{
    struct dsdn_record record;
    struct dsdn_batch batch;
    uint32_t events;
    uint64_t event = 0;
    int rc = find_start(c, &event, error);
    if (!rc && c->options->resume) rc = go_on(c, error);
    while (!rc) {
        rc = next_batch(c, &record, &batch, &events, error);
        if (rc == DSDN_E_AGAIN) return takes_blobs(c) ? copy_blobs(c, UINT64_MAX, error) : DSDN_OK;
        if (rc || past_end(c, &record, &batch)) return rc;
        if (!c->opened) rc = open_output(c, batch.header.prev, event, error);
        if (!rc) rc = check_chain(c, &batch, error);
        if (!rc && takes_blobs(c)) rc = copy_blobs(c, record.offset, error);
        if (!rc) rc = log_output_batch(&c->out, record.batch, record.len, record.sequence, events, error);
        if (rc) return rc;
        memcpy(c->prev, batch.hash, 32);
        c->chained = true;
        progress_at(&c->progress, record.sequence + 1 - c->first, c->out.events);
        rc = stopped(error);
    }
    return rc;
}

static int export_log(struct copy *c, struct dsdn_error *error)
{
    int rc = copy_log(c, error);
    progress_hide(&c->progress);
    if (!c->opened)
        return rc ? rc : dsdn_fail(error, DSDN_E_INCOMPLETE, "there is nothing to export: no batches");
    if (!rc && c->end != UINT64_MAX && c->out.next < c->end) rc = not_there(c, c->end - 1, error);
    bool keep = rc == DSDN_E_INTERRUPTED && c->out.archive;
    rc = log_output_close(&c->out, rc, keep, error);
    if (keep) {
        char command[8192];
        options_resume(c->options, command, sizeof command);
        fprintf(stderr, "resume with: %s\n", command);
    }
    if (!rc && !c->options->quiet)
        fprintf(stderr, "%s: batches %llu to %llu\n", c->out.path, (unsigned long long)c->first,
                (unsigned long long)c->out.next - 1);
    return rc;
}

/* ---- the bench file -------------------------------------------------------------------------- */

static int export_events(struct copy *c, struct output *out, struct dsdn_prepared *p, uint64_t *ordinal,
                         struct dsdn_error *error)
{
    static uint8_t bytes[NEUTRAL_RECORD_MAX];
    const struct dsdn_event_desc *events = c->input.catalogue->events->events;
    struct dsdn_record record;
    int rc = DSDN_OK;
    for (uint64_t next = 0; !rc && !interrupted; next++) {
        rc = dsdn_source_next(c->input.source, &c->buffer, &record, error);
        if (rc == DSDN_E_AGAIN) return DSDN_OK;
        if (rc) return rc;
        rc = dsdn_record_check(&record, error);
        if (!rc) rc = dsdn_prepare(p, c->input.catalogue, 0, record.batch, record.len, error);
        if (!rc && p->unknown_type)
            rc = dsdn_fail(error, DSDN_E_TYPE_DISABLED, "no event of the bench format");
        if (!rc && (p->batch.header.sequence != next || !dsdn_equal32(p->batch.header.prev, c->prev)))
            rc = dsdn_fail(error, DSDN_E_CHAIN, "the batch does not follow the one before it");
        if (rc) return dsdn_error_in(error, next), dsdn_error_at(error, record.file, record.offset), rc;
        for (uint32_t i = 0; !rc && i < p->op_cnt; i++) {
            const struct dsdn_op *op = &p->ops[i];
            uint32_t len =
                neutral_export_record(events[op->event].type, (*ordinal)++, op->payload, op->len, bytes);
            rc = output_write(out, bytes, len, error);
        }
        memcpy(c->prev, p->batch.hash, 32);
        progress_at(&c->progress, next + 1, *ordinal);
    }
    return rc ? rc : dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped; nothing was kept, repeat the command");
}

static int export_bench(struct copy *c, struct dsdn_error *error)
{
    uint8_t header[NEUTRAL_FILE_HEADER];
    struct dsdn_prepared prepared = {0};
    struct output out;
    uint64_t ordinal = 0;
    if (c->from.kind || c->to.kind)
        return dsdn_fail(error, DSDN_E_USAGE, "a bench file is made of the whole log: no --from, no --to");
    int rc = neutral_export_header(&c->input.genesis, header, error);
    if (!rc) rc = output_open(&out, c->options->output, c->options->force, error);
    if (rc) return rc;
    memcpy(c->prev, c->input.genesis.hash, 32);
    rc = output_write(&out, header, sizeof header, error);
    if (!rc) rc = export_events(c, &out, &prepared, &ordinal, error);
    if (!rc && ordinal != dsdn_load64(header + 16))
        rc = dsdn_fail(error, DSDN_E_INCOMPLETE, "the log holds %llu events, the bench file had %llu",
                       (unsigned long long)ordinal, (unsigned long long)dsdn_load64(header + 16));
    dsdn_prepared_free(&prepared);
    return output_close(&out, rc, error);
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);
    return len > tail && memcmp(text + len - tail, end, tail) == 0;
}

int command_export(const struct options *o, struct dsdn_error *error)
{
    struct copy c = {.options = o, .end = UINT64_MAX};
    if (!o->output) return dsdn_fail(error, DSDN_E_USAGE, "export wants -o ARCHIVE, -o DIR/ or -o FILE.bin");
    int rc = options_place("from", o->from, PLACE_SEQUENCE | PLACE_GENESIS | PLACE_HEIGHT, &c.from, error);
    if (!rc) rc = options_place("to", o->to, PLACE_SEQUENCE | PLACE_TIME | PLACE_HEIGHT, &c.to, error);
    if (!rc) rc = input_open(&c.input, o->arguments[0], o, error);
    if (rc) return rc;
    rc = input_place(&c.input, &c.from, false, error);
    if (!rc) rc = input_place(&c.input, &c.to, true, error);
    if (!rc && c.input.kind != INPUT_STREAM) rc = dsdn_source_seek(c.input.source, c.input.source->first, error);
    if (rc == DSDN_E_NOT_FOUND) rc = DSDN_OK; /* no batches: said below */
    if (!rc && c.to.kind == PLACE_SEQUENCE) c.end = c.to.number + 1;
    if (!rc && c.from.kind == PLACE_SEQUENCE && c.from.number >= c.end)
        rc = dsdn_fail(error, DSDN_E_USAGE, "--from is behind --to");
    if (rc) {
        input_close(&c.input);
        return rc;
    }
    uint64_t count = c.input.source->count;
    rc = progress_start(&c.progress, o, "exporting", count == UINT64_MAX ? 0 : count, error);
    bool bench = ends_in(o->output, ".bin") && c.input.catalogue != NULL &&
                 strcmp(c.input.catalogue->name, "neutral") == 0;
    if (!rc) rc = bench ? export_bench(&c, error) : export_log(&c, error);
    progress_hide(&c.progress);
    dsdn_buffer_free(&c.buffer);
    dsdn_buffer_free(&c.blob_buffer);
    input_close(&c.input);
    return rc;
}
