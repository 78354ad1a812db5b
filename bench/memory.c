/* memory.c: what the state of a large network takes: bytes a row of every table, by what they are for.
 *
 *     bench-memory [--nodes N] [--chunks N] [--replicas N]
 *
 * Writes the rows as reducers would leave them (10,000 nodes in 40 zones, 1,000,000 chunks of objects with
 * 100 each, 3 live replicas a chunk where placement plans them, a nonce for every node), without the events
 * that lead there.  Bytes are those a table has asked the system for; what was never touched is not resident.
 */
#include "bench/workload.h"
#include "log/hash.h"
#include "roles/coordinator/placement.h"
#include "roles/dsdn.h"
#include "statemachine/engine.h"
#include "statemachine/ordered.h"
#include "statemachine/ring.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ZONES = 40, CHUNKS_PER_OBJECT = 100, CHUNK_SIZE = 1 << 20, STEP = 4096 };
#define FAR_MS UINT64_MAX

struct network {
    uint32_t nodes, chunks, replicas;
};

static void id_of(const char *what, uint32_t number, uint8_t out[32])
{
    uint8_t bytes[4];
    dsdn_store32(bytes, number);
    dsdn_tagged(what, bytes, sizeof bytes, out);
}

static size_t resident(void)
{
    unsigned long all = 0, here = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%lu %lu", &all, &here) != 2) here = 0;
        fclose(f);
    }
    return here * (size_t)sysconf(_SC_PAGESIZE);
}

static int room(struct dsdn_state *s, uint32_t table, uint32_t rows, struct dsdn_error *error)
{
    return dsdn_table_reserve(&s->tables[table], rows, error);
}

static int put_nodes(struct dsdn_state *s, const struct network *w, struct dsdn_error *error)
{
    int rc = room(s, dsdn_TABLE_zone, ZONES, error);
    if (!rc) rc = room(s, dsdn_TABLE_node, w->nodes, error);
    if (!rc) rc = room(s, dsdn_sys_TABLE_nonce, w->nodes, error);
    for (uint32_t i = 0; !rc && i < ZONES; i++) {
        uint8_t name[32] = {'z', (uint8_t)('0' + i / 10), (uint8_t)('0' + i % 10)};
        dsdn_zone_insert(s, name);
    }
    for (uint32_t i = 0; !rc && i < w->nodes; i++) {
        uint8_t id[32];
        id_of("bench/node", i, id);
        struct dsdn_row_node *n = dsdn_node_edit(s, dsdn_node_insert(s, id));
        n->zone = i % ZONES;
        n->role = DSDN_NODE_ROLE_STORAGE;
        n->status = DSDN_NODE_ACTIVE;
        n->capacity_gb = 1u << 30;
        n->tls_not_after = n->binding_expiry = FAR_MS;
        n->on_ring = 1;
        struct dsdn_row_zone *z = dsdn_zone_edit(s, i % ZONES);
        z->node_cnt++, z->ring_cnt++;
        dsdn_sys_nonce_edit(s, dsdn_sys_nonce_insert(s, id))->highest = 1;
        dsdn_state_settle(s);
    }
    return rc;
}

static void put_replicas(struct dsdn_state *s, const struct network *w, uint32_t chunk)
{
    struct dsdn_placement plan;
    uint32_t cnt = dsdn_placement_plan(s, 0, chunk, w->replicas, &plan);
    for (uint32_t i = 0; i < cnt; i++) {
        uint8_t key[64];
        memcpy(key, dsdn_chunk_at(s, chunk)->chunk, 32);
        memcpy(key + 32, dsdn_node_at(s, plan.node[i])->id, 32);
        struct dsdn_row_replica *r = dsdn_replica_edit(s, dsdn_replica_insert(s, key));
        r->state = DSDN_REPLICA_LIVE;
        r->heal_from = DSDN_NO_ROW;
        struct dsdn_row_chunk *k = dsdn_chunk_edit(s, chunk);
        k->holders[k->holders_cnt++] = plan.node[i];
        k->live_cnt++;
        struct dsdn_row_node *n = dsdn_node_edit(s, plan.node[i]);
        n->replica_cnt++;
        n->used_bytes += CHUNK_SIZE;
    }
}

static void put_chunk(struct dsdn_state *s, uint32_t number, uint32_t object)
{
    uint8_t id[32], slot[36];
    id_of("bench/chunk", number, id);
    uint32_t row = dsdn_chunk_insert(s, id);
    struct dsdn_row_chunk *k = dsdn_chunk_edit(s, row);
    k->object = object;
    k->index = number % CHUNKS_PER_OBJECT;
    k->size = k->leaf_size = CHUNK_SIZE;
    memcpy(slot, dsdn_object_at(s, object)->object, 32);
    dsdn_store32(slot + 32, __builtin_bswap32(k->index));
    dsdn_chunk_slot_edit(s, dsdn_chunk_slot_insert(s, slot))->chunk = row;
}

