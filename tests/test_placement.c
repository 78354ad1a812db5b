/* Placement and healing: against a model that is docs/formats/reducers.md, "Ring", "Plan" and "Source",
 * word by word; and what a network expects of them: distinct zones, few moves, an even load, the same plan
 * everywhere. */
#include "tests/placement_world.h"

#include "roles/coordinator/placement.h"
#include "roles/coordinator/queries.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* ---- the model ---- */

struct place {
    uint64_t at;
    const struct spot *spot;
};

struct model {
    const struct spot *spots;
    uint32_t spot_cnt;
    struct place *ring;
    uint32_t place_cnt;
};

/* H(tag, a || b) by OpenSSL alone; a is 32 bytes. */
static void model_hash(const char *tag, const uint8_t *a, const uint8_t *b, size_t b_len, uint8_t out[32])
{
    uint8_t message[128] = {(uint8_t)strlen(tag)};
    size_t len = 1 + message[0];
    memcpy(message + 1, tag, message[0]);
    memcpy(message + len, a, 32);
    memcpy(message + len + 32, b, b_len);
    assert_int_equal(EVP_Digest(message, len + 32 + b_len, out, NULL, EVP_sha256(), NULL), 1);
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return memcmp(x->spot->id, y->spot->id, 32);
}

static struct model model_of(const struct spot *spots, uint32_t cnt)
{
    struct model m = {spots, cnt, calloc((size_t)cnt * 32 + 1, sizeof *m.ring), 0};
    for (uint32_t i = 0; i < cnt; i++)
        for (uint8_t j = 0; j < 8 && spots[i].on_ring; j++) {
            uint8_t hash[32];
            model_hash("dsdn/ring/1", spots[i].id, &j, 1, hash);
            for (unsigned k = 0; k < 4; k++) {
                uint64_t at = 0;
                for (unsigned b = 8; b--;) at = at << 8 | hash[8 * k + b];
                m.ring[m.place_cnt++] = (struct place){at, &spots[i]};
            }
        }
    qsort(m.ring, m.place_cnt, sizeof *m.ring, by_place);
    return m;
}

/* What a chunk has: for every spot 0 nothing, 1 a holder, 2 a suspect. */
struct picked {
    const struct spot *spot[16];
    uint8_t rule[16]; /* step of the rules that chose it: enum dsdn_placement_rule has their numbers */
    uint32_t cnt;
};

static bool model_free(const struct model *m, const uint8_t *has, const struct spot *spot)
{
    return spot->on_ring && spot->tls > NOW && spot->binding > NOW && !has[spot - m->spots];
}

static bool model_chosen(const struct picked *p, const struct spot *spot)
{
    for (uint32_t i = 0; i < p->cnt; i++)
        if (p->spot[i] == spot) return true;
    return false;
}

static bool model_taken(const struct model *m, const uint8_t *has, const struct picked *p, const char *zone)
{
    for (uint32_t i = 0; i < m->spot_cnt; i++)
        if ((has[i] == 1 || model_chosen(p, &m->spots[i])) && strcmp(m->spots[i].zone, zone) == 0)
            return true;
    return false;
}

static void model_choose(struct picked *p, const struct spot *spot, uint8_t rule)
{
    p->rule[p->cnt] = rule;
    p->spot[p->cnt++] = spot;
}

static void model_walk(const struct model *m, const uint8_t hash[32], const uint8_t *has, uint32_t want,
                       bool zones, struct picked *p)
{
    uint64_t place = 0;
    uint32_t first = 0;
    for (int i = 0; i < 8; i++) place = place << 8 | hash[i];
    while (first < m->place_cnt && m->ring[first].at < place) first++;
    for (uint32_t i = 0; i < m->place_cnt && i < 1024 && p->cnt < want; i++) {
        const struct spot *spot = m->ring[(first + i) % m->place_cnt].spot;
        if (!model_free(m, has, spot) || model_chosen(p, spot)) continue;
        if (!zones || !model_taken(m, has, p, spot->zone)) model_choose(p, spot, zones ? 1 : 3);
    }
}

