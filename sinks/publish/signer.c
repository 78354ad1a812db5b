#include "sinks/publish/signer.h"

#include "log/fork_choice.h"
#include "sinks/publish/journal.h"

#include <stdlib.h>

#define RECORD_BATCH   1u
#define RECORD_HEADER  2u
#define RECORD_SETTLED 3u
#define FILE_SMALL     ((uint64_t)8 << 20)
/* No more sequences are open at once: a gap that a damaged or forged file names is not allocated for. */
#define OPEN_MAX 1048576u

struct dsdn_signer_file {
    struct dsdn_signer_options options;
    struct dsdn_journal *journal;
    struct dsdn_signed *locks; /* sequences [floor, floor + cnt); header.sequence is that of its place, or
                                  nothing was signed: then lock.sequence is UINT64_MAX */
    uint64_t floor;
    uint32_t cnt, cap;
};

static struct dsdn_signed *lock_at(const struct dsdn_signer_file *f, uint64_t sequence)
{
    if (sequence < f->floor || sequence - f->floor >= f->cnt) return NULL;
    struct dsdn_signed *lock = &f->locks[sequence - f->floor];
    return lock->lock.sequence == sequence ? lock : NULL;
}

/* Room for the lock of a sequence. */
static int make_room(struct dsdn_signer_file *f, uint64_t sequence, struct dsdn_signed **out,
                     struct dsdn_error *error)
{
    if (sequence < f->floor || sequence - f->floor >= OPEN_MAX)
        return dsdn_fail(error, DSDN_E_CHAIN,
                         "a lock for sequence %llu, where %llu is the first that is not settled",
                         (unsigned long long)sequence, (unsigned long long)f->floor);
    uint32_t place = (uint32_t)(sequence - f->floor);
    if (place >= f->cap) {
        uint32_t cap = f->cap ? f->cap : 64;
        while (cap <= place) cap *= 2;
        struct dsdn_signed *locks = realloc(f->locks, cap * sizeof *locks);
        if (!locks) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the locks of the signer");
        f->locks = locks;
        f->cap = cap;
    }
    for (; f->cnt <= place; f->cnt++)
        f->locks[f->cnt] = (struct dsdn_signed){.lock = {.sequence = UINT64_MAX}};
    *out = &f->locks[place];
    return DSDN_OK;
}

static void fill(struct dsdn_signed *lock, const struct dsdn_header *header, const uint8_t *bytes,
                 uint8_t *kept, size_t len)
{
    free(lock->bytes);
    *lock =
        (struct dsdn_signed){.lock = {.sequence = header->sequence, .origin_height = header->origin.height},
                             .header = *header,
                             .bytes = kept,
                             .len = len};
    dsdn_batch_hash(bytes, lock->lock.hash);
}

static void forget(struct dsdn_signer_file *f, uint64_t next)
{
    if (next <= f->floor) return;
    uint64_t cnt = next - f->floor < f->cnt ? next - f->floor : f->cnt;
    for (uint64_t i = 0; i < cnt; i++) free(f->locks[i].bytes);
    f->cnt -= (uint32_t)cnt;
    if (cnt) memmove(f->locks, f->locks + cnt, f->cnt * sizeof *f->locks);
    f->floor = next;
}

/* ---- opening ---- */

static int recall(void *self, const uint8_t *payload, size_t len, struct dsdn_error *error)
{
    struct dsdn_signer_file *f = self;
    struct dsdn_header header;
    struct dsdn_signed *lock;
    if (payload[0] == RECORD_SETTLED && len == 9) {
        forget(f, dsdn_load64(payload + 1));
        return DSDN_OK;
    }
    bool whole = payload[0] == RECORD_BATCH;
    if (!whole && payload[0] != RECORD_HEADER)
        return dsdn_fail(error, DSDN_E_MALFORMED, "an unknown record in the signer's file");
    int rc = dsdn_header_decode(payload + 1, len - 1, &header, error);
    if (rc) return rc;
    if (len != 1 + (whole ? DSDN_BATCH_FIXED_LEN + (size_t)header.body_len : DSDN_HEADER_LEN))
        return dsdn_fail(error, DSDN_E_MALFORMED,
                         "a record of the signer's file has another length than its batch");
    if (header.sequence < f->floor) return DSDN_OK; /* settled meanwhile; the file was not rewritten yet */
    rc = make_room(f, header.sequence, &lock, error);
    uint8_t *kept = NULL;
    if (!rc && whole) {
        kept = malloc(len - 1);
        if (!kept) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the batches of the signer");
        memcpy(kept, payload + 1, len - 1);
    }
    if (rc) return rc;
    fill(lock, &header, payload + 1, kept, whole ? len - 1 : 0);
    return DSDN_OK;
}

