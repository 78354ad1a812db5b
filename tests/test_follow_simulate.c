/* A deterministic simulator of followers.  Each seed makes a world: a publisher with direct and pool bundles,
 * invalid batches, rivals with histories of their own, certificates here and there, origins that freeze, step
 * and run ahead, a takeover, copies and garbage.  Followers read it in different ways: in order; with kills
 * at any point; certified batches first; with a small queue of direct bundles.  All must end with the same
 * head, the same root, the same settled batches and a log that replays to that root.  DSDN_SEEDS=n plays n
 * worlds; DSDN_SEED=k plays only that one. */
#include "tests/follow_util.h"

#include "tests/stamp.h"

static uint64_t state;

static uint64_t rnd(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static bool one_in(uint64_t n)
{
    return rnd(n) == 0;
}

/* ---- a world ---- */

struct world {
    struct net net;
    int off[64]; /* nodes that the quorum source has certified */
    int off_cnt;
    uint64_t last;
    bool taken_over;
};

static int make(struct world *w, int parent, uint64_t now)
{
    struct net *n = &w->net;
    uint64_t low = parent == GENESIS ? START : n->nodes[parent].header.origin.height;
    struct net_batch b = {
        .parent = parent, .origin = now - 1 - rnd(2), .pool = one_in(2) ? 1 + (int)rnd(USERS) : 0};
    if (one_in(10)) b.origin = low;          /* frozen */
    if (one_in(50)) b.origin = now + rnd(3); /* ahead of its own inclusion */
    if (b.origin < START) b.origin = START;
    if (b.origin < low && one_in(8))
        b.invalid = true; /* steps back */
    else if (b.origin < low)
        b.origin = low;
    if (w->taken_over) {
        const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(net_state(n, parent)));
        if (head->authority_epoch) b.by = &n->next, b.epoch = head->authority_epoch;
    }
    switch (b.invalid ? 99 : rnd(40)) {
    case 0: b.leave_out = 1 + (int)rnd(2); break; /* invalid if there are as many */
    case 1: b.lie_hash = b.invalid = true; break;
    case 2: b.stand_still = true; break;
    case 3:
        b.pool = 1 + (int)rnd(USERS);
        b.bad_bundle = b.invalid = true;
        break;
    default: break;
    }
    struct dsdn_engine *e = net_state(n, parent);
    struct dsdn_origin origin = header_at(b.origin);
    uint64_t time_ms = dsdn_head(dsdn_engine_state(e))->time_ms;
    if (b.leave_out || b.stand_still) {
        need(dsdn_direct_select(e, &n->queue, &origin, time_ms > origin.time_ms ? time_ms : origin.time_ms,
                                &n->selection, &error));
        struct dsdn_cursor head = {dsdn_head(dsdn_engine_state(e))->cursor_height,
                                   dsdn_head(dsdn_engine_state(e))->cursor_index};
        if (b.leave_out)
            b.invalid = (uint32_t)b.leave_out <= n->selection.cnt;
        else
            b.invalid = n->selection.cnt || n->selection.cursor.height != head.height ||
                        n->selection.cursor.blob_index != head.blob_index;
    }
    /* What an origin ahead selects is known when its height is: such a batch may be found invalid later. */
    return net_make(n, &b);
}

static void post(struct world *w, int node)
{
    bool certified = one_in(6);
    net_post(&w->net, node, certified);
    if (one_in(6) && w->off_cnt < 64) w->off[w->off_cnt++] = node;
}

static void make_world(struct world *w)
{
    struct net *n = &w->net;
    int tip = GENESIS, late[64], late_cnt = 0;
    uint64_t length = 30 + rnd(40), takeover = one_in(3) ? 115 + rnd(20) : 0;
    w->off_cnt = 0;
    w->taken_over = false;
    struct fol live; /* the publisher goes on from where its own follower stands */
    net_open(n, true, NULL);
    fol_open(&live, n);
    for (uint64_t h = START + 1; h <= START + length && n->node_cnt < NODES_MAX - 20; h++) {
        fol_read(&live, n->now);
        tip = live.next ? live.chain[live.next - 1] : GENESIS;
        net_block(n, h);
        for (uint64_t i = rnd(5); i--;) {
            int user = (int)rnd(USERS);
            if (one_in(8))
                net_blob(n, NULL, 0);
            else if (one_in(8))
                net_blob(n, "DSDB and then nonsense", rnd(23));
            else if (one_in(5) && n->blob_cnt)
                net_again(n, (int)rnd((uint64_t)n->blob_cnt));
            else
                net_direct(n, user, 1000 + rnd(40) + (one_in(20) ? 100000 : 0), 1 + (uint32_t)rnd(3));
        }
        while (late_cnt && one_in(3)) net_post(n, late[--late_cnt], one_in(2));
        if (h == takeover) {
            int node = net_make(
                n, &(struct net_batch){.parent = tip, .origin = h - 1, .takeover = n->next.public_key});
            net_post(n, node, true);
            w->taken_over = true;
            if (one_in(2))
                tip = node; /* else the old authority does not know yet: a race */
            else
                continue;
        }
        for (uint64_t i = one_in(3) ? 0 : 1 + rnd(2); i--;) {
            int parent = tip;
            if (one_in(9)) /* a rival of something recent */
                for (uint64_t up = 1 + rnd(5); up-- && parent != GENESIS;) parent = n->nodes[parent].parent;
            int node = make(w, parent, h);
            if (one_in(16) && late_cnt < 64)
                late[late_cnt++] = node;
            else
                post(w, node);
            if (!n->nodes[node].invalid && n->nodes[node].header.origin.height < h &&
                (parent == tip || one_in(3)))
                tip = node;
        }
    }
    while (late_cnt) net_post(n, late[--late_cnt], one_in(2));
    w->last = n->now + WINDOW + 4;
    fol_close(&live);
}

