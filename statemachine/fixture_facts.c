/* fixture_facts.c: what follows from the events of a story: chain hashes of audit logs, quorum sets; and the
 * bytes of evidence. */
#include "statemachine/fixture_story.h"

#include "log/events.h"
#include "log/hash.h"

#include <stdlib.h>

/* ---- from events ---- */

static int learn_record(struct dsdn_story *s, const struct dsdn_story_payload *p,
                        const struct dsdn_ev_audit_record_posted *e, struct dsdn_error *error)
{
    uint8_t number[8];
    struct dsdn_sha256 sum;
    int rc = dsdn_story_grow((void **)&s->records, sizeof *s->records, s->record_cnt, &s->record_cap, error);
    if (rc) return rc;
    struct dsdn_story_record *r = &s->records[s->record_cnt++];
    memcpy(r->author, p->author, 32);
    r->seq = e->seq;
    dsdn_tag_init(&sum, "dsdn/audit/1");
    dsdn_sha256_update(&sum, e->prev, 32);
    dsdn_store64(number, e->seq);
    dsdn_sha256_update(&sum, number, 8);
    dsdn_store16(number, e->log_type);
    dsdn_sha256_update(&sum, number, 2);
    dsdn_sha256_update(&sum, e->ref, 32);
    dsdn_sha256_update(&sum, e->body_hash, 32);
    dsdn_sha256_final(&sum, r->hash);
    return DSDN_OK;
}

static int learn_set(struct dsdn_story *s, uint32_t id, const struct dsdn_list *members,
                     struct dsdn_error *error)
{
    int rc = dsdn_story_grow((void **)&s->sets, sizeof *s->sets, s->set_cnt, &s->set_cap, error);
    if (rc) return rc;
    struct dsdn_story_set *set = &s->sets[s->set_cnt++];
    set->id = id;
    set->cnt = members->count < 64 ? members->count : 64;
    if (set->cnt) memcpy(set->members, members->items, 32 * (size_t)set->cnt);
    return DSDN_OK;
}

int dsdn_story_learn(struct dsdn_story *s, const struct dsdn_story_payload *p,
                     const struct dsdn_buffer *payload, struct dsdn_error *error)
{
    struct dsdn_ev_audit_record_posted record;
    struct dsdn_ev_quorum_validator_set_declared set;
    const uint8_t *at = payload->bytes, *end = at + payload->len;
    if (p->desc == &dsdn_event_table.events[dsdn_EVENT_audit_record_posted] &&
        dsdn_decode_audit_record_posted(at, end, p->version, &record))
        return learn_record(s, p, &record, error);
    if (p->desc == &dsdn_event_table.events[dsdn_EVENT_quorum_validator_set_declared] &&
        dsdn_decode_quorum_validator_set_declared(at, end, p->version, &set))
        return learn_set(s, set.set_id, &set.members, error);
    return DSDN_OK;
}

int dsdn_story_learn_genesis(struct dsdn_story *s, struct dsdn_error *error)
{
    return learn_set(s, 0, &s->genesis.event.quorum_members, error);
}

bool dsdn_story_audit(const struct dsdn_story *s, struct dsdn_word w, uint8_t out[32])
{
    const char *colon = memchr(w.at, ':', w.len);
    uint64_t seq = 0;
    if (colon && !dsdn_story_number((struct dsdn_word){colon + 1, w.len - (size_t)(colon + 1 - w.at)}, &seq))
        return false;
    if (colon) w.len = (size_t)(colon - w.at);
    uint32_t name = dsdn_story_find(s, w, DSDN_STORY_KEY);
    if (name == DSDN_STORY_NONE) return false;
    memset(out, 0, 32);
    for (uint32_t i = s->record_cnt; i-- > 0;) {
        const struct dsdn_story_record *r = &s->records[i];
        if (!dsdn_equal32(r->author, s->names[name].hash) || (colon && r->seq != seq)) continue;
        memcpy(out, r->hash, 32);
        return true;
    }
    return !colon;
}

/* ---- bytes ---- */

