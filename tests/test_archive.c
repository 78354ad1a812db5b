/* Archives: what goes in comes out, the same calls make the same bytes, and no file, however made, is
 * believed without a reason. */
#include "archive_fixture.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

/* Batches of all sizes, with blobs between; several frames. */
static void mixed_script(struct script *s, uint64_t first)
{
    script_init(s, first);
    for (unsigned i = 0; i < 60; i++) {
        if (i % 5 == 2) script_blob(s, DSDN_ARCHIVE_CERTIFICATE, s->next, 100 + i);
        if (i % 9 == 4) script_blob(s, DSDN_ARCHIVE_LOSER, s->next, 3000);
        if (i % 4 == 1) script_blob(s, DSDN_ARCHIVE_PROOF, 1000 + i, 700);
        script_batch(s, i % 10 == 7 ? 700000 : i % 10 == 3 ? 0 : 1000 * i + 30, i % 3 != 0);
    }
    script_batch(s, DSDN_BATCH_MAX - DSDN_BATCH_FIXED_LEN - DSDN_BUNDLE_LEN, true);
    script_batch(s, 50, true);
    script_batch(s, DSDN_ARCHIVE_BATCH_MAX - DSDN_BATCH_FIXED_LEN - DSDN_BUNDLE_LEN, true);
    script_batch(s, 50, true);
    script_blob(s, DSDN_ARCHIVE_PROOF, 5000, 20);
}

static void expect_batch(const struct script *s, const struct dsdn_record *record, uint64_t sequence)
{
    size_t i = script_from(s, sequence + 1) - 1;
    assert_int_equal(record->sequence, sequence);
    assert_int_equal(record->len, s->steps[i].len);
    assert_memory_equal(record->batch, s->steps[i].bytes, record->len);
    assert_false(record->has_crc);
    assert_int_equal(record->flags, 0);
}

/* Reads all batches of a source and closes it. */
static void expect_batches(const struct script *s, struct dsdn_source *source)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    for (uint64_t n = s->first; n < s->next; n++) {
        if (dsdn_source_next(source, &buffer, &record, &error)) fail_msg("%s", error.message);
        assert_ptr_equal(record.batch, buffer.bytes);
        expect_batch(s, &record, n);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), DSDN_E_AGAIN);
    const struct dsdn_archive_info *info = dsdn_archive_info(source);
    assert_true(info->finished);
    assert_int_equal(source->count, s->next - s->first);
    assert_int_equal(info->batches, s->next - s->first);
    assert_int_equal(info->events, s->events);
    assert_memory_equal(info->last, s->last, 32);
    assert_memory_equal(info->prev, s->prev, 32);
    assert_memory_equal(info->genesis, s->genesis, 32);
    assert_int_equal(source->genesis.len, sizeof fixture_genesis);
    assert_memory_equal(source->genesis.bytes, fixture_genesis, sizeof fixture_genesis);
    dsdn_buffer_free(&buffer);
    dsdn_source_close(source);
}

static struct dsdn_source *open_archive(struct memory *m, unsigned flags)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_source *source;
    if (dsdn_archive_open(&m->io, MEMORY_PATH, flags, &source, &error)) fail_msg("%s", error.message);
    return source;
}

/* A descriptor that reads the archive's bytes from the start. */
static int stream_of(const uint8_t *bytes, size_t len)
{
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static struct dsdn_source *open_stream(int fd)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_source *source;
    if (dsdn_archive_open_stream(fd, "standard input", &source, &error)) fail_msg("%s", error.message);
    return source;
}

static void round_trip(struct script *s)
{
    struct memory m;
    struct dsdn_archive_info info;
    struct dsdn_error error = DSDN_ERROR_INIT;
    memory_init(&m, 24u << 20);
    memory_write(&m, s, 0, &info);
    assert_int_equal(info.len, m.len);
    struct dsdn_source *source = open_archive(&m, 0);
    assert_string_equal(source->kind, "archive");
    assert_null(source->unverified);
    assert_int_equal(source->first, s->first);
    assert_int_equal(source->events, s->events);
    assert_memory_equal(dsdn_archive_info(source), &info, sizeof info);
    if (dsdn_archive_check(source, &error))
        fail_msg("%s (%llu)", error.message, (unsigned long long)error.offset);

    uint64_t cursor = 0;
    struct dsdn_buffer buffer = {0};
    struct dsdn_archive_blob blob;
    for (size_t i = 0; i < s->cnt; i++) {
        if (s->steps[i].kind == DSDN_ARCHIVE_FRAME) continue;
        assert_int_equal(dsdn_archive_blob_next(source, &cursor, ~0u, &buffer, &blob, &error), 0);
        assert_int_equal(blob.kind, s->steps[i].kind);
        assert_int_equal(blob.key, s->steps[i].key);
        assert_int_equal(blob.len, s->steps[i].len);
        assert_memory_equal(blob.bytes, s->steps[i].bytes, blob.len);
    }
    assert_int_equal(dsdn_archive_blob_next(source, &cursor, ~0u, &buffer, &blob, &error), DSDN_E_AGAIN);
    assert_int_equal(dsdn_archive_blob_next(source, &cursor, ~0u, &buffer, &blob, &error), DSDN_E_AGAIN);
    cursor = 0;
    for (size_t i = 0; i < s->cnt; i++) {
        if (s->steps[i].kind != DSDN_ARCHIVE_PROOF) continue;
        assert_int_equal(
            dsdn_archive_blob_next(source, &cursor, 1u << DSDN_ARCHIVE_PROOF, &buffer, &blob, &error), 0);
        assert_int_equal(blob.key, s->steps[i].key);
    }
    dsdn_buffer_free(&buffer);
    expect_batches(s, source);

    int fd = stream_of(m.bytes, m.len);
    source = open_stream(fd);
    assert_string_equal(source->kind, "stream");
    assert_int_equal(source->count, UINT64_MAX);
    expect_batches(s, source);
    close(fd);
    memory_free(&m);
}

