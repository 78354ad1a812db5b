/* follow_view.c: what the sequencer asks of the state (log/state_view.h). */
#include "statemachine/follow_internal.h"

#include <stdlib.h>

/* ---- eras ---- */

static bool era_is(const struct follow_era *era, const struct dsdn_sys_row_head *head)
{
    return era->epoch == head->authority_epoch && era->next_epoch == head->next_epoch &&
           era->quorum_set == head->quorum_set && era->quorum_pct == head->quorum_pct &&
           dsdn_equal32(era->authority, head->authority) &&
           dsdn_equal32(era->next_authority, head->next_authority);
}

int dsdn_follow_era_room(struct dsdn_follow *f, struct dsdn_error *error)
{
    return dsdn_follow_room(&f->eras, &f->era_cap, f->era_cnt, sizeof *f->eras, error);
}

/* Members in set order, zero-padded to the room they are given. */
static uint32_t members_of(const struct dsdn_state *s, uint32_t set, uint8_t *members)
{
    uint8_t prefix[4];
    uint32_t cnt = 0;
    struct dsdn_walk w;
    dsdn_store32(prefix, __builtin_bswap32(set));
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_quorum_member], 0, prefix, 4);
    for (uint32_t row; cnt < DSDN_QUORUM_MEMBER_MAX && (row = dsdn_walk_next(&w)) != DSDN_NO_ROW; cnt++)
        memcpy(members + 32 * (size_t)cnt, dsdn_sys_quorum_member_at(s, row)->member, 32);
    return cnt;
}

int dsdn_follow_era(struct dsdn_follow *f, struct dsdn_error *error)
{
    const struct dsdn_state *s = dsdn_engine_state(f->engine);
    const struct dsdn_sys_row_head *head = dsdn_head(s);
    if (f->era_cnt && era_is(&f->eras[f->era_cnt - 1], head)) return DSDN_OK;
    struct follow_era *era = &f->eras[f->era_cnt];
    uint8_t members[DSDN_QUORUM_MEMBER_MAX * 32];
    *era = (struct follow_era){.next = head->sequence,
                               .epoch = head->authority_epoch,
                               .next_epoch = head->next_epoch,
                               .quorum_set = head->quorum_set,
                               .quorum_pct = head->quorum_pct};
    memcpy(era->authority, head->authority, 32);
    memcpy(era->next_authority, head->next_authority, 32);
    era->member_cnt = members_of(s, head->quorum_set, members);
    if (era->member_cnt && !(era->members = malloc(32 * (size_t)era->member_cnt)))
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the %u members of a set", era->member_cnt);
    if (era->member_cnt) memcpy(era->members, members, 32 * (size_t)era->member_cnt);
    f->era_cnt++;
    return DSDN_OK;
}

void dsdn_follow_eras_cut(struct dsdn_follow *f, uint64_t next)
{
    while (f->era_cnt && f->eras[f->era_cnt - 1].next > next) free(f->eras[--f->era_cnt].members);
}

void dsdn_follow_eras_drop(struct dsdn_follow *f, uint64_t next)
{
    size_t gone = 0;
    while (gone + 1 < f->era_cnt && f->eras[gone + 1].next <= next) free(f->eras[gone++].members);
    if (!gone) return;
    f->era_cnt -= gone;
    memmove(f->eras, f->eras + gone, f->era_cnt * sizeof *f->eras);
}

/* ---- the easy questions ---- */

static void view_head(void *self, struct dsdn_head *out)
{
    const struct dsdn_follow *f = self;
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(f->engine));
    *out = (struct dsdn_head){.next = head->sequence,
                              .time_ms = head->time_ms,
                              .origin = {.height = head->origin_height, .time_ms = head->origin_time},
                              .cursor = {head->cursor_height, head->cursor_index},
                              .committee_epoch = head->committee_epoch};
    memcpy(out->hash, head->batch_hash, 32);
    memcpy(out->origin.hash, head->origin_hash, 32);
}

