/* judge.c: is a batch valid after the state of its predecessor?  protocol.md, section 5: a function of state
 * and bytes alone; no reducer runs. */
#include "statemachine/engine_internal.h"

#include <stdarg.h>
#include <stdio.h>

static int refuse(struct dsdn_error *error, uint64_t sequence, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int refuse(struct dsdn_error *error, uint64_t sequence, int code, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    dsdn_fail(error, code, "%s", text);
    return dsdn_error_in(error, sequence), code;
}

const struct dsdn_certificate dsdn_certificate_verified = {0};

static int judge_chain(const struct dsdn_sys_row_head *head, const struct dsdn_header *h,
                       struct dsdn_error *error)
{
    if (!dsdn_equal32(h->genesis, head->genesis))
        return refuse(error, h->sequence, DSDN_E_WRONG_GENESIS, "the batch belongs to another genesis");
    if (h->sequence != head->sequence)
        return refuse(error, h->sequence, DSDN_E_CHAIN, "sequence %llu where %llu is next",
                      (unsigned long long)h->sequence, (unsigned long long)head->sequence);
    if (!dsdn_equal32(h->prev, head->batch_hash))
        return refuse(error, h->sequence, DSDN_E_CHAIN, "prev is not the hash of the batch before it");
    return DSDN_OK;
}

enum dsdn_right dsdn_engine_right(const struct dsdn_engine *e, const uint8_t publisher[32], uint64_t epoch)
{
    const struct dsdn_sys_row_head *head = dsdn_head(&e->state);
    if (dsdn_zero32(publisher)) return DSDN_RIGHT_UNKNOWN; /* of a takeover: nobody's key */
    if (epoch == head->authority_epoch && dsdn_equal32(publisher, head->authority)) return DSDN_RIGHT_CURRENT;
    return epoch == head->next_epoch && dsdn_equal32(publisher, head->next_authority) ? DSDN_RIGHT_ANNOUNCED
                                                                                      : DSDN_RIGHT_UNKNOWN;
}

static int judge_publisher(const struct dsdn_engine *e, const struct dsdn_header *h, struct dsdn_error *error)
{
    const struct dsdn_sys_row_head *head = dsdn_head(&e->state);
    switch (dsdn_engine_right(e, h->publisher, h->committee_epoch)) {
    case DSDN_RIGHT_CURRENT: return DSDN_OK;
    case DSDN_RIGHT_ANNOUNCED:
        if (h->time_ms >= head->next_from) return DSDN_OK;
        return refuse(error, h->sequence, DSDN_E_AUTHORITY,
                      "time_ms %llu: the hand-off to epoch %llu begins at %llu",
                      (unsigned long long)h->time_ms, (unsigned long long)head->next_epoch,
                      (unsigned long long)head->next_from);
    default:
        return refuse(
            error, h->sequence, DSDN_E_AUTHORITY,
            "the publisher or its committee epoch %llu is not the authority of the log (epoch %llu)",
            (unsigned long long)h->committee_epoch, (unsigned long long)head->authority_epoch);
    }
}

static int judge_authority(const struct dsdn_engine *e, const struct dsdn_prepared *p,
                           const struct dsdn_certificate *certificate, struct dsdn_error *error)
{
    const struct dsdn_state *s = &e->state;
    const struct dsdn_sys_row_head *head = dsdn_head(s);
    const struct dsdn_header *h = &p->batch.header;
    if (!dsdn_zero32(h->publisher)) {
        if (p->takeover_cnt)
            return refuse(error, h->sequence, DSDN_E_AUTHORITY,
                          "only a takeover batch may carry AuthorityReplaced");
        return judge_publisher(e, h, error);
    }
    /* Takeover: the quorum certificate stands in place of the signature (protocol.md, section 9). */
    if (p->bundle_cnt != 1 || p->bundles[0].bundle.kind != DSDN_BUNDLE_AUTHORITY || p->op_cnt != 1 ||
        p->takeover_cnt != 1)
        return refuse(
            error, h->sequence, DSDN_E_AUTHORITY,
            "a takeover batch holds one authority bundle with one AuthorityReplaced and nothing else");
    if (h->committee_epoch != head->authority_epoch)
        return refuse(error, h->sequence, DSDN_E_AUTHORITY,
                      "a takeover in epoch %llu; the authority is of epoch %llu",
                      (unsigned long long)h->committee_epoch, (unsigned long long)head->authority_epoch);
    if (h->cursor.height != head->cursor_height || h->cursor.blob_index != head->cursor_index)
        return refuse(error, h->sequence, DSDN_E_CURSOR,
                      "a takeover batch takes no direct bundles: it leaves da_cursor alone");
    if (!certificate)
        return refuse(error, h->sequence, DSDN_E_AUTHORITY, "a takeover batch needs a quorum certificate");
    if (certificate == &dsdn_certificate_verified) return DSDN_OK;
    if (certificate->set_id != head->quorum_set)
        return refuse(error, h->sequence, DSDN_E_AUTHORITY,
                      "the certificate is of set %u; the quorum is set %u", certificate->set_id,
                      head->quorum_set);
    uint8_t members[DSDN_QUORUM_MEMBER_MAX * 32], prefix[4];
    uint32_t n = 0;
    dsdn_store32(prefix, __builtin_bswap32(head->quorum_set));
    struct dsdn_walk w;
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_quorum_member], 0, prefix, 4);
    for (uint32_t row; n < DSDN_QUORUM_MEMBER_MAX && (row = dsdn_walk_next(&w)) != DSDN_NO_ROW; n++)
        memcpy(members + 32 * n, dsdn_sys_quorum_member_at(s, row)->member, 32);
    int rc = dsdn_certificate_verify(certificate, members, n, head->quorum_pct, h->genesis, h->sequence,
                                     p->batch.hash, NULL, error);
    return rc ? (dsdn_error_in(error, h->sequence), rc) : DSDN_OK;
}

