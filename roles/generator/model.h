/* model.h: what the generator's parts share: the model of the network it writes about, and the writer of
 * batches. */
#ifndef DSDN_ROLES_GENERATOR_MODEL_H
#define DSDN_ROLES_GENERATOR_MODEL_H

#include "log/batch.h"
#include "log/events.h"
#include "log/random_event.h"
#include "roles/generator/generator.h"

enum {
    FOUNDER_CNT = 3,
    VALIDATOR_CNT = 4,
    OWNER_CNT = 64,
    ZONE_CNT = 8,
    NODES_PER_OPERATOR = 128,
    NODE_MAX = 10000,
    NODE_START = 2 * ZONE_CNT,
    GROUP_MAX = 4096, /* placed objects that are remembered */
    REPLICAS = 3,
};

/* A key that signs bundles. */
struct author {
    struct dsdn_sign_key key;
    uint64_t nonce; /* highest used */
};

enum node_state { NODE_PENDING, NODE_READY, NODE_BANNED };

struct node {
    struct author author;
    uint64_t beat_ms; /* time of its newest heartbeat */
    uint32_t version; /* of certificate, address and binding: makes each change differ from the last */
    uint16_t operator;
    uint8_t zone, state;
};

/* An object with its chunks, which all lie on the same nodes. */
struct group {
    uint64_t object;      /* number */
    uint64_t first_chunk; /* number; the others follow */
    uint32_t chunk_cnt;
    uint32_t owner;
    uint32_t node[REPLICAS];
    bool placed, deleted;
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

    /* model */
    struct dsdn_sign_key coordinator;
    struct author founders[FOUNDER_CNT], validators[VALIDATOR_CNT], owners[OWNER_CNT];
    struct author *operators;
    struct node *nodes;
    struct group *groups;                                 /* ring of GROUP_MAX */
    uint32_t operator_cnt, node_max, node_cnt, ready_cnt; /* nodes below ready_cnt were admitted once */
    uint64_t group_cnt, object_cnt, chunk_cnt;
    uint32_t run_len;   /* signed events that a story makes for one author */
    uint64_t wrong_cnt; /* deliberate errors so far */
    uint32_t upgrade_cnt;
    uint64_t root_sequence; /* newest known root ... */
    uint8_t root[32];
    bool root_known, root_fresh; /* ... not yet attested */
    bool banned;                 /* one node at a time is */
    uint32_t banned_node;
    uint64_t ban_end_ms;
};

/* ---- keys and contents (content.c) ---- */

enum key_class { KEY_COORDINATOR, KEY_FOUNDER, KEY_VALIDATOR, KEY_OWNER, KEY_OPERATOR, KEY_NODE };
void generator_key(uint64_t seed, enum key_class class, uint32_t index, struct dsdn_sign_key *key);

/* A chunk's identity and possession tree; the bytes themselves never exist. */
struct content {
    uint8_t id[32], leaf_root[32];
    uint32_t size, leaf_size, leaf_cnt;
};
enum { LEAF_MAX = 16, PATH_MAX_HASHES = 6 };
void content_of(uint64_t seed, uint64_t chunk, struct content *content);
/* Leaf hash and siblings upwards; returns how many hashes of 32 bytes. */
uint32_t content_path(const struct content *content, uint32_t leaf, uint8_t path[32 * PATH_MAX_HASHES]);
/* 32 bytes that depend on (seed, what, number). */
void content_hash(const char *what, uint64_t seed, uint64_t number, uint8_t out[32]);

/* ---- writer (writer.c) ---- */

/* put appends one event (struct dsdn_ev_X of the catalogue index) to a bundle of author (NULL: the
 * authority), opening and closing bundles and batches as needed.  False: the log is complete, or g->rc says
 * what failed. */
bool put(struct generator *g, struct author *author, int event, const void *e);
/* The same with an embedded signature: `signature` is where the event's struct points at the 64 bytes to
 * fill, `field` names the field, key is the second party's. */
bool put_signed(struct generator *g, struct author *author, int event, const void *e, uint8_t *signature,
                const char *field, const struct dsdn_sign_key *key);
/* One event in a bundle of its own with a given nonce and expiry. */
bool put_alone(struct generator *g, struct author *author, uint64_t nonce, uint64_t valid_until, int event,
               const void *e);
/* Close and hand out the open batch, if it has events. */
void writer_flush(struct generator *g);
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

void story_register(struct generator *g, uint32_t cnt);
void story_beats(struct generator *g);
void story_updates(struct generator *g);
void story_rotations(struct generator *g);
void story_rebinding(struct generator *g);
void story_incident(struct generator *g);

struct group *story_declare(struct generator *g, uint32_t chunk_cnt); /* NULL: the log is complete */
void story_place(struct generator *g, struct group *group);
void story_churn(struct generator *g, struct group *group);
void story_delete(struct generator *g, struct group *group);

void story_checkpoint(struct generator *g);
void story_upgrade(struct generator *g);
void story_wrong(struct generator *g);

/* Pieces that stories share. */
void node_registration(const struct generator *g, uint32_t node, struct dsdn_ev_node_registered *e,
                       uint8_t fingerprint[32], char text[32]);
struct dsdn_view zone_name(uint32_t zone);
bool put_beat(struct generator *g, struct node *node);
bool put_rotation(struct generator *g, struct node *node);

#endif