static enum dsdn_right view_may(void *self, const uint8_t publisher[32], uint64_t epoch)
{
    const struct dsdn_follow *f = self;
    enum dsdn_right best = DSDN_RIGHT_UNKNOWN;
    if (dsdn_zero32(publisher)) return best;
    for (size_t i = f->era_cnt; i-- > 0 && best != DSDN_RIGHT_CURRENT;) {
        const struct follow_era *era = &f->eras[i];
        if (epoch == era->epoch && dsdn_equal32(publisher, era->authority))
            best = DSDN_RIGHT_CURRENT;
        else if (epoch == era->next_epoch && dsdn_equal32(publisher, era->next_authority))
            best = DSDN_RIGHT_ANNOUNCED;
    }
    return best;
}

static bool view_set(void *self, uint64_t next, uint32_t id, struct dsdn_signer_set *set)
{
    struct dsdn_follow *f = self;
    const struct follow_era *era = NULL;
    for (size_t i = f->era_cnt; i-- > 0 && !era;)
        if (f->eras[i].next <= next) era = &f->eras[i];
    if (!era) return false;
    if (id == era->quorum_set && era->member_cnt && era->quorum_pct) {
        *set = (struct dsdn_signer_set){DSDN_SET_QUORUM, era->members, era->member_cnt, era->quorum_pct};
        return true;
    }
    if (id != DSDN_EMERGENCY_SET) return false;
    /* No event changes the emergency set, so the genesis has it. */
    const struct dsdn_list *members = &f->genesis.event.emergency_members;
    *set = (struct dsdn_signer_set){DSDN_SET_EMERGENCY, members->items, members->count, 67};
    return members->count > 0;
}

static void view_limits(void *self, struct dsdn_fork_limits *limits, uint32_t *batch_max)
{
    const struct dsdn_follow *f = self;
    const struct dsdn_state *s = dsdn_engine_state(f->engine);
    limits->origin_lag_max = (uint64_t)DSDN_SETTING(s, origin_lag_max);
    limits->fork_window = (uint64_t)DSDN_SETTING(s, fork_window);
    *batch_max = (uint32_t)DSDN_SETTING(s, batch_max);
}

/* ---- judging ---- */

/* A fault of this program, not of the batch: what it is stays until the follower is opened again. */
static enum dsdn_judgement give_up(struct dsdn_follow *f, const struct dsdn_error *error)
{
    if (!f->fatal.code) f->fatal = *error;
    return DSDN_JUDGED_HALT;
}

static enum dsdn_judgement invalid(struct dsdn_follow *f, const uint8_t hash[32],
                                   const struct dsdn_error *error)
{
    if (error->code == DSDN_E_NO_MEMORY || dsdn_error_exit(error->code) == 2) return give_up(f, error);
    f->refused++;
    f->refusal = (f->refusal + 1) % FOLLOW_REFUSALS;
    memcpy(f->refusals[f->refusal].hash, hash, 32);
    f->refusals[f->refusal].error = *error;
    return DSDN_JUDGED_INVALID;
}

/* What takes the primary's data: does da_origin name a real header, are the direct bundles the selected ones?
 */
