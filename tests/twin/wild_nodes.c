/* wild_nodes.c: events of nodes. */
#include "tests/twin/wild_pieces.h"

/* ---- nodes ---- */

void fill_registration(struct wild *w, struct draft *d, uint32_t number)
{
    struct dsdn_ev_node_registered *e = EVENT_OF(d, node_registered);
    char zone[3] = {'z', (char)('a' + number % w->zone_cnt), 0};
    d->author = (int)operator_of(number);
    e->node_id = id_of(number);
    e->operator= id_of(operator_of(number));
    e->role = number == NODES + 4 ? 2 : 1;
    e->node_class = e->role == 1 ? number % 7 == 3 : -1;
    e->zone = text(w, zone);
    e->address = text(w, "a:1");
    e->capacity_gb = w->theme == WILD_FULL ? 1 : 3;
    e->tls_fingerprint = thing(w, "tls", number);
    e->tls_not_after = far;
    e->binding_expiry = far;
    e->label = text(w, "n");
}

void make_node_registered(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_registered *e = EVENT_OF(d, node_registered);
    uint32_t number = a_node(w);
    for (unsigned i = 0; i < 3; i++) { /* one that can register, if there is one */
        const struct fact *row = node_row(w, id_of(number));
        if (!row || get(row, "status") == 4) break;
        number = a_node(w);
    }
    fill_registration(w, d, number);
    d->version = (uint8_t)(1 + !one_in(w, 6));
    if (one_in(w, 6)) {
        e->role = (uint8_t)below(w, 5);
        e->node_class = e->role == 1 ? (int16_t)below(w, 2) : -1;
    }
    if (one_in(w, 8)) e->zone = some_zone(w);
    if (one_in(w, 4)) e->capacity_gb = (uint32_t)below(w, 4);
    if (one_in(w, 4)) e->tls_not_after = expiry(w);
    if (one_in(w, 4)) e->binding_expiry = expiry(w);
    if (one_in(w, 24)) e->zone.len = 0;
}

void make_node_updated(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_updated *e = EVENT_OF(d, node_updated);
    e->node_id = some_node(w);
    d->author = operator_now(w, e->node_id);
    const struct fact *row = node_row(w, e->node_id);
    e->zone = row && one_in(w, 2) ? padded_name(w, get_bytes(row, "zone")) : some_zone(w);
    e->address = text(w, one_in(w, 3) ? "b:2" : "a:1");
    e->capacity_gb = row && one_in(w, 2) ? (uint32_t)get(row, "capacity_gb") : (uint32_t)below(w, 4);
    if (one_in(w, 24)) e->zone.len = 0;
}

void make_operator_bound(struct wild *w, struct draft *d)
{
    struct dsdn_ev_operator_bound *e = EVENT_OF(d, operator_bound);
    e->node_id = some_node(w);
    const struct fact *row = node_row(w, e->node_id);
    d->author = (int)a_wallet(w);
    e->expiry = expiry(w);
    if (row && one_in(w, 4)) {
        d->author = who(get_bytes(row, "operator"));
        e->expiry = get(row, "binding_expiry");
    }
    e->operator= id_of((uint32_t)d->author);
}

void make_node_tls_rotated(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_tls_rotated *e = EVENT_OF(d, node_tls_rotated);
    e->node_id = some_node(w);
    d->author = who(e->node_id);
    const struct fact *row = node_row(w, e->node_id);
    e->tls_fingerprint = row && one_in(w, 2) ? row_id(w, get_bytes(row, "tls_fingerprint")) : random_hash(w);
    e->tls_not_after = row && one_in(w, 2) ? get(row, "tls_not_after") : expiry(w);
}

void make_node_heartbeat(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_heartbeat *e = EVENT_OF(d, node_heartbeat);
    e->node_id = some_node(w);
    d->author = who(e->node_id);
    e->applied_seq = head_number(w, "sequence");
    e->applied_root = random_hash(w);
}

void make_node_status_set(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_status_set *e = EVENT_OF(d, node_status_set);
    e->node_id = some_node(w);
    const struct fact *row = node_row(w, e->node_id);
    e->status = (uint8_t)below(w, 4);
    if (one_in(w, 2)) e->status = 1;
    if (row && one_in(w, 8)) e->status = (uint8_t)(get(row, "status") % 4);
    e->reason = (uint16_t)below(w, 3);
    e->until =
        e->status == 3 && !one_in(w, 3) ? w->now + below(w, 3) * (one_in(w, 2) ? 1 : 500) : one_in(w, 16);
    if (one_in(w, 24)) e->until = UINT64_MAX;
    if (one_in(w, 2)) e->approvals = founders_say(w, &d->author);
    if (one_in(w, 24)) d->author = NOBODY;
}

void make_node_deregistered(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_deregistered *e = EVENT_OF(d, node_deregistered);
    e->node_id = some_node(w);
    d->author = operator_now(w, e->node_id);
}
