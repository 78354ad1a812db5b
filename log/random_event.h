/* random_event.h: random valid payloads of any declared event, for property tests and fuzz corpora.
 *
 * The generator is xoshiro256** 1.0 (Blackman and Vigna, 2018), seeded through splitmix64 as its authors
 * advise; it is integers only, so a seed gives the same bytes on every machine.  Not for secrets. */
#ifndef DSDN_LOG_RANDOM_EVENT_H
#define DSDN_LOG_RANDOM_EVENT_H

#include "log/event.h"

struct dsdn_random {
    uint64_t s[4];
};

void dsdn_random_seed(struct dsdn_random *r, uint64_t seed);
uint64_t dsdn_random_next(struct dsdn_random *r);
/* dsdn_random_below is uniform in 0 .. n-1 (0 for n = 0). */
uint64_t dsdn_random_below(struct dsdn_random *r, uint64_t n);
void dsdn_random_fill(struct dsdn_random *r, uint8_t *out, size_t len);

/* dsdn_random_payload writes a canonical payload of `version`, often at an edge: zero, largest, empty,
 * longest, absent. Long fields and lists shrink to what fits cap.  TOO_LARGE when even the smallest payload
 * does not fit. */
int dsdn_random_payload(struct dsdn_random *r, const struct dsdn_event_desc *desc, uint8_t version,
                        uint8_t *out, size_t cap, uint32_t *len, struct dsdn_error *error);

#endif
