/* Methods about headers, and the check of heights that all others use (celestia-node
 * nodebuilder/header/service.go). */
#include "adapters/devnet/method.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { RANGE_MAX = 64 };

/* ---- parameters -------------------------------------------------------------------------------- */

static const char *kind_name(struct dsdn_view value)
{
    switch (dsdn_span_kind(value)) {
    case '"': return "string";
    case '[': return "array";
    case '{': return "object";
    case '0': return "number";
    default: return "bool";
    }
}

bool param_height(struct dsdn_devnet_call *call, uint32_t i, uint64_t *height)
{
    char why[96];
    if (dsdn_span_u64(call->request.params[i], UINT64_MAX, height)) return true;
    snprintf(why, sizeof why, "json: cannot unmarshal %s into Go value of type uint64",
             kind_name(call->request.params[i]));
    call_fail_param(call, "uint64", why);
    return false;
}

bool read_namespace(struct dsdn_devnet_call *call, struct dsdn_view value, const char *type,
                    uint8_t ns[DSDN_NAMESPACE_LEN])
{
    uint8_t bytes[256];
    char why[256];
    size_t len = 0, at;
    if (dsdn_span_kind(value) != '"') {
        snprintf(why, sizeof why, "json: cannot unmarshal %s into Go value of type []uint8",
                 kind_name(value));
    } else if (!dsdn_span_base64_any(value, bytes, sizeof bytes, &len)) {
        snprintf(why, sizeof why, "illegal base64 data at input byte 0");
    } else if (len != DSDN_NAMESPACE_LEN) {
        snprintf(why, sizeof why, "invalid namespace length: %zu. Must be %u bytes", len, DSDN_NAMESPACE_LEN);
    } else {
        memcpy(ns, bytes, DSDN_NAMESPACE_LEN);
        switch (dsdn_namespace_classify(ns)) {
        case DSDN_NAMESPACE_BAD_VERSION:
            snprintf(why, sizeof why, "unsupported namespace version %u", ns[0]);
            break;
        case DSDN_NAMESPACE_BAD_PREFIX:
            at = (size_t)snprintf(why, sizeof why, "unsupported namespace id with version 0. ID [");
            for (uint32_t i = 1; i < DSDN_NAMESPACE_LEN; i++)
                at += (size_t)snprintf(why + at, sizeof why - at, "%s%u", i > 1 ? " " : "", ns[i]);
            snprintf(why + at, sizeof why - at, "] must start with 18 leading zeros");
            break;
        default: return true;
        }
    }
    call_fail_param(call, type, why);
    return false;
}

bool param_namespace(struct dsdn_devnet_call *call, uint32_t i, uint8_t ns[DSDN_NAMESPACE_LEN])
{
    return read_namespace(call, call->request.params[i], "share.Namespace", ns);
}

bool param_commitment(struct dsdn_devnet_call *call, uint32_t i, uint8_t commitment[32])
{
    uint8_t bytes[256];
    size_t len;
    if (!dsdn_span_base64_any(call->request.params[i], bytes, sizeof bytes, &len)) {
        call_fail_param(call, "blob.Commitment", "illegal base64 data at input byte 0");
        return false;
    }
    memset(commitment, 0, 32); /* one of another length is no blob's */
    if (len == 32) memcpy(commitment, bytes, 32);
    return true;
}

/* ---- heads ------------------------------------------------------------------------------------- */

static bool still_on(const struct dsdn_devnet_faults *faults, uint32_t id)
{
    for (uint32_t i = 0; i < faults->cnt; i++)
        if (faults->list[i].id == id) return true;
    return false;
}

