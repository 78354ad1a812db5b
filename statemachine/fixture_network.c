/* fixture_network.c: the lines of a story before its first batch (docs/fixtures.md, "The network"). */
#include "statemachine/fixture_parser.h"

/* What a validator of the genesis stakes unless the story says otherwise. */
#define VALIDATOR_STAKE (50000 * DSDN_STORY_TOKEN)

/* Names of keys up to the end of the line. */
static int key_list(struct dsdn_parser *p, struct dsdn_word rest, uint32_t *names, uint32_t cap,
                    uint32_t *cnt, struct dsdn_error *error)
{
    struct dsdn_word w;
    while (dsdn_parser_word(&rest, &w)) {
        uint32_t key = dsdn_parser_key(p, w);
        if (key == DSDN_STORY_NONE)
            return dsdn_parser_fail(p, error, "no key of this name (declare it with `keys`)", w);
        if (*cnt == cap) return dsdn_parser_fail(p, error, "too many keys", w);
        names[(*cnt)++] = key;
    }
    return DSDN_OK;
}

static int read_title(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    if (!rest.len || p->title) return dsdn_parser_fail(p, error, "a story has one title", rest);
    p->title = true;
    return DSDN_OK;
}

static int read_why(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    if (!rest.len) return dsdn_parser_fail(p, error, "say why", rest);
    p->why = true;
    return DSDN_OK;
}

static int read_recut(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word no;
    if (!dsdn_parser_word(&rest, &no) || !dsdn_word_is(no, "no:") || rest.len < 2)
        return dsdn_parser_fail(p, error, "write `recut no: ` and the reason", rest);
    p->s->recut = false;
    return DSDN_OK;
}

static int declare_all(struct dsdn_parser *p, struct dsdn_word rest, enum dsdn_story_kind kind,
                       struct dsdn_error *error)
{
    struct dsdn_word w;
    int rc = DSDN_OK;
    while (!rc && dsdn_parser_word(&rest, &w)) rc = dsdn_story_declare(p->s, w, kind, 0, p->line, error);
    return rc;
}

static int read_keys(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return declare_all(p, rest, DSDN_STORY_KEY, error);
}

static int read_hashes(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return declare_all(p, rest, DSDN_STORY_HASH, error);
}

static int read_tree(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word name, leaves;
    uint64_t cnt = 0;
    dsdn_parser_word(&rest, &name);
    bool good = dsdn_parser_word(&rest, &leaves) && leaves.len > 7 && memcmp(leaves.at, "leaves=", 7) == 0 &&
                dsdn_story_number((struct dsdn_word){leaves.at + 7, leaves.len - 7}, &cnt);
    if (!good || cnt < 1 || cnt > DSDN_STORY_LEAVES)
        return dsdn_parser_fail(p, error, "write `tree NAME leaves=N`, N from 1 to 4096", name);
    return dsdn_story_declare(p->s, name, DSDN_STORY_TREE, (uint32_t)cnt, p->line, error);
}

static int read_network(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    (void)error;
    p->network.id = rest;
    return DSDN_OK;
}

static int read_protocol(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    (void)error;
    p->network.version = rest;
    return DSDN_OK;
}

static int read_primary(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word start;
    dsdn_parser_word(&rest, &p->network.chain);
    bool good = dsdn_parser_word(&rest, &start) && start.len > 6 && memcmp(start.at, "start=", 6) == 0 &&
                dsdn_story_number((struct dsdn_word){start.at + 6, start.len - 6}, &p->network.start);
    return good ? DSDN_OK
                : dsdn_parser_fail(p, error, "write `primary CHAIN start=HEIGHT`", p->network.chain);
}

static int read_parameter(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word name, value;
    uint64_t number;
    dsdn_parser_word(&rest, &name);
    const struct dsdn_parameter_desc *desc = dsdn_parameter_find(name.at, name.len);
    if (!desc || !dsdn_parser_word(&rest, &value) || !dsdn_story_number(value, &number) || number > INT64_MAX)
        return dsdn_parser_fail(p, error, "write `parameter NAME VALUE`", name);
    p->network.parameters[desc - dsdn_parameters] = (int64_t)number;
    p->network.declared[desc - dsdn_parameters] = true;
    return DSDN_OK;
}

