/* declare_tables.h: turns a table list into code.  Include it after defining
 *
 *     DSDN_TABLES_DEF     "roles/tables.def": the list
 *     DSDN_TABLES_PREFIX  dsdn: what the generated names begin with
 *     DSDN_TABLES_BASE    number of the first table of the list in the state (tables of a state are numbered
 *                         densely, system tables first: DSDN_SYSTEM_TABLES of statemachine/system.h)
 *     DSDN_TABLES_DEFINE  only in the one .c file that holds the descriptors
 *
 * For every TABLE it makes `struct PREFIX_row_NAME`, the numbers PREFIX_TABLE_NAME, and typed inline access:
 *     PREFIX_NAME_find(s, key)  _find_hashed(s, key, hash)   row number or DSDN_NO_ROW
 *     PREFIX_NAME_at(s, row)                                 const struct *, for reading
 *     PREFIX_NAME_edit(s, row)  _edit_indexed(s, row)        struct *, for writing (table.h says which)
 *     PREFIX_NAME_insert(s, key)  _insert_hashed             row number; the key must be absent
 *     PREFIX_NAME_erase(s, row)
 * and with DSDN_TABLES_DEFINE `const struct dsdn_table_desc PREFIX_tables[]`.
 *
 * The list is written with
 *     TABLE(id, name, role, role_id, doc)
 *         KEY(kind, name, bytes, doc)     id 32, hash 32, addr 32, u8 1, u16 2, u32 4, u64 8 (big-endian),
 *                                         str n (zero-padded)
 *         COL(kind, name, argument, doc)  u8 u16 u32 u64 i64 id hash addr ns time height; str, bytes:
 *                                         argument = longest, <= 255; ref, opt_ref: argument =
 *                                         table name (opt_ref: DSDN_NO_ROW is absent)
 *         COL_REFS(table, name, max, doc) a set of references, at most max <= 255
 *         INDEX(name, columns)            ordered index over the column numbers in braces, key columns
 *                                         counting from 0
 *         INDEX_LATE(name, columns)       the same, brought up to date only when a batch is over, before its
 *                                         deadlines and after each of them: reducers of events must not walk
 *                                         it; all indexes of a table are late, or none
 *         RING(name, column, points)      consistent-hash ring: `points` places on a circle of 2^64 for every row
 *                                         whose u8 column is not 0 (statemachine/ring.h); derived, like indexes;
 *                                         points is a multiple of 4, at most 64; one line a table
 *     END_TABLE(name)
 * Columns are encoded in the order of the list. */

#include "statemachine/state.h"

#ifndef DSDN_PASTE
#define DSDN_PASTE_(a, b, c) a##b##c
#define DSDN_PASTE(a, b, c)  DSDN_PASTE_(a, b, c)
#endif
#ifndef DSDN_PASTE4
#define DSDN_PASTE4_(a, b, c, d) a##b##c##d
#define DSDN_PASTE4(a, b, c, d)  DSDN_PASTE4_(a, b, c, d)
#endif
#define DSDN_TB(kind, name) DSDN_PASTE(DSDN_TABLES_PREFIX, kind, name)
#define DSDN_TBF(name, verb) DSDN_PASTE4(DSDN_TABLES_PREFIX, _, name, verb)

#ifndef DSDN_STORE_u8
#define DSDN_STORE_u8(name, arg)      uint8_t name;
#define DSDN_STORE_u16(name, arg)     uint16_t name;
#define DSDN_STORE_u32(name, arg)     uint32_t name;
#define DSDN_STORE_u64(name, arg)     uint64_t name;
#define DSDN_STORE_i64(name, arg)     int64_t name;
#define DSDN_STORE_time(name, arg)    uint64_t name;
#define DSDN_STORE_height(name, arg)  uint64_t name;
#define DSDN_STORE_id(name, arg)      uint8_t name[32];
#define DSDN_STORE_hash(name, arg)    uint8_t name[32];
#define DSDN_STORE_addr(name, arg)    uint8_t name[32];
#define DSDN_STORE_ns(name, arg)      uint8_t name[29];
#define DSDN_STORE_str(name, arg)     uint8_t name##_len; uint8_t name[arg];
#define DSDN_STORE_bytes(name, arg)   uint8_t name##_len; uint8_t name[arg];
#define DSDN_STORE_ref(name, arg)     uint32_t name;
#define DSDN_STORE_opt_ref(name, arg) uint32_t name;