int dsdn_signer_open(const struct dsdn_signer_options *options, struct dsdn_signer_file **out,
                     struct dsdn_signer_report *report, struct dsdn_error *error)
{
    struct dsdn_signer_file *f = calloc(1, sizeof *f);
    *out = NULL;
    *report = (struct dsdn_signer_report){0};
    if (!f) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the signer");
    f->options = *options;
    struct dsdn_journal_options journal = {.io = options->io,
                                           .path = options->path,
                                           .kind = DSDN_JOURNAL_SIGNER,
                                           .genesis = options->genesis,
                                           .payload_max = 1 + DSDN_BATCH_LIMIT,
                                           .record = recall,
                                           .self = f};
    int rc = dsdn_journal_open(&journal, &f->journal, &report->created, &report->cut, error);
    if (rc) {
        dsdn_signer_close(f);
        return rc;
    }
    for (uint32_t i = 0; i < f->cnt; i++) report->locks += f->locks[i].lock.sequence != UINT64_MAX;
    *out = f;
    return DSDN_OK;
}

void dsdn_signer_close(struct dsdn_signer_file *f)
{
    if (!f) return;
    dsdn_journal_close(f->journal);
    for (uint32_t i = 0; i < f->cnt; i++) free(f->locks[i].bytes);
    free(f->locks);
    free(f);
}

const struct dsdn_signed *dsdn_signer_find(const struct dsdn_signer_file *f, uint64_t sequence)
{
    return lock_at(f, sequence);
}

uint64_t dsdn_signer_end(const struct dsdn_signer_file *f)
{
    uint32_t cnt = f->cnt;
    while (cnt && f->locks[cnt - 1].lock.sequence == UINT64_MAX) cnt--;
    return cnt ? f->floor + cnt : 0;
}

uint64_t dsdn_signer_floor(const struct dsdn_signer_file *f)
{
    return f->floor;
}

/* ---- signing ---- */

static struct dsdn_signer_facts facts_of(const struct dsdn_signer_file *f, const struct dsdn_signed *lock,
                                         uint64_t complete, uint64_t origin_lag_max)
{
    return (struct dsdn_signer_facts){.settled_next = f->floor,
                                      .complete = complete,
                                      .origin_lag_max = origin_lag_max,
                                      .old_included = lock && lock->included,
                                      .certificate = lock && lock->certified};
}

bool dsdn_signer_allows(const struct dsdn_signer_file *f, uint64_t sequence, uint64_t origin_height,
                        uint64_t complete, uint64_t origin_lag_max)
{
    /* Any header with this origin that is not the one of before: its counts do not matter to the rule. */
    struct dsdn_header header = {.sequence = sequence, .origin = {.height = origin_height}};
    const struct dsdn_signed *lock = lock_at(f, sequence);
    memcpy(header.publisher, f->options.key->public_key, 32);
    struct dsdn_signer_facts facts = facts_of(f, lock, complete, origin_lag_max);
    return dsdn_signer_may(DSDN_SIGNER_AUTHORITY, lock ? &lock->lock : NULL, &header, &facts) ==
           DSDN_SIGN_LOCK;
}

static int write_down(struct dsdn_signer_file *f, const struct dsdn_view *batch, struct dsdn_error *error)
{
    uint8_t kind = RECORD_BATCH;
    struct dsdn_view parts[2] = {{&kind, 1}, *batch};
    int rc = dsdn_journal_append(f->journal, parts, 2, error);
    return rc ? rc : dsdn_journal_sync(f->journal, error);
}

