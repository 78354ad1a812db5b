#include "adapters/celestia/light.h"

/* The code of each check that fails here, and of what header.h reports with its own. */
static int code_of(enum dsdn_celestia_check check)
{
    switch (check) {
    case DSDN_CELESTIA_BAD_CHAIN_ID: return DSDN_E_WRONG_GENESIS;
    case DSDN_CELESTIA_BAD_TIME:
    case DSDN_CELESTIA_BAD_FUTURE: return DSDN_E_TIME;
    case DSDN_CELESTIA_BAD_NEXT_VALIDATORS:
    case DSDN_CELESTIA_BAD_OVERLAP: return DSDN_E_PROOF;
    default: return DSDN_E_CHAIN;
    }
}

static enum dsdn_light_verdict forged(const struct dsdn_celestia_block *block, enum dsdn_celestia_check value,
                                      enum dsdn_celestia_check *check, struct dsdn_error *error)
{
    *check = value;
    dsdn_fail(error, code_of(value), "height %lld: %s", (long long)block->header.height,
              dsdn_celestia_check_text(value));
    return DSDN_LIGHT_FORGED;
}

static int compare_times(const struct dsdn_celestia_time *a, const struct dsdn_celestia_time *b)
{
    if (a->seconds != b->seconds) return a->seconds < b->seconds ? -1 : 1;
    return a->nanos < b->nanos ? -1 : a->nanos > b->nanos;
}

/* Whether `later` is at least `seconds` after `earlier`. */
static bool apart(const struct dsdn_celestia_time *earlier, const struct dsdn_celestia_time *later,
                  uint64_t seconds)
{
    if (compare_times(earlier, later) > 0) return false;
    uint64_t distance = (uint64_t)later->seconds - (uint64_t)earlier->seconds;
    return distance > seconds || (distance == seconds && later->nanos >= earlier->nanos);
}

static bool same_chain(const struct dsdn_light_trusted *t, const struct dsdn_celestia_header *h)
{
    return t->chain_id_len == h->chain_id.len && memcmp(t->chain_id, h->chain_id.bytes, t->chain_id_len) == 0;
}

/* What is kept of a block that was accepted; its header hash is known by now. */
static void trust(struct dsdn_light_trusted *t, const struct dsdn_celestia_block *b, const uint8_t hash[32],
                  bool with_validators)
{
    const struct dsdn_celestia_header *h = &b->header;
    memset(t, 0, sizeof *t);
    t->height = h->height;
    t->time = h->time;
    memcpy(t->hash, hash, 32);
    memcpy(t->data_hash, h->data_hash.bytes, 32);
    memcpy(t->next_validators_hash, h->next_validators_hash.bytes, 32);
    if (h->last_block_id.hash.len) memcpy(t->last_block_hash, h->last_block_id.hash.bytes, 32);
    memcpy(t->chain_id, h->chain_id.bytes, h->chain_id.len);
    t->chain_id_len = (uint32_t)h->chain_id.len;
    if (!with_validators) return;
    t->validator_cnt = b->validator_cnt;
    for (uint32_t i = 0; i < b->validator_cnt; i++) {
        memcpy(t->validators[i].key, b->validators[i].key.bytes, 32);
        t->validators[i].power = b->validators[i].power;
        t->power += b->validators[i].power;
    }
}

enum dsdn_light_verdict dsdn_light_anchor(const struct dsdn_light_options *options,
                                          const struct dsdn_celestia_block *block, const uint8_t hash[32],
                                          struct dsdn_light_trusted *trusted, enum dsdn_celestia_check *check,
                                          struct dsdn_error *error)
{
    if (dsdn_celestia_verify(block, options->keys, check, error)) return DSDN_LIGHT_FORGED;
    if (!dsdn_equal32(block->commit.block_id.hash.bytes, hash))
        return forged(block, DSDN_CELESTIA_BAD_ANCHOR, check, error);
    trust(trusted, block, hash, true);
    return DSDN_LIGHT_VERIFIED;
}

/* The power of the trusted validators among those who signed for the block; -1 when one is counted twice.
 * Sets change little from height to height, so the search begins where the last one ended. */
static int64_t overlap(const struct dsdn_light_trusted *t, const struct dsdn_celestia_block *b)
{
    bool used[DSDN_CELESTIA_VALIDATORS_MAX] = {false};
    int64_t power = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < b->validator_cnt; i++) {
        if (b->commit.votes[i].flag != DSDN_CELESTIA_COMMIT) continue;
        for (uint32_t tried = 0; tried < t->validator_cnt; tried++, at = (at + 1) % t->validator_cnt) {
            if (!dsdn_equal32(t->validators[at].key, b->validators[i].key.bytes)) continue;
            if (used[at]) return -1;
            used[at] = true;
            power += t->validators[at].power;
            break;
        }
    }
    return power;
}

