/* said.c: fields of payloads by name, embedded signatures, names of codes. */
#include "tests/twin/rules.h"

#include "log/events.h"
#include "log/genesis.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t width_of(enum dsdn_kind kind)
{
    switch (kind) {
    case DSDN_K_u8:
    case DSDN_K_choice:
    case DSDN_K_opt_u8: return 1;
    case DSDN_K_u16:
    case DSDN_K_bps: return 2;
    case DSDN_K_u32:
    case DSDN_K_i32: return 4;
    case DSDN_K_u64:
    case DSDN_K_i64:
    case DSDN_K_fx:
    case DSDN_K_time:
    case DSDN_K_height: return 8;
    case DSDN_K_amt: return 9;
    case DSDN_K_ns: return 29;
    case DSDN_K_id:
    case DSDN_K_hash:
    case DSDN_K_addr:
    case DSDN_K_opt_id:
    case DSDN_K_opt_hash: return 32;
    case DSDN_K_sig:
    case DSDN_K_opt_sig: return 64;
    default: return 0;
    }
}

const uint8_t *said_walk(const struct dsdn_field *fields, uint8_t version, const uint8_t *p,
                         const uint8_t *end, struct said *said)
{
    said->cnt = 0;
    for (const struct dsdn_field *f = fields; f->name; f++) {
        struct said_field *out = &said->fields[said->cnt++];
        *out = (struct said_field){.name = f->name, .kind = f->kind, .record = f->record, .at = p};
        if (f->since > version) continue; /* a later field: absent, empty, zero */
        out->present = true;
        out->len = width_of(f->kind);
        if (f->kind == DSDN_K_opt_u8 || f->kind == DSDN_K_opt_id || f->kind == DSDN_K_opt_hash ||
            f->kind == DSDN_K_opt_sig) {
            if (end - p < 1) return NULL;
            out->present = *p++;
            if (!out->present) out->len = 0;
        }
        if (f->kind == DSDN_K_str || f->kind == DSDN_K_bytes) {
            if (!(p = dsdn_varint_get(p, end, &out->len))) return NULL;
        } else if (f->kind == DSDN_K_set_id || f->kind == DSDN_K_list_hash) {
            if (!(p = dsdn_varint_get(p, end, &out->count)) || out->count > f->max) return NULL;
            out->len = 32 * out->count;
        } else if (f->kind == DSDN_K_list) {
            if (!(p = dsdn_varint_get(p, end, &out->count)) || out->count > f->max) return NULL;
            const uint8_t *item = p;
            struct said ignored;
            for (uint32_t i = 0; i < out->count; i++)
                if (!(item = said_walk(f->record->fields(), 1, item, end, &ignored))) return NULL;
            out->len = (uint32_t)(item - p);
        }
        out->at = p;
        if ((size_t)(end - p) < out->len) return NULL;
        p += out->len;
    }
    return p;
}

const struct said_field *said_field(const struct said *said, const char *name)
{
    for (uint32_t i = 0; i < said->cnt; i++)
        if (strcmp(said->fields[i].name, name) == 0) return &said->fields[i];
    fprintf(stderr, "twin: an event has no field %s\n", name);
    abort();
}

uint64_t said_number(const struct said *said, const char *name)
{
    const struct said_field *f = said_field(said, name);
    uint64_t sum = 0;
    if (!f->present) return 0;
    if (f->kind == DSDN_K_amt) return dsdn_load64(f->at + 1);
    for (uint32_t i = f->len; i--;) sum = sum << 8 | f->at[i];
    return sum;
}

const uint8_t *said_bytes(const struct said *said, const char *name)
{
    static const uint8_t zero[64];
    const struct said_field *f = said_field(said, name);
    return f->present ? f->at : zero;
}

void said_item(const struct said *said, const char *name, uint32_t i, struct said *item)
{
    const struct said_field *f = said_field(said, name);
    const uint8_t *p = f->at;
    do p = said_walk(f->record->fields(), 1, p, f->at + f->len, item);
    while (i--);
}

bool text_is(const struct twin *t, const char *name, const struct fact *row)
{
    const struct said_field *f = said_field(&t->said, name);
    const struct value *v = fact_value(row, name);
    uint32_t len = v ? v->len : 0;
    return f->len == len && (!len || memcmp(f->at, v->bytes, len) == 0);
}

void put_text(const struct twin *t, const char *name, struct fact *row)
{
    const struct said_field *f = said_field(&t->said, name);
    put_bytes(row, name, f->at, f->len);
}

/* ---- embedded signatures ---- */

