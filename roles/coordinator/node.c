/* node.c: the node registry (docs/reference/events.md, family node; requirements COORD-1, GATE-1..6).  Stake
 * cannot be judged yet (feature level 0), so a registered node is Pending until NodeStatusSet lets it in. */
#include "roles/reducers.h"

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

static uint32_t zone_enter(struct dsdn_state *s, struct dsdn_view name, uint32_t capacity_gb)
{
    uint8_t key[32];
    zone_key(name, key);
    uint32_t row = dsdn_zone_find(s, key);
    if (row == DSDN_NO_ROW) row = dsdn_zone_insert(s, key);
    struct dsdn_row_zone *zone = dsdn_zone_edit(s, row);
    zone->node_cnt++;
    zone->capacity_gb += capacity_gb;
    return row;
}

static void zone_leave(struct dsdn_state *s, const struct dsdn_row_node *node)
{
    struct dsdn_row_zone *zone = dsdn_zone_edit(s, node->zone);
    zone->node_cnt--;
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

/* Which role goes with which class: one rule for reducer, configuration and handshake (GATE-6). */
static dsdn_outcome class_rule(uint8_t role, int16_t node_class)
{
    if (role == 0) return DSDN_UNMET(NODE_ROLE);
    if ((role == DSDN_NODE_ROLE_STORAGE) != (node_class >= 0)) return DSDN_UNMET(NODE_CLASS);
    return DSDN_RESULT(OK);
}

static uint8_t class_column(int16_t node_class)
{
    return node_class < 0 ? DSDN_NO_CLASS : (uint8_t)node_class;
}

static bool same_registration(const struct dsdn_state *s, const struct dsdn_row_node *n,
                              const struct dsdn_ev_node_registered *e)
{
    return dsdn_equal32(n->operator, e->operator) && n->role == e->role &&
           n->node_class == class_column(e->node_class) && zone_is(s, n->zone, e->zone) &&
           text_is(n->address, n->address_len, e->address) && n->capacity_gb == e->capacity_gb &&
           dsdn_equal32(n->tls_fingerprint, e->tls_fingerprint) && n->tls_not_after == e->tls_not_after &&
           n->binding_expiry == e->binding_expiry && text_is(n->label, n->label_len, e->label);
}

dsdn_outcome dsdn_reduce_node_registered(struct dsdn_context *c, const struct dsdn_ev_node_registered *e)
{
    if (!dsdn_equal32(c->author, e->operator)) return DSDN_RESULT(NOT_AUTHORISED);
    dsdn_outcome rule = class_rule(e->role, e->node_class);
    if (rule) return rule;
    if (!e->zone.len) return DSDN_UNMET(ZONE_EMPTY);
    if (e->role == DSDN_NODE_ROLE_STORAGE && !e->capacity_gb) return DSDN_UNMET(CAPACITY_ZERO);
    if (dsdn_zero32(e->tls_fingerprint)) return DSDN_UNMET(TLS_MISSING);

    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_node_find_hashed(s, e->node_id, c->hash[0]);
    if (row != DSDN_NO_ROW) {
        const struct dsdn_row_node *known = dsdn_node_at(s, row);
        if (known->status != DSDN_NODE_CLOSED)
            return same_registration(s, known, e) ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
        if (known->banned_until > c->time_ms) return DSDN_UNMET(NODE_BANNED);
        if (known->replica_cnt) return DSDN_UNMET(NODE_HOLDS_REPLICAS);
    }
    if (e->tls_not_after <= c->time_ms) return DSDN_UNMET(TLS_EXPIRED);
    if (e->binding_expiry <= c->time_ms) return DSDN_UNMET(BINDING_EXPIRED);
    if (!dsdn_embedded_valid(c, "node_sig", e->node_id, e->node_sig)) return DSDN_RESULT(BAD_SIGNATURE);

    if (row == DSDN_NO_ROW) row = dsdn_node_insert_hashed(s, e->node_id, c->hash[0]);
    struct dsdn_row_node *n = dsdn_node_edit(s, row);
    /* A node that comes back starts anew. */
    memset((uint8_t *)n + dsdn_KEY_LEN_node, 0, sizeof *n - dsdn_KEY_LEN_node);
    n->zone = zone_enter(s, e->zone, e->capacity_gb);
    n->capacity_gb = e->capacity_gb;
    n->status = DSDN_NODE_PENDING;
    n->role = e->role;
    n->node_class = class_column(e->node_class);
    n->registered_ms = c->time_ms;
    n->binding_expiry = e->binding_expiry;
    n->tls_not_after = e->tls_not_after;
    memcpy(n->operator, e->operator, 32);
    memcpy(n->tls_fingerprint, e->tls_fingerprint, 32);
    TEXT_SET(n, address, e->address);
    TEXT_SET(n, label, e->label);
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

    struct dsdn_row_node *n = dsdn_node_edit(s, row);
    zone_leave(s, n);
    n->zone = zone_enter(s, e->zone, e->capacity_gb);
    n->capacity_gb = e->capacity_gb;
    TEXT_SET(n, address, e->address);
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
    if (dsdn_equal32(known->operator, e->operator) && known->binding_expiry == e->expiry)
        return DSDN_RESULT(NO_EFFECT);
    if (!dsdn_embedded_valid(c, "node_sig", e->node_id, e->node_sig)) return DSDN_RESULT(BAD_SIGNATURE);

    struct dsdn_row_node *n = dsdn_node_edit(s, row);
    memcpy(n->operator, e->operator, 32);
    n->binding_expiry = e->expiry;
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

/* Leaving is always possible, also for a banned node or after the binding ended; a ban outlives it.  Its
 * replicas are not touched here (there may be a million): they count as left because their node is Closed,
 * and are removed one by one. */
dsdn_outcome dsdn_reduce_node_deregistered(struct dsdn_context *c, const struct dsdn_ev_node_deregistered *e)
{
    struct dsdn_state *s = c->state;
    uint32_t row = dsdn_node_find_hashed(s, e->node_id, c->hash[0]);
    if (row == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    const struct dsdn_row_node *known = dsdn_node_at(s, row);
    if (!dsdn_equal32(c->author, known->operator)) return DSDN_RESULT(NOT_AUTHORISED);
    if (known->status == DSDN_NODE_CLOSED) return DSDN_RESULT(NO_EFFECT);

    struct dsdn_row_node *n = dsdn_node_edit(s, row);
    dsdn_node_ban_clear(c, n);
    zone_leave(s, n);
    n->status = DSDN_NODE_CLOSED;
    return DSDN_RESULT(OK);
}
