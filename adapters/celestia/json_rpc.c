#include "adapters/celestia/json_rpc.h"

#include <stdio.h>

static const struct dsdn_view null_span = {(const uint8_t *)"null", 4};

static bool version_ok(struct dsdn_view value)
{
    struct dsdn_view text;
    return dsdn_span_plain(value, &text) && text.len == 3 && memcmp(text.bytes, "2.0", 3) == 0;
}

int dsdn_rpc_read_answer(const void *text, size_t len, uint64_t id, struct dsdn_rpc_answer *answer,
                         struct dsdn_error *error)
{
    enum { VERSION, ID, RESULT, FAILURE, CNT };
    static const char *const names[CNT] = {"jsonrpc", "id", "result", "error"};
    static const char *const parts[] = {"code", "message"};
    struct dsdn_view value, m[CNT], failure[2];
    uint64_t got = 0;
    *answer = (struct dsdn_rpc_answer){.result = null_span};
    int rc = dsdn_span_check(text, len, &value, error);
    if (!rc) rc = dsdn_span_members(value, "the answer", names, CNT, m, error);
    if (rc) return rc;
    if (!version_ok(m[VERSION])) return dsdn_fail(error, DSDN_E_MALFORMED, "the answer is not JSON-RPC 2.0");
    /* a request that could not be read is answered with the id null */
    bool same = dsdn_span_u64(m[ID], UINT64_MAX, &got) && got == id;
    if (!same && !(dsdn_span_none(m[ID]) && m[FAILURE].len))
        return dsdn_fail(error, DSDN_E_MALFORMED, "the answer is to another request");
    if (dsdn_span_none(m[FAILURE])) {
        if (m[RESULT].len) answer->result = m[RESULT];
        return DSDN_OK;
    }
    if (!dsdn_span_none(m[RESULT]))
        return dsdn_fail(error, DSDN_E_MALFORMED, "the answer is a result and an error");
    rc = dsdn_span_members(m[FAILURE], "the error of the answer", parts, 2, failure, error);
    if (rc) return rc;
    answer->failed = true;
    if (!dsdn_span_i64(failure[0], INT32_MIN, INT32_MAX, &answer->code) || dsdn_span_kind(failure[1]) != '"')
        return dsdn_fail(error, DSDN_E_MALFORMED, "the error of the answer has no code or no message");
    dsdn_span_text(failure[1], answer->message, sizeof answer->message);
    return DSDN_OK;
}

void dsdn_rpc_write_request(struct dsdn_text *t, uint64_t id, const char *method, struct dsdn_view params)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "jsonrpc");
    dsdn_text_string(t, "2.0");
    dsdn_text_key(t, "id");
    dsdn_text_u64(t, id);
    dsdn_text_key(t, "method");
    dsdn_text_string(t, method);
    dsdn_text_key(t, "params");
    dsdn_text_raw(t, params);
    dsdn_text_close(t, '}');
}

int dsdn_rpc_read_request(struct dsdn_view value, struct dsdn_rpc_request *request, struct dsdn_error *error)
{
    enum { VERSION, ID, METHOD, PARAMS, CNT };
    static const char *const names[CNT] = {"jsonrpc", "id", "method", "params"};
    struct dsdn_view m[CNT], name, method;
    struct dsdn_span_walk walk;
    *request = (struct dsdn_rpc_request){.param_cnt = 0};
    int rc = dsdn_span_members(value, "the request", names, CNT, m, error);
    if (rc) return rc;
    char kind = dsdn_span_kind(m[ID]);
    if (kind && kind != '0' && kind != '"' && kind != 'n')
        return dsdn_fail(error, DSDN_E_MALFORMED, "the id of the request is no number and no text");
    request->id = m[ID];
    if (!version_ok(m[VERSION])) return dsdn_fail(error, DSDN_E_MALFORMED, "the request is not JSON-RPC 2.0");
    if (!dsdn_span_plain(m[METHOD], &method) || !method.len || method.len >= DSDN_RPC_METHOD_MAX)
        return dsdn_fail(error, DSDN_E_MALFORMED, "the request names no method");
    memcpy(request->method, method.bytes, method.len);
    if (!dsdn_span_none(m[PARAMS]) && dsdn_span_kind(m[PARAMS]) != '[')
        return dsdn_fail(error, DSDN_E_MALFORMED, "the parameters of the request are no array");
    dsdn_span_walk_start(&walk, m[PARAMS]);
    for (struct dsdn_view param; dsdn_span_walk_next(&walk, &name, &param);) {
        if (request->param_cnt == DSDN_RPC_PARAMS_MAX)
            return dsdn_fail(error, DSDN_E_TOO_LARGE, "the request has more than %u parameters",
                             DSDN_RPC_PARAMS_MAX);
        request->params[request->param_cnt++] = param;
    }
    return DSDN_OK;
}

static void begin_answer(struct dsdn_text *t, struct dsdn_view id)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "jsonrpc");
    dsdn_text_string(t, "2.0");
    dsdn_text_key(t, "id");
    dsdn_text_raw(t, id.len ? id : null_span);
}

void dsdn_rpc_write_result(struct dsdn_text *t, struct dsdn_view id)
{
    begin_answer(t, id);
    dsdn_text_key(t, "result");
}

void dsdn_rpc_end_answer(struct dsdn_text *t)
{
    dsdn_text_close(t, '}');
}

void dsdn_rpc_write_error(struct dsdn_text *t, struct dsdn_view id, int64_t code, const char *message)
{
    begin_answer(t, id);
    dsdn_text_key(t, "error");
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "code");
    dsdn_text_i64(t, code);
    dsdn_text_key(t, "message");
    dsdn_text_string(t, message);
    dsdn_text_close(t, '}');
    dsdn_text_close(t, '}');
}
