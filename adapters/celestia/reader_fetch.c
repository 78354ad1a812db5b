#include "adapters/celestia/reader_private.h"

#include "adapters/celestia/base64.h"
#include "adapters/celestia/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DOWN_MS 5000u /* an endpoint that could not be reached is asked last for that long */

uint64_t reader_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- slots -------------------------------------------------------------------------------------- */

struct slot *reader_slot(struct dsdn_reader *r, uint64_t height)
{
    struct slot *s = &r->slots[height % r->ahead];
    return s->height == height ? s : NULL;
}

static void drop_data(struct dsdn_reader *r, struct slot *s)
{
    dsdn_rpc_end_call(r->rpc, s->data.call);
    dsdn_rows_answer_free(&s->rows);
    free(s->runs);
    r->held -= s->held;
    s->data = (struct fetch){.call = NULL};
    s->runs = NULL;
    s->run_cnt = 0;
    s->held = 0;
    s->data_ready = false;
}

static void drop_header(struct slot *s)
{
    dsdn_block_answer_free(&s->block);
    s->trusted = s->due = false;
}

void slot_clear(struct dsdn_reader *r, struct slot *s)
{
    drop_data(r, s);
    drop_header(s);
    dsdn_rpc_end_call(r->rpc, s->header.call);
    *s = (struct slot){.height = 0};
}

void reader_clear(struct dsdn_reader *r)
{
    for (uint32_t i = 0; i < r->ahead; i++) slot_clear(r, &r->slots[i]);
}

struct slot *reader_assign(struct dsdn_reader *r, uint64_t height)
{
    struct slot *s = &r->slots[height % r->ahead];
    if (s->height != height) {
        slot_clear(r, s);
        s->height = height;
    }
    return s;
}

/* ---- one thing to get --------------------------------------------------------------------------- */

/* The gravest answer of a round is what the caller is told: a lie before silence. */
static int gravity(enum dsdn_da_answer answer)
{
    static const int order[DSDN_DA_ANSWER_CNT] = {
        [DSDN_DA_FUTURE] = 1, [DSDN_DA_UNAVAILABLE] = 2, [DSDN_DA_TIMEOUT] = 3,   [DSDN_DA_UNAUTHORISED] = 4,
        [DSDN_DA_PRUNED] = 5, [DSDN_DA_MALFORMED] = 6,   [DSDN_DA_BAD_PROOF] = 7, [DSDN_DA_BAD_HEADER] = 8};
    return order[answer];
}

void fetch_fail(struct dsdn_reader *r, struct fetch *f, enum dsdn_da_answer answer,
                const struct dsdn_error *why)
{
    uint32_t all = (1u << r->endpoint_cnt) - 1;
    dsdn_rpc_end_call(r->rpc, f->call);
    f->call = NULL;
    if (answer == DSDN_DA_UNAVAILABLE || answer == DSDN_DA_TIMEOUT)
        r->down_ms[f->endpoint] = reader_now_ms() + DOWN_MS;
    if (!f->error.code || gravity(answer) > gravity(f->answer)) {
        f->answer = answer;
        f->error = *why;
    }
    f->tried |= 1u << f->endpoint;
    r->moved = true;
    if (f->tried != all) return;
    f->failed = true;
    f->told = false;
    f->retry_ms = reader_now_ms() + r->poll_ms;
}

/* The endpoint to ask: the first that was not asked in this round, one that is down last. */
static uint32_t choose(const struct dsdn_reader *r, const struct fetch *f, uint64_t now)
{
    uint32_t chosen = r->endpoint_cnt;
    for (uint32_t i = 0; i < r->endpoint_cnt; i++) {
        if (f->tried >> i & 1) continue;
        if (r->down_ms[i] <= now) return i;
        if (chosen == r->endpoint_cnt) chosen = i;
    }
    return chosen;
}

/* Asks when nothing is open and no pause is on. */
static int ask(struct dsdn_reader *r, struct fetch *f, enum dsdn_celestia_operation operation,
               const char *params, size_t answer_max, struct dsdn_error *error)
{
    uint64_t now = reader_now_ms();
    if (f->call || (f->failed && now < f->retry_ms)) return DSDN_OK;
    if (f->failed) *f = (struct fetch){.call = NULL};
    f->endpoint = choose(r, f, now);
    return dsdn_rpc_start(r->rpc, &r->endpoints[f->endpoint], operation,
                          (struct dsdn_view){(const uint8_t *)params, strlen(params)}, 0, answer_max,
                          &f->call, error);
}

/* The end of the open call, with a result; or NULL. */
static const struct dsdn_rpc_end *take(struct dsdn_reader *r, struct fetch *f)
{
    const struct dsdn_rpc_end *end = f->call ? dsdn_rpc_done(f->call) : NULL;
    if (!end || end->meaning.answer == DSDN_DA_PRESENT) return end;
    struct dsdn_error why = end->error; /* goes with the call */
    fetch_fail(r, f, end->meaning.answer, &why);
    return NULL;
}

