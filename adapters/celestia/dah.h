/* dah.h: the data availability header: the roots of all rows and columns of an extended square.
 *
 * With k x k shares of data there are 2k row roots and 2k column roots (nmt.h); the plain Merkle root
 * (merkle.h) over the row roots, then the column roots, is the data root: the data_hash of the header.
 *
 * Order of namespaces.  A square's data is sorted by namespace over all of it, row by row; so among the first
 * k rows the largest namespace of one is at most the smallest of the next, and the last k rows hold parity
 * only.  Celestia's validators build every square so and refuse others: whoever trusts a header trusts this
 * of its data root.
 *
 * Row sets.  The row roots that matter to a namespace are few and stand together.  A row set is these roots
 * and one range path to the data root, so that an archive need not keep whole DAHs:
 *
 *      0  u16       2k
 *      2  u16       first: number of the first row of the set
 *      4  u16       count: rows in the set, 1 to k
 *      6  ...       count row roots, 90 bytes each
 *     ..  ...       siblings, 32 bytes each, from the leaves up, on each level the left one before the right
 *
 * (little-endian).  The 4k leaves make a perfect tree, so the number of siblings follows from the three
 * numbers, and a path of another length reaches another root: 2k cannot be misstated.  The set holds
 *   - every row whose range contains the namespace; the row before these when their first one begins with the
 *     namespace, and the row behind them when their last one ends with it: those might have held more;
 *   - or, when no row contains it, the two rows between which it falls (one, before the first row or behind
 *     the k-th);
 * and no other row: there is one form. */
#ifndef DSDN_ADAPTERS_CELESTIA_DAH_H
#define DSDN_ADAPTERS_CELESTIA_DAH_H

#include "adapters/celestia/nmt.h"

struct dsdn_dah {
    const struct dsdn_nmt_node *row_roots;
    const struct dsdn_nmt_node *column_roots;
    uint32_t row_cnt, column_cnt; /* 2k each */
};

/* dsdn_dah_check bounds what came from outside: equal counts, a power of two, 2 to DSDN_NMT_LEAVES_MAX; in
 * every root smallest <= largest namespace; the rows in order, the last half parity.  MALFORMED. */
int dsdn_dah_check(const struct dsdn_dah *dah, struct dsdn_error *error);

/* dsdn_dah_root is the data root of a DAH that passed dsdn_dah_check. */
void dsdn_dah_root(const struct dsdn_dah *dah, uint8_t out[32]);

/* dsdn_dah_rows finds the rows whose range contains ns: [*first, *end), empty for none. */
void dsdn_dah_rows(const struct dsdn_dah *dah, const uint8_t ns[DSDN_NAMESPACE_LEN], uint32_t *first,
                   uint32_t *end);

/* ---- row sets ---- */

#define DSDN_ROW_SET_FIXED_LEN    6u
#define DSDN_ROW_SET_SIBLINGS_MAX 22u /* two a level, 4k = 2048 leaves */

/* Longest row set of a square of 2k rows. */
#define DSDN_ROW_SET_LEN_MAX(row_cnt)                                                                        \
    (DSDN_ROW_SET_FIXED_LEN + (size_t)(row_cnt) / 2 * DSDN_NMT_NODE_LEN + 32u * DSDN_ROW_SET_SIBLINGS_MAX)

/* dsdn_row_set_make writes the row set of ns to out, cap bytes, and its length to *len.  dah must have passed
 * dsdn_dah_check.  TOO_LARGE when cap is below it (DSDN_ROW_SET_LEN_MAX is always enough); NO_MEMORY. */
int dsdn_row_set_make(const struct dsdn_dah *dah, const uint8_t ns[DSDN_NAMESPACE_LEN], uint8_t *out,
                      size_t cap, size_t *len, struct dsdn_error *error);

/* What a verified row set says: exactly the rows [first, end) of a square of row_cnt = 2k rows can hold the
 * namespace; first == end: none, it is absent from the block. */
struct dsdn_row_set {
    uint32_t row_cnt;
    uint32_t first, end;
    const struct dsdn_nmt_node
        *roots; /* of rows first..end, in the bytes of the set; NULL when there are none */
};

/* dsdn_row_set_verify holds len bytes against a data root.  No allocation.  MALFORMED for another length or
 * impossible numbers; PROOF when the roots are not under the data root, or do not settle which rows can hold
 * ns. */
int dsdn_row_set_verify(const uint8_t *bytes, size_t len, const uint8_t ns[DSDN_NAMESPACE_LEN],
                        const uint8_t data_root[32], struct dsdn_row_set *set, struct dsdn_error *error);

#endif
