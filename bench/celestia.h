/* celestia.h: what the stages of reading one height cost; celestia.c says what for. */
#ifndef DSDN_BENCH_CELESTIA_H
#define DSDN_BENCH_CELESTIA_H

#include "adapters/celestia/namespace.h"
#include "log/error.h"

#include <sys/types.h>

/* ---- a node that only sends --------------------------------------------------------------------- */

/* Bodies of answers by height - 1, zero-terminated, owned; NULL where nothing was recorded. */
struct celestia_record {
    char **headers, **rows;
    uint64_t cnt;
};
void celestia_record_free(struct celestia_record *record);

struct celestia_server {
    pid_t pid;
    char url[64];
};

/* celestia_serve answers from the record in a child process, on this process's processor, each answer
 * latency_ms after its request. */
int celestia_serve(const struct celestia_record *record, unsigned latency_ms, struct celestia_server *server,
                   struct dsdn_error *error);
void celestia_serve_end(struct celestia_server *server);

/* ---- stages ------------------------------------------------------------------------------------- */

/* X(name, label, what is timed) */
#define CELESTIA_STAGES(X)                                                                                   \
    X(RECEIVE, "receive", "HTTP: both answers into memory")                                                  \
    X(TEXT, "JSON", "both answers held against RFC 8259")                                                    \
    X(HEADER, "header", "the header's object read")                                                          \
    X(ROOTS, "header hashes", "data root from the DAH, header hash")                                         \
    X(COMMIT, "commit", "validator set and signatures; one header in 64 needs it")                           \
    X(SHARES, "base64", "the rows' object read: shares and proofs")                                          \
    X(NMT, "NMT", "rows held against the row roots")                                                         \
    X(BLOBS, "blobs", "put together from their shares")                                                      \
    X(COMMITMENTS, "commitments", "share commitment of every blob")                                          \
    X(PROOF, "proof bytes", "what an archive keeps; on request")

enum celestia_stage {
#define X(name, label, doc) STAGE_##name,
    CELESTIA_STAGES(X)
#undef X
        CELESTIA_STAGE_CNT
};

/* Seconds of processor time of one height, the best of the rounds. */
struct celestia_stages {
    double seconds[CELESTIA_STAGE_CNT];
    size_t answer_bytes; /* of both answers */
};

/* Seconds of processor time of this thread. */
double celestia_processor(void);

/* celestia_header_hash asks the node at url for the hash of a header, to pin it. */
int celestia_header_hash(const char *url, uint64_t height, uint8_t hash[32], struct dsdn_error *error);

/* celestia_measure fetches one height that has data of the namespace, `rounds` times (the node is waited for,
 * not counted), and times each stage on it. */
int celestia_measure(const char *url, uint64_t height, const uint8_t ns[DSDN_NAMESPACE_LEN], unsigned rounds,
                     struct celestia_stages *out, struct dsdn_error *error);

#endif
