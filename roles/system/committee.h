/* committee.h: the rows of a committee, which a takeover (authority.c) and a hand-off (committee.c) write
 * alike. */
#ifndef DSDN_ROLES_SYSTEM_COMMITTEE_H
#define DSDN_ROLES_SYSTEM_COMMITTEE_H

#include "roles/reducers.h"

/* dsdn_committee_find returns the row of table committee of an epoch, or DSDN_NO_ROW. */
uint32_t dsdn_committee_find(const struct dsdn_state *s, uint64_t epoch);

/* dsdn_committee_sound says whether members (a decoded list of records `member`, at most 255) can be a
 * committee: coordinator_ids distinct and not zero, share indexes distinct and not 0.  An empty list is
 * sound. */
bool dsdn_committee_sound(const struct dsdn_list *members);

/* dsdn_committee_threshold is how many of n must sign: floor(2n/3) + 1. */
static inline uint32_t dsdn_committee_threshold(uint32_t n)
{
    return 2 * n / 3 + 1;
}

/* dsdn_committee_same says whether the seats of an epoch are exactly these members in this order. */
bool dsdn_committee_same(const struct dsdn_state *s, uint64_t epoch, const struct dsdn_list *members);

/* dsdn_committee_erase removes the row committee of an epoch and all of its seats; none there: nothing
 * happens. */
void dsdn_committee_erase(struct dsdn_state *s, uint64_t epoch);

/* dsdn_committee_insert makes the row committee of an epoch that has none, and its seats at positions 0, 1,
 * ...  Every column of the row but group_public and threshold is zero: the caller fills in the others.  Needs
 * room for 1 row in committee and members->count rows in committee_member. */
struct dsdn_sys_row_committee *dsdn_committee_insert(struct dsdn_state *s, uint64_t epoch,
                                                     const struct dsdn_list *members,
                                                     const uint8_t group_public[32], uint16_t threshold);

#endif
