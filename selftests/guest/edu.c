// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives QEMU's "edu" devices, which the host has given to this guest, with uio: their
 * registers, their interrupt lines, and DMA in guest memory and beyond.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096
#define DRIVER		"/sys/bus/pci/drivers/uio_pci_generic/"
#define INTERRUPTS	100

/* Registers of the device. */
#define ID		0x00
#define ID_VALUE	0x010000ed
#define LIVE		0x04
#define RAISE		0x60
#define ACK		0x64
#define DMA_FROM	0x80
#define DMA_TO		0x88
#define DMA_COUNT	0x90
#define DMA_COMMAND	0x98
#define DMA_START	1
#define DMA_TO_RAM	2
#define BUFFER		0x40000
/* Past all of this guest's memory, and below the width of the IOMMU. */
#define NOWHERE		(1ULL << 38)

static volatile uint8_t *regs;
static char folder[128];
static int config;

static void __attribute__((noreturn)) fail(const char *what)
{
	printf("edu: %s: %m\n", what);
	exit(1);
}

static uint32_t get(unsigned int at)
{
	return *(volatile uint32_t *)(regs + at);
}

static void put(unsigned int at, uint32_t value)
{
	*(volatile uint32_t *)(regs + at) = value;
}

static void put64(unsigned int at, uint64_t value)
{
	*(volatile uint64_t *)(regs + at) = value;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

static void bind_devices(glob_t *found)
{
	write_text(DRIVER "new_id", "1234 11e8");
	if (glob(DRIVER "0000:*", 0, NULL, found))
		fail("no device");
}

static int open_in(const char *name)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR);
	if (fd < 0)
		fail(path);
	return fd;
}

/* Memory and bus master on, and the interrupt, which uio turns off each time it comes. */
static void set_command(void)
{
	const uint16_t command = 0x6;

	if (pwrite(config, &command, sizeof(command), 4) != sizeof(command))
		fail("config");
}

static void enable(void)
{
	config = open_in("config");
	set_command();
	regs = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, open_in("resource0"), 0);
	if (regs == MAP_FAILED)
		fail("resource0");
}

static uint64_t physical(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8) != 8 || !(entry >> 63))
		fail("pagemap");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE;
}

static void dma(uint64_t from, uint64_t to, uint32_t command)
{
	put64(DMA_FROM, from);
	put64(DMA_TO, to);
	put64(DMA_COUNT, PAGE);
	put64(DMA_COMMAND, command | DMA_START);
	while (get(DMA_COMMAND) & DMA_START)
		usleep(1000);
}

static void copy(void)
{
	uint8_t *mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	unsigned int i;

	for (i = 0; i < PAGE; i++)
		mem[i] = i * 7;
	dma(physical(mem), BUFFER, 0);
	dma(BUFFER, physical(mem + PAGE), DMA_TO_RAM);
	if (memcmp(mem, mem + PAGE, PAGE))
		fail("what came back is not what was sent");
	dma(BUFFER, NOWHERE, DMA_TO_RAM);
	dma(BUFFER, physical(mem + PAGE), DMA_TO_RAM);
	if (memcmp(mem, mem + PAGE, PAGE))
		fail("not the same after DMA to nowhere");
}

/* /dev/uioN, as the device's folder has a uioN. */
static int open_uio(void)
{
	char pattern[160], path[32];
	glob_t found;
	int fd;

	snprintf(pattern, sizeof(pattern), "%s/uio/uio*", folder);
	if (glob(pattern, 0, NULL, &found))
		fail(pattern);
	snprintf(path, sizeof(path), "/dev/%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	fd = open(path, O_RDWR);
	if (fd < 0)
		fail(path);
	return fd;
}

static void interrupts(void)
{
	uint32_t count, first = 0;
	int fd = open_uio(), i;

	for (i = 0; i < INTERRUPTS; i++) {
		set_command();
		put(RAISE, 1);
		if (read(fd, &count, sizeof(count)) != sizeof(count))
			fail("waiting for the interrupt");
		put(ACK, 1);
		first = i ? first : count;
	}
	if (count - first != INTERRUPTS - 1)
		fail("not as many interrupts as were raised");
}

static void drive(const char *device)
{
	snprintf(folder, sizeof(folder), "%s", device);
	enable();
	if (get(ID) != ID_VALUE)
		fail("not the device");
	put(LIVE, 0x12345678);
	if (get(LIVE) != ~0x12345678U)
		fail("does not answer");
	copy();
	interrupts();
	printf("edu: %d interrupts\n", INTERRUPTS);
}

int main(void)
{
	glob_t found;
	size_t i;

	alarm(60);
	bind_devices(&found);
	for (i = 0; i < found.gl_pathc; i++)
		drive(found.gl_pathv[i]);
	return 0;
}
