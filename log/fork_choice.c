#include "log/fork_choice.h"

#include <stdlib.h>

/* Every candidate hangs in three chained hash tables over one node array: by its hash, by its prev (the
 * children of a hash, whether or not that parent is known yet), and by sequence.  So orphans need no special
 * case. */
enum chain { BY_HASH, BY_PREV, BY_SEQUENCE, CHAIN_COUNT };

struct node {
    struct dsdn_candidate candidate; /* of the root: only hash and sequence (next - 1) mean something */
    struct dsdn_inclusions seen;
    struct dsdn_fork_limits limits; /* of the state after it: own, or handed down along the path */
    uint64_t next;                  /* sequence of its children */
    uint64_t ready_height;
    uint64_t arrival; /* order of _add: decides without a primary only */
    uint64_t eff;     /* eff, finality and chosen are kept for nodes of the path */
    uint32_t chosen;
    uint32_t link[CHAIN_COUNT];
    uint8_t validity, finality;
    bool own_limits, on_path, used;
};

struct dsdn_fork_choice {
    struct node *nodes;
    uint32_t *bucket[CHAIN_COUNT]; /* capacity entries each, one allocation */
    uint32_t capacity, count, max, free_list, root;
    bool primary;
    uint64_t arrivals, ready;
    uint64_t waiting; /* no unjudged node has a ready_height in (ready, waiting) */
};

static const struct dsdn_inclusion nowhere = {DSDN_HEIGHT_NONE, 0};

static uint64_t max64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static bool before(const struct dsdn_inclusion *a, const struct dsdn_inclusion *b)
{
    return a->height != b->height ? a->height < b->height : a->index < b->index;
}

/* ---- the three tables ---- */

static uint32_t slot_of(const struct dsdn_fork_choice *f, enum chain chain, const struct node *n)
{
    uint64_t key = chain == BY_HASH   ? dsdn_load64(n->candidate.hash)
                   : chain == BY_PREV ? dsdn_load64(n->candidate.prev)
                                      : n->candidate.sequence;
    return (uint32_t)key & (f->capacity - 1);
}

static void link_node(struct dsdn_fork_choice *f, uint32_t id)
{
    for (int chain = 0; chain < CHAIN_COUNT; chain++) {
        uint32_t *head = &f->bucket[chain][slot_of(f, (enum chain)chain, &f->nodes[id])];
        f->nodes[id].link[chain] = *head;
        *head = id;
    }
}

static void unlink_node(struct dsdn_fork_choice *f, uint32_t id)
{
    for (int chain = 0; chain < CHAIN_COUNT; chain++) {
        uint32_t *at = &f->bucket[chain][slot_of(f, (enum chain)chain, &f->nodes[id])];
        while (*at != id) at = &f->nodes[*at].link[chain];
        *at = f->nodes[id].link[chain];
    }
}

/* Doubles the arrays; on failure the tree is as it was. */
static int grow(struct dsdn_fork_choice *f, struct dsdn_error *error)
{
    uint32_t capacity = f->capacity ? f->capacity * 2 : 64;
    uint32_t *bucket = malloc((size_t)capacity * CHAIN_COUNT * sizeof(*bucket));
    struct node *nodes = bucket ? realloc(f->nodes, (size_t)capacity * sizeof(*nodes)) : NULL;
    if (!nodes) {
        free(bucket);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a fork choice tree of %u candidates",
                         capacity);
    }
    memset(bucket, 0xff, (size_t)capacity * CHAIN_COUNT * sizeof(*bucket));
    free(f->bucket[0]);
    f->nodes = nodes;
    for (uint32_t chain = 0; chain < CHAIN_COUNT; chain++)
        f->bucket[chain] = bucket + (size_t)chain * capacity;
    uint32_t old = f->capacity;
    f->capacity = capacity;
    for (uint32_t id = 0; id < old; id++)
        if (nodes[id].used) link_node(f, id);
    for (uint32_t id = capacity; id-- > old;) {
        nodes[id].used = false;
        nodes[id].link[0] = f->free_list;
        f->free_list = id;
    }
    return 0;
}

