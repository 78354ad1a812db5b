/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The signer's lock: one header for a sequence, the same bytes again after any crash, another header only
 * when the old one cannot count; what inclusion and certificates forbid; what settles; damage; failing
 * memory. */
#include "tests/publish_util.h"
#include "tests/fail_nth.h"

#include "sinks/publish/journal.h"

struct signing {
    struct log network;
    struct path dir, file;
    struct dsdn_signer_options options;
    struct dsdn_signer_report report;
    struct dsdn_signer_file *f;
    struct dsdn_batch_builder *builder;
};

static void signing_start(struct signing *s)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    s->options.path = s->file.text;
    if (dsdn_signer_open(&s->options, &s->f, &s->report, &error)) fail_msg("%s", error.message);
}

static void signing_stop(struct signing *s)
{
    dsdn_signer_close(s->f);
    s->f = NULL;
}

static void signing_open(struct signing *s)
{
    *s = (struct signing){.options = {.io = &dsdn_io_system}};
    network_open(&s->network);
    s->options.genesis = s->network.genesis.hash;
    s->options.key = &s->network.authority;
    s->dir = scratch_make();
    s->file = sub(&s->dir, "signer");
    s->builder = dsdn_batch_builder_new();
    assert_non_null(s->builder);
}

static void signing_close(struct signing *s)
{
    signing_stop(s);
    dsdn_batch_builder_free(s->builder);
    log_close(&s->network);
    scratch_remove(&s->dir);
}

static uint64_t batch_time = 5;

/* Signs a batch whose body holds one bundle of `events` events; the same arguments make the same header. */
static int sign(struct signing *s, uint64_t sequence, uint64_t origin, uint32_t events, uint64_t complete,
                enum dsdn_signer_answer *answer, struct dsdn_view *batch)
{
    static uint8_t bundle[1 << 20];
    struct dsdn_header header = {.sequence = sequence, .time_ms = batch_time, .origin = {.height = origin}};
    memcpy(header.genesis, s->network.genesis.hash, 32);
    dsdn_batch_builder_reset(s->builder);
    if (events) {
        size_t len = make_bundle(&s->network, DSDN_BUNDLE_POOL, 0, 1, 0, events, bundle, sizeof bundle);
        int rc = dsdn_batch_builder_bundle(s->builder, bundle, len, NULL);
        if (rc) return rc;
    }
    return dsdn_signer_sign(s->f, s->builder, &header, complete, 60, answer, batch, NULL);
}

static enum dsdn_signer_answer answer_of(struct signing *s, uint64_t sequence, uint64_t origin,
                                         uint32_t events, uint64_t complete, struct dsdn_view *batch)
{
    enum dsdn_signer_answer answer;
    assert_int_equal(sign(s, sequence, origin, events, complete, &answer, batch), 0);
    return answer;
}

static void test_rule(void **state)
{
    (void)state;
    struct signing s;
    struct dsdn_view batch, again;
    uint8_t kept[4096];
    signing_open(&s);
    signing_start(&s);
    assert_true(s.report.created);
    assert_int_equal(dsdn_signer_end(s.f), 0);
    assert_int_equal(answer_of(&s, 7, 1000, 2, 1000, &batch), DSDN_SIGN_LOCK);
    uint8_t message[32];
    dsdn_batch_message(batch.bytes, message);
    assert_true(dsdn_verify(NULL, s.network.authority.public_key, message, batch.bytes + DSDN_HEADER_LEN));
    assert_true(batch.len < sizeof kept);
    memcpy(kept, batch.bytes, batch.len);
    for (int life = 0; life < 2; life++) {
        assert_int_equal(answer_of(&s, 7, 1000, 2, 1000, &again), DSDN_SIGN_RESEND);
        assert_int_equal(again.len, batch.len);
        assert_memory_equal(again.bytes, kept, again.len);
        assert_int_equal(answer_of(&s, 7, 1000, 3, 1000, &again), DSDN_SIGN_REFUSE);
        assert_null(again.bytes);
        assert_int_equal(answer_of(&s, 7, 1060, 3, 1060, &again),
                         DSDN_SIGN_REFUSE); /* not yet too far behind */
        assert_int_equal(answer_of(&s, 7, 1061, 3, 1059, &again), DSDN_SIGN_REFUSE); /* not all was read */
        assert_int_equal(dsdn_signer_end(s.f), 8);
        signing_stop(&s);
        signing_start(&s);
        assert_false(s.report.created);
        assert_int_equal(s.report.locks, 1);
        batch = (struct dsdn_view){dsdn_signer_find(s.f, 7)->bytes, dsdn_signer_find(s.f, 7)->len};
    }
    assert_false(dsdn_signer_allows(s.f, 7, 1060, 1060, 60));
    assert_true(dsdn_signer_allows(s.f, 7, 1061, 1060, 60));
    assert_true(dsdn_signer_allows(s.f, 8, 1000, 1000, 60));
    assert_int_equal(answer_of(&s, 7, 1061, 3, 1060, &again), DSDN_SIGN_LOCK);
    assert_int_equal(answer_of(&s, 7, 1000, 2, 1061, &again), DSDN_SIGN_REFUSE); /* the old one is over */
    signing_stop(&s);
    signing_start(&s); /* the newest record of a sequence counts */
    assert_int_equal(dsdn_signer_find(s.f, 7)->lock.origin_height, 1061);
    signing_close(&s);
}

