/* roots.c: table roots, role roots, state root; and the row-change hash of a batch (protocol.md, section
 * 11). */
#include "statemachine/engine_internal.h"

#include "log/hash.h"
#include "statemachine/tree.h"

#include <pthread.h>
#include <stdlib.h>

/* Rows are hashed in groups: their encodings lie in one buffer, then all messages go through the interleaved
 * kernels. */
enum { GROUP = 64 };

/* Value hashes of rows[0..cnt) of a table into vh, and key hashes into kh (32 bytes each). */
struct hash_work {
    const struct dsdn_state *state;
    const struct dsdn_table *table;
    const uint32_t *rows;
    uint32_t cnt;
    uint8_t *vh, *kh;
    uint8_t *buffer; /* GROUP encodings */
};

static void *hash_rows(void *argument)
{
    const struct hash_work *w = argument;
    const struct dsdn_table_desc *desc = w->table->desc;
    struct dsdn_sha256_job jobs[2 * GROUP];
    for (uint32_t from = 0; from < w->cnt; from += GROUP) {
        uint32_t n = w->cnt - from < GROUP ? w->cnt - from : GROUP;
        uint8_t *out = w->buffer;
        for (uint32_t i = 0; i < n; i++) {
            const uint8_t *row = dsdn_row_at(w->table, w->rows[from + i], desc->row_size);
            jobs[i] = (struct dsdn_sha256_job){out, NULL, 0, 0, w->vh + 32 * (size_t)(from + i)};
            *out = 3;
            jobs[i].head_len = 1 + desc->encode(w->state, row, out + 1, NULL);
            out += jobs[i].head_len;
            jobs[n + i] =
                (struct dsdn_sha256_job){row, NULL, desc->key_len, 0, w->kh + 32 * (size_t)(from + i)};
        }
        dsdn_sha256_many(jobs, n);
        dsdn_sha256_many(jobs + n, n);
    }
    return NULL;
}

/* Work for a second thread pays from about here on. */
#define SPLIT_FROM 1024u

static int hash_all(struct hash_work *w, unsigned threads, struct dsdn_error *error)
{
    size_t group = (size_t)GROUP * (1 + w->table->desc->value_max);
    w->buffer = malloc(group * 2);
    if (!w->buffer)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to hash rows of %s", w->table->desc->name);
    struct hash_work half = *w;
    pthread_t thread;
    bool split = threads > 1 && w->cnt >= SPLIT_FROM;
    if (split) {
        uint32_t first = w->cnt / 2;
        half.rows += first;
        half.vh += 32 * (size_t)first;
        half.kh += 32 * (size_t)first;
        half.cnt -= first;
        half.buffer += group;
        w->cnt = first;
        split = pthread_create(&thread, NULL, hash_rows, &half) == 0;
        if (!split) hash_rows(&half);
    }
    hash_rows(w);
    if (split) pthread_join(thread, NULL);
    free(w->buffer);
    return DSDN_OK;
}

/* Brings a table's tree up to date with the rows that changed. */
static int flush_table(const struct dsdn_state *s, struct dsdn_table *t, unsigned threads,
                       struct dsdn_error *error)
{
    if (!t->tree) {
        t->tree = dsdn_tree_new();
        if (!t->tree)
            return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the tree of table %s", t->desc->name);
    }
    int rc = dsdn_tree_reserve(t->tree, t->row_cap, error);
    if (rc || !t->dirty_cnt) return rc;
    uint32_t *rows = malloc((size_t)t->dirty_cnt * 4), cnt = 0;
    uint8_t *hashes = malloc((size_t)t->dirty_cnt * 64);
    if (!rows || !hashes) {
        free(rows);
        free(hashes);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to hash %u rows of %s", t->dirty_cnt,
                         t->desc->name);
    }
    for (uint32_t i = 0; i < t->dirty_cnt; i++)
        if (dsdn_table_live(t, t->dirty_rows[i])) rows[cnt++] = t->dirty_rows[i];
    struct hash_work w = {s, t, rows, cnt, hashes, hashes + 32 * (size_t)t->dirty_cnt, NULL};
    rc = hash_all(&w, threads, error);
    if (!rc) {
        const uint8_t *kh = hashes + 32 * (size_t)t->dirty_cnt;
        for (uint32_t i = 0; i < cnt; i++)
            if (!dsdn_tree_has(t->tree, rows[i])) dsdn_tree_insert(t->tree, rows[i], kh + 32 * (size_t)i);
        dsdn_tree_set(t->tree, rows, hashes, cnt);
        for (uint32_t i = 0; i < t->dirty_cnt; i++) {
            uint32_t row = t->dirty_rows[i];
            t->dirty[row / 64] &= ~((uint64_t)1 << row % 64);
        }
        t->dirty_cnt = 0;
    }
    free(rows);
    free(hashes);
    return rc;
}

/* Tables of a role in order of table id; roles in order of role id.  Both lists are short: selection by
 * scanning. */
