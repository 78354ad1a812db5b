/* follow.c: what comes in and goes out. */
#include "statemachine/follow_internal.h"

#include <stdlib.h>

/* ---- blobs ---- */

/* Header and batch inside a blob that the sequencer took. */
static const uint8_t *batch_in(const uint8_t *bytes, size_t len)
{
    struct dsdn_certificate certificate;
    if (len < 4 || memcmp(bytes, "DSDC", 4) != 0) return bytes;
    return dsdn_certificate_decode(bytes + 4, len - 4, &certificate, NULL) ? NULL
                                                                           : bytes + 4 + certificate.len;
}

/* For the index, once the batch is settled.  Without memory there is a reference less. */
static void note_seen(struct dsdn_follow *f, const struct dsdn_place *place, const struct dsdn_da_blob *blob)
{
    const uint8_t *batch = batch_in(blob->bytes, blob->len);
    if (!batch || f->seen_cnt >= FOLLOW_SEEN_MAX || !dsdn_store_index(f->store)) return;
    if (dsdn_follow_room(&f->seen, &f->seen_cap, f->seen_cnt, sizeof *f->seen, NULL)) return;
    struct follow_seen *seen = &f->seen[f->seen_cnt++];
    seen->sequence = dsdn_load64(batch + 37);
    dsdn_batch_hash(batch, seen->hash);
    seen->place = (struct dsdn_da_reference){
        .source = DSDN_SOURCE_PRIMARY, .height = place->height, .blob_index = place->blob_index};
    memcpy(seen->place.commitment, blob->commitment, 32);
}

static bool is_direct(const struct dsdn_da_blob *blob)
{
    return blob->len >= 4 && memcmp(blob->bytes, "DSDD", 4) == 0;
}

/* Of the room for direct bundles a half is for the bundles themselves, and all of it for those that a batch
 * wants now; what the applied head has behind it nobody wants. */
static int queue_direct(struct dsdn_follow *f, const struct dsdn_da_height *h,
                        const struct dsdn_da_blob *blob, struct dsdn_error *error)
{
    struct dsdn_error why = DSDN_ERROR_INIT;
    const struct dsdn_cursor place = {h->height, blob->index}, head = follow_cursor(f->engine);
    size_t room = f->fetch == h->height ? f->options.direct_bytes : f->options.direct_bytes / 2;
    bool wanted = follow_before(&head, &place) && dsdn_direct_queue_bytes(&f->queue) + blob->len <= room;
    int rc = dsdn_direct_queue_add(&f->queue, f->options.catalogue, f->genesis.hash, h->height, blob->index,
                                   blob->bytes, blob->len, f->options.keep_direct && wanted, f->keys, &why);
    if (rc != DSDN_E_NO_MEMORY) return DSDN_OK; /* what can never be eligible is passed over like garbage */
    if (error) *error = why;
    return rc;
}

static int feed(struct dsdn_follow *f, const struct dsdn_da_height *h, bool direct, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    for (uint32_t i = 0; !rc && i < h->blob_cnt; i++) {
        const struct dsdn_da_blob *blob = &h->blobs[i];
        struct dsdn_place place = {DSDN_SOURCE_PRIMARY, h->height, blob->index, h->time_ms};
        if (!blob->bytes) continue;
        if (is_direct(blob)) {
            if (direct) rc = queue_direct(f, h, blob, error);
            continue;
        }
        enum dsdn_verdict verdict = dsdn_sequencer_blob(f->s, &place, blob->bytes, blob->len, NULL);
        if (verdict == DSDN_BLOB_ACCEPTED || verdict == DSDN_BLOB_HELD) note_seen(f, &place, blob);
        if (verdict != DSDN_BLOB_GARBAGE) rc = dsdn_follow_act(f, error);
    }
    return rc;
}

/* ---- heights ---- */

static int check_header(const struct dsdn_follow *f, const struct dsdn_da_height *h, struct dsdn_error *error)
{
    const struct dsdn_ev_genesis_declared *g = &f->genesis.event;
    const struct follow_header *known = dsdn_follow_header(f, h->height);
    if (h->height == g->da_start && !dsdn_equal32(h->hash, g->da_start_hash))
        return dsdn_fail(error, DSDN_E_CHAIN,
                         "the genesis names another header for height %llu of the primary",
                         (unsigned long long)h->height);
    if (known && (!dsdn_equal32(known->hash, h->hash) || known->time_ms != h->time_ms))
        return dsdn_fail(error, DSDN_E_CHAIN, "height %llu of the primary had another header before",
                         (unsigned long long)h->height);
    return DSDN_OK;
}

