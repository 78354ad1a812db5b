#include "adapters/celestia/namespace.h"

enum { ID_AT = 1, PREFIX_LEN = 18, SPECIAL_AT = DSDN_NAMESPACE_LEN - 1 };

#define FF7  255, 255, 255, 255, 255, 255, 255
#define FF28 FF7, FF7, FF7, FF7

const uint8_t dsdn_namespace_transactions[DSDN_NAMESPACE_LEN] = {[SPECIAL_AT] = 1};
const uint8_t dsdn_namespace_pay_for_blob[DSDN_NAMESPACE_LEN] = {[SPECIAL_AT] = 4};
const uint8_t dsdn_namespace_reserved_padding[DSDN_NAMESPACE_LEN] = {[SPECIAL_AT] = 255};
const uint8_t dsdn_namespace_tail_padding[DSDN_NAMESPACE_LEN] = {FF28, 254};
const uint8_t dsdn_namespace_parity[DSDN_NAMESPACE_LEN] = {FF28, 255};

static bool all(const uint8_t *bytes, size_t len, uint8_t value)
{
    while (len && *bytes == value) bytes++, len--;
    return len == 0;
}

int dsdn_namespace_parse(const char *text, uint8_t ns[DSDN_NAMESPACE_LEN], struct dsdn_error *error)
{
    size_t len = strlen(text);
    if (len != 2 * DSDN_NAMESPACE_LEN)
        return dsdn_fail(error, DSDN_E_USAGE, "a namespace is %u hex digits (29 bytes), not %zu characters",
                         2 * DSDN_NAMESPACE_LEN, len);
    if (!dsdn_hex_decode(text, DSDN_NAMESPACE_LEN, ns))
        return dsdn_fail(error, DSDN_E_USAGE, "namespace %s has a character that is no hex digit", text);
    return DSDN_OK;
}

enum dsdn_namespace_class dsdn_namespace_classify(const uint8_t ns[DSDN_NAMESPACE_LEN])
{
    if (ns[0] == 255) {
        if (!all(ns, SPECIAL_AT, 255)) return DSDN_NAMESPACE_PROTOCOL;
        if (ns[SPECIAL_AT] == 255) return DSDN_NAMESPACE_PARITY;
        return ns[SPECIAL_AT] == 254 ? DSDN_NAMESPACE_TAIL : DSDN_NAMESPACE_SECONDARY;
    }
    if (ns[0] != 0) return DSDN_NAMESPACE_BAD_VERSION;
    if (!all(ns + ID_AT, PREFIX_LEN, 0)) return DSDN_NAMESPACE_BAD_PREFIX;
    return all(ns, SPECIAL_AT, 0) ? DSDN_NAMESPACE_PRIMARY : DSDN_NAMESPACE_USER;
}

bool dsdn_namespace_public_chain(const char *chain_id)
{
    return strcmp(chain_id, "celestia") == 0 || strncmp(chain_id, "mocha-", 6) == 0 ||
           strncmp(chain_id, "arabica-", 8) == 0;
}

int dsdn_namespace_check(const uint8_t ns[DSDN_NAMESPACE_LEN], const char *chain_id, struct dsdn_error *error)
{
    static const char *const why[] = {
        [DSDN_NAMESPACE_PRIMARY] = "ids 0 to 255 are reserved by Celestia",
        [DSDN_NAMESPACE_PROTOCOL] = "version 255 is the protocol's own; blobs need version 0",
        [DSDN_NAMESPACE_SECONDARY] = "it is reserved by Celestia",
        [DSDN_NAMESPACE_TAIL] = "it is the padding at the end of a square",
        [DSDN_NAMESPACE_PARITY] = "it is that of erasure-coded shares",
        [DSDN_NAMESPACE_BAD_VERSION] = "blobs need version 0, that is first byte 00",
        [DSDN_NAMESPACE_BAD_PREFIX] = "version 0 needs 38 zero digits, then 20 free ones",
    };
    enum dsdn_namespace_class class = dsdn_namespace_classify(ns);
    if (class == DSDN_NAMESPACE_USER || !dsdn_namespace_public_chain(chain_id)) return DSDN_OK;
    char hex[2 * DSDN_NAMESPACE_LEN + 1];
    dsdn_hex_encode(ns, DSDN_NAMESPACE_LEN, hex);
    return dsdn_fail(error, DSDN_E_USAGE, "namespace %s cannot be used on chain %s: %s", hex, chain_id,
                     why[class]);
}
