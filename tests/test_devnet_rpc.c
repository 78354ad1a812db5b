/* A devnet's RPC without sockets: methods, shapes, texts and status codes as the node's, and every fault. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapters/celestia/base64.h"
#include "adapters/celestia/json_objects.h"
#include "adapters/celestia/json_rpc.h"
#include "adapters/celestia/light.h"
#include "adapters/devnet/rpc.h"
#include "tests/celestia_util.h"

static struct dsdn_devnet_node *node;
static uint8_t ns[DSDN_NAMESPACE_LEN];
static char ns64[DSDN_BASE64_LEN(DSDN_NAMESPACE_LEN) + 1];

static void start(uint64_t keep)
{
    struct dsdn_devnet_config c;
    dsdn_devnet_config_default(&c);
    c.genesis_time.seconds = 1700000000;
    c.step_ms = 2600;
    c.keep_heights = keep;
    assert_int_equal(dsdn_devnet_node_new(&c, &dsdn_io_system, NULL, &node, NULL), 0);
    node->now.seconds = 1700000000;
    user_namespace(ns, 50);
    dsdn_base64_encode(ns, sizeof ns, ns64);
}

static int stop(void **state)
{
    (void)state;
    dsdn_devnet_node_free(node);
    node = NULL;
    return 0;
}

/* What came back of one request: status, text, result as a tree. */
struct reply {
    bool done;
    int status;
    char *text;
    json_t *root, *result;
    const char *message;
    int64_t code;
    struct dsdn_devnet_answer answer; /* without its body */
};

static struct dsdn_devnet_call *begin(uint32_t permissions, const char *text)
{
    struct dsdn_devnet_call *call = dsdn_devnet_call_new(node, permissions, false, text, strlen(text));
    assert_non_null(call);
    return call;
}

static struct reply finish(struct dsdn_devnet_call *call)
{
    struct reply r = {.done = false};
    struct dsdn_devnet_answer *answer;
    r.done = dsdn_devnet_call_step(call, &answer);
    if (!r.done) return r;
    r.answer = *answer;
    r.status = answer->status;
    r.text = strndup(answer->body.bytes ? answer->body.bytes : "", answer->body.len);
    r.root = answer->body.len ? json_loads(r.text, JSON_ALLOW_NUL, NULL) : NULL;
    json_t *error = json_object_get(r.root, "error");
    r.result = json_object_get(r.root, "result");
    r.message = error ? json_string_value(json_object_get(error, "message")) : "";
    r.code = error ? json_integer_value(json_object_get(error, "code")) : 0;
    dsdn_devnet_call_free(call);
    return r;
}

static void done(struct reply *r)
{
    json_decref(r->root);
    free(r->text);
}

static struct reply ask_as(uint32_t permissions, const char *method, const char *params)
{
    char *text = malloc(strlen(params) + 200);
    sprintf(text, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"%s\",\"params\":%s}", method, params);
    struct reply r = finish(begin(permissions, text));
    free(text);
    return r;
}

