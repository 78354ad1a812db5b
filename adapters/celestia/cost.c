#include "adapters/celestia/cost.h"

#include "adapters/celestia/share.h"

uint64_t dsdn_celestia_gas(const uint64_t *lens, size_t cnt, uint32_t share_version)
{
    uint64_t gas = DSDN_GAS_FIXED;
    for (size_t i = 0; i < cnt; i++) {
        uint64_t shares = dsdn_share_cnt(share_version, lens[i]);
        if (!shares || __builtin_add_overflow(gas, shares * DSDN_GAS_SHARE + DSDN_GAS_BLOB, &gas)) return 0;
    }
    return gas;
}

/* ceil(gas * price / 10^9) in halves below 10^9, so that no product overflows unnoticed. */
static uint64_t scaled(uint64_t gas, uint64_t price)
{
    enum { NANO = 1000000000 };
    uint64_t small = gas % NANO * (price % NANO), whole, part;
    small = small / NANO + (small % NANO != 0);
    if (__builtin_mul_overflow(gas, price / NANO, &whole) ||
        __builtin_mul_overflow(gas / NANO, price % NANO, &part) ||
        __builtin_add_overflow(whole, part, &whole) || __builtin_add_overflow(whole, small, &whole))
        return UINT64_MAX;
    return whole;
}

uint64_t dsdn_celestia_fee(uint64_t gas, uint64_t price_nano)
{
    return scaled(gas, price_nano);
}

/* Fee of one transaction with cnt blobs of one length; 0 for none. */
static uint64_t fee_alike(uint64_t len, uint64_t cnt, uint64_t price_nano)
{
    uint64_t gas = (uint64_t)dsdn_share_cnt(0, len) * DSDN_GAS_SHARE + DSDN_GAS_BLOB;
    if (!cnt) return 0;
    if (__builtin_mul_overflow(gas, cnt, &gas) || __builtin_add_overflow(gas, DSDN_GAS_FIXED, &gas))
        return UINT64_MAX;
    return scaled(gas, price_nano);
}

uint64_t dsdn_celestia_estimate(uint64_t len, uint64_t blob_cnt, uint32_t per_call, uint64_t price_nano)
{
    uint64_t total, rest;
    if (!blob_cnt || !dsdn_share_cnt(0, len)) return 0;
    if (!per_call) per_call = 1;
    if (__builtin_mul_overflow(fee_alike(len, per_call, price_nano), blob_cnt / per_call, &total))
        return UINT64_MAX;
    rest = fee_alike(len, blob_cnt % per_call, price_nano);
    return __builtin_add_overflow(total, rest, &total) ? UINT64_MAX : total;
}
