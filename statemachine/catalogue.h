/* catalogue.h: everything the engine knows about one kind of log: its events, tables, reducers and deadlines.
 *
 * The engine takes any catalogue.  roles/dsdn.h is the network's; roles/neutral/ is a second one with six
 * events: the worked example of embedding. */
#ifndef DSDN_STATEMACHINE_CATALOGUE_H
#define DSDN_STATEMACHINE_CATALOGUE_H

#include "log/batch.h"
#include "log/event.h"
#include "log/events.h"
#include "log/genesis.h"
#include "statemachine/state.h"

/* What becomes of an event.  Numbers are public and never change. */
#define DSDN_OUTCOME_LIST(X)                                                                                 \
    X(0, OK, "applied")                                                                                      \
    X(1, DUPLICATE, "this nonce was accepted before")                                                        \
    X(2, STALE, "the nonce is below its window")                                                             \
    X(3, EXPIRED, "valid_until has passed")                                                                  \
    X(4, CONFLICT, "contradicts a fact in state")                                                            \
    X(5, BAD_SIGNATURE, "a signature inside the payload does not verify")                                    \
    X(6, NOT_AUTHORISED, "the author may not assert this")                                                   \
    X(7, PRECONDITION, "a precondition does not hold; the code says which")                                  \
    X(8, LIMIT, "a limit of the protocol is reached; of a nonce: it is too far above its window")            \
    X(9, DISABLED, "the feature level does not include it")                                                  \
    X(10, NO_EFFECT, "true already")
enum dsdn_outcome_number {
#define X(number, name, doc) DSDN_OUTCOME_##name = (number),
    DSDN_OUTCOME_LIST(X)
#undef X
    DSDN_OUTCOME_CNT = 11
};

/* An outcome with its precondition code, packed: number | code << 8. */
typedef uint32_t dsdn_outcome;
#define DSDN_OUTCOME(number, code)   ((dsdn_outcome)(number) | (dsdn_outcome)(code) << 8)
#define DSDN_PRECONDITION(code)      DSDN_OUTCOME(DSDN_OUTCOME_PRECONDITION, (code))
#define DSDN_OUTCOME_NUMBER(outcome) ((uint8_t)(outcome))
#define DSDN_OUTCOME_CODE(outcome)   ((uint16_t)((outcome) >> 8))

/* What a reducer sees besides the state and its event: protocol.md, section 6.  Nothing else may influence
 * it. */
struct dsdn_context {
    struct dsdn_state *state;
    uint64_t time_ms;            /* the batch's */
    struct dsdn_origin origin;   /* the batch's da_origin */
    uint64_t version;            /* protocol version in state */
    uint64_t ordinal;            /* global number of this event */
    bool has_primary;
    uint8_t bundle_kind;         /* enum dsdn_bundle_kind */
    const uint8_t *author;       /* 32 bytes; zero bytes for the authority */
    uint64_t nonce;
    const uint8_t *genesis;      /* genesis hash, 32 bytes */
    const struct dsdn_event_desc *event; /* this, version on the wire and payload: for embedded signatures */
    uint8_t event_version;
    const uint8_t *payload;
    uint32_t payload_len;
    const uint64_t *hash;        /* key hashes of the event's TOUCH lines, in order */
    const struct dsdn_op *op;    /* the event as prepared, NULL outside the engine, and */
    const struct dsdn_reducer *reducers; /* the catalogue's: for what is known of embedded signatures */
    struct dsdn_key_cache *keys; /* keys known to be valid, for signatures checked here; NULL: none */
};

/* An embedded signature as a SIGNED_BY line declares it. */
struct dsdn_embedded {
    const char *field;
    const uint8_t *key, *signature; /* in the payload */
};

enum dsdn_embedded_verdict { DSDN_EMBEDDED_UNCHECKED = 0, DSDN_EMBEDDED_GOOD, DSDN_EMBEDDED_BAD };

