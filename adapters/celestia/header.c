#include "adapters/celestia/header.h"

#include "adapters/celestia/merkle.h"
#include "adapters/celestia/protobuf.h"
#include "log/hash.h"

#define YEAR_1     (-62135596800)
#define YEAR_10000 253402300800

/* ---- shape ------------------------------------------------------------------------------------- */

static bool time_ok(const struct dsdn_celestia_time *t)
{
    return t->seconds >= YEAR_1 && t->seconds < YEAR_10000 && t->nanos >= 0 && t->nanos < 1000000000;
}

static bool hash_or_empty(const struct dsdn_view *v)
{
    return v->len == 0 || v->len == 32;
}

static bool block_id_whole(const struct dsdn_celestia_block_id *id)
{
    return id->hash.len == 32 && id->parts_hash.len == 32 && id->parts_total > 0;
}

static bool block_id_none(const struct dsdn_celestia_block_id *id)
{
    return id->hash.len == 0 && id->parts_hash.len == 0 && id->parts_total == 0;
}

static int bad(struct dsdn_error *error, const char *what)
{
    return dsdn_fail(error, DSDN_E_MALFORMED, "a header with an impossible %s", what);
}

int dsdn_celestia_header_shape(const struct dsdn_celestia_header *h, struct dsdn_error *error)
{
    if (!h->chain_id.len || h->chain_id.len > DSDN_CELESTIA_CHAIN_ID_MAX) return bad(error, "chain_id");
    if (h->height <= 0) return bad(error, "height");
    if (!time_ok(&h->time)) return bad(error, "time");
    if (!block_id_whole(&h->last_block_id) && !block_id_none(&h->last_block_id))
        return bad(error, "last_block_id");
    if (!hash_or_empty(&h->last_commit_hash)) return bad(error, "last_commit_hash");
    if (h->data_hash.len != 32) return bad(error, "data_hash");
    if (h->validators_hash.len != 32) return bad(error, "validators_hash");
    if (h->next_validators_hash.len != 32) return bad(error, "next_validators_hash");
    if (!hash_or_empty(&h->consensus_hash)) return bad(error, "consensus_hash");
    if (h->app_hash.len > DSDN_CELESTIA_APP_HASH_MAX) return bad(error, "app_hash");
    if (!hash_or_empty(&h->last_results_hash)) return bad(error, "last_results_hash");
    if (!hash_or_empty(&h->evidence_hash)) return bad(error, "evidence_hash");
    if (h->proposer_address.len != DSDN_CELESTIA_ADDRESS_LEN) return bad(error, "proposer_address");
    return DSDN_OK;
}

static bool vote_ok(const struct dsdn_celestia_vote *v)
{
    if (v->flag == DSDN_CELESTIA_ABSENT)
        return !v->address.len && !v->signature.len && v->time.seconds == YEAR_1 && !v->time.nanos;
    return (v->flag == DSDN_CELESTIA_COMMIT || v->flag == DSDN_CELESTIA_NIL) &&
           v->address.len == DSDN_CELESTIA_ADDRESS_LEN && v->signature.len == DSDN_SIGNATURE_LEN &&
           time_ok(&v->time);
}

int dsdn_celestia_shape(const struct dsdn_celestia_block *b, struct dsdn_error *error)
{
    int64_t total = 0;
    int rc = dsdn_celestia_header_shape(&b->header, error);
    if (rc) return rc;
    if (!b->validator_cnt || b->validator_cnt > DSDN_CELESTIA_VALIDATORS_MAX)
        return dsdn_fail(error, DSDN_E_MALFORMED, "a set of %u validators, allowed are 1 to %u",
                         b->validator_cnt, DSDN_CELESTIA_VALIDATORS_MAX);
    for (uint32_t i = 0; i < b->validator_cnt; i++) {
        const struct dsdn_celestia_validator *v = b->validators + i;
        /* CometBFT's own bound: no sum or triple of powers overflows 64 bits */
        if (v->address.len != DSDN_CELESTIA_ADDRESS_LEN || v->key.len != DSDN_KEY_LEN || v->power <= 0 ||
            v->power > INT64_MAX / 8 - total)
            return dsdn_fail(error, DSDN_E_MALFORMED, "validator %u has an impossible address, key or power",
                             i);
        total += v->power;
    }
    if (b->commit.height <= 0 || b->commit.round < 0 || !block_id_whole(&b->commit.block_id))
        return dsdn_fail(error, DSDN_E_MALFORMED, "a commit with an impossible height, round or block_id");
    if (b->commit.vote_cnt != b->validator_cnt)
        return dsdn_fail(error, DSDN_E_MALFORMED, "a commit of %u votes by %u validators", b->commit.vote_cnt,
                         b->validator_cnt);
    for (uint32_t i = 0; i < b->commit.vote_cnt; i++)
        if (!vote_ok(b->commit.votes + i))
            return dsdn_fail(error, DSDN_E_MALFORMED, "vote %u has an impossible flag or field", i);
    return DSDN_OK;
}

/* ---- hashes ------------------------------------------------------------------------------------ */

