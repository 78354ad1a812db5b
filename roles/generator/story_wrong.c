/* story_wrong.c: what is wrong on purpose.  Each way returns false when it does not suit the families or the
 * moment. */
#include "roles/generator/model.h"

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
    n->operator=(uint16_t)(g->node_cnt / NODES_PER_OPERATOR);
    generator_key(g->options.seed, KEY_OWNER, 0, &wrong_key);
    node_registration(g, g->node_cnt, &e, fingerprint, text);
    e.node_sig = signature;
    const struct seal seal = {signature, &wrong_key};
    return put_deposit(g, operator_of(g, n), n->author.key.public_key, DSDN_NODE_ROLE_STORAGE, 1) &&
           put_sealed(g, operator_of(g, n), dsdn_EVENT_node_registered, &e, "node_sig", &seal, 1);
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
    struct node *n = active_node(g);
    if (!group || !n) return false;
    bool unknown = below(g, 2);
    content_of(g->options.seed, group->object, unknown ? g->chunk_cnt + 1000000u : group->first_chunk,
               &content);
    if (below(g, 4) == 0) { /* enough replicas, or none that is planned */
        struct dsdn_ev_replica_assigned e = {content.id, n->author.key.public_key,
                                             zone_name((uint32_t)(n - g->nodes)), g->time_ms + 60000};
        return put(g, NULL, dsdn_EVENT_replica_assigned, &e);
    }
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
    struct node *n = active_node(g);
    if (!n) return false;
    struct dsdn_ev_node_status_set e = {.node_id = n->author.key.public_key, .status = below(g, 2) ? 1 : 0};
    return put(g, NULL, dsdn_EVENT_node_status_set, &e); /* Active already, or no way back to Pending */
}

/* More than there is, a validator that does not stake for itself, a proof of nothing. */
static bool wrong_chain(struct generator *g)
{
    struct node *n = active_node(g);
    struct author *owner = &g->owners[below(g, OWNER_CNT)];
    if (!(g->options.families & DSDN_GENERATE_CHAIN) || !speaks(g) || !n) return false;
    struct dsdn_ev_transfer transfer = {
        .to = n->author.key.public_key, .amount = {0, UINT64_MAX / 2}, .max_fee = {0, 1000000}};
    struct dsdn_ev_slash_evidence_submitted evidence = {.target = n->author.key.public_key, .kind = 3};
    switch (below(g, 3)) {
    case 0: return put(g, owner, dsdn_EVENT_transfer, &transfer);
    case 1: return put(g, owner, dsdn_EVENT_slash_evidence_submitted, &evidence);
    default: return put_deposit(g, owner, n->author.key.public_key, DSDN_NODE_ROLE_VALIDATOR, 5);
    }
}

static bool wrong_audit(struct generator *g)
{
    static const uint8_t zero[32];
    if (!(g->options.families & DSDN_GENERATE_AUDIT) || !speaks(g)) return false;
    struct dsdn_ev_audit_record_posted e = {1, zero, 1u << 30, zero, zero}; /* entries are missing */
    return put(g, &g->validators[0], dsdn_EVENT_audit_record_posted, &e);
}

static bool wrong_upgrade(struct generator *g)
{
    if (!(g->options.families & DSDN_GENERATE_UPGRADE) || !speaks(g)) return false;
    struct dsdn_ev_upgrade_cancelled e = {.major = 9, .height = g->sequence};
    return put(g, &g->founders[0], dsdn_EVENT_upgrade_cancelled, &e); /* one founder is not enough */
}

void story_wrong(struct generator *g)
{
    static bool (*const ways[])(struct generator *) = {
        wrong_nonce,  wrong_chunk,   wrong_nonce,     wrong_object, wrong_chunk, wrong_status,
        wrong_object, wrong_upgrade, wrong_signature, wrong_chain,  wrong_audit, wrong_chain};
    enum { WAYS = sizeof ways / sizeof *ways };
    uint32_t first = below(g, WAYS);
    for (uint32_t i = 0; i < WAYS && !writer_done(g); i++)
        if (ways[(first + i) % WAYS](g)) break;
    g->wrong_cnt++;
}