int dsdn_signer_sign(struct dsdn_signer_file *f, struct dsdn_batch_builder *builder,
                     struct dsdn_header *header, uint64_t complete, uint64_t origin_lag_max,
                     enum dsdn_signer_answer *answer, struct dsdn_view *batch, struct dsdn_error *error)
{
    struct dsdn_signed *lock = lock_at(f, header->sequence);
    struct dsdn_view made;
    *answer = DSDN_SIGN_REFUSE;
    *batch = (struct dsdn_view){NULL, 0};
    memcpy(header->publisher, f->options.key->public_key, 32);
    /* The signature exists in this process only, until write_down returned. */
    int rc = dsdn_batch_builder_finish(builder, header, f->options.key, &made, error);
    if (rc) return rc;
    struct dsdn_signer_facts facts = facts_of(f, lock, complete, origin_lag_max);
    enum dsdn_signer_answer may =
        dsdn_signer_may(DSDN_SIGNER_AUTHORITY, lock ? &lock->lock : NULL, header, &facts);
    if (may == DSDN_SIGN_LOCK) {
        uint8_t *kept = malloc(made.len);
        if (!kept) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the batches of the signer");
        rc = make_room(f, header->sequence, &lock, error);
        if (!rc) rc = write_down(f, &made, error);
        if (rc) {
            free(kept);
            return rc;
        }
        memcpy(kept, made.bytes, made.len);
        fill(lock, header, made.bytes, kept, made.len);
    }
    *answer = may;
    if (may != DSDN_SIGN_REFUSE) *batch = (struct dsdn_view){lock->bytes, lock->len};
    return DSDN_OK;
}

void dsdn_signer_saw(struct dsdn_signer_file *f, const uint8_t *bytes, size_t len, uint64_t height,
                     uint64_t time_ms, uint64_t origin_lag_max)
{
    struct dsdn_certificate certificate;
    struct dsdn_batch batch;
    bool bare = len >= 4 && memcmp(bytes, "DSDB", 4) == 0;
    if (len < 4 || (!bare && memcmp(bytes, "DSDC", 4) != 0)) return;
    if (bare ? dsdn_batch_decode(bytes, len, &batch, NULL)
             : dsdn_certified_decode(bytes, len, &certificate, &batch, NULL))
        return;
    struct dsdn_signed *lock = lock_at(f, batch.header.sequence);
    if (!lock || !dsdn_equal32(lock->lock.hash, batch.hash)) return;
    const struct dsdn_origin *origin = &batch.header.origin;
    /* Section 8: countable.  (That the body is good is not looked at: to count too much here only forbids.)
     */
    bool countable =
        origin->height < height && (!bare || (height - origin->height <= origin_lag_max &&
                                              (batch.header.time_ms <= time_ms ||
                                               batch.header.time_ms - time_ms <= DSDN_CLOCK_SLACK_MS)));
    if (countable) { /* need not be sent again */
        lock->included = true;
        free(lock->bytes);
        lock->bytes = NULL;
        lock->len = 0;
    }
    if (!bare) lock->certified = true;
}

/* ---- settling ---- */

static int write_live(void *self, struct dsdn_journal *to, struct dsdn_error *error)
{
    struct dsdn_signer_file *f = self;
    uint8_t settled[9] = {RECORD_SETTLED}, head[1 + DSDN_HEADER_LEN];
    dsdn_store64(settled + 1, f->floor);
    int rc = dsdn_journal_append(to, &(struct dsdn_view){settled, sizeof settled}, 1, error);
    for (uint32_t i = 0; i < f->cnt && !rc; i++) {
        const struct dsdn_signed *lock = &f->locks[i];
        if (lock->lock.sequence == UINT64_MAX) continue;
        uint8_t kind = RECORD_BATCH;
        struct dsdn_view parts[2] = {{&kind, 1}, {lock->bytes, lock->len}};
        if (lock->bytes)
            rc = dsdn_journal_append(to, parts, 2, error);
        else { /* it is on the primary: only that it was signed counts */
            head[0] = RECORD_HEADER;
            dsdn_header_encode(&lock->header, head + 1);
            rc = dsdn_journal_append(to, &(struct dsdn_view){head, sizeof head}, 1, error);
        }
    }
    return rc;
}

int dsdn_signer_settled(struct dsdn_signer_file *f, uint64_t next, struct dsdn_error *error)
{
    if (next <= f->floor) return DSDN_OK;
    uint8_t settled[9] = {RECORD_SETTLED};
    forget(f, next);
    dsdn_store64(settled + 1, next);
    /* Durable with the next signature: until then the locks below are in the file. */
    int rc = dsdn_journal_append(f->journal, &(struct dsdn_view){settled, sizeof settled}, 1, error);
    if (rc) return rc;
    uint64_t live = DSDN_JOURNAL_HEADER_LEN;
    for (uint32_t i = 0; i < f->cnt; i++)
        live += DSDN_JOURNAL_RECORD_LEN + 1 + (f->locks[i].bytes ? f->locks[i].len : DSDN_HEADER_LEN);
    if (dsdn_journal_bytes(f->journal) <= FILE_SMALL + 2 * live) return DSDN_OK;
    return dsdn_journal_rewrite(f->journal, write_live, f, error);
}
