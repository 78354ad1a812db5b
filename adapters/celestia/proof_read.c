#include "adapters/celestia/proof_format.h"

#include "adapters/celestia/protobuf.h"
#include "log/hash.h"

static int bad(struct dsdn_error *error, const char *what)
{
    return dsdn_fail(error, DSDN_E_MALFORMED, "a proof of a height with a broken %s", what);
}

/* Cuts len bytes off the front. */
static bool cut(struct dsdn_view *rest, size_t len, struct dsdn_view *piece)
{
    if (len > rest->len) return false;
    *piece = (struct dsdn_view){rest->bytes, len};
    rest->bytes += len;
    rest->len -= len;
    return true;
}

int proof_split(struct dsdn_view proof, struct proof_parts *parts, struct dsdn_error *error)
{
    const uint8_t *p = proof.bytes;
    struct dsdn_view rest = proof, fixed;
    if (!cut(&rest, PROOF_FIXED, &fixed)) return bad(error, "length");
    if (p[0] != DSDN_PROOF_VERSION || p[1])
        return dsdn_fail(error, DSDN_E_FORMAT, "a proof of a height of version %u, known is %u", p[0],
                         DSDN_PROOF_VERSION);
    parts->step_cnt = dsdn_load16(p + 2);
    parts->row_cnt = dsdn_load16(p + 12);
    if (parts->step_cnt > DSDN_PROOF_STEPS_MAX || parts->row_cnt > DSDN_NMT_LEAVES_MAX / 2)
        return bad(error, "number of steps or rows");
    if (!cut(&rest, dsdn_load16(p + 14), &parts->header) ||
        !cut(&rest, dsdn_load32(p + 8), &parts->row_set) || !cut(&rest, dsdn_load32(p + 4), &parts->steps))
        return bad(error, "length");
    parts->rows = rest;
    return DSDN_OK;
}

/* ---- headers ------------------------------------------------------------------------------------ */

/* The next field must be a message or bytes of this number. */
static bool read_time(struct dsdn_view message, struct dsdn_celestia_time *time)
{
    struct dsdn_proto_field f;
    int got;
    while ((got = dsdn_proto_next(&message, &f)) > 0) {
        if (f.wire != DSDN_PROTO_VARINT || f.number > 2) return false;
        if (f.number == 1)
            time->seconds = (int64_t)f.value;
        else if (f.value < 1000000000)
            time->nanos = (int32_t)f.value;
        else
            return false;
    }
    return got == 0;
}

static bool read_parts(struct dsdn_view message, struct dsdn_celestia_block_id *id)
{
    struct dsdn_proto_field f;
    int got;
    while ((got = dsdn_proto_next(&message, &f)) > 0) {
        if (f.number == 1 && f.wire == DSDN_PROTO_VARINT && f.value <= UINT32_MAX)
            id->parts_total = (uint32_t)f.value;
        else if (f.number == 2 && f.wire == DSDN_PROTO_BYTES)
            id->parts_hash = f.bytes;
        else
            return false;
    }
    return got == 0;
}

static bool read_block_id(struct dsdn_view message, struct dsdn_celestia_block_id *id)
{
    struct dsdn_proto_field f;
    int got;
    while ((got = dsdn_proto_next(&message, &f)) > 0) {
        if (f.wire != DSDN_PROTO_BYTES || f.number > 2) return false;
        if (f.number == 1)
            id->hash = f.bytes;
        else if (!read_parts(f.bytes, id))
            return false;
    }
    return got == 0;
}

static bool read_version(struct dsdn_view message, struct dsdn_celestia_header *h)
{
    struct dsdn_proto_field f;
    int got;
    while ((got = dsdn_proto_next(&message, &f)) > 0) {
        if (f.wire != DSDN_PROTO_VARINT || f.number > 2) return false;
        if (f.number == 1)
            h->version_block = f.value;
        else
            h->version_app = f.value;
    }
    return got == 0;
}

