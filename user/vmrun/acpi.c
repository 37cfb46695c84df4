// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ACPI tables (ACPI 6.5, chapter 5), between ACPI_BASE and ACPI_END.
 *
 * The hardware they describe never changes while the guest runs, so they are
 * plain structures; the one table with code in it comes from dsdt.asl.
 */
#include "acpi.h"
#include "layout.h"
#include "number.h"
#include "power.h"
#include "say.h"

#include <string.h>

#include "dsdt.hex"

struct table_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

struct address {
	uint8_t space;
	uint8_t bits;
	uint8_t bit_offset;
	uint8_t access;
	uint64_t address;
} __attribute__((packed));

#define SPACE_IO 1

struct fadt {
	struct table_header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved0;
	uint8_t profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t smi_values[4];
	uint32_t pm1a_event;
	uint32_t pm1b_event;
	uint32_t pm1a_control;
	uint32_t pm1b_control;
	uint32_t pm2_control;
	uint32_t pm_timer;
	uint32_t gpe0;
	uint32_t gpe1;
	uint8_t pm1_event_length;
	uint8_t pm1_control_length;
	uint8_t pm2_control_length;
	uint8_t pm_timer_length;
	uint8_t gpe_lengths[3];
	uint8_t cst_control;
	uint16_t c2_latency;
	uint16_t c3_latency;
	uint16_t flush_size;
	uint16_t flush_stride;
	uint8_t duty_offset;
	uint8_t duty_width;
	uint8_t day_alarm;
	uint8_t month_alarm;
	uint8_t century;
	uint16_t boot_flags;
	uint8_t reserved1;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_flags;
	uint8_t minor_revision;
	uint64_t x_facs;
	uint64_t x_dsdt;
	struct address x_pm1a_event;
	struct address x_pm1b_event;
	struct address x_pm1a_control;
	struct address x_pm1b_control;
	struct address x_pm2_control;
	struct address x_pm_timer;
	struct address x_gpe0;
	struct address x_gpe1;
	struct address sleep_control;
	struct address sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

#define PROFILE_SERVER 4
#define NO_C2 101	/* a latency that says there is no such state */
#define NO_C3 1001
#define RTC_CENTURY 0x32

/* A guest that is told there is neither does not look for them. */
#define BOOT_LEGACY_DEVICES (1U << 0)
#define BOOT_NO_VGA (1U << 2)

#define FADT_WBINVD (1U << 0)
#define FADT_PROC_C1 (1U << 2)
#define FADT_NO_FIXED_SLEEP_BUTTON (1U << 5)
#define FADT_NO_FIXED_RTC_WAKE (1U << 6)
#define FADT_TIMER_32BIT (1U << 8)
#define FADT_RESET_REGISTER (1U << 10)

struct facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature;
	uint32_t waking_vector;
	uint32_t global_lock;
	uint32_t flags;
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
} __attribute__((packed));

struct madt {
	struct table_header header;
	uint32_t local_apic;
	uint32_t flags;
} __attribute__((packed));

#define MADT_HAS_8259 1

struct madt_cpu {
	uint8_t type;
	uint8_t length;
	uint8_t uid;
	uint8_t apic_id;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type;
	uint8_t length;
	uint8_t id;
	uint8_t reserved;
	uint32_t address;
	uint32_t gsi_base;
} __attribute__((packed));

struct madt_override {
	uint8_t type;
	uint8_t length;
	uint8_t bus;
	uint8_t source;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));

struct madt_nmi {
	uint8_t type;
	uint8_t length;
	uint8_t uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

enum { MADT_CPU = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_NMI = 4 };

#define CPU_ENABLED 1
#define ALL_CPUS 0xff
#define LEVEL_ACTIVE_HIGH 0x0d

struct mcfg {
	struct table_header header;
	uint64_t reserved;
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus;
	uint8_t last_bus;
	uint32_t reserved1;
} __attribute__((packed));

struct xsdt {
	struct table_header header;
	uint64_t tables[3];
} __attribute__((packed));

/* The address space descriptor of a 64-bit range (ACPI 6.5, 6.4.3.5.1). */
struct qword_range {
	uint8_t tag;
	uint16_t length;
	uint8_t type;
	uint8_t flags;
	uint8_t type_flags;
	uint64_t granularity;
	uint64_t min;
	uint64_t max;
	uint64_t translation;
	uint64_t size;
} __attribute__((packed));

#define QWORD_TAG 0x8a
#define QWORD_LENGTH 0x2b

/* Where the next table goes. */
struct space {
	const struct memory *memory;
	uint64_t next;
};

static void *take(struct space *space, size_t size, uint64_t *gpa)
{
	uint64_t at = ALIGN_UP(space->next, 64);

	if (at + size > ACPI_END)
		fail(STATUS_FAILURE, "ACPI: the tables do not fit");
	space->next = at + size;
	*gpa = at;
	return memset(memory_at(space->memory, at, size), 0, size);
}

static uint8_t checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint8_t sum = 0;

	while (size--)
		sum += *bytes++;
	return -sum;
}

static void set_header(struct table_header *header, const char *signature, uint32_t length,
		       uint8_t revision)
{
	*header = (struct table_header){
		.length = length,
		.revision = revision,
		.oem_id = "KVLANE",
		.oem_table_id = { 'V', 'M', 'R', 'U', 'N', ' ', ' ', ' ' },
		.oem_revision = 1,
		.creator_id = { 'K', 'V', 'L', 'N' },
		.creator_revision = 1,
	};
	memcpy(header->signature, signature, sizeof(header->signature));
}

static void seal(struct table_header *header)
{
	header->checksum = 0;
	header->checksum = checksum(header, header->length);
}

