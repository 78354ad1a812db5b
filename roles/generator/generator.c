#include "roles/generator/generator.h"

#include "roles/generator/model.h"

#include <stdlib.h>

#define GENESIS_MS 1700000000000ull /* 2023-11-14T22:13:20Z: a round number, nothing happened then */

static const struct {
    const char *name;
    uint32_t bit;
} families[] = {{"node", DSDN_GENERATE_NODE},
                {"chunk", DSDN_GENERATE_CHUNK},
                {"system", DSDN_GENERATE_SYSTEM},
                {"upgrade", DSDN_GENERATE_UPGRADE},
                {"all", DSDN_GENERATE_ALL}};

int dsdn_generator_families(const char *list, uint32_t *mask, struct dsdn_error *error)
{
    *mask = 0;
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ","), i = 0, cnt = sizeof families / sizeof *families;
        while (i < cnt && (strlen(families[i].name) != len || memcmp(families[i].name, at, len) != 0)) i++;
        if (i == cnt)
            return dsdn_fail(error, DSDN_E_USAGE,
                             "no family \"%.*s\"; there are node, chunk, system, upgrade and all",
                             (int)(len < 32 ? len : 32), at);
        *mask |= families[i].bit;
        at += len + (at[len] == ',');
    }
    return *mask ? DSDN_OK : dsdn_fail(error, DSDN_E_USAGE, "an empty list of families");
}

