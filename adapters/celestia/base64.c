#include "adapters/celestia/base64.h"

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

bool dsdn_base64_decode(const char *text, size_t text_len, uint8_t *out, size_t *len)
{
    uint8_t *start = out;
    uint32_t bits;
    *len = 0;
    if (text_len % 4) return false;
    if (!text_len) return true;
    size_t pad = text[text_len - 1] != '=' ? 0 : text[text_len - 2] != '=' ? 1 : 2;
    for (size_t groups = text_len / 4 - (pad != 0); groups; groups--, text += 4) {
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