/* The height behind the newest read one is complete now. */
static void extend(struct dsdn_follow *f, const struct dsdn_da_height *h)
{
    f->read_to = h->height;
    if (h->height != f->headers_from + f->header_cnt) return; /* known, or below the settled origin */
    struct follow_header *header = &f->headers[f->header_cnt++];
    header->time_ms = h->time_ms;
    memcpy(header->hash, h->hash, 32);
}

int dsdn_follow_height(struct dsdn_follow *f, const struct dsdn_da_height *h, struct dsdn_error *error)
{
    if (f->fatal.code) {
        if (error) *error = f->fatal;
        return f->fatal.code;
    }
    if (!f->primary) return dsdn_fail(error, DSDN_E_USAGE, "a network without a primary has no heights");
    if (h->height > f->want)
        return dsdn_fail(error, DSDN_E_USAGE, "height %llu was fed where %llu is wanted",
                         (unsigned long long)h->height, (unsigned long long)f->want);
    int rc = check_header(f, h, error);
    bool fresh = h->height == f->read_to + 1; /* DSDN_HEIGHT_NONE + 1 is 0 */
    if (!rc && fresh)
        rc = dsdn_follow_room(&f->headers, &f->header_cap, f->header_cnt, sizeof *f->headers, error);
    if (rc) return rc;
    if (fresh) dsdn_direct_queue_cut(&f->queue, h->height); /* of an attempt that failed */
    f->again = DSDN_HEIGHT_NONE;
    if ((rc = feed(f, h, fresh || f->fetch == h->height, error))) return rc;
    if (f->fetch == h->height) f->fetch = DSDN_HEIGHT_NONE;
    /* Known already, or this height or one below comes again. */
    if (f->want != h->height || f->again <= h->height) return DSDN_OK;
    if (fresh && h->height == f->read_to + 1) extend(f, h);
    f->want = h->height + 1;
    dsdn_sequencer_complete(f->s, DSDN_SOURCE_PRIMARY, h->height);
    return dsdn_follow_act(f, error);
}

uint64_t dsdn_follow_want(const struct dsdn_follow *f)
{
    if (!f->primary || f->halted || f->fatal.code) return DSDN_HEIGHT_NONE;
    if (f->fetch < f->want) return f->fetch;
    return dsdn_follow_full(f) ? DSDN_HEIGHT_NONE : f->want;
}

int dsdn_follow_blob(struct dsdn_follow *f, const struct dsdn_place *place, const uint8_t *bytes, size_t len,
                     enum dsdn_verdict *verdict, struct dsdn_error *error)
{
    if (f->fatal.code) {
        if (error) *error = f->fatal;
        return f->fatal.code;
    }
    if (place->source >= DSDN_FOLLOW_SOURCES)
        return dsdn_fail(error, DSDN_E_USAGE, "there is no source %u", place->source);
    enum dsdn_verdict got = dsdn_sequencer_blob(f->s, place, bytes, len, error);
    if (verdict) *verdict = got;
    struct dsdn_error failed = DSDN_ERROR_INIT;
    int rc = dsdn_follow_act(f, &failed);
    if (rc && error) *error = failed;
    return rc;
}

int dsdn_follow_sync(struct dsdn_follow *f, struct dsdn_error *error)
{
    struct dsdn_index *index;
    int rc = dsdn_store_sync(f->store, error);
    if (rc) return rc;
    f->unsynced_batches = 0;
    f->unsynced_bytes = 0;
    if ((index = dsdn_store_index(f->store)))
        dsdn_index_sync(index, NULL); /* derived: damage costs time only */
    if ((rc = dsdn_follow_record(f, error))) return rc;
    struct dsdn_store_info info;
    dsdn_store_info(f->store, &info);
    return f->primary && f->recorded.next > info.sealed_next
               ? dsdn_store_seal(f->store, f->recorded.next, error)
               : DSDN_OK;
}

/* ---- events ---- */

