#include "adapters/devnet/method.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_MAX ((size_t)1 << 28)

enum { HEIGHT = 1, CHANNEL = 2 }; /* the first parameter is a height; over WebSocket only */

/* name, number of parameters, permission, flags, function (NULL: a devnet has no use for it).  The node's own
 * ones are those of its published description (OpenRPC, v0.28.4), and p2p.Network. */
static const struct method {
    const char *name;
    uint32_t param_cnt, permission, flags;
    enum method_outcome (*function)(struct dsdn_devnet_call *call);
} methods[] = {
    {"blob.Get", 3, DSDN_DEVNET_READ, HEIGHT, blob_get},
    {"blob.GetAll", 2, DSDN_DEVNET_READ, HEIGHT, blob_get_all},
    {"blob.GetCommitmentProof", 3, DSDN_DEVNET_READ, HEIGHT, blob_get_commitment_proof},
    {"blob.GetProof", 3, DSDN_DEVNET_READ, HEIGHT, blob_get_proof},
    {"blob.Included", 4, DSDN_DEVNET_READ, HEIGHT, blob_included},
    {"blob.Submit", 2, DSDN_DEVNET_WRITE, 0, blob_submit},
    {"blob.Subscribe", 1, DSDN_DEVNET_READ, CHANNEL, blob_subscribe},
    {"das.SamplingStats", 0, DSDN_DEVNET_READ, 0, das_sampling_stats},
    {"das.WaitCatchUp", 0, DSDN_DEVNET_READ, 0, done_at_once},
    {"header.GetByHash", 1, DSDN_DEVNET_READ, 0, header_get_by_hash},
    {"header.GetByHeight", 1, DSDN_DEVNET_READ, HEIGHT, header_get_by_height},
    {"header.GetRangeByHeight", 2, DSDN_DEVNET_READ, 0, header_get_range},
    {"header.LocalHead", 0, DSDN_DEVNET_READ, 0, header_local_head},
    {"header.NetworkHead", 0, DSDN_DEVNET_READ, 0, header_network_head},
    {"header.Subscribe", 0, DSDN_DEVNET_READ, CHANNEL, header_subscribe},
    {"header.SyncState", 0, DSDN_DEVNET_READ, 0, header_sync_state},
    {"header.SyncWait", 0, DSDN_DEVNET_READ, 0, done_at_once},
    {"header.Tail", 0, DSDN_DEVNET_READ, 0, header_tail},
    {"header.WaitForHeight", 1, DSDN_DEVNET_READ, HEIGHT, header_wait_for_height},
    {"node.AuthNew", 1, DSDN_DEVNET_ADMIN, 0, node_auth_new},
    {"node.AuthNewWithExpiry", 2, DSDN_DEVNET_ADMIN, 0, node_auth_new_with_expiry},
    {"node.AuthVerify", 1, DSDN_DEVNET_ADMIN, 0, node_auth_verify},
    {"node.Info", 0, DSDN_DEVNET_ADMIN, 0, node_info},
    {"node.LogLevelSet", 2, DSDN_DEVNET_ADMIN, 0, NULL},
    {"node.Ready", 0, DSDN_DEVNET_READ, 0, node_ready},
    {"p2p.BandwidthForPeer", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.BandwidthForProtocol", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.BandwidthStats", 0, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.BlockPeer", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.ClosePeer", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.Connect", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.Connectedness", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.ConnectionState", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.Info", 0, DSDN_DEVNET_ADMIN, 0, p2p_info},
    {"p2p.IsProtected", 2, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.ListBlockedPeers", 0, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.NATStatus", 0, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.Network", 0, DSDN_DEVNET_ADMIN, 0, p2p_network},
    {"p2p.PeerInfo", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.Peers", 0, DSDN_DEVNET_ADMIN, 0, p2p_peers},
    {"p2p.Ping", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.Protect", 2, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.PubSubPeers", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.PubSubTopics", 0, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.ResourceState", 0, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.UnblockPeer", 1, DSDN_DEVNET_ADMIN, 0, NULL},
    {"p2p.Unprotect", 2, DSDN_DEVNET_ADMIN, 0, NULL},
    {"share.GetEDS", 1, DSDN_DEVNET_READ, 0, NULL},
    {"share.GetNamespaceData", 2, DSDN_DEVNET_READ, HEIGHT, share_get_namespace_data},
    {"share.GetRange", 3, DSDN_DEVNET_READ, 0, NULL},
    {"share.GetRow", 2, DSDN_DEVNET_READ, 0, NULL},
    {"share.GetSamples", 2, DSDN_DEVNET_READ, 0, NULL},
    {"share.GetShare", 3, DSDN_DEVNET_READ, 0, NULL},
    {"share.SharesAvailable", 1, DSDN_DEVNET_READ, HEIGHT, share_available},
    {"state.AccountAddress", 0, DSDN_DEVNET_READ, 0, state_account},
    {"state.Balance", 0, DSDN_DEVNET_READ, 0, state_balance},
    {"state.BalanceForAddress", 1, DSDN_DEVNET_READ, 0, state_balance_for},
    {"state.BeginRedelegate", 4, DSDN_DEVNET_WRITE, 0, NULL},
    {"state.CancelUnbondingDelegation", 4, DSDN_DEVNET_WRITE, 0, NULL},
    {"state.Delegate", 3, DSDN_DEVNET_WRITE, 0, NULL},
    {"state.GrantFee", 3, DSDN_DEVNET_WRITE, 0, NULL},
    {"state.QueryDelegation", 1, DSDN_DEVNET_READ, 0, NULL},
    {"state.QueryRedelegations", 2, DSDN_DEVNET_READ, 0, NULL},
    {"state.QueryUnbonding", 1, DSDN_DEVNET_READ, 0, NULL},
    {"state.RevokeGrantFee", 2, DSDN_DEVNET_WRITE, 0, NULL},
    {"state.SubmitPayForBlob", 2, DSDN_DEVNET_WRITE, 0, NULL},
    {"state.Transfer", 3, DSDN_DEVNET_WRITE, 0, NULL},
    {"state.Undelegate", 3, DSDN_DEVNET_WRITE, 0, NULL},
    {"devnet.Clear", 1, DSDN_DEVNET_ADMIN, 0, devnet_clear},
    {"devnet.Fault", 1, DSDN_DEVNET_ADMIN, 0, devnet_fault},
    {"devnet.Faults", 0, DSDN_DEVNET_ADMIN, 0, devnet_faults},
    {"devnet.Garbage", 4, DSDN_DEVNET_ADMIN, 0, devnet_garbage},
    {"devnet.Info", 0, DSDN_DEVNET_READ, 0, devnet_info},
    {"devnet.Post", 1, DSDN_DEVNET_ADMIN, 0, devnet_post},
    {"devnet.Produce", 1, DSDN_DEVNET_ADMIN, 0, devnet_produce},
    {"devnet.Restart", 1, DSDN_DEVNET_ADMIN, 0, devnet_restart},
    {"xrpc.cancel", 1, DSDN_DEVNET_PUBLIC, CHANNEL, xrpc_cancel},
};

static const struct method *method_find(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].name, name) == 0) return methods + i;
    return NULL;
}

