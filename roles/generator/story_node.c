/* story_node.c: the life of nodes. */
#include "roles/generator/model.h"

#include <stdio.h>

#define YEAR_MS 31536000000ull

static struct dsdn_view text_view(const char *text)
{
    return (struct dsdn_view){(const uint8_t *)text, strlen(text)};
}

struct dsdn_view zone_name(uint32_t zone)
{
    static const char *const names[ZONE_CNT] = {"ams-1", "fra-1", "gru-1", "iad-1",
                                                "jkt-1", "nrt-1", "sin-1", "syd-1"};
    return text_view(names[zone % ZONE_CNT]);
}

static void address_of(uint32_t node, uint32_t version, char text[32])
{
    snprintf(text, 32, "10.%u.%u.%u:%u", node >> 16 & 255, node >> 8 & 255, node & 255,
             4000 + version % 1000);
}

static void fingerprint_of(const struct generator *g, uint32_t node, uint32_t version, uint8_t out[32])
{
    content_hash("dsdn/generate/tls/1", g->options.seed, (uint64_t)node << 32 | version, out);
}

/* Every eighth storage node is small and gets full; the others never do. */
static uint32_t capacity_of(const struct node *n, uint32_t number)
{
    return (number % 8 == 5 ? 1u : 1u << 20) + n->version;
}

void node_registration(struct generator *g, uint32_t node, struct dsdn_ev_node_registered *e,
                       uint8_t fingerprint[32], char text[32])
{
    const struct node *n = &g->nodes[node];
    address_of(node, n->version, text);
    fingerprint_of(g, node, n->version, fingerprint);
    *e = (struct dsdn_ev_node_registered){
        .node_id = n->author.key.public_key,
        .operator = operator_of(g, n)->key.public_key,
        .role = 1,
        .node_class = (int16_t)(node % 2),
        .zone = zone_name(node),
        .address = text_view(text),
        .capacity_gb = capacity_of(n, node),
        .tls_fingerprint = fingerprint,
        .tls_not_after = g->time_ms + 100 * YEAR_MS,
        .binding_expiry = g->time_ms + 100 * YEAR_MS,
        .label = text_view("generated"),
    };
}

static bool put_status(struct generator *g, uint32_t node, uint8_t status, uint64_t until)
{
    struct dsdn_ev_node_status_set e = {.node_id = g->nodes[node].author.key.public_key,
                                        .status = status,
                                        .reason = (uint16_t)below(g, 100),
                                        .until = until};
    if (!speaks(g) || below(g, 64)) return put(g, NULL, dsdn_EVENT_node_status_set, &e);
    /* Now and then two founders decide, not the authority. */
    uint8_t bytes[96 * SEAL_MAX];
    struct seal seals[SEAL_MAX];
    uint32_t one = below(g, FOUNDER_CNT);
    const struct author *other = &g->founders[(one + 1) % FOUNDER_CNT];
    e.approvals = approvals_make(&other, 1, bytes, seals);
    return put_sealed(g, &g->founders[one], dsdn_EVENT_node_status_set, &e, "approvals", seals, 1);
}

static bool put_registration(struct generator *g, uint32_t node)
{
    struct node *n = &g->nodes[node];
    struct dsdn_ev_node_registered e;
    uint8_t fingerprint[32], signature[64] = {0};
    char text[32];
    node_registration(g, node, &e, fingerprint, text);
    e.node_sig = signature;
    const struct seal seal = {signature, &n->author.key};
    return put_sealed(g, operator_of(g, n), dsdn_EVENT_node_registered, &e, "node_sig", &seal, 1);
}

uint64_t stake_least(struct generator *g, const struct node *n)
{
    return (uint64_t)((n - g->nodes) % 2 ? DSDN_SETTING(world(g), stake_min_datacenter)
                                         : DSDN_SETTING(world(g), stake_min_reguler));
}

