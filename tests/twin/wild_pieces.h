/* wild_pieces.h: what the makers of wild events share, and the makers. */
#ifndef DSDN_TESTS_TWIN_WILD_PIECES_H
#define DSDN_TESTS_TWIN_WILD_PIECES_H

#include "log/events.h"
#include "log/genesis.h"
#include "log/hash.h"
#include "tests/twin/wild.h"

#define EVENT_OF(d, name) ((struct dsdn_ev_##name *)(void *)(d)->d.bytes)

static const uint64_t chunk_max = 1ull << 26;
static const uint64_t far = 1000000000000;

/* ---- pieces: what they return lives as long as the draft ---- */

/* A copy of a string. */
struct dsdn_view text(struct wild *w, const char *string);
const uint8_t *random_hash(struct wild *w);
/* People of a trade, now and then of another. */
uint32_t a_wallet(struct wild *w);
uint32_t a_node(struct wild *w);
/* The operator a node begins with. */
uint32_t operator_of(uint32_t node);
/* A person by id, or a wallet for somebody unknown. */
int who(const uint8_t *id);
uint64_t parameter(struct wild *w, const char *name);
struct fact *node_row(struct wild *w, const uint8_t *id);
/* A copy of an id: rows go. */
const uint8_t *row_id(struct wild *w, const uint8_t *bytes);
/* A node that is there, if any is. */
const uint8_t *some_node(struct wild *w);
const uint8_t *some_chunk(struct wild *w);
/* The operator of a node, or somebody else. */
int operator_now(struct wild *w, const uint8_t *node);
/* The name of a padded zone, and any. */
struct dsdn_view padded_name(struct wild *w, const uint8_t *padded);
struct dsdn_view some_zone(struct wild *w);
/* A number at an edge of `edge`: it, one below, one above; or something else. */
uint64_t near(struct wild *w, uint64_t edge);
/* A time after now, mostly far after it. */
uint64_t expiry(struct wild *w);
/* Approvals, enough of them mostly; *author is who posts. */
struct dsdn_list founders_say(struct wild *w, int *author);
struct dsdn_list quorum_says(struct wild *w, int *author);
uint64_t leaves_of_row(const struct fact *chunk);

/* ---- what a node registers with, and the assignment of a chunk to a node ---- */

void fill_registration(struct wild *w, struct draft *d, uint32_t number);
void fill_assignment(struct wild *w, struct draft *d, const uint8_t *chunk, const uint8_t *node);

/* ---- makers: a sensible event each ---- */

typedef void maker(struct wild *w, struct draft *d);
maker make_checkpoint_declared, make_param_changed, make_authority_replaced, make_committee_formed,
    make_committee_handoff_started, make_committee_handoff_completed, make_quorum_validator_set_declared,
    make_upgrade_scheduled, make_upgrade_cancelled, make_node_registered, make_node_updated,
    make_operator_bound, make_node_tls_rotated, make_node_heartbeat, make_node_status_set,
    make_node_deregistered, make_object_declared, make_chunk_declared, make_delete_requested,
    make_replica_assigned, make_heal_assigned, make_replica_added, make_replica_removed,
    make_replica_missing_reported, make_replica_healed, make_fallback_activated, make_fallback_deactivated,
    make_reconciliation_started, make_reconciliation_completed, make_transfer, make_wallet_affinity_declared,
    make_stake_deposited, make_stake_withdraw_requested, make_slash_evidence_submitted,
    make_audit_record_posted, make_worm_segment_sealed;

/* An empty event, by number in the catalogue. */
void wild_empty(struct wild *w, struct draft *d, int event);
/* One field of it becomes another. */
void wild_bend(struct wild *w, struct draft *d);

#endif