static struct dsdn_view text_view(const char *text)
{
    return (struct dsdn_view){(const uint8_t *)text, strlen(text)};
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

int dsdn_generator_genesis(uint64_t seed, struct dsdn_genesis *genesis, struct dsdn_error *error)
{
    static const uint8_t zero[32];
    struct dsdn_sign_key key, coordinator;
    uint8_t founders[32 * FOUNDER_CNT], quorum[32 * VALIDATOR_CNT], validators[VALIDATOR_CNT * 64];
    uint8_t *at = validators;
    for (uint32_t i = 0; i < FOUNDER_CNT; i++) {
        generator_key(seed, KEY_FOUNDER, i, &key);
        memcpy(founders + (size_t)i * 32, key.public_key, 32);
    }
    qsort(founders, FOUNDER_CNT, 32, compare_keys);
    for (uint32_t i = 0; i < VALIDATOR_CNT; i++) { /* a validator_entry: id, stake, name */
        generator_key(seed, KEY_VALIDATOR, i, &key);
        memcpy(quorum + (size_t)i * 32, key.public_key, 32);
        memcpy(at, key.public_key, 32);
        at[32] = 0;
        dsdn_store64(at + 33, 5000000000000u); /* 50,000 tokens */
        at[41] = 11;
        memcpy(at + 42, "validator-", 10);
        at[52] = (uint8_t)('0' + i);
        at += 53;
    }
    qsort(quorum, VALIDATOR_CNT, 32, compare_keys);
    generator_key(seed, KEY_COORDINATOR, 0, &coordinator);
    struct dsdn_ev_genesis_declared g = {
        .network_id = text_view("generated"),
        .da_chain_id = text_view(""),
        .da_namespace = zero,
        .da_start_hash = zero,
        .version_major = 1,
        .quorum_members = {quorum, VALIDATOR_CNT, sizeof quorum},
        .quorum_threshold_pct = 67,
        .emergency_url = text_view(""),
        .chain_profile = DSDN_PROFILE_DEVNET,
        .genesis_time = GENESIS_MS,
        .founder_keys = {founders, FOUNDER_CNT, sizeof founders},
        .founder_m = 2,
        .validators = {validators, VALIDATOR_CNT, (uint32_t)(at - validators)},
        .coordinator = coordinator.public_key,
        .tss_transcript = zero,
        .profile = text_view(""),
    };
    dsdn_sign_wipe(&key);
    int rc = dsdn_genesis_encode(genesis, &g, error);
    dsdn_sign_wipe(&coordinator);
    return rc;
}

/* ---- telling ---- */

/* How many nodes the network has once `written` events are there. */
static uint32_t nodes_wanted(const struct generator *g)
{
    if (!(g->options.families & DSDN_GENERATE_NODE)) return g->node_max;
    uint64_t wanted = NODE_START + g->written / 100;
    return wanted < g->node_max ? (uint32_t)wanted : g->node_max;
}

static struct group *any_group(struct generator *g)
{
    uint64_t cnt = g->group_cnt < GROUP_MAX ? g->group_cnt : GROUP_MAX;
    return cnt ? &g->groups[below(g, (uint32_t)cnt)] : NULL;
}

static void tell_chunk_story(struct generator *g)
{
    struct group *group = any_group(g);
    uint32_t dice = below(g, 100);
    if (group && !group->deleted && !group->placed && !speaks(g))
        story_place(g, group);
    else if (group && group->placed && (dice < 20 || (dice < 80 && !speaks(g))))
        story_churn(g, group);
    else if (group && group->placed && (dice < 25 || !speaks(g)))
        story_delete(g, group);
    else if (speaks(g) && (group = story_declare(g, g->run_len > 1 ? g->run_len - 1 : 1)))
        story_place(g, group);
}

static void tell_node_story(struct generator *g)
{
    static void (*const stories[])(struct generator *) = {
        story_beats,   story_updates, story_rotations, story_beats,
        story_updates, story_beats,   story_incident,  story_rebinding,
    };
    if (speaks(g))
        stories[below(g, sizeof stories / sizeof *stories)](g);
    else
        story_incident(g);
}

static void tell_story(struct generator *g)
{
    uint32_t mask = g->options.families;
    if (mask & DSDN_GENERATE_SYSTEM && g->root_fresh) story_checkpoint(g);
    if (mask & (DSDN_GENERATE_NODE | DSDN_GENERATE_CHUNK) && speaks(g) && g->node_cnt < nodes_wanted(g))
        story_register(g, g->run_len);
    if ((g->wrong_cnt + 1) * 1000 < g->written * 12) story_wrong(g);
    uint32_t dice = below(g, 1000);
    if (mask & DSDN_GENERATE_UPGRADE && speaks(g) &&
        (dice < 2 || !(mask & (DSDN_GENERATE_NODE | DSDN_GENERATE_CHUNK))))
        story_upgrade(g);
    else if (mask & DSDN_GENERATE_CHUNK && (dice < 800 || !(mask & DSDN_GENERATE_NODE)))
        tell_chunk_story(g);
    else if (mask & DSDN_GENERATE_NODE)
        tell_node_story(g);
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
    if (!g->options.signed_percent && g->options.families & (DSDN_GENERATE_NODE | DSDN_GENERATE_CHUNK))
        tell_prologue(g);
    /* Chance may pick a story that has nothing to tell just now; after many of them time passes. */
    for (uint32_t idle = 0; !writer_done(g);) {
        uint64_t before = g->written;
        tell_story(g);
        if (g->written != before)
            idle = 0;
        else if (++idle % 64 == 0) {
            writer_flush(g); /* what was written belongs to the time it was written at */
            g->time_ms += 60000;
        }
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
    if (o->families == DSDN_GENERATE_SYSTEM)
        return dsdn_fail(error, DSDN_E_USAGE, "checkpoints alone make no log: add another family");
    if (!o->signed_percent && !(o->families & (DSDN_GENERATE_NODE | DSDN_GENERATE_CHUNK)))
        return dsdn_fail(error, DSDN_E_USAGE,
                         "upgrades are author-signed: they need more than 0 %% signatures");
    return DSDN_OK;
}

static void authors_make(struct generator *g)
{
    uint64_t seed = g->options.seed;
    generator_key(seed, KEY_COORDINATOR, 0, &g->coordinator);
    for (uint32_t i = 0; i < FOUNDER_CNT; i++) generator_key(seed, KEY_FOUNDER, i, &g->founders[i].key);
    for (uint32_t i = 0; i < VALIDATOR_CNT; i++) generator_key(seed, KEY_VALIDATOR, i, &g->validators[i].key);
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
    return DSDN_OK;
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
    dsdn_batch_builder_free(g->builder);
    dsdn_genesis_free(&g->genesis);
    free(g->groups);
    free(g->operators);
    free(g->nodes);
    free(g);
    return rc;
}