static int take(struct dsdn_fork_choice *f, const struct dsdn_candidate *candidate, uint32_t *id,
                struct dsdn_error *error)
{
    if (f->count >= f->max)
        return dsdn_fail(error, DSDN_E_TOO_LARGE,
                         "the fork choice tree is full: %u candidates are not settled", f->count);
    if (f->free_list == DSDN_FORK_NONE) {
        int code = grow(f, error);
        if (code) return code;
    }
    *id = f->free_list;
    struct node *n = &f->nodes[*id];
    f->free_list = n->link[0];
    memset(n, 0, sizeof(*n));
    n->candidate = *candidate;
    n->next = candidate->sequence + 1;
    n->seen = (struct dsdn_inclusions)DSDN_INCLUSIONS_NONE;
    n->eff = DSDN_HEIGHT_NONE;
    n->chosen = DSDN_FORK_NONE;
    n->arrival = f->arrivals++;
    n->used = true;
    f->count++;
    link_node(f, *id);
    return 0;
}

uint32_t dsdn_fork_choice_find(const struct dsdn_fork_choice *f, const uint8_t hash[32])
{
    uint32_t id = f->bucket[BY_HASH][(uint32_t)dsdn_load64(hash) & (f->capacity - 1)];
    while (id != DSDN_FORK_NONE && !dsdn_equal32(f->nodes[id].candidate.hash, hash))
        id = f->nodes[id].link[BY_HASH];
    return id;
}

uint32_t dsdn_fork_choice_each(const struct dsdn_fork_choice *f, uint64_t sequence, uint32_t after)
{
    uint32_t id = after == DSDN_FORK_NONE ? f->bucket[BY_SEQUENCE][(uint32_t)sequence & (f->capacity - 1)]
                                          : f->nodes[after].link[BY_SEQUENCE];
    while (id != DSDN_FORK_NONE && (f->nodes[id].candidate.sequence != sequence || id == f->root))
        id = f->nodes[id].link[BY_SEQUENCE];
    return id;
}

uint32_t dsdn_fork_choice_each_child(const struct dsdn_fork_choice *f, const uint8_t prev[32], uint32_t after)
{
    uint32_t id = after == DSDN_FORK_NONE
                      ? f->bucket[BY_PREV][(uint32_t)dsdn_load64(prev) & (f->capacity - 1)]
                      : f->nodes[after].link[BY_PREV];
    while (id != DSDN_FORK_NONE && (!dsdn_equal32(f->nodes[id].candidate.prev, prev) || id == f->root))
        id = f->nodes[id].link[BY_PREV];
    return id;
}

/* ---- the rules ---- */

/* The lowest countable inclusion, given the parent's parameters.  Of bare blobs only the lowest that passed
 * the clock rule is kept: the lag rule holds for it or for no higher one. */
static struct dsdn_inclusion incl(const struct node *n, const struct dsdn_fork_limits *limits)
{
    struct dsdn_inclusion best = n->seen.lowest[DSDN_CARRIER_BARE];
    if (best.height == DSDN_HEIGHT_NONE || best.height - n->candidate.origin_height > limits->origin_lag_max)
        best = nowhere;
    for (int carrier = DSDN_CARRIER_QUORUM; carrier < DSDN_CARRIER_COUNT; carrier++)
        if (before(&n->seen.lowest[carrier], &best)) best = n->seen.lowest[carrier];
    return best;
}

static bool seen(const struct node *n, enum dsdn_carrier carrier)
{
    return n->seen.off_primary[carrier] || n->seen.lowest[carrier].height != DSDN_HEIGHT_NONE;
}

