#include "adapters/celestia/reader_private.h"

#include <stdio.h>
#include <time.h>

#define CHUNK_WAIT_MS 300u /* a stalled header holds up the verification of those below it so long */

static struct dsdn_celestia_time now_time(const struct dsdn_reader *r)
{
    if (r->clock_ms) {
        uint64_t ms = r->clock_ms(r->self);
        return (struct dsdn_celestia_time){(int64_t)(ms / 1000), (int32_t)(ms % 1000 * 1000000)};
    }
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (struct dsdn_celestia_time){t.tv_sec, (int32_t)t.tv_nsec};
}

static void stick(struct dsdn_reader *r, enum dsdn_da_answer answer, const struct dsdn_error *why)
{
    r->stuck_answer = answer;
    r->stuck = *why;
}

/* ---- witnesses ---------------------------------------------------------------------------------- */

bool reader_confirmed(const struct dsdn_reader *r)
{
    for (uint32_t i = 0; r->confirm_height && i < r->witness_cnt; i++)
        if (!r->witnesses[i].answered) return false;
    return true;
}

static void drop_witnesses(struct dsdn_reader *r)
{
    for (uint32_t i = 0; i < r->witness_cnt; i++) {
        dsdn_rpc_end_call(r->rpc, r->witnesses[i].call);
        r->witnesses[i] = (struct witness){.call = NULL};
    }
    r->confirm_height = 0;
}

static void want_witnesses(struct dsdn_reader *r, uint64_t height, const uint8_t hash[32])
{
    drop_witnesses(r);
    r->confirm_height = height;
    memcpy(r->confirm_hash, hash, 32);
}

/* Those that have not answered and are not being asked. */
static int ask_witnesses(struct dsdn_reader *r, struct dsdn_error *error)
{
    char params[32];
    int rc = DSDN_OK, len = snprintf(params, sizeof params, "[%llu]", (unsigned long long)r->confirm_height);
    for (uint32_t i = 0; !rc && r->confirm_height && i < r->witness_cnt; i++)
        if (!r->witnesses[i].answered && !r->witnesses[i].call)
            rc = dsdn_rpc_start(r->rpc, &r->endpoints[r->endpoint_cnt + i], DSDN_CELESTIA_HEADER,
                                (struct dsdn_view){(const uint8_t *)params, (size_t)len}, 0, 0,
                                &r->witnesses[i].call, error);
    return rc;
}

/* One that cannot answer - unreachable, behind, without permission - neither agrees nor disagrees. */
static void hear_witnesses(struct dsdn_reader *r)
{
    for (uint32_t i = 0; r->confirm_height && i < r->witness_cnt; i++) {
        struct witness *w = &r->witnesses[i];
        const struct dsdn_rpc_end *end = w->call ? dsdn_rpc_done(w->call) : NULL;
        struct dsdn_block_answer answer;
        struct dsdn_error why = DSDN_ERROR_INIT;
        uint8_t hash[32] = {0};
        if (!end) continue;
        if (end->meaning.answer == DSDN_DA_PRESENT) {
            if (dsdn_json_read_block(end->result, &answer, &why) == 0) {
                if (dsdn_celestia_header_shape(&answer.block.header, &why) == 0)
                    dsdn_celestia_header_hash(&answer.block.header, hash);
                dsdn_block_answer_free(&answer);
            }
            w->answered = dsdn_equal32(hash, r->confirm_hash);
            if (!w->answered) { /* and it is asked again, if the caller calls again */
                const struct dsdn_endpoint *endpoint = &r->endpoints[r->endpoint_cnt + i];
                dsdn_fail(&why, DSDN_E_EQUIVOCATION, "height %llu: %s and %s have different headers",
                          (unsigned long long)r->confirm_height, r->endpoints[0].url, endpoint->url);
                stick(r, DSDN_DA_DISAGREE, &why);
            }
        } else {
            w->answered = true;
        }
        dsdn_rpc_end_call(r->rpc, w->call);
        w->call = NULL;
    }
}

