/* The life of a node at feature level 1: stake and its minimums, cooldown, faults, bans for repeated ones,
 * the gate and its queries.  Stakes are written into their table by hand and the node judged, as deposits and
 * slashes do it. */
#include "roles/coordinator/gate.h"
#include "roles_util.h"

#define NUSA 100000000ull

static struct world *staked_world(void)
{
    return world_with((struct world_options){.level = 1});
}

static void stake_by(struct world *w, int node, const uint8_t staker[32], uint8_t role, uint64_t units)
{
    struct dsdn_state *s = state(w);
    uint8_t key[64];
    memcpy(key, w->node[node].key.public_key, 32);
    memcpy(key + 32, staker, 32);
    must(dsdn_table_reserve(&s->tables[dsdn_TABLE_stake], 1, &error));
    uint32_t row = dsdn_stake_find(s, key);
    if (row == DSDN_NO_ROW) row = dsdn_stake_insert(s, key);
    struct dsdn_row_stake *stake = dsdn_stake_edit(s, row);
    stake->amount = units;
    stake->role = role;
    dsdn_state_settle(s);
}

/* A stake as operator 0 deposits it, unless it is a validator's: that is its own. */
static void stake_of_role(struct world *w, int node, uint8_t role, uint64_t units)
{
    stake_by(w, node, (role == 2 ? &w->node[node] : &w->operator[0])->key.public_key, role, units);
}

static void stake_set(struct world *w, int node, uint64_t units)
{
    stake_of_role(w, node, 1, units);
}

/* Calls one of the functions of a node's life as a reducer would, in a batch at the world's time. */
static void live(struct world *w, int node, void (*call)(struct dsdn_context *c, uint32_t row))
{
    struct dsdn_state *s = state(w);
    struct dsdn_context c = {.state = s, .time_ms = w->time_ms};
    must(dsdn_table_reserve(&s->tables[dsdn_sys_TABLE_deadline], 2, &error));
    call(&c, dsdn_node_find(s, w->node[node].key.public_key));
    dsdn_state_settle(s);
    check_books(w);
}

