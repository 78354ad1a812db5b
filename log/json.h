/* json.h: the JSON form of events, both ways, from the descriptor tables of any catalogue; and the two small
 * tools under it: a growing text that writes JSON, and a reader of JSON that allocates nothing.
 *
 * An event is {"type":"NodeRegistered","version":2,"payload":{...}}, fields in declared order.  Each kind's
 * form is in log/kind.h: ids, hashes, signatures and bytes are hex strings, 64-bit integers decimal strings,
 * smaller ones numbers; an absent optional value is null.
 *
 * The reader is strict (RFC 8259 without duplicate, unknown or missing fields, exact types, values in range),
 * so that reading what was written gives the same bytes, and every error names the field.  It is our own and
 * not a library's because it must not fail half-way when memory is short: it needs none. */
#ifndef DSDN_LOG_JSON_H
#define DSDN_LOG_JSON_H

#include "log/event.h"

/* ---- writing ---- */

/* A growing text.  Failures stick: writing goes on without effect, and dsdn_text_status tells at the end.
 * Values place their own commas; a value follows its key or stands in an array. */
struct dsdn_text {
    char *bytes; /* len bytes and a zero byte; NULL until something is written.  Owned */
    size_t len, cap;
    size_t max;      /* len never exceeds it */
    int failed;      /* 0, DSDN_E_NO_MEMORY or DSDN_E_TOO_LARGE */
    unsigned indent; /* spaces a level; 0: everything on one line */
    unsigned depth;  /* open objects and arrays */
    bool comma;      /* a value stands before this place in the same container */
    bool after_key;
};

/* dsdn_text_init makes an empty text of at most max bytes; nothing is allocated yet. */
void dsdn_text_init(struct dsdn_text *t, size_t max, unsigned indent);
/* dsdn_text_clear forgets the contents and a failure, and keeps the memory. */
void dsdn_text_clear(struct dsdn_text *t);
void dsdn_text_free(struct dsdn_text *t);
/* dsdn_text_status is 0, or fills *error with the failure. */
int dsdn_text_status(const struct dsdn_text *t, struct dsdn_error *error);

