/* rules.h: inside the twin: what the rules of the events share. */
#ifndef DSDN_TESTS_TWIN_RULES_H
#define DSDN_TESTS_TWIN_RULES_H

#include "log/event.h"
#include "log/hash.h"
#include "log/sign.h"
#include "tests/twin/twin.h"

enum { FIELDS = 32 };

/* A field of a payload, found by walking the event's descriptor. */
struct said_field {
    const char *name;
    enum dsdn_kind kind;
    bool present;      /* of optional kinds */
    const uint8_t *at; /* the value, behind lengths and flags */
    uint32_t len;      /* its bytes */
    uint32_t count;    /* of lists and sets */
    const struct dsdn_record_desc *record;
};

struct said {
    struct said_field fields[FIELDS];
    uint32_t cnt;
};

struct twin {
    struct facts facts;
    uint8_t genesis[32];
    uint64_t known_version;
    struct dsdn_key_cache *keys;
    uint32_t fired;
    /* the batch */
    uint64_t now;
    struct dsdn_origin origin;
    /* the event */
    uint64_t ordinal, nonce;
    const uint8_t *author; /* zeros: the authority */
    bool from_authority;
    const struct dsdn_event_desc *event;
    uint8_t version;
    const uint8_t *payload;
    uint32_t len;
    struct said said;
};

/* ---- what an event says ---- */

/* said_walk finds the fields from p on; returns the end, or NULL. */
const uint8_t *said_walk(const struct dsdn_field *fields, uint8_t version, const uint8_t *p,
                         const uint8_t *end, struct said *said);
const struct said_field *said_field(const struct said *said, const char *name);
uint64_t said_number(const struct said *said, const char *name); /* the units of an amount */
const uint8_t *said_bytes(const struct said *said, const char *name);
/* The fields of item `i` of a list of records. */
void said_item(const struct said *said, const char *name, uint32_t i, struct said *item);

static inline uint64_t number(const struct twin *t, const char *name)
{
    return said_number(&t->said, name);
}
static inline const uint8_t *bytes(const struct twin *t, const char *name)
{
    return said_bytes(&t->said, name);
}
static inline bool given(const struct twin *t, const char *name)
{
    return said_field(&t->said, name)->present;
}
static inline uint32_t count(const struct twin *t, const char *name)
{
    return said_field(&t->said, name)->count;
}
static inline uint32_t length(const struct twin *t, const char *name)
{
    return said_field(&t->said, name)->len;
}
/* The asset of an amount. */
static inline uint8_t asset(const struct twin *t, const char *name)
{
    return *said_field(&t->said, name)->at;
}
/* A column that holds a string is the field of that name. */
bool text_is(const struct twin *t, const char *name, const struct fact *row);
void put_text(const struct twin *t, const char *name, struct fact *row);

/* ---- rules ---- */

verdict unmet(const char *code);

typedef verdict rule(struct twin *t);
rule checkpoint_declared, param_changed, authority_replaced, committee_formed, committee_handoff_started,
    committee_handoff_completed, quorum_validator_set_declared, upgrade_scheduled, upgrade_cancelled,
    node_registered, node_updated, operator_bound, node_tls_rotated, node_heartbeat, node_status_set,
    node_deregistered, object_declared, chunk_declared, delete_requested, replica_assigned, heal_assigned,
    replica_added, replica_removed, replica_missing_reported, replica_healed, fallback_activated,
    fallback_deactivated, reconciliation_started, reconciliation_completed, transfer,
    wallet_affinity_declared, stake_deposited, stake_withdraw_requested, slash_evidence_submitted,
    audit_record_posted, worm_segment_sealed;

/* Deadlines: number and what happens. */
enum deadline_kind {
    BAN_END = 1,
    ASSIGNMENT_END,
    UNBONDING_END,
    COOLDOWN_END,
    REPLICA_SWEEP,
    VALIDATOR_EPOCH,
    TRANSFER_LINK_END,
    COMMITTEE_END
};
typedef void effect(struct twin *t, const uint8_t *subject);
effect ban_end, assignment_end, unbonding_end, cooldown_end, replica_sweep, validator_epoch,
    transfer_link_end, committee_end;

