/* protobuf.h: the few forms of Protocol Buffers (proto3) that Celestia's hashes and signatures are made over.
 *
 * Writing is canonical as gogoproto does it: fields in ascending order, a scalar of value 0 and an empty
 * string left out.  The writer fills a buffer of the caller and remembers when it was too small, so that only
 * the end needs a check.  Reading is strict where it matters to us: lengths are bounded by the input, varints
 * by ten bytes. */
#ifndef DSDN_ADAPTERS_CELESTIA_PROTOBUF_H
#define DSDN_ADAPTERS_CELESTIA_PROTOBUF_H

#include "log/base.h"

enum dsdn_proto_wire {
    DSDN_PROTO_VARINT = 0,
    DSDN_PROTO_FIXED64 = 1,
    DSDN_PROTO_BYTES = 2, /* strings and messages too */
    DSDN_PROTO_FIXED32 = 5,
};

/* ---- writing ---- */

struct dsdn_proto {
    uint8_t *bytes; /* of the caller */
    size_t len, cap;
    bool overflow; /* cap was too small; bytes then hold no message */
};

static inline struct dsdn_proto dsdn_proto_to(uint8_t *bytes, size_t cap)
{
    return (struct dsdn_proto){bytes, 0, cap, false};
}

/* dsdn_proto_varint writes a varint as such: a length prefix. */
void dsdn_proto_varint(struct dsdn_proto *p, uint64_t value);

/* dsdn_proto_varint_len is its length, 1 to 10. */
uint32_t dsdn_proto_varint_len(uint64_t value);

/* Fields 1 to 15.  uint: uint32, uint64, and with a cast from int64_t also int32 and int64 (two's complement:
 * ten bytes for a negative one).  fixed: sfixed64.  Zero and empty are left out. */
void dsdn_proto_uint(struct dsdn_proto *p, uint32_t field, uint64_t value);
void dsdn_proto_fixed(struct dsdn_proto *p, uint32_t field, int64_t value);
void dsdn_proto_bytes(struct dsdn_proto *p, uint32_t field, const void *bytes, size_t len);

/* dsdn_proto_message is dsdn_proto_bytes for a message that is there even when it is empty. */
void dsdn_proto_message(struct dsdn_proto *p, uint32_t field, const void *bytes, size_t len);

/* ---- reading ---- */

struct dsdn_proto_field {
    uint32_t number;
    enum dsdn_proto_wire wire;
    uint64_t value;         /* VARINT, FIXED64, FIXED32 */
    struct dsdn_view bytes; /* BYTES: in the input */
};

/* dsdn_proto_next takes one field from the front of *rest.  1: *field is set; 0: *rest was empty; -1: the
 * bytes are no message. */
int dsdn_proto_next(struct dsdn_view *rest, struct dsdn_proto_field *field);

/* dsdn_proto_take_varint takes one varint from the front of *rest; false when there is none. */
bool dsdn_proto_take_varint(struct dsdn_view *rest, uint64_t *value);

#endif
