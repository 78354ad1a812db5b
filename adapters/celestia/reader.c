#include "adapters/celestia/reader_private.h"

#include <stdio.h>
#include <stdlib.h>

enum { WAIT_MAX_MS = 200 };

/* ---- start and end ------------------------------------------------------------------------------ */

static int open_endpoints(struct dsdn_reader *r, const struct dsdn_reader_options *o,
                          struct dsdn_error *error)
{
    int rc = DSDN_OK;
    for (uint32_t i = 0; !rc && i < o->endpoint_cnt; i++, r->endpoint_cnt += !rc)
        rc = dsdn_endpoint_open(&r->endpoints[i], &o->endpoints[i], error);
    for (uint32_t i = 0; !rc && i < o->witness_cnt; i++, r->witness_cnt += !rc)
        rc = dsdn_endpoint_open(&r->endpoints[o->endpoint_cnt + i], &o->witnesses[i], error);
    return rc;
}

int dsdn_reader_new(const struct dsdn_reader_options *o, struct dsdn_reader **reader,
                    struct dsdn_error *error)
{
    *reader = NULL;
    if (!o->endpoint_cnt || o->endpoint_cnt > DSDN_READER_ENDPOINTS_MAX ||
        o->witness_cnt > DSDN_READER_ENDPOINTS_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "1 to %u nodes and up to %u witnesses",
                         DSDN_READER_ENDPOINTS_MAX, DSDN_READER_ENDPOINTS_MAX);
    if (!o->from || o->from > INT64_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "heights begin at 1, not %llu", (unsigned long long)o->from);
    if (o->ahead > DSDN_READER_AHEAD_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "at most %u heights ahead", DSDN_READER_AHEAD_MAX);
    if (dsdn_namespace_compare(o->ns, dsdn_namespace_tail_padding) >= 0)
        return dsdn_fail(error, DSDN_E_USAGE, "padding and parity are no namespaces that have data");
    struct dsdn_reader *r = calloc(1, sizeof *r);
    if (!r) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a reader");
    memcpy(r->ns, o->ns, DSDN_NAMESPACE_LEN);
    r->next = o->from;
    r->to = o->to;
    r->ahead = o->ahead ? o->ahead : 64;
    r->ahead_bytes = o->ahead_bytes ? o->ahead_bytes : (size_t)256 << 20;
    r->poll_ms = o->poll_ms ? o->poll_ms : 1000;
    r->proofs = o->proofs;
    r->clock_ms = o->clock_ms;
    r->self = o->self;
    const struct dsdn_chain_options chain = {.chain_id = o->chain_id,
                                             .pin_height = o->pin_height,
                                             .period = o->period,
                                             .state_dir = o->state_dir,
                                             .keep_steps = o->proofs};
    struct dsdn_chain_options pinned = chain;
    memcpy(pinned.pin_hash, o->pin_hash, 32);
    const struct dsdn_rpc_options rpc = {.connections = o->connections, .seed = o->seed};
    r->slots = calloc(r->ahead, sizeof *r->slots);
    int rc = r->slots ? DSDN_OK : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %u heights", r->ahead);
    if (!rc) rc = dsdn_rpc_new(&rpc, &r->rpc, error);
    if (!rc) rc = open_endpoints(r, o, error);
    if (!rc) rc = dsdn_chain_open(&pinned, &r->chain, error);
    if (!rc && o->subscribe) rc = head_socket_new(&r->endpoints[0], &r->socket, error);
    if (rc) {
        dsdn_reader_free(r);
        return rc;
    }
    *reader = r;
    return DSDN_OK;
}

void dsdn_reader_free(struct dsdn_reader *r)
{
    if (!r) return;
    if (r->rpc) {
        reader_forget_trust(r);
        if (r->slots) reader_clear(r);
        slot_clear(r, &r->aux);
        dsdn_rpc_end_call(r->rpc, r->head.call);
        dsdn_rpc_free(r->rpc);
    }
    head_socket_free(r->socket);
    dsdn_chain_close(r->chain);
    for (uint32_t i = 0; i < 2 * DSDN_READER_ENDPOINTS_MAX; i++) dsdn_endpoint_close(&r->endpoints[i]);
    dsdn_height_blobs_free(&r->delivered);
    dsdn_bytes_free(&r->proof);
    free(r->slots);
    free(r);
}

int dsdn_reader_seek(struct dsdn_reader *r, uint64_t height, struct dsdn_error *error)
{
    if (!height || height > INT64_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "no block has this height: %llu", (unsigned long long)height);
    reader_forget_trust(r);
    reader_clear(r);
    r->next = height;
    return DSDN_OK;
}

/* ---- delivery ----------------------------------------------------------------------------------- */

/* One round of asking and taking, without waiting. */
static int step(struct dsdn_reader *r, struct dsdn_error *error)
{
    int rc = reader_run_head(r, error);
    if (rc) return rc;
    if (r->descending) {
        uint64_t last = r->down_height > r->next + r->ahead ? r->down_height - r->ahead + 1 : r->next + 1;
        for (uint64_t h = r->down_height; !rc && h >= last; h--)
            rc = slot_run(r, reader_assign(r, h), false, error);
    } else {
        uint64_t end = r->next + r->ahead;
        if (end > r->head_seen.height + 1) end = r->head_seen.height + 1;
        if (r->to && end > r->to + 1) end = r->to + 1;
        for (uint64_t h = r->next; !rc && h < end; h++) rc = slot_run(r, reader_assign(r, h), true, error);
    }
    return rc ? rc : reader_trust(r, error);
}

static bool ready(struct dsdn_reader *r)
{
    struct slot *s = r->descending ? NULL : reader_slot(r, r->next);
    return s && s->block.memory && s->trusted && (!s->due || s->data_ready) && reader_confirmed(r);
}

