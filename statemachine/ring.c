#include "statemachine/ring.h"

#include "log/hash.h"
#include "statemachine/ring_internal.h"

#include <stdlib.h>

/* Places are hashes, so they are spread evenly, and a place itself says about where it stands: a table of
 * cells in which every entry lies at its home, the high bits of its place, or behind it with no free cell
 * between, and all entries ascend (linear probing in order: Amble and Knuth, "Ordered Hash Tables", 1974).  A
 * change touches three cache lines, where a tree touches several of each of its levels.  At least half of the
 * homes stay free; who grinds keys for neighbouring places makes a run long, at a cost linear in the places
 * that were bought. */
enum { PLACES_OF_HASH = 4, POINTS_MOST = 64, HASHES_MOST = POINTS_MOST / PLACES_OF_HASH, HOMES_MIN = 64 };

#define NOWHERE UINT64_MAX

struct dsdn_ring {
    uint64_t *place;  /* by cell */
    uint32_t *number; /* row * points + i */
    uint64_t *used;   /* bit per cell */
    uint64_t home_cnt, cell_cnt; /* a power of two; and cells behind the last home, for what it cannot hold */
    uint64_t end;     /* no cell from here on is used */
    uint32_t shift;   /* place >> shift is its home */
    uint32_t cnt;     /* places there are */
    struct dsdn_pages pages[3];
};

/* All places of a row: hash j holds those from 4j to 4j + 3. */
static void places(const struct dsdn_table *t, uint32_t row, uint64_t place[POINTS_MOST])
{
    static const char tag[] = "\x0b"
                              "dsdn/ring/1";
    uint8_t head[sizeof tag + DSDN_KEY_MAX], number[HASHES_MOST], hash[HASHES_MOST][32];
    uint32_t key_len = t->desc->key_len, cnt = t->ring_points / PLACES_OF_HASH;
    struct dsdn_sha256_job jobs[HASHES_MOST];
    memcpy(head, tag, sizeof tag - 1);
    memcpy(head + sizeof tag - 1, dsdn_row_at(t, row, t->row_size), key_len);
    for (uint32_t j = 0; j < cnt; j++) {
        number[j] = (uint8_t)j;
        jobs[j] = (struct dsdn_sha256_job){head, &number[j], sizeof tag - 1 + key_len, 1, hash[j]};
    }
    dsdn_sha256_many(jobs, cnt);
    for (uint32_t i = 0; i < t->ring_points; i++)
        place[i] = dsdn_load64(hash[i / PLACES_OF_HASH] + 8 * (i % PLACES_OF_HASH));
}

/* ---- cells ---- */

static bool used(const struct dsdn_ring *r, uint64_t cell)
{
    return r->used[cell / 64] >> cell % 64 & 1;
}

/* The first used cell from `cell` on, or NOWHERE. */
static uint64_t next_used(const struct dsdn_ring *r, uint64_t cell)
{
    if (cell >= r->end) return NOWHERE;
    uint64_t word = cell / 64, bits = r->used[word] & UINT64_MAX << cell % 64;
    while (!bits) {
        if (++word * 64 >= r->end) return NOWHERE;
        bits = r->used[word];
    }
    return word * 64 + (uint64_t)__builtin_ctzll(bits);
}

/* Places that are equal are in order of (key, i). */
static bool below(const struct dsdn_table *t, uint64_t cell, uint64_t place, uint32_t number)
{
    const struct dsdn_ring *r = t->ring;
    if (r->place[cell] != place) return r->place[cell] < place;
    uint32_t row = r->number[cell] / t->ring_points, other = number / t->ring_points;
    if (row == other) return r->number[cell] < number;
    return memcmp(dsdn_row_at(t, row, t->row_size), dsdn_row_at(t, other, t->row_size), t->desc->key_len) < 0;
}

/* The cell of a place, or where it would go. */
static uint64_t find(const struct dsdn_table *t, uint64_t place, uint32_t number)
{
    uint64_t cell = place >> t->ring->shift;
    while (used(t->ring, cell) && below(t, cell, place, number)) cell++;
    return cell;
}

static void move(struct dsdn_ring *r, uint64_t to, uint64_t from, uint64_t cnt)
{
    memmove(&r->place[to], &r->place[from], cnt * sizeof *r->place);
    memmove(&r->number[to], &r->number[from], cnt * sizeof *r->number);
}

static void put(struct dsdn_ring *r, uint64_t cell, uint64_t place, uint32_t number)
{
    r->place[cell] = place;
    r->number[cell] = number;
}

static void insert(const struct dsdn_table *t, uint64_t place, uint32_t number)
{
    struct dsdn_ring *r = t->ring;
    uint64_t cell = find(t, place, number), free_cell = cell;
    while (used(r, free_cell)) free_cell++;
    if (free_cell > cell) {
        if (r->number[cell] == number) __builtin_trap(); /* twice */
        move(r, cell + 1, cell, free_cell - cell);
    }
    put(r, cell, place, number);
    r->used[free_cell / 64] |= (uint64_t)1 << free_cell % 64;
    if (r->end <= free_cell) r->end = free_cell + 1;
    r->cnt++;
}