#define expect_node(w, node, status, cause)                                                                  \
    expect_node_at((w), (node), DSDN_NODE_##status, DSDN_CAUSE_##cause, __LINE__)
static void expect_node_at(struct world *w, int node, uint8_t status_wanted, uint8_t cause, int line)
{
    const struct dsdn_row_node *n = node_row(w, node);
    if (n->status != status_wanted || n->cause != cause)
        fail_msg("line %d: status %d by cause %d where %d by %d is right", line, n->status, n->cause,
                 status_wanted, cause);
}

/* ---- minimums (STAKE-1, GATE-5) ---- */

static const struct {
    uint8_t role;
    int16_t node_class;
    uint64_t minimum, refused; /* NUSA; the example of the specification */
} classes[] = {{1, 0, 500, 300}, {1, 1, 5000, 4000}, {2, -1, 50000, 10000}};

static void test_minimums(void **unused)
{
    (void)unused;
    struct world *w = staked_world();
    for (int i = 0; i < 3; i++) {
        uint64_t minimum = classes[i].minimum * NUSA;
        uint8_t column = dsdn_gate_class_column(classes[i].node_class);
        assert_int_equal(dsdn_stake_minimum(state(w), classes[i].role, column), minimum);
        const struct {
            uint64_t stake;
            uint8_t status;
        } cases[] = {{1, DSDN_NODE_QUARANTINED},
                     {classes[i].refused * NUSA, DSDN_NODE_QUARANTINED},
                     {minimum - 1, DSDN_NODE_QUARANTINED},
                     {minimum, DSDN_NODE_ACTIVE}};
        for (int k = 0; k < 4; k++) {
            int node = 4 * i + k; /* NODES is 12 */
            struct dsdn_ev_node_registered r = registration(w, node, "z");
            r.role = classes[i].role, r.node_class = classes[i].node_class;
            expect_unmet(enter(w, node, &r), STAKE_MISSING);
            stake_of_role(w, node, classes[i].role, cases[k].stake);
            struct dsdn_gate_answer a =
                dsdn_gate_decide(state(w), w->time_ms, r.operator, r.node_id, r.role, r.node_class);
            bool enough = cases[k].status == DSDN_NODE_ACTIVE;
            assert_int_equal(a.verdict, enough ? DSDN_GATE_ALLOWED : DSDN_GATE_QUARANTINED);
            expect_at(a.reason, enough ? DSDN_RESULT(OK) : DSDN_UNMET(STAKE_BELOW_MINIMUM), __LINE__);
            expect_result(enter(w, node, &r), OK);
            expect_node_at(w, node, cases[k].status, DSDN_CAUSE_STAKE, __LINE__);
        }
    }
    world_free(w);

    /* Coordinators and bootstrap nodes need none. */
    w = staked_world();
    for (uint8_t role = 3; role <= 4; role++) {
        struct dsdn_ev_node_registered r = registration(w, role, "z");
        r.role = role, r.node_class = -1;
        assert_int_equal(dsdn_stake_minimum(state(w), role, DSDN_NO_CLASS), 0);
        expect_result(enter(w, role, &r), OK);
        expect_node(w, role, ACTIVE, STAKE);
    }
    world_free(w);

    /* A stranger's stake counts for no operator, one for another role for no node. */
    w = staked_world();
    struct dsdn_ev_node_registered r = registration(w, 0, "z");
    stake_of_role(w, 0, 2, 50000 * NUSA);
    expect_unmet(enter(w, 0, &r), STAKE_MISSING);
    stake_by(w, 0, w->node[0].key.public_key, 1, 500 * NUSA);
    stake_by(w, 0, w->operator[1].key.public_key, 1, 500 * NUSA);
    expect_unmet(enter(w, 0, &r), STAKE_MISSING);
    expect_unmet(dsdn_gate_decide(state(w), w->time_ms, r.operator, r.node_id, 1, 0).reason, STAKE_MISSING);
    stake_set(w, 0, 500 * NUSA);
    expect_result(enter(w, 0, &r), OK);
    expect_node(w, 0, ACTIVE, STAKE);
    stake_by(w, 0, w->operator[0].key.public_key, 2, 500 * NUSA);
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, QUARANTINED, STAKE);
    world_free(w);

    /* The minimum is a parameter; without one nobody needs a stake. */
    w = world_with((struct world_options){.level = 1, .parameter = {"stake_min_reguler", 0}});
    r = registration(w, 0, "z");
    expect_result(enter(w, 0, &r), OK);
    expect_node(w, 0, ACTIVE, STAKE);
    world_free(w);

    /* At level 0 no stake is judged: who registers waits for a decision. */
    w = world_new(false);
    r = registration(w, 0, "z");
    expect_result(enter(w, 0, &r), OK);
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, PENDING, REGISTERED);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    expect_node(w, 0, ACTIVE, DECISION);
    world_free(w);
}

/* ---- judge: every edge ---- */

static void staked_node(struct world *w, int node, const char *zone, uint64_t units)
{
    struct dsdn_ev_node_registered r = registration(w, node, zone);
    stake_set(w, node, units);
    expect_result(enter(w, node, &r), OK);
}

static void test_judge(void **unused)
{
    (void)unused;
    struct world *w = staked_world();
    const uint64_t enough = 500 * NUSA;
    staked_node(w, 0, "z", enough);
    expect_node(w, 0, ACTIVE, STAKE);

    /* Up and down with the stake (STAKE-5). */
    pass(w, 10);
    live(w, 0, dsdn_node_judge); /* nothing changed: not even the time of its status */
    assert_int_not_equal(node_row(w, 0)->status_ms, w->time_ms);
    stake_set(w, 0, enough - 1);
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, QUARANTINED, STAKE);
    assert_int_equal(node_row(w, 0)->status_ms, w->time_ms);
    assert_int_equal(zone_row(w, "z")->ring_cnt, 0);
    expect_unmet(dsdn_gate_eligible(state(w), w->time_ms, w->node[0].key.public_key), STAKE_BELOW_MINIMUM);
    expect_unmet(status(w, 0, DSDN_NODE_ACTIVE, 0), STAKE_BELOW_MINIMUM);
    stake_set(w, 0, enough);
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, ACTIVE, STAKE);
    expect_result(dsdn_gate_eligible(state(w), w->time_ms, w->node[0].key.public_key), OK);

    /* What a decision quarantined no stake releases. */
    stake_set(w, 0, 0);
    live(w, 0, dsdn_node_judge);
    expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK); /* cause 1 becomes 3 */
    expect_node(w, 0, QUARANTINED, DECISION);
    assert_int_equal(node_row(w, 0)->reason, 7);
    expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), NO_EFFECT);
    stake_set(w, 0, enough);
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, QUARANTINED, DECISION);
    expect_unmet(dsdn_gate_eligible(state(w), w->time_ms, w->node[0].key.public_key), NODE_STATUS);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    expect_node(w, 0, ACTIVE, DECISION);

    /* Nor does it touch a ban, or a node that left. */
    expect_result(status(w, 0, DSDN_NODE_BANNED, 0), OK);
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, BANNED, DECISION);
    expect_result(status(w, 0, DSDN_NODE_PENDING, 0), OK);
    live(w, 0, dsdn_node_judge); /* a deposit would */
    expect_node(w, 0, ACTIVE, STAKE);
    struct dsdn_ev_node_deregistered d = {w->node[0].key.public_key};
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, CLOSED, LEFT);
    struct dsdn_context c = {.state = state(w)};
    dsdn_node_judge(&c, DSDN_NO_ROW);
    world_free(w);
}

