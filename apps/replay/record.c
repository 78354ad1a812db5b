/* record.c: `record`: a log and the proofs of its heights, from the primary into an archive.
 *
 * In the archive stands for each height: its proof, in as many sections as it needs; the certificates that
 * were posted there; batches that were refused there, as losers; then the batches that are settled with it.
 * Those that are not settled at the end follow at the end.  So nothing that stands in it has to be taken
 * back, and an interrupted recording goes on behind its last batch: the follower gets the heights before from
 * the proofs that are there. */
#include "apps/replay/celestia.h"
#include "apps/replay/commands.h"
#include "apps/replay/output.h"

#include "log/batch.h"

#include <stdlib.h>
#include <unistd.h>

#define SYNC_EVERY 1000u /* heights */

struct recording {
    struct celestia node;
    struct log_output out;
    struct feed feed;
    struct da_facts facts;
    struct progress progress;
    struct dsdn_buffer batch;
    uint64_t to;
    uint64_t last; /* newest height whose proof is in the archive; 0: none */
    bool fresh;    /* the height that is being fed was not in the archive before */
    uint64_t proof_bytes, empty_cnt, empty_bytes, recorded;
};

/* ---- writing --------------------------------------------------------------------------------- */

static int put_proof(struct recording *r, const struct dsdn_da_height *h, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    for (size_t at = 0; !rc && at < h->proof.len; at += DSDN_ARCHIVE_CONTENT_MAX) {
        size_t left = h->proof.len - at;
        rc = dsdn_archive_append_blob(r->out.archive, DSDN_ARCHIVE_PROOF, h->height, h->proof.bytes + at,
                                      left < DSDN_ARCHIVE_CONTENT_MAX ? left : DSDN_ARCHIVE_CONTENT_MAX,
                                      error);
    }
    r->proof_bytes += h->proof.len;
    r->recorded++;
    if (h->blob_cnt) return rc;
    r->empty_cnt++;
    r->empty_bytes += h->proof.len;
    return rc;
}

/* Certificates of this network, whether they count or not. */
static int put_certificate(struct recording *r, const struct dsdn_da_blob *blob, struct dsdn_error *error)
{
    struct dsdn_certificate certificate;
    struct dsdn_header header;
    if (!blob->bytes || blob->len < 4 || memcmp(blob->bytes, "DSDC", 4) != 0 ||
        dsdn_certificate_decode(blob->bytes + 4, blob->len - 4, &certificate, NULL) != 0 ||
        dsdn_header_decode(blob->bytes + 4 + certificate.len, blob->len - 4 - certificate.len, &header,
                           NULL) != 0 ||
        !dsdn_equal32(header.genesis, r->node.genesis.hash))
        return DSDN_OK;
    return dsdn_archive_append_blob(r->out.archive, DSDN_ARCHIVE_CERTIFICATE, header.sequence,
                                    blob->bytes + 4, certificate.len, error);
}

static int on_height(void *self, const struct dsdn_da_height *h, struct dsdn_error *error)
{
    struct recording *r = self;
    r->fresh = h->height > r->last;
    if (!r->fresh) return DSDN_OK;
    if (h->proof.len > CELESTIA_PROOF_MAX || !h->proof.len)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "the proof of height %llu has %zu bytes",
                         (unsigned long long)h->height, h->proof.len);
    int rc = put_proof(r, h, error);
    for (uint32_t i = 0; !rc && i < h->blob_cnt; i++) rc = put_certificate(r, &h->blobs[i], error);
    if (!rc) r->last = h->height;
    if (!rc && r->recorded % SYNC_EVERY == 0) rc = dsdn_archive_sync(r->out.archive, NULL, error);
    return rc;
}

