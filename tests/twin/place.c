/* place.c: reducers.md, "Replicas": the ring, plans and sources. */
#include "tests/twin/rules.h"

#include <stdlib.h>

enum { WALKED = 1024, NODES = 256 };

uint32_t holder_cnt(struct twin *t, const uint8_t *chunk, uint64_t *live, uint32_t *suspects)
{
    const struct fact_table *replicas = facts_table(&t->facts, "replica");
    uint32_t holders = 0;
    *live = *suspects = 0;
    for (uint32_t i = 0; i < replicas->cnt; i++) {
        if (!same(replicas->rows[i]->key.bytes, chunk)) continue;
        holders += get(replicas->rows[i], "state") != SUSPECT;
        *suspects += get(replicas->rows[i], "state") == SUSPECT;
        *live += get(replicas->rows[i], "state") == LIVE;
    }
    return holders;
}

static bool is_free(struct twin *t, const uint8_t *chunk, const struct fact *node)
{
    return get(node, "on_ring") && get(node, "tls_not_after") > t->now &&
           get(node, "binding_expiry") > t->now &&
           !facts_by_pair(&t->facts, "replica", chunk, node->key.bytes);
}

bool holder_in(struct twin *t, const uint8_t *chunk, const uint8_t *zone)
{
    const struct fact_table *replicas = facts_table(&t->facts, "replica");
    for (uint32_t i = 0; i < replicas->cnt; i++)
        if (same(replicas->rows[i]->key.bytes, chunk) && get(replicas->rows[i], "state") != SUSPECT &&
            same(get_bytes(node_of(t, replicas->rows[i]->key.bytes + 32), "zone"), zone))
            return true;
    return false;
}

struct choice {
    const uint8_t *chunk;
    uint8_t (*nodes)[32];
    uint32_t cnt, want;
};

static bool is_chosen(const struct choice *c, const uint8_t *node)
{
    for (uint32_t i = 0; i < c->cnt; i++)
        if (same(c->nodes[i], node)) return true;
    return false;
}

static bool is_taken(struct twin *t, const struct choice *c, const uint8_t *zone)
{
    for (uint32_t i = 0; i < c->cnt; i++)
        if (same(get_bytes(node_of(t, c->nodes[i]), "zone"), zone)) return true;
    return holder_in(t, c->chunk, zone);
}

static void choose(struct choice *c, const struct fact *node)
{
    memcpy(c->nodes[c->cnt++], node->key.bytes, 32);
}

struct place {
    uint64_t at;
    const struct fact *node;
};

static int place_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return memcmp(x->node->key.bytes, y->node->key.bytes, 32);
}

/* The ring, made anew; returns the number of places. */
static uint32_t ring(struct twin *t, struct place *places)
{
    const struct fact_table *nodes = facts_table(&t->facts, "node");
    uint32_t n = 0;
    for (uint32_t i = 0; i < nodes->cnt && n < 32 * NODES; i++) {
        if (!get(nodes->rows[i], "on_ring")) continue;
        uint8_t text[33], hash[32];
        memcpy(text, nodes->rows[i]->key.bytes, 32);
        for (uint8_t j = 0; j < 8; j++) {
            text[32] = j;
            dsdn_tagged("dsdn/ring/1", text, sizeof text, hash);
            for (unsigned k = 0; k < 4; k++)
                places[n++] = (struct place){dsdn_load64(hash + 8 * k), nodes->rows[i]};
        }
    }
    qsort(places, n, sizeof *places, place_order);
    return n;
}

static void walk(struct twin *t, struct choice *c, bool zones_count)
{
    static struct place places[32 * NODES];
    uint32_t n = ring(t, places), first = 0;
    uint64_t place = dsdn_load64_be(c->chunk);
    while (first < n && places[first].at < place) first++;
    for (uint32_t i = 0; i < n && i < WALKED && c->cnt < c->want; i++) {
        const struct fact *node = places[(first + i) % n].node;
        if (!is_free(t, c->chunk, node) || is_chosen(c, node->key.bytes)) continue;
        if (zones_count && is_taken(t, c, get_bytes(node, "zone"))) continue;
        choose(c, node);
    }
}

/* The node of the first zone that is not taken and has a free one. */
static const struct fact *by_zone(struct twin *t, const struct choice *c)
{
    const struct fact_table *zones = facts_table(&t->facts, "zone"), *nodes = facts_table(&t->facts, "node");
    for (uint32_t z = 0; z < zones->cnt; z++) {
        const uint8_t *name = zones->rows[z]->key.bytes;
        if (get(zones->rows[z], "ring_cnt") == 0 || is_taken(t, c, name)) continue;
        for (uint32_t i = 0; i < nodes->cnt; i++)
            if (same(get_bytes(nodes->rows[i], "zone"), name) && is_free(t, c->chunk, nodes->rows[i]))
                return nodes->rows[i];
    }
    return NULL;
}

uint32_t plan(struct twin *t, const uint8_t chunk[32], uint32_t want, uint8_t chosen[16][32])
{
    struct choice c = {chunk, chosen, 0, want};
    const struct fact *node;
    walk(t, &c, true);
    while (c.cnt < c.want && (node = by_zone(t, &c))) choose(&c, node);
    if (c.cnt < c.want) walk(t, &c, false);
    return c.cnt;
}

uint32_t wanted(struct twin *t, const struct fact *chunk)
{
    uint64_t live, rf = get(object_of(t, get_bytes(chunk, "object")), "rf");
    uint32_t suspects, holders = holder_cnt(t, chunk->key.bytes, &live, &suspects);
    if (rf > HOLDERS) rf = HOLDERS;
    return rf > holders ? (uint32_t)rf - holders : 0;
}

uint32_t twin_planned(struct twin *t, uint64_t now, const uint8_t chunk[32], uint8_t nodes[16][32])
{
    const struct fact *row = chunk_of(t, chunk);
    t->now = now;
    return row ? plan(t, chunk, wanted(t, row), nodes) : 0;
}

bool twin_source(struct twin *t, const uint8_t chunk[32], uint8_t node[32])
{
    return heal_source(t, chunk, node);
}

bool heal_source(struct twin *t, const uint8_t chunk[32], uint8_t node[32])
{
    const struct fact_table *replicas = facts_table(&t->facts, "replica");
    uint8_t lowest[32], hash[32];
    bool found = false;
    for (uint32_t i = 0; i < replicas->cnt; i++) {
        const struct fact *replica = replicas->rows[i];
        if (!same(replica->key.bytes, chunk) || get(replica, "state") != LIVE) continue;
        dsdn_tagged("dsdn/heal/1", replica->key.bytes, 64, hash);
        if (found && memcmp(hash, lowest, 32) >= 0) continue;
        found = true;
        memcpy(lowest, hash, 32);
        memcpy(node, replica->key.bytes + 32, 32);
    }
    return found;
}
