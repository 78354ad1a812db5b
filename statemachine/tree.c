#include "statemachine/tree_layout.h"
#include "log/hash.h"

#include <pthread.h>

enum {
    BATCH = 64,          /* hashes handed over at once: enough to fill the lanes and to hide the prefetches */
    SEGMENT = 4096,      /* dirty buckets carried up together; bounds the stack, not the tree */
    JOB_CAP = 256,       /* hashes inside buckets waiting to be done side by side */
    JOIN_DEPTH = 3,      /* two threads meet here: at this depth the halves share no byte of `classes` */
    PARALLEL_DEPTH = 13, /* from here on the halves share no word of `dirty` and `dirty_words` */
    PARALLEL_DIRTY = 2000 /* fewer dirty buckets are done before a thread has started */
};

/* ---- writes -------------------------------------------------------------------------------------------- */

bool dsdn_tree_has(const struct dsdn_tree *t, uint32_t row)
{
    return row < t->row_cap && (t->live[row / 64] >> row % 64 & 1);
}

void dsdn_tree_insert(struct dsdn_tree *t, uint32_t row, const uint8_t kh[32])
{
    if (row >= t->row_cap || dsdn_tree_has(t, row))
        __builtin_trap(); /* a caller's mistake; would tie a loop */
    uint32_t bucket = bucket_of(t, kh);
    uint32_t *link = &t->heads[bucket];
    for (; *link; link = &t->next[*link - 1]) {
        int order = memcmp(t->leaves[*link - 1].kh, kh, 32);
        if (order == 0) __builtin_trap(); /* two rows with one key: there is no such tree */
        if (order > 0) break;
    }
    memset(t->leaves[row].hash, 0, 32);
    memcpy(t->leaves[row].kh, kh, 32);
    memset(t->vh + 32 * (size_t)row, 0, 32);
    t->next[row] = *link;
    *link = row + 1;
    t->live[row / 64] |= (uint64_t)1 << row % 64;
    t->leaf_cnt++;
    mark_bucket(t, bucket);
}

void dsdn_tree_remove(struct dsdn_tree *t, uint32_t row)
{
    if (!dsdn_tree_has(t, row)) return;
    uint32_t bucket = bucket_of(t, t->leaves[row].kh);
    uint32_t *link = &t->heads[bucket];
    while (*link != row + 1) link = &t->next[*link - 1];
    *link = t->next[row];
    t->live[row / 64] &= ~((uint64_t)1 << row % 64);
    t->leaf_cnt--;
    mark_bucket(t, bucket);
}

void dsdn_tree_set(struct dsdn_tree *t, const uint32_t *rows, const uint8_t *vh, uint32_t cnt)
{
    uint8_t pairs[BATCH][64];
    const uint8_t *in[BATCH];
    uint8_t *out[BATCH];
    for (uint32_t done = 0; done < cnt;) {
        uint32_t n = cnt - done < BATCH ? cnt - done : BATCH;
        for (uint32_t i = 0; i < n; i++) {
            __builtin_prefetch(&t->leaves[rows[done + i]], 1);
            __builtin_prefetch(t->vh + 32 * (size_t)rows[done + i], 1);
        }
        for (uint32_t i = 0; i < n; i++) {
            struct leaf *leaf = &t->leaves[rows[done + i]];
            const uint8_t *value = vh + 32 * (size_t)(done + i);
            memcpy(pairs[i], leaf->kh, 32);
            memcpy(pairs[i] + 32, value, 32);
            memcpy(t->vh + 32 * (size_t)rows[done + i], value, 32);
            in[i] = pairs[i];
            out[i] = leaf->hash;
            mark_bucket(t, bucket_of(t, leaf->kh));
        }
        dsdn_sha256_nodes(0x00, in, out, n);
        done += n;
    }
}

/* ---- buckets ------------------------------------------------------------------------------------------- */

/* Inner nodes inside buckets.  A node's height is one more than that of its highest child, so that nodes of
 * one height depend on no other of that height and are hashed side by side, lowest first. */
struct jobs {
    uint8_t pairs[JOB_CAP][64];
    uint8_t *out[JOB_CAP];
    uint16_t next[JOB_CAP];                  /* job + 1 of the same height; 0: last */
    uint16_t first[DSDN_TREE_DEPTH_MAX + 1]; /* by height */
    uint32_t cnt, height;
};

static void run_jobs(struct jobs *jobs)
{
    const uint8_t *in[JOB_CAP];
    uint8_t *out[JOB_CAP];
    for (uint32_t height = 1; height <= jobs->height; height++) {
        size_t n = 0;
        for (uint32_t link = jobs->first[height]; link; link = jobs->next[link - 1]) {
            in[n] = jobs->pairs[link - 1];
            out[n++] = jobs->out[link - 1];
        }
        dsdn_sha256_nodes(0x01, in, out, n);
        jobs->first[height] = 0;
    }
    jobs->cnt = jobs->height = 0;
}