/* Batches below `end` that are not in the archive yet. */
static int put_batches(struct recording *r, uint64_t end, struct dsdn_error *error)
{
    struct dsdn_follow_status status;
    struct dsdn_record record;
    dsdn_follow_status(r->feed.follow, &status);
    int rc = end > status.durable ? dsdn_follow_sync(r->feed.follow, error) : DSDN_OK;
    while (!rc && r->out.next < end) {
        rc = dsdn_store_read(dsdn_follow_store(r->feed.follow), r->out.next, &r->batch, &record, error);
        if (!rc) rc = log_output_batch(&r->out, record.batch, record.len, record.sequence, 0, error);
    }
    return rc;
}

static int on_event(void *self, const struct dsdn_follow_event *e, struct dsdn_error *error)
{
    struct recording *r = self;
    if (e->kind == DSDN_FOLLOW_SETTLED) return put_batches(r, e->sequence, error);
    if (e->kind != DSDN_FOLLOW_EVIDENCE || e->evidence != DSDN_EVIDENCE_INVALID || !r->fresh || !e->bytes.len)
        return DSDN_OK;
    return dsdn_archive_append_blob(r->out.archive, DSDN_ARCHIVE_LOSER, e->sequence, e->bytes.bytes,
                                    e->bytes.len, error);
}

/* ---- going on -------------------------------------------------------------------------------- */

/* Heights [next wanted, to] once more from the node, without proofs: headers at the end of an unfinished
 * archive may hang on one that was not recorded yet. */
static int feed_again(struct recording *r, uint64_t to, struct dsdn_error *error)
{
    struct feed_reader source = {.timeout_ms = r->node.timeout_ms};
    int rc = celestia_reader(&r->node, dsdn_follow_want(r->feed.follow), r->to, false, NULL, &source.reader,
                             error);
    r->feed.get = feed_from_reader;
    r->feed.self = &source;
    r->feed.to = to;
    if (!rc) rc = feed_run(&r->feed, error);
    dsdn_reader_free(source.reader);
    return rc;
}

/* The follower comes to where the unfinished archive ends. */
static int go_on(struct recording *r, struct dsdn_error *error)
{
    struct dsdn_source *partial = NULL;
    struct proofs *proofs = NULL;
    uint64_t first = 0, end = 0, trusted_end = 0;
    int rc = dsdn_archive_open(&dsdn_io_system, r->out.part, DSDN_ARCHIVE_RECOVER, &partial, error);
    if (!rc && !dsdn_equal32(dsdn_archive_info(partial)->genesis, r->node.genesis.hash))
        rc = dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, r->out.part, DSDN_NO_OFFSET,
                          "the unfinished archive belongs to another network");
    if (!rc)
        rc = proofs_open(partial, &r->node.genesis, r->node.pin_height, r->node.pin_hash, &proofs, error);
    if (!rc && proofs) {
        proofs_result(proofs, &first, &end, &trusted_end);
        r->last = end - 1;
        r->feed.get = proofs_get;
        r->feed.self = proofs;
        r->feed.to = end - 1;
        rc = feed_run(&r->feed, error);
    }
    proofs_close(proofs);
    dsdn_source_close(partial);
    if (!rc && r->last && dsdn_follow_want(r->feed.follow) <= r->last) rc = feed_again(r, r->last, error);
    return rc;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int record_heights(struct recording *r, struct dsdn_error *error)
{
    struct feed_reader source = {.timeout_ms = r->node.timeout_ms};
    uint64_t from = r->last ? r->last + 1 : r->node.genesis.event.da_start;
    if (from > r->to) return DSDN_OK;
    int rc = progress_start(&r->progress, r->node.options, "recording", r->to + 1 - from, error);
    if (!rc) rc = celestia_reader(&r->node, from, r->to, true, NULL, &source.reader, error);
    r->feed.get = feed_from_reader;
    r->feed.self = &source;
    r->feed.to = r->to;
    r->feed.first = from;
    if (!rc) rc = feed_run(&r->feed, error);
    if (!rc) feed_anchor(&r->facts, source.reader);
    dsdn_reader_free(source.reader);
    return rc;
}

