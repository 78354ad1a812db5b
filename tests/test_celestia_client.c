/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* The client of a Celestia node below the reader: transfers, meanings, tokens, retries, submission, cost. The
 * node here is a thread that sends scripted bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <cmocka.h>

#include "adapters/celestia/cost.h"
#include "adapters/celestia/reader.h"
#include "adapters/celestia/submit.h"
#include "tests/devnet_util.h"
#include "tests/fail_nth.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>

/* ---- a node that says what it is told to --------------------------------------------------------- */

enum { SCRIPT_MAX = 16 };

struct reply {
    const char *bytes; /* NULL: the end of the script; "": close at once */
    size_t len;        /* 0: strlen */
    uint32_t drip_ms;  /* pause before each byte */
    bool keep;         /* the connection stays open */
    bool hang;         /* and nothing more is sent */
};

struct scripted {
    int listening;
    uint16_t port;
    char url[64];
    pthread_t thread;
    struct reply script[SCRIPT_MAX];
    uint32_t requests; /* answered so far */
    uint32_t connections;
    char last[4096]; /* the last request */
    int stop[2];
};

/* Reads a request; false when the connection ended or the test did. */
static bool take_request(struct scripted *s, int fd)
{
    size_t len = 0;
    for (;;) {
        struct pollfd fds[2] = {{fd, POLLIN, 0}, {s->stop[0], POLLIN, 0}};
        if (poll(fds, 2, -1) <= 0 || fds[1].revents) return false;
        ssize_t n = recv(fd, s->last + len, sizeof s->last - 1 - len, 0);
        if (n <= 0) return false;
        len += (size_t)n;
        s->last[len] = 0;
        char *end = strstr(s->last, "\r\n\r\n"), *length = strcasestr(s->last, "content-length:");
        if (end && length && (size_t)(s->last + len - end - 4) >= strtoul(length + 15, NULL, 10)) return true;
        if (len == sizeof s->last - 1) return true;
    }
}

