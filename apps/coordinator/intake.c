#include "apps/coordinator/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, TURN_BUNDLES = 256, REFUSED_SHOWN = 10 };

static struct dsdn_engine *engine_of(const struct coordinator *c)
{
    return dsdn_follow_engine(c->follow);
}

/* ---- HTTP ---- */

/* The status of a request whose first refusal is this one, when nothing was accepted. */
static unsigned status_of(enum dsdn_pool_answer answer)
{
    static const unsigned status[DSDN_POOL_ANSWER_CNT] = {
        [DSDN_POOL_ACCEPTED] = 202,   [DSDN_POOL_KNOWN] = 202,         [DSDN_POOL_MALFORMED] = 400,
        [DSDN_POOL_WRONG_KIND] = 400, [DSDN_POOL_TOO_LARGE] = 413,     [DSDN_POOL_TYPE_DISABLED] = 422,
        [DSDN_POOL_NONCE_USED] = 409, [DSDN_POOL_NONCE_FAR] = 422,     [DSDN_POOL_NONCE_TAKEN] = 409,
        [DSDN_POOL_EXPIRED] = 422,    [DSDN_POOL_BAD_SIGNATURE] = 403, [DSDN_POOL_AUTHOR_FULL] = 429,
        [DSDN_POOL_POOL_FULL] = 503,  [DSDN_POOL_UNAVAILABLE] = 503,
    };
    return status[answer];
}

static void write_refusal(struct dsdn_text *t, uint64_t index, const uint8_t id[32],
                          enum dsdn_pool_answer answer, const struct dsdn_error *why)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "index");
    dsdn_text_u64(t, index);
    dsdn_text_key(t, "id");
    if (dsdn_zero32(id))
        dsdn_text_null(t);
    else
        dsdn_text_hex(t, id, 32);
    dsdn_text_key(t, "code");
    dsdn_text_string(t, dsdn_pool_answer_name(answer));
    dsdn_text_key(t, "message");
    dsdn_text_string(t, why->message);
    dsdn_text_close(t, '}');
}

static unsigned refuse_all(struct dsdn_text *t, unsigned status, const char *code, const char *message)
{
    dsdn_text_clear(t);
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "code");
    dsdn_text_string(t, code);
    dsdn_text_key(t, "message");
    dsdn_text_string(t, message);
    dsdn_text_close(t, '}');
    return status;
}

unsigned intake_post(struct coordinator *c, const uint8_t *bytes, size_t len, struct dsdn_text *t)
{
    struct dsdn_text refused;
    struct dsdn_error why;
    uint64_t now = coordinator_now(), index = 0;
    unsigned status = 0;
    bool any = false;
    size_t used = 1;
    uint8_t id[32];
    if (!c->caught_up) return refuse_all(t, 503, "CATCHING_UP", "the log is being read; try again");
    if (!len) return refuse_all(t, 400, "MALFORMED", "the request holds no bundle");
    dsdn_text_init(&refused, (size_t)8 << 20, 0);
    dsdn_text_open(&refused, '[');
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "accepted");
    dsdn_text_open(t, '[');
    for (size_t at = 0; at < len && used; at += used, index++) {
        why = (struct dsdn_error)DSDN_ERROR_INIT;
        enum dsdn_pool_answer answer =
            dsdn_pool_offer(c->pool, engine_of(c), now, bytes + at, len - at, &used, id, &why);
        if (answer <= DSDN_POOL_KNOWN) {
            any = true;
            dsdn_text_hex(t, id, 32);
            continue;
        }
        if (!status) status = status_of(answer);
        write_refusal(&refused, index, id, answer, &why);
    }
    dsdn_text_close(&refused, ']');
    dsdn_text_close(t, ']');
    dsdn_text_key(t, "refused");
    int failed = dsdn_text_status(&refused, NULL);
    if (!failed) dsdn_text_put(t, refused.bytes, refused.len);
    dsdn_text_free(&refused);
    dsdn_text_close(t, '}');
    if (any && dsdn_pool_sync(c->pool, &why)) return refuse_all(t, 503, "UNAVAILABLE", why.message);
    if (failed || dsdn_text_status(t, NULL))
        return refuse_all(t, 503, "UNAVAILABLE", "no memory for the answer");
    return any ? 202 : status;
}

/* ---- files ---- */