static bool certified(const struct node *n)
{
    return seen(n, DSDN_CARRIER_QUORUM) || seen(n, DSDN_CARRIER_EMERGENCY);
}

/* Does this child of p take part in the choice now?  An unjudged one does as soon as it can be judged, a
 * certified one at once (section 5). */
static bool considered(const struct dsdn_fork_choice *f, const struct node *p, const struct node *n)
{
    if (n->candidate.sequence != p->next || n->validity == DSDN_INVALID) return false;
    return n->validity != DSDN_UNJUDGED || n->ready_height <= f->ready || certified(n);
}

static uint64_t close_of(const struct dsdn_fork_choice *f, const struct node *p)
{
    uint64_t lowest = DSDN_HEIGHT_NONE;
    uint32_t c = DSDN_FORK_NONE;
    while ((c = dsdn_fork_choice_each_child(f, p->candidate.hash, c)) != DSDN_FORK_NONE) {
        if (!considered(f, p, &f->nodes[c])) continue;
        uint64_t eff = max64(incl(&f->nodes[c], &p->limits).height, p->eff);
        if (eff < lowest) lowest = eff;
    }
    return add_saturating(lowest, p->limits.fork_window);
}

/* Where the rules put a child: by class, then by place. */
struct rank {
    int class; /* 1 certified in time, 2 on the primary, 3 quorum-certified, 4 emergency-attested, 5 none */
    struct dsdn_inclusion place;
};

static struct rank rank_of(const struct dsdn_fork_choice *f, const struct node *p, const struct node *n,
                           uint64_t close)
{
    if (!f->primary) return (struct rank){1, {n->arrival, 0}};
    struct dsdn_inclusion cert = n->seen.lowest[DSDN_CARRIER_QUORUM], place = incl(n, &p->limits);
    if (cert.height != DSDN_HEIGHT_NONE && max64(cert.height, p->eff) <= close) return (struct rank){1, cert};
    if (place.height != DSDN_HEIGHT_NONE) return (struct rank){2, place};
    return (struct rank){seen(n, DSDN_CARRIER_QUORUM) ? 3 : seen(n, DSDN_CARRIER_EMERGENCY) ? 4 : 5, nowhere};
}

static int compare(const struct rank *a, const struct rank *b)
{
    if (a->class != b->class) return a->class < b->class ? -1 : 1;
    return before(&a->place, &b->place) ? -1 : before(&b->place, &a->place) ? 1 : 0;
}

static uint32_t choose(const struct dsdn_fork_choice *f, const struct node *p)
{
    uint64_t close = close_of(f, p);
    uint32_t best = DSDN_FORK_NONE, c = DSDN_FORK_NONE;
    struct rank best_rank = {5, nowhere}; /* seen nowhere and certified by nobody: not applied */
    bool tie = false;
    while ((c = dsdn_fork_choice_each_child(f, p->candidate.hash, c)) != DSDN_FORK_NONE) {
        const struct node *n = &f->nodes[c];
        if (!considered(f, p, n)) continue;
        struct rank rank = rank_of(f, p, n, close);
        int order = compare(&rank, &best_rank);
        if (order < 0) {
            best = c;
            best_rank = rank;
            tie = false;
        } else if (order == 0) {
            tie = true;
        }
    }
    return tie ? DSDN_FORK_NONE : best; /* two certificates off the primary: only the primary can decide */
}

static enum dsdn_finality finality_of(const struct node *p, const struct node *n)
{
    enum dsdn_finality own = incl(n, &p->limits).height != DSDN_HEIGHT_NONE ? DSDN_FINALITY_PRIMARY
                             : seen(n, DSDN_CARRIER_QUORUM)                 ? DSDN_FINALITY_QUORUM
                             : seen(n, DSDN_CARRIER_EMERGENCY)              ? DSDN_FINALITY_EMERGENCY
                                                                            : DSDN_FINALITY_NONE;
    return own < p->finality ? own : (enum dsdn_finality)p->finality;
}

