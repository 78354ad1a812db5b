#include "log/sequencer_state.h"

static bool same_place(const struct dsdn_place *a, const struct dsdn_place *b)
{
    return a->source == b->source && a->height == b->height && a->blob_index == b->blob_index;
}

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
        dsdn_hold_let_go(s, place, h->sequence);
        return DSDN_BLOB_OUT_OF_WINDOW;
    }
    bool here = dsdn_hold_parent_applied(s, h->prev, h->sequence);
    /* A takeover has no key of its own: it is known by its certificate, whose set must be readable. */
    if (dsdn_zero32(h->publisher)
            ? p->certified && here
            : s->view->may(s->view->self, h->publisher, h->committee_epoch) != DSDN_RIGHT_UNKNOWN)
        return DSDN_BLOB_ACCEPTED;
    dsdn_fail(error, DSDN_E_AUTHORITY, "the publisher has no right that is known here");
    if (!here)
        dsdn_hold_let_go(s, place, h->sequence); /* with its parent applied the state's word is final */
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
    *wait = p->certified && !dsdn_hold_parent_applied(s, p->header.prev, p->header.sequence);
    if (p->certified && !*wait &&
        (!dsdn_hold_certificate(s, &p->certificate, p->header.sequence, p->hash, carrier, error) ||
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
    if (!p->certified) return dsdn_hold_news(s, node, DSDN_CARRIER_BARE, place);
    for (int i = 0; i < PENDING_MAX; i++)
        if (h->pending[i].bytes && same_place(&h->pending[i].place, place)) return false;
    if (!dsdn_hold_parent_applied(s, p->header.prev, p->header.sequence))
        return dsdn_hold_news(s, node, DSDN_CARRIER_QUORUM, place) ||
               dsdn_hold_news(s, node, DSDN_CARRIER_EMERGENCY, place);
    if (!s->view->set(s->view->self, p->header.sequence, p->certificate.set_id, &set)) return false;
    return dsdn_hold_news(
        s, node, set.kind == DSDN_SET_EMERGENCY ? DSDN_CARRIER_EMERGENCY : DSDN_CARRIER_QUORUM, place);
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
    if (!code && !dsdn_hold_reserve(s, *node)) {
        dsdn_fork_choice_remove(s->fork, *node);
        code = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a candidate");
    }
    if (code) {
        if (code == DSDN_E_TOO_LARGE && !s->full) dsdn_hold_alarm(s, code, p->header.sequence);
        s->full |= code == DSDN_E_TOO_LARGE;
        /* It may be the rival that decides.  Where memory was short it is read again at once, and nothing
         * settles before; where the tree is full, when the tip has moved: only settling can make room there.
         */
        uint64_t due = p->header.sequence > s->head.next ? p->header.sequence
                       : code == DSDN_E_TOO_LARGE        ? s->head.next + 1
                                                         : 0;
        dsdn_rescan_mark(&s->sources[place->source].ahead, due, place->height);
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
    dsdn_hold_drop(s, &s->held[victim]);
    return victim == node;
}

static enum dsdn_verdict take(struct dsdn_sequencer *s, const struct dsdn_place *place, const uint8_t *bytes,
                              size_t len, struct dsdn_error *error)
{
    struct parsed p;
    enum dsdn_carrier carrier;
    bool wait;
    dsdn_sequencer_follow(s);
    enum dsdn_verdict verdict = parse(s, bytes, len, &p, error);
    if (verdict == DSDN_BLOB_ACCEPTED) verdict = admit(s, &p, place, error);
    if (verdict != DSDN_BLOB_ACCEPTED) return verdict;
    dsdn_batch_hash(p.batch, p.hash);
    uint32_t node = dsdn_fork_choice_find(s->fork, p.hash);
    bool known = node != DSDN_FORK_NONE;
    if (known && !worth_checking(s, node, &p, place)) return DSDN_BLOB_DUPLICATE;
    verdict = check(s, &p, &carrier, &wait, error);
    if (verdict == DSDN_BLOB_BAD_SIGNATURE && carrier != DSDN_CARRIER_COUNT && known)
        dsdn_hold_keep(s, node, p.batch, p.len,
                       place); /* only the wrapping is false: the batch may be wanted */
    if (verdict == DSDN_BLOB_ACCEPTED && !known) verdict = add(s, &p, place, &node, error);
    if (verdict != DSDN_BLOB_ACCEPTED) return verdict;

    if (!wait)
        dsdn_hold_record(s, node, carrier, place);
    else if (!dsdn_hold_keep_pending(s, node, &p.certificate, p.certificate_bytes, place))
        dsdn_hold_let_go(s, place, p.header.sequence);
    if (!known) dsdn_hold_equivocation(s, node, &p.header);
    if (!dsdn_hold_keep(s, node, p.batch, p.len, place)) {
        dsdn_fail(error, DSDN_E_NO_MEMORY, "no room to hold the batch");
        return DSDN_BLOB_DROPPED; /* its node stays and knows where the bytes are: RESCAN when it is chosen */
    }
    if (dsdn_equal32(p.header.prev, s->head.hash) && p.header.sequence == s->head.next &&
        !s->held[node].applied && dsdn_sequencer_can_judge(s, node)) {
        dsdn_sequencer_judge(s, node, error);
        if (dsdn_fork_choice_validity(s->fork, node) == DSDN_INVALID) return DSDN_BLOB_INVALID;
    }
    if (thin_out(s, node, p.header.prev)) {
        dsdn_fail(error, DSDN_E_EQUIVOCATION, "two siblings of this batch are held");
        return DSDN_BLOB_DROPPED;
    }
    return dsdn_hold_parent_applied(s, p.header.prev, p.header.sequence) ? DSDN_BLOB_ACCEPTED
                                                                         : DSDN_BLOB_HELD;
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
        return dsdn_error_in(error, p.header.sequence), DSDN_E_CHAIN;
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
