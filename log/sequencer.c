#include "log/sequencer.h"

#include "log/rescan.h"

#include <stdlib.h>

enum { CANDIDATES_MAX = 2, PENDING_MAX = 2, EVIDENCE_MAX = 32, KEY_CACHE = 256, UNSETTLED_DEFAULT = 65536 };

/* A certificate that waits until its set can be read: until the parent of its batch is applied. */
struct pending {
    uint8_t *bytes;
    uint32_t len;
    struct dsdn_place place;
};

/* What is kept of a candidate beside its node in the tree; index = node. */
struct held {
    uint8_t head[DSDN_BATCH_FIXED_LEN]; /* header and signature, for evidence */
    uint8_t *bytes;                     /* the whole batch, until it is applied; NULL: not held */
    uint32_t len;
    struct dsdn_place place; /* where it was seen first */
    struct pending pending[PENDING_MAX];
    bool applied;
    bool requested;               /* RESCAN for its bytes was given */
    bool paired, twice_certified; /* evidence about it was given */
};

struct evidence {
    enum dsdn_evidence kind;
    uint64_t sequence;
    uint8_t hash[32];
    int code;
    uint8_t *bytes; /* a whole batch, owned; NULL: head[0] */
    uint32_t len;
    uint8_t head[2][DSDN_BATCH_FIXED_LEN];
};

struct source {
    uint64_t complete;        /* DSDN_HEIGHT_NONE: nothing yet */
    struct dsdn_rescan ahead; /* let go above the tip */
    uint64_t beside;          /* lowest height let go beside the applied chain: of use if that is left */
};

struct dsdn_sequencer {
    struct dsdn_sequencer_config config;
    const struct dsdn_state_view *view;
    struct dsdn_fork_choice *fork;
    struct dsdn_key_cache *keys;
    struct held *held;
    uint32_t held_cap;
    struct dsdn_head head;
    uint32_t head_node;
    uint32_t halted;      /* node that this program cannot judge */
    bool lost;            /* the view's head is not in the tree */
    bool full;            /* the tree is; alarm given */
    bool confirm;         /* complete rose: provisional batches may be judged */
    uint32_t provisional; /* applied provisionally and not confirmed */
    uint64_t ready;       /* the highest `complete` of the primary ever: up to there batches can be judged */
    uint64_t waited;      /* height of the last WAIT given */
    struct source sources[DSDN_SEQUENCER_SOURCES];
    struct evidence ring[EVIDENCE_MAX];
    uint32_t ring_first, ring_count;
    uint8_t *given; /* evidence bytes lent to the shell until the next call */
    struct dsdn_action alarms[4];
    uint32_t alarm_count;
    struct dsdn_sequencer_stats stats;
};

#define X(name, text) #name,
static const char *const verdict_names[] = {DSDN_VERDICT_LIST(X)};
#undef X
#define X(name, text) text,
static const char *const verdict_texts[] = {DSDN_VERDICT_LIST(X)};
#undef X

const char *dsdn_verdict_name(enum dsdn_verdict verdict)
{
    return verdict_names[verdict];
}
const char *dsdn_verdict_text(enum dsdn_verdict verdict)
{
    return verdict_texts[verdict];
}

/* ---- what is held, and what is let go ---- */

static void charge(struct dsdn_sequencer *s, uint32_t len, uint32_t batches)
{
    s->stats.held_bytes += len;
    s->stats.held_batches += batches;
    if (s->stats.held_bytes > s->stats.held_bytes_peak) s->stats.held_bytes_peak = s->stats.held_bytes;
    if (s->stats.held_batches > s->stats.held_batches_peak)
        s->stats.held_batches_peak = s->stats.held_batches;
}

static void drop_bytes(struct dsdn_sequencer *s, struct held *h)
{
    if (!h->bytes) return;
    free(h->bytes);
    h->bytes = NULL;
    s->stats.held_bytes -= h->len;
    s->stats.held_batches--;
}

static void drop_pending(struct dsdn_sequencer *s, struct pending *p)
{
    if (!p->bytes) return;
    free(p->bytes);
    s->stats.held_bytes -= p->len;
    *p = (struct pending){0};
}

static void forget(void *self, uint32_t node)
{
    struct dsdn_sequencer *s = self;
    struct held *h = &s->held[node];
    drop_bytes(s, h);
    for (int i = 0; i < PENDING_MAX; i++) drop_pending(s, &h->pending[i]);
    if (s->halted == node) s->halted = DSDN_FORK_NONE;
}

/* A blob of this sequence is not kept: it lowers rescan_from of its source.  Above the tip it will be wanted
 * when the tip gets there; beside the applied chain, when that chain is left or a sibling turns out invalid.
 */
static void let_go(struct dsdn_sequencer *s, const struct dsdn_place *place, uint64_t sequence)
{
    struct source *source = &s->sources[place->source];
    if (sequence > s->head.next)
        dsdn_rescan_mark(&source->ahead, sequence, place->height);
    else if (place->height < source->beside)
        source->beside = place->height;
}

/* What was let go beside the applied chain is wanted after all, at once. */
static void want_beside(struct dsdn_sequencer *s)
{
    for (uint32_t i = 0; i < s->config.sources; i++) {
        struct source *source = &s->sources[i];
        if (source->beside != DSDN_HEIGHT_NONE) dsdn_rescan_mark(&source->ahead, 0, source->beside);
        source->beside = DSDN_HEIGHT_NONE;
    }
}

static uint64_t sequence_of(const struct dsdn_sequencer *s, uint32_t node)
{
    return dsdn_fork_choice_next(s->fork, node) - 1;
}

/* The node with bytes to give up for a batch of this sequence: the one furthest ahead, else the oldest beside
 * the applied chain. */
