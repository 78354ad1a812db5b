/* events.h: one event of an applied batch, as `inspect` and `why` show it. */
#ifndef DSDN_APPS_REPLAY_EVENTS_H
#define DSDN_APPS_REPLAY_EVENTS_H

#include "apps/replay/records.h"

#include "log/filter.h"
#include "statemachine/prepare.h"

/* An event and its place. */
struct shown {
    const struct dsdn_catalogue *catalogue;
    const struct dsdn_prepared *batch;
    const struct dsdn_event_desc *desc;
    struct dsdn_filter_event seen;
    uint32_t bundle, index; /* in the batch; in the bundle */
    uint64_t ordinal;       /* in the log */
};

/* event_show describes event `op` of an applied batch, whose first event has the ordinal `first`. */
void event_show(struct shown *e, const struct dsdn_catalogue *catalogue, const struct dsdn_prepared *batch,
                uint32_t op, uint64_t first);

/* event_json writes the members of an event into an open object: place, time, type, author, outcome, payload.
 */
int event_json(struct dsdn_text *t, const struct shown *e, struct dsdn_error *error);

/* The fields of lists of events: for people, and for CSV and SQLite. */
#define EVENT_TABLE_FIELDS 6u
#define EVENT_FIELDS       13u
extern const struct field event_table_fields[EVENT_TABLE_FIELDS], event_fields[EVENT_FIELDS];

/* event_cells makes the cells of an event for either (people: the first); text is replaced. */
int event_cells(struct dsdn_text *text, const struct shown *e, bool people, struct dsdn_cell *cells,
                struct dsdn_error *error);

#endif