static void round_trips(void **state)
{
    (void)state;
    struct script s;
    for (uint64_t first = 0; first < 10; first += 9) {
        script_init(&s, first); /* nothing at all */
        round_trip(&s);
        script_batch(&s, 40, true);
        round_trip(&s);
        script_free(&s);
        script_init(&s, first); /* blobs without a batch */
        script_blob(&s, DSDN_ARCHIVE_PROOF, 3, 8);
        script_blob(&s, DSDN_ARCHIVE_LOSER, 4, 2000000);
        round_trip(&s);
        script_free(&s);
        mixed_script(&s, first);
        round_trip(&s);
        script_free(&s);
    }
}

static void same_calls_same_bytes(void **state)
{
    (void)state;
    struct memory a, b;
    struct script s;
    struct dsdn_archive_info info_a, info_b;
    memory_init(&a, 24u << 20);
    memory_init(&b, 24u << 20);
    mixed_script(&s, 3);
    memory_write(&a, &s, 0, &info_a);
    memory_write(&b, &s, 1, &info_b); /* syncs do not cut frames */
    assert_true(info_a.frames > 4);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.bytes, b.bytes, a.len);
    assert_memory_equal(&info_a, &info_b, sizeof info_a);
    s.steps[s.cnt - 1].bytes[0] ^= 1; /* one bit of the last blob */
    memory_write(&b, &s, 0, &info_b);
    assert_memory_not_equal(info_a.content, info_b.content, 32);
    assert_memory_not_equal(info_a.hash, info_b.hash, 32);
    script_free(&s);
    memory_free(&a);
    memory_free(&b);
}

static void seek_everywhere(void **state)
{
    (void)state;
    struct memory m;
    struct script s;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    memory_init(&m, 24u << 20);
    mixed_script(&s, 1000);
    memory_write(&m, &s, 0, NULL);
    struct dsdn_source *source = open_archive(&m, 0);
    uint64_t count = s.next - s.first, random = 99;
    for (uint64_t i = 0; i < 3 * count; i++) {
        uint64_t to = i < count       ? s.first + i
                      : i < 2 * count ? s.next - 1 - (i - count)
                                      : s.first + fixture_random(&random) % count;
        assert_int_equal(dsdn_source_seek(source, to, &error), 0);
        assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), 0);
        expect_batch(&s, &record, to);
        if (to + 1 == s.next) continue;
        assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), 0);
        expect_batch(&s, &record, to + 1);
    }
    const uint64_t outside[] = {0, 999, s.next, UINT64_MAX};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        assert_int_equal(dsdn_source_seek(source, outside[i], &error), DSDN_E_NOT_FOUND);
        assert_int_equal(error.sequence, outside[i]);
    }
    dsdn_source_close(source);

    int fd = stream_of(m.bytes, m.len);
    source = open_stream(fd);
    assert_int_equal(dsdn_source_seek(source, s.first + 40, &error), 0);
    assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), 0);
    expect_batch(&s, &record, s.first + 40);
    assert_int_equal(dsdn_source_seek(source, s.first + 40, &error), DSDN_E_NOT_FOUND); /* not back */
    assert_int_equal(dsdn_source_seek(source, s.first + 41, &error), 0);
    assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), 0);
    expect_batch(&s, &record, s.first + 41);
    assert_int_equal(dsdn_source_seek(source, s.next, &error), DSDN_E_NOT_FOUND);
    assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), DSDN_E_AGAIN);
    dsdn_source_close(source);
    close(fd);
    dsdn_buffer_free(&buffer);
    script_free(&s);
    memory_free(&m);
}

