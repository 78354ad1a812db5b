/* fixture_play.c: plays a story as a follower would, and writes down what happened. */
#include "statemachine/fixture_story.h"

#include "log/hash.h"
#include "statemachine/checkpoint.h"
#include "statemachine/row_json.h"

#include <stdio.h>
#include <stdlib.h>

struct play {
    const struct dsdn_story *s;
    const struct dsdn_play_options *options;
    struct dsdn_engine_options engine_options;
    struct dsdn_engine *engine;
    struct dsdn_prepared prepared;
    struct dsdn_text *out;
    struct dsdn_roots roots; /* now */
    uint8_t (
        *batch_roots)[32]; /* state root after each batch when it was applied, by batch; then after genesis */
    uint32_t tip;
    struct dsdn_fixture_result result;
};

void dsdn_outcome_text(const struct dsdn_catalogue *catalogue, dsdn_outcome outcome, char *out, size_t cap)
{
    uint16_t code = DSDN_OUTCOME_CODE(outcome);
    const char *name = dsdn_outcome_name(DSDN_OUTCOME_NUMBER(outcome));
    if (code)
        snprintf(out, cap, "%s/%s", name, dsdn_code_name(catalogue, code));
    else
        snprintf(out, cap, "%s", name);
}

int dsdn_story_begin(const struct dsdn_story *s, const struct dsdn_engine_options *options,
                     struct dsdn_engine **engine, struct dsdn_error *error)
{
    int rc = dsdn_engine_new(s->catalogue, options, engine, error);
    if (!rc) rc = dsdn_engine_genesis(*engine, s->genesis.bytes, s->genesis.len, error);
    return rc;
}

int dsdn_story_deliver(struct dsdn_engine *e, struct dsdn_prepared *p, const struct dsdn_buffer *bytes,
                       const struct dsdn_buffer *certificate, struct dsdn_error *error)
{
    struct dsdn_certificate decoded;
    bool certified = certificate && certificate->len;
    int rc = dsdn_prepare(p, dsdn_engine_catalogue(e), dsdn_engine_seed(e), bytes->bytes, bytes->len, error);
    if (!rc) {
        struct dsdn_prepared *one = p;
        rc = dsdn_prepare_hashes(&one, 1, DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS | DSDN_CHECK_SIGNATURES,
                                 error);
    }
    if (!rc)
        rc = dsdn_prepare_signatures(p, !dsdn_zero32(p->batch.header.publisher), 0, p->bundle_cnt, NULL,
                                     error);
    if (!rc && certified) rc = dsdn_certificate_decode(certificate->bytes, certificate->len, &decoded, error);
    if (!rc) rc = dsdn_engine_judge(e, p, certified ? &decoded : NULL, error);
    return rc ? rc : dsdn_engine_apply(e, p, error);
}

static void put_hex(struct dsdn_text *t, const char *label, const uint8_t *hash)
{
    dsdn_text_format(t, "%s", label);
    for (int i = 0; i < 32; i++) dsdn_text_format(t, "%02x", hash[i]);
    dsdn_text_put(t, "\n", 1);
}

static const char *batch_name(const struct play *p, uint32_t batch)
{
    if (batch == DSDN_STORY_NONE) return "genesis";
    return p->s->batches[batch].name[0] ? p->s->batches[batch].name : "-";
}

/* A refusal is about the bytes; anything else is about this machine. */
static bool is_refusal(int code)
{
    int status = dsdn_error_exit(code);
    return status == 3 || status == 4 || code == DSDN_E_UPGRADE_REQUIRED;
}

static int write_refused(struct play *p, const struct dsdn_story_step *step, const struct dsdn_error *why,
                         struct dsdn_error *error)
{
    const struct dsdn_story_batch *b = &p->s->batches[step->batch];
    if (why->code != step->refused)
        return dsdn_story_fail(p->s, step->line, DSDN_E_TRANSCRIPT, error,
                               "the batch is refused with %s (%s); the story says %s",
                               dsdn_error_name(why->code), why->message,
                               step->refused ? dsdn_error_name(step->refused) : "it is applied");
    if ((step->refused_bundle != UINT32_MAX && step->refused_bundle != why->bundle) ||
        (step->refused_event != UINT32_MAX && step->refused_event != why->event))
        return dsdn_story_fail(p->s, step->line, DSDN_E_TRANSCRIPT, error,
                               "the batch is refused for bundle %d, event %d", (int)why->bundle,
                               (int)why->event);
    uint8_t hash[32];
    dsdn_text_format(p->out, "\nrefused %s %s", batch_name(p, step->batch), dsdn_error_name(why->code));
    if (why->bundle != UINT32_MAX) dsdn_text_format(p->out, " bundle %u", why->bundle);
    if (why->event != UINT32_MAX) dsdn_text_format(p->out, " event %u", why->event);
    dsdn_sha256(b->bytes.bytes, b->bytes.len, hash);
    put_hex(p->out, "\n  bytes   ", hash);
    p->result.refused++;
    return DSDN_OK;
}