enum { CLOCK_OBJECTION, CLOCK_HEIGHT, CLOCK_TIME };
void deadline_set(struct twin *t, unsigned clock, uint64_t due, enum deadline_kind kind, const void *subject,
                  uint32_t len);
void deadline_drop(struct twin *t, unsigned clock, uint64_t due, enum deadline_kind kind, const void *subject,
                   uint32_t len);

/* The rules of one family each; `genesis` as an event with fields. */
void genesis_state(struct twin *t);
void genesis_chain(struct twin *t);
void committee_takes_over(struct twin *t); /* the first batch of the next epoch */

/* Everything that follows from other rows: counters, sets of holders, the ring, sums. */
void settle(struct twin *t);
void settle_chain(struct twin *t);
/* A fee of an account to the treasury, as much of it as can be spent. */
void pay_fee(struct twin *t, const uint8_t account[32], uint64_t fee);

/* ---- shared ---- */

struct fact *head(struct twin *t);
/* later: a + b, at most 2^64 - 1. */
static inline uint64_t later(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}
static inline uint64_t setting(struct twin *t, const char *name)
{
    return (uint64_t)twin_parameter(t, name);
}
bool embedded_verifies(struct twin *t, const char *field, const uint8_t key[32], const uint8_t signature[64]);
verdict founders_agree(struct twin *t);
verdict quorum_agrees(struct twin *t);
verdict quorum_or_founders_agree(struct twin *t);
bool is_founder(struct twin *t, const uint8_t key[32]);
bool is_active_validator(struct twin *t, const uint8_t key[32]);
uint32_t quorum_size(struct twin *t);
/* "op:" and an address in base64url, 46 characters. */
void operator_parameter(const uint8_t address[32], char name[47]);
bool is_operator_parameter(const uint8_t *name, uint32_t len);

static inline struct fact *node_of(struct twin *t, const uint8_t *id)
{
    return facts_by_id(&t->facts, "node", id);
}
static inline struct fact *chunk_of(struct twin *t, const uint8_t *id)
{
    return facts_by_id(&t->facts, "chunk", id);
}
static inline struct fact *object_of(struct twin *t, const uint8_t *id)
{
    return facts_by_id(&t->facts, "object", id);
}

enum { PENDING, ACTIVE, QUARANTINED, BANNED, CLOSED };
enum { ASSIGNED, LIVE, SUSPECT };
void judge(struct twin *t, struct fact *node); /* node NULL: nothing */
void fault(struct twin *t, struct fact *node);
void repeated(struct twin *t, struct fact *node);
/* Who must stake for a node, and what he staked there for that role. */
const uint8_t *owner_of(const struct fact *node);
uint64_t stake_of(struct twin *t, const uint8_t id[32], const uint8_t owner[32], uint64_t role);
bool judged(struct twin *t);

bool path_leads(const uint8_t *path, uint32_t cnt, uint64_t leaf, uint64_t leaves, const uint8_t root[32]);
uint64_t leaves_of(const struct fact *chunk);

/* Placement.  holder_cnt counts the holders of a chunk, and of all replicas the live and the suspect ones. */
enum { HOLDERS = 16 };
uint32_t holder_cnt(struct twin *t, const uint8_t *chunk, uint64_t *live, uint32_t *suspects);
bool holder_in(struct twin *t, const uint8_t *chunk, const uint8_t *zone);
uint32_t wanted(struct twin *t, const struct fact *chunk);
uint32_t plan(struct twin *t, const uint8_t chunk[32], uint32_t want, uint8_t chosen[HOLDERS][32]);
bool heal_source(struct twin *t, const uint8_t chunk[32], uint8_t node[32]);

#endif
