/* namespace_data.h: everything of a namespace at one height, or that there is nothing.
 *
 * The answer of share.GetNamespaceData has one entry for each row whose range (smallest to largest namespace
 * in its root) contains the namespace, top to bottom: the shares with a proof that they are all, or a proof
 * of absence.  Against the row roots of a header that is trusted, the answer can neither leave a share out
 * nor invent one.  blob.GetAll has no such proof; never conclude anything from its silence. */
#ifndef DSDN_ADAPTERS_CELESTIA_NAMESPACE_DATA_H
#define DSDN_ADAPTERS_CELESTIA_NAMESPACE_DATA_H

#include "adapters/celestia/nmt.h"
#include "adapters/celestia/share.h"

/* One entry of the answer.  All values may be hostile. */
struct dsdn_namespace_row {
    struct dsdn_view shares; /* 512 bytes each, one behind the other; empty for absence */
    struct dsdn_nmt_proof proof;
};

enum dsdn_namespace_verdict {
    DSDN_NAMESPACE_BAD_PROOF, /* the answer proves nothing: ask somebody else */
    DSDN_NAMESPACE_ABSENT,    /* proved: the namespace has no share at this height */
    DSDN_NAMESPACE_PRESENT,   /* proved: these are all its shares */
};

struct dsdn_namespace_result {
    enum dsdn_namespace_verdict verdict;
    uint32_t bad_row; /* BAD_PROOF: number of the entry in the answer; UINT32_MAX: the list as a whole */
    uint32_t run_cnt; /* PRESENT: entries of runs */
    uint64_t share_cnt;
};

/* dsdn_namespace_data_verify holds an answer of row_cnt entries against the row roots of a verified header:
 * root_cnt = 2k of them, a power of two, 2 to DSDN_NMT_LEAVES_MAX.  runs has room for row_cnt entries (may be
 * NULL): they become the shares of the rows with their places in the square, for dsdn_blob_walk_start; they
 * refer to rows[].shares.
 * Returns 0 (ABSENT or PRESENT); PROOF (BAD_PROOF: the message says which row of the square and why); USAGE
 * for the parity and tail padding namespaces, which no answer is about; MALFORMED when the row roots are no
 * DAH's.  No allocation. */
int dsdn_namespace_data_verify(const uint8_t ns[DSDN_NAMESPACE_LEN], const struct dsdn_nmt_node *row_roots,
                               uint32_t root_cnt, const struct dsdn_namespace_row *rows, size_t row_cnt,
                               struct dsdn_share_run *runs, struct dsdn_namespace_result *result,
                               struct dsdn_error *error);

#endif
