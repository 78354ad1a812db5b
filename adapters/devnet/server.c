#include "adapters/devnet/server.h"

#include "adapters/celestia/json_rpc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE = 65536,     /* bytes of a body written at once; longer bodies go in chunks */
    BUSY_MAX = 500,    /* requests at once (celestia-node api/rpc/middleware.go) */
    QUEUE_MAX = 16,    /* messages that a slow subscriber may be behind (go-jsonrpc websocket.go) */
    CHANNELS_MAX = 16, /* subscriptions of a connection */
    WAITING_MAX = 64,  /* requests at once on a WebSocket */
    DRIP_MS = 50,
    CHUNK_FRAME = 16,
    IDLE_SECONDS = 60,
};

struct message {
    struct message *next;
    size_t len;
    uint8_t bytes[]; /* LWS_PRE of room, then len */
};

struct channel {
    uint64_t number; /* 0: free */
    enum dsdn_devnet_channel kind;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    char request[32]; /* id of the request that opened it */
};

/* A connection: one HTTP request at a time, or a WebSocket.  Lives in memory of libwebsockets. */
struct session {
    struct dsdn_devnet_server *server;
    struct lws *wsi;
    struct session *next, *previous;
    bool linked, websocket, busy, head_sent, chunked;
    uint32_t permissions;
    uint8_t *input; /* the body, or a message, so far */
    size_t input_len, input_cap;
    struct dsdn_devnet_call *call; /* HTTP */
    struct dsdn_devnet_answer *answer;
    int refused;                                   /* HTTP status without a call: 401, 503 */
    uint64_t sent;                                 /* of body and blanks */
    struct dsdn_devnet_call *waiting[WAITING_MAX]; /* WebSocket */
    struct channel channels[CHANNELS_MAX];
    struct message *first, *last;
    uint32_t queued;
};

struct dsdn_devnet_server {
    struct dsdn_devnet_node *node;
    struct dsdn_devnet_server_options options;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct session *sessions;
    uint32_t busy;
    uint64_t known_head, told_head; /* heads at the last pump, and told to subscribers */
    uint32_t known_faults, known_fault_id;
    uint64_t channel_cnt;
    uint64_t down_until_us;
    lws_sorted_usec_list_t timer;
    int rc;
    struct dsdn_error error;
    bool pumping;
};

static void set_now(struct dsdn_devnet_server *s)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    s->node->now = (struct dsdn_celestia_time){t.tv_sec, (int32_t)t.tv_nsec};
}

static void close_later(struct session *c)
{
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

/* ---- sessions ---------------------------------------------------------------------------------- */

static void session_begin(struct dsdn_devnet_server *s, struct session *c, struct lws *wsi)
{
    if (c->linked) return;
    *c = (struct session){.server = s, .wsi = wsi, .next = s->sessions, .linked = true};
    if (s->sessions) s->sessions->previous = c;
    s->sessions = c;
}

static void session_idle(struct session *c)
{
    if (c->busy) c->server->busy--;
    c->busy = false;
    dsdn_devnet_call_free(c->call);
    c->call = NULL;
    c->answer = NULL;
    free(c->input);
    c->input = NULL;
    c->input_len = c->input_cap = 0;
}

static void session_end(struct session *c)
{
    if (!c || !c->linked) return;
    session_idle(c);
    for (uint32_t i = 0; i < WAITING_MAX; i++) dsdn_devnet_call_free(c->waiting[i]);
    for (struct message *m = c->first, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    if (c->previous)
        c->previous->next = c->next;
    else
        c->server->sessions = c->next;
    if (c->next) c->next->previous = c->previous;
    *c = (struct session){.linked = false};
}

/* Collects a body or message of at most DSDN_DEVNET_REQUEST_MAX + 1 bytes: what is longer is refused by the
 * RPC, which needs no more of it to know. */
static bool session_input(struct session *c, const void *bytes, size_t len)
{
    size_t most = DSDN_DEVNET_REQUEST_MAX + 1u - c->input_len;
    if (len > most) len = most;
    if (c->input_len + len > c->input_cap) {
        size_t cap = 2 * (c->input_len + len) + 1024;
        uint8_t *grown = realloc(c->input, cap);
        if (!grown) return false;
        c->input = grown;
        c->input_cap = cap;
    }
    if (len) memcpy(c->input + c->input_len, bytes, len);
    c->input_len += len;
    return true;
}

static bool authorise(struct dsdn_devnet_server *s, struct lws *wsi, uint32_t *permissions)
{
    enum { BEARER = 7 };
    char text[DSDN_DEVNET_TOKEN_MAX + 16] = "Bearer ";
    const char *header = NULL;
    set_now(s);
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION)) {
        if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_AUTHORIZATION) < 0)
            text[0] = 0; /* too long */
        header = text;
    } else if (lws_get_urlarg_by_name(wsi, "token=", text + BEARER, (int)sizeof text - BEARER) &&
               text[BEARER]) {
        header = text;
    }
    return dsdn_devnet_authorise(s->node, header, header ? strlen(header) : 0, permissions);
}

