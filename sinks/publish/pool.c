#include "sinks/publish/pool.h"

#include "log/hash.h"
#include "sinks/publish/journal.h"
#include "sinks/publish/pool_entries.h"
#include "statemachine/prepare.h"

#include <stdlib.h>

#define NONCE_AHEAD    65536u
#define NONCE_WINDOW   64u
#define JOURNAL_SMALL  ((uint64_t)1 << 20)
#define KEY_CACHE_KEYS 4096u

struct dsdn_pool {
    struct dsdn_pool_options options;
    struct dsdn_journal *journal;
    struct pool_entries entries;
    struct dsdn_batch_builder *builder; /* one bundle as a batch, for dsdn_prepare */
    struct dsdn_prepared prepared;
    struct dsdn_key_cache *cache;
    uint64_t answers[DSDN_POOL_ANSWER_CNT], expired, settled;
};

static const char *const answer_names[] = {
#define X(name, text) #name,
    DSDN_POOL_ANSWER_LIST(X)
#undef X
};
static const char *const answer_texts[] = {
#define X(name, text) text,
    DSDN_POOL_ANSWER_LIST(X)
#undef X
};

const char *dsdn_pool_answer_name(enum dsdn_pool_answer answer)
{
    return answer < DSDN_POOL_ANSWER_CNT ? answer_names[answer] : "UNKNOWN";
}

const char *dsdn_pool_answer_text(enum dsdn_pool_answer answer)
{
    return answer < DSDN_POOL_ANSWER_CNT ? answer_texts[answer] : "";
}

/* ---- opening ---- */

static int recall(void *self, const uint8_t *payload, size_t len, struct dsdn_error *error)
{
    struct dsdn_pool *pool = self;
    struct dsdn_bundle bundle;
    const uint8_t *p = payload;
    uint8_t id[32];
    int rc = dsdn_bundle_next(payload, &p, payload + len, &bundle, error);
    if (rc) return rc;
    if (p != payload + len || bundle.kind != DSDN_BUNDLE_POOL)
        return dsdn_fail(error, DSDN_E_MALFORMED, "a record of the pool is not one pool bundle");
    dsdn_bundle_message(pool->options.genesis, &bundle, id);
    /* A bundle that had expired, or whose nonce had settled, may stand in a file not yet rewritten. */
    if (pool_entries_find(&pool->entries, bundle.author, bundle.nonce)) return DSDN_OK;
    return pool_entries_add(&pool->entries, &bundle, id, payload, (uint32_t)len, error);
}

int dsdn_pool_open(const struct dsdn_pool_options *options, struct dsdn_pool **out,
                   struct dsdn_pool_report *report, struct dsdn_error *error)
{
    struct dsdn_pool *pool = calloc(1, sizeof *pool);
    bool created;
    *out = NULL;
    if (!pool) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the pool");
    pool->options = *options;
    struct dsdn_pool_options *o = &pool->options;
    if (!o->bundles_max) o->bundles_max = DSDN_POOL_BUNDLES;
    if (!o->author_bundles_max) o->author_bundles_max = DSDN_POOL_AUTHOR_BUNDLES;
    if (!o->bytes_max) o->bytes_max = DSDN_POOL_BYTES;
    if (!o->author_bytes_max) o->author_bytes_max = DSDN_POOL_AUTHOR_BYTES;
    *report = (struct dsdn_pool_report){0};
    int rc = pool_entries_init(&pool->entries, error);
    pool->builder = dsdn_batch_builder_new();
    pool->cache = dsdn_key_cache_new(KEY_CACHE_KEYS);
    if (!rc && (!pool->builder || !pool->cache))
        rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the pool");
    if (!rc) {
        struct dsdn_journal_options journal = {.io = o->io,
                                               .path = o->path,
                                               .kind = DSDN_JOURNAL_POOL,
                                               .genesis = o->genesis,
                                               .payload_max = DSDN_BATCH_LIMIT,
                                               .record = recall,
                                               .self = pool};
        rc = dsdn_journal_open(&journal, &pool->journal, &created, &report->cut, error);
    }
    if (rc) {
        dsdn_pool_close(pool);
        return rc;
    }
    report->kept = pool->entries.waiting.cnt;
    *out = pool;
    return DSDN_OK;
}

