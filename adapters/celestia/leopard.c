#include "adapters/celestia/leopard.h"

#include <stdlib.h>

#ifdef __SSSE3__
#include <tmmintrin.h>
#endif

enum {
    K_NARROW = 128,     /* the largest k of GF(2^8): 2k field elements are needed */
    TABLE_NARROW = 32,  /* products of the low and of the high nibble */
    TABLE_WIDE = 128,   /* for each of four nibbles: low bytes; then for each: high bytes */
    SCRATCH = 32 << 10, /* k pieces of the shares, together as large as a first-level cache */
};

/* The multiplications of the transforms: one table for each place of the skew vector. */
struct dsdn_leopard {
    uint32_t k;
    uint32_t table_len;
    bool zero[2 * DSDN_LEOPARD_K_MAX]; /* the factor is 0 */
    uint8_t tables[];
};

/* ---- the fields ------------------------------------------------------------------------------ */

static const uint16_t basis_narrow[8] = {1, 214, 152, 146, 86, 200, 88, 230};
static const uint16_t basis_wide[16] = {0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012,
                                        0x6c98, 0x10d8, 0x6a72, 0xb900, 0xfdb8, 0xfb34, 0xff38, 0x991e};

/* Elements are written in a Cantor basis; logarithms are those of the polynomial's LFSR.  The logarithm of 0
 * is `modulus`, which no other element has. */
struct field {
    uint32_t bits, modulus;
    uint16_t *log, *exp; /* modulus + 1 each */
};

static void field_fill(struct field *f, uint32_t polynomial, const uint16_t *basis)
{
    uint32_t order = f->modulus + 1, state = 1;
    for (uint32_t i = 0; i < f->modulus; i++) {
        f->exp[state] = (uint16_t)i;
        state <<= 1;
        if (state >= order) state ^= polynomial;
    }
    f->exp[0] = (uint16_t)f->modulus;
    f->log[0] = 0;
    for (uint32_t i = 0; i < f->bits; i++)
        for (uint32_t j = 0, width = 1u << i; j < width; j++) f->log[j + width] = f->log[j] ^ basis[i];
    for (uint32_t i = 0; i < order; i++) f->log[i] = f->exp[f->log[i]];
    for (uint32_t i = 0; i < order; i++) f->exp[f->log[i]] = (uint16_t)i;
    f->exp[f->modulus] = f->exp[0];
}

/* The sum of two logarithms; may be `modulus`, which exp takes for 0. */
static uint32_t add_logs(const struct field *f, uint32_t a, uint32_t b)
{
    uint32_t sum = a + b;
    return (sum + (sum >> f->bits)) & f->modulus;
}

static uint32_t multiply(const struct field *f, uint32_t a, uint32_t log_b)
{
    return a ? f->exp[add_logs(f, f->log[a], log_b)] : 0;
}

/* The first cnt elements of the skew vector: what the butterflies of each place multiply by. */
static void skew_fill(const struct field *f, uint16_t *skew, uint32_t cnt)
{
    uint32_t t[15], last = f->bits - 1;
    for (uint32_t i = 0; i < last; i++) t[i] = 1u << (i + 1);
    for (uint32_t m = 0; m < last; m++) {
        uint32_t first = (1u << m) - 1, step = 2u << m;
        if (first < cnt) skew[first] = 0;
        for (uint32_t i = m; i < last; i++)
            for (uint32_t j = first, s = 2u << i; j < s && j + s < cnt; j += step)
                skew[j + s] = (uint16_t)(skew[j] ^ t[i]);
        t[m] = f->modulus - f->log[multiply(f, t[m], f->log[t[m] ^ 1])];
        for (uint32_t i = m + 1; i < last; i++) t[i] = multiply(f, t[i], add_logs(f, f->log[t[i] ^ 1], t[m]));
    }
}

static void table_fill(const struct field *f, uint32_t factor, uint8_t *table)
{
    uint32_t nibbles = f->bits / 4;
    for (uint32_t n = 0; n < nibbles; n++)
        for (uint32_t x = 0; x < 16; x++) {
            uint32_t product = multiply(f, x << 4 * n, f->log[factor]);
            table[16 * n + x] = (uint8_t)product;
            if (f->bits == 16) table[16 * (nibbles + n) + x] = (uint8_t)(product >> 8);
        }
}

struct dsdn_leopard *dsdn_leopard_new(uint32_t k)
{
    if (!k || k > DSDN_LEOPARD_K_MAX || (k & (k - 1))) return NULL;
    bool wide = k > K_NARROW;
    struct field f = {.bits = wide ? 16 : 8, .modulus = wide ? 0xffff : 0xff};
    uint16_t skew[2 * DSDN_LEOPARD_K_MAX];
    uint32_t places = 2 * k - 1, table_len = wide ? TABLE_WIDE : TABLE_NARROW;
    struct dsdn_leopard *leopard = calloc(1, sizeof *leopard + (size_t)places * table_len);
    f.log = calloc(2 * ((size_t)f.modulus + 1), sizeof *f.log);
    if (!leopard || !f.log) {
        free(leopard);
        free(f.log);
        return NULL;
    }
    f.exp = f.log + f.modulus + 1;
    field_fill(&f, wide ? 0x1002d : 0x11d, wide ? basis_wide : basis_narrow);
    skew_fill(&f, skew, places);
    leopard->k = k;
    leopard->table_len = table_len;
    for (uint32_t i = 0; i < places; i++) {
        leopard->zero[i] = skew[i] == 0;
        if (skew[i]) table_fill(&f, skew[i], leopard->tables + (size_t)i * table_len);
    }
    free(f.log);
    return leopard;
}