/* One framed, checked and hashed event, ready to reduce. */
struct dsdn_op {
    const uint8_t *payload;
    uint32_t len;
    uint16_t event; /* index in the catalogue */
    uint8_t version;
    uint8_t touches;                    /* how many keys the event touches: */
    uint8_t table[DSDN_EVENT_KEYS_MAX]; /* table number of each, */
    uint8_t embedded;                   /* enum dsdn_embedded_verdict (dsdn_prepare_embedded) */
    uint64_t hash[DSDN_EVENT_KEYS_MAX]; /* and its hash */
};

struct dsdn_insert {
    uint8_t table; /* number in the state */
    uint8_t rows;
};

/* How the engine treats one event; made by statemachine/declare_reducers.h, in the order of the event
 * list. */
struct dsdn_reducer {
    /* Decode strictly (false: not canonical) and hash the keys of the TOUCH lines into op->hash. */
    bool (*prepare)(struct dsdn_op *op, uint64_t seed);
    dsdn_outcome (*apply)(struct dsdn_context *c, const uint8_t *payload, uint32_t len, uint8_t version);
    uint32_t insert_cnt;
    const struct dsdn_insert *insert; /* the INSERTS lines */
    /* The SIGNED_BY line; NULL: none.  False: the payload is not canonical. */
    bool (*embedded)(const uint8_t *payload, uint32_t len, uint8_t version, struct dsdn_embedded *out);
};

/* A kind of deadline: what happens when a row of the deadline table is due. */
struct dsdn_deadline_kind {
    uint16_t kind;
    const char *name, *doc;
    void (*fire)(struct dsdn_context *c, const uint8_t subject[72]);
    struct dsdn_insert insert[2]; /* rows that firing may add; rows 0 = none */
};

struct dsdn_code_name {
    uint16_t code;
    const char *name, *doc;
};

#define DSDN_EVENTS_MAX 512u /* events of a catalogue */

struct dsdn_catalogue {
    const char *name;                       /* "dsdn", "neutral" */
    const struct dsdn_event_table *events;
    const struct dsdn_reducer *reducers;    /* one per event */
    const struct dsdn_table_desc *tables;   /* the catalogue's own, numbered from DSDN_SYSTEM_TABLES */
    uint32_t table_cnt;
    const struct dsdn_deadline_kind *deadlines; /* ends with a NULL name */
    const struct dsdn_code_name *codes;         /* precondition codes; ends with a NULL name */
    uint64_t version;                       /* newest protocol version this program knows */
    /* Feature level of the genesis that events of this type need: below it they are DISABLED.  NULL: 0. */
    uint8_t (*level)(uint16_t type);
    /* Rows of the catalogue's own tables at genesis; NULL: none.  `genesis_rows` adds to rows[], by table of
     * the state, how many `genesis` may insert; they are reserved before.  An error of `genesis` refuses the
     * genesis. */
    int (*genesis)(struct dsdn_context *c, const struct dsdn_ev_genesis_declared *genesis,
                   struct dsdn_error *error);
    void (*genesis_rows)(const struct dsdn_ev_genesis_declared *genesis, uint32_t *rows);
    /* Direct bundles (docs/formats/state.md).  Authors who are `registered` pay nothing for them (NULL: all are); others
     * a fee, which must be `spendable` at the batch's time (NULL: nobody has any) and is taken by `charge`: at most what
     * is spendable. */
    bool (*registered)(const struct dsdn_state *s, const uint8_t author[32]);
    uint64_t (*spendable)(const struct dsdn_state *s, const uint8_t author[32], uint64_t time_ms);
    void (*charge)(struct dsdn_state *s, const uint8_t author[32], uint64_t units);
    /* Answers what a fixture may ask about 32 bytes (docs/fixtures.md, "Asking the state") with keys or zero-padded names,
     * at most `most`; returns how many there are, 0 also for a question it does not know.  NULL: none. */
    uint32_t (*answer)(const struct dsdn_state *s, uint64_t time_ms, const char *question, const uint8_t about[32],
                       uint8_t (*answers)[32], uint32_t most);
};

/* dsdn_author_fits says whether an event of this author class may stand in a bundle of this kind. */
static inline bool dsdn_author_fits(uint8_t author, uint8_t bundle_kind)
{
    uint8_t class = bundle_kind == DSDN_BUNDLE_AUTHORITY ? DSDN_AUTHOR_AUTHORITY : DSDN_AUTHOR_SIGNED;
    return author == class || author == DSDN_AUTHOR_EITHER;
}