/* The node at `depth` above the leaves [first, end): its hash goes to out now or when the jobs run.  Returns
 * its height. */
static uint32_t plan(const struct dsdn_tree *t, struct jobs *jobs, uint32_t first, uint32_t end,
                     unsigned depth, uint8_t *out)
{
    if (first == end) {
        memset(out, 0, 32);
        return 0;
    }
    if (t->next[first - 1] == end) {
        memcpy(out, t->leaves[first - 1].hash, 32);
        return 0;
    }
    uint32_t job = jobs->cnt++;
    uint32_t middle = dsdn_tree_split(t, first, end, depth);
    uint32_t left = plan(t, jobs, first, middle, depth + 1, jobs->pairs[job]);
    uint32_t right = plan(t, jobs, middle, end, depth + 1, jobs->pairs[job] + 32);
    uint32_t height = 1 + (left > right ? left : right);
    jobs->out[job] = out;
    jobs->next[job] = jobs->first[height];
    jobs->first[height] = (uint16_t)(job + 1);
    if (jobs->height < height) jobs->height = height;
    return height;
}

static unsigned common_bits(const uint8_t *a, const uint8_t *b)
{
    for (unsigned i = 0; i < 32; i += 8) {
        uint64_t difference = dsdn_load64_be(a + i) ^ dsdn_load64_be(b + i);
        if (difference) return 8 * i + (unsigned)__builtin_clzll(difference);
    }
    return 256;
}

/* How many inner nodes lie below the bucket of this chain, at most: each has two neighbours of the chain
 * below it that agree in all bits above it. */
static uint32_t count_inner(const struct dsdn_tree *t, uint32_t head)
{
    uint32_t cnt = 0;
    for (uint32_t next = t->next[head - 1]; next && cnt <= JOB_CAP; head = next, next = t->next[head - 1])
        cnt += common_bits(t->leaves[head - 1].kh, t->leaves[next - 1].kh) - t->depth + 1;
    return cnt;
}

static void set_class(struct dsdn_tree *t, size_t node, unsigned class)
{
    unsigned shift = node % 4 * 2;
    t->classes[node / 4] = (uint8_t)((t->classes[node / 4] & ~(3u << shift)) | class << shift);
}

/* Everything a bucket needs is far apart and each piece names the next, so they are fetched three steps ahead
 * of use. */
static void prefetch_bucket(const struct dsdn_tree *t, const uint32_t *list, size_t cnt, size_t i)
{
    uint32_t first = (uint32_t)1 << t->depth;
    if (i + 24 < cnt) {
        __builtin_prefetch(&t->heads[list[i + 24] - first]);
        __builtin_prefetch(node_at(t, list[i + 24]), 1);
    }
    uint32_t head = i + 16 < cnt ? t->heads[list[i + 16] - first] : 0;
    if (head) {
        __builtin_prefetch(&t->leaves[head - 1]);
        __builtin_prefetch(&t->next[head - 1]);
    }
    head = i + 8 < cnt ? t->heads[list[i + 8] - first] : 0;
    if (head && t->next[head - 1]) {
        __builtin_prefetch(&t->leaves[t->next[head - 1] - 1]);
        __builtin_prefetch(&t->next[t->next[head - 1] - 1]);
    }
}

/* Computes the buckets of a list of nodes. */
static void hash_buckets(struct dsdn_tree *t, const uint32_t *list, size_t cnt)
{
    struct jobs jobs;
    memset(jobs.first, 0, sizeof jobs.first);
    jobs.cnt = jobs.height = 0;
    for (size_t i = 0; i < cnt; i++) {
        prefetch_bucket(t, list, cnt, i);
        uint32_t head = t->heads[list[i] - ((uint32_t)1 << t->depth)];
        uint8_t *out = node_at(t, list[i]);
        if (head && t->next[head - 1]) {
            set_class(t, list[i], CLASS_INNER);
            uint32_t inner = count_inner(t, head);
            if (inner > JOB_CAP) { /* nobody finds such keys, but they may come */
                dsdn_tree_subtree(t, head, 0, t->depth, out);
                continue;
            }
            if (inner > JOB_CAP - jobs.cnt) run_jobs(&jobs);
        } else {
            set_class(t, list[i], head ? CLASS_LEAF : CLASS_EMPTY);
        }
        plan(t, &jobs, head, 0, t->depth, out);
    }
    run_jobs(&jobs);
}

/* ---- upper levels -------------------------------------------------------------------------------------- */

/* Replaces an ascending list of nodes of one depth by their parents, and computes those.  Returns how
 * many. */
