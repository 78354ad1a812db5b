/* nonce.c: an author's nonces: the highest accepted one and a window of 64 below it (protocol.md, section
 * 4). */
#include "statemachine/engine_internal.h"

#define AHEAD_MAX 65536u
#define WINDOW    64u

uint8_t dsdn_nonce_judge(const struct dsdn_state *s, const struct dsdn_bundle *b, uint64_t time_ms,
                         uint32_t *row)
{
    *row = dsdn_sys_nonce_find(s, b->author);
    struct dsdn_sys_row_nonce fresh = {.highest = 0};
    const struct dsdn_sys_row_nonce *n = *row == DSDN_NO_ROW ? &fresh : dsdn_sys_nonce_at(s, *row);
    if (b->nonce > n->highest) {
        if (b->nonce - n->highest > AHEAD_MAX) return DSDN_OUTCOME_LIMIT;
    } else {
        uint64_t behind = n->highest - b->nonce;
        if (behind >= WINDOW) return DSDN_OUTCOME_STALE;
        if (n->window >> behind & 1) return DSDN_OUTCOME_DUPLICATE;
    }
    return b->valid_until && time_ms > b->valid_until ? DSDN_OUTCOME_EXPIRED : DSDN_OUTCOME_OK;
}

void dsdn_nonce_accept(struct dsdn_state *s, const struct dsdn_bundle *b, uint32_t row)
{
    if (row == DSDN_NO_ROW) row = dsdn_sys_nonce_insert(s, b->author);
    struct dsdn_sys_row_nonce *n = dsdn_sys_nonce_edit(s, row);
    if (b->nonce > n->highest) {
        uint64_t step = b->nonce - n->highest;
        n->window = step < WINDOW ? n->window << step : 0;
        n->highest = b->nonce;
    }
    n->window |= (uint64_t)1 << (n->highest - b->nonce);
}
