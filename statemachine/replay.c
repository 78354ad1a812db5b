#include "statemachine/replay.h"

#include <pthread.h>
#include <stdlib.h>

/* A ring of slots, oldest first.  A slot is FREE, BUSY (somebody reads, frames and hashes it), SIGNING (its
 * signatures, those inside payloads at least, are taken in portions by whoever is idle), or READY for the
 * engine.  One mutex guards states; the work is outside it. */
enum { SLOTS = 16, GROUP = 4, PORTION = 32 };
enum slot_state { FREE, BUSY, SIGNING, READY };

struct slot {
    enum slot_state state;
    struct dsdn_buffer buffer;
    struct dsdn_record record;
    struct dsdn_prepared prepared;
    uint32_t portions, portions_of_bundles; /* of its signatures */
    uint32_t sign_next, sign_left;          /* next portion to hand out; portions not finished */
    int rc;
    struct dsdn_error error;
};

struct ring {
    struct dsdn_engine *engine;
    struct dsdn_source *source;
    const struct dsdn_replay_options *options;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct slot slots[SLOTS];
    uint64_t head, tail; /* slots [head, tail) are in use; slot of i is i % SLOTS */
    bool reading;        /* one reader at a time: a source is sequential */
    bool ended;          /* the source is exhausted, failed, or its end sequence was read */
    bool stopping;
    uint32_t group; /* batches that one thread takes together */
};

struct worker {
    struct ring *ring;
    struct dsdn_key_cache *cache;
    pthread_t thread;
};

static struct slot *slot_at(struct ring *r, uint64_t i)
{
    return &r->slots[i % SLOTS];
}

/* Says in which record a fault is.  Whoever saw only the batch may have counted from its start: that is no
 * place in the file, and bundle and event say it better. */
static void locate(struct dsdn_error *error, const struct dsdn_record *record)
{
    if (!error->file[0]) error->offset = DSDN_NO_OFFSET;
    dsdn_error_at(error, record->file, record->offset);
    dsdn_error_in(error, record->sequence);
}

/* Reads up to `want` records into the slots from `first` on; returns how many slots hold something (a record
 * or the source's error). */
static uint32_t read_group(struct ring *r, uint64_t first, uint32_t want, bool *ended)
{
    for (uint32_t i = 0; i < want; i++) {
        struct slot *s = slot_at(r, first + i);
        s->error = (struct dsdn_error)DSDN_ERROR_INIT;
        s->rc = dsdn_source_next(r->source, &s->buffer, &s->record, &s->error);
        if (s->rc == DSDN_E_AGAIN || (!s->rc && s->record.sequence >= r->options->end)) {
            *ended = true;
            return i;
        }
        if (s->rc) {
            *ended = true;
            return i + 1;
        }
    }
    return want;
}

static void check_group(struct ring *r, uint64_t first, uint32_t cnt)
{
    struct dsdn_prepared *good[GROUP];
    uint32_t n = 0;
    const struct dsdn_catalogue *catalogue = dsdn_engine_catalogue(r->engine);
    for (uint32_t i = 0; i < cnt; i++) {
        struct slot *s = slot_at(r, first + i);
        if (s->rc) continue;
        s->rc = dsdn_record_check(&s->record, &s->error);
        if (!s->rc)
            s->rc = dsdn_prepare(&s->prepared, catalogue, dsdn_engine_seed(r->engine), s->record.batch,
                                 s->record.len, &s->error);
        if (!s->rc && s->prepared.batch.header.sequence != s->record.sequence)
            s->rc = dsdn_fail(&s->error, DSDN_E_CHAIN, "a record of sequence %llu holds batch %llu",
                              (unsigned long long)s->record.sequence,
                              (unsigned long long)s->prepared.batch.header.sequence);
        if (s->rc)
            locate(&s->error, &s->record);
        else
            good[n++] = &s->prepared;
    }
    if (!r->options->checks || !n) return;
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (!dsdn_prepare_hashes(good, n, r->options->checks, &error)) return;
    for (uint32_t i = 0; i < cnt; i++) { /* rare: find out which one, by itself */
        struct slot *s = slot_at(r, first + i);
        struct dsdn_prepared *one = &s->prepared;
        if (s->rc) continue;
        memset(one->event_id_sum, 0, 32);
        s->rc = dsdn_prepare_hashes(&one, 1, r->options->checks, &s->error);
        if (s->rc) locate(&s->error, &s->record);
    }
}

