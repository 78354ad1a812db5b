/* state_fixture.h: engines whose tables hold made-up rows, for tests of checkpoints, proofs and rows as text.
 * Content follows from the place of a row alone; row numbers, insertion order, hash seed and erased rows
 * follow from `history`, so that two engines of different history hold the same state.  Static functions
 * only. */
#ifndef DSDN_TESTS_STATE_FIXTURE_H
#define DSDN_TESTS_STATE_FIXTURE_H

#include "log/genesis.h"
#include "log/sign.h"
#include "roles/neutral/bench_file.h"
#include "statemachine/checkpoint.h"
#include "tests/store_util.h"

static inline void done(int rc, const struct dsdn_error *error)
{
    char text[1024];
    dsdn_error_format(error, text, sizeof text);
    if (rc) fail_msg("%s", text);
}

static inline struct dsdn_genesis fixture_genesis(void)
{
    static const uint8_t header[NEUTRAL_FILE_HEADER] = {'D', 'S', 'D', 'N', 'B', 'E', 'V',
                                                        '1', 1,   0,   0,   0,   64};
    struct dsdn_genesis genesis;
    struct dsdn_sign_key key;
    struct dsdn_error error = DSDN_ERROR_INIT;
    done(neutral_genesis(header, &genesis, &key, &error), &error);
    return genesis;
}

static inline uint64_t fixture_seed(uint32_t table, uint32_t row, uint32_t what)
{
    uint64_t seed = (table + 1) * 0x9e3779b97f4a7c15u ^ (row + 1) * 0xd1b54a32d192ed03u ^
                    (what + 1) * 0x8cb92ba72f3d8dd7u;
    for (int i = 0; i < 4; i++) test_random(&seed);
    return seed;
}

static inline void fixture_bytes(uint64_t *seed, uint8_t *out, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) out[i] = (uint8_t)(test_random(seed) >> 40);
}

/* Key of made-up row `row`: keys of neighbours share columns now and then, so that indexes have ties. */
static inline void fixture_key(const struct dsdn_table_desc *desc, uint32_t row, uint8_t key[DSDN_KEY_MAX])
{
    uint32_t number = 0;
    for (const struct dsdn_column *c = desc->columns(); c->key; key += c->max, c++, number++) {
        uint64_t seed = fixture_seed(desc->id, c[1].key ? row / 3 : row, number);
        if (c->kind == DSDN_COLUMN_str && test_random(&seed) % 2) {
            memset(key, 0, c->max);
            snprintf((char *)key, c->max, "n/%% %llu", (unsigned long long)test_random(&seed));
        } else
            fixture_bytes(&seed, key, c->max);
    }
}

static inline uint32_t fixture_find(const struct dsdn_state *s, uint32_t table, const uint8_t *key)
{
    const struct dsdn_table *t = &s->tables[table];
    return dsdn_table_find(t, key, t->desc->key_len, t->desc->row_size,
                           dsdn_key_hash(s->seed, key, t->desc->key_len));
}

static inline uint32_t fixture_row(const struct dsdn_state *s, uint32_t table, uint32_t row)
{
    uint8_t key[DSDN_KEY_MAX];
    fixture_key(s->tables[table].desc, row, key);
    return fixture_find(s, table, key);
}

static inline void fixture_insert(struct dsdn_state *s, uint32_t table, uint32_t row)
{
    struct dsdn_table *t = &s->tables[table];
    uint8_t key[DSDN_KEY_MAX];
    struct dsdn_error error = DSDN_ERROR_INIT;
    fixture_key(t->desc, row, key);
    if (fixture_find(s, table, key) != DSDN_NO_ROW) return;
    done(dsdn_table_reserve(t, 1, &error), &error);
    dsdn_table_insert(t, key, dsdn_key_hash(s->seed, key, t->desc->key_len));
}