static int judge_types(const struct dsdn_engine *e, const struct dsdn_prepared *p, uint64_t version,
                       struct dsdn_error *error)
{
    uint64_t sequence = p->batch.header.sequence;
    if (version > e->catalogue->version)
        return refuse(error, sequence, DSDN_E_UPGRADE_REQUIRED,
                      "protocol version %u.%u.%u is active from this batch on; this program knows %u.%u.%u",
                      (unsigned)(version >> 32), (unsigned)(version >> 16 & 0xffff),
                      (unsigned)(version & 0xffff), (unsigned)(e->catalogue->version >> 32),
                      (unsigned)(e->catalogue->version >> 16 & 0xffff),
                      (unsigned)(e->catalogue->version & 0xffff));
    int rc = DSDN_OK;
    uint32_t bundle = p->unknown_bundle, index = p->unknown_index;
    if (p->unknown_type)
        rc = refuse(error, sequence, DSDN_E_TYPE_DISABLED,
                    "event type 0x%04x version %u is not known to the protocol", p->unknown_code,
                    p->unknown_version);
    else if (p->newest_type > version) {
        const struct dsdn_event_desc *desc = &e->catalogue->events->events[p->newest_event];
        for (uint32_t op = 0; op < p->op_cnt; op++)
            if (p->ops[op].event == p->newest_event) {
                dsdn_prepared_position(p, op, &bundle, &index);
                break;
            }
        rc = refuse(error, sequence, DSDN_E_TYPE_DISABLED, "%s is enabled from protocol version %u.%u.%u on",
                    desc->name, (unsigned)(desc->since >> 32), (unsigned)(desc->since >> 16 & 0xffff),
                    (unsigned)(desc->since & 0xffff));
    }
    if (rc && error) {
        error->bundle = bundle;
        error->event = index;
    }
    return rc;
}

