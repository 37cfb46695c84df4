# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the scripts that talk with the shells of several guests. Descriptor 3 is
# the script's output.

# shellcheck source=selftests/guest/guest.bash
. "$(dirname "${BASH_SOURCE[0]}")/guest.bash"

# Runs the script up to three times, as long as the emulator loses a guest, and ends;
# returns within such a run.
again_if_lost() { # ARGUMENT...: the script's
	local said status
	if [ -n "${KVLANE_TRY:-}" ]; then
		return
	fi
	said=$(mktemp)
	for KVLANE_TRY in 1 2 3; do
		status=0
		KVLANE_TRY=$KVLANE_TRY "$0" "$@" >"$said" || status=$?
		if [ "$status" = 0 ] || ! lost_by_emulator "$said"; then
			break
		fi
		grep -a 'not ok\|crashed' "$said" | sed 's/^/# /'
		echo "# a guest was lost by the emulator: all of it once more"
	done
	cat "$said"
	rm "$said"
	exit "$status"
}

# Adds what talks in the guest to the initramfs, and programs of this machine with what
# they are linked with.
add_talk() { # [PROGRAM...]
	local tree=$work/programs file
	mkdir -p "$tree/bin" "$tree/tests"
	cp /bin/busybox "$tree/bin/busybox"
	install -m 755 "$top/selftests/guest/talk-inside" "$tree/tests/talk"
	for file in "$@"; do
		file=$(command -v "$file")
		cp -L --parents "$file" "$tree"
		ldd "$file" | grep -o '/[^ ]*' | while read -r file; do
			cp -L --parents "$file" "$tree"
		done
	done
	(cd "$tree" && find . | cpio -o -H newc --quiet) >>"$work/initrd"
}

# Guests that run, and how to write to each.
declare -A pids=() inputs=()
# What each was started with, to start it again.
declare -A arguments=()

# What vmrun is started by.
prefix=()

# For a script that has something to show where a test has failed.
show_state() {
	:
}

boot_guest() { # NAME VMRUN-ARGUMENT...
	local name=$1 fd
	shift
	arguments[$name]=${*@Q}
	rm -f "$work/$name.in" "$work/$name.silent"
	mkfifo "$work/$name.in"
	: >"$work/$name.console"
	exec {fd}<>"$work/$name.in"
	inputs[$name]=$fd
	"${prefix[@]}" "$vmrun" run --name "$name" --kernel "$kernel" \
		--initrd "$work/initrd" --memory 256M,hugepages=off \
		--append "console=ttyS0 loglevel=4 panic=-1 mitigations=off iomem=relaxed kvlane.run=talk" \
		"$@" <"$work/$name.in" >"$work/$name.console" 2>"$work/$name.err" &
	# shellcheck disable=SC2034	# for the script
	pids[$name]=$!
}

# Waits up to a number of seconds until a command succeeds.
eventually() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		if ((SECONDS >= end)); then
			return 1
		fi
		sleep 0.2
	done
}

said() { # NAME PATTERN
	grep -q "$2" "$work/$1.console"
}

complain() { # NAME TEXT
	echo "# $1: $2"
	sed 's/^/# vmrun: /' "$work/$1.err"
	tail -n 20 "$work/$1.console" | tr -d '\r' | sed 's/^/# console: /'
	return 1
}

listens() { # NAME
	eventually 240 said "$1" '^# guest listens' || complain "$1" "did not come up"
}

# Has the emulator lost a guest before its first program? vmrun runs still, or ended
# otherwise than by refusing.
lost_at_start() { # NAME
	local status=0
	if eventually $((80 * slow)) said "$1" '^# guest is up' || ! emulated; then
		return 1
	fi
	"$vmrun" ctl "$1" quit 2>/dev/null || kill -KILL "${pids[$1]}" 2>/dev/null || :
	wait "${pids[$1]}" || status=$?
	[ "$status" != 2 ]
}

# For a guest that was just started, not one that restarts: there a second try would
# not show what is to be shown.
came_up() { # NAME
	local fd=${inputs[$1]}
	if lost_at_start "$1"; then
		sed 's/^/# vmrun: /' "$work/$1.err" >&3
		echo "# the kernel of $1 did not come up: once more" >&3
		exec {fd}>&-
		eval "boot_guest $1 ${arguments[$1]}"
	fi
	listens "$1"
}

# Runs a command in a guest, prints its output and returns its status.  One that has
# not answered once is not asked again.
guest() { # NAME COMMAND...
	local name=$1 number=${EPOCHREALTIME/./} mark before
	shift
	if [ -e "$work/$name.silent" ]; then
		echo "# $name does not answer any more"
		return 1
	fi
	mark="# did $number "
	before=$(wc -c <"$work/$name.console")
	echo "$number ${*//$'\n'/;}" >&"${inputs[$name]}"
	if ! eventually 60 said "$name" "^$mark.*\."; then
		touch "$work/$name.silent"
		complain "$name" "no answer to: $*" >&3 || :
		show_state
		return 1
	fi
	tail -c "+$((before + 1))" "$work/$name.console" | tr -d '\r' >"$work/answer"
	grep -v "^$mark" "$work/answer" || :
	return "$(sed -n "s/^$mark\(.*\)\./\1/p" "$work/answer")"
}

# The same, showing its output if it fails.
quietly() { # COMMAND...
	local status=0
	"$@" >"$work/out" 2>&1 || status=$?
	if [ "$status" != 0 ]; then
		echo "# status $status of: $*"
		sed 's/^/# /' "$work/out"
		show_state
	fi
	return "$status"
}

mib=$((1 << 20))

# A figure of the balloon; those of the guest with guest-> before.
figure() { # NAME FIGURE
	"$vmrun" stat "$1" --json | perl -MJSON::PP -0777 -ne '
		my ($b) = map { $_->{balloon} // () } @{decode_json($_)->{devices}};
		print $b->'"{'${2/->/\'\}->\{\'}'}"' // "none", "\n"'
}

# It may have been asked for a quarter more, to make blocks whole.
put_in() { # NAME MIB
	local actual
	actual=$(figure "$1" actual) && ((actual >= $2 * mib && actual * 4 <= $2 * 5 * mib))
}
