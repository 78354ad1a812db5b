/* celestia.c: how fast heights of Celestia are read and verified.
 *
 *     bench-celestia [--heights N] [--empty N] [--blob BYTES] [--latency MS] [--connections N]
 *                    [--processors READER,NODE] [--json]
 *
 * A devnet makes N heights with 1 MiB in the namespace and N without; its answers are recorded, and a process
 * that does nothing else sends them, on a processor of its own.  The reader, one thread on the other processor,
 * reads them from a pinned header on: header chain, completeness and commitments verified.  First with 4
 * validators, then with 100; then with every answer late, with and without reading ahead.  Two rates are
 * printed: what the clock says, and what the reader's processor time allows if the node is never waited for.
 * Exit 3 when the clock's rate of full heights with proof bytes is below ten times that of mainnet (one in
 * 2.6 s). */
#include "bench/celestia.h"

#include "adapters/celestia/reader.h"
#include "log/hash.h"
#include "tests/devnet_util.h"

#include <getopt.h>
#include <sched.h>

#define FULL_BYTES  (1u << 20)
#define MAINNET_10X (10 / 2.6)

struct arguments {
    uint64_t heights, empty, blob, latency;
    unsigned connections, processors[2]; /* reader, node */
    bool json;
};

static const char usage[] = "usage: bench-celestia [--heights N] [--empty N] [--blob BYTES] [--latency MS]\n"
                            "                      [--connections N] [--processors READER,NODE] [--json]\n";

static bool parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"heights", required_argument, NULL, 'h'},     {"empty", required_argument, NULL, 'e'},
        {"blob", required_argument, NULL, 'b'},        {"latency", required_argument, NULL, 'l'},
        {"connections", required_argument, NULL, 'c'}, {"processors", required_argument, NULL, 'p'},
        {"json", no_argument, NULL, 'j'},              {NULL, 0, NULL, 0},
    };
    *a = (struct arguments){.heights = 64, .empty = 1000, .blob = 65536, .latency = 50, .processors = {0, 1}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) switch (option) {
        case 'h': a->heights = strtoull(optarg, NULL, 10); break;
        case 'e': a->empty = strtoull(optarg, NULL, 10); break;
        case 'b': a->blob = strtoull(optarg, NULL, 10); break;
        case 'l': a->latency = strtoull(optarg, NULL, 10); break;
        case 'c': a->connections = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'p':
            if (sscanf(optarg, "%u,%u", &a->processors[0], &a->processors[1]) != 2) return false;
            break;
        case 'j': a->json = true; break;
        default: return false;
        }
    return optind == argc && a->heights && a->heights <= 1000 && a->empty && a->empty <= 20000 &&
           a->blob >= 256 && a->blob <= FULL_BYTES && FULL_BYTES % a->blob == 0 && a->latency;
}

/* Without the processor it is everywhere, which only makes the figures noisier. */
static void bind_to(unsigned processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        fprintf(stderr, "bench-celestia: no processor %u to be bound to\n", processor);
}

/* ---- the chain ---------------------------------------------------------------------------------- */

static void fill(uint8_t *bytes, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(seed >> 40);
    }
}

/* One height with FULL_BYTES in blobs of blob_len; false when the node refused it. */
static bool submit_full(const struct devnet *d, const uint8_t *ns, size_t blob_len, uint64_t seed)
{
    static uint8_t bytes[FULL_BYTES];
    size_t cnt = FULL_BYTES / blob_len;
    char *params = malloc(cnt * (DSDN_BASE64_LEN(blob_len) + 128) + 16), *at = params;
    if (!params) return false;
    fill(bytes, sizeof bytes, seed);
    at += sprintf(at, "[[");
    for (size_t i = 0; i < cnt; i++) {
        at += sprintf(at, "%s{\"namespace\":\"", i ? "," : "");
        dsdn_base64_encode(ns, DSDN_NAMESPACE_LEN, at);
        at += DSDN_BASE64_LEN(DSDN_NAMESPACE_LEN);
        at += sprintf(at, "\",\"data\":\"");
        dsdn_base64_encode(bytes + i * blob_len, blob_len, at);
        at += DSDN_BASE64_LEN(blob_len);
        at += sprintf(at, "\",\"share_version\":0,\"index\":-1}");
    }
    sprintf(at, "],{}]");
    uint64_t height = devnet_number(d, "blob.Submit", params);
    free(params);
    return height != 0;
}