static uint32_t to_give_up(const struct dsdn_sequencer *s, uint64_t sequence)
{
    uint32_t node = DSDN_FORK_NONE;
    for (uint64_t q = s->head.next + DSDN_SEQUENCER_AHEAD; q-- > sequence + 1;)
        while ((node = dsdn_fork_choice_each(s->fork, q, node)) != DSDN_FORK_NONE)
            if (s->held[node].bytes) return node;
    uint64_t oldest = dsdn_fork_choice_next(s->fork, dsdn_fork_choice_root(s->fork));
    for (uint64_t q = oldest; q < s->head.next && q < sequence; q++)
        while ((node = dsdn_fork_choice_each(s->fork, q, node)) != DSDN_FORK_NONE)
            if (s->held[node].bytes) return node;
    return DSDN_FORK_NONE;
}

/* Makes room for len bytes of a batch of this sequence.  The nodes of those that go stay, so that nothing but
 * bytes is read again. */
static bool make_room(struct dsdn_sequencer *s, uint32_t len, uint32_t batches, uint64_t sequence)
{
    while (s->stats.held_bytes + len > DSDN_SEQUENCER_BYTES ||
           s->stats.held_batches + batches > DSDN_SEQUENCER_BATCHES) {
        uint32_t node = to_give_up(s, sequence);
        if (node == DSDN_FORK_NONE) return false;
        drop_bytes(s, &s->held[node]);
    }
    return true;
}

static bool keep_bytes(struct dsdn_sequencer *s, uint32_t node, const uint8_t *bytes, size_t len,
                       const struct dsdn_place *place)
{
    struct held *h = &s->held[node];
    if (h->bytes || h->applied) return true;
    h->place = *place;
    h->requested = false;
    if (!make_room(s, (uint32_t)len, 1, sequence_of(s, node)) || !(h->bytes = malloc(len))) return false;
    memcpy(h->bytes, bytes, len);
    h->len = (uint32_t)len;
    charge(s, h->len, 1);
    return true;
}

static bool reserve_held(struct dsdn_sequencer *s, uint32_t node)
{
    if (node < s->held_cap) return true;
    uint32_t cap = s->held_cap ? s->held_cap : 64;
    while (cap <= node) cap *= 2;
    struct held *held = realloc(s->held, (size_t)cap * sizeof(*held));
    if (!held) return false;
    s->held = held;
    s->held_cap = cap;
    return true;
}

/* ---- evidence and alarms ---- */

static struct evidence *evidence_new(struct dsdn_sequencer *s, enum dsdn_evidence kind, uint32_t node,
                                     int code)
{
    if (s->ring_count == EVIDENCE_MAX) {
        s->stats.evidence_lost++;
        return NULL;
    }
    struct evidence *e = &s->ring[(s->ring_first + s->ring_count++) % EVIDENCE_MAX];
    *e = (struct evidence){.kind = kind, .sequence = sequence_of(s, node), .code = code};
    memcpy(e->hash, dsdn_fork_choice_hash(s->fork, node), 32);
    memcpy(e->head[0], s->held[node].head, DSDN_BATCH_FIXED_LEN);
    s->stats.evidence++;
    return e;
}

static void alarm_give(struct dsdn_sequencer *s, int code, uint64_t sequence)
{
    if (s->alarm_count == sizeof(s->alarms) / sizeof(s->alarms[0])) return;
    s->alarms[s->alarm_count++] =
        (struct dsdn_action){.kind = DSDN_ACTION_ALARM, .code = code, .sequence = sequence};
}

/* The node stays, without bytes, until its sequence settles: a copy that was forgotten would be judged again,
 * at the price of a rollback. */
static void refuse(struct dsdn_sequencer *s, uint32_t node, int code)
{
    struct held *h = &s->held[node];
    struct evidence *e = evidence_new(s, DSDN_EVIDENCE_INVALID, node, code);
    if (e && h->bytes) {
        e->bytes = h->bytes; /* moves: the evidence owns it now */
        e->len = h->len;
        h->bytes = NULL;
        s->stats.held_bytes -= h->len;
        s->stats.held_batches--;
    }
    drop_bytes(s, h);
    dsdn_fork_choice_judge(s->fork, node, DSDN_INVALID, 0);
    want_beside(s);
}

/* One evidence pair for each (sequence, prev): did the key sign another header for this sequence? */
static void look_for_equivocation(struct dsdn_sequencer *s, uint32_t node, const struct dsdn_header *header)
{
    struct dsdn_fork_limits limits;
    uint32_t batch_max, other = DSDN_FORK_NONE, twin = DSDN_FORK_NONE;
    s->view->limits(s->view->self, &limits, &batch_max);
    while ((other = dsdn_fork_choice_each(s->fork, header->sequence, other)) != DSDN_FORK_NONE) {
        struct dsdn_header have;
        if (other == node || dsdn_header_decode(s->held[other].head, DSDN_HEADER_LEN, &have, NULL)) continue;
        if (s->held[other].paired && dsdn_equal32(have.prev, header->prev)) return;
        if (dsdn_equivocation(&have, header, limits.origin_lag_max)) twin = other;
    }
    if (twin == DSDN_FORK_NONE) return;
    s->held[node].paired = s->held[twin].paired = true;
    struct evidence *e = evidence_new(s, DSDN_EVIDENCE_EQUIVOCATION, node, DSDN_E_EQUIVOCATION);
    if (e) memcpy(e->head[1], s->held[twin].head, DSDN_BATCH_FIXED_LEN);
}

static void look_for_two_certificates(struct dsdn_sequencer *s, uint32_t node)
{
    uint32_t other = DSDN_FORK_NONE, twin = DSDN_FORK_NONE;
    uint64_t sequence = sequence_of(s, node);
    if (!dsdn_fork_choice_quorum(s->fork, node)) return;
    while ((other = dsdn_fork_choice_each(s->fork, sequence, other)) != DSDN_FORK_NONE) {
        if (s->held[other].twice_certified) return;
        if (other != node && dsdn_fork_choice_quorum(s->fork, other)) twin = other;
    }
    if (twin == DSDN_FORK_NONE) return;
    s->held[node].twice_certified = s->held[twin].twice_certified = true;
    struct evidence *e = evidence_new(s, DSDN_EVIDENCE_CERTIFICATES, node, DSDN_E_EQUIVOCATION);
    if (e) memcpy(e->head[1], s->held[twin].head, DSDN_BATCH_FIXED_LEN);
    alarm_give(s, DSDN_E_EQUIVOCATION, sequence);
}