bool dsdn_devnet_method(uint32_t i, const char **name, uint32_t *param_cnt, const char **permission)
{
    if (i >= sizeof methods / sizeof *methods) return false;
    *name = methods[i].name;
    *param_cnt = methods[i].param_cnt;
    *permission = dsdn_devnet_permission_name(methods[i].permission);
    return true;
}

bool dsdn_devnet_authorise(const struct dsdn_devnet_node *node, const char *header, size_t len,
                           uint32_t *permissions)
{
    static const char bearer[] = "Bearer ";
    *permissions = node->skip_auth ? DSDN_DEVNET_ALL : DSDN_DEVNET_PUBLIC;
    if (node->skip_auth || !header) return true;
    if (len < sizeof bearer - 1 || memcmp(header, bearer, sizeof bearer - 1) != 0) return false;
    *permissions = dsdn_devnet_token_check(node->token_secret, header + sizeof bearer - 1,
                                           len - (sizeof bearer - 1), (uint64_t)node->now.seconds);
    return *permissions != 0;
}

/* ---- what methods say -------------------------------------------------------------------------- */

static enum method_outcome fail_va(struct dsdn_devnet_call *call, int64_t code, const char *format,
                                   va_list args)
{
    call->code = code;
    vsnprintf(call->message, sizeof call->message, format, args);
    return METHOD_FAILED;
}

enum method_outcome call_fail(struct dsdn_devnet_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_va(call, DSDN_RPC_APPLICATION, format, args);
    va_end(args);
    return METHOD_FAILED;
}

enum method_outcome call_fail_code(struct dsdn_devnet_call *call, int64_t code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_va(call, code, format, args);
    va_end(args);
    return METHOD_FAILED;
}

enum method_outcome call_fail_param(struct dsdn_devnet_call *call, const char *type, const char *why)
{
    return call_fail_code(call, DSDN_RPC_PARSE, "unmarshaling params for '%s' (param: *%s): %.200s",
                          call->request.method, type, why);
}

enum method_outcome call_fail_error(struct dsdn_devnet_call *call, const struct dsdn_error *error)
{
    return call_fail(call, "devnet: %s: %.300s", dsdn_error_name(error->code), error->message);
}

static void batch_item(struct dsdn_devnet_call *call)
{
    if (!call->is_batch || call->batch_open) return;
    dsdn_text_open(&call->answer.body, '[');
    call->batch_open = true;
}

