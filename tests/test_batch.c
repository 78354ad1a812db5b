#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log/batch.h"
#include "log/hash.h"

/* One batch by hand: an authority bundle of two events and a pool bundle of one, all fields different.
 * Written by an independent program (SHA-256 and Ed25519 of its own) from protocol.md alone. */
static const char golden_batch[] =
    "4453444201101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0102030405060708303132"
    "333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f0700000000000000e86be5cf8b01000000093d"
    "00000000000068e5cf8b010000505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6fff083d"
    "0000000000ffffffff020bd427446b723424d80d2cad352ba3df3649d0ef8faae0ca7eb25443941b2902000000820100"
    "00704881a47da3a1dab203ac5577f320026879a8ef8640716c13920941cbc8df6fabbd83863fbd55197fa203248da374"
    "fc26c0c3d36309b552d43e1994388591cc2b9c2d1be3ffde15528f827810510877d07a7e20c03842a74043fd52cf1e24"
    "080001000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000002000b000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000002010103616263feff0200010179b5562e8fe654f94078"
    "b112e8a98ba7901f853ae695bed7e0e3910bad04966488776655443322117b68e5cf8b01000001008700000011ab174e"
    "f47c7875dd8c20e42920afa061b8a6b9570796497d7b69cd04f6fd74f1f223ad26512c4607d9193147a09991fb3b80e5"
    "927001f4a8628a94ba50e2050403018201000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"
    "1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e"
    "4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e"
    "7f8081";
static const char golden_hash[] = "d6d1bbd956124b7f970666c09992c99983aa075be707d015362b6b117a169327";
static const char golden_bundle_message[] =
    "79c3b240e93ebf4070c8a3eb894d83cc2cf5f85451a9a08732add3f5e3f96bc5";
static const char golden_event_id[] = "3b9cdcf3861b53dad875005beb0744a181425459aeed662ef8f4c860ab0093f1";
static const char golden_event_id_authority[] =
    "51191b8a2fc2ff4e529ac41ca10e1c2f308fcc2f0e27963f473eb2bd9eb2d08d";
static const char golden_certificate_message[] =
    "4e4fffd65630976310b1733634c226c8ee1efdd3c0993fb0bc32bc6cc5a6ab7a";

static uint64_t seed = 1;

/* xorshift64*: the same numbers in every run. */
static uint32_t number(uint32_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * 0x2545f4914f6cdd1dU) >> 33) % below;
}

static void fill(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) p[i] = (uint8_t)number(256);
}

static void count_up(uint8_t *p, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len; i++) p[i] = (uint8_t)(first + i);
}

static void make_key(struct dsdn_sign_key *key, uint8_t first)
{
    uint8_t bytes[32];
    count_up(bytes, 32, first);
    dsdn_sign_key_from_seed(key, bytes);
}

static uint8_t *unhex(const char *text, size_t *len)
{
    *len = strlen(text) / 2;
    uint8_t *bytes = malloc(*len);
    assert_non_null(bytes);
    assert_true(dsdn_hex_decode(text, *len, bytes));
    return bytes;
}

static void expect(const uint8_t hash[32], const char *hex)
{
    char text[65];
    dsdn_hex_encode(hash, 32, text);
    assert_string_equal(text, hex);
}

/* A copy of exactly len bytes on the heap: the sanitizer sees a read behind it. */
static uint8_t *exact(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len) memcpy(copy, bytes, len);
    return len ? copy : copy + 1;
}

static void exact_free(uint8_t *copy, size_t len)
{
    free(len ? copy : copy - 1);
}

/* Writes a bundle again from what was decoded, frames included; false when its events are not well framed. */
static bool write_bundle(const struct dsdn_bundle *bundle, uint8_t **to)
{
    uint8_t *p = *to;
    *p++ = bundle->kind;
    *p++ = bundle->scheme;
    memcpy(p, bundle->author, 32);
    dsdn_store64(p + 32, bundle->nonce);
    dsdn_store64(p + 40, bundle->valid_until);
    dsdn_store16(p + 48, bundle->event_count);
    dsdn_store32(p + 50, bundle->events_len);
    memcpy(p + 54, bundle->signature, 64);
    p += 118;
    const uint8_t *at = bundle->events, *end = at + bundle->events_len;
    for (uint32_t i = 0; i < bundle->event_count; i++) {
        struct dsdn_frame frame;
        if (dsdn_frame_next(bundle->events, &at, end, &frame, NULL)) return false;
        dsdn_store16(p, frame.type);
        p[2] = frame.version;
        p = dsdn_varint_put(p + 3, frame.len);
        if (frame.len) memcpy(p, frame.payload, frame.len);
        p += frame.len;
    }
    *to = p;
    return at == end;
}

