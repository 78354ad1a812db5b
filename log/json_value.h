/* json_value.h: JSON text as a tree of libjansson's values, and the scalar forms of events (log/json.h).
 *
 * libjansson reads the text (RFC 8259; UTF-8 throughout, no character U+0000, duplicate members refused). Two
 * things it leaves open are closed here, before it sees the text: nesting has a small bound, and a zero byte
 * is refused, which it overlooks behind a number or a word.
 *
 * Memory.  libjansson 2.14 does not survive a failing allocation.  lex_save (load.c) ignores that
 * strbuffer_append_bytes could not grow the buffer of a token: a long integer silently loses a digit, and a
 * string that loses its closing quote is decoded past the ends of two heap blocks; other failures come out as
 * bad syntax.  Hence no failed allocation ever returns to it: while a document is loaded, this thread's
 * allocations come from an arena of the document, and when that cannot grow, the parse is left by longjmp and
 * the arena is released as a whole.
 *
 * Process-wide state: a constructor installs the arena's allocator by json_set_alloc_funcs; nobody else may
 * call that.  Outside dsdn_json_load it is malloc and free: other users of libjansson notice nothing. */
#ifndef DSDN_LOG_JSON_VALUE_H
#define DSDN_LOG_JSON_VALUE_H

#include "log/error.h"

#include <jansson.h>

#define DSDN_JSON_DEPTH_MAX 16u        /* nesting of a document */
#define DSDN_JSON_TEXT_MAX  (1u << 30) /* bytes of a document: libjansson counts positions in an int */

struct dsdn_json_chunk;

/* A loaded document.  Every value belongs to it: look, but neither change one nor json_decref it. */
struct dsdn_json_document {
    json_t *root; /* an object or an array */
    struct dsdn_json_chunk *memory;
};

/* dsdn_json_load reads one document; the text may go away afterwards.  The caller bounds len: the tree takes
 * 2 to 9 bytes a byte of a genesis or of saved progress, and up to 80 of a text made for it ("[{},{},...").
 * MALFORMED with line, column (in characters) and byte offset; TOO_LARGE above DSDN_JSON_TEXT_MAX; NO_MEMORY.
 * After a failure there is nothing to release. */
int dsdn_json_load(struct dsdn_json_document *document, const void *text, size_t len,
                   struct dsdn_error *error);
void dsdn_json_unload(struct dsdn_json_document *document);

/* The scalars below return false for a value of another type or form, and for NULL (a missing member). */

/* dsdn_json_integer reads a number without fraction or exponent in min..max. */
bool dsdn_json_integer(const json_t *value, int64_t min, int64_t max, int64_t *number);
/* dsdn_json_decimal reads a 64-bit integer from a string: no plus sign, no leading zeros, no "-0"; two's
 * complement. */
bool dsdn_json_decimal(const json_t *value, bool is_signed, uint64_t *bits);
/* dsdn_json_hex reads exactly len bytes from a string of 2*len hex digits of either case. */
bool dsdn_json_hex(const json_t *value, uint8_t *out, size_t len);

#endif
