/* wild_chain.c: events of accounts, stake and faults. */
#include "tests/twin/wild_pieces.h"

/* ---- accounts and stake ---- */

static uint64_t spendable(struct wild *w, int author)
{
    return author < 0 ? 0 : twin_spendable(w->twin, w->now, id_of((uint32_t)author));
}

void make_transfer(struct wild *w, struct draft *d)
{
    struct dsdn_ev_transfer *e = EVENT_OF(d, transfer);
    uint64_t fee = parameter(w, "transfer_fee");
    d->author = (int)a_wallet(w);
    e->to = id_of(a_wallet(w));
    uint64_t all = spendable(w, d->author);
    switch (below(w, 6)) {
    case 0: e->amount.units = near(w, all > fee ? all - fee : all); break;
    case 1: e->amount.units = UINT64_MAX - below(w, 3); break;
    case 2: e->amount.units = below(w, 10); break;
    default: e->amount.units = near(w, parameter(w, "affinity_transfer_min"));
    }
    e->max_fee.units = near(w, fee);
    if (one_in(w, 24)) e->amount.asset = 1;
    if (one_in(w, 24)) e->max_fee.asset = 1;
    if (one_in(w, 4)) e->memo_hash = random_hash(w);
}

void make_wallet_affinity_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_wallet_affinity_declared *e = EVENT_OF(d, wallet_affinity_declared);
    const struct fact *link = some(w, "transfer_link");
    e->kind = (uint8_t)below(w, 3);
    e->a = id_of(a_wallet(w));
    e->b = id_of(a_wallet(w));
    if (e->kind == 1) {
        e->a = some_node(w);
        e->b = some_node(w);
    }
    if (e->kind == 2 && link && !one_in(w, 4)) {
        bool other = one_in(w, 2);
        e->a = row_id(w, link->key.bytes + (other ? 32 : 0));
        e->b = row_id(w, link->key.bytes + (other ? 0 : 32));
    }
    d->author = one_in(w, 3) ? NOBODY : who(e->a);
    e->evidence = thing(w, "evidence", 0);
    if (e->kind == 0 ? !one_in(w, 12) : one_in(w, 16)) e->b_sig = room(w, 64);
    if (e->b_sig) memset((uint8_t *)(uintptr_t)e->b_sig, 0, 64);
}

void make_stake_deposited(struct wild *w, struct draft *d)
{
    struct dsdn_ev_stake_deposited *e = EVENT_OF(d, stake_deposited);
    uint32_t node = one_in(w, 3) ? VALIDATORS + (uint32_t)below(w, VALIDATOR_CNT) : a_node(w);
    e->beneficiary = id_of(node);
    e->role = node >= NODES && node != NODES + 4 ? 1 : 2;
    const struct fact *registered = node_row(w, e->beneficiary);
    d->author = e->role == 2 ? (int)node : (int)operator_of(node);
    if (registered && e->role == 1 && one_in(w, 2)) d->author = who(get_bytes(registered, "operator"));
    if (one_in(w, 6)) d->author = (int)a_wallet(w); /* a stranger */
    e->staker = id_of((uint32_t)d->author);
    uint64_t least = parameter(w, e->role == 1 ? "stake_min_reguler" : "stake_min_validator");
    e->amount.units = near(w, least);
    if (one_in(w, 8)) e->amount.units = near(w, spendable(w, d->author));
    if (one_in(w, 24)) e->amount.asset = 1;
    if (one_in(w, 24)) e->role = (uint8_t)below(w, 3);
}

