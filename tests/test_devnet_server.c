/* A devnet's sockets: HTTP and WebSocket, faults as they look on the wire, blocks that outlive kill -9. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/celestia_util.h"
#include "tests/devnet_util.h"

static uint8_t ns[DSDN_NAMESPACE_LEN];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct devnet_reply post(const struct devnet *d, const char *token, const char *text)
{
    return devnet_post_body(d, token, text, strlen(text));
}

static const char local_head[] =
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"header.LocalHead\",\"params\":[]}";

static void statuses(void **state)
{
    (void)state;
    struct devnet d;
    assert_int_equal(
        devnet_start(&d, &(struct devnet_options){.blocks = DEVNET_ON_SUBMIT, .first_blocks = 2}), 0);
    struct devnet_reply r = post(&d, d.read_token, local_head);
    assert_int_equal(r.status, 200);
    assert_true(r.whole);
    assert_non_null(strstr(r.body, "\"height\":\"2\""));
    free(r.body);
    r = post(&d, NULL, local_head);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "missing permission"));
    free(r.body);
    r = post(&d, "nonsense", local_head);
    assert_int_equal(r.status, 401);
    assert_true(r.whole && r.len == 0);
    free(r.body);
    r = post(&d, d.read_token, "");
    assert_int_equal(r.status, 400);
    free(r.body);
    r = post(&d, d.read_token, "{");
    assert_int_equal(r.status, 500);
    free(r.body);
    size_t large = DSDN_DEVNET_REQUEST_MAX + 10u;
    char *text = malloc(large);
    memset(text, ' ', large);
    r = devnet_post_body(&d, d.read_token, text, large);
    assert_int_equal(r.status, 500);
    assert_non_null(strstr(r.body, "request bigger than maximum"));
    free(r.body);
    free(text);
    assert_int_equal(devnet_stop(&d), 0);
}

/* A blob of megabytes there and back; its answer comes in chunks. */
static void large_answers(void **state)
{
    (void)state;
    struct devnet d;
    assert_int_equal(devnet_start(&d, &(struct devnet_options){.blocks = DEVNET_ON_SUBMIT}), 0);
    size_t len = 3000000;
    uint8_t *data = malloc(len);
    number_fill(data, len);
    assert_int_equal(devnet_submit(&d, ns, data, len), 1);
    char params[128], ns64[64] = "", *text = malloc(DSDN_BASE64_LEN(len) + 1);
    dsdn_base64_encode(ns, sizeof ns, ns64);
    dsdn_base64_encode(data, len, text);
    text[DSDN_BASE64_LEN(len)] = 0;
    snprintf(params, sizeof params, "[1,[\"%s\"]]", ns64);
    char *body = devnet_call(&d, "blob.GetAll", params);
    assert_non_null(strstr(body, text));
    free(body);
    snprintf(params, sizeof params, "[1,\"%s\"]", ns64);
    body = devnet_call(&d, "share.GetNamespaceData", params);
    assert_true(strlen(body) > 4000000 && body[strlen(body) - 1] == '}');
    free(body);
    free(text);
    free(data);
    assert_int_equal(devnet_stop(&d), 0);
}

