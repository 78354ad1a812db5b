#include "statemachine/ordered.h"
#include "statemachine/memory.h"
#include "statemachine/table.h"

#include <stdlib.h>

/* Nodes are 1 KiB: with random keys about 35 entries a leaf, four levels for a million. */
enum {
    STRIDE = 8, /* divides both of these: */
    LEAF_CAP = 48,
    INNER_CAP = 40,
    LEAF_MIN = 20, /* less than half, so that a node that was just split does not merge at once */
    INNER_MIN = 17,
    HEIGHT_MAX = 7 /* a tree of height 8 has 2 * 17^7 * 20 entries or more, above 2^32 */
};

#define NONE UINT32_MAX

/* Entries ascend by (key, rest of the key of the row).  In an inner node entry i is the first one below child
 * i; entry 0 is not kept, it would be read by nobody.  Every node but the root and the last leaf has at least
 * MIN entries. */
struct node {
    union {
        struct {
            uint64_t key[LEAF_CAP]; /* the first 8 bytes, big-endian ... */
            uint64_t more[LEAF_CAP]; /* ... and the next 8 */
            uint32_t row[LEAF_CAP];
        } leaf;
        struct {
            uint64_t key[INNER_CAP];
            uint64_t more[INNER_CAP];
            uint32_t row[INNER_CAP];
            uint32_t child[INNER_CAP];
        } inner;
    };
    uint32_t cnt;
    uint32_t next; /* the leaf behind this one, or the next unused node; NONE */
    uint64_t spare[7];
};

_Static_assert(sizeof(struct node) == 1024, "a node is a quarter of a page");

struct dsdn_ordered {
    struct node *nodes;
    uint32_t root, height; /* height 0: the root is a leaf */
    uint32_t entry_cnt;
    uint32_t node_end, node_cap, unused_cnt,
        unused; /* [0, node_end) were handed out, of these unused_cnt came back */
    uint32_t key_len;
    dsdn_ordered_key_fn key;
    const void *context;
    struct dsdn_pages arena;
};

/* A key that is looked for. */
struct probe {
    uint64_t head, more;
    uint8_t bytes[2 * DSDN_KEY_MAX];
    bool head_only;  /* all bytes behind the first 16 are zero: no entry with the same 16 is below it */
    bool past_equal; /* an entry that equals it counts as below it */
};

/* The way from the root to a leaf: nodes and the child taken in each, by level (0 is the leaf). */
struct way {
    uint32_t node[HEIGHT_MAX + 1], child[HEIGHT_MAX + 1];
};

/* 8 bytes of a key from `at` on; zero behind its end. */
static uint64_t piece_of(const struct dsdn_ordered *o, const uint8_t *key, uint32_t at)
{
    if (o->key_len >= at + 8) return dsdn_load64_be(key + at);
    uint8_t padded[8] = {0};
    if (o->key_len > at) memcpy(padded, key + at, o->key_len - at);
    return dsdn_load64_be(padded);
}

/* The place of an entry itself: its bytes are set. */
static void probe_made(const struct dsdn_ordered *o, struct probe *probe)
{
    probe->head = piece_of(o, probe->bytes, 0);
    probe->more = piece_of(o, probe->bytes, 8);
    probe->head_only = false;
    probe->past_equal = true;
}

static void probe_row(const struct dsdn_ordered *o, uint32_t row, struct probe *probe)
{
    o->key(o->context, row, probe->bytes);
    probe_made(o, probe);
}

static void probe_key(const struct dsdn_ordered *o, const uint8_t *key, struct probe *probe)
{
    memcpy(probe->bytes, key, o->key_len);
    probe_made(o, probe);
}

static uint32_t *rows_of(struct node *n, uint32_t level)
{
    return level ? n->inner.row : n->leaf.row;
}
static uint64_t *more_of(struct node *n, uint32_t level)
{
    return level ? n->inner.more : n->leaf.more;
}

/* How many of the first cnt of `cap` ascending numbers are below x: every eighth is looked at, then the eight
 * among which the answer lies.  No look waits for another, and there is no branch to mispredict; both cost
 * more than the looks too many. */
