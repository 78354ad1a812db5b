/* JSON of events from outside.  Input: catalogue u8, text. */
#include "tests/fuzz/fuzz.h"

#include "log/json.h"

enum { ROOM = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t payload[ROOM], again[ROOM];
    struct input in = {data, size};
    const struct dsdn_event_table *table = take_catalogue(&in)->events;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint32_t event, len, event_again, len_again;
    uint8_t version, version_again;
    if (in.left > 65536) return 0;
    int rc =
        dsdn_json_read_event(table, in.at, in.left, &event, &version, payload, sizeof payload, &len, &error);
    if (rc) {
        CHECK(error.code == rc && error.message[0]);
        return 0;
    }
    struct dsdn_text text;
    dsdn_text_init(&text, (size_t)64 << 20, 0);
    CHECK_OK(dsdn_json_write_event(&text, &table->events[event], version, payload, len, &error), &error);
    CHECK_OK(dsdn_json_read_event(table, text.bytes, text.len, &event_again, &version_again, again,
                                  sizeof again, &len_again, &error),
             &error);
    CHECK(event == event_again && version == version_again && len == len_again &&
          memcmp(payload, again, len) == 0);
    dsdn_text_free(&text);
    return 0;
}