static void wire_faults(void **state)
{
    (void)state;
    struct devnet d;
    assert_int_equal(
        devnet_start(
            &d, &(struct devnet_options){.blocks = DEVNET_ON_DEMAND, .first_blocks = 5, .skip_auth = true}),
        0);
    struct devnet_reply r = post(&d, NULL, local_head);
    size_t len = r.len;
    free(r.body);

    assert_true(devnet_fault(&d, "{\"kind\":\"drop\",\"every\":2}") > 0);
    for (int i = 0; i < 6; i++) {
        r = post(&d, NULL, local_head);
        assert_int_equal(r.status, i % 2 ? 0 : 200);
        free(r.body);
    }
    devnet_clear(&d);
    devnet_fault(&d, "{\"kind\":\"truncate\",\"value\":100}");
    r = post(&d, NULL, local_head);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.len, 100);
    assert_false(r.whole);
    free(r.body);
    devnet_clear(&d);
    devnet_fault(&d, "{\"kind\":\"oversize\",\"value\":5000000}");
    r = post(&d, NULL, local_head);
    assert_int_equal(r.len, len + 5000000);
    assert_true(r.whole);
    free(r.body);
    devnet_clear(&d);
    devnet_fault(&d, "{\"kind\":\"latency\",\"value\":200}");
    double began = now();
    r = post(&d, NULL, local_head);
    assert_int_equal(r.len, len);
    assert_true(now() - began >= 0.2);
    free(r.body);
    devnet_clear(&d);
    char drip[64];
    snprintf(drip, sizeof drip, "{\"kind\":\"drip\",\"value\":%zu}", len * 2);
    devnet_fault(&d, drip);
    began = now();
    r = post(&d, NULL, local_head);
    assert_int_equal(r.len, len);
    assert_true(now() - began >= 0.3);
    free(r.body);
    devnet_clear(&d);
    static const int codes[] = {401, 429, 503, 500};
    for (size_t i = 0; i < 4; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"kind\":\"status\",\"value\":%d}", codes[i]);
        devnet_fault(&d, text);
        r = post(&d, NULL, local_head);
        assert_int_equal(r.status, codes[i]);
        assert_true(r.whole);
        free(r.body);
        devnet_clear(&d);
    }
    /* a restart closes who waits, and nobody is let in for a while */
    pid_t waiting = fork();
    if (waiting == 0) {
        r = post(&d, NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"header.GetByHeight\",\"params\":[6]}");
        _exit(r.status == 0 ? 0 : 1);
    }
    struct timespec pause = {0, 100000000};
    nanosleep(&pause, NULL);
    free(devnet_call(&d, "devnet.Restart", "[200]"));
    int status;
    waitpid(waiting, &status, 0);
    assert_int_equal(status, 0);
    r = post(&d, NULL, local_head);
    assert_int_equal(r.status, 0);
    free(r.body);
    pause.tv_nsec = 300000000;
    nanosleep(&pause, NULL);
    r = post(&d, NULL, local_head);
    assert_int_equal(r.status, 200);
    free(r.body);
    assert_int_equal(devnet_stop(&d), 0);
}

/* A request for the next height is answered when its block comes, other requests meanwhile. */
static void waiting(void **state)
{
    (void)state;
    struct devnet d;
    assert_int_equal(
        devnet_start(&d, &(struct devnet_options){.blocks = DEVNET_ON_DEMAND, .first_blocks = 1}), 0);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct devnet_reply r =
            post(&d, d.read_token,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"header.GetByHeight\",\"params\":[2]}");
        bool fine = r.status == 200 && strstr(r.body, "\"height\":\"2\"");
        _exit(write(ends[1], &fine, 1) == 1 && fine ? 0 : 1);
    }
    close(ends[1]);
    struct timespec pause = {0, 200000000};
    nanosleep(&pause, NULL);
    struct devnet_reply r = post(&d, d.read_token, local_head);
    assert_int_equal(r.status, 200);
    free(r.body);
    assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
    assert_int_equal(devnet_produce(&d, 1), 2);
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    close(ends[0]);
    assert_int_equal(devnet_stop(&d), 0);
}

static void by_the_clock(void **state)
{
    (void)state;
    struct devnet d;
    assert_int_equal(devnet_start(&d, &(struct devnet_options){.blocks = DEVNET_EVERY, .every_ms = 20}), 0);
    double began = now();
    assert_int_equal(devnet_submit(&d, ns, "x", 1) > 0, 1);
    char *body = devnet_call(&d, "header.WaitForHeight", "[10]");
    assert_non_null(strstr(body, "\"height\":\"10\""));
    assert_true(now() - began < 15);
    free(body);
    assert_int_equal(devnet_stop(&d), 0);
}

/* ---- WebSocket --------------------------------------------------------------------------------- */

struct socket_client {
    int fd;
};