static struct picked model_plan(const struct model *m, const uint8_t hash[32], const uint8_t *has,
                                uint32_t want)
{
    struct picked p = {.cnt = 0};
    model_walk(m, hash, has, want, true, &p);
    while (p.cnt < want) {
        const struct spot *best = NULL; /* lowest (zone name, id) of all that are free in zones not taken */
        for (uint32_t i = 0; i < m->spot_cnt; i++) {
            const struct spot *spot = &m->spots[i];
            if (!model_free(m, has, spot) || model_taken(m, has, &p, spot->zone)) continue;
            int order = best ? strcmp(spot->zone, best->zone) : -1;
            if (order < 0 || (order == 0 && memcmp(spot->id, best->id, 32) < 0)) best = spot;
        }
        if (!best) break;
        model_choose(&p, best, 2);
    }
    model_walk(m, hash, has, want, false, &p);
    return p;
}

/* ---- random worlds ---- */

static uint32_t below(uint64_t *seed, uint32_t n)
{
    return (uint32_t)(test_random(seed) >> 11) % n;
}

struct world {
    struct dsdn_state state;
    struct spot *spots;
    uint32_t *rows; /* of each spot */
    uint32_t cnt;
};

static void world_fill(struct world *w, const struct spot *spots, uint32_t cnt, uint64_t seed)
{
    world_begin(&w->state, seed);
    w->spots = malloc(cnt * sizeof *spots);
    w->rows = malloc(cnt * sizeof *w->rows);
    w->cnt = cnt;
    memcpy(w->spots, spots, cnt * sizeof *spots);
    for (uint32_t i = 0; i < cnt; i++) w->rows[i] = world_node(&w->state, &spots[i]);
}

static void world_end(struct world *w)
{
    dsdn_state_free(&w->state);
    free(w->spots);
    free(w->rows);
}

static uint32_t rules_met; /* bit per enum dsdn_placement_rule */

static void compare(const struct world *w, const struct dsdn_placement *got, const struct picked *want)
{
    assert_int_equal(got->cnt, want->cnt);
    for (uint32_t i = 0; i < got->cnt; i++) {
        assert_memory_equal(dsdn_node_at(&w->state, got->node[i])->id, want->spot[i]->id, 32);
        assert_int_equal(got->rule[i], want->rule[i]);
        rules_met |= 1u << got->rule[i];
    }
}

/* One chunk with random replicas: every want, and every node's membership. */
static void check_chunk(struct world *w, const struct model *m, uint64_t number, uint64_t *seed,
                        bool thorough)
{
    uint8_t hash[32], object[32], *has = calloc(w->cnt, 1);
    struct dsdn_placement got;
    id_of(number + 1000000, hash);
    id_of(number + 2000000, object);
    uint8_t rf = (uint8_t)(1 + below(seed, 16)), holders = 0;
    for (uint32_t want = 0; want <= 16; want += thorough ? 1 : 4) {
        struct picked p = model_plan(m, hash, has, want);
        assert_int_equal(dsdn_placement_of(&w->state, NOW, hash, want, &got), p.cnt);
        compare(w, &got, &p);
    }
    uint32_t chunk = world_chunk(&w->state, object, hash, rf);
    for (uint32_t i = below(seed, 5); i--;) {
        uint32_t at = below(seed, w->cnt);
        if (has[at] || holders >= 16) continue;
        has[at] = (uint8_t)(1 + (below(seed, 4) == 0));
        holders = (uint8_t)(holders + (has[at] == 1));
        world_replica(&w->state, chunk, w->rows[at],
                      has[at] == 2 ? DSDN_REPLICA_SUSPECT : (uint8_t)below(seed, 2));
    }
    uint32_t want = rf > holders ? (uint32_t)(rf - holders) : 0;
    struct picked p = model_plan(m, hash, has, want);
    assert_int_equal(dsdn_placement_want(&w->state, chunk), want);
    dsdn_placement_plan(&w->state, NOW, chunk, want, &got);
    compare(w, &got, &p);
    struct dsdn_context c = {.state = &w->state, .time_ms = NOW};
    for (uint32_t i = 0; i < (thorough ? w->cnt : p.cnt); i++) {
        uint32_t at = thorough ? i : (uint32_t)(p.spot[i] - w->spots);
        /* A zone that has the chunk gets it once more only when no other zone can take it. */
        struct picked nothing = {.cnt = 0};
        bool again = model_taken(m, has, &nothing, m->spots[at].zone);
        bool elsewhere = p.cnt && p.rule[0] != DSDN_PLACEMENT_AGAIN;
        assert_int_equal(dsdn_placement_has(&c, chunk, w->rows[at]),
                         model_chosen(&p, &m->spots[at]) && !(again && elsewhere));
    }
    free(has);
}

