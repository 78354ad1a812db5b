#include "statemachine/ring.h"

#include "log/hash.h"
#include "statemachine/ring_internal.h"

enum { PLACES_OF_HASH = 4 };

/* Places 4j to 4j + 3 of a row, as one hash. */
static void places(const struct dsdn_table *t, uint32_t row, uint32_t j, uint8_t hash[32])
{
    static const char tag[] = "\x0b"
                              "dsdn/ring/1";
    uint8_t message[sizeof tag + DSDN_KEY_MAX], *at = message;
    memcpy(at, tag, sizeof tag - 1);
    at += sizeof tag - 1;
    memcpy(at, dsdn_row_at(t, row, t->row_size), t->desc->key_len);
    at += t->desc->key_len;
    *at++ = (uint8_t)j;
    dsdn_sha256(message, (size_t)(at - message), hash);
}

/* The key of place i of a row, from the hash that holds it. */
static void key_make(const struct dsdn_table *t, uint32_t row, uint32_t i, const uint8_t hash[32],
                     uint8_t *out)
{
    uint32_t len = t->desc->key_len;
    dsdn_store64_be(out, dsdn_load64(hash + 8 * (i % PLACES_OF_HASH)));
    memcpy(out + 8, dsdn_row_at(t, row, t->row_size), len);
    out[8 + len] = (uint8_t)i;
}

uint32_t dsdn_ring_key_len(const struct dsdn_table *t)
{
    return 8 + t->desc->key_len + 1;
}

void dsdn_ring_key(const struct dsdn_table *t, uint32_t number, uint8_t *out)
{
    uint8_t hash[32];
    uint32_t row = number / t->ring_points, i = number % t->ring_points;
    places(t, row, i / PLACES_OF_HASH, hash);
    key_make(t, row, i, hash, out);
}

static void key_of(const void *context, uint32_t number, uint8_t *out)
{
    dsdn_ring_key(context, number, out);
}

struct dsdn_ordered *dsdn_ring_new(const struct dsdn_table *t)
{
    return dsdn_ordered_new(dsdn_ring_key_len(t), key_of, t);
}

int dsdn_ring_reserve(const struct dsdn_table *t, uint32_t rows, struct dsdn_error *error)
{
    if (rows > UINT32_MAX / t->ring_points)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "the ring of table %s is full: %u rows", t->desc->name,
                         rows);
    uint32_t all = rows * t->ring_points, cnt = dsdn_ordered_count(t->ring);
    return dsdn_ordered_reserve(t->ring, all > cnt ? all - cnt : 0, error);
}

/* Puts all places of a row in, or takes them out. */
static void change(struct dsdn_table *t, uint32_t row,
                   void (*one)(struct dsdn_ordered *, uint32_t, const uint8_t *))
{
    enum { GROUP = 32 };
    uint8_t hash[32], keys[GROUP][8 + DSDN_KEY_MAX + 1];
    for (uint32_t from = 0; from < t->ring_points; from += GROUP) {
        uint32_t cnt = t->ring_points - from < GROUP ? t->ring_points - from : GROUP;
        for (uint32_t i = 0; i < cnt; i++) {
            if (i % PLACES_OF_HASH == 0) places(t, row, (from + i) / PLACES_OF_HASH, hash);
            key_make(t, row, from + i, hash, keys[i]);
        }
        dsdn_ordered_warm(t->ring, keys[0], sizeof keys[0], cnt);
        for (uint32_t i = 0; i < cnt; i++) one(t->ring, row * t->ring_points + from + i, keys[i]);
    }
    t->on_ring[row / 64] ^= (uint64_t)1 << row % 64;
}

static bool on_ring(const struct dsdn_table *t, uint32_t row)
{
    return t->on_ring[row / 64] >> row % 64 & 1;
}

void dsdn_ring_leave(struct dsdn_table *t, uint32_t row)
{
    if (on_ring(t, row)) change(t, row, dsdn_ordered_remove_key);
}

void dsdn_ring_settle(struct dsdn_table *t, uint32_t row)
{
    bool wants = dsdn_ring_wants(t, row);
    if (wants != on_ring(t, row)) change(t, row, wants ? dsdn_ordered_insert_key : dsdn_ordered_remove_key);
}

/* ---- walking ---- */

static void seek(struct dsdn_ring_walk *w, uint64_t place)
{
    uint8_t key[8];
    dsdn_store64_be(key, place);
    dsdn_ordered_seek(w->table->ring, key, sizeof key, &w->leaf, &w->slot);
}

void dsdn_ring_begin(struct dsdn_ring_walk *w, const struct dsdn_table *t, uint64_t place)
{
    w->table = t;
    w->left = dsdn_ordered_count(t->ring);
    seek(w, place);
}

uint32_t dsdn_ring_next(struct dsdn_ring_walk *w)
{
    if (!w->left) return DSDN_NO_ROW;
    w->left--;
    uint32_t number = dsdn_ordered_at(w->table->ring, &w->leaf, &w->slot);
    if (number == DSDN_NO_ROW) { /* past the highest place */
        seek(w, 0);
        number = dsdn_ordered_at(w->table->ring, &w->leaf, &w->slot);
    }
    return number / w->table->ring_points;
}

uint32_t dsdn_ring_places(const struct dsdn_table *t)
{
    return dsdn_ordered_count(t->ring);
}
