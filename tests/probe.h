/* probe.h: a catalogue for tests of the engine: deadlines, schedules, author classes and versions, each in an
 * event that does nothing else.  Defined in the one file of a test that includes this. */
#ifndef DSDN_TESTS_PROBE_H
#define DSDN_TESTS_PROBE_H

#include "statemachine/catalogue.h"
#include "statemachine/system.h"

#define DSDN_EVENTS_DEF    "tests/probe_events.def"
#define DSDN_EVENTS_PREFIX probe
#define DSDN_EVENTS_DEFINE
#include "log/declare_events.h"
#undef DSDN_EVENTS_DEFINE

#define DSDN_TABLES_DEF    "tests/probe_tables.def"
#define DSDN_TABLES_PREFIX probe
#define DSDN_TABLES_BASE   DSDN_SYSTEM_TABLES
#define DSDN_TABLES_DEFINE
#include "statemachine/declare_tables.h"
#undef DSDN_TABLES_DEF
#undef DSDN_TABLES_PREFIX
#undef DSDN_TABLES_BASE
#undef DSDN_TABLES_DEFINE

enum { PROBE_CODE_UNKNOWN = 1, PROBE_CODE_THIRTEEN = 13 };
enum { PROBE_KIND_TRACE = 1, PROBE_KIND_CASCADE = 2, PROBE_KIND_UNKNOWN = 3 };

static void probe_trace(struct dsdn_context *c, uint8_t what, uint64_t subject)
{
    uint8_t key[4];
    dsdn_store32(key, __builtin_bswap32(c->state->tables[probe_TABLE_trace].live_cnt));
    struct probe_row_trace *row = probe_trace_edit(c->state, probe_trace_insert(c->state, key));
    row->what = what;
    row->subject = subject;
    row->time_ms = c->time_ms;
    row->height = c->origin.height;
    row->version = c->version;
    row->ordinal = c->ordinal;
}

static dsdn_outcome probe_mark(struct dsdn_context *c, const uint8_t *id, uint64_t value)
{
    uint32_t row = probe_mark_find_hashed(c->state, id, c->hash[0]);
    if (value == PROBE_CODE_THIRTEEN) return DSDN_PRECONDITION(PROBE_CODE_THIRTEEN);
    if (row != DSDN_NO_ROW && probe_mark_at(c->state, row)->value == value) return DSDN_OUTCOME_NO_EFFECT;
    if (row == DSDN_NO_ROW) row = probe_mark_insert_hashed(c->state, id, c->hash[0]);
    struct probe_row_mark *mark = probe_mark_edit(c->state, row);
    mark->value = value;
    mark->ordinal = c->ordinal;
    memcpy(mark->author, c->author, 32);
    probe_trace(c, 0, value);
    return DSDN_OUTCOME_OK;
}

static dsdn_outcome probe_reduce_mark_set(struct dsdn_context *c, const struct probe_ev_mark_set *e)
{
    return probe_mark(c, e->id, e->value);
}

static dsdn_outcome probe_reduce_mark_claimed(struct dsdn_context *c, const struct probe_ev_mark_claimed *e)
{
    return probe_mark(c, e->id, e->value);
}

static dsdn_outcome probe_reduce_mark_erased(struct dsdn_context *c, const struct probe_ev_mark_erased *e)
{
    uint32_t row = probe_mark_find_hashed(c->state, e->id, c->hash[0]);
    if (row == DSDN_NO_ROW) return DSDN_PRECONDITION(PROBE_CODE_UNKNOWN);
    probe_mark_erase(c->state, row);
    return DSDN_OUTCOME_OK;
}

static dsdn_outcome probe_reduce_armed(struct dsdn_context *c, const struct probe_ev_armed *e)
{
    dsdn_deadline_set(c, e->clock, e->due, e->kind, &e->subject, sizeof e->subject);
    return DSDN_OUTCOME_OK;
}