/* ---- facts ---- */

static bool is_primary(const struct dsdn_sequencer *s, const struct dsdn_place *place)
{
    return s->config.primary && place->source == DSDN_SOURCE_PRIMARY;
}

/* Is the parent of node applied, so that the set and the parameters that judge node can be read? */
static bool parent_applied(const struct dsdn_sequencer *s, const uint8_t prev[32], uint64_t sequence)
{
    uint32_t parent = dsdn_fork_choice_find(s->fork, prev);
    return parent != DSDN_FORK_NONE && dsdn_fork_choice_next(s->fork, parent) == sequence &&
           (parent == dsdn_fork_choice_root(s->fork) || s->held[parent].applied);
}

static bool news(const struct dsdn_sequencer *s, uint32_t node, enum dsdn_carrier carrier,
                 const struct dsdn_place *place)
{
    struct dsdn_position position = {place->height, place->blob_index};
    return dsdn_fork_choice_countable(s->fork, node, carrier, is_primary(s, place) ? &position : NULL,
                                      place->header_time_ms);
}

static void record(struct dsdn_sequencer *s, uint32_t node, enum dsdn_carrier carrier,
                   const struct dsdn_place *place)
{
    struct dsdn_position position = {place->height, place->blob_index};
    dsdn_fork_choice_include(s->fork, node, carrier, is_primary(s, place) ? &position : NULL,
                             place->header_time_ms);
    if (carrier == DSDN_CARRIER_QUORUM) look_for_two_certificates(s, node);
}

/* Verifies a certificate against the set in the state before the batch; *carrier tells which kind it is. */
static bool certificate_good(struct dsdn_sequencer *s, const struct dsdn_certificate *certificate,
                             uint64_t sequence, const uint8_t hash[32], enum dsdn_carrier *carrier,
                             struct dsdn_error *error)
{
    struct dsdn_signer_set set;
    if (!s->view->set(s->view->self, sequence, certificate->set_id, &set)) {
        dsdn_fail(error, DSDN_E_SIGNATURE, "there is no certificate set %u", certificate->set_id);
        return false;
    }
    *carrier = set.kind == DSDN_SET_EMERGENCY ? DSDN_CARRIER_EMERGENCY : DSDN_CARRIER_QUORUM;
    return !dsdn_certificate_verify(certificate, set.members, set.count, s->config.genesis, sequence, hash,
                                    s->keys, error);
}

/* The parent of these children has just been applied: their certificates can be read now. */
static void read_pending(struct dsdn_sequencer *s, uint32_t parent)
{
    uint32_t node = DSDN_FORK_NONE;
    const uint8_t *prev = dsdn_fork_choice_hash(s->fork, parent);
    while ((node = dsdn_fork_choice_each_child(s->fork, prev, node)) != DSDN_FORK_NONE) {
        for (int i = 0; i < PENDING_MAX; i++) {
            struct pending *p = &s->held[node].pending[i];
            struct dsdn_certificate certificate;
            enum dsdn_carrier carrier;
            if (p->bytes && !dsdn_certificate_decode(p->bytes, p->len, &certificate, NULL) &&
                certificate_good(s, &certificate, sequence_of(s, node), dsdn_fork_choice_hash(s->fork, node),
                                 &carrier, NULL))
                record(s, node, carrier, &p->place);
            drop_pending(s, p);
        }
    }
}

static bool keep_pending(struct dsdn_sequencer *s, uint32_t node, const struct dsdn_certificate *certificate,
                         const uint8_t *bytes, const struct dsdn_place *place)
{
    for (int i = 0; i < PENDING_MAX; i++) {
        struct pending *p = &s->held[node].pending[i];
        if (p->bytes) continue;
        if (!make_room(s, (uint32_t)certificate->len, 0, sequence_of(s, node)) ||
            !(p->bytes = malloc(certificate->len)))
            return false;
        memcpy(p->bytes, bytes, certificate->len);
        p->len = (uint32_t)certificate->len;
        p->place = *place;
        charge(s, p->len, 0);
        return true;
    }
    return false;
}

static bool same_place(const struct dsdn_place *a, const struct dsdn_place *b)
{
    return a->source == b->source && a->height == b->height && a->blob_index == b->blob_index;
}

/* ---- following the applied head ---- */

static void applied_now(struct dsdn_sequencer *s, uint32_t node)
{
    struct held *h = &s->held[node];
    h->applied = true;
    h->requested = false;
    if (dsdn_fork_choice_validity(s->fork, node) == DSDN_PROVISIONAL) s->provisional++;
    drop_bytes(s, h);
}

/* The head moved: mark what is applied, read its parameters, then what waited for it. */
static void follow_head(struct dsdn_sequencer *s)
{
    struct dsdn_head head;
    s->view->head(s->view->self, &head);
    if (head.next == s->head.next && dsdn_equal32(head.hash, s->head.hash)) return;
    uint32_t node = dsdn_fork_choice_find(s->fork, head.hash);
    if (node == DSDN_FORK_NONE || dsdn_fork_choice_next(s->fork, node) != head.next) {
        if (!s->lost) alarm_give(s, DSDN_E_CHAIN, head.next);
        s->lost = true;
        return;
    }
    bool back = false;
    uint32_t old = s->head_node, up = node;
    while (old != up) {
        if (old == DSDN_FORK_NONE || (up != DSDN_FORK_NONE && dsdn_fork_choice_next(s->fork, up) >
                                                                  dsdn_fork_choice_next(s->fork, old))) {
            applied_now(s, up);
            up = dsdn_fork_choice_parent(s->fork, up);
            continue;
        }
        if (dsdn_fork_choice_validity(s->fork, old) == DSDN_PROVISIONAL) s->provisional--;
        s->held[old].applied = false;
        back = true;
        old = dsdn_fork_choice_parent(s->fork, old);
    }
    s->head = head;
    s->head_node = node;
    s->lost = false;
    s->waited = 0;
    if (back) want_beside(s);
    struct dsdn_fork_limits limits;
    uint32_t batch_max;
    s->view->limits(s->view->self, &limits, &batch_max);
    if (node != dsdn_fork_choice_root(s->fork)) dsdn_fork_choice_limits(s->fork, node, &limits);
    read_pending(s, node);
}

