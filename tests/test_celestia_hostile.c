/* The reader against a node that sends what no node sends.  A process between it and a devnet passes
 * everything on but the answer to one question - about the header or the data of one height - and there does
 * one of the things below.  Each time: a typed answer that names the height, little memory, the heights
 * below were delivered, and as soon as the answer is honest everything goes on with the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <cmocka.h>

#include "adapters/celestia/reader.h"
#include "log/hash.h"
#include "tests/devnet_util.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { HEIGHTS = 12, LIE_AT = 6, TIMEOUT_MS = 1200, REQUEST_MAX = 4096 };

#define BIT(answer)  (1u << DSDN_DA_##answer)
#define MALFORMED    BIT(MALFORMED)
#define BROKEN       BIT(UNAVAILABLE)
#define LATE         BIT(TIMEOUT)
#define FALSE_HEADER (BIT(MALFORMED) | BIT(BAD_HEADER))

/* What is done to a connection instead of answering; honest: the true answer's body, to be spoilt. */
typedef void act(int fd, char *honest, const char *argument);

/* ---- sending -------------------------------------------------------------------------------------- */

static bool out(int fd, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, (const char *)bytes + at, len - at, MSG_NOSIGNAL);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

static bool out_text(int fd, const char *text)
{
    return out(fd, text, strlen(text));
}

/* Head and body, as a node does. */
static bool out_answer(int fd, const char *body, size_t len)
{
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             len);
    return out_text(fd, head) && out(fd, body, len);
}

/* A 64 KiB piece again and again, `bytes` of it; 0: for ever. */
static bool out_many(int fd, const char *piece, uint64_t bytes)
{
    static _Thread_local char block[65536];
    size_t len = strlen(piece), whole = sizeof block / len * len;
    for (size_t i = 0; i < whole; i++) block[i] = piece[i % len];
    for (uint64_t sent = 0; !bytes || sent < bytes; sent += whole)
        if (!out(fd, block, bytes && bytes - sent < whole ? (size_t)(bytes - sent) : whole)) return false;
    return true;
}

/* ---- what is done --------------------------------------------------------------------------------- */

/* 45 MB where a few KB were asked for: all of it announced, correct JSON. */
static void act_large(int fd, char *honest, const char *argument)
{
    static const uint64_t filling = 45000000;
    char head[128], begin[96];
    (void)argument;
    snprintf(begin, sizeof begin, "%.*s\"result\":\"", (int)(strstr(honest, "\"result\"") - honest), honest);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
             (unsigned long long)(strlen(begin) + filling + 2));
    if (out_text(fd, head) && out_text(fd, begin) && out_many(fd, "QUJD", filling)) out_text(fd, "\"}");
}

/* A body that never ends, of no announced length. */
static void act_endless_chunks(int fd, char *honest, const char *argument)
{
    (void)honest, (void)argument;
    if (out_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
        out_many(fd, "10\r\n[1,1,1,1,1,1,1,1\r\n", 0);
}

/* argument: a piece of the head, for ever. */
static void act_endless_head(int fd, char *honest, const char *argument)
{
    (void)honest;
    if (out_text(fd, "HTTP/1.1 200 OK\r\n")) out_many(fd, argument, 0);
}

/* The true answer, a byte each 20 ms. */
static void act_drip(int fd, char *honest, const char *argument)
{
    char head[128];
    (void)argument;
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(honest));
    if (!out_text(fd, head)) return;
    for (const char *p = honest; *p && out(fd, p, 1); p++) usleep(20000);
}

/* Nothing at all, until the other side has had enough. */
static void act_silence(int fd, char *honest, const char *argument)
{
    char byte;
    (void)honest, (void)argument;
    while (recv(fd, &byte, 1, 0) > 0) {
    }
}

/* argument: the whole answer from the status line on. */
static void act_raw(int fd, char *honest, const char *argument)
{
    (void)honest;
    out_text(fd, argument);
}