struct heads call_heads(struct dsdn_devnet_call *call)
{
    struct dsdn_devnet_node *n = call->node;
    if (!call->waited) {
        const struct dsdn_devnet_fault *stale =
            call_fault(call, DSDN_DEVNET_FAULT_stale_head, n->chain->head);
        const struct dsdn_devnet_fault *lag = call_fault(call, DSDN_DEVNET_FAULT_sync_lag, n->chain->head);
        call->stale = stale ? stale->value : 0;
        call->stale_id = stale ? stale->id : 0;
        call->lag = lag ? lag->value : 0;
        call->lag_id = lag ? lag->id : 0;
    } else { /* a waiting call goes on when its fault is switched off */
        if (!still_on(&n->faults, call->stale_id)) call->stale = 0;
        if (!still_on(&n->faults, call->lag_id)) call->lag = 0;
    }
    struct heads heads;
    heads.network = n->chain->head > call->stale ? n->chain->head - call->stale : n->chain->head ? 1 : 0;
    heads.local = heads.network > call->lag ? heads.network - call->lag : heads.network ? 1 : 0;
    return heads;
}

enum method_outcome call_height(struct dsdn_devnet_call *call, uint64_t height)
{
    struct heads heads = call_heads(call);
    uint64_t tail = dsdn_devnet_chain_tail(call->node->chain);
    if (!height) return call_fail(call, "height is equal to 0");
    if (height > heads.network && height - heads.network > 1)
        return call_fail(call,
                         "header: given height is from the future: networkHeight: %" PRIu64
                         ", requestedHeight: %" PRIu64,
                         heads.network, height);
    if (height > heads.local && height - heads.local > 1)
        return call_fail(
            call, "header: syncing in progress: localHeadHeight: %" PRIu64 ", requestedHeight: %" PRIu64,
            heads.local, height);
    if (height < tail)
        return call_fail(call, "requested header (%" PRIu64 ") is below Tail (%" PRIu64 ")", height, tail);
    return height > heads.local ? METHOD_WAIT : METHOD_DONE;
}

/* ---- methods ----------------------------------------------------------------------------------- */

/* Writes the headers [from, to] as an array, or that of `from` alone. */
static enum method_outcome answer_headers(struct dsdn_devnet_call *call, uint64_t from, uint64_t to,
                                          bool array)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_devnet_described *d = malloc(sizeof *d);
    int rc = d ? 0 : dsdn_fail(&error, DSDN_E_NO_MEMORY, "no memory for a header");
    struct dsdn_text whole, *t;
    dsdn_text_init(&whole, (size_t)1 << 28, 0);
    if (array) dsdn_text_open(&whole, '[');
    for (uint64_t h = from; !rc && h <= to; h++) {
        struct dsdn_devnet_lie lie;
        rc = dsdn_devnet_node_header(call->node, call->request.method, h, d, &lie, &error);
        if (!rc) dsdn_json_write_block(&whole, &d->block);
        dsdn_devnet_lie_free(&lie);
    }
    if (array) dsdn_text_close(&whole, ']');
    free(d);
    if (!rc) rc = dsdn_text_status(&whole, &error);
    if (!rc && (t = call_result(call)))
        dsdn_text_raw(t, (struct dsdn_view){(const uint8_t *)whole.bytes, whole.len});
    dsdn_text_free(&whole);
    return rc ? call_fail_error(call, &error) : METHOD_DONE;
}

enum method_outcome header_get_by_height(struct dsdn_devnet_call *call)
{
    uint64_t height;
    if (!param_height(call, 0, &height)) return METHOD_FAILED;
    enum method_outcome outcome = call_height(call, height);
    return outcome == METHOD_DONE ? answer_headers(call, height, height, false) : outcome;
}

enum method_outcome header_wait_for_height(struct dsdn_devnet_call *call)
{
    uint64_t height, tail = dsdn_devnet_chain_tail(call->node->chain);
    if (!param_height(call, 0, &height)) return METHOD_FAILED;
    if (!height) return call_fail(call, "height is equal to 0");
    if (height < tail)
        return call_fail(call, "requested header (%" PRIu64 ") is below Tail (%" PRIu64 ")", height, tail);
    return height <= call_heads(call).local ? answer_headers(call, height, height, false) : METHOD_WAIT;
}

