// SPDX-License-Identifier: GPL-2.0-only
/* "vmrun check": what this host offers, line by line. */
#include "check.h"
#include "file.h"
#include "help.h"
#include "kvm.h"
#include "link.h"
#include "module.h"
#include "number.h"
#include "say.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/virtio_ids.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum verdict { OK, WARN, MISS };

static bool can_run = true;

static void line(enum verdict verdict, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* One line; a miss means that no guest can run. */
static void line(enum verdict verdict, const char *what, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "warn", "miss" };
	va_list args;

	printf("%-5s %-22s ", words[verdict], what);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	if (verdict == MISS)
		can_run = false;
}

static bool is_yes(const char *path)
{
	char value[8];

	return file_line(path, value, sizeof(value)) && (value[0] == 'Y' || value[0] == '1');
}

static bool is_amd(void)
{
	return access("/sys/module/kvm_amd", F_OK) == 0;
}

static void check_processor(void)
{
	char text[4096], vendor[64] = "unknown vendor";
	bool virtual = false;
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(text, sizeof(text), f)) {
		sscanf(text, "vendor_id : %63s", vendor);
		if (!strncmp(text, "flags", 5)) {
			virtual = strstr(text, " svm") || strstr(text, " vmx");
			break;
		}
	}
	if (f)
		fclose(f);
	if (virtual)
		line(OK, "processor", "%s, with virtualization", vendor);
	else
		line(WARN, "processor",
		     "%s, shows no virtualization: enable SVM or VT-x in the firmware", vendor);
}

/* A device file of ours: there, and may this user open it? */
static void check_permission(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return;
	if (access(path, R_OK | W_OK))
		line(MISS, path, "no permission: as root, adduser USER kvm, and log in again");
	else if (st.st_mode & 07)
		line(WARN, path, "mode %04o, anyone can open it: chgrp kvm and chmod 0660",
		     st.st_mode & 07777);
	else
		line(OK, path, "mode %04o, group %u", st.st_mode & 07777, st.st_gid);
}

static void check_kvm(void)
{
	const struct kvm_need *need;
	const char *mend;
	int fd = kvm_open_errno(&mend);

	if (fd < 0) {
		line(MISS, "KVM", "%s: %s", strerror(-fd), mend);
		return;
	}
	for (need = kvm_needs; need->name; need++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, need->cap) <= 0)
			line(MISS, "KVM", "no %s: use a newer kernel", need->name);
	}
	line(OK, "KVM", "API version %d, %d vCPUs recommended, %d at most", KVM_API_VERSION,
	     ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS),
	     ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS));
	close(fd);
}

static void check_paging(void)
{
	const char *path = is_amd() ? "/sys/module/kvm_amd/parameters/npt" :
				      "/sys/module/kvm_intel/parameters/ept";

	if (is_yes(path))
		line(OK, "nested paging", "%s", is_amd() ? "NPT" : "EPT");
	else
		line(WARN, "nested paging", "off, guests are slow: load %s with %s=1",
		     is_amd() ? "kvm_amd" : "kvm_intel", is_amd() ? "npt" : "ept");
}

/* Whether the first processor has a feature, by its name in /proc/cpuinfo. */
static bool processor_has(const char *feature)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char text[4096], *word, *rest;
	bool has = false;

	while (f && !has && fgets(text, sizeof(text), f) && text[0] != '\n') {
		if (strncmp(text, "flags", 5) && strncmp(text, "vmx flags", 9))
			continue;
		for (word = strtok_r(text, " \t\n", &rest); word && !has;
		     word = strtok_r(NULL, " \t\n", &rest))
			has = !strcmp(word, feature);
	}
	if (f)
		fclose(f);
	return has;
}

static void check_apicv(void)
{
	const char *name = is_amd() ? "AVIC" : "APICv";
	const char *path = is_amd() ? "/sys/module/kvm_amd/parameters/avic" :
				      "/sys/module/kvm_intel/parameters/enable_apicv";

	if (is_yes(path))
		line(OK, name, "interrupts reach a guest without an exit");
	else if (processor_has(is_amd() ? "avic" : "apicv"))
		line(WARN, name, "off, interrupts take exits, ended by PV-EOI: load %s",
		     is_amd() ? "kvm_amd with avic=1" : "kvm_intel with enable_apicv=1");
	else
		line(WARN, name,
		     "not in this processor, interrupts take exits, ended by PV-EOI%s",
		     is_amd() ? "; if it does not say so: load kvm_amd with avic=1 force_avic=1" :
				": take another processor");
}

