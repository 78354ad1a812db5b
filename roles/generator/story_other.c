/* story_other.c: attested roots, upgrades, and what is wrong on purpose. */
#include "roles/generator/model.h"

void story_checkpoint(struct generator *g)
{
    if (!g->root_fresh) return;
    g->root_fresh = false;
    struct dsdn_ev_checkpoint_declared e = {g->root_sequence, g->root};
    if (!put(g, NULL, dsdn_EVENT_checkpoint_declared, &e) || !speaks(g)) return;
    for (uint32_t i = 0; i < VALIDATOR_CNT; i++)
        if (!put(g, &g->validators[i], dsdn_EVENT_checkpoint_declared, &e)) return;
}

/* Versions are scheduled far ahead and withdrawn again, so that no program ever has to know them. */
void story_upgrade(struct generator *g)
{
    enum { VERSIONS = 8 };
    uint32_t cnt = g->run_len < VERSIONS ? g->run_len : VERSIONS, first = g->upgrade_cnt;
    struct author *one = &g->founders[below(g, FOUNDER_CNT)];
    const struct dsdn_sign_key *other = &g->founders[(uint32_t)(one - g->founders + 1) % FOUNDER_CNT].key;
    uint8_t approval[96] = {0}, migration[32];
    memcpy(approval, other->public_key, 32);
    uint64_t height = g->sequence + 1000000000u; /* without a primary: a batch sequence */
    g->upgrade_cnt += cnt;
    for (uint32_t i = 0; i < 2 * cnt; i++) {
        uint32_t number = first + i % cnt;
        struct dsdn_list approvals = {approval, 1, sizeof approval};
        memset(approval + 32, 0, 64);
        content_hash("dsdn/generate/migration/1", g->options.seed, number, migration);
        struct dsdn_ev_upgrade_scheduled schedule = {.major = 2,
                                                     .minor = (uint16_t)(number >> 16),
                                                     .patch = (uint16_t)number,
                                                     .height = height + i % cnt,
                                                     .migration = migration,
                                                     .approvals = approvals};
        struct dsdn_ev_upgrade_cancelled cancel = {.major = schedule.major,
                                                   .minor = schedule.minor,
                                                   .patch = schedule.patch,
                                                   .height = schedule.height,
                                                   .approvals = approvals};
        bool put_it = i < cnt ? put_signed(g, one, dsdn_EVENT_upgrade_scheduled, &schedule, approval + 32,
                                           "approvals", other)
                              : put_signed(g, one, dsdn_EVENT_upgrade_cancelled, &cancel, approval + 32,
                                           "approvals", other);
        if (!put_it) return;
    }
}

/* ---- deliberate errors: each returns false when it does not suit the families or the moment ---- */

static bool wrong_nonce(struct generator *g)
{
    struct author *owner = &g->owners[below(g, OWNER_CNT)];
    uint8_t id[32];
    content_hash("dsdn/generate/unseen/1", g->options.seed, g->wrong_cnt, id);
    struct dsdn_ev_object_declared e = {.object = id, .owner = owner->key.public_key, .rf = 1};
    if (!(g->options.families & DSDN_GENERATE_CHUNK) || !speaks(g) || !owner->nonce) return false;
    switch (below(g, 3)) {
    case 0: return put_alone(g, owner, owner->nonce, 0, dsdn_EVENT_object_declared, &e);         /* seen */
    case 1: return put_alone(g, owner, owner->nonce + 70000, 0, dsdn_EVENT_object_declared, &e); /* far */
    default:
        return put_alone(g, owner, owner->nonce + 1, g->time_ms - 1, dsdn_EVENT_object_declared,
                         &e); /* expired */
    }
}

