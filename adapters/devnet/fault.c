#include "adapters/devnet/fault.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name, *text;
} kinds[] = {
#define X(name, text) {#name, text},
    DSDN_DEVNET_FAULT_LIST(X)
#undef X
};

const char *dsdn_devnet_fault_name(enum dsdn_devnet_fault_kind kind)
{
    return kinds[kind].name;
}

const char *dsdn_devnet_fault_text(enum dsdn_devnet_fault_kind kind)
{
    return kinds[kind].text;
}

static const struct dsdn_devnet_fault everywhere = {.to = UINT64_MAX, .every = 1};

static bool kind_find(const char *name, enum dsdn_devnet_fault_kind *kind)
{
    for (uint32_t i = 0; i < DSDN_DEVNET_FAULT_CNT; i++)
        if (strcmp(kinds[i].name, name) == 0) {
            *kind = (enum dsdn_devnet_fault_kind)i;
            return true;
        }
    return false;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static bool read_number(const char *text, char **end, uint64_t *number)
{
    if (*text < '0' || *text > '9') return false;
    *number = strtoull(text, end, 10);
    return true;
}

static bool read_heights(const char *text, struct dsdn_devnet_fault *f)
{
    char *end;
    if (!read_number(text, &end, &f->from)) return false;
    f->to = f->from;
    if (!*end) return true;
    if (*end++ != '-') return false;
    f->to = UINT64_MAX;
    return !*end || (read_number(end, &end, &f->to) && !*end && f->to >= f->from);
}

static bool read_member(const char *name, const char *text, struct dsdn_devnet_fault *f)
{
    const struct {
        const char *name;
        uint64_t *number;
    } numbers[] = {{"times", &f->times}, {"every", &f->every}, {"value", &f->value}};
    char *end;
    if (strcmp(name, "kind") == 0) return kind_find(text, &f->kind);
    if (strcmp(name, "heights") == 0) return read_heights(text, f);
    if (strcmp(name, "method") == 0)
        return snprintf(f->method, sizeof f->method, "%s", text) < (int)sizeof f->method;
    if (strcmp(name, "text") == 0) return snprintf(f->text, sizeof f->text, "%s", text) < (int)sizeof f->text;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0) return read_number(text, &end, numbers[i].number) && !*end;
    return false;
}

int dsdn_devnet_fault_parse(const char *text, struct dsdn_devnet_fault *fault, struct dsdn_error *error)
{
    char copy[512];
    *fault = everywhere;
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy || strncmp(text, "kind=", 5) != 0)
        return dsdn_fail(error, DSDN_E_USAGE, "a fault is kind=NAME,..., not \"%.100s\"", text);
    for (char *at = copy, *next; at; at = next) {
        char *value = strchr(at, '=');
        next = strncmp(at, "text=", 5) == 0 ? NULL : strchr(at, ',');
        if (next) *next++ = 0;
        if (value) *value++ = 0;
        if (!value || !read_member(at, value, fault))
            return dsdn_fail(error, DSDN_E_USAGE, "a fault with an impossible member \"%.100s\"", at);
    }
    if (!fault->every) return dsdn_fail(error, DSDN_E_USAGE, "a fault with every=0");
    return DSDN_OK;
}

int dsdn_devnet_fault_read(struct dsdn_view value, struct dsdn_devnet_fault *f, struct dsdn_error *error)
{
    static const char *const names[] = {"kind", "method", "text", "from", "to", "times", "every", "value"};
    struct dsdn_view members[8];
    uint64_t *const numbers[] = {&f->from, &f->to, &f->times, &f->every, &f->value};
    char kind[32];
    *f = everywhere;
    int rc = dsdn_span_members(value, "fault", names, 8, members, error);
    if (rc) return rc;
    dsdn_span_text(members[0], kind, sizeof kind);
    if (!kind_find(kind, &f->kind))
        return dsdn_fail(error, DSDN_E_MALFORMED, "no fault is called \"%s\"", kind);
    dsdn_span_text(members[1], f->method, sizeof f->method);
    dsdn_span_text(members[2], f->text, sizeof f->text);
    for (uint32_t i = 0; i < 5; i++)
        if (!dsdn_span_none(members[3 + i]) && !dsdn_span_u64(members[3 + i], UINT64_MAX, numbers[i]))
            return dsdn_fail(error, DSDN_E_MALFORMED, "member \"%s\" of a fault is no number", names[3 + i]);
    if (!f->every || f->from > f->to)
        return dsdn_fail(error, DSDN_E_MALFORMED, "a fault with an impossible scope");
    return DSDN_OK;
}

void dsdn_devnet_fault_write(struct dsdn_text *t, const struct dsdn_devnet_fault *f)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "id");
    dsdn_text_u64(t, f->id);
    dsdn_text_key(t, "kind");
    dsdn_text_string(t, dsdn_devnet_fault_name(f->kind));
    dsdn_text_key(t, "method");
    dsdn_text_string(t, f->method);
    dsdn_text_key(t, "from");
    dsdn_text_u64(t, f->from);
    dsdn_text_key(t, "to");
    dsdn_text_u64(t, f->to);
    dsdn_text_key(t, "times");
    dsdn_text_u64(t, f->times);
    dsdn_text_key(t, "every");
    dsdn_text_u64(t, f->every);
    dsdn_text_key(t, "value");
    dsdn_text_u64(t, f->value);
    dsdn_text_key(t, "text");
    dsdn_text_string(t, f->text);
    dsdn_text_key(t, "seen");
    dsdn_text_u64(t, f->seen);
    dsdn_text_key(t, "fired");
    dsdn_text_u64(t, f->fired);
    dsdn_text_close(t, '}');
}

/* ---- the list ---------------------------------------------------------------------------------- */

uint32_t dsdn_devnet_faults_add(struct dsdn_devnet_faults *faults, const struct dsdn_devnet_fault *fault)
{
    if (faults->cnt == DSDN_DEVNET_FAULTS_MAX) return 0;
    struct dsdn_devnet_fault *f = faults->list + faults->cnt++;
    *f = *fault;
    f->id = ++faults->last_id;
    f->seen = f->fired = 0;
    return f->id;
}

bool dsdn_devnet_faults_clear(struct dsdn_devnet_faults *faults, uint32_t id)
{
    uint32_t kept = 0, cnt = faults->cnt;
    for (uint32_t i = 0; i < cnt; i++)
        if (id && faults->list[i].id != id) faults->list[kept++] = faults->list[i];
    faults->cnt = kept;
    return !id || kept < cnt;
}

static bool method_matches(const char *scope, const char *method)
{
    size_t len = strlen(scope);
    if (!len) return strncmp(method, "devnet.", 7) != 0; /* so that what drives the devnet gets through */
    if (scope[len - 1] == '*') return strncmp(scope, method, len - 1) == 0;
    return strcmp(scope, method) == 0;
}

const struct dsdn_devnet_fault *dsdn_devnet_faults_hit(struct dsdn_devnet_faults *faults,
                                                       enum dsdn_devnet_fault_kind kind, const char *method,
                                                       uint64_t height)
{
    for (uint32_t i = 0; i < faults->cnt; i++) {
        struct dsdn_devnet_fault *f = faults->list + i;
        if (f->kind != kind || !method_matches(f->method, method)) continue;
        bool in = height == DSDN_DEVNET_ANY_HEIGHT ? !f->from && f->to == UINT64_MAX
                                                   : height >= f->from && height <= f->to;
        if (!in || (f->times && f->fired >= f->times)) continue;
        if (++f->seen % f->every) continue;
        f->fired++;
        return f;
    }
    return NULL;
}
