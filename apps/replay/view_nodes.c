/* view_nodes.c: views that begin with nodes: zone, node, nodes, gate. */
#include "apps/replay/view.h"

#include "roles/coordinator/gate.h"
#include "roles/coordinator/queries.h"
#include "roles/dsdn.h"
#include "roles/node/follower.h"

static const char *name_of(const char *const *names, size_t cnt, uint8_t number)
{
    return number < cnt ? names[number] : "?";
}
#define NAME_OF(names, number) name_of(names, sizeof(names) / sizeof(names)[0], number)

static const char *const statuses[] = {"Pending", "Active", "Quarantined", "Banned", "Closed"};
static const char *const causes[] = {"registered", "stake",     "slashed", "decision",
                                     "repeated",   "ban_ended", "left"};
static const char *const verdicts[] = {"allowed", "quarantined", "refused"};

static int zone_one(struct view_list *v, uint32_t zone, struct dsdn_error *error)
{
    struct dsdn_zone_cursor cursor;
    uint32_t node;
    int rc = DSDN_OK;
    dsdn_query_zone(&cursor, v->s, zone);
    while (!rc && (node = dsdn_query_zone_next(&cursor)) != DSDN_NO_ROW) {
        const struct dsdn_row_node *n = dsdn_node_at(v->s, node);
        view_zone(v, zone);
        view_hex32(v, n->id);
        view_number(v, n->role);
        view_text(v, NAME_OF(statuses, n->status));
        view_number(v, n->on_ring);
        view_number(v, n->replica_cnt);
        view_number(v, n->used_bytes);
        view_number(v, n->capacity_gb);
        rc = view_row(v, error);
    }
    return rc;
}

int view_zone_nodes(struct view_list *v, const char *key, struct dsdn_error *error)
{
    return view_each(v, dsdn_TABLE_zone, key, zone_one, error);
}

static void number_or_null(struct view_list *v, uint64_t number, bool there)
{
    if (there)
        view_number(v, number);
    else
        view_null(v);
}

int view_duties(struct view_list *v, const char *key, struct dsdn_error *error)
{
    struct dsdn_follower follower;
    struct dsdn_duty d;
    uint32_t node = DSDN_NO_ROW;
    int rc = key ? view_find_row(v, dsdn_TABLE_node, key, &node, error) : DSDN_OK;
    if (rc) return rc;
    dsdn_follow(&follower, v->s, node);
    while (!rc && dsdn_follow_next(&follower, &d)) {
        view_node(v, d.node);
        view_hex32(v, dsdn_chunk_at(v->s, d.chunk)->chunk);
        view_text(v, dsdn_follow_duty_name(d.duty));
        view_text(v, dsdn_follow_reason_name(d.reason));
        view_node(v, d.source);
        number_or_null(v, d.deadline_ms, d.deadline_ms != 0);
        number_or_null(v, d.leaf, d.leaves != 0);
        number_or_null(v, d.leaves, d.leaves != 0);
        view_number(v, d.assigned_ordinal);
        view_number(v, d.state_ordinal);
        number_or_null(v, d.cause_ordinal, d.cause_ordinal != DSDN_NO_ORDINAL);
        rc = view_row(v, error);
    }
    return rc;
}

static const char *reason_name(dsdn_outcome reason)
{
    uint16_t code = DSDN_OUTCOME_CODE(reason);
    return code ? dsdn_code_name(&dsdn_catalogue, code) : dsdn_outcome_name(DSDN_OUTCOME_NUMBER(reason));
}

static int gate_one(struct view_list *v, uint32_t node, struct dsdn_error *error)
{
    const struct dsdn_row_node *n = dsdn_node_at(v->s, node);
    int16_t node_class = n->node_class == DSDN_NO_CLASS ? -1 : n->node_class;
    struct dsdn_gate_answer answer =
        dsdn_gate_decide(v->s, v->time_ms, n->operator, n->id, n->role, node_class);
    struct dsdn_gate_slashing slashing = dsdn_gate_slashing_status(v->s, v->time_ms, n->id);
    view_hex32(v, n->id);
    view_text(v, NAME_OF(statuses, n->status));
    view_text(v, NAME_OF(causes, n->cause));
    view_text(v, NAME_OF(verdicts, (uint8_t)answer.verdict));
    view_text(v, reason_name(answer.reason));
    view_text(v, reason_name(dsdn_gate_eligible(v->s, v->time_ms, n->id)));
    view_number(v, dsdn_stake_of(v->s, n->id, dsdn_node_owner(n), n->role)); /* what counts for it */
    view_number(v, dsdn_stake_minimum(v->s, n->role, n->node_class));
    view_number(v, slashing.banned_until);
    view_number(v, slashing.cooldown_until);
    view_number(v, slashing.faults);
    return view_row(v, error);
}

int view_gate(struct view_list *v, const char *key, struct dsdn_error *error)
{
    return view_each(v, dsdn_TABLE_node, key, gate_one, error);
}
