/* tables.c: the descriptors of the coordinator's tables. */
#define DSDN_TABLES_DEFINE
#include "roles/coordinator/tables.h"