static struct reply ask(const char *method, const char *format, ...)
{
    char params[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(params, sizeof params, format, args);
    va_end(args);
    struct reply r = ask_as(DSDN_DEVNET_ALL, method, params);
    if (!r.done) fail_msg("%s%s waits", method, params);
    return r;
}

static void expect_error(struct reply r, int status, int64_t code, const char *message)
{
    assert_int_equal(r.status, status);
    assert_int_equal(r.code, code);
    if (!strstr(r.message, message)) fail_msg("\"%s\" and not \"%s\"", r.message, message);
    done(&r);
}

static void produce(uint64_t cnt)
{
    assert_int_equal(dsdn_devnet_node_produce(node, cnt, NULL), 0);
}

/* A submission that lands in the next block. */
static void submit(const char *data64, uint32_t cnt)
{
    char *text = malloc(cnt * (strlen(data64) + 200) + 200);
    strcpy(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"blob.Submit\",\"params\":[[");
    for (uint32_t i = 0; i < cnt; i++)
        sprintf(text + strlen(text),
                "%s{\"namespace\":\"%s\",\"data\":\"%s\",\"share_version\":0,\"index\":-1}", i ? "," : "",
                ns64, data64);
    strcat(text, "],{}]}");
    struct dsdn_devnet_call *call = begin(DSDN_DEVNET_ALL, text);
    free(text);
    struct reply r = finish(call);
    assert_false(r.done);
    produce(1);
    r = finish(call);
    assert_true(r.done);
    assert_int_equal(json_integer_value(r.result), node->chain->head);
    done(&r);
}

static char *many(size_t len)
{
    char *text = malloc(DSDN_BASE64_LEN(len) + 1);
    uint8_t *bytes = malloc(len);
    number_fill(bytes, len);
    dsdn_base64_encode(bytes, len, text);
    text[DSDN_BASE64_LEN(len)] = 0;
    free(bytes);
    return text;
}

/* ---- conformance ------------------------------------------------------------------------------- */

/* Every published method exists with its parameter count and permission. */
static void published_methods(void **state)
{
    (void)state;
    start(0);
    glob_t files = vector_glob("rpc_methods_v0.28.4.json");
    json_t *root = vector_load(files.gl_pathv[0]), *method;
    size_t i;
    json_array_foreach(json_object_get(root, "methods"), i, method)
    {
        const char *name = json_string_value(json_object_get(method, "name")), *found, *permission;
        uint32_t cnt;
        for (uint32_t at = 0;; at++) {
            if (!dsdn_devnet_method(at, &found, &cnt, &permission)) fail_msg("no method %s", name);
            if (strcmp(found, name) == 0) break;
        }
        assert_int_equal(cnt, json_array_size(json_object_get(method, "params")));
        assert_string_equal(permission, json_string_value(json_object_get(method, "permission")));
        if (strstr(name, "Subscribe")) continue;
        struct reply r = ask(name, "[1,2,3,4,5,6]");
        expect_error(r, 500, -32602, "wrong param count");
    }
    json_decref(root);
    globfree(&files);
}

/* The same members, and values of the same kind; a member of one may be missing in the other when it is
 * listed. */
static void same_shape(const json_t *want, const json_t *got, const char *where, const char *optional)
{
    const char *key;
    json_t *value;
    if (json_is_null(want) || !want) return;
    if (json_typeof(want) != json_typeof(got) && !(json_is_boolean(want) && json_is_boolean(got)) &&
        !(strcmp(where, "height") == 0))
        fail_msg("%s is of another kind", where);
    if (json_is_array(want) && json_array_size(want) && json_array_size(got))
        same_shape(json_array_get(want, 0), json_array_get(got, 0), where, optional);
    if (!json_is_object(want)) return;
    json_object_foreach((json_t *)(uintptr_t)want, key, value)
    {
        if (!json_object_get(got, key) && !strstr(optional, key)) fail_msg("%s.%s is missing", where, key);
        if (json_object_get(got, key)) same_shape(value, json_object_get(got, key), key, optional);
    }
    json_object_foreach((json_t *)(uintptr_t)got, key,
                        value) if (!json_object_get(want, key) && !strstr(optional, key))
        fail_msg("%s.%s is not in the example", where, key);
}

static void shapes(void **state)
{
    (void)state;
    static const char *const headers[] = {"headers/chain2/extended_header_block_27.json",
                                          "node_examples/extendedHeader.json"};
    start(0);
    char *data = many(3000);
    submit(data, 3);
    free(data);
    produce(3);
    for (size_t i = 0; i < 2; i++) {
        glob_t files = vector_glob(headers[i]);
        json_t *want = vector_load(files.gl_pathv[0]);
        struct reply r = ask("header.GetByHeight", "[2]");
        same_shape(want, r.result, "header", " app ");
        done(&r);
        json_decref(want);
        globfree(&files);
    }
    const struct {
        const char *file, *method, *optional;
    } cases[] = {{"node_examples/blob.json", "blob.Get", " signer "},
                 {"node_examples/blobProof.json", "blob.GetProof", " start leaf_hash "}};
    struct reply all = ask("blob.GetAll", "[1,[\"%s\"]]", ns64);
    assert_int_equal(json_array_size(all.result), 3);
    const char *commitment = json_string_value(json_object_get(json_array_get(all.result, 0), "commitment"));
    for (size_t i = 0; i < 2; i++) {
        glob_t files = vector_glob(cases[i].file);
        json_t *want = vector_load(files.gl_pathv[0]);
        struct reply r = ask(cases[i].method, "[1,\"%s\",\"%s\"]", ns64, commitment);
        same_shape(want, r.result, cases[i].method, cases[i].optional);
        done(&r);
        json_decref(want);
        globfree(&files);
    }
    glob_t files = vector_glob("captured/share_get_namespace_data.json");
    json_t *want = vector_load(files.gl_pathv[0]);
    struct reply r = ask("share.GetNamespaceData", "[1,\"%s\"]", ns64);
    same_shape(json_object_get(want, "response_result"), r.result, "rows", " start leaf_hash ");
    done(&r);
    json_decref(want);
    globfree(&files);
    files = vector_glob("commitment_proofs/blobs_that_take_2_shares.json");
    want = vector_load(files.gl_pathv[0]);
    r = ask("blob.GetCommitmentProof", "[1,\"%s\",\"%s\"]", ns64, commitment);
    same_shape(json_object_get(json_array_get(json_object_get(want, "entries"), 0), "commitment_proof"),
               r.result, "proof", " start leaf_hash namespace_version start_row end_row ");
    done(&r);
    json_decref(want);
    globfree(&files);
    r = ask("header.SyncState", "[]");
    assert_int_equal(json_integer_value(json_object_get(r.result, "height")), 4);
    assert_int_equal(json_integer_value(json_object_get(r.result, "to_height")), 4);
    done(&r);
    r = ask("state.Balance", "[]");
    assert_true(json_is_string(json_object_get(r.result, "amount")));
    done(&r);
    done(&all);
}

/* The client's own functions read and verify what the server writes. */
static void client_reads(void **state)
{
    (void)state;
    start(0);
    char *data = many(9000);
    submit(data, 2);
    struct reply r = ask("header.GetByHeight", "[1]");
    struct dsdn_view value;
    struct dsdn_rpc_answer answer;
    struct dsdn_block_answer block;
    struct dsdn_rows_answer rows;
    struct dsdn_namespace_result result;
    struct dsdn_share_run runs[64];
    struct dsdn_error error = DSDN_ERROR_INIT;
    enum dsdn_celestia_check check;
    assert_int_equal(dsdn_rpc_read_answer(r.text, strlen(r.text), 7, &answer, &error), 0);
    if (dsdn_json_read_block(answer.result, &block, &error)) fail_msg("%s", error.message);
    done(&r);
    if (dsdn_celestia_verify(&block.block, NULL, &check, &error)) fail_msg("%s", error.message);
    r = ask("share.GetNamespaceData", "[1,\"%s\"]", ns64);
    assert_int_equal(dsdn_rpc_read_answer(r.text, strlen(r.text), 7, &answer, &error), 0);
    value = answer.result;
    if (dsdn_json_read_rows(value, block.block.dah.row_cnt / 2, &rows, &error)) fail_msg("%s", error.message);
    assert_int_equal(dsdn_namespace_data_verify(ns, block.block.dah.row_roots, block.block.dah.row_cnt,
                                                rows.rows, rows.row_cnt, runs, &result, &error),
                     0);
    assert_int_equal(result.verdict, DSDN_NAMESPACE_PRESENT);
    assert_true(result.run_cnt > 1);
    dsdn_rows_answer_free(&rows);
    dsdn_block_answer_free(&block);
    done(&r);
    free(data);
}

/* ---- texts and status codes -------------------------------------------------------------------- */

static void requests(void **state)
{
    (void)state;
    start(0);
    produce(2);
    static const struct {
        const char *text;
        int status;
        int64_t code;
        const char *message;
    } cases[] = {
        {"", 400, -32600, "Invalid request"},
        {"  \n", 400, -32600, "Invalid request"},
        {"[]", 400, -32600, "Invalid request"},
        {"{", 500, -32700, "Parse error"},
        {"{\"id\":1,\"id\":2,\"method\":\"x\"}", 500, -32700, "Parse error"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x.y\",\"params\":[]}", 500, -32601,
         "method 'x.y' not found"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"header.Subscribe\",\"params\":[]}", 500, -32601,
         "not supported in this mode (no out channel support)"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"header.GetByHeight\",\"params\":[\"2\"]}", 500, -32700,
         "unmarshaling params for 'header.GetByHeight' (param: *uint64)"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"header.GetByHeight\",\"params\":[1.5]}", 500, -32700,
         "unmarshaling params"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(finish(begin(DSDN_DEVNET_ALL, cases[i].text)), cases[i].status, cases[i].code,
                     cases[i].message);
    /* no id: it runs, and nothing comes back */
    struct reply r =
        finish(begin(DSDN_DEVNET_ALL, "{\"jsonrpc\":\"2.0\",\"method\":\"devnet.Produce\",\"params\":[3]}"));
    assert_int_equal(r.status, 200);
    assert_string_equal(r.text, "");
    assert_int_equal(node->chain->head, 5);
    done(&r);
    /* ids come back as they were */
    r = finish(begin(DSDN_DEVNET_ALL,
                     "[{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"method\":\"node.Ready\",\"params\":[]},"
                     "{\"jsonrpc\":\"2.0\",\"method\":\"node.Ready\",\"params\":[]},"
                     "{\"jsonrpc\":\"2.0\",\"id\":12,\"method\":\"no.No\",\"params\":[]}]"));
    assert_int_equal(r.status, 200);
    assert_int_equal(json_array_size(r.root), 2);
    assert_non_null(strstr(r.text, "\"id\":\"a\\u0062\""));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(r.root, 1), "id")), 12);
    done(&r);
    char *large = calloc(1, DSDN_DEVNET_REQUEST_MAX + 2u);
    memset(large, ' ', DSDN_DEVNET_REQUEST_MAX + 1u);
    expect_error(finish(begin(DSDN_DEVNET_ALL, large)), 500, -32700, "request bigger than maximum");
    free(large);
}