static bool send_reply(struct scripted *s, int fd, const struct reply *reply)
{
    size_t len = reply->len ? reply->len : strlen(reply->bytes);
    for (size_t at = 0; at < len;) {
        size_t part = reply->drip_ms ? 1 : len - at;
        struct pollfd stop = {s->stop[0], POLLIN, 0};
        if (reply->drip_ms && poll(&stop, 1, (int)reply->drip_ms) > 0) return false;
        ssize_t n = send(fd, reply->bytes + at, part, MSG_NOSIGNAL);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    struct pollfd fds[2] = {{fd, POLLIN, 0}, {s->stop[0], POLLIN, 0}};
    if (reply->hang) (void)poll(fds, 2, -1);
    return reply->keep;
}

static void *serve(void *self)
{
    struct scripted *s = self;
    for (;;) {
        struct pollfd fds[2] = {{s->listening, POLLIN, 0}, {s->stop[0], POLLIN, 0}};
        if (poll(fds, 2, -1) <= 0 || fds[1].revents) return NULL;
        int fd = accept(s->listening, NULL, NULL);
        if (fd < 0) return NULL;
        s->connections++;
        while (take_request(s, fd)) {
            uint32_t i = s->requests < SCRIPT_MAX ? s->requests : SCRIPT_MAX - 1;
            while (i && !s->script[i].bytes) i--; /* the last one is repeated */
            s->requests++;
            if (!send_reply(s, fd, &s->script[i])) break;
        }
        close(fd);
    }
}

static void serve_script(struct scripted *s, const struct reply *script, size_t cnt)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    memset(s, 0, sizeof *s);
    memcpy(s->script, script, cnt * sizeof *script);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listening, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->listening, 16), 0);
    assert_int_equal(getsockname(s->listening, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(pipe(s->stop), 0);
    s->port = ntohs(address.sin_port);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void serve_end(struct scripted *s)
{
    assert_int_equal(write(s->stop[1], "x", 1), 1);
    pthread_join(s->thread, NULL);
    close(s->listening);
    close(s->stop[0]);
    close(s->stop[1]);
}

#define OK_HEAD(length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n"
#define RESULT_7        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":7}"
#define GOOD            OK_HEAD("35") RESULT_7

/* ---- transfers ------------------------------------------------------------------------------------ */

/* One request against a script; the answer's body is checked when it is given. */
static struct dsdn_http_answer transfer(const char *url, uint32_t timeout_ms, size_t answer_max,
                                        const char *body)
{
    struct dsdn_http *http;
    struct dsdn_http_call *call;
    struct dsdn_http_answer answer = {.end = DSDN_HTTP_ANSWERED};
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_http_request request = {
        .url = url, .body = {(const uint8_t *)"{}", 2}, .answer_max = answer_max, .timeout_ms = timeout_ms};
    assert_int_equal(dsdn_http_new(0, &http, &error), 0);
    assert_int_equal(dsdn_http_start(http, &request, &call, &error), 0);
    while (!dsdn_http_done(call, &answer)) assert_int_equal(dsdn_http_run(http, 50, &error), 0);
    if (body) {
        assert_int_equal(answer.body.len, strlen(body));
        assert_memory_equal(answer.body.bytes, body, strlen(body));
    }
    dsdn_http_end_call(http, call);
    dsdn_http_free(http);
    answer.body = (struct dsdn_view){NULL, 0};
    return answer;
}

static void test_transfers(void **state)
{
    static const struct {
        struct reply reply;
        enum dsdn_http_end end;
        long status;
        const char *body;
    } cases[] = {
        {{.bytes = GOOD}, DSDN_HTTP_ANSWERED, 200, RESULT_7},
        {{.bytes = "HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}"}, DSDN_HTTP_ANSWERED, 500, "{}"},
        {{.bytes = "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"}, DSDN_HTTP_ANSWERED, 401, ""},
        {{.bytes = "HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"},
         DSDN_HTTP_ANSWERED,
         302,
         ""},
        {{.bytes = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"},
         DSDN_HTTP_ANSWERED,
         200,
         "{}"},
        {{.bytes = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
         DSDN_HTTP_DROPPED,
         200,
         NULL},
        {{.bytes = OK_HEAD("100") "{"}, DSDN_HTTP_DROPPED, 200, NULL},
        {{.bytes = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}"},
         DSDN_HTTP_DROPPED,
         200,
         NULL},
        {{.bytes = ""}, DSDN_HTTP_DROPPED, 0, NULL},
        {{.bytes = "220 mail.example ESMTP\r\n"}, DSDN_HTTP_PROTOCOL, 0, NULL},
        {{.bytes = OK_HEAD("5000") "{", .hang = true}, DSDN_HTTP_TOO_LARGE, 200, NULL},
        {{.bytes = "HTTP/1.1 200 X\r\n\r\n"
                   "0123456789012345678901234567890123456789012345678901234567890123456789"
                   "0123456789012345678901234567890123456789012345678901234567890123456789"},
         DSDN_HTTP_TOO_LARGE,
         200,
         NULL},
        {{.bytes = OK_HEAD("50") "{", .hang = true}, DSDN_HTTP_TIMEOUT, 200, NULL},
        {{.bytes = GOOD, .drip_ms = 30}, DSDN_HTTP_TIMEOUT, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scripted s;
        serve_script(&s, &cases[i].reply, 1);
        struct dsdn_http_answer answer = transfer(s.url, 300, 100, cases[i].body);
        serve_end(&s);
        if (answer.end != cases[i].end || (cases[i].status && answer.status != cases[i].status))
            fail_msg("case %zu: %s, status %ld", i, dsdn_http_end_name(answer.end), answer.status);
    }
    assert_int_equal(transfer("http://127.0.0.1:1/", 300, 0, NULL).end, DSDN_HTTP_CONNECT);
    assert_int_equal(transfer("http://no-such-host.invalid/", 2000, 0, NULL).end, DSDN_HTTP_RESOLVE);
    struct scripted s; /* speaks no TLS */
    serve_script(&s, &(struct reply){.bytes = "nonsense"}, 1);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u", s.port);
    enum dsdn_http_end end = transfer(url, 300, 0, NULL).end;
    assert_true(end == DSDN_HTTP_TLS || end == DSDN_HTTP_TIMEOUT || end == DSDN_HTTP_DROPPED);
    serve_end(&s);
}

static void test_urls(void **state)
{
    static const char *const good[] = {"http://localhost:26658", "https://node.example/path",
                                       "http://[::1]:26658/"};
    static const char *const bad[] = {"",
                                      "localhost:26658",
                                      "ftp://host/",
                                      "file:///etc/passwd",
                                      "http://",
                                      "http://user:secret@host/",
                                      "http://secret@host/",
                                      "http://host/?token=secret",
                                      "http://host/#x",
                                      "http://ho st/"};
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (dsdn_http_check(good[i], &error)) fail_msg("%s: %s", good[i], error.message);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (dsdn_http_check(bad[i], &error) != DSDN_E_USAGE) fail_msg("%s", bad[i]);
        assert_null(strstr(error.message, "secret"));
    }
}

/* ---- meanings ------------------------------------------------------------------------------------- */

static void test_meanings(void **state)
{
    static const struct {
        enum dsdn_http_end end;
        long status;
        int64_t code; /* INT64_MAX: a result; INT64_MIN: no JSON */
        const char *message;
        struct dsdn_rpc_meaning meaning;
    } cases[] = {
        {DSDN_HTTP_ANSWERED, 200, INT64_MAX, "", {DSDN_DA_PRESENT, DSDN_RETRY_NEVER}},
        {DSDN_HTTP_ANSWERED, 200, INT64_MIN, "", {DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_ANSWERED, 404, INT64_MIN, "", {DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_ANSWERED, 302, INT64_MAX, "", {DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_ANSWERED, 401, INT64_MIN, "", {DSDN_DA_UNAUTHORISED, DSDN_RETRY_TOKEN}},
        {DSDN_HTTP_ANSWERED, 403, INT64_MIN, "", {DSDN_DA_UNAUTHORISED, DSDN_RETRY_NEVER}},
        {DSDN_HTTP_ANSWERED, 429, INT64_MIN, "", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_ANSWERED, 503, INT64_MIN, "", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_ANSWERED, 500, INT64_MIN, "", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_ANSWERED, 500, 0, "panic", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_ANSWERED, 500, -32601, "method 'x' not found", {DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_ANSWERED, 500, -32602, "wrong param count", {DSDN_DA_MALFORMED, DSDN_RETRY_NEVER}},
        {DSDN_HTTP_ANSWERED,
         200,
         1,
         "header: given height is from the future: networkHeight: 5, requestedHeight: 9",
         {DSDN_DA_FUTURE, DSDN_RETRY_NEVER}},
        {DSDN_HTTP_ANSWERED,
         200,
         1,
         "header: syncing in progress: localHeadHeight: 5, requestedHeight: 9",
         {DSDN_DA_FUTURE, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_ANSWERED,
         200,
         1,
         "requested header (8001165) is below Tail (8040790)",
         {DSDN_DA_PRUNED, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_ANSWERED, 200, 1, "header: not found", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_ANSWERED, 200, 1, "all getters failed: x", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_ANSWERED, 200, 1, "context deadline exceeded", {DSDN_DA_TIMEOUT, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_ANSWERED,
         200,
         1,
         "missing permission to invoke 'GetAll' (need 'read')",
         {DSDN_DA_UNAUTHORISED, DSDN_RETRY_TOKEN}},
        {DSDN_HTTP_ANSWERED, 200, 1, "height is equal to 0", {DSDN_DA_MALFORMED, DSDN_RETRY_NEVER}},
        {DSDN_HTTP_ANSWERED, 200, 1, "something new", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_CONNECT, 0, INT64_MIN, "", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_RESOLVE, 0, INT64_MIN, "", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_DROPPED, 200, INT64_MIN, "", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_TLS, 0, INT64_MIN, "", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_TIMEOUT, 0, INT64_MIN, "", {DSDN_DA_TIMEOUT, DSDN_RETRY_BACKOFF}},
        {DSDN_HTTP_TOO_LARGE, 200, INT64_MIN, "", {DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_PROTOCOL, 0, INT64_MIN, "", {DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE}},
        {DSDN_HTTP_NO_MEMORY, 0, INT64_MIN, "", {DSDN_DA_UNAVAILABLE, DSDN_RETRY_NEVER}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsdn_http_answer http = {.end = cases[i].end, .status = cases[i].status};
        struct dsdn_rpc_answer rpc = {.failed = cases[i].code != INT64_MAX, .code = cases[i].code};
        snprintf(rpc.message, sizeof rpc.message, "%s", cases[i].message);
        struct dsdn_rpc_meaning got = dsdn_rpc_meaning(&http, cases[i].code == INT64_MIN ? NULL : &rpc);
        if (got.answer != cases[i].meaning.answer || got.retry != cases[i].meaning.retry)
            fail_msg("case %zu: %s, retry %d", i, dsdn_da_answer_name(got.answer), got.retry);
    }
}

/* ---- calls ---------------------------------------------------------------------------------------- */

/* Asks an endpoint; the end, whose result is copied to `result`. */
static struct dsdn_rpc_end ask(struct dsdn_endpoint *e, enum dsdn_celestia_operation operation, char *result)
{
    struct dsdn_rpc *rpc;
    struct dsdn_rpc_call *call;
    struct dsdn_error error = DSDN_ERROR_INIT;
    const struct dsdn_rpc_options options = {.seed = 3};
    assert_int_equal(dsdn_rpc_new(&options, &rpc, &error), 0);
    assert_int_equal(
        dsdn_rpc_ask(rpc, e, operation, (struct dsdn_view){(const uint8_t *)"[]", 2}, &call, &error), 0);
    struct dsdn_rpc_end end = *dsdn_rpc_done(call);
    snprintf(result, 64, "%.*s", (int)end.result.len, end.result.len ? (const char *)end.result.bytes : "");
    dsdn_rpc_end_call(rpc, call);
    dsdn_rpc_free(rpc);
    return end;
}

static void open_endpoint(struct dsdn_endpoint *e, const char *url, const char *token_file)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    const struct dsdn_endpoint_options o = {.url = url,
                                            .token_file = token_file,
                                            .without_token = !token_file,
                                            .timeout_ms = 400,
                                            .retry_cnt = 2,
                                            .retry_delay_ms = 1};
    if (dsdn_endpoint_open(e, &o, &error)) fail_msg("%s", error.message);
}

static void test_retries(void **state)
{
    static const struct {
        struct reply script[4];
        enum dsdn_celestia_operation operation;
        enum dsdn_da_answer answer;
        uint32_t attempts;
    } cases[] = {
        {{{.bytes = GOOD}}, DSDN_CELESTIA_HEADER, DSDN_DA_PRESENT, 1},
        {{{.bytes = ""}, {.bytes = GOOD}}, DSDN_CELESTIA_HEADER, DSDN_DA_PRESENT, 2},
        {{{.bytes = OK_HEAD("90") "{"},
          {.bytes = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"},
          {.bytes = GOOD}},
         DSDN_CELESTIA_HEADER,
         DSDN_DA_PRESENT,
         3},
        {{{.bytes = "HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n"}},
         DSDN_CELESTIA_HEADER,
         DSDN_DA_UNAVAILABLE,
         3},
        {{{.bytes = GOOD, .drip_ms = 100}, {.bytes = GOOD}}, DSDN_CELESTIA_HEADER, DSDN_DA_PRESENT, 2},
        {{{.bytes = OK_HEAD("2") "{}"}, {.bytes = GOOD}}, DSDN_CELESTIA_HEADER, DSDN_DA_MALFORMED, 1},
        {{{.bytes = OK_HEAD("5") "NaN  "}, {.bytes = GOOD}}, DSDN_CELESTIA_HEADER, DSDN_DA_MALFORMED, 1},
        /* never twice what may have been done once */
        {{{.bytes = ""}, {.bytes = GOOD}}, DSDN_CELESTIA_SUBMIT, DSDN_DA_UNAVAILABLE, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scripted s;
        struct dsdn_endpoint e;
        char result[64];
        serve_script(&s, cases[i].script, 4);
        open_endpoint(&e, s.url, NULL);
        struct dsdn_rpc_end end = ask(&e, cases[i].operation, result);
        serve_end(&s);
        if (end.meaning.answer != cases[i].answer || end.attempts != cases[i].attempts)
            fail_msg("case %zu: %s after %u", i, dsdn_da_answer_name(end.meaning.answer), end.attempts);
        assert_int_equal(s.requests, cases[i].attempts);
        assert_int_equal(e.metrics.operations[cases[i].operation].calls, cases[i].attempts);
        assert_int_equal(e.metrics.operations[cases[i].operation].failures,
                         cases[i].attempts - (end.meaning.answer == DSDN_DA_PRESENT));
        assert_int_equal(e.metrics.answers[cases[i].answer] > 0, 1);
        if (end.meaning.answer == DSDN_DA_PRESENT)
            assert_string_equal(result, "7");
        else
            assert_non_null(strstr(end.error.message, s.url));
        dsdn_endpoint_close(&e);
    }
}

/* One connection for many calls. */
static void test_keep_alive(void **state)
{
    struct scripted s;
    struct dsdn_endpoint e;
    struct dsdn_rpc *rpc;
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    static const struct reply script[SCRIPT_MAX] = {
        {.bytes = GOOD, .keep = true},
        {.bytes = OK_HEAD("35") "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":7}", .keep = true},
        {.bytes = OK_HEAD("35") "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":7}", .keep = true}};
    serve_script(&s, script, SCRIPT_MAX);
    open_endpoint(&e, s.url, NULL);
    assert_int_equal(dsdn_rpc_new(&(struct dsdn_rpc_options){.seed = 1}, &rpc, &error), 0);
    for (int i = 0; i < 3; i++) {
        struct dsdn_rpc_call *call;
        assert_int_equal(dsdn_rpc_ask(rpc, &e, DSDN_CELESTIA_READY,
                                      (struct dsdn_view){(const uint8_t *)"[]", 2}, &call, &error),
                         0);
        assert_int_equal(dsdn_rpc_done(call)->meaning.answer, DSDN_DA_PRESENT);
        dsdn_rpc_end_call(rpc, call);
    }
    dsdn_rpc_free(rpc);
    serve_end(&s);
    assert_int_equal(s.connections, 1);
    assert_non_null(strstr(s.last, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"node.Ready\",\"params\":[]}"));
    dsdn_endpoint_close(&e);
}

/* ---- tokens --------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_tokens(void **state)
{
    char path[] = "/tmp/dsdn-token-XXXXXX", header[DSDN_TOKEN_HEADER_MAX];
    struct dsdn_token *token;
    struct dsdn_error error = DSDN_ERROR_INIT;
    bool changed, open_file;
    (void)state;
    assert_int_equal(close(mkstemp(path)), 0);
    unsetenv(DSDN_TOKEN_VARIABLE);
    assert_int_equal(dsdn_token_new(NULL, &token, NULL, &error), 0);
    assert_false(dsdn_token_header(token, header));
    dsdn_token_free(token);
    setenv(DSDN_TOKEN_VARIABLE, " eyJ.from-env_ironment ", 1);
    assert_int_equal(dsdn_token_new(NULL, &token, NULL, &error), 0);
    assert_true(dsdn_token_header(token, header));
    assert_string_equal(header, "Authorization: Bearer eyJ.from-env_ironment");
    dsdn_token_free(token);
    unsetenv(DSDN_TOKEN_VARIABLE);
    write_file(path, "eyJ.first\n");
    assert_int_equal(dsdn_token_new(path, &token, &open_file, &error), 0);
    assert_false(open_file);
    assert_int_equal(dsdn_token_refresh(token, &changed, &error), 0);
    assert_false(changed);
    write_file(path, "\n eyJ.second\r\n");
    assert_int_equal(dsdn_token_refresh(token, &changed, &error), 0);
    assert_true(changed);
    assert_true(dsdn_token_header(token, header));
    assert_string_equal(header, "Authorization: Bearer eyJ.second");
    /* what could break out of the header, or is no token, is refused and not repeated */
    static const char *const bad[] = {"secret\r\nX: y", "secret two", "secret\xc3\xa9", "secret\"",
                                      "secret;x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(path, bad[i]);
        assert_int_equal(dsdn_token_refresh(token, &changed, &error), DSDN_E_USAGE);
        assert_null(strstr(error.message, "secret"));
        assert_true(dsdn_token_header(token, header)); /* the old one stays */
        assert_string_equal(header, "Authorization: Bearer eyJ.second");
    }
    dsdn_token_free(token);
    write_file(path, "eyJ.open");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(dsdn_token_new(path, &token, &open_file, &error), 0);
    assert_true(open_file);
    dsdn_token_free(token);
    char long_text[DSDN_TOKEN_MAX + 2];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    write_file(path, long_text);
    assert_int_equal(dsdn_token_new(path, &token, NULL, &error), DSDN_E_TOO_LARGE);
    unlink(path);
    assert_int_equal(dsdn_token_new(path, &token, NULL, &error), DSDN_E_NOT_FOUND);
}

/* 401: the token's file is read again, once, and only a new token is tried. */
static void test_token_again(void **state)
{
    static const struct reply script[SCRIPT_MAX] = {{.bytes = "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"},
                                                    {.bytes = GOOD}};
    char path[] = "/tmp/dsdn-token-XXXXXX", result[64];
    struct scripted s;
    struct dsdn_endpoint e;
    (void)state;
    assert_int_equal(close(mkstemp(path)), 0);
    write_file(path, "eyJ.old");
    serve_script(&s, script, SCRIPT_MAX);
    open_endpoint(&e, s.url, path);
    struct dsdn_rpc_end end = ask(&e, DSDN_CELESTIA_SUBMIT, result); /* the old one is still there */
    assert_int_equal(end.meaning.answer, DSDN_DA_UNAUTHORISED);
    assert_int_equal(end.error.code, DSDN_E_INCOMPLETE);
    assert_null(strstr(end.error.message, "eyJ"));
    serve_end(&s);
    assert_int_equal(s.requests, 1);
    dsdn_endpoint_close(&e);
    serve_script(&s, script, SCRIPT_MAX);
    open_endpoint(&e, s.url, path);
    write_file(path, "eyJ.new");
    end = ask(&e, DSDN_CELESTIA_SUBMIT, result);
    assert_int_equal(end.meaning.answer, DSDN_DA_PRESENT);
    serve_end(&s);
    assert_int_equal(s.requests, 2);
    assert_non_null(strstr(s.last, "Authorization: Bearer eyJ.new\r\n"));
    assert_int_equal(e.metrics.token_reads, 1);
    struct dsdn_text t;
    dsdn_text_init(&t, 1 << 16, 0);
    dsdn_endpoint_write_metrics(&t, &e);
    assert_null(strstr(t.bytes, "eyJ"));
    dsdn_text_free(&t);
    dsdn_endpoint_close(&e);
    unlink(path);
}

/* ---- submission: the state machine ---------------------------------------------------------------- */

static void see(struct dsdn_submit *s, uint64_t height, const struct dsdn_da_blob *blobs, uint32_t cnt)
{
    struct dsdn_da_height h = {.height = height, .blobs = blobs, .blob_cnt = cnt};
    dsdn_submit_saw(s, &h);
}

static void test_submit_machine(void **state)
{
    static const uint8_t names[2][32] = {{1}, {2}};
    static const uint8_t alike[2][32] = {{1}, {1}};
    const struct dsdn_da_blob both[4] = {{.index = 0, .bytes = names[0], .len = 1, .commitment = {9}},
                                         {.index = 1, .bytes = names[0], .len = 1, .commitment = {2}},
                                         {.index = 2, .bytes = names[0], .len = 1, .commitment = {1}},
                                         {.index = 3, .bytes = names[0], .len = 1, .commitment = {1}}};
    struct dsdn_submit s = {.phase = DSDN_SUBMIT_IDLE}, again;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t record[DSDN_SUBMIT_RECORD_MAX];
    (void)state;
    assert_int_equal(dsdn_submit_begin(&s, alike, 2, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_submit_begin(&s, names, 0, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_submit_begin(&s, names, 2, &error), 0);
    assert_int_equal(dsdn_submit_begin(&s, names, 2, &error), DSDN_E_USAGE);
    see(&s, 90, both, 4); /* nothing was sent yet */
    assert_int_equal(s.phase, DSDN_SUBMIT_READY);
    /* a pause, then a sending whose outcome is unknown */
    (void)dsdn_submit_send(&s, 100, record);
    dsdn_submit_answered(&s, DSDN_OUTCOME_LATER, 0, 5000, 700, &error);
    assert_int_equal(s.phase, DSDN_SUBMIT_READY);
    assert_int_equal(s.not_before_ms, 5700);
    assert_int_equal(s.pauses, 1);
    size_t len = dsdn_submit_send(&s, 100, record);
    dsdn_submit_answered(&s, DSDN_OUTCOME_UNKNOWN, 0, 0, 0, &error);
    assert_int_equal(s.phase, DSDN_SUBMIT_LOOKING);
    /* one blob of two is not it: all of a transaction are at one height */
    see(&s, 101, both, 2);
    assert_int_equal(s.phase, DSDN_SUBMIT_LOOKING);
    for (uint64_t h = 102; h <= 136; h++) see(&s, h, NULL, 0);
    assert_int_equal(s.phase, DSDN_SUBMIT_LOOKING);
    struct dsdn_submit gap = s;
    see(&gap, 138, NULL, 0); /* a height is missing: absence is not shown */
    assert_int_equal(gap.phase, DSDN_SUBMIT_LOOKING);
    see(&s, 137, NULL, 0);
    assert_int_equal(s.phase, DSDN_SUBMIT_READY);
    assert_int_equal(s.attempts, 2);
    /* it lands while the call is open, whatever the answer will say */
    (void)dsdn_submit_send(&s, 137, record + 0);
    see(&s, 139, both, 4);
    assert_int_equal(s.phase, DSDN_SUBMIT_DONE);
    assert_int_equal(s.height, 139);
    assert_int_equal(s.indices[0], 2);
    assert_int_equal(s.indices[1], 1);
    dsdn_submit_answered(&s, DSDN_OUTCOME_UNKNOWN, 0, 0, 0, &error);
    see(&s, 140, both, 4); /* a duplicate is nothing */
    assert_int_equal(s.phase, DSDN_SUBMIT_DONE);
    assert_int_equal(s.height, 139);
    /* a record takes it up again, looking from where it was sent; a damaged one does not */
    assert_int_equal(dsdn_submit_begin(&s, names, 2, &error), 0);
    len = dsdn_submit_send(&s, 200, record);
    assert_int_equal(dsdn_submit_resume(&again, record, len, &error), 0);
    assert_int_equal(again.phase, DSDN_SUBMIT_LOOKING);
    assert_int_equal(again.head0, 200);
    assert_int_equal(again.blob_cnt, 2);
    see(&again, 201, both, 4);
    assert_int_equal(again.phase, DSDN_SUBMIT_DONE);
    for (size_t i = 0; i < len; i++) {
        record[i] ^= 4;
        assert_int_not_equal(dsdn_submit_resume(&again, record, len, &error), 0);
        record[i] ^= 4;
        assert_int_not_equal(dsdn_submit_resume(&again, record, i, &error), 0);
    }
    /* a height that was named is read before anything else is concluded */
    dsdn_submit_answered(&s, DSDN_OUTCOME_INCLUDED, 260, 0, 0, &error);
    for (uint64_t h = 201; h < 260; h++) see(&s, h, NULL, 0);
    assert_int_equal(s.phase, DSDN_SUBMIT_LOOKING);
    see(&s, 260, both + 1, 2);
    assert_int_equal(s.phase, DSDN_SUBMIT_DONE);
    assert_int_equal(s.height, 260);
    assert_int_equal(dsdn_submit_begin(&s, names, 1, &error), 0);
    (void)dsdn_submit_send(&s, 300, record);
    dsdn_fail(&error, DSDN_E_MALFORMED, "blob too large");
    dsdn_submit_answered(&s, DSDN_OUTCOME_REFUSED, 0, 0, 0, &error);
    assert_int_equal(s.phase, DSDN_SUBMIT_FAILED);
    assert_string_equal(s.error.message, "blob too large");
}

static void test_submit_outcomes(void **state)
{
    static const struct {
        const char *message;
        enum dsdn_da_answer answer;
        enum dsdn_retry retry;
        enum dsdn_submit_outcome outcome;
    } cases[] = {
        {"account sequence mismatch, expected 5, got 4: incorrect account sequence", DSDN_DA_UNAVAILABLE,
         DSDN_RETRY_BACKOFF, DSDN_OUTCOME_LATER},
        {"tx with hash 0AB was rejected by the node with execution code: 32", DSDN_DA_UNAVAILABLE,
         DSDN_RETRY_BACKOFF, DSDN_OUTCOME_LATER},
        {"tx already in mempool", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF, DSDN_OUTCOME_UNKNOWN},
        {"timed out waiting for tx to be included in a block", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF,
         DSDN_OUTCOME_UNKNOWN},
        {"context deadline exceeded", DSDN_DA_TIMEOUT, DSDN_RETRY_BACKOFF, DSDN_OUTCOME_UNKNOWN},
        {"eviction poll timeout: transaction 0AB was evicted", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF,
         DSDN_OUTCOME_UNKNOWN},
        {"insufficient fees; got: 1utia required: 2utia", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF,
         DSDN_OUTCOME_LATER},
        {"failed to submit blobs due to insufficient gas price in txconfig", DSDN_DA_UNAVAILABLE,
         DSDN_RETRY_BACKOFF, DSDN_OUTCOME_LATER},
        {"state: estimated gas price exceeds max gas price in tx config", DSDN_DA_UNAVAILABLE,
         DSDN_RETRY_BACKOFF, DSDN_OUTCOME_LATER},
        {"not enough gas to pay for blobs (minimum: 9, got: 1)", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF,
         DSDN_OUTCOME_REFUSED},
        {"transaction size exceeds maximum allowed limit", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF,
         DSDN_OUTCOME_REFUSED},
        {"blob(s) too large", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF, DSDN_OUTCOME_REFUSED},
        {"account for signer celestia1x not found", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF,
         DSDN_OUTCOME_REFUSED},
        {"invalid user namespace: invalid data namespace(..): reserved data is forbidden", DSDN_DA_MALFORMED,
         DSDN_RETRY_NEVER, DSDN_OUTCOME_REFUSED},
        {"missing permission to invoke 'Submit' (need 'write')", DSDN_DA_UNAUTHORISED, DSDN_RETRY_TOKEN,
         DSDN_OUTCOME_REFUSED},
        {"u: blob.Submit: HTTP status 429", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF, DSDN_OUTCOME_LATER},
        {"u: blob.Submit: HTTP status 503", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF, DSDN_OUTCOME_LATER},
        {"u: blob.Submit: no connection", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF, DSDN_OUTCOME_LATER},
        {"u: blob.Submit: the connection broke, or the answer is shorter than announced", DSDN_DA_UNAVAILABLE,
         DSDN_RETRY_BACKOFF, DSDN_OUTCOME_UNKNOWN},
        {"u: blob.Submit: the answer is no JSON: no value at byte 0", DSDN_DA_MALFORMED, DSDN_RETRY_ELSEWHERE,
         DSDN_OUTCOME_UNKNOWN},
        {"something new", DSDN_DA_UNAVAILABLE, DSDN_RETRY_BACKOFF, DSDN_OUTCOME_UNKNOWN}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsdn_rpc_end end = {.meaning = {cases[i].answer, cases[i].retry}};
        dsdn_fail(&end.error, DSDN_E_AGAIN, "%s", cases[i].message);
        if (dsdn_submit_outcome(&end) != cases[i].outcome) fail_msg("%s", cases[i].message);
    }
    struct dsdn_rpc_end end = {.meaning = {DSDN_DA_PRESENT, DSDN_RETRY_NEVER}};
    static const char *const results[] = {"252607", "0", "null", "\"7\"", "1.5", "9223372036854775808"};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        end.result = (struct dsdn_view){(const uint8_t *)results[i], strlen(results[i])};
        assert_int_equal(dsdn_submit_outcome(&end), i ? DSDN_OUTCOME_UNKNOWN : DSDN_OUTCOME_INCLUDED);
    }
}

/* ---- submission against the devnet ---------------------------------------------------------------- */

struct saved {
    uint8_t record[DSDN_SUBMIT_RECORD_MAX];
    size_t len;
    uint32_t cnt;
    int fail;
};

static int save(void *self, const uint8_t *record, size_t len, struct dsdn_error *error)
{
    struct saved *s = self;
    if (s->fail) return dsdn_fail(error, s->fail, "no disk");
    memcpy(s->record, record, len);
    s->len = len;
    s->cnt++;
    return DSDN_OK;
}

/* Runs until the submission ends, feeding what the reader delivers; the devnet makes a block each round. */
static void run_submission(struct devnet *d, struct dsdn_reader *r, struct dsdn_submitter *s)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (int i = 0; i < 4000; i++) {
        struct dsdn_da_height h;
        enum dsdn_da_answer answer;
        const struct dsdn_submit *state = dsdn_submitter_state(s);
        if (state->phase == DSDN_SUBMIT_DONE || state->phase == DSDN_SUBMIT_FAILED) return;
        if (dsdn_submitter_run(s, dsdn_reader_head(r).height, 5, &error)) fail_msg("%s", error.message);
        if (i % 4 == 3) (void)devnet_produce(d, 1);
        while (dsdn_reader_next(r, 20, &h, &answer, &error) == 0) dsdn_submitter_saw(s, &h);
    }
    fail_msg("the submission does not end");
}

static void test_submission(void **state)
{
    static const struct {
        const char *fault;
        enum dsdn_submit_phase phase;
        uint32_t attempts; /* 0: any */
        uint32_t landed;
    } cases[] = {
        {NULL, DSDN_SUBMIT_DONE, 1, 1},
        {"{\"kind\":\"submit_late\",\"value\":5,\"times\":1}", DSDN_SUBMIT_DONE, 1, 1},
        {"{\"kind\":\"submit_lost\",\"times\":1}", DSDN_SUBMIT_DONE, 2, 1},
        {"{\"kind\":\"submit_twice\",\"value\":2,\"times\":1}", DSDN_SUBMIT_DONE, 1, 2},
        {"{\"kind\":\"sequence\",\"times\":2}", DSDN_SUBMIT_DONE, 3, 1},
        {"{\"kind\":\"status\",\"value\":503,\"method\":\"blob.Submit\",\"times\":1}", DSDN_SUBMIT_DONE, 2,
         1},
        {"{\"kind\":\"error\",\"text\":\"insufficient funds\",\"method\":\"blob.Submit\"}",
         DSDN_SUBMIT_FAILED, 1, 0},
    };
    struct devnet d;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t ns[DSDN_NAMESPACE_LEN] = {0}, bytes[3][900];
    (void)state;
    memcpy(ns + 19, "dsdntest2", 9);
    assert_int_equal(
        devnet_start(
            &d, &(struct devnet_options){.blocks = DEVNET_ON_DEMAND, .first_blocks = 3, .skip_auth = true}),
        0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct saved saved = {.len = 0};
        struct dsdn_endpoint_options node = {
            .url = d.url, .without_token = true, .timeout_ms = 2000, .retry_delay_ms = 1};
        struct dsdn_reader_options ro = {
            .endpoints = &node, .endpoint_cnt = 1, .from = 1, .poll_ms = 5, .ahead = 8, .seed = 1};
        struct dsdn_submitter_options so = {
            .endpoint = node, .timeout_ms = 1500, .seed = 5, .save = save, .self = &saved};
        struct dsdn_reader *r;
        struct dsdn_submitter *s;
        struct dsdn_view blobs[3];
        memcpy(ro.ns, ns, sizeof ns);
        memcpy(so.ns, ns, sizeof ns);
        for (uint32_t b = 0; b < 3; b++) {
            memset(bytes[b], (int)(16 * i + b + 1), sizeof bytes[b]);
            blobs[b] = (struct dsdn_view){bytes[b], 100 + 400 * b};
        }
        assert_int_equal(dsdn_reader_new(&ro, &r, &error), 0);
        assert_int_equal(dsdn_submitter_new(&so, &s, &error), 0);
        if (cases[i].fault) assert_true(devnet_fault(&d, cases[i].fault) > 0);
        assert_int_equal(dsdn_submitter_post(s, blobs, 3, &error), 0);
        assert_int_equal(dsdn_submitter_post(s, blobs, 3, &error), DSDN_E_USAGE);
        /* without a durable record nothing is sent */
        saved.fail = DSDN_E_NO_SPACE;
        assert_int_equal(dsdn_submitter_run(s, 0, 0, &error), DSDN_E_NO_SPACE);
        assert_int_equal(dsdn_submitter_state(s)->attempts, 0);
        saved.fail = 0;
        run_submission(&d, r, s);
        const struct dsdn_submit *done = dsdn_submitter_state(s);
        if (done->phase != cases[i].phase || (cases[i].attempts && done->attempts != cases[i].attempts))
            fail_msg("case %zu: phase %d after %u: %s", i, done->phase, done->attempts, done->error.message);
        assert_int_equal(saved.cnt, done->attempts);
        devnet_clear(&d);
        assert_true(devnet_produce(&d, 5) > 0);
        /* what is on the chain now, and where */
        uint32_t landed = 0;
        assert_int_equal(dsdn_reader_seek(r, 1, &error), 0);
        for (;;) {
            struct dsdn_da_height h;
            enum dsdn_da_answer answer;
            if (dsdn_reader_next(r, 300, &h, &answer, &error)) break;
            for (uint32_t b = 0; b < h.blob_cnt; b++) {
                if (!dsdn_equal32(h.blobs[b].commitment, done->commitments[1])) continue;
                landed++;
                if (landed > 1) continue;
                assert_int_equal(h.height, done->height);
                assert_int_equal(b, done->indices[1]);
                assert_memory_equal(h.blobs[b].bytes, bytes[1], blobs[1].len);
            }
        }
        assert_int_equal(landed, cases[i].landed);
        struct dsdn_submitter_spent spent = dsdn_submitter_spent(s);
        assert_int_equal(spent.blobs, done->phase == DSDN_SUBMIT_DONE ? 3 : 0);
        if (done->phase == DSDN_SUBMIT_DONE) {
            assert_int_equal(spent.gas, 75000 + 3 * 700 + (1 + 2 + 2) * 4096);
            assert_int_equal(spent.utia, (spent.gas * 4 + 999) / 1000);
        }
        /* a new process that knows only the record finds it */
        if (done->phase == DSDN_SUBMIT_DONE) {
            struct dsdn_submitter *next;
            assert_int_equal(dsdn_submitter_new(&so, &next, &error), 0);
            assert_int_equal(dsdn_submitter_resume(next, saved.record, saved.len, blobs, 2, &error),
                             DSDN_E_USAGE);
            assert_int_equal(dsdn_submitter_resume(next, saved.record, saved.len, blobs, 3, &error), 0);
            assert_int_equal(dsdn_reader_seek(r, dsdn_submitter_state(next)->head0 + 1, &error), 0);
            run_submission(&d, r, next);
            assert_int_equal(dsdn_submitter_state(next)->height, done->height);
            assert_int_equal(dsdn_submitter_state(next)->attempts, done->attempts);
            dsdn_submitter_free(next);
        }
        dsdn_submitter_free(s);
        dsdn_reader_free(r);
    }
    devnet_stop(&d);
}

/* ---- cost ----------------------------------------------------------------------------------------- */

/* Within a tenth. */
static bool near(uint64_t utia, uint64_t expected)
{
    return utia * 10 >= expected * 9 && utia * 10 <= expected * 11;
}

static void test_cost(void **state)
{
    static const uint64_t lens[] = {1, 478, 479, 960, 961};
    (void)state;
    assert_int_equal(dsdn_celestia_gas(lens, 5, 0), 75000 + 5 * 700 + 4096 * (1 + 1 + 2 + 2 + 3));
    assert_int_equal(dsdn_celestia_gas(lens, 0, 0), 75000);
    assert_int_equal(dsdn_celestia_gas((const uint64_t[]){0}, 1, 0), 0);
    assert_int_equal(dsdn_celestia_fee(100000, DSDN_PRICE_MIN), 400);
    assert_int_equal(dsdn_celestia_fee(100001, DSDN_PRICE_MIN), 401);
    assert_int_equal(dsdn_celestia_fee(1, 1), 1);
    assert_int_equal(dsdn_celestia_fee(0, DSDN_PRICE_MAX), 0);
    assert_true(dsdn_celestia_fee(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    assert_true(dsdn_celestia_fee(UINT64_MAX, 1000000000) == UINT64_MAX);
    assert_true(dsdn_celestia_fee(UINT64_MAX - 1, 1000000000) == UINT64_MAX - 1);
    /* DA-15's table, at the price that makes it so */
    assert_true(near(dsdn_celestia_estimate(900, 64, DSDN_CALL_RULE, DSDN_PRICE_RULE) / 64, 100));
    assert_true(near(dsdn_celestia_estimate(10240, 64, DSDN_CALL_RULE, DSDN_PRICE_RULE) / 64, 1000));
    assert_true(near(dsdn_celestia_estimate(102400, 64, DSDN_CALL_RULE, DSDN_PRICE_RULE) / 64, 10000));
    assert_true(near(dsdn_celestia_estimate(10240, DSDN_MONTH_BLOBS, DSDN_CALL_RULE, DSDN_PRICE_RULE),
                     30ull * DSDN_UTIA_PER_TIA));
    /* one transaction each is the sum of its parts */
    uint64_t one = dsdn_celestia_fee(dsdn_celestia_gas((const uint64_t[]){10240}, 1, 0), DSDN_PRICE_MIN);
    assert_int_equal(dsdn_celestia_estimate(10240, 30000, 1, DSDN_PRICE_MIN), one * 30000);
    assert_int_equal(dsdn_celestia_estimate(10240, 0, 1, DSDN_PRICE_MIN), 0);
    assert_int_equal(dsdn_celestia_estimate(0, 5, 1, DSDN_PRICE_MIN), 0);
    assert_true(dsdn_celestia_estimate(UINT32_MAX, UINT64_MAX, UINT32_MAX, UINT64_MAX) == UINT64_MAX);
    print_message("30,000 blobs of 10 KB a month: %.1f TIA at 0.004 utia alone, %.1f in full calls\n",
                  (double)dsdn_celestia_estimate(10240, 30000, 1, DSDN_PRICE_MIN) / 1e6,
                  (double)dsdn_celestia_estimate(10240, 30000, 64, DSDN_PRICE_MIN) / 1e6);
}

/* ---- memory --------------------------------------------------------------------------------------- */

/* The n-th allocation fails, for all n: an error or nothing, and all of it is given back. */
static void test_memory(void **state)
{
    struct devnet d;
    uint8_t ns[DSDN_NAMESPACE_LEN] = {0}, bytes[3000] = {5};
    (void)state;
    memcpy(ns + 19, "dsdntest3", 9);
    assert_int_equal(
        devnet_start(
            &d, &(struct devnet_options){.blocks = DEVNET_ON_SUBMIT, .first_blocks = 2, .skip_auth = true}),
        0);
    uint64_t last = devnet_submit(&d, ns, bytes, sizeof bytes);
    assert_true(last > 0);
    bool done = false;
    for (unsigned n = 1; !done && n < 400; n++) {
        struct dsdn_endpoint_options node = {.url = d.url,
                                             .without_token = true,
                                             .timeout_ms = 1000,
                                             .retry_cnt = UINT32_MAX,
                                             .retry_delay_ms = 1};
        struct dsdn_reader_options o = {
            .endpoints = &node, .endpoint_cnt = 1, .from = 1, .poll_ms = 5, .proofs = true, .seed = 1};
        struct dsdn_reader *r;
        struct dsdn_error error = DSDN_ERROR_INIT;
        memcpy(o.ns, ns, sizeof ns);
        fail_nth(n);
        int rc = dsdn_reader_new(&o, &r, &error);
        uint32_t got = 0;
        while (!rc && got < last) {
            struct dsdn_da_height h;
            enum dsdn_da_answer answer;
            rc = dsdn_reader_next(r, 500, &h, &answer, &error);
            if (!rc) got++;
        }
        bool unused = fail_nth(0);
        assert_true(rc == DSDN_E_NO_MEMORY || (unused && !rc));
        if (r) { /* it goes on where it was */
            while (got < last) {
                struct dsdn_da_height h;
                enum dsdn_da_answer answer;
                rc = dsdn_reader_next(r, 500, &h, &answer, &error);
                if (!rc) got++;
                if (rc && rc != DSDN_E_AGAIN && rc != DSDN_E_NO_MEMORY) fail_msg("%s", error.message);
            }
        }
        dsdn_reader_free(r);
        done = unused;
    }
    assert_true(done);
    devnet_stop(&d);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfers),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_meanings),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_token_again),
        cmocka_unit_test(test_submit_machine),
        cmocka_unit_test(test_submit_outcomes),
        cmocka_unit_test(test_submission),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
