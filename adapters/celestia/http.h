/* http.h: POST requests to a few nodes over kept-open connections: libcurl's multi interface, bounded.
 *
 * Requests run side by side on one thread; dsdn_http_run moves them all on.  Each has a deadline of its own
 * and a bound on its answer; the answer grows as it comes, so a node that promises much and sends little
 * costs little.  An HTTP status is never a failure here: a node answers 500 with an error object in the body.
 * Redirects are not followed, https is verified against the system's authorities, no other scheme is spoken.
 */
#ifndef DSDN_ADAPTERS_CELESTIA_HTTP_H
#define DSDN_ADAPTERS_CELESTIA_HTTP_H

#include "log/base.h"
#include "log/error.h"

#define DSDN_HTTP_BODY_MAX        (64u << 20) /* of an answer, unless the request says less */
#define DSDN_HTTP_CONNECTIONS_MAX 64u         /* to one host */
#define DSDN_HTTP_CONNECTIONS     32u         /* if nothing else is said; figures: docs/performance.md */

/* How a transfer ended.  number, name, text */
#define DSDN_HTTP_END_LIST(X)                                                                                \
    X(0, ANSWERED, "answered")                                                                               \
    X(1, RESOLVE, "the host name has no address")                                                            \
    X(2, CONNECT, "no connection")                                                                           \
    X(3, TLS, "the certificate or the encryption is not acceptable")                                         \
    X(4, TIMEOUT, "no answer in time")                                                                       \
    X(5, DROPPED, "the connection broke, or the answer is shorter than announced")                           \
    X(6, TOO_LARGE, "the answer is larger than its bound")                                                   \
    X(7, PROTOCOL, "the answer is not HTTP")                                                                 \
    X(8, NO_MEMORY, "an allocation failed")

enum dsdn_http_end {
#define X(number, name, text) DSDN_HTTP_##name = (number),
    DSDN_HTTP_END_LIST(X)
#undef X
        DSDN_HTTP_END_CNT = 9
};
const char *dsdn_http_end_name(enum dsdn_http_end end); /* "DROPPED" */
const char *dsdn_http_end_text(enum dsdn_http_end end);

struct dsdn_http;
struct dsdn_http_call;

/* dsdn_http_new: at most `connections` (1 to DSDN_HTTP_CONNECTIONS_MAX; 0: DSDN_HTTP_CONNECTIONS) to one
 * host.  NO_MEMORY. */
int dsdn_http_new(uint32_t connections, struct dsdn_http **http, struct dsdn_error *error);

/* dsdn_http_free closes all connections; no call may be left. */
void dsdn_http_free(struct dsdn_http *http);

/* dsdn_http_check says whether a URL is one to talk to: http or https, a host, no user and no password in it.
 * USAGE. */
int dsdn_http_check(const char *url, struct dsdn_error *error);

struct dsdn_http_request {
    const char *url;
    const char *authorization; /* a whole header line, or NULL; copied */
    struct dsdn_view body;     /* must live until the call ends */
    size_t answer_max;         /* bytes; 0: DSDN_HTTP_BODY_MAX */
    uint32_t timeout_ms;       /* for all of it */
};

/* dsdn_http_start begins a request.  NO_MEMORY. */
int dsdn_http_start(struct dsdn_http *http, const struct dsdn_http_request *request,
                    struct dsdn_http_call **call, struct dsdn_error *error);

/* dsdn_http_run moves all calls on, waiting at most timeout_ms for something to happen. */
int dsdn_http_run(struct dsdn_http *http, uint32_t timeout_ms, struct dsdn_error *error);

struct dsdn_http_answer {
    enum dsdn_http_end end;
    long status;           /* ANSWERED: of HTTP */
    struct dsdn_view body; /* ANSWERED: the call's, until dsdn_http_end_call */
    uint64_t microseconds; /* from start to end */
    uint64_t received;     /* bytes of body, also of an answer that broke off */
};

/* dsdn_http_done says whether a call ended, and describes the end. */
bool dsdn_http_done(const struct dsdn_http_call *call, struct dsdn_http_answer *answer);

/* dsdn_http_end_call forgets a call, ended or not. */
void dsdn_http_end_call(struct dsdn_http *http, struct dsdn_http_call *call);

#endif
