/* zip215.h: Ed25519 as CometBFT's validators judge it.
 *
 * Celestia's votes are verified by curve25519-voi under the rule of ZIP 215: A and R may be any points of the
 * curve, in any encoding; S < L; and the equation is the one with the cofactor, 8 S B = 8 R + 8 k A with
 * k = SHA-512(R || A || message) over the bytes as they are.  Every signature under DSDN's own rule
 * (log/sign.h) passes this one too; the reverse is not true: whoever holds a validator's key can make a
 * signature that all of Celestia accepts and that rule refuses.  So DSDN's rule is tried first - it is what
 * honest signatures pass, and it is quicker - and this one decides the rest: one odd vote among a hundred
 * must not make a real header look forged. */
#ifndef DSDN_ADAPTERS_CELESTIA_ZIP215_H
#define DSDN_ADAPTERS_CELESTIA_ZIP215_H

#include "log/base.h"
#include "log/sign.h"

/* dsdn_zip215_verify says whether the signature is valid under ZIP 215.  About 200 us. */
bool dsdn_zip215_verify(const uint8_t public_key[32], const void *message, size_t len,
                        const uint8_t signature[64]);

#endif
