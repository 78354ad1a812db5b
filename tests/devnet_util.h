/* devnet_util.h: a devnet for a test: dsdn-devnet's node and server in a child process, on a free port.
 *
 *     struct devnet d;
 *     devnet_start(&d, &(struct devnet_options){.blocks = DEVNET_ON_SUBMIT, .first_blocks = 3});
 *     char *answer = devnet_call(&d, "header.GetByHeight", "[2]");      // the whole body; free it
 *     devnet_fault(&d, "{\"kind\":\"drop\",\"method\":\"header.*\",\"every\":2}");
 *     devnet_stop(&d);
 *
 * d.url and the tokens are what a client needs.  The child dies with its parent. */
#ifndef DSDN_TESTS_DEVNET_UTIL_H
#define DSDN_TESTS_DEVNET_UTIL_H

#include "adapters/celestia/base64.h"
#include "adapters/devnet/server.h"
#include "log/sign.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum devnet_blocks { DEVNET_ON_SUBMIT, DEVNET_ON_DEMAND, DEVNET_EVERY };

struct devnet_options {
    const char *home;          /* NULL: in memory */
    enum devnet_blocks blocks; /* EVERY: each every_ms */
    uint64_t every_ms, first_blocks, keep_heights;
    uint32_t rotate_every, validator_cnt; /* 0: four */
    uint64_t replace_at;
    const char *seed;      /* NULL: "devnet" */
    const char *chain_id;  /* NULL: "devnet-1" */
    const char *faults[8]; /* as on the command line: "kind=drop,every=2" */
    bool skip_auth;
    uint16_t port; /* 0: a free one */
};

struct devnet {
    pid_t pid;
    uint16_t port;
    char url[64];
    char read_token[DSDN_DEVNET_TOKEN_MAX], write_token[DSDN_DEVNET_TOKEN_MAX],
        admin_token[DSDN_DEVNET_TOKEN_MAX];
    struct devnet_options options;
};

static volatile sig_atomic_t devnet_stopped;
static struct dsdn_devnet_server *devnet_server;

static inline void devnet_on_signal(int number_of_signal)
{
    (void)number_of_signal;
    devnet_stopped = 1;
    if (devnet_server) dsdn_devnet_server_wake(devnet_server);
}

/* Header times are 2.6 s apart and begin a day ago, at a full hour: two devnets started within the hour
 * agree. */
static inline struct dsdn_devnet_config devnet_config(const struct devnet_options *o)
{
    struct dsdn_devnet_config config;
    dsdn_devnet_config_default(&config);
    config.step_ms = 2600;
    config.genesis_time.seconds = (time(NULL) - 86400) / 3600 * 3600;
    config.keep_heights = o->keep_heights;
    config.rotate_every = o->rotate_every;
    config.replace_at = o->replace_at;
    if (o->validator_cnt) config.validator_cnt = o->validator_cnt;
    if (o->seed) snprintf(config.seed, sizeof config.seed, "%s", o->seed);
    if (o->chain_id) snprintf(config.chain_id, sizeof config.chain_id, "%s", o->chain_id);
    return config;
}

