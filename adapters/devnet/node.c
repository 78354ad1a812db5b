#include "adapters/devnet/node.h"

#include <stdlib.h>

int dsdn_devnet_node_new(const struct dsdn_devnet_config *config, const struct dsdn_io *io, const char *home,
                         struct dsdn_devnet_node **node, struct dsdn_error *error)
{
    struct dsdn_devnet_node *n = calloc(1, sizeof *n);
    if (!n) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a node");
    n->store.fd = -1;
    int rc = dsdn_devnet_chain_new(config, &n->chain, error);
    if (!rc && home) {
        rc = dsdn_devnet_store_open(&n->store, io, home, n->chain, error);
        n->stored = true;
    }
    if (rc) {
        dsdn_devnet_node_free(n);
        return rc;
    }
    dsdn_devnet_shelf_init(&n->shelf, n->chain);
    dsdn_devnet_token_secret(config->seed, n->token_secret);
    dsdn_devnet_validators_init(&n->forger, n->chain->seed, config->validator_cnt, config->rotate_every,
                                config->replace_at, true);
    n->forger_sealer = n->chain->sealer;
    n->forger_sealer.validators = &n->forger;
    *node = n;
    return DSDN_OK;
}

static void fork_free(struct dsdn_devnet_fork *fork)
{
    for (size_t i = 0; i < fork->cnt; i++) {
        free(fork->blocks[i]->signatures);
        free(fork->blocks[i]);
    }
    free(fork->blocks);
    *fork = (struct dsdn_devnet_fork){0};
}

void dsdn_devnet_node_free(struct dsdn_devnet_node *n)
{
    if (!n) return;
    fork_free(&n->fork);
    dsdn_devnet_validators_free(&n->forger);
    dsdn_devnet_shelf_free(&n->shelf);
    if (n->stored) dsdn_devnet_store_close(&n->store);
    dsdn_devnet_chain_free(n->chain);
    free(n);
}

int dsdn_devnet_node_produce(struct dsdn_devnet_node *n, uint64_t cnt, struct dsdn_error *error)
{
    int rc = 0;
    while (!rc && cnt--) {
        rc = dsdn_devnet_chain_produce(n->chain, n->now, error);
        if (!rc && n->stored)
            rc =
                dsdn_devnet_store_append(&n->store, dsdn_devnet_chain_block(n->chain, n->chain->head), error);
    }
    int synced = n->stored ? dsdn_devnet_store_sync(&n->store, rc ? NULL : error) : 0;
    return rc ? rc : synced;
}

/* ---- lies about headers ------------------------------------------------------------------------ */

static const struct dsdn_devnet_block *previous_of(const struct dsdn_devnet_chain *c, uint64_t height)
{
    return height > 1 ? dsdn_devnet_chain_block(c, height - 1) : NULL;
}

static const struct dsdn_devnet_block *fork_block(const struct dsdn_devnet_node *n, uint64_t height)
{
    return height >= n->fork.from ? n->fork.blocks[height - n->fork.from] : previous_of(n->chain, height + 1);
}

static int fork_append(struct dsdn_devnet_node *n, struct dsdn_error *error)
{
    struct dsdn_devnet_fork *fork = &n->fork;
    uint64_t height = fork->from + fork->cnt;
    if (fork->cnt == fork->cap) {
        size_t cap = fork->cap ? 2 * fork->cap : 64;
        struct dsdn_devnet_block **grown = realloc(fork->blocks, cap * sizeof *grown);
        if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a fork");
        fork->blocks = grown;
        fork->cap = cap;
    }
    struct dsdn_devnet_block *b = malloc(sizeof *b);
    if (!b) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a fork");
    *b = *dsdn_devnet_chain_block(n->chain, height);
    b->signatures = NULL;
    const struct dsdn_devnet_sealer *sealer = fork->forger ? &n->forger_sealer : &n->chain->sealer;
    int rc = dsdn_devnet_seal(sealer, b, height > 1 ? fork_block(n, height - 1) : NULL, fork->twist, error);
    if (rc) {
        free(b->signatures);
        free(b);
        return rc;
    }
    fork->blocks[fork->cnt++] = b;
    return DSDN_OK;
}