static bool read_exactly(int fd, void *out, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = recv(fd, (char *)out + at, len - at, 0);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

static struct socket_client socket_open(const struct devnet *d, const char *token)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(d->port)};
    struct timeval limit = {10, 0};
    char head[1024], c, last[4] = "";
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int len = snprintf(
        head, sizeof head,
        "GET / HTTP/1.1\r\nHost: d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer %s\r\n\r\n",
        token);
    assert_int_equal(send(fd, head, (size_t)len, 0), len);
    size_t at = 0;
    while (read_exactly(fd, &c, 1)) {
        if (at < sizeof head - 1) head[at++] = c;
        memmove(last, last + 1, 3);
        last[3] = c;
        if (memcmp(last, "\r\n\r\n", 4) == 0) break;
    }
    head[at] = 0;
    if (!strstr(head, " 101 ")) {
        close(fd);
        fd = -1;
    }
    return (struct socket_client){fd};
}

static void socket_send(struct socket_client s, const char *text)
{
    uint8_t frame[4096];
    size_t len = strlen(text);
    assert_true(len < 4000);
    frame[0] = 0x81;
    frame[1] = 0x80 | 126;
    frame[2] = (uint8_t)(len >> 8);
    frame[3] = (uint8_t)len;
    memset(frame + 4, 0, 4); /* a mask of zeros */
    memcpy(frame + 8, text, len);
    assert_int_equal(send(s.fd, frame, len + 8, MSG_NOSIGNAL), len + 8);
}

/* The next text message, NULL at the end of the connection; pings and the rest are stepped over. */
static char *socket_next(struct socket_client s)
{
    char *text = NULL;
    size_t have = 0;
    for (;;) {
        uint8_t head[2], more[8];
        if (!read_exactly(s.fd, head, 2)) return NULL;
        uint64_t len = head[1] & 127;
        if (len >= 126) {
            size_t bytes = len == 126 ? 2 : 8;
            len = 0;
            if (!read_exactly(s.fd, more, bytes)) return NULL;
            for (size_t i = 0; i < bytes; i++) len = len << 8 | more[i];
        }
        text = realloc(text, have + len + 1);
        if (!read_exactly(s.fd, text + have, len)) return NULL;
        if ((head[0] & 15) > 1) continue;
        have += len;
        text[have] = 0;
        if (head[0] & 0x80) return text;
    }
}

static void expect_message(struct socket_client s, const char *part)
{
    char *text = socket_next(s);
    if (!text || !strstr(text, part)) fail_msg("\"%.300s\" and not \"%s\"", text ? text : "the end", part);
    free(text);
}

