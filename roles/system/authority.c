/* authority.c: a quorum puts a new authority in place of a lost one (protocol.md, section 9).  That the batch
 * is a takeover batch with its certificate is the batch's validity; here only the shape of the new authority
 * is judged. */
#include "roles/reducers.h"

static void seat_key(uint8_t key[10], uint64_t epoch, uint32_t position)
{
    dsdn_store64_be(key, epoch);
    key[8] = (uint8_t)(position >> 8);
    key[9] = (uint8_t)position;
}

/* Decoding checked the list: every record is there. */
static struct dsdn_rec_member member_next(const uint8_t **p, const struct dsdn_list *committee)
{
    struct dsdn_rec_member m = {0};
    *p = dsdn_get_member(*p, committee->items + committee->len, &m);
    return m;
}

/* Members are distinct keys with distinct, non-zero share indexes; at most 255, so pairs are compared. */
static bool committee_sound(const struct dsdn_list *committee)
{
    uint8_t seen[8192] = {0}; /* bit per share index */
    const uint8_t *p = committee->items;
    for (uint32_t i = 0; i < committee->count; i++) {
        struct dsdn_rec_member m = member_next(&p, committee);
        if (dsdn_zero32(m.coordinator_id) || !m.share_index) return false;
        if (seen[m.share_index / 8] >> m.share_index % 8 & 1) return false;
        seen[m.share_index / 8] |= (uint8_t)(1u << m.share_index % 8);
        const uint8_t *q = committee->items;
        for (uint32_t k = 0; k < i; k++)
            if (dsdn_equal32(member_next(&q, committee).coordinator_id, m.coordinator_id)) return false;
    }
    return true;
}

static void committee_erase(struct dsdn_state *s, uint64_t epoch)
{
    uint8_t key[10];
    for (uint32_t position = 0;; position++) {
        seat_key(key, epoch, position);
        uint32_t row = dsdn_sys_committee_member_find(s, key);
        if (row == DSDN_NO_ROW) return;
        dsdn_sys_committee_member_erase(s, row);
    }
}

static void committee_insert(struct dsdn_state *s, uint64_t epoch, const struct dsdn_list *committee)
{
    const uint8_t *p = committee->items;
    for (uint32_t i = 0; i < committee->count; i++) {
        struct dsdn_rec_member m = member_next(&p, committee);
        uint8_t key[10];
        seat_key(key, epoch, i);
        uint32_t row = dsdn_sys_committee_member_insert(s, key);
        struct dsdn_sys_row_committee_member *seat = dsdn_sys_committee_member_edit(s, row);
        memcpy(seat->coordinator_id, m.coordinator_id, 32);
        memcpy(seat->validator_id, m.validator_id, 32);
        memcpy(seat->share_public, m.share_public, 32);
        seat->share_index = m.share_index;
    }
}

dsdn_outcome dsdn_reduce_authority_replaced(struct dsdn_context *c,
                                            const struct dsdn_ev_authority_replaced *e)
{
    bool committee = e->committee.count > 0;
    if ((e->publisher != NULL) == committee || (e->group_public != NULL) != committee)
        return DSDN_UNMET(AUTHORITY_SHAPE);
    const uint8_t *key = committee ? e->group_public : e->publisher;
    if (dsdn_zero32(key) || (committee && !committee_sound(&e->committee)))
        return DSDN_UNMET(AUTHORITY_SHAPE);
    if (e->threshold != (committee ? 2 * e->committee.count / 3 + 1 : 0))
        return DSDN_UNMET(AUTHORITY_THRESHOLD);
    struct dsdn_state *s = c->state;
    const struct dsdn_sys_row_head *known = dsdn_head(s);
    if (dsdn_equal32(known->authority, key)) return DSDN_RESULT(NO_EFFECT);

    uint64_t epoch = known->authority_epoch + 1;
    committee_erase(s, epoch - 1);
    committee_insert(s, epoch, &e->committee);
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(s, 0);
    memcpy(head->authority, key, 32);
    head->authority_epoch = epoch;
    return DSDN_RESULT(OK);
}
