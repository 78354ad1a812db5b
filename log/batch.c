#include "log/batch.h"

#include "log/hash.h"

enum {
    FRAME_MIN = 4,         /* type, version, a payload length of one byte */
    CERTIFICATE_FIXED = 6, /* set_id, member_count */
    DIRECT_FIXED = 4 + 32  /* magic, genesis */
};

/* dsdn_fail at an offset of the bytes decoded; `error` is the caller's. */
#define FAIL_AT(offset, code, ...) dsdn_fail_at(error, code, NULL, offset, __VA_ARGS__)

/* ---- header and batch ------------------------------------------------------------------------ */

void dsdn_header_encode(const struct dsdn_header *header, uint8_t out[DSDN_HEADER_LEN])
{
    memcpy(out, "DSDB\x01", 5);
    memcpy(out + 5, header->genesis, 32);
    dsdn_store64(out + 37, header->sequence);
    memcpy(out + 45, header->prev, 32);
    dsdn_store64(out + 77, header->committee_epoch);
    dsdn_store64(out + 85, header->time_ms);
    dsdn_store64(out + 93, header->origin.height);
    dsdn_store64(out + 101, header->origin.time_ms);
    memcpy(out + 109, header->origin.hash, 32);
    dsdn_store64(out + 141, header->cursor.height);
    dsdn_store32(out + 149, header->cursor.blob_index);
    memcpy(out + 153, header->publisher, 32);
    dsdn_store32(out + 185, header->bundle_count);
    dsdn_store32(out + 189, header->body_len);
    memcpy(out + 193, header->body_hash, 32);
}

int dsdn_header_decode(const uint8_t *bytes, size_t len, struct dsdn_header *header, struct dsdn_error *error)
{
    if (len < DSDN_HEADER_LEN)
        return FAIL_AT(len, DSDN_E_TRUNCATED, "a batch header has %u bytes, here are %zu", DSDN_HEADER_LEN,
                       len);
    if (memcmp(bytes, "DSDB", 4) != 0)
        return FAIL_AT(0, DSDN_E_FORMAT, "not a batch: it does not begin with DSDB");
    if (bytes[4] != 1) return FAIL_AT(4, DSDN_E_FORMAT, "batch format %u is not known here", bytes[4]);
    memcpy(header->genesis, bytes + 5, 32);
    header->sequence = dsdn_load64(bytes + 37);
    memcpy(header->prev, bytes + 45, 32);
    header->committee_epoch = dsdn_load64(bytes + 77);
    header->time_ms = dsdn_load64(bytes + 85);
    header->origin.height = dsdn_load64(bytes + 93);
    header->origin.time_ms = dsdn_load64(bytes + 101);
    memcpy(header->origin.hash, bytes + 109, 32);
    header->cursor.height = dsdn_load64(bytes + 141);
    header->cursor.blob_index = dsdn_load32(bytes + 149);
    memcpy(header->publisher, bytes + 153, 32);
    header->bundle_count = dsdn_load32(bytes + 185);
    header->body_len = dsdn_load32(bytes + 189);
    memcpy(header->body_hash, bytes + 193, 32);
    if (header->body_len > DSDN_BATCH_LIMIT - DSDN_BATCH_FIXED_LEN)
        return FAIL_AT(189, DSDN_E_TOO_LARGE, "a batch body of %u bytes is above the limit of %u",
                       header->body_len, DSDN_BATCH_LIMIT - DSDN_BATCH_FIXED_LEN);
    if ((uint64_t)header->bundle_count * (DSDN_BUNDLE_LEN + FRAME_MIN) > header->body_len ||
        (header->bundle_count == 0 && header->body_len != 0))
        return FAIL_AT(185, DSDN_E_MALFORMED, "%u bundles cannot fill a body of %u bytes",
                       header->bundle_count, header->body_len);
    return DSDN_OK;
}

void dsdn_batch_hash(const uint8_t header[DSDN_HEADER_LEN], uint8_t out[32])
{
    dsdn_tagged("dsdn/batchid/1", header, DSDN_HEADER_LEN, out);
}