/* Decodes and walks everything, and writes it again into out: 0 when refused, else the length. */
static size_t rewrite(const uint8_t *bytes, size_t len, uint8_t *out)
{
    struct dsdn_batch batch;
    if (dsdn_batch_decode(bytes, len, &batch, NULL)) return 0;
    dsdn_header_encode(&batch.header, out);
    memcpy(out + DSDN_HEADER_LEN, batch.signature, 64);
    uint8_t *p = out + DSDN_BATCH_FIXED_LEN;
    const uint8_t *at = batch.body, *end = at + batch.header.body_len;
    for (uint32_t i = 0; i < batch.header.bundle_count; i++) {
        struct dsdn_bundle bundle;
        if (dsdn_bundle_next(bytes, &at, end, &bundle, NULL) || !write_bundle(&bundle, &p)) return 0;
    }
    return at == end ? (size_t)(p - out) : 0;
}

static void golden_header(struct dsdn_header *header)
{
    struct dsdn_sign_key authority;
    make_key(&authority, 0x81);
    *header = (struct dsdn_header){.sequence = 0x0807060504030201,
                                   .committee_epoch = 7,
                                   .time_ms = 1700000001000,
                                   .origin = {.height = 4000000, .time_ms = 1700000000000},
                                   .cursor = {3999999, DSDN_CURSOR_END}};
    count_up(header->genesis, 32, 0x10);
    count_up(header->prev, 32, 0x30);
    count_up(header->origin.hash, 32, 0x50);
    memcpy(header->publisher, authority.public_key, 32);
}

static void golden_encode(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_sign_key authority, author;
    struct dsdn_header header;
    make_key(&authority, 0x81);
    make_key(&author, 0x01);
    golden_header(&header);
    uint8_t payload[130];
    count_up(payload, sizeof payload, 0);
    struct dsdn_batch_builder *b = dsdn_batch_builder_new();
    assert_non_null(b);
    struct dsdn_view view;
    size_t len;
    uint8_t *want = unhex(golden_batch, &len);
    for (int round = 0; round < 2; round++) { /* the second time with a used builder */
        dsdn_batch_builder_reset(b);
        assert_int_equal(dsdn_batch_builder_begin(b, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0, &error), 0);
        assert_int_equal(dsdn_batch_builder_event(b, 0x0102, 1, (const uint8_t *)"abc", 3, &error), 0);
        assert_int_equal(dsdn_batch_builder_event(b, 0xfffe, 2, NULL, 0, &error), 0);
        assert_int_equal(dsdn_batch_builder_events(b), 2);
        assert_int_equal(dsdn_batch_builder_end(b, NULL, NULL, &error), 0);
        assert_int_equal(dsdn_batch_builder_events(b), 0);
        assert_int_equal(dsdn_batch_builder_size(b), DSDN_BUNDLE_LEN + 11);
        if (round == 0) {
            assert_int_equal(dsdn_batch_builder_begin(b, DSDN_BUNDLE_POOL, author.public_key,
                                                      0x1122334455667788, 1700000000123, &error),
                             0);
            assert_int_equal(dsdn_batch_builder_event(b, 0x0304, 1, payload, sizeof payload, &error), 0);
            assert_int_equal(dsdn_batch_builder_end(b, header.genesis, &author, &error), 0);
        } else {
            const size_t first = DSDN_BATCH_FIXED_LEN + DSDN_BUNDLE_LEN + 11;
            assert_int_equal(dsdn_batch_builder_bundle(b, want + DSDN_BATCH_FIXED_LEN,
                                                       first - DSDN_BATCH_FIXED_LEN + 1, &error),
                             DSDN_E_MALFORMED); /* one byte more than the bundle has */
            assert_int_equal(dsdn_batch_builder_bundle(b, want + first, len - first, &error), 0);
        }
        assert_int_equal(dsdn_batch_builder_finish(b, &header, &authority, &view, &error), 0);
        assert_int_equal(view.len, len);
        assert_memory_equal(view.bytes, want, len);
    }
    free(want);
    dsdn_batch_builder_free(b);
}

