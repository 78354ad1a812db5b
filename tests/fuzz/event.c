/* Payloads of every event of both catalogues.  Input: catalogue u8, event u8, version u8, payload. */
#include "tests/fuzz/fuzz.h"

#include "log/json.h"
#include "log/kind.h"

enum { ROOM = 1 << 20 };

/* Through JSON and back: the same bytes. */
static void check_json(const struct dsdn_event_table *table, uint32_t event, uint8_t version,
                       const uint8_t *payload, uint32_t len)
{
    static uint8_t again[ROOM];
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text text;
    uint32_t found, again_len;
    uint8_t found_version;
    dsdn_text_init(&text, (size_t)64 << 20, len % 3);
    CHECK_OK(dsdn_json_write_event(&text, &table->events[event], version, payload, len, &error), &error);
    CHECK_OK(dsdn_json_read_event(table, text.bytes, text.len, &found, &found_version, again, sizeof again,
                                  &again_len, &error),
             &error);
    CHECK(found == event && found_version == version && again_len == len && memcmp(again, payload, len) == 0);
    dsdn_text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[ROOM];
    struct input in = {data, size};
    const struct dsdn_event_table *table = take_catalogue(&in)->events;
    uint32_t event = take8(&in) % table->event_cnt, len = 0;
    const struct dsdn_event_desc *desc = &table->events[event];
    uint8_t version = take8(&in);
    struct dsdn_error error = DSDN_ERROR_INIT;
    union dsdn_decoded decoded;
    if (in.left > ROOM) return 0;
    int rc = dsdn_event_decode(desc, version, in.at, (uint32_t)in.left, &decoded, &error);
    if (rc) {
        CHECK(rc == DSDN_E_MALFORMED && error.message[0]);
        return 0;
    }
    CHECK(version >= 1 && version <= desc->version);
    CHECK_OK(dsdn_event_encode(desc, version, &decoded, again, sizeof again, &len, &error), &error);
    CHECK(len == in.left && (len == 0 || memcmp(again, in.at, len) == 0));
    CHECK(len == 0 ||
          dsdn_event_encode(desc, version, &decoded, again, len - 1, &len, NULL) == DSDN_E_TOO_LARGE);
    check_json(table, event, version, in.at, (uint32_t)in.left);
    return 0;
}