#define DSDN_WIDTH_u8(arg)      1
#define DSDN_WIDTH_u16(arg)     2
#define DSDN_WIDTH_u32(arg)     4
#define DSDN_WIDTH_u64(arg)     8
#define DSDN_WIDTH_i64(arg)     8
#define DSDN_WIDTH_time(arg)    8
#define DSDN_WIDTH_height(arg)  8
#define DSDN_WIDTH_id(arg)      32
#define DSDN_WIDTH_hash(arg)    32
#define DSDN_WIDTH_addr(arg)    32
#define DSDN_WIDTH_ns(arg)      29
#define DSDN_WIDTH_str(arg)     (1 + (arg))
#define DSDN_WIDTH_bytes(arg)   (1 + (arg))
#define DSDN_WIDTH_ref(arg)     DSDN_KEY_MAX
#define DSDN_WIDTH_opt_ref(arg) (1 + DSDN_KEY_MAX)
#endif

/* An index like any other but in its descriptor; stays defined for who else reads table lists. */
#undef INDEX_LATE
#define INDEX_LATE(name, ...) INDEX(name, __VA_ARGS__)

/* Pass 1: row structs.  Key columns are byte arrays, so they lie one behind the other at offset 0. */
#define TABLE(id, name, role, role_id, doc) struct DSDN_TB(_row_, name) {
#define KEY(kind, name, bytes, doc)         uint8_t name[bytes];
#define COL(kind, name, arg, doc)           DSDN_STORE_##kind(name, arg)
#define COL_REFS(table, name, max, doc)     uint8_t name##_cnt; uint32_t name[max];
#define INDEX(name, ...)
#define RING(name, column, points)
#define END_TABLE(name)                     };
#include DSDN_TABLES_DEF
#undef TABLE
#undef KEY
#undef COL
#undef COL_REFS
#undef END_TABLE

/* Pass 2: numbers and key lengths. */
enum {
    DSDN_TB(_TABLE_, FIRST) = DSDN_TABLES_BASE - 1,
#define TABLE(id, name, role, role_id, doc) DSDN_TB(_TABLE_, name),
#define KEY(kind, name, bytes, doc)
#define COL(kind, name, arg, doc)
#define COL_REFS(table, name, max, doc)
#define END_TABLE(name)
#include DSDN_TABLES_DEF
    DSDN_TB(_TABLE_, END)
};
#undef TABLE
#undef KEY
#undef END_TABLE
enum {
#define TABLE(id, name, role, role_id, doc) DSDN_TB(_KEY_LEN_, name) = 0
#define KEY(kind, name, bytes, doc)         + (bytes)
#define END_TABLE(name)                     ,
#include DSDN_TABLES_DEF
    DSDN_TB(_KEY_LEN_, END)
};
#undef TABLE
#undef KEY
#undef END_TABLE

