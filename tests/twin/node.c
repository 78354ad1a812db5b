/* node.c: reducers.md, "Nodes". */
#include "tests/twin/rules.h"

static const uint8_t nobody[32];
static const uint64_t without_end = UINT64_MAX;

bool judged(struct twin *t)
{
    return get(head(t), "feature_level") >= 1;
}

static uint64_t minimum_of(struct twin *t, uint64_t role, uint64_t class)
{
    if (role == 1 && class == 0) return setting(t, "stake_min_reguler");
    if (role == 1 && class == 1) return setting(t, "stake_min_datacenter");
    if (role == 2) return setting(t, "stake_min_validator");
    return 0;
}

static uint64_t minimum(struct twin *t, const struct fact *node)
{
    return minimum_of(t, get(node, "role"), get(node, "node_class"));
}

static bool holds_replicas(struct twin *t, const struct fact *node)
{
    const struct fact_table *replicas = facts_table(&t->facts, "replica");
    for (uint32_t i = 0; i < replicas->cnt; i++)
        if (same(replicas->rows[i]->key.bytes + 32, node->key.bytes)) return true;
    return false;
}

static void move(struct twin *t, struct fact *node, uint64_t status, uint64_t cause)
{
    bool was_active = get(node, "status") == ACTIVE;
    set(node, "status", status);
    set(node, "cause", cause);
    set(node, "status_ms", t->now);
    if ((was_active || status == CLOSED) && holds_replicas(t, node))
        deadline_set(t, CLOCK_TIME, later(t->now, 1), REPLICA_SWEEP, node->key.bytes, 32);
}

void judge(struct twin *t, struct fact *node)
{
    if (!node || !judged(t)) return;
    uint64_t status = get(node, "status");
    if (status == BANNED || status == CLOSED) return;
    if (status == QUARANTINED && get(node, "cause") == 3) return;
    if (get(node, "cooldown_until") > t->now) {
        if (status != QUARANTINED) move(t, node, QUARANTINED, 2);
    } else if (stake_of(t, node->key.bytes, owner_of(node), get(node, "role")) < minimum(t, node)) {
        if (status != QUARANTINED)
            move(t, node, QUARANTINED, 1);
        else
            set(node, "cause", 1);
    } else if (status != ACTIVE)
        move(t, node, ACTIVE, 1);
}

/* A ban that had an end loses its deadline. */
static void ban_cleared(struct twin *t, struct fact *node)
{
    if (get(node, "status") == BANNED && get(node, "banned_until") != without_end)
        deadline_drop(t, CLOCK_TIME, get(node, "banned_until"), BAN_END, node->key.bytes, 32);
}

void fault(struct twin *t, struct fact *node)
{
    set(node, "fault3_ms", get(node, "fault2_ms"));
    set(node, "fault2_ms", get(node, "fault1_ms"));
    set(node, "fault1_ms", t->now);
    if (get(node, "cooldown_until") > t->now)
        deadline_drop(t, CLOCK_TIME, get(node, "cooldown_until"), COOLDOWN_END, node->key.bytes, 32);
    uint64_t until = later(t->now, setting(t, "slash_cooldown_ms"));
    set(node, "cooldown_until", until);
    if (get(node, "status") != CLOSED) deadline_set(t, CLOCK_TIME, until, COOLDOWN_END, node->key.bytes, 32);
    if (get(node, "status") == PENDING || get(node, "status") == ACTIVE)
        move(t, node, QUARANTINED, 2);
    else if (get(node, "status") == QUARANTINED && get(node, "cause") != 3)
        set(node, "cause", 2);
}

void repeated(struct twin *t, struct fact *node)
{
    ban_cleared(t, node);
    uint64_t until = later(t->now, setting(t, "ban_ms"));
    set(node, "banned_until", until);
    set(node, "fault1_ms", 0);
    set(node, "fault2_ms", 0);
    set(node, "fault3_ms", 0);
    if (get(node, "status") == CLOSED) return;
    move(t, node, BANNED, 4);
    deadline_set(t, CLOCK_TIME, until, BAN_END, node->key.bytes, 32);
}

