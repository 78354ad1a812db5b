/* author.h: whose direct bundles the network takes without a fee. */
#ifndef DSDN_ROLES_SYSTEM_AUTHOR_H
#define DSDN_ROLES_SYSTEM_AUTHOR_H

#include "roles/tables.h"

/* dsdn_system_registered: is the author known to the state as somebody who has a part in the network: a node
 * that has not left, a validator or candidate, a founder, a member of the quorum set or the emergency set, a
 * seat of a committee, or the key that signs batches or is about to?  All others, owners of objects and
 * operators of nodes among them, pay direct_fee from their account (docs/formats/state.md, "Direct bundles").
 */
bool dsdn_system_registered(const struct dsdn_state *s, const uint8_t author[32]);

#endif