__attribute__((always_inline)) static inline uint32_t below(const uint64_t *numbers, uint32_t cap,
                                                            uint32_t cnt, uint64_t x)
{
    uint32_t low = 0, more = 0;
    for (uint32_t i = STRIDE - 1; i < cap; i += STRIDE) low += (numbers[i] < x) & (i < cnt);
    low = low * STRIDE < cap ? low * STRIDE : cap - STRIDE;
    for (uint32_t i = low; i < low + STRIDE; i++) more += (numbers[i] < x) & (i < cnt);
    return low + more;
}

/* Child in which a probe's place is, by the first 8 bytes alone: the leftmost possible. */
static uint32_t child_of(const struct node *n, uint64_t head)
{
    const uint64_t *keys = n->inner.key; /* entry 0 is not kept */
    uint32_t i = below(keys, INNER_CAP, n->cnt, head);
    return i < STRIDE ? i - (keys[0] < head) : i - 1;
}

/* How many entries of a node are below the probe; in an inner node entry 0 is, whatever it says. */
static uint32_t rank(const struct dsdn_ordered *o, const struct node *n, uint32_t level,
                     const struct probe *probe)
{
    const uint64_t *keys = n->leaf.key; /* at the same place in both kinds */
    const uint64_t *more = level ? n->inner.more : n->leaf.more;
    const uint32_t *rows = level ? n->inner.row : n->leaf.row;
    uint32_t low = level ? child_of(n, probe->head) + 1 : below(keys, LEAF_CAP, n->cnt, probe->head);
    if (low == n->cnt || keys[low] != probe->head) return low;
    /* Entries of one id share the head: often a whole leaf does. */
    uint32_t high = low, first = low;
    for (uint32_t i = first; i < n->cnt; i++) {
        uint32_t ties = keys[i] == probe->head;
        high += ties;
        low += ties & (more[i] < probe->more);
    }
    if (probe->head_only) return low;
    uint32_t tied = low;
    while (tied < high && more[tied] == probe->more) tied++;
    while (low < tied) {
        uint32_t middle = low + (tied - low) / 2;
        uint8_t key[2 * DSDN_KEY_MAX];
        o->key(o->context, rows[middle], key);
        int order = memcmp(key, probe->bytes, o->key_len);
        if (order < 0 || (order == 0 && probe->past_equal))
            low = middle + 1;
        else
            tied = middle;
    }
    return low;
}

/* All lines of a node at once: the search would meet them one miss after the other. */
__attribute__((always_inline)) static inline void fetch(const struct node *n)
{
    for (uint32_t at = 0; at < sizeof *n; at += 64) __builtin_prefetch((const uint8_t *)n + at, 1);
}

/* Goes down to the leaf of a probe. */
static void descend(const struct dsdn_ordered *o, const struct probe *probe, struct way *way)
{
    uint32_t number = o->root;
    for (uint32_t level = o->height; level > 0; level--) {
        const struct node *n = &o->nodes[number];
        way->node[level] = number;
        way->child[level] = rank(o, n, level, probe) - 1;
        number = n->inner.child[way->child[level]];
    }
    way->node[0] = number;
    way->child[0] = rank(o, &o->nodes[number], 0, probe);
}

/* By the first 8 bytes alone: where several entries share them it may be a node beside the right one. */
void dsdn_ordered_warm(const struct dsdn_ordered *o, const uint8_t *keys, size_t stride, uint32_t cnt)
{
    enum { MOST = 32 };
    uint32_t number[MOST];
    uint64_t head[MOST];
    if (cnt > MOST) cnt = MOST;
    for (uint32_t i = 0; i < cnt; i++) {
        number[i] = o->root;
        head[i] = piece_of(o, keys + i * stride, 0);
    }
    for (uint32_t level = o->height; level > 0; level--)
        for (uint32_t i = 0; i < cnt; i++) {
            const struct node *n = &o->nodes[number[i]];
            number[i] = n->inner.child[child_of(n, head[i])];
            fetch(&o->nodes[number[i]]);
        }
}

/* ---- nodes --------------------------------------------------------------------------------------------- */

static uint32_t node_take(struct dsdn_ordered *o)
{
    uint32_t number = o->unused;
    if (o->unused_cnt) {
        o->unused_cnt--;
        o->unused = o->nodes[number].next;
    } else {
        if (o->node_end == o->node_cap) __builtin_trap(); /* more entries than reserved: a caller's mistake */
        number = o->node_end++;
    }
    o->nodes[number].cnt = 0;
    o->nodes[number].next = NONE;
    return number;
}

