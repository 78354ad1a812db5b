#include "log/hash_shani.h"

#if DSDN_HAVE_SHANI

#include <immintrin.h>

#define SHANI        __attribute__((target("sha,sse4.1,ssse3")))
#define SHANI_INLINE static inline SHANI __attribute__((always_inline))

enum {
    LANES = 4,      /* messages side by side: this many keep the round unit busy, more measured no better */
    COPY_MAX = 320, /* the rest of a message up to this length is copied and padded in one piece */
    COPY_CAP = 384  /* COPY_MAX with padding, whole blocks */
};

/* FIPS 180-4, 4.2.2 and 5.3.3. */
static const _Alignas(16) uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The instructions want the eight state words as (F,E,B,A) and (H,G,D,C), lowest lane first. */
SHANI_INLINE __m128i start_abef(void)
{
    return _mm_set_epi32(0x6a09e667, (int)0xbb67ae85u, 0x510e527f, (int)0x9b05688cu);
}

SHANI_INLINE __m128i start_cdgh(void)
{
    return _mm_set_epi32(0x3c6ef372, (int)0xa54ff53au, 0x1f83d9ab, 0x5be0cd19);
}

/* Reverses the bytes of each 32-bit word: message words are big-endian. */
SHANI_INLINE __m128i swap_words(__m128i v)
{
    return _mm_shuffle_epi8(v, _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL));
}

SHANI_INLINE __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

SHANI_INLINE __m128i load_words(const uint8_t *p)
{
    return swap_words(load(p));
}

/* Writes the 32 bytes of a hash. */
SHANI_INLINE void put(uint8_t *out, __m128i abef, __m128i cdgh)
{
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)out, swap_words(_mm_blend_epi16(feba, dchg, 0xf0)));
    _mm_storeu_si128((__m128i *)(void *)(out + 16), swap_words(_mm_alignr_epi8(dchg, feba, 8)));
}

/* Runs rounds 4*from .. 63 of one block in each lane; w[lane] are the block's 16 words.  The result is the
 * working state: the caller adds the state before the block.  `lanes` and `from` are constants at every call,
 * so that all of it unrolls. */
SHANI_INLINE void rounds(int lanes, int from, __m128i *abef, __m128i *cdgh, __m128i (*w)[4])
{
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++) {
        const __m128i k = _mm_load_si128((const __m128i *)(const void *)(round_constants + 4 * r));
#pragma GCC unroll 4
        for (int l = 0; l < lanes; l++) {
            if (r >= from) {
                __m128i kw = _mm_add_epi32(w[l][r & 3], k);
                cdgh[l] = _mm_sha256rnds2_epu32(cdgh[l], abef[l], kw);
                abef[l] = _mm_sha256rnds2_epu32(abef[l], cdgh[l], _mm_shuffle_epi32(kw, 0x0e));
            }
            if (r < 12) {
                __m128i next = _mm_sha256msg1_epu32(w[l][r & 3], w[l][(r + 1) & 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(w[l][(r + 3) & 3], w[l][(r + 2) & 3], 4));
                w[l][r & 3] = _mm_sha256msg2_epu32(next, w[l][(r + 3) & 3]);
            }
        }
    }
}

/* ---- many messages of any lengths ------------------------------------------------------------ */

/* A message under way.  It is hashed in runs of consecutive blocks: straight from the head, one block that
 * joins head and body, straight from the body, and the padded rest, the last and the join from a copy. */
struct lane {
    const struct dsdn_sha256_job *job;
    size_t done; /* bytes of the message behind or inside the current run */
    size_t left; /* blocks left of the run */
    uint8_t *copy;
};

struct lanes {
    __m128i abef[LANES], cdgh[LANES];
    const uint8_t *at[LANES];
    struct lane lane[LANES];
    _Alignas(16) uint8_t copies[LANES][COPY_CAP];
};