/* How far the primary's data is here for batches of this sequence: not beyond what was let go. */
static uint64_t complete_for(const struct dsdn_sequencer *s, uint64_t sequence)
{
    const struct source *primary = &s->sources[DSDN_SOURCE_PRIMARY];
    uint64_t from = dsdn_rescan_from(&primary->ahead, sequence);
    if (primary->complete == DSDN_HEIGHT_NONE || from == 0) return 0;
    return from <= primary->complete ? from - 1 : primary->complete;
}

static void settle(struct dsdn_sequencer *s)
{
    for (;;) {
        uint32_t root = dsdn_fork_choice_root(s->fork), child = dsdn_fork_choice_child(s->fork, root);
        uint64_t next = dsdn_fork_choice_next(s->fork, root);
        if (child == DSDN_FORK_NONE || !s->held[child].applied) return;
        if (s->config.primary ? dsdn_fork_choice_settles(s->fork, complete_for(s, next)) == DSDN_FORK_NONE
                              : s->head.next - next <= DSDN_SEQUENCER_AHEAD)
            return;
        dsdn_fork_choice_advance(s->fork, forget, s);
        s->full = false;
    }
}

/* ---- judging ---- */

/* Asks the state about a child of the head whose bytes are here.  False: nothing changed. */
static bool judge(struct dsdn_sequencer *s, uint32_t node, struct dsdn_error *error)
{
    struct held *h = &s->held[node];
    struct dsdn_batch batch;
    struct dsdn_fork_limits limits;
    uint32_t batch_max;
    uint64_t wait = 0;
    struct dsdn_error why = DSDN_ERROR_INIT;
    enum dsdn_judgement said = DSDN_JUDGED_INVALID;
    s->view->limits(s->view->self, &limits, &batch_max);
    if (!dsdn_batch_decode(h->bytes, h->len, &batch, &why)) {
        if (batch.len > batch_max)
            dsdn_fail(&why, DSDN_E_TOO_LARGE, "a batch of %zu bytes is above batch_max %u", batch.len,
                      batch_max);
        else
            said = s->view->judge(s->view->self, &batch, &wait, &why);
    }
    if (error) *error = why;
    dsdn_error_in(error, sequence_of(s, node));
    switch (said) {
    case DSDN_JUDGED_VALID: dsdn_fork_choice_judge(s->fork, node, DSDN_VALID, 0); return true;
    case DSDN_JUDGED_INVALID: refuse(s, node, why.code); return true;
    case DSDN_JUDGED_WAIT: {
        if (wait <= s->ready) wait = s->ready + 1;
        bool certified = dsdn_fork_choice_certified(s->fork, node);
        dsdn_fork_choice_judge(s->fork, node, certified ? DSDN_PROVISIONAL : DSDN_UNJUDGED, wait);
        return certified;
    }
    case DSDN_JUDGED_HALT:
        if (s->halted != node) alarm_give(s, why.code, sequence_of(s, node));
        s->halted = node;
    }
    return false;
}

/* Not judged yet, or only provisionally and the data is here by now. */
static bool to_judge(const struct dsdn_sequencer *s, uint32_t node)
{
    enum dsdn_validity validity = dsdn_fork_choice_validity(s->fork, node);
    return validity == DSDN_UNJUDGED ||
           (validity == DSDN_PROVISIONAL && dsdn_fork_choice_ready_height(s->fork, node) <= s->ready);
}

/* Can the state be asked about this child of the head, as far as is known here? */
static bool can_judge(const struct dsdn_sequencer *s, uint32_t node)
{
    return to_judge(s, node) && node != s->halted &&
           (dsdn_fork_choice_ready_height(s->fork, node) <= s->ready ||
            dsdn_fork_choice_certified(s->fork, node));
}

/* Data came: judges the batches that were applied without it, lowest first. */
static void confirm(struct dsdn_sequencer *s)
{
    if (!s->confirm) return;
    s->confirm = false;
    uint32_t node = dsdn_fork_choice_root(s->fork);
    while (s->provisional && (node = dsdn_fork_choice_child(s->fork, node)) != DSDN_FORK_NONE &&
           s->held[node].applied) {
        if (dsdn_fork_choice_validity(s->fork, node) != DSDN_PROVISIONAL ||
            dsdn_fork_choice_ready_height(s->fork, node) > s->ready)
            continue;
        uint64_t wait = 0;
        struct dsdn_error why = DSDN_ERROR_INIT;
        enum dsdn_judgement said = s->view->confirm(s->view->self, sequence_of(s, node), &wait, &why);
        if (said == DSDN_JUDGED_HALT) {
            alarm_give(s, why.code, sequence_of(s, node));
        } else if (said == DSDN_JUDGED_WAIT) {
            dsdn_fork_choice_judge(s->fork, node, DSDN_PROVISIONAL, wait > s->ready ? wait : s->ready + 1);
        } else {
            s->provisional--;
            if (said == DSDN_JUDGED_VALID) {
                dsdn_fork_choice_judge(s->fork, node, DSDN_VALID, 0);
                continue;
            }
            refuse(s, node, why.code); /* leaves the path, and with it everything after it */
            return;
        }
    }
}

/* ---- intake ---- */

struct parsed {
    struct dsdn_header header;
    const uint8_t *batch, *certificate_bytes;
    size_t len;
    bool certified;
    struct dsdn_certificate certificate;
    uint8_t hash[32];
};

