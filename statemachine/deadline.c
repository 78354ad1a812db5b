/* deadline.c: deadlines and height schedules (protocol.md, sections 10 and 11). */
#include "statemachine/engine_internal.h"

#define SUBJECT_LEN 72u

struct dsdn_tick dsdn_tick_of(const struct dsdn_state *s, const struct dsdn_header *h)
{
    bool primary = dsdn_head(s)->has_primary;
    return (struct dsdn_tick){
        .time_ms = h->time_ms,
        .height = primary ? h->origin.height : 0,
        .origin_time = primary ? h->origin.time_ms : h->time_ms,
        .has_primary = primary,
        .scanned =
            !primary || (h->cursor.height == h->origin.height && h->cursor.blob_index == DSDN_CURSOR_END),
        .sequence = h->sequence,
    };
}

/* The moment a clock stands at, or false when its deadlines cannot fire in this batch. */
static bool clock_now(const struct dsdn_tick *t, uint8_t clock, uint64_t *now)
{
    switch (clock) {
    case DSDN_CLOCK_OBJECTION: *now = t->origin_time; return t->scanned;
    case DSDN_CLOCK_HEIGHT: *now = t->height; return t->has_primary;
    default: *now = t->time_ms; return true;
    }
}

static void key_make(uint8_t key[dsdn_sys_KEY_LEN_deadline], uint8_t clock, uint64_t due, uint16_t kind,
                     const void *subject, uint32_t len)
{
    memset(key, 0, dsdn_sys_KEY_LEN_deadline);
    key[0] = clock;
    dsdn_store64_be(key + 1, due);
    key[9] = (uint8_t)(kind >> 8);
    key[10] = (uint8_t)kind;
    memcpy(key + 11, subject, len < SUBJECT_LEN ? len : SUBJECT_LEN);
}

_Static_assert(sizeof((struct dsdn_deadline *)0)->key == dsdn_sys_KEY_LEN_deadline, "a key of the table");

void dsdn_deadline_make(struct dsdn_context *c, enum dsdn_clock clock, uint64_t due, uint16_t kind,
                        const void *subject, uint32_t subject_len, struct dsdn_deadline *out)
{
    key_make(out->key, (uint8_t)clock, due, kind, subject, subject_len);
    out->hash = dsdn_key_hash(c->state->seed, out->key, sizeof out->key);
    dsdn_table_prefetch_slot(&c->state->tables[dsdn_sys_TABLE_deadline], out->hash);
}

void dsdn_deadline_put(struct dsdn_context *c, const struct dsdn_deadline *d)
{
    if (dsdn_sys_deadline_find_hashed(c->state, d->key, d->hash) == DSDN_NO_ROW)
        dsdn_sys_deadline_insert_hashed(c->state, d->key, d->hash);
}

bool dsdn_deadline_drop(struct dsdn_context *c, const struct dsdn_deadline *d)
{
    uint32_t row = dsdn_sys_deadline_find_hashed(c->state, d->key, d->hash);
    if (row != DSDN_NO_ROW) dsdn_sys_deadline_erase(c->state, row);
    return row != DSDN_NO_ROW;
}

void dsdn_deadline_set(struct dsdn_context *c, enum dsdn_clock clock, uint64_t due, uint16_t kind,
                       const void *subject, uint32_t subject_len)
{
    struct dsdn_deadline deadline;
    dsdn_deadline_make(c, clock, due, kind, subject, subject_len, &deadline);
    dsdn_deadline_put(c, &deadline);
}

bool dsdn_deadline_clear(struct dsdn_context *c, enum dsdn_clock clock, uint64_t due, uint16_t kind,
                         const void *subject, uint32_t subject_len)
{
    struct dsdn_deadline deadline;
    dsdn_deadline_make(c, clock, due, kind, subject, subject_len, &deadline);
    return dsdn_deadline_drop(c, &deadline);
}

/* The first due row of a clock, or DSDN_NO_ROW. */
static uint32_t first_due(const struct dsdn_state *s, uint8_t clock, uint64_t now)
{
    struct dsdn_walk w;
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_deadline], 0, &clock, 1);
    uint32_t row = dsdn_walk_next(&w);
    return row != DSDN_NO_ROW && dsdn_load64_be(dsdn_sys_deadline_at(s, row)->due) <= now ? row : DSDN_NO_ROW;
}

uint32_t dsdn_deadlines_due(const struct dsdn_state *s, const struct dsdn_tick *tick, uint32_t limit)
{
    uint32_t due = 0;
    uint64_t now;
    if (!s->tables[dsdn_sys_TABLE_deadline].live_cnt) return 0;
    for (uint8_t clock = DSDN_CLOCK_OBJECTION; clock <= DSDN_CLOCK_TIME; clock++) {
        if (!clock_now(tick, clock, &now)) continue;
        struct dsdn_walk w;
        dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_deadline], 0, &clock, 1);
        for (uint32_t row; due < limit && (row = dsdn_walk_next(&w)) != DSDN_NO_ROW; due++)
            if (dsdn_load64_be(dsdn_sys_deadline_at(s, row)->due) > now) break;
    }
    return due;
}