/* ---- HTTP -------------------------------------------------------------------------------------- */

static void answer_ready(struct session *c)
{
    uint64_t delay = c->answer ? c->answer->delay_ms : 0;
    if (delay)
        lws_set_timer_usecs(c->wsi, (lws_usec_t)(delay * 1000));
    else if (c->answer && c->answer->drop)
        close_later(c);
    else
        lws_callback_on_writable(c->wsi);
}

static uint64_t body_len(const struct session *c)
{
    return c->answer ? c->answer->body.len + c->answer->blanks : 0;
}

static bool write_head(struct session *c)
{
    uint8_t buffer[LWS_PRE + 1024], *start = buffer + LWS_PRE, *p = start, *end = buffer + sizeof buffer - 1;
    unsigned status = c->answer ? (unsigned)c->answer->status : (unsigned)c->refused;
    bool plain = !c->answer || c->answer->plain;
    c->chunked = body_len(c) > PIECE;
    if (lws_add_http_header_status(c->wsi, status, &p, end)) return false;
    const char *type = plain ? "text/plain; charset=utf-8" : "application/json";
    if (body_len(c) && lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_CONTENT_TYPE,
                                                    (const uint8_t *)type, (int)strlen(type), &p, end))
        return false;
    if (c->chunked) {
        if (lws_add_http_header_by_name(
                c->wsi, (const uint8_t *)"transfer-encoding:", (const uint8_t *)"chunked", 7, &p, end))
            return false;
    } else if (lws_add_http_header_content_length(c->wsi, body_len(c), &p, end))
        return false;
    if (lws_finalize_http_header(c->wsi, &p, end)) return false;
    c->head_sent = true;
    return lws_write(c->wsi, start, (size_t)(p - start), LWS_WRITE_HTTP_HEADERS) == (int)(p - start);
}

/* Copies len bytes of body and blanks from `at`. */
static void body_copy(const struct session *c, uint64_t at, uint8_t *out, size_t len)
{
    size_t real = at < c->answer->body.len ? c->answer->body.len - (size_t)at : 0;
    if (real > len) real = len;
    if (real) memcpy(out, c->answer->body.bytes + at, real);
    memset(out + real, ' ', len - real);
}

/* Writes the next piece.  -1: close; 0: written, come again; 1: all is written. */
static int write_piece(struct session *c)
{
    static uint8_t buffer[LWS_PRE + CHUNK_FRAME + PIECE + CHUNK_FRAME]; /* one thread */
    uint64_t whole = body_len(c), left = whole - c->sent;
    size_t len = left < PIECE ? (size_t)left : PIECE;
    if (c->answer && c->answer->drip) {
        uint64_t most = (c->answer->drip * DRIP_MS + 999) / 1000;
        if (len > most) len = (size_t)most;
    }
    if (c->answer && c->answer->truncate_at < c->sent + len) {
        len = c->answer->truncate_at > c->sent ? (size_t)(c->answer->truncate_at - c->sent) : 0;
        if (!len) return -1;
    }
    if (!len) return 1;
    uint8_t *out = buffer + LWS_PRE + CHUNK_FRAME;
    body_copy(c, c->sent, out, len);
    c->sent += len;
    size_t framed = len;
    if (c->chunked) {
        char frame[CHUNK_FRAME];
        int frame_len = snprintf(frame, sizeof frame, "%zx\r\n", len);
        out -= frame_len;
        memcpy(out, frame, (size_t)frame_len);
        framed += (size_t)frame_len;
        memcpy(out + framed, "\r\n0\r\n\r\n", 7);
        framed += c->sent == whole ? 7 : 2;
    }
    enum lws_write_protocol how = c->sent == whole ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
    if (lws_write(c->wsi, out, framed, how) < 0) return -1;
    return c->sent == whole;
}