static uint64_t put_dsdt(struct space *space, uint64_t window, uint64_t window_size)
{
	struct qword_range *range;
	uint64_t gpa;
	uint8_t *aml = take(space, sizeof(dsdt_aml_code), &gpa);

	memcpy(aml, dsdt_aml_code, sizeof(dsdt_aml_code));
	for (size_t i = 0; i + sizeof(*range) <= sizeof(dsdt_aml_code); i++) {
		range = (void *)(aml + i);
		if (range->tag != QWORD_TAG || range->length != QWORD_LENGTH)
			continue;
		range->min = window;
		range->max = window + window_size - 1;
		range->size = window_size;
		break;
	}
	seal((void *)aml);
	return gpa;
}

static uint64_t put_facs(struct space *space)
{
	struct facs *facs;
	uint64_t gpa;

	facs = take(space, sizeof(*facs), &gpa);
	memcpy(facs->signature, "FACS", 4);
	facs->length = sizeof(*facs);
	facs->version = 2;
	return gpa;
}

static struct address port(uint16_t number, unsigned int bits)
{
	return (struct address){ SPACE_IO, bits, 0, bits / 16 + 1, number };
}

static uint64_t put_fadt(struct space *space, uint64_t dsdt)
{
	uint64_t facs = put_facs(space), gpa;
	struct fadt *fadt = take(space, sizeof(*fadt), &gpa);

	set_header(&fadt->header, "FACP", sizeof(*fadt), 6);
	fadt->minor_revision = 5;
	fadt->facs = facs;
	fadt->dsdt = dsdt;
	fadt->x_dsdt = dsdt;
	fadt->profile = PROFILE_SERVER;
	fadt->sci = GSI_SCI;
	fadt->pm1a_event = PORT_PM + PM_EVENT;
	fadt->pm1a_control = PORT_PM + PM_CONTROL;
	fadt->pm_timer = PORT_PM + PM_TIMER;
	fadt->pm1_event_length = 4;
	fadt->pm1_control_length = 2;
	fadt->pm_timer_length = 4;
	fadt->c2_latency = NO_C2;
	fadt->c3_latency = NO_C3;
	fadt->century = RTC_CENTURY;
	fadt->boot_flags = BOOT_LEGACY_DEVICES | BOOT_NO_VGA;
	fadt->flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_FIXED_SLEEP_BUTTON |
		      FADT_NO_FIXED_RTC_WAKE | FADT_TIMER_32BIT | FADT_RESET_REGISTER;
	fadt->reset = port(PORT_RESET, 8);
	fadt->reset_value = RESET_VALUE;
	fadt->x_pm1a_event = port(PORT_PM + PM_EVENT, 32);
	fadt->x_pm1a_control = port(PORT_PM + PM_CONTROL, 16);
	fadt->x_pm_timer = port(PORT_PM + PM_TIMER, 32);
	seal(&fadt->header);
	return gpa;
}

static uint64_t put_madt(struct space *space, unsigned int cpus)
{
	size_t size = sizeof(struct madt) + cpus * sizeof(struct madt_cpu) +
		      sizeof(struct madt_ioapic) + sizeof(struct madt_override) +
		      sizeof(struct madt_nmi);
	struct madt_cpu *cpu;
	struct madt_ioapic *ioapic;
	struct madt_override *sci;
	struct madt *madt;
	uint64_t gpa;

	madt = take(space, size, &gpa);
	set_header(&madt->header, "APIC", size, 5);
	madt->local_apic = LAPIC_BASE;
	madt->flags = MADT_HAS_8259;
	cpu = (void *)(madt + 1);
	for (unsigned int i = 0; i < cpus; i++, cpu++)
		*cpu = (struct madt_cpu){ MADT_CPU, sizeof(*cpu), i, i, CPU_ENABLED };
	ioapic = (void *)cpu;
	*ioapic = (struct madt_ioapic){ MADT_IOAPIC, sizeof(*ioapic), 0, 0, IOAPIC_BASE, 0 };
	sci = (void *)(ioapic + 1);
	*sci = (struct madt_override){ MADT_OVERRIDE, sizeof(*sci), 0, GSI_SCI, GSI_SCI,
				       LEVEL_ACTIVE_HIGH };
	*(struct madt_nmi *)(sci + 1) =
		(struct madt_nmi){ MADT_NMI, sizeof(struct madt_nmi), ALL_CPUS, 0, 1 };
	seal(&madt->header);
	return gpa;
}

static uint64_t put_mcfg(struct space *space)
{
	struct mcfg *mcfg;
	uint64_t gpa;

	mcfg = take(space, sizeof(*mcfg), &gpa);
	set_header(&mcfg->header, "MCFG", sizeof(*mcfg), 1);
	mcfg->base = PCI_ECAM_BASE;
	mcfg->last_bus = PCI_LAST_BUS;
	seal(&mcfg->header);
	return gpa;
}

uint64_t acpi_load(const struct memory *memory, unsigned int cpus, uint64_t window,
		   uint64_t window_size)
{
	struct space space = { memory, ACPI_BASE };
	uint64_t rsdp_gpa, xsdt_gpa;
	struct rsdp *rsdp = take(&space, sizeof(*rsdp), &rsdp_gpa);
	struct xsdt *xsdt = take(&space, sizeof(*xsdt), &xsdt_gpa);

	set_header(&xsdt->header, "XSDT", sizeof(*xsdt), 1);
	xsdt->tables[0] = put_fadt(&space, put_dsdt(&space, window, window_size));
	xsdt->tables[1] = put_madt(&space, cpus);
	xsdt->tables[2] = put_mcfg(&space);
	seal(&xsdt->header);
	memcpy(rsdp->signature, "RSD PTR ", 8);
	memcpy(rsdp->oem_id, "KVLANE", 6);
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = xsdt_gpa;
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
	return rsdp_gpa;
}