void make_stake_withdraw_requested(struct wild *w, struct draft *d)
{
    struct dsdn_ev_stake_withdraw_requested *e = EVENT_OF(d, stake_withdraw_requested);
    const struct fact *row = some(w, "stake");
    e->beneficiary = row && !one_in(w, 16) ? row_id(w, row->key.bytes) : id_of(a_node(w));
    d->author = row ? who(row->key.bytes + 32) : (int)a_wallet(w);
    uint64_t amount = row ? get(row, "amount") : 0, least = parameter(w, "stake_min_reguler");
    if (row && get(row, "role") == 2) least = parameter(w, "stake_min_validator");
    e->amount.units = near(w, one_in(w, 3) ? amount : amount > least ? amount - least : 1);
    if (one_in(w, 3)) e->amount.units = 1 + below(w, 3);
    if (one_in(w, 24)) e->amount.asset = 1;
}

static struct dsdn_view corruption_evidence(struct wild *w, const uint8_t *target)
{
    const struct fact *chunk = some(w, "chunk");
    uint8_t *e = room(w, 132 + 32 * 70), message[100], digest[32];
    memset(e, 3, 132);
    if (chunk) memcpy(e, chunk->key.bytes, 32);
    if (one_in(w, 24)) e[5] ^= 1;
    uint64_t leaves = chunk ? leaves_of_row(chunk) : 1, leaf = below(w, leaves);
    dsdn_store32(e + 32, (uint32_t)leaf);
    memcpy(e + 36, random_hash(w), 32);
    uint32_t len = chunk ? wild_path(chunk->key.bytes, leaf, leaves, e + 132) : 1;
    if (one_in(w, 12)) memcpy(e + 36, e + 132, 32); /* served as it should be */
    if (one_in(w, 24)) e[140] ^= 1;
    memcpy(message, twin_genesis(w->twin), 32);
    memcpy(message + 32, e, 68);
    dsdn_tagged("dsdn/served/1", message, sizeof message, digest);
    const struct dsdn_sign_key *key = person_of(target);
    if (key) dsdn_sign(key, digest, e + 68);
    if (one_in(w, 16)) e[80] ^= 1;
    return (struct dsdn_view){e, 132 + 32 * (one_in(w, 24) ? 0 : len) + one_in(w, 24)};
}

static struct dsdn_view double_evidence(struct wild *w, const uint8_t *target)
{
    uint8_t *e = room(w, 208), digest[32];
    dsdn_store32(e, (uint32_t)below(w, 2));
    dsdn_store64(e + 4, below(w, 3));
    memset(e + 12, 1, 32);
    memset(e + 108, one_in(w, 16) ? 1 : 2, 32);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *vote = e + 12 + 96 * i;
        const struct dsdn_sign_key *key = person_of(target);
        dsdn_certificate_message(twin_genesis(w->twin), dsdn_load32(e), dsdn_load64(e + 4), vote, digest);
        memset(vote + 32, 0, 64);
        if (key) dsdn_sign(key, digest, vote + 32);
        if (one_in(w, 32)) vote[50] ^= 1;
    }
    return (struct dsdn_view){e, 204 - one_in(w, 24)};
}

void make_slash_evidence_submitted(struct wild *w, struct draft *d)
{
    struct dsdn_ev_slash_evidence_submitted *e = EVENT_OF(d, slash_evidence_submitted);
    static const uint8_t kinds[] = {1, 1, 1, 2, 2, 2, 2, 3, 3, 5, 5, 0, 4};
    const struct fact *row = some(w, "validator");
    e->kind = kinds[below(w, 12 + one_in(w, 4))];
    if (e->kind == 0 && !one_in(w, 3)) e->kind = 2;
    d->author = (int)a_wallet(w);
    e->target = some_node(w);
    for (unsigned i = 0; i < 4 && e->kind == 3; i++) {
        const struct fact *node = node_row(w, e->target);
        if (node && get(node, "fault3_ms")) break;
        e->target = some_node(w);
    }
    if (e->kind == 2) e->evidence = corruption_evidence(w, e->target);
    if (e->kind != 5) {
        if (e->kind != 2 && one_in(w, 24)) e->evidence = text(w, "x");
        return;
    }
    if (row && !one_in(w, 8)) e->target = row_id(w, row->key.bytes);
    e->evidence = double_evidence(w, e->target);
}
