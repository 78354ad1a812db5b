/* Methods about the node, its account and its network, and those that drive the devnet. */
#include "adapters/devnet/method.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char peer_id[] = "12D3KooWDeVNetDeVNetDeVNetDeVNetDeVNetDeVNetDeVNetDe";

static enum method_outcome answer_string(struct dsdn_devnet_call *call, const char *text)
{
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_text_string(t, text);
    return METHOD_DONE;
}

enum method_outcome done_at_once(struct dsdn_devnet_call *call)
{
    return call_null(call);
}

/* ---- state ------------------------------------------------------------------------------------- */

enum method_outcome state_account(struct dsdn_devnet_call *call)
{
    return answer_string(call, call->node->chain->account.text);
}

static enum method_outcome answer_balance(struct dsdn_devnet_call *call, uint64_t amount)
{
    struct dsdn_balance balance = {.denom = "utia", .amount = amount};
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_json_write_balance(t, &balance);
    return METHOD_DONE;
}

static uint64_t own_balance(const struct dsdn_devnet_chain *c)
{
    return c->config.balance > c->spent ? c->config.balance - c->spent : 0;
}

enum method_outcome state_balance(struct dsdn_devnet_call *call)
{
    return answer_balance(call, own_balance(call->node->chain));
}

enum method_outcome state_balance_for(struct dsdn_devnet_call *call)
{
    char address[DSDN_DEVNET_ADDRESS_MAX];
    if (dsdn_span_kind(call->request.params[0]) != '"')
        return call_fail_param(call, "state.Address", "address must be a string");
    dsdn_span_text(call->request.params[0], address, sizeof address);
    bool own = strcmp(address, call->node->chain->account.text) == 0;
    return answer_balance(call, own ? own_balance(call->node->chain) : 0);
}

/* ---- node, p2p, das ---------------------------------------------------------------------------- */

enum method_outcome node_info(struct dsdn_devnet_call *call)
{
    struct dsdn_text *t = call_result(call);
    if (!t) return METHOD_DONE;
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "type");
    dsdn_text_string(t, "Light");
    dsdn_text_key(t, "api_version");
    dsdn_text_string(t, "v0.31.4");
    dsdn_text_close(t, '}');
    return METHOD_DONE;
}

enum method_outcome node_ready(struct dsdn_devnet_call *call)
{
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_text_bool(t, true);
    return METHOD_DONE;
}

static enum method_outcome new_token(struct dsdn_devnet_call *call, uint64_t expires_s)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_view name, value, text;
    struct dsdn_span_walk walk;
    char token[DSDN_DEVNET_TOKEN_MAX];
    uint32_t set = 0;
    if (dsdn_span_kind(call->request.params[0]) != '[')
        return call_fail_param(call, "[]auth.Permission", "json: no array of permissions");
    dsdn_span_walk_start(&walk, call->request.params[0]);
    while (dsdn_span_walk_next(&walk, &name, &value)) {
        uint32_t bit = DSDN_DEVNET_PUBLIC;
        if (!dsdn_span_plain(value, &text)) text.len = 0;
        while (bit <= DSDN_DEVNET_ADMIN &&
               (strlen(dsdn_devnet_permission_name(bit)) != text.len ||
                memcmp(dsdn_devnet_permission_name(bit), text.bytes, text.len) != 0))
            bit <<= 1;
        if (bit > DSDN_DEVNET_ADMIN) return call_fail(call, "devnet: a permission of no known name");
        set |= bit;
    }
    if (dsdn_devnet_token_make(call->node->token_secret, set, expires_s, token, &error))
        return call_fail_error(call, &error);
    return answer_string(call, token);
}

enum method_outcome node_auth_new(struct dsdn_devnet_call *call)
{
    return new_token(call, 0);
}

enum method_outcome node_auth_new_with_expiry(struct dsdn_devnet_call *call)
{
    uint64_t nanoseconds; /* Go's time.Duration */
    if (!dsdn_span_u64(call->request.params[1], INT64_MAX, &nanoseconds))
        return call_fail_param(call, "time.Duration", "json: no number of nanoseconds");
    return new_token(call, (uint64_t)call->node->now.seconds + nanoseconds / 1000000000);
}

enum method_outcome node_auth_verify(struct dsdn_devnet_call *call)
{
    struct dsdn_view token;
    if (!dsdn_span_plain(call->request.params[0], &token))
        return call_fail_param(call, "string", "json: no string");
    uint32_t set = dsdn_devnet_token_check(call->node->token_secret, (const char *)token.bytes, token.len,
                                           (uint64_t)call->node->now.seconds);
    if (!set) return call_fail(call, "token is invalid or expired");
    struct dsdn_text *t = call_result(call);
    if (!t) return METHOD_DONE;
    dsdn_text_open(t, '[');
    for (uint32_t bit = DSDN_DEVNET_PUBLIC; bit <= DSDN_DEVNET_ADMIN; bit <<= 1)
        if (set & bit) dsdn_text_string(t, dsdn_devnet_permission_name(bit));
    dsdn_text_close(t, ']');
    return METHOD_DONE;
}