static void take(const struct dsdn_table *t, uint64_t place, uint32_t number)
{
    struct dsdn_ring *r = t->ring;
    uint64_t cell = find(t, place, number), last = cell;
    if (!used(r, cell) || r->number[cell] != number) __builtin_trap(); /* its key changed meanwhile */
    /* Those behind it move up, until one that is at home. */
    while (used(r, last + 1) && r->place[last + 1] >> r->shift != last + 1) last++;
    move(r, cell, cell + 1, last - cell);
    r->used[last / 64] &= ~((uint64_t)1 << last % 64);
    r->cnt--;
}

/* ---- memory ---- */

struct dsdn_ring *dsdn_ring_new(void)
{
    return calloc(1, sizeof(struct dsdn_ring));
}

void dsdn_ring_free(struct dsdn_ring *r)
{
    if (!r) return;
    for (int i = 0; i < 3; i++) dsdn_pages_free(&r->pages[i]);
    free(r);
}

size_t dsdn_ring_memory(const struct dsdn_ring *r)
{
    return sizeof *r + r->pages[0].len + r->pages[1].len + r->pages[2].len;
}

/* Room for cell_cnt cells and one that stays free. */
static int grow(struct dsdn_ring *r, uint64_t cell_cnt, struct dsdn_error *error)
{
    int rc = dsdn_pages_grow(&r->pages[0], (cell_cnt + 1) * sizeof *r->place, "a ring", error);
    if (!rc) rc = dsdn_pages_grow(&r->pages[1], (cell_cnt + 1) * sizeof *r->number, "a ring", error);
    if (!rc) rc = dsdn_pages_grow(&r->pages[2], (cell_cnt / 64 + 1) * sizeof *r->used, "a ring", error);
    r->place = r->pages[0].start;
    r->number = r->pages[1].start;
    r->used = r->pages[2].start;
    if (!rc) r->cell_cnt = cell_cnt;
    return rc;
}

int dsdn_ring_reserve(const struct dsdn_table *t, uint32_t rows, struct dsdn_error *error)
{
    struct dsdn_ring *r = t->ring;
    if (rows > UINT32_MAX / t->ring_points)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "the ring of table %s is full: %u rows", t->desc->name,
                         rows);
    uint64_t all = (uint64_t)rows * t->ring_points, home_cnt = HOMES_MIN;
    while (home_cnt < 2 * all) home_cnt *= 2;
    if (home_cnt <= r->home_cnt)
        return r->home_cnt + all <= r->cell_cnt ? DSDN_OK : grow(r, r->home_cnt + all, error);
    struct dsdn_ring wider = {.home_cnt = home_cnt, .shift = 64 - (uint32_t)__builtin_ctzll(home_cnt)};
    int rc = grow(&wider, home_cnt + all, error);
    for (uint64_t cell = 0; !rc && (cell = next_used(r, cell)) != NOWHERE; cell++) {
        uint64_t home = r->place[cell] >> wider.shift, at = home < wider.end ? wider.end : home;
        put(&wider, at, r->place[cell], r->number[cell]);
        wider.used[at / 64] |= (uint64_t)1 << at % 64;
        wider.end = at + 1;
        wider.cnt++;
    }
    struct dsdn_ring *unused = rc ? &wider : r;
    for (int i = 0; i < 3; i++) dsdn_pages_free(&unused->pages[i]);
    if (!rc) *r = wider;
    return rc;
}

/* ---- rows ---- */

/* Puts all places of a row in, or takes them out. */
static void change(struct dsdn_table *t, uint32_t row,
                   void (*one)(const struct dsdn_table *, uint64_t, uint32_t))
{
    uint64_t place[POINTS_MOST];
    const struct dsdn_ring *r = t->ring;
    places(t, row, place);
    for (uint32_t i = 0; i < t->ring_points; i++) {
        uint64_t home = place[i] >> r->shift;
        __builtin_prefetch(&r->place[home], 1);
        __builtin_prefetch(&r->number[home], 1);
        __builtin_prefetch(&r->used[home / 64], 1);
    }
    for (uint32_t i = 0; i < t->ring_points; i++) one(t, place[i], row * t->ring_points + i);
    t->on_ring[row / 64] ^= (uint64_t)1 << row % 64;
}

static bool on_ring(const struct dsdn_table *t, uint32_t row)
{
    return t->on_ring[row / 64] >> row % 64 & 1;
}

void dsdn_ring_leave(struct dsdn_table *t, uint32_t row)
{
    if (on_ring(t, row)) change(t, row, take);
}

void dsdn_ring_settle(struct dsdn_table *t, uint32_t row)
{
    bool wants = dsdn_ring_wants(t, row);
    if (wants != on_ring(t, row)) change(t, row, wants ? insert : take);
}

/* ---- walking ---- */

void dsdn_ring_begin(struct dsdn_ring_walk *w, const struct dsdn_table *t, uint64_t place)
{
    const struct dsdn_ring *r = t->ring;
    w->table = t;
    w->left = r->cnt;
    w->cell = place >> r->shift;
    while (used(r, w->cell) && r->place[w->cell] < place) w->cell++;
}

uint32_t dsdn_ring_next(struct dsdn_ring_walk *w)
{
    const struct dsdn_ring *r = w->table->ring;
    if (!w->left) return DSDN_NO_ROW;
    w->left--;
    uint64_t cell = next_used(r, w->cell);
    if (cell == NOWHERE) cell = next_used(r, 0); /* past the highest place */
    w->cell = cell + 1;
    return r->number[cell] / w->table->ring_points;
}

uint32_t dsdn_ring_places(const struct dsdn_table *t)
{
    return t->ring->cnt;
}
