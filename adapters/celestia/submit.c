#include "adapters/celestia/submit.h"

#include "log/hash.h"

static const char record_magic[4] = "DSUB";
enum { RECORD_FIXED = 20, RECORD_END = 4 };

/* ---- what an answer means ----------------------------------------------------------------------- */

/* Words of the node; the first that occurs in the message counts.  What the transaction may have left behind
 * stands before what only sounds final. */
static const struct {
    const char *words;
    enum dsdn_submit_outcome outcome;
} texts[] = {
    {"already in mempool", DSDN_OUTCOME_UNKNOWN},
    {"was evicted", DSDN_OUTCOME_UNKNOWN},
    {"timed out waiting for tx", DSDN_OUTCOME_UNKNOWN},
    {"deadline exceeded", DSDN_OUTCOME_UNKNOWN},
    {"account sequence mismatch", DSDN_OUTCOME_LATER},
    {"execution code: 32", DSDN_OUTCOME_LATER},
    {"insufficient fees", DSDN_OUTCOME_LATER},
    {"insufficient gas price", DSDN_OUTCOME_LATER},
    {"estimated gas price exceeds", DSDN_OUTCOME_LATER},
    {"not enough gas", DSDN_OUTCOME_REFUSED},
    {"exceeds maximum allowed", DSDN_OUTCOME_REFUSED},
    {"too large", DSDN_OUTCOME_REFUSED},
    {"insufficient funds", DSDN_OUTCOME_REFUSED},
    {"not found", DSDN_OUTCOME_REFUSED}, /* account for signer A not found */
    {"invalid", DSDN_OUTCOME_REFUSED},   /* namespace, blob, signer */
    {"missing permission", DSDN_OUTCOME_REFUSED},
};

enum dsdn_submit_outcome dsdn_submit_outcome(const struct dsdn_rpc_end *end)
{
    uint64_t height;
    const char *message = end->error.message;
    if (end->meaning.answer == DSDN_DA_PRESENT) /* a result that is no height says nothing */
        return dsdn_span_u64(end->result, INT64_MAX, &height) && height ? DSDN_OUTCOME_INCLUDED
                                                                        : DSDN_OUTCOME_UNKNOWN;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strstr(message, texts[i].words)) return texts[i].outcome;
    if (end->meaning.answer == DSDN_DA_UNAUTHORISED) return DSDN_OUTCOME_REFUSED;
    if (end->meaning.answer == DSDN_DA_MALFORMED && end->meaning.retry == DSDN_RETRY_NEVER)
        return DSDN_OUTCOME_REFUSED; /* the node could not read the request */
    if (strstr(message, "HTTP status 429") || strstr(message, "HTTP status 503") ||
        strstr(message, dsdn_http_end_text(DSDN_HTTP_CONNECT)) ||
        strstr(message, dsdn_http_end_text(DSDN_HTTP_RESOLVE)))
        return DSDN_OUTCOME_LATER; /* it was not even looked at */
    return DSDN_OUTCOME_UNKNOWN;
}

/* ---- records ------------------------------------------------------------------------------------ */

int dsdn_submit_resume(struct dsdn_submit *s, const uint8_t *record, size_t len, struct dsdn_error *error)
{
    uint32_t cnt = len >= RECORD_FIXED ? dsdn_load32(record + 4) : 0;
    if (len < RECORD_FIXED || memcmp(record, record_magic, 4) != 0 || !cnt || cnt > DSDN_SUBMIT_BLOBS_MAX ||
        len != RECORD_FIXED + (size_t)cnt * 32 + RECORD_END)
        return dsdn_fail(error, DSDN_E_MALFORMED, "%zu bytes are no record of a submission", len);
    if (dsdn_load32(record + len - RECORD_END) != dsdn_crc32c(0, record, len - RECORD_END))
        return dsdn_fail(error, DSDN_E_CHECKSUM, "the record of a submission is damaged");
    *s = (struct dsdn_submit){.phase = DSDN_SUBMIT_LOOKING, .blob_cnt = cnt};
    s->head0 = s->read_to = dsdn_load64(record + 8);
    s->attempts = dsdn_load32(record + 16);
    memcpy(s->commitments, record + RECORD_FIXED, (size_t)cnt * 32);
    return DSDN_OK;
}

static size_t write_record(const struct dsdn_submit *s, uint8_t record[DSDN_SUBMIT_RECORD_MAX])
{
    size_t len = RECORD_FIXED + (size_t)s->blob_cnt * 32;
    memcpy(record, record_magic, 4);
    dsdn_store32(record + 4, s->blob_cnt);
    dsdn_store64(record + 8, s->head0);
    dsdn_store32(record + 16, s->attempts);
    memcpy(record + RECORD_FIXED, s->commitments, (size_t)s->blob_cnt * 32);
    dsdn_store32(record + len, dsdn_crc32c(0, record, len));
    return len + RECORD_END;
}