/* The child.  Exit status 1 with a message when it cannot start. */
static inline void devnet_child(const struct devnet_options *o, int out)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_devnet_config config = devnet_config(o);
    struct dsdn_devnet_node *node;
    struct dsdn_devnet_server_options options = {
        "127.0.0.1", o->port, o->blocks == DEVNET_EVERY ? o->every_ms : 0, &devnet_stopped};
    bool found;
    static const int test_signals[] = {SIGSEGV, SIGBUS, SIGFPE,
                                       SIGILL}; /* the test's own ways are not ours */
    for (size_t i = 0; i < sizeof test_signals / sizeof *test_signals; i++) signal(test_signals[i], SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    int rc = dsdn_sign_self_test(&error);
    if (!rc && o->home) rc = dsdn_devnet_store_config(&dsdn_io_system, o->home, &config, &found, &error);
    if (!rc) rc = dsdn_devnet_node_new(&config, &dsdn_io_system, o->home, &node, &error);
    if (!rc) {
        node->skip_auth = o->skip_auth;
        node->produce_on_submit = o->blocks == DEVNET_ON_SUBMIT;
        for (size_t i = 0; !rc && i < sizeof o->faults / sizeof *o->faults && o->faults[i]; i++) {
            struct dsdn_devnet_fault fault;
            rc = dsdn_devnet_fault_parse(o->faults[i], &fault, &error);
            if (!rc) dsdn_devnet_faults_add(&node->faults, &fault);
        }
        if (!rc && !node->chain->head) rc = dsdn_devnet_node_produce(node, o->first_blocks, &error);
        if (!rc) rc = dsdn_devnet_server_new(node, &options, &devnet_server, &error);
    }
    if (rc) {
        fprintf(stderr, "devnet: %s\n", error.message);
        _exit(1);
    }
    signal(SIGTERM, devnet_on_signal);
    uint16_t port = dsdn_devnet_server_port(devnet_server);
    if (write(out, &port, sizeof port) != sizeof port) _exit(1);
    close(out);
    rc = dsdn_devnet_server_run(devnet_server, &error);
    dsdn_devnet_server_free(devnet_server);
    dsdn_devnet_node_free(node);
    _exit(rc ? 1 : 0);
}

/* Starts a devnet and waits until it listens; 0, or -1 when it did not come up. */
static inline int devnet_start(struct devnet *d, const struct devnet_options *o)
{
    int ends[2];
    uint8_t secret[32];
    *d = (struct devnet){.options = *o};
    dsdn_devnet_token_secret(o->seed ? o->seed : "devnet", secret);
    dsdn_devnet_token_make(secret, DSDN_DEVNET_PUBLIC | DSDN_DEVNET_READ, 0, d->read_token, NULL);
    dsdn_devnet_token_make(secret, DSDN_DEVNET_PUBLIC | DSDN_DEVNET_READ | DSDN_DEVNET_WRITE, 0,
                           d->write_token, NULL);
    dsdn_devnet_token_make(secret, DSDN_DEVNET_ALL, 0, d->admin_token, NULL);
    if (pipe(ends) != 0) return -1;
    fflush(NULL);
    d->pid = fork();
    if (d->pid == 0) {
        close(ends[0]);
        devnet_child(o, ends[1]);
    }
    close(ends[1]);
    bool up = d->pid > 0 && read(ends[0], &d->port, sizeof d->port) == sizeof d->port;
    close(ends[0]);
    if (!up) return -1;
    snprintf(d->url, sizeof d->url, "http://127.0.0.1:%u", d->port);
    return 0;
}

