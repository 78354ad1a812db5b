/* batch.h: the wire forms of the log (protocol.md, sections 1-4): batch, bundle, event frame, direct bundle,
 * certificate.  Decoding is zero-copy: every view points into the caller's bytes.
 *
 * Batch header, 225 bytes, then sig[64], then body:
 *     0 magic "DSDB"     4 format u8 = 1     5 genesis[32]    37 sequence u64    45 prev[32]
 *    77 committee_epoch u64    85 time_ms u64    93 da_origin {height u64, time_ms u64, hash[32]}
 *   141 da_cursor {height u64, blob_index u32}  153 publisher[32]  185 bundle_count u32  189 body_len u32
 *   193 body_hash[32]  225 end of header
 * Bundle, 120 bytes, then events:
 *     0 kind u8    1 scheme u8    2 author[32]    34 nonce u64    42 valid_until u64 (ms, 0 = none)
 *    50 event_count u16    52 events_len u32    56 sig[64]    120 events
 *   Scheme is 1 in every kind.  In kind 0 author, nonce, valid_until and sig are zero: the batch signature
 *   covers it. event_count is at least 1 and the frames fill events_len exactly (whoever walks the events
 *   checks the latter).
 * Event frame: type u16, version u8, payload_len varint, payload.
 * Direct bundle blob: magic "DSDD", genesis[32], bundle.
 * Certificate (inside a "DSDC" blob, before the unchanged batch): see struct dsdn_certificate. */
#ifndef DSDN_LOG_BATCH_H
#define DSDN_LOG_BATCH_H

#include "log/base.h"
#include "log/error.h"
#include "log/sign.h"

#define DSDN_HEADER_LEN        225u
#define DSDN_BATCH_FIXED_LEN   (DSDN_HEADER_LEN + 64u) /* header and signature */
#define DSDN_BUNDLE_LEN        120u
#define DSDN_BATCH_MAX         1572864u /* 1.5 MiB: default of `batch_max`; decoders are bound below */
#define DSDN_BATCH_LIMIT       4194304u /* no batch_max may be set above this: bounds every buffer */
#define DSDN_PAYLOAD_MAX       524288u  /* 512 KiB */
#define DSDN_DIRECT_MAX        524288u
#define DSDN_CURSOR_END        UINT32_MAX /* da_cursor.blob_index: the height was read to its end */
#define DSDN_QUORUM_MEMBER_MAX 1024u

/* Offsets in a bundle, after its kind. */
enum dsdn_bundle_offset {
    DSDN_BUNDLE_AT_SCHEME = 1,
    DSDN_BUNDLE_AT_AUTHOR = 2,
    DSDN_BUNDLE_AT_NONCE = 34,
    DSDN_BUNDLE_AT_VALID_UNTIL = 42,
    DSDN_BUNDLE_AT_EVENT_COUNT = 50,
    DSDN_BUNDLE_AT_EVENTS_LEN = 52,
    DSDN_BUNDLE_AT_SIGNATURE = 56
};

enum dsdn_bundle_kind { DSDN_BUNDLE_AUTHORITY = 0, DSDN_BUNDLE_POOL = 1, DSDN_BUNDLE_DIRECT = 2 };
enum dsdn_scheme { DSDN_SCHEME_ED25519 = 1 };

struct dsdn_origin {
    uint64_t height, time_ms;
    uint8_t hash[32];
};

struct dsdn_cursor {
    uint64_t height;
    uint32_t blob_index;
};

struct dsdn_header {
    uint8_t genesis[32];
    uint64_t sequence;
    uint8_t prev[32]; /* batch hash of the predecessor; the genesis hash for sequence 0 */
    uint64_t committee_epoch;
    uint64_t time_ms;
    struct dsdn_origin origin;
    struct dsdn_cursor cursor;
    uint8_t publisher[32]; /* 32 zero bytes: a takeover batch (protocol.md, section 9) */
    uint32_t bundle_count, body_len;
    uint8_t body_hash[32];
};

/* A decoded batch: header by value, the rest as views into the bytes it was decoded from. */
struct dsdn_batch {
    struct dsdn_header header;
    const uint8_t *bytes; /* the whole batch */
    size_t len;
    const uint8_t *signature; /* 64 bytes */
    const uint8_t *body;      /* header.body_len bytes */
    uint8_t hash[32];         /* batch_hash = H("dsdn/batchid/1", header) */
};

struct dsdn_bundle {
    uint8_t kind, scheme;
    const uint8_t *author; /* 32 bytes; zero for kind 0 */
    uint64_t nonce, valid_until;
    uint16_t event_count;
    uint32_t events_len;
    const uint8_t *signature; /* 64 bytes; zero for kind 0 */
    const uint8_t *events;
};

struct dsdn_frame {
    uint16_t type;
    uint8_t version;
    uint32_t len;
    const uint8_t *payload;
};

