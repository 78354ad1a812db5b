/* engine.h: the state machine: judges batches (protocol.md, section 5), applies them (section 10), computes
 * roots (11).
 *
 * One engine holds the state of one log.  It is single-threaded: prepare batches on any thread (prepare.h),
 * judge and apply them on one.  Apply never fails half-way: it reserves every row first, so after an error
 * the state is what it was. */
#ifndef DSDN_STATEMACHINE_ENGINE_H
#define DSDN_STATEMACHINE_ENGINE_H

#include "log/state_view.h"
#include "statemachine/prepare.h"
#include "statemachine/system.h"

struct dsdn_engine_options {
    uint64_t hash_seed;    /* of the tables' hashes: random in apps; results do not depend on it */
    uint32_t initial_rows; /* rows to reserve per table at the start; 0 = a few */
    bool fingerprint;      /* row-change hash of every batch */
};

struct dsdn_engine;

/* dsdn_engine_new makes an empty engine for a catalogue, which must outlive it. */
int dsdn_engine_new(const struct dsdn_catalogue *catalogue, const struct dsdn_engine_options *options,
                    struct dsdn_engine **engine, struct dsdn_error *error);
void dsdn_engine_free(struct dsdn_engine *e);

/* dsdn_engine_genesis applies the canonical bytes of GenesisDeclared to an empty engine. */
int dsdn_engine_genesis(struct dsdn_engine *e, const uint8_t *bytes, size_t len, struct dsdn_error *error);

const struct dsdn_state *dsdn_engine_state(const struct dsdn_engine *e);
/* For restoring checkpoints and for tests; everyone else reads. */
struct dsdn_state *dsdn_engine_state_for_restore(struct dsdn_engine *e);
/* dsdn_engine_restored tells the engine that its tables were filled from a checkpoint. */
int dsdn_engine_restored(struct dsdn_engine *e, struct dsdn_error *error);
const struct dsdn_catalogue *dsdn_engine_catalogue(const struct dsdn_engine *e);
uint64_t dsdn_engine_seed(const struct dsdn_engine *e);

/* Stands for a quorum certificate that this installation verified before: of a record of its own log directory, or
 * in the sequencer. */
extern const struct dsdn_certificate dsdn_certificate_verified;

/* dsdn_engine_judge says whether a prepared batch is valid after the engine's newest: 0, or the reason (a
 * code of class 3, UPGRADE_REQUIRED to halt before it).  certificate: for takeover batches, else NULL.  What takes the
 * primary's data to judge is statemachine/direct.h's and the follower's part. */
int dsdn_engine_judge(const struct dsdn_engine *e, const struct dsdn_prepared *p,
                      const struct dsdn_certificate *certificate, struct dsdn_error *error);

/* dsdn_engine_right: may this key publish batches of this committee epoch after the engine's newest batch?
 * CURRENT; ANNOUNCED: once time_ms reaches head.next_from, and its first batch ends the right of the current
 * one (docs/formats/reducers.md, "The first batch of the next epoch"). */
enum dsdn_right dsdn_engine_right(const struct dsdn_engine *e, const uint8_t publisher[32], uint64_t epoch);

/* dsdn_engine_apply applies a valid batch: p->outcomes tells what became of each event.  Only NO_MEMORY can
 * fail it, and then nothing happened. */
int dsdn_engine_apply(struct dsdn_engine *e, struct dsdn_prepared *p, struct dsdn_error *error);

/* ---- watching ---- */

/* What happens when a batch is applied, in this order (protocol.md, section 10), direct bundles before
 * deadlines. */
enum dsdn_step_kind {
    DSDN_STEP_SCHEDULE, /* versions and parameters whose height the batch reaches took effect */
    DSDN_STEP_NONCE,    /* the nonce of bundle `number` was judged, and noted when it is accepted */
    DSDN_STEP_EVENT,    /* event `number` of the batch came to its outcome */
    DSDN_STEP_DEADLINE, /* a deadline of kind `number` fired; its row is gone, `key` was its key */
    DSDN_STEP_HEAD      /* outcomes were counted and the head row written: the batch is done */
};

struct dsdn_step {
    enum dsdn_step_kind kind;
    uint32_t number;
    const uint8_t *key; /* of a DEADLINE, else NULL */
};

/* dsdn_engine_observe has `step` called after every step of every batch from now on, with the state as it is
 * there, which it only reads; NULL: no more.  Applying takes longer then, and comes to the same state. */
typedef void dsdn_observer(void *self, const struct dsdn_state *s, const struct dsdn_step *step);
void dsdn_engine_observe(struct dsdn_engine *e, dsdn_observer *step, void *self);

/* The row-change hash of the newest batch: H("dsdn/changes/1", for every changed row in order of (table id,
 * key hash): table id u16 || key hash || old value hash || new value hash; absent = zero bytes).  Needs
 * options.fingerprint. NO_MEMORY when there was none for it: the batch is applied all the same, its hash is
 * lost. */
int dsdn_engine_fingerprint(const struct dsdn_engine *e, uint8_t out[32], struct dsdn_error *error);

struct dsdn_role_root {
    uint16_t role;
    const char *name;
    uint8_t root[32];
};
struct dsdn_roots {
    uint8_t state[32];
    struct dsdn_role_root roles[16];
    uint32_t role_cnt;
    uint8_t tables[DSDN_STATE_TABLES_MAX][32]; /* by table number */
};

/* dsdn_engine_root brings the trees up to date and computes all roots.  The first call builds the trees; from
 * then on rows that change are marked.  threads 1 or 2. */
int dsdn_engine_root(struct dsdn_engine *e, unsigned threads, struct dsdn_roots *roots,
                     struct dsdn_error *error);

/* dsdn_engine_track makes the first root cheap: mark changes from now on (before replaying with
 * --root-every). */
int dsdn_engine_track(struct dsdn_engine *e, struct dsdn_error *error);

/* dsdn_roots_combine computes role roots and state root from roots->tables; pure. */
void dsdn_roots_combine(const struct dsdn_table_desc *const *tables, uint32_t table_cnt,
                        struct dsdn_roots *roots);

/* dsdn_engine_tables: descriptors of all tables, system first; *cnt of them. */
const struct dsdn_table_desc *const *dsdn_engine_tables(const struct dsdn_engine *e, uint32_t *cnt);

/* Totals since the engine was made (not part of the state). */
uint64_t dsdn_engine_applied(const struct dsdn_engine *e); /* events with outcome OK */

#endif