static void without_signatures(uint8_t *copy, const uint8_t *payload, const struct said *said)
{
    for (uint32_t i = 0; i < said->cnt; i++) {
        const struct said_field *f = &said->fields[i];
        if ((f->kind == DSDN_K_sig || f->kind == DSDN_K_opt_sig) && f->present)
            memset(copy + (f->at - payload), 0, 64);
        if (f->kind != DSDN_K_list || strcmp(f->record->name, "approval") != 0) continue;
        for (uint32_t k = 0; k < f->count; k++) {
            struct said item;
            said_item(said, f->name, k, &item);
            without_signatures(copy, payload, &item);
        }
    }
}

void twin_embedded(const uint8_t genesis[32], const uint8_t author[32], uint64_t nonce, uint16_t type,
                   uint8_t version, const char *field, const uint8_t *payload, uint32_t len,
                   uint8_t digest[32])
{
    static uint8_t copy[DSDN_PAYLOAD_MAX];
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_event_find(&dsdn_event_table, type)];
    struct dsdn_sha256 h;
    struct said said;
    char tag[128];
    uint8_t le[8];
    if (!said_walk(desc->fields(), version, payload, payload + len, &said)) abort();
    memcpy(copy, payload, len);
    without_signatures(copy, payload, &said);
    snprintf(tag, sizeof tag, "dsdn/in/%s/%s/1", desc->name, field);
    dsdn_tag_init(&h, tag);
    dsdn_sha256_update(&h, genesis, 32);
    dsdn_sha256_update(&h, author, 32);
    dsdn_store64(le, nonce);
    dsdn_sha256_update(&h, le, 8);
    dsdn_sha256_update(&h, copy, len);
    dsdn_sha256_final(&h, digest);
}

bool embedded_verifies(struct twin *t, const char *field, const uint8_t key[32], const uint8_t signature[64])
{
    uint8_t digest[32];
    twin_embedded(t->genesis, t->author, t->nonce, t->event->type, t->version, field, t->payload, t->len,
                  digest);
    return dsdn_verify(t->keys, key, digest, signature);
}

/* ---- base64url ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void operator_parameter(const uint8_t address[32], char name[47])
{
    memcpy(name, "op:", 3);
    for (unsigned i = 0; i < 43; i++) { /* bits 6i to 6i + 5, zeros behind the address */
        unsigned digit = 0;
        for (unsigned bit = 6 * i; bit < 6 * i + 6; bit++)
            digit = digit << 1 | (bit < 256 ? address[bit / 8] >> (7 - bit % 8) & 1u : 0u);
        name[3 + i] = alphabet[digit];
    }
    name[46] = 0;
}

bool is_operator_parameter(const uint8_t *name, uint32_t len)
{
    uint8_t address[33] = {0};
    char again[47];
    if (len != 46 || memcmp(name, "op:", 3) != 0) return false;
    for (unsigned i = 0; i < 43; i++) {
        const char *digit = name[3 + i] ? strchr(alphabet, name[3 + i]) : NULL;
        if (!digit) return false;
        for (unsigned k = 0; k < 6; k++)
            if ((unsigned)(digit - alphabet) >> (5 - k) & 1)
                address[(6 * i + k) / 8] |= (uint8_t)(0x80u >> (6 * i + k) % 8);
    }
    operator_parameter(address, again); /* one spelling for an address */
    return memcmp(name, again, 46) == 0;
}

/* ---- names ---- */

