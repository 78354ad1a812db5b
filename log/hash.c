#include "log/hash.h"
#include "log/hash_shani.h"

#include <stdatomic.h>

/* OpenSSL 3 deprecates its low-level SHA-256 in favour of EVP, which allocates and costs several times as
 * much on the short messages hashed here.  The functions stay exported for the life of the 3.x ABI. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* ---- which code runs ------------------------------------------------------------------------- */

enum { HAS_KNOWN = 1, HAS_SHANI = 2, HAS_CRC = 4 };

static unsigned detect(void)
{
    unsigned has = HAS_KNOWN;
#if defined(__x86_64__)
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return has;
    if ((c & bit_SSE4_2) && (c & bit_PCLMUL)) has |= HAS_CRC;
    bool ssse3_sse41 = (c & bit_SSSE3) && (c & bit_SSE4_1);
    if (ssse3_sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA)) has |= HAS_SHANI;
#endif
    return has;
}

/* Detected at the first use.  Threads may race to it: they store the same value. */
static atomic_uint features;

static inline bool use(unsigned feature)
{
    unsigned has = atomic_load_explicit(&features, memory_order_relaxed);
    if (!has) {
        has = detect();
        atomic_store_explicit(&features, has, memory_order_relaxed);
    }
    return (has & feature) != 0;
}

void dsdn_hash_force(enum dsdn_hash_backend backend)
{
    atomic_store_explicit(&features, backend == DSDN_HASH_PORTABLE ? HAS_KNOWN : detect(),
                          memory_order_relaxed);
}

const char *dsdn_hash_backend_name(void)
{
    return detect() & HAS_SHANI ? "sha-ni" : "openssl";
}

/* ---- one message ----------------------------------------------------------------------------- */

_Static_assert(sizeof(SHA256_CTX) <= sizeof((struct dsdn_sha256 *)0)->opaque, "opaque holds OpenSSL's state");
_Static_assert(_Alignof(SHA256_CTX) <= 16, "opaque is aligned for OpenSSL's state");

static inline SHA256_CTX *context(struct dsdn_sha256 *s)
{
    return (SHA256_CTX *)(void *)s->opaque;
}

/* The three functions fail on no input that is possible here. */
void dsdn_sha256_init(struct dsdn_sha256 *s)
{
    SHA256_Init(context(s));
}

void dsdn_sha256_update(struct dsdn_sha256 *s, const void *bytes, size_t len)
{
    if (len) SHA256_Update(context(s), bytes, len);
}

void dsdn_sha256_final(struct dsdn_sha256 *s, uint8_t out[32])
{
    SHA256_Final(out, context(s));
}

void dsdn_sha256(const void *bytes, size_t len, uint8_t out[32])
{
    struct dsdn_sha256 s;
    dsdn_sha256_init(&s);
    dsdn_sha256_update(&s, bytes, len);
    dsdn_sha256_final(&s, out);
}

void dsdn_tag_init(struct dsdn_sha256 *s, const char *tag)
{
    uint8_t len = (uint8_t)strlen(tag);
    dsdn_sha256_init(s);
    dsdn_sha256_update(s, &len, 1);
    dsdn_sha256_update(s, tag, len);
}

void dsdn_tagged(const char *tag, const void *bytes, size_t len, uint8_t out[32])
{
    struct dsdn_sha256 s;
    dsdn_tag_init(&s, tag);
    dsdn_sha256_update(&s, bytes, len);
    dsdn_sha256_final(&s, out);
}

/* ---- many messages --------------------------------------------------------------------------- */

void dsdn_sha256_many(const struct dsdn_sha256_job *jobs, size_t cnt)
{
#if DSDN_HAVE_SHANI
    if (use(HAS_SHANI)) {
        dsdn_shani_many(jobs, cnt);
        return;
    }
#endif
    for (size_t i = 0; i < cnt; i++) {
        struct dsdn_sha256 s;
        dsdn_sha256_init(&s);
        dsdn_sha256_update(&s, jobs[i].head, jobs[i].head_len);
        dsdn_sha256_update(&s, jobs[i].body, jobs[i].body_len);
        dsdn_sha256_final(&s, jobs[i].out);
    }
}

