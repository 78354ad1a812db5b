/* WebSocket: requests as messages, channels of subscribers (go-jsonrpc websocket.go). */
#include "adapters/celestia/json_rpc.h"
#include "adapters/devnet/session.h"

#include <stdlib.h>

enum { QUEUE_MAX = 16 }; /* messages that a slow subscriber may be behind */

static void queue(struct session *c, const struct dsdn_text *t)
{
    if (!t->failed && !t->len) return; /* the answer to a notification */
    struct message *m = t->failed ? NULL : malloc(sizeof *m + LWS_PRE + t->len);
    if (!m) {
        session_close(c);
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
    while (channel < c->channels + SESSION_CHANNELS_MAX && channel->number) channel++;
    dsdn_text_init(&t, 1024, 0);
    if (channel == c->channels + SESSION_CHANNELS_MAX) {
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

void websocket_answer(struct session *c, const struct dsdn_devnet_call *call,
                      const struct dsdn_devnet_answer *answer)
{
    char cancelled[32];
    if (answer->drop) {
        session_close(c);
    } else if (answer->channel == DSDN_DEVNET_CANCEL) {
        id_text(dsdn_devnet_call_cancels(call), cancelled);
        for (uint32_t i = 0; i < SESSION_CHANNELS_MAX; i++)
            if (c->channels[i].number && strcmp(c->channels[i].request, cancelled) == 0)
                channel_close(c, c->channels + i);
    } else if (answer->channel != DSDN_DEVNET_NO_CHANNEL) {
        channel_open(c, call, answer);
    } else {
        queue(c, &answer->body);
    }
}

int websocket_message(struct session *c)
{
    struct dsdn_devnet_server *s = c->server;
    struct dsdn_devnet_answer *answer;
    struct dsdn_devnet_call *call;
    uint32_t place = 0;
    while (place < SESSION_WAITING_MAX && c->waiting[place]) place++;
    if (place == SESSION_WAITING_MAX) return -1;
    session_now(s);
    call = dsdn_devnet_call_new(s->node, c->permissions, true, c->input, c->input_len);
    c->input_len = 0;
    if (!call) return -1;
    if (dsdn_devnet_call_step(call, &answer)) {
        websocket_answer(c, call, answer);
        dsdn_devnet_call_free(call);
    } else {
        c->waiting[place] = call;
    }
    session_pump(s);
    return 0;
}

int websocket_writeable(struct session *c)
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

/* ---- subscribers ---- */

void websocket_tell(struct session *c, uint64_t height)
{
    for (uint32_t i = 0; i < SESSION_CHANNELS_MAX; i++) {
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