static int judge_time(const struct dsdn_sys_row_head *head, const struct dsdn_header *h,
                      struct dsdn_error *error)
{
    const struct dsdn_origin *o = &h->origin;
    if (!head->has_primary) {
        if (o->height || o->time_ms || !dsdn_zero32(o->hash) || h->cursor.height || h->cursor.blob_index)
            return refuse(error, h->sequence, DSDN_E_TIME,
                          "da_origin and da_cursor are zero on a network without a primary");
    } else {
        if (o->height < head->origin_height)
            return refuse(error, h->sequence, DSDN_E_TIME, "da_origin steps back from height %llu to %llu",
                          (unsigned long long)head->origin_height, (unsigned long long)o->height);
        /* Before batch 0 the head names da_start: its hash is known, its time is not. */
        bool same =
            dsdn_equal32(o->hash, head->origin_hash) && (!head->sequence || o->time_ms == head->origin_time);
        if (o->height == head->origin_height && !same)
            return refuse(error, h->sequence, DSDN_E_TIME, "da_origin names another header for height %llu",
                          (unsigned long long)o->height);
        if (h->cursor.height > o->height)
            return refuse(error, h->sequence, DSDN_E_CURSOR,
                          "da_cursor at height %llu is beyond da_origin at %llu",
                          (unsigned long long)h->cursor.height, (unsigned long long)o->height);
        if (h->cursor.height < head->cursor_height ||
            (h->cursor.height == head->cursor_height && h->cursor.blob_index < head->cursor_index))
            return refuse(error, h->sequence, DSDN_E_CURSOR, "da_cursor steps back");
    }
    uint64_t least = head->time_ms > o->time_ms ? head->time_ms : o->time_ms;
    if (h->time_ms < least)
        return refuse(error, h->sequence, DSDN_E_TIME,
                      "time_ms %llu is before %llu, the later of prev and da_origin",
                      (unsigned long long)h->time_ms, (unsigned long long)least);
    return DSDN_OK;
}

bool dsdn_backlog(const struct dsdn_state *s, const struct dsdn_header *h)
{
    struct dsdn_header unmoved = *h;
    unmoved.cursor = (struct dsdn_cursor){dsdn_head(s)->cursor_height, dsdn_head(s)->cursor_index};
    struct dsdn_tick tick = dsdn_tick_of(s, &unmoved);
    uint32_t budget = (uint32_t)DSDN_SETTING(s, deadline_budget);
    return dsdn_deadlines_due(s, &tick, budget + 1) > budget;
}

static int judge_bundles(const struct dsdn_state *s, const struct dsdn_prepared *p, struct dsdn_error *error)
{
    const struct dsdn_header *h = &p->batch.header;
    const struct dsdn_sys_row_head *head = dsdn_head(s);
    bool others = false;
    for (uint32_t i = 0; i < p->bundle_cnt; i++) {
        if (p->bundles[i].bundle.kind != DSDN_BUNDLE_DIRECT) {
            others = true;
            continue;
        }
        if (!head->has_primary || others) {
            refuse(error, h->sequence, DSDN_E_CURSOR, "%s",
                   others ? "direct bundles come before all others"
                          : "a network without a primary has no direct bundles");
            if (error) error->bundle = i;
            return DSDN_E_CURSOR;
        }
    }
    /* Of a takeover nothing is asked here: only it can end a silence in which deadlines pile up. */
    if (dsdn_zero32(h->publisher) || !dsdn_backlog(s, h)) return DSDN_OK;
    if (p->bundle_cnt || h->cursor.height != head->cursor_height ||
        h->cursor.blob_index != head->cursor_index)
        return refuse(error, h->sequence, DSDN_E_BACKLOG,
                      "more than %u deadlines are due: a valid batch is empty and leaves da_cursor alone",
                      (uint32_t)DSDN_SETTING(s, deadline_budget));
    return DSDN_OK;
}

int dsdn_engine_judge(const struct dsdn_engine *e, const struct dsdn_prepared *p,
                      const struct dsdn_certificate *certificate, struct dsdn_error *error)
{
    const struct dsdn_state *s = &e->state;
    const struct dsdn_header *h = &p->batch.header;
    int rc = judge_chain(dsdn_head(s), h, error);
    if (rc) return rc;
    if (p->batch.len > (uint64_t)DSDN_SETTING(s, batch_max))
        return refuse(error, h->sequence, DSDN_E_TOO_LARGE, "a batch of %zu bytes; batch_max is %lld",
                      p->batch.len, (long long)DSDN_SETTING(s, batch_max));
    struct dsdn_tick tick = dsdn_tick_of(s, h);
    rc = judge_types(e, p, dsdn_version_at(s, &tick), error);
    if (!rc) rc = judge_authority(e, p, certificate, error);
    if (!rc) rc = judge_time(dsdn_head(s), h, error);
    if (!rc) rc = judge_bundles(s, p, error);
    return rc;
}