static void write_time(struct dsdn_proto *p, const struct dsdn_celestia_time *t)
{
    dsdn_proto_uint(p, 1, (uint64_t)t->seconds);
    dsdn_proto_uint(p, 2, (uint64_t)t->nanos);
}

static void write_block_id(struct dsdn_proto *p, const struct dsdn_celestia_block_id *id)
{
    uint8_t bytes[48];
    struct dsdn_proto parts = dsdn_proto_to(bytes, sizeof bytes);
    dsdn_proto_uint(&parts, 1, id->parts_total);
    dsdn_proto_bytes(&parts, 2, id->parts_hash.bytes, id->parts_hash.len);
    dsdn_proto_bytes(p, 1, id->hash.bytes, id->hash.len);
    dsdn_proto_message(p, 2, bytes, parts.len); /* "nullable = false": there even when it is empty */
}

void dsdn_celestia_header_hash(const struct dsdn_celestia_header *h, uint8_t out[32])
{
    const struct dsdn_view *const plain[9] = {
        &h->last_commit_hash,     &h->data_hash,      &h->validators_hash,
        &h->next_validators_hash, &h->consensus_hash, &h->app_hash,
        &h->last_results_hash,    &h->evidence_hash,  &h->proposer_address};
    uint8_t bytes[1024];
    struct dsdn_view leaves[14];
    struct dsdn_proto p = dsdn_proto_to(bytes, sizeof bytes);
    for (uint32_t i = 0; i < 14; i++) {
        size_t start = p.len;
        switch (i) {
        case 0:
            dsdn_proto_uint(&p, 1, h->version_block);
            dsdn_proto_uint(&p, 2, h->version_app);
            break;
        case 1: dsdn_proto_bytes(&p, 1, h->chain_id.bytes, h->chain_id.len); break;
        case 2: dsdn_proto_uint(&p, 1, (uint64_t)h->height); break;
        case 3: write_time(&p, &h->time); break;
        case 4: write_block_id(&p, &h->last_block_id); break;
        default: dsdn_proto_bytes(&p, 1, plain[i - 5]->bytes, plain[i - 5]->len);
        }
        leaves[i] = (struct dsdn_view){bytes + start, p.len - start};
    }
    dsdn_merkle_root(leaves, 14, out);
}

void dsdn_celestia_validators_hash(const struct dsdn_celestia_validator *validators, uint32_t cnt,
                                   uint8_t out[32])
{
    enum { LEAF_MAX = 2 + 34 + 11 };
    uint8_t bytes[DSDN_CELESTIA_VALIDATORS_MAX * LEAF_MAX], key_bytes[40];
    struct dsdn_view leaves[DSDN_CELESTIA_VALIDATORS_MAX];
    struct dsdn_proto p = dsdn_proto_to(bytes, sizeof bytes);
    for (uint32_t i = 0; i < cnt; i++) {
        struct dsdn_proto key = dsdn_proto_to(key_bytes, sizeof key_bytes);
        size_t start = p.len;
        dsdn_proto_bytes(&key, 1, validators[i].key.bytes, validators[i].key.len);
        dsdn_proto_message(&p, 1, key_bytes, key.len);
        dsdn_proto_uint(&p, 2, (uint64_t)validators[i].power);
        leaves[i] = (struct dsdn_view){bytes + start, p.len - start};
    }
    dsdn_merkle_root(leaves, cnt, out);
}

size_t dsdn_celestia_vote_bytes(const struct dsdn_celestia_commit *c, uint32_t index,
                                struct dsdn_view chain_id, uint8_t out[DSDN_CELESTIA_VOTE_LEN_MAX])
{
    enum { PRECOMMIT = 2, BLOCK_ID_MAX = 96 };
    const struct dsdn_celestia_vote *vote = c->votes + index;
    uint8_t id_bytes[BLOCK_ID_MAX], time_bytes[32], bytes[DSDN_CELESTIA_VOTE_LEN_MAX];
    struct dsdn_proto p = dsdn_proto_to(bytes, sizeof bytes), id = dsdn_proto_to(id_bytes, sizeof id_bytes),
                      time = dsdn_proto_to(time_bytes, sizeof time_bytes);
    dsdn_proto_uint(&p, 1, PRECOMMIT);
    dsdn_proto_fixed(&p, 2, c->height);
    dsdn_proto_fixed(&p, 3, c->round);
    if (vote->flag == DSDN_CELESTIA_COMMIT) { /* a vote for nil has no block id at all */
        write_block_id(&id, &c->block_id);
        dsdn_proto_message(&p, 4, id_bytes, id.len);
    }
    write_time(&time, &vote->time);
    dsdn_proto_message(&p, 5, time_bytes, time.len);
    dsdn_proto_bytes(&p, 6, chain_id.bytes, chain_id.len);
    struct dsdn_proto whole = dsdn_proto_to(out, DSDN_CELESTIA_VOTE_LEN_MAX);
    dsdn_proto_varint(&whole, p.len);
    memcpy(out + whole.len, bytes, p.len);
    return whole.len + p.len;
}
