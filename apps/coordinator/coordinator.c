#include "apps/coordinator/coordinator.h"

#include "adapters/celestia/commitment.h"
#include "roles/dsdn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

enum {
    HEIGHTS_A_TURN = 64,
    TROUBLE_AGAIN_MS = 10000, /* the same trouble is printed once in so long */
    RETRY_MS = 5000           /* after a submission that failed for good */
};

uint64_t coordinator_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void say(const struct coordinator *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct coordinator *c, const char *format, ...)
{
    va_list args;
    if (c->options->quiet) return;
    va_start(args, format);
    fputs("dsdn-coordinator: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

/* Trouble that may pass by itself. */
static void trouble(struct coordinator *c, const struct dsdn_error *error)
{
    char text[1024];
    uint64_t now = coordinator_now();
    if (c->last_trouble == error->code && now - c->last_trouble_ms < TROUBLE_AGAIN_MS) return;
    c->last_trouble = error->code;
    c->last_trouble_ms = now;
    dsdn_error_format(error, text, sizeof text);
    say(c, "%s", text);
}

/* ---- opening ---- */

static int load_key(const char *path, struct dsdn_sign_key *key, struct dsdn_error *error)
{
    uint8_t *text, seed[32];
    size_t len;
    struct stat status;
    int rc = dsdn_io_read_file(&dsdn_io_system, path, 256, &text, &len, error);
    if (rc) return rc;
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' ')) len--;
    bool good = len == 64 && dsdn_hex_decode((const char *)text, 32, seed);
    explicit_bzero(text, len);
    free(text);
    if (!good) return dsdn_fail_at(error, DSDN_E_USAGE, path, DSDN_NO_OFFSET, "a key is 64 hex digits");
    if (stat(path, &status) == 0 && (status.st_mode & 077))
        rc = dsdn_fail_at(error, DSDN_E_USAGE, path, DSDN_NO_OFFSET,
                          "others can read the key; chmod 600 it (and think about who has read it)");
    else
        dsdn_sign_key_from_seed(key, seed);
    explicit_bzero(seed, sizeof seed);
    return rc;
}

static int make_dir(const char *path, struct dsdn_error *error)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return DSDN_OK;
    return dsdn_fail_errno(error, errno, "making the directory %s", path);
}

