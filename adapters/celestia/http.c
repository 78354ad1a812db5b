#include "adapters/celestia/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>

#define CONNECT_TIMEOUT_MS 10000

struct dsdn_http {
    CURLM *multi;
};

struct dsdn_http_call {
    CURL *easy;
    struct curl_slist *headers;
    uint8_t *bytes; /* of the answer */
    size_t len, cap, max;
    enum dsdn_http_end refused; /* why the answer was not taken: TOO_LARGE, NO_MEMORY; else ANSWERED */
    bool done;
    struct dsdn_http_answer answer;
};

const char *dsdn_http_end_name(enum dsdn_http_end end)
{
    static const char *const names[] = {
#define X(number, name, text) [number] = #name,
        DSDN_HTTP_END_LIST(X)
#undef X
    };
    return (unsigned)end < DSDN_HTTP_END_CNT ? names[end] : "?";
}

const char *dsdn_http_end_text(enum dsdn_http_end end)
{
    static const char *const texts[] = {
#define X(number, name, text) [number] = text,
        DSDN_HTTP_END_LIST(X)
#undef X
    };
    return (unsigned)end < DSDN_HTTP_END_CNT ? texts[end] : "?";
}

/* ---- start and end of everything ---------------------------------------------------------------- */

static CURLcode global_code;

static void global_start(void)
{
    global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int dsdn_http_new(uint32_t connections, struct dsdn_http **http, struct dsdn_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *http = NULL;
    if (!connections) connections = DSDN_HTTP_CONNECTIONS;
    if (connections > DSDN_HTTP_CONNECTIONS_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "at most %u connections to a host", DSDN_HTTP_CONNECTIONS_MAX);
    pthread_once(&once, global_start);
    struct dsdn_http *h = calloc(1, sizeof *h);
    if (h && !global_code) h->multi = curl_multi_init();
    if (!h || !h->multi) {
        free(h);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for connections");
    }
    curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)connections);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 4L * (long)connections);
    curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    *http = h;
    return DSDN_OK;
}

void dsdn_http_free(struct dsdn_http *http)
{
    if (!http) return;
    curl_multi_cleanup(http->multi);
    free(http);
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK && text && *text;
    curl_free(text);
    return has;
}

int dsdn_http_check(const char *text, struct dsdn_error *error)
{
    const char *what = NULL;
    char *scheme = NULL;
    CURLU *url = curl_url();
    if (!url) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a URL");
    if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) || !has_part(url, CURLUPART_HOST))
        what = "this is no URL of a node; one looks like http://localhost:26658";
    else if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) ||
             (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        what = "a node is spoken to by http or https";
    else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD) ||
             has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
        what = "no user, password or query belongs in the URL of a node: the token comes from a file or "
               "the environment";
    curl_free(scheme);
    curl_url_cleanup(url);
    return what ? dsdn_fail(error, DSDN_E_USAGE, "%s", what) : DSDN_OK; /* the text may hold a secret */
}

/* ---- one call ----------------------------------------------------------------------------------- */

static size_t take(char *bytes, size_t size, size_t cnt, void *self)
{
    struct dsdn_http_call *c = self;
    size_t len = size * cnt;
    if (len > c->max - c->len) {
        c->refused = DSDN_HTTP_TOO_LARGE;
        return CURL_WRITEFUNC_ERROR;
    }
    if (c->len + len > c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 4096;
        while (cap < c->len + len) cap *= 2;
        if (cap > c->max) cap = c->max;
        uint8_t *grown = realloc(c->bytes, cap);
        if (!grown) {
            c->refused = DSDN_HTTP_NO_MEMORY;
            return CURL_WRITEFUNC_ERROR;
        }
        c->bytes = grown;
        c->cap = cap;
    }
    if (len) memcpy(c->bytes + c->len, bytes, len);
    c->len += len;
    return len;
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer) *list = longer;
    return longer != NULL;
}

static CURLcode set_options(struct dsdn_http_call *c, const struct dsdn_http_request *r)
{
    const struct {
        CURLoption option;
        long value;
    } numbers[] = {{CURLOPT_POST, 1},
                   {CURLOPT_NOSIGNAL, 1},
                   {CURLOPT_FOLLOWLOCATION, 0},
                   {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
                   {CURLOPT_TIMEOUT_MS, (long)r->timeout_ms},
                   {CURLOPT_CONNECTTIMEOUT_MS,
                    r->timeout_ms < CONNECT_TIMEOUT_MS ? (long)r->timeout_ms : CONNECT_TIMEOUT_MS},
                   {CURLOPT_TCP_KEEPALIVE, 1},
                   {CURLOPT_BUFFERSIZE, 256 << 10},
                   {CURLOPT_SSL_VERIFYPEER, 1},
                   {CURLOPT_SSL_VERIFYHOST, 2},
                   {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2}};
    CURLcode code = CURLE_OK;
    for (size_t i = 0; !code && i < sizeof numbers / sizeof *numbers; i++)
        code = curl_easy_setopt(c->easy, numbers[i].option, numbers[i].value);
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_URL, r->url);
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    /* a proxy of the environment would see the token of a node without encryption */
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_PROXY, "");
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "dsdn/" DSDN_VERSION);
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, r->body.bytes);
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)c->max);
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, take);
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
    if (!code) code = curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
    return code;
}

