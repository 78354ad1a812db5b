/* story_chain.c: tokens, stake, and faults that are proven. */
#include "log/hash.h"
#include "roles/chain/queries.h"
#include "roles/generator/model.h"

static const uint8_t *key_of(const struct author *a)
{
    return a->key.public_key;
}

static bool can_pay(struct generator *g, const struct author *a, uint64_t units)
{
    return dsdn_chain_spendable(world(g), key_of(a), g->time_ms) >= units;
}

/* ---- tokens ---- */

static bool put_transfer(struct generator *g, struct author *from, const uint8_t *to, uint64_t units)
{
    uint64_t fee = (uint64_t)DSDN_SETTING(world(g), transfer_fee);
    if (!can_pay(g, from, units + fee)) return true;
    struct dsdn_ev_transfer e = {.to = to, .amount = {0, units}, .max_fee = {0, 2 * fee}};
    return put(g, from, dsdn_EVENT_transfer, &e);
}

/* Mostly to other owners, sometimes to a wallet that is new. */
void story_transfers(struct generator *g)
{
    uint32_t one = below(g, OWNER_CNT);
    for (uint32_t i = 0; i < g->run_len; i++) {
        uint8_t wallet[32];
        const uint8_t *to = key_of(&g->owners[(one + 1 + below(g, OWNER_CNT - 1)) % OWNER_CNT]);
        if (below(g, 8) == 0) {
            content_hash("dsdn/generate/wallet/1", g->options.seed, g->fact_cnt++, wallet);
            to = wallet;
        }
        if (!put_transfer(g, &g->owners[one], to, 1 + below(g, 1000000000))) return;
    }
}

/* Two owners belong together: because of a large transfer, or because both say so; or two nodes, because they
 * have one operator. */
void story_affinity(struct generator *g)
{
    uint8_t evidence[32], signature[64] = {0};
    struct author *a = &g->owners[below(g, OWNER_CNT)];
    const struct author *b =
        &g->owners[((uint32_t)(a - g->owners) + 1 + below(g, OWNER_CNT - 1)) % OWNER_CNT];
    uint8_t known = dsdn_chain_affinity(world(g), key_of(a), key_of(b));
    struct dsdn_ev_wallet_affinity_declared e = {.a = key_of(a), .b = key_of(b), .evidence = evidence};
    content_hash("dsdn/generate/affinity/1", g->options.seed, g->fact_cnt++, evidence);
    if (below(g, 2) && g->node_cnt > 1) {
        const struct node *first = &g->nodes[below(g, g->node_cnt - 1)], *second = first + 1;
        e.a = key_of(&first->author), e.b = key_of(&second->author), e.kind = 1;
        known = dsdn_chain_affinity(world(g), e.a, e.b);
        if (first->operator== second->operator&& !(known & DSDN_AFFINE_SAME_OPERATOR))
            put(g, NULL, dsdn_EVENT_wallet_affinity_declared, &e);
    } else if (!(known & DSDN_AFFINE_TRANSFER)) {
        uint64_t units = (uint64_t)DSDN_SETTING(world(g), affinity_transfer_min) + below(g, 1000);
        e.kind = 2;
        if (can_pay(g, a, units * 2) && put_transfer(g, a, e.b, units))
            put(g, a, dsdn_EVENT_wallet_affinity_declared, &e);
    } else if (!(known & DSDN_AFFINE_SAME_OWNER) && below(g, 8) == 0) {
        const struct seal seal = {signature, &b->key};
        e.b_sig = signature;
        put_sealed(g, a, dsdn_EVENT_wallet_affinity_declared, &e, "b_sig", &seal, 1);
    }
}

/* ---- stake ---- */

/* What the staker has behind it, or NULL. */
static const struct dsdn_row_stake *stake_of(struct generator *g, const uint8_t *beneficiary,
                                             const struct author *staker)
{
    uint8_t key[64];
    memcpy(key, beneficiary, 32);
    memcpy(key + 32, key_of(staker), 32);
    uint32_t row = dsdn_stake_find(world(g), key);
    return row == DSDN_NO_ROW ? NULL : dsdn_stake_at(world(g), row);
}

bool put_deposit(struct generator *g, struct author *staker, const uint8_t beneficiary[32], uint8_t role,
                 uint64_t units)
{
    struct dsdn_ev_stake_deposited e = {
        .staker = key_of(staker), .beneficiary = beneficiary, .role = role, .amount = {0, units}};
    return put(g, staker, dsdn_EVENT_stake_deposited, &e);
}

static bool put_withdrawal(struct generator *g, struct author *staker, const uint8_t *beneficiary,
                           uint64_t units)
{
    struct dsdn_ev_stake_withdraw_requested e = {beneficiary, {0, units}};
    return put(g, staker, dsdn_EVENT_stake_withdraw_requested, &e);
}

/* What the operator can do about the stake of one of its nodes: restore it, add a little, or take a little
 * away; now and then more than the minimum allows, and put it back. */
static bool tend_stake(struct generator *g, struct node *n, bool withdraw)
{
    struct author *operator = operator_of(g, n);
    const uint8_t *id = key_of(&n->author);
    const struct dsdn_row_node *row = node_row(g, n);
    const struct dsdn_row_stake *stake = stake_of(g, id, operator);
    if (!stake || row->status == DSDN_NODE_CLOSED) return true;
    uint64_t least = stake_least(g, n), little = 1 + below(g, 1000000);
    if (stake->amount < least)
        return put_deposit(g, operator, id, DSDN_NODE_ROLE_STORAGE, 2 * least - stake->amount);
    if (!withdraw || row->cooldown_until > g->time_ms || stake->unbonding_cnt >= 15 ||
        stake->amount - least < little)
        return put_deposit(g, operator, id, DSDN_NODE_ROLE_STORAGE, little);
    if (below(g, 64)) return put_withdrawal(g, operator, id, little);
    return put_withdrawal(g, operator, id, stake->amount - least + 1) &&
           put_deposit(g, operator, id, DSDN_NODE_ROLE_STORAGE, least);
}

