#include "statemachine/table.h"

#include "statemachine/ordered.h"
#include "statemachine/ring_internal.h"
#include "statemachine/state.h"
#include "statemachine/tree.h"

static void bit_set(uint64_t *bits, uint32_t i) { bits[i / 64] |= (uint64_t)1 << i % 64; }
static void bit_clear(uint64_t *bits, uint32_t i) { bits[i / 64] &= ~((uint64_t)1 << i % 64); }
static bool bit_test(const uint64_t *bits, uint32_t i) { return bits[i / 64] >> i % 64 & 1; }

/* How the key of an ordered index is made: index_leads, index_folds. */
enum { INDEX_LEADS = 1, INDEX_FOLDS = 2 };

static uint32_t index_count(const struct dsdn_table_desc *desc)
{
    uint32_t n = 0;
    while (n < DSDN_INDEX_MAX && desc->indexes[n].name) n++;
    return n;
}

/* ---- ordered indexes ---- */

/* Numbers are big-endian in index keys, strings zero-padded, references the key they stand for. */
static uint8_t *index_column(const struct dsdn_table *t, const struct dsdn_column *c, const uint8_t *row,
                             uint8_t *out)
{
    const uint8_t *value = row + c->offset;
    if (c->key) {
        memcpy(out, value, c->max);
        return out + c->max;
    }
    static const uint8_t widths[] = {
        [DSDN_COLUMN_u8] = 1,  [DSDN_COLUMN_u16] = 2,  [DSDN_COLUMN_u32] = 4,    [DSDN_COLUMN_u64] = 8,
        [DSDN_COLUMN_i64] = 8, [DSDN_COLUMN_time] = 8, [DSDN_COLUMN_height] = 8, [DSDN_COLUMN_id] = 32,
        [DSDN_COLUMN_hash] = 32, [DSDN_COLUMN_addr] = 32, [DSDN_COLUMN_ns] = 29, [DSDN_COLUMN_bytes] = 0,
    };
    if (c->kind == DSDN_COLUMN_str || c->kind == DSDN_COLUMN_bytes) {
        memset(out, 0, c->max);
        memcpy(out, value, row[c->count_offset]);
        return out + c->max;
    }
    if (c->kind == DSDN_COLUMN_ref || c->kind == DSDN_COLUMN_opt_ref) {
        const struct dsdn_table *target = &t->state->tables[c->target];
        uint32_t number = dsdn_load32(value), len = target->desc->key_len;
        if (number == DSDN_NO_ROW) memset(out, 0xFF, len);
        else memcpy(out, dsdn_row_at(target, number, target->desc->row_size), len);
        return out + len;
    }
    uint32_t width = widths[c->kind];
    if (width >= 29) memcpy(out, value, width);
    else
        for (uint32_t i = 0; i < width; i++) out[i] = value[width - 1 - i];
    if (c->kind == DSDN_COLUMN_i64) out[0] ^= 0x80; /* order of two's complement */
    return out + width;
}

/* The index stands on the first columns of the primary key, which then is its whole key. */
static bool index_leads(const struct dsdn_table *t, uint32_t i)
{
    const struct dsdn_index_desc *index = &t->desc->indexes[i];
    for (uint32_t c = 0; c < index->column_cnt; c++)
        if (index->columns[c] != c || !t->desc->columns()[c].key) return false;
    return true;
}

/* The key in the order of its columns. */
static uint32_t index_key_plain(const struct dsdn_table *t, uint32_t i, uint32_t row, uint8_t *out)
{
    const struct dsdn_index_desc *index = &t->desc->indexes[i];
    const uint8_t *bytes = dsdn_row_at(t, row, t->row_size);
    uint8_t *p = out;
    if (!(t->index_form[i] & INDEX_LEADS)) {
        const struct dsdn_column *columns = t->desc->columns();
        for (uint32_t c = 0; c < index->column_cnt; c++)
            p = index_column(t, &columns[index->columns[c]], bytes, p);
    }
    memcpy(p, bytes, t->desc->key_len);
    return (uint32_t)(p - out) + t->desc->key_len;
}