static void golden_decode(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_batch batch;
    struct dsdn_bundle bundle;
    struct dsdn_frame frame;
    struct dsdn_header want;
    uint8_t hash[32], message[32];
    size_t len;
    uint8_t *bytes = unhex(golden_batch, &len);
    assert_int_equal(dsdn_batch_decode(bytes, len, &batch, &error), 0);
    golden_header(&want);
    assert_memory_equal(batch.header.genesis, want.genesis, 32);
    assert_true(batch.header.sequence == want.sequence && batch.header.committee_epoch == 7);
    assert_memory_equal(batch.header.prev, want.prev, 32);
    assert_true(batch.header.time_ms == want.time_ms && batch.header.origin.height == 4000000);
    assert_true(batch.header.origin.time_ms == 1700000000000);
    assert_memory_equal(batch.header.origin.hash, want.origin.hash, 32);
    assert_true(batch.header.cursor.height == 3999999 && batch.header.cursor.blob_index == DSDN_CURSOR_END);
    assert_memory_equal(batch.header.publisher, want.publisher, 32);
    assert_int_equal(batch.header.bundle_count, 2);
    assert_ptr_equal(batch.body, bytes + DSDN_BATCH_FIXED_LEN);
    expect(batch.hash, golden_hash);
    dsdn_body_hash(batch.body, batch.header.body_len, hash);
    assert_memory_equal(hash, batch.header.body_hash, 32);
    dsdn_batch_message(bytes, message);
    assert_true(dsdn_verify(NULL, want.publisher, message, batch.signature));

    const uint8_t *p = batch.body, *end = p + batch.header.body_len, *at;
    assert_int_equal(dsdn_bundle_next(bytes, &p, end, &bundle, &error), 0);
    assert_true(bundle.kind == 0 && bundle.event_count == 2 && bundle.events_len == 11);
    at = bundle.events;
    assert_int_equal(dsdn_frame_next(bytes, &at, at + 11, &frame, &error), 0);
    assert_true(frame.type == 0x0102 && frame.version == 1 && frame.len == 3);
    assert_memory_equal(frame.payload, "abc", 3);
    assert_int_equal(dsdn_frame_next(bytes, &at, bundle.events + 11, &frame, &error), 0);
    assert_true(frame.type == 0xfffe && frame.version == 2 && frame.len == 0 && at == bundle.events + 11);
    dsdn_event_id_authority(batch.hash, 0, 1, hash);
    expect(hash, golden_event_id_authority);

    assert_int_equal(dsdn_bundle_next(bytes, &p, end, &bundle, &error), 0);
    assert_ptr_equal(p, end);
    assert_true(bundle.kind == 1 && bundle.nonce == 0x1122334455667788 &&
                bundle.valid_until == 1700000000123);
    dsdn_bundle_message(batch.header.genesis, &bundle, message);
    expect(message, golden_bundle_message);
    assert_true(dsdn_verify(NULL, bundle.author, message, bundle.signature));
    bundle.kind = DSDN_BUNDLE_DIRECT; /* not signed */
    dsdn_bundle_message(batch.header.genesis, &bundle, hash);
    assert_memory_equal(hash, message, 32);
    bundle.scheme = 2; /* signed, so that no later scheme can reuse a signature */
    dsdn_bundle_message(batch.header.genesis, &bundle, hash);
    assert_memory_not_equal(hash, message, 32);
    dsdn_event_id(message, 0, hash);
    expect(hash, golden_event_id);
    dsdn_certificate_message(batch.header.genesis, 9, batch.header.sequence, batch.hash, hash);
    expect(hash, golden_certificate_message);
    free(bytes);
}

/* Every prefix is refused, and so is every extension. */
static void cut_short(void **state)
{
    (void)state;
    struct dsdn_batch batch;
    struct dsdn_error error;
    size_t len;
    uint8_t *bytes = unhex(golden_batch, &len);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *part = exact(bytes, cut);
        assert_int_equal(dsdn_batch_decode(part, cut, &batch, &error), DSDN_E_TRUNCATED);
        assert_int_equal(error.offset, cut);
        exact_free(part, cut);
    }
    uint8_t *longer = malloc(len + 1);
    assert_non_null(longer);
    memcpy(longer, bytes, len);
    longer[len] = 0;
    assert_int_equal(dsdn_batch_decode(longer, len + 1, &batch, &error), DSDN_E_MALFORMED);
    assert_int_equal(error.offset, len);
    free(longer);

    /* Bundles and frames cut anywhere, as they stand in a body whose length was believed. */
    const size_t first = DSDN_BUNDLE_LEN + 11, body_len = len - DSDN_BATCH_FIXED_LEN;
    for (size_t cut = 0; cut < body_len; cut++) {
        uint8_t *body = exact(bytes + DSDN_BATCH_FIXED_LEN, cut);
        const uint8_t *p = body;
        struct dsdn_bundle bundle;
        int code = dsdn_bundle_next(body, &p, body + cut, &bundle, &error);
        assert_int_equal(code, cut < first ? DSDN_E_TRUNCATED : 0);
        assert_ptr_equal(p, cut < first ? body : body + first);
        if (!code) {
            assert_int_equal(dsdn_bundle_next(body, &p, body + cut, &bundle, &error), DSDN_E_TRUNCATED);
            assert_true(error.offset >= first && error.offset < first + DSDN_BUNDLE_LEN);
        }
        exact_free(body, cut);
    }
    for (size_t cut = 0; cut < 135; cut++) { /* the pool bundle's frame: 3 + 2 + 130 bytes */
        uint8_t *events = exact(bytes + len - 135, cut);
        const uint8_t *p = events;
        struct dsdn_frame frame;
        int code = dsdn_frame_next(events, &p, events + cut, &frame, &error);
        assert_int_equal(code,
                         cut == 4 ? DSDN_E_MALFORMED : DSDN_E_TRUNCATED); /* 4: in the middle of the varint */
        assert_ptr_equal(p, events);
        exact_free(events, cut);
    }
    free(bytes);
}

