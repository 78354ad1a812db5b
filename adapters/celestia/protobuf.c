#include "adapters/celestia/protobuf.h"

static void put(struct dsdn_proto *p, const void *bytes, size_t len)
{
    if (len > p->cap - p->len) {
        p->overflow = true;
        return;
    }
    if (len) memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
}

void dsdn_proto_varint(struct dsdn_proto *p, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    put(p, bytes, len);
}

uint32_t dsdn_proto_varint_len(uint64_t value)
{
    uint32_t len = 1;
    while (value >>= 7) len++;
    return len;
}

static void tag(struct dsdn_proto *p, uint32_t field, enum dsdn_proto_wire wire)
{
    dsdn_proto_varint(p, field << 3 | (uint32_t)wire);
}

void dsdn_proto_uint(struct dsdn_proto *p, uint32_t field, uint64_t value)
{
    if (!value) return;
    tag(p, field, DSDN_PROTO_VARINT);
    dsdn_proto_varint(p, value);
}

void dsdn_proto_fixed(struct dsdn_proto *p, uint32_t field, int64_t value)
{
    if (!value) return;
    tag(p, field, DSDN_PROTO_FIXED64);
    put(p, &value, sizeof value);
}

void dsdn_proto_message(struct dsdn_proto *p, uint32_t field, const void *bytes, size_t len)
{
    tag(p, field, DSDN_PROTO_BYTES);
    dsdn_proto_varint(p, len);
    put(p, bytes, len);
}

void dsdn_proto_bytes(struct dsdn_proto *p, uint32_t field, const void *bytes, size_t len)
{
    if (len) dsdn_proto_message(p, field, bytes, len);
}

static void skip_bytes(struct dsdn_view *rest, size_t len)
{
    rest->bytes += len;
    rest->len -= len;
}

bool dsdn_proto_take_varint(struct dsdn_view *rest, uint64_t *value)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 10 && i < rest->len; i++) {
        uint8_t b = rest->bytes[i];
        if (i == 9 && b > 1) return false;
        sum |= (uint64_t)(b & 0x7f) << 7 * i;
        if (b < 0x80) {
            skip_bytes(rest, i + 1);
            *value = sum;
            return true;
        }
    }
    return false;
}

int dsdn_proto_next(struct dsdn_view *rest, struct dsdn_proto_field *field)
{
    uint64_t key, value = 0;
    size_t fixed = 0;
    if (!rest->len) return 0;
    if (!dsdn_proto_take_varint(rest, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff) return -1;
    *field =
        (struct dsdn_proto_field){.number = (uint32_t)(key >> 3), .wire = (enum dsdn_proto_wire)(key & 7)};
    switch (field->wire) {
    case DSDN_PROTO_VARINT:
        if (!dsdn_proto_take_varint(rest, &field->value)) return -1;
        return 1;
    case DSDN_PROTO_BYTES:
        if (!dsdn_proto_take_varint(rest, &value) || value > rest->len) return -1;
        field->bytes = (struct dsdn_view){rest->bytes, (size_t)value};
        skip_bytes(rest, (size_t)value);
        return 1;
    case DSDN_PROTO_FIXED64: fixed = 8; break;
    case DSDN_PROTO_FIXED32: fixed = 4; break;
    default: return -1; /* groups are no part of proto3 */
    }
    if (rest->len < fixed) return -1;
    memcpy(&field->value, rest->bytes, fixed);
    skip_bytes(rest, fixed);
    return 1;
}