void dsdn_batch_message(const uint8_t header[DSDN_HEADER_LEN], uint8_t out[32])
{
    dsdn_tagged("dsdn/batch/1", header, DSDN_HEADER_LEN, out);
}

void dsdn_body_hash(const uint8_t *body, size_t len, uint8_t out[32])
{
    dsdn_tagged("dsdn/body/1", body, len, out);
}

int dsdn_batch_decode(const uint8_t *bytes, size_t len, struct dsdn_batch *batch, struct dsdn_error *error)
{
    int code = dsdn_header_decode(bytes, len, &batch->header, error);
    if (code) return code;
    size_t want = DSDN_BATCH_FIXED_LEN + (size_t)batch->header.body_len;
    if (len < want) return FAIL_AT(len, DSDN_E_TRUNCATED, "the batch has %zu bytes, here are %zu", want, len);
    if (len > want) return FAIL_AT(want, DSDN_E_MALFORMED, "%zu bytes follow the batch", len - want);
    batch->bytes = bytes;
    batch->len = len;
    batch->signature = bytes + DSDN_HEADER_LEN;
    batch->body = bytes + DSDN_BATCH_FIXED_LEN;
    dsdn_batch_hash(bytes, batch->hash);
    return DSDN_OK;
}

/* ---- bundle and event frame ------------------------------------------------------------------ */

static inline bool zero64(const uint8_t *p)
{
    return dsdn_zero32(p) && dsdn_zero32(p + 32);
}

/* Says what is wrong with the bundle at p; called once dsdn_bundle_next knows that something is. */
static __attribute__((cold, noinline)) int bad_bundle(const uint8_t *base, const uint8_t *p,
                                                      const uint8_t *end, struct dsdn_error *error)
{
    size_t offset = (size_t)(p - base), room = (size_t)(end - p);
    if (room < DSDN_BUNDLE_LEN)
        return FAIL_AT(offset, DSDN_E_TRUNCATED, "a bundle has at least %u bytes, here are %zu",
                       DSDN_BUNDLE_LEN, room);
    if (p[0] > DSDN_BUNDLE_DIRECT)
        return FAIL_AT(offset, DSDN_E_MALFORMED, "bundle kind %u does not exist", p[0]);
    if (p[DSDN_BUNDLE_AT_SCHEME] != DSDN_SCHEME_ED25519)
        return FAIL_AT(offset + DSDN_BUNDLE_AT_SCHEME, DSDN_E_MALFORMED, "signature scheme %u does not exist",
                       p[DSDN_BUNDLE_AT_SCHEME]);
    uint32_t count = dsdn_load16(p + DSDN_BUNDLE_AT_EVENT_COUNT),
             len = dsdn_load32(p + DSDN_BUNDLE_AT_EVENTS_LEN);
    if (len > room - DSDN_BUNDLE_LEN)
        return FAIL_AT(offset + DSDN_BUNDLE_AT_EVENTS_LEN, DSDN_E_TRUNCATED,
                       "a bundle declares %u bytes of events, here are %zu", len, room - DSDN_BUNDLE_LEN);
    if (count == 0 || count > len / FRAME_MIN)
        return FAIL_AT(offset + DSDN_BUNDLE_AT_EVENT_COUNT, DSDN_E_MALFORMED,
                       "%u events cannot fill %u bytes", count, len);
    return FAIL_AT(offset + DSDN_BUNDLE_AT_AUTHOR, DSDN_E_MALFORMED,
                   "author, nonce, valid_until and signature of an authority bundle must be zero");
}

