/* main.c: finds the command, reads its options, runs it, and turns what it returns into an exit status. */
#include "apps/replay/commands.h"

#include "apps/replay/progress.h"
#include "log/sign.h"

#include <string.h>

volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)SA_RESETHAND}; /* a second signal ends us */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Findings are printed when they are found, and one of them is what the command ends with: once is enough. */
static struct dsdn_error shown;

static bool was_shown(const struct dsdn_error *error)
{
    return shown.code == error->code && shown.offset == error->offset && shown.sequence == error->sequence &&
           strcmp(shown.message, error->message) == 0;
}

void command_error(const struct dsdn_error *error, bool color)
{
    char text[1024];
    if (!shown.code) shown = *error;
    dsdn_error_format(error, text, sizeof text);
    fprintf(stderr, "dsdn-replay: %serror%s %s\n", color ? "\033[1;31m" : "", color ? "\033[0m" : "", text);
}

static int run(int argc, char **argv, struct options *options, struct dsdn_error *error)
{
    const struct command *command = argc > 1 ? command_find(argv[1]) : NULL;
    int skip = command ? 2 : 1;
    if (!command) command = &commands[0];
    int rc = options_parse(options, command, argc - skip, argv + skip, error);
    if (rc) return rc;
    if (options->help) {
        if (command == commands && !options->argument_cnt)
            options_overview(stdout);
        else
            options_help(stdout, command);
        return DSDN_OK;
    }
    rc = dsdn_sign_self_test(error);
    if (rc) return rc;
    interrupt_catch();
    rc = command->run(options, error);
    const char *meant =
        command == commands && rc == DSDN_E_NOT_FOUND ? command_suggest(options->arguments[0]) : NULL;
    if (meant)
        return dsdn_fail(error, DSDN_E_USAGE, "no source and no command \"%.80s\"; did you mean %s?",
                         options->arguments[0], meant);
    return rc;
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct options options = {0};
    if (argc < 2) {
        options_overview(stderr);
        return dsdn_error_exit(DSDN_E_USAGE);
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("dsdn-replay " DSDN_VERSION);
        return 0;
    }
    int rc = run(argc, argv, &options, &error);
    if (fflush(stdout) != 0 && !rc) rc = dsdn_fail(&error, DSDN_E_IO, "cannot write to standard output");
    if (!rc) return 0;
    if (!error.code) dsdn_fail(&error, rc, "%s", dsdn_error_text(rc));
    if (!was_shown(&error)) command_error(&error, use_color(&options));
    if (!options.quiet && rc != DSDN_E_USAGE && rc != DSDN_E_INTERRUPTED)
        fprintf(stderr, "  dsdn-replay explain %s\n", dsdn_error_name(rc));
    return dsdn_error_exit(rc);
}