/* Ids tie in 16 bytes only when they are equal, and then what follows the id is what tells entries apart: it
 * is moved forward, to where the tree sees it without a look at the row: id[0..8) next[0..8) id[8..32) */
static bool index_folds(const struct dsdn_table *t, uint32_t i, uint32_t len)
{
    const struct dsdn_column *first = &t->desc->columns()[t->desc->indexes[i].columns[0]];
    bool id = first->kind == DSDN_COLUMN_id || first->kind == DSDN_COLUMN_hash ||
              first->kind == DSDN_COLUMN_addr;
    return id && len >= 32 + 8;
}

static void fold(uint8_t *key)
{
    uint8_t next[8];
    memcpy(next, key + 32, 8);
    memmove(key + 16, key + 8, 24);
    memcpy(key + 8, next, 8);
}

uint32_t dsdn_index_key(const struct dsdn_table *t, uint32_t i, uint32_t row, uint8_t *out)
{
    uint32_t len = index_key_plain(t, i, row, out);
    if (t->index_form[i] & INDEX_FOLDS) fold(out);
    return len;
}

#define DEFINE_INDEX_KEY(n)                                                                                  \
    static void index_key_##n(const void *context, uint32_t row, uint8_t *out)                               \
    {                                                                                                        \
        dsdn_index_key(context, n, row, out);                                                                \
    }
DEFINE_INDEX_KEY(0)
DEFINE_INDEX_KEY(1)
DEFINE_INDEX_KEY(2)
static void (*const index_keys[DSDN_INDEX_MAX])(const void *, uint32_t,
                                                uint8_t *) = {index_key_0, index_key_1, index_key_2};

static uint32_t index_key_len(const struct dsdn_table *t, uint32_t i)
{
    const struct dsdn_index_desc *index = &t->desc->indexes[i];
    const struct dsdn_column *columns = t->desc->columns();
    static const uint8_t zero_row[DSDN_VALUE_MAX];
    uint8_t key[2 * DSDN_KEY_MAX + 256];
    uint32_t len = t->desc->key_len;
    for (uint32_t c = index_leads(t, i) ? index->column_cnt : 0; c < index->column_cnt; c++) {
        const struct dsdn_column *column = &columns[index->columns[c]];
        if (column->kind == DSDN_COLUMN_ref || column->kind == DSDN_COLUMN_opt_ref)
            len += t->state->tables[column->target].desc->key_len;
        else len += (uint32_t)(index_column(t, column, zero_row, key) - key);
    }
    return len;
}

static void index_remove(struct dsdn_table *t, uint32_t row)
{
    for (uint32_t i = 0; i < DSDN_INDEX_MAX && t->index[i]; i++) dsdn_ordered_remove(t->index[i], row);
}

/* Bit 2 * row: in the list; bit 2 * row + 1: to be put in. */
static bool unsettled(const struct dsdn_table *t, uint32_t row)
{
    return t->unsettled_bits[row / 32] >> row % 32 * 2 & 2;
}

static void unsettle(struct dsdn_table *t, uint32_t row)
{
    uint64_t *bits = &t->unsettled_bits[row / 32];
    if (!(*bits >> row % 32 * 2 & 1)) t->unsettled[t->unsettled_cnt++] = row;
    *bits |= (uint64_t)3 << row % 32 * 2;
    *(t->late ? &t->state->settling_late : &t->state->settling) |= (uint64_t)1 << t->number;
}

static void forget(struct dsdn_table *t, uint32_t row)
{
    t->unsettled_bits[row / 32] &= ~((uint64_t)2 << row % 32 * 2);
}

/* Takes the next row that is to be put in off the list; false: there is none. */
static bool take_unsettled(struct dsdn_table *t, uint32_t *row)
{
    while (t->unsettled_cnt) {
        *row = t->unsettled[--t->unsettled_cnt];
        bool wanted = unsettled(t, *row);
        t->unsettled_bits[*row / 32] &= ~((uint64_t)3 << *row % 32 * 2);
        if (wanted) return true;
    }
    return false;
}