static void release(struct dsdn_http_call *c)
{
    if (c->easy) curl_easy_cleanup(c->easy);
    curl_slist_free_all(c->headers);
    free(c->bytes);
    free(c);
}

int dsdn_http_start(struct dsdn_http *http, const struct dsdn_http_request *request,
                    struct dsdn_http_call **call, struct dsdn_error *error)
{
    *call = NULL;
    struct dsdn_http_call *c = calloc(1, sizeof *c);
    if (!c) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a request");
    c->max = request->answer_max ? request->answer_max : DSDN_HTTP_BODY_MAX;
    c->easy = curl_easy_init();
    /* "Expect" empty: no round trip before a body */
    if (!c->easy || !add_header(&c->headers, "Content-Type: application/json") ||
        !add_header(&c->headers, "Expect:") ||
        (request->authorization && !add_header(&c->headers, request->authorization)) ||
        set_options(c, request) || curl_multi_add_handle(http->multi, c->easy)) {
        release(c);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a request");
    }
    *call = c;
    return DSDN_OK;
}

static enum dsdn_http_end end_of(const struct dsdn_http_call *c, CURLcode code)
{
    static const struct {
        CURLcode code;
        enum dsdn_http_end end;
    } ends[] = {{CURLE_OK, DSDN_HTTP_ANSWERED},
                {CURLE_COULDNT_RESOLVE_HOST, DSDN_HTTP_RESOLVE},
                {CURLE_COULDNT_CONNECT, DSDN_HTTP_CONNECT},
                {CURLE_OPERATION_TIMEDOUT, DSDN_HTTP_TIMEOUT},
                {CURLE_SEND_ERROR, DSDN_HTTP_DROPPED},
                {CURLE_RECV_ERROR, DSDN_HTTP_DROPPED},
                {CURLE_PARTIAL_FILE, DSDN_HTTP_DROPPED},
                {CURLE_GOT_NOTHING, DSDN_HTTP_DROPPED},
                {CURLE_FILESIZE_EXCEEDED, DSDN_HTTP_TOO_LARGE},
                {CURLE_OUT_OF_MEMORY, DSDN_HTTP_NO_MEMORY},
                {CURLE_SSL_CONNECT_ERROR, DSDN_HTTP_TLS},
                {CURLE_PEER_FAILED_VERIFICATION, DSDN_HTTP_TLS},
                {CURLE_SSL_CERTPROBLEM, DSDN_HTTP_TLS},
                {CURLE_SSL_CIPHER, DSDN_HTTP_TLS},
                {CURLE_SSL_CACERT_BADFILE, DSDN_HTTP_TLS},
                {CURLE_SSL_ISSUER_ERROR, DSDN_HTTP_TLS},
                {CURLE_SSL_INVALIDCERTSTATUS, DSDN_HTTP_TLS}};
    if (c->refused) return c->refused;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends[i].code == code) return ends[i].end;
    return DSDN_HTTP_PROTOCOL;
}

static void finish(struct dsdn_http *http, struct dsdn_http_call *c, CURLcode code)
{
    curl_off_t microseconds = 0;
    c->done = true;
    c->answer.end = end_of(c, code);
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &c->answer.status);
    curl_easy_getinfo(c->easy, CURLINFO_TOTAL_TIME_T, &microseconds);
    c->answer.microseconds = (uint64_t)microseconds;
    c->answer.received = c->len;
    if (c->answer.end == DSDN_HTTP_ANSWERED) c->answer.body = (struct dsdn_view){c->bytes, c->len};
    curl_multi_remove_handle(http->multi, c->easy);
}

/* Whether a call ended. */
static bool collect(struct dsdn_http *http)
{
    bool any = false;
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left));) {
        struct dsdn_http_call *c = NULL;
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result; /* the message goes with the handle */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &c);
        finish(http, c, code);
        any = true;
    }
    return any;
}

int dsdn_http_run(struct dsdn_http *http, uint32_t timeout_ms, struct dsdn_error *error)
{
    int running;
    CURLMcode code = curl_multi_perform(http->multi, &running);
    if (!code && !collect(http) && timeout_ms) {
        code =
            curl_multi_poll(http->multi, NULL, 0, timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX, NULL);
        if (!code) code = curl_multi_perform(http->multi, &running);
        (void)collect(http);
    }
    if (!code) return DSDN_OK;
    return dsdn_fail(error, code == CURLM_OUT_OF_MEMORY ? DSDN_E_NO_MEMORY : DSDN_E_IO, "connections: %s",
                     curl_multi_strerror(code));
}

bool dsdn_http_done(const struct dsdn_http_call *call, struct dsdn_http_answer *answer)
{
    if (call->done) *answer = call->answer;
    return call->done;
}

void dsdn_http_end_call(struct dsdn_http *http, struct dsdn_http_call *call)
{
    if (!call) return;
    if (!call->done) curl_multi_remove_handle(http->multi, call->easy);
    release(call);
}