static int put_chunks(struct dsdn_state *s, const struct network *w, struct dsdn_error *error)
{
    int rc = DSDN_OK;
    for (uint32_t number = 0; !rc && number < w->chunks; number++) {
        uint8_t id[32];
        if (number % STEP == 0) { /* as batches do: room for what is next, indexes when it is there */
            rc = room(s, dsdn_TABLE_object, STEP / CHUNKS_PER_OBJECT + 1, error);
            if (!rc) rc = room(s, dsdn_TABLE_chunk, STEP, error);
            if (!rc) rc = room(s, dsdn_TABLE_chunk_slot, STEP, error);
            if (!rc) rc = room(s, dsdn_TABLE_replica, STEP * w->replicas, error);
            if (rc) break;
        }
        if (number % CHUNKS_PER_OBJECT == 0) {
            id_of("bench/object", number / CHUNKS_PER_OBJECT, id);
            dsdn_object_edit(s, dsdn_object_insert(s, id))->rf = (uint8_t)w->replicas;
        }
        put_chunk(s, number, number / CHUNKS_PER_OBJECT);
        put_replicas(s, w, number);
        if (number % STEP == STEP - 1) dsdn_state_settle(s);
    }
    dsdn_state_settle(s);
    return rc;
}

static void print_tables(const struct dsdn_state *s)
{
    size_t sum = 0;
    printf("%-12s%10s%8s%8s%8s%8s%8s%10s%10s\n", "table", "rows", "row", "slots", "indexes", "ring", "other",
           "a row", "MB");
    for (uint32_t i = 0; i < s->table_cnt; i++) {
        const struct dsdn_table *t = &s->tables[i];
        if (t->live_cnt < 1000) continue;
        double rows = t->live_cnt;
        size_t all = 0, index = 0, ring = t->ring ? dsdn_ring_memory(t->ring) : 0;
        for (uint32_t k = 0; k < DSDN_TABLE_PAGES; k++) all += t->pages[k].len;
        for (uint32_t k = 0; k < DSDN_INDEX_MAX && t->index[k]; k++)
            index += dsdn_ordered_memory(t->index[k]);
        size_t slots = t->pages[DSDN_PAGES_SLOTS].len, row = t->pages[DSDN_PAGES_ROWS].len;
        printf("%-12s%10u%8u%8.1f%8.1f%8.1f%8.1f%10.1f%10.1f\n", t->desc->name, t->live_cnt, t->row_size,
               (double)slots / rows, (double)index / rows, (double)ring / rows,
               (double)(all - slots - row) / rows, (double)(all + index + ring) / rows,
               (double)(all + index + ring) / 1e6);
        sum += all + index + ring;
    }
    printf("%-82s%10.1f\n", "sum", (double)sum / 1e6);
}

static int measure(const struct network *w, struct dsdn_error *error)
{
    struct dsdn_engine *e = NULL;
    struct dsdn_roots roots;
    size_t before = resident();
    int rc = dsdn_engine_new(&dsdn_catalogue, NULL, &e, error);
    if (rc) return rc;
    struct dsdn_state *s = dsdn_engine_state_for_restore(e);
    double start = workload_now();
    rc = put_nodes(s, w, error);
    if (!rc) rc = put_chunks(s, w, error);
    if (!rc) {
        double built = workload_now() - start;
        size_t now = resident();
        print_tables(s);
        printf("\nresident %.1f MB, built in %.2f s\n", (double)(now - before) / 1e6, built);
        start = workload_now();
        rc = dsdn_engine_root(e, 2, &roots, error);
        printf("with all trees of roots %.1f MB, after %.2f s on 2 threads\n",
               (double)(resident() - before) / 1e6, workload_now() - start);
    }
    dsdn_engine_free(e);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"nodes", required_argument, NULL, 'n'},
                                            {"chunks", required_argument, NULL, 'c'},
                                            {"replicas", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    struct network w = {.nodes = 10000, .chunks = 1000000, .replicas = 3};
    struct dsdn_error error = DSDN_ERROR_INIT;
    bool known = true;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) switch (option) {
        case 'n': w.nodes = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'c': w.chunks = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'r': w.replicas = (uint32_t)strtoul(optarg, NULL, 10); break;
        default: known = false;
        }
    if (!known || optind != argc || !w.nodes || !w.chunks || !w.replicas || w.replicas > DSDN_PLACEMENT_MAX) {
        fprintf(stderr, "usage: bench-memory [--nodes N] [--chunks N] [--replicas 1..16]\n");
        return 1;
    }
    int rc = measure(&w, &error);
    if (!rc) return 0;
    char text[1024];
    dsdn_error_format(&error, text, sizeof text);
    fprintf(stderr, "bench-memory: %s\n", text);
    return dsdn_error_exit(rc);
}
