/* pay.h: transactions that pay for blobs, as they stand in a block of a devnet.
 *
 *     BlobTx {1: Tx, 2: Blob {1: namespace id, 2: data, 3: share version, 4: namespace version, 5:
 * signer}..., 3: "BLOB"} Tx     {1: body {1: Any MsgPayForBlobs}, 2: authorisation {signer and sequence, fee,
 * gas limit}, 3: signature}
 *
 * in the encodings of cosmos-sdk's tx.proto and celestia-app's blob/v1/tx.proto, so that sizes, gas and fees
 * are those of the real chain.  The account has no real key: public key and signature are hashes. */
#ifndef DSDN_ADAPTERS_DEVNET_PAY_H
#define DSDN_ADAPTERS_DEVNET_PAY_H

#include "adapters/celestia/json_objects.h"

#define DSDN_DEVNET_TX_LEN_MAX      8388608u   /* of a transaction with its blobs (CIP-38) */
#define DSDN_DEVNET_GAS_PRICE_MIN   4000000u   /* 0.004 utia, in 10^-9: the least that nodes take */
#define DSDN_DEVNET_GAS_PRICE_LIMIT 400000000u /* 0.4 utia: the most a node pays unless told */
#define DSDN_DEVNET_ADDRESS_MAX     64u        /* characters of an address, zero byte included */

struct dsdn_devnet_account {
    uint8_t address[20];
    char text[DSDN_DEVNET_ADDRESS_MAX]; /* bech32, "celestia1..." */
};

/* dsdn_devnet_account_make: the account that belongs to a seed. */
void dsdn_devnet_account_make(const uint8_t seed[32], struct dsdn_devnet_account *account);

/* dsdn_devnet_bech32 writes hrp, '1', the 20 bytes in 5-bit groups and the checksum (BIP 173). */
void dsdn_devnet_bech32(const char *hrp, const uint8_t bytes[20], char out[DSDN_DEVNET_ADDRESS_MAX]);

/* Gas of a transaction: shares * 512 * 8 + 10 * 70 * blobs + 75000; fee in utia: gas * price, rounded up. */
uint64_t dsdn_devnet_gas(const struct dsdn_json_blob *blobs, uint32_t cnt);
uint64_t dsdn_devnet_fee(uint64_t gas, uint64_t price_nano);

/* dsdn_devnet_pay makes a BlobTx of blobs with computed commitments; *out is the caller's to free.  brief
 * leaves all but the first blob out of the message, as no real chain would accept: for very many small blobs.
 * TOO_LARGE above 2^31 bytes; NO_MEMORY. */
int dsdn_devnet_pay(const struct dsdn_devnet_account *account, uint64_t sequence, uint64_t gas, uint64_t fee,
                    const struct dsdn_json_blob *blobs, uint32_t cnt, bool brief, uint8_t **out,
                    uint32_t *len, struct dsdn_error *error);

#endif
