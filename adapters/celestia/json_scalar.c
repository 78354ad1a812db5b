#include "adapters/celestia/json.h"

#include "adapters/celestia/base64.h"

#include <stdio.h>

/* ---- integers ------------------------------------------------------------------------------------ */

/* [-]digits without leading zeros, all of the characters. */
static bool integer(struct dsdn_view text, bool *negative, uint64_t *magnitude)
{
    const uint8_t *p = text.bytes, *end = text.len ? p + text.len : p;
    *negative = p < end && *p == '-';
    if (*negative) p++;
    if (p == end || (*p == '0' && (p + 1 < end || *negative))) return false;
    for (*magnitude = 0; p < end; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(*magnitude, 10u, magnitude) ||
            __builtin_add_overflow(*magnitude, (uint64_t)(*p - '0'), magnitude))
            return false;
    return true;
}

static bool read_u64(struct dsdn_view text, uint64_t max, uint64_t *number)
{
    bool negative;
    return integer(text, &negative, number) && !negative && *number <= max;
}

static bool read_i64(struct dsdn_view text, int64_t min, int64_t max, int64_t *number)
{
    bool negative;
    uint64_t magnitude;
    if (!integer(text, &negative, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative) return false;
    *number = (int64_t)(negative ? 0 - magnitude : magnitude);
    return *number >= min && *number <= max;
}

bool dsdn_span_u64(struct dsdn_view value, uint64_t max, uint64_t *number)
{
    return dsdn_span_kind(value) == '0' && read_u64(value, max, number);
}

bool dsdn_span_i64(struct dsdn_view value, int64_t min, int64_t max, int64_t *number)
{
    return dsdn_span_kind(value) == '0' && read_i64(value, min, max, number);
}

/* The characters of a number, or of a text. */
static bool loose(struct dsdn_view value, struct dsdn_view *text)
{
    *text = value;
    return dsdn_span_kind(value) == '0' || dsdn_span_plain(value, text);
}

bool dsdn_span_loose_u64(struct dsdn_view value, uint64_t max, uint64_t *number)
{
    struct dsdn_view text;
    return loose(value, &text) && read_u64(text, max, number);
}

bool dsdn_span_loose_i64(struct dsdn_view value, int64_t min, int64_t max, int64_t *number)
{
    struct dsdn_view text;
    return loose(value, &text) && read_i64(text, min, max, number);
}

bool dsdn_span_bool(struct dsdn_view value, bool *truth)
{
    char kind = dsdn_span_kind(value);
    *truth = kind == 't';
    return kind == 't' || kind == 'f';
}

/* ---- times --------------------------------------------------------------------------------------- */

enum { DAY = 86400, YEAR_1 = -719162 /* days from 1970 to year 1 */ };

/* Days since 1970 of a date of the Gregorian calendar, and back (year >= 1). */
static int64_t days_of(int64_t year, uint32_t month, uint32_t day)
{
    static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int64_t y = year - 1;
    return YEAR_1 + 365 * y + y / 4 - y / 100 + y / 400 + before[month - 1] + (leap && month > 2) + day - 1;
}

static uint32_t month_len(int64_t year, uint32_t month)
{
    return (uint32_t)(month == 12 ? 31 : days_of(year, month + 1, 1) - days_of(year, month, 1));
}

static bool number_at(const uint8_t *p, size_t len, uint32_t *number)
{
    *number = 0;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') return false;
        *number = *number * 10 + (uint32_t)(p[i] - '0');
    }
    return true;
}