static void refusals_leave_the_writer_alone(void **state)
{
    (void)state;
    struct memory m, plain;
    struct script s, other;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_archive_writer *w, *second;
    memory_init(&m, 8u << 20);
    memory_init(&plain, 8u << 20);
    script_init(&s, 5);
    script_init(&other, 5);
    other.genesis[0] ^= 1;
    script_batch(&other, 30, true);
    for (int i = 0; i < 3; i++) script_batch(&s, 100, true);
    memory_write(&plain, &s, 0, NULL);

    struct dsdn_archive_options options = script_options(&s);
    assert_int_equal(dsdn_archive_create(&m.io, MEMORY_PATH, &options, &w, &error), 0);
    assert_int_equal(dsdn_archive_create(&m.io, MEMORY_PATH, &options, &second, &error), DSDN_E_EXISTS);
    assert_true(m.exists); /* refusing must not remove what was there */
    assert_null(second);
    assert_int_equal(dsdn_archive_resume(&m.io, MEMORY_PATH, false, &second, NULL, &error), DSDN_E_LOCKED);
    m.locked = true; /* the refused writer's close gave the lock of this simple file away */
    assert_int_equal(script_step(w, &s.steps[0], &error), 0);
    assert_int_equal(script_step(w, &s.steps[0], &error), DSDN_E_CHAIN);
    assert_int_equal(error.sequence, 6);
    assert_int_equal(script_step(w, &s.steps[2], &error), DSDN_E_CHAIN);
    assert_int_equal(script_step(w, &other.steps[0], &error), DSDN_E_WRONG_GENESIS);
    uint8_t bytes[1000];
    size_t len = s.steps[1].len;
    memcpy(bytes, s.steps[1].bytes, len);
    bytes[45] ^= 1; /* prev */
    assert_int_equal(dsdn_archive_append(w, bytes, len, &error), DSDN_E_CHAIN);
    bytes[45] ^= 1;
    bytes[DSDN_BATCH_FIXED_LEN + 52]--; /* events_len: one byte of the body is nobody's */
    assert_int_equal(dsdn_archive_append(w, bytes, len, &error), DSDN_E_MALFORMED);
    assert_int_not_equal(dsdn_archive_append(w, s.steps[1].bytes, len - 1, &error), 0);
    assert_int_equal(dsdn_archive_append(w, bytes, 10, &error), DSDN_E_TRUNCATED);
    assert_int_equal(dsdn_archive_append(w, bytes, DSDN_ARCHIVE_BATCH_MAX + 1, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_archive_append_blob(w, DSDN_ARCHIVE_FRAME, 1, bytes, 1, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_archive_append_blob(w, DSDN_ARCHIVE_PROOF, 1, bytes, 0, &error), DSDN_E_USAGE);
    assert_int_equal(
        dsdn_archive_append_blob(w, DSDN_ARCHIVE_PROOF, 1, bytes, DSDN_ARCHIVE_CONTENT_MAX + 1, &error),
        DSDN_E_TOO_LARGE);
    assert_int_equal(script_play(&s, w, 1, 3, 0, NULL, &error), 0);
    assert_int_equal(dsdn_archive_finish(w, NULL, &error), 0);
    assert_int_equal(dsdn_archive_finish(w, NULL, &error), DSDN_E_USAGE);
    assert_int_equal(script_step(w, &s.steps[0], &error), DSDN_E_USAGE);
    dsdn_archive_writer_close(w);
    assert_int_equal(m.len, plain.len);
    assert_memory_equal(m.bytes, plain.bytes, m.len);
    assert_int_equal(dsdn_archive_resume(&m.io, MEMORY_PATH, false, &w, NULL, &error), DSDN_E_EXISTS);
    assert_int_equal(m.len, plain.len);

    options.genesis.len = 0;
    m.exists = false;
    assert_int_equal(dsdn_archive_create(&m.io, MEMORY_PATH, &options, &w, &error), DSDN_E_USAGE);
    options.genesis.len = DSDN_ARCHIVE_GENESIS_MAX + 1;
    assert_int_equal(dsdn_archive_create(&m.io, MEMORY_PATH, &options, &w, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_archive_resume(&m.io, MEMORY_PATH, false, &w, NULL, &error), DSDN_E_NOT_FOUND);
    struct dsdn_source *source;
    assert_int_equal(dsdn_archive_open(&m.io, MEMORY_PATH, 0, &source, &error), DSDN_E_NOT_FOUND);
    assert_string_equal(error.file, MEMORY_PATH);
    script_free(&s);
    script_free(&other);
    memory_free(&m);
    memory_free(&plain);
}

/* An unchecked writer stores false batches, so that a verifier has something to find. */
static void unchecked_writer(void **state)
{
    (void)state;
    struct memory m;
    struct script s;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_archive_writer *w;
    memory_init(&m, 1u << 20);
    script_init(&s, 0);
    for (int i = 0; i < 3; i++) script_batch(&s, 100, true);
    s.steps[1].bytes[45] ^= 1;                        /* prev */
    s.steps[2].bytes[DSDN_BATCH_FIXED_LEN + 53] = 99; /* a bundle longer than the body */
    s.events -= 1 + 2 % 7;
    dsdn_batch_hash(s.steps[2].bytes, s.last);
    struct dsdn_archive_options options = script_options(&s);
    options.unchecked = true;
    assert_int_equal(dsdn_archive_create(&m.io, MEMORY_PATH, &options, &w, &error), 0);
    assert_int_equal(script_play(&s, w, 0, 3, 0, NULL, &error), 0);
    assert_int_equal(dsdn_archive_append(w, s.steps[0].bytes, 100, &error), DSDN_E_TRUNCATED);
    assert_int_equal(dsdn_archive_finish(w, NULL, &error), 0);
    dsdn_archive_writer_close(w);
    struct dsdn_source *source = open_archive(&m, 0);
    assert_int_equal(dsdn_archive_check(source, &error), 0);
    expect_batches(&s, source);
    script_free(&s);
    memory_free(&m);
}

/* A script whose file is small although it has two full frames and one more. */
static void small_script(struct script *s)
{
    script_init(s, 2);
    script_blob(s, DSDN_ARCHIVE_CERTIFICATE, 2, 30);
    script_batch(s, 600000, false);
    script_blob(s, DSDN_ARCHIVE_PROOF, 77, 20);
    script_batch(s, 600000, false);
    script_batch(s, 600000, false);
    script_batch(s, 100, true);
    script_batch(s, 600000, false);
    script_blob(s, DSDN_ARCHIVE_LOSER, 7, 25);
    script_batch(s, 40, true);
    script_blob(s, DSDN_ARCHIVE_PROOF, 78, 20);
}

static void every_truncation_is_noticed(void **state)
{
    (void)state;
    struct memory m, whole;
    struct script s;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_source *source;
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    memory_init(&m, 1u << 20);
    memory_init(&whole, 1u << 20);
    small_script(&s);
    memory_write(&whole, &s, 0, NULL);
    size_t header_len = DSDN_ARCHIVE_HEADER_LEN + sizeof fixture_genesis;
    uint64_t recovered_before = 0;
    for (size_t len = 0; len < whole.len; len++) {
        memory_set(&m, whole.bytes, len);
        assert_int_equal(dsdn_archive_open(&m.io, MEMORY_PATH, 0, &source, &error), DSDN_E_TRUNCATED);
        assert_string_equal(error.file, MEMORY_PATH);
        assert_int_equal(error.offset, len);
        if (len % 4) continue; /* the rest takes its time */
        int rc = dsdn_archive_open(&m.io, MEMORY_PATH, DSDN_ARCHIVE_RECOVER, &source, &error);
        assert_int_equal(rc, len < header_len ? DSDN_E_TRUNCATED : 0);
        if (rc) continue;
        assert_int_equal(error.code, 0);
        assert_non_null(source->unverified);
        const struct dsdn_archive_info *info = dsdn_archive_info(source);
        assert_false(info->finished);
        assert_int_equal(info->len + info->dropped, len);
        assert_true(source->count >= recovered_before);
        recovered_before = source->count;
        if (len % 16 == 0) {
            assert_int_equal(dsdn_archive_check(source, &error), DSDN_E_TRUNCATED);
            for (uint64_t i = 0; i < source->count; i++) {
                assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), 0);
                expect_batch(&s, &record, s.first + i);
            }
            assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), DSDN_E_AGAIN);
            struct dsdn_archive_blob blob;
            uint64_t cursor = 0;
            do rc = dsdn_archive_blob_next(source, &cursor, ~0u, &buffer, &blob, &error);
            while (!rc);
            assert_int_equal(rc, DSDN_E_AGAIN);
        }
        dsdn_source_close(source);
        if (len % 16) continue;
        int fd = stream_of(m.bytes, len);
        source = open_stream(fd);
        do rc = dsdn_source_next(source, &buffer, &record, &error);
        while (!rc);
        assert_int_equal(rc, DSDN_E_TRUNCATED);
        assert_int_equal(error.offset, len);
        assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), DSDN_E_TRUNCATED);
        dsdn_source_close(source);
        close(fd);
    }
    assert_int_equal(recovered_before, s.next - s.first);

    memory_set(&m, whole.bytes, whole.len); /* and one byte too many */
    m.bytes[m.len++] = 0;
    assert_int_equal(dsdn_archive_open(&m.io, MEMORY_PATH, 0, &source, &error), DSDN_E_TRUNCATED);
    source = open_archive(&m, DSDN_ARCHIVE_RECOVER);
    assert_int_equal(dsdn_archive_info(source)->dropped, 1);
    assert_int_equal(dsdn_archive_check(source, &error), DSDN_E_MALFORMED);
    assert_int_equal(error.offset, whole.len);
    dsdn_source_close(source);
    int fd = stream_of(m.bytes, m.len);
    source = open_stream(fd);
    int rc;
    do rc = dsdn_source_next(source, &buffer, &record, &error);
    while (!rc);
    assert_int_equal(rc, DSDN_E_MALFORMED);
    assert_int_equal(error.offset, whole.len);
    dsdn_source_close(source);
    close(fd);
    dsdn_buffer_free(&buffer);
    script_free(&s);
    memory_free(&m);
    memory_free(&whole);
}