static void test_model(void **state)
{
    (void)state;
    uint64_t seed = 3;
    struct spot spots[60];
    for (unsigned round = 0; round < 100; round++) {
        uint32_t cnt = 1 + below(&seed, 60), zones = 1 + below(&seed, 9);
        for (uint32_t i = 0; i < cnt; i++) {
            uint32_t zone = below(&seed, zones);
            spots[i] = spot_of(round * 100 + i, below(&seed, 2) ? zone : zone / 3); /* skewed */
            spots[i].on_ring = below(&seed, 5) != 0;
            if (below(&seed, 6) == 0) spots[i].tls = NOW; /* expired: both sides of the number */
            if (below(&seed, 6) == 0) spots[i].binding = NOW;
        }
        struct world w;
        world_fill(&w, spots, cnt, round);
        struct model m = model_of(w.spots, cnt);
        for (uint32_t i = 0; i < 10; i++) check_chunk(&w, &m, round * 10 + i, &seed, true);
        free(m.ring);
        world_end(&w);
    }
    assert_int_equal(rules_met, 1u << DSDN_PLACEMENT_RING | 1u << DSDN_PLACEMENT_AGAIN);
}

/* Walks that end at 1024 places: one zone has nearly all nodes, others one each, or only expired ones. */
static void test_skewed(void **state)
{
    (void)state;
    enum { CNT = 2000 };
    struct spot *spots = calloc(CNT, sizeof *spots);
    uint64_t seed = 4;
    rules_met = 0;
    for (unsigned lonely = 0; lonely < 5;
         lonely++) { /* zones of two nodes; in the last round all else expired */
        for (uint32_t i = 0; i < CNT; i++) {
            spots[i] = spot_of(500000 + i, 50);
            if (lonely == 4 && i >= 3) spots[i].tls = NOW;
        }
        for (uint32_t i = 0; i < 2 * lonely; i++)
            snprintf(spots[i * 7].zone, sizeof spots[0].zone, "zone-%u", 40 + i / 2 * 5);
        struct world w;
        world_fill(&w, spots, CNT, lonely);
        struct model m = model_of(w.spots, CNT);
        for (uint32_t i = 0; i < 2; i++) check_chunk(&w, &m, 90000 + lonely * 10 + i, &seed, false);
        free(m.ring);
        world_end(&w);
    }
    assert_int_equal(rules_met,
                     1u << DSDN_PLACEMENT_RING | 1u << DSDN_PLACEMENT_ZONE | 1u << DSDN_PLACEMENT_AGAIN);
    free(spots);
}

/* The 1024th place of a walk counts, the next one does not.  One node of 2000 has papers; hashes are made
 * whose walk meets it there for the first time. */
static void test_length(void **state)
{
    (void)state;
    enum { CNT = 2000 };
    struct spot *spots = calloc(CNT, sizeof *spots);
    struct world w;
    uint8_t object[32];
    uint32_t tried = 0;
    for (uint32_t i = 0; i < CNT; i++) {
        spots[i] = spot_of(600000 + i, 1);
        if (i) spots[i].tls = NOW;
    }
    world_fill(&w, spots, CNT, 1);
    struct model m = model_of(w.spots, CNT);
    id_of(3000000, object);
    for (uint32_t at = 1024, since = 0; at < m.place_cnt; at++, since++) {
        if (m.ring[at].spot != &w.spots[0]) continue;
        bool alone = since > 1024;
        since = 0;
        for (uint32_t back = 1023; alone && back <= 1024; back++) {
            uint8_t hash[32] = {0};
            struct dsdn_placement p;
            dsdn_store64_be(hash, m.ring[at - back].at);
            assert_int_equal(dsdn_placement_of(&w.state, NOW, hash, 2, &p), 1);
            assert_int_equal(p.node[0], w.rows[0]);
            assert_int_equal(p.rule[0], back == 1023 ? DSDN_PLACEMENT_RING : DSDN_PLACEMENT_ZONE);
            uint32_t chunk = world_chunk(&w.state, object, hash, 2);
            world_replica(&w.state, chunk, w.rows[1], DSDN_REPLICA_LIVE); /* takes the zone */
            assert_int_equal(dsdn_placement_plan(&w.state, NOW, chunk, 1, &p), back == 1023);
            if (p.cnt) assert_int_equal(p.rule[0], DSDN_PLACEMENT_AGAIN);
            tried++;
        }
    }
    assert_true(tried > 10);
    free(m.ring);
    free(spots);
    world_end(&w);
}

