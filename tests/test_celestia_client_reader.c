/* The reader against the devnet: order, interruptions, lies, trust; the proofs it makes and their audit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <cmocka.h>

#include "adapters/celestia/proof.h"
#include "adapters/celestia/reader.h"
#include "log/hash.h"
#include "tests/devnet_util.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { HEIGHTS = 100, PROOFS_MAX = 256 };

static uint8_t ns[DSDN_NAMESPACE_LEN];

static void fill(uint8_t *bytes, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(seed >> 40);
    }
}

/* A devnet with blobs of several sizes on many heights, one of them over several rows; empty heights between.
 */
static void start_chain(struct devnet *d, uint32_t rotate_every)
{
    static uint8_t bytes[40000];
    assert_int_equal(devnet_start(d, &(struct devnet_options){.blocks = DEVNET_ON_SUBMIT,
                                                              .first_blocks = 3,
                                                              .skip_auth = true,
                                                              .rotate_every = rotate_every}),
                     0);
    memset(ns, 0, sizeof ns);
    memcpy(ns + 19, "dsdntest1", 9);
    for (uint32_t i = 0; i < 12; i++) {
        size_t len = i == 5 ? sizeof bytes : 1 + i * 300;
        fill(bytes, len, i);
        assert_true(devnet_submit(d, ns, bytes, len) > 0);
        assert_true(devnet_produce(d, 1 + i % 4) > 0);
    }
    uint8_t other[DSDN_NAMESPACE_LEN];
    memcpy(other, ns, sizeof other);
    other[28]++;
    assert_true(devnet_submit(d, other, bytes, 700) > 0);
    other[28] -= 2;
    assert_true(devnet_submit(d, other, bytes, 700) > 0);
    assert_true(devnet_produce(d, 70) > 0);
}

static struct dsdn_endpoint_options node_at(const struct devnet *d)
{
    return (struct dsdn_endpoint_options){
        .url = d->url, .without_token = true, .timeout_ms = 5000, .retry_delay_ms = 2};
}

static struct dsdn_reader_options options_for(const struct dsdn_endpoint_options *node, uint64_t from)
{
    struct dsdn_reader_options o = {.endpoints = node,
                                    .endpoint_cnt = 1,
                                    .chain_id = "devnet-1",
                                    .from = from,
                                    .ahead = 16,
                                    .poll_ms = 20,
                                    .seed = 1};
    memcpy(o.ns, ns, sizeof ns);
    return o;
}

/* The hash of a header, from the node. */
static void header_hash(const struct devnet *d, uint64_t height, uint8_t hash[32])
{
    char params[32];
    snprintf(params, sizeof params, "[%llu]", (unsigned long long)height);
    char *body = devnet_call(d, "header.GetByHeight", params), *at = strstr(body, "\"commit\"");
    at = at ? strstr(at, "\"hash\":\"") : NULL;
    assert_non_null(at);
    assert_true(dsdn_hex_decode(at + 8, 32, hash));
    free(body);
}

static struct dsdn_reader *reader_new(const struct dsdn_reader_options *o)
{
    struct dsdn_reader *r;
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (dsdn_reader_new(o, &r, &error)) fail_msg("%s", error.message);
    return r;
}

/* What a run saw, as one hash, and its proofs. */
struct seen {
    uint8_t digest[32];
    uint32_t present, absent, blobs, troubles;
    struct dsdn_view proofs[PROOFS_MAX];
    uint32_t proof_cnt;
};

static void add(struct seen *s, const struct dsdn_da_height *h)
{
    struct dsdn_sha256 sha;
    dsdn_sha256_init(&sha);
    dsdn_sha256_update(&sha, s->digest, 32);
    dsdn_sha256_update(&sha, &h->height, 8);
    dsdn_sha256_update(&sha, &h->time_ms, 8);
    dsdn_sha256_update(&sha, h->hash, 32);
    for (uint32_t i = 0; i < h->blob_cnt; i++) {
        assert_int_equal(h->blobs[i].index, i);
        dsdn_sha256_update(&sha, h->blobs[i].commitment, 32);
        dsdn_sha256_update(&sha, h->blobs[i].bytes, h->blobs[i].len);
    }
    dsdn_sha256_final(&sha, s->digest);
    s->blobs += h->blob_cnt;
    if (h->proof.len) {
        assert_true(s->proof_cnt < PROOFS_MAX);
        uint8_t *copy = malloc(h->proof.len);
        memcpy(copy, h->proof.bytes, h->proof.len);
        s->proofs[s->proof_cnt++] = (struct dsdn_view){copy, h->proof.len};
    }
}

static void seen_free(struct seen *s)
{
    for (uint32_t i = 0; i < s->proof_cnt; i++) free((void *)(uintptr_t)s->proofs[i].bytes);
}

