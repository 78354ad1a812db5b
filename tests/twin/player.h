/* player.h: plays one log into the engine and into the twin and compares them after every batch. */
#ifndef DSDN_TESTS_TWIN_PLAYER_H
#define DSDN_TESTS_TWIN_PLAYER_H

#include "statemachine/engine.h"
#include "tests/twin/twin.h"

/* ---- a log as it is kept: nothing in it depends on what stands before it, so that parts can be left out
 * ---- */

struct played_event {
    uint16_t type;
    uint8_t version;
    uint8_t *payload; /* owned; embedded signatures are in it */
    uint32_t len;
};

struct played_bundle {
    uint8_t kind;
    uint8_t author[32]; /* zeros in kind 0 */
    uint64_t nonce, valid_until;
    struct played_event *events; /* owned */
    uint32_t event_cnt, event_cap;
};

/* Who publishes a batch; which key and epoch that is, the head says when the batch is played. */
enum publisher {
    BY_AUTHORITY,
    BY_NEXT,
    BY_TAKEOVER,
    BY_TAKEOVER_TOO_FEW,
    BY_TAKEOVER_SPOILT,
    BY_STRANGER,
    PUBLISHERS
};

struct played_batch {
    uint64_t time_ms;
    struct dsdn_origin origin;
    struct dsdn_cursor cursor;
    enum publisher publisher;
    struct played_bundle *bundles; /* owned; direct ones first */
    uint32_t bundle_cnt, bundle_cap;
};

struct played_log {
    uint64_t seed;
    bool verified; /* signatures of bundles are made, and checked ahead as replay does */
    struct dsdn_genesis genesis;
    struct played_batch *batches; /* owned */
    uint32_t batch_cnt, batch_cap;
};

void played_batch_free(struct played_batch *b);
void played_log_free(struct played_log *l);
/* Room for one more, zeroed. */
struct played_batch *played_batch_add(struct played_log *l);
struct played_bundle *played_bundle_add(struct played_batch *b, uint8_t kind);
struct played_event *played_event_add(struct played_bundle *b, uint16_t type, uint8_t version,
                                      const uint8_t *payload, uint32_t len);

/* ---- keys that logs are made of ---- */

/* The secret of a key of `person` numbers 0 .. PEOPLE - 1, NULL for others; made once per process. */
enum { PEOPLE = 80 };
const struct dsdn_sign_key *person(uint32_t number);
const struct dsdn_sign_key *person_of(const uint8_t id[32]);

/* ---- playing ---- */

/* How often each thing occurred, over many logs. */
struct coverage {
    uint64_t logs, batches, invalid, events, deadlines;
    uint64_t outcomes[OUTCOMES], codes[256];
    uint64_t applied[256]; /* events with outcome OK, by number in the catalogue */
    uint64_t fired[16];    /* deadlines by kind */
    uint64_t takeovers, next_epochs;
};
void coverage_add(struct coverage *sum, const struct coverage *part);

struct player;
/* player_new opens engine and twin on the log's genesis; coverage may be NULL. */
struct player *player_new(const struct played_log *log, struct coverage *coverage);
void player_free(struct player *p);
struct twin *player_twin(struct player *p);

enum played { PLAYED, INVALID, DIFFERENT };
/* player_batch plays the batch: PLAYED when it is valid, INVALID when both say it is not, DIFFERENT when
 * engine and twin part or an invariant does not hold; player_report then says how. */
enum played player_batch(struct player *p, const struct played_batch *b);
const char *player_report(const struct player *p);

/* player_compare compares all rows now (player_batch does so by itself). */
bool player_compare(struct player *p);

/* ---- the smallest log ---- */

/* shrink leaves batches, bundles and events out of the log for as long as `wrong` stays true of it. */
typedef bool log_predicate(const struct played_log *log, void *self);
void shrink(struct played_log *log, log_predicate *wrong, void *self);
/* played_differs is the predicate for differences: true when some batch is DIFFERENT. */
bool played_differs(const struct played_log *log, void *report_out); /* char[4096], may be NULL */
/* played_print writes a log as text: one line a batch, bundle, event. */
void played_print(const struct played_log *log);

/* ---- invariants (invariants.c) ---- */

struct invariants {
    uint64_t now;
    uint64_t first_ordinal; /* of the batch */
    uint64_t issued;
    uint64_t fired[16]; /* deadlines by kind */
    char broken[512];   /* what does not hold; empty: all does */
};
/* A dsdn_observer: checks after every event and deadline. */
void invariants_check(void *self, const struct dsdn_state *s, const struct dsdn_step *step);

#endif