static int read_coordinator(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    uint32_t cnt = 0;
    return key_list(p, rest, &p->network.coordinator, 1, &cnt, error);
}

static int read_founders(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word m, of;
    uint64_t number = 0;
    bool good = dsdn_parser_word(&rest, &m) && dsdn_story_number(m, &number) && number <= 64;
    if (!good || !dsdn_parser_word(&rest, &of) || !dsdn_word_is(of, "of"))
        return dsdn_parser_fail(p, error, "write `founders M of NAME NAME ...`", rest);
    p->network.founder_m = (uint32_t)number;
    return key_list(p, rest, p->network.founders, 64, &p->network.founder_cnt, error);
}

static int read_level(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    bool good = dsdn_parser_number32(rest, &p->network.level) && p->network.level <= UINT8_MAX;
    return good ? DSDN_OK : dsdn_parser_fail(p, error, "write `level N`", rest);
}

static int read_validators(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_story_network *n = &p->network;
    uint32_t known = n->validator_cnt;
    int rc = key_list(p, rest, n->validators, 64, &n->validator_cnt, error);
    for (; known < n->validator_cnt; known++) n->stakes[known] = VALIDATOR_STAKE;
    return rc;
}

/* stake NAME AMOUNT: of a validator of the genesis */
static int read_stake(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word name, amount;
    uint32_t i = 0;
    dsdn_parser_word(&rest, &name);
    uint32_t key = dsdn_parser_key(p, name);
    while (i < p->network.validator_cnt && p->network.validators[i] != key) i++;
    if (i == p->network.validator_cnt)
        return dsdn_parser_fail(p, error, "no validator of this name (declare it with `validators`)", name);
    bool good = dsdn_parser_word(&rest, &amount) && dsdn_story_amount(amount, &p->network.stakes[i]);
    return good ? DSDN_OK : dsdn_parser_fail(p, error, "write `stake NAME AMOUNT`", amount);
}

static bool seconds(struct dsdn_word w, uint64_t *s)
{
    if (dsdn_story_number(w, s)) return true;
    bool whole = dsdn_story_duration(w, s) && *s % 1000 == 0;
    *s /= 1000;
    return whole;
}

/* vest=START,CLIFF,LENGTH */
static bool account_vest(struct dsdn_parser *p, struct dsdn_word v)
{
    uint32_t i = p->network.account_cnt - 1;
    const char *end = v.at + v.len, *first = memchr(v.at, ',', v.len);
    const char *second = first ? memchr(first + 1, ',', (size_t)(end - first - 1)) : NULL;
    if (!second) return false;
    return dsdn_story_time((struct dsdn_word){v.at, (size_t)(first - v.at)}, DSDN_STORY_BEGIN_MS,
                           &p->network.accounts[i].vest_start) &&
           seconds((struct dsdn_word){first + 1, (size_t)(second - first - 1)},
                   &p->network.accounts[i].vest_cliff_s) &&
           seconds((struct dsdn_word){second + 1, (size_t)(end - second - 1)},
                   &p->network.accounts[i].vest_len_s);
}

static bool account_pool(struct dsdn_parser *p, struct dsdn_word v)
{
    uint32_t *pool = &p->network.accounts[p->network.account_cnt - 1].pool;
    return dsdn_parser_number32(v, pool) && *pool <= UINT8_MAX;
}

