/* follow_open.c: what of a follower is durable, and how it comes back: log directory, checkpoints, and the
 * settled point in DIR/follow: 0 magic "DSDNFOL1"   8 genesis[32]   40 start u64   48 next u64   56 hash[32]
 * 88 eff u64 96 origin_height u64  104 origin_lag_max u64  112 fork_window u64  120 CRC32C u32 over bytes [0,
 * 120) */
#include "log/hash.h"
#include "statemachine/checkpoint.h"
#include "statemachine/follow_internal.h"
#include "statemachine/replay.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char record_magic[8] = {'D', 'S', 'D', 'N', 'F', 'O', 'L', '1'};

/* ---- paths ---- */

static void path_of(const struct dsdn_follow *f, char out[FOLLOW_PATH + 64], const char *name)
{
    snprintf(out, FOLLOW_PATH + 64, "%s/%s", f->dir, name);
}

/* A checkpoint is named after the batch whose state it is, like those that `dsdn-replay checkpoint import`
 * adopts. */
static void checkpoint_name(char out[32], uint64_t next)
{
    snprintf(out, 32, "%012llu.checkpoint", (unsigned long long)(next - 1));
}

static void checkpoint_path(const struct dsdn_follow *f, char out[FOLLOW_PATH + 64], uint64_t next)
{
    char name[32];
    checkpoint_name(name, next);
    snprintf(out, FOLLOW_PATH + 64, "%s/checkpoints/%s", f->dir, name);
}

/* ---- the settled point ---- */

int dsdn_follow_record(struct dsdn_follow *f, struct dsdn_error *error)
{
    uint8_t bytes[FOLLOW_RECORD];
    char path[FOLLOW_PATH + 64];
    struct dsdn_fork_root root;
    if (!f->primary) return DSDN_OK;
    dsdn_sequencer_root(f->s, &root);
    if (root.next == f->recorded.next && dsdn_equal32(root.hash, f->recorded.hash)) return DSDN_OK;
    memcpy(bytes, record_magic, 8);
    memcpy(bytes + 8, f->genesis.hash, 32);
    dsdn_store64(bytes + 40, f->start);
    dsdn_store64(bytes + 48, root.next);
    memcpy(bytes + 56, root.hash, 32);
    dsdn_store64(bytes + 88, root.eff);
    dsdn_store64(bytes + 96, root.origin_height);
    dsdn_store64(bytes + 104, root.limits.origin_lag_max);
    dsdn_store64(bytes + 112, root.limits.fork_window);
    dsdn_store32(bytes + 120, dsdn_crc32c(0, bytes, 120));
    path_of(f, path, "follow");
    int rc = dsdn_io_write_file(f->io, path, bytes, sizeof bytes, error);
    if (!rc) f->recorded = root;
    return rc;
}

/* NOT_FOUND when there is none; CHECKSUM when it is damaged. */
static int record_read(struct dsdn_follow *f, struct dsdn_error *error)
{
    char path[FOLLOW_PATH + 64];
    uint8_t *bytes = NULL;
    size_t len = 0;
    path_of(f, path, "follow");
    int rc = dsdn_io_read_file(f->io, path, 4096, &bytes, &len, error);
    if (rc) return rc;
    if (len != FOLLOW_RECORD || memcmp(bytes, record_magic, 8) != 0 ||
        dsdn_load32(bytes + 120) != dsdn_crc32c(0, bytes, 120)) {
        rc = dsdn_fail_at(error, DSDN_E_CHECKSUM, path, 0, "the record of the settled point is damaged");
    } else if (!dsdn_equal32(bytes + 8, f->genesis.hash)) {
        rc = dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, path, 8, "the settled point is of another network");
    } else {
        f->start = dsdn_load64(bytes + 40);
        f->root = (struct dsdn_fork_root){
            .next = dsdn_load64(bytes + 48),
            .eff = dsdn_load64(bytes + 88),
            .origin_height = dsdn_load64(bytes + 96),
            .limits = {.origin_lag_max = dsdn_load64(bytes + 104), .fork_window = dsdn_load64(bytes + 112)}};
        memcpy(f->root.hash, bytes + 56, 32);
    }
    free(bytes);
    return rc;
}

/* ---- checkpoints ---- */

