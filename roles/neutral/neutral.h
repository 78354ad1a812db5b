/* neutral.h: the neutral bench format as a catalogue: six events, two tables, one digest; the worked example
 * of embedding the engine (docs/embedding.md walks through it). */
#ifndef DSDN_ROLES_NEUTRAL_H
#define DSDN_ROLES_NEUTRAL_H

#include "statemachine/catalogue.h"
#include "statemachine/system.h"

#define DSDN_EVENTS_DEF    "roles/neutral/events.def"
#define DSDN_EVENTS_PREFIX neutral
#include "log/declare_events.h"
#undef DSDN_EVENTS_DEF
#undef DSDN_EVENTS_PREFIX

#define DSDN_TABLES_DEF    "roles/neutral/tables.def"
#define DSDN_TABLES_PREFIX neutral
#define DSDN_TABLES_BASE   DSDN_SYSTEM_TABLES
#include "statemachine/declare_tables.h"
#undef DSDN_TABLES_DEF
#undef DSDN_TABLES_PREFIX
#undef DSDN_TABLES_BASE

extern const struct dsdn_catalogue neutral_catalogue;

/* Outcome codes of the neutral catalogue. */
enum { NEUTRAL_CODE_UNKNOWN = 1, NEUTRAL_CODE_NOT_LIVE, NEUTRAL_CODE_FULL, NEUTRAL_CODE_BELOW_ZERO };

/* neutral_digest: the state digest of the bench format: SHA-256 over all nodes and chunks in key order.
 * NO_MEMORY. */
int neutral_digest(const struct dsdn_state *s, uint8_t out[32], struct dsdn_error *error);

#endif
