/* system.h: the system tables as C (dsdn_sys_nonce_find, ...), the same in every catalogue.  system.def is
 * the list. */
#ifndef DSDN_STATEMACHINE_SYSTEM_H
#define DSDN_STATEMACHINE_SYSTEM_H

#define DSDN_TABLES_DEF    "statemachine/system.def"
#define DSDN_TABLES_PREFIX dsdn_sys
#define DSDN_TABLES_BASE   0
#include "statemachine/declare_tables.h"
#undef DSDN_TABLES_DEF
#undef DSDN_TABLES_PREFIX
#undef DSDN_TABLES_BASE

/* Tables of a catalogue are numbered from here. */
#define DSDN_SYSTEM_TABLES ((uint32_t)dsdn_sys_TABLE_END)

#define DSDN_EMERGENCY_SET 0xFFFFFFFFu

/* The head row: there is exactly one, row 0, from genesis on. */
static inline const struct dsdn_sys_row_head *dsdn_head(const struct dsdn_state *s)
{
    return dsdn_sys_head_at(s, 0);
}

#endif