static void checkpoint_forget(struct dsdn_follow *f, size_t at)
{
    char path[FOLLOW_PATH + 64];
    uint64_t next = f->checkpoints[at].next;
    struct dsdn_index *index = dsdn_store_index(f->store);
    checkpoint_path(f, path, next);
    f->io->unlink(f->io->self, path); /* one that stays costs room, nothing else */
    if (index) dsdn_index_remove_checkpoint(index, next - 1, NULL);
    f->checkpoint_cnt--;
    memmove(f->checkpoints + at, f->checkpoints + at + 1, (f->checkpoint_cnt - at) * sizeof *f->checkpoints);
}

void dsdn_follow_checkpoints_cut(struct dsdn_follow *f, uint64_t next)
{
    while (f->checkpoint_cnt && f->checkpoints[f->checkpoint_cnt - 1].next > next)
        checkpoint_forget(f, f->checkpoint_cnt - 1);
}

void dsdn_follow_checkpoints_prune(struct dsdn_follow *f)
{
    size_t settled = 0;
    while (settled < f->checkpoint_cnt && f->checkpoints[settled].next <= f->root.next) settled++;
    for (; settled > FOLLOW_CHECKPOINTS; settled--) checkpoint_forget(f, 0);
}

int dsdn_follow_checkpoint(struct dsdn_follow *f, struct dsdn_error *error)
{
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(f->engine));
    struct dsdn_view genesis = {f->genesis.bytes, f->genesis.len};
    struct dsdn_checkpoint_info info;
    char path[FOLLOW_PATH + 64];
    path_of(f, path, "checkpoints");
    if (f->io->mkdir(f->io->self, path, 0777) != 0 && errno != EEXIST)
        return dsdn_fail_errno(error, errno, "cannot make %.200s", path);
    checkpoint_path(f, path, head->sequence);
    int rc = dsdn_follow_room(&f->checkpoints, &f->checkpoint_cap, f->checkpoint_cnt, sizeof *f->checkpoints,
                              error);
    if (!rc)
        rc =
            dsdn_checkpoint_write(f->engine, genesis, f->options.jobs > 1 ? 2 : 1, f->io, path, &info, error);
    if (rc) return rc;
    struct follow_checkpoint *made = &f->checkpoints[f->checkpoint_cnt++];
    made->next = head->sequence;
    memcpy(made->hash, head->batch_hash, 32);
    struct dsdn_index *index = dsdn_store_index(f->store);
    struct dsdn_checkpoint_row row = {.sequence = head->sequence - 1, .bytes = info.bytes, .verified = true};
    memcpy(row.root, info.roots.state, 32);
    memcpy(row.sha256, info.file_hash, 32);
    checkpoint_name(row.name, head->sequence);
    if (index)
        dsdn_index_put_checkpoint(index, &row, NULL); /* without it the file is not trusted after a restart */
    return DSDN_OK;
}

static int by_next(const void *a, const void *b)
{
    const struct follow_checkpoint *x = a, *y = b;
    return x->next < y->next ? -1 : x->next > y->next;
}

/* The files in DIR/checkpoints whose state is this log's and not beyond the settled point: their row in the
 * index says that this installation computed them, or nobody keeps an index here. */
static int checkpoints_find(struct dsdn_follow *f, struct dsdn_error *error)
{
    char path[FOLLOW_PATH + 64], name[32];
    path_of(f, path, "checkpoints");
    DIR *dir = opendir(path);
    int rc = DSDN_OK;
    if (!dir) return errno == ENOENT ? DSDN_OK : dsdn_fail_errno(error, errno, "cannot read %.200s", path);
    for (const struct dirent *entry; !rc && (entry = readdir(dir));) {
        struct follow_checkpoint found = {.next = strtoull(entry->d_name, NULL, 10) + 1};
        struct dsdn_checkpoint_row row;
        struct dsdn_position position;
        struct dsdn_index *index = dsdn_store_index(f->store);
        checkpoint_name(name, found.next);
        if (strcmp(name, entry->d_name) != 0 || found.next > f->root.next) continue;
        bool own = index ? !dsdn_index_checkpoint_at_or_below(index, found.next - 1, &row, NULL) &&
                               row.sequence == found.next - 1 && row.verified
                         : f->options.no_index;
        if (!own || dsdn_store_position(f->store, found.next - 1, &position, NULL)) continue;
        memcpy(found.hash, position.hash, 32);
        rc = dsdn_follow_room(&f->checkpoints, &f->checkpoint_cap, f->checkpoint_cnt, sizeof found, error);
        if (!rc) f->checkpoints[f->checkpoint_cnt++] = found;
    }
    closedir(dir);
    if (f->checkpoint_cnt) qsort(f->checkpoints, f->checkpoint_cnt, sizeof *f->checkpoints, by_next);
    return rc;
}

