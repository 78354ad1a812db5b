/* Every single bit of an archive with sections of all kinds: flipped, it is noticed, and the message says
 * where. */
#include "archive_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

/* A small archive.  With two frames it is still small, because 1 MiB of zeros fills one and compresses to
 * nothing much, but reading it takes its time. */
static void small_archive(struct memory *m, struct script *s, bool two_frames)
{
    script_init(s, 7);
    script_blob(s, DSDN_ARCHIVE_CERTIFICATE, 7, 90);
    script_batch(s, 100, true);
    script_batch(s, 60, false);
    script_blob(s, DSDN_ARCHIVE_LOSER, 9, 50);
    script_batch(s, two_frames ? 1100000 : 300, false);
    script_blob(s, DSDN_ARCHIVE_PROOF, 1234567, 40);
    script_batch(s, 30, true);
    script_blob(s, DSDN_ARCHIVE_PROOF, 1234568, 10);
    memory_write(m, s, 0, NULL);
}

/* Opens and checks; returns the first failure. */
static int read_all(struct memory *m, struct dsdn_error *error)
{
    struct dsdn_source *source;
    int rc = dsdn_archive_open(&m->io, MEMORY_PATH, 0, &source, error);
    if (rc) return rc;
    rc = dsdn_archive_check(source, error);
    dsdn_source_close(source);
    return rc;
}

static void flip_bits(bool two_frames)
{
    struct memory m;
    struct script s;
    memory_init(&m, 1u << 20);
    small_archive(&m, &s, two_frames);
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(read_all(&m, &error), 0);
    assert_in_range(m.len, 1000, 4000);
    size_t table = m.len - DSDN_ARCHIVE_FOOTER_LEN - 2 * DSDN_ARCHIVE_ENTRY_LEN - DSDN_ARCHIVE_SECTION_LEN;
    for (size_t i = two_frames ? table * 8 : 0; i < m.len * 8; i++) {
        m.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        int rc = read_all(&m, &error);
        if (rc == 0) fail_msg("bit %zu of byte %zu: not noticed", i % 8, i / 8);
        assert_int_equal(rc, error.code);
        assert_true(dsdn_error_exit(rc) == 4 || rc == DSDN_E_CHAIN);
        assert_string_equal(error.file, MEMORY_PATH);
        assert_true(error.offset <= m.len);
        m.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    assert_int_equal(read_all(&m, &error), 0);
    script_free(&s);
    memory_free(&m);
}

static void every_bit(void **state)
{
    (void)state;
    flip_bits(false);
}

static void every_bit_of_a_seek_table(void **state)
{
    (void)state;
    flip_bits(true);
}

/* The same for a stream, which has nothing but what comes by. */
static void every_bit_of_a_stream(void **state)
{
    (void)state;
    struct memory m;
    struct script s;
    memory_init(&m, 1u << 20);
    small_archive(&m, &s, false);
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, m.bytes, m.len), m.len);
    struct dsdn_buffer buffer = {0};
    for (size_t i = 0; i <= m.len * 8; i++) {
        if (i < m.len * 8) {
            uint8_t byte = m.bytes[i / 8];
            byte ^= (uint8_t)(1u << i % 8);
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)(i / 8)), 1);
        }
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_source *source;
        struct dsdn_record record;
        int rc = dsdn_archive_open_stream(fd, "standard input", &source, &error);
        while (!rc) rc = dsdn_source_next(source, &buffer, &record, &error);
        dsdn_source_close(source);
        if (i == m.len * 8) {
            assert_int_equal(rc, DSDN_E_AGAIN); /* all bits are back */
            break;
        }
        if (rc == DSDN_E_AGAIN) fail_msg("bit %zu of byte %zu: not noticed", i % 8, i / 8);
        assert_true(dsdn_error_exit(rc) == 4 || rc == DSDN_E_CHAIN);
        assert_string_equal(error.file, "standard input");
        assert_true(error.offset <= m.len);
        assert_int_equal(pwrite(fd, m.bytes + i / 8, 1, (off_t)(i / 8)), 1);
    }
    dsdn_buffer_free(&buffer);
    close(fd);
    script_free(&s);
    memory_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_bit),
                                       cmocka_unit_test(every_bit_of_a_seek_table),
                                       cmocka_unit_test(every_bit_of_a_stream)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
