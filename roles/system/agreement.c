/* agreement.c: whether enough members of the present quorum set agree (docs/formats/reducers.md, "Founders").
 */
#include "roles/reducers.h"

enum { APPROVAL_LEN = 32 + 64 };

static void set_begin(struct dsdn_walk *w, const struct dsdn_state *s)
{
    uint8_t prefix[4];
    dsdn_store32(prefix, __builtin_bswap32(dsdn_head(s)->quorum_set));
    dsdn_walk_begin(w, &s->tables[dsdn_sys_TABLE_quorum_member], 0, prefix, sizeof prefix);
}

dsdn_outcome dsdn_quorum_agrees(const struct dsdn_context *c, const struct dsdn_list *approvals)
{
    const struct dsdn_state *s = c->state;
    struct dsdn_walk w;
    uint32_t members = 0;
    bool author = false;
    set_begin(&w, s);
    for (uint32_t row; (row = dsdn_walk_next(&w)) != DSDN_NO_ROW; members++)
        author |= dsdn_equal32(dsdn_sys_quorum_member_at(s, row)->member, c->author);
    if (!author) return DSDN_RESULT(NOT_AUTHORISED);

    /* Members and approvals both ascend: one walk meets them all. */
    set_begin(&w, s);
    for (uint32_t i = 0; i < approvals->count; i++) {
        const uint8_t *id = approvals->items + (size_t)i * APPROVAL_LEN;
        if ((i && memcmp(id - APPROVAL_LEN, id, 32) >= 0) || dsdn_equal32(id, c->author))
            return DSDN_RESULT(NOT_AUTHORISED);
        int order = -1;
        for (uint32_t row; order < 0 && (row = dsdn_walk_next(&w)) != DSDN_NO_ROW;)
            order = memcmp(dsdn_sys_quorum_member_at(s, row)->member, id, 32);
        if (order) return DSDN_RESULT(NOT_AUTHORISED);
        if (!dsdn_embedded_valid(c, "approvals", id, id + 32)) return DSDN_RESULT(BAD_SIGNATURE);
    }
    return approvals->count + 1 >= dsdn_quorum_needed(members, dsdn_head(s)->quorum_pct)
               ? DSDN_RESULT(OK)
               : DSDN_RESULT(NOT_AUTHORISED);
}

dsdn_outcome dsdn_quorum_or_founders_agree(const struct dsdn_context *c, const struct dsdn_list *approvals)
{
    bool founder = dsdn_sys_founder_find(c->state, c->author) != DSDN_NO_ROW;
    return founder ? dsdn_founders_agree(c, approvals) : dsdn_quorum_agrees(c, approvals);
}