static int describe_fork(struct dsdn_devnet_node *n, const struct dsdn_devnet_fault *f, uint64_t height,
                         struct dsdn_devnet_described *out, struct dsdn_error *error)
{
    uint32_t twist = f->value ? (uint32_t)f->value : 1;
    bool forger = strcmp(f->text, "forger") == 0;
    uint64_t from = f->from ? f->from : 1;
    if (n->fork.from != from || n->fork.twist != twist || n->fork.forger != forger) fork_free(&n->fork);
    n->fork.from = from;
    n->fork.twist = twist;
    n->fork.forger = forger;
    int rc = 0;
    while (!rc && n->fork.cnt <= height - from) rc = fork_append(n, error);
    if (rc) return rc;
    struct dsdn_devnet_block *b = n->fork.blocks[height - from];
    b->roots = dsdn_devnet_chain_block(n->chain, height)->roots; /* pruning may have taken the old ones */
    return dsdn_devnet_describe(forger ? &n->forger_sealer : &n->chain->sealer, b,
                                height > 1 ? fork_block(n, height - 1) : NULL, out, error);
}

/* Another block of the same data, signed; its predecessor is the true one. */
static int describe_forged(struct dsdn_devnet_node *n, const struct dsdn_devnet_sealer *sealer,
                           uint64_t height, int64_t seconds, struct dsdn_devnet_described *out,
                           struct dsdn_devnet_lie *lie, struct dsdn_error *error)
{
    enum { TWIST = 0xf0f0 };
    lie->block = *dsdn_devnet_chain_block(n->chain, height);
    lie->block.signatures = NULL;
    lie->block.time.seconds += seconds;
    int rc = dsdn_devnet_seal(sealer, &lie->block, previous_of(n->chain, height), TWIST, error);
    if (!rc) rc = dsdn_devnet_describe(sealer, &lie->block, previous_of(n->chain, height), out, error);
    return rc;
}

static int forge(struct dsdn_devnet_node *n, const struct dsdn_devnet_fault *f, uint64_t height,
                 struct dsdn_devnet_described *out, struct dsdn_devnet_lie *lie, struct dsdn_error *error)
{
    enum { YEAR = 31557600 };
    if (strcmp(f->text, "time") == 0)
        return describe_forged(n, &n->chain->sealer, height, 10 * YEAR, out, lie, error);
    if (strcmp(f->text, "signature") == 0) {
        memcpy(lie->signature, out->votes[0].signature.bytes, sizeof lie->signature);
        lie->signature[7] ^= 1;
        out->votes[0].signature.bytes = lie->signature;
        return DSDN_OK;
    }
    if (strcmp(f->text, "hash") == 0) { /* the header no longer hashes to what the commit is about */
        out->block.header.time.nanos ^= 1;
        return DSDN_OK;
    }
    return describe_forged(n, &n->forger_sealer, height, 0, out, lie, error);
}

static int spoil_dah(struct dsdn_devnet_described *out, struct dsdn_devnet_lie *lie, struct dsdn_error *error)
{
    struct dsdn_dah *dah = &out->block.dah;
    lie->roots = malloc(dah->row_cnt * sizeof *lie->roots);
    if (!lie->roots) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a DAH");
    memcpy(lie->roots, dah->row_roots, dah->row_cnt * sizeof *lie->roots);
    lie->roots[0].bytes[DSDN_NMT_NODE_LEN - 1] ^= 1;
    dah->row_roots = lie->roots;
    return DSDN_OK;
}

