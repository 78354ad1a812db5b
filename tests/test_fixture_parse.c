/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* Stories: what is read, what is refused and where, what they become; and that a check notices what it is
 * for. */
#include "tests/fail_nth.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "log/hash.h"
#include "roles/dsdn.h"
#include "roles/reducers.h"
#include "statemachine/fixture_story.h"

#define BEGIN "title t\nwhy w\nkeys olga node1 node2\nhashes tls\ntree tree leaves=5\n"
#define NODE                                                                                                 \
    "defaults NodeRegistered {\"operator\": \"$olga\", \"role\": 1, \"node_class\": 0, \"zone\": \"z\",\n"   \
    "  \"address\": \"\", \"capacity_gb\": 1, \"tls_fingerprint\": \"%tls\", \"tls_not_after\": \"@30d\",\n" \
    "  \"binding_expiry\": \"@60d\", \"label\": \"x\"}\n"
#define REGISTER(key) "event NodeRegistered {\"node_id\": \"$" key "\", \"node_sig\": \"sign:" key "\"}\n"

#define SENDS(amount)                                                                                        \
    "event Transfer {\"to\": \"$node1\", \"amount\": " amount ", \"memo_hash\": null, \"max_fee\": \"0\"}\n"
#define SHOWS(words)                                                                                         \
    "event SlashEvidenceSubmitted {\"target\": \"$node1\", \"kind\": 2, \"evidence\": \"" words "\"}\n"
#define POSTS(prev)                                                                                          \
    "event AuditRecordPosted {\"log_type\": 1, \"ref\": \"%tls\", \"seq\": \"7\", \"prev\": \"" prev         \
    "\", \"body_hash\": \"%tree.root\"}\n"
#define NAMES(members, approvals)                                                                            \
    "event QuorumValidatorSetDeclared {\"set_id\": 1, \"members\": \"" members                               \
    "\", \"threshold_pct\": 67, \"approvals\": \"" approvals "\"}\n"
#define FORMS(members)                                                                                       \
    "event CommitteeFormed {\"epoch\": \"1\", \"members\": \"" members                                       \
    "\", \"threshold\": 1, \"group_public\": \"$olga\", \"epoch_start\": \"0\", \"duration_s\": 1, "         \
    "\"method\": 1, \"seed\": \"%tls\"}\n"

static int compile(struct dsdn_story *s, const char *text, struct dsdn_error *error)
{
    *s = (struct dsdn_story){.tip = DSDN_STORY_NONE};
    return dsdn_story_compile(s, &dsdn_catalogue, text, strlen(text), error);
}

static void compile_good(struct dsdn_story *s, const char *text)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (compile(s, text, &error)) fail_msg("%s", error.message);
}

/* ---- what is refused ---- */

