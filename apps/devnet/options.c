#include "apps/devnet/options.h"

#include <stdlib.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef bool read_fn(struct options *options, const char *value);

static bool number(const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9') return false;
    unsigned long long value = strtoull(text, &end, 10);
    *out = value;
    return !*end && value <= most && value != UINT64_MAX;
}

static bool small_number(const char *text, uint32_t *out)
{
    uint64_t value;
    if (!number(text, UINT32_MAX, &value)) return false;
    *out = (uint32_t)value;
    return true;
}

static bool copy(char *out, size_t cap, const char *text)
{
    return snprintf(out, cap, "%s", text) < (int)cap;
}

static bool read_listen(struct options *o, const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || !number(colon + 1, UINT16_MAX, &port) || (size_t)(colon - text) >= sizeof o->host)
        return false;
    memcpy(o->host, text, (size_t)(colon - text));
    o->host[colon - text] = 0;
    o->port = (uint16_t)port;
    return *o->host != 0;
}

static bool read_blocks(struct options *o, const char *text)
{
    o->blocks = BLOCKS_EVERY;
    if (strncmp(text, "every=", 6) == 0) return number(text + 6, 3600000, &o->every_ms) && o->every_ms;
    o->blocks = strcmp(text, "submit") == 0 ? BLOCKS_SUBMIT : BLOCKS_DEMAND;
    return o->blocks == BLOCKS_SUBMIT || strcmp(text, "demand") == 0;
}