static enum dsdn_verdict parse(const struct dsdn_sequencer *s, const uint8_t *bytes, size_t len,
                               struct parsed *p, struct dsdn_error *error)
{
    p->batch = bytes;
    p->len = len;
    p->certified = len >= 4 && memcmp(bytes, "DSDC", 4) == 0;
    if (p->certified) {
        p->certificate_bytes = bytes + 4;
        if (dsdn_certificate_decode(bytes + 4, len - 4, &p->certificate, error)) return DSDN_BLOB_GARBAGE;
        p->batch = bytes + 4 + p->certificate.len;
        p->len = len - 4 - p->certificate.len;
    }
    if (dsdn_header_decode(p->batch, p->len, &p->header, error)) return DSDN_BLOB_GARBAGE;
    if (p->len != DSDN_BATCH_FIXED_LEN + (size_t)p->header.body_len) {
        dsdn_fail(error, DSDN_E_MALFORMED, "a blob of %zu bytes holds a batch of %zu", p->len,
                  DSDN_BATCH_FIXED_LEN + (size_t)p->header.body_len);
        return DSDN_BLOB_GARBAGE;
    }
    if (!dsdn_equal32(p->header.genesis, s->config.genesis)) {
        dsdn_fail(error, DSDN_E_WRONG_GENESIS, "the batch names another genesis");
        return DSDN_BLOB_WRONG_GENESIS;
    }
    return DSDN_BLOB_ACCEPTED;
}

/* Sequence and publisher, before anything costly. */
static enum dsdn_verdict admit(struct dsdn_sequencer *s, const struct parsed *p,
                               const struct dsdn_place *place, struct dsdn_error *error)
{
    const struct dsdn_header *h = &p->header;
    uint64_t settled = dsdn_fork_choice_next(s->fork, dsdn_fork_choice_root(s->fork));
    if (h->sequence < settled) {
        dsdn_fail(error, DSDN_E_CHAIN, "sequence %llu is settled", (unsigned long long)h->sequence);
        return DSDN_BLOB_STALE;
    }
    if (h->sequence - settled >= s->head.next - settled + DSDN_SEQUENCER_AHEAD) {
        dsdn_fail(error, DSDN_E_AGAIN, "sequence %llu is more than %u above the tip",
                  (unsigned long long)h->sequence, DSDN_SEQUENCER_AHEAD);
        let_go(s, place, h->sequence);
        return DSDN_BLOB_OUT_OF_WINDOW;
    }
    bool here = parent_applied(s, h->prev, h->sequence);
    /* A takeover has no key of its own: it is known by its certificate, whose set must be readable. */
    if (dsdn_zero32(h->publisher)
            ? p->certified && here
            : s->view->may(s->view->self, h->publisher, h->committee_epoch) != DSDN_RIGHT_UNKNOWN)
        return DSDN_BLOB_ACCEPTED;
    dsdn_fail(error, DSDN_E_AUTHORITY, "the publisher has no right that is known here");
    if (!here) let_go(s, place, h->sequence); /* with its parent applied the state's word is final */
    return DSDN_BLOB_UNKNOWN_PUBLISHER;
}

/* Signature, body hash and, where its set can be read, the certificate. */
static enum dsdn_verdict check(struct dsdn_sequencer *s, const struct parsed *p, enum dsdn_carrier *carrier,
                               bool *wait, struct dsdn_error *error)
{
    uint8_t digest[32];
    bool takeover = dsdn_zero32(p->header.publisher);
    *carrier = DSDN_CARRIER_COUNT; /* the batch itself is not known to be good yet */
    dsdn_batch_message(p->batch, digest);
    if (!takeover && !dsdn_verify(s->keys, p->header.publisher, digest, p->batch + DSDN_HEADER_LEN)) {
        dsdn_fail(error, DSDN_E_SIGNATURE, "the batch signature does not verify");
        return DSDN_BLOB_BAD_SIGNATURE;
    }
    dsdn_body_hash(p->batch + DSDN_BATCH_FIXED_LEN, p->header.body_len, digest);
    if (!dsdn_equal32(digest, p->header.body_hash)) {
        dsdn_fail(error, DSDN_E_BODY_HASH, "the body does not match the header");
        return DSDN_BLOB_BODY_MISMATCH;
    }
    *carrier = DSDN_CARRIER_BARE;
    *wait = p->certified && !parent_applied(s, p->header.prev, p->header.sequence);
    if (p->certified && !*wait &&
        (!certificate_good(s, &p->certificate, p->header.sequence, p->hash, carrier, error) ||
         (takeover && *carrier != DSDN_CARRIER_QUORUM))) {
        if (takeover && *carrier == DSDN_CARRIER_EMERGENCY)
            dsdn_fail(error, DSDN_E_AUTHORITY, "a takeover needs a quorum certificate");
        return DSDN_BLOB_BAD_SIGNATURE;
    }
    return DSDN_BLOB_ACCEPTED;
}

/* Does a copy of a known batch say anything new?  If not, nothing of it needs checking. */
static bool worth_checking(struct dsdn_sequencer *s, uint32_t node, const struct parsed *p,
                           const struct dsdn_place *place)
{
    const struct held *h = &s->held[node];
    struct dsdn_signer_set set;
    if (dsdn_fork_choice_validity(s->fork, node) == DSDN_INVALID) return false;
    if (!h->bytes && !h->applied) return true;
    if (!p->certified) return news(s, node, DSDN_CARRIER_BARE, place);
    for (int i = 0; i < PENDING_MAX; i++)
        if (h->pending[i].bytes && same_place(&h->pending[i].place, place)) return false;
    if (!parent_applied(s, p->header.prev, p->header.sequence))
        return news(s, node, DSDN_CARRIER_QUORUM, place) || news(s, node, DSDN_CARRIER_EMERGENCY, place);
    if (!s->view->set(s->view->self, p->header.sequence, p->certificate.set_id, &set)) return false;
    return news(s, node, set.kind == DSDN_SET_EMERGENCY ? DSDN_CARRIER_EMERGENCY : DSDN_CARRIER_QUORUM,
                place);
}