/* ---- archives made by somebody who means harm: every checksum and hash is right ---- */

struct forgery {
    struct memory *m;
    struct dsdn_archive_state state;
    uint8_t table[8 * DSDN_ARCHIVE_ENTRY_LEN];
    size_t table_len;
};

static void forge_start(struct forgery *f, struct memory *m, const struct script *s)
{
    struct dsdn_archive_options options = script_options(s);
    struct dsdn_buffer header = {0};
    struct dsdn_archive_info info;
    uint32_t genesis_len;
    assert_int_equal(dsdn_archive_header_encode(&options, &header, NULL), 0);
    assert_int_equal(dsdn_archive_header_decode(header.bytes, &info, &genesis_len, "", NULL), 0);
    *f = (struct forgery){.m = m};
    dsdn_archive_state_start(&f->state, &info, &header);
    memory_set(m, header.bytes, header.len);
    dsdn_buffer_free(&header);
}

/* Adds a section with any header and any stored bytes; content and batches are what its author claims. */
static void forge_section(struct forgery *f, struct dsdn_archive_section s, const uint8_t *stored,
                          const uint8_t *content)
{
    struct memory *m = f->m;
    memcpy(s.chain, f->state.chain, 32);
    memcpy(m->bytes + m->len + DSDN_ARCHIVE_SECTION_LEN, stored, s.stored_len);
    dsdn_archive_section_encode(&s, m->bytes + m->len);
    struct dsdn_archive_batches batches = {s.count, s.events, s.content_len - 4, content + 4};
    struct dsdn_archive_entry entry;
    dsdn_archive_state_add(&f->state, &s, m->bytes + m->len, content, &batches, &entry);
    m->len += DSDN_ARCHIVE_SECTION_LEN + s.stored_len;
    if (s.kind != DSDN_ARCHIVE_FRAME) return;
    dsdn_archive_entry_encode(&entry, f->table + f->table_len);
    f->table_len += DSDN_ARCHIVE_ENTRY_LEN;
}