struct dsdn_text *call_result(struct dsdn_devnet_call *call)
{
    if (dsdn_span_none(call->request.id)) return NULL;
    batch_item(call);
    dsdn_rpc_write_result(&call->answer.body, call->request.id);
    call->result_open = true;
    return &call->answer.body;
}

enum method_outcome call_null(struct dsdn_devnet_call *call)
{
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_text_null(t);
    return METHOD_DONE;
}

/* ---- one request ------------------------------------------------------------------------------- */

static void write_error(struct dsdn_devnet_call *call, struct dsdn_view id)
{
    batch_item(call);
    dsdn_rpc_write_error(&call->answer.body, id, call->code, call->message);
    if (call->is_batch || call->code == DSDN_RPC_APPLICATION) return;
    call->answer.status = call->code == DSDN_RPC_INVALID ? 400 : 500;
}

const struct dsdn_devnet_fault *call_fault(struct dsdn_devnet_call *call, enum dsdn_devnet_fault_kind kind,
                                           uint64_t height)
{
    if (call->waited) return NULL;
    return dsdn_devnet_faults_hit(&call->node->faults, kind, call->request.method, height);
}

/* Faults of the connection, looked up once for each request; most are about HTTP.  True: the request is
 * answered by one. */
static bool transport_faults(struct dsdn_devnet_call *call, uint64_t height)
{
    struct dsdn_devnet_answer *a = &call->answer;
    if (call->websocket) return a->drop = call_fault(call, DSDN_DEVNET_FAULT_drop, height) != NULL;
    const struct dsdn_devnet_fault *f = call_fault(call, DSDN_DEVNET_FAULT_latency, height);
    if (f) a->delay_ms += f->value;
    f = call_fault(call, DSDN_DEVNET_FAULT_truncate, height);
    if (f) a->truncate_at = f->value;
    f = call_fault(call, DSDN_DEVNET_FAULT_oversize, height);
    if (f) a->blanks += f->value;
    f = call_fault(call, DSDN_DEVNET_FAULT_drip, height);
    if (f) a->drip = f->value ? f->value : 1;
    if (call_fault(call, DSDN_DEVNET_FAULT_drop, height)) a->drop = true;
    if (a->drop) return true;
    f = call_fault(call, DSDN_DEVNET_FAULT_body, height);
    const char *text = f ? f->text : NULL;
    if (!f) {
        f = call_fault(call, DSDN_DEVNET_FAULT_status, height);
        if (!f) return false;
        a->status = f->value >= 200 && f->value <= 599 ? (int)f->value : 500;
        text = *f->text           ? f->text
               : a->status == 429 ? "rate limit exceeded\n"
               : a->status == 503 ? "server busy, try again later\n"
                                  : NULL;
        if (!text && a->status == 500) {
            call_fail_code(call, DSDN_RPC_PANIC,
                           "fatal error calling '%s': panic in rpc method '%s': switched on",
                           call->request.method, call->request.method);
            write_error(call, call->request.id);
            return true;
        }
    }
    dsdn_text_clear(&a->body);
    if (text) dsdn_text_put(&a->body, text, strlen(text));
    a->plain = true;
    return true;
}

static enum method_outcome run(struct dsdn_devnet_call *call, const struct method *m, uint64_t height)
{
    const struct dsdn_rpc_request *r = &call->request;
    if (!m) return call_fail_code(call, DSDN_RPC_UNKNOWN_METHOD, "method '%s' not found", r->method);
    if ((m->flags & CHANNEL) && !call->websocket)
        return call_fail_code(call, DSDN_RPC_UNKNOWN_METHOD,
                              "method '%s' not supported in this mode (no out channel support)", r->method);
    if (r->param_cnt != m->param_cnt)
        return call_fail_code(call, DSDN_RPC_PARAM_COUNT, "wrong param count (method '%s'): %u != %u",
                              r->method, r->param_cnt, m->param_cnt);
    if (!(call->permissions & m->permission))
        return call_fail(call, "missing permission to invoke '%s' (need '%s')", strchr(m->name, '.') + 1,
                         dsdn_devnet_permission_name(m->permission));
    const struct dsdn_devnet_fault *f = call_fault(call, DSDN_DEVNET_FAULT_error, height);
    if (f) return call_fail(call, "%s", f->text);
    if (!m->function) return call_fail(call, "devnet: %s is not available here", r->method);
    return m->function(call);
}