/* argument: a JSON value in place of the result. */
static void act_result(int fd, char *honest, const char *argument)
{
    size_t begin = (size_t)(strstr(honest, "\"result\":") + 9 - honest), len = begin + strlen(argument) + 2;
    char *body = malloc(len);
    snprintf(body, len, "%.*s%s}", (int)begin, honest, argument);
    out_answer(fd, body, len - 1);
    free(body);
}

/* argument: opening brackets, 10,000 of them. */
static void act_deep(int fd, char *honest, const char *argument)
{
    enum { DEPTH = 10000 };
    static _Thread_local char text[DEPTH * 5 + 1];
    size_t len = strlen(argument);
    for (size_t i = 0; i < DEPTH * len; i++) text[i] = argument[i % len];
    text[DEPTH * len] = 0;
    act_result(fd, honest, text);
}

/* argument: "old|new": the first `old` in the true answer becomes `new`. */
static void act_replace(int fd, char *honest, const char *argument)
{
    const char *bar = strchr(argument, '|');
    size_t old_len = (size_t)(bar - argument), cap = strlen(honest) + strlen(argument) + 1;
    char old[128];
    snprintf(old, sizeof old, "%.*s", (int)old_len, argument);
    char *at = strstr(honest, old), *body = malloc(cap);
    if (!at) _exit(9); /* seen as a refused connection: the test fails */
    int len = snprintf(body, cap, "%.*s%s%s", (int)(at - honest), honest, bar + 1, at + old_len);
    out_answer(fd, body, (size_t)len);
    free(body);
}

/* argument: how many of a hundred parts of the true answer come before the connection ends, with the whole
 * length announced; or with "=" before it, the shorter one. */
static void act_cut(int fd, char *honest, const char *argument)
{
    char head[128];
    size_t whole = strlen(honest), len = whole * strtoul(argument + (*argument == '='), NULL, 10) / 100;
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", *argument == '=' ? len : whole);
    if (out_text(fd, head)) out(fd, honest, len);
}

/* An error object with a text of a megabyte. */
static void act_long_error(int fd, char *honest, const char *argument)
{
    size_t begin = (size_t)(strstr(honest, "\"result\":") - honest), filling = 1 << 20;
    char *body = malloc(begin + filling + 64);
    (void)argument;
    int len = snprintf(body, begin + 64, "%.*s\"error\":{\"code\":1,\"message\":\"", (int)begin, honest);
    memset(body + len, 'x', filling);
    len += (int)filling;
    len += sprintf(body + len, "\"}}");
    out_answer(fd, body, (size_t)len);
    free(body);
}

/* argument: an element; half a million of them in place of the result. */
static void act_many(int fd, char *honest, const char *argument)
{
    size_t begin = (size_t)(strstr(honest, "\"result\":") + 9 - honest), each = strlen(argument),
           cnt = 500000;
    char *body = malloc(begin + cnt * (each + 1) + 16), *at = body;
    at += sprintf(at, "%.*s[", (int)begin, honest);
    for (size_t i = 0; i < cnt; i++) at += sprintf(at, "%s%s", i ? "," : "", argument);
    at += sprintf(at, "]}");
    out_answer(fd, body, (size_t)(at - body));
    free(body);
}

/* ---- the list ------------------------------------------------------------------------------------- */

#define HEIGHT "\"height\":\"6\""