static void forge_end(struct forgery *f, uint32_t count)
{
    uint8_t bytes[DSDN_ARCHIVE_FOOTER_LEN];
    struct dsdn_archive_footer footer;
    struct dsdn_archive_section s = {.kind = DSDN_ARCHIVE_TABLE,
                                     .count = count,
                                     .stored_len = (uint32_t)f->table_len,
                                     .content_len = (uint32_t)f->table_len};
    forge_section(f, s, f->table, f->table);
    dsdn_archive_footer_encode(&f->state, &footer, bytes);
    memcpy(f->m->bytes + f->m->len, bytes, sizeof bytes);
    f->m->len += sizeof bytes;
}

/* Opening or reading fails with code, the full check fails, and so does the stream. */
static void expect_refused(struct memory *m, int code, const char *what)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_source *source;
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    int rc = dsdn_archive_open(&m->io, MEMORY_PATH, 0, &source, &error);
    while (!rc) rc = dsdn_source_next(source, &buffer, &record, &error);
    if (rc != code) fail_msg("%s: %s instead of %s", what, dsdn_error_name(rc), dsdn_error_name(code));
    if (code != DSDN_E_AGAIN) assert_string_equal(error.file, MEMORY_PATH);
    if (source) assert_int_not_equal(dsdn_archive_check(source, &error), 0);
    dsdn_source_close(source);
    int fd = stream_of(m->bytes, m->len);
    rc = dsdn_archive_open_stream(fd, "standard input", &source, &error);
    while (!rc) rc = dsdn_source_next(source, &buffer, &record, &error);
    if (rc == DSDN_E_AGAIN) fail_msg("%s: the stream was believed", what);
    assert_string_equal(error.file, "standard input");
    dsdn_source_close(source);
    close(fd);
    dsdn_buffer_free(&buffer);
}

/* A frame's content of one batch, and its compressed form. */
static size_t one_batch(struct script *s, uint8_t *content)
{
    script_init(s, 0);
    script_batch(s, 3000, false);
    dsdn_store32(content, (uint32_t)s->steps[0].len);
    memcpy(content + 4, s->steps[0].bytes, s->steps[0].len);
    return 4 + s->steps[0].len;
}

static size_t compress_with(uint8_t *out, size_t cap, const uint8_t *content, size_t len, int parameter,
                            int value)
{
    ZSTD_CCtx *cctx = ZSTD_createCCtx();
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(cctx, (ZSTD_cParameter)parameter, value)));
    size_t n = ZSTD_compress2(cctx, out, cap, content, len);
    assert_false(ZSTD_isError(n));
    ZSTD_freeCCtx(cctx);
    return n;
}

enum {
    GOOD,
    NO_SIZE,
    SIZE_LIES,
    SHORT_CONTENT,
    WINDOW,
    DICTIONARY,
    DICTIONARY_ZERO,
    TWO_FRAMES,
    SKIPPABLE,
    SKIPPABLE_BEHIND,
    TRAILING,
    EMPTY_FRAME_BEHIND,
    CORRUPT,
    NOT_ZSTD,
    TINY,
    HOSTILE_CNT
};

static const char *const hostile_names[] = {"good",
                                            "no content size",
                                            "content size lies",
                                            "content shorter than declared",
                                            "window of 16 MiB",
                                            "dictionary id",
                                            "dictionary id of zero",
                                            "two frames",
                                            "skippable frame",
                                            "skippable frame behind",
                                            "trailing byte",
                                            "empty frame behind",
                                            "corrupt block",
                                            "not zstd",
                                            "three bytes"};

/* Writes stored bytes of the named kind to out and returns their length; *content_len is what the section
 * says. */
