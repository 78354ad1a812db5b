/* node.c: the node registry (docs/formats/reducers.md, section Nodes; requirements COORD-1, GATE-1..6,
 * GATE-12).  Whether a node may come in is gate.c's to say, what its status brings with it life.c's.  At
 * feature level 0 nothing is staked, so a registered node is Pending until NodeStatusSet lets it in. */
#include "roles/coordinator/gate.h"

enum { ZONES_MAX = 1024 };

static void zone_key(struct dsdn_view name, uint8_t key[32])
{
    memset(key, 0, 32);
    memcpy(key, name.bytes, name.len); /* the codec bounds it to 32 bytes without zeros */
}

static bool zone_is(const struct dsdn_state *s, uint32_t zone, struct dsdn_view name)
{
    uint8_t key[32];
    zone_key(name, key);
    return dsdn_equal32(dsdn_zone_at(s, zone)->name, key);
}

/* Is there such a zone, or room for one more? */
static bool zone_fits(const struct dsdn_state *s, struct dsdn_view name)
{
    uint8_t key[32];
    zone_key(name, key);
    return s->tables[dsdn_TABLE_zone].live_cnt < ZONES_MAX || dsdn_zone_find(s, key) != DSDN_NO_ROW;
}

/* The node joins a zone, made if need be, with its capacity and its place on the ring, if it has one. */
static void zone_enter(struct dsdn_state *s, struct dsdn_row_node *node, struct dsdn_view name)
{
    uint8_t key[32];
    zone_key(name, key);
    uint32_t row = dsdn_zone_find(s, key);
    if (row == DSDN_NO_ROW) row = dsdn_zone_insert(s, key);
    struct dsdn_row_zone *zone = dsdn_zone_edit(s, row);
    zone->node_cnt++;
    zone->ring_cnt += node->on_ring != 0;
    zone->capacity_gb += node->capacity_gb;
    node->zone = row;
}

static void zone_leave(struct dsdn_state *s, const struct dsdn_row_node *node)
{
    struct dsdn_row_zone *zone = dsdn_zone_edit(s, node->zone);
    zone->node_cnt--;
    zone->ring_cnt -= node->on_ring != 0;
    zone->capacity_gb -= node->capacity_gb;
}

static void text_set(uint8_t *text, uint8_t *len, size_t cap, struct dsdn_view from)
{
    memset(text, 0, cap);
    if (from.len) memcpy(text, from.bytes, from.len); /* one that an old version lacks has no bytes */
    *len = (uint8_t)from.len;
}
#define TEXT_SET(row, column, view) text_set((row)->column, &(row)->column##_len, sizeof(row)->column, (view))

static bool text_is(const uint8_t *text, uint8_t len, struct dsdn_view other)
{
    return len == other.len && (len == 0 || memcmp(text, other.bytes, len) == 0);
}

static bool same_registration(const struct dsdn_state *s, const struct dsdn_row_node *n,
                              const struct dsdn_ev_node_registered *e)
{
    return dsdn_equal32(n->operator, e->operator) && n->role == e->role &&
           n->node_class == dsdn_gate_class_column(e->node_class) && zone_is(s, n->zone, e->zone) &&
           text_is(n->address, n->address_len, e->address) && n->capacity_gb == e->capacity_gb &&
           dsdn_equal32(n->tls_fingerprint, e->tls_fingerprint) && n->tls_not_after == e->tls_not_after &&
           n->binding_expiry == e->binding_expiry && text_is(n->label, n->label_len, e->label);
}

/* The row of a registration that was accepted.  A node that comes back starts anew, but for the faults it is
 * known for. */
static void registration_write(struct dsdn_context *c, struct dsdn_row_node *n,
                               const struct dsdn_ev_node_registered *e)
{
    uint64_t faults[3] = {n->fault1_ms, n->fault2_ms, n->fault3_ms};
    memset((uint8_t *)n + dsdn_KEY_LEN_node, 0, sizeof *n - dsdn_KEY_LEN_node);
    n->fault1_ms = faults[0];
    n->fault2_ms = faults[1];
    n->fault3_ms = faults[2];
    n->capacity_gb = e->capacity_gb;
    zone_enter(c->state, n, e->zone);
    n->status = DSDN_NODE_PENDING;
    n->cause = DSDN_CAUSE_REGISTERED;
    n->role = e->role;
    n->node_class = dsdn_gate_class_column(e->node_class);
    n->registered_ms = c->time_ms;
    n->status_ms = c->time_ms;
    n->binding_expiry = e->binding_expiry;
    n->tls_not_after = e->tls_not_after;
    memcpy(n->operator, e->operator, 32);
    memcpy(n->tls_fingerprint, e->tls_fingerprint, 32);
    TEXT_SET(n, address, e->address);
    TEXT_SET(n, label, e->label);
}

