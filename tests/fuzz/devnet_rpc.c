/* Requests to the devnet.  Input: permissions u8, the body.  The status is one that the node has, the answer
 * to it is JSON, and nobody without the right to write moves the chain. */
#include "tests/fuzz/fuzz.h"

#include "adapters/celestia/json.h"
#include "adapters/devnet/rpc.h"
#include "log/sign.h"

static struct dsdn_devnet_node *node;

static void start(void)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_devnet_config config;
    dsdn_devnet_config_default(&config);
    config.step_ms = 2600;
    config.genesis_time.seconds = 1700000000;
    CHECK_OK(dsdn_sign_self_test(&error), &error);
    CHECK_OK(dsdn_devnet_node_new(&config, &dsdn_io_system, NULL, &node, &error), &error);
    CHECK_OK(dsdn_devnet_node_produce(node, 3, &error), &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct dsdn_devnet_answer *answer;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_view value;
    if (!node) start();
    uint8_t choices = take8(&in);
    uint32_t permissions = choices & 1 ? DSDN_DEVNET_PUBLIC | DSDN_DEVNET_READ : DSDN_DEVNET_PUBLIC;
    uint64_t head = node->chain->head, tickets = node->chain->ticket_cnt;
    struct dsdn_devnet_call *call = dsdn_devnet_call_new(node, permissions, choices & 2, in.at, in.left);
    CHECK(call);
    if (dsdn_devnet_call_step(call, &answer)) {
        CHECK(answer->status == 200 || answer->status == 400 || answer->status == 500);
        CHECK(!answer->drop && !answer->delay_ms && !answer->blanks && !answer->drip);
        CHECK(!answer->body.failed);
        if (!answer->plain && answer->body.len)
            CHECK_OK(dsdn_span_check(answer->body.bytes, answer->body.len, &value, &error), &error);
    }
    dsdn_devnet_call_free(call);
    CHECK(node->chain->head == head && node->chain->ticket_cnt == tickets && !node->restart_wanted);
    return 0;
}