/* ---- what a network expects ---- */

static void hash_of(uint32_t number, uint8_t out[32])
{
    id_of(7000000u + number, out);
}

static void test_zones(void **state)
{
    (void)state;
    static const unsigned zone[5] = {0, 0, 1, 1, 2};
    struct spot spots[5];
    struct world w;
    for (uint32_t i = 0; i < 5; i++) spots[i] = spot_of(i, zone[i]);
    world_fill(&w, spots, 5, 9);
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t hash[32];
        uint32_t seen = 0;
        struct dsdn_placement p;
        hash_of(i, hash);
        assert_int_equal(dsdn_placement_of(&w.state, NOW, hash, 3, &p), 3);
        for (uint32_t j = 0; j < 3; j++) seen |= 1u << dsdn_node_at(&w.state, p.node[j])->zone;
        assert_int_equal(__builtin_popcount(seen), 3);
        assert_int_equal(dsdn_placement_of(&w.state, NOW, hash, 16, &p), 5); /* all there are */
    }
    world_end(&w);
}

static bool planned(const struct dsdn_placement *p, uint32_t node)
{
    for (uint32_t i = 0; i < p->cnt; i++)
        if (p->node[i] == node) return true;
    return false;
}

/* A node that joins takes replicas over, and nothing moves between others. */
static void test_moves(void **state)
{
    (void)state;
    enum { KEYS = 10000, RF = 3 };
    static const struct {
        uint32_t nodes, zones;
    } cases[] = {{5, 3}, {5, 5}, {10, 3}, {10, 10}, {100, 16}, {1000, 16}};
    struct dsdn_placement *before = calloc(KEYS, sizeof *before);
    for (unsigned n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        uint32_t cnt = cases[n].nodes, moved = 0;
        struct spot *spots = calloc(cnt + 1, sizeof *spots);
        struct world w;
        for (uint32_t i = 0; i <= cnt; i++) spots[i] = spot_of(n * 10000 + i, i % cases[n].zones);
        world_fill(&w, spots, cnt, n);
        for (uint32_t i = 0; i < KEYS; i++) {
            uint8_t hash[32];
            hash_of(i, hash);
            assert_int_equal(dsdn_placement_of(&w.state, NOW, hash, RF, &before[i]), RF);
        }
        uint32_t fresh = world_node(&w.state, &spots[cnt]);
        for (uint32_t i = 0; i < KEYS; i++) {
            uint8_t hash[32];
            struct dsdn_placement after;
            hash_of(i, hash);
            assert_int_equal(dsdn_placement_of(&w.state, NOW, hash, RF, &after), RF);
            for (uint32_t j = 0; j < RF; j++) {
                if (planned(&before[i], after.node[j])) continue;
                assert_int_equal(after.node[j], fresh);
                moved++;
            }
        }
        print_message("%u nodes in %u zones, one more: %.4f of the replicas move; 1.5/n is %.4f\n", cnt,
                      cases[n].zones, (double)moved / (KEYS * RF), 1.5 / cnt);
        assert_true(moved > 0);
        assert_true((uint64_t)moved * cnt * 2 <= 3ull * KEYS * RF);
        free(spots);
        world_end(&w);
    }
    free(before);
}

