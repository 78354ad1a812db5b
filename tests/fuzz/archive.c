/* Archives: as files, checked, recovered and streamed.  Input: choices u8, then the file.
 * choices: bit 0 make hashes, checksums, chain, seek table and footer those of the sections that are there.
 */
#include "tests/fuzz/fuzz.h"

#include "log/archive_format.h"

#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

static void fix_header(uint8_t *bytes, size_t len)
{
    uint32_t genesis_len = dsdn_load32(bytes + 12);
    if (genesis_len > len - DSDN_ARCHIVE_HEADER_LEN) {
        genesis_len = (uint32_t)(len - DSDN_ARCHIVE_HEADER_LEN);
        dsdn_store32(bytes + 12, genesis_len);
    }
    dsdn_tagged("dsdn/genesis/1", bytes + DSDN_ARCHIVE_HEADER_LEN, genesis_len, bytes + 16);
    if (dsdn_load64(bytes + 48) == 0) memcpy(bytes + 56, bytes + 16, 32);
    dsdn_store32(bytes + 92,
                 dsdn_crc32c(dsdn_crc32c(0, bytes, 92), bytes + DSDN_ARCHIVE_HEADER_LEN, genesis_len));
}

/* Seals the sections as a writer would have: each gets its chain hash, counts and checksum; the seek table
 * and the footer are made new where the file has them.  Stops at the first section that cannot be one. */
static void fix(struct disk_file *f)
{
    struct dsdn_archive_info info;
    struct dsdn_archive_state state;
    struct dsdn_buffer header = {f->bytes, f->len, f->len}, content = {0};
    uint32_t genesis_len;
    uint8_t *table = fuzz_alloc(DSDN_ARCHIVE_ENTRY_LEN * 64);
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (f->len < DSDN_ARCHIVE_HEADER_LEN) goto out;
    fix_header(f->bytes, f->len);
    if (dsdn_archive_header_decode(f->bytes, &info, &genesis_len, "", &error)) goto out;
    header.len = DSDN_ARCHIVE_HEADER_LEN + (size_t)genesis_len;
    dsdn_archive_state_start(&state, &info, &header);
    void *dctx = ZSTD_createDCtx();
    CHECK(dctx);
    while (f->len - state.offset >= DSDN_ARCHIVE_SECTION_LEN && state.frames < 64) {
        uint8_t *at = f->bytes + state.offset;
        struct dsdn_archive_section s;
        struct dsdn_archive_entry entry;
        struct dsdn_archive_batches batches = {0};
        if (memcmp(at, DSDN_ARCHIVE_FOOTER_MAGIC, 8) == 0) {
            struct dsdn_archive_footer footer;
            if (f->len - state.offset >= DSDN_ARCHIVE_FOOTER_LEN)
                dsdn_archive_footer_encode(&state, &footer, at);
            break;
        }
        if (dsdn_archive_section_decode(at, &s, "", 0, &error) ||
            f->len - state.offset - DSDN_ARCHIVE_SECTION_LEN < s.stored_len)
            break;
        memcpy(s.chain, state.chain, 32);
        if (s.kind == DSDN_ARCHIVE_TABLE) {
            if (s.stored_len == state.frames * DSDN_ARCHIVE_ENTRY_LEN)
                memcpy(at + DSDN_ARCHIVE_SECTION_LEN, table, s.stored_len);
        } else if (dsdn_archive_section_content(dctx, at, &s, &content, "", 0, &error))
            break;
        if (s.kind == DSDN_ARCHIVE_FRAME) {
            if (!dsdn_archive_batches(content.bytes, content.len, &batches) || !batches.count) break;
            s.count = batches.count;
            s.events = batches.events;
            s.key = state.first + state.batches;
        }
        dsdn_archive_section_encode(&s, at);
        uint64_t frames = state.frames;
        dsdn_archive_state_add(&state, &s, at, content.bytes, &batches, &entry);
        if (s.kind == DSDN_ARCHIVE_FRAME)
            dsdn_archive_entry_encode(&entry, table + frames * DSDN_ARCHIVE_ENTRY_LEN);
    }
    ZSTD_freeDCtx(dctx);
out:
    dsdn_buffer_free(&content);
    free(table);
}

