#include "adapters/devnet/pay.h"

#include "adapters/celestia/protobuf.h"
#include "log/hash.h"

#include <stdio.h>
#include <stdlib.h>

enum { GAS_PER_BYTE = 8, GAS_PER_BLOB = 700, GAS_FIXED = 75000 };

void dsdn_devnet_account_make(const uint8_t seed[32], struct dsdn_devnet_account *account)
{
    uint8_t digest[32];
    dsdn_tagged("DSDN-devnet-account-v1", seed, 32, digest);
    memcpy(account->address, digest, sizeof account->address);
    dsdn_devnet_bech32("celestia", account->address, account->text);
}

/* ---- bech32 ------------------------------------------------------------------------------------ */

static uint32_t polymod(uint32_t sum, uint32_t value)
{
    static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    uint32_t top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ value;
    for (uint32_t i = 0; i < 5; i++)
        if (top >> i & 1) sum ^= generator[i];
    return sum;
}

void dsdn_devnet_bech32(const char *hrp, const uint8_t bytes[20], char out[DSDN_DEVNET_ADDRESS_MAX])
{
    static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    uint32_t sum = 1, bits = 0, held = 0;
    char *at = out;
    for (const char *c = hrp; *c; c++) sum = polymod(sum, (uint32_t)*c >> 5);
    sum = polymod(sum, 0);
    for (const char *c = hrp; *c; c++) sum = polymod(sum, (uint32_t)*c & 31), *at++ = *c;
    *at++ = '1';
    for (uint32_t i = 0; i < 20; i++) { /* 160 bits are 32 groups of five: nothing is left over */
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 5; bits -= 5) {
            uint32_t value = held >> (bits - 5) & 31;
            sum = polymod(sum, value);
            *at++ = alphabet[value];
        }
    }
    for (uint32_t i = 0; i < 6; i++) sum = polymod(sum, 0);
    sum ^= 1;
    for (uint32_t i = 0; i < 6; i++) *at++ = alphabet[sum >> 5 * (5 - i) & 31];
    *at = '\0';
}

/* ---- gas --------------------------------------------------------------------------------------- */

uint64_t dsdn_devnet_gas(const struct dsdn_json_blob *blobs, uint32_t cnt)
{
    uint64_t shares = 0;
    for (uint32_t i = 0; i < cnt; i++) shares += dsdn_share_cnt(blobs[i].share_version, blobs[i].data.len);
    return shares * DSDN_SHARE_LEN * GAS_PER_BYTE + (uint64_t)GAS_PER_BLOB * cnt + GAS_FIXED;
}

uint64_t dsdn_devnet_fee(uint64_t gas, uint64_t price_nano)
{
    uint64_t nano;
    if (__builtin_mul_overflow(gas, price_nano, &nano)) return INT64_MAX; /* no balance is as large */
    return nano / 1000000000 + (nano % 1000000000 != 0);
}

/* ---- the transaction --------------------------------------------------------------------------- */

/* {1: type_url, 2: value} */
static void write_any(struct dsdn_proto *p, uint32_t field, const char *type, const uint8_t *value,
                      size_t len, struct dsdn_proto *scratch)
{
    scratch->len = 0;
    dsdn_proto_bytes(scratch, 1, type, strlen(type));
    dsdn_proto_bytes(scratch, 2, value, len);
    dsdn_proto_message(p, field, scratch->bytes, scratch->len);
}

/* MsgPayForBlobs {1: signer, 2: namespaces, 3: sizes, 4: commitments, 8: share versions} */
static void write_message(struct dsdn_proto *p, const struct dsdn_devnet_account *account,
                          const struct dsdn_json_blob *blobs, uint32_t cnt, struct dsdn_proto *scratch)
{
    dsdn_proto_bytes(p, 1, account->text, strlen(account->text));
    for (uint32_t i = 0; i < cnt; i++) dsdn_proto_bytes(p, 2, blobs[i].ns, sizeof blobs[i].ns);
    scratch->len = 0;
    for (uint32_t i = 0; i < cnt; i++) dsdn_proto_varint(scratch, blobs[i].data.len);
    dsdn_proto_bytes(p, 3, scratch->bytes, scratch->len);
    for (uint32_t i = 0; i < cnt; i++) dsdn_proto_bytes(p, 4, blobs[i].commitment, 32);
    scratch->len = 0;
    for (uint32_t i = 0; i < cnt; i++) dsdn_proto_varint(scratch, blobs[i].share_version);
    dsdn_proto_bytes(p, 8, scratch->bytes, scratch->len);
}