/* ---- faults, cooldown, repeated faults ---- */

static void test_faults(void **unused)
{
    (void)unused;
    const uint64_t cooldown = 604800000, ban = 2592000000;
    struct world *w = staked_world();
    const uint8_t *id = w->node[0].key.public_key;
    staked_node(w, 0, "z", 600 * NUSA);

    live(w, 0, dsdn_node_fault);
    uint64_t first = w->time_ms;
    expect_node(w, 0, QUARANTINED, SLASHED);
    assert_int_equal(node_row(w, 0)->cooldown_until, first + cooldown);
    assert_int_equal(deadlines(w), 1);
    expect_unmet(status(w, 0, DSDN_NODE_ACTIVE, 0), NODE_COOLDOWN);
    expect_unmet(dsdn_gate_eligible(state(w), w->time_ms, id), NODE_COOLDOWN);
    struct dsdn_gate_slashing slashing = dsdn_gate_slashing_status(state(w), w->time_ms, id);
    assert_true(slashing.known && slashing.cooling && !slashing.banned);
    assert_int_equal(slashing.cooldown_until, first + cooldown);
    assert_int_equal(slashing.faults, 1);

    /* A second fault moves the end. */
    pass(w, 1000);
    live(w, 0, dsdn_node_fault);
    assert_int_equal(deadlines(w), 1);
    assert_int_equal(node_row(w, 0)->fault2_ms, first);
    pass(w, cooldown - 1);
    expect_node(w, 0, QUARANTINED, SLASHED);
    expect_unmet(status(w, 0, DSDN_NODE_ACTIVE, 0), NODE_COOLDOWN);
    pass(w, 1);
    expect_node(w, 0, ACTIVE, STAKE);
    assert_int_equal(deadlines(w), 0);
    assert_false(dsdn_gate_slashing_status(state(w), w->time_ms, id).cooling);

    /* Slashed below the minimum: after the cooldown the stake is what is missing; a deposit during it changes
     * nothing. */
    live(w, 0, dsdn_node_fault);
    stake_set(w, 0, 400 * NUSA);
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, QUARANTINED, SLASHED);
    pass(w, cooldown);
    expect_node(w, 0, QUARANTINED, STAKE);
    live(w, 0, dsdn_node_fault); /* a quarantined node can be at fault too */
    expect_node(w, 0, QUARANTINED, SLASHED);
    expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK);
    live(w, 0, dsdn_node_fault);
    expect_node(w, 0, QUARANTINED, DECISION);
    assert_int_equal(deadlines(w), 1);

    /* The moment the cooldown ends a decision may let it in, and no earlier. */
    stake_set(w, 0, 600 * NUSA);
    pass(w, cooldown - 1);
    expect_unmet(status(w, 0, DSDN_NODE_ACTIVE, 0), NODE_COOLDOWN);
    pass(w, 1);
    expect_node(w, 0, QUARANTINED, DECISION);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    expect_node(w, 0, ACTIVE, DECISION);
    live(w, 0, dsdn_node_fault);

    /* Three known faults, newest first; the window is inclusive. */
    const struct dsdn_row_node *n = node_row(w, 0);
    assert_int_equal(n->fault1_ms, w->time_ms);
    assert_int_equal(n->fault2_ms, w->time_ms - cooldown);
    assert_int_equal(n->fault3_ms, w->time_ms - cooldown);
    uint64_t window = 2592000000;
    assert_int_equal(dsdn_gate_slashing_status(state(w), n->fault3_ms + window, id).faults, 3);
    assert_int_equal(dsdn_gate_slashing_status(state(w), n->fault3_ms + window + 1, id).faults, 1);

    /* Repeated: a ban of 30 days, after which it is Pending and judged by the next deposit. */
    stake_set(w, 0, 600 * NUSA);
    live(w, 0, dsdn_node_repeated);
    expect_node(w, 0, BANNED, REPEATED);
    assert_int_equal(n->banned_until, w->time_ms + ban);
    assert_int_equal(n->fault1_ms + n->fault2_ms + n->fault3_ms, 0);
    assert_int_equal(deadlines(w), 2);
    slashing = dsdn_gate_slashing_status(state(w), w->time_ms, id);
    assert_true(slashing.banned && slashing.faults == 0);
    expect_unmet(dsdn_gate_eligible(state(w), w->time_ms, id), NODE_BANNED);
    pass(w, ban - 1);
    expect_node(w, 0, BANNED, REPEATED); /* the cooldown ended long ago */
    assert_int_equal(deadlines(w), 1);
    pass(w, 1);
    expect_node(w, 0, PENDING, BAN_ENDED);
    expect_unmet(dsdn_gate_eligible(state(w), w->time_ms, id), NODE_STATUS);
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, ACTIVE, STAKE);

    /* A ban by decision with an end gives way to one for repeated faults, and that to a decision. */
    expect_result(status(w, 0, DSDN_NODE_BANNED, w->time_ms + 5), OK);
    live(w, 0, dsdn_node_repeated);
    assert_int_equal(deadlines(w), 1);
    expect_result(status(w, 0, DSDN_NODE_BANNED, 0), OK);
    expect_node(w, 0, BANNED, DECISION);
    assert_int_equal(deadlines(w), 0);
    world_free(w);
}