static int write_outcomes(struct play *p, const struct dsdn_story_batch *b, struct dsdn_error *error)
{
    const struct dsdn_event_desc *events = p->s->catalogue->events->events;
    uint32_t op = 0;
    for (uint32_t i = 0; i < b->bundle_cnt; i++) {
        const struct dsdn_story_bundle *bundle = &p->s->bundles[b->first_bundle + i];
        if (i >= p->prepared.bundle_cnt || p->prepared.bundles[i].op_cnt != bundle->event_cnt)
            return dsdn_story_fail(p->s, bundle->line, DSDN_E_MALFORMED, error,
                                   "the bytes hold other events than the lines: a frame is one event");
        for (uint32_t k = 0; k < bundle->event_cnt; k++, op++) {
            const struct dsdn_story_event *said = &p->s->events[bundle->first_event + k];
            char is[64], wanted[64];
            const char *name = events[p->prepared.ops[op].event].name;
            dsdn_outcome_text(p->s->catalogue, p->prepared.outcomes[op], is, sizeof is);
            dsdn_outcome_text(p->s->catalogue, said->expected, wanted, sizeof wanted);
            if (p->prepared.outcomes[op] != said->expected)
                return dsdn_story_fail(p->s, said->line, DSDN_E_TRANSCRIPT, error,
                                       "%s gives %s; the story says %s", name, is, wanted);
            dsdn_text_format(p->out, "  %u.%u %s %s\n", i, k, name, is);
        }
    }
    p->result.events += op;
    return DSDN_OK;
}

static int write_applied(struct play *p, const struct dsdn_story_step *step, struct dsdn_error *error)
{
    const struct dsdn_story_batch *b = &p->s->batches[step->batch];
    uint8_t hash[32];
    if (step->refused)
        return dsdn_story_fail(p->s, step->line, DSDN_E_TRANSCRIPT, error,
                               "the batch is applied; the story says %s", dsdn_error_name(step->refused));
    int rc = dsdn_engine_root(p->engine, 1, &p->roots, error);
    if (rc) return rc;
    memcpy(p->batch_roots[step->batch], p->roots.state, 32);
    dsdn_text_format(p->out, "\nbatch %llu %s\n", (unsigned long long)b->header.sequence,
                     batch_name(p, step->batch));
    rc = write_outcomes(p, b, error);
    if (rc) return rc;
    put_hex(p->out, "  hash    ", b->hash);
    dsdn_sha256(b->bytes.bytes, b->bytes.len, hash);
    put_hex(p->out, "  bytes   ", hash);
    rc = dsdn_engine_fingerprint(p->engine, hash, error);
    if (rc) return rc;
    put_hex(p->out, "  changes ", hash);
    put_hex(p->out, "  root    ", p->roots.state);
    p->result.batches++;
    return rc;
}

/* ---- going back ---- */

static void checkpoint_path(const struct play *p, uint32_t batch, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%d.checkpoint", p->options->directory, batch == DSDN_STORY_NONE ? -1 : (int)batch);
}

static int no_sync(void *self, int fd)
{
    return (void)self, (void)fd, 0;
}
static int no_sync_dir(void *self, const char *path)
{
    return (void)self, (void)path, 0;
}

/* Checkpoints here need not survive a power loss. */
static struct dsdn_io quick_io(void)
{
    struct dsdn_io io = dsdn_io_system;
    io.fsync = no_sync;
    io.sync_dir = no_sync_dir;
    return io;
}