enum method_outcome p2p_info(struct dsdn_devnet_call *call)
{
    struct dsdn_text *t = call_result(call);
    if (!t) return METHOD_DONE;
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "ID");
    dsdn_text_string(t, peer_id);
    dsdn_text_key(t, "Addrs");
    dsdn_text_open(t, '[');
    dsdn_text_string(t, "/ip4/127.0.0.1/tcp/2121");
    dsdn_text_close(t, ']');
    dsdn_text_close(t, '}');
    return METHOD_DONE;
}

enum method_outcome p2p_peers(struct dsdn_devnet_call *call)
{
    struct dsdn_text *t = call_result(call);
    if (!t) return METHOD_DONE;
    dsdn_text_open(t, '[');
    dsdn_text_string(t, peer_id);
    dsdn_text_close(t, ']');
    return METHOD_DONE;
}

enum method_outcome p2p_network(struct dsdn_devnet_call *call)
{
    return answer_string(call, call->node->chain->config.chain_id);
}

static void member_u64(struct dsdn_text *t, const char *key, uint64_t number)
{
    dsdn_text_key(t, key);
    dsdn_text_u64(t, number);
}

enum method_outcome das_sampling_stats(struct dsdn_devnet_call *call)
{
    struct heads heads = call_heads(call);
    struct dsdn_text *t = call_result(call);
    if (!t) return METHOD_DONE;
    dsdn_text_open(t, '{');
    member_u64(t, "head_of_sampled_chain", heads.local);
    member_u64(t, "head_of_catchup", heads.local);
    member_u64(t, "network_head_height", heads.network);
    member_u64(t, "concurrency", 0);
    dsdn_text_key(t, "catch_up_done");
    dsdn_text_bool(t, heads.local == heads.network);
    dsdn_text_key(t, "is_running");
    dsdn_text_bool(t, true);
    dsdn_text_close(t, '}');
    return METHOD_DONE;
}

/* ---- the devnet itself ------------------------------------------------------------------------- */

enum method_outcome devnet_produce(struct dsdn_devnet_call *call)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint64_t cnt;
    if (!dsdn_span_u64(call->request.params[0], DSDN_DEVNET_PRODUCE_MAX, &cnt))
        return call_fail(call, "devnet: a number of blocks is 0 to %u", DSDN_DEVNET_PRODUCE_MAX);
    if (dsdn_devnet_node_produce(call->node, cnt, &error)) return call_fail_error(call, &error);
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_text_u64(t, call->node->chain->head);
    return METHOD_DONE;
}

enum method_outcome devnet_fault(struct dsdn_devnet_call *call)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_devnet_fault fault;
    if (dsdn_devnet_fault_read(call->request.params[0], &fault, &error))
        return call_fail(call, "devnet: %s", error.message);
    uint32_t id = dsdn_devnet_faults_add(&call->node->faults, &fault);
    if (!id) return call_fail(call, "devnet: %u faults are on already", DSDN_DEVNET_FAULTS_MAX);
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_text_u64(t, id);
    return METHOD_DONE;
}

enum method_outcome devnet_faults(struct dsdn_devnet_call *call)
{
    struct dsdn_text *t = call_result(call);
    if (!t) return METHOD_DONE;
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < call->node->faults.cnt; i++)
        dsdn_devnet_fault_write(t, call->node->faults.list + i);
    dsdn_text_close(t, ']');
    return METHOD_DONE;
}

enum method_outcome devnet_clear(struct dsdn_devnet_call *call)
{
    uint64_t id;
    if (!dsdn_span_u64(call->request.params[0], UINT32_MAX, &id))
        return call_fail(call, "devnet: the id of a fault is a number, 0 for all");
    bool found = dsdn_devnet_faults_clear(&call->node->faults, (uint32_t)id);
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_text_bool(t, found);
    return METHOD_DONE;
}

enum method_outcome devnet_restart(struct dsdn_devnet_call *call)
{
    uint64_t down_ms;
    if (!dsdn_span_u64(call->request.params[0], 3600000, &down_ms))
        return call_fail(call, "devnet: a time is 0 to 3600000 ms");
    dsdn_devnet_chain_drop_pool(call->node->chain);
    call->node->restart_wanted = true;
    call->node->restart_down_ms = down_ms;
    return call_null(call);
}

enum method_outcome devnet_info(struct dsdn_devnet_call *call)
{
    const struct dsdn_devnet_chain *c = call->node->chain;
    struct dsdn_text *t = call_result(call);
    if (!t) return METHOD_DONE;
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "chain_id");
    dsdn_text_string(t, c->config.chain_id);
    member_u64(t, "head", c->head);
    member_u64(t, "tail", dsdn_devnet_chain_tail(c));
    member_u64(t, "mempool", c->pool_cnt);
    member_u64(t, "sequence", c->sequence);
    member_u64(t, "spent", c->spent);
    dsdn_text_key(t, "account");
    dsdn_text_string(t, c->account.text);
    member_u64(t, "faults", call->node->faults.cnt);
    dsdn_text_close(t, '}');
    return METHOD_DONE;
}

enum method_outcome xrpc_cancel(struct dsdn_devnet_call *call)
{
    call->answer.channel = DSDN_DEVNET_CANCEL;
    return METHOD_DONE;
}
