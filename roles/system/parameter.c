/* parameter.c: parameters change at a height of the primary.  The reducer only schedules; the engine applies
 * due rows at the start of a batch (protocol.md, sections 10 and 11). */
#include "log/genesis.h"
#include "roles/reducers.h"

/* Changes that wait for one height; more are refused with LIMIT. */
enum { PENDING_MAX = 64 };

/* What a ParamChanged may say of one parameter. */
struct governed {
    int64_t least, most, current;
};

static bool govern(const struct dsdn_state *s, struct dsdn_view name, struct governed *g)
{
    const struct dsdn_parameter_desc *rule = dsdn_parameter_rule(name.bytes, name.len);
    if (!rule) return false;
    *g = (struct governed){.least = rule->least, .most = rule->most};
    if (dsdn_parameter_find(name.bytes, name.len)) {
        g->current = dsdn_parameter(s, (uint32_t)(rule - dsdn_parameters));
    } else { /* of an operator */
        char text[DSDN_OPERATOR_NAME] = {0};
        memcpy(text, name.bytes, name.len < sizeof text ? name.len : sizeof text - 1);
        g->current = dsdn_parameter_named(s, text);
    }
    return true;
}

static void pending_key(uint8_t key[12], uint64_t effective, uint32_t order)
{
    dsdn_store64_be(key, effective);
    dsdn_store32(key + 8, __builtin_bswap32(order));
}

dsdn_outcome dsdn_reduce_param_changed(struct dsdn_context *c, const struct dsdn_ev_param_changed *e)
{
    dsdn_outcome agreed = dsdn_founders_agree(c, &e->approvals);
    if (agreed) return agreed;
    if (!c->has_primary) return DSDN_UNMET(NO_PRIMARY);
    struct dsdn_state *s = c->state;
    struct governed g;
    if (!govern(s, e->key, &g)) return DSDN_UNMET(PARAMETER_UNKNOWN);
    if (e->effective < c->origin.height) return DSDN_UNMET(HEIGHT_PAST);
    if (e->new_value < g.least || e->new_value > g.most) return DSDN_UNMET(PARAMETER_RANGE);

    /* Orders of one height are 0, 1, 2, ... without gaps: all its rows become due together. */
    uint8_t key[12];
    uint32_t order = 0;
    for (;; order++) {
        pending_key(key, e->effective, order);
        uint32_t row = dsdn_sys_pending_param_find(s, key);
        if (row == DSDN_NO_ROW) break;
        const struct dsdn_sys_row_pending_param *p = dsdn_sys_pending_param_at(s, row);
        if (p->name_len == e->key.len && memcmp(p->name, e->key.bytes, e->key.len) == 0)
            return p->value == e->new_value ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
    }
    if (e->old_value != g.current) return DSDN_UNMET(PARAMETER_OLD_VALUE);
    if (e->new_value == g.current) return DSDN_RESULT(NO_EFFECT);
    if (order >= PENDING_MAX) return DSDN_RESULT(LIMIT);

    struct dsdn_sys_row_pending_param *p =
        dsdn_sys_pending_param_edit(s, dsdn_sys_pending_param_insert(s, key));
    memcpy(p->name, e->key.bytes, e->key.len);
    p->name_len = (uint8_t)e->key.len;
    p->value = e->new_value;
    return DSDN_RESULT(OK);
}
