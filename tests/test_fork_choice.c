/* Fork choice against a naive oracle that knows only the set of facts, in every order of small sets and many
 * orders of random ones; then the named rules one by one, and what signers may do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "log/fork_choice.h"
#include "log/signer_lock.h"
#include "log/rescan.h"

#define LAG      6u
#define WINDOW   10u
#define BLOCK_MS 60000u /* header time of height h is h * BLOCK_MS: 120 s are two heights */

enum { CANDIDATES = 9, FACTS = 48 };

/* ---- a scenario: candidates, and facts about them in any order ---- */

struct fact {
    enum { FACT_KNOWN, FACT_SEEN, FACT_JUDGED, FACT_LIMITS } kind;
    int who; /* index of the candidate */
    enum dsdn_carrier carrier;
    bool primary;
    struct dsdn_inclusion at;
    enum dsdn_validity validity;
    struct dsdn_fork_limits limits;
};

struct scenario {
    struct dsdn_candidate candidate[CANDIDATES];
    int candidate_cnt, fact_cnt;
    struct fact fact[FACTS];
    uint64_t ready;
};

static const struct dsdn_fork_limits limits = {LAG, WINDOW};
static uint64_t state = 1;

static uint64_t rnd(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static void name(int who, uint8_t hash[32]) /* -1 is the root */
{
    memset(hash, 0, 32);
    dsdn_store64(hash, (uint64_t)(who + 2) * 0x9e3779b97f4a7c15u);
    hash[31] = (uint8_t)(who + 2);
}

static int add_candidate(struct scenario *s, int parent, uint64_t origin, uint64_t time_ms)
{
    int who = s->candidate_cnt++;
    struct dsdn_candidate *c = &s->candidate[who];
    *c = (struct dsdn_candidate){.sequence = parent < 0 ? 0 : s->candidate[parent].sequence + 1,
                                 .time_ms = time_ms,
                                 .origin_height = origin};
    name(who, c->hash);
    name(parent, c->prev);
    s->fact[s->fact_cnt++] = (struct fact){.kind = FACT_KNOWN, .who = who};
    s->fact[s->fact_cnt++] = (struct fact){.kind = FACT_JUDGED, .who = who, .validity = DSDN_VALID};
    return who;
}

static void see(struct scenario *s, int who, enum dsdn_carrier carrier, uint64_t height, uint32_t index)
{
    s->fact[s->fact_cnt++] = (struct fact){.kind = FACT_SEEN,
                                           .who = who,
                                           .carrier = carrier,
                                           .primary = height != DSDN_HEIGHT_NONE,
                                           .at = {height, index}};
}

static struct dsdn_fork_choice *tree_new(bool primary)
{
    struct dsdn_fork_root root = {.limits = limits};
    name(-1, root.hash);
    struct dsdn_fork_choice *f = dsdn_fork_choice_new(&root, primary, 64, NULL);
    assert_non_null(f);
    return f;
}

static uint32_t node_of(struct dsdn_fork_choice *f, const struct scenario *s, int who)
{
    uint32_t node = dsdn_fork_choice_find(f, s->candidate[who].hash);
    if (node == DSDN_FORK_NONE) assert_int_equal(dsdn_fork_choice_add(f, &s->candidate[who], &node, NULL), 0);
    return node;
}

static void tell(struct dsdn_fork_choice *f, const struct scenario *s, const struct fact *fact)
{
    uint32_t node = node_of(f, s, fact->who);
    if (fact->kind == FACT_SEEN)
        dsdn_fork_choice_include(f, node, fact->carrier, fact->primary ? &fact->at : NULL,
                                 fact->at.height * BLOCK_MS);
    else if (fact->kind == FACT_JUDGED)
        dsdn_fork_choice_judge(f, node, fact->validity, s->candidate[fact->who].origin_height);
    else if (fact->kind == FACT_LIMITS)
        dsdn_fork_choice_limits(f, node, &fact->limits);
}

/* ---- the oracle: protocol.md, section 8, read aloud ---- */

struct answer {
    int path[CANDIDATES], len;
    uint64_t eff[CANDIDATES];
    enum dsdn_finality finality[CANDIDATES];
};

static bool lower(struct dsdn_inclusion a, struct dsdn_inclusion b)
{
    return a.height < b.height || (a.height == b.height && a.index < b.index);
}

static struct dsdn_inclusion oracle_lowest(const struct scenario *s, int who, uint64_t lag, bool quorum_only)
{
    struct dsdn_inclusion best = {DSDN_HEIGHT_NONE, 0};
    for (int i = 0; i < s->fact_cnt; i++) {
        const struct fact *x = &s->fact[i];
        const struct dsdn_candidate *c = &s->candidate[who];
        if (x->kind != FACT_SEEN || x->who != who || !x->primary || x->at.height <= c->origin_height)
            continue;
        if (x->carrier == DSDN_CARRIER_BARE &&
            (x->at.height - c->origin_height > lag || c->time_ms > x->at.height * BLOCK_MS + 120000))
            continue;
        if (quorum_only && x->carrier != DSDN_CARRIER_QUORUM) continue;
        if (lower(x->at, best)) best = x->at;
    }
    return best;
}

static bool oracle_seen(const struct scenario *s, int who, enum dsdn_carrier carrier)
{
    for (int i = 0; i < s->fact_cnt; i++) {
        const struct fact *x = &s->fact[i];
        if (x->kind == FACT_SEEN && x->who == who && x->carrier == carrier &&
            (!x->primary || x->at.height > s->candidate[who].origin_height))
            return true;
    }
    return false;
}

static bool oracle_counts(const struct scenario *s, int who)
{
    enum dsdn_validity validity = DSDN_UNJUDGED;
    for (int i = 0; i < s->fact_cnt; i++)
        if (s->fact[i].kind == FACT_JUDGED && s->fact[i].who == who) validity = s->fact[i].validity;
    if (validity == DSDN_INVALID) return false;
    return validity != DSDN_UNJUDGED || s->candidate[who].origin_height <= s->ready ||
           oracle_seen(s, who, DSDN_CARRIER_QUORUM) || oracle_seen(s, who, DSDN_CARRIER_EMERGENCY);
}

static void oracle(const struct scenario *s, int parent, uint64_t eff, struct dsdn_fork_limits now,
                   enum dsdn_finality finality, struct answer *a)
{
    int child[CANDIDATES], cnt = 0, best = -1, off[2][CANDIDATES], off_cnt[2] = {0, 0};
    uint8_t hash[32];
    name(parent, hash);
    for (int i = 0; i < s->candidate_cnt; i++)
        if (memcmp(s->candidate[i].prev, hash, 32) == 0 && oracle_counts(s, i)) child[cnt++] = i;

    uint64_t close = DSDN_HEIGHT_NONE;
    for (int i = 0; i < cnt; i++) {
        uint64_t h = oracle_lowest(s, child[i], now.origin_lag_max, false).height;
        if (h != DSDN_HEIGHT_NONE && eff != DSDN_HEIGHT_NONE && (h > eff ? h : eff) + now.fork_window < close)
            close = (h > eff ? h : eff) + now.fork_window;
    }
    struct dsdn_inclusion lowest = {DSDN_HEIGHT_NONE, 0}; /* rule 1 */
    for (int i = 0; i < cnt; i++) {
        struct dsdn_inclusion cert = oracle_lowest(s, child[i], now.origin_lag_max, true);
        if (cert.height != DSDN_HEIGHT_NONE && (cert.height > eff ? cert.height : eff) <= close &&
            lower(cert, lowest)) {
            lowest = cert;
            best = child[i];
        }
    }
    for (int i = 0; best < 0 && i < cnt; i++) /* rule 2 */
        if (lower(oracle_lowest(s, child[i], now.origin_lag_max, false), lowest)) {
            best = -1;
            lowest = oracle_lowest(s, child[i], now.origin_lag_max, false);
            for (int j = 0; j < cnt; j++)
                if (lower(oracle_lowest(s, child[j], now.origin_lag_max, false), lowest))
                    lowest = oracle_lowest(s, child[j], now.origin_lag_max, false);
            for (int j = 0; j < cnt; j++) {
                struct dsdn_inclusion at = oracle_lowest(s, child[j], now.origin_lag_max, false);
                if (at.height == lowest.height && at.index == lowest.index) best = child[j];
            }
        }
    if (best < 0) { /* rule 3 */
        for (int i = 0; i < cnt; i++) {
            if (oracle_seen(s, child[i], DSDN_CARRIER_QUORUM))
                off[0][off_cnt[0]++] = child[i];
            else if (oracle_seen(s, child[i], DSDN_CARRIER_EMERGENCY))
                off[1][off_cnt[1]++] = child[i];
        }
        if (off_cnt[0] == 1) best = off[0][0];
        if (off_cnt[0] == 0 && off_cnt[1] == 1) best = off[1][0];
    }
    if (best < 0) return;
    uint64_t h = oracle_lowest(s, best, now.origin_lag_max, false).height;
    enum dsdn_finality own = h != DSDN_HEIGHT_NONE                       ? DSDN_FINALITY_PRIMARY
                             : oracle_seen(s, best, DSDN_CARRIER_QUORUM) ? DSDN_FINALITY_QUORUM
                                                                         : DSDN_FINALITY_EMERGENCY;
    a->finality[a->len] = own < finality ? own : finality;
    a->eff[a->len] = h > eff ? h : eff;
    a->path[a->len++] = best;
    for (int i = 0; i < s->fact_cnt; i++)
        if (s->fact[i].kind == FACT_LIMITS && s->fact[i].who == best) now = s->fact[i].limits;
    oracle(s, best, a->eff[a->len - 1], now, a->finality[a->len - 1], a);
}

static struct answer ask_oracle(const struct scenario *s)
{
    struct answer a = {.len = 0};
    oracle(s, -1, 0, limits, DSDN_FINALITY_SETTLED, &a);
    return a;
}

static void compare(struct dsdn_fork_choice *f, const struct scenario *s, const struct answer *want)
{
    uint32_t node = dsdn_fork_choice_root(f);
    for (int i = 0; i < want->len; i++) {
        node = dsdn_fork_choice_child(f, node);
        assert_int_not_equal(node, DSDN_FORK_NONE);
        assert_memory_equal(dsdn_fork_choice_hash(f, node), s->candidate[want->path[i]].hash, 32);
        assert_int_equal(dsdn_fork_choice_eff(f, node), want->eff[i]);
        assert_int_equal(dsdn_fork_choice_finality(f, node), want->finality[i]);
    }
    assert_int_equal(dsdn_fork_choice_child(f, node), DSDN_FORK_NONE);
    int on_path = 0;
    for (int i = 0; i < s->candidate_cnt; i++) on_path += dsdn_fork_choice_on_path(f, node_of(f, s, i));
    assert_int_equal(on_path, want->len);
}

static void play(const struct scenario *s, const int *order, uint64_t ready_after)
{
    struct answer want = ask_oracle(s);
    struct dsdn_fork_choice *f = tree_new(true);
    for (int i = 0; i < s->fact_cnt; i++) {
        if ((uint64_t)i == ready_after) dsdn_fork_choice_ready(f, s->ready);
        tell(f, s, &s->fact[order[i]]);
    }
    dsdn_fork_choice_ready(f, s->ready);
    compare(f, s, &want);
    dsdn_fork_choice_free(f);
}

static void permute(const struct scenario *s, int *order, int from)
{
    if (from == s->fact_cnt) {
        play(s, order, 0);
        return;
    }
    for (int i = from; i < s->fact_cnt; i++) {
        int keep = order[from];
        order[from] = order[i];
        order[i] = keep;
        permute(s, order, from + 1);
        order[i] = order[from];
        order[from] = keep;
    }
}

/* Seven facts, 5,040 orders each: rivals with and without certificates, on and off the primary. */
static void test_every_order(void **unused)
{
    (void)unused;
    static const struct {
        uint64_t bare[2], quorum[2]; /* heights; 0 = not there, 99 = off the primary */
        int wins;
    } cases[] = {
        {{5, 3}, {0, 0}, 1},   {{5, 3}, {9, 0}, 0},  {{5, 3}, {13, 0}, 0}, {{5, 3}, {14, 0}, 1},
        {{5, 3}, {12, 13}, 0}, {{5, 0}, {0, 99}, 0}, {{0, 0}, {99, 0}, 0}, {{0, 0}, {99, 99}, -1},
        {{0, 0}, {99, 20}, 1}, {{4, 0}, {0, 14}, 1}, {{4, 0}, {0, 15}, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct scenario s = {.ready = 0};
        int order[FACTS];
        add_candidate(&s, -1, 0, 0);
        add_candidate(&s, -1, 0, 0);
        for (int who = 0; who < 2; who++) {
            if (cases[k].bare[who]) see(&s, who, DSDN_CARRIER_BARE, cases[k].bare[who], 7);
            uint64_t q = cases[k].quorum[who];
            if (q) see(&s, who, DSDN_CARRIER_QUORUM, q == 99 ? DSDN_HEIGHT_NONE : q, 8);
        }
        for (int i = 0; i < s.fact_cnt; i++) order[i] = i;
        struct answer a = ask_oracle(&s);
        assert_int_equal(a.len ? a.path[0] : -1, cases[k].wins);
        permute(&s, order, s.fact_cnt > 7 ? s.fact_cnt - 7 : 0);
    }
}

static void random_scenario(struct scenario *s)
{
    *s = (struct scenario){.ready = rnd(6)};
    int cnt = 2 + (int)rnd(CANDIDATES - 1);
    uint32_t index = 0;
    for (int i = 0; i < cnt; i++) {
        int parent = (int)rnd((uint64_t)(i < 4 ? i + 1 : 5)) - 1 + (i >= 4 ? (int)rnd((uint64_t)(i - 3)) : 0);
        uint64_t low = parent < 0 ? 0 : s->candidate[parent].origin_height;
        uint64_t origin = low + rnd(4);
        add_candidate(s, parent, origin, (origin + rnd(6)) * BLOCK_MS);
        uint64_t said = rnd(8);
        s->fact[s->fact_cnt - 1].validity = said == 0 ? DSDN_INVALID : said == 1 ? DSDN_UNJUDGED : DSDN_VALID;
    }
    while (s->fact_cnt < FACTS - 4 && rnd(24)) {
        enum dsdn_carrier carrier = (enum dsdn_carrier)rnd(3);
        see(s, (int)rnd((uint64_t)cnt), carrier, rnd(4) ? 1 + rnd(24) : DSDN_HEIGHT_NONE, index++);
    }
    if (rnd(2)) {
        struct fact x = {
            .kind = FACT_LIMITS, .who = (int)rnd((uint64_t)cnt), .limits = {1 + rnd(9), rnd(14)}};
        s->fact[s->fact_cnt++] = x;
    }
}

static void test_random_orders(void **unused)
{
    (void)unused;
    const char *text = getenv("DSDN_SEEDS");
    uint64_t seeds = text ? strtoull(text, NULL, 10) : 3000, longest = 0, decided = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct scenario s;
        int order[FACTS];
        state = seed * 0x9e3779b97f4a7c15u | 1;
        random_scenario(&s);
        struct answer a = ask_oracle(&s);
        decided += a.len > 0;
        if ((uint64_t)a.len > longest) longest = (uint64_t)a.len;
        for (int i = 0; i < s.fact_cnt; i++) order[i] = i;
        for (int turn = 0; turn < 8; turn++) {
            for (int i = s.fact_cnt; i-- > 1;) {
                int j = (int)rnd((uint64_t)i + 1), keep = order[i];
                order[i] = order[j];
                order[j] = keep;
            }
            play(&s, order, rnd((uint64_t)s.fact_cnt));
        }
    }
    assert_true(longest >= 4 && decided > seeds / 2); /* the scenarios are worth something */
}

/* ---- named rules ---- */

static void run(struct dsdn_fork_choice *f, const struct scenario *s)
{
    for (int i = 0; i < s->fact_cnt; i++) tell(f, s, &s->fact[i]);
}

static int chosen(struct dsdn_fork_choice *f, const struct scenario *s)
{
    uint32_t node = dsdn_fork_choice_child(f, dsdn_fork_choice_root(f));
    for (int i = 0; i < s->candidate_cnt; i++)
        if (node != DSDN_FORK_NONE && !memcmp(dsdn_fork_choice_hash(f, node), s->candidate[i].hash, 32))
            return i;
    return -1;
}

/* Frozen origin, clock ahead, and the exemption of a certified batch. */
static void test_countable(void **unused)
{
    (void)unused;
    static const struct {
        uint64_t origin, time_ms, height;
        enum dsdn_carrier carrier;
        bool counts;
    } cases[] = {
        {10, 0, 10, DSDN_CARRIER_BARE, false}, /* not above its own origin */
        {10, 0, 10, DSDN_CARRIER_QUORUM, false},
        {10, 0, 11, DSDN_CARRIER_BARE, true},
        {10, 0, 10 + LAG, DSDN_CARRIER_BARE, true},
        {10, 0, 11 + LAG, DSDN_CARRIER_BARE, false},
        {10, 0, 11 + LAG, DSDN_CARRIER_EMERGENCY, true},
        {10, 13 * BLOCK_MS, 11, DSDN_CARRIER_BARE, true}, /* 120 s are two heights here */
        {10, 13 * BLOCK_MS + 1, 11, DSDN_CARRIER_BARE, false},
        {10, 13 * BLOCK_MS + 1, 12, DSDN_CARRIER_BARE, true},
        {10, 99 * BLOCK_MS, 11, DSDN_CARRIER_QUORUM, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scenario s = {.ready = 0};
        add_candidate(&s, -1, cases[i].origin, cases[i].time_ms);
        see(&s, 0, cases[i].carrier, cases[i].height, 0);
        struct dsdn_fork_choice *f = tree_new(true);
        run(f, &s);
        if (chosen(f, &s) != (cases[i].counts ? 0 : -1)) fail_msg("case %zu", i);
        dsdn_fork_choice_free(f);
    }
}

static void test_settle(void **unused)
{
    (void)unused;
    struct scenario s = {.ready = 100};
    int a = add_candidate(&s, -1, 0, 0), b = add_candidate(&s, -1, 0, 0);
    int child = add_candidate(&s, a, 3, 0), of_loser = add_candidate(&s, b, 3, 0);
    see(&s, a, DSDN_CARRIER_BARE, 5, 1);
    see(&s, b, DSDN_CARRIER_BARE, 5, 2);
    see(&s, child, DSDN_CARRIER_BARE, 4, 0); /* before its parent: its effect waits for it */
    see(&s, of_loser, DSDN_CARRIER_BARE, 4, 1);
    struct dsdn_fork_choice *f = tree_new(true);
    run(f, &s);
    uint32_t root = dsdn_fork_choice_root(f), node = node_of(f, &s, a);
    assert_int_equal(chosen(f, &s), a);
    assert_int_equal(dsdn_fork_choice_eff(f, node_of(f, &s, child)), 5);
    assert_int_equal(dsdn_fork_choice_close(f, root), 5 + WINDOW);
    assert_int_equal(dsdn_fork_choice_settles(f, 4 + WINDOW), DSDN_FORK_NONE);
    assert_int_equal(dsdn_fork_choice_settles(f, 5 + WINDOW), node);
    assert_int_equal(dsdn_fork_choice_count(f), 5);
    dsdn_fork_choice_advance(f, NULL, NULL);
    assert_int_equal(dsdn_fork_choice_root(f), node);
    assert_int_equal(dsdn_fork_choice_find(f, s.candidate[b].hash), DSDN_FORK_NONE);
    assert_int_equal(dsdn_fork_choice_finality(f, node), DSDN_FINALITY_SETTLED);
    assert_int_equal(dsdn_fork_choice_settles(f, 5 + WINDOW), node_of(f, &s, child));
    struct dsdn_fork_root point;
    dsdn_fork_choice_point(f, &point);
    assert_int_equal(point.next, 1);
    assert_int_equal(point.eff, 5);
    dsdn_fork_choice_advance(f, NULL, NULL);
    assert_int_equal(dsdn_fork_choice_count(f), 1); /* the loser's child went with its sequence */
    dsdn_fork_choice_free(f);
}

/* Nothing provisional, off the primary or without complete data settles; an unjudged batch waits for its
 * data. */
static void test_not_settled(void **unused)
{
    (void)unused;
    struct scenario s = {.ready = 0};
    int a = add_candidate(&s, -1, 3, 0);
    s.fact[s.fact_cnt - 1].validity = DSDN_UNJUDGED;
    see(&s, a, DSDN_CARRIER_BARE, 5, 1);
    struct dsdn_fork_choice *f = tree_new(true);
    run(f, &s);
    assert_int_equal(chosen(f, &s), -1);
    dsdn_fork_choice_ready(f, 2);
    assert_int_equal(chosen(f, &s), -1);
    dsdn_fork_choice_ready(f, 3);
    assert_int_equal(chosen(f, &s), a);
    assert_int_equal(dsdn_fork_choice_settles(f, 1000), DSDN_FORK_NONE);
    dsdn_fork_choice_judge(f, node_of(f, &s, a), DSDN_PROVISIONAL, 9);
    assert_int_equal(dsdn_fork_choice_settles(f, 1000), DSDN_FORK_NONE);
    dsdn_fork_choice_judge(f, node_of(f, &s, a), DSDN_VALID, 0);
    assert_int_equal(dsdn_fork_choice_settles(f, 1000), node_of(f, &s, a));
    dsdn_fork_choice_judge(f, node_of(f, &s, a), DSDN_INVALID, 0);
    assert_int_equal(chosen(f, &s), -1);
    dsdn_fork_choice_free(f);
}

static void test_without_primary(void **unused)
{
    (void)unused;
    struct scenario s = {.ready = 0};
    int a = add_candidate(&s, -1, 0, 0), b = add_candidate(&s, -1, 0, 0);
    see(&s, b, DSDN_CARRIER_QUORUM, DSDN_HEIGHT_NONE, 0);
    struct dsdn_fork_choice *f = tree_new(false);
    run(f, &s);
    assert_int_equal(chosen(f, &s), a); /* the first accepted child stays */
    assert_int_equal(dsdn_fork_choice_settles(f, UINT64_MAX), DSDN_FORK_NONE);
    dsdn_fork_choice_judge(f, node_of(f, &s, a), DSDN_INVALID, 0);
    assert_int_equal(chosen(f, &s), b);
    dsdn_fork_choice_free(f);
}

static void test_remove(void **unused)
{
    (void)unused;
    struct scenario s = {.ready = 0};
    int a = add_candidate(&s, -1, 0, 0), b = add_candidate(&s, -1, 0, 0), c = add_candidate(&s, -1, 0, 0);
    see(&s, a, DSDN_CARRIER_BARE, 5, 0);
    see(&s, b, DSDN_CARRIER_QUORUM, 6, 0);
    see(&s, c, DSDN_CARRIER_BARE, 4, 0);
    struct dsdn_fork_choice *f = tree_new(true);
    run(f, &s);
    dsdn_fork_choice_remove(f, node_of(f, &s, b));
    assert_int_equal(chosen(f, &s), c);
    dsdn_fork_choice_free(f);
}

static void test_bounds(void **unused)
{
    (void)unused;
    struct dsdn_fork_root root = {.limits = limits};
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t node;
    assert_null(dsdn_fork_choice_new(&root, true, 1, &error));
    assert_int_equal(error.code, DSDN_E_USAGE);
    struct dsdn_fork_choice *f = dsdn_fork_choice_new(&root, true, 200, &error);
    for (int i = 0; i < 199; i++) {
        struct dsdn_candidate c = {.sequence = (uint64_t)i};
        name(i, c.hash);
        name(i - 1, c.prev);
        assert_int_equal(dsdn_fork_choice_add(f, &c, &node, &error), 0);
    }
    struct dsdn_candidate one_more = {.sequence = 199};
    name(199, one_more.hash);
    assert_int_equal(dsdn_fork_choice_add(f, &one_more, &node, &error), DSDN_E_TOO_LARGE);
    for (int i = 0; i < 199; i++) {
        uint8_t hash[32];
        name(i, hash);
        assert_int_not_equal(dsdn_fork_choice_find(f, hash), DSDN_FORK_NONE);
    }
    dsdn_fork_choice_free(f);
}

/* ---- signers ---- */

static void test_equivocation(void **unused)
{
    (void)unused;
    struct dsdn_header a = {.sequence = 4, .origin = {.height = 100}, .publisher = {1}, .committee_epoch = 2},
                       b = a;
    assert_false(dsdn_equivocation(&a, &b, LAG)); /* one header signed twice is no crime */
    b.time_ms = 1;
    assert_true(dsdn_equivocation(&a, &b, LAG));
    b.origin.height = 100 + LAG;
    assert_true(dsdn_equivocation(&a, &b, LAG));
    assert_true(dsdn_equivocation(&b, &a, LAG));
    b.origin.height++;
    assert_false(dsdn_equivocation(&a, &b, LAG)); /* the lock allowed it */
    b.origin.height = 100;
    b.committee_epoch = 3;
    assert_false(dsdn_equivocation(&a, &b, LAG)); /* a hand-off race */
    b.committee_epoch = 2;
    b.publisher[0] = 2;
    assert_false(dsdn_equivocation(&a, &b, LAG));
    b = a;
    b.sequence = 5;
    assert_false(dsdn_equivocation(&a, &b, LAG));
    b = a;
    a.publisher[0] = b.publisher[0] = 0;
    b.time_ms = 1;
    assert_false(dsdn_equivocation(&a, &b, LAG)); /* takeovers have no signing key */
}

static void test_signer(void **unused)
{
    (void)unused;
    struct dsdn_header old = {.sequence = 9, .origin = {.height = 100}, .publisher = {1}}, new = old;
    struct dsdn_signer_lock lock = {.sequence = 9, .origin_height = 100};
    struct dsdn_signer_facts facts = {.settled_next = 5, .complete = 100 + LAG, .origin_lag_max = LAG};
    uint8_t bytes[DSDN_HEADER_LEN];
    dsdn_header_encode(&old, bytes);
    dsdn_batch_hash(bytes, lock.hash);
    new.origin.height = 101 + LAG;
    const struct dsdn_signer_facts good = facts;

    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, NULL, &old, &facts), DSDN_SIGN_LOCK);
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, &lock, &old, &facts), DSDN_SIGN_RESEND);
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, &lock, &new, &facts), DSDN_SIGN_LOCK);
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_WITNESS, &lock, &new, &facts), DSDN_SIGN_REFUSE);
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_WITNESS, &lock, &old, &facts), DSDN_SIGN_RESEND);
    facts.old_included = true;
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, &lock, &new, &facts), DSDN_SIGN_REFUSE);
    facts = good;
    facts.certificate = true;
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, &lock, &new, &facts), DSDN_SIGN_REFUSE);
    facts = good;
    facts.complete--; /* the last height that could include the old one was not read yet */
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, &lock, &new, &facts), DSDN_SIGN_REFUSE);
    facts = good;
    new.origin.height--; /* an observer would call it an equivocation */
    assert_true(dsdn_equivocation(&old, &new, LAG));
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, &lock, &new, &facts), DSDN_SIGN_REFUSE);
    facts.settled_next = 10;
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, NULL, &old, &facts), DSDN_SIGN_REFUSE);
    lock.sequence = 8;
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, &lock, &old, &good), DSDN_SIGN_REFUSE);
    lock.sequence = 9;

    struct dsdn_header takeover = {.sequence = 9, .origin = {.height = 100}};
    facts = good;
    facts.primary_live = true;
    facts.quiet_ms = facts.authority_timeout = 1000;
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_WITNESS, &lock, &takeover, &facts), DSDN_SIGN_LOCK);
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_WITNESS, NULL, &takeover, &facts), DSDN_SIGN_LOCK);
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_AUTHORITY, NULL, &takeover, &facts), DSDN_SIGN_REFUSE);
    facts.certificate = true;
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_WITNESS, NULL, &takeover, &facts), DSDN_SIGN_REFUSE);
    facts.certificate = false;
    facts.quiet_ms--;
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_WITNESS, NULL, &takeover, &facts), DSDN_SIGN_REFUSE);
    facts.quiet_ms++;
    facts.primary_live = false;
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_WITNESS, NULL, &takeover, &facts), DSDN_SIGN_REFUSE);
    facts.primary_live = lock.takeover = true;
    assert_int_equal(dsdn_signer_may(DSDN_SIGNER_WITNESS, &lock, &takeover, &facts), DSDN_SIGN_REFUSE);
}