static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t len)
{
    if (len >= 16) {
        for (size_t i = 0; i + 16 < len; i += 16) memcpy(to + i, from + i, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else {
        for (size_t i = 0; i < len; i++) to[i] = from[i];
    }
}

/* Copies bytes [from, from + len) of head || body. */
static inline void copy_message(uint8_t *to, const struct dsdn_sha256_job *job, size_t from, size_t len)
{
    if (from < job->head_len) {
        size_t part = job->head_len - from < len ? job->head_len - from : len;
        copy_bytes(to, job->head + from, part);
        to += part;
        from += part;
        len -= part;
    }
    if (len) copy_bytes(to, job->body + (from - job->head_len), len);
}

/* Sets up the next run of lane l; false when the message is complete. */
static inline bool next_run(struct lanes *g, unsigned l)
{
    struct lane *lane = &g->lane[l];
    const struct dsdn_sha256_job *job = lane->job;
    size_t total = job->head_len + job->body_len;
    if (lane->done > total) return false;
    size_t rest = total - lane->done;
    if (rest <= COPY_MAX) {
        size_t blocks = (rest + 9 + 63) / 64;
        uint8_t *end = lane->copy + 64 * blocks;
        /* At most 72 bytes follow the message; those of them that it covers are written after. */
        memset(end - 64, 0, 64);
        if (blocks > 1) memset(end - 128, 0, 64);
        copy_message(lane->copy, job, lane->done, rest);
        lane->copy[rest] = 0x80;
        dsdn_store64_be(end - 8, (uint64_t)total * 8);
        g->at[l] = lane->copy;
        lane->left = blocks;
        lane->done = total + 1;
    } else if (lane->done >= job->head_len) {
        g->at[l] = job->body + (lane->done - job->head_len);
        lane->left = rest / 64;
        lane->done += lane->left * 64;
    } else if (job->head_len - lane->done >= 64) {
        g->at[l] = job->head + lane->done;
        lane->left = (job->head_len - lane->done) / 64;
        lane->done += lane->left * 64;
    } else {
        copy_message(lane->copy, job, lane->done, 64);
        g->at[l] = lane->copy;
        lane->left = 1;
        lane->done += 64;
    }
    return true;
}

/* Hashes `blocks` more blocks in each of the first `lanes` lanes. */
SHANI_INLINE void run(int lanes, struct lanes *g, size_t blocks)
{
    __m128i abef[LANES], cdgh[LANES], w[LANES][4];
    const uint8_t *at[LANES];
    for (int l = 0; l < lanes; l++) {
        abef[l] = g->abef[l];
        cdgh[l] = g->cdgh[l];
        at[l] = g->at[l];
    }
    while (blocks--) {
        __m128i abef_before[LANES], cdgh_before[LANES];
#pragma GCC unroll 4
        for (int l = 0; l < lanes; l++) {
            abef_before[l] = abef[l];
            cdgh_before[l] = cdgh[l];
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) w[l][i] = load_words(at[l] + 16 * i);
            at[l] += 64;
        }
        rounds(lanes, 0, abef, cdgh, w);
#pragma GCC unroll 4
        for (int l = 0; l < lanes; l++) {
            abef[l] = _mm_add_epi32(abef[l], abef_before[l]);
            cdgh[l] = _mm_add_epi32(cdgh[l], cdgh_before[l]);
        }
    }
    for (int l = 0; l < lanes; l++) {
        g->abef[l] = abef[l];
        g->cdgh[l] = cdgh[l];
        g->at[l] = at[l];
    }
}

SHANI static void run1(struct lanes *g, size_t blocks)
{
    run(1, g, blocks);
}
SHANI static void run2(struct lanes *g, size_t blocks)
{
    run(2, g, blocks);
}
SHANI static void run3(struct lanes *g, size_t blocks)
{
    run(3, g, blocks);
}
SHANI static void run4(struct lanes *g, size_t blocks)
{
    run(4, g, blocks);
}
static void (*const runs[LANES + 1])(struct lanes *, size_t) = {NULL, run1, run2, run3, run4};

SHANI_INLINE void start(struct lanes *g, unsigned l, const struct dsdn_sha256_job *job)
{
    g->abef[l] = start_abef();
    g->cdgh[l] = start_cdgh();
    g->lane[l].job = job;
    g->lane[l].done = 0;
    next_run(g, l);
}

SHANI void dsdn_shani_many(const struct dsdn_sha256_job *jobs, size_t cnt)
{
    struct lanes g;
    unsigned active = 0;
    size_t next = 0;
    for (; active < LANES && next < cnt; active++) {
        g.lane[active].copy = g.copies[active];
        start(&g, active, &jobs[next++]);
    }
    while (active) {
        size_t blocks = g.lane[0].left;
        for (unsigned l = 1; l < active; l++)
            if (g.lane[l].left < blocks) blocks = g.lane[l].left;
        runs[active](&g, blocks);
        for (unsigned l = 0; l < active;) {
            g.lane[l].left -= blocks;
            if (g.lane[l].left || next_run(&g, l)) {
                l++;
                continue;
            }
            put(g.lane[l].job->out, g.abef[l], g.cdgh[l]);
            if (next < cnt) {
                start(&g, l++, &jobs[next++]);
            } else if (--active > l) { /* close the gap with the last lane, which is looked at next */
                g.abef[l] = g.abef[active];
                g.cdgh[l] = g.cdgh[active];
                g.at[l] = g.at[active];
                g.lane[l] = g.lane[active];
            }
        }
    }
}

/* ---- tree nodes ------------------------------------------------------------------------------ */

/* prefix || in[0..63) is the first block, in[63] || 0x80 || 0... || 520 (bits) the second. */
SHANI_INLINE void nodes(int lanes, uint8_t prefix, const uint8_t *const *in, uint8_t *const *out)
{
    __m128i abef[LANES], cdgh[LANES], w[LANES][4], abef_before[LANES], cdgh_before[LANES];
#pragma GCC unroll 4
    for (int l = 0; l < lanes; l++) {
        abef[l] = start_abef();
        cdgh[l] = start_cdgh();
        w[l][0] = swap_words(_mm_or_si128(_mm_slli_si128(load(in[l]), 1), _mm_cvtsi32_si128(prefix)));
        w[l][1] = load_words(in[l] + 15);
        w[l][2] = load_words(in[l] + 31);
        w[l][3] = load_words(in[l] + 47);
    }
    rounds(lanes, 0, abef, cdgh, w);
#pragma GCC unroll 4
    for (int l = 0; l < lanes; l++) {
        abef[l] = abef_before[l] = _mm_add_epi32(abef[l], start_abef());
        cdgh[l] = cdgh_before[l] = _mm_add_epi32(cdgh[l], start_cdgh());
        w[l][0] = _mm_cvtsi32_si128((int)((uint32_t)in[l][63] << 24 | 0x800000));
        w[l][1] = _mm_setzero_si128();
        w[l][2] = _mm_setzero_si128();
        w[l][3] = _mm_set_epi32(65 * 8, 0, 0, 0);
    }
    rounds(lanes, 0, abef, cdgh, w);
#pragma GCC unroll 4
    for (int l = 0; l < lanes; l++)
        put(out[l], _mm_add_epi32(abef[l], abef_before[l]), _mm_add_epi32(cdgh[l], cdgh_before[l]));
}

SHANI void dsdn_shani_nodes(uint8_t prefix, const uint8_t *const *in, uint8_t *const *out, size_t cnt)
{
    size_t i = 0;
    for (; cnt - i >= 4; i += 4) nodes(4, prefix, in + i, out + i);
    if (cnt - i >= 2) {
        nodes(2, prefix, in + i, out + i);
        i += 2;
    }
    if (i < cnt) nodes(1, prefix, in + i, out + i);
}

/* ---- counted messages ------------------------------------------------------------------------ */

/* What all messages of one call share: the block's words with a zero counter, where the counter goes, and the
 * state after the rounds that come before it. */
struct counted {
    __m128i words[4], place[2]; /* place[i] moves the counter's bytes to where they are in words[group + i] */
    __m128i abef, cdgh;         /* after 4 * group rounds */
    int group;                  /* of the counter's first byte */
};

SHANI_INLINE void counted(int lanes, int group, const struct counted *c, uint32_t number, __m128i *abef_sum,
                          __m128i *cdgh_sum, uint8_t *out)
{
    __m128i abef[LANES], cdgh[LANES], w[LANES][4];
#pragma GCC unroll 4
    for (int l = 0; l < lanes; l++) {
        __m128i n = _mm_cvtsi32_si128((int)(number + (uint32_t)l));
        abef[l] = c->abef;
        cdgh[l] = c->cdgh;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            w[l][i] = c->words[i];
            if (i == group || i == group + 1)
                w[l][i] = _mm_or_si128(w[l][i], _mm_shuffle_epi8(n, c->place[i - group]));
        }
    }
    rounds(lanes, group, abef, cdgh, w);
#pragma GCC unroll 4
    for (int l = 0; l < lanes; l++) {
        abef[l] = _mm_add_epi32(abef[l], start_abef());
        cdgh[l] = _mm_add_epi32(cdgh[l], start_cdgh());
        *abef_sum = _mm_xor_si128(*abef_sum, abef[l]);
        *cdgh_sum = _mm_xor_si128(*cdgh_sum, cdgh[l]);
        if (out) put(out + 32 * l, abef[l], cdgh[l]);
    }
}

