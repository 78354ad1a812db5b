/* services.c: what catalogue.h offers to reducers: parameters, embedded signatures, founders; and names. */
#include "statemachine/engine_internal.h"

#include "log/genesis.h"
#include "log/hash.h"
#include "log/sign.h"
#include "statemachine/system.h"

#include <strings.h>

static const struct {
    const char *name, *doc;
} outcomes[] = {
#define X(number, name, doc) [number] = {#name, doc},
    DSDN_OUTCOME_LIST(X)
#undef X
};

const char *dsdn_outcome_name(uint8_t number)
{
    return number < DSDN_OUTCOME_CNT ? outcomes[number].name : "?";
}
const char *dsdn_outcome_doc(uint8_t number)
{
    return number < DSDN_OUTCOME_CNT ? outcomes[number].doc : "?";
}

int dsdn_outcome_find(const char *name)
{
    for (int i = 0; i < DSDN_OUTCOME_CNT; i++)
        if (!strcasecmp(outcomes[i].name, name)) return i;
    return -1;
}

const char *dsdn_code_name(const struct dsdn_catalogue *catalogue, uint16_t code)
{
    for (const struct dsdn_code_name *c = catalogue->codes; c && c->name; c++)
        if (c->code == code) return c->name;
    return "?";
}

static bool parameter_row(const struct dsdn_state *s, const char *name, int64_t *value)
{
    uint8_t key[48] = {0};
    size_t len = strlen(name);
    memcpy(key, name, len < sizeof key ? len : sizeof key);
    uint32_t row = dsdn_sys_parameter_find(s, key);
    if (row != DSDN_NO_ROW) *value = dsdn_sys_parameter_at(s, row)->value;
    return row != DSDN_NO_ROW;
}

void dsdn_parameters_read(struct dsdn_state *s)
{
    for (uint32_t i = 0; i < DSDN_PARAMETER_CNT; i++) {
        s->parameters[i] = dsdn_parameters[i].value;
        parameter_row(s, dsdn_parameters[i].name, &s->parameters[i]);
    }
}

int64_t dsdn_parameter_named(const struct dsdn_state *s, const char *name)
{
    int64_t value = 0;
    parameter_row(s, name, &value);
    return value;
}

bool dsdn_operator_allowed(const struct dsdn_state *s, const uint8_t operator[32])
{
    char name[DSDN_OPERATOR_NAME];
    dsdn_operator_parameter(operator, name);
    return dsdn_parameter_named(s, name) == 1;
}

/* ---- embedded signatures ---- */

enum { APPROVALS_MAX = 255 }; /* of any list in an event list */

/* Where the signature fields of a payload lie: at most one field each, and those of an approval list. */
struct spans {
    const uint8_t *at[2 + APPROVALS_MAX];
    uint32_t cnt;
};

static bool spans_find(const struct dsdn_event_desc *desc, const void *event, struct spans *spans)
{
    spans->cnt = 0;
    for (const struct dsdn_field *f = desc->fields(); f->name; f++) {
        const void *value = (const uint8_t *)event + f->offset;
        const uint8_t *p = NULL;
        if (f->kind == DSDN_K_sig || f->kind == DSDN_K_opt_sig) {
            memcpy(&p, value, sizeof p);
            if (!p) continue;
            if (spans->cnt == sizeof spans->at / sizeof *spans->at) return false;
            spans->at[spans->cnt++] = p;
        } else if (f->kind == DSDN_K_list && strcmp(f->record->name, "approval") == 0) {
            const struct dsdn_list *list = value;
            for (uint32_t i = 0; i < list->count; i++) {
                if (spans->cnt == sizeof spans->at / sizeof *spans->at) return false;
                spans->at[spans->cnt++] = list->items + (size_t)i * 96 + 32; /* id, then signature */
            }
        }
    }
    return true;
}