static void refuses_what_is_no_story(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "line 0: a story without a batch"},
        {"title t\nwhy w\n", "a story without a batch"},
        {"title t\nbatch\n", "line 2: a story begins with `title` and `why`"},
        {"why w\nbatch\n", "line 2: a story begins with"},
        {"title t\ntitle u\n", "line 2: a story has one title"},
        {"title t\nwhy\n", "line 2: say why"},
        {"title t\nwhy w\nrecut no:\n", "line 3: write `recut no: ` and the reason"},
        {"title t\nwhy w\nrecut maybe\n", "line 3: write `recut no: `"},
        {"title t\n# c\n\nwhat is this\n", "line 4: no line begins like this: \"what\""},
        {BEGIN "batch\nkeys late\n", "line 7: this stands before the first batch"},
        {BEGIN "keys olga\n", "line 6: the name olga is taken"},
        {BEGIN "hashes olga\n", "line 6: the name olga is taken"},
        {BEGIN "keys genesis\n", "the name genesis is taken"},
        {BEGIN "keys Olga\n", "a name is 1 to 31 of a-z"},
        {BEGIN "keys a23456789012345678901234567890123\n", "a name is 1 to 31 of a-z"},
        {BEGIN "tree t2 leaves=0\n", "write `tree NAME leaves=N`"},
        {BEGIN "tree t2 leaves=4097\n", "write `tree NAME leaves=N`"},
        {BEGIN "tree t2\n", "write `tree NAME leaves=N`"},
        {BEGIN "founders two of olga\nbatch\n", "write `founders M of NAME"},
        {BEGIN "founders 2 of olga\nbatch\n", "line 7: genesis: founder_m is 2 of 1 founders"},
        {BEGIN "founders 1 of nobody\n", "no key of this name"},
        {BEGIN "parameter nothing 3\n", "write `parameter NAME VALUE`"},
        {BEGIN "parameter fork_window 0\nbatch\n", "fork_window is 0; allowed are"},
        {BEGIN "protocol 1.0\nbatch\n", "protocol version 0."},
        {BEGIN "primary mock start=x\n", "write `primary CHAIN start=HEIGHT`"},
        {BEGIN "batch color=red\n", "line 6: no such attribute here: \"color=red\""},
        {BEGIN "batch time=soon\n", "not a value for this attribute: \"time=soon\""},
        {BEGIN "batch time=18446744073709551615d\n", "not a value for this attribute"},
        {BEGIN "batch on=nothing\n", "no batch of this name"},
        {BEGIN "batch name=a\nbatch name=a\n", "line 7: not a value for this attribute: \"name=a\""},
        {BEGIN "batch refused=NONSENSE\n", "not a value for this attribute"},
        {BEGIN "batch certificate=olga\nbatch\n", "olga is not in the quorum set"},
        {BEGIN "deliver a\n", "no batch of this name: \"a\""},
        {BEGIN "batch name=a\nbatch name=b on=genesis\nrollback a\n",
         "this batch is not below the newest one"},
        {BEGIN "bundle author=olga nonce=1\n", "a bundle stands in a batch"},
        {BEGIN "batch\nbundle author=nobody\n", "not a value for this attribute: \"author=nobody\""},
        {BEGIN "batch\nbundle author=olga nonce=1\n", "line 7: a bundle without events"},
        {BEGIN "batch\nbundle author=olga nonce=1\nbatch\n", "line 7: a bundle without events"},
        {BEGIN "batch\nevent NodeDeregistered {\"node_id\": \"$node1\"}\n", "an event stands in a bundle"},
        {BEGIN "batch\nbundle author=olga\nevent NodeDeregistered\n", "an event is written NAME {payload}"},
        {BEGIN "batch\nbundle author=olga\nevent Nothing {}\n", "no such event: \"Nothing\""},
        {BEGIN "batch\nbundle author=olga\nevent NodeDeregistered v2 {\"node_id\": \"$node1\"}\n",
         "an event takes vN and gives=OUTCOME"},
        {BEGIN "batch\nbundle author=olga\nevent NodeDeregistered gives=WRONG {}\n", "an event takes vN"},
        {BEGIN "batch\nbundle author=olga\nevent NodeDeregistered {}\n", "line 8: NodeDeregistered: "},
        {BEGIN "batch\nbundle author=olga\nevent NodeDeregistered {\"node_id\": \"$stranger\"}\n",
         "\"$stranger\": no such name"},
        {BEGIN "batch\nbundle author=olga\nevent NodeDeregistered {\"node_id\": \"%tree.leaf.5\"}\n",
         "\"%tree.leaf.5\": no such name"},
        {BEGIN "batch\nbundle author=olga\nevent NodeDeregistered {\"node_id\": \"$node1}\n", "has no end"},
        {BEGIN "batch\nbundle author=olga\nevent NodeDeregistered {\n\n\"node_id\": 3}\nbatch\n",
         "line 8: NodeDeregistered: "},
        {BEGIN "batch\nagain nothing\n", "no bundle of this name"},
        {BEGIN "batch\nbundle author=olga\nframe 123\n", "not hex digits"},
        {BEGIN "batch\nbundle author=olga\nframe %nothing\n", "not hex digits, not a name"},
        {BEGIN "damage cut=1\n", "damage stands in a batch"},
        {BEGIN "batch\ndamage cut=289\n", "the batch has only 289 bytes"},
        {BEGIN "batch\ndamage byte=289\n", "the batch has no byte 289"},
        {BEGIN "batch\ndamage byte=tail\n", "write byte=PLACE"},
        {BEGIN "batch\ndamage append=0\n", "write byte=PLACE"},
        {"title \xff\n", "a story is UTF-8"},
        {BEGIN "level 256\n", "line 6: write `level N`"},
        {BEGIN "level one\n", "line 6: write `level N`"},
        {BEGIN "account nobody 5\n", "no key of this name"},
        {BEGIN "account olga much\n", "write `account NAME AMOUNT"},
        {BEGIN "account olga 5 vest=0,5\n", "not a value for this attribute: \"vest=0,5\""},
        {BEGIN "account olga 5 vest=0,1500ms,2s\n", "not a value for this attribute"},
        {BEGIN "account olga 5 pool=256\n", "not a value for this attribute"},
        {BEGIN "stake olga 5\n", "no validator of this name"},
        {BEGIN "validators olga\nstake olga some\n", "write `stake NAME AMOUNT`"},
        {BEGIN "allow nobody\n", "no key of this name"},
        {BEGIN "committee nobody of olga\n", "write `committee GROUP of"},
        {BEGIN "committee olga node1\n", "write `committee GROUP of"},
        {BEGIN "committee olga of nobody\n", "no key of this name"},
        {BEGIN "committee olga of node1/nobody\n", "no key of this name"},
        {BEGIN "committee olga of\n", "a committee has seats"},
        {BEGIN "committee olga of node1\nbatch\n", "committee[0].validator_id is no validator"},
        {BEGIN "quorum x% olga\n", "write `quorum [PERCENT%] NAME...`"},
        {BEGIN "quorum 256% olga\n", "write `quorum [PERCENT%] NAME...`"},
        {BEGIN "quorum 66% olga\nbatch\n", "quorum_threshold_pct is 66"},
        {BEGIN "quorum olga\nbatch certificate=1:olga\nbatch\n", "no quorum set 1 was declared"},
        {BEGIN "quorum olga\nbatch certificate=x:olga\nbatch\n", "not a value for this attribute"},
        {BEGIN "plan tls first\n", "of which chunk: \"tls\""},
        {BEGIN "plan %tls\n", "give the nodes names"},
        {BEGIN "plan %tls first\n", "the state names no more nodes: \"first\""},
        {BEGIN "source %tls from\n", "the state names no more nodes"},
        {BEGIN "batch\ndamage cut=1\nplan %tls first\n",
         "the batches before it are not what the story says: "},
        {BEGIN "batch\nbundle author=olga\n" SENDS("\"five\""),
         "\"five\": no such name, or not of this form"},
        {BEGIN "batch\nbundle author=olga\n" SENDS("\"1.123456789\""), "\"1.123456789\": no such name"},
        {BEGIN "batch\nbundle author=olga\n" SHOWS("served:olga:%tls:1"), "\"served:olga:%tls:1\": no such"},
        {BEGIN "batch\nbundle author=olga\n" SHOWS("served:tls:%tls:1:%tls"), "no such name"},
        {BEGIN "batch\nbundle author=olga\n" SHOWS("00 path:tree:5"), "\"path:tree:5\": no such name"},
        {BEGIN "batch\nbundle author=olga\n" SHOWS("u16:65536"), "\"u16:65536\": no such name"},
        {BEGIN "batch\nbundle author=olga\n" SHOWS("vote:olga:4294967296:0:%tls"), "no such name"},
        {BEGIN "batch\nbundle author=olga\n" SHOWS("twice:olga:0:0:%tls"), "no such name"},
        {BEGIN "batch\nbundle author=olga\n" SHOWS("abc"), "\"abc\": no such name"},
        {BEGIN "batch\nbundle author=olga\n" POSTS("audit:nobody"), "\"audit:nobody\": no such name"},
        {BEGIN "batch\nbundle author=olga\n" POSTS("audit:olga:0"), "\"audit:olga:0\": no such name"},
        {BEGIN "batch\nbundle author=olga\n" NAMES("olga nobody", ""), "\"nobody\": no such name"},
        {BEGIN "batch\nbundle author=olga\n" NAMES("olga", "nobody"), "\"nobody\": no such name"},
        {BEGIN "batch\nauthority\n" FORMS("olga/nobody"), "\"olga/nobody\": no such name"},
        {BEGIN "batch\nauthority\nevent ReplicaAssigned {\"chunk\": \"%tls\", \"node\": \"$node1\", "
               "\"zone\": \"zone:$node1\", \"deadline\": \"0\"}\n",
         "\"zone:$node1\": no such name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsdn_story s;
        struct dsdn_error error = DSDN_ERROR_INIT;
        int rc = compile(&s, cases[i].text, &error);
        dsdn_story_close(&s);
        if (rc != DSDN_E_MALFORMED || !strstr(error.message, cases[i].message))
            fail_msg("%s\ngave %d %s", cases[i].text, rc, error.message);
    }
}