static int http_writeable(struct session *c)
{
    if (!c->answer && !c->refused) return 0;
    if (!c->head_sent) {
        if (!write_head(c)) return -1;
        lws_callback_on_writable(c->wsi);
        return 0;
    }
    int done = body_len(c) ? write_piece(c) : 1;
    if (done < 0) return -1;
    if (!done) {
        if (c->answer->drip)
            lws_set_timer_usecs(c->wsi, DRIP_MS * 1000);
        else
            lws_callback_on_writable(c->wsi);
        return 0;
    }
    session_idle(c);
    c->head_sent = false;
    c->refused = 0;
    c->sent = 0;
    return lws_http_transaction_completed(c->wsi) ? -1 : 0;
}

static void pump(struct dsdn_devnet_server *s);

static int refuse(struct session *c, int status)
{
    c->refused = status;
    if (status == 503) lws_callback_on_writable(c->wsi);
    lws_callback_on_writable(c->wsi);
    return 0;
}

static int http_request(struct session *c)
{
    struct dsdn_devnet_server *s = c->server;
    lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT,
                    0); /* a call may wait for a block as long as the client does */
    if (c->refused) return refuse(c, c->refused);
    if (s->busy >= BUSY_MAX) return refuse(c, 503);
    c->busy = true;
    s->busy++;
    c->call = dsdn_devnet_call_new(s->node, c->permissions, false, c->input, c->input_len);
    free(c->input);
    c->input = NULL;
    c->input_len = c->input_cap = 0;
    if (!c->call) return -1;
    if (dsdn_devnet_call_step(c->call, &c->answer)) answer_ready(c);
    pump(s);
    return 0;
}

static int http_begin(struct dsdn_devnet_server *s, struct session *c, struct lws *wsi)
{
    session_begin(s, c, wsi);
    if (!authorise(s, wsi, &c->permissions)) c->refused = 401;
    /* libwebsockets announces a body only when there is one */
    char length[24] = "";
    bool post = lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0)
        lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (post && strtoull(length, NULL, 10)) return 0;
    return http_request(c);
}

/* ---- WebSocket --------------------------------------------------------------------------------- */

static void queue(struct session *c, const struct dsdn_text *t)
{
    struct message *m = t->failed || !t->len ? NULL : malloc(sizeof *m + LWS_PRE + t->len);
    if (!m) {
        if (t->failed) close_later(c);
        return;
    }
    m->next = NULL;
    m->len = t->len;
    memcpy(m->bytes + LWS_PRE, t->bytes, t->len);
    if (c->last)
        c->last->next = m;
    else
        c->first = m;
    c->last = m;
    c->queued++;
    lws_callback_on_writable(c->wsi);
}

static void channel_close(struct session *c, struct channel *channel)
{
    struct dsdn_text t;
    dsdn_text_init(&t, 256, 0);
    dsdn_text_format(&t, "{\"jsonrpc\":\"2.0\",\"method\":\"xrpc.ch.close\",\"params\":[%llu]}",
                     (unsigned long long)channel->number);
    *channel = (struct channel){.number = 0};
    queue(c, &t);
    dsdn_text_free(&t);
}

static void id_text(struct dsdn_view id, char out[32])
{
    size_t len = id.len < 31 ? id.len : 31;
    if (len) memcpy(out, id.bytes, len);
    out[len] = 0;
}

static void channel_open(struct session *c, const struct dsdn_devnet_call *call,
                         const struct dsdn_devnet_answer *answer)
{
    struct dsdn_text t;
    struct channel *channel = c->channels;
    while (channel < c->channels + CHANNELS_MAX && channel->number) channel++;
    dsdn_text_init(&t, 1024, 0);
    if (channel == c->channels + CHANNELS_MAX) {
        dsdn_rpc_write_error(&t, dsdn_devnet_call_id(call), DSDN_RPC_APPLICATION,
                             "devnet: too many channels");
    } else {
        *channel = (struct channel){.number = ++c->server->channel_cnt, .kind = answer->channel};
        memcpy(channel->ns, answer->ns, sizeof channel->ns);
        id_text(dsdn_devnet_call_id(call), channel->request);
        dsdn_rpc_write_result(&t, dsdn_devnet_call_id(call));
        dsdn_text_u64(&t, channel->number);
        dsdn_rpc_end_answer(&t);
    }
    queue(c, &t);
    dsdn_text_free(&t);
}

static void websocket_answer(struct session *c, const struct dsdn_devnet_call *call,
                             const struct dsdn_devnet_answer *answer)
{
    char cancelled[32];
    if (answer->drop) {
        close_later(c);
    } else if (answer->channel == DSDN_DEVNET_CANCEL) {
        id_text(dsdn_devnet_call_cancels(call), cancelled);
        for (uint32_t i = 0; i < CHANNELS_MAX; i++)
            if (c->channels[i].number && strcmp(c->channels[i].request, cancelled) == 0)
                channel_close(c, c->channels + i);
    } else if (answer->channel != DSDN_DEVNET_NO_CHANNEL) {
        channel_open(c, call, answer);
    } else {
        queue(c, &answer->body);
    }
}

