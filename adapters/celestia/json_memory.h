/* json_memory.h: one block of memory that an answer's parts are cut from.  Private to the json_*.c files.
 *
 * What a text decodes to is smaller than the text, and lists are counted first: so the size is known, and
 * bounded by the text, before anything is allocated. */
#ifndef DSDN_ADAPTERS_CELESTIA_JSON_MEMORY_H
#define DSDN_ADAPTERS_CELESTIA_JSON_MEMORY_H

#include "adapters/celestia/json.h"

#include <stdlib.h>

struct json_memory {
    uint8_t *start, *at;
    size_t left;
};

/* Structures come first, each list aligned; bytes after them. */
#define JSON_LIST_LEN(type, cnt) ((sizeof(type) * (size_t)(cnt) + 15) / 16 * 16)

/* size: of all lists by JSON_LIST_LEN, and of all bytes. */
static inline int json_memory_get(struct json_memory *m, size_t size, struct dsdn_error *error)
{
    m->start = m->at = malloc(size ? size : 1);
    m->left = size;
    if (!m->start) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu bytes of an answer", size);
    return DSDN_OK;
}

static inline void *json_memory_list(struct json_memory *m, size_t len)
{
    void *list = m->at;
    m->at += len;
    m->left -= len;
    return list;
}

/* Base64 of exactly len bytes, or of any number: *out is the bytes in the block. */
static inline bool json_memory_base64_any(struct json_memory *m, struct dsdn_view value,
                                          struct dsdn_view *out)
{
    size_t len;
    if (!dsdn_span_base64_any(value, m->at, m->left, &len)) return false;
    *out = (struct dsdn_view){m->at, len};
    m->at += len;
    m->left -= len;
    return true;
}

static inline bool json_memory_base64(struct json_memory *m, struct dsdn_view value, size_t len,
                                      struct dsdn_view *out)
{
    return json_memory_base64_any(m, value, out) && out->len == len;
}

/* Hex of len bytes, or of none: an empty text, null, a missing member. */
static inline bool json_memory_hex(struct json_memory *m, struct dsdn_view value, size_t most,
                                   struct dsdn_view *out)
{
    struct dsdn_view text = {NULL, 0};
    *out = text;
    if (dsdn_span_none(value)) return true;
    if (!dsdn_span_plain(value, &text) || text.len % 2 || text.len / 2 > most || text.len / 2 > m->left)
        return false;
    if (!text.len) return true;
    if (!dsdn_hex_decode((const char *)text.bytes, text.len / 2, m->at)) return false;
    *out = (struct dsdn_view){m->at, text.len / 2};
    m->at += out->len;
    m->left -= out->len;
    return true;
}

#endif