int intake_open(struct intake *in, const char *path, struct dsdn_error *error)
{
    bool standard = strcmp(path, "-") == 0;
    *in = (struct intake){.fd = -1, .name = standard ? "standard input" : path};
    in->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0) return dsdn_fail_errno(error, errno, "opening %s", path);
    return DSDN_OK;
}

void intake_close(struct intake *in)
{
    if (in->fd > STDIN_FILENO) close(in->fd);
    free(in->bytes);
    *in = (struct intake){.fd = -1, .ended = true};
}

static int more_bytes(struct intake *in, bool *grew, struct dsdn_error *error)
{
    struct pollfd ready = {.fd = in->fd, .events = POLLIN};
    *grew = false;
    if (in->ended || poll(&ready, 1, 0) <= 0) return DSDN_OK;
    if (in->cap - in->len < CHUNK) {
        size_t cap = in->cap + DSDN_BATCH_LIMIT + CHUNK;
        uint8_t *grown = cap <= 4 * (size_t)DSDN_BATCH_LIMIT ? realloc(in->bytes, cap) : NULL;
        if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the bundles of %s", in->name);
        in->bytes = grown;
        in->cap = cap;
    }
    ssize_t got = read(in->fd, in->bytes + in->len, CHUNK);
    if (got < 0) return errno == EINTR ? DSDN_OK : dsdn_fail_errno(error, errno, "reading %s", in->name);
    in->ended = got == 0;
    in->len += (size_t)got;
    *grew = got != 0;
    return DSDN_OK;
}

/* A bundle at the end of what was read may be cut: more has to come before it is judged. */
static bool whole(const struct intake *in, size_t at)
{
    size_t left = in->len - at;
    if (left < DSDN_BUNDLE_LEN) return in->ended;
    return in->ended || dsdn_load32(in->bytes + at + DSDN_BUNDLE_AT_EVENTS_LEN) <= left - DSDN_BUNDLE_LEN ||
           left > DSDN_BATCH_LIMIT;
}

static void show(const struct coordinator *c, const struct intake *in, size_t at,
                 enum dsdn_pool_answer answer, const struct dsdn_error *why)
{
    if (c->options->quiet || in->refused > REFUSED_SHOWN) return;
    fprintf(stderr, "dsdn-coordinator: the bundle at offset %llu of %s is refused: %s: %s%s\n",
            (unsigned long long)(in->offset + at), in->name, dsdn_pool_answer_name(answer), why->message,
            in->refused == REFUSED_SHOWN ? " (more are not shown)" : "");
}

int intake_read(struct intake *in, struct coordinator *c, bool *more, struct dsdn_error *error)
{
    size_t at = 0, used = 1;
    bool grew = false, full = false;
    int rc = DSDN_OK;
    *more = false;
    if (in->fd < 0 || !c->caught_up) return DSDN_OK;
    if (in->len < DSDN_BATCH_LIMIT) rc = more_bytes(in, &grew, error);
    for (int i = 0; !rc && i < TURN_BUNDLES && at < in->len && whole(in, at); i++) {
        struct dsdn_error why = DSDN_ERROR_INIT;
        uint8_t id[32];
        enum dsdn_pool_answer answer = dsdn_pool_offer(c->pool, engine_of(c), coordinator_now(),
                                                       in->bytes + at, in->len - at, &used, id, &why);
        full =
            answer == DSDN_POOL_AUTHOR_FULL || answer == DSDN_POOL_POOL_FULL || answer == DSDN_POOL_NONCE_FAR;
        if (full) break; /* until batches took some */
        if (answer == DSDN_POOL_UNAVAILABLE) {
            if (error) *error = why;
            rc = why.code;
            break;
        }
        *(answer == DSDN_POOL_ACCEPTED ? &in->accepted
          : answer == DSDN_POOL_KNOWN  ? &in->known
                                       : &in->refused) += 1;
        if (answer > DSDN_POOL_KNOWN) show(c, in, at, answer, &why);
        if (!used)
            rc = dsdn_fail_at(error, DSDN_E_MALFORMED, in->name, in->offset + at, "no bundle begins here: %s",
                              why.message);
        at += used;
    }
    if (at) memmove(in->bytes, in->bytes + at, in->len - at);
    in->len -= at;
    in->offset += at;
    if (!rc) rc = dsdn_pool_sync(c->pool, error);
    if (in->ended && !in->len) {
        in->fd = in->fd > STDIN_FILENO ? (close(in->fd), -1) : -1;
    } else
        *more = (grew || at) && !full;
    return rc;
}