void dsdn_pool_close(struct dsdn_pool *pool)
{
    if (!pool) return;
    dsdn_journal_close(pool->journal);
    pool_entries_free(&pool->entries);
    dsdn_batch_builder_free(pool->builder);
    dsdn_prepared_free(&pool->prepared);
    dsdn_key_cache_free(pool->cache);
    free(pool);
}

/* ---- taking in ---- */

/* Where a nonce stands after a state, valid_until aside (docs/formats/state.md, A bundle). */
static enum dsdn_pool_answer judge_nonce(const struct dsdn_state *s, const uint8_t author[32], uint64_t nonce)
{
    uint32_t row = dsdn_sys_nonce_find(s, author);
    struct dsdn_sys_row_nonce n = {.highest = 0};
    if (row != DSDN_NO_ROW) n = *dsdn_sys_nonce_at(s, row);
    if (nonce > n.highest) return nonce - n.highest > NONCE_AHEAD ? DSDN_POOL_NONCE_FAR : DSDN_POOL_ACCEPTED;
    uint64_t behind = n.highest - nonce;
    return behind >= NONCE_WINDOW || (n.window >> behind & 1) ? DSDN_POOL_NONCE_USED : DSDN_POOL_ACCEPTED;
}

static bool expired(uint64_t valid_until, uint64_t time_ms)
{
    return valid_until && time_ms > valid_until;
}

static enum dsdn_pool_answer judge_room(const struct dsdn_pool *pool, const uint8_t author[32], size_t len)
{
    const struct dsdn_pool_options *o = &pool->options;
    const struct pool_entries *entries = &pool->entries;
    struct pool_author *a = pool_entries_author(entries, author);
    if (a && (a->cnt >= o->author_bundles_max || a->bytes + len > o->author_bytes_max))
        return DSDN_POOL_AUTHOR_FULL;
    if (!a && len > o->author_bytes_max) return DSDN_POOL_AUTHOR_FULL;
    bool full = entries->waiting.cnt + entries->taken.cnt >= o->bundles_max ||
                entries->waiting.bytes + entries->taken.bytes + len > o->bytes_max;
    return full ? DSDN_POOL_POOL_FULL : DSDN_POOL_ACCEPTED;
}

/* Frames, payloads and signature, by the same code that judges batches: the bundle as a batch of its own. id:
 * what its author signed. */
static enum dsdn_pool_answer judge_content(struct dsdn_pool *pool, const struct dsdn_engine *e,
                                           const uint8_t *bytes, size_t len, const uint8_t id[32],
                                           struct dsdn_error *error)
{
    struct dsdn_header header = {.sequence = 0};
    struct dsdn_view batch;
    memcpy(header.genesis, pool->options.genesis, 32);
    dsdn_batch_builder_reset(pool->builder);
    int rc = dsdn_batch_builder_bundle(pool->builder, bytes, len, error);
    if (!rc) rc = dsdn_batch_builder_finish(pool->builder, &header, NULL, &batch, error);
    if (!rc)
        rc = dsdn_prepare(&pool->prepared, pool->options.catalogue, dsdn_engine_seed(e), batch.bytes,
                          batch.len, error);
    if (rc) return rc == DSDN_E_NO_MEMORY ? DSDN_POOL_UNAVAILABLE : DSDN_POOL_MALFORMED;
    const struct dsdn_prepared *p = &pool->prepared;
    if (p->unknown_type || p->newest_type > dsdn_head(dsdn_engine_state(e))->version) {
        dsdn_fail(error, DSDN_E_TYPE_DISABLED,
                  "the bundle holds an event type or version that is not enabled");
        return DSDN_POOL_TYPE_DISABLED;
    }
    const struct dsdn_bundle *bundle = &p->bundles[0].bundle;
    bool good = dsdn_verify(pool->cache, bundle->author, id, bundle->signature);
    return good ? DSDN_POOL_ACCEPTED : DSDN_POOL_BAD_SIGNATURE;
}

