#!/bin/bash
# dsdn-devnet as scripts see it: options, the line at the start, tokens, status codes by curl, kill -9, SIGTERM.
# usage: test_devnet.sh PATH, the binary or the directory that holds it
set -u
devnet=$1
[ -d "$devnet" ] && devnet=$devnet/dsdn-devnet
devnet=$(realpath "$devnet")
[ -x "$devnet" ] || exit 1
source_dir=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -9 "$pid" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# says TEXT FILE: the file has the text.
says() {
    grep -qF -- "$1" "$2" || fail "no \"$1\" in $2: $(head -c 300 "$2")"
}

# refuses STATUS TEXT ARGUMENTS...: the program ends with this status and says why.
refuses() {
    local want=$1 text=$2
    shift 2
    timeout 10 "$devnet" "$@" >out 2>err </dev/null
    local got=$?
    [ "$got" = "$want" ] || fail "exit $got, not $want: dsdn-devnet $*"
    says "$text" err
}

# start ARGUMENTS...: runs it in the background and waits for its line.
start() {
    "$devnet" --listen 127.0.0.1:0 "$@" >line 2>err </dev/null &
    pid=$!
    for _ in $(seq 200); do
        [ -s line ] && break
        sleep 0.02
    done
    [ -s line ] || fail "dsdn-devnet $* did not start: $(cat err)"
    url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' line)
}

# finish SIGNAL STATUS
finish() {
    kill "-$1" "$pid"
    wait "$pid" 2>/dev/null
    local got=$?
    [ "$got" = "$2" ] || fail "exit $got after SIG$1, not $2: $(cat err)"
    pid=
}

# post STATUS TEXT BODY [CURL ARGUMENTS...]: status code and a part of the answer.
post() {
    local want=$1 text=$2 body=$3
    shift 3
    local got
    got=$(curl -s -m 10 -o answer -w '%{http_code}' -d "$body" "$@" "$url")
    [ "$got" = "$want" ] || fail "status $got, not $want: $body"
    [ -z "$text" ] || says "$text" answer
}

call() {
    echo "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}"
}

# ---- options
refuses 1 'no option "--nothing"' --nothing
refuses 1 'option --blocks cannot be "often"' --blocks often
refuses 1 'option --seed needs a value' --seed
refuses 1 'option --fault cannot be' --fault kind=unheard
refuses 1 'allowed are 1 to 100' --validators 0
refuses 2 'cannot listen on 203.0.113.1' --listen 203.0.113.1:1
"$devnet" --version | grep -q '^dsdn-devnet [0-9]' || fail "--version"
"$devnet" --help >help || fail "--help"
man=$source_dir/docs/man/dsdn-devnet.1
for option in $(sed -n 's/^  \(--[a-z-]*\).*/\1/p' help); do
    grep -q -- "Fl ${option#-}" "$man" || fail "the man page does not name $option"
done
for kind in $(sed -n '/^Faults:/,$s/^  \([a-z_]*\) .*/\1/p' help); do
    grep -qw -- "$kind" "$source_dir/docs/devnet.md" || fail "docs/devnet.md does not name the fault $kind"
done

# ---- status codes and tokens
start --blocks submit --home home --token-file tokens --first-blocks 2
[ "$(stat -c %a tokens tokens.read tokens.write tokens.admin | sort -u)" = 600 ] || fail "tokens can be read by others"
read_token=(-H "Authorization: Bearer $(cat tokens.read)")
write_token=(-H "Authorization: Bearer $(cat tokens.write)")
admin_token=(-H "Authorization: Bearer $(cat tokens.admin)")
post 200 '"height":"2"' "$(call header.LocalHead '[]')" "${read_token[@]}"
post 200 "missing permission to invoke 'LocalHead' (need 'read')" "$(call header.LocalHead '[]')"
post 200 "(need 'admin')" "$(call node.Info '[]')" "${write_token[@]}"
post 200 '"type":"Light"' "$(call node.Info '[]')" "${admin_token[@]}"
post 401 '' "$(call header.LocalHead '[]')" -H 'Authorization: Bearer no'
[ -s answer ] && fail "a 401 with a body"
post 401 '' "$(call header.LocalHead '[]')" -H "Authorization: $(cat tokens.read)"
post 500 "method 'a.B' not found" "$(call a.B '[]')" "${read_token[@]}"
post 500 "wrong param count (method 'header.GetByHeight'): 0 != 1" "$(call header.GetByHeight '[]')" "${read_token[@]}"
post 500 'Parse error' '{' "${read_token[@]}"
post 400 'Invalid request' '[]' "${read_token[@]}"
post 200 '' '{"jsonrpc":"2.0","method":"node.Ready","params":[]}' "${read_token[@]}"
[ -s answer ] && fail "a notification with an answer"
post 200 'is from the future' "$(call header.GetByHeight '[9]')" "${read_token[@]}"
blob='[{"namespace":"AAAAAAAAAAAAAAAAAAAAAAAAAAAADCBNOWAP3dM=","data":"8fIMqAB+kQo7+LLmHaDya8oH73hxem6lQWX1","share_version":0}]'
post 200 '"result":3' "$(call blob.Submit "[$blob,{}]")" "${write_token[@]}"
post 200 'D6YGsPWdxR8ju2OcOspnkgPG2abD30pSHxsFdiPqnVk=' \
    "$(call blob.GetAll '[3,["AAAAAAAAAAAAAAAAAAAAAAAAAAAADCBNOWAP3dM="]]')" "${read_token[@]}"
# a client with a large body that asks first whether to send it is answered at once
head -c 1500000 /dev/zero | base64 -w 0 >zeros
echo "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"devnet.Post\",\"params\":[[{\"namespace\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAADCBNOWAP3dM=\",\"data\":\"$(cat zeros)\",\"share_version\":0}]]}" >large
curl -s -v -m 10 --data-binary @large -H 'Expect: 100-continue' "${admin_token[@]}" "$url" >answer 2>verbose
says '"result":4' answer
says '100 Continue' verbose
refuses 2 'another process' --home home --listen 127.0.0.1:0

# ---- what was answered outlives kill -9; the home directory knows its chain
post 200 'D6YGsPWdxR8ju2OcOspnkgPG2abD30pSHxsFdiPqnVk=' \
    "$(call blob.GetAll '[3,["AAAAAAAAAAAAAAAAAAAAAAAAAAAADCBNOWAP3dM="]]')" "${read_token[@]}"
cp answer before
finish KILL 137
start --blocks submit --home home --keep 2
says '"head":4' line
post 200 '' "$(call blob.GetAll '[3,["AAAAAAAAAAAAAAAAAAAAAAAAAAAADCBNOWAP3dM="]]')" "${read_token[@]}"
cmp -s before answer || fail "another blob after kill -9"
post 200 'requested header (1) is below Tail (3)' "$(call header.GetByHeight '[1]')" "${read_token[@]}"
finish TERM 0
refuses 1 'made with other options' --home home --seed another --listen 127.0.0.1:0

# ---- faults from the command line
start --blocks every=20 --skip-auth --fault 'kind=status,method=blob.*,value=429' --fault kind=latency,value=1,method=node.Ready
post 429 'rate limit exceeded' "$(call blob.GetAll '[1,[]]')"
post 200 true "$(call node.Ready '[]')"
post 200 '"fired":1' "$(call devnet.Faults '[]')"
post 200 '"height":"5"' "$(call header.WaitForHeight '[5]')"
finish INT 0

[ $failed = 0 ] && echo "all as expected"
exit $failed
