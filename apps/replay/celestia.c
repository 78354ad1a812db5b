#include "apps/replay/celestia.h"

#include "adapters/celestia/json_objects.h"
#include "adapters/celestia/rpc.h"

#include <stdlib.h>

bool celestia_named(const char *source)
{
    return strncmp(source, CELESTIA_PREFIX, sizeof CELESTIA_PREFIX - 1) == 0;
}

/* ---- what is asked for ----------------------------------------------------------------------- */

/* celestia:URL[?namespace=HEX] */
static int parse(struct celestia *c, const char *source, const char **ns, struct dsdn_error *error)
{
    const char *url = source + sizeof CELESTIA_PREFIX - 1, *query = strchr(url, '?');
    size_t len = query ? (size_t)(query - url) : strlen(url);
    *ns = NULL;
    if (len >= sizeof c->url)
        return dsdn_fail(error, DSDN_E_USAGE, "the node's address has more than %u characters",
                         DSDN_ENDPOINT_URL_MAX);
    memcpy(c->url, url, len);
    c->url[len] = 0;
    if (query) {
        if (strncmp(query, "?namespace=", 11) != 0 || strchr(query, '&'))
            return dsdn_fail(error, DSDN_E_USAGE,
                             "a source of Celestia is celestia:URL?namespace=HEX, not \"...%.80s\"", query);
        *ns = query + 11;
    }
    return dsdn_http_check(c->url, error);
}

int celestia_pin(const struct options *options, const struct dsdn_genesis *genesis, uint64_t *height,
                 uint8_t hash[32], struct dsdn_error *error)
{
    const char *text = options->trusted_header, *colon = text ? strchr(text, ':') : NULL;
    char *end = NULL;
    *height = genesis->event.da_start;
    memcpy(hash, genesis->event.da_start_hash, 32);
    if (!text) return DSDN_OK;
    *height = 0;
    if (strcmp(text, "node") == 0) return DSDN_OK;
    if (colon && text[0] >= '1' && text[0] <= '9') *height = strtoull(text, &end, 10);
    if (!*height || *height > INT64_MAX || end != colon || strlen(colon + 1) != 64 ||
        !dsdn_hex_decode(colon + 1, 32, hash))
        return dsdn_fail(error, DSDN_E_USAGE,
                         "--trusted-header wants HEIGHT:HASH (64 hex digits) or node, not \"%.100s\"", text);
    return DSDN_OK;
}

/* The namespace of the source, which the genesis binds: a log is in no other. */
static int bind_namespace(struct celestia *c, const char *text, struct dsdn_error *error)
{
    const struct dsdn_ev_genesis_declared *g = &c->genesis.event;
    char hex[2 * DSDN_NAMESPACE_LEN + 1];
    memcpy(c->ns, g->da_namespace, DSDN_NAMESPACE_LEN);
    int rc = text ? dsdn_namespace_parse(text, c->ns, error) : DSDN_OK;
    if (!rc) rc = dsdn_namespace_check(c->ns, c->chain_id, error);
    if (rc || memcmp(c->ns, g->da_namespace, DSDN_NAMESPACE_LEN) == 0) return rc;
    dsdn_hex_encode(g->da_namespace, DSDN_NAMESPACE_LEN, hex);
    return dsdn_fail(error, DSDN_E_USAGE,
                     "the genesis binds its log to namespace %s, the source names another", hex);
}

static void endpoint_options(const struct celestia *c, const char *url, struct dsdn_endpoint_options *out)
{
    /* Four attempts fit into the patience, pauses included. */
    uint32_t each = c->timeout_ms / 8;
    *out = (struct dsdn_endpoint_options){
        .url = url,
        .token_file = c->options->token_file,
        .timeout_ms = each < 1000    ? 1000
                      : each > 30000 ? 30000
                                     : each,
        .retry_delay_ms = c->timeout_ms / 60 < 1000 ? c->timeout_ms / 60 : 1000,
    };
}

