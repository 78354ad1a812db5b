/* suggest.h: "did you mean": the name that a mistyped one is nearest to. */
#ifndef DSDN_LOG_SUGGEST_H
#define DSDN_LOG_SUGGEST_H

#include <stdint.h>

/* dsdn_name_distance is the Levenshtein distance of two names, letters of either case alike; UINT32_MAX when
 * one is longer than 64 bytes. */
uint32_t dsdn_name_distance(const char *a, const char *b);

/* The nearest of the names offered so far, when it is near enough to be meant.  The strings are borrowed. */
struct dsdn_guess {
    const char *wanted;
    const char *name;  /* NULL: none is near */
    uint32_t distance; /* of name; before that, of the nearest that would not do */
};

struct dsdn_guess dsdn_guess_for(const char *wanted);
void dsdn_guess_offer(struct dsdn_guess *guess, const char *name);

#endif
