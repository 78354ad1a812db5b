/* wild_scripts.c: what the logs of a theme begin with. */
#include "tests/twin/wild_pieces.h"

/* ---- scripts: what a theme begins with ---- */

typedef bool scene(struct wild *w, struct draft *d, uint32_t i);

static bool scene_fund(struct wild *w, struct draft *d, uint32_t i)
{
    wild_empty(w, d, dsdn_EVENT_stake_deposited);
    struct dsdn_ev_stake_deposited *e = EVENT_OF(d, stake_deposited);
    d->author = i == 4 ? NODES + 4 : (int)operator_of(NODES + i);
    e->staker = id_of((uint32_t)d->author);
    e->beneficiary = id_of(NODES + i);
    e->role = i == 4 ? 2 : 1;
    e->amount.units = w->theme == WILD_UNBONDING ? 50000 : i == 4 ? 5000 : 2000;
    return head_number(w, "feature_level") != 0;
}

static bool scene_register(struct wild *w, struct draft *d, uint32_t i)
{
    wild_empty(w, d, dsdn_EVENT_node_registered);
    fill_registration(w, d, NODES + i);
    return true;
}

static bool scene_activate(struct wild *w, struct draft *d, uint32_t i)
{
    wild_empty(w, d, dsdn_EVENT_node_status_set);
    EVENT_OF(d, node_status_set)->node_id = id_of(NODES + i);
    EVENT_OF(d, node_status_set)->status = 1;
    return head_number(w, "feature_level") == 0;
}

static uint32_t script_chunks(const struct wild *w)
{
    return w->theme == WILD_SWEEP ? 40 : w->theme == WILD_FULL ? 17 : w->theme == WILD_CROWD ? 1 : 3;
}

static bool scene_object(struct wild *w, struct draft *d, uint32_t i)
{
    wild_empty(w, d, dsdn_EVENT_object_declared);
    struct dsdn_ev_object_declared *e = EVENT_OF(d, object_declared);
    d->author = WALLETS;
    e->object = thing(w, "object", i);
    e->owner = id_of(WALLETS);
    e->chunk_count = script_chunks(w);
    e->size = e->chunk_count * chunk_max;
    e->rf = w->theme == WILD_CROWD ? 16 : w->theme == WILD_STORAGE ? (uint8_t)(1 + below(w, 4)) : 2;
    return true;
}

static bool scene_chunk(struct wild *w, struct draft *d, uint32_t i)
{
    wild_empty(w, d, dsdn_EVENT_chunk_declared);
    struct dsdn_ev_chunk_declared *e = EVENT_OF(d, chunk_declared);
    uint64_t leaves = w->theme == WILD_FULL ? 1 : 1 + below(w, 5);
    uint8_t *root = room(w, 32);
    d->author = WALLETS;
    e->chunk = thing(w, "chunk", i);
    e->object = thing(w, "object", 0);
    e->index = i;
    e->leaf_size = w->theme == WILD_FULL ? 1 << 26 : 1024;
    e->size = leaves * e->leaf_size;
    wild_tree(e->chunk, leaves, root);
    e->leaf_root = root;
    return true;
}

/* Node i % rf of the plan of chunk i / rf. */
static bool scene_assign(struct wild *w, struct draft *d, uint32_t i)
{
    uint32_t rf = w->theme == WILD_CROWD ? 16 : 2;
    uint8_t nodes[16][32];
    wild_empty(w, d, dsdn_EVENT_replica_assigned);
    const uint8_t *chunk = thing(w, "chunk", i / rf);
    uint32_t cnt = twin_planned(w->twin, w->now, chunk, nodes);
    fill_assignment(w, d, chunk, cnt ? row_id(w, nodes[i % rf % cnt]) : id_of(NODES + i % rf));
    return true;
}

