#include "log/event.h"

#include <strings.h>

int dsdn_event_named(const struct dsdn_event_table *t, const char *name)
{
    for (uint32_t i = 0; i < t->event_cnt; i++)
        if (!strcasecmp(t->events[i].name, name) || !strcasecmp(t->events[i].id, name)) return (int)i;
    return -1;
}

bool dsdn_text_valid(const uint8_t *bytes, size_t len)
{
    return !len || (!memchr(bytes, 0, len) && dsdn_utf8_valid(bytes, len)); /* an empty view may be NULL */
}

int dsdn_event_decode(const struct dsdn_event_desc *desc, uint8_t version, const uint8_t *payload,
                      uint32_t len, void *event, struct dsdn_error *error)
{
    if (version == 0 || version > desc->version)
        return dsdn_fail(error, DSDN_E_MALFORMED, "%s has no version %u", desc->name, version);
    if (!desc->decode(payload, payload + len, version, event))
        return dsdn_fail(error, DSDN_E_MALFORMED, "the payload of %s v%u (%u bytes) is not canonical",
                         desc->name, version, len);
    return DSDN_OK;
}

/* How each kind is written: a fixed number of bytes straight from the struct, or by hand below. */
static const uint8_t fixed_width[DSDN_KIND_CNT] = {
    [DSDN_K_u8] = 1,   [DSDN_K_u16] = 2,    [DSDN_K_u32] = 4,    [DSDN_K_u64] = 8,
    [DSDN_K_i32] = 4,  [DSDN_K_i64] = 8,    [DSDN_K_fx] = 8,     [DSDN_K_bps] = 2,
    [DSDN_K_time] = 8, [DSDN_K_height] = 8, [DSDN_K_choice] = 1,
};
static const uint8_t pointer_width[DSDN_KIND_CNT] = {
    [DSDN_K_id] = 32, [DSDN_K_hash] = 32,   [DSDN_K_addr] = 32,     [DSDN_K_sig] = 64,
    [DSDN_K_ns] = 29, [DSDN_K_opt_id] = 32, [DSDN_K_opt_hash] = 32, [DSDN_K_opt_sig] = 64,
};

static uint8_t *put(uint8_t *out, const uint8_t *end, const void *bytes, size_t len)
{
    if (!out || (size_t)(end - out) < len) return NULL;
    if (len) memcpy(out, bytes, len);
    return out + len;
}

static uint8_t *put_count(uint8_t *out, const uint8_t *end, uint32_t count)
{
    if (!out || (size_t)(end - out) < dsdn_varint_len(count)) return NULL;
    return dsdn_varint_put(out, count);
}

/* The items of a list must decode one by one to its very length: nothing that would not decode is ever
 * encoded. */
static bool items_valid(const struct dsdn_field *f, const struct dsdn_list *list)
{
    if (!list->count) return list->len == 0; /* items may be NULL */
    const uint8_t *p = list->items, *end = p + list->len;
    _Alignas(16) uint8_t item[DSDN_EVENT_STRUCT_MAX];
    if (f->kind != DSDN_K_list) {
        if (list->len != list->count * 32) return false;
        for (uint32_t i = 1; f->kind == DSDN_K_set_id && i < list->count; i++)
            if (memcmp(p + 32 * (i - 1), p + 32 * i, 32) >= 0) return false;
        return true;
    }
    for (uint32_t i = 0; i < list->count; i++)
        if (!(p = f->record->decode(p, end, item))) return false;
    return p == end;
}

static uint8_t *put_field(const struct dsdn_field *f, const void *value, uint8_t *out, const uint8_t *end)
{
    if (fixed_width[f->kind]) {
        if (f->kind == DSDN_K_bps && dsdn_load16(value) > 10000) return NULL;
        if (f->kind == DSDN_K_choice && *(const uint8_t *)value > f->max) return NULL;
        return put(out, end, value, fixed_width[f->kind]);
    }
    if (pointer_width[f->kind]) {
        const uint8_t *p;
        memcpy(&p, value, sizeof p);
        if (f->kind >= DSDN_K_opt_id)
            out = put(out, end, p ? "\1" : "\0", 1);
        else if (!p)
            return NULL;
        return p ? put(out, end, p, pointer_width[f->kind]) : out;
    }
    switch (f->kind) {
    case DSDN_K_amt: {
        const struct dsdn_amount *amount = value;
        out = put(out, end, &amount->asset, 1);
        return put(out, end, &amount->units, 8);
    }
    case DSDN_K_str:
    case DSDN_K_bytes: {
        const struct dsdn_view *v = value;
        if (v->len > f->max || (f->kind == DSDN_K_str && !dsdn_text_valid(v->bytes, v->len))) return NULL;
        out = put_count(out, end, (uint32_t)v->len);
        return put(out, end, v->bytes, v->len);
    }
    case DSDN_K_opt_u8: {
        int16_t v;
        memcpy(&v, value, sizeof v);
        if (v > (int32_t)f->max || v > 255) return NULL;
        uint8_t bytes[2] = {v >= 0, (uint8_t)v};
        return put(out, end, bytes, v >= 0 ? 2 : 1);
    }
    default: { /* set_id, list_hash, list */
        const struct dsdn_list *list = value;
        if (list->count > f->max || !items_valid(f, list)) return NULL;
        out = put_count(out, end, list->count);
        return put(out, end, list->items, list->len);
    }
    }
}

uint8_t *dsdn_fields_encode(const struct dsdn_field *fields, uint8_t version, const void *from, uint8_t *out,
                            const uint8_t *end, const char **bad)
{
    for (const struct dsdn_field *f = fields; f->name; f++) {
        if (f->since > version) continue;
        out = put_field(f, (const uint8_t *)from + f->offset, out, end);
        if (!out) {
            *bad = f->name;
            return NULL;
        }
    }
    return out;
}

int dsdn_event_encode(const struct dsdn_event_desc *desc, uint8_t version, const void *event, uint8_t *out,
                      size_t cap, uint32_t *len, struct dsdn_error *error)
{
    const char *bad = NULL;
    uint8_t *end = dsdn_fields_encode(desc->fields(), version, event, out, out + cap, &bad);
    if (!end)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "field %s of %s is out of bounds or does not fit %zu bytes",
                         bad, desc->name, cap);
    *len = (uint32_t)(end - out);
    return DSDN_OK;
}