static enum dsdn_pool_answer offer(struct dsdn_pool *pool, const struct dsdn_engine *e, uint64_t now_ms,
                                   const struct dsdn_bundle *bundle, const uint8_t *bytes, size_t len,
                                   const uint8_t id[32], struct dsdn_error *error)
{
    const struct dsdn_state *s = dsdn_engine_state(e);
    size_t room = (size_t)DSDN_SETTING(s, batch_max) - DSDN_BATCH_FIXED_LEN;
    if (bundle->kind != DSDN_BUNDLE_POOL) return DSDN_POOL_WRONG_KIND;
    if (len > room) return DSDN_POOL_TOO_LARGE;
    const struct pool_entry *same = pool_entries_find(&pool->entries, bundle->author, bundle->nonce);
    if (same) return dsdn_equal32(same->id, id) ? DSDN_POOL_KNOWN : DSDN_POOL_NONCE_TAKEN;
    if (expired(bundle->valid_until, now_ms)) return DSDN_POOL_EXPIRED;
    enum dsdn_pool_answer answer = judge_nonce(s, bundle->author, bundle->nonce);
    if (answer == DSDN_POOL_ACCEPTED) answer = judge_room(pool, bundle->author, len);
    if (answer == DSDN_POOL_ACCEPTED) answer = judge_content(pool, e, bytes, len, id, error);
    if (answer != DSDN_POOL_ACCEPTED) return answer;
    /* The entry first: a record that is in the file without an entry could not be taken back. */
    struct dsdn_view record = {bytes, len};
    if (pool_entries_add(&pool->entries, bundle, id, bytes, (uint32_t)len, error))
        return DSDN_POOL_UNAVAILABLE;
    if (dsdn_journal_append(pool->journal, &record, 1, error)) {
        pool_entries_drop(&pool->entries, pool_entries_find(&pool->entries, bundle->author, bundle->nonce));
        return DSDN_POOL_UNAVAILABLE;
    }
    return DSDN_POOL_ACCEPTED;
}

enum dsdn_pool_answer dsdn_pool_offer(struct dsdn_pool *pool, const struct dsdn_engine *e, uint64_t now_ms,
                                      const uint8_t *bytes, size_t len, size_t *used, uint8_t id[32],
                                      struct dsdn_error *error)
{
    struct dsdn_bundle bundle;
    const uint8_t *p = bytes;
    struct dsdn_error why = DSDN_ERROR_INIT;
    enum dsdn_pool_answer answer = DSDN_POOL_MALFORMED;
    memset(id, 0, 32);
    *used = 0;
    if (!dsdn_bundle_next(bytes, &p, bytes + len, &bundle, &why)) {
        *used = (size_t)(p - bytes);
        dsdn_bundle_message(pool->options.genesis, &bundle, id);
        answer = offer(pool, e, now_ms, &bundle, bytes, *used, id, &why);
    }
    if (!why.code) dsdn_fail(&why, DSDN_E_USAGE, "%s", dsdn_pool_answer_text(answer));
    if (error && answer > DSDN_POOL_KNOWN) *error = why;
    pool->answers[answer]++;
    return answer;
}

int dsdn_pool_sync(struct dsdn_pool *pool, struct dsdn_error *error)
{
    return dsdn_journal_sync(pool->journal, error);
}

/* ---- giving out ---- */

/* Bundles that turned out to be of no use: expired ones go, used ones wait for their nonce to settle. */
static void put_aside(struct dsdn_pool *pool, uint64_t time_ms, uint64_t next)
{
    for (struct pool_entry *entry; (entry = pool_entries_spent(&pool->entries));)
        if (expired(entry->valid_until, time_ms)) {
            pool->expired++;
            pool_entries_drop(&pool->entries, entry);
        } else
            pool_entries_take(&pool->entries, entry, next);
}