/* Leaving does not shorten anything. */
static void test_faults_and_leaving(void **unused)
{
    (void)unused;
    const uint64_t cooldown = 604800000, ban = 2592000000;
    struct world *w = staked_world();
    struct dsdn_ev_node_deregistered d = {w->node[0].key.public_key};
    struct dsdn_ev_node_registered r;
    staked_node(w, 0, "z", 600 * NUSA);
    live(w, 0, dsdn_node_fault);
    uint64_t first = w->time_ms;
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
    assert_int_equal(deadlines(w), 0);
    pass(w, cooldown - 1);
    r = registration(w, 0, "z");
    expect_unmet(enter(w, 0, &r), NODE_COOLDOWN);
    struct dsdn_gate_answer a = dsdn_gate_decide(state(w), w->time_ms, r.operator, r.node_id, 1, 0);
    assert_int_equal(a.verdict, DSDN_GATE_REFUSED);
    expect_unmet(a.reason, NODE_COOLDOWN);
    pass(w, 1);
    r = registration(w, 0, "z");
    expect_result(enter(w, 0, &r), OK);
    expect_node(w, 0, ACTIVE, STAKE);
    assert_int_equal(node_row(w, 0)->fault1_ms, first); /* remembered */
    assert_int_equal(node_row(w, 0)->cooldown_until, 0);

    /* At fault after it left: no deadline, but the time stands. */
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
    live(w, 0, dsdn_node_fault);
    expect_node(w, 0, CLOSED, LEFT);
    assert_int_equal(node_row(w, 0)->cooldown_until, w->time_ms + cooldown);
    assert_int_equal(deadlines(w), 0);
    live(w, 0, dsdn_node_repeated);
    expect_node(w, 0, CLOSED, LEFT);
    assert_int_equal(node_row(w, 0)->banned_until, w->time_ms + ban);
    assert_int_equal(node_row(w, 0)->fault1_ms, 0);
    assert_int_equal(deadlines(w), 0);
    expect_unmet(enter(w, 0, &r), NODE_BANNED);
    assert_true(dsdn_gate_slashing_status(state(w), w->time_ms, r.node_id).banned);
    pass(w, ban);
    r = registration(w, 0, "z");
    expect_result(enter(w, 0, &r), OK);
    assert_int_equal(node_row(w, 0)->banned_until, 0);
    world_free(w);

    /* The end of time is the latest end there is. */
    w = staked_world();
    staked_node(w, 0, "z", 600 * NUSA);
    w->time_ms = UINT64_MAX - 1000;
    live(w, 0, dsdn_node_fault);
    live(w, 0, dsdn_node_repeated);
    assert_true(node_row(w, 0)->cooldown_until == UINT64_MAX && node_row(w, 0)->banned_until == UINT64_MAX);
    world_free(w);

    /* The shortest cooldown is over a moment later. */
    w = world_with((struct world_options){.level = 1, .parameter = {"slash_cooldown_ms", 1}});
    staked_node(w, 0, "z", 600 * NUSA);
    live(w, 0, dsdn_node_fault);
    expect_node(w, 0, QUARANTINED, SLASHED);
    pass(w, 0);
    expect_node(w, 0, QUARANTINED, SLASHED);
    pass(w, 1);
    expect_node(w, 0, ACTIVE, STAKE);
    world_free(w);
}