static enum dsdn_verdict add(struct dsdn_sequencer *s, const struct parsed *p, const struct dsdn_place *place,
                             uint32_t *node, struct dsdn_error *error)
{
    struct dsdn_candidate candidate = {.sequence = p->header.sequence,
                                       .time_ms = p->header.time_ms,
                                       .origin_height = p->header.origin.height};
    memcpy(candidate.hash, p->hash, 32);
    memcpy(candidate.prev, p->header.prev, 32);
    int code = dsdn_fork_choice_add(s->fork, &candidate, node, error);
    if (!code && !reserve_held(s, *node)) {
        dsdn_fork_choice_remove(s->fork, *node);
        code = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a candidate");
    }
    if (code) {
        if (code == DSDN_E_TOO_LARGE && !s->full) alarm_give(s, code, p->header.sequence);
        s->full |= code == DSDN_E_TOO_LARGE;
        let_go(s, place, p->header.sequence);
        return DSDN_BLOB_DROPPED;
    }
    s->held[*node] = (struct held){.place = *place};
    memcpy(s->held[*node].head, p->batch, DSDN_BATCH_FIXED_LEN);
    return DSDN_BLOB_ACCEPTED;
}

/* Two candidates are kept for each (sequence, prev); of others the facts alone, so that nothing decisive is
 * lost, and their bytes are read again should they be chosen.  True: it is the bytes of node that went. */
static bool thin_out(struct dsdn_sequencer *s, uint32_t node, const uint8_t prev[32])
{
    uint32_t cnt = 0, sibling = DSDN_FORK_NONE, victim = node;
    while ((sibling = dsdn_fork_choice_each_child(s->fork, prev, sibling)) != DSDN_FORK_NONE) {
        cnt += s->held[sibling].bytes != NULL;
        if (dsdn_fork_choice_on_path(s->fork, node) && s->held[sibling].bytes && sibling != node)
            victim = sibling;
    }
    if (cnt <= CANDIDATES_MAX) return false;
    drop_bytes(s, &s->held[victim]);
    return victim == node;
}

static enum dsdn_verdict take(struct dsdn_sequencer *s, const struct dsdn_place *place, const uint8_t *bytes,
                              size_t len, struct dsdn_error *error)
{
    struct parsed p;
    enum dsdn_carrier carrier;
    bool wait;
    follow_head(s);
    enum dsdn_verdict verdict = parse(s, bytes, len, &p, error);
    if (verdict == DSDN_BLOB_ACCEPTED) verdict = admit(s, &p, place, error);
    if (verdict != DSDN_BLOB_ACCEPTED) return verdict;
    dsdn_batch_hash(p.batch, p.hash);
    uint32_t node = dsdn_fork_choice_find(s->fork, p.hash);
    bool known = node != DSDN_FORK_NONE;
    if (known && !worth_checking(s, node, &p, place)) return DSDN_BLOB_DUPLICATE;
    verdict = check(s, &p, &carrier, &wait, error);
    if (verdict == DSDN_BLOB_BAD_SIGNATURE && carrier != DSDN_CARRIER_COUNT && known)
        keep_bytes(s, node, p.batch, p.len, place); /* only the wrapping is false: the batch may be wanted */
    if (verdict == DSDN_BLOB_ACCEPTED && !known) verdict = add(s, &p, place, &node, error);
    if (verdict != DSDN_BLOB_ACCEPTED) return verdict;

    if (!wait)
        record(s, node, carrier, place);
    else if (!keep_pending(s, node, &p.certificate, p.certificate_bytes, place))
        let_go(s, place, p.header.sequence);
    if (!known) look_for_equivocation(s, node, &p.header);
    if (!keep_bytes(s, node, p.batch, p.len, place)) {
        dsdn_fail(error, DSDN_E_NO_MEMORY, "no room to hold the batch");
        return DSDN_BLOB_DROPPED; /* its node stays and knows where the bytes are: RESCAN when it is chosen */
    }
    if (dsdn_equal32(p.header.prev, s->head.hash) && p.header.sequence == s->head.next &&
        !s->held[node].applied && can_judge(s, node)) {
        judge(s, node, error);
        if (dsdn_fork_choice_validity(s->fork, node) == DSDN_INVALID) return DSDN_BLOB_INVALID;
    }
    if (thin_out(s, node, p.header.prev)) {
        dsdn_fail(error, DSDN_E_EQUIVOCATION, "two siblings of this batch are held");
        return DSDN_BLOB_DROPPED;
    }
    return parent_applied(s, p.header.prev, p.header.sequence) ? DSDN_BLOB_ACCEPTED : DSDN_BLOB_HELD;
}

enum dsdn_verdict dsdn_sequencer_blob(struct dsdn_sequencer *s, const struct dsdn_place *place,
                                      const uint8_t *bytes, size_t len, struct dsdn_error *error)
{
    enum dsdn_verdict verdict = take(s, place, bytes, len, error);
    s->stats.verdicts[verdict]++;
    return verdict;
}

void dsdn_sequencer_complete(struct dsdn_sequencer *s, uint32_t source, uint64_t height)
{
    struct source *at = &s->sources[source];
    if (at->complete != DSDN_HEIGHT_NONE && height <= at->complete) return;
    at->complete = height;
    if (!s->config.primary || source != DSDN_SOURCE_PRIMARY) return;
    s->confirm = true;
    if (height > s->ready) s->ready = height;
    dsdn_fork_choice_ready(s->fork, height);
}

/* ---- actions ---- */

static bool give_rescan(struct dsdn_sequencer *s, uint32_t source, uint64_t height,
                        struct dsdn_action *action)
{
    struct source *at = &s->sources[source];
    if (at->complete != DSDN_HEIGHT_NONE && at->complete >= height)
        at->complete = height ? height - 1 : DSDN_HEIGHT_NONE;
    s->stats.rescans++;
    *action = (struct dsdn_action){.kind = DSDN_ACTION_RESCAN, .source = source, .height = height};
    return true;
}

/* The bytes of a node are not held any more: read them again where the primary has them, else where they were
 * seen. */
