/* restored.c: whether rows that came from a checkpoint make a state that batches can be judged and applied
 * by. */
#include "statemachine/engine_internal.h"

#include "log/genesis.h"

static int out_of_range(const struct dsdn_parameter_desc *desc, int64_t value, struct dsdn_error *error)
{
    return dsdn_fail(error, DSDN_E_MALFORMED, "parameter %s is %lld; it is %lld to %lld", desc->name,
                     (long long)value, (long long)desc->least, (long long)desc->most);
}

/* The engine divides by parameters and sizes by them, so the ranges that genesis and ParamChanged keep must
 * hold here too. Of rows with other names (op:...) any value will do. */
static int check_parameters(const struct dsdn_state *s, struct dsdn_error *error)
{
    for (uint32_t i = 0; i < DSDN_PARAMETER_CNT; i++) {
        const struct dsdn_parameter_desc *desc = &dsdn_parameters[i];
        int64_t value = dsdn_parameter(s, i);
        if (value < desc->least || value > desc->most) return out_of_range(desc, value, error);
    }
    const struct dsdn_table *pending = &s->tables[dsdn_sys_TABLE_pending_param];
    for (uint32_t row = 0; row < pending->row_end; row++) {
        const struct dsdn_sys_row_pending_param *p = dsdn_sys_pending_param_at(s, row);
        const struct dsdn_parameter_desc *desc = dsdn_parameter_find(p->name, p->name_len);
        if (desc && (p->value < desc->least || p->value > desc->most))
            return out_of_range(desc, p->value, error);
    }
    return DSDN_OK;
}

int dsdn_engine_restored(struct dsdn_engine *e, struct dsdn_error *error)
{
    if (e->state.tables[dsdn_sys_TABLE_head].live_cnt != 1 || dsdn_head(&e->state)->zero[0] != 0)
        return dsdn_fail(error, DSDN_E_MALFORMED, "a checkpoint has exactly one head row, of key 0");
    dsdn_parameters_read(&e->state);
    int rc = check_parameters(&e->state, error);
    for (uint32_t t = 0; !rc && t < e->table_cnt; t++) rc = dsdn_table_index_all(&e->state.tables[t], error);
    return rc;
}
