/* codec.h: reading one field of a payload, for every field kind; and the C type that holds it.
 *
 * `get` functions take the byte after the previous field and return the byte after this one, or NULL when the
 * bytes are not the one canonical encoding.  They are inline so that a declared event decodes in
 * straight-line code. Views and pointers refer to the payload; nothing is copied and nothing allocates.
 *
 * kind       bytes                              C type
 * u8 u16 u32 u64 i32 i64   little-endian        the integer
 * fx         i64, Q32.32 fixed point            int64_t
 * bps        u16, 0..10000                      uint16_t
 * choice     u8, at most the argument           uint8_t
 * time       u64 milliseconds (batch-time axis) uint64_t
 * height     u64 height of the primary          uint64_t
 * id, hash, addr   32 bytes                     const uint8_t *
 * sig        64 bytes                           const uint8_t *
 * ns         29 bytes, a DA namespace           const uint8_t *
 * amt        asset u8, units u64                struct dsdn_amount
 * str(n)     varint length <= n, UTF-8, no NUL  struct dsdn_view
 * bytes(n)   varint length <= n                 struct dsdn_view
 * opt_*      u8 0 or 1, then the value if 1     pointer, NULL = absent; opt_u8: int16_t, -1 = absent
 * set_id(n)  varint count <= n, then 32-byte ids, strictly ascending     struct dsdn_list
 * list_hash(n)  varint count <= n, then 32-byte hashes, any order        struct dsdn_list */
#ifndef DSDN_LOG_CODEC_H
#define DSDN_LOG_CODEC_H

#include "log/base.h"

struct dsdn_amount {
    uint8_t asset;
    uint64_t units;
};

/* count items in canonical form, one behind the other. */
struct dsdn_list {
    const uint8_t *items;
    uint32_t count, len;
};

enum dsdn_kind {
    DSDN_K_u8, DSDN_K_u16, DSDN_K_u32, DSDN_K_u64, DSDN_K_i32, DSDN_K_i64, DSDN_K_fx, DSDN_K_bps,
    DSDN_K_choice, DSDN_K_time, DSDN_K_height, DSDN_K_id, DSDN_K_hash, DSDN_K_addr, DSDN_K_sig, DSDN_K_ns,
    DSDN_K_amt, DSDN_K_str, DSDN_K_bytes, DSDN_K_opt_u8, DSDN_K_opt_id, DSDN_K_opt_hash, DSDN_K_opt_sig,
    DSDN_K_set_id, DSDN_K_list_hash,
    DSDN_K_list, /* records: LIST(record, name, max, doc) */
    DSDN_KIND_CNT
};

#define DSDN_C_u8        uint8_t
#define DSDN_C_u16       uint16_t
#define DSDN_C_u32       uint32_t
#define DSDN_C_u64       uint64_t
#define DSDN_C_i32       int32_t
#define DSDN_C_i64       int64_t
#define DSDN_C_fx        int64_t
#define DSDN_C_bps       uint16_t
#define DSDN_C_choice    uint8_t
#define DSDN_C_time      uint64_t
#define DSDN_C_height    uint64_t
#define DSDN_C_id        const uint8_t *
#define DSDN_C_hash      const uint8_t *
#define DSDN_C_addr      const uint8_t *
#define DSDN_C_sig       const uint8_t *
#define DSDN_C_ns        const uint8_t *
#define DSDN_C_amt       struct dsdn_amount
#define DSDN_C_str       struct dsdn_view
#define DSDN_C_bytes     struct dsdn_view
#define DSDN_C_opt_u8    int16_t
#define DSDN_C_opt_id    const uint8_t *
#define DSDN_C_opt_hash  const uint8_t *
#define DSDN_C_opt_sig   const uint8_t *
#define DSDN_C_set_id    struct dsdn_list
#define DSDN_C_list_hash struct dsdn_list

#define DSDN_GET_FIXED(kind, type, width)                                                                    \
    static inline const uint8_t *dsdn_get_##kind(const uint8_t *p, const uint8_t *end, type *v,              \
                                                 uint32_t max)                                               \
    {                                                                                                        \
        (void)max;                                                                                           \
        if (end - p < (width)) return NULL;                                                                  \
        memcpy(v, p, (width));                                                                               \
        return p + (width);                                                                                  \
    }