/* Certificate over H("dsdn/qcert/1", genesis || u32 set_id || u64 sequence || batch_hash):
 *     0 set_id u32    4 member_count u16    6 bitmap[ceil(member_count/8)] (member i = bit i%8 of byte i/8,
 *     unused bits zero)    then signature[64] of each set bit, in set order.
 * There is one encoding per set of signers. */
struct dsdn_certificate {
    uint32_t set_id;
    uint16_t member_count;
    uint16_t signer_count;
    const uint8_t *bitmap;
    const uint8_t *signatures; /* signer_count * 64 */
    size_t len;                /* bytes of the encoding */
};

/* dsdn_header_encode writes the 225 bytes of the header. */
void dsdn_header_encode(const struct dsdn_header *header, uint8_t out[DSDN_HEADER_LEN]);

/* dsdn_header_decode reads a header from the front of bytes and checks magic and format (FORMAT), that the
 * whole batch is at most DSDN_BATCH_LIMIT (TOO_LARGE), and that bundle_count bundles can fill body_len, which
 * is zero exactly when bundle_count is (MALFORMED).  TRUNCATED when len is below DSDN_HEADER_LEN. */
int dsdn_header_decode(const uint8_t *bytes, size_t len, struct dsdn_header *header,
                       struct dsdn_error *error);

/* dsdn_batch_hash: H("dsdn/batchid/1", header), the identity of a batch. */
void dsdn_batch_hash(const uint8_t header[DSDN_HEADER_LEN], uint8_t out[32]);
/* dsdn_batch_message: H("dsdn/batch/1", header), what the authority signs. */
void dsdn_batch_message(const uint8_t header[DSDN_HEADER_LEN], uint8_t out[32]);
/* dsdn_body_hash: H("dsdn/body/1", body). */
void dsdn_body_hash(const uint8_t *body, size_t len, uint8_t out[32]);

/* dsdn_batch_decode reads header and lengths and computes the batch hash.  It does not walk the body, nor
 * check body hash or signature.  bytes must be exactly one batch: trailing bytes are MALFORMED. */
int dsdn_batch_decode(const uint8_t *bytes, size_t len, struct dsdn_batch *batch, struct dsdn_error *error);

/* Walking a body.  dsdn_bundle_next reads the bundle at *p and moves *p behind it; dsdn_frame_next the event
 * frame at *p.  Both check canonical form and bounds (kind, scheme, zero fields of kind 0, event_count > 0,
 * payload size) and return 0 or MALFORMED / TRUNCATED / TOO_LARGE with the offset from `base` in error. */
int dsdn_bundle_next(const uint8_t *base, const uint8_t **p, const uint8_t *end, struct dsdn_bundle *bundle,
                     struct dsdn_error *error);
static inline int dsdn_frame_next(const uint8_t *base, const uint8_t **p, const uint8_t *end,
                                  struct dsdn_frame *frame, struct dsdn_error *error);
/* What is wrong with the frame at `frame`, in words: the cold half of dsdn_frame_next. */
int dsdn_frame_bad(const uint8_t *base, const uint8_t *frame, const uint8_t *end, struct dsdn_error *error);

static inline int dsdn_frame_next(const uint8_t *base, const uint8_t **p, const uint8_t *end,
                                  struct dsdn_frame *frame, struct dsdn_error *error)
{
    const uint8_t *f = *p;
    /* The cold half never answers 0; written so that the compiler knows it too. */
    if (end - f < 4) {
        int rc = dsdn_frame_bad(base, f, end, error);
        return rc ? rc : DSDN_E_MALFORMED;
    }
    frame->type = dsdn_load16(f);
    frame->version = f[2];
    frame->payload = dsdn_varint_get(f + 3, end, &frame->len);
    if (!frame->payload || frame->len > DSDN_PAYLOAD_MAX || frame->len > (size_t)(end - frame->payload)) {
        int rc = dsdn_frame_bad(base, f, end, error);
        return rc ? rc : DSDN_E_MALFORMED;
    }
    *p = frame->payload + frame->len;
    return DSDN_OK;
}

/* dsdn_bundle_message: H("dsdn/bundle/1", genesis || scheme || author || nonce || valid_until || event_count
 * || events_len || events): what the author of a kind-1 or kind-2 bundle signs. */
void dsdn_bundle_message(const uint8_t genesis[32], const struct dsdn_bundle *bundle, uint8_t out[32]);

/* dsdn_event_id: H("dsdn/evid/1", message || u32 index) for kinds 1 and 2, with the bundle's signed
 * message. */
void dsdn_event_id(const uint8_t message[32], uint32_t index, uint8_t out[32]);
/* dsdn_event_id_authority: H("dsdn/evid/1", batch_hash || u32 bundle index || u32 index) for kind 0. */
void dsdn_event_id_authority(const uint8_t batch_hash[32], uint32_t bundle, uint32_t index, uint8_t out[32]);