bool dsdn_follow_event(struct dsdn_follow *f, struct dsdn_follow_event *event)
{
    free(f->lent[0]);
    free(f->lent[1]);
    f->lent[0] = f->lent[1] = NULL;
    if (f->event_first == f->event_end) return false;
    *event = f->events[f->event_first++];
    f->lent[0] = (uint8_t *)(uintptr_t)event->bytes.bytes;
    f->lent[1] = (uint8_t *)(uintptr_t)event->second.bytes;
    return true;
}

const char *dsdn_follow_event_name(enum dsdn_follow_event_kind kind)
{
    static const char *const names[] = {"?",     "APPLIED", "ROLLED_BACK", "SETTLED", "EVIDENCE",
                                        "ALARM", "WAITING", "HALTED",      "RESCAN"};
    return names[kind <= DSDN_FOLLOW_RESCAN ? kind : 0];
}

/* ---- where it stands ---- */

bool dsdn_follow_origin(const struct dsdn_follow *f, uint64_t height, struct dsdn_origin *origin)
{
    const struct follow_header *header = dsdn_follow_header(f, height);
    if (!header || f->read_to == DSDN_HEIGHT_NONE || height > f->read_to) return false;
    origin->height = height;
    origin->time_ms = header->time_ms;
    memcpy(origin->hash, header->hash, 32);
    return true;
}

/* Finality is prefix-closed. */
static uint64_t included(const struct dsdn_follow *f, uint64_t low, uint64_t high)
{
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (dsdn_sequencer_finality(f->s, middle) >= DSDN_FINALITY_PRIMARY)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void dsdn_follow_status(const struct dsdn_follow *f, struct dsdn_follow_status *status)
{
    struct dsdn_store_info info;
    dsdn_store_info(f->store, &info);
    *status = (struct dsdn_follow_status){
        .start = f->start,
        .complete = f->read_to != DSDN_HEIGHT_NONE && f->read_to >= f->start ? f->read_to : DSDN_HEIGHT_NONE,
        .next = dsdn_head(dsdn_engine_state(f->engine))->sequence,
        .settled = f->primary ? f->root.next : 0,
        .durable = info.durable_next,
        .want = dsdn_follow_want(f),
        .halted = f->halted || f->fatal.code,
        .queue_full = dsdn_follow_full(f),
        .direct_cnt = f->queue.cnt,
        .direct_bytes = dsdn_direct_queue_bytes(&f->queue),
        .rollbacks = f->rollbacks,
        .refused = f->refused,
    };
    status->included = f->primary ? included(f, status->settled, status->next) : 0;
    if (status->durable > status->next) status->durable = status->next;
    if (status->complete != DSDN_HEIGHT_NONE) dsdn_follow_origin(f, status->complete, &status->newest);
}

int dsdn_follow_select(struct dsdn_follow *f, const struct dsdn_origin *origin, uint64_t time_ms,
                       struct dsdn_direct_selection *selection, struct dsdn_error *error)
{
    const struct dsdn_cursor cursor = follow_cursor(f->engine);
    if (!f->options.keep_direct)
        return dsdn_fail(error, DSDN_E_USAGE, "this follower keeps no direct bundles");
    if (f->primary && (!dsdn_follow_queue_covers(f, &cursor) || f->read_to == DSDN_HEIGHT_NONE ||
                       origin->height > f->read_to))
        return dsdn_fail(error, DSDN_E_AGAIN, "height %llu of the primary was not read yet",
                         (unsigned long long)origin->height);
    int rc = dsdn_direct_select(f->engine, &f->queue, origin, time_ms, selection, error);
    for (uint32_t i = 0; !rc && i < selection->cnt; i++) {
        const struct dsdn_direct *d = selection->blobs[i];
        if (d->bundle) continue;
        f->fetch = d->height;
        rc = dsdn_fail(error, DSDN_E_AGAIN, "the direct bundles of height %llu must be read again",
                       (unsigned long long)d->height);
    }
    return rc;
}

struct dsdn_engine *dsdn_follow_engine(struct dsdn_follow *f)
{
    return f->engine;
}
struct dsdn_store *dsdn_follow_store(struct dsdn_follow *f)
{
    return f->store;
}
const struct dsdn_sequencer *dsdn_follow_sequencer(const struct dsdn_follow *f)
{
    return f->s;
}
const struct dsdn_direct_queue *dsdn_follow_queue(const struct dsdn_follow *f)
{
    return &f->queue;
}