int dsdn_pool_fill(struct dsdn_pool *pool, const struct dsdn_engine *e, uint64_t time_ms, size_t bytes_max,
                   uint32_t events_max, struct dsdn_batch_builder *builder, struct dsdn_pool_filled *filled,
                   struct dsdn_error *error)
{
    const struct dsdn_state *s = dsdn_engine_state(e);
    size_t hard = (size_t)DSDN_SETTING(s, batch_max) - DSDN_BATCH_FIXED_LEN;
    struct pool_entry *at = NULL;
    int rc = DSDN_OK;
    *filled = (struct dsdn_pool_filled){0, 0};
    if (bytes_max > hard) bytes_max = hard;
    pool_entries_begin(&pool->entries);
    for (struct pool_entry *entry; !rc && (entry = pool_entries_turn(&pool->entries, &at));) {
        enum dsdn_pool_answer nonce = judge_nonce(s, entry->author->key, entry->nonce);
        if (nonce == DSDN_POOL_NONCE_USED || expired(entry->valid_until, time_ms)) {
            pool_entries_spend(&pool->entries, entry);
            continue;
        }
        /* Lower nonces of the author leave with this batch, so FAR is judged again for the next one. */
        if (nonce == DSDN_POOL_NONCE_FAR) continue;
        size_t size = dsdn_batch_builder_size(builder);
        bool first = !filled->bundles && size + entry->len <= hard;
        bool fits = size + entry->len <= bytes_max && filled->events < events_max &&
                    entry->events <= events_max - filled->events;
        if (!first && !fits) break;
        rc = dsdn_batch_builder_bundle(builder, entry->bytes, entry->len, error);
        if (rc) break;
        pool_entries_pick(&pool->entries, entry);
        filled->bundles++;
        filled->events += entry->events;
    }
    put_aside(pool, time_ms, dsdn_head(s)->sequence);
    return rc;
}

void dsdn_pool_took(struct dsdn_pool *pool, uint64_t next)
{
    pool_entries_take_picked(&pool->entries, next);
}

void dsdn_pool_rolled_back(struct dsdn_pool *pool, uint64_t next)
{
    pool_entries_return(&pool->entries, next);
}

static int write_live(void *self, struct dsdn_journal *to, struct dsdn_error *error)
{
    struct dsdn_pool *pool = self;
    const struct pool_list *lists[2] = {&pool->entries.taken, &pool->entries.waiting};
    int rc = DSDN_OK;
    for (int i = 0; i < 2; i++)
        for (const struct pool_entry *entry = lists[i]->first; entry && !rc; entry = entry->next) {
            struct dsdn_view record = {entry->bytes, entry->len};
            rc = dsdn_journal_append(to, &record, 1, error);
        }
    return rc;
}

int dsdn_pool_settled(struct dsdn_pool *pool, uint64_t next, struct dsdn_error *error)
{
    struct pool_entries *entries = &pool->entries;
    while (entries->taken.first && entries->taken.first->taken <= next) {
        pool->settled++;
        pool_entries_drop(entries, entries->taken.first);
    }
    uint64_t live = DSDN_JOURNAL_HEADER_LEN + entries->waiting.bytes + entries->taken.bytes +
                    (uint64_t)DSDN_JOURNAL_RECORD_LEN * (entries->waiting.cnt + entries->taken.cnt);
    if (dsdn_journal_bytes(pool->journal) <= JOURNAL_SMALL + 2 * live) return DSDN_OK;
    return dsdn_journal_rewrite(pool->journal, write_live, pool, error);
}

void dsdn_pool_stats(const struct dsdn_pool *pool, struct dsdn_pool_stats *stats)
{
    const struct pool_entries *entries = &pool->entries;
    *stats = (struct dsdn_pool_stats){.waiting = entries->waiting.cnt,
                                      .taken = entries->taken.cnt,
                                      .waiting_bytes = entries->waiting.bytes,
                                      .taken_bytes = entries->taken.bytes,
                                      .waiting_events = entries->waiting.events,
                                      .expired = pool->expired,
                                      .settled = pool->settled,
                                      .journal_bytes = dsdn_journal_bytes(pool->journal)};
    memcpy(stats->answers, pool->answers, sizeof stats->answers);
}
