/* leopard.h: the parity half of a row or column of Celestia's extended square.
 *
 * Reed-Solomon over GF(2^8) for k <= 128 and over GF(2^16) above, in the additive-FFT form of Lin,
 * Al-Naffouri, Han and Chung (IEEE Trans. Inf. Theory 2016) that the "Leopard" libraries use: rsmt2d's
 * leopard.go, which calls klauspost/reedsolomon (leopard8.go, leopard.go).  k data shares make k parity
 * shares; byte b of every parity share depends on byte b of the data shares only (GF(2^16): on the pair b, b
 * + 32 of each 64 bytes). k = 1: the parity is the data.
 *
 * Products by a constant are two look-ups in 16-entry tables (GF(2^16): eight), done by SSSE3's byte shuffle
 * for 16 bytes at a time where the compiler may use it, and by plain look-ups otherwise: same bytes. */
#ifndef DSDN_ADAPTERS_CELESTIA_LEOPARD_H
#define DSDN_ADAPTERS_CELESTIA_LEOPARD_H

#include "log/base.h"

#define DSDN_LEOPARD_K_MAX 512u

/* Tables for one k: 8 KiB for k <= 128, 32 * k * 8 bytes above.  Never changes after creation: threads may
 * share it. */
struct dsdn_leopard;

/* dsdn_leopard_new makes the tables for k data shares, k a power of two, 1..DSDN_LEOPARD_K_MAX.  About 10 us;
 * 2 ms above k = 128.  NULL: no memory (or another k, which is a mistake of the caller). */
struct dsdn_leopard *dsdn_leopard_new(uint32_t k);
void dsdn_leopard_free(struct dsdn_leopard *leopard);

/* dsdn_leopard_encode writes the k parity shares of k data shares, all of len bytes, len a multiple of 64.
 * Pointers may be to anywhere (a column is a square's row pointers with an offset), but no parity share may
 * overlap a data share.  Needs 32 KiB of stack, allocates nothing. */
void dsdn_leopard_encode(const struct dsdn_leopard *leopard, const uint8_t *const *data,
                         uint8_t *const *parity, size_t len);

#endif
