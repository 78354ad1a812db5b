/* tables.c: the descriptors of the coordinator's tables. */
#include "statemachine/system.h"

/* Only this role's descriptors are defined here: the system's, included above, are not. */
#define DSDN_TABLES_DEFINE
#include "roles/tables.h"