int celestia_bind(struct celestia *c, const char *source, const struct options *options,
                  struct dsdn_error *error)
{
    const char *ns;
    *c = (struct celestia){.options = options};
    c->timeout_ms = (uint32_t)(options->timeout ? options->timeout : CELESTIA_TIMEOUT) * 1000;
    int rc = parse(c, source, &ns, error);
    if (!rc && !options->genesis)
        rc = dsdn_fail(error, DSDN_E_USAGE,
                       "a source of Celestia wants --genesis FILE: it says what the log is");
    if (!rc) rc = dsdn_genesis_load(&c->genesis, &dsdn_io_system, options->genesis, error);
    if (rc) return rc;
    struct dsdn_view id = c->genesis.event.da_chain_id;
    if (!id.len)
        return dsdn_fail_at(error, DSDN_E_USAGE, options->genesis, DSDN_NO_OFFSET,
                            "a network without a primary: its log is not on Celestia");
    if (id.len >= sizeof c->chain_id)
        return dsdn_fail(error, DSDN_E_USAGE, "the genesis names a chain id of %zu characters", id.len);
    memcpy(c->chain_id, id.bytes, id.len);
    rc = bind_namespace(c, ns, error);
    if (!rc) rc = celestia_pin(options, &c->genesis, &c->pin_height, c->pin_hash, error);
    if (!rc && !c->pin_height && options->state) /* a later run would take it for verified */
        rc = dsdn_fail(error, DSDN_E_USAGE,
                       "what rests on the node's own word is not kept: no --state with --trusted-header node");
    endpoint_options(c, c->url, &c->endpoint);
    for (uint32_t i = 0; !rc && i < options->witness.cnt; i++) {
        rc = dsdn_http_check(options->witness.items[i], error);
        endpoint_options(c, options->witness.items[i], &c->witnesses[i]);
    }
    return rc;
}

void celestia_release(struct celestia *c)
{
    dsdn_genesis_free(&c->genesis);
}

/* ---- the node -------------------------------------------------------------------------------- */

static int ask_head(const struct celestia *c, struct dsdn_endpoint *endpoint, uint64_t *head,
                    struct dsdn_error *error)
{
    struct dsdn_rpc_options options = {.connections = 1};
    struct dsdn_rpc *rpc = NULL;
    struct dsdn_rpc_call *call = NULL;
    (void)c;
    int rc = dsdn_rpc_new(&options, &rpc, error);
    if (rc) return rc;
    rc = dsdn_rpc_ask(rpc, endpoint, DSDN_CELESTIA_HEAD, (struct dsdn_view){(const uint8_t *)"[]", 2}, &call,
                      error);
    const struct dsdn_rpc_end *end = rc ? NULL : dsdn_rpc_done(call);
    if (end && end->meaning.answer == DSDN_DA_PRESENT) {
        *head = dsdn_json_read_block_height(end->result);
        if (!*head) rc = dsdn_fail(error, DSDN_E_MALFORMED, "%s: the head has no height", endpoint->url);
    } else if (end) {
        if (error) *error = end->error;
        rc = end->error.code;
    }
    dsdn_rpc_end_call(rpc, call);
    dsdn_rpc_free(rpc);
    return rc;
}

int celestia_head(const struct celestia *c, uint64_t *head, struct dsdn_error *error)
{
    struct dsdn_endpoint endpoint;
    int rc = dsdn_endpoint_open(&endpoint, &c->endpoint, error);
    if (rc) return rc;
    if (endpoint.token_open && !c->options->quiet)
        fprintf(stderr, "dsdn-replay: others than its owner can read %s\n", c->options->token_file);
    rc = ask_head(c, &endpoint, head, error);
    dsdn_endpoint_close(&endpoint);
    return rc;
}

int celestia_end(const struct celestia *c, uint64_t *to, struct dsdn_error *error)
{
    struct place place = {PLACE_NONE, 0, NULL};
    uint64_t head;
    int rc = celestia_head(c, &head, error);
    if (!rc && c->options->to)
        rc = options_place("to", c->options->to, PLACE_SEQUENCE | PLACE_TIME | PLACE_HEIGHT, &place, error);
    if (rc) return rc;
    *to = place.kind == PLACE_HEIGHT ? place.number : head;
    if (*to < c->genesis.event.da_start)
        return dsdn_fail(error, DSDN_E_INCOMPLETE, "the log begins at height %llu; there is only %llu",
                         (unsigned long long)c->genesis.event.da_start, (unsigned long long)*to);
    if (*to > head)
        return dsdn_fail(error, DSDN_E_INCOMPLETE, "the node's head is height %llu, below --to height:%llu",
                         (unsigned long long)head, (unsigned long long)*to);
    return DSDN_OK;
}

int celestia_reader(const struct celestia *c, uint64_t from, uint64_t to, bool proofs, const char *state_dir,
                    struct dsdn_reader **reader, struct dsdn_error *error)
{
    struct dsdn_reader_options options = {
        .endpoints = &c->endpoint,
        .endpoint_cnt = 1,
        .witnesses = c->witnesses,
        .witness_cnt = c->options->witness.cnt,
        .chain_id = c->chain_id,
        .from = from ? from : c->genesis.event.da_start,
        .to = to,
        .pin_height = c->pin_height,
        .state_dir = state_dir,
        .proofs = proofs,
    };
    memcpy(options.ns, c->ns, sizeof options.ns);
    memcpy(options.pin_hash, c->pin_hash, 32);
    return dsdn_reader_new(&options, reader, error);
}
