#include "roles/neutral/neutral.h"

#include "log/hash.h"

#include <stdlib.h>

/* Rows are encoded into a buffer and hashed from there: one update per some hundred rows instead of ten per
 * row. */
struct out {
    struct dsdn_sha256 sum;
    size_t len;
    uint8_t bytes[16384];
};

static void put(struct out *o, const void *bytes, size_t len)
{
    if (o->len + len > sizeof o->bytes) {
        dsdn_sha256_update(&o->sum, o->bytes, o->len);
        o->len = 0;
    }
    memcpy(o->bytes + o->len, bytes, len);
    o->len += len;
}

static void put_node(struct out *o, const struct neutral_row_node *n)
{
    uint16_t len = n->address_len;
    put(o, n->id, 32);
    put(o, &n->capacity, 8);
    put(o, &n->zone, 4);
    put(o, &n->stake, 8);
    put(o, &n->registered, 8);
    put(o, &len, 2);
    put(o, n->address, len);
}

static void put_chunk(struct out *o, const struct dsdn_state *s, const struct neutral_row_chunk *c)
{
    uint8_t status[3] = {c->rf, c->policy, c->deleted}, refs[1 + 10 * 32];
    uint16_t cnt = c->replicas_cnt;
    put(o, c->id, 32);
    put(o, c->uploader, 32);
    put(o, &c->size, 8);
    put(o, status, 3);
    put(o, &c->declared, 8);
    put(o, &cnt, 2);
    dsdn_state_put_refs(s, neutral_TABLE_node, c->replicas, cnt, NULL, refs);
    put(o, refs + 1, 32u * cnt);
}

int neutral_digest(const struct dsdn_state *s, uint8_t out[32], struct dsdn_error *error)
{
    const struct dsdn_table *nodes = &s->tables[neutral_TABLE_node],
                            *chunks = &s->tables[neutral_TABLE_chunk];
    uint32_t *node_rows = NULL, *chunk_rows = NULL;
    struct out o = {.len = 0};
    int rc = dsdn_table_sorted(nodes, &node_rows, error);
    if (!rc) rc = dsdn_table_sorted(chunks, &chunk_rows, error);
    if (!rc) {
        uint64_t counts[2] = {nodes->live_cnt, chunks->live_cnt};
        dsdn_sha256_init(&o.sum);
        put(&o, "DSDN-BENCH-STATE-1\n", 19);
        put(&o, counts, 16);
        for (uint32_t i = 0; i < nodes->live_cnt; i++) put_node(&o, neutral_node_at(s, node_rows[i]));
        for (uint32_t i = 0; i < chunks->live_cnt; i++) put_chunk(&o, s, neutral_chunk_at(s, chunk_rows[i]));
        dsdn_sha256_update(&o.sum, o.bytes, o.len);
        dsdn_sha256_final(&o.sum, out);
    }
    free(node_rows);
    free(chunk_rows);
    return rc;
}
