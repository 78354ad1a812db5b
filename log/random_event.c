#include "log/random_event.h"
#include "log/kind.h"

/* ---- xoshiro256** ---------------------------------------------------------------------------- */

void dsdn_random_seed(struct dsdn_random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

static uint64_t rotate(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

uint64_t dsdn_random_next(struct dsdn_random *r)
{
    uint64_t *s = r->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t dsdn_random_below(struct dsdn_random *r, uint64_t n)
{
    if (n == 0) return 0;
    uint64_t reject = (0 - n) % n, v; /* 2^64 mod n values would make the small results likelier */
    do v = dsdn_random_next(r);
    while (v < reject);
    return v % n;
}

void dsdn_random_fill(struct dsdn_random *r, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint8_t word[8];
        dsdn_store64(word, dsdn_random_next(r));
        memcpy(out + i, word, len - i < 8 ? len - i : 8);
    }
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool one_in(struct dsdn_random *r, uint64_t n)
{
    return dsdn_random_below(r, n) == 0;
}

/* A number in 0..max: an edge, a small one, or any. */
static uint64_t number(struct dsdn_random *r, uint64_t max)
{
    switch (dsdn_random_below(r, 8)) {
    case 0: return 0;
    case 1: return max;
    case 2: return max ? max - 1 : 0;
    case 3: return dsdn_random_below(r, max < 300 ? max + 1 : 300);
    case 4: { /* around a power of two */
        uint64_t v = ((uint64_t)1 << dsdn_random_below(r, 64)) - dsdn_random_below(r, 2);
        return v <= max ? v : max;
    }
    default: return max == UINT64_MAX ? dsdn_random_next(r) : dsdn_random_below(r, max + 1);
    }
}

/* A length or count up to max: empty, one, a few, or the longest there is. */
static uint32_t length(struct dsdn_random *r, uint64_t max)
{
    switch (dsdn_random_below(r, 16)) {
    case 0: return (uint32_t)max;
    case 1:
    case 2:
    case 3:
    case 4: return 0;
    case 5:
    case 6: return max ? 1 : 0;
    case 7: return (uint32_t)dsdn_random_below(r, (max < 200 ? max : 200) + 1);
    default: return (uint32_t)dsdn_random_below(r, (max < 9 ? max : 9) + 1);
    }
}

static void fixed(struct dsdn_random *r, uint8_t *out, size_t len)
{
    switch (dsdn_random_below(r, 16)) {
    case 0: memset(out, 0, len); break;
    case 1: memset(out, 0xff, len); break;
    default: dsdn_random_fill(r, out, len); break;
    }
}

/* len bytes of UTF-8 without zero bytes, rich in characters that escape, split or end a range. */
static void text(struct dsdn_random *r, uint8_t *out, uint32_t len)
{
    static const char *const edges[] = {"\x01",
                                        "\x1f",
                                        "\"",
                                        "\\",
                                        "/",
                                        "\n",
                                        "\x7f",
                                        "%",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xe2\x80\xa8",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf"};
    bool plain = one_in(r, 2);
    for (uint32_t i = 0; i < len;) {
        const char *edge = edges[dsdn_random_below(r, sizeof edges / sizeof *edges)];
        uint32_t width = (uint32_t)strlen(edge);
        if (plain || one_in(r, 2) || width > len - i) {
            out[i++] = (uint8_t)(' ' + dsdn_random_below(r, 95));
        } else {
            memcpy(out + i, edge, width);
            i += width;
        }
    }
}

/* count ids in ascending order: either they differ in the first 8 bytes, or (few of them) in the last byte
 * only. */
static void sorted_ids(struct dsdn_random *r, uint8_t *out, uint32_t count)
{
    bool close = count <= 256 && one_in(r, 4);
    uint8_t same[32];
    fixed(r, same, 32);
    uint64_t prefix = 0;
    for (uint32_t i = 0; i < count; i++, out += 32) {
        if (close) {
            memcpy(out, same, 32);
            out[31] = (uint8_t)i;
            continue;
        }
        prefix += 1 + dsdn_random_below(r, (UINT64_MAX - prefix) / (count - i));
        dsdn_random_fill(r, out, 32);
        dsdn_store64_be(out, prefix);
    }
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Shortest and longest encoding of a field. */
struct extent {
    uint64_t least, most;
};

static struct extent extent_of(const struct dsdn_field *f);

static struct extent extent_all(const struct dsdn_field *fields, uint8_t version)
{
    struct extent sum = {0, 0};
    for (const struct dsdn_field *f = fields; f->name; f++) {
        if (f->since > version) continue;
        struct extent e = extent_of(f);
        sum.least += e.least;
        sum.most += e.most;
    }
    return sum;
}

static struct extent extent_of(const struct dsdn_field *f)
{
    const struct dsdn_kind_info *kind = &dsdn_kinds[f->kind];
    switch (kind->form) {
    case DSDN_FORM_AMOUNT: return (struct extent){9, 9};
    case DSDN_FORM_TEXT:
    case DSDN_FORM_BYTES: return (struct extent){1, DSDN_VARINT_MAX + f->max};
    case DSDN_FORM_HASHES: return (struct extent){1, DSDN_VARINT_MAX + (uint64_t)f->max * 32};
    case DSDN_FORM_RECORDS:
        return (struct extent){1, DSDN_VARINT_MAX + f->max * extent_all(f->record->fields(), UINT8_MAX).most};
    default: return (struct extent){kind->optional ? 1 : kind->width, (uint64_t)kind->width + kind->optional};
    }
}

static uint8_t *put_fields(struct dsdn_random *r, const struct dsdn_field *fields, uint8_t version,
                           uint8_t *out, const uint8_t *end);

/* Writes one field into [out, room_end), which holds at least its shortest form. */
static uint8_t *put_field(struct dsdn_random *r, const struct dsdn_field *f, uint8_t *out,
                          const uint8_t *room_end)
{
    const struct dsdn_kind_info *kind = &dsdn_kinds[f->kind];
    uint64_t room = (uint64_t)(room_end - out);
    if (kind->optional) {
        *out = room > kind->width && !one_in(r, 3);
        if (!*out++) return out;
    }
    uint64_t item = 1, most = room > DSDN_VARINT_MAX ? room - DSDN_VARINT_MAX : 0; /* of lengths and counts */
    if (kind->form == DSDN_FORM_HASHES) item = 32;
    if (kind->form == DSDN_FORM_RECORDS) item = extent_all(f->record->fields(), UINT8_MAX).most;
    most = most / item < f->max ? most / item : f->max;
    switch (kind->form) {
    case DSDN_FORM_NUMBER:
    case DSDN_FORM_DECIMAL: {
        uint64_t v = kind->is_signed ? number(r, UINT64_MAX) : number(r, dsdn_field_max(f));
        if (kind->is_signed && one_in(r, 4))
            v = (uint64_t)1 << (8 * kind->width - 1); /* the smallest there is */
        memcpy(out, &v, kind->width);
        return out + kind->width;
    }
    case DSDN_FORM_HEX: fixed(r, out, kind->width); return out + kind->width;
    case DSDN_FORM_AMOUNT:
        *out = (uint8_t)number(r, UINT8_MAX);
        dsdn_store64(out + 1, number(r, UINT64_MAX));
        return out + 9;
    case DSDN_FORM_TEXT:
    case DSDN_FORM_BYTES: {
        uint32_t len = length(r, most);
        out = dsdn_varint_put(out, len);
        if (kind->form == DSDN_FORM_TEXT)
            text(r, out, len);
        else
            dsdn_random_fill(r, out, len);
        return out + len;
    }
    case DSDN_FORM_HASHES: {
        uint32_t count = length(r, most);
        out = dsdn_varint_put(out, count);
        if (f->kind == DSDN_K_set_id) sorted_ids(r, out, count);
        for (uint32_t i = 0; f->kind != DSDN_K_set_id && i < count; i++) fixed(r, out + (size_t)32 * i, 32);
        return out + (size_t)32 * count;
    }
    case DSDN_FORM_RECORDS: {
        uint32_t count = length(r, most);
        out = dsdn_varint_put(out, count);
        for (uint32_t i = 0; i < count; i++)
            out = put_fields(r, f->record->fields(), UINT8_MAX, out, room_end);
        return out;
    }
    }
    return out;
}

/* [out, end) holds at least the shortest form of all fields. */
static uint8_t *put_fields(struct dsdn_random *r, const struct dsdn_field *fields, uint8_t version,
                           uint8_t *out, const uint8_t *end)
{
    uint64_t later = extent_all(fields, version).least; /* what the fields behind this one need */
    for (const struct dsdn_field *f = fields; f->name; f++) {
        if (f->since > version) continue;
        later -= extent_of(f).least;
        out = put_field(r, f, out, end - later);
    }
    return out;
}

int dsdn_random_payload(struct dsdn_random *r, const struct dsdn_event_desc *desc, uint8_t version,
                        uint8_t *out, size_t cap, uint32_t *len, struct dsdn_error *error)
{
    if (cap > UINT32_MAX) cap = UINT32_MAX;
    uint64_t least = extent_all(desc->fields(), version).least;
    if (cap < least)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "%s v%u needs %llu bytes, %zu are given", desc->name,
                         version, (unsigned long long)least, cap);
    *len = (uint32_t)(put_fields(r, desc->fields(), version, out, out + cap) - out);
    return DSDN_OK;
}