static void check_module(void)
{
	struct kvlane_info info;
	const char *mend;
	int fd = module_open(&info, &mend);

	if (fd == -EPROTO) {
		line(MISS, "module kvlane", "API version %u, vmrun knows %u: %s",
		     info.api_version, KVLANE_API_VERSION, mend);
	} else if (fd < 0) {
		line(MISS, "module kvlane", "%s: %s", strerror(-fd), mend);
	} else {
		line(OK, "module kvlane", "API version %u, devices:%s%s%s%s", info.api_version,
		     info.device_types >> VIRTIO_ID_BLOCK & 1 ? " disk" : "",
		     info.device_types >> VIRTIO_ID_NET & 1 ? " net" : "",
		     info.device_types >> VIRTIO_ID_RNG & 1 ? " rng" : "",
		     info.device_types >> VIRTIO_ID_BALLOON & 1 ? " balloon" : "");
		close(fd);
	}
}

static unsigned int count_entries(const char *path)
{
	unsigned int n = 0;
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

/* The interrupt chips of a remapping IOMMU have names that begin with IR-. */
static bool is_remapping(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char text[4096];
	bool found = false;

	while (f && !found && fgets(text, sizeof(text), f))
		found = !!strstr(text, " IR-");
	if (f)
		fclose(f);
	return found;
}

static void check_iommu(void)
{
	unsigned int groups = count_entries("/sys/kernel/iommu_groups");

	if (!groups) {
		line(WARN, "IOMMU",
		     "none, no device can be assigned: boot with intel_iommu=on or amd_iommu=on");
		return;
	}
	line(OK, "IOMMU", "%u groups", groups);
	if (is_remapping())
		line(OK, "interrupt remapping", "on");
	else
		line(WARN, "interrupt remapping",
		     "off, assigned devices are not isolated: enable it in the firmware");
}

static void check_pool(unsigned int kb, const char *name)
{
	char path[96], free[32] = "", total[32] = "";

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages", kb);
	file_line(path, free, sizeof(free));
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ukB/nr_hugepages", kb);
	if (!file_line(path, total, sizeof(total)))
		line(WARN, name, "this processor or kernel has none");
	else if (strcmp(free, "0"))
		line(OK, name, "%s of %s are free", free, total);
	else
		line(WARN, name, "%s of %s are free; to reserve some: echo N >%s", free, total,
		     path);
}

/* Opening the file loads the driver, where the file is there without it. */
static void check_tap(void)
{
	int fd = open(TAP_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		line(WARN, "taps", "%s: %s, guests have no network: %s", TAP_DEVICE,
		     strerror(errno),
		     errno == EACCES ? "as root, chmod 0666 it" : "as root, modprobe tun");
	else if (geteuid())
		line(WARN, "taps",
		     "only those made for you: as root, ip tuntap add NAME mode tap user USER");
	else
		line(OK, "taps", "can be made");
	if (fd >= 0)
		close(fd);
}

static void check_bridges(void)
{
	char names[256];

	if (link_list("bridge", names, sizeof(names)))
		line(OK, "bridges", "%s", names);
	else
		line(WARN, "bridges", "none: as root, ip link add br0 up type bridge");
}

#define THP "/sys/kernel/mm/transparent_hugepage/"

static void check_thp(void)
{
	char text[128] = "";

	file_line(THP "enabled", text, sizeof(text));
	if (strstr(text, "[always]") || strstr(text, "[madvise]"))
		line(OK, "transparent huge pages", "%s", text);
	else
		line(WARN, "transparent huge pages", "off: echo madvise >%senabled", THP);
	file_line(THP "shmem_enabled", text, sizeof(text));
	if (!strstr(text, "[never]") && !strstr(text, "[deny]"))
		line(OK, "  for shared memory", "%s", text);
	else if (!geteuid())
		line(OK, "  for shared memory", "%s; root's guests get them all the same", text);
	else
		line(WARN, "  for shared memory", "%s; as root: echo advise >%sshmem_enabled",
		     text, THP);
}

static void check_memlock(void)
{
	struct rlimit limit;
	char size[32];

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	if (!geteuid() || limit.rlim_cur == RLIM_INFINITY)
		line(OK, "locked memory", "no limit");
	else
		line(WARN, "locked memory",
		     "%s; assigned devices need as much as their guest: raise ulimit -l",
		     size_format(limit.rlim_cur, size, sizeof(size)));
}

int check(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--help"))
		help_print("check");
	if (argc > 1)
		fail(STATUS_USAGE, "check: takes no argument; see vmrun check --help");
	check_processor();
	check_kvm();
	check_permission("/dev/kvm");
	check_paging();
	check_apicv();
	check_module();
	check_permission("/dev/kvlane");
	check_iommu();
	check_tap();
	check_bridges();
	check_pool(2048, "huge pages of 2 MiB");
	check_pool(1048576, "huge pages of 1 GiB");
	check_thp();
	check_memlock();
	return can_run ? 0 : 1;
}
