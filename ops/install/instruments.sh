#!/bin/sh
# Installs what the benchmarks render their music with where it is missing: a synthesizer, its sounds, scores, styles.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }
set --
have fluidsynth || set -- "$@" fluidsynth
[ -e /usr/share/sounds/sf2/TimGM6mb.sf2 ] || set -- "$@" timgm6mb-soundfont
[ -d /usr/share/games/openttd/baseset/openmsx ] || set -- "$@" openttd-openmsx
have mma || set -- "$@" mma
exec "$(dirname "$0")/debian.sh" "$@"
