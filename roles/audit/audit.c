/* audit.c: the mirror of write-once audit logs: a chain of hashes for each author, sealed in segments
 * (docs/formats/reducers.md, "Audit"). */
#include "log/hash.h"
#include "roles/reducers.h"

enum { LOG_TYPE_LEAST = 1, LOG_TYPE_MOST = 10, NODE_STATUS_CLOSED = 4 };

static bool sits_in_committee(const struct dsdn_state *s, const uint8_t key[32])
{
    uint8_t prefix[8];
    dsdn_store64_be(prefix, dsdn_head(s)->authority_epoch);
    struct dsdn_walk w;
    dsdn_walk_begin(&w, &s->tables[dsdn_sys_TABLE_committee_member], 0, prefix, sizeof prefix);
    for (uint32_t row; (row = dsdn_walk_next(&w)) != DSDN_NO_ROW;)
        if (dsdn_equal32(dsdn_sys_committee_member_at(s, row)->coordinator_id, key)) return true;
    return false;
}

static bool is_auditor(const struct dsdn_state *s, const uint8_t key[32])
{
    uint32_t node = dsdn_node_find(s, key);
    return (node != DSDN_NO_ROW && dsdn_node_at(s, node)->status != NODE_STATUS_CLOSED) ||
           dsdn_validator_active(s, key) || sits_in_committee(s, key);
}

static void chain_hash(const struct dsdn_ev_audit_record_posted *e, uint8_t out[32])
{
    uint8_t number[8];
    struct dsdn_sha256 sum;
    dsdn_tag_init(&sum, "dsdn/audit/1");
    dsdn_sha256_update(&sum, e->prev, 32);
    dsdn_store64(number, e->seq);
    dsdn_sha256_update(&sum, number, 8);
    dsdn_store16(number, e->log_type);
    dsdn_sha256_update(&sum, number, 2);
    dsdn_sha256_update(&sum, e->ref, 32);
    dsdn_sha256_update(&sum, e->body_hash, 32);
    dsdn_sha256_final(&sum, out);
}

dsdn_outcome dsdn_reduce_audit_record_posted(struct dsdn_context *c,
                                             const struct dsdn_ev_audit_record_posted *e)
{
    static const struct dsdn_row_audit_chain none;
    struct dsdn_state *s = c->state;
    if (!is_auditor(s, c->author)) return DSDN_RESULT(NOT_AUTHORISED);
    if (e->log_type < LOG_TYPE_LEAST || e->log_type > LOG_TYPE_MOST) return DSDN_UNMET(AUDIT_TYPE);
    uint8_t hash[32];
    chain_hash(e, hash);
    uint32_t row = dsdn_audit_chain_find(s, c->author);
    const struct dsdn_row_audit_chain *known = row == DSDN_NO_ROW ? &none : dsdn_audit_chain_at(s, row);
    if (e->seq < known->next_seq) {
        bool newest = e->seq == known->next_seq - 1 && dsdn_equal32(hash, known->head);
        return newest ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
    }
    if (e->seq != known->next_seq) return DSDN_UNMET(AUDIT_SEQUENCE);
    if (!dsdn_equal32(e->prev, known->head)) return DSDN_UNMET(AUDIT_PREVIOUS);

    if (row == DSDN_NO_ROW) row = dsdn_audit_chain_insert(s, c->author);
    struct dsdn_row_audit_chain *chain = dsdn_audit_chain_edit(s, row);
    memcpy(chain->head, hash, 32);
    chain->next_seq++;
    return DSDN_RESULT(OK);
}

dsdn_outcome dsdn_reduce_worm_segment_sealed(struct dsdn_context *c,
                                             const struct dsdn_ev_worm_segment_sealed *e)
{
    struct dsdn_state *s = c->state;
    if (!is_auditor(s, c->author)) return DSDN_RESULT(NOT_AUTHORISED);
    uint32_t row = dsdn_audit_chain_find(s, c->author);
    if (row == DSDN_NO_ROW) return DSDN_UNMET(AUDIT_UNKNOWN);
    const struct dsdn_row_audit_chain *known = dsdn_audit_chain_at(s, row);
    if (e->segment < known->segments) {
        bool newest = e->segment == known->segments - 1 && e->last + 1 == known->sealed &&
                      dsdn_equal32(e->root, known->sealed_root);
        return newest ? DSDN_RESULT(NO_EFFECT) : DSDN_RESULT(CONFLICT);
    }
    if (e->segment != known->segments) return DSDN_UNMET(AUDIT_SEGMENT);
    if (e->first != known->sealed || e->last < e->first || e->last != known->next_seq - 1)
        return DSDN_UNMET(AUDIT_RANGE);
    if (!dsdn_equal32(e->root, known->head)) return DSDN_UNMET(AUDIT_ROOT);

    struct dsdn_row_audit_chain *chain = dsdn_audit_chain_edit(s, row);
    chain->segments++;
    chain->sealed = e->last + 1;
    memcpy(chain->sealed_root, e->root, 32);
    return DSDN_RESULT(OK);
}
