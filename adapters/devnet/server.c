#include "adapters/devnet/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_SECONDS = 60 };

void session_now(struct dsdn_devnet_server *s)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    s->node->now = (struct dsdn_celestia_time){t.tv_sec, (int32_t)t.tv_nsec};
}

void session_close(struct session *c)
{
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

/* ---- sessions ---------------------------------------------------------------------------------- */

void session_begin(struct dsdn_devnet_server *s, struct session *c, struct lws *wsi)
{
    if (c->linked) return;
    *c = (struct session){.server = s, .wsi = wsi, .next = s->sessions, .linked = true};
    if (s->sessions) s->sessions->previous = c;
    s->sessions = c;
}

void session_idle(struct session *c)
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

void session_end(struct session *c)
{
    if (!c || !c->linked) return;
    session_idle(c);
    for (uint32_t i = 0; i < SESSION_WAITING_MAX; i++) dsdn_devnet_call_free(c->waiting[i]);
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

bool session_input(struct session *c, const void *bytes, size_t len)
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

bool session_authorise(struct dsdn_devnet_server *s, struct lws *wsi, uint32_t *permissions)
{
    enum { BEARER = 7 };
    char text[DSDN_DEVNET_TOKEN_MAX + 16] = "Bearer ";
    const char *header = NULL;
    session_now(s);
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

/* ---- what blocks and faults set going ---------------------------------------------------------- */

static void step_waiting(struct session *c)
{
    struct dsdn_devnet_answer *answer;
    if (c->call && !c->answer && dsdn_devnet_call_step(c->call, &c->answer)) http_answer(c);
    for (uint32_t i = 0; i < SESSION_WAITING_MAX; i++) {
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
    for (struct session *c = s->sessions; c; c = c->next) session_close(c);
}

static bool changed(const struct dsdn_devnet_server *s)
{
    const struct dsdn_devnet_faults *f = &s->node->faults;
    return s->known_head != s->node->chain->head || s->known_faults != f->cnt ||
           s->known_fault_id != f->last_id;
}

/* After anything that could have changed the chain or the faults. */
void session_pump(struct dsdn_devnet_server *s)
{
    if (s->pumping) return;
    s->pumping = true;
    while (changed(s)) {
        s->known_head = s->node->chain->head;
        s->known_faults = s->node->faults.cnt;
        s->known_fault_id = s->node->faults.last_id;
        for (; s->told_head < s->known_head; s->told_head++)
            for (struct session *c = s->sessions; c; c = c->next) websocket_tell(c, s->told_head + 1);
        for (struct session *c = s->sessions; c; c = c->next) step_waiting(c);
    }
    if (s->node->restart_wanted) restart(s);
    s->pumping = false;
}

static void on_timer(lws_sorted_usec_list_t *timer)
{
    struct dsdn_devnet_server *s = lws_container_of(timer, struct dsdn_devnet_server, timer);
    session_now(s);
    s->rc = dsdn_devnet_node_produce(s->node, 1, &s->error);
    if (s->rc) return; /* run ends */
    lws_sul_schedule(s->context, 0, &s->timer, on_timer, (lws_usec_t)(s->options.block_every_ms * 1000));
    session_pump(s);
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
        if (session_authorise(s, wsi, &permissions)) return 0;
        lws_return_http_status(wsi, 401, NULL);
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
        session_begin(s, c, wsi);
        c->websocket = true;
        return session_authorise(s, wsi, &c->permissions) ? 0 : -1;
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
                                                  .rx_buffer_size = SESSION_PIECE},
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
                                             .pt_serv_buf_size = SESSION_PIECE,
                                             .max_http_header_data = 4096,
                                             .max_http_header_pool = 2 * SESSION_BUSY_MAX,
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