/* What a header is does not depend on how it is encoded: its hash is made of its values. */
int proof_header(struct dsdn_view bytes, struct dsdn_celestia_header *h, struct dsdn_error *error)
{
    struct dsdn_view *const plain[9] = {&h->last_commit_hash,     &h->data_hash,      &h->validators_hash,
                                        &h->next_validators_hash, &h->consensus_hash, &h->app_hash,
                                        &h->last_results_hash,    &h->evidence_hash,  &h->proposer_address};
    struct dsdn_proto_field f;
    bool ok = true;
    int got;
    memset(h, 0, sizeof *h);
    while (ok && (got = dsdn_proto_next(&bytes, &f)) > 0) {
        ok = f.wire == (f.number == 3 ? DSDN_PROTO_VARINT : DSDN_PROTO_BYTES) && f.number <= 14;
        if (!ok) break;
        switch (f.number) {
        case 1: ok = read_version(f.bytes, h); break;
        case 2: h->chain_id = f.bytes; break;
        case 3:
            ok = f.value <= INT64_MAX;
            h->height = (int64_t)f.value;
            break;
        case 4: ok = read_time(f.bytes, &h->time); break;
        case 5: ok = read_block_id(f.bytes, &h->last_block_id); break;
        default: *plain[f.number - 6] = f.bytes;
        }
    }
    if (!ok || got < 0) return bad(error, "header");
    return dsdn_celestia_header_shape(h, error);
}

uint64_t dsdn_celestia_proof_height(struct dsdn_view proof)
{
    struct proof_parts parts;
    struct dsdn_celestia_header header;
    if (proof_split(proof, &parts, NULL) || proof_header(parts.header, &header, NULL)) return 0;
    return (uint64_t)header.height;
}

/* ---- steps -------------------------------------------------------------------------------------- */

static bool read_validator(struct dsdn_view *rest, struct proof_block *out, uint32_t i)
{
    struct dsdn_celestia_validator *validator = &out->validators[i];
    struct dsdn_celestia_vote *vote = &out->votes[i];
    struct dsdn_view fixed, signed_part;
    uint8_t digest[32];
    if (!cut(rest, VALIDATOR_FIXED, &fixed)) return false;
    dsdn_sha256(fixed.bytes, 32, digest);
    memcpy(out->addresses[i], digest, DSDN_CELESTIA_ADDRESS_LEN);
    *validator = (struct dsdn_celestia_validator){.address = {out->addresses[i], DSDN_CELESTIA_ADDRESS_LEN},
                                                  .key = {fixed.bytes, 32},
                                                  .power = (int64_t)dsdn_load64(fixed.bytes + 32)};
    *vote = (struct dsdn_celestia_vote){.flag = fixed.bytes[40], .time = {-62135596800, 0}};
    if (vote->flag == DSDN_CELESTIA_ABSENT) return true;
    if (!cut(rest, VOTE_LEN, &signed_part) || dsdn_load32(signed_part.bytes + 8) >= 1000000000) return false;
    vote->address = validator->address;
    vote->time = (struct dsdn_celestia_time){(int64_t)dsdn_load64(signed_part.bytes),
                                             (int32_t)dsdn_load32(signed_part.bytes + 8)};
    vote->signature = (struct dsdn_view){signed_part.bytes + 12, 64};
    return true;
}

int proof_step(struct dsdn_view *steps, struct proof_block *out, struct dsdn_error *error)
{
    struct dsdn_view length, step, header, fixed;
    struct dsdn_celestia_block *b = &out->block;
    if (!cut(steps, 4, &length) || !cut(steps, dsdn_load32(length.bytes), &step) || step.len < 2)
        return bad(error, "step");
    size_t header_len = dsdn_load16(step.bytes);
    if (!cut(&step, 2, &fixed) || !cut(&step, header_len, &header) ||
        !cut(&step, 4 + BLOCK_ID_LEN + 2, &fixed))
        return bad(error, "step");
    *b = (struct dsdn_celestia_block){.validators = out->validators, .without_dah = true};
    int rc = proof_header(header, &b->header, error);
    if (rc) return rc;
    b->validator_cnt = dsdn_load16(fixed.bytes + 4 + BLOCK_ID_LEN);
    if (b->validator_cnt > DSDN_CELESTIA_VALIDATORS_MAX) return bad(error, "number of validators");
    b->commit = (struct dsdn_celestia_commit){
        .height = b->header.height,
        .round = (int32_t)dsdn_load32(fixed.bytes),
        .block_id = {{fixed.bytes + 4, 32}, dsdn_load32(fixed.bytes + 36), {fixed.bytes + 40, 32}},
        .votes = out->votes,
        .vote_cnt = b->validator_cnt};
    for (uint32_t i = 0; i < b->validator_cnt; i++)
        if (!read_validator(&step, out, i)) return bad(error, "validator");
    return step.len ? bad(error, "length of a step") : DSDN_OK;
}
