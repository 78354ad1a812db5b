#!/bin/bash
# dsdn-replay on a log that lives on a primary: read from a node, recorded, audited with the node gone; and every way in
# which a node or an archive can be wrong, by exit status and message.
# usage: test_cli_celestia.sh DIRECTORY with dsdn-replay, dsdn-devnet, dsdn-coordinator, archive_cut and batch_forge
set -u
bin=$(realpath "$1")
replay=$bin/dsdn-replay
for program in dsdn-replay dsdn-devnet dsdn-coordinator archive_cut batch_forge; do [ -x "$bin/$program" ] || exit 1; done
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
devnet= other= old= pid=
trap 'for p in $pid $devnet $other $old; do kill -9 "$p" && wait "$p"; done 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir tmp
export TMPDIR=$work/tmp
unset DA_AUTH_TOKEN
failed=0
ns=$(printf '%038d' 0)6473646e2d7465737432

fail() {
    echo "FAIL: $*"
    failed=1
}

# run STATUS ARGUMENTS...: runs the program, output in ./out and ./err, and compares the exit status.
run() {
    local want=$1
    shift
    timeout 60 "$replay" "$@" >out 2>err </dev/null
    local got=$?
    [ "$got" = "$want" ] || fail "exit $got, not $want: dsdn-replay $* ($(head -c 400 err))"
    grep -qsF -f token.read out err && fail "the token is printed: dsdn-replay $*"
}

# says TEXT FILE: the file has the text.
says() {
    grep -qF -- "$1" "$2" || fail "no \"$1\" in $2: $(head -c 600 "$2")"
}

wait_line() {
    for _ in $(seq 500); do
        [ -s "$1" ] && grep -q '}' "$1" && return
        sleep 0.02
    done
    fail "no line in $1"
}

# call METHOD PARAMS: as the devnet's admin.
call() {
    curl -s --max-time 20 -H "Authorization: Bearer $(cat token.admin)" \
        -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}" "$url"
}

number() {
    grep -o "\"$1\":[0-9]*" "$2" | head -1 | sed 's/.*://'
}

text() {
    grep -o "\"$1\":\"[^\"]*\"" "$2" | head -1 | sed 's/.*:"//; s/"$//'
}

publish() { # DATA FILE
    timeout 60 "$bin/dsdn-coordinator" --genesis genesis.json --key key --data "$1" --da "$da" --token-file token.write \
        --poll 20 --delay 20 --idle 60000 --batch-events 500 --bundles "$2" --once --quiet >status 2>err
}

# A block with each submission, a tenth of a second of virtual time apart, and the clock is not far ahead.
"$bin/dsdn-devnet" --listen 127.0.0.1:0 --blocks submit --first-blocks 3 --token-file token --time-step 100 \
    --genesis-time "$(date -u -d "-60 seconds" +%FT%TZ)" >devnet.out 2>devnet.err &
devnet=$!
"$bin/dsdn-devnet" --listen 127.0.0.1:0 --blocks demand --first-blocks 400 --seed other --skip-auth --time-step 100 \
    --genesis-time "$(date -u -d "-60 seconds" +%FT%TZ)" >other.out 2>other.err &
other=$!
wait_line devnet.out
wait_line other.out
url=$(text url devnet.out)
other_url=$(text url other.out)
da="celestia:$url?namespace=$ns"

# ---- a log on the primary ----
"$bin/dsdn-coordinator" init --network test --key key --da "$da" --chain-id devnet-1 --token-file token.read \
    -o genesis.json >init.out 2>err || fail "init: $(cat err)"
# Users own nothing here: direct bundles are free.
sed -i 's/"key": "fault_window_ms"/"key": "direct_fee", "value": "0"}, {"key": "fault_window_ms"/' genesis.json
start=$(number da_start init.out)
for i in 1 2 3 4 5 6; do
    "$bin/dsdn-coordinator" sample --genesis genesis.json --seed $i --events 2500 --per-bundle 50 -o all || fail "sample"
    publish data all || fail "publish: $(head -c 400 err)"
    call devnet.Produce '[2]' >/dev/null
done
call devnet.Produce '[84]' >/dev/null
head=$(call devnet.Info '[]' | sed 's/.*"head":\([0-9]*\).*/\1/')
source="$da --genesis genesis.json --token-file token.read"