/* ---- ways to read it ---- */

static void off_primary(struct world *w, struct fol *f)
{
    for (int i = 0; i < w->off_cnt; i++) fol_certified(f, w->off[i]);
}

static void read_one(struct world *w, struct fol *f, int how)
{
    uint64_t want, turns = 0;
    if (how == 3) off_primary(w, f);
    while ((want = dsdn_follow_want(f->f)) <= w->last) {
        need(fol_feed(f, want));
        if (turns++ > 50000) fail_msg("reading never ends");
        if (how == 1 && one_in(15)) {
            if (one_in(2)) need(dsdn_follow_sync(f->f, &error));
            fol_restart(f);
        }
        uint64_t back = want > START + 9 ? want - rnd(9) : want; /* known heights again */
        if (how == 2 && one_in(6) && back <= dsdn_follow_want(f->f)) need(fol_feed(f, back));
        if (how == 3 && one_in(6)) off_primary(w, f);
        if (how == 3 && one_in(25)) {
            fol_restart(f);
            off_primary(w, f);
        }
    }
    off_primary(w, f);
    while ((want = dsdn_follow_want(f->f)) <= w->last) need(fol_feed(f, want));
}

/* The log by itself leads to the same root. */
static void replay_log(struct fol *f, const uint8_t root[32])
{
    struct dsdn_engine *e = NULL;
    struct dsdn_roots roots;
    struct dsdn_prepared p = {0};
    struct dsdn_buffer buffer = {0};
    struct dsdn_store_info info;
    struct dsdn_store *store = dsdn_follow_store(f->f);
    dsdn_store_info(store, &info);
    need(dsdn_engine_new(&dsdn_catalogue, NULL, &e, &error));
    need(dsdn_engine_genesis(e, f->net->genesis.bytes, f->net->genesis.len, &error));
    for (uint64_t q = 0; q < f->next; q++) {
        struct dsdn_record record;
        need(dsdn_store_read(store, q, &buffer, &record, &error));
        need(dsdn_prepare(&p, &dsdn_catalogue, 0, record.batch, record.len, &error));
        need(dsdn_engine_judge(e, &p, &dsdn_certificate_verified, &error));
        need(dsdn_engine_apply(e, &p, &error));
    }
    need(dsdn_engine_root(e, 1, &roots, &error));
    assert_memory_equal(roots.state, root, 32);
    dsdn_prepared_free(&p);
    dsdn_buffer_free(&buffer);
    dsdn_engine_free(e);
}

static void play(uint64_t seed, uint64_t *totals)
{
    static struct world w;
    uint8_t first_root[32];
    uint64_t first_next = 0, first_settled = 0;
    state = seed * 0x9e3779b97f4a7c15u | 1;
    make_world(&w);
    for (int how = 0; how < 5; how++) {
        struct fol f;
        uint8_t root[32];
        fol_open(&f, &w.net);
        if (how == 4) { /* now and then the queue forgets */
            f.options.direct_bytes = 24 * sizeof(struct dsdn_direct);
            fol_restart(&f);
        }
        read_one(&w, &f, how);
        need(dsdn_follow_sync(f.f, &error));
        fol_root(&f, root);
        replay_log(&f, root);
        bool stuck = how == 4 && f.seen[DSDN_FOLLOW_ALARM] && dsdn_follow_want(f.f) == DSDN_HEIGHT_NONE;
        if (how == 0) {
            memcpy(first_root, root, 32);
            first_next = f.next;
            first_settled = f.settled;
        } else if (!stuck && (f.next != first_next || f.settled != first_settled ||
                              memcmp(root, first_root, 32) != 0)) {
            fail_msg("seed %llu: follower %d ends at %llu, settled %llu; the first at %llu, settled %llu",
                     (unsigned long long)seed, how, (unsigned long long)f.next, (unsigned long long)f.settled,
                     (unsigned long long)first_next, (unsigned long long)first_settled);
        }
        totals[0] += f.next;
        totals[1] += f.settled;
        totals[2] += f.seen[DSDN_FOLLOW_ROLLED_BACK];
        totals[3] += f.seen[DSDN_FOLLOW_EVIDENCE];
        totals[4] += f.provisional;
        totals[5] += f.known;
        totals[6] += stuck;
        fol_close(&f);
    }
    net_close(&w.net);
}

static void test_followers_agree(void **unused)
{
    (void)unused;
    const char *only = getenv("DSDN_SEED"), *text = getenv("DSDN_SEEDS");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, seeds = only   ? 1
                                                                  : text ? strtoull(text, NULL, 10)
                                                                         : 10;
    uint64_t totals[7] = {0};
    for (uint64_t seed = first; seed < first + seeds; seed++) play(seed, totals);
    print_message(
        "%llu worlds, 5 followers each: %llu batches, %llu settled, %llu rollbacks, %llu pieces of evidence, "
        "%llu provisional, %llu met again after a kill, %llu queues full\n",
        (unsigned long long)seeds, (unsigned long long)totals[0], (unsigned long long)totals[1],
        (unsigned long long)totals[2], (unsigned long long)totals[3], (unsigned long long)totals[4],
        (unsigned long long)totals[5], (unsigned long long)totals[6]);
    if (only || seeds < 10) return;
    for (int i = 0; i < 6; i++) assert_true(totals[i] > seeds); /* the worlds are not dull */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_followers_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