/* Hands out the height of the first slot. */
static int deliver(struct dsdn_reader *r, struct dsdn_da_height *height, enum dsdn_da_answer *answer,
                   struct dsdn_error *error)
{
    struct slot *s = reader_slot(r, r->next);
    const struct dsdn_celestia_block *b = &s->block.block;
    dsdn_height_blobs_free(&r->delivered);
    int rc = dsdn_height_blobs_make(s->runs, s->run_cnt, &r->delivered, error);
    if (!rc && r->proofs) {
        uint32_t step_cnt;
        struct dsdn_view steps = dsdn_chain_steps(r->chain, &step_cnt);
        rc = dsdn_celestia_proof_make(r->ns, steps, step_cnt, b, s->rows.rows, s->rows.row_cnt, &r->proof,
                                      error);
        r->delivered.height.proof = (struct dsdn_view){r->proof.bytes, r->proof.len};
    }
    if (!rc) rc = dsdn_chain_learn(r->chain, s->height, s->hash, error);
    if (rc) return rc;
    dsdn_chain_drop_steps(r->chain);
    r->delivered.height.height = s->height;
    r->delivered.height.time_ms = dsdn_celestia_time_ms(b->header.time);
    memcpy(r->delivered.height.hash, s->hash, 32);
    *height = r->delivered.height;
    *answer = s->run_cnt ? DSDN_DA_PRESENT : DSDN_DA_ABSENT;
    slot_clear(r, s);
    r->next++;
    return DSDN_OK;
}

/* What keeps the next height from being delivered: a fetch that failed, or NULL. */
static struct fetch *failed_fetch(struct dsdn_reader *r)
{
    struct slot *s = reader_slot(r, r->descending ? r->down_height : r->next);
    struct slot *wanted = r->climbing ? reader_slot(r, r->climbing) : NULL;
    struct fetch *const candidates[] = {
        s ? &s->header : NULL, s ? &s->data : NULL, wanted ? &wanted->header : NULL,
        r->climbing && r->aux.height == r->climbing ? &r->aux.header : NULL, s ? NULL : &r->head};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (candidates[i] && candidates[i]->failed) return candidates[i];
    return NULL;
}

static int give_reason(const struct dsdn_reader *r, const struct dsdn_error *why, enum dsdn_da_answer reason,
                       enum dsdn_da_answer *answer, struct dsdn_error *error)
{
    char prefix[48];
    int len = snprintf(prefix, sizeof prefix, "height %llu: ", (unsigned long long)r->next);
    *answer = reason;
    if (!error) return why->code;
    *error = *why;
    if (len > 0 && strncmp(why->message, "height ", 7) != 0)
        dsdn_fail(error, why->code, "%s%.*s", prefix, (int)(sizeof why->message - sizeof prefix),
                  why->message);
    return why->code;
}

int dsdn_reader_next(struct dsdn_reader *r, uint32_t timeout_ms, struct dsdn_da_height *height,
                     enum dsdn_da_answer *answer, struct dsdn_error *error)
{
    uint64_t deadline = reader_now_ms() + timeout_ms;
    *answer = DSDN_DA_TIMEOUT;
    r->stuck = (struct dsdn_error)DSDN_ERROR_INIT;
    for (;;) {
        r->moved = false;
        int rc = step(r, error);
        if (rc) {
            *answer = DSDN_DA_UNAVAILABLE;
            return rc;
        }
        if (r->stuck.code) return give_reason(r, &r->stuck, r->stuck_answer, answer, error);
        if (ready(r)) return deliver(r, height, answer, error);
        struct fetch *failed = failed_fetch(r);
        uint64_t now = reader_now_ms();
        if (failed && (!failed->told || now >= deadline)) {
            failed->told = true;
            return give_reason(r, &failed->error, failed->answer, answer, error);
        }
        if (now >= deadline) break;
        if (r->moved) continue;
        uint64_t wait = deadline - now;
        if (r->poll_ms < wait) wait = r->poll_ms;
        if (wait > WAIT_MAX_MS) wait = WAIT_MAX_MS;
        rc = dsdn_rpc_run(r->rpc, (uint32_t)wait, error);
        if (rc) {
            *answer = DSDN_DA_UNAVAILABLE;
            return rc;
        }
    }
    if (r->head_seen.height && r->next > r->head_seen.height) {
        *answer = DSDN_DA_FUTURE;
        return dsdn_fail(error, DSDN_E_AGAIN, "height %llu: the head is at %llu", (unsigned long long)r->next,
                         (unsigned long long)r->head_seen.height);
    }
    return dsdn_fail(error, DSDN_E_AGAIN, "height %llu: no answer yet", (unsigned long long)r->next);
}

/* ---- what is known ------------------------------------------------------------------------------ */

uint64_t dsdn_reader_wanted(const struct dsdn_reader *reader)
{
    return reader->next;
}

struct dsdn_reader_head dsdn_reader_head(const struct dsdn_reader *reader)
{
    return reader->head_seen;
}

struct dsdn_reader_anchor dsdn_reader_anchor(const struct dsdn_reader *reader)
{
    return dsdn_chain_anchor(reader->chain);
}

bool dsdn_reader_header_hash(const struct dsdn_reader *reader, uint64_t height, uint8_t hash[32])
{
    return dsdn_chain_hash(reader->chain, height, hash);
}

const struct dsdn_endpoint *dsdn_reader_endpoint(const struct dsdn_reader *reader, uint32_t index)
{
    return index < reader->endpoint_cnt + reader->witness_cnt ? &reader->endpoints[index] : NULL;
}
