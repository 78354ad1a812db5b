/* The language of --where, against the events of a small log.  Input: text. */
#include "tests/fuzz/fuzz.h"

#include "log/filter.h"

static const struct dsdn_filter_name outcomes[] = {{0, "OK"}, {7, "PRECONDITION"}, {10, "NO_EFFECT"}};
static const struct dsdn_filter_name codes[] = {{1, "NODE_UNKNOWN"}, {32, "OBJECT_UNKNOWN"}};
static const struct dsdn_filter_names names = {outcomes, codes, 3, 2};

/* Matching is a function of filter and event; !(x) is its opposite, where both fit the bounds. */
static void check_events(const struct dsdn_filter *filter, const struct dsdn_filter *opposite)
{
    const struct story *story = story_get();
    struct dsdn_prepared p = {.ops = NULL};
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (uint32_t i = 0; i < story->cnt; i += 5) {
        CHECK_OK(dsdn_prepare(&p, &dsdn_catalogue, 1, story->batches[i].bytes, story->batches[i].len, &error),
                 &error);
        for (uint32_t k = 0; k < p.op_cnt; k++) {
            uint32_t bundle, index;
            dsdn_prepared_position(&p, k, &bundle, &index);
            struct dsdn_filter_event e = {.seq = i,
                                          .index = k,
                                          .time_ms = p.batch.header.time_ms,
                                          .event = p.ops[k].event,
                                          .version = p.ops[k].version,
                                          .len = p.ops[k].len,
                                          .payload = p.ops[k].payload,
                                          .author = p.bundles[bundle].bundle.author,
                                          .outcome = (int32_t)(k % 9) - 1};
            bool matches = dsdn_filter_match(filter, &e);
            CHECK(matches == dsdn_filter_match(filter, &e));
            if (opposite) CHECK(matches != dsdn_filter_match(opposite, &e));
        }
    }
    dsdn_prepared_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > DSDN_FILTER_TEXT_MAX + 64) return 0;
    char *text = fuzz_alloc(size + 8), caret[512];
    struct dsdn_filter *filter, *opposite = NULL;
    struct dsdn_error error = DSDN_ERROR_INIT;
    memcpy(text, "!(", 2);
    if (size) memcpy(text + 2, data, size);
    text[size + 2] = 0;
    size_t len = strlen(text + 2);
    int rc = dsdn_filter_compile(text + 2, &dsdn_event_table, &names, &filter, &error);
    if (rc) {
        CHECK(rc == DSDN_E_USAGE && error.message[0]);
        CHECK(error.offset == DSDN_NO_OFFSET || error.offset <= len);
        dsdn_filter_caret(text + 2, &error, caret, sizeof caret);
        CHECK(strlen(caret) < sizeof caret);
    } else {
        memcpy(text + 2 + len, ")", 2);
        if (dsdn_filter_compile(text, &dsdn_event_table, &names, &opposite, NULL)) opposite = NULL;
        check_events(filter, opposite);
        dsdn_filter_free(opposite);
        dsdn_filter_free(filter);
    }
    free(text);
    return 0;
}
