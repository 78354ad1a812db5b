/* fixture_story.h: a compiled story: names, batches as bytes, and the steps of their delivery.  Compiling
 * needs no engine: a story says which batches are refused, so what each batch builds on is known while it is
 * read. */
#ifndef DSDN_STATEMACHINE_FIXTURE_STORY_H
#define DSDN_STATEMACHINE_FIXTURE_STORY_H

#include "log/genesis.h"
#include "log/sign.h"
#include "log/source.h"
#include "statemachine/engine.h"
#include "statemachine/fixture.h"

#define DSDN_STORY_NAME_MAX  31u
#define DSDN_STORY_NAMES_MAX 256u
#define DSDN_STORY_LEAVES    4096u
#define DSDN_STORY_NONE      UINT32_MAX
#define DSDN_STORY_BEGIN_MS  1767225600000ull /* genesis_time of every story: 2026-01-01 00:00 UTC */
#define DSDN_STORY_HEIGHT_MS 6000u            /* time between two made-up headers of a primary */
#define DSDN_STORY_TOKEN     100000000ull     /* base units of a token */
#define DSDN_STORY_PATH_MAX  13u /* hashes of a path: a leaf and log2(DSDN_STORY_LEAVES) siblings */

enum dsdn_story_kind { DSDN_STORY_KEY = '$', DSDN_STORY_HASH = '%', DSDN_STORY_TREE = '^' };

/* Something a story calls by name.  hash: the public key, the hash, or the root of the tree. */
struct dsdn_story_name {
    char name[DSDN_STORY_NAME_MAX + 1];
    enum dsdn_story_kind kind;
    uint32_t leaves;
    uint8_t hash[32];
    struct dsdn_sign_key key;
};

/* What the story says becomes of an event. */
struct dsdn_story_event {
    dsdn_outcome expected;
    uint32_t line;
};

struct dsdn_story_bundle {
    char name[DSDN_STORY_NAME_MAX + 1];
    struct dsdn_buffer bytes;
    uint32_t first_event, event_cnt;
    uint32_t line;
};

struct dsdn_story_batch {
    char name[DSDN_STORY_NAME_MAX + 1];
    struct dsdn_buffer bytes;
    struct dsdn_buffer certificate; /* empty: none */
    struct dsdn_header header;
    uint8_t hash[32];
    uint32_t parent;    /* batch it builds on, or NONE: genesis */
    uint32_t publisher; /* name of the key that signed it, or NONE */
    uint32_t first_bundle, bundle_cnt;
    uint32_t line;
};

/* What a story knows from its own events, as it says that they are applied: the newest comes last. */
struct dsdn_story_record {        /* AuditRecordPosted */
    uint8_t author[32], hash[32]; /* chain hash after it */
    uint64_t seq;
};
struct dsdn_story_set { /* QuorumValidatorSetDeclared; the first one is that of the genesis */
    uint32_t id, cnt;
    uint8_t members[64][32];
};

/* One thing that happens.  DELIVER: refused is the code it is refused with, 0 = it is applied.  ROLLBACK:
 * back to the state after `batch`, or after genesis (NONE). */
struct dsdn_story_step {
    bool rollback;
    uint32_t batch;
    int refused;
    uint32_t refused_bundle, refused_event; /* UINT32_MAX: the story does not say */
    uint32_t line;
};

struct dsdn_story {
    const struct dsdn_catalogue *catalogue;
    char path[4096]; /* of story.txt */
    bool recut;
    struct dsdn_genesis genesis;
    struct dsdn_story_name *names;
    struct dsdn_story_event *events;
    struct dsdn_story_bundle *bundles;
    struct dsdn_story_batch *batches;
    struct dsdn_story_step *steps;
    struct dsdn_story_record *records;
    struct dsdn_story_set *sets;
    uint32_t record_cnt, record_cap, set_cnt, set_cap;
    uint32_t name_cnt, name_cap, event_cnt, event_cap, bundle_cnt, bundle_cap, batch_cnt, batch_cap, step_cnt,
        step_cap;
    uint32_t tip; /* the batch that stands at the end, or NONE */
};

