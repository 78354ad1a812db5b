/* seats.c: the rows of a committee (roles/system/committee.h). */
#include "roles/system/committee.h"

/* Decoding checked the list: every record is there. */
static struct dsdn_rec_member member_next(const uint8_t **p, const struct dsdn_list *members)
{
    struct dsdn_rec_member m = {0};
    *p = dsdn_get_member(*p, members->items + members->len, &m);
    return m;
}

static void seat_key(uint8_t key[10], uint64_t epoch, uint32_t position)
{
    dsdn_store64_be(key, epoch);
    key[8] = (uint8_t)(position >> 8);
    key[9] = (uint8_t)position;
}

uint32_t dsdn_committee_find(const struct dsdn_state *s, uint64_t epoch)
{
    uint8_t key[8];
    dsdn_store64_be(key, epoch);
    return dsdn_sys_committee_find(s, key);
}

/* At most 255 members: keys are compared in pairs. */
bool dsdn_committee_sound(const struct dsdn_list *members)
{
    uint8_t seen[8192] = {0}; /* bit per share index */
    const uint8_t *p = members->items;
    for (uint32_t i = 0; i < members->count; i++) {
        struct dsdn_rec_member m = member_next(&p, members);
        if (dsdn_zero32(m.coordinator_id) || !m.share_index) return false;
        if (seen[m.share_index / 8] >> m.share_index % 8 & 1) return false;
        seen[m.share_index / 8] |= (uint8_t)(1u << m.share_index % 8);
        const uint8_t *q = members->items;
        for (uint32_t k = 0; k < i; k++)
            if (dsdn_equal32(member_next(&q, members).coordinator_id, m.coordinator_id)) return false;
    }
    return true;
}

bool dsdn_committee_same(const struct dsdn_state *s, uint64_t epoch, const struct dsdn_list *members)
{
    const uint8_t *p = members->items;
    uint8_t key[10];
    for (uint32_t i = 0; i < members->count; i++) {
        struct dsdn_rec_member m = member_next(&p, members);
        seat_key(key, epoch, i);
        uint32_t row = dsdn_sys_committee_member_find(s, key);
        if (row == DSDN_NO_ROW) return false;
        const struct dsdn_sys_row_committee_member *seat = dsdn_sys_committee_member_at(s, row);
        if (!dsdn_equal32(seat->coordinator_id, m.coordinator_id) ||
            !dsdn_equal32(seat->validator_id, m.validator_id) ||
            !dsdn_equal32(seat->share_public, m.share_public) || seat->share_index != m.share_index)
            return false;
    }
    seat_key(key, epoch, members->count);
    return dsdn_sys_committee_member_find(s, key) == DSDN_NO_ROW;
}

void dsdn_committee_erase(struct dsdn_state *s, uint64_t epoch)
{
    uint32_t row = dsdn_committee_find(s, epoch);
    if (row != DSDN_NO_ROW) dsdn_sys_committee_erase(s, row);
    uint8_t prefix[8];
    dsdn_store64_be(prefix, epoch);
    for (;;) { /* by the index: seats of a checkpoint that nobody verified may have gaps */
        struct dsdn_walk w;
        dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_committee_member], 0, prefix, sizeof prefix);
        row = dsdn_walk_next(&w);
        if (row == DSDN_NO_ROW) return;
        dsdn_sys_committee_member_erase(s, row);
    }
}

struct dsdn_sys_row_committee *dsdn_committee_insert(struct dsdn_state *s, uint64_t epoch,
                                                     const struct dsdn_list *members,
                                                     const uint8_t group_public[32], uint16_t threshold)
{
    const uint8_t *p = members->items;
    uint8_t key[10];
    for (uint32_t i = 0; i < members->count; i++) {
        struct dsdn_rec_member m = member_next(&p, members);
        seat_key(key, epoch, i);
        struct dsdn_sys_row_committee_member *seat =
            dsdn_sys_committee_member_edit(s, dsdn_sys_committee_member_insert(s, key));
        memcpy(seat->coordinator_id, m.coordinator_id, 32);
        memcpy(seat->validator_id, m.validator_id, 32);
        memcpy(seat->share_public, m.share_public, 32);
        seat->share_index = m.share_index;
    }
    seat_key(key, epoch, 0); /* the first 8 bytes are the key of the committee */
    struct dsdn_sys_row_committee *row = dsdn_sys_committee_edit(s, dsdn_sys_committee_insert(s, key));
    memcpy(row->group_public, group_public, 32);
    row->threshold = threshold;
    return row;
}
