#include "roles/generator/generator.h"

#include "roles/coordinator/placement.h"
#include "roles/generator/model.h"

#include <stdlib.h>

static const struct {
    const char *name;
    uint32_t bit;
} families[] = {{"node", DSDN_GENERATE_NODE},
                {"chunk", DSDN_GENERATE_CHUNK},
                {"system", DSDN_GENERATE_SYSTEM},
                {"upgrade", DSDN_GENERATE_UPGRADE},
                {"chain", DSDN_GENERATE_CHAIN},
                {"audit", DSDN_GENERATE_AUDIT},
                {"fallback", DSDN_GENERATE_FALLBACK},
                {"committee", DSDN_GENERATE_COMMITTEE},
                {"all", DSDN_GENERATE_ALL}};

int dsdn_generator_families(const char *list, uint32_t *mask, struct dsdn_error *error)
{
    *mask = 0;
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ","), i = 0, cnt = sizeof families / sizeof *families;
        while (i < cnt && (strlen(families[i].name) != len || memcmp(families[i].name, at, len) != 0)) i++;
        if (i == cnt)
            return dsdn_fail(error, DSDN_E_USAGE,
                             "no family \"%.*s\"; there are node, chunk, system, upgrade, chain, audit, "
                             "fallback, committee and all",
                             (int)(len < 32 ? len : 32), at);
        *mask |= families[i].bit;
        at += len + (at[len] == ',');
    }
    return *mask ? DSDN_OK : dsdn_fail(error, DSDN_E_USAGE, "an empty list of families");
}

/* ---- telling ---- */

/* How many nodes the network has once `written` events are there. */
static uint32_t nodes_wanted(const struct generator *g)
{
    if (!(g->options.families & DSDN_GENERATE_NODE)) return g->node_max;
    uint64_t wanted = NODE_START + g->written / 100;
    return wanted < g->node_max ? (uint32_t)wanted : g->node_max;
}

static void tell_chunk_story(struct generator *g)
{
    struct group *group = any_group(g);
    uint32_t dice = below(g, 100);
    if (group && group->deleted) group = NULL;
    if (group && dsdn_placement_want(world(g), group->first_row) && (dice < 50 || !speaks(g)))
        story_place(g, group);
    else if (group && (dice < 20 || (dice < 80 && !speaks(g))))
        story_churn(g, group);
    else if (group && (dice < 25 || !speaks(g)))
        story_delete(g, group);
    else if (speaks(g) && (group = story_declare(g, g->run_len > 1 ? g->run_len - 1 : 1)))
        story_place(g, group);
}

typedef void story(struct generator *);

static void tell_one(struct generator *g, story *const *stories, uint32_t cnt)
{
    stories[below(g, cnt)](g);
}
#define TELL_ONE(g, stories) tell_one((g), (stories), sizeof(stories) / sizeof *(stories))

static void tell_node_story(struct generator *g)
{
    static story *const stories[] = {story_beats,    story_updates,   story_rotations, story_beats,
                                     story_updates,  story_beats,     story_incident,  story_rebinding,
                                     story_incident, story_rotations, story_beats,     story_leaving};
    if (speaks(g))
        TELL_ONE(g, stories);
    else
        story_incident(g);
}

static void tell_chain_story(struct generator *g)
{
    static story *const stories[] = {story_transfers, story_stake,     story_transfers, story_stake,
                                     story_transfers, story_candidate, story_transfers, story_stake};
    uint32_t dice = below(g, 100);
    if (dice < 2)
        story_fault(g);
    else if (dice < 6)
        story_affinity(g);
    else
        TELL_ONE(g, stories);
}

/* How often the stories of a family are told, of those that are asked for. */
static const struct {
    uint32_t family, weight;
    bool speaks; /* needs bundle signatures */
    story *tell;
} weights[] = {
    {DSDN_GENERATE_CHUNK, 15000, false, tell_chunk_story}, {DSDN_GENERATE_NODE, 3000, false, tell_node_story},
    {DSDN_GENERATE_CHAIN, 3000, true, tell_chain_story},   {DSDN_GENERATE_AUDIT, 1000, true, story_audit},
    {DSDN_GENERATE_FALLBACK, 40, true, story_quorum},      {DSDN_GENERATE_UPGRADE, 40, true, story_upgrade},
    {DSDN_GENERATE_COMMITTEE, 40, false, story_committee},
};
enum { WEIGHTS = sizeof weights / sizeof *weights };

static uint32_t weight(const struct generator *g, uint32_t i)
{
    bool told = g->options.families & weights[i].family && (speaks(g) || !weights[i].speaks);
    return told ? weights[i].weight : 0;
}

/* Whoever is told about, somebody must store. */
static bool needs_nodes(const struct generator *g)
{
    return g->options.families &
           (DSDN_GENERATE_NODE | DSDN_GENERATE_CHUNK | DSDN_GENERATE_CHAIN | DSDN_GENERATE_AUDIT);
}

static void tell_story(struct generator *g)
{
    uint32_t mask = g->options.families, all = 0, i = 0;
    if (mask & DSDN_GENERATE_SYSTEM && g->root_fresh) story_checkpoint(g);
    if (needs_nodes(g) && speaks(g) && g->node_cnt < nodes_wanted(g)) story_register(g, g->run_len);
    if ((g->wrong_cnt + 1) * 1000 < g->written * 12) story_wrong(g);
    for (uint32_t k = 0; k < WEIGHTS; k++) all += weight(g, k);
    uint32_t dice = below(g, all);
    while (i < WEIGHTS - 1 && dice >= weight(g, i)) dice -= weight(g, i++);
    if (all) weights[i].tell(g);
}