static const struct {
    uint16_t number;
    const char *name;
} codes[] = {
    {1, "NODE_UNKNOWN"},
    {2, "NODE_CLOSED"},
    {3, "NODE_BANNED"},
    {4, "NODE_STATUS"},
    {5, "NODE_ROLE"},
    {6, "NODE_CLASS"},
    {7, "ZONE_EMPTY"},
    {8, "CAPACITY_ZERO"},
    {9, "TLS_MISSING"},
    {10, "TLS_EXPIRED"},
    {11, "BINDING_EXPIRED"},
    {12, "NODE_HOLDS_REPLICAS"},
    {13, "STATUS_TRANSITION"},
    {14, "UNTIL_WRONG"},
    {15, "APPROVALS_UNEXPECTED"},
    {16, "NODE_NOT_CLOSED"},
    {17, "NODE_COOLDOWN"},
    {18, "STAKE_MISSING"},
    {19, "STAKE_BELOW_MINIMUM"},
    {20, "OPERATOR_NOT_ALLOWED"},
    {32, "OBJECT_UNKNOWN"},
    {33, "OBJECT_SHAPE"},
    {34, "RF_RANGE"},
    {35, "CHUNK_UNKNOWN"},
    {36, "CHUNK_INDEX"},
    {37, "CHUNK_SIZE"},
    {38, "LEAF_SIZE"},
    {39, "ERASURE_SHAPE"},
    {40, "DELETE_REQUESTED"},
    {41, "DELETE_NOT_REQUESTED"},
    {42, "DEADLINE_PAST"},
    {43, "ZONE_MISMATCH"},
    {44, "ZONE_TAKEN"},
    {45, "REPLICAS_ENOUGH"},
    {46, "CAPACITY_FULL"},
    {47, "REPLICA_UNKNOWN"},
    {48, "REPLICA_STATE"},
    {49, "PROOF_LEAF"},
    {50, "PROOF_PATH"},
    {51, "PROOF_NEEDED"},
    {52, "REPLICA_NOT_SURPLUS"},
    {53, "REPLICA_NOT_SUSPECT"},
    {54, "SOURCE_NOT_LIVE"},
    {55, "NOT_PLANNED"},
    {56, "SOURCE_NOT_PLANNED"},
    {96, "SEQUENCE_STEP"},
    {97, "SEQUENCE_AHEAD"},
    {98, "PARAMETER_UNKNOWN"},
    {99, "PARAMETER_OLD_VALUE"},
    {100, "PARAMETER_RANGE"},
    {101, "NO_PRIMARY"},
    {102, "HEIGHT_PAST"},
    {103, "AUTHORITY_SHAPE"},
    {104, "AUTHORITY_THRESHOLD"},
    {105, "VERSION_NOT_NEWER"},
    {106, "UPGRADE_ORDER"},
    {107, "UPGRADE_UNKNOWN"},
    {128, "COMMITTEE_EPOCH"},
    {129, "COMMITTEE_METHOD"},
    {130, "COMMITTEE_DURATION"},
    {131, "COMMITTEE_UNKNOWN"},
    {132, "HANDOFF_OPEN"},
    {133, "HANDOFF_TIMES"},
    {134, "QUORUM_SET_ID"},
    {135, "QUORUM_EMPTY"},
    {136, "QUORUM_THRESHOLD"},
    {137, "FALLBACK_LAYER"},
    {138, "FALLBACK_OPEN"},
    {139, "FALLBACK_UNKNOWN"},
    {140, "FALLBACK_CLOSED"},
    {141, "FALLBACK_ORDER"},
    {142, "RECONCILIATION_NOT_STARTED"},
    {143, "RECONCILIATION_COUNT"},
    {160, "ASSET_UNKNOWN"},
    {161, "AMOUNT_ZERO"},
    {162, "TRANSFER_SELF"},
    {163, "FEE_ABOVE_MAX"},
    {164, "BALANCE_TOO_LOW"},
    {165, "STAKE_ROLE"},
    {166, "STAKE_OWNER"},
    {167, "STAKE_UNKNOWN"},
    {168, "STAKE_TOO_LOW"},
    {169, "EVIDENCE_KIND"},
    {170, "EVIDENCE_SHAPE"},
    {171, "EVIDENCE_NOT_PROVEN"},
    {172, "EVIDENCE_USED"},
    {173, "VALIDATOR_UNKNOWN"},
    {174, "AFFINITY_SELF"},
    {175, "AFFINITY_UNPROVEN"},
    {176, "SIGNATURE_UNEXPECTED"},
    {192, "AUDIT_TYPE"},
    {193, "AUDIT_SEQUENCE"},
    {194, "AUDIT_PREVIOUS"},
    {195, "AUDIT_UNKNOWN"},
    {196, "AUDIT_SEGMENT"},
    {197, "AUDIT_RANGE"},
    {198, "AUDIT_ROOT"},
};

uint16_t twin_code(const char *name)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i].name, name) == 0) return codes[i].number;
    return 0;
}

const char *twin_code_name(uint16_t code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].number == code) return codes[i].name;
    return "";
}

verdict unmet(const char *code)
{
    uint16_t wanted = twin_code(code);
    if (wanted) return PRECONDITION | (verdict)wanted << 8;
    fprintf(stderr, "twin: no code %s\n", code);
    abort();
}

const char *twin_outcome_name(uint32_t outcome)
{
    static const char *const names[] = {"OK",       "DUPLICATE",     "STALE",          "EXPIRED",
                                        "CONFLICT", "BAD_SIGNATURE", "NOT_AUTHORISED", "PRECONDITION",
                                        "LIMIT",    "DISABLED",      "NO_EFFECT"};
    return outcome < OUTCOMES ? names[outcome] : "?";
}
