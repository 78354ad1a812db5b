/* status.c: the life cycle of a node as decided by the authority or the founders (docs/formats/reducers.md):
 *
 *     from \ to      Pending  Active  Quarantined  Banned
 *     Pending           =       yes       yes        yes     Active: admitted (stake is not judged yet)
 *     Active            -        =        yes        yes
 *     Quarantined       -       yes        =         yes
 *     Banned           yes       -         -         new end only
 *     Closed            -        -         -          -      a node that left comes back by registering
 *
 * A ban with an end becomes Pending when its deadline is drained, so that the node is judged again. */
#include "roles/reducers.h"

#define TO(status) (1u << DSDN_NODE_##status)
static const uint8_t transitions[] = {
    [DSDN_NODE_PENDING] = TO(ACTIVE) | TO(QUARANTINED) | TO(BANNED),
    [DSDN_NODE_ACTIVE] = TO(QUARANTINED) | TO(BANNED),
    [DSDN_NODE_QUARANTINED] = TO(ACTIVE) | TO(BANNED),
    [DSDN_NODE_BANNED] = TO(PENDING) | TO(BANNED),
    [DSDN_NODE_CLOSED] = 0,
};

/* A status that an unverified checkpoint made up leads nowhere. */
static bool transition_allowed(uint8_t from, uint8_t to)
{
    return from < sizeof transitions && transitions[from] >> to & 1;
}

void dsdn_node_ban_clear(struct dsdn_context *c, const struct dsdn_row_node *node)
{
    if (node->status == DSDN_NODE_BANNED && node->banned_until != UINT64_MAX)
        dsdn_deadline_clear(c, DSDN_CLOCK_TIME, node->banned_until, DSDN_DEADLINE_BAN_END, node->id, 32);
}

dsdn_outcome dsdn_reduce_node_status_set(struct dsdn_context *c, const struct dsdn_ev_node_status_set *e)
{
    if (dsdn_from_authority(c)) {
        if (e->approvals.count) return DSDN_UNMET(APPROVALS_UNEXPECTED);
    } else {
        dsdn_outcome agreed = dsdn_founders_agree(c, &e->approvals);
        if (agreed) return agreed;
    }
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_node_find_hashed(s, e->node_id, c->hash[0]);
    if (row == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    const struct dsdn_row_node *known = dsdn_node_at(s, row);
    if (known->status == DSDN_NODE_CLOSED) return DSDN_UNMET(NODE_CLOSED);
    bool ban = e->status == DSDN_NODE_BANNED;
    if (ban ? e->until && e->until <= c->time_ms : e->until != 0) return DSDN_UNMET(UNTIL_WRONG);
    uint64_t until = ban ? (e->until ? e->until : UINT64_MAX) : 0;
    if (known->status == e->status && known->banned_until == until) return DSDN_RESULT(NO_EFFECT);
    if (!transition_allowed(known->status, e->status)) return DSDN_UNMET(STATUS_TRANSITION);
    if (e->status == DSDN_NODE_ACTIVE) {
        if (known->tls_not_after <= c->time_ms) return DSDN_UNMET(TLS_EXPIRED);
        if (known->binding_expiry <= c->time_ms) return DSDN_UNMET(BINDING_EXPIRED);
    }

    struct dsdn_row_node *n = dsdn_node_edit(s, row);
    dsdn_node_ban_clear(c, n);
    n->status = e->status;
    n->reason = e->reason;
    n->banned_until = until;
    if (ban && e->until)
        dsdn_deadline_set(c, DSDN_CLOCK_TIME, e->until, DSDN_DEADLINE_BAN_END, e->node_id, 32);
    return DSDN_RESULT(OK);
}

void dsdn_fire_ban_end(struct dsdn_context *c, const uint8_t subject[68])
{
    uint32_t row = dsdn_node_find(c->state, subject);
    if (row == DSDN_NO_ROW || dsdn_node_at(c->state, row)->status != DSDN_NODE_BANNED) return;
    struct dsdn_row_node *n = dsdn_node_edit(c->state, row);
    n->status = DSDN_NODE_PENDING;
    n->banned_until = 0;
}