/* ---- rescan marks: never later than a plain list would say ---- */

static void test_rescan(void **unused)
{
    (void)unused;
    state = 7;
    for (int round = 0; round < 2000; round++) {
        struct dsdn_rescan r = {.count = 0};
        struct dsdn_rescan_mark all[40];
        int cnt = 1 + (int)rnd(40);
        bool few = cnt <= (int)DSDN_RESCAN_MARKS;
        for (int i = 0; i < cnt; i++) {
            all[i] = (struct dsdn_rescan_mark){rnd(50), rnd(50)};
            dsdn_rescan_mark(&r, all[i].sequence, all[i].height);
            assert_true(r.count <= DSDN_RESCAN_MARKS);
        }
        for (uint64_t next = 0; next <= 50; next++) {
            uint64_t want = DSDN_RESCAN_NONE, got = dsdn_rescan_from(&r, next);
            for (int i = 0; i < cnt; i++)
                if (all[i].sequence <= next && all[i].height < want) want = all[i].height;
            assert_true(got <= want);
            if (few) assert_int_equal(got, want);
        }
        uint64_t low = dsdn_rescan_from(&r, UINT64_MAX);
        dsdn_rescan_clear(&r, 20);
        assert_true(dsdn_rescan_from(&r, 20) == DSDN_RESCAN_NONE);
        dsdn_rescan_clear(&r, UINT64_MAX);
        assert_true(r.count == 0 && low != DSDN_RESCAN_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order),  cmocka_unit_test(test_random_orders),
        cmocka_unit_test(test_countable),    cmocka_unit_test(test_settle),
        cmocka_unit_test(test_not_settled),  cmocka_unit_test(test_without_primary),
        cmocka_unit_test(test_remove),       cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_equivocation), cmocka_unit_test(test_signer),
        cmocka_unit_test(test_rescan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
