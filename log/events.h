/* events.h: the DSDN catalogue as C: struct dsdn_ev_NAME, dsdn_decode_NAME, DSDN index dsdn_EVENT_NAME, and
 * dsdn_event_table.  Everything comes from events.def. */
#ifndef DSDN_LOG_EVENTS_H
#define DSDN_LOG_EVENTS_H

#define DSDN_EVENTS_DEF    "log/events.def"
#define DSDN_EVENTS_PREFIX dsdn
#include "log/declare_events.h"
#undef DSDN_EVENTS_DEF
#undef DSDN_EVENTS_PREFIX

#endif