/* The parts of a word between its colons. */
struct parts {
    struct dsdn_word part[8];
    uint32_t cnt;
};

static struct parts split(struct dsdn_word w)
{
    struct parts p = {.cnt = 0};
    while (p.cnt < 8) {
        const char *colon = memchr(w.at, ':', w.len);
        p.part[p.cnt++] = (struct dsdn_word){w.at, colon ? (size_t)(colon - w.at) : w.len};
        if (!colon) break;
        w.len -= (size_t)(colon + 1 - w.at);
        w.at = colon + 1;
    }
    return p;
}

/* Takes ":wrong" off the end. */
static bool damaged(struct parts *p)
{
    bool wrong = p->cnt && dsdn_word_is(p->part[p->cnt - 1], "wrong");
    p->cnt -= wrong;
    return wrong;
}

static size_t put_signature(const struct dsdn_story *s, uint32_t key, const uint8_t message[32], bool wrong,
                            uint8_t *out)
{
    dsdn_sign(&s->names[key].key, message, out);
    out[0] ^= wrong;
    return 64;
}

/* Each word writes at most WORD_MAX bytes and returns how many, 0 when it is not well formed. */
enum { WORD_MAX = 32 * DSDN_STORY_PATH_MAX };

/* path:TREE:LEAF: the hashes of the path. */
static size_t word_path(const struct dsdn_story *s, struct dsdn_word w, uint8_t *out)
{
    uint8_t path[DSDN_STORY_PATH_MAX][32];
    uint32_t cnt;
    if (!dsdn_story_path(s, (struct dsdn_word){w.at + 5, w.len - 5}, path, &cnt)) return 0;
    memcpy(out, path, 32 * (size_t)cnt);
    return 32 * (size_t)cnt;
}

/* u16:N, u32:N, u64:N, little-endian. */
static size_t word_number(const struct dsdn_story *s, struct dsdn_word w, uint8_t *out)
{
    uint64_t number;
    size_t len = w.at[1] == '1' ? 2 : w.at[1] == '3' ? 4 : 8;
    (void)s;
    if (!dsdn_story_number((struct dsdn_word){w.at + 4, w.len - 4}, &number)) return 0;
    if (len < 8 && number >> 8 * len) return 0;
    uint8_t bytes[8];
    dsdn_store64(bytes, number);
    memcpy(out, bytes, len);
    return len;
}

/* served:NODE:CHUNK:LEAF:HASH[:wrong]: chunk, leaf, the hash that the node served, its signature. */
static size_t word_served(const struct dsdn_story *s, struct dsdn_word w, uint8_t *out)
{
    struct parts p = split(w);
    bool wrong = damaged(&p);
    uint64_t leaf;
    uint8_t message[32];
    uint32_t node = p.cnt == 5 ? dsdn_story_find(s, p.part[1], DSDN_STORY_KEY) : DSDN_STORY_NONE;
    if (node == DSDN_STORY_NONE || !dsdn_story_hash32(s, p.part[2], out) ||
        !dsdn_story_number(p.part[3], &leaf) || leaf > UINT32_MAX ||
        !dsdn_story_hash32(s, p.part[4], out + 36))
        return 0;
    dsdn_store32(out + 32, (uint32_t)leaf);
    struct dsdn_sha256 sum;
    dsdn_tag_init(&sum, "dsdn/served/1");
    dsdn_sha256_update(&sum, s->genesis.hash, 32);
    dsdn_sha256_update(&sum, out, 68);
    dsdn_sha256_final(&sum, message);
    return 68 + put_signature(s, node, message, wrong, out + 68);
}

/* A vote of a key for a batch hash, behind that hash. */
static size_t put_vote(const struct dsdn_story *s, uint32_t key, uint32_t set, uint64_t sequence,
                       const uint8_t batch[32], bool wrong, uint8_t *out)
{
    uint8_t message[32];
    dsdn_certificate_message(s->genesis.hash, set, sequence, batch, message);
    memcpy(out, batch, 32);
    return 32 + put_signature(s, key, message, wrong, out + 32);
}