static void node_give(struct dsdn_ordered *o, uint32_t number)
{
    o->nodes[number].next = o->unused;
    o->unused = number;
    o->unused_cnt++;
}

/* Moves cnt entries; places may overlap in one node. */
static void move(struct node *to, uint32_t at, struct node *from, uint32_t start, uint32_t cnt,
                 uint32_t level)
{
    memmove(to->leaf.key + at, from->leaf.key + start, cnt * sizeof *to->leaf.key);
    memmove(more_of(to, level) + at, more_of(from, level) + start, cnt * sizeof *to->leaf.more);
    memmove(rows_of(to, level) + at, rows_of(from, level) + start, cnt * sizeof *to->leaf.row);
    if (level) memmove(to->inner.child + at, from->inner.child + start, cnt * sizeof *to->inner.child);
}

static void entry_copy(struct node *to, uint32_t to_level, uint32_t at, struct node *from,
                       uint32_t from_level, uint32_t start)
{
    to->leaf.key[at] = from->leaf.key[start];
    more_of(to, to_level)[at] = more_of(from, from_level)[start];
    rows_of(to, to_level)[at] = rows_of(from, from_level)[start];
}

/* ---- changes ------------------------------------------------------------------------------------------- */

struct entry {
    uint64_t key, more;
    uint32_t row, child;
};

static void put(struct node *n, uint32_t level, uint32_t at, const struct entry *entry)
{
    move(n, at + 1, n, at, n->cnt - at, level);
    n->leaf.key[at] = entry->key;
    more_of(n, level)[at] = entry->more;
    rows_of(n, level)[at] = entry->row;
    if (level) n->inner.child[at] = entry->child;
    n->cnt++;
}

/* Splits a full node and puts the entry into the half where it belongs; *entry becomes the one of the right
 * half for the level above. */
static void split(struct dsdn_ordered *o, uint32_t number, uint32_t level, uint32_t at, struct entry *entry)
{
    uint32_t right_number = node_take(o);
    struct node *left = &o->nodes[number], *right = &o->nodes[right_number];
    uint32_t keep = left->cnt / 2;
    /* Keys that only grow (times, counters) would leave half of every leaf empty for ever. */
    if (level == 0 && at == left->cnt && left->next == NONE) keep = left->cnt;
    right->cnt = left->cnt - keep;
    move(right, 0, left, keep, right->cnt, level);
    left->cnt = keep;
    if (level == 0) {
        right->next = left->next;
        left->next = right_number;
    }
    if (at > keep || keep == LEAF_CAP)
        put(right, level, at - keep, entry);
    else
        put(left, level, at, entry);
    *entry = (struct entry){right->leaf.key[0], more_of(right, level)[0], rows_of(right, level)[0],
                            right_number};
}

static void insert(struct dsdn_ordered *o, uint32_t row, const struct probe *probe)
{
    struct way way;
    descend(o, probe, &way);
    if (way.child[0] && o->nodes[way.node[0]].leaf.row[way.child[0] - 1] == row) __builtin_trap(); /* twice */
    struct entry entry = {probe->head, probe->more, row, NONE};
    for (uint32_t level = 0;; level++) {
        if (level > o->height) { /* the root was split */
            uint32_t number = node_take(o);
            struct node *n = &o->nodes[number];
            n->cnt = 1;
            n->inner.child[0] = o->root;
            put(n, level, 1, &entry);
            o->root = number;
            o->height = level;
            break;
        }
        struct node *n = &o->nodes[way.node[level]];
        uint32_t at = level ? way.child[level] + 1 : way.child[0];
        if (n->cnt < (level ? (uint32_t)INNER_CAP : (uint32_t)LEAF_CAP)) {
            put(n, level, at, &entry);
            break;
        }
        split(o, way.node[level], level, at, &entry);
    }
    o->entry_cnt++;
}

void dsdn_ordered_insert(struct dsdn_ordered *o, uint32_t row)
{
    struct probe probe;
    probe_row(o, row, &probe);
    insert(o, row, &probe);
}

void dsdn_ordered_insert_key(struct dsdn_ordered *o, uint32_t row, const uint8_t *key)
{
    struct probe probe;
    probe_key(o, key, &probe);
    insert(o, row, &probe);
}

