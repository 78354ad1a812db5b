/* cost.h: what a submission costs.
 *
 * All blobs of one call go into one transaction (PFB):
 *     gas = 75,000 + sum over blobs of (shares * 512 * 8 + 700)
 *     fee = ceil(gas * price) utia, nothing is refunded                       1 TIA = 1,000,000 utia
 * Source: celestia-app x/blob/types/payforblob.go, pkg/appconsts.  Prices are in units of 10^-9 utia per gas
 * (nano). */
#ifndef DSDN_ADAPTERS_CELESTIA_COST_H
#define DSDN_ADAPTERS_CELESTIA_COST_H

#include "log/base.h"

#define DSDN_GAS_FIXED    75000u
#define DSDN_GAS_BLOB     700u       /* 70 bytes of transaction, 10 gas each */
#define DSDN_GAS_SHARE    4096u      /* 512 bytes, 8 gas each */
#define DSDN_PRICE_MIN    4000000u   /* 0.004 utia: what nodes ask for */
#define DSDN_PRICE_FLOOR  1000u      /* 0.000001 utia: what the network asks for */
#define DSDN_PRICE_MAX    400000000u /* 0.4 utia: where a node stops by default */
#define DSDN_UTIA_PER_TIA 1000000u
#define DSDN_MONTH_BLOBS  30000u /* 1,000 a day (DA-15) */

/* dsdn_celestia_gas is the gas of one transaction with blobs of these lengths and this share version; 0 when
 * one of them cannot be a blob. */
uint64_t dsdn_celestia_gas(const uint64_t *lens, size_t cnt, uint32_t share_version);

/* dsdn_celestia_fee is the fee in utia, UINT64_MAX when it does not fit. */
uint64_t dsdn_celestia_fee(uint64_t gas, uint64_t price_nano);

/* dsdn_celestia_estimate is the fee in utia of blob_cnt blobs of len bytes, per_call of them in each
 * transaction (at least 1). UINT64_MAX when it does not fit, 0 for no blob. */
uint64_t dsdn_celestia_estimate(uint64_t len, uint64_t blob_cnt, uint32_t per_call, uint64_t price_nano);

/* The rule of thumb of DA-15 - 0.0001 TIA below a kilobyte, 0.001 for 10, 0.01 for 100, and 30 TIA a month
 * for DSDN_MONTH_BLOBS of 10 KB - is the estimate at this price with full calls: within 10 %.  Alone in its
 * transaction a small blob costs several times as much, because 75,000 gas are the transaction's. */
#define DSDN_PRICE_RULE 10500000u /* 0.0105 utia */
#define DSDN_CALL_RULE  64u       /* blobs in a call */

#endif