SHANI_INLINE void counted_all(int group, const struct counted *c, uint32_t first, uint32_t cnt,
                              uint8_t sum[32], uint8_t *out)
{
    __m128i abef_sum = _mm_setzero_si128(), cdgh_sum = _mm_setzero_si128();
    uint32_t i = 0;
    for (; cnt - i >= 4; i += 4)
        counted(4, group, c, first + i, &abef_sum, &cdgh_sum, out ? out + 32 * (size_t)i : NULL);
    for (; i < cnt; i++)
        counted(1, group, c, first + i, &abef_sum, &cdgh_sum, out ? out + 32 * (size_t)i : NULL);
    uint8_t all[32];
    put(all, abef_sum, cdgh_sum); /* XOR commutes with the order of bytes: convert once */
    for (i = 0; i < 32; i++) sum[i] ^= all[i];
}

SHANI void dsdn_shani_counted(const uint8_t *message, uint32_t len, uint32_t first, uint32_t cnt,
                              uint8_t sum[32], uint8_t *out)
{
    uint32_t at = len - 4;
    uint8_t block[64] = {0}, place[32];
    memcpy(block, message, at);
    block[len] = 0x80;
    dsdn_store64_be(block + 56, (uint64_t)len * 8);

    struct counted c = {.group = (int)(at / 16), .abef = start_abef(), .cdgh = start_cdgh()};
    memset(place, 0x80, sizeof place); /* makes a zero byte; byte p of the block is byte p ^ 3 of its words */
    for (uint32_t i = 0; i < 4; i++) place[(at % 16 + i) ^ 3] = (uint8_t)i;
    for (int i = 0; i < 2; i++) c.place[i] = load(place + 16 * i);
    for (int i = 0; i < 4; i++) c.words[i] = load_words(block + 16 * i);
    for (int i = 0; i < c.group; i++) {
        __m128i kw = _mm_add_epi32(c.words[i], load((const uint8_t *)(round_constants + 4 * i)));
        c.cdgh = _mm_sha256rnds2_epu32(c.cdgh, c.abef, kw);
        c.abef = _mm_sha256rnds2_epu32(c.abef, c.cdgh, _mm_shuffle_epi32(kw, 0x0e));
    }
    switch (c.group) {
    case 0: counted_all(0, &c, first, cnt, sum, out); break;
    case 1: counted_all(1, &c, first, cnt, sum, out); break;
    case 2: counted_all(2, &c, first, cnt, sum, out); break;
    default: counted_all(3, &c, first, cnt, sum, out); break;
    }
}

#endif