static enum dsdn_judgement judge_data(struct dsdn_follow *f, const struct dsdn_engine *e,
                                      const struct dsdn_prepared *p, uint64_t *wait, struct dsdn_error *error)
{
    const struct dsdn_header *h = &p->batch.header;
    const struct dsdn_cursor cursor = follow_cursor(e);
    if (!f->primary) return DSDN_JUDGED_VALID;
    *wait = h->origin.height;
    if (!dsdn_follow_queue_covers(f, &cursor) || f->read_to == DSDN_HEIGHT_NONE ||
        h->origin.height > f->read_to)
        return DSDN_JUDGED_WAIT;
    /* Without a header it is the one of the head, which dsdn_engine_judge compared. */
    const struct follow_header *header = dsdn_follow_header(f, h->origin.height);
    if (header && !dsdn_equal32(header->hash, h->origin.hash)) {
        dsdn_fail(error, DSDN_E_TIME,
                  "da_origin names a header of height %llu that the primary does not have",
                  (unsigned long long)h->origin.height);
        return invalid(f, p->batch.hash, error);
    }
    if (header && header->time_ms != h->origin.time_ms) {
        dsdn_fail(error, DSDN_E_TIME, "da_origin says %llu ms; the header of height %llu says %llu",
                  (unsigned long long)h->origin.time_ms, (unsigned long long)h->origin.height,
                  (unsigned long long)header->time_ms);
        return invalid(f, p->batch.hash, error);
    }
    int rc = dsdn_direct_select(e, &f->queue, &h->origin, h->time_ms, &f->selection, error);
    if (!rc) rc = dsdn_direct_judge(&f->queue, p, &f->selection, error);
    return rc ? invalid(f, p->batch.hash, error) : DSDN_JUDGED_VALID;
}

/* The state decides first, so that what is applied provisionally lacks nothing but the data. */
static enum dsdn_judgement view_judge(void *self, const struct dsdn_batch *batch, uint64_t *wait,
                                      struct dsdn_error *error)
{
    struct dsdn_follow *f = self;
    struct dsdn_prepared *p = &f->prepared;
    if (f->fatal.code) return *error = f->fatal, DSDN_JUDGED_HALT;
    int rc =
        dsdn_prepare(p, f->options.catalogue, dsdn_engine_seed(f->engine), batch->bytes, batch->len, error);
    if (!rc) rc = dsdn_prepare_hashes(&p, 1, DSDN_CHECK_SIGNATURES, error);
    if (!rc) rc = dsdn_prepare_signatures(p, false, 0, UINT32_MAX, f->keys, error);
    /* The sequencer takes a takeover for good only with a certificate that verifies. */
    if (!rc) rc = dsdn_engine_judge(f->engine, p, &dsdn_certificate_verified, error);
    if (rc == DSDN_E_UPGRADE_REQUIRED) {
        if (error) f->halt = *error;
        return DSDN_JUDGED_HALT;
    }
    return rc ? invalid(f, batch->hash, error) : judge_data(f, f->engine, p, wait, error);
}

/* A state of the past; confirmations come in order, so the one of before is often near. */
static int scratch_at(struct dsdn_follow *f, uint64_t next, struct dsdn_error *error)
{
    if (f->scratch && dsdn_head(dsdn_engine_state(f->scratch))->sequence == next) return DSDN_OK;
    dsdn_engine_free(f->scratch);
    f->scratch = NULL;
    return dsdn_follow_state_at(f, next, &f->scratch, NULL, error);
}

static enum dsdn_judgement view_confirm(void *self, uint64_t sequence, uint64_t *wait,
                                        struct dsdn_error *error)
{
    struct dsdn_follow *f = self;
    struct dsdn_prepared *p = &f->prepared;
    struct dsdn_record record;
    if (f->fatal.code) return *error = f->fatal, DSDN_JUDGED_HALT;
    int rc = dsdn_store_sync(f->store, error);
    if (!rc) rc = scratch_at(f, sequence, error);
    if (!rc) rc = dsdn_store_read(f->store, sequence, &f->buffer, &record, error);
    if (!rc)
        rc = dsdn_prepare(p, f->options.catalogue, dsdn_engine_seed(f->scratch), record.batch, record.len,
                          error);
    if (rc) return give_up(f, error);
    enum dsdn_judgement said = judge_data(f, f->scratch, p, wait, error);
    if (said == DSDN_JUDGED_VALID && dsdn_engine_apply(f->scratch, p, error)) return give_up(f, error);
    return said;
}

void dsdn_follow_view(struct dsdn_follow *f)
{
    f->view =
        (struct dsdn_state_view){f, view_head, view_may, view_set, view_limits, view_judge, view_confirm};
}