void dsdn_table_settle(struct dsdn_table *t)
{
    uint32_t row;
    while (take_unsettled(t, &row)) {
        for (uint32_t i = 0; i < DSDN_INDEX_MAX && t->index[i]; i++) dsdn_ordered_insert(t->index[i], row);
        if (t->ring) dsdn_ring_settle(t, row);
    }
}

void dsdn_walk_begin(struct dsdn_walk *w, const struct dsdn_table *t, uint32_t index, const uint8_t *prefix,
                     uint32_t prefix_len)
{
    dsdn_walk_seek(w, t, index, prefix, prefix_len, prefix, prefix_len);
}

void dsdn_walk_seek(struct dsdn_walk *w, const struct dsdn_table *t, uint32_t index, const uint8_t *prefix,
                    uint32_t prefix_len, const uint8_t *from, uint32_t from_len)
{
    uint8_t start[2 * DSDN_KEY_MAX] = {0};
    bool folds = t->index_form[index] & INDEX_FOLDS;
    w->table = t;
    w->index = index;
    w->prefix_len = prefix_len;
    if (prefix_len) memcpy(w->prefix, prefix, prefix_len);
    if (from_len) memcpy(start, from, from_len < sizeof start ? from_len : sizeof start);
    if (folds) fold(start);
    if (folds && from_len > 8) from_len = from_len < 40 ? 40 : from_len;
    dsdn_ordered_seek(t->index[index], start, from_len, &w->leaf, &w->slot);
}

uint32_t dsdn_walk_next(struct dsdn_walk *w)
{
    for (;;) {
        uint32_t row = dsdn_ordered_at(w->table->index[w->index], &w->leaf, &w->slot);
        if (row == DSDN_NO_ROW || !w->prefix_len) return row;
        uint8_t key[2 * DSDN_KEY_MAX + 256];
        index_key_plain(w->table, w->index, row, key);
        if (memcmp(key, w->prefix, w->prefix_len) == 0) return row;
        /* Another id with the same 8 bytes in front may stand among those of this one. */
        if (!(w->table->index_form[w->index] & INDEX_FOLDS) ||
            memcmp(key, w->prefix, w->prefix_len < 8 ? w->prefix_len : 8) != 0)
            return DSDN_NO_ROW;
    }
}

/* ---- rows ---- */

static int grow(struct dsdn_table *t, int which, size_t want, struct dsdn_error *error)
{
    int rc = dsdn_pages_grow(&t->pages[which], want, t->desc->name, error);
    t->rows = t->pages[DSDN_PAGES_ROWS].start;
    t->live = t->pages[DSDN_PAGES_LIVE].start;
    t->free_rows = t->pages[DSDN_PAGES_FREE].start;
    t->dirty = t->pages[DSDN_PAGES_DIRTY].start;
    t->dirty_rows = t->pages[DSDN_PAGES_DIRTY_ROWS].start;
    t->unsettled = t->pages[DSDN_PAGES_UNSETTLED].start;
    t->unsettled_bits = t->pages[DSDN_PAGES_UNSETTLED_BITS].start;
    t->touched = t->pages[DSDN_PAGES_TOUCHED].start;
    t->on_ring = t->pages[DSDN_PAGES_ON_RING].start;
    return rc;
}

static int grow_slots(struct dsdn_table *t, uint64_t rows, struct dsdn_error *error)
{
    uint64_t cnt = t->slots ? t->slot_mask + 1 : 0, want = cnt ? cnt : 64;
    while (want < 2 * rows) want *= 4; /* a quarter of the rehashing of doubling */
    if (want <= cnt) return DSDN_OK;
    struct dsdn_pages fresh = {0};
    int rc = dsdn_pages_grow(&fresh, want * 8, t->desc->name, error);
    if (rc) return rc;
    uint64_t *slots = fresh.start, mask = want - 1;
    for (uint64_t i = 0; i < cnt; i++) {
        uint64_t slot = t->slots[i];
        if (!slot) continue;
        uint64_t at = slot >> 32 & mask;
        while (slots[at]) at = (at + 1) & mask;
        slots[at] = slot;
    }
    dsdn_pages_free(&t->pages[DSDN_PAGES_SLOTS]);
    t->pages[DSDN_PAGES_SLOTS] = fresh;
    t->slots = slots;
    t->slot_mask = mask;
    return DSDN_OK;
}