/* One byte changed, any place, any value: what is still taken is written back as exactly those bytes, so it
 * differs from the original in what was decoded. */
static void any_byte_changed(void **state)
{
    (void)state;
    size_t len, taken = 0, refused = 0;
    uint8_t *bytes = unhex(golden_batch, &len), *out = malloc(2 * len);
    assert_non_null(out);
    assert_int_equal(rewrite(bytes, len, out), len);
    for (size_t i = 0; i < len; i++)
        for (int flip = 1; flip < 256; flip++) {
            bytes[i] ^= (uint8_t)flip;
            size_t got = rewrite(bytes, len, out);
            got ? taken++ : refused++;
            if (got) {
                assert_int_equal(got, len);
                assert_memory_equal(out, bytes, len);
            }
            bytes[i] ^= (uint8_t)flip;
        }
    assert_true(taken > 0 && refused > 0);
    free(out);
    free(bytes);
}

/* What the form of a bundle forbids, place by place. */
static void bundle_rules(void **state)
{
    (void)state;
    struct dsdn_error error;
    struct dsdn_bundle bundle;
    size_t len;
    uint8_t *golden = unhex(golden_batch, &len), *body = golden + DSDN_BATCH_FIXED_LEN;
    const size_t first = DSDN_BUNDLE_LEN + 11;
    const struct {
        size_t at;
        uint8_t value;
        int code;
    } cases[] = {
        {0, 3, DSDN_E_MALFORMED},  {0, 255, DSDN_E_MALFORMED}, {1, 0, DSDN_E_MALFORMED},
        {1, 2, DSDN_E_MALFORMED},  {50, 0, DSDN_E_MALFORMED},  {50, 3, DSDN_E_MALFORMED},
        {51, 1, DSDN_E_MALFORMED}, {52, 12, DSDN_E_TRUNCATED}, {55, 255, DSDN_E_TRUNCATED},
        {52, 7, DSDN_E_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *copy = exact(body, first);
        const uint8_t *p = copy;
        copy[cases[i].at] = cases[i].value;
        assert_int_equal(dsdn_bundle_next(copy, &p, copy + first, &bundle, &error), cases[i].code);
        assert_ptr_equal(p, copy);
        exact_free(copy, first);
    }
    for (size_t i = 2; i < DSDN_BUNDLE_LEN;
         i++) { /* authority: author, nonce, valid_until and signature are zero */
        if (i >= 50 && i < 56) continue;
        body[i] = 0x40;
        const uint8_t *p = body;
        assert_int_equal(dsdn_bundle_next(golden, &p, body + first, &bundle, &error), DSDN_E_MALFORMED);
        body[i] = 0;
    }
    free(golden);

    static const uint8_t overlong[] = {1, 0, 1, 0x80, 0}, huge[] = {1, 0, 1, 0x81, 0x80, 0x20, 0};
    const uint8_t *p = overlong;
    struct dsdn_frame frame;
    assert_int_equal(dsdn_frame_next(overlong, &p, overlong + 5, &frame, &error), DSDN_E_MALFORMED);
    p = huge; /* one byte above the bound */
    assert_int_equal(dsdn_frame_next(huge, &p, huge + 7, &frame, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(error.offset, 3);
    assert_int_equal(dsdn_frame_next(huge, &p, huge + 7, &frame, NULL),
                     DSDN_E_TOO_LARGE); /* error may be NULL */
}

static void header_bounds(void **state)
{
    (void)state;
    struct dsdn_header header;
    struct dsdn_error error;
    uint8_t bytes[DSDN_HEADER_LEN];
    static const struct {
        uint32_t bundles, body;
        int code;
    } cases[] = {
        {0, 0, 0},
        {1, 124, 0},
        {1, 123, DSDN_E_MALFORMED},
        {0, 1, DSDN_E_MALFORMED},
        {UINT32_MAX, 124, DSDN_E_MALFORMED},
        {34636834, 124, DSDN_E_MALFORMED}, /* times 124 is 2^32 + 120 */
        {1, DSDN_BATCH_LIMIT - DSDN_BATCH_FIXED_LEN, 0},
        {1, DSDN_BATCH_LIMIT - DSDN_BATCH_FIXED_LEN + 1, DSDN_E_TOO_LARGE},
        {1, UINT32_MAX, DSDN_E_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        golden_header(&header);
        memset(header.body_hash, 0, 32);
        header.bundle_count = cases[i].bundles;
        header.body_len = cases[i].body;
        dsdn_header_encode(&header, bytes);
        assert_int_equal(dsdn_header_decode(bytes, sizeof bytes, &header, &error), cases[i].code);
    }
    bytes[3] = 'C';
    assert_int_equal(dsdn_header_decode(bytes, sizeof bytes, &header, &error), DSDN_E_FORMAT);
    bytes[3] = 'B';
    bytes[4] = 2;
    assert_int_equal(dsdn_header_decode(bytes, sizeof bytes, &header, &error), DSDN_E_FORMAT);
    assert_int_equal(error.offset, 4);
}

static void round_trips(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_sign_key key;
    struct dsdn_batch_builder *b = dsdn_batch_builder_new();
    uint8_t *payload = malloc(70000), *out = malloc(2000000);
    assert_true(b && payload && out);
    make_key(&key, 3);
    fill(payload, 70000);
    for (int round = 0; round < 60; round++) {
        struct dsdn_header header;
        struct dsdn_view view;
        struct dsdn_batch batch;
        uint32_t bundles = number(6), counts[6] = {0};
        golden_header(&header);
        header.sequence = number(1000000);
        dsdn_batch_builder_reset(b);
        for (uint32_t i = 0; i < bundles; i++) {
            uint8_t kind = (uint8_t)number(3);
            const uint8_t *author = kind ? key.public_key : NULL;
            assert_int_equal(dsdn_batch_builder_begin(b, kind, author, kind ? i : 0, 0, &error), 0);
            counts[i] = 1 + number(12);
            for (uint32_t k = 0; k < counts[i]; k++) {
                uint32_t len = number(20) ? number(300) : number(70000);
                assert_int_equal(dsdn_batch_builder_event(b, (uint16_t)k, 1, payload, len, &error), 0);
            }
            assert_int_equal(dsdn_batch_builder_end(b, header.genesis, &key, &error), 0);
        }
        size_t size = dsdn_batch_builder_size(b);
        assert_int_equal(dsdn_batch_builder_finish(b, &header, round % 2 ? &key : NULL, &view, &error), 0);
        assert_true(header.body_len == size && header.bundle_count == bundles);
        uint8_t *copy = exact(view.bytes, view.len);
        assert_int_equal(rewrite(copy, view.len, out), view.len);
        assert_memory_equal(out, copy, view.len);
        assert_int_equal(dsdn_batch_decode(copy, view.len, &batch, &error), 0);
        uint8_t message[32];
        dsdn_batch_message(copy, message);
        assert_int_equal(dsdn_verify(NULL, key.public_key, message, batch.signature), round % 2);
        const uint8_t *p = batch.body;
        for (uint32_t i = 0; i < bundles; i++) {
            struct dsdn_bundle bundle;
            assert_int_equal(dsdn_bundle_next(copy, &p, batch.body + batch.header.body_len, &bundle, &error),
                             0);
            assert_int_equal(bundle.event_count, counts[i]);
            if (!bundle.kind) continue;
            dsdn_bundle_message(header.genesis, &bundle, message);
            assert_true(dsdn_verify(NULL, key.public_key, message, bundle.signature));
        }
        exact_free(copy, view.len);
    }
    dsdn_batch_builder_free(b);
    free(payload);
    free(out);
}

static void builder_refuses(void **state)
{
    (void)state;
    struct dsdn_error error;
    struct dsdn_sign_key key, other;
    struct dsdn_header header;
    struct dsdn_view view;
    uint8_t author[32] = {0}, *big = calloc(1, DSDN_PAYLOAD_MAX + 1);
    struct dsdn_batch_builder *b = dsdn_batch_builder_new();
    assert_true(b && big);
    make_key(&key, 1);
    make_key(&other, 2);
    golden_header(&header);
    assert_int_equal(dsdn_batch_builder_event(b, 1, 1, NULL, 0, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_end(b, header.genesis, &key, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_begin(b, 3, key.public_key, 0, 0, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_begin(b, 0, key.public_key, 0, 0, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_begin(b, 0, NULL, 1, 0, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_begin(b, 0, author, 0, 1, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_begin(b, 1, NULL, 1, 0, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_begin(b, 2, author, 1, 0, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_begin(b, 1, key.public_key, 1, 0, &error), 0);
    assert_int_equal(dsdn_batch_builder_begin(b, 1, key.public_key, 2, 0, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_bundle(b, big, DSDN_BUNDLE_LEN, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_finish(b, &header, &key, &view, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_end(b, header.genesis, &key, &error), DSDN_E_USAGE); /* no event */
    assert_int_equal(dsdn_batch_builder_event(b, 1, 1, big, DSDN_PAYLOAD_MAX + 1, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_batch_builder_event(b, 1, 1, big, DSDN_PAYLOAD_MAX, &error), 0);
    assert_int_equal(dsdn_batch_builder_end(b, header.genesis, NULL, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_end(b, header.genesis, &other, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_batch_builder_end(b, header.genesis, &key, &error), 0);
    assert_int_equal(dsdn_batch_builder_bundle(b, big, DSDN_BUNDLE_LEN, &error), DSDN_E_MALFORMED);

    /* The limit: eight payloads of the largest size do not fit, seven do and what was built stays whole. */
    assert_int_equal(dsdn_batch_builder_begin(b, 0, NULL, 0, 0, &error), 0);
    int added = 0, code;
    while (!(code = dsdn_batch_builder_event(b, 1, 1, big, DSDN_PAYLOAD_MAX, &error))) added++;
    assert_int_equal(code, DSDN_E_TOO_LARGE);
    assert_int_equal(added, 6);
    assert_int_equal(dsdn_batch_builder_end(b, header.genesis, NULL, &error), 0);
    assert_int_equal(dsdn_batch_builder_finish(b, &header, &key, &view, &error), 0);
    uint8_t *out = malloc(view.len);
    assert_non_null(out);
    assert_int_equal(rewrite(view.bytes, view.len, out), view.len);
    assert_memory_equal(out, view.bytes, view.len);
    free(out);

    /* 65,535 events fill a bundle. */
    dsdn_batch_builder_reset(b);
    assert_int_equal(dsdn_batch_builder_size(b), 0);
    assert_int_equal(dsdn_batch_builder_begin(b, 0, NULL, 0, 0, &error), 0);
    for (int i = 0; i < UINT16_MAX; i++)
        assert_int_equal(dsdn_batch_builder_event(b, 1, 1, NULL, 0, &error), 0);
    assert_int_equal(dsdn_batch_builder_event(b, 1, 1, NULL, 0, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_batch_builder_end(b, header.genesis, NULL, &error), 0);
    dsdn_batch_builder_free(b);
    dsdn_batch_builder_free(NULL);
    free(big);
}

static void direct(void **state)
{
    (void)state;
    struct dsdn_error error;
    struct dsdn_bundle bundle;
    size_t len;
    uint8_t *golden = unhex(golden_batch, &len), genesis[32];
    const size_t first = DSDN_BATCH_FIXED_LEN + DSDN_BUNDLE_LEN + 11, bundle_len = len - first;
    const size_t blob_len = 36 + bundle_len;
    uint8_t *blob = malloc(blob_len + 1);
    assert_non_null(blob);
    count_up(genesis, 32, 0x10);
    memcpy(blob, "DSDD", 4);
    memcpy(blob + 4, genesis, 32);
    memcpy(blob + 36, golden + first, bundle_len);
    blob[blob_len] = 0;
    assert_int_equal(dsdn_direct_decode(blob, blob_len, genesis, &bundle, &error),
                     DSDN_E_MALFORMED); /* kind 1 */
    blob[36] = DSDN_BUNDLE_DIRECT;
    assert_int_equal(dsdn_direct_decode(blob, blob_len, genesis, &bundle, &error), 0);
    assert_int_equal(bundle.nonce, 0x1122334455667788);
    assert_int_equal(dsdn_direct_decode(blob, blob_len + 1, genesis, &bundle, &error), DSDN_E_MALFORMED);
    assert_int_equal(error.offset, blob_len);
    for (size_t cut = 0; cut < blob_len; cut++) {
        uint8_t *part = exact(blob, cut);
        assert_int_equal(dsdn_direct_decode(part, cut, genesis, &bundle, &error), DSDN_E_TRUNCATED);
        exact_free(part, cut);
    }
    genesis[31] ^= 1;
    assert_int_equal(dsdn_direct_decode(blob, blob_len, genesis, &bundle, &error), DSDN_E_WRONG_GENESIS);
    blob[0] = 'X';
    assert_int_equal(dsdn_direct_decode(blob, blob_len, genesis, &bundle, &error), DSDN_E_FORMAT);
    uint8_t *large = calloc(1, DSDN_DIRECT_MAX + 1);
    assert_non_null(large);
    assert_int_equal(dsdn_direct_decode(large, DSDN_DIRECT_MAX + 1, genesis, &bundle, &error),
                     DSDN_E_TOO_LARGE);
    free(large);
    free(blob);
    free(golden);
}

enum { MEMBERS = 11 };

/* Every set of signers of small quorum sets: exactly those of at least two thirds are enough. */
static void certificate_threshold(void **state)
{
    (void)state;
    struct dsdn_error error;
    struct dsdn_key_cache *cache = dsdn_key_cache_new(64);
    assert_non_null(cache);
    uint8_t keys[MEMBERS][32], signatures[MEMBERS][64], message[32], genesis[32] = {1}, hash[32] = {2};
    dsdn_certificate_message(genesis, 5, 77, hash, message);
    for (uint8_t i = 0; i < MEMBERS; i++) {
        struct dsdn_sign_key key;
        make_key(&key, (uint8_t)(i * 9));
        memcpy(keys[i], key.public_key, 32);
        dsdn_sign(&key, message, signatures[i]);
    }
    for (uint32_t n = 1; n <= 9; n++)
        for (uint32_t set = 0; set < 1u << n; set += n < 7 ? 1 : 13) {
            const uint8_t *given[MEMBERS];
            uint8_t bytes[6 + 2 + 64 * MEMBERS];
            for (uint32_t i = 0; i < n; i++) given[i] = set >> i & 1 ? signatures[i] : NULL;
            uint32_t signers = (uint32_t)__builtin_popcount(set);
            size_t want = signers ? 6 + (n + 7) / 8 + 64 * signers : 0;
            size_t len = dsdn_certificate_encode(5, given, n, bytes, sizeof bytes);
            assert_int_equal(len, want);
            if (!len) continue;
            assert_int_equal(dsdn_certificate_encode(5, given, n, bytes, len - 1), 0);
            uint8_t *copy = exact(bytes, len);
            struct dsdn_certificate c;
            assert_int_equal(dsdn_certificate_decode(copy, len, &c, &error), 0);
            assert_true(c.set_id == 5 && c.member_count == n && c.signer_count == signers && c.len == len);
            int code = dsdn_certificate_verify(&c, keys[0], n, 67, genesis, 77, hash, cache, &error);
            assert_int_equal(code, 3 * signers >= 2 * n ? 0 : DSDN_E_SIGNATURE);
            static const uint8_t percents[] = {0, 1, 50, 66, 68, 75, 99, 100};
            for (uint32_t i = 0; i < sizeof percents; i++) {
                uint8_t percent = percents[i];
                code = dsdn_certificate_verify(&c, keys[0], n, percent, genesis, 77, hash, cache, &error);
                assert_int_equal(code, percent && 100 * signers >= percent * n ? 0 : DSDN_E_SIGNATURE);
            }
            exact_free(copy, len);
        }
    dsdn_key_cache_free(cache);
}

static void quorum_needs(void **state)
{
    (void)state;
    static const struct {
        uint32_t n;
        uint8_t percent;
        uint32_t needed;
    } cases[] = {{1, 67, 1},    {2, 67, 2},   {3, 67, 2},   {4, 67, 3},   {6, 67, 4},      {7, 67, 5},
                 {100, 67, 67}, {3, 68, 3},   {13, 77, 11}, {29, 69, 21}, {100, 68, 68},   {50, 68, 34},
                 {1, 100, 1},   {3, 100, 3},  {1024, 99, 1014}, {1024, 67, 683}, {1024, 100, 1024},
                 {0, 67, UINT32_MAX}, {5, 0, UINT32_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(dsdn_quorum_needed(cases[i].n, cases[i].percent), cases[i].needed);
}

/* One encoding a signer set, and nothing else verifies. */
static void certificate_form(void **state)
{
    (void)state;
    struct dsdn_error error;
    struct dsdn_certificate c;
    struct dsdn_batch batch;
    size_t batch_len;
    uint8_t *golden = unhex(golden_batch, &batch_len);
    assert_int_equal(dsdn_batch_decode(golden, batch_len, &batch, &error), 0);
    uint8_t keys[MEMBERS][32], signatures[MEMBERS][64], message[32], bytes[4096];
    const uint8_t *given[MEMBERS];
    dsdn_certificate_message(batch.header.genesis, 9, batch.header.sequence, batch.hash, message);
    for (uint8_t i = 0; i < MEMBERS; i++) {
        struct dsdn_sign_key key;
        make_key(&key, (uint8_t)(i * 9));
        memcpy(keys[i], key.public_key, 32);
        dsdn_sign(&key, message, signatures[i]);
        given[i] = i % 5 ? signatures[i] : NULL; /* 8 of 11: the least that is enough */
    }
    memcpy(bytes, "DSDC", 4);
    size_t len = dsdn_certificate_encode(9, given, MEMBERS, bytes + 4, sizeof bytes - 4);
    assert_int_equal(len, 6 + 2 + 8 * 64);
    memcpy(bytes + 4 + len, golden, batch_len);
    size_t total = 4 + len + batch_len;
    assert_int_equal(dsdn_certified_decode(bytes, total, &c, &batch, &error), 0);
    assert_memory_equal(batch.bytes, golden, batch_len);
    const uint8_t *genesis = batch.header.genesis, *hash = batch.hash;
    uint64_t sequence = batch.header.sequence;
    assert_int_equal(dsdn_certificate_verify(&c, keys[0], MEMBERS, 67, genesis, sequence, hash, NULL, &error), 0);
    assert_int_equal(dsdn_certificate_verify(&c, keys[0], MEMBERS - 1, 67, genesis, sequence, hash, NULL, &error),
                     DSDN_E_SIGNATURE);
    assert_int_equal(dsdn_certificate_verify(&c, keys[0], MEMBERS, 67, genesis, sequence + 1, hash, NULL, &error),
                     DSDN_E_SIGNATURE);
    assert_int_equal(dsdn_certificate_verify(&c, keys[0], MEMBERS, 67, hash, sequence, hash, NULL, &error),
                     DSDN_E_SIGNATURE);
    assert_int_equal(dsdn_certificate_verify(&c, keys[0], MEMBERS, 67, genesis, sequence, genesis, NULL, &error),
                     DSDN_E_SIGNATURE);

    for (size_t i = 0; i < len; i++) { /* any byte changed: not a certificate, or not a valid one */
        bytes[4 + i] ^= (uint8_t)(1u << i % 8);
        if (!dsdn_certificate_decode(bytes + 4, len, &c, &error))
            assert_int_equal(
                dsdn_certificate_verify(&c, keys[0], MEMBERS, 67, genesis, sequence, hash, NULL, &error),
                DSDN_E_SIGNATURE);
        bytes[4 + i] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t cut = 0; cut < total; cut++) {
        uint8_t *part = exact(bytes, cut);
        int code = dsdn_certified_decode(part, cut, &c, &batch, &error);
        assert_int_equal(code, cut < 4 ? DSDN_E_FORMAT : DSDN_E_TRUNCATED);
        if (cut >= 4) assert_int_equal(error.offset, cut);
        exact_free(part, cut);
    }
    bytes[total] = 0;
    assert_int_equal(dsdn_certified_decode(bytes, total + 1, &c, &batch, &error), DSDN_E_MALFORMED);
    assert_int_equal(error.offset, total);

    uint8_t small[6 + 129 + 64] = {0};
    assert_int_equal(dsdn_certificate_decode(small, sizeof small, &c, &error),
                     DSDN_E_MALFORMED); /* no members */
    small[4] = MEMBERS;
    assert_int_equal(dsdn_certificate_decode(small, sizeof small, &c, &error),
                     DSDN_E_MALFORMED); /* no signers */
    small[7] = 1u << 3;                 /* bit 11 of members 0..10 */
    assert_int_equal(dsdn_certificate_decode(small, sizeof small, &c, &error), DSDN_E_MALFORMED);
    small[7] = 1u << 2;
    assert_int_equal(dsdn_certificate_decode(small, sizeof small, &c, &error), 0);
    dsdn_store16(small + 4, DSDN_QUORUM_MEMBER_MAX);
    assert_int_equal(dsdn_certificate_decode(small, sizeof small, &c, &error), 0);
    dsdn_store16(small + 4, DSDN_QUORUM_MEMBER_MAX + 1);
    assert_int_equal(dsdn_certificate_decode(small, sizeof small, &c, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_certificate_encode(1, given, 0, bytes, sizeof bytes), 0);
    assert_int_equal(dsdn_certificate_encode(1, given, DSDN_QUORUM_MEMBER_MAX + 1, bytes, sizeof bytes), 0);
    free(golden);
}

/* Random bytes in place of a body or a blob: nothing but refusals or well-formed reads. */
static void noise(void **state)
{
    (void)state;
    struct dsdn_bundle bundle;
    struct dsdn_certificate c;
    struct dsdn_batch batch;
    struct dsdn_frame frame;
    for (int round = 0; round < 20000; round++) {
        size_t len = number(400);
        uint8_t bytes[400];
        fill(bytes, len);
        if (len > 60) { /* plausible enough to get past the first checks */
            bytes[0] = (uint8_t)number(3);
            bytes[1] = 1;
            dsdn_store16(bytes + 50, (uint16_t)number(20));
            dsdn_store32(bytes + 52, number(300));
        }
        uint8_t *copy = exact(bytes, len);
        const uint8_t *p = copy;
        if (!dsdn_bundle_next(copy, &p, copy + len, &bundle, NULL)) {
            assert_true(p > copy && p <= copy + len);
            const uint8_t *at = bundle.events;
            while (!dsdn_frame_next(copy, &at, p, &frame, NULL)) assert_true(at <= p);
        }
        if (!dsdn_certificate_decode(copy, len, &c, NULL)) assert_true(c.len <= len);
        assert_int_not_equal(dsdn_certified_decode(copy, len, &c, &batch, NULL), 0);
        exact_free(copy, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_encode),    cmocka_unit_test(golden_decode),
        cmocka_unit_test(cut_short),        cmocka_unit_test(any_byte_changed),
        cmocka_unit_test(bundle_rules),     cmocka_unit_test(header_bounds),
        cmocka_unit_test(round_trips),      cmocka_unit_test(builder_refuses),
        cmocka_unit_test(direct),           cmocka_unit_test(certificate_threshold),
        cmocka_unit_test(quorum_needs), cmocka_unit_test(certificate_form), cmocka_unit_test(noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
