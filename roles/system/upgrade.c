/* upgrade.c: scheduled protocol versions (docs/reference/events.md, family upgrade).  The engine activates
 * due rows at the start of a batch: by da_origin.height, on a network without a primary by batch sequence. */
#include "roles/reducers.h"

/* Versions that wait at once; more are refused with LIMIT. */
enum { SCHEDULED_MAX = 16 };

static void upgrade_key(uint8_t key[16], uint64_t height, uint64_t version)
{
    dsdn_store64_be(key, height);
    dsdn_store64_be(key + 8, version);
}

/* Later heights bring higher versions: no activation lowers the version, and each version waits once. */
static bool in_order(const struct dsdn_state *s, uint64_t height, uint64_t version)
{
    struct dsdn_walk w;
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_upgrade], 0, NULL, 0);
    for (uint32_t row; (row = dsdn_walk_next(&w)) != DSDN_NO_ROW;) {
        const struct dsdn_sys_row_upgrade *u = dsdn_sys_upgrade_at(s, row);
        uint64_t other_height = dsdn_load64_be(u->height), other_version = dsdn_load64_be(u->version);
        bool above = height > other_height && version > other_version;
        bool below = height < other_height && version < other_version;
        if (!above && !below) return false;
    }
    return true;
}

dsdn_outcome dsdn_reduce_upgrade_scheduled(struct dsdn_context *c, const struct dsdn_ev_upgrade_scheduled *e)
{
    dsdn_outcome agreed = dsdn_founders_agree(c, &e->approvals);
    if (agreed) return agreed;
    struct dsdn_state *s = c->state;
    uint64_t version = DSDN_PROTOCOL(e->major, e->minor, e->patch);
    if (version <= c->version) return DSDN_UNMET(VERSION_NOT_NEWER);
    if (e->height <= (c->has_primary ? c->origin.height : dsdn_head(s)->sequence))
        return DSDN_UNMET(HEIGHT_PAST);
    uint8_t key[16];
    upgrade_key(key, e->height, version);
    uint32_t row = dsdn_sys_upgrade_find(s, key);
    if (row != DSDN_NO_ROW)
        return dsdn_equal32(dsdn_sys_upgrade_at(s, row)->migration, e->migration) ? DSDN_RESULT(NO_EFFECT)
                                                                                  : DSDN_RESULT(CONFLICT);
    if (!in_order(s, e->height, version)) return DSDN_UNMET(UPGRADE_ORDER);
    if (s->tables[dsdn_sys_TABLE_upgrade].live_cnt >= SCHEDULED_MAX) return DSDN_RESULT(LIMIT);

    row = dsdn_sys_upgrade_insert(s, key);
    memcpy(dsdn_sys_upgrade_edit(s, row)->migration, e->migration, 32);
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_upgrade_cancelled(struct dsdn_context *c, const struct dsdn_ev_upgrade_cancelled *e)
{
    dsdn_outcome agreed = dsdn_founders_agree(c, &e->approvals);
    if (agreed) return agreed;
    uint8_t key[16];
    upgrade_key(key, e->height, DSDN_PROTOCOL(e->major, e->minor, e->patch));
    uint32_t row = dsdn_sys_upgrade_find(c->state, key);
    if (row == DSDN_NO_ROW) return DSDN_UNMET(UPGRADE_UNKNOWN);
    dsdn_sys_upgrade_erase(c->state, row);
    return DSDN_RESULT(OK);
}
