#include "roles/system/author.h"

enum { CLOSED = 4 };

static bool in_set(const struct dsdn_state *s, uint32_t set, const uint8_t author[32])
{
    uint8_t prefix[4];
    struct dsdn_walk w;
    dsdn_store32(prefix, __builtin_bswap32(set));
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_quorum_member], 0, prefix, sizeof prefix);
    for (uint32_t row; (row = dsdn_walk_next(&w)) != DSDN_NO_ROW;)
        if (dsdn_equal32(dsdn_sys_quorum_member_at(s, row)->member, author)) return true;
    return false;
}

static bool in_committee(const struct dsdn_state *s, const uint8_t author[32])
{
    struct dsdn_walk w;
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_committee_member], 0, NULL, 0);
    for (uint32_t row; (row = dsdn_walk_next(&w)) != DSDN_NO_ROW;)
        if (dsdn_equal32(dsdn_sys_committee_member_at(s, row)->coordinator_id, author)) return true;
    return false;
}

bool dsdn_system_registered(const struct dsdn_state *s, const uint8_t author[32])
{
    const struct dsdn_sys_row_head *head = dsdn_head(s);
    uint32_t node = dsdn_node_find(s, author);
    return (node != DSDN_NO_ROW && dsdn_node_at(s, node)->status != CLOSED) ||
           dsdn_sys_validator_find(s, author) != DSDN_NO_ROW ||
           dsdn_sys_founder_find(s, author) != DSDN_NO_ROW || dsdn_equal32(head->authority, author) ||
           (!dsdn_zero32(head->next_authority) && dsdn_equal32(head->next_authority, author)) ||
           in_set(s, head->quorum_set, author) || in_set(s, DSDN_EMERGENCY_SET, author) ||
           in_committee(s, author);
}
