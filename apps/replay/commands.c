/* commands.c: the table of commands. */
#include "apps/replay/commands.h"

#include <stddef.h>

const struct command commands[] = {
    {"", COMMAND_REPLAY, 1, 1, "[--verify] SOURCE [options]",
     "Replays a log: reads it, checks framing, checksums, canonical form and the chain of hashes, applies "
     "every batch\n"
     "and prints the state root.  --hashes also checks body hashes and computes every event id; --verify "
     "also checks\n"
     "every signature, the whole container, and roots that signers declared in the log.\n"
     "SOURCE is an archive, a log or fixture directory, - for an archive on standard input, or\n"
     "celestia:URL[?namespace=HEX] with --genesis: the log is then read from the primary, every height proved "
     "complete.\n"
     "--verify does the same with the proofs that an archive carries, and nobody is asked.",
     command_replay},
    {"generate", COMMAND_GENERATE, 0, 0, "generate --seed N --events N -o ARCHIVE|DIR/ [options]",
     "Makes a log of random but meaningful events.  The same arguments give the same bytes.",
     command_generate},
    {"import", COMMAND_IMPORT, 1, 1, "import BENCHFILE -o ARCHIVE|DIR/ [options]",
     "Turns a file of the neutral bench format into a log; `export` gives the file back byte for byte.",
     command_import},
    {"export", COMMAND_EXPORT, 1, 1, "export SOURCE -o ARCHIVE|DIR/|FILE.bin [--from seq:N] [--to seq:N]",
     "Copies a log, or a span of it, into an archive or a log directory; a log that was imported from a "
     "bench file also\n"
     "into FILE.bin.  The chain is checked on the way, not the signatures.  An interrupted export to an "
     "archive goes on\n"
     "with --resume.",
     command_export},
    {"record", COMMAND_RECORD, 1, 1, "record celestia:URL[?namespace=HEX] --genesis FILE -o ARCHIVE [options]",
     "Reads a log from the primary into an archive, with the proof of every height, so that it can be verified "
     "when the\n"
     "primary has pruned it or is gone.  An interrupted recording goes on with --resume.",
     command_record},
    {"doctor", COMMAND_DOCTOR, 1, 1, "doctor celestia:URL[?namespace=HEX] --genesis FILE [--state DIR] [options]",
     "Looks at a node of the primary as a log needs it: reachable, what its token allows, chain, namespace, "
     "head, sync,\n"
     "how far back it goes, clocks, latency, room on the disk.",
     command_doctor},
    {"inspect", COMMAND_INSPECT, 1, 1,
     "inspect SOURCE [--where EXPR] [--format table|json|ndjson|csv|sqlite] [-o FILE] [options]",
     "Lists events with place, time, type, author, outcome, code and payload.  Outcomes are found by "
     "replaying.\n"
     "EXPR compares seq index time type family author outcome code payload.FIELD by == != < <= > >= =~ and "
     "joins\n"
     "by && || ! and parentheses.",
     command_inspect},
    {"query", COMMAND_QUERY, 1, 1,
     "query SOURCE --table T [--key K] [--at seq:N] [--format table|json|ndjson|csv|sqlite] [-o FILE]\n"
     "query SOURCE --view NAME [--key K] [--at seq:N] [--format table|json|ndjson|csv|sqlite] [-o FILE]",
     "Lists rows of the state: all of a table in key order, or the one with a key.  K is the key columns in "
     "declared\n"
     "order joined by `/`: ids in hex, strings percent-encoded.\n"
     "A view lists what follows from several tables at the time of the newest batch:\n"
     "  placement --key HASH[/RF]    the nodes that are to hold a hash with RF replicas (3)\n"
     "  zone [--key ZONE]            nodes by zone\n"
     "  short [--key CHUNK]          chunks with fewer live replicas than wanted\n"
     "  heal [--key CHUNK]           who is to copy them, from whom\n"
     "  deletion [--key HASH]        replicas that requested deletions wait for\n"
     "  node --key NODE              what a node is to hold, fetch, prove and drop, and why\n"
     "  nodes                        the same of all nodes\n"
     "  gate [--key NODE]            admission and eligibility of nodes, with the reason",
     command_query},
    {"why", COMMAND_WHY, 1, 1,
     "why SOURCE --table T --key K [--at seq:N] [--format ndjson|json] [-o FILE] [--batches DIR]",
     "Lists what made a row what it is: every event, nonce, deadline and schedule after which it was another "
     "one, with\n"
     "the row from then on and with what proves that it is in the log: header, place in the body, event id.  "
     "--batches\n"
     "keeps the bytes of those batches too.",
     command_why},
    {"diff", COMMAND_DIFF, 2, 2, "diff A[@seq:N] B[@seq:N] [--to seq:N] [--json]",
     "Replays two sources side by side and names the first batch where they differ (its bytes, its outcomes, "
     "the rows\n"
     "it changed), and the rows that differ there; when one only ends earlier, the rows at the two ends.  Exit "
     "3 when\n"
     "they differ.  @seq:N ends a source after batch N.",
     command_diff},
    {"checkpoint", COMMAND_CHECKPOINT, 2, 3,
     "checkpoint create SOURCE --at seq:N|tip -o FILE\n"
     "checkpoint import FILE DIR [--expect-root HEX]\n"
     "checkpoint list DIR\n"
     "checkpoint info FILE",
     "Makes and shows files that hold the state after one batch.  `import` puts one into a log directory, "
     "after it was\n"
     "checked; without --expect-root it stays unverified (exit 6).",
     command_checkpoint},
    {"prove", COMMAND_PROVE, 0, 1,
     "prove SOURCE --table T --key K [--at seq:N] -o FILE\n"
     "prove --check FILE --root HEX",
     "Proves with the state root alone that a row is in the state, or that it is not.  K is the key columns "
     "in declared\n"
     "order joined by `/`: ids in hex, strings percent-encoded.",
     command_prove},
    {"fixture", COMMAND_FIXTURE, 2, ARGUMENTS_MAX,
     "fixture check DIR...\nfixture record DIR...\nfixture bless DIR...",
     "Plays golden fixtures: stories in folders with story.txt.  `check` compares with expect.txt and plays "
     "every\n"
     "story in all the ways that must not matter; `record` writes an expect.txt that is missing, `bless` "
     "replaces one.",
     command_fixture},
    {"explain", COMMAND_EXPLAIN, 0, 1, "explain [NAME]",
     "Explains an error, an outcome, a code, an event or a parameter by its name.  Without a name: lists "
     "errors,\n"
     "outcomes and codes.",
     command_explain},
    {"help", COMMAND_HELP, 0, 1, "help [COMMAND]", "Shows how dsdn-replay, or one command of it, is used.",
     command_help},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};
