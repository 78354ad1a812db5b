#include "log/sequencer_state.h"

#include <stdlib.h>

/* ---- what is held, and what is let go ---- */

static void charge(struct dsdn_sequencer *s, uint32_t len, uint32_t batches)
{
    s->stats.held_bytes += len;
    s->stats.held_batches += batches;
    if (s->stats.held_bytes > s->stats.held_bytes_peak) s->stats.held_bytes_peak = s->stats.held_bytes;
    if (s->stats.held_batches > s->stats.held_batches_peak)
        s->stats.held_batches_peak = s->stats.held_batches;
}

void dsdn_hold_drop(struct dsdn_sequencer *s, struct held *h)
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

void dsdn_hold_forget(void *self, uint32_t node)
{
    struct dsdn_sequencer *s = self;
    struct held *h = &s->held[node];
    dsdn_hold_drop(s, h);
    for (int i = 0; i < PENDING_MAX; i++) drop_pending(s, &h->pending[i]);
    if (s->halted == node) s->halted = DSDN_FORK_NONE;
}

/* A blob of this sequence is not kept: it lowers rescan_from of its source.  Above the tip it will be wanted
 * when the tip gets there; beside the applied chain, when that chain is left or a sibling turns out invalid.
 */
void dsdn_hold_let_go(struct dsdn_sequencer *s, const struct dsdn_place *place, uint64_t sequence)
{
    struct source *source = &s->sources[place->source];
    if (sequence > s->head.next)
        dsdn_rescan_mark(&source->ahead, sequence, place->height);
    else if (place->height < source->beside)
        source->beside = place->height;
}

/* What was let go beside the applied chain is wanted after all, at once. */
void dsdn_hold_want_beside(struct dsdn_sequencer *s)
{
    for (uint32_t i = 0; i < s->config.sources; i++) {
        struct source *source = &s->sources[i];
        if (source->beside != DSDN_HEIGHT_NONE) dsdn_rescan_mark(&source->ahead, 0, source->beside);
        source->beside = DSDN_HEIGHT_NONE;
    }
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
        dsdn_hold_drop(s, &s->held[node]);
    }
    return true;
}

bool dsdn_hold_keep(struct dsdn_sequencer *s, uint32_t node, const uint8_t *bytes, size_t len,
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

bool dsdn_hold_reserve(struct dsdn_sequencer *s, uint32_t node)
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

void dsdn_hold_alarm(struct dsdn_sequencer *s, int code, uint64_t sequence)
{
    if (s->alarm_count == sizeof(s->alarms) / sizeof(s->alarms[0])) return;
    s->alarms[s->alarm_count++] =
        (struct dsdn_action){.kind = DSDN_ACTION_ALARM, .code = code, .sequence = sequence};
}

/* The node stays, without bytes, until its sequence settles: a copy that was forgotten would be judged again,
 * at the price of a rollback. */
void dsdn_hold_refuse(struct dsdn_sequencer *s, uint32_t node, int code)
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
    dsdn_hold_drop(s, h);
    dsdn_fork_choice_judge(s->fork, node, DSDN_INVALID, 0);
    dsdn_hold_want_beside(s);
}

/* One evidence pair for each (sequence, prev): did the key sign another header for this sequence? */
void dsdn_hold_equivocation(struct dsdn_sequencer *s, uint32_t node, const struct dsdn_header *header)
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
    dsdn_hold_alarm(s, DSDN_E_EQUIVOCATION, sequence);
}

/* ---- facts ---- */

static bool is_primary(const struct dsdn_sequencer *s, const struct dsdn_place *place)
{
    return s->config.primary && place->source == DSDN_SOURCE_PRIMARY;
}

/* Is the parent of node applied, so that the set and the parameters that judge node can be read? */
bool dsdn_hold_parent_applied(const struct dsdn_sequencer *s, const uint8_t prev[32], uint64_t sequence)
{
    uint32_t parent = dsdn_fork_choice_find(s->fork, prev);
    return parent != DSDN_FORK_NONE && dsdn_fork_choice_next(s->fork, parent) == sequence &&
           (parent == dsdn_fork_choice_root(s->fork) || s->held[parent].applied);
}

bool dsdn_hold_news(const struct dsdn_sequencer *s, uint32_t node, enum dsdn_carrier carrier,
                    const struct dsdn_place *place)
{
    struct dsdn_inclusion position = {place->height, place->blob_index};
    return dsdn_fork_choice_countable(s->fork, node, carrier, is_primary(s, place) ? &position : NULL,
                                      place->header_time_ms);
}

void dsdn_hold_record(struct dsdn_sequencer *s, uint32_t node, enum dsdn_carrier carrier,
                      const struct dsdn_place *place)
{
    struct dsdn_inclusion position = {place->height, place->blob_index};
    dsdn_fork_choice_include(s->fork, node, carrier, is_primary(s, place) ? &position : NULL,
                             place->header_time_ms);
    if (carrier == DSDN_CARRIER_QUORUM) look_for_two_certificates(s, node);
}

/* Verifies a certificate against the set in the state before the batch; *carrier tells which kind it is. */
bool dsdn_hold_certificate(struct dsdn_sequencer *s, const struct dsdn_certificate *certificate,
                           uint64_t sequence, const uint8_t hash[32], enum dsdn_carrier *carrier,
                           struct dsdn_error *error)
{
    struct dsdn_signer_set set;
    if (!s->view->set(s->view->self, sequence, certificate->set_id, &set)) {
        dsdn_fail(error, DSDN_E_SIGNATURE, "there is no certificate set %u", certificate->set_id);
        return false;
    }
    *carrier = set.kind == DSDN_SET_EMERGENCY ? DSDN_CARRIER_EMERGENCY : DSDN_CARRIER_QUORUM;
    return !dsdn_certificate_verify(certificate, set.members, set.count, set.percent, s->config.genesis,
                                    sequence, hash, s->keys, error);
}

/* The parent of these children has just been applied: their certificates can be read now. */
void dsdn_hold_read_pending(struct dsdn_sequencer *s, uint32_t parent)
{
    uint32_t node = DSDN_FORK_NONE;
    const uint8_t *prev = dsdn_fork_choice_hash(s->fork, parent);
    while ((node = dsdn_fork_choice_each_child(s->fork, prev, node)) != DSDN_FORK_NONE) {
        for (int i = 0; i < PENDING_MAX; i++) {
            struct pending *p = &s->held[node].pending[i];
            struct dsdn_certificate certificate;
            enum dsdn_carrier carrier;
            if (p->bytes && !dsdn_certificate_decode(p->bytes, p->len, &certificate, NULL) &&
                dsdn_hold_certificate(s, &certificate, sequence_of(s, node),
                                      dsdn_fork_choice_hash(s->fork, node), &carrier, NULL))
                dsdn_hold_record(s, node, carrier, &p->place);
            drop_pending(s, p);
        }
    }
}

bool dsdn_hold_keep_pending(struct dsdn_sequencer *s, uint32_t node,
                            const struct dsdn_certificate *certificate, const uint8_t *bytes,
                            const struct dsdn_place *place)
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
