#include "adapters/celestia/reader_private.h"

#include <curl/curl.h>
#include <libwebsockets.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define RECONNECT_MS 5000u

/* header.Subscribe over a WebSocket.  A message says that there may be a new head, nothing more: what is in
 * it is not read, so it needs no trust and no bound but that of the library's buffer. */
struct head_socket {
    struct lws_context *context;
    const struct dsdn_endpoint *endpoint;
    struct lws *connection;
    char host[256], path[256];
    int port;
    bool encrypted, subscribed, heard;
    uint64_t retry_ms;
};

static int subscribe(struct head_socket *s, struct lws *connection)
{
    static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"header.Subscribe\",\"params\":[]}";
    unsigned char buffer[LWS_PRE + sizeof text];
    memcpy(buffer + LWS_PRE, text, sizeof text);
    s->subscribed = true;
    return lws_write(connection, buffer + LWS_PRE, sizeof text - 1, LWS_WRITE_TEXT) < 0 ? -1 : 0;
}

static int add_token(const struct head_socket *s, unsigned char **at, size_t room, struct lws *connection)
{
    static const char name[] = "authorization:", prefix[] = "Authorization: ";
    char line[DSDN_TOKEN_HEADER_MAX];
    if (!dsdn_token_header(s->endpoint->token, line)) return 0;
    const char *value = line + sizeof prefix - 1;
    int rc = lws_add_http_header_by_name(connection, (const unsigned char *)name,
                                         (const unsigned char *)value, (int)strlen(value), at, *at + room);
    sodium_memzero(line, sizeof line);
    return rc ? -1 : 0;
}

static int callback(struct lws *connection, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct lws_context *context = lws_get_context(connection);
    struct head_socket *s = context ? lws_context_user(context) : NULL;
    (void)user;
    if (!s) return 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: return add_token(s, in, len, connection);
    case LWS_CALLBACK_CLIENT_ESTABLISHED: lws_callback_on_writable(connection); break;
    case LWS_CALLBACK_CLIENT_WRITEABLE: return s->subscribed ? 0 : subscribe(s, connection);
    case LWS_CALLBACK_CLIENT_RECEIVE: s->heard = true; break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (connection == s->connection) s->connection = NULL;
        break;
    default: break;
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    {.name = "dsdn", .callback = callback, .rx_buffer_size = 4096}, {.name = NULL}};

/* One part of the URL; "" and false when it does not fit. */
static bool url_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t cap)
{
    char *text = NULL;
    bool ok = curl_url_get(url, part, &text, flags) == CURLUE_OK && strlen(text) < cap;
    snprintf(out, cap, "%s", ok ? text : "");
    curl_free(text);
    return ok;
}

static bool take_url(struct head_socket *s, const char *text)
{
    char scheme[16], port[16];
    CURLU *url = curl_url();
    bool ok = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
              url_part(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) &&
              url_part(url, CURLUPART_HOST, 0, s->host, sizeof s->host) &&
              url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port) &&
              url_part(url, CURLUPART_PATH, 0, s->path, sizeof s->path);
    if (ok) {
        s->port = (int)strtol(port, NULL, 10);
        s->encrypted = strcmp(scheme, "https") == 0;
    }
    curl_url_cleanup(url);
    return ok;
}

int head_socket_new(const struct dsdn_endpoint *endpoint, struct head_socket **socket,
                    struct dsdn_error *error)
{
    *socket = NULL;
    struct head_socket *s = calloc(1, sizeof *s);
    if (!s) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a WebSocket");
    s->endpoint = endpoint;
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = protocols,
                                             .gid = -1,
                                             .uid = -1,
                                             .user = s,
                                             .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT};
    lws_set_log_level(0, NULL);
    if (!take_url(s, endpoint->url) || !(s->context = lws_create_context(&info))) {
        free(s);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a WebSocket");
    }
    *socket = s;
    return DSDN_OK;
}

void head_socket_free(struct head_socket *socket)
{
    if (!socket) return;
    lws_context_destroy(socket->context);
    free(socket);
}

static void connect_socket(struct head_socket *s)
{
    struct lws_client_connect_info info = {.context = s->context,
                                           .address = s->host,
                                           .port = s->port,
                                           .path = s->path,
                                           .host = s->host,
                                           .origin = s->host,
                                           .ssl_connection = s->encrypted ? LCCSCF_USE_SSL : 0,
                                           .ietf_version_or_minus_one = -1,
                                           .local_protocol_name = protocols[0].name,
                                           .pwsi = &s->connection};
    s->subscribed = false;
    if (!lws_client_connect_via_info(&info)) s->connection = NULL;
}

bool head_socket_run(struct head_socket *s, uint64_t now_ms)
{
    if (!s->connection && now_ms >= s->retry_ms) {
        s->retry_ms = now_ms + RECONNECT_MS;
        connect_socket(s);
    }
    (void)lws_service(s->context, -1);
    bool heard = s->heard;
    s->heard = false;
    return heard;
}