static int grow_rows(struct dsdn_table *t, uint32_t cap, struct dsdn_error *error)
{
    size_t words = (cap + 63) / 64 * 8;
    int rc = grow(t, DSDN_PAGES_ROWS, (size_t)cap * t->row_size, error);
    if (!rc) rc = grow(t, DSDN_PAGES_LIVE, words, error);
    if (!rc) rc = grow(t, DSDN_PAGES_FREE, (size_t)cap * 4, error);
    if (!rc && t->track) rc = grow(t, DSDN_PAGES_DIRTY, words, error);
    if (!rc && t->track) rc = grow(t, DSDN_PAGES_DIRTY_ROWS, (size_t)cap * 4, error);
    if (!rc && t->state->fingerprint) rc = grow(t, DSDN_PAGES_TOUCHED, words, error);
    if (!rc && t->indexed) rc = grow(t, DSDN_PAGES_UNSETTLED, (size_t)cap * 4, error);
    if (!rc && t->indexed) rc = grow(t, DSDN_PAGES_UNSETTLED_BITS, 2 * words, error);
    if (!rc && t->ring) rc = grow(t, DSDN_PAGES_ON_RING, words, error);
    if (!rc && t->ring) rc = dsdn_ring_reserve(t, cap, error);
    if (!rc && t->tree) rc = dsdn_tree_reserve(t->tree, cap, error);
    if (!rc && cap > t->row_cap) t->row_cap = cap;
    return rc;
}

int dsdn_table_reserve(struct dsdn_table *t, uint32_t extra, struct dsdn_error *error)
{
    uint64_t need = (uint64_t)t->row_end + (extra > t->free_cnt ? extra - t->free_cnt : 0);
    if (need > UINT32_MAX / 2)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "table %s is full: %llu rows", t->desc->name,
                         (unsigned long long)need);
    int rc = grow_slots(t, (uint64_t)t->live_cnt + extra, error);
    if (!rc && need > t->row_cap) {
        uint64_t cap = (uint64_t)t->row_cap + t->row_cap / 2;
        rc = grow_rows(t, (uint32_t)(cap < need ? need : cap), error);
    }
    for (uint32_t i = 0; !rc && i < DSDN_INDEX_MAX && t->index[i]; i++)
        rc = dsdn_ordered_reserve(t->index[i], extra + t->unsettled_cnt + 16, error);
    return rc;
}

int dsdn_table_track(struct dsdn_table *t, struct dsdn_error *error)
{
    if (t->track) return DSDN_OK;
    t->track = true;
    int rc = grow_rows(t, t->row_cap, error);
    if (rc) {
        t->track = false;
        return rc;
    }
    for (uint32_t row = 0; row < t->row_end; row++)
        if (dsdn_table_live(t, row) && !bit_test(t->dirty, row)) {
            bit_set(t->dirty, row);
            t->dirty_rows[t->dirty_cnt++] = row;
        }
    return DSDN_OK;
}

int dsdn_table_init(struct dsdn_table *t, struct dsdn_state *s, uint32_t number,
                    const struct dsdn_table_desc *desc, uint32_t rows, struct dsdn_error *error)
{
    *t = (struct dsdn_table){.desc = desc, .state = s, .number = number, .row_size = desc->row_size};
    t->ring_points = desc->ring()->points;
    t->ring_offset = desc->ring()->offset;
    t->indexed = index_count(desc) > 0 || t->ring_points;
    t->late = index_count(desc) > 0 && desc->indexes[0].late;
    for (uint32_t i = 0; i < index_count(desc); i++) {
        uint32_t len = index_key_len(t, i);
        t->index_form[i] = (uint8_t)((index_leads(t, i) ? INDEX_LEADS : 0) |
                                     (index_folds(t, i, len) ? INDEX_FOLDS : 0));
        t->index[i] = dsdn_ordered_new(len, index_keys[i], t);
        if (!t->index[i])
            return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for an index of table %s", desc->name);
    }
    if (t->ring_points && !(t->ring = dsdn_ring_new()))
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the ring of table %s", desc->name);
    return dsdn_table_reserve(t, rows ? rows : 1, error);
}

