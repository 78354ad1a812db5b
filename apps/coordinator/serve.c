#include "apps/coordinator/serve.h"

#include "apps/coordinator/intake.h"

#include <libwebsockets.h>
#include <stdlib.h>

enum { PIECE = 65536, ROUNDS = 64, REQUEST_SECONDS = 30, IDLE_SECONDS = 60, HEAD_MAX = 1024 };

/* A connection, one request at a time.  Lives in memory of libwebsockets, which zeroes it. */
struct session {
    uint8_t *body;
    size_t len, cap;
    bool post, too_large, answered, head_sent;
    unsigned status;
    struct dsdn_text answer;
    size_t sent;
};

struct serve {
    struct coordinator *coordinator;
    struct lws_context *context;
    struct lws_vhost *vhost;
    size_t bodies; /* bytes of all sessions */
    bool active;   /* something happened since the turn began */
};

static void session_reset(struct serve *s, struct session *c)
{
    s->bodies -= c->cap;
    free(c->body);
    dsdn_text_free(&c->answer);
    *c = (struct session){.body = NULL};
}

static bool session_input(struct serve *s, struct session *c, const void *bytes, size_t len)
{
    if (c->too_large || len > SERVE_BODY_MAX - c->len) {
        c->too_large = true;
        return true;
    }
    if (c->len + len > c->cap) {
        size_t cap = c->cap ? 2 * c->cap : PIECE;
        while (cap < c->len + len) cap *= 2;
        if (cap > SERVE_BODY_MAX) cap = SERVE_BODY_MAX;
        if (s->bodies + cap - c->cap > SERVE_BODIES_MAX) return false;
        uint8_t *grown = realloc(c->body, cap);
        if (!grown) return false;
        s->bodies += cap - c->cap;
        c->body = grown;
        c->cap = cap;
    }
    if (len) memcpy(c->body + c->len, bytes, len);
    c->len += len;
    return true;
}

static void refuse(struct session *c, unsigned status, const char *code, const char *message)
{
    c->status = status;
    dsdn_text_open(&c->answer, '{');
    dsdn_text_key(&c->answer, "code");
    dsdn_text_string(&c->answer, code);
    dsdn_text_key(&c->answer, "message");
    dsdn_text_string(&c->answer, message);
    dsdn_text_close(&c->answer, '}');
}

static int answer_with(struct lws *wsi, struct session *c)
{
    dsdn_text_line(&c->answer);
    c->answered = true;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, REQUEST_SECONDS);
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_post(struct serve *s, struct lws *wsi, struct session *c)
{
    dsdn_text_init(&c->answer, (size_t)32 << 20, 0);
    if (c->too_large)
        refuse(c, 413, "TOO_LARGE", "a request has at most 16 MiB");
    else
        c->status = intake_post(s->coordinator, c->body, c->len, &c->answer);
    return answer_with(wsi, c);
}

static int on_request(struct serve *s, struct lws *wsi, struct session *c, const char *path)
{
    char length[24] = "";
    bool get = lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;
    c->post = lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0 && strcmp(path, "/bundles") == 0;
    if (c->post) {
        if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0)
            lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH);
        c->too_large = strtoull(length, NULL, 10) > SERVE_BODY_MAX;
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, REQUEST_SECONDS);
        return strtoull(length, NULL, 10)
                   ? 0
                   : on_post(s, wsi, c); /* a body is announced only when there is one */
    }
    dsdn_text_init(&c->answer, 1 << 20, 0);
    if (get && strcmp(path, "/status") == 0) {
        c->status = 200;
        coordinator_status(s->coordinator, &c->answer);
    } else if (strcmp(path, "/status") == 0 || strcmp(path, "/bundles") == 0)
        refuse(c, 405, "METHOD", "POST /bundles and GET /status are what there is");
    else
        refuse(c, 404, "NOT_FOUND", "POST /bundles and GET /status are what there is");
    return answer_with(wsi, c);
}