int dsdn_bundle_next(const uint8_t *base, const uint8_t **p, const uint8_t *end, struct dsdn_bundle *bundle,
                     struct dsdn_error *error)
{
    const uint8_t *b = *p;
    size_t room = (size_t)(end - b);
    if (room < DSDN_BUNDLE_LEN) return bad_bundle(base, b, end, error);
    bundle->kind = b[0];
    bundle->scheme = b[DSDN_BUNDLE_AT_SCHEME];
    bundle->author = b + DSDN_BUNDLE_AT_AUTHOR;
    bundle->nonce = dsdn_load64(b + DSDN_BUNDLE_AT_NONCE);
    bundle->valid_until = dsdn_load64(b + DSDN_BUNDLE_AT_VALID_UNTIL);
    bundle->event_count = dsdn_load16(b + DSDN_BUNDLE_AT_EVENT_COUNT);
    bundle->events_len = dsdn_load32(b + DSDN_BUNDLE_AT_EVENTS_LEN);
    bundle->signature = b + DSDN_BUNDLE_AT_SIGNATURE;
    bundle->events = b + DSDN_BUNDLE_LEN;
    bool good = bundle->kind <= DSDN_BUNDLE_DIRECT && bundle->scheme == DSDN_SCHEME_ED25519 &&
                bundle->events_len <= room - DSDN_BUNDLE_LEN && bundle->event_count != 0 &&
                bundle->event_count <= bundle->events_len / FRAME_MIN;
    if (bundle->kind == DSDN_BUNDLE_AUTHORITY)
        good = good && dsdn_zero32(bundle->author) && (bundle->nonce | bundle->valid_until) == 0 &&
               zero64(bundle->signature);
    if (!good) return bad_bundle(base, b, end, error);
    *p = bundle->events + bundle->events_len;
    return DSDN_OK;
}

__attribute__((cold)) int dsdn_frame_bad(const uint8_t *base, const uint8_t *p, const uint8_t *end,
                                         struct dsdn_error *error)
{
    size_t offset = (size_t)(p - base), room = (size_t)(end - p);
    uint32_t len;
    if (room < FRAME_MIN)
        return FAIL_AT(offset, DSDN_E_TRUNCATED, "an event has at least %d bytes, here are %zu", FRAME_MIN,
                       room);
    const uint8_t *payload = dsdn_varint_get(p + 3, end, &len);
    if (!payload)
        return FAIL_AT(offset + 3, DSDN_E_MALFORMED,
                       "the payload length of an event is not a canonical varint");
    if (len > DSDN_PAYLOAD_MAX)
        return FAIL_AT(offset + 3, DSDN_E_TOO_LARGE, "an event payload of %u bytes is above %u", len,
                       DSDN_PAYLOAD_MAX);
    return FAIL_AT(offset + 3, DSDN_E_TRUNCATED, "an event declares %u bytes of payload, here are %zu", len,
                   (size_t)(end - payload));
}

void dsdn_bundle_message(const uint8_t genesis[32], const struct dsdn_bundle *bundle, uint8_t out[32])
{
    uint8_t fixed[32 + DSDN_BUNDLE_AT_SIGNATURE -
                  DSDN_BUNDLE_AT_SCHEME]; /* after the genesis the fields stand as in the bundle */
    uint8_t *p = fixed + 32 - DSDN_BUNDLE_AT_SCHEME;
    memcpy(fixed, genesis, 32);
    p[DSDN_BUNDLE_AT_SCHEME] = bundle->scheme;
    memcpy(p + DSDN_BUNDLE_AT_AUTHOR, bundle->author, 32);
    dsdn_store64(p + DSDN_BUNDLE_AT_NONCE, bundle->nonce);
    dsdn_store64(p + DSDN_BUNDLE_AT_VALID_UNTIL, bundle->valid_until);
    dsdn_store16(p + DSDN_BUNDLE_AT_EVENT_COUNT, bundle->event_count);
    dsdn_store32(p + DSDN_BUNDLE_AT_EVENTS_LEN, bundle->events_len);
    struct dsdn_sha256 s;
    dsdn_tag_init(&s, "dsdn/bundle/1");
    dsdn_sha256_update(&s, fixed, sizeof fixed);
    dsdn_sha256_update(&s, bundle->events, bundle->events_len);
    dsdn_sha256_final(&s, out);
}

void dsdn_event_id(const uint8_t message[32], uint32_t index, uint8_t out[32])
{
    uint8_t text[36];
    memcpy(text, message, 32);
    dsdn_store32(text + 32, index);
    dsdn_tagged("dsdn/evid/1", text, sizeof text, out);
}

