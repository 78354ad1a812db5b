#!/bin/bash
# The command line of dsdn-replay as scripts see it: outputs, exit statuses, equality of roots.
# usage: test_cli.sh PATH, the binary or the directory that holds it
set -u
replay=$1
[ -d "$replay" ] && replay=$replay/dsdn-replay
replay=$(realpath "$replay")
[ -x "$replay" ] || exit 1
source_dir=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# run STATUS ARGUMENTS...: runs the program, output in ./out and ./err, and compares the exit status.
run() {
    local want=$1
    shift
    "$replay" "$@" >out 2>err </dev/null
    local got=$?
    [ "$got" = "$want" ] || fail "exit $got, not $want: dsdn-replay $* ($(head -c 300 err))"
}

# says TEXT FILE: the file has the text.
says() {
    grep -qF -- "$1" "$2" || fail "no \"$1\" in $2: $(head -c 300 "$2")"
}

# root ARGUMENTS...: the state root of a replay.
root() {
    "$replay" "$@" 2>err </dev/null | sed -n 's/^root: *//p'
}

# same_root WHAT ARGUMENTS...: the replay comes to the root of the whole log.
same_root() {
    local what=$1
    shift
    [ "$(root "$@")" = "$whole" ] || fail "$what: another root ($(head -c 300 err))"
}

