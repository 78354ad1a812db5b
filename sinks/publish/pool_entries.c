#include "sinks/publish/pool_entries.h"

#include "log/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define SLOTS_START 256u

static int no_memory(struct dsdn_error *error)
{
    return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the bundles of the pool");
}

int pool_entries_init(struct pool_entries *p, struct dsdn_error *error)
{
    *p = (struct pool_entries){0};
    if (getrandom(&p->seed, sizeof p->seed, 0) != (ssize_t)sizeof p->seed)
        return dsdn_fail_errno(error, errno, "random bytes for the pool");
    p->slots = calloc(SLOTS_START, sizeof(struct pool_entry *));
    p->author_slots = calloc(SLOTS_START, sizeof(struct pool_author *));
    if (!p->slots || !p->author_slots) return no_memory(error);
    p->slot_cnt = p->author_slot_cnt = SLOTS_START;
    return DSDN_OK;
}

void pool_entries_free(struct pool_entries *p)
{
    struct pool_list *lists[2] = {&p->waiting, &p->taken};
    for (int i = 0; i < 2; i++)
        for (struct pool_entry *entry = lists[i]->first, *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    for (uint32_t i = 0; i < p->author_slot_cnt; i++)
        for (struct pool_author *author = p->author_slots[i], *next; author; author = next) {
            next = author->hash_next;
            free(author);
        }
    free(p->slots);
    free(p->author_slots);
    free(p->picked);
    *p = (struct pool_entries){0};
}

/* ---- finding ---- */

/* Keys are chosen by strangers, though not freely (a signature must verify under them): a seeded mix over all
 * four words keeps chains short. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93;
    return x ^ x >> 32;
}

static uint64_t hash_of(const struct pool_entries *p, const uint8_t author[32], uint64_t nonce)
{
    uint64_t h = mix(p->seed ^ nonce);
    for (int i = 0; i < 32; i += 8) h = mix(h ^ dsdn_load64(author + i)) + p->seed;
    return h;
}

static struct pool_entry **slot_of(const struct pool_entries *p, const uint8_t author[32], uint64_t nonce)
{
    return &p->slots[hash_of(p, author, nonce) & (p->slot_cnt - 1)];
}

static struct pool_author **author_slot_of(const struct pool_entries *p, const uint8_t author[32])
{
    return &p->author_slots[hash_of(p, author, 0) & (p->author_slot_cnt - 1)];
}

struct pool_entry *pool_entries_find(const struct pool_entries *p, const uint8_t author[32], uint64_t nonce)
{
    struct pool_entry *entry = *slot_of(p, author, nonce);
    while (entry && (entry->nonce != nonce || !dsdn_equal32(entry->author->key, author)))
        entry = entry->hash_next;
    return entry;
}

struct pool_author *pool_entries_author(const struct pool_entries *p, const uint8_t author[32])
{
    struct pool_author *a = *author_slot_of(p, author);
    while (a && !dsdn_equal32(a->key, author)) a = a->hash_next;
    return a;
}

static int grow_slots(struct pool_entries *p, struct dsdn_error *error)
{
    uint32_t cnt = p->waiting.cnt + p->taken.cnt;
    if (cnt >= p->picked_cap) {
        uint32_t cap = p->picked_cap ? 2 * p->picked_cap : SLOTS_START;
        struct pool_entry **picked = realloc(p->picked, cap * sizeof(struct pool_entry *));
        if (!picked) return no_memory(error);
        p->picked = picked;
        p->picked_cap = cap;
    }
    if (cnt < p->slot_cnt) return DSDN_OK;
    struct pool_entry **old = p->slots;
    uint32_t old_cnt = p->slot_cnt;
    struct pool_entry **slots = calloc((size_t)old_cnt * 2, sizeof(struct pool_entry *));
    if (!slots) return no_memory(error);
    p->slots = slots;
    p->slot_cnt = old_cnt * 2;
    for (uint32_t i = 0; i < old_cnt; i++)
        for (struct pool_entry *entry = old[i], *next; entry; entry = next) {
            struct pool_entry **slot = slot_of(p, entry->author->key, entry->nonce);
            next = entry->hash_next;
            entry->hash_next = *slot;
            *slot = entry;
        }
    free(old);
    return DSDN_OK;
}

static int grow_authors(struct pool_entries *p, struct dsdn_error *error)
{
    if (p->author_cnt < p->author_slot_cnt) return DSDN_OK;
    struct pool_author **old = p->author_slots;
    uint32_t old_cnt = p->author_slot_cnt;
    struct pool_author **slots = calloc((size_t)old_cnt * 2, sizeof(struct pool_author *));
    if (!slots) return no_memory(error);
    p->author_slots = slots;
    p->author_slot_cnt = old_cnt * 2;
    for (uint32_t i = 0; i < old_cnt; i++)
        for (struct pool_author *a = old[i], *next; a; a = next) {
            struct pool_author **slot = author_slot_of(p, a->key);
            next = a->hash_next;
            a->hash_next = *slot;
            *slot = a;
        }
    free(old);
    return DSDN_OK;
}

/* ---- lists ---- */

static void list_insert(struct pool_list *list, struct pool_entry *entry, struct pool_entry *before)
{
    entry->next = before;
    entry->previous = before ? before->previous : list->last;
    *(entry->previous ? &entry->previous->next : &list->first) = entry;
    *(before ? &before->previous : &list->last) = entry;
    list->cnt++;
    list->events += entry->events;
    list->bytes += entry->len;
}

static void list_remove(struct pool_list *list, struct pool_entry *entry)
{
    *(entry->previous ? &entry->previous->next : &list->first) = entry->next;
    *(entry->next ? &entry->next->previous : &list->last) = entry->previous;
    list->cnt--;
    list->events -= entry->events;
    list->bytes -= entry->len;
}

/* Into the author's waiting ones; nonces mostly come in ascending order. */
static void author_insert(struct pool_entry *entry)
{
    struct pool_author *a = entry->author;
    struct pool_entry *lower = a->highest;
    while (lower && lower->nonce > entry->nonce) lower = lower->lower;
    entry->lower = lower;
    entry->higher = lower ? lower->higher : a->lowest;
    *(lower ? &lower->higher : &a->lowest) = entry;
    *(entry->higher ? &entry->higher->lower : &a->highest) = entry;
}

static void author_remove(struct pool_entry *entry)
{
    struct pool_author *a = entry->author;
    *(entry->lower ? &entry->lower->higher : &a->lowest) = entry->higher;
    *(entry->higher ? &entry->higher->lower : &a->highest) = entry->lower;
}

static void author_release(struct pool_entries *p, struct pool_author *author)
{
    if (author->cnt) return;
    struct pool_author **at = author_slot_of(p, author->key);
    while (*at != author) at = &(*at)->hash_next;
    *at = author->hash_next;
    p->author_cnt--;
    free(author);
}

static struct pool_author *author_for(struct pool_entries *p, const uint8_t key[32], struct dsdn_error *error)
{
    struct pool_author *author = pool_entries_author(p, key);
    if (author || grow_authors(p, error)) return author;
    author = calloc(1, sizeof *author);
    if (!author) return no_memory(error), NULL;
    struct pool_author **slot = author_slot_of(p, key);
    memcpy(author->key, key, 32);
    author->hash_next = *slot;
    *slot = author;
    p->author_cnt++;
    return author;
}

int pool_entries_add(struct pool_entries *p, const struct dsdn_bundle *bundle, const uint8_t id[32],
                     const uint8_t *bytes, uint32_t len, struct dsdn_error *error)
{
    int rc = grow_slots(p, error);
    if (rc) return rc;
    struct pool_entry *entry = malloc(sizeof *entry + len);
    if (!entry) return no_memory(error);
    struct pool_author *author = author_for(p, bundle->author, error);
    if (!author) {
        free(entry);
        return DSDN_E_NO_MEMORY;
    }
    *entry = (struct pool_entry){.author = author,
                                 .nonce = bundle->nonce,
                                 .valid_until = bundle->valid_until,
                                 .arrival = p->arrivals++,
                                 .events = bundle->event_count,
                                 .len = len};
    memcpy(entry->id, id, 32);
    memcpy(entry->bytes, bytes, len);
    struct pool_entry **slot = slot_of(p, bundle->author, bundle->nonce);
    entry->hash_next = *slot;
    *slot = entry;
    author->cnt++;
    author->bytes += len;
    list_insert(&p->waiting, entry, NULL);
    author_insert(entry);
    return DSDN_OK;
}

void pool_entries_drop(struct pool_entries *p, struct pool_entry *entry)
{
    struct pool_author *author = entry->author;
    struct pool_entry **at = slot_of(p, author->key, entry->nonce);
    while (*at != entry) at = &(*at)->hash_next;
    *at = entry->hash_next;
    if (!entry->taken) author_remove(entry);
    list_remove(entry->taken ? &p->taken : &p->waiting, entry);
    author->cnt--;
    author->bytes -= entry->len;
    author_release(p, author);
    free(entry);
}

/* ---- turns ---- */

void pool_entries_begin(struct pool_entries *p)
{
    p->turns++;
    p->picked_cnt = p->spent_cnt = 0;
}

struct pool_entry *pool_entries_turn(struct pool_entries *p, struct pool_entry **at)
{
    *at = *at ? (*at)->next : p->waiting.first;
    if (!*at) return NULL;
    struct pool_author *author = (*at)->author;
    if (author->turn_number != p->turns) {
        author->turn_number = p->turns;
        author->turn = author->lowest;
    }
    /* There are as many turns of an author as bundles, so one is left. */
    struct pool_entry *entry = author->turn;
    author->turn = entry->higher;
    return entry;
}

void pool_entries_pick(struct pool_entries *p, struct pool_entry *entry)
{
    p->picked[p->picked_cnt++] = entry;
}

void pool_entries_spend(struct pool_entries *p, struct pool_entry *entry)
{
    p->picked[p->picked_cap - ++p->spent_cnt] = entry;
}

struct pool_entry *pool_entries_spent(struct pool_entries *p)
{
    return p->spent_cnt ? p->picked[p->picked_cap - p->spent_cnt--] : NULL;
}

void pool_entries_take(struct pool_entries *p, struct pool_entry *entry, uint64_t next)
{
    author_remove(entry);
    list_remove(&p->waiting, entry);
    entry->taken = next;
    list_insert(&p->taken, entry, NULL);
}

void pool_entries_take_picked(struct pool_entries *p, uint64_t next)
{
    for (uint32_t i = 0; i < p->picked_cnt; i++) pool_entries_take(p, p->picked[i], next);
    p->picked_cnt = 0;
}

static int by_arrival(const void *a, const void *b)
{
    const struct pool_entry *x = *(struct pool_entry *const *)a, *y = *(struct pool_entry *const *)b;
    return x->arrival < y->arrival ? -1 : x->arrival > y->arrival;
}

void pool_entries_return(struct pool_entries *p, uint64_t next)
{
    uint32_t cnt = 0;
    while (p->taken.last && p->taken.last->taken > next) {
        p->picked[cnt] = p->taken.last; /* nothing is picked between fills; there is room for every entry */
        list_remove(&p->taken, p->picked[cnt++]);
    }
    p->picked_cnt = 0;
    if (!cnt) return;
    qsort(p->picked, cnt, sizeof(struct pool_entry *), by_arrival);
    struct pool_entry *before = p->waiting.first;
    for (uint32_t i = 0; i < cnt; i++) {
        struct pool_entry *entry = p->picked[i];
        while (before && before->arrival < entry->arrival) before = before->next;
        entry->taken = 0;
        list_insert(&p->waiting, entry, before);
        author_insert(entry);
    }
}