void dsdn_event_id_authority(const uint8_t batch_hash[32], uint32_t bundle, uint32_t index, uint8_t out[32])
{
    uint8_t text[40];
    memcpy(text, batch_hash, 32);
    dsdn_store32(text + 32, bundle);
    dsdn_store32(text + 36, index);
    dsdn_tagged("dsdn/evid/1", text, sizeof text, out);
}

int dsdn_direct_decode(const uint8_t *bytes, size_t len, const uint8_t genesis[32],
                       struct dsdn_bundle *bundle, struct dsdn_error *error)
{
    if (len > DSDN_DIRECT_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a direct bundle of %zu bytes is above %u", len,
                         DSDN_DIRECT_MAX);
    if (len < DIRECT_FIXED)
        return FAIL_AT(len, DSDN_E_TRUNCATED, "a direct bundle has more than %d bytes, here are %zu",
                       DIRECT_FIXED, len);
    if (memcmp(bytes, "DSDD", 4) != 0)
        return FAIL_AT(0, DSDN_E_FORMAT, "not a direct bundle: it does not begin with DSDD");
    if (!dsdn_equal32(bytes + 4, genesis))
        return FAIL_AT(4, DSDN_E_WRONG_GENESIS, "the direct bundle names another genesis");
    const uint8_t *p = bytes + DIRECT_FIXED, *end = bytes + len;
    int code = dsdn_bundle_next(bytes, &p, end, bundle, error);
    if (code) return code;
    if (bundle->kind != DSDN_BUNDLE_DIRECT)
        return FAIL_AT(DIRECT_FIXED, DSDN_E_MALFORMED, "a direct bundle is of kind %d, this one of kind %u",
                       DSDN_BUNDLE_DIRECT, bundle->kind);
    if (p != end)
        return FAIL_AT((size_t)(p - bytes), DSDN_E_MALFORMED, "%zu bytes follow the direct bundle",
                       (size_t)(end - p));
    return DSDN_OK;
}

/* ---- certificate ----------------------------------------------------------------------------- */

static inline bool bit(const uint8_t *bitmap, uint32_t i)
{
    return bitmap[i / 8] >> (i % 8) & 1;
}

int dsdn_certificate_decode(const uint8_t *bytes, size_t len, struct dsdn_certificate *certificate,
                            struct dsdn_error *error)
{
    if (len < CERTIFICATE_FIXED)
        return FAIL_AT(len, DSDN_E_TRUNCATED, "a certificate ends after %zu bytes", len);
    uint32_t members = dsdn_load16(bytes + 4), signers = 0;
    if (members == 0) return FAIL_AT(4, DSDN_E_MALFORMED, "a certificate names a set without members");
    if (members > DSDN_QUORUM_MEMBER_MAX)
        return FAIL_AT(4, DSDN_E_TOO_LARGE, "a certificate names a set of %u members, above %u", members,
                       DSDN_QUORUM_MEMBER_MAX);
    size_t bitmap_len = (members + 7) / 8;
    if (len - CERTIFICATE_FIXED < bitmap_len)
        return FAIL_AT(len, DSDN_E_TRUNCATED, "a certificate ends in its bitmap");
    const uint8_t *bitmap = bytes + CERTIFICATE_FIXED;
    for (uint32_t i = 0; i < bitmap_len; i++) signers += (uint32_t)__builtin_popcount(bitmap[i]);
    if (members % 8 && bitmap[bitmap_len - 1] >> members % 8)
        return FAIL_AT(CERTIFICATE_FIXED + bitmap_len - 1, DSDN_E_MALFORMED,
                       "unused bits of a certificate's bitmap are set");
    if (signers == 0) return FAIL_AT(CERTIFICATE_FIXED, DSDN_E_MALFORMED, "a certificate without signers");
    size_t fixed = CERTIFICATE_FIXED + bitmap_len;
    if ((len - fixed) / 64 < signers)
        return FAIL_AT(len, DSDN_E_TRUNCATED, "a certificate of %u signers ends after %zu bytes", signers,
                       len);
    *certificate = (struct dsdn_certificate){.set_id = dsdn_load32(bytes),
                                             .member_count = (uint16_t)members,
                                             .signer_count = (uint16_t)signers,
                                             .bitmap = bitmap,
                                             .signatures = bytes + fixed,
                                             .len = fixed + 64u * signers};
    return DSDN_OK;
}

