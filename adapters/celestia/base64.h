/* base64.h: standard base64 with padding (RFC 4648, section 4), as Go's encoding/base64 writes []byte: one
 * text for each byte string, nothing else is read. */
#ifndef DSDN_ADAPTERS_CELESTIA_BASE64_H
#define DSDN_ADAPTERS_CELESTIA_BASE64_H

#include "log/base.h"

/* Characters of len bytes, and the most bytes that text_len characters can hold. */
#define DSDN_BASE64_LEN(len)          (((size_t)(len) + 2) / 3 * 4)
#define DSDN_BASE64_BYTES_MAX(length) ((size_t)(length) / 4 * 3)

/* dsdn_base64_encode writes DSDN_BASE64_LEN(len) characters, no zero byte behind them. */
void dsdn_base64_encode(const uint8_t *bytes, size_t len, char *out);

/* dsdn_base64_decode reads all of the text into out, which has room for DSDN_BASE64_BYTES_MAX(text_len)
 * bytes, and sets *len.  False for a character outside the alphabet (line ends and blanks included), a length
 * that is no multiple of four, missing or extra padding, and nonzero bits behind the last byte. */
bool dsdn_base64_decode(const char *text, size_t text_len, uint8_t *out, size_t *len);

#endif
