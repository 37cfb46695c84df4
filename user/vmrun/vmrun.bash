# SPDX-License-Identifier: GPL-2.0-only
# bash completion for vmrun(1)

_vmrun_names() {
	local folder=/run/kvlane socket
	if [ "$EUID" != 0 ]; then
		folder=${XDG_RUNTIME_DIR:-/nonexistent}/kvlane
	fi
	for socket in "$folder"/*.sock; do
		if [ -S "$socket" ]; then
			socket=${socket##*/}
			echo "${socket%.sock}"
		fi
	done
}

_vmrun_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

_vmrun() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		_vmrun_words "run list stat ctl events vdpa check --help --version"
		return
	fi
	case ${COMP_WORDS[1]}:$COMP_CWORD in
	run:*)
		case $prev in
		--kernel | --initrd | --disk | --stats-at-exit)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		--console) _vmrun_words "stdio none file:" ;;
		--net) _vmrun_words "bridge= tap= macvtap= fd=" ;;
		--vfio) _vmrun_words "$(ls /sys/bus/pci/devices)" ;;
		--notify) _vmrun_words "auto port mmio" ;;
		--sandbox | --pv-eoi) _vmrun_words "on off" ;;
		--append | --memory | --cpus | --name | --throttle) ;;
		*)
			_vmrun_words "--kernel --initrd --append --memory --cpus --disk --net --rng \
				--console --name --no-reboot --notify --pv-eoi --sandbox --stats-at-exit \
				--throttle --vfio --help"
			;;
		esac
		;;
	vdpa:2) _vmrun_words "add list balloon del" ;;
	vdpa:3)
		case ${COMP_WORDS[2]} in
		add) _vmrun_words "--name --disk --net --rng --balloon --driver --features" ;;
		list) _vmrun_words "--json" ;;
		*) _vmrun_words "$(ls /sys/bus/vdpa/devices)" ;;
		esac
		;;
	vdpa:*)
		if [ "$prev" = --disk ]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		elif [ "$prev" = --driver ]; then
			_vmrun_words "vhost virtio"
		elif [ "${COMP_WORDS[2]}" = add ]; then
			_vmrun_words "--name --disk --net --rng --balloon --driver --features"
		fi
		;;
	events:2) _vmrun_words "--json $(_vmrun_names)" ;;
	stat:2 | ctl:2) _vmrun_words "$(_vmrun_names)" ;;
	ctl:3) _vmrun_words "power-button reset pause resume link throttle lanes quit" ;;
	ctl:4) _vmrun_words "net0 net1 disk0 disk1" ;;
	ctl:*)
		if [ "${COMP_WORDS[3]}" = link ]; then
			_vmrun_words "up down announce"
		elif [ "${COMP_WORDS[3]}" = lanes ]; then
			_vmrun_words "poll= coalesce= cpus="
		else
			_vmrun_words "iops= bps= pps= off"
		fi
		;;
	stat:*) _vmrun_words "--watch --json" ;;
	 list:2 | events:3) _vmrun_words "--json" ;;
	esac
}

complete -o filenames -F _vmrun vmrun
