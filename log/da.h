/* da.h: what a data-availability layer says about one height: the words that adapters, the follower and the archive
 * share (architecture.md, section 6; protocol.md, sections 7, 8 and 13). */
#ifndef DSDN_LOG_DA_H
#define DSDN_LOG_DA_H

#include "log/base.h"
#include "log/error.h"

/* Answers to "what is at this height": never mixed up.  number, name, text */
#define DSDN_DA_ANSWER_LIST(X)                                                                               \
    X(0, PRESENT, "blobs, proved complete")                                                                  \
    X(1, ABSENT, "no blob of the namespace, proved")                                                         \
    X(2, PRUNED, "below what the node keeps")                                                                \
    X(3, FUTURE, "above the head")                                                                           \
    X(4, TIMEOUT, "no answer in time")                                                                       \
    X(5, BAD_PROOF, "the answer does not match the header's data root")                                      \
    X(6, BAD_HEADER, "the header is not one of the trusted chain")                                           \
    X(7, UNAUTHORISED, "the token is missing, expired or not allowed this")                                  \
    X(8, MALFORMED, "the answer is not what the protocol says, or too large")                                \
    X(9, UNAVAILABLE, "no connection, or the node cannot get the data")                                      \
    X(10, DISAGREE, "two endpoints answer with different headers")

enum dsdn_da_answer {
#define X(number, name, text) DSDN_DA_##name = (number),
    DSDN_DA_ANSWER_LIST(X)
#undef X
    DSDN_DA_ANSWER_CNT = 11
};

/* One blob of the namespace.  bytes NULL: its shares are no blob that can be read (garbage, an unknown share
 * version); it has an index all the same. */
struct dsdn_da_blob {
    uint32_t index; /* ordinal in share order among all blobs of the namespace at the height (protocol.md, 7) */
    const uint8_t *bytes;
    size_t len;
    uint8_t commitment[32]; /* share commitment, recomputed here */
};

/* One height, with everything proved.  All pointers are the giver's and live as it says. */
struct dsdn_da_height {
    uint64_t height, time_ms; /* header time, rounded down to ms */
    uint8_t hash[32];         /* header hash */
    const struct dsdn_da_blob *blobs;
    uint32_t blob_cnt;
    struct dsdn_view proof; /* what an archive keeps: header, rows and proofs (docs/formats/celestia.md) */
};

const char *dsdn_da_answer_name(enum dsdn_da_answer answer);
const char *dsdn_da_answer_text(enum dsdn_da_answer answer);

#endif