int dsdn_devnet_node_header(struct dsdn_devnet_node *n, const char *method, uint64_t height,
                            struct dsdn_devnet_described *out, struct dsdn_devnet_lie *lie,
                            struct dsdn_error *error)
{
    *lie = (struct dsdn_devnet_lie){.roots = NULL};
    const struct dsdn_devnet_fault *f =
        dsdn_devnet_faults_hit(&n->faults, DSDN_DEVNET_FAULT_fork, method, height);
    int rc = f ? describe_fork(n, f, height, out, error)
               : dsdn_devnet_chain_describe(n->chain, height, out, error);
    if (rc) return rc;
    f = dsdn_devnet_faults_hit(&n->faults, DSDN_DEVNET_FAULT_forged_header, method, height);
    if (f) rc = forge(n, f, height, out, lie, error);
    if (!rc && dsdn_devnet_faults_hit(&n->faults, DSDN_DEVNET_FAULT_wrong_dah, method, height))
        rc = spoil_dah(out, lie, error);
    return rc;
}

void dsdn_devnet_lie_free(struct dsdn_devnet_lie *lie)
{
    free(lie->block.signatures);
    free(lie->roots);
    *lie = (struct dsdn_devnet_lie){.roots = NULL};
}

/* ---- lies about data --------------------------------------------------------------------------- */

static int spoil_share(struct dsdn_devnet_rows *rows, uint64_t number, uint8_t **copy,
                       struct dsdn_error *error)
{
    for (uint32_t i = 0; i < rows->row_cnt; i++) {
        struct dsdn_view *shares = &rows->rows[i].shares;
        uint64_t cnt = shares->len / DSDN_SHARE_LEN;
        if (number >= cnt) {
            number -= cnt;
            continue;
        }
        *copy = malloc(shares->len);
        if (!*copy) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a row");
        memcpy(*copy, shares->bytes, shares->len);
        (*copy)[number * DSDN_SHARE_LEN + DSDN_SHARE_LEN - 1] ^= 1;
        shares->bytes = *copy;
        break;
    }
    return DSDN_OK;
}

static void drop_share(struct dsdn_devnet_rows *rows)
{
    if (!rows->row_cnt) return;
    struct dsdn_namespace_row *last = rows->rows + rows->row_cnt - 1;
    if (last->shares.len) {
        last->shares.len -= DSDN_SHARE_LEN;
        last->proof.end--;
    }
    if (!last->shares.len) rows->row_cnt--;
}

static void spoil_proof(struct dsdn_devnet_rows *rows)
{
    if (!rows->row_cnt) return;
    const struct dsdn_nmt_proof *proof = &rows->rows[rows->row_cnt - 1].proof;
    if (!proof->node_cnt) return;
    uint8_t *node = (uint8_t *)(uintptr_t)proof->nodes[proof->node_cnt - 1].bytes; /* of rows->nodes */
    node[DSDN_NMT_NODE_LEN - 1] ^= 1;
}

int dsdn_devnet_node_rows(struct dsdn_devnet_node *n, const char *method, uint64_t height,
                          struct dsdn_devnet_rows *rows, uint8_t **copy, struct dsdn_error *error)
{
    struct dsdn_devnet_faults *faults = &n->faults;
    const struct dsdn_devnet_fault *f =
        dsdn_devnet_faults_hit(faults, DSDN_DEVNET_FAULT_wrong_share, method, height);
    int rc = f ? spoil_share(rows, f->value, copy, error) : 0;
    if (rc) return rc;
    if (dsdn_devnet_faults_hit(faults, DSDN_DEVNET_FAULT_missing_share, method, height)) drop_share(rows);
    if (dsdn_devnet_faults_hit(faults, DSDN_DEVNET_FAULT_missing_row, method, height) && rows->row_cnt)
        rows->row_cnt--;
    if (dsdn_devnet_faults_hit(faults, DSDN_DEVNET_FAULT_wrong_proof, method, height)) spoil_proof(rows);
    return DSDN_OK;
}
