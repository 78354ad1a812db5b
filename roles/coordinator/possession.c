/* possession.c: which leaf a new holder proves, and the proof (requirement STOR-10; RFC 9162 tree). */
#include "log/hash.h"
#include "roles/reducers.h"

uint32_t dsdn_leaf_draw(const uint8_t origin_hash[32], const uint8_t chunk[32], const uint8_t node[32],
                        uint32_t leaves)
{
    uint8_t message[96], drawn[32];
    if (leaves <= 1) return 0; /* nothing to draw */
    memcpy(message, origin_hash, 32);
    memcpy(message + 32, chunk, 32);
    memcpy(message + 64, node, 32);
    dsdn_tagged("dsdn/leaf/1", message, sizeof message, drawn);
    return (uint32_t)(dsdn_load64(drawn) % leaves);
}

static void node_hash(const uint8_t *left, const uint8_t *right, uint8_t out[32])
{
    uint8_t message[65] = {1};
    memcpy(message + 1, left, 32);
    memcpy(message + 33, right, 32);
    dsdn_sha256(message, sizeof message, out);
}

bool dsdn_leaf_path_valid(const struct dsdn_list *path, uint32_t leaf, uint32_t leaves,
                          const uint8_t root[32])
{
    if (path->count < 1 || leaf >= leaves) return false;
    uint8_t hash[32];
    memcpy(hash, path->items, 32);
    uint32_t at = leaf, last = leaves - 1;
    for (uint32_t i = 1; i < path->count; i++) {
        const uint8_t *sibling = path->items + 32 * (size_t)i;
        if (last == 0) return false; /* too long */
        if (at & 1 || at == last) {
            node_hash(sibling, hash, hash);
            while (!(at & 1) && at) at >>= 1, last >>= 1; /* levels where the last node has no sibling */
        } else {
            node_hash(hash, sibling, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0 && dsdn_equal32(hash, root);
}