/* ---- what is made ---- */

static void keys_and_hashes_come_from_their_names(void **state)
{
    struct dsdn_story s;
    struct dsdn_sign_key key;
    uint8_t seed[32], hash[32], found[32];
    (void)state;
    compile_good(&s, BEGIN "batch\n");
    dsdn_tagged("dsdn/fixture/1", "olga", 4, seed);
    dsdn_sign_key_from_seed(&key, seed);
    assert_true(dsdn_story_hash32(&s, (struct dsdn_word){"$olga", 5}, found));
    assert_memory_equal(found, key.public_key, 32);
    dsdn_tagged("dsdn/fixture/1", "%tls", 4, hash);
    assert_true(dsdn_story_hash32(&s, (struct dsdn_word){"%tls", 4}, found));
    assert_memory_equal(found, hash, 32);
    assert_false(dsdn_story_hash32(&s, (struct dsdn_word){"%olga", 5}, found));
    assert_false(dsdn_story_hash32(&s, (struct dsdn_word){"$tls", 4}, found));
    dsdn_story_close(&s);
}

static void reads_times(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms; /* 0: none */
    } cases[] = {
        {"0", DSDN_STORY_BEGIN_MS},
        {"5", DSDN_STORY_BEGIN_MS + 5},
        {"2s", DSDN_STORY_BEGIN_MS + 2000},
        {"+7ms", 1007},
        {"+3m", 181000},
        {"+1h", 3601000},
        {"+1d", 86401000},
        {"-1s", 0},
        {"-999", 1},
        {"-2s", UINT64_MAX},
        {"", UINT64_MAX},
        {"+", UINT64_MAX},
        {"1w", UINT64_MAX},
        {"1 s", UINT64_MAX},
        {"99999999999999999999", UINT64_MAX},
        {"+18446744073709551615", UINT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ms = UINT64_MAX;
        struct dsdn_word w = {cases[i].text, strlen(cases[i].text)};
        bool good = dsdn_story_time(w, 1000, &ms);
        assert_int_equal(good, cases[i].ms != UINT64_MAX);
        if (good) assert_int_equal(ms, cases[i].ms);
    }
}

/* The paths that stories write are those that the reducer accepts, for every leaf of every small tree. */
static void paths_lead_to_the_root(void **state)
{
    (void)state;
    for (uint32_t leaves = 1; leaves <= 20; leaves++) {
        char text[256];
        struct dsdn_story s;
        snprintf(text, sizeof text, "title t\nwhy w\nkeys n\nhashes c\ntree tree leaves=%u\nbatch\n", leaves);
        compile_good(&s, text);
        uint8_t root[32];
        assert_true(dsdn_story_hash32(&s, (struct dsdn_word){"%tree.root", 10}, root));
        int event = dsdn_event_named(&dsdn_event_table, "ReplicaAdded");
        for (uint32_t leaf = 0; leaf < leaves; leaf++) {
            char json[256];
            static const uint8_t author[32];
            struct dsdn_buffer out = {0};
            struct dsdn_ev_replica_added e;
            struct dsdn_error error = DSDN_ERROR_INIT;
            struct dsdn_story_payload p = {
                &dsdn_event_table.events[event], 1, author, 0, 0, 1, DSDN_STORY_NONE};
            snprintf(json, sizeof json,
                     "{\"chunk\": \"%%c\", \"node\": \"$n\", \"leaf_root\": \"%%tree.root\", "
                     "\"proof_leaf\": %u, \"proof_path\": \"path:tree:%u\"}",
                     leaf, leaf);
            assert_int_equal(dsdn_story_encode(&s, &p, (struct dsdn_word){json, strlen(json)}, &out, &error),
                             0);
            assert_true(dsdn_decode_replica_added(out.bytes, out.bytes + out.len, 1, &e));
            assert_true(dsdn_leaf_path_valid(&e.proof_path, leaf, leaves, root));
            assert_false(leaves > 1 &&
                         dsdn_leaf_path_valid(&e.proof_path, (leaf + 1) % leaves, leaves, root));
            dsdn_buffer_free(&out);
        }
        dsdn_story_close(&s);
    }
}

