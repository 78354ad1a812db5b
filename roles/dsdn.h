/* dsdn.h: the catalogue of the DSDN network: its events (log/events.def), tables
 * (roles/tables.def), reducers (roles/system, roles/coordinator), deadlines and precondition
 * codes (roles/codes.def). */
#ifndef DSDN_ROLES_DSDN_H
#define DSDN_ROLES_DSDN_H

#include "statemachine/catalogue.h"

extern const struct dsdn_catalogue dsdn_catalogue;

#endif