static const struct hostile {
    const char *name;
    bool data; /* the question: share.GetNamespaceData, else header.GetByHeight */
    act *act;
    const char *argument;
    unsigned answers; /* that are right, one bit each */
} hostiles[] = {
    {"45 MB for a header", false, act_large, NULL, MALFORMED},
    {"45 MB for two rows", true, act_large, NULL, MALFORMED},
    {"a header without end", false, act_endless_chunks, NULL, MALFORMED},
    {"rows without end", true, act_endless_chunks, NULL, MALFORMED},
    {"500,000 rows", true, act_many, "{}", MALFORMED},
    {"500,000 numbers", false, act_many, "0", MALFORMED},
    {"lines of a head without end", false, act_endless_head, "X-Filling: abcdefghijklmnopqrstuvwxyz\r\n",
     MALFORMED | BROKEN | LATE},
    {"one line of a head without end", false, act_endless_head, "X", MALFORMED | BROKEN | LATE},
    {"interim answers without end", true, act_endless_head, "\r\nHTTP/1.1 100 Continue\r\n",
     MALFORMED | BROKEN | LATE},
    {"drip", false, act_drip, NULL, LATE},
    {"drip of data", true, act_drip, NULL, LATE},
    {"silence", true, act_silence, NULL, LATE},
    {"10,000 arrays deep", false, act_deep, "[", MALFORMED},
    {"10,000 objects deep", true, act_deep, "{\"a\":", MALFORMED},
    {"two results", false, act_replace, "\"result\":|\"result\":null,\"result\":", MALFORMED},
    {"two ids", true, act_replace, "\"result\":|\"id\":1,\"result\":", MALFORMED},
    {"two headers", false, act_replace, "\"header\":{|\"header\":{},\"header\":{", MALFORMED},
    {"two heights", false, act_replace, HEIGHT "|" HEIGHT "," HEIGHT, MALFORMED},
    {"two lists of shares", true, act_replace, "\"shares\":|\"shares\":[],\"shares\":", MALFORMED},
    {"height NaN", false, act_replace, HEIGHT "|\"height\":NaN", MALFORMED},
    {"height \"NaN\"", false, act_replace, HEIGHT "|\"height\":\"NaN\"", MALFORMED},
    {"height with a fraction", false, act_replace, HEIGHT "|\"height\":6.0", MALFORMED},
    {"height with an exponent", false, act_replace, HEIGHT "|\"height\":6e0", MALFORMED},
    {"negative height", false, act_replace, HEIGHT "|\"height\":\"-6\"", FALSE_HEADER},
    {"height 0", false, act_replace, HEIGHT "|\"height\":\"0\"", FALSE_HEADER},
    {"height 2^63", false, act_replace, HEIGHT "|\"height\":\"9223372036854775808\"", MALFORMED},
    {"height 2^64-1", false, act_replace, HEIGHT "|\"height\":18446744073709551615", MALFORMED},
    {"height 2^64+6", false, act_replace, HEIGHT "|\"height\":\"18446744073709551622\"", MALFORMED},
    {"another height", false, act_replace, HEIGHT "|\"height\":\"7\"", BIT(BAD_HEADER)},
    {"another id", false, act_replace, "\"id\":|\"id\":9", MALFORMED},
    {"id null", true, act_replace, "\"id\":|\"id\":null,\"was\":", MALFORMED},
    {"no header", false, act_result, "null", MALFORMED},
    {"a text for a header", false, act_result, "\"header\"", MALFORMED},
    {"no rows", true, act_result, "[]", BIT(BAD_PROOF)},
    {"rows that are numbers", true, act_result, "[1,2]", MALFORMED},
    {"rows of nothing", true, act_result, "[{},{}]", BIT(BAD_PROOF) | MALFORMED},
    {"end 2^63-1", true, act_replace, "\"end\":|\"end\":9223372036854775807,\"was\":", BIT(BAD_PROOF)},
    {"start -1", true, act_replace, "\"start\":|\"start\":-1,\"was\":", BIT(BAD_PROOF)},
    {"end 1e3", true, act_replace, "\"end\":|\"end\":1e3,\"was\":", MALFORMED},
    {"a zero byte in a name", false, act_replace, "\"header\":{|\"header\":{\"\\u0000\":0,", MALFORMED},
    {"no UTF-8", true, act_replace, "\"jsonrpc\":\"2.0\"|\"jsonrpc\":\"2.0\",\"\xff\xfe\":0", MALFORMED},
    {"nothing of the body", false, act_cut, "0", BROKEN},
    {"a hundredth of it", true, act_cut, "1", BROKEN},
    {"half of it", false, act_cut, "50", BROKEN},
    {"nearly all of it", true, act_cut, "99", BROKEN},
    {"an empty answer", false, act_cut, "=0", MALFORMED},
    {"a short answer", true, act_cut, "=1", MALFORMED},
    {"half an answer", false, act_cut, "=50", MALFORMED},
    {"nearly a whole answer", true, act_cut, "=99", MALFORMED},
    {"no answer", false, act_raw, "", BROKEN},
    {"half a status line", true, act_raw, "HTTP/1.", MALFORMED | BROKEN},
    {"half a head", false, act_raw, "HTTP/1.1 200 OK\r\nContent-Le", MALFORMED | BROKEN},
    {"HTTP/0.9", true, act_raw, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[]}\n", MALFORMED},
    {"another protocol", false, act_raw, "SSH-2.0-OpenSSH_9.2\r\n\r\n", MALFORMED},
    {"compressed nonsense", false, act_raw,
     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n\x1f\x8b\x08\x01garbage!", MALFORMED},
    {"length -1", true, act_raw, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", MALFORMED | BROKEN},
    {"length 2^64", false, act_raw, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n{}",
     MALFORMED | BROKEN},
    {"length 2^62", true, act_raw, "HTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\n{}",
     MALFORMED | BROKEN},
    {"chunk of 2^60", false, act_raw, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n{}",
     MALFORMED | BROKEN},
    {"chunk that is none", true, act_raw, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}",
     MALFORMED | BROKEN},
    {"redirect", false, act_raw,
     "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", MALFORMED},
    {"redirect to a file", true, act_raw,
     "HTTP/1.1 307 Temporary Redirect\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", MALFORMED},
    {"no content", true, act_raw, "HTTP/1.1 204 No Content\r\n\r\n", MALFORMED},
    {"a page", false, act_raw, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>", MALFORMED},
    {"401", false, act_raw, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", BIT(UNAUTHORISED)},
    {"429", true, act_raw, "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 19\r\n\r\nrate limit exceeded",
     BROKEN},
    {"503", false, act_raw,
     "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 34\r\n\r\nserver busy, try again later      ", BROKEN},
    {"a long error", false, act_long_error, NULL, BROKEN},
};

enum { HOSTILE_CNT = sizeof hostiles / sizeof *hostiles };

/* ---- the process between ------------------------------------------------------------------------- */

static struct devnet net;
static uint8_t ns[DSDN_NAMESPACE_LEN];
static struct between {
    atomic_int active; /* of hostiles; -1: honest */
    atomic_uint hits;
} *between; /* shared by both processes */
static pid_t between_pid;
static char between_url[64];

/* Reads one request; its body, or NULL at the end of the connection. */
static char *request(int fd, char buffer[REQUEST_MAX])
{
    size_t len = 0;
    for (ssize_t n; (n = recv(fd, buffer + len, REQUEST_MAX - 1 - len, 0)) > 0;) {
        len += (size_t)n;
        buffer[len] = 0;
        char *body = strstr(buffer, "\r\n\r\n"), *length = strcasestr(buffer, "content-length:");
        if (body && length && len >= (size_t)(body + 4 - buffer) + strtoul(length + 15, NULL, 10))
            return body + 4;
    }
    return NULL;
}

/* The devnet's answer to a request, with its id; owned.  Asked for once: the chain stands still. */
static char *true_answer(const char *body)
{
    static struct {
        char question[160];
        char *answer; /* from "result" on */
    } known[64];
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    const char *question = strstr(body, "\"method\""), *id = strstr(body, "\"id\":");
    size_t i = 0;
    if (!question || !id || strlen(question) >= sizeof known->question) return NULL;
    pthread_mutex_lock(&mutex);
    while (known[i].answer && strcmp(known[i].question, question) != 0) i++;
    if (!known[i].answer) {
        struct devnet_reply reply = devnet_post_body(&net, NULL, body, strlen(body));
        const char *result = strstr(reply.body, "\"result\"");
        strcpy(known[i].question, question);
        known[i].answer = result ? strdup(result) : NULL;
        free(reply.body);
    }
    char *answer = NULL;
    if (known[i].answer && asprintf(&answer, "{\"id\":%llu,\"jsonrpc\":\"2.0\",%s", strtoull(id + 5, NULL, 10),
                                    known[i].answer) < 0)
        answer = NULL;
    pthread_mutex_unlock(&mutex);
    return answer;
}

static void *connection(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char buffer[REQUEST_MAX], question[64], *body;
    while ((body = request(fd, buffer))) {
        char *honest = true_answer(body);
        int active = atomic_load(&between->active);
        const struct hostile *h = active >= 0 ? &hostiles[active] : NULL;
        if (!honest) break;
        if (h)
            snprintf(question, sizeof question, "\"%s\",\"params\":[%d%c",
                     h->data ? "share.GetNamespaceData" : "header.GetByHeight", LIE_AT, h->data ? ',' : ']');
        bool lie = h && strstr(body, question);
        if (lie) {
            atomic_fetch_add(&between->hits, 1);
            h->act(fd, honest, h->argument);
        }
        bool sent = lie || out_answer(fd, honest, strlen(honest));
        free(honest);
        if (lie || !sent) break;
    }
    close(fd);
    return NULL;
}

static void start_between(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(between_url, sizeof between_url, "http://127.0.0.1:%u", ntohs(address.sin_port));
    between = mmap(NULL, sizeof *between, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(between != MAP_FAILED);
    atomic_store(&between->active, -1);
    fflush(NULL);
    between_pid = fork();
    assert_true(between_pid >= 0);
    if (between_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int c; (c = accept(fd, NULL, NULL)) >= 0;) {
            int yes = 1; /* head and body go as two pieces */
            setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            pthread_t thread;
            if (pthread_create(&thread, NULL, connection, (void *)(intptr_t)c)) _exit(1);
            pthread_detach(thread);
        }
        _exit(1);
    }
    close(fd);
}

/* ---- reading -------------------------------------------------------------------------------------- */

/* Kilobytes: "VmRSS:" now, "VmHWM:" the most since memory_mark. */
static size_t memory(const char *what)
{
    char line[128];
    size_t kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, what, strlen(what)) == 0) kilobytes = strtoul(line + strlen(what), NULL, 10);
    if (file) fclose(file);
    return kilobytes;
}

static size_t memory_mark(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
    return memory("VmRSS:");
}

/* A sanitizer keeps what was freed: the figure says nothing then. */
static bool memory_counts(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return false;
#elif defined(__has_feature)
    return !__has_feature(address_sanitizer);
#else
    return true;
#endif
}

/* pin: the hash of header 1; without it trust comes down from the head, through the height of the lie. */
static struct dsdn_reader *reader_new(const char *url, const uint8_t pin[32])
{
    const struct dsdn_endpoint_options node = {
        .url = url, .without_token = true, .timeout_ms = TIMEOUT_MS, .retry_cnt = UINT32_MAX};
    struct dsdn_reader_options o = {.endpoints = &node,
                                    .endpoint_cnt = 1,
                                    .chain_id = "devnet-1",
                                    .from = 1,
                                    .pin_height = pin ? 1 : 0,
                                    .ahead = LIE_AT - 2, /* the headers from the pin on: none waits for the false one */
                                    .poll_ms = 20,
                                    .seed = 1};
    struct dsdn_reader *r;
    struct dsdn_error error = DSDN_ERROR_INIT;
    memcpy(o.ns, ns, sizeof ns);
    if (pin) memcpy(o.pin_hash, pin, 32);
    if (dsdn_reader_new(&o, &r, &error)) fail_msg("%s", error.message);
    return r;
}

static void add(uint8_t digest[32], const struct dsdn_da_height *h)
{
    struct dsdn_sha256 sha;
    dsdn_sha256_init(&sha);
    dsdn_sha256_update(&sha, digest, 32);
    dsdn_sha256_update(&sha, h->hash, 32);
    for (uint32_t i = 0; i < h->blob_cnt; i++) dsdn_sha256_update(&sha, h->blobs[i].bytes, h->blobs[i].len);
    dsdn_sha256_final(&sha, digest);
}

/* Reads up to `last`; a slow machine may make an honest node late. */
static void read_to(struct dsdn_reader *r, uint64_t last, uint8_t digest[32])
{
    for (int troubles = 0; dsdn_reader_wanted(r) <= last;) {
        struct dsdn_da_height h;
        enum dsdn_da_answer answer;
        struct dsdn_error error = DSDN_ERROR_INIT;
        int rc = dsdn_reader_next(r, 10000, &h, &answer, &error);
        if (!rc)
            add(digest, &h);
        else if (rc != DSDN_E_AGAIN || ++troubles > 20)
            fail_msg("%s: %s", dsdn_da_answer_name(answer), error.message);
    }
}

static int start(void **state)
{
    static uint8_t bytes[3000];
    (void)state;
    if (devnet_start(&net, &(struct devnet_options){
                               .blocks = DEVNET_ON_SUBMIT, .first_blocks = 1, .skip_auth = true}))
        return -1;
    memcpy(ns + 19, "dsdntest2", 9);
    for (uint32_t i = 0; i < HEIGHTS - 1; i++) {
        memset(bytes, (int)i + 1, sizeof bytes);
        if (devnet_submit(&net, ns, bytes, i + 2 == LIE_AT ? sizeof bytes : 100 + i) != i + 2) return -1;
    }
    start_between();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kill(between_pid, SIGKILL);
    waitpid(between_pid, NULL, 0);
    devnet_stop(&net);
    return 0;
}

/* Asks until the answer is one of those that are right; one that only says "later" may come before it. */
static void expect(struct dsdn_reader *r, const struct hostile *hostile)
{
    char height[32];
    snprintf(height, sizeof height, "height %d", LIE_AT);
    for (int asked = 0;; asked++) {
        struct dsdn_da_height h;
        enum dsdn_da_answer answer;
        struct dsdn_error error = DSDN_ERROR_INIT;
        int rc = dsdn_reader_next(r, 10000, &h, &answer, &error);
        if (!rc) fail_msg("%s: height %llu was delivered", hostile->name, (unsigned long long)h.height);
        if (!strstr(error.message, height)) fail_msg("%s: no height: %s", hostile->name, error.message);
        if (atomic_load(&between->hits) && hostile->answers >> answer & 1) return;
        if (rc != DSDN_E_AGAIN || asked == 5)
            fail_msg("%s: %s: %s", hostile->name, dsdn_da_answer_name(answer), error.message);
    }
}

static void test_hostile_answers(void **state)
{
    /* A header's answer has a bound of 2 MiB, read into a buffer that doubles; curl has 256 KiB for each of
     * the connections that are used here. */
    enum { GROWTH_KB = 10 << 10 };
    uint8_t honest[32] = {0}, pin[32];
    size_t worst = 0;
    (void)state;
    struct dsdn_reader *r = reader_new(between_url, NULL);
    read_to(r, HEIGHTS, honest);
    assert_true(dsdn_reader_header_hash(r, 1, pin));
    dsdn_reader_free(r);
    for (int i = 0; i < HOSTILE_CNT; i++) {
        uint8_t digest[32] = {0};
        atomic_store(&between->hits, 0);
        atomic_store(&between->active, i);
        size_t before = memory_mark();
        r = reader_new(between_url, pin);
        read_to(r, LIE_AT - 1, digest);
        expect(r, &hostiles[i]);
        size_t most = memory("VmHWM:");
        if (most > before && most - before > worst) worst = most - before;
        if (memory_counts() && most > before + GROWTH_KB)
            fail_msg("%s: %zu KB more memory", hostiles[i].name, most - before);
        atomic_store(&between->active, -1);
        read_to(r, HEIGHTS, digest);
        assert_memory_equal(digest, honest, 32);
        dsdn_reader_free(r);
    }
    print_message("most memory of %d hostile answers: %zu KB\n", HOSTILE_CNT, worst);
}

/* 60,000 blobs of nothing at one height: all are numbered, and the next height comes. */
static void test_garbage(void **state)
{
    enum { BLOBS = 60000, GROWTH_KB = 200 << 10 };
    char params[128], ns_text[DSDN_BASE64_LEN(DSDN_NAMESPACE_LEN) + 1] = "";
    struct dsdn_da_height h;
    enum dsdn_da_answer answer = DSDN_DA_MALFORMED;
    (void)state;
    dsdn_base64_encode(ns, DSDN_NAMESPACE_LEN, ns_text);
    snprintf(params, sizeof params, "[\"%s\",%d,\"blobs\",100]", ns_text, BLOBS);
    uint64_t at = devnet_number(&net, "devnet.Garbage", params);
    assert_true(at > HEIGHTS);
    assert_true(devnet_submit(&net, ns, "next", 4) == at + 1);
    const struct dsdn_endpoint_options node = {.url = net.url, .without_token = true, .timeout_ms = 60000};
    struct dsdn_reader_options o = {.endpoints = &node, .endpoint_cnt = 1, .from = at, .seed = 1};
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_reader *r;
    memcpy(o.ns, ns, sizeof ns);
    size_t before = memory_mark();
    assert_int_equal(dsdn_reader_new(&o, &r, &error), 0);
    int rc;
    for (int i = 0; (rc = dsdn_reader_next(r, 60000, &h, &answer, &error)) == DSDN_E_AGAIN && i < 10; i++) {
    }
    if (rc) fail_msg("%s: %s", dsdn_da_answer_name(answer), error.message);
    assert_int_equal(h.height, at);
    assert_int_equal(h.blob_cnt, BLOBS);
    for (uint32_t i = 0; i < BLOBS; i++) assert_int_equal(h.blobs[i].index, i);
    size_t most = memory("VmHWM:");
    print_message("60,000 blobs: %zu KB more memory\n", most - before);
    if (memory_counts()) assert_true(most < before + GROWTH_KB);
    while ((rc = dsdn_reader_next(r, 60000, &h, &answer, &error)) == DSDN_E_AGAIN) {
    }
    if (rc) fail_msg("%s: %s", dsdn_da_answer_name(answer), error.message);
    assert_int_equal(h.height, at + 1);
    assert_int_equal(h.blob_cnt, 1);
    assert_memory_equal(h.blobs[0].bytes, "next", 4);
    dsdn_reader_free(r);
}

/* Heights that no chain has are refused where they are given, and the devnet's own methods say so. */
static void test_impossible_heights(void **state)
{
    static const uint64_t heights[] = {0, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    static const char *const params[] = {"[0]", "[-1]", "[9223372036854775808]", "[18446744073709551615]",
                                         "[18446744073709551616]", "[1.5]", "[1e3]", "[NaN]", "[\"1\"]"};
    (void)state;
    struct dsdn_reader *r = reader_new(net.url, NULL);
    for (size_t i = 0; i < sizeof heights / sizeof *heights; i++)
        assert_int_equal(dsdn_reader_seek(r, heights[i], NULL), DSDN_E_USAGE);
    uint8_t digest[32] = {0};
    assert_int_equal(dsdn_reader_seek(r, 3, NULL), 0);
    read_to(r, 4, digest);
    dsdn_reader_free(r);
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        char *body = devnet_call(&net, "header.GetByHeight", params[i]);
        assert_non_null(strstr(body, "\"error\""));
        free(body);
    }
    assert_true(devnet_produce(&net, 1) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_answers),
        cmocka_unit_test(test_impossible_heights),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