static size_t hash_parents(struct dsdn_tree *t, uint32_t *list, size_t cnt)
{
    const uint8_t *in[BATCH];
    uint8_t *out[BATCH];
    size_t parent_cnt = 0, n = 0;
    uint32_t last = 0;
    for (size_t i = 0; i < cnt; i++) {
        uint32_t node = list[i] / 2;
        if (node == last) continue;
        last = list[parent_cnt++] = node;
        const uint8_t *children = node_at(t, 2 * (size_t)node);
        unsigned left = class_of(t, 2 * (size_t)node), right = class_of(t, 2 * (size_t)node + 1);
        if (left + right <= CLASS_LEAF) { /* nothing or one leaf below: the other child is empty */
            memcpy(node_at(t, node), children + (right ? 32 : 0), 32);
            set_class(t, node, left + right);
            continue;
        }
        set_class(t, node, CLASS_INNER);
        __builtin_prefetch(children);
        in[n] = children;
        out[n++] = node_at(t, node);
        if (n == BATCH) {
            dsdn_sha256_nodes(0x01, in, out, n);
            n = 0;
        }
    }
    dsdn_sha256_nodes(0x01, in, out, n);
    return parent_cnt;
}

/* Computes the nodes above a list of nodes of depth `from`, up to depth `to`. */
static void climb(struct dsdn_tree *t, uint32_t *list, size_t cnt, unsigned from, unsigned to)
{
    for (; from > to; from--) cnt = hash_parents(t, list, cnt);
}

/* Moves the next dirty buckets, in order, from the bitmap to the list, as node numbers.  *word is where to
 * look, end_word where to stop. */
static size_t take_dirty(struct dsdn_tree *t, uint32_t *word, uint32_t end_word, uint32_t *list)
{
    size_t cnt = 0;
    while (*word < end_word) {
        uint64_t words = t->dirty_words[*word / 64] >> *word % 64;
        if (!words) {
            *word = (*word / 64 + 1) * 64;
            continue;
        }
        *word += (uint32_t)__builtin_ctzll(words);
        uint64_t bits = t->dirty[*word];
        for (; bits && cnt < SEGMENT; bits &= bits - 1)
            list[cnt++] = ((uint32_t)1 << t->depth) + *word * 64 + (uint32_t)__builtin_ctzll(bits);
        t->dirty[*word] = bits;
        if (bits) return cnt;
        t->dirty_words[*word / 64] &= ~((uint64_t)1 << *word % 64);
    }
    return cnt;
}

/* A piece of the tree that one thread brings up to date: the buckets [first, end), and what is above down to
 * depth `to`. */
struct piece {
    struct dsdn_tree *tree;
    uint32_t first, end;
    unsigned to;
};

static void *update(void *argument)
{
    const struct piece *piece = argument;
    struct dsdn_tree *t = piece->tree;
    uint32_t list[SEGMENT];
    if (t->clean_depth < t->depth) { /* values for all new levels; above them only dirty nodes need one */
        for (uint32_t bucket = piece->first; bucket < piece->end;) {
            size_t cnt = 0;
            for (; bucket < piece->end && cnt < SEGMENT; bucket++)
                list[cnt++] = ((uint32_t)1 << t->depth) + bucket;
            hash_buckets(t, list, cnt);
            climb(t, list, cnt, t->depth, t->clean_depth + 1);
        }
    }
    /* The ancestors that two segments share are hashed for both; the second time all below them is up to
     * date. */
    uint32_t word = piece->first / 64, end_word = (piece->end + 63) / 64;
    for (size_t cnt; (cnt = take_dirty(t, &word, end_word, list));) {
        hash_buckets(t, list, cnt);
        climb(t, list, cnt, t->depth, piece->to);
    }
    return NULL;
}

void dsdn_tree_root(struct dsdn_tree *t, unsigned threads, uint8_t root[32])
{
    uint32_t end = (uint32_t)1 << t->depth;
    struct piece left = {t, 0, end / 2, JOIN_DEPTH}, right = {t, end / 2, end, JOIN_DEPTH};
    pthread_t thread;
    if (threads > 1 && t->depth >= PARALLEL_DEPTH && t->dirty_cnt >= PARALLEL_DIRTY &&
        pthread_create(&thread, NULL, update, &right) == 0) {
        update(&left);
        pthread_join(thread, NULL);
        uint32_t list[1 << JOIN_DEPTH];
        for (uint32_t i = 0; i < 1u << JOIN_DEPTH; i++) list[i] = (1u << JOIN_DEPTH) + i;
        climb(t, list, 1u << JOIN_DEPTH, JOIN_DEPTH, 0);
    } else if (t->dirty_cnt || t->clean_depth < t->depth) {
        update(&(struct piece){t, 0, end, 0});
    }
    t->clean_depth = t->depth;
    t->dirty_cnt = 0;
    memcpy(root, node_at(t, 1), 32);
}