/* Ends it with a signal; the exit status, or -signal. */
static inline int devnet_end(struct devnet *d, int number_of_signal)
{
    int status = 0;
    kill(d->pid, number_of_signal);
    while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int devnet_stop(struct devnet *d)
{
    return devnet_end(d, SIGTERM);
}

/* Starts it again where it was, on the same port (options.home has to be set for the blocks to be there). */
static inline int devnet_again(struct devnet *d)
{
    struct devnet_options o = d->options;
    o.port = d->port;
    return devnet_start(d, &o);
}

/* ---- a small client ---- */

struct devnet_reply {
    int status; /* HTTP; 0: the connection ended before it */
    char *body; /* zero-terminated, owned; chunks joined */
    size_t len;
    bool whole; /* as long as announced */
    char head[1024];
};

static inline size_t devnet_unchunk(char *body, size_t len, bool *whole)
{
    char *in = body, *out = body, *end = body + len;
    *whole = false;
    while (in < end) {
        char *next;
        size_t size = strtoull(in, &next, 16);
        if (next == in || end - next < 2) break;
        if (!size) {
            *whole = true;
            break;
        }
        next += 2;
        size_t have = (size_t)(end - next) < size ? (size_t)(end - next) : size;
        memmove(out, next, have);
        out += have;
        in = next + have + 2;
    }
    *out = 0;
    return (size_t)(out - body);
}

/* Posts a body; token NULL: without. */
static inline struct devnet_reply devnet_post_body(const struct devnet *d, const char *token,
                                                   const void *body, size_t len)
{
    struct devnet_reply r = {.status = 0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(d->port)};
    struct timeval limit = {20, 0};
    size_t cap = 65536;
    char *text = malloc(cap), head[1024];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int head_len =
        snprintf(head, sizeof head,
                 "POST / HTTP/1.1\r\nHost: devnet\r\nConnection: close\r\nContent-Type: "
                 "application/json\r\nContent-Length: %zu\r\n%s%s%s\r\n",
                 len, token ? "Authorization: Bearer " : "", token ? token : "", token ? "\r\n" : "");
    bool sent = text && fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                send(fd, head, (size_t)head_len, MSG_NOSIGNAL) == head_len;
    for (size_t at = 0; sent && at < len;) {
        ssize_t n = send(fd, (const char *)body + at, len - at, MSG_NOSIGNAL);
        if (n <= 0) break;
        at += (size_t)n;
    }
    size_t got = 0;
    for (ssize_t n = 1; sent && n > 0; got += n > 0 ? (size_t)n : 0) {
        if (cap - got < 32768) text = realloc(text, cap *= 2);
        n = recv(fd, text + got, cap - got - 1, 0);
    }
    if (fd >= 0) close(fd);
    text[got] = 0;
    char *begin = strstr(text, "\r\n\r\n");
    if (begin) {
        snprintf(r.head, sizeof r.head, "%.*s", (int)(begin - text), text);
        begin += 4;
        r.len = got - (size_t)(begin - text);
        sscanf(text, "HTTP/1.%*d %d", &r.status);
        memmove(text, begin, r.len + 1);
        char *length = strcasestr(r.head, "content-length:");
        if (strcasestr(r.head, "transfer-encoding: chunked") ||
            strcasestr(r.head, "transfer-encoding:chunked"))
            r.len = devnet_unchunk(text, r.len, &r.whole);
        else
            r.whole = length && strtoull(length + 15, NULL, 10) == r.len;
    } else {
        *text = 0;
    }
    r.body = text;
    return r;
}

/* The body of the answer to a call with the admin's token; "" when there was none.  Free it. */
static inline char *devnet_call(const struct devnet *d, const char *method, const char *params)
{
    size_t cap = strlen(params) + 256;
    char *body = malloc(cap);
    int len =
        snprintf(body, cap, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
    struct devnet_reply r = devnet_post_body(d, d->admin_token, body, (size_t)len);
    free(body);
    return r.body;
}

/* A result that is a number; 0 for an error. */
static inline uint64_t devnet_number(const struct devnet *d, const char *method, const char *params)
{
    char *body = devnet_call(d, method, params);
    char *result = strstr(body, "\"result\":");
    uint64_t value = result ? strtoull(result + 9, NULL, 10) : 0;
    free(body);
    return value;
}

static inline uint64_t devnet_produce(const struct devnet *d, uint64_t cnt)
{
    char params[32];
    snprintf(params, sizeof params, "[%llu]", (unsigned long long)cnt);
    return devnet_number(d, "devnet.Produce", params);
}

/* Switches a fault on (an object as in docs/devnet.md); its id. */
static inline uint64_t devnet_fault(const struct devnet *d, const char *object)
{
    char params[512];
    snprintf(params, sizeof params, "[%s]", object);
    return devnet_number(d, "devnet.Fault", params);
}

static inline void devnet_clear(const struct devnet *d)
{
    free(devnet_call(d, "devnet.Clear", "[0]"));
}

/* Submits one version-0 blob; the height, 0 for an error. */
static inline uint64_t devnet_submit(const struct devnet *d, const uint8_t ns[DSDN_NAMESPACE_LEN],
                                     const void *data, size_t len)
{
    char *params = calloc(1, DSDN_BASE64_LEN(len) + 256), *at = params;
    at += sprintf(at, "[[{\"namespace\":\"");
    dsdn_base64_encode(ns, DSDN_NAMESPACE_LEN, at);
    at += DSDN_BASE64_LEN(DSDN_NAMESPACE_LEN);
    at += sprintf(at, "\",\"data\":\"");
    dsdn_base64_encode(data, len, at);
    at += DSDN_BASE64_LEN(len);
    sprintf(at, "\",\"share_version\":0,\"index\":-1}],{}]");
    uint64_t height = devnet_number(d, "blob.Submit", params);
    free(params);
    return height;
}

#endif
