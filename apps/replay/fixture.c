/* fixture.c: `fixture check | record | bless`. */
#include "apps/replay/commands.h"

#include "apps/replay/progress.h"
#include "roles/dsdn.h"
#include "statemachine/fixture.h"

#define REPORT_MAX ((size_t)4 << 20)

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Plays one story; what differs goes to stdout as a diff, because that is the result. */
static int check(const char *directory, const struct options *o, struct dsdn_error *error)
{
    struct dsdn_fixture_result result = {0};
    struct dsdn_text report;
    dsdn_text_init(&report, REPORT_MAX, 0);
    int rc = dsdn_fixture_check(&dsdn_catalogue, directory, &report, &result, error);
    if (report.len) fwrite(report.bytes, 1, report.len, stdout);
    if (rc)
        printf("FAIL %s\n", base_name(directory));
    else if (!o->quiet)
        printf("ok   %s: %u batches, %u refused, %u events, %u ways\n", base_name(directory), result.batches,
               result.refused, result.events, result.ways);
    dsdn_text_free(&report);
    return rc;
}

static int record(const char *directory, const struct options *o, struct dsdn_error *error)
{
    (void)o;
    return dsdn_fixture_record(&dsdn_catalogue, directory, false, error);
}

static int bless(const char *directory, const struct options *o, struct dsdn_error *error)
{
    (void)o;
    return dsdn_fixture_record(&dsdn_catalogue, directory, true, error);
}

int command_fixture(const struct options *o, struct dsdn_error *error)
{
    static const struct {
        const char *name;
        int (*run)(const char *, const struct options *, struct dsdn_error *);
    } verbs[] = {{"check", check}, {"record", record}, {"bless", bless}};
    size_t verb = 0;
    while (verb < sizeof verbs / sizeof verbs[0] && strcmp(o->arguments[0], verbs[verb].name) != 0) verb++;
    if (verb == sizeof verbs / sizeof verbs[0])
        return dsdn_fail(error, DSDN_E_USAGE, "fixture check, record or bless, not \"%.40s\"",
                         o->arguments[0]);
    /* One that fails does not hide the others; the first failure is the command's. */
    int first = DSDN_OK;
    for (unsigned i = 1; i < o->argument_cnt && !interrupted; i++) {
        struct dsdn_error found = DSDN_ERROR_INIT;
        int rc = verbs[verb].run(o->arguments[i], o, &found);
        if (!rc) continue;
        dsdn_error_at(&found, o->arguments[i], DSDN_NO_OFFSET);
        if (first)
            command_error(&found, use_color(o));
        else {
            *error = found;
            first = rc;
        }
    }
    return first || !interrupted ? first
                                 : dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped; repeat the command");
}
