/* table.h: one table of typed rows: dense rows, an open-addressing index by key, optional ordered indexes.
 *
 * A row is a C struct of fixed size whose first key_len bytes are its encoded key (numbers in keys are
 * big-endian, so the order of bytes is the order of keys).  Rows are named by a 32-bit row number; row
 * numbers are private to one process and never appear in any encoding.  Memory is reserved before a batch
 * (dsdn_table_reserve), so that inserting cannot fail; pointers to rows are valid until the next reserve.
 *
 * Slots hold the low 32 bits of the key's hash and the row number + 1.  The hash is seeded per process, so
 * nobody can choose keys that collide; nothing that leaves the process depends on it. */
#ifndef DSDN_STATEMACHINE_TABLE_H
#define DSDN_STATEMACHINE_TABLE_H

#include "log/base.h"
#include "log/codec.h"
#include "log/error.h"
#include "statemachine/memory.h"

#define DSDN_NO_ROW        UINT32_MAX
#define DSDN_KEY_MAX       96u  /* longest encoded key */
#define DSDN_VALUE_MAX     4096u /* longest encoded value of a row */
#define DSDN_INDEX_MAX     3u   /* ordered indexes of one table */

struct dsdn_state;
struct dsdn_table;
struct dsdn_ordered;
struct dsdn_ring;

/* How a column is stored and encoded (statemachine/declare_tables.h has the C type of each). */
enum dsdn_column_kind {
    DSDN_COLUMN_u8, DSDN_COLUMN_u16, DSDN_COLUMN_u32, DSDN_COLUMN_u64, DSDN_COLUMN_i64, DSDN_COLUMN_id,
    DSDN_COLUMN_hash, DSDN_COLUMN_addr, DSDN_COLUMN_ns, DSDN_COLUMN_str, DSDN_COLUMN_time, DSDN_COLUMN_height,
    DSDN_COLUMN_ref, DSDN_COLUMN_opt_ref, DSDN_COLUMN_refs, DSDN_COLUMN_bytes
};

struct dsdn_column {
    const char *name;
    enum dsdn_column_kind kind;
    bool key;
    uint16_t offset; /* in the row; of a str or refs column: of its first item, counted at count_offset */
    uint16_t count_offset;
    uint16_t max;        /* longest str or bytes, most refs; bytes of a key column */
    uint16_t target;     /* table index of ref, opt_ref, refs */
    const char *doc;
};

struct dsdn_index_desc {
    const char *name;
    uint8_t columns[3]; /* column numbers, in order of significance; the primary key follows implicitly */
    uint8_t column_cnt;
    bool late; /* an INDEX_LATE line */
};

struct dsdn_ring_desc {
    const char *name;
    uint16_t offset; /* of the u8 column that puts a row on the ring */
    uint16_t points; /* places of a row; 0 = the table has no ring */
};

struct dsdn_table_desc {
    uint16_t id;         /* in role roots, checkpoints and proofs; never reused */
    uint16_t role;       /* role id */
    const char *name, *role_name, *doc;
    uint32_t row_size, key_len, value_max;
    const struct dsdn_column *(*columns)(void); /* ends with a column whose name is NULL */
    struct dsdn_index_desc indexes[DSDN_INDEX_MAX + 1]; /* ends with an entry whose name is NULL */
    const struct dsdn_ring_desc *(*ring)(void);
    /* Write the value (all columns but the key) and return its length.  ranks NULL: references are keys, the
     * form that is hashed.  ranks[t][row]: references are the rank of the row in key order, the form of
     * checkpoints. */
    uint32_t (*encode)(const struct dsdn_state *s, const void *row, uint8_t *out,
                       const uint32_t *const *ranks);
    /* Read a row (key, then value in rank form) of a checkpoint; limits[t] is the number of rows of table t.
     * Returns the byte behind it, or NULL when it is not canonical. */
    const uint8_t *(*restore)(const uint8_t *p, const uint8_t *end, void *row, const uint32_t *limits);
};

