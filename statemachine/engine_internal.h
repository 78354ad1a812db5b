/* engine_internal.h: what the parts of the engine share; no one else includes it. */
#ifndef DSDN_STATEMACHINE_ENGINE_INTERNAL_H
#define DSDN_STATEMACHINE_ENGINE_INTERNAL_H

#include "statemachine/engine.h"

struct dsdn_engine {
    const struct dsdn_catalogue *catalogue;
    struct dsdn_engine_options options;
    struct dsdn_state state;
    const struct dsdn_table_desc *descs[DSDN_STATE_TABLES_MAX];
    uint32_t table_cnt;
    /* What becomes of each event, before its reducer is asked, in bundles of the authority and of others: OK
     * goes on. True at the feature level gate_level. */
    uint8_t gate[2][DSDN_EVENTS_MAX];
    int gate_level;      /* -1: not made yet */
    uint8_t *transcript; /* non-OK outcomes of the batch being applied, encoded; grown before applying */
    size_t transcript_cap;
    struct dsdn_key_cache *keys; /* of signatures that reducers check: the same members sign again and again */
    uint64_t applied;
    uint8_t fingerprint[32]; /* of the newest batch */
    bool fingerprint_known;
    dsdn_observer *observer; /* NULL: nobody watches */
    void *observer_self;
};

/* dsdn_engine_tell tells the observer, if there is one. */
static inline void dsdn_engine_tell(const struct dsdn_engine *e, enum dsdn_step_kind kind, uint32_t number,
                                    const uint8_t *key)
{
    if (e->observer) e->observer(e->observer_self, &e->state, &(struct dsdn_step){kind, number, key});
}

/* The clock a batch gives to deadlines and schedules. */
struct dsdn_tick {
    uint64_t time_ms;
    uint64_t height;      /* origin height; 0 without a primary */
    uint64_t origin_time; /* what objection deadlines compare with */
    bool has_primary;
    bool scanned; /* objection deadlines may fire: the cursor is at the end of the origin's height */
    uint64_t sequence;
};
struct dsdn_tick dsdn_tick_of(const struct dsdn_state *s, const struct dsdn_header *h);

/* dsdn_deadlines_due counts the deadline rows that are due, at most `limit`. */
uint32_t dsdn_deadlines_due(const struct dsdn_state *s, const struct dsdn_tick *tick, uint32_t limit);
/* dsdn_deadlines_rows adds to rows, by table, what draining at most `budget` deadlines may insert.
 * rows[deadline] holds how many the batch's events may set: they may be due at once. */
void dsdn_deadlines_rows(const struct dsdn_engine *e, const struct dsdn_tick *tick, uint32_t budget,
                         uint32_t *rows);
/* dsdn_deadlines_drain fires due deadlines in order of (clock, due, kind, subject), at most `budget`, those
 * created while draining included. */
void dsdn_deadlines_drain(struct dsdn_engine *e, struct dsdn_context *c, const struct dsdn_tick *tick,
                          uint32_t budget);

/* dsdn_version_at is the protocol version in force for a batch: the state's, or a scheduled one whose height
 * it reaches. */
uint64_t dsdn_version_at(const struct dsdn_state *s, const struct dsdn_tick *tick);
/* dsdn_schedules_run applies what the batch's height brings: protocol versions and parameter changes. */
void dsdn_schedules_run(struct dsdn_state *s, const struct dsdn_tick *tick);
/* Parameter changes that may become rows of `parameter` at most: for the reservation. */
uint32_t dsdn_schedules_rows(const struct dsdn_state *s);

/* dsdn_backlog: must the batch of this header be empty, because more deadlines are due than one batch drains?
 * Deadlines of class objection count when the head's da_cursor is at the end of the batch's da_origin.height: that is
 * what a batch that leaves the cursor alone would drain (docs/decisions/0020). */
bool dsdn_backlog(const struct dsdn_state *s, const struct dsdn_header *h);

/* dsdn_direct_charge takes the fees of a batch's direct bundles, as the state before the batch has them. */
void dsdn_direct_charge(struct dsdn_engine *e, const struct dsdn_prepared *p);

/* dsdn_nonce_judge decides one bundle's nonce: OK, DUPLICATE, STALE, LIMIT or EXPIRED; changes nothing. */
uint8_t dsdn_nonce_judge(const struct dsdn_state *s, const struct dsdn_bundle *b, uint64_t time_ms,
                         uint32_t *row);
/* dsdn_nonce_accept records an accepted nonce. */
void dsdn_nonce_accept(struct dsdn_state *s, const struct dsdn_bundle *b, uint32_t row);

/* dsdn_parameters_read brings s->parameters up to the rows of `parameter`. */
void dsdn_parameters_read(struct dsdn_state *s);

/* dsdn_fingerprint_batch folds the old values recorded during the batch into out, and forgets them.  False:
 * no memory. */
bool dsdn_fingerprint_batch(struct dsdn_state *s, uint8_t out[32]);

#endif
