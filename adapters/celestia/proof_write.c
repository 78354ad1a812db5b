#include "adapters/celestia/proof_format.h"

#include "adapters/celestia/protobuf.h"

#include <stdlib.h>

#define BYTES_MAX ((size_t)1 << 31)

void dsdn_bytes_free(struct dsdn_bytes *bytes)
{
    free(bytes->bytes);
    *bytes = (struct dsdn_bytes){.bytes = NULL};
}

int dsdn_bytes_put(struct dsdn_bytes *out, const void *bytes, size_t len, struct dsdn_error *error)
{
    if (len > BYTES_MAX - out->len) return dsdn_fail(error, DSDN_E_TOO_LARGE, "a proof above 2^31 bytes");
    if (out->len + len > out->cap) {
        size_t cap = out->cap ? 2 * out->cap : 1024;
        if (cap < out->len + len) cap = out->len + len;
        uint8_t *grown = realloc(out->bytes, cap);
        if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a proof of %zu bytes", cap);
        out->bytes = grown;
        out->cap = cap;
    }
    if (len) memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
    return DSDN_OK;
}

/* ---- headers ------------------------------------------------------------------------------------ */

/* The message tendermint.types.Header; its inner messages are there even when they are empty. */
static int encode_header(const struct dsdn_celestia_header *h, uint8_t out[HEADER_LEN_MAX], size_t *len,
                         struct dsdn_error *error)
{
    const struct dsdn_view *const plain[9] = {
        &h->last_commit_hash,     &h->data_hash,      &h->validators_hash,
        &h->next_validators_hash, &h->consensus_hash, &h->app_hash,
        &h->last_results_hash,    &h->evidence_hash,  &h->proposer_address};
    uint8_t bytes[128], inner_bytes[64];
    struct dsdn_proto p = dsdn_proto_to(out, HEADER_LEN_MAX), message = dsdn_proto_to(bytes, sizeof bytes);
    struct dsdn_proto inner = dsdn_proto_to(inner_bytes, sizeof inner_bytes);
    dsdn_proto_uint(&message, 1, h->version_block);
    dsdn_proto_uint(&message, 2, h->version_app);
    dsdn_proto_message(&p, 1, bytes, message.len);
    dsdn_proto_bytes(&p, 2, h->chain_id.bytes, h->chain_id.len);
    dsdn_proto_uint(&p, 3, (uint64_t)h->height);
    message.len = 0;
    dsdn_proto_uint(&message, 1, (uint64_t)h->time.seconds);
    dsdn_proto_uint(&message, 2, (uint64_t)h->time.nanos);
    dsdn_proto_message(&p, 4, bytes, message.len);
    message.len = 0;
    dsdn_proto_bytes(&message, 1, h->last_block_id.hash.bytes, h->last_block_id.hash.len);
    dsdn_proto_uint(&inner, 1, h->last_block_id.parts_total);
    dsdn_proto_bytes(&inner, 2, h->last_block_id.parts_hash.bytes, h->last_block_id.parts_hash.len);
    dsdn_proto_message(&message, 2, inner_bytes, inner.len);
    dsdn_proto_message(&p, 5, bytes, message.len);
    for (uint32_t i = 0; i < 9; i++) dsdn_proto_bytes(&p, 6 + i, plain[i]->bytes, plain[i]->len);
    if (p.overflow || message.overflow || inner.overflow)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a header of more than %d bytes", HEADER_LEN_MAX);
    *len = p.len;
    return DSDN_OK;
}

/* ---- steps -------------------------------------------------------------------------------------- */

