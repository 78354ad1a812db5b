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

static struct author *operator_of(struct generator *g, const struct node *n)
{ return &g->operators[n->operator];
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

void node_registration(const struct generator *g, uint32_t node, struct dsdn_ev_node_registered *e,
                       uint8_t fingerprint[32], char text[32])
{
    const struct node *n = &g->nodes[node];
    address_of(node, 0, text);
    fingerprint_of(g, node, 0, fingerprint);
    *e = (struct dsdn_ev_node_registered){
        .node_id = n->author.key.public_key,
        .operator=
            g->operators[n->operator].key.public_key, .role = 1, .node_class = (int16_t)(node % 2),
                         .zone = zone_name(n->zone), .address = text_view(text),
                         .capacity_gb = 1u << 30, /* never full */
                         .tls_fingerprint = fingerprint, .tls_not_after = g->time_ms + 100 * YEAR_MS,
                         .binding_expiry = g->time_ms + 100 * YEAR_MS, .label = text_view("generated"), };
}

static bool status_set(struct generator *g, uint32_t node, uint8_t status, uint64_t until)
{
    struct dsdn_ev_node_status_set e = {.node_id = g->nodes[node].author.key.public_key,
                                        .status = status,
                                        .reason = (uint16_t)below(g, 100),
                                        .until = until};
    if (!speaks(g) || g->prologue || below(g, 8)) return put(g, NULL, dsdn_EVENT_node_status_set, &e);
    /* Now and then two founders decide, not the authority. */
    uint8_t approval[96] = {0};
    uint32_t one = below(g, FOUNDER_CNT), other = (one + 1) % FOUNDER_CNT;
    memcpy(approval, g->founders[other].key.public_key, 32);
    e.approvals = (struct dsdn_list){approval, 1, sizeof approval};
    return put_signed(g, &g->founders[one], dsdn_EVENT_node_status_set, &e, approval + 32, "approvals",
                      &g->founders[other].key);
}

void story_register(struct generator *g, uint32_t cnt)
{
    uint32_t end = g->node_cnt + cnt < g->node_max ? g->node_cnt + cnt : g->node_max;
    for (; g->node_cnt < end; g->node_cnt++) {
        struct node *n = &g->nodes[g->node_cnt];
        struct dsdn_ev_node_registered e;
        uint8_t fingerprint[32], signature[64] = {0};
        char text[32];
        generator_key(g->options.seed, KEY_NODE, g->node_cnt, &n->author.key);
        n->operator=(uint16_t)(g->node_cnt / NODES_PER_OPERATOR);
        n->zone = (uint8_t)(g->node_cnt % ZONE_CNT);
        node_registration(g, g->node_cnt, &e, fingerprint, text);
        e.node_sig = signature;
        if (!put_signed(g, operator_of(g, n), dsdn_EVENT_node_registered, &e, signature, "node_sig",
                        &n->author.key))
            return;
    }
    for (; g->ready_cnt < g->node_cnt; g->ready_cnt++) {
        if (!status_set(g, g->ready_cnt, 1, 0)) return;
        g->nodes[g->ready_cnt].state = NODE_READY;
    }
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
    if (!put(g, &n->author, dsdn_EVENT_node_heartbeat, &e)) return false;
    n->beat_ms = g->time_ms;
    return true;
}

static bool may_beat(const struct generator *g, const struct node *n)
{
    return g->sequence >= 2 && n->state == NODE_READY && (!n->beat_ms || g->time_ms - n->beat_ms >= 60000);
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

/* A ready node, or NULL when chance finds none. */
static struct node *ready_node(struct generator *g)
{
    for (int tries = 0; tries < 64 && g->ready_cnt; tries++) {
        struct node *n = &g->nodes[below(g, g->ready_cnt)];
        if (n->state == NODE_READY) return n;
    }
    return NULL;
}

/* One event a node: small bundles, as heartbeats are. */
void story_beats(struct generator *g)
{
    for (uint32_t i = 0; i < 8; i++) {
        struct node *n = ready_node(g);
        if (!n || !may_beat(g, n)) continue;
        if (!put_beat(g, n)) return;
    }
}

void story_updates(struct generator *g)
{
    struct node *first = ready_node(g);
    if (!first) return;
    uint32_t from = (uint32_t)first->operator* NODES_PER_OPERATOR;
    uint32_t to = from + NODES_PER_OPERATOR < g->ready_cnt ? from + NODES_PER_OPERATOR : g->ready_cnt;
    uint32_t at = (uint32_t)(first - g->nodes) < from || (uint32_t)(first - g->nodes) >= to
                      ? from
                      : (uint32_t)(first - g->nodes);
    for (uint32_t i = 0; i < g->run_len; i++) {
        struct node *n = &g->nodes[at];
        char text[32];
        if (n->operator== first->operator&& n->state == NODE_READY) {
            address_of(at, ++n->version, text);
            struct dsdn_ev_node_updated e = {.node_id = n->author.key.public_key,
                                             .zone = zone_name(n->zone),
                                             .address = text_view(text),
                                             .capacity_gb = (1u << 30) + n->version};
            if (!put(g, operator_of(g, n), dsdn_EVENT_node_updated, &e)) return;
        }
        if (++at == to) at = from;
    }
}

void story_rotations(struct generator *g)
{
    struct node *n = ready_node(g);
    for (uint32_t i = 0; n && i < g->run_len; i++)
        if (!put_rotation(g, n)) return;
}

void story_rebinding(struct generator *g)
{
    struct node *n = ready_node(g);
    if (!n) return;
    uint8_t signature[64] = {0};
    n->operator=(uint16_t) below(g, g->operator_cnt);
    struct dsdn_ev_operator_bound e = {.node_id = n->author.key.public_key,
                                       .operator= operator_of(g, n)->key.public_key,
                                       .expiry = g->time_ms + 100 * YEAR_MS + ++n->version,
                                       .node_sig = signature};
    put_signed(g, operator_of(g, n), dsdn_EVENT_operator_bound, &e, signature, "node_sig", &n->author.key);
}

/* A node is quarantined and released; or banned for a while, and a later incident lets it in again. */
void story_incident(struct generator *g)
{
    bool over =
        g->banned && g->time_ms > g->ban_end_ms + 60000; /* its deadline has surely been drained by then */
    if (over) {
        if (!status_set(g, g->banned_node, 1, 0)) return;
        g->nodes[g->banned_node].state = NODE_READY;
        g->banned = false;
        return;
    }
    struct node *n = ready_node(g);
    if (!n) return;
    uint32_t node = (uint32_t)(n - g->nodes);
    if (g->banned || g->ready_cnt < NODE_START || below(g, 4)) {
        if (status_set(g, node, 2, 0)) status_set(g, node, 1, 0);
        return;
    }
    uint64_t end = g->time_ms + 120000;
    if (!status_set(g, node, 3, end)) return;
    n->state = NODE_BANNED;
    g->banned_node = node;
    g->ban_end_ms = end;
    g->banned = true;
}
