/* A bundle, and the direct blob that holds one.  Input: bundle. */
#include "tests/fuzz/fuzz.h"

static const uint8_t genesis[32] = {1, 2, 3};

/* The blob DSDD || genesis || bundle decodes if and only if the bundle does, fills it and is of kind 2. */
static void check_direct(const uint8_t *bytes, size_t len, bool whole)
{
    struct dsdn_bundle bundle;
    struct dsdn_error error = DSDN_ERROR_INIT;
    size_t blob_len = 36 + len;
    uint8_t *blob = fuzz_alloc(blob_len);
    memcpy(blob, "DSDD", 4);
    memcpy(blob + 4, genesis, 32);
    if (len) memcpy(blob + 36, bytes, len);
    int rc = dsdn_direct_decode(blob, blob_len, genesis, &bundle, &error);
    if (blob_len <= DSDN_DIRECT_MAX) CHECK((rc == 0) == (whole && bytes[0] == DSDN_BUNDLE_DIRECT));
    blob[35] ^= 1;
    CHECK(dsdn_direct_decode(blob, blob_len, genesis, &bundle, &error) != 0);
    free(blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *p = data, *end = data + size;
    struct dsdn_bundle bundle;
    struct dsdn_error error = DSDN_ERROR_INIT;
    static uint8_t nothing;
    if (!data) data = p = end = &nothing;
    int rc = dsdn_bundle_next(data, &p, end, &bundle, &error);
    bool frames = false;
    if (rc) {
        CHECK(p == data && error.offset <= size);
    } else {
        CHECK(p <= end && bundle.events + bundle.events_len == p);
        const uint8_t *at = bundle.events;
        struct dsdn_frame frame;
        uint32_t cnt = 0;
        while (cnt < bundle.event_count && dsdn_frame_next(data, &at, p, &frame, &error) == 0) {
            CHECK(frame.payload + frame.len == at && at <= p && frame.len <= DSDN_PAYLOAD_MAX);
            cnt++;
        }
        frames = cnt == bundle.event_count && at == p;
    }
    bool whole = !rc && p == end && frames;
    struct dsdn_batch_builder *builder = dsdn_batch_builder_new();
    CHECK(builder);
    int added = dsdn_batch_builder_bundle(builder, data, size, &error);
    if (whole) CHECK_OK(added, &error);
    CHECK(dsdn_batch_builder_size(builder) == (added ? 0 : size));
    if (!added) CHECK(!rc && p == end);
    dsdn_batch_builder_free(builder);
    check_direct(data, size, !rc && p == end);
    return 0;
}