/* All columns of a row; references go to made-up rows below `rows`. */
static inline void fixture_columns(struct dsdn_state *s, uint32_t table, uint32_t row, uint32_t rows)
{
    const struct dsdn_table_desc *desc = s->tables[table].desc;
    uint32_t at = fixture_row(s, table, row), what = 100;
    struct dsdn_error error = DSDN_ERROR_INIT;
    done(dsdn_table_reserve(&s->tables[table], 1, &error), &error); /* room to settle */
    uint8_t *bytes = dsdn_table_edit_indexed(&s->tables[table], at);
    for (const struct dsdn_column *c = desc->columns(); c->name; c++, what++) {
        uint64_t seed = fixture_seed(desc->id, row, what), cnt = 0;
        uint8_t *to = bytes + c->offset;
        if (c->key) continue;
        switch (c->kind) {
        case DSDN_COLUMN_u8: fixture_bytes(&seed, to, 1); break;
        case DSDN_COLUMN_u16: fixture_bytes(&seed, to, 2); break;
        case DSDN_COLUMN_u32: fixture_bytes(&seed, to, 4); break;
        case DSDN_COLUMN_u64:
        case DSDN_COLUMN_i64:
        case DSDN_COLUMN_time:
        case DSDN_COLUMN_height: fixture_bytes(&seed, to, 8); break;
        case DSDN_COLUMN_id:
        case DSDN_COLUMN_hash:
        case DSDN_COLUMN_addr: fixture_bytes(&seed, to, 32); break;
        case DSDN_COLUMN_ns: fixture_bytes(&seed, to, 29); break;
        case DSDN_COLUMN_str:
        case DSDN_COLUMN_bytes:
            bytes[c->count_offset] = (uint8_t)(test_random(&seed) % (c->max + 1u));
            for (uint32_t i = 0; i < bytes[c->count_offset]; i++)
                to[i] = c->kind == DSDN_COLUMN_str ? (uint8_t)('!' + test_random(&seed) % 90)
                                                   : (uint8_t)test_random(&seed);
            break;
        case DSDN_COLUMN_ref:
        case DSDN_COLUMN_opt_ref: {
            bool none = c->kind == DSDN_COLUMN_opt_ref && test_random(&seed) % 2;
            dsdn_store32(to, none ? DSDN_NO_ROW
                                  : fixture_row(s, c->target, (uint32_t)(test_random(&seed) % rows)));
            break;
        }
        case DSDN_COLUMN_refs: /* neighbours by place, which are no neighbours by key */
            cnt = test_random(&seed) % (c->max + 1u);
            if (cnt > rows) cnt = rows;
            for (uint32_t i = 0; i < cnt; i++)
                dsdn_store32(to + 4 * i, fixture_row(s, c->target, (row + i) % rows));
            bytes[c->count_offset] = (uint8_t)cnt;
        }
    }
    dsdn_state_settle(s);
}

/* An engine of genesis and up to `rows` made-up rows in every table but the head. */
static inline struct dsdn_engine *fixture_engine(const struct dsdn_catalogue *catalogue, uint32_t rows,
                                                 uint64_t history)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine_options options = {.hash_seed = history * 0x2545f4914f6cdd1du};
    struct dsdn_engine *e;
    struct dsdn_genesis genesis = fixture_genesis();
    done(dsdn_engine_new(catalogue, &options, &e, &error), &error);
    done(dsdn_engine_genesis(e, genesis.bytes, genesis.len, &error), &error);
    dsdn_genesis_free(&genesis);
    struct dsdn_state *s = dsdn_engine_state_for_restore(e);
    uint32_t step = (uint32_t)(history * 2 + 1), extra = history ? rows / 2 + 3 : 0;
    while (rows && (rows % step == 0 && step > 1)) step += 2;
    for (uint32_t t = 1; t < s->table_cnt; t++) {
        for (uint32_t i = 0; i < extra; i++) fixture_insert(s, t, rows + i);
        for (uint32_t i = 0; i < rows; i++)
            fixture_insert(s, t, history ? (uint32_t)((uint64_t)i * step % rows) : i);
        for (uint32_t i = 0; i < rows; i++) fixture_insert(s, t, i); /* those that the step left out */
    }
    dsdn_state_settle(s);
    for (uint32_t t = 1; t < s->table_cnt;
         t++) /* rows that nobody remembers: not those whose key a row of the state has */
        for (uint32_t i = 0; i < extra; i++) {
            uint8_t key[DSDN_KEY_MAX];
            bool shared = false;
            fixture_key(s->tables[t].desc, rows + i, key);
            uint32_t row = fixture_find(s, t, key);
            for (uint32_t k = 0; k < rows; k++) shared |= fixture_row(s, t, k) == row;
            if (row != DSDN_NO_ROW && !shared) dsdn_table_erase(&s->tables[t], row);
        }
    for (uint32_t t = 1; t < s->table_cnt; t++)
        for (uint32_t i = 0; i < rows; i++) fixture_columns(s, t, i, rows);
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(s, 0);
    head->sequence = 7;
    head->event_count = 1234567890123;
    memset(head->batch_hash, 0x5a, 32);
    return e;
}

/* A checkpoint of e at path, as bytes (the caller frees). */
static inline uint8_t *fixture_export(struct dsdn_engine *e, const char *path, size_t *len)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_genesis genesis = fixture_genesis();
    done(dsdn_checkpoint_write(e, (struct dsdn_view){genesis.bytes, genesis.len}, 1, &dsdn_io_system, path,
                               NULL, &error),
         &error);
    dsdn_genesis_free(&genesis);
    return slurp(path, len);
}

#endif