void dsdn_certificate_message(const uint8_t genesis[32], uint32_t set_id, uint64_t sequence,
                              const uint8_t batch_hash[32], uint8_t out[32])
{
    uint8_t text[32 + 4 + 8 + 32];
    memcpy(text, genesis, 32);
    dsdn_store32(text + 32, set_id);
    dsdn_store64(text + 36, sequence);
    memcpy(text + 44, batch_hash, 32);
    dsdn_tagged("dsdn/qcert/1", text, sizeof text, out);
}

int dsdn_certificate_verify(const struct dsdn_certificate *certificate, const uint8_t *members, uint32_t n,
                            uint8_t percent, const uint8_t genesis[32], uint64_t sequence,
                            const uint8_t batch_hash[32], struct dsdn_key_cache *cache,
                            struct dsdn_error *error)
{
    if (certificate->member_count != n)
        return dsdn_fail(error, DSDN_E_SIGNATURE,
                         "the certificate is about a set of %u members, set %u has %u",
                         certificate->member_count, certificate->set_id, n);
    uint32_t need = dsdn_quorum_needed(n, percent);
    if (need > n)
        return dsdn_fail(error, DSDN_E_SIGNATURE, "set %u has %u members and a threshold of %u percent: no "
                         "certificate of it counts", certificate->set_id, n, percent);
    if (certificate->signer_count < need)
        return dsdn_fail(error, DSDN_E_SIGNATURE, "the certificate has %u signers of %u, it takes %u",
                         certificate->signer_count, n, need);
    uint8_t message[32];
    dsdn_certificate_message(genesis, certificate->set_id, sequence, batch_hash, message);
    const uint8_t *signature = certificate->signatures;
    for (uint32_t i = 0; i < n; i++) {
        if (!bit(certificate->bitmap, i)) continue;
        if (!dsdn_verify(cache, members + 32 * (size_t)i, message, signature))
            return dsdn_fail(error, DSDN_E_SIGNATURE, "the signature of member %u of set %u does not verify",
                             i, certificate->set_id);
        signature += 64;
    }
    return DSDN_OK;
}

size_t dsdn_certificate_encode(uint32_t set_id, const uint8_t *const *signatures, uint32_t n, uint8_t *out,
                               size_t cap)
{
    size_t signers = 0, fixed = CERTIFICATE_FIXED + (n + 7) / 8;
    if (n == 0 || n > DSDN_QUORUM_MEMBER_MAX) return 0;
    for (uint32_t i = 0; i < n; i++) signers += signatures[i] != NULL;
    if (signers == 0 || cap < fixed + 64 * signers) return 0;
    dsdn_store32(out, set_id);
    dsdn_store16(out + 4, (uint16_t)n);
    memset(out + CERTIFICATE_FIXED, 0, fixed - CERTIFICATE_FIXED);
    uint8_t *p = out + fixed;
    for (uint32_t i = 0; i < n; i++) {
        if (!signatures[i]) continue;
        out[CERTIFICATE_FIXED + i / 8] |= (uint8_t)(1u << i % 8);
        memcpy(p, signatures[i], 64);
        p += 64;
    }
    return (size_t)(p - out);
}

int dsdn_certified_decode(const uint8_t *bytes, size_t len, struct dsdn_certificate *certificate,
                          struct dsdn_batch *batch, struct dsdn_error *error)
{
    if (len < 4 || memcmp(bytes, "DSDC", 4) != 0)
        return FAIL_AT(0, DSDN_E_FORMAT, "not a certified batch: it does not begin with DSDC");
    size_t offset = 4;
    int code = dsdn_certificate_decode(bytes + offset, len - offset, certificate, error);
    if (!code) {
        offset += certificate->len;
        code = dsdn_batch_decode(bytes + offset, len - offset, batch, error);
    }
    if (code && error && error->offset != DSDN_NO_OFFSET) error->offset += offset;
    return code;
}
