/* doctor_checks.c: the questions of `doctor`, a line each.  Nothing is verified here beyond what the lines
 * say: the node's word is enough to tell why a replay would not come far. */
#include "apps/replay/doctor.h"

#include "adapters/celestia/base64.h"
#include "adapters/celestia/json_objects.h"
#include "log/json_value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#define HEAD_OLD_S    120      /* of a chain that makes a block every few seconds */
#define CLOCK_AHEAD_S 10       /* a header may be ahead of this clock: the light client's rule */
#define SLOW_US       2000000u /* of one call */
#define ROOM_BYTES    (UINT64_C(1) << 30)
#define DAY_S         86400

/* ---- rows ------------------------------------------------------------------------------------ */

static void say(struct doctor *d, const char *name, enum doctor_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void say(struct doctor *d, const char *name, enum doctor_status status, const char *format, ...)
{
    va_list args;
    if (d->row_cnt == DOCTOR_ROWS_MAX) return;
    struct doctor_row *row = &d->rows[d->row_cnt++];
    row->name = name;
    row->status = status;
    va_start(args, format);
    vsnprintf(row->text, sizeof row->text, format, args);
    va_end(args);
}

/* One call.  The caller ends it with dsdn_rpc_end_call. */
static const struct dsdn_rpc_end *ask(struct doctor *d, struct dsdn_endpoint *endpoint,
                                      enum dsdn_celestia_operation operation, const char *params,
                                      struct dsdn_rpc_call **call)
{
    struct dsdn_view view = {(const uint8_t *)params, strlen(params)};
    *call = NULL;
    return dsdn_rpc_ask(d->rpc, endpoint, operation, view, call, NULL) ? NULL : dsdn_rpc_done(*call);
}

static bool present(const struct dsdn_rpc_end *end)
{
    return end && end->meaning.answer == DSDN_DA_PRESENT;
}

static const char *why(const struct dsdn_rpc_end *end)
{
    return end ? end->error.message : "no memory";
}

/* ---- the token ------------------------------------------------------------------------------- */

/* The middle part of a JWT, base64url without padding, as text. */
static bool decode_claims(const char *token, char *out, size_t cap)
{
    char text[DSDN_TOKEN_MAX + 4];
    const char *begin = strchr(token, '.'), *end = begin ? strchr(begin + 1, '.') : NULL;
    size_t len = 0;
    if (!end || (size_t)(end - begin) >= sizeof text - 4) return false;
    for (const char *c = begin + 1; c < end; c++)
        text[len++] = (char)(*c == '-' ? '+' : *c == '_' ? '/' : *c);
    while (len % 4) text[len++] = '=';
    if (DSDN_BASE64_BYTES_MAX(len) >= cap) return false;
    if (!dsdn_base64_decode(text, len, (uint8_t *)out, &len)) return false;
    out[len] = 0;
    return true;
}

static void say_claims(struct doctor *d, const char *claims)
{
    struct dsdn_json_document json;
    char allowed[128] = "";
    size_t len = 0, i;
    json_t *value;
    if (dsdn_json_load(&json, claims, strlen(claims), NULL)) {
        say(d, "token", DOCTOR_WARNING, "not a token that a node makes");
        return;
    }
    json_array_foreach(json_object_get(json.root, "Allow"), i,
                       value) if (json_is_string(value) && len < sizeof allowed) len +=
        (size_t)snprintf(allowed + len, sizeof allowed - len, "%s%.20s", len ? ", " : "",
                         json_string_value(value));
    const char *expires = json_string_value(json_object_get(json.root, "ExpiresAt"));
    bool ends = expires && strncmp(expires, "0001-01-01", 10) != 0;
    say(d, "token", len ? DOCTOR_FINE : DOCTOR_WARNING, "says it allows %s%s%.30s", len ? allowed : "nothing",
        ends ? ", until " : ", without end", ends ? expires : "");
    dsdn_json_unload(&json);
}

static void check_token(struct doctor *d)
{
    char header[DSDN_TOKEN_HEADER_MAX], claims[DSDN_TOKEN_MAX + 4];
    static const char prefix[] = "Authorization: Bearer ";
    if (!d->endpoint.token || !dsdn_token_header(d->endpoint.token, header)) {
        say(d, "token", DOCTOR_NOTE,
            "none (DA_AUTH_TOKEN, --token-file): enough for a node with --rpc.skip-auth only");
        return;
    }
    if (d->endpoint.token_open)
        say(d, "token-file", DOCTOR_WARNING, "others than its owner can read it: chmod 600");
    if (decode_claims(header + sizeof prefix - 1, claims, sizeof claims))
        say_claims(d, claims);
    else
        say(d, "token", DOCTOR_WARNING, "not a token that a node makes");
    explicit_bzero(header, sizeof header);
    explicit_bzero(claims, sizeof claims);
}

/* What the node lets the token do, whatever it says. */
static void check_scope(struct doctor *d)
{
    struct dsdn_rpc_call *call;
    const struct dsdn_rpc_end *end = ask(d, &d->endpoint, DSDN_CELESTIA_BALANCE, "[]", &call);
    struct dsdn_balance balance;
    if (present(end) && dsdn_json_read_balance(end->result, &balance, NULL) == 0)
        say(d, "account", DOCTOR_NOTE, "%llu.%06llu TIA: what publishing is paid with",
            (unsigned long long)(balance.amount / 1000000), (unsigned long long)(balance.amount % 1000000));
    else
        say(d, "account", DOCTOR_NOTE, "not told (%.150s): needed for publishing only", why(end));
    dsdn_rpc_end_call(d->rpc, call);
    end = ask(d, &d->endpoint, DSDN_CELESTIA_NODE_INFO, "[]", &call);
    if (present(end)) {
        static const char *const names[] = {"type", "api_version"};
        struct dsdn_view values[2];
        char type[32] = "?", version[32] = "?";
        if (dsdn_span_members(end->result, "node.Info", names, 2, values, NULL) == 0) {
            dsdn_span_text(values[0], type, sizeof type);
            dsdn_span_text(values[1], version, sizeof version);
        }
        say(d, "scope", DOCTOR_NOTE, "admin: more than a replay needs (read is enough); a %s node, API %s",
            type, version);
    } else {
        say(d, "scope", DOCTOR_FINE, "read, not admin");
    }
    dsdn_rpc_end_call(d->rpc, call);
}

/* ---- the chain ------------------------------------------------------------------------------- */

/* Reads a header: its place, time, hash and chain. */
struct heading {
    uint64_t height;
    int64_t seconds;
    uint8_t hash[32];
    char chain_id[DSDN_CELESTIA_CHAIN_ID_MAX + 1];
};

static bool read_heading(struct dsdn_view result, struct heading *h)
{
    struct dsdn_block_answer answer;
    if (dsdn_json_read_block(result, &answer, NULL)) return false;
    const struct dsdn_celestia_header *header = &answer.block.header;
    bool good = dsdn_celestia_header_shape(header, NULL) == 0;
    if (good) {
        *h = (struct heading){.height = (uint64_t)header->height, .seconds = header->time.seconds};
        dsdn_celestia_header_hash(header, h->hash);
        memcpy(h->chain_id, header->chain_id.bytes, header->chain_id.len);
    }
    dsdn_block_answer_free(&answer);
    return good;
}

static void check_clock(struct doctor *d, int64_t seconds)
{
    int64_t age = (int64_t)time(NULL) - seconds;
    if (age < -CLOCK_AHEAD_S)
        say(d, "clock", DOCTOR_WARNING, "the head is %lld s in the future: one of the two clocks is wrong",
            (long long)-age);
    else if (age > HEAD_OLD_S)
        say(d, "clock", DOCTOR_WARNING,
            "the head is %lld s old: the node stands still, or this clock is wrong", (long long)age);
    else
        say(d, "clock", DOCTOR_FINE, "the head is %lld s old", (long long)age);
}

/* false: there is nobody to talk to. */
static bool check_head(struct doctor *d)
{
    struct dsdn_rpc_call *call;
    struct heading head;
    const struct dsdn_rpc_end *end = ask(d, &d->endpoint, DSDN_CELESTIA_HEAD, "[]", &call);
    bool up = present(end) && read_heading(end->result, &head);
    if (!present(end))
        say(d, "node",
            end && end->meaning.answer == DSDN_DA_UNAUTHORISED ? DOCTOR_WARNING : DOCTOR_UNREACHABLE, "%s",
            why(end));
    else if (!up)
        say(d, "node", DOCTOR_FALSE, "%s: the head is no header", d->endpoint.url);
    dsdn_rpc_end_call(d->rpc, call);
    if (!up) return false;
    uint64_t us = d->endpoint.metrics.operations[DSDN_CELESTIA_HEAD].slowest;
    say(d, "node", us > SLOW_US ? DOCTOR_WARNING : DOCTOR_FINE, "%s answers in %llu.%llu ms", d->endpoint.url,
        (unsigned long long)us / 1000, (unsigned long long)us % 1000 / 100);
    bool ours = strcmp(head.chain_id, d->node.chain_id) == 0;
    say(d, "chain", ours ? DOCTOR_FINE : DOCTOR_FALSE, ours ? "%s" : "%s, and the genesis names %s",
        head.chain_id, d->node.chain_id);
    d->head = head.height;
    d->head_seconds = head.seconds;
    say(d, "head", DOCTOR_FINE, "height %llu", (unsigned long long)head.height);
    check_clock(d, head.seconds);
    return true;
}

static void check_sync(struct doctor *d)
{
    struct dsdn_rpc_call *call;
    struct dsdn_sync_state state;
    const struct dsdn_rpc_end *end = ask(d, &d->endpoint, DSDN_CELESTIA_SYNC_STATE, "[]", &call);
    if (!present(end) || dsdn_json_read_sync_state(end->result, &state, NULL))
        say(d, "sync", DOCTOR_WARNING, "not told: %s", why(end));
    else if (state.to_height > state.height)
        say(d, "sync", DOCTOR_WARNING, "at height %llu of %llu%s%s", (unsigned long long)state.height,
            (unsigned long long)state.to_height, state.error[0] ? ": " : "", state.error);
    else
        say(d, "sync", DOCTOR_FINE, "done, at height %llu", (unsigned long long)state.height);
    dsdn_rpc_end_call(d->rpc, call);
}

static void check_tail(struct doctor *d)
{
    struct dsdn_rpc_call *call;
    struct heading tail;
    uint64_t start = d->node.genesis.event.da_start;
    const struct dsdn_rpc_end *end = ask(d, &d->endpoint, DSDN_CELESTIA_TAIL, "[]", &call);
    if (!present(end) || !read_heading(end->result, &tail)) {
        say(d, "retention", DOCTOR_NOTE, "not told (nodes before v0.26): %s", why(end));
    } else {
        d->tail = tail.height;
        d->has_tail = true;
        long long days = (long long)(d->head_seconds - tail.seconds) / DAY_S;
        bool all = tail.height <= start;
        say(d, "retention", all ? DOCTOR_FINE : DOCTOR_WARNING,
            all ? "from height %llu on, %lld days; the log begins at %llu"
                : "from height %llu on, %lld days, and the log begins at %llu: an archive, an archival node "
                  "or a "
                  "state directory is needed for what is before",
            (unsigned long long)tail.height, days, (unsigned long long)start);
    }
    dsdn_rpc_end_call(d->rpc, call);
}

/* The header that the genesis binds. */
static void check_start(struct doctor *d)
{
    const struct dsdn_ev_genesis_declared *g = &d->node.genesis.event;
    struct dsdn_rpc_call *call;
    struct heading h;
    char params[32];
    if (d->has_tail && d->tail > g->da_start) return;
    if (g->da_start > d->head) {
        say(d, "start", DOCTOR_WARNING, "the log begins at height %llu, which is not there yet",
            (unsigned long long)g->da_start);
        return;
    }
    snprintf(params, sizeof params, "[%llu]", (unsigned long long)g->da_start);
    const struct dsdn_rpc_end *end = ask(d, &d->endpoint, DSDN_CELESTIA_HEADER, params, &call);
    if (!present(end) || !read_heading(end->result, &h))
        say(d, "start", DOCTOR_WARNING, "height %llu: %s", (unsigned long long)g->da_start, why(end));
    else if (!dsdn_equal32(h.hash, g->da_start_hash))
        say(d, "start", DOCTOR_FALSE, "height %llu has another header than the genesis names",
            (unsigned long long)g->da_start);
    else
        say(d, "start", DOCTOR_FINE, "height %llu has the header that the genesis names",
            (unsigned long long)g->da_start);
    dsdn_rpc_end_call(d->rpc, call);
}

/* Is the trusted header young enough to go upwards from it? */
static void check_trust(struct doctor *d)
{
    struct dsdn_rpc_call *call;
    struct heading h;
    char params[32];
    if (!d->node.pin_height) {
        say(d, "trust", DOCTOR_WARNING, "the node's own head, as asked for: no verdict above authorised");
        return;
    }
    if (d->node.pin_height > d->head || (d->has_tail && d->node.pin_height < d->tail)) {
        say(d, "trust", DOCTOR_WARNING,
            "the node does not have the trusted header (height %llu): --trusted-header",
            (unsigned long long)d->node.pin_height);
        return;
    }
    snprintf(params, sizeof params, "[%llu]", (unsigned long long)d->node.pin_height);
    const struct dsdn_rpc_end *end = ask(d, &d->endpoint, DSDN_CELESTIA_HEADER, params, &call);
    bool there = present(end) && read_heading(end->result, &h);
    int64_t age = there ? (int64_t)time(NULL) - h.seconds : 0;
    if (!there)
        say(d, "trust", DOCTOR_WARNING, "height %llu: %s", (unsigned long long)d->node.pin_height, why(end));
    else if (!dsdn_equal32(h.hash, d->node.pin_hash))
        say(d, "trust", DOCTOR_FALSE, "height %llu has another header than the trusted one",
            (unsigned long long)d->node.pin_height);
    else if (age > DSDN_LIGHT_PERIOD)
        say(d, "trust", DOCTOR_WARNING,
            "the trusted header (height %llu) is %lld days old, more than %u: give a newer one "
            "with --trusted-header, or a --state directory of an earlier run",
            (unsigned long long)d->node.pin_height, (long long)(age / DAY_S), DSDN_LIGHT_PERIOD / DAY_S);
    else
        say(d, "trust", DOCTOR_FINE, "the trusted header (height %llu) is good for %lld more hours",
            (unsigned long long)d->node.pin_height, (long long)((DSDN_LIGHT_PERIOD - age) / 3600));
    dsdn_rpc_end_call(d->rpc, call);
}

static void check_data(struct doctor *d)
{
    struct dsdn_rpc_call *call;
    char ns[DSDN_BASE64_LEN(DSDN_NAMESPACE_LEN) + 1] = "", hex[2 * DSDN_NAMESPACE_LEN + 1], params[128];
    dsdn_hex_encode(d->node.ns, DSDN_NAMESPACE_LEN, hex);
    say(d, "namespace", DOCTOR_FINE, "%s, as the genesis binds it", hex);
    dsdn_base64_encode(d->node.ns, DSDN_NAMESPACE_LEN, ns);
    snprintf(params, sizeof params, "[%llu,\"%s\"]", (unsigned long long)d->head, ns);
    const struct dsdn_rpc_end *end = ask(d, &d->endpoint, DSDN_CELESTIA_NAMESPACE_DATA, params, &call);
    uint64_t us = d->endpoint.metrics.operations[DSDN_CELESTIA_NAMESPACE_DATA].slowest;
    if (present(end))
        say(d, "data", us > SLOW_US ? DOCTOR_WARNING : DOCTOR_FINE, "of the head's height in %llu.%llu ms",
            (unsigned long long)us / 1000, (unsigned long long)us % 1000 / 100);
    else
        say(d, "data", DOCTOR_WARNING, "height %llu: %s", (unsigned long long)d->head, why(end));
    dsdn_rpc_end_call(d->rpc, call);
}

/* ---- around the node ------------------------------------------------------------------------- */

/* Another node must have the same header at the height that both have. */
static void check_witness(struct doctor *d, const struct dsdn_endpoint_options *options)
{
    struct dsdn_endpoint endpoint;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_rpc_call *calls[2] = {NULL, NULL};
    struct heading ours, theirs;
    char params[32];
    if (dsdn_endpoint_open(&endpoint, options, &error)) {
        say(d, "witness", DOCTOR_WARNING, "%s", error.message);
        return;
    }
    snprintf(params, sizeof params, "[%llu]", (unsigned long long)d->head);
    const struct dsdn_rpc_end *a = ask(d, &d->endpoint, DSDN_CELESTIA_HEADER, params, &calls[0]);
    const struct dsdn_rpc_end *b = ask(d, &endpoint, DSDN_CELESTIA_HEADER, params, &calls[1]);
    if (!present(a) || !read_heading(a->result, &ours) || !present(b) || !read_heading(b->result, &theirs))
        say(d, "witness", DOCTOR_WARNING, "%s", why(present(a) ? b : a));
    else if (!dsdn_equal32(ours.hash, theirs.hash))
        say(d, "witness", DOCTOR_FALSE, "%s has another header at height %llu", endpoint.url,
            (unsigned long long)d->head);
    else
        say(d, "witness", DOCTOR_FINE, "%s agrees at height %llu", endpoint.url, (unsigned long long)d->head);
    dsdn_rpc_end_call(d->rpc, calls[0]);
    dsdn_rpc_end_call(d->rpc, calls[1]);
    dsdn_endpoint_close(&endpoint);
}

static void check_room(struct doctor *d)
{
    const char *dir = d->node.options->state, *temporary = getenv("TMPDIR");
    const char *where = dir ? dir : temporary && *temporary ? temporary : "/tmp";
    struct statvfs st;
    if (statvfs(where, &st) != 0) {
        say(d, "disk", DOCTOR_WARNING, "%.150s: %s", where, strerror(errno));
        return;
    }
    uint64_t room = (uint64_t)st.f_bavail * st.f_frsize;
    say(d, "disk", room < ROOM_BYTES ? DOCTOR_WARNING : DOCTOR_FINE, "%llu MiB free in %.150s%s",
        (unsigned long long)(room >> 20), where,
        dir ? "" : " (no --state: a run begins at the start of the log)");
}

void doctor_examine(struct doctor *d)
{
    if (check_head(d)) {
        check_token(d);
        check_scope(d);
        check_sync(d);
        check_tail(d);
        check_start(d);
        check_trust(d);
        check_data(d);
        for (uint32_t i = 0; i < d->node.options->witness.cnt; i++) check_witness(d, &d->node.witnesses[i]);
    } else {
        check_token(d);
    }
    check_room(d);
}