dsdn_outcome dsdn_reduce_node_registered(struct dsdn_context *c, const struct dsdn_ev_node_registered *e)
{
    if (!dsdn_equal32(c->author, e->operator)) return DSDN_RESULT(NOT_AUTHORISED);
    dsdn_outcome gate = dsdn_gate_class(e->role, e->node_class);
    if (gate) return gate;
    if (!e->zone.len) return DSDN_UNMET(ZONE_EMPTY);
    if (e->role == DSDN_NODE_ROLE_STORAGE && !e->capacity_gb) return DSDN_UNMET(CAPACITY_ZERO);
    if (dsdn_zero32(e->tls_fingerprint)) return DSDN_UNMET(TLS_MISSING);

    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_node_find_hashed(s, e->node_id, c->hash[0]);
    if (row != DSDN_NO_ROW) {
        const struct dsdn_row_node *known = dsdn_node_at(s, row);
        if (known->status != DSDN_NODE_CLOSED)
            return same_registration(s, known, e) ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
        if ((gate = dsdn_gate_return(known, c->time_ms))) return gate;
    }
    if ((gate = dsdn_gate_papers(e->tls_not_after, e->binding_expiry, c->time_ms))) return gate;
    if ((gate = dsdn_gate_operator(s, e->operator))) return gate;
    /* None is refused; too little is recorded, as Quarantined. */
    gate = dsdn_gate_stake(s, e->node_id, e->operator, e->role, dsdn_gate_class_column(e->node_class));
    if (gate == DSDN_UNMET(STAKE_MISSING)) return gate;
    if (!zone_fits(s, e->zone)) return DSDN_RESULT(LIMIT);
    if (!dsdn_embedded_valid(c, "node_sig", e->node_id, e->node_sig)) return DSDN_RESULT(BAD_SIGNATURE);

    if (row == DSDN_NO_ROW) row = dsdn_node_insert_hashed(s, e->node_id, c->hash[0]);
    registration_write(c, dsdn_node_edit_indexed(s, row), e);
    dsdn_node_judge(c, row);
    return DSDN_RESULT(OK);
}

