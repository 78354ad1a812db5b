/* generate.c: `generate`: a log from a seed.  An engine runs beside the generator, because the logs declare
 * their roots. */
#include "apps/replay/commands.h"
#include "apps/replay/output.h"
#include "apps/replay/progress.h"

#include "roles/dsdn.h"
#include "roles/generator/generator.h"
#include "statemachine/engine.h"

struct generating {
    struct log_output out;
    struct progress progress;
    struct dsdn_engine *engine; /* NULL: no roots are declared */
    struct dsdn_prepared prepared;
};

static int emit(void *self, const struct dsdn_generated_batch *batch, struct dsdn_error *error)
{
    struct generating *g = self;
    int rc = log_output_batch(&g->out, batch->bytes, batch->len, batch->sequence, batch->events, error);
    if (!rc && g->engine)
        rc = dsdn_prepare(&g->prepared, &dsdn_catalogue, dsdn_engine_seed(g->engine), batch->bytes,
                          batch->len, error);
    if (!rc && g->engine) rc = dsdn_engine_judge(g->engine, &g->prepared, NULL, error);
    if (!rc && g->engine) rc = dsdn_engine_apply(g->engine, &g->prepared, error);
    progress_at(&g->progress, g->out.events, g->out.events);
    if (!rc && interrupted)
        return dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped; nothing was kept, repeat the command");
    return rc;
}

static int root_after(void *self, uint64_t sequence, uint8_t root[32], struct dsdn_error *error)
{
    struct generating *g = self;
    struct dsdn_roots roots;
    (void)sequence; /* the engine stands behind the batch that was emitted last */
    int rc = dsdn_engine_root(g->engine, 1, &roots, error);
    if (!rc) memcpy(root, roots.state, 32);
    return rc;
}

static int start_engine(struct generating *g, const struct dsdn_genesis *genesis, struct dsdn_error *error)
{
    int rc = dsdn_engine_new(&dsdn_catalogue, NULL, &g->engine, error);
    if (!rc) rc = dsdn_engine_genesis(g->engine, genesis->bytes, genesis->len, error);
    return rc ? rc : dsdn_engine_track(g->engine, error);
}

int command_generate(const struct options *o, struct dsdn_error *error)
{
    struct generating g = {0};
    struct dsdn_genesis genesis = {0};
    struct dsdn_generator_options make = {.seed = o->seed,
                                          .events = o->events,
                                          .signed_percent = (uint32_t)o->signatures,
                                          .families = DSDN_GENERATE_ALL,
                                          .events_per_batch = (uint32_t)o->per_batch,
                                          .emit = emit,
                                          .self = &g};
    if (!o->output || !o->events || o->seed == SEED_NONE)
        return dsdn_fail(error, DSDN_E_USAGE,
                         "generate wants --seed N, --events N and -o ARCHIVE or -o DIR/");
    int rc = o->families ? dsdn_generator_families(o->families, &make.families, error) : DSDN_OK;
    if (!rc) rc = progress_start(&g.progress, o, "generating", o->events, error);
    if (!rc) rc = dsdn_generator_genesis(o->seed, &genesis, error);
    if (!rc && (!make.families || make.families & DSDN_GENERATE_SYSTEM)) {
        make.root = root_after;
        rc = start_engine(&g, &genesis, error);
    }
    if (!rc) rc = log_output_open(&g.out, o->output, &genesis, NULL, o->force, false, error);
    if (!rc) {
        rc = dsdn_generate(&make, error);
        progress_hide(&g.progress);
        rc = log_output_close(&g.out, rc, false, error);
        if (!rc && !o->quiet) log_output_remark(&g.out);
    }
    dsdn_prepared_free(&g.prepared);
    dsdn_engine_free(g.engine);
    dsdn_genesis_free(&genesis);
    return rc;
}