/* ---- the gate ---- */

static void expect_gate_at(struct world *w, int operator, int node, uint8_t role, int16_t node_class,
                           enum dsdn_gate_verdict verdict, dsdn_outcome reason, int line)
{
    struct dsdn_gate_answer a = dsdn_gate_decide(
        state(w), w->time_ms,
        w->operator[operator].key.public_key, w->node[node].key.public_key, role, node_class);
    if (a.verdict != verdict) fail_msg("line %d: verdict %d where %d is right", line, a.verdict, verdict);
    expect_at(a.reason, reason, line);
}
#define expect_gate(w, operator, node, role, node_class, verdict, reason)                                    \
    expect_gate_at((w), (operator), (node), (role), (node_class), DSDN_GATE_##verdict, (reason), __LINE__)

static void test_gate(void **unused)
{
    (void)unused;
    /* Roles and classes: one rule for all (GATE-6). */
    for (uint8_t role = 0; role <= 6; role++)
        for (int16_t node_class = -1; node_class <= 3; node_class++) {
            dsdn_outcome wanted = DSDN_RESULT(OK);
            if (role < 1 || role > 4)
                wanted = DSDN_UNMET(NODE_ROLE);
            else if (role == 1 ? node_class != 0 && node_class != 1 : node_class != -1)
                wanted = DSDN_UNMET(NODE_CLASS);
            expect_at(dsdn_gate_class(role, node_class), wanted, __LINE__);
        }

    struct world *w = staked_world();
    expect_gate(w, 0, 0, 5, -1, REFUSED, DSDN_UNMET(NODE_ROLE));
    expect_gate(w, 0, 0, 1, -1, REFUSED, DSDN_UNMET(NODE_CLASS));
    expect_gate(w, 0, 0, 1, 0, REFUSED, DSDN_UNMET(STAKE_MISSING)); /* no stake: rejected (GATE-3) */
    stake_set(w, 0, 300 * NUSA);
    expect_gate(w, 0, 0, 1, 0, QUARANTINED, DSDN_UNMET(STAKE_BELOW_MINIMUM)); /* short: quarantined */
    assert_int_equal(dsdn_gate_node_role(state(w), w->node[0].key.public_key), 0);
    assert_int_equal(dsdn_gate_node_class(state(w), w->node[0].key.public_key), -1);
    assert_false(dsdn_gate_slashing_status(state(w), w->time_ms, w->node[0].key.public_key).known);
    expect_unmet(dsdn_gate_eligible(state(w), w->time_ms, w->node[0].key.public_key), NODE_UNKNOWN);
    staked_node(w, 0, "z", 5000 * NUSA);
    expect_gate(w, 0, 0, 1, 0, ALLOWED, DSDN_RESULT(OK));
    assert_int_equal(dsdn_gate_node_role(state(w), w->node[0].key.public_key), 1);
    assert_int_equal(dsdn_gate_node_class(state(w), w->node[0].key.public_key), 0);

    /* Somebody else's identity does not join (GATE-3), nor the right one under another name. */
    expect_gate(w, 1, 0, 1, 0, REFUSED, DSDN_RESULT(NOT_AUTHORISED));
    expect_gate(w, 0, 0, 2, -1, REFUSED, DSDN_UNMET(NODE_ROLE));
    expect_gate(w, 0, 0, 1, 1, REFUSED, DSDN_UNMET(NODE_CLASS));

    stake_set(w, 0, 0);
    expect_gate(w, 0, 0, 1, 0, QUARANTINED, DSDN_UNMET(STAKE_MISSING));
    stake_set(w, 0, 500 * NUSA);
    live(w, 0, dsdn_node_fault);
    expect_gate(w, 0, 0, 1, 0, QUARANTINED, DSDN_UNMET(NODE_COOLDOWN)); /* slashed: cooldown enforced */
    expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK);
    expect_gate(w, 0, 0, 1, 0, QUARANTINED, DSDN_UNMET(NODE_STATUS));
    expect_result(status(w, 0, DSDN_NODE_BANNED, 0), OK);
    expect_gate(w, 0, 0, 1, 0, REFUSED, DSDN_UNMET(NODE_BANNED));

    /* Papers, and room for one more chunk. */
    struct dsdn_ev_node_registered r = registration(w, 1, "z");
    r.tls_not_after = w->time_ms + 20, r.binding_expiry = w->time_ms + 10;
    stake_set(w, 1, 500 * NUSA);
    expect_result(enter(w, 1, &r), OK);
    pass(w, 9);
    expect_gate(w, 0, 1, 1, 0, ALLOWED, DSDN_RESULT(OK));
    pass(w, 1);
    expect_gate(w, 0, 1, 1, 0, REFUSED, DSDN_UNMET(BINDING_EXPIRED));
    expect_unmet(dsdn_gate_eligible(state(w), w->time_ms, r.node_id), BINDING_EXPIRED);
    pass(w, 10);
    expect_gate(w, 0, 1, 1, 0, REFUSED, DSDN_UNMET(TLS_EXPIRED));
    struct dsdn_row_node made_up = {
        .status = DSDN_NODE_ACTIVE, .role = 1, .tls_not_after = 1, .binding_expiry = 1};
    made_up.capacity_gb = 1, made_up.used_bytes = (1u << 30) - 100;
    expect_result(dsdn_gate_store(&made_up, 100, 0), OK);
    expect_unmet(dsdn_gate_store(&made_up, 101, 0), CAPACITY_FULL);
    world_free(w);
}