static void test_load(void **state)
{
    (void)state;
    enum { NODES = 100, ZONES = 10, KEYS = 10000, RF = 3 };
    struct spot spots[NODES];
    uint32_t load[NODES] = {0}, most = 0, least = UINT32_MAX;
    struct world w;
    for (uint32_t i = 0; i < NODES; i++) spots[i] = spot_of(i, i % ZONES);
    world_fill(&w, spots, NODES, 1);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint8_t hash[32];
        struct dsdn_placement p;
        hash_of(i, hash);
        dsdn_placement_of(&w.state, NOW, hash, RF, &p);
        for (uint32_t j = 0; j < p.cnt; j++) load[p.node[j]]++; /* rows come in the order of inserts */
    }
    for (uint32_t i = 0; i < NODES; i++) {
        if (load[i] > most) most = load[i];
        if (load[i] < least) least = load[i];
    }
    print_message("100 nodes in 10 zones, 30000 replicas: %u to %u a node, mean 300\n", least, most);
    assert_true(most < 2 * KEYS * RF / NODES);
    assert_true(least > KEYS * RF / NODES / 2);
    world_end(&w);
}

/* ---- the same everywhere ---- */

enum { SAME_NODES = 300, SAME_KEYS = 300 };

static void plans_of(const struct dsdn_state *s, uint8_t out[SAME_KEYS][5][32])
{
    memset(out, 0, sizeof(uint8_t[SAME_KEYS][5][32]));
    for (uint32_t i = 0; i < SAME_KEYS; i++) {
        uint8_t hash[32];
        struct dsdn_placement p;
        hash_of(i, hash);
        dsdn_placement_of(s, NOW, hash, 5, &p);
        for (uint32_t j = 0; j < p.cnt; j++) memcpy(out[i][j], dsdn_node_at(s, p.node[j])->id, 32);
    }
}

static struct spot same_spot(uint32_t i)
{
    struct spot spot = spot_of(i, i % 4 ? i % 3 : 7 + i % 2); /* rf 5 of four zones: all three steps */
    spot.on_ring = i % 5 != 0;
    return spot;
}

static void test_same(void **state)
{
    (void)state;
    static uint8_t want[SAME_KEYS][5][32], got[SAME_KEYS][5][32];
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine *e = fixture_engine(&dsdn_catalogue, 0, 0), *restored;
    struct path dir = scratch_make();
    for (uint32_t order = 0; order < 3; order++) {
        struct dsdn_state own, *s = order ? &own : dsdn_engine_state_for_restore(e);
        if (order) world_begin(s, order * 0x123456789u);
        for (uint32_t i = 0; i < SAME_NODES; i++) {
            struct spot spot = same_spot(order == 0   ? i
                                         : order == 1 ? SAME_NODES - 1 - i
                                                      : i * 7 % SAME_NODES);
            uint32_t row = world_node(s, &spot);
            if (order != 2 || !spot.on_ring) continue;
            dsdn_node_edit_indexed(s, row)->on_ring = 0; /* off the ring and on again */
            dsdn_state_settle(s);
            dsdn_node_edit_indexed(s, row)->on_ring = 1;
            dsdn_state_settle(s);
        }
        plans_of(s, order ? got : want);
        if (order) assert_memory_equal(got, want, sizeof got);
        if (order) dsdn_state_free(s);
    }
    char file[4200];
    size_t len;
    snprintf(file, sizeof file, "%s/checkpoint", dir.text);
    free(fixture_export(e, file, &len));
    struct dsdn_engine_options options = {.hash_seed = 99};
    struct dsdn_checkpoint_options how = {.engine = &options, .verify = true, .threads = 2};
    done(dsdn_checkpoint_restore(&dsdn_catalogue, &how, &dsdn_io_system, file, &restored, NULL, &error),
         &error);
    plans_of(dsdn_engine_state(restored), got);
    assert_memory_equal(got, want, sizeof got);
    dsdn_engine_free(restored);
    dsdn_engine_free(e);
    scratch_remove(&dir);
}

/* ---- healing ---- */

