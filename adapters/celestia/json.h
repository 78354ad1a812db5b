/* json.h: JSON of a Celestia node, read in place.
 *
 * An answer can be 45 MB of base64 in a few thousand strings, and whoever answers may be hostile.  So no tree
 * is built: the text is checked once, as a whole, against RFC 8259, and from then on a value is a span - the
 * view of its characters in the text - that is walked, searched for members, and read.  Nothing allocates;
 * memory is the text.  Why not libjansson here: docs/decisions/0021-answers-in-place.md.
 *
 * Stricter than JSON in general: UTF-8 without U+0000, nesting of at most DSDN_SPAN_DEPTH_MAX, no object that
 * is read has two members of one name, escapes in names are refused (no name of the API has one).  Numbers
 * that are read as such are integers. */
#ifndef DSDN_ADAPTERS_CELESTIA_JSON_H
#define DSDN_ADAPTERS_CELESTIA_JSON_H

#include "adapters/celestia/header.h"
#include "log/json.h"

#define DSDN_SPAN_DEPTH_MAX   32u
#define DSDN_SPAN_MEMBERS_MAX 64u /* of an object that is read; the API's largest has 15 */

/* dsdn_span_check accepts a text of exactly one JSON value, blanks around it included, and hands out the
 * value.  MALFORMED with the offset.  The functions below take only values of a checked text. */
int dsdn_span_check(const void *text, size_t len, struct dsdn_view *value, struct dsdn_error *error);

/* What a value is: '{' '[' '"' 't' (true) 'f' (false) 'n' (null) '0' (a number); 0 for an empty view, which
 * stands for a missing member. */
char dsdn_span_kind(struct dsdn_view value);

/* True for a missing member and for null. */
bool dsdn_span_none(struct dsdn_view value);

/* Elements of an array, or values of an object with their names (a view without the quotes; empty in an
 * array), in order.  A value of another kind has none. */
struct dsdn_span_walk {
    const uint8_t *at, *end;
    bool object;
};
void dsdn_span_walk_start(struct dsdn_span_walk *walk, struct dsdn_view value);
bool dsdn_span_walk_next(struct dsdn_span_walk *walk, struct dsdn_view *name, struct dsdn_view *value);

/* dsdn_span_count is the number of elements of an array, counted up to limit + 1. */
uint32_t dsdn_span_count(struct dsdn_view array, uint32_t limit);

/* dsdn_span_members looks up cnt names in an object: values[i] becomes the value of names[i], empty when it
 * has none.  Other members are stepped over.  MALFORMED when it is no object, has two members of one name
 * (of any name), more than DSDN_SPAN_MEMBERS_MAX, or a name with an escape.  what: for the message. */
int dsdn_span_members(struct dsdn_view object, const char *what, const char *const *names, size_t cnt,
                      struct dsdn_view *values, struct dsdn_error *error);

/* ---- scalars: false for another kind or form ---- */

/* A number without fraction and exponent; min and max inclusive. */
bool dsdn_span_u64(struct dsdn_view value, uint64_t max, uint64_t *number);
bool dsdn_span_i64(struct dsdn_view value, int64_t min, int64_t max, int64_t *number);
/* The same as a number or as a text ("27"): the node writes 64-bit integers of headers as texts, its older
 * releases also as numbers. */
bool dsdn_span_loose_u64(struct dsdn_view value, uint64_t max, uint64_t *number);
bool dsdn_span_loose_i64(struct dsdn_view value, int64_t min, int64_t max, int64_t *number);
bool dsdn_span_bool(struct dsdn_view value, bool *truth);
/* The characters of a text that has no escapes, in place. */
bool dsdn_span_plain(struct dsdn_view value, struct dsdn_view *text);
/* Standard base64 of exactly len bytes; of any number, up to cap. */
bool dsdn_span_base64(struct dsdn_view value, uint8_t *out, size_t len);
bool dsdn_span_base64_any(struct dsdn_view value, uint8_t *out, size_t cap, size_t *len);
/* Hex of either case, exactly 2 * len digits. */
bool dsdn_span_hex(struct dsdn_view value, uint8_t *out, size_t len);
/* RFC 3339 with up to nine digits of a second, in UTC ("Z"); years 1 to 9999. */
bool dsdn_span_time(struct dsdn_view value, struct dsdn_celestia_time *time);
/* A decimal number of at least 0 in units of 10^-9, below 2^63 of them; digits behind the ninth are cut off.
 * Exponents are understood: Go writes 1e-06. */
bool dsdn_span_nano(struct dsdn_view value, uint64_t *nano);

/* dsdn_span_text copies a text with escapes resolved and a zero byte behind it, cut to cap at a whole
 * character; control characters become '?', so that it can be shown.  "" for another kind. */
void dsdn_span_text(struct dsdn_view value, char *out, size_t cap);

/* ---- writing, beyond log/json.h ---- */

void dsdn_text_base64(struct dsdn_text *t, const uint8_t *bytes, size_t len);
void dsdn_text_upper_hex(struct dsdn_text *t, const uint8_t *bytes, size_t len);
/* As Go writes a time: trailing zeros of the fraction are left out. */
void dsdn_text_time(struct dsdn_text *t, struct dsdn_celestia_time time);
/* 10^-9 as a decimal number without exponent: 0.004. */
void dsdn_text_nano(struct dsdn_text *t, uint64_t nano);
/* dsdn_text_raw puts a JSON value that is text already: an id that is echoed. */
void dsdn_text_raw(struct dsdn_text *t, struct dsdn_view value);

#endif