void dsdn_sha256_nodes(uint8_t prefix, const uint8_t *const *in, uint8_t *const *out, size_t cnt)
{
#if DSDN_HAVE_SHANI
    if (use(HAS_SHANI)) {
        dsdn_shani_nodes(prefix, in, out, cnt);
        return;
    }
#endif
    for (size_t i = 0; i < cnt; i++) {
        uint8_t message[65] = {prefix};
        memcpy(message + 1, in[i], 64);
        dsdn_sha256(message, sizeof message, out[i]);
    }
}

void dsdn_sha256_counted(const uint8_t *message, uint32_t len, uint32_t first, uint32_t cnt, uint8_t sum[32],
                         uint8_t *out)
{
    if (len < 4 || len > 55) __builtin_trap(); /* a caller's mistake; going on would overrun a block */
#if DSDN_HAVE_SHANI
    if (use(HAS_SHANI)) {
        dsdn_shani_counted(message, len, first, cnt, sum, out);
        return;
    }
#endif
    uint8_t copy[55], hash[32];
    memcpy(copy, message, len - 4);
    for (uint32_t i = 0; i < cnt; i++) {
        dsdn_store32(copy + len - 4, first + i);
        dsdn_sha256(copy, len, hash);
        for (int k = 0; k < 32; k++) sum[k] ^= hash[k];
        if (out) memcpy(out + 32 * (size_t)i, hash, 32);
    }
}

/* ---- CRC32C ---------------------------------------------------------------------------------- */

/* Four bits at a time, for processors without the instruction. */
static uint32_t crc_portable(uint32_t state, const uint8_t *p, size_t len)
{
    static const uint32_t step[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                      0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                      0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    while (len--) {
        state ^= *p++;
        state = state >> 4 ^ step[state & 15];
        state = state >> 4 ^ step[state & 15];
    }
    return state;
}

#if defined(__x86_64__)
#define CRC_TARGET __attribute__((target("sse4.2,pclmul")))

/* Multiplies a state by x^(8n) mod P, that is moves it over n zero bytes; factor = x^(8n-33) mod P,
 * reflected. (The carry-less product of two reflected 32-bit values is one bit short: x; the instruction
 * reduces a 64-bit value times x^32: together the missing 33.) */
CRC_TARGET static inline uint64_t crc_shift(uint64_t state, uint32_t factor)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)state), _mm_cvtsi32_si128((int)factor), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/* The instruction takes three cycles and starts one a cycle, so three parts are run side by side and joined.
 */
CRC_TARGET static uint32_t crc_instruction(uint32_t state, const uint8_t *p, size_t len)
{
    static const struct {
        uint32_t words;    /* 8-byte words in each of the three parts */
        uint32_t one, two; /* crc_shift factors for one and two parts */
    } sizes[] = {{320, 0x22c3799f, 0xca110698},
                 {80, 0x6b749fb2, 0xdd66cbbb},
                 {20, 0x878a92a7, 0xbac2fd7b},
                 {5, 0x3da6d0cb, 0x39d3b296}};
    uint64_t a = state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t part = sizes[i].words * 8;
        for (; len >= 3 * part; len -= 3 * part, p += 3 * part) {
            uint64_t b = 0, c = 0;
            for (size_t k = 0; k < part; k += 8) {
                a = _mm_crc32_u64(a, dsdn_load64(p + k));
                b = _mm_crc32_u64(b, dsdn_load64(p + part + k));
                c = _mm_crc32_u64(c, dsdn_load64(p + 2 * part + k));
            }
            a = crc_shift(a, sizes[i].two) ^ crc_shift(b, sizes[i].one) ^ c;
        }
    }
    for (; len >= 8; len -= 8, p += 8) a = _mm_crc32_u64(a, dsdn_load64(p));
    state = (uint32_t)a;
    for (; len; len--) state = _mm_crc32_u8(state, *p++);
    return state;
}
#endif

uint32_t dsdn_crc32c(uint32_t crc, const void *bytes, size_t len)
{
#if defined(__x86_64__)
    if (use(HAS_CRC)) return ~crc_instruction(~crc, bytes, len);
#endif
    return ~crc_portable(~crc, bytes, len);
}
