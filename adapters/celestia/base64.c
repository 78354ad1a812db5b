#include "adapters/celestia/base64.h"

#ifdef __SSSE3__
#include <tmmintrin.h>
#endif

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a character plus one; 0 for a character outside the alphabet. */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64};

void dsdn_base64_encode(const uint8_t *bytes, size_t len, char *out)
{
    for (; len >= 3; bytes += 3, len -= 3) {
        uint32_t v = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = alphabet[v >> 6 & 63];
        *out++ = alphabet[v & 63];
    }
    if (!len) return;
    uint32_t v = (uint32_t)bytes[0] << 16 | (len == 2 ? (uint32_t)bytes[1] << 8 : 0);
    *out++ = alphabet[v >> 18];
    *out++ = alphabet[v >> 12 & 63];
    *out++ = len == 2 ? alphabet[v >> 6 & 63] : '=';
    *out = '=';
}

/* Four characters as 24 bits; false when one is outside the alphabet. */
static bool group(const char *text, uint32_t *bits)
{
    uint32_t a = values[(uint8_t)text[0]], b = values[(uint8_t)text[1]];
    uint32_t c = values[(uint8_t)text[2]], d = values[(uint8_t)text[3]];
    if (!a || !b || !c || !d) return false;
    *bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
    return true;
}

/* Decodes groups from the front, as many as is easy, and moves *text and *out on: how many these were.  What
 * it stops at is for the careful loop to judge. */
#ifdef __SSSE3__
/* Sixteen characters at a time (Mula and Lemire, "Faster Base64 Encoding and Decoding Using AVX2
 * Instructions", ACM Trans. Web 12, 2018): two tables by the halves of a character have a bit in common just
 * for those outside the alphabet, and a third one has the distance to the value. */
static size_t decode_easy(const char **text, size_t groups, uint8_t **out)
{
    const __m128i by_low = _mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13,
                                         0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
    const __m128i by_high = _mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10,
                                          0x10, 0x10, 0x10, 0x10, 0x10);
    const __m128i distances = _mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i order = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    const __m128i nibble = _mm_set1_epi8(0x2f); /* as good as 0x0f for a shuffle, and is '/' too */
    size_t done = 0;
    /* 16 bytes are written where 12 count: two groups behind make room */
    for (; groups - done >= 6; done += 4, *text += 16, *out += 12) {
        __m128i in = _mm_loadu_si128((const __m128i *)(const void *)*text);
        __m128i high = _mm_and_si128(_mm_srli_epi32(in, 4), nibble);
        __m128i wrong = _mm_and_si128(_mm_shuffle_epi8(by_low, _mm_and_si128(in, nibble)),
                                      _mm_shuffle_epi8(by_high, high));
        if (_mm_movemask_epi8(_mm_cmpgt_epi8(wrong, _mm_setzero_si128()))) break;
        in = _mm_add_epi8(in, _mm_shuffle_epi8(distances, _mm_add_epi8(_mm_cmpeq_epi8(in, nibble), high)));
        in = _mm_maddubs_epi16(in, _mm_set1_epi32(0x01400140)); /* pairs of six bits, then of twelve */
        in = _mm_madd_epi16(in, _mm_set1_epi32(0x00011000));
        _mm_storeu_si128((__m128i *)(void *)*out, _mm_shuffle_epi8(in, order));
    }
    return done;
}
#else
static size_t decode_easy(const char **text, size_t groups, uint8_t **out)
{
    (void)text, (void)groups, (void)out;
    return 0;
}
#endif

bool dsdn_base64_decode(const char *text, size_t text_len, uint8_t *out, size_t *len)
{
    uint8_t *start = out;
    uint32_t bits;
    *len = 0;
    if (text_len % 4) return false;
    if (!text_len) return true;
    size_t pad = text[text_len - 1] != '=' ? 0 : text[text_len - 2] != '=' ? 1 : 2;
    size_t groups = text_len / 4 - (pad != 0);
    for (groups -= decode_easy(&text, groups, &out); groups; groups--, text += 4) {
        if (!group(text, &bits)) return false;
        *out++ = (uint8_t)(bits >> 16);
        *out++ = (uint8_t)(bits >> 8);
        *out++ = (uint8_t)bits;
    }
    if (pad) {
        char last[4] = {text[0], text[1], pad == 1 ? text[2] : 'A', 'A'};
        if (!group(last, &bits) || bits & (pad == 1 ? 0xffu : 0xffffu)) return false;
        *out++ = (uint8_t)(bits >> 16);
        if (pad == 1) *out++ = (uint8_t)(bits >> 8);
    }
    *len = (size_t)(out - start);
    return true;
}