static bool wrong_signature(struct generator *g)
{
    if (!(g->options.families & DSDN_GENERATE_NODE) || !speaks(g) || g->node_cnt == g->node_max) return false;
    struct dsdn_ev_node_registered e;
    struct dsdn_sign_key wrong_key;
    uint8_t fingerprint[32], signature[64] = {0};
    char text[32];
    struct node *n = &g->nodes[g->node_cnt]; /* the next to come */
    generator_key(g->options.seed, KEY_NODE, g->node_cnt, &n->author.key);
    generator_key(g->options.seed, KEY_OWNER, 0, &wrong_key);
    node_registration(g, g->node_cnt, &e, fingerprint, text);
    e.node_sig = signature;
    return put_signed(g, &g->operators[n->operator], dsdn_EVENT_node_registered, &e, signature, "node_sig",
                      &wrong_key);
}

/* A group whose object is in state, of the newest few. */
static const struct group *known_group(struct generator *g)
{
    if (!g->group_cnt || !(g->options.families & DSDN_GENERATE_CHUNK)) return NULL;
    return &g->groups[(g->group_cnt - 1 - below(g, g->group_cnt < 16 ? (uint32_t)g->group_cnt : 16)) %
                      GROUP_MAX];
}

static bool wrong_object(struct generator *g)
{
    const struct group *group = known_group(g);
    uint8_t id[32];
    if (!group || !speaks(g)) return false;
    content_hash("dsdn/generate/object/1", g->options.seed, group->object, id);
    struct author *author = &g->owners[(group->owner + 1) % OWNER_CNT];
    if (below(g, 2)) { /* somebody else's */
        struct dsdn_ev_delete_requested e = {id, 0, 0};
        return put(g, author, dsdn_EVENT_delete_requested, &e);
    }
    struct dsdn_ev_object_declared e = {.object = id, .owner = author->key.public_key, .rf = 1};
    return put(g, author, dsdn_EVENT_object_declared, &e);
}

static bool wrong_chunk(struct generator *g)
{
    const struct group *group = known_group(g);
    struct content content;
    if (!group || !g->ready_cnt) return false;
    struct node *n = &g->nodes[below(g, g->ready_cnt)];
    bool unknown = below(g, 2);
    content_of(g->options.seed, unknown ? g->chunk_cnt + 1000000u : group->first_chunk, &content);
    if (speaks(g) && below(g, 2)) {
        struct dsdn_ev_replica_added e = {
            content.id, n->author.key.public_key, content.leaf_root, 99, {content.leaf_root, 1, 32}};
        return put(g, &n->author, dsdn_EVENT_replica_added, &e);
    }
    struct dsdn_ev_replica_removed e = {content.id, n->author.key.public_key, 3}; /* nobody left */
    return put(g, NULL, dsdn_EVENT_replica_removed, &e);
}

static bool wrong_status(struct generator *g)
{
    if (!g->ready_cnt) return false;
    uint32_t node = below(g, g->ready_cnt);
    if (g->nodes[node].state != NODE_READY) return false;
    struct dsdn_ev_node_status_set e = {.node_id = g->nodes[node].author.key.public_key,
                                        .status = below(g, 2) ? 1 : 0};
    return put(g, NULL, dsdn_EVENT_node_status_set, &e); /* Active already, or no way back to Pending */
}

static bool wrong_upgrade(struct generator *g)
{
    if (!(g->options.families & DSDN_GENERATE_UPGRADE) || !speaks(g)) return false;
    struct dsdn_ev_upgrade_cancelled e = {.major = 9, .height = g->sequence};
    return put(g, &g->founders[0], dsdn_EVENT_upgrade_cancelled, &e); /* one founder is not enough */
}

void story_wrong(struct generator *g)
{
    static bool (*const ways[])(struct generator *) = {wrong_nonce,  wrong_chunk,   wrong_nonce,
                                                       wrong_object, wrong_chunk,   wrong_status,
                                                       wrong_object, wrong_upgrade, wrong_signature};
    enum { WAYS = sizeof ways / sizeof *ways };
    uint32_t first = below(g, WAYS);
    for (uint32_t i = 0; i < WAYS && !writer_done(g); i++)
        if (ways[(first + i) % WAYS](g)) break;
    g->wrong_cnt++;
}