/* ---- another operator ---- */

static dsdn_outcome bind(struct world *w, struct person *to)
{
    uint8_t signature[64];
    struct dsdn_ev_operator_bound b = {w->node[0].key.public_key, to->key.public_key,
                                       w->time_ms + 20 * DAY_MS, signature};
    return play_signed(w, to, dsdn_EVENT_operator_bound, &b, signature, "node_sig", &w->node[0]);
}

/* From OperatorBound on the new operator's stake counts, at once and alone. */
static void test_operator_bound(void **unused)
{
    (void)unused;
    struct world *w = staked_world();
    struct person *second = &w->operator[1];
    struct dsdn_ev_node_registered r = registration(w, 0, "z");
    stake_set(w, 0, 500 * NUSA);
    expect_result(enter(w, 0, &r), OK);
    expect_node(w, 0, ACTIVE, STAKE);
    expect_result(bind(w, second), OK); /* who has none */
    expect_node(w, 0, QUARANTINED, STAKE);
    expect_gate(w, 1, 0, 1, 0, QUARANTINED, DSDN_UNMET(STAKE_MISSING));
    stake_by(w, 0, second->key.public_key, 1, 500 * NUSA - 1);
    expect_result(bind(w, &w->operator[0]), OK); /* back to who has enough */
    expect_node(w, 0, ACTIVE, STAKE);
    expect_result(bind(w, second), OK); /* who has too little */
    expect_node(w, 0, QUARANTINED, STAKE);
    expect_result(bind(w, &w->operator[0]), OK);
    stake_by(w, 0, second->key.public_key, 1, 500 * NUSA);
    expect_result(bind(w, second), OK);
    expect_node(w, 0, ACTIVE, STAKE);
    stake_set(w, 0, 0); /* the first operator takes hers away */
    live(w, 0, dsdn_node_judge);
    expect_node(w, 0, ACTIVE, STAKE);
    expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK); /* a decision stays one */
    expect_result(bind(w, &w->operator[0]), OK);
    expect_result(bind(w, second), OK);
    expect_node(w, 0, QUARANTINED, DECISION);
    world_free(w);

    /* A node that holds replicas lets go of them, as after any quarantine. */
    w = staked_world();
    r = registration(w, 0, "z");
    stake_set(w, 0, 500 * NUSA);
    expect_result(enter(w, 0, &r), OK);
    declare(w, 1, 1);
    expect_result(assign(w, 0, 0, "z", w->time_ms + DAY_MS), OK);
    expect_result(bind(w, &w->operator[1]), OK);
    assert_int_equal(node_row(w, 0)->replica_cnt, 1);
    pass(w, 1);
    assert_int_equal(node_row(w, 0)->replica_cnt, 0);
    world_free(w);
}

