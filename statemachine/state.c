#include "statemachine/state.h"

#include "log/genesis.h"
#include "log/hash.h"
#include "statemachine/ordered.h"
#include "statemachine/tree.h"

#include <stdlib.h>

_Static_assert((uint32_t)DSDN_PARAMETER_CNT <= DSDN_STATE_PARAMETERS_MAX, "room for every parameter");

int dsdn_state_init(struct dsdn_state *s, const struct dsdn_table_desc *const *descs, uint32_t table_cnt,
                    uint64_t seed, uint32_t rows, struct dsdn_error *error)
{
    *s = (struct dsdn_state){.seed = seed};
    if (table_cnt > DSDN_STATE_TABLES_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "a catalogue of %u tables; at most %u fit", table_cnt,
                         DSDN_STATE_TABLES_MAX);
    s->table_cnt = table_cnt;
    for (uint32_t i = 0; i < DSDN_PARAMETER_CNT; i++) s->parameters[i] = dsdn_parameters[i].value;
    for (uint32_t i = 0; i < table_cnt; i++)
        s->tables[i].desc = descs[i]; /* indexes look at each other's descriptors */
    for (uint32_t i = 0; i < table_cnt; i++) {
        int rc = dsdn_table_init(&s->tables[i], s, i, descs[i], rows, error);
        if (rc) return rc;
    }
    return DSDN_OK;
}

void dsdn_state_free(struct dsdn_state *s)
{
    for (uint32_t i = 0; i < s->table_cnt; i++) dsdn_table_free(&s->tables[i]);
    free(s->old_values);
    *s = (struct dsdn_state){0};
}

void dsdn_state_settle_event(struct dsdn_state *s)
{
    for (; s->settling; s->settling &= s->settling - 1)
        dsdn_table_settle(&s->tables[__builtin_ctzll(s->settling)]);
}

void dsdn_state_settle(struct dsdn_state *s)
{
    s->settling |= s->settling_late;
    s->settling_late = 0;
    dsdn_state_settle_event(s);
}

uint8_t *dsdn_state_put_ref(const struct dsdn_state *s, uint32_t table, uint32_t row,
                            const uint32_t *const *ranks, uint8_t *out)
{
    if (ranks) {
        dsdn_store32(out, ranks[table][row]);
        return out + 4;
    }
    const struct dsdn_table_desc *desc = s->tables[table].desc;
    memcpy(out, dsdn_row_at(&s->tables[table], row, desc->row_size), desc->key_len);
    return out + desc->key_len;
}

uint8_t *dsdn_state_put_refs(const struct dsdn_state *s, uint32_t table, const uint32_t *rows, uint32_t cnt,
                             const uint32_t *const *ranks, uint8_t *out)
{
    const struct dsdn_table *t = &s->tables[table];
    uint32_t len = t->desc->key_len, size = t->desc->row_size, order[255];
    for (uint32_t i = 0; i < cnt; i++) { /* insertion sort: sets are small */
        uint32_t j = i;
        for (; j > 0 &&
               (ranks ? ranks[table][order[j - 1]] > ranks[table][rows[i]]
                      : memcmp(dsdn_row_at(t, order[j - 1], size), dsdn_row_at(t, rows[i], size), len) > 0);
             j--)
            order[j] = order[j - 1];
        order[j] = rows[i];
    }
    *out++ = (uint8_t)cnt;
    for (uint32_t i = 0; i < cnt; i++) out = dsdn_state_put_ref(s, table, order[i], ranks, out);
    return out;
}

void dsdn_state_value_hash(const struct dsdn_state *s, uint32_t table, uint32_t row, uint8_t out[32])
{
    const struct dsdn_table *t = &s->tables[table];
    uint8_t value[1 + DSDN_VALUE_MAX] = {3};
    uint32_t len = t->desc->encode(s, dsdn_row_at(t, row, t->desc->row_size), value + 1, NULL);
    dsdn_sha256(value, 1 + len, out);
}

void dsdn_state_remember(struct dsdn_state *s, const struct dsdn_table *t, uint32_t row, bool existed)
{
    if (s->old_cnt == s->old_cap) {
        uint32_t cap = s->old_cap ? s->old_cap * 2 : 1024;
        struct dsdn_old_value *grown = realloc(s->old_values, cap * sizeof *grown);
        if (!grown) {
            s->failed = true;
            return;
        }
        s->old_values = grown;
        s->old_cap = cap;
    }
    struct dsdn_old_value *old = &s->old_values[s->old_cnt++];
    *old = (struct dsdn_old_value){.table = (uint16_t)t->number, .row = row};
    memcpy(old->key, dsdn_row_at(t, row, t->desc->row_size), t->desc->key_len);
    if (existed) dsdn_state_value_hash(s, t->number, row, old->value_hash);
}