/* Pass 3: typed access. */
#define KEY(kind, name, bytes, doc)
#define TABLE(id, name, role, role_id, doc)
#define END_TABLE(name)                                                                                      \
    static inline uint32_t DSDN_TBF(name, _find_hashed)(const struct dsdn_state *s, const void *key,         \
                                                        uint64_t hash)                                       \
    {                                                                                                        \
        return dsdn_table_find(&s->tables[DSDN_TB(_TABLE_, name)], key, DSDN_TB(_KEY_LEN_, name),            \
                               sizeof(struct DSDN_TB(_row_, name)), hash);                                   \
    }                                                                                                        \
    static inline uint32_t DSDN_TBF(name, _find)(const struct dsdn_state *s, const void *key)                \
    {                                                                                                        \
        return DSDN_TBF(name, _find_hashed)(s, key, dsdn_key_hash(s->seed, key, DSDN_TB(_KEY_LEN_, name)));  \
    }                                                                                                        \
    static inline const struct DSDN_TB(_row_, name) * DSDN_TBF(name, _at)(const struct dsdn_state *s,        \
                                                                          uint32_t row)                      \
    {                                                                                                        \
        return (const void *)dsdn_row_at(&s->tables[DSDN_TB(_TABLE_, name)], row,                            \
                                         sizeof(struct DSDN_TB(_row_, name)));                               \
    }                                                                                                        \
    static inline struct DSDN_TB(_row_, name) * DSDN_TBF(name, _edit)(struct dsdn_state *s, uint32_t row)    \
    {                                                                                                        \
        return dsdn_table_edit(&s->tables[DSDN_TB(_TABLE_, name)], row,                                      \
                               sizeof(struct DSDN_TB(_row_, name)));                                         \
    }                                                                                                        \
    static inline struct DSDN_TB(_row_, name) * DSDN_TBF(name, _edit_indexed)(struct dsdn_state *s,          \
                                                                              uint32_t row)                  \
    {                                                                                                        \
        return dsdn_table_edit_indexed(&s->tables[DSDN_TB(_TABLE_, name)], row);                             \
    }                                                                                                        \
    static inline uint32_t DSDN_TBF(name, _insert_hashed)(struct dsdn_state *s, const void *key,             \
                                                          uint64_t hash)                                     \
    {                                                                                                        \
        return dsdn_table_insert(&s->tables[DSDN_TB(_TABLE_, name)], key, hash);                             \
    }                                                                                                        \
    static inline uint32_t DSDN_TBF(name, _insert)(struct dsdn_state *s, const void *key)                    \
    {                                                                                                        \
        return DSDN_TBF(name, _insert_hashed)(s, key,                                                        \
                                              dsdn_key_hash(s->seed, key, DSDN_TB(_KEY_LEN_, name)));        \
    }                                                                                                        \
    static inline void DSDN_TBF(name, _erase)(struct dsdn_state *s, uint32_t row)                            \
    {                                                                                                        \
        dsdn_table_erase(&s->tables[DSDN_TB(_TABLE_, name)], row);                                           \
    }
#include DSDN_TABLES_DEF
#undef TABLE
#undef KEY
#undef COL
#undef COL_REFS
#undef INDEX
#undef RING
#undef END_TABLE

extern const struct dsdn_table_desc DSDN_PASTE(DSDN_TABLES_PREFIX, _, tables)[];

#ifdef DSDN_TABLES_DEFINE