int dsdn_light_block_encode(const struct dsdn_celestia_block *block, struct dsdn_bytes *out,
                            struct dsdn_error *error)
{
    uint8_t header[HEADER_LEN_MAX], fixed[4 + BLOCK_ID_LEN + 2], vote[VALIDATOR_FIXED + VOTE_LEN], number[4];
    const struct dsdn_celestia_commit *c = &block->commit;
    size_t header_len, start = out->len;
    int rc = dsdn_celestia_shape(block, error);
    if (!rc) rc = encode_header(&block->header, header, &header_len, error);
    if (rc) return rc;
    rc = dsdn_bytes_put(out, "\0\0\0", 4, error);
    dsdn_store16(number, (uint16_t)header_len);
    if (!rc) rc = dsdn_bytes_put(out, number, 2, error);
    if (!rc) rc = dsdn_bytes_put(out, header, header_len, error);
    dsdn_store32(fixed, (uint32_t)c->round);
    memcpy(fixed + 4, c->block_id.hash.bytes, 32);
    dsdn_store32(fixed + 36, c->block_id.parts_total);
    memcpy(fixed + 40, c->block_id.parts_hash.bytes, 32);
    dsdn_store16(fixed + 72, (uint16_t)block->validator_cnt);
    if (!rc) rc = dsdn_bytes_put(out, fixed, sizeof fixed, error);
    for (uint32_t i = 0; !rc && i < block->validator_cnt; i++) {
        const struct dsdn_celestia_vote *v = &c->votes[i];
        size_t len = VALIDATOR_FIXED;
        memcpy(vote, block->validators[i].key.bytes, 32);
        dsdn_store64(vote + 32, (uint64_t)block->validators[i].power);
        vote[40] = (uint8_t)v->flag;
        if (v->flag != DSDN_CELESTIA_ABSENT) {
            dsdn_store64(vote + 41, (uint64_t)v->time.seconds);
            dsdn_store32(vote + 49, (uint32_t)v->time.nanos);
            memcpy(vote + 53, v->signature.bytes, 64);
            len += VOTE_LEN;
        }
        rc = dsdn_bytes_put(out, vote, len, error);
    }
    if (rc)
        out->len = start;
    else
        dsdn_store32(out->bytes + start, (uint32_t)(out->len - start - 4));
    return rc;
}

/* ---- proofs ------------------------------------------------------------------------------------- */

static int put_row(const struct dsdn_namespace_row *row, struct dsdn_bytes *out, struct dsdn_error *error)
{
    const struct dsdn_nmt_proof *p = &row->proof;
    uint8_t fixed[ROW_FIXED];
    bool absent = !row->shares.len;
    dsdn_store16(fixed, (uint16_t)p->start);
    dsdn_store16(fixed + 2, (uint16_t)p->end);
    fixed[4] = (uint8_t)p->node_cnt;
    fixed[5] = absent;
    int rc = dsdn_bytes_put(out, fixed, sizeof fixed, error);
    for (uint32_t i = 0; !rc && i < p->node_cnt; i++)
        rc = dsdn_bytes_put(out, p->nodes[i].bytes, p->nodes[i].len, error);
    struct dsdn_view rest = absent ? p->leaf_hash : row->shares;
    if (!rc) rc = dsdn_bytes_put(out, rest.bytes, rest.len, error);
    return rc;
}

int dsdn_celestia_proof_make(const uint8_t ns[DSDN_NAMESPACE_LEN], struct dsdn_view steps, uint32_t step_cnt,
                             const struct dsdn_celestia_block *block, const struct dsdn_namespace_row *rows,
                             uint32_t row_cnt, struct dsdn_bytes *out, struct dsdn_error *error)
{
    uint8_t fixed[PROOF_FIXED] = {DSDN_PROOF_VERSION}, header[HEADER_LEN_MAX];
    size_t header_len, row_set_len, most = DSDN_ROW_SET_LEN_MAX(block->dah.row_cnt);
    out->len = 0;
    int rc = encode_header(&block->header, header, &header_len, error);
    uint8_t *row_set = rc ? NULL : malloc(most);
    if (!rc && !row_set) rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a row set");
    if (!rc) rc = dsdn_row_set_make(&block->dah, ns, row_set, most, &row_set_len, error);
    if (!rc && (step_cnt > DSDN_PROOF_STEPS_MAX || steps.len > UINT32_MAX))
        rc = dsdn_fail(error, DSDN_E_TOO_LARGE, "a proof with %u steps; at most %u", step_cnt,
                       DSDN_PROOF_STEPS_MAX);
    if (!rc) {
        dsdn_store16(fixed + 2, (uint16_t)step_cnt);
        dsdn_store32(fixed + 4, (uint32_t)steps.len);
        dsdn_store32(fixed + 8, (uint32_t)row_set_len);
        dsdn_store16(fixed + 12, (uint16_t)row_cnt);
        dsdn_store16(fixed + 14, (uint16_t)header_len);
        rc = dsdn_bytes_put(out, fixed, sizeof fixed, error);
    }
    if (!rc) rc = dsdn_bytes_put(out, header, header_len, error);
    if (!rc) rc = dsdn_bytes_put(out, row_set, row_set_len, error);
    if (!rc) rc = dsdn_bytes_put(out, steps.bytes, steps.len, error);
    for (uint32_t i = 0; !rc && i < row_cnt; i++) rc = put_row(&rows[i], out, error);
    free(row_set);
    return rc;
}
