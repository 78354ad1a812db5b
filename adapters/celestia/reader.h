/* reader.h: the heights of a namespace, in order, everything proved.
 *
 * For each height: the header, verified to belong to the trusted chain (chain.h), and the namespace's shares,
 * verified to be all of them or none (namespace_data.h).  Several heights are fetched at once, from one node
 * or several; what comes late is waited for only when it is its turn.  A wrong answer is asked for again at
 * another node; when no node has a right one the caller is told what is wrong at which height, and may call
 * again: nothing is skipped, ever. */
#ifndef DSDN_ADAPTERS_CELESTIA_READER_H
#define DSDN_ADAPTERS_CELESTIA_READER_H

#include "adapters/celestia/endpoint.h"
#include "adapters/celestia/namespace.h"
#include "log/da.h"

#define DSDN_READER_ENDPOINTS_MAX 8u
#define DSDN_READER_AHEAD_MAX     256u

enum dsdn_anchor_source {
    DSDN_ANCHOR_NODE,   /* the node's own head: who lies consistently is not noticed */
    DSDN_ANCHOR_PINNED, /* given by the caller */
    DSDN_ANCHOR_PRIOR,  /* verified by an earlier run: state_dir */
};

struct dsdn_reader_options {
    const struct dsdn_endpoint_options *endpoints; /* asked for data, the first one preferred */
    uint32_t endpoint_cnt;                         /* 1 to DSDN_READER_ENDPOINTS_MAX */
    const struct dsdn_endpoint_options *witnesses; /* asked for headers only: they must agree */
    uint32_t witness_cnt;                          /* 0 to DSDN_READER_ENDPOINTS_MAX */
    uint8_t ns[DSDN_NAMESPACE_LEN];
    const char *chain_id; /* that headers must name; NULL: whatever the anchor says */
    uint64_t from;        /* first height to deliver, at least 1 */
    uint64_t to;          /* last one that will be asked for; 0: none.  A record of proofs needs it: headers
                             above it are not used to verify those below */
    uint64_t pin_height;  /* the trusted header; 0: a prior run's, or else the node's head */
    uint8_t pin_hash[32];
    uint64_t period;                  /* trusting period in seconds; 0: seven days */
    const char *state_dir;            /* existing directory for verified header hashes; NULL: none are kept */
    uint32_t ahead;                   /* heights fetched ahead; 0: 64 */
    size_t ahead_bytes;               /* bytes of answers held ahead; 0: 256 MiB */
    uint32_t poll_ms;                 /* between questions for the head; 0: 1,000 */
    uint32_t connections;             /* to one host; 0: DSDN_HTTP_CONNECTIONS */
    bool subscribe;                   /* listen on a WebSocket for new heads: asks sooner, proves nothing */
    bool proofs;                      /* make the bytes an archive keeps */
    uint64_t seed;                    /* of the pauses before retries; 0: from the system */
    uint64_t (*clock_ms)(void *self); /* Unix time in ms; NULL: the system's */
    void *self;
};

struct dsdn_reader;

/* dsdn_reader_new connects to nobody yet.  USAGE; as dsdn_endpoint_open; NO_MEMORY; IO, MALFORMED (state). */
int dsdn_reader_new(const struct dsdn_reader_options *options, struct dsdn_reader **reader,
                    struct dsdn_error *error);
void dsdn_reader_free(struct dsdn_reader *reader);

/* dsdn_reader_next delivers the next height, waiting at most timeout_ms (0: only what is there).
 * 0: *answer is PRESENT or ABSENT and *height is set; it lives until the next call with this reader.
 * Otherwise *answer and the error say why there is none yet, with the height in the message:
 *     AGAIN                           FUTURE (above the head), TIMEOUT, UNAVAILABLE: keep calling
 *     INCOMPLETE                      PRUNED, UNAUTHORISED: nobody asked can give it
 *     UNVERIFIED                      BAD_HEADER: the trusting period is over, a newer anchor is needed
 *     PROOF, CHAIN, SIGNATURE, TIME,
 *     WRONG_GENESIS, MALFORMED, ...   BAD_PROOF, BAD_HEADER, MALFORMED: the nodes asked answered falsely
 *     EQUIVOCATION                    DISAGREE: header and witness differ
 *     NO_MEMORY, IO
 * After any of them the reader can be called again and goes on at the same height. */
int dsdn_reader_next(struct dsdn_reader *reader, uint32_t timeout_ms, struct dsdn_da_height *height,
                     enum dsdn_da_answer *answer, struct dsdn_error *error);

/* dsdn_reader_seek makes `height` (at least 1) the next one. */
int dsdn_reader_seek(struct dsdn_reader *reader, uint64_t height, struct dsdn_error *error);

/* dsdn_reader_wanted is the height to be delivered next. */
uint64_t dsdn_reader_wanted(const struct dsdn_reader *reader);

/* The newest head seen; it is verified only once its height is delivered.  0 before the first answer. */
struct dsdn_reader_head {
    uint64_t height, time_ms;
};
struct dsdn_reader_head dsdn_reader_head(const struct dsdn_reader *reader);

struct dsdn_reader_anchor {
    enum dsdn_anchor_source source;
    uint64_t height; /* 0: not known yet (source NODE before the first answer) */
    uint8_t hash[32];
};
struct dsdn_reader_anchor dsdn_reader_anchor(const struct dsdn_reader *reader);

/* dsdn_reader_header_hash gives the hash of a height that was verified and is still remembered.  For
 * da_origin.  false: not known. */
bool dsdn_reader_header_hash(const struct dsdn_reader *reader, uint64_t height, uint8_t hash[32]);

/* Endpoints in the order of the options, witnesses behind them; NULL behind the last. */
const struct dsdn_endpoint *dsdn_reader_endpoint(const struct dsdn_reader *reader, uint32_t index);

#endif
