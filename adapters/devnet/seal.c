#include "adapters/devnet/seal.h"

#include "adapters/celestia/merkle.h"
#include "adapters/celestia/protobuf.h"
#include "log/hash.h"

#include <sodium.h>
#include <stdlib.h>

#define VIEW(array) ((struct dsdn_view){(array), sizeof(array)})

enum { BLOCK_PROTOCOL = 11, PARTS_TOTAL = 1, VOTE_LEN_MAX = 160 };
static const struct dsdn_celestia_time year_1 = {-62135596800, 0};

/* SHA-256 of nothing: root of an empty list (results, evidence, and the commit before block 1). */
static const uint8_t empty_hash[32] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
                                       0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
                                       0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
/* Hash of consensus parameters: any constant will do, because nobody has what it is made over. */
static const uint8_t consensus_hash[32] = {0xc0, 0xb6, 0xa6, 0x34, 0xb7, 0x2a, 0xe9, 0x68, 0x7e, 0xa5, 0x3b,
                                           0x6d, 0x27, 0x7a, 0x73, 0xab, 0xa1, 0x38, 0x6b, 0xa3, 0xcf, 0xc6,
                                           0xd0, 0xf2, 0x69, 0x63, 0x60, 0x2f, 0x7f, 0x6f, 0xfc, 0xd6};

void dsdn_devnet_block_free(struct dsdn_devnet_block *b)
{
    if (!b) return;
    for (uint32_t i = 0; i < b->tx_cnt; i++) free(b->txs[i].bytes);
    free(b->txs);
    free(b->roots);
    free(b->signatures);
    free(b);
}

static enum dsdn_celestia_flag flag_of(uint64_t height, uint32_t slot, uint32_t cnt)
{
    if (cnt < 4 || slot != cnt - 1) return DSDN_CELESTIA_COMMIT;
    if (height % 7 == 3) return DSDN_CELESTIA_ABSENT;
    return height % 11 == 5 ? DSDN_CELESTIA_NIL : DSDN_CELESTIA_COMMIT;
}

/* Votes come a tenth of a second after the block's own time, each a little later than the one before. */
static struct dsdn_celestia_time vote_time(struct dsdn_celestia_time t, uint32_t slot)
{
    t.nanos += 100000000 + (int32_t)slot * 1234567;
    if (t.nanos >= 1000000000) t.seconds++, t.nanos -= 1000000000;
    return t;
}

static void describe_votes(const struct dsdn_devnet_block *b, const struct dsdn_devnet_set *set, uint32_t cnt,
                           struct dsdn_celestia_vote *votes)
{
    for (uint32_t i = 0; i < cnt; i++) {
        enum dsdn_celestia_flag flag = flag_of(b->height, i, cnt);
        votes[i] = (struct dsdn_celestia_vote){.flag = flag, .time = year_1};
        if (flag == DSDN_CELESTIA_ABSENT) continue;
        votes[i].address = VIEW(set->members[i].address);
        votes[i].time = vote_time(b->time, i);
        votes[i].signature =
            (struct dsdn_view){b->signatures + (size_t)i * DSDN_SIGNATURE_LEN, DSDN_SIGNATURE_LEN};
    }
}

static struct dsdn_celestia_block_id block_id(const struct dsdn_devnet_block *b)
{
    return (struct dsdn_celestia_block_id){VIEW(b->hash), PARTS_TOTAL, VIEW(b->parts_hash)};
}

int dsdn_devnet_describe(const struct dsdn_devnet_sealer *sealer, const struct dsdn_devnet_block *b,
                         const struct dsdn_devnet_block *previous, struct dsdn_devnet_described *out,
                         struct dsdn_error *error)
{
    struct dsdn_devnet_validators *v = sealer->validators;
    const struct dsdn_devnet_set *set = dsdn_devnet_validators_at(v, b->height),
                                 *next = dsdn_devnet_validators_at(v, b->height + 1);
    if (!set || !next) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a validator set");
    const struct dsdn_nmt_node *roots = b->roots ? b->roots : sealer->empty_roots;
    uint32_t rows = 2 * b->k;
    dsdn_devnet_set_describe(v, set, out->validators);
    describe_votes(b, set, v->cnt, out->votes);
    out->block = (struct dsdn_celestia_block){
        .header = {.version_block = BLOCK_PROTOCOL,
                   .version_app = sealer->version_app,
                   .chain_id = {(const uint8_t *)sealer->chain_id, strlen(sealer->chain_id)},
                   .height = (int64_t)b->height,
                   .time = b->time,
                   .last_commit_hash = VIEW(b->last_commit_hash),
                   .data_hash = VIEW(b->data_hash),
                   .validators_hash = VIEW(set->hash),
                   .next_validators_hash = VIEW(next->hash),
                   .consensus_hash = VIEW(consensus_hash),
                   .app_hash = VIEW(b->app_hash),
                   .last_results_hash = VIEW(empty_hash),
                   .evidence_hash = VIEW(empty_hash),
                   .proposer_address = VIEW(set->members[b->height % v->cnt].address)},
        .commit = {.height = (int64_t)b->height,
                   .block_id = block_id(b),
                   .votes = out->votes,
                   .vote_cnt = v->cnt},
        .validators = out->validators,
        .validator_cnt = v->cnt,
        .dah = {roots, roots + rows, rows, rows}};
    if (previous) out->block.header.last_block_id = block_id(previous);
    return DSDN_OK;
}