static size_t hostile_frame(int kind, uint8_t *out, size_t cap, const uint8_t *content, size_t len,
                            uint32_t *content_len)
{
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2};
    *content_len = (uint32_t)len;
    size_t n = compress_with(out, cap, content, len,
                             kind == NO_SIZE ? ZSTD_c_contentSizeFlag : ZSTD_c_checksumFlag, 0);
    switch (kind) {
    case SIZE_LIES: *content_len = (uint32_t)len + 1; break;
    case SHORT_CONTENT: /* single segment, two bytes of size: 256 less than what is written */
        assert_int_equal(out[4], 0x60);
        out[6]++;
        *content_len += 256;
        break;
    case WINDOW: { /* header by hand: 4-byte size, window descriptor, one raw block that is the last */
        const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0x80, 14 << 3};
        memcpy(out, head, sizeof head);
        dsdn_store32(out + 6, (uint32_t)len);
        dsdn_store32(out + 10, (uint32_t)(1 | len << 3)); /* 3 bytes */
        memcpy(out + 13, content, len);
        return 13 + len;
    }
    case DICTIONARY:
    case DICTIONARY_ZERO: /* which libzstd itself takes for none */
        memmove(out + 6, out + 5, n - 5);
        out[4] |= 1;
        out[5] = kind == DICTIONARY ? 9 : 0;
        return n + 1;
    case TWO_FRAMES: {
        size_t half = compress_with(out, cap, content, len / 2, ZSTD_c_checksumFlag, 0);
        return half + compress_with(out + half, cap - half, content + len / 2, len - len / 2,
                                    ZSTD_c_checksumFlag, 0);
    }
    case SKIPPABLE:
        memmove(out + sizeof skippable, out, n);
        memcpy(out, skippable, sizeof skippable);
        return n + sizeof skippable;
    case SKIPPABLE_BEHIND: memcpy(out + n, skippable, sizeof skippable); return n + sizeof skippable;
    case TRAILING: out[n] = 0; return n + 1;
    case EMPTY_FRAME_BEHIND: return n + compress_with(out + n, cap - n, content, 0, ZSTD_c_checksumFlag, 0);
    case CORRUPT: out[12] ^= 0x55; break;
    case NOT_ZSTD: memcpy(out, content, len); return len;
    case TINY: return 3;
    default: break;
    }
    return n;
}

static void hostile_zstd(void **state)
{
    (void)state;
    struct memory m;
    struct script s;
    uint8_t content[8192], stored[16384];
    memory_init(&m, 1u << 20);
    size_t len = one_batch(&s, content);
    for (int kind = GOOD; kind < HOSTILE_CNT; kind++) {
        struct forgery f;
        forge_start(&f, &m, &s);
        struct dsdn_archive_section section = {
            .kind = DSDN_ARCHIVE_FRAME, .coding = DSDN_ARCHIVE_ZSTD, .count = 1, .events = 1};
        section.stored_len =
            (uint32_t)hostile_frame(kind, stored, sizeof stored, content, len, &section.content_len);
        forge_section(&f, section, stored, content);
        forge_end(&f, 1);
        if (kind == GOOD) { /* or else this test would find everything bad */
            struct dsdn_source *source = open_archive(&m, 0);
            assert_int_equal(dsdn_archive_check(source, NULL), 0);
            expect_batches(&s, source);
        } else {
            expect_refused(&m, DSDN_E_MALFORMED, hostile_names[kind]);
        }
    }
    script_free(&s);
    memory_free(&m);
}

/* One wrong field of a section header at a time. */
static void hostile_sections(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int code;
        size_t offset, size; /* of the field in struct dsdn_archive_section */
        uint64_t value;
    } lies[] = {
#define FIELD(name)                                                                                          \
    offsetof(struct dsdn_archive_section, name), sizeof((struct dsdn_archive_section *)0)->name
        {"kind 0", DSDN_E_MALFORMED, FIELD(kind), 0},
        {"kind 17", DSDN_E_MALFORMED, FIELD(kind), 17},
        {"kind of a blob", DSDN_E_MALFORMED, FIELD(kind), DSDN_ARCHIVE_PROOF},
        {"raw coding", DSDN_E_MALFORMED, FIELD(coding), DSDN_ARCHIVE_RAW},
        {"unknown coding", DSDN_E_MALFORMED, FIELD(coding), 2},
        {"huge content", DSDN_E_TOO_LARGE, FIELD(content_len), UINT32_MAX},
        {"content above its bound", DSDN_E_TOO_LARGE, FIELD(content_len), DSDN_ARCHIVE_CONTENT_MAX + 1},
        {"no content", DSDN_E_MALFORMED, FIELD(content_len), 0},
        {"no batches", DSDN_E_MALFORMED, FIELD(count), 0},
        {"more batches than fit", DSDN_E_MALFORMED, FIELD(count), UINT32_MAX},
        {"two batches", DSDN_E_MALFORMED, FIELD(count), 2},
        {"other events", DSDN_E_MALFORMED, FIELD(events), 7},
        {"other sequence", DSDN_E_MALFORMED, FIELD(key), 1},
        {"last sequence", DSDN_E_MALFORMED, FIELD(key), UINT64_MAX},
        {"another chain", DSDN_E_AGAIN, offsetof(struct dsdn_archive_section, chain), 8,
         5}, /* by the check */
#undef FIELD
    };
    struct memory m;
    struct script s;
    uint8_t content[8192], stored[8192];
    memory_init(&m, 1u << 20);
    size_t len = one_batch(&s, content);
    size_t n = compress_with(stored, sizeof stored, content, len, ZSTD_c_checksumFlag, 0);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct dsdn_archive_section section = {.kind = DSDN_ARCHIVE_FRAME,
                                               .coding = DSDN_ARCHIVE_ZSTD,
                                               .count = 1,
                                               .events = 1,
                                               .content_len = (uint32_t)len,
                                               .stored_len = (uint32_t)n};
        struct forgery f;
        forge_start(&f, &m, &s);
        uint64_t at = f.state.offset;
        forge_section(&f, section, stored, content);
        memcpy(section.chain, m.bytes + at + 32, 32);
        memcpy((uint8_t *)&section + lies[i].offset, &lies[i].value, lies[i].size);
        dsdn_archive_section_encode(&section, m.bytes + at);
        dsdn_tagged(DSDN_ARCHIVE_TAG, m.bytes + at, DSDN_ARCHIVE_SECTION_LEN + n, f.state.chain);
        forge_end(&f, 1);
        expect_refused(&m, lies[i].code, lies[i].what);
    }
    /* a declared length that would end outside: nothing is read, nothing allocated */
    const uint32_t lengths[] = {0, (uint32_t)n + 1, DSDN_ARCHIVE_STORED_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct forgery f;
        forge_start(&f, &m, &s);
        uint64_t at = f.state.offset;
        struct dsdn_archive_section section = {.kind = DSDN_ARCHIVE_FRAME,
                                               .coding = DSDN_ARCHIVE_ZSTD,
                                               .count = 1,
                                               .events = 1,
                                               .content_len = (uint32_t)len,
                                               .stored_len = (uint32_t)n};
        forge_section(&f, section, stored, content);
        forge_end(&f, 1);
        dsdn_store32(m.bytes + at + 8, lengths[i]);
        expect_refused(&m, lengths[i] > DSDN_ARCHIVE_STORED_MAX ? DSDN_E_TOO_LARGE : DSDN_E_MALFORMED,
                       "stored length");
    }
    script_free(&s);
    memory_free(&m);
}

