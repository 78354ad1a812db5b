/* A log directory of one hostile segment.  Input: choices u8, durable u8, then the file 000000000000.seg.
 * choices: bit 0 make checksums right; bit 1 open for writing, which recovers the tail.
 * durable: how many of the records that stand in the file the durable record acknowledges (as far as they
 * exist). */
#include "tests/fuzz/fuzz.h"

#include "log/durable.h"
#include "log/segment.h"
#include "log/store.h"

static const uint8_t genesis_bytes[] = "a genesis";

enum { NAME_ROOM = 64 };

static bool record_fits(const uint8_t *bytes, size_t len, size_t at)
{
    return len - at >= DSDN_RECORD_HEADER_LEN && memcmp(bytes + at, "DSDNTRLR", 8) != 0 &&
           dsdn_load32(bytes + at + 4) <= len - at - DSDN_RECORD_HEADER_LEN;
}

/* Makes every checksum of the file fit its bytes. */
static void fix(uint8_t *bytes, size_t len)
{
    size_t at = DSDN_SEGMENT_HEADER_LEN;
    if (len < at) return;
    memcpy(bytes, "DSDNSEG1", 8);
    dsdn_tagged("dsdn/genesis/1", genesis_bytes, sizeof genesis_bytes, bytes + 8);
    dsdn_store32(bytes + 88, dsdn_crc32c(0, bytes, 88));
    while (record_fits(bytes, len, at)) {
        uint32_t batch = dsdn_load32(bytes + at + 4);
        dsdn_store32(bytes + at, dsdn_crc32c(0, bytes + at + 4, 60 + (size_t)batch));
        at += DSDN_RECORD_HEADER_LEN + (size_t)batch;
    }
    if (len - at < DSDN_SEGMENT_TRAILER_LEN || memcmp(bytes + at, "DSDNTRLR", 8) != 0) return;
    dsdn_sha256(bytes, at, bytes + at + 80);
    dsdn_store32(bytes + at + 112, dsdn_crc32c(0, bytes + at, 112));
}

/* A durable record that fits the first `records` records, whatever they say. */
static void put_durable(struct disk *d, const uint8_t *bytes, size_t len, unsigned records)
{
    struct dsdn_durable durable = {.counter = 1, .segment_bytes = DSDN_SEGMENT_HEADER_LEN};
    struct dsdn_error error = DSDN_ERROR_INIT;
    size_t at = DSDN_SEGMENT_HEADER_LEN;
    dsdn_tagged("dsdn/genesis/1", genesis_bytes, sizeof genesis_bytes, durable.genesis);
    if (len >= at) memcpy(durable.head, bytes + 56, 32);
    for (; len >= at && records && record_fits(bytes, len, at); records--) {
        durable.next_sequence++;
        durable.next_event += dsdn_load32(bytes + at + 24);
        memcpy(durable.head, bytes + at + 32, 32);
        at += DSDN_RECORD_HEADER_LEN + (size_t)dsdn_load32(bytes + at + 4);
        durable.segment_bytes = at;
    }
    CHECK_OK(dsdn_durable_create(&d->io, "log/durable", &durable, &error), &error);
}

/* Reads the durable part to its end or its first fault. */
static int read_all(struct dsdn_store *store, uint64_t *records)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_source *source;
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    CHECK_OK(dsdn_store_source(store, &source, &error), &error);
    int rc;
    *records = 0;
    while (!(rc = dsdn_source_next(source, &buffer, &record, &error)) &&
           !(rc = dsdn_record_check(&record, &error))) {
        CHECK(record.sequence == source->first + *records);
        ++*records;
    }
    dsdn_source_close(source);
    dsdn_buffer_free(&buffer);
    return rc == DSDN_E_AGAIN ? 0 : rc;
}

/* Opens and reads; returns whether it could be opened. */
static bool look(struct disk *d, bool write, struct dsdn_store_report *report, struct dsdn_store_info *info,
                 int *verdict)
{
    struct dsdn_store_options options = {.io = &d->io, .write = write, .no_index = true};
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_store *store;
    uint64_t read, verified = 0;
    int rc = dsdn_store_open("log", &options, &store, report, &error);
    if (rc) {
        CHECK(error.code == rc && error.message[0]);
        return false;
    }
    dsdn_store_info(store, info);
    CHECK(info->durable_next <= info->next_sequence);
    *verdict = read_all(store, &read);
    int verify = dsdn_store_verify(store, &verified, &error);
    if (!*verdict) CHECK(read == info->durable_next - info->first_sequence);
    if (!verify) CHECK(*verdict == 0 && verified == read);
    dsdn_store_close(store);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t choices = take8(&in), records = take8(&in);
    struct disk d;
    struct dsdn_store_report report;
    struct dsdn_store_info info, again;
    int verdict, verdict_again;
    disk_init(&d);
    uint8_t *bytes = fuzz_copy(in.at, in.left);
    if (choices & 1) fix(bytes, in.left);
    disk_put(&d, "log/genesis.bin", genesis_bytes, sizeof genesis_bytes);
    disk_put(&d, "log/lock", NULL, 0);
    disk_put(&d, "log/segments/000000000000.seg", bytes, in.left);
    put_durable(&d, bytes, in.left, records);
    bool write = choices & 2;
    if (look(&d, write, &report, &info, &verdict)) {
        /* What a writer kept is there for whoever comes next, and there is nothing left to mend. */
        CHECK(look(&d, write, &report, &again, &verdict_again));
        CHECK(again.next_sequence == info.next_sequence && again.next_event == info.next_event);
        CHECK(dsdn_equal32(again.head, info.head) && verdict == verdict_again);
        if (write)
            CHECK(report.cut_bytes == 0 && report.kept_records == 0 &&
                  again.durable_next == info.next_sequence);
        CHECK(look(&d, false, &report, &again, &verdict_again) && verdict == verdict_again);
    }
    free(bytes);
    disk_free(&d);
    return 0;
}
