/* Every single bit of a small log directory's segments and durable record, flipped: each flip is found by
 * opening and reading with checks.  There is no dead bit. */
#include "tests/store_util.h"

#include "log/durable.h"
#include "log/segment.h"

#define BATCHES 6u
#define LEN     48u /* bytes of a batch */

struct flips {
    struct path dir, log;
};

static int setup(void **state)
{
    static struct flips flips;
    flips.dir = scratch_make();
    flips.log = sub(&flips.dir, "log");
    log_create(&flips.log);
    struct dsdn_store *store = log_open(&flips.log, true, 600, true, NULL);
    log_fill(store, 0, BATCHES, 0, LEN);
    struct dsdn_store_info info;
    dsdn_store_info(store, &info);
    assert_int_equal(info.segments, 2);
    dsdn_store_close(store);
    *state = &flips;
    return 0;
}

static int teardown(void **state)
{
    struct flips *flips = *state;
    scratch_remove(&flips->dir);
    return 0;
}

/* Read everything with checks, by source and by dsdn_store_verify; both must come to the same kind of
 * verdict. */
static int judge(const struct path *log, struct dsdn_error *error, int *verify_rc)
{
    struct dsdn_store *store;
    struct dsdn_store_options options = {.no_index = true, .genesis_hash = test_genesis_hash};
    uint64_t next, verified;
    int rc = dsdn_store_open(log->text, &options, &store, NULL, error);
    *verify_rc = rc;
    if (rc) return rc;
    *verify_rc = dsdn_store_verify(store, &verified, NULL);
    dsdn_store_close(store);
    rc = log_check(log, 0, UINT64_MAX, LEN, &next, error);
    return !rc && next != BATCHES ? -1 : rc;
}

/* Flip each bit of one file; returns how many. */
static unsigned flip_all(const struct path *log, const struct path *victim)
{
    size_t len;
    unsigned flipped = 0;
    uint8_t *bytes = slurp(victim->text, &len);
    int fd = open(victim->text, O_RDWR);
    assert_true(fd >= 0);
    for (size_t bit = 0; bit < len * 8; bit++, flipped++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        uint8_t byte = bytes[bit / 8] ^ (uint8_t)(1u << bit % 8);
        int verify_rc;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
        int rc = judge(log, &error, &verify_rc);
        if (rc == 0 || verify_rc == 0)
            fail_msg("%s: bit %zu of byte %zu: reading gave %d, verifying %d", victim->text, bit % 8, bit / 8,
                     rc, verify_rc);
        /* Damage is damage, not an I/O error nor a false log; genesis bits are judged behind the header's
         * CRC. */
        assert_int_equal(dsdn_error_exit(rc), 4);
        assert_int_equal(dsdn_error_exit(verify_rc), 4);
        assert_string_equal(error.file, victim->text);
        assert_true(error.offset != DSDN_NO_OFFSET && error.offset <= len);
        assert_int_equal(pwrite(fd, &bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
    free(bytes);
    struct dsdn_error error = DSDN_ERROR_INIT;
    int verify_rc;
    assert_int_equal(judge(log, &error, &verify_rc), 0);
    assert_int_equal(verify_rc, 0);
    return flipped;
}

static void test_closed_segment(void **state)
{
    struct flips *flips = *state;
    struct path victim = sub(&flips->log, "segments/000000000000.seg");
    unsigned flipped = flip_all(&flips->log, &victim);
    assert_true(flipped >= 8 * (DSDN_SEGMENT_HEADER_LEN + 3 * (DSDN_RECORD_HEADER_LEN + LEN) +
                                DSDN_SEGMENT_TRAILER_LEN));
}

static void test_tail(void **state)
{
    struct flips *flips = *state;
    struct path victim = sub(&flips->log, "segments/000000000003.seg");
    assert_int_equal(flip_all(&flips->log, &victim),
                     8 * (DSDN_SEGMENT_HEADER_LEN + 3 * (DSDN_RECORD_HEADER_LEN + LEN)));
}

/* A flip in the newer slot of the durable record falls back to the older one: never more than was written,
 * never a wrong batch, and the writer keeps what is there and says that a slot is damaged. */
static void test_durable(void **state)
{
    struct flips *flips = *state;
    struct path victim = sub(&flips->log, "durable");
    size_t len;
    uint8_t *bytes = slurp(victim.text, &len);
    for (size_t slot = 0; slot < 2; slot++)
        for (size_t bit = 0; bit < DSDN_DURABLE_SLOT_LEN * 8; bit++) {
            size_t at = slot * DSDN_DURABLE_SLOT_STEP + bit / 8;
            bytes[at] ^= (uint8_t)(1u << bit % 8);
            spew(victim.text, bytes, len);
            bytes[at] ^= (uint8_t)(1u << bit % 8);
            struct dsdn_store_report report;
            struct dsdn_store_info info;
            struct dsdn_store *store = log_open(&flips->log, false, 0, true, &report);
            dsdn_store_info(store, &info);
            assert_true(report.slot_damaged);
            assert_true(info.next_sequence <= BATCHES);
            dsdn_store_close(store);
        }
    spew(victim.text, bytes, len);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_segment),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_durable),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