static bool wants_signatures(const struct ring *r, const struct slot *s)
{
    if (s->rc || !(r->options->checks & DSDN_CHECK_SIGNATURES)) return false;
    return !(r->options->trust_checked && s->record.flags & DSDN_RECORD_SIGNATURES_CHECKED);
}

/* Portions of bundles, then portions of events with a signature inside. */
static uint32_t bundle_portions(const struct ring *r, const struct slot *s)
{
    return wants_signatures(r, s) ? s->prepared.bundle_cnt / PORTION + 1 : 0;
}

static uint32_t portions(const struct ring *r, const struct slot *s)
{
    return s->rc ? 0 : bundle_portions(r, s) + (s->prepared.embedded_cnt + PORTION - 1) / PORTION;
}

/* One portion of a slot's signatures; the first one of bundles has the batch's own signature too. */
static int verify_portion(const struct ring *r, struct slot *s, uint32_t portion,
                          struct dsdn_key_cache *cache, struct dsdn_error *error)
{
    uint32_t bundles = s->portions_of_bundles;
    if (portion >= bundles) {
        uint32_t from = (portion - bundles) * PORTION;
        dsdn_prepare_embedded(&s->prepared, dsdn_engine_catalogue(r->engine), from, from + PORTION, cache);
        return DSDN_OK;
    }
    /* A takeover batch (publisher zero) carries a certificate instead, which the engine judges. */
    bool batch = portion == 0 && !dsdn_zero32(s->prepared.batch.header.publisher);
    int rc = dsdn_prepare_signatures(&s->prepared, batch, portion * PORTION, (portion + 1) * PORTION, cache,
                                     error);
    if (rc) locate(error, &s->record);
    return rc;
}

/* Does one piece of work if there is any; called and returns with the mutex held. */
static bool work(struct ring *r, struct dsdn_key_cache *cache)
{
    for (uint64_t i = r->head; i < r->tail; i++) {
        struct slot *s = slot_at(r, i);
        if (s->state != SIGNING || s->sign_next >= s->portions) continue;
        uint32_t portion = s->sign_next++;
        struct dsdn_error error = DSDN_ERROR_INIT;
        pthread_mutex_unlock(&r->mutex);
        int rc = verify_portion(r, s, portion, cache, &error);
        pthread_mutex_lock(&r->mutex);
        /* Of several bad bundles the first is reported, whoever finds it when. */
        if (rc && (!s->rc || error.bundle + 1 < s->error.bundle + 1)) {
            s->rc = rc;
            s->error = error;
        }
        if (--s->sign_left == 0) {
            s->state = READY;
            pthread_cond_broadcast(&r->changed);
        }
        return true;
    }
    if (r->reading || r->ended || r->stopping || r->tail - r->head >= SLOTS) return false;
    uint64_t first = r->tail;
    uint32_t want = SLOTS - (uint32_t)(r->tail - r->head);
    if (want > r->group)
        want = r->group;
    else if (want < r->group && r->tail != r->head)
        return false; /* wait for a whole group */
    for (uint32_t i = 0; i < want; i++) slot_at(r, first + i)->state = BUSY;
    r->reading = true;
    pthread_mutex_unlock(&r->mutex);
    bool ended = false;
    uint32_t cnt = read_group(r, first, want, &ended);
    pthread_mutex_lock(&r->mutex);
    r->reading = false;
    r->ended |= ended;
    r->tail = first + cnt;
    for (uint32_t i = cnt; i < want; i++) slot_at(r, first + i)->state = FREE;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    check_group(r, first, cnt);
    pthread_mutex_lock(&r->mutex);
    for (uint32_t i = 0; i < cnt; i++) {
        struct slot *s = slot_at(r, first + i);
        s->sign_next = 0;
        s->portions_of_bundles = bundle_portions(r, s);
        s->portions = s->sign_left = portions(r, s);
        s->state = s->portions ? SIGNING : READY;
    }
    pthread_cond_broadcast(&r->changed);
    return true;
}