static verdict present(struct twin *t, struct fact **node)
{
    *node = node_of(t, bytes(t, "node_id"));
    if (!*node) return unmet("NODE_UNKNOWN");
    if (get(*node, "status") == CLOSED) return unmet("NODE_CLOSED");
    if (get(*node, "status") == BANNED) return unmet("NODE_BANNED");
    return OK;
}

static struct key zone_said(struct twin *t)
{
    struct key k = {.len = 0};
    key_text(&k, bytes(t, "zone"), length(t, "zone"), 32);
    return k;
}

static bool zone_possible(struct twin *t)
{
    struct key zone = zone_said(t);
    return facts_find(&t->facts, "zone", &zone) || facts_table(&t->facts, "zone")->cnt < 1024;
}

static void zone_joined(struct twin *t, struct fact *node)
{
    struct key zone = zone_said(t);
    facts_make(&t->facts, "zone", &zone);
    put_bytes(node, "zone", zone.bytes, 32);
}

static bool zone_is(struct twin *t, const struct fact *node)
{
    struct key zone = zone_said(t);
    return same(get_bytes(node, "zone"), zone.bytes);
}

/* ---- events ---- */

static bool registered_the_same(struct twin *t, const struct fact *node, uint64_t class)
{
    return same(get_bytes(node, "operator"), bytes(t, "operator")) &&
           get(node, "role") == number(t, "role") && get(node, "node_class") == class && zone_is(t, node) &&
           text_is(t, "address", node) && get(node, "capacity_gb") == number(t, "capacity_gb") &&
           same(get_bytes(node, "tls_fingerprint"), bytes(t, "tls_fingerprint")) &&
           get(node, "tls_not_after") == number(t, "tls_not_after") &&
           get(node, "binding_expiry") == number(t, "binding_expiry") && text_is(t, "label", node);
}

/* The gate of pilot level. */
static bool operator_allowed(struct twin *t)
{
    char name[47];
    operator_parameter(bytes(t, "operator"), name);
    return setting(t, "gate_pilot") == 0 || twin_parameter(t, name) == 1;
}

verdict node_registered(struct twin *t)
{
    const uint8_t *id = bytes(t, "node_id");
    uint64_t role = number(t, "role"), class = given(t, "node_class") ? number(t, "node_class") : 255;
    if (!same(t->author, bytes(t, "operator"))) return NOT_AUTHORISED;
    if (role == 0) return unmet("NODE_ROLE");
    if ((role == 1) != given(t, "node_class")) return unmet("NODE_CLASS");
    if (length(t, "zone") == 0) return unmet("ZONE_EMPTY");
    if (role == 1 && number(t, "capacity_gb") == 0) return unmet("CAPACITY_ZERO");
    if (same(bytes(t, "tls_fingerprint"), nobody)) return unmet("TLS_MISSING");
    struct fact *node = node_of(t, id);
    if (node && get(node, "status") != CLOSED)
        return registered_the_same(t, node, class) ? NO_EFFECT : CONFLICT;
    if (node) {
        if (get(node, "banned_until") > t->now) return unmet("NODE_BANNED");
        if (get(node, "cooldown_until") > t->now) return unmet("NODE_COOLDOWN");
        if (holds_replicas(t, node)) return unmet("NODE_HOLDS_REPLICAS");
    }
    if (number(t, "tls_not_after") <= t->now) return unmet("TLS_EXPIRED");
    if (number(t, "binding_expiry") <= t->now) return unmet("BINDING_EXPIRED");
    if (!operator_allowed(t)) return unmet("OPERATOR_NOT_ALLOWED");
    const uint8_t *owner = role == 1 ? bytes(t, "operator") : id;
    if (judged(t) && minimum_of(t, role, class) != 0 && stake_of(t, id, owner, role) == 0)
        return unmet("STAKE_MISSING");
    if (!zone_possible(t)) return LIMIT;
    if (!embedded_verifies(t, "node_sig", id, bytes(t, "node_sig"))) return BAD_SIGNATURE;
    struct key k = key_of(id, 32);
    node = facts_make(&t->facts, "node", &k);
    uint64_t faults[3] = {get(node, "fault1_ms"), get(node, "fault2_ms"), get(node, "fault3_ms")};
    fact_clear(node);
    set(node, "fault1_ms", faults[0]);
    set(node, "fault2_ms", faults[1]);
    set(node, "fault3_ms", faults[2]);
    put_bytes(node, "operator", bytes(t, "operator"), 32);
    set(node, "role", role);
    set(node, "node_class", class);
    put_text(t, "address", node);
    set(node, "capacity_gb", number(t, "capacity_gb"));
    put_bytes(node, "tls_fingerprint", bytes(t, "tls_fingerprint"), 32);
    set(node, "tls_not_after", number(t, "tls_not_after"));
    set(node, "binding_expiry", number(t, "binding_expiry"));
    put_text(t, "label", node);
    set(node, "registered_ms", t->now);
    set(node, "status_ms", t->now);
    zone_joined(t, node);
    judge(t, node);
    return OK;
}