static void write_authorisation(struct dsdn_proto *p, const struct dsdn_devnet_account *account,
                                uint64_t sequence, uint64_t gas, uint64_t fee)
{
    static const uint8_t mode_direct[] = {0x0a, 0x02, 0x08, 0x01}; /* {1: {1: SIGN_MODE_DIRECT}} */
    uint8_t key[33] = {2}, key_bytes[40], any_bytes[128], signer_bytes[192], fee_bytes[64], coin_bytes[48];
    char amount[24];
    dsdn_tagged("DSDN-devnet-account-key-v1", account->address, sizeof account->address, key + 1);
    struct dsdn_proto pk = dsdn_proto_to(key_bytes, sizeof key_bytes),
                      any = dsdn_proto_to(any_bytes, sizeof any_bytes),
                      signer = dsdn_proto_to(signer_bytes, sizeof signer_bytes),
                      coin = dsdn_proto_to(coin_bytes, sizeof coin_bytes),
                      fees = dsdn_proto_to(fee_bytes, sizeof fee_bytes);
    dsdn_proto_bytes(&pk, 1, key, sizeof key);
    write_any(&signer, 1, "/cosmos.crypto.secp256k1.PubKey", key_bytes, pk.len, &any);
    dsdn_proto_message(&signer, 2, mode_direct, sizeof mode_direct);
    dsdn_proto_uint(&signer, 3, sequence);
    dsdn_proto_message(p, 1, signer_bytes, signer.len);
    dsdn_proto_bytes(&coin, 1, "utia", 4);
    dsdn_proto_bytes(&coin, 2, amount,
                     (size_t)snprintf(amount, sizeof amount, "%llu", (unsigned long long)fee));
    dsdn_proto_message(&fees, 1, coin_bytes, coin.len);
    dsdn_proto_uint(&fees, 2, gas);
    dsdn_proto_message(p, 2, fee_bytes, fees.len);
}

static void write_blob(struct dsdn_proto *p, const struct dsdn_json_blob *b, struct dsdn_proto *scratch)
{
    scratch->len = 0;
    dsdn_proto_bytes(scratch, 1, b->ns + 1, DSDN_NAMESPACE_LEN - 1);
    dsdn_proto_bytes(scratch, 2, b->data.bytes, b->data.len);
    dsdn_proto_uint(scratch, 3, b->share_version);
    dsdn_proto_uint(scratch, 4, b->ns[0]);
    dsdn_proto_bytes(scratch, 5, b->signer.bytes, b->signer.len);
    dsdn_proto_message(p, 2, scratch->bytes, scratch->len);
}

int dsdn_devnet_pay(const struct dsdn_devnet_account *account, uint64_t sequence, uint64_t gas, uint64_t fee,
                    const struct dsdn_json_blob *blobs, uint32_t cnt, bool brief, uint8_t **out,
                    uint32_t *len, struct dsdn_error *error)
{
    enum { BLOB_FRAME = 96, MESSAGE_A_BLOB = 31 + 5 + 34 + 2, FRAME = 1024 };
    uint64_t data = 0, largest = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        data += blobs[i].data.len + BLOB_FRAME;
        if (blobs[i].data.len > largest) largest = blobs[i].data.len;
    }
    uint32_t named = brief && cnt ? 1 : cnt;
    uint64_t message_cap = FRAME + (uint64_t)named * MESSAGE_A_BLOB;
    uint64_t whole_cap = data + 2 * message_cap + FRAME;
    uint64_t scratch_cap = (largest > message_cap ? largest : message_cap) + FRAME;
    if (whole_cap > INT32_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a transaction of %llu bytes",
                         (unsigned long long)whole_cap);
    /* three buffers in one block: the transaction, and two for the messages inside messages */
    uint8_t *bytes = malloc(whole_cap), *work = malloc(2 * message_cap + 2 * scratch_cap);
    if (!bytes || !work) {
        free(bytes);
        free(work);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a transaction of %u blobs", cnt);
    }
    struct dsdn_proto message = dsdn_proto_to(work, message_cap),
                      tx = dsdn_proto_to(work + message_cap, message_cap),
                      scratch = dsdn_proto_to(work + 2 * message_cap, scratch_cap),
                      body = dsdn_proto_to(work + 2 * message_cap + scratch_cap, scratch_cap),
                      whole = dsdn_proto_to(bytes, whole_cap);
    write_message(&message, account, blobs, named, &scratch);
    write_any(&body, 1, "/celestia.blob.v1.MsgPayForBlobs", message.bytes, message.len, &scratch);
    dsdn_proto_message(&tx, 1, body.bytes, body.len);
    uint8_t authorisation_bytes[320], signature[64];
    struct dsdn_proto authorisation = dsdn_proto_to(authorisation_bytes, sizeof authorisation_bytes);
    write_authorisation(&authorisation, account, sequence, gas, fee);
    dsdn_proto_message(&tx, 2, authorisation_bytes, authorisation.len);
    dsdn_tagged("DSDN-devnet-signature-r", tx.bytes, tx.len, signature);
    dsdn_tagged("DSDN-devnet-signature-s", tx.bytes, tx.len, signature + 32);
    dsdn_proto_bytes(&tx, 3, signature, sizeof signature);
    dsdn_proto_message(&whole, 1, tx.bytes, tx.len);
    for (uint32_t i = 0; i < cnt; i++) write_blob(&whole, blobs + i, &scratch);
    dsdn_proto_bytes(&whole, 3, "BLOB", 4);
    bool overflow = message.overflow || tx.overflow || scratch.overflow || body.overflow || whole.overflow ||
                    authorisation.overflow;
    free(work);
    if (overflow) {
        free(bytes);
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a transaction does not fit its estimate");
    }
    *out = bytes;
    *len = (uint32_t)whole.len;
    return DSDN_OK;
}