static void leave_path(struct dsdn_fork_choice *f, uint32_t id)
{
    while (id != DSDN_FORK_NONE) {
        struct node *n = &f->nodes[id];
        id = n->chosen;
        n->chosen = DSDN_FORK_NONE;
        n->on_path = false;
        n->eff = DSDN_HEIGHT_NONE;
        n->finality = DSDN_FINALITY_NONE;
    }
}

/* Chooses again among the children of id, then below as far as anything differs. */
static void decide(struct dsdn_fork_choice *f, uint32_t id)
{
    while (id != DSDN_FORK_NONE && f->nodes[id].on_path) {
        struct node *p = &f->nodes[id];
        uint32_t c = choose(f, p), old = p->chosen;
        if (c != old) {
            leave_path(f, old);
            p->chosen = c;
        }
        if (c == DSDN_FORK_NONE) return;
        struct node *n = &f->nodes[c];
        uint64_t eff = max64(incl(n, &p->limits).height, p->eff);
        enum dsdn_finality finality = finality_of(p, n);
        struct dsdn_fork_limits limits = n->own_limits ? n->limits : p->limits;
        if (c == old && eff == n->eff && finality == (enum dsdn_finality)n->finality &&
            limits.origin_lag_max == n->limits.origin_lag_max && limits.fork_window == n->limits.fork_window)
            return;
        n->on_path = true;
        n->eff = eff;
        n->finality = (uint8_t)finality;
        n->limits = limits;
        id = c;
    }
}

/* Something about n itself changed. */
static void changed(struct dsdn_fork_choice *f, uint32_t id)
{
    uint32_t parent = dsdn_fork_choice_parent(f, id);
    if (parent != DSDN_FORK_NONE) decide(f, parent);
}

/* ---- life ---- */

struct dsdn_fork_choice *dsdn_fork_choice_new(const struct dsdn_fork_root *root, bool primary,
                                              uint32_t max_nodes, struct dsdn_error *error)
{
    if (max_nodes < 2 || max_nodes > 1u << 24) {
        dsdn_fail(error, DSDN_E_USAGE, "a fork choice tree holds 2 to 16,777,216 candidates, not %u",
                  max_nodes);
        return NULL;
    }
    struct dsdn_fork_choice *f = calloc(1, sizeof(*f));
    if (!f) {
        dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a fork choice tree");
        return NULL;
    }
    f->max = max_nodes;
    f->free_list = DSDN_FORK_NONE;
    f->primary = primary;
    f->ready = root->origin_height;
    f->waiting = UINT64_MAX;
    struct dsdn_candidate candidate = {.sequence = root->next - 1, .origin_height = root->origin_height};
    memcpy(candidate.hash, root->hash, 32);
    if (take(f, &candidate, &f->root, error)) {
        dsdn_fork_choice_free(f);
        return NULL;
    }
    struct node *n = &f->nodes[f->root];
    n->eff = root->eff;
    n->limits = root->limits;
    n->own_limits = n->on_path = true;
    n->validity = DSDN_VALID;
    n->finality = DSDN_FINALITY_SETTLED;
    return f;
}

void dsdn_fork_choice_free(struct dsdn_fork_choice *f)
{
    if (!f) return;
    free(f->nodes);
    free(f->bucket[0]);
    free(f);
}

int dsdn_fork_choice_add(struct dsdn_fork_choice *f, const struct dsdn_candidate *candidate, uint32_t *node,
                         struct dsdn_error *error)
{
    int code = take(f, candidate, node, error);
    if (code) return code;
    f->nodes[*node].ready_height = candidate->origin_height;
    if (candidate->origin_height > f->ready && candidate->origin_height < f->waiting)
        f->waiting = candidate->origin_height;
    changed(f, *node);
    return 0;
}