/* Ends the engine and starts another one from the checkpoint of `batch`. */
static int restore(struct play *p, uint32_t batch, struct dsdn_error *error)
{
    char path[4200];
    struct dsdn_io io = quick_io();
    const uint8_t *root = p->batch_roots[batch == DSDN_STORY_NONE ? p->s->batch_cnt : batch];
    struct dsdn_checkpoint_options options = {
        .engine = &p->engine_options, .expect_root = root, .verify = true};
    checkpoint_path(p, batch, path, sizeof path);
    dsdn_engine_free(p->engine);
    p->engine = NULL;
    return dsdn_checkpoint_restore(p->s->catalogue, &options, &io, path, &p->engine, NULL, error);
}

static int stop_and_restore(struct play *p, uint32_t batch, struct dsdn_error *error)
{
    char path[4200];
    struct dsdn_io io = quick_io();
    struct dsdn_view genesis = {p->s->genesis.bytes, p->s->genesis.len};
    checkpoint_path(p, batch, path, sizeof path);
    int rc = dsdn_checkpoint_write(p->engine, genesis, 1, &io, path, NULL, error);
    return rc ? rc : restore(p, batch, error);
}

/* A new engine, and the batches up to `batch` once more. */
static int replay_to(struct play *p, uint32_t batch, struct dsdn_error *error)
{
    uint32_t *chain, cnt;
    int rc = dsdn_story_chain(p->s, batch, &chain, &cnt, error);
    if (rc) return rc;
    dsdn_engine_free(p->engine);
    p->engine = NULL;
    rc = dsdn_story_begin(p->s, &p->engine_options, &p->engine, error);
    for (uint32_t i = 0; !rc && i < cnt; i++) {
        const struct dsdn_story_batch *b = &p->s->batches[chain[i]];
        rc = dsdn_story_deliver(p->engine, &p->prepared, &b->bytes, &b->certificate, error);
    }
    free(chain);
    return rc;
}

static int roll_back(struct play *p, const struct dsdn_story_step *step, struct dsdn_error *error)
{
    int rc = p->options->directory ? restore(p, step->batch, error) : replay_to(p, step->batch, error);
    if (!rc) rc = dsdn_engine_root(p->engine, 1, &p->roots, error);
    if (rc) return rc;
    const uint8_t *then = p->batch_roots[step->batch == DSDN_STORY_NONE ? p->s->batch_cnt : step->batch];
    if (!dsdn_equal32(then, p->roots.state))
        return dsdn_story_fail(p->s, step->line, DSDN_E_ROOT, error,
                               "the root after the rollback is not the one of %s",
                               batch_name(p, step->batch));
    dsdn_text_format(p->out, "\nrollback to %s\n", batch_name(p, step->batch));
    p->tip = step->batch;
    return DSDN_OK;
}

/* ---- steps ---- */

/* The same bytes again change nothing: an applied batch does not follow itself, a refused one is refused as
 * before. */
static int deliver_again(struct play *p, const struct dsdn_story_step *step, struct dsdn_error *error)
{
    const struct dsdn_story_batch *b = &p->s->batches[step->batch];
    struct dsdn_error why = DSDN_ERROR_INIT;
    struct dsdn_roots roots;
    int wanted = step->refused ? step->refused : DSDN_E_CHAIN;
    int rc = dsdn_story_deliver(p->engine, &p->prepared, &b->bytes, &b->certificate, &why);
    if (rc == DSDN_E_NO_MEMORY) return dsdn_fail(error, rc, "%s", why.message);
    if (rc != wanted)
        return dsdn_story_fail(p->s, step->line, DSDN_E_TRANSCRIPT, error,
                               "delivered again the batch gives %s, not %s", dsdn_error_name(rc),
                               dsdn_error_name(wanted));
    rc = dsdn_engine_root(p->engine, 1, &roots, error);
    if (!rc && !dsdn_equal32(roots.state, p->roots.state))
        rc = dsdn_story_fail(p->s, step->line, DSDN_E_ROOT, error,
                             "delivered again the refused batch changes the state");
    return rc;
}

