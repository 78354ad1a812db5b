/* wild_system.c: events of the system, of fallback and audit. */
#include "tests/twin/wild_pieces.h"

/* ---- system ---- */

void make_checkpoint_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_checkpoint_declared *e = EVENT_OF(d, checkpoint_declared);
    uint64_t every = parameter(w, "attest_every"), sequence = head_number(w, "sequence");
    if (!one_in(w, 3)) d->author = (int)(VALIDATORS + below(w, 3));
    e->sequence = one_in(w, 8) ? sequence : below(w, sequence / every + 1) * every;
    e->root = thing(w, "root", one_in(w, 6));
}

void make_param_changed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_param_changed *e = EVENT_OF(d, param_changed);
    const struct dsdn_parameter_desc *p = &dsdn_parameters[below(w, DSDN_PARAMETER_CNT)];
    e->approvals = founders_say(w, &d->author);
    const char *name = p->name;
    int64_t least = p->least, most = p->most;
    if (one_in(w, 4)) { /* op:ADDRESS */
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        char *op = room(w, 64);
        const uint8_t *wallet = id_of(a_wallet(w));
        memcpy(op, "op:", 3);
        for (unsigned i = 0; i < 43; i++) {
            unsigned sum = 0;
            for (unsigned k = 6 * i; k < 6 * i + 6; k++)
                sum = sum * 2 + (k < 256 ? wallet[k / 8] >> (7 - k % 8) & 1u : 0);
            op[3 + i] = digits[sum];
        }
        op[46] = 0;
        if (one_in(w, 8)) op[45] = (char)(op[45] + 1); /* bits behind the address, or no digit */
        if (one_in(w, 16)) op[10] = '+';
        name = op;
        least = 0;
        most = 1;
    }
    if (one_in(w, 24)) name = "no_such_parameter";
    e->key = text(w, name);
    e->old_value = twin_parameter(w->twin, name);
    int64_t choices[] = {least,
                         most,
                         least - (least > INT64_MIN),
                         most < INT64_MAX ? most + 1 : most,
                         e->old_value,
                         e->old_value + 1,
                         least + (int64_t)below(w, 5000)};
    e->new_value = choices[below(w, 7)];
    if (least == 0 && most == 1 && !one_in(w, 4)) e->new_value = !e->old_value;
    if (one_in(w, 16)) e->old_value++;
    e->effective = w->batch->origin.height + (one_in(w, 12) ? UINT64_MAX : below(w, 4));
}

static struct dsdn_list members_of_committee(struct wild *w)
{
    uint32_t n = 1 + (uint32_t)below(w, 5), first = (uint32_t)below(w, 3);
    uint8_t *records = room(w, 98u * n);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(records + 98 * i, id_of(SEATS + first + i), 32);
        memcpy(records + 98 * i + 32, id_of(VALIDATORS + i), 32);
        memset(records + 98 * i + 64, (int)i, 32);
        dsdn_store16(records + 98 * i + 96, (uint16_t)(i + 1));
    }
    if (one_in(w, 16)) memset(records, 0, 32);
    if (one_in(w, 16)) memcpy(records + 98 * (n - 1), id_of(SEATS + first), 32);
    if (one_in(w, 16)) dsdn_store16(records + 98 * (n - 1) + 96, (uint16_t)below(w, 2));
    return (struct dsdn_list){records, n, 98 * n};
}

void make_authority_replaced(struct wild *w, struct draft *d)
{
    struct dsdn_ev_authority_replaced *e = EVENT_OF(d, authority_replaced);
    const uint8_t *key =
        one_in(w, 16) ? (const uint8_t *)room(w, 32) : id_of((uint32_t)below(w, AUTHORITY_CNT));
    if (one_in(w, 2)) {
        e->publisher = key;
        return;
    }
    e->committee = members_of_committee(w);
    e->threshold = (uint16_t)(2 * e->committee.count / 3 + 1);
    e->group_public = key;
}

void make_committee_formed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_committee_formed *e = EVENT_OF(d, committee_formed);
    e->epoch = head_number(w, "authority_epoch") + 1;
    e->members = members_of_committee(w);
    e->threshold = (uint16_t)(2 * e->members.count / 3 + 1);
    e->group_public = id_of((uint32_t)below(w, AUTHORITY_CNT));
    e->epoch_start = w->now;
    e->duration_s = (uint32_t)below(w, 12);
    e->method = 1;
    e->seed = thing(w, "seed", below(w, 2));
}

