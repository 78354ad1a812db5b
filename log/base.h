/* base.h: what every file needs: byte order, bounded reading and writing, views.
 *
 * All integers of DSDN formats are little-endian and unaligned; in table keys they are big-endian,
 * so that the order of bytes is the order of numbers.  Nothing here allocates. */
#ifndef DSDN_LOG_BASE_H
#define DSDN_LOG_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "DSDN reads little-endian formats with plain loads; a big-endian build needs byte swaps here"
#endif

/* Bytes owned by somebody else; the owner is named where a view is handed out. */
struct dsdn_view {
    const uint8_t *bytes;
    size_t len;
};

static inline uint16_t dsdn_load16(const void *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static inline uint32_t dsdn_load32(const void *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t dsdn_load64(const void *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static inline void dsdn_store16(void *p, uint16_t v) { memcpy(p, &v, 2); }
static inline void dsdn_store32(void *p, uint32_t v) { memcpy(p, &v, 4); }
static inline void dsdn_store64(void *p, uint64_t v) { memcpy(p, &v, 8); }

static inline uint64_t dsdn_load64_be(const void *p) { return __builtin_bswap64(dsdn_load64(p)); }
static inline void dsdn_store64_be(void *p, uint64_t v) { dsdn_store64(p, __builtin_bswap64(v)); }

static inline bool dsdn_equal32(const uint8_t *a, const uint8_t *b)
{
    return ((dsdn_load64(a) ^ dsdn_load64(b)) | (dsdn_load64(a + 8) ^ dsdn_load64(b + 8)) |
            (dsdn_load64(a + 16) ^ dsdn_load64(b + 16)) | (dsdn_load64(a + 24) ^ dsdn_load64(b + 24))) == 0;
}

/* True when the 32 bytes at p are all zero. */
static inline bool dsdn_zero32(const uint8_t *p)
{
    return (dsdn_load64(p) | dsdn_load64(p + 8) | dsdn_load64(p + 16) | dsdn_load64(p + 24)) == 0;
}

/* Longest varint: 5 bytes, because every length and count of the log is below 2^32. */
#define DSDN_VARINT_MAX 5u

/* dsdn_varint_put writes v as LEB128 (7 bits a byte, low bits first) and returns the end. */
static inline uint8_t *dsdn_varint_put(uint8_t *p, uint32_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static inline uint32_t dsdn_varint_len(uint32_t v)
{
    return v < 1u << 7 ? 1 : v < 1u << 14 ? 2 : v < 1u << 21 ? 3 : v < 1u << 28 ? 4 : 5;
}

/* dsdn_varint_get reads the one canonical LEB128 encoding of a u32 from [p, end).
 * Returns the byte behind it, or NULL when it is truncated, overlong or does not fit 32 bits. */
static inline const uint8_t *dsdn_varint_get(const uint8_t *p, const uint8_t *end, uint32_t *v)
{
    if (p < end && *p < 0x80) {
        *v = *p;
        return p + 1;
    }
    uint32_t sum = 0;
    for (uint32_t shift = 0; p < end && shift <= 28; shift += 7) {
        uint8_t b = *p++;
        if (shift == 28 && b > 0x0f) return NULL;
        sum |= (uint32_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            if (b == 0) return NULL; /* overlong: the same value has a shorter form */
            *v = sum;
            return p;
        }
    }
    return NULL;
}

/* dsdn_hex_encode writes 2*len lower-case digits and a zero byte to out. */
void dsdn_hex_encode(const uint8_t *bytes, size_t len, char *out);

/* dsdn_hex_decode reads exactly 2*len hex digits of either case.  Returns false on any other character;
 * text may be longer, the caller checks what follows. */
bool dsdn_hex_decode(const char *text, size_t len, uint8_t *out);

/* dsdn_utf8_valid says whether bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool dsdn_utf8_valid(const uint8_t *bytes, size_t len);

#endif
