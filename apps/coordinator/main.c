/* main.c: dsdn-coordinator: options, the loop, the exit status. */
#include "apps/coordinator/intake.h"
#include "apps/coordinator/network.h"
#include "apps/coordinator/serve.h"

#include <signal.h>
#include <unistd.h>

enum { WAIT_MS = 20 };

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)SA_RESETHAND}; /* a second one ends us */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The one line that scripts wait for. */
static void announce(const struct options *o, const struct serve *serve)
{
    if (serve)
        printf("{\"listening\":\"http://%s:%u\",\"pid\":%d}\n", o->host, serve_port(serve), (int)getpid());
    else
        printf("{\"listening\":null,\"pid\":%d}\n", (int)getpid());
    fflush(stdout);
}

static int print_status(const struct coordinator *c, struct dsdn_error *error)
{
    struct dsdn_text t;
    dsdn_text_init(&t, 1 << 20, 0);
    coordinator_status(c, &t);
    dsdn_text_line(&t);
    int rc = dsdn_text_status(&t, error);
    if (!rc && (fwrite(t.bytes, 1, t.len, stdout) != t.len || fflush(stdout) != 0))
        rc = dsdn_fail(error, DSDN_E_IO, "cannot write to standard output");
    dsdn_text_free(&t);
    return rc;
}

static int loop(struct coordinator *c, struct serve *serve, struct intake *in, struct dsdn_error *error)
{
    const struct options *o = c->options;
    int rc = DSDN_OK;
    bool busy = false, more = false;
    while (!rc && !stopped) {
        rc = coordinator_turn(c, busy ? 0 : WAIT_MS, error);
        busy = serve && serve_turn(serve);
        if (!rc) rc = intake_read(in, c, &more, error);
        busy = busy || more;
        if (!rc && o->once && in->fd < 0 && coordinator_done(c)) break;
    }
    return rc;
}

static int command_run(const struct options *o, struct dsdn_error *error)
{
    static struct coordinator c;
    struct serve *serve = NULL;
    struct intake in = {.fd = -1, .ended = true};
    int rc = coordinator_open(&c, o, error);
    if (!rc && o->bundles) rc = intake_open(&in, o->bundles, error);
    if (!rc && o->has_listen) rc = serve_open(&c, o->host, o->port, &serve, error);
    if (!rc) {
        catch_signals();
        announce(o, serve);
        rc = loop(&c, serve, &in, error);
    }
    if (!rc && o->once) {
        if (stopped)
            rc = dsdn_fail(error, DSDN_E_INTERRUPTED,
                           "stopped; what was accepted is kept, the same command goes on");
        else
            rc = print_status(&c, error);
    }
    serve_close(serve);
    intake_close(&in);
    coordinator_close(&c);
    return rc;
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    static struct options o;
    char text[1024];
    int rc = options_parse(&o, argc, argv, &error);
    if (!rc && o.help) {
        options_help(stdout);
        return 0;
    }
    if (!rc && o.version) {
        puts("dsdn-coordinator " DSDN_VERSION);
        return 0;
    }
    if (!rc) rc = dsdn_sign_self_test(&error);
    if (!rc)
        rc = o.command == COMMAND_INIT       ? command_init(&o, &error)
             : o.command == COMMAND_SAMPLE   ? command_sample(&o, &error)
             : o.command == COMMAND_ESTIMATE ? command_estimate(&o, &error)
                                             : command_run(&o, &error);
    if (!rc) return 0;
    dsdn_error_format(&error, text, sizeof text);
    fprintf(stderr, "dsdn-coordinator: error %s\n", text);
    return dsdn_error_exit(rc);
}
