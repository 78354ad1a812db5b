/* table_sort.c: the rows of a table in the order of their keys, or of one of its ordered indexes. */
#include "statemachine/ordered.h"
#include "statemachine/ring_internal.h"
#include "statemachine/state.h"

#include <stdlib.h>

struct entry {
    uint64_t piece; /* 8 bytes of the key as a number */
    uint32_t row;
};

struct order {
    const struct dsdn_table *table;
    uint32_t index; /* DSDN_INDEX_MAX: by primary key */
    uint32_t len;   /* of its keys */
};

enum { INDEX_KEY_MAX = 2 * DSDN_KEY_MAX + 256, FEW = 32 };

/* The key of a row: in the row itself, or computed into buffer. */
static const uint8_t *key_of(const struct order *o, uint32_t row, uint8_t *buffer)
{
    if (o->index == DSDN_INDEX_MAX) return dsdn_row_at(o->table, row, o->table->desc->row_size);
    dsdn_index_key(o->table, o->index, row, buffer);
    return buffer;
}

static uint64_t piece_of(const struct order *o, uint32_t row, uint32_t at)
{
    uint8_t buffer[INDEX_KEY_MAX], head[8] = {0};
    const uint8_t *key = key_of(o, row, buffer);
    if (o->len - at >= 8) return dsdn_load64_be(key + at);
    memcpy(head, key + at, o->len - at);
    return dsdn_load64_be(head);
}

/* Whether a run is in order already: rows of a restored table, and of most indexes, are. */
static bool in_order(const struct order *o, const struct entry *a, uint32_t n)
{
    uint8_t buffers[2][INDEX_KEY_MAX];
    const uint8_t *last = key_of(o, a[0].row, buffers[0]);
    for (uint32_t i = 1; i < n; i++) {
        const uint8_t *key = key_of(o, a[i].row, buffers[i & 1]);
        if (memcmp(last, key, o->len) > 0) return false;
        last = key;
    }
    return true;
}

static void insertion(struct entry *a, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct entry e = a[i];
        uint32_t j = i;
        for (; j && a[j - 1].piece > e.piece; j--) a[j] = a[j - 1];
        a[j] = e;
    }
}

/* Stable, by piece; spare has room for n entries too. */
static void radix(struct entry *a, struct entry *spare, uint32_t n)
{
    struct entry *from = a, *to = spare;
    for (uint32_t shift = 0; shift < 64; shift += 8) {
        uint32_t count[257] = {0};
        for (uint32_t i = 0; i < n; i++) count[(from[i].piece >> shift & 0xff) + 1]++;
        if (count[(from[0].piece >> shift & 0xff) + 1] == n) continue; /* all share this digit */
        for (uint32_t d = 0; d < 256; d++) count[d + 1] += count[d];
        for (uint32_t i = 0; i < n; i++) to[count[from[i].piece >> shift & 0xff]++] = from[i];
        struct entry *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != a) memcpy(a, from, (size_t)n * sizeof *a);
}

/* Sorts entries whose keys agree before byte `at`: by the next 8 bytes, then each run of equal ones by those
 * that follow. The cost is linear in the bytes of the keys, whoever chose them.  The recursion is as deep as
 * a key has words. */
static void sort(const struct order *o, struct entry *a, struct entry *spare, uint32_t n, uint32_t at)
{
    for (uint32_t i = 0; i < n; i++) a[i].piece = piece_of(o, a[i].row, at);
    if (n <= FEW)
        insertion(a, n);
    else
        radix(a, spare, n);
    for (uint32_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && a[end].piece == a[start].piece;) end++;
        if (end - start > 1 && at + 8 < o->len && !in_order(o, a + start, end - start))
            sort(o, a + start, spare, end - start, at + 8);
    }
}

/* The live rows in order, in a new array. */
static int sorted_rows(const struct order *o, uint32_t **rows, uint32_t *cnt, struct dsdn_error *error)
{
    const struct dsdn_table *t = o->table;
    uint32_t all = t->live_cnt, n = 0;
    struct entry *entries = malloc(((size_t)all * 2 + 1) * sizeof *entries);
    uint32_t *out = malloc((size_t)all * 4 + 4);
    if (!entries || !out) {
        free(entries);
        free(out);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to sort %u rows of %s", all, t->desc->name);
    }
    for (uint32_t row = 0; row < t->row_end; row++)
        if (dsdn_table_live(t, row)) entries[n++].row = row;
    if (n > 1) sort(o, entries, entries + n, n, 0);
    for (uint32_t i = 0; i < n; i++) out[i] = entries[i].row;
    free(entries);
    *rows = out;
    *cnt = n;
    return DSDN_OK;
}

int dsdn_table_sorted(const struct dsdn_table *t, uint32_t **rows, struct dsdn_error *error)
{
    const struct order o = {t, DSDN_INDEX_MAX, t->desc->key_len};
    uint32_t cnt;
    return sorted_rows(&o, rows, &cnt, error);
}

static int build(const struct order *o, struct dsdn_ordered *tree, struct dsdn_error *error)
{
    uint32_t *rows, cnt;
    int rc = sorted_rows(o, &rows, &cnt, error);
    if (rc) return rc;
    rc = dsdn_ordered_build(tree, rows, cnt, error);
    free(rows);
    return rc;
}

int dsdn_table_index_all(struct dsdn_table *t, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    if (t->live_cnt == 0) return DSDN_OK;
    for (uint32_t i = 0; !rc && i < DSDN_INDEX_MAX && t->index[i]; i++) {
        uint8_t key[INDEX_KEY_MAX];
        const struct order o = {t, i, dsdn_index_key(t, i, 0, key)};
        rc = build(&o, t->index[i], error);
    }
    for (uint32_t row = 0; !rc && t->ring && row < t->row_end; row++)
        if (dsdn_table_live(t, row)) dsdn_ring_settle(t, row);
    return rc;
}