/* Everything signed that a log without bundle signatures needs: all its nodes, and objects to place. */
static void tell_prologue(struct generator *g)
{
    g->prologue = true;
    story_register(g, g->node_max);
    uint64_t chunks = g->options.events / 100;
    while (g->options.families & DSDN_GENERATE_CHUNK && g->group_cnt < GROUP_MAX && g->chunk_cnt <= chunks)
        if (!story_declare(g, g->run_len)) break;
    if (!g->rc) writer_flush(g);
    g->prologue = false;
}

static void tell_all(struct generator *g)
{
    if (!g->options.signed_percent) tell_prologue(g);
    /* Chance may pick a story that has nothing to tell just now; after many of them time passes. */
    for (uint32_t idle = 0; !writer_done(g);) {
        uint64_t before = g->written;
        tell_story(g);
        if (g->written != before)
            idle = 0;
        else if (++idle % 64 == 0)
            time_pass(g, 60000);
    }
    if (!g->rc) writer_flush(g);
}

/* ---- set-up ---- */

static int options_check(struct dsdn_generator_options *o, struct dsdn_error *error)
{
    if (!o->families) o->families = DSDN_GENERATE_ALL;
    if (!o->events_per_batch) o->events_per_batch = DSDN_GENERATE_BATCH_DEFAULT;
    if (o->families & ~DSDN_GENERATE_ALL)
        return dsdn_fail(error, DSDN_E_USAGE, "unknown families 0x%x", o->families);
    if (o->signed_percent > 100)
        return dsdn_fail(error, DSDN_E_USAGE, "%u signatures per 100 events; at most 100", o->signed_percent);
    if (o->events_per_batch > UINT16_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "%u events per batch; at most 65535", o->events_per_batch);
    if (!(o->families & ~(DSDN_GENERATE_SYSTEM | DSDN_GENERATE_FALLBACK | DSDN_GENERATE_COMMITTEE)))
        return dsdn_fail(error, DSDN_E_USAGE,
                         "checkpoints, quorum sets and committees alone make no log: add another family");
    if (!o->signed_percent && !(o->families & (DSDN_GENERATE_NODE | DSDN_GENERATE_CHUNK)))
        return dsdn_fail(error, DSDN_E_USAGE,
                         "these families are author-signed: they need more than 0 %% signatures");
    return DSDN_OK;
}

static void authors_make(struct generator *g)
{
    uint64_t seed = g->options.seed;
    generator_key(seed, KEY_COORDINATOR, 0, &g->authority);
    for (uint32_t i = 0; i < FOUNDER_CNT; i++) generator_key(seed, KEY_FOUNDER, i, &g->founders[i].key);
    for (uint32_t i = 0; i < VALIDATOR_CNT; i++) generator_key(seed, KEY_VALIDATOR, i, &g->validators[i].key);
    for (uint32_t i = 0; i < CANDIDATE_CNT; i++)
        generator_key(seed, KEY_VALIDATOR, VALIDATOR_CNT + i, &g->candidates[i].key);
    for (uint32_t i = 0; i < OWNER_CNT; i++) generator_key(seed, KEY_OWNER, i, &g->owners[i].key);
    for (uint32_t i = 0; i < g->operator_cnt; i++) generator_key(seed, KEY_OPERATOR, i, &g->operators[i].key);
}

static int generator_init(struct generator *g, const struct dsdn_generator_options *options,
                          struct dsdn_error *error)
{
    g->options = *options;
    g->error = error;
    int rc = options_check(&g->options, error);
    if (!rc) rc = dsdn_generator_genesis(options->seed, &g->genesis, error);
    if (rc) return rc;
    uint64_t nodes = options->events / 100, most = g->options.families & DSDN_GENERATE_NODE ? NODE_MAX : 64;
    if (nodes < NODE_START) nodes = NODE_START;
    g->node_max = (uint32_t)(nodes < most ? nodes : most);
    g->operator_cnt = g->node_max / NODES_PER_OPERATOR + 1;
    if (g->operator_cnt > OPERATOR_MAX) g->operator_cnt = OPERATOR_MAX;
    g->nodes = calloc(g->node_max, sizeof *g->nodes);
    g->operators = calloc(g->operator_cnt, sizeof *g->operators);
    g->groups = calloc(GROUP_MAX, sizeof *g->groups);
    g->builder = dsdn_batch_builder_new();
    if (!g->nodes || !g->operators || !g->groups || !g->builder)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a generator of %u nodes", g->node_max);
    dsdn_random_seed(&g->random, options->seed);
    memcpy(g->prev, g->genesis.hash, 32);
    g->time_ms = GENESIS_MS + 1000;
    uint32_t percent = g->options.signed_percent;
    g->run_len = percent ? (100 + percent - 1) / percent : 64;
    if (g->run_len < 8) g->run_len = 8;
    authors_make(g);
    return world_make(g);
}

int dsdn_generate(const struct dsdn_generator_options *options, struct dsdn_error *error)
{
    struct generator *g = calloc(1, sizeof *g);
    if (!g) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a generator");
    int rc = generator_init(g, options, error);
    if (!rc) {
        tell_all(g);
        rc = g->rc;
    }
    dsdn_engine_free(g->world);
    dsdn_batch_builder_free(g->builder);
    dsdn_genesis_free(&g->genesis);
    free(g->groups);
    free(g->operators);
    free(g->nodes);
    free(g);
    return rc;
}
