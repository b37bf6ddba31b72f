#!/usr/bin/env bash
# Proves the two commands of README on a machine that has nothing: a debootstrap chroot with git in it.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash .ci/fresh_machine.sh SUITE root|user FOLDER [argument of tests/run.sh]...

Makes a minimal chroot of the Debian SUITE (bookworm, trixie) in FOLDER, unless it is there, clones the committed state
of this repository into it, and runs samples/run.sh and tests/run.sh twice each: the second time has to be quick.

  root    as root, who may install packages
  user    as an ordinary user without sudo: the scripts have to stop and print a line, which root then types

Needs root and debootstrap. The host's certificates and pip settings go in, so that pip works behind a proxy as it
does here; nothing else does.
HELP
}
if (($# < 3)) || [[ $2 != root && $2 != user ]]; then
  usage >&2
  exit 2
fi
suite=$1 who=$2 folder=$3
shift 3
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=/home/tester
clone=$home/strideport

if [[ ! -d $folder ]]; then
  debootstrap --variant=minbase --include=ca-certificates,git "$suite" "$folder"
fi

mounted=()
# shellcheck disable=SC2317
unmount() {
  local place
  for place in "${mounted[@]}"; do umount -l "$place"; done
}
trap unmount EXIT
for place in proc sys dev dev/shm; do
  mount --bind "/$place" "$folder/$place"
  mounted=("$folder/$place" "${mounted[@]}")
done

[[ ! -e /etc/pip.conf ]] || cp /etc/pip.conf "$folder/etc/"
cp /etc/resolv.conf "$folder/etc/"
if compgen -G '/usr/local/share/ca-certificates/*' >/dev/null; then
  cp /usr/local/share/ca-certificates/* "$folder/usr/local/share/ca-certificates/"
  chroot "$folder" update-ca-certificates >/dev/null 2>&1
fi
[[ -d $folder$home ]] || chroot "$folder" useradd --create-home tester

# within USER COMMAND...: with an environment of its own, but for what pip needs to know.
within() {
  local user=$1 line name
  local -a settings=(HOME="$home" USER="$user" LOGNAME="$user" LANG=C.UTF-8 TERM=dumb
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  for name in PIP_CERT PIP_DEFAULT_TIMEOUT PIP_INDEX_URL PIP_EXTRA_INDEX_URL SSL_CERT_FILE http_proxy https_proxy; do
    [[ -z ${!name:-} ]] || settings+=("$name=${!name}")
  done
  printf -v line '%q ' "${@:2}"
  env -i "${settings[@]}" chroot --userspec="$user" "$folder" bash -c "cd $home && $line"
}

rm -rf "${folder:?}$clone"
git clone --quiet --no-local "$root" "$folder$clone"
owner=$who
[[ $who == root ]] || owner=tester
chroot "$folder" chown -R "$owner:$owner" "$home"

# step TITLE COMMAND...: runs, times, and stops at a failure.
step() {
  local start=$SECONDS
  printf '\n##### %s %s: %s\n' "$suite" "$who" "$1"
  "${@:2}"
  printf '##### %s %s: %s: %d s\n' "$suite" "$who" "$1" $((SECONDS - start))
}

# refused SCRIPT: it has to fail and to print a line for root, who types it.
refused() {
  local output line
  if output=$(within tester bash "$clone/$1" 2>&1 </dev/null); then
    printf '%s\n%s passed, though packages were missing\n' "$output" "$1" >&2
    return 1
  fi
  line=$(grep -oE 'apt-get update && apt-get install .*' <<<"$output") || { echo "$output" >&2 && return 1; }
  printf '%s\n' "$output"
  within root env DEBIAN_FRONTEND=noninteractive bash -c "$line" >"$folder/tmp/apt.log" 2>&1 || { tail "$folder/tmp/apt.log" && return 1; }
}

for script in samples/run.sh tests/run.sh; do
  arguments=()
  [[ $script != tests/run.sh ]] || arguments=("$@")
  [[ $who == root ]] || step "$script without packages" refused "$script"
  step "$script" within "$owner" bash "$clone/$script" "${arguments[@]}" </dev/null
  step "$script again" within "$owner" bash "$clone/$script" "${arguments[@]}" </dev/null
  [[ $script != samples/run.sh ]] ||
    step "import strideport" within "$owner" "$clone/.venv/bin/python" -c 'import strideport; print(strideport.__version__)'
done