/* Reads heights up to `last`; passing troubles are counted. */
static void read_to(struct dsdn_reader *r, uint64_t last, struct seen *s)
{
    while (dsdn_reader_wanted(r) <= last) {
        struct dsdn_da_height h;
        enum dsdn_da_answer answer;
        struct dsdn_error error = DSDN_ERROR_INIT;
        uint64_t wanted = dsdn_reader_wanted(r);
        int rc = dsdn_reader_next(r, 10000, &h, &answer, &error);
        if (rc == DSDN_E_AGAIN && ++s->troubles < 1000) continue;
        if (rc) fail_msg("%s: %s", dsdn_da_answer_name(answer), error.message);
        assert_int_equal(h.height, wanted);
        assert_true(answer == (h.blob_cnt ? DSDN_DA_PRESENT : DSDN_DA_ABSENT));
        s->present += answer == DSDN_DA_PRESENT;
        s->absent += answer == DSDN_DA_ABSENT;
        add(s, &h);
    }
}

/* The answer instead of a height: its code, with the text. */
static int trouble(struct dsdn_reader *r, enum dsdn_da_answer *answer, struct dsdn_error *error)
{
    struct dsdn_da_height h;
    *error = (struct dsdn_error)DSDN_ERROR_INIT;
    return dsdn_reader_next(r, 3000, &h, answer, error);
}

/* ---- reading -------------------------------------------------------------------------------------- */

/* From a pin at the beginning, in the middle and at the end, from the node's head, with one height ahead and
 * many: always the same. */
static void test_same_from_everywhere(void **state)
{
    struct devnet d;
    struct seen first = {.blobs = 0};
    (void)state;
    start_chain(&d, 0);
    struct dsdn_endpoint_options node = node_at(&d);
    for (int way = 0; way < 6; way++) {
        struct dsdn_reader_options o = options_for(&node, 1);
        struct seen s = {.blobs = 0};
        static const uint64_t pins[] = {1, 30, HEIGHTS, 0, 1, 2};
        o.pin_height = pins[way];
        if (way == 4) o.ahead = 1;
        if (way == 5) o.ahead = 128, o.ahead_bytes = 1;
        if (o.pin_height) header_hash(&d, o.pin_height, o.pin_hash);
        struct dsdn_reader *r = reader_new(&o);
        read_to(r, HEIGHTS, &s);
        assert_int_equal(s.blobs, 12);
        assert_int_equal(s.present, 12);
        assert_int_equal(s.present + s.absent, HEIGHTS);
        if (!way)
            first = s;
        else
            assert_memory_equal(s.digest, first.digest, 32);
        struct dsdn_reader_anchor anchor = dsdn_reader_anchor(r);
        assert_int_equal(anchor.source, o.pin_height ? DSDN_ANCHOR_PINNED : DSDN_ANCHOR_NODE);
        if (o.pin_height) assert_int_equal(anchor.height, o.pin_height);
        /* again, and a part of it again */
        uint8_t hash[32], known[32];
        assert_int_equal(dsdn_reader_seek(r, 7, NULL), 0);
        struct seen again = {.blobs = 0}, part = {.blobs = 0};
        read_to(r, 20, &again);
        assert_int_equal(dsdn_reader_seek(r, 7, NULL), 0);
        read_to(r, 20, &part);
        assert_memory_equal(again.digest, part.digest, 32);
        header_hash(&d, 9, hash);
        assert_true(dsdn_reader_header_hash(r, 9, known));
        assert_memory_equal(hash, known, 32);
        dsdn_reader_free(r);
    }
    devnet_stop(&d);
}

/* The validators change: trust has to go there in steps. */
static void test_rotation(void **state)
{
    struct devnet d;
    struct seen s = {.blobs = 0};
    (void)state;
    start_chain(&d, 3);
    struct dsdn_endpoint_options node = node_at(&d);
    struct dsdn_reader_options o = options_for(&node, HEIGHTS - 5);
    o.pin_height = 2;
    header_hash(&d, 2, o.pin_hash);
    struct dsdn_reader *r = reader_new(&o);
    read_to(r, HEIGHTS, &s);
    assert_int_equal(s.present + s.absent, 6);
    dsdn_reader_free(r);
    devnet_stop(&d);
}