static bool read_genesis(struct options *o, const char *text)
{
    struct tm tm = {.tm_isdst = 0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    o->has_genesis = true;
    o->config.genesis_time = (struct dsdn_celestia_time){end ? timegm(&tm) : 0, 0};
    return end && !*end;
}

static bool read_step(struct options *o, const char *text)
{
    o->has_step = true;
    return small_number(text, &o->config.step_ms) && o->config.step_ms <= 86400000;
}

static bool read_chain_id(struct options *o, const char *text)
{
    o->has_chain[0] = true;
    return copy(o->config.chain_id, sizeof o->config.chain_id, text);
}

static bool read_seed(struct options *o, const char *text)
{
    o->has_chain[1] = true;
    return copy(o->config.seed, sizeof o->config.seed, text);
}

static bool read_validators(struct options *o, const char *text)
{
    o->has_chain[2] = true;
    return small_number(text, &o->config.validator_cnt);
}

static bool read_rotate(struct options *o, const char *text)
{
    o->has_chain[3] = true;
    return small_number(text, &o->config.rotate_every);
}

static bool read_replace(struct options *o, const char *text)
{
    o->has_chain[4] = true;
    return number(text, INT64_MAX, &o->config.replace_at);
}

static bool read_square(struct options *o, const char *text)
{
    return small_number(text, &o->config.square_max);
}

static bool read_keep(struct options *o, const char *text)
{
    return number(text, INT64_MAX, &o->config.keep_heights);
}

static bool read_balance(struct options *o, const char *text)
{
    return number(text, INT64_MAX, &o->config.balance);
}

static bool read_first(struct options *o, const char *text)
{
    return number(text, 1000000, &o->first_blocks);
}

static bool read_home(struct options *o, const char *text)
{
    o->home = text;
    return *text != 0;
}

static bool read_token_file(struct options *o, const char *text)
{
    o->token_file = text;
    return *text != 0;
}

static bool read_fault(struct options *o, const char *text)
{
    return o->fault_cnt < FAULT_OPTIONS_MAX &&
           dsdn_devnet_fault_parse(text, o->faults + o->fault_cnt++, NULL) == 0;
}

static bool read_skip_auth(struct options *o, const char *text)
{
    (void)text;
    return o->skip_auth = true;
}

static bool read_help(struct options *o, const char *text)
{
    (void)text;
    return o->help = true;
}

static bool read_version(struct options *o, const char *text)
{
    (void)text;
    return o->version = true;
}

static const struct option_row {
    const char *name, *value; /* value NULL: a flag */
    read_fn *read;
    const char *doc;
} rows[] = {
    {"--listen", "ADDRESS:PORT", read_listen, "where to listen (127.0.0.1:26658); port 0 takes a free one"},
    {"--home", "DIR", read_home, "keep the blocks in DIR and go on from them; without it in memory only"},
    {"--blocks", "WHEN", read_blocks,
     "every=MS: by the clock (every=1000); demand: by devnet.Produce; submit: one for each submission"},
    {"--first-blocks", "N", read_first, "make N blocks before listening, if there are none yet"},
    {"--keep", "N", read_keep, "prune all but the last N heights (0: none)"},
    {"--chain-id", "ID", read_chain_id, "chain id in headers and votes (devnet-1)"},
    {"--seed", "TEXT", read_seed, "keys, account and tokens follow from it (devnet)"},
    {"--genesis-time", "TIME", read_genesis,
     "2026-01-31T12:00:00Z; default now, or a day ago when blocks have virtual time"},
    {"--time-step", "MS", read_step,
     "virtual time from block to block; 0: the clock (default 0 with every=, else 2600)"},
    {"--validators", "N", read_validators, "size of the validator set, 1 to 100 (4)"},
    {"--rotate-every", "N", read_rotate, "every N heights one validator has a new key (0: never)"},
    {"--replace-at", "H", read_replace, "from height H on all validators are others (0: never)"},
    {"--square-max", "K", read_square, "side of the largest square: a power of two up to 512 (256)"},
    {"--balance", "UTIA", read_balance, "what the node's account has at first (1000000000000)"},
    {"--token-file", "FILE", read_token_file,
     "write tokens: FILE is JSON, FILE.read, FILE.write and FILE.admin have one token each"},
    {"--skip-auth", NULL, read_skip_auth, "everybody may do everything"},
    {"--fault", "SPEC", read_fault,
     "switch a fault on: kind=NAME[,method=M][,heights=A-B][,times=N][,every=N]"
     "[,value=N][,text=T]; may be repeated"},
    {"--help", NULL, read_help, "this text"},
    {"--version", NULL, read_version, "name and version"},
};

int options_parse(struct options *o, int argc, char **argv, struct dsdn_error *error)
{
    *o = (struct options){.host = "127.0.0.1", .port = 26658, .blocks = BLOCKS_EVERY, .every_ms = 1000};
    dsdn_devnet_config_default(&o->config);
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *equals = strchr(name, '=');
        size_t len = equals ? (size_t)(equals - name) : strlen(name);
        const struct option_row *row = rows;
        while (row < rows + COUNT(rows) && (strlen(row->name) != len || strncmp(row->name, name, len) != 0))
            row++;
        if (row == rows + COUNT(rows))
            return dsdn_fail(error, DSDN_E_USAGE, "no option \"%.80s\"; see dsdn-devnet --help", name);
        const char *value = equals ? equals + 1 : NULL;
        if (!row->value && value)
            return dsdn_fail(error, DSDN_E_USAGE, "option %s takes no value", row->name);
        if (row->value && !value && ++i < argc) value = argv[i];
        if (row->value && !value) return dsdn_fail(error, DSDN_E_USAGE, "option %s needs a value", row->name);
        if (!row->read(o, value))
            return dsdn_fail(error, DSDN_E_USAGE, "option %s cannot be \"%.120s\"", row->name,
                             value ? value : "");
    }
    return DSDN_OK;
}

void options_help(FILE *out)
{
    fputs("usage: dsdn-devnet [options]\n"
          "A Celestia-compatible node for one machine: true blocks, the node's JSON-RPC, faults on "
          "request.\n\n",
          out);
    for (size_t i = 0; i < COUNT(rows); i++)
        fprintf(out, "  %s%s%s\n        %s\n", rows[i].name, rows[i].value ? " " : "",
                rows[i].value ? rows[i].value : "", rows[i].doc);
    fputs("\nFaults:\n", out);
    for (uint32_t i = 0; i < DSDN_DEVNET_FAULT_CNT; i++)
        fprintf(out, "  %-14s %s\n", dsdn_devnet_fault_name((enum dsdn_devnet_fault_kind)i),
                dsdn_devnet_fault_text((enum dsdn_devnet_fault_kind)i));
}
