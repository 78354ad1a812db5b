/* The validator set: entry, exit and rank at epochs, ties, the cap, independence of the order of rows. */
#include "tests/chain_util.h"

enum { EPOCH = 1000, MINIMUM = 50 };

/* ALICE has plenty; `cnt` validators with made keys and stakes 1000, 1001, ... */
static void open_with(struct chain *c, uint32_t cnt, int64_t most, uint64_t seed)
{
    static struct dsdn_rec_validator_entry validators[200];
    static uint8_t keys[200][32];
    struct dsdn_sign_key alice = key_of(ALICE);
    for (uint32_t i = 0; i < cnt; i++) {
        made_key(i, keys[i]);
        validators[i] = (struct dsdn_rec_validator_entry){keys[i], {0, 1000 + i}, {(const uint8_t *)"v", 1}};
    }
    struct chain_options o = {.seed = seed,
                              .allocations = {{.account = alice.public_key, .amount = {0, 100000000}}},
                              .parameters = {{"max_validators", most},
                                             {"stake_min_validator", MINIMUM},
                                             {"unbonding_ms", 1000},
                                             {"validator_epoch_ms", EPOCH}},
                              .validator_cnt = cnt,
                              .validators = validators};
    chain_open(c, &o);
}

static const struct dsdn_sys_row_validator *validator(struct chain *c, const uint8_t id[32])
{
    uint32_t row = dsdn_sys_validator_find(chain_state(c), id);
    return row == DSDN_NO_ROW ? NULL : dsdn_sys_validator_at(chain_state(c), row);
}

static bool active(struct chain *c, uint32_t number)
{
    uint8_t id[32];
    made_key(number, id);
    return dsdn_validator_active(chain_state(c), id);
}

static uint32_t active_cnt(struct chain *c)
{
    const struct dsdn_sys_row_validator *rows[2000];
    return dsdn_chain_validators(chain_state(c), rows, 2000);
}

static void epoch_end(struct chain *c)
{
    chain_at(c, (c->time_ms / EPOCH + 1) * EPOCH);
}

static void the_101st_displaces_the_smallest(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t id[32];
    open_with(&c, 100, 100, 1);
    made_key(500, id);
    gives(OK, chain_stand(&c, id, 1000)); /* as much as the smallest, number 0 */
    const struct dsdn_sys_row_validator *v = validator(&c, id);
    assert_int_equal(v->status, 0);
    assert_int_equal(v->stake, 0); /* until the epoch */
    assert_int_equal(v->since_ms, T0);
    chain_at(&c, T0 + EPOCH - 1);
    assert_int_equal(validator(&c, id)->stake, 0);
    chain_at(&c, T0 + EPOCH);
    uint8_t smallest[32];
    made_key(0, smallest);
    bool lower = memcmp(id, smallest, 32) < 0; /* of equal stakes the lower key */
    assert_int_equal(active(&c, 500), lower);
    assert_int_equal(active(&c, 0), !lower);
    assert_int_equal(validator(&c, id)->stake, 1000);
    gives(OK, chain_stand(&c, id, 1)); /* now it ranks with number 1 and above number 0 */
    epoch_end(&c);
    assert_true(active(&c, 500));
    assert_false(active(&c, 0));
    assert_int_equal(validator(&c, smallest)->status, 0); /* a candidate */
    assert_int_equal(validator(&c, smallest)->since_ms, lower ? T0 + EPOCH : T0 + 2 * EPOCH);
    assert_int_equal(active_cnt(&c), 100);
    chain_set(&c, "max_validators", 101);
    gives(OK, chain_stand(&c, id, 1));
    epoch_end(&c);
    assert_true(active(&c, 0));
    assert_int_equal(active_cnt(&c), 101);
    chain_close(&c);
}

static int by_rank(const void *a, const void *b)
{
    const struct dsdn_sys_row_validator *x = *(const struct dsdn_sys_row_validator *const *)a,
                                        *y = *(const struct dsdn_sys_row_validator *const *)b;
    return x->stake != y->stake ? (x->stake > y->stake ? -1 : 1) : memcmp(x->id, y->id, 32);
}

/* Random stakes with many ties; what is active is what sorting all rows gives, for any cap and any history of
 * rows. */
static void rank_is_stake_then_key(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct chain c;
        uint64_t random = seed;
        uint32_t cap = (uint32_t)(chain_random(&random) % 40 + 1);
        open_with(&c, 0, cap, seed);
        c.unchecked = true;
        for (uint32_t i = 0; i < 30; i++) {
            uint8_t id[32];
            made_key((uint32_t)(chain_random(&random) % 60), id);
            uint64_t units = MINIMUM + chain_random(&random) % 4;
            chain_stand(&c, id, units);
            if (chain_random(&random) % 4 == 0)
                chain_stand_down(&c, id, 1 + chain_random(&random) % units);
            if (chain_random(&random) % 4 == 0) epoch_end(&c);
        }
        epoch_end(&c);
        struct dsdn_state *s = chain_state(&c);
        const struct dsdn_table *t = &s->tables[dsdn_sys_TABLE_validator];
        const struct dsdn_sys_row_validator *all[64], *listed[64];
        uint32_t cnt = 0;
        for (uint32_t row = 0; row < t->row_end; row++)
            if (dsdn_table_live(t, row)) all[cnt++] = dsdn_sys_validator_at(s, row);
        qsort(all, cnt, sizeof *all, by_rank);
        uint32_t expected = cnt < cap ? cnt : cap;
        assert_int_equal(dsdn_chain_validators(s, listed, 64), expected);
        for (uint32_t i = 0; i < cnt; i++) {
            assert_int_equal(all[i]->status, i < cap);
            assert_true(all[i]->stake >= MINIMUM);
            if (i < expected) assert_ptr_equal(listed[i], all[i]);
        }
        for (uint32_t room = 0; room < expected; room++) { /* the first of them */
            assert_int_equal(dsdn_chain_validators(s, listed, room), room);
            for (uint32_t i = 0; i < room; i++) assert_ptr_equal(listed[i], all[i]);
        }
        chain_close(&c);
    }
}