/* A socket dropped at every height, answers cut and slow, servers busy: the same bytes. */
static void test_interruptions(void **state)
{
    static const char *const faults[] = {
        "{\"kind\":\"drop\",\"every\":2}",
        "{\"kind\":\"truncate\",\"value\":700,\"every\":3}",
        "{\"kind\":\"status\",\"value\":503,\"every\":2}",
        "{\"kind\":\"status\",\"value\":429,\"every\":3}",
        "{\"kind\":\"error\",\"text\":\"all getters failed: x\",\"every\":4}",
        "{\"kind\":\"body\",\"text\":\"<html>busy</html>\",\"every\":3}",
        "{\"kind\":\"latency\",\"value\":15,\"every\":3}",
        "{\"kind\":\"drip\",\"value\":200000,\"every\":4}",
        "{\"kind\":\"withhold\",\"every\":2}"};
    struct devnet d;
    struct seen quiet = {.blobs = 0};
    (void)state;
    start_chain(&d, 0);
    struct dsdn_endpoint_options node = node_at(&d);
    for (size_t i = 0; i <= sizeof faults / sizeof *faults; i++) {
        struct dsdn_reader_options o = options_for(&node, 1);
        struct seen s = {.blobs = 0};
        o.pin_height = 1;
        o.subscribe = i % 2 == 1;
        header_hash(&d, 1, o.pin_hash);
        if (i) assert_true(devnet_fault(&d, faults[i - 1]) > 0);
        struct dsdn_reader *r = reader_new(&o);
        while (dsdn_reader_wanted(r) <= HEIGHTS) {
            struct dsdn_da_height h;
            enum dsdn_da_answer answer;
            struct dsdn_error error = DSDN_ERROR_INIT;
            int rc = dsdn_reader_next(r, 10000, &h, &answer, &error);
            if (!rc)
                add(&s, &h);
            else if (rc != DSDN_E_AGAIN && rc != DSDN_E_MALFORMED)
                fail_msg("%s", error.message);
            assert_true(++s.troubles < 2000);
        }
        if (!i)
            quiet = s;
        else
            assert_memory_equal(s.digest, quiet.digest, 32);
        dsdn_reader_free(r);
        devnet_clear(&d);
    }
    devnet_stop(&d);
}

/* A height that somebody filled with garbage: all of it is counted, none of it is in the way, and its answer
 * of 24 MB is no reason to hold more than a few times as much. */
static void test_garbage(void **state)
{
    enum { GARBAGE = 60000 };
    struct devnet d;
    uint8_t bytes[100] = {3};
    char params[160], text[64];
    (void)state;
    start_chain(&d, 0);
    dsdn_base64_encode(ns, DSDN_NAMESPACE_LEN, text);
    text[DSDN_BASE64_LEN(DSDN_NAMESPACE_LEN)] = 0;
    snprintf(params, sizeof params, "[\"%s\",%d,\"blobs\",200]", text, GARBAGE);
    uint64_t full = devnet_number(&d, "devnet.Garbage", params), last = devnet_submit(&d, ns, bytes, 100);
    assert_true(full > 0 && last > full);
    struct dsdn_endpoint_options node = node_at(&d);
    node.timeout_ms = 60000;
    struct dsdn_reader_options o = options_for(&node, full - 1);
    o.to = last;
    o.proofs = true;
    struct dsdn_reader *r = reader_new(&o);
    for (uint64_t h = full - 1; h <= last;) {
        struct dsdn_da_height height;
        enum dsdn_da_answer answer;
        struct dsdn_error error = DSDN_ERROR_INIT;
        int rc = dsdn_reader_next(r, 60000, &height, &answer, &error);
        if (rc == DSDN_E_AGAIN) continue;
        if (rc) fail_msg("%s", error.message);
        if (h == full) {
            assert_int_equal(height.blob_cnt, GARBAGE);
            struct dsdn_height_blobs blobs;
            assert_int_equal(dsdn_celestia_proof_verify(height.proof, ns, height.hash, &blobs, &error), 0);
            assert_int_equal(blobs.height.blob_cnt, GARBAGE);
            dsdn_height_blobs_free(&blobs);
        }
        if (h == last) assert_int_equal(height.blobs[0].len, 100);
        h++;
    }
    dsdn_reader_free(r);
    devnet_stop(&d);
}

/* ---- lies ----------------------------------------------------------------------------------------- */

struct lie {
    const char *fault;
    enum dsdn_da_answer answer;
    int code; /* 0: any but AGAIN */
    const char *words;
};