static void test_source(void **state)
{
    (void)state;
    struct world w;
    struct spot spots[20];
    uint8_t object[32], hash[32];
    uint64_t seed = 8;
    for (uint32_t i = 0; i < 20; i++) spots[i] = spot_of(i, i);
    world_fill(&w, spots, 20, 2);
    id_of(1, object);
    for (uint32_t round = 0; round < 200; round++) {
        uint8_t lowest[32], digest[32];
        uint32_t want = DSDN_NO_ROW, live = 0;
        hash_of(round, hash);
        uint32_t chunk = world_chunk(&w.state, object, hash, 16);
        for (uint32_t i = 0; i < 20; i++) {
            uint8_t kind = (uint8_t)below(&seed, 8);
            if (kind > DSDN_REPLICA_SUSPECT) continue;
            world_replica(&w.state, chunk, w.rows[i], kind);
            if (kind != DSDN_REPLICA_LIVE) continue;
            model_hash("dsdn/heal/1", hash, spots[i].id, 32, digest);
            if (!live++ || memcmp(digest, lowest, 32) < 0) {
                memcpy(lowest, digest, 32);
                want = w.rows[i];
            }
        }
        assert_int_equal(dsdn_heal_source(&w.state, chunk), want);
    }
    world_end(&w);
}

static void test_heal(void **state)
{
    (void)state;
    struct world w;
    struct spot spots[12];
    uint8_t object[32], hash[32], last[32] = {0};
    uint32_t chunks[40], want = 0, got = 0, at = 0, *rows;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_heal heal;
    for (uint32_t i = 0; i < 12; i++) spots[i] = spot_of(i, i / 2);
    world_fill(&w, spots, 12, 2);
    id_of(1, object);
    for (uint32_t i = 0; i < 40; i++) { /* i % 5 live replicas of 3, with one more assigned when i is odd */
        hash_of(i, hash);
        chunks[i] = world_chunk(&w.state, object, hash, 3);
        for (uint32_t j = 0; j < i % 5; j++)
            world_replica(&w.state, chunks[i], w.rows[2 * j], DSDN_REPLICA_LIVE);
        if (i % 2 && i % 5 < 3) world_replica(&w.state, chunks[i], w.rows[11], DSDN_REPLICA_ASSIGNED);
        if (i == 11) dsdn_chunk_edit(&w.state, chunks[i])->deleted = 1;
        want += i % 5 < 3 && i != 11;
    }
    done(dsdn_table_sorted(&w.state.tables[dsdn_TABLE_chunk], &rows, &error), &error);
    while (dsdn_heal_next(&w.state, NOW, rows, 40, &at, &heal)) {
        const struct dsdn_row_chunk *k = dsdn_chunk_at(&w.state, heal.chunk);
        uint32_t i = 0;
        while (chunks[i] != heal.chunk) i++;
        assert_true(memcmp(k->chunk, last, 32) > 0);
        memcpy(last, k->chunk, 32);
        assert_int_equal(heal.rf, 3);
        assert_int_equal(heal.live, i % 5);
        assert_int_equal(heal.assigned, i % 2);
        assert_int_equal(heal.suspect, 0);
        assert_int_equal(heal.targets.cnt, 3 - i % 5 - i % 2);
        assert_int_equal(heal.source == DSDN_NO_ROW, i % 5 == 0);
        for (uint32_t j = 0; j < heal.targets.cnt; j++)
            for (uint32_t h = 0; h < k->holders_cnt; h++)
                assert_int_not_equal(dsdn_node_at(&w.state, heal.targets.node[j])->zone,
                                     dsdn_node_at(&w.state, k->holders[h])->zone);
        got++;
    }
    assert_int_equal(got, want);
    dsdn_object_edit(&w.state, dsdn_chunk_at(&w.state, rows[0])->object)->deleted = 1;
    at = 0;
    assert_false(dsdn_heal_next(&w.state, NOW, rows, 40, &at, &heal)); /* all are to go */
    assert_int_equal(dsdn_placement_want(&w.state, chunks[0]), 0);
    free(rows);
    world_end(&w);
}

/* ---- queries ---- */

