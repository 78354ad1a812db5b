/* Methods that put blobs into the mempool: blob.Submit by the node's account (celestia-node blob/blob.go,
 * state/txclient; celestia-app x/blob), devnet.Post and devnet.Garbage by others. */
#include "adapters/devnet/method.h"

#include "adapters/celestia/base64.h"
#include "adapters/celestia/commitment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what a blob must be ----------------------------------------------------------------------- */

/* A blob that cannot be decoded: error -32700 with go-square's words. */
static bool blob_decodes(struct dsdn_devnet_call *call, const struct dsdn_json_blob *b)
{
    char why[200], hex[2 * DSDN_NAMESPACE_LEN + 1];
    uint8_t ns[DSDN_NAMESPACE_LEN];
    dsdn_hex_encode(b->ns, sizeof b->ns, hex);
    enum dsdn_namespace_class class = dsdn_namespace_classify(b->ns);
    if (class == DSDN_NAMESPACE_BAD_VERSION || class == DSDN_NAMESPACE_BAD_PREFIX) {
        char text[64] = "\"", *at = text + 1; /* the reader of parameters has the words */
        size_t len = DSDN_BASE64_LEN(DSDN_NAMESPACE_LEN);
        dsdn_base64_encode(b->ns, DSDN_NAMESPACE_LEN, at);
        at[len] = '"';
        return read_namespace(call, (struct dsdn_view){(const uint8_t *)text, len + 2}, "[]*blob.Blob", ns);
    }
    if (class != DSDN_NAMESPACE_USER)
        snprintf(why, sizeof why,
                 "invalid user namespace: invalid data namespace(%s): reserved data is forbidden", hex);
    else if (!b->data.len)
        snprintf(why, sizeof why, "data can not be empty");
    else if (b->share_version == 0 && b->has_signer)
        snprintf(why, sizeof why, "share version 0 does not support signer");
    else if (b->share_version == 1 && b->signer.len != DSDN_SHARE_SIGNER_LEN)
        snprintf(why, sizeof why, "share version 1 requires signer of size %u bytes", DSDN_SHARE_SIGNER_LEN);
    else if (b->share_version > 1)
        snprintf(why, sizeof why, "share version %u not supported. Please use 0, 1, or 2", b->share_version);
    else
        return true;
    call_fail_param(call, "[]*blob.Blob", why);
    return false;
}

/* Computes commitments; checks signers against the paying account (NULL: of anybody). */
static bool blobs_commit(struct dsdn_devnet_call *call, const struct dsdn_blobs_answer *given,
                         const struct dsdn_devnet_account *account)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (uint32_t i = 0; i < given->blob_cnt; i++) {
        struct dsdn_json_blob *b = given->blobs + i;
        uint8_t commitment[32];
        if (account && b->share_version == 1 &&
            memcmp(b->signer.bytes, account->address, sizeof account->address) != 0) {
            call_fail(call, "blob signer does not match msgPFB signer %s: invalid blob signer",
                      account->text);
            return false;
        }
        if (dsdn_commitment_data(b->ns, b->share_version, b->share_version ? b->signer.bytes : NULL,
                                 b->data.bytes, b->data.len, commitment, &error)) {
            call_fail_error(call, &error);
            return false;
        }
        if (b->has_commitment && !dsdn_equal32(commitment, b->commitment)) {
            call_fail(call, "invalid commitment for share");
            return false;
        }
        memcpy(b->commitment, commitment, 32);
    }
    return true;
}

static bool read_blobs(struct dsdn_devnet_call *call, struct dsdn_blobs_answer *given)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (dsdn_json_read_blobs(call->request.params[0], DSDN_LAYOUT_TX_BLOBS_MAX, given, &error)) {
        call_fail_param(call, "[]*blob.Blob", error.message);
        return false;
    }
    bool fine = given->blob_cnt > 0;
    if (!fine) call_fail(call, "state: no blobs provided");
    for (uint32_t i = 0; fine && i < given->blob_cnt; i++) fine = blob_decodes(call, given->blobs + i);
    if (!fine) dsdn_blobs_answer_free(given);
    return fine;
}

/* ---- what it costs ----------------------------------------------------------------------------- */

struct price {
    uint64_t gas, fee;
};

