/* celestia.h: a log read from the primary itself, or audited with the proofs that an archive keeps of it.
 *
 * Whoever delivers the heights - a node (reader.h) or an archive (proof.h) - has them proved complete; a
 * follower (statemachine/follow.h) makes the one canonical log of them, in a directory.  What this shows
 * about the log is struct da_facts: the assurance of protocol.md, section 13. */
#ifndef DSDN_APPS_REPLAY_CELESTIA_H
#define DSDN_APPS_REPLAY_CELESTIA_H

#include "apps/replay/options.h"
#include "apps/replay/progress.h"
#include "apps/replay/source.h"

#include "adapters/celestia/proof.h"
#include "adapters/celestia/reader.h"
#include "statemachine/follow.h"

#define CELESTIA_PREFIX    "celestia:"
#define CELESTIA_TIMEOUT   120u         /* default of --timeout: seconds without any height */
#define CELESTIA_PROOF_MAX (128u << 20) /* bytes of the proof of one height in an archive */

/* ---- facts ---- */

#define DA_FOUND_MAX 16u

struct da_facts {
    uint64_t da_start;
    uint64_t start, complete;         /* namespace data is proved complete in [start, complete]; complete is
                                         DSDN_HEIGHT_NONE when nothing is */
    uint64_t time_ms;                 /* header time of `complete` */
    uint64_t heights;                 /* proved in this run: less than that with --state */
    uint64_t next, included, settled; /* batches below: canonical, on the primary, settled */
    uint8_t root[32];                 /* state root behind batch next - 1, as the follower has it */
    uint64_t rollbacks, refused;
    bool anchored; /* the headers follow from one that the caller trusts, or from a prior run's */
    enum dsdn_anchor_source source;
    uint64_t header_height; /* of the trusted header */
    uint8_t header_hash[32];
    char gap[160]; /* "": none; else why the heights behind `complete` are not proved */
    struct dsdn_error found[DA_FOUND_MAX]; /* evidence and alarms: what is false in the log itself */
    uint32_t found_cnt;
};

/* ---- celestia.c: SOURCE, genesis and options ---- */

struct celestia {
    const struct options *options;
    char url[DSDN_ENDPOINT_URL_MAX + 1];
    struct dsdn_genesis genesis;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    char chain_id[DSDN_CELESTIA_CHAIN_ID_MAX + 1];
    uint64_t pin_height; /* 0: the node's own word was asked for */
    uint8_t pin_hash[32];
    uint32_t timeout_ms;
    struct dsdn_endpoint_options endpoint, witnesses[OPTION_LIST_MAX];
};

/* celestia_named says whether an argument is a source of this kind. */
bool celestia_named(const char *source);

/* celestia_bind reads the source, the genesis file and the options that belong to it, and asks nobody.
 * USAGE, WRONG_GENESIS; the errors of the genesis file.  celestia_release may follow in any case once *c was
 * zeroed. */
int celestia_bind(struct celestia *c, const char *source, const struct options *options,
                  struct dsdn_error *error);
void celestia_release(struct celestia *c);

/* celestia_pin reads --trusted-header; without it the genesis' da_start is the trusted header.  height 0:
 * "node".  USAGE. */
int celestia_pin(const struct options *options, const struct dsdn_genesis *genesis, uint64_t *height,
                 uint8_t hash[32], struct dsdn_error *error);

/* celestia_head asks the node for the newest height.  AGAIN when it cannot be reached, INCOMPLETE when the
 * token is not good enough, and what the answer is worth else. */
int celestia_head(const struct celestia *c, uint64_t *head, struct dsdn_error *error);

/* celestia_reader makes a reader of the heights from `from` (0: da_start) to `to`. */
int celestia_reader(const struct celestia *c, uint64_t from, uint64_t to, bool proofs, const char *state_dir,
                    struct dsdn_reader **reader, struct dsdn_error *error);

/* celestia_end is the height to read to: --to height:N, or the node's head.  INCOMPLETE when the head is
 * below N. */
int celestia_end(const struct celestia *c, uint64_t *to, struct dsdn_error *error);

/* ---- celestia_follow.c: heights into a log ---- */

struct feed {
    struct dsdn_follow *follow;
    uint64_t to;     /* last height */
    uint64_t settle; /* stop when the batches below are settled; UINT64_MAX: never */
    /* Gives the height that is wanted; it lives until the next call.  NOT_FOUND: there are no more. */
    int (*get)(void *self, uint64_t height, struct dsdn_da_height *out, struct dsdn_error *error);
    void *self;
    /* Optional: told of every height before it is fed, of every event behind it. */
    int (*height)(void *self, const struct dsdn_da_height *height, struct dsdn_error *error);
    int (*event)(void *self, const struct dsdn_follow_event *event, struct dsdn_error *error);
    void *listener;
    struct progress *progress; /* may be NULL */
    uint64_t first, events;    /* for the bar */
    struct da_facts *facts;
};

/* feed_run feeds heights until `to`, or until there are no more, makes the log durable and fills the facts,
 * but for the anchor.  INTERRUPTED; UPGRADE_REQUIRED; what get and the follower fail with.  Also after a
 * failure the log is durable as far as it came. */
int feed_run(struct feed *feed, struct dsdn_error *error);

/* A reader as the giver of heights. */
struct feed_reader {
    struct dsdn_reader *reader;
    uint32_t timeout_ms; /* without any height: AGAIN */
};
int feed_from_reader(void *self, uint64_t height, struct dsdn_da_height *out, struct dsdn_error *error);

/* feed_anchor takes the anchor of a reader into the facts. */
void feed_anchor(struct da_facts *facts, const struct dsdn_reader *reader);

/* ---- celestia_audit.c: the proofs of an archive ---- */

struct proofs;

/* proofs_open checks the headers of all proofs of an archive from a trusted header on (height 0: none), held
 * against chain id and namespace of its genesis.  *out is NULL when it has no proofs.  CHAIN, PROOF,
 * SIGNATURE ... naming the height; MALFORMED; NO_MEMORY. */
int proofs_open(struct dsdn_source *archive, const struct dsdn_genesis *genesis, uint64_t pin_height,
                const uint8_t pin_hash[32], struct proofs **out, struct dsdn_error *error);
void proofs_close(struct proofs *proofs);

/* proofs_get is a giver of heights. */
int proofs_get(void *proofs, uint64_t height, struct dsdn_da_height *out, struct dsdn_error *error);

/* proofs_hole is the first height whose proof is missing between others; 0: none is. */
uint64_t proofs_hole(const struct proofs *proofs);

/* proofs_result: heights [*first, *end) have proofs, those below *trusted_end follow from the trusted header.
 */
void proofs_result(const struct proofs *proofs, uint64_t *first, uint64_t *end, uint64_t *trusted_end);

/* ---- celestia_source.c: both as sources ---- */

/* celestia_open follows the primary and makes in->source and in->store the log that came out. */
int celestia_open(struct input *in, const struct options *options, struct dsdn_error *error);

/* archive_audit follows the proofs that the archive in *in has, compares its batches with the log that comes
 * out, and fills in->da; without proofs it does nothing. */
int archive_audit(struct input *in, const struct options *options, struct dsdn_error *error);

/* A follower in a directory. */
int follower_open(const char *dir, const struct dsdn_genesis *genesis, const struct options *options,
                  struct dsdn_follow **follow, struct dsdn_error *error);

/* A directory in TMPDIR, and its removal with all that is in it. */
int temporary_directory(char *path, size_t cap, struct dsdn_error *error);
void temporary_remove(const char *path);

#endif