/* Children i - 1 and i of a node: all into the left one if they fit, otherwise half into each. */
static void even_out(struct dsdn_ordered *o, struct node *parent, uint32_t level, uint32_t i)
{
    uint32_t right_number = parent->inner.child[i];
    struct node *left = &o->nodes[parent->inner.child[i - 1]], *right = &o->nodes[right_number];
    uint32_t all = left->cnt + right->cnt;
    if (level) entry_copy(right, level, 0, parent, level + 1, i); /* entry 0 is kept by the parent only */
    if (all <= (level ? (uint32_t)INNER_CAP : (uint32_t)LEAF_CAP)) {
        move(left, left->cnt, right, 0, right->cnt, level);
        left->cnt = all;
        if (level == 0) left->next = right->next;
        node_give(o, right_number);
        move(parent, i, parent, i + 1, parent->cnt - i - 1, level + 1);
        parent->cnt--;
        return;
    }
    uint32_t keep = all / 2;
    if (left->cnt < keep) {
        uint32_t cnt = keep - left->cnt;
        move(left, left->cnt, right, 0, cnt, level);
        move(right, 0, right, cnt, right->cnt - cnt, level);
    } else {
        uint32_t cnt = left->cnt - keep;
        move(right, cnt, right, 0, right->cnt, level);
        move(right, 0, left, keep, cnt, level);
    }
    left->cnt = keep;
    right->cnt = all - keep;
    entry_copy(parent, level + 1, i, right, level, 0);
}

static void remove_at(struct dsdn_ordered *o, uint32_t row, const struct probe *probe)
{
    struct way way;
    descend(o, probe, &way);
    struct node *leaf = &o->nodes[way.node[0]];
    uint32_t at = way.child[0] - 1; /* past_equal: the entry itself is the last one counted */
    if (way.child[0] == 0 || leaf->leaf.row[at] != row) __builtin_trap(); /* its key changed meanwhile */
    leaf->cnt--;
    move(leaf, at, leaf, at + 1, leaf->cnt - at, 0);
    o->entry_cnt--;
    if (at == 0 && leaf->cnt) {
        /* The row stands for this leaf in the first node above where the way is not leftmost. */
        uint32_t level = 1;
        while (level <= o->height && way.child[level] == 0) level++;
        if (level <= o->height) entry_copy(&o->nodes[way.node[level]], level, way.child[level], leaf, 0, 0);
    }
    for (uint32_t level = 0; level < o->height; level++) {
        if (o->nodes[way.node[level]].cnt >= (level ? (uint32_t)INNER_MIN : (uint32_t)LEAF_MIN)) return;
        uint32_t i = way.child[level + 1];
        even_out(o, &o->nodes[way.node[level + 1]], level, i ? i : 1);
    }
    if (o->height && o->nodes[o->root].cnt == 1) {
        uint32_t child = o->nodes[o->root].inner.child[0];
        node_give(o, o->root);
        o->root = child;
        o->height--;
    }
}

void dsdn_ordered_remove(struct dsdn_ordered *o, uint32_t row)
{
    struct probe probe;
    probe_row(o, row, &probe);
    remove_at(o, row, &probe);
}

void dsdn_ordered_remove_key(struct dsdn_ordered *o, uint32_t row, const uint8_t *key)
{
    struct probe probe;
    probe_key(o, key, &probe);
    remove_at(o, row, &probe);
}

/* ---- positions ----------------------------------------------------------------------------------------- */

void dsdn_ordered_seek(const struct dsdn_ordered *o, const uint8_t *key, uint32_t len, uint32_t *leaf,
                       uint32_t *slot)
{
    struct probe probe = {.head_only = len <= 16};
    if (len) memcpy(probe.bytes, key, len < o->key_len ? len : o->key_len);
    probe.head = dsdn_load64_be(probe.bytes);
    probe.more = dsdn_load64_be(probe.bytes + 8);
    struct way way;
    descend(o, &probe, &way);
    *leaf = way.node[0];
    *slot = way.child[0];
}

uint32_t dsdn_ordered_at(const struct dsdn_ordered *o, uint32_t *leaf, uint32_t *slot)
{
    while (*leaf != NONE) {
        const struct node *n = &o->nodes[*leaf];
        if (*slot < n->cnt) return n->leaf.row[(*slot)++];
        *leaf = n->next;
        *slot = 0;
    }
    return DSDN_NO_ROW;
}

uint32_t dsdn_ordered_count(const struct dsdn_ordered *o)
{
    return o->entry_cnt;
}

/* ---- memory -------------------------------------------------------------------------------------------- */

