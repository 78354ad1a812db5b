#include "log/kind.h"

#define NUMBER(kind, width, max) [DSDN_K_##kind] = {#kind, DSDN_FORM_NUMBER, width, false, false, max}
#define DECIMAL(kind, sign)      [DSDN_K_##kind] = {#kind, DSDN_FORM_DECIMAL, 8, false, sign, UINT64_MAX}
#define HEX(kind, width, opt)    [DSDN_K_##kind] = {#kind, DSDN_FORM_HEX, width, opt, false, 0}
#define OTHER(kind, form)        [DSDN_K_##kind] = {#kind, DSDN_FORM_##form, 0, false, false, 0}

const struct dsdn_kind_info dsdn_kinds[DSDN_KIND_CNT] = {
    NUMBER(u8, 1, UINT8_MAX),
    NUMBER(u16, 2, UINT16_MAX),
    NUMBER(u32, 4, UINT32_MAX),
    NUMBER(bps, 2, 10000),
    NUMBER(choice, 1, UINT8_MAX),
    [DSDN_K_i32] = {"i32", DSDN_FORM_NUMBER, 4, false, true, INT32_MAX},
    [DSDN_K_opt_u8] = {"opt_u8", DSDN_FORM_NUMBER, 1, true, false, UINT8_MAX},
    DECIMAL(u64, false),
    DECIMAL(i64, true),
    DECIMAL(fx, true),
    DECIMAL(time, false),
    DECIMAL(height, false),
    HEX(id, 32, false),
    HEX(hash, 32, false),
    HEX(addr, 32, false),
    HEX(sig, 64, false),
    HEX(ns, 29, false),
    HEX(opt_id, 32, true),
    HEX(opt_hash, 32, true),
    HEX(opt_sig, 64, true),
    OTHER(amt, AMOUNT),
    OTHER(str, TEXT),
    OTHER(bytes, BYTES),
    OTHER(set_id, HASHES),
    OTHER(list_hash, HASHES),
    OTHER(list, RECORDS),
};

bool dsdn_field_number(const struct dsdn_field *f, const void *from, uint64_t *bits)
{
    const uint8_t *p = (const uint8_t *)from + f->offset;
    if (f->kind == DSDN_K_opt_u8) { /* held as int16_t, -1 = absent */
        *bits = dsdn_load16(p);
        return *bits <= UINT8_MAX;
    }
    switch (dsdn_kinds[f->kind].width) {
    case 1: *bits = *p; break;
    case 2: *bits = dsdn_load16(p); break;
    case 4: *bits = dsdn_load32(p); break;
    default: *bits = dsdn_load64(p); break;
    }
    if (f->kind == DSDN_K_i32) *bits = (uint64_t)(int64_t)(int32_t)*bits;
    return true;
}