/* dsdn_direct_decode reads a "DSDD" blob: magic, genesis, one bundle of kind 2, nothing behind it. */
int dsdn_direct_decode(const uint8_t *bytes, size_t len, const uint8_t genesis[32],
                       struct dsdn_bundle *bundle, struct dsdn_error *error);

/* dsdn_certificate_decode reads a certificate from the front of bytes (certificate->len tells its size). */
int dsdn_certificate_decode(const uint8_t *bytes, size_t len, struct dsdn_certificate *certificate,
                            struct dsdn_error *error);
/* dsdn_certificate_message: what each signer signs. */
void dsdn_certificate_message(const uint8_t genesis[32], uint32_t set_id, uint64_t sequence,
                              const uint8_t batch_hash[32], uint8_t out[32]);
/* dsdn_quorum_needed: how many of n members must agree in a set of this threshold: ceil(2n/3) at 67 percent,
 * which two of three fulfil, else ceil(n * percent / 100).  A set without members or threshold agrees to
 * nothing: UINT32_MAX. */
static inline uint32_t dsdn_quorum_needed(uint32_t n, uint8_t percent)
{
    if (!n || !percent) return UINT32_MAX;
    return (uint32_t)(percent == 67 ? (2 * (uint64_t)n + 2) / 3 : ((uint64_t)n * percent + 99) / 100);
}

/* dsdn_certificate_verify checks that certificate is about n members and that as many of them (32-byte keys,
 * in set order) signed as dsdn_quorum_needed says; one bad signature spoils it.  That set_id names this set
 * is for the caller to check. SIGNATURE otherwise. */
int dsdn_certificate_verify(const struct dsdn_certificate *certificate, const uint8_t *members, uint32_t n,
                            uint8_t percent, const uint8_t genesis[32], uint64_t sequence,
                            const uint8_t batch_hash[32], struct dsdn_key_cache *cache,
                            struct dsdn_error *error);
/* dsdn_certificate_encode writes one from signatures[i] (64 bytes, NULL = did not sign) of n members; returns
 * the length, or 0 when cap is too small, n is not in 1 .. DSDN_QUORUM_MEMBER_MAX or nobody signed. */
size_t dsdn_certificate_encode(uint32_t set_id, const uint8_t *const *signatures, uint32_t n, uint8_t *out,
                               size_t cap);

/* dsdn_certified_decode reads a "DSDC" blob: magic, certificate, batch. */
int dsdn_certified_decode(const uint8_t *bytes, size_t len, struct dsdn_certificate *certificate,
                          struct dsdn_batch *batch, struct dsdn_error *error);

/* Building.  A builder owns one growing buffer; it is reused from batch to batch.  Calls out of order are
 * USAGE, a batch above DSDN_BATCH_LIMIT is TOO_LARGE; a call that fails leaves the builder as it was. */
struct dsdn_batch_builder;
struct dsdn_batch_builder *dsdn_batch_builder_new(void);
void dsdn_batch_builder_free(struct dsdn_batch_builder *b);
/* Forget all bundles. */
void dsdn_batch_builder_reset(struct dsdn_batch_builder *b);
/* Open a bundle; events follow; close it with _end, which fills lengths and, for kinds 1 and 2, signs with
 * key, the author's.  Kind 0: author NULL or zero, nonce and valid_until zero; genesis and key are not looked
 * at. */
int dsdn_batch_builder_begin(struct dsdn_batch_builder *b, uint8_t kind, const uint8_t author[32],
                             uint64_t nonce, uint64_t valid_until, struct dsdn_error *error);
int dsdn_batch_builder_event(struct dsdn_batch_builder *b, uint16_t type, uint8_t version,
                             const uint8_t *payload, uint32_t len, struct dsdn_error *error);
int dsdn_batch_builder_end(struct dsdn_batch_builder *b, const uint8_t genesis[32],
                           const struct dsdn_sign_key *key, struct dsdn_error *error);
/* A whole encoded bundle as it came from its author (pool, direct); its form is checked, its signature is
 * not. */
int dsdn_batch_builder_bundle(struct dsdn_batch_builder *b, const uint8_t *bundle, size_t len,
                              struct dsdn_error *error);
/* Bytes of the body so far; events in the open bundle. */
size_t dsdn_batch_builder_size(const struct dsdn_batch_builder *b);
uint32_t dsdn_batch_builder_events(const struct dsdn_batch_builder *b);
/* Fill bundle_count, body_len and body_hash of *header, encode, sign with key (NULL: signature of zero
 * bytes), and hand out the batch; the view is valid until the next call on b. */
int dsdn_batch_builder_finish(struct dsdn_batch_builder *b, struct dsdn_header *header,
                              const struct dsdn_sign_key *key, struct dsdn_view *batch,
                              struct dsdn_error *error);

#endif
