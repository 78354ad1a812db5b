/* model.h: what the generator's parts share: the world it writes about, and the writer of batches.
 *
 * The world is a state that every written event was applied to, by the reducers of the catalogue: stories ask
 * it what is true now, and so nearly all they write has an effect.  What it cannot know is kept beside it:
 * secret keys, and which objects there are to talk about. */
#ifndef DSDN_ROLES_GENERATOR_MODEL_H
#define DSDN_ROLES_GENERATOR_MODEL_H

#include "log/batch.h"
#include "log/events.h"
#include "log/random_event.h"
#include "roles/generator/generator.h"
#include "roles/reducers.h"
#include "statemachine/engine.h"

#define GENESIS_MS 1700000000000ull /* 2023-11-14T22:13:20Z: a round number, nothing happened then */

enum {
    FOUNDER_CNT = 3,
    VALIDATOR_CNT = 4,
    CANDIDATE_CNT = 12, /* keys that deposit stake of validators */
    OWNER_CNT = 64,
    ZONE_CNT = 8,
    NODES_PER_OPERATOR = 128,
    NODE_MAX = 10000,
    OPERATOR_MAX = NODE_MAX / NODES_PER_OPERATOR + 1,
    NODE_START = 2 * ZONE_CNT,
    GROUP_MAX = 4096, /* objects that are remembered */
    REPLICAS = 3,
    SEAL_MAX = 4, /* embedded signatures of one event */
};

/* A key that signs bundles. */
struct author {
    struct dsdn_sign_key key;
    uint64_t nonce; /* highest used */
};

/* Row i of table node is nodes[i]: rows of nodes come in this order and stay. */
struct node {
    struct author author;
    uint32_t version;  /* of certificate, address and binding: makes each change differ from the last */
    uint16_t operator; /* of `operators` */
};

/* An object with its chunks; their rows are consecutive, as their numbers are. */
struct group {
    uint64_t object;      /* number */
    uint64_t first_chunk; /* number; the others follow */
    uint32_t chunk_cnt, first_row;
    uint32_t owner;
    bool deleted;
};

/* Something that was begun at a node, to be ended when the time has come. */
struct errand {
    bool open;
    uint32_t node;
};

struct generator {
    struct dsdn_generator_options options;
    struct dsdn_error *error;
    int rc; /* first failure; stories look at put's result and end */
    struct dsdn_random random;
    struct dsdn_genesis genesis;

    /* writer */
    struct dsdn_batch_builder *builder;
    uint64_t written;  /* events */
    uint32_t in_batch; /* events */
    uint64_t sequence, time_ms;
    uint8_t prev[32];
    bool bundle_open;
    struct author *bundle_author; /* NULL: the authority */
    uint32_t bundle_room;         /* events it may yet take */
    uint64_t bundle_number;       /* signed ones so far */
    bool prologue;                /* P = 0: signed events are allowed, in the largest bundles */

    /* world */
    struct dsdn_engine *world;
    bool world_known; /* time_ms has come in it */
    uint64_t world_ordinal;

    /* what the world does not know */
    struct dsdn_sign_key authority;
    uint64_t authority_epoch;
    struct author founders[FOUNDER_CNT], validators[VALIDATOR_CNT], candidates[CANDIDATE_CNT],
        owners[OWNER_CNT];
    struct author *operators;
    struct node *nodes;
    struct group *groups; /* ring of GROUP_MAX */
    uint32_t operator_cnt, node_max, node_cnt;
    uint64_t group_cnt, object_cnt, chunk_cnt;
    uint32_t run_len;   /* signed events that a story makes for one author */
    uint64_t wrong_cnt; /* deliberate errors so far */
    uint64_t fact_cnt;  /* numbers for what must be told apart: wallets, entries, double signatures */
    uint32_t upgrade_cnt;
    uint64_t root_sequence; /* newest known root ... */
    uint8_t root[32];
    bool root_known, root_fresh; /* ... not yet attested */
    struct errand banned, quarantined, left;
};

/* ---- keys and contents (content.c) ---- */

enum key_class {
    KEY_COORDINATOR,
    KEY_FOUNDER,
    KEY_VALIDATOR, /* those of the genesis, then candidates */
    KEY_OWNER,
    KEY_OPERATOR,
    KEY_NODE,
    KEY_GROUP, /* of a committee, by epoch */
    KEY_SEAT
};
void generator_key(uint64_t seed, enum key_class class, uint32_t index, struct dsdn_sign_key *key);

/* A chunk's identity and possession tree; the bytes themselves never exist.  Chunks of one object begin with
 * the same 24 bits: they lie near each other on the ring, so that mostly the same nodes hold them and have
 * much to sign at once. */