void dsdn_deadlines_rows(const struct dsdn_engine *e, const struct dsdn_tick *tick, uint32_t budget,
                         uint32_t *rows)
{
    uint32_t most[DSDN_STATE_TABLES_MAX] = {0}, own = rows[dsdn_sys_TABLE_deadline];
    uint32_t fired = dsdn_deadlines_due(&e->state, tick, budget);
    fired = own < budget - fired ? fired + own : budget;
    if (!fired) return;
    for (const struct dsdn_deadline_kind *k = e->catalogue->deadlines; k && k->name; k++) {
        uint32_t of_kind[DSDN_STATE_TABLES_MAX] = {0};
        for (int i = 0; i < 2; i++) of_kind[k->insert[i].table] += k->insert[i].rows;
        for (uint32_t t = 0; t < e->table_cnt; t++)
            if (most[t] < of_kind[t]) most[t] = of_kind[t];
    }
    if (most[dsdn_sys_TABLE_deadline]) fired = budget; /* those they set are drained too */
    for (uint32_t t = 0; t < e->table_cnt; t++) rows[t] += most[t] * fired;
}

void dsdn_deadlines_drain(struct dsdn_engine *e, struct dsdn_context *c, const struct dsdn_tick *tick,
                          uint32_t budget)
{
    struct dsdn_state *s = &e->state;
    uint64_t now;
    for (uint8_t clock = DSDN_CLOCK_OBJECTION; clock <= DSDN_CLOCK_TIME; clock++) {
        if (!clock_now(tick, clock, &now)) continue;
        for (uint32_t row; budget && (row = first_due(s, clock, now)) != DSDN_NO_ROW; budget--) {
            struct dsdn_sys_row_deadline fired = *dsdn_sys_deadline_at(s, row);
            uint16_t number = (uint16_t)(fired.kind[0] << 8 | fired.kind[1]);
            dsdn_sys_deadline_erase(s, row);
            for (const struct dsdn_deadline_kind *k = e->catalogue->deadlines; k && k->name; k++)
                if (k->kind == number) k->fire(c, fired.subject);
            dsdn_state_settle(s);
            dsdn_engine_tell(e, DSDN_STEP_DEADLINE, number, (const uint8_t *)&fired);
        }
    }
}

/* ---- schedules ---- */

/* The first scheduled upgrade that the batch reaches.  Without a primary `height` is a batch sequence. */
static uint32_t upgrade_due(const struct dsdn_state *s, const struct dsdn_tick *t)
{
    struct dsdn_walk w;
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_upgrade], 0, NULL, 0);
    uint32_t row = dsdn_walk_next(&w);
    uint64_t reached = t->has_primary ? t->height : t->sequence;
    return row != DSDN_NO_ROW && dsdn_load64_be(dsdn_sys_upgrade_at(s, row)->height) <= reached ? row
                                                                                                : DSDN_NO_ROW;
}

uint64_t dsdn_version_at(const struct dsdn_state *s, const struct dsdn_tick *t)
{
    uint64_t version = dsdn_head(s)->version, reached = t->has_primary ? t->height : t->sequence;
    if (!s->tables[dsdn_sys_TABLE_upgrade].live_cnt) return version;
    struct dsdn_walk w;
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_upgrade], 0, NULL, 0);
    for (uint32_t row; (row = dsdn_walk_next(&w)) != DSDN_NO_ROW;) {
        const struct dsdn_sys_row_upgrade *u = dsdn_sys_upgrade_at(s, row);
        if (dsdn_load64_be(u->height) > reached) break;
        if (dsdn_load64_be(u->version) > version) version = dsdn_load64_be(u->version);
    }
    return version;
}

uint32_t dsdn_schedules_rows(const struct dsdn_state *s)
{
    return s->tables[dsdn_sys_TABLE_pending_param].live_cnt;
}

static void param_set(struct dsdn_state *s, const struct dsdn_sys_row_pending_param *p)
{
    uint8_t key[48] = {0};
    memcpy(key, p->name, p->name_len);
    uint32_t row = dsdn_sys_parameter_find(s, key);
    if (row == DSDN_NO_ROW) row = dsdn_sys_parameter_insert(s, key);
    dsdn_sys_parameter_edit(s, row)->value = p->value;
    const struct dsdn_parameter_desc *desc = dsdn_parameter_find(p->name, p->name_len);
    if (desc) s->parameters[desc - dsdn_parameters] = p->value;
}

void dsdn_schedules_run(struct dsdn_state *s, const struct dsdn_tick *t)
{
    for (uint32_t row; (row = upgrade_due(s, t)) != DSDN_NO_ROW;) {
        uint64_t version = dsdn_load64_be(dsdn_sys_upgrade_at(s, row)->version);
        if (version > dsdn_head(s)->version) dsdn_sys_head_edit(s, 0)->version = version;
        dsdn_sys_upgrade_erase(s, row);
    }
    while (t->has_primary && s->tables[dsdn_sys_TABLE_pending_param].live_cnt) {
        struct dsdn_walk w;
        dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_pending_param], 0, NULL, 0);
        uint32_t row = dsdn_walk_next(&w);
        struct dsdn_sys_row_pending_param p = *dsdn_sys_pending_param_at(s, row);
        if (dsdn_load64_be(p.effective) > t->height) break;
        dsdn_sys_pending_param_erase(s, row);
        param_set(s, &p);
    }
    dsdn_state_settle(s);
}
