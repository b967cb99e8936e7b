#!/bin/sh
# Runs the fuzz targets in turns until each of them has used so many seconds of CPU; can be stopped and started again.
#
#   fuzz/run.sh 1200                  all targets; a second one beside it shares the work
#   fuzz/run.sh 1200 resp manifest    only these
#
# BIN is where the targets lie, WORK where corpora, logs and findings go: corpus/TARGET, log/TARGET, artifacts/TARGET, and
# cpu/TARGET with the seconds of every turn. A target with MOST findings gets no more turns.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
BIN=${BIN:-$here/target/$(rustc -vV | sed -n 's/^host: //p')/release}
WORK=${WORK:-$here/work}
TURN=${TURN:-120}
MOST=${MOST:-20}
wanted=$1
shift
targets=${*:-aof_dir disguise fast_paths functions lzf manifest packed rdb_push rdb_slice repair resp values write_for writer}

spent() {
    cat "$WORK/cpu/$1" 2>/dev/null | awk '{ sum += $1 } END { print int(sum) }'
}

findings() {
    grep -c '^ended with' "$WORK/log/$1" 2>/dev/null || true
}

# The target with the least CPU so far that nobody is running.
next() {
    for target in $targets; do
        seconds=$(spent "$target")
        found=$(findings "$target")
        if [ "$seconds" -lt "$wanted" ] && [ "${found:-0}" -lt "$MOST" ] && ! [ -e "$WORK/lock/$target" ]; then
            echo "$seconds $target"
        fi
    done | sort -n | sed -n '1s/.* //p'
}

turn() {
    mkdir -p "$WORK/corpus/$1" "$WORK/log" "$WORK/cpu" "$WORK/artifacts/$1"
    case $1 in
    fast_paths | rdb_*) options="-dict=$here/rdb.dict -max_len=4096" ;;
    aof_dir | resp | manifest) options="-dict=$here/aof.dict -max_len=4096" ;;
    *) options=-max_len=2048 ;;
    esac
    seeds=
    for folder in "$here/seeds/$1" "$here/corpus/$1"; do
        [ -d "$folder" ] && seeds="$seeds $folder"
    done
    # The shell's `times` counts what its children used: nothing else runs in this one.
    # shellcheck disable=SC2086
    sh -c '"$@" || echo "ended with $?"; times >&3' sh "$BIN/$1" $options -max_total_time="$TURN" -timeout=60 \
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$WORK/artifacts/$1/" "$WORK/corpus/$1" $seeds \
        >>"$WORK/log/$1" 2>&1 3>"$WORK/lock/$1/times" || true
    # The second line is that of the children: user and system time, as 1m2.345000s.
    sed -n '2s/[ms]/ /gp' "$WORK/lock/$1/times" | awk '{ print $1 * 60 + $2 }' >>"$WORK/cpu/$1"
}

mkdir -p "$WORK/lock"
while :; do
    target=$(next)
    [ -n "$target" ] || break
    mkdir "$WORK/lock/$target" 2>/dev/null || continue
    trap 'rm -rf "$WORK/lock/$target"; exit 130' INT TERM
    turn "$target"
    rm -rf "$WORK/lock/$target"
    trap - INT TERM
    echo "$target: $(spent "$target") s, $(findings "$target") findings"
done