/* The most nodes that a tree of cnt entries can have: all at their minimum, and one node a level that is
 * below it. */
static uint64_t nodes_of(uint64_t cnt)
{
    uint64_t level = cnt / LEAF_MIN + 1, sum = level;
    while (level > 1) {
        level = level / INNER_MIN + 1;
        sum += level;
    }
    return sum;
}

int dsdn_ordered_reserve(struct dsdn_ordered *o, uint32_t extra, struct dsdn_error *error)
{
    uint64_t entries = (uint64_t)o->entry_cnt + extra;
    if (entries >= UINT32_MAX)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "an ordered index of %llu rows",
                         (unsigned long long)entries);
    uint64_t need = nodes_of(entries); /* pages that are never touched cost address space only */
    if (need <= o->node_cap) return DSDN_OK;
    uint64_t cap = (uint64_t)o->node_cap + o->node_cap / 4;
    if (cap < need) cap = need;
    int rc = dsdn_pages_grow(&o->arena, cap * sizeof *o->nodes, "an ordered index", error);
    if (rc) return rc;
    o->nodes = o->arena.start;
    o->node_cap = (uint32_t)(o->arena.len / sizeof *o->nodes);
    return DSDN_OK;
}

struct dsdn_ordered *dsdn_ordered_new(uint32_t key_len, dsdn_ordered_key_fn key, const void *context)
{
    if (key_len == 0 || key_len > 2 * DSDN_KEY_MAX)
        __builtin_trap(); /* declared in the program, not read from outside */
    struct dsdn_ordered *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    o->key_len = key_len;
    o->key = key;
    o->context = context;
    if (dsdn_ordered_reserve(o, 0, NULL)) {
        free(o);
        return NULL;
    }
    o->root = node_take(o);
    return o;
}

void dsdn_ordered_free(struct dsdn_ordered *o)
{
    if (!o) return;
    dsdn_pages_free(&o->arena);
    free(o);
}

size_t dsdn_ordered_memory(const struct dsdn_ordered *o)
{
    return sizeof *o + o->arena.len;
}

/* ---- bulk ---------------------------------------------------------------------------------------------- */

/* How many nodes of `cap` entries hold cnt: filled to seven eighths, so that the first inserts do not split
 * them all. */
static uint32_t spread(uint32_t cnt, uint32_t cap)
{
    uint32_t fill = cap - cap / 8;
    return cnt / fill + (cnt % fill != 0);
}

int dsdn_ordered_build(struct dsdn_ordered *o, const uint32_t *rows, uint32_t cnt, struct dsdn_error *error)
{
    int rc = dsdn_ordered_reserve(o, cnt, error);
    if (rc || cnt == 0) return rc;
    node_give(o, o->root); /* the empty leaf; a level is then laid out as one run of numbers */
    o->unused_cnt = 0;
    o->node_end = 0;
    uint32_t node_cnt = spread(cnt, LEAF_CAP), first = 0;
    for (uint32_t i = 0, done = 0; i < node_cnt; i++) {
        struct node *n = &o->nodes[node_take(o)];
        uint32_t end = (uint32_t)((uint64_t)cnt * (i + 1) / node_cnt);
        for (; done < end; done++, n->cnt++) {
            struct probe probe;
            probe_row(o, rows[done], &probe);
            n->leaf.key[n->cnt] = probe.head;
            n->leaf.more[n->cnt] = probe.more;
            n->leaf.row[n->cnt] = rows[done];
        }
        n->next = i + 1 < node_cnt ? i + 1 : NONE;
    }
    for (o->height = 0; node_cnt > 1; o->height++) {
        uint32_t child_cnt = node_cnt, next_first = first + child_cnt;
        node_cnt = spread(child_cnt, INNER_CAP);
        for (uint32_t i = 0, done = 0; i < node_cnt; i++) {
            struct node *n = &o->nodes[node_take(o)];
            uint32_t end = (uint32_t)((uint64_t)child_cnt * (i + 1) / node_cnt);
            for (; done < end; done++, n->cnt++) {
                /* Entry 0 is set here too: it is what the next level reads as the first one below this
                 * node. */
                entry_copy(n, o->height + 1, n->cnt, &o->nodes[first + done], o->height, 0);
                n->inner.child[n->cnt] = first + done;
            }
        }
        first = next_first;
    }
    o->root = first;
    o->entry_cnt = cnt;
    return DSDN_OK;
}