verdict node_updated(struct twin *t)
{
    struct fact *node;
    verdict v = present(t, &node);
    if (v) return v;
    if (!same(t->author, get_bytes(node, "operator"))) return NOT_AUTHORISED;
    if (get(node, "binding_expiry") <= t->now) return unmet("BINDING_EXPIRED");
    if (length(t, "zone") == 0) return unmet("ZONE_EMPTY");
    if (get(node, "role") == 1 && number(t, "capacity_gb") == 0) return unmet("CAPACITY_ZERO");
    if (zone_is(t, node) && text_is(t, "address", node) &&
        get(node, "capacity_gb") == number(t, "capacity_gb"))
        return NO_EFFECT;
    if (!zone_possible(t)) return LIMIT;
    zone_joined(t, node);
    put_text(t, "address", node);
    set(node, "capacity_gb", number(t, "capacity_gb"));
    return OK;
}

verdict operator_bound(struct twin *t)
{
    struct fact *node;
    if (!same(t->author, bytes(t, "operator"))) return NOT_AUTHORISED;
    verdict v = present(t, &node);
    if (v) return v;
    if (number(t, "expiry") <= t->now) return unmet("BINDING_EXPIRED");
    if (!operator_allowed(t)) return unmet("OPERATOR_NOT_ALLOWED");
    if (same(get_bytes(node, "operator"), bytes(t, "operator")) &&
        get(node, "binding_expiry") == number(t, "expiry"))
        return NO_EFFECT;
    if (!embedded_verifies(t, "node_sig", bytes(t, "node_id"), bytes(t, "node_sig"))) return BAD_SIGNATURE;
    put_bytes(node, "operator", bytes(t, "operator"), 32);
    set(node, "binding_expiry", number(t, "expiry"));
    judge(t, node);
    return OK;
}

verdict node_tls_rotated(struct twin *t)
{
    struct fact *node;
    if (!same(t->author, bytes(t, "node_id"))) return NOT_AUTHORISED;
    verdict v = present(t, &node);
    if (v) return v;
    if (get(node, "status") == PENDING) return unmet("NODE_STATUS");
    if (same(bytes(t, "tls_fingerprint"), nobody)) return unmet("TLS_MISSING");
    if (number(t, "tls_not_after") <= t->now) return unmet("TLS_EXPIRED");
    if (same(get_bytes(node, "tls_fingerprint"), bytes(t, "tls_fingerprint")) &&
        get(node, "tls_not_after") == number(t, "tls_not_after"))
        return NO_EFFECT;
    put_bytes(node, "tls_fingerprint", bytes(t, "tls_fingerprint"), 32);
    set(node, "tls_not_after", number(t, "tls_not_after"));
    return OK;
}