static int make_paths(struct coordinator *c, const char *data, struct dsdn_error *error)
{
    const struct {
        char *out;
        const char *name;
    } paths[] = {
        {c->follow_dir, "log"},          {c->pool_path, "pool.journal"}, {c->signer_path, "signer.journal"},
        {c->scratch_path, "copy.state"}, {c->submit_path, "submission"}, {c->da_dir, "primary"}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (snprintf(paths[i].out, sizeof c->follow_dir, "%s/%s", data, paths[i].name) >=
            (int)sizeof c->follow_dir)
            return dsdn_fail(error, DSDN_E_USAGE, "the path of the data directory is too long");
    int rc = make_dir(data, error);
    return rc ? rc : make_dir(c->da_dir, error);
}

static int save_submission(void *self, const uint8_t *record, size_t len, struct dsdn_error *error)
{
    struct coordinator *c = self;
    return dsdn_io_write_file(&dsdn_io_system, c->submit_path, record, len, error);
}

static int open_primary(struct coordinator *c, struct dsdn_error *error)
{
    const struct options *o = c->options;
    const struct dsdn_ev_genesis_declared *g = &c->genesis.event;
    char chain_id[64] = "";
    memcpy(chain_id, g->da_chain_id.bytes, g->da_chain_id.len);
    int rc = dsdn_namespace_check(g->da_namespace, chain_id, error);
    if (rc) return rc;
    struct dsdn_endpoint_options endpoint = {.url = o->da.url, .token_file = o->token_file};
    struct dsdn_follow_status status;
    dsdn_follow_status(c->follow, &status);
    struct dsdn_reader_options reader = {.endpoints = &endpoint,
                                         .endpoint_cnt = 1,
                                         .chain_id = chain_id,
                                         .from = status.want,
                                         .pin_height = g->da_start,
                                         .state_dir = c->da_dir,
                                         .poll_ms = o->poll_ms,
                                         .subscribe = o->subscribe};
    memcpy(reader.ns, g->da_namespace, DSDN_NAMESPACE_LEN);
    memcpy(reader.pin_hash, g->da_start_hash, 32);
    rc = dsdn_reader_new(&reader, &c->reader, error);
    if (rc) return rc;
    struct dsdn_submitter_options submitter = {.endpoint = endpoint, .save = save_submission, .self = c};
    memcpy(submitter.ns, g->da_namespace, DSDN_NAMESPACE_LEN);
    if (o->gas_price_nano) {
        submitter.config.gas_price_set = true;
        submitter.config.gas_price = o->gas_price_nano;
    }
    return dsdn_submitter_new(&submitter, &c->submitter, error);
}

static void on_made(void *self, const struct dsdn_publisher_batch *batch)
{
    const struct coordinator *c = self;
    if (!c->options->verbose) return;
    char hash[65];
    dsdn_hex_encode(batch->hash, 32, hash);
    fprintf(stderr, "%s %llu %.16s origin %llu time %llu: %u bundles, %u direct, %u events, %zu bytes%s%s\n",
            batch->resumed ? "resumed" : "signed", (unsigned long long)batch->sequence, hash,
            (unsigned long long)batch->origin_height, (unsigned long long)batch->time_ms, batch->bundles,
            batch->direct, batch->events, batch->len, batch->resumed ? "" : ", ",
            batch->resumed ? "" : dsdn_batch_reason_name(batch->reason));
}

static int open_publisher(struct coordinator *c, struct dsdn_error *error)
{
    const struct options *o = c->options;
    struct dsdn_pool_options pool = {.io = &dsdn_io_system,
                                     .path = c->pool_path,
                                     .catalogue = &dsdn_catalogue,
                                     .genesis = c->genesis.hash};
    struct dsdn_signer_options signer = {
        .io = &dsdn_io_system, .path = c->signer_path, .genesis = c->genesis.hash, .key = &c->key};
    struct dsdn_pool_report kept;
    struct dsdn_signer_report locks;
    int rc = dsdn_pool_open(&pool, &c->pool, &kept, error);
    if (!rc) rc = dsdn_signer_open(&signer, &c->signer, &locks, error);
    if (rc) return rc;
    if (kept.cut || locks.cut)
        say(c, "a crash cut %llu bytes of a bundle and %llu of a batch, neither of them acknowledged",
            (unsigned long long)kept.cut, (unsigned long long)locks.cut);
    if (o->verbose)
        say(c, "%llu bundles kept, %llu batches signed and not settled", (unsigned long long)kept.kept,
            (unsigned long long)locks.locks);
    struct dsdn_publisher_options publisher = {
        .catalogue = &dsdn_catalogue,
        .genesis = {c->genesis.bytes, c->genesis.len},
        .io = &dsdn_io_system,
        .scratch = c->scratch_path,
        .pool = c->pool,
        .signer = c->signer,
        .key = &c->key,
        .limits = {.events_max = o->batch_events,
                   .bytes_max = (size_t)o->batch_bytes,
                   .delay_ms = o->delay_ms,
                   .idle_ms = o->idle_ms},
        .fresh_lock = locks.created,
        .made = on_made,
        .self = c,
    };
    return dsdn_publisher_new(&publisher, &c->publisher, error);
}

/* Finds the batch whose share commitment is wanted among those that were signed and are not settled. */
static bool find_blob(const struct coordinator *c, const uint8_t commitment[32], struct dsdn_view *blob)
{
    uint8_t own[32];
    for (uint64_t s = dsdn_signer_floor(c->signer); s < dsdn_signer_end(c->signer); s++) {
        const struct dsdn_signed *lock = dsdn_signer_find(c->signer, s);
        if (!lock || !lock->bytes) continue;
        if (dsdn_commitment_data(c->genesis.event.da_namespace, 0, NULL, lock->bytes, lock->len, own, NULL))
            continue;
        if (!dsdn_equal32(own, commitment)) continue;
        *blob = (struct dsdn_view){lock->bytes, lock->len};
        return true;
    }
    return false;
}

/* What an earlier process was posting when it ended may have been included.  A record whose batches are
 * settled, or of which nothing is kept because it was seen, is of the past. */
static int resume_submission(struct coordinator *c, struct dsdn_error *error)
{
    struct dsdn_submit past;
    struct dsdn_view blobs[DSDN_SUBMIT_BLOBS_MAX];
    uint8_t *record;
    size_t len;
    int rc = dsdn_io_read_file(&dsdn_io_system, c->submit_path, DSDN_SUBMIT_RECORD_MAX, &record, &len, error);
    if (rc == DSDN_E_NOT_FOUND) return DSDN_OK;
    if (rc) return rc;
    rc = dsdn_submit_resume(&past, record, len, error);
    for (uint32_t i = 0; !rc && i < past.blob_cnt; i++)
        if (!find_blob(c, past.commitments[i], &blobs[i])) {
            free(record);
            return DSDN_OK;
        }
    if (!rc) rc = dsdn_submitter_resume(c->submitter, record, len, blobs, past.blob_cnt, error);
    if (rc)
        dsdn_error_at(error, c->submit_path, DSDN_NO_OFFSET);
    else
        dsdn_publisher_posting(c->publisher);
    free(record);
    return rc;
}

static int open_follow(struct coordinator *c, struct dsdn_error *error)
{
    struct dsdn_follow_report report;
    struct dsdn_follow_options follow = {.catalogue = &dsdn_catalogue,
                                         .dir = c->follow_dir,
                                         .genesis = {c->genesis.bytes, c->genesis.len},
                                         .keep_direct = true,
                                         .jobs = 2};
    if (getrandom(&follow.hash_seed, sizeof follow.hash_seed, 0) != (ssize_t)sizeof follow.hash_seed)
        return dsdn_fail_errno(error, errno, "random bytes");
    int rc = dsdn_follow_open(&follow, &c->follow, &report, error);
    if (!rc && report.store.cut_bytes)
        say(c, "a crash cut %llu bytes of the log that were not acknowledged; they are read again",
            (unsigned long long)report.store.cut_bytes);
    return rc;
}

int coordinator_open(struct coordinator *c, const struct options *o, struct dsdn_error *error)
{
    *c = (struct coordinator){.options = o};
    int rc = load_key(o->key, &c->key, error);
    if (!rc) rc = dsdn_genesis_load(&c->genesis, &dsdn_io_system, o->genesis, error);
    if (rc) return rc;
    const struct dsdn_ev_genesis_declared *g = &c->genesis.event;
    if (!g->da_chain_id.len)
        return dsdn_fail(error, DSDN_E_USAGE,
                         "the network of this genesis has no primary: there is nowhere to publish");
    if (o->da.has_namespace && memcmp(o->da.ns, g->da_namespace, DSDN_NAMESPACE_LEN) != 0)
        return dsdn_fail(error, DSDN_E_USAGE, "the namespace of --da is not the one that the genesis names");
    rc = make_paths(c, o->data, error);
    if (!rc) rc = open_follow(c, error);
    if (!rc) rc = open_publisher(c, error);
    if (!rc) rc = open_primary(c, error);
    if (!rc) rc = resume_submission(c, error);
    return rc;
}

void coordinator_close(struct coordinator *c)
{
    dsdn_publisher_free(c->publisher);
    dsdn_submitter_free(c->submitter);
    dsdn_reader_free(c->reader);
    dsdn_signer_close(c->signer);
    dsdn_pool_close(c->pool);
    if (c->follow) dsdn_follow_sync(c->follow, NULL); /* what is not durable is read again */
    dsdn_follow_close(c->follow);
    dsdn_genesis_free(&c->genesis);
    dsdn_sign_wipe(&c->key);
}

/* ---- reading ---- */

static uint64_t lag_max(const struct coordinator *c)
{
    return (uint64_t)DSDN_SETTING(dsdn_engine_state(dsdn_follow_engine(c->follow)), origin_lag_max);
}

static void tell_events(struct coordinator *c)
{
    struct dsdn_follow_event e;
    char text[1024];
    while (dsdn_follow_event(c->follow, &e)) {
        c->unsynced = true;
        if (e.kind == DSDN_FOLLOW_APPLIED) {
            c->events_applied += e.events;
            if (c->options->verbose)
                fprintf(stderr, "applied %llu: %u events%s\n", (unsigned long long)e.sequence, e.events,
                        e.known ? ", known" : "");
        } else if (e.kind == DSDN_FOLLOW_ROLLED_BACK)
            say(c, "rolled back from batch %llu to %llu", (unsigned long long)e.from,
                (unsigned long long)e.sequence);
        else if (e.kind == DSDN_FOLLOW_SETTLED && c->options->verbose)
            fprintf(stderr, "settled below %llu\n", (unsigned long long)e.sequence);
        else if (e.kind == DSDN_FOLLOW_EVIDENCE || e.kind == DSDN_FOLLOW_ALARM ||
                 e.kind == DSDN_FOLLOW_HALTED) {
            dsdn_error_format(&e.error, text, sizeof text);
            say(c, "%s: %s", dsdn_follow_event_name(e.kind), text);
        }
    }
}

static int feed(struct coordinator *c, const struct dsdn_da_height *height, struct dsdn_error *error)
{
    uint64_t lag = lag_max(c);
    for (uint32_t i = 0; i < height->blob_cnt; i++)
        if (height->blobs[i].bytes)
            dsdn_signer_saw(c->signer, height->blobs[i].bytes, height->blobs[i].len, height->height,
                            height->time_ms, lag);
    int rc = dsdn_follow_height(c->follow, height, error);
    if (rc) return rc;
    c->unsynced = true;
    if (height->height > c->saw_height) { /* heights that are read again are no news to it */
        c->saw_height = height->height;
        dsdn_submitter_saw(c->submitter, height);
    }
    tell_events(c);
    return DSDN_OK;
}

/* What a failure to read means: the kinds that may pass, and those that need somebody. */
static bool may_pass(int code)
{
    return code == DSDN_E_AGAIN || code == DSDN_E_INCOMPLETE || dsdn_error_exit(code) == 3 ||
           code == DSDN_E_MALFORMED || code == DSDN_E_IO;
}

static int read_primary(struct coordinator *c, uint32_t wait_ms, bool *more, struct dsdn_error *error)
{
    struct dsdn_da_height height;
    enum dsdn_da_answer answer;
    struct dsdn_error why = DSDN_ERROR_INIT;
    *more = false;
    for (int i = 0; i < HEIGHTS_A_TURN; i++) {
        uint64_t want = dsdn_follow_want(c->follow);
        if (want == DSDN_HEIGHT_NONE) return DSDN_OK;
        int rc = want == dsdn_reader_wanted(c->reader) ? DSDN_OK : dsdn_reader_seek(c->reader, want, error);
        if (rc) return rc;
        rc = dsdn_reader_next(c->reader, wait_ms, &height, &answer, &why);
        if (rc) {
            if (!may_pass(rc)) {
                if (error) *error = why;
                return rc;
            }
            if (answer != DSDN_DA_FUTURE && answer != DSDN_DA_TIMEOUT) trouble(c, &why);
            return DSDN_OK;
        }
        wait_ms = 0;
        rc = feed(c, &height, error);
        if (rc) return rc;
    }
    *more = true;
    return DSDN_OK;
}

/* ---- publishing ---- */

static struct dsdn_publisher_view view_of(const struct coordinator *c)
{
    struct dsdn_follow_status status;
    dsdn_follow_status(c->follow, &status);
    struct dsdn_publisher_view view = {.engine = dsdn_follow_engine(c->follow),
                                       .queue = dsdn_follow_queue(c->follow),
                                       .settled = status.settled,
                                       .head_height = dsdn_reader_head(c->reader).height,
                                       .now_ms = coordinator_now()};
    if (status.complete != DSDN_HEIGHT_NONE) view.newest = status.newest;
    if (view.head_height < view.newest.height) view.head_height = view.newest.height;
    return view;
}

static int post(struct coordinator *c, struct dsdn_error *error)
{
    struct dsdn_view blobs[DSDN_SUBMIT_BLOBS_MAX];
    const struct dsdn_submit *submit = dsdn_submitter_state(c->submitter);
    struct dsdn_publisher_status status;
    struct dsdn_publisher_view view = view_of(c);
    dsdn_publisher_status(c->publisher, &status);
    if (status.posting && submit->phase == DSDN_SUBMIT_DONE) {
        dsdn_publisher_posted(c->publisher, submit->height);
        if (c->options->verbose)
            fprintf(stderr, "included %u batches in height %llu\n", submit->blob_cnt,
                    (unsigned long long)submit->height);
    } else if (status.posting && submit->phase == DSDN_SUBMIT_FAILED) {
        trouble(c, &submit->error);
        c->not_before_ms = view.now_ms + RETRY_MS;
        dsdn_publisher_posted(c->publisher, 0);
    }
    if (view.now_ms < c->not_before_ms) return DSDN_OK;
    uint32_t cnt =
        dsdn_publisher_post(c->publisher, &view, blobs, DSDN_SUBMIT_BLOBS_MAX, DSDN_SUBMIT_BYTES_MAX);
    int rc = cnt ? dsdn_submitter_post(c->submitter, blobs, cnt, error) : DSDN_OK;
    return rc ? rc : dsdn_submitter_run(c->submitter, view.head_height, 0, error);
}

static int publish(struct coordinator *c, struct dsdn_error *error)
{
    struct dsdn_publisher_view view = view_of(c);
    struct dsdn_publisher_status status;
    struct dsdn_error why = DSDN_ERROR_INIT;
    int rc = dsdn_publisher_step(c->publisher, &view, error);
    if (rc) return rc;
    dsdn_publisher_status(c->publisher, &status);
    if (status.state != DSDN_PUBLISHER_CATCHING_UP) c->caught_up = true;
    if (status.state == DSDN_PUBLISHER_NEEDS_DIRECT) {
        struct dsdn_direct_selection selection = {.blobs = NULL};
        /* Asking makes the follower want the height again; what it selects is selected again by the next
         * step. */
        rc = dsdn_follow_select(c->follow, &view.newest, view.now_ms, &selection, &why);
        dsdn_direct_selection_free(&selection);
        if (rc && rc != DSDN_E_AGAIN) {
            if (error) *error = why;
            return rc;
        }
    }
    return post(c, error);
}

int coordinator_turn(struct coordinator *c, uint32_t wait_ms, struct dsdn_error *error)
{
    bool more;
    int rc = read_primary(c, wait_ms, &more, error);
    if (!rc) rc = publish(c, error);
    if (!rc && !more && c->unsynced) {
        rc = dsdn_follow_sync(c->follow, error);
        c->unsynced = rc != 0;
        tell_events(c);
    }
    return rc;
}

bool coordinator_done(const struct coordinator *c)
{
    struct dsdn_publisher_status status;
    struct dsdn_pool_stats pool;
    dsdn_publisher_status(c->publisher, &status);
    dsdn_pool_stats(c->pool, &pool);
    return c->caught_up && !pool.waiting && !status.flight && !status.posting;
}
