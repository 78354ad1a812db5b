/* estimate.c: `estimate`: what blobs cost on Celestia; the table of docs/CELESTIA_MAINNET_SETUP.md. */
#include "adapters/celestia/cost.h"
#include "apps/coordinator/network.h"

enum { MONTHLY = 10 << 10 }; /* bytes of the blobs of a month */

static double tia(uint64_t utia)
{
    return (double)utia / DSDN_UTIA_PER_TIA;
}

static void print_table(uint64_t price)
{
    static const struct {
        const char *name;
        uint64_t len;
    } blobs[] = {{"1 KB", 1 << 10},
                 {"10 KB", MONTHLY},
                 {"100 KB", 100 << 10},
                 {"1 MB", 1 << 20},
                 {"1.5 MB, a full batch", 3 << 19}};
    printf("at %.9g utia a gas\n%-24s %12s %12s %14s\n", (double)price / 1e9, "blob", "gas, alone",
           "TIA, alone", "64 in a call");
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++)
        printf("%-24s %12llu %12.5f %14.5f\n", blobs[i].name,
               (unsigned long long)dsdn_celestia_gas(&blobs[i].len, 1, 0),
               tia(dsdn_celestia_estimate(blobs[i].len, 1, 1, price)),
               tia(dsdn_celestia_estimate(blobs[i].len, DSDN_CALL_RULE, DSDN_CALL_RULE, price)) /
                   DSDN_CALL_RULE);
    printf("%-24s %12s %12.1f %14.1f\n", "30,000 of 10 KB", "",
           tia(dsdn_celestia_estimate(MONTHLY, DSDN_MONTH_BLOBS, 1, price)),
           tia(dsdn_celestia_estimate(MONTHLY, DSDN_MONTH_BLOBS, DSDN_CALL_RULE, price)));
}

int command_estimate(const struct options *o, struct dsdn_error *error)
{
    print_table(o->gas_price_nano ? o->gas_price_nano : DSDN_PRICE_MIN);
    if (!o->gas_price_nano) {
        putchar('\n');
        print_table(DSDN_PRICE_RULE);
    }
    return fflush(stdout) == 0 ? DSDN_OK : dsdn_fail(error, DSDN_E_IO, "cannot write to standard output");
}
