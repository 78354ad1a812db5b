/* affinity.c: wallets that belong together. */
#include "roles/chain/queries.h"
#include "roles/reducers.h"

/* The key of a pair is the same in either order. */
static void pair_key(const uint8_t a[32], const uint8_t b[32], uint8_t key[64])
{
    bool ordered = memcmp(a, b, 32) < 0;
    memcpy(key, ordered ? a : b, 32);
    memcpy(key + 32, ordered ? b : a, 32);
}

uint8_t dsdn_chain_affinity(const struct dsdn_state *s, const uint8_t a[32], const uint8_t b[32])
{
    uint8_t key[64];
    if (dsdn_equal32(a, b)) return DSDN_AFFINE_SAME_OWNER;
    pair_key(a, b, key);
    uint32_t row = dsdn_affinity_find(s, key);
    return row == DSDN_NO_ROW ? 0 : dsdn_affinity_at(s, row)->kinds;
}

static dsdn_outcome one_operator(const struct dsdn_state *s, const uint8_t a[32], const uint8_t b[32])
{
    uint32_t node_a = dsdn_node_find(s, a), node_b = dsdn_node_find(s, b);
    if (node_a == DSDN_NO_ROW || node_b == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    return dsdn_equal32(dsdn_node_at(s, node_a)->operator, dsdn_node_at(s, node_b)->operator)
               ? DSDN_RESULT(OK)
               : DSDN_UNMET(AFFINITY_UNPROVEN);
}

static bool transferred(const struct dsdn_state *s, const uint8_t from[32], const uint8_t to[32])
{
    uint8_t key[64];
    memcpy(key, from, 32);
    memcpy(key + 32, to, 32);
    return dsdn_transfer_link_find(s, key) != DSDN_NO_ROW;
}

enum { KIND_OWNER = 0, KIND_OPERATOR = 1, KIND_TRANSFER = 2 };

/* Kind 0 is proven by a signature; with the others there is none. */
static dsdn_outcome signature(const struct dsdn_context *c, const struct dsdn_ev_wallet_affinity_declared *e)
{
    if (e->kind != KIND_OWNER) return e->b_sig ? DSDN_UNMET(SIGNATURE_UNEXPECTED) : DSDN_RESULT(OK);
    return e->b_sig && dsdn_embedded_valid(c, "b_sig", e->b, e->b_sig) ? DSDN_RESULT(OK)
                                                                       : DSDN_RESULT(BAD_SIGNATURE);
}

/* The others are proven by the state. */
static dsdn_outcome prove(const struct dsdn_context *c, const struct dsdn_ev_wallet_affinity_declared *e)
{
    if (e->kind == KIND_OWNER) return DSDN_RESULT(OK);
    if (e->kind == KIND_OPERATOR) return one_operator(c->state, e->a, e->b);
    return transferred(c->state, e->a, e->b) || transferred(c->state, e->b, e->a)
               ? DSDN_RESULT(OK)
               : DSDN_UNMET(AFFINITY_UNPROVEN);
}

dsdn_outcome dsdn_reduce_wallet_affinity_declared(struct dsdn_context *c,
                                                  const struct dsdn_ev_wallet_affinity_declared *e)
{
    struct dsdn_state *s = c->state;
    if (dsdn_from_authority(c) ? e->kind == KIND_OWNER : !dsdn_equal32(c->author, e->a))
        return DSDN_RESULT(NOT_AUTHORISED);
    if (dsdn_equal32(e->a, e->b)) return DSDN_UNMET(AFFINITY_SELF);
    dsdn_outcome proven = signature(c, e);
    if (proven != DSDN_RESULT(OK)) return proven;
    uint8_t key[64], bit = (uint8_t)(1u << e->kind);
    pair_key(e->a, e->b, key);
    uint32_t row = dsdn_affinity_find(s, key);
    if (row != DSDN_NO_ROW && dsdn_affinity_at(s, row)->kinds & bit) return DSDN_RESULT(NO_EFFECT);
    proven = prove(c, e);
    if (proven != DSDN_RESULT(OK)) return proven;

    if (row == DSDN_NO_ROW) row = dsdn_affinity_insert(s, key);
    struct dsdn_row_affinity *affinity = dsdn_affinity_edit(s, row);
    affinity->kinds |= bit;
    affinity->since_ms = c->time_ms;
    return DSDN_RESULT(OK);
}