static bool give_rescan_for(struct dsdn_sequencer *s, uint32_t node, struct dsdn_action *action)
{
    const struct dsdn_inclusions *seen = dsdn_fork_choice_inclusions(s->fork, node);
    uint64_t height = DSDN_HEIGHT_NONE;
    for (int carrier = 0; carrier < DSDN_CARRIER_COUNT; carrier++)
        if (seen->lowest[carrier].height < height) height = seen->lowest[carrier].height;
    if (height != DSDN_HEIGHT_NONE) return give_rescan(s, DSDN_SOURCE_PRIMARY, height, action);
    return give_rescan(s, s->held[node].place.source, s->held[node].place.height, action);
}

static bool give_evidence(struct dsdn_sequencer *s, struct dsdn_action *action)
{
    struct evidence *e = &s->ring[s->ring_first];
    s->ring_first = (s->ring_first + 1) % EVIDENCE_MAX;
    s->ring_count--;
    s->given = e->bytes;
    *action = (struct dsdn_action){
        .kind = DSDN_ACTION_EVIDENCE, .sequence = e->sequence, .code = e->code, .evidence = e->kind};
    memcpy(action->hash, e->hash, 32);
    action->bytes = e->bytes ? (struct dsdn_view){e->bytes, e->len}
                             : (struct dsdn_view){e->head[0], DSDN_BATCH_FIXED_LEN};
    if (e->kind != DSDN_EVIDENCE_INVALID)
        action->second = (struct dsdn_view){e->head[1], DSDN_BATCH_FIXED_LEN};
    e->bytes = NULL;
    return true;
}

/* The applied head is not on the chosen path: go back to where it left it. */
static bool give_rollback(struct dsdn_sequencer *s, struct dsdn_action *action)
{
    uint32_t node = s->head_node;
    while (!dsdn_fork_choice_on_path(s->fork, node)) node = dsdn_fork_choice_parent(s->fork, node);
    s->stats.rollbacks++;
    *action =
        (struct dsdn_action){.kind = DSDN_ACTION_ROLLBACK, .sequence = dsdn_fork_choice_next(s->fork, node)};
    memcpy(action->hash, dsdn_fork_choice_hash(s->fork, node), 32);
    return true;
}

static bool give_apply(const struct dsdn_sequencer *s, uint32_t node, struct dsdn_action *action)
{
    const struct held *h = &s->held[node];
    *action =
        (struct dsdn_action){.kind = DSDN_ACTION_APPLY,
                             .sequence = sequence_of(s, node),
                             .provisional = dsdn_fork_choice_validity(s->fork, node) == DSDN_PROVISIONAL,
                             .bytes = {h->bytes, h->len}};
    memcpy(action->hash, dsdn_fork_choice_hash(s->fork, node), 32);
    return true;
}

/* Nothing is chosen: a child of the head whose judgement may change that.  (Two certificates off the primary
 * hold the tip, unless one of the two batches is invalid.) */
static uint32_t undecided(const struct dsdn_sequencer *s)
{
    uint32_t node = DSDN_FORK_NONE;
    while ((node = dsdn_fork_choice_each_child(s->fork, s->head.hash, node)) != DSDN_FORK_NONE)
        if (can_judge(s, node) && dsdn_fork_choice_certified(s->fork, node)) break;
    return node;
}

/* The tip cannot move: read again what was let go and is due, then say what is waited for. */
static bool give_idle(struct dsdn_sequencer *s, struct dsdn_action *action)
{
    for (uint32_t i = 0; i < s->config.sources; i++) {
        uint64_t from = dsdn_rescan_from(&s->sources[i].ahead, s->head.next);
        if (from == DSDN_RESCAN_NONE) continue;
        dsdn_rescan_clear(&s->sources[i].ahead, s->head.next);
        return give_rescan(s, i, from, action);
    }
    uint64_t wait = DSDN_HEIGHT_NONE;
    uint32_t node = DSDN_FORK_NONE;
    while ((node = dsdn_fork_choice_each_child(s->fork, s->head.hash, node)) != DSDN_FORK_NONE)
        if (dsdn_fork_choice_validity(s->fork, node) == DSDN_UNJUDGED &&
            dsdn_fork_choice_ready_height(s->fork, node) < wait)
            wait = dsdn_fork_choice_ready_height(s->fork, node);
    if (wait == DSDN_HEIGHT_NONE || wait == s->waited || wait <= s->ready) return false;
    s->waited = wait;
    *action = (struct dsdn_action){.kind = DSDN_ACTION_WAIT, .sequence = s->head.next, .height = wait};
    return true;
}

bool dsdn_sequencer_next(struct dsdn_sequencer *s, struct dsdn_action *action)
{
    free(s->given);
    s->given = NULL;
    follow_head(s);
    if (!s->lost) {
        confirm(s);
        settle(s);
    }
    if (s->alarm_count) {
        *action = s->alarms[0];
        memmove(&s->alarms[0], &s->alarms[1], --s->alarm_count * sizeof(s->alarms[0]));
        return true;
    }
    if (s->ring_count) return give_evidence(s, action);
    if (s->lost) return false;
    if (!dsdn_fork_choice_on_path(s->fork, s->head_node)) return give_rollback(s, action);
    for (;;) {
        uint32_t node = dsdn_fork_choice_child(s->fork, s->head_node);
        if (node == DSDN_FORK_NONE) node = undecided(s);
        if (node == DSDN_FORK_NONE || node == s->halted) break;
        struct held *h = &s->held[node];
        if (!h->bytes) {
            if (h->requested) break;
            h->requested = true;
            return give_rescan_for(s, node, action);
        }
        if (!to_judge(s, node)) return give_apply(s, node, action);
        judge(s, node, NULL);
        if (s->ring_count) return give_evidence(s, action);
        if (s->alarm_count) return dsdn_sequencer_next(s, action);
    }
    return give_idle(s, action);
}

/* ---- life and reports ---- */

