/* quorum.c: the next quorum set.  The old one decides; where there is none, the founders do. */
#include "roles/reducers.h"

enum { PERCENT_LEAST = 67, PERCENT_MOST = 100 };

static void member_key(uint8_t key[6], uint32_t set, uint32_t position)
{
    dsdn_store32(key, __builtin_bswap32(set));
    key[4] = (uint8_t)(position >> 8);
    key[5] = (uint8_t)position;
}

/* The first member of a set, or DSDN_NO_ROW. */
static uint32_t first_member(const struct dsdn_state *s, uint32_t set)
{
    uint8_t prefix[6];
    struct dsdn_walk w;
    member_key(prefix, set, 0);
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_quorum_member], 0, prefix, 4);
    return dsdn_walk_next(&w);
}

static bool same(const struct dsdn_state *s, const struct dsdn_ev_quorum_validator_set_declared *e)
{
    uint8_t key[6];
    for (uint32_t i = 0; i < e->members.count; i++) {
        member_key(key, e->set_id, i);
        uint32_t row = dsdn_sys_quorum_member_find(s, key);
        if (row == DSDN_NO_ROW ||
            !dsdn_equal32(dsdn_sys_quorum_member_at(s, row)->member, e->members.items + 32 * (size_t)i))
            return false;
    }
    member_key(key, e->set_id, e->members.count);
    return dsdn_sys_quorum_member_find(s, key) == DSDN_NO_ROW && dsdn_head(s)->quorum_pct == e->threshold_pct;
}

static void set_erase(struct dsdn_state *s, uint32_t set)
{
    for (uint32_t row; (row = first_member(s, set)) != DSDN_NO_ROW;) dsdn_sys_quorum_member_erase(s, row);
}

dsdn_outcome dsdn_reduce_quorum_validator_set_declared(struct dsdn_context *c,
                                                       const struct dsdn_ev_quorum_validator_set_declared *e)
{
    struct dsdn_state *s = c->state;
    uint32_t present = dsdn_head(s)->quorum_set;
    dsdn_outcome agreed = first_member(s, present) == DSDN_NO_ROW ? dsdn_founders_agree(c, &e->approvals)
                                                                  : dsdn_quorum_agrees(c, &e->approvals);
    if (agreed) return agreed;
    if (e->threshold_pct < PERCENT_LEAST || e->threshold_pct > PERCENT_MOST)
        return DSDN_UNMET(QUORUM_THRESHOLD);
    if (!e->members.count) return DSDN_UNMET(QUORUM_EMPTY);
    if (e->set_id == present) return same(s, e) ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
    if (e->set_id != present + 1 || e->set_id == DSDN_EMERGENCY_SET) return DSDN_UNMET(QUORUM_SET_ID);

    set_erase(s, present);
    set_erase(s, e->set_id); /* rows of a set that never was: a checkpoint that nobody verified */
    for (uint32_t i = 0; i < e->members.count; i++) {
        uint8_t key[6];
        member_key(key, e->set_id, i);
        uint32_t row = dsdn_sys_quorum_member_insert(s, key);
        memcpy(dsdn_sys_quorum_member_edit(s, row)->member, e->members.items + 32 * (size_t)i, 32);
    }
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(s, 0);
    head->quorum_set = e->set_id;
    head->quorum_pct = e->threshold_pct;
    return DSDN_RESULT(OK);
}
