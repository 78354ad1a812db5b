/* apply_genesis.c: the state before batch 0 (protocol.md, section 2). */
#include "statemachine/engine_internal.h"

#include "log/genesis.h"

static void put_quorum(struct dsdn_state *s, uint32_t set, const struct dsdn_list *members)
{
    for (uint32_t i = 0; i < members->count; i++) {
        uint8_t key[6] = {(uint8_t)(set >> 24), (uint8_t)(set >> 16), (uint8_t)(set >> 8),
                          (uint8_t)set,         (uint8_t)(i >> 8),    (uint8_t)i};
        uint32_t row = dsdn_sys_quorum_member_insert(s, key);
        memcpy(dsdn_sys_quorum_member_edit(s, row)->member, members->items + 32 * (size_t)i, 32);
    }
}

static void put_committee(struct dsdn_state *s, const struct dsdn_ev_genesis_declared *g)
{
    const struct dsdn_list *committee = &g->committee;
    if (!committee->count) return;
    static const uint8_t first_epoch[8];
    struct dsdn_sys_row_committee *c = dsdn_sys_committee_edit(s, dsdn_sys_committee_insert(s, first_epoch));
    memcpy(c->group_public, g->group_public, 32);
    c->threshold = g->committee_threshold;
    c->state = 1;
    const uint8_t *at = committee->items, *end = at + committee->len;
    for (uint32_t i = 0; i < committee->count; i++) {
        struct dsdn_rec_member m;
        uint8_t key[10] = {[8] = (uint8_t)(i >> 8), [9] = (uint8_t)i};
        if (!(at = dsdn_get_member(at, end, &m))) return; /* cannot be: the genesis was decoded */
        struct dsdn_sys_row_committee_member *row =
            dsdn_sys_committee_member_edit(s, dsdn_sys_committee_member_insert(s, key));
        memcpy(row->coordinator_id, m.coordinator_id, 32);
        memcpy(row->validator_id, m.validator_id, 32);
        memcpy(row->share_public, m.share_public, 32);
        row->share_index = m.share_index;
    }
}

static void put_parameters(struct dsdn_state *s, const struct dsdn_list *params)
{
    const uint8_t *at = params->items, *end = at + params->len;
    for (uint32_t i = 0; i < params->count; i++) {
        struct dsdn_rec_parameter p;
        uint8_t key[48] = {0};
        if (!(at = dsdn_get_parameter(at, end, &p))) return;
        memcpy(key, p.key.bytes, p.key.len); /* at most 48: the decoder's bound */
        dsdn_sys_parameter_edit(s, dsdn_sys_parameter_insert(s, key))->value = p.value;
    }
}

static void put_validators(struct dsdn_state *s, const struct dsdn_ev_genesis_declared *g)
{
    const struct dsdn_list *validators = &g->validators;
    const uint8_t *at = validators->items, *end = at + validators->len;
    for (uint32_t i = 0; i < validators->count; i++) {
        struct dsdn_rec_validator_entry v;
        if (!(at = dsdn_get_validator_entry(at, end, &v))) return;
        struct dsdn_sys_row_validator *row = dsdn_sys_validator_edit(s, dsdn_sys_validator_insert(s, v.id));
        row->stake = v.stake.units;
        row->status = 1;
        row->since_ms = g->genesis_time;
        row->name_len = (uint8_t)v.name.len;
        memcpy(row->name, v.name.bytes, v.name.len);
    }
}

static void put_founders(struct dsdn_state *s, const struct dsdn_list *keys)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        uint32_t row = dsdn_sys_founder_insert(s, keys->items + 32 * (size_t)i);
        dsdn_sys_founder_edit(s, row)->position = (uint8_t)i;
    }
}

static void put_head(struct dsdn_state *s, const struct dsdn_genesis *genesis)
{
    const struct dsdn_ev_genesis_declared *g = &genesis->event;
    struct dsdn_sys_row_head *head = dsdn_sys_head_edit(s, dsdn_sys_head_insert(s, "\0"));
    memcpy(head->batch_hash, genesis->hash, 32);
    memcpy(head->genesis, genesis->hash, 32);
    head->time_ms = g->genesis_time;
    head->has_primary = g->da_chain_id.len != 0;
    head->origin_height = g->da_start;
    memcpy(head->origin_hash, g->da_start_hash, 32);
    head->version = DSDN_PROTOCOL(g->version_major, g->version_minor, g->version_patch);
    memcpy(head->authority, g->coordinator ? g->coordinator : g->group_public, 32);
    head->founder_m = g->founder_m;
    head->quorum_pct = g->quorum_threshold_pct;
    head->feature_level = g->feature_level;
    memcpy(head->transcript, genesis->hash, 32);
}

static int reserve_all(struct dsdn_engine *e, const struct dsdn_ev_genesis_declared *g,
                       struct dsdn_error *error)
{
    uint32_t rows[DSDN_STATE_TABLES_MAX] = {[dsdn_sys_TABLE_head] = 1};
    rows[dsdn_sys_TABLE_parameter] = g->params.count;
    rows[dsdn_sys_TABLE_quorum_member] = g->quorum_members.count + g->emergency_members.count;
    rows[dsdn_sys_TABLE_founder] = g->founder_keys.count;
    rows[dsdn_sys_TABLE_validator] = g->validators.count;
    rows[dsdn_sys_TABLE_committee_member] = g->committee.count;
    rows[dsdn_sys_TABLE_committee] = g->committee.count != 0;
    if (e->catalogue->genesis_rows) e->catalogue->genesis_rows(g, rows);
    int rc = DSDN_OK;
    for (uint32_t t = 0; !rc && t < e->table_cnt; t++)
        if (rows[t]) rc = dsdn_table_reserve(&e->state.tables[t], rows[t], error);
    return rc;
}

int dsdn_engine_genesis(struct dsdn_engine *e, const uint8_t *bytes, size_t len, struct dsdn_error *error)
{
    struct dsdn_genesis genesis;
    struct dsdn_state *s = &e->state;
    if (s->tables[dsdn_sys_TABLE_head].live_cnt)
        return dsdn_fail(error, DSDN_E_USAGE, "the engine has a genesis already");
    int rc = dsdn_genesis_decode(&genesis, bytes, len, error);
    if (rc) return rc;
    rc = reserve_all(e, &genesis.event, error);
    if (!rc) {
        put_head(s, &genesis);
        put_parameters(s, &genesis.event.params);
        dsdn_parameters_read(s);
        put_validators(s, &genesis.event);
        put_founders(s, &genesis.event.founder_keys);
        put_quorum(s, 0, &genesis.event.quorum_members);
        put_quorum(s, DSDN_EMERGENCY_SET, &genesis.event.emergency_members);
        put_committee(s, &genesis.event);
        if (e->catalogue->genesis) {
            struct dsdn_context c = {.state = s,
                                     .time_ms = genesis.event.genesis_time,
                                     .genesis = genesis.hash,
                                     .version = dsdn_head(s)->version,
                                     .has_primary = dsdn_head(s)->has_primary};
            rc = e->catalogue->genesis(&c, &genesis.event, error);
        }
        dsdn_state_settle(s);
        s->failed = false;
        s->old_cnt = 0; /* the genesis is no batch: it has no row-change hash */
        for (uint32_t t = 0; t < e->table_cnt; t++)
            if (s->tables[t].touched)
                memset(s->tables[t].touched, 0, s->tables[t].pages[DSDN_PAGES_TOUCHED].len);
    }
    dsdn_genesis_free(&genesis);
    return rc;
}
