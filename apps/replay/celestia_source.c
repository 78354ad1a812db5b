#include "apps/replay/celestia.h"

#include "log/archive.h"
#include "log/hash.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a directory for the log ------------------------------------------------------------------ */

int temporary_directory(char *path, size_t cap, struct dsdn_error *error)
{
    const char *where = getenv("TMPDIR");
    int len = snprintf(path, cap, "%s/dsdn-replay-XXXXXX", where && *where ? where : "/tmp");
    if (len < 0 || (size_t)len >= cap) {
        path[0] = 0;
        return dsdn_fail(error, DSDN_E_USAGE, "TMPDIR is too long");
    }
    if (mkdtemp(path)) return DSDN_OK;
    int rc = dsdn_fail_errno(error, errno, "cannot make a temporary directory");
    dsdn_error_at(error, path, DSDN_NO_OFFSET);
    path[0] = 0;
    return rc;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)st, (void)walk;
    return flag == FTW_DP ? rmdir(path) : unlink(path);
}

void temporary_remove(const char *path)
{
    if (path[0]) nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --state DIR, or a directory that goes with the input. */
static int log_directory(struct input *in, const char *state, struct dsdn_error *error)
{
    if (!state) {
        in->temporary = true;
        return temporary_directory(in->dir, sizeof in->dir, error);
    }
    if (snprintf(in->dir, sizeof in->dir, "%s", state) >= (int)sizeof in->dir)
        return dsdn_fail(error, DSDN_E_USAGE, "--state is too long");
    if (mkdir(in->dir, 0777) == 0 || errno == EEXIST) return DSDN_OK;
    int rc = dsdn_fail_errno(error, errno, "cannot make the directory of --state");
    return dsdn_error_at(error, in->dir, DSDN_NO_OFFSET), rc;
}

static int make_facts(struct input *in, const struct dsdn_genesis *genesis, struct dsdn_error *error)
{
    in->da = calloc(1, sizeof *in->da);
    if (!in->da) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start");
    in->da->da_start = genesis->event.da_start;
    in->da->start = in->da->complete = DSDN_HEIGHT_NONE;
    return DSDN_OK;
}

int follower_open(const char *dir, const struct dsdn_genesis *genesis, const struct options *options,
                  struct dsdn_follow **follow, struct dsdn_error *error)
{
    struct dsdn_follow_options o = {
        .catalogue = input_catalogue(genesis),
        .dir = dir,
        .genesis = {genesis->bytes, genesis->len},
        .jobs = options_jobs(options),
    };
    struct dsdn_follow_report report = {0};
    if (getrandom(&o.hash_seed, sizeof o.hash_seed, GRND_NONBLOCK) != sizeof o.hash_seed)
        o.hash_seed = clock_ns();
    int rc = dsdn_follow_open(&o, follow, &report, error);
    if (!rc && report.record_lost && !options->quiet)
        fprintf(stderr,
                "dsdn-replay: %s: the record of the settled point is damaged; all heights are read again\n",
                dir);
    return rc;
}

/* ---- a node ---------------------------------------------------------------------------------- */

static int follow_node(struct input *in, const struct celestia *c, uint64_t to, struct dsdn_error *error)
{
    struct feed_reader source = {.timeout_ms = c->timeout_ms};
    struct progress progress = {0};
    struct place place = {PLACE_NONE, 0, NULL};
    struct feed feed = {.to = to,
                        .settle = UINT64_MAX,
                        .get = feed_from_reader,
                        .self = &source,
                        .progress = &progress,
                        .facts = in->da};
    if (c->options->to)
        options_place("to", c->options->to, PLACE_SEQUENCE | PLACE_TIME | PLACE_HEIGHT, &place, NULL);
    if (place.kind == PLACE_SEQUENCE) feed.settle = place.number + 1;
    int rc = follower_open(in->dir, &c->genesis, c->options, &feed.follow, error);
    if (!rc) rc = celestia_reader(c, 0, to, false, in->dir, &source.reader, error);
    if (!rc) {
        uint64_t want = dsdn_follow_want(feed.follow);
        feed.first = want;
        rc = progress_start(&progress, c->options, "following", want <= to ? to + 1 - want : 0, error);
    }
    if (!rc) {
        rc = feed_run(&feed, error);
        feed_anchor(in->da, source.reader);
    }
    dsdn_reader_free(source.reader);
    dsdn_follow_close(feed.follow);
    return rc;
}

int celestia_open(struct input *in, const struct options *options, struct dsdn_error *error)
{
    struct celestia *c = calloc(1, sizeof *c);
    uint64_t to;
    if (!c) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start");
    in->kind = INPUT_DA;
    int rc = celestia_bind(c, in->name, options, error);
    if (!rc) rc = celestia_end(c, &to, error);
    if (!rc) rc = log_directory(in, options->state, error);
    if (!rc) rc = make_facts(in, &c->genesis, error);
    if (!rc) rc = follow_node(in, c, to, error);
    celestia_release(c);
    free(c);
    if (!rc) rc = dsdn_store_open(in->dir, NULL, &in->store, NULL, error);
    return rc ? rc : dsdn_store_source(in->store, &in->source, error);
}

/* ---- an archive ------------------------------------------------------------------------------ */

/* Every batch of the archive, byte for byte, against the log that follows from the proofs.  *equal: batches
 * that are in both. */
static int compare_batches(struct input *in, struct dsdn_source *log, uint64_t *equal,
                           struct dsdn_error *error)
{
    struct dsdn_buffer buffers[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    struct dsdn_record ours, theirs;
    uint64_t first = in->source->first;
    int rc = dsdn_source_seek(in->source, first, error);
    if (!rc) rc = dsdn_source_seek(log, first, error);
    if (rc == DSDN_E_NOT_FOUND) rc = DSDN_E_AGAIN; /* no batches here or there */
    *equal = 0;
    while (!rc) {
        rc = dsdn_source_next(in->source, &buffers[0], &theirs, error);
        if (!rc) rc = dsdn_record_check(&theirs, error);
        if (!rc) rc = dsdn_source_next(log, &buffers[1], &ours, error);
        if (rc) break;
        if (ours.len != theirs.len || memcmp(ours.batch, theirs.batch, ours.len) != 0) {
            rc = dsdn_fail_at(error, DSDN_E_CHAIN, theirs.file, theirs.offset,
                              "the batch is not the one that the primary makes canonical");
            dsdn_error_in(error, ours.sequence);
        } else {
            ++*equal;
        }
    }
    dsdn_buffer_free(&buffers[0]);
    dsdn_buffer_free(&buffers[1]);
    if (rc != DSDN_E_AGAIN) return rc;
    rc = dsdn_source_seek(in->source, first, error);
    return rc == DSDN_E_NOT_FOUND ? DSDN_OK : rc;
}

static void explain_gap(struct da_facts *facts, const struct proofs *proofs, uint64_t equal)
{
    uint64_t first, end, trusted_end, hole = proofs_hole(proofs);
    proofs_result(proofs, &first, &end, &trusted_end);
    if (first > facts->da_start) hole = facts->da_start; /* the first of all is a hole too */
    if (hole)
        snprintf(facts->gap, sizeof facts->gap,
                 "height %llu has no proof, so heights from %llu on are not tied to the trusted header",
                 (unsigned long long)hole, (unsigned long long)(trusted_end > first ? trusted_end : first));
    else if (trusted_end < end)
        snprintf(facts->gap, sizeof facts->gap,
                 "heights %llu to %llu do not follow from the trusted header (--trusted-header)",
                 (unsigned long long)(trusted_end > first ? trusted_end : first),
                 (unsigned long long)end - 1);
    else
        snprintf(facts->gap, sizeof facts->gap,
                 "proofs of heights are there from %llu to %llu, and lead to %llu batches",
                 (unsigned long long)first, (unsigned long long)end - 1, (unsigned long long)equal);
}

static int audit(struct input *in, struct proofs *proofs, const struct options *options, const char *dir,
                 struct dsdn_error *error)
{
    struct progress progress = {0};
    struct place place = {PLACE_NONE, 0, NULL};
    struct dsdn_source *log = NULL;
    uint64_t first, end, trusted_end, equal = 0;
    proofs_result(proofs, &first, &end, &trusted_end);
    struct feed feed = {.to = end - 1,
                        .settle = UINT64_MAX,
                        .get = proofs_get,
                        .self = proofs,
                        .progress = &progress,
                        .first = first,
                        .facts = in->da};
    if (options->to)
        options_place("to", options->to, PLACE_SEQUENCE | PLACE_TIME | PLACE_HEIGHT, &place, NULL);
    if (place.kind == PLACE_HEIGHT && place.number < feed.to) feed.to = place.number;
    int rc = follower_open(dir, &in->genesis, options, &feed.follow, error);
    if (!rc) rc = progress_start(&progress, options, "auditing", end - first, error);
    if (!rc) rc = feed_run(&feed, error);
    if (!rc) rc = dsdn_store_source(dsdn_follow_store(feed.follow), &log, error);
    if (!rc) rc = compare_batches(in, log, &equal, error);
    dsdn_source_close(log);
    dsdn_follow_close(feed.follow);
    if (rc || place.kind == PLACE_HEIGHT) return rc;
    if (equal < in->source->count || trusted_end < end) explain_gap(in->da, proofs, equal);
    return DSDN_OK;
}

int archive_audit(struct input *in, const struct options *options, struct dsdn_error *error)
{
    struct proofs *proofs = NULL;
    uint64_t pin_height;
    uint8_t pin_hash[32];
    char dir[INPUT_DIR_MAX] = "";
    int rc = celestia_pin(options, &in->genesis, &pin_height, pin_hash, error);
    if (!rc) rc = proofs_open(in->source, &in->genesis, pin_height, pin_hash, &proofs, error);
    if (rc || !proofs) return rc;
    rc = make_facts(in, &in->genesis, error);
    if (!rc) rc = temporary_directory(dir, sizeof dir, error);
    if (!rc) rc = audit(in, proofs, options, dir, error);
    proofs_close(proofs);
    temporary_remove(dir);
    if (rc) return rc;
    /* A genesis that only the archive names pins nothing. */
    in->da->anchored = pin_height && options->genesis;
    in->da->source = in->da->anchored ? DSDN_ANCHOR_PINNED : DSDN_ANCHOR_NODE;
    in->da->header_height = pin_height;
    memcpy(in->da->header_hash, pin_hash, 32);
    return DSDN_OK;
}