static void subscriptions(void **state)
{
    (void)state;
    struct devnet d;
    char text[256], ns64[64] = "";
    dsdn_base64_encode(ns, sizeof ns, ns64);
    assert_int_equal(
        devnet_start(&d, &(struct devnet_options){.blocks = DEVNET_ON_SUBMIT, .first_blocks = 1}), 0);
    assert_int_equal(socket_open(&d, "nonsense").fd, -1);
    struct socket_client s = socket_open(&d, d.read_token);
    assert_true(s.fd >= 0);
    socket_send(s, local_head);
    expect_message(s, "\"height\":\"1\"");
    socket_send(s, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"header.Subscribe\",\"params\":[]}");
    expect_message(s, "\"id\":5,\"result\":1}");
    assert_int_equal(devnet_produce(&d, 2), 3);
    expect_message(s, "{\"jsonrpc\":\"2.0\",\"method\":\"xrpc.ch.val\",\"params\":[1,{\"header\":");
    expect_message(s, "\"height\":\"3\"");
    socket_send(s, "{\"jsonrpc\":\"2.0\",\"method\":\"xrpc.cancel\",\"params\":[5]}");
    expect_message(s, "{\"jsonrpc\":\"2.0\",\"method\":\"xrpc.ch.close\",\"params\":[1]}");
    snprintf(text, sizeof text,
             "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"blob.Subscribe\",\"params\":[\"%s\"]}", ns64);
    socket_send(s, text);
    expect_message(s, "\"id\":6,\"result\":2}");
    assert_int_equal(devnet_produce(&d, 1), 4);
    expect_message(
        s, "\"params\":[2,{\"Blobs\":null,\"Height\":4,\"Header\":{\"version\":{\"block\":11,\"app\":9},");
    assert_int_equal(devnet_submit(&d, ns, "hello", 5), 5);
    expect_message(s, "\"data\":\"aGVsbG8=\"");
    /* who does not read is cut off after 16 messages, and hears that at the end */
    assert_int_equal(devnet_produce(&d, 40), 45);
    uint32_t values = 0;
    for (char *message; (message = socket_next(s)); values++) {
        bool closed = strstr(message, "xrpc.ch.close") != NULL;
        free(message);
        if (closed) break;
    }
    assert_int_equal(values, 16);
    /* head + 1 waits here too */
    socket_send(s, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"header.GetByHeight\",\"params\":[46]}");
    socket_send(s, "{\"jsonrpc\":\"2.0\",\"id\":10,\"method\":\"header.LocalHead\",\"params\":[]}");
    expect_message(s, "\"id\":10");
    assert_int_equal(devnet_produce(&d, 1), 46);
    expect_message(s, "\"id\":9");
    assert_true(devnet_fault(&d, "{\"kind\":\"drop\",\"method\":\"header.LocalHead\"}") > 0);
    socket_send(s, local_head);
    assert_null(socket_next(s));
    close(s.fd);
    assert_int_equal(devnet_stop(&d), 0);
}

/* ---- stored blocks ----------------------------------------------------------------------------- */

static void remove_home(const char *home)
{
    char path[512];
    snprintf(path, sizeof path, "%s/blocks", home);
    unlink(path);
    rmdir(home);
}

/* What was answered is there after kill -9, at whatever moment it comes; and the chain goes on. */
static void kill_minus_nine(void **state)
{
    (void)state;
    char home[] = "/tmp/devnet_test_XXXXXX", params[128], hash[80] = "", ns64[64] = "";
    struct devnet d;
    dsdn_base64_encode(ns, sizeof ns, ns64);
    assert_non_null(mkdtemp(home));
    assert_int_equal(
        devnet_start(&d,
                     &(struct devnet_options){.home = home, .blocks = DEVNET_ON_SUBMIT, .first_blocks = 2}),
        0);
    uint64_t answered = 2;
    for (uint32_t cycle = 0; cycle < 8; cycle++) {
        for (uint32_t i = 0; i <= cycle; i++) {
            uint64_t height = devnet_submit(&d, ns, &cycle, sizeof cycle);
            assert_int_equal(height, answered + 1);
            answered = height;
        }
        pid_t child = fork();
        if (child == 0) { /* one whose answer nobody waits for */
            devnet_submit(&d, ns, "last words", 10);
            _exit(0);
        }
        struct timespec pause = {0, (long)(cycle % 4) * 300000};
        nanosleep(&pause, NULL);
        assert_int_equal(devnet_end(&d, SIGKILL), -SIGKILL);
        waitpid(child, NULL, 0);
        assert_int_equal(devnet_again(&d), 0);
        uint64_t head = devnet_number(&d, "devnet.Produce", "[0]");
        assert_true(head == answered || head == answered + 1);
        answered = head;
        for (uint64_t h = 3; h <= head; h += 5) {
            snprintf(params, sizeof params, "[%llu,[\"%s\"]]", (unsigned long long)h, ns64);
            char *body = devnet_call(&d, "blob.GetAll", params);
            assert_non_null(strstr(body, "commitment"));
            free(body);
        }
        char *body = devnet_call(&d, "header.GetByHeight", "[2]");
        char *at = strstr(body, "\"block_id\":{\"hash\":\"");
        assert_non_null(at);
        if (cycle) assert_memory_equal(hash, at, 70);
        memcpy(hash, at, 70);
        free(body);
    }
    assert_int_equal(devnet_stop(&d), 0);
    remove_home(home);
}