static void permissions(void **state)
{
    (void)state;
    start(0);
    produce(1);
    uint32_t got;
    char header[DSDN_DEVNET_TOKEN_MAX + 16] = "Bearer ";
    assert_true(dsdn_devnet_authorise(node, NULL, 0, &got));
    expect_error(ask_as(got, "header.LocalHead", "[]"), 200, 1,
                 "missing permission to invoke 'LocalHead' (need 'read')");
    assert_int_equal(dsdn_devnet_token_make(node->token_secret, 3, 0, header + 7, NULL), 0);
    assert_true(dsdn_devnet_authorise(node, header, strlen(header), &got));
    struct reply r = ask_as(got, "header.LocalHead", "[]");
    assert_non_null(r.result);
    done(&r);
    expect_error(ask_as(got, "blob.Submit", "[[],{}]"), 200, 1,
                 "missing permission to invoke 'Submit' (need 'write')");
    expect_error(ask_as(got, "node.Info", "[]"), 200, 1,
                 "missing permission to invoke 'Info' (need 'admin')");
    assert_false(dsdn_devnet_authorise(node, header + 7, strlen(header) - 7, &got)); /* no Bearer */
    assert_false(dsdn_devnet_authorise(node, header, strlen(header) - 1, &got));
    assert_int_equal(dsdn_devnet_token_make(node->token_secret, 15, 1699999999, header + 7, NULL), 0);
    assert_false(dsdn_devnet_authorise(node, header, strlen(header), &got)); /* expired */
    node->skip_auth = true;
    assert_true(dsdn_devnet_authorise(node, "x", 1, &got));
    assert_int_equal(got, DSDN_DEVNET_ALL);
}

