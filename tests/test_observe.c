/* What an observer of the engine sees, and that it changes nothing. */
#include "tests/random_log.h"

#include "roles/dsdn.h"

struct seen {
    uint32_t cnt[DSDN_STEP_HEAD + 1];
    enum dsdn_step_kind last;
    uint64_t sequence;    /* of the head row at the last step */
    uint64_t events;      /* EVENT steps since genesis */
    uint32_t next_event;  /* in the batch */
    uint32_t next_bundle; /* in the batch */
};

static void see(void *self, const struct dsdn_state *s, const struct dsdn_step *step)
{
    struct seen *seen = self;
    seen->cnt[step->kind]++;
    seen->last = step->kind;
    assert_int_equal(step->key != NULL, step->kind == DSDN_STEP_DEADLINE);
    switch (step->kind) {
    case DSDN_STEP_SCHEDULE:
        seen->next_event = seen->next_bundle = 0;
        break;
    case DSDN_STEP_NONCE: assert_int_equal(step->number, seen->next_bundle++); break;
    case DSDN_STEP_EVENT:
        assert_true(seen->next_bundle > 0);
        assert_int_equal(step->number, seen->next_event++);
        seen->events++;
        break;
    case DSDN_STEP_DEADLINE: /* its row is gone */
        assert_int_equal(dsdn_sys_deadline_find(s, step->key), DSDN_NO_ROW);
        break;
    case DSDN_STEP_HEAD: assert_int_equal(dsdn_head(s)->sequence, seen->sequence + 1); break;
    }
    seen->sequence = dsdn_head(s)->sequence;
}

/* The same log twice, watched and not watched. */
static void steps_come_in_order(void **test_state)
{
    (void)test_state;
    uint8_t roots[2][32];
    for (int watched = 0; watched < 2; watched++) {
        struct random_log r = {0};
        struct log l;
        struct seen seen = {0};
        struct dsdn_roots root;
        uint32_t batches = 0;
        struct log_options options = {.catalogue = &dsdn_catalogue, .genesis = &r.genesis};
        random_log_generate(&r, &dsdn_catalogue, 7, 3000);
        log_open(&l, &options);
        if (watched) dsdn_engine_observe(l.engine, see, &seen);
        for (size_t i = 0; i < r.cnt; i++) {
            uint64_t events = dsdn_head(log_state(&l))->event_count;
            l.next.time_ms = r.units[i].time_ms;
            random_log_bundle(&l, &r, &r.units[i], 0, r.units[i].event_cnt);
            if (i + 1 < r.cnt && r.units[i + 1].time_ms == r.units[i].time_ms) continue;
            log_apply(&l);
            batches++;
            if (!watched) continue;
            assert_int_equal(seen.last, DSDN_STEP_HEAD);
            assert_int_equal(seen.next_event, dsdn_head(log_state(&l))->event_count - events);
            assert_int_equal(seen.next_bundle, l.prepared.bundle_cnt);
        }
        l.next.time_ms += (uint64_t)366 * 24 * 3600 * 1000; /* an empty batch, and every deadline is due */
        log_apply(&l);
        batches++;
        if (watched) {
            assert_int_equal(seen.events, dsdn_head(log_state(&l))->event_count);
            assert_int_equal(seen.cnt[DSDN_STEP_HEAD], batches);
            assert_int_equal(seen.cnt[DSDN_STEP_SCHEDULE], batches);
            assert_true(seen.cnt[DSDN_STEP_DEADLINE] > 0);
            dsdn_engine_observe(l.engine, NULL, NULL);
        }
        log_must(&l, dsdn_engine_root(l.engine, 1, &root, &l.error));
        memcpy(roots[watched], root.state, 32);
        log_close(&l);
        random_log_free(&r);
    }
    assert_memory_equal(roots[0], roots[1], 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_come_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
