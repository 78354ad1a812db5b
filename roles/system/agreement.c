/* agreement.c: whether enough members of a set agree. */
#include "roles/reducers.h"

dsdn_outcome dsdn_quorum_agrees(const struct dsdn_context *c, const struct dsdn_list *approvals)
{
    (void)c, (void)approvals;
    return DSDN_RESULT(NOT_AUTHORISED);
}
