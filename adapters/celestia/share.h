/* share.h: blobs cut into shares of 512 bytes, and put together again.
 *
 *      0  29 bytes   namespace
 *     29  u8         info: share version << 1 | 1 when a sequence (a blob) starts here
 *     30  u32        first share only: sequence length, big-endian: bytes of data of the blob
 *     34  20 bytes   first share of versions 1 and 2 only: signer, the account that paid for the blob
 *     ..             data; zero bytes behind the last
 *
 * Data in a first share: 478 bytes (version 0) or 458 (versions 1, 2); in each further one 482.  A share that
 * starts a sequence of length 0 and is zero behind it is padding.
 * Source: celestiaorg/go-square share/share_builder.go, split_sparse_shares.go, padding.go.
 * The shares of transactions (namespaces ..01, ..04, ..05) have another layout and are not read here. */
#ifndef DSDN_ADAPTERS_CELESTIA_SHARE_H
#define DSDN_ADAPTERS_CELESTIA_SHARE_H

#include "adapters/celestia/namespace.h"

#define DSDN_SHARE_LEN        512u
#define DSDN_SHARE_SIGNER_LEN 20u
/* Versions this program knows; 2 is the chain's own record of a fibre blob. */
#define DSDN_SHARE_VERSION_MAX 2u

/* Data bytes of a first share of a known version, and of every further one. */
static inline uint32_t dsdn_share_first_len(uint32_t version)
{
    return version == 0 ? 478 : 458;
}
#define DSDN_SHARE_NEXT_LEN 482u

/* ---- one share ---- */

struct dsdn_share {
    uint8_t version; /* 0 to 127 */
    bool start;      /* a sequence starts here */
    bool known;      /* version <= DSDN_SHARE_VERSION_MAX: the fields below mean something */
    uint32_t sequence_len;
    const uint8_t *signer; /* 20 bytes in the share, or NULL */
    struct dsdn_view data; /* room for data: in the share, its zero fill included */
};

/* dsdn_share_parse describes one share of 512 bytes.  It cannot fail: every info byte is some version. */
struct dsdn_share dsdn_share_parse(const uint8_t *share);

/* dsdn_share_padding writes a padding share: of a namespace (behind a blob: with that blob's version), or of
 * dsdn_namespace_reserved_padding or dsdn_namespace_tail_padding (version 0). */
void dsdn_share_padding(const uint8_t ns[DSDN_NAMESPACE_LEN], uint8_t version, uint8_t out[DSDN_SHARE_LEN]);

/* ---- a blob into shares ---- */

/* dsdn_share_cnt is the number of shares of len bytes of data; 0 for what cannot be a blob (len 0 or above
 * 2^32 - 1, an unknown version). */
uint32_t dsdn_share_cnt(uint32_t version, uint64_t len);

/* dsdn_share_split writes dsdn_share_cnt(version, len) shares of a blob to out.  signer: 20 bytes for
 * versions 1 and 2, NULL for 0.  USAGE when there is no such blob. */
int dsdn_share_split(const uint8_t ns[DSDN_NAMESPACE_LEN], uint32_t version, const uint8_t *signer,
                     const void *data, uint64_t len, uint8_t *out, struct dsdn_error *error);

/* ---- shares into blobs ---- */

/* Consecutive shares of one namespace: those of a row.  Runs follow each other in the order of the square. */
struct dsdn_share_run {
    const uint8_t *shares; /* cnt * 512 bytes, owned by whoever made the run */
    uint32_t cnt;
    uint32_t index; /* place of the first one in the extended square: row * 2k + column */
};

/* A sequence is a share with the start bit and all shares without it up to the next one that has it.  Shares
 * without it before the first one that has it make a sequence too, a malformed one.  Padding is no entry;
 * every other sequence is exactly one, whatever is in it: so all readers of a height count the same ordinals.
 */
enum dsdn_blob_kind {
    DSDN_BLOB_DATA,            /* well-formed, of a known version: data and signer can be read */
    DSDN_BLOB_UNKNOWN_VERSION, /* of a version of the future: nothing in it is interpreted */
    DSDN_BLOB_NO_START,        /* malformed: shares that continue nothing */
    DSDN_BLOB_WRONG_VERSION,   /* malformed: a share of another version within the sequence */
    DSDN_BLOB_WRONG_COUNT,     /* malformed: more or fewer shares than the sequence length needs */
    DSDN_BLOB_WRONG_FILL,      /* malformed: a nonzero byte behind the data */
};

/* One entry.  It refers to the runs, which must stay where they are. */
struct dsdn_blob {
    enum dsdn_blob_kind kind;
    uint32_t ordinal;      /* 0, 1, 2, ... over all entries of the walk: the "blob index" of DSDN */
    uint32_t index;        /* place of the first share in the extended square: "index" of the node's API */
    uint32_t share_cnt;    /* shares of the sequence */
    uint8_t version;       /* share version of the first share */
    const uint8_t *signer; /* DATA of versions 1, 2: 20 bytes in the runs; else NULL */
    uint32_t len;          /* DATA: bytes of data; else 0 */
    const struct dsdn_share_run *run; /* where the first share is */
    uint32_t at;                      /* its number in that run */
};

struct dsdn_blob_walk {
    const struct dsdn_share_run *run, *end;
    uint32_t at; /* next share, in *run */
    uint32_t ordinal;
};

/* dsdn_blob_walk_start begins at the first share of run_cnt runs (empty ones are skipped).  That all shares
 * are of one namespace and that none is missing is the business of whoever got them: see namespace_data.h. */
void dsdn_blob_walk_start(struct dsdn_blob_walk *walk, const struct dsdn_share_run *runs, size_t run_cnt);

/* dsdn_blob_walk_next steps to the next entry; false at the end.  No allocation; every share is looked at
 * once: 29 bytes into it, and whole when it could be padding or the last of a blob. */
bool dsdn_blob_walk_next(struct dsdn_blob_walk *walk, struct dsdn_blob *blob);

/* dsdn_blob_kind_text is one line about a kind, for messages. */
const char *dsdn_blob_kind_text(enum dsdn_blob_kind kind);

/* The data of an entry of kind DATA in pieces, one a share: start with the blob, then call until false. */
struct dsdn_blob_pieces {
    const struct dsdn_share_run *run;
    uint32_t at, left; /* share; bytes of data not yet handed out */
};
void dsdn_blob_pieces_start(struct dsdn_blob_pieces *pieces, const struct dsdn_blob *blob);
bool dsdn_blob_pieces_next(struct dsdn_blob_pieces *pieces, struct dsdn_view *piece);

/* dsdn_blob_copy writes the blob->len bytes of data of an entry of kind DATA to out. */
void dsdn_blob_copy(const struct dsdn_blob *blob, uint8_t *out);

#endif
