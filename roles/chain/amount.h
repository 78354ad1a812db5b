/* amount.h: arithmetic on amounts and times that holds for any operands.
 *
 * In a sound state nothing here ever meets its limit: the genesis checks that all units of an asset fit 64
 * bits, and units only move.  But rows may come from a checkpoint that nobody verified, so sums stop at 2^64
 * - 1 and differences at 0.  No 128-bit division: that would be a call of the compiler's library. */
#ifndef DSDN_ROLES_CHAIN_AMOUNT_H
#define DSDN_ROLES_CHAIN_AMOUNT_H

#include "statemachine/table.h"

/* dsdn_capped_add: a + b, at most 2^64 - 1. */
static inline uint64_t dsdn_capped_add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* dsdn_capped_sub: a - b, at least 0. */
static inline uint64_t dsdn_capped_sub(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* dsdn_capped_mul: a * b, at most 2^64 - 1. */
static inline uint64_t dsdn_capped_mul(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* dsdn_whole: a parameter as a number that is not negative, as every parameter in its range is. */
static inline uint64_t dsdn_whole(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

/* dsdn_bps_of: floor(units * bps / 10000), never above units: more than 10000 basis points count as 10000.
 * Exact: with units = 10000 q + r the whole part is q * bps and only r * bps is divided. */
static inline uint64_t dsdn_bps_of(uint64_t units, uint64_t bps)
{
    if (bps > 10000) bps = 10000;
    return units / 10000 * bps + units % 10000 * bps / 10000;
}

/* dsdn_part_of: floor(total * part / whole), total when part >= whole.  Long division, one bit of the 128-bit
 * product a step: because part < whole its upper half stays below whole, and the quotient fits 64 bits. */
static inline uint64_t dsdn_part_of(uint64_t total, uint64_t part, uint64_t whole)
{
    if (part >= whole) return total;
    dsdn_u128 product = (dsdn_u128)total * part;
    uint64_t rest = (uint64_t)(product >> 64), low = (uint64_t)product;
    for (int bit = 0; bit < 64; bit++) {
        bool carry = rest >> 63;
        rest = rest << 1 | low >> 63;
        low <<= 1;
        if (carry || rest >= whole) {
            rest -= whole;
            low |= 1;
        }
    }
    return low;
}

#endif
