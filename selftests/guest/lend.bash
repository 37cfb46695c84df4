# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# For the scripts that have a guest lend memory, more and less of it at random,
# beside memory with a pattern that it keeps.

# shellcheck source=selftests/guest/talk.bash
. "$(dirname "${BASH_SOURCE[0]}")/talk.bash"

# A program of the guest's fills memory with a pattern, and looks for it from time to time.
keep_pattern() { # NAME MIB
	quietly guest "$1" "rm -f /tmp/kept; (/tests/pattern $2 700 >/tmp/pattern 2>&1; echo \$? >/tmp/kept) & :" &&
		eventually 60 guest "$1" 'grep -q filled /tmp/pattern' >"$work/out"
}

# It looks for the last time; and memory that was lent and is back keeps what is written to
# it as well.
has_pattern() { # NAME MIB-THAT-WERE-LENT
	quietly guest "$1" 'killall -TERM pattern' &&
		eventually 60 guest "$1" 'test -s /tmp/kept' >"$work/out" &&
		quietly guest "$1" 'cat /tmp/pattern; grep -q -x 0 /tmp/kept' &&
		quietly guest "$1" "/tests/pattern $2"
}

# It may have been asked for a quarter more, as put_in knows, which is slower.
has_lent() { # NAME MIB
	local actual
	actual=$("$vmrun" stat "$1" --json 2>"$work/out" | sed -n 's/.*"actual": \([0-9]*\).*/\1/p')
	[ -n "$actual" ] && ((actual >= $2 * mib && actual * 4 <= $2 * 5 * mib))
}

# The guest has done as it was told, or is no more.
settled() { # NAME MIB
	has_lent "$@" || ! kill -0 "${pids[$1]}" 2>"$work/out"
}

# A guest whose kernel panics restarts, and lends as before.
restarted() { # NAME
	if (($(grep -c '^# guest is up' "$work/$1.console") < 2)); then
		return 1
	fi
	grep -B 5 -A 40 'BUG:\|Oops\|WARNING:\|panic' "$work/$1.console" | tr -d '\r' |
		sed 's/^/# console: /' || echo "# $1: restarted without a word"
}

# As many times the guest lends less than a number of MiB, in the end nothing.
lend_at_random() { # NAME MIB ROUNDS
	local i size
	for ((i = 0; i <= $3; i++)); do
		size=$((i == $3 ? 0 : RANDOM % $2))
		"$vmrun" ctl "$1" balloon "${size}M" && eventually 60 settled "$1" "$size" &&
			has_lent "$1" "$size" && ! restarted "$1" && continue
		echo "# $1: round $i of $3, to lend $size MiB:"
		"$vmrun" ctl "$1" balloon 2>&1 | sed 's/^/# /'
		return 1
	done
}
