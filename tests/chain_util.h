/* chain_util.h: what the tests of the ledger share: a log at feature level 1 whose genesis has balances and
 * validators, one event a batch, and two things that are checked after every step of every batch: the supply
 * is sound, and an event that is not OK changed nothing.  Nodes and chunks are rows put there by hand, so
 * that these tests need no other events.  Static functions only. */
#ifndef DSDN_TESTS_CHAIN_UTIL_H
#define DSDN_TESTS_CHAIN_UTIL_H

#include "tests/engine_util.h"

#include "log/hash.h"
#include "roles/chain/ledger.h"
#include "roles/chain/queries.h"
#include "roles/dsdn.h"

#define TOKEN 100000000ull /* base units */

enum { T0 = 1000000, CHAIN_ROOM = 65536 };
enum { ALICE = 1, BOB, CAROL, DAVE, PEOPLE = 16 }; /* numbers of key_of */

struct chain_options {
    uint8_t level; /* feature level; 0 stands for 1, LEVEL_0 for 0 */
    bool primary;
    uint64_t seed; /* of hashes */
    struct {
        const char *name; /* sorted */
        int64_t value;
    } parameters[8];
    struct dsdn_rec_allocation allocations[8]; /* those with an account */
    uint32_t validator_cnt;
    const struct dsdn_rec_validator_entry *validators;
};
enum { LEVEL_0 = 255 };

struct chain {
    struct log log;
    uint64_t time_ms; /* of the next batch */
    uint64_t height;  /* and its origin's, when there is a primary */
    uint64_t origin_ms;
    bool unscanned; /* its cursor is before the end of that height */
    uint64_t nonces[256];
    struct dsdn_sign_key keys[PEOPLE];
    struct snapshot before; /* of the event */
    uint64_t made_nonce;    /* newest nonce of the made keys, all together */
    bool unchecked;         /* do not look whether refused events changed anything: long runs */
};

static inline const uint8_t *key_bytes(const struct chain *c, int person)
{
    return c->keys[person].public_key;
}

/* xorshift64* (Vigna 2016). */
static inline uint64_t chain_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545F4914F6CDD1Dull;
}

/* Some key that nobody signs with. */
static inline void made_key(uint32_t number, uint8_t key[32])
{
    dsdn_tagged("test/key", &number, sizeof number, key);
}

static inline struct dsdn_state *chain_state(struct chain *c)
{
    return dsdn_engine_state_for_restore(c->log.engine);
}

/* ---- genesis ---- */

struct chain_bytes {
    uint8_t bytes[CHAIN_ROOM];
    uint32_t len, count;
};

static inline void bytes_put(struct chain_bytes *b, const void *bytes, size_t len)
{
    assert_true(b->len + len <= sizeof b->bytes);
    if (len) memcpy(b->bytes + b->len, bytes, len);
    b->len += (uint32_t)len;
}

static inline void bytes_amount(struct chain_bytes *b, struct dsdn_amount amount)
{
    bytes_put(b, &amount.asset, 1);
    bytes_put(b, &amount.units, 8);
}

static inline struct dsdn_list bytes_list(const struct chain_bytes *b)
{
    return (struct dsdn_list){b->bytes, b->count, b->len};
}