DSDN_GET_FIXED(u8, uint8_t, 1)
DSDN_GET_FIXED(u16, uint16_t, 2)
DSDN_GET_FIXED(u32, uint32_t, 4)
DSDN_GET_FIXED(u64, uint64_t, 8)
DSDN_GET_FIXED(i32, int32_t, 4)
DSDN_GET_FIXED(i64, int64_t, 8)
DSDN_GET_FIXED(fx, int64_t, 8)
DSDN_GET_FIXED(time, uint64_t, 8)
DSDN_GET_FIXED(height, uint64_t, 8)
#undef DSDN_GET_FIXED

#define DSDN_GET_POINTER(kind, width)                                                                        \
    static inline const uint8_t *dsdn_get_##kind(const uint8_t *p, const uint8_t *end, const uint8_t **v,    \
                                                 uint32_t max)                                               \
    {                                                                                                        \
        (void)max;                                                                                           \
        if (end - p < (width)) return NULL;                                                                  \
        *v = p;                                                                                              \
        return p + (width);                                                                                  \
    }                                                                                                        \
    static inline const uint8_t *dsdn_get_opt_##kind(const uint8_t *p, const uint8_t *end,                   \
                                                     const uint8_t **v, uint32_t max)                        \
    {                                                                                                        \
        (void)max;                                                                                           \
        *v = NULL;                                                                                           \
        if (end - p < 1 || *p > 1) return NULL;                                                              \
        return *p ? dsdn_get_##kind(p + 1, end, v, 0) : p + 1;                                               \
    }
DSDN_GET_POINTER(id, 32)
DSDN_GET_POINTER(hash, 32)
DSDN_GET_POINTER(addr, 32)
DSDN_GET_POINTER(sig, 64)
DSDN_GET_POINTER(ns, 29)
#undef DSDN_GET_POINTER

static inline const uint8_t *dsdn_get_bps(const uint8_t *p, const uint8_t *end, uint16_t *v, uint32_t max)
{
    p = dsdn_get_u16(p, end, v, max);
    return p && *v <= 10000 ? p : NULL;
}

static inline const uint8_t *dsdn_get_choice(const uint8_t *p, const uint8_t *end, uint8_t *v, uint32_t max)
{
    p = dsdn_get_u8(p, end, v, 0);
    return p && *v <= max ? p : NULL;
}

static inline const uint8_t *dsdn_get_amt(const uint8_t *p, const uint8_t *end, struct dsdn_amount *v,
                                          uint32_t max)
{
    (void)max;
    if (end - p < 9) return NULL;
    v->asset = *p;
    v->units = dsdn_load64(p + 1);
    return p + 9;
}

static inline const uint8_t *dsdn_get_bytes(const uint8_t *p, const uint8_t *end, struct dsdn_view *v,
                                            uint32_t max)
{
    uint32_t len;
    if (!(p = dsdn_varint_get(p, end, &len)) || len > max || (size_t)(end - p) < len) return NULL;
    *v = (struct dsdn_view){p, len};
    return p + len;
}

/* dsdn_text_valid: UTF-8 without zero bytes, so that a padded key column can hold it. */
bool dsdn_text_valid(const uint8_t *bytes, size_t len);

static inline const uint8_t *dsdn_get_str(const uint8_t *p, const uint8_t *end, struct dsdn_view *v,
                                          uint32_t max)
{
    p = dsdn_get_bytes(p, end, v, max);
    return p && dsdn_text_valid(v->bytes, v->len) ? p : NULL;
}

static inline const uint8_t *dsdn_get_opt_u8(const uint8_t *p, const uint8_t *end, int16_t *v, uint32_t max)
{
    *v = -1;
    if (end - p < 1 || *p > 1) return NULL;
    if (!*p++) return p;
    if (end - p < 1 || *p > max) return NULL;
    *v = *p;
    return p + 1;
}

static inline const uint8_t *dsdn_get_list_hash(const uint8_t *p, const uint8_t *end, struct dsdn_list *v,
                                                uint32_t max)
{
    uint32_t count;
    if (!(p = dsdn_varint_get(p, end, &count)) || count > max || (size_t)(end - p) / 32 < count) return NULL;
    *v = (struct dsdn_list){p, count, count * 32};
    return p + v->len;
}

static inline const uint8_t *dsdn_get_set_id(const uint8_t *p, const uint8_t *end, struct dsdn_list *v,
                                             uint32_t max)
{
    p = dsdn_get_list_hash(p, end, v, max);
    for (uint32_t i = 1; p && i < v->count; i++)
        if (memcmp(v->items + 32 * (i - 1), v->items + 32 * i, 32) >= 0) return NULL;
    return p;
}

#endif