static void below_the_minimum_is_no_validator(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t id[32];
    open_with(&c, 0, 100, 1);
    made_key(1, id);
    gives(OK, chain_stand(&c, id, MINIMUM - 1));
    assert_null(validator(&c, id));
    epoch_end(&c);
    gives(OK, chain_stand(&c, id, 1));
    assert_non_null(validator(&c, id));
    epoch_end(&c);
    assert_true(active(&c, 1));
    gives(OK, chain_stand_down(&c, id, 1));
    assert_true(active(&c, 1)); /* changes at epochs only */
    assert_int_equal(validator(&c, id)->stake, MINIMUM);
    epoch_end(&c);
    assert_null(validator(&c, id));
    gives(OK, chain_stand(&c, id, 1)); /* and comes back as a candidate */
    assert_int_equal(validator(&c, id)->status, 0);
    gives(OK, chain_stand_down(&c, id, 1)); /* in and out within one epoch */
    epoch_end(&c);
    assert_null(validator(&c, id));

    uint8_t storage[32]; /* stake of role 1 has no power */
    made_key(2, storage);
    gives(OK, chain_deposit(&c, ALICE, storage, 1, 10 * MINIMUM));
    assert_null(validator(&c, storage));
    chain_close(&c);
}

/* Deadlines of the epoch stand at its multiples, and only when something moved. */
static void epochs_are_multiples(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t id[32];
    open_with(&c, 0, 100, 1);
    made_key(1, id);
    struct dsdn_table *t = &chain_state(&c)->tables[dsdn_sys_TABLE_deadline];
    c.time_ms = T0 + 7 * EPOCH; /* on a multiple: the next one */
    gives(OK, chain_stand(&c, id, MINIMUM));
    gives(OK, chain_stand(&c, id, MINIMUM));
    assert_int_equal(t->live_cnt, 1);
    c.time_ms += EPOCH - 1;
    gives(OK, chain_stand(&c, id, MINIMUM));
    assert_int_equal(t->live_cnt, 1);
    assert_false(active(&c, 1));
    chain_at(&c, T0 + 8 * EPOCH);
    assert_int_equal(t->live_cnt, 0);
    assert_true(active(&c, 1));
    assert_int_equal(validator(&c, id)->stake, 3 * MINIMUM);
    chain_close(&c);
}

/* A validator that withdrew all and was paid before the epoch's end, and whose key then stakes for a storage
 * node. */
static void stake_of_another_role_has_no_power(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t id[32];
    open_with(&c, 0, 100, 1);
    chain_set(&c, "validator_epoch_ms", 500000);
    made_key(1, id);
    gives(OK, chain_stand(&c, id, MINIMUM));
    gives(OK, chain_stand_down(&c, id, MINIMUM));
    chain_at(&c, T0 + 1000);
    struct dsdn_table *deadlines = &chain_state(&c)->tables[dsdn_sys_TABLE_deadline];
    assert_int_equal(deadlines->live_cnt, 1); /* the epoch */
    gives(OK, chain_deposit(&c, ALICE, id, 1, 2 * MINIMUM));
    chain_set(&c, "validator_epoch_ms", 400000);
    gives(OK, chain_withdraw(&c, ALICE, id, 1));
    assert_int_equal(deadlines->live_cnt, 2); /* and what unbonds: no other epoch */
    assert_non_null(validator(&c, id));
    chain_at(&c, T0 + 500000);
    assert_null(validator(&c, id));
    chain_close(&c);
}

static void at_most_4096_candidates(void **unused)
{
    (void)unused;
    struct chain c;
    uint8_t id[32], known[32];
    static struct dsdn_error error;
    open_with(&c, 0, 100, 1);
    c.unchecked = true;
    struct dsdn_state *s = chain_state(&c);
    made_key(1, known), made_key(9999, id);
    gives(OK, chain_stand(&c, known, MINIMUM));
    assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_sys_TABLE_validator], 4096, &error), 0);
    for (uint32_t i = 2; i < 4096; i++) {
        uint8_t key[32];
        made_key(i, key);
        dsdn_sys_validator_insert(s, key);
    }
    gives(OK, chain_stand(&c, id, MINIMUM)); /* the 4096th */
    made_key(10000, id);
    gives(DSDN_RESULT(LIMIT), chain_stand(&c, id, MINIMUM));
    gives(OK, chain_stand(&c, id, MINIMUM - 1)); /* below the minimum it takes no row */
    gives(DSDN_RESULT(LIMIT), chain_stand(&c, id, 1));
    gives(OK, chain_stand(&c, known, 1));
    epoch_end(&c);
    assert_int_equal(s->tables[dsdn_sys_TABLE_validator].live_cnt, 2); /* nobody stands behind the others */
    gives(OK, chain_stand(&c, id, 1));
    chain_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_101st_displaces_the_smallest),   cmocka_unit_test(rank_is_stake_then_key),
        cmocka_unit_test(below_the_minimum_is_no_validator),  cmocka_unit_test(epochs_are_multiples),
        cmocka_unit_test(stake_of_another_role_has_no_power), cmocka_unit_test(at_most_4096_candidates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