# flip FILE OFFSET: changes one byte.
flip() {
    local old
    old=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf '%b' "\\x$(printf %02x $((old ^ 0x41)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# ---- making logs
run 0 generate --seed 11 --events 6000 --events-per-batch 50 -o log.dsdn
run 0 generate --seed 11 --events 6000 --events-per-batch 50 -o again.dsdn
cmp -s log.dsdn again.dsdn || fail "the same seed gives other bytes"
run 0 generate --seed 12 --events 6000 --events-per-batch 50 -o other.dsdn
cmp -s log.dsdn other.dsdn && fail "another seed gives the same bytes"
run 0 generate --seed 11 --events 6000 --events-per-batch 50 -o logdir/
run 2 generate --seed 11 --events 60 -o log.dsdn
says EXISTS err
run 2 generate --seed 11 --events 60 -o logdir/
run 1 generate --events 60 -o x.dsdn
run 1 generate --seed 1 --events 60 --families nonsense -o x.dsdn
touch y.dsdn.partial
run 2 generate --seed 1 --events 60 -o y.dsdn
run 0 generate --seed 1 --events 60 -o y.dsdn --force
[ -e x.dsdn ] && fail "a failed command leaves an output"

# ---- replaying: one root, whatever the way
whole=$(root log.dsdn)
[ ${#whole} = 64 ] || fail "no root: $whole"
same_root "log directory" logdir
same_root "one thread" log.dsdn --jobs 1
same_root "seven threads" log.dsdn --jobs 7
same_root "hashes" log.dsdn --hashes
same_root "verify" --verify log.dsdn
same_root "verify directory" --verify logdir --root-every 7
same_root "repeat" log.dsdn --repeat 5 --perturb
same_root "from seq" log.dsdn --from seq:60
[ "$("$replay" - <log.dsdn | sed -n 's/^root: *//p')" = "$whole" ] || fail "standard input: another root"
[ "$(root log.dsdn --to seq:59)" = "$whole" ] && fail "--to has no effect"
run 0 --verify log.dsdn --json --expect-root "$whole"
for field in '"ok":true' '"complete":true' '"network":' '"genesis":' '"first_seq":0' '"last_seq":119' '"batches":120' \
    '"events":6000' '"rejected":{' "\"root\":\"$whole\"" '"roles":{"system":' '"verified":{"da":0,"chain":120,' \
    '"unverified":[]' '"findings":[]' '"assurance":"authorised"' '"transcript":' '"seconds":' '"events_per_second":' \
    '"bytes":' '"peak_rss_bytes":' '"error":null'; do
    says "$field" out
done
[ "$(wc -l <out)" = 1 ] || fail "--json prints more than one line"
grep -q '"attestations":[1-9]' out || fail "no declared root was compared"
run 0 log.dsdn --roles coordinator
says coordinator: out
grep -q '^system:' out && fail "--roles shows other roles"

# ---- spans
run 0 export log.dsdn -o copy.dsdn
cmp -s log.dsdn copy.dsdn || fail "a whole copy has other bytes"
run 0 export logdir -o fromdir.dsdn
cmp -s log.dsdn fromdir.dsdn || fail "archive and log directory differ"
run 0 export log.dsdn -o dir2/
same_root "exported directory" dir2
run 0 export log.dsdn -o head.dsdn --to seq:59
run 0 export log.dsdn -o tail.dsdn --from seq:60
run 0 export log.dsdn -o tail/ --from seq:60
run 0 checkpoint create log.dsdn --at seq:59 -o c59
run 0 checkpoint create logdir --at seq:59 -o c59dir
cmp -s c59 c59dir || fail "equal states, other checkpoints"
middle=$(root head.dsdn)
same_root "checkpoint" log.dsdn --from checkpoint:c59
same_root "checkpoint and tail" tail.dsdn --from checkpoint:c59
same_root "checkpoint and tail directory" tail --from checkpoint:c59
run 0 checkpoint info c59
says "$middle" out
run 6 tail.dsdn
run 6 --verify tail.dsdn --from checkpoint:c59
says "unverified" err
run 0 --verify tail.dsdn --from checkpoint:c59 --expect-root "$whole"
run 6 checkpoint import c59 dir2
run 0 checkpoint import c59 logdir --expect-root "$middle"
run 0 checkpoint list logdir
says "$middle verified" out
same_root "from seq with a checkpoint" logdir --from seq:70
run 3 checkpoint import c59 logdir --expect-root "$whole"
run 3 other.dsdn --from checkpoint:c59

# ---- listing and proving
run 0 inspect log.dsdn --format ndjson
[ "$(wc -l <out)" = 6000 ] || fail "inspect lists $(wc -l <out) events"
run 0 inspect log.dsdn --where 'outcome != OK && seq >= 60' --format json -o refused.json
[ "$(head -c 1 refused.json)" = "[" ] || fail "inspect --format json is no array"
says '"outcome":"CONFLICT"' refused.json
run 0 inspect log.dsdn --from seq:119 --where 'index < 3'
[ "$(wc -l <out)" = 4 ] || fail "a table of three events has $(wc -l <out) lines"
run 1 inspect log.dsdn --where 'nonsense =='
run 0 query log.dsdn --table node --format ndjson
node=$(sed -n '1s/.*"id":"\([0-9a-f]*\)".*/\1/p' out)
run 0 prove log.dsdn --table node --key "$node" -o proof
says '"present":true' out
run 0 prove --check proof --root "$whole"
says "$node" out
run 3 prove --check proof --root "$middle"
run 0 prove log.dsdn --table node --key "${node//[0-9]/0}" -o absent
says '"present":false' out
run 1 prove log.dsdn --table nonsense --key "$node" -o proof2
flip proof 40
"$replay" prove --check proof --root "$whole" >out 2>err
case $? in 3 | 4) ;; *) fail "a changed proof is accepted" ;; esac

# ---- listings as CSV and SQLite
head -c $(($(stat -c %s log.dsdn) / 2)) log.dsdn >cut-off.dsdn
run 0 inspect log.dsdn --format csv
[ "$(wc -l <out)" = 6001 ] || fail "CSV of 6000 events has $(wc -l <out) lines"
[ "$(head -1 out)" = "seq,bundle,event,index,ordinal,time_ms,type,family,version,author,outcome,code,payload"$'\r' ] ||
    fail "CSV begins with $(head -1 out)"
[ "$(grep -c ',"{""' out)" = 6000 ] || fail "a payload is not quoted as RFC 4180 says"
grep -qv $'\r$' out && fail "a line of CSV does not end in CRLF"
run 1 inspect log.dsdn --format sqlite
run 1 inspect log.dsdn --format xml
run 1 inspect log.dsdn --state
run 0 inspect log.dsdn --format sqlite -o events.db
[ "$(head -c 15 events.db)" = "SQLite format 3" ] || fail "that is no SQLite database"
run 2 inspect log.dsdn --format sqlite -o events.db
says EXISTS err
run 0 inspect log.dsdn --format sqlite -o events.db --force --where 'index < 3'
run 4 inspect cut-off.dsdn --format sqlite -o cut.db
[ -e cut.db ] && fail "a failed listing leaves a database"

# ---- rows
run 0 query log.dsdn --table node --format ndjson
rows=$(wc -l <out)
[ "$rows" -gt 10 ] || fail "only $rows nodes"
sed 's/^{"id":"\([0-9a-f]*\)".*/\1/' out >ids
sort -c ids || fail "rows are not in key order"
run 0 query log.dsdn --table node --format csv
tail -n +2 out | cut -d , -f 1 | cmp -s - ids || fail "CSV and NDJSON list other rows"
run 0 query log.dsdn --table coordinator.node
[ "$(wc -l <out)" = $((rows + 1)) ] || fail "a table of $rows rows has $(wc -l <out) lines"
run 0 query log.dsdn --table node --format json
[ "$(head -c 1 out)$(tail -n 1 out)" = "[]" ] || fail "query --format json is no array"
run 0 query log.dsdn --table node --format sqlite -o node.db
run 0 query log.dsdn --table node --key "$node" --format ndjson
[ "$(wc -l <out)" = 1 ] || fail "a key has $(wc -l <out) rows"
says "\"id\":\"$node\"" out
run 0 query log.dsdn --table head --at seq:59 --format csv
says ",60," out
run 2 query log.dsdn --table node --key "${node//[0-9]/0}"
says NOT_FOUND err
run 2 query log.dsdn --table node --key "${node//[0-9]/0}" --format csv -o none.csv
[ -e none.csv ] && fail "a query that found nothing leaves a file"
run 1 query log.dsdn --table node --key 12
run 1 query log.dsdn --table nonsense
run 1 query log.dsdn
run 2 query log.dsdn --table node --at seq:120

# ---- views: lists in every format, the same whatever it is
chunk=$("$replay" query log.dsdn --table chunk --format csv -q 2>err | sed -n '2s/,.*//p')
for view in zone short heal deletion nodes gate; do
    run 0 query log.dsdn --view $view --format ndjson
    rows=$(wc -l <out)
    [ $view = deletion ] || [ "$rows" -gt 0 ] || fail "view $view is empty"
    run 0 query log.dsdn --view $view --format csv
    [ "$(wc -l <out)" = $((rows + 1)) ] || fail "view $view has other rows as CSV"
    run 0 query log.dsdn --view $view
    [ "$(wc -l <out)" = $((rows + 1)) ] || fail "view $view has other rows as a table"
    run 0 query log.dsdn --view $view --format sqlite -o $view.db # its keys are unique
    run 0 query log.dsdn --view $view --format json
    [ "$(head -c 1 out)$(tail -n 1 out | tail -c 2)" = "[]" ] || fail "view $view as JSON is no array"
done
run 0 query log.dsdn --view nodes --format ndjson
sed 's/^{"node":"\([0-9a-f]*\)".*/\1/' out >ids
sort -c ids || fail "duties are not in the order of nodes"
grep "^{\"node\":\"$(head -1 ids)\"" out >one
run 0 query log.dsdn --view node --key "$(head -1 ids)" --format ndjson
cmp -s one out || fail "a node's duties are not those it has in the list of all"
run 0 query log.dsdn --view placement --key "$chunk" --format csv
[ "$(wc -l <out)" = 4 ] || fail "three replicas are placed on $(wc -l <out) lines"
run 0 query log.dsdn --view placement --key "$chunk/1" --format ndjson
[ "$(wc -l <out)" = 1 ] || fail "one replica is placed on $(wc -l <out) lines"
says '"rank":0' out
run 0 query log.dsdn --view gate --key "$node" --format ndjson
says "\"node\":\"$node\"" out
run 1 query log.dsdn --view placement
run 1 query log.dsdn --view placement --key "$chunk/0"
run 1 query log.dsdn --view placement --key "$chunk/17"
run 1 query log.dsdn --view placement --key "$chunk/3x"
run 1 query log.dsdn --view placement --key "${chunk}0"
run 1 query log.dsdn --view nodes --key "$node"
run 1 query log.dsdn --view nonsense
says "nodes gate" err
run 1 query log.dsdn --view node --table node
run 2 query log.dsdn --view node --key "${node//[0-9]/0}"
run 2 query log.dsdn --view node --key "${node//[0-9]/0}" --format csv -o none.csv
[ -e none.csv ] && fail "a view that found nothing leaves a file"
run 2 query log.dsdn --view deletion --key "$chunk"

# A story whose end has a case of each duty: how many of each, and what is short, healed and waited for.
duties=$source_dir/replay-fixtures/follower-duties
run 0 query "$duties" --view nodes --format csv -q
tail -n +2 out | cut -d , -f 3,4 | LC_ALL=C sort | uniq -c | sed 's/^ *//' >counted
cmp -s counted - <<END || fail "other duties than the story's: $(tr '\n' ';' <counted)"
2 drop,chunk_deleted
1 drop,node_inactive
1 drop,node_left
1 drop,object_deleted
1 drop,surplus
1 fetch,assigned
1 fetch,healing
5 hold,live
1 hold,node_inactive
1 hold,suspect
1 prove,assigned
1 prove,healing
1 prove,suspect
END
run 0 query "$duties" --view short --format csv -q
[ "$(wc -l <out)" = 8 ] || fail "$(wc -l <out) lines of chunks that are short, not seven and a heading"
run 0 query "$duties" --view heal --format csv -q
[ "$(grep -c ',ring' out)" = 14 ] || fail "$(grep -c ',ring' out) targets of heals, not 14"
run 0 query "$duties" --view deletion --format csv -q
[ "$(grep -cE '^(object|chunk),' out)" = 3 ] || fail "the deletions do not wait for three replicas: $(head -c 400 out)"
# A deletion that is over waits for nothing.
run 0 query "$source_dir/replay-fixtures/delete-waits" --view deletion --format csv -q
[ "$(wc -l <out)" = 1 ] || fail "a deletion that is over waits: $(head -c 400 out)"
run 0 query "$source_dir/replay-fixtures/delete-waits" --view deletion --format csv -q --at seq:3
[ "$(wc -l <out)" = 5 ] || fail "a deletion just requested waits for $(wc -l <out) lines"

# ---- why: the last of the changes leaves the row that is there; the bytes prove that the event is in the log
run 0 query log.dsdn --table node --key "$node" --format ndjson -o row
run 0 why log.dsdn --table node --key "$node" --batches batches -o changes
[ "$(grep -c '^{"change":"event"' changes)" -gt 1 ] || fail "why lists no events"
head -1 changes | grep -q '"type":"NodeRegistered"' || fail "a node does not begin with its registration"
tail -1 changes | grep -qF "\"row\":$(cat row)," || fail "the last change does not leave the row as it is"
field() { sed -n "\$s/.*\"$1\":\"\{0,1\}\([0-9a-zA-Z]*\).*/\1/p" changes; }
batch=batches/$(field seq).batch
[ "$(head -c 225 "$batch" | od -An -v -tx1 | tr -d ' \n')" = "$(field header)" ] || fail "another header"
tagged() { { printf "\\$(printf %o ${#1})%s" "$1"; cat; } | sha256sum | cut -d ' ' -f 1; }
[ "$(head -c 225 "$batch" | tagged dsdn/batchid/1)" = "$(field batch_hash)" ] || fail "H(header) is not the batch's hash"
body_hash=$(field header)
[ "$(tail -c +290 "$batch" | tagged dsdn/body/1)" = "${body_hash:386}" ] || fail "H(body) is not in the header"
[ "$(tail -c +$((290 + $(field event_offset))) "$batch" | head -c "$(field event_len)" | wc -c)" = "$(field event_len)" ] ||
    fail "the event is not in the body"
run 0 inspect log.dsdn --from "seq:$(field seq)" --to "seq:$(field seq)" --format ndjson --where "index == $(field index)"
says "$(tail -1 changes | sed 's/.*"payload":\({.*}\),"row".*/\1/')" out
run 0 why log.dsdn --table node --key "$node" --format json --jobs 1
[ "$(head -c 1 out)$(tail -n 1 out)" = "[]" ] || fail "why --format json is no array"
run 0 why log.dsdn --table head --key 0 --at seq:1
[ "$(cut -d , -f 1 out | tr -d '\n')" = '{"change":"genesis"{"change":"head"{"change":"head"' ] || fail "the head row: $(cut -d , -f 1 out)"
author=$("$replay" query log.dsdn --table nonce --format csv -q 2>err | sed -n '2s/,.*//p')
run 0 why log.dsdn --table nonce --key "$author"
says '{"change":"nonce","seq":' out
stories=$source_dir/replay-fixtures
late=$("$replay" query "$stories/deadline-assignment" --table replica --at seq:0 --format csv -q 2>err | sed -n '2s/\([^,]*\),\([^,]*\),.*/\1\/\2/p')
run 0 why "$stories/deadline-assignment" --table replica --key "$late"
grep -q '{"change":"deadline","seq":"1",.*"row":null,' out || fail "a deadline that takes a row away: $(cut -c1-200 out)"
run 0 why "$stories/parameter-changes" --table parameter --key heartbeat_min_interval_ms
says '{"change":"schedule","seq":' out
run 2 why log.dsdn --table node --key "$node" --batches batches
run 2 why log.dsdn --table node --key "${node//[0-9]/0}" --batches none
[ -e none ] && fail "an answer that is empty leaves a folder"
run 1 why log.dsdn --table node
run 1 why log.dsdn --table node --key "$node" --format csv
run 2 why log.dsdn --table node --key "$node" --at seq:120

# ---- diff
run 0 diff log.dsdn logdir
says "equal: 120 batches" out
says "$whole" out
run 3 diff log.dsdn other.dsdn
says WRONG_GENESIS err
run 0 generate --seed 11 --events 3010 --events-per-batch 50 -o fork.dsdn
run 3 diff log.dsdn fork.dsdn
# Where two logs of different lengths part is the generator's business; that it is named everywhere alike is diff's.
parted=$(sed -n 's/^first different batch: \([0-9]*\) (batch)$/\1/p' out)
[ "${parted:-0}" -gt 0 ] || fail "no batch where the logs part: $(head -1 out)"
says "batch $parted" err
says "first key: " out
run 3 diff log.dsdn fork.dsdn --json
says "{\"equal\":false,\"what\":\"batch\",\"seq\":$parted,\"a\":{\"source\":\"log.dsdn\",\"batches\":$((parted + 1))," out
says "\"root\":\"$(root log.dsdn --to "seq:$parted")\"" out
says "\"root\":\"$(root fork.dsdn --to "seq:$parted")\"" out
run 0 diff log.dsdn fork.dsdn --to "seq:$((parted - 1))" --json
says '{"equal":true,"what":"nothing","seq":null,' out
run 3 diff log.dsdn@seq:59 log.dsdn
says "first different batch: 60 (length)" out
says "$middle" out
run 0 diff log.dsdn@seq:59 head.dsdn
key=$("$replay" diff log.dsdn@seq:59 log.dsdn 2>err | sed -n 's/^  first key: //p')
run 0 query log.dsdn --table node --at seq:59 --format ndjson
grep -qF "$key" out
before=$?
run 0 query log.dsdn --table node --format ndjson
[ $before = 0 ] || grep -qF "$key" out || fail "diff names $key, which is in neither log"
run 1 diff log.dsdn
run 1 diff log.dsdn@seq:x log.dsdn
run 2 diff log.dsdn@seq:120 log.dsdn
run 2 diff log.dsdn logdir --to seq:120
run 2 diff log.dsdn nothing.dsdn
run 4 diff log.dsdn cut-off.dsdn

# ---- what is wrong
run 3 log.dsdn --expect-root "$middle"
says ROOT err
run 1 log.dsdn --expect-root 12
run 2 nothing.dsdn
says NOT_FOUND err
run 2 .
run 1
run 1 --verfy log.dsdn
says "did you mean --verify" err
run 1 inspet log.dsdn
run 1 exprot
says "did you mean export" err
run 1 log.dsdn --jobs 0
run 1 log.dsdn --to nowhere
run 1 log.dsdn --roles nonsense
run 6 log.dsdn --from seq:120
run 6 log.dsdn --to seq:500
run 6 log.dsdn --to time:1
run 6 --verify log.dsdn --require canonical
run 6 log.dsdn --require consistent
run 0 log.dsdn --hashes --require consistent
size=$(stat -c %s log.dsdn)
for part in 1 2 3 4 5 6 7; do
    cp log.dsdn bad.dsdn
    flip bad.dsdn $((size * part / 8))
    run 4 --verify bad.dsdn
    says "offset" err
done
run 4 --verify bad.dsdn --json --events-out findings
says '"ok":false' out
says '"code":"CHECKSUM"' out
says '"kind":"finding"' findings
head -c $((size / 2)) log.dsdn >cut.dsdn
run 4 cut.dsdn
"$replay" - <cut.dsdn >out 2>err
[ $? = 4 ] || fail "a cut stream is accepted"
segment=$(ls dir2/segments/*.seg)
for part in 1 2 3; do flip "$segment" $(($(stat -c %s "$segment") * part / 4)); done
run 4 dir2
run 4 --verify dir2 --max-errors 50 --events-out found
[ "$(grep -c CHECKSUM found)" = 3 ] && [ "$(wc -l <found)" = 3 ] || fail "three faults, found $(wc -l <found)"
[ "$(grep -c ' error ' err)" = 3 ] || fail "an error is printed twice, or not at all: $(head -c 600 err)"
run 4 log.dsdn --genesis /dev/null

# ---- fixtures: each is a test of its own elsewhere
story=$source_dir/replay-fixtures/wire-chain
run 0 fixture check "$story"
says "ok   wire-chain" out
run 0 --verify "$story"
run 0 export "$story" -o story.dsdn
[ "$(root "$story")" = "$(root story.dsdn)" ] || fail "a fixture and its archive differ"
mkdir story
run 2 fixture check story
run 1 fixture chekc story

# ---- interrupted and resumed.  The pipe for findings holds the program up until it is read.
mkfifo pipe
run 0 generate --seed 5 --events 6000 --events-per-batch 2 -o many.dsdn
"$replay" --verify many.dsdn --root-every 1 --json >expected 2>err
"$replay" --verify many.dsdn --root-every 1 --state saved --events-out pipe >out 2>err &
process=$!
exec 3<>pipe # for reading; open for both, so that nothing here waits for a program that is gone
read -r -t 60 _ <&3 || fail "no line of findings came"
kill -INT $process
cat <&3 >/dev/null &
drain=$!
wait $process
[ $? = 5 ] || fail "an interrupted run does not exit with 5: $(head -c 300 err)"
kill $drain
exec 3<&-
says "resume with: dsdn-replay --verify many.dsdn" err
[ -s saved/progress.json ] || fail "no progress was saved"
run 1 many.dsdn --state saved --resume
run 0 --verify many.dsdn --root-every 1 --state saved --resume --json
steady() { sed 's/"seconds":[^,]*,"events_per_second":[^,]*,//; s/"peak_rss_bytes":[^,]*,//' "$1"; }
[ "$(steady out)" = "$(steady expected)" ] ||
    fail "a resumed run reports something else than an uninterrupted one: $(diff <(steady expected) <(steady out))"
[ -e saved ] && fail "progress stays behind after the end"
# The same wherever it is interrupted: behind declared roots, each is counted once.
for pause in 05 08 11 14; do
    "$replay" --verify many.dsdn --root-every 1 --state saved --json >out 2>err &
    process=$!
    sleep 0.$pause
    kill -INT $process 2>/dev/null
    wait $process
    [ $? = 5 ] && run 0 --verify many.dsdn --root-every 1 --state saved --resume --json
    [ "$(steady out)" = "$(steady expected)" ] ||
        fail "a run interrupted after 0.$pause s reports something else: $(diff <(steady expected) <(steady out))"
    rm -rf saved
done

# ---- the bench format: two StakeUpdated of an unknown node, 92 bytes each
{
    printf 'DSDNBEV1\1\0\0\0\100\0\0\0\2\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\300\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0'
    head -c 16 /dev/zero
    for sequence in 0 1; do
        printf '\134\0\0\0\6\1\0\0%b\0\0\0\0\0\0\0\1\2\3\0\0\0\0\0' "\\$sequence"
        head -c 72 /dev/zero
    done
} >bench.bin
run 0 import bench.bin -o bench.dsdn
run 0 export bench.dsdn -o back.bin
cmp -s bench.bin back.bin || fail "the bench file does not come back byte for byte"
run 0 --verify bench.dsdn --digest
says digest: out
run 4 bench.bin
says import err

# ---- help
run 0 --version
run 0 help
run 0 help export
run 0 checkpoint --help
run 0 explain CHECKSUM
run 0 explain PRECONDITION:NODE_UNKNOWN
run 1 explain nonsense
run 0 help --man
while read -r command option; do
    grep -q -- "Fl -$option\b" "$source_dir/docs/man/dsdn-replay.1" || fail "the man page lacks --$option of $command"
done <out
[ "$(wc -l <out)" -gt 50 ] || fail "help --man lists only $(wc -l <out) options"
for partial in *.partial; do
    [ -e "$partial" ] && fail "$partial is left"
done

[ $failed = 0 ] && echo "all good"
exit $failed