bool dsdn_span_time(struct dsdn_view value, struct dsdn_celestia_time *time)
{
    static const char form[] = "0000-00-00T00:00:00";
    struct dsdn_view text;
    uint32_t year, month, day, hour, minute, second, nanos = 0;
    if (!dsdn_span_plain(value, &text) || text.len < sizeof form || text.len > sizeof form + 10) return false;
    const uint8_t *p = text.bytes;
    for (size_t i = 0; i + 1 < sizeof form; i++)
        if (form[i] != '0' && p[i] != (uint8_t)form[i]) return false;
    if (!number_at(p, 4, &year) || !number_at(p + 5, 2, &month) || !number_at(p + 8, 2, &day) ||
        !number_at(p + 11, 2, &hour) || !number_at(p + 14, 2, &minute) || !number_at(p + 17, 2, &second))
        return false;
    if (!year || !month || month > 12 || !day || day > month_len(year, month) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    size_t fraction = text.len - sizeof form; /* the point and digits between the second and "Z" */
    if (p[text.len - 1] != 'Z') return false;
    if (fraction) {
        if (fraction < 2 || p[sizeof form - 1] != '.' || !number_at(p + sizeof form, fraction - 1, &nanos))
            return false;
        for (size_t i = fraction - 1; i < 9; i++) nanos *= 10;
    }
    *time = (struct dsdn_celestia_time){days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second,
                                        (int32_t)nanos};
    return true;
}

void dsdn_text_time(struct dsdn_text *t, struct dsdn_celestia_time time)
{
    char text[48], fraction[16] = "";
    int64_t days = time.seconds / DAY, rest = time.seconds % DAY;
    if (rest < 0) rest += DAY, days--;
    /* an estimate that is at most one too high or low, corrected */
    int64_t year = 1970 + days * 400 / 146097;
    while (days_of(year, 1, 1) > days) year--;
    while (days_of(year + 1, 1, 1) <= days) year++;
    uint32_t month = 1;
    while (month < 12 && days_of(year, month + 1, 1) <= days) month++;
    uint32_t day = (uint32_t)(days - days_of(year, month, 1)) + 1;
    if (time.nanos) {
        int len = snprintf(fraction, sizeof fraction, ".%09d", time.nanos);
        while (len > 1 && fraction[len - 1] == '0') fraction[--len] = 0;
    }
    snprintf(text, sizeof text, "%04lld-%02u-%02uT%02u:%02u:%02u%sZ", (long long)year, month, day,
             (unsigned)(rest / 3600), (unsigned)(rest / 60 % 60), (unsigned)(rest % 60), fraction);
    dsdn_text_string(t, text);
}

/* ---- prices -------------------------------------------------------------------------------------- */

enum { NANO_DIGITS = 9, NANO_PLACES_MAX = 18 };

/* The exponent behind the e of a number, or beyond +-1000, which is as good as any other there. */
static int exponent(const uint8_t *p, const uint8_t *end)
{
    bool negative = *p == '-';
    int value = 0;
    if (*p == '-' || *p == '+') p++;
    for (; p < end && value < 1000; p++) value = value * 10 + (*p - '0');
    return negative ? -value : value;
}

bool dsdn_span_nano(struct dsdn_view value, uint64_t *nano)
{
    if (dsdn_span_kind(value) != '0' || value.bytes[0] == '-') return false;
    const uint8_t *p = value.bytes, *end = p + value.len, *e = p, *point = NULL;
    for (; e < end && *e != 'e' && *e != 'E'; e++)
        if (*e == '.') point = e;
    int power = e < end ? exponent(e + 1, end) : 0;
    /* place: power of ten, in units of 10^-9, that the digit at p counts */
    int64_t place = (point ? point - p : e - p) - 1 + power + NANO_DIGITS;
    for (*nano = 0; p < e; p++) {
        if (p == point) continue;
        if (place > NANO_PLACES_MAX && *p != '0') return false;
        uint64_t unit = (uint64_t)(*p - '0');
        for (int64_t i = 0; unit && i < place; i++) unit *= 10; /* at most 9 * 10^18 */
        if (place >= 0 && __builtin_add_overflow(*nano, unit, nano)) return false;
        place--;
    }
    return *nano <= INT64_MAX;
}

/* ---- writing ------------------------------------------------------------------------------------- */

void dsdn_text_base64(struct dsdn_text *t, const uint8_t *bytes, size_t len)
{
    char characters[1024];
    enum { PIECE = sizeof characters / 4 * 3 };
    dsdn_text_open(t, '"');
    while (len) {
        size_t part = len < PIECE ? len : PIECE;
        dsdn_base64_encode(bytes, part, characters);
        dsdn_text_put(t, characters, DSDN_BASE64_LEN(part));
        bytes += part, len -= part;
    }
    dsdn_text_close(t, '"');
}

void dsdn_text_upper_hex(struct dsdn_text *t, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    dsdn_text_open(t, '"');
    for (size_t i = 0; i < len; i++) {
        char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
        dsdn_text_put(t, pair, 2);
    }
    dsdn_text_close(t, '"');
}

void dsdn_text_raw(struct dsdn_text *t, struct dsdn_view value)
{
    if (t->comma) dsdn_text_put(t, ",", 1);
    dsdn_text_put(t, value.bytes, value.len);
    t->comma = true;
    t->after_key = false;
}

void dsdn_text_nano(struct dsdn_text *t, uint64_t nano)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%llu.%09llu", (unsigned long long)(nano / 1000000000),
                       (unsigned long long)(nano % 1000000000));
    while (text[len - 1] == '0') len--;
    if (text[len - 1] == '.') len--;
    dsdn_text_raw(t, (struct dsdn_view){(const uint8_t *)text, (size_t)len});
}