static void release(struct dsdn_fork_choice *f, uint32_t id)
{
    unlink_node(f, id);
    f->nodes[id].used = false;
    f->nodes[id].link[0] = f->free_list;
    f->free_list = id;
    f->count--;
}

void dsdn_fork_choice_remove(struct dsdn_fork_choice *f, uint32_t node)
{
    uint32_t parent = dsdn_fork_choice_parent(f, node);
    f->nodes[node].validity = DSDN_INVALID; /* so that the choice below passes it over */
    if (parent != DSDN_FORK_NONE) decide(f, parent);
    release(f, node);
}

bool dsdn_fork_choice_countable(const struct dsdn_fork_choice *f, uint32_t node, enum dsdn_carrier carrier,
                                const struct dsdn_inclusion *position, uint64_t header_time_ms)
{
    const struct node *n = &f->nodes[node];
    if (!position) return carrier != DSDN_CARRIER_BARE && !n->seen.off_primary[carrier];
    if (n->candidate.origin_height >= position->height || !before(position, &n->seen.lowest[carrier]))
        return false;
    return carrier != DSDN_CARRIER_BARE ||
           n->candidate.time_ms <= add_saturating(header_time_ms, DSDN_CLOCK_SLACK_MS);
}

void dsdn_fork_choice_include(struct dsdn_fork_choice *f, uint32_t node, enum dsdn_carrier carrier,
                              const struct dsdn_inclusion *position, uint64_t header_time_ms)
{
    if (!dsdn_fork_choice_countable(f, node, carrier, position, header_time_ms)) return;
    if (position)
        f->nodes[node].seen.lowest[carrier] = *position;
    else
        f->nodes[node].seen.off_primary[carrier] = true;
    changed(f, node);
}

void dsdn_fork_choice_restore(struct dsdn_fork_choice *f, uint32_t node,
                              const struct dsdn_inclusions *inclusions)
{
    f->nodes[node].seen = *inclusions;
    changed(f, node);
}

void dsdn_fork_choice_judge(struct dsdn_fork_choice *f, uint32_t node, enum dsdn_validity validity,
                            uint64_t ready_height)
{
    f->nodes[node].validity = (uint8_t)validity;
    f->nodes[node].ready_height = ready_height;
    if (ready_height > f->ready && ready_height < f->waiting) f->waiting = ready_height;
    changed(f, node);
}

void dsdn_fork_choice_ready(struct dsdn_fork_choice *f, uint64_t height)
{
    if (height <= f->ready) return;
    f->ready = height;
    if (height < f->waiting) return;
    f->waiting = UINT64_MAX;
    for (uint32_t id = 0; id < f->capacity; id++) {
        const struct node *n = &f->nodes[id];
        if (!n->used || n->validity != DSDN_UNJUDGED) continue;
        if (n->ready_height <= height)
            changed(f, id);
        else if (n->ready_height < f->waiting)
            f->waiting = n->ready_height;
    }
}

void dsdn_fork_choice_unready(struct dsdn_fork_choice *f, uint64_t height)
{
    if (height >= f->ready) return;
    f->ready = height;
    for (uint32_t id = 0; id < f->capacity; id++) {
        const struct node *n = &f->nodes[id];
        if (!n->used || n->validity != DSDN_UNJUDGED || n->ready_height <= height) continue;
        if (n->ready_height < f->waiting) f->waiting = n->ready_height;
        changed(f, id);
    }
}

void dsdn_fork_choice_limits(struct dsdn_fork_choice *f, uint32_t node, const struct dsdn_fork_limits *limits)
{
    struct node *n = &f->nodes[node];
    n->limits = *limits;
    n->own_limits = true;
    decide(f, node);
}

/* ---- reading ---- */

uint32_t dsdn_fork_choice_root(const struct dsdn_fork_choice *f)
{
    return f->root;
}
uint32_t dsdn_fork_choice_count(const struct dsdn_fork_choice *f)
{
    return f->count;
}