/* The answer to a question about a height, owned; NULL when the devnet has none. */
static char *ask(const struct devnet *d, const char *method, uint64_t height, const char *ns_text)
{
    char params[128];
    snprintf(params, sizeof params, ns_text ? "[%llu,\"%s\"]" : "[%llu]", (unsigned long long)height, ns_text);
    char *body = devnet_call(d, method, params);
    if (strstr(body, "\"result\":")) return body;
    free(body);
    return NULL;
}

static int record_all(const struct devnet *d, const struct arguments *a, const uint8_t *ns,
                      struct celestia_record *record, struct dsdn_error *error)
{
    char ns_text[DSDN_BASE64_LEN(DSDN_NAMESPACE_LEN) + 1] = "";
    dsdn_base64_encode(ns, DSDN_NAMESPACE_LEN, ns_text);
    record->cnt = 1 + a->heights + a->empty;
    record->headers = calloc(record->cnt, sizeof *record->headers);
    record->rows = calloc(record->cnt, sizeof *record->rows);
    if (!record->headers || !record->rows) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for answers");
    for (uint64_t h = 1; h <= record->cnt; h++) {
        bool full = h > 1 && h <= 1 + a->heights;
        record->headers[h - 1] = ask(d, "header.GetByHeight", h, NULL);
        if (full) record->rows[h - 1] = ask(d, "share.GetNamespaceData", h, ns_text);
        if (!record->headers[h - 1] || (full && !record->rows[h - 1]))
            return dsdn_fail(error, DSDN_E_IO, "the devnet does not answer");
    }
    return DSDN_OK;
}

/* Heights: 1, 2 to heights + 1 full, then the empty ones. */
static int make_record(const struct arguments *a, uint32_t validator_cnt, const uint8_t *ns,
                       struct celestia_record *record, struct dsdn_error *error)
{
    const struct devnet_options options = {
        .blocks = DEVNET_ON_SUBMIT, .first_blocks = 1, .skip_auth = true, .validator_cnt = validator_cnt};
    struct devnet d;
    if (devnet_start(&d, &options)) return dsdn_fail(error, DSDN_E_IO, "no devnet could be started");
    int rc = DSDN_OK;
    for (uint64_t i = 0; !rc && i < a->heights; i++)
        if (!submit_full(&d, ns, a->blob, i)) rc = dsdn_fail(error, DSDN_E_IO, "the devnet refused a block");
    if (!rc && !devnet_produce(&d, a->empty)) rc = dsdn_fail(error, DSDN_E_IO, "the devnet made no blocks");
    if (!rc) rc = record_all(&d, a, ns, record, error);
    devnet_stop(&d);
    return rc;
}