/* ---- a state of the log ---- */

static int from_checkpoint(struct dsdn_follow *f, const struct follow_checkpoint *c,
                           struct dsdn_engine **engine, struct dsdn_error *error)
{
    struct dsdn_engine_options options = {.hash_seed = f->options.hash_seed};
    struct dsdn_checkpoint_options restore = {.engine = &options, .verify = true, .threads = f->options.jobs};
    struct dsdn_checkpoint_info info;
    char path[FOLLOW_PATH + 64];
    checkpoint_path(f, path, c->next);
    if (restore.threads > 16) restore.threads = 16;
    int rc = dsdn_checkpoint_restore(f->options.catalogue, &restore, f->io, path, engine, &info, error);
    if (rc) return rc;
    if (info.sequence == c->next && dsdn_equal32(info.genesis, f->genesis.hash) &&
        dsdn_equal32(info.batch_hash, c->hash))
        return DSDN_OK;
    dsdn_engine_free(*engine);
    *engine = NULL;
    return dsdn_fail_at(error, DSDN_E_CHAIN, path, DSDN_NO_OFFSET, "the checkpoint is not of this log");
}

static int from_genesis(struct dsdn_follow *f, struct dsdn_engine **engine, struct dsdn_error *error)
{
    struct dsdn_engine_options options = {.hash_seed = f->options.hash_seed};
    struct dsdn_store_info info;
    dsdn_store_info(f->store, &info);
    if (info.first_sequence)
        return dsdn_fail_at(error, DSDN_E_INCOMPLETE, f->dir, DSDN_NO_OFFSET,
                            "the log begins at batch %llu, and there is no checkpoint to begin with",
                            (unsigned long long)info.first_sequence);
    int rc = dsdn_engine_new(f->options.catalogue, &options, engine, error);
    if (!rc) rc = dsdn_engine_genesis(*engine, f->genesis.bytes, f->genesis.len, error);
    return rc;
}

static int replay_to(struct dsdn_follow *f, struct dsdn_engine *e, uint64_t next, bool recheck,
                     struct dsdn_error *error)
{
    struct dsdn_replay_options options = {.jobs = f->options.jobs,
                                          .checks = recheck ? DSDN_CHECK_BODY | DSDN_CHECK_SIGNATURES : 0,
                                          .trust_checked = !recheck,
                                          .end = next};
    struct dsdn_replay_result result;
    struct dsdn_source *source = NULL;
    uint64_t from = dsdn_head(dsdn_engine_state(e))->sequence;
    if (from == next) return DSDN_OK;
    int rc = dsdn_store_source(f->store, &source, error);
    if (!rc) rc = dsdn_source_seek(source, from, error);
    if (!rc) rc = dsdn_replay(e, source, &options, &result, error);
    dsdn_source_close(source);
    if (!rc && dsdn_head(dsdn_engine_state(e))->sequence != next)
        rc = dsdn_fail_at(error, DSDN_E_CHAIN, f->dir, DSDN_NO_OFFSET, "the log ends before batch %llu",
                          (unsigned long long)next);
    return rc;
}

int dsdn_follow_state_at(struct dsdn_follow *f, uint64_t next, struct dsdn_engine **engine,
                         struct dsdn_follow_report *report, struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    int rc = DSDN_E_NOT_FOUND;
    for (size_t i = f->checkpoint_cnt; rc && i-- > 0;) {
        struct dsdn_error bad = DSDN_ERROR_INIT;
        if (f->checkpoints[i].next > next) continue;
        rc = from_checkpoint(f, &f->checkpoints[i], &e, &bad);
        if (rc == DSDN_E_NO_MEMORY) return dsdn_fail(error, rc, "%s", bad.message);
        if (rc && report) report->checkpoints_bad++;
    }
    if (rc) rc = from_genesis(f, &e, error);
    if (!rc && report) {
        report->checkpoint = dsdn_head(dsdn_engine_state(e))->sequence;
        report->replayed = next - report->checkpoint;
    }
    if (!rc) rc = replay_to(f, e, next, report && f->options.recheck, error);
    if (rc) {
        dsdn_engine_free(e);
        return rc;
    }
    *engine = e;
    return DSDN_OK;
}

