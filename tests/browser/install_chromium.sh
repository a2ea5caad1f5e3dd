#!/usr/bin/env bash
# Finds Chromium and its driver, or installs Debian's.
set -euo pipefail
command -v chromium >/dev/null && command -v chromedriver >/dev/null && exit 0
echo "Installing Chromium for the browser tests"
if ! command -v apt-get >/dev/null; then
  echo "Install chromium and chromedriver with your package manager, then run make test again." >&2
  exit 1
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo=sudo
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null