static void heights(void **state)
{
    (void)state;
    start(10);
    produce(20);
    expect_error(ask("header.GetByHeight", "[0]"), 200, 1, "height is equal to 0");
    expect_error(ask("header.GetByHeight", "[22]"), 200, 1,
                 "header: given height is from the future: networkHeight: 20, requestedHeight: 22");
    expect_error(ask("header.GetByHeight", "[18446744073709551615]"), 200, 1, "from the future");
    expect_error(ask("share.GetNamespaceData", "[3,\"%s\"]", ns64), 200, 1,
                 "requested header (3) is below Tail (11)");
    struct reply r = ask("header.Tail", "[]");
    assert_string_equal(json_string_value(json_object_get(json_object_get(r.result, "header"), "height")),
                        "11");
    done(&r);
    /* head + 1 waits, and so does any height with WaitForHeight */
    struct dsdn_devnet_call *next =
        begin(1 << 1, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"header.GetByHeight\",\"params\":[21]}");
    struct dsdn_devnet_call *far =
        begin(2, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"header.WaitForHeight\",\"params\":[23]}");
    struct dsdn_devnet_answer *answer;
    assert_false(dsdn_devnet_call_step(next, &answer));
    assert_false(dsdn_devnet_call_step(far, &answer));
    produce(1);
    assert_false(dsdn_devnet_call_step(far, &answer));
    r = finish(next);
    assert_true(r.done && r.result);
    done(&r);
    produce(2);
    r = finish(far);
    assert_string_equal(json_string_value(json_object_get(json_object_get(r.result, "header"), "height")),
                        "23");
    json_t *hash = json_object_get(json_object_get(json_object_get(r.result, "commit"), "block_id"), "hash");
    struct reply by_hash = ask("header.GetByHash", "[\"%s\"]", json_string_value(hash));
    assert_true(json_equal(by_hash.result, r.result));
    done(&by_hash);
    done(&r);
    expect_error(ask("header.GetByHash", "[\"%064d\"]", 0), 200, 1, "header: not found");
    r = ask("header.GetRangeByHeight", "[{\"header\":{\"height\":\"14\"}},20]");
    assert_int_equal(json_array_size(r.result), 5);
    done(&r);
    expect_error(ask("header.GetRangeByHeight", "[{\"header\":{\"height\":\"14\"}},80]"), 200, 1,
                 "header limit per 1 request exceeded");
}

static void namespaces(void **state)
{
    (void)state;
    start(0);
    produce(1);
    uint8_t bytes[32] = {0};
    char text[64] = "";
    dsdn_base64_encode(bytes, 28, text);
    expect_error(ask("blob.GetAll", "[1,[\"%s\"]]", text), 500, -32700,
                 "invalid namespace length: 28. Must be 29 bytes");
    bytes[0] = 1;
    dsdn_base64_encode(bytes, 29, text);
    expect_error(ask("blob.GetAll", "[1,[\"%s\"]]", text), 500, -32700, "unsupported namespace version 1");
    bytes[0] = 0;
    bytes[1] = 9;
    dsdn_base64_encode(bytes, 29, text);
    expect_error(ask("share.GetNamespaceData", "[1,\"%s\"]", text), 500, -32700,
                 "unsupported namespace id with version 0. ID [9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "
                 "0 0 0 0 0] must start with 18 leading zeros");
    dsdn_base64_encode(dsdn_namespace_tail_padding, 29, text);
    expect_error(ask("share.GetNamespaceData", "[1,\"%s\"]", text), 200, 1,
                 "parity and tail padding namespace are forbidden");
    dsdn_base64_encode(dsdn_namespace_pay_for_blob, 29, text);
    expect_error(
        ask("blob.Submit", "[[{\"namespace\":\"%s\",\"data\":\"AAAA\",\"share_version\":0}],{}]", text), 500,
        -32700,
        "invalid user namespace: invalid data "
        "namespace(0000000000000000000000000000000000000000000000000000000004): "
        "reserved data is forbidden");
}