enum {
    DSDN_PAGES_SLOTS,
    DSDN_PAGES_ROWS,
    DSDN_PAGES_LIVE,
    DSDN_PAGES_FREE,
    DSDN_PAGES_DIRTY,
    DSDN_PAGES_DIRTY_ROWS,
    DSDN_PAGES_UNSETTLED,
    DSDN_PAGES_UNSETTLED_BITS,
    DSDN_PAGES_TOUCHED,
    DSDN_PAGES_ON_RING,
    DSDN_TABLE_PAGES
};

struct dsdn_table {
    /* what a lookup reads, in one cache line */
    uint64_t *slots;
    uint64_t slot_mask;
    uint8_t *rows;
    uint64_t *live; /* bit per row */
    uint32_t row_end, live_cnt, row_cap, free_cnt, row_size;
    bool track;     /* mark rows that change: somebody will ask for a root or a fingerprint */
    bool indexed;   /* has ordered indexes or a ring */

    const struct dsdn_table_desc *desc;
    struct dsdn_state *state;
    uint32_t *free_rows;
    uint64_t *dirty;      /* bit per row, when track */
    uint32_t *dirty_rows; /* the rows whose bit is set (erased ones may be among them) */
    uint32_t dirty_cnt;
    struct dsdn_ordered *index[DSDN_INDEX_MAX];
    uint8_t index_form[DSDN_INDEX_MAX]; /* how its keys are laid out (table.c) */
    /* Rows to put into their indexes, because they are new or edited: two bits a row, is it in the list, and
     * is it to be put in (a row that was erased meanwhile stays in the list). */
    uint32_t *unsettled;
    uint64_t *unsettled_bits;
    uint32_t unsettled_cnt;
    bool late; /* its indexes are */
    struct dsdn_ring *ring; /* NULL without one */
    uint64_t *on_ring;         /* bit per row: its places are in `ring` */
    uint32_t ring_offset, ring_points;
    uint64_t *touched; /* bit per row: old value recorded in this batch, when the state takes fingerprints */
    struct dsdn_tree *tree; /* NULL until a root is asked for */
    uint32_t number;        /* index in the state */
    struct dsdn_pages pages[DSDN_TABLE_PAGES]; /* what slots, rows, live, ... point into */
};