/* A cut or zeroed end of the file is removed; a damaged middle is an error; another chain is refused. */
static void damaged_files(void **state)
{
    (void)state;
    char home[] = "/tmp/devnet_test_XXXXXX", path[256];
    struct dsdn_devnet_config config = devnet_config(&(struct devnet_options){.home = NULL});
    struct dsdn_devnet_node *node, *second;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t last[32];
    assert_non_null(mkdtemp(home));
    snprintf(path, sizeof path, "%s/blocks", home);
    assert_int_equal(dsdn_devnet_node_new(&config, &dsdn_io_system, home, &node, NULL), 0);
    assert_int_equal(dsdn_devnet_node_new(&config, &dsdn_io_system, home, &second, NULL), DSDN_E_LOCKED);
    assert_int_equal(dsdn_devnet_node_produce(node, 10, NULL), 0);
    memcpy(last, dsdn_devnet_chain_block(node->chain, 9)->hash, 32);
    dsdn_devnet_node_free(node);
    uint8_t *bytes;
    size_t len;
    assert_int_equal(dsdn_io_read_file(&dsdn_io_system, path, 1 << 20, &bytes, &len, NULL), 0);
    for (size_t cut = 1; cut < 60; cut += 7) {
        assert_int_equal(dsdn_io_write_file(&dsdn_io_system, path, bytes, len - cut, NULL), 0);
        assert_int_equal(dsdn_devnet_node_new(&config, &dsdn_io_system, home, &node, NULL), 0);
        assert_int_equal(node->chain->head, 9);
        assert_memory_equal(last, dsdn_devnet_chain_block(node->chain, 9)->hash, 32);
        assert_int_equal(dsdn_devnet_node_produce(node, 1, NULL), 0);
        dsdn_devnet_node_free(node);
    }
    bytes[len - 1] ^= 1; /* the last record: as if it had never been finished */
    assert_int_equal(dsdn_io_write_file(&dsdn_io_system, path, bytes, len, NULL), 0);
    assert_int_equal(dsdn_devnet_node_new(&config, &dsdn_io_system, home, &node, NULL), 0);
    assert_int_equal(node->chain->head, 9);
    dsdn_devnet_node_free(node);
    bytes[len - 1] ^= 1;
    bytes[len - 100] ^= 1;
    assert_int_equal(dsdn_io_write_file(&dsdn_io_system, path, bytes, len, NULL), 0);
    assert_int_equal(dsdn_devnet_node_new(&config, &dsdn_io_system, home, &node, &error), DSDN_E_CHECKSUM);
    bytes[len - 100] ^= 1;
    bytes[0] ^= 1;
    assert_int_equal(dsdn_io_write_file(&dsdn_io_system, path, bytes, len, NULL), 0);
    assert_int_equal(dsdn_devnet_node_new(&config, &dsdn_io_system, home, &node, &error), DSDN_E_FORMAT);
    bytes[0] ^= 1;
    assert_int_equal(dsdn_io_write_file(&dsdn_io_system, path, bytes, len, NULL), 0);
    struct dsdn_devnet_config other = config;
    bool found;
    strcpy(other.seed, "other");
    assert_int_equal(dsdn_devnet_node_new(&other, &dsdn_io_system, home, &node, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_devnet_store_config(&dsdn_io_system, home, &other, &found, NULL), 0);
    assert_true(found);
    assert_string_equal(other.seed, config.seed);
    assert_int_equal(other.genesis_time.seconds, config.genesis_time.seconds);
    free(bytes);
    remove_home(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),      cmocka_unit_test(large_answers),   cmocka_unit_test(wire_faults),
        cmocka_unit_test(waiting),       cmocka_unit_test(by_the_clock),    cmocka_unit_test(subscriptions),
        cmocka_unit_test(damaged_files), cmocka_unit_test(kill_minus_nine),
    };
    user_namespace(ns, 77);
    if (dsdn_sign_self_test(NULL)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