static bool price_of(struct dsdn_devnet_call *call, const struct dsdn_blobs_answer *given,
                     const struct dsdn_tx_config *config, struct price *price)
{
    const struct dsdn_devnet_chain *c = call->node->chain;
    uint64_t needed = dsdn_devnet_gas(given->blobs, given->blob_cnt), shares = 0, len = 0;
    uint64_t most = config->max_gas_price ? config->max_gas_price : DSDN_DEVNET_GAS_PRICE_LIMIT;
    uint64_t gas_price = config->gas_price_set ? config->gas_price : DSDN_DEVNET_GAS_PRICE_MIN;
    for (uint32_t i = 0; i < given->blob_cnt; i++) {
        len += given->blobs[i].data.len;
        shares += dsdn_share_cnt(given->blobs[i].share_version, given->blobs[i].data.len);
    }
    *price = (struct price){config->gas ? config->gas : needed, 0};
    price->fee = dsdn_devnet_fee(price->gas, gas_price);
    uint64_t least = dsdn_devnet_fee(price->gas, DSDN_DEVNET_GAS_PRICE_MIN),
             left = c->config.balance - c->spent;
    if (config->signer_address[0] && strcmp(config->signer_address, c->account.text) != 0)
        call_fail(call, "account for signer %s not found", config->signer_address);
    else if (len > DSDN_DEVNET_TX_LEN_MAX)
        call_fail(call, "transaction size exceeds maximum allowed limit");
    else if (shares >= (uint64_t)c->config.square_max * c->config.square_max)
        call_fail(call, "blob(s) too large");
    else if (price->gas < needed)
        call_fail(call, "not enough gas to pay for blobs (minimum: %" PRIu64 ", got: %" PRIu64 ")", needed,
                  price->gas);
    else if (!config->gas_price_set && gas_price > most)
        call_fail(call, "state: estimated gas price exceeds max gas price in tx config");
    else if (price->fee < least)
        call_fail(call, "insufficient fees; got: %" PRIu64 "utia required: %" PRIu64 "utia", price->fee,
                  least);
    else if (c->config.balance < c->spent || price->fee > left)
        call_fail(call,
                  "spendable balance %" PRIu64 "utia is smaller than %" PRIu64 "utia: insufficient funds",
                  left, price->fee);
    else
        return true;
    return false;
}

/* ---- into the mempool -------------------------------------------------------------------------- */

static int enqueue(struct dsdn_devnet_call *call, const struct dsdn_devnet_account *account,
                   const struct dsdn_json_blob *blobs, uint32_t cnt, struct price price, uint64_t later,
                   uint32_t flags, uint64_t *ticket, struct dsdn_error *error)
{
    struct dsdn_devnet_chain *c = call->node->chain;
    bool own = flags & DSDN_DEVNET_TX_OWN;
    struct dsdn_devnet_tx tx = {
        .flags = flags, .fee = own ? price.fee : 0, .not_before = later ? c->head + 1 + later : 0};
    /* a transaction of others says nothing about most of its blobs, so that very many fit one square */
    int rc = dsdn_devnet_pay(account, own ? c->sequence : call->node->garbage_cnt, price.gas, price.fee,
                             blobs, cnt, !own, &tx.bytes, &tx.len, error);
    if (rc) return rc;
    if (own && tx.len > DSDN_DEVNET_TX_LEN_MAX)
        rc = dsdn_fail(error, DSDN_E_TOO_LARGE, "transaction size exceeds maximum allowed limit");
    if (!rc) rc = dsdn_devnet_chain_submit(c, &tx, error);
    if (rc)
        free(tx.bytes);
    else if (ticket)
        *ticket = tx.ticket;
    return rc;
}

static enum method_outcome submit_failed(struct dsdn_devnet_call *call, const struct dsdn_error *error)
{
    return error->code == DSDN_E_TOO_LARGE ? call_fail(call, "%s", error->message)
                                           : call_fail_error(call, error);
}

static const char timed_out[] = "timed out waiting for tx to be included in a block";

static enum method_outcome submit_new(struct dsdn_devnet_call *call, const struct dsdn_blobs_answer *given,
                                      const struct dsdn_tx_config *config)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_devnet_chain *c = call->node->chain;
    struct price price;
    uint64_t next = c->head + 1;
    if (!blobs_commit(call, given, &c->account) || !price_of(call, given, config, &price))
        return METHOD_FAILED;
    if (call_fault(call, DSDN_DEVNET_FAULT_sequence, next))
        return call_fail(call,
                         "account sequence mismatch, expected %" PRIu64 ", got %" PRIu64
                         ": incorrect account sequence",
                         c->sequence, c->sequence + 1);
    if (call_fault(call, DSDN_DEVNET_FAULT_submit_lost, next)) return call_fail(call, timed_out);
    const struct dsdn_devnet_fault *late = call_fault(call, DSDN_DEVNET_FAULT_submit_late, next);
    const struct dsdn_devnet_fault *twice = call_fault(call, DSDN_DEVNET_FAULT_submit_twice, next);
    int rc = enqueue(call, &c->account, given->blobs, given->blob_cnt, price, late ? late->value : 0,
                     DSDN_DEVNET_TX_OWN, &call->ticket, &error);
    if (!rc && twice)
        rc = enqueue(call, &c->account, given->blobs, given->blob_cnt, price, twice->value,
                     DSDN_DEVNET_TX_OWN, NULL, &error);
    if (!rc && call->node->produce_on_submit) rc = dsdn_devnet_node_produce(call->node, 1, &error);
    if (rc) return submit_failed(call, &error);
    return late ? call_fail(call, timed_out) : METHOD_DONE;
}

