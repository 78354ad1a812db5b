/* fallback.c: activations of a fallback and the reconciliation behind them: recorded facts. */
#include "roles/reducers.h"

dsdn_outcome dsdn_reduce_fallback_activated(struct dsdn_context *c, const struct dsdn_ev_fallback_activated *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

dsdn_outcome dsdn_reduce_fallback_deactivated(struct dsdn_context *c, const struct dsdn_ev_fallback_deactivated *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

dsdn_outcome dsdn_reduce_reconciliation_started(struct dsdn_context *c, const struct dsdn_ev_reconciliation_started *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}

dsdn_outcome dsdn_reduce_reconciliation_completed(struct dsdn_context *c, const struct dsdn_ev_reconciliation_completed *e)
{
    (void)c, (void)e;
    return DSDN_RESULT(DISABLED);
}