void dsdn_roots_combine(const struct dsdn_table_desc *const *tables, uint32_t table_cnt,
                        struct dsdn_roots *roots)
{
    struct dsdn_sha256 state;
    dsdn_tag_init(&state, "dsdn/state/1");
    roots->role_cnt = 0;
    for (int32_t role = -1;;) {
        int32_t next = INT32_MAX;
        for (uint32_t i = 0; i < table_cnt; i++)
            if (tables[i]->role > role && tables[i]->role < next) next = tables[i]->role;
        if (next == INT32_MAX || roots->role_cnt == sizeof roots->roles / sizeof *roots->roles) break;
        role = next;
        struct dsdn_role_root *out = &roots->roles[roots->role_cnt++];
        struct dsdn_sha256 sum;
        uint8_t id[2];
        dsdn_tag_init(&sum, "dsdn/role/1");
        for (int32_t table = -1;;) {
            uint32_t best = table_cnt;
            for (uint32_t i = 0; i < table_cnt; i++)
                if (tables[i]->role == role && tables[i]->id > table &&
                    (best == table_cnt || tables[i]->id < tables[best]->id))
                    best = i;
            if (best == table_cnt) break;
            table = tables[best]->id;
            out->name = tables[best]->role_name;
            dsdn_store16(id, tables[best]->id);
            dsdn_sha256_update(&sum, id, 2);
            dsdn_sha256_update(&sum, roots->tables[best], 32);
        }
        out->role = (uint16_t)role;
        dsdn_sha256_final(&sum, out->root);
        dsdn_store16(id, out->role);
        dsdn_sha256_update(&state, id, 2);
        dsdn_sha256_update(&state, out->root, 32);
    }
    dsdn_sha256_final(&state, roots->state);
}

int dsdn_engine_root(struct dsdn_engine *e, unsigned threads, struct dsdn_roots *roots,
                     struct dsdn_error *error)
{
    int rc = dsdn_engine_track(e, error);
    if (rc) return rc;
    for (uint32_t i = 0; i < e->table_cnt; i++) {
        struct dsdn_table *t = &e->state.tables[i];
        rc = flush_table(&e->state, t, threads, error);
        if (rc) return rc;
        dsdn_tree_root(t->tree, threads, roots->tables[i]);
    }
    dsdn_roots_combine(e->descs, e->table_cnt, roots);
    return DSDN_OK;
}

/* ---- row-change hash ---- */

struct change {
    uint16_t table_id;
    uint32_t order; /* of recording: the first record of a key has its value before the batch */
    uint8_t key_hash[32], old_hash[32], new_hash[32];
};

static int by_key(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    if (x->table_id != y->table_id) return x->table_id < y->table_id ? -1 : 1;
    int order = memcmp(x->key_hash, y->key_hash, 32);
    return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

/* Forget what was recorded: the next batch starts anew. */
static void forget(struct dsdn_state *s)
{
    for (uint32_t i = 0; i < s->old_cnt; i++) {
        uint32_t row = s->old_values[i].row;
        s->tables[s->old_values[i].table].touched[row / 64] &= ~((uint64_t)1 << row % 64);
    }
    /* A failed recording left no trace of which rows it was about. */
    for (uint32_t t = 0; s->failed && t < s->table_cnt; t++) {
        const struct dsdn_pages *touched = &s->tables[t].pages[DSDN_PAGES_TOUCHED];
        if (touched->len) memset(touched->start, 0, touched->len);
    }
    s->old_cnt = 0;
    s->failed = false;
}

static void change_of(const struct dsdn_state *s, uint32_t i, struct change *c)
{
    const struct dsdn_old_value *old = &s->old_values[i];
    const struct dsdn_table *t = &s->tables[old->table];
    *c = (struct change){.table_id = t->desc->id, .order = i};
    dsdn_sha256(old->key, t->desc->key_len, c->key_hash);
    memcpy(c->old_hash, old->value_hash, 32);
    uint32_t row = dsdn_table_find(t, old->key, t->desc->key_len, t->desc->row_size,
                                   dsdn_key_hash(s->seed, old->key, t->desc->key_len));
    if (row != DSDN_NO_ROW) dsdn_state_value_hash(s, old->table, row, c->new_hash);
}

bool dsdn_fingerprint_batch(struct dsdn_state *s, uint8_t out[32])
{
    struct change *changes = s->failed ? NULL : malloc(((size_t)s->old_cnt + 1) * sizeof *changes);
    for (uint32_t i = 0; changes && i < s->old_cnt; i++) change_of(s, i, &changes[i]);
    uint32_t cnt = s->old_cnt;
    forget(s);
    if (!changes) return false;
    qsort(changes, cnt, sizeof *changes, by_key);
    struct dsdn_sha256 sum;
    dsdn_tag_init(&sum, "dsdn/changes/1");
    for (uint32_t i = 0; i < cnt; i++) {
        const struct change *c = &changes[i];
        bool again = i && c[-1].table_id == c->table_id && memcmp(c[-1].key_hash, c->key_hash, 32) == 0;
        if (again || memcmp(c->old_hash, c->new_hash, 32) == 0) continue;
        uint8_t id[2];
        dsdn_store16(id, c->table_id);
        dsdn_sha256_update(&sum, id, 2);
        dsdn_sha256_update(&sum, c->key_hash, 96); /* key, old, new lie one behind the other */
    }
    dsdn_sha256_final(&sum, out);
    free(changes);
    return true;
}
_Static_assert(offsetof(struct change, new_hash) == offsetof(struct change, key_hash) + 64,
               "hashed as one piece");