static bool scene_heal(struct wild *w, struct draft *d, uint32_t i)
{
    const struct fact_table *replicas = facts_table(twin_facts(w->twin), "replica");
    wild_empty(w, d, dsdn_EVENT_replica_healed);
    if (i >= replicas->cnt) return false;
    EVENT_OF(d, replica_healed)->chunk = row_id(w, replicas->rows[i]->key.bytes);
    EVENT_OF(d, replica_healed)->node = row_id(w, replicas->rows[i]->key.bytes + 32);
    return true;
}

static bool scene_missing(struct wild *w, struct draft *d, uint32_t i)
{
    const struct fact_table *replicas = facts_table(twin_facts(w->twin), "replica");
    wild_empty(w, d, dsdn_EVENT_replica_missing_reported);
    if (i >= replicas->cnt) return false;
    EVENT_OF(d, replica_missing_reported)->chunk = row_id(w, replicas->rows[i]->key.bytes);
    EVENT_OF(d, replica_missing_reported)->node = row_id(w, replicas->rows[i]->key.bytes + 32);
    return true;
}

static bool scene_healed_suspects(struct wild *w, struct draft *d, uint32_t i)
{
    const struct fact_table *replicas = facts_table(twin_facts(w->twin), "replica");
    wild_empty(w, d, dsdn_EVENT_replica_healed);
    for (uint32_t k = 0; k < replicas->cnt; k++) {
        if (get(replicas->rows[k], "state") != 2 || i--) continue;
        EVENT_OF(d, replica_healed)->chunk = row_id(w, replicas->rows[k]->key.bytes);
        EVENT_OF(d, replica_healed)->node = row_id(w, replicas->rows[k]->key.bytes + 32);
        return true;
    }
    return false;
}

static bool scene_leave(struct wild *w, struct draft *d, uint32_t i)
{
    wild_empty(w, d, one_in(w, 2) ? dsdn_EVENT_node_deregistered : dsdn_EVENT_node_status_set);
    if (d->event == dsdn_EVENT_node_deregistered) {
        EVENT_OF(d, node_deregistered)->node_id = id_of(NODES + i);
        d->author = (int)operator_of(NODES + i);
    } else {
        EVENT_OF(d, node_status_set)->node_id = id_of(NODES + i);
        EVENT_OF(d, node_status_set)->status = 2;
    }
    return true;
}

/* Parameters op:... by the dozen, for one height. */
static bool scene_pending(struct wild *w, struct draft *d, uint32_t i)
{
    wild_empty(w, d, dsdn_EVENT_param_changed);
    struct dsdn_ev_param_changed *e = EVENT_OF(d, param_changed);
    char name[47] = "op:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    name[20] = (char)('A' + i % 26);
    name[21] = (char)('A' + i / 26);
    d->author = FOUNDERS;
    e->key = text(w, name);
    e->new_value = 1;
    e->effective = 120;
    return true;
}

static bool scene_upgrade(struct wild *w, struct draft *d, uint32_t i)
{
    wild_empty(w, d, dsdn_EVENT_upgrade_scheduled);
    struct dsdn_ev_upgrade_scheduled *e = EVENT_OF(d, upgrade_scheduled);
    d->author = FOUNDERS;
    e->major = 1;
    e->minor = (uint16_t)(i + 1);
    e->height = 130 + 3 * i;
    e->migration = thing(w, "migration", 0);
    return true;
}

static bool scene_withdraw(struct wild *w, struct draft *d, uint32_t i)
{
    wild_empty(w, d, dsdn_EVENT_stake_withdraw_requested);
    struct dsdn_ev_stake_withdraw_requested *e = EVENT_OF(d, stake_withdraw_requested);
    e->beneficiary = id_of(NODES);
    d->author = (int)operator_of(NODES);
    e->amount.units = 1 + i;
    return true;
}

struct phase {
    scene *play;
    uint32_t
        cnt; /* 0: one for each node; UINT32_MAX: for each chunk; UINT32_MAX - 1: for each replica wanted */
    bool apart; /* in a batch of its own; with each_apart every event */
    bool each_apart;
};
enum { ALL_NODES = 0 };
static const uint32_t all_chunks = UINT32_MAX, all_replicas = UINT32_MAX - 1;

