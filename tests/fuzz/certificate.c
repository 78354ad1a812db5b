/* Certificates, and DSDC blobs.  Input: certificate, perhaps with a batch behind it. */
#include "tests/fuzz/fuzz.h"

static void check_encoding(const uint8_t *data, const struct dsdn_certificate *c)
{
    static const uint8_t *signatures[DSDN_QUORUM_MEMBER_MAX];
    uint32_t next = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        bool set = c->bitmap[i / 8] >> i % 8 & 1;
        signatures[i] = set ? c->signatures + (size_t)64 * next++ : NULL;
    }
    CHECK(next == c->signer_count && next > 0);
    uint8_t *again = fuzz_alloc(c->len);
    CHECK(dsdn_certificate_encode(c->set_id, signatures, c->member_count, again, c->len) == c->len);
    CHECK(memcmp(again, data, c->len) == 0);
    CHECK(dsdn_certificate_encode(c->set_id, signatures, c->member_count, again, c->len - 1) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dsdn_certificate c, again;
    struct dsdn_batch batch, bare;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t *blob = fuzz_alloc(size + 4);
    memcpy(blob, "DSDC", 4);
    if (size) memcpy(blob + 4, data, size);
    int rc = dsdn_certificate_decode(blob + 4, size, &c, &error);
    if (!rc) {
        CHECK(c.len <= size && c.member_count <= DSDN_QUORUM_MEMBER_MAX);
        check_encoding(blob + 4, &c);
    } else
        CHECK(error.code == rc);
    int certified = dsdn_certified_decode(blob, size + 4, &again, &batch, &error);
    int inner = rc ? rc : dsdn_batch_decode(blob + 4 + c.len, size - c.len, &bare, &error);
    CHECK((certified == 0) == (inner == 0));
    if (!certified)
        CHECK(batch.bytes == blob + 4 + c.len && again.len == c.len && dsdn_equal32(batch.hash, bare.hash));
    free(blob);
    return 0;
}