void dsdn_table_free(struct dsdn_table *t)
{
    for (int i = 0; i < DSDN_TABLE_PAGES; i++) dsdn_pages_free(&t->pages[i]);
    for (uint32_t i = 0; i < DSDN_INDEX_MAX; i++) dsdn_ordered_free(t->index[i]);
    dsdn_ring_free(t->ring);
    dsdn_tree_free(t->tree);
    *t = (struct dsdn_table){0};
}

static void remember(struct dsdn_table *t, uint32_t row, bool existed)
{
    if (!t->state->fingerprint || bit_test(t->touched, row)) return;
    bit_set(t->touched, row);
    dsdn_state_remember(t->state, t, row, existed);
}

static void mark(struct dsdn_table *t, uint32_t row, bool existed)
{
    remember(t, row, existed);
    if (bit_test(t->dirty, row)) return;
    bit_set(t->dirty, row);
    t->dirty_rows[t->dirty_cnt++] = row;
}

void dsdn_table_mark(struct dsdn_table *t, uint32_t row) { mark(t, row, true); }

void *dsdn_table_edit_indexed(struct dsdn_table *t, uint32_t row)
{
    if (t->track) mark(t, row, true);
    if (t->indexed && !unsettled(t, row)) {
        index_remove(t, row);
        unsettle(t, row);
    }
    return dsdn_row_at(t, row, t->desc->row_size);
}

uint32_t dsdn_table_insert(struct dsdn_table *t, const uint8_t *key, uint64_t hash)
{
    uint32_t row = t->free_cnt ? t->free_rows[--t->free_cnt] : t->row_end++;
    uint8_t *bytes = dsdn_row_at(t, row, t->desc->row_size);
    memset(bytes, 0, t->desc->row_size);
    memcpy(bytes, key, t->desc->key_len);
    uint64_t at = (uint32_t)hash & t->slot_mask;
    while (t->slots[at]) at = (at + 1) & t->slot_mask;
    t->slots[at] = hash << 32 | (row + 1);
    bit_set(t->live, row);
    t->live_cnt++;
    if (t->track) mark(t, row, false);
    if (t->indexed) unsettle(t, row);
    return row;
}

void dsdn_table_erase(struct dsdn_table *t, uint32_t row)
{
    const uint8_t *key = dsdn_row_at(t, row, t->desc->row_size);
    uint32_t tag = (uint32_t)dsdn_key_hash(t->state->seed, key, t->desc->key_len);
    uint64_t at = tag & t->slot_mask;
    while ((uint32_t)t->slots[at] != row + 1) at = (at + 1) & t->slot_mask;
    /* Close the gap: move back every later entry of the run whose home is not behind the gap. */
    for (uint64_t next = (at + 1) & t->slot_mask; t->slots[next]; next = (next + 1) & t->slot_mask) {
        uint64_t home = t->slots[next] >> 32 & t->slot_mask;
        if (((next - home) & t->slot_mask) >= ((next - at) & t->slot_mask)) {
            t->slots[at] = t->slots[next];
            at = next;
        }
    }
    t->slots[at] = 0;
    if (t->track) mark(t, row, true);
    if (t->state->fingerprint) bit_clear(t->touched, row); /* the number may get another key in this batch */
    if (t->tree) dsdn_tree_remove(t->tree, row);
    if (t->ring) dsdn_ring_leave(t, row);
    if (t->indexed) {
        if (unsettled(t, row)) forget(t, row);
        else index_remove(t, row);
    }
    bit_clear(t->live, row);
    t->live_cnt--;
    t->free_rows[t->free_cnt++] = row;
}
