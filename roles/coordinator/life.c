/* life.c: the life of a node: status, stake, cooldown, ring, sweep. */
#include "roles/reducers.h"

void dsdn_node_move(struct dsdn_context *c, uint32_t row, uint8_t status, uint8_t cause)
{
    struct dsdn_row_node *n = dsdn_node_edit(c->state, row);
    n->status = status;
    n->cause = cause;
}

void dsdn_node_ring(struct dsdn_state *s, uint32_t row)
{
    (void)s, (void)row;
}

void dsdn_node_judge(struct dsdn_context *c, uint32_t row)
{
    (void)c, (void)row;
}

void dsdn_node_fault(struct dsdn_context *c, uint32_t row)
{
    (void)c, (void)row;
}

void dsdn_node_repeated(struct dsdn_context *c, uint32_t row)
{
    (void)c, (void)row;
}

uint64_t dsdn_stake_minimum(const struct dsdn_state *s, uint8_t role, uint8_t node_class)
{
    (void)s, (void)role, (void)node_class;
    return 0;
}

void dsdn_fire_cooldown_end(struct dsdn_context *c, const uint8_t subject[68])
{
    (void)c, (void)subject;
}

void dsdn_fire_replica_sweep(struct dsdn_context *c, const uint8_t subject[68])
{
    (void)c, (void)subject;
}
