/* filter.h: the language of `--where`: which events of a log somebody wants to see.
 *
 *     expression = and { "||" and }
 *     and        = not { "&&" not }
 *     not        = "!" not | "(" expression ")" | test
 *     test       = field operator value
 *     operator   = "==" "!=" "<" "<=" ">" ">=" "=~"
 *
 *     seq index time   numbers: batch sequence, place of the event in its batch (from 0, over all bundles),
 *                      time of the batch in ms
 *     type family      names: NodeRegistered or node_registered; node.  == != =~
 *     author           64 hex digits, or `authority` for what the authority asserts itself.  == != =~
 *     outcome code     names or numbers of what became of the event; an event whose outcome is not known
 *                      matches neither test, whatever the operator
 *     payload.FIELD    every event type that has the field takes part, an event without it does not match.
 *                      Integers, units of amounts and lengths of lists compare as numbers, strings in byte
 *                      order; ids, hashes and bytes (hex) have == != =~.  `null` stands for an absent
 *                      optional value, which differs from every other value.  Older versions are upcast
 *                      first.
 *
 * Numbers are decimal, ids bare hex, strings in "" (\" and \\ escape) or '' (nothing escapes).  =~ is a glob
 * over the whole text: * any characters, ? one character, \ takes the next one literally. */
#ifndef DSDN_LOG_FILTER_H
#define DSDN_LOG_FILTER_H

#include "log/event.h"

#define DSDN_FILTER_TEXT_MAX  4096u /* bytes of an expression */
#define DSDN_FILTER_TESTS_MAX 64u
#define DSDN_FILTER_DEPTH_MAX 32u /* parentheses and ! inside each other */

struct dsdn_filter_name {
    uint32_t value;
    const char *name;
};

/* What outcomes and codes are called.  Referred to by the filter, so they live as long as it does. */
struct dsdn_filter_names {
    const struct dsdn_filter_name *outcomes, *codes;
    uint32_t outcome_cnt, code_cnt;
};

/* An event as the filter sees it. */
struct dsdn_filter_event {
    uint64_t seq, index, time_ms;
    uint32_t event;  /* index in the event table */
    uint8_t version; /* of the payload */
    uint32_t len;
    const uint8_t *payload;
    const uint8_t *author; /* 32 bytes; zero bytes: the authority */
    int32_t outcome;       /* number, or -1 when it is not known */
    uint16_t code;
};

struct dsdn_filter;

/* dsdn_filter_compile reads text (zero-terminated) against a catalogue.  names may be NULL: then outcome and
 * code take numbers only.  USAGE with "column N: ..." and the byte position as offset when the text is wrong;
 * NO_MEMORY.  The table must outlive the filter; the text need not. */
int dsdn_filter_compile(const char *text, const struct dsdn_event_table *table,
                        const struct dsdn_filter_names *names, struct dsdn_filter **filter,
                        struct dsdn_error *error);
void dsdn_filter_free(struct dsdn_filter *filter);

/* dsdn_filter_match evaluates the filter: no allocation, any number of threads.  A payload is decoded at most
 * once, and only when a test of it is reached; one that does not decode matches no such test. */
bool dsdn_filter_match(const struct dsdn_filter *filter, const struct dsdn_filter_event *event);

/* dsdn_filter_caret writes the expression and a line with ^ under the place of the error, without a final
 * newline. */
void dsdn_filter_caret(const char *text, const struct dsdn_error *error, char *out, size_t cap);

/* dsdn_glob_match: the whole of text against a pattern.  The pattern is UTF-8; ? takes one character of it.
 */
bool dsdn_glob_match(const char *pattern, size_t pattern_len, const char *text, size_t len);

#endif
