/* Genesis files and canonical genesis bytes.  Input: form u8 (bit 0: JSON), bytes. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct dsdn_genesis g, again;
    struct dsdn_error error = DSDN_ERROR_INIT;
    bool text = take8(&in) & 1;
    if (in.left > 65536) return 0;
    int rc = text ? dsdn_genesis_parse(&g, in.at, in.left, &error)
                  : dsdn_genesis_decode(&g, in.at, in.left, &error);
    if (rc) {
        CHECK(error.code == rc && error.message[0]);
        return 0;
    }
    if (!text) CHECK(g.len == in.left && memcmp(g.bytes, in.at, g.len) == 0);
    struct dsdn_text out;
    dsdn_text_init(&out, (size_t)16 << 20, 2);
    CHECK_OK(dsdn_genesis_write(&g, &out, &error), &error);
    CHECK_OK(dsdn_genesis_parse(&again, out.bytes, out.len, &error), &error);
    CHECK(again.len == g.len && memcmp(again.bytes, g.bytes, g.len) == 0 && dsdn_equal32(again.hash, g.hash));
    dsdn_genesis_free(&again);
    CHECK_OK(dsdn_genesis_encode(&again, &g.event, &error), &error);
    CHECK(again.len == g.len && memcmp(again.bytes, g.bytes, g.len) == 0);
    dsdn_genesis_free(&again);
    dsdn_text_free(&out);

    struct dsdn_engine *e; /* a genesis that is checked can be applied */
    CHECK_OK(dsdn_engine_new(&dsdn_catalogue, NULL, &e, &error), &error);
    CHECK_OK(dsdn_engine_genesis(e, g.bytes, g.len, &error), &error);
    CHECK(dsdn_equal32(dsdn_head(dsdn_engine_state(e))->genesis, g.hash));
    uint8_t root[32];
    story_root(e, root);
    dsdn_engine_free(e);
    dsdn_genesis_free(&g);
    return 0;
}