void story_stake(struct generator *g)
{
    if (!g->node_cnt) return;
    uint32_t at = below(g, g->node_cnt);
    bool withdraw = below(g, 2);
    for (uint32_t i = 0; i < g->run_len && at + i < g->node_cnt; i++)
        if (!tend_stake(g, &g->nodes[at + i], withdraw)) return;
}

/* Somebody stakes for a seat among the validators, or less. */
void story_candidate(struct generator *g)
{
    struct author *a = &g->candidates[below(g, CANDIDATE_CNT)];
    const struct dsdn_row_stake *stake = stake_of(g, key_of(a), a);
    uint64_t least = (uint64_t)DSDN_SETTING(world(g), stake_min_validator);
    if (!stake || stake->amount < least)
        put_deposit(g, a, key_of(a), DSDN_NODE_ROLE_VALIDATOR, least + below(g, 1000000000));
    else if (below(g, 2) && stake->unbonding_cnt < 16)
        put_withdrawal(g, a, key_of(a), 1 + below(g, 1000000));
    else
        put_deposit(g, a, key_of(a), DSDN_NODE_ROLE_VALIDATOR, 1 + below(g, 1000000000));
}

/* ---- faults ---- */

enum { LIVENESS = 1, CORRUPTION = 2, REPEATED = 3, DOUBLE_SIGN = 5 };

static bool put_evidence(struct generator *g, const uint8_t *target, uint8_t kind, const uint8_t *evidence,
                         uint32_t len)
{
    struct dsdn_ev_slash_evidence_submitted e = {target, kind, {evidence, len}};
    return put(g, &g->owners[below(g, OWNER_CNT)], dsdn_EVENT_slash_evidence_submitted, &e);
}

/* The node signed for a leaf that is not the chunk's.  Every proof of one chunk and leaf is the same fault.
 */
static bool put_corruption(struct generator *g, const struct node *n)
{
    uint8_t evidence[132 + 32 * PATH_MAX_HASHES] = {0}, digest[32];
    const struct group *group = any_group(g);
    struct content content;
    struct dsdn_sha256 sum;
    if (!group) return false;
    content_of(g->options.seed, group->object, group->first_chunk + below(g, group->chunk_cnt), &content);
    uint32_t leaf = below(g, content.leaf_cnt);
    memcpy(evidence, content.id, 32);
    dsdn_store32(evidence + 32, leaf);
    content_hash("dsdn/generate/served/1", g->options.seed, g->fact_cnt++, evidence + 36);
    dsdn_tag_init(&sum, "dsdn/served/1");
    dsdn_sha256_update(&sum, g->genesis.hash, 32);
    dsdn_sha256_update(&sum, evidence, 68);
    dsdn_sha256_final(&sum, digest);
    dsdn_sign(&n->author.key, digest, evidence + 68);
    uint32_t cnt = content_path(&content, leaf, evidence + 132);
    return put_evidence(g, key_of(&n->author), CORRUPTION, evidence, 132 + 32 * cnt);
}

static bool put_double_sign(struct generator *g, const struct author *a)
{
    uint8_t evidence[204], message[32], *first = evidence + 12, *second = evidence + 108;
    uint64_t number = g->fact_cnt++;
    dsdn_store32(evidence, dsdn_head(world(g))->quorum_set);
    dsdn_store64(evidence + 4, number);
    content_hash("dsdn/generate/batch/1", g->options.seed, number, first);
    memcpy(second, first, 32);
    first[0] &= 0x7F, second[0] |= 0x80;
    for (uint8_t *hash = first; hash <= second; hash += 96) {
        dsdn_certificate_message(g->genesis.hash, dsdn_load32(evidence), number, hash, message);
        dsdn_sign(&a->key, message, hash + 32);
    }
    return put_evidence(g, key_of(a), DOUBLE_SIGN, evidence, sizeof evidence);
}

static bool was_silent(struct generator *g, const struct node *n)
{
    const struct dsdn_row_node *row = node_row(g, n);
    uint64_t heard = row->last_seen_ms > row->status_ms ? row->last_seen_ms : row->status_ms;
    return g->time_ms - heard >= (uint64_t)DSDN_SETTING(world(g), liveness_timeout_ms);
}

/* A node was silent, or served something else than it stores, once or three times; or somebody signed two
 * batches of one sequence.  The stake is restored afterwards, by whoever may. */
void story_fault(struct generator *g)
{
    struct node *n = active_node(g);
    const struct author *a = &g->candidates[below(g, CANDIDATE_CNT)];
    const struct dsdn_row_stake *stake = stake_of(g, key_of(a), a);
    uint32_t dice = below(g, 8);
    if (dice < 2 && stake && stake->amount)
        put_double_sign(g, a);
    else if (n && was_silent(g, n)) {
        if (put_evidence(g, key_of(&n->author), LIVENESS, NULL, 0)) tend_stake(g, n, false);
    } else if (n && dice < 7) {
        if (put_corruption(g, n)) tend_stake(g, n, false);
    } else if (n && g->node_cnt >= NODE_START) {
        for (int i = 0; i < 3; i++)
            if (!put_corruption(g, n)) return;
        if (node_row(g, n)->fault3_ms) put_evidence(g, key_of(&n->author), REPEATED, NULL, 0);
    }
}