static void test_lies(void **state)
{
    static const struct lie lies[] = {
        {"{\"kind\":\"wrong_share\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_PROOF, DSDN_E_PROOF, "row"},
        {"{\"kind\":\"missing_share\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_PROOF, 0, NULL},
        {"{\"kind\":\"missing_row\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_PROOF, DSDN_E_PROOF, "rows"},
        {"{\"kind\":\"hide\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_PROOF, DSDN_E_PROOF, "0 rows"},
        {"{\"kind\":\"wrong_proof\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_PROOF, DSDN_E_PROOF, "row"},
        {"{\"kind\":\"wrong_dah\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_HEADER, 0, NULL},
        {"{\"kind\":\"forged_header\",\"text\":\"hash\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_HEADER, 0, NULL},
        {"{\"kind\":\"forged_header\",\"text\":\"time\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_HEADER, 0, NULL},
        {"{\"kind\":\"forged_header\",\"text\":\"validators\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_HEADER, 0,
         NULL},
        {"{\"kind\":\"fork\",\"text\":\"forger\",\"from\":%d,\"to\":%d}", DSDN_DA_BAD_HEADER, 0, NULL},
        {"{\"kind\":\"body\",\"text\":\"{}\",\"from\":%d,\"to\":%d}", DSDN_DA_MALFORMED, DSDN_E_MALFORMED,
         NULL},
        {"{\"kind\":\"status\",\"value\":401,\"from\":%d,\"to\":%d}", DSDN_DA_UNAUTHORISED, DSDN_E_INCOMPLETE,
         "401"},
        {"{\"kind\":\"error\",\"text\":\"requested header (7) is below Tail (9)\",\"from\":%d,\"to\":%d}",
         DSDN_DA_PRUNED, DSDN_E_INCOMPLETE, "below Tail"}};
    struct devnet d, honest;
    (void)state;
    start_chain(&d, 0);
    start_chain(&honest, 0);
    struct dsdn_endpoint_options nodes[2] = {node_at(&d), node_at(&honest)};
    uint64_t liar_at = 0;
    struct dsdn_reader_options o = options_for(nodes, 1);
    o.pin_height = 1;
    header_hash(&d, 1, o.pin_hash);
    struct dsdn_reader *r = reader_new(&o);
    struct seen whole = {.blobs = 0};
    while (!liar_at) { /* the height with a blob over several rows */
        struct dsdn_da_height h;
        enum dsdn_da_answer answer;
        assert_int_equal(dsdn_reader_next(r, 10000, &h, &answer, NULL), 0);
        add(&whole, &h);
        if (h.blob_cnt && h.blobs[0].len == 40000) liar_at = h.height;
    }
    read_to(r, HEIGHTS, &whole);
    dsdn_reader_free(r);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char fault[256], height[32];
        enum dsdn_da_answer answer;
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct seen s = {.blobs = 0};
        bool fork = strstr(lies[i].fault, "fork") != NULL;
        snprintf(fault, sizeof fault, lies[i].fault, (int)liar_at, fork ? 1000 : (int)liar_at);
        snprintf(height, sizeof height, "height %d:", (int)liar_at);
        assert_true(devnet_fault(&d, fault) > 0);
        o.endpoint_cnt = 1;
        o.ahead = fork ? 1 : 16;
        r = reader_new(&o);
        read_to(r, liar_at - 1, &s);
        int rc = trouble(r, &answer, &error);
        print_message("%s: %s\n", dsdn_da_answer_name(answer), error.message);
        assert_int_equal(answer, lies[i].answer);
        if (lies[i].code) assert_int_equal(rc, lies[i].code);
        assert_true(rc && rc != DSDN_E_AGAIN);
        assert_non_null(strstr(error.message, height));
        if (lies[i].words) assert_non_null(strstr(error.message, lies[i].words));
        assert_non_null(strstr(error.message, d.url));
        /* nothing is skipped: the truth, once it is told, goes on here */
        devnet_clear(&d);
        read_to(r, HEIGHTS, &s);
        assert_memory_equal(s.digest, whole.digest, 32);
        dsdn_reader_free(r);
        /* and a second node is asked without a word */
        assert_true(devnet_fault(&d, fault) > 0);
        o.endpoint_cnt = 2;
        struct seen two = {.blobs = 0};
        r = reader_new(&o);
        read_to(r, HEIGHTS, &two);
        assert_memory_equal(two.digest, whole.digest, 32);
        assert_int_equal(two.troubles, 0);
        dsdn_reader_free(r);
        devnet_clear(&d);
    }
    devnet_stop(&d);
    devnet_stop(&honest);
}

/* False headers where the chain is known: on the way down from a pin, and when heights are read again. */
static void test_lies_below(void **state)
{
    struct devnet d;
    struct dsdn_error error;
    enum dsdn_da_answer answer;
    struct seen s = {.blobs = 0}, again = {.blobs = 0};
    (void)state;
    start_chain(&d, 0);
    struct dsdn_endpoint_options node = node_at(&d);
    struct dsdn_reader_options o = options_for(&node, 5);
    o.pin_height = 50;
    header_hash(&d, 50, o.pin_hash);
    assert_true(devnet_fault(&d, "{\"kind\":\"fork\",\"text\":\"forger\",\"from\":20,\"to\":30}") > 0);
    struct dsdn_reader *r = reader_new(&o);
    int rc = DSDN_E_AGAIN;
    for (int i = 0; i < 10 && rc == DSDN_E_AGAIN; i++) rc = trouble(r, &answer, &error);
    assert_int_equal(rc, DSDN_E_CHAIN);
    assert_int_equal(answer, DSDN_DA_BAD_HEADER);
    assert_non_null(strstr(error.message, "height 30:"));
    devnet_clear(&d);
    for (int i = 0; i < 20; i++) { /* what had come ahead is refused in its turn */
        struct dsdn_da_height h;
        rc = dsdn_reader_next(r, 3000, &h, &answer, &error);
        if (rc && rc != DSDN_E_AGAIN) assert_int_equal(rc, DSDN_E_CHAIN);
        if (rc) continue;
        assert_int_equal(h.height, 5);
        break;
    }
    assert_int_equal(rc, 0);
    read_to(r, 30, &s);
    assert_true(devnet_fault(&d, "{\"kind\":\"forged_header\",\"text\":\"hash\",\"from\":9,\"to\":9}") > 0);
    assert_int_equal(dsdn_reader_seek(r, 7, NULL), 0);
    read_to(r, 8, &again);
    for (rc = DSDN_E_AGAIN; rc == DSDN_E_AGAIN;) rc = trouble(r, &answer, &error);
    assert_int_equal(rc, DSDN_E_CHAIN);
    assert_int_equal(answer, DSDN_DA_BAD_HEADER);
    assert_non_null(strstr(error.message, "height 9: the header is not the one of the trusted chain"));
    dsdn_reader_free(r);
    devnet_stop(&d);
}

/* A fork that the same validators signed: only a witness can tell. */
static void test_witness(void **state)
{
    struct devnet d, honest;
    enum dsdn_da_answer answer;
    struct dsdn_error error;
    struct seen s = {.blobs = 0};
    (void)state;
    start_chain(&d, 0);
    start_chain(&honest, 0);
    struct dsdn_endpoint_options nodes[2] = {node_at(&d), node_at(&honest)};
    struct dsdn_reader_options o = options_for(nodes, 1);
    o.pin_height = 1;
    header_hash(&d, 1, o.pin_hash);
    o.witnesses = nodes + 1;
    o.witness_cnt = 1;
    struct dsdn_reader *r = reader_new(&o);
    read_to(r, HEIGHTS, &s); /* they agree */
    dsdn_reader_free(r);
    assert_true(devnet_fault(&honest, "{\"kind\":\"fork\",\"from\":40,\"to\":100000}") > 0);
    struct seen t = {.blobs = 0};
    r = reader_new(&o);
    for (;;) {
        struct dsdn_da_height h;
        int rc = dsdn_reader_next(r, 5000, &h, &answer, &error);
        if (rc == DSDN_E_AGAIN) continue;
        if (rc) break;
        assert_true(h.height < 40);
        add(&t, &h);
    }
    assert_int_equal(answer, DSDN_DA_DISAGREE);
    assert_int_equal(error.code, DSDN_E_EQUIVOCATION);
    assert_non_null(strstr(error.message, d.url));
    assert_non_null(strstr(error.message, honest.url));
    assert_int_equal(trouble(r, &answer, &error), DSDN_E_EQUIVOCATION); /* it stays so */
    dsdn_reader_free(r);
    devnet_stop(&honest); /* a witness that is silent does not hold things up for good */
    struct seen u = {.blobs = 0};
    r = reader_new(&o);
    read_to(r, HEIGHTS, &u);
    assert_memory_equal(u.digest, s.digest, 32);
    dsdn_reader_free(r);
    devnet_stop(&d);
}

/* ---- trust ---------------------------------------------------------------------------------------- */

static uint64_t fixed_clock(void *self)
{
    return *(uint64_t *)self;
}

static void test_trust(void **state)
{
    struct devnet d;
    enum dsdn_da_answer answer;
    struct dsdn_error error;
    struct seen s = {.blobs = 0};
    (void)state;
    start_chain(&d, 0);
    struct dsdn_endpoint_options node = node_at(&d);
    struct dsdn_reader_options o = options_for(&node, 1);
    /* another header than the pinned one */
    o.pin_height = 5;
    struct dsdn_reader *r = reader_new(&o);
    assert_true(trouble(r, &answer, &error) != 0);
    assert_int_equal(answer, DSDN_DA_BAD_HEADER);
    assert_int_equal(error.code, DSDN_E_CHAIN);
    assert_non_null(strstr(error.message, "height 5:"));
    dsdn_reader_free(r);
    /* another chain */
    header_hash(&d, 5, o.pin_hash);
    o.chain_id = "celestia";
    r = reader_new(&o);
    assert_int_equal(trouble(r, &answer, &error), DSDN_E_WRONG_GENESIS);
    dsdn_reader_free(r);
    /* a pin that is too old leads nowhere upwards */
    uint64_t later = ((uint64_t)time(NULL) + 30 * 86400) * 1000;
    o.chain_id = NULL;
    o.from = 3;
    o.clock_ms = fixed_clock;
    o.self = &later;
    r = reader_new(&o);
    read_to(r, 5, &s); /* but downwards it does not age */
    assert_int_equal(trouble(r, &answer, &error), DSDN_E_UNVERIFIED);
    assert_int_equal(answer, DSDN_DA_BAD_HEADER);
    dsdn_reader_free(r);
    /* above the head */
    o.clock_ms = NULL;
    o.from = 10000;
    r = reader_new(&o);
    assert_int_equal(trouble(r, &answer, &error), DSDN_E_AGAIN);
    assert_int_equal(answer, DSDN_DA_FUTURE);
    assert_true(dsdn_reader_head(r).height >= HEIGHTS);
    dsdn_reader_free(r);
    devnet_stop(&d);
}

/* What a run verified is where the next one begins; a torn end of the file is dropped. */
static void test_state(void **state)
{
    char directory[] = "/tmp/dsdn-reader-XXXXXX", path[64];
    struct devnet d;
    enum dsdn_da_answer answer;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct seen whole = {.blobs = 0}, parts = {.blobs = 0};
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/headers", directory);
    start_chain(&d, 0);
    struct dsdn_endpoint_options node = node_at(&d);
    struct dsdn_reader_options o = options_for(&node, 1);
    o.pin_height = 1;
    header_hash(&d, 1, o.pin_hash);
    struct dsdn_reader *r = reader_new(&o);
    read_to(r, HEIGHTS, &whole);
    dsdn_reader_free(r);
    o.state_dir = directory;
    for (uint64_t last = 10; last <= HEIGHTS; last += 10) {
        struct dsdn_reader_options own = o;
        own.from = last - 9;
        if (last == 20) own.pin_height = 0;
        r = reader_new(&own);
        struct dsdn_reader_anchor anchor = dsdn_reader_anchor(r);
        assert_int_equal(anchor.source, last == 20 ? DSDN_ANCHOR_PRIOR : DSDN_ANCHOR_PINNED);
        assert_int_equal(anchor.height, last == 10 ? 1 : last == 40 ? 29 : last - 10);
        read_to(r, last, &parts);
        dsdn_reader_free(r);
        struct stat about;
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_size, 64 + 48 * (off_t)(last < 40 ? last : last - 1)); /* 30 was cut off */
        if (last == 30) assert_int_equal(truncate(path, about.st_size - 5), 0);
    }
    assert_memory_equal(parts.digest, whole.digest, 32);
    /* a changed byte of a record, and all behind it, is not believed */
    int fd = open(path, O_RDWR);
    uint8_t byte = 0;
    off_t at = 64 + 48 * 24 + 8 + 5; /* in the hash of height 25 */
    assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= 1;
    assert_true(pwrite(fd, &byte, 1, at) == 1);
    close(fd);
    r = reader_new(&o);
    assert_int_equal(dsdn_reader_anchor(r).height, 24);
    dsdn_reader_free(r);
    /* a pin that the state contradicts; another chain; no such file at all */
    struct dsdn_reader_options bad = o;
    bad.pin_hash[0] ^= 1;
    assert_int_equal(dsdn_reader_new(&bad, &r, &error), DSDN_E_CHAIN);
    bad = o;
    bad.chain_id = "mocha-4";
    assert_int_equal(dsdn_reader_new(&bad, &r, &error), DSDN_E_WRONG_GENESIS);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fputs("XXXX", file);
    fclose(file);
    assert_int_equal(dsdn_reader_new(&o, &r, &error), DSDN_E_FORMAT);
    (void)answer;
    unlink(path);
    rmdir(directory);
    devnet_stop(&d);
}

/* ---- tokens and subscriptions --------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fputs("\n", file);
    fclose(file);
}

/* Without a token every method needs one; a token that is replaced in its file is read again. */
static void test_token(void **state)
{
    char path[] = "/tmp/dsdn-token-XXXXXX";
    struct devnet d;
    enum dsdn_da_answer answer;
    struct dsdn_error error;
    struct seen s = {.blobs = 0};
    (void)state;
    assert_true(close(mkstemp(path)) == 0);
    assert_int_equal(devnet_start(&d, &(struct devnet_options){.first_blocks = 10}), 0);
    struct dsdn_endpoint_options node = node_at(&d);
    struct dsdn_reader_options o = options_for(&node, 1);
    struct dsdn_reader *r = reader_new(&o);
    assert_int_equal(trouble(r, &answer, &error), DSDN_E_INCOMPLETE);
    assert_int_equal(answer, DSDN_DA_UNAUTHORISED);
    dsdn_reader_free(r);
    node.without_token = false;
    node.token_file = path;
    write_file(path, "wrong.token.here");
    r = reader_new(&o);
    assert_int_equal(trouble(r, &answer, &error), DSDN_E_INCOMPLETE);
    assert_null(strstr(error.message, "wrong.token"));
    write_file(path, d.read_token);
    read_to(r, 10, &s);
    const struct dsdn_endpoint *endpoint = dsdn_reader_endpoint(r, 0);
    assert_true(endpoint->metrics.token_reads > 0);
    struct dsdn_text t;
    dsdn_text_init(&t, 1 << 20, 0);
    dsdn_endpoint_write_metrics(&t, endpoint);
    assert_non_null(strstr(t.bytes, "\"header.GetByHeight\""));
    assert_null(strstr(t.bytes, d.read_token));
    dsdn_text_free(&t);
    dsdn_reader_free(r);
    unlink(path);
    devnet_stop(&d);
}

/* With a subscription a head is noticed long before the next question for it would be asked. */
static void test_subscription(void **state)
{
    struct devnet d;
    struct seen s = {.blobs = 0};
    (void)state;
    assert_int_equal(devnet_start(&d, &(struct devnet_options){.blocks = DEVNET_EVERY,
                                                               .every_ms = 50,
                                                               .first_blocks = 3,
                                                               .skip_auth = true}),
                     0);
    struct dsdn_endpoint_options node = node_at(&d);
    struct dsdn_reader_options o = options_for(&node, 1);
    o.poll_ms = 60000;
    o.subscribe = true;
    struct dsdn_reader *r = reader_new(&o);
    uint64_t start = (uint64_t)time(NULL);
    read_to(r, 20, &s);
    assert_true((uint64_t)time(NULL) - start < 20);
    dsdn_reader_free(r);
    devnet_stop(&d);
}

/* ---- proofs --------------------------------------------------------------------------------------- */

static struct dsdn_celestia_audit *audit_new(uint64_t pin_height, const uint8_t *pin_hash)
{
    struct dsdn_audit_options o = {.chain_id = "devnet-1", .pin_height = pin_height};
    struct dsdn_celestia_audit *a;
    if (pin_height) memcpy(o.pin_hash, pin_hash, 32);
    assert_int_equal(dsdn_celestia_audit_new(&o, &a, NULL), 0);
    return a;
}

/* Scans all proofs; the code of the first that fails. */
static int scan(struct dsdn_celestia_audit *a, const struct seen *s, struct dsdn_error *error)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && i < s->proof_cnt; i++) rc = dsdn_celestia_audit_scan(a, s->proofs[i], error);
    return rc;
}

static void test_proofs(void **state)
{
    struct devnet d;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct seen s = {.blobs = 0}, audited = {.blobs = 0};
    uint8_t pin[32], middle[32], other[32] = {7};
    size_t empty_len = 0, steps = 0;
    (void)state;
    start_chain(&d, 4);
    struct dsdn_endpoint_options node = node_at(&d);
    struct dsdn_reader_options o = options_for(&node, 1);
    o.proofs = true;
    o.to = HEIGHTS;
    o.pin_height = 1;
    header_hash(&d, 1, pin);
    header_hash(&d, 31, middle);
    memcpy(o.pin_hash, pin, 32);
    struct dsdn_reader *r = reader_new(&o);
    read_to(r, HEIGHTS, &s);
    dsdn_reader_free(r);
    devnet_stop(&d); /* from here on without a network */
    assert_int_equal(s.proof_cnt, HEIGHTS);
    for (uint32_t i = 0; i < s.proof_cnt; i++) {
        assert_int_equal(dsdn_celestia_proof_height(s.proofs[i]), i + 1);
        if (!empty_len || s.proofs[i].len < empty_len) empty_len = s.proofs[i].len;
        steps += dsdn_load16(s.proofs[i].bytes + 2);
    }
    print_message("an empty height takes %zu bytes; %zu steps for %u heights\n", empty_len, steps,
                  s.proof_cnt);
    assert_true(empty_len < 700 && steps >= 4);
    const struct {
        uint64_t height;
        const uint8_t *hash;
    } pins[] = {{1, pin}, {31, middle}, {0, NULL}};
    for (size_t i = 0; i < 3; i++) {
        struct dsdn_celestia_audit *a = audit_new(pins[i].height, pins[i].hash);
        struct dsdn_audit_result result;
        if (scan(a, &s, &error)) fail_msg("%s", error.message);
        dsdn_celestia_audit_result(a, &result);
        assert_int_equal(result.first, 1);
        assert_int_equal(result.end, HEIGHTS + 1);
        assert_int_equal(result.trusted_end, HEIGHTS + 1);
        assert_int_equal(result.pinned, pins[i].height != 0);
        assert_int_equal(result.anchor_height, pins[i].height ? pins[i].height : 1);
        memset(&audited, 0, sizeof audited);
        for (uint32_t n = 0; n < s.proof_cnt; n++) {
            struct dsdn_height_blobs blobs;
            if (dsdn_celestia_audit_height(a, s.proofs[n], ns, &blobs, &error)) fail_msg("%s", error.message);
            blobs.height.proof.len = 0;
            add(&audited, &blobs.height);
            dsdn_height_blobs_free(&blobs);
        }
        assert_memory_equal(audited.digest, s.digest, 32);
        dsdn_celestia_audit_free(a);
    }
    /* another pin; a gap; the wrong order; a header of a stranger */
    struct dsdn_celestia_audit *a = audit_new(31, other);
    assert_int_equal(scan(a, &s, &error), DSDN_E_CHAIN);
    dsdn_celestia_audit_free(a);
    a = audit_new(1, pin);
    assert_int_equal(dsdn_celestia_audit_scan(a, s.proofs[0], &error), 0);
    assert_int_equal(dsdn_celestia_audit_scan(a, s.proofs[2], &error), DSDN_E_CHAIN);
    struct dsdn_height_blobs blobs;
    struct dsdn_audit_result result;
    dsdn_celestia_audit_result(a, &result);
    assert_int_equal(result.trusted_end, 2); /* itself; what is above was not scanned up to a signed one */
    assert_int_equal(dsdn_celestia_audit_height(a, s.proofs[1], ns, &blobs, &error), DSDN_E_UNVERIFIED);
    dsdn_celestia_audit_free(a);
    /* heights above the pin of which no step below is known: a pin alone roots nothing above it */
    a = audit_new(HEIGHTS - 1, other);
    dsdn_celestia_audit_result(a, &result);
    assert_int_equal(result.trusted_end, 0);
    dsdn_celestia_audit_free(a);
    /* every byte counts, in headers, row sets and shares alike */
    a = audit_new(1, pin);
    assert_int_equal(scan(a, &s, &error), 0);
    unsigned refused = 0, tried = 0;
    for (uint32_t n = 3; n < 12; n++) {
        uint8_t *bytes = (void *)(uintptr_t)s.proofs[n].bytes;
        size_t len = s.proofs[n].len, steps_at = 16 + dsdn_load16(bytes + 14) + dsdn_load32(bytes + 8);
        size_t steps_end = steps_at + dsdn_load32(bytes + 4);
        for (size_t at = 0; at < len; at += 1 + at / 700 * 37) {
            if (at == 2 || at == 3 || (at >= steps_at && at < steps_end)) continue; /* of the scan */
            bytes[at] ^= 1;
            tried++;
            int rc = dsdn_celestia_audit_height(a, s.proofs[n], ns, &blobs, &error);
            if (rc) refused++;
            dsdn_height_blobs_free(&blobs);
            bytes[at] ^= 1;
        }
    }
    assert_true(tried > 2000);
    assert_int_equal(refused, tried);
    dsdn_celestia_audit_free(a);
    seen_free(&s);
}

/* Steps that are signed by a stranger's validators on top of a true pinned header root nothing. */
static void test_proofs_of_a_fork(void **state)
{
    struct devnet d;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct seen s = {.blobs = 0};
    uint8_t pin[32];
    (void)state;
    start_chain(&d, 0);
    struct dsdn_endpoint_options node = node_at(&d);
    header_hash(&d, 20, pin);
    /* a record whose anchor is a head of the forger's chain, which contains the true header 20 */
    assert_true(devnet_fault(&d, "{\"kind\":\"fork\",\"text\":\"forger\",\"from\":21,\"to\":100000}") > 0);
    struct dsdn_reader_options o = options_for(&node, 15);
    o.proofs = true;
    struct dsdn_reader *r = reader_new(&o);
    read_to(r, 15, &s);
    uint64_t last = dsdn_reader_anchor(r).height; /* so that the forger's step is read too */
    read_to(r, last, &s);
    dsdn_reader_free(r);
    struct dsdn_celestia_audit *a = audit_new(20, pin);
    struct dsdn_audit_result result;
    struct dsdn_height_blobs blobs;
    if (scan(a, &s, &error)) fail_msg("%s", error.message);
    dsdn_celestia_audit_result(a, &result);
    assert_true(result.pinned);
    assert_int_equal(result.end, last + 1);
    assert_int_equal(result.trusted_end, 21);
    assert_int_equal(dsdn_celestia_audit_height(a, s.proofs[5], ns, &blobs, &error), 0);
    dsdn_height_blobs_free(&blobs);
    assert_int_equal(dsdn_celestia_audit_height(a, s.proofs[6], ns, &blobs, &error), DSDN_E_UNVERIFIED);
    dsdn_celestia_audit_free(a);
    seen_free(&s);
    devnet_stop(&d);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_from_everywhere),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_interruptions),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_lies_below),
        cmocka_unit_test(test_witness),
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_subscription),
        cmocka_unit_test(test_proofs),
        cmocka_unit_test(test_proofs_of_a_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
