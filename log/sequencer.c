#include "log/sequencer_state.h"

#include <stdlib.h>

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

/* ---- following the applied head ---- */

static void applied_now(struct dsdn_sequencer *s, uint32_t node)
{
    struct held *h = &s->held[node];
    h->applied = true;
    h->requested = false;
    if (dsdn_fork_choice_validity(s->fork, node) == DSDN_PROVISIONAL) s->provisional++;
    dsdn_hold_drop(s, h);
}

/* The head moved: mark what is applied, read its parameters, then what waited for it. */
void dsdn_sequencer_follow(struct dsdn_sequencer *s)
{
    struct dsdn_head head;
    s->view->head(s->view->self, &head);
    if (head.next == s->head.next && dsdn_equal32(head.hash, s->head.hash)) return;
    uint32_t node = dsdn_fork_choice_find(s->fork, head.hash);
    if (node == DSDN_FORK_NONE || dsdn_fork_choice_next(s->fork, node) != head.next) {
        if (!s->lost) dsdn_hold_alarm(s, DSDN_E_CHAIN, head.next);
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
    if (back) dsdn_hold_want_beside(s);
    struct dsdn_fork_limits limits;
    uint32_t batch_max;
    s->view->limits(s->view->self, &limits, &batch_max);
    if (node != dsdn_fork_choice_root(s->fork)) dsdn_fork_choice_limits(s->fork, node, &limits);
    dsdn_hold_read_pending(s, node);
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
        dsdn_fork_choice_advance(s->fork, dsdn_hold_forget, s);
        s->full = false;
    }
}

/* ---- judging ---- */

/* The state waits for data that was reported complete: it is not at hand any more, and is reported again. */
static void await(struct dsdn_sequencer *s, uint64_t height)
{
    struct source *primary = &s->sources[DSDN_SOURCE_PRIMARY];
    if (!height || height > s->ready) return;
    s->ready = height - 1;
    if (primary->complete != DSDN_HEIGHT_NONE && primary->complete > s->ready) primary->complete = s->ready;
    dsdn_fork_choice_unready(s->fork, s->ready);
}

/* Asks the state about a child of the head whose bytes are here.  False: nothing changed. */
bool dsdn_sequencer_judge(struct dsdn_sequencer *s, uint32_t node, struct dsdn_error *error)
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
    case DSDN_JUDGED_INVALID: dsdn_hold_refuse(s, node, why.code); return true;
    case DSDN_JUDGED_WAIT: {
        await(s, wait);
        if (wait <= s->ready) wait = s->ready + 1;
        bool certified = dsdn_fork_choice_certified(s->fork, node);
        dsdn_fork_choice_judge(s->fork, node, certified ? DSDN_PROVISIONAL : DSDN_UNJUDGED, wait);
        return certified;
    }
    case DSDN_JUDGED_HALT:
        if (s->halted != node) dsdn_hold_alarm(s, why.code, sequence_of(s, node));
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
bool dsdn_sequencer_can_judge(const struct dsdn_sequencer *s, uint32_t node)
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
            dsdn_hold_alarm(s, why.code, sequence_of(s, node));
        } else if (said == DSDN_JUDGED_WAIT) {
            await(s, wait);
            dsdn_fork_choice_judge(s->fork, node, DSDN_PROVISIONAL, wait > s->ready ? wait : s->ready + 1);
        } else {
            s->provisional--;
            if (said == DSDN_JUDGED_VALID) {
                dsdn_fork_choice_judge(s->fork, node, DSDN_VALID, 0);
                continue;
            }
            dsdn_hold_refuse(s, node, why.code); /* leaves the path, and with it everything after it */
            return;
        }
    }
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
        if (dsdn_sequencer_can_judge(s, node) && dsdn_fork_choice_certified(s->fork, node)) break;
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
    dsdn_sequencer_follow(s);
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
        dsdn_sequencer_judge(s, node, NULL);
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
    if (!s->keys || !dsdn_hold_reserve(s, s->head_node)) {
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
    if (s->fork && s->held) dsdn_fork_choice_visit(s->fork, dsdn_hold_forget, s);
    free(s->given);
    free(s->held);
    dsdn_key_cache_free(s->keys);
    dsdn_fork_choice_free(s->fork);
    free(s);
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