static void *work_all(void *argument)
{
    struct worker *w = argument;
    struct ring *r = w->ring;
    pthread_mutex_lock(&r->mutex);
    while (!r->stopping)
        if (!work(r, w->cache)) pthread_cond_wait(&r->changed, &r->mutex);
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* ---- the applying thread ---- */

static int apply_slot(struct ring *r, struct slot *s, struct dsdn_replay_result *result, bool *done,
                      struct dsdn_error *error)
{
    const struct dsdn_replay_options *o = r->options;
    int rc = s->rc;
    if (rc) {
        if (error) *error = s->error;
        return rc;
    }
    const struct dsdn_header *h = &s->prepared.batch.header;
    if (o->end_time_ms && h->time_ms > o->end_time_ms) {
        *done = true;
        return DSDN_OK;
    }
    bool verified = o->trust_checked && s->record.flags & DSDN_RECORD_SIGNATURES_CHECKED;
    rc = dsdn_engine_judge(r->engine, &s->prepared, verified ? &dsdn_certificate_verified : NULL, error);
    if (rc) return dsdn_error_at(error, s->record.file, s->record.offset), rc;
    rc = dsdn_engine_apply(r->engine, &s->prepared, error);
    if (rc) return rc;
    result->next = h->sequence + 1;
    result->batches++;
    result->events += s->prepared.op_cnt;
    result->bytes += s->record.len;
    if (wants_signatures(r, s)) result->signatures += 1u + s->prepared.signed_cnt;
    for (int i = 0; i < 32; i++) result->event_id_sum[i] ^= s->prepared.event_id_sum[i];
    if (o->applied) rc = o->applied(o->self, r->engine, &s->prepared, &s->record, error);
    if (!rc && o->root_every && (h->sequence + 1) % o->root_every == 0) {
        struct dsdn_roots roots;
        rc = dsdn_engine_root(r->engine, o->jobs > 1 ? 2 : 1, &roots, error);
        if (!rc && o->rooted) rc = o->rooted(o->self, h->sequence, &roots, error);
    }
    if (!rc && o->interrupted && *o->interrupted)
        rc =
            dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped after batch %llu", (unsigned long long)h->sequence);
    return rc;
}

static int apply_all(struct ring *r, struct dsdn_key_cache *cache, struct dsdn_replay_result *result,
                     struct dsdn_error *error)
{
    int rc = DSDN_OK;
    bool done = false;
    pthread_mutex_lock(&r->mutex);
    while (!rc && !done) {
        struct slot *s = slot_at(r, r->head);
        if (r->head < r->tail && s->state == READY) {
            pthread_mutex_unlock(&r->mutex);
            rc = apply_slot(r, s, result, &done, error);
            pthread_mutex_lock(&r->mutex);
            s->state = FREE;
            r->head++;
            if (r->head == r->tail || (r->tail - r->head) % r->group == 0)
                pthread_cond_broadcast(&r->changed);
        } else if (r->head == r->tail && r->ended && !r->reading) {
            break;
        } else if (!work(r, cache)) {
            pthread_cond_wait(&r->changed, &r->mutex);
        }
    }
    r->stopping = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    return rc;
}

int dsdn_replay(struct dsdn_engine *e, struct dsdn_source *source, const struct dsdn_replay_options *options,
                struct dsdn_replay_result *result, struct dsdn_error *error)
{
    struct ring *r = calloc(1, sizeof *r);
    unsigned jobs = options->jobs < 1 ? 1 : options->jobs > 64 ? 64 : options->jobs;
    struct worker *workers = calloc(jobs, sizeof *workers);
    *result = (struct dsdn_replay_result){.first = dsdn_head(dsdn_engine_state(e))->sequence};
    result->next = result->first;
    if (!r || !workers) {
        free(r);
        free(workers);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start a replay");
    }
    int rc = options->root_every ? dsdn_engine_track(e, error) : DSDN_OK;
    r->engine = e;
    r->source = source;
    r->options = options;
    r->group = options->checks & DSDN_CHECK_SIGNATURES && jobs > 1 ? 1 : options->checks ? GROUP : 2;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->changed, NULL);
    unsigned started = 0;
    for (unsigned i = 0; !rc && i < jobs; i++) {
        workers[i].ring = r;
        workers[i].cache = dsdn_key_cache_new(1u << 14);
        if (!workers[i].cache)
            rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a cache of checked keys");
        /* Worker 0 is the calling thread.  A thread that cannot be had costs speed, nothing else. */
        if (!rc && i && pthread_create(&workers[i].thread, NULL, work_all, &workers[i]) == 0)
            started = i;
        else if (i)
            break;
    }
    if (!rc) rc = apply_all(r, workers[0].cache, result, error);
    pthread_mutex_lock(&r->mutex);
    r->stopping = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    for (unsigned i = 1; i <= started; i++) pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < jobs; i++) dsdn_key_cache_free(workers[i].cache);
    for (uint32_t i = 0; i < SLOTS; i++) {
        dsdn_buffer_free(&r->slots[i].buffer);
        dsdn_prepared_free(&r->slots[i].prepared);
    }
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
    free(workers);
    free(r);
    return rc;
}
