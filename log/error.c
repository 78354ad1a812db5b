#include "log/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    int code, exit_status;
    const char *name, *text, *advice;
} errors[] = {
    {0, 0, "OK", "no error", "Nothing to do."},
#define X(code, name, exit_status, text, advice) {code, exit_status, #name, text, advice},
    DSDN_ERROR_LIST(X)
#undef X
};
enum { ERROR_CNT = sizeof errors / sizeof *errors };

static int find(int code)
{
    for (int i = 0; i < ERROR_CNT; i++)
        if (errors[i].code == code) return i;
    return -1;
}

const char *dsdn_error_name(int code) { int i = find(code); return i < 0 ? "UNKNOWN" : errors[i].name; }
const char *dsdn_error_text(int code) { int i = find(code); return i < 0 ? "unknown error" : errors[i].text; }
const char *dsdn_error_advice(int code) { int i = find(code); return i < 0 ? "" : errors[i].advice; }
int dsdn_error_exit(int code) { int i = find(code); return i < 0 ? 2 : errors[i].exit_status; }

int dsdn_error_find(const char *name)
{
    for (int i = 0; i < ERROR_CNT; i++)
        if (strcasecmp(errors[i].name, name) == 0) return errors[i].code;
    return -1;
}

static void fail(struct dsdn_error *error, int code, const char *format, va_list args)
{
    if (!error) return;
    *error = (struct dsdn_error)DSDN_ERROR_INIT;
    error->code = code;
    vsnprintf(error->message, sizeof error->message, format, args);
}

int dsdn_fail(struct dsdn_error *error, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(error, code, format, args);
    va_end(args);
    return code;
}

int dsdn_fail_at(struct dsdn_error *error, int code, const char *path, uint64_t offset, const char *format,
                 ...)
{
    va_list args;
    va_start(args, format);
    fail(error, code, format, args);
    va_end(args);
    dsdn_error_at(error, path, offset);
    return code;
}

int dsdn_fail_errno(struct dsdn_error *error, int errno_value, const char *format, ...)
{
    int code = errno_value == ENOSPC || errno_value == EDQUOT ? DSDN_E_NO_SPACE
               : errno_value == ENOMEM                        ? DSDN_E_NO_MEMORY
               : errno_value == ENOENT                        ? DSDN_E_NOT_FOUND
               : errno_value == EEXIST                        ? DSDN_E_EXISTS
                                                              : DSDN_E_IO;
    va_list args;
    va_start(args, format);
    fail(error, code, format, args);
    va_end(args);
    if (error) {
        size_t len = strlen(error->message);
        snprintf(error->message + len, sizeof error->message - len, ": %s", strerror(errno_value));
    }
    return code;
}

void dsdn_error_at(struct dsdn_error *error, const char *path, uint64_t offset)
{
    if (!error) return;
    if (path && !error->file[0]) snprintf(error->file, sizeof error->file, "%s", path);
    if (error->offset == DSDN_NO_OFFSET) error->offset = offset;
}

void dsdn_error_in(struct dsdn_error *error, uint64_t sequence)
{
    if (error && error->sequence == DSDN_NO_SEQUENCE) error->sequence = sequence;
}

static size_t add(char *out, size_t cap, size_t at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static size_t add(char *out, size_t cap, size_t at, const char *format, ...)
{
    if (at >= cap) return at;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out + at, cap - at, format, args);
    va_end(args);
    return n < 0 ? at : at + (size_t)n;
}

void dsdn_error_format(const struct dsdn_error *error, char *out, size_t cap)
{
    size_t at = add(out, cap, 0, "%s: %s", dsdn_error_name(error->code), error->message);
    const char *open = " (";
    if (error->file[0]) at = add(out, cap, at, "%sfile %s", open, error->file), open = ", ";
    if (error->offset != DSDN_NO_OFFSET)
        at = add(out, cap, at, "%soffset %llu", open, (unsigned long long)error->offset), open = ", ";
    if (error->sequence != DSDN_NO_SEQUENCE)
        at = add(out, cap, at, "%sbatch %llu", open, (unsigned long long)error->sequence), open = ", ";
    if (error->bundle != UINT32_MAX) at = add(out, cap, at, "%sbundle %u", open, error->bundle), open = ", ";
    if (error->event != UINT32_MAX) at = add(out, cap, at, "%sevent %u", open, error->event), open = ", ";
    if (open[0] == ',') add(out, cap, at, ")");
}