void dsdn_fork_choice_visit(const struct dsdn_fork_choice *f, void (*visit)(void *self, uint32_t node),
                            void *self)
{
    for (uint32_t id = 0; id < f->capacity; id++)
        if (f->nodes[id].used) visit(self, id);
}

void dsdn_fork_choice_point(const struct dsdn_fork_choice *f, struct dsdn_fork_root *point)
{
    const struct node *n = &f->nodes[f->root];
    *point = (struct dsdn_fork_root){
        .next = n->next, .eff = n->eff, .origin_height = n->candidate.origin_height, .limits = n->limits};
    memcpy(point->hash, n->candidate.hash, 32);
}

uint32_t dsdn_fork_choice_parent(const struct dsdn_fork_choice *f, uint32_t node)
{
    if (node == f->root) return DSDN_FORK_NONE;
    uint32_t parent = dsdn_fork_choice_find(f, f->nodes[node].candidate.prev);
    if (parent != DSDN_FORK_NONE && f->nodes[parent].next != f->nodes[node].candidate.sequence)
        return DSDN_FORK_NONE;
    return parent;
}

size_t dsdn_fork_choice_bytes(const struct dsdn_fork_choice *f)
{
    return sizeof(*f) + (size_t)f->capacity * (sizeof(struct node) + CHAIN_COUNT * sizeof(uint32_t));
}

#define READER(type, name, expression)                                                                       \
    type dsdn_fork_choice_##name(const struct dsdn_fork_choice *f, uint32_t node)                            \
    {                                                                                                        \
        const struct node *n = &f->nodes[node];                                                              \
        return expression;                                                                                   \
    }
READER(const struct dsdn_inclusions *, inclusions, &n->seen)
READER(enum dsdn_validity, validity, (enum dsdn_validity)n->validity)
READER(uint64_t, ready_height, n->ready_height)
READER(uint32_t, child, n->chosen)
READER(bool, on_path, n->on_path)
READER(uint64_t, next, n->next)
READER(const uint8_t *, hash, n->candidate.hash)
READER(enum dsdn_finality, finality, (enum dsdn_finality)n->finality)
READER(uint64_t, eff, n->eff)
READER(uint64_t, close, n->on_path ? close_of(f, n) : DSDN_HEIGHT_NONE)
READER(struct dsdn_fork_limits, limits_after, n->limits)
READER(bool, quorum, seen(n, DSDN_CARRIER_QUORUM))
READER(bool, certified, certified(n))
#undef READER

/* ---- settling ---- */

uint32_t dsdn_fork_choice_settles(const struct dsdn_fork_choice *f, uint64_t complete)
{
    const struct node *root = &f->nodes[f->root];
    if (!f->primary || root->chosen == DSDN_FORK_NONE) return DSDN_FORK_NONE;
    const struct node *n = &f->nodes[root->chosen];
    uint64_t close = close_of(f, root);
    if (n->validity != DSDN_VALID || n->finality < DSDN_FINALITY_PRIMARY || close == DSDN_HEIGHT_NONE ||
        close > complete)
        return DSDN_FORK_NONE;
    return root->chosen;
}

void dsdn_fork_choice_advance(struct dsdn_fork_choice *f, void (*removed)(void *self, uint32_t node),
                              void *self)
{
    uint32_t old = f->root, root = f->nodes[old].chosen, c;
    uint64_t sequence = f->nodes[root].candidate.sequence;
    f->root = root;
    f->nodes[root].finality = DSDN_FINALITY_SETTLED;
    f->nodes[root].own_limits = true; /* its parent, from whom it may have inherited them, goes */
    if (removed) removed(self, old);
    release(f, old);
    while ((c = dsdn_fork_choice_each(f, sequence, DSDN_FORK_NONE)) != DSDN_FORK_NONE) {
        if (removed) removed(self, c);
        release(f, c);
    }
}
