#include "apps/coordinator/options.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef bool read_fn(struct options *o, const char *value);

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9') return false;
    unsigned long long value = strtoull(text, &end, 10);
    *out = value;
    return !*end && value >= least && value <= most && value != UINT64_MAX;
}

static bool number32(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
    uint64_t value;
    if (!number(text, least, most, &value)) return false;
    *out = (uint32_t)value;
    return true;
}

static bool word(const char *text, const char **out)
{
    *out = text;
    return *text != 0;
}

static bool read_da(struct options *o, const char *text)
{
    static const char scheme[] = "celestia:", query[] = "?namespace=";
    if (strncmp(text, scheme, sizeof scheme - 1) != 0) return false;
    text += sizeof scheme - 1;
    const char *ns = strstr(text, query);
    size_t len = ns ? (size_t)(ns - text) : strlen(text);
    if (!len || len > DSDN_ENDPOINT_URL_MAX) return false;
    memcpy(o->da.url, text, len);
    o->da.url[len] = 0;
    o->da.has_namespace = ns != NULL;
    o->has_da = true;
    return !ns || dsdn_namespace_parse(ns + sizeof query - 1, o->da.ns, NULL) == 0;
}

static bool read_listen(struct options *o, const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || colon == text || !number(colon + 1, 0, UINT16_MAX, &port)) return false;
    if ((size_t)(colon - text) >= sizeof o->host) return false;
    memcpy(o->host, text, (size_t)(colon - text));
    o->host[colon - text] = 0;
    o->port = (uint16_t)port;
    return o->has_listen = true;
}

static bool read_genesis(struct options *o, const char *t)
{
    return word(t, &o->genesis);
}
static bool read_key(struct options *o, const char *t)
{
    return word(t, &o->key);
}
static bool read_data(struct options *o, const char *t)
{
    return word(t, &o->data);
}
static bool read_token_file(struct options *o, const char *t)
{
    return word(t, &o->token_file);
}
static bool read_bundles(struct options *o, const char *t)
{
    return word(t, &o->bundles);
}
static bool read_output(struct options *o, const char *t)
{
    return word(t, &o->output);
}
static bool read_chain_id(struct options *o, const char *t)
{
    return word(t, &o->chain_id);
}
static bool read_network(struct options *o, const char *t)
{
    return word(t, &o->network) && strlen(t) <= 16;
}
static bool read_once(struct options *o, const char *t)
{
    return (void)t, o->once = true;
}
static bool read_subscribe(struct options *o, const char *t)
{
    return (void)t, o->subscribe = true;
}
static bool read_verbose(struct options *o, const char *t)
{
    return (void)t, o->verbose = true;
}
static bool read_quiet(struct options *o, const char *t)
{
    return (void)t, o->quiet = true;
}
static bool read_help(struct options *o, const char *t)
{
    return (void)t, o->help = true;
}
static bool read_version(struct options *o, const char *t)
{
    return (void)t, o->version = true;
}
static bool read_poll(struct options *o, const char *t)
{
    return number32(t, 10, 600000, &o->poll_ms);
}
static bool read_delay(struct options *o, const char *t)
{
    return number32(t, 1, 3600000, &o->delay_ms);
}
static bool read_idle(struct options *o, const char *t)
{
    return number32(t, 1, 86400000, &o->idle_ms);
}
static bool read_batch_events(struct options *o, const char *t)
{
    return number32(t, 1, 1000000, &o->batch_events);
}
static bool read_batch_bytes(struct options *o, const char *t)
{
    return number(t, 1024, 4194304, &o->batch_bytes);
}
static bool read_seed(struct options *o, const char *t)
{
    return number(t, 0, INT64_MAX, &o->seed);
}
static bool read_events(struct options *o, const char *t)
{
    return number(t, 1, 100000000, &o->events);
}
static bool read_per_bundle(struct options *o, const char *t)
{
    return number(t, 1, 2000, &o->per_bundle);
}

/* "0.004" utia per gas, at most nine digits behind the point. */
static bool read_gas_price(struct options *o, const char *text)
{
    uint64_t whole = 0, part = 0, digits = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9' && whole < 1000; p++) whole = whole * 10 + (uint64_t)(*p - '0');
    if (p == text) return false;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9' && digits < 9; p++, digits++)
            part = part * 10 + (uint64_t)(*p - '0');
    for (; digits < 9; digits++) part *= 10;
    o->gas_price_nano = whole * 1000000000 + part;
    return !*p && whole < 1000 && o->gas_price_nano;
}