/* Makes the genesis; whether it can be one is for the caller to see. */
static inline int chain_genesis(struct dsdn_genesis *genesis, const struct chain_options *o,
                                struct dsdn_error *error)
{
    static const uint8_t zero[32];
    static struct chain_bytes params, allocations, validators;
    params.len = params.count = allocations.len = allocations.count = validators.len = validators.count = 0;
    for (; params.count < 8 && o->parameters[params.count].name; params.count++) {
        uint8_t len = (uint8_t)strlen(o->parameters[params.count].name);
        bytes_put(&params, &len, 1);
        bytes_put(&params, o->parameters[params.count].name, len);
        bytes_put(&params, &o->parameters[params.count].value, 8);
    }
    for (; allocations.count < 8 && o->allocations[allocations.count].account; allocations.count++) {
        const struct dsdn_rec_allocation *a = &o->allocations[allocations.count];
        bytes_put(&allocations, a->account, 32);
        bytes_amount(&allocations, a->amount);
        bytes_put(&allocations, &a->vest_start, 8);
        bytes_put(&allocations, &a->vest_cliff_s, 8);
        bytes_put(&allocations, &a->vest_len_s, 8);
        bytes_put(&allocations, &a->pool, 1);
    }
    for (; validators.count < o->validator_cnt; validators.count++) {
        const struct dsdn_rec_validator_entry *v = &o->validators[validators.count];
        uint8_t len = (uint8_t)v->name.len;
        bytes_put(&validators, v->id, 32);
        bytes_amount(&validators, v->stake);
        bytes_put(&validators, &len, 1);
        bytes_put(&validators, v->name.bytes, len);
    }
    struct dsdn_sign_key authority = key_of(200);
    struct dsdn_ev_genesis_declared g = {
        .network_id = {(const uint8_t *)"test", 4},
        .da_namespace = zero,
        .da_start_hash = zero,
        .version_major = 1,
        .chain_profile = DSDN_PROFILE_DEVNET,
        .feature_level = o->level == LEVEL_0 ? 0 : 1,
        .genesis_time = T0,
        .params = bytes_list(&params),
        .allocations = bytes_list(&allocations),
        .validators = bytes_list(&validators),
        .coordinator = authority.public_key,
        .tss_transcript = zero,
    };
    if (o->primary) {
        g.da_chain_id = (struct dsdn_view){(const uint8_t *)"mock", 4};
        g.da_start = 100;
    }
    return dsdn_genesis_encode(genesis, &g, error);
}

/* ---- watching ---- */

static inline void chain_see(void *self, const struct dsdn_state *s, const struct dsdn_step *step)
{
    struct chain *c = self;
    assert_true(dsdn_supply_sound(s));
    if (c->unchecked) return;
    if (step->kind == DSDN_STEP_NONCE) {
        snapshot_free(&c->before);
        c->before = snapshot_take(s);
    } else if (step->kind == DSDN_STEP_EVENT && c->log.prepared.outcomes[step->number] != DSDN_RESULT(OK)) {
        struct snapshot after = snapshot_take(s);
        assert_true(snapshot_same(&c->before, &after, SNAPSHOT_FACTS));
        snapshot_free(&after);
    }
}

/* chain_open without options: ALICE has 1000 tokens, BOB 500. */
static inline void chain_open(struct chain *c, const struct chain_options *options)
{
    static struct dsdn_error error;
    struct dsdn_genesis genesis;
    struct chain_options o = options ? *options : (struct chain_options){.level = 1};
    *c = (struct chain){.time_ms = T0, .height = o.primary ? 100 : 0};
    for (int i = 0; i < PEOPLE; i++) c->keys[i] = key_of((uint8_t)i);
    if (!o.allocations[0].account) {
        o.allocations[0] =
            (struct dsdn_rec_allocation){.account = key_bytes(c, ALICE), .amount = {0, 1000 * TOKEN}};
        o.allocations[1] =
            (struct dsdn_rec_allocation){.account = key_bytes(c, BOB), .amount = {0, 500 * TOKEN}};
    }
    assert_int_equal(chain_genesis(&genesis, &o, &error), 0);
    struct log_options l = {
        .catalogue = &dsdn_catalogue, .engine = {.hash_seed = o.seed}, .genesis = &genesis};
    log_open(&c->log, &l);
    dsdn_genesis_free(&genesis);
    dsdn_engine_observe(c->log.engine, chain_see, c);
    assert_true(dsdn_supply_sound(chain_state(c)));
}

static inline void chain_close(struct chain *c)
{
    snapshot_free(&c->before);
    log_close(&c->log);
}

/* ---- batches of one event ---- */

/* The outcome by name, so that a failure can be read. */
#define gives(outcome, call) gives_((outcome), (call), #call, __FILE__, __LINE__)
static inline void gives_(dsdn_outcome expected, dsdn_outcome got, const char *call, const char *file,
                          int line)
{
    if (expected == got) return;
    print_error("%s:%d: %s gave %s %s where %s %s was expected\n", file, line, call,
                dsdn_outcome_name(DSDN_OUTCOME_NUMBER(got)),
                DSDN_OUTCOME_CODE(got) ? dsdn_code_name(&dsdn_catalogue, DSDN_OUTCOME_CODE(got)) : "",
                dsdn_outcome_name(DSDN_OUTCOME_NUMBER(expected)),
                DSDN_OUTCOME_CODE(expected) ? dsdn_code_name(&dsdn_catalogue, DSDN_OUTCOME_CODE(expected))
                                            : "");
    fail();
}
#define OK       DSDN_RESULT(OK)
#define NO(code) DSDN_UNMET(code)