static enum method_outcome answer_head(struct dsdn_devnet_call *call, uint64_t height)
{
    return height ? answer_headers(call, height, height, false) : METHOD_WAIT; /* before the first block */
}

enum method_outcome header_local_head(struct dsdn_devnet_call *call)
{
    return answer_head(call, call_heads(call).local);
}

enum method_outcome header_network_head(struct dsdn_devnet_call *call)
{
    return answer_head(call, call_heads(call).network);
}

enum method_outcome header_tail(struct dsdn_devnet_call *call)
{
    return answer_head(call, call->node->chain->head ? dsdn_devnet_chain_tail(call->node->chain) : 0);
}

enum method_outcome header_get_by_hash(struct dsdn_devnet_call *call)
{
    const struct dsdn_devnet_chain *c = call->node->chain;
    uint8_t hash[32];
    if (!dsdn_span_hex(call->request.params[0], hash, sizeof hash))
        return call_fail_param(call, "header.HexBytes", "encoding/hex: no hash of 32 bytes");
    for (uint64_t h = call_heads(call).local, tail = dsdn_devnet_chain_tail(c); h >= tail; h--)
        if (dsdn_equal32(dsdn_devnet_chain_block(c, h)->hash, hash)) return answer_headers(call, h, h, false);
    return call_fail(call, "header: not found");
}

enum method_outcome header_get_range(struct dsdn_devnet_call *call)
{
    uint64_t to, from = dsdn_json_read_block_height(call->request.params[0]);
    uint64_t tail = dsdn_devnet_chain_tail(call->node->chain);
    if (!from) return call_fail_param(call, "*header.ExtendedHeader", "a header without a height");
    if (!param_height(call, 1, &to)) return METHOD_FAILED;
    if (to <= from + 1)
        return call_fail(call, "header/store: invalid range (%" PRIu64 ",%" PRIu64 ")", from + 1, to);
    if (to - from - 1 > RANGE_MAX) return call_fail(call, "header/p2p: header limit per 1 request exceeded");
    if (from + 1 < tail)
        return call_fail(call, "requested header (%" PRIu64 ") is below Tail (%" PRIu64 ")", from + 1, tail);
    enum method_outcome outcome = call_height(call, to - 1);
    return outcome == METHOD_DONE ? answer_headers(call, from + 1, to - 1, true) : outcome;
}

enum method_outcome header_sync_state(struct dsdn_devnet_call *call)
{
    const struct dsdn_devnet_chain *c = call->node->chain;
    struct heads heads = call_heads(call);
    if (!heads.local) return METHOD_WAIT;
    uint64_t from = heads.local < heads.network ? heads.local + 1 : heads.local;
    struct dsdn_sync_state state = {.id = 1,
                                    .height = heads.local,
                                    .from_height = from,
                                    .to_height = heads.network,
                                    .start = dsdn_devnet_chain_block(c, from)->time,
                                    .end = dsdn_devnet_chain_block(c, heads.local)->time};
    memcpy(state.from_hash, dsdn_devnet_chain_block(c, from)->hash, 32);
    memcpy(state.to_hash, dsdn_devnet_chain_block(c, heads.network)->hash, 32);
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_json_write_sync_state(t, &state);
    return METHOD_DONE;
}

enum method_outcome header_subscribe(struct dsdn_devnet_call *call)
{
    call->answer.channel = DSDN_DEVNET_HEADERS;
    return METHOD_DONE;
}

/* ---- notifications ----------------------------------------------------------------------------- */

static void member_hex(struct dsdn_text *t, const char *key, struct dsdn_view bytes)
{
    dsdn_text_key(t, key);
    dsdn_text_upper_hex(t, bytes.bytes, bytes.len);
}

