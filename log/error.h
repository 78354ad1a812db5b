/* error.h: one list of errors, and the record that carries one of them up to the user.
 *
 * A function that can fail returns 0 or a code of this list and fills *error at the place that knows
 * what, where and why; callers pass it on and add nothing but a location that was not known below.
 * `error` may be NULL everywhere.  A code's class is the exit status of the command line:
 * 1 usage, 2 unavailable or I/O, 3 well-formed but false, 4 damaged bytes, 5 interrupted, 6 incomplete.
 * Codes are public (--json, fixtures, `dsdn-replay explain`): they are appended, never renamed. */
#ifndef DSDN_LOG_ERROR_H
#define DSDN_LOG_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* code, name, exit status, one line, what to do about it */
#define DSDN_ERROR_LIST(X)                                                                                   \
    X(1, USAGE, 1, "the command line or the call is wrong",                                                  \
      "Compare the arguments with `dsdn-replay help` and the man page.")                                     \
    X(2, IO, 2, "the operating system refused an operation",                                                 \
      "The message carries the system's reason. Disk, permissions and file limits are the usual causes; "    \
      "the same command can be repeated once the cause is gone, nothing acknowledged was lost.")             \
    X(3, NO_SPACE, 2, "no space left for a write",                                                           \
      "Free some space on the named file system and repeat. What was acknowledged is on disk.")              \
    X(4, NO_MEMORY, 2, "an allocation failed",                                                               \
      "The run needs more memory: state grows with live rows (docs/operations.md has bytes per row).")       \
    X(5, NOT_FOUND, 2, "the source, file or entry does not exist",                                           \
      "Check the path or the sequence number; `inspect` and `checkpoint list` show what there is.")          \
    X(6, LOCKED, 2, "another process is writing this log",                                                   \
      "One writer per log directory. Stop the other one, or read: readers need no lock.")                    \
    X(7, AGAIN, 2, "not available yet; the same call may succeed later", "Wait for more input and repeat.")  \
    X(8, EXISTS, 2, "the output exists already", "Choose another name or remove the file.")                  \
    X(20, MALFORMED, 4, "the bytes do not parse",                                                            \
      "The named offset does not hold what the format requires. Compare with docs/formats/; restore the "    \
      "file from its source.")                                                                               \
    X(21, CHECKSUM, 4, "a checksum does not match its bytes",                                                \
      "The file was damaged after it was written. Restore it from its source; a log directory re-fetches.")  \
    X(22, TRUNCATED, 4, "the file ends too early",                                                           \
      "The file was cut. An unfinished archive can be resumed by the command that wrote it.")                \
    X(23, TOO_LARGE, 4, "a length is above its bound",                                                       \
      "A declared size is larger than the protocol allows, so nothing was allocated for it.")                \
    X(24, FORMAT, 4, "not a file of this kind, or of a version this program does not know",                  \
      "Check that the file is what you think; a newer program may have written it.")                         \
    X(40, WRONG_GENESIS, 3, "the bytes belong to another network",                                           \
      "The genesis hash differs. One genesis, one log: use the genesis file of the network you mean.")       \
    X(41, CHAIN, 3, "the hash chain is broken",                                                              \
      "A batch does not follow its predecessor (sequence or prev hash). The source is not one honest log.")  \
    X(42, BODY_HASH, 3, "a batch body does not match the hash in its header",                                \
      "The body was exchanged after the header was signed.")                                                 \
    X(43, SIGNATURE, 3, "a signature does not verify",                                                       \
      "The named batch, bundle or certificate was not signed by the key it names, under the rule of "        \
      "docs/formats/wire.md.")                                                                               \
    X(44, AUTHORITY, 3, "the publisher is not the authority of the log here",                                \
      "State after the previous batch names another publisher or committee epoch.")                          \
    X(45, TIME, 3, "a batch time or origin breaks the time rules",                                           \
      "time_ms and da_origin may not step back, and a batch is not older than its origin.")                  \
    X(46, TYPE_DISABLED, 3, "an event type or version is not enabled here",                                  \
      "The protocol version in state does not enable it, so the batch that carries it is invalid.")          \
    X(47, BACKLOG, 3, "a batch carries bundles while more deadlines are due than one batch drains",          \
      "While a backlog of deadlines exists a valid batch is empty and leaves da_cursor alone.")              \
    X(48, ROOT, 3, "a root differs from the expected one",                                                   \
      "The same log gave another state, or the expectation belongs to another place. `prove`, `inspect` "    \
      "and the outcome transcript narrow it down.")                                                          \
    X(49, PROOF, 3, "a proof does not verify",                                                               \
      "The proof, the row or the root it is checked against differs.")                                       \
    X(50, CURSOR, 3, "da_cursor breaks its rule",                                                            \
      "The cursor may not step back, and is zero on a network without a primary.")                           \
    X(51, EQUIVOCATION, 3, "two certificates or two signed headers exist for one sequence",                  \
      "Somebody signed twice. The pair is evidence; the primary decides which one counts.")                  \
    X(52, TRANSCRIPT, 3, "the outcome transcript differs",                                                   \
      "The batches were executed differently, not only hashed differently.")                                 \
    X(53, DIRECT, 3, "a batch does not begin with the direct bundles that the primary demands",              \
      "The message names the first one that is left out or not selected (docs/formats/state.md, Direct "     \
      "bundles). The batch is invalid; its sequence stays open for a valid one.")                            \
    X(60, INTERRUPTED, 5, "interrupted", "Progress is saved; the printed command resumes it.")               \
    X(70, INCOMPLETE, 6, "nothing wrong was found, but something could not be checked",                      \
      "The message says what and why: a pruned span, a missing proof, no batches, an unattested import.")    \
    X(71, UPGRADE_REQUIRED, 6, "the log needs a newer program from here on",                                 \
      "The protocol version in state is newer than this program. Upgrade, then resume.")                     \
    X(72, UNVERIFIED, 6, "a checkpoint could not be tied to anything trusted",                               \
      "Give --expect-root, or import attestations of more than two thirds of a known validator set.")