/* account NAME AMOUNT [vest=START,CLIFF,LENGTH] [pool=N] */
static int read_account(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    static const struct dsdn_attribute attributes[] = {
        {"vest", account_vest}, {"pool", account_pool}, {NULL, NULL}};
    struct dsdn_story_network *n = &p->network;
    struct dsdn_word name, amount;
    dsdn_parser_word(&rest, &name);
    uint32_t key = dsdn_parser_key(p, name);
    if (key == DSDN_STORY_NONE)
        return dsdn_parser_fail(p, error, "no key of this name (declare it with `keys`)", name);
    if (n->account_cnt == sizeof n->accounts / sizeof *n->accounts)
        return dsdn_parser_fail(p, error, "too many accounts", name);
    n->accounts[n->account_cnt].name = key;
    if (!dsdn_parser_word(&rest, &amount) || !dsdn_story_amount(amount, &n->accounts[n->account_cnt].units))
        return dsdn_parser_fail(p, error, "write `account NAME AMOUNT [vest=START,CLIFF,LENGTH] [pool=N]`",
                                amount);
    n->account_cnt++;
    return dsdn_parser_attributes(p, rest, attributes, error);
}

/* allow NAME...: operators that a pilot network lists */
static int read_allow(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return key_list(p, rest, p->network.allowed, 64, &p->network.allowed_cnt, error);
}

/* committee GROUP of MEMBER[/VALIDATOR]... */
static int read_committee(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_story_network *n = &p->network;
    struct dsdn_word group, of, w;
    dsdn_parser_word(&rest, &group);
    n->coordinator = dsdn_parser_key(p, group);
    if (n->coordinator == DSDN_STORY_NONE || !dsdn_parser_word(&rest, &of) || !dsdn_word_is(of, "of"))
        return dsdn_parser_fail(p, error, "write `committee GROUP of MEMBER[/VALIDATOR]...`", group);
    while (dsdn_parser_word(&rest, &w)) {
        const char *slash = memchr(w.at, '/', w.len);
        struct dsdn_word member = {w.at, slash ? (size_t)(slash - w.at) : w.len};
        struct dsdn_word validator = {slash ? slash + 1 : w.at, slash ? w.len - member.len - 1 : 0};
        if (n->seat_cnt == sizeof n->seats / sizeof *n->seats)
            return dsdn_parser_fail(p, error, "too many seats", w);
        n->seats[n->seat_cnt].member = dsdn_parser_key(p, member);
        n->seats[n->seat_cnt].validator = slash ? dsdn_parser_key(p, validator) : DSDN_STORY_NONE;
        if (n->seats[n->seat_cnt].member == DSDN_STORY_NONE ||
            (slash && n->seats[n->seat_cnt].validator == DSDN_STORY_NONE))
            return dsdn_parser_fail(p, error, "no key of this name (declare it with `keys`)", w);
        n->seat_cnt++;
    }
    return n->seat_cnt ? DSDN_OK : dsdn_parser_fail(p, error, "a committee has seats", group);
}

/* quorum [PERCENT%] NAME... */
static int read_quorum(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    struct dsdn_word after = rest, w;
    if (dsdn_parser_word(&after, &w) && w.at[w.len - 1] == '%') {
        if (!dsdn_parser_number32((struct dsdn_word){w.at, w.len - 1}, &p->network.quorum_pct) ||
            p->network.quorum_pct > UINT8_MAX)
            return dsdn_parser_fail(p, error, "write `quorum [PERCENT%] NAME...`", w);
        rest = after;
    }
    return key_list(p, rest, p->network.quorum, 64, &p->network.quorum_cnt, error);
}

static int read_emergency(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return key_list(p, rest, p->network.emergency, 1, &p->network.emergency_cnt, error);
}

const struct dsdn_directive dsdn_parser_network[] = {
    {"title", read_title},
    {"why", read_why},
    {"recut", read_recut},
    {"keys", read_keys},
    {"hashes", read_hashes},
    {"tree", read_tree},
    {"network", read_network},
    {"protocol", read_protocol},
    {"primary", read_primary},
    {"parameter", read_parameter},
    {"coordinator", read_coordinator},
    {"founders", read_founders},
    {"level", read_level},
    {"validators", read_validators},
    {"stake", read_stake},
    {"account", read_account},
    {"allow", read_allow},
    {"committee", read_committee},
    {"quorum", read_quorum},
    {"emergency", read_emergency},
    {"defaults", dsdn_parser_read_defaults},
    {NULL, NULL},
};