/* Feeds the payload with its signature fields zeroed.  Fields lie in payload order, so spans ascend. */
static void hash_without(struct dsdn_sha256 *sum, const uint8_t *payload, uint32_t len,
                         const struct spans *spans)
{
    static const uint8_t zero[64];
    const uint8_t *at = payload, *end = payload + len;
    for (uint32_t i = 0; i < spans->cnt; i++) {
        dsdn_sha256_update(sum, at, (size_t)(spans->at[i] - at));
        dsdn_sha256_update(sum, zero, sizeof zero);
        at = spans->at[i] + 64;
    }
    dsdn_sha256_update(sum, at, (size_t)(end - at));
}

int dsdn_embedded_message(const struct dsdn_event_desc *desc, uint8_t version, const char *field,
                          const uint8_t genesis[32], const uint8_t author[32], uint64_t nonce,
                          const uint8_t *payload, uint32_t len, uint8_t digest[32], struct dsdn_error *error)
{
    _Alignas(16) uint8_t event[DSDN_EVENT_STRUCT_MAX];
    struct spans spans;
    char tag[128];
    int rc = dsdn_event_decode(desc, version, payload, len, event, error);
    if (rc) return rc;
    if (!spans_find(desc, event, &spans))
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "%s has too many signatures", desc->name);
    char *at = tag;
    const char *parts[] = {"dsdn/in/", desc->name, "/", field, "/1"};
    for (int i = 0; i < 5; i++) {
        size_t n = strlen(parts[i]);
        if ((size_t)(tag + sizeof tag - at) <= n)
            return dsdn_fail(error, DSDN_E_TOO_LARGE, "the name %s is too long", field);
        memcpy(at, parts[i], n + 1);
        at += n;
    }
    struct dsdn_sha256 sum;
    uint8_t number[8];
    dsdn_tag_init(&sum, tag);
    dsdn_sha256_update(&sum, genesis, 32);
    dsdn_sha256_update(&sum, author, 32);
    dsdn_store64(number, nonce);
    dsdn_sha256_update(&sum, number, 8);
    hash_without(&sum, payload, len, &spans);
    dsdn_sha256_final(&sum, digest);
    return DSDN_OK;
}

bool dsdn_embedded_valid(const struct dsdn_context *c, const char *field, const uint8_t key[32],
                         const uint8_t signature[64])
{
    struct dsdn_embedded declared;
    uint8_t digest[32];
    if (c->op && c->op->embedded != DSDN_EMBEDDED_UNCHECKED &&
        c->reducers[c->op->event].embedded(c->payload, c->payload_len, c->event_version, &declared) &&
        strcmp(declared.field, field) == 0 && dsdn_equal32(declared.key, key) &&
        memcmp(declared.signature, signature, 64) == 0)
        return c->op->embedded == DSDN_EMBEDDED_GOOD;
    return dsdn_embedded_message(c->event, c->event_version, field, c->genesis, c->author, c->nonce,
                                 c->payload, c->payload_len, digest, NULL) == DSDN_OK &&
           dsdn_verify(c->keys, key, digest, signature);
}

dsdn_outcome dsdn_founders_agree(const struct dsdn_context *c, const struct dsdn_list *approvals)
{
    const struct dsdn_sys_row_head *head = dsdn_head(c->state);
    uint32_t agreed = dsdn_sys_founder_find(c->state, c->author) != DSDN_NO_ROW;
    if (!agreed) return DSDN_OUTCOME_NOT_AUTHORISED;
    for (uint32_t i = 0; i < approvals->count; i++) {
        const uint8_t *id = approvals->items + (size_t)i * 96;
        bool again = (i && memcmp(id - 96, id, 32) >= 0) || dsdn_equal32(id, c->author);
        if (again || dsdn_sys_founder_find(c->state, id) == DSDN_NO_ROW) return DSDN_OUTCOME_NOT_AUTHORISED;
        if (!dsdn_embedded_valid(c, "approvals", id, id + 32)) return DSDN_OUTCOME_BAD_SIGNATURE;
        agreed++;
    }
    return agreed >= head->founder_m ? DSDN_OUTCOME_OK : DSDN_OUTCOME_NOT_AUTHORISED;
}
