#include "roles/dsdn.h"

#include "roles/chain/ledger.h"
#include "roles/chain/queries.h"
#include "roles/coordinator/placement.h"
#include "roles/reducers.h"
#include "roles/system/author.h"

/* Numbers of all tables by bare name, for the TOUCH and INSERTS lines: a name in both lists would not
 * compile. */
enum {
#define KEY(kind, name, bytes, doc)
#define COL(kind, name, arg, doc)
#define COL_REFS(table, name, max, doc)
#define INDEX(name, ...)
#define RING(name, column, points)
#define END_TABLE(name)
#define TABLE(id, name, role, role_id, doc) TABLE_NUMBER_##name = dsdn_sys_TABLE_##name,
#include "statemachine/system.def"
#undef TABLE
#define TABLE(id, name, role, role_id, doc) TABLE_NUMBER_##name = dsdn_TABLE_##name,
#include "roles/tables.def"
#undef TABLE
#undef KEY
#undef COL
#undef COL_REFS
#undef INDEX
#undef RING
#undef END_TABLE
};
#define DSDN_TABLE_NUMBER(name) TABLE_NUMBER_##name

#define DSDN_EVENTS_DEF    "log/events.def"
#define DSDN_EVENTS_PREFIX dsdn
#include "statemachine/declare_reducers.h"

static const struct dsdn_deadline_kind deadlines[] = {
    {DSDN_DEADLINE_BAN_END,
     "ban_end",
     "a ban ends: the node is Pending again; subject: node id",
     dsdn_fire_ban_end,
     {{0, 0}, {0, 0}}},
    {DSDN_DEADLINE_ASSIGNMENT_END,
     "assignment_end",
     "an assigned replica did not become live in time and is dropped; subject: chunk, node id",
     dsdn_fire_assignment_end,
     {{0, 0}, {0, 0}}},
    {DSDN_DEADLINE_UNBONDING_END,
     "unbonding_end",
     "withdrawn stake is paid to its staker; subject: beneficiary, due",
     dsdn_fire_unbonding_end,
     {{0, 0}, {0, 0}}},
    {DSDN_DEADLINE_COOLDOWN_END,
     "cooldown_end",
     "a cooldown ends: the node is judged again; subject: node id",
     dsdn_fire_cooldown_end,
     {{0, 0}, {0, 0}}},
    {DSDN_DEADLINE_REPLICA_SWEEP,
     "replica_sweep",
     "replicas of a node that is not Active any more are let go of, 32 at a time; subject: node id, chunk",
     dsdn_fire_replica_sweep,
     {{(uint8_t)DSDN_TABLE_NUMBER(deadline), 1}, {0, 0}}},
    {DSDN_DEADLINE_VALIDATOR_EPOCH,
     "validator_epoch",
     "the validator set changes",
     dsdn_fire_validator_epoch,
     {{0, 0}, {0, 0}}},
    {DSDN_DEADLINE_TRANSFER_LINK_END,
     "transfer_link_end",
     "a large transfer no longer links its wallets; subject: payer, receiver",
     dsdn_fire_transfer_link_end,
     {{0, 0}, {0, 0}}},
    {DSDN_DEADLINE_COMMITTEE_END,
     "committee_end",
     "a replaced committee expires; subject: epoch",
     dsdn_fire_committee_end,
     {{0, 0}, {0, 0}}},
    {0, NULL, NULL, NULL, {{0, 0}, {0, 0}}},
};

static const struct dsdn_code_name codes[] = {
#define CODE(number, name, doc) {(number), #name, doc},
#include "roles/codes.def"
#undef CODE
    {0, NULL, NULL},
};

/* Families 0x08 (accounts, stake, slashing) and 0x0C (audit) come with level 1. */
static uint8_t level_of(uint16_t type) { return type >> 8 == 0x08 || type >> 8 == 0x0C; }

/* What dsdn_chain_genesis may insert. */
static void genesis_rows(const struct dsdn_ev_genesis_declared *g, uint32_t *rows)
{
    if (g->feature_level < 1) return;
    rows[dsdn_TABLE_account] += g->allocations.count + g->validators.count;
    rows[dsdn_TABLE_stake] += g->validators.count;
    rows[dsdn_TABLE_supply] += 1;
}

/* "plan": nodes that placement chooses next for a chunk; "source": the node it is copied from; "zone": of a node. */
static uint32_t answer(const struct dsdn_state *s, uint64_t time_ms, const char *question, const uint8_t about[32],
                       uint8_t (*answers)[32], uint32_t most)
{
    uint32_t cnt = 0, node = dsdn_node_find(s, about), chunk = dsdn_chunk_find(s, about);
    struct dsdn_placement plan;
    if (strcmp(question, "zone") == 0 && node != DSDN_NO_ROW && most)
        memcpy(answers[cnt++], dsdn_zone_at(s, dsdn_node_at(s, node)->zone)->name, 32);
    if (strcmp(question, "source") == 0 && chunk != DSDN_NO_ROW && most) {
        uint32_t source = dsdn_heal_source(s, chunk);
        if (source != DSDN_NO_ROW) memcpy(answers[cnt++], dsdn_node_at(s, source)->id, 32);
    }
    if (strcmp(question, "plan") == 0 && chunk != DSDN_NO_ROW) {
        dsdn_placement_plan(s, time_ms, chunk, dsdn_placement_want(s, chunk), &plan);
        for (; cnt < plan.cnt && cnt < most; cnt++) memcpy(answers[cnt], dsdn_node_at(s, plan.node[cnt])->id, 32);
    }
    return cnt;
}

const struct dsdn_catalogue dsdn_catalogue = {
    .name = "dsdn",
    .events = &dsdn_event_table,
    .reducers = dsdn_reducers,
    .tables = dsdn_tables,
    .table_cnt = dsdn_TABLE_END - DSDN_SYSTEM_TABLES,
    .deadlines = deadlines,
    .codes = codes,
    .version = DSDN_PROTOCOL(1, 0, 0),
    .level = level_of,
    .genesis = dsdn_chain_genesis,
    .genesis_rows = genesis_rows,
    .registered = dsdn_system_registered,
    .spendable = dsdn_chain_spendable,
    .charge = dsdn_chain_charge,
    .answer = answer,
};