struct reading {
    int rc; /* 0: to the end */
    uint64_t batches;
    uint8_t sum[32]; /* of all batches */
};

static struct reading read_all(struct dsdn_source *source)
{
    struct reading r = {.batches = 0};
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_sha256 sum;
    dsdn_sha256_init(&sum);
    while (!(r.rc = dsdn_source_next(source, &buffer, &record, &error))) {
        CHECK(record.sequence == source->first + r.batches && record.len >= DSDN_BATCH_FIXED_LEN);
        dsdn_sha256_update(&sum, record.batch, record.len);
        r.batches++;
    }
    CHECK(error.code == r.rc);
    if (r.rc == DSDN_E_AGAIN) r.rc = 0;
    dsdn_sha256_final(&sum, r.sum);
    dsdn_buffer_free(&buffer);
    return r;
}

/* Blobs are found in order, to the end or to the first damage. */
static void read_blobs(struct dsdn_source *source)
{
    struct dsdn_buffer buffer = {0};
    struct dsdn_archive_blob blob;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint64_t cursor = 0, before = 0;
    while (dsdn_archive_blob_next(source, &cursor, UINT32_MAX, &buffer, &blob, &error) == 0) {
        CHECK(blob.offset >= before && blob.kind >= 2 && blob.kind <= DSDN_ARCHIVE_BLOB_LAST && blob.len > 0);
        before = blob.offset + 1;
    }
    dsdn_buffer_free(&buffer);
}

static struct reading stream(const struct disk_file *f)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_source *source;
    struct reading r = {.rc = -1};
    int fd = memfd_create("archive", MFD_CLOEXEC);
    CHECK(fd >= 0 && pwrite(fd, f->bytes, f->len, 0) == (ssize_t)f->len);
    if (dsdn_archive_open_stream(fd, "stream", &source, &error) == 0) {
        r = read_all(source);
        dsdn_source_close(source);
    }
    close(fd);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_source *source;
    struct disk d;
    bool fixed = take8(&in) & 1;
    disk_init(&d);
    struct disk_file *f = disk_put(&d, "a.dsdn", in.at, in.left);
    if (fixed && f->len) fix(f);
    struct reading streamed = stream(f), read = {.rc = -1};
    bool good = false;
    if (dsdn_archive_open(&d.io, "a.dsdn", 0, &source, &error) == 0) {
        read = read_all(source);
        read_blobs(source);
        good = dsdn_archive_check(source, &error) == 0;
        const struct dsdn_archive_info *info = dsdn_archive_info(source);
        CHECK(info->finished && info->len == f->len && info->dropped == 0);
        if (good) CHECK(read.rc == 0 && read.batches == info->batches);
        for (uint64_t back = read.batches; !read.rc && back-- > 0;) { /* seek backwards: the same batches */
            struct dsdn_buffer buffer = {0};
            struct dsdn_record record;
            CHECK_OK(dsdn_source_seek(source, source->first + back, &error), &error);
            CHECK_OK(dsdn_source_next(source, &buffer, &record, &error), &error);
            CHECK(record.sequence == source->first + back);
            dsdn_buffer_free(&buffer);
        }
        dsdn_source_close(source);
    }
    CHECK(good == (streamed.rc == 0)); /* two readers, one verdict */
    if (good) CHECK(read.batches == streamed.batches && dsdn_equal32(read.sum, streamed.sum));
    if (dsdn_archive_open(&d.io, "a.dsdn", DSDN_ARCHIVE_RECOVER, &source, &error) == 0) {
        struct reading recovered = read_all(source);
        read_blobs(source);
        if (good) CHECK(!source->unverified && recovered.batches == read.batches);
        if (source->unverified) CHECK(recovered.rc == 0);
        dsdn_source_close(source);
    }
    disk_free(&d);
    return 0;
}
