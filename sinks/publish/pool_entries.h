/* pool_entries.h: inside of the pool: its bundles in memory, by (author, nonce), by author, and in order. */
#ifndef DSDN_SINKS_PUBLISH_POOL_ENTRIES_H
#define DSDN_SINKS_PUBLISH_POOL_ENTRIES_H

#include "log/batch.h"

struct pool_author;

/* A bundle.  It is in `waiting` (taken == 0; also while it is picked) or in `taken`. */
struct pool_entry {
    struct pool_entry *previous, *next; /* in its list */
    struct pool_entry *lower, *higher;  /* waiting ones of its author, by nonce */
    struct pool_entry *hash_next;
    struct pool_author *author;
    uint64_t nonce, valid_until;
    uint64_t arrival; /* counts up */
    uint64_t taken;   /* the nonce is used in the state with so many batches applied; 0: it waits */
    uint8_t id[32];
    uint32_t events, len;
    uint8_t bytes[];
};

struct pool_author {
    struct pool_author *hash_next;
    struct pool_entry *lowest, *highest; /* of the waiting ones */
    struct pool_entry *turn;             /* the one to serve next, during a fill ... */
    uint64_t turn_number;                /* ... of this number */
    uint32_t cnt;                        /* bundles, taken ones included */
    size_t bytes;
    uint8_t key[32];
};

struct pool_list {
    struct pool_entry *first, *last;
    uint32_t cnt, events;
    size_t bytes;
};

struct pool_entries {
    struct pool_list waiting; /* by arrival */
    struct pool_list taken;   /* by `taken` */
    struct pool_entry **slots;
    struct pool_author **author_slots;
    uint32_t slot_cnt, author_slot_cnt, author_cnt; /* slots: powers of two */
    struct pool_entry *
        *picked; /* room for all entries: picked ones from the front, spent ones from the back */
    uint32_t picked_cnt, spent_cnt, picked_cap;
    uint64_t arrivals, turns;
    uint64_t seed; /* of the hashes, random */
};

int pool_entries_init(struct pool_entries *p, struct dsdn_error *error);
void pool_entries_free(struct pool_entries *p);

struct pool_entry *pool_entries_find(const struct pool_entries *p, const uint8_t author[32], uint64_t nonce);
struct pool_author *pool_entries_author(const struct pool_entries *p, const uint8_t author[32]);

/* Adds a bundle that is not there yet, waiting; its bytes are copied. */
int pool_entries_add(struct pool_entries *p, const struct dsdn_bundle *bundle, const uint8_t id[32],
                     const uint8_t *bytes, uint32_t len, struct dsdn_error *error);
void pool_entries_drop(struct pool_entries *p, struct pool_entry *entry);

/* A walk over the waiting bundles: each arrival, in order, gives its author a turn, and the author sends the
 * lowest nonce that had no turn yet.  *at is NULL at the start; NULL comes back at the end.  While it goes
 * on, entries may only be picked or spent, each at most once; then there is room for all of them. */
struct pool_entry *pool_entries_turn(struct pool_entries *p, struct pool_entry **at);
void pool_entries_begin(struct pool_entries *p);
void pool_entries_pick(struct pool_entries *p, struct pool_entry *entry);  /* for a batch */
void pool_entries_spend(struct pool_entries *p, struct pool_entry *entry); /* of no use any more */
/* Takes the spent ones back one by one; NULL: no more. */
struct pool_entry *pool_entries_spent(struct pool_entries *p);

/* `next` is at least 1 and not below that of an earlier take. */
void pool_entries_take(struct pool_entries *p, struct pool_entry *entry, uint64_t next);
void pool_entries_take_picked(struct pool_entries *p, uint64_t next);
/* What was taken above `next` waits again, in its old order of arrival. */
void pool_entries_return(struct pool_entries *p, uint64_t next);

#endif