verdict node_heartbeat(struct twin *t)
{
    struct fact *node;
    if (!same(t->author, bytes(t, "node_id"))) return NOT_AUTHORISED;
    verdict v = present(t, &node);
    if (v) return v;
    uint64_t last = get(node, "last_seen_ms");
    if (last != 0 && t->now - last < setting(t, "heartbeat_min_interval_ms")) return LIMIT;
    set(node, "last_seen_ms", t->now);
    set(node, "last_seen_height", t->origin.height);
    struct key k = key_of(bytes(t, "node_id"), 32);
    struct fact *row = facts_make(&t->facts, "heartbeat", &k);
    set(row, "applied_seq", number(t, "applied_seq"));
    put_bytes(row, "applied_root", bytes(t, "applied_root"), 32);
    return OK;
}

static bool transition(uint64_t from, uint64_t to)
{
    static const char *const table[4] = {
        /* to P A Q B; '.': no */
        [PENDING] = ".AQB",
        [ACTIVE] = "..QB",
        [QUARANTINED] = ".AQB",
        [BANNED] = "P..B",
    };
    return table[from][to] != '.';
}

verdict node_status_set(struct twin *t)
{
    if (t->from_authority) {
        if (count(t, "approvals")) return unmet("APPROVALS_UNEXPECTED");
    } else {
        verdict agreed = founders_agree(t);
        if (agreed) return agreed;
    }
    struct fact *node = node_of(t, bytes(t, "node_id"));
    if (!node) return unmet("NODE_UNKNOWN");
    uint64_t old = get(node, "status"), status = number(t, "status"), until = number(t, "until");
    if (old == CLOSED) return unmet("NODE_CLOSED");
    if (status == BANNED ? until != 0 && until <= t->now : until != 0) return unmet("UNTIL_WRONG");
    if (status == BANNED && until == 0) until = without_end;
    if (status == old && until == get(node, "banned_until")) {
        if (status != QUARANTINED || get(node, "cause") == 3) return NO_EFFECT;
        set(node, "cause", 3);
        set(node, "reason", number(t, "reason"));
        return OK;
    }
    if (!transition(old, status)) return unmet("STATUS_TRANSITION");
    if (status == ACTIVE) {
        if (get(node, "tls_not_after") <= t->now) return unmet("TLS_EXPIRED");
        if (get(node, "binding_expiry") <= t->now) return unmet("BINDING_EXPIRED");
        if (judged(t) && get(node, "cooldown_until") > t->now) return unmet("NODE_COOLDOWN");
        if (judged(t) && stake_of(t, node->key.bytes, owner_of(node), get(node, "role")) < minimum(t, node))
            return unmet("STAKE_BELOW_MINIMUM");
    }
    ban_cleared(t, node);
    set(node, "reason", number(t, "reason"));
    set(node, "banned_until", until);
    move(t, node, status, 3);
    if (status == BANNED && until != without_end)
        deadline_set(t, CLOCK_TIME, until, BAN_END, node->key.bytes, 32);
    return OK;
}

verdict node_deregistered(struct twin *t)
{
    struct fact *node = node_of(t, bytes(t, "node_id"));
    if (!node) return unmet("NODE_UNKNOWN");
    if (!same(t->author, get_bytes(node, "operator"))) return NOT_AUTHORISED;
    if (get(node, "status") == CLOSED) return NO_EFFECT;
    ban_cleared(t, node);
    if (get(node, "cooldown_until") > t->now)
        deadline_drop(t, CLOCK_TIME, get(node, "cooldown_until"), COOLDOWN_END, node->key.bytes, 32);
    move(t, node, CLOSED, 6);
    return OK;
}

/* ---- deadlines ---- */

void ban_end(struct twin *t, const uint8_t *subject)
{
    struct fact *node = node_of(t, subject);
    if (!node || get(node, "status") != BANNED) return;
    set(node, "banned_until", 0);
    move(t, node, PENDING, 5);
}

void cooldown_end(struct twin *t, const uint8_t *subject)
{
    struct fact *node = node_of(t, subject);
    if (node && get(node, "cooldown_until") <= t->now) judge(t, node);
}
