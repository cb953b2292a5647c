# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What ./run and ./test share: which Debian packages they need, and how to
# install and build only what is missing. Sourced by bash, with $root set to
# the project's folder. Everything is said on standard error.

build_packages=(
  gcc libc6-dev pkg-config meson ninja-build
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  libfftw3-dev libjansson-dev
)
# gstreamer1.0-x holds textoverlay
play_packages=(
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
  gstreamer1.0-pulseaudio
  gstreamer1.0-tools gstreamer1.0-x
)
test_packages=(
  check pulseaudio pulseaudio-utils
  make espeak-ng libespeak-ng-dev flite flite1-dev
  python3 python3-numpy python3-gi
  gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
  libasan8 libubsan1 libtsan2
)

say () {
  printf '%s\n' "$*" >&2
}

fail () {
  say "$(basename "$0"): $*"
  exit 1
}

as_root () {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "installing packages needs root, and sudo is not there; as root run: apt-get install ${missing[*]}"
  fi
}

# install_missing PACKAGE...: quick and silent where nothing is missing
install_missing () {
  local installed name
  missing=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "This is not Debian: install what these packages hold, if it is missing: $*"
    return
  fi
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    grep -qxF "installed $name" <<<"$installed" || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  say "Installing from Debian: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y
      -o DPkg::Lock::Timeout=300)
  as_root "${apt[@]}" update >/dev/null </dev/null ||
      say "The package lists could not be refreshed; trying with those that are here."
  as_root "${apt[@]}" install --no-install-recommends "${missing[@]}" \
      >&2 </dev/null || fail "apt-get could not install: ${missing[*]}"
}

# configured FOLDER OPTION: the value of a Meson option there; nothing where
# the folder is not configured or belongs to another place (a copied tree)
configured () {
  python3 - "$1" "$2" "$root" 2>/dev/null <<'PYTHON' || true
import json, os, sys
folder, option, root = sys.argv[1:]
info = os.path.join(folder, 'meson-info')
directories = json.load(open(os.path.join(info, 'meson-info.json')))['directories']
if (os.path.realpath(directories['source']) == os.path.realpath(root)
        and os.path.realpath(directories['build']) == os.path.realpath(folder)):
    for o in json.load(open(os.path.join(info, 'intro-buildoptions.json'))):
        if o['name'] == option:
            print(o['value'])
PYTHON
}

# configure FOLDER OPTION=VALUE [MESON-ARGUMENT...]: sets the folder up, or
# changes that one option where it differs
configure () {
  local folder=$1 setting=$2 value
  shift 2
  value=$(configured "$folder" "${setting%%=*}")
  if [ -z "$value" ]; then
    local wipe=()
    [ ! -e "$folder/meson-private" ] || wipe=(--wipe)
    say "Configuring $folder"
    meson setup "${wipe[@]}" "$folder" "$root" "-D$setting" "$@" >&2 ||
        fail "Meson could not configure $folder; its log is $folder/meson-logs/meson-log.txt"
  elif [ "$value" != "${setting#*=}" ]; then
    meson configure "$folder" "-D$setting" >&2
  fi
}
