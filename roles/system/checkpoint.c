/* checkpoint.c: attested roots.  They are recorded here and compared outside the reducers (protocol.md,
 * section 11): no outcome depends on a root that was computed. */
#include "roles/reducers.h"

/* The genesis is applied before batch 0 by the engine; in a batch nobody may author it. */
dsdn_outcome dsdn_reduce_genesis_declared(struct dsdn_context *c, const struct dsdn_ev_genesis_declared *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(NOT_AUTHORISED);
}

dsdn_outcome dsdn_reduce_checkpoint_declared(struct dsdn_context *c,
                                             const struct dsdn_ev_checkpoint_declared *e)
{
    struct dsdn_state *s = c->state;
    if (!dsdn_from_authority(c) && !dsdn_validator_active(s, c->author)) return DSDN_RESULT(NOT_AUTHORISED);
    if (e->sequence % (uint64_t)DSDN_SETTING(s, attest_every)) return DSDN_UNMET(SEQUENCE_STEP);
    if (e->sequence >= dsdn_head(s)->sequence)
        return DSDN_UNMET(SEQUENCE_AHEAD); /* head: batches applied before this one */
    uint8_t key[40];
    dsdn_store64_be(key, e->sequence);
    memcpy(key + 8, c->author, 32); /* zero bytes for the authority */
    uint32_t row = dsdn_sys_attestation_find(s, key);
    if (row != DSDN_NO_ROW)
        return dsdn_equal32(dsdn_sys_attestation_at(s, row)->root, e->root) ? DSDN_RESULT(NO_EFFECT)
                                                                            : DSDN_RESULT(CONFLICT);
    memcpy(dsdn_sys_attestation_edit(s, dsdn_sys_attestation_insert(s, key))->root, e->root, 32);
    return DSDN_RESULT(OK);
}