static int websocket_message(struct session *c)
{
    struct dsdn_devnet_server *s = c->server;
    struct dsdn_devnet_answer *answer;
    struct dsdn_devnet_call *call;
    uint32_t place = 0;
    while (place < WAITING_MAX && c->waiting[place]) place++;
    if (place == WAITING_MAX) return -1;
    set_now(s);
    call = dsdn_devnet_call_new(s->node, c->permissions, true, c->input, c->input_len);
    c->input_len = 0;
    if (!call) return -1;
    if (dsdn_devnet_call_step(call, &answer)) {
        websocket_answer(c, call, answer);
        dsdn_devnet_call_free(call);
    } else {
        c->waiting[place] = call;
    }
    pump(s);
    return 0;
}

static int websocket_writeable(struct session *c)
{
    struct message *m = c->first;
    if (!m) return 0;
    c->first = m->next;
    if (!c->first) c->last = NULL;
    c->queued--;
    int rc = lws_write(c->wsi, m->bytes + LWS_PRE, m->len, LWS_WRITE_TEXT);
    free(m);
    if (rc < 0) return -1;
    if (c->first) lws_callback_on_writable(c->wsi);
    return 0;
}

/* ---- what blocks and faults set going ---------------------------------------------------------- */

static void tell(struct session *c, uint64_t height)
{
    for (uint32_t i = 0; i < CHANNELS_MAX; i++) {
        struct channel *channel = c->channels + i;
        struct dsdn_text t;
        if (!channel->number) continue;
        if (c->queued >= QUEUE_MAX) { /* the node closes the channel of a reader that is too slow */
            channel_close(c, channel);
            continue;
        }
        dsdn_text_init(&t, (size_t)1 << 28, 0);
        dsdn_devnet_channel_value(c->server->node, &t, channel->number, channel->kind, channel->ns, height);
        queue(c, &t);
        dsdn_text_free(&t);
    }
}

static void step_waiting(struct session *c)
{
    struct dsdn_devnet_answer *answer;
    if (c->call && !c->answer && dsdn_devnet_call_step(c->call, &c->answer)) answer_ready(c);
    for (uint32_t i = 0; i < WAITING_MAX; i++) {
        struct dsdn_devnet_call *call = c->waiting[i];
        if (!call || !dsdn_devnet_call_step(call, &answer)) continue;
        c->waiting[i] = NULL;
        websocket_answer(c, call, answer);
        dsdn_devnet_call_free(call);
    }
}

static void restart(struct dsdn_devnet_server *s)
{
    s->node->restart_wanted = false;
    s->down_until_us = (uint64_t)lws_now_usecs() + s->node->restart_down_ms * 1000;
    for (struct session *c = s->sessions; c; c = c->next) close_later(c);
}

static bool changed(const struct dsdn_devnet_server *s)
{
    const struct dsdn_devnet_faults *f = &s->node->faults;
    return s->known_head != s->node->chain->head || s->known_faults != f->cnt ||
           s->known_fault_id != f->last_id;
}

/* After anything that could have changed the chain or the faults. */
static void pump(struct dsdn_devnet_server *s)
{
    if (s->pumping) return;
    s->pumping = true;
    while (changed(s)) {
        s->known_head = s->node->chain->head;
        s->known_faults = s->node->faults.cnt;
        s->known_fault_id = s->node->faults.last_id;
        for (; s->told_head < s->known_head; s->told_head++)
            for (struct session *c = s->sessions; c; c = c->next) tell(c, s->told_head + 1);
        for (struct session *c = s->sessions; c; c = c->next) step_waiting(c);
    }
    if (s->node->restart_wanted) restart(s);
    s->pumping = false;
}

static void on_timer(lws_sorted_usec_list_t *timer)
{
    struct dsdn_devnet_server *s = lws_container_of(timer, struct dsdn_devnet_server, timer);
    set_now(s);
    s->rc = dsdn_devnet_node_produce(s->node, 1, &s->error);
    if (s->rc) return; /* run ends */
    lws_sul_schedule(s->context, 0, &s->timer, on_timer, (lws_usec_t)(s->options.block_every_ms * 1000));
    pump(s);
}