enum method_outcome blob_submit(struct dsdn_devnet_call *call)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_tx_config config;
    struct dsdn_blobs_answer given;
    if (!call->ticket) {
        if (dsdn_span_kind(call->request.params[1]) == 'n')
            return call_fail_code(
                call, DSDN_RPC_PANIC,
                "fatal error calling 'blob.Submit': panic in rpc method 'blob.Submit': runtime "
                "error: invalid memory address or nil pointer dereference");
        if (!read_blobs(call, &given)) return METHOD_FAILED;
        enum method_outcome outcome = dsdn_json_read_tx_config(call->request.params[1], &config, &error)
                                          ? call_fail_param(call, "*state.TxConfig", error.message)
                                          : submit_new(call, &given, &config);
        dsdn_blobs_answer_free(&given);
        if (outcome != METHOD_DONE) return outcome;
    }
    uint64_t height = dsdn_devnet_chain_landed(call->node->chain, call->ticket);
    if (!height) return METHOD_WAIT;
    if (height == UINT64_MAX) return call_fail(call, "eviction poll timeout: the transaction was evicted");
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_text_u64(t, height);
    return METHOD_DONE;
}

/* ---- by others --------------------------------------------------------------------------------- */

static void other_account(const struct dsdn_devnet_node *node, struct dsdn_devnet_account *account)
{
    uint8_t seed[32];
    memcpy(seed, node->chain->seed, 32);
    seed[0] ^= 0xff;
    dsdn_devnet_account_make(seed, account);
}

static enum method_outcome posted(struct dsdn_devnet_call *call)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint64_t height = call->node->chain->head + 1;
    call->node->garbage_cnt++;
    if (call->node->produce_on_submit && dsdn_devnet_node_produce(call->node, 1, &error))
        return call_fail_error(call, &error);
    struct dsdn_text *t = call_result(call);
    if (t) dsdn_text_u64(t, height);
    return METHOD_DONE;
}

enum method_outcome devnet_post(struct dsdn_devnet_call *call)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_devnet_account account;
    struct dsdn_blobs_answer given;
    if (!read_blobs(call, &given)) return METHOD_FAILED;
    other_account(call->node, &account);
    bool fine = blobs_commit(call, &given, NULL);
    int rc =
        !fine ? 0
              : enqueue(call, &account, given.blobs, given.blob_cnt,
                        (struct price){dsdn_devnet_gas(given.blobs, given.blob_cnt), 1}, 0, 0, NULL, &error);
    dsdn_blobs_answer_free(&given);
    if (!fine) return METHOD_FAILED;
    return rc ? submit_failed(call, &error) : posted(call);
}

/* Fills bytes with noise that depends on the number of the blob. */
static void noise(uint64_t number, uint8_t *bytes, size_t len)
{
    uint64_t x = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (uint8_t)(x >> 32);
    }
}

enum { GARBAGE_MAX = 100000, GARBAGE_BYTES_MAX = 65536, GARBAGE_A_TX = 4000 };

/* [namespace, count, "blobs" or "shares", bytes each] */
enum method_outcome devnet_garbage(struct dsdn_devnet_call *call)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_devnet_account account;
    struct dsdn_view *params = call->request.params, kind;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    uint64_t cnt, len;
    if (!param_namespace(call, 0, ns)) return METHOD_FAILED;
    if (dsdn_namespace_classify(ns) != DSDN_NAMESPACE_USER || !dsdn_span_u64(params[1], GARBAGE_MAX, &cnt) ||
        !dsdn_span_plain(params[2], &kind) || !dsdn_span_u64(params[3], GARBAGE_BYTES_MAX, &len) || !cnt ||
        !len)
        return call_fail(call, "devnet: [user namespace, 1..%d, \"blobs\" or \"shares\", 1..%d]", GARBAGE_MAX,
                         GARBAGE_BYTES_MAX);
    bool shares = kind.len == 6 && memcmp(kind.bytes, "shares", 6) == 0;
    if (cnt * dsdn_share_cnt(0, len) >
        (uint64_t)call->node->chain->config.square_max * call->node->chain->config.square_max)
        return call_fail(call, "devnet: more than fits one block");
    uint32_t most = cnt < GARBAGE_A_TX ? (uint32_t)cnt : GARBAGE_A_TX;
    struct dsdn_json_blob *blobs = calloc(most, sizeof *blobs);
    uint8_t *bytes = malloc(most * len);
    int rc = blobs && bytes ? 0 : dsdn_fail(&error, DSDN_E_NO_MEMORY, "no memory for garbage");
    other_account(call->node, &account);
    for (uint64_t done = 0; !rc && done < cnt;) {
        uint32_t part = cnt - done < most ? (uint32_t)(cnt - done) : most;
        noise(call->node->garbage_cnt << 32 | done, bytes, part * len);
        for (uint32_t i = 0; i < part; i++) {
            memcpy(blobs[i].ns, ns, DSDN_NAMESPACE_LEN);
            blobs[i].data = (struct dsdn_view){bytes + i * len, len};
        }
        rc = dsdn_commitment_data(ns, 0, NULL, bytes, len, blobs[0].commitment, &error);
        if (!rc)
            rc = enqueue(call, &account, blobs, part, (struct price){dsdn_devnet_gas(blobs, part), 1}, 0,
                         shares ? DSDN_DEVNET_TX_MANGLE : 0, NULL, &error);
        done += part;
    }
    free(blobs);
    free(bytes);
    return rc ? call_fail_error(call, &error) : posted(call);
}
