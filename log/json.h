/* json.h: the JSON form of events, both ways, from the descriptor tables of any catalogue; and a growing text
 * that writes JSON.
 *
 * An event is {"type":"NodeRegistered","version":2,"payload":{...}}, fields in declared order.  Each kind's
 * form is in log/kind.h: ids, hashes, signatures and bytes are hex strings, 64-bit integers decimal strings,
 * smaller ones numbers; an absent optional value is null.
 *
 * The reader is strict (RFC 8259 without duplicate, unknown or missing fields, exact types, values in range),
 * so that reading what was written gives the same bytes, and every error names the field.  libjansson reads
 * the text (log/json_value.h); the writer is ours because it escapes, bounds and streams what no tree has to
 * hold. */
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

/* ---- reading (over log/json_value.h) ---- */

/* Both take the text of one document; the caller bounds text_len before (see dsdn_json_load).  Bad syntax is
 * MALFORMED with line, column and offset; NO_MEMORY is possible.
 *
 * dsdn_json_read_payload reads the object of a payload into its canonical bytes as `version`.  An optional
 * field and a list of records may be missing.  MALFORMED naming the field ("payload.params[3].value: ...");
 * TOO_LARGE when cap is too small. */
int dsdn_json_read_payload(const struct dsdn_event_desc *desc, uint8_t version, const void *text,
                           size_t text_len, uint8_t *out, size_t cap, uint32_t *len,
                           struct dsdn_error *error);
/* dsdn_json_read_event reads {"type":...,"version":...,"payload":...}; *event is the index in the table. */
int dsdn_json_read_event(const struct dsdn_event_table *table, const void *text, size_t text_len,
                         uint32_t *event, uint8_t *version, uint8_t *out, size_t cap, uint32_t *len,
                         struct dsdn_error *error);

#endif
