/* square.h: the extended data square: k x k shares, their parity, and the roots over both.
 *
 *          k columns   k columns
 *     k |  Q0: data  | Q1: parity of the rows of Q0       |
 *     k |  Q2: parity of the columns of Q0 | Q3: parity of the rows of Q2 |
 *
 * Every row and every column of the 2k x 2k shares has a tree (nmt.h) in which the shares of Q0 stand under
 * their own namespace and all others under the parity namespace.  The data root is that of dah.h.
 * Source: celestiaorg/rsmt2d extendeddatasquare.go, celestia-app pkg/wrapper/nmt_wrapper.go. */
#ifndef DSDN_ADAPTERS_CELESTIA_SQUARE_H
#define DSDN_ADAPTERS_CELESTIA_SQUARE_H

#include "adapters/celestia/dah.h"

#define DSDN_SQUARE_K_MAX 512u

struct dsdn_square {
    uint32_t k;
    uint8_t *shares;             /* 2k * 2k shares of 512 bytes, row by row; owned */
    struct dsdn_nmt_node *roots; /* 2k row roots, then 2k column roots; owned */
    uint8_t data_root[32];
};

/* dsdn_square_extend makes the extended square of k * k data shares, row by row; k a power of two, 1 to
 * DSDN_SQUARE_K_MAX.  Needs 2048 * k * k bytes for the result and 128 * k * k while it works.
 * USAGE for another k; MALFORMED when the shares are not in order of their namespaces; NO_MEMORY.  After a
 * failure *square is empty. */
int dsdn_square_extend(const uint8_t *shares, uint32_t k, struct dsdn_square *square,
                       struct dsdn_error *error);
void dsdn_square_free(struct dsdn_square *square);

/* The square's DAH; refers to the square. */
struct dsdn_dah dsdn_square_dah(const struct dsdn_square *square);

/* dsdn_square_row_tree builds the tree of a row (< 2k): tree has room for DSDN_NMT_TREE_LEN(2k) nodes. */
int dsdn_square_row_tree(const struct dsdn_square *square, uint32_t row, struct dsdn_nmt_node *tree,
                         struct dsdn_error *error);

#endif