enum dsdn_light_verdict dsdn_light_upward(const struct dsdn_light_options *options,
                                          struct dsdn_light_trusted *trusted,
                                          const struct dsdn_celestia_block *block,
                                          struct dsdn_celestia_time now, enum dsdn_celestia_check *check,
                                          struct dsdn_error *error)
{
    const struct dsdn_celestia_header *h = &block->header;
    *check = DSDN_CELESTIA_OK;
    if (apart(&trusted->time, &now, options->period)) {
        dsdn_fail(error, DSDN_E_UNVERIFIED,
                  "the trusted header of height %lld is older than the trusting period of %llu s",
                  (long long)trusted->height, (unsigned long long)options->period);
        return DSDN_LIGHT_EXPIRED;
    }
    if (dsdn_celestia_verify_contents(block, check, error)) return DSDN_LIGHT_FORGED;
    if (!same_chain(trusted, h)) return forged(block, DSDN_CELESTIA_BAD_CHAIN_ID, check, error);
    if (h->height <= trusted->height) return forged(block, DSDN_CELESTIA_BAD_HEIGHT, check, error);
    if (compare_times(&h->time, &trusted->time) <= 0)
        return forged(block, DSDN_CELESTIA_BAD_TIME, check, error);
    if (apart(&now, &h->time, options->drift)) return forged(block, DSDN_CELESTIA_BAD_FUTURE, check, error);
    bool adjacent = h->height == trusted->height + 1;
    if (adjacent && !dsdn_equal32(h->validators_hash.bytes, trusted->next_validators_hash))
        return forged(block, DSDN_CELESTIA_BAD_NEXT_VALIDATORS, check, error);
    if (adjacent && (!h->last_block_id.hash.len || !dsdn_equal32(h->last_block_id.hash.bytes, trusted->hash)))
        return forged(block, DSDN_CELESTIA_BAD_LAST_BLOCK, check, error);
    if (dsdn_celestia_verify_commit(block, options->keys, check, error)) return DSDN_LIGHT_FORGED;
    if (!adjacent) {
        int64_t power = overlap(trusted, block);
        if (power < 0) return forged(block, DSDN_CELESTIA_BAD_OVERLAP, check, error);
        if (3 * power <= trusted->power) {
            dsdn_fail(error, DSDN_E_AGAIN,
                      "height %lld: validators with a third of the power at height %lld, or less, signed",
                      (long long)h->height, (long long)trusted->height);
            return DSDN_LIGHT_BISECT;
        }
    }
    trust(trusted, block, block->commit.block_id.hash.bytes, true);
    return DSDN_LIGHT_VERIFIED;
}

enum dsdn_light_verdict dsdn_light_downward(struct dsdn_light_trusted *trusted,
                                            const struct dsdn_celestia_block *block,
                                            enum dsdn_celestia_check *check, struct dsdn_error *error)
{
    const struct dsdn_celestia_header *h = &block->header;
    uint8_t hash[32], root[32];
    *check = DSDN_CELESTIA_OK;
    if (dsdn_celestia_header_shape(h, error)) {
        *check = DSDN_CELESTIA_BAD_SHAPE;
        return DSDN_LIGHT_FORGED;
    }
    if (h->height != trusted->height - 1) return forged(block, DSDN_CELESTIA_BAD_HEIGHT, check, error);
    dsdn_celestia_header_hash(h, hash);
    if (!dsdn_equal32(hash, trusted->last_block_hash))
        return forged(block, DSDN_CELESTIA_BAD_LAST_BLOCK, check, error);
    /* These two follow from the link, unless the chain itself was broken when it made the newer header. */
    if (!same_chain(trusted, h)) return forged(block, DSDN_CELESTIA_BAD_CHAIN_ID, check, error);
    if (compare_times(&h->time, &trusted->time) >= 0)
        return forged(block, DSDN_CELESTIA_BAD_TIME, check, error);
    *check = DSDN_CELESTIA_BAD_DAH;
    if (dsdn_dah_check(&block->dah, error)) return DSDN_LIGHT_FORGED;
    dsdn_dah_root(&block->dah, root);
    if (!dsdn_equal32(root, h->data_hash.bytes)) {
        dsdn_fail(error, DSDN_E_PROOF, "height %lld: %s", (long long)h->height,
                  dsdn_celestia_check_text(DSDN_CELESTIA_BAD_DAH));
        return DSDN_LIGHT_FORGED;
    }
    *check = DSDN_CELESTIA_OK;
    trust(trusted, block, hash, false);
    return DSDN_LIGHT_VERIFIED;
}

/* ---- the driver -------------------------------------------------------------------------------- */

void dsdn_light_start(struct dsdn_light *light, const struct dsdn_light_options *options,
                      int64_t anchor_height, const uint8_t anchor_hash[32])
{
    memset(light, 0, sizeof *light);
    light->options = *options;
    light->anchor_height = light->target = anchor_height;
    memcpy(light->anchor_hash, anchor_hash, 32);
}

void dsdn_light_aim(struct dsdn_light *light, int64_t target)
{
    light->target = target;
    light->pending_cnt = 0;
}

int64_t dsdn_light_wanted(const struct dsdn_light *light)
{
    const struct dsdn_light_trusted *t = &light->trusted;
    if (!t->height) return light->anchor_height;
    if (light->target == t->height) return 0;
    if (light->target < t->height) return t->height - 1;
    return light->pending_cnt ? light->pending[light->pending_cnt - 1] : light->target;
}

enum dsdn_light_verdict dsdn_light_give(struct dsdn_light *light, const struct dsdn_celestia_block *block,
                                        struct dsdn_celestia_time now, enum dsdn_celestia_check *check,
                                        struct dsdn_error *error)
{
    struct dsdn_light_trusted *t = &light->trusted;
    int64_t wanted = dsdn_light_wanted(light);
    if (!wanted || block->header.height != wanted)
        return forged(block, DSDN_CELESTIA_BAD_HEIGHT, check, error);
    if (!t->height) return dsdn_light_anchor(&light->options, block, light->anchor_hash, t, check, error);
    if (light->target < t->height) return dsdn_light_downward(t, block, check, error);
    enum dsdn_light_verdict verdict = dsdn_light_upward(&light->options, t, block, now, check, error);
    if (verdict == DSDN_LIGHT_VERIFIED && light->pending_cnt)
        light->pending_cnt--;
    else if (verdict == DSDN_LIGHT_BISECT) /* not adjacent: there is a height in between */
        light->pending[light->pending_cnt++] = t->height + (wanted - t->height) / 2;
    return verdict;
}