static int deliver(struct play *p, const struct dsdn_story_step *step, struct dsdn_error *error)
{
    const struct dsdn_story_batch *b = &p->s->batches[step->batch];
    struct dsdn_error why = DSDN_ERROR_INIT;
    struct dsdn_roots roots;
    int rc = dsdn_story_deliver(p->engine, &p->prepared, &b->bytes, &b->certificate, &why);
    if (rc && !is_refusal(rc)) {
        if (error) *error = why;
        return rc;
    }
    if (rc) {
        rc = write_refused(p, step, &why, error);
        if (!rc) rc = dsdn_engine_root(p->engine, 1, &roots, error);
        if (!rc && !dsdn_equal32(roots.state, p->roots.state))
            rc = dsdn_story_fail(p->s, step->line, DSDN_E_ROOT, error, "the refused batch changes the state");
    } else {
        rc = write_applied(p, step, error);
        p->tip = step->batch;
    }
    if (!rc && p->options->twice) rc = deliver_again(p, step, error);
    if (!rc && p->options->directory && !step->refused) rc = stop_and_restore(p, step->batch, error);
    return rc;
}

/* ---- the end ---- */

static int write_tables(struct play *p, struct dsdn_text *text, struct dsdn_error *error)
{
    const struct dsdn_state *s = dsdn_engine_state(p->engine);
    for (uint32_t t = 0; t < s->table_cnt; t++) {
        const struct dsdn_table *table = &s->tables[t];
        uint32_t *rows;
        if (!table->live_cnt) continue;
        int rc = dsdn_table_sorted(table, &rows, error);
        if (rc) return rc;
        dsdn_text_format(text, "\ntable %s.%s\n", table->desc->role_name, table->desc->name);
        for (uint32_t i = 0; i < table->live_cnt; i++) {
            dsdn_row_json(text, s, t, rows[i]);
            dsdn_text_line(text);
        }
        free(rows);
    }
    return dsdn_text_status(text, error);
}

static int write_end(struct play *p, struct dsdn_error *error)
{
    struct dsdn_text text;
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(p->engine));
    dsdn_text_format(p->out, "\nend after %llu batches, %llu events\n", (unsigned long long)head->sequence,
                     (unsigned long long)head->event_count);
    put_hex(p->out, "  transcript  ", head->transcript);
    put_hex(p->out, "  state root  ", p->roots.state);
    for (uint32_t i = 0; i < p->roots.role_cnt; i++) {
        dsdn_text_format(p->out, "  role root   ");
        for (int k = 0; k < 32; k++) dsdn_text_format(p->out, "%02x", p->roots.roles[i].root[k]);
        dsdn_text_format(p->out, " %s\n", p->roots.roles[i].name);
    }
    dsdn_text_init(&text, DSDN_FIXTURE_MAX, 0);
    int rc = write_tables(p, &text, error);
    if (!rc) dsdn_story_named(p->s, text.bytes, text.len, p->out);
    dsdn_text_free(&text);
    return rc ? rc : dsdn_text_status(p->out, error);
}

static int play_all(struct play *p, struct dsdn_error *error)
{
    int rc = dsdn_story_begin(p->s, &p->engine_options, &p->engine, error);
    if (!rc) rc = dsdn_engine_root(p->engine, 1, &p->roots, error);
    if (rc) return rc;
    memcpy(p->batch_roots[p->s->batch_cnt], p->roots.state, 32);
    dsdn_text_format(
        p->out,
        "# Written by `dsdn-replay fixture record` and `bless`: review what changes here, do not edit.\n");
    put_hex(p->out, "genesis ", p->s->genesis.hash);
    put_hex(p->out, "  root    ", p->roots.state);
    if (p->options->directory) rc = stop_and_restore(p, DSDN_STORY_NONE, error);
    for (uint32_t i = 0; !rc && i < p->s->step_cnt; i++) {
        const struct dsdn_story_step *step = &p->s->steps[i];
        rc = step->rollback ? roll_back(p, step, error) : deliver(p, step, error);
    }
    return rc ? rc : write_end(p, error);
}

int dsdn_story_play(const struct dsdn_story *s, const struct dsdn_play_options *options,
                    struct dsdn_text *out, struct dsdn_roots *roots, struct dsdn_fixture_result *result,
                    struct dsdn_error *error)
{
    struct play p = {.s = s, .options = options, .out = out, .tip = DSDN_STORY_NONE};
    p.engine_options = (struct dsdn_engine_options){options->seed, options->rows, true};
    p.batch_roots = calloc(s->batch_cnt + 1u, sizeof *p.batch_roots);
    int rc = p.batch_roots ? play_all(&p, error) : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for roots");
    if (!rc && roots) *roots = p.roots;
    if (!rc && result) *result = p.result;
    dsdn_engine_free(p.engine);
    dsdn_prepared_free(&p.prepared);
    free(p.batch_roots);
    return rc;
}