static void submission_rules(void **state)
{
    (void)state;
    start(0);
    char signer[32] = "", other[32] = "";
    dsdn_base64_encode(node->chain->account.address, 20, signer);
    dsdn_base64_encode(node->chain->seed, 20, other);
    const struct {
        const char *blob, *config;
        int status;
        int64_t code;
        const char *message;
    } cases[] = {
        {"\"data\":\"AAAA\",\"share_version\":0", "null", 500, 0, "nil pointer dereference"},
        {"\"data\":\"\",\"share_version\":0", "{}", 500, -32700, "data can not be empty"},
        {"\"data\":\"AAAA\",\"share_version\":0,\"signer\":\"\"", "{}", 500, -32700,
         "share version 0 does not support signer"},
        {"\"data\":\"AAAA\",\"share_version\":1", "{}", 500, -32700,
         "share version 1 requires signer of size 20 bytes"},
        {"\"data\":\"AAAA\",\"share_version\":3", "{}", 500, -32700, "share version 3 not supported"},
        {"\"data\":\"AAAA\",\"share_version\":0,\"commitment\":\"D6YGsPWdxR8ju2OcOspnkgPG2abD30pSHxsFdiPqnVk="
         "\"",
         "{}", 200, 1, "invalid commitment for share"},
        {"\"data\":\"AAAA\",\"share_version\":0", "{\"gas_price\":0.001,\"is_gas_price_set\":true}", 200, 1,
         "insufficient fees; got: 80utia required: 320utia"},
        {"\"data\":\"AAAA\",\"share_version\":0", "{\"gas\":1000}", 200, 1,
         "not enough gas to pay for blobs (minimum: 79796, got: 1000)"},
        {"\"data\":\"AAAA\",\"share_version\":0", "{\"max_gas_price\":0.001}", 200, 1,
         "estimated gas price exceeds max gas price"},
        {"\"data\":\"AAAA\",\"share_version\":0", "{\"signer_address\":\"celestia1xyz\"}", 200, 1,
         "account for signer celestia1xyz not found"},
        {"\"data\":\"AAAA\",\"share_version\":0", "{\"gas_price\":100000000,\"is_gas_price_set\":true}", 200,
         1, "insufficient funds"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(
            ask("blob.Submit", "[[{\"namespace\":\"%s\",%s}],%s]", ns64, cases[i].blob, cases[i].config),
            cases[i].status, cases[i].code, cases[i].message);
    expect_error(ask("blob.Submit", "[[],{}]"), 200, 1, "no blobs");
    expect_error(ask("blob.Submit",
                     "[[{\"namespace\":\"%s\",\"data\":\"AAAA\",\"share_version\":1,\"signer\":\"%s\"}],{}]",
                     ns64, other),
                 200, 1, "invalid blob signer");
    assert_int_equal(node->chain->pool_cnt, 0);
    node->produce_on_submit = true;
    struct reply r =
        ask("blob.Submit",
            "[[{\"namespace\":\"%s\",\"data\":\"AAAA\",\"share_version\":1,\"signer\":\"%s\"}],{}]", ns64,
            signer);
    assert_int_equal(json_integer_value(r.result), 1);
    done(&r);
    r = ask("blob.GetAll", "[1,[\"%s\"]]", ns64);
    assert_string_equal(json_string_value(json_object_get(json_array_get(r.result, 0), "signer")), signer);
    done(&r);
    /* 8 MiB and one byte */
    size_t len = DSDN_DEVNET_TX_LEN_MAX + 1;
    char *data = many(len), *params = malloc(strlen(data) + 200);
    sprintf(params, "[[{\"namespace\":\"%s\",\"data\":\"%s\",\"share_version\":0}],{}]", ns64, data);
    expect_error(ask_as(DSDN_DEVNET_ALL, "blob.Submit", params), 200, 1,
                 "transaction size exceeds maximum allowed limit");
    free(data);
    free(params);
    r = ask("state.Balance", "[]");
    assert_string_equal(json_string_value(json_object_get(r.result, "amount")), "999999999680");
    done(&r);
}

/* Blobs: found, not found, proved, included; null for none; of others too. */
static void blobs(void **state)
{
    (void)state;
    start(0);
    char *data = many(40000), none[64] = "";
    submit(data, 2);
    struct reply r = ask("blob.GetAll", "[1,[\"%s\"]]", ns64);
    json_t *first = json_array_get(r.result, 0);
    assert_string_equal(json_string_value(json_object_get(first, "data")), data);
    char *commitment = strdup(json_string_value(json_object_get(first, "commitment")));
    done(&r);
    r = ask("blob.GetProof", "[1,\"%s\",\"%s\"]", ns64, commitment);
    char *proofs = json_dumps(r.result, 0);
    assert_true(json_array_size(r.result) > 1);
    done(&r);
    char *params = malloc(strlen(proofs) + 300);
    sprintf(params, "[1,\"%s\",%s,\"%s\"]", ns64, proofs, commitment);
    r = ask_as(2, "blob.Included", params);
    assert_true(json_is_true(r.result));
    done(&r);
    sprintf(params, "[1,\"%s\",[],\"%s\"]", ns64, commitment);
    expect_error(ask_as(2, "blob.Included", params), 200, 1, "blob: invalid proof");
    dsdn_base64_encode(node->chain->seed, 32, none);
    sprintf(params, "[1,\"%s\",[],\"%s\"]", ns64, none);
    r = ask_as(2, "blob.Included", params);
    assert_true(json_is_false(r.result));
    done(&r);
    expect_error(ask("blob.Get", "[1,\"%s\",\"%s\"]", ns64, none), 200, 1, "blob: not found");
    produce(1);
    r = ask("blob.GetAll", "[2,[\"%s\"]]", ns64);
    assert_true(json_is_null(r.result));
    done(&r);
    r = ask("devnet.Post", "[[{\"namespace\":\"%s\",\"data\":\"AAAA\",\"share_version\":0}]]", ns64);
    assert_int_equal(json_integer_value(r.result), 3);
    done(&r);
    produce(1);
    r = ask("blob.GetAll", "[3,[\"%s\"]]", ns64);
    assert_int_equal(json_array_size(r.result), 1);
    done(&r);
    free(params);
    free(proofs);
    free(commitment);
    free(data);
}

/* ---- faults ------------------------------------------------------------------------------------ */

static uint64_t fault(const char *object)
{
    struct reply r = ask("devnet.Fault", "[%s]", object);
    uint64_t id = (uint64_t)json_integer_value(r.result);
    if (!id) fail_msg("%s", r.message);
    done(&r);
    return id;
}

static void clear(void)
{
    struct reply r = ask("devnet.Faults", "[]");
    json_t *f;
    size_t i;
    json_array_foreach(r.result, i, f) assert_true(json_integer_value(json_object_get(f, "fired")) > 0);
    done(&r);
    r = ask("devnet.Clear", "[0]");
    assert_true(json_is_true(r.result));
    done(&r);
}

static void transport_faults(void **state)
{
    (void)state;
    start(0);
    produce(5);
    struct reply r;
    fault("{\"kind\":\"latency\",\"value\":250}");
    r = ask("header.GetByHeight", "[2]");
    assert_int_equal(r.answer.delay_ms, 250);
    assert_non_null(r.result);
    done(&r);
    clear();
    fault("{\"kind\":\"drop\",\"from\":3,\"to\":3,\"times\":1}");
    for (int h = 2; h <= 4; h++)
        for (int i = 0; i < 2; i++) {
            r = ask("header.GetByHeight", "[%d]", h);
            assert_int_equal(r.answer.drop, h == 3 && i == 0);
            done(&r);
        }
    clear();
    fault("{\"kind\":\"truncate\",\"value\":10}");
    fault("{\"kind\":\"oversize\",\"value\":1000000}");
    fault("{\"kind\":\"drip\",\"value\":5}");
    r = ask("header.LocalHead", "[]");
    assert_int_equal(r.answer.truncate_at, 10);
    assert_int_equal(r.answer.blanks, 1000000);
    assert_int_equal(r.answer.drip, 5);
    done(&r);
    clear();
    static const struct {
        int status;
        const char *body;
    } statuses[] = {
        {401, ""}, {429, "rate limit exceeded"}, {503, "server busy, try again later"}, {500, "\"code\":0"}};
    for (size_t i = 0; i < 4; i++) {
        char text[64];
        sprintf(text, "{\"kind\":\"status\",\"value\":%d}", statuses[i].status);
        fault(text);
        r = ask("blob.GetAll", "[1,[\"%s\"]]", ns64);
        assert_int_equal(r.status, statuses[i].status);
        assert_non_null(strstr(r.text, statuses[i].body));
        assert_int_equal(r.answer.plain, statuses[i].status != 500);
        done(&r);
        clear();
    }
    fault("{\"kind\":\"error\",\"method\":\"blob.*\",\"text\":\"context deadline exceeded\"}");
    expect_error(ask("blob.GetAll", "[1,[\"%s\"]]", ns64), 200, 1, "context deadline exceeded");
    r = ask("header.LocalHead", "[]");
    assert_non_null(r.result);
    done(&r);
    clear();
    fault("{\"kind\":\"body\",\"text\":\"<html>\"}");
    r = ask("header.LocalHead", "[]");
    assert_string_equal(r.text, "<html>");
    done(&r);
    clear();
    expect_error(ask("devnet.Fault", "[{\"kind\":\"none\"}]"), 200, 1, "no fault is called");
}

/* Asks for a header and says what a light client finds wrong with it. */
static enum dsdn_celestia_check header_check(uint64_t height, uint8_t hash[32])
{
    struct reply r = ask("header.GetByHeight", "[%d]", (int)height);
    struct dsdn_rpc_answer answer;
    struct dsdn_block_answer block;
    struct dsdn_error error = DSDN_ERROR_INIT;
    enum dsdn_celestia_check check = DSDN_CELESTIA_OK;
    assert_int_equal(dsdn_rpc_read_answer(r.text, strlen(r.text), 7, &answer, &error), 0);
    assert_int_equal(dsdn_json_read_block(answer.result, &block, &error), 0);
    if (dsdn_celestia_verify(&block.block, NULL, &check, &error) == 0) check = DSDN_CELESTIA_OK;
    dsdn_celestia_header_hash(&block.block.header, hash);
    if (check == DSDN_CELESTIA_OK && height > 1) { /* what it says of the one before */
        uint8_t last[32];
        memcpy(last, block.block.header.last_block_id.hash.bytes, 32);
        if (!dsdn_equal32(last, dsdn_devnet_chain_block(node->chain, height - 1)->hash))
            check = DSDN_CELESTIA_BAD_LAST_BLOCK;
        if (!dsdn_equal32(block.block.header.validators_hash.bytes,
                          dsdn_devnet_validators_at(&node->chain->validators, height)->hash))
            check = DSDN_CELESTIA_BAD_NEXT_VALIDATORS;
    }
    dsdn_block_answer_free(&block);
    done(&r);
    return check;
}

static void header_faults(void **state)
{
    (void)state;
    uint8_t hash[32];
    start(0);
    produce(30);
    const struct {
        const char *fault;
        enum dsdn_celestia_check check;
    } cases[] = {
        {"{\"kind\":\"wrong_dah\",\"from\":7,\"to\":7}", DSDN_CELESTIA_BAD_DAH},
        {"{\"kind\":\"forged_header\",\"from\":7,\"to\":7,\"text\":\"signature\"}",
         DSDN_CELESTIA_BAD_SIGNATURE},
        {"{\"kind\":\"forged_header\",\"from\":7,\"to\":7,\"text\":\"hash\"}", DSDN_CELESTIA_BAD_HASH},
        {"{\"kind\":\"forged_header\",\"from\":7,\"to\":7,\"text\":\"validators\"}",
         DSDN_CELESTIA_BAD_NEXT_VALIDATORS}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fault(cases[i].fault);
        assert_int_equal(header_check(6, hash), DSDN_CELESTIA_OK);
        assert_int_equal(header_check(7, hash), cases[i].check);
        assert_int_equal(header_check(8, hash), DSDN_CELESTIA_OK);
        clear();
    }
    fault("{\"kind\":\"forged_header\",\"from\":7,\"to\":7,\"text\":\"time\"}");
    struct reply r = ask("header.GetByHeight", "[7]");
    const char *time_text = json_string_value(json_object_get(json_object_get(r.result, "header"), "time"));
    assert_memory_equal(time_text, "2033", 4);
    done(&r);
    clear();
    /* a fork: another chain from height 10 on, each header naming the one before it */
    uint8_t previous[32];
    fault("{\"kind\":\"fork\",\"from\":10}");
    assert_int_equal(header_check(9, hash), DSDN_CELESTIA_OK);
    assert_memory_equal(hash, dsdn_devnet_chain_block(node->chain, 9)->hash, 32);
    assert_int_equal(header_check(10, previous), DSDN_CELESTIA_OK);
    assert_memory_not_equal(previous, dsdn_devnet_chain_block(node->chain, 10)->hash, 32);
    for (uint64_t h = 11; h <= 30; h++) {
        assert_int_equal(header_check(h, hash), DSDN_CELESTIA_BAD_LAST_BLOCK); /* of the true chain */
        r = ask("header.GetByHeight", "[%d]", (int)h);
        char upper[65];
        dsdn_hex_encode(previous, 32, upper);
        json_t *last =
            json_object_get(json_object_get(json_object_get(r.result, "header"), "last_block_id"), "hash");
        assert_int_equal(strcasecmp(json_string_value(last), upper), 0);
        done(&r);
        memcpy(previous, hash, 32);
    }
    clear();
    assert_int_equal(header_check(30, hash), DSDN_CELESTIA_OK);
}

static void head_faults(void **state)
{
    (void)state;
    start(0);
    produce(20);
    fault("{\"kind\":\"stale_head\",\"value\":5}");
    struct reply r = ask("header.NetworkHead", "[]");
    assert_string_equal(json_string_value(json_object_get(json_object_get(r.result, "header"), "height")),
                        "15");
    done(&r);
    expect_error(ask("header.GetByHeight", "[18]"), 200, 1,
                 "from the future: networkHeight: 15, requestedHeight: 18");
    clear();
    fault("{\"kind\":\"sync_lag\",\"value\":4}");
    expect_error(ask("header.GetByHeight", "[18]"), 200, 1,
                 "header: syncing in progress: localHeadHeight: 16, requestedHeight: 18");
    r = ask("header.LocalHead", "[]");
    assert_string_equal(json_string_value(json_object_get(json_object_get(r.result, "header"), "height")),
                        "16");
    done(&r);
    r = ask("header.SyncState", "[]");
    assert_int_equal(json_integer_value(json_object_get(r.result, "height")), 16);
    assert_int_equal(json_integer_value(json_object_get(r.result, "to_height")), 20);
    done(&r);
    clear();
}

/* Verdict of a client about the namespace at height 1. */
static enum dsdn_namespace_verdict data_verdict(void)
{
    struct dsdn_devnet_described *d = malloc(sizeof *d);
    struct dsdn_rpc_answer answer;
    struct dsdn_rows_answer rows;
    struct dsdn_namespace_result result = {.verdict = DSDN_NAMESPACE_BAD_PROOF};
    struct dsdn_share_run runs[DSDN_SQUARE_K_MAX];
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct reply r = ask("share.GetNamespaceData", "[1,\"%s\"]", ns64);
    assert_int_equal(dsdn_devnet_chain_describe(node->chain, 1, d, NULL), 0);
    assert_int_equal(dsdn_rpc_read_answer(r.text, strlen(r.text), 7, &answer, &error), 0);
    assert_int_equal(dsdn_json_read_rows(answer.result, d->block.dah.row_cnt / 2, &rows, &error), 0);
    dsdn_namespace_data_verify(ns, d->block.dah.row_roots, d->block.dah.row_cnt, rows.rows, rows.row_cnt,
                               runs, &result, &error);
    dsdn_rows_answer_free(&rows);
    done(&r);
    free(d);
    return result.verdict;
}

static void data_faults(void **state)
{
    (void)state;
    static const char *const lies[] = {"hide", "wrong_share", "missing_share", "missing_row", "wrong_proof"};
    start(0);
    char *data = many(30000);
    submit(data, 1);
    assert_int_equal(data_verdict(), DSDN_NAMESPACE_PRESENT);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char text[64];
        sprintf(text, "{\"kind\":\"%s\",\"value\":20}", lies[i]);
        fault(text);
        assert_int_equal(data_verdict(), DSDN_NAMESPACE_BAD_PROOF);
        clear();
        assert_int_equal(data_verdict(), DSDN_NAMESPACE_PRESENT);
    }
    fault("{\"kind\":\"withhold\"}");
    expect_error(ask("share.GetNamespaceData", "[1,\"%s\"]", ns64), 200, 1, "data not found");
    struct reply r = ask("blob.GetAll", "[1,[\"%s\"]]", ns64);
    assert_true(json_is_null(r.result));
    done(&r);
    clear();
    fault("{\"kind\":\"wrong_share\"}");
    r = ask("blob.GetAll", "[1,[\"%s\"]]", ns64);
    assert_string_not_equal(json_string_value(json_object_get(json_array_get(r.result, 0), "data")), data);
    done(&r);
    clear();
    free(data);
}

static uint32_t landed_at(uint64_t height)
{
    struct reply r = ask("blob.GetAll", "[%d,[\"%s\"]]", (int)height, ns64);
    uint32_t cnt = (uint32_t)json_array_size(r.result);
    done(&r);
    return cnt;
}

static void submit_faults(void **state)
{
    (void)state;
    char params[256];
    start(0);
    produce(1);
    sprintf(params, "[[{\"namespace\":\"%s\",\"data\":\"AAAA\",\"share_version\":0}],{}]", ns64);
    fault("{\"kind\":\"submit_late\",\"value\":2}");
    expect_error(ask("blob.Submit", "%s", params), 200, 1,
                 "timed out waiting for tx to be included in a block");
    clear();
    produce(4);
    assert_int_equal(landed_at(2) + landed_at(3), 0);
    assert_int_equal(landed_at(4), 1);
    assert_int_equal(landed_at(5), 0);
    fault("{\"kind\":\"submit_lost\"}");
    expect_error(ask("blob.Submit", "%s", params), 200, 1, "timed out");
    clear();
    produce(4);
    for (uint64_t h = 6; h <= 9; h++) assert_int_equal(landed_at(h), 0);
    fault("{\"kind\":\"submit_twice\",\"value\":1}");
    node->produce_on_submit = true;
    struct reply r = ask("blob.Submit", "%s", params);
    assert_int_equal(json_integer_value(r.result), 10);
    done(&r);
    clear();
    produce(2);
    assert_int_equal(landed_at(10), 1);
    assert_int_equal(landed_at(11), 1);
    assert_int_equal(landed_at(12), 0);
    fault("{\"kind\":\"sequence\"}");
    expect_error(ask("blob.Submit", "%s", params), 200, 1,
                 "account sequence mismatch, expected 3, got 4: incorrect account sequence");
    clear();
    /* a restart forgets the mempool, and who waits hears it */
    node->produce_on_submit = false;
    char text[512];
    sprintf(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"blob.Submit\",\"params\":%s}", params);
    struct dsdn_devnet_call *call = begin(DSDN_DEVNET_ALL, text);
    struct dsdn_devnet_answer *answer;
    assert_false(dsdn_devnet_call_step(call, &answer));
    r = ask("devnet.Restart", "[0]");
    assert_true(node->restart_wanted);
    done(&r);
    produce(1);
    expect_error(finish(call), 200, 1, "evicted");
}

static void garbage(void **state)
{
    (void)state;
    start(0);
    struct reply r = ask("devnet.Garbage", "[\"%s\",5000,\"blobs\",50]", ns64);
    assert_int_equal(json_integer_value(r.result), 1);
    done(&r);
    produce(1);
    assert_int_equal(data_verdict(), DSDN_NAMESPACE_PRESENT);
    assert_int_equal(landed_at(1), 5000);
    r = ask("devnet.Garbage", "[\"%s\",100,\"shares\",2000]", ns64);
    done(&r);
    produce(1);
    const struct dsdn_devnet_data *data;
    struct dsdn_devnet_blobs found;
    assert_int_equal(dsdn_devnet_shelf_open(&node->shelf, 2, &data, NULL), 0);
    assert_int_equal(dsdn_devnet_blobs_make(data, ns, &found, NULL), 0);
    uint32_t bad = 0;
    for (uint32_t i = 0; i < found.blob_cnt; i++) bad += found.blobs[i].kind != DSDN_BLOB_DATA;
    assert_true(bad > 50);
    dsdn_devnet_blobs_free(&found);
    expect_error(ask("blob.GetAll", "[2,[\"%s\"]]", ns64), 200, 1, "");
    expect_error(ask("devnet.Garbage", "[\"%s\",70000,\"blobs\",50]", ns64), 200, 1,
                 "more than fits one block");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_teardown(name, stop)
        T(published_methods), T(shapes),      T(client_reads),     T(requests),      T(permissions),
        T(heights),           T(namespaces),  T(submission_rules), T(blobs),         T(transport_faults),
        T(header_faults),     T(head_faults), T(data_faults),      T(submit_faults), T(garbage),
    };
    if (dsdn_sign_self_test(NULL)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