/* ---- opening ---- */

static int open_store(struct dsdn_follow *f, struct dsdn_follow_report *report, struct dsdn_error *error)
{
    const struct dsdn_follow_options *o = &f->options;
    struct dsdn_store_options options = {
        .io = f->io, .segment_bytes = o->segment_bytes, .write = true, .no_index = o->no_index};
    struct dsdn_error first = DSDN_ERROR_INIT;
    int rc = DSDN_OK;
    if (o->genesis.len && (rc = dsdn_genesis_decode(&f->genesis, o->genesis.bytes, o->genesis.len, error)))
        return rc;
    if (o->genesis.len) options.genesis_hash = f->genesis.hash;
    rc = dsdn_store_open(f->dir, &options, &f->store, &report->store, &first);
    if (rc == DSDN_E_NOT_FOUND && o->genesis.len) {
        rc = dsdn_store_create(f->dir, &options, o->genesis, f->genesis.hash, NULL, error);
        if (!rc) rc = dsdn_store_open(f->dir, &options, &f->store, &report->store, error);
        report->created = !rc;
    } else if (rc && error) {
        *error = first;
    }
    if (rc || o->genesis.len) return rc;
    struct dsdn_view genesis = dsdn_store_genesis(f->store);
    return dsdn_genesis_decode(&f->genesis, genesis.bytes, genesis.len, error);
}

/* Where everything begins, before batch 0. */
static void begin_at_genesis(struct dsdn_follow *f)
{
    const struct dsdn_ev_genesis_declared *g = &f->genesis.event;
    f->start = g->da_start;
    f->root = (struct dsdn_fork_root){
        .eff = g->da_start,
        .origin_height = g->da_start,
        .limits = {.origin_lag_max = (uint64_t)dsdn_genesis_parameter(g, DSDN_PARAMETER_origin_lag_max),
                   .fork_window = (uint64_t)dsdn_genesis_parameter(g, DSDN_PARAMETER_fork_window)}};
    memcpy(f->root.hash, f->genesis.hash, 32);
}

/* The settled point: of DIR/follow; without a primary the end of the log, where nothing is ever undone. */
static int find_root(struct dsdn_follow *f, struct dsdn_follow_report *report, struct dsdn_error *error)
{
    struct dsdn_store_info info;
    struct dsdn_error bad = DSDN_ERROR_INIT;
    dsdn_store_info(f->store, &info);
    begin_at_genesis(f);
    int rc = f->primary ? record_read(f, &bad) : DSDN_E_NOT_FOUND;
    if (rc == DSDN_E_CHECKSUM) {
        report->record_lost = true;
        begin_at_genesis(f);
    } else if (rc && rc != DSDN_E_NOT_FOUND) {
        if (error) *error = bad;
        return rc;
    } else if (!rc) {
        f->recorded = f->root;
    }
    if (!f->primary) {
        f->root.next = info.durable_next;
        memcpy(f->root.hash, info.head, 32);
    }
    if (f->root.next <= info.durable_next) return DSDN_OK;
    return dsdn_fail_at(error, DSDN_E_CHAIN, f->dir, DSDN_NO_OFFSET,
                        "%llu batches are settled, and the log holds %llu", (unsigned long long)f->root.next,
                        (unsigned long long)info.durable_next);
}

/* The first height to read: nothing that matters can be below (log/sequencer.h), and direct bundles behind
 * the cursor of the settled state come again. */
static void begin_reading(struct dsdn_follow *f)
{
    uint64_t start = f->genesis.event.da_start;
    f->queue_from = f->settled_cursor = follow_cursor(f->engine);
    if (f->root.next) {
        const struct dsdn_cursor *at = &f->queue_from;
        uint64_t from = at->blob_index == DSDN_CURSOR_END ? at->height + 1 : at->height;
        if (from > start) start = from;
    }
    f->want = f->headers_from = start;
    f->read_to = start ? start - 1 : DSDN_HEIGHT_NONE;
}