/* Pilot level: only listed operators register (GATE-12). */
/* Puts an operator on the pilot list, or takes him off. */
static void list_operator(struct world *w, const uint8_t operator[32], int64_t listed)
{
    uint8_t key[48] = "op:";
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (uint32_t i = 0; i < 43;
         i++) { /* base64url, digit by digit: six bits each, the last two bits missing */
        uint32_t bit = 6 * i, at = bit / 8;
        uint32_t two = (uint32_t)operator[at] << 8 | (at < 31 ? operator[at + 1] : 0);
        key[3 + i] = (uint8_t)digits[two >> (10 - bit % 8) & 63];
    }
    must(dsdn_table_reserve(&state(w)->tables[dsdn_sys_TABLE_parameter], 1, &error));
    uint32_t row = dsdn_sys_parameter_find(state(w), key);
    if (row == DSDN_NO_ROW) row = dsdn_sys_parameter_insert(state(w), key);
    dsdn_sys_parameter_edit(state(w), row)->value = listed;
    dsdn_state_settle(state(w));
}

static void test_pilot(void **unused)
{
    (void)unused;
    struct world *w = world_with((struct world_options){.parameter = {"gate_pilot", 1}});
    struct dsdn_ev_node_registered r = registration(w, 0, "z");
    expect_unmet(enter(w, 0, &r), OPERATOR_NOT_ALLOWED);
    expect_gate(w, 0, 0, 1, 0, REFUSED, DSDN_UNMET(OPERATOR_NOT_ALLOWED));
    list_operator(w, r.operator, 1);
    expect_gate(w, 0, 0, 1, 0, ALLOWED, DSDN_RESULT(OK));
    expect_gate(w, 1, 0, 1, 0, REFUSED, DSDN_UNMET(OPERATOR_NOT_ALLOWED));
    expect_result(enter(w, 0, &r), OK);

    /* A node passes to listed operators only, and one who is not listed any more cannot prolong his binding. */
    struct person *second = &w->operator[1];
    uint8_t sig[64];
    struct dsdn_ev_operator_bound b = {r.node_id, second->key.public_key, w->time_ms, sig};
    expect_unmet(play_signed(w, second, dsdn_EVENT_operator_bound, &b, sig, "node_sig", &w->node[0]),
                 BINDING_EXPIRED); /* asked before the list */
    b.expiry = w->time_ms + DAY_MS;
    expect_unmet(play_signed(w, second, dsdn_EVENT_operator_bound, &b, sig, "node_sig", &w->node[0]),
                 OPERATOR_NOT_ALLOWED);
    list_operator(w, b.operator, 1);
    expect_result(play_signed(w, second, dsdn_EVENT_operator_bound, &b, sig, "node_sig", &w->node[0]), OK);
    expect_result(play_signed(w, second, dsdn_EVENT_operator_bound, &b, sig, "node_sig", &w->node[0]),
                  NO_EFFECT);
    list_operator(w, b.operator, 0);
    expect_unmet(play_signed(w, second, dsdn_EVENT_operator_bound, &b, sig, "node_sig", &w->node[0]),
                 OPERATOR_NOT_ALLOWED); /* asked before whether anything changes */
    world_free(w);
}

static void test_codes(void **unused)
{
    (void)unused;
    check_codes_reached(17, 31);
}

int main(void)
{
    if (dsdn_sign_self_test(&error)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minimums), cmocka_unit_test(test_judge),
        cmocka_unit_test(test_faults),   cmocka_unit_test(test_faults_and_leaving),
        cmocka_unit_test(test_gate),     cmocka_unit_test(test_pilot),
        cmocka_unit_test(test_codes),    cmocka_unit_test(test_operator_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
