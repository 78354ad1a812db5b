/* HTTP: a request, its answer in one piece or in chunks, and what faults do to it. */
#include "adapters/devnet/session.h"

#include <stdlib.h>

enum { DRIP_MS = 50, CHUNK_FRAME = 16 };

void http_answer(struct session *c)
{
    uint64_t delay = c->answer ? c->answer->delay_ms : 0;
    if (delay)
        lws_set_timer_usecs(c->wsi, (lws_usec_t)(delay * 1000));
    else if (c->answer && c->answer->drop)
        session_close(c);
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
    c->chunked = body_len(c) > SESSION_PIECE;
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
    static uint8_t buffer[LWS_PRE + CHUNK_FRAME + SESSION_PIECE + CHUNK_FRAME]; /* one thread */
    uint64_t whole = body_len(c), left = whole - c->sent;
    size_t len = left < SESSION_PIECE ? (size_t)left : SESSION_PIECE;
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

int http_writeable(struct session *c)
{
    if (!c->answer && !c->refused) return 0;
    if (!c->head_sent) {
        if (!write_head(c)) return -1;
        /* An answer without a body is whole now, and the next request may be here before the socket is asked again:
         * libwebsockets 4.1 turns in circles over bytes that come before it knows that the answer ended. */
        if (body_len(c)) {
            lws_callback_on_writable(c->wsi);
            return 0;
        }
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

static int refuse(struct session *c, int status)
{
    c->refused = status;
    lws_callback_on_writable(c->wsi);
    return 0;
}

int http_request(struct session *c)
{
    struct dsdn_devnet_server *s = c->server;
    lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT,
                    0); /* a call may wait for a block as long as the client does */
    if (c->refused) return refuse(c, c->refused);
    if (s->busy >= SESSION_BUSY_MAX) return refuse(c, 503);
    c->busy = true;
    s->busy++;
    c->call = dsdn_devnet_call_new(s->node, c->permissions, false, c->input, c->input_len);
    free(c->input);
    c->input = NULL;
    c->input_len = c->input_cap = 0;
    if (!c->call) return -1;
    if (dsdn_devnet_call_step(c->call, &c->answer)) http_answer(c);
    session_pump(s);
    return 0;
}

/* Clients with a large body ask first (RFC 9110, section 10.1.1), and lose a second when nobody answers. */
static int write_continue(struct lws *wsi)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uint8_t buffer[LWS_PRE + sizeof text];
    memcpy(buffer + LWS_PRE, text, sizeof text);
    size_t len = sizeof text - 1;
    return lws_write(wsi, buffer + LWS_PRE, len, LWS_WRITE_HTTP_HEADERS) == (int)len ? 0 : -1;
}

int http_begin(struct dsdn_devnet_server *s, struct session *c, struct lws *wsi)
{
    session_begin(s, c, wsi);
    if (!session_authorise(s, wsi, &c->permissions)) c->refused = 401;
    /* libwebsockets announces a body only when there is one */
    char length[24] = "";
    bool post = lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0)
        lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (!post || !strtoull(length, NULL, 10)) return http_request(c);
    return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_EXPECT) > 0 ? write_continue(wsi) : 0;
}