static int start(struct dsdn_follow *f, struct dsdn_follow_report *report, struct dsdn_error *error)
{
    int rc = open_store(f, report, error);
    if (rc) return rc;
    f->primary = f->genesis.event.da_chain_id.len > 0;
    if ((rc = find_root(f, report, error))) return rc;
    if (!(f->keys = dsdn_key_cache_new(FOLLOW_KEYS)))
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a cache of checked keys");
    rc = checkpoints_find(f, error);
    if (!rc) rc = dsdn_follow_state_at(f, f->root.next, &f->engine, report, error);
    if (rc) return rc;
    if (!dsdn_equal32(dsdn_head(dsdn_engine_state(f->engine))->batch_hash, f->root.hash))
        return dsdn_fail_at(error, DSDN_E_CHAIN, f->dir, DSDN_NO_OFFSET,
                            "the log does not lead to the settled point of %llu batches",
                            (unsigned long long)f->root.next);
    begin_reading(f);
    rc = dsdn_follow_era_room(f, error);
    if (!rc) rc = dsdn_follow_era(f, error);
    if (rc) return rc;
    struct dsdn_sequencer_config config = {.primary = f->primary,
                                           .sources = DSDN_FOLLOW_SOURCES,
                                           .max_unsettled = f->options.max_unsettled,
                                           .root = f->root};
    memcpy(config.genesis, f->genesis.hash, 32);
    dsdn_follow_view(f);
    f->s = dsdn_sequencer_new(&config, &f->view, error);
    return f->s ? DSDN_OK : DSDN_E_NO_MEMORY;
}

int dsdn_follow_open(const struct dsdn_follow_options *options, struct dsdn_follow **out,
                     struct dsdn_follow_report *report, struct dsdn_error *error)
{
    struct dsdn_follow_report ignored;
    struct dsdn_follow *f = calloc(1, sizeof *f);
    if (!f) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a follower");
    if (!report) report = &ignored;
    *report = (struct dsdn_follow_report){0};
    f->options = *options;
    f->options.jobs = options->jobs ? options->jobs : 1;
    f->options.checkpoint_every = options->checkpoint_every ? options->checkpoint_every : 1000;
    f->options.direct_bytes = options->direct_bytes ? options->direct_bytes : DSDN_FOLLOW_DIRECT_MAX;
    f->io = options->io ? options->io : &dsdn_io_system;
    f->fetch = DSDN_HEIGHT_NONE;
    size_t len = strlen(options->dir);
    int rc =
        len < sizeof f->dir ? DSDN_OK : dsdn_fail(error, DSDN_E_USAGE, "the directory's name is too long");
    if (!rc) {
        memcpy(f->dir, options->dir, len + 1);
        rc = start(f, report, error);
    }
    f->options.genesis = (struct dsdn_view){NULL, 0}; /* the caller's, not to be kept */
    f->options.dir = f->dir;
    if (rc)
        dsdn_follow_close(f);
    else
        *out = f;
    return rc;
}

void dsdn_follow_close(struct dsdn_follow *f)
{
    if (!f) return;
    for (size_t i = f->event_first; i < f->event_end; i++) {
        free((void *)(uintptr_t)f->events[i].bytes.bytes);
        free((void *)(uintptr_t)f->events[i].second.bytes);
    }
    free(f->events);
    free(f->lent[0]);
    free(f->lent[1]);
    dsdn_sequencer_free(f->s);
    dsdn_follow_eras_drop(f, UINT64_MAX);
    if (f->era_cnt) free(f->eras[0].members);
    free(f->eras);
    free(f->applied);
    free(f->checkpoints);
    free(f->seen);
    free(f->headers);
    dsdn_direct_selection_free(&f->selection);
    dsdn_direct_queue_free(&f->queue);
    dsdn_prepared_free(&f->prepared);
    dsdn_buffer_free(&f->buffer);
    dsdn_engine_free(f->engine);
    dsdn_engine_free(f->scratch);
    dsdn_key_cache_free(f->keys);
    dsdn_store_close(f->store);
    dsdn_genesis_free(&f->genesis);
    free(f);
}
