/* doctor.c: `doctor`: a node of the primary, looked at as a log needs it. */
#include "apps/replay/doctor.h"

#include "apps/replay/commands.h"

#include <errno.h>
#include <stdlib.h>

#define REPORT_MAX ((size_t)1 << 20)

static const char *const status_names[] = {"ok", "note", "warning", "false", "unreachable"};

static int print_rows(const struct doctor *d, struct dsdn_error *error)
{
    struct dsdn_text text, *t = &text;
    bool json = d->node.options->json;
    enum doctor_status worst = DOCTOR_FINE;
    dsdn_text_init(t, REPORT_MAX, 0);
    for (uint32_t i = 0; i < d->row_cnt; i++)
        if (d->rows[i].status > worst) worst = d->rows[i].status;
    if (json) {
        dsdn_text_open(t, '{');
        dsdn_text_key(t, "ok");
        dsdn_text_bool(t, worst < DOCTOR_WARNING);
        dsdn_text_key(t, "checks");
        dsdn_text_open(t, '[');
    }
    for (uint32_t i = 0; i < d->row_cnt; i++) {
        const struct doctor_row *row = &d->rows[i];
        if (!json) {
            dsdn_text_format(t, "%-11s %-11s %s\n", row->name, status_names[row->status], row->text);
            continue;
        }
        dsdn_text_open(t, '{');
        dsdn_text_key(t, "name");
        dsdn_text_string(t, row->name);
        dsdn_text_key(t, "status");
        dsdn_text_string(t, status_names[row->status]);
        dsdn_text_key(t, "text");
        dsdn_text_string(t, row->text);
        dsdn_text_close(t, '}');
    }
    if (json) {
        dsdn_text_close(t, ']');
        dsdn_text_key(t, "metrics");
        dsdn_endpoint_write_metrics(t, &d->endpoint);
        dsdn_text_close(t, '}');
        dsdn_text_line(t);
    }
    int rc = dsdn_text_status(t, error);
    if (!rc && (fwrite(t->bytes, 1, t->len, stdout) != t->len || fflush(stdout) != 0))
        rc = dsdn_fail_errno(error, errno, "cannot write to standard output");
    dsdn_text_free(t);
    return rc;
}

/* The worst row is what the command ends with. */
static int verdict(const struct doctor *d, struct dsdn_error *error)
{
    static const int codes[] = {DSDN_OK, DSDN_OK, DSDN_E_INCOMPLETE, DSDN_E_WRONG_GENESIS, DSDN_E_AGAIN};
    const struct doctor_row *worst = NULL;
    for (uint32_t i = 0; i < d->row_cnt; i++)
        if (d->rows[i].status > DOCTOR_NOTE && (!worst || d->rows[i].status > worst->status))
            worst = &d->rows[i];
    return worst ? dsdn_fail(error, codes[worst->status], "%s: %s", worst->name, worst->text) : DSDN_OK;
}

int command_doctor(const struct options *options, struct dsdn_error *error)
{
    struct dsdn_rpc_options rpc = {.connections = 1};
    if (!celestia_named(options->arguments[0]))
        return dsdn_fail(error, DSDN_E_USAGE, "doctor wants a source celestia:URL, not \"%.80s\"",
                         options->arguments[0]);
    struct doctor *d = calloc(1, sizeof *d);
    if (!d) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to start");
    int rc = celestia_bind(&d->node, options->arguments[0], options, error);
    if (!rc) rc = dsdn_rpc_new(&rpc, &d->rpc, error);
    if (!rc) {
        rc = dsdn_endpoint_open(&d->endpoint, &d->node.endpoint, error);
        if (!rc) {
            doctor_examine(d);
            rc = print_rows(d, error);
            dsdn_endpoint_close(&d->endpoint);
        }
        dsdn_rpc_free(d->rpc);
    }
    if (!rc) rc = verdict(d, error);
    celestia_release(&d->node);
    free(d);
    return rc;
}
