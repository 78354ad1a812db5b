/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* A devnet when memory runs out: each allocation of a story fails once, nothing leaks or breaks, and the
 * chain is what it was before the call that failed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapters/celestia/base64.h"
#include "adapters/devnet/rpc.h"
#include "log/sign.h"
#include "tests/fail_nth.h"

#include <stdio.h>
#include <stdlib.h>

static const char ns64[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAADCBNOWAP3dM=";
static const char commitment64[] = "D6YGsPWdxR8ju2OcOspnkgPG2abD30pSHxsFdiPqnVk=";
static const char data64[] = "8fIMqAB+kQo7+LLmHaDya8oH73hxem6lQWX1";

/* One request; whether it was answered without an error. */
static bool ask(struct dsdn_devnet_node *node, const char *method, const char *params)
{
    char text[1024];
    struct dsdn_devnet_answer *answer;
    int len = snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}",
                       method, params);
    struct dsdn_devnet_call *call = dsdn_devnet_call_new(node, DSDN_DEVNET_ALL, false, text, (size_t)len);
    if (!call) return false;
    bool fine = dsdn_devnet_call_step(call, &answer) && answer->status == 200 && answer->body.bytes &&
                !answer->body.failed && !strstr(answer->body.bytes, "\"error\":");
    dsdn_devnet_call_free(call);
    return fine;
}

/* The story, until something fails. */
static bool story(struct dsdn_devnet_node *node)
{
    static const char *const requests[][2] = {
        {"blob.Submit", "[[{\"namespace\":\"%s\",\"data\":\"%s\",\"share_version\":0}],{}]"},
        {"blob.GetAll", "[3,[\"%s\"]]"},
        {"blob.GetProof", "[3,\"%s\",\"%s\"]"},
        {"blob.GetCommitmentProof", "[3,\"%s\",\"%s\"]"},
        {"share.GetNamespaceData", "[3,\"%s\"]"},
        {"devnet.Fault", "[{\"kind\":\"fork\",\"from\":2}]"},
        {"devnet.Fault", "[{\"kind\":\"forged_header\",\"method\":\"header.NetworkHead\"}]"},
        {"devnet.Fault", "[{\"kind\":\"wrong_dah\"}]"},
        {"devnet.Fault", "[{\"kind\":\"wrong_share\"}]"},
        {"header.GetByHeight", "[3]"},
        {"header.NetworkHead", "[]"},
        {"share.GetNamespaceData", "[3,\"%s\"]"},
        {"devnet.Garbage", "[\"%s\",20,\"shares\",700]"},
        {"devnet.Faults", "[]"},
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char params[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(params, sizeof params, requests[i][1], ns64, i == 0 ? data64 : commitment64);
#pragma GCC diagnostic pop
        if (!ask(node, requests[i][0], params)) return false;
    }
    return true;
}

static void every_allocation(void **state)
{
    (void)state;
    struct dsdn_devnet_config c;
    dsdn_devnet_config_default(&c);
    c.genesis_time.seconds = 1700000000;
    c.step_ms = 1000;
    c.rotate_every = 2;
    uint8_t hash[32] = {0};
    for (unsigned n = 0;; n++) { /* n = 0: nothing fails; the hash to come to */
        struct dsdn_devnet_node *node = NULL;
        fail_nth(n);
        bool fine = dsdn_devnet_node_new(&c, &dsdn_io_system, NULL, &node, NULL) == 0 &&
                    dsdn_devnet_node_produce(node, 2, NULL) == 0;
        if (fine) {
            node->produce_on_submit = true;
            fine = story(node);
        }
        bool over = fail_nth(0) && n > 0;
        if (n == 0) assert_true(fine);
        if (node) { /* what failed left a chain that goes on, and has the same first blocks */
            while (node->chain->head < 2) assert_int_equal(dsdn_devnet_node_produce(node, 1, NULL), 0);
            if (n == 0) memcpy(hash, dsdn_devnet_chain_block(node->chain, 2)->hash, 32);
            assert_memory_equal(hash, dsdn_devnet_chain_block(node->chain, 2)->hash, 32);
            assert_int_equal(dsdn_devnet_node_produce(node, 1, NULL), 0);
            dsdn_devnet_node_free(node);
        }
        if (n && fine && !over) continue; /* an allocation that something could do without */
        if (over) {
            assert_true(fine);
            assert_true(n > 100);
            print_message("%u allocations\n", n - 1);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation)};
    if (dsdn_sign_self_test(NULL)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
