/* main.c: dsdn-devnet: options, node, tokens, server. */
#include "adapters/devnet/server.h"
#include "apps/devnet/options.h"
#include "log/json.h"
#include "log/sign.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

enum { STEP_MS = 2600, DAY = 86400 };

static volatile sig_atomic_t stopped;
static struct dsdn_devnet_server *server;

static void on_signal(int signal_number)
{
    (void)signal_number;
    stopped = 1;
    if (server) dsdn_devnet_server_wake(server);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- the chain's configuration ----------------------------------------------------------------- */

/* A home directory knows its chain: what the command line does not say comes from there. */
static int configure(struct options *o, struct dsdn_error *error)
{
    struct dsdn_devnet_config stored = o->config, *c = &o->config;
    bool found = false;
    int rc = o->home ? dsdn_devnet_store_config(&dsdn_io_system, o->home, &stored, &found, error) : 0;
    if (rc) return rc;
    if (found) {
        if (!o->has_chain[0]) memcpy(c->chain_id, stored.chain_id, sizeof c->chain_id);
        if (!o->has_chain[1]) memcpy(c->seed, stored.seed, sizeof c->seed);
        if (!o->has_chain[2]) c->validator_cnt = stored.validator_cnt;
        if (!o->has_chain[3]) c->rotate_every = stored.rotate_every;
        if (!o->has_chain[4]) c->replace_at = stored.replace_at;
        if (!o->has_genesis) c->genesis_time = stored.genesis_time;
        if (!o->has_step) c->step_ms = stored.step_ms;
        return DSDN_OK;
    }
    if (!o->has_step) c->step_ms = o->blocks == BLOCKS_EVERY ? 0 : STEP_MS;
    if (!o->has_genesis) c->genesis_time.seconds = time(NULL) - (c->step_ms ? DAY : 0);
    return DSDN_OK;
}

/* ---- tokens ------------------------------------------------------------------------------------ */

/* Tokens are secrets: for the owner only, and the old file is replaced as a whole. */
static int write_private(const char *path, const char *text, struct dsdn_error *error)
{
    int fd;
    dsdn_io_system.unlink(dsdn_io_system.self, path);
    int rc = dsdn_io_open(&dsdn_io_system, path, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, error);
    if (rc) return rc;
    rc = dsdn_io_write_at(&dsdn_io_system, fd, text, strlen(text), 0, path, error);
    dsdn_io_system.close(dsdn_io_system.self, fd);
    return rc;
}

static int write_tokens(const struct dsdn_devnet_node *node, const char *path, struct dsdn_error *error)
{
    char name[DSDN_DEVNET_PATH_MAX], token[DSDN_DEVNET_TOKEN_MAX + 1];
    struct dsdn_text all;
    int rc = 0;
    uint32_t set = 0;
    dsdn_text_init(&all, 8192, 0);
    dsdn_text_open(&all, '{');
    for (uint32_t bit = DSDN_DEVNET_PUBLIC; !rc && bit <= DSDN_DEVNET_ADMIN; bit <<= 1) {
        set |= bit;
        rc = dsdn_devnet_token_make(node->token_secret, set, 0, token, error);
        if (rc) break;
        dsdn_text_key(&all, dsdn_devnet_permission_name(bit));
        dsdn_text_string(&all, token);
        if (bit == DSDN_DEVNET_PUBLIC) continue;
        if (snprintf(name, sizeof name, "%s.%s", path, dsdn_devnet_permission_name(bit)) >= (int)sizeof name)
            rc = dsdn_fail(error, DSDN_E_USAGE, "the path of the token file is too long");
        strcat(token, "\n");
        if (!rc) rc = write_private(name, token, error);
    }
    dsdn_text_close(&all, '}');
    dsdn_text_line(&all);
    if (!rc) rc = dsdn_text_status(&all, error);
    if (!rc) rc = write_private(path, all.bytes, error);
    dsdn_text_free(&all);
    return rc;
}

/* ---- running ----------------------------------------------------------------------------------- */

/* The one line that scripts wait for. */
static void announce(const struct options *o, const struct dsdn_devnet_node *node)
{
    struct dsdn_text t;
    dsdn_text_init(&t, 16384, 0);
    dsdn_text_open(&t, '{');
    dsdn_text_key(&t, "url");
    char url[96];
    snprintf(url, sizeof url, "http://%s:%u", o->host, dsdn_devnet_server_port(server));
    dsdn_text_string(&t, url);
    dsdn_text_key(&t, "port");
    dsdn_text_u64(&t, dsdn_devnet_server_port(server));
    dsdn_text_key(&t, "chain_id");
    dsdn_text_string(&t, node->chain->config.chain_id);
    dsdn_text_key(&t, "head");
    dsdn_text_u64(&t, node->chain->head);
    dsdn_text_key(&t, "account");
    dsdn_text_string(&t, node->chain->account.text);
    dsdn_text_key(&t, "tokens");
    if (o->token_file)
        dsdn_text_string(&t, o->token_file);
    else
        dsdn_text_null(&t);
    dsdn_text_close(&t, '}');
    dsdn_text_line(&t);
    if (!t.failed) fwrite(t.bytes, 1, t.len, stdout);
    fflush(stdout);
    dsdn_text_free(&t);
}

static void set_now(struct dsdn_devnet_node *node)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    node->now = (struct dsdn_celestia_time){t.tv_sec, (int32_t)t.tv_nsec};
}

static int serve(const struct options *o, struct dsdn_devnet_node *node, struct dsdn_error *error)
{
    struct dsdn_devnet_server_options options = {o->host, o->port,
                                                 o->blocks == BLOCKS_EVERY ? o->every_ms : 0, &stopped};
    node->skip_auth = o->skip_auth;
    node->produce_on_submit = o->blocks == BLOCKS_SUBMIT;
    for (uint32_t i = 0; i < o->fault_cnt; i++) dsdn_devnet_faults_add(&node->faults, o->faults + i);
    set_now(node);
    int rc = node->chain->head ? 0 : dsdn_devnet_node_produce(node, o->first_blocks, error);
    if (!rc && o->token_file) rc = write_tokens(node, o->token_file, error);
    if (!rc) rc = dsdn_devnet_server_new(node, &options, &server, error);
    if (rc) return rc;
    catch_signals();
    announce(o, node);
    rc = dsdn_devnet_server_run(server, error);
    struct dsdn_devnet_server *ended = server;
    server = NULL; /* a second signal finds nothing to wake */
    dsdn_devnet_server_free(ended);
    return rc;
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    static struct options o;
    struct dsdn_devnet_node *node;
    char text[1024];
    int rc = options_parse(&o, argc, argv, &error);
    if (!rc && o.help) {
        options_help(stdout);
        return 0;
    }
    if (!rc && o.version) {
        puts("dsdn-devnet " DSDN_VERSION);
        return 0;
    }
    if (!rc) rc = dsdn_sign_self_test(&error);
    if (!rc) rc = configure(&o, &error);
    if (!rc) rc = dsdn_devnet_node_new(&o.config, &dsdn_io_system, o.home, &node, &error);
    if (!rc) {
        rc = serve(&o, node, &error);
        dsdn_devnet_node_free(node);
    }
    if (!rc) return 0;
    dsdn_error_format(&error, text, sizeof text);
    fprintf(stderr, "dsdn-devnet: error %s\n", text);
    return dsdn_error_exit(rc);
}