/* dsdn_key_hash mixes a key of len bytes with the process seed (multiply-fold, after wyhash by Wang Yi). */
__extension__ typedef unsigned __int128 dsdn_u128;
static inline uint64_t dsdn_key_mix(uint64_t a, uint64_t b)
{
    dsdn_u128 m = (dsdn_u128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* dsdn_key_hash_pair is dsdn_key_hash of two 32-byte keys, one behind the other, without copying them
 * together. */
static inline uint64_t dsdn_key_hash_pair(uint64_t seed, const uint8_t *a, const uint8_t *b)
{
    uint64_t h = seed ^ 64;
    h = dsdn_key_mix(dsdn_load64(a) ^ h, dsdn_load64(a + 8) ^ 0xE7037ED1A0B428DBull);
    h = dsdn_key_mix(dsdn_load64(a + 16) ^ h, dsdn_load64(a + 24) ^ 0xE7037ED1A0B428DBull);
    h = dsdn_key_mix(dsdn_load64(b) ^ h, dsdn_load64(b + 8) ^ 0xE7037ED1A0B428DBull);
    h = dsdn_key_mix(dsdn_load64(b + 16) ^ h, dsdn_load64(b + 24) ^ 0xE7037ED1A0B428DBull);
    return dsdn_key_mix(h, 0x8EBC6AF09C88C6E3ull);
}

static inline uint64_t dsdn_key_hash(uint64_t seed, const uint8_t *key, uint32_t len)
{
    if (len == 32)
        return dsdn_key_mix(dsdn_load64(key) ^ seed, dsdn_load64(key + 8) ^ 0xD6E8FEB86659FD93ull) ^
               dsdn_key_mix(dsdn_load64(key + 16) ^ 0xA0761D6478BD642Full ^ seed,
                            dsdn_load64(key + 24) ^ 0xE7037ED1A0B428DBull);
    if (len == 64) return dsdn_key_hash_pair(seed, key, key + 32);
    uint64_t h = seed ^ len;
    uint32_t whole = len & ~15u;
    for (uint32_t i = 0; i < whole; i += 16)
        h = dsdn_key_mix(dsdn_load64(key + i) ^ h, dsdn_load64(key + i + 8) ^ 0xE7037ED1A0B428DBull);
    uint64_t tail[2] = {0, 0};
    memcpy(tail, key + whole, len - whole);
    return dsdn_key_mix(tail[0] ^ h, tail[1] ^ 0x8EBC6AF09C88C6E3ull);
}

static inline uint8_t *dsdn_row_at(const struct dsdn_table *t, uint32_t row, uint32_t row_size)
{
    return t->rows + (size_t)row * row_size;
}

/* dsdn_table_find returns the row with this key, or DSDN_NO_ROW.  key_len and row_size are the table's
 * (constants at every typed call, so the comparison is inlined); hash is dsdn_key_hash of the key. */
static inline uint32_t dsdn_table_find(const struct dsdn_table *t, const uint8_t *key, uint32_t key_len,
                                       uint32_t row_size, uint64_t hash)
{
    uint32_t tag = (uint32_t)hash;
    for (uint64_t i = tag & t->slot_mask;; i = (i + 1) & t->slot_mask) {
        uint64_t slot = t->slots[i];
        if (!slot) return DSDN_NO_ROW;
        if ((uint32_t)(slot >> 32) != tag) continue;
        const uint8_t *row = dsdn_row_at(t, (uint32_t)slot - 1, row_size);
        if (key_len == 32 ? dsdn_equal32(row, key) : memcmp(row, key, key_len) == 0)
            return (uint32_t)slot - 1;
    }
}

/* Always inlined: gcc takes a function that only prefetches for one without effect and drops calls of it. */
__attribute__((always_inline)) static inline void dsdn_table_prefetch_slot(const struct dsdn_table *t,
                                                                           uint64_t hash)
{
    __builtin_prefetch(&t->slots[(uint32_t)hash & t->slot_mask]);
}

__attribute__((always_inline)) static inline void dsdn_table_prefetch_row(const struct dsdn_table *t,
                                                                          uint64_t hash)
{
    uint64_t slot = t->slots[(uint32_t)hash & t->slot_mask];
    if (!slot) return;
    const uint8_t *row = dsdn_row_at(t, (uint32_t)slot - 1, t->row_size);
    __builtin_prefetch(row, 1);
    __builtin_prefetch(row + 64, 1);
}

static inline bool dsdn_table_live(const struct dsdn_table *t, uint32_t row)
{
    return row < t->row_end && t->live[row / 64] >> row % 64 & 1;
}

/* Slow path of dsdn_table_edit: remember that the row changed. */
void dsdn_table_mark(struct dsdn_table *t, uint32_t row);

/* dsdn_table_edit hands out a row for writing.  The key and the columns of ordered indexes must not change
 * through it, nor the column of a ring; dsdn_table_edit_indexed is for those: it takes the row out of its
 * ordered indexes until dsdn_state_settle, which also brings its places on the ring up to date. */
static inline void *dsdn_table_edit(struct dsdn_table *t, uint32_t row, uint32_t row_size)
{
    if (t->track) dsdn_table_mark(t, row);
    return dsdn_row_at(t, row, row_size);
}
void *dsdn_table_edit_indexed(struct dsdn_table *t, uint32_t row);

/* dsdn_table_insert adds a row for a key that is absent (the caller looked) and room was reserved for.  All
 * columns are zero.  Returns its number. */
uint32_t dsdn_table_insert(struct dsdn_table *t, const uint8_t *key, uint64_t hash);

/* dsdn_table_erase removes a live row.  No other row may refer to it. */
void dsdn_table_erase(struct dsdn_table *t, uint32_t row);

/* dsdn_table_track starts marking rows that change; every row there is counts as changed. */
int dsdn_table_track(struct dsdn_table *t, struct dsdn_error *error);

/* dsdn_table_reserve makes room for `extra` more rows, so that as many inserts cannot fail.  Row pointers
 * move. */
int dsdn_table_reserve(struct dsdn_table *t, uint32_t extra, struct dsdn_error *error);

/* dsdn_table_init makes an empty table with room for `rows` rows. */
int dsdn_table_init(struct dsdn_table *t, struct dsdn_state *s, uint32_t number,
                    const struct dsdn_table_desc *desc, uint32_t rows, struct dsdn_error *error);
void dsdn_table_free(struct dsdn_table *t);

/* dsdn_table_fill gives an empty table exactly `rows` live rows, numbered from 0 and all zero, none of them
 * in the index by key yet.  The caller writes each row, key included, and has it entered before the table is
 * used. */
int dsdn_table_fill(struct dsdn_table *t, uint32_t rows, struct dsdn_error *error);
/* dsdn_table_enter puts rows [first, first + cnt) of a filled table into the index by key.  Several threads
 * may enter different rows of one table at a time.  That no two rows have one key is the caller's to
 * check. */
void dsdn_table_enter(struct dsdn_table *t, uint32_t first, uint32_t cnt);

/* dsdn_table_index_all fills the (empty) ordered indexes and the ring from the rows: after a restore. */
int dsdn_table_index_all(struct dsdn_table *t, struct dsdn_error *error);

/* dsdn_table_settle puts new and edited rows into the ordered indexes, and on the ring or off it. */
void dsdn_table_settle(struct dsdn_table *t);

/* dsdn_table_sorted returns a new array (malloc, the caller frees) of the live_cnt row numbers in key
 * order. */
int dsdn_table_sorted(const struct dsdn_table *t, uint32_t **rows, struct dsdn_error *error);

/* dsdn_index_key writes the key by which ordered index i sorts a row: its columns in comparable form, then
 * the primary key (of columns that lead the primary key, that alone); behind the first 8 bytes of an id the 8
 * that follow it come before its rest.  Returns the length (the same for all rows). */
uint32_t dsdn_index_key(const struct dsdn_table *t, uint32_t i, uint32_t row, uint8_t *out);

/* A walk through an ordered index, in key order.  Editing rows during the walk ends it. */
struct dsdn_walk {
    const struct dsdn_table *table;
    uint32_t index, leaf, slot;
    uint8_t prefix[DSDN_KEY_MAX];
    uint32_t prefix_len;
};

/* dsdn_walk_begin starts at the first row whose index key is >= prefix, and ends after the last that begins
 * with it (prefix_len 0: all rows). */
void dsdn_walk_begin(struct dsdn_walk *w, const struct dsdn_table *t, uint32_t index, const uint8_t *prefix,
                     uint32_t prefix_len);
/* dsdn_walk_seek starts further on: at the first row whose index key is >= the from_len bytes at `from`
 * (zero-extended; at most the length of an index key), and ends as dsdn_walk_begin does, after the last that
 * begins with prefix.  `from` begins with prefix itself. */
void dsdn_walk_seek(struct dsdn_walk *w, const struct dsdn_table *t, uint32_t index, const uint8_t *prefix,
                    uint32_t prefix_len, const uint8_t *from, uint32_t from_len);
/* dsdn_walk_next returns the next row, or DSDN_NO_ROW at the end. */
uint32_t dsdn_walk_next(struct dsdn_walk *w);

#endif