/* What the operator's and the node's own events ask first. */
static dsdn_outcome present(const struct dsdn_state *s, uint32_t row)
{
    if (row == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    uint8_t status = dsdn_node_at(s, row)->status;
    if (status == DSDN_NODE_CLOSED) return DSDN_UNMET(NODE_CLOSED);
    if (status == DSDN_NODE_BANNED) return DSDN_UNMET(NODE_BANNED);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_node_updated(struct dsdn_context *c, const struct dsdn_ev_node_updated *e)
{
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_node_find_hashed(s, e->node_id, c->hash[0]);
    dsdn_outcome there = present(s, row);
    if (there) return there;
    const struct dsdn_row_node *known = dsdn_node_at(s, row);
    if (!dsdn_equal32(c->author, known->operator)) return DSDN_RESULT(NOT_AUTHORISED);
    if (known->binding_expiry <= c->time_ms) return DSDN_UNMET(BINDING_EXPIRED);
    if (!e->zone.len) return DSDN_UNMET(ZONE_EMPTY);
    if (known->role == DSDN_NODE_ROLE_STORAGE && !e->capacity_gb) return DSDN_UNMET(CAPACITY_ZERO);
    if (zone_is(s, known->zone, e->zone) && text_is(known->address, known->address_len, e->address) &&
        known->capacity_gb == e->capacity_gb)
        return DSDN_RESULT(NO_EFFECT);
    if (!zone_fits(s, e->zone)) return DSDN_RESULT(LIMIT);

    struct dsdn_row_node *n = dsdn_node_edit_indexed(s, row);
    zone_leave(s, n);
    n->capacity_gb = e->capacity_gb;
    zone_enter(s, n, e->zone);
    TEXT_SET(n, address, e->address);
    dsdn_node_ring(s, row);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_operator_bound(struct dsdn_context *c, const struct dsdn_ev_operator_bound *e)
{
    if (!dsdn_equal32(c->author, e->operator)) return DSDN_RESULT(NOT_AUTHORISED);
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_node_find_hashed(s, e->node_id, c->hash[0]);
    dsdn_outcome there = present(s, row);
    if (there) return there;
    const struct dsdn_row_node *known = dsdn_node_at(s, row);
    if (e->expiry <= c->time_ms) return DSDN_UNMET(BINDING_EXPIRED);
    dsdn_outcome listed = dsdn_gate_operator(s, e->operator);
    if (listed) return listed;
    if (dsdn_equal32(known->operator, e->operator) && known->binding_expiry == e->expiry)
        return DSDN_RESULT(NO_EFFECT);
    if (!dsdn_embedded_valid(c, "node_sig", e->node_id, e->node_sig)) return DSDN_RESULT(BAD_SIGNATURE);

    struct dsdn_row_node *n = dsdn_node_edit(s, row);
    memcpy(n->operator, e->operator, 32);
    n->binding_expiry = e->expiry;
    dsdn_node_judge(c, row); /* whose stake counts changed hands too */
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_node_tls_rotated(struct dsdn_context *c, const struct dsdn_ev_node_tls_rotated *e)
{
    if (!dsdn_equal32(c->author, e->node_id)) return DSDN_RESULT(NOT_AUTHORISED);
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_node_find_hashed(s, e->node_id, c->hash[0]);
    dsdn_outcome there = present(s, row);
    if (there) return there;
    const struct dsdn_row_node *known = dsdn_node_at(s, row);
    if (known->status == DSDN_NODE_PENDING) return DSDN_UNMET(NODE_STATUS);
    if (dsdn_zero32(e->tls_fingerprint)) return DSDN_UNMET(TLS_MISSING);
    if (e->tls_not_after <= c->time_ms) return DSDN_UNMET(TLS_EXPIRED);
    if (dsdn_equal32(known->tls_fingerprint, e->tls_fingerprint) && known->tls_not_after == e->tls_not_after)
        return DSDN_RESULT(NO_EFFECT);

    struct dsdn_row_node *n = dsdn_node_edit(s, row);
    memcpy(n->tls_fingerprint, e->tls_fingerprint, 32);
    n->tls_not_after = e->tls_not_after;
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_node_heartbeat(struct dsdn_context *c, const struct dsdn_ev_node_heartbeat *e)
{
    if (!dsdn_equal32(c->author, e->node_id)) return DSDN_RESULT(NOT_AUTHORISED);
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_node_find_hashed(s, e->node_id, c->hash[0]);
    dsdn_outcome there = present(s, row);
    if (there) return there;
    uint64_t last = dsdn_node_at(s, row)->last_seen_ms;
    if (last && c->time_ms - last < (uint64_t)DSDN_SETTING(s, heartbeat_min_interval_ms))
        return DSDN_RESULT(LIMIT);

    struct dsdn_row_node *n = dsdn_node_edit(s, row);
    n->last_seen_ms = c->time_ms;
    n->last_seen_height = c->origin.height;
    /* What it says is only recorded, in role system: a batch sequence may not stand here (protocol.md,
     * section 11). */
    uint32_t beat = dsdn_sys_heartbeat_find_hashed(s, e->node_id, c->hash[1]);
    if (beat == DSDN_NO_ROW) beat = dsdn_sys_heartbeat_insert_hashed(s, e->node_id, c->hash[1]);
    struct dsdn_sys_row_heartbeat *h = dsdn_sys_heartbeat_edit(s, beat);
    h->applied_seq = e->applied_seq;
    memcpy(h->applied_root, e->applied_root, 32);
    return DSDN_RESULT(OK);
}

/* Leaving is always possible, also for a banned node or after the binding ended; ban and cooldown outlive it.
 * Its replicas are not touched here (there may be a million): the sweep that the move begins lets go of them.
 */
dsdn_outcome dsdn_reduce_node_deregistered(struct dsdn_context *c, const struct dsdn_ev_node_deregistered *e)
{
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_node_find_hashed(s, e->node_id, c->hash[0]);
    if (row == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    const struct dsdn_row_node *known = dsdn_node_at(s, row);
    if (!dsdn_equal32(c->author, known->operator)) return DSDN_RESULT(NOT_AUTHORISED);
    if (known->status == DSDN_NODE_CLOSED) return DSDN_RESULT(NO_EFFECT);

    dsdn_node_ban_clear(c, known);
    dsdn_node_cooldown_clear(c, known);
    dsdn_node_move(c, row, DSDN_NODE_CLOSED, DSDN_CAUSE_LEFT);
    zone_leave(s, known);
    return DSDN_RESULT(OK);
}
