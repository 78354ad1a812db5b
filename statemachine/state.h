/* state.h: all tables of one log's state.  The engine owns one; reducers and queries get it by pointer. */
#ifndef DSDN_STATEMACHINE_STATE_H
#define DSDN_STATEMACHINE_STATE_H

#include "statemachine/table.h"

#define DSDN_STATE_TABLES_MAX     48u
#define DSDN_STATE_PARAMETERS_MAX 64u

struct dsdn_state {
    struct dsdn_table tables[DSDN_STATE_TABLES_MAX];
    uint32_t table_cnt;
    uint64_t seed;      /* of key hashes; any value, results do not depend on it */
    bool fingerprint;   /* keep the old value hash of rows that change, for the row-change hash of a batch */
    uint64_t settling;      /* bit per table: has rows to put into its ordered indexes after this event ... */
    uint64_t settling_late; /* ... or when the batch is over */
    struct dsdn_old_value *old_values; /* first-touch value hashes of this batch, when fingerprint */
    uint32_t old_cnt, old_cap;
    /* Values of log/parameters.def by index, defaults at first: what the rows of `parameter` say.  Whoever
     * writes such a row brings this up to date (the engine does). */
    int64_t parameters[DSDN_STATE_PARAMETERS_MAX];
    bool failed;        /* an allocation inside fingerprinting failed; reported at the end of the batch */
};

/* What a row was when the batch first touched it. */
struct dsdn_old_value {
    uint16_t table;
    uint32_t row; /* its number then */
    uint8_t key[DSDN_KEY_MAX];
    uint8_t value_hash[32]; /* zero: it did not exist */
};

/* dsdn_state_init makes the tables of table_cnt descriptors, each with room for `rows` rows. */
int dsdn_state_init(struct dsdn_state *s, const struct dsdn_table_desc *const *descs, uint32_t table_cnt,
                    uint64_t seed, uint32_t rows, struct dsdn_error *error);
void dsdn_state_free(struct dsdn_state *s);

/* dsdn_state_remember records what a row was before the batch first touches it (fingerprint mode); `existed`
 * is false for a row that is being inserted. */
void dsdn_state_remember(struct dsdn_state *s, const struct dsdn_table *t, uint32_t row, bool existed);

/* dsdn_state_settle puts new and edited rows into their ordered indexes.  The engine calls it around every
 * deadline and at the end of a batch; after every event it settles what is not late
 * (statemachine/declare_tables.h). */
void dsdn_state_settle(struct dsdn_state *s);
void dsdn_state_settle_event(struct dsdn_state *s);

/* Encoding references (used by generated encoders): the key of row `row` of table `table`, or its rank. */
uint8_t *dsdn_state_put_ref(const struct dsdn_state *s, uint32_t table, uint32_t row,
                            const uint32_t *const *ranks, uint8_t *out);
/* cnt references as a set in key order: u8 cnt, then keys or ranks, ascending. */
uint8_t *dsdn_state_put_refs(const struct dsdn_state *s, uint32_t table, const uint32_t *rows, uint32_t cnt,
                             const uint32_t *const *ranks, uint8_t *out);

/* dsdn_state_value_hash: SHA-256(0x03 || value), see tree.h. */
void dsdn_state_value_hash(const struct dsdn_state *s, uint32_t table, uint32_t row, uint8_t out[32]);

#endif