# ---- what is asked for ----
run 1 --verify "$da"
says "--genesis FILE" err
run 1 --verify "${da%2}3" --genesis genesis.json
says "the genesis binds its log to namespace $ns" err
run 1 --verify "${da%2}" --genesis genesis.json
run 1 --verify "celestia:ftp://x" --genesis genesis.json
run 1 --verify "$da&x=1" --genesis genesis.json
run 1 --verify "$da" --genesis genesis.json --trusted-header 5
says "HEIGHT:HASH" err
run 1 --verify "$da" --genesis genesis.json --witness x --witness
run 2 --verify "$da" --genesis nothing.json
run 1 doctor log.dsdn
run 1 record log.dsdn -o x
# shellcheck disable=SC2086
run 1 record $source -o x/
# shellcheck disable=SC2086
run 6 --verify $source --to height:$((head + 1000))
says "below --to" err
zero=$(printf '%058d' 0)
for chain in celestia mocha-4; do
    sed "s/devnet-1/$chain/" genesis.json >public.json
    run 1 doctor "celestia:$url?namespace=$zero" --genesis public.json
    says "reserved" err
    run 3 doctor "$da" --genesis public.json --token-file token.read
    says "and the genesis names $chain" out
done
"$replay" generate --seed 1 --events 50 -o plain.dsdn >/dev/null 2>&1
run 2 --verify celestia:http://127.0.0.1:1 --genesis genesis.json --timeout 1

# ---- followed to canonical ----
# shellcheck disable=SC2086
run 0 --verify $source --json
root=$(text root out)
batches=$(number batches out)
genesis=$(text genesis out)
[ "$batches" -ge 10 ] || fail "only $batches batches"
for field in '"ok":true' '"complete":true' '"assurance":"canonical"' "\"verified\":{\"da\":$((head + 1 - start)),\"chain\":$batches," \
    "\"as_of\":{\"height\":$head,\"time\":17" "\"included\":$batches,\"settled\":$batches}" "\"anchor\":{\"genesis\":\"$genesis\"" \
    "\"header\":{\"height\":$start,\"hash\":\"$(sed -n 's/.*"da_start_hash": "\(.*\)".*/\1/p' genesis.json)\"}" '"source":"pinned"}' \
    '"findings":[]' '"events":15000'; do
    says "$field" out
