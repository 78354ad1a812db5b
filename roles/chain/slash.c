/* slash.c: proven faults.  Evidence is checked against the state and against signatures, never against the
 * word of whoever brings it; a fault is named by what happened, not by the bytes that prove it, and is
 * punished once. */
#include "roles/chain/ledger.h"

#include "log/hash.h"
#include "log/sign.h"

enum { LIVENESS = 1, CORRUPTION = 2, REPEATED = 3, DOUBLE_SIGN = 5, KINDS = 6 };

/* What a proof establishes. */
struct fault {
    uint8_t named[36]; /* tells this fault from others of the same kind and target */
    uint32_t named_len;
    uint64_t bps; /* of the stake */
};

struct claim {
    const struct dsdn_context *c;
    const uint8_t *target;
    struct dsdn_view evidence;
    uint32_t node;  /* row of the target, or DSDN_NO_ROW */
    uint32_t stake; /* row that answers for it, or DSDN_NO_ROW */
};

/* 1: nobody heard of an Active node for too long. */
static dsdn_outcome prove_liveness(const struct claim *claim, struct fault *fault)
{
    const struct dsdn_state *s = claim->c->state;
    if (claim->evidence.len) return DSDN_UNMET(EVIDENCE_SHAPE);
    if (claim->node == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    const struct dsdn_row_node *node = dsdn_node_at(s, claim->node);
    if (node->status != DSDN_NODE_ACTIVE) return DSDN_UNMET(NODE_STATUS);
    uint64_t heard = node->last_seen_ms > node->status_ms ? node->last_seen_ms : node->status_ms;
    if (heard > claim->c->time_ms ||
        claim->c->time_ms - heard < dsdn_whole(DSDN_SETTING(s, liveness_timeout_ms)))
        return DSDN_UNMET(EVIDENCE_NOT_PROVEN);
    dsdn_store64(fault->named, heard);
    fault->named_len = 8;
    fault->bps = dsdn_whole(DSDN_SETTING(s, slash_liveness_bps));
    return DSDN_RESULT(OK);
}

/* 2: the node signed that it served a leaf, and the chunk's tree has another one in that place. */
static dsdn_outcome prove_corruption(const struct claim *claim, struct fault *fault)
{
    enum { AT_LEAF = 32, AT_SERVED = 36, AT_SIG = 68, AT_PATH = 132, PATH_MAX_LEN = 64 };
    const struct dsdn_state *s = claim->c->state;
    const uint8_t *p = claim->evidence.bytes;
    size_t len = claim->evidence.len, hashes = len < AT_PATH ? 0 : (len - AT_PATH) / 32;
    if (!hashes || hashes > PATH_MAX_LEN || len != AT_PATH + hashes * 32) return DSDN_UNMET(EVIDENCE_SHAPE);
    if (claim->node == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    uint32_t row = dsdn_chunk_find(s, p);
    if (row == DSDN_NO_ROW) return DSDN_UNMET(CHUNK_UNKNOWN);
    struct dsdn_sha256 sum;
    uint8_t digest[32];
    dsdn_tag_init(&sum, "dsdn/served/1");
    dsdn_sha256_update(&sum, claim->c->genesis, 32);
    dsdn_sha256_update(&sum, p, AT_SIG);
    dsdn_sha256_final(&sum, digest);
    if (!dsdn_verify(NULL, claim->target, digest, p + AT_SIG)) return DSDN_RESULT(BAD_SIGNATURE);
    const struct dsdn_row_chunk *chunk = dsdn_chunk_at(s, row);
    const struct dsdn_list path = {p + AT_PATH, (uint32_t)hashes, (uint32_t)hashes * 32};
    if (dsdn_equal32(path.items, p + AT_SERVED) ||
        !dsdn_leaf_path_valid(&path, dsdn_load32(p + AT_LEAF), dsdn_leaf_count(chunk->size, chunk->leaf_size),
                              chunk->leaf_root))
        return DSDN_UNMET(EVIDENCE_NOT_PROVEN);
    memcpy(fault->named, p, AT_SERVED);
    fault->named_len = AT_SERVED;
    fault->bps = dsdn_whole(DSDN_SETTING(s, slash_corruption_bps));
    return DSDN_RESULT(OK);
}

/* 3: the node's third fault in a row was proven within the window. */
static dsdn_outcome prove_repeated(const struct claim *claim, struct fault *fault)
{
    const struct dsdn_state *s = claim->c->state;
    if (claim->evidence.len) return DSDN_UNMET(EVIDENCE_SHAPE);
    if (claim->node == DSDN_NO_ROW) return DSDN_UNMET(NODE_UNKNOWN);
    const struct dsdn_row_node *node = dsdn_node_at(s, claim->node);
    if (node->status == DSDN_NODE_BANNED) return DSDN_RESULT(NO_EFFECT);
    if (!node->fault3_ms ||
        dsdn_capped_sub(claim->c->time_ms, node->fault3_ms) > dsdn_whole(DSDN_SETTING(s, fault_window_ms)))
        return DSDN_UNMET(EVIDENCE_NOT_PROVEN);
    dsdn_store64(fault->named, node->fault1_ms);
    fault->named_len = 8;
    return DSDN_RESULT(OK);
}

/* 5: two certificates of one set and sequence, signed by one key. */
static dsdn_outcome prove_double_sign(const struct claim *claim, struct fault *fault)
{
    enum { AT_SEQUENCE = 4, AT_FIRST = 12, AT_SECOND = 108, LEN = 204 };
    const struct dsdn_state *s = claim->c->state;
    const uint8_t *p = claim->evidence.bytes;
    if (claim->evidence.len != LEN || memcmp(p + AT_FIRST, p + AT_SECOND, 32) >= 0)
        return DSDN_UNMET(EVIDENCE_SHAPE);
    bool staked =
        claim->stake != DSDN_NO_ROW && dsdn_stake_at(s, claim->stake)->role == DSDN_NODE_ROLE_VALIDATOR;
    if (!staked && dsdn_sys_validator_find(s, claim->target) == DSDN_NO_ROW)
        return DSDN_UNMET(VALIDATOR_UNKNOWN);
    for (const uint8_t *signed_hash = p + AT_FIRST; signed_hash <= p + AT_SECOND; signed_hash += 96) {
        uint8_t message[32];
        dsdn_certificate_message(claim->c->genesis, dsdn_load32(p), dsdn_load64(p + AT_SEQUENCE), signed_hash,
                                 message);
        if (!dsdn_verify(NULL, claim->target, message, signed_hash + 32)) return DSDN_RESULT(BAD_SIGNATURE);
    }
    memcpy(fault->named, p, AT_FIRST);
    fault->named_len = AT_FIRST;
    fault->bps = dsdn_whole(DSDN_SETTING(s, slash_double_sign_bps));
    return DSDN_RESULT(OK);
}

static dsdn_outcome (*const provers[KINDS])(const struct claim *, struct fault *) = {
    [LIVENESS] = prove_liveness,
    [CORRUPTION] = prove_corruption,
    [REPEATED] = prove_repeated,
    [DOUBLE_SIGN] = prove_double_sign,
};

static void fault_id(const uint8_t target[32], uint8_t kind, const struct fault *fault, uint8_t out[32])
{
    struct dsdn_sha256 sum;
    dsdn_tag_init(&sum, "dsdn/evidence/1");
    dsdn_sha256_update(&sum, target, 32);
    dsdn_sha256_update(&sum, &kind, 1);
    dsdn_sha256_update(&sum, fault->named, fault->named_len);
    dsdn_sha256_final(&sum, out);
}

/* Takes the share from one purse; returns what it was. */
static uint64_t slash_purse(struct dsdn_state *s, struct dsdn_purse purse, uint64_t bps)
{
    uint64_t units = dsdn_bps_of(*purse.units, bps);
    dsdn_units_move(s, purse, dsdn_purse_treasury(), units);
    return units;
}

/* Withdrawals under way answer like the stake itself: leaving after a fault does not help. */
static uint64_t slash_stake(struct dsdn_state *s, uint32_t stake, uint64_t bps)
{
    uint64_t units = slash_purse(s, dsdn_purse_stake(s, stake), bps);
    struct dsdn_walk w;
    dsdn_walk_begin(&w, &s->tables[dsdn_TABLE_unbonding], 0, dsdn_stake_at(s, stake)->beneficiary,
                    dsdn_KEY_LEN_stake);
    for (uint32_t row; (row = dsdn_walk_next(&w)) != DSDN_NO_ROW;)
        units = dsdn_capped_add(units, slash_purse(s, dsdn_purse_unbonding(s, row, stake), bps));
    return units;
}

/* Nobody pays for a fault but who stands behind the node when it is proven; a validator stands for itself. */
static uint32_t accountable(const struct dsdn_state *s, const uint8_t target[32], uint8_t kind, uint32_t node)
{
    bool itself = kind == DOUBLE_SIGN || node == DSDN_NO_ROW;
    return dsdn_stake_row(s, target, itself ? target : dsdn_node_owner(dsdn_node_at(s, node)));
}

dsdn_outcome dsdn_reduce_slash_evidence_submitted(struct dsdn_context *c,
                                                  const struct dsdn_ev_slash_evidence_submitted *e)
{
    struct dsdn_state *s = c->state;
    uint32_t node = dsdn_node_find_hashed(s, e->target, c->hash[0]);
    const struct claim claim = {
        .c = c,
        .target = e->target,
        .evidence = e->evidence,
        .node = node,
        .stake = accountable(s, e->target, e->kind, node),
    };
    struct fault fault = {.bps = 0};
    uint8_t id[32];
    if (e->kind >= KINDS || !provers[e->kind]) return DSDN_UNMET(EVIDENCE_KIND);
    dsdn_outcome proven = provers[e->kind](&claim, &fault);
    if (proven != DSDN_RESULT(OK)) return proven;
    fault_id(e->target, e->kind, &fault, id);
    if (dsdn_evidence_find(s, id) != DSDN_NO_ROW) return DSDN_UNMET(EVIDENCE_USED);
    if (e->kind != REPEATED && !dsdn_stake_held(s, claim.stake)) return DSDN_UNMET(STAKE_UNKNOWN);

    struct dsdn_row_evidence *row = dsdn_evidence_edit(s, dsdn_evidence_insert(s, id));
    memcpy(row->target, e->target, 32);
    row->kind = e->kind;
    row->time_ms = c->time_ms;
    row->ordinal = c->ordinal;
    if (e->kind == REPEATED) {
        dsdn_node_repeated(c, claim.node);
        if (claim.stake != DSDN_NO_ROW && dsdn_stake_at(s, claim.stake)->amount)
            dsdn_stake_unbond(c, claim.stake, dsdn_stake_at(s, claim.stake)->amount);
    } else {
        row->slashed = slash_stake(s, claim.stake, fault.bps);
        if (claim.node != DSDN_NO_ROW) dsdn_node_fault(c, claim.node);
    }
    if (claim.stake != DSDN_NO_ROW) dsdn_epoch_due_for(c, claim.stake);
    return DSDN_RESULT(OK);
}