struct content {
    uint8_t id[32], leaf_root[32];
    uint32_t size, leaf_size, leaf_cnt;
};
enum { LEAF_MAX = 16, PATH_MAX_HASHES = 6 };
void content_of(uint64_t seed, uint64_t object, uint64_t chunk, struct content *content);
/* Leaf hash and siblings upwards; returns how many hashes of 32 bytes. */
uint32_t content_path(const struct content *content, uint32_t leaf, uint8_t path[32 * PATH_MAX_HASHES]);
/* 32 bytes that depend on (seed, what, number). */
void content_hash(const char *what, uint64_t seed, uint64_t number, uint8_t out[32]);

/* ---- writer (writer.c) ---- */

/* put appends one event (struct dsdn_ev_X of the catalogue index) to a bundle of author (NULL: the
 * authority), opening and closing bundles and batches as needed.  False: the log is complete, or g->rc says
 * what failed. */
bool put(struct generator *g, struct author *author, int event, const void *e);
/* The same with embedded signatures of field `field`: `signature` is where the event's struct points at the
 * 64 bytes to fill, key is the second party's. */
struct seal {
    uint8_t *signature;
    const struct dsdn_sign_key *key;
};
bool put_sealed(struct generator *g, struct author *author, int event, const void *e, const char *field,
                const struct seal *seals, uint32_t cnt);
/* cnt (at most SEAL_MAX) parties approve: makes the list for an event's field `approvals`, and its seals. */
struct dsdn_list approvals_make(const struct author *const *parties, uint32_t cnt,
                                uint8_t bytes[96 * SEAL_MAX], struct seal *seals);
/* One event in a bundle of its own with a given nonce and expiry. */
bool put_alone(struct generator *g, struct author *author, uint64_t nonce, uint64_t valid_until, int event,
               const void *e);
/* Close and hand out the open batch, if it has events. */
void writer_flush(struct generator *g);
/* Time passes: the open batch is closed first, for what is in it belongs to the time it was written at. */
void time_pass(struct generator *g, uint64_t ms);
/* The log is complete or failed. */
bool writer_done(const struct generator *g);

/* ---- stories ---- */

static inline uint32_t below(struct generator *g, uint32_t n)
{
    return (uint32_t)dsdn_random_below(&g->random, n);
}
static inline bool speaks(const struct generator *g)
{
    return g->options.signed_percent > 0 || g->prologue;
}

/* ---- world (world.c) ---- */

int world_make(struct generator *g);
/* The state after everything written so far, at time_ms.  NULL never; after a failure (g->rc) it may be
 * stale. */
const struct dsdn_state *world(struct generator *g);
/* An event was written: author NULL: the authority.  forged: its declared embedded signature does not
 * verify. */
void world_event(struct generator *g, const struct author *author, int event, const uint8_t *payload,
                 uint32_t len, bool forged);

static inline const struct dsdn_row_node *node_row(struct generator *g, const struct node *n)
{
    return dsdn_node_at(world(g), (uint32_t)(n - g->nodes));
}
static inline bool node_active(struct generator *g, const struct node *n)
{
    return node_row(g, n)->status == DSDN_NODE_ACTIVE;
}
static inline struct author *operator_of(struct generator *g, const struct node *n)
{
    return &g->operators[n->operator];
}
/* An Active node, or NULL when chance finds none. */
struct node *active_node(struct generator *g);
/* An object of the newest GROUP_MAX, or NULL when there is none. */
struct group *any_group(struct generator *g);

/* ---- what is told: all of them stop when the log is complete ---- */

void story_register(struct generator *g, uint32_t cnt);
void story_beats(struct generator *g);
void story_updates(struct generator *g);
void story_rotations(struct generator *g);
void story_rebinding(struct generator *g);
void story_incident(struct generator *g);
void story_leaving(struct generator *g);

struct group *story_declare(struct generator *g, uint32_t chunk_cnt); /* NULL: the log is complete */
/* Whatever its chunks lack: assignments, proofs; then suspects are let go. */
void story_place(struct generator *g, struct group *group);
void story_churn(struct generator *g, struct group *group);
void story_delete(struct generator *g, struct group *group);

void story_transfers(struct generator *g);
void story_affinity(struct generator *g);
void story_stake(struct generator *g);
void story_candidate(struct generator *g);
void story_fault(struct generator *g);

void story_audit(struct generator *g);
void story_quorum(struct generator *g);
void story_committee(struct generator *g);
void story_checkpoint(struct generator *g);
void story_upgrade(struct generator *g);
void story_wrong(struct generator *g);

/* Pieces that stories share. */
void node_registration(struct generator *g, uint32_t node, struct dsdn_ev_node_registered *e,
                       uint8_t fingerprint[32], char text[32]);
bool put_deposit(struct generator *g, struct author *staker, const uint8_t beneficiary[32], uint8_t role,
                 uint64_t units);
uint64_t stake_least(struct generator *g, const struct node *n);
struct dsdn_view zone_name(uint32_t zone);
bool put_beat(struct generator *g, struct node *node);
bool put_rotation(struct generator *g, struct node *node);

#endif