void make_committee_handoff_started(struct wild *w, struct draft *d)
{
    struct dsdn_ev_committee_handoff_started *e = EVENT_OF(d, committee_handoff_started);
    e->from_epoch = head_number(w, "authority_epoch");
    e->to_epoch = e->from_epoch + 1;
    e->start = w->now + (one_in(w, 3) ? below(w, 2000) : 0);
    if (one_in(w, 12)) e->start = w->now - 1;
    if (one_in(w, 24)) e->start = UINT64_MAX - below(w, 3);
    uint64_t end = e->start + parameter(w, "handoff_ms");
    e->end = end < e->start ? UINT64_MAX : end;
    if (one_in(w, 12)) e->end++;
}

void make_committee_handoff_completed(struct wild *w, struct draft *d)
{
    EVENT_OF(d, committee_handoff_completed)->to_epoch = head_number(w, "authority_epoch");
}

void make_quorum_validator_set_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_quorum_validator_set_declared *e = EVENT_OF(d, quorum_validator_set_declared);
    static const uint8_t percents[] = {67, 67, 67, 66, 100, 101, 80, 68};
    uint32_t n = one_in(w, 10) ? 0 : 1 + (uint32_t)below(w, 4), first = (uint32_t)below(w, QUORUM_CNT - 4);
    uint8_t *ids = room(w, 32 * 8);
    if (head_number(w, "quorum_pct") && facts_table(twin_facts(w->twin), "quorum_member")->cnt)
        e->approvals = quorum_says(w, &d->author);
    else
        e->approvals = founders_say(w, &d->author);
    for (uint32_t i = 0; i < n; i++) memcpy(ids + 32 * i, id_of(QUORUM + first + i), 32);
    sort_ids(ids, n);
    e->members = (struct dsdn_list){ids, n, 32 * n};
    e->set_id = (uint32_t)head_number(w, "quorum_set") + !one_in(w, 5);
    e->threshold_pct = percents[below(w, 8)];
    if (one_in(w, 4)) { /* the present set again */
        const struct fact_table *rows = facts_table(twin_facts(w->twin), "quorum_member");
        e->set_id = (uint32_t)head_number(w, "quorum_set");
        e->threshold_pct = (uint8_t)head_number(w, "quorum_pct");
        for (uint32_t i = n = 0; i < rows->cnt && n < 8; i++)
            if (__builtin_bswap32(dsdn_load32(rows->rows[i]->key.bytes)) == e->set_id)
                memcpy(ids + 32 * n++, get_bytes(rows->rows[i], "member"), 32);
        e->members = (struct dsdn_list){ids, n, 32 * n};
    }
}

void make_upgrade_scheduled(struct wild *w, struct draft *d)
{
    struct dsdn_ev_upgrade_scheduled *e = EVENT_OF(d, upgrade_scheduled);
    uint64_t height = head_number(w, "has_primary") ? w->batch->origin.height : head_number(w, "sequence");
    uint64_t step = below(w, 30);
    e->approvals = founders_say(w, &d->author);
    e->major = 1;
    e->minor = (uint16_t)(height / 4 + step + !one_in(w, 8));
    e->height = height + (one_in(w, 5) ? 0 : 4 * step + below(w, 4));
    if (one_in(w, 24)) e->major = 10; /* no program knows it */
    e->migration = thing(w, "migration", one_in(w, 8));
}

void make_upgrade_cancelled(struct wild *w, struct draft *d)
{
    struct dsdn_ev_upgrade_cancelled *e = EVENT_OF(d, upgrade_cancelled);
    const struct fact *row = some(w, "upgrade");
    e->approvals = founders_say(w, &d->author);
    if (!row) return;
    uint64_t version = dsdn_load64_be(row->key.bytes + 8);
    e->height = dsdn_load64_be(row->key.bytes);
    e->major = (uint16_t)(version >> 32);
    e->minor = (uint16_t)(version >> 16);
    e->patch = (uint16_t)(version + one_in(w, 8));
}

/* ---- fallback ---- */

