/* gate.c: the rules of admission, each once, and the queries that combine them. */
#include "roles/coordinator/gate.h"

uint64_t dsdn_stake_minimum(const struct dsdn_state *s, uint8_t role, uint8_t node_class)
{
    if (role == DSDN_NODE_ROLE_VALIDATOR) return (uint64_t)DSDN_SETTING(s, stake_min_validator);
    if (role != DSDN_NODE_ROLE_STORAGE) return 0;
    return (uint64_t)(node_class == 0 ? DSDN_SETTING(s, stake_min_reguler)
                                      : DSDN_SETTING(s, stake_min_datacenter));
}

/* ---- single rules ---- */

dsdn_outcome dsdn_gate_class(uint8_t role, int16_t node_class)
{
    enum { ROLE_LAST = 4, CLASS_LAST = 1 };
    if (role == 0 || role > ROLE_LAST) return DSDN_UNMET(NODE_ROLE);
    if ((role == DSDN_NODE_ROLE_STORAGE) != (node_class >= 0) || node_class > CLASS_LAST)
        return DSDN_UNMET(NODE_CLASS);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_gate_papers(uint64_t tls_not_after, uint64_t binding_expiry, uint64_t time_ms)
{
    if (tls_not_after <= time_ms) return DSDN_UNMET(TLS_EXPIRED);
    if (binding_expiry <= time_ms) return DSDN_UNMET(BINDING_EXPIRED);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_gate_return(const struct dsdn_row_node *node, uint64_t time_ms)
{
    if (node->banned_until > time_ms) return DSDN_UNMET(NODE_BANNED);
    if (node->cooldown_until > time_ms) return DSDN_UNMET(NODE_COOLDOWN);
    if (node->replica_cnt) return DSDN_UNMET(NODE_HOLDS_REPLICAS);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_gate_operator(const struct dsdn_state *s, const uint8_t operator[32])
{
    if (!DSDN_SETTING(s, gate_pilot) || dsdn_operator_allowed(s, operator)) return DSDN_RESULT(OK);
    return DSDN_UNMET(OPERATOR_NOT_ALLOWED);
}

dsdn_outcome dsdn_gate_stake(const struct dsdn_state *s, const uint8_t node_id[32],
                             const uint8_t operator[32], uint8_t role, uint8_t class_column)
{
    if (!dsdn_stake_judged(s)) return DSDN_RESULT(OK);
    uint64_t stake = dsdn_stake_of(s, node_id, role == DSDN_NODE_ROLE_STORAGE ? operator : node_id, role);
    uint64_t minimum = dsdn_stake_minimum(s, role, class_column);
    if (stake >= minimum) return DSDN_RESULT(OK);
    return stake ? DSDN_UNMET(STAKE_BELOW_MINIMUM) : DSDN_UNMET(STAKE_MISSING);
}

dsdn_outcome dsdn_gate_store(const struct dsdn_row_node *node, uint32_t size, uint64_t time_ms)
{
    if (node->status == DSDN_NODE_CLOSED) return DSDN_UNMET(NODE_CLOSED);
    if (node->role != DSDN_NODE_ROLE_STORAGE) return DSDN_UNMET(NODE_ROLE);
    if (node->status != DSDN_NODE_ACTIVE) return DSDN_UNMET(NODE_STATUS);
    dsdn_outcome papers = dsdn_gate_papers(node->tls_not_after, node->binding_expiry, time_ms);
    if (papers) return papers;
    if (node->used_bytes + size > (uint64_t)node->capacity_gb << 30) return DSDN_UNMET(CAPACITY_FULL);
    return DSDN_RESULT(OK);
}

/* ---- the whole decision ---- */

static struct dsdn_gate_answer answer(enum dsdn_gate_verdict verdict, dsdn_outcome reason)
{
    return (struct dsdn_gate_answer){verdict, reason};
}

/* The node's row, NULL when there is none. */
static const struct dsdn_row_node *row_of(const struct dsdn_state *s, const uint8_t node_id[32])
{
    uint32_t row = dsdn_node_find(s, node_id);
    return row == DSDN_NO_ROW ? NULL : dsdn_node_at(s, row);
}

/* The same for a node that did not leave. */
static const struct dsdn_row_node *registered(const struct dsdn_state *s, const uint8_t node_id[32])
{
    const struct dsdn_row_node *node = row_of(s, node_id);
    return node && node->status != DSDN_NODE_CLOSED ? node : NULL;
}

static struct dsdn_gate_answer decide_registered(const struct dsdn_state *s, uint64_t time_ms,
                                                 const struct dsdn_row_node *node)
{
    if (node->status == DSDN_NODE_BANNED) return answer(DSDN_GATE_REFUSED, DSDN_UNMET(NODE_BANNED));
    dsdn_outcome reason = dsdn_gate_papers(node->tls_not_after, node->binding_expiry, time_ms);
    if (reason) return answer(DSDN_GATE_REFUSED, reason);
    if (node->status == DSDN_NODE_QUARANTINED && node->cause == DSDN_CAUSE_DECISION)
        return answer(DSDN_GATE_QUARANTINED, DSDN_UNMET(NODE_STATUS));
    if (dsdn_stake_judged(s) && node->cooldown_until > time_ms)
        return answer(DSDN_GATE_QUARANTINED, DSDN_UNMET(NODE_COOLDOWN));
    reason = dsdn_gate_node_stake(s, node);
    return answer(reason ? DSDN_GATE_QUARANTINED : DSDN_GATE_ALLOWED, reason);
}

struct dsdn_gate_answer dsdn_gate_decide(const struct dsdn_state *s, uint64_t time_ms,
                                         const uint8_t operator[32], const uint8_t node_id[32], uint8_t role,
                                         int16_t node_class)
{
    dsdn_outcome reason = dsdn_gate_class(role, node_class);
    if (reason) return answer(DSDN_GATE_REFUSED, reason);
    uint8_t class_column = dsdn_gate_class_column(node_class);
    const struct dsdn_row_node *node = row_of(s, node_id);
    if (node && node->status != DSDN_NODE_CLOSED) {
        if (!dsdn_equal32(node->operator, operator))
            return answer(DSDN_GATE_REFUSED, DSDN_RESULT(NOT_AUTHORISED));
        if (node->role != role) return answer(DSDN_GATE_REFUSED, DSDN_UNMET(NODE_ROLE));
        if (node->node_class != class_column) return answer(DSDN_GATE_REFUSED, DSDN_UNMET(NODE_CLASS));
        return decide_registered(s, time_ms, node);
    }
    reason = node ? dsdn_gate_return(node, time_ms) : DSDN_RESULT(OK);
    if (!reason) reason = dsdn_gate_operator(s, operator);
    if (reason) return answer(DSDN_GATE_REFUSED, reason);
    reason = dsdn_gate_stake(s, node_id, operator, role, class_column);
    if (reason == DSDN_UNMET(STAKE_MISSING)) return answer(DSDN_GATE_REFUSED, reason);
    return answer(reason ? DSDN_GATE_QUARANTINED : DSDN_GATE_ALLOWED, reason);
}

/* ---- queries ---- */

uint8_t dsdn_gate_node_role(const struct dsdn_state *s, const uint8_t node_id[32])
{
    const struct dsdn_row_node *node = registered(s, node_id);
    return node ? node->role : 0;
}

int16_t dsdn_gate_node_class(const struct dsdn_state *s, const uint8_t node_id[32])
{
    const struct dsdn_row_node *node = registered(s, node_id);
    return node && node->node_class != DSDN_NO_CLASS ? node->node_class : -1;
}

static uint8_t recent(uint64_t fault_ms, uint64_t time_ms, uint64_t window)
{
    return fault_ms && fault_ms <= time_ms && time_ms - fault_ms <= window;
}

struct dsdn_gate_slashing dsdn_gate_slashing_status(const struct dsdn_state *s, uint64_t time_ms,
                                                    const uint8_t node_id[32])
{
    const struct dsdn_row_node *node = row_of(s, node_id);
    if (!node) return (struct dsdn_gate_slashing){.known = false};
    uint64_t window = (uint64_t)DSDN_SETTING(s, fault_window_ms);
    uint8_t faults =
        (uint8_t)(recent(node->fault1_ms, time_ms, window) + recent(node->fault2_ms, time_ms, window) +
                  recent(node->fault3_ms, time_ms, window));
    return (struct dsdn_gate_slashing){
        .known = true,
        .banned = node->status == DSDN_NODE_BANNED || node->banned_until > time_ms,
        .cooling = node->cooldown_until > time_ms,
        .banned_until = node->banned_until,
        .cooldown_until = node->cooldown_until,
        .faults = faults,
    };
}

dsdn_outcome dsdn_gate_eligible(const struct dsdn_state *s, uint64_t time_ms, const uint8_t node_id[32])
{
    const struct dsdn_row_node *node = row_of(s, node_id);
    if (!node) return DSDN_UNMET(NODE_UNKNOWN);
    dsdn_outcome reason = dsdn_gate_store(node, DSDN_CHUNK_MAX, time_ms);
    if (reason != DSDN_UNMET(NODE_STATUS)) return reason;
    if (node->status == DSDN_NODE_BANNED) return DSDN_UNMET(NODE_BANNED);
    if (node->status != DSDN_NODE_QUARANTINED) return reason;
    if (node->cause == DSDN_CAUSE_SLASHED) return DSDN_UNMET(NODE_COOLDOWN);
    return node->cause == DSDN_CAUSE_STAKE ? DSDN_UNMET(STAKE_BELOW_MINIMUM) : reason;
}