static void test_saw(void **state)
{
    (void)state;
    struct signing s;
    struct dsdn_view batch, again;
    static uint8_t blob[8192];
    signing_open(&s);
    signing_start(&s);
    assert_int_equal(answer_of(&s, 0, 1000, 2, 1000, &batch), DSDN_SIGN_LOCK);
    size_t len = batch.len;
    memcpy(blob, batch.bytes, len);
    const uint64_t time = 5;
    dsdn_signer_saw(s.f, blob, len, 1000, time, 60); /* not behind its origin */
    dsdn_signer_saw(s.f, blob, len, 1061, time, 60); /* too late */
    dsdn_signer_saw(s.f, blob, len - 1, 1001, time, 60);
    dsdn_signer_saw(s.f, (const uint8_t *)"DSDB", 4, 1001, time, 60);
    dsdn_signer_saw(s.f, blob, 0, 1001, time, 60);
    blob[85]++; /* another header */
    dsdn_signer_saw(s.f, blob, len, 1001, time, 60);
    blob[85]--;
    assert_false(dsdn_signer_find(s.f, 0)->included);
    assert_true(dsdn_signer_allows(s.f, 0, 1061, 1060, 60));
    dsdn_signer_saw(s.f, blob, len, 1060, time, 60);
    assert_true(dsdn_signer_find(s.f, 0)->included);
    assert_null(dsdn_signer_find(s.f, 0)->bytes); /* others have it */
    assert_false(dsdn_signer_allows(s.f, 0, UINT64_MAX, UINT64_MAX, 60));
    assert_int_equal(answer_of(&s, 0, 1000, 2, 1060, &again), DSDN_SIGN_RESEND);
    assert_null(again.bytes);
    signing_stop(&s);
    signing_start(&s); /* what was seen is seen again by who reads again */
    assert_non_null(dsdn_signer_find(s.f, 0)->bytes);
    /* A certificate forbids too, wherever and whenever. */
    uint8_t dsdc[8192] = "DSDC", *signature = blob;
    const uint8_t *signatures[1] = {signature};
    size_t certificate = dsdn_certificate_encode(0, signatures, 1, dsdc + 4, sizeof dsdc - 4);
    assert_true(certificate > 0);
    memcpy(dsdc + 4 + certificate, blob, len);
    dsdn_signer_saw(s.f, dsdc, 4 + certificate + len, 5000, time, 60);
    assert_true(dsdn_signer_find(s.f, 0)->certified);
    assert_false(dsdn_signer_allows(s.f, 0, UINT64_MAX, UINT64_MAX, 60));
    /* A batch that is too far ahead of its block is not countable. */
    batch_time = 500000;
    assert_int_equal(answer_of(&s, 1, 1000, 0, 1000, &batch), DSDN_SIGN_LOCK);
    batch_time = 5;
    len = batch.len;
    memcpy(blob, batch.bytes, len);
    dsdn_signer_saw(s.f, blob, len, 1001, 500000 - DSDN_CLOCK_SLACK_MS - 1, 60);
    assert_false(dsdn_signer_find(s.f, 1)->included);
    dsdn_signer_saw(s.f, blob, len, 1001, 500000 - DSDN_CLOCK_SLACK_MS, 60);
    assert_true(dsdn_signer_find(s.f, 1)->included);
    signing_close(&s);
}