const char *dsdn_outcome_name(uint8_t number);
const char *dsdn_outcome_doc(uint8_t number);
/* dsdn_outcome_find returns the number of a name, or -1. */
int dsdn_outcome_find(const char *name);
/* dsdn_code_name returns the name of a precondition code, or "?". */
const char *dsdn_code_name(const struct dsdn_catalogue *catalogue, uint16_t code);

/* ---- what reducers may call, besides typed table access ---- */

/* dsdn_parameter returns the value of a governable parameter, or its default (log/parameters.def): in force for this
 * batch. DSDN_SETTING(s, attest_every) spells it short. */
static inline int64_t dsdn_parameter(const struct dsdn_state *s, uint32_t index)
{
    return s->parameters[index];
}
#define DSDN_SETTING(s, name) dsdn_parameter((s), DSDN_PARAMETER_##name)

/* dsdn_parameter_named returns the value of a parameter that is no row of parameters.def ("op:..."), 0 without one. */
int64_t dsdn_parameter_named(const struct dsdn_state *s, const char *name);

/* dsdn_operator_allowed: parameter `op:` and this operator in base64url (log/genesis.h) is 1. */
bool dsdn_operator_allowed(const struct dsdn_state *s, const uint8_t operator[32]);

enum dsdn_clock { DSDN_CLOCK_OBJECTION = 0, DSDN_CLOCK_HEIGHT = 1, DSDN_CLOCK_TIME = 2 };

/* dsdn_deadline_set adds a deadline (room: INSERTS(deadline, 1)); the same one twice is one.
 * dsdn_deadline_clear removes it; false when there is none.  subject is zero-padded to 72 bytes. */
void dsdn_deadline_set(struct dsdn_context *c, enum dsdn_clock clock, uint64_t due, uint16_t kind,
                       const void *subject, uint32_t subject_len);
bool dsdn_deadline_clear(struct dsdn_context *c, enum dsdn_clock clock, uint64_t due, uint16_t kind,
                         const void *subject, uint32_t subject_len);

/* The same in two steps: _make writes the key of a deadline and begins to fetch its place, so that what else a
 * reducer does in between hides the way to memory; _put and _drop are _set and _clear. */
struct dsdn_deadline {
    uint8_t key[83]; /* of table deadline */
    uint64_t hash;
};
void dsdn_deadline_make(struct dsdn_context *c, enum dsdn_clock clock, uint64_t due, uint16_t kind,
                        const void *subject, uint32_t subject_len, struct dsdn_deadline *out);
void dsdn_deadline_put(struct dsdn_context *c, const struct dsdn_deadline *deadline);
bool dsdn_deadline_drop(struct dsdn_context *c, const struct dsdn_deadline *deadline);

/* dsdn_embedded_valid checks a second party's signature inside the payload (protocol.md, section 1): over
 * H("dsdn/in/" event name "/" field "/1", genesis || author || nonce || payload with all signature fields
 * zero). `field` names the signature field.  Of the signature of a SIGNED_BY line the verdict is known already,
 * when the batch was prepared with dsdn_prepare_embedded. */
bool dsdn_embedded_valid(const struct dsdn_context *c, const char *field, const uint8_t key[32],
                         const uint8_t signature[64]);

/* dsdn_embedded_message is the digest itself, for signers and tests. */
int dsdn_embedded_message(const struct dsdn_event_desc *desc, uint8_t version, const char *field,
                          const uint8_t genesis[32], const uint8_t author[32], uint64_t nonce,
                          const uint8_t *payload, uint32_t len, uint8_t digest[32], struct dsdn_error *error);

/* dsdn_founders_agree: the author and the approvals (LIST(approval, ...), sorted, each verified) are at least
 * founder_m distinct founders.  OK, NOT_AUTHORISED or BAD_SIGNATURE. */
dsdn_outcome dsdn_founders_agree(const struct dsdn_context *c, const struct dsdn_list *approvals);

#endif