/* "height H at URL: why", as a failure of the fetch. */
static void refuse(struct dsdn_reader *r, struct fetch *f, uint64_t height, enum dsdn_da_answer answer,
                   const struct dsdn_error *why)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    char prefix[48];
    int len = snprintf(prefix, sizeof prefix, "height %llu: ", (unsigned long long)height);
    /* most reasons name the height already */
    const char *text = why->message;
    if (len > 0 && strncmp(text, prefix, (size_t)len) == 0) text += len;
    dsdn_fail(&error, why->code, "height %llu: %s (%s)", (unsigned long long)height, text,
              r->endpoints[f->endpoint].url);
    fetch_fail(r, f, answer, &error);
}

/* ---- headers ------------------------------------------------------------------------------------ */

/* What of a header can be checked without knowing the chain: its form, its hash, its DAH. */
static int check_header(struct dsdn_reader *r, struct slot *s, struct dsdn_error *error)
{
    const struct dsdn_celestia_block *b = &s->block.block;
    uint8_t root[32];
    int rc = dsdn_celestia_header_shape(&b->header, error);
    if (rc) return rc;
    if ((uint64_t)b->header.height != s->height)
        return dsdn_fail(error, DSDN_E_CHAIN, "the answer is about height %lld", (long long)b->header.height);
    rc = dsdn_chain_check_id(r->chain, &b->header, error);
    if (!rc) rc = dsdn_dah_check(&b->dah, error);
    if (rc) return rc;
    dsdn_dah_root(&b->dah, root);
    if (!dsdn_equal32(root, b->header.data_hash.bytes))
        return dsdn_fail(error, DSDN_E_PROOF,
                         "the row and column roots are not those of the header's data root");
    dsdn_celestia_header_hash(&b->header, s->hash);
    return DSDN_OK;
}

static void take_header(struct dsdn_reader *r, struct slot *s)
{
    const struct dsdn_rpc_end *end = take(r, &s->header);
    struct dsdn_error why = DSDN_ERROR_INIT;
    uint32_t first, behind;
    uint8_t known[32];
    if (!end) return;
    int rc = dsdn_json_read_block(end->result, &s->block, &why);
    bool malformed = rc != 0;
    if (!rc) rc = check_header(r, s, &why);
    if (!rc && dsdn_chain_hash(r->chain, s->height, known)) {
        s->trusted = dsdn_equal32(known, s->hash);
        if (!s->trusted) rc = dsdn_fail(&why, DSDN_E_CHAIN, "the header is not the one of the trusted chain");
    }
    if (rc) {
        drop_header(s);
        refuse(r, &s->header, s->height, malformed ? DSDN_DA_MALFORMED : DSDN_DA_BAD_HEADER, &why);
        return;
    }
    dsdn_rpc_end_call(r->rpc, s->header.call);
    s->header.call = NULL;
    dsdn_dah_rows(&s->block.block.dah, r->ns, &first, &behind);
    s->due = first < behind;
    /* a share is 684 characters, and what they decode to */
    s->held = (size_t)(behind - first) * (s->block.block.dah.row_cnt / 2) * (700 + DSDN_SHARE_LEN);
    r->held += s->held;
}

void slot_refuse_header(struct dsdn_reader *r, struct slot *s, const struct dsdn_error *why)
{
    drop_data(r, s);
    drop_header(s);
    refuse(r, &s->header, s->height, DSDN_DA_BAD_HEADER, why);
}

/* ---- namespace data ----------------------------------------------------------------------------- */

static void take_data(struct dsdn_reader *r, struct slot *s)
{
    const struct dsdn_rpc_end *end = take(r, &s->data);
    const struct dsdn_dah *dah = &s->block.block.dah;
    struct dsdn_error why = DSDN_ERROR_INIT;
    struct dsdn_namespace_result result;
    if (!end) return;
    int rc = dsdn_json_read_rows(end->result, dah->row_cnt / 2, &s->rows, &why);
    bool malformed = rc != 0;
    if (!rc && s->rows.row_cnt) {
        s->runs = calloc(s->rows.row_cnt, sizeof *s->runs);
        if (!s->runs) rc = dsdn_fail(&why, DSDN_E_NO_MEMORY, "no memory for %u rows", s->rows.row_cnt);
    }
    if (!rc)
        rc = dsdn_namespace_data_verify(r->ns, dah->row_roots, dah->row_cnt, s->rows.rows, s->rows.row_cnt,
                                        s->runs, &result, &why);
    if (rc) {
        dsdn_rows_answer_free(&s->rows);
        free(s->runs);
        s->runs = NULL;
        refuse(r, &s->data, s->height, malformed ? DSDN_DA_MALFORMED : DSDN_DA_BAD_PROOF, &why);
        return;
    }
    dsdn_rpc_end_call(r->rpc, s->data.call);
    s->data.call = NULL;
    s->data_ready = true;
    s->run_cnt = result.run_cnt;
    r->held -= s->held;
    s->held = (size_t)result.share_cnt * DSDN_SHARE_LEN;
    r->held += s->held;
}