/* The header as encoding/json writes CometBFT's struct: numbers, where the API's own form has texts. */
static void write_plain_header(struct dsdn_text *t, const struct dsdn_celestia_header *h)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "version");
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "block");
    dsdn_text_u64(t, h->version_block);
    dsdn_text_key(t, "app");
    dsdn_text_u64(t, h->version_app);
    dsdn_text_close(t, '}');
    dsdn_text_key(t, "chain_id");
    dsdn_text_bytes(t, h->chain_id.bytes, h->chain_id.len);
    dsdn_text_key(t, "height");
    dsdn_text_i64(t, h->height);
    dsdn_text_key(t, "time");
    dsdn_text_time(t, h->time);
    dsdn_text_key(t, "last_block_id");
    dsdn_text_open(t, '{');
    member_hex(t, "hash", h->last_block_id.hash);
    dsdn_text_key(t, "parts");
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "total");
    dsdn_text_u64(t, h->last_block_id.parts_total);
    member_hex(t, "hash", h->last_block_id.parts_hash);
    dsdn_text_close(t, '}');
    dsdn_text_close(t, '}');
    member_hex(t, "last_commit_hash", h->last_commit_hash);
    member_hex(t, "data_hash", h->data_hash);
    member_hex(t, "validators_hash", h->validators_hash);
    member_hex(t, "next_validators_hash", h->next_validators_hash);
    member_hex(t, "consensus_hash", h->consensus_hash);
    member_hex(t, "app_hash", h->app_hash);
    member_hex(t, "last_results_hash", h->last_results_hash);
    member_hex(t, "evidence_hash", h->evidence_hash);
    member_hex(t, "proposer_address", h->proposer_address);
    dsdn_text_close(t, '}');
}

static int write_blobs_event(struct dsdn_devnet_node *node, struct dsdn_text *t, const uint8_t *ns,
                             uint64_t height, const struct dsdn_celestia_header *header,
                             struct dsdn_error *error)
{
    const struct dsdn_devnet_data *data;
    struct dsdn_devnet_blobs blobs;
    int rc = dsdn_devnet_shelf_open(&node->shelf, height, &data, error);
    if (!rc) rc = dsdn_devnet_blobs_make(data, ns, &blobs, error);
    if (rc) return rc;
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "Blobs");
    rc = write_blobs(t, &blobs, ns, false, error);
    dsdn_text_key(t, "Height");
    dsdn_text_u64(t, height);
    dsdn_text_key(t, "Header");
    write_plain_header(t, header);
    dsdn_text_close(t, '}');
    dsdn_devnet_blobs_free(&blobs);
    return rc;
}

void dsdn_devnet_channel_value(struct dsdn_devnet_node *node, struct dsdn_text *t, uint64_t channel,
                               enum dsdn_devnet_channel kind, const uint8_t ns[DSDN_NAMESPACE_LEN],
                               uint64_t height)
{
    struct dsdn_devnet_lie lie = {.roots = NULL};
    struct dsdn_devnet_described *d = malloc(sizeof *d);
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "jsonrpc");
    dsdn_text_string(t, "2.0");
    dsdn_text_key(t, "method");
    dsdn_text_string(t, "xrpc.ch.val");
    dsdn_text_key(t, "params");
    dsdn_text_open(t, '[');
    dsdn_text_u64(t, channel);
    const char *method = kind == DSDN_DEVNET_BLOBS ? "blob.Subscribe" : "header.Subscribe";
    int rc = d ? dsdn_devnet_node_header(node, method, height, d, &lie, NULL) : DSDN_E_NO_MEMORY;
    if (!rc && kind == DSDN_DEVNET_BLOBS)
        rc = write_blobs_event(node, t, ns, height, &d->block.header, NULL);
    else if (!rc)
        dsdn_json_write_block(t, &d->block);
    dsdn_text_close(t, ']');
    dsdn_text_close(t, '}');
    if (rc && !t->failed) t->failed = DSDN_E_NO_MEMORY;
    dsdn_devnet_lie_free(&lie);
    free(d);
}
