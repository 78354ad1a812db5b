/* events.c: the descriptor tables of the DSDN catalogue. */
#define DSDN_EVENTS_DEFINE
#include "log/events.h"
