#!/bin/bash
# dsdn-coordinator against dsdn-devnet, over real HTTP: bundles in, refusals by name, batches out; and killed with -9 two
# hundred times: what was acknowledged is in the log once, no sequence was signed twice, and whoever reads the primary
# comes to the same root.  DSDN_TEST_SCALE=N kills N times as often.
# usage: test_coordinator.sh DIRECTORY with dsdn-coordinator, dsdn-devnet and dsdn-replay
set -u
bin=$(realpath "$1")
coordinator=$bin/dsdn-coordinator
[ -x "$coordinator" ] && [ -x "$bin/dsdn-devnet" ] && [ -x "$bin/dsdn-replay" ] || exit 1
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
devnet= pid=
trap 'for p in $pid $devnet; do kill -9 "$p" 2>/dev/null; done; rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
cycles=$((200 * ${DSDN_TEST_SCALE:-1}))
ns=$(printf '%038d' 0)6473646e2d7465737431

fail() {
    echo "FAIL: $*"
    failed=1
}

says() {
    grep -qF -- "$1" "$2" || fail "no \"$1\" in $2: $(head -c 400 "$2")"
}

# refuses STATUS TEXT ARGUMENTS...: the program ends with this status and says why.
refuses() {
    local want=$1 text=$2
    shift 2
    timeout 20 "$coordinator" "$@" >out 2>err </dev/null
    local got=$?
    [ "$got" = "$want" ] || fail "exit $got, not $want: dsdn-coordinator $* ($(head -c 300 err))"
    says "$text" err
}

# wait_line FILE: until a process has written its first line.
wait_line() {
    for _ in $(seq 500); do
        [ -s "$1" ] && grep -q '}' "$1" && return
        sleep 0.02
    done
    fail "no line in $1"
}

# number KEY FILE: the first number under that key.
number() {
    grep -o "\"$1\":[0-9]*" "$2" | head -1 | sed 's/.*://'
}

"$bin/dsdn-devnet" --listen 127.0.0.1:0 --blocks every=20 --first-blocks 3 --token-file token >devnet.out 2>devnet.err &
devnet=$!
wait_line devnet.out
url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' devnet.out)
da="celestia:$url?namespace=$ns"

# ---- usage ----
refuses 1 "--genesis is needed" --key k --data d --da "$da"
refuses 1 "no option" --frobnicate
refuses 1 "cannot be" --da "http://x"
refuses 1 "--bundles" --genesis g --key k --data d --da "$da" --once
"$coordinator" --help | grep -q "usage: dsdn-coordinator" || fail "no help"
"$coordinator" estimate >out || fail "estimate"
grep -q "^1 KB  *87988  *0.00035  *0.00006$" out || fail "estimate: $(cat out)"
grep -q "^30,000 of 10 KB  *19.9  *11.0$" out || fail "estimate of a month: $(cat out)"
"$coordinator" estimate --gas-price 0.0105 | grep -q "^30,000 of 10 KB  *52.3  *29.0$" || fail "estimate at another price"
"$coordinator" --version | grep -q "^dsdn-coordinator [0-9]" || fail "no version"

# ---- a network ----
init="init --network test --key key --da $da --chain-id devnet-1 --token-file token.read -o genesis.json"
# shellcheck disable=SC2086
timeout 20 "$coordinator" $init >out 2>err || fail "init: $(cat err)"
says '"genesis":"' out
[ "$(stat -c %a key)" = 600 ] || fail "the key is not private"
# shellcheck disable=SC2086
refuses 2 "EXISTS" $init
echo "a.MARKER.c" >token.wrong
refuses 6 "INCOMPLETE: $url: header.NetworkHead: HTTP 401" init --network test --key key --da "$da" --chain-id devnet-1 --token-file token.wrong -o other.json
grep -q MARKER out err && fail "the token is printed: $(cat err)"
refuses 3 "WRONG_GENESIS" init --network test --key key --da "$da" --chain-id other --token-file token.read -o other.json
run="--genesis genesis.json --key key --data data --da $da --token-file token.write --poll 20 --delay 20 --idle 300"
chmod 644 key
# shellcheck disable=SC2086
refuses 1 "others can read the key" $run
chmod 600 key
refuses 1 "not the one that the genesis names" --genesis genesis.json --key key --data d --da "${da%1}2"

# ---- HTTP ----
"$coordinator" sample --genesis genesis.json --seed 1 --events $((5 * (cycles + 1))) --per-bundle 5 -o all || fail "sample"
len=$(($(stat -c %s all) / (cycles + 1)))
split -a 4 -d -b $len all bundle.
# shellcheck disable=SC2086
"$coordinator" $run --listen 127.0.0.1:0 -v >line 2>log </dev/null &
pid=$!
wait_line line
http=$(sed -n 's/.*"listening":"\([^"]*\)".*/\1/p' line)
post() {
    curl -s -m 10 -o answer -w '%{http_code}' --data-binary "@$1" "$http/bundles"
}
for _ in $(seq 200); do
    code=$(post bundle.0000)
    [ "$code" = 503 ] || break
    sleep 0.05