static inline void chain_apply(struct chain *c)
{
    c->log.next.time_ms = c->time_ms;
    if (c->height) {
        c->log.next.origin = (struct dsdn_origin){.height = c->height, .time_ms = c->origin_ms};
        if (c->height > 100) dsdn_tagged("test/header", &c->height, 8, c->log.next.origin.hash);
        c->log.next.cursor = (struct dsdn_cursor){c->height, c->unscanned ? 0 : DSDN_CURSOR_END};
    }
    log_apply(&c->log);
}

/* An empty batch at a time: deadlines fire. */
static inline void chain_at(struct chain *c, uint64_t time_ms)
{
    c->time_ms = time_ms;
    chain_apply(c);
}

/* A bundle of one event by a person, or by the authority (-1), in the batch being made. */
static inline void chain_add(struct chain *c, int person, uint32_t event, const void *fields)
{
    if (person < 0)
        log_bundle(&c->log, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
    else
        log_bundle(&c->log, DSDN_BUNDLE_POOL, &c->keys[person], ++c->nonces[person], 0);
    log_event(&c->log, event, dsdn_event_table.events[event].version, fields);
    log_end(&c->log);
}

/* The same as a batch of its own. */
static inline dsdn_outcome chain_event(struct chain *c, int person, uint32_t event, const void *fields)
{
    chain_add(c, person, event, fields);
    chain_apply(c);
    return c->log.prepared.outcomes[0];
}

static inline dsdn_outcome chain_transfer(struct chain *c, int from, const uint8_t to[32], uint64_t units)
{
    struct dsdn_ev_transfer e = {.to = to, .amount = {0, units}, .max_fee = {0, UINT64_MAX}};
    return chain_event(c, from, dsdn_EVENT_transfer, &e);
}

static inline dsdn_outcome chain_deposit(struct chain *c, int staker, const uint8_t beneficiary[32],
                                         uint8_t role, uint64_t units)
{
    struct dsdn_ev_stake_deposited e = {
        .staker = key_bytes(c, staker), .beneficiary = beneficiary, .role = role, .amount = {0, units}};
    return chain_event(c, staker, dsdn_EVENT_stake_deposited, &e);
}

/* The same for a made key: nobody can sign for it, and signatures of bundles are not looked at here. */
static inline dsdn_outcome chain_made_event(struct chain *c, const uint8_t key[32], uint32_t event,
                                            const void *fields)
{
    struct dsdn_sign_key made = key_of(0);
    memcpy(made.public_key, key, 32);
    log_bundle(&c->log, DSDN_BUNDLE_POOL, &made, ++c->made_nonce, 0);
    log_event(&c->log, event, dsdn_event_table.events[event].version, fields);
    log_end(&c->log);
    chain_apply(c);
    return c->log.prepared.outcomes[0];
}

/* A made key stakes for itself as a validator, with units that ALICE gives it. */
static inline dsdn_outcome chain_stand(struct chain *c, const uint8_t key[32], uint64_t units)
{
    struct dsdn_ev_stake_deposited e = {.staker = key, .beneficiary = key, .role = 2, .amount = {0, units}};
    gives(OK, chain_transfer(c, ALICE, key, units));
    return chain_made_event(c, key, dsdn_EVENT_stake_deposited, &e);
}

static inline dsdn_outcome chain_stand_down(struct chain *c, const uint8_t key[32], uint64_t units)
{
    struct dsdn_ev_stake_withdraw_requested e = {.beneficiary = key, .amount = {0, units}};
    return chain_made_event(c, key, dsdn_EVENT_stake_withdraw_requested, &e);
}

static inline dsdn_outcome chain_withdraw(struct chain *c, int staker, const uint8_t beneficiary[32],
                                          uint64_t units)
{
    struct dsdn_ev_stake_withdraw_requested e = {.beneficiary = beneficiary, .amount = {0, units}};
    return chain_event(c, staker, dsdn_EVENT_stake_withdraw_requested, &e);
}

static inline dsdn_outcome chain_slash(struct chain *c, int person, const uint8_t target[32], uint8_t kind,
                                       const void *evidence, size_t len)
{
    struct dsdn_ev_slash_evidence_submitted e = {.target = target, .kind = kind, .evidence = {evidence, len}};
    return chain_event(c, person, dsdn_EVENT_slash_evidence_submitted, &e);
}

/* Evidence that `signer` signed certificates of two made-up batches of one sequence. */
enum { DOUBLE_LEN = 204 };
static inline void chain_double_sign(struct chain *c, int signer, uint32_t set, uint64_t sequence,
                                     uint32_t one, uint32_t two, uint8_t out[DOUBLE_LEN])
{
    uint8_t hash[2][32], message[32];
    made_key(one, hash[0]), made_key(two, hash[1]);
    bool ordered = memcmp(hash[0], hash[1], 32) < 0;
    dsdn_store32(out, set);
    dsdn_store64(out + 4, sequence);
    for (int i = 0; i < 2; i++) {
        uint8_t *at = out + 12 + 96 * i;
        memcpy(at, hash[ordered ? i : 1 - i], 32);
        struct evp h = evp_tagged("dsdn/qcert/1");
        evp_put(&h, c->log.genesis.hash, 32);
        evp_number(&h, set, 4);
        evp_number(&h, sequence, 8);
        evp_put(&h, at, 32);
        evp_end(&h, message);
        dsdn_sign(&c->keys[signer], message, at + 32);
    }
}


/* ---- rows put there by hand ---- */

static inline uint32_t chain_node(struct chain *c, const uint8_t id[32], uint8_t role, uint8_t node_class,
                                  uint8_t status)
{
    struct dsdn_state *s = chain_state(c);
    uint8_t zone[32] = "zone";
    static struct dsdn_error error;
    assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_TABLE_zone], 1, &error), 0);
    assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_TABLE_node], 1, &error), 0);
    uint32_t row = dsdn_zone_find(s, zone);
    if (row == DSDN_NO_ROW) row = dsdn_zone_insert(s, zone);
    dsdn_zone_edit(s, row)->node_cnt++;
    dsdn_zone_edit(s, row)->capacity_gb += 100;
    uint32_t node = dsdn_node_insert(s, id);
    struct dsdn_row_node *n = dsdn_node_edit_indexed(s, node);
    n->zone = row;
    memcpy(n->operator, key_bytes(c, ALICE), 32);
    n->role = role;
    n->node_class = node_class;
    n->status = status;
    n->capacity_gb = 100;
    n->registered_ms = n->status_ms = c->time_ms;
    n->tls_not_after = n->binding_expiry = UINT64_MAX;
    dsdn_state_settle(s);
    return node;
}