done
# shellcheck disable=SC2086
run 0 $source
says "assurance:    canonical" out
says "root:         $root" out
says "heights $start..$head complete" out
# shellcheck disable=SC2086
run 6 --verify $source --trusted-header node
says "the trusted header was taken from the node itself" err
# shellcheck disable=SC2086
run 0 --verify $source --trusted-header node --require authorised
# shellcheck disable=SC2086
run 1 --verify $source --trusted-header node --state word
[ -e word ] && fail "the node's word is kept"
# shellcheck disable=SC2086
run 0 --verify $source --to seq:3 --json
says '"batches":4' out
says '"assurance":"canonical"' out
# shellcheck disable=SC2086
run 0 --verify $source --expect-root "$root" --witness http://127.0.0.1:1 --timeout 4
# shellcheck disable=SC2086
run 0 inspect $source --format ndjson
[ "$(wc -l <out)" = 15000 ] || fail "inspect lists $(wc -l <out) events"
# shellcheck disable=SC2086
run 0 query $source --table node --format ndjson
DA_AUTH_TOKEN=$(cat token.read) run 0 --verify "celestia:$url" --genesis genesis.json --expect-root "$root"
hash=$(call header.GetByHeight "[$head]" | sed 's/.*"commit":{[^}]*"block_id":{"hash":"\([0-9A-F]*\)".*/\1/' | tr A-F a-f)
[ ${#hash} = 64 ] || fail "no hash of the head: $hash"
# shellcheck disable=SC2086
run 0 --verify $source --trusted-header "$head:$hash" --json
says "\"header\":{\"height\":$head,\"hash\":\"$hash\"}" out
# shellcheck disable=SC2086
run 3 --verify $source --trusted-header "$head:$(printf '%064d' 7)"

# ---- places by height ----
# shellcheck disable=SC2086
run 0 --verify $source --to height:$((start + 8)) --json
part=$(number batches out)
[ "$part" -ge 1 ] && [ "$part" -lt "$batches" ] || fail "--to height:N: $part of $batches batches"
says "\"as_of\":{\"height\":$((start + 8))," out
# shellcheck disable=SC2086
run 0 --verify $source --from height:$((start + 8)) --json
from=$(number first_seq out)
[ "$from" -ge 1 ] && says "\"root\":\"$root\"" out
# shellcheck disable=SC2086
run 2 --verify $source --from height:$((head + 5))

# ---- a state directory ----
# shellcheck disable=SC2086
run 0 --verify $source --state state --to height:$((start + 4))
# shellcheck disable=SC2086
run 0 --verify $source --state state --json
says "\"root\":\"$root\"" out
says '"assurance":"canonical"' out
run 0 --verify state --expect-root "$root"
run 0 checkpoint create state --at seq:5 -o five.ckp
# shellcheck disable=SC2086
run 0 --verify $source --from checkpoint:five.ckp --json
says "\"root\":\"$root\"" out
says '"assurance":"canonical"' out
# shellcheck disable=SC2086
run 6 --verify $source --from checkpoint:five.ckp --to seq:7
call devnet.Fault '[{"kind":"latency","method":"header.GetByHeight","value":1000}]' >/dev/null
# shellcheck disable=SC2086
"$replay" --verify $source --state slow >out 2>err &
pid=$!
sleep 0.8
kill -INT $pid
wait $pid
got=$?
pid=
call devnet.Clear '[0]' >/dev/null
[ $got = 5 ] || fail "exit $got, not 5, when interrupted: $(head -c 300 err)"
resume=$(sed -n 's/^resume with: dsdn-replay //p' err)
[ -n "$resume" ] || fail "no command to resume: $(head -c 300 err)"
# shellcheck disable=SC2086
eval run 0 "$resume"
says "root:         $root" out

# Killed with -9 at fifty instants, every tenth time from scratch: what it goes on from is true.
call devnet.Fault '[{"kind":"latency","method":"share.*","value":2}]' >/dev/null
killed=0
for i in $(seq 50); do
    [ $((i % 10)) = 1 ] && rm -rf killed
    # shellcheck disable=SC2086
    "$replay" --verify $source --state killed --quiet >/dev/null 2>&1 &
    pid=$!
    sleep "0.0$((i * 37 % 9 + 1))"
    kill -9 $pid
    wait $pid
    [ $? = 137 ] && killed=$((killed + 1))
    pid=
done 2>/dev/null
call devnet.Clear '[0]' >/dev/null
[ $killed -ge 10 ] || fail "only $killed of 50 runs were killed before their end"
# shellcheck disable=SC2086
run 0 --verify $source --state killed --expect-root "$root"

# ---- recorded ----
# shellcheck disable=SC2086
run 0 record $source -o log.dsdn
says "heights $start to $head proved" err
empty=$(sed -n 's/.*(\([0-9]*\) a height without blobs).*/\1/p' err)
[ -n "$empty" ] && [ "$empty" -lt 1500 ] || fail "an empty height takes $empty bytes"
# shellcheck disable=SC2086
run 2 record $source -o log.dsdn
# shellcheck disable=SC2086
run 0 record $source -o part.dsdn --to height:$((head - 30))
call devnet.Fault '[{"kind":"latency","method":"header.GetByHeight","value":1000}]' >/dev/null
# shellcheck disable=SC2086
"$replay" record $source -o slow.dsdn >out 2>err &
pid=$!
sleep 1
kill -INT $pid
wait $pid
got=$?
pid=
call devnet.Clear '[0]' >/dev/null
[ $got = 5 ] || fail "exit $got, not 5, when a recording is interrupted: $(head -c 300 err)"
resume=$(sed -n 's/^resume with: dsdn-replay //p' err)
# shellcheck disable=SC2086
eval run 0 "$resume"
run 0 --verify slow.dsdn --genesis genesis.json --expect-root "$root"

# A recording that loses its node half way goes on, from every place where that may happen.
for at in 3 8 13 55; do
    rm -f torn.dsdn torn.dsdn.partial
    call devnet.Fault "[{\"kind\":\"drop\",\"method\":\"header.GetByHeight\",\"from\":$((start + at))}]" >/dev/null
    # shellcheck disable=SC2086
    run 2 record $source -o torn.dsdn --timeout 1
    call devnet.Clear '[0]' >/dev/null
    # shellcheck disable=SC2086
    run 0 record $source -o torn.dsdn --resume
    run 0 --verify torn.dsdn --genesis genesis.json --expect-root "$root"
done

# ---- doctor ----
# shellcheck disable=SC2086
run 0 doctor $source
for row in node chain head clock token scope sync retention start trust namespace data disk; do
    grep -q "^$row " out || fail "doctor has no line $row"
done
says "read, not admin" out
# shellcheck disable=SC2086
run 0 doctor $source --json
says '"ok":true' out
says '"metrics":{"url"' out
run 6 doctor "$da" --genesis genesis.json
says "missing permission" out
run 3 doctor "$da" --genesis genesis.json --token-file token.read --witness "$other_url"
run 2 doctor celestia:http://127.0.0.1:1 --genesis genesis.json --timeout 1
says unreachable out
call devnet.Fault '[{"kind":"sync_lag","value":20}]' >/dev/null
# shellcheck disable=SC2086
run 6 doctor $source
says "at height $((head - 20)) of $head" out
call devnet.Clear '[0]' >/dev/null
for file in out err; do grep -qF "$(cat token.read)" $file && fail "the token is in $file"; done

# ---- lies ----
# lies STATUS TEXT FAULT [ARGUMENTS...]
lies() {
    local want=$1 words=$2 fault=$3
    shift 3
    call devnet.Fault "[$fault]" >/dev/null
    # shellcheck disable=SC2086
    run "$want" --verify $source --timeout 1 "$@"
    [ -z "$words" ] || says "$words" err
    call devnet.Clear '[0]' >/dev/null
}
first=$((start + 1))
lies 3 "PROOF: height $first: row" '{"kind":"wrong_share","method":"share.GetNamespaceData"}'
lies 3 "PROOF: height $first: " '{"kind":"missing_share","method":"share.GetNamespaceData"}'
lies 3 "PROOF: height $first: the answer has" '{"kind":"missing_row","method":"share.GetNamespaceData"}'
lies 3 "PROOF: height $first: the answer has 0 rows" '{"kind":"hide"}'
lies 3 "PROOF: height $first: row" '{"kind":"wrong_proof","method":"share.GetNamespaceData"}'
lies 3 "height $((start + 2)): " "{\"kind\":\"wrong_dah\",\"from\":$((start + 2)),\"to\":$((start + 2))}"
lies 3 "height $((start + 3)): " "{\"kind\":\"forged_header\",\"from\":$((start + 3)),\"to\":$((start + 3))}"
lies 3 "height $start: " '{"kind":"forged_header","text":"signature"}'
lies 3 "height $((start + 9)): " "{\"kind\":\"fork\",\"from\":$((start + 9)),\"text\":\"forger\"}"
lies 2 "height $first" '{"kind":"withhold"}'
lies 2 "height" "{\"kind\":\"drop\",\"method\":\"header.GetByHeight\",\"from\":$((start + 5))}"
lies 6 "below Tail" "{\"kind\":\"error\",\"method\":\"header.GetByHeight\",\"text\":\"requested header (7) is below Tail (50)\"}"
lies 6 "401" '{"kind":"status","value":401}'
lies 0 "" '{"kind":"drop","method":"header.*","every":3}' --timeout 30
# A socket dropped at every height, first when its header is asked for, then in the middle of its data: the same root.
[ $((head - start)) -ge 100 ] || fail "only $((head - start)) heights"
for height in $(seq "$start" "$head"); do
    call devnet.Fault "[{\"kind\":\"drop\",\"method\":\"header.GetByHeight\",\"from\":$height,\"to\":$height,\"times\":1}]"
    call devnet.Fault "[{\"kind\":\"truncate\",\"method\":\"share.GetNamespaceData\",\"from\":$height,\"to\":$height,\"times\":1,\"value\":40}]"
done >/dev/null
# shellcheck disable=SC2086
run 0 --verify $source --expect-root "$root"
call devnet.Faults '[]' >faults
call devnet.Clear '[0]' >/dev/null
dropped=$(grep -o '"fired":1' faults | wc -l)
[ "$dropped" -ge $((head - start)) ] || fail "only $dropped sockets dropped"
# shellcheck disable=SC2086
run 3 --verify $source --witness "$other_url"
says "have different headers" err
# shellcheck disable=SC2086
call devnet.Fault '[{"kind":"wrong_share","method":"share.GetNamespaceData"}]' >/dev/null
# shellcheck disable=SC2086
run 3 --verify $source --json
says '"ok":false' out
says '"findings":[{"code":"PROOF","message":"height ' out
call devnet.Clear '[0]' >/dev/null

# ---- a trusted header that is too old: nine days in 36 blocks ----
"$bin/dsdn-devnet" --listen 127.0.0.1:0 --blocks demand --first-blocks 36 --skip-auth --time-step 21600000 \
    --genesis-time "$(date -u -d "-9 days" +%FT%TZ)" >old.out 2>old.err &
old=$!
wait_line old.out
old_url=$(text url old.out)
old_hash=$(curl -s -d '{"jsonrpc":"2.0","id":1,"method":"header.GetByHeight","params":[1]}' "$old_url" |
    sed 's/.*"commit":{[^}]*"block_id":{"hash":"\([0-9A-F]*\)".*/\1/' | tr A-F a-f)
young=$(curl -s -d '{"jsonrpc":"2.0","id":1,"method":"header.GetByHeight","params":[34]}' "$old_url" |
    sed 's/.*"commit":{[^}]*"block_id":{"hash":"\([0-9A-F]*\)".*/\1/')
sed "s/\"da_start\": \"[0-9]*\"/\"da_start\": \"1\"/; s/\"da_start_hash\": \"[0-9a-f]*\"/\"da_start_hash\": \"$old_hash\"/" \
    genesis.json >old.json
run 6 --verify "celestia:$old_url" --genesis old.json
says "older than the trusting period" err
says "--trusted-header HEIGHT:HASH" err
run 6 --verify "celestia:$old_url" --genesis old.json --trusted-header "34:$young" # downwards, by hashes: no batches
says "heights 1..36 complete" out
run 6 doctor "celestia:$old_url" --genesis old.json
says "days old, more than 7" out
run 0 record "celestia:$old_url" --genesis old.json --trusted-header "34:$young" -o old.dsdn
run 6 --verify old.dsdn --genesis old.json --trusted-header "34:$young"
says "heights 1..36 complete" out
run 6 --verify old.dsdn --genesis old.json
says "heights 1..1 complete" out
sed 's/"da_start_hash": "[0-9a-f]*"/"da_start_hash": "'"$(printf '%064d' 7)"'"/' old.json >wrong.json
run 3 --verify "celestia:$old_url" --genesis wrong.json --trusted-header "34:$young"
says "the genesis names another header for height 1" err

# ---- an authority that leaves a direct bundle out ----
# post FILE: as a blob of somebody's; prints its height.
post() {
    call devnet.Post "[[{\"namespace\":\"$(printf "$(sed 's/../\\x&/g' <<<"$ns")" | base64 -w 0)\",\"data\":\"$(base64 -w 0 "$1")\",\"share_version\":0,\"index\":-1}]]" |
        sed 's/.*"result":\([0-9]*\).*/\1/'
}
"$bin/dsdn-coordinator" sample --genesis genesis.json --seed 11 --events 10 -o direct || fail "sample"
{
    printf DSDD
    printf "$(echo "$genesis" | sed 's/../\\x&/g')"
    printf '\2' # of kind 2, whose signature covers the kind no more than that of kind 1
    tail -c +2 direct
} >blob
posted=$(post blob)
call devnet.Produce '[2]' >/dev/null
header=$(call header.GetByHeight "[$posted]")
seconds=$(date -d "$(sed 's/.*"time":"\([^"]*\)","last_block_id".*/\1/' <<<"$header")" +%s%3N)
"$bin/batch_forge" log.dsdn key "$posted" \
    "$(sed 's/.*"commit":{[^}]*"block_id":{"hash":"\([0-9A-F]*\)".*/\1/' <<<"$header" | tr A-F a-f)" "$seconds" >forged || fail "batch_forge"
refused=$(post forged)
# shellcheck disable=SC2086
run 3 --verify $source --json
says "DIRECT: the direct bundle of author" err
says "at height $posted index 0 is left out (seen at height $refused)" err
says "batch $batches" err
says '"ok":false' out
says '"findings":[{"code":"DIRECT"' out
says "\"root\":\"$root\"" out
# shellcheck disable=SC2086
run 0 record $source -o censored.dsdn
says "recorded as it is: DIRECT" err
# The next batch of an honest authority takes the bundle; the evidence stays.
"$bin/dsdn-coordinator" sample --genesis genesis.json --seed 14 --events 40 --per-bundle 20 -o all || fail "sample"
publish data all || fail "publish after a refused batch: $(head -c 400 err)"
# shellcheck disable=SC2086
run 3 --verify $source --json
says '"events":15050' out
says '"findings":[{"code":"DIRECT"' out

# ---- an authority that signs twice: two histories of one key ----
# The first batch is on its way when the other coordinator, which does not know of it, signs one for the same sequence.
cp -r data twin
for seed in 12 13; do
    "$bin/dsdn-coordinator" sample --genesis genesis.json --seed $seed --events 40 --per-bundle 20 -o more.$seed || fail "sample"
done
call devnet.Fault '[{"kind":"submit_late","value":5,"times":1}]' >/dev/null
publish data more.12 &
pid=$!
for _ in $(seq 250); do
    call devnet.Faults '[]' | grep -q '"fired":1' && break
    sleep 0.02
done
publish twin more.13 || fail "publish the other history: $(head -c 400 err)"
call devnet.Produce '[40]' >/dev/null
kill $pid 2>/dev/null
wait $pid 2>/dev/null
pid=
call devnet.Clear '[0]' >/dev/null
# shellcheck disable=SC2086
run 3 --verify $source
says "EQUIVOCATION: one key signed two headers for one sequence (seen at height" err
# shellcheck disable=SC2086
run 0 record $source -o twice.dsdn
says "recorded as it is: EQUIVOCATION" err

# ---- the archive, with the node gone ----
kill "$devnet" && wait "$devnet" 2>/dev/null
devnet=
run 0 --verify log.dsdn --genesis genesis.json --json
says "\"root\":\"$root\"" out
says '"assurance":"canonical"' out
says "\"verified\":{\"da\":$((head + 1 - start))," out
says "\"as_of\":{\"height\":$head," out
run 0 --verify part.dsdn --genesis genesis.json --json
says "\"as_of\":{\"height\":$((head - 30))," out
run 6 --verify log.dsdn
says "--genesis FILE" err
run 3 --verify censored.dsdn --genesis genesis.json
says "DIRECT: the direct bundle of author" err
run 3 --verify twice.dsdn --genesis genesis.json
says "EQUIVOCATION" err
run 0 --verify log.dsdn --require authorised
run 0 log.dsdn
says "root:         $root" out
run 0 --verify log.dsdn --genesis genesis.json --to height:$((start + 8)) --json
says "\"batches\":$part," out
run 0 --verify log.dsdn --genesis genesis.json --trusted-header "$head:$hash"
run 3 --verify log.dsdn --genesis genesis.json --trusted-header "$head:$(printf '%064d' 7)"
run 6 --verify log.dsdn --genesis genesis.json --trusted-header "$((head + 9)):$hash"
says "--trusted-header" err
run 0 export log.dsdn -o whole.dsdn
run 0 --verify whole.dsdn --genesis genesis.json --expect-root "$root"
run 0 export log.dsdn --from seq:6 -o tail.dsdn
run 0 --verify tail.dsdn --genesis genesis.json --from checkpoint:five.ckp --require canonical
"$bin/archive_cut" log.dsdn hole.dsdn $((start + 4)) $((start + 4)) || fail "archive_cut"
run 6 --verify hole.dsdn --genesis genesis.json --json
says '"unverified":[{"from":' out
says "height $((start + 4)) has no proof" out
says "\"root\":\"$root\"" out
"$bin/archive_cut" log.dsdn headless.dsdn "$start" "$start" || fail "archive_cut"
run 6 --verify headless.dsdn --genesis genesis.json
says "height $start has no proof" err
for byte in 100 300 999999; do # header, and the middle of what follows
    rm -f false.dsdn
    "$bin/archive_cut" log.dsdn false.dsdn 0 0 999999 $((start + 1)) $byte || fail "archive_cut"
    run 3 --verify false.dsdn --genesis genesis.json
    says "height $((start + 1))" err
done
"$bin/archive_cut" log.dsdn altered.dsdn 0 0 4 || fail "archive_cut"
run 3 --verify altered.dsdn --genesis genesis.json
says "CHAIN: the batch is not the one that the primary makes canonical" err
says "batch 4" err
"$bin/archive_cut" log.dsdn none.dsdn 0 999999 || fail "archive_cut"
run 0 --verify none.dsdn --genesis genesis.json --json
says '"assurance":"authorised"' out
run 6 --verify none.dsdn --genesis genesis.json --require included
run 0 export log.dsdn -o bare/
run 0 --verify bare --require authorised --expect-root "$root"
run 6 --verify bare --require canonical
run 0 --verify plain.dsdn
cp log.dsdn flipped.dsdn
at=$(($(stat -c %s log.dsdn) / 2))
printf '\377\000\377' | dd of=flipped.dsdn bs=1 seek=$at conv=notrunc 2>/dev/null
run 4 --verify flipped.dsdn --genesis genesis.json
[ -z "$(ls tmp)" ] || fail "left behind: $(ls tmp)"

[ $failed = 0 ] && echo "all well"
exit $failed