void dsdn_devnet_commit_hash(const struct dsdn_celestia_vote *votes, uint32_t cnt, uint8_t out[32])
{
    uint8_t bytes[DSDN_DEVNET_VALIDATORS_MAX * VOTE_LEN_MAX], time_bytes[32];
    struct dsdn_view leaves[DSDN_DEVNET_VALIDATORS_MAX];
    struct dsdn_proto p = dsdn_proto_to(bytes, sizeof bytes);
    for (uint32_t i = 0; i < cnt; i++) {
        size_t start = p.len;
        struct dsdn_proto time = dsdn_proto_to(time_bytes, sizeof time_bytes);
        dsdn_proto_uint(&time, 1, (uint64_t)votes[i].time.seconds);
        dsdn_proto_uint(&time, 2, (uint64_t)votes[i].time.nanos);
        dsdn_proto_uint(&p, 1, votes[i].flag);
        dsdn_proto_bytes(&p, 2, votes[i].address.bytes, votes[i].address.len);
        dsdn_proto_message(&p, 3, time_bytes, time.len);
        dsdn_proto_bytes(&p, 4, votes[i].signature.bytes, votes[i].signature.len);
        leaves[i] = (struct dsdn_view){bytes + start, p.len - start};
    }
    dsdn_merkle_root(leaves, cnt, out);
}

int dsdn_devnet_seal(const struct dsdn_devnet_sealer *sealer, struct dsdn_devnet_block *b,
                     const struct dsdn_devnet_block *previous, uint32_t twist, struct dsdn_error *error)
{
    struct dsdn_devnet_validators *v = sealer->validators;
    const struct dsdn_devnet_set *set = dsdn_devnet_validators_at(v, b->height);
    struct dsdn_devnet_described *d = malloc(sizeof *d);
    if (!b->signatures) b->signatures = calloc(v->cnt, DSDN_SIGNATURE_LEN);
    if (!set || !d || !b->signatures) {
        free(d);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to seal a block");
    }
    uint8_t bytes[32 + 32 + 8 + 4] = {0};
    if (previous) memcpy(bytes, previous->app_hash, 32);
    memcpy(bytes + 32, b->data_hash, 32);
    dsdn_store64(bytes + 64, b->height);
    dsdn_store32(bytes + 72, twist);
    dsdn_tagged("DSDN-devnet-app-v1", bytes, sizeof bytes, b->app_hash);
    dsdn_tagged("DSDN-devnet-parts-v1", bytes, sizeof bytes, b->parts_hash);
    memcpy(b->last_commit_hash, empty_hash, 32);
    if (previous) {
        const struct dsdn_devnet_set *last = dsdn_devnet_validators_at(v, previous->height);
        if (!last) {
            free(d);
            return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to seal a block");
        }
        describe_votes(previous, last, v->cnt, d->votes);
        dsdn_devnet_commit_hash(d->votes, v->cnt, b->last_commit_hash);
    }
    int rc = dsdn_devnet_describe(sealer, b, previous, d, error);
    if (!rc) {
        dsdn_celestia_header_hash(&d->block.header, b->hash);
        for (uint32_t i = 0; i < v->cnt; i++) {
            uint8_t message[DSDN_CELESTIA_VOTE_LEN_MAX];
            if (d->votes[i].flag == DSDN_CELESTIA_ABSENT) continue;
            size_t len = dsdn_celestia_vote_bytes(&d->block.commit, i, d->block.header.chain_id, message);
            crypto_sign_detached(b->signatures + (size_t)i * DSDN_SIGNATURE_LEN, NULL, message, len,
                                 set->members[i].secret);
        }
    }
    free(d);
    return rc;
}