#ifndef DSDN_PUT_u8
#define DSDN_PUT_u8(name, arg)      *out++ = r->name;
#define DSDN_PUT_int(name, w)       memcpy(out, &r->name, w); out += w;
#define DSDN_PUT_u16(name, arg)     DSDN_PUT_int(name, 2)
#define DSDN_PUT_u32(name, arg)     DSDN_PUT_int(name, 4)
#define DSDN_PUT_u64(name, arg)     DSDN_PUT_int(name, 8)
#define DSDN_PUT_i64(name, arg)     DSDN_PUT_int(name, 8)
#define DSDN_PUT_time(name, arg)    DSDN_PUT_int(name, 8)
#define DSDN_PUT_height(name, arg)  DSDN_PUT_int(name, 8)
#define DSDN_PUT_array(name, w)     memcpy(out, r->name, w); out += w;
#define DSDN_PUT_id(name, arg)      DSDN_PUT_array(name, 32)
#define DSDN_PUT_hash(name, arg)    DSDN_PUT_array(name, 32)
#define DSDN_PUT_addr(name, arg)    DSDN_PUT_array(name, 32)
#define DSDN_PUT_ns(name, arg)      DSDN_PUT_array(name, 29)
#define DSDN_PUT_str(name, arg)     *out++ = r->name##_len;                                                  \
                                    memcpy(out, r->name, r->name##_len);                                     \
                                    out += r->name##_len;
#define DSDN_PUT_bytes(name, arg)   DSDN_PUT_str(name, arg)
#define DSDN_PUT_ref(name, arg)                                                                              \
    out = dsdn_state_put_ref(s, DSDN_TB(_TABLE_, arg), r->name, ranks, out);
#define DSDN_PUT_opt_ref(name, arg)                                                                          \
    *out++ = r->name != DSDN_NO_ROW;                                                                         \
    if (r->name != DSDN_NO_ROW) out = dsdn_state_put_ref(s, DSDN_TB(_TABLE_, arg), r->name, ranks, out);

#define DSDN_TAKE_int(name, w)                                                                               \
    if (end - p < (w)) return NULL;                                                                          \
    memcpy(&r->name, p, w);                                                                                  \
    p += (w);
#define DSDN_TAKE_array(name, w)                                                                             \
    if (end - p < (w)) return NULL;                                                                          \
    memcpy(r->name, p, w);                                                                                   \
    p += (w);
#define DSDN_TAKE_u8(name, arg)     DSDN_TAKE_int(name, 1)
#define DSDN_TAKE_u16(name, arg)    DSDN_TAKE_int(name, 2)
#define DSDN_TAKE_u32(name, arg)    DSDN_TAKE_int(name, 4)
#define DSDN_TAKE_u64(name, arg)    DSDN_TAKE_int(name, 8)
#define DSDN_TAKE_i64(name, arg)    DSDN_TAKE_int(name, 8)
#define DSDN_TAKE_time(name, arg)   DSDN_TAKE_int(name, 8)
#define DSDN_TAKE_height(name, arg) DSDN_TAKE_int(name, 8)
#define DSDN_TAKE_id(name, arg)     DSDN_TAKE_array(name, 32)
#define DSDN_TAKE_hash(name, arg)   DSDN_TAKE_array(name, 32)
#define DSDN_TAKE_addr(name, arg)   DSDN_TAKE_array(name, 32)
#define DSDN_TAKE_ns(name, arg)     DSDN_TAKE_array(name, 29)
#define DSDN_TAKE_bytes(name, arg)                                                                           \
    if (end - p < 1 || *p > (arg) || end - p - 1 < *p) return NULL;                                          \
    r->name##_len = *p++;                                                                                    \
    memcpy(r->name, p, r->name##_len);                                                                       \
    p += r->name##_len;
#define DSDN_TAKE_str(name, arg)    DSDN_TAKE_bytes(name, arg)
#define DSDN_TAKE_ref(name, arg)                                                                             \
    DSDN_TAKE_int(name, 4)                                                                                   \
    if (r->name >= limits[DSDN_TB(_TABLE_, arg)]) return NULL;
#define DSDN_TAKE_opt_ref(name, arg)                                                                         \
    if (end - p < 1 || *p > 1) return NULL;                                                                  \
    r->name = DSDN_NO_ROW;                                                                                   \
    if (*p++) { DSDN_TAKE_ref(name, arg) }
#endif

/* Pass 4: encoders. */
#define TABLE(id, name, role, role_id, doc)                                                                  \
    static uint32_t DSDN_TBF(name, _encode)(const struct dsdn_state *s, const void *row, uint8_t *out,       \
                                            const uint32_t *const *ranks)                                    \
    {                                                                                                        \
        const struct DSDN_TB(_row_, name) *r = row;                                                          \
        uint8_t *start = out;                                                                                \
        (void)s, (void)ranks, (void)r;
#define KEY(kind, name, bytes, doc)
#define COL(kind, name, arg, doc)       DSDN_PUT_##kind(name, arg)
#define COL_REFS(table, name, max, doc)                                                                      \
        out = dsdn_state_put_refs(s, DSDN_TB(_TABLE_, table), r->name, r->name##_cnt, ranks, out);
#define INDEX(name, ...)
#define RING(name, column, points)
#define END_TABLE(name)                                                                                      \
        return (uint32_t)(out - start);                                                                      \
    }
#include DSDN_TABLES_DEF
#undef TABLE
#undef KEY
#undef COL
#undef COL_REFS
#undef END_TABLE

/* Pass 5: decoders of checkpoint rows. */
#define TABLE(id, name, role, role_id, doc)                                                                  \
    static const uint8_t *DSDN_TBF(name, _restore)(const uint8_t *p, const uint8_t *end, void *row,          \
                                                   const uint32_t *limits)                                   \
    {                                                                                                        \
        struct DSDN_TB(_row_, name) *r = row;                                                                \
        (void)limits;
#define KEY(kind, name, bytes, doc)     DSDN_TAKE_array(name, bytes)
#define COL(kind, name, arg, doc)       DSDN_TAKE_##kind(name, arg)
#define COL_REFS(table, name, max, doc)                                                                      \
        if (end - p < 1 || *p > (max) || end - p - 1 < *p * 4) return NULL;                                  \
        r->name##_cnt = *p++;                                                                                \
        memcpy(r->name, p, r->name##_cnt * 4u);                                                              \
        p += r->name##_cnt * 4u;                                                                             \
        for (uint32_t i = 0; i < r->name##_cnt; i++)                                                         \
            if (r->name[i] >= limits[DSDN_TB(_TABLE_, table)] || (i && r->name[i] <= r->name[i - 1]))        \
                return NULL;
#define END_TABLE(name)                                                                                      \
        return p;                                                                                            \
    }
#include DSDN_TABLES_DEF
#undef TABLE
#undef KEY
#undef COL
#undef COL_REFS
#undef INDEX
#undef RING
#undef END_TABLE

/* Pass 6: column tables. */
#ifndef DSDN_TARGET_ref
#define DSDN_TARGET_u8(arg)      0, 0
#define DSDN_TARGET_u16(arg)     0, 0
#define DSDN_TARGET_u32(arg)     0, 0
#define DSDN_TARGET_u64(arg)     0, 0
#define DSDN_TARGET_i64(arg)     0, 0
#define DSDN_TARGET_time(arg)    0, 0
#define DSDN_TARGET_height(arg)  0, 0
#define DSDN_TARGET_id(arg)      0, 0
#define DSDN_TARGET_hash(arg)    0, 0
#define DSDN_TARGET_addr(arg)    0, 0
#define DSDN_TARGET_ns(arg)      0, 0
#define DSDN_TARGET_str(arg)     (arg), 0
#define DSDN_TARGET_bytes(arg)   (arg), 0
#define DSDN_TARGET_ref(arg)     0, DSDN_TB(_TABLE_, arg)
#define DSDN_TARGET_opt_ref(arg) 0, DSDN_TB(_TABLE_, arg)
#define DSDN_COUNT_u8(name)      0
#define DSDN_COUNT_u16(name)     0
#define DSDN_COUNT_u32(name)     0
#define DSDN_COUNT_u64(name)     0
#define DSDN_COUNT_i64(name)     0
#define DSDN_COUNT_time(name)    0
#define DSDN_COUNT_height(name)  0
#define DSDN_COUNT_id(name)      0
#define DSDN_COUNT_hash(name)    0
#define DSDN_COUNT_addr(name)    0
#define DSDN_COUNT_ns(name)      0
#define DSDN_COUNT_str(name)     offsetof(self, name##_len)
#define DSDN_COUNT_bytes(name)   offsetof(self, name##_len)
#define DSDN_COUNT_ref(name)     0
#define DSDN_COUNT_opt_ref(name) 0
#endif
#define TABLE(id, name, role, role_id, doc)                                                                  \
    static const struct dsdn_column *DSDN_TBF(name, _columns)(void)                                          \
    {                                                                                                        \
        typedef struct DSDN_TB(_row_, name) self;                                                            \
        static const struct dsdn_column list[] = {
#define KEY(kind, name, bytes, doc)                                                                          \
    {#name, DSDN_COLUMN_##kind, true, offsetof(self, name), 0, (bytes), 0, doc},
#define COL(kind, name, arg, doc)                                                                            \
    {#name,                                                                                                  \
     DSDN_COLUMN_##kind,                                                                                     \
     false,                                                                                                  \
     offsetof(self, name),                                                                                   \
     DSDN_COUNT_##kind(name),                                                                                \
     DSDN_TARGET_##kind(arg),                                                                                \
     doc},
#define COL_REFS(table, name, max, doc)                                                                      \
    {#name, DSDN_COLUMN_refs, false, offsetof(self, name), offsetof(self, name##_cnt), (max),                \
     DSDN_TB(_TABLE_, table), doc},
#define INDEX(name, ...)
#define RING(name, column, points)
#define END_TABLE(name)                                                                                      \
            {NULL, DSDN_COLUMN_u8, 0, 0, 0, 0, 0, NULL}};                                                    \
        return list;                                                                                         \
    }                                                                                                        \
    _Static_assert(DSDN_TB(_KEY_LEN_, name) + 0u <= DSDN_KEY_MAX, "key too long");
#include DSDN_TABLES_DEF
#undef TABLE
#undef KEY
#undef COL
#undef COL_REFS
#undef INDEX
#undef RING
#undef END_TABLE

/* Pass 7: largest encodings. */
enum {
#define TABLE(id, name, role, role_id, doc) DSDN_TB(_VALUE_MAX_, name) = 0
#define KEY(kind, name, bytes, doc)
#define COL(kind, name, arg, doc)           + DSDN_WIDTH_##kind(arg)
#define COL_REFS(table, name, max, doc)     + 1 + (max) * DSDN_KEY_MAX
#define INDEX(name, ...)
#define RING(name, column, points)
#define END_TABLE(name)                     ,
#include DSDN_TABLES_DEF
    DSDN_TB(_VALUE_MAX_, END)
};
#undef TABLE
#undef COL
#undef COL_REFS
#undef END_TABLE
#define TABLE(id, name, role, role_id, doc)                                                                  \
    _Static_assert(DSDN_TB(_VALUE_MAX_, name) + 0u <= DSDN_VALUE_MAX, "row too long");
#define COL(kind, name, arg, doc)
#define COL_REFS(table, name, max, doc)
#define END_TABLE(name)
#include DSDN_TABLES_DEF
#undef TABLE
#undef COL
#undef COL_REFS
#undef INDEX
#undef RING
#undef END_TABLE

/* Pass 8: rings.  A second RING line of a table does not compile. */
#define TABLE(id, table, role, role_id, doc)                                                                 \
    static const struct dsdn_ring_desc *DSDN_TBF(table, _ring_desc)(void)                                         \
    {                                                                                                        \
        typedef struct DSDN_TB(_row_, table) self __attribute__((unused));                                   \
        static const struct dsdn_ring_desc ring = {.points = 0
#define COL(kind, name, arg, doc)
#define COL_REFS(table, name, max, doc)
#define INDEX(name, ...)
#define RING(ring_name, column, places)                                                                      \
        + (places), .name = #ring_name, .offset = offsetof(self, column)                                     \
        + 0 * sizeof(char[sizeof(((self *)0)->column) == 1 && (places) % 4 == 0 && (places) <= 64 ? 1 : -1])
#define END_TABLE(name)                                                                                      \
        };                                                                                                   \
        return &ring;                                                                                        \
    }
#include DSDN_TABLES_DEF
#undef TABLE
#undef COL
#undef COL_REFS
#undef INDEX
#undef RING
#undef END_TABLE

/* Pass 9: descriptors. */
#define TABLE(table_id, table, role, role_id, doc)                                                           \
    {(table_id), (role_id), #table, #role, doc, sizeof(struct DSDN_TB(_row_, table)),                        \
     DSDN_TB(_KEY_LEN_, table),                                                                              \
     DSDN_TB(_VALUE_MAX_, table), DSDN_TBF(table, _columns), {
#define COL(kind, name, arg, doc)
#define COL_REFS(table, name, max, doc)
#define INDEX(name, ...) {#name, __VA_ARGS__, sizeof((uint8_t[])__VA_ARGS__), false},
#undef INDEX_LATE
#define INDEX_LATE(name, ...) {#name, __VA_ARGS__, sizeof((uint8_t[])__VA_ARGS__), true},
#define RING(name, column, points)
#define END_TABLE(name)                                                                                      \
    {NULL, {0}, 0, false}}, DSDN_TBF(name, _ring_desc), DSDN_TBF(name, _encode), DSDN_TBF(name, _restore)},
const struct dsdn_table_desc DSDN_PASTE(DSDN_TABLES_PREFIX, _, tables)[] = {
#include DSDN_TABLES_DEF
};
#undef TABLE
#undef KEY
#undef COL
#undef COL_REFS
#undef INDEX
#undef RING
#undef END_TABLE
#endif

#undef INDEX_LATE
#define INDEX_LATE(name, ...) INDEX(name, __VA_ARGS__)
#undef DSDN_TB
#undef DSDN_TBF
