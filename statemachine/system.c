/* system.c: the descriptors of the system tables. */
#define DSDN_TABLES_DEFINE
#include "statemachine/system.h"