void reader_forget_trust(struct dsdn_reader *r)
{
    drop_witnesses(r);
    r->descending = false;
    r->chunk_top = r->chunk_limit = r->marked = r->climbing = r->waiting_ms = 0;
}

/* ---- upwards ------------------------------------------------------------------------------------ */

/* The header of a height that the light client asks for: in the window, or beside it. */
static struct slot *wanted_slot(struct dsdn_reader *r, uint64_t height)
{
    struct slot *s = r->descending ? NULL : reader_slot(r, height);
    if (s) return s;
    if (r->aux.height != height) {
        slot_clear(r, &r->aux);
        r->aux.height = height;
    }
    return &r->aux;
}

/* Goes on to target; *reached when it is verified. */
static int climb(struct dsdn_reader *r, uint64_t target, bool *reached, struct dsdn_error *error)
{
    uint64_t height;
    *reached = false;
    while ((height = dsdn_chain_wanted(r->chain, target))) {
        struct dsdn_error why = DSDN_ERROR_INIT;
        struct slot *s = wanted_slot(r, height);
        r->climbing = height;
        if (s == &r->aux) {
            int rc = slot_run(r, s, false, error);
            if (rc) return rc;
        }
        if (!s->block.memory) return DSDN_OK;
        enum dsdn_light_verdict verdict = dsdn_chain_give(r->chain, &s->block.block, now_time(r), &why);
        switch (verdict) {
        case DSDN_LIGHT_BISECT: continue;
        case DSDN_LIGHT_EXPIRED: stick(r, DSDN_DA_BAD_HEADER, &why); return DSDN_OK;
        case DSDN_LIGHT_FORGED: slot_refuse_header(r, s, &why); return DSDN_OK;
        case DSDN_LIGHT_VERIFIED: break;
        }
        if (dsdn_chain_top(r->chain) == target) break;
    }
    r->climbing = 0;
    *reached = r->moved = true;
    return DSDN_OK;
}

/* Links headers of the window below a trusted one. */
static void link_down(struct dsdn_reader *r)
{
    for (uint64_t h = r->chunk_top; h > r->next; h--) {
        struct slot *above = reader_slot(r, h), *s = reader_slot(r, h - 1);
        if (!above || !above->trusted || !s || !s->block.memory) return;
        if (s->trusted) continue;
        const struct dsdn_view *link = &above->block.block.header.last_block_id.hash;
        if (link->len == 32 && dsdn_equal32(link->bytes, s->hash)) {
            s->trusted = true;
        } else {
            struct dsdn_error why = DSDN_ERROR_INIT;
            dsdn_fail(&why, DSDN_E_CHAIN, "the header is not the one that the trusted header above it names");
            slot_refuse_header(r, s, &why);
            return;
        }
    }
}

/* A header within the chunk that no endpoint has as it must be cuts those below it off from the trusted one
 * above.  They are verified on their own then: its turn to be complained about comes when it is the next. */
static void go_around(struct dsdn_reader *r)
{
    struct slot *s = reader_slot(r, r->next);
    if (r->next > r->chunk_top || !s || s->trusted || !s->block.memory) return;
    for (uint64_t h = r->next + 1; h < r->chunk_top; h++) {
        s = reader_slot(r, h);
        if (!s || !s->header.failed) continue;
        dsdn_chain_back(r->chain);
        reader_forget_trust(r);
        r->chunk_limit = h - 1;
        r->moved = true;
        return;
    }
}

