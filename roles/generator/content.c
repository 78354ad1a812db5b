#include "log/hash.h"
#include "roles/generator/model.h"

static void derive(const char *tag, uint64_t seed, uint64_t a, uint64_t b, uint8_t out[32])
{
    uint8_t message[24];
    dsdn_store64(message, seed);
    dsdn_store64(message + 8, a);
    dsdn_store64(message + 16, b);
    dsdn_tagged(tag, message, sizeof message, out);
}

void generator_key(uint64_t seed, enum key_class class, uint32_t index, struct dsdn_sign_key *key)
{
    uint8_t secret[32];
    derive("dsdn/generate/key/1", seed, class, index, secret);
    dsdn_sign_key_from_seed(key, secret);
}

void content_hash(const char *what, uint64_t seed, uint64_t number, uint8_t out[32])
{
    derive(what, seed, number, 0, out);
}

static void leaf_hash(const struct content *c, uint32_t leaf, uint8_t out[32])
{
    uint8_t message[36];
    memcpy(message, c->id, 32);
    dsdn_store32(message + 32, leaf);
    dsdn_tagged("dsdn/generate/leaf/1", message, sizeof message, out);
}

/* The left subtree of n > 1 leaves is the largest power of two below n (RFC 9162, section 2.1.1). */
static uint32_t left_of(uint32_t n)
{
    uint32_t k = 1;
    while (2 * k < n) k *= 2;
    return k;
}

static void tree_root(const struct content *c, uint32_t from, uint32_t n, uint8_t out[32])
{
    if (n == 1) {
        leaf_hash(c, from, out);
        return;
    }
    uint8_t message[65] = {1};
    uint32_t left = left_of(n);
    tree_root(c, from, left, message + 1);
    tree_root(c, from + left, n - left, message + 33);
    dsdn_sha256(message, sizeof message, out);
}

void content_of(uint64_t seed, uint64_t object, uint64_t chunk, struct content *c)
{
    uint8_t near[32];
    content_hash("dsdn/generate/chunk/1", seed, chunk, c->id);
    content_hash("dsdn/generate/near/1", seed, object, near);
    memcpy(c->id, near, 3);
    uint32_t dice = dsdn_load32(c->id + 4); /* the id is a hash: as good as a random number */
    c->leaf_size = 1u << 20;
    c->leaf_cnt = dice % 10 ? 1 : 2 + dice / 10 % (LEAF_MAX - 1);
    c->size = (c->leaf_cnt - 1) * c->leaf_size + 1 + dsdn_load32(c->id + 8) % c->leaf_size;
    tree_root(c, 0, c->leaf_cnt, c->leaf_root);
}

static uint32_t path_of(const struct content *c, uint32_t leaf, uint32_t from, uint32_t n, uint8_t *path)
{
    if (n == 1) {
        leaf_hash(c, from, path);
        return 1;
    }
    uint32_t left = left_of(n);
    bool right = leaf >= left;
    uint32_t cnt =
        right ? path_of(c, leaf - left, from + left, n - left, path) : path_of(c, leaf, from, left, path);
    tree_root(c, right ? from : from + left, right ? left : n - left, path + 32 * cnt);
    return cnt + 1;
}

uint32_t content_path(const struct content *c, uint32_t leaf, uint8_t path[32 * PATH_MAX_HASHES])
{
    return path_of(c, leaf, 0, c->leaf_cnt, path);
}
