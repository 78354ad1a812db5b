/* table_fill.c: filling a table with rows whose number is known beforehand: what restoring a checkpoint needs
 * to run at the speed of copying.  Unlike dsdn_table_insert it sizes everything once and lets several threads
 * write at the same time. */
#include "statemachine/state.h"

int dsdn_table_fill(struct dsdn_table *t, uint32_t rows, struct dsdn_error *error)
{
    if (t->row_end) return dsdn_fail(error, DSDN_E_USAGE, "table %s has rows already", t->desc->name);
    int rc = dsdn_table_reserve(t, rows, error);
    if (rc) return rc;
    memset(t->live, 0xff, rows / 64 * 8);
    if (rows % 64) t->live[rows / 64] = ((uint64_t)1 << rows % 64) - 1;
    t->row_end = t->live_cnt = rows;
    if (t->track) {
        memcpy(t->dirty, t->live, ((size_t)rows + 63) / 64 * 8);
        for (uint32_t row = 0; row < rows; row++) t->dirty_rows[row] = row;
        t->dirty_cnt = rows;
    }
    return DSDN_OK;
}

/* How many slots are asked for before the first of them is used: enough to hide the latency of memory. */
enum { AHEAD = 32 };

void dsdn_table_enter(struct dsdn_table *t, uint32_t first, uint32_t cnt)
{
    const uint32_t key_len = t->desc->key_len, row_size = t->desc->row_size;
    const uint64_t seed = t->state->seed, mask = t->slot_mask;
    uint32_t tags[AHEAD];
    for (uint32_t done = 0; done < cnt;) {
        uint32_t n = cnt - done < AHEAD ? cnt - done : AHEAD;
        const uint8_t *row = dsdn_row_at(t, first + done, row_size);
        for (uint32_t i = 0; i < n; i++, row += row_size) {
            tags[i] = (uint32_t)dsdn_key_hash(seed, row, key_len);
            __builtin_prefetch(&t->slots[tags[i] & mask], 1);
        }
        for (uint32_t i = 0; i < n; i++) {
            uint64_t slot = (uint64_t)tags[i] << 32 | (first + done + i + 1), at = tags[i] & mask, empty = 0;
            /* Another thread may take the slot first; nobody reads the index before all threads are done. */
            while (__atomic_load_n(&t->slots[at], __ATOMIC_RELAXED) ||
                   !__atomic_compare_exchange_n(&t->slots[at], &empty, slot, false, __ATOMIC_RELAXED,
                                                __ATOMIC_RELAXED)) {
                empty = 0;
                at = (at + 1) & mask;
            }
        }
        done += n;
    }
}