/* Verifies the highest header of the window that is here with all below it. */
static int verify_chunk(struct dsdn_reader *r, struct dsdn_error *error)
{
    uint64_t goal = r->next + r->ahead - 1, top = r->next, now = reader_now_ms();
    bool reached;
    if (goal > r->head_seen.height) goal = r->head_seen.height;
    if (r->to && goal > r->to) goal = r->to;
    if (r->chunk_limit >= r->next && goal > r->chunk_limit) goal = r->chunk_limit;
    for (struct slot *s; top <= goal && (s = reader_slot(r, top)) && s->block.memory;) top++;
    if (top == r->next) return DSDN_OK;
    top--;
    if (!r->waiting_ms) r->waiting_ms = now;
    if (top < goal && now - r->waiting_ms < CHUNK_WAIT_MS) return DSDN_OK;
    if (r->marked != r->next) { /* once, however often the climb has to wait */
        dsdn_chain_mark(r->chain);
        r->marked = r->next;
    }
    int rc = climb(r, top, &reached, error);
    if (rc || !reached) return rc;
    r->marked = 0;
    struct slot *s = reader_slot(r, top);
    s->trusted = true;
    r->chunk_top = top;
    r->waiting_ms = 0;
    want_witnesses(r, top, s->hash);
    return ask_witnesses(r, error);
}

/* ---- downwards ---------------------------------------------------------------------------------- */

/* Begins at the lowest header above `next` that is remembered, or at the highest verified one. */
static int start_descent(struct dsdn_reader *r, struct dsdn_error *error)
{
    uint64_t from = dsdn_chain_above(r->chain, r->next);
    if (!from) {
        /* what is remembered is below: the chain's top is where it begins anew */
        struct slot *s = wanted_slot(r, dsdn_chain_top(r->chain));
        int rc = s == &r->aux ? slot_run(r, s, false, error) : DSDN_OK;
        if (rc || !s->block.memory) return rc;
        rc = dsdn_chain_learn(r->chain, s->height, s->hash, error);
        if (rc) return rc;
        from = s->height;
    }
    reader_clear(r);
    r->descending = r->moved = true;
    r->down_height = from;
    (void)dsdn_chain_hash(r->chain, from, r->down_hash);
    return DSDN_OK;
}

static int descend(struct dsdn_reader *r, struct dsdn_error *error)
{
    for (;;) {
        if (r->down_height <= r->next) {
            reader_clear(r);
            r->descending = false;
            r->moved = true;
            return DSDN_OK;
        }
        struct slot *s = reader_slot(r, r->down_height);
        if (!s || !s->block.memory) return DSDN_OK;
        const struct dsdn_view *link = &s->block.block.header.last_block_id.hash;
        if (!dsdn_equal32(s->hash, r->down_hash) || link->len != 32) {
            struct dsdn_error why = DSDN_ERROR_INIT;
            dsdn_fail(&why, DSDN_E_CHAIN, "the header is not the one that the trusted header above it names");
            slot_refuse_header(r, s, &why);
            return DSDN_OK;
        }
        r->down_height--;
        memcpy(r->down_hash, link->bytes, 32);
        int rc = dsdn_chain_learn(r->chain, r->down_height, r->down_hash, error);
        slot_clear(r, s);
        if (rc) return rc;
    }
}

/* ---- all of it ---------------------------------------------------------------------------------- */

int reader_trust(struct dsdn_reader *r, struct dsdn_error *error)
{
    uint8_t known[32];
    bool reached;
    hear_witnesses(r);
    if (!r->stuck.code) {
        int rc = ask_witnesses(r, error);
        if (rc) return rc;
    }
    uint64_t anchor = dsdn_chain_anchor(r->chain).height, top = dsdn_chain_top(r->chain);
    if (!anchor || r->stuck.code) return DSDN_OK;
    if (!top) {
        int rc = climb(r, anchor, &reached, error);
        if (rc || !reached) return rc;
        struct slot *s = wanted_slot(r, anchor);
        rc = dsdn_chain_hash(r->chain, anchor, known) ? DSDN_OK
                                                      : dsdn_chain_learn(r->chain, anchor, s->hash, error);
        want_witnesses(r, anchor, s->hash);
        if (s != &r->aux) s->trusted = true;
        return rc ? rc : ask_witnesses(r, error);
    }
    if (r->descending) return descend(r, error);
    link_down(r);
    go_around(r);
    if (r->next <= r->chunk_top || dsdn_chain_hash(r->chain, r->next, known)) return DSDN_OK;
    return r->next > top ? verify_chunk(r, error) : start_descent(r, error);
}