static inline const struct dsdn_row_node *chain_node_at(struct chain *c, const uint8_t id[32])
{
    return dsdn_node_at(chain_state(c), dsdn_node_find(chain_state(c), id));
}

static inline const struct dsdn_row_supply *chain_supply(struct chain *c)
{
    return dsdn_supply_at(chain_state(c), dsdn_supply_find(chain_state(c), "\0"));
}

static inline uint64_t chain_balance(struct chain *c, int person)
{
    return dsdn_chain_balance(chain_state(c), key_bytes(c, person));
}

/* Changes a parameter between two batches. */
static inline void chain_set(struct chain *c, const char *name, int64_t value)
{
    static struct dsdn_error error;
    struct dsdn_state *s = chain_state(c);
    uint8_t key[48] = {0};
    memcpy(key, name, strlen(name));
    assert_int_equal(dsdn_table_reserve(&s->tables[dsdn_sys_TABLE_parameter], 1, &error), 0);
    uint32_t row = dsdn_sys_parameter_find(s, key);
    if (row == DSDN_NO_ROW) row = dsdn_sys_parameter_insert(s, key);
    dsdn_sys_parameter_edit(s, row)->value = value;
    s->parameters[dsdn_parameter_find(name, strlen(name)) - dsdn_parameters] = value;
}

#endif