static void test_settled(void **state)
{
    (void)state;
    struct signing s;
    struct dsdn_view batch;
    signing_open(&s);
    signing_start(&s);
    for (uint64_t sequence = 0; sequence < 60; sequence++)
        assert_int_equal(answer_of(&s, sequence, 1000, 2500, 1000, &batch), DSDN_SIGN_LOCK);
    struct stat status;
    assert_int_equal(stat(s.file.text, &status), 0);
    off_t before = status.st_size;
    assert_true(before > 12 << 20);
    assert_int_equal(dsdn_signer_settled(s.f, 58, NULL), 0);
    assert_int_equal(stat(s.file.text, &status), 0);
    assert_true(status.st_size < before / 10);
    assert_int_equal(dsdn_signer_floor(s.f), 58);
    assert_null(dsdn_signer_find(s.f, 57));
    assert_int_equal(answer_of(&s, 57, 90000, 1, 90000, &batch), DSDN_SIGN_REFUSE);
    assert_int_equal(dsdn_signer_settled(s.f, 3, NULL), 0); /* never goes back */
    assert_int_equal(dsdn_signer_floor(s.f), 58);
    signing_stop(&s);
    signing_start(&s);
    assert_int_equal(dsdn_signer_floor(s.f), 58);
    assert_int_equal(s.report.locks, 2);
    assert_int_equal(answer_of(&s, 57, 90000, 1, 90000, &batch), DSDN_SIGN_REFUSE);
    assert_int_equal(answer_of(&s, 59, 1000, 2500, 1000, &batch), DSDN_SIGN_RESEND);
    assert_non_null(batch.bytes);
    /* Above everything that was signed: a follower that is ahead of this file. */
    assert_int_equal(dsdn_signer_settled(s.f, 1000, NULL), 0);
    assert_int_equal(dsdn_signer_end(s.f), 0);
    assert_int_equal(answer_of(&s, 1000, 1000, 1, 1000, &batch), DSDN_SIGN_LOCK);
    signing_stop(&s);
    signing_start(&s);
    assert_int_equal(dsdn_signer_floor(s.f), 1000);
    assert_int_equal(dsdn_signer_end(s.f), 1001);
    signing_close(&s);
}

/* A bit flipped in a lock that was acknowledged is found, whatever bit: the file is refused, not signed past.
 */
static void test_damage(void **state)
{
    (void)state;
    struct signing s;
    struct dsdn_view batch;
    size_t len;
    signing_open(&s);
    signing_start(&s);
    for (uint64_t sequence = 0; sequence < 3; sequence++)
        assert_int_equal(answer_of(&s, sequence, 1000, 1, 1000, &batch), DSDN_SIGN_LOCK);
    signing_stop(&s);
    uint8_t *bytes = slurp(s.file.text, &len);
    size_t last = (len - DSDN_JOURNAL_HEADER_LEN) / 3;
    for (size_t i = 0; i < len - last; i++) {
        bytes[i] ^= 0x40;
        spew(s.file.text, bytes, len);
        bytes[i] ^= 0x40;
        struct dsdn_error error = DSDN_ERROR_INIT;
        int rc = dsdn_signer_open(&s.options, &s.f, &s.report, &error);
        if (!rc) fail_msg("a bit of byte %zu was not missed", i);
        assert_true(rc == DSDN_E_CHECKSUM || rc == DSDN_E_FORMAT || rc == DSDN_E_WRONG_GENESIS);
        assert_string_equal(error.file, s.file.text);
    }
    free(bytes);
    signing_close(&s);
}

/* Memory that fails: no signature leaves without a lock, and the file stays good. */
static void test_memory(void **state)
{
    (void)state;
    struct signing s;
    struct dsdn_view batch = {NULL, 0};
    signing_open(&s);
    s.options.path = s.file.text;
    signing_start(&s);
    answer_of(&s, 0, 1000, 1, 1000, &batch); /* what the test itself needs is allocated */
    signing_stop(&s);
    unlink(s.file.text);
    bool done = false;
    for (unsigned n = 1; !done; n++) {
        assert_true(n < 200);
        enum dsdn_signer_answer answer = DSDN_SIGN_REFUSE;
        uint64_t sequence = n;
        fail_nth(n);
        int rc = dsdn_signer_open(&s.options, &s.f, &s.report, NULL);
        if (!rc) rc = sign(&s, sequence, 1000, 1, 1000, &answer, &batch);
        if (!rc) rc = dsdn_signer_settled(s.f, sequence, NULL);
        done = fail_nth(0);
        signing_stop(&s);
        signing_start(&s);
        if (answer == DSDN_SIGN_LOCK) assert_non_null(dsdn_signer_find(s.f, sequence));
        if (!rc) assert_int_equal(dsdn_signer_floor(s.f), sequence);
        signing_stop(&s);
    }
    signing_close(&s);
}

int main(void)
{
    assert_int_equal(dsdn_sign_self_test(NULL), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),   cmocka_unit_test(test_saw),    cmocka_unit_test(test_settled),
        cmocka_unit_test(test_damage), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
