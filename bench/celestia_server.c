/* A node that only sends: answers recorded beforehand, from memory, each some time after its request.  So the
 * reader is what is measured, not the devnet. */
#include "bench/celestia.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, REQUEST_MAX = 4096 };

struct connection {
    int fd;
    size_t len; /* of what came of the request */
    double due; /* when to answer; 0: no request yet */
    char request[REQUEST_MAX];
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hang_up(struct connection *c)
{
    close(c->fd);
    *c = (struct connection){.fd = -1};
}

/* Whether a whole request is there; one is at most a few hundred bytes. */
static bool whole(const struct connection *c)
{
    const char *head = strstr(c->request, "\r\n\r\n"), *length = strcasestr(c->request, "content-length:");
    return head && length && c->len >= (size_t)(head + 4 - c->request) + strtoul(length + 15, NULL, 10);
}

static void receive(struct connection *c, double latency)
{
    ssize_t n = recv(c->fd, c->request + c->len, REQUEST_MAX - 1 - c->len, 0);
    if (n <= 0) {
        hang_up(c);
        return;
    }
    c->len += (size_t)n;
    c->request[c->len] = 0;
    if (whole(c)) c->due = now() + latency;
}

static bool send_all(int fd, const char *bytes, size_t len, int flags)
{
    for (ssize_t n; len; bytes += n, len -= (size_t)n)
        if ((n = send(fd, bytes, len, MSG_NOSIGNAL | flags)) <= 0) return false;
    return true;
}

/* The recorded answer a request asks for, from its "result" on; NULL for one that was not recorded. */
static const char *find(const struct celestia_record *record, const char *body)
{
    const char *params = strstr(body, "\"params\":[");
    uint64_t height = params ? strtoull(params + 10, NULL, 10) : 0;
    if (strstr(body, "\"header.NetworkHead\"")) height = record->cnt;
    if (!height || height > record->cnt) return NULL;
    const char *answer = strstr(body, "\"share.GetNamespaceData\"") ? record->rows[height - 1]
                                                                    : record->headers[height - 1];
    return answer ? strstr(answer, "\"result\":") : NULL;
}

static void answer(struct connection *c, const struct celestia_record *record)
{
    char head[256], begin[64];
    const char *body = strstr(c->request, "\r\n\r\n") + 4, *id = strstr(body, "\"id\":");
    const char *result = find(record, body);
    if (!result) result = "\"error\":{\"code\":1,\"message\":\"not recorded\"}}";
    size_t result_len = strlen(result);
    int begin_len = snprintf(begin, sizeof begin, "{\"jsonrpc\":\"2.0\",\"id\":%llu,",
                             id ? strtoull(id + 5, NULL, 10) : 0);
    int head_len = snprintf(head, sizeof head,
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                            (size_t)begin_len + result_len, begin);
    c->len = 0;
    c->due = 0;
    if (!send_all(c->fd, head, (size_t)head_len, MSG_MORE) || !send_all(c->fd, result, result_len, 0))
        hang_up(c);
}

static void serve(int listener, const struct celestia_record *record, double latency)
{
    static struct connection connections[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) connections[i].fd = -1;
    for (;;) {
        struct pollfd fds[CONNECTIONS + 1] = {{.fd = listener, .events = POLLIN}};
        double time = now(), next = time + 1;
        for (int i = 0; i < CONNECTIONS; i++) {
            struct connection *c = &connections[i];
            if (c->fd >= 0 && c->due > 0 && c->due <= time) answer(c, record);
            if (c->fd >= 0 && c->due > 0 && c->due < next) next = c->due;
            fds[i + 1] = (struct pollfd){.fd = c->due > 0 ? -1 : c->fd, .events = POLLIN};
        }
        const double wait = next > time ? next - time : 0;
        const struct timespec pause = {(time_t)wait, (long)(1e9 * (wait - (double)(time_t)wait))};
        if (ppoll(fds, CONNECTIONS + 1, &pause, NULL) < 0 && errno != EINTR) return;
        for (int i = 0; i < CONNECTIONS; i++)
            if (fds[i + 1].revents) receive(&connections[i], latency);
        for (int i = 0; fds[0].revents && i < CONNECTIONS; i++)
            if (connections[i].fd < 0) {
                connections[i].fd = accept(listener, NULL, NULL);
                break;
            }
    }
}

int celestia_serve(const struct celestia_record *record, unsigned latency_ms, struct celestia_server *server,
                   struct dsdn_error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    server->pid = -1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, CONNECTIONS) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        int failure = errno;
        if (fd >= 0) close(fd);
        return dsdn_fail(error, DSDN_E_IO, "no server: %s", strerror(failure));
    }
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
    fflush(NULL);
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(fd, record, latency_ms / 1e3);
        _exit(1);
    }
    close(fd);
    return server->pid < 0 ? dsdn_fail(error, DSDN_E_IO, "no process: %s", strerror(errno)) : DSDN_OK;
}

void celestia_serve_end(struct celestia_server *server)
{
    if (server->pid <= 0) return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = -1;
}

void celestia_record_free(struct celestia_record *record)
{
    for (uint64_t i = 0; i < record->cnt; i++) {
        if (record->headers) free(record->headers[i]);
        if (record->rows) free(record->rows[i]);
    }
    free(record->headers);
    free(record->rows);
    *record = (struct celestia_record){.cnt = 0};
}
