#include "log/signer_lock.h"

bool dsdn_equivocation(const struct dsdn_header *a, const struct dsdn_header *b, uint64_t origin_lag_max)
{
    uint8_t x[DSDN_HEADER_LEN], y[DSDN_HEADER_LEN];
    uint64_t one = a->origin.height, other = b->origin.height;
    uint64_t lag = one < other ? other - one : one - other;
    if (a->sequence != b->sequence || a->committee_epoch != b->committee_epoch || lag > origin_lag_max ||
        !dsdn_equal32(a->publisher, b->publisher) || dsdn_zero32(a->publisher))
        return false;
    dsdn_header_encode(a, x);
    dsdn_header_encode(b, y);
    return memcmp(x, y, sizeof(x)) != 0;
}

enum dsdn_signer_answer dsdn_signer_may(enum dsdn_signer who, const struct dsdn_signer_lock *lock,
                                        const struct dsdn_header *header,
                                        const struct dsdn_signer_facts *facts)
{
    uint8_t bytes[DSDN_HEADER_LEN], hash[32];
    bool takeover = dsdn_zero32(header->publisher);
    if (lock && lock->sequence != header->sequence) return DSDN_SIGN_REFUSE;
    dsdn_header_encode(header, bytes);
    dsdn_batch_hash(bytes, hash);
    if (lock && dsdn_equal32(lock->hash, hash)) return DSDN_SIGN_RESEND;
    if (header->sequence < facts->settled_next) return DSDN_SIGN_REFUSE;
    if (takeover) {
        bool once = !lock || !lock->takeover;
        return who == DSDN_SIGNER_WITNESS && once && facts->primary_live && !facts->certificate &&
                       facts->quiet_ms >= facts->authority_timeout
                   ? DSDN_SIGN_LOCK
                   : DSDN_SIGN_REFUSE;
    }
    if (!lock) return DSDN_SIGN_LOCK;
    if (who == DSDN_SIGNER_WITNESS) return DSDN_SIGN_REFUSE;
    /* The old header can never be included bare again, and no observer takes the two for an equivocation. */
    uint64_t last = lock->origin_height > UINT64_MAX - facts->origin_lag_max
                        ? UINT64_MAX
                        : lock->origin_height + facts->origin_lag_max;
    return header->origin.height > last && facts->complete >= last && !facts->old_included &&
                   !facts->certificate
               ? DSDN_SIGN_LOCK
               : DSDN_SIGN_REFUSE;
}