static void test_zone_query(void **state)
{
    (void)state;
    struct world w;
    struct spot spots[90];
    uint32_t seen = 0;
    for (uint32_t i = 0; i < 90; i++) {
        spots[i] = spot_of(i, i % 3);
        spots[i].on_ring = i % 2;
    }
    world_fill(&w, spots, 90, 6);
    uint32_t empty = world_zone(&w.state, "zone-");
    struct dsdn_zone_cursor q;
    dsdn_query_zone(&q, &w.state, empty);
    assert_int_equal(dsdn_query_zone_next(&q), DSDN_NO_ROW);
    for (uint32_t z = 0; z < 3; z++) {
        uint8_t last[32] = {0};
        uint32_t row;
        dsdn_query_zone(&q, &w.state, world_zone(&w.state, spots[z].zone));
        for (; (row = dsdn_query_zone_next(&q)) != DSDN_NO_ROW; seen++) {
            const struct dsdn_row_node *n = dsdn_node_at(&w.state, row);
            assert_true(memcmp(n->id, last, 32) > 0);
            memcpy(last, n->id, 32);
            assert_int_equal(n->zone, world_zone(&w.state, spots[z].zone));
        }
        assert_int_equal(dsdn_query_zone_next(&q), DSDN_NO_ROW);
    }
    assert_int_equal(seen, 90);
    world_end(&w);
}

static void test_deletion_query(void **state)
{
    (void)state;
    struct world w;
    struct spot spots[10];
    uint8_t objects[2][32], hash[32];
    uint32_t chunks[2][4];
    for (uint32_t i = 0; i < 10; i++) spots[i] = spot_of(i, i);
    world_fill(&w, spots, 10, 6);
    for (uint32_t o = 0; o < 2; o++) {
        id_of(o, objects[o]);
        for (uint32_t i = 0; i < 4; i++) { /* 0, 2, 4, 6 replicas */
            hash_of(10 * o + i, hash);
            chunks[o][i] = world_chunk(&w.state, objects[o], hash, 3);
            for (uint32_t j = 0; j < 2 * i; j++)
                world_replica(&w.state, chunks[o][i], w.rows[j],
                              (uint8_t)(j < 3 ? DSDN_REPLICA_LIVE : j - 3));
        }
    }
    struct dsdn_deletion_cursor q;
    struct dsdn_replica_left left;
    for (uint32_t o = 0; o < 2; o++) {
        dsdn_query_deletion(&q, &w.state, 0, dsdn_object_find(&w.state, objects[o]));
        for (uint32_t i = 0; i < 4; i++) {
            uint8_t last[32] = {0};
            for (uint32_t j = 0; j < 2 * i; j++) {
                assert_true(dsdn_query_deletion_next(&q, &left));
                assert_int_equal(left.chunk, chunks[o][i]);
                assert_memory_equal(dsdn_replica_at(&w.state, left.replica)->chunk,
                                    dsdn_chunk_at(&w.state, left.chunk)->chunk, 32);
                assert_memory_equal(dsdn_replica_at(&w.state, left.replica)->node,
                                    dsdn_node_at(&w.state, left.node)->id, 32);
                assert_true(memcmp(dsdn_node_at(&w.state, left.node)->id, last, 32) > 0);
                memcpy(last, dsdn_node_at(&w.state, left.node)->id, 32);
            }
        }
        assert_false(dsdn_query_deletion_next(&q, &left));
        assert_false(dsdn_query_deletion_next(&q, &left));
        dsdn_query_deletion(&q, &w.state, 1, chunks[o][2]);
        for (uint32_t j = 0; j < 4; j++) assert_true(dsdn_query_deletion_next(&q, &left));
        assert_false(dsdn_query_deletion_next(&q, &left));
    }
    assert_true(dsdn_query_deletion_ordinal(&w.state, 0, objects[0]) == UINT64_MAX);
    uint8_t key[33] = {0};
    memcpy(key + 1, objects[0], 32);
    room(&w.state, dsdn_TABLE_delete_request);
    dsdn_delete_request_edit(&w.state, dsdn_delete_request_insert(&w.state, key))->ordinal = 42;
    assert_int_equal(dsdn_query_deletion_ordinal(&w.state, 0, objects[0]), 42);
    assert_true(dsdn_query_deletion_ordinal(&w.state, 1, objects[0]) == UINT64_MAX);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),          cmocka_unit_test(test_skewed),
        cmocka_unit_test(test_length),         cmocka_unit_test(test_zones),
        cmocka_unit_test(test_moves),          cmocka_unit_test(test_load),
        cmocka_unit_test(test_same),           cmocka_unit_test(test_source),
        cmocka_unit_test(test_heal),           cmocka_unit_test(test_zone_query),
        cmocka_unit_test(test_deletion_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