/* True when the request is done. */
static bool request_step(struct dsdn_devnet_call *call, bool *ends_all)
{
    const struct method *m = method_find(call->request.method);
    uint64_t height = DSDN_DEVNET_ANY_HEIGHT;
    if (m && (m->flags & HEIGHT) && call->request.param_cnt)
        dsdn_span_u64(call->request.params[0], INT64_MAX, &height);
    if (!call->waited && transport_faults(call, height)) {
        *ends_all = true;
        return true;
    }
    enum method_outcome outcome = run(call, m, height);
    if (outcome == METHOD_WAIT) {
        call->waited = true;
        return false;
    }
    if (outcome == METHOD_FAILED)
        write_error(call, call->request.id);
    else if (call->result_open)
        dsdn_rpc_end_answer(&call->answer.body);
    return true;
}

/* Takes the next request of the text.  False: there is none. */
static bool request_next(struct dsdn_devnet_call *call)
{
    struct dsdn_view name, value = call->root;
    struct dsdn_error error = DSDN_ERROR_INIT;
    while (!call->is_batch || dsdn_span_walk_next(&call->batch, &name, &value)) {
        call->waited = call->result_open = false;
        call->ticket = call->answers = call->stale = call->lag = 0;
        if (dsdn_rpc_read_request(value, &call->request, &error) == 0) return true;
        call_fail_code(call, DSDN_RPC_PARSE, "Parse error");
        write_error(call, call->request.id);
        if (!call->is_batch) break;
    }
    return false;
}

/* Reads the text as a whole; false when the answer is an error about it. */
static bool begin(struct dsdn_devnet_call *call)
{
    struct dsdn_view none = {NULL, 0};
    bool blank = true;
    for (size_t i = 0; i < call->len && blank; i++) blank = strchr(" \t\r\n", call->text[i]) && call->text[i];
    if (call->len > DSDN_DEVNET_REQUEST_MAX)
        call_fail_code(call, DSDN_RPC_PARSE, "request bigger than maximum %u allowed",
                       DSDN_DEVNET_REQUEST_MAX);
    else if (blank)
        call_fail_code(call, DSDN_RPC_INVALID, "Invalid request");
    else if (dsdn_span_check(call->text, call->len, &call->root, NULL))
        call_fail_code(call, DSDN_RPC_PARSE, "Parse error");
    else if (dsdn_span_kind(call->root) == '[' && dsdn_span_count(call->root, 0) == 0)
        call_fail_code(call, DSDN_RPC_INVALID, "Invalid request");
    else {
        call->is_batch = dsdn_span_kind(call->root) == '[';
        dsdn_span_walk_start(&call->batch, call->root);
        return true;
    }
    write_error(call, none);
    return false;
}

/* ---- calls ------------------------------------------------------------------------------------- */

struct dsdn_devnet_call *dsdn_devnet_call_new(struct dsdn_devnet_node *node, uint32_t permissions,
                                              bool websocket, const void *request, size_t len)
{
    struct dsdn_devnet_call *call = calloc(1, sizeof *call);
    if (!call) return NULL;
    call->text = malloc(len + 1);
    if (!call->text) {
        free(call);
        return NULL;
    }
    if (len) memcpy(call->text, request, len);
    call->len = len;
    call->node = node;
    call->permissions = permissions;
    call->websocket = websocket;
    call->answer.status = 200;
    call->answer.truncate_at = UINT64_MAX;
    dsdn_text_init(&call->answer.body, BODY_MAX, 0);
    return call;
}

void dsdn_devnet_call_free(struct dsdn_devnet_call *call)
{
    if (!call) return;
    dsdn_text_free(&call->answer.body);
    free(call->text);
    free(call);
}

struct dsdn_view dsdn_devnet_call_id(const struct dsdn_devnet_call *call)
{
    return call->request.id;
}

struct dsdn_view dsdn_devnet_call_cancels(const struct dsdn_devnet_call *call)
{
    return call->request.params[0];
}

/* The body did not fit memory or its bound. */
static void body_failed(struct dsdn_devnet_call *call)
{
    struct dsdn_view none = {NULL, 0};
    struct dsdn_error error = DSDN_ERROR_INIT;
    dsdn_text_status(&call->answer.body, &error);
    dsdn_text_free(&call->answer.body);
    dsdn_text_init(&call->answer.body, BODY_MAX, 0);
    call->is_batch = false;
    call_fail_code(call, DSDN_RPC_PANIC, "devnet: %s", dsdn_error_name(error.code));
    write_error(call, none);
}

bool dsdn_devnet_call_step(struct dsdn_devnet_call *call, struct dsdn_devnet_answer **answer)
{
    bool ends_all = !call->begun && !begin(call);
    call->begun = true;
    while (!ends_all) {
        if (!call->current && !request_next(call)) break;
        call->current = true;
        if (!request_step(call, &ends_all)) return false;
        call->current = false;
        if (!call->is_batch) break;
    }
    if (call->batch_open && !call->answer.plain) dsdn_text_close(&call->answer.body, ']');
    if (call->answer.body.failed) body_failed(call);
    *answer = &call->answer;
    return true;
}