static void defaults_fill_what_is_not_said(void **state)
{
    struct dsdn_story s, t;
    (void)state;
    compile_good(&s, BEGIN NODE "batch\nbundle author=olga nonce=1\n" REGISTER("node1"));
    compile_good(&t,
                 BEGIN "batch\nbundle author=olga nonce=1\nevent NodeRegistered {\"node_id\": \"$node1\",\n"
                       " \"operator\": \"$olga\", \"role\": 1, \"node_class\": 0,\n"
                       "\"zone\": \"z\", \"address\": \"\", \"capacity_gb\": 1, \"tls_fingerprint\":"
                       "\"%tls\", \"tls_not_after\": \"@30d\", \"binding_expiry\": \"@60d\", \"label\": "
                       "\"x\", \"node_sig\": \"sign:node1\"}\n");
    assert_int_equal(s.batches[0].bytes.len, t.batches[0].bytes.len);
    assert_memory_equal(s.batches[0].bytes.bytes, t.batches[0].bytes.bytes, t.batches[0].bytes.len);
    dsdn_story_close(&s);
    dsdn_story_close(&t);
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void remove_files(const char *directory)
{
    static const char *const names[] = {"story.txt", "expect.txt"};
    char path[256];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

/* Records the story and checks it; returns what the check says. */
static int record_and_check(const char *directory, const char *story, struct dsdn_error *error)
{
    struct dsdn_fixture_result result;
    write_file(directory, "story.txt", story);
    int rc = dsdn_fixture_record(&dsdn_catalogue, directory, true, error);
    return rc ? rc : dsdn_fixture_check(&dsdn_catalogue, directory, NULL, &result, error);
}

static void reads_amounts(void **state)
{
    static const struct {
        const char *text;
        uint64_t units;
        bool good;
    } cases[] = {
        {"0", 0, true},
        {"500", 50000000000, true},
        {"500t", 50000000000, true},
        {"0.5", 50000000, true},
        {"1.00000001t", 100000001, true},
        {"7u", 7, true},
        {"18446744073709551615u", UINT64_MAX, true},
        {"184467440737.09551615", UINT64_MAX, true},
        {"184467440737.09551616", 0, false},
        {"184467440738", 0, false},
        {"1.", 0, false},
        {".5", 0, false},
        {"1.000000001", 0, false},
        {"1.5u", 0, false},
        {"t", 0, false},
        {"", 0, false},
        {"-1", 0, false},
        {"5x", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t units = 1;
        bool good = dsdn_story_amount((struct dsdn_word){cases[i].text, strlen(cases[i].text)}, &units);
        if (good != cases[i].good || (good && units != cases[i].units)) fail_msg("\"%s\"", cases[i].text);
    }
}

static void the_lines_of_the_network_make_its_genesis(void **state)
{
    struct dsdn_story s;
    char name[DSDN_OPERATOR_NAME];
    (void)state;
    compile_good(
        &s, BEGIN
        "keys zoe\nlevel 2\naccount olga 1.5 vest=1h,60,2m pool=3\naccount node1 7u\nvalidators node1 node2\n"
        "stake node2 9u\nquorum 80% olga zoe\nallow olga\nparameter gate_pilot 1\nparameter "
        "attest_every 5\ncommittee zoe of olga/node2 node1\nbatch\n");
    const struct dsdn_ev_genesis_declared *g = &s.genesis.event;
    assert_int_equal(g->feature_level, 2);
    assert_int_equal(g->quorum_threshold_pct, 80);
    assert_int_equal(g->quorum_members.count, 2);
    struct dsdn_rec_allocation a;
    const uint8_t *p =
        dsdn_get_allocation(g->allocations.items, g->allocations.items + g->allocations.len, &a);
    assert_memory_equal(a.account, s.names[1].hash, 32);
    assert_int_equal(a.amount.units, 150000000);
    assert_int_equal(a.vest_start, DSDN_STORY_BEGIN_MS + 3600000);
    assert_int_equal(a.vest_cliff_s, 60);
    assert_int_equal(a.vest_len_s, 120);
    assert_int_equal(a.pool, 3);
    dsdn_get_allocation(p, g->allocations.items + g->allocations.len, &a);
    assert_int_equal(a.amount.units, 7);
    assert_int_equal(a.vest_start + a.vest_cliff_s + a.vest_len_s + a.pool, 0);
    struct dsdn_rec_validator_entry v;
    p = dsdn_get_validator_entry(g->validators.items, g->validators.items + g->validators.len, &v);
    assert_int_equal(v.stake.units, 5000000000000);
    dsdn_get_validator_entry(p, g->validators.items + g->validators.len, &v);
    assert_int_equal(v.stake.units, 9);
    struct dsdn_rec_parameter r;
    p = g->params.items;
    const char *const order[] = {"attest_every", "gate_pilot", name};
    static const int64_t values[] = {5, 1, 1};
    dsdn_operator_parameter(s.names[1].hash, name);
    assert_int_equal(g->params.count, 3);
    for (int i = 0; i < 3; i++) {
        p = dsdn_get_parameter(p, g->params.items + g->params.len, &r);
        assert_int_equal(r.key.len, strlen(order[i]));
        assert_memory_equal(r.key.bytes, order[i], r.key.len);
        assert_int_equal(r.value, values[i]);
    }
    struct dsdn_rec_member m;
    assert_null(g->coordinator);
    assert_int_equal(g->committee.count, 2);
    assert_int_equal(g->committee_threshold, 2);
    p = dsdn_get_member(g->committee.items, g->committee.items + g->committee.len, &m);
    assert_memory_equal(m.validator_id, s.names[3].hash, 32);
    dsdn_get_member(p, g->committee.items + g->committee.len, &m);
    assert_memory_equal(m.coordinator_id, s.names[2].hash, 32);
    assert_memory_equal(m.validator_id, s.names[2].hash, 32); /* the first validator */
    assert_int_equal(m.share_index, 2);
    uint32_t zoe = dsdn_story_find(&s, (struct dsdn_word){"zoe", 3}, DSDN_STORY_KEY);
    assert_memory_equal(s.batches[0].header.publisher, s.names[zoe].hash, 32);
    dsdn_story_close(&s);
}

static void encode(const struct dsdn_story *s, const char *event, const char *json, struct dsdn_buffer *out)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[dsdn_event_named(&dsdn_event_table, event)];
    struct dsdn_story_payload p = {desc, desc->version, s->names[1].hash, 5, 0, 1, DSDN_STORY_NONE};
    *out = (struct dsdn_buffer){0};
    if (dsdn_story_encode(s, &p, (struct dsdn_word){json, strlen(json)}, out, &error))
        fail_msg("%s", error.message);
}

static void lists_in_short_are_lists(void **state)
{
    static const struct {
        const char *event, *brief, *full;
    } cases[] = {
        /* the keys of olga, node2 and node1 ascend in this order: 0b.., 13.., bb.. */
        {"QuorumValidatorSetDeclared",
         "{\"set_id\": 1, \"members\": \"olga  node2 node1\", \"threshold_pct\": 67, \"approvals\": \"olga "
         "node1\"}",
         "{\"set_id\": 1, \"members\": [\"$olga\", \"$node2\", \"$node1\"], \"threshold_pct\": 67, "
         "\"approvals\": [{\"id\": \"$olga\", \"signature\": \"sign:olga\"}, {\"id\": \"$node1\", "
         "\"signature\": "
         "\"sign:node1\"}]}"},
        {"QuorumValidatorSetDeclared",
         "{\"set_id\": 1, \"members\": \"\", \"threshold_pct\": 67, \"approvals\": \"\"}",
         "{\"set_id\": 1, \"members\": [], \"threshold_pct\": 67, \"approvals\": []}"},
        {"AuthorityReplaced",
         "{\"publisher\": null, \"committee\": \"olga node1/node2\", \"threshold\": 2, \"group_public\": "
         "null}",
         "{\"publisher\": null, \"committee\": [{\"coordinator_id\": \"$olga\", \"validator_id\": \"$olga\", "
         "\"share_public\": \"$olga\", \"share_index\": 1}, {\"coordinator_id\": \"$node1\", "
         "\"validator_id\": "
         "\"$node2\", \"share_public\": \"$node1\", \"share_index\": 2}], \"threshold\": 2, "
         "\"group_public\": null}"},
        {"Transfer", "{\"to\": \"$node1\", \"amount\": \"2.5t\", \"memo_hash\": null, \"max_fee\": \"3u\"}",
         "{\"to\": \"$node1\", \"amount\": {\"asset\": 0, \"units\": \"250000000\"}, \"memo_hash\": null, "
         "\"max_fee\": "
         "{\"asset\": 0, \"units\": \"3\"}}"},
        {"SlashEvidenceSubmitted",
         "{\"target\": \"$node1\", \"kind\": 1, \"evidence\": \"u16:258  u32:1 u64:1 00fF %tls\"}",
         "{\"target\": \"$node1\", \"kind\": 1, \"evidence\": \"020101000000010000000000000000ff"
         "b9ec7777dc0188e005421fdda6b3ada7cd1bde20d732ec24d9aa8f09b080f531\"}"},
        {"SlashEvidenceSubmitted", "{\"target\": \"$node1\", \"kind\": 1, \"evidence\": \"\"}",
         "{\"target\": \"$node1\", \"kind\": 1, \"evidence\": \" \"}"},
    };
    struct dsdn_story s;
    (void)state;
    compile_good(&s, BEGIN "batch\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsdn_buffer brief, full;
        encode(&s, cases[i].event, cases[i].brief, &brief);
        encode(&s, cases[i].event, cases[i].full, &full);
        if (brief.len != full.len || memcmp(brief.bytes, full.bytes, full.len) != 0)
            fail_msg("%s", cases[i].brief);
        dsdn_buffer_free(&brief);
        dsdn_buffer_free(&full);
    }
    dsdn_story_close(&s);
}

/* Evidence is what a verifier of docs/formats/reducers.md takes. */
static void evidence_is_signed(void **state)
{
    struct dsdn_story s;
    struct dsdn_buffer out;
    struct dsdn_ev_slash_evidence_submitted e;
    uint8_t message[32], hash[2][32];
    (void)state;
    compile_good(&s, BEGIN "batch\n");
    dsdn_story_hash32(&s, (struct dsdn_word){"%tls", 4}, hash[0]);
    dsdn_story_hash32(&s, (struct dsdn_word){"%tree.root", 10}, hash[1]);
    const uint8_t *node = s.names[2].hash, *at;
    for (int wrong = 0; wrong < 2; wrong++) {
        encode(&s, "SlashEvidenceSubmitted",
               wrong ? "{\"target\": \"$node1\", \"kind\": 2, \"evidence\": "
                       "\"served:node1:%tls:3:%tree.root:wrong path:tree:3\"}"
                     : "{\"target\": \"$node1\", \"kind\": 2, \"evidence\": \"served:node1:%tls:3:%tree.root "
                       "path:tree:3\"}",
               &out);
        assert_true(dsdn_decode_slash_evidence_submitted(out.bytes, out.bytes + out.len, 1, &e));
        at = e.evidence.bytes;
        assert_int_equal(e.evidence.len, 32 + 4 + 32 + 64 + 4 * 32); /* leaf 3 of 5: three siblings */
        assert_memory_equal(at, hash[0], 32);
        assert_int_equal(dsdn_load32(at + 32), 3);
        assert_memory_equal(at + 36, hash[1], 32);
        struct dsdn_sha256 sum;
        dsdn_tag_init(&sum, "dsdn/served/1");
        dsdn_sha256_update(&sum, s.genesis.hash, 32);
        dsdn_sha256_update(&sum, at, 68);
        dsdn_sha256_final(&sum, message);
        assert_int_equal(dsdn_verify(NULL, node, message, at + 68), !wrong);
        struct dsdn_list path = {at + 132, 4, 128};
        assert_true(dsdn_leaf_path_valid(&path, 3, 5, hash[1]));
        dsdn_buffer_free(&out);

        encode(
            &s, "SlashEvidenceSubmitted",
            wrong
                ? "{\"target\": \"$node1\", \"kind\": 5, \"evidence\": "
                  "\"twice:node1:2:9:%tls:%tree.root:wrong\"}"
                : "{\"target\": \"$node1\", \"kind\": 5, \"evidence\": \"twice:node1:2:9:%tree.root:%tls\"}",
            &out);
        assert_true(dsdn_decode_slash_evidence_submitted(out.bytes, out.bytes + out.len, 1, &e));
        at = e.evidence.bytes;
        assert_int_equal(e.evidence.len, 4 + 8 + 2 * 96);
        assert_int_equal(dsdn_load32(at), 2);
        assert_int_equal(dsdn_load64(at + 4), 9);
        assert_true(memcmp(at + 12, at + 108, 32) < 0);
        for (int i = 0; i < 2; i++) {
            dsdn_certificate_message(s.genesis.hash, 2, 9, at + 12 + 96 * i, message);
            assert_int_equal(dsdn_verify(NULL, node, message, at + 44 + 96 * i), !(wrong && i));
        }
        dsdn_buffer_free(&out);
    }
    dsdn_story_close(&s);
}

static void audit_hashes_follow_the_records(void **state)
{
    struct dsdn_story s;
    uint8_t hash[32], expected[32], message[106] = {0};
    (void)state;
    compile_good(
        &s,
        BEGIN "batch\nbundle author=olga nonce=1\n" POSTS("audit:olga") "bundle author=node1 nonce=1\n" POSTS(
            "%tls") "bundle author=olga nonce=2 gives=CONFLICT\n" POSTS("%tree.root"));
    /* prev, seq 7, log_type 1, ref, body: an event that is refused is no record. */
    message[32] = 7;
    message[40] = 1;
    dsdn_story_hash32(&s, (struct dsdn_word){"%tls", 4}, message + 42);
    dsdn_story_hash32(&s, (struct dsdn_word){"%tree.root", 10}, message + 74);
    dsdn_tagged("dsdn/audit/1", message, sizeof message, expected);
    assert_true(dsdn_story_audit(&s, (struct dsdn_word){"olga", 4}, hash));
    assert_memory_equal(hash, expected, 32);
    assert_true(dsdn_story_audit(&s, (struct dsdn_word){"olga:7", 6}, hash));
    assert_memory_equal(hash, expected, 32);
    assert_true(dsdn_story_audit(&s, (struct dsdn_word){"node2", 5}, hash));
    assert_true(dsdn_zero32(hash));
    assert_false(dsdn_story_audit(&s, (struct dsdn_word){"olga:6", 6}, hash));
    dsdn_story_close(&s);
}

/* Batches go on with the key and the epoch of their parents, and certificates with the newest set. */
static void batches_follow_their_parents(void **state)
{
    struct dsdn_story s;
    (void)state;
    compile_good(&s, BEGIN
                 "quorum olga\nbatch publisher=node1 epoch=3\nbatch\nbatch publisher=nobody\nbatch name=b\n"
                 "batch certificate=olga\nbatch\nbundle author=olga nonce=1\n" NAMES(
                     "node1 node2", "") "batch certificate=node1\nbatch certificate=0:olga\n");
    assert_memory_equal(s.batches[1].header.publisher, s.names[2].hash, 32);
    assert_int_equal(s.batches[1].header.committee_epoch, 3);
    assert_memory_equal(s.batches[3].header.publisher, s.names[0].hash, 32);
    static const uint32_t certified[] = {4, 6, 7}, sets[] = {0, 1, 0}, members[] = {1, 2, 1};
    for (uint32_t i = 0; i < 3; i++) {
        struct dsdn_certificate c;
        struct dsdn_error error = DSDN_ERROR_INIT;
        const struct dsdn_buffer *bytes = &s.batches[certified[i]].certificate;
        assert_int_equal(dsdn_certificate_decode(bytes->bytes, bytes->len, &c, &error), 0);
        assert_int_equal(c.set_id, sets[i]);
        assert_int_equal(c.member_count, members[i]);
    }
    dsdn_story_close(&s);
}

static void the_state_names_nodes(void **state)
{
    static const char text[] = BEGIN NODE
        "defaults ObjectDeclared {\"object\": \"%tree.root\", \"owner\": \"$olga\", \"size\": "
        "\"5\", \"chunk_count\": 1, \"rf\": 2, \"visibility\": 0, \"enc\": 0, \"manifest\": null}\n"
        "batch\nbundle author=olga nonce=1\n" REGISTER(
            "node1") "authority\nevent NodeStatusSet {\"node_id\": "
                     "\"$node1\", \"status\": 1, \"reason\": 0, \"until\": \"0\"}\nbundle author=olga "
                     "nonce=2\n"
                     "event ObjectDeclared {}\nevent ChunkDeclared {\"chunk\": \"%tls\", \"object\": "
                     "\"%tree.root\", \"index\": 0, "
                     "\"size\": \"5\", \"leaf_size\": 1024, \"leaf_root\": \"%tree.root\"}\n"
                     "plan %tls first\nbatch\nauthority\nevent ReplicaAssigned {\"chunk\": \"%tls\", "
                     "\"node\": \"$first\", "
                     "\"zone\": \"zone:$first\", \"deadline\": \"@+1h\"}\n";
    struct dsdn_story s;
    struct dsdn_error error = DSDN_ERROR_INIT;
    char directory[] = "/tmp/dsdn-test-XXXXXX";
    (void)state;
    compile_good(&s, text);
    uint32_t first = dsdn_story_find(&s, (struct dsdn_word){"first", 5}, DSDN_STORY_KEY);
    assert_memory_equal(s.names[first].hash, s.names[2].hash, 32);
    assert_memory_equal(s.names[first].key.secret, s.names[2].key.secret, 64);
    dsdn_story_close(&s);
    assert_non_null(mkdtemp(directory));
    if (record_and_check(directory, text, &error)) fail_msg("%s", error.message);
    remove_files(directory);
}

static void damage_changes_what_it_names(void **state)
{
    struct dsdn_story s, t;
    (void)state;
    compile_good(&s, BEGIN "batch\n");
    compile_good(&t, BEGIN
                 "batch refused=FORMAT\ndamage byte=signature+1 xor=80\ndamage append=aabb\ndamage cut=1\n");
    assert_int_equal(t.batches[0].bytes.len, s.batches[0].bytes.len + 1);
    assert_int_equal(t.batches[0].bytes.bytes[s.batches[0].bytes.len], 0xaa);
    t.batches[0].bytes.bytes[DSDN_HEADER_LEN + 1] ^= 0x80;
    assert_memory_equal(s.batches[0].bytes.bytes, t.batches[0].bytes.bytes, s.batches[0].bytes.len);
    dsdn_story_close(&s);
    dsdn_story_close(&t);
}

static void names_stand_for_hashes_in_the_text(void **state)
{
    struct dsdn_story s;
    struct dsdn_text in, out;
    (void)state;
    compile_good(&s, BEGIN "batch\n");
    dsdn_text_init(&in, 4096, 0);
    dsdn_text_init(&out, 4096, 0);
    dsdn_text_put(&in, "a ", 2);
    for (uint32_t i = 0; i < s.name_cnt; i++) {
        for (int k = 0; k < 32; k++) dsdn_text_format(&in, "%02x", s.names[i].hash[k]);
        dsdn_text_put(&in, " ", 1);
    }
    /* A digit more is another number. */
    for (int k = 0; k < 32; k++) dsdn_text_format(&in, "%02x", s.names[0].hash[k]);
    dsdn_text_put(&in, "0", 1);
    dsdn_story_named(&s, in.bytes, in.len, &out);
    const char *wanted = "a $coordinator $olga $node1 $node2 %tls %tree.root ";
    assert_memory_equal(out.bytes, wanted, strlen(wanted));
    assert_int_equal(out.len, strlen(wanted) + 65);
    dsdn_text_free(&in);
    dsdn_text_free(&out);
    dsdn_story_close(&s);
}

/* ---- a check notices ---- */

static void check_notices_other_outcomes(void **state)
{
    char directory[] = "/tmp/dsdn-test-XXXXXX";
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(record_and_check(directory,
                                      BEGIN NODE "batch\nbundle author=olga nonce=1\n" REGISTER("node1"),
                                      &error),
                     0);
    assert_int_equal(record_and_check(directory,
                                      BEGIN "batch\nbundle author=olga nonce=1\n"
                                            "event NodeDeregistered {\"node_id\": \"$node1\"}\n",
                                      &error),
                     DSDN_E_TRANSCRIPT);
    assert_non_null(
        strstr(error.message, "line 8: NodeDeregistered gives PRECONDITION/NODE_UNKNOWN; the story says OK"));
    assert_int_equal(record_and_check(directory, BEGIN "batch refused=CHAIN\n", &error), DSDN_E_TRANSCRIPT);
    assert_int_equal(record_and_check(directory, BEGIN "batch\ndamage cut=1\n", &error), DSDN_E_TRANSCRIPT);
    assert_int_equal(record_and_check(directory, BEGIN "batch refused=FORMAT\ndamage cut=1\n", &error),
                     DSDN_E_TRANSCRIPT);
    /* Two events in one frame line, and one in two: what the story says of each would be about another one.
     */
    assert_int_equal(record_and_check(directory,
                                      BEGIN "batch\nbundle author=olga nonce=1 count=2 gives=NODE_UNKNOWN\n"
                                            "frame 0901 01 20 $node1 0901 01 20 $node1\n",
                                      &error),
                     DSDN_E_MALFORMED);
    assert_int_equal(record_and_check(directory,
                                      BEGIN "batch\nbundle author=olga nonce=1 count=1 gives=NODE_UNKNOWN\n"
                                            "frame 0901 01 20 $node1\nframe\n",
                                      &error),
                     DSDN_E_MALFORMED);
    assert_non_null(strstr(error.message, "line 7: the bytes hold other events than the lines"));
    assert_int_equal(dsdn_fixture_record(&dsdn_catalogue, directory, false, &error), DSDN_E_EXISTS);
    remove_files(directory);
}

static void check_notices_another_text(void **state)
{
    char directory[] = "/tmp/dsdn-test-XXXXXX", path[64];
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_fixture_result result;
    struct dsdn_text report;
    uint8_t *text;
    size_t len;
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(record_and_check(directory, BEGIN "batch\n", &error), 0);
    snprintf(path, sizeof path, "%s/expect.txt", directory);
    assert_int_equal(dsdn_io_read_file(&dsdn_io_system, path, DSDN_FIXTURE_MAX, &text, &len, &error), 0);
    char *copy = calloc(1, len + 1);
    assert_non_null(copy);
    /* Each line changed, then the last byte cut. */
    for (size_t i = 0; i <= len; i++) {
        memcpy(copy, text, len);
        copy[len] = 0;
        if (i < len && text[i] != '\n') continue;
        if (i < len)
            copy[i - (i && text[i - 1] != '\n')] = '~';
        else
            copy[len - 1] = 0;
        write_file(directory, "expect.txt", copy);
        dsdn_text_init(&report, DSDN_FIXTURE_MAX, 0);
        assert_int_equal(dsdn_fixture_check(&dsdn_catalogue, directory, &report, &result, &error),
                         DSDN_E_ROOT);
        assert_memory_equal(report.bytes, "--- expect.txt\n+++ straight\n@@ line ", 36);
        dsdn_text_free(&report);
    }
    free(copy);
    free(text);
    remove_files(directory);
}

/* Two bans end together and the budget is one: how many are over depends on the number of batches, and a
 * story that does not say so is caught. */
static void check_notices_what_depends_on_the_cut(void **state)
{
#define BANS                                                                                                 \
    "parameter deadline_budget 1\n" NODE "batch\nbundle author=olga nonce=1\n" REGISTER("node1")             \
        REGISTER("node2") "authority\nevent NodeStatusSet {\"node_id\": \"$node1\", \"status\": 3, "         \
                          "\"reason\": 0, \"until\": \"@1h\"}\n"                                             \
                          "event NodeStatusSet {\"node_id\": \"$node2\", \"status\": 3, \"reason\": 0, "     \
                          "\"until\": \"@1h\"}\n"                                                            \
                          "batch time=1h\nbatch time=1h\n"
    char directory[] = "/tmp/dsdn-test-XXXXXX";
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(record_and_check(directory, BEGIN BANS, &error), DSDN_E_ROOT);
    assert_non_null(strstr(error.message, "merged: at the end the root of role coordinator differs"));
    assert_int_equal(record_and_check(directory, BEGIN "recut no: drains\n" BANS, &error), 0);
    remove_files(directory);
}

static void source_hands_out_the_chain(void **state)
{
    struct dsdn_story s;
    struct dsdn_source *source;
    struct dsdn_buffer buffer = {0};
    struct dsdn_record record;
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    compile_good(&s, BEGIN
                 "batch name=a\nbatch name=b\nrollback a\nbatch name=c time=+9s\nbatch name=d refused=CHAIN "
                 "sequence=9\nbatch name=e\n");
    assert_int_equal(dsdn_story_source(&s, &source, &error), 0);
    assert_int_equal(source->count, 3);
    static const uint32_t chain[] = {0, 2, 4};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), 0);
        assert_int_equal(record.sequence, i);
        assert_int_equal(record.len, s.batches[chain[i]].bytes.len);
        assert_memory_equal(record.batch, s.batches[chain[i]].bytes.bytes, record.len);
    }
    assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), DSDN_E_AGAIN);
    assert_int_equal(dsdn_source_seek(source, 1, &error), 0);
    assert_int_equal(dsdn_source_next(source, &buffer, &record, &error), 0);
    assert_int_equal(record.sequence, 1);
    assert_int_equal(dsdn_source_seek(source, 4, &error), DSDN_E_NOT_FOUND);
    dsdn_source_close(source);
    dsdn_buffer_free(&buffer);
    dsdn_story_close(&s);
}