/* The stake comes first: with it a node is Active at once.  Every sixteenth begins with half of it, and is
 * Quarantined until the rest is there. */
void story_register(struct generator *g, uint32_t cnt)
{
    uint32_t end = g->node_cnt + cnt < g->node_max ? g->node_cnt + cnt : g->node_max;
    while (g->node_cnt < end) {
        struct node *n = &g->nodes[g->node_cnt];
        const uint8_t *id = n->author.key.public_key;
        generator_key(g->options.seed, KEY_NODE, g->node_cnt, &n->author.key);
        n->operator=(uint16_t)(g->node_cnt / NODES_PER_OPERATOR);
        struct author *operator = operator_of(g, n);
        uint64_t units = stake_least(g, n);
        bool halves = g->node_cnt % 16 == 7;
        if (!put_deposit(g, operator, id, DSDN_NODE_ROLE_STORAGE, halves ? units / 2 : units * 2) ||
            !put_registration(g, g->node_cnt++) ||
            (halves && !put_deposit(g, operator, id, DSDN_NODE_ROLE_STORAGE, units * 2)))
            return;
    }
}

static bool may_beat(struct generator *g, const struct node *n)
{
    const struct dsdn_row_node *row = node_row(g, n);
    return g->sequence >= 2 && (!row->last_seen_ms || g->time_ms - row->last_seen_ms >= 60000);
}

bool put_beat(struct generator *g, struct node *n)
{
    /* A false root would be an alarm where roots are compared: odd sequences never are (attest_every is
     * even). */
    uint8_t root[32];
    uint64_t sequence = g->sequence < 2 ? 1 : (g->sequence - 2) | 1;
    content_hash("dsdn/generate/beat/1", g->options.seed, sequence, root);
    if (g->root_known) {
        sequence = g->root_sequence;
        memcpy(root, g->root, 32);
    }
    struct dsdn_ev_node_heartbeat e = {n->author.key.public_key, sequence, root};
    return put(g, &n->author, dsdn_EVENT_node_heartbeat, &e);
}

bool put_rotation(struct generator *g, struct node *n)
{
    uint8_t fingerprint[32];
    uint32_t number = (uint32_t)(n - g->nodes);
    if (may_beat(g, n)) return put_beat(g, n);
    fingerprint_of(g, number, ++n->version, fingerprint);
    struct dsdn_ev_node_tls_rotated e = {n->author.key.public_key, fingerprint, g->time_ms + 100 * YEAR_MS};
    return put(g, &n->author, dsdn_EVENT_node_tls_rotated, &e);
}

struct node *active_node(struct generator *g)
{
    for (int tries = 0; tries < 64 && g->node_cnt; tries++) {
        struct node *n = &g->nodes[below(g, g->node_cnt)];
        if (node_active(g, n)) return n;
    }
    return NULL;
}

/* One event a node: small bundles, as heartbeats are. */
void story_beats(struct generator *g)
{
    for (uint32_t i = 0; i < 8; i++) {
        struct node *n = active_node(g);
        if (!n || !may_beat(g, n)) continue;
        if (!put_beat(g, n)) return;
    }
}

void story_updates(struct generator *g)
{
    struct node *first = active_node(g);
    if (!first) return;
    uint32_t from = (uint32_t)first->operator* NODES_PER_OPERATOR;
    uint32_t to = from + NODES_PER_OPERATOR < g->node_cnt ? from + NODES_PER_OPERATOR : g->node_cnt;
    uint32_t at = (uint32_t)(first - g->nodes) < from || (uint32_t)(first - g->nodes) >= to
                      ? from
                      : (uint32_t)(first - g->nodes);
    for (uint32_t i = 0; i < g->run_len; i++) {
        struct node *n = &g->nodes[at];
        char text[32];
        if (n->operator== first->operator&& node_active(g, n)) {
            address_of(at, ++n->version, text);
            struct dsdn_ev_node_updated e = {.node_id = n->author.key.public_key,
                                             .zone = zone_name(at),
                                             .address = text_view(text),
                                             .capacity_gb = capacity_of(n, at)};
            if (!put(g, operator_of(g, n), dsdn_EVENT_node_updated, &e)) return;
        }
        if (++at == to) at = from;
    }
}