/* ---- the state machine -------------------------------------------------------------------------- */

int dsdn_submit_begin(struct dsdn_submit *s, const uint8_t (*commitments)[32], uint32_t blob_cnt,
                      struct dsdn_error *error)
{
    if (s->phase != DSDN_SUBMIT_IDLE && s->phase != DSDN_SUBMIT_DONE && s->phase != DSDN_SUBMIT_FAILED)
        return dsdn_fail(error, DSDN_E_USAGE, "a submission is open");
    if (!blob_cnt || blob_cnt > DSDN_SUBMIT_BLOBS_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "a submission has 1 to %u blobs, not %u", DSDN_SUBMIT_BLOBS_MAX,
                         blob_cnt);
    for (uint32_t i = 0; i < blob_cnt; i++)
        for (uint32_t j = 0; j < i; j++)
            if (dsdn_equal32(commitments[i], commitments[j]))
                return dsdn_fail(error, DSDN_E_USAGE, "blobs %u and %u of a submission are the same", j, i);
    *s = (struct dsdn_submit){.phase = DSDN_SUBMIT_READY, .blob_cnt = blob_cnt};
    memcpy(s->commitments, commitments, (size_t)blob_cnt * 32);
    return DSDN_OK;
}

size_t dsdn_submit_send(struct dsdn_submit *s, uint64_t head, uint8_t record[DSDN_SUBMIT_RECORD_MAX])
{
    s->phase = DSDN_SUBMIT_SENT;
    s->head0 = head;
    s->returned = 0;
    if (s->read_to < head) s->read_to = head; /* what is below was there before */
    s->attempts++;
    return write_record(s, record);
}

void dsdn_submit_answered(struct dsdn_submit *s, enum dsdn_submit_outcome outcome, uint64_t height,
                          uint64_t now_ms, uint64_t pause_ms, const struct dsdn_error *error)
{
    if (s->phase != DSDN_SUBMIT_SENT) return; /* seen meanwhile */
    if (outcome != DSDN_OUTCOME_LATER) s->pauses = 0;
    switch (outcome) {
    case DSDN_OUTCOME_INCLUDED:
        s->phase = DSDN_SUBMIT_LOOKING;
        s->returned = height;
        break;
    case DSDN_OUTCOME_UNKNOWN: s->phase = DSDN_SUBMIT_LOOKING; break;
    case DSDN_OUTCOME_LATER:
        s->phase = DSDN_SUBMIT_READY;
        s->pauses++;
        s->not_before_ms = now_ms + pause_ms;
        break;
    case DSDN_OUTCOME_REFUSED:
        s->phase = DSDN_SUBMIT_FAILED;
        s->error = *error;
        break;
    }
}

/* Whether all blobs are in the height; their indexes. One that is there twice counts where it is first. */
static bool find(struct dsdn_submit *s, const struct dsdn_da_height *h)
{
    uint32_t found = 0;
    bool have[DSDN_SUBMIT_BLOBS_MAX] = {false};
    for (uint32_t i = 0; i < h->blob_cnt && found < s->blob_cnt; i++) {
        if (!h->blobs[i].bytes) continue;
        for (uint32_t j = 0; j < s->blob_cnt; j++) {
            if (have[j] || !dsdn_equal32(h->blobs[i].commitment, s->commitments[j])) continue;
            have[j] = true;
            s->indices[j] = h->blobs[i].index;
            found++;
            break;
        }
    }
    return found == s->blob_cnt;
}

void dsdn_submit_saw(struct dsdn_submit *s, const struct dsdn_da_height *h)
{
    bool open =
        s->phase == DSDN_SUBMIT_READY || s->phase == DSDN_SUBMIT_SENT || s->phase == DSDN_SUBMIT_LOOKING;
    if (!open || !s->attempts) return; /* nothing was sent: what looks alike is another's */
    if (find(s, h)) {
        s->phase = DSDN_SUBMIT_DONE;
        s->height = h->height;
        return;
    }
    if (h->height == s->read_to + 1) s->read_to = h->height; /* without a gap only */
    if (s->phase == DSDN_SUBMIT_LOOKING && s->read_to > s->head0 + DSDN_SUBMIT_WINDOW &&
        s->read_to > s->returned) {
        s->phase = DSDN_SUBMIT_READY;
        s->not_before_ms = 0;
    }
}