static const struct phase nodes_only[] = {
    {scene_fund, 0, 0, 0}, {scene_register, 0, 0, 0}, {scene_activate, 0, 0, 0}, {0}};
static const struct phase storage[] = {{scene_fund, 0, 0, 0},           {scene_register, 0, 0, 0},
                                       {scene_activate, 0, 0, 0},       {scene_object, 1, 1, 0},
                                       {scene_chunk, UINT32_MAX, 0, 0}, {scene_assign, UINT32_MAX - 1, 1, 0},
                                       {scene_heal, 4, 1, 0},           {0}};
static const struct phase crowd[] = {{scene_fund, 0, 0, 0},
                                     {scene_register, 0, 0, 0},
                                     {scene_activate, 0, 0, 0},
                                     {scene_object, 1, 1, 0},
                                     {scene_chunk, UINT32_MAX, 0, 0},
                                     {scene_assign, 16, 1, 0},
                                     {scene_heal, 16, 1, 0},
                                     {scene_missing, 1, 1, 0},
                                     {scene_assign, 1, 1, 0},
                                     {scene_healed_suspects, 1, 1, 0},
                                     {scene_missing, 12, 1, 0},
                                     {scene_healed_suspects, 6, 1, 0},
                                     {0}};
static const struct phase sweep[] = {
    {scene_fund, 0, 0, 0},   {scene_register, 0, 0, 0},       {scene_activate, 0, 0, 0},
    {scene_object, 1, 1, 0}, {scene_chunk, UINT32_MAX, 0, 0}, {scene_assign, UINT32_MAX - 1, 1, 0},
    {scene_heal, 50, 1, 0},  {scene_leave, 1, 1, 0},          {0}};
static const struct phase full[] = {{scene_fund, 0, 0, 0},
                                    {scene_register, 0, 0, 0},
                                    {scene_activate, 0, 0, 0},
                                    {scene_object, 1, 1, 0},
                                    {scene_chunk, UINT32_MAX, 0, 0},
                                    {scene_assign, UINT32_MAX - 1, 1, 0},
                                    {0}};
static const struct phase pending[] = {{scene_pending, 66, 0, 0}, {0}};
static const struct phase upgrades[] = {{scene_upgrade, 17, 0, 0}, {0}};
static const struct phase unbonding[] = {
    {scene_fund, 0, 0, 0}, {scene_register, 0, 0, 0}, {scene_withdraw, 40, 1, 1}, {0}};

static const struct phase *const scripts[WILD_THEMES] = {
    [WILD_MIXED] = nodes_only,  [WILD_NODES] = nodes_only,    [WILD_STORAGE] = storage,
    [WILD_CHAIN] = nodes_only,  [WILD_FAULTS] = storage,      [WILD_PENDING] = pending,
    [WILD_UPGRADES] = upgrades, [WILD_UNBONDING] = unbonding, [WILD_CROWD] = crowd,
    [WILD_SWEEP] = sweep,       [WILD_FULL] = full,
};

bool wild_script(struct wild *w, struct draft *d, bool *apart)
{
    for (;;) {
        const struct phase *phase = scripts[w->theme];
        if (!phase) return false;
        phase += w->phase;
        if (!phase->play) return false;
        uint32_t cnt = phase->cnt == ALL_NODES      ? w->node_cnt
                       : phase->cnt == all_chunks   ? script_chunks(w)
                       : phase->cnt == all_replicas ? 2 * script_chunks(w)
                                                    : phase->cnt;
        if (w->phase_at < cnt) {
            *apart = (phase->apart && w->phase_at == 0) || phase->each_apart;
            if (phase->play(w, d, w->phase_at)) return true;
            w->phase_at++; /* nothing to say here */
            continue;
        }
        w->phase++;
        w->phase_at = 0;
    }
}