void story_rotations(struct generator *g)
{
    struct node *n = active_node(g);
    for (uint32_t i = 0; n && i < g->run_len; i++)
        if (!put_rotation(g, n)) return;
}

/* The stake of the new operator is what counts from then on: it comes first. */
void story_rebinding(struct generator *g)
{
    struct node *n = active_node(g);
    if (!n) return;
    uint8_t signature[64] = {0};
    n->operator=(uint16_t) below(g, g->operator_cnt);
    if (!put_deposit(g, operator_of(g, n), n->author.key.public_key, DSDN_NODE_ROLE_STORAGE,
                     2 * stake_least(g, n)))
        return;
    struct dsdn_ev_operator_bound e = {.node_id = n->author.key.public_key,
                                       .operator = operator_of(g, n)->key.public_key,
                                       .expiry = g->time_ms + 100 * YEAR_MS + ++n->version,
                                       .node_sig = signature};
    const struct seal seal = {signature, &n->author.key};
    put_sealed(g, operator_of(g, n), dsdn_EVENT_operator_bound, &e, "node_sig", &seal, 1);
}

static bool begin(struct errand *errand, uint32_t node)
{
    *errand = (struct errand){true, node};
    return true;
}

/* A node is quarantined and released, at once or, when its replicas were swept away, later; or it is banned
 * for a while, and let in again when that is over. */
void story_incident(struct generator *g)
{
    struct node *n = active_node(g);
    struct errand *q = &g->quarantined, *b = &g->banned;
    if (q->open && below(g, 4) == 0) {
        const struct dsdn_row_node *row = node_row(g, &g->nodes[q->node]);
        if (row->status != DSDN_NODE_QUARANTINED || row->cooldown_until <= g->time_ms) {
            q->open = false;
            if (row->status == DSDN_NODE_QUARANTINED) put_status(g, q->node, DSDN_NODE_ACTIVE, 0);
        }
    } else if (b->open && node_row(g, &g->nodes[b->node])->status != DSDN_NODE_BANNED) {
        b->open = false;
        if (node_row(g, &g->nodes[b->node])->status == DSDN_NODE_PENDING)
            put_status(g, b->node, DSDN_NODE_ACTIVE, 0);
    } else if (n && g->node_cnt >= NODE_START) {
        uint32_t node = (uint32_t)(n - g->nodes), dice = below(g, 8);
        if (dice == 0 && !b->open && begin(b, node))
            put_status(g, node, DSDN_NODE_BANNED, g->time_ms + 120000);
        else if (dice == 1 && !q->open && begin(q, node))
            put_status(g, node, DSDN_NODE_QUARANTINED, 0);
        else if (put_status(g, node, DSDN_NODE_QUARANTINED, 0))
            put_status(g, node, DSDN_NODE_ACTIVE, 0);
    }
}

/* A node leaves for good, or until its replicas are gone and it comes back. */
void story_leaving(struct generator *g)
{
    struct errand *left = &g->left;
    if (left->open) {
        const struct dsdn_row_node *row = node_row(g, &g->nodes[left->node]);
        if (row->replica_cnt || row->cooldown_until > g->time_ms) return;
        left->open = false;
        put_registration(g, left->node);
        return;
    }
    struct node *n = active_node(g);
    if (!n || g->node_cnt < NODE_START) return;
    struct dsdn_ev_node_deregistered e = {n->author.key.public_key};
    begin(left, (uint32_t)(n - g->nodes));
    put(g, operator_of(g, n), dsdn_EVENT_node_deregistered, &e);
}