static int write_head(struct lws *wsi, struct session *c)
{
    static const char type[] = "application/json";
    uint8_t buffer[LWS_PRE + HEAD_MAX], *start = buffer + LWS_PRE, *p = start,
                                        *end = buffer + sizeof buffer - 1;
    if (c->answer.failed) {
        dsdn_text_clear(&c->answer);
        c->status = 503;
    }
    if (lws_add_http_header_status(wsi, c->status, &p, end) ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, (const uint8_t *)type,
                                     (int)sizeof type - 1, &p, end) ||
        lws_add_http_header_content_length(wsi, c->answer.len, &p, end) ||
        lws_finalize_http_header(wsi, &p, end))
        return -1;
    c->head_sent = true;
    if (lws_write(wsi, start, (size_t)(p - start), LWS_WRITE_HTTP_HEADERS) < 0) return -1;
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_writeable(struct serve *s, struct lws *wsi, struct session *c)
{
    static uint8_t buffer[LWS_PRE + PIECE]; /* one thread */
    if (!c->answered) return 0;
    if (!c->head_sent) return write_head(wsi, c);
    size_t left = c->answer.len - c->sent, len = left < PIECE ? left : PIECE;
    if (len) {
        memcpy(buffer + LWS_PRE, c->answer.bytes + c->sent, len);
        c->sent += len;
        if (lws_write(wsi, buffer + LWS_PRE, len, len == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
            return -1;
        if (len < left) {
            lws_callback_on_writable(wsi);
            return 0;
        }
    }
    session_reset(s, c);
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct serve *s = lws_context_user(lws_get_context(wsi));
    struct session *c = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP: s->active = true; return on_request(s, wsi, c, in);
    case LWS_CALLBACK_HTTP_BODY: s->active = true; return session_input(s, c, in, len) ? 0 : -1;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION: s->active = true; return c->answered ? 0 : on_post(s, wsi, c);
    case LWS_CALLBACK_HTTP_WRITEABLE: s->active = true; return c ? on_writeable(s, wsi, c) : 0;
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        if (c) session_reset(s, c);
        return 0;
    default: return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}

static const struct lws_protocols protocols[] = {{.name = "http",
                                                  .callback = on_event,
                                                  .per_session_data_size = sizeof(struct session),
                                                  .rx_buffer_size = PIECE},
                                                 {.name = NULL}};

int serve_open(struct coordinator *c, const char *host, uint16_t port, struct serve **out,
               struct dsdn_error *error)
{
    struct serve *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a server");
    s->coordinator = c;
    struct lws_context_creation_info info = {.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
                                             .user = s,
                                             .gid = -1,
                                             .uid = -1,
                                             .port = port,
                                             .iface = host,
                                             .protocols = protocols,
                                             .pt_serv_buf_size = PIECE,
                                             .max_http_header_data = 4096,
                                             .timeout_secs = REQUEST_SECONDS,
                                             .keepalive_timeout = IDLE_SECONDS};
    lws_set_log_level(0, NULL);
    s->context = lws_create_context(&info);
    if (s->context) s->vhost = lws_create_vhost(s->context, &info);
    if (!s->vhost || lws_get_vhost_listen_port(s->vhost) <= 0) {
        serve_close(s);
        return dsdn_fail(error, DSDN_E_IO, "cannot listen on %s port %u", host, port);
    }
    *out = s;
    return DSDN_OK;
}

void serve_close(struct serve *s)
{
    if (!s) return;
    if (s->context) lws_context_destroy(s->context);
    free(s);
}

uint16_t serve_port(const struct serve *s)
{
    return (uint16_t)lws_get_vhost_listen_port(s->vhost);
}

bool serve_turn(struct serve *s)
{
    bool any = false;
    for (int i = 0; i < ROUNDS; i++) {
        s->active = false;
        if (lws_service(s->context, -1) < 0 || !s->active) break; /* -1: what is ready, without waiting */
        any = true;
    }
    return any;
}