/* Seek tables and footers that lie under good checksums. */
static void hostile_tables(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t field; /* byte in the table's second entry, or 100 + byte in the footer */
        uint64_t add;
        unsigned size;
        int code; /* AGAIN: reading does not see it, the full check does */
    } lies[] = {
        {"offset outside", 0, 1u << 20, 8, DSDN_E_MALFORMED},
        {"offset that overflows", 0, UINT64_MAX - 200, 8, DSDN_E_MALFORMED},
        {"offset that overlaps", 0, UINT64_MAX, 8, DSDN_E_MALFORMED},
        {"wrong sequence", 8, 1, 8, DSDN_E_MALFORMED},
        {"event ordinal that lies", 16, 1, 8, DSDN_E_MALFORMED},
        {"event ordinal that overflows", 16, UINT64_MAX - 3, 8, DSDN_E_MALFORMED},
        {"stored length that reaches into the table", 24, 40, 4, DSDN_E_MALFORMED},
        {"stored length that overflows", 24, 0xf0000000u, 4, DSDN_E_MALFORMED},
        {"no batches", 28, UINT32_MAX, 4, DSDN_E_MALFORMED},
        {"one batch more", 28, 1, 4, DSDN_E_MALFORMED},
        {"table outside", 108, 1u << 20, 8, DSDN_E_MALFORMED},
        {"table that overflows", 108, UINT64_MAX / 2, 8, DSDN_E_MALFORMED},
        {"table before its place", 108, UINT64_MAX - 31, 8, DSDN_E_MALFORMED},
        {"more frames", 116, 1, 8, DSDN_E_MALFORMED},
        {"frames that overflow", 116, 1ull << 59, 8, DSDN_E_MALFORMED},
        {"more sections", 124, 1, 8, DSDN_E_AGAIN},
        {"more batches", 132, 1, 8, DSDN_E_MALFORMED},
        {"batches that overflow", 132, UINT64_MAX - 1, 8, DSDN_E_MALFORMED},
        {"more events", 140, 1, 8, DSDN_E_MALFORMED},
        {"more bytes", 148, 1, 8, DSDN_E_AGAIN},
        {"another last batch", 156, 1, 8, DSDN_E_AGAIN},
        {"another content hash", 188, 1, 8, DSDN_E_AGAIN},
        {"another chain", 220, 1, 8, DSDN_E_CHAIN},
    };
    struct memory m;
    struct script s;
    uint8_t content[8192], stored[8192];
    memory_init(&m, 1u << 20);
    one_batch(&s, content);
    script_batch(&s, 500, false);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct forgery f;
        forge_start(&f, &m, &s);
        for (size_t k = 0; k < 2; k++) { /* one batch a frame, which an honest writer would not do, but may */
            size_t len = 4 + s.steps[k].len;
            dsdn_store32(content, (uint32_t)s.steps[k].len);
            memcpy(content + 4, s.steps[k].bytes, s.steps[k].len);
            size_t n = compress_with(stored, sizeof stored, content, len, ZSTD_c_checksumFlag, 0);
            forge_section(&f,
                          (struct dsdn_archive_section){.kind = DSDN_ARCHIVE_FRAME,
                                                        .coding = DSDN_ARCHIVE_ZSTD,
                                                        .count = 1,
                                                        .events = (uint32_t)k + 1,
                                                        .key = k,
                                                        .content_len = (uint32_t)len,
                                                        .stored_len = (uint32_t)n},
                          stored, content);
        }
        uint8_t *p = f.table + DSDN_ARCHIVE_ENTRY_LEN + lies[i].field;
        if (lies[i].field < 100 && lies[i].size == 8)
            dsdn_store64(p, dsdn_load64(p) + lies[i].add);
        else if (lies[i].field < 100)
            dsdn_store32(p, dsdn_load32(p) + (uint32_t)lies[i].add);
        forge_end(&f, 2);
        if (lies[i].field >= 100) {
            uint8_t *footer = m.bytes + m.len - DSDN_ARCHIVE_FOOTER_LEN;
            p = footer + lies[i].field - 100;
            dsdn_store64(p, dsdn_load64(p) + lies[i].add);
            dsdn_tagged(DSDN_ARCHIVE_TAG, footer, 152, footer + 152);
            dsdn_store32(footer + 184, dsdn_crc32c(0, footer, 184));
        }
        /* only the event counts need the frames to be seen through */
        bool at_open = lies[i].code != DSDN_E_AGAIN &&
                       strncmp(lies[i].what, "event ordinal that lies", 23) != 0 &&
                       strcmp(lies[i].what, "more events") != 0;
        struct dsdn_source *source;
        int rc = dsdn_archive_open(&m.io, MEMORY_PATH, 0, &source, NULL);
        dsdn_source_close(source);
        if (rc != (at_open ? lies[i].code : 0)) fail_msg("%s: %s at open", lies[i].what, dsdn_error_name(rc));
        expect_refused(&m, lies[i].code, lies[i].what);
    }
    script_free(&s);
    memory_free(&m);
}

