/* kind.h: what a program that walks the fields of any event has to know about each field kind (log/codec.h),
 * as one table: JSON, the filter language, the random generator and the reference docs all read it. */
#ifndef DSDN_LOG_KIND_H
#define DSDN_LOG_KIND_H

#include "log/event.h"

/* How a value of a kind is treated; the comment says how JSON shows it. */
enum dsdn_form {
    DSDN_FORM_NUMBER,  /* at most 32 bits: a JSON number */
    DSDN_FORM_DECIMAL, /* 64 bits: a decimal string, because JavaScript rounds numbers above 2^53 */
    DSDN_FORM_HEX,     /* bytes of fixed width: a string of lower-case hex digits */
    DSDN_FORM_AMOUNT,  /* {"asset":0,"units":"123"} */
    DSDN_FORM_TEXT,    /* a string */
    DSDN_FORM_BYTES,   /* bytes of any length: hex digits */
    DSDN_FORM_HASHES,  /* 32-byte values: an array of hex strings */
    DSDN_FORM_RECORDS, /* an array of objects */
};

struct dsdn_kind_info {
    const char *name; /* "opt_id" */
    enum dsdn_form form;
    uint8_t width;  /* bytes of a NUMBER, DECIMAL or HEX value on the wire; 0 for the other forms */
    bool optional;  /* one byte 0 or 1 stands before the value; absent is null in JSON */
    bool is_signed; /* of NUMBER and DECIMAL: two's complement */
    uint64_t max;   /* of NUMBER: largest value; choice and opt_u8 have theirs in the field */
};

/* Indexed by enum dsdn_kind. */
extern const struct dsdn_kind_info dsdn_kinds[DSDN_KIND_CNT];

/* A decoded event or record, aligned for any declared struct. */
union dsdn_decoded {
    _Alignas(16) uint8_t bytes[DSDN_EVENT_STRUCT_MAX];
};

/* dsdn_field_max is the largest value of a NUMBER field. */
static inline uint64_t dsdn_field_max(const struct dsdn_field *f)
{
    uint64_t max = dsdn_kinds[f->kind].max;
    return (f->kind == DSDN_K_choice || f->kind == DSDN_K_opt_u8) && f->max < max ? f->max : max;
}

/* dsdn_field_number reads a NUMBER or DECIMAL field of the decoded struct `from`; signed kinds are
 * sign-extended to 64 bits.  False when the field is optional and absent. */
bool dsdn_field_number(const struct dsdn_field *f, const void *from, uint64_t *bits);

/* dsdn_field_pointer reads a HEX field: its bytes, or NULL when it is absent. */
static inline const uint8_t *dsdn_field_pointer(const struct dsdn_field *f, const void *from)
{
    const uint8_t *p;
    memcpy(&p, (const uint8_t *)from + f->offset, sizeof p);
    return p;
}

#endif