/* Bytes that an answer about the namespace's rows can have: whole rows of shares with their proofs, all of it
 * as wide as JSON makes it, and twice that.  Who sends more does not answer the question. */
static size_t most_data(const struct slot *s, const uint8_t *ns)
{
    uint32_t first, behind;
    size_t share = DSDN_BASE64_LEN(DSDN_SHARE_LEN) + 8,
           proof = DSDN_NMT_NODES_MAX * (size_t)(DSDN_BASE64_LEN(DSDN_NMT_NODE_LEN) + 8) + 1024;
    dsdn_dah_rows(&s->block.block.dah, ns, &first, &behind);
    return 4096 + 2 * (size_t)(behind - first) * (s->block.block.dah.row_cnt / 2 * share + proof);
}

int slot_run(struct dsdn_reader *r, struct slot *s, bool with_data, struct dsdn_error *error)
{
    char params[96], ns[48];
    int rc;
    if (!s->block.memory) {
        take_header(r, s);
        if (s->block.memory) return slot_run(r, s, with_data, error);
        snprintf(params, sizeof params, "[%llu]", (unsigned long long)s->height);
        return ask(r, &s->header, DSDN_CELESTIA_HEADER, params, 0, error);
    }
    if (!with_data || !s->due || s->data_ready) return DSDN_OK;
    take_data(r, s);
    /* ahead of its turn a height waits until there is room for its answer */
    if (s->data_ready || (s->height != r->next && !s->data.call && r->held > r->ahead_bytes)) return DSDN_OK;
    struct dsdn_text text;
    dsdn_text_init(&text, sizeof ns, 0);
    dsdn_text_base64(&text, r->ns, DSDN_NAMESPACE_LEN);
    rc = dsdn_text_status(&text, error);
    if (!rc) {
        snprintf(params, sizeof params, "[%llu,%s]", (unsigned long long)s->height, text.bytes);
        rc = ask(r, &s->data, DSDN_CELESTIA_NAMESPACE_DATA, params, most_data(s, r->ns), error);
    }
    dsdn_text_free(&text);
    return rc;
}

/* ---- the head ----------------------------------------------------------------------------------- */

static void take_head(struct dsdn_reader *r)
{
    const struct dsdn_rpc_end *end = take(r, &r->head);
    struct dsdn_block_answer answer;
    struct dsdn_error why = DSDN_ERROR_INIT;
    uint8_t hash[32];
    if (!end) return;
    int rc = dsdn_json_read_block(end->result, &answer, &why);
    if (!rc) rc = dsdn_celestia_header_shape(&answer.block.header, &why);
    if (!rc) rc = dsdn_chain_check_id(r->chain, &answer.block.header, &why);
    if (rc) {
        dsdn_block_answer_free(&answer);
        struct dsdn_error whole = DSDN_ERROR_INIT;
        dsdn_fail(&whole, why.code, "the head: %s (%s)", why.message, r->endpoints[r->head.endpoint].url);
        fetch_fail(r, &r->head, DSDN_DA_MALFORMED, &whole);
        return;
    }
    uint64_t height = (uint64_t)answer.block.header.height;
    if (height > r->head_seen.height)
        r->head_seen = (struct dsdn_reader_head){height, dsdn_celestia_time_ms(answer.block.header.time)};
    dsdn_celestia_header_hash(&answer.block.header, hash);
    dsdn_chain_set_anchor(r->chain, height, hash); /* when nothing better is there */
    dsdn_block_answer_free(&answer);
    dsdn_rpc_end_call(r->rpc, r->head.call);
    r->head = (struct fetch){.call = NULL};
    r->head_asked_ms = reader_now_ms();
}

int reader_run_head(struct dsdn_reader *r, struct dsdn_error *error)
{
    uint64_t now = reader_now_ms(), wanted = r->next + r->ahead;
    bool hint = r->socket && head_socket_run(r->socket, now);
    if (r->to && wanted > r->to + 1) wanted = r->to + 1;
    take_head(r);
    bool needed = r->head_seen.height + 1 < wanted || !dsdn_chain_anchor(r->chain).height;
    bool due = !r->head_asked_ms || hint || now - r->head_asked_ms >= r->poll_ms;
    if (r->head.call || (needed && due)) return ask(r, &r->head, DSDN_CELESTIA_HEAD, "[]", 0, error);
    return DSDN_OK;
}