static int serve(const struct arguments *a, const struct celestia_record *record, unsigned latency_ms,
                 struct celestia_server *server, struct dsdn_error *error)
{
    bind_to(a->processors[1]);
    int rc = celestia_serve(record, latency_ms, server, error);
    bind_to(a->processors[0]);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------------ */

struct reading {
    uint64_t heights, bytes;
    double wall, processor; /* seconds */
};

static double wall_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct way {
    uint64_t from, cnt;
    uint32_t ahead; /* 0: the reader's own */
    bool proofs;
};

static int read_heights(const struct arguments *a, const char *url, const uint8_t *ns, const struct way *way,
                        struct reading *out, struct dsdn_error *error)
{
    const struct dsdn_endpoint_options node = {.url = url, .without_token = true};
    struct dsdn_reader_options o = {.endpoints = &node,
                                    .endpoint_cnt = 1,
                                    .from = way->from,
                                    .to = way->from + way->cnt - 1,
                                    .pin_height = way->from,
                                    .ahead = way->ahead,
                                    .connections = a->connections,
                                    .proofs = way->proofs,
                                    .seed = 1};
    struct dsdn_reader *reader = NULL;
    struct dsdn_da_height height;
    enum dsdn_da_answer answer;
    *out = (struct reading){.heights = way->cnt};
    memcpy(o.ns, ns, sizeof o.ns);
    int rc = celestia_header_hash(url, way->from, o.pin_hash, error);
    double wall = wall_now(), processor = celestia_processor();
    if (!rc) rc = dsdn_reader_new(&o, &reader, error);
    for (uint64_t i = 0; !rc && i < way->cnt; i++) {
        rc = dsdn_reader_next(reader, 60000, &height, &answer, error);
        for (uint32_t b = 0; !rc && b < height.blob_cnt; b++) out->bytes += height.blobs[b].len;
    }
    out->processor = celestia_processor() - processor;
    out->wall = wall_now() - wall;
    dsdn_reader_free(reader);
    return rc;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

/* X(name, label, JSON key) */
#define READINGS(X)                                                                                          \
    X(FULL, "1 MiB a height", "full")                                                                        \
    X(FULL_PROOFS, "1 MiB a height, proof bytes made", "full_proofs")                                        \
    X(EMPTY, "empty heights", "empty")                                                                       \
    X(LATE_ONE, "late answers, 1 MiB, one height at a time", "late_full_one")                                \
    X(LATE, "late answers, 1 MiB, reading ahead", "late_full")                                               \
    X(LATE_EMPTY_ONE, "late answers, empty, one height at a time", "late_empty_one")                         \
    X(LATE_EMPTY, "late answers, empty, reading ahead", "late_empty")

enum {
#define X(name, label, key) READ_##name,
    READINGS(X)
#undef X
        READING_CNT
};

struct campaign {
    uint32_t validator_cnt;
    struct reading readings[READING_CNT];
    struct celestia_stages stages;
};

static int measure(const struct arguments *a, struct campaign *c, struct dsdn_error *error)
{
    uint8_t ns[DSDN_NAMESPACE_LEN] = {0};
    struct celestia_record record = {.cnt = 0};
    struct celestia_server prompt = {.pid = -1}, late = {.pid = -1};
    uint64_t few = a->heights < 16 ? a->heights : 16, few_empty = a->empty < 50 ? a->empty : 50;
    const struct way ways[READING_CNT] = {
        [READ_FULL] = {2, a->heights, 0, false},
        [READ_FULL_PROOFS] = {2, a->heights, 0, true},
        [READ_EMPTY] = {2 + a->heights, a->empty, 0, false},
        [READ_LATE_ONE] = {2, few, 1, false},
        [READ_LATE] = {2, a->heights, 0, false},
        [READ_LATE_EMPTY_ONE] = {2 + a->heights, few_empty, 1, false},
        [READ_LATE_EMPTY] = {2 + a->heights, a->empty, 0, false}};
    memcpy(ns + 19, "dsdnbench", 9);
    int rc = make_record(a, c->validator_cnt, ns, &record, error);
    if (!rc) rc = serve(a, &record, 0, &prompt, error);
    if (!rc) rc = serve(a, &record, (unsigned)a->latency, &late, error);
    if (!rc) rc = celestia_measure(prompt.url, 2, ns, 20, &c->stages, error);
    for (int i = 0; !rc && i < READING_CNT; i++)
        rc = read_heights(a, i < READ_LATE_ONE ? prompt.url : late.url, ns, &ways[i], &c->readings[i], error);
    celestia_serve_end(&prompt);
    celestia_serve_end(&late);
    celestia_record_free(&record);
    return rc;
}

static void print_table(const struct arguments *a, const struct campaign *c)
{
    static const char *const labels[] = {
#define X(name, label, key) label,
        READINGS(X)
#undef X
    };
    static const struct {
        const char *label, *doc;
    } stages[] = {
#define X(name, label, doc) {label, doc},
        CELESTIA_STAGES(X)
#undef X
    };
    printf("\n%-3u validators%28s%12s%10s%16s%10s\n", c->validator_cnt, "",
           "heights/s", "MB/s", "processor time:", "MB/s");
    for (int i = 0; i < READING_CNT; i++) {
        const struct reading *r = &c->readings[i];
        printf("%-42s%12.1f%10.1f%16.1f%10.1f\n", labels[i], (double)r->heights / r->wall,
               (double)r->bytes / r->wall / 1e6, (double)r->heights / r->processor,
               (double)r->bytes / r->processor / 1e6);
    }
    double all = c->readings[READ_FULL_PROOFS].processor / (double)c->readings[READ_FULL_PROOFS].heights;
    double rest = all;
    printf("\n%-16s%10s%8s   one full height with %.2f MB of answers; %llu ms late where late\n", "stage",
           "us", "share", (double)c->stages.answer_bytes / 1e6, (unsigned long long)a->latency);
    for (int i = 0; i < CELESTIA_STAGE_CNT; i++) {
        double seconds = i == STAGE_COMMIT ? c->stages.seconds[i] / 64 : c->stages.seconds[i];
        rest -= seconds;
        printf("%-16s%10.1f%7.1f%%   %s\n", stages[i].label, 1e6 * c->stages.seconds[i],
               100 * seconds / all, stages[i].doc);
    }
    printf("%-16s%10.1f%7.1f%%   of %.1f us with proof bytes\n", "everything else", 1e6 * rest,
           100 * rest / all, 1e6 * all);
}

static void print_json(const struct arguments *a, const struct campaign *campaigns, size_t cnt)
{
    static const char *const keys[] = {
#define X(name, label, key) key,
        READINGS(X)
#undef X
    };
    static const char *const stages[] = {
#define X(name, label, doc) label,
        CELESTIA_STAGES(X)
#undef X
    };
    printf("{\"bytes\":%u,\"blob\":%llu,\"latency_ms\":%llu,\"sha256\":\"%s\",\"campaigns\":[", FULL_BYTES,
           (unsigned long long)a->blob, (unsigned long long)a->latency, dsdn_hash_backend_name());
    for (size_t n = 0; n < cnt; n++) {
        const struct campaign *c = &campaigns[n];
        printf("%s{\"validators\":%u,\"readings\":{", n ? "," : "", c->validator_cnt);
        for (int i = 0; i < READING_CNT; i++)
            printf("%s\"%s\":{\"heights\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"processor_seconds\":%.6f}",
                   i ? "," : "", keys[i], (unsigned long long)c->readings[i].heights,
                   (unsigned long long)c->readings[i].bytes, c->readings[i].wall, c->readings[i].processor);
        printf("},\"stages\":{");
        for (int i = 0; i < CELESTIA_STAGE_CNT; i++)
            printf("%s\"%s\":%.9f", i ? "," : "", stages[i], c->stages.seconds[i]);
        printf("}}");
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct arguments a;
    struct campaign campaigns[] = {{.validator_cnt = 4}, {.validator_cnt = 100}};
    const size_t cnt = sizeof campaigns / sizeof *campaigns;
    double slowest = 1e9;
    if (!parse(argc, argv, &a)) {
        fputs(usage, stderr);
        return 1;
    }
    int rc = dsdn_sign_self_test(&error);
    for (size_t i = 0; !rc && i < cnt; i++) {
        rc = measure(&a, &campaigns[i], &error);
        double rate = (double)a.heights / campaigns[i].readings[READ_FULL_PROOFS].wall;
        if (!rc && rate < slowest) slowest = rate;
    }
    if (rc) {
        char text[1024];
        dsdn_error_format(&error, text, sizeof text);
        fprintf(stderr, "bench-celestia: %s\n", text);
        return dsdn_error_exit(rc);
    }
    bool fast = slowest >= MAINNET_10X;
    if (a.json) {
        print_json(&a, campaigns, cnt);
    } else {
        printf("Celestia: %llu heights with 1 MiB in blobs of %llu bytes, %llu empty ones; SHA-256 by %s\n",
               (unsigned long long)a.heights, (unsigned long long)a.blob, (unsigned long long)a.empty,
               dsdn_hash_backend_name());
        for (size_t i = 0; i < cnt; i++) print_table(&a, &campaigns[i]);
        printf("\nslowest reading of full heights: %.1f a second, target %.2f (ten times mainnet): %s\n",
               slowest, MAINNET_10X, fast ? "met" : "MISSED");
    }
    return fast ? 0 : 3;
}