done
[ "$code" = 202 ] || fail "a good bundle: $code $(cat answer)"
[ "$(grep -o '"[0-9a-f]\{64\}"' answer | wc -l)" = 1 ] || fail "no id: $(cat answer)"
printf 'garbage' >bad
[ "$(post bad)" = 400 ] || fail "garbage: $(cat answer)"
says MALFORMED answer
cp bundle.0001 bad
printf '\377' | dd of=bad bs=1 seek=$((len - 2)) conv=notrunc 2>/dev/null
[ "$(post bad)" = 403 ] || fail "an altered bundle: $(cat answer)"
says BAD_SIGNATURE answer
cat bundle.0001 bad >two
[ "$(post two)" = 202 ] || fail "one good and one bad: $(cat answer)"
says '"index":1' answer
: >empty
[ "$(post empty)" = 400 ] || fail "nothing: $(cat answer)"
head -c $((17 << 20)) /dev/zero >huge
code=$(post huge)
[ "$code" = 413 ] || fail "17 MiB: $code"
[ "$(curl -s -m 10 -o answer -w '%{http_code}' "$http/nowhere")" = 404 ] || fail "a path that is none"
[ "$(curl -s -m 10 -o answer -w '%{http_code}' "$http/bundles")" = 405 ] || fail "GET /bundles"
for _ in $(seq 200); do
    curl -s -m 10 "$http/status" >status
    [ "$(number events status)" = 10 ] && break
    sleep 0.05
done
[ "$(number events status)" = 10 ] || fail "the bundles are not in the log: $(cat status)"
[ "$(post bundle.0000)" = 409 ] || fail "a used nonce: $(cat answer)"
says NONCE_USED answer
kill -TERM $pid
wait $pid
[ $? = 0 ] || fail "SIGTERM: exit $? ($(tail -3 log))"
pid=

# ---- killed ----
next=2 acknowledged=2
for i in $(seq "$cycles"); do
    : >line
    # shellcheck disable=SC2086
    "$coordinator" $run --listen 127.0.0.1:0 -v >line 2>>log </dev/null &
    pid=$!
    if [ $((i % 3)) != 0 ]; then # every third one dies while it starts
        for _ in $(seq 200); do
            [ -s line ] && break
            sleep 0.005
        done
        http=$(sed -n 's/.*"listening":"\([^"]*\)".*/\1/p' line)
        code=$(curl -s -m 2 -o answer -w '%{http_code}' --data-binary "@bundle.$(printf %04d $next)" "$http/bundles")
        if [ "$code" = 202 ] || [ "$code" = 409 ]; then
            next=$((next + 1))
            acknowledged=$next
        fi
    fi
    sleep "0.0$(((i * 37) % 10))"
    kill -9 $pid
    wait $pid 2>/dev/null
    pid=
done
[ "$acknowledged" -gt 2 ] || fail "no bundle was acknowledged in $cycles lives"
cat bundle.* | tail -c +$((acknowledged * len + 1)) >rest
# shellcheck disable=SC2086
timeout 120 "$coordinator" $run --bundles rest --once -v >status 2>>log || fail "the last run: $(tail -3 log)"
[ "$(number events status)" = $((5 * (cycles + 1))) ] || fail "events: $(number events status) ($(head -c 800 status))"
[ "$(number refused status)" = 0 ] || fail "batches were refused: $(cat status)"
# A reader who saw nothing but the primary.
head -c 64 /dev/zero | tr '\0' 1 >stranger
chmod 600 stranger
timeout 120 "$coordinator" --genesis genesis.json --key stranger --data second --da "$da" --token-file token.read \
    --poll 20 --bundles empty --once -v >status2 2>log2 || fail "the reader: $(tail -3 log2)"
grep -hE "EVIDENCE|ALARM" log log2 && fail "the key was used twice"
[ "$(number events status2)" = $((5 * (cycles + 1))) ] || fail "events of the reader: $(head -c 400 status2)"
last=$(number next status)
root() {
    "$bin/dsdn-replay" "$1/log" --to "seq:$((last - 1))" --json --verify >json 2>err
    grep -o '"root":"[0-9a-f]*"' json | head -1
}
[ -n "$(root data)" ] && [ "$(root data)" = "$(root second)" ] || fail "roots: $(root data) and $(root second)"
grep -q '"rejected":{}' json || fail "outcomes: $(grep -o '"rejected":{[^}]*}' json)"
grep -c "^signed" log | sed 's/$/ batches signed,/' | tr '\n' ' '
grep -c "^resumed" log | sed "s/\$/ resumed after a kill, in $cycles lives/"
exit $failed