/* ---- libwebsockets ----------------------------------------------------------------------------- */

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct dsdn_devnet_server *s = lws_context_user(lws_get_context(wsi));
    struct session *c = user;
    uint32_t permissions;
    switch (reason) {
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION: return (uint64_t)lws_now_usecs() < s->down_until_us;
    case LWS_CALLBACK_HTTP: return http_begin(s, c, wsi);
    case LWS_CALLBACK_HTTP_BODY: return session_input(c, in, len) ? 0 : -1;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION: return c->call || c->answer ? 0 : http_request(c);
    case LWS_CALLBACK_HTTP_WRITEABLE: return c && c->linked ? http_writeable(c) : 0;
    case LWS_CALLBACK_TIMER:
        if (!c || !c->linked || c->websocket || !c->answer) return 0;
        if (c->answer->drop) return -1;
        lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: /* there is no session yet */
        if (authorise(s, wsi, &permissions)) return 0;
        lws_return_http_status(wsi, 401, NULL);
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
        session_begin(s, c, wsi);
        c->websocket = true;
        return authorise(s, wsi, &c->permissions) ? 0 : -1;
    case LWS_CALLBACK_RECEIVE:
        if (!session_input(c, in, len)) return -1;
        return lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi) ? websocket_message(c) : 0;
    case LWS_CALLBACK_SERVER_WRITEABLE: return websocket_writeable(c);
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_CLOSED: session_end(c); return 0;
    default: return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}

static const struct lws_protocols protocols[] = {{.name = "jsonrpc",
                                                  .callback = on_event,
                                                  .per_session_data_size = sizeof(struct session),
                                                  .rx_buffer_size = PIECE},
                                                 {.name = NULL}};
static const lws_retry_bo_t ping = {.secs_since_valid_ping = 5, .secs_since_valid_hangup = 30};

/* libwebsockets waits for an address that the machine does not have; here that is an error with its reason.
 */
static int can_listen(const char *host, uint16_t port, struct dsdn_error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1, fd, rc = 0;
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return dsdn_fail(error, DSDN_E_USAGE, "\"%.60s\" is no IPv4 address to listen on", host);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0)
        rc = dsdn_fail_errno(error, errno, "cannot listen on %s port %u", host, port);
    if (fd >= 0) close(fd);
    return rc;
}

int dsdn_devnet_server_new(struct dsdn_devnet_node *node, const struct dsdn_devnet_server_options *options,
                           struct dsdn_devnet_server **server, struct dsdn_error *error)
{
    int rc = can_listen(options->host, options->port, error);
    if (rc) return rc;
    struct dsdn_devnet_server *s = calloc(1, sizeof *s);
    if (!s) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a server");
    s->node = node;
    s->options = *options;
    s->error = (struct dsdn_error)DSDN_ERROR_INIT;
    s->known_head = s->told_head = node->chain->head;
    s->known_faults = node->faults.cnt;
    s->known_fault_id = node->faults.last_id;
    struct lws_context_creation_info info = {.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
                                             .user = s,
                                             .gid = -1,
                                             .uid = -1,
                                             .port = options->port,
                                             .iface = options->host,
                                             .protocols = protocols,
                                             .pt_serv_buf_size = PIECE,
                                             .max_http_header_data = 4096,
                                             .keepalive_timeout = IDLE_SECONDS,
                                             .retry_and_idle_policy = &ping};
    lws_set_log_level(0, NULL);
    s->context = lws_create_context(&info);
    if (s->context) s->vhost = lws_create_vhost(s->context, &info);
    if (!s->vhost || lws_get_vhost_listen_port(s->vhost) <= 0) {
        dsdn_devnet_server_free(s);
        return dsdn_fail(error, DSDN_E_IO, "cannot listen on %s port %u", options->host, options->port);
    }
    *server = s;
    return DSDN_OK;
}

void dsdn_devnet_server_free(struct dsdn_devnet_server *s)
{
    if (!s) return;
    if (s->context) lws_context_destroy(s->context);
    free(s);
}

uint16_t dsdn_devnet_server_port(const struct dsdn_devnet_server *s)
{
    return (uint16_t)lws_get_vhost_listen_port(s->vhost);
}

int dsdn_devnet_server_run(struct dsdn_devnet_server *s, struct dsdn_error *error)
{
    if (s->options.block_every_ms)
        lws_sul_schedule(s->context, 0, &s->timer, on_timer, (lws_usec_t)(s->options.block_every_ms * 1000));
    while (!*s->options.stop && !s->rc)
        if (lws_service(s->context, 0) < 0) {
            if (*s->options.stop) break;
            return dsdn_fail(error, DSDN_E_IO, "the event loop failed");
        }
    if (s->rc && error) *error = s->error;
    return s->rc;
}

void dsdn_devnet_server_wake(struct dsdn_devnet_server *s)
{
    lws_cancel_service(s->context);
}