enum dsdn_error_code {
    DSDN_OK = 0,
#define X(code, name, exit_status, text, advice) DSDN_E_##name = (code),
    DSDN_ERROR_LIST(X)
#undef X
};

#define DSDN_NO_OFFSET   UINT64_MAX
#define DSDN_NO_SEQUENCE UINT64_MAX

/* What, where and why of one failure.  Zero-initialise with DSDN_ERROR_INIT. */
struct dsdn_error {
    int code;              /* enum dsdn_error_code; 0 = nothing happened */
    uint64_t offset;       /* byte offset in `file`, or DSDN_NO_OFFSET */
    uint64_t sequence;     /* batch sequence concerned, or DSDN_NO_SEQUENCE */
    uint32_t bundle;       /* bundle index in the batch, UINT32_MAX = none */
    uint32_t event;        /* event index in the bundle, UINT32_MAX = none */
    char file[256];        /* path, "" when it is not about a file */
    char message[384];     /* what and why, one sentence, no final newline */
};
#define DSDN_ERROR_INIT {0, DSDN_NO_OFFSET, DSDN_NO_SEQUENCE, UINT32_MAX, UINT32_MAX, "", ""}

/* dsdn_fail fills *error (if not NULL) with code and message, clears its location, and returns code. */
int dsdn_fail(struct dsdn_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* dsdn_fail_at is dsdn_fail with a place: path (may be NULL) and offset (or DSDN_NO_OFFSET). */
int dsdn_fail_at(struct dsdn_error *error, int code, const char *path, uint64_t offset, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));

/* dsdn_fail_errno is dsdn_fail with the code that fits errno_value (ENOSPC and EDQUOT: NO_SPACE, ENOMEM:
 * NO_MEMORY, ENOENT: NOT_FOUND, EEXIST: EXISTS, else IO) and its text appended to the message. */
int dsdn_fail_errno(struct dsdn_error *error, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* dsdn_error_at adds a file and an offset to *error (if not NULL) where it has none yet.  path may be NULL.
 * It returns nothing, because without a record it cannot know the code: `return dsdn_error_at(...), rc;`. */
void dsdn_error_at(struct dsdn_error *error, const char *path, uint64_t offset);

/* dsdn_error_in adds a batch sequence to *error (if not NULL) where it has none yet. */
void dsdn_error_in(struct dsdn_error *error, uint64_t sequence);

/* dsdn_error_format writes "NAME: message (file FILE, offset N, batch N, bundle N, event N)" to out. */
void dsdn_error_format(const struct dsdn_error *error, char *out, size_t cap);

const char *dsdn_error_name(int code);   /* "CHECKSUM"; "OK" for 0; "UNKNOWN" for anything else */
const char *dsdn_error_text(int code);   /* the one line of the list */
const char *dsdn_error_advice(int code); /* the last column of the list */
int dsdn_error_exit(int code);           /* 0..6 */

/* dsdn_error_find returns the code of a name ("CHECKSUM" or "checksum"), or -1. */
int dsdn_error_find(const char *name);

#endif