struct dsdn_sequencer *dsdn_sequencer_new(const struct dsdn_sequencer_config *config,
                                          const struct dsdn_state_view *view, struct dsdn_error *error)
{
    if (config->sources < 1 || config->sources > DSDN_SEQUENCER_SOURCES) {
        dsdn_fail(error, DSDN_E_USAGE, "a sequencer has 1 to %u sources, not %u", DSDN_SEQUENCER_SOURCES,
                  config->sources);
        return NULL;
    }
    struct dsdn_sequencer *s = calloc(1, sizeof(*s));
    if (!s) {
        dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a sequencer");
        return NULL;
    }
    s->config = *config;
    s->view = view;
    s->halted = DSDN_FORK_NONE;
    s->ready = config->root.origin_height;
    for (uint32_t i = 0; i < DSDN_SEQUENCER_SOURCES; i++) {
        s->sources[i].complete = DSDN_HEIGHT_NONE;
        s->sources[i].beside = DSDN_HEIGHT_NONE;
    }
    s->fork = dsdn_fork_choice_new(&config->root, config->primary,
                                   config->max_unsettled ? config->max_unsettled : UNSETTLED_DEFAULT, error);
    if (!s->fork) goto fail;
    s->head_node = dsdn_fork_choice_root(s->fork);
    s->head.next = config->root.next;
    memcpy(s->head.hash, config->root.hash, 32);
    s->keys = dsdn_key_cache_new(KEY_CACHE);
    if (!s->keys || !reserve_held(s, s->head_node)) {
        dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a sequencer");
        goto fail;
    }
    s->held[s->head_node] = (struct held){0};
    return s;
fail:
    dsdn_sequencer_free(s);
    return NULL;
}

void dsdn_sequencer_free(struct dsdn_sequencer *s)
{
    if (!s) return;
    for (uint32_t i = 0; i < s->ring_count; i++) free(s->ring[(s->ring_first + i) % EVIDENCE_MAX].bytes);
    if (s->fork && s->held) dsdn_fork_choice_visit(s->fork, forget, s);
    free(s->given);
    free(s->held);
    dsdn_key_cache_free(s->keys);
    dsdn_fork_choice_free(s->fork);
    free(s);
}

int dsdn_sequencer_restore(struct dsdn_sequencer *s, const uint8_t *bytes, size_t len,
                           const struct dsdn_applied_facts *facts, struct dsdn_error *error)
{
    struct parsed p = {.batch = bytes, .len = len};
    uint32_t node;
    int code = dsdn_header_decode(bytes, len, &p.header, error);
    if (code) return code;
    if (len < DSDN_BATCH_FIXED_LEN) return dsdn_fail(error, DSDN_E_TRUNCATED, "the signature is missing");
    if (p.header.sequence != s->head.next || !dsdn_equal32(p.header.prev, s->head.hash)) {
        dsdn_fail(error, DSDN_E_CHAIN, "the batch does not continue the restored chain");
        return dsdn_error_in(error, p.header.sequence);
    }
    dsdn_batch_hash(bytes, p.hash);
    struct dsdn_error why = DSDN_ERROR_INIT;
    if (add(s, &p, &facts->place, &node, &why) != DSDN_BLOB_ACCEPTED) {
        if (error) *error = why;
        return why.code;
    }
    dsdn_fork_choice_judge(s->fork, node, facts->provisional ? DSDN_PROVISIONAL : DSDN_VALID,
                           p.header.origin.height);
    dsdn_fork_choice_restore(s->fork, node, &facts->inclusions);
    dsdn_fork_choice_limits(s->fork, node, &facts->limits);
    s->provisional += facts->provisional;
    s->held[node].applied = true;
    s->head_node = node;
    s->head.next++;
    memcpy(s->head.hash, p.hash, 32);
    return 0;
}

/* The applied batch of a sequence, DSDN_FORK_NONE when it is settled or not there. */
static uint32_t applied_at(const struct dsdn_sequencer *s, uint64_t sequence)
{
    uint32_t node = DSDN_FORK_NONE;
    while ((node = dsdn_fork_choice_each(s->fork, sequence, node)) != DSDN_FORK_NONE &&
           !s->held[node].applied) {
    }
    return node;
}

bool dsdn_sequencer_facts(const struct dsdn_sequencer *s, uint64_t sequence, struct dsdn_applied_facts *facts)
{
    uint32_t node = applied_at(s, sequence);
    if (node == DSDN_FORK_NONE) return false;
    *facts = (struct dsdn_applied_facts){
        .inclusions = *dsdn_fork_choice_inclusions(s->fork, node),
        .place = s->held[node].place,
        .limits = dsdn_fork_choice_limits_after(s->fork, node),
        .provisional = dsdn_fork_choice_validity(s->fork, node) == DSDN_PROVISIONAL,
    };
    return true;
}

uint64_t dsdn_sequencer_settled(const struct dsdn_sequencer *s)
{
    return s->config.primary ? dsdn_fork_choice_next(s->fork, dsdn_fork_choice_root(s->fork)) : 0;
}

enum dsdn_finality dsdn_sequencer_finality(const struct dsdn_sequencer *s, uint64_t sequence)
{
    if (sequence < dsdn_sequencer_settled(s)) return DSDN_FINALITY_SETTLED;
    uint32_t node = applied_at(s, sequence);
    return node == DSDN_FORK_NONE ? DSDN_FINALITY_NONE : dsdn_fork_choice_finality(s->fork, node);
}

void dsdn_sequencer_root(const struct dsdn_sequencer *s, struct dsdn_fork_root *root)
{
    dsdn_fork_choice_point(s->fork, root);
}

uint64_t dsdn_sequencer_rescan_from(const struct dsdn_sequencer *s, uint32_t source)
{
    return dsdn_rescan_from(&s->sources[source].ahead, UINT64_MAX);
}

void dsdn_sequencer_stats(const struct dsdn_sequencer *s, struct dsdn_sequencer_stats *stats)
{
    *stats = s->stats;
    stats->unsettled = dsdn_fork_choice_count(s->fork) - 1;
    stats->memory_bytes = sizeof(*s) + (size_t)s->held_cap * sizeof(*s->held) +
                          dsdn_fork_choice_bytes(s->fork) + (size_t)s->stats.held_bytes;
}