/* vote:KEY:SET:SEQUENCE:HASH[:wrong]: the hash, and the key's signature in a certificate over it. */
static size_t word_vote(const struct dsdn_story *s, struct dsdn_word w, uint8_t *out)
{
    struct parts p = split(w);
    bool wrong = damaged(&p);
    uint64_t set, sequence;
    uint8_t batch[32];
    uint32_t key = p.cnt == 5 ? dsdn_story_find(s, p.part[1], DSDN_STORY_KEY) : DSDN_STORY_NONE;
    if (key == DSDN_STORY_NONE || !dsdn_story_number(p.part[2], &set) || set > UINT32_MAX ||
        !dsdn_story_number(p.part[3], &sequence) || !dsdn_story_hash32(s, p.part[4], batch))
        return 0;
    return put_vote(s, key, (uint32_t)set, sequence, batch, wrong, out);
}

/* twice:KEY:SET:SEQUENCE:HASH:HASH[:wrong]: set, sequence, and both votes, the lower hash first; wrong: the
 * second. */
static size_t word_twice(const struct dsdn_story *s, struct dsdn_word w, uint8_t *out)
{
    struct parts p = split(w);
    bool wrong = damaged(&p);
    uint64_t set, sequence;
    uint8_t batch[2][32];
    uint32_t key = p.cnt == 6 ? dsdn_story_find(s, p.part[1], DSDN_STORY_KEY) : DSDN_STORY_NONE;
    if (key == DSDN_STORY_NONE || !dsdn_story_number(p.part[2], &set) || set > UINT32_MAX ||
        !dsdn_story_number(p.part[3], &sequence) || !dsdn_story_hash32(s, p.part[4], batch[0]) ||
        !dsdn_story_hash32(s, p.part[5], batch[1]))
        return 0;
    bool swap = memcmp(batch[0], batch[1], 32) > 0;
    dsdn_store32(out, (uint32_t)set);
    dsdn_store64(out + 4, sequence);
    put_vote(s, key, (uint32_t)set, sequence, batch[swap], false, out + 12);
    put_vote(s, key, (uint32_t)set, sequence, batch[!swap], wrong, out + 108);
    return 204;
}

/* $name, %name, or hex digits. */
static size_t word_plain(const struct dsdn_story *s, struct dsdn_word w, uint8_t *out)
{
    if (dsdn_story_hash32(s, w, out)) return 32;
    return w.len % 2 == 0 && w.len / 2 <= WORD_MAX && dsdn_hex_decode(w.at, w.len / 2, out) ? w.len / 2 : 0;
}

int dsdn_story_bytes(const struct dsdn_story *s, uint32_t line, struct dsdn_word words,
                     struct dsdn_buffer *out, struct dsdn_error *error)
{
    static const struct {
        const char *prefix;
        size_t (*put)(const struct dsdn_story *s, struct dsdn_word w, uint8_t *out);
    } forms[] = {
        {"path:", word_path},     {"u16:", word_number}, {"u32:", word_number},  {"u64:", word_number},
        {"served:", word_served}, {"vote:", word_vote},  {"twice:", word_twice}, {"", word_plain},
    };
    uint8_t bytes[WORD_MAX];
    int rc = DSDN_OK;
    while (!rc && words.len) {
        const char *blank = memchr(words.at, ' ', words.len);
        struct dsdn_word w = {words.at, blank ? (size_t)(blank - words.at) : words.len};
        words.at += w.len + (blank != NULL);
        words.len -= w.len + (blank != NULL);
        if (!w.len) continue;
        size_t form = 0;
        while (w.len < strlen(forms[form].prefix) ||
               memcmp(w.at, forms[form].prefix, strlen(forms[form].prefix)) != 0)
            form++;
        size_t len = forms[form].put(s, w, bytes);
        if (!len)
            return dsdn_story_fail(s, line, DSDN_E_MALFORMED, error,
                                   "\"%.*s\": no such name, or not of this form",
                                   (int)(w.len < 80 ? w.len : 80), w.at);
        rc = dsdn_story_append(out, bytes, len, error);
    }
    return rc;
}