/* Plain text, outside the rules for commas. */
void dsdn_text_put(struct dsdn_text *t, const void *bytes, size_t len);
void dsdn_text_format(struct dsdn_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* dsdn_text_line ends a JSON document with a newline: the next value starts another one. */
void dsdn_text_line(struct dsdn_text *t);

/* JSON.  `open` is '{' or '[', `close` its counterpart. */
void dsdn_text_open(struct dsdn_text *t, char open);
void dsdn_text_close(struct dsdn_text *t, char close);
void dsdn_text_key(struct dsdn_text *t, const char *key);
/* Strings: what JSON requires is escaped, and DEL.  Bytes >= 0x80 of a string that is not UTF-8 become U+FFFD
 * each. */
void dsdn_text_string(struct dsdn_text *t, const char *string);
void dsdn_text_bytes(struct dsdn_text *t, const uint8_t *bytes, size_t len);
void dsdn_text_hex(struct dsdn_text *t, const uint8_t *bytes, size_t len); /* "00ff" */
void dsdn_text_u64(struct dsdn_text *t, uint64_t number);                  /* 12 */
void dsdn_text_i64(struct dsdn_text *t, int64_t number);                   /* -12 */
void dsdn_text_decimal(struct dsdn_text *t, uint64_t bits,
                       bool is_signed);                          /* "12": a 64-bit integer as string */
void dsdn_text_milli(struct dsdn_text *t, uint64_t thousandths); /* 1.234 */
void dsdn_text_bool(struct dsdn_text *t, bool value);
void dsdn_text_null(struct dsdn_text *t);

/* dsdn_json_write_payload writes the object {"field":...} of a payload of `version`; fields of later versions
 * are not shown.  MALFORMED when the payload is not canonical (nothing is written then), or the text's
 * failure. */
int dsdn_json_write_payload(struct dsdn_text *t, const struct dsdn_event_desc *desc, uint8_t version,
                            const uint8_t *payload, uint32_t len, struct dsdn_error *error);
/* dsdn_json_write_event writes {"type":...,"version":...,"payload":...}. */
int dsdn_json_write_event(struct dsdn_text *t, const struct dsdn_event_desc *desc, uint8_t version,
                          const uint8_t *payload, uint32_t len, struct dsdn_error *error);

/* ---- reading ---- */

#define DSDN_JSON_DEPTH_MAX  16u /* nesting of a document */
#define DSDN_JSON_FIELDS_MAX 64u /* fields of an event or record */

/* One value of a checked document.  Refers to the caller's text, which must stay as it is. */
struct dsdn_json {
    const char *base, *at, *end; /* start of the document, start of the value, end of the document */
};

/* dsdn_json_check checks that text is one JSON document (UTF-8, no character U+0000, nesting at most
 * DSDN_JSON_DEPTH_MAX) and hands out its value.  MALFORMED with line, column and offset otherwise, TOO_LARGE
 * above max bytes.  Everything below relies on it and reads checked documents only. */
int dsdn_json_check(const void *text, size_t len, size_t max, struct dsdn_json *root,
                    struct dsdn_error *error);

/* dsdn_json_kind: '{', '[', '"', '0' (number), 't', 'f' or 'n'. */
char dsdn_json_kind(struct dsdn_json value);

/* Members of an object, or items of an array (then key.at is NULL):
 *     struct dsdn_json_walk w = dsdn_json_walk(container);
 *     while (dsdn_json_next(&w)) ... w.key, w.value ...
 * A value that is no container has no members. */
struct dsdn_json_walk {
    struct dsdn_json key, value;
    const char *next;
    bool object;
};
struct dsdn_json_walk dsdn_json_walk(struct dsdn_json container);
bool dsdn_json_next(struct dsdn_json_walk *walk);

/* dsdn_json_get finds a member; false when it is missing.  Of duplicates it returns the first. */
bool dsdn_json_get(struct dsdn_json object, const char *key, struct dsdn_json *value);
/* dsdn_json_string decodes a string into out (no zero byte is added).  False when it is none or longer than
 * cap. */
bool dsdn_json_string(struct dsdn_json value, uint8_t *out, size_t cap, size_t *len);
/* dsdn_json_is_string compares a string value (or key). */
bool dsdn_json_is_string(struct dsdn_json value, const char *string);
/* dsdn_json_integer reads a number without fraction or exponent in min..max. */
bool dsdn_json_integer(struct dsdn_json value, int64_t min, int64_t max, int64_t *number);
/* dsdn_json_decimal reads a 64-bit integer from a string: no plus sign, no leading zeros; two's complement.
 */
bool dsdn_json_decimal(struct dsdn_json value, bool is_signed, uint64_t *bits);
/* dsdn_json_hex reads exactly len bytes from a string of 2*len hex digits of either case. */
bool dsdn_json_hex(struct dsdn_json value, uint8_t *out, size_t len);

/* dsdn_json_read_payload reads the object of a payload into its canonical bytes as `version`.  An optional
 * field and a list of records may be missing.  MALFORMED naming the field ("payload.params[3].value: ...")
 * with its offset in the document; TOO_LARGE when cap is too small. */
int dsdn_json_read_payload(const struct dsdn_event_desc *desc, uint8_t version, struct dsdn_json value,
                           uint8_t *out, size_t cap, uint32_t *len, struct dsdn_error *error);
/* dsdn_json_read_event reads {"type":...,"version":...,"payload":...}; *event is the index in the table. */
int dsdn_json_read_event(const struct dsdn_event_table *table, struct dsdn_json value, uint32_t *event,
                         uint8_t *version, uint8_t *out, size_t cap, uint32_t *len, struct dsdn_error *error);

#endif