static int record(struct recording *r, struct dsdn_error *error)
{
    int rc = r->node.options->resume ? go_on(r, error) : DSDN_OK;
    if (!rc) rc = record_heights(r, error);
    /* What is canonical now, settled or not. */
    return rc ? rc : put_batches(r, r->facts.next, error);
}

static void remark(const struct recording *r)
{
    const struct options *o = r->node.options;
    if (o->quiet) return;
    fprintf(stderr,
            "%s: %llu batches, heights %llu to %llu proved, %llu recorded now with %llu bytes of proofs",
            r->out.path, (unsigned long long)r->out.next, (unsigned long long)r->facts.start,
            (unsigned long long)r->facts.complete, (unsigned long long)r->recorded,
            (unsigned long long)r->proof_bytes);
    if (r->empty_cnt)
        fprintf(stderr, " (%llu a height without blobs)",
                (unsigned long long)(r->empty_bytes / r->empty_cnt));
    fputc('\n', stderr);
    for (uint32_t i = 0; i < r->facts.found_cnt; i++) {
        char text[1024];
        dsdn_error_format(&r->facts.found[i], text, sizeof text);
        fprintf(stderr, "dsdn-replay: recorded as it is: %s\n", text);
    }
    if (!r->facts.anchored && r->recorded)
        fprintf(stderr, "dsdn-replay: the trusted header was taken from the node itself\n");
}

static int open_output(struct recording *r, struct dsdn_error *error)
{
    const struct options *o = r->node.options;
    if (log_output_is_directory(o->output))
        return dsdn_fail(error, DSDN_E_USAGE,
                         "record writes an archive; `export` makes a log directory of one");
    int rc = log_output_open(&r->out, o->output, &r->node.genesis, NULL, o->force, o->resume, error);
    if (rc == DSDN_E_TRUNCATED && o->resume) /* nothing whole was written: from the beginning */
        rc = log_output_open(&r->out, o->output, &r->node.genesis, NULL, true, false, error);
    return rc;
}

static int work(struct recording *r, struct dsdn_error *error)
{
    const struct options *o = r->node.options;
    char dir[INPUT_DIR_MAX];
    int rc = open_output(r, error);
    if (rc) return rc;
    rc = temporary_directory(dir, sizeof dir, error);
    if (!rc) rc = follower_open(dir, &r->node.genesis, o, &r->feed.follow, error);
    if (!rc) rc = record(r, error);
    dsdn_follow_close(r->feed.follow);
    temporary_remove(dir);
    int class = dsdn_error_exit(rc);
    bool keep = class == 2 || class == 5 || class == 6;
    rc = log_output_close(&r->out, rc, keep, error);
    if (!rc) {
        remark(r);
    } else if (keep) {
        char command[8192];
        options_resume(o, command, sizeof command);
        fprintf(stderr, "resume with: %s\n", command);
    }
    return rc;
}

int command_record(const struct options *o, struct dsdn_error *error)
{
    struct place to;
    if (!celestia_named(o->arguments[0]))
        return dsdn_fail(error, DSDN_E_USAGE, "record wants a source celestia:URL, not \"%.80s\"",
                         o->arguments[0]);
    if (!o->output) return dsdn_fail(error, DSDN_E_USAGE, "record wants -o ARCHIVE");
    int rc = options_place("to", o->to, PLACE_HEIGHT, &to, error);
    if (rc) return rc;
    struct recording *r = calloc(1, sizeof *r);
    if (!r) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start");
    rc = celestia_bind(&r->node, o->arguments[0], o, error);
    if (!rc) rc = celestia_end(&r->node, &r->to, error);
    r->feed = (struct feed){.settle = UINT64_MAX,
                            .height = on_height,
                            .event = on_event,
                            .listener = r,
                            .progress = &r->progress,
                            .facts = &r->facts};
    r->facts.start = r->facts.complete = DSDN_HEIGHT_NONE;
    if (!rc) rc = work(r, error);
    dsdn_buffer_free(&r->batch);
    celestia_release(&r->node);
    free(r);
    return rc;
}