static const uint8_t *an_activation(struct wild *w)
{
    const struct fact_table *rows = facts_table(twin_facts(w->twin), "fallback");
    for (uint32_t i = 0; i < rows->cnt; i++)
        if (get(rows->rows[i], "state") && !one_in(w, 4)) return row_id(w, rows->rows[i]->key.bytes);
    return thing(w, "activation", below(w, 5));
}

void make_fallback_activated(struct wild *w, struct draft *d)
{
    struct dsdn_ev_fallback_activated *e = EVENT_OF(d, fallback_activated);
    e->layer = (uint8_t)(one_in(w, 12) ? 0 : 1 + below(w, 2));
    if (e->layer == 2 && one_in(w, 2))
        e->approvals = founders_say(w, &d->author);
    else
        e->approvals = quorum_says(w, &d->author);
    e->activation_id = thing(w, "activation", below(w, 5));
    e->reason = text(w, "why");
    e->celestia_last_height = 100;
    e->activated_at = 5000;
}

void make_fallback_deactivated(struct wild *w, struct draft *d)
{
    struct dsdn_ev_fallback_deactivated *e = EVENT_OF(d, fallback_deactivated);
    e->approvals = one_in(w, 2) ? founders_say(w, &d->author) : quorum_says(w, &d->author);
    e->activation_id = an_activation(w);
    e->celestia_recovery_height = near(w, 100);
    e->deactivated_at = near(w, 5000);
    e->blobs_reconciled = 7;
}

void make_reconciliation_started(struct wild *w, struct draft *d)
{
    struct dsdn_ev_reconciliation_started *e = EVENT_OF(d, reconciliation_started);
    e->activation_id = an_activation(w);
    e->pending_count = one_in(w, 8) ? UINT64_MAX : 5;
    e->started_at = 6000;
}

void make_reconciliation_completed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_reconciliation_completed *e = EVENT_OF(d, reconciliation_completed);
    e->activation_id = an_activation(w);
    e->reconciled_count = near(w, 3);
    e->failed_count = one_in(w, 8) ? UINT64_MAX - below(w, 4) : near(w, 2);
    e->completed_at = 7000;
}

/* ---- audit ---- */

static int an_auditor(struct wild *w)
{
    switch (below(w, 5)) {
    case 0: return (int)(VALIDATORS + below(w, 3));
    case 1: return (int)(SEATS + below(w, 3));
    case 2: return (int)a_wallet(w);
    default: return who(some_node(w));
    }
}

void make_audit_record_posted(struct wild *w, struct draft *d)
{
    struct dsdn_ev_audit_record_posted *e = EVENT_OF(d, audit_record_posted);
    const struct fact *row = some(w, "audit_chain");
    d->author = an_auditor(w);
    if (row && one_in(w, 2)) d->author = who(row->key.bytes);
    row = facts_by_id(twin_facts(w->twin), "audit_chain", id_of((uint32_t)d->author));
    e->log_type = (uint16_t)(one_in(w, 12) ? 11 * below(w, 2) : 1 + below(w, 10));
    e->ref = thing(w, "ref", 0);
    e->seq = row ? get(row, "next_seq") : 0;
    if (one_in(w, 8)) e->seq += below(w, 3) - 1;
    e->prev = row && !one_in(w, 12) ? row_id(w, get_bytes(row, "head")) : memset(room(w, 32), 0, 32);
    e->body_hash = thing(w, "body", below(w, 2));
}

void make_worm_segment_sealed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_worm_segment_sealed *e = EVENT_OF(d, worm_segment_sealed);
    const struct fact *row = one_in(w, 12) ? NULL : some(w, "audit_chain");
    d->author = row ? who(row->key.bytes) : an_auditor(w);
    e->root = random_hash(w);
    if (!row) return;
    e->segment = near(w, get(row, "segments"));
    e->first = get(row, "sealed");
    e->last = get(row, "next_seq") - 1;
    if (one_in(w, 12)) e->first++;
    if (one_in(w, 12)) e->last--;
    if (!one_in(w, 12)) e->root = row_id(w, get_bytes(row, "head"));
    if (get(row, "segments") && one_in(w, 6)) { /* the newest segment again */
        e->segment = get(row, "segments") - 1;
        e->last = get(row, "sealed") - 1;
        e->root = row_id(w, get_bytes(row, "sealed_root"));
    }
}