static dsdn_outcome probe_reduce_disarmed(struct dsdn_context *c, const struct probe_ev_disarmed *e)
{
    bool was = dsdn_deadline_clear(c, e->clock, e->due, e->kind, &e->subject, sizeof e->subject);
    return was ? DSDN_OUTCOME_OK : DSDN_PRECONDITION(PROBE_CODE_UNKNOWN);
}

static dsdn_outcome probe_reduce_scheduled(struct dsdn_context *c, const struct probe_ev_scheduled *e)
{
    uint8_t key[16];
    dsdn_store64_be(key, e->height);
    dsdn_store64_be(key + 8, e->version);
    if (dsdn_sys_upgrade_find(c->state, key) != DSDN_NO_ROW) return DSDN_OUTCOME_NO_EFFECT;
    dsdn_sys_upgrade_insert(c->state, key);
    return DSDN_OUTCOME_OK;
}

static dsdn_outcome probe_reduce_tuned(struct dsdn_context *c, const struct probe_ev_tuned *e)
{
    uint8_t key[12];
    dsdn_store64_be(key, e->height);
    dsdn_store32(key + 8, __builtin_bswap32(e->order));
    if (dsdn_sys_pending_param_find(c->state, key) != DSDN_NO_ROW) return DSDN_OUTCOME_CONFLICT;
    uint32_t number = dsdn_sys_pending_param_insert(c->state, key);
    struct dsdn_sys_row_pending_param *row = dsdn_sys_pending_param_edit(c->state, number);
    row->name_len = (uint8_t)e->name.len;
    memcpy(row->name, e->name.bytes, e->name.len);
    row->value = e->value;
    return DSDN_OUTCOME_OK;
}

static dsdn_outcome probe_reduce_newer(struct dsdn_context *c, const struct probe_ev_newer *e)
{
    probe_trace(c, 0, e->number);
    return DSDN_OUTCOME_OK;
}

#define DSDN_TABLE_NUMBER(name) PROBE_NUMBER_##name
enum {
    PROBE_NUMBER_deadline = dsdn_sys_TABLE_deadline,
    PROBE_NUMBER_upgrade = dsdn_sys_TABLE_upgrade,
    PROBE_NUMBER_pending_param = dsdn_sys_TABLE_pending_param,
    PROBE_NUMBER_mark = probe_TABLE_mark,
    PROBE_NUMBER_trace = probe_TABLE_trace,
};
#include "statemachine/declare_reducers.h"
#undef DSDN_EVENTS_DEF
#undef DSDN_EVENTS_PREFIX
#undef DSDN_TABLE_NUMBER

static void probe_fire_trace(struct dsdn_context *c, const uint8_t subject[72])
{
    probe_trace(c, PROBE_KIND_TRACE, dsdn_load64(subject));
}

/* Sets a deadline that is due already: it must fire in the same batch, as long as the budget lasts. */
static void probe_fire_cascade(struct dsdn_context *c, const uint8_t subject[72])
{
    uint64_t next = dsdn_load64(subject) + 1;
    probe_trace(c, PROBE_KIND_CASCADE, dsdn_load64(subject));
    dsdn_deadline_set(c, DSDN_CLOCK_TIME, 0, PROBE_KIND_TRACE, &next, sizeof next);
}

static const struct dsdn_deadline_kind probe_deadlines[] = {
    {PROBE_KIND_TRACE, "trace", "writes a trace row", probe_fire_trace, {{PROBE_NUMBER_trace, 1}, {0, 0}}},
    {PROBE_KIND_CASCADE,
     "cascade",
     "sets another one",
     probe_fire_cascade,
     {{PROBE_NUMBER_trace, 1}, {PROBE_NUMBER_deadline, 1}}},
    {0, NULL, NULL, NULL, {{0, 0}, {0, 0}}},
};

static const struct dsdn_catalogue probe_catalogue = {
    .name = "probe",
    .events = &probe_event_table,
    .reducers = probe_reducers,
    .tables = probe_tables,
    .table_cnt = probe_TABLE_END - DSDN_SYSTEM_TABLES,
    .deadlines = probe_deadlines,
    .version = DSDN_PROTOCOL(1, 1, 0),
};

#endif