/* ---- the fixtures there are ---- */

/* Does `name` stand alone as a word at the end of a line? */
static bool ends_a_line(const char *text, const char *name)
{
    for (const char *at = text; (at = strstr(at, name)); at++)
        if (at > text && (at[-1] == ' ' || at[-1] == '/') && at[strlen(name)] == '\n') return true;
    return false;
}

/* All expect.txt together reach every code and outcome that can occur, and the README lists every story. */
static void stories_reach_every_code_and_stand_in_the_readme(void **state)
{
    static const char folder[] = DSDN_SOURCE_DIR "/replay-fixtures";
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text all, link;
    char path[1024];
    uint8_t *text;
    size_t len;
    unsigned stories = 0;
    (void)state;
    struct dsdn_text readme;
    dsdn_text_init(&readme, DSDN_FIXTURE_MAX, 0);
    dsdn_text_init(&all, 64u << 20, 0);
    dsdn_text_init(&link, 4096, 0);
    snprintf(path, sizeof path, "%s/README.md", folder);
    assert_int_equal(dsdn_io_read_file(&dsdn_io_system, path, DSDN_FIXTURE_MAX, &text, &len, &error), 0);
    dsdn_text_put(&readme, text, len);
    free(text);
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s/expect.txt", folder, entry->d_name);
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "README.md") == 0) continue;
        if (dsdn_io_read_file(&dsdn_io_system, path, DSDN_FIXTURE_MAX, &text, &len, &error))
            fail_msg("%s was not recorded", entry->d_name);
        dsdn_text_put(&all, text, len);
        free(text);
        dsdn_text_clear(&link);
        dsdn_text_format(&link, "[%s](%s/story.txt)", entry->d_name, entry->d_name);
        if (!strstr(readme.bytes, link.bytes)) fail_msg("README.md does not list %s", entry->d_name);
        stories++;
    }
    closedir(d);
    assert_true(stories >= 50);
    for (const struct dsdn_code_name *c = dsdn_catalogue.codes; c->name; c++)
        if (!ends_a_line(all.bytes, c->name)) fail_msg("no story reaches %s", c->name);
    for (uint8_t i = 0; i < DSDN_OUTCOME_CNT; i++) {
        bool coded = i == DSDN_OUTCOME_PRECONDITION; /* has a code behind it */
        if (!coded && !ends_a_line(all.bytes, dsdn_outcome_name(i)))
            fail_msg("no story reaches %s", dsdn_outcome_name(i));
    }
    dsdn_text_free(&all);
    dsdn_text_free(&link);
    dsdn_text_free(&readme);
}