void dsdn_leopard_free(struct dsdn_leopard *leopard)
{
    free(leopard);
}

/* ---- butterflies: x and y are len bytes, len a multiple of 64 ---------------------------------- */

static void add(uint8_t *y, const uint8_t *x, size_t len)
{
    for (size_t i = 0; i < len; i++) y[i] ^= x[i];
}

#ifdef __SSSE3__

static inline __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const void *)p);
}
static inline void store(uint8_t *p, __m128i v)
{
    _mm_storeu_si128((void *)p, v);
}

/* Two nibbles of y in tables at t and at t + 16. */
static inline __m128i products(const uint8_t *t, __m128i y)
{
    const __m128i mask = _mm_set1_epi8(15);
    __m128i low = _mm_and_si128(y, mask), high = _mm_and_si128(_mm_srli_epi64(y, 4), mask);
    return _mm_xor_si128(_mm_shuffle_epi8(load(t), low), _mm_shuffle_epi8(load(t + 16), high));
}

static inline __m128i products_wide(const uint8_t *t, __m128i low, __m128i high)
{
    return _mm_xor_si128(products(t, low), products(t + 32, high));
}

/* y += x, then x += c y (inverse), or x += c y, then y += x. */
static void butterfly_narrow(uint8_t *x, uint8_t *y, const uint8_t *t, bool inverse, size_t len)
{
    for (size_t i = 0; i < len; i += 16) {
        __m128i a = load(x + i), b = load(y + i);
        if (inverse) b = _mm_xor_si128(b, a);
        a = _mm_xor_si128(a, products(t, b));
        if (!inverse) b = _mm_xor_si128(b, a);
        store(x + i, a);
        store(y + i, b);
    }
}

static void butterfly_wide(uint8_t *x, uint8_t *y, const uint8_t *t, bool inverse, size_t len)
{
    for (size_t i = 0; i < len; i += i % 64 == 16 ? 48 : 16) {
        __m128i a0 = load(x + i), a1 = load(x + i + 32), b0 = load(y + i), b1 = load(y + i + 32);
        if (inverse) b0 = _mm_xor_si128(b0, a0), b1 = _mm_xor_si128(b1, a1);
        a0 = _mm_xor_si128(a0, products_wide(t, b0, b1));
        a1 = _mm_xor_si128(a1, products_wide(t + 64, b0, b1));
        if (!inverse) b0 = _mm_xor_si128(b0, a0), b1 = _mm_xor_si128(b1, a1);
        store(x + i, a0);
        store(x + i + 32, a1);
        store(y + i, b0);
        store(y + i + 32, b1);
    }
}

#else

static void butterfly_narrow(uint8_t *x, uint8_t *y, const uint8_t *t, bool inverse, size_t len)
{
    if (inverse) add(y, x, len);
    for (size_t i = 0; i < len; i++) x[i] ^= t[y[i] & 15] ^ t[16 + (y[i] >> 4)];
    if (!inverse) add(y, x, len);
}

static void butterfly_wide(uint8_t *x, uint8_t *y, const uint8_t *t, bool inverse, size_t len)
{
    if (inverse) add(y, x, len);
    for (size_t i = 0; i < len; i += i % 64 == 31 ? 33 : 1) {
        uint32_t low = y[i], high = y[i + 32];
        uint32_t n[4] = {low & 15, 16 + (low >> 4), 32 + (high & 15), 48 + (high >> 4)};
        x[i] ^= t[n[0]] ^ t[n[1]] ^ t[n[2]] ^ t[n[3]];
        x[i + 32] ^= t[64 + n[0]] ^ t[64 + n[1]] ^ t[64 + n[2]] ^ t[64 + n[3]];
    }
    if (!inverse) add(y, x, len);
}

#endif

/* ---- transforms ------------------------------------------------------------------------------ */

/* All butterflies between pieces `distance` apart; their factors stand in the skew vector from `origin` on.
 */
static void layer(const struct dsdn_leopard *l, uint8_t *work, size_t len, uint32_t distance, uint32_t origin,
                  bool inverse)
{
    for (uint32_t r = 0; r < l->k; r += 2 * distance) {
        uint32_t place = origin + r + distance;
        const uint8_t *t = l->tables + (size_t)place * l->table_len;
        uint8_t *x = work + r * len, *y = x + distance * len;
        /* neighbouring pieces are contiguous: one run for the whole block */
        if (l->zero[place])
            add(y, x, distance * len);
        else if (l->table_len == TABLE_NARROW)
            butterfly_narrow(x, y, t, inverse, distance * len);
        else
            butterfly_wide(x, y, t, inverse, distance * len);
    }
}

void dsdn_leopard_encode(const struct dsdn_leopard *l, const uint8_t *const *data, uint8_t *const *parity,
                         size_t len)
{
    _Alignas(64) uint8_t work[SCRATCH];
    uint32_t k = l->k;
    size_t piece = SCRATCH / k; /* a multiple of 64 */
    if (piece > len) piece = len;
    for (size_t at = 0; at < len; at += piece) {
        if (piece > len - at) piece = len - at;
        for (uint32_t i = 0; i < k; i++) memcpy(work + i * piece, data[i] + at, piece);
        for (uint32_t distance = 1; distance < k; distance *= 2) layer(l, work, piece, distance, k - 1, true);
        for (uint32_t distance = k / 2; distance; distance /= 2)
            layer(l, work, piece, distance, UINT32_MAX, false); /* origin -1: place r + distance - 1 */
        for (uint32_t i = 0; i < k; i++) memcpy(parity[i] + at, work + i * piece, piece);
    }
}