/* Headers: not an archive, another version, lengths, another genesis under a good checksum. */
static void hostile_headers(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
        int code;
    } lies[] = {{0, 0x12345678, DSDN_E_FORMAT},     {8, 2, DSDN_E_FORMAT},        {12, 0, DSDN_E_MALFORMED},
                {12, UINT32_MAX, DSDN_E_TOO_LARGE}, {16, 5, DSDN_E_CHAIN},        {56, 5, DSDN_E_CHAIN},
                {88, 1, DSDN_E_MALFORMED},          {96, 1, DSDN_E_WRONG_GENESIS}};
    struct memory m;
    struct script s;
    memory_init(&m, 1u << 20);
    script_init(&s, 0);
    script_batch(&s, 30, false);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        memory_write(&m, &s, 0, NULL);
        dsdn_store32(m.bytes + lies[i].at, lies[i].value);
        uint32_t crc = dsdn_crc32c(0, m.bytes, 92);
        dsdn_store32(m.bytes + 92, dsdn_crc32c(crc, m.bytes + 96, sizeof fixture_genesis));
        expect_refused(&m, lies[i].code, "header");
        struct dsdn_archive_writer *w;
        m.len -= 1; /* unfinished or not, a writer does not touch it either */
        assert_int_equal(dsdn_archive_resume(&m.io, MEMORY_PATH, false, &w, NULL, NULL), lies[i].code);
    }
    script_free(&s);
    memory_free(&m);
}

/* Reserved kinds are checked and stepped over; a frame that lacks its blobs is not accepted. */
static void reserved_kinds_and_missing_blobs(void **state)
{
    (void)state;
    struct memory m;
    struct script s;
    uint8_t content[8192], stored[8192], blob[64];
    memory_init(&m, 1u << 20);
    size_t len = one_batch(&s, content),
           n = compress_with(stored, sizeof stored, content, len, ZSTD_c_checksumFlag, 0);
    struct dsdn_archive_section frame = {.kind = DSDN_ARCHIVE_FRAME,
                                         .coding = DSDN_ARCHIVE_ZSTD,
                                         .count = 1,
                                         .events = 1,
                                         .content_len = (uint32_t)len,
                                         .stored_len = (uint32_t)n};
    struct dsdn_archive_section reserved = {
        .kind = 9, .coding = DSDN_ARCHIVE_ZSTD, .count = 1, .key = 4, .content_len = 5};
    reserved.stored_len = (uint32_t)compress_with(blob, sizeof blob, content, 5, ZSTD_c_checksumFlag, 0);
    for (uint32_t follow = 0; follow < 3; follow++) {
        struct forgery f;
        forge_start(&f, &m, &s);
        frame.follow = follow;
        forge_section(&f, frame, stored, content);
        forge_section(&f, reserved, blob, content);
        forge_end(&f, 1);
        struct dsdn_source *source = open_archive(&m, 0);
        int rc = dsdn_archive_check(source, NULL);
        assert_int_equal(rc, follow == 2 ? DSDN_E_MALFORMED : 0);
        if (rc == 0)
            expect_batches(&s, source);
        else
            dsdn_source_close(source);
    }
    script_free(&s);
    memory_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(same_calls_same_bytes),
        cmocka_unit_test(seek_everywhere),
        cmocka_unit_test(refusals_leave_the_writer_alone),
        cmocka_unit_test(unchecked_writer),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(hostile_zstd),
        cmocka_unit_test(hostile_sections),
        cmocka_unit_test(hostile_tables),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test(reserved_kinds_and_missing_blobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