/* ---- memory ---- */

/* The parts of a check, each tried alone: what they allocate multiplies otherwise. */
enum part { COMPILE, PLAY, SPLIT, MERGED, REPEATED, SOURCE, PART_CNT };

static int run_part(enum part part, struct dsdn_story *s, const char *text, const struct dsdn_roots *roots,
                    struct dsdn_error *error)
{
    static const struct dsdn_play_options twice = {.twice = true};
    struct dsdn_story again;
    struct dsdn_source *source = NULL;
    struct dsdn_text out;
    int rc;
    switch (part) {
    case COMPILE:
        rc = compile(&again, text, error);
        dsdn_story_close(&again);
        return rc;
    case PLAY:
        dsdn_text_init(&out, DSDN_FIXTURE_MAX, 0);
        rc = dsdn_story_play(s, &twice, &out, NULL, NULL, error);
        dsdn_text_free(&out);
        return rc;
    case SOURCE:
        rc = dsdn_story_source(s, &source, error);
        dsdn_source_close(source);
        return rc;
    default: return dsdn_story_recut(s, (enum dsdn_recut)(part - SPLIT), roots, error);
    }
}

static void every_allocation_may_fail(void **state)
{
    static const char text
        [] = BEGIN NODE "quorum olga\naccount olga 5\nallow olga\nvalidators olga\n"
                        "batch\nbundle author=olga nonce=1 name=b\n" REGISTER(
                            "node1") "rollback genesis\nbatch\nagain b\n"
                                     "bundle author=olga nonce=2\n" NAMES(
                                         "olga node1", "") "bundle author=olga nonce=3 "
                                                           "gives=DISABLED\n" SHOWS("served:node1:%tls:0:%"
                                                                                    "tls") "batch "
                                                                                           "certificate=0:"
                                                                                           "olga\nauthority\n"
                                                                                           "event "
                                                                                           "ReplicaAssigned "
                                                                                           "gives=CHUNK_"
                                                                                           "UNKNOWN "
                                                                                           "{\"chunk\": "
                                                                                           "\"%tls\", "
                                                                                           "\"node\": "
                                                                                           "\"$node1\", "
                                                                                           "\"zone\": "
                                                                                           "\"zone:$node1\", "
                                                                                           "\"deadline\": "
                                                                                           "\"0\"}\n";
    static const struct dsdn_play_options straight = {.seed = 0};
    struct dsdn_story s;
    struct dsdn_text out;
    struct dsdn_roots roots;
    struct dsdn_error error = DSDN_ERROR_INIT;
    (void)state;
    compile_good(&s, text);
    dsdn_text_init(&out, DSDN_FIXTURE_MAX, 0);
    assert_int_equal(dsdn_story_play(&s, &straight, &out, &roots, NULL, &error), 0);
    dsdn_text_free(&out);
    for (int part = COMPILE; part < PART_CNT; part++) {
        unsigned n = 1;
        for (;; n++) {
            fail_nth(n);
            int rc = run_part((enum part)part, &s, text, &roots, &error);
            if (fail_nth(0)) {
                assert_int_equal(rc, 0);
                break;
            }
            if (rc != DSDN_E_NO_MEMORY) fail_msg("part %d, allocation %u: %d %s", part, n, rc, error.message);
        }
        assert_true(n > (part == SOURCE ? 2u : 20u));
    }
    dsdn_story_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_story),
        cmocka_unit_test(keys_and_hashes_come_from_their_names),
        cmocka_unit_test(reads_times),
        cmocka_unit_test(paths_lead_to_the_root),
        cmocka_unit_test(defaults_fill_what_is_not_said),
        cmocka_unit_test(reads_amounts),
        cmocka_unit_test(the_lines_of_the_network_make_its_genesis),
        cmocka_unit_test(lists_in_short_are_lists),
        cmocka_unit_test(evidence_is_signed),
        cmocka_unit_test(audit_hashes_follow_the_records),
        cmocka_unit_test(batches_follow_their_parents),
        cmocka_unit_test(the_state_names_nodes),
        cmocka_unit_test(damage_changes_what_it_names),
        cmocka_unit_test(names_stand_for_hashes_in_the_text),
        cmocka_unit_test(check_notices_other_outcomes),
        cmocka_unit_test(check_notices_another_text),
        cmocka_unit_test(check_notices_what_depends_on_the_cut),
        cmocka_unit_test(source_hands_out_the_chain),
        cmocka_unit_test(stories_reach_every_code_and_stand_in_the_readme),
        cmocka_unit_test(every_allocation_may_fail),
    };
    struct dsdn_error error = DSDN_ERROR_INIT;
    return dsdn_sign_self_test(&error) || cmocka_run_group_tests(tests, NULL, NULL);
}
