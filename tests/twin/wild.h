/* wild.h: random logs that tell mostly sensible stories, with a high share of near-misses.
 *
 * Ids come from small pools, so that events meet each other.  The generator looks into the twin to make valid
 * events likely (the planned node, the next entry of an audit log, a deadline that is about to fall due) and
 * then bends many of them a little: a field, a time, an amount, a signature, an approval.  A seed gives the
 * same log on every machine. */
#ifndef DSDN_TESTS_TWIN_WILD_H
#define DSDN_TESTS_TWIN_WILD_H

#include "log/kind.h"
#include "log/random_event.h"
#include "tests/twin/player.h"

/* What a log is mostly about. */
enum wild_theme {
    WILD_MIXED,
    WILD_NODES,
    WILD_STORAGE,
    WILD_CHAIN,
    WILD_FAULTS,
    WILD_SYSTEM,
    WILD_COMMITTEE,
    WILD_FALLBACK,
    WILD_PENDING,
    WILD_UPGRADES,
    WILD_UNBONDING,
    WILD_CROWD,
    WILD_SWEEP,
    WILD_FULL,
    WILD_THEMES
};

/* People (player.h) by trade. */
enum {
    AUTHORITIES = 0,
    AUTHORITY_CNT = 4,
    FOUNDERS = 4,
    FOUNDER_CNT = 5,
    VALIDATORS = 9,
    VALIDATOR_CNT = 6,
    QUORUM = 15,
    QUORUM_CNT = 7,
    WALLETS = 22,
    WALLET_CNT = 6,
    NODES = 28,
    NODE_CNT = 20,
    SEATS = 48,
    SEAT_CNT = 8,
    NOBODY = -1 /* as an author: the authority */
};

enum { WILD_ROOM = 1 << 17, WILD_MEMORY = 12, WILD_PAYLOAD = 70000 };

/* An event before it is encoded. */
struct draft {
    int event;  /* number in the catalogue */
    int author; /* a person, or NOBODY */
    uint8_t version;
    union dsdn_decoded d;
};

/* An event that was said before, to be said again. */
struct said_before {
    int event, author;
    uint8_t version;
    uint32_t len;
    uint8_t payload[512];
};

struct wild {
    struct dsdn_random random;
    uint64_t seed;
    enum wild_theme theme;
    bool verified;
    struct twin *twin; /* of the player; set before the first batch */
    uint32_t event_cnt, event_target;
    uint32_t node_cnt, zone_cnt;
    uint64_t nonces[PEOPLE];  /* highest said */
    uint32_t phase, phase_at; /* of the script */
    bool quiet;               /* the next batch has no bundles */
    uint32_t refused;         /* batches in a row that were not valid */
    struct said_before memory[WILD_MEMORY];
    uint32_t memory_cnt;
    struct played_batch *batch; /* being made */
    uint64_t now;
    uint8_t room[WILD_ROOM]; /* strings and lists of the draft */
    uint32_t room_used;
};

/* wild_begin chooses what the log of a seed is about and makes its genesis. */
void wild_begin(struct wild *w, uint64_t seed, struct played_log *log);
/* wild_next makes the next batch, after the state of the twin; false at the end of the log. */
bool wild_next(struct wild *w, struct played_batch *batch);
/* wild_judged tells what became of it. */
void wild_judged(struct wild *w, enum played played);

/* ---- inside: wild.c offers, wild_events.c uses ---- */

uint64_t below(struct wild *w, uint64_t n);
static inline bool one_in(struct wild *w, uint64_t n)
{
    return below(w, n) == 0;
}
uint64_t head_number(struct wild *w, const char *column);
const uint8_t *id_of(uint32_t person_number);
/* The id of an object or chunk of the pool. */
const uint8_t *thing(struct wild *w, const char *what, uint64_t number);
void *room(struct wild *w, size_t len);
/* cnt ids of 32 bytes into ascending order. */
void sort_ids(void *ids, uint32_t cnt);
struct fact *some(struct wild *w, const char *table);

/* The next draft of the theme's script; false when it is over.  *apart: it needs a batch of its own. */
bool wild_script(struct wild *w, struct draft *d, bool *apart);
/* A random draft of the theme. */
void wild_draft(struct wild *w, struct draft *d);
/* An AuthorityReplaced for a takeover. */
void wild_takeover(struct wild *w, struct draft *d);
/* The leaf hashes of a chunk of `leaves` leaves: root, and the path of one. */
void wild_tree(const uint8_t chunk[32], uint64_t leaves, uint8_t root[32]);
uint32_t wild_path(const uint8_t chunk[32], uint64_t leaf, uint64_t leaves, uint8_t *path);

#endif