static const struct option_row {
    const char *name, *value; /* value NULL: a flag */
    read_fn *read;
    const char *doc;
} rows[] = {
    {"--genesis", "FILE", read_genesis, "the network's genesis file"},
    {"--key", "FILE", read_key, "the authority's key: 64 hex digits, readable by its owner only"},
    {"--data", "DIR", read_data, "log, state, accepted bundles and the signer's lock"},
    {"--da", "celestia:URL?namespace=HEX", read_da,
     "the node of the primary; without a namespace that of the genesis"},
    {"--token-file", "FILE", read_token_file, "its token, which needs `write`; else from DA_AUTH_TOKEN"},
    {"--listen", "HOST:PORT", read_listen, "take bundles by HTTP: POST /bundles, GET /status"},
    {"--bundles", "FILE|-", read_bundles, "take bundles from a file, or from standard input"},
    {"--once", NULL, read_once, "with --bundles: end when all of them are in the log, print the status"},
    {"--batch-events", "N", read_batch_events, "most events of the pool in one batch (10000)"},
    {"--batch-bytes", "N", read_batch_bytes, "most bytes of a batch's body (what batch_max allows)"},
    {"--delay", "MS", read_delay, "a bundle waits at most so long for company (1000)"},
    {"--idle", "MS", read_idle, "an empty batch after so long without one (60000)"},
    {"--poll", "MS", read_poll, "between questions for a new head (1000)"},
    {"--subscribe", NULL, read_subscribe, "hear of new heads by WebSocket: asks sooner"},
    {"--gas-price", "UTIA", read_gas_price, "price per gas, e.g. 0.004; else the node estimates one"},
    {"--verbose", NULL, read_verbose, "a line for each batch on standard error (also -v)"},
    {"--quiet", NULL, read_quiet, "errors only"},
    {"--network", "NAME", read_network, "init: name of the network, at most 16 bytes"},
    {"--chain-id", "ID", read_chain_id, "init: chain id of the primary, as its headers have it"},
    {"--seed", "N", read_seed, "sample: the same seed gives the same bundles"},
    {"--events", "N", read_events, "sample: events in all"},
    {"--per-bundle", "N", read_per_bundle, "sample: events of a bundle (50)"},
    {"--output", "FILE", read_output, "init, sample: what to write (also -o)"},
    {"--help", NULL, read_help, "this text"},
    {"--version", NULL, read_version, "name and version"},
};

static const struct option_row *find(const char *name, size_t len)
{
    if (len == 2 && memcmp(name, "-v", 2) == 0) return find("--verbose", 9);
    if (len == 2 && memcmp(name, "-o", 2) == 0) return find("--output", 8);
    for (const struct option_row *row = rows; row < rows + COUNT(rows); row++)
        if (strlen(row->name) == len && memcmp(row->name, name, len) == 0) return row;
    return NULL;
}

static int check(const struct options *o, struct dsdn_error *error)
{
    if (o->help || o->version) return DSDN_OK;
    const char *missing = NULL;
    if (o->command == COMMAND_RUN) {
        missing = !o->genesis  ? "--genesis"
                  : !o->key    ? "--key"
                  : !o->data   ? "--data"
                  : !o->has_da ? "--da"
                               : NULL;
        if (!missing && o->once && !o->bundles) missing = "--bundles, with --once,";
    } else if (o->command == COMMAND_INIT) {
        missing = !o->network    ? "--network"
                  : !o->key      ? "--key"
                  : !o->has_da   ? "--da"
                  : !o->chain_id ? "--chain-id"
                  : !o->output   ? "-o"
                                 : NULL;
        if (!missing && !o->da.has_namespace) missing = "a namespace in --da";
    } else if (o->command == COMMAND_SAMPLE)
        missing = !o->genesis ? "--genesis" : !o->events ? "--events" : !o->output ? "-o" : NULL;
    return missing ? dsdn_fail(error, DSDN_E_USAGE, "%s is needed; see dsdn-coordinator --help", missing)
                   : DSDN_OK;
}

int options_parse(struct options *o, int argc, char **argv, struct dsdn_error *error)
{
    int i = 1;
    *o = (struct options){.per_bundle = 50};
    if (argc > 1 && strcmp(argv[1], "init") == 0) o->command = COMMAND_INIT;
    if (argc > 1 && strcmp(argv[1], "sample") == 0) o->command = COMMAND_SAMPLE;
    if (argc > 1 && strcmp(argv[1], "estimate") == 0) o->command = COMMAND_ESTIMATE;
    for (i += o->command != COMMAND_RUN; i < argc; i++) {
        const char *name = argv[i], *equals = *name == '-' ? strchr(name, '=') : NULL;
        size_t len = equals ? (size_t)(equals - name) : strlen(name);
        const struct option_row *row = find(name, len);
        if (!row)
            return dsdn_fail(error, DSDN_E_USAGE, "no option \"%.80s\"; see dsdn-coordinator --help", name);
        const char *value = equals ? equals + 1 : NULL;
        if (!row->value && value)
            return dsdn_fail(error, DSDN_E_USAGE, "option %s takes no value", row->name);
        if (row->value && !value && ++i < argc) value = argv[i];
        if (row->value && !value) return dsdn_fail(error, DSDN_E_USAGE, "option %s needs a value", row->name);
        if (!row->read(o, value))
            return dsdn_fail(error, DSDN_E_USAGE, "option %s cannot be \"%.200s\"", row->name,
                             value ? value : "");
    }
    return check(o, error);
}

void options_help(FILE *out)
{
    fputs(
        "usage: dsdn-coordinator --genesis FILE --key FILE --data DIR --da celestia:URL?namespace=HEX "
        "[options]\n"
        "       dsdn-coordinator init --network NAME --key FILE --da celestia:URL?namespace=HEX --chain-id "
        "ID -o "
        "GENESIS\n"
        "       dsdn-coordinator sample --genesis FILE --events N [--seed N] [--per-bundle N] -o FILE\n"
        "       dsdn-coordinator estimate [--gas-price UTIA]\n\n"
        "Follows the log of a network on its primary and publishes the bundles it is given as batches.\n"
        "init writes the genesis of a development network that begins at the primary's head; sample writes\n"
        "bundles to try it with; estimate tells what blobs cost on the primary.\n\n",
        out);
    for (size_t i = 0; i < COUNT(rows); i++)
        fprintf(out, "  %s%s%s\n        %s\n", rows[i].name, rows[i].value ? " " : "",
                rows[i].value ? rows[i].value : "", rows[i].doc);
}
