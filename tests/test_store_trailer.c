/* A crash between closing a segment and recording that leaves a trailer beyond the durable length.  Recovery
 * keeps it only if every reader will take it; fuzzing found one that the writer kept and readers refused. */
#include "tests/store_util.h"

#include "log/segment.h"

enum { SEGMENT = 600, BATCH = 48 };

/* Closes a segment, goes back to the durable record from before, adds `delta` to the u64 at `offset` of the
 * trailer, makes its checksum right, and lets a writer recover. */
static uint64_t recover(size_t offset, uint64_t delta)
{
    struct path dir = scratch_make(), log = sub(&dir, "log"), durable = sub(&log, "durable"),
                segments = sub(&log, "segments");
    struct path first = sub(&segments, "000000000000.seg");
    struct dsdn_store_report report;
    struct dsdn_store_info info;
    size_t durable_len, len;
    uint64_t next;
    log_create(&log);
    struct dsdn_store *store = log_open(&log, true, SEGMENT, true, NULL);
    log_fill(store, 0, 3, 0, BATCH);
    uint8_t *before = slurp(durable.text, &durable_len);
    log_fill(store, 3, 6, 0, BATCH);
    dsdn_store_info(store, &info);
    assert_int_equal(info.segments, 2);
    dsdn_store_close(store);
    spew(durable.text, before, durable_len);
    uint8_t *bytes = slurp(first.text, &len), *trailer = bytes + len - DSDN_SEGMENT_TRAILER_LEN;
    assert_memory_equal(trailer, "DSDNTRLR", 8);
    uint64_t records = dsdn_load64(trailer + 8);
    dsdn_store64(trailer + offset, dsdn_load64(trailer + offset) + delta);
    dsdn_store32(trailer + 112, dsdn_crc32c(0, trailer, 112));
    spew(first.text, bytes, len);

    store = log_open(&log, true, SEGMENT, true, &report);
    dsdn_store_info(store, &info);
    assert_true(info.next_sequence >= records);
    dsdn_store_close(store);
    must(log_check(&log, 0, UINT64_MAX, BATCH, &next, test_error()));
    assert_int_equal(next, info.next_sequence);
    free(before);
    free(bytes);
    scratch_remove(&dir);
    return report.cut_bytes;
}

static void test_trailers(void **state)
{
    (void)state;
    assert_int_equal(recover(8, 0), 0);
    static const size_t offsets[] = {8 /* record_count */, 16 /* first_sequence */, 24 /* last_sequence */,
                                     64 /* bytes */, 72 /* event_count */};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        assert_int_equal(recover(offsets[i], 1), DSDN_SEGMENT_TRAILER_LEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trailers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