/* ---- fixture_parse.c ---- */

/* dsdn_story_open reads and compiles directory/story.txt; dsdn_story_close releases it, also after a failure.
 * dsdn_story_compile is the same for a text in memory. */
int dsdn_story_open(struct dsdn_story *s, const struct dsdn_catalogue *catalogue, const char *directory,
                    struct dsdn_error *error);
int dsdn_story_compile(struct dsdn_story *s, const struct dsdn_catalogue *catalogue, const char *text,
                       size_t len, struct dsdn_error *error);
void dsdn_story_close(struct dsdn_story *s);

/* dsdn_story_chain lists the batches from genesis to `tip`; *chain is malloc'ed, the caller frees. */
int dsdn_story_chain(const struct dsdn_story *s, uint32_t tip, uint32_t **chain, uint32_t *cnt,
                     struct dsdn_error *error);

/* dsdn_story_fail is dsdn_fail with the line of the story in front. */
int dsdn_story_fail(const struct dsdn_story *s, uint32_t line, int code, struct dsdn_error *error,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- fixture_names.c ---- */

/* A piece of a line. */
struct dsdn_word {
    const char *at;
    size_t len;
};
bool dsdn_word_is(struct dsdn_word w, const char *text);

/* dsdn_story_grow makes room for one more of cnt items of `size` bytes. */
int dsdn_story_grow(void **items, size_t size, uint32_t cnt, uint32_t *cap, struct dsdn_error *error);

/* dsdn_story_declare makes a name; dsdn_story_find finds one (kind 0: any), or returns NONE. */
int dsdn_story_declare(struct dsdn_story *s, struct dsdn_word name, enum dsdn_story_kind kind,
                       uint32_t leaves, uint32_t line, struct dsdn_error *error);
uint32_t dsdn_story_find(const struct dsdn_story *s, struct dsdn_word name, int kind);

/* dsdn_story_seeded is where hashes come from: H("dsdn/fixture/1", text). */
void dsdn_story_seeded(const char *text, uint8_t out[32]);

/* dsdn_story_time reads "5s" (after genesis), "+5s" or "-5s" (from `now`); units ms s m h d, ms when there is
 * none. */
bool dsdn_story_time(struct dsdn_word w, uint64_t now, uint64_t *ms);
bool dsdn_story_duration(struct dsdn_word w, uint64_t *ms);
bool dsdn_story_number(struct dsdn_word w, uint64_t *number);

/* dsdn_story_amount reads "500", "500t" or "0.25t" (tokens) or "123u" (base units) as base units. */
bool dsdn_story_amount(struct dsdn_word w, uint64_t *units);

/* dsdn_story_hash32 reads "$alice", "%photo", "%tree.root", "%tree.leaf.2" or 64 hex digits. */
bool dsdn_story_hash32(const struct dsdn_story *s, struct dsdn_word w, uint8_t out[32]);

/* dsdn_story_path reads "TREE:LEAF": the leaf's hash, then its siblings upwards, at most DSDN_STORY_PATH_MAX.
 */
bool dsdn_story_path(const struct dsdn_story *s, struct dsdn_word w, uint8_t (*path)[32], uint32_t *cnt);

/* dsdn_story_named copies text to out with names in place of the hashes and keys that have one. */
void dsdn_story_named(const struct dsdn_story *s, const char *text, size_t len, struct dsdn_text *out);

/* ---- fixture_payload.c ---- */

/* The surroundings of a payload, for what stands in its strings. */
struct dsdn_story_payload {
    const struct dsdn_event_desc *desc;
    uint8_t version;
    const uint8_t *author; /* 32 bytes */
    uint64_t nonce, now;
    uint32_t line;
    uint32_t parent; /* batch whose state is asked, or NONE: genesis */
};

/* dsdn_story_encode turns the JSON of a payload, with names, into canonical bytes appended to out. */
int dsdn_story_encode(const struct dsdn_story *s, const struct dsdn_story_payload *p, struct dsdn_word json,
                      struct dsdn_buffer *out, struct dsdn_error *error);

/* ---- fixture_facts.c ---- */

/* dsdn_story_learn takes note of an event that the story says is applied; dsdn_story_learn_genesis of the
 * quorum set of the genesis. */
int dsdn_story_learn_genesis(struct dsdn_story *s, struct dsdn_error *error);
int dsdn_story_learn(struct dsdn_story *s, const struct dsdn_story_payload *p,
                     const struct dsdn_buffer *payload, struct dsdn_error *error);

/* dsdn_story_audit reads "NAME" or "NAME:SEQ": the chain hash after the newest record of an author, or after
 * his newest record of that number; zero bytes before his first. */
bool dsdn_story_audit(const struct dsdn_story *s, struct dsdn_word w, uint8_t out[32]);

/* dsdn_story_bytes reads the words of a field of bytes (docs/fixtures.md, "Bytes") and appends them to out.
 * MALFORMED names the word. */
int dsdn_story_bytes(const struct dsdn_story *s, uint32_t line, struct dsdn_word words,
                     struct dsdn_buffer *out, struct dsdn_error *error);

/* ---- fixture_ask.c ---- */

/* dsdn_story_ask has the catalogue answer a question about the state after a batch (or genesis: NONE), as far
 * as the story is compiled.  answers has room for `most`; MALFORMED when the catalogue knows no such question
 * or a batch on the way does not become what the story says. */
int dsdn_story_ask(const struct dsdn_story *s, uint32_t batch, uint64_t now, uint32_t line,
                   const char *question, const uint8_t about[32], uint8_t (*answers)[32], uint32_t most,
                   uint32_t *cnt, struct dsdn_error *error);

/* dsdn_story_alias gives the key whose public half this is another name. */
int dsdn_story_alias(struct dsdn_story *s, struct dsdn_word name, const uint8_t public_key[32], uint32_t line,
                     struct dsdn_error *error);

/* ---- fixture_genesis.c ---- */

/* What the lines before the first batch say about the network. */
struct dsdn_story_network {
    struct dsdn_word id, chain, version;
    uint64_t start;       /* height */
    uint32_t coordinator; /* name of the authority's key: with a committee its group key */
    uint32_t level;       /* feature level */
    uint32_t founders[64], validators[64], quorum[64], emergency[1], allowed[64]; /* names */
    uint32_t founder_cnt, founder_m, validator_cnt, quorum_cnt, quorum_pct, emergency_cnt, allowed_cnt;
    uint64_t stakes[64]; /* of the validators, base units */
    struct {
        uint32_t name, pool;
        uint64_t units, vest_start, vest_cliff_s, vest_len_s;
    } accounts[64];
    uint32_t account_cnt;
    struct {
        uint32_t member, validator; /* names; NONE: the first validator */
    } seats[64];
    uint32_t seat_cnt; /* 0: the authority is one key */
    int64_t parameters[DSDN_PARAMETER_CNT];
    bool declared[DSDN_PARAMETER_CNT];
};

/* dsdn_story_found makes the genesis. */
int dsdn_story_found(struct dsdn_story *s, const struct dsdn_story_network *n, uint32_t line,
                     struct dsdn_error *error);

/* ---- fixture_build.c ---- */

/* A bundle and a batch while they are read. */
struct dsdn_story_draft {
    bool batch_open, bundle_open, hold;
    struct dsdn_story_batch batch;
    uint64_t time_ms, genesis_name, bundle_count;
    uint32_t signer, certifiers[64], certifier_cnt, certificate_set; /* NONE: the newest set */
    uint8_t genesis[32], body_hash[32];
    bool has_genesis, has_body_hash, has_bundle_count;
    int refused;
    uint32_t refused_bundle, refused_event;
    struct {
        enum { DAMAGE_FLIP, DAMAGE_CUT, DAMAGE_APPEND } kind;
        uint32_t at;
        uint8_t bytes[64], len;
    } damage[16];
    uint32_t damage_cnt;
    /* the open bundle */
    struct dsdn_bundle bundle;
    uint8_t author[32], bundle_genesis[32];
    uint32_t bundle_signer; /* name, or NONE: signature of zero bytes */
    bool bundle_damaged, has_count, has_length;
    dsdn_outcome expected; /* of events without a `gives` */
};

int dsdn_story_bundle_begin(struct dsdn_story *s, struct dsdn_story_draft *d, uint32_t line,
                            struct dsdn_error *error);
/* dsdn_story_bundle_frame appends one event frame to the open bundle. */
int dsdn_story_bundle_frame(struct dsdn_story *s, struct dsdn_story_draft *d, const uint8_t *bytes,
                            size_t len, uint32_t line, struct dsdn_error *error);
int dsdn_story_bundle_end(struct dsdn_story *s, struct dsdn_story_draft *d, struct dsdn_error *error);
int dsdn_story_batch_end(struct dsdn_story *s, struct dsdn_story_draft *d, struct dsdn_error *error);
/* dsdn_story_append appends bytes to a buffer. */
int dsdn_story_append(struct dsdn_buffer *buffer, const void *bytes, size_t len, struct dsdn_error *error);
/* dsdn_story_seal encodes and signs a batch of a body: header facts but body fields are the caller's. */
int dsdn_story_seal(struct dsdn_header *h, const uint8_t *body, size_t len, const struct dsdn_sign_key *key,
                    struct dsdn_buffer *out, struct dsdn_error *error);

/* ---- fixture_play.c ---- */

struct dsdn_play_options {
    uint64_t seed;
    uint32_t rows;
    bool twice;            /* deliver every batch twice */
    const char *directory; /* NULL, or where checkpoints go: stop and restore after every batch */
};

/* dsdn_story_play plays all steps; out gets the text of expect.txt, roots what stands at the end. */
int dsdn_story_play(const struct dsdn_story *s, const struct dsdn_play_options *options,
                    struct dsdn_text *out, struct dsdn_roots *roots, struct dsdn_fixture_result *result,
                    struct dsdn_error *error);

/* dsdn_story_begin makes an engine after the story's genesis. */
int dsdn_story_begin(const struct dsdn_story *s, const struct dsdn_engine_options *options,
                     struct dsdn_engine **engine, struct dsdn_error *error);
/* dsdn_story_deliver prepares, checks and judges bytes as a follower does, and applies them when they are
 * valid. */
int dsdn_story_deliver(struct dsdn_engine *e, struct dsdn_prepared *p, const struct dsdn_buffer *bytes,
                       const struct dsdn_buffer *certificate, struct dsdn_error *error);
/* dsdn_outcome_text writes "OK" or "PRECONDITION/NODE_UNKNOWN" (48 bytes are enough for any but a made-up
 * code). */
void dsdn_outcome_text(const struct dsdn_catalogue *catalogue, dsdn_outcome outcome, char *out, size_t cap);

/* ---- fixture_recut.c ---- */

enum dsdn_recut { DSDN_RECUT_SPLIT, DSDN_RECUT_MERGED, DSDN_RECUT_REPEATED };

/* dsdn_story_recut plays the final chain in other batches and compares role roots and outcomes. */
int dsdn_story_recut(const struct dsdn_story *s, enum dsdn_recut how, const struct dsdn_roots *wanted,
                     struct dsdn_error *error);

/* ---- fixture_source.c ---- */

/* dsdn_story_source is a source of the final chain; it borrows the story. */
int dsdn_story_source(const struct dsdn_story *s, struct dsdn_source **source, struct dsdn_error *error);

#endif
