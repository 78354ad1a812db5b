/* status.c: the life cycle of a node as decided by the authority or the founders (docs/formats/reducers.md):
 *
 *     from \ to      Pending  Active  Quarantined  Banned
 *     Pending           =       yes       yes        yes
 *     Active            -        =        yes        yes
 *     Quarantined       -       yes        =         yes     what was automatic becomes a decision
 *     Banned           yes       -         -         new end only
 *     Closed            -        -         -          -      a node that left comes back by registering
 *
 * A quarantine by decision is lifted by decision alone; one for stake or cooldown also when its reason is
 * gone (life.c). */
#include "roles/coordinator/gate.h"

#define TO(status) (1u << DSDN_NODE_##status)
static const uint8_t transitions[] = {
    [DSDN_NODE_PENDING] = TO(ACTIVE) | TO(QUARANTINED) | TO(BANNED),
    [DSDN_NODE_ACTIVE] = TO(QUARANTINED) | TO(BANNED),
    [DSDN_NODE_QUARANTINED] = TO(ACTIVE) | TO(QUARANTINED) | TO(BANNED),
    [DSDN_NODE_BANNED] = TO(PENDING) | TO(BANNED),
    [DSDN_NODE_CLOSED] = 0,
};

/* A status that an unverified checkpoint made up leads nowhere. */
static bool transition_allowed(uint8_t from, uint8_t to)
{
    return from < sizeof transitions && transitions[from] >> to & 1;
}

/* May the node be let in?  A decision overrules an automatic quarantine only when its reason is gone. */
static dsdn_outcome admission(const struct dsdn_context *c, const struct dsdn_row_node *n)
{
    dsdn_outcome papers = dsdn_gate_papers(n->tls_not_after, n->binding_expiry, c->time_ms);
    if (papers || !dsdn_stake_judged(c->state)) return papers;
    if (n->cooldown_until > c->time_ms) return DSDN_UNMET(NODE_COOLDOWN);
    return dsdn_gate_node_stake(c->state, n) ? DSDN_UNMET(STAKE_BELOW_MINIMUM) : DSDN_RESULT(OK);
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
    if (known->status == e->status && known->banned_until == until) {
        if (e->status != DSDN_NODE_QUARANTINED || known->cause == DSDN_CAUSE_DECISION)
            return DSDN_RESULT(NO_EFFECT);
        struct dsdn_row_node *n = dsdn_node_edit(s, row);
        n->cause = DSDN_CAUSE_DECISION;
        n->reason = e->reason;
        return DSDN_RESULT(OK);
    }
    if (!transition_allowed(known->status, e->status)) return DSDN_UNMET(STATUS_TRANSITION);
    if (e->status == DSDN_NODE_ACTIVE) {
        dsdn_outcome admitted = admission(c, known);
        if (admitted) return admitted;
    }

    struct dsdn_row_node *n = dsdn_node_edit(s, row);
    dsdn_node_ban_clear(c, n);
    n->reason = e->reason;
    n->banned_until = until;
    dsdn_node_move(c, row, e->status, DSDN_CAUSE_DECISION);
    if (ban && until != UINT64_MAX)
        dsdn_deadline_set(c, DSDN_CLOCK_TIME, until, DSDN_DEADLINE_BAN_END, e->node_id, 32);
    return DSDN_RESULT(OK);
}
