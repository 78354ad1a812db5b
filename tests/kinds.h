/* kinds.h: the catalogue of kinds.def, defined in the one file of a test that includes this, and a walk over
 * both catalogues. */
#ifndef DSDN_TESTS_KINDS_H
#define DSDN_TESTS_KINDS_H

#include "log/events.h"
#include "log/random_event.h"

#define DSDN_EVENTS_DEF    "tests/kinds.def"
#define DSDN_EVENTS_PREFIX kinds
#define DSDN_EVENTS_DEFINE
#include "log/declare_events.h"
#undef DSDN_EVENTS_DEF
#undef DSDN_EVENTS_PREFIX
#undef DSDN_EVENTS_DEFINE

enum { SPACE = 20000 }; /* bytes for a random payload: long lists occur, and tests stay quick */

/* Calls one(desc, version, payload, len) for `times` random payloads of every event and version of both
 * catalogues. */
static inline void each_payload(uint64_t seed, int times,
                                void (*one)(struct dsdn_random *, const struct dsdn_event_desc *, uint8_t,
                                            const uint8_t *, uint32_t))
{
    const struct dsdn_event_table *tables[] = {&dsdn_event_table, &kinds_event_table};
    static uint8_t payload[SPACE];
    struct dsdn_random random;
    dsdn_random_seed(&random, seed);
    for (int t = 0; t < 2; t++)
        for (uint32_t e = 0; e < tables[t]->event_cnt; e++)
            for (uint8_t version = 1; version <= tables[t]->events[e].version; version++)
                for (int i = 0; i < times; i++) {
                    uint32_t len;
                    assert_int_equal(dsdn_random_payload(&random, &tables[t]->events[e], version, payload,
                                                         SPACE, &len, NULL),
                                     0);
                    one(&random, &tables[t]->events[e], version, payload, len);
                }
}

#endif
