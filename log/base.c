#include "log/base.h"

void dsdn_hex_encode(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = 0;
}

/* The value of a hex digit, or -1. */
static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool dsdn_hex_decode(const char *text, size_t len, uint8_t *out)
{
    for (size_t i = 0; i < len; i++) {
        /* The second digit is only read after a good first one: text may end (zero byte) anywhere. */
        int high = digit(text[2 * i]);
        if (high < 0) return false;
        int low = digit(text[2 * i + 1]);
        if (low < 0) return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* RFC 3629, section 4: the first byte gives the length and bounds the second; the others are 80..BF. */
bool dsdn_utf8_valid(const uint8_t *bytes, size_t len)
{
    static const struct {
        uint8_t first_low, first_high, second_low, second_high, more;
    } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2},
                 {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2}, {0xf0, 0xf0, 0x90, 0xbf, 3},
                 {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3}};
    size_t i = 0;
    while (i < len) {
        if (len - i >= 8 && !(dsdn_load64(bytes + i) & 0x8080808080808080u)) { /* eight of ASCII */
            i += 8;
            continue;
        }
        uint8_t first = bytes[i++];
        if (first < 0x80) continue;
        size_t f = 0;
        while (f < sizeof forms / sizeof *forms && first > forms[f].first_high) f++;
        if (f == sizeof forms / sizeof *forms || first < forms[f].first_low) return false;
        if (len - i < forms[f].more) return false;
        if (bytes[i] < forms[f].second_low || bytes[i] > forms[f].second_high) return false;
        for (uint8_t k = 1; k < forms[f].more; k++)
            if ((bytes[i + k] & 0xc0) != 0x80) return false;
        i += forms[f].more;
    }
    return true;
}
